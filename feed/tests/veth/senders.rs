//! Source-specific lines: who else sends to the group and port is nobody's sender, whatever it sends.

use candor_core::counters::{Counter, LaneCounter};
use candor_core::{Nanos, SessionId};

use crate::by_hand::{
    ByHand, OTHER, PARTITION, PORT, SESSION, counters, live, messages, plan, until_applied,
    with_lines,
};
use crate::world::{SENDER, World, eventually, lane, partition, pause};

const LINE: &str = "group = \"239.68.0.1\", port = 26600, source";

fn from_one(text: String) -> String {
    with_lines(&text, &format!("lines.A = {{ {LINE} = \"10.77.0.1\" }}\n"))
}

fn from_two(text: String) -> String {
    let (a, b) = ("\"10.77.0.1\"", "\"10.77.0.3\"");
    with_lines(&text, &format!("lines.A = {{ {LINE} = {a} }}\nlines.B = {{ {LINE} = {b} }}\n"))
}

/// Another host sends a session of its own to the line's group and port. Returns the world, with as
/// many of its packets sent as said.
fn only_its_sender_is_followed(test: &str, source: &'static str) -> Option<(World, u64)> {
    let mut world = World::new(test, plan(source, from_one))?;
    let region = world.start_handler();
    let sender = ByHand::new(&world);
    let all = messages(1, 450);
    sender.begin(&region, &all[..400]);
    let before = live(&region);

    let strange = messages(2, 300);
    sender.send_all(OTHER, *b"STRANGE   ", 1, &strange);
    pause(Nanos::from_millis(200));
    assert_eq!(counters(&region).get(Counter::SessionChanges), 0, "the stranger was followed");
    let (session, ..) = partition(&region, PARTITION).numbers.unwrap();
    assert_eq!(session, SessionId::from_text(SESSION));
    assert_eq!(live(&region), before, "every book stands as its own sender left it");

    sender.send_all(SENDER, SESSION, 401, &all[400..]);
    until_applied(&region, 450);
    assert_eq!(counters(&region).get(Counter::Packets), 450, "and nothing of the stranger's came");
    Some((world, strange.len() as u64))
}

#[test]
fn another_sender_on_the_lines_group_is_not_followed() {
    let test = "another sender over AF_XDP on veth";
    let Some((world, strange)) = only_its_sender_is_followed(test, "af_xdp") else { return };
    let region = world.region();
    eventually("the other sender's packets are counted", || {
        (lane(&region).get(LaneCounter::OtherSource) == strange).then_some(())
    });
    assert_eq!(region.unmapped().unwrap().total, 0, "the group and port are ours");
    let who = format!("md0: from 10.77.0.3 to 239.68.0.1:{PORT}");
    let log = || world.handler.as_ref().unwrap().log();
    for said in [&who[..], "alert=\"other-senders\""] {
        eventually("the log names the other sender", || log().contains(said).then_some(()));
    }
}

fn with_another_that_is_not_subscribed(text: String) -> String {
    let text = from_one(text);
    let lines = format!("lines.A = {{ {LINE} = \"10.77.0.3\" }}\n");
    format!(
        "{text}\n[[venue.partition]]\nname = \"left out\"\nlane = 0\nsubscribe = false\n\
         symbols_max = 64\norders_max = 4096\nlevels_max = 4096\n{lines}"
    )
}

/// It is left to the host like any other's, and counted; but it is somebody's `source`.
#[test]
fn the_sender_of_a_partition_that_is_not_subscribed_is_no_stranger() {
    let test = "an unsubscribed sender over AF_XDP on veth";
    let plan = plan("af_xdp", with_another_that_is_not_subscribed);
    let Some(mut world) = World::new(test, plan) else { return };
    let region = world.start_handler();
    let sender = ByHand::new(&world);
    let all = messages(1, 400);
    sender.begin(&region, &all);
    sender.send_all(OTHER, *b"NOT NOW   ", 1, &all[..100]);
    let counted = || lane(&region).get(LaneCounter::OtherSource);
    eventually("its packets are counted", || (counted() == 100).then_some(()));
    // Twice as long as the handler takes to look.
    pause(Nanos::from_millis(1_000));
    let log = || world.handler.as_ref().unwrap().log();
    assert!(!log().contains("no line's `source`"), "{}", log());
    // Nor does it hide who is one.
    sender.send_all([10, 77, 0, 4], *b"STRANGE   ", 1, &all[..7]);
    let said = eventually("the stranger is named", || {
        let log = log();
        let line = log.lines().find(|line| line.contains("no line's `source`"))?;
        Some(line.to_owned())
    });
    assert!(said.contains(&format!("md0: from 10.77.0.4 to 239.68.0.1:{PORT}")), "{said}");
    assert!(!said.contains("10.77.0.3"), "{said}");
    assert!(said.contains("packets=7"), "{said}");
}

#[test]
fn another_sender_on_the_lines_group_is_not_followed_over_ordinary_sockets() {
    only_its_sender_is_followed("another sender over udp on veth", "udp");
}

/// Two lines on one group and port, told apart by their senders.
fn lines_are_told_apart_by_their_senders(test: &str, source: &'static str) {
    let Some(mut world) = World::new(test, plan(source, from_two)) else { return };
    let region = world.start_handler();
    let sender = ByHand::new(&world);
    let all = messages(1, 300);
    sender.begin(&region, &all[..200]);
    // B goes on alone from within what A has sent.
    sender.send_all(OTHER, SESSION, 151, &all[150..]);
    until_applied(&region, 300);
    // A third host is neither.
    sender.send_all([10, 77, 0, 4], *b"STRANGE   ", 1, &messages(2, 50));
    pause(Nanos::from_millis(100));
    let counters = counters(&region);
    let of = |counter| counters.get(counter);
    assert_eq!((of(Counter::PacketsA), of(Counter::PacketsB)), (200, 150));
    assert_eq!((of(Counter::Packets), of(Counter::Duplicate)), (350, 50));
    assert_eq!(of(Counter::SessionChanges), 0);
}

#[test]
fn two_lines_on_one_group_are_told_apart_by_their_senders() {
    lines_are_told_apart_by_their_senders("lines by sender over AF_XDP on veth", "af_xdp");
}

#[test]
fn two_lines_on_one_group_are_told_apart_by_their_senders_over_ordinary_sockets() {
    lines_are_told_apart_by_their_senders("lines by sender over udp on veth", "udp");
}
