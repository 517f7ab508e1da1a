//! When a venue's map is to be had and when it ends, through missed timers and steps of the clock. Reads no
//! clock: time is an argument.
//!
//! | what is so | what is wanted |
//! | --- | --- |
//! | a map is held and its date is over, or the wall clock was set back by more than six hours | its end, before anything else |
//! | no trading date is under way | nothing |
//! | one has begun, after a time between two or another without a map | that nothing heard before it began is believed |
//! | one is under way, and its map's time has not come | a look whether somebody has put one in force already |
//! | its time has come, and it was not fetched yet | that, and again after a while where it could not be had |
//! | it was fetched | a look whether another one has come in force since |
//!
//! A host that boots at 07:31 and a clock that steps over 07:30 are the fifth row like any other
//! morning: what counts is whether it was done, not who was awake.

use candor_core::{Mono, Nanos, TradingDate};
use candor_maps::calendar::{STEP_MAX, Wall};

use super::days::{Days, Today};

/// How often the store is looked at.
pub const LOOK_EVERY: Nanos = Nanos::from_secs(1);

/// Says what is to be done about one venue's maps.
#[derive(Clone)]
pub struct Timer {
    days: Days,
    retry: Nanos,
    held: Option<Held>,
    /// The date whose map was fetched, or is where nothing says how.
    fetched: Option<TradingDate>,
    next_fetch: Mono,
    /// What time it was at the last look, by both clocks.
    looked: (Wall, Mono),
    /// The trading date that was under way at the last look: what was heard then is of none to come. With none it
    /// is of none at all: on a weekend venues test.
    date: Option<TradingDate>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    date: TradingDate,
    ends: Wall,
    since: Wall,
}

impl Held {
    fn is_over(&self, wall: Wall, today: Option<Today>) -> bool {
        let set_back = wall.0.saturating_add(STEP_MAX.0) < self.since.0;
        let other = today.is_some_and(|today| today.date > self.date);
        wall >= self.ends || set_back || other
    }
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// Nothing.
    Nothing,
    /// End the map of this date.
    End {
        /// The date.
        date: TradingDate,
        /// Sessions that were followed before then are not believed under the next map.
        heard: Mono,
    },
    /// Believe nothing that was followed before the date under way began: it is of no trading date.
    Forget {
        /// When it began, as far as anybody can tell; else now.
        heard: Mono,
    },
    /// See which map is in force.
    Look {
        /// The date under way.
        today: Today,
        /// Whether it is to be fetched before.
        fetch: bool,
        /// Whether the map's time has come: a venue without one is worth a word.
        due: bool,
    },
}

impl Timer {
    /// A venue without a map, from this moment on.
    #[must_use]
    pub fn new(days: Days, retry: Nanos, looked: (Wall, Mono)) -> Timer {
        let date = days.today(looked.0).map(|today| today.date);
        let (held, fetched, next_fetch) = (None, None, Mono::NEVER);
        Timer { days, retry, held, fetched, next_fetch, looked, date }
    }

    /// Another calendar of the same venue, with another overlay. A map whose date is none any more ends; none
    /// lasts longer than was said when it was taken.
    pub fn revise(&mut self, days: Days) {
        self.days = days;
        if let Some(held) = &mut self.held {
            let ends = self.days.ends(held.date, held.ends);
            held.ends = ends.map_or(Wall(0), |ends| ends.min(held.ends));
        }
    }

    /// What is wanted now. Ask about once a second.
    pub fn poll(&mut self, wall: Wall, now: Mono) -> Wish {
        let today = self.days.today(wall);
        let before = std::mem::replace(&mut self.looked, (wall, now));
        let heard = || today.map_or(now, |today| began(today, before, (wall, now)));
        if let Some(held) = self.held {
            if held.is_over(wall, today) {
                self.held = None;
                self.date = today.map(|today| today.date);
                return Wish::End { date: held.date, heard: heard() };
            }
            // The clock was set back a little, over the beginning of its date perhaps: it stays.
            if today.is_none_or(|today| today.date != held.date) {
                return Wish::Nothing;
            }
        }
        let Some(today) = today else {
            self.date = None;
            return Wish::Nothing;
        };
        if self.date.replace(today.date) != Some(today.date) {
            return Wish::Forget { heard: heard() };
        }
        let due = wall >= today.map;
        let fetch = due && self.fetched != Some(today.date) && now >= self.next_fetch;
        Wish::Look { today, fetch, due }
    }

