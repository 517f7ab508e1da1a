//! Nasdaq's equity markets (Nasdaq, BX, PSX): TotalView-ITCH 5.0 over MoldUDP64, and its snapshots,
//! GLIMPSE 5.0 over SoupBinTCP.

pub mod ascii;
pub mod glimpse;
pub mod itch50;
pub mod moldudp64;
pub mod soupbintcp;
