//! Each fault as it shows on the wire.

use candor_decoders::nasdaq::soupbintcp::Rejection;
use candor_sim::services::ServiceKind;

use crate::world::{Books, FORMAT, World, messages};

const LATE: u64 = 250_000_000;

/// A world in which a fault was commanded, with the snapshot of client 1 as it would be without.
fn with(command: &str) -> World {
    let mut world = World::new(10_000);
    world.pass(300);
    world.log_in(1);
    world.say("pause");
    world.pass(20);
    world.log_in(2);
    world.pass(1);
    world.say(command);
    world
}

fn refused(world: &World, kind: ServiceKind) -> u64 {
    world.exchange.services()[0].counts(kind).refused
}

#[test]
fn refuse() {
    let mut world = with("service refuse");
    assert!(world.ask(10, 5).is_empty());
    world.log_in(3);
    world.pass(1);
    let stream = &world.streams[&3];
    assert_eq!(stream.snapshot().rejected, Some(Rejection::NotAuthorised));
    assert!(stream.closed.is_some() && stream.snapshot().messages.is_empty());
    assert_eq!(refused(&world, ServiceKind::Retransmit), 1);
    assert_eq!(refused(&world, ServiceKind::Snapshot), 1);
}

#[test]
fn throttle() {
    let mut world = with("service throttle 2");
    let answered: Vec<usize> = (0..5).map(|nth| world.ask(10 + nth, 1).len()).collect();
    assert_eq!(answered, [1, 1, 0, 0, 0]);
    (3..7).for_each(|name| world.log_in(name));
    world.pass(1);
    let served: Vec<bool> =
        (3..7).map(|name| world.streams[&name].snapshot().next.is_some()).collect();
    assert_eq!(served, [true, true, false, false]);
    assert!(world.streams[&5].closed.is_some() && world.streams[&5].bytes.is_empty());
    assert_eq!(refused(&world, ServiceKind::Retransmit), 3);
    world.pass(1_000);
    assert_eq!(world.ask(10, 1).len(), 1);
}

#[test]
fn hang() {
    let mut world = with("service hang");
    assert!(world.ask(10, 5).is_empty());
    world.log_in(3);
    world.pass(10_000);
    let whole = world.streams[&2].snapshot();
    let hung = world.streams[&3].snapshot();
    assert!(hung.accepted);
    assert_eq!((hung.next, hung.heartbeats, world.streams[&3].closed), (None, 0, None));
    assert_eq!(hung.messages, whole.messages[..whole.messages.len() / 2]);
    assert!(world.streams[&2].snapshot().heartbeats > 5);
}

#[test]
fn partial() {
    let mut world = with("service partial");
    assert_eq!(
        messages(&world.ask(10, 9)[0]).into_keys().collect::<Vec<_>>(),
        [10, 11, 12, 13, 14]
    );
    assert_eq!(messages(&world.ask(10, 1)[0]).len(), 1);
    world.log_in(3);
    world.pass(1);
    let (whole, half) = (world.streams[&2].snapshot(), world.streams[&3].snapshot());
    assert_eq!(half.messages, whole.messages[..whole.messages.len() / 2]);
    assert_eq!((half.next, half.rest), (None, 0));
    assert!(world.streams[&3].closed.is_some());
}

#[test]
fn late() {
    let mut world = with("service late 250ms");
    let asked = world.now;
    assert!(world.ask(10, 5).is_empty());
    world.log_in(3);
    world.pass(400);
    assert_eq!(world.datagrams.len(), 1);
    assert_eq!(world.datagrams[0].0, asked + LATE);
    assert_eq!(messages(&world.datagrams[0].2).len(), 5);
    assert_eq!(world.streams[&3].first_at, Some(asked + LATE));
    assert!(world.streams[&3].snapshot().next.is_some());
}

#[test]
fn wrong_range() {
    let mut world = with("service wrong-range");
    assert_eq!(messages(&world.ask(10, 3)[0]).into_keys().collect::<Vec<_>>(), [13, 14, 15]);
    // Behind the newest there is nothing to be wrong with.
    let next = world.next();
    let before: Vec<u64> = messages(&world.ask(next - 2, 2)[0]).into_keys().collect();
    assert_eq!(before, [next - 4, next - 3]);
    world.log_in(3);
    world.pass(1);
    assert_eq!(world.streams[&3].bytes, world.streams[&2].bytes);
}

#[test]
fn twice() {
    let mut world = with("service twice");
    let answer = world.ask(10, 3);
    assert_eq!(answer.len(), 2);
    assert_eq!(answer[0], answer[1]);
    world.log_in(3);
    world.pass(1);
    assert_eq!(world.streams[&3].bytes, world.streams[&2].bytes);
}

#[test]
fn old_snapshot() {
    let mut world = with("service old-snapshot 500");
    world.log_in(3);
    world.pass(1);
    let old = world.streams[&3].snapshot();
    let next = old.next.unwrap();
    assert_eq!(next, world.next() - 500);
    // It is true as of its number.
    let mut books = Books::snapshot(&old.messages, next);
    assert!(!books.agree(world.market()));
    for seq in next..world.next() {
        books.apply(seq, world.history().get(candor_core::SeqNo(seq)).unwrap());
    }
    assert!(books.agree(world.market()));
    assert_eq!(world.ask(10, 3).len(), 1);
}

