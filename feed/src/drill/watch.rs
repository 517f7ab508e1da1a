//! The reader of a drill: reads every symbol all the time, as a trading program does, and judges. Live where it
//! must not be is the one thing that no drill forgives.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use candor_core::{Mono, Nanos, Reason, Symbol, Venue};
use candor_shm::{Handle, Read, Region, clock};

use crate::clock::timespec;

/// How long is slept between two looks at everything.
const PAUSE: Nanos = Nanos::from_micros(300);

/// Looks between two looks at the file system, whether the region is another one.
const LOOKS: u32 = 64;

/// Which symbols, by venue and partition as the exchange has them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    /// The venue's number among those played.
    pub(super) venue: usize,
    /// The partition, counted from 0.
    pub(super) partition: usize,
}

/// One symbol, and what was read of it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Its venue.
    pub(super) venue: Venue,
    /// Its name.
    pub(super) symbol: Symbol,
    /// Where the exchange has it.
    pub(super) place: Place,
    /// What was read last: the reason, or `None` for Live. Where the region doesn't know it, `Unmapped`.
    pub(super) status: Option<Reason>,
    /// When it was Live last; [`Mono::NEVER`] if it never was.
    pub(super) live: Mono,
    /// Every reason since this was cleared, by code.
    pub(super) reasons: BTreeSet<u8>,
    /// The same of places that it has left.
    left: BTreeSet<u8>,
    /// Whether Live is wrong.
    forbidden: bool,
    handles: Vec<Handle>,
}

impl Seen {
    /// As operators write it.
    #[must_use]
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.venue, self.symbol)
    }

    /// Whether this reason was given since it was cleared.
    #[must_use]
    pub(super) fn was(&self, reason: Reason) -> bool {
        self.reasons.contains(&reason.code())
    }

    /// Whether it was given by a place that the symbol has left.
    #[must_use]
    pub(super) fn was_where_it_left(&self, reason: Reason) -> bool {
        self.left.contains(&reason.code())
    }
}

/// A symbol that was Live where it must not be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wrong {
    /// Its venue and name.
    pub(super) symbol: String,
    /// When.
    pub(super) at: Mono,
    /// Where: by its handle of today, at its old place, or in a region that is over.
    pub(super) how: &'static str,
}

/// What readers know, and what they are told.
struct State {
    path: PathBuf,
    region: Option<Region>,
    symbols: Vec<Seen>,
    /// Handles of places that symbols have left, and of regions that are over: nothing of them is ever Live.
    old: Vec<(Region, Handle, usize)>,
    wrong: Vec<Wrong>,
    reads: u64,
    looks: u32,
}

