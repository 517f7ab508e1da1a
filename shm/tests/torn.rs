//! Two processes: a writer at full speed, stopped and killed at random instants, and a reader who
//! checks every book it gets. `CANDOR_TORN_READS` sets how many (default 2,000,000; 100,000,000
//! takes a minute or two).
#![cfg(not(loom))]

mod support;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use candor_core::{
    BookView, Changed, Event, InstrumentKey, Message, Mono, Nanos, Price, Reason, SeqNo, Side,
    Status, SymbolIndex, WireTime,
};
use candor_shm::{CreateError, Handle, LaneWriter, Next, Read, Region, clock, create};
use rustix::process::{Pid, Signal, kill_process};
use support::{Folder, SESSION, book, live, spec, symbol, venue};

const SYMBOLS: u32 = 4;
const LEASE: Nanos = Nanos::from_millis(20);
/// Set in the number of every book that must not be believed.
const WRONG: u64 = 1 << 63;
const PATH: &str = "CANDOR_TORN_PATH";

fn name(index: u32) -> candor_core::Symbol {
    symbol(&format!("S{index}"))
}

/// The book that belongs to this number, marked or not. How many of its symbol's writes ago bids, asks and trades were
/// written last stands in the round lot, which is written each time.
fn expected(seq: u64, lot: u32) -> BookView {
    let number = seq & !WRONG;
    let [bids, asks, trades] = [0, 8, 16].map(|bit| {
        let ago = u64::from(lot >> bit & 0xff);
        book(number.saturating_sub(ago * u64::from(SYMBOLS)))
    });
    let mut view = BookView { seq, round_lot: lot, ..book(number) };
    (view.bids, view.bid_count) = (bids.bids, bids.bid_count);
    (view.asks, view.ask_count) = (asks.asks, asks.ask_count);
    (view.last, view.stats) = (trades.last, trades.stats);
    view
}

/// Publishes a number's book. What is not written this time is of another book altogether.
fn publish(lane: &mut LaneWriter, n: u64, mark: u64, ago: &mut [u32; 3]) {
    let nth = n / u64::from(SYMBOLS) % 4;
    // Of each symbol the first is whole.
    let all = nth == 0 || mark != 0 || n < 4 * u64::from(SYMBOLS);
    let [bids, asks, trades] = [1, 2, 3].map(|part| all || nth == part);
    for (ago, written) in ago.iter_mut().zip([bids, asks, trades]) {
        *ago = if written { 0 } else { *ago + 1 };
    }
    let mut view = expected(n | mark, ago[0] | ago[1] << 8 | ago[2] << 16);
    let other = book(!n >> 8);
    let side = |written| if written { Changed::SIDE } else { 0 };
    let changed = Changed { bids: side(bids), asks: side(asks), trades };
    if !bids {
        view.bids = other.bids;
    }
    if !asks {
        view.asks = other.asks;
    }
    if !trades {
        (view.last, view.stats) = (other.last, other.stats);
    }
    let index = SymbolIndex(n as u32 % SYMBOLS);
    lane.publish_changed(0, index, live(), 1, Mono(n), &view, changed);
    lane.event(0, Some(index), SeqNo(n), Mono(n * 3), &event(n));
}

fn event(number: u64) -> Message {
    let event = Event::Add {
        order: number,
        side: Side::Bid,
        price: Price(number as i64 * 7),
        size: number as u32,
    };
    Message { key: InstrumentKey(1), time: WireTime(number * 5), kind: b'A', event }
}

/// The writer's process: this test does nothing unless it is started by one of the others.
#[test]
fn writer_process() {
    let Some(path) = std::env::var_os(PATH) else { return };
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    let (mut handler, mut lanes) = create(PathBuf::from(path), &spec()).unwrap();
    let lane = &mut lanes[0];
    for index in 0..SYMBOLS {
        lane.define(0, SymbolIndex(index), &name(index));
    }
    let now = clock::now();
    handler.set_status(live(), now);
    let (mut number, mut ago) = (0, [[0; 3]; SYMBOLS as usize]);
    // BOUND: killed by the parent, or with it.
    loop {
        write_a_round(lane, &mut number, &mut ago);
    }
}

/// Books that may be believed, then a stale spell with books that may not, put right at its end.
fn write_a_round(lane: &mut LaneWriter, number: &mut u64, ago: &mut [[u32; 3]; SYMBOLS as usize]) {
    let now = clock::now();
    let mut publish = |lane: &mut LaneWriter, n: u64, mark| {
        publish(lane, n, mark, &mut ago[(n as u32 % SYMBOLS) as usize]);
    };
    lane.partition(0, live(), 1, now, SESSION);
    lane.lease(0, now + LEASE);
    lane.renew(now + LEASE);
    for _ in 0..200 {
        *number += 1;
        publish(lane, *number, 0);
    }
    lane.partition(0, Status::stale(Reason::Gap), 1, now, SESSION);
    for _ in 0..20 {
        *number += 1;
        publish(lane, *number, WRONG);
    }
    for _ in 0..SYMBOLS {
        *number += 1;
        publish(lane, *number, 0);
    }
}

struct Writer(Child);