#[test]
fn broken_snapshot() {
    let mut world = with("service broken-snapshot");
    world.log_in(3);
    world.pass(1);
    let (whole, broken) = (world.streams[&2].snapshot(), world.streams[&3].snapshot());
    assert_eq!((broken.messages.len(), broken.next), (whole.messages.len(), whole.next));
    let differing: Vec<usize> = (0..whole.messages.len())
        .filter(|at| whole.messages[*at] != broken.messages[*at])
        .collect();
    assert_eq!(differing, [whole.messages.len() / 2]);
    assert!(FORMAT.decode(&broken.messages[differing[0]]).is_err());
}

#[test]
fn lost_part() {
    let mut world = with("service lost-part");
    world.log_in(3);
    world.pass(1);
    let (whole, cut) = (world.streams[&2].snapshot(), world.streams[&3].snapshot());
    assert_eq!(cut.messages, whole.messages[..whole.messages.len() / 2]);
    assert!(cut.rest > 0 && cut.next.is_none());
    assert!(world.streams[&3].closed.is_some());
}

#[test]
fn lost_packet() {
    let mut world = with("service lost-packet");
    world.log_in(3);
    world.pass(1);
    let (whole, less) = (world.streams[&2].snapshot(), world.streams[&3].snapshot());
    let mut expected = whole.messages.clone();
    expected.remove(whole.messages.len() / 2);
    assert_eq!((less.messages, less.next), (expected, whole.next));
    let sent = world.exchange.services()[0].counts(ServiceKind::Snapshot).messages;
    assert_eq!(sent, 3 * whole.messages.len() as u64 - 1);
}

#[test]
fn off_and_only_where_commanded() {
    let mut world = with("service 1 retransmit refuse");
    world.log_in(3);
    world.pass(1);
    assert!(world.streams[&3].snapshot().next.is_some());
    assert!(world.ask(10, 1).is_empty());
    for text in ["service snapshot hang", "service late 1s", "service throttle 0", "service off"] {
        world.say(text);
    }
    assert_eq!(world.ask(10, 1).len(), 1);
    world.log_in(4);
    world.pass(1);
    assert_eq!(world.streams[&4].bytes, world.streams[&2].bytes);
    let status = world.exchange.status();
    let counts = &status["partitions"][0]["services"]["retransmit"];
    assert_eq!((&counts["requests"], &counts["refused"]), (&2.into(), &1.into()));
    assert_eq!(counts["faults"]["refuse"], false);
}

/// The session before in the image, and nobody's numbers again, until the services have come along.
#[test]
fn late_session() {
    let mut world = with("service late-session");
    let (before, next) = (world.streams[&2].snapshot(), world.next());
    world.say("session DAY2");
    world.pass(1);
    assert!(world.ask(10, 1).is_empty());
    assert!(world.ask_in(*b"DAY2      ", 1, 1).is_empty());
    world.log_in(3);
    world.pass(1);
    let late = world.streams[&3].snapshot();
    // The same but for the times that it was made at.
    assert_eq!((late.messages.len(), late.next), (before.messages.len(), Some(next)));

    world.say("service off");
    world.say("resume");
    world.pass(20);
    assert!(world.ask(10, 1).is_empty());
    assert_eq!(world.ask_in(*b"DAY2      ", 1, 1).len(), 1);
    world.log_in(4);
    world.pass(1);
    assert!(world.streams[&4].snapshot().next < Some(next));
}

/// An answer that is not as it would be is counted as one, by the service whose fault it is.
#[test]
fn what_a_fault_spoils_is_counted() {
    for (fault, retransmit, snapshot) in [
        ("off", 0, 0),
        ("refuse", 0, 0),
        ("throttle 5", 0, 0),
        ("partial", 1, 1),
        ("late 1ms", 1, 1),
        // A datagram is not answered then.
        ("hang", 0, 1),
        ("wrong-range", 1, 0),
        ("twice", 1, 0),
        ("old-snapshot 5", 0, 1),
        ("broken-snapshot", 0, 1),
        ("lost-part", 0, 1),
        ("lost-packet", 0, 1),
    ] {
        let mut world = with(&format!("service {fault}"));
        world.ask(10, 3);
        world.log_in(3);
        world.pass(1);
        let spoiled =
            ServiceKind::ALL.map(|kind| world.exchange.services()[0].counts(kind).spoiled);
        assert_eq!(spoiled, [retransmit, snapshot], "{fault}");
    }
}

#[test]
fn every_request_is_answered_refused_or_ignored() {
    let mut world = with("service throttle 3");
    for nth in 0..20 {
        world.ask(nth * 300, 10);
        world.ask_in(*b"OTHER     ", 1, 1);
    }
    (3..12).for_each(|name| world.log_in(name));
    world.pass(10);
    for kind in ServiceKind::ALL {
        let counts = world.exchange.services()[0].counts(kind);
        assert_eq!(counts.requests, counts.answered + counts.refused + counts.ignored);
        assert!(counts.answered > 0 && counts.refused > 0);
    }
}
