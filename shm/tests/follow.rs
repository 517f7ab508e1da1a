//! Rings, counters, tables and subscriptions, end to end.
#![cfg(not(loom))]

mod support;

use candor_core::counters::{Counter, Counters, LaneCounter};
use candor_core::{
    Event, InstrumentKey, Line, Loss, LossKind, Message, Mono, Nanos, Origin, Reason, Reject,
    SeqNo, SeqRange, SessionId, Status, SymbolIndex, WireTime,
};
use candor_shm::{Attested, Endpoint, EventRecord, LossRecord, Next, Unmapped, heap};
use support::{SESSION, book, live, partition, spec, symbol, venue};

fn delete(order: u64) -> Message {
    Message {
        key: InstrumentKey(5),
        time: WireTime(order * 2),
        kind: b'D',
        event: Event::Delete { order },
    }
}

#[test]
fn a_follower_gets_each_event_once_from_the_newest_on() {
    let (_handler, mut lanes, region) = heap(&spec()).unwrap();
    lanes[0].event(0, None, SeqNo(1), Mono(1), &delete(1));
    let mut reader = region.events(0).unwrap();
    assert_eq!(reader.next(), Next::Nothing, "it starts behind what was there");
    for n in 2..40 {
        lanes[0].event(0, Some(SymbolIndex(3)), SeqNo(n), Mono(n), &delete(n));
        let expected = EventRecord {
            number: n,
            partition: 0,
            symbol: Some(SymbolIndex(3)),
            seq: SeqNo(n),
            time: WireTime(n * 2),
            arrival: Mono(n),
            wire_kind: b'D',
            event: Some(Event::Delete { order: n }),
        };
        assert_eq!(reader.next(), Next::Record(expected));
        assert_eq!(reader.next(), Next::Nothing);
    }
    assert!(region.events(1).is_none());
}

#[test]
fn a_follower_that_is_overtaken_is_told_how_much_it_missed() {
    let (_handler, mut lanes, region) = heap(&spec()).unwrap();
    for ahead in 0..400u64 {
        let mut reader = region.events(0).unwrap();
        let first = reader.position();
        for n in 0..ahead {
            lanes[0].event(0, None, SeqNo(n), Mono(n), &delete(n));
        }
        let (mut missed, mut got) = (0, 0);
        let mut last = first - 1;
        loop {
            match reader.next() {
                Next::Record(record) => {
                    assert!(record.number > last);
                    assert_eq!(record.seq, SeqNo(record.number - first));
                    last = record.number;
                    got += 1;
                }
                Next::Lapped { missed: some } => {
                    assert!(ahead > 64, "the ring has 64 records");
                    assert!(some > 0);
                    missed += some;
                }
                Next::Nothing => break,
            }
        }
        assert_eq!(missed + got, ahead);
        assert!(ahead <= 64 || got == 56, "it goes on an eighth behind the oldest");
    }
}

#[test]
fn the_loss_log_is_read_from_its_oldest_entry() {
    let (_handler, mut lanes, region) = heap(&spec()).unwrap();
    let loss = |n: u64| Loss {
        kind: LossKind::OneLine,
        range: SeqRange::between(SeqNo(n), SeqNo(n + 3)),
        session: SessionId(u128::from(n) << 64 | 5),
        line: Some(Line::B),
        filled_by: n.is_multiple_of(2).then_some(Origin::Line(Line::A)),
        at: Mono(n + 1),
        missing_for: Nanos(n + 2),
    };
    assert_eq!(region.losses(0).unwrap().next(), Next::Nothing);
    for n in 1..=20 {
        lanes[0].loss(0, &loss(n));
    }
    let mut log = region.losses(0).unwrap();
    for n in 5..=20 {
        let expected = LossRecord { number: n, partition: 0, loss: loss(n) };
        assert_eq!(log.next(), Next::Record(expected), "16 entries are kept");
    }
    assert_eq!(log.next(), Next::Nothing);
}

