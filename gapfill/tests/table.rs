//! The table in the crate's description, read from there and tried cell by cell.

mod common;

use candor_core::limits::WINDOW_MESSAGES;
use candor_core::{Content, LossKind, Nanos};
use candor_gapfill::{Heard, Notice, State};
use common::{A, B, Bench, C, DAY, GRACE, Item, NEXT, THIRD, content, notices, packet};

/// A bench in this state, and the next number and the known end there.
fn bench_in(state: &str) -> Bench {
    let mut bench = Bench::new();
    if state == "NotStarted" {
        return bench;
    }
    bench.session = THIRD;
    bench.data(A, 1, 1);
    bench.session = DAY;
    bench.data(A, 1, 5);
    bench.data(B, 1, 5);
    bench.wait(Nanos(2 * GRACE.0));
    match state {
        "InSync" => {}
        "GapOpen" => drop(bench.data(A, 7, 1)),
        "GapOutlived" => {
            bench.data(A, 7, 1);
            bench.wait(GRACE);
        }
        "Ended" => drop(bench.end(A, 6)),
        other => panic!("no state {other}"),
    }
    bench
}

fn apply(bench: &mut Bench, input: &str) -> Vec<Item> {
    let (next, end) = (bench.expected(), bench.sequencer.known_end().0);
    match input {
        "data, the next number" => bench.data(B, next, 1),
        "data, old numbers" => bench.data(C, 2, 3),
        "data, what its line has carried" => bench.data(B, 2, 3),
        "data, old and next" => bench.data(B, next.max(3) - 2, 3),
        "data, ahead" => bench.data(A, end + 2, 1),
        "data, ahead of the window" => bench.data(A, end + 2 * WINDOW_MESSAGES as u64, 1),
        "data, other bytes from another line" => bench.messages(B, 3, &[content(1, 3)]),
        "data, number 1 with other bytes" => bench.messages(A, 1, &[content(1, 1)]),
        "heartbeat, nothing missing" => bench.heartbeat(A, end),
        "heartbeat, numbers missing" => bench.heartbeat(A, end + 2),
        "heartbeat, below the line's own" => bench.heartbeat(B, 1),
        "heartbeat, below the line's own again" => {
            let mut items = bench.heartbeat(B, 1);
            // What the time between them brings stands in a row of its own.
            let _ = bench.wait(GRACE + Nanos(1));
            items.extend(bench.heartbeat(B, 1));
            items
        }
        "end, nothing missing" => bench.end(A, end),
        "end, numbers missing" => bench.end(A, end + 2),
        "the grace passes" => bench.wait(GRACE),
        "a new session" => {
            bench.session = NEXT;
            bench.data(A, 1, 1)
        }
        "a session left behind" => {
            bench.session = THIRD;
            bench.data(A, 9, 1)
        }
        "an answer, what is missing" => bench.retransmit(next, 1).1,
        "an answer, straddling" => bench.retransmit(next.max(3) - 2, 9).1,
        "an answer, ahead" => bench.retransmit(end + 2, 2).1,
        "an answer, other bytes beside it" => {
            bench.answer(next.max(3) - 1, &[content(1, next.max(3) - 1), content(0, next)]).1
        }
        "an answer of another session" => {
            bench.session = NEXT;
            bench.retransmit(next, 1).1
        }
        "an answer that is an end" => {
            let packet = packet(bench.session, Content::End, end, 0, &[]);
            bench.give_answer(&packet).1
        }
        "a snapshot up to the next number" => bench.splice(next),
        "a snapshot up to the known end" => bench.splice(end),
        "a snapshot beyond it" => bench.splice(end + 5),
        "a snapshot of the past" => bench.splice(next - 2),
        other => panic!("no input {other}"),
    }
}

fn said(item: &Item) -> Vec<&'static str> {
    notices(std::slice::from_ref(item)).iter().map(name).collect()
}

fn name(notice: &Notice) -> &'static str {
    match notice {
        Notice::Started { .. } => "Started",
        Notice::Loss(loss) => match loss.kind {
            LossKind::OneLine => "OneLine",
            LossKind::GapFilled => "GapFilled",
            LossKind::GapOutlived => "GapOutlived",
            LossKind::GapLost => "GapLost",
            LossKind::Spliced => "Spliced",
        },
        Notice::GapOpened { .. } => "GapOpened",
        Notice::SessionChanged { .. } => "SessionChanged",
        Notice::Restarted { .. } => "Restarted",
        Notice::OldSession { .. } => "OldSession",
        Notice::LinesDiffer { .. } => "LinesDiffer",
        Notice::Ended { .. } => "Ended",
    }
}

/// The column of a state. One that is added does not compile here until it has one.
const fn column(state: State) -> usize {
    match state {
        State::NotStarted => 0,
        State::InSync => 1,
        State::GapOpen => 2,
        State::GapOutlived => 3,
        State::Ended => 4,
    }
}

/// Everything that is said in some cell: what [`name`] can answer, and not [`LossKind::Spliced`], which is
/// for whoever has the books. One that is added does not compile in [`name`], and has to come here.
const SAID: [&str; 10] = [
    "GapFilled",
    "GapLost",
    "GapOpened",
    "GapOutlived",
    "LinesDiffer",
    "Ended",
    "OldSession",
    "OneLine",
    "Restarted",
    "SessionChanged",
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
    assert_eq!(states, ["NotStarted", "InSync", "GapOpen", "GapOutlived", "Ended"]);
    assert_eq!(rows.len(), 28, "rows of the table");
    for said in SAID {
        assert!(
            rows[1..].iter().any(|row| row[1..].iter().any(|cell| cell.contains(said))),
            "{said}"
        );
    }
    let mut wrong = Vec::new();
    for row in &rows[1..] {
        assert_eq!(row.len(), states.len() + 1, "{row:?}");
        for (at, (state, cell)) in states.iter().zip(&row[1..]).enumerate() {
            if *cell == "—" {
                // There is no session that a snapshot could be of: the caller's fault.
                assert_eq!(*state, "NotStarted");
                assert!(row[0].starts_with("a snapshot"));
                continue;
            }
            let mut bench = bench_in(state);
            let before = bench.state();
            assert_eq!((format!("{before:?}").as_str(), column(before)), (*state, at));
            bench.heard = None;
            let items = apply(&mut bench, row[0]);
            let told: Vec<_> = items.iter().flat_map(said).collect();
            let mut found = describe(&told, before, bench.state());
            if bench.heard == Some(Heard::Foreign) {
                found = format!("({found})");
            }
            if found != *cell {
                wrong.push(format!("{state}, {}: not \"{cell}\" but \"{found}\"", row[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// As the table writes it: a state where it changed, and where everything started over.
fn describe(told: &[&str], before: State, after: State) -> String {
    let anew = told.contains(&"Restarted") || told.contains(&"SessionChanged");
    let to = if anew || before != after { format!(" → {after:?}") } else { String::new() };
    let text = format!("{}{to}", told.join(", "));
    if text.is_empty() { "·".to_owned() } else { text.trim_start().to_owned() }
}
