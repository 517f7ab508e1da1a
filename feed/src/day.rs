//! The trading date of venues whose partitions are the configuration's, and when it is over.
//!
//! The configuration is their map of one day. Yesterday's is never used for today: a handler whose
//! configuration names another date than the venues' today does not start, and one that runs past
//! its day says `NoMap` until it is started anew. Venues whose maps come from the store have their dates from
//! there ([`crate::daily`]).

use candor_core::{Nanos, TradingDate, Venue};
use candor_maps::calendar::Wall;

use crate::clock;
use crate::config::Config;
use crate::exit::Failure;

/// A venue's trading date, in its time zone.
#[derive(Clone, Copy, Debug)]
pub struct Day {
    venue: Venue,
    date: TradingDate,
    zone: &'static str,
}

impl Day {
    /// The day of each venue whose partitions are this configuration's, at this wall-clock time, nanoseconds
    /// since the Unix epoch.
    ///
    /// # Errors
    /// When the configuration names a date that is not today at one of them.
    pub fn of(config: &Config, wall: u64) -> Result<Vec<Day>, Failure> {
        let mut days: Vec<Day> = Vec::new();
        for partition in &config.partitions {
            let (venue, zone) = (partition.venue, partition.feed.zone());
            if days.iter().any(|day| day.venue == venue) {
                continue;
            }
            let date = clock::date(wall, zone)
                .ok_or_else(|| Failure::host("the host's clock is beyond the calendar; set it"))?;
            if let Some(named) = config.handler.trading_date.filter(|named| *named != date) {
                return Err(Failure::config(format!(
                    "the configuration is for {named}, and today is {date} in {zone}: one day's map is \
                     not another's. Load today's configuration, or take `trading_date` out if this one \
                     is good for any day"
                )));
            }
            days.push(Day { venue, date, zone });
        }
        Ok(days)
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

    /// When it began. Where that can't be told it has not yet: nothing that was heard is of it.
    #[must_use]
    pub fn begins(&self) -> Wall {
        Wall(clock::at(self.date, self.zone, 0).unwrap_or(u64::MAX))
    }

    /// How long the day still lasts: nothing of the venue is Live beyond it. Zero when that can't be
    /// told.
    #[must_use]
    pub fn left(&self, wall: u64) -> Nanos {
        if self.is_over(wall) {
            return Nanos::ZERO;
        }
        clock::until_midnight(wall, self.zone).unwrap_or(Nanos::ZERO)
    }

    /// Whether the venue's clock shows another date than this by now.
    #[must_use]
    pub fn is_over(&self, wall: u64) -> bool {
        clock::date(wall, self.zone) != Some(self.date)
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
}
