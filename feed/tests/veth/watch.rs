//! A reader that never stops looking, what it saw, and the judgement of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use candor_core::{BookView, Line, Mono, Nanos, Reason, SeqRange, Symbol};
use candor_shm::{Handle, Read, Region, clock};
use candor_sim::truth::{Entry, Truth, Verdict};

use crate::world::{LEASE, World, lane, stalls};

/// A read takes less than a microsecond. One that took so long was interrupted: its answer is judged
/// like any other, and does not count for what was answered when.
pub const INTERRUPTED: Nanos = Nanos::from_millis(1);

/// A reader on a thread of its own: every symbol again and again, as fast as it goes.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Log>,
}

/// Reads of one symbol in a row that gave the same answer.
#[derive(Clone, Copy, Debug)]
pub struct Spell {
    pub symbol: usize,
    /// `None` is Live.
    pub reason: Option<Reason>,
    /// When the first of these reads began. A read judges by a clock it looks at later.
    pub first: Mono,
    /// When the last of them began.
    pub last: Mono,
}

/// A book that was read as live, and when such a read began last.
struct Seen {
    symbol: usize,
    book: BookView,
    last: Mono,
}

/// Everything one reader saw.
pub struct Log {
    handles: Vec<(Handle, Symbol)>,
    spells: Vec<Spell>,
    seen: Vec<Seen>,
    pub reads: u64,
    pub live: u64,
    interrupted: u64,
}

/// What is in progress for one symbol.
#[derive(Clone, Copy)]
struct Current {
    spell: Option<Spell>,
    book: Option<(BookView, Mono)>,
}

impl Watch {
    /// Begins to read these symbols.
    pub fn start(region: &Region, handles: Vec<(Handle, Symbol)>) -> Watch {
        assert!(!handles.is_empty());
        let stop = Arc::new(AtomicBool::new(false));
        let (region, stopped) = (region.clone(), Arc::clone(&stop));
        let thread = thread::spawn(move || read_on(&region, handles, &stopped));
        Watch { stop, thread }
    }

    /// Every symbol the region has now.
    pub fn all(world: &World) -> Watch {
        let region = world.region();
        Watch::start(&region, world.handles(&region))
    }

