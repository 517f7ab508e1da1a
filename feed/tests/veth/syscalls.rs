//! A lane makes no system call for a packet: counted by strace on the lane's own thread.

use std::fs;
use std::process::Command;

use candor_core::counters::LaneCounter;
use rustix::process::Signal;

use crate::world::{Plan, Process, World, eventually, lane, partition};

const PACKETS: u64 = 60_000;

#[test]
fn a_spinning_lane_makes_no_system_call_for_a_packet() {
    let test = "system calls over veth";
    if Command::new("strace").arg("-V").output().is_err() {
        println!("skipped: {test}: strace is not installed");
        return;
    }
    // A message a packet, so that there are many of them.
    let flags = &["--no-halts", "--packing", "A=256/1/0us", "--packing", "B=256/1/50us"];
    let plan = Plan { rate: 25_000, idle: "spin", flags, ..Plan::default() };
    let Some(world) = World::running(test, plan) else { return };
    let region = world.region();
    let handler = world.handler.as_ref().unwrap().pid();
    let thread = thread_named(handler, "lane-0").expect("the lane's thread has its name");

    let summary = world.path("strace.txt");
    let mut command = Command::new("strace");
    command.args(["-c", "-p", &thread.to_string(), "-o"]).arg(&summary);
    let mut strace = Process::spawn(command, &world.path("strace.log"));
    let attached = eventually("strace is attached or refused", || {
        let log = strace.log();
        let attached = log.contains("attached");
        (attached || !strace.is_running()).then_some(attached)
    });
    if !attached {
        println!("skipped: {test}: strace can't attach: {}", strace.log().trim());
        return;
    }
    let frames = || lane(&region).get(LaneCounter::Frames);
    let before = frames();
    eventually("the packets have come", || (frames() >= before + PACKETS).then_some(()));
    let packets = frames() - before;
    strace.signal(Signal::INT);
    strace.ended();
    let text = fs::read_to_string(&summary).unwrap();
    let calls = parse(&text);
    let total: u64 = calls.iter().map(|(_, count)| count).sum();
    println!("{text}");
    assert!(total > 0, "a lane reads the kernel's counters: strace saw nothing at all\n{text}");
    assert!(total * 20 < packets, "{total} system calls for {packets} packets\n{text}");
    assert!((0..4).all(|at| partition(&region, at).status.is_live()));
    let list: Vec<String> = calls.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("shown: {total} system calls for {packets} packets on a lane ({})", list.join(", "));
}

/// The thread of a process with this name.
fn thread_named(pid: u32, name: &str) -> Option<u32> {
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
