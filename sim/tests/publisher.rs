//! The publisher against its own account and against what a receiver can see.

use std::collections::{BTreeMap, BTreeSet};

use candor_core::{Content, Line, Mono, Nanos, SeqNo};
use candor_decoders::Format;
use candor_decoders::iex::tp;
use candor_sim::publisher::{
    Cause, Faults, Framing, Outgoing, PublishError, Publisher, PublisherConfig, WireClock,
};
use proptest::prelude::*;

const MS: u64 = 1_000_000;
const MOLD: Framing = Framing::MoldUdp64(*b"TEST000001");
const IEX: Framing = Framing::IexTp(tp::Stream { protocol: tp::DEEP_1_0, channel: 1, session: 77 });

fn format(framing: Framing) -> Format {
    match framing {
        Framing::MoldUdp64(_) => Format::NasdaqItch50,
        Framing::IexTp(_) => Format::IexDeep,
    }
}

/// What one line's receiver saw: each number's bytes, times it came, heartbeats, ends.
#[derive(Default)]
struct Heard {
    messages: BTreeMap<u64, Vec<u8>>,
    copies: u64,
    packets: u64,
    heartbeats: Vec<u64>,
    ends: Vec<u64>,
    starts: BTreeSet<u64>,
}

struct Bench {
    publisher: Publisher,
    format: Format,
    heard: [Heard; 2],
    last_due: Mono,
}

impl Bench {
    fn new(framing: Framing, seed: u64) -> Bench {
        let publisher = Publisher::new(&PublisherConfig::new(framing, seed), Mono(MS));
        Bench { publisher, format: format(framing), heard: Default::default(), last_due: Mono(0) }
    }

    /// Lets everything happen that is due before or at `now`, deadline by deadline.
    fn run_to(&mut self, now: Mono) {
        while let Some(due) = self.publisher.next_due().filter(|due| *due <= now) {
            let due = due.max(self.last_due);
            self.publisher.on_deadline(due);
            self.pop(due);
            self.last_due = due;
        }
        self.last_due = now;
    }

    fn pop(&mut self, now: Mono) {
        while let Some(packet) = self.publisher.pop(now) {
            assert!(packet.due <= now);
            self.hear(&packet);
            self.publisher.recycle(packet.payload);
        }
    }

    fn hear(&mut self, outgoing: &Outgoing) {
        let packet = self.format.frame(&outgoing.payload).unwrap();
        assert_eq!(packet.range, outgoing.range);
        let heard = &mut self.heard[outgoing.line.index()];
        match packet.content {
            Content::Heartbeat => heard.heartbeats.push(packet.range.first.0),
            Content::End => heard.ends.push(packet.range.first.0),
            Content::Data => {
                heard.packets += 1;
                heard.starts.insert(packet.range.first.0);
                for (seq, bytes) in (packet.range.first.0..).zip(packet.messages) {
                    heard.copies += 1;
                    let known = heard.messages.entry(seq).or_insert_with(|| bytes.to_vec());
                    assert_eq!(known, bytes);
                }
            }
        }
    }

    fn push_at(&mut self, now: Mono, message: &[u8]) -> u64 {
        self.run_to(Mono(now.0 - 1));
        self.publisher.push(now, message).unwrap().0
    }
}

fn message(n: u64) -> Vec<u8> {
    let len = 12 + (n * 7 % 30) as usize;
    n.to_be_bytes().into_iter().cycle().take(len).collect()
}

#[derive(Clone, Debug)]
enum Act {
    Push(u64),
    Pass(u64),
    Faults(usize, Faults),
    Dead(usize, bool),
    Skip(u64),
    Kill,
    Revive,
}

