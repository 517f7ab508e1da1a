//! The region, by one thread, so that no cache line travels: what publishing and reading cost by
//! themselves. Floors: a look at the clock, and a bare sequence lock over as many words.

mod common;

use std::hint::black_box;

use candor_bench::floors::{BOOK_WORDS, BareSlot, bare_push, bare_ring};
use candor_bench::live::{self, Heap};
use candor_core::{BookView, Mono, SeqNo, SymbolIndex, limits};
use candor_shm::clock;
use criterion::{Criterion, Throughput};

/// Symbols for the figures in which each one is another: 3 MB of slots.
const MANY: u32 = 4_096;

fn main() {
    let mut criterion = common::criterion();
    let mut heap = live::region(MANY).expect("memory for a region");
    heap.go_live(MANY);
    write(&mut criterion, &mut heap, live::full_book());
    ring(&mut criterion, &mut heap);
    read(&mut criterion, &heap);
    criterion.final_summary();
}

fn write(criterion: &mut Criterion, heap: &mut Heap, mut view: BookView) {
    let slots: Vec<BareSlot> = (0..MANY).map(|_| BareSlot::new()).collect();
    let mut group = criterion.benchmark_group("region write");
    group.throughput(Throughput::Elements(1));
    let mut number = 0;
    group.bench_function("also: bare lock, the four words that changed", |b| {
        b.iter(|| {
            number += 1;
            slots[0].write(4, number);
        });
    });
    group.bench_function("floor: bare lock, a whole book", |b| {
        b.iter(|| {
            number += 1;
            slots[0].write(BOOK_WORDS, number);
        });
    });
    let mut change = |view: &mut BookView| {
        number += 1;
        (number, live::change_best(view, number))
    };
    let status = live::live();
    group.bench_function("publish, best level changed, one symbol", |b| {
        b.iter(|| {
            let (_, changed) = change(&mut view);
            let (at, since) = (SymbolIndex(0), Mono(1));
            heap.lane.publish_changed(0, at, status, 1, since, &view, black_box(changed));
        });
    });
    group.bench_function("publish, best level changed, another symbol each time", |b| {
        b.iter(|| {
            let (number, changed) = change(&mut view);
            let (at, since) = (SymbolIndex(number as u32 % MANY), Mono(1));
            heap.lane.publish_changed(0, at, status, 1, since, &view, black_box(changed));
        });
    });
    group.finish();
}

fn ring(criterion: &mut Criterion, heap: &mut Heap) {
    let bare = bare_ring(limits::EVENTS);
    let mut group = criterion.benchmark_group("region event");
    group.throughput(Throughput::Elements(1));
    let mut number = 0;
    group.bench_function("floor: bare record", |b| {
        b.iter(|| {
            number += 1;
            bare_push(&bare, number, &[number; 7]);
        });
    });
    group.bench_function("event", |b| {
        b.iter(|| {
            number += 1;
            let message = live::add_message(number);
            let at = Some(SymbolIndex(0));
            heap.lane.event(0, at, SeqNo(number), Mono(number), black_box(&message));
        });
    });
    group.finish();
}

fn read(criterion: &mut Criterion, heap: &Heap) {
    let region = &heap.region;
    let find = |number| region.find(&heap.venue, &live::name(number)).expect("it is defined");
    let handles: Vec<_> = (0..MANY).map(find).collect();
    assert!(region.read(handles[0]).live().is_some(), "{:?}", region.read(handles[0]).reason());
    let slot = BareSlot::new();
    let mut group = criterion.benchmark_group("region read");
    group.throughput(Throughput::Elements(1));
    group.bench_function("also: clock", |b| b.iter(clock::now));
    group.bench_function("also: bare lock, a whole book", |b| b.iter(|| slot.read()));
    group.bench_function("floor: bare lock and clock", |b| b.iter(|| (slot.read(), clock::now())));
    group.bench_function("read with status, one symbol", |b| {
        b.iter(|| black_box(region.read(handles[0])));
    });
    let mut at = 0;
    group.bench_function("read with status, another symbol each time", |b| {
        b.iter(|| {
            at = (at + 1) % handles.len();
            black_box(region.read(handles[at]))
        });
    });
    group.finish();
}
