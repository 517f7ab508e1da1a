//! A region as a handler would leave it, written here, and the binary that looks at it.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use candor::clock::Clock;
use candor_core::counters::{Counter, Counters, LaneCounter};
use candor_core::symbol::Text;
use candor_core::{
    BookView, Decimals, Level, Mono, Nanos, Price, Proof, Reason, SeqNo, SessionId, Status, Symbol,
    SymbolIndex, Trade, TradingDate, TradingState, Venue, WireTime, promote,
};
use candor_journal::{Fields, Settings, Stamp, Writer};
use candor_shm::{Endpoint, HandlerWriter, LaneWriter, PartitionSpec, RegionSpec, create};

/// Far away: no test takes an hour.
const LONG: Nanos = Nanos::from_secs(3_600);

/// Events in a lane's ring, but for tests of more.
const RING: u32 = 64;

/// What a writer says when it has ruled everything out.
pub(crate) fn live() -> Status {
    let whole = Reason::ALL.iter().fold(Proof::NOTHING, |proof, r| proof.rule_out(*r, true));
    promote(&whole)
}

pub(crate) fn now() -> Mono {
    Clock::new().now()
}

pub(crate) fn symbol(name: &str) -> Symbol {
    Symbol::from_wire(name.as_bytes()).unwrap()
}

/// Best bid 185.0000 × 100, best offer 185.0100 × 40, and a level behind; last 185.0050.
pub(crate) fn book(seq: u64) -> BookView {
    let level = |price, size, orders| Level { price: Price(price), size, orders, reserved: 0 };
    let mut view = BookView { seq, time: WireTime(5), ..BookView::EMPTY };
    view.decimals = Decimals(4);
    view.trading_state = TradingState::Trading;
    (view.bid_count, view.ask_count) = (2, 1);
    view.bids[0] = level(1_850_000, 100, 2);
    view.bids[1] = level(1_849_900, 70, 1);
    view.asks[0] = level(1_850_100, 40, 1);
    view.last = Trade { price: Price(1_850_050), size: 10, time: WireTime(4), id: 3 };
    view.stats.high = Price(1_860_000);
    view.stats.low = Price(1_840_000);
    view.stats.volume = 1_000;
    view.stats.trades = 7;
    view
}

/// A region of two venues: XNAS with partitions 1 and 2, IEXG with one; all of it live.
/// AAPL is in XNAS 1 and in IEXG, MSFT in XNAS 1, TSLA in XNAS 2.
pub(crate) struct World {
    pub(crate) path: PathBuf,
    pub(crate) handler: HandlerWriter,
    /// The lane that owns every partition.
    pub(crate) lane: LaneWriter,
    /// Further lanes, alive and without a partition.
    idle: Vec<LaneWriter>,
}

impl World {
    pub(crate) fn new() -> World {
        World::with_lanes(1)
    }

    pub(crate) fn with_lanes(lanes: u16) -> World {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("candor-queries-{}-{number}", std::process::id());
        World::at(std::env::temp_dir().join(name), lanes, RING)
    }

    /// With room for so many events in each ring.
    pub(crate) fn with_ring(events: u32) -> World {
        let name = format!("candor-queries-{}-ring-{events}", std::process::id());
        World::at(std::env::temp_dir().join(name), 1, events)
    }

    fn at(path: PathBuf, lanes: u16, events: u32) -> World {
        let mut spec = spec();
        spec.lanes = lanes;
        spec.events = events;
        let (mut handler, mut idle) = create(&path, &spec).unwrap();
        let lane = idle.remove(0);
        handler.set_status(live(), now());
        handler.set_mode(0, "native copy");
        // As if it went on looking.
        handler.set_unmapped(&[], now() + LONG);
        for lane in &mut idle {
            lane.renew(now() + LONG);
        }
        let mut world = World { path, handler, lane, idle };
        world.lane.renew(now() + LONG);
        world.lane.lane_counter(LaneCounter::Frames, 4_711);
        let symbols = [(0, 0, "AAPL"), (0, 1, "MSFT"), (1, 0, "TSLA"), (2, 0, "AAPL")];
        for (partition, index, name) in symbols {
            world.lane.define(partition, SymbolIndex(index), &symbol(name));
            world.publish(partition, index, live(), 9);
        }
        for partition in 0..3 {
            world.partition(partition, live());
            world.lane.lease(partition, now() + LONG);
            let mut counters = Counters::new();
            counters.add(Counter::Packets, 50);
            world.lane.counters(partition, &counters);
            world.numbers(partition, 10, 12);
        }
        world
    }