#[test]
fn counters_come_back_under_their_names() {
    let (mut handler, mut lanes, region) = heap(&spec()).unwrap();
    let mut counters = Counters::new();
    for (n, counter) in Counter::ALL.into_iter().enumerate() {
        counters.set(counter, n as u64 + 1);
    }
    for _ in 0..3 {
        counters.reject(Reject::NotIpv4);
    }
    lanes[0].counters(0, &counters);
    let read = region.partition(0, Mono(1)).unwrap().counters;
    for counter in Counter::ALL {
        assert_eq!(read.get(counter), counters.get(counter));
    }
    assert_eq!(read.rejects(Reject::NotIpv4), 3);
    assert_eq!(read.iter().find(|(label, _)| *label == "not_ipv4"), Some(("not_ipv4", 3)));
    assert_eq!(read.iter().next(), Some(("packets", 1)));

    handler.set_mode(0, "native copy");
    lanes[0].lane_counter(LaneCounter::Frames, 9);
    lanes[0].define(0, SymbolIndex(0), &symbol("AAPL"));
    lanes[0].publish(0, SymbolIndex(0), live(), 1, Mono(1), &book(1));
    lanes[0].event(0, None, SeqNo(1), Mono(1), &delete(1));
    lanes[0].renew(Mono(50));
    let lane = region.lanes(Mono(20)).next().unwrap();
    assert_eq!(lane.mode.as_str(), "native copy");
    assert_eq!(lane.get(LaneCounter::Frames), 9);
    assert_eq!((lane.get(LaneCounter::Published), lane.get(LaneCounter::Events)), (1, 1));
    assert_eq!((lane.lease, lane.lease_left), (Mono(50), Nanos(30)));
    assert_eq!(lane.iter().next(), Some(("frames", 9)));
}

#[test]
fn what_the_configuration_says_comes_back() {
    let mut spec = spec();
    spec.partitions.push(partition("IEXG", "DEEP", 0));
    let (mut handler, _lanes, region) = heap(&spec).unwrap();
    let info = region.info();
    assert_eq!(info.handler, spec.handler);
    assert_eq!(info.trading_date, spec.trading_date);
    assert_eq!(info.config_digest, spec.config_digest);
    assert_eq!(info.binary_digest, spec.binary_digest);
    assert_eq!(info.attested, Attested::Unsaid);
    handler.set_attested(Attested::Yes);
    assert_eq!(region.info().attested, Attested::Yes);
    assert_eq!(info.process_lease, spec.process_lease);
    let found: Vec<_> = region.partitions(Mono(1)).map(|partition| partition.spec).collect();
    assert_eq!(found, spec.partitions);
    assert!(region.partition(2, Mono(1)).is_none());
}

#[test]
fn unmapped_multicast_is_listed_and_counted_beyond_the_list() {
    let (mut handler, _lanes, region) = heap(&spec()).unwrap();
    let read = region.unmapped().unwrap();
    assert_eq!((&read.entries[..], read.read), (&[][..], Mono::NEVER), "nobody has looked");
    let entry = |n: u16| Unmapped {
        endpoint: Endpoint { group: [239, 0, (n >> 8) as u8, n as u8], port: 5_000 + n },
        packets: u64::from(n),
        bytes: u64::from(n) * 100,
        last: Mono(u64::from(n) + 7),
    };
    let all: Vec<_> = (0..300).map(entry).collect();
    handler.set_unmapped(&all, Mono(400));
    let read = region.unmapped().unwrap();
    assert_eq!((&read.entries[..], read.total, read.read), (&all[..256], 300, Mono(400)));
    handler.set_unmapped(&all[..1], Mono(500));
    let read = region.unmapped().unwrap();
    assert_eq!((&read.entries[..], read.total, read.read), (&all[..1], 1, Mono(500)));
}

