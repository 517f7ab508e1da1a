//! Which trading date it is.

use super::*;

fn date_at(venue: &str, now: &str) -> Option<u32> {
    match calendar(venue).trading_date_at(utc(now)) {
        Day::Trading(session) => Some(session.date.0),
        Day::Closed { .. } => None,
        Day::Unknown => panic!("{now} is known"),
    }
}

fn next_at(venue: &str, now: &str) -> Option<u32> {
    match calendar(venue).trading_date_at(utc(now)) {
        Day::Closed { next } => Some(next.0),
        _ => None,
    }
}

fn phase(venue: &str, date: u32, now: &str) -> Phase {
    calendar(venue).session(TradingDate(date)).expect("a trading date").phase(utc(now))
}

#[test]
fn a_trading_date_comes_from_the_session_and_not_from_midnight() {
    // Friday 2026-11-20 in New York: orders until 20:00, and nothing more of that date from 20:30 on.
    assert_eq!(date_at("XNAS", "2026-11-20T07:00:00Z"), Some(20_261_120), "02:00");
    assert_eq!(next_at("XNAS", "2026-11-20T06:59:59Z"), Some(20_261_120));
    assert_eq!(date_at("XNAS", "2026-11-21T01:29:59Z"), Some(20_261_120), "20:29:59");
    assert_eq!(next_at("XNAS", "2026-11-21T01:30:00Z"), Some(20_261_123), "Monday is next");
    assert_eq!(next_at("XNAS", "2026-11-22T17:00:00Z"), Some(20_261_123));
}

#[test]
fn globex_begins_the_evening_before() {
    // Sunday 2026-11-22, 17:00 in Chicago, is Monday's; so is Monday until 16:15.
    assert_eq!(next_at("XCME", "2026-11-22T22:14:59Z"), Some(20_261_123));
    assert_eq!(date_at("XCME", "2026-11-22T22:15:00Z"), Some(20_261_123));
    assert_eq!(date_at("XCME", "2026-11-22T23:00:00Z"), Some(20_261_123));
    assert_eq!(date_at("XCME", "2026-11-23T22:14:59Z"), Some(20_261_123));
    assert_eq!(date_at("XCME", "2026-11-23T22:15:00Z"), Some(20_261_124), "Monday evening");
    assert_eq!(next_at("XCME", "2026-11-20T22:15:00Z"), Some(20_261_123), "Friday evening");
    let monday = calendar("XCME").session(TradingDate(20_261_123)).unwrap();
    assert_eq!(monday.open, utc("2026-11-22T23:00:00Z"));
    assert_eq!(monday.close, utc("2026-11-23T22:00:00Z"));
    // Options' night trading of Monday begins on Sunday evening too, and at 20:00 in New York.
    assert_eq!(date_at("OPRA", "2026-11-23T01:00:00Z"), Some(20_261_123));
}

#[test]
fn holiday() {
    // Thanksgiving 2026-11-26, and Christmas with the weekend behind it.
    for now in ["2026-11-26T12:30:00Z", "2026-11-26T15:00:00Z", "2026-11-26T20:00:00Z"] {
        assert_eq!(next_at("XNYS", now), Some(20_261_127), "{now}");
    }
    assert_eq!(next_at("XNYS", "2026-12-25T15:00:00Z"), Some(20_261_228));
    assert_eq!(calendar("XNYS").closed(TradingDate(20_261_126)), Some("Thanksgiving"));
    assert_eq!(calendar("XNYS").closed(TradingDate(20_261_128)), Some("weekend"));
    assert_eq!(calendar("XNYS").closed(TradingDate(20_261_127)), None);
    // The others trade on Thanksgiving, and Tokyo doesn't on the day of thanks for labour.
    assert_eq!(date_at("XLON", "2026-11-26T12:30:00Z"), Some(20_261_126));
    assert_eq!(next_at("XTKS", "2026-11-23T01:00:00Z"), Some(20_261_124));
    // Five holidays on end: Tokyo's golden week of 2026, behind a Saturday and a Sunday.
    assert_eq!(next_at("XTKS", "2026-05-01T09:00:00Z"), Some(20_260_507));
}

