//! A map that adds a partition and moves a symbol to it, as writers say it and readers see it.
#![cfg(not(loom))]

mod support;

use candor_core::{Mono, Reason, SymbolIndex, Venue};
use candor_shm::{Halt, HaltName, HandlerWriter, LaneWriter, PartitionSpec, Region, heap};
use support::{SESSION, book, live, partition, spec, symbol, venue};

const FAR: Mono = Mono(u64::MAX / 2);
const AAPL: SymbolIndex = SymbolIndex(0);

/// Partition 0 with AAPL and AMZN Live on lane 0, and room for another on lane 1.
fn morning() -> (HandlerWriter, Vec<LaneWriter>, Region) {
    let mut spec = spec();
    spec.lanes = 2;
    spec.partitions.push(PartitionSpec::spare(1, 8));
    let (mut handler, mut lanes, region) = heap(&spec).unwrap();
    handler.set_status(live(), Mono(5));
    lanes[0].partition(0, live(), 1, Mono(10), SESSION);
    for (at, name) in (0..).zip(["AAPL", "AMZN"]) {
        lanes[0].define(0, SymbolIndex(at), &symbol(name));
        lanes[0].publish(0, SymbolIndex(at), live(), 1, Mono(11), &book(45));
    }
    lanes[0].lease(0, FAR);
    for lane in &mut lanes {
        lane.renew(FAR);
    }
    (handler, lanes, region)
}

fn reason(region: &Region, name: &str) -> Option<Reason> {
    region.read_at(region.find(&xnas(), &symbol(name)).unwrap(), Mono(20)).reason()
}

fn xnas() -> Venue {
    venue("XNAS")
}

/// Opens partition 1 with AAPL, Live.
fn open(lanes: &mut [LaneWriter]) {
    lanes[1].open(1, &partition("XNAS", "2", 1));
    lanes[1].partition(1, live(), 1, Mono(10), SESSION);
    lanes[1].define(1, AAPL, &symbol("AAPL"));
    lanes[1].publish(1, AAPL, live(), 1, Mono(12), &book(46));
    lanes[1].lease(1, FAR);
}

#[test]
fn a_spare_partition_is_none_until_it_is_opened() {
    let (_handler, mut lanes, region) = morning();
    assert_eq!(region.partition_count(), 2);
    assert_eq!(region.partitions(Mono(20)).count(), 1);
    assert_eq!(region.partition(1, Mono(20)), None);
    assert_eq!(region.symbols(1).count(), 0);
    open(&mut lanes);
    let opened = region.partition(1, Mono(20)).unwrap();
    assert_eq!(opened.spec, partition("XNAS", "2", 1));
    assert!(opened.status.is_live());
}

#[test]
fn a_symbol_in_two_partitions_is_contested_also_where_one_was_added() {
    let (_handler, mut lanes, region) = morning();
    open(&mut lanes);
    assert_eq!(reason(&region, "AAPL"), Some(Reason::WrongPartition));
    let [first, second] = [0, 1].map(|at| region.symbol_at(at, AAPL).unwrap().0);
    for handle in [first, second] {
        assert_eq!(region.read_at(handle, Mono(20)).reason(), Some(Reason::WrongPartition));
    }
    assert_eq!(reason(&region, "AMZN"), None);
}

#[test]
fn a_symbol_that_has_moved_is_found_where_it_is() {
    let (_handler, mut lanes, region) = morning();
    let before = region.find(&xnas(), &symbol("AAPL")).unwrap();
    lanes[0].moved(0, AAPL, true);
    assert!(region.is_moved(before));
    assert_eq!(region.find(&xnas(), &symbol("AAPL")), Some(before), "nobody else has it yet");
    open(&mut lanes);
    let after = region.find(&xnas(), &symbol("AAPL")).unwrap();
    assert_eq!(after.partition(), 1);
    assert!(region.read_at(after, Mono(20)).live().is_some());
    // And back again.
    lanes[1].moved(1, AAPL, true);
    lanes[0].moved(0, AAPL, false);
    assert_eq!(region.find(&xnas(), &symbol("AAPL")), Some(before));
    assert_eq!(reason(&region, "AAPL"), None);
}

#[test]
fn what_was_contested_is_so_until_the_map_leaves_it_to_one() {
    let (_handler, mut lanes, region) = morning();
    open(&mut lanes);
    lanes[0].moved(0, AAPL, true);
    let here = region.find(&xnas(), &symbol("AAPL")).unwrap();
    assert_eq!(here.partition(), 1);
    assert_eq!(reason(&region, "AAPL"), Some(Reason::WrongPartition), "it was defined as such");
    lanes[1].moved(1, AAPL, false);
    assert_eq!(reason(&region, "AAPL"), None);
    // Given back to the first without being taken from the second, it is nobody's.
    lanes[0].moved(0, AAPL, false);
    assert_eq!(reason(&region, "AAPL"), Some(Reason::WrongPartition));
}