    /// Ends it. Every symbol is read once more before.
    pub fn stop(self) -> Log {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn read_on(region: &Region, handles: Vec<(Handle, Symbol)>, stop: &AtomicBool) -> Log {
    let mut current = vec![Current { spell: None, book: None }; handles.len()];
    let mut log =
        Log { handles, spells: Vec::new(), seen: Vec::new(), reads: 0, live: 0, interrupted: 0 };
    loop {
        let last = stop.load(Ordering::Relaxed);
        for (symbol, current) in current.iter_mut().enumerate() {
            let at = clock::now();
            let read = region.read(log.handles[symbol].0);
            let reason = read.reason();
            log.reads += 1;
            // A reader that was interrupted in between says nothing of when it looked.
            let interrupted = clock::now().since(at) > INTERRUPTED;
            match &mut current.spell {
                _ if interrupted => log.interrupted += 1,
                Some(spell) if spell.reason == reason => spell.last = at,
                spell => {
                    log.spells.extend(*spell);
                    *spell = Some(Spell { symbol, reason, first: at, last: at });
                }
            }
            let Read::Live(view) = read else { continue };
            log.live += 1;
            match &mut current.book {
                Some((book, read)) if *book == view.book => *read = at,
                other => {
                    let before = other.replace((view.book, at));
                    log.seen.extend(before.map(|(book, last)| Seen { symbol, book, last }));
                }
            }
        }
        if last {
            break;
        }
    }
    for (symbol, current) in current.into_iter().enumerate() {
        log.spells.extend(current.spell);
        log.seen.extend(current.book.map(|(book, last)| Seen { symbol, book, last }));
    }
    log
}

impl Log {
    /// What a partition's symbols answered to reads that began from `from` on and before `to`, in
    /// order of time.
    pub fn spells(&self, partition: usize, from: Mono, to: Mono) -> Vec<Spell> {
        let mut spells: Vec<Spell> = self.spells.clone();
        spells.retain(|spell| {
            let of = usize::from(self.handles[spell.symbol].0.partition());
            of == partition && spell.last >= from && spell.first < to
        });
        spells.sort_by_key(|spell| (spell.first, spell.symbol));
        spells
    }

    /// The statuses among them.
    pub fn statuses(&self, partition: usize, from: Mono, to: Mono) -> BTreeSet<&'static str> {
        self.spells(partition, from, to).iter().map(|spell| label(spell.reason)).collect()
    }

    /// When a read that answered Live began last, of those that began before `to`.
    pub fn last_live(&self, partition: usize, to: Mono) -> Option<Mono> {
        let spells = self.spells(partition, Mono::NEVER, to);
        let live = spells.iter().filter(|spell| spell.reason.is_none());
        live.map(|spell| spell.last.min(to)).max()
    }

    /// Asserts that a partition's symbols were `allowed` and nothing else, but for what a machine
    /// with other things to do brings about, as it must: a lane that gets no time in the middle of
    /// its cycle is `WriterGone` for less than a lease, and one that stood still for longer than
    /// that (`stalls` counts it) `WriterGone` and then `Late`; a slot whose writer was interrupted
    /// in the middle of a write is `Lapped` for that time.
    pub fn assert_only(
        &self,
        partition: usize,
        (from, to): (Mono, Mono),
        allowed: &[&str],
        stalls: u64,
    ) {
        let forgiven = |spell: &Spell| match spell.reason {
            Some(Reason::WriterGone) => stalls > 0 || spell.last.since(spell.first) < LEASE,
            Some(Reason::Lapped) => stalls > 0 || spell.last.since(spell.first) < LEASE,
            Some(Reason::Late) => stalls > 0,
            _ => false,
        };
        let mut strange = self.spells(partition, from, to);
        strange.retain(|spell| !allowed.contains(&label(spell.reason)) && !forgiven(spell));
        let text: String = strange.iter().take(9).map(|spell| self.line(spell)).collect();
        assert!(
            strange.is_empty(),
            "partition {}: {} answers beside {allowed:?}, {stalls} stalls{text}",
            partition + 1,
            strange.len()
        );
    }

    /// A spell for a person.
    fn line(&self, spell: &Spell) -> String {
        let begun = self.spells.iter().map(|spell| spell.first).min().unwrap_or_default();
        let (first, last) = (spell.first.since(begun), spell.last.since(begun));
        let symbol = self.handles[spell.symbol].1;
        format!("\n  {symbol} {} from {first} to {last}", label(spell.reason))
    }

    /// Asserts that no book that was read as live was wrong, and that this would have been noticed.
    /// Returns how many different ones there were.
    pub fn assert_true(&self, truth: &Truth, bound: Bound) -> usize {
        assert!(self.live > 0, "nothing was ever live: nothing is proven");
        let truth = &Carried::of(truth);
        let wrong = |seen: &&Seen| self.verdict(truth, seen, bound) != Verdict::True;
        let count = self.seen.iter().filter(wrong).count();
        let some = self.seen.iter().filter(wrong).take(5);
        let some: Vec<_> = some
            .map(|seen| {
                let name = self.handles[seen.symbol].1;
                (name, seen.book.seq, seen.last, self.verdict(truth, seen, bound))
            })
            .collect();
        assert_eq!(count, 0, "{count} wrong books were Live, within {bound:?}: {some:#?}");
        for &Seen { symbol, book, last } in self.seen.iter().step_by(1 + self.seen.len() / 16) {
            let mut other = Seen { symbol, book, last };
            other.book.bids[0].size += 1;
            if other.book.bid_count > 0 {
                assert_eq!(self.verdict(truth, &other, bound), Verdict::False);
            }
        }
        self.seen.len()
    }

    fn verdict(&self, carried: &Carried<'_>, seen: &Seen, bound: Bound) -> Verdict {
        let Seen { symbol, book, last } = seen;
        let name = &self.handles[*symbol].1;
        match carried.truth.judge(name, book, *last, bound.known) {
            Verdict::Old(next) if carried.is_lost(&next) => {
                let told = carried.until_told(&next);
                let unknown = told.map_or(bound.silence, |told| told.min(bound.silence));
                carried.truth.judge(name, book, *last, bound.known + unknown)
            }
            verdict => verdict,
        }
    }
}

/// Which changes reached a line, and when those that reached none could be missed.
struct Carried<'a> {
    truth: &'a Truth,
    /// What each line of a partition's run did not carry, ascending.
    missing: BTreeMap<(u16, u16, Line), Vec<SeqRange>>,
    /// Every change of a partition's run, ascending.
    changes: BTreeMap<(u16, u16), Vec<Entry>>,
}

