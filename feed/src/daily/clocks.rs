//! The maps' timer in virtual time, as its thread drives it: daylight saving, late hosts, missed timers, steps of the
//! clock, long runs. Tests are called as the scenarios they cover; every instant is written down.

use std::path::Path;

use candor_core::{Mono, Nanos, TradingDate};
use candor_maps::calendar::{Calendar, Overlay, STEP_MAX, Schedule, Step, Wall};
use candor_sim::rng::Rng;

use super::days::Days;
use super::timer::{Timer, Wish};
use crate::config::parse_text;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

const MONDAY: TradingDate = TradingDate(20_261_123);
const TUESDAY: TradingDate = TradingDate(20_261_124);

/// 07:30 on the venue's own clock, wherever its open lies, and what follows before the first of them opens.
const SEVEN: &str = "at = \"07:30\", timeline = { directory = \"07:40\", crossover = \"07:45\", preopen = \"07:50\" }";

/// `2026-11-23T12:30:00Z` as an instant.
fn utc(text: &str) -> Wall {
    let at: jiff::Timestamp = text.parse().expect("an instant");
    Wall(u64::try_from(at.as_nanosecond()).expect("after 1970"))
}

fn days(venue: &str, map: &str, overlay: &str) -> Days {
    let text = format!(
        "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\nkind = \"udp\"\ninterface = \"lo\"\n\
         [[lane]]\n[maps]\nstore = \"/m\"\n[[venue]]\nname = \"{venue}\"\nfeed = \"nasdaq-itch50\"\n\
         map = {{ {map} }}\n"
    );
    let config = parse_text(Path::new("t.toml"), &text).unwrap_or_else(|wrong| panic!("{wrong}"));
    let overlay = Overlay::parse(Path::new("o.toml"), overlay).unwrap();
    Days::of(&config.mapped[0], Some(&overlay)).unwrap()
}

/// A venue's maps, each there when it is fetched, and taken.
#[derive(Clone)]
struct Maps {
    timer: Timer,
    mono: u64,
    fetched: Vec<(TradingDate, Wall)>,
    /// The maps that ended, and when.
    ended: Vec<(TradingDate, Wall)>,
}

impl Maps {
    fn of(venue: &str, map: &str, now: Wall) -> Maps {
        let timer = Timer::new(days(venue, map, ""), Nanos::from_secs(30), (now, Mono(1)));
        Maps { timer, mono: 1, fetched: Vec::new(), ended: Vec::new() }
    }

    fn at(venue: &str, now: &str) -> Maps {
        Maps::of(venue, "", utc(now))
    }

    /// What is done at this instant; the date whose map is fetched, if one is.
    fn poll(&mut self, now: Wall) -> Option<TradingDate> {
        self.mono += 1;
        // BOUND: a map ends, what was heard is forgotten, and one is looked for.
        for _ in 0..4 {
            match self.timer.poll(now, Mono(self.mono)) {
                Wish::Nothing => return None,
                Wish::End { date, .. } => self.ended.push((date, now)),
                Wish::Forget { .. } => {}
                Wish::Look { today, fetch: true, due } => {
                    assert!(due, "nothing is fetched before its time");
                    self.timer.fetched(today.date, true, Mono(self.mono));
                    self.timer.taken(today.date, today.ends, now);
                    self.fetched.push((today.date, now));
                    return Some(today.date);
                }
                Wish::Look { fetch: false, .. } => return None,
            }
        }
        panic!("no end of wishes at {now}")
    }

    /// What is fetched when polled every `step` nanoseconds from one instant until before another.
    fn run(&mut self, from: Wall, until: Wall, step: u64) -> Vec<(TradingDate, Wall)> {
        let before = self.fetched.len();
        let mut now = from;
        while now < until {
            self.poll(now);
            now.0 += step;
        }
        self.fetched[before..].to_vec()
    }
}

