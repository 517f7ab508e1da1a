//! The venues whose calendar is known, their hours, and whose dates they keep.
//!
//! Dates, zones and the hours from open to close are the package's, which `dates.rs` was generated from,
//! unless a comment here says why not. When a venue's day begins and ends, and when it starts to take
//! orders before the open, the package doesn't say: these are the usual hours, rounded
//! outwards so that nothing a venue may send lies outside; they were not compared with every venue's rule book.

use super::dates::{self, CMES, XETR, XEUR, XLON, XNYS, XTKS};
use super::moment::Moment;

/// What was generated for one calendar of the package.
pub(super) struct Dates {
    pub(super) zone: &'static str,
    pub(super) open: Moment,
    pub(super) close: Moment,
    pub(super) pause: Option<(Moment, Moment)>,
    /// How many trading dates the package counts: the check of what is read from here.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests' check of the table"))]
    pub(super) sessions: u32,
    /// Weekdays without trading, ascending, each with why.
    pub(super) closed: &'static [(u32, &'static str)],
    /// Days that close early, ascending: when, and why.
    pub(super) early: &'static [(u32, Moment, &'static str)],
}

/// The first and the last date that is known of any venue.
pub(super) const KNOWN: (u32, u32) = (dates::STARTS, dates::ENDS);

/// What is the same for venues that keep the same hours and dates.
pub(super) struct Profile {
    pub(super) venues: &'static [&'static str],
    pub(super) dates: &'static Dates,
    /// From here on what the venue sends is of the trading date.
    pub(super) begins: Moment,
    /// It starts to take orders.
    pub(super) preopen: Moment,
    pub(super) open: Moment,
    pub(super) close: Moment,
    /// From here on nothing more is of the trading date.
    pub(super) ends: Moment,
    /// The morning's milestones in minutes from the open, by [`super::Step::index`].
    pub(super) morning: &'static [i16; 8],
}

/// Two hours before the open, as 07:30 is where markets open at 09:30.
const TWO_HOURS: [i16; 8] = [-120, -119, -115, -45, -30, -20, 0, 1];

/// For a venue that trades round the clock but for an hour: all of the morning fits into that hour.
const ONE_BREAK: [i16; 8] = [-45, -44, -40, -30, -25, -20, 0, 1];

pub(super) const PROFILES: [Profile; 7] = [
    // Shares in the United States, late and early trading included.
    Profile {
        venues: &[
            "XNYS", "XNAS", "IEXG", "IEX", "XASE", "ARCX", "XCIS", "XCHI", "XBOS", "XPHL", "BATS",
            "BATY", "EDGA", "EDGX", "MEMX",
        ],
        dates: &XNYS,
        begins: Moment::hm(2, 0),
        preopen: Moment::hm(4, 0),
        open: XNYS.open,
        close: XNYS.close,
        ends: Moment::hm(20, 30),
        morning: &TWO_HOURS,
    },
    // Options on them. The package's calendar of the Cboe lacks early closes that it has for shares, and
    // options close with what they are on. Night trading begins the evening before.
    Profile {
        venues: &["OPRA", "XCBO", "C2OX", "BATO", "EDGO"],
        dates: &XNYS,
        begins: Moment::eve(20, 0),
        preopen: Moment::hm(7, 30),
        open: XNYS.open,
        close: XNYS.close,
        ends: Moment::hm(18, 0),
        morning: &TWO_HOURS,
    },
    // Globex, equity indices. The package closes at 17:00, as the first of its products to open does;
    // these pause from 16:00. Sundays take orders from 16:00 on, which is not told apart here. Nor is
    // that the exchange counts the short session of a holiday (Labor Day, to 12:00) to the trade date
    // behind it: as in the package, it is a trading date of its own here, that a map is loaded for.
    Profile {
        venues: &["XCME", "CME"],
        dates: &CMES,
        begins: Moment::eve(16, 15),
        preopen: Moment::eve(16, 45),
        open: Moment::eve(17, 0),
        close: Moment::hm(16, 0),
        ends: Moment::hm(16, 15),
        morning: &ONE_BREAK,
    },
    Profile {
        venues: &["XLON"],
        dates: &XLON,
        begins: Moment::hm(5, 0),
        preopen: Moment::hm(7, 50),
        open: XLON.open,
        close: XLON.close,
        ends: Moment::hm(18, 0),
        morning: &TWO_HOURS,
    },
    // Some products trade from shortly after midnight: the trading date is theirs too.
    Profile {
        venues: &["XEUR"],
        dates: &XEUR,
        begins: Moment::hm(0, 15),
        preopen: Moment::hm(7, 30),
        open: XEUR.open,
        close: XEUR.close,
        ends: Moment::hm(23, 0),
        morning: &TWO_HOURS,
    },
    Profile {
        venues: &["XETR"],
        dates: &XETR,
        begins: Moment::hm(6, 0),
        preopen: Moment::hm(8, 50),
        open: XETR.open,
        close: XETR.close,
        ends: Moment::hm(22, 30),
        morning: &TWO_HOURS,
    },
    Profile {
        venues: &["XTKS"],
        dates: &XTKS,
        begins: Moment::hm(6, 0),
        preopen: Moment::hm(8, 0),
        open: XTKS.open,
        close: XTKS.close,
        ends: Moment::hm(17, 0),
        morning: &TWO_HOURS,
    },
];
