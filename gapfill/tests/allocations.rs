//! After construction nothing allocates, whatever comes.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use candor_core::counters::{Counter, Counters};
use candor_core::{Answer, Content, Mono, Origin, Refusal, Refused, SeqNo};
use candor_gapfill::{Notice, Output, Retransmit, Sequencer};
use common::recovery::POLICY;
use common::{A, B, C, CONFIG, DAY, NEXT, THIRD, content, encode, packet};

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
    fn message(&mut self, _: SeqNo, _: Origin, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
    }

    fn notice(&mut self, _: Notice) {}
}

#[test]
fn nothing_allocates_after_construction() {
    let mut sequencer = Sequencer::new(CONFIG);
    let mut machine = Retransmit::new(POLICY);
    let mut counters = Counters::new();
    let mut out = Ignore(0);
    let encoded: Vec<Vec<u8>> =
        (0..10).map(|life| encode(&[content(life, 1), content(life, 2)])).collect();
    let before = ALLOCATIONS.get();
    let mut now = 1_000_000_000;
    for round in 0..40_000u64 {
        now += (round * 7919) % 400_000;
        let life = (round / 4001) as usize;
        let session = match round {
            0..20_005 => DAY,
            20_005..24_006 => NEXT,
            _ => THIRD,
        };
        let line = [A, B, C][(round % 3) as usize];
        // Numbers that scatter: gaps, jumps beyond the window, and now and then 1. Of ten packets two
        // change places, and one of a thousand comes again on another line with other bytes.
        let (of, life) = match round % 10 {
            4 => (round + 1, life),
            5 => (round - 1, life),
            7 if round % 1000 == 7 => (round - 1, (life + 1) % encoded.len()),
            _ => (round, life),
        };
        let jumps = of % 501 == 0 && of % 4001 > 3400;
        let scatter = (of * of * 31) % 97 * if jumps { 1000 } else { 2 };
        let first = if round % 4001 == 0 { 1 } else { of * 2 + scatter };
        let kind = match round {
            20_020 => Content::End,
            _ if round % 50 == 0 => Content::Heartbeat,
            _ => Content::Data,
        };
        let first = if kind == Content::End { first + 300 } else { first };
        let data = kind == Content::Data;
        let wire = if data { &encoded[life][..] } else { &[] };
        let packet = packet(session, kind, first, if data { 2 } else { 0 }, wire);
        match round % 40 {
            // An answer or a snapshot in its place, now and then.
            33 if data => {
                let answer = sequencer.on_retransmit(Mono(now), &packet, &mut counters, &mut out);
                if let Answer::Filled { range } = answer {
                    machine.on_answer(Mono(now), range);
                }
            }
            37 if round % 1000 == 37 => {
                sequencer.splice(Mono(now), SeqNo(first), &mut counters, &mut out);
            }
            _ => {
                let _ = sequencer.on_packet(
                    Mono(now),
                    Mono(now),
                    line,
                    &packet,
                    &mut counters,
                    &mut out,
                );
            }
        }
        let (session, gaps) = (sequencer.session(), sequencer.gaps());
        machine.on_change(Mono(now), session, gaps, &mut counters);
        machine.on_deadline(Mono(now), gaps, &mut counters);
        while let Some(ask) = machine.next_ask(&mut counters) {
            let why = if round % 3 == 0 { Refusal::Busy } else { Refusal::Expired };
            let refused = Refused { session, range: ask.range, why };
            machine.on_refused(Mono(now), &refused, gaps, &mut counters);
        }
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
        Counter::DiscardInSnapshot,
        Counter::DiscardUnasked,
        Counter::RetransmitFilled,
        Counter::RetransmitRequests,
        Counter::RetransmitTimeouts,
        Counter::RetransmitRefused,
        Counter::RetransmitGivenUp,
    ] {
        assert_ne!(counters.get(tried), 0, "{} was not tried", tried.label());
    }
    assert_ne!(out.0, 0);
    assert!(counters.get(Counter::Applied) > 10_000, "{}", counters.get(Counter::Applied));
}
