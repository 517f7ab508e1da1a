//! Which ask of which partition goes to the venue next.
//!
//! All partitions of a venue share its quota. A desk takes their asks, and lets them go one by one as
//! the [`Budget`] allows: the one whose numbers are missing longest first, of several the smaller. An ask
//! that has expired is never let go.
//!
//! What is let go need not leave at once: over a connection it waits for that. Its place in the budget is
//! kept until whoever has it says that it has left ([`Desk::left`]) or never will ([`Desk::release`]), so
//! that the venue sees no more than it allows, whenever that is.
//!
//! After every call, and at [`Desk::deadline`], `next` is called until it says `None`.

use candor_core::{Ask, Mono, Nanos, Refusal, Refused, SnapshotAsk};

use crate::budget::{Allowance, Budget, Meter};
use crate::counts::{Count, Counts};
use crate::snapshot::{Body, Piece};

/// What becomes of an ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision<A, R> {
    /// Hand it to the partition's client. A place in the budget is kept for it from now on.
    Send {
        /// The partition.
        partition: u16,
        /// Its ask.
        ask: A,
    },
    /// Hand this back to the partition.
    Refused {
        /// The partition.
        partition: u16,
        /// What it is told.
        refused: R,
    },
}

/// What the two kinds of asks have in common.
trait Errand: Copy {
    type Refused;
    /// Whether one is refused as soon as it is clear that it can't leave in time. What waits for long is
    /// not: much may change meanwhile.
    const REFUSED_EARLY: bool;
    fn expires(&self) -> Mono;
    /// Who has the lowest goes first.
    fn rank(&self) -> (Mono, u64, u64);
    /// Whether an older ask of the same partition is of no use beside this one.
    fn replaces(&self, older: &Self) -> bool;
    fn refused(&self, why: Refusal) -> Self::Refused;
}

impl Errand for Ask {
    type Refused = Refused;
    const REFUSED_EARLY: bool = true;

    fn expires(&self) -> Mono {
        self.expires
    }

    fn rank(&self) -> (Mono, u64, u64) {
        (self.opened, self.range.len(), self.range.first.0)
    }

    fn replaces(&self, older: &Ask) -> bool {
        self.session != older.session || !self.range.intersect(older.range).is_empty()
    }

    fn refused(&self, why: Refusal) -> Refused {
        Refused { session: self.session, range: self.range, why }
    }
}

impl Errand for SnapshotAsk {
    type Refused = Piece<'static>;
    const REFUSED_EARLY: bool = false;

    fn expires(&self) -> Mono {
        self.expires
    }

    fn rank(&self) -> (Mono, u64, u64) {
        (self.opened, 0, 0)
    }

    fn replaces(&self, _older: &SnapshotAsk) -> bool {
        true
    }

    fn refused(&self, why: Refusal) -> Piece<'static> {
        Piece { cycle: self.cycle, body: Body::Failed(why) }
    }
}

/// Asks that wait, in no order: there are few, and what is looked for differs.
#[derive(Debug)]
struct Queue<E> {
    waiting: Vec<(u16, E)>,
    room: usize,
    /// The one there was no room for.
    turned_away: Option<(u16, E, Refusal)>,
    meter: Meter,
    counts: Counts,
}

impl<E: Errand> Queue<E> {
    fn new(room: usize, budget: Budget) -> Queue<E> {
        assert!(room > 0, "a desk without room");
        Queue {
            waiting: Vec::with_capacity(room),
            room,
            turned_away: None,
            meter: Meter::new(budget),
            counts: Counts::new(),
        }
    }

    fn ask(&mut self, now: Mono, partition: u16, errand: E) {
        assert!(self.turned_away.is_none(), "decisions are fetched after every call");
        self.counts.add(Count::Asks);
        let before = self.waiting.len();
        self.waiting.retain(|(of, older)| *of != partition || !errand.replaces(older));
        for _ in self.waiting.len()..before {
            self.counts.add(Count::Replaced);
        }
        let mut newest = (partition, errand);
        // What can't leave in time because of others ahead of it is refused now. Who has waited longest
        // waits on, or those who come later would have what there is room for.
        let ahead = self.waiting.iter().filter(|other| rank(other) < rank(&newest)).count();
        let room = self.meter.room_behind(ahead);
        let hopeless = E::REFUSED_EARLY
            && ahead > 0
            && errand.expires() > now
            && room.is_some_and(|from| from >= errand.expires());
        if hopeless {
            self.turned_away = Some((partition, errand, Refusal::Budget));
            return;
        }
        if self.waiting.len() == self.room {
            // Who would have gone last is turned away, be it the new one.
            let last = self.waiting.iter_mut().max_by_key(|(of, errand)| (errand.rank(), *of));
            if let Some(last) = last.filter(|last| rank(&newest) < rank(last)) {
                core::mem::swap(&mut newest, last);
            }
            let (partition, errand) = newest;
            self.turned_away = Some((partition, errand, Refusal::Busy));
            return;
        }
        self.waiting.push(newest);
    }