    /// The date under way, where its map's time has come and none is held for it, and whether it is to be fetched.
    /// Changes nothing: for whoever can do nothing else now.
    #[must_use]
    pub fn lacks(&self, wall: Wall, now: Mono) -> Option<(Today, bool)> {
        let today = self.days.today(wall).filter(|today| wall >= today.map)?;
        if self.held.is_some_and(|held| !held.is_over(wall, Some(today))) {
            return None;
        }
        Some((today, self.fetched != Some(today.date) && now >= self.next_fetch))
    }

    /// The map of this date was fetched, or could not be had, by now.
    pub fn fetched(&mut self, date: TradingDate, had: bool, now: Mono) {
        match had {
            true => self.fetched = Some(date),
            false => self.next_fetch = now + self.retry,
        }
    }

    /// The map of this date is in force here until then.
    pub fn taken(&mut self, date: TradingDate, ends: Wall, wall: Wall) {
        self.held = Some(Held { date, ends, since: wall });
    }

    /// The date under way.
    #[must_use]
    pub fn today(&self, wall: Wall) -> Option<Today> {
        self.days.today(wall)
    }

    /// The date whose map is in force here.
    #[must_use]
    pub fn held(&self) -> Option<TradingDate> {
        self.held.map(|held| held.date)
    }
}

