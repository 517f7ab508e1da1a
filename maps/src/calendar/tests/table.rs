//! The generated table, and the hours, against what is known of them otherwise.

use super::super::venues::{KNOWN, PROFILES};
use super::*;

fn dates(calendar: &Calendar, from: u32, until: u32) -> Vec<Session> {
    let mut sessions = Vec::new();
    let mut next = calendar.next_session(TradingDate(from));
    while let Some(session) = next.filter(|session| session.date.0 <= until) {
        next = calendar.next_session(session.date);
        sessions.push(session);
    }
    sessions
}

#[test]
fn every_session_that_the_package_counts_is_one() {
    for profile in &PROFILES {
        let calendar = calendar(profile.venues[0]);
        let sessions = dates(&calendar, 20_241_231, KNOWN.1);
        assert_eq!(sessions.len(), profile.dates.sessions as usize, "{}", calendar.venue());
    }
}

#[test]
fn trading_days_of_a_year() {
    for (venue, counts) in [
        ("XNYS", [250, 251, 251, 251, 251, 251]),
        ("OPRA", [250, 251, 251, 251, 251, 251]),
        ("XCME", [257, 258, 258, 258, 258, 258]),
        ("XLON", [253, 253, 253, 252, 253, 253]),
        ("XEUR", [253, 254, 256, 255, 253, 253]),
        ("XETR", [253, 254, 256, 255, 253, 253]),
        ("XTKS", [243, 242, 244, 245, 245, 245]),
    ] {
        for (year, count) in (2025..).zip(counts) {
            let (from, until) = (year * 10_000, year * 10_000 + 1231);
            // A date before every day of the year: its predecessor's last.
            let sessions = dates(&calendar(venue), from - 10_000 + 1231, until);
            assert_eq!(sessions.len(), count, "{venue} {year}");
        }
    }
}

#[test]
fn tables_are_ascending_weekdays_within_what_is_known() {
    let weekday = |date: u32| {
        let day = civil(TradingDate(date)).expect("a day");
        !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
    };
    for profile in &PROFILES {
        let Dates { closed, early, .. } = *profile.dates;
        let closed: Vec<u32> = closed.iter().map(|(date, _)| *date).collect();
        let early: Vec<u32> = early.iter().map(|(date, ..)| *date).collect();
        for list in [&closed, &early] {
            assert!(list.is_sorted_by(|a, b| a < b), "{:?}", profile.venues);
            assert!(list.iter().all(|date| weekday(*date) && (KNOWN.0..=KNOWN.1).contains(date)));
        }
        assert!(early.iter().all(|date| !closed.contains(date)), "{:?}", profile.venues);
    }
}

#[test]
fn a_venue_is_named_once_and_fits_the_regions_names() {
    let mut venues: Vec<&str> = Calendar::venues().collect();
    venues.sort_unstable();
    assert!(venues.is_sorted_by(|a, b| a < b), "{venues:?}");
    for venue in venues {
        assert!(candor_core::Venue::from_wire(venue.as_bytes()).is_some(), "{venue}");
        assert_eq!(calendar(venue).venue(), venue);
    }
    assert!(Calendar::of("XXXX").is_none());
}

#[test]
fn parts_of_a_session_are_in_order_and_sessions_never_overlap() {
    for profile in &PROFILES {
        let calendar = calendar(profile.venues[0]);
        let mut ends = Wall(0);
        for session in dates(&calendar, 20_241_231, KNOWN.1) {
            let Session { date, begins, preopen, open, close, .. } = session;
            assert!(ends <= begins, "{date}: begins before the last has ended");
            assert!(begins < preopen && preopen < open && open < close, "{date}");
            assert!(close <= session.ends, "{date}");
            for pause in session.breaks {
                assert!(open < pause.from && pause.from < pause.until && pause.until < close);
            }
            // No session reaches beyond its date: `trading_date_at` looks no further back.
            assert_eq!(calendar.local_date(Wall(session.ends.0 - 1)), Some(date));
            ends = session.ends;
        }
    }
}

#[test]
fn new_yorks_days_are_those_the_exchange_has_announced() {
    // As NYSE announced them for 2026 and 2027 on 2024-11-08.
    let closed = [
        20_260_101, 20_260_119, 20_260_216, 20_260_403, 20_260_525, 20_260_619, 20_260_703,
        20_260_907, 20_261_126, 20_261_225, 20_270_101, 20_270_118, 20_270_215, 20_270_326,
        20_270_531, 20_270_618, 20_270_705, 20_270_906, 20_271_125, 20_271_224,
    ];
    let xnys = calendar("XNYS");
    let sessions = dates(&xnys, 20_251_231, 20_271_231);
    for date in closed {
        assert!(xnys.session(TradingDate(date)).is_none(), "{date}");
        assert!(xnys.closed(TradingDate(date)).is_some(), "{date}");
    }
    let early: Vec<u32> =
        sessions.iter().filter(|s| s.early.is_some()).map(|session| session.date.0).collect();
    assert_eq!(early, [20_261_127, 20_261_224, 20_271_126]);
    assert_eq!(sessions.len(), 2 * 261 - closed.len(), "and no other weekday");
}

