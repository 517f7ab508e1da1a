//! Which alerts run: what call sites raise and what partitions show, made into one alert for one cause.
//!
//! A machine without IO or clock, off the lanes. Show it all partitions about ten times a second, tell it of
//! what happened, and it says what begins, changes and is over:
//!
//! - **Symptoms.** A partition that was Live and is stale by nobody's will is sick. What is sick is collected
//!   for a short window and joined: the narrowest thing that all of it has in common is named (`cause.rs`), and
//!   what happened shortly before is attached as suspects. What is well again within the window is counted and
//!   not spoken of.
//! - **What a running alert explains** joins it: its own partitions whatever becomes of them, more of the same
//!   cause within ten seconds, and partitions all of whose lines are where an event has struck.
//! - **What somebody means** is no symptom: halts, maps that end, sessions that the venue ends, partitions that
//!   are not to be subscribed, and everything before a partition was Live for the first time since one of those.
//! - **Events** are one alert for each code and place. What is raised again is counted.
//! - **Over** is what has been calm for five seconds: what comes back within that is counted, not said again.
//!
//! Texts are kept outside, by an alert's number.
//!
//! ```
//! use candor_core::{Mono, Nanos, Reason, Status};
//! use candor_core::alert::Code;
//! use candor_engine::alerts::{Alerts, News, Place, Seen, Seat};
//!
//! let seat = || Seat::new([Place::Venue(0), Place::Lane(0)]);
//! let mut alerts = Alerts::new(vec![seat(), seat(), seat()]);
//! # let live = candor_core::promote(&Reason::ALL.iter().fold(candor_core::Proof::NOTHING, |p, r| p.rule_out(*r, true)));
//! let mut told = Vec::new();
//! for tenth in 1..100u64 {
//!     let now = Mono(0) + Nanos::from_millis(100 * tenth);
//!     // All three fall silent at once, and stay so.
//!     let status = if tenth < 20 { live } else { Status::stale(Reason::Silent) };
//!     let seen = [Seen { status, halted: false, wanted: true }; 3];
//!     alerts.look(now, &seen, |news, alert| told.push((news, alert.code, alert.place, alert.sick)));
//! }
//! assert_eq!(told, [(News::Begins, Code::PartitionSilent, Place::Venue(0), 3)]);
//! ```

mod cause;
mod symptoms;
#[cfg(test)]
mod tests;

use candor_core::alert::{Code, Kind};
use candor_core::limits::{ALERTS, PARTITIONS, SUSPECTS};
use candor_core::{Mono, Nanos, Status};

pub use self::cause::{Place, Places, Seat};

/// How long symptoms are collected before they are spoken of. A partition is stale for every reader at once
/// whatever this is; it is how long one waits to be able to say what has struck.
const WINDOW: Nanos = Nanos::from_millis(500);

/// Sick for less when the window closes: not yet part of anything.
const LEAST: Nanos = Nanos(WINDOW.0 / 2);

/// How long after its last symptom an alert takes in more of what seems the same cause.
const WIDENS: Nanos = Nanos::from_secs(10);

/// How long everything must have been well until an alert is over.
const CALM: Nanos = Nanos::from_secs(5);

/// How long after it happened last an event is over that nobody ends.
const PASSES: Nanos = Nanos::from_secs(60);

/// How long before the first symptom something may have happened to be suspected.
const SUSPECTED: Nanos = Nanos::from_secs(10);

/// What happened lately and may be the cause of what follows; the oldest is forgotten.
const RECENT: usize = 32;

/// The place that is kept for saying that there is no room.
const LAST: usize = ALERTS - 1;

/// What is seen of a partition in one look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Its status, as it would be if nothing were halted.
    pub status: Status,
    /// An operator has halted it.
    pub halted: bool,
    /// It is to be subscribed: by configuration, map and command.
    pub wanted: bool,
}

