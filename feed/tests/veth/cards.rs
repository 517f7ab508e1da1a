//! Two lines on two cards: one that goes, or is missing at the start, takes its own lines along and nothing else.

use candor_core::alert::Code;
use candor_core::counters::{Counter, LaneCounter};
use candor_core::{Mono, Nanos, Reason};
use candor_shm::{Region, clock};
use rustix::process::Signal;

use crate::alerts::{alerts, begun, events, lines, passed_on};
use crate::syscalls;
use crate::watch::{Stalls, Watch, judge};
use crate::world::{
    HANDLER_INTERFACE, Plan, SECOND_INTERFACE, World, candor, eventually, finished, lane,
    partition, pause, venue,
};

const PLAN: Plan = Plan { edit: on_two_cards, ..Plan::DEFAULT };

/// Line B of each partition is on the second card; of the fourth line A is too.
fn on_two_cards(text: String) -> String {
    let mut edited = String::new();
    let mut fourth = false;
    for line in text.lines() {
        fourth |= line == "name = \"4\"";
        let second = line.starts_with("lines.B") || (fourth && line.starts_with("lines.A"));
        let there = format!(", interface = \"{SECOND_INTERFACE}\" }}");
        edited += &if second { line.replace(" }", &there) } else { line.to_owned() };
        edited.push('\n');
    }
    passed_on(edited)
}

/// What must never go backwards.
fn counted(region: &Region) -> Vec<u64> {
    let lane = lane(region);
    let of_lane = [
        LaneCounter::Frames,
        LaneCounter::RxRingFull,
        LaneCounter::FillRingEmpty,
        LaneCounter::RxDropped,
        LaneCounter::RxInvalid,
        LaneCounter::TooLong,
    ];
    let of_partition = (0..4).map(|at| partition(region, at).counters.get(Counter::PacketsB));
    of_lane.into_iter().map(|counter| lane.get(counter)).chain(of_partition).collect()
}

/// A world in which the second card has gone, and nothing that had another line has noticed.
fn one_card_goes(test: &str, plan: Plan) -> Option<World> {
    let mut world = World::new(test, plan)?;
    world.add_second_card();
    let region = world.start_handler();
    world.start_exchange();
    world.until_live();
    let on_b = |at| partition(&region, at).counters.get(Counter::PacketsB);
    eventually("line B comes by the second card", || (0..4).all(|at| on_b(at) > 10).then_some(()));
    let stalls = Stalls::from_now(&region);
    // The fourth is silent then, and until its bound as true as a wire that was cut leaves it.
    let (fourth, others) =
        world.handles(&region).into_iter().partition(|(handle, _)| handle.partition() == 3);
    let (watch, fourth) = (Watch::start(&region, others), Watch::start(&region, fourth));
    let before = counted(&region);
    let gone = world.remove_card(SECOND_INTERFACE);
    let row = begun(&world, Code::Interface);
    assert_eq!(row["where"], "interface md1", "{row}");
    let text = row["text"].as_str().unwrap();
    assert!(text.starts_with("md1 is gone: "), "{text}");
    assert!(text.contains("On one line alone from here on: XNAS:1, XNAS:2, XNAS:3;"), "{text}");
    assert!(text.contains("without any line: XNAS:4."), "{text}");
    assert!(text.contains("`--without md1`"), "{text}");
    eventually("the partition without a line is silent", || {
        (partition(&region, 3).status.reason() == Some(Reason::Silent)).then_some(())
    });
    let silent = clock::now();
    // Interfaces and memberships are looked at again and again.
    pause(Nanos::from_secs(3));
    assert!(counted(&region).iter().zip(&before).all(|(now, before)| now >= before));
    assert_eq!(events(&lines(&world, Code::Interface)), ["begin"], "once");
    for code in [Code::LineNotJoined, Code::PartitionSilent, Code::PartitionLate] {
        assert_eq!(alerts(&world, code, true).0, Vec::<serde_json::Value>::new(), "{code}");
    }
    let log = world.handler.as_ref().unwrap().log();
    assert!(!log.contains("can't join") && !log.contains("can't read"), "{log}");
    let stalls = stalls.until_now(&region);
    let (log, fourth) = (watch.stop(), fourth.stop());
    let always = (Mono::NEVER, Mono(u64::MAX));
    for at in 0..3 {
        log.assert_only(at, always, &["Live"], stalls);
    }
    fourth.assert_only(3, (Mono::NEVER, gone), &["Live"], stalls);
    fourth.assert_only(3, (silent, Mono(u64::MAX)), &["Silent"], stalls);

    // Who subscribes anew has the line that there is.
    let config = world.path("handler.toml").display().to_string();
    for verb in ["unsubscribe", "subscribe"] {
        let (said, exit) = finished(candor(&world, &[verb, "XNAS", "1", "-c", &config]));
        assert_eq!(exit, 0, "{said}");
    }
    eventually("it comes by line A", || partition(&region, 0).heard.gt(&silent).then_some(()));
    let (said, exit) = finished(candor(&world, &["unsubscribe", "XNAS", "4", "-c", &config]));
    assert_eq!(exit, 0, "{said}");
    let (said, exit) = finished(candor(&world, &["subscribe", "XNAS", "4", "-c", &config]));
    assert_eq!(exit, 78, "{said}");
    assert!(said.contains("md1 is gone: start the handler again when it is there"), "{said}");
    judge(&mut world, &log);
    Some(world)
}

