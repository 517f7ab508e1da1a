//! A source with nothing behind it: each packet's arrival is taken at the receiver's own clock, and
//! its number put where the sender sees it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use candor::source;
use candor_shm::clock;
use hdrhistogram::Histogram;

use crate::Problem;
use crate::machine::pin;
use crate::report::{histogram, record};
use crate::source::{Kind, config};
use crate::traffic::{age, pause, stamp_of};
use crate::veth::Veth;

/// What both threads see. Each on a line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Word(AtomicU64);

#[derive(Default)]
struct Shared {
    /// The newest number received.
    seen: Word,
    /// Numbers from this one on are measured.
    from: Word,
    stop: AtomicBool,
    ready: AtomicBool,
}

/// The receiving thread.
pub(crate) struct Bare {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<Histogram<u64>, Problem>>,
}

impl Bare {
    /// Starts one and waits until it receives.
    pub(crate) fn start(veth: &Veth, kind: Kind, core: u16) -> Result<Bare, Problem> {
        let shared = Arc::new(Shared::default());
        shared.from.0.store(u64::MAX, Ordering::Relaxed);
        let theirs = Arc::clone(&shared);
        // The thread that is started in the namespace stays there when this call is over.
        let thread =
            veth.in_receiving(|| Ok(thread::spawn(move || receive(kind, core, &theirs))))?;
        let bare = Bare { shared, thread };
        for _ in 0..1_000 {
            if bare.shared.ready.load(Ordering::Acquire) {
                return Ok(bare);
            }
            if bare.thread.is_finished() {
                break;
            }
            pause(10_000_000);
        }
        bare.stop()?;
        Err(Problem::Other("the receiver did not start within ten seconds".into()))
    }

    /// Measures from this number on.
    pub(crate) fn measure_from(&self, number: u64) {
        self.shared.from.0.store(number, Ordering::Relaxed);
    }

    /// The newest number received.
    #[inline]
    pub(crate) fn seen(&self) -> u64 {
        self.shared.seen.0.load(Ordering::Acquire)
    }

    /// Ends it; what it measured by its own clock.
    pub(crate) fn stop(self) -> Result<Histogram<u64>, Problem> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|_| Err(Problem::Other("the receiver panicked".into())))
    }
}

fn receive(kind: Kind, core: u16, shared: &Shared) -> Result<Histogram<u64>, Problem> {
    // Only the source is used: the region's name is never opened.
    let config = config(kind, Path::new("/dev/shm"), core)?;
    let mut opened = source::open(&config)?;
    pin(core)?;
    let mut times = histogram();
    let Some(lane) = opened.lanes.first_mut() else {
        return Err(Problem::Other("there is no lane".into()));
    };
    if lane.mode() != kind.mode() {
        return Err(Problem::Other(format!("the lane receives by {}", lane.mode())));
    }
    shared.ready.store(true, Ordering::Release);
    let mut last = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        let polled = lane.poll(&mut |arrival| {
            let now = clock::now().0;
            let Some((seq, stamp)) = stamp_of(arrival.payload) else { return };
            if seq.0 <= last {
                return; // sent again
            }
            last = seq.0;
            shared.seen.0.store(seq.0, Ordering::Release);
            if seq.0 >= shared.from.0.load(Ordering::Relaxed) {
                record(&mut times, age(now, stamp));
            }
        });
        polled.map_err(|error| Problem::Other(error.to_string()))?;
    }
    Ok(times)
}
