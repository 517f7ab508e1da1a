//! Halts and resumes that the handler is asked for: its own thread stores words, which is memory, and another
//! keeps the record of them. A disk that hangs keeps that one waiting, and who asked for as long as is said here.
//!
//! A halt is in force before this begins; what was not recorded in time is recorded when the disk is back. A resume
//! that was not carried out in time never is: [`Wish`] decides between the two, right before its words are cleared.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use candor_core::{Mono, Nanos};
use candor_preopen::Report;
use candor_shm::{KillSwitch, Region};
use serde_json::{Map, Value, json};

use super::act::{self, Began, Hand, Resumed};
use super::record::Place;
use super::{Target, checked_reason, users};
use crate::clock::{self, timespec};
use crate::exit::{Exit, Failure};

/// How long who asked waits for the disk: longer than another process may have the record to itself, and not as long
/// as a client waits.
pub(crate) const DISK_WITHIN: Nanos = Nanos::from_secs(3);

/// And for a resume that was being carried out by then.
const CLAIMED_WITHIN: Nanos = Nanos::from_secs(4);

/// Errands that may wait for the disk at once.
const ROOM: usize = 64;

/// What somebody is told.
pub(crate) type Answer = Result<Map<String, Value>, Failure>;

/// What has become of what somebody asked for.
#[derive(Debug, Default)]
enum Fate {
    /// Nothing yet.
    #[default]
    Open,
    /// Nobody waits for it any more.
    GivenUp,
    /// It is being carried out.
    Claimed,
    Answered(Answer),
    /// Somebody waits until the last look, and no longer.
    #[cfg(test)]
    Leaves,
}

/// What somebody asked for and waits for, or no longer. Locked for a moment, by no lane and never with a file at hand.
#[derive(Debug, Default)]
pub(crate) struct Wish(Mutex<Fate>);

impl Wish {
    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody still waits for it.
    pub(super) fn stands(&self) -> bool {
        !matches!(*self.fate(), Fate::GivenUp)
    }

    /// Takes it on: whoever waits is told what becomes of it. Not where nobody waits.
    pub(super) fn claim(&self) -> bool {
        let mut fate = self.fate();
        let open = matches!(*fate, Fate::Open);
        if open {
            *fate = Fate::Claimed;
        }
        open
    }

    /// Stops waiting; whether it was before anybody took it on.
    fn give_up(&self) -> bool {
        let mut fate = self.fate();
        if matches!(*fate, Fate::Open) {
            *fate = Fate::GivenUp;
        }
        matches!(*fate, Fate::GivenUp)
    }

    /// Answers; whether in time.
    fn answer(&self, answer: Answer) -> bool {
        let mut fate = self.fate();
        let stands = !matches!(*fate, Fate::GivenUp);
        if stands {
            *fate = Fate::Answered(answer);
        }
        stands
    }
}

/// What a client waits for. Given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Pending {
    wish: Arc<Wish>,
    since: Mono,
    /// What it is told where the disk does not answer.
    otherwise: Answer,
}

impl Pending {
    /// What to tell the client, once that is known or the time is over.
    pub(crate) fn look(&self, now: Mono) -> Option<Answer> {
        if let Fate::Answered(answer) = &*self.wish.fate() {
            return Some(answer.clone());
        }
        let waited = now.since(self.since);
        if waited >= DISK_WITHIN && self.wish.give_up() {
            return Some(self.otherwise.clone());
        }
        let message =
            "it is being resumed, and its record's disk does not answer: look with `candor status`";
        (waited >= CLAIMED_WITHIN).then(|| Err(Failure::new(Exit::Unknown, message)))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.wish.give_up();
    }
}

/// Something to be done with the record.
struct Errand {
    target: Target,
    /// Who asked, by number: the host's list of users is a file too.
    by: u32,
    what: What,
    wish: Arc<Wish>,
}

enum What {
    Record {
        reason: String,
        since: u64,
        answer: Map<String, Value>,
    },
    Resume {
        second: String,
        began: Began,
        preopen: Report,
        /// Why not, where it is not recorded.
        unless: Option<Failure>,
    },
}

/// The handler's own thread's side.
pub(crate) struct Errands {
    to: SyncSender<Errand>,
    /// The record.
    path: PathBuf,
}

/// The side of the thread that waits for the disk.
pub(crate) struct Clerk {
    from: Receiver<Errand>,
    switch: KillSwitch,
    place: Place,
    region: Region,
}

/// Both.
pub(crate) fn open(place: &Place, switch: KillSwitch, region: Region) -> (Errands, Clerk) {
    let (to, from) = mpsc::sync_channel(ROOM);
    let errands = Errands { to, path: place.path().to_owned() };
    (errands, Clerk { from, switch, place: place.clone(), region })
}

fn answer(command: &str, target: &Target) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("command".to_owned(), json!(command));
    fields.insert("target".to_owned(), json!(target.to_string()));
    fields
}

fn unrecorded(mut fields: Map<String, Value>, why: &str) -> Map<String, Value> {
    fields.insert("unrecorded".to_owned(), json!(why));
    fields
}

