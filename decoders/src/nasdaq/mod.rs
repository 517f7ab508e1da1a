//! Nasdaq's equity markets (Nasdaq, BX, PSX): TotalView-ITCH 5.0 over MoldUDP64.

pub mod itch50;
pub mod moldudp64;
