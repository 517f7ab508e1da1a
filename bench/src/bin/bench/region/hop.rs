//! From a writer's stamp to a reader that has it: the time one change takes to another core.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use candor_bench::floors::{LINE_WORDS, bare_take};
use candor_bench::machine;
use candor_shm::{Next, ReadPlace, clock};
use hdrhistogram::Histogram;

use super::Writer;
use super::readers::World;

/// Ways a change takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// The event ring, followed.
    Ring,
    /// The slot, spun on.
    Slot,
    BareRing,
    BareSlot,
}

/// Hops of a round.
const HOPS: u64 = 20_000;

/// Between two stamps: the reader waits for each.
const PAUSE: u64 = 2_000;

/// Longer ones count as this long.
const LONGEST: u64 = 10_000_000_000;

/// The middle and the ninety-ninth of a hundred, ns.
pub(super) fn hops(world: &World, writer: &mut Writer, way: Way) -> Result<(f64, f64), String> {
    let (over, ready) = (AtomicBool::new(false), AtomicBool::new(false));
    let histogram = thread::scope(|scope| {
        let (over, ready) = (&over, &ready);
        let reader = scope.spawn(move || read(world, way, over, ready));
        // BOUND: a reader that can't attach ends, and is seen to.
        while !ready.load(Ordering::Acquire) && !reader.is_finished() {
            thread::yield_now();
        }
        let mut next = clock::now().0;
        for _ in 0..HOPS {
            next += PAUSE;
            let mut now = clock::now().0;
            while now < next {
                spin_loop();
                now = clock::now().0;
            }
            // Behind by a pause of the machine's: not all that is missed is made up for at once.
            next = now;
            writer.stamp(world, way, clock::now());
        }
        over.store(true, Ordering::Release);
        reader.join().map_err(|_| "a reader panicked".to_owned())?
    })?;
    // A reader of a slot sees nothing of what came while its core was somebody else's. A twentieth is enough for a middle.
    if histogram.len() < HOPS / 20 {
        return Err(format!("only {} of {HOPS} hops were seen", histogram.len()));
    }
    Ok((histogram.value_at_quantile(0.5) as f64, histogram.value_at_quantile(0.99) as f64))
}

fn read(
    world: &World,
    way: Way,
    over: &AtomicBool,
    ready: &AtomicBool,
) -> Result<Histogram<u64>, String> {
    let core = world.cores[0];
    machine::pin(core).map_err(|error| format!("core {core}: {error}"))?;
    let (region, handle) = world.attach()?;
    let mut events = region.events(0).ok_or("there is no lane")?;
    let bare = &world.bare;
    let mut next = bare.head.load(Ordering::Acquire) + 1;
    let mut seen = match way {
        Way::Slot => region.read(handle).live().map_or(0, |book| book.time.0),
        _ => bare.slot.read_first::<1>().map_or(0, |[stamp]| stamp),
    };
    let mut histogram =
        Histogram::new_with_bounds(1, LONGEST, 3).map_err(|error| error.to_string())?;
    // What comes while this core is somebody else's is found all at once, late by that: only what was waited for
    // counts.
    let (mut waiting, mut place) = (false, ReadPlace::new());
    ready.store(true, Ordering::Release);
    while !over.load(Ordering::Relaxed) {
        let stamp = match way {
            Way::Ring => match events.next() {
                Next::Record(event) => Some(event.arrival.0),
                Next::Nothing | Next::Lapped { .. } => None,
            },
            Way::BareRing => bare_take(&bare.ring, next).map(|words| {
                next += 1;
                words[0]
            }),
            Way::Slot => region.read_into(handle, &mut place).live().map(|book| book.time.0),
            Way::BareSlot => bare.slot.read_first::<LINE_WORDS>().map(|words| words[0]),
        };
        match stamp.filter(|stamp| *stamp != seen) {
            Some(stamp) => {
                if waiting {
                    histogram.saturating_record(clock::now().0.saturating_sub(stamp));
                }
                (seen, waiting) = (stamp, false);
            }
            None => waiting = true,
        }
    }
    Ok(histogram)
}

/// Turns of the ping-pong.
const TURNS: u64 = 100_000;

/// How far the two cores are apart: a line's way there and back, ns.
pub(super) fn ping_pong(world: &World) -> Result<f64, String> {
    let word = &world.bare.word.0;
    word.store(0, Ordering::Release);
    let gone = AtomicU64::new(0);
    let took = thread::scope(|scope| {
        let gone = &gone;
        let other = scope.spawn(move || {
            let pinned = machine::pin(world.cores[0]);
            gone.store(if pinned.is_ok() { 1 } else { 2 }, Ordering::Release);
            if pinned.is_err() {
                return;
            }
            for turn in 0..TURNS {
                // BOUND: the other side never stops before the last turn.
                while word.load(Ordering::Acquire) != 2 * turn + 1 {
                    spin_loop();
                }
                word.store(2 * turn + 2, Ordering::Release);
            }
        });
        // BOUND: it pins itself or says that it can't.
        while gone.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        if gone.load(Ordering::Acquire) == 2 {
            return None;
        }
        let started = clock::now();
        for turn in 0..TURNS {
            word.store(2 * turn + 1, Ordering::Release);
            // BOUND: as above.
            while word.load(Ordering::Acquire) != 2 * turn + 2 {
                spin_loop();
            }
        }
        let took = clock::now().since(started);
        let _ = other.join();
        Some(took.0 as f64 / TURNS as f64)
    });
    took.ok_or_else(|| "a thread can't be pinned".to_owned())
}