#[test]
fn who_watches_a_symbol_watches_it_where_it_goes() {
    for prefix in [false, true] {
        let (_handler, mut lanes, region) = morning();
        let mut watching = match prefix {
            true => region.subscribe_prefix(xnas(), "A"),
            false => region.subscribe(&[(xnas(), symbol("AAPL")), (xnas(), symbol("AMZN"))]),
        };
        assert_eq!(watching.changed_at(&region, Mono(20)).count(), 2);
        assert_eq!(watching.changed_at(&region, Mono(20)).count(), 0);
        // Before the new partition has it: what is watched is what is left.
        lanes[0].moved(0, AAPL, true);
        assert_eq!(watching.changed_at(&region, Mono(20)).count(), 0);
        open(&mut lanes);
        let changed: Vec<_> = watching.changed_at(&region, Mono(20)).collect();
        assert_eq!(changed, [region.find(&xnas(), &symbol("AAPL")).unwrap()]);
        assert_eq!(changed[0].partition(), 1);
        assert_eq!(watching.handles().count(), 2, "prefix: {prefix}");
        lanes[1].publish(1, AAPL, live(), 1, Mono(13), &book(47));
        lanes[0].publish(0, AAPL, live(), 1, Mono(13), &book(47));
        assert_eq!(watching.changed_at(&region, Mono(20)).collect::<Vec<_>>(), changed);
    }
}

/// Found while two partitions had it, in the one that the map leaves it to then.
#[test]
fn who_watches_what_was_contested_sees_that_it_is_no_longer() {
    let (_handler, mut lanes, region) = morning();
    open(&mut lanes);
    let mut watching = region.subscribe(&[(xnas(), symbol("AAPL"))]);
    let seen = |changed: Vec<candor_shm::Handle>| {
        let read = |handle: &candor_shm::Handle| region.read_at(*handle, Mono(20)).reason();
        changed.iter().map(read).collect::<Vec<_>>()
    };
    let changed = watching.changed_at(&region, Mono(20)).collect();
    assert_eq!(seen(changed), [Some(Reason::WrongPartition)]);
    lanes[1].moved(1, AAPL, true);
    let _ = watching.changed_at(&region, Mono(20)).count();
    lanes[0].moved(0, AAPL, false);
    let changed = watching.changed_at(&region, Mono(20)).collect();
    assert_eq!(seen(changed), [None]);
}

#[test]
#[should_panic(expected = "a partition is opened once")]
fn a_partition_is_opened_once() {
    let (_handler, mut lanes, _region) = morning();
    open(&mut lanes);
    lanes[1].open(1, &partition("XNAS", "3", 1));
}

#[test]
#[should_panic(expected = "another place")]
fn a_partition_has_the_room_that_was_planned() {
    let (_handler, mut lanes, _region) = morning();
    lanes[1].open(1, &PartitionSpec { symbols: 9, ..partition("XNAS", "2", 1) });
}

#[test]
fn a_partition_without_a_name_or_a_venue_alone_is_refused() {
    for (venue_name, name) in [("", "2"), ("XNAS", "")] {
        let mut spec = spec();
        let mut nameless = partition("XNAS", "2", 0);
        nameless.venue = Venue::from_wire(venue_name.as_bytes()).unwrap_or(Venue::EMPTY);
        nameless.name = candor_core::symbol::Text::from_wire(name.as_bytes()).unwrap_or_default();
        spec.partitions.push(nameless);
        assert!(heap(&spec).is_err());
    }
}

#[test]
fn what_is_halted_by_its_name_is_halted_where_it_moves() {
    let (handler, mut lanes, region) = morning();
    let before = region.find(&xnas(), &symbol("AAPL")).unwrap();
    assert_eq!(handler.halt(Halt::Symbol(before), Mono(15)), Some(true));
    lanes[0].moved(0, AAPL, true);
    open(&mut lanes);
    lanes[1].moved(1, AAPL, false);
    let after = region.find(&xnas(), &symbol("AAPL")).unwrap();
    assert_eq!(after.partition(), 1);
    assert_eq!(reason(&region, "AAPL"), Some(Reason::Halted));
    assert_eq!(reason(&region, "AMZN"), None);
}

#[test]
fn a_partition_added_to_a_venue_that_is_halted_is_halted() {
    let (handler, mut lanes, region) = morning();
    assert_eq!(handler.halt(Halt::Partition(0), Mono(15)), Some(true));
    lanes[0].moved(0, AAPL, true);
    open(&mut lanes);
    assert_eq!(region.halted(Halt::Partition(1)), Some(Mono(15)));
    assert_eq!(reason(&region, "AAPL"), Some(Reason::Halted));
}

#[test]
fn a_partition_that_was_halted_before_a_map_adds_it_is_halted() {
    let (_handler, mut lanes, region) = morning();
    let two = candor_core::symbol::Text::from_wire(b"2").unwrap();
    lanes[1].hold(&[(HaltName::Partition(xnas(), two), Mono(15))]);
    lanes[0].moved(0, AAPL, true);
    open(&mut lanes);
    assert_eq!(region.halted(Halt::Partition(1)), Some(Mono(15)));
    assert_eq!(reason(&region, "AAPL"), Some(Reason::Halted));
    assert_eq!(region.halted(Halt::Partition(0)), None);
}
