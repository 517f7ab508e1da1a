//! What a region says of its venues.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use candor_core::{Mono, TradingDate};
use candor_shm::{
    InForce, MILESTONES_MAX, Milestone, Morning, PartitionSpec, Preopen, PreopenVerdict, heap,
};
use support::{partition, spec, venue};

const MONDAY: TradingDate = TradingDate(20_261_123);

fn morning() -> Morning {
    let milestone = |at: usize| Milestone {
        applies: at < 8,
        planned: 1_000 + at as u64,
        actual: 2_000 + at as u64,
        found: at == 3,
        done: at as u32,
        of: u32::MAX,
    };
    let milestones: [Milestone; MILESTONES_MAX] = std::array::from_fn(milestone);
    Morning { date: MONDAY, watched: 77, milestones }
}

#[test]
fn every_venue_of_a_region_has_a_record_once_and_those_to_spare_have_none() {
    let mut spec = spec();
    spec.venues = vec![venue("OPRA")];
    spec.partitions.push(partition("IEXG", "1", 0));
    spec.partitions.push(partition("XNAS", "2", 0));
    spec.partitions.push(PartitionSpec::spare(0, 8));
    let (_, _, region) = heap(&spec).unwrap();
    let names: Vec<_> = region.venues().map(|one| (one.index, one.name)).collect();
    assert_eq!(names, [(0, venue("OPRA")), (1, venue("XNAS")), (2, venue("IEXG"))]);
    for one in region.venues() {
        assert!(!one.busy && one.in_force.is_none() && one.since == Mono::NEVER);
        assert!(one.morning.is_none() && one.preopen.is_none());
    }
}

#[test]
fn what_is_said_of_a_venue_is_read_of_that_one() {
    let mut spec = spec();
    spec.partitions.push(partition("IEXG", "1", 0));
    let (mut handler, _, region) = heap(&spec).unwrap();
    let (own, other) = (venue("IEXG"), venue("XNAS"));
    let in_force = InForce { date: MONDAY, digest: std::array::from_fn(|at| at as u8 + 1) };
    let preopen = Preopen {
        verdict: PreopenVerdict::NoGo,
        date: MONDAY,
        at: 5,
        holds: 6,
        fails: 7,
        unknown: 8,
    };
    assert!(handler.set_in_force(&own, Some(&in_force), Mono(9)));
    assert!(handler.set_morning(&own, Some(&morning())));
    assert!(handler.set_preopen(&own, &preopen));
    let read = region.venue(&own).unwrap();
    assert_eq!((read.in_force, read.since), (Some(in_force), Mono(9)));
    assert_eq!((read.morning, read.preopen), (Some(morning()), Some(preopen)));
    let untold = region.venue(&other).unwrap();
    assert!(untold.in_force.is_none() && untold.morning.is_none() && untold.preopen.is_none());
    assert!(handler.set_in_force(&own, None, Mono(10)) && handler.set_morning(&own, None));
    let read = region.venue(&own).unwrap();
    assert_eq!((read.in_force, read.since, read.morning), (None, Mono(10), None));
    assert!(!handler.set_in_force(&venue("XLON"), Some(&in_force), Mono(9)), "it has none");
    assert!(region.venue(&venue("XLON")).is_none());
}

/// Yesterday's digest never stands beside today's date, whenever a reader looks.
#[test]
fn a_date_is_never_read_with_another_dates_digest() {
    let (mut handler, _, region) = heap(&spec()).unwrap();
    let stop = AtomicBool::new(false);
    let of = |day: u32| InForce { date: TradingDate(day), digest: [day as u8; 32] };
    thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || {
            for round in 0..20_000u32 {
                let in_force = of(round % 200 + 1);
                handler.set_in_force(&venue("XNAS"), Some(&in_force), Mono(u64::from(round)));
            }
            stop.store(true, Ordering::Relaxed);
        });
        while !stop.load(Ordering::Relaxed) {
            let read = region.venue(&venue("XNAS")).unwrap();
            if let Some(found) = read.in_force {
                assert_eq!(found, of(found.date.0));
            }
        }
    });
}
