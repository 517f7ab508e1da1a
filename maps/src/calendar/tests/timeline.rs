//! The morning in virtual time.

use candor_core::{Mono, Nanos};
use proptest::prelude::*;

use super::*;
use crate::calendar::timeline::{Done, News, Plan, START, STEPS, Seen, Slack, State, What};

/// New York's Monday, 2026-11-23: 07:30 there.
const MONDAY: &str = "2026-11-23T12:30:00Z";

fn plan(venue: &str, date: u32) -> Plan {
    let calendar = calendar(venue);
    Plan::of(&calendar, &Schedule::of(&calendar), TradingDate(date)).expect("a trading date")
}

fn monday() -> Plan {
    plan("XNAS", 20_261_123)
}

fn holding(steps: &[Step]) -> [Seen; STEPS] {
    let mut seen = [Seen { holds: false, done: 1, of: 2 }; STEPS];
    for step in steps {
        seen[step.index()] = Seen { holds: true, done: 2, of: 2 };
    }
    seen
}

/// A timeline with two clocks.
struct Morning {
    line: Timeline,
    wall: Wall,
    now: Mono,
    said: Vec<(Step, What)>,
    last: Vec<News>,
}

impl Morning {
    /// The handler starts at this instant.
    fn at(plan: Plan, wall: &str) -> Morning {
        let (said, last) = (Vec::new(), Vec::new());
        Morning { line: Timeline::new(plan), wall: utc(wall), now: Mono(1), said, last }
    }

    /// Looks twice a second until this instant.
    fn until(&mut self, wall: &str, holds: &[Step]) -> Vec<(Step, What)> {
        let until = utc(wall);
        self.said.clear();
        // BOUND: half a second each.
        loop {
            self.look(holds);
            if self.wall >= until {
                return self.said.clone();
            }
            self.pass(SECOND / 2);
        }
    }

    fn pass(&mut self, ns: u64) {
        self.wall.0 += ns;
        self.now = self.now + Nanos(ns);
    }

    fn look(&mut self, holds: &[Step]) {
        let seen = holding(holds);
        self.last.clear();
        self.line.look(self.wall, self.now, &seen, |news| self.last.push(news));
        self.said.extend(self.last.iter().map(|news| (news.step, news.what)));
    }

    fn states(&self) -> [State; STEPS] {
        Step::ALL.map(|step| self.line.standing(step, self.wall).state)
    }
}

const QUIET: What = What::Done { half: false, missed: false };

#[test]
fn a_morning_on_which_everything_is_in_time_says_that_and_nothing_else() {
    use Step::*;
    let mut day = Morning::at(monday(), "2026-11-23T06:00:00Z");
    assert_eq!(day.until("2026-11-23T07:00:00Z", &[Map]), [(Map, QUIET)], "not before 02:00");
    assert_eq!(day.line.watched(), Some(utc("2026-11-23T07:00:00Z")));
    let mut day = Morning::at(monday(), "2026-11-23T07:30:00Z");
    let mut holds = vec![];
    for (at, step) in [
        ("2026-11-23T12:30:02Z", Map),
        ("2026-11-23T12:30:03Z", Joins),
        ("2026-11-23T12:30:04Z", Heartbeats),
        ("2026-11-23T12:31:00Z", Directory),
        ("2026-11-23T12:32:00Z", Crossover),
        ("2026-11-23T14:03:00Z", Preopen),
    ] {
        assert_eq!(day.until(at, &holds), [], "{step:?}");
        holds.push(step);
        day.look(&holds);
        assert_eq!(day.said, [(step, QUIET)]);
        let done = day.line.done()[step.index()].unwrap();
        assert_eq!(done, Done { at: utc(at), found: false });
    }
    assert_eq!(day.until("2026-11-23T14:29:59.5Z", &holds), []);
    assert_eq!(day.until("2026-11-23T14:30:00.7Z", &holds), [(Open, QUIET)]);
    let open = Done { at: utc("2026-11-23T14:30:00Z"), found: false };
    assert_eq!(day.line.done()[Open.index()], Some(open), "when it came, not when it was seen");
    holds.push(Prints);
    assert_eq!(day.until("2026-11-23T14:30:20Z", &holds), [(Prints, QUIET)]);
    assert_eq!(day.states(), [State::Done; STEPS]);
}