#[test]
fn a_subscription_tells_what_was_written_and_finds_what_comes_later() {
    let mut spec = spec();
    spec.partitions.push(partition("XNAS", "2", 0));
    let (_handler, mut lanes, region) = heap(&spec).unwrap();
    let lane = &mut lanes[0];
    let (nasdaq, a, b) = (venue("XNAS"), symbol("AAPL"), symbol("AMZN"));
    let mut list = region.subscribe(&[(nasdaq, a), (nasdaq, b), (nasdaq, a)]);
    let mut prefix = region.subscribe_prefix(nasdaq, "AA");
    assert_eq!(list.changed(&region).count(), 0);
    assert_eq!(list.awaited(), [(nasdaq, a), (nasdaq, b)]);

    lane.define(0, SymbolIndex(0), &a);
    lane.define(0, SymbolIndex(1), &symbol("AA"));
    lane.define(1, SymbolIndex(0), &b);
    let names = |handles: Vec<_>| -> Vec<String> {
        handles.into_iter().map(|handle| region.symbol(handle).to_string()).collect()
    };
    assert_eq!(names(list.changed(&region).collect()), ["AAPL", "AMZN"]);
    assert_eq!(names(prefix.changed(&region).collect()), ["AAPL", "AA"]);
    assert_eq!(list.awaited(), []);
    assert_eq!(list.changed(&region).count(), 0);

    lane.publish(1, SymbolIndex(0), live(), 1, Mono(1), &book(1));
    assert_eq!(names(list.changed(&region).collect()), ["AMZN"]);
    assert_eq!(prefix.changed(&region).count(), 0);
    assert_eq!(list.changed(&region).count(), 0);

    lane.partition(0, live(), 1, Mono(2), SESSION);
    assert_eq!(names(list.changed(&region).collect()), ["AAPL"]);
    assert_eq!(names(prefix.changed(&region).collect()), ["AAPL", "AA"]);

    // Stale and live again in between: the word is another, though it says the same.
    lane.partition(0, Status::stale(Reason::Gap), 1, Mono(3), SESSION);
    lane.partition(0, live(), 1, Mono(4), SESSION);
    assert_eq!(names(list.changed(&region).collect()), ["AAPL"]);
    assert_eq!(prefix.changed(&region).count(), 2);

    lane.define(1, SymbolIndex(1), &symbol("AAL"));
    assert_eq!(names(prefix.changed(&region).collect()), ["AAL"]);
    assert_eq!(prefix.handles().count(), 3);
    assert_eq!(list.handles().count(), 2);
}

#[test]
fn a_full_directory_finds_every_name_and_no_other() {
    let mut spec = spec();
    spec.partitions[0].symbols = 5_000;
    let (_handler, mut lanes, region) = heap(&spec).unwrap();
    let name = |n: u32| symbol(&format!("S{n:X}"));
    for n in 0..5_000 {
        lanes[0].define(0, SymbolIndex(n), &name(n));
    }
    for n in 0..5_000 {
        let handle = region.find(&venue("XNAS"), &name(n)).unwrap();
        assert_eq!((handle.partition(), handle.symbol()), (0, SymbolIndex(n)));
    }
    for n in 5_000..10_000 {
        assert!(region.find(&venue("XNAS"), &name(n)).is_none());
    }
    assert!(region.find(&venue("IEXG"), &name(1)).is_none());
    assert_eq!(region.symbols(0).count(), 5_000);
}

