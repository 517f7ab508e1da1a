//! The kill switch under traffic: with the handler stopped, over its death, and in parts. The readers
//! are this process, who halts is another one, and the handler a third.

use candor_core::{Mono, Nanos, Reason};
use candor_shm::{Halt, Region, clock};
use rustix::process::Signal;
use serde_json::Value;

use crate::watch::{INTERRUPTED, Log, Stalls, Watch, judge};
use crate::world::{Plan, World, candor, eventually, finished, partition, pause, venue};

/// What `candor halt` has for everything, its start and its end included.
const WITHIN: Nanos = Nanos::from_millis(100);

/// The second person: a user of every host, and nobody who halts here.
const SECOND: &str = "nobody";

/// Runs a verb; when it was told to, when it had returned, its exit and its answer.
fn tell(world: &World, verb: &[&str]) -> (Mono, Mono, i32, Value) {
    let config = world.path("handler.toml").display().to_string();
    let told = clock::now();
    let output = candor(world, verb).args(["-c", &config, "-o", "json"]).output().unwrap();
    let returned = clock::now();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let json = serde_json::from_str(&said)
        .unwrap_or_else(|_| panic!("{verb:?}: {said}{}", String::from_utf8_lossy(&output.stderr)));
    (told, returned, output.status.code().unwrap(), json)
}

/// Halts; when it was told to, when every reader had to see it, and what it answered.
fn halt(world: &World, target: &str, exits: &[i32]) -> (Mono, Mono, Value) {
    let reason = format!("test of {target}");
    let (told, returned, code, json) = tell(world, &["halt", target, "--reason", &reason]);
    assert!(exits.contains(&code), "{code}: {json}");
    let halt = json["halt"].clone();
    assert_eq!(halt["live_after"], 0, "{halt}");
    let took = Nanos(halt["took_ns"].as_u64().unwrap());
    println!(
        "shown: halt {target}: {} live before, {} after, within {took}; the command {}",
        halt["live_before"],
        halt["live_after"],
        returned.since(told)
    );
    assert!(took < WITHIN, "{took}");
    (told, returned, halt)
}

fn resume(world: &World, target: &str) -> Mono {
    let (_, returned, code, json) = tell(world, &["resume", target, "--second", SECOND]);
    assert_eq!(code, 0, "{json}");
    returned
}

/// No read of these partitions that began in this time was Live.
fn assert_never_live(log: &Log, partitions: std::ops::Range<usize>, from: Mono, to: Mono) {
    for at in partitions {
        let seen = log.spells(at, from, to);
        assert!(!seen.is_empty());
        let live: Vec<_> = seen.iter().filter(|spell| spell.reason.is_none()).collect();
        assert!(live.is_empty(), "partition {}: {live:?}", at + 1);
    }
}

#[test]
fn a_stopped_handler_is_halted_and_never_live_when_it_goes_on() {
    let Some(mut world) = World::running("halt all over veth", Plan::default()) else { return };
    let region = world.region();
    let watch = Watch::all(&world);
    pause(Nanos::from_millis(200));

    // It runs: everything was Live the moment before.
    let (told, halted, answer) = halt(&world, "all", &[0]);
    assert_eq!(answer["live_before"], 160);
    assert_eq!(
        (&answer["written_by"], &answer["changed"]),
        (&"this process".into(), &"yes".into())
    );
    let (_, _, code, again) = tell(&world, &["halt", "all", "--reason", "once more"]);
    assert_eq!((code, &again["halt"]["changed"]), (0, &"no, it was halted".into()));
    pause(Nanos::from_millis(200));
    let (_, _, code, status) = tell(&world, &["status"]);
    assert_eq!((code, &status["handler"]["status"]), (1, &"Stale(Halted)".into()));
    assert_eq!(status["halts"][0]["halted"], "all");
    assert_eq!(status["halts"][0]["reason"], "test of all");
    let said = |what: &str, times: usize| {
        eventually(&format!("the handler says `{what}` {times} times"), || {
            let log = world.handler.as_ref().unwrap().log();
            (log.matches(what).count() == times).then_some(())
        });
    };
    said("halted target=all by=\"root\" reason=\"test of all\"", 1);
    let resumed = resume(&world, "all");
    world.until_live();
    said("resumed target=all", 1);

    // It hangs: the same words, and no code of its own.
    let handler = world.handler.as_ref().unwrap();
    handler.halt(Signal::STOP);
    // Its lease may hold for a moment still.
    let (hung_told, hung, _) = halt(&world, "all", &[0, 3]);
    pause(Nanos::from_millis(200));
    let (_, _, answer) = halt(&world, "all", &[3]);
    assert_eq!(answer["live_before"], 0);
    let cont = clock::now();
    handler.signal(Signal::CONT);
    eventually("it is seen as halted", || {
        (region.handler_status(clock::now()).reason() == Some(Reason::Halted)).then_some(())
    });
    pause(Nanos::from_millis(500));
    said("halted target=all", 2);
    let end = clock::now();
    let resumed_again = resume(&world, "all");
    world.until_live();
    said("resumed target=all", 2);
    // Counted behind the word in the log.
    eventually("both are counted", || {
        let lane = region.lanes(clock::now()).next().unwrap();
        let count = |label| lane.iter().find(|(name, _)| *name == label).unwrap().1;
        ((count("halts"), count("resumes")) == (2, 2)).then_some(())
    });
    let log = watch.stop();
    assert_never_live(&log, 0..4, halted, resumed - INTERRUPTED - Nanos::from_millis(100));
    assert_never_live(&log, 0..4, hung, end);
    for at in 0..4 {
        assert!(log.statuses(at, Mono::NEVER, told).contains("Live"));
        assert!(log.statuses(at, resumed, hung_told).contains("Live"));
        assert!(log.statuses(at, hung, cont).contains("WriterGone"), "worse than halted");
        assert!(log.statuses(at, cont, end).contains("Halted"));
        assert!(log.statuses(at, resumed_again, Mono(u64::MAX)).contains("Live"));
    }
    judge(&mut world, &log);
}

