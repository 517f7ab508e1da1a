//! No alert in a week in which everything is as it should be, and for each thing that isn't its own and no other. What
//! it runs in: `week.rs`.

use candor_core::TradingDate;
use candor_core::alert::Code;
use candor_maps::calendar::Calendar;
use candor_shm::PreopenVerdict;

use super::week::{NEVER, Plays, SECOND, WELL, Week, ZONE, at, midnight, xnas};
use crate::clock;

#[test]
fn a_week_in_which_everything_is_as_it_should_be_raises_no_alert() {
    // Thanksgiving, the half day behind it, and the weekend.
    let days = [
        (20_261_123, true),
        (20_261_124, true),
        (20_261_125, true),
        (20_261_126, false),
        (20_261_127, true),
        (20_261_128, false),
        (20_261_129, false),
        (20_261_130, true),
    ];
    let mut week = Week::new("well", TradingDate(days[0].0), WELL);
    for (date, trades) in days {
        let date = TradingDate(date);
        week.day(date, trades);
        assert!(week.raised.is_empty(), "{date}: {:?}", week.raised);
        let info = week.hands.region.venue(&xnas()).unwrap();
        if trades {
            // Nothing was raised, and everything was looked at.
            let morning = info.morning.unwrap();
            assert_eq!(morning.date, date);
            for one in morning.milestones {
                assert!(!one.applies || (one.actual != 0 && !one.found), "{date}: {morning:?}");
            }
            let asked = info.preopen.unwrap();
            assert_eq!((asked.date, asked.verdict), (date, PreopenVerdict::Go));
        }
        assert!(info.in_force.is_none(), "{date}: it is over by midnight");
    }
}

/// A Monday on which this is otherwise, and what is raised.
fn monday(name: &str, plays: Plays, expected: &[Code]) {
    let date = TradingDate(20_261_123);
    let mut week = Week::new(name, date, plays);
    week.day(date, true);
    assert_eq!(week.codes(), expected, "{name}: {:?}", week.raised);
}

#[test]
fn what_a_morning_leaves_out_raises_its_own_alert_and_no_other() {
    use Code::{
        MapRefused, MilestoneLate, MilestoneMissed, NoMap, PartitionGap, PreopenNoGo,
        SessionsUnwritten,
    };
    monday("well-monday", WELL, &[]);
    monday("map", Plays { map: at(7, 30, 20), ..WELL }, &[NoMap]);
    monday("joins", Plays { joined: at(7, 30, 45), ..WELL }, &[MilestoneLate]);
    monday("heartbeat", Plays { heard: at(7, 34, 0), ..WELL }, &[MilestoneLate]);
    let late = Plays { heard: at(7, 35, 30), ..WELL };
    monday("no-heartbeat", late, &[MilestoneLate, MilestoneMissed]);
    let slow = Plays { directory: at(8, 30, 0), named: at(8, 30, 0), ..WELL };
    monday("directory", slow, &[MilestoneLate]);
    // Enough for a directory, and not for preopen.
    monday("symbol", Plays { named: at(9, 11, 0), ..WELL }, &[PreopenNoGo]);
    let never = Plays { named: NEVER, ..WELL };
    monday("no-symbol", never, &[MilestoneLate, MilestoneMissed, PreopenNoGo]);
    monday("prints", Plays { prints: at(9, 30, 40), ..WELL }, &[MilestoneLate]);
    let noon = at(12, 0, 0)..at(12, 30, 0);
    monday("gap", Plays { gap: noon.clone(), ..WELL }, &[PartitionGap]);
    monday(
        "unwritten",
        Plays { unwritten: at(2, 0, 0)..at(7, 32, 0), ..WELL },
        &[SessionsUnwritten],
    );
    monday("refused", Plays { refused: noon, ..WELL }, &[MapRefused]);
    // It hangs when it is asked first: nobody asks again before the next date.
    let hangs = Plays { answers: at(9, 10, 1), ..WELL };
    monday("no-answer", hangs, &[MilestoneLate, MilestoneMissed, PreopenNoGo]);
}

#[test]
fn a_calendar_that_ends_raises_its_own_alert_and_no_other() {
    let ends = Calendar::of("XNAS").unwrap().ends();
    // A Monday of the sixty days before.
    let near = (7..14u64).map(|weeks| midnight(ends) - (weeks - 7 + 30) * 24 * 3_600 * SECOND);
    let week_day = |wall: &u64| (wall / (24 * 3_600 * SECOND) + 4) % 7;
    let monday = near.into_iter().find(|wall| week_day(wall) == 1).unwrap();
    let monday = clock::date(monday, ZONE).unwrap();
    let mut week = Week::new("ends", monday, WELL);
    week.day(monday, true);
    assert_eq!(week.codes(), [Code::CalendarEnds], "{:?}", week.raised);
}
