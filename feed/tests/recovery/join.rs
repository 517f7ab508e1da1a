//! A handler that starts in the middle of the day.

use candor_core::counters::Counter;
use candor_core::{Nanos, Reason};

use crate::scene::{QUICK, Scene, Watch, eventually, pause};

#[test]
fn who_joins_at_mid_day_shows_the_same_books_as_who_was_there_from_the_beginning() {
    let mut scene = Scene::new("join", true);
    scene.configure("early", QUICK);
    let early = scene.handler("early");
    scene.open(&[]);
    early.until_live();
    pause(Nanos::from_secs(2));
    // More is missing than is asked for.
    scene.configure("late", &QUICK.replace("timeout_ms", "limit = 100, timeout_ms"));
    let late = scene.handler("late");
    let watch = Watch::start(&late);
    late.until_live();
    // Counters follow the books within a cycle.
    eventually("a snapshot", || (late.count(0, Counter::SnapshotsSpliced) == 1).then_some(()));
    assert_eq!(early.count(0, Counter::SnapshotsSpliced), 0);
    pause(Nanos::from_millis(500));
    scene.tell("pause");
    pause(Nanos::from_millis(300));
    let (mut books, mut unlike) = (0, 0);
    for partition in 0..2 {
        for (handle, symbol) in early.symbols(partition) {
            let then = *early.region.read(handle).live().unwrap();
            let other = late.region.find(&early.partition(partition).spec.venue, &symbol).unwrap();
            let now = *late.region.read(other).live().unwrap();
            assert_eq!(then.levels(candor_core::Side::Bid), now.levels(candor_core::Side::Bid));
            assert_eq!(then.levels(candor_core::Side::Ask), now.levels(candor_core::Side::Ask));
            assert_eq!(then.trading_state, now.trading_state);
            assert_eq!(then.stats.since, 1);
            assert!(now.stats.since > 1, "its statistics begin with the snapshot");
            (books, unlike) = (books + 1, unlike + u32::from(then.stats != now.stats));
        }
    }
    assert_eq!(books, 40);
    assert!(unlike > 0);
    watch.judge(&mut scene);
}

#[test]
fn without_services_who_joins_late_stays_stale_with_the_reason() {
    let mut scene = Scene::new("alone", false);
    scene.open(&[]);
    pause(Nanos::from_millis(300));
    scene.configure("mdh1", "");
    let handler = scene.handler("mdh1");
    handler.until_reason(0, &[Reason::Recovering]);
    pause(Nanos::from_millis(500));
    assert_eq!(handler.reason(0), Some(Reason::Recovering));
    eventually("heard", || (handler.count(0, Counter::Messages) > 0).then_some(()));
}
