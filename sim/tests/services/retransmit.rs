//! MoldUDP64 re-requests.

use candor_sim::services::{ServiceKind, ServicesConfig};

use crate::world::{World, messages};

#[test]
fn a_lost_range_is_had_again_a_datagram_at_a_time() {
    let mut world = World::new(10_000);
    world.pass(200);
    let (mut first, end) = (101, 301);
    let mut answers = 0;
    while first < end {
        let answer = world.ask(first, (end - first) as u16);
        assert_eq!(answer.len(), 1);
        assert!(answer[0].len() <= ServicesConfig::default().max_payload);
        let got = messages(&answer[0]);
        assert_eq!(*got.first_key_value().unwrap().0, first);
        for (seq, bytes) in &got {
            assert_eq!(world.history().get(candor_core::SeqNo(*seq)).unwrap(), bytes);
        }
        first += got.len() as u64;
        answers += 1;
    }
    assert_eq!(first, end);
    assert!(answers > 3);
    // The datagrams are full: not one more message had room.
    let counts = world.exchange.services()[0].counts(ServiceKind::Retransmit);
    assert_eq!((counts.requests, counts.answered, counts.messages), (answers, answers, 200));
}

#[test]
fn what_was_never_sent_or_is_of_another_session_is_met_with_silence() {
    let mut world = World::new(10_000);
    world.pass(200);
    let next = world.next();
    assert!(world.ask(next, 10).is_empty());
    assert!(world.ask_in(*b"DAY0      ", 1, 10).is_empty());
    assert!(world.ask(u64::MAX - 3, 3).is_empty());
    world.exchange.on_datagram(candor_core::Mono(world.now), 0, crate::world::CLIENT, b"hello");
    // What is asked for beyond the newest is cut off.
    assert_eq!(messages(&world.ask(next - 2, 500)[0]).len(), 2);
    let counts = world.exchange.services()[0].counts(ServiceKind::Retransmit);
    assert_eq!((counts.requests, counts.answered, counts.ignored), (5, 1, 4));
}

#[test]
fn what_is_forgotten_or_lost_for_good_is_met_with_silence() {
    let mut world = World::with(10_000, 100, ServicesConfig::default());
    world.pass(200);
    let next = world.next();
    assert_eq!((world.history().held() as u64, world.history().forgotten()), (100, next - 101));
    assert!(world.ask(next - 101, 5).is_empty());
    assert_eq!(messages(&world.ask(next - 100, 5)[0]).len(), 5);
    world.say("lose 1 2");
    world.pass(5);
    assert!(world.ask(next, 2).is_empty());
    assert!(world.ask(next + 1, 1).is_empty());
    // An answer stops before what nobody has.
    assert_eq!(messages(&world.ask(next - 1, 9)[0]).len(), 1);
    assert_eq!(messages(&world.ask(next + 2, 1)[0]).len(), 1);
    let missing = world.exchange.publishers()[0].counts(candor_core::Line::A).unwrap();
    assert_eq!(missing.withheld[candor_sim::publisher::Cause::Skipped as usize].messages, 2);
}

#[test]
fn another_session_has_a_history_of_its_own() {
    let mut world = World::new(10_000);
    world.pass(200);
    let old = world.ask(1, 3);
    world.say("session DAY2 1");
    assert!(world.ask(1, 3).is_empty());
    world.pass(10);
    assert!(world.ask(1, 3).is_empty());
    let new = world.ask_in(*b"DAY2      ", 1, 3);
    assert_eq!(messages(&new[0]).len(), 3);
    assert_ne!(old, new);
}
