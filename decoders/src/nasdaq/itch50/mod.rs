//! Nasdaq TotalView-ITCH 5.0 (editions of 2023 and of 2026-02-19), as Nasdaq, BX and PSX publish it.
//!
//! All integers are big-endian, text is left-aligned and space padded, prices have four decimals
//! (market-wide circuit breaker levels: eight), times are ns since midnight in New York. A message
//! names its instrument by the stock locate, a number given anew every day by the stock directory;
//! 0 is the market as a whole. The structs here are the layouts, [`decode`] is their meaning.
//!
//! Letters the specification does not list are values, not errors: a trading state becomes
//! [`TradingState::Unknown`](candor_core::TradingState::Unknown), a halt action or a short-sale action
//! other than the one that means "none" counts as in force, a cross's imbalance has no side. A side of
//! an order that is neither `B` nor `S` is refused, because the order can't be put on a book.
//!
//! One feed carries operational halts of Nasdaq, BX and PSX, told apart by a market code. Only those
//! of Nasdaq (`Q`) are [`Event::OperationalHalt`](candor_core::Event::OperationalHalt); another
//! market's is a notice, so that it neither halts nor resumes an instrument here. On a BX or PSX feed
//! the market's own operational halts are therefore notices too.
//!
//! Checked against production bytes: A, C, D, E, F, H, I, J, L, N, P, Q, S, U, X, Y. Unverified, for want of
//! a captured message: B, K, O, R, V, W and h follow the specification's table alone.

mod normalise;
mod views;

pub use normalise::{decode, symbol_in};
pub use views::*;
