//! Arbitration: packets of several lines to each message once and in order. Figures are for one
//! message of the stream, however many lines carry it. Floor: one line framed and walked.

mod common;

use std::hint::black_box;

use candor_bench::itch;
use candor_bench::lines::{Arrivals, Lines};
use candor_core::{Line, SeqNo};
use candor_decoders::Format;
use candor_sim::rng::Rng;
use criterion::Throughput;

const MESSAGES: usize = 40_000;

fn main() {
    let mut criterion = common::criterion();
    let messages = itch::flow(500, 0, MESSAGES).measured;
    let packets = |each| itch::packets(&messages, each, SeqNo(1));
    let (twenty, seven, one) = (packets(20), packets(7), packets(1));
    let mut rng = Rng::new(3);
    let mut on_a = |line| line == Line::A && rng.chance(10_000);
    let both = |a, b| [(Line::A, a, 0), (Line::B, b, 0)];
    let never = |_| false;
    let cases = [
        ("one line, 20 a packet", Arrivals::merge(&[(Line::A, &twenty, 0)], never)),
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
    for (name, arrivals) in cases {
        let mut lines = Lines::new(arrivals);
        group.bench_function(name, |b| {
            b.iter_custom(|rounds| {
                let rounds = (0..rounds).map(|_| {
                    lines.begin();
                    let mut out = 0;
                    let time = common::timed(|| out = lines.run());
                    assert_eq!(out, MESSAGES as u64, "each message once");
                    time
                });
                rounds.sum()
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
