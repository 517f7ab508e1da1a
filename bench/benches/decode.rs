//! Decoding: a message's bytes to what it means. Floor: its length and type byte.

mod common;

use std::hint::black_box;

use candor_bench::floors::length_and_type;
use candor_bench::{Blocks, deep, itch};
use candor_decoders::Format;
use criterion::{Criterion, Throughput};

const MESSAGES: usize = 100_000;

fn main() {
    let mut criterion = common::criterion();
    bench(&mut criterion, Format::NasdaqItch50, &itch::flow(500, 20_000, MESSAGES).measured);
    bench(&mut criterion, Format::IexDeep, &deep::messages(500, MESSAGES - 500));
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion, format: Format, messages: &Blocks) {
    let mut group = criterion.benchmark_group(format!("decode {}", format.name()));
    group.throughput(Throughput::Elements(messages.len() as u64));
    group.bench_function("floor: lengths and types", |b| {
        b.iter(|| messages.iter().map(|message| length_and_type(black_box(message))).sum::<u64>());
    });
    group.bench_function("decode", |b| {
        b.iter(|| {
            for message in messages.iter() {
                black_box(format.decode(message).expect("it is whole"));
            }
        });
    });
    group.finish();
}
