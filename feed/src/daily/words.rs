//! What is said of a venue whose map is missing or can't be followed: one alert for as long as that lasts.
//!
//! It follows from what each look finds, and not from what has changed since the one before: what is well again is ended
//! whatever it was, so that the next that is wrong is a page of its own. So is what is wrong on another date.

use candor_core::alert::Code;
use candor_core::{TradingDate, Venue};

use crate::alert::{About, Raiser};

/// See the module's description.
pub(super) struct Words {
    venue: Venue,
    alerts: Raiser,
    /// What is alerted of: of which date, and why.
    said: Option<(Code, TradingDate, String)>,
    /// What is wrong and no look at the store shows: why a fetch has failed, that a map ended before its time.
    beside: Option<(TradingDate, String)>,
}

impl Words {
    pub(super) fn new(venue: Venue, alerts: Raiser) -> Words {
        Words { venue, alerts, said: None, beside: None }
    }

    /// Something is wrong on a date that lasts until it is [mended](Words::mended), or the date is over.
    pub(super) fn wrong(&mut self, date: TradingDate, why: String) {
        self.beside = Some((date, why));
    }

    /// That is wrong no longer. What else is the next look shows.
    pub(super) fn mended(&mut self) {
        self.beside = None;
    }

    /// What is wrong that no look at the store shows.
    pub(super) fn standing(&self) -> Option<String> {
        self.beside.as_ref().map(|(_, why)| why.clone())
    }

    /// This date is under way: what was said of another is over with it.
    pub(super) fn turn(&mut self, date: TradingDate) {
        if self.said.as_ref().is_some_and(|(_, of, _)| *of != date) {
            self.over();
        }
        self.beside.take_if(|(of, _)| *of != date);
    }

    /// The date is over, and what was wrong with its map with it: at once, since the next may lack one as well.
    pub(super) fn over(&mut self) {
        self.beside = None;
        if let Some((code, ..)) = self.said.take() {
            self.alerts.over(code, About::Venue(self.venue));
        }
    }

    /// Says why a venue has no map, or keeps the one it has (`held`): once for each reason.
    pub(super) fn tell(&mut self, date: TradingDate, held: bool, why: String) {
        let venue = self.venue;
        let (code, what) = match held {
            true => (Code::MapRefused, "the map in force stays"),
            false => (Code::NoMap, "every symbol is Stale(NoMap)"),
        };
        let news = (code, date, why);
        if self.said.as_ref() == Some(&news) {
            return;
        }
        self.alerts.raise(
            code,
            About::Venue(venue),
            format!("{venue}, {date}: {what}: {}", news.2),
        );
        self.said = Some(news);
    }

    /// Nothing is wrong, by what was found now.
    pub(super) fn well(&mut self, date: TradingDate) {
        if let Some((code, ..)) = self.said.take() {
            let venue = self.venue;
            tracing::info!(%venue, %date, over = code.label(), "nothing is the matter with the maps any more");
            self.alerts.end(code, About::Venue(venue));
        }
    }
}
