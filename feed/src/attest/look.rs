//! Looks at the manifest and its key again and again, on a thread of its own: a disk that hangs holds up nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use candor_core::{Mono, Nanos};

use super::manifest::Manifest;
use crate::clock::Clock;
use crate::config;
use crate::exit::Failure;
use crate::sign::PublicKey;

/// How often the files are read: they are small, and a time of a file says less than what is in it.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A manifest that could not be looked at for so long can't be read.
const HANGS_AFTER: Nanos = Nanos::from_secs(10);

/// What was read of the manifest, or why it can't be believed.
pub(crate) type Signed = Result<Manifest, String>;

/// Reads the key, then the manifest.
pub(crate) fn look(attest: &config::Attest) -> Signed {
    let key = PublicKey::read(&attest.key)
        .map_err(|why| format!("the key {}: {why}", attest.key.display()))?;
    Manifest::open(&attest.manifest, &key).map_err(|problems| problems.to_string())
}

/// What the thread finds.
pub(crate) struct Looks {
    from: Receiver<Signed>,
    /// When it looked last, boot ns.
    looked: Arc<AtomicU64>,
}

impl Looks {
    /// Starts the thread; `first` is what was found a moment ago. It is not waited for at the end: it holds nothing.
    pub(crate) fn start(
        attest: config::Attest,
        first: Signed,
        stop: &Arc<AtomicBool>,
    ) -> Result<Looks, Failure> {
        let (to, from) = mpsc::channel();
        let looked = Arc::new(AtomicU64::new(Clock::new().now().0));
        let (stop, at) = (Arc::clone(stop), Arc::clone(&looked));
        let started = thread::Builder::new()
            .name("attest".to_owned())
            .spawn(move || run(&attest, first, &stop, (&to, &at)));
        let refused = |error| Failure::host(format!("can't start the manifest's thread: {error}"));
        started.map_err(refused)?;
        Ok(Looks { from, looked })
    }

    /// What was found since, if it is something else.
    pub(crate) fn news(&self) -> Option<Signed> {
        self.from.try_iter().last()
    }

    /// Whether the thread has not come back for so long that nobody knows what is there now.
    pub(crate) fn hangs(&self, now: Mono) -> bool {
        // ORDER: nothing else is read by what it says.
        now.since(Mono(self.looked.load(Ordering::Relaxed))) >= HANGS_AFTER
    }

    /// One without a thread, for tests.
    #[cfg(test)]
    pub(crate) fn by_hand() -> (Looks, Sender<Signed>, Arc<AtomicU64>) {
        let (to, from) = mpsc::channel();
        let looked = Arc::new(AtomicU64::new(0));
        (Looks { from, looked: Arc::clone(&looked) }, to, looked)
    }
}

fn run(
    attest: &config::Attest,
    mut last: Signed,
    stop: &AtomicBool,
    (to, looked): (&Sender<Signed>, &AtomicU64),
) {
    let mut clock = Clock::new();
    while !stop.load(Ordering::Relaxed) {
        let found = look(attest);
        looked.store(clock.now().0, Ordering::Relaxed);
        if found != last {
            last.clone_from(&found);
            if to.send(found).is_err() {
                return;
            }
        }
        thread::park_timeout(LOOK_EVERY);
    }
}
