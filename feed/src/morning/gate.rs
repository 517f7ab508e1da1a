//! When preopen is asked and what becomes of its answers, in virtual time. Who is asked is the test.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use candor_core::TradingDate;
use candor_core::alert::Code;
use candor_preopen::{Check, Report, Verdict};
use candor_shm::PreopenVerdict;

use super::ask::{Answer, Ask, Question};
use super::tests::{DATE, Day, MONDAY, SECOND, live};

const MINUTE: u64 = 60 * SECOND;

/// 09:10 and 09:30 on Monday.
const DUE: u64 = MONDAY + 100 * MINUTE;
const OPEN: u64 = MONDAY + 120 * MINUTE;

const BEGINS: (Code, bool) = (Code::PreopenNoGo, false);
const ENDS: (Code, bool) = (Code::PreopenNoGo, true);

/// What was asked and is not answered yet.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<Question>>>);

impl Asked {
    fn ask(&self) -> Ask {
        let asked = self.clone();
        Box::new(move |question| {
            asked.0.lock().unwrap().push(question);
            Ok(())
        })
    }

    fn take(&self) -> Vec<Question> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// The one that was asked.
    fn one(&self) -> (TradingDate, Sender<Answer>, candor_core::Venue) {
        let mut asked = self.take();
        assert_eq!(asked.len(), 1, "asked once");
        let Question { date, answer, venue, .. } = asked.remove(0);
        (date, answer, venue)
    }

    /// Answers the one that was asked.
    fn answer(&self, verdict: Verdict) {
        let (date, answer, venue) = self.one();
        answer.send((venue, date, report(verdict))).unwrap();
    }
}

fn report(verdict: Verdict) -> Report {
    Report { checks: vec![Check::not(verdict, "lines", "XNAS/1", "as the test says", "")] }
}

/// A handler that runs since 07:00, and 07:30 by now.
fn monday() -> (Day, Asked) {
    let asked = Asked::default();
    let mut day = Day::of("XNAS", MONDAY - 30 * MINUTE, asked.ask());
    day.look(0);
    day.look(30 * MINUTE);
    (day, asked)
}

impl Day {
    fn look_at(&mut self, wall: u64) {
        self.look(wall - self.wall);
    }

    fn of_preopen(&self) -> Vec<(Code, bool)> {
        self.said().into_iter().filter(|(code, _)| *code == Code::PreopenNoGo).collect()
    }

    fn verdict(&self) -> Option<(PreopenVerdict, TradingDate)> {
        self.info().preopen.map(|last| (last.verdict, last.date))
    }
}

#[test]
fn it_is_asked_when_it_is_due_and_again_each_minute_until_the_open() {
    let (mut day, asked) = monday();
    while day.wall < DUE - SECOND {
        day.look(SECOND);
    }
    assert_eq!(asked.take().len(), 0, "not before");
    day.look_at(DUE);
    assert_eq!(asked.0.lock().unwrap().len(), 1);
    for _ in 0..20 {
        day.look(SECOND / 2);
    }
    asked.answer(Verdict::Warns);
    let mut times = Vec::new();
    while day.wall < OPEN + 600 * MINUTE {
        day.look(if day.wall < OPEN + MINUTE { SECOND / 2 } else { MINUTE });
        if !asked.0.lock().unwrap().is_empty() {
            times.push(day.wall);
            asked.answer(Verdict::Warns);
        }
    }
    assert_eq!(day.verdict(), Some((PreopenVerdict::Go, DATE)));
    assert_eq!(day.of_preopen(), [], "it is go");
    assert!((18..=20).contains(&times.len()), "{}", times.len());
    assert!(times.iter().all(|at| (DUE..OPEN).contains(at)), "until trading opens");
    let apart = times.windows(2).map(|two| two[1] - two[0]);
    assert!(apart.into_iter().all(|apart| (MINUTE..MINUTE + 2 * SECOND).contains(&apart)));
}

#[test]
fn what_is_not_go_is_one_alert_and_asked_again_soon_until_it_is() {
    for (verdict, published) in
        [(Verdict::Fails, PreopenVerdict::NoGo), (Verdict::Unknown, PreopenVerdict::Unknown)]
    {
        let (mut day, asked) = monday();
        day.look_at(DUE);
        asked.answer(verdict);
        day.look(SECOND / 2);
        assert_eq!(day.verdict(), Some((published, DATE)));
        assert_eq!(day.of_preopen(), [BEGINS]);
        let mut times = vec![day.wall];
        while times.len() < 7 {
            day.look(SECOND / 2);
            if !asked.0.lock().unwrap().is_empty() {
                times.push(day.wall);
                asked.answer(verdict);
            }
        }
        let apart: Vec<u64> =
            times.windows(2).map(|two| (two[1] - two[0]) / (2 * SECOND)).collect();
        assert_eq!(apart, [1, 2, 4, 8, 16, 30], "doubled, up to a minute");
        assert_eq!(day.of_preopen(), [], "the same once more is no news");
        while asked.0.lock().unwrap().is_empty() {
            day.look(SECOND);
        }
        asked.answer(Verdict::Holds);
        day.look(SECOND);
        assert_eq!(day.verdict(), Some((PreopenVerdict::Go, DATE)));
        assert_eq!(day.of_preopen(), [ENDS]);
    }
}

