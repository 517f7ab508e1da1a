//! A caller's time and the reader's clock: which of the two a verdict is by.
#![cfg(not(loom))]

mod support;

use candor_core::{BookView, Mono, Nanos, Quotes, Reason, SymbolIndex, TradingState};
use candor_shm::{HandlerWriter, LaneWriter, Region, clock, create, heap};
use support::{Folder, book, live, spec, symbol, venue};

const NOW: Mono = Mono(1_000);
const LEASE: Mono = Mono(2_000);
const AAPL: SymbolIndex = SymbolIndex(0);

/// A file's region that is Live by this host's clock, with a lease of the usual length.
fn live_by_the_clock(folder: &Folder) -> (HandlerWriter, LaneWriter, Region) {
    let mut spec = spec();
    spec.process_lease = USUAL;
    let (mut handler, mut lanes) = create(folder.region(), &spec).unwrap();
    handler.set_status(live(), clock::now());
    support::bring_up(&mut lanes[0], "AAPL", clock::now() + Nanos::from_secs(3_600));
    lanes[0].publish(0, AAPL, live(), 1, clock::now(), &quoted());
    let region = Region::open(folder.region()).unwrap();
    (handler, lanes.remove(0), region)
}

const USUAL: Nanos = Nanos::from_secs(20);

/// A book that counts as quoted.
fn quoted() -> BookView {
    BookView { trading_state: TradingState::Trading, ..book(45) }
}

#[test]
fn a_lease_renewed_since_the_callers_time_is_none_of_another_clock() {
    let folder = Folder::new();
    let (_handler, mut lane, region) = live_by_the_clock(&folder);
    let handle = region.find(&venue("XNAS"), &symbol("AAPL")).unwrap();
    let mut all = region.subscribe_prefix(venue("XNAS"), "");
    let older = clock::now();
    // The caller is kept from asking for more than clocks may be apart; its handler is not.
    let later = older + Nanos::from_millis(2);
    while clock::now() < later {
        std::hint::spin_loop();
    }
    lane.renew(later + USUAL);
    assert_eq!(region.handler_status(older).reason(), None);
    assert_eq!(region.partition(0, older).unwrap().status.reason(), None);
    assert!(region.partitions(older).all(|partition| partition.status.is_live()));
    assert_eq!(region.quotes(0, older).two_sided, 1);
    assert_eq!(region.read_at(handle, older).reason(), None);
    assert_eq!(all.changed_at(&region, older).count(), 1);
    lane.renew(later + USUAL + Nanos(1));
    assert_eq!(all.changed_at(&region, older).count(), 0, "nothing has become of it");
    // An hour is more than any caller is late by: that one is of another clock, whoever asks.
    lane.renew(later + USUAL + Nanos::from_secs(3_600));
    assert_eq!(region.handler_status(older).reason(), Some(Reason::WriterGone));
    let partition = region.partition(0, older).unwrap();
    assert_eq!(partition.status.reason(), Some(Reason::WriterGone));
    assert_eq!(region.read(handle).reason(), Some(Reason::WriterGone));
    assert_eq!(all.changed_at(&region, older).count(), 1);
}

#[test]
fn the_clock_is_asked_after_the_words_are_loaded() {
    let mut spec = spec();
    spec.process_lease = Nanos::from_millis(50);
    let (mut handler, mut lanes, region) = heap(&spec).unwrap();
    handler.set_status(live(), Mono(5));
    let lane = &mut lanes[0];
    support::bring_up(lane, "AAPL", LEASE);
    lane.publish(0, AAPL, live(), 1, Mono(11), &quoted());
    assert_eq!(region.quotes(0, NOW).two_sided, 1);
    // While the reader is on its way to the clock the lease it has loaded runs out, and is renewed.
    let late = |lane: &mut LaneWriter| {
        lane.renew(LEASE + Nanos::from_millis(50));
        LEASE
    };
    let gone = Some(Reason::WriterGone);
    assert_eq!(region.handler_status_when(|| late(lane)).reason(), gone);
    lane.renew(LEASE);
    let info = region.partition_when(0, || late(lane)).unwrap();
    assert_eq!((info.status.reason(), info.since, info.lease_left), (gone, LEASE, Nanos(0)));
    lane.renew(LEASE);
    let all = region.partitions_when(|| late(lane)).map(|info| info.status.reason());
    assert_eq!(all.collect::<Vec<_>>(), [gone]);
    lane.renew(LEASE);
    assert_eq!(region.quotes_when(0, || late(lane)), Quotes::default());
}
