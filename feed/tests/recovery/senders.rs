//! The venue fails over: the session that goes on is a new one, and comes from another host. Whom a line has for its
//! `source` decides whether it is followed.

use std::fs;

use candor_core::counters::{Counter, LaneCounter};
use candor_core::{Nanos, Reason};
use candor_shm::clock;

use crate::scene::{Handler, QUICK, Scene, Watch, eventually, judge, pause};

/// Where the primary sends from, and who goes on. Of a loopback interface every address is the host's.
const PRIMARY: &str = "127.0.0.1";
const OTHER: &str = "127.0.0.2";

/// Line A's group is heard from each of these senders, as a line of its own, and no other group at all.
fn of_senders(scene: &Scene, name: &str, senders: &[&str]) {
    let path = scene.path(&format!("{name}.toml"));
    let mut text = String::new();
    for line in fs::read_to_string(&path).unwrap().lines() {
        match line.split_once(" = { ") {
            Some(("lines.A", rest)) => {
                let rest = rest.split(", source").next().unwrap().trim_end_matches(" }");
                for (name, sender) in ["A", "B"].into_iter().zip(senders) {
                    text += &format!("lines.{name} = {{ {rest}, source = \"{sender}\" }}\n");
                }
            }
            Some(("lines.B", _)) => {}
            _ => text += &format!("{line}\n"),
        }
    }
    fs::write(path, text).unwrap();
}

/// The primary, which is to send MORNING, and another host, which is to go on with NOON, where the services are.
fn venue(name: &str) -> (Scene, Scene) {
    let mut primary = Scene::new(&format!("{name}-primary"), false);
    primary.sends_from(PRIMARY);
    let mut other = Scene::new(name, true);
    other.lines_of(&primary);
    other.sends_from(OTHER);
    (primary, other)
}

fn session(handler: &Handler, partition: u16) -> String {
    handler.partition(partition).numbers.unwrap().0.to_string()
}

fn is_followed(name: &str, senders: &[&str]) {
    let (mut primary, mut other) = venue(name);
    other.configure("mdh1", QUICK);
    if !senders.is_empty() {
        of_senders(&other, "mdh1", senders);
    }
    let handler = other.handler("mdh1");
    primary.open(&["--session", "MORNING"]);
    handler.until_live();
    let watch = Watch::start(&handler);
    pause(Nanos::from_millis(300));
    let before = primary.truth();
    other.open(&["--session", "NOON"]);
    for partition in 0..2 {
        eventually("the new session is followed", || {
            (handler.count(partition, Counter::SessionChanges) == 1).then_some(())
        });
    }
    handler.until_live();
    assert_eq!([0, 1].map(|partition| session(&handler, partition)), ["NOON"; 2]);
    let filled = handler.count(0, Counter::RetransmitFilled);
    other.tell("skip 1 20");
    eventually("its services answer", || {
        (handler.count(0, Counter::RetransmitFilled) >= filled + 20).then_some(())
    });
    handler.until_live();
    let region = other.path("mdh1").display().to_string();
    eventually("it is in the journal", || {
        let journal = other.candor(&["journal", "-r", &region]);
        journal.contains("session MORNING became NOON").then_some(())
    });
    let seen = watch.end();
    let reads = judge(&[&before, &other.truth()], &seen);
    println!(
        "shown: {name}: a new session of another sender is followed; {reads} reads, none wrong"
    );
}

#[test]
fn a_new_session_from_another_sender_is_followed_where_any_may_send_or_both_are_named() {
    is_followed("any-sender", &[]);
    is_followed("both-senders", &[PRIMARY, OTHER]);
}

/// To a line that names the primary the other host is nobody: the kernel keeps its packets from sockets and counts
/// none of them. What shows is silence, until the configuration names who sends.
#[test]
fn a_new_session_from_a_sender_that_no_line_names_is_silence_until_one_does() {
    let (mut primary, mut other) = venue("one-sender");
    other.configure("mdh1", QUICK);
    of_senders(&other, "mdh1", &[PRIMARY]);
    other.configure("anybody", QUICK);
    let [handler, anybody] = ["mdh1", "anybody"].map(|name| other.handler(name));
    primary.open(&["--session", "MORNING"]);
    handler.until_live();
    anybody.until_live();
    let watch = Watch::start(&handler);
    pause(Nanos::from_millis(300));
    let before = primary.truth();
    other.open(&["--session", "NOON"]);
    anybody.until_live();
    eventually("who hears anybody follows it", || (session(&anybody, 0) == "NOON").then_some(()));
    for partition in 0..2 {
        handler.until_reason(partition, &[Reason::Silent]);
    }
    let packets = [0, 1].map(|partition| handler.count(partition, Counter::Packets));
    let heard = anybody.count(0, Counter::Packets);
    eventually("the other host goes on", || {
        (anybody.count(0, Counter::Packets) > heard + 500).then_some(())
    });
    for (partition, packets) in (0..2).zip(packets) {
        assert_eq!(handler.reason(partition), Some(Reason::Silent));
        assert_eq!(handler.count(partition, Counter::Packets), packets, "nothing of it comes");
        assert_eq!(handler.count(partition, Counter::SessionChanges), 0);
        assert_eq!(
            (session(&handler, partition).as_str(), handler.live(partition)),
            ("MORNING", 0)
        );
    }
    let mut lanes = handler.region.lanes(clock::now());
    assert!(lanes.all(|lane| lane.get(LaneCounter::OtherSource) == 0), "nor is it counted");
    let said = handler.log();
    assert!(said.contains("Stale(Silent)") && !said.contains("NOON"), "{said}");
    let seen = watch.end();
    let reads = judge(&[&before], &seen);
    assert_eq!(handler.process.end(), Some(0));

    of_senders(&other, "mdh1", &[OTHER]);
    let handler = other.handler("mdh1");
    handler.until_live();
    assert_eq!([0, 1].map(|partition| session(&handler, partition)), ["NOON"; 2]);
    let watch = Watch::start(&handler);
    pause(Nanos::from_millis(300));
    let named = watch.judge(&mut other);
    println!("shown: refused as silence, and followed once named; {reads} and {named} reads");
}
