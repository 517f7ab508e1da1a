//! Services that fail, each in its own way: the partition stays stale as long as they do, is live when
//! they no longer do, and the other partition of the same lane notices nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use candor_core::counters::Counter;
use candor_core::{Nanos, Reason};

use crate::scene::{QUICK, Scene, Watch, eventually, pause};

#[test]
fn whatever_goes_wrong_with_snapshots_is_over_when_it_is_over() {
    let mut scene = Scene::new("trouble", true);
    scene.open(&["--command", "service retransmit hang"]);
    scene.configure("mdh1", QUICK);
    let handler = scene.handler("mdh1");
    handler.until_live();
    let watch = Watch::start(&handler);
    let stalls = handler.stalls();
    for (fault, shown) in [
        ("refuse", "refused"),
        ("hang", "spoiled"),
        ("partial", "spoiled"),
        ("broken-snapshot", "spoiled"),
        ("lost-part", "spoiled"),
    ] {
        let service = scene.service("snapshot", shown);
        scene.tell(&format!("service 1 snapshot {fault}"));
        let failed = handler.count(0, Counter::SnapshotsFailed);
        scene.tell("skip 1 20");
        eventually(&format!("{fault}: two snapshots fail"), || {
            assert!(handler.stays_live(1), "{fault}: partition 2 is {:?}", handler.reason(1));
            (handler.count(0, Counter::SnapshotsFailed) >= failed + 2).then_some(())
        });
        assert!(scene.service("snapshot", shown) >= service + 2, "{fault}: it never happened");
        assert!(!handler.is_live(0), "{fault}");
        assert!(matches!(handler.reason(0), Some(Reason::Gap | Reason::Recovering)), "{fault}");
        scene.tell("service 1 snapshot off");
        eventually(&format!("{fault}: live again"), || handler.is_live(0).then_some(()));
    }
    for (late, shown) in [("late 300ms", "spoiled"), ("throttle 1", "refused")] {
        let service = scene.service("snapshot", shown);
        scene.tell(&format!("service 1 snapshot {late}"));
        eventually(&format!("{late}: it happens"), || {
            scene.tell("skip 1 20");
            handler.until_reason(0, &[Reason::Gap, Reason::Recovering]);
            eventually(&format!("{late}: live again"), || handler.is_live(0).then_some(()));
            (scene.service("snapshot", shown) > service).then_some(())
        });
        scene.tell("service 1 snapshot off");
    }
    assert_eq!(handler.stalls(), stalls, "no lane stood still");
    let reads = watch.judge(&mut scene);
    println!("shown: 7 kinds of trouble with snapshots; {reads} live reads, none wrong");
}

/// An image from before the gap: refused, and the second in a row taken for a sign that our numbers are wrong, so that
/// the stream goes on from it. Neither makes anything Live.
#[test]
fn an_image_from_before_the_gap_makes_nothing_live_however_often_it_comes() {
    // Five seconds: what a reader saw of it Live would be judged to be old, and not only late.
    const OLD: u64 = 5_000;
    let mut scene = Scene::new("old", true);
    scene.open(&["--command", "service retransmit hang"]);
    scene.configure("mdh1", QUICK);
    let handler = scene.handler("mdh1");
    handler.until_live();
    eventually("there is an image so old", || (scene.next() > OLD + 1_000).then_some(()));
    let watch = Watch::start(&handler);
    scene.tell(&format!("service 1 snapshot old-snapshot {OLD}"));
    scene.tell("skip 1 20");
    handler.until_reason(0, &[Reason::Gap, Reason::Recovering]);
    let lost = scene.next();
    eventually("it is refused, joined, and refused again", || {
        assert_eq!(handler.live(0), 0, "of an image that lacks what is missing");
        let log = handler.log();
        let joined = log.find("ours were not the venue's");
        joined.is_some_and(|at| log[at..].contains("too_old")).then_some(())
    });
    assert!(handler.count(0, Counter::SnapshotsUnusable) >= 2);
    assert!(scene.next() < lost + OLD, "it came to contain what is missing: nothing is proven");
    assert_eq!(handler.live(0), 0);
    scene.tell("service 1 snapshot off");
    eventually("it is live again", || handler.is_live(0).then_some(()));
    assert!(handler.stays_live(1));
    let reads = watch.judge(&mut scene);
    println!("shown: images from before the gap; {reads} live reads, none wrong");
}