#[test]
fn missed_timer() {
    // The host boots at 07:31.
    let mut maps = Maps::at("XNYS", "2026-11-23T12:31:00Z");
    assert_eq!(maps.poll(utc("2026-11-23T12:31:00Z")), Some(MONDAY));
    assert_eq!(maps.poll(utc("2026-11-23T12:31:00Z")), None, "the same instant again");
    assert_eq!(maps.poll(utc("2026-11-23T20:00:00Z")), None);
    // Or in the afternoon, or within the last hours of the date, but no longer once it is over.
    for (now, expected) in [
        ("2026-11-23T12:29:59.999999999Z", None),
        ("2026-11-23T12:30:00Z", Some(MONDAY)),
        ("2026-11-23T18:00:00Z", Some(MONDAY)),
        ("2026-11-24T01:29:59Z", Some(MONDAY)),
        ("2026-11-24T01:30:00Z", None),
        ("2026-11-24T06:00:00Z", None),
        ("2026-11-21T15:00:00Z", None),
    ] {
        assert_eq!(Maps::at("XNYS", now).poll(utc(now)), expected, "{now}");
    }
    // Nobody polled from Friday on until Monday noon, and from then on until Wednesday at five.
    let mut maps = Maps::at("XNYS", "2026-11-20T12:00:00Z");
    assert_eq!(maps.poll(utc("2026-11-20T12:30:00Z")), Some(TradingDate(20_261_120)));
    assert_eq!(maps.poll(utc("2026-11-23T17:00:00Z")), Some(MONDAY));
    assert_eq!(maps.poll(utc("2026-11-25T10:00:00Z")), None, "Tuesday is over");
    assert_eq!(maps.poll(utc("2026-11-25T12:30:00Z")), Some(TradingDate(20_261_125)));
}

#[test]
fn clock_step() {
    let (eve, map) = (utc("2026-11-23T12:00:00Z"), utc("2026-11-23T12:30:00Z"));
    for step in [2 * SECOND, HOUR] {
        // Forward over 07:30: at once, though it is early by the clock that was.
        let mut maps = Maps::of("XNYS", "", eve);
        let before = Wall(map.0 - step / 2);
        assert_eq!(maps.poll(before), None);
        assert_eq!(maps.poll(Wall(before.0 + step)), Some(MONDAY));
        // And back again: not a second time, when it steps nor when 07:30 comes again.
        assert_eq!(maps.run(before, Wall(map.0 + 4 * HOUR), SECOND), []);
        // Back over 07:30, just after.
        let mut maps = Maps::of("XNYS", "", eve);
        assert_eq!(maps.run(eve, Wall(map.0 + SECOND), SECOND), [(MONDAY, map)]);
        let back = Wall(map.0 + SECOND - step);
        assert_eq!(maps.run(back, Wall(map.0 + HOUR), SECOND), []);
        // Forward and back by turns, all day long.
        let mut maps = Maps::of("XNYS", "", eve);
        for minute in 0..23 * 60 {
            maps.poll(Wall(eve.0 + minute * MINUTE + (minute % 2) * step));
        }
        assert_eq!(maps.fetched.iter().map(|(date, _)| *date).collect::<Vec<_>>(), [MONDAY]);
    }
}

#[test]
fn clock_step_where_one_session_ends_as_the_next_begins() {
    // 16:15 in Chicago ends Monday and is when Tuesday's map is due: back by a step it is Monday once more.
    let map = utc("2026-11-23T22:15:00Z");
    for step in [2 * SECOND, HOUR] {
        let mut maps = Maps::at("XCME", "2026-11-23T15:00:00Z");
        assert_eq!(maps.poll(utc("2026-11-23T15:00:00Z")), Some(MONDAY));
        assert_eq!(maps.poll(map), Some(TUESDAY));
        let back = Wall(map.0 + SECOND - step);
        assert_eq!(maps.run(back, Wall(map.0 + 20 * HOUR), MINUTE), []);
        assert_eq!(maps.timer.held(), Some(TUESDAY));
    }
}