    /// What is refused now, before anything is sent.
    fn next_refused(&mut self, now: Mono) -> Option<Decision<E, E::Refused>> {
        let (partition, errand, why) =
            if let Some((partition, errand, why)) = self.turned_away.take() {
                let busy = why == Refusal::Busy;
                self.counts.add(if busy { Count::Overflows } else { Count::OverBudget });
                (partition, errand, why)
            } else if let Some(at) = self.waiting.iter().position(|(_, e)| e.expires() <= now) {
                self.counts.add(Count::Expired);
                let (partition, errand) = self.waiting.swap_remove(at);
                (partition, errand, Refusal::Expired)
            } else if self.meter.allowance(now) == Allowance::NotToday {
                let (partition, errand) = self.waiting.pop()?;
                self.counts.add(Count::OverBudget);
                (partition, errand, Refusal::Budget)
            } else {
                return None;
            };
        Some(Decision::Refused { partition, refused: errand.refused(why) })
    }

    fn next_sent(&mut self, now: Mono) -> Option<(u16, E)> {
        if self.meter.allowance(now) != Allowance::Now {
            return None;
        }
        let first = self.waiting.iter().enumerate().min_by_key(|(_, waiting)| rank(waiting));
        let at = first?.0;
        self.meter.reserve(now);
        self.counts.add(Count::Requests);
        Some(self.waiting.swap_remove(at))
    }

    fn expiry(&self) -> Option<Mono> {
        self.waiting.iter().map(|(_, errand)| errand.expires()).min()
    }

    /// When the budget allows what waits, be it at once; `None` where that depends on what was let go.
    fn allowed(&self, now: Mono) -> Option<Mono> {
        match self.meter.allowance(now) {
            Allowance::From(from) => Some(from),
            Allowance::Now | Allowance::NotToday => Some(now),
            Allowance::Unknown => None,
        }
    }

    fn left(&mut self, now: Mono, count: usize) {
        for _ in 0..count {
            self.meter.leave(now);
        }
    }

    fn release(&mut self, count: usize) {
        for _ in 0..count {
            self.meter.release();
        }
    }
}

fn rank<E: Errand>((partition, errand): &(u16, E)) -> ((Mono, u64, u64), u16) {
    (errand.rank(), *partition)
}

/// The desk of a venue's retransmit service.
#[derive(Debug)]
pub struct Desk {
    queue: Queue<Ask>,
    /// When it was looked at last.
    looked: Mono,
}

impl Desk {
    /// A desk where `room` asks can wait. When it is full, the ask that would go last is refused
    /// ([`Refusal::Busy`]).
    ///
    /// # Panics
    /// Without room, or with a budget of nothing or of more than a meter can keep account of.
    #[must_use]
    pub fn new(room: usize, budget: Budget) -> Desk {
        Desk { queue: Queue::new(room, budget), looked: Mono::NEVER }
    }

    /// So many requests have left before this desk was there, at this time and none later.
    ///
    /// # Panics
    /// Where some have left since, or what was told last was later.
    pub fn remember(&mut self, at: Mono, count: u32) {
        self.queue.meter.remember(at, count);
    }

    /// How many requests have left since this desk is there.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.queue.meter.sent_here()
    }

    /// A partition asks. What it asked before that overlaps, or is of another session, is forgotten
    /// without a word.
    pub fn ask(&mut self, now: Mono, partition: u16, ask: Ask) {
        self.looked = now;
        self.queue.ask(now, partition, ask);
    }

    /// The next decision: first what is refused because it found no room, has expired, or the day's
    /// budget is used up; then what is sent.
    pub fn next(&mut self, now: Mono) -> Option<Decision<Ask, Refused>> {
        self.looked = now;
        if let Some(refused) = self.queue.next_refused(now) {
            return Some(refused);
        }
        let (partition, ask) = self.queue.next_sent(now)?;
        Some(Decision::Send { partition, ask })
    }

    /// So many that were let go have left now.
    ///
    /// # Panics
    /// Where not so many were let go.
    pub fn left(&mut self, now: Mono, count: usize) {
        self.looked = now;
        self.queue.left(now, count);
    }

    /// So many that were let go will never leave.
    ///
    /// # Panics
    /// Where not so many were let go.
    pub fn release(&mut self, count: usize) {
        self.queue.release(count);
    }

    /// When [`Desk::next`] has something to say again, though nobody asks and nothing leaves: an ask
    /// expires, or the budget allows one.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let expiry = self.queue.expiry()?;
        Some(self.queue.allowed(self.looked).map_or(expiry, |allowed| expiry.min(allowed)))
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.queue.counts
    }
}