#[test]
fn whatever_goes_wrong_with_retransmission_a_snapshot_heals() {
    let mut scene = Scene::new("retransmission", true);
    scene.open(&[]);
    scene.configure("mdh1", QUICK);
    let handler = scene.handler("mdh1");
    handler.until_live();
    let watch = Watch::start(&handler);
    for (fault, shown) in [
        ("refuse", "refused"),
        ("partial", "spoiled"),
        ("late 40ms", "spoiled"),
        ("wrong-range", "spoiled"),
        ("twice", "spoiled"),
        ("throttle 1", "refused"),
    ] {
        let wrong = || {
            let all = [
                Counter::RetransmitTimeouts,
                Counter::RetransmitRefused,
                Counter::RetransmitGivenUp,
                Counter::RetransmitContradicts,
            ];
            all.iter().map(|counter| handler.count(0, *counter)).sum::<u64>()
        };
        let (wrong_before, spliced) = (wrong(), handler.count(0, Counter::SnapshotsSpliced));
        let service = scene.service("retransmit", shown);
        scene.tell(&format!("service 1 retransmit {fault}"));
        let mut gaps = 0;
        while gaps < 3 || scene.service("retransmit", shown) == service {
            gaps += 1;
            assert!(gaps < 100, "{fault}: it never happens");
            let outlived = handler.count(0, Counter::GapsOutlived);
            scene.tell("skip 1 30");
            eventually("the gap is noticed", || {
                (handler.count(0, Counter::GapsOutlived) > outlived).then_some(())
            });
            eventually(&format!("{fault}: live again"), || handler.is_live(0).then_some(()));
        }
        // Counters follow the books within a cycle.
        if ["refuse", "late 40ms", "wrong-range"].contains(&fault) {
            eventually(&format!("{fault}: it is counted"), || {
                (wrong() > wrong_before).then_some(())
            });
        }
        if fault == "refuse" {
            let more = || handler.count(0, Counter::SnapshotsSpliced) > spliced;
            eventually("a snapshot heals", || more().then_some(()));
        }
        scene.tell("service 1 retransmit off");
    }
    assert!(handler.stays_live(1));
    let reads = watch.judge(&mut scene);
    println!("shown: 6 kinds of trouble with retransmission; {reads} live reads, none wrong");
}

#[test]
fn wrong_credentials_are_said_and_right_ones_let_in() {
    let mut scene = Scene::new("credentials", true);
    scene.open(&["--service-login", "martha:hunter2"]);
    let secret = scene.path("secret.toml");
    let write = |password: &str| {
        fs::write(&secret, format!("user = \"martha\"\npassword = \"{password}\"\n")).unwrap();
        fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    };
    let keys = format!("{QUICK}\ncredentials = \"{}\"", secret.display());
    write("hunter3");
    // Late for the day, and more is missing than may be asked for.
    scene.configure("mdh1", &keys.replace("timeout_ms", "limit = 10, timeout_ms"));
    let path = scene.path("mdh1.toml").display().to_string();
    for output in ["table", "json"] {
        let shown = scene.candor(&["check", "-c", &path, "-o", output]);
        assert!(shown.contains("tcp://127.0.0.1:"), "{shown}");
        assert!(!shown.contains("hunter") && !shown.contains("martha"), "{shown}");
        println!("{shown}");
    }
    let shown = scene.candor(&["doctor", "-c", &path]);
    assert!(shown.contains("routed, from 127.0.0.1"), "{shown}");
    fs::set_permissions(&secret, PermissionsExt::from_mode(0o644)).unwrap();
    let shown = scene.candor(&["check", "-c", &path]);
    assert!(shown.contains("has mode 0644") && shown.contains("chmod 600"), "{shown}");
    write("hunter3");
    let handler = scene.handler("mdh1");
    eventually("the login is refused", || handler.log().contains("login_refused").then_some(()));
    assert!(!handler.is_live(0));
    assert!(!handler.log().contains("hunter"), "{}", handler.log());
    assert_eq!(handler.process.end(), Some(0));
    write("hunter2");
    let handler = scene.handler("mdh1");
    handler.until_live();
    assert!(!handler.log().contains("hunter"), "{}", handler.log());
}

