//! A lane allocates nothing after its start, whatever comes: this binary's allocator counts what
//! threads named `lane-` do, and a handler runs as a library in a process of this binary.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use candor_core::counters::{Counter, LaneCounter};
use candor_core::{Nanos, Reject};

use crate::accounting::assert_sums;
use crate::recovery;
use crate::world::{Plan, World, eventually, lane, partition, pause};

mod rough;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static FREES: AtomicU64 = AtomicU64::new(0);

/// Counts what lanes ask for; everything else is the system's.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call goes to the system's allocator unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's layout.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's block of that layout.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_lane() {
            FREES.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller's block of that layout.
        unsafe { System.dealloc(block, layout) }
    }
}

fn count(size: usize) {
    if is_lane() {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(size as u64, Ordering::Relaxed);
    }
}

/// Whether this thread is a lane, by its name. A thread has its name before it does anything of its
/// own; one that had another name thousands of times is not asked again.
fn is_lane() -> bool {
    const LANE: u16 = u16::MAX;
    const OTHER: u16 = 4_096;
    thread_local! { static ASKED: Cell<u16> = const { Cell::new(0) } }
    let known = ASKED.try_with(|asked| match asked.get() {
        LANE => true,
        OTHER => false,
        times => {
            let lane = name().starts_with(b"lane-");
            asked.set(if lane { LANE } else { times + 1 });
            lane
        }
    });
    known.unwrap_or(false)
}

/// The thread's name, without asking an allocator for it.
fn name() -> [u8; 16] {
    let mut name = [0; 16];
    // SAFETY: the kernel writes 16 bytes, which are there.
    #[allow(unsafe_code)]
    unsafe {
        libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr())
    };
    name
}

/// What all lanes of this process did: allocations, their bytes, and frees.
pub fn counted() -> String {
    let [allocations, bytes, frees] =
        [&ALLOCATIONS, &BYTES, &FREES].map(|count| count.load(Ordering::Relaxed));
    format!("{allocations} {bytes} {frees}")
}

#[test]
fn a_lane_allocates_nothing_after_its_start_whatever_comes() {
    // Partition 5 is this test's own, beside the exchange's four.
    let plan = Plan { rate: 40_000, edit: rough::with_own_partition, ..Plan::default() };
    let Some(mut world) = World::new("allocations over veth", plan) else { return };
    let region = world.start_counted_handler();
    let handler = world.handler.as_mut().unwrap();
    eventually("the lane turns", || (lane(&region).get(LaneCounter::Cycles) > 9).then_some(()));
    let started = handler.ask();
    assert!(started[0] > 0, "the counter sees what a lane allocates at its start");

    world.start_exchange();
    world.until_live();
    for command in ["loss A 3%", "loss B 3%", "dup 2%", "reorder 1% 2ms"] {
        world.tell(command);
    }
    rough::send(&world);
    eventually("the lines differ", || {
        // One packet, which may be one of those that are lost.
        world.tell("differ 1");
        pause(Nanos::from_millis(300));
        (partition(&region, 0).counters.get(Counter::LinesDiffer) > 0).then_some(())
    });
    for command in ["session OTHER 2", "restart 3", "cut partition 4"] {
        world.tell(command);
        pause(Nanos::from_millis(300));
    }
    world.tell("mend partition 4");
    world.tell("end 3");
    let frames = eventually("100,000 messages have come", || {
        let messages = |at| partition(&region, at).counters.get(Counter::Messages);
        let all: u64 = (0..5).map(messages).sum();
        (all > 100_000).then(|| lane(&region).get(LaneCounter::Frames))
    });
    world.tell("pause");
    pause(Nanos::from_millis(100));
    (0..5).for_each(|at| assert_sums(at, &partition(&region, at).counters));
    let ended = world.handler.as_mut().unwrap().ask();
    assert_eq!(ended, started, "allocations, bytes and frees of the lane");
    assert!(world.handler.as_mut().unwrap().is_running());

    let of = |at, counter| partition(&region, at).counters.get(counter);
    let seen = |counter| (0..5).any(|at| of(at, counter) > 0);
    for counter in [
        Counter::Duplicate,
        Counter::GapsOpened,
        Counter::GapsOutlived,
        Counter::GapsLost,
        Counter::LinesDiffer,
        Counter::SessionChanges,
        Counter::Restarts,
        Counter::DiscardOldSession,
        Counter::DiscardTooLate,
        Counter::DiscardWithSession,
        Counter::UnknownType,
        Counter::LongerMessage,
        Counter::SymbolsFull,
        Counter::UndefinedInstrument,
        Counter::UnknownOrder,
        Counter::DuplicateOrder,
        Counter::Quarantined,
        Counter::LostOnA,
        Counter::Ends,
    ] {
        assert!(seen(counter), "{} never happened", counter.label());
    }
    let rejects = &partition(&region, 4).counters;
    for reject in [
        Reject::ShortHeader,
        Reject::TruncatedMessage,
        Reject::TrailingBytes,
        Reject::BadSequence,
        Reject::BadSession,
        Reject::ShortMessage,
    ] {
        assert!(rejects.rejects(reject) > 0, "{} never happened", reject.label());
    }
    let messages: u64 = (0..5).map(|at| of(at, Counter::Messages)).sum();
    println!(
        "shown: 0 allocations and 0 frees on a lane for {frames} packets with {messages} messages, \
         the malformed, contradicting and missing among them"
    );
}

#[test]
fn a_lane_allocates_nothing_while_its_partitions_recover() {
    let plan = Plan { rate: 20_000, ..recovery::PLAN };
    let Some(mut world) = World::new("allocations in recovery over veth", plan) else { return };
    world.start_exchange();
    pause(Nanos::from_millis(500));
    // It comes late: the day so far is a snapshot's.
    let region = world.start_counted_handler();
    eventually("the lane turns", || (lane(&region).get(LaneCounter::Cycles) > 9).then_some(()));
    let started = world.handler.as_mut().unwrap().ask();
    assert!(started[0] > 0, "the counter sees what a lane allocates at its start");
    world.until_live();
    let of = |at, counter| partition(&region, at).counters.get(counter);
    let sum = |counter| (0..4).map(|at| of(at, counter)).sum::<u64>();
    world.tell("loss A 5%");
    world.tell("loss B 5%");
    pause(Nanos::from_secs(2));
    world.tell("clear");
    world.until_live();
    world.tell("service retransmit hang");
    for fault in ["refuse", "hang", "broken-snapshot", "lost-part", "late 200ms"] {
        world.tell(&format!("service snapshot {fault}"));
        (1..=4).for_each(|at| {
            world.tell(&format!("skip {at} 30"));
        });
        pause(Nanos::from_millis(800));
        world.tell("service snapshot off");
        world.until_live();
    }
    let ended = world.handler.as_mut().unwrap().ask();
    assert_eq!(ended, started, "allocations, bytes and frees of the lane");
    for counter in [
        Counter::RetransmitRequests,
        Counter::RetransmitFilled,
        Counter::RetransmitTimeouts,
        Counter::RetransmitGivenUp,
        Counter::SnapshotRequests,
        Counter::SnapshotsSpliced,
        Counter::SnapshotsFailed,
    ] {
        assert!(sum(counter) > 0, "{} never happened", counter.label());
    }
    (0..4).for_each(|at| assert_sums(at, &partition(&region, at).counters));
    println!(
        "shown: 0 allocations and 0 frees on a lane for {} requests and {} snapshots",
        sum(Counter::RetransmitRequests),
        sum(Counter::SnapshotsSpliced)
    );
}
