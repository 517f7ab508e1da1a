//! Every reason a reader can report, and which of two hides the other.
#![cfg(not(loom))]

mod support;

use candor_core::{Mono, Nanos, Reason, SeqNo, SessionId, Status, SymbolIndex, TradingDate};
use candor_shm::{Defined, Halt, Handle, HandlerWriter, LaneWriter, Read, Region, heap};
use support::{SESSION, book, live, partition, spec, symbol, venue};

const NOW: Mono = Mono(1_000);
const LEASE: Mono = Mono(2_000);
/// The silence bound after 900.
const SILENT: Mono = Mono(3_000_000_900);
const AAPL: SymbolIndex = SymbolIndex(0);

/// One handler with everything Live until [`LEASE`].
struct Host {
    handler: HandlerWriter,
    lane: LaneWriter,
    region: Region,
    handle: Handle,
    now: Mono,
}

fn host() -> Host {
    let mut spec = spec();
    spec.partitions.push(partition("XNAS", "2", 0));
    spec.partitions.push(partition("IEXG", "1", 0));
    let (mut handler, mut lanes, region) = heap(&spec).unwrap();
    let mut lane = lanes.remove(0);
    handler.set_status(live(), Mono(5));
    support::bring_up(&mut lane, "AAPL", LEASE);
    let handle = region.find(&venue("XNAS"), &symbol("AAPL")).unwrap();
    Host { handler, lane, region, handle, now: NOW }
}

impl Host {
    fn read(&self) -> Read {
        self.region.read_at(self.handle, self.now)
    }

    fn partition(&mut self, status: Status, epoch: u32) {
        self.lane.partition(0, status, epoch, Mono(500), SESSION);
    }

    fn halt(&mut self, halt: Halt, since: u64) {
        assert!(self.handler.halt(halt, Mono(since)).is_some());
    }

    /// By each of the three words that cover the symbol.
    fn expect(&mut self, day: u32) {
        self.region = self.region.clone().for_date(TradingDate(20_261_100 + day));
    }

    fn later(&mut self, expected: u32) {
        self.expect(expected);
        self.lane.date(0, TradingDate(20_261_122));
    }

    fn halt_thrice(&mut self, since: u64) -> [Halt; 3] {
        let all = [Halt::Symbol(self.handle), Halt::Partition(0), Halt::All];
        for halt in all {
            self.halt(halt, since);
        }
        all
    }

    fn publish(&mut self, status: Status, epoch: u32) {
        self.lane.publish(0, AAPL, status, epoch, Mono(600), &book(46));
    }
}

fn stale(reason: Reason) -> Status {
    Status::stale(reason)
}

/// The reason and since when; `None` for Live.
fn verdict(read: &Read) -> Option<(Reason, Mono)> {
    match read {
        Read::Live(_) => None,
        Read::Stale { reason, since, .. } => Some((*reason, *since)),
    }
}

