//! Whether the world looks odd: what is Live by protocol, and yet unlike the venue a minute ago.
//!
//! Odd is not stale. Nothing here changes a status: a venue may have nothing to say. It tells an operator,
//! once for each time that it begins, of what no rule of status can see:
//!
//! - **Frozen numbers**: a partition's heartbeats go on and its numbers stand still, for twenty seconds and
//!   longer, while the rest of its venue moves so that, by its share of the minutes before, it would have
//!   had more than two hundred. A partition that never has much to say is thin, and never frozen.
//! - **Empty books**: more than half as many symbols as had quotes within the last minute have none, and it
//!   is symbols without quotes that have become more: not halted ones, not stale ones.
//!
//! What is usual is learnt while watching. A partition that is frozen before anybody watched can't be told
//! from a thin one; where nothing ever named its symbols, they are `Unproven` anyway.
//!
//! A machine without IO or clock, off the lanes: show it all partitions about once a second.
//!
//! ```
//! use candor_core::{Mono, Nanos, Quotes, SeqNo};
//! use candor_engine::odd::{Glance, Odd, OddWorld};
//!
//! let mut world = OddWorld::new(&[0, 0]); // two partitions of one venue
//! let mut told = Vec::new();
//! for second in 0u64..120 {
//!     // A hundred numbers a second each, until the second partition stands still.
//!     let expected = |stands: u64| SeqNo(1 + 100 * second.min(stands));
//!     let quotes = Quotes { two_sided: 50, ..Quotes::default() };
//!     let glance = |stands| Glance { live: true, epoch: 1, expected: expected(stands), quotes };
//!     let now = Mono(0) + Nanos::from_secs(second);
//!     world.look(now, &[glance(u64::MAX), glance(60)], |remark| told.push((second, remark)));
//! }
//! let [(second, remark)] = told[..] else { panic!("one remark") };
//! assert!((80..=90).contains(&second));
//! assert_eq!(remark.partition, 1);
//! assert!(matches!(remark.odd, Odd::FrozenNumbers { .. }));
//! ```

use core::fmt;
use std::collections::VecDeque;

use candor_core::{Mono, Nanos, Quotes, SeqNo};

/// Numbers that stand still for less are no matter.
const STILL: Nanos = Nanos::from_secs(20);

/// Numbers that must have been due meanwhile, by the partition's share of its venue.
const DUE: u64 = 200;

/// Of which no look adds more: a venue's burst in one second proves nothing about the others.
const DUE_A_LOOK: u64 = DUE / 10;

/// How soon what was due is forgotten: more than about ten a second must be.
const DUE_FOR: Nanos = Nanos::from_secs(60);

/// How soon what is usual is forgotten.
const USUAL_FOR: Nanos = Nanos::from_secs(300);

/// Numbers that a partition must have had lately for its share to mean anything.
const USUAL_LEAST: u64 = 100;

/// Numbers that end it.
const MOVES_AGAIN: u64 = 20;

/// How long ago books had quotes that are missed now.
const QUOTED_FOR: Nanos = Nanos::from_secs(60);

/// Looks of which it is remembered: those of a minute, a second apart.
const LOOKS: usize = 64;

/// Symbols with quotes below which a share means nothing.
const QUOTED_LEAST: u32 = 4;

/// Looks in a row that books must be empty: what resumes trading is empty for a moment.
const EMPTY_LOOKS: u32 = 2;

/// Looks further apart than this begin anew: nobody knows what happened between.
const APART: Nanos = Nanos::from_secs(10);

/// Averages are kept in so many parts of a number.
const PARTS: u64 = 1_000;

/// What is seen of a partition in one look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Glance {
    /// The partition is Live: its heartbeats come and nothing is missing.
    pub live: bool,
    /// Its epoch: another one is another session.
    pub epoch: u32,
    /// The next number expected.
    pub expected: SeqNo,
    /// What the books of its Live symbols quote.
    pub quotes: Quotes,
}

/// What is odd.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Odd {
    /// Its numbers stand still while those of its siblings run.
    FrozenNumbers {
        /// For how long.
        still: Nanos,
        /// How many it would have had lately by its share.
        due: u64,
    },
    /// Its books have lost their quotes.
    EmptyBooks {
        /// How many more have none than at any time in the last minute.
        empty: u32,
        /// How many had some at most in the last minute.
        of: u32,
    },
}

