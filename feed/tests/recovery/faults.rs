//! The faults of the venue's services, a table for each: IEX's gap fill in both of its ways, and SNAP. `trouble.rs`
//! has those of MoldUDP64's re-request and of GLIMPSE, but for one: an image that lacks a message.

use std::fs;

use candor_core::counters::Counter;
use candor_core::{Nanos, Reason, Symbol};
use candor_shm::Read;

use crate::scene::{Handler, QUICK, Scene, Seen, Watch, eventually, judge, pause, wrong};

/// How many are missing each time.
const GAP: u64 = 30;

/// How a gap ends while the fault is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// By what is sent again; nobody asks for a snapshot.
    Filled,
    /// By a snapshot, as asking is of no use.
    Spliced,
    /// By either.
    Either,
}
use End::{Either, Filled, Spliced};

/// A fault of gap fill, the service's count that proves it, what the handler counts of it, and how a gap ends.
type Fault = (&'static str, &'static str, Counter, End);

/// Attempts are used up within a second or two; nobody loses patience before, on a busy machine neither.
const PATIENT: &str = "recovery = { timeout_ms = 100, timeout_max_ms = 400, patience_ms = 8000, begin_ms = 2000, \
                       idle_ms = 700, whole_ms = 4000, retry_ms = 100, retry_max_ms = 400 }\n\
                       snapshot_budget = { minute = 1000 }\n\
                       retransmit_budget = { second = 1000, minute = 10000 }";

/// Of the ways in which the handler's configuration asks for what is missing, this one is left.
fn only(scene: &Scene, name: &str, way: &str) {
    let path = scene.path(&format!("{name}.toml"));
    let mut text = String::new();
    for line in fs::read_to_string(&path).unwrap().lines() {
        let own = line.starts_with("retransmit = [");
        let own = own.then(|| line.split('"').find(|part| part.starts_with(way)).unwrap());
        text += &own.map_or(line.to_owned(), |service| format!("retransmit = [\"{service}\"]"));
        text += "\n";
    }
    fs::write(path, text).unwrap();
}

/// Numbers are lost, and are live again.
fn is_healed(scene: &Scene, handler: &Handler, what: &str) {
    let outlived = handler.count(0, Counter::GapsOutlived);
    scene.tell(&format!("skip 1 {GAP}"));
    eventually(&format!("{what}: the gap is noticed"), || {
        assert!(handler.stays_live(1), "{what}: partition 2 is {:?}", handler.reason(1));
        (handler.count(0, Counter::GapsOutlived) > outlived).then_some(())
    });
    eventually(&format!("{what}: live again"), || handler.is_live(0).then_some(()));
}

fn gap_fill_of_iex(way: &str, faults: &[Fault]) {
    let mut scene = Scene::new(&format!("iex-{way}"), true);
    scene.feed("iex-deep");
    scene.configure("mdh1", PATIENT);
    only(&scene, "mdh1", way);
    let handler = scene.handler("mdh1");
    scene.open(&["--session", "7"]);
    handler.until_live();
    let watch = Watch::start(&handler);
    for &(fault, shown, counter, end) in faults {
        let what = format!("{way}, {fault}");
        let of = |counter| handler.count(0, counter);
        let [counted, asked] = [counter, Counter::SnapshotRequests].map(of);
        let service = scene.service("retransmit", shown);
        scene.tell(&format!("service 1 retransmit {fault}"));
        eventually(&format!("{what}: it happens, and is counted"), || {
            is_healed(&scene, &handler, &what);
            let happened = scene.service("retransmit", shown) > service;
            (happened && of(counter) > counted).then_some(())
        });
        let asked = of(Counter::SnapshotRequests) - asked;
        assert!(end == Either || (end == Spliced) == (asked > 0), "{what}: {asked} snapshots");
        scene.tell("service 1 retransmit off");
        // An address that failed rests for a while.
        let filled = of(Counter::RetransmitFilled);
        eventually(&format!("{what}: it is asked again"), || {
            is_healed(&scene, &handler, &what);
            (of(Counter::RetransmitFilled) >= filled + GAP).then_some(())
        });
    }
    assert!(handler.stays_live(1));
    let reads = watch.judge(&mut scene);
    println!(
        "shown: {} faults of gap fill over {way}; {reads} live reads, none wrong",
        faults.len()
    );
}