/// Of the queue that was put aside nobody asks anything again: what the lane asks every ten milliseconds is of the
/// other alone.
fn asks_of_one_queue(world: &World) {
    let long = Nanos::from_secs(1);
    let counted = syscalls::count_for("system calls for one card of two", world, long);
    let Some((calls, within)) = counted else { return };
    let at_most = within.0 / 10_000_000 + 2;
    println!("shown: within {within} {calls:?}, {at_most} of each at most");
    assert!(calls.iter().any(|(name, _)| name == "getsockopt"), "{calls:?}");
    assert!(calls.iter().all(|(_, count)| *count <= at_most), "{at_most}: {calls:?}");
}

fn ends_in_order(mut world: World) {
    let handler = world.handler.as_mut().unwrap();
    handler.signal(Signal::TERM);
    assert_eq!(handler.ended().code(), Some(0), "{}", handler.log());
}

/// Without any card there is nothing left to do.
fn ends_with_the_last(mut world: World) {
    world.remove_card(HANDLER_INTERFACE);
    let handler = world.handler.as_mut().unwrap();
    assert_eq!(handler.ended().code(), Some(71), "{}", handler.log());
    assert!(!world.region().handler_status(clock::now()).is_live());
}

#[test]
fn a_card_that_goes_takes_its_lines_along_and_nothing_else() {
    let world = one_card_goes("one card of two over veth", PLAN);
    world.into_iter().for_each(ends_in_order);
}

#[test]
fn over_a_spinning_lane_the_same_holds_until_the_last_card_goes() {
    let plan = Plan { idle: "spin", ..PLAN };
    let Some(world) = one_card_goes("one card of two, spinning, over veth", plan) else { return };
    asks_of_one_queue(&world);
    ends_with_the_last(world);
}

#[test]
fn over_ordinary_sockets_the_same_holds_until_the_last_card_goes() {
    let plan = Plan { source: "udp", ..PLAN };
    let world = one_card_goes("one card of two by sockets over veth", plan);
    world.into_iter().for_each(ends_with_the_last);
}

/// The second card is missing from the start.
fn starts_without(test: &str, plan: Plan) {
    let Some(mut world) = World::new(test, plan) else { return };
    let config = world.path("handler.toml").display().to_string();
    for (flags, code, says) in [
        (&[][..], 78, "there is no interface md1 on this host"),
        (&[], 78, "start with `--without md1`: its lines are not joined then"),
        (
            &["--without", "md9"],
            64,
            "no line of the configuration, or of a map in force, is on md9",
        ),
        (&["--without", "md0", "--without", "md1"], 64, "nothing is left to receive from"),
        (&["--without", "md0"], 78, "there is no interface md1 on this host"),
    ] {
        let arguments = [&["run", "-c", &config], flags].concat();
        let (said, exit) = finished(candor(&world, &arguments));
        assert!(exit == code && said.contains(says), "{flags:?} {exit}: {said}");
    }
    let region = world.start_handler_with(&["--without", "md1"]);
    world.start_exchange();
    eventually("what has a line on the other card is live", || {
        (0..3).all(|at| partition(&region, at).status.is_live()).then_some(())
    });
    let status = |at| partition(&region, at).status.reason();
    assert_eq!(status(3), Some(Reason::Unsubscribed), "nothing of it is joined");
    let watch = Watch::all(&world);
    let row = begun(&world, Code::LineNotJoined);
    assert_eq!(row["where"], "interface md1", "{row}");
    let text = row["text"].as_str().unwrap();
    assert!(
        text.contains("line B of XNAS:1, line B of XNAS:2, line B of XNAS:3 and 2 more"),
        "{text}"
    );
    let said = world.handler.as_ref().unwrap().log();
    for line in ["line B of XNAS:1", "line A of XNAS:4", "line B of XNAS:4"] {
        assert!(said.contains(&format!("--without: {line} is not joined")), "{line}: {said}");
    }
    // What is missing is missing to whoever asks before the open.
    let (said, exit) = finished(candor(&world, &["preopen", "-c", &config]));
    assert!(exit == 2 && said.contains("XNAS/1 line B"), "{exit}: {said}");
    let (said, exit) =
        finished(candor(&world, &["subscribe", venue().as_str(), "4", "-c", &config]));
    assert!(exit == 78 && said.contains("md1 was left out at the start"), "{exit}: {said}");
    assert_eq!(status(3), Some(Reason::Unsubscribed));
    assert_eq!(alerts(&world, Code::Interface, true).0, Vec::<serde_json::Value>::new());
    assert_eq!(events(&lines(&world, Code::LineNotJoined)), ["begin"], "once");
    let log = watch.stop();
    judge(&mut world, &log);
    ends_in_order(world);
}

#[test]
fn a_handler_starts_without_a_card_that_is_named_and_not_otherwise() {
    starts_without("a start without a card over veth", PLAN);
}

#[test]
fn by_sockets_a_handler_starts_without_a_card_too() {
    starts_without("a start without a card by sockets", Plan { source: "udp", ..PLAN });
}