/// (step, half of its slack is gone, its deadline), where nothing is ever done.
#[test]
fn warnings_come_at_half_the_slack_and_behind_the_deadline() {
    use Step::*;
    let mut day = Morning::at(monday(), "2026-11-23T12:00:00Z");
    let mut said = Vec::new();
    let until = utc("2026-11-23T15:00:00Z");
    while day.wall < until {
        day.look(&[]);
        said.extend(day.last.iter().map(|news| (day.wall.to_string(), news.step, news.what)));
        day.pass(SECOND);
    }
    let expected = [
        ("12:30:30Z", Map, What::Half),
        ("12:30:30Z", Joins, What::Half),
        ("12:31:01Z", Map, What::Missed),
        ("12:31:01Z", Joins, What::Missed),
        ("12:33:00Z", Heartbeats, What::Half),
        ("12:35:01Z", Heartbeats, What::Missed),
        ("13:10:00Z", Directory, What::Half),
        ("13:45:01Z", Directory, What::Missed),
        ("13:52:30Z", Crossover, What::Half),
        ("14:00:01Z", Crossover, What::Missed),
        ("14:12:30Z", Preopen, What::Half),
        ("14:15:01Z", Preopen, What::Missed),
        ("14:30:00Z", Open, QUIET),
        ("14:30:30Z", Prints, What::Half),
        ("14:31:01Z", Prints, What::Missed),
    ];
    let expected = expected.map(|(at, step, what)| (format!("2026-11-23T{at}"), step, what));
    assert_eq!(said, expected);
    // Done after all.
    day.look(&[Map, Heartbeats]);
    let late = What::Done { half: true, missed: true };
    assert_eq!(day.said[day.said.len() - 2..], [(Map, late), (Heartbeats, late)]);
    assert_eq!(day.last[1].behind, Some(Joins));
    let state = |step| day.line.standing(step, day.wall);
    assert_eq!(state(Map).state, State::Late);
    assert_eq!(state(Map).slack, Some(Slack(-((2 * HOUR + 29 * MINUTE) as i64))));
    let mut over = Vec::new();
    day.line.end(day.wall, |news| over.push((news.step, news.what)));
    let ends = What::Over { half: true, missed: true };
    let left = [Joins, Directory, Crossover, Preopen, Prints];
    assert_eq!(over, left.map(|step| (step, ends)));
}

#[test]
fn slack_is_what_is_left_from_now_or_was_when_it_was_done() {
    let plan = monday();
    let mut done = [None; STEPS];
    let at = |text: &str| utc(&format!("2026-11-23T{text}Z"));
    let standing = |step, done: &[_; STEPS], now| plan.standing(step, done, at(now));
    let found = standing(Step::Heartbeats, &done, "12:32:00");
    assert_eq!((found.from, found.deadline), (Some(at("12:31:00")), Some(at("12:35:00"))));
    assert_eq!(found.slack.unwrap().to_string(), "3:00");
    // The one before it was done late: what it has left begins there.
    done[Step::Joins.index()] = Some(Done { at: at("12:34:00"), found: false });
    let found = standing(Step::Heartbeats, &done, "12:34:29");
    assert_eq!((found.from, found.state), (Some(at("12:34:00")), State::Waiting));
    assert_eq!(standing(Step::Heartbeats, &done, "12:34:30").state, State::Half);
    assert_eq!(standing(Step::Heartbeats, &done, "12:35:00").state, State::Half);
    assert_eq!(standing(Step::Heartbeats, &done, "12:35:01").state, State::Missed);
    // Behind its deadline: none.
    done[Step::Joins.index()] = Some(Done { at: at("12:36:00"), found: false });
    assert_eq!(standing(Step::Heartbeats, &done, "12:34:30").state, State::Waiting);
    // Early, it gives the next no earlier warning.
    done[Step::Joins.index()] = Some(Done { at: at("07:00:00"), found: false });
    assert_eq!(standing(Step::Heartbeats, &done, "12:32:00").state, State::Waiting);
    assert_eq!(Slack(-130 * SECOND as i64).to_string(), "-2:10");
    assert_eq!(Slack((HOUR + 14 * MINUTE + 55 * SECOND) as i64).to_string(), "1:14:55");
}

