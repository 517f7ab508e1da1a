//! The table in the crate's description, read from there and tried cell by cell.

mod common;

use candor_core::{Action, Refusal, SeqNo, SnapshotPart};
use candor_snapshot::{Failure, State, Step};
use common::{Bench, CONFIG, NEXT, Said};

/// A bench in this state. 10 is needed and the stream's next number; a snapshot ends before 15.
fn bench_in(state: &str) -> Bench {
    let mut bench = Bench::new();
    // So that a later cycle differs from an earlier one.
    bench.want(10);
    bench.unwant();
    if state == "Idle" {
        return bench;
    }
    bench.want(10);
    match state {
        "Waiting" => drop(bench.part(bench.cycle(), &refused())),
        "Asked" => {}
        "Loading" => drop(bench.begin()),
        "Loaded" => bench.snapshot(15),
        other => panic!("no state {other}"),
    }
    bench
}

const fn refused() -> SnapshotPart<'static> {
    SnapshotPart::Failed(Refusal::Busy)
}

fn hold(bench: &mut Bench) {
    if !bench.snapshots.is_holding() {
        bench.hold_from(bench.expected);
    }
}

fn apply(bench: &mut Bench, input: &str) {
    let cycle = bench.cycle();
    match input {
        "wanted" => bench.want(10),
        "wanted, a higher number" => bench.want(12),
        "wanted, and the wait runs still" => {
            if bench.state() == State::Idle {
                bench.want(10);
                let _ = bench.part(bench.cycle(), &refused());
                bench.unwant();
                assert_eq!(bench.state(), State::Idle);
                bench.take();
            }
            bench.want(10);
        }
        "not wanted any more" => bench.unwant(),
        "not wanted any more, but holding" => {
            hold(bench);
            bench.unwant();
        }
        "begin" => drop(bench.begin()),
        "begin of another session" => {
            let _ = bench.part(cycle, &SnapshotPart::Begin { session: NEXT });
        }
        "messages" => drop(bench.messages()),
        "end" => drop(bench.end(15)),
        "end at number 0" => drop(bench.end(0)),
        "refused" => drop(bench.part(cycle, &refused())),
        "a part of another cycle" => {
            for part in [
                SnapshotPart::Begin { session: bench.session },
                SnapshotPart::Messages(common::image()),
                SnapshotPart::End { next: SeqNo(15) },
                refused(),
            ] {
                assert_eq!(bench.part(cycle - 1, &part), Step::Ignore);
                assert_eq!(bench.part(cycle + 1, &part), Step::Ignore);
            }
        }
        "a message to hold" => {
            hold(bench);
            bench.stream_to(bench.expected + 1);
        }
        "more than the holdback holds" => {
            hold(bench);
            bench.stream_to(bench.expected + CONFIG.holdback_bytes as u64 / 10);
        }
        "the deadline" if bench.state() == State::Idle => bench.deadline(),
        "the deadline" => bench.wait_for_deadline(),
        "the deadline, with parts all along" => match bench.state() {
            State::Idle => bench.deadline(),
            State::Loading => bench.dribble(),
            _ => bench.wait_for_deadline(),
        },
        "a part at the deadline" => {
            bench.now = bench.snapshots.deadline().unwrap_or(bench.now);
            let _ = bench.messages();
        }
        "verdict, the lines short of its end" => {
            bench.stream_to(14);
            bench.verdict();
        }
        "verdict, the lines at its end" => {
            bench.stream_to(14);
            bench.known_end = 15;
            bench.verdict();
        }
        "verdict, the lines beyond its end" => {
            bench.stream_to(19);
            bench.verdict();
        }
        "verdict, a gap opened behind it" => too_old(bench),
        "verdict, likewise again" => {
            if bench.state() == State::Loaded {
                too_old(bench);
                bench.wait_for_deadline();
                bench.snapshot(15);
                bench.take();
            }
            bench.verdict();
        }
        "verdict, holding began behind its end" => {
            bench.stream_to(20);
            bench.hold_from(20);
            bench.verdict();
        }
        "verdict at the deadline" => {
            bench.now = bench.snapshots.deadline().unwrap_or(bench.now);
            bench.stream_to(19);
            bench.verdict();
        }
        "abandoned" => bench.abandon(),
        "refuted" => bench.refute(),
        "a new session" => bench.reset(),
        other => panic!("no input {other}"),
    }
}