/// What becomes of an alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    /// It begins.
    Begins,
    /// It takes in more, or something more is suspected.
    Changes,
    /// It is over.
    Over,
}

/// What may be the cause.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Suspect {
    /// The kernel or the card dropped frames.
    Drops,
    /// A lane stood still.
    Stall,
    /// A map was taken.
    Map,
    /// An operator has commanded something.
    Operator,
    /// An event that has an alert of its own.
    Event(Code),
}

impl Suspect {
    /// The suspect in a word or two.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Suspect::Drops => "kernel-drops",
            Suspect::Stall => "stalled-lane",
            Suspect::Map => "map-taken",
            Suspect::Operator => "operator",
            Suspect::Event(code) => code.label(),
        }
    }
}

/// A suspect, where and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Suspected {
    /// What.
    pub what: Suspect,
    /// Where.
    pub place: Place,
    /// When last.
    pub at: Mono,
}

/// One alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alert {
    /// Its number in this machine's life, from 1.
    pub id: u64,
    /// What it says.
    pub code: Code,
    /// Where: of symptoms the narrowest place that all of them have in common.
    pub place: Place,
    /// Other places that are exactly these partitions too, so that nothing tells which is meant.
    pub also: Places,
    /// Of symptoms: when the first of them was seen.
    pub began: Mono,
    /// When something was added last.
    pub last: Mono,
    /// Since when it is over; `None` while it runs.
    pub over: Option<Mono>,
    /// How often it was raised; of symptoms how many there were.
    pub count: u64,
    /// Partitions that are sick by it now.
    pub sick: u16,
    /// As many as there were at once.
    pub most: u16,
    /// Partitions at its place.
    pub of: u16,
    suspects: [Option<Suspected>; SUSPECTS],
    /// Nobody has said yet that it is over, or: since when it is calm.
    calm: Option<Mono>,
    /// Its end is said, not waited for.
    latched: bool,
}

impl Alert {
    /// What may be the cause, what came first first.
    pub fn suspects(&self) -> impl Iterator<Item = &Suspected> {
        self.suspects.iter().flatten()
    }

    /// Whether it runs.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.over.is_none()
    }

    fn suspect(&mut self, new: Suspected) -> bool {
        // It does not explain itself.
        if new.what == Suspect::Event(self.code) {
            return false;
        }
        let same = |it: &&mut Suspected| (it.what, it.place) == (new.what, new.place);
        if let Some(known) = self.suspects.iter_mut().flatten().find(same) {
            known.at = new.at;
            return false;
        }
        let free = self.suspects.iter_mut().find(|slot| slot.is_none());
        free.is_some_and(|slot| {
            *slot = Some(new);
            true
        })
    }
}

/// What is known of a partition.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// It was Live since somebody last meant it not to be.
    proven: bool,
    /// Since when it is stale by nobody's will, and what for.
    sick: Option<(Code, Mono)>,
    /// The alert that it is part of, by its place in the table; also while it is well for a moment.
    alert: Option<usize>,
    /// The alerts of what is odd about it: frozen numbers, empty books.
    odd: [Option<usize>; 2],
}

/// See the module's description.
#[derive(Clone, Debug)]
pub struct Alerts {
    seats: Vec<Seat>,
    states: Vec<State>,
    table: Vec<Option<Alert>>,
    recent: Vec<Suspected>,
    ids: u64,
    passed: u64,
    overflowed: u64,
    /// Partitions of the alert under way; kept for its room.
    set: Vec<u16>,
}

impl Alerts {
    /// For partitions that are at these places, by their numbers. Everything is allocated here.
    ///
    /// # Panics
    /// When there are more than [`PARTITIONS`].
    #[must_use]
    pub fn new(mut seats: Vec<Seat>) -> Alerts {
        assert!(seats.len() <= PARTITIONS, "more partitions than there can be");
        cause::number(&mut seats);
        Alerts {
            states: vec![State::default(); seats.len()],
            set: Vec::with_capacity(seats.len()),
            seats,
            table: vec![None; ALERTS],
            recent: Vec::with_capacity(RECENT),
            ids: 0,
            passed: 0,
            overflowed: 0,
        }
    }

