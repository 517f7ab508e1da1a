//! A lane makes no system call for a packet: counted by strace on the lane's own thread.

use std::fs;
use std::process::Command;

use candor_core::Nanos;
use candor_core::counters::{Counter, LaneCounter};
use candor_shm::clock;
use rustix::process::Signal;

use crate::disk::asked;
use crate::recovery;
use crate::world::{Plan, Process, World, eventually, lane, partition, pause};

const PACKETS: u64 = 60_000;

#[test]
fn a_spinning_lane_makes_no_system_call_for_a_packet() {
    // A message a packet, so that there are many of them.
    let plan = Plan { rate: 25_000, idle: "spin", flags: FLAGS, ..Plan::default() };
    count("system calls over veth", plan, &[], 20);
}

/// Nor for recovery, but to wake a thread that sleeps.
#[test]
fn a_spinning_lane_makes_no_system_call_for_recovery_but_to_wake_its_thread() {
    let plan = Plan { rate: 25_000, idle: "spin", flags: FLAGS, ..recovery::PLAN };
    let commands = ["loss A 3%", "loss B 3%"];
    let Some((calls, asked)) = count("system calls in recovery over veth", plan, &commands, 20)
    else {
        return;
    };
    for (name, count) in calls {
        match name.as_str() {
            // The bell that wakes the recovery thread.
            "write" => assert!(count <= asked, "{count} times rung for {asked} requests"),
            // The kernel's drop counters, and whether the interface is still there.
            "getsockopt" | "recvfrom" => {}
            _ => panic!("{count} times {name}"),
        }
    }
}

const FLAGS: &[&str] = &["--no-halts", "--packing", "A=256/1/0us", "--packing", "B=256/1/50us"];

/// What it waits for is memory: a disk that hangs keeps neither alerts nor commands waiting.
#[test]
fn the_handlers_own_thread_opens_no_file_that_may_be_on_a_disk() {
    let test = "files of the handler's own thread";
    if !has_strace(test) {
        return;
    }
    let Some(world) = World::running(test, Plan::default()) else { return };
    let handler = world.handler.as_ref().unwrap().pid();
    let seen = world.path("files.txt");
    let mut command = Command::new("strace");
    command.args(["-e", "trace=%file", "-s", "400", "-p", &handler.to_string(), "-o"]).arg(&seen);
    let Some(mut strace) = attach(test, &world, command) else { return };
    let region = world.path("region");
    let looked = format!("\"{}\"", region.display());
    let text = || fs::read_to_string(&seen).unwrap();
    for target in ["XNAS/2", "all"] {
        let (exit, answer) = asked(&world, &format!("halt {target}\ta test"));
        assert!(exit == 0 && answer.contains("halted\""), "{answer}");
        let (exit, answer) = asked(&world, &format!("resume {target}\tnobody"));
        assert_eq!(exit, 0, "{answer}");
    }
    // Each half second it looks whether its region is at its path.
    eventually("it has looked six times", || (text().matches(&looked).count() >= 6).then_some(()));
    strace.signal(Signal::INT);
    strace.ended();
    let folder = region.parent().unwrap().display().to_string();
    let text = text();
    for line in text.lines().filter(|line| line.contains(&folder)) {
        assert!(line.contains(&looked), "{line}");
    }
    assert!(!text.contains("/etc/"), "nor the host's list of users: {text}");
}

/// Counts the lane's system calls by name while packets come; there must be fewer than one for so many
/// packets. Answers them, with how many requests the partitions made.
fn count(
    test: &str,
    plan: Plan,
    commands: &[&str],
    packets_a_call: u64,
) -> Option<(Vec<(String, u64)>, u64)> {
    if !has_strace(test) {
        return None;
    }
    let world = World::running(test, plan)?;
    let region = world.region();
    let handler = world.handler.as_ref().unwrap().pid();
    let thread = thread_named(handler, "lane-0").expect("the lane's thread has its name");

    let summary = world.path("strace.txt");
    let mut command = Command::new("strace");
    command.args(["-c", "-p", &thread.to_string(), "-o"]).arg(&summary);
    let mut strace = attach(test, &world, command)?;
    commands.iter().for_each(|command| {
        world.tell(command);
    });
    let frames = || lane(&region).get(LaneCounter::Frames);
    let before = frames();
    eventually("the packets have come", || (frames() >= before + PACKETS).then_some(()));
    let packets = frames() - before;
    strace.signal(Signal::INT);
    strace.ended();
    world.tell("clear");
    world.until_live();
    let text = fs::read_to_string(&summary).unwrap();
    let calls = parse(&text);
    let total: u64 = calls.iter().map(|(_, count)| count).sum();
    println!("{text}");
    assert!(total > 0, "a lane reads the kernel's counters: strace saw nothing at all\n{text}");
    assert!(total * packets_a_call < packets, "{total} system calls for {packets} packets\n{text}");
    let asked = (0..4).map(|at| partition(&region, at).counters.get(Counter::RetransmitRequests));
    let asked: u64 = asked.sum();
    assert_eq!(asked > 0, !commands.is_empty());
    let list: Vec<String> = calls.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!(
        "shown: {total} system calls for {packets} packets and {asked} requests on a lane ({})",
        list.join(", ")
    );
    Some((calls, asked))
}

pub fn has_strace(test: &str) -> bool {
    let there = Command::new("strace").arg("-V").output().is_ok();
    if !there {
        println!("skipped: {test}: strace is not installed");
    }
    there
}

/// Starts strace; `None`, with a word, where it may not look.
pub fn attach(test: &str, world: &World, command: Command) -> Option<Process> {
    let mut strace = Process::spawn(command, &world.path("strace.log"));
    let attached = eventually("strace is attached or refused", || {
        let log = strace.log();
        let attached = log.contains("attached");
        (attached || !strace.is_running()).then_some(attached)
    });
    if !attached {
        println!("skipped: {test}: strace can't attach: {}", strace.log().trim());
    }
    attached.then_some(strace)
}

/// Counts the lane's system calls by name for about this long; says for how long at most. `None` where nobody
/// may look.
pub fn count_for(test: &str, world: &World, long: Nanos) -> Option<(Vec<(String, u64)>, Nanos)> {
    if !has_strace(test) {
        return None;
    }
    let handler = world.handler.as_ref().unwrap().pid();
    let thread = thread_named(handler, "lane-0").expect("the lane's thread has its name");
    let summary = world.path("strace.txt");
    let mut command = Command::new("strace");
    command.args(["-c", "-p", &thread.to_string(), "-o"]).arg(&summary);
    let began = clock::now();
    let mut strace = attach(test, world, command)?;
    pause(long);
    strace.signal(Signal::INT);
    strace.ended();
    Some((parse(&fs::read_to_string(&summary).unwrap()), clock::now().since(began)))
}

/// The thread of a process with this name.
pub fn thread_named(pid: u32, name: &str) -> Option<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let mut ids = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
    ids.find(|id| {
        let comm = fs::read_to_string(format!("/proc/{pid}/task/{id}/comm"));
        comm.is_ok_and(|comm| comm.trim() == name)
    })
}

/// Calls by name out of strace's summary: share, seconds, time a call, calls, errors if any, name.
fn parse(summary: &str) -> Vec<(String, u64)> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.first()?.parse::<f64>().ok()?;
        let (calls, name) = (words.get(3)?.parse().ok()?, (*words.last()?).to_owned());
        (name != "total").then_some((name, calls))
    };
    summary.lines().filter_map(row).collect()
}
