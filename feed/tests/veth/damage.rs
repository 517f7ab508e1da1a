//! Datagrams damaged on the way: a card marks and delivers them, and only a checksum tells.

use candor_core::counters::Counter;
use candor_core::{Nanos, Reject};
use candor_shm::Region;

use crate::accounting::assert_sums;
use crate::by_hand::{
    ByHand, IP_AT, PARTITION, PAYLOAD_AT, SESSION, UDP_AT, counters, frame, live, messages, packet,
    plan, until_applied, with_lines,
};
use crate::world::{Plan, SENDER, World, eventually, pause};

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
    for at in next + 2..500 {
        sender.send(&scene.frame(at));
    }
    until_applied(region, 500);
    Some(scene)
}

#[test]
fn a_damaged_datagram_is_refused_and_counted() {
    let test = "damage over AF_XDP on veth";
    let Some(scene) = damage_is_not_applied(test, "af_xdp") else { return };
    let region = &scene.region;
    eventually("both are counted", || {
        let counters = counters(region);
        let by = |reject| counters.rejects(reject);
        let both = (by(Reject::BadIpChecksum), by(Reject::BadUdpChecksum));
        (both == (1, 1)).then_some(())
    });
    assert_eq!(counters(region).get(Counter::Packets), 502);
    assert_sums(PARTITION, &counters(region));
    let said = || scene._world.handler.as_ref().unwrap().log();
    eventually("the log says so", || said().contains("checksum").then_some(()));
}

#[test]
fn a_damaged_datagram_is_refused_over_ordinary_sockets() {
    damage_is_not_applied("damage over udp on veth", "udp");
}

#[test]
fn checksums_that_are_trusted_are_not_looked_at() {
    let test = "trusted checksums over AF_XDP on veth";
    let Some(scene) = Scene::new(test, plan("af_xdp", trusting)) else { return };
    let Scene { region, sender, next, .. } = &scene;
    sender.send(&scene.with_another_price());
    until_applied(region, next + 1);
    assert_eq!(counters(region).rejects(Reject::BadUdpChecksum), 0);
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
