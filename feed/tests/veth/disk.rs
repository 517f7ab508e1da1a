//! A disk that hangs under a handler: strace holds up one of its threads in whatever it does to files.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;

use candor_core::Nanos;
use candor_core::alert::Code;
use candor_shm::{Halt, clock};
use rustix::process::Signal;
use serde_json::Value;

use crate::alerts::lines;
use crate::halt::with_state;
use crate::syscalls::{attach, has_strace, thread_named};
use crate::world::{Plan, Process, World, eventually, pause};

/// Asks the handler by its control socket; the exit code that it answers, and the answer.
pub fn asked(world: &World, request: &str) -> (u64, String) {
    let mut stream = UnixStream::connect(world.path("region.control")).unwrap();
    stream.write_all(format!("candor/1 {request}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let json: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer:?}"));
    (json["exit"].as_u64().unwrap(), answer)
}

/// A world with a `state` folder, everything live.
fn world(test: &str) -> Option<World> {
    if !has_strace(test) {
        return None;
    }
    let plan = Plan { edit: with_state, ..Plan::default() };
    let mut world = World::new(test, plan)?;
    fs::create_dir(world.path("state")).unwrap();
    world.start_handler();
    world.start_exchange();
    world.until_live();
    Some(world)
}

/// Each of these calls of a thread takes ten minutes from here on, until the disk answers again.
fn hang(test: &str, world: &World, thread: &str, calls: &str) -> Option<Process> {
    let handler = world.handler.as_ref().unwrap().pid();
    let thread = thread_named(handler, thread).expect("the thread has its name");
    let mut command = Command::new("strace");
    let calls = format!("inject={calls}:delay_enter=600000000");
    command.args(["-e", &calls, "-p", &thread.to_string(), "-o"]).arg(world.path("hangs.txt"));
    attach(test, world, command)
}

fn answers(mut disk: Process) {
    disk.signal(Signal::INT);
    disk.ended();
}

#[test]
fn sessions_that_come_and_go_while_the_disk_hangs_are_noted_and_somebody_is_told() {
    let test = "sessions over a disk that hangs, over veth";
    let Some(world) = world(test) else { return };
    let handler = &world.path("handler.toml");
    let name = candor::config::load(handler).unwrap().handler.name;
    let file = world.path(&format!("state/{name}.sessions.toml"));
    let text = || fs::read_to_string(&file).unwrap_or_default();
    let noted = |session: &str| text().contains(&format!("# {session}"));
    eventually("what is followed is written down", || {
        (text().matches("[[session]]").count() == world.plan.partitions).then_some(())
    });
    let Some(disk) = hang(test, &world, "records", "fsync") else { return };
    world.tell("session FIRST 2");
    world.until_live();
    // It hangs in the write of that one.
    pause(Nanos::from_millis(600));
    let told = world.tell("session SECOND 3");
    world.until_live();
    pause(Nanos::from_millis(600));
    world.tell("session THIRD 3");
    world.until_live();
    let alert = eventually("somebody is told", || lines(&world, Code::SessionsUnwritten).pop());
    assert_eq!(alert["event"], "begin", "{alert}");
    assert!(alert["text"].as_str().unwrap().contains("its disk does not answer"), "{alert}");
    assert!(!noted("FIRST") && !noted("THIRD"), "{}", text());
    pause(Nanos::from_secs(2));
    let late = clock::now();
    answers(disk);
    eventually("all of it is written", || {
        ["FIRST", "SECOND", "THIRD"].into_iter().all(noted).then_some(())
    });
    eventually("and that is over", || {
        (lines(&world, Code::SessionsUnwritten).len() == 2).then_some(())
    });
    let second = text().split("# SECOND").nth(1).unwrap().to_owned();
    let since = second.split("since = \"").nth(1).unwrap().split('"').next().unwrap();
    let age = candor::clock::wall() - candor::clock::parse(since).unwrap();
    let told = clock::now().since(told);
    assert!(
        age > clock::now().since(late).0 && age <= told.0 + 1_000_000,
        "{since}: {age}, {told}"
    );
}

#[test]
fn a_halt_by_the_control_socket_holds_at_once_while_the_disk_hangs_and_no_resume_comes_late() {
    let test = "halts over a disk that hangs, over veth";
    let Some(world) = world(test) else { return };
    let region = world.region();
    let halted = |number| region.halted(Halt::Partition(number)).is_some();
    let record = || fs::read_to_string(world.path("state/halted.toml")).unwrap_or_default();
    let (exit, answer) = asked(&world, "halt XNAS/1\tbefore");
    assert!(exit == 0 && answer.contains("\"recorded\""), "{answer}");
    let Some(disk) = hang(test, &world, "operators", "%file,fsync") else { return };
    let timed = |request: &'static str| {
        let (began, answer) = (clock::now(), asked(&world, request));
        (clock::now().since(began), answer)
    };
    std::thread::scope(|scope| {
        let began = clock::now();
        let halt = scope.spawn(|| timed("halt XNAS/2\twhile it hangs"));
        let resume = scope.spawn(|| timed("resume XNAS/1\tnobody"));
        eventually("it is halted", || halted(1).then_some(()));
        let took = clock::now().since(began);
        assert!(took < Nanos::from_secs(1), "{took}");
        // Nor does anybody else wait for it.
        let (took, (exit, answer)) = timed("unsubscribe XNAS 3");
        assert!(exit == 0 && took < Nanos::from_secs(1), "{took}: {answer}");
        let (took, (exit, answer)) = halt.join().unwrap();
        assert!(exit == 0 && answer.contains("\"unrecorded\""), "{answer}");
        assert!(answer.contains("it is recorded when it does"), "{answer}");
        let within = Nanos::from_secs(3)..Nanos::from_secs(5);
        assert!(within.contains(&took), "a client waits for five: {took}");
        let (took, (exit, answer)) = resume.join().unwrap();
        assert!(exit == 2 && answer.contains("XNAS/1 stays halted"), "{answer}");
        assert!(within.contains(&took), "{took}");
    });
    assert!(halted(0) && halted(1) && !record().contains("while it hangs"));
    // However many wait, one more is halted at once.
    std::thread::scope(|scope| {
        let many: Vec<_> =
            (0..8).map(|_| scope.spawn(|| timed("halt XNAS/3\tone of many"))).collect();
        eventually("that is halted", || halted(2).then_some(()));
        pause(Nanos::from_millis(700));
        let last = scope.spawn(|| timed("halt XNAS/4\tthe last"));
        let began = clock::now();
        eventually("and the last", || halted(3).then_some(()));
        let took = clock::now().since(began);
        assert!(took < Nanos::from_secs(1), "{took}");
        for one in many.into_iter().chain([last]) {
            let (_, (exit, answer)) = one.join().unwrap();
            assert!(exit == 0 && answer.contains("\"unrecorded\""), "{answer}");
        }
    });
    answers(disk);
    eventually("it is recorded", || record().contains("while it hangs").then_some(()));
    // What was behind it has had its turn long since.
    pause(Nanos::from_secs(1));
    assert!(halted(0) && halted(1) && record().contains("before"), "{}", record());
    for target in ["XNAS/1", "XNAS/2", "XNAS/3", "XNAS/4"] {
        let request = format!("resume {target}\tnobody");
        let (exit, answer) = asked(&world, &request);
        assert_eq!(exit, 0, "{answer}");
    }
    assert_eq!((region.halts(), record()), (Vec::new(), String::new()));
    let log = fs::read_to_string(world.path("state/halted.toml.log")).unwrap();
    assert_eq!(log.lines().count(), 4, "{log}");
}
