//! Daylight saving, in both years ahead: literal instants on both sides of every change.

use super::*;

/// A schedule whose map comes at 07:30 on the venue's own clock, wherever its open lies.
fn half_past_seven(calendar: &Calendar) -> Schedule {
    let mut moved = vec![(Step::Map, Moment::hm(7, 30))];
    for step in [Step::Joins, Step::Heartbeats, Step::Directory, Step::Crossover, Step::Preopen] {
        let usual = Schedule::of(calendar).moment(step);
        moved.push((step, usual.max(Moment::hm(7, 30))));
    }
    Schedule::with(calendar, &moved).expect("07:30 lies before the open")
}

/// Polled each minute from before the last session ahead of a change until behind the first one after it,
/// exactly these two are demanded, at exactly these instants.
fn fires(venue: &str, seven: bool, before: (u32, &str), after: (u32, &str)) {
    let calendar = calendar(venue);
    let schedule = match seven {
        true => half_past_seven(&calendar),
        false => Schedule::of(&calendar),
    };
    let (first, last) = (utc(before.1), utc(after.1));
    let from = Wall(first.0 - 2 * HOUR);
    let mut due = Due::new(calendar, &schedule, from);
    // A session of the day before may still last; its map counts as loaded.
    due.loaded(TradingDate(before.0 - 1), from);
    let loads = run(&mut due, from, Wall(last.0 + 12 * HOUR), MINUTE);
    let expected = [(TradingDate(before.0), first), (TradingDate(after.0), last)];
    assert_eq!(loads, expected, "{venue}");
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
            fires(venue, false, before, after);
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
        fires("XCME", false, before, after);
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
        fires("XLON", true, before, after);
    }
    // And two hours before its own open, as is usual.
    let before = (20_260_327, "2026-03-27T06:00:00Z");
    fires("XLON", false, before, (20_260_330, "2026-03-30T05:00:00Z"));
}

#[test]
fn daylight_saving_frankfurt() {
    for (before, after) in [
        ((20_260_327, "2026-03-27T06:30:00Z"), (20_260_330, "2026-03-30T05:30:00Z")),
        ((20_261_023, "2026-10-23T05:30:00Z"), (20_261_026, "2026-10-26T06:30:00Z")),
        ((20_270_325, "2027-03-25T06:30:00Z"), (20_270_330, "2027-03-30T05:30:00Z")),
        ((20_271_029, "2027-10-29T05:30:00Z"), (20_271_101, "2027-11-01T06:30:00Z")),
    ] {
        fires("XETR", true, before, after);
        fires("XEUR", true, before, after);
    }
    let before = (20_261_023, "2026-10-23T05:00:00Z");
    fires("XETR", false, before, (20_261_026, "2026-10-26T06:00:00Z"));
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
        fires("XTKS", true, before, after);
    }
}

#[test]
fn a_time_that_is_left_out_is_the_instant_of_the_change_and_of_two_the_first_counts() {
    for (venue, date, moment, expected) in [
        ("XNYS", 20_260_308, Moment::hm(2, 30), "2026-03-08T07:00:00Z"),
        ("XNYS", 20_260_308, Moment::hm(2, 0), "2026-03-08T07:00:00Z"),
        ("XNYS", 20_260_308, Moment::hm(3, 0), "2026-03-08T07:00:00Z"),
        ("XNYS", 20_260_308, Moment::hm(1, 59), "2026-03-08T06:59:00Z"),
        ("XNYS", 20_261_101, Moment::hm(1, 30), "2026-11-01T05:30:00Z"),
        ("XNYS", 20_261_101, Moment::hm(2, 0), "2026-11-01T07:00:00Z"),
        ("XNYS", 20_261_102, Moment::eve(1, 30), "2026-11-01T05:30:00Z"),
        ("XCME", 20_260_308, Moment::hm(2, 30), "2026-03-08T08:00:00Z"),
        ("XCME", 20_261_101, Moment::hm(1, 30), "2026-11-01T06:30:00Z"),
        ("XLON", 20_260_329, Moment::hm(1, 30), "2026-03-29T01:00:00Z"),
        ("XLON", 20_261_025, Moment::hm(1, 30), "2026-10-25T00:30:00Z"),
        ("XETR", 20_260_329, Moment::hm(2, 30), "2026-03-29T01:00:00Z"),
        ("XETR", 20_261_025, Moment::hm(2, 30), "2026-10-25T00:30:00Z"),
        ("XTKS", 20_260_329, Moment::hm(2, 30), "2026-03-28T17:30:00Z"),
    ] {
        let at = calendar(venue).at(TradingDate(date), moment);
        assert_eq!(at, Some(utc(expected)), "{venue} {date} {moment}");
    }
    for no_day in [0, 20_260_229, 20_261_301, 19_691_231, u32::MAX] {
        assert_eq!(calendar("XNYS").at(TradingDate(no_day), Moment::hm(7, 30)), None, "{no_day}");
    }
}

#[test]
fn zones_differ() {
    // Four hours apart for the weeks in which New York has changed and London has not; five otherwise.
    for (date, london, new_york) in [
        (20_260_306, "2026-03-06T06:00:00Z", "2026-03-06T12:30:00Z"),
        (20_260_309, "2026-03-09T06:00:00Z", "2026-03-09T11:30:00Z"),
        (20_260_327, "2026-03-27T06:00:00Z", "2026-03-27T11:30:00Z"),
        (20_260_330, "2026-03-30T05:00:00Z", "2026-03-30T11:30:00Z"),
        (20_261_026, "2026-10-26T06:00:00Z", "2026-10-26T11:30:00Z"),
        (20_261_102, "2026-11-02T06:00:00Z", "2026-11-02T12:30:00Z"),
    ] {
        assert_eq!(map_at("XLON", date), london);
        assert_eq!(map_at("XNYS", date), new_york);
    }
    // Two machines side by side, on the week of Thanksgiving: neither knows of the other.
    let (from, until) = (utc("2026-11-23T00:00:00Z"), utc("2026-11-28T00:00:00Z"));
    let mut london = due("XLON", "2026-11-23T00:00:00Z");
    let mut new_york = due("XNYS", "2026-11-23T00:00:00Z");
    let mut loads = Vec::new();
    let mut now = from;
    while now < until {
        loads.extend(london.poll(now).map(|load| ("XLON", load.date.0, now.to_string())));
        loads.extend(new_york.poll(now).map(|load| ("XNYS", load.date.0, now.to_string())));
        now.0 += MINUTE;
    }
    let shown: Vec<String> = loads.iter().map(|(v, date, at)| format!("{v} {date} {at}")).collect();
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
    // One instant, two trading dates: Tokyo has opened Tuesday while New York still trades late on Monday.
    let now = utc("2026-11-24T00:30:00Z");
    let tokyo = calendar("XTKS").trading_date_at(now);
    let new_york = calendar("XNYS").trading_date_at(now);
    assert!(matches!(tokyo, Day::Trading(session) if session.date.0 == 20_261_124));
    assert!(matches!(new_york, Day::Trading(session) if session.date.0 == 20_261_123));
}
