//! A naive twin: the rules of daylight saving written out by hand, and a scan over all sessions.

use jiff::civil::{Time, date};
use proptest::prelude::*;

use super::super::venues::{KNOWN, PROFILES};
use super::*;

/// Hours east of Greenwich in winter, and at which hour of UTC clocks change on which Sundays: as
/// (month, which of the month, hour), the second of March say, or the last of October as 0.
struct Zone {
    winter: i64,
    forward: Option<(i8, i8, i64)>,
    back: Option<(i8, i8, i64)>,
}

fn zone(name: &str) -> Zone {
    let (winter, forward, back) = match name {
        "America/New_York" => (-5, Some((3, 2, 7)), Some((11, 1, 6))),
        "America/Chicago" => (-6, Some((3, 2, 8)), Some((11, 1, 7))),
        "Europe/London" => (0, Some((3, -1, 1)), Some((10, -1, 1))),
        "Europe/Berlin" => (1, Some((3, -1, 1)), Some((10, -1, 1))),
        "Asia/Tokyo" => (9, None, None),
        _ => panic!("{name} has no twin"),
    };
    Zone { winter, forward, back }
}

const SECONDS: i64 = 3600;

fn since_epoch(day: Date, seconds: i64) -> i64 {
    i64::from(date(1970, 1, 1).until(day).expect("days").get_days()) * 24 * SECONDS + seconds
}

impl Zone {
    fn change(year: i16, rule: Option<(i8, i8, i64)>) -> Option<i64> {
        let (month, which, hour) = rule?;
        let sunday =
            date(year, month, 1).nth_weekday_of_month(which, Weekday::Sunday).expect("a Sunday");
        Some(since_epoch(sunday, hour * SECONDS))
    }

    /// Seconds since the epoch at which the zone's clock shows a time of a day without a change in it.
    fn instant(&self, day: Date, minutes: i64) -> i64 {
        let winter = since_epoch(day, minutes * 60 - self.winter * SECONDS);
        let forward = Zone::change(day.year(), self.forward);
        let back = Zone::change(day.year(), self.back);
        match (forward, back) {
            (Some(forward), Some(back)) if forward <= winter && winter < back => winter - SECONDS,
            _ => winter,
        }
    }
}

/// Every session of a profile, from the tables alone: date, begin and end in seconds since the epoch.
fn scan(profile: &Profile) -> Vec<(u32, i64, i64)> {
    let Dates { zone: name, closed, early, .. } = *profile.dates;
    let twin = zone(name);
    let (first, last) =
        (civil(TradingDate(KNOWN.0)).unwrap(), civil(TradingDate(KNOWN.1)).unwrap());
    let mut sessions = Vec::new();
    let mut day = first;
    while day <= last {
        let number = number(day).0;
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        if !weekend && !closed.iter().any(|(closed, _)| *closed == number) {
            let instant = |moment: Moment| match i64::from(moment.minutes()) {
                minutes if minutes < 0 => twin.instant(day.yesterday().unwrap(), minutes + 1440),
                minutes => twin.instant(day, minutes),
            };
            // Hours behind the close are the same, early or not; no clock changes within them.
            let sooner =
                early.iter().find(|(day, ..)| *day == number).map_or(0, |(_, close, _)| {
                    i64::from(profile.close.minutes() - close.minutes()) * 60
                });
            sessions.push((number, instant(profile.begins), instant(profile.ends) - sooner));
        }
        day = day.tomorrow().unwrap();
    }
    sessions
}

fn expected(sessions: &[(u32, i64, i64)], now: i64) -> Option<(bool, u32)> {
    let (date, begins, _) = *sessions.iter().find(|(_, _, ends)| now < *ends)?;
    Some((begins <= now, date))
}

fn answer(calendar: &Calendar, seconds: i64) -> Option<(bool, u32)> {
    let now = Wall(u64::try_from(seconds).unwrap() * SECOND);
    match calendar.trading_date_at(now) {
        Day::Trading(session) => Some((true, session.date.0)),
        Day::Closed { next } => Some((false, next.0)),
        Day::Unknown => None,
    }
}

#[test]
fn every_edge_of_every_session_agrees_with_the_scan() {
    for profile in &PROFILES {
        let calendar = calendar(profile.venues[0]);
        let sessions = scan(profile);
        for (date, begins, ends) in &sessions {
            for now in [*begins - 1, *begins, *ends - 1, *ends] {
                // The very first begins where what is known does.
                if now < since_epoch(civil(TradingDate(KNOWN.0 + 1)).unwrap(), 0) {
                    continue;
                }
                let found = answer(&calendar, now);
                assert_eq!(found, expected(&sessions, now), "{} {date} {now}", calendar.venue());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// 2025-01-02 to 2030-12-30 in UTC, where every venue's clock shows a date that is known.
    #[test]
    fn trading_date_at_agrees_with_a_naive_scan(
        profile in 0..PROFILES.len(),
        seconds in 1_735_776_000_i64..1_924_819_200,
    ) {
        thread_local! {
            static SCANS: Vec<Vec<(u32, i64, i64)>> = PROFILES.iter().map(scan).collect();
        }
        let calendar = calendar(PROFILES[profile].venues[0]);
        let expected = SCANS.with(|scans| expected(&scans[profile], seconds));
        prop_assert_eq!(answer(&calendar, seconds), expected);
    }

    /// The clock shows the moment or a later one, and a nanosecond before it didn't.
    #[test]
    fn at_is_the_first_instant(profile in 0..PROFILES.len(), days in 0_i32..2190, minutes in 0_i16..1440) {
        let calendar = calendar(PROFILES[profile].venues[0]);
        let day = date(2025, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
        let moment = Moment::hm(0, 0).later(minutes);
        let at = calendar.at(number(day), moment).unwrap();
        let shown = |at: u64| {
            calendar.zone.to_datetime(Timestamp::from_nanosecond(i128::from(at)).unwrap())
        };
        let (hour, minute) = ((minutes / 60) as i8, (minutes % 60) as i8);
        let wanted = day.to_datetime(Time::new(hour, minute, 0, 0).unwrap());
        prop_assert!(shown(at.0) >= wanted);
        prop_assert!(shown(at.0 - 1) < wanted);
    }
}
