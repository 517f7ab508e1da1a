//! Alerts: where they are raised, and where they go.
//!
//! Whoever knows that something is wrong says so to a [`Raiser`], from any thread and without waiting: this is
//! the only way in. The handler's own thread takes what was said, and what partitions show, to the machine that
//! makes one alert of one cause (`candor_engine::alerts`), and from there to the sinks: the region's table, the
//! journal, the log with a line of JSON beside it, and the configured command (`desk`, `command`). No other code
//! writes a record or a line of the log about an alert.

mod command;
mod desk;
mod names;
mod say;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use candor_core::alert::Code;
use candor_core::{Line, Venue};
use candor_engine::alerts::Suspect;
use crossbeam_queue::ArrayQueue;

pub(crate) use desk::{Desk, Sinks};
pub(crate) use say::runbook;

/// Words that wait for the handler's own thread, which looks fifty times a second.
const ROOM: usize = 1_024;

/// What an alert is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum About {
    Handler,
    Venue(Venue),
    Interface(String),
    Partition(u16),
    Line(u16, Line),
}

/// Something that was said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    /// It is so, or happened so often.
    Raise { code: Code, about: About, more: u64, text: String },
    /// It is no longer so.
    End { code: Code, about: About },
    /// What it was about is over: it can't come back, and the next is another.
    Over { code: Code, about: About },
    /// It looks odd, or no longer.
    Odd { code: Code, partitions: Vec<u16>, begins: bool, text: String },
    /// It may be the cause of what follows.
    Suspect { what: Suspect, about: About },
}

/// The way in. Cheap to clone; never waits.
#[derive(Clone)]
pub(crate) struct Raiser {
    words: Arc<ArrayQueue<Word>>,
    missed: Arc<AtomicU64>,
}

impl Raiser {
    pub(crate) fn new() -> Raiser {
        Raiser { words: Arc::new(ArrayQueue::new(ROOM)), missed: Arc::default() }
    }

    /// Says that something is so. Said again it is counted.
    pub(crate) fn raise(&self, code: Code, about: About, text: impl Into<String>) {
        self.raise_more(code, about, 1, text);
    }

    /// Says that something happened so often.
    pub(crate) fn raise_more(&self, code: Code, about: About, more: u64, text: impl Into<String>) {
        self.put(Word::Raise { code, about, more, text: text.into() });
    }

    /// Says that it is no longer so.
    pub(crate) fn end(&self, code: Code, about: About) {
        self.put(Word::End { code, about });
    }

    /// Says that what it was about is over: the next, be it at once, is another.
    pub(crate) fn over(&self, code: Code, about: About) {
        self.put(Word::Over { code, about });
    }

    /// Says that partitions look odd, or no longer do.
    pub(crate) fn odd(&self, code: Code, partitions: Vec<u16>, begins: bool, text: String) {
        self.put(Word::Odd { code, partitions, begins, text });
    }

    /// Says what happened that may be the cause of something.
    pub(crate) fn suspect(&self, what: Suspect, about: About) {
        self.put(Word::Suspect { what, about });
    }

    fn put(&self, word: Word) {
        if self.words.push(word).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was said next.
    pub(crate) fn take(&self) -> Option<Word> {
        self.words.pop()
    }

    /// How much found no room since the last time.
    fn take_missed(&self) -> u64 {
        self.missed.swap(0, Ordering::Relaxed)
    }
}
