//! Snapshot cycles, holdback and splice: from a gap that nothing fills to whole books again.
//!
//! What no line and no retransmission brings is gone, and the books that miss it with it. The venue's
//! snapshot service sends them anew, as of some number of the stream, while the stream goes on. A
//! [`Snapshots`] says when to ask for one, holds back what the lines carry meanwhile, tells parts of
//! the snapshot from everything that only looks like them, and says at which number exactly the books
//! made from it meet the stream. It never sees a book: what is to be done with them is a [`Step`] or
//! a [`Verdict`]. It does no IO and reads no clock; after [`Snapshots::new`] it allocates nothing.
//!
//! # How to drive it
//!
//! 1. [`Snapshots::want`] one when numbers are lost, and again whenever more are: its number only
//!    grows. [`Snapshots::unwant`] it when they came after all.
//! 2. Hold back: from a number of one's choice on, at the latest from [`Step::Begin`] on, each
//!    message the stream delivers goes to [`Snapshots::hold`] instead of the books
//!    ([`Snapshots::hold_from`] begins that). An image made before the first message held is of
//!    little use, so it is better to begin when the snapshot is wanted. Where the stream leaves
//!    numbers out meanwhile, begin anew behind them, and want a higher number.
//! 3. Do the [`candor_core::Action`]s, and give what comes back to [`Snapshots::on_part`].
//! 4. When the snapshot is whole, and after everything that happens from then on, ask for the
//!    [`Snapshots::verdict`].
//! 5. On [`Verdict::Splice`], apply what [`Snapshots::take_held`] gives to the books until there is
//!    nothing more, and call [`Snapshots::done`]. That may take several turns: what the stream delivers
//!    meanwhile is held behind the rest, and a verdict or deadline is not asked for. The books are
//!    then as of the later of the splice's number and the stream's next: there the stream goes on.
//!
//! Before a splice, [`Snapshots::held_before`] says what the lines brought right before its number: a
//! snapshot whose books say otherwise is of other numbers, and [`Snapshots::refute`]d. [`Snapshots::abandon`]
//! a cycle whose snapshot turns out to be of no use otherwise.
//!
//! After each call, drain [`Snapshots::next_action`] and read [`Snapshots::deadline`] anew.
//!
//! ```
//! use candor_core::counters::Counters;
//! use candor_core::{Action, Messages, Mono, Nanos, SeqNo, SessionId, SnapshotPart};
//! use candor_snapshot::{Config, Snapshots, Step, Verdict};
//!
//! let mut snapshots = Snapshots::new(Config {
//!     holdback_bytes: 1 << 20,
//!     begin: Nanos::from_secs(5),
//!     idle: Nanos::from_secs(2),
//!     whole: Nanos::from_secs(60),
//!     confirm: Nanos::from_secs(2),
//!     retry: Nanos::from_millis(500),
//!     retry_max: Nanos::from_secs(30),
//! });
//! let mut counters = Counters::new();
//! let (now, session) = (Mono(1_000_000), SessionId::from_text(*b"20191230A "));
//!
//! // 8 and 9 are lost; the stream goes on at 10.
//! snapshots.hold_from(SeqNo(10), &mut counters);
//! snapshots.want(now, session, SeqNo(10), &mut counters);
//! let Some(Action::Snapshot(ask)) = snapshots.next_action() else { panic!() };
//! assert_eq!(ask.needs, SeqNo(10));
//!
//! let mut part = |snapshots: &mut Snapshots, part| {
//!     snapshots.on_part(now, ask.cycle, &part, session, &mut counters)
//! };
//! assert_eq!(part(&mut snapshots, SnapshotPart::Begin { session }), Step::Begin);
//! assert_eq!(part(&mut snapshots, SnapshotPart::Messages(Messages::NONE)), Step::Take);
//! assert_eq!(part(&mut snapshots, SnapshotPart::End { next: SeqNo(11) }), Step::Check);
//!
//! // The lines have shown nothing beyond 9 yet: is this really their numbering?
//! let verdict = snapshots.verdict(now, SeqNo(10), SeqNo(10), &mut counters);
//! assert_eq!(verdict, Verdict::Wait);
//! let _ = snapshots.hold(now, SeqNo(10), b"in the image", &mut counters);
//! let _ = snapshots.hold(now, SeqNo(11), b"not in the image", &mut counters);
//! let verdict = snapshots.verdict(now, SeqNo(12), SeqNo(12), &mut counters);
//! let Verdict::Splice(splice) = verdict else { panic!() };
//! assert_eq!(snapshots.take_held(&splice), Some((SeqNo(11), &b"not in the image"[..])));
//! assert_eq!(snapshots.take_held(&splice), None);
//! snapshots.done(now, splice, &mut counters);
//! ```
//!
//! # What always holds
//!
//! - A [`Splice`] is made only of a snapshot that began and ended, in one cycle, in the session
//!   followed, with every part between them [`Step::Take`]n and none of another cycle.
//! - It contains every number below the one needed, as of the moment of [`Snapshots::done`]; and
//!   what it doesn't contain of the stream is held, whole: [`Snapshots::take_held`] leaves no number
//!   out and repeats none that the snapshot contains.
//! - Every state but `Idle` has a deadline of its own, and none is moved by what may go on for ever:
//!   parts move only the wait for the next part.
//! - A cycle's number is never used again, and a cycle that came to nothing is dropped before the
//!   next is asked for.
//!
//! # Rules
//!
//! - **Holdback.** The newest messages, as many as fit. What the cycle that runs may need is what the
//!   stream delivered since the request, and from the number needed on; once the snapshot is whole,
//!   from its end on. When the oldest of those no longer fits the cycle fails
//!   ([`Failure::HoldbackFull`]). What is older makes room without a word. Nothing grows.
//! - **Confirmation.** A snapshot that ends beyond what the lines have shown waits until they have: a
//!   service that is ahead of the lines by more than a moment speaks of other numbers.
//! - **Too old.** A snapshot that ends before the number needed is not used. When the next one does
//!   so too, and is no older, it is not the service that is behind: a corrupt number has carried the
//!   stream away, and it has to go on from the snapshot ([`Verdict::Resync`]).
//! - **Back-off.** After each cycle that came to nothing the wait for the next doubles, up to the
//!   longest. It begins anew with a splice that is no resync, or with a session. A login that was refused and a quota that is
//!   used up are not tried again before the longest wait. Wanting and not wanting change nothing
//!   about it.
//! - **Sessions.** [`Snapshots::reset`] for a new session, and when the numbers restart within one.
//!
//! # Table
//!
//! What is said, what is to be done off the lane (`Ask`, `Drop`), and the state after it; `·` is
//! nothing and no change. In `Loaded` the snapshot ends before 15, 10 is needed, and 10 is the
//! stream's next. In `Idle` no wait of a cycle that came to nothing runs, but in the row that says so. A
//! verdict that permits a splice is followed by it. A test reads this table and tries each cell.
//!
//! | input | Idle | Waiting | Asked | Loading | Loaded |
//! | --- | --- | --- | --- | --- | --- |
//! | wanted | Ask → Asked | · | · | · | · |
//! | wanted, a higher number | Ask → Asked | · | · | · | · |
//! | wanted, and the wait runs still | → Waiting | · | · | · | · |
//! | not wanted any more | · | → Idle | Drop → Idle | stays | stays |
//! | not wanted any more, but holding | · | stays | stays | stays | stays |
//! | begin | · | · | Begin → Loading | OutOfOrder, Drop → Waiting | · |
//! | begin of another session | · | · | OtherSession, Drop → Waiting | OutOfOrder, Drop → Waiting | · |
//! | messages | · | · | OutOfOrder, Drop → Waiting | Take | · |
//! | end | · | · | OutOfOrder, Drop → Waiting | Check → Loaded | · |
//! | end at number 0 | · | · | OutOfOrder, Drop → Waiting | OutOfOrder, Drop → Waiting | · |
//! | refused | · | · | Refused → Waiting | Refused → Waiting | · |
//! | a part of another cycle | · | · | · | · | · |
//! | a message to hold | · | · | · | · | · |
//! | more than the holdback holds | · | · | HoldbackFull, Drop → Waiting | HoldbackFull, Drop → Waiting | HoldbackFull → Waiting |
//! | the deadline | · | Ask → Asked | NoBegin, Drop → Waiting | Hung, Drop → Waiting | Unconfirmed → Waiting |
//! | the deadline, with parts all along | · | Ask → Asked | NoBegin, Drop → Waiting | TooLong, Drop → Waiting | Unconfirmed → Waiting |
//! | a part at the deadline | · | · | NoBegin, Drop → Waiting | Hung, Drop → Waiting | · |
//! | verdict, the lines short of its end | Wait | Wait | Wait | Wait | Wait |
//! | verdict, the lines at its end | Wait | Wait | Wait | Wait | Splice → Idle |
//! | verdict, the lines beyond its end | Wait | Wait | Wait | Wait | Splice → Idle |
//! | verdict, a gap opened behind it | Wait | Wait | Wait | Wait | TooOld → Waiting |
//! | verdict, likewise again | Wait | Wait | Wait | Wait | Resync → Idle |
//! | verdict, holding began behind its end | Wait | Wait | Wait | Wait | NotHeld → Waiting |
//! | verdict at the deadline | Wait | Wait | Wait | Wait | Unconfirmed → Waiting |
//! | abandoned | · | · | Abandoned, Drop → Waiting | Abandoned, Drop → Waiting | Abandoned → Waiting |
//! | refuted | · | · | · | · | Contradicted → Waiting |
//! | a new session | · | → Idle | Drop → Idle | Drop → Idle | → Idle |
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