type Case = (&'static str, fn(&mut Host), Option<(Reason, u64)>);

const CASES: &[Case] = &[
    ("nothing is wrong", |_| {}, None),
    // The handler.
    ("retired", |h| h.handler.retire(Mono(700)), Some((Reason::WriterGone, 700))),
    (
        "retired twice",
        |h| {
            h.handler.retire(Mono(700));
            h.handler.retire(Mono(800));
        },
        Some((Reason::WriterGone, 700)),
    ),
    ("lane lease out", |h| h.lane.renew(Mono(999)), Some((Reason::WriterGone, 999))),
    ("lane lease ends now", |h| h.lane.renew(NOW), Some((Reason::WriterGone, 1_000))),
    ("lane lease just holds", |h| h.lane.renew(Mono(1_001)), None),
    ("lane lease never", |h| h.lane.renew(Mono(0)), Some((Reason::WriterGone, 0))),
    (
        "handler says gone",
        |h| h.handler.set_status(stale(Reason::WriterGone), Mono(70)),
        Some((Reason::WriterGone, 70)),
    ),
    (
        "halted",
        |h| h.handler.set_status(stale(Reason::Halted), Mono(70)),
        Some((Reason::Halted, 70)),
    ),
    ("no map", |h| h.handler.set_status(stale(Reason::NoMap), Mono(70)), Some((Reason::NoMap, 70))),
    (
        "not attested",
        |h| h.handler.set_status(stale(Reason::NotAttested), Mono(70)),
        Some((Reason::NotAttested, 70)),
    ),
    ("another date", |h| h.expect(22), Some((Reason::NoMap, 0))),
    ("the date expected", |h| h.expect(21), None),
    ("a later map's date", |h| h.later(22), None),
    ("yesterday's date, and a map since", |h| h.later(21), Some((Reason::NoMap, 0))),
    (
        "halted hides another date",
        |h| {
            h.expect(22);
            h.handler.set_status(stale(Reason::Halted), Mono(70));
        },
        Some((Reason::Halted, 70)),
    ),
    (
        "gone hides halted",
        |h| {
            h.handler.set_status(stale(Reason::Halted), Mono(70));
            h.lane.renew(Mono(900));
        },
        Some((Reason::WriterGone, 900)),
    ),
    (
        "halted and back",
        |h| {
            h.handler.set_status(stale(Reason::Halted), Mono(70));
            h.handler.set_status(live(), Mono(80));
        },
        None,
    ),
    // The kill switch.
    ("all is halted", |h| h.halt(Halt::All, 80), Some((Reason::Halted, 80))),
    ("the partition is halted", |h| h.halt(Halt::Partition(0), 81), Some((Reason::Halted, 81))),
    ("the symbol is halted", |h| h.halt(Halt::Symbol(h.handle), 82), Some((Reason::Halted, 82))),
    ("another partition is halted", |h| h.halt(Halt::Partition(1), 81), None),
    (
        "halted twice since the first time, one nanosecond later",
        |h| {
            h.halt(Halt::Partition(0), 81);
            h.halt(Halt::Partition(0), 91);
        },
        Some((Reason::Halted, 82)),
    ),
    (
        "of three halts the widest is told",
        |h| {
            h.halt(Halt::Symbol(h.handle), 82);
            h.halt(Halt::Partition(0), 81);
            h.halt(Halt::All, 99);
        },
        Some((Reason::Halted, 99)),
    ),
    (
        "of three halts each is enough",
        |h| {
            h.halt_thrice(82);
            assert_eq!(h.handler.resume(Halt::All), Some(true));
            assert_eq!(h.handler.resume(Halt::Partition(0)), Some(true));
        },
        Some((Reason::Halted, 82)),
    ),
    (
        "halted and resumed",
        |h| {
            let all = h.halt_thrice(82);
            assert_eq!(all.map(|halt| h.handler.resume(halt)), [Some(true); 3]);
            assert_eq!(h.handler.resume(Halt::All), Some(false));
        },
        None,
    ),
    (
        "gone hides the kill switch",
        |h| {
            h.halt(Halt::All, 80);
            h.lane.renew(Mono(900));
        },
        Some((Reason::WriterGone, 900)),
    ),
    (
        "a halted symbol hides that there is no map",
        |h| {
            h.handler.set_status(stale(Reason::NoMap), Mono(70));
            h.halt(Halt::Symbol(h.handle), 82);
        },
        Some((Reason::Halted, 82)),
    ),
    (
        "a halted symbol hides its partition's gap",
        |h| {
            h.partition(stale(Reason::Gap), 1);
            h.halt(Halt::Symbol(h.handle), 82);
        },
        Some((Reason::Halted, 82)),
    ),
    (
        "every reason at once",
        |h| {
            h.halt_thrice(82);
            h.expect(22);
            h.handler.set_status(stale(Reason::NotAttested), Mono(70));
            h.handler.retire(Mono(700));
            h.publish(stale(Reason::SymbolQuarantined), 7);
            h.partition(stale(Reason::Gap), 1);
            h.lane.heard(0, Mono(900));
            h.now = SILENT;
            assert_eq!(h.lane.define(1, SymbolIndex(0), &symbol("AAPL")), Defined::Contested);
        },
        Some((Reason::WriterGone, 700)),
    ),
    // The partition's own word.
    (
        "unsubscribed",
        |h| h.partition(stale(Reason::Unsubscribed), 1),
        Some((Reason::Unsubscribed, 500)),
    ),
    ("not started", |h| h.partition(stale(Reason::NotStarted), 1), Some((Reason::NotStarted, 500))),
    ("silent", |h| h.partition(stale(Reason::Silent), 1), Some((Reason::Silent, 500))),
    ("ended", |h| h.partition(stale(Reason::Ended), 1), Some((Reason::Ended, 500))),
    ("gap", |h| h.partition(stale(Reason::Gap), 1), Some((Reason::Gap, 500))),
    ("recovering", |h| h.partition(stale(Reason::Recovering), 1), Some((Reason::Recovering, 500))),
    (
        "session changed",
        |h| h.partition(stale(Reason::SessionChanged), 1),
        Some((Reason::SessionChanged, 500)),
    ),
    (
        "lines differ",
        |h| h.partition(stale(Reason::LinesDiffer), 1),
        Some((Reason::LinesDiffer, 500)),
    ),
    ("late", |h| h.partition(stale(Reason::Late), 1), Some((Reason::Late, 500))),
    (
        "quarantined",
        |h| h.partition(stale(Reason::Quarantined), 1),
        Some((Reason::Quarantined, 500)),
    ),
    // The partition's lease.
    ("lease never", |h| h.lane.lease(0, Mono(0)), Some((Reason::NotStarted, 10))),
    ("lease out", |h| h.lane.lease(0, Mono(999)), Some((Reason::Silent, 999))),
    ("lease ends now", |h| h.lane.lease(0, NOW), Some((Reason::Silent, 1_000))),
    ("lease just holds", |h| h.lane.lease(0, Mono(1_001)), None),
    (
        "a gap stays a gap when its lease runs out",
        |h| {
            h.partition(stale(Reason::Gap), 1);
            h.lane.lease(0, Mono(999));
        },
        Some((Reason::Gap, 500)),
    ),
    (
        "an ended session is not silent",
        |h| {
            h.partition(stale(Reason::Ended), 1);
            h.lane.lease(0, Mono(999));
        },
        Some((Reason::Ended, 500)),
    ),
    (
        "a gap on a partition that is heard",
        |h| {
            h.partition(stale(Reason::Gap), 1);
            h.lane.heard(0, Mono(1));
        },
        Some((Reason::Gap, 500)),
    ),
    (
        "a gap on a partition that has fallen silent",
        |h| {
            h.partition(stale(Reason::Gap), 1);
            h.lane.heard(0, Mono(900));
            h.now = SILENT;
            h.lane.renew(Mono(SILENT.0 + 1));
        },
        Some((Reason::Silent, SILENT.0)),
    ),
    (
        "a gap just before it falls silent",
        |h| {
            h.partition(stale(Reason::Gap), 1);
            h.lane.heard(0, Mono(901));
            h.now = SILENT;
            h.lane.renew(Mono(SILENT.0 + 1));
        },
        Some((Reason::Gap, 500)),
    ),
    (
        "an ended session heard long ago",
        |h| {
            h.partition(stale(Reason::Ended), 1);
            h.lane.heard(0, Mono(900));
            h.now = SILENT;
            h.lane.renew(Mono(SILENT.0 + 1));
        },
        Some((Reason::Ended, 500)),
    ),
    (
        "gone hides a gap",
        |h| {
            h.partition(stale(Reason::Gap), 1);
            h.lane.renew(Mono(998));
        },
        Some((Reason::WriterGone, 998)),
    ),
    (
        "another partition's trouble is its own",
        |h| {
            h.lane.partition(1, stale(Reason::Gap), 9, Mono(500), SESSION);
            h.lane.lease(1, Mono(1));
        },
        None,
    ),
    // The symbol.
    (
        "wrong partition",
        |h| h.publish(stale(Reason::WrongPartition), 1),
        Some((Reason::WrongPartition, 600)),
    ),
    ("unmapped", |h| h.publish(stale(Reason::Unmapped), 1), Some((Reason::Unmapped, 600))),
    ("unproven", |h| h.publish(stale(Reason::Unproven), 1), Some((Reason::Unproven, 600))),
    (
        "symbol recovering",
        |h| h.publish(stale(Reason::SymbolRecovering), 1),
        Some((Reason::SymbolRecovering, 600)),
    ),
    (
        "symbol quarantined",
        |h| h.publish(stale(Reason::SymbolQuarantined), 1),
        Some((Reason::SymbolQuarantined, 600)),
    ),
    (
        "a partition's reason in a slot",
        |h| h.publish(stale(Reason::Gap), 1),
        Some((Reason::Gap, 600)),
    ),
    (
        "a handler's reason in a slot",
        |h| h.publish(stale(Reason::Halted), 1),
        Some((Reason::Halted, 600)),
    ),
    ("lapped in a slot", |h| h.publish(stale(Reason::Lapped), 1), Some((Reason::Lapped, 600))),
    (
        "a gap hides a quarantine",
        |h| {
            h.publish(stale(Reason::SymbolQuarantined), 1);
            h.partition(stale(Reason::Gap), 1);
        },
        Some((Reason::Gap, 500)),
    ),
    (
        "silence hides a quarantine",
        |h| {
            h.publish(stale(Reason::SymbolQuarantined), 1);
            h.lane.lease(0, Mono(999));
        },
        Some((Reason::Silent, 999)),
    ),
    ("a new epoch", |h| h.partition(live(), 2), Some((Reason::Unproven, 500))),
    ("a slot ahead of its partition", |h| h.publish(live(), 2), Some((Reason::Unproven, 10))),
    (
        "a new epoch hides a quarantine of the old",
        |h| {
            h.publish(stale(Reason::SymbolQuarantined), 1);
            h.partition(live(), 2);
        },
        Some((Reason::Unproven, 500)),
    ),
    (
        "named in the new epoch",
        |h| {
            h.partition(live(), 2);
            h.publish(live(), 2);
        },
        None,
    ),
    (
        "defined and never published",
        |h| {
            h.lane.define(0, SymbolIndex(1), &symbol("MSFT"));
            h.handle = h.region.find(&venue("XNAS"), &symbol("MSFT")).unwrap();
        },
        Some((Reason::Unproven, 10)),
    ),
    (
        "the same name on another partition",
        |h| {
            assert_eq!(h.lane.define(1, SymbolIndex(0), &symbol("AAPL")), Defined::Contested);
        },
        Some((Reason::WrongPartition, 11)),
    ),
    (
        "the same name on another venue",
        |h| {
            assert_eq!(h.lane.define(2, SymbolIndex(0), &symbol("AAPL")), Defined::New);
        },
        None,
    ),
    (
        "the same name twice on one partition",
        |h| {
            assert_eq!(h.lane.define(0, SymbolIndex(1), &symbol("AAPL")), Defined::Contested);
        },
        Some((Reason::WrongPartition, 11)),
    ),
    (
        "defined again",
        |h| {
            assert_eq!(h.lane.define(0, AAPL, &symbol("AAPL")), Defined::Known);
        },
        None,
    ),
];

#[test]
fn every_case_has_its_reason() {
    for (name, change, expected) in CASES {
        let mut host = host();
        change(&mut host);
        let expected = expected.map(|(reason, since)| (reason, Mono(since)));
        assert_eq!(verdict(&host.read()), expected, "{name}");
    }
}

#[test]
fn every_reason_there_is_has_a_case() {
    for reason in Reason::ALL {
        let shown = |(_, _, expected): &Case| expected.map(|(reason, _)| reason) == Some(reason);
        assert!(CASES.iter().any(shown), "{reason}");
    }
}

#[test]
fn prices_and_status_come_from_one_write() {
    let mut host = host();
    let Read::Live(view) = host.read() else { panic!("live") };
    assert_eq!((view.book, view.since, view.epoch), (book(45), Mono(11), 1));
    for n in 0..500 {
        let status = if n % 2 == 0 { live() } else { stale(Reason::SymbolQuarantined) };
        host.lane.publish(0, AAPL, status, 1, Mono(600 + n), &book(n));
        match host.read() {
            Read::Live(view) => {
                assert_eq!(n % 2, 0);
                assert_eq!(view.book, book(n));
            }
            Read::Stale { reason, since, last } => {
                assert_eq!((n % 2, reason), (1, Reason::SymbolQuarantined));
                assert_eq!(since, Mono(600 + n));
                assert_eq!(last.unwrap().book, book(n));
            }
        }
    }
}

#[test]
fn a_fresh_region_is_stale_and_has_no_prices() {
    let (_handler, mut lanes, region) = heap(&spec()).unwrap();
    lanes[0].define(0, AAPL, &symbol("AAPL"));
    let handle = region.find(&venue("XNAS"), &symbol("AAPL")).unwrap();
    let Read::Stale { reason, last, .. } = region.read_at(handle, Mono(1)) else { panic!("live") };
    assert_eq!((reason, last), (Reason::WriterGone, None));
    lanes[0].renew(LEASE);
    assert_eq!(region.read_at(handle, NOW).reason(), Some(Reason::NoMap));
    let partition = region.partition(0, NOW).unwrap();
    assert_eq!(partition.status.reason(), Some(Reason::NoMap));
}

#[test]
fn a_lease_longer_than_any_that_is_given_is_none() {
    let mut spec = spec();
    spec.process_lease = Nanos::from_millis(50);
    let (mut handler, mut lanes, region) = heap(&spec).unwrap();
    handler.set_status(live(), Mono(5));
    let given = |now: Mono, more| Mono(now.0 + 50_000_000 + more);
    support::bring_up(&mut lanes[0], "AAPL", given(NOW, 0));
    let handle = region.find(&venue("XNAS"), &symbol("AAPL")).unwrap();
    assert_eq!(region.read_at(handle, NOW).reason(), None);
    // The clocks of two processors may be a little apart.
    lanes[0].renew(given(NOW, 1_000_000));
    assert_eq!(region.read_at(handle, NOW).reason(), None);
    // A reader in a time namespace of its own, an hour behind, would wait for an hour.
    lanes[0].renew(given(NOW, 3_600_000_000_000));
    assert_eq!(region.read_at(handle, NOW).reason(), Some(Reason::WriterGone));
    assert_eq!(region.handler_status(NOW).reason(), Some(Reason::WriterGone));
}

#[test]
fn every_step_of_the_way_to_live_is_needed() {
    type Step = fn(&mut HandlerWriter, &mut LaneWriter);
    let steps: [Step; 5] = [
        |handler, _| handler.set_status(live(), Mono(5)),
        |_, lane| lane.renew(LEASE),
        |_, lane| lane.partition(0, live(), 1, Mono(10), SESSION),
        |_, lane| lane.lease(0, LEASE),
        |_, lane| {
            lane.publish(0, AAPL, live(), 1, Mono(11), &book(1));
        },
    ];
    for mask in 0..1u32 << steps.len() {
        let (mut handler, mut lanes, region) = heap(&spec()).unwrap();
        lanes[0].define(0, AAPL, &symbol("AAPL"));
        for (bit, step) in steps.iter().enumerate() {
            if mask & 1 << bit != 0 {
                step(&mut handler, &mut lanes[0]);
            }
        }
        let handle = region.find(&venue("XNAS"), &symbol("AAPL")).unwrap();
        let live = region.read_at(handle, NOW).reason().is_none();
        assert_eq!(live, mask == (1 << steps.len()) - 1, "{mask:#b}");
    }
}

#[test]
fn one_lane_gone_takes_its_own_partitions_only() {
    let mut spec = spec();
    spec.lanes = 2;
    spec.partitions.push(partition("XNAS", "2", 1));
    let (mut handler, mut lanes, region) = heap(&spec).unwrap();
    handler.set_status(live(), Mono(5));
    support::bring_up(&mut lanes[0], "AAPL", LEASE);
    lanes[1].define(1, SymbolIndex(0), &symbol("MSFT"));
    lanes[1].partition(1, live(), 4, Mono(10), SessionId(9));
    lanes[1].numbers(1, SeqNo(7), SeqNo(8));
    lanes[1].publish(1, SymbolIndex(0), live(), 4, Mono(11), &book(3));
    lanes[1].lease(1, LEASE);
    lanes[1].renew(Mono(900));
    let read = |name| {
        let handle = region.find(&venue("XNAS"), &symbol(name)).unwrap();
        region.read_at(handle, NOW).reason()
    };
    assert_eq!(read("AAPL"), None);
    assert_eq!(read("MSFT"), Some(Reason::WriterGone));
    assert!(region.handler_status(NOW).is_live(), "one lane still speaks");
    assert_eq!(region.handler_status(LEASE).reason(), Some(Reason::WriterGone));
    let partitions: Vec<_> = region.partitions(NOW).collect();
    assert!(partitions[0].status.is_live());
    assert_eq!(partitions[1].status.reason(), Some(Reason::WriterGone));
    assert_eq!(partitions[1].numbers, Some((SessionId(9), SeqNo(7), SeqNo(8))));
    assert_eq!(partitions[1].epoch, 4);
    assert_eq!(partitions[1].lease_left.0, 1_000);
}

#[test]
#[should_panic(expected = "a lane writes its own partitions only")]
fn a_lane_keeps_its_hands_off_another_lanes_partition() {
    let mut spec = spec();
    spec.lanes = 2;
    let (_handler, mut lanes, _region) = heap(&spec).unwrap();
    lanes[1].lease(0, LEASE);
}

#[test]
fn halves_are_sent_to_threads_and_regions_are_shared() {
    fn send<T: Send>() {}
    fn shared<T: Send + Sync + Clone>() {}
    send::<LaneWriter>();
    send::<HandlerWriter>();
    shared::<Region>();
}

/// A partition's silence is its own: no reason of the handler makes it heard, and none makes it silent.
#[test]
fn a_partition_is_silent_whatever_its_handler_is() {
    let of_handler = [live(), stale(Reason::NoMap), stale(Reason::Halted)];
    for status in of_handler {
        let mut h = host();
        h.handler.set_status(status, Mono(700));
        let silent = |h: &Host| h.region.partition(0, h.now).unwrap().silent;
        assert_eq!(silent(&h), None, "{status:?}: its lease holds");
        h.lane.lease(0, Mono(990));
        assert_eq!(silent(&h), Some(Mono(990)), "{status:?}: its lease has run out");
        let shown = h.region.partition(0, h.now).unwrap().status.reason();
        assert_eq!(shown, status.reason().or(Some(Reason::Silent)));
        for (reason, expected) in [
            (Reason::Gap, Some(SILENT)),
            (Reason::Ended, None),
            (Reason::Unsubscribed, None),
            (Reason::NotStarted, None),
        ] {
            h.partition(stale(reason), 1);
            h.lane.heard(0, Mono(900));
            h.now = SILENT;
            assert_eq!(silent(&h), expected, "{status:?}, {reason}");
        }
    }
}