    /// A map has changed what is where: the same partitions, and perhaps more.
    ///
    /// # Panics
    /// When there are fewer than before, or more than [`PARTITIONS`].
    pub fn reseat(&mut self, mut seats: Vec<Seat>) {
        assert!((self.seats.len()..=PARTITIONS).contains(&seats.len()), "partitions are added");
        self.states.resize(seats.len(), State::default());
        self.set.reserve(seats.len());
        cause::number(&mut seats);
        self.seats = seats;
    }

    /// Every alert that there is, running or over, each with its place in the table.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Alert)> {
        self.table.iter().enumerate().filter_map(|(at, alert)| Some((at, alert.as_ref()?)))
    }

    /// How many run.
    #[must_use]
    pub fn active(&self) -> usize {
        self.iter().filter(|(_, alert)| alert.is_active()).count()
    }

    /// The partitions that are part of an alert, by number.
    pub fn partitions(&self, id: u64) -> impl Iterator<Item = u16> + '_ {
        let at = self.iter().find(|(_, alert)| alert.id == id).map(|(at, _)| at);
        let of =
            move |state: &State| at.is_some() && (state.alert == at || state.odd.contains(&at));
        (0u16..).zip(&self.states).filter(move |(_, state)| of(state)).map(|(number, _)| number)
    }

    /// Symptoms that were gone before their window closed, and were not spoken of.
    #[must_use]
    pub const fn passed(&self) -> u64 {
        self.passed
    }

    /// Alerts that found no room.
    #[must_use]
    pub const fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Something happened that may be the cause of what is seen around then.
    pub fn suspect(
        &mut self,
        now: Mono,
        what: Suspect,
        place: Place,
        mut tell: impl FnMut(News, &Alert),
    ) {
        let new = Suspected { what, place, at: now };
        let same = |it: &&mut Suspected| (it.what, it.place) == (what, place);
        match self.recent.iter_mut().find(same) {
            Some(known) => known.at = now,
            None => {
                if self.recent.len() == RECENT {
                    let oldest = (0..RECENT).min_by_key(|at| self.recent[*at].at);
                    self.recent.remove(oldest.unwrap_or(0));
                }
                self.recent.push(new);
            }
        }
        for at in 0..ALERTS {
            let Some(alert) = self.table[at].filter(Alert::is_active) else { continue };
            let about = alert.code.kind() == Kind::Symptom && now.since(alert.began) < SUSPECTED;
            if about && self.meets(at, place) {
                let Some(alert) = &mut self.table[at] else { continue };
                if alert.suspect(new) {
                    tell(News::Changes, alert);
                }
            }
        }
    }

    /// A call site says that something is so, or happened: one alert for each code and place, whose number is
    /// returned; `None` where there was no room. `more` is what it counts for. The number is another alert's
    /// where that shows what this event explains.
    pub fn raise(
        &mut self,
        now: Mono,
        code: Code,
        place: Place,
        more: u64,
        mut tell: impl FnMut(News, &Alert),
    ) -> Option<u64> {
        if code.kind() == Kind::Event {
            self.suspect(now, Suspect::Event(code), place, &mut tell);
        }
        let same = |alert: &Alert| alert.is_active() && (alert.code, alert.place) == (code, place);
        if let Some(alert) = self.table.iter_mut().flatten().find(|alert| same(alert)) {
            alert.count = alert.count.saturating_add(more);
            (alert.last, alert.calm) = (now, None);
            return Some(alert.id);
        }
        if let Some(id) = self.explains_running(code, place) {
            return Some(id);
        }
        let at = self.begin(now, code, place, more, &mut tell)?;
        let of = cause::members(&self.seats, |seat| seat.is_at(place));
        let alert = self.table[at].as_mut()?;
        (alert.latched, alert.of) = (!code.passes(), of);
        tell(News::Begins, alert);
        Some(alert.id)
    }

    /// The running alert whose cause this event is: it has it among its suspects, and is not said a second time.
    fn explains_running(&self, event: Code, place: Place) -> Option<u64> {
        let symptoms = |(_, alert): &(usize, &Alert)| {
            alert.is_active() && alert.sick > 0 && explained(event, alert.code)
        };
        let whole = |(at, _): &(usize, &Alert)| {
            let mut all = self.states.iter().zip(&self.seats);
            all.all(|(state, seat)| state.alert != Some(*at) || seat.is_wholly_at(place))
        };
        self.iter().filter(symptoms).find(whole).map(|(_, alert)| alert.id)
    }

    /// A call site says that it is no longer so. Said when it stays so.
    pub fn end(&mut self, now: Mono, code: Code, place: Place) {
        let same =
            |alert: &&mut Alert| alert.is_active() && (alert.code, alert.place) == (code, place);
        if let Some(alert) = self.table.iter_mut().flatten().find(same) {
            alert.calm.get_or_insert(now);
        }
    }

    /// What an event was about is over, and can't come back: it is over at once, and the next is another alert.
    pub fn over(
        &mut self,
        now: Mono,
        code: Code,
        place: Place,
        mut tell: impl FnMut(News, &Alert),
    ) {
        let same = |alert: &&mut Alert| {
            alert.is_active() && alert.sick == 0 && (alert.code, alert.place) == (code, place)
        };
        if let Some(alert) = self.table.iter_mut().flatten().find(same) {
            alert.over = Some(now);
            tell(News::Over, alert);
        }
    }

    /// What looks odd about these partitions, from one look at all of them, begins or ends.
    pub fn odd(
        &mut self,
        now: Mono,
        code: Code,
        partitions: &[u16],
        begins: bool,
        mut tell: impl FnMut(News, &Alert),
    ) -> Option<u64> {
        let kind = usize::from(code == Code::EmptyBooks);
        if !begins {
            for number in partitions {
                self.no_longer_odd(now, usize::from(*number), kind);
            }
            return None;
        }
        let running = |alert: &Alert| {
            alert.is_active() && alert.code == code && now.since(alert.last) < WIDENS
        };
        let found = self.iter().find(|(_, alert)| running(alert)).map(|(at, _)| at);
        let at = match found {
            Some(at) => at,
            None => self.begin(now, code, Place::Handler, 0, &mut tell)?,
        };
        for number in partitions {
            self.states[usize::from(*number)].odd[kind] = Some(at);
        }
        self.set.clear();
        let members = (0u16..).zip(&self.states).filter(|(_, state)| state.odd[kind] == Some(at));
        self.set.extend(members.map(|(number, _)| number));
        let common = cause::common(&self.seats, &self.set, |_| true, code);
        let alert = self.table[at].as_mut()?;
        (alert.place, alert.also, alert.of) = (common.place, common.also, common.of);
        alert.sick = self.set.len() as u16;
        alert.most = alert.most.max(alert.sick);
        alert.count += partitions.len() as u64;
        (alert.last, alert.calm) = (now, None);
        tell(if found.is_some() { News::Changes } else { News::Begins }, alert);
        Some(alert.id)
    }

    fn no_longer_odd(&mut self, now: Mono, number: usize, kind: usize) {
        let Some(at) = self.states[number].odd[kind].take() else { return };
        if let Some(alert) = &mut self.table[at] {
            alert.sick = alert.sick.saturating_sub(1);
            if alert.sick == 0 {
                alert.calm = Some(now);
            }
        }
    }

    /// Looks at every partition, in order, at `now`.
    ///
    /// # Panics
    /// When there are not as many as partitions.
    pub fn look(&mut self, now: Mono, seen: &[Seen], mut tell: impl FnMut(News, &Alert)) {
        assert_eq!(seen.len(), self.seats.len(), "a look at every partition");
        for (number, seen) in seen.iter().enumerate() {
            self.look_at(now, number, *seen);
        }
        self.join_running(now, &mut tell);
        self.close(now, &mut tell);
        self.settle(now, &mut tell);
    }

    /// What has been calm for long enough is over.
    fn settle(&mut self, now: Mono, tell: &mut impl FnMut(News, &Alert)) {
        for at in 0..ALERTS {
            let Some(alert) = self.table[at].as_mut().filter(|it| it.is_active()) else { continue };
            let event =
                alert.code.kind() == Kind::Event || matches!(alert.code, Code::UnmappedMulticast);
            let passed = event && !alert.latched && now.since(alert.last) >= PASSES;
            let calm = alert.calm.is_some_and(|since| now.since(since) >= CALM);
            if alert.sick > 0 || !(passed || calm && (!event || alert.latched)) {
                continue;
            }
            alert.over = Some(now);
            tell(News::Over, alert);
            for state in &mut self.states {
                if state.alert == Some(at) {
                    state.alert = None;
                }
            }
        }
    }

    /// A place in the table for a new alert, filled; said by the caller once it is whole.
    fn begin(
        &mut self,
        now: Mono,
        code: Code,
        place: Place,
        count: u64,
        tell: &mut impl FnMut(News, &Alert),
    ) -> Option<usize> {
        let at = if code == Code::AlertsOverflow { Some(LAST) } else { self.room() };
        let Some(at) = at else {
            self.overflowed += 1;
            // One that is kept a place for.
            self.raise_overflow(now, tell);
            return None;
        };
        self.ids += 1;
        self.table[at] = Some(Alert {
            id: self.ids,
            code,
            place,
            also: Places::NONE,
            began: now,
            last: now,
            over: None,
            count,
            sick: 0,
            most: 0,
            of: 0,
            suspects: [None; SUSPECTS],
            calm: None,
            latched: false,
        });
        Some(at)
    }

    fn raise_overflow(&mut self, now: Mono, tell: &mut impl FnMut(News, &Alert)) {
        if let Some(alert) = self.table[LAST].as_mut().filter(|it| it.is_active()) {
            (alert.count, alert.last) = (alert.count + 1, now);
            return;
        }
        let at = self.begin(now, Code::AlertsOverflow, Place::Handler, 1, tell);
        if let Some(alert) = at.and_then(|at| self.table[at].as_ref()) {
            tell(News::Begins, alert);
        }
    }

    /// A free place, or that of what has been over the longest.
    fn room(&self) -> Option<usize> {
        let free = (0..LAST).find(|at| self.table[*at].is_none());
        free.or_else(|| {
            let over = (0..LAST).filter_map(|at| Some((self.table[at]?.over?, at)));
            over.min().map(|(_, at)| at)
        })
    }

    /// What must always hold.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(&self) {
        for (at, alert) in self.iter() {
            let part = |state: &&State| state.alert == Some(at) && state.sick.is_some();
            let sick = self.states.iter().filter(part).count();
            let odd = self.states.iter().filter(|state| state.odd.contains(&Some(at))).count();
            assert_eq!(usize::from(alert.sick), sick + odd, "{alert:?}");
            assert!(alert.is_active() || alert.sick == 0, "{alert:?}");
        }
    }
}

/// Whether an event explains a symptom where it has struck.
const fn explained(event: Code, symptom: Code) -> bool {
    let unheard = matches!(
        symptom,
        Code::PartitionSilent
            | Code::PartitionGap
            | Code::PartitionLate
            | Code::PartitionRecovering
    );
    match event {
        Code::Interface => unheard,
        Code::FramesAstray => matches!(symptom, Code::PartitionLate),
        _ => false,
    }
}