impl<'a> Carried<'a> {
    fn of(truth: &'a Truth) -> Carried<'a> {
        let mut missing: BTreeMap<_, Vec<SeqRange>> = BTreeMap::new();
        for one in truth.missing() {
            let of = (one.partition, one.run, one.line);
            missing.entry(of).or_default().push(one.withheld.range);
        }
        missing.values_mut().for_each(|ranges| ranges.sort_by_key(|range| range.first));
        let mut changes: BTreeMap<_, Vec<Entry>> = BTreeMap::new();
        for entry in truth.symbols().flat_map(|symbol| truth.history(symbol)) {
            changes.entry((entry.partition, entry.run)).or_default().push(*entry);
        }
        changes.values_mut().for_each(|entries| entries.sort_by_key(|entry| entry.seq));
        Carried { truth, missing, changes }
    }

    /// Whether no line carried it.
    fn is_lost(&self, entry: &Entry) -> bool {
        [Line::A, Line::B].into_iter().all(|line| {
            let ranges = self.missing.get(&(entry.partition, entry.run, line));
            ranges.is_some_and(|ranges| {
                let behind = ranges.partition_point(|range| range.first <= entry.seq);
                behind.checked_sub(1).is_some_and(|at| ranges[at].contains(entry.seq))
            })
        })
    }

    /// How long after a change that no line carried the next one was sent that a line did.
    fn until_told(&self, lost: &Entry) -> Option<Nanos> {
        let changes = &self.changes[&(lost.partition, lost.run)];
        let behind = changes.partition_point(|entry| entry.seq <= lost.seq);
        let next = changes[behind..].iter().find(|entry| !self.is_lost(entry));
        next.map(|next| next.sent.since(lost.sent))
    }
}

fn label(reason: Option<Reason>) -> &'static str {
    reason.map_or("Live", Reason::label)
}

/// How old a true book may be and still be read as live.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Where the change after it was sent on a line.
    pub known: Nanos,
    /// Where no line carried the change nobody can know of it before one of another symbol is carried, and by
    /// then at the latest: so long the partition may be silent.
    pub silence: Nanos,
}

impl Bound {
    /// The sum of what may lie between the exchange's note of a change and a reader's seeing it
    /// without anything having gone wrong:
    /// - the change leaves on line A within one turn of the exchange's loop, and on line B, should
    ///   A lose it, within two and the linger: its own longest turn says what the machine did to it;
    /// - the kernel brings it to the ring: 50 ms are room for a machine that is busy elsewhere;
    /// - a message before it may be missing on one line for the reorder grace;
    /// - the lane may be late by the bound at which it would call itself late, and stand still for
    ///   as long as it vouches.
    pub fn of(world: &World) -> Bound {
        let turn = world.status()["wire"]["longest_turn_ns"].as_u64().unwrap();
        let known = Nanos(3 * turn) + Nanos::from_millis(50) + world.plan.grace + LEASE + LEASE;
        Bound { known, silence: world.plan.silence }
    }
}

/// Ends the exchange and judges what was seen.
pub fn judge(world: &mut World, log: &Log) -> Truth {
    let bound = Bound::of(world);
    let truth = world.end_exchange();
    let books = log.assert_true(&truth, bound);
    println!(
        "judged: {books} books in {} live reads of {} ({} interrupted), none wrong; the bound is {}",
        log.live, log.reads, log.interrupted, bound.known
    );
    truth
}

/// How often the lane stood still since this was made.
pub struct Stalls(u64);

impl Stalls {
    pub fn from_now(region: &Region) -> Stalls {
        Stalls(stalls(region))
    }

    pub fn until_now(&self, region: &Region) -> u64 {
        let more = stalls(region) - self.0;
        if more > 0 {
            println!("the lane stood still {more} times: {:?}", lane(region).lease_left);
        }
        more
    }
}
