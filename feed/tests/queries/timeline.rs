//! `timeline`: a morning as a region has it, in both forms, and its exit codes; and what is planned for a date.

use std::process::Command;

use candor_core::{TradingDate, Venue};
use candor_shm::{MILESTONES_MAX, Milestone, Morning};

use crate::world::{Answer, World};

const MINUTE: u64 = 60_000_000_000;

fn xnas() -> Venue {
    Venue::from_wire(b"XNAS").unwrap()
}

/// A morning whose first four milestones are done, in time; the rest is due an hour from now and later.
pub(crate) fn morning(world: &mut World) -> Morning {
    let now = candor::clock::wall();
    let mut milestones = [Milestone::default(); MILESTONES_MAX];
    for (at, one) in (0u64..8).zip(&mut milestones) {
        let done = at < 4;
        let planned = if done { now - (10 - at) * MINUTE } else { now + 60 * MINUTE + at };
        *one = Milestone {
            applies: true,
            planned,
            actual: if done { planned - 1 } else { 0 },
            found: false,
            done: u32::from(done),
            of: 1,
        };
    }
    let morning = Morning { date: TradingDate(20_261_121), watched: now - 60 * MINUTE, milestones };
    assert!(world.handler.set_morning(&xnas(), Some(&morning)));
    morning
}

#[test]
fn a_morning_in_time_exits_0_and_one_that_is_late_or_missed_1_and_without_a_handler_3() {
    let mut world = World::new();
    let whole = morning(&mut world);
    let answer = world.run(&["timeline"]);
    assert_eq!(answer.code(), 0, "{}{}", answer.out(), answer.err());
    assert!(answer.out().lines().all(|line| line.chars().count() <= 100), "{}", answer.out());
    let spoil = |world: &mut World, change: &dyn Fn(&mut Morning)| {
        let mut spoilt = whole;
        change(&mut spoilt);
        world.handler.set_morning(&xnas(), Some(&spoilt));
        let answer = world.run(&["timeline", "-o", "json", "--venue", "XNAS"]);
        (answer.code(), answer.json()["milestones"].as_array().unwrap().clone())
    };
    let (code, rows) = spoil(&mut world, &|one| one.milestones[2].actual += 2);
    assert_eq!((code, rows[2]["state"].as_str()), (1, Some("done late")));
    assert_eq!(rows[2]["slack_ns"], -1);
    let (code, rows) = spoil(&mut world, &|one| one.milestones[3].actual = 0);
    assert_eq!((code, rows[3]["state"].as_str()), (1, Some("missed")));
    assert!(rows[3]["slack_ns"].as_i64().unwrap() <= -7 * MINUTE.cast_signed());
    assert!(rows[3]["actual"].is_null() && rows[3]["done"] == 1);
    let missed = world.run(&["timeline"]).out();
    assert!(missed.contains("[!!!!!!!!!!!!!!!!]"), "{missed}");
    let (code, rows) = spoil(&mut world, &|one| {
        one.milestones[3].actual += 100 * MINUTE;
        one.milestones[3].found = true;
    });
    assert_eq!((code, rows[3]["state"].as_str()), (0, Some("found done")));
    let (code, rows) = spoil(&mut world, &|one| one.milestones[7].applies = false);
    assert_eq!((code, rows[7]["state"].as_str()), (0, Some("not today")));
    // Another date needs the configuration that plans it.
    assert_eq!(world.run(&["timeline", "--date", "2026-11-24"]).code(), 64);
    assert_eq!(world.run(&["timeline", "--date", "2026-11-21"]).code(), 64, "IEXG has no morning");
    assert_eq!(world.run(&["timeline", "--date", "Monday"]).code(), 64);
    assert_eq!(world.run(&["timeline", "--venue", "XLON"]).code(), 3);
    world.die();
    assert_eq!(world.run(&["timeline"]).code(), 3);
}

#[test]
fn a_plan_needs_no_handler_and_is_by_the_venues_clock() {
    let file = std::env::temp_dir().join(format!("candor-plan-{}.toml", std::process::id()));
    let text = "[handler]\nname = \"t\"\nregion = \"/dev/shm/candor-no-such-region\"\n[source]\n\
                kind = \"udp\"\ninterface = \"lo\"\n[[lane]]\n[maps]\nstore = \"/m\"\n[[venue]]\n\
                name = \"XNAS\"\nfeed = \"nasdaq-itch50\"\n\
                map = { timeline = { crossover = \"09:05\" } }\n[[venue]]\nname = \"XTST\"\n\
                feed = \"iex-tops\"\nmap = { calendar = \"every-day\", timeline = { joins = \"08:00\" } }\n";
    std::fs::write(&file, text).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
        command.arg("timeline").args(arguments).arg("-c").arg(&file);
        Answer(command.output().unwrap())
    };
    assert_eq!(run(&[]).code(), 3, "no handler has run");
    for (date, crossover, note) in [
        ("2026-03-06", "2026-03-06T09:05:00.000-05:00", None),
        ("2026-03-09", "2026-03-09T09:05:00.000-04:00", None),
        ("2027-11-05", "2027-11-05T09:05:00.000-04:00", None),
        ("2027-11-08", "2027-11-08T09:05:00.000-05:00", None),
        ("2026-11-27", "2026-11-27T09:05:00.000-05:00", Some("closes at 13:00:00")),
    ] {
        let answer = run(&["--date", date, "-o", "json"]);
        assert_eq!((answer.code(), answer.err().as_str()), (0, ""), "{date}");
        let json = answer.json();
        let rows = json["milestones"].as_array().unwrap();
        assert_eq!((rows.len(), &rows[4]["milestone"]), (16, &"crossover".into()));
        assert_eq!(rows[4]["planned"], crossover);
        assert_eq!(
            (&rows[4]["state"], &rows[4]["done"]),
            (&"planned".into(), &Option::<u8>::None.into())
        );
        // From 08:45 on.
        assert_eq!(rows[4]["slack_ns"], 20 * MINUTE);
        let said = json["venues"][0]["note"].as_str();
        assert!(said.is_none() == note.is_none(), "{said:?}");
        assert!(note.is_none_or(|note| said.unwrap().starts_with(note)), "{said:?}");
        assert_eq!(
            (&rows[8 + 6]["state"], &rows[8 + 6]["planned"]),
            (&"not today".into(), &Option::<u8>::None.into())
        );
        let drawn = run(&["--date", date]).out();
        assert!(drawn.lines().all(|line| line.chars().count() <= 100), "{drawn}");
        assert!(drawn.contains("crossover   09:05:00"), "{drawn}");
    }
    let closed = run(&["--date", "2026-11-26", "--venue", "XNAS", "-o", "json"]);
    assert_eq!((closed.code(), closed.json()["milestones"].as_array().unwrap().len()), (0, 0));
    assert!(closed.json()["venues"][0]["note"].as_str().unwrap().starts_with("no trading date"));
    std::fs::remove_file(&file).unwrap();
}