/// How many snapshots are fetched at once, and for how long one counts as being fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Concurrency {
    /// Snapshots at once.
    pub snapshots: usize,
    /// A snapshot whose end nobody has reported counts as over after this time.
    pub longest: Nanos,
}

/// A snapshot being fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Running {
    partition: u16,
    cycle: u32,
    until: Mono,
}

/// The desk of a venue's snapshot service.
#[derive(Debug)]
pub struct SnapshotDesk {
    queue: Queue<SnapshotAsk>,
    running: Vec<Running>,
    concurrency: Concurrency,
    /// When it was looked at last.
    looked: Mono,
}

impl SnapshotDesk {
    /// A desk where `room` asks can wait, one of each partition. When it is full, the ask that would go
    /// last is refused ([`Refusal::Busy`]).
    ///
    /// # Panics
    /// Without room, with a budget of nothing or of more than a meter can keep account of, or where no
    /// snapshot may be fetched or for no time.
    #[must_use]
    pub fn new(room: usize, budget: Budget, concurrency: Concurrency) -> SnapshotDesk {
        assert!(concurrency.snapshots > 0, "no snapshot may be fetched");
        assert!(concurrency.longest > Nanos::ZERO, "every wait takes time");
        SnapshotDesk {
            queue: Queue::new(room, budget),
            running: Vec::with_capacity(concurrency.snapshots),
            concurrency,
            looked: Mono::NEVER,
        }
    }

    /// So many requests have left before this desk was there, at this time and none later.
    ///
    /// # Panics
    /// Where some have left since, or what was told last was later.
    pub fn remember(&mut self, at: Mono, count: u32) {
        self.queue.meter.remember(at, count);
    }

    /// How many requests have left since this desk is there.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.queue.meter.sent_here()
    }

    /// A partition asks. What it asked before is forgotten without a word.
    pub fn ask(&mut self, now: Mono, partition: u16, ask: SnapshotAsk) {
        self.looked = now;
        self.queue.ask(now, partition, ask);
    }

    /// The partition has no use for this snapshot any more, or its client is done with it one way or
    /// the other.
    pub fn done(&mut self, now: Mono, partition: u16, cycle: u32) {
        self.looked = now;
        self.running.retain(|at| (at.partition, at.cycle) != (partition, cycle));
        let before = self.queue.waiting.len();
        self.queue.waiting.retain(|(of, ask)| (*of, ask.cycle) != (partition, cycle));
        if self.queue.waiting.len() < before {
            self.queue.counts.add(Count::Dropped);
        }
    }

    /// The next decision: first what is refused because it found no room, has expired, or the day's
    /// budget is used up; then what is sent.
    pub fn next(&mut self, now: Mono) -> Option<Decision<SnapshotAsk, Piece<'static>>> {
        self.looked = now;
        if let Some(refused) = self.queue.next_refused(now) {
            return Some(refused);
        }
        self.running.retain(|at| now < at.until);
        if self.running.len() == self.concurrency.snapshots {
            return None;
        }
        let (partition, ask) = self.queue.next_sent(now)?;
        // A client fetches one snapshot: a newer one ends the one before.
        self.running.retain(|at| at.partition != partition);
        let until = now + self.concurrency.longest;
        self.running.push(Running { partition, cycle: ask.cycle, until });
        Some(Decision::Send { partition, ask })
    }

    /// So many that were let go have left now.
    ///
    /// # Panics
    /// Where not so many were let go.
    pub fn left(&mut self, now: Mono, count: usize) {
        self.looked = now;
        self.queue.left(now, count);
    }

    /// So many that were let go will never leave.
    ///
    /// # Panics
    /// Where not so many were let go.
    pub fn release(&mut self, count: usize) {
        self.queue.release(count);
    }

    /// When [`SnapshotDesk::next`] has something to say again, though nobody asks and nothing leaves: an
    /// ask expires, or the budget and those being fetched allow one.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let expiry = self.queue.expiry()?;
        let Some(allowed) = self.queue.allowed(self.looked) else { return Some(expiry) };
        let full = self.running.len() == self.concurrency.snapshots;
        let free = self.running.iter().map(|at| at.until).min().filter(|_| full);
        Some(expiry.min(free.map_or(allowed, |free| allowed.max(free))))
    }

    /// How many snapshots count as being fetched.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.queue.counts
    }
}
