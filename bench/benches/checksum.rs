//! Checksums: an IPv4 header and its UDP datagram added up, as a lane does with every AF_XDP frame.
//! Floor: the same bytes read and added, eight at a time, with no regard for carries.

mod common;

use std::hint::black_box;

use candor_decoders::net::{HEADERS_LEN, Route, check, udp_frame};
use criterion::Criterion;

/// Enough to be no longer in the nearest cache, as frames are that a card has just written.
const FRAMES: usize = 256;

const ROUTE: Route = Route {
    source_mac: [2, 0, 0, 0, 0, 1],
    source: [10, 0, 0, 1],
    group: [239, 1, 2, 3],
    source_port: 40_000,
    port: 26_400,
    vlans: [None, None],
};

fn main() {
    let mut criterion = common::criterion();
    for length in [100, 1_400] {
        let frames: Vec<Vec<u8>> = (0..FRAMES).map(|nth| frame(length, nth)).collect();
        bench(&mut criterion, length, &frames);
    }
    criterion.final_summary();
}

/// A frame of this many bytes.
fn frame(length: usize, nth: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..length - HEADERS_LEN).map(|at| (at * 31 + nth) as u8).collect();
    let mut buffer = vec![0; length];
    udp_frame(&mut buffer, &ROUTE, &payload).expect("it fits").to_vec()
}

fn bench(criterion: &mut Criterion, length: usize, frames: &[Vec<u8>]) {
    let mut group = criterion.benchmark_group(format!("checksum, {length} bytes"));
    let mut at = 0;
    let mut next = || {
        at = (at + 1) % FRAMES;
        black_box(&frames[at][14..])
    };
    group.bench_function("floor: read and added", |b| {
        b.iter(|| {
            let words = next().as_chunks::<8>().0.iter();
            words.fold(0u64, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word)))
        });
    });
    group.bench_function("check", |b| {
        b.iter(|| check(next(), 20).expect("it is sound"));
    });
    group.finish();
}
