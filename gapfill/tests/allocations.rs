//! After construction nothing allocates, whatever comes.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use candor_core::counters::{Counter, Counters};
use candor_core::{Content, Line, Mono, SeqNo};
use candor_gapfill::{Notice, Output, Sequencer};
use common::{A, B, C, CONFIG, DAY, NEXT, content, encode, packet};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; beside it only a number that needs
// no allocation is counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps `alloc`'s contract, which is the same here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from `alloc` above with this layout, so from the system's allocator.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Ignore(u64);

impl Output for Ignore {
    fn message(&mut self, _: SeqNo, _: Line, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
    }

    fn notice(&mut self, _: Notice) {}
}

#[test]
fn nothing_allocates_after_construction() {
    let mut sequencer = Sequencer::new(CONFIG);
    let mut counters = Counters::new();
    let mut out = Ignore(0);
    let encoded: Vec<Vec<u8>> =
        (0..5).map(|life| encode(&[content(life, 1), content(life, 2)])).collect();
    let before = ALLOCATIONS.get();
    let mut now = 1_000_000_000;
    for round in 0..40_000u64 {
        now += (round * 7919) % 400_000;
        let life = (round / 9000) as usize;
        let session = if round / 20_000 == 0 { DAY } else { NEXT };
        let line = [A, B, C][(round % 3) as usize];
        // Numbers that scatter: gaps, late copies, jumps beyond the window, and now and then 1.
        let scatter = (round * round * 31) % 97 * if round % 501 == 0 { 1000 } else { 2 };
        let first = if round % 4001 == 0 { 1 } else { round * 2 + scatter };
        let kind = match round {
            19_000 => Content::End,
            _ if round % 50 == 0 => Content::Heartbeat,
            _ => Content::Data,
        };
        let first = if kind == Content::End { first + 300 } else { first };
        let data = kind == Content::Data;
        let wire = if data { &encoded[life][..] } else { &[] };
        let packet = packet(session, kind, first, if data { 2 } else { 0 }, wire);
        sequencer.on_packet(Mono(now), line, &packet, &mut counters, &mut out);
        if sequencer.deadline().is_some_and(|due| due.0 <= now) {
            sequencer.on_deadline(Mono(now), &mut counters, &mut out);
        }
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    for tried in [
        Counter::GapsFilled,
        Counter::GapsLost,
        Counter::LostOnA,
        Counter::LinesDiffer,
        Counter::Restarts,
        Counter::SessionChanges,
        Counter::DiscardAfterEnd,
    ] {
        assert_ne!(counters.get(tried), 0, "{} was not tried", tried.label());
    }
    assert_ne!(out.0, 0);
    assert!(counters.get(Counter::Applied) > 1_000);
}
