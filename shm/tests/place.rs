//! Reads into one place: what an earlier read left in it is no part of a later answer.
#![cfg(not(loom))]

mod support;

use candor_core::{Mono, Nanos, Reason, Status, SymbolIndex};
use candor_shm::{Read, ReadPlace, ReadRef, Region, clock, create};
use support::{Folder, SESSION, book, live, spec, symbol, venue};

const AAPL: SymbolIndex = SymbolIndex(0);

#[test]
fn a_place_answers_as_a_read_does_and_keeps_nothing() {
    let folder = Folder::new();
    let path = folder.region();
    let (mut handler, mut lanes) = create(&path, &spec()).unwrap();
    let lane = &mut lanes[0];
    handler.set_status(live(), clock::now());
    support::bring_up(lane, "AAPL", clock::now() + Nanos::from_secs(3_600));
    lane.define(0, SymbolIndex(1), &symbol("MSFT"));
    let region = Region::open(&path).unwrap();
    let find = |name| region.find(&venue("XNAS"), &symbol(name)).unwrap();
    let (aapl, msft) = (find("AAPL"), find("MSFT"));
    let mut place = ReadPlace::new();

    // Ten levels a side, one against four, ten again, none.
    for (turn, number) in [120, 45, 120, 121, 0].into_iter().enumerate() {
        let published = book(number);
        lane.publish(0, AAPL, live(), 1, Mono(turn as u64), &published);
        let ReadRef::Live(view) = region.read_into(aapl, &mut place) else { panic!("turn {turn}") };
        assert_eq!((view.book, view.since, view.epoch), (published, Mono(turn as u64), 1));
        assert_eq!(region.read(aapl), Read::Live(*view));

        // What nobody published is nothing, though there is a book in the place.
        let unproven = region.read_into(msft, &mut place);
        assert_eq!((unproven.reason(), unproven.live()), (Some(Reason::Unproven), None));
        assert!(matches!(unproven, ReadRef::Stale { last: None, .. }));
        assert_eq!(unproven.to_owned(), region.read(msft));
    }

    lane.partition(0, Status::stale(Reason::Gap), 1, Mono(9), SESSION);
    let stale = region.read_into(aapl, &mut place);
    assert_eq!((stale.reason(), stale.live()), (Some(Reason::Gap), None));
    let ReadRef::Stale { last: Some(last), since: Mono(9), .. } = stale else {
        panic!("{stale:?}")
    };
    assert_eq!(last.book, book(0));
    assert_eq!(stale.to_owned(), region.read(aapl));
}
