//! What the handler keeps of its day beside the journal: the sessions that it follows and the requests that have left.
//!
//! Its own thread looks, which is memory only, and says what is not written; a thread of their own writes, and waits
//! for the disk. Nobody waits for that one but the handler's end, and that not for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, Thread};
use std::time::Duration;

use candor_core::{Mono, Nanos};
use candor_shm::Region;

use crate::alert::Raiser;
use crate::clock;
use crate::exit::Failure;
use crate::{later, requests, sessions};

/// How often it is looked what is followed and what has left, and what could not be written is tried again. A session
/// that nobody wrote down, because the handler was killed before this was over, is one that the next handler hears for
/// the first time.
const LOOK_EVERY: Nanos = Nanos::from_millis(250);

/// How long the handler's end waits for what is still to be written.
const END_WITHIN: Duration = Duration::from_secs(2);

/// See the module's description.
pub(crate) struct Records {
    sessions: sessions::Keeper,
    requests: Option<requests::Keeper>,
    next: Mono,
    thread: Thread,
    ends: Arc<AtomicBool>,
    done: Receiver<()>,
}

impl Records {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// Where the host gives no thread.
    pub(crate) fn start(
        sessions: sessions::Record,
        requests: Option<requests::Opened>,
        alerts: Raiser,
    ) -> Result<Records, Failure> {
        let (sessions, writer) = sessions::Keeper::new(sessions, alerts);
        let mut writers = vec![writer];
        let requests = requests.map(|opened| {
            let (keeper, writer) = requests::Keeper::new(opened.record, opened.tallies);
            writers.push(writer);
            keeper
        });
        let ends = Arc::new(AtomicBool::new(false));
        let (tell, done) = mpsc::channel();
        let last = Arc::clone(&ends);
        let write = move || {
            write(&writers, &last);
            let _ = tell.send(());
        };
        let started = thread::Builder::new().name("records".to_owned()).spawn(write);
        let refused = |error| Failure::host(format!("can't start the records' thread: {error}"));
        let thread = started.map_err(refused)?.thread().clone();
        Ok(Records { sessions, requests, next: Mono::NEVER, thread, ends, done })
    }

    /// Call it often: it looks where that is due.
    pub(crate) fn tick(&mut self, region: &Region, now: Mono) {
        if now < self.next {
            return;
        }
        self.next = now + LOOK_EVERY;
        let wall = clock::wall();
        self.sessions.look(region, (wall, candor_shm::clock::now()));
        if let Some(requests) = &mut self.requests {
            requests.look((wall, now));
        }
        self.thread.unpark();
    }

    /// The last look: nothing is followed and nothing leaves any more. Waits a little for what is still to be written.
    pub(crate) fn end(mut self, region: &Region, now: Mono) {
        let wall = clock::wall();
        self.sessions.look(region, (wall, candor_shm::clock::now()));
        if let Some(requests) = &mut self.requests {
            requests.end((wall, now));
        }
        // ORDER: the texts are behind their locks; this comes after them.
        self.ends.store(true, Ordering::Release);
        self.thread.unpark();
        let _ = self.done.recv_timeout(END_WITHIN);
        // What is not there by now will not be.
        let requests = self.requests.as_ref().and_then(|one| one.unwritten(Mono::MAX));
        for why in self.sessions.unwritten(Mono::MAX).into_iter().chain(requests) {
            tracing::error!(%why, "the handler ends, and the next one will not know all of its day");
        }
    }
}

fn write(writers: &[later::Writer], ends: &AtomicBool) {
    // BOUND: until told that nothing more comes.
    loop {
        // ORDER: before what is written, so that the last texts are.
        let last = ends.load(Ordering::Acquire);
        writers.iter().for_each(later::Writer::turn);
        if last {
            return;
        }
        // Woken with each look. An early return only means an early look.
        thread::park_timeout(Duration::from_nanos(LOOK_EVERY.0));
    }
}
