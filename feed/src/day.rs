//! The trading date of venues whose partitions are the configuration's, and when it is over.
//!
//! The configuration is their map of one day. Yesterday's is never used for today: a handler whose
//! configuration names another date than the venues' today does not start, and one that runs past
//! its day says `NoMap` until it is started anew. The date is the calendar's while one is under way there, which may
//! have begun the evening before; between two, and where no calendar of the venue is known, it is the one that the
//! venue's clock shows, so that a handler can be tried on a Sunday. Venues whose maps come from the store have their
//! dates from there ([`crate::daily`]).

use candor_core::{Nanos, TradingDate, Venue};
use candor_maps::calendar::{self, Calendar, Overlay, Wall};

use crate::clock;
use crate::config::Config;
use crate::exit::Failure;
use crate::morning;

/// A venue's trading date.
#[derive(Clone, Copy, Debug)]
pub struct Day {
    venue: Venue,
    date: TradingDate,
    begins: Wall,
    /// At no time before this is it the date: the venue's midnight, or where it begins earlier, that.
    from: Wall,
    /// From here on it is another.
    until: Wall,
}

impl Day {
    /// The day of each venue whose partitions are this configuration's, at this wall-clock time, nanoseconds
    /// since the Unix epoch.
    ///
    /// # Errors
    /// When the configuration names a date that is not today at one of them.
    pub fn of(config: &Config, wall: u64) -> Result<Vec<Day>, Failure> {
        let overlay = morning::overlay(config);
        let mut days: Vec<Day> = Vec::new();
        for partition in &config.partitions {
            let (venue, zone) = (partition.venue, partition.feed.zone());
            if days.iter().any(|day| day.venue == venue) {
                continue;
            }
            let day = Day::at(venue, zone, overlay.as_ref(), Wall(wall))
                .ok_or_else(|| Failure::host("the host's clock is beyond the calendar; set it"))?;
            let date = day.date;
            if let Some(named) = config.handler.trading_date.filter(|named| *named != date) {
                return Err(Failure::config(format!(
                    "the configuration is for {named}, and the trading date is {date} at {venue} ({zone}): one \
                     day's map is not another's. Load today's configuration, or take `trading_date` out if this \
                     one is good for any day"
                )));
            }
            days.push(day);
        }
        Ok(days)
    }

    /// The day of one venue. `None` for a time beyond what can be counted.
    fn at(venue: Venue, zone: &'static str, overlay: Option<&Overlay>, now: Wall) -> Option<Day> {
        let calendar = Calendar::of(venue.as_str())
            .map(|own| overlay.map_or_else(|| own.clone(), |overlay| own.clone().with(overlay)));
        let under_way = match calendar.as_ref().map(|calendar| calendar.trading_date_at(now)) {
            Some(calendar::Day::Trading(session)) => Some((session.date, session.begins)),
            _ => None,
        };
        let date = under_way.map(|(date, _)| date).or_else(|| clock::date(now.0, zone))?;
        let midnight = Wall(clock::at(date, zone, 0)?);
        let Nanos(length) = clock::until_midnight(midnight.0, zone)?;
        let until = Wall(midnight.0 + length);
        // What is followed in the hours before it begins is of the date that the clock shows, until it has begun.
        let begins = under_way.map_or(midnight, |(_, begins)| begins);
        let next = calendar.as_ref().and_then(|calendar| calendar.next_session(date));
        let until = next.map_or(until, |next| next.begins.min(until));
        Some(Day { venue, date, begins, from: begins.min(midnight), until })
    }

    /// The venue.
    #[must_use]
    pub const fn venue(&self) -> Venue {
        self.venue
    }

    /// The trading date.
    #[must_use]
    pub const fn date(&self) -> TradingDate {
        self.date
    }

    /// When it begins: what was followed before is of another.
    #[must_use]
    pub const fn begins(&self) -> Wall {
        self.begins
    }

    /// How long the day still lasts: nothing of the venue is Live beyond it.
    #[must_use]
    pub fn left(&self, wall: u64) -> Nanos {
        if self.is_over(wall) { Nanos::ZERO } else { Nanos(self.until.0 - wall) }
    }