fn faults() -> impl Strategy<Value = Faults> {
    let chance = prop_oneof![Just(0u32), 0..400_000u32];
    (chance.clone(), 0..50_000u32, 1..6u32, chance.clone(), 0..3_000u64, chance).prop_map(
        |(loss_ppm, burst_ppm, burst_packets, duplicate_ppm, delay, reorder_ppm)| Faults {
            loss_ppm,
            burst_ppm,
            burst_packets,
            duplicate_ppm,
            delay: Nanos::from_micros(delay),
            reorder_ppm,
            reorder_by: Nanos::from_millis(2),
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => (1..60u64).prop_map(Act::Push),
        6 => (0..4_000u64).prop_map(Act::Pass),
        1 => (0..2usize, faults()).prop_map(|(line, faults)| Act::Faults(line, faults)),
        1 => (0..2usize, any::<bool>()).prop_map(|(line, dead)| Act::Dead(line, dead)),
        1 => (1..9u64).prop_map(Act::Skip),
        1 => Just(Act::Kill),
        2 => Just(Act::Revive),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Of every line and number exactly one holds: a receiver saw it with the right bytes, or it
    /// is in the log of what was withheld. The counts are those of the log and of the receiver.
    #[test]
    fn every_number_is_heard_or_accounted_for(
        seed in 0..1_000u64,
        iex in any::<bool>(),
        acts in prop::collection::vec(act(), 1..60),
    ) {
        let mut bench = Bench::new(if iex { IEX } else { MOLD }, seed);
        let mut now = 2 * MS;
        let mut sent = Vec::new();
        for act in acts {
            match act {
                Act::Push(count) if bench.publisher.is_alive() => for _ in 0..count {
                    let bytes = message(sent.len() as u64);
                    sent.push(bytes.clone());
                    prop_assert_eq!(bench.push_at(Mono(now), &bytes), sent.len() as u64);
                },
                Act::Push(_) => {}
                Act::Pass(micros) => now += micros * 1_000,
                Act::Faults(line, faults) => {
                    let line = Line::from_index(line).unwrap();
                    *bench.publisher.faults_mut(line).unwrap() = faults;
                }
                Act::Dead(line, dead) => {
                    let line = Line::from_index(line).unwrap();
                    bench.publisher.set_dead(Mono(now), line, dead).unwrap();
                }
                Act::Skip(count) => bench.publisher.skip(count),
                Act::Kill => bench.publisher.kill(Mono(now)),
                Act::Revive => bench.publisher.revive(Mono(now)),
            }
            bench.run_to(Mono(now));
        }
        bench.publisher.revive(Mono(now));
        bench.publisher.cut_all(Mono(now));
        bench.pop(Mono(u64::MAX));
        for line in [Line::A, Line::B] {
            let counts = *bench.publisher.counts(line).unwrap();
            let mut by_cause = [0; Cause::ALL.len()];
            let mut missing = BTreeSet::new();
            for withheld in bench.publisher.take_withheld(line) {
                by_cause[withheld.cause as usize] += withheld.range.len();
                for seq in withheld.range.first.0..withheld.range.end.0 {
                    prop_assert!(missing.insert(seq), "{} twice in the log", seq);
                }
            }
            let heard = &bench.heard[line.index()];
            for (seq, bytes) in (1u64..).zip(&sent) {
                match heard.messages.get(&seq) {
                    Some(found) => {
                        prop_assert_eq!(found, bytes);
                        prop_assert!(!missing.contains(&seq));
                    }
                    None => prop_assert!(missing.contains(&seq), "{} on {}", seq, line),
                }
            }
            for cause in Cause::ALL {
                let counted = counts.withheld[cause as usize].messages;
                prop_assert_eq!(counted, by_cause[cause as usize], "{}", cause.label());
            }
            let total = counts.sent.messages + by_cause.iter().sum::<u64>();
            prop_assert_eq!(counts.cut.messages, sent.len() as u64);
            prop_assert_eq!(total, sent.len() as u64);
            prop_assert_eq!(heard.copies, counts.sent.messages + counts.duplicates.messages);
            prop_assert_eq!(heard.packets, counts.sent.packets + counts.duplicates.packets);
            prop_assert_eq!(counts.unlogged, 0);
        }
    }
}

#[test]
fn lines_cut_at_different_boundaries() {
    let mut bench = Bench::new(MOLD, 1);
    for n in 0..2_000 {
        bench.push_at(Mono(10 * MS + n * 3_000), &message(n));
    }
    bench.run_to(Mono(100 * MS));
    let [a, b] = &bench.heard;
    assert_eq!((a.messages.len(), b.messages.len()), (2_000, 2_000));
    assert_eq!(a.messages, b.messages);
    // A says everything at once, B collects for 50 µs.
    assert_eq!(a.packets, 2_000);
    assert!(b.packets < 200, "{}", b.packets);
    // A burst is cut by size and count, differently on each.
    for n in 0..500 {
        bench.push_at(Mono(200 * MS), &message(n));
    }
    bench.run_to(Mono(300 * MS));
    let burst = |line: usize| bench.heard[line].starts.range(2_001..).copied().collect::<Vec<_>>();
    assert!(burst(0).len() < burst(1).len());
    assert!(burst(1).iter().any(|start| !burst(0).contains(start)));
}

#[test]
fn idle_lines_say_which_number_is_next_once_a_second() {
    let mut bench = Bench::new(MOLD, 1);
    bench.run_to(Mono(3 * 1_000 * MS + 500 * MS));
    bench.push_at(Mono(3_600 * MS), &message(1));
    bench.run_to(Mono(4_700 * MS));
    for heard in &bench.heard {
        assert_eq!(heard.heartbeats, [1, 1, 1, 2]);
    }
    // What was lost last shows in the next heartbeat alone.
    bench.publisher.skip(3);
    for n in 0..3 {
        bench.push_at(Mono(4_800 * MS), &message(n));
    }
    bench.run_to(Mono(6_000 * MS));
    assert_eq!(bench.heard[0].heartbeats.last(), Some(&5));
    assert_eq!(bench.heard[0].messages.len(), 1);
}

#[test]
fn the_end_is_said_ten_times_more_and_nothing_follows() {
    let mut bench = Bench::new(MOLD, 1);
    bench.push_at(Mono(2 * MS), &message(1));
    bench.publisher.end(Mono(3 * MS));
    assert_eq!(bench.publisher.push(Mono(4 * MS), &message(2)), Err(PublishError::Ended));
    bench.run_to(Mono(60_000 * MS));
    assert_eq!(bench.heard[0].ends, [2; 11]);
    assert_eq!(bench.heard[1].ends, [2; 11]);
    assert!(bench.heard[0].heartbeats.is_empty());
    assert_eq!(bench.publisher.next_due(), None);
    // Another session begins at 1.
    bench.publisher.new_session(Mono(61_000 * MS), Framing::MoldUdp64(*b"TEST000002"));
    assert_eq!(bench.publisher.push(Mono(61_000 * MS), &message(7)), Ok(SeqNo(1)));
    bench.publisher.on_deadline(Mono(61_000 * MS));
    let packet = bench.publisher.pop(Mono(61_000 * MS)).unwrap();
    assert_eq!(&packet.payload[..10], b"TEST000002");
}

#[test]
fn a_killed_partition_is_silent_and_goes_on_where_it_stopped() {
    let mut bench = Bench::new(MOLD, 1);
    bench.push_at(Mono(2 * MS), &message(1));
    bench.publisher.kill(Mono(2 * MS));
    assert_eq!(bench.publisher.push(Mono(3 * MS), &message(2)), Err(PublishError::Dead));
    bench.run_to(Mono(20_000 * MS));
    assert_eq!(bench.heard[0].messages.len(), 1, "what was pushed before left");
    assert_eq!(bench.heard[1].messages.len(), 1);
    assert!(bench.heard[0].heartbeats.is_empty());
    bench.publisher.revive(Mono(20_000 * MS));
    bench.run_to(Mono(20_000 * MS));
    assert_eq!(bench.heard[1].heartbeats, [2]);
    assert_eq!(bench.push_at(Mono(20_001 * MS), &message(2)), 2);
}

#[test]
fn one_message_differs_on_line_b_alone_and_can_still_be_read() {
    let mut bench = Bench::new(MOLD, 1);
    for n in 0..10 {
        if n == 4 {
            bench.publisher.differ();
        }
        bench.push_at(Mono(2 * MS), &message(n));
    }
    bench.run_to(Mono(10 * MS));
    let [a, b] = &bench.heard;
    let differing: Vec<u64> =
        a.messages.keys().copied().filter(|seq| a.messages[seq] != b.messages[seq]).collect();
    assert_eq!(differing, [5]);
    assert_eq!(a.messages[&5].len(), b.messages[&5].len());
}

#[test]
fn a_delayed_line_says_the_same_later_and_reordering_overtakes() {
    let mut bench = Bench::new(MOLD, 3);
    bench.publisher.faults_mut(Line::B).unwrap().delay = Nanos::from_millis(500);
    let reordered = bench.publisher.faults_mut(Line::A).unwrap();
    (reordered.reorder_ppm, reordered.reorder_by) = (200_000, Nanos::from_millis(5));
    let mut order = Vec::new();
    for n in 0..100 {
        let now = Mono(10 * MS + n * MS);
        bench.publisher.push(now, &message(n)).unwrap();
        bench.publisher.on_deadline(now);
        while let Some(packet) = bench.publisher.pop(now) {
            assert_eq!(packet.line, Line::A, "B comes half a second later");
            order.push(packet.range.first.0);
        }
    }
    assert!(!order.is_sorted());
    bench.run_to(Mono(1_000 * MS));
    assert_eq!(bench.heard[1].messages.len(), 100);
    let overtaken = bench.publisher.counts(Line::A).unwrap().overtaken.messages;
    assert!((5..50).contains(&overtaken), "{overtaken}");
}

#[test]
fn iex_segments_continue_their_stream_offset_and_time_however_they_are_cut() {
    let clock = WireClock { mono: Mono(MS), wire: candor_core::WireTime(1_000_000_000_000) };
    let config = PublisherConfig { clock, ..PublisherConfig::new(IEX, 1) };
    let mut publisher = Publisher::new(&config, Mono(MS));
    for n in 0..1_000 {
        publisher.push(Mono(2 * MS), &message(n)).unwrap();
    }
    publisher.cut_all(Mono(3 * MS));
    let mut offsets = [0i64; 2];
    while let Some(packet) = publisher.pop(Mono(3 * MS)) {
        let (header, blocks) = tp::segment(&packet.payload).unwrap();
        let offset = &mut offsets[packet.line.index()];
        assert_eq!(header.stream_offset.get(), *offset);
        *offset += blocks.len() as i64;
        assert!((1_000_001_000_000..=1_000_002_000_000).contains(&header.send_time.get()));
    }
    assert_eq!(offsets[0], offsets[1]);
    assert!(offsets[0] > 1_000 * 14);
}

#[test]
fn messages_no_packet_can_hold_are_refused_and_nothing_happened() {
    let mut publisher = Publisher::new(&PublisherConfig::new(MOLD, 1), Mono(MS));
    let long = vec![1; 1_100];
    assert_eq!(publisher.push(Mono(MS), &long), Err(PublishError::TooLong(1_100)));
    assert_eq!(publisher.push(Mono(MS), &[]), Ok(SeqNo(1)));
}

#[test]
fn the_same_seed_loses_the_same_packets() {
    let run = |seed: u64| -> Vec<(u64, Vec<u8>)> {
        let mut bench = Bench::new(MOLD, seed);
        let faults = Faults { loss_ppm: 100_000, duplicate_ppm: 50_000, ..Faults::default() };
        *bench.publisher.faults_mut(Line::A).unwrap() = faults;
        for n in 0..500 {
            bench.push_at(Mono(10 * MS + n * 20_000), &message(n));
        }
        bench.run_to(Mono(100 * MS));
        let [a, _] = bench.heard;
        a.messages.into_iter().collect()
    };
    assert_eq!(run(4), run(4));
    assert_ne!(run(4), run(5));
}