use candor_core::counters::Counter;
use candor_core::{Nanos, Refusal, SeqNo};

mod holdback;
mod machine;

pub use machine::Snapshots;

/// How much a [`Snapshots`] holds back and how long it waits for what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Bytes for messages held back: the length of each and two more. What a partition carries while
    /// a snapshot is made, sent and loaded must fit, or no snapshot of it ever does.
    pub holdback_bytes: usize,
    /// From the request to the snapshot's beginning, the time it waits to be sent included.
    pub begin: Nanos,
    /// From any of its parts to the next.
    pub idle: Nanos,
    /// From its beginning to its end.
    pub whole: Nanos,
    /// From its end until the lines have shown every number it contains.
    pub confirm: Nanos,
    /// From the first cycle that came to nothing to the next request; twice that after the second,
    /// and so on.
    pub retry: Nanos,
    /// At most.
    pub retry_max: Nanos,
}

/// Where a [`Snapshots`] stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// No snapshot is wanted.
    Idle,
    /// One is wanted, but not yet to be asked for again.
    Waiting,
    /// One was asked for and has not begun.
    Asked,
    /// One has begun.
    Loading,
    /// One was sent whole and waits for the lines to reach its number.
    Loaded,
}

/// What to do after a part, a message held back, or a deadline.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing.
    Ignore,
    /// Empty the books; hold messages back from here on, if that isn't so yet.
    Begin,
    /// Apply the part's messages to the books.
    Take,
    /// The snapshot is whole: ask for the [`Verdict`].
    Check,
    /// The cycle came to nothing. What it made of the books is not to be read; another one follows.
    Failed(Failure),
}