#[test]
fn a_host_that_boots_late_finds_what_is_there_and_misses_what_is_not() {
    use Step::*;
    let found = [Map, Joins, Heartbeats];
    // 07:31 and ten seconds: the map's deadline is past, and so is joining's.
    let mut late = Morning::at(monday(), "2026-11-23T12:31:10Z");
    assert_eq!(late.until("2026-11-23T12:31:15Z", &[]), [], "a start takes a moment");
    assert_eq!(late.until("2026-11-23T12:31:18Z", &found), found.map(|step| (step, QUIET)));
    let states = late.states();
    assert_eq!(states[..3], [State::Found, State::Found, State::Done]);
    // At 10:00 the directory comes by a snapshot, and takes its time; nobody has asked for a verdict.
    let mut late = Morning::at(monday(), "2026-11-23T15:00:00Z");
    let all = [Map, Joins, Heartbeats, Crossover, Prints];
    let said = late.until("2026-11-23T15:00:09.5Z", &all);
    assert_eq!(said.len(), 6, "with the open");
    assert!(said.iter().all(|(_, what)| *what == QUIET));
    let said = late.until("2026-11-23T15:00:15Z", &all);
    assert_eq!(said, [(Directory, What::Missed), (Preopen, What::Missed)]);
    late.look(&[Directory]);
    let after_all = What::Done { half: false, missed: true };
    assert_eq!(late.last.iter().map(|news| news.what).collect::<Vec<_>>(), [after_all]);
    let states = late.states();
    let waits = [Directory.index(), Preopen.index()];
    for (at, state) in states.into_iter().enumerate() {
        let expected = match at {
            _ if at == waits[0] => State::Late,
            _ if at == waits[1] => State::Missed,
            _ => State::Found,
        };
        assert_eq!(state, expected, "{at}");
    }
}

#[test]
fn a_clock_that_is_set_says_nothing_twice_and_undoes_nothing() {
    use Step::*;
    let mut day = Morning::at(monday(), "2026-11-23T12:20:00Z");
    assert_eq!(day.until("2026-11-23T12:30:10Z", &[Map, Joins]), [(Map, QUIET), (Joins, QUIET)]);
    // Forward over three deadlines and the open.
    day.wall = utc("2026-11-23T15:00:00Z");
    day.look(&[Map, Joins]);
    let missed = [Heartbeats, Directory, Crossover, Preopen];
    let mut expected: Vec<_> = missed.map(|step| (step, What::Missed)).to_vec();
    expected.extend([(Open, QUIET), (Prints, What::Missed)]);
    assert_eq!(day.said[2..], expected);
    // And back: the open has not come, and what waits has time. Nothing is said again.
    day.wall = utc("2026-11-23T12:31:00Z");
    assert_eq!(day.until("2026-11-23T14:29:00Z", &[]), []);
    assert_eq!(day.states()[Open.index()], State::Waiting);
    assert_eq!(day.states()[..2], [State::Done; 2]);
    assert_eq!(day.until("2026-11-23T14:30:00Z", &[]), [(Open, QUIET)]);
    // Set right by hours soon after a start: behind deadlines by the new clock it is a late start.
    let mut day = Morning::at(monday(), "2026-11-23T09:00:00Z");
    day.look(&[]);
    day.pass(2 * SECOND);
    day.wall = utc("2026-11-23T15:00:02Z");
    day.look(&[Map]);
    assert_eq!(day.states()[0], State::Found);
    assert_eq!(day.said, [(Map, QUIET), (Open, QUIET)]);
}

#[test]
fn what_a_venue_does_not_have_is_not_waited_for() {
    let mut plan = monday();
    plan.applies[Step::Preopen.index()] = false;
    let mut day = Morning::at(plan, "2026-11-23T12:00:00Z");
    let said = day.until("2026-11-23T15:00:00Z", &[]);
    assert!(said.iter().all(|(step, _)| *step != Step::Preopen));
    assert_eq!(day.states()[Step::Preopen.index()], State::NotToday);
    let at = |moment: Moment| Some(Wall(u64::from(moment.minutes().unsigned_abs()) * MINUTE));
    let named = [(Step::Map, Moment::hm(0, 0)), (Step::Heartbeats, Moment::hm(0, 5))];
    let plan = Plan::named(TradingDate(20_261_122), Wall(0), &named, at);
    let none = [None; STEPS];
    let standing = |step, now| plan.standing(step, &none, Wall(now));
    assert_eq!(standing(Step::Open, 0).state, State::NotToday);
    assert_eq!(standing(Step::Joins, HOUR).state, State::Waiting, "without a deadline");
    assert_eq!(standing(Step::Joins, HOUR).slack, None);
    assert_eq!(standing(Step::Map, 5 * MINUTE).state, State::Half);
    assert_eq!(standing(Step::Map, 5 * MINUTE + 1).state, State::Missed);
    assert_eq!(standing(Step::Heartbeats, 5 * MINUTE + 1).state, State::Missed);
}

