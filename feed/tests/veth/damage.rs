//! Datagrams damaged on the way: a card marks and delivers them, and only a checksum tells.

use candor_core::alert::Code;
use candor_core::counters::{Counter, LaneCounter};
use candor_core::{Nanos, Reason, Reject};
use candor_shm::Region;

use crate::accounting::assert_sums;
use crate::by_hand::{
    ByHand, IP_AT, PARTITION, PAYLOAD_AT, SESSION, UDP_AT, counters, frame, live, messages, packet,
    packet_of, plan, until_applied, with_lines,
};
use crate::world::{Plan, SENDER, World, eventually, lane, partition, pause, stalls};

/// A frame's message: behind MoldUDP64's header and the message's length.
const MESSAGE_AT: usize = PAYLOAD_AT + 22;
/// An add order's price, in its message.
const PRICE_AT: usize = 32;

fn one_line(text: String) -> String {
    with_lines(&text, "lines.A = { group = \"239.68.0.1\", port = 26600 }\n")
}

fn trusting(text: String) -> String {
    one_line(text.replace("kind = \"af_xdp\"", "kind = \"af_xdp\"\nchecksums = \"trust\""))
}

/// What a handler of this plan makes of damage, and of what is sound. Returns the region, and how
/// many messages there were before the damage.
struct Scene {
    _world: World,
    region: Region,
    sender: ByHand,
    all: Vec<Vec<u8>>,
    /// The number of an order that comes next.
    next: usize,
}

impl Scene {
    fn new(test: &str, plan: Plan) -> Option<Scene> {
        let mut world = World::new(test, plan)?;
        let region = world.start_handler();
        let sender = ByHand::new(&world);
        let all = messages(1, 500);
        let next = (400..500).find(|at| all[*at][0] == b'A').unwrap();
        sender.begin(&region, &all[..next]);
        Some(Scene { _world: world, region, sender, all, next })
    }

    /// The frame of a message.
    fn frame(&self, at: usize) -> Vec<u8> {
        frame(SENDER, &packet(SESSION, at as u64 + 1, &self.all[at]))
    }

    /// The next order, by another price than its checksum knows.
    fn with_another_price(&self) -> Vec<u8> {
        let mut frame = self.frame(self.next);
        assert_eq!(frame[MESSAGE_AT], b'A');
        frame[MESSAGE_AT + PRICE_AT + 2] ^= 1;
        frame
    }

    /// The next order, by an IP header that contradicts its checksum: another number of hops. No field
    /// that steers is touched.
    fn with_another_header(&self) -> Vec<u8> {
        let mut frame = self.frame(self.next);
        frame[IP_AT + 8] ^= 0x20;
        frame
    }
}

/// The longest datagram, with its header, whose checksum the kernel adds up before it looks for a
/// socket (`CHECKSUM_BREAK` of its net/ipv4/udp.c). A longer one's is added up when it is read, and what is wrong
/// then counts as one that the socket dropped.
const CHECKED_AT_ONCE: usize = 76;

impl Scene {
    /// Two messages that come next, in one packet and damaged.
    fn long_and_damaged(&self, at: usize) -> Vec<u8> {
        let both = [&self.all[at][..], &self.all[at + 1]];
        let mut frame = frame(SENDER, &packet_of(SESSION, at as u64 + 1, &both));
        assert!(frame.len() - UDP_AT > CHECKED_AT_ONCE);
        *frame.last_mut().unwrap() ^= 1;
        frame
    }

    fn late(&self) -> u64 {
        counters(&self.region).get(Counter::Late)
    }
}

/// Neither damaged frame is applied, and the sound ones that follow are.
fn damage_is_not_applied(test: &str, source: &'static str) -> Option<Scene> {
    let scene = Scene::new(test, plan(source, one_line))?;
    let Scene { region, sender, next, .. } = &scene;
    let before = live(region);
    sender.send(&scene.with_another_price());
    sender.send(&scene.with_another_header());
    pause(Nanos::from_millis(200));
    assert_eq!(counters(region).get(Counter::Applied), *next as u64, "damage was applied");
    assert_eq!(live(region), before, "every book is live as it was");

    sender.send(&scene.frame(*next));
    until_applied(region, next + 1);
    // No checksum is no contradiction: RFC 768 allows it.
    let mut without = scene.frame(next + 1);
    without[UDP_AT + 6..UDP_AT + 8].fill(0);
    sender.send(&without);
    until_applied(region, next + 2);
    // Of an odd length, and of an even one.
    for at in next + 2..490 {
        sender.send(&scene.frame(at));
    }
    until_applied(region, 490);
    Some(scene)
}