#[test]
fn clock_step_from_a_date_that_was_wrong() {
    let noon = utc("2026-11-23T17:00:00Z");
    // A clock that was never set: nothing, and today once it is right.
    let mut maps = Maps::at("XNYS", "1970-01-01T00:00:00Z");
    assert_eq!(maps.poll(Wall(0)), None);
    assert_eq!(maps.poll(noon), Some(MONDAY));
    // A day, a month, years ahead: that date's map is fetched, and today's once it is right.
    for wrong in ["2026-11-24T17:00:00Z", "2026-12-23T17:00:00Z", "2030-12-31T17:00:00Z"] {
        let mut maps = Maps::at("XNYS", wrong);
        assert!(maps.poll(utc(wrong)).is_some(), "{wrong}");
        assert_eq!(maps.poll(noon), Some(MONDAY), "{wrong}");
        assert_eq!((maps.poll(noon), maps.timer.held()), (None, Some(MONDAY)));
    }
    // Beyond the calendar nothing is due, and the way back is open.
    let mut maps = Maps::at("XNYS", "2031-06-02T17:00:00Z");
    for beyond in [utc("2031-06-02T17:00:00Z"), Wall(u64::MAX)] {
        assert_eq!(maps.poll(beyond), None);
    }
    assert_eq!(maps.poll(noon), Some(MONDAY));
    // Six hours are a step, which keeps the map; a nanosecond more is a clock that was wrong.
    let map = utc("2026-11-23T12:30:00Z");
    let mut maps = Maps::of("XNYS", "", map);
    assert_eq!(maps.poll(map), Some(MONDAY));
    let mut wrong = maps.clone();
    maps.poll(Wall(map.0 - STEP_MAX.0));
    wrong.poll(Wall(map.0 - STEP_MAX.0 - 1));
    assert_eq!((maps.timer.held(), wrong.timer.held()), (Some(MONDAY), None));
}

#[test]
fn holiday_and_weekend_fetch_nothing() {
    let from = utc("2026-12-24T15:00:00Z");
    let mut maps = Maps::of("XNYS", "", from);
    let expected =
        [(TradingDate(20_261_224), from), (TradingDate(20_261_228), utc("2026-12-28T12:30:00Z"))];
    assert_eq!(maps.run(from, utc("2026-12-28T12:31:00Z"), MINUTE), expected);
}

#[test]
fn an_overlay_that_comes_while_running_takes_the_day_away() {
    let closed = "[[closed]]\nvenue = \"XNYS\"\ndate = 2026-12-09\nreason = \"mourning\"\n";
    let mut maps = Maps::at("XNYS", "2026-12-08T20:00:00Z");
    maps.poll(utc("2026-12-08T20:00:00Z")).unwrap();
    maps.timer.revise(days("XNYS", "", closed));
    let (from, until) = (utc("2026-12-08T21:00:00Z"), utc("2026-12-10T13:00:00Z"));
    let expected = [(TradingDate(20_261_210), utc("2026-12-10T12:30:00Z"))];
    assert_eq!(maps.run(from, until, MINUTE), expected);
}

#[test]
fn a_week_polled_each_second() {
    let from = utc("2026-11-15T05:00:00Z");
    let mut maps = Maps::of("XNYS", "", from);
    let expected: Vec<(TradingDate, Wall)> = (16..=20)
        .map(|day| (TradingDate(20_261_100 + day), utc(&format!("2026-11-{day}T12:30:00Z"))))
        .collect();
    assert_eq!(maps.run(from, utc("2026-11-22T05:00:00Z"), SECOND), expected);
}

#[test]
fn a_year_fetches_the_map_of_each_trading_date_once() {
    // With as many trading dates as the exchanges count for 2026 and 2027.
    for (venue, counts) in [
        ("XNYS", [251, 251]),
        ("XCME", [258, 258]),
        ("XLON", [253, 253]),
        ("XETR", [254, 256]),
        ("XTKS", [242, 244]),
    ] {
        let from = utc("2025-12-31T23:00:00Z");
        let mut maps = Maps::of(venue, "", from);
        // What is still under way when the run starts.
        maps.poll(from);
        let fetched = maps.run(from, utc("2027-12-31T20:00:00Z"), 5 * MINUTE);
        assert!(fetched.is_sorted_by(|a, b| a.0 < b.0), "{venue}");
        for (year, count) in (2026..).zip(counts) {
            let of_year = fetched.iter().filter(|(date, _)| date.0 / 10_000 == year).count();
            assert_eq!(of_year, count, "{venue} {year}");
        }
        let calendar = Calendar::of(venue).unwrap();
        let schedule = Schedule::of(&calendar);
        for (date, at) in fetched {
            let planned = schedule.on(&calendar, date).unwrap()[Step::Map.index()];
            assert_eq!(planned, (Step::Map, at), "{venue} {date}: at the minute");
        }
    }
}

