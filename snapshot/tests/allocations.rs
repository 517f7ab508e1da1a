//! After construction nothing allocates, whatever comes.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use candor_core::counters::{Counter, Counters};
use candor_core::{Action, Mono, SeqNo, SnapshotPart};
use candor_snapshot::{Config, Snapshots, Step, Verdict};
use common::{CONFIG, DAY, NEXT, image};

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

#[test]
fn nothing_allocates_after_construction() {
    let mut snapshots = Snapshots::new(Config { holdback_bytes: 5_000, ..CONFIG });
    let mut counters = Counters::new();
    let before = ALLOCATIONS.get();
    let bytes = [7; 400];
    let (mut now, mut expected, mut replayed) = (Mono(1_000_000_000), 10_u64, 0_usize);
    for round in 0..200_000_u64 {
        now.0 += (round * 7919) % 2_000_000;
        let session = if round < 150_000 { DAY } else { NEXT };
        let cycle = snapshots.cycle();
        let part = match round % 23 {
            2 => SnapshotPart::Begin { session },
            3 | 5 => SnapshotPart::Messages(image()),
            7 => SnapshotPart::End {
                next: SeqNo((expected + round / 23 % 40).saturating_sub(30).max(1)),
            },
            _ => SnapshotPart::Messages(image()),
        };
        if round == 150_000 {
            snapshots.reset(now, &mut counters);
        }
        if round % 97 == 0 {
            expected += 3;
            if snapshots.is_holding() {
                snapshots.hold_from(SeqNo(expected), &mut counters);
            }
            snapshots.want(now, session, SeqNo(expected), &mut counters);
        }
        if matches!(round % 23, 2 | 3 | 5 | 7)
            && snapshots.on_part(now, cycle, &part, session, &mut counters) == Step::Begin
            && !snapshots.is_holding()
        {
            snapshots.hold_from(SeqNo(expected), &mut counters);
        }
        if snapshots.is_holding() {
            let message = &bytes[..(round % 400) as usize];
            let _ = snapshots.hold(now, SeqNo(expected), message, &mut counters);
        }
        expected += 1;
        let next = SeqNo(expected);
        match snapshots.verdict(now, next, next, &mut counters) {
            Verdict::Splice(splice) | Verdict::Resync(splice) => {
                // BOUND: the messages held.
                while let Some((_, bytes)) = snapshots.take_held(&splice) {
                    replayed += bytes.len();
                }
                snapshots.done(now, splice, &mut counters);
            }
            Verdict::Wait | Verdict::Unusable(_) => {}
        }
        if snapshots.deadline().is_some_and(|due| due <= now) {
            let _ = snapshots.on_deadline(now, &mut counters);
        }
        // BOUND: a drop and an ask.
        while let Some(action) = snapshots.next_action() {
            assert!(!matches!(action, Action::Retransmit(_)));
        }
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    for tried in [
        Counter::SnapshotRequests,
        Counter::SnapshotsSpliced,
        Counter::SnapshotsFailed,
        Counter::SnapshotsUnusable,
        Counter::HoldbackFull,
    ] {
        assert_ne!(counters.get(tried), 0, "{} was not tried", tried.label());
    }
    assert_ne!(replayed, 0);
}
