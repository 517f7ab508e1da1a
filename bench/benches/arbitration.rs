//! Arbitration: packets of several lines to each message once and in order. Figures are for one
//! message of the stream, however many lines carry it. Floor: one line framed and walked.

mod common;

use std::hint::black_box;

use candor_bench::{Blocks, itch};
use candor_core::counters::Counters;
use candor_core::{Line, Mono, Nanos, Origin, SeqNo};
use candor_decoders::Format;
use candor_gapfill::{Config, Notice, Output, Sequencer};
use candor_sim::rng::Rng;
use criterion::Throughput;

const MESSAGES: usize = 40_000;

/// Counts what comes out.
struct Count(u64);

impl Output for Count {
    fn message(&mut self, seq: SeqNo, _: Origin, bytes: &[u8]) {
        black_box((seq, bytes));
        self.0 += 1;
    }
    fn notice(&mut self, notice: Notice) {
        black_box(notice);
    }
}

/// What arrives, in order.
struct Arrivals {
    packets: Blocks,
    lines: Vec<Line>,
}

impl Arrivals {
    /// Packets of several lines, merged by the number behind their last message; A before B.
    fn merge(lines: &[(Line, &Blocks)], mut lost: impl FnMut(Line) -> bool) -> Arrivals {
        let mut all: Vec<(u64, Line, &[u8])> = Vec::new();
        for (line, packets) in lines {
            for packet in packets.iter() {
                let range = Format::NasdaqItch50.frame(packet).expect("it is whole").range;
                if range.first == SeqNo::FIRST || !lost(*line) {
                    all.push((range.end.0, *line, packet));
                }
            }
        }
        all.sort_by_key(|(end, line, _)| (*end, *line));
        let lines = all.iter().map(|(_, line, _)| *line).collect();
        Arrivals { packets: all.into_iter().map(|(_, _, packet)| packet).collect(), lines }
    }
}

fn main() {
    let mut criterion = common::criterion();
    let messages = itch::flow(500, 0, MESSAGES).measured;
    let packets = |each| itch::packets(&messages, each, SeqNo(1));
    let (twenty, seven, one) = (packets(20), packets(7), packets(1));
    let mut rng = Rng::new(3);
    let mut on_a = |line| line == Line::A && rng.chance(10_000);
    let both = |a, b| [(Line::A, a), (Line::B, b)];
    let never = |_| false;
    let cases = [
        ("one line, 20 a packet", Arrivals::merge(&[(Line::A, &twenty)], never)),
        ("A and B alike, 20 a packet", Arrivals::merge(&both(&twenty, &twenty), never)),
        ("A and B alike, 1 a packet", Arrivals::merge(&both(&one, &one), never)),
        ("A 20 a packet, B 7 a packet", Arrivals::merge(&both(&twenty, &seven), never)),
        (
            "A and B alike, 20 a packet, A loses 1%",
            Arrivals::merge(&both(&twenty, &twenty), &mut on_a),
        ),
    ];
    let mut group = criterion.benchmark_group("arbitration");
    group.throughput(Throughput::Elements(MESSAGES as u64));
    group.bench_function("floor: one line framed and walked, 20 a packet", |b| {
        b.iter(|| {
            for packet in twenty.iter() {
                let packet = Format::NasdaqItch50.frame(packet).expect("it is whole");
                packet.messages.for_each(|message| _ = black_box(message));
            }
        });
    });
    let mut session = 0;
    for (name, mut arrivals) in cases {
        let lines = std::array::from_fn(|line| arrivals.lines.iter().any(|l| l.index() == line));
        let (grace, session_grace) = (Nanos::from_millis(1), Nanos::from_secs(2));
        let (keep_start, start_limit) = (false, 0);
        let mut sequencer =
            Sequencer::new(Config { lines, grace, session_grace, keep_start, start_limit });
        let (mut counters, mut now) = (Counters::new(), 1_000_000_000);
        group.bench_function(name, |b| {
            b.iter_custom(|rounds| {
                let rounds = (0..rounds).map(|_| {
                    session += 1;
                    itch::rename(&mut arrivals.packets, session);
                    let mut out = Count(0);
                    let time = common::timed(|| {
                        for (packet, line) in arrivals.packets.iter().zip(&arrivals.lines) {
                            now += 1_000;
                            let packet = Format::NasdaqItch50.frame(packet).expect("it is whole");
                            let out = &mut out;
                            let now = Mono(now);
                            let _ =
                                sequencer.on_packet(now, now, *line, &packet, &mut counters, out);
                        }
                    });
                    assert_eq!(out.0, MESSAGES as u64, "each message once");
                    time
                });
                rounds.sum()
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