#[test]
fn until_the_calendars_end_and_not_beyond() {
    let from = utc("2025-01-01T00:00:00Z");
    let mut maps = Maps::of("XNYS", "", from);
    let fetched = maps.run(from, utc("2032-01-01T00:00:00Z"), HOUR);
    assert_eq!(fetched.len(), 1505);
    assert_eq!(fetched.last().unwrap().0, TradingDate(20_301_231));
}

/// However the clock walks, with steps of up to an hour back, no map is fetched twice, and none left out.
#[test]
fn no_walk_of_the_clock_fetches_a_map_twice() {
    for (number, venue) in (0u64..).zip(["XNYS", "OPRA", "XCME", "XLON", "XEUR", "XETR", "XTKS"]) {
        let calendar = Calendar::of(venue).unwrap();
        let schedule = Schedule::of(&calendar);
        for walk in 0..40 {
            let mut rng = Rng::stream(walk, number);
            let mut now = Wall((1_735_776_000 + rng.below(160_000_000)) * SECOND);
            let mut maps = Maps::of(venue, "", now);
            let mut newest = now;
            maps.poll(now);
            for _ in 0..300 {
                let step = rng.below(14_400 * SECOND);
                // From an hour back to three ahead, and no further back than an hour from the latest.
                now = Wall((now.0 + step).saturating_sub(HOUR).max(newest.0 - HOUR));
                newest = newest.max(now);
                maps.poll(now);
            }
            let fetched: Vec<TradingDate> = maps.fetched.iter().map(|(date, _)| *date).collect();
            let mut wanted = Vec::new();
            let mut next = fetched.first().and_then(|first| calendar.session(*first));
            while let Some(session) = next {
                if schedule.on(&calendar, session.date).unwrap()[Step::Map.index()].1 > newest {
                    break;
                }
                wanted.push(session.date);
                next = calendar.next_session(session.date);
            }
            // Three hours at most between polls: no date lasts so short a time behind its map's.
            assert_eq!(fetched, wanted, "{venue}, walk {walk}");
        }
    }
}

/// Polled each minute from before the last session ahead of a change until behind the first one after it, exactly
/// these two maps are fetched, at exactly these instants.
fn fires(venue: &str, map: &str, before: (u32, &str), after: (u32, &str)) {
    let (first, last) = (utc(before.1), utc(after.1));
    let from = Wall(first.0 - 2 * HOUR);
    let mut maps = Maps::of(venue, map, from);
    // A session of the day before may still last; its map is had.
    maps.timer.fetched(TradingDate(before.0 - 1), true, Mono(1));
    let fetched = maps.run(from, Wall(last.0 + 12 * HOUR), MINUTE);
    let expected = [(TradingDate(before.0), first), (TradingDate(after.0), last)];
    assert_eq!(fetched, expected, "{venue}");
}

#[test]
fn daylight_saving_new_york() {
    for (before, after) in [
        ((20_260_306, "2026-03-06T12:30:00Z"), (20_260_309, "2026-03-09T11:30:00Z")),
        ((20_261_030, "2026-10-30T11:30:00Z"), (20_261_102, "2026-11-02T12:30:00Z")),
        ((20_270_312, "2027-03-12T12:30:00Z"), (20_270_315, "2027-03-15T11:30:00Z")),
        ((20_271_105, "2027-11-05T11:30:00Z"), (20_271_108, "2027-11-08T12:30:00Z")),
    ] {
        for venue in ["XNYS", "XNAS", "IEXG", "OPRA"] {
            fires(venue, "", before, after);
        }
    }
}

