//! Every packet that was sent is accounted for, to the last one.

use candor_core::counters::{Counter, LaneCounter};
use candor_core::{Line, Mono, Nanos, Reject};
use candor_shm::{PartitionCounters, PartitionInfo, Region, clock};
use candor_sim::truth::Truth;
use serde_json::Value;

use crate::watch::{Stalls, Watch, judge};
use crate::world::{Plan, World, eventually, lane, partition, pause};

/// What the exchange counted on one line of a partition.
struct Sent {
    packets: u64,
    messages: u64,
    bytes: u64,
}

fn sent(status: &Value, partition: usize, line: Line) -> Sent {
    let line = &status["partitions"][partition]["lines"][line.to_string()];
    let count = |tally: &str, of: &str| line[tally][of].as_u64().unwrap();
    let both = |of: &str| count("sent", of) + count("duplicates", of);
    let bytes = line["bytes"].as_u64().unwrap();
    Sent { packets: both("packets") + both("heartbeats"), messages: both("messages"), bytes }
}

/// Waits until as many packets have come as were sent, with the exchange paused. A packet that is
/// lost would leave the handler behind for good.
pub fn settled(world: &World, region: &Region) -> Value {
    let mut last = String::new();
    let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        eventually("everything sent has come", || {
            let status = world.status();
            let same = (0..world.plan.partitions).all(|at| {
                let here = partition(region, at).counters;
                let of = |counter| here.get(counter);
                let (a, b) = (sent(&status, at, Line::A), sent(&status, at, Line::B));
                let lines = (of(Counter::PacketsA), of(Counter::PacketsB));
                let same = lines == (a.packets, b.packets);
                if !same {
                    last = format!("{}: {lines:?} of {} and {}", at + 1, a.packets, b.packets);
                }
                same
            });
            (same && status == world.status()).then_some(status)
        })
    }));
    status.unwrap_or_else(|_| panic!("packets are missing on partition {last}; {:?}", lane(region)))
}

/// Asserts the two sums that always hold: nothing that came is without a counter.
pub fn assert_sums(partition: usize, counters: &PartitionCounters) {
    let of = |counter| counters.get(counter);
    // Of the others it is a message in an accepted packet that is refused.
    let of_packets = |reject: &&Reject| !matches!(reject, Reject::ShortMessage | Reject::BadField);
    let rejects = Reject::ALL.iter().filter(of_packets);
    let refused: u64 = rejects.map(|reject| counters.rejects(*reject)).sum();
    let packets = of(Counter::Packets);
    assert_eq!(packets, of(Counter::PacketsAccepted) + refused, "partition {}", partition + 1);
    let discards: u64 = Counter::DISCARDS.iter().map(|discard| of(*discard)).sum();
    let known = of(Counter::Applied) + of(Counter::Duplicate) + discards + of(Counter::Held);
    assert_eq!(of(Counter::Messages), known, "partition {}: {counters:?}", partition + 1);
}

/// Asserts that what the handler counted is what the exchange did, packet by packet.
pub fn assert_accounts(world: &World, region: &Region, status: &Value) {
    let mut packets = 0;
    for at in 0..world.plan.partitions {
        let PartitionInfo { counters, .. } = partition(region, at);
        let of = |counter| counters.get(counter);
        let (a, b) = (sent(status, at, Line::A), sent(status, at, Line::B));
        assert_eq!(of(Counter::PacketsA), a.packets, "partition {} line A", at + 1);
        assert_eq!(of(Counter::PacketsB), b.packets, "partition {} line B", at + 1);
        assert_eq!(of(Counter::PacketsAccepted), a.packets + b.packets);
        assert_eq!(of(Counter::Packets), a.packets + b.packets);
        assert_eq!(of(Counter::Bytes), a.bytes + b.bytes);
        assert_eq!(of(Counter::Messages), a.messages + b.messages);
        assert_sums(at, &counters);
        packets += a.packets + b.packets;
    }
    let lane = lane(region);
    assert_eq!(lane.get(LaneCounter::Frames), packets);
    assert_eq!(status["wire"]["packets_sent"].as_u64(), Some(packets));
    assert_eq!(status["wire"]["packets_refused"].as_u64(), Some(0));
    for lost in [
        LaneCounter::RxRingFull,
        LaneCounter::FillRingEmpty,
        LaneCounter::RxDropped,
        LaneCounter::RxInvalid,
        LaneCounter::Misdirected,
    ] {
        assert_eq!(lane.get(lost), 0, "{}", lost.label());
    }
}

/// How many numbers a line of a partition withheld.
fn withheld(truth: &Truth, partition: usize, line: Line) -> u64 {
    let of_line = |missing: &&candor_sim::truth::Missing| {
        (usize::from(missing.partition), missing.line) == (partition, line)
    };
    truth.missing().iter().filter(of_line).map(|missing| missing.withheld.range.len()).sum()
}

#[test]
fn every_packet_is_counted_and_loss_on_one_line_makes_nothing_stale() {
    // The grace has room for the exchange to be interrupted between the two lines.
    let grace = Nanos::from_millis(30);
    let (heartbeat, silence) = (Nanos::from_secs(1), Nanos::from_secs(3));
    let plan = Plan { rate: 20_000, grace, heartbeat, silence, ..Plan::default() };
    let Some(mut world) = World::running("accounting over veth", plan) else { return };
    let region = world.region();
    let stalls = Stalls::from_now(&region);
    let watch = Watch::all(&world);
    let begun = clock::now();
    pause(Nanos::from_millis(500));
    world.tell("loss A 5%");
    world.tell("dup B 3%");
    pause(Nanos::from_millis(1_500));
    world.tell("clear");
    pause(Nanos::from_millis(200));
    world.tell("pause");
    let status = settled(&world, &region);
    assert_accounts(&world, &region, &status);

    let stalls = stalls.until_now(&region);
    let log = watch.stop();
    for at in 0..world.plan.partitions {
        log.assert_only(at, (begun, Mono(u64::MAX)), &["Live"], stalls);
        let of = |counter| partition(&region, at).counters.get(counter);
        let next = status["partitions"][at]["next"].as_u64().unwrap();
        assert_eq!((of(Counter::Applied), of(Counter::Held)), (next - 1, 0));
        assert_eq!(of(Counter::GapsOutlived) + of(Counter::GapsLost), 0);
    }
    let truth = judge(&mut world, &log);
    let mut lost = 0;
    for at in 0..world.plan.partitions {
        let counters = partition(&region, at).counters;
        let on_a = withheld(&truth, at, Line::A);
        assert_eq!(counters.get(Counter::LostOnA), on_a, "partition {}", at + 1);
        assert_eq!(counters.get(Counter::LostOnB), 0);
        assert!(on_a > 100, "{on_a}");
        lost += on_a;
    }
    let packets = &status["wire"]["packets_sent"];
    println!(
        "shown: {packets} packets sent over veth, every one counted; {lost} messages lost on line \
         A alone, each counted, none made anything stale"
    );
}