#[test]
fn whatever_goes_wrong_with_iex_gap_fill_by_datagrams_heals() {
    let faults = [
        ("refuse", "refused", Counter::RetransmitGivenUp, Spliced),
        ("throttle 0", "refused", Counter::RetransmitGivenUp, Spliced),
        ("throttle 1", "refused", Counter::RetransmitTimeouts, Either),
        ("hang", "refused", Counter::RetransmitGivenUp, Spliced),
        // Halved again and again, and of the last number and the one before it half is the one before.
        ("partial", "spoiled", Counter::RetransmitFilled, Spliced),
        ("late 300ms", "spoiled", Counter::RetransmitTimeouts, Filled),
        ("wrong-range", "spoiled", Counter::RetransmitGivenUp, Spliced),
        ("twice", "spoiled", Counter::RetransmitFilled, Filled),
    ];
    gap_fill_of_iex("udp", &faults);
}

#[test]
fn whatever_goes_wrong_with_iex_gap_fill_over_connections_heals() {
    let faults = [
        ("refuse", "refused", Counter::RetransmitGivenUp, Spliced),
        ("throttle 0", "refused", Counter::RetransmitGivenUp, Spliced),
        ("throttle 1", "refused", Counter::RetransmitRefused, Either),
        ("hang", "spoiled", Counter::RetransmitGivenUp, Spliced),
        // A connection that ends too soon has failed: what it brought is used, and its address rests.
        ("partial", "spoiled", Counter::RetransmitFilled, Spliced),
        ("late 3s", "spoiled", Counter::RetransmitGivenUp, Spliced),
        ("wrong-range", "spoiled", Counter::RetransmitGivenUp, Spliced),
        ("twice", "spoiled", Counter::RetransmitFilled, Filled),
    ];
    gap_fill_of_iex("tcp", &faults);
}

#[test]
fn whatever_goes_wrong_with_snap_is_over_when_it_is_over() {
    let mut scene = Scene::new("snap", true);
    scene.feed("iex-deep");
    scene.configure("mdh1", QUICK);
    let handler = scene.handler("mdh1");
    scene.open(&["--session", "7", "--command", "service retransmit refuse"]);
    handler.until_live();
    let watch = Watch::start(&handler);
    let stalls = handler.stalls();
    for (fault, shown) in [
        ("refuse", "refused"),
        ("throttle 0", "refused"),
        ("hang", "spoiled"),
        ("partial", "spoiled"),
        ("late 3s", "spoiled"),
        // It is told which number the image must have, and says that it has none such yet.
        ("old-snapshot 1000000", "ignored"),
        ("broken-snapshot", "spoiled"),
        ("lost-part", "spoiled"),
        ("lost-packet", "spoiled"),
    ] {
        let failed = handler.count(0, Counter::SnapshotsFailed);
        let service = scene.service("snapshot", shown);
        scene.tell(&format!("service 1 snapshot {fault}"));
        scene.tell(&format!("skip 1 {GAP}"));
        eventually(&format!("{fault}: two snapshots fail"), || {
            assert!(handler.stays_live(1), "{fault}: partition 2 is {:?}", handler.reason(1));
            (handler.count(0, Counter::SnapshotsFailed) >= failed + 2).then_some(())
        });
        assert!(scene.service("snapshot", shown) >= service + 2, "{fault}: it never happened");
        assert_eq!(handler.live(0), 0, "{fault}");
        assert!(matches!(handler.reason(0), Some(Reason::Gap | Reason::Recovering)), "{fault}");
        scene.tell("service 1 snapshot off");
        eventually(&format!("{fault}: live again"), || handler.is_live(0).then_some(()));
    }
    for (fault, shown) in [("late 300ms", "spoiled"), ("throttle 1", "refused")] {
        let service = scene.service("snapshot", shown);
        scene.tell(&format!("service 1 snapshot {fault}"));
        eventually(&format!("{fault}: it happens"), || {
            is_healed(&scene, &handler, fault);
            (scene.service("snapshot", shown) > service).then_some(())
        });
        scene.tell("service 1 snapshot off");
    }
    assert_eq!(handler.stalls(), stalls, "no lane stood still");
    let reads = watch.judge(&mut scene);
    println!("shown: 11 faults of SNAP; {reads} live reads, none wrong");
}

/// The symbols of a partition that are quarantined.
fn quarantined(handler: &Handler, partition: u16) -> Vec<Symbol> {
    let broken = [Reason::SymbolQuarantined, Reason::SymbolRecovering];
    let is_broken = |handle| match handler.region.read(handle) {
        Read::Stale { reason, .. } => broken.contains(&reason),
        Read::Live(_) => false,
    };
    let all = handler.symbols(partition).into_iter();
    all.filter(|(handle, _)| is_broken(*handle)).map(|(_, symbol)| symbol).collect()
}