#[test]
fn what_is_known_ends_and_says_so_in_time() {
    let xnys = calendar("XNYS");
    assert_eq!(xnys.ends(), TradingDate(20_301_231));
    assert_eq!(xnys.days_left(TradingDate(20_301_231)), 0);
    assert_eq!(xnys.days_left(TradingDate(20_301_101)), 60);
    assert_eq!(xnys.days_left(TradingDate(20_310_102)), -2);
    assert_eq!(xnys.days_left(TradingDate(20_261_122)), 4 * 365 + 1 + 39);
    assert_eq!(xnys.days_left(TradingDate(20_261_131)), i32::MIN, "no day");
    assert_eq!(xnys.days_left(TradingDate(0)), i32::MIN);
    assert_eq!(xnys.closed(TradingDate(20_310_101)), None, "unknown isn't closed");
    assert_eq!(xnys.session(TradingDate(20_310_102)), None);
    assert_eq!(xnys.next_session(TradingDate(20_301_231)), None);
    for unknown in ["2024-12-31T15:00:00Z", "2031-01-02T15:00:00Z", "2031-01-01T01:30:00Z"] {
        assert_eq!(xnys.trading_date_at(utc(unknown)), Day::Unknown, "{unknown}");
    }
    for wall in [0, u64::MAX] {
        assert_eq!(xnys.trading_date_at(Wall(wall)), Day::Unknown);
    }
}

#[test]
fn usual_mornings_are_sound_and_can_be_moved_within_reason() {
    for venue in Calendar::venues() {
        let calendar = calendar(venue);
        assert_eq!(Schedule::with(&calendar, &[]), Ok(Schedule::of(&calendar)), "{venue}");
    }
    let xnys = calendar("XNYS");
    let shown = |schedule: Schedule| Step::ALL.map(|step| schedule.moment(step).to_string());
    assert_eq!(
        shown(Schedule::of(&xnys)),
        ["07:30", "07:31", "07:35", "08:45", "09:00", "09:10", "09:30", "09:31"]
    );
    assert_eq!(
        shown(Schedule::of(&calendar("XCME"))),
        [
            "-1 16:15", "-1 16:16", "-1 16:20", "-1 16:30", "-1 16:35", "-1 16:40", "-1 17:00",
            "-1 17:01"
        ]
    );
    let moved = Schedule::with(&xnys, &[(Step::Map, Moment::hm(3, 0))]).unwrap();
    assert_eq!(moved.moment(Step::Map), Moment::hm(3, 0));
    let refused = |calendar: &Calendar, step, moment| {
        Schedule::with(calendar, &[(step, moment)]).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&xnys, Step::Map, Moment::hm(7, 32)),
        "`joins` at 07:31 comes before `map` at 07:32; the morning goes map, joins, heartbeats, \
         directory, crossover, preopen, open, prints"
    );
    assert_eq!(
        refused(&xnys, Step::Open, Moment::hm(9, 29)),
        "`open` can't be moved to 09:29: it is the calendar's, 09:30; leave it out"
    );
    assert_eq!(
        refused(&calendar("XCME"), Step::Map, Moment::eve(16, 0)),
        "`map` at -1 16:00 comes while the session before still lasts, until -1 16:15; load it later"
    );
}

#[test]
fn moments_read_as_they_are_shown() {
    for text in ["00:00", "07:30", "23:59", "-1 00:00", "-1 16:15", "-1 23:59"] {
        assert_eq!(Moment::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(Moment::parse("-1 16:15"), Some(Moment::eve(16, 15)));
    for bad in
        ["", "7:30", "24:00", "07:60", "07:30:00", "-1 7:30", "-2 07:30", "+7:30", "0730", "07:3é"]
    {
        assert_eq!(Moment::parse(bad), None, "{bad}");
    }
    assert_eq!(Moment::hm(0, 0).later(-1), Moment::eve(23, 59));
    assert_eq!(Moment::eve(0, 0).later(-1), Moment::eve(0, 0), "held");
    assert_eq!(Moment::hm(23, 59).later(i16::MAX), Moment::hm(23, 59), "held");
}