#[test]
fn services_that_are_not_there_leave_the_partition_stale_and_the_handler_well() {
    let mut scene = Scene::new("nobody", true);
    scene.configure("mdh1", QUICK);
    let handler = scene.handler("mdh1");
    // The same lines, and nobody at the services' ports.
    let mut without = Scene::new("nobody2", false);
    without.exchange_of(&scene);
    without.open(&[]);
    handler.until_live();
    let stalls = handler.stalls();
    without.tell("skip 1 20");
    handler.until_reason(0, &[Reason::Gap]);
    eventually("both services are tried in vain", || {
        assert!(handler.stays_live(1), "partition 2 is {:?}", handler.reason(1));
        let tried = handler.count(0, Counter::RetransmitGivenUp) > 0
            && handler.count(0, Counter::SnapshotsFailed) > 2;
        tried.then_some(())
    });
    assert_eq!(handler.reason(0), Some(Reason::Gap));
    // An operator sees the rung that is tried.
    let region = scene.path("mdh1").display().to_string();
    let symbol = handler.symbols(0)[0].1.to_string();
    for query in [&["why", &symbol][..], &["partitions"]] {
        let shown = scene.candor(&[query, &["-r", &region]].concat());
        assert!(shown.contains("a snapshot; "), "{query:?}: {shown}");
    }
    let status = scene.candor(&["status", "-r", &region, "-o", "json"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert!(status["recovery"]["snapshots_failed"].as_u64().unwrap() > 2, "{status}");
    let log = handler.log();
    assert!(log.matches("can't be reached: Connection refused").count() == 2, "{log}");
    assert_eq!(handler.stalls(), stalls);
    // They come up, on the same lines, and what is missing is lost to them, too: a snapshot is not.
    drop(without);
    scene.open(&["--session", "CANDOR0002"]);
    handler.until_live();
    scene.tell("skip 1 20");
    eventually("filled", || (handler.count(0, Counter::RetransmitFilled) >= 20).then_some(()));
    eventually("it is live again", || handler.is_live(0).then_some(()));
    assert!(handler.log().contains("is reached again"), "{}", handler.log());
    pause(Nanos::from_millis(1));
    assert_eq!(handler.process.end(), Some(0));
}

#[test]
fn without_snapshots_a_retransmit_service_heals_when_it_is_back() {
    let mut scene = Scene::new("rounds", true);
    let waits = "recovery = { timeout_ms = 20, patience_ms = 150, pause_max_ms = 400 }";
    let path = scene.configure("mdh1", waits);
    let text = std::fs::read_to_string(&path).unwrap();
    let asks_only: String =
        text.split_inclusive('\n').filter(|line| !line.starts_with("snapshot")).collect();
    assert!(asks_only.len() < text.len() && asks_only.contains("\nretransmit = "), "{text}");
    std::fs::write(&path, asks_only).unwrap();
    let handler = scene.handler("mdh1");
    scene.open(&[]);
    handler.until_live();
    let watch = Watch::start(&handler);
    let others = handler.count(1, Counter::RetransmitRequests);
    scene.tell("service 1 retransmit refuse");
    scene.tell("skip 1 20");
    handler.until_reason(0, &[Reason::Gap]);
    eventually("it is given up", || {
        (handler.count(0, Counter::RetransmitGivenUp) > 0).then_some(())
    });
    let asked = handler.count(0, Counter::RetransmitRequests);
    eventually("it is asked for again and again", || {
        assert_eq!(handler.reason(0), Some(Reason::Gap));
        (handler.count(0, Counter::RetransmitRequests) >= asked + 3).then_some(())
    });
    scene.tell("service 1 retransmit off");
    eventually("it is live again", || handler.is_live(0).then_some(()));
    assert_eq!(handler.count(0, Counter::RetransmitGivenUp), 1, "counted once");
    assert_eq!(handler.log().matches("asked for in vain").count(), 1, "{}", handler.log());
    assert!(handler.stays_live(1));
    assert_eq!(handler.count(1, Counter::RetransmitRequests), others);
    let reads = watch.judge(&mut scene);
    assert_eq!(handler.process.end(), Some(0));
    println!("shown: a gap healed by a service that came back; {reads} live reads, none wrong");
}

/// Requests for snapshots that both services have had.
fn snapshots_asked(scene: &Scene) -> u64 {
    let answer = candor_sim::cli::ask(&scene.path("control"), "status").unwrap();
    let status: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let of = |at: usize| status["partitions"][at]["services"]["snapshot"]["requests"].as_u64();
    (0..2).filter_map(of).sum()
}

/// Each partition needs a snapshot to join, and the venue allows so many a day.
fn joins_with(scene: &Scene, day: u64) -> crate::scene::Handler {
    let keys = format!(
        "recovery = {{ timeout_ms = 20, patience_ms = 150, limit = 1, begin_ms = 2000, retry_ms = 100, \
         retry_max_ms = 400 }}\nsnapshot_budget = {{ minute = 1000, day = {day} }}"
    );
    scene.configure("mdh1", &keys);
    scene.handler("mdh1")
}

#[test]
fn what_has_left_before_a_start_counts_against_the_days_budget() {
    let mut scene = Scene::new("budget", true);
    scene.open(&[]);
    let handler = joins_with(&scene, 1_000);
    handler.until_live();
    assert_eq!(handler.process.end(), Some(0));
    let mut used = snapshots_asked(&scene);
    assert!(used >= 2, "{used} snapshots for two partitions");
    // Stopped in order, and killed: the next may ask for one, and only one of two partitions is live by it.
    for killed in [false, true] {
        let handler = joins_with(&scene, used + 1);
        eventually("one of them is refused for the budget", || {
            handler.log().contains("came to nothing (budget)").then_some(())
        });
        eventually("the other is live", || {
            (handler.is_live(0) || handler.is_live(1)).then_some(())
        });
        assert!(!(handler.is_live(0) && handler.is_live(1)));
        assert!(handler.log().contains("requests have left on this date already"));
        used += 1;
        assert_eq!(snapshots_asked(&scene), used);
        if killed {
            // What has left for a second is in the file.
            pause(Nanos::from_millis(1_600));
            drop(handler);
        } else {
            assert_eq!(handler.process.end(), Some(0));
        }
    }
    let text = std::fs::read_to_string(scene.path("mdh1.requests")).unwrap();
    let counts = text.lines().filter_map(|line| line.strip_prefix("snapshots = "));
    assert_eq!(counts.map(|count| count.parse::<u64>().unwrap()).sum::<u64>(), used);
    // One that nobody can read counts for nothing, and is said and replaced.
    std::fs::write(scene.path("mdh1.requests"), "format = 2\n").unwrap();
    let handler = joins_with(&scene, 4);
    handler.until_live();
    assert!(handler.log().contains("none is counted"), "{}", handler.log());
    assert_eq!(handler.process.end(), Some(0));
    let text = std::fs::read_to_string(scene.path("mdh1.requests")).unwrap();
    assert!(text.contains("format = 1\n"), "{text}");
    println!("shown: {used} snapshots over four handlers, as many as they were allowed together");
}