impl Writer {
    fn start(folder: &Folder) -> (Writer, Region) {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer_process", "--nocapture"])
            .env(PATH, folder.region())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let writer = Writer(child);
        let until = clock::now() + Nanos::from_secs(20);
        loop {
            assert!(clock::now() < until, "the writer did not come up");
            std::thread::park_timeout(Duration::from_millis(1));
            let Ok(region) = Region::open(folder.region()) else { continue };
            if (0..SYMBOLS).all(|i| region.find(&venue("XNAS"), &name(i)).is_some()) {
                return (writer, region);
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Until the kernel says that it stands.
    fn stop(&self) {
        self.signal(Signal::STOP);
        let until = clock::now() + Nanos::from_secs(20);
        let stat = format!("/proc/{}/stat", self.0.id());
        loop {
            assert!(clock::now() < until, "the writer did not stop");
            let line = std::fs::read_to_string(&stat).unwrap();
            if line.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')) {
                return;
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Whatever became of the test, no writer stays behind.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the reads of a test came to.
#[derive(Default, Debug)]
struct Tally {
    live: u64,
    stale: u64,
    busy: u64,
    newest: [u64; SYMBOLS as usize],
}

impl Tally {
    fn whole(&self) -> u64 {
        self.live + self.stale
    }

    fn read(&mut self, region: &Region, handles: &[Handle], at: usize) -> Read {
        let read = region.read(handles[at]);
        match &read {
            Read::Live(view) => {
                assert_eq!(view.book.seq & WRONG, 0, "live, and written while stale");
                assert_eq!(view.book, expected(view.book.seq, view.book.round_lot), "torn");
                assert_eq!(view.since, Mono(view.book.seq), "status and book of two writes");
                assert!(view.book.seq >= self.newest[at], "time went back");
                self.newest[at] = view.book.seq;
                self.live += 1;
            }
            Read::Stale { last: Some(view), .. } => {
                assert_eq!(view.book, expected(view.book.seq, view.book.round_lot), "torn");
                assert_eq!(view.since, Mono(view.book.seq & !WRONG), "of two writes");
                self.stale += 1;
            }
            Read::Stale { last: None, .. } => self.busy += 1,
        }
        read
    }
}

fn handles(region: &Region) -> Vec<Handle> {
    (0..SYMBOLS).map(|i| region.find(&venue("XNAS"), &name(i)).unwrap()).collect()
}

#[test]
fn no_read_is_ever_torn() {
    let wanted: u64 = std::env::var("CANDOR_TORN_READS")
        .map_or(2_000_000, |text| text.parse().expect("CANDOR_TORN_READS is a number"));
    let folder = Folder::new();
    let (writer, region) = Writer::start(&folder);
    let handles = handles(&region);
    let mut events = region.events(0).unwrap();
    let mut tally = Tally::default();
    let (mut followed, mut missed, mut at) = (0u64, 0u64, 0usize);
    while tally.whole() < wanted {
        at = (at + 1) % handles.len();
        let _ = tally.read(&region, &handles, at);
        match events.next() {
            Next::Record(record) => {
                assert_eq!(record.seq, SeqNo(record.number), "torn event");
                assert_eq!(record.arrival, Mono(record.number * 3), "torn event");
                assert_eq!(record.event, Some(event(record.number).event), "torn event");
                followed += 1;
            }
            Next::Lapped { missed: some } => missed += some,
            Next::Nothing => {}
        }
    }
    drop(writer);
    eprintln!("shown: {tally:?}; events: {followed} followed, {missed} missed");
    assert!(tally.live > 0, "nothing was ever live");
    assert!(tally.stale > 0, "nothing was ever stale");
    assert!(followed > 0, "no event was followed");
}

/// Reads until the lane's lease is out, then some more: not one Live after it.
fn goes_stale_by_itself(region: &Region, handles: &[Handle], tally: &mut Tally) {
    let lease = region.lanes(clock::now()).next().unwrap().lease;
    assert!(lease.since(clock::now()) <= LEASE);
    let mut after = 0;
    while after < 1_000 {
        let before = clock::now();
        for at in 0..handles.len() {
            let read = tally.read(region, handles, at);
            if before >= lease {
                assert_eq!(read.reason(), Some(Reason::WriterGone));
                after += 1;
            }
        }
    }
}

#[test]
fn a_writer_stopped_or_killed_anywhere_is_stale_within_its_lease() {
    let folder = Folder::new();
    let (mut writer, region) = Writer::start(&folder);
    let handles = handles(&region);
    let mut tally = Tally::default();
    let mut seed = 0x9e37_79b9_7f4a_7c15u64 ^ u64::from(std::process::id());
    for _ in 0..30 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let until = clock::now() + Nanos(seed % 3_000_000);
        while clock::now() < until {
            let _ = tally.read(&region, &handles, 0);
        }
        writer.stop();
        goes_stale_by_itself(&region, &handles, &mut tally);
        writer.signal(Signal::CONT);
        let until = clock::now() + Nanos::from_secs(20);
        while tally.read(&region, &handles, 1).reason().is_some() {
            assert!(clock::now() < until, "a writer that goes on comes back");
        }
    }
    // Alive, it keeps its region; dead, the lock is gone with it.
    assert!(matches!(create(folder.region(), &spec()), Err(CreateError::InUse { .. })));
    writer.signal(Signal::KILL);
    writer.0.wait().unwrap();
    goes_stale_by_itself(&region, &handles, &mut tally);
    let (handler, _lanes) = create(folder.region(), &spec()).unwrap();
    assert_eq!(handler.generation(), 2);
    assert!(!region.is_current());
    eprintln!("shown: {tally:?}");
}
