//! What the tests of this crate share.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use candor_core::symbol::Text;
use candor_core::{
    BookView, Decimals, Level, Mono, Nanos, Price, Proof, Reason, SessionId, Stats, Status, Symbol,
    SymbolIndex, Trade, TradingDate, TradingState, Venue, WireTime, promote,
};
use candor_shm::{Endpoint, LaneWriter, PartitionSpec, RegionSpec};

pub fn venue(name: &str) -> Venue {
    Venue::from_wire(name.as_bytes()).unwrap()
}

pub fn symbol(name: &str) -> Symbol {
    Symbol::from_wire(name.as_bytes()).unwrap()
}

pub fn partition(venue_name: &str, name: &str, lane: u16) -> PartitionSpec {
    PartitionSpec {
        venue: venue(venue_name),
        name: Text::from_wire(name.as_bytes()).unwrap(),
        feed: Text::from_wire(b"nasdaq-itch50").unwrap(),
        lane,
        symbols: 8,
        silence: Nanos::from_secs(3),
        decimals: Decimals(4),
        lines: [Some(Endpoint { group: [239, 1, 1, 1], port: 26_401 }), None, None],
    }
}

/// One lane, one partition of XNAS, small rings.
pub fn spec() -> RegionSpec {
    let mut spec = RegionSpec::new(Text::from_wire(b"mdh1").unwrap());
    spec.trading_date = TradingDate(20_261_121);
    // Tests vouch for as long as they like.
    spec.process_lease = Nanos(u64::MAX);
    spec.events = 64;
    spec.losses = 16;
    spec.config_digest = std::array::from_fn(|at| at as u8);
    spec.binary_digest = std::array::from_fn(|at| 0xff - at as u8);
    spec.partitions = vec![partition("XNAS", "1", 0)];
    spec
}

/// What a writer says when it has ruled everything out.
pub fn live() -> Status {
    let whole = Reason::ALL.iter().fold(Proof::NOTHING, |proof, r| proof.rule_out(*r, true));
    promote(&whole)
}

pub const SESSION: SessionId = SessionId(77);

/// A book all of whose fields follow from `n`, with 0 to 10 levels a side.
pub fn book(n: u64) -> BookView {
    let mut view = BookView::EMPTY;
    view.seq = n;
    view.time = WireTime(n.wrapping_mul(3));
    view.bid_count = (n % 11) as u8;
    view.ask_count = (n / 11 % 11) as u8;
    view.trading_state = TradingState::ALL[(n % 7) as usize];
    view.decimals = Decimals((n % 9) as u8);
    view.round_lot = n as u32;
    let level = |at: usize, sign: i64| Level {
        price: Price(sign * (n as i64 + at as i64)),
        size: n.wrapping_mul(5).wrapping_add(at as u64),
        orders: (n as u32).wrapping_add(at as u32),
        reserved: 0,
    };
    for at in 0..usize::from(view.bid_count) {
        view.bids[at] = level(at, -1);
    }
    for at in 0..usize::from(view.ask_count) {
        view.asks[at] = level(at, 1);
    }
    view.last = Trade { price: Price(n as i64), size: n + 1, time: WireTime(n + 2), id: n + 3 };
    view.stats = Stats {
        open: Price(n as i64 + 4),
        high: Price(n as i64 + 5),
        low: Price(-(n as i64)),
        volume: n + 6,
        trades: n as u32,
        broken: (n / 2) as u32,
        since: n + 7,
    };
    view
}

/// Brings partition 0 and one symbol of it to Live until `deadline`, in epoch 1.
pub fn bring_up(lane: &mut LaneWriter, name: &str, deadline: Mono) {
    lane.define(0, SymbolIndex(0), &symbol(name));
    lane.partition(0, live(), 1, Mono(10), SESSION);
    lane.publish(0, SymbolIndex(0), live(), 1, Mono(11), &book(45));
    lane.lease(0, deadline);
    lane.renew(deadline);
}

/// A folder of this test's own in shared memory, gone afterwards.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let base = if Path::new("/dev/shm").is_dir() {
            PathBuf::from("/dev/shm")
        } else {
            std::env::temp_dir()
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("candor-shm-test-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub fn region(&self) -> PathBuf {
        self.0.join("region")
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind is a nuisance, not a failure.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