#[test]
fn an_overlay_that_changes_keeps_what_is_done() {
    let mut day = Morning::at(monday(), "2026-11-23T12:00:00Z");
    day.until("2026-11-23T12:40:00Z", &[Step::Map]);
    let calendar = calendar("XNAS");
    let moved = [(Step::Heartbeats, Moment::hm(7, 50))];
    let later = Schedule::with(&calendar, &moved).unwrap();
    day.line.revise(Plan::of(&calendar, &later, TradingDate(20_261_123)).unwrap());
    assert_eq!(day.states()[0], State::Done);
    assert_eq!(day.states()[Step::Heartbeats.index()], State::Waiting);
    // Half between 07:31 and 07:50.
    let said = day.until("2026-11-23T12:51:00Z", &[]);
    assert_eq!(said, [(Step::Heartbeats, What::Half), (Step::Heartbeats, What::Missed)]);
    let closed = "[[closed]]\nvenue = \"XNAS\"\ndate = 2026-11-23\nreason = \"mourning\"\n";
    let overlay = Overlay::parse(std::path::Path::new("o.toml"), closed).unwrap();
    let calendar = calendar.with(&overlay);
    assert!(Plan::of(&calendar, &later, TradingDate(20_261_123)).is_none(), "no trading date");
}

/// A venue, trading dates with the offset of its clock from UTC in minutes, and the morning on that clock.
type Zone = (&'static str, &'static [(u32, i64)], [&'static str; 8]);

/// Every milestone of the usual morning, on both sides of every change of daylight saving, in UTC.
#[test]
fn the_morning_is_by_the_venues_clock_on_both_sides_of_every_change() {
    let shares = ["07:30", "07:31", "07:35", "08:45", "09:00", "09:10", "09:30", "09:31"];
    let globex = ["16:15", "16:16", "16:20", "16:30", "16:35", "16:40", "17:00", "17:01"];
    let london = ["06:00", "06:01", "06:05", "07:15", "07:30", "07:40", "08:00", "08:01"];
    let frankfurt = ["07:00", "07:01", "07:05", "08:15", "08:30", "08:40", "09:00", "09:01"];
    let tokyo = ["07:00", "07:01", "07:05", "08:15", "08:30", "08:40", "09:00", "09:01"];
    let rows: [Zone; 5] = [
        (
            "XNAS",
            &[
                (20_260_306, -300),
                (20_260_309, -240),
                (20_261_030, -240),
                (20_261_102, -300),
                (20_270_312, -300),
                (20_270_315, -240),
                (20_271_105, -240),
                (20_271_108, -300),
                // Half days: mornings are as ever.
                (20_261_127, -300),
                (20_261_224, -300),
                (20_271_126, -300),
            ],
            shares,
        ),
        (
            // On the evening before, whose offset counts: Sunday's, when clocks have changed.
            "XCME",
            &[
                (20_260_306, -360),
                (20_260_309, -300),
                (20_261_030, -300),
                (20_261_102, -360),
                (20_270_312, -360),
                (20_270_315, -300),
                (20_271_105, -300),
                (20_271_108, -360),
            ],
            globex,
        ),
        (
            "XLON",
            &[
                (20_260_327, 0),
                (20_260_330, 60),
                (20_261_023, 60),
                (20_261_026, 0),
                (20_270_325, 0),
                (20_270_330, 60),
                (20_271_029, 60),
                (20_271_101, 0),
            ],
            london,
        ),
        (
            "XETR",
            &[
                (20_260_327, 60),
                (20_260_330, 120),
                (20_261_023, 120),
                (20_261_026, 60),
                (20_270_325, 60),
                (20_270_330, 120),
                (20_271_029, 120),
                (20_271_101, 60),
            ],
            frankfurt,
        ),
        ("XTKS", &[(20_260_309, 540), (20_261_102, 540), (20_270_315, 540)], tokyo),
    ];
    for (venue, dates, morning) in rows {
        for (date, offset) in dates {
            let plan = plan(venue, *date);
            let (year, month, day) = (date / 10_000, date / 100 % 100, date % 100);
            let midnight = utc(&format!("{year}-{month:02}-{day:02}T00:00:00Z")).0 as i64;
            let eve = if venue == "XCME" { -24 * 60 } else { 0 };
            let expected = morning.map(|time| {
                let minutes = i64::from(Moment::parse(time).unwrap().minutes()) + eve - offset;
                Some(Wall((midnight + minutes * MINUTE as i64) as u64))
            });
            assert_eq!(plan.planned, expected, "{venue} {date}");
            assert!(plan.begins <= plan.planned[0].unwrap(), "{venue} {date}");
        }
    }
}

/// Tokyo's and London's holidays have no morning.
#[test]
fn a_holiday_has_no_morning() {
    for (venue, date) in [("XNAS", 20_261_126), ("XLON", 20_261_225), ("XTKS", 20_261_123)] {
        let calendar = calendar(venue);
        let plan = Plan::of(&calendar, &Schedule::of(&calendar), TradingDate(date));
        assert!(plan.is_none(), "{venue} {date}");
    }
}

/// One look: how much time has passed, by how much the wall clock was set, and what holds.
type Look = (u64, i64, u8);

fn looks() -> impl Strategy<Value = Vec<Look>> {
    let set = prop_oneof![8 => Just(0i64), 1 => -20_000i64..20_000];
    prop::collection::vec((0u64..600, set, any::<u8>()), 1..120)
}

fn holds(bits: u8) -> Vec<Step> {
    Step::ALL.into_iter().filter(|step| bits >> step.index() & 1 != 0).collect()
}

proptest! {
    #[test]
    fn whatever_the_clock_does_each_thing_is_said_once_and_what_is_done_stays(
        looks in looks(), start in 0u64..12 * 3600,
    ) {
        let mut day = Morning::at(monday(), "2026-11-23T05:00:00Z");
        day.pass(start * SECOND);
        let begins = day.line.plan().begins;
        let mut done = [None; STEPS];
        for (seconds, set, bits) in looks {
            day.pass(seconds * SECOND);
            day.wall = Wall(day.wall.0.saturating_add_signed(set * SECOND as i64));
            day.look(&holds(bits));
            if day.line.watched().is_none() {
                prop_assert!(day.said.is_empty() && day.wall < begins);
                continue;
            }
            for step in Step::ALL {
                let at = step.index();
                let (before, now) = (done[at], day.line.done()[at]);
                if step == Step::Open {
                    prop_assert_eq!(now.is_some(), Some(day.wall) >= day.line.plan().planned[at]);
                } else if before.is_some() {
                    prop_assert_eq!(before, now);
                } else {
                    prop_assert_eq!(now.is_some(), bits >> at & 1 != 0);
                }
                let state = day.line.standing(step, day.wall).state;
                let is_done = matches!(state, State::Done | State::Late | State::Found);
                prop_assert_eq!(is_done, now.is_some());
            }
            done = day.line.done();
        }
        for step in Step::ALL.into_iter().filter(|step| *step != Step::Open) {
            let own: Vec<What> = day.said.iter().filter(|(s, _)| *s == step).map(|(_, w)| *w).collect();
            let count = |is: fn(&What) -> bool| own.iter().filter(|what| is(what)).count();
            prop_assert!(count(|what| matches!(what, What::Half)) <= 1);
            prop_assert!(count(|what| matches!(what, What::Missed)) <= 1);
            let finished = count(|what| matches!(what, What::Done { .. }));
            prop_assert!(finished <= 1);
            // Nothing behind its being done, nothing half behind its being missed; and the last word knows
            // what was said before it.
            if let Some(What::Done { half, missed }) = own.last() {
                prop_assert_eq!(*half, own.contains(&What::Half));
                prop_assert_eq!(*missed, own.contains(&What::Missed));
            } else {
                prop_assert_eq!(finished, 0);
            }
            let missed = own.iter().position(|what| *what == What::Missed);
            prop_assert!(missed.is_none_or(|at| !own[at..].contains(&What::Half)));
        }
    }

    /// On a clock that nobody sets: how often it is looked doesn't matter to what is said of deadlines.
    #[test]
    fn how_often_it_is_looked_changes_no_verdict(every in 1u64..900, done_at in 0u64..7 * 3600) {
        let run = |every: u64| {
            let mut day = Morning::at(monday(), "2026-11-23T12:00:00Z");
            let end = utc("2026-11-23T15:00:00Z");
            let done_at = Wall(day.wall.0 + done_at * SECOND);
            while day.wall < end {
                day.look(if day.wall >= done_at { &[Step::Heartbeats][..] } else { &[] });
                day.pass(every * SECOND);
            }
            (day.said.contains(&(Step::Heartbeats, What::Missed)), day.said.contains(&(Step::Map, What::Missed)))
        };
        let (often, map) = run(1);
        let deadline = 35 * 60;
        prop_assert!(map);
        prop_assert_eq!(often, done_at > deadline + 1);
        let (seldom, map) = run(every);
        prop_assert!(map);
        // Who looks seldom may find it done at the first look behind the deadline.
        prop_assert!(seldom == often || (often && done_at <= deadline + every));
    }
}

#[test]
fn a_start_has_as_long_as_ten_heartbeats() {
    assert_eq!(START, Nanos::from_secs(10));
    assert_eq!(map_at("XNAS", 20_261_123), MONDAY);
}
