//! A handler that starts in the middle of the day.

use std::fs;

use candor_core::alert::Code;
use candor_core::counters::Counter;
use candor_core::{Mono, Nanos, Reason};

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

/// A handler that starts when the date has begun has not heard the session begin that is still sent, and answered
/// for: that it is of before it knows from the handler before it, which was killed.
#[test]
fn a_session_that_was_followed_before_the_date_began_is_not_todays_after_a_start() {
    let mut scene = Scene::new("before", true);
    scene.configure("mdh1", QUICK);
    let handler = scene.handler("mdh1");
    scene.open(&[]);
    handler.until_live();
    let record = scene.path("mdh1.sessions");
    let read = || fs::read_to_string(&record).unwrap_or_default();
    let known = |text: &str| text.matches("\n[[session]]").count();
    eventually("both sessions are written down", || (known(&read()) == 2).then_some(()));
    drop(handler);
    let handler = scene.handler("mdh1");
    handler.until_live();
    drop(handler);
    // As if the first partition's had been followed the day before.
    let mut parts: Vec<String> = read().split("since = ").map(str::to_owned).collect();
    let (_, rest) = parts[1].split_once('\n').unwrap();
    parts[1] = format!("\"2020-01-01T00:00:00Z\"\n{rest}");
    fs::write(&record, parts.join("since = ")).unwrap();
    let handler = scene.handler("mdh1");
    let watch = Watch::start(&handler);
    handler.until_reason(0, &[Reason::NotStarted]);
    eventually("the other partition is live", || handler.reason(1).is_none().then_some(()));
    eventually("it is heard", || (handler.count(0, Counter::Messages) > 100).then_some(()));
    pause(Nanos::from_millis(500));
    assert_eq!(handler.reason(0), Some(Reason::NotStarted));
    for (handle, symbol) in handler.symbols(0) {
        assert!(handler.region.read(handle).live().is_none(), "{symbol}");
    }
    scene.tell("session NEXT 1");
    handler.until_live();
    eventually("the next one is written down as well", || (known(&read()) == 3).then_some(()));
    assert!(
        read().contains("\"2020-01-01T00:00:00.000000000Z\""),
        "the old one is as old as it was"
    );
    watch.judge(&mut scene);
}

/// A handler that can't write down what it follows says so, and writes it as soon as it can.
#[test]
fn a_record_of_sessions_that_can_not_be_written_is_an_alert_until_it_can() {
    let mut scene = Scene::new("unwritten", true);
    scene.configure("mdh1", QUICK);
    let record = scene.path("mdh1.sessions");
    // What is written beside it has no room: there is a folder, which nobody removes.
    let beside = scene.path("mdh1.sessions.new");
    fs::create_dir_all(beside.join("in-the-way")).unwrap();
    let handler = scene.handler("mdh1");
    scene.open(&[]);
    handler.until_live();
    let active = || {
        let alerts = handler.region.alerts().unwrap();
        let mut own = alerts.entries.into_iter().filter(|it| it.code == Code::SessionsUnwritten);
        own.any(|alert| alert.over == Mono::NEVER)
    };
    eventually("an alert", || active().then_some(()));
    assert!(!record.exists());
    fs::remove_dir_all(&beside).unwrap();
    eventually("it is written", || record.exists().then_some(()));
    eventually("the alert is over", || (!active()).then_some(()));
}