#[test]
fn a_damaged_datagram_is_refused_and_counted() {
    let test = "damage over AF_XDP on veth";
    let Some(scene) = damage_is_not_applied(test, "af_xdp") else { return };
    let (region, sender) = (&scene.region, &scene.sender);
    let before = (live(region), scene.late(), stalls(region));
    sender.send(&scene.long_and_damaged(490));
    let refused = (1, 2);
    eventually("all three are counted", || {
        let counters = counters(region);
        let by = |reject| counters.rejects(reject);
        (refused == (by(Reject::BadIpChecksum), by(Reject::BadUdpChecksum))).then_some(())
    });
    // Like a packet that the wire lost: nothing is known of it, until the next shows that it is missing.
    pause(Nanos::from_millis(100));
    let after = (live(region), scene.late(), stalls(region));
    // A lane that stood still is late for that.
    if after.2 == before.2 {
        assert_eq!(after, before);
    }
    sender.send(&scene.frame(492));
    until_stale(region, Reason::Gap);
    sender.send(&frame(SENDER, &packet(SESSION, 491, &scene.all[490])));
    sender.send(&frame(SENDER, &packet(SESSION, 492, &scene.all[491])));
    until_applied(region, 493);
    eventually("what filled the gap makes it live", || (!live(region).is_empty()).then_some(()));

    let counters = counters(region);
    assert_eq!(counters.get(Counter::Packets), 496);
    assert_eq!(counters.get(Counter::UdpUnverified), 1);
    assert_sums(PARTITION, &counters);
    let log = || scene._world.handler.as_ref().unwrap().log();
    let damaged = "alert=\"damaged-packets\"";
    for said in ["they contradict their checksums", "taken unverified", damaged] {
        eventually("the log says so", || log().contains(said).then_some(()));
    }
    // Of the one partition that it is of, once.
    assert_eq!(log().matches("alert=\"unverified-packets\"").count(), 1, "{}", log());
}

fn until_stale(region: &Region, reason: Reason) {
    eventually("nothing is live, for that reason", || {
        let is_it = partition(region, PARTITION).status.reason() == Some(reason);
        (is_it && live(region).is_empty()).then_some(())
    });
}

#[test]
fn a_damaged_datagram_is_refused_over_ordinary_sockets() {
    let Some(scene) = damage_is_not_applied("damage over udp on veth", "udp") else { return };
    let (region, sender, late) = (&scene.region, &scene.sender, scene.late());
    let stalls = stalls(region);
    assert!(late <= stalls, "short ones are refused before the kernel looks for a socket");
    // A long one is refused when it is read: the kernel counts it as it counts what found no room.
    sender.send(&scene.long_and_damaged(490));
    until_stale(region, Reason::Late);
    assert!(scene.late() > late);
    eventually("it is counted with what found no room", || {
        (lane(region).get(LaneCounter::RxRingFull) == 1).then_some(())
    });
    // Sent again and sound, it is applied, and is fresh.
    for at in [490, 491] {
        sender.send(&scene.frame(at));
    }
    until_applied(region, 492);
    eventually("it is live again", || (!live(region).is_empty()).then_some(()));
    assert_eq!(counters(region).get(Counter::UdpUnverified), 0, "no lane saw that there was none");
}

#[test]
fn checksums_that_are_trusted_are_not_looked_at() {
    let test = "trusted checksums over AF_XDP on veth";
    let Some(scene) = Scene::new(test, plan("af_xdp", trusting)) else { return };
    let Scene { region, sender, next, .. } = &scene;
    sender.send(&scene.with_another_price());
    until_applied(region, next + 1);
    assert_eq!(counters(region).rejects(Reject::BadUdpChecksum), 0);
    let log = scene._world.handler.as_ref().unwrap().log();
    assert!(log.contains("checksums = \"trust\""), "{log}");
    // What packet memory it got, which it may have asked for better.
    assert!(log.contains(" KiB on ordinary pages") || log.contains(" KiB on huge pages"), "{log}");
}

#[test]
fn a_checksum_that_was_never_completed_is_refused() {
    let test = "partial checksums over AF_XDP on veth";
    let Some(scene) = Scene::new(test, plan("af_xdp", one_line)) else { return };
    let Scene { region, sender, next, .. } = &scene;
    // What the kernel leaves to the card: the pseudo-header's sum alone.
    let mut frame = scene.frame(*next);
    let length = u32::from(u16::from_be_bytes([frame[UDP_AT + 4], frame[UDP_AT + 5]]));
    let addresses = frame[IP_AT + 12..IP_AT + 20].chunks_exact(2);
    let words = addresses.map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum = words.sum::<u32>() + 17 + length;
    let partial = ((sum & 0xffff) + (sum >> 16)) as u16;
    frame[UDP_AT + 6..UDP_AT + 8].copy_from_slice(&partial.to_be_bytes());
    sender.send(&frame);
    eventually("it is refused", || {
        (counters(region).rejects(Reject::BadUdpChecksum) == 1).then_some(())
    });
    assert_eq!(counters(region).get(Counter::Applied), *next as u64);
}

/// Sound by its checksums and in its place, and shorter than any message of its kind: nobody can say what its number
/// was for.
#[test]
fn a_message_in_sequence_that_nobody_can_read_leaves_nothing_of_its_partition_live() {
    let test = "an unreadable message over AF_XDP on veth";
    let Some(scene) = Scene::new(test, plan("af_xdp", one_line)) else { return };
    let Scene { region, sender, all, next, .. } = &scene;
    // Whoever alerts has to have seen it Live, and looks ten times a second.
    pause(Nanos::from_millis(300));
    let mut short = all[*next].clone();
    short.truncate(20);
    sender.send(&frame(SENDER, &packet(SESSION, *next as u64 + 1, &short)));
    let status = eventually("the partition says so", || {
        let status = partition(region, PARTITION).status;
        (!status.is_live()).then_some(status)
    });
    assert_eq!(status.reason(), Some(Reason::Quarantined));
    assert_eq!(live(region), []);
    // What follows doesn't tell either.
    for at in next + 1..next + 20 {
        sender.send(&scene.frame(at));
    }
    until_applied(region, next + 20);
    assert_eq!(partition(region, PARTITION).status.reason(), Some(Reason::Quarantined));
    assert_eq!(live(region), []);
    eventually("somebody is told", || {
        let alerts = region.alerts()?;
        alerts.entries.iter().any(|it| it.code == Code::PartitionQuarantined).then_some(())
    });
}
