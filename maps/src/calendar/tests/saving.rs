//! Daylight saving, in both years ahead: literal instants on both sides of every change.

use super::*;

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
    // One instant, two trading dates: Tokyo has opened Tuesday while New York still trades late on Monday.
    let now = utc("2026-11-24T00:30:00Z");
    let tokyo = calendar("XTKS").trading_date_at(now);
    let new_york = calendar("XNYS").trading_date_at(now);
    assert!(matches!(tokyo, Day::Trading(session) if session.date.0 == 20_261_124));
    assert!(matches!(new_york, Day::Trading(session) if session.date.0 == 20_261_123));
}