/// The handler vouches for itself for 10 s at a time.
fn with_long_lease(text: String) -> String {
    let region = text.lines().find(|line| line.starts_with("region = ")).unwrap();
    text.replace(region, &format!("{region}\nprocess_lease_ms = 10000"))
}

/// With the usual lease a lane that hangs is not Live for that alone. Here its lease and its partitions'
/// outlive the test by far: nothing but the halt can end Live.
#[test]
fn a_lane_that_hangs_with_its_lease_is_halted_by_the_word_alone() {
    let plan = Plan { silence: Nanos::from_secs(60), edit: with_long_lease, ..Plan::default() };
    let Some(world) = World::running("a halt within the lease over veth", plan) else { return };
    let region = world.region();
    let live = || {
        let handles = world.handles(&region);
        handles.iter().filter(|(handle, _)| region.read(*handle).live().is_some()).count()
    };
    world.handler.as_ref().unwrap().halt(Signal::STOP);
    let stopped = clock::now();
    pause(Nanos::from_millis(300));
    assert_eq!(live(), 160, "it hangs, and that alone ends nothing");
    let (told, returned, answer) = halt(&world, "all", &[0]);
    assert_eq!((&answer["live_before"], &answer["live_after"]), (&160.into(), &0.into()));
    assert_eq!((&answer["symbols"], &answer["changed"]), (&160.into(), &"yes".into()));
    assert!(told.since(stopped) < Nanos::from_secs(5), "well within the lease");
    assert!(region.unhalted_status_when(clock::now).is_live(), "as it still is behind the halt");
    println!("shown: with a lease of 10 s, halted {} behind SIGSTOP", returned.since(stopped));
    for (handle, symbol) in world.handles(&region) {
        assert_eq!(region.read(handle).reason(), Some(Reason::Halted), "{symbol}");
    }
    let (_, _, again) = halt(&world, "all", &[0]);
    assert_eq!(
        (&again["live_before"], &again["changed"]),
        (&0.into(), &"no, it was halted".into())
    );
}