/// The reader's thread. It ends when dropped.
pub(super) struct Watch {
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to read these symbols in the region at a path, as soon as there is one.
    ///
    /// # Errors
    /// Where the host gives no thread.
    pub(super) fn start(
        path: &Path,
        symbols: Vec<(Venue, Symbol, Place)>,
    ) -> std::io::Result<Watch> {
        let symbols = symbols.into_iter().map(|(venue, symbol, place)| Seen {
            venue,
            symbol,
            place,
            status: Some(Reason::Unmapped),
            live: Mono::NEVER,
            reasons: BTreeSet::new(),
            left: BTreeSet::new(),
            forbidden: true,
            handles: Vec::new(),
        });
        let state = State {
            path: path.to_owned(),
            region: None,
            symbols: symbols.collect(),
            old: Vec::new(),
            wrong: Vec::new(),
            reads: 0,
            looks: 0,
        };
        let state = Arc::new(Mutex::new(state));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, ends) = (Arc::clone(&state), Arc::clone(&stop));
        let thread =
            std::thread::Builder::new().name("drill-reader".to_owned()).spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    lock(&shared).look();
                    // An early return because of a signal only means an early look.
                    let _ = rustix::thread::nanosleep(&timespec(PAUSE));
                }
            })?;
        Ok(Watch { state, stop, thread: Some(thread) })
    }

    /// From now on Live is wrong for these symbols.
    pub(super) fn forbid(&self, which: impl Fn(&Seen) -> bool) {
        for seen in lock(&self.state).symbols.iter_mut().filter(|seen| which(seen)) {
            seen.forbidden = true;
        }
    }

    /// From now on anything may be Live again.
    pub(super) fn allow(&self) {
        for seen in &mut lock(&self.state).symbols {
            seen.forbidden = false;
        }
    }

    /// Forgets which reasons were given.
    pub(super) fn forget(&self) {
        for seen in &mut lock(&self.state).symbols {
            seen.reasons.clear();
            seen.left.clear();
        }
    }

    /// Looks at every symbol as it was read last.
    pub(super) fn with<T>(&self, look: impl FnOnce(&[Seen]) -> T) -> T {
        look(&lock(&self.state).symbols)
    }

    /// Takes what was Live and must not have been.
    pub(super) fn take_wrong(&self) -> Vec<Wrong> {
        std::mem::take(&mut lock(&self.state).wrong)
    }

    /// How many reads there were.
    pub(super) fn reads(&self) -> u64 {
        lock(&self.state).reads
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A reader that panicked has judged nothing; the drill sees that nothing is read any more.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Reads every symbol once.
    fn look(&mut self) {
        self.looks = self.looks.wrapping_add(1);
        self.attach();
        let Some(region) = self.region.clone() else { return };
        let due = self.looks % LOOKS == 1;
        for (number, seen) in self.symbols.iter_mut().enumerate() {
            if seen.handles.iter().any(|handle| region.is_moved(*handle)) {
                let left = seen.handles.drain(..).filter(|handle| region.is_moved(*handle));
                self.old.extend(left.map(|handle| (region.clone(), handle, number)));
            }
            if due || seen.handles.is_empty() {
                // Every place of its name: a symbol that two partitions have is Live in neither.
                let all = region.find_all(&seen.venue, &seen.symbol);
                seen.handles = all.into_iter().filter(|one| !region.is_moved(*one)).collect();
            }
            self.reads += seen.handles.len() as u64;
            let found = seen.handles.len();
            let mut reasons = seen.handles.iter().map(|handle| match region.read(*handle) {
                Read::Live(_) => None,
                Read::Stale { reason, .. } => Some(reason),
            });
            seen.status = match reasons.next() {
                None => Some(Reason::Unmapped),
                Some(first) => {
                    // Of several the first is what is said of it, unless any is Live.
                    seen.reasons.extend(first.map(Reason::code));
                    reasons.fold(first, |worst, one| {
                        seen.reasons.extend(one.map(Reason::code));
                        worst.and(one)
                    })
                }
            };
            if found == 0 {
                seen.reasons.insert(Reason::Unmapped.code());
            }
            if seen.status.is_none() {
                seen.live = clock::now();
                if seen.forbidden {
                    self.wrong.push(Wrong { symbol: seen.name(), at: seen.live, how: "" });
                }
            }
        }
        for (region, handle, number) in &self.old {
            self.reads += 1;
            let seen = &mut self.symbols[*number];
            let left = || region.is_moved(*handle) || !region.is_current();
            let before = left();
            match region.read(*handle) {
                // A later map may have put it back: it has left where it has both before and behind the read.
                Read::Live(_) if !before || !left() => {}
                Read::Live(_) => {
                    let symbol = seen.name();
                    let how = " at a place it has left";
                    self.wrong.push(Wrong { symbol, at: clock::now(), how });
                }
                Read::Stale { reason, .. } => {
                    seen.left.insert(reason.code());
                }
            }
        }
        // One line for each that is wrong is enough for a person.
        self.wrong.truncate(1_000);
    }

    /// Opens the region at the path, where there is another one than before.
    fn attach(&mut self) {
        let due = self.looks % LOOKS == 1;
        if self.region.is_some() && !due {
            return;
        }
        if self.region.as_ref().is_some_and(Region::is_current) {
            return;
        }
        let Ok(new) = Region::open(&self.path) else { return };
        if let Some(old) = self.region.replace(new) {
            // What readers of the old one still have: good for nothing from now on.
            for (number, seen) in self.symbols.iter_mut().enumerate() {
                let left = seen.handles.drain(..).map(|handle| (old.clone(), handle, number));
                self.old.extend(left);
            }
        }
    }
}
