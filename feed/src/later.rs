//! A small file whose text one thread knows and another writes: who knows it never waits for the disk, and can tell
//! that somebody does. What is written is always the newest.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candor_core::{Mono, Nanos};

use crate::kept::Kept;

/// A text that has not been written for so long will not be soon.
pub(crate) const HANGS_AFTER: Nanos = Nanos::from_secs(2);

/// What the two threads share. Locked for a moment, by no lane and never with the file at hand.
#[derive(Debug, Default)]
struct Slot {
    /// What is to be in the file and is in nobody's hand, and since when something is that isn't.
    waits: Option<(String, Mono)>,
    /// Since when that is so of what its writer has in hand.
    in_hand: Option<Mono>,
    /// Why it could not be written when that was tried last.
    failed: Option<String>,
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For who knows the text.
#[derive(Debug)]
pub(crate) struct Later {
    slot: Arc<Mutex<Slot>>,
    path: PathBuf,
}

/// For who writes it.
#[derive(Debug)]
pub(crate) struct Writer {
    slot: Arc<Mutex<Slot>>,
    kept: Kept,
}

/// Both; what is in the file is what is to be there.
pub(crate) fn open(kept: Kept) -> (Later, Writer) {
    let slot = Arc::default();
    let later = Later { slot: Arc::clone(&slot), path: kept.path().to_owned() };
    (later, Writer { slot, kept })
}

impl Later {
    /// This is to be in the file from now on, whatever was before.
    pub(crate) fn want(&self, text: String, now: Mono) {
        let mut slot = lock(&self.slot);
        let since = slot.waits.take().map_or(now, |(_, since)| since);
        slot.waits = Some((text, since));
    }

    /// Why what is to be in the file is not; `None` where it is, or where that is to be expected still.
    pub(crate) fn trouble(&self, now: Mono) -> Option<String> {
        let slot = lock(&self.slot);
        let since = slot.in_hand.or_else(|| slot.waits.as_ref().map(|(_, since)| *since))?;
        let hangs = || {
            let path = self.path.display();
            format!("{path}: not written for {HANGS_AFTER}: its disk does not answer")
        };
        slot.failed.clone().or_else(|| (now.since(since) >= HANGS_AFTER).then(hangs))
    }
}

impl Writer {
    /// Writes what is to be written, once.
    pub(crate) fn turn(&self) {
        let Some((text, since)) = self.take() else { return };
        let written = self.kept.replace(Some(&text));
        let mut slot = lock(&self.slot);
        slot.in_hand = None;
        slot.failed = written.err().map(|why| why.to_string());
        if slot.failed.is_some() {
            let text = slot.waits.take().map_or(text, |(newer, _)| newer);
            slot.waits = Some((text, since));
        }
    }

    fn take(&self) -> Option<(String, Mono)> {
        let mut slot = lock(&self.slot);
        let taken = slot.waits.take()?;
        slot.in_hand = Some(taken.1);
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::kept::Named;
    use crate::kept::scene::Folder;

    const SECOND: u64 = 1_000_000_000;

    fn file(folder: &Folder) -> (Later, Writer, PathBuf) {
        let named = Named { name: "text", ending: ".text", what: "text", bytes: 100 };
        let (later, writer) = open(Kept::of(named, Some(&folder.path(".")), Path::new("/nowhere")));
        (later, writer, folder.path("text"))
    }

    #[test]
    fn a_disk_that_does_not_answer_is_noticed_and_gets_the_newest_text_when_it_does() {
        let folder = Folder::new("later-hangs");
        let (later, writer, path) = file(&folder);
        let read = || fs::read_to_string(&path).ok();
        assert_eq!(later.trouble(Mono(100 * SECOND)), None, "nothing is to be written");
        later.want("first".to_owned(), Mono(0));
        let (text, _) = writer.take().unwrap();
        assert_eq!(text, "first");
        // It is at that write, and does not come back.
        later.want("second".to_owned(), Mono(SECOND));
        later.want("third".to_owned(), Mono(2 * SECOND - 1));
        assert_eq!(later.trouble(Mono(2 * SECOND - 1)), None);
        let why = later.trouble(Mono(2 * SECOND)).unwrap();
        assert!(why.contains("text: not written for 2000 ms: its disk does not answer"), "{why}");
        // It comes back: what was wanted meanwhile has waited since then, and is written next.
        lock(&writer.slot).in_hand = None;
        assert_eq!(later.trouble(Mono(3 * SECOND - 1)), None);
        assert!(later.trouble(Mono(3 * SECOND)).is_some());
        writer.turn();
        assert_eq!((later.trouble(Mono(9 * SECOND)), read().as_deref()), (None, Some("third")));
        fs::remove_file(&path).unwrap();
        writer.turn();
        assert_eq!(read(), None, "nothing is to be written");
    }

    #[test]
    fn what_can_not_be_written_is_said_at_once_and_tried_again() {
        let folder = Folder::new("later-fails");
        let (later, writer, path) = file(&folder);
        // Nobody renames a file over a folder.
        fs::create_dir(&path).unwrap();
        later.want("first".to_owned(), Mono(0));
        writer.turn();
        let why = later.trouble(Mono(0)).unwrap();
        assert!(why.contains("can't rename it"), "{why}");
        later.want("second".to_owned(), Mono(1));
        writer.turn();
        assert!(later.trouble(Mono(1)).is_some());
        fs::remove_dir(&path).unwrap();
        writer.turn();
        assert_eq!(later.trouble(Mono(100 * SECOND)), None);
        assert_eq!(fs::read_to_string(&path).unwrap(), "second");
    }
}