/// Something odd begins, or is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remark {
    /// The partition.
    pub partition: u16,
    /// What.
    pub odd: Odd,
    /// It begins. What is over because its partition is no longer Live is over without a word: its
    /// status says more.
    pub begins: bool,
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Odd::FrozenNumbers { still, due } => write!(
                f,
                "heartbeats come and numbers have stood still for {still}; by its share of the venue about \
                 {due} were due lately"
            ),
            Odd::EmptyBooks { empty, of } => {
                write!(f, "{empty} of {of} books that had quotes within a minute have none")
            }
        }
    }
}

/// Watches the partitions of a handler.
#[derive(Clone, Debug)]
pub struct OddWorld {
    seats: Vec<Seat>,
    /// Numbers of this look, by venue.
    moved: Vec<u64>,
    /// What is usual of a venue, in parts of a number.
    usual: Vec<u64>,
    last: Option<Mono>,
}

#[derive(Clone, Debug)]
struct Seat {
    venue: usize,
    /// Its epoch and the number expected, as of the last look; `None` where it was not Live.
    last: Option<(u32, SeqNo)>,
    /// Numbers since the last look.
    moved: u64,
    /// Numbers it has had lately, in parts.
    usual: u64,
    numbers: Numbers,
    books: Books,
}

/// Whether a partition's numbers move.
#[derive(Clone, Copy, Debug)]
enum Numbers {
    /// Still since then: the last look in which they moved. So much was due, in parts; the share is
    /// what was usual then, its own and its siblings'.
    Still { since: Mono, due: u64, own: u64, others: u64 },
    /// It was said that they are frozen; they have moved so far since.
    Frozen { since: Mono, due: u64, moved: u64 },
}

impl Numbers {
    const fn from(now: Mono) -> Numbers {
        Numbers::Still { since: now, due: 0, own: 0, others: 0 }
    }
}

/// What books quoted within the last minute.
#[derive(Clone, Debug)]
struct Books {
    /// When, symbols with quotes, symbols without.
    seen: VecDeque<(Mono, u32, u32)>,
    /// Looks in a row in which too many had none.
    looks: u32,
    /// It was said, and what had quotes before.
    said: Option<u32>,
}

impl OddWorld {
    /// A watch over partitions whose venues are these, by any numbers below that of the partitions.
    #[must_use]
    pub fn new(venues: &[u16]) -> OddWorld {
        let seat = |venue: &u16| Seat {
            venue: usize::from(*venue),
            last: None,
            moved: 0,
            usual: 0,
            numbers: Numbers::from(Mono::NEVER),
            books: Books { seen: VecDeque::with_capacity(LOOKS), looks: 0, said: None },
        };
        let count = venues.iter().map(|venue| usize::from(*venue) + 1).max().unwrap_or(0);
        OddWorld {
            seats: venues.iter().map(seat).collect(),
            moved: vec![0; count],
            usual: vec![0; count],
            last: None,
        }
    }

    /// Looks at every partition, in order, at `now`.
    ///
    /// # Panics
    /// When there are not as many glances as partitions, or time goes back.
    pub fn look(&mut self, now: Mono, glances: &[Glance], mut remark: impl FnMut(Remark)) {
        assert_eq!(glances.len(), self.seats.len(), "a glance at every partition");
        let passed = self.last.map_or(Nanos::ZERO, |last| {
            assert!(last <= now, "time goes back");
            now.since(last)
        });
        let anew = passed > APART || self.last.is_none();
        self.last = Some(now);
        self.moved.fill(0);
        for (seat, glance) in self.seats.iter_mut().zip(glances) {
            if anew || !glance.live || seat.last.is_some_and(|(epoch, _)| epoch != glance.epoch) {
                seat.forget(now);
            }
            seat.moved = seat.last.map_or(0, |(_, last)| glance.expected.0.saturating_sub(last.0));
            seat.last = glance.live.then_some((glance.epoch, glance.expected));
            seat.usual = faded(seat.usual, passed, USUAL_FOR).saturating_add(parts(seat.moved));
            self.moved[seat.venue] = self.moved[seat.venue].saturating_add(seat.moved);
        }
        self.usual.fill(0);
        for seat in &self.seats {
            self.usual[seat.venue] = self.usual[seat.venue].saturating_add(seat.usual);
        }
        for (index, (seat, glance)) in (0u16..).zip(self.seats.iter_mut().zip(glances)) {
            if !glance.live {
                continue;
            }
            let others = self.moved[seat.venue] - seat.moved;
            let usual = self.usual[seat.venue] - seat.usual;
            let odd = [
                seat.look_at_numbers(now, passed, others, usual),
                seat.books.look(now, glance.quotes),
            ];
            for (odd, begins) in odd.into_iter().flatten() {
                remark(Remark { partition: index, odd, begins });
            }
        }
    }
}

