//! Framing: a packet's bytes to its messages. Floor: a loop over lengths and type bytes that checks
//! nothing else and looks at no header.

mod common;

use std::hint::black_box;

use candor_bench::floors::{length_and_type, walk};
use candor_bench::{Blocks, deep, itch};
use candor_core::{ByteOrder, SeqNo};
use candor_decoders::{Format, iex::tp, nasdaq::moldudp64};
use criterion::{Criterion, Throughput};

/// Enough to be no longer in the nearest cache, few enough to be in the next.
const MESSAGES: usize = 8_000;

fn main() {
    let mut criterion = common::criterion();
    let messages = itch::flow(200, 0, MESSAGES).measured;
    for each in [1, 20] {
        let packets = itch::packets(&messages, each, SeqNo(1));
        let (format, header) = (Format::NasdaqItch50, moldudp64::HEADER_LEN);
        bench(&mut criterion, ("moldudp64", each), &packets, format, header, ByteOrder::Big);
    }
    let messages = deep::messages(200, MESSAGES - 200);
    for each in [1, 20] {
        let packets = deep::segments(&messages, each);
        let (format, header) = (Format::IexDeep, tp::HEADER_LEN);
        bench(&mut criterion, ("iex-tp", each), &packets, format, header, ByteOrder::Little);
    }
    criterion.final_summary();
}

fn bench(
    criterion: &mut Criterion,
    (name, each): (&str, usize),
    packets: &Blocks,
    format: Format,
    header: usize,
    order: ByteOrder,
) {
    let mut group = criterion.benchmark_group(format!("framing {name}, {each} a packet"));
    group.throughput(Throughput::Elements(MESSAGES as u64));
    group.bench_function("floor: lengths and types", |b| {
        b.iter(|| packets.iter().map(|packet| walk(&packet[header..], order)).sum::<u64>());
    });
    group.bench_function("frame and iterate", |b| {
        b.iter(|| {
            let mut sum = 0;
            for packet in packets.iter() {
                let packet = format.frame(black_box(packet)).expect("it is whole");
                sum += packet.messages.map(length_and_type).sum::<u64>();
            }
            sum
        });
    });
    group.finish();
}