    /// The handler dies, its region and the lock beside it are removed, and another handler starts
    /// at the path: the new region's generation is 1 again.
    pub(crate) fn replaced(mut self) -> World {
        self.die();
        let (path, lanes) = (self.path.clone(), 1 + self.idle.len() as u16);
        drop(self);
        World::at(path, lanes, RING)
    }

    fn remove(&self) {
        for end in ["", ".lock"] {
            let mut name = self.path.as_os_str().to_owned();
            name.push(end);
            let _ = std::fs::remove_file(name);
        }
        let _ = std::fs::remove_dir_all(self.journal());
    }

    /// The folder of its journal.
    pub(crate) fn journal(&self) -> PathBuf {
        candor::journal::folder(None, &self.path)
    }

    /// Writes these records there.
    pub(crate) fn record(&self, records: &[(&str, Fields)]) {
        let stamp = Stamp { wall: candor::clock::wall(), mono: now().0 };
        let (folder, settings) = (self.journal(), Settings::default());
        let opened = Writer::open(&folder, settings, "mdh1", "2026-11-21", stamp);
        let (mut writer, _) = opened.unwrap();
        for (kind, fields) in records {
            writer.add(stamp, kind, fields.clone());
        }
        writer.commit(stamp).unwrap();
    }

    pub(crate) fn numbers(&mut self, partition: u16, expected: u64, end: u64) {
        self.lane.numbers(partition, SeqNo(expected), SeqNo(end));
        self.lane.heard(partition, now());
    }

    pub(crate) fn publish(&mut self, partition: u16, index: u32, status: Status, seq: u64) {
        self.lane.publish(partition, SymbolIndex(index), status, 1, now(), &book(seq));
    }

    pub(crate) fn partition(&mut self, partition: u16, status: Status) {
        let session = SessionId::from_text(*b"20261121A ");
        self.lane.partition(partition, status, 1, now(), session);
    }

    /// The lane stopped vouching for itself three seconds ago.
    pub(crate) fn die(&mut self) {
        self.lane.renew(now() - Nanos::from_secs(3));
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
        command.args(arguments).arg("--region").arg(&self.path);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        Answer(self.command(arguments).output().unwrap())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.remove();
    }
}

fn spec() -> RegionSpec {
    let partition = |venue: &str, name: &str, group| PartitionSpec {
        venue: Venue::from_wire(venue.as_bytes()).unwrap(),
        name: Text::from_wire(name.as_bytes()).unwrap(),
        feed: Text::from_wire(b"nasdaq-itch50").unwrap(),
        lane: 0,
        symbols: 8,
        silence: Nanos::from_secs(3),
        decimals: Decimals(4),
        lines: [Some(Endpoint { group: [239, 1, 1, group], port: 26_401 }), None, None],
    };
    let mut spec = RegionSpec::new(Text::from_wire(b"mdh1").unwrap());
    spec.trading_date = TradingDate(20_261_121);
    // Leases here are written once, far ahead; a lease beyond this length would be another clock's.
    spec.process_lease = Nanos(u64::MAX);
    spec.losses = 16;
    spec.partitions =
        vec![partition("XNAS", "1", 1), partition("XNAS", "2", 2), partition("IEXG", "1", 3)];
    spec
}

/// What the binary answered.
pub(crate) struct Answer(pub(crate) Output);

impl Answer {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.0.stdout)
            .unwrap_or_else(|_| panic!("{}{}", self.out(), self.err()))
    }
}
