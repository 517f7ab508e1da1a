//! Fetching a venue's map on a thread of its own: it waits for a disk or a command, and nobody waits for it.

use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;

use candor_core::{Mono, Nanos, TradingDate};
use candor_maps::calendar::Wall;

use crate::config::{MapVenue, Maps};
use crate::halt::users;
use crate::interface;
use crate::store::{Fetched, fetch_configured};

/// How long a fetch may take before it is said that there is no map: most that bring one take less.
const WITHIN: Nanos = Nanos::from_secs(5);

/// A fetch that is under way. Dropped, it goes on to its own end and is heard by nobody.
pub(super) struct Fetching {
    date: TradingDate,
    since: Mono,
    back: Receiver<Result<Fetched, String>>,
}

impl Fetching {
    /// Begins one. A map may name interfaces that are here and those `in_use`.
    pub(super) fn start(
        maps: &Maps,
        from: &MapVenue,
        date: TradingDate,
        (wall, now): (Wall, Mono),
        in_use: Vec<String>,
    ) -> Fetching {
        let (to, back) = mpsc::channel();
        let (maps, from, refused) = (maps.clone(), from.clone(), to.clone());
        let fetch = move || {
            let (mut here, by) = (interface::list(), users::runs().name);
            // A map that names one of ours is right: a card that is gone for now is no reason for no map.
            here.extend(in_use);
            // What somebody has put in force by name stays, be it there before this begins or meanwhile.
            let fetched = fetch_configured(&maps, &from, date, Some(&here), (&by, false), wall);
            // Where nobody waits for it any more, what it has brought is in the store all the same.
            let _ = to.send(fetched.map_err(|error| error.to_string()));
        };
        // Not waited for at the end, as the maps' thread isn't.
        if let Err(error) = thread::Builder::new().name("maps-fetch".to_owned()).spawn(fetch) {
            let _ = refused.send(Err(format!("can't start the thread that fetches it: {error}")));
        }
        Fetching { date, since: now, back }
    }

    /// The date whose map it brings.
    pub(super) fn date(&self) -> TradingDate {
        self.date
    }

    /// How it went, once it has ended.
    pub(super) fn ended(&self) -> Option<Result<Fetched, String>> {
        match self.back.try_recv() {
            Ok(fetched) => Some(fetched),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                Some(Err("what fetches it has ended without a word".to_owned()))
            }
        }
    }

    /// Waits until it has ended, which is still to be heard.
    #[cfg(test)]
    pub(super) fn settle(&mut self) {
        let ended = self.back.recv().map_err(|_| String::new()).and_then(|fetched| fetched);
        let (to, back) = mpsc::channel();
        let _ = to.send(ended);
        self.back = back;
    }

    /// Whether it takes longer than fetches do.
    pub(super) fn lasts(&self, now: Mono) -> bool {
        now.since(self.since) > WITHIN
    }
}
