//! What every source must do.

use candor::clock::Clock;
use candor::source::SourceCounts;
use candor_core::{Line, Mono, Nanos};

use crate::scene::{Rig, Scene, drain, take};

/// Makes a source of a scene, with everything sent.
pub type Make<'a> = &'a dyn Fn(&Scene) -> Rig;

/// Runs the whole suite.
pub fn run(make: Make<'_>, interface: &str) {
    every_datagram_comes_once_with_its_line(make, interface);
    nothing_comes_that_is_not_ours(make, interface);
    payloads_of_every_length_come_whole(make, interface);
    a_poll_takes_a_batch_at_most(make, interface);
    waiting_ends_when_something_is_there(make, interface);
    arrivals_carry_their_time(make, interface);
}

fn mixed(interface: &str) -> Scene {
    let mut scene = Scene::new(interface);
    for n in 0..40u8 {
        let (group, port) = match n % 3 {
            0 => ([239, 77, 1, 1], 26401),
            1 => ([239, 77, 1, 2], 26401),
            _ => ([239, 77, 1, 1], 26402),
        };
        scene.send(group, port, &[n; 21]);
    }
    scene
}

fn every_datagram_comes_once_with_its_line(make: Make<'_>, interface: &str) {
    let scene = mixed(interface);
    let mut rig = make(&scene);
    let got = take(&mut *rig.source, scene.sent.len());
    for (partition, line, _) in &scene.lines {
        let of_line: Vec<Vec<u8>> = got
            .iter()
            .filter(|got| (got.partition, got.line) == (*partition, *line))
            .map(|got| got.payload.clone())
            .collect();
        assert_eq!(of_line, scene.expected(*partition, *line), "{partition} {line}");
    }
    assert_eq!(got.len(), scene.sent.len());
    assert_eq!(drain(&mut *rig.source), []);
    assert_eq!(rig.source.counts(), SourceCounts::default());
    assert!(!rig.source.mode().is_empty());
}

fn nothing_comes_that_is_not_ours(make: Make<'_>, interface: &str) {
    let mut scene = Scene::new(interface);
    scene.send([239, 77, 1, 1], 26401, b"ours");
    scene.send([239, 77, 1, 3], 26401, b"another group");
    scene.send([239, 77, 1, 1], 26403, b"another port");
    scene.send([239, 77, 1, 2], 26402, b"a group of ours, a port of ours, not together");
    scene.send([239, 77, 1, 2], 26401, b"ours too");
    let mut rig = make(&scene);
    let got = take(&mut *rig.source, 2);
    let mut payloads: Vec<Vec<u8>> = got.into_iter().map(|got| got.payload).collect();
    payloads.sort();
    assert_eq!(payloads, [b"ours".to_vec(), b"ours too".to_vec()]);
    assert_eq!(drain(&mut *rig.source), []);
    assert_eq!(rig.source.counts().dropped(), 0);
}

fn payloads_of_every_length_come_whole(make: Make<'_>, interface: &str) {
    let mut scene = Scene::new(interface);
    for len in [0, 1, 2, 17, 18, 19, 20, 512, 1471, 1472] {
        let payload: Vec<u8> = (0..len).map(|n: u32| n as u8).collect();
        scene.send([239, 77, 1, 1], 26401, &payload);
    }
    let mut rig = make(&scene);
    let got = take(&mut *rig.source, scene.sent.len());
    let payloads: Vec<Vec<u8>> = got.into_iter().map(|got| got.payload).collect();
    assert_eq!(payloads, scene.expected(0, Line::A));
}

fn a_poll_takes_a_batch_at_most(make: Make<'_>, interface: &str) {
    let mut scene = mixed(interface);
    scene.batch = 4;
    let mut rig = make(&scene);
    let mut total = 0;
    let mut clock = Clock::new();
    let until = clock.now() + Nanos::from_secs(1);
    while total < scene.sent.len() && clock.now() < until {
        let mut delivered = 0;
        let polled = rig.source.poll(&mut |_| delivered += 1).unwrap();
        assert!(polled.frames <= 4, "{polled:?}");
        assert_eq!(polled.frames as usize, delivered);
        total += delivered;
    }
    assert_eq!(total, scene.sent.len());
}

fn waiting_ends_when_something_is_there(make: Make<'_>, interface: &str) {
    let scene = mixed(interface);
    let mut rig = make(&scene);
    let mut clock = Clock::new();
    let begun = clock.now();
    rig.source.wait(Nanos::from_secs(20)).unwrap();
    assert!(clock.now().since(begun) < Nanos::from_secs(10));
    assert_eq!(take(&mut *rig.source, scene.sent.len()).len(), scene.sent.len());
    // And when the time is over: a lane has deadlines of its own.
    rig.source.wait(Nanos::from_millis(5)).unwrap();
    assert!(clock.now().since(begun) < Nanos::from_secs(15));
}

fn arrivals_carry_their_time(make: Make<'_>, interface: &str) {
    let scene = mixed(interface);
    let mut clock = Clock::new();
    let before = clock.now();
    let mut rig = make(&scene);
    let got = take(&mut *rig.source, scene.sent.len());
    let after = clock.now();
    assert_eq!(got.len(), scene.sent.len());
    for (partition, line, _) in &scene.lines {
        let mut last = Mono::NEVER;
        for got in got.iter().filter(|got| (got.partition, got.line) == (*partition, *line)) {
            assert!(got.at >= last, "a line's arrivals are in order");
            last = got.at;
        }
    }
    for got in got {
        assert_ne!(got.at, Mono::NEVER);
        if rig.host_clock {
            assert!(got.at >= before, "{:?} before {before:?}", got.at);
            assert!(got.at <= after, "{:?} after {after:?}", got.at);
        }
    }
    drop(rig.keep);
}