fn too_old(bench: &mut Bench) {
    bench.stream_to(16);
    bench.known_end = 18;
    if bench.state() != State::Idle {
        bench.want(18);
        bench.take();
    }
    bench.verdict();
}

fn name(said: &Said) -> String {
    match said {
        Said::Step(Step::Failed(failure)) | Said::Unusable(failure) => word(failure),
        Said::Step(step) => word(step),
        Said::Splice { .. } => "Splice".to_owned(),
        Said::Resync { .. } => "Resync".to_owned(),
        Said::Wait => "Wait".to_owned(),
        Said::Stays => "stays".to_owned(),
        Said::Action(Action::Snapshot(_)) => "Ask".to_owned(),
        Said::Action(Action::DropSnapshot { .. }) => "Drop".to_owned(),
        Said::Action(other) => panic!("{other:?}"),
    }
}

/// A variant's name without its data.
fn word(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split(['(', ' ']).next().unwrap().to_owned()
}

/// The column of a state. One that is added does not compile here until it has one.
const fn column(state: State) -> usize {
    match state {
        State::Idle => 0,
        State::Waiting => 1,
        State::Asked => 2,
        State::Loading => 3,
        State::Loaded => 4,
    }
}

/// A row in which a cycle fails so. A failure that is added does not compile here until it has one.
const fn row_of(failure: Failure) -> &'static str {
    match failure {
        Failure::Refused(_) => "refused",
        Failure::NoBegin | Failure::Hung => "the deadline",
        Failure::TooLong => "the deadline, with parts all along",
        Failure::OtherSession => "begin of another session",
        Failure::OutOfOrder => "end at number 0",
        Failure::HoldbackFull => "more than the holdback holds",
        Failure::TooOld => "verdict, a gap opened behind it",
        Failure::NotHeld => "verdict, holding began behind its end",
        Failure::Unconfirmed => "verdict at the deadline",
        Failure::Contradicted => "refuted",
        Failure::Abandoned => "abandoned",
    }
}

const FAILURES: [Failure; 12] = [
    Failure::Refused(Refusal::Busy),
    Failure::NoBegin,
    Failure::Hung,
    Failure::TooLong,
    Failure::OtherSession,
    Failure::OutOfOrder,
    Failure::HoldbackFull,
    Failure::TooOld,
    Failure::NotHeld,
    Failure::Unconfirmed,
    Failure::Contradicted,
    Failure::Abandoned,
];

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn every_cell_of_the_table_is_true() {
    let rows: Vec<_> = include_str!("../src/lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .filter(|line| line.starts_with('|') && !line.starts_with("| ---"))
        .map(cells)
        .collect();
    let states = &rows[0][1..];
    assert_eq!(states, ["Idle", "Waiting", "Asked", "Loading", "Loaded"]);
    assert_eq!(rows.len(), 28, "rows of the table");
    for failure in FAILURES {
        let row = rows.iter().find(|row| row[0] == row_of(failure)).expect("a row of this name");
        assert!(row[1..].iter().any(|cell| cell.contains(&word(&failure))), "{failure:?}");
    }
    let mut wrong = Vec::new();
    for row in &rows[1..] {
        assert_eq!(row.len(), states.len() + 1, "{row:?}");
        for (at, (state, cell)) in states.iter().zip(&row[1..]).enumerate() {
            let mut bench = bench_in(state);
            bench.take();
            let before = bench.state();
            assert_eq!((format!("{before:?}").as_str(), column(before)), (*state, at));
            apply(&mut bench, row[0]);
            let told: Vec<_> = bench.take().iter().map(name).collect();
            let found = describe(&told, before, bench.state());
            if found != *cell {
                wrong.push(format!("{state}, {}: not \"{cell}\" but \"{found}\"", row[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// As the table writes it: a state where it changed.
fn describe(told: &[String], before: State, after: State) -> String {
    let to = if before == after { String::new() } else { format!(" → {after:?}") };
    let text = format!("{}{to}", told.join(", "));
    if text.is_empty() { "·".to_owned() } else { text.trim_start().to_owned() }
}
