//! In virtual time: every instant is written down. Tests are called as the scenarios they cover.

mod day;
mod overlay;
mod saving;
mod table;
mod timeline;
mod twin;

use jiff::Timestamp;

use super::*;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// `2026-11-23T12:30:00Z` as an instant.
fn utc(text: &str) -> Wall {
    let at: Timestamp = text.parse().expect("an instant");
    Wall(u64::try_from(at.as_nanosecond()).expect("after 1970"))
}

fn calendar(venue: &str) -> Calendar {
    Calendar::of(venue).expect("a venue that is known")
}

/// The one instant of a date's map on the venue's usual morning.
fn map_at(venue: &str, date: u32) -> String {
    let calendar = calendar(venue);
    let planned = Schedule::of(&calendar).on(&calendar, TradingDate(date)).expect("a trading date");
    planned[Step::Map.index()].1.to_string()
}