/// When a date that is under way began, by the clock that nobody sets. Whoever asks may have been held up for hours, and
/// what was followed meanwhile may be the date's own. Told from the looks before and behind that moment: by either, if
/// the wall clock was set in between, the later one holds, since what began before the true one must not be believed.
/// Where it did not begin between the two, because the calendar has changed or the clock was set back, nobody can tell:
/// now.
fn began(today: Today, before: (Wall, Mono), behind: (Wall, Mono)) -> Mono {
    let Some(ahead) = today.begins.0.checked_sub(before.0.0) else { return behind.1 };
    let since = behind.0.0.saturating_sub(today.begins.0);
    let by_behind = Mono(behind.1.0.saturating_sub(since));
    (before.1 + Nanos(ahead)).max(by_behind).min(behind.1)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use candor_maps::calendar::Overlay;

    use super::*;
    use crate::config::{Config, parse_text};

    const MINUTE: u64 = 60_000_000_000;
    const HOUR: u64 = 60 * MINUTE;

    /// 07:30 in New York on Monday, 2026-11-23.
    const MONDAY: u64 = 1_795_437_000_000_000_000;

    fn config(map: &str, venue: &str) -> Config {
        let text = format!(
            "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\nkind = \"udp\"\n\
             interface = \"lo\"\n[[lane]]\n[maps]\nstore = \"/m\"\n[[venue]]\nname = \"{venue}\"\n\
             feed = \"nasdaq-itch50\"\nmap = {{ {map} }}\n"
        );
        parse_text(Path::new("t.toml"), &text).unwrap()
    }

    fn days(map: &str, venue: &str, overlay: &str) -> Days {
        let config = config(map, venue);
        let overlay = Overlay::parse(Path::new("o.toml"), overlay).unwrap();
        Days::of(&config.mapped[0], Some(&overlay)).unwrap()
    }

    fn timer(map: &str, venue: &str, overlay: &str) -> Timer {
        let days = days(map, venue, overlay);
        Timer::new(days, Nanos::from_secs(30), (Wall(MONDAY), Mono(1)))
    }

    /// What is wanted: the date, whether to fetch, whether it is due; whatever is to be forgotten before.
    fn look(timer: &mut Timer, wall: u64, now: u64) -> Option<(u32, bool, bool)> {
        match timer.poll(Wall(wall), Mono(now)) {
            Wish::Look { today, fetch, due } => Some((today.date.0, fetch, due)),
            Wish::Nothing => None,
            Wish::Forget { .. } => look(timer, wall, now),
            Wish::End { date, .. } => panic!("the map of {date} ends"),
        }
    }

    fn ends(wish: Wish, of: TradingDate) -> bool {
        matches!(wish, Wish::End { date, .. } if date == of)
    }

    #[test]
    fn at_half_past_seven_the_map_is_fetched_once_and_again_where_it_is_late() {
        let mut timer = timer("", "XNAS", "");
        assert_eq!(look(&mut timer, MONDAY - 1, 1), Some((20_261_123, false, false)));
        assert_eq!(look(&mut timer, MONDAY, 2), Some((20_261_123, true, true)));
        timer.fetched(TradingDate(20_261_123), false, Mono(2));
        assert_eq!(look(&mut timer, MONDAY + 1, 3), Some((20_261_123, false, true)));
        let again = 2 + 30_000_000_000;
        assert_eq!(look(&mut timer, MONDAY + MINUTE, again), Some((20_261_123, true, true)));
        timer.fetched(TradingDate(20_261_123), true, Mono(again));
        // Somebody may load another one at noon.
        let noon = MONDAY + 5 * HOUR;
        assert_eq!(look(&mut timer, noon, again + 5 * HOUR), Some((20_261_123, false, true)));
        // The next morning is another one.
        let tuesday = MONDAY + 24 * HOUR;
        assert_eq!(look(&mut timer, tuesday, again + 24 * HOUR), Some((20_261_124, true, true)));
    }

    #[test]
    fn a_host_that_boots_at_noon_demands_the_map_and_one_of_a_weekend_nothing() {
        let mut late = timer("", "XNAS", "");
        assert_eq!(look(&mut late, MONDAY + 5 * HOUR, 1), Some((20_261_123, true, true)));
        assert_eq!(look(&mut late, MONDAY - 24 * HOUR, 1), None, "a Sunday");
        // Thanksgiving, and the half day behind it.
        assert_eq!(look(&mut late, MONDAY + 3 * 24 * HOUR, 1), None);
        assert_eq!(look(&mut late, MONDAY + 4 * 24 * HOUR, 1), Some((20_261_127, true, true)));
        let closed = "[[closed]]\nvenue = \"XNAS\"\ndate = 2026-11-23\nreason = \"mourning\"\n";
        assert_eq!(look(&mut timer("", "XNAS", closed), MONDAY, 1), None, "the overlay says so");
        let mut moved = timer("at = \"07:45\"", "XNAS", "");
        assert_eq!(look(&mut moved, MONDAY, 1), Some((20_261_123, false, false)));
        assert_eq!(look(&mut moved, MONDAY + 15 * MINUTE, 1), Some((20_261_123, true, true)));
    }

    #[test]
    fn a_map_ends_with_its_session_and_before_anything_else_is_done() {
        let mut timer = timer("", "XNAS", "");
        let Wish::Look { today, .. } = timer.poll(Wall(MONDAY), Mono(1)) else { panic!() };
        timer.taken(today.date, today.ends, Wall(MONDAY));
        // 20:30 in New York.
        assert_eq!(today.ends, Wall(MONDAY + 13 * HOUR));
        assert!(look(&mut timer, today.ends.0 - 1, 2).is_some());
        assert!(ends(timer.poll(today.ends, Mono(3)), today.date));
        assert_eq!(timer.held(), None);
        assert_eq!(timer.poll(today.ends, Mono(3)), Wish::Nothing);
        // A clock that steps to the next morning ends the one and then has the other.
        timer.taken(today.date, today.ends, Wall(MONDAY));
        let tuesday = MONDAY + 24 * HOUR;
        assert!(ends(timer.poll(Wall(tuesday), Mono(4)), today.date));
        assert_eq!(look(&mut timer, tuesday, 5), Some((20_261_124, true, true)));
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_keeps_its_map_and_one_that_was_wrong_does_not() {
        let mut timer = timer("", "XNAS", "");
        let Wish::Look { today, .. } = timer.poll(Wall(MONDAY), Mono(1)) else { panic!() };
        timer.taken(today.date, today.ends, Wall(MONDAY));
        timer.fetched(today.date, true, Mono(1));
        for back in [1, HOUR, 5 * HOUR] {
            assert_eq!(look(&mut timer, MONDAY - back, 2).map(|(_, fetch, _)| fetch), Some(false));
        }
        // 01:30: before the session begins.
        assert_eq!(timer.poll(Wall(MONDAY - 6 * HOUR), Mono(2)), Wish::Nothing);
        assert!(ends(timer.poll(Wall(MONDAY - 6 * HOUR - 1), Mono(2)), today.date));
    }

    #[test]
    fn what_was_heard_between_two_dates_is_forgotten_when_the_next_begins() {
        let mut timer = timer("", "XNAS", "");
        let Wish::Look { today, .. } = timer.poll(Wall(MONDAY), Mono(1)) else { panic!() };
        timer.taken(today.date, today.ends, Wall(MONDAY));
        assert!(ends(timer.poll(today.ends, Mono(2)), today.date));
        // The thread may have slept until Tuesday's begins, at 02:00.
        let tuesday = Wall(MONDAY + 18 * HOUR + 30 * MINUTE);
        assert_eq!(timer.poll(Wall(tuesday.0 - 1), Mono(3)), Wish::Nothing);
        assert!(matches!(timer.poll(tuesday, Mono(4)), Wish::Forget { .. }));
        assert!(matches!(timer.poll(tuesday, Mono(5)), Wish::Look { .. }), "once");
        // Without a map for Tuesday; and with none asked for in the night.
        assert_eq!(timer.poll(today.ends, Mono(6)), Wish::Nothing);
        assert!(matches!(timer.poll(tuesday, Mono(7)), Wish::Forget { .. }));
        timer.taken(today.date, today.ends, Wall(MONDAY));
        assert!(ends(timer.poll(today.ends, Mono(8)), today.date));
        assert!(matches!(timer.poll(tuesday, Mono(9)), Wish::Forget { .. }));
    }

    /// The thread is held up at 01:59 on Tuesday, and asks again at 04:30: what was followed since 02:00 is the date's.
    #[test]
    fn a_date_that_begins_while_nobody_asks_began_when_it_did() {
        let last = Wall(MONDAY + 18 * HOUR + 29 * MINUTE);
        // The wall clock, hours and minutes behind; and the other one; what is of before, if not all.
        let heard = |slept: u64, by: u64| {
            let mut timer = timer("", "XNAS", "");
            assert_eq!(timer.poll(last, Mono(HOUR)), Wish::Nothing);
            let (wall, now) = (Wall(last.0 + slept), Mono(HOUR + by));
            let Wish::Forget { heard } = timer.poll(wall, now) else { panic!() };
            (heard != now).then_some(heard)
        };
        let (begins, late) = (HOUR + MINUTE, 150 * MINUTE);
        assert_eq!(heard(late, late), Some(Mono(begins)));
        // A second late, as ever.
        assert_eq!(heard(MINUTE + 1_000, MINUTE + 1_000), Some(Mono(begins)));
        // The clock was set meanwhile, forward or back: the later of what it can have been.
        assert_eq!(heard(late, 10 * MINUTE), Some(Mono(begins)));
        assert_eq!(
            heard(late, 20_000),
            None,
            "it was not one o'clock fifty-nine then, or it is not half past four"
        );
        assert_eq!(heard(10 * MINUTE, late), Some(Mono(HOUR + late - 9 * MINUTE)));
    }

    #[test]
    fn when_a_date_began_nobody_can_tell_by_a_clock_that_was_set_over_it_or_a_calendar_that_has_changed()
     {
        let closed = "[[closed]]\nvenue = \"XNAS\"\ndate = 2026-11-23\nreason = \"mourning\"\n";
        let mut timer = timer("", "XNAS", closed);
        assert_eq!(timer.poll(Wall(MONDAY), Mono(HOUR)), Wish::Nothing);
        timer.revise(days("", "XNAS", ""));
        let now = Mono(HOUR + MINUTE);
        assert_eq!(timer.poll(Wall(MONDAY + MINUTE), now), Wish::Forget { heard: now });
        // Held, and set back to Friday.
        let Wish::Look { today, .. } = timer.poll(Wall(MONDAY + MINUTE), now) else { panic!() };
        timer.taken(today.date, today.ends, Wall(MONDAY + MINUTE));
        let wish = timer.poll(Wall(MONDAY - 72 * HOUR), now);
        assert_eq!(wish, Wish::End { date: today.date, heard: now });
        // Held, and on to Tuesday: all of it by then.
        let Wish::Look { today, .. } = timer.poll(Wall(MONDAY - 72 * HOUR), now) else { panic!() };
        timer.taken(today.date, today.ends, Wall(MONDAY - 72 * HOUR));
        let wish = timer.poll(Wall(MONDAY + 24 * HOUR), now);
        assert_eq!(wish, Wish::End { date: today.date, heard: now });
    }

    /// One date ends as the next begins, and nobody asks over midnight.
    #[test]
    fn a_date_that_begins_as_another_ends_began_when_it_did() {
        let mut timer = timer("calendar = \"every-day\"", "XTST", "");
        let Wish::Look { today, .. } = timer.poll(Wall(MONDAY), Mono(HOUR)) else { panic!() };
        timer.taken(today.date, today.ends, Wall(MONDAY));
        // 23:30, and 04:30.
        assert!(matches!(timer.poll(Wall(MONDAY + 16 * HOUR), Mono(17 * HOUR)), Wish::Look { .. }));
        let wish = timer.poll(Wall(MONDAY + 21 * HOUR), Mono(22 * HOUR));
        let heard = Mono(17 * HOUR + 30 * MINUTE);
        assert_eq!(wish, Wish::End { date: today.date, heard });
    }

    #[test]
    fn a_date_that_is_closed_while_its_map_is_held_ends_it() {
        let mut timer = timer("", "XNAS", "");
        let Wish::Look { today, .. } = timer.poll(Wall(MONDAY), Mono(1)) else { panic!() };
        timer.taken(today.date, today.ends, Wall(MONDAY));
        timer.revise(days("", "XNAS", ""));
        assert!(look(&mut timer, MONDAY + HOUR, 2).is_some(), "nothing has changed");
        assert!(ends(timer.poll(today.ends, Mono(3)), today.date));
        timer.taken(today.date, today.ends, Wall(MONDAY));
        let closed = "[[closed]]\nvenue = \"XNAS\"\ndate = 2026-11-23\nreason = \"mourning\"\n";
        timer.revise(days("", "XNAS", closed));
        assert!(ends(timer.poll(Wall(MONDAY + HOUR), Mono(4)), today.date));
        assert_eq!(timer.poll(Wall(MONDAY + HOUR), Mono(5)), Wish::Nothing);
    }

    #[test]
    fn every_day_goes_from_midnight_to_midnight() {
        let days = days("calendar = \"every-day\", at = \"00:00\"", "XTST", "");
        let sunday = MONDAY - 24 * HOUR;
        let mut timer = Timer::new(days, Nanos::from_secs(30), (Wall(sunday), Mono(1)));
        let Wish::Look { today, fetch: true, due: true } = timer.poll(Wall(sunday), Mono(1)) else {
            panic!()
        };
        assert_eq!(today.date, TradingDate(20_261_122));
        assert_eq!(today.ends, Wall(sunday + 16 * HOUR + 30 * MINUTE));
        timer.taken(today.date, today.ends, Wall(sunday));
        assert!(ends(timer.poll(today.ends, Mono(1)), today.date));
        assert_eq!(look(&mut timer, today.ends.0, 1), Some((20_261_123, true, true)));
    }
}
