//! What is due, once: late hosts, missed timers, steps of the clock, long runs.

use super::*;

const MONDAY: TradingDate = TradingDate(20_261_123);
const TUESDAY: TradingDate = TradingDate(20_261_124);

fn date(load: Option<Load>) -> Option<TradingDate> {
    load.map(|load| load.date)
}

#[test]
fn missed_timer() {
    // The host boots at 07:31.
    let mut machine = due("XNYS", "2026-11-23T12:31:00Z");
    assert_eq!(machine.next(), Some(utc("2026-11-23T12:30:00Z")), "already behind");
    let load = machine.poll(utc("2026-11-23T12:31:00Z")).unwrap();
    assert_eq!(load.date, MONDAY);
    assert_eq!(load.planned, utc("2026-11-23T12:30:00Z"));
    assert_eq!(load.late, candor_core::Nanos(MINUTE));
    assert_eq!(machine.poll(utc("2026-11-23T12:31:00Z")), None, "the same instant again");
    assert_eq!(machine.poll(utc("2026-11-23T20:00:00Z")), None);
    assert_eq!(machine.next(), Some(utc("2026-11-24T12:30:00Z")));
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
        assert_eq!(date(due("XNYS", now).poll(utc(now))), expected, "{now}");
    }
    // Nobody polled from Friday on until Monday noon, and from then on until Wednesday at five.
    let mut machine = due("XNYS", "2026-11-20T12:00:00Z");
    assert_eq!(date(machine.poll(utc("2026-11-20T12:30:00Z"))), Some(TradingDate(20_261_120)));
    assert_eq!(date(machine.poll(utc("2026-11-23T17:00:00Z"))), Some(MONDAY));
    assert_eq!(machine.poll(utc("2026-11-25T10:00:00Z")), None, "Tuesday is over");
    assert_eq!(date(machine.poll(utc("2026-11-25T12:30:00Z"))), Some(TradingDate(20_261_125)));
}

#[test]
fn clock_step() {
    let (eve, map) = (utc("2026-11-23T12:00:00Z"), utc("2026-11-23T12:30:00Z"));
    for step in [2 * SECOND, HOUR] {
        // Forward over 07:30: at once, though it is early by the clock that was.
        let mut machine = due("XNYS", "2026-11-23T12:00:00Z");
        let before = Wall(map.0 - step / 2);
        assert_eq!(machine.poll(before), None);
        assert_eq!(date(machine.poll(Wall(before.0 + step))), Some(MONDAY));
        // And back again: not a second time, when it steps nor when 07:30 comes again.
        let loads = run(&mut machine, before, Wall(map.0 + 4 * HOUR), SECOND);
        assert_eq!(loads, []);
        // Back over 07:30, just after.
        let mut machine = due("XNYS", "2026-11-23T12:00:00Z");
        assert_eq!(run(&mut machine, eve, Wall(map.0 + SECOND), SECOND), [(MONDAY, map)]);
        let loads = run(&mut machine, Wall(map.0 + SECOND - step), Wall(map.0 + HOUR), SECOND);
        assert_eq!(loads, []);
        assert_eq!(machine.next(), Some(utc("2026-11-24T12:30:00Z")));
        // Forward and back by turns, all day long.
        let mut machine = due("XNYS", "2026-11-23T12:00:00Z");
        let mut loads = Vec::new();
        for minute in 0..23 * 60 {
            let now = Wall(eve.0 + minute * MINUTE + (minute % 2) * step);
            loads.extend(machine.poll(now).map(|load| load.date));
        }
        assert_eq!(loads, [MONDAY]);
    }
}

#[test]
fn clock_step_where_one_session_ends_as_the_next_begins() {
    // 16:15 in Chicago ends Monday and is when Tuesday's map is due: back by a step it is Monday once more.
    let map = utc("2026-11-23T22:15:00Z");
    for step in [2 * SECOND, HOUR] {
        let mut machine = due("XCME", "2026-11-23T15:00:00Z");
        assert_eq!(date(machine.poll(utc("2026-11-23T15:00:00Z"))), Some(MONDAY));
        assert_eq!(date(machine.poll(map)), Some(TUESDAY));
        let loads = run(&mut machine, Wall(map.0 + SECOND - step), Wall(map.0 + 20 * HOUR), MINUTE);
        assert_eq!(loads, []);
        assert_eq!(machine.next(), Some(utc("2026-11-24T22:15:00Z")));
    }
}