    /// Whether it is another date than this by now.
    #[must_use]
    pub fn is_over(&self, wall: u64) -> bool {
        !(self.from..self.until).contains(&Wall(wall))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;
    use std::path::Path;

    const TEXT: &str = r#"
[handler]
name = "h"
region = "/dev/shm/h"
trading_date = "2026-11-20"
[source]
kind = "udp"
interface = "lo"
[[lane]]
idle = "block"
[[venue]]
name = "XNAS"
feed = "nasdaq-itch50"
[[venue.partition]]
name = "1"
lane = 0
subscribe = true
lines.A = { group = "239.1.1.1", port = 26400 }
"#;

    /// Four in the morning UTC of 2026-11-21: the evening of the 20th in New York.
    const EVENING: u64 = 1_795_233_600_000_000_000;
    const HOUR: u64 = 3_600_000_000_000;

    #[test]
    fn another_days_configuration_is_refused_and_a_day_ends() {
        assert_eq!(clock::display(EVENING), "2026-11-21T04:00:00.000000000Z");
        let config = crate::config::parse_text(Path::new("c.toml"), TEXT).unwrap();
        let [day] = Day::of(&config, EVENING).unwrap()[..] else { panic!() };
        assert_eq!(day.date(), TradingDate(20_261_120));
        assert!(!day.is_over(EVENING + HOUR - 1));
        assert_eq!(day.left(EVENING), Nanos(HOUR));
        assert_eq!(day.left(EVENING + HOUR - 1), Nanos(1));
        assert_eq!(day.left(EVENING + HOUR), Nanos::ZERO);
        assert!(day.is_over(EVENING + HOUR), "midnight in New York");
        assert!(day.is_over(EVENING - 24 * HOUR), "a clock that was set back is no proof either");
        for other in [EVENING + HOUR, EVENING - 24 * HOUR] {
            let refused = Day::of(&config, other).unwrap_err();
            assert_eq!(refused.exit, Exit::Config);
            assert!(refused.message.contains("2026-11-20"), "{}", refused.message);
        }
        let any = TEXT.replace("trading_date = \"2026-11-20\"\n", "");
        let config = crate::config::parse_text(Path::new("c.toml"), &any).unwrap();
        assert_eq!(Day::of(&config, EVENING + HOUR).unwrap()[0].date(), TradingDate(20_261_121));
    }

    /// A venue whose Monday begins on Sunday evening: its calendar says when, and no midnight does.
    #[test]
    fn the_date_is_the_calendars_where_one_is_under_way() {
        let day = |wall| {
            Day::at(Venue::from_wire(b"XCME").unwrap(), "America/Chicago", None, Wall(wall))
                .unwrap()
        };
        let at = |date, hour: i16, minute: i16| {
            clock::at(TradingDate(date), "America/Chicago", hour * 60 + minute).unwrap()
        };
        let begins = at(20_261_129, 16, 15);
        let sunday = day(begins - 1);
        assert_eq!((sunday.date(), sunday.left(begins - 1)), (TradingDate(20_261_129), Nanos(1)));
        assert!(sunday.is_over(begins), "Monday begins on Sunday evening");
        for wall in [begins, at(20_261_129, 23, 59), at(20_261_130, 0, 0), at(20_261_130, 16, 14)] {
            let monday = day(wall);
            assert_eq!(monday.date(), TradingDate(20_261_130));
            assert_eq!(monday.begins(), Wall(begins));
            assert_eq!(monday.left(wall), Nanos(at(20_261_130, 16, 15) - wall));
            assert!(
                !monday.is_over(begins) && monday.is_over(begins - 1),
                "a midnight within is none"
            );
        }
        // Friday's is over with its session; what the venue's clock shows holds until the next begins.
        let friday = at(20_261_127, 18, 0);
        assert_eq!(day(friday).left(friday), Nanos(6 * HOUR));
    }

    #[test]
    fn a_session_of_shares_is_within_its_day_and_what_begins_before_two_is_of_before() {
        let config = crate::config::parse_text(Path::new("c.toml"), TEXT).unwrap();
        let noon = EVENING - 11 * HOUR;
        let [day] = Day::of(&config, noon).unwrap()[..] else { panic!() };
        assert_eq!(
            day.left(noon),
            Nanos(12 * HOUR),
            "until midnight, with the evening behind the close"
        );
        assert_eq!(day.begins(), Wall(EVENING - 21 * HOUR), "two in the morning, not midnight");
        assert!(!day.is_over(EVENING - 23 * HOUR) && day.is_over(EVENING - 23 * HOUR - 1));
        // A handler that is started at one, and again, finds what it has followed since.
        let one = EVENING - 22 * HOUR;
        let [day] = Day::of(&config, one).unwrap()[..] else { panic!() };
        assert_eq!((day.date(), day.begins()), (TradingDate(20_261_120), Wall(one - HOUR)));
    }
}