/// One image lacks an order. Says which symbol's book contradicted itself then, if any did before long, and what
/// was seen until another image had healed it.
fn image_without_an_order(scene: &Scene, handler: &Handler) -> (Vec<Symbol>, Vec<Seen>) {
    let of = |counter| handler.count(0, counter);
    let watch = Watch::start(handler);
    let [spliced, failed] = [Counter::SnapshotsSpliced, Counter::SnapshotsFailed].map(of);
    let spoiled = scene.service("snapshot", "spoiled");
    scene.tell("service 1 snapshot lost-packet");
    scene.tell("skip 1 20");
    eventually("it is spliced", || (of(Counter::SnapshotsSpliced) > spliced).then_some(()));
    assert!(scene.service("snapshot", "spoiled") > spoiled, "it is whole: nothing is proven");
    assert_eq!(of(Counter::SnapshotsFailed), failed, "nothing tells that it lacks one");
    // Whoever wants another gets none until everybody has looked.
    scene.tell("service 1 snapshot off");
    scene.tell("service 1 snapshot refuse");
    let mut broken = Vec::new();
    for _ in 0..2_500 {
        broken = quarantined(handler, 0);
        if !broken.is_empty() {
            break;
        }
        pause(Nanos::from_millis(2));
    }
    if !broken.is_empty() {
        eventually("every other symbol is live", || (handler.live(0) == 19).then_some(()));
        assert!(handler.stays_live(1), "partition 2 is {:?}", handler.reason(1));
        assert_eq!(quarantined(handler, 0), broken);
    }
    let spliced = of(Counter::SnapshotsSpliced);
    scene.tell("service 1 snapshot off");
    if broken.is_empty() {
        // An order that nobody has named yet is missing still: all books once more.
        scene.tell("skip 1 20");
    }
    eventually("another is spliced", || (of(Counter::SnapshotsSpliced) > spliced).then_some(()));
    eventually("all is live again", || handler.is_live(0).then_some(()));
    (broken, watch.end())
}

/// GLIMPSE says nothing of how long its image is: an order that its server leaves out is missed by nobody until the
/// book that it belongs to contradicts itself. Then that symbol is quarantined and had from another image. No other
/// symbol is ever wrong, nor is this one behind that.
#[test]
fn an_order_that_glimpse_leaves_out_costs_its_symbol_alone_and_another_image_heals_it() {
    let mut scene = Scene::new("left-out", true);
    scene.configure("mdh1", QUICK);
    let handler = scene.handler("mdh1");
    scene.open(&["--command", "service retransmit hang"]);
    handler.until_live();
    // What is in the middle of an image is an order by then, and no fact about a symbol.
    eventually("there are orders enough", || (scene.next() > 3_000).then_some(()));
    let [unknown, quarantines] =
        [Counter::UnknownOrder, Counter::Quarantined].map(|counter| handler.count(0, counter));
    let mut rounds = Vec::new();
    let broken = eventually("one is named that an image lacked", || {
        let (broken, seen) = image_without_an_order(&scene, &handler);
        rounds.push(seen);
        (!broken.is_empty()).then_some(broken)
    });
    assert_eq!(broken.len(), 1, "{broken:?}");
    eventually("it is counted", || {
        let counted = handler.count(0, Counter::UnknownOrder) > unknown
            && handler.count(0, Counter::Quarantined) > quarantines;
        counted.then_some(())
    });
    let healed = Watch::start(&handler);
    pause(Nanos::from_millis(500));
    let healed = healed.end();
    let truth = scene.truth();
    let reads = judge(&[&truth], &healed);
    let last = rounds.len();
    for (round, seen) in (1..).zip(&rounds) {
        let wrong: Vec<Symbol> = wrong(&[&truth], seen).into_keys().collect();
        assert!(wrong.len() <= 1, "an image lacks one order: {wrong:?}");
        assert!(round < last || wrong.is_empty() || wrong == broken, "{wrong:?}, not {broken:?}");
    }
    // The journal has that the symbol was stale by itself, and that it is over.
    let region = scene.path("mdh1");
    let symbol = broken[0].as_str();
    let query =
        ["journal", "--kind", "symbols", "--symbol", symbol, "-r", region.to_str().unwrap()];
    eventually("the journal has it", || {
        let healed = |line: &str| line.contains("from=Stale(Symbol") && line.contains("to=Live");
        scene.candor(&query).lines().any(healed).then_some(())
    });
    println!(
        "shown: an order left out is named in image {last}; healed, {reads} reads, none wrong"
    );
}