/// Whether a snapshot may take the place of the books.
#[must_use]
#[derive(PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Not yet: none is whole, or the lines have not shown all its numbers.
    Wait,
    /// Yes: it meets the stream at this number exactly.
    Splice(Splice),
    /// It was older than the gap, and so was the one before: a number that was never the venue's has
    /// carried the stream away. It goes on at this number, and all that was heard beyond is
    /// forgotten. Nothing may be called live before the lines have gone on from there.
    Resync(Splice),
    /// No, and it never will; another one follows.
    Unusable(Failure),
}

/// The permission to splice a snapshot: made by [`Snapshots::verdict`] alone, for one snapshot and
/// one number, and used up by [`Snapshots::done`].
#[must_use]
#[derive(PartialEq, Eq, Debug)]
pub struct Splice {
    next: SeqNo,
    cycle: u32,
    resync: bool,
}

impl Splice {
    /// The first number the snapshot doesn't contain.
    #[must_use]
    pub fn next(&self) -> SeqNo {
        self.next
    }

    /// The same, where what was held is of other numbers and not to be applied.
    pub fn without_held(self) -> Splice {
        Splice { resync: true, ..self }
    }
}

/// Why a cycle came to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The service said so.
    Refused(Refusal),
    /// The service didn't begin in time.
    NoBegin,
    /// The service stopped half-way.
    Hung,
    /// The service went on for too long.
    TooLong,
    /// The snapshot is of another session than the lines carry.
    OtherSession,
    /// The parts came in an impossible order: messages or an end before the beginning, a second
    /// beginning, an end at number 0.
    OutOfOrder,
    /// Messages it may have needed behind it no longer fit the holdback.
    HoldbackFull,
    /// It ended before the gap did.
    TooOld,
    /// Messages between its end and the first one held back are gone.
    NotHeld,
    /// The lines didn't reach its number in time: it may be of other numbers.
    Unconfirmed,
    /// Its books are not what the lines brought right before its number: one of the two is of other numbers.
    Contradicted,
    /// More books have to be rebuilt than it was asked for.
    Abandoned,
}

impl Failure {
    /// The counter of snapshots that counts it.
    #[must_use]
    pub const fn counter(self) -> Counter {
        match self {
            Failure::TooOld | Failure::NotHeld | Failure::Unconfirmed | Failure::Contradicted => {
                Counter::SnapshotsUnusable
            }
            Failure::Refused(_)
            | Failure::NoBegin
            | Failure::Hung
            | Failure::TooLong
            | Failure::OtherSession
            | Failure::OutOfOrder
            | Failure::HoldbackFull
            | Failure::Abandoned => Counter::SnapshotsFailed,
        }
    }

    /// Whether the service has another session than the lines carry.
    #[must_use]
    pub const fn is_of_another_session(self) -> bool {
        matches!(self, Failure::OtherSession | Failure::Refused(Refusal::WrongSession))
    }

    /// The failure's name in output: the service's word where it gave one.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Failure::Refused(why) => why.label(),
            Failure::NoBegin => "no_begin",
            Failure::Hung => "hung",
            Failure::TooLong => "too_long",
            Failure::OtherSession => "other_session",
            Failure::OutOfOrder => "out_of_order",
            Failure::HoldbackFull => "holdback_full",
            Failure::TooOld => "too_old",
            Failure::NotHeld => "not_held",
            Failure::Unconfirmed => "unconfirmed",
            Failure::Contradicted => "contradicted",
            Failure::Abandoned => "abandoned",
        }
    }
}