impl Errands {
    /// Halts a target for this user now, and has it recorded.
    ///
    /// # Errors
    /// For what can't be halted.
    pub(crate) fn halt(
        &self,
        (hand, region): (&impl Hand, &Region),
        (target, reason): (&str, &str),
        by: u32,
        now: Mono,
    ) -> Result<Pending, Failure> {
        let reason = checked_reason(reason)?.to_owned();
        let target = Target::find(target, region)?;
        let changed = act::halt(hand, &target.words(region), candor_shm::clock::now());
        let mut answer = answer("halt", &target);
        answer.insert("changed".to_owned(), json!(changed));
        let path = self.path.display();
        let (late, full) = (
            format!("{path}: its disk has not answered in time: it is recorded when it does"),
            format!("{path}: its disk does not answer, and {ROOM} others wait for it"),
        );
        let [late, full] = [late, full].map(|why| Ok(unrecorded(answer.clone(), &why)));
        let what = What::Record { reason, since: clock::wall(), answer };
        Ok(self.ask(target, by, what, now, (late, full)))
    }

    /// Has a halt ended for this user, with a second person, by what preopen says of the partitions now.
    ///
    /// # Errors
    /// For what can't be halted.
    pub(crate) fn resume(
        &self,
        region: &Region,
        (target, second): (&str, &str),
        by: u32,
        now: Mono,
        preopen: impl FnOnce(&[u16]) -> Report,
    ) -> Result<Pending, Failure> {
        let (target, unless) = Target::find_or_recorded(target, region)?;
        // Before anything is looked at: who halts it from here on is not for this resume to end.
        let began = Began::words(region, &target);
        let preopen = preopen(&target.partitions(region));
        let path = self.path.display();
        let stays = |why: String| {
            let message = format!("{target} stays halted; {path}: {why}; ask again");
            Err(Failure::new(Exit::NoGo, message))
        };
        let late = stays("its disk has not answered in time".to_owned());
        let full = stays(format!("its disk does not answer, and {ROOM} others wait for it"));
        let what = What::Resume { second: second.to_owned(), began, preopen, unless };
        Ok(self.ask(target, by, what, now, (late, full)))
    }

    fn ask(
        &self,
        target: Target,
        by: u32,
        what: What,
        since: Mono,
        (late, full): (Answer, Answer),
    ) -> Pending {
        let wish = Arc::new(Wish::default());
        let errand = Errand { target, by, what, wish: Arc::clone(&wish) };
        if self.to.try_send(errand).is_err() {
            wish.answer(full);
        }
        Pending { wish, since, otherwise: late }
    }
}

impl Clerk {
    /// Does what is asked within this time, as it comes.
    pub(crate) fn work(&self, time: Nanos) {
        match self.from.recv_timeout(Duration::from_nanos(time.0)) {
            Ok(errand) => self.run(errand),
            Err(RecvTimeoutError::Timeout) => {}
            // The handler ends. An early return because of a signal only means an early look.
            Err(RecvTimeoutError::Disconnected) => {
                let _ = rustix::thread::nanosleep(&timespec(time));
            }
        }
    }

    /// Does what still waits.
    pub(crate) fn finish(&self) {
        self.from.try_iter().for_each(|errand| self.run(errand));
    }

    fn run(&self, errand: Errand) {
        let Errand { target, by, what, wish } = errand;
        match what {
            What::Record { reason, since, answer } => {
                self.record(&target, (by, &reason), since, (answer, &wish));
            }
            // Nobody is to find out later that it was carried out after all.
            What::Resume { .. } if !wish.stands() => {}
            What::Resume { second, began, preopen, unless } => {
                let asked = (by, second.as_str());
                let answer = self.resume(&target, asked, (began, &preopen), unless, &wish);
                let failed = answer.as_ref().err().map(ToString::to_string);
                if !wish.answer(answer)
                    && let Some(why) = failed
                {
                    tracing::warn!(%target, "a resume that nobody waits for any more: {why}");
                }
            }
        }
    }

    fn record(
        &self,
        target: &Target,
        (by, reason): (u32, &str),
        since: u64,
        (mut answer, wish): (Map<String, Value>, &Wish),
    ) {
        let Clerk { switch, place, region, .. } = self;
        let by = users::numbered(by);
        match act::record(switch, place, region, target, (&by, reason), since) {
            Ok(new) => {
                let before = if new { "" } else { ", since before" };
                let path = format!("{}{before}", place.path().display());
                answer.insert("recorded".to_owned(), json!(path));
                if !wish.answer(Ok(answer)) {
                    tracing::warn!(%target, %by, "recorded, late: its disk answers again");
                }
            }
            Err(failure) => {
                tracing::error!(%target, "halted, and not recorded: {failure}");
                wish.answer(Ok(unrecorded(answer, &failure.message)));
            }
        }
    }

    fn resume(
        &self,
        target: &Target,
        (by, second): (u32, &str),
        (began, preopen): (Began, &Report),
        unless: Option<Failure>,
        wish: &Wish,
    ) -> Answer {
        let Clerk { switch, place, region, .. } = self;
        let records = place.read()?;
        if let Some(failure) = unless
            && !target.is_recorded(&records)
        {
            return Err(failure);
        }
        let (by, began) = ([users::numbered(by)], began.with(records));
        let (by_both, found) = ((&by[..], second), (&began, preopen));
        match act::resume(switch, place, region, target, by_both, found, wish)? {
            Resumed::NoGo(lines) => Err(act::no_go(target, &lines)),
            Resumed::Done(_) => {
                let by = &by[0].name;
                tracing::warn!(%target, by, second, "resumed");
                Ok(answer("resume", target))
            }
        }
    }
}

#[cfg(test)]
mod tests;