#[test]
fn clock_step_from_a_date_that_was_wrong() {
    let noon = utc("2026-11-23T17:00:00Z");
    // A clock that was never set: nothing, and today once it is right.
    let mut machine = due("XNYS", "1970-01-01T00:00:00Z");
    assert_eq!(machine.poll(Wall(0)), None);
    assert_eq!(date(machine.poll(noon)), Some(MONDAY));
    // A day, a month, years ahead: that date's map is demanded, and today's once it is right.
    for wrong in ["2026-11-24T17:00:00Z", "2026-12-23T17:00:00Z", "2030-12-31T17:00:00Z"] {
        let mut machine = due("XNYS", wrong);
        assert!(machine.poll(utc(wrong)).is_some(), "{wrong}");
        assert_eq!(date(machine.poll(noon)), Some(MONDAY), "{wrong}");
        assert_eq!(machine.poll(noon), None);
    }
    // Beyond the calendar nothing is due, and the way back is open.
    let mut machine = due("XNYS", "2031-06-02T17:00:00Z");
    for beyond in [utc("2031-06-02T17:00:00Z"), Wall(u64::MAX)] {
        assert_eq!(machine.poll(beyond), None);
        assert_eq!(machine.next(), None);
    }
    assert_eq!(date(machine.poll(noon)), Some(MONDAY));
    // Six hours are a step, and a nanosecond more is a clock that was wrong.
    let map = utc("2026-11-23T12:30:00Z");
    let mut machine = due("XNYS", "2026-11-23T12:30:00Z");
    assert_eq!(date(machine.poll(map)), Some(MONDAY));
    let mut wrong = machine.clone();
    machine.poll(Wall(map.0 - Due::STEP_MAX.0));
    assert_eq!(machine.poll(map), None);
    wrong.poll(Wall(map.0 - Due::STEP_MAX.0 - 1));
    assert_eq!(date(wrong.poll(map)), Some(MONDAY));
}

#[test]
fn a_map_that_was_loaded_already_is_not_demanded() {
    for started in ["2026-11-23T05:00:00Z", "2026-11-23T12:00:00Z", "2026-11-23T15:00:00Z"] {
        let mut machine = due("XNYS", started);
        machine.loaded(MONDAY, utc(started));
        assert_eq!(machine.next(), Some(utc("2026-11-24T12:30:00Z")));
        let loads = run(&mut machine, utc(started), utc("2026-11-24T12:31:00Z"), MINUTE);
        assert_eq!(loads, [(TUESDAY, utc("2026-11-24T12:30:00Z"))], "{started}");
    }
}

#[test]
fn holiday_and_weekend_demand_nothing() {
    let mut machine = due("XNYS", "2026-12-24T15:00:00Z");
    let loads = run(&mut machine, utc("2026-12-24T15:00:00Z"), utc("2026-12-28T12:31:00Z"), MINUTE);
    let expected = [
        (TradingDate(20_261_224), utc("2026-12-24T15:00:00Z")),
        (TradingDate(20_261_228), utc("2026-12-28T12:30:00Z")),
    ];
    assert_eq!(loads, expected);
}

#[test]
fn a_week_polled_each_second() {
    let mut machine = due("XNYS", "2026-11-15T05:00:00Z");
    let loads = run(&mut machine, utc("2026-11-15T05:00:00Z"), utc("2026-11-22T05:00:00Z"), SECOND);
    let expected: Vec<(TradingDate, Wall)> = (16..=20)
        .map(|day| (TradingDate(20_261_100 + day), utc(&format!("2026-11-{day}T12:30:00Z"))))
        .collect();
    assert_eq!(loads, expected);
}

#[test]
fn a_year_demands_each_trading_date_once() {
    // With as many trading dates as the exchanges count for 2026 and 2027.
    for (venue, counts) in [
        ("XNYS", [251, 251]),
        ("XCME", [258, 258]),
        ("XLON", [253, 253]),
        ("XETR", [254, 256]),
        ("XTKS", [242, 244]),
    ] {
        let from = utc("2025-12-31T23:00:00Z");
        let mut machine = due(venue, "2025-12-31T23:00:00Z");
        // What is still under way when the run starts.
        machine.poll(from);
        let loads = run(&mut machine, from, utc("2027-12-31T20:00:00Z"), 5 * MINUTE);
        assert!(loads.is_sorted_by(|a, b| a.0 < b.0), "{venue}");
        for (year, count) in (2026..).zip(counts) {
            let of_year = loads.iter().filter(|(date, _)| date.0 / 10_000 == year).count();
            assert_eq!(of_year, count, "{venue} {year}");
        }
        let calendar = calendar(venue);
        let schedule = Schedule::of(&calendar);
        for (date, at) in loads {
            let planned = schedule.on(&calendar, date).unwrap()[Step::Map.index()];
            assert_eq!(planned, (Step::Map, at), "{venue} {date}: at the minute");
        }
    }
}

#[test]
fn until_the_calendars_end_and_not_beyond() {
    let mut machine = due("XNYS", "2025-01-01T00:00:00Z");
    let loads = run(&mut machine, utc("2025-01-01T00:00:00Z"), utc("2032-01-01T00:00:00Z"), HOUR);
    assert_eq!(loads.len(), 1505);
    assert_eq!(loads.last().unwrap().0, TradingDate(20_301_231));
    assert_eq!(machine.next(), None);
}