#[test]
fn a_subscription_tells_what_time_alone_has_changed() {
    let mut spec = spec();
    spec.process_lease = Nanos(50);
    spec.partitions.push(partition("XNAS", "2", 0));
    let (mut handler, mut lanes, region) = heap(&spec).unwrap();
    let lane = &mut lanes[0];
    handler.set_status(live(), Mono(5));
    for (at, name) in [(0, "AAPL"), (1, "AMZN")] {
        lane.define(at, SymbolIndex(0), &symbol(name));
        lane.partition(at, live(), 1, Mono(10), SESSION);
        lane.publish(at, SymbolIndex(0), live(), 1, Mono(11), &book(45));
    }
    lane.lease(0, Mono(120));
    lane.lease(1, Mono(1_000));
    lane.renew(Mono(130));
    let mut all = region.subscribe_prefix(venue("XNAS"), "");
    let mut look = |now: u64| -> Vec<String> {
        let changed: Vec<_> = all.changed_at(&region, Mono(now)).collect();
        let read = |handle| match region.read_at(handle, Mono(now)).reason() {
            None => format!("{} Live", region.symbol(handle)),
            Some(reason) => format!("{} {reason}", region.symbol(handle)),
        };
        changed.into_iter().map(read).collect()
    };
    assert_eq!(look(100), ["AAPL Live", "AMZN Live"]);
    assert_eq!(look(119), [""; 0]);
    // The partition's lease runs out, then the lane's; nobody writes a word.
    assert_eq!(look(120), ["AAPL Silent"]);
    assert_eq!(look(121), [""; 0]);
    assert_eq!(look(130), ["AAPL WriterGone", "AMZN WriterGone"]);
    assert_eq!(look(1_000), [""; 0], "a partition that fell silent behind its writer's back");
    // And back: only leases are written.
    lane.renew(Mono(1_060));
    assert_eq!(look(1_020), ["AAPL Silent", "AMZN Silent"]);
    lane.lease(0, Mono(1_100));
    assert_eq!(look(1_021), ["AAPL Live"]);
    // A read between two looks may have found the lease run out that the first of them saw.
    lane.lease(0, Mono(2_000));
    lane.renew(Mono(1_150));
    assert_eq!(look(1_100), ["AAPL Live"]);
    assert_eq!(look(1_101), [""; 0]);
    lane.renew(Mono(1_250));
    // The handler's own word, and its farewell.
    handler.set_status(Status::stale(Reason::Halted), Mono(1_202));
    assert_eq!(look(1_203), ["AAPL Halted", "AMZN Halted"]);
    handler.set_status(live(), Mono(1_204));
    assert_eq!(look(1_205), ["AAPL Live", "AMZN Silent"]);
    // A lease of another clock.
    lane.renew(Mono(50_000_000));
    assert_eq!(look(1_206), ["AAPL WriterGone", "AMZN WriterGone"]);
    lane.renew(Mono(1_250));
    assert_eq!(look(1_207).len(), 2);
    handler.retire(Mono(1_208));
    assert_eq!(look(1_209), ["AAPL WriterGone", "AMZN WriterGone"]);
    assert_eq!(look(9_000), [""; 0]);
}

/// A reader that takes its time with the symbols of one partition sees those of the next as they are
/// when it comes to them.
#[test]
fn a_subscription_looks_at_the_clock_for_each_partition() {
    let mut spec = spec();
    let lease = Nanos::from_millis(50);
    spec.process_lease = lease;
    spec.partitions.push(partition("XNAS", "2", 0));
    let (mut handler, mut lanes, region) = heap(&spec).unwrap();
    handler.set_status(live(), Mono(5));
    let now = std::cell::Cell::new(Mono(1_000));
    for (at, name) in [(0, "AAPL"), (1, "AMZN")] {
        lanes[0].define(at, SymbolIndex(0), &symbol(name));
        lanes[0].partition(at, live(), 1, Mono(10), SESSION);
        lanes[0].publish(at, SymbolIndex(0), live(), 1, Mono(11), &book(45));
    }
    lanes[0].lease(0, Mono(0) + Nanos::from_secs(9));
    lanes[0].lease(1, Mono(0) + Nanos::from_millis(10));
    lanes[0].renew(now.get() + lease);
    let mut all = region.subscribe_prefix(venue("XNAS"), "");
    let mut shown = Vec::new();
    for turn in 0..10 {
        lanes[0].publish(0, SymbolIndex(0), live(), 1, Mono(11), &book(turn));
        for handle in all.changed_when(&region, || now.get()) {
            // Two milliseconds for what it is told of, while the lane goes on vouching for itself.
            now.set(now.get() + Nanos::from_millis(2));
            lanes[0].renew(now.get() + lease);
            if handle.partition() == 1 {
                shown.push((turn, region.read_at(handle, now.get()).reason()));
            }
        }
    }
    // The first turn takes 4 ms. In the fourth it is 8 ms by the look at the first partition, and 10
    // by that at the second.
    assert_eq!(shown, [(0, None), (3, Some(Reason::Silent))]);
}