impl Seat {
    /// Nothing that was seen before can be compared with what is seen now, except how much it usually
    /// has to say.
    fn forget(&mut self, now: Mono) {
        self.last = None;
        self.numbers = Numbers::from(now);
        self.books.seen.clear();
        (self.books.looks, self.books.said) = (0, None);
    }

    fn look_at_numbers(
        &mut self,
        now: Mono,
        passed: Nanos,
        others: u64,
        usual: u64,
    ) -> Option<(Odd, bool)> {
        match &mut self.numbers {
            Numbers::Still { since, due, own, others: siblings } if self.moved == 0 => {
                if (*own, *siblings) == (0, 0) {
                    // Live again: what it usually had to say is not forgotten that fast.
                    (*own, *siblings) = (self.usual, usual);
                }
                *due = faded(*due, passed, DUE_FOR);
                if *own < parts(USUAL_LEAST) || *siblings == 0 {
                    return None;
                }
                let share = u128::from(others) * u128::from(*own) * u128::from(PARTS);
                let share = u64::try_from(share / u128::from(*siblings)).unwrap_or(u64::MAX);
                *due += share.min(parts(DUE_A_LOOK));
                let still = now.since(*since);
                if still < STILL || *due < parts(DUE) {
                    return None;
                }
                let (since, due) = (*since, *due / PARTS);
                self.numbers = Numbers::Frozen { since, due, moved: 0 };
                Some((Odd::FrozenNumbers { still, due }, true))
            }
            Numbers::Still { .. } => {
                let own = self.usual;
                self.numbers = Numbers::Still { since: now, due: 0, own, others: usual };
                None
            }
            Numbers::Frozen { since, due, moved } => {
                *moved = moved.saturating_add(self.moved);
                if *moved < MOVES_AGAIN {
                    return None;
                }
                let odd = Odd::FrozenNumbers { still: now.since(*since), due: *due };
                let own = self.usual;
                self.numbers = Numbers::Still { since: now, due: 0, own, others: usual };
                Some((odd, false))
            }
        }
    }
}

impl Books {
    fn look(&mut self, now: Mono, quotes: Quotes) -> Option<(Odd, bool)> {
        if let Some(of) = self.said {
            let over = u64::from(quotes.quoted()) * 2 >= u64::from(of);
            return over.then(|| {
                self.said = None;
                self.seen.clear();
                (Odd::EmptyBooks { empty: quotes.empty, of }, false)
            });
        }
        while self.seen.front().is_some_and(|(at, _, _)| *at + QUOTED_FOR < now) {
            self.seen.pop_front();
        }
        let of = self.seen.iter().map(|(_, quoted, _)| *quoted).max().unwrap_or(0);
        let least = self.seen.iter().map(|(_, _, empty)| *empty).min().unwrap_or(quotes.empty);
        let empty = quotes.empty.saturating_sub(least);
        let lost = u64::from(quotes.quoted()) * 2 < u64::from(of);
        let bare = u64::from(empty) * 2 > u64::from(of);
        if of >= QUOTED_LEAST && lost && bare {
            // What is being judged is no part of what is usual.
            self.looks += 1;
            if self.looks < EMPTY_LOOKS {
                return None;
            }
            (self.looks, self.said) = (0, Some(of));
            return Some((Odd::EmptyBooks { empty: empty.min(of), of }, true));
        }
        self.looks = 0;
        if self.seen.len() == LOOKS {
            self.seen.pop_front();
        }
        self.seen.push_back((now, quotes.quoted(), quotes.empty));
        None
    }
}

const fn parts(numbers: u64) -> u64 {
    numbers.saturating_mul(PARTS)
}

/// What is left after so long of something that is forgotten in about `within`.
fn faded(value: u64, passed: Nanos, within: Nanos) -> u64 {
    let gone = u128::from(value) * u128::from(passed.0.min(within.0)) / u128::from(within.0);
    value - u64::try_from(gone).unwrap_or(value)
}