#[test]
fn daylight_saving_chicago() {
    // 16:15 on the evening before: Thursday's for Friday, Sunday's for Monday, when clocks have changed.
    for (before, after) in [
        ((20_260_306, "2026-03-05T22:15:00Z"), (20_260_309, "2026-03-08T21:15:00Z")),
        ((20_261_030, "2026-10-29T21:15:00Z"), (20_261_102, "2026-11-01T22:15:00Z")),
        ((20_270_312, "2027-03-11T22:15:00Z"), (20_270_315, "2027-03-14T21:15:00Z")),
        ((20_271_105, "2027-11-04T21:15:00Z"), (20_271_108, "2027-11-07T22:15:00Z")),
    ] {
        fires("XCME", "", before, after);
    }
}

#[test]
fn daylight_saving_london() {
    // In 2027 clocks go forward on Easter Sunday: Thursday comes before, and Tuesday behind.
    for (before, after) in [
        ((20_260_327, "2026-03-27T07:30:00Z"), (20_260_330, "2026-03-30T06:30:00Z")),
        ((20_261_023, "2026-10-23T06:30:00Z"), (20_261_026, "2026-10-26T07:30:00Z")),
        ((20_270_325, "2027-03-25T07:30:00Z"), (20_270_330, "2027-03-30T06:30:00Z")),
        ((20_271_029, "2027-10-29T06:30:00Z"), (20_271_101, "2027-11-01T07:30:00Z")),
    ] {
        fires("XLON", SEVEN, before, after);
    }
    // And two hours before its own open, as is usual.
    let before = (20_260_327, "2026-03-27T06:00:00Z");
    fires("XLON", "", before, (20_260_330, "2026-03-30T05:00:00Z"));
}

#[test]
fn daylight_saving_frankfurt() {
    for (before, after) in [
        ((20_260_327, "2026-03-27T06:30:00Z"), (20_260_330, "2026-03-30T05:30:00Z")),
        ((20_261_023, "2026-10-23T05:30:00Z"), (20_261_026, "2026-10-26T06:30:00Z")),
        ((20_270_325, "2027-03-25T06:30:00Z"), (20_270_330, "2027-03-30T05:30:00Z")),
        ((20_271_029, "2027-10-29T05:30:00Z"), (20_271_101, "2027-11-01T06:30:00Z")),
    ] {
        fires("XETR", SEVEN, before, after);
        fires("XEUR", SEVEN, before, after);
    }
    let before = (20_261_023, "2026-10-23T05:00:00Z");
    fires("XETR", "", before, (20_261_026, "2026-10-26T06:00:00Z"));
}

#[test]
fn daylight_saving_is_unknown_in_tokyo() {
    // Over the changes of all the others, 07:30 there is 22:30 the evening before in UTC.
    for (before, after) in [
        ((20_260_306, "2026-03-05T22:30:00Z"), (20_260_309, "2026-03-08T22:30:00Z")),
        ((20_260_327, "2026-03-26T22:30:00Z"), (20_260_330, "2026-03-29T22:30:00Z")),
        ((20_261_023, "2026-10-22T22:30:00Z"), (20_261_026, "2026-10-25T22:30:00Z")),
        ((20_261_030, "2026-10-29T22:30:00Z"), (20_261_102, "2026-11-01T22:30:00Z")),
        ((20_270_312, "2027-03-11T22:30:00Z"), (20_270_315, "2027-03-14T22:30:00Z")),
        ((20_270_326, "2027-03-25T22:30:00Z"), (20_270_329, "2027-03-28T22:30:00Z")),
        ((20_271_029, "2027-10-28T22:30:00Z"), (20_271_101, "2027-10-31T22:30:00Z")),
        ((20_271_105, "2027-11-04T22:30:00Z"), (20_271_108, "2027-11-07T22:30:00Z")),
    ] {
        fires("XTKS", SEVEN, before, after);
    }
}

/// A map that is held hours before ends at exactly this instant, polled each minute or at that instant alone, and
/// ends once.
fn ends(venue: &str, dates: &[(u32, &str)]) {
    for (date, at) in dates {
        let (date, end) = (TradingDate(*date), utc(at));
        let from = Wall(end.0 - 5 * HOUR);
        let mut maps = Maps::of(venue, "", from);
        assert_eq!(maps.poll(from), Some(date), "{venue}: held");
        let mut once = maps.clone();
        once.poll(Wall(end.0 - 1));
        assert_eq!((once.timer.held(), &once.ended[..]), (Some(date), &[][..]), "{venue} {date}");
        once.poll(end);
        assert_eq!(once.ended, [(date, end)], "{venue}");
        maps.run(from, Wall(end.0 + 2 * HOUR), MINUTE);
        assert_eq!(maps.ended, [(date, end)], "{venue}: at the minute, and once");
    }
}