#[test]
fn a_subscription_has_each_symbol_once_that_is_defined_while_it_looks() {
    const SYMBOLS: u32 = 20_000;
    let mut spec = spec();
    spec.partitions[0].symbols = SYMBOLS;
    for _ in 0..10 {
        let (_handler, mut lanes, region) = heap(&spec).unwrap();
        let mut all = region.subscribe_prefix(venue("XNAS"), "");
        std::thread::scope(|threads| {
            threads.spawn(move || {
                for index in 0..SYMBOLS {
                    lanes[0].define(0, SymbolIndex(index), &symbol(&format!("S{index}")));
                }
            });
            // BOUND: until the thread has defined them all. A look finds them; nobody takes what it
            // tells.
            while all.handles().count() < SYMBOLS as usize {
                drop(all.changed_at(&region, Mono(1)));
            }
        });
        assert!(all.handles().map(|handle| handle.symbol().0).eq(0..SYMBOLS));
    }
}

#[test]
fn a_symbol_is_found_by_its_index() {
    let (_handler, mut lanes, region) = heap(&spec()).unwrap();
    lanes[0].define(0, SymbolIndex(0), &symbol("AAPL"));
    lanes[0].define(0, SymbolIndex(1), &symbol("AMZN"));
    for (at, (handle, name)) in (0..).zip(region.symbols(0)) {
        assert_eq!(region.symbol_at(0, SymbolIndex(at)), Some((handle, name)));
    }
    let found = region.symbol_at(0, SymbolIndex(1)).unwrap();
    assert_eq!(Some(found.0), region.find(&venue("XNAS"), &symbol("AMZN")));
    for (partition, index) in [(0, 2), (0, 7), (0, 8), (0, u32::MAX), (1, 0), (u16::MAX, 0)] {
        assert_eq!(region.symbol_at(partition, SymbolIndex(index)), None, "{partition} {index}");
    }
}

#[test]
fn a_subscription_tells_of_a_name_that_turns_up_twice() {
    let mut spec = spec();
    spec.partitions.push(partition("XNAS", "2", 0));
    let (_handler, mut lanes, region) = heap(&spec).unwrap();
    lanes[0].define(0, SymbolIndex(0), &symbol("AAPL"));
    let mut list = region.subscribe(&[(venue("XNAS"), symbol("AAPL"))]);
    assert_eq!(list.changed_at(&region, Mono(1)).count(), 1);
    assert_eq!(list.changed_at(&region, Mono(1)).count(), 0);
    lanes[0].define(1, SymbolIndex(0), &symbol("AAPL"));
    assert_eq!(list.changed_at(&region, Mono(1)).count(), 1);
}

#[test]
fn what_is_not_taken_from_one_look_comes_with_the_next() {
    let (mut handler, mut lanes, region) = heap(&spec()).unwrap();
    for (index, name) in (0..).zip(["AAPL", "AMZN", "MSFT"]) {
        lanes[0].define(0, SymbolIndex(index), &symbol(name));
    }
    let mut all = region.subscribe_prefix(venue("XNAS"), "");
    assert_eq!(all.changed_at(&region, Mono(1)).count(), 3);
    handler.retire(Mono(2));
    assert_eq!(all.changed_at(&region, Mono(3)).take(1).count(), 1);
    assert_eq!(all.changed_at(&region, Mono(4)).count(), 2);
    assert_eq!(all.changed_at(&region, Mono(5)).count(), 0);
}
