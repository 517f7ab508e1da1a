//! How long the calendars of a configuration's venues still know their trading dates.

use candor_core::{TradingDate, Venue};
use candor_maps::calendar::Wall;

use crate::config::Config;
use crate::morning;

/// What to do where a calendar ends.
pub(crate) const TO_DO: &str = "install a release with a later calendar";

/// How much of a calendar is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    /// More than whoever installs releases needs to be told of.
    Enough,
    /// So little that it is time for a later one.
    Little,
    /// Nothing, and the venue's maps come by it: none is due and none is taken.
    Nothing,
}

/// One venue's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Known {
    pub(crate) venue: Venue,
    pub(crate) left: Left,
    pub(crate) words: String,
}

/// Every venue's whose days a calendar tells.
pub(crate) fn look(config: &Config, now: Wall) -> Vec<Known> {
    // An overlay closes days, and adds none to those that are known.
    let venues = morning::days(config, None).into_iter();
    let one = |(venue, days): (Venue, Option<crate::daily::days::Days>)| {
        let days = days?;
        let (last, _) = days.known(now)?;
        let Some((_, left)) = days.ending(now) else {
            let words = format!("the trading dates up to {last} are known");
            return Some(Known { venue, left: Left::Enough, words });
        };
        // Partitions of the configuration go by its own date; only their morning is the calendar's.
        let mapped = config.mapped.iter().any(|mapped| mapped.venue == venue);
        let much = if left < 0 && mapped { Left::Nothing } else { Left::Little };
        Some(Known { venue, left: much, words: words(last, left) })
    };
    venues.filter_map(one).collect()
}

/// That a calendar ends, or has: `left` days after today `last` is the last one known.
pub(crate) fn words(last: TradingDate, left: i32) -> String {
    match left {
        0.. => format!("the last trading date that is known is {last}, in {left} days"),
        _ => format!("nothing is known of any date after {last}"),
    }
}

#[cfg(test)]
mod tests {
    use candor_maps::calendar::Calendar;

    use super::*;
    use crate::daily::tests::config;

    const DAY: u64 = 24 * 3_600_000_000_000;

    #[test]
    fn a_calendar_that_ends_is_said_from_sixty_days_before_and_fails_where_maps_come_by_it() {
        let last = Calendar::of("XNAS").unwrap().ends();
        let noon = crate::clock::at(last, "America/New_York", 12 * 60).unwrap();
        let look_at = |config: &Config, wall| {
            let known = look(config, Wall(wall));
            assert_eq!((known.len(), known[0].venue.as_str()), (1, "XNAS"));
            (known[0].left, known[0].words.clone())
        };
        let mapped = config("", "");
        let own = Config { mapped: Vec::new(), ..mapped.clone() };
        for (wall, with_maps, without, part) in [
            (noon - 61 * DAY, Left::Enough, Left::Enough, format!("up to {last} are known")),
            (noon - 59 * DAY, Left::Little, Left::Little, format!("{last}, in 59 days")),
            (noon, Left::Little, Left::Little, "in 0 days".to_owned()),
            (noon + DAY, Left::Nothing, Left::Little, format!("any date after {last}")),
        ] {
            let (left, words) = look_at(&mapped, wall);
            assert!(left == with_maps && words.contains(&part), "{left:?}: {words}");
            assert_eq!(look_at(&own, wall), (without, words));
        }
        // Every day is one, for ever.
        let every_day = config("calendar = \"every-day\"", "");
        assert_eq!(look(&every_day, Wall(noon + DAY)), []);
    }
}