/// The first time that it is asked on a day of a venue, by a handler that runs since midnight there.
fn first(venue: &str, zone: &str, date: u32) -> Option<u64> {
    let asked = Asked::default();
    let midnight = crate::clock::at(TradingDate(date), zone, 0).unwrap();
    let mut day = Day::of(venue, midnight, asked.ask());
    for _ in 0..24 * 60 {
        day.look(MINUTE);
        if let Some(question) = asked.take().first() {
            assert_eq!(question.date, TradingDate(date));
            return Some((day.wall - midnight) / MINUTE);
        }
    }
    None
}

#[test]
fn it_is_asked_by_the_venues_own_clock_and_calendar() {
    const NEW_YORK: &str = "America/New_York";
    let ten_past_nine = Some(9 * 60 + 10);
    assert_eq!(first("XNAS", NEW_YORK, 20_261_123), ten_past_nine);
    assert_eq!(first("XNAS", NEW_YORK, 20_261_122), None, "a Sunday");
    assert_eq!(first("XNAS", NEW_YORK, 20_261_126), None, "Thanksgiving");
    assert_eq!(first("XNAS", NEW_YORK, 20_261_127), ten_past_nine, "a half day begins as any");
    // The Mondays before and behind the change of New York's clocks, and those of London's a week before.
    for date in [20_261_030, 20_261_102] {
        assert_eq!(first("XNAS", NEW_YORK, date), ten_past_nine, "{date}");
    }
    for date in [20_261_023, 20_261_026] {
        assert_eq!(first("XLON", "Europe/London", date), Some(7 * 60 + 40), "{date}");
    }
}

#[test]
fn a_start_behind_its_time_is_given_a_moment_and_asks_then() {
    // 09:20, and nothing is heard: fifteen seconds.
    let at = DUE + 10 * MINUTE;
    let asked = Asked::default();
    let mut day = Day::of("XNAS", at, asked.ask());
    day.look(0);
    while day.wall < at + 15 * SECOND {
        assert_eq!(asked.0.lock().unwrap().len(), 0);
        day.look(SECOND / 2);
    }
    asked.answer(Verdict::Fails);
    day.look(SECOND);
    assert_eq!(day.of_preopen(), [BEGINS]);
    // Everything is there: as soon as that is seen.
    let mut day = Day::of("XNAS", at, asked.ask());
    day.begin(DATE);
    day.hear(0);
    day.hear(1);
    for (partition, index) in [(0, 0), (0, 1), (1, 0)] {
        day.publish(partition, index, live(), 0);
    }
    for _ in 0..4 {
        day.look(SECOND / 2);
    }
    asked.answer(Verdict::Holds);
    // Behind the open there is nothing to gate: that it was never go is its milestone's to say.
    let mut day = Day::of("XNAS", OPEN, asked.ask());
    for _ in 0..100 {
        day.look(SECOND);
    }
    assert_eq!(asked.take().len(), 0);
    assert!(day.said().contains(&(Code::MilestoneMissed, false)));
}

#[test]
fn no_answer_is_not_go_and_keeps_no_later_date_from_being_asked() {
    let (mut day, asked) = monday();
    day.look_at(DUE);
    let (_, late, venue) = asked.one();
    while day.wall < DUE + 2 * MINUTE {
        day.look(SECOND);
    }
    assert_eq!(day.of_preopen(), [BEGINS], "once");
    assert_eq!(day.verdict(), Some((PreopenVerdict::Unknown, DATE)));
    assert_eq!(asked.take().len(), 0, "one that hangs is not asked again that day");
    // 09:10 on Tuesday.
    let tuesday = TradingDate(20_261_124);
    while day.wall < DUE + 24 * 60 * MINUTE {
        day.look(MINUTE);
    }
    assert_eq!(day.of_preopen(), [ENDS]);
    // Monday's comes now.
    late.send((venue, DATE, report(Verdict::Fails))).unwrap();
    day.look(SECOND);
    assert_eq!(day.of_preopen(), [], "of a date that is over");
    assert_eq!(asked.0.lock().unwrap()[0].date, tuesday);
    asked.answer(Verdict::Holds);
    day.look(SECOND);
    assert_eq!(day.verdict(), Some((PreopenVerdict::Go, tuesday)));
}

#[test]
fn a_host_that_gives_no_thread_is_asked_again_a_minute_later() {
    let times = Arc::new(Mutex::new(0));
    let count = Arc::clone(&times);
    let refuses: Ask = Box::new(move |_| {
        *count.lock().unwrap() += 1;
        Err(std::io::ErrorKind::WouldBlock.into())
    });
    let mut day = Day::of("XNAS", MONDAY, refuses);
    day.look(0);
    while day.wall < DUE + 3 * MINUTE {
        day.look(SECOND);
    }
    assert_eq!(*times.lock().unwrap(), 4);
}
