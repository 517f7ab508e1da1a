//! Readers of a region and of the bare things beside it: threads that attach to the region's file by
//! themselves, as a subscriber does, on other cores than the writer's.

use std::hint::{black_box, spin_loop};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use candor_bench::floors::{BareRecord, BareSlot, LINE_WORDS, bare_number, bare_ring, bare_take};
use candor_bench::live::name;
use candor_bench::machine;
use candor_core::{Venue, limits};
use candor_shm::{EventReader, Handle, Next, ReadPlace, Region};
use rustix::thread::{Timespec, nanosleep};

/// What is measured beside the region: the same without a status, a lease, an epoch.
pub(super) struct Bare {
    pub(super) slot: BareSlot,
    pub(super) ring: Box<[BareRecord]>,
    pub(super) word: Word,
    /// The number written last.
    pub(super) head: AtomicU64,
}

/// One word, alone on its line.
#[repr(align(64))]
pub(super) struct Word(pub(super) AtomicU64);

impl Bare {
    pub(super) fn new() -> Bare {
        Bare {
            slot: BareSlot::new(),
            ring: bare_ring(limits::EVENTS),
            word: Word(AtomicU64::new(0)),
            head: AtomicU64::new(0),
        }
    }
}

/// What readers do all the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Habit {
    /// Spin on the place of the ring's next record.
    Follow,
    /// Spin on one symbol's slot.
    Spin,
    /// Take what the ring has and look at the slot, a thousand times a second.
    Look,
}

/// Some readers of one habit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Crew {
    pub(super) habit: Habit,
    pub(super) count: usize,
    /// They read the bare things, not the region.
    pub(super) bare: bool,
}

/// What readers attach to.
pub(super) struct World {
    pub(super) path: PathBuf,
    pub(super) venue: Venue,
    pub(super) bare: Bare,
    /// Cores of the readers, never the writer's.
    pub(super) cores: Vec<u16>,
}

impl World {
    pub(super) fn attach(&self) -> Result<(Region, Handle), String> {
        let region = Region::open(&self.path).map_err(|error| error.to_string())?;
        let handle = region.find(&self.venue, &name(0)).ok_or("the symbol is not there")?;
        Ok((region, handle))
    }

    /// Does the work while these readers read; every one of them is attached before it begins.
    pub(super) fn beside<T>(&self, crew: Crew, work: impl FnOnce() -> T) -> Result<T, String> {
        let (over, ready) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            let _end = Ends(&over);
            let (over, ready) = (&over, &ready);
            let readers: Vec<_> = (0..crew.count)
                .map(|nth| scope.spawn(move || self.read_until(over, ready, crew, nth)))
                .collect();
            // BOUND: a reader that can't attach ends, and is seen to.
            while ready.load(Ordering::Acquire) < crew.count {
                if readers.iter().any(thread::ScopedJoinHandle::is_finished) {
                    break;
                }
                thread::yield_now();
            }
            let result = (ready.load(Ordering::Acquire) == crew.count).then(work);
            over.store(true, Ordering::Release);
            for reader in readers {
                reader.join().map_err(|_| "a reader panicked")??;
            }
            result.ok_or_else(|| "a reader ended before its time".to_owned())
        })
    }

    fn read_until(
        &self,
        over: &AtomicBool,
        ready: &AtomicUsize,
        crew: Crew,
        nth: usize,
    ) -> Result<(), String> {
        // The first is left to the reader of a hop where those beside it can be elsewhere.
        let cores = match (crew.habit, &self.cores[..]) {
            (Habit::Look, [_, rest @ ..]) if !rest.is_empty() => rest,
            (_, all) => all,
        };
        let core = cores[nth % cores.len()];
        machine::pin(core).map_err(|error| format!("core {core}: {error}"))?;
        let (region, handle) = self.attach()?;
        let mut events = region.events(0).ok_or("there is no lane")?;
        let mut next = self.bare.head.load(Ordering::Acquire) + 1;
        let mut place = ReadPlace::new();
        ready.fetch_add(1, Ordering::Release);
        while !over.load(Ordering::Acquire) {
            match (crew.habit, crew.bare) {
                (Habit::Follow, false) => _ = follow(&mut events),
                (Habit::Follow, true) => _ = self.bare.follow(&mut next),
                (Habit::Spin, false) => _ = black_box(region.read_into(handle, &mut place)),
                (Habit::Spin, true) => _ = black_box(self.bare.slot.read_first::<LINE_WORDS>()),
                (Habit::Look, false) => {
                    for _ in 0..limits::EVENTS {
                        if !follow(&mut events) {
                            break;
                        }
                    }
                    let _ = black_box(region.read_into(handle, &mut place));
                    rest();
                }
                (Habit::Look, true) => {
                    for _ in 0..limits::EVENTS {
                        if !self.bare.follow(&mut next) {
                            break;
                        }
                    }
                    black_box(self.bare.slot.read_first::<LINE_WORDS>());
                    rest();
                }
            }
        }
        Ok(())
    }
}

/// Ends the readers however the work ends.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A thousandth of a second.
fn rest() {
    let _ = nanosleep(&Timespec { tv_sec: 0, tv_nsec: 1_000_000 });
}

/// Takes one event, if there is one.
#[inline]
fn follow(events: &mut EventReader) -> bool {
    match black_box(events.next()) {
        Next::Nothing => {
            spin_loop();
            false
        }
        Next::Record(_) | Next::Lapped { .. } => true,
    }
}

impl Bare {
    /// Takes one record, if there is one. Overtaken it goes on behind what it finds.
    #[inline]
    fn follow(&self, next: &mut u64) -> bool {
        if black_box(bare_take(&self.ring, *next)).is_some() {
            *next += 1;
            return true;
        }
        let there = bare_number(&self.ring, *next);
        if there > *next {
            *next = there + 1;
            return true;
        }
        spin_loop();
        false
    }
}