#[test]
fn a_half_day_ends_as_much_earlier_as_it_closes() {
    // 13:00 for 16:00 in New York, 12:30 for 16:30 in London, 14:00 for 17:30 in Frankfurt.
    ends("XNYS", &[(20_261_127, "2026-11-27T22:30:00Z"), (20_261_125, "2026-11-26T01:30:00Z")]);
    ends("XLON", &[(20_261_224, "2026-12-24T14:00:00Z"), (20_261_223, "2026-12-23T18:00:00Z")]);
    ends("XETR", &[(20_261_230, "2026-12-30T18:00:00Z"), (20_261_229, "2026-12-29T21:30:00Z")]);
}

#[test]
fn daylight_saving_moves_the_end_as_well() {
    let new_york = [
        (20_260_306, "2026-03-07T01:30:00Z"),
        (20_260_309, "2026-03-10T00:30:00Z"),
        (20_261_030, "2026-10-31T00:30:00Z"),
        (20_261_102, "2026-11-03T01:30:00Z"),
    ];
    ["XNYS", "XNAS", "IEXG"].into_iter().for_each(|venue| ends(venue, &new_york));
    let chicago = [
        (20_260_306, "2026-03-06T22:15:00Z"),
        (20_260_309, "2026-03-09T21:15:00Z"),
        (20_261_030, "2026-10-30T21:15:00Z"),
        (20_261_102, "2026-11-02T22:15:00Z"),
    ];
    ends("XCME", &chicago);
    let london = [
        (20_260_327, "2026-03-27T18:00:00Z"),
        (20_260_330, "2026-03-30T17:00:00Z"),
        (20_261_023, "2026-10-23T17:00:00Z"),
        (20_261_026, "2026-10-26T18:00:00Z"),
    ];
    ends("XLON", &london);
    let frankfurt = [
        (20_260_327, "2026-03-27T21:30:00Z"),
        (20_260_330, "2026-03-30T20:30:00Z"),
        (20_261_023, "2026-10-23T20:30:00Z"),
        (20_261_026, "2026-10-26T21:30:00Z"),
    ];
    ends("XETR", &frankfurt);
    // Tokyo's clocks don't change: over New York's two changes it is 08:00 in UTC.
    let tokyo = [
        (20_260_306, "2026-03-06T08:00:00Z"),
        (20_260_309, "2026-03-09T08:00:00Z"),
        (20_261_030, "2026-10-30T08:00:00Z"),
        (20_261_102, "2026-11-02T08:00:00Z"),
    ];
    ends("XTKS", &tokyo);
}

#[test]
fn zones_differ() {
    // Two venues side by side, on the week of Thanksgiving: neither knows of the other.
    let (from, until) = (utc("2026-11-23T00:00:00Z"), utc("2026-11-28T00:00:00Z"));
    let mut venues = [("XLON", Maps::of("XLON", "", from)), ("XNYS", Maps::of("XNYS", "", from))];
    let mut shown = Vec::new();
    let mut now = from;
    while now < until {
        for (venue, maps) in &mut venues {
            shown.extend(maps.poll(now).map(|date| format!("{venue} {} {now}", date.0)));
        }
        now.0 += MINUTE;
    }
    assert_eq!(
        shown,
        [
            "XLON 20261123 2026-11-23T06:00:00Z",
            "XNYS 20261123 2026-11-23T12:30:00Z",
            "XLON 20261124 2026-11-24T06:00:00Z",
            "XNYS 20261124 2026-11-24T12:30:00Z",
            "XLON 20261125 2026-11-25T06:00:00Z",
            "XNYS 20261125 2026-11-25T12:30:00Z",
            "XLON 20261126 2026-11-26T06:00:00Z",
            "XLON 20261127 2026-11-27T06:00:00Z",
            "XNYS 20261127 2026-11-27T12:30:00Z",
        ]
    );
}
