//! What operators add.

use std::path::Path;

use super::*;

fn parse(text: &str) -> Result<Overlay, String> {
    Overlay::parse(Path::new("closures.toml"), text).map_err(|problems| problems.to_string())
}

const GOOD: &str = r#"
[[closed]]
venue = "XNYS"
date = 2026-12-09
reason = "day of mourning"

[[early_close]]
venue = "XNAS"
date = "2026-12-09"
at = "13:00"
reason = "day of mourning"

[[early_close]]
venue = "XTKS"
date = 2026-12-09
at = "11:30"
reason = "storm"
"#;

#[test]
fn holiday_and_half_day_announced_late() {
    let overlay = parse(GOOD).unwrap();
    assert_eq!(overlay.len(), 3);
    let date = TradingDate(20_261_209);
    let xnys = calendar("XNYS").with(&overlay);
    assert_eq!(xnys.session(date), None);
    assert_eq!(xnys.closed(date), Some("day of mourning"));
    let noon = utc("2026-12-09T17:00:00Z");
    assert_eq!(xnys.trading_date_at(noon), Day::Closed { next: TradingDate(20_261_210) });
    let xnas = calendar("XNAS").with(&overlay).session(date).unwrap();
    assert_eq!(xnas.close, utc("2026-12-09T18:00:00Z"));
    assert_eq!(xnas.early.as_deref(), Some("day of mourning"));
    let xtks = calendar("XTKS").with(&overlay).session(date).unwrap();
    assert_eq!(xtks.close, utc("2026-12-09T02:30:00Z"));
    assert_eq!(xtks.breaks, [], "who closes at lunch has no lunch break");
    // A venue that isn't named is open as ever, and an overlay replaces the one before.
    assert!(calendar("IEXG").with(&overlay).session(date).unwrap().early.is_none());
    assert!(xnys.with(&Overlay::default()).session(date).is_some());
    assert!(parse("").unwrap().is_empty());
}

#[test]
fn a_closure_that_the_calendar_has_come_to_know_stays_good() {
    let text = "[[closed]]\nvenue = \"XNYS\"\ndate = 2026-12-25\nreason = \"Christmas\"\n";
    assert_eq!(parse(text).unwrap().len(), 1);
}

#[test]
fn an_overlay_is_refused_whole_with_every_problem_and_what_to_do() {
    let text = r#"
[[closed]]
venue = "XNYZ"
date = 2026-12-09
reason = "typing error"
[[closed]]
venue = "XNYS"
date = 2026-12-12
reason = "a Saturday"
[[closed]]
venue = "XNYS"
date = 2031-12-09
reason = "unknown"
[[closed]]
date = "2026-12-9"
[[early_close]]
venue = "XNYS"
date = 2026-12-25
at = "13:00"
reason = "Christmas"
[[early_close]]
venue = "XNYS"
date = 2026-12-09
at = "16:00"
reason = "not early"
[[early_close]]
venue = "XTKS"
date = 2026-12-09
at = "12:00"
reason = "lunch"
[[early_close]]
venue = "XLON"
date = 2026-12-09
at = "1 pm"
resaon = "typing error"
[[early_close]]
venue = "XLON"
date = 2026-12-10
reason = "no time"
[closures]
"#;
    let problems = parse(text).unwrap_err();
    assert_eq!(
        problems.lines().collect::<Vec<&str>>(),
        [
            "closures.toml:3: no calendar is known of the venue \"XNYZ\"; did you mean \"XNYS\"?",
            "closures.toml:8: XNYS doesn't trade on 2026-12-12, a weekend; correct the date",
            "closures.toml:12: 2031-12-09 is beyond the calendar, which knows 2025-01-01 to 2030-12-31; \
             take the entry out, or install a release that knows it",
            "closures.toml:14: [[closed]] has no `venue`; add one like: venue = \"XNYS\"",
            "closures.toml:14: [[closed]] has no `reason`; add one like: reason = \"day of mourning\"",
            "closures.toml:15: `date` in [[closed]] must be a date like 2026-12-09, not \"2026-12-9\"",
            "closures.toml:18: XNYS is closed on 2026-12-25 (Christmas), so it can't close early; correct \
             the date",
            "closures.toml:24: `at` in [[early_close]] must lie between XNYS's open at 09:30 and its usual \
             close at 16:00, not at 16:00",
            "closures.toml:29: `at` in [[early_close]] lies in the break from 11:30 to 12:30, when trading \
             has stopped already; write \"11:30\"",
            "closures.toml:31: [[early_close]] has no `reason`; add one like: reason = \"day of mourning\"",
            "closures.toml:34: `at` in [[early_close]] must be a time of that day on the venue's clock like \
             \"13:00\", not \"1 pm\"",
            "closures.toml:35: unknown key `resaon` in [[early_close]], did you mean `reason`?",
            "closures.toml:36: [[early_close]] has no `at`; add one like: at = \"13:00\"",
            "closures.toml:40: unknown key `closures` in the file; it knows closed, early_close, begins",
            "14 problems: the calendar overlay is refused whole",
        ]
    );
}