#[test]
fn a_partition_and_a_symbol_are_halted_and_their_neighbours_are_not() {
    let Some(mut world) = World::running("halts in part over veth", Plan::default()) else {
        return;
    };
    let region = world.region();
    let stalls = Stalls::from_now(&region);
    let watch = Watch::all(&world);
    pause(Nanos::from_millis(200));
    let (told, halted, answer) = halt(&world, "XNAS/2", &[0]);
    // Unless the machine held the lane up just then.
    let calm = |answer: &Value, field: &str, live: u64| {
        if stalls.until_now(&region) == 0 {
            assert_eq!(answer[field], live, "{answer}");
        }
    };
    assert_eq!(answer["symbols"], 40);
    calm(&answer, "live_before", 40);
    let name = world.plan.symbols()[2][5];
    let (_, symbol_halted, answer) = halt(&world, name.as_str(), &[0]);
    assert_eq!(answer["target"], format!("XNAS:{name}"));
    assert_eq!(answer["symbols"], 1);
    calm(&answer, "live_before", 1);
    pause(Nanos::from_millis(300));
    let handle = region.find(&venue(), &name).unwrap();
    assert_eq!(region.read(handle).reason(), Some(Reason::Halted));
    let (why, code) = finished(candor(&world, &["why", name.as_str(), "-r", &path(&world)]));
    assert_eq!(code, 1, "{why}");
    assert!(why.contains("halted: the symbol for") && why.contains("test of"), "{why}");
    // A venue is all of its partitions, the halted one too; and what it is within ends with it alone.
    let (_, venue_halted, answer) = halt(&world, "XNAS", &[0]);
    assert_eq!(answer["covers"], "all 4 partitions of XNAS");
    calm(&answer, "live_before", 119);
    let (_, _, code, json) = tell(&world, &["resume", "XNAS/3", "--second", SECOND]);
    assert_eq!(code, 2, "{json}");
    assert!(
        json["checks"][0]["evidence"].as_str().unwrap().contains("by the halt of XNAS"),
        "{json}"
    );
    let venue_end = clock::now();
    let (_, _, code, json) = tell(&world, &["resume", "XNAS", "--second", SECOND]);
    let venue_resumed = clock::now();
    assert_eq!(code, 0, "{json}");
    calm(&json["resume"], "live_after", 119);
    assert_eq!(json["resume"]["still_halted"], format!("XNAS/2, XNAS:{name}"));
    pause(Nanos::from_millis(200));
    let resumed = clock::now();
    resume(&world, "XNAS/2");
    resume(&world, name.as_str());
    world.until_live();
    let stalls = stalls.until_now(&region);
    let log = watch.stop();
    for other in [0, 3] {
        log.assert_only(other, (Mono::NEVER, symbol_halted), &["Live"], stalls);
        log.assert_only(other, (venue_resumed, Mono(u64::MAX)), &["Live"], stalls);
    }
    log.assert_only(1, (Mono::NEVER, told), &["Live"], stalls);
    log.assert_only(1, (halted, resumed), &["Halted"], stalls);
    assert_never_live(&log, 1..2, halted, resumed);
    assert_never_live(&log, 0..4, venue_halted, venue_end);
    // Of partition 3 the one symbol alone.
    let spells = log.spells(2, symbol_halted, symbol_halted + Nanos::from_millis(200));
    let halted: Vec<_> =
        spells.iter().filter(|spell| spell.reason == Some(Reason::Halted)).collect();
    assert!(!halted.is_empty());
    assert!(halted.iter().all(|spell| spell.symbol == halted[0].symbol), "{halted:?}");
    judge(&mut world, &log);
}

fn path(world: &World) -> String {
    world.path("region").display().to_string()
}

/// `state` in the configuration: a folder of the world's.
pub fn with_state(text: String) -> String {
    let region = text.lines().find(|line| line.starts_with("region = ")).unwrap();
    let state = region.replace("region = ", "state = ").replace("/region\"", "/state\"");
    text.replace(region, &format!("{region}\n{state}"))
}

/// Halts a partition and a symbol of a handler that is killed, and follows them into the next two.
fn over_a_death(name: &str, state: bool) {
    let edit = if state { with_state } else { |text| text };
    let plan = Plan { edit, ..Plan::default() };
    let Some(mut world) = World::new(name, plan) else { return };
    if state {
        std::fs::create_dir(world.path("state")).unwrap();
    }
    world.start_handler();
    world.start_exchange();
    world.until_live();
    let symbol = world.plan.symbols()[0][3];
    halt(&world, "XNAS/4", &[0]);
    halt(&world, symbol.as_str(), &[0]);
    let record = if state { world.path("state/halted.toml") } else { world.path("region.halted") };
    assert!(std::fs::read_to_string(&record).unwrap().contains("XNAS/4"));
    if !state {
        // Words without a record are carried over all the same.
        std::fs::remove_file(&record).unwrap();
    } else {
        // And a record without a region.
        std::fs::remove_file(world.path("region")).unwrap();
    }
    for life in 0..2 {
        world.handler.as_ref().unwrap().halt(Signal::KILL);
        let next: Region = world.start_handler();
        assert!(next.halted(Halt::Partition(3)).is_some(), "before a symbol is named");
        assert_eq!(partition(&next, 3).status.reason(), Some(Reason::Halted));
        if life == 0 {
            // Killed again before anything has named the symbol: it is known all the same.
            continue;
        }
        world.tell("session NEXT");
        eventually("all the others are live", || {
            let live: usize = world
                .handles(&next)
                .into_iter()
                .filter(|(handle, _)| next.read(*handle).live().is_some())
                .count();
            (live == 119).then_some(())
        });
        let watch = Watch::all(&world);
        pause(Nanos::from_millis(300));
        let log = watch.stop();
        assert_never_live(&log, 3..4, Mono::NEVER, Mono(u64::MAX));
        let handle = next.find(&venue(), &symbol).unwrap();
        assert_eq!(next.read(handle).reason(), Some(Reason::Halted));
    }
    resume(&world, "XNAS/4");
    resume(&world, symbol.as_str());
    world.until_live();
    assert!(!record.exists(), "nothing is halted");
    // And nothing comes back.
    world.handler.as_ref().unwrap().halt(Signal::KILL);
    let last = world.start_handler();
    assert_eq!(last.halts(), []);
}

#[test]
fn a_halt_outlives_the_handler_by_its_record() {
    over_a_death("halts over SIGKILL, recorded, over veth", true);
}

#[test]
fn a_halt_outlives_the_handler_by_its_region() {
    over_a_death("halts over SIGKILL, carried over, over veth", false);
}