#[test]
fn half_day() {
    // The day after Thanksgiving: New York closes at 13:00, which is 18:00 in UTC.
    let session = calendar("XNYS").session(TradingDate(20_261_127)).unwrap();
    assert_eq!(session.close, utc("2026-11-27T18:00:00Z"));
    assert_eq!(session.early.as_deref(), Some("Black Friday"));
    assert_eq!(session.open, utc("2026-11-27T14:30:00Z"));
    assert_eq!(phase("XNYS", 20_261_127, "2026-11-27T17:59:59.999999999Z"), Phase::Open);
    assert_eq!(phase("XNYS", 20_261_127, "2026-11-27T18:00:00Z"), Phase::Late);
    assert_eq!(date_at("XNYS", "2026-11-27T22:29:59Z"), Some(20_261_127), "still its date");
    assert_eq!(
        date_at("XNYS", "2026-11-27T22:30:00Z"),
        None,
        "17:30, as long behind the close as ever"
    );
    assert_eq!(map_at("XNYS", 20_261_127), "2026-11-27T12:30:00Z", "07:30 as ever");
    for (venue, date, close) in [
        ("OPRA", 20_261_224, "2026-12-24T18:00:00Z"),
        ("XLON", 20_261_224, "2026-12-24T12:30:00Z"),
        ("XETR", 20_261_230, "2026-12-30T13:00:00Z"),
        ("XCME", 20_261_127, "2026-11-27T18:00:00Z"),
        ("XCME", 20_260_619, "2026-06-19T17:00:00Z"),
    ] {
        let session = calendar(venue).session(TradingDate(date)).unwrap();
        assert_eq!(session.close, utc(close), "{venue}");
        assert!(session.early.is_some(), "{venue}");
    }
}

#[test]
fn lunch_break() {
    let session = calendar("XTKS").session(TradingDate(20_261_124)).unwrap();
    let pause = Break { from: utc("2026-11-24T02:30:00Z"), until: utc("2026-11-24T03:30:00Z") };
    assert_eq!(session.breaks, [pause]);
    for (now, expected) in [
        ("2026-11-23T20:59:59Z", Phase::Outside),
        ("2026-11-23T21:00:00Z", Phase::Early),
        ("2026-11-23T23:00:00Z", Phase::Preopen),
        ("2026-11-24T00:00:00Z", Phase::Open),
        ("2026-11-24T02:29:59Z", Phase::Open),
        ("2026-11-24T02:30:00Z", Phase::Break),
        ("2026-11-24T03:29:59Z", Phase::Break),
        ("2026-11-24T03:30:00Z", Phase::Open),
        ("2026-11-24T06:29:59Z", Phase::Open),
        ("2026-11-24T06:30:00Z", Phase::Late),
        ("2026-11-24T08:00:00Z", Phase::Outside),
    ] {
        assert_eq!(phase("XTKS", 20_261_124, now), expected, "{now}");
    }
    assert_eq!(date_at("XTKS", "2026-11-24T03:00:00Z"), Some(20_261_124), "a break ends no date");
    assert!(calendar("XNYS").session(TradingDate(20_261_124)).unwrap().breaks.is_empty());
}

#[test]
fn a_morning_has_its_milestones() {
    let xnys = calendar("XNYS");
    let schedule = Schedule::of(&xnys);
    let planned = schedule.on(&xnys, TradingDate(20_261_123)).unwrap();
    let shown = planned.map(|(step, at)| format!("{} {at}", step.name()));
    assert_eq!(
        shown,
        [
            "map 2026-11-23T12:30:00Z",
            "joins 2026-11-23T12:31:00Z",
            "heartbeats 2026-11-23T12:35:00Z",
            "directory 2026-11-23T13:45:00Z",
            "crossover 2026-11-23T14:00:00Z",
            "preopen 2026-11-23T14:10:00Z",
            "open 2026-11-23T14:30:00Z",
            "prints 2026-11-23T14:31:00Z",
        ]
    );
    assert_eq!(schedule.on(&xnys, TradingDate(20_261_126)), None, "Thanksgiving");
    assert_eq!(schedule.on(&xnys, TradingDate(20_310_102)), None, "unknown");
}