#[test]
fn a_day_is_said_once() {
    let text = GOOD.replace("XNAS", "XNYS");
    assert_eq!(
        parse(&text).unwrap_err(),
        "closures.toml:7: XNYS has 2026-12-09 in line 2 already; take one of them out\n\
         1 problem: the calendar overlay is refused whole"
    );
    assert_eq!(
        parse("[[closed]\n").unwrap_err().lines().next_back(),
        Some("1 problem: the calendar overlay is refused whole")
    );
}

#[test]
fn a_venue_that_opens_its_session_the_evening_before() {
    let text = "[[begins]]\nvenue = \"XNAS\"\nat = \"-1 23:00\"\nreason = \"as it is\"\n";
    let overlay = parse(text).unwrap();
    assert_eq!((overlay.len(), overlay.is_empty()), (1, false));
    let xnas = calendar("XNAS").with(&overlay);
    let session = xnas.session(TradingDate(20_261_208)).unwrap();
    assert_eq!(session.begins, utc("2026-12-08T04:00:00Z"));
    assert!(matches!(xnas.trading_date_at(utc("2026-12-08T05:00:00Z")), Day::Trading(_)));
    assert!(matches!(xnas.trading_date_at(utc("2026-12-08T03:59:00Z")), Day::Closed { .. }));
    // What is usual is so for whom it doesn't name.
    let other = calendar("XNYS").with(&overlay).session(TradingDate(20_261_208)).unwrap();
    assert_eq!(other.begins, utc("2026-12-08T07:00:00Z"));
}

#[test]
fn a_date_begins_behind_the_one_before_and_ahead_of_its_preopen() {
    let text = r#"
[[begins]]
venue = "XNAS"
at = "-1 20:29"
reason = "before the last has ended"
[[begins]]
venue = "XNYS"
at = "04:00"
reason = "too late"
[[begins]]
venue = "XLON"
at = "4"
[[begins]]
venue = "XETR"
at = "05:00"
reason = "good"
[[begins]]
venue = "XETR"
at = "05:30"
reason = "twice"
[[begins]]
venue = "IEXG"
reason = "when?"
"#;
    let problems = parse(text).unwrap_err();
    assert_eq!(
        problems.lines().collect::<Vec<&str>>(),
        [
            "closures.toml:4: `at` in [[begins]] must lie between the end of XNAS's date before at -1 20:30 and \
             its preopen at 04:00, not at -1 20:29",
            "closures.toml:8: `at` in [[begins]] must lie between the end of XNYS's date before at -1 20:30 and \
             its preopen at 04:00, not at 04:00",
            "closures.toml:10: [[begins]] has no `reason`; add one like: reason = \"day of mourning\"",
            "closures.toml:12: `at` in [[begins]] must be a time on the venue's clock like \"01:30\", or \
             \"-1 23:00\" for the day before, not \"4\"",
            "closures.toml:17: when XETR's dates begin is said in line 13 already; take one of them out",
            "closures.toml:21: [[begins]] has no `at`; add one like: at = \"-1 23:00\"",
            "6 problems: the calendar overlay is refused whole",
        ]
    );
}
