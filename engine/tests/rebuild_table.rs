//! What the ladder does in every state upon every event: the table below, tried cell by cell. In a cell stand
//! the steps that are said, and then what AAPL and MSFT read where that changed; `·` is nothing.

mod common;

use std::collections::BTreeSet;

use candor_core::{Action, Line, Nanos, Refusal, SnapshotPart};
use candor_engine::{Config, Services, Step};
use common::services::{ASKS, SNAPSHOTS, actions, begin, end, load, opened, part};
use common::{Bench, GRACE, SESSION_GRACE, SILENCE, add, config, delete, directory, mold, trading};

/// Both symbols Live; 5 is missing and asked for; a snapshot of all is asked for, since lines differ; the
/// start is lost and messages are held; a snapshot of all arrives; it is whole and the lines are not so far; it is
/// joined, and only a part of what was held back is applied yet;
/// one for AAPL alone arrives; after one that was too old another arrives; the stream goes on from a
/// snapshot's word alone.
const TABLE: &str = "
| event | Whole | Gap | Wanted | Held | Rebuilding | Loaded | Splicing | Alone | Behind | Resynced |
| the next message | · | · | · | · | · | · | · | · | · | · |
| numbers up to the snapshot's | · | · | · | · | · | Spliced → Live | Spliced → Live | · | · | · |
| a heartbeat | · | · | · | · | · | · | · | · | · | · |
| a gap opens | → Gap | · | → Gap | · | · | · | Spliced → Gap | → Gap | · | GivenUp Asked → Gap |
| a gap outlives its patience | GivenUp Asked → Gap | GivenUp Asked GivenUp | GivenUp → Gap | · | GivenUp Failed(hung) | GivenUp | Spliced GivenUp Asked → Gap | GivenUp Failed(abandoned) Asked → Gap | Failed(hung) | GivenUp Asked → Gap |
| a gap over the limit | GivenUp Asked → Gap | GivenUp Asked | GivenUp → Gap | · | GivenUp | Spliced GivenUp Asked → Gap | Spliced GivenUp Asked → Gap | GivenUp Failed(abandoned) → Gap | · | GivenUp Asked → Gap |
| a line fills the gap | · | → Live | · | · | · | · | Failed(abandoned) | Failed(abandoned) → LinesDiffer | · | · |
| an order nobody knows | AskedAlone → SymbolQuarantined/Live | · | · | · | · | · | · | · | · | AskedAlone |
| lines differ | Asked → LinesDiffer | Asked | · | · | · | · | Failed(abandoned) | Failed(abandoned) → LinesDiffer | · | · |
| a message nobody can read | Asked → Quarantined | · | · | · | · | · | · | Failed(abandoned) → Quarantined | · | Asked |
| a snapshot begins | · | · | Begun → Recovering | Begun | Failed(out_of_order) | · | · | Failed(out_of_order) | Failed(out_of_order) | · |
| its messages | · | · | Failed(out_of_order) | Failed(out_of_order) | Failed(malformed) | · | · | · | · | · |
| a message of it that nobody can read | · | · | Failed(out_of_order) | Failed(out_of_order) | Failed(malformed) | · | · | Failed(malformed) | Failed(malformed) | · |
| it ends at the next number | · | · | Failed(out_of_order) | Failed(out_of_order) | Spliced → Live | · | · | Spliced → Unproven/Live | Spliced Resynced → Late | · |
| it ends before the gap | · | · | Failed(out_of_order) | Failed(out_of_order) | Failed(too_old) | · | · | Failed(too_old) | Failed(too_old) | · |
| it ends before the gap, again | · | GivenUp Asked Begun Failed(too_old) → Recovering | Failed(out_of_order) Asked Begun Failed(too_old) → Recovering | Failed(out_of_order) Asked Begun Failed(too_old) | Failed(too_old) Asked Begun Spliced Resynced → Late | · | Spliced → Live | Failed(too_old) AskedAlone Begun Failed(abandoned) | Failed(too_old) | · |
| it is refused | · | · | Failed(busy) | Failed(busy) | Failed(busy) | · | · | Failed(busy) | Failed(busy) | · |
| an answer contradicts | Contradicted Asked → LinesDiffer | Contradicted GivenUp Asked | Contradicted | Contradicted | Contradicted | Contradicted | Contradicted Failed(abandoned) | Contradicted Failed(abandoned) → LinesDiffer | Contradicted | · |
| the numbers begin again | → SessionChanged | → SessionChanged | → SessionChanged | · | → SessionChanged | → SessionChanged | Spliced → SessionChanged | → SessionChanged | → SessionChanged | · |
| a new session | · | → Live | → Live | → SessionChanged | → Live | → Live | → Live | → Live | → Live | · |
| the groups are left | → Unsubscribed | → Unsubscribed | → Unsubscribed | → Unsubscribed | → Unsubscribed | → Unsubscribed | → Unsubscribed | → Unsubscribed | → Unsubscribed | → Unsubscribed |
| time passes | · | GivenUp Asked Failed(no_begin) | Failed(no_begin) Asked | Failed(no_begin) Asked | Failed(hung) Asked | · | Spliced → Live | Failed(hung) AskedAlone | · | · |
| a heartbeat, seconds later | · | GivenUp Asked Failed(no_begin) Asked Failed(no_begin) Asked Failed(no_begin) | Failed(no_begin) Asked Failed(no_begin) Asked Failed(no_begin) | Failed(no_begin) Asked Failed(no_begin) Asked Failed(no_begin) | Failed(hung) Asked Failed(no_begin) Asked Failed(no_begin) Asked | Failed(unconfirmed) Asked | Spliced → Live | Failed(hung) AskedAlone Failed(no_begin) AskedAlone Failed(no_begin) AskedAlone | Failed(hung) Asked Failed(no_begin) Asked Failed(no_begin) | → Live |
| nothing for seconds | → Silent | GivenUp Asked Failed(no_begin) Asked Failed(no_begin) Asked Failed(no_begin) Asked Failed(no_begin) | Failed(no_begin) Asked Failed(no_begin) Asked Failed(no_begin) Asked Failed(no_begin) | Failed(no_begin) Asked Failed(no_begin) Asked Failed(no_begin) Asked Failed(no_begin) | Failed(hung) Asked Failed(no_begin) Asked Failed(no_begin) Asked Failed(no_begin) | Failed(unconfirmed) Asked Failed(no_begin) Asked Failed(no_begin) | Spliced → Silent | Failed(hung) AskedAlone Failed(no_begin) AskedAlone Failed(no_begin) AskedAlone Failed(no_begin) → Silent | Failed(hung) Asked Failed(no_begin) Asked Failed(no_begin) Asked | Asked |
";

const EVENTS: [&str; 24] = [
    "the next message",
    "numbers up to the snapshot's",
    "a heartbeat",
    "a gap opens",
    "a gap outlives its patience",
    "a gap over the limit",
    "a line fills the gap",
    "an order nobody knows",
    "lines differ",
    "a message nobody can read",
    "a snapshot begins",
    "its messages",
    "a message of it that nobody can read",
    "it ends at the next number",
    "it ends before the gap",
    "it ends before the gap, again",
    "it is refused",
    "an answer contradicts",
    "the numbers begin again",
    "a new session",
    "the groups are left",
    "time passes",
    "a heartbeat, seconds later",
    "nothing for seconds",
];

/// A bench, the snapshot asked for last, and the number behind all that exist.
struct At {
    bench: Bench,
    cycle: u32,
    end: u64,
}

impl At {
    /// Takes what is wanted.
    fn take(&mut self) {
        for action in actions(&mut self.bench) {
            if let Action::Snapshot(ask) = action {
                self.cycle = ask.cycle;
            }
        }
    }

    fn begin(&mut self) {
        begin(&mut self.bench, self.cycle);
    }

    fn next(&mut self, line: Line, message: Vec<u8>) {
        self.bench.send(line, self.end, &[message]);
        self.end += 1;
    }

    fn differ(&mut self) {
        let last = self.end - 1;
        self.bench.send(Line::B, last, &[add(1, 77, b'B', 9, 980_000)]);
    }

    fn reads(&self) -> String {
        let one = |symbol| match self.bench.reason(symbol) {
            Some(reason) => format!("{reason:?}"),
            None => "Live".to_owned(),
        };
        let (aapl, msft) = (one("AAPL"), one("MSFT"));
        if aapl == msft { aapl } else { format!("{aapl}/{msft}") }
    }
}

fn image() -> Vec<Vec<u8>> {
    vec![
        directory(1, "AAPL"),
        directory(2, "MSFT"),
        add(1, 11, b'B', 100, 1_000_000),
        add(1, 12, b'S', 200, 1_010_000),
    ]
}

fn in_state(state: &str) -> At {
    let services = Services { retransmit: Some(ASKS), snapshot: Some(SNAPSHOTS) };
    if state == "Held" {
        let services = Services { retransmit: None, ..services };
        let mut bench = Bench::with(Config { services, ..config(&[("AAPL", 0), ("MSFT", 0)]) });
        bench.subscribe(true);
        bench.send(Line::A, 5, &[delete(1, 12)]);
        bench.pass(GRACE);
        return At { bench, cycle: 0, end: 6 };
    }
    let mut at = At { bench: opened(services, &["AAPL", "MSFT"]), cycle: 0, end: 5 };
    // Of another session than the one heard since then nobody asks which is the newer.
    at.bench.pass(SESSION_GRACE);
    at.bench.heartbeat(Line::A, 5);
    match state {
        "Whole" => {}
        "Gap" => {
            at.end = 6;
            at.next(Line::A, add(2, 21, b'B', 1, 990_000));
            at.bench.pass(GRACE);
        }
        "Wanted" | "Rebuilding" | "Loaded" | "Splicing" => {
            at.differ();
            at.take();
            if state != "Wanted" {
                at.begin();
                load(&mut at.bench, at.cycle, &image());
            }
            if state == "Loaded" {
                end(&mut at.bench, at.cycle, 8);
            }
            if state == "Splicing" {
                let some = [add(1, 500, b'B', 1, 990_000), delete(1, 500)];
                // BOUND: more than is applied at a time.
                while at.end < 5 + 2 * candor_core::limits::REPLAY_MESSAGES as u64 {
                    at.bench.send(Line::A, at.end, &some);
                    at.end += 2;
                }
                end(&mut at.bench, at.cycle, 5);
            }
        }
        "Alone" => {
            at.next(Line::A, delete(1, 999));
            at.take();
            at.begin();
        }
        "Behind" | "Resynced" => {
            at.bench.send(Line::A, 1 << 40, &[add(1, 16, b'B', 1, 990_000)]);
            at.take();
            at.begin();
            end(&mut at.bench, at.cycle, 5);
            at.bench.pass(SNAPSHOTS.retry);
            at.take();
            at.begin();
            if state == "Resynced" {
                load(&mut at.bench, at.cycle, &image());
                end(&mut at.bench, at.cycle, 5);
            }
        }
        other => panic!("no state {other}"),
    }
    at
}

fn apply(at: &mut At, event: &str) {
    at.take();
    let (end_number, cycle) = (at.end, at.cycle);
    let bench = &mut at.bench;
    let some = || add(2, 500, b'B', 1, 990_000);
    match event {
        "the next message" => at.next(Line::A, some()),
        "numbers up to the snapshot's" => {
            for _ in 0..3 {
                // What its book has nothing of, and the image needs nothing of.
                at.next(Line::A, trading(2, "MSFT", b'T'));
            }
        }
        "a heartbeat" => bench.heartbeat(Line::A, end_number),
        "a gap opens" => {
            bench.send(Line::A, end_number + 1, &[some()]);
            bench.pass(GRACE);
        }
        "a gap outlives its patience" => {
            bench.send(Line::A, end_number + 1, &[some()]);
            bench.pass(ASKS.patience);
        }
        "a gap over the limit" => {
            bench.send(Line::A, end_number + ASKS.limit + 1, &[some()]);
            bench.pass(GRACE);
        }
        "a line fills the gap" => bench.send(Line::B, 5, &[delete(1, 12)]),
        "an order nobody knows" => at.next(Line::A, delete(1, 999)),
        "lines differ" => at.differ(),
        "a message nobody can read" => at.next(Line::A, vec![b'A', 0]),
        "a snapshot begins" => at.begin(),
        "its messages" => load(bench, cycle, &image()),
        "a message of it that nobody can read" => load(bench, cycle, &[vec![b'A', 0]]),
        "it ends at the next number" => end(bench, cycle, end_number),
        "it ends before the gap" => end(bench, cycle, 2),
        "it ends before the gap, again" => {
            end(bench, cycle, 2);
            bench.pass(SNAPSHOTS.retry);
            at.take();
            at.begin();
            end(&mut at.bench, at.cycle, 2);
        }
        "it is refused" => part(bench, cycle, &SnapshotPart::Failed(Refusal::Busy)),
        "an answer contradicts" => {
            let payload = mold(bench.session, 4, &[some(), some()]);
            let _ = bench.partition.on_retransmit(bench.now, &payload, &mut bench.shown);
        }
        "the numbers begin again" => {
            bench.pass(GRACE + Nanos(1));
            bench.send(Line::A, 1, &[directory(7, "AAPL"), directory(8, "MSFT")]);
        }
        "a new session" => {
            bench.session = *b"DAY0000002";
            bench.send(Line::A, 1, &image());
        }
        "the groups are left" => bench.subscribe(false),
        // As long as a snapshot may take to begin and to be asked for again.
        "time passes" => {
            for _ in 0..6 {
                bench.heartbeat(Line::A, end_number);
                bench.pass(Nanos::from_millis(100));
            }
        }
        "a heartbeat, seconds later" => {
            bench.pass(Nanos::from_secs(2));
            bench.heartbeat(Line::A, end_number);
        }
        "nothing for seconds" => bench.pass(SILENCE),
        other => panic!("no event {other}"),
    }
}

/// A step in a word. One that is added does not compile here, and needs a cell.
fn word(step: &Step) -> String {
    match step {
        Step::RetransmitGivenUp { .. } => "GivenUp".to_owned(),
        Step::RetransmitContradicted { .. } => "Contradicted".to_owned(),
        Step::SnapshotAsked { symbols_only: false, .. } => "Asked".to_owned(),
        Step::SnapshotAsked { symbols_only: true, .. } => "AskedAlone".to_owned(),
        Step::SnapshotBegun => "Begun".to_owned(),
        Step::SnapshotFailed { why } => format!("Failed({})", why.label()),
        Step::Spliced { .. } => "Spliced".to_owned(),
        Step::Resynced { .. } => "Resynced".to_owned(),
    }
}

const STEPS: [&str; 8] =
    ["GivenUp", "Contradicted", "Asked", "AskedAlone", "Begun", "Failed", "Spliced", "Resynced"];

fn cells(row: &'static str) -> Vec<&'static str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn every_cell_of_the_table_is_true() {
    let rows: Vec<_> = TABLE.trim().lines().map(cells).collect();
    assert!(rows[1..].iter().map(|row| row[0]).eq(EVENTS), "a row for each event");
    let (mut wrong, mut said) = (String::new(), BTreeSet::new());
    for row in &rows[1..] {
        assert_eq!(row.len(), rows[0].len(), "{row:?}");
        for (state, cell) in rows[0][1..].iter().zip(&row[1..]) {
            let mut at = in_state(state);
            let before = at.reads();
            let steps = at.bench.shown.steps.len();
            apply(&mut at, row[0]);
            let mut told: Vec<String> = at.bench.shown.steps[steps..].iter().map(word).collect();
            said.extend(told.iter().map(|word| word.split('(').next().unwrap_or("").to_owned()));
            let after = at.reads();
            if after != before {
                told.push(format!("→ {after}"));
            }
            let found = if told.is_empty() { "·".to_owned() } else { told.join(" ") };
            if found != *cell {
                wrong += &format!("{state}, {}: not \"{cell}\" but \"{found}\"\n", row[0]);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(
        said.iter().map(String::as_str).eq(BTreeSet::from(STEPS)),
        "every step is taken: {said:?}"
    );
}

#[test]
fn giving_up_is_said_whatever_brings_it_about() {
    for state in ["Whole", "Gap"] {
        let mut at = in_state(state);
        apply(&mut at, "a gap outlives its patience");
        let said: Vec<String> = at.bench.shown.steps.iter().map(word).collect();
        // In Gap the older gap is given up first.
        let again = if state == "Gap" { &["GivenUp"][..] } else { &[] };
        assert_eq!(said, [&["GivenUp", "Asked"], again].concat(), "{state}");
    }
}

/// Also where the numbers given up are lower than those of before: they are others.
#[test]
fn giving_up_is_said_again_after_the_numbers_began_again() {
    let mut at = in_state("Gap");
    apply(&mut at, "a gap over the limit");
    apply(&mut at, "the numbers begin again");
    at.bench.send(Line::A, 4, &[add(7, 500, b'B', 1, 990_000)]);
    at.bench.pass(SESSION_GRACE);
    at.bench.pass(ASKS.patience);
    let said = at.bench.shown.steps.iter().map(word).filter(|word| word == "GivenUp").count();
    assert_eq!(said, 2);
}

#[test]
fn every_snapshot_that_is_asked_for_is_said_to_be() {
    let mut at = in_state("Wanted");
    let mut asked = 1;
    for _ in 0..30 {
        at.bench.pass(Nanos::from_millis(100));
        let wanted = actions(&mut at.bench);
        asked += wanted.iter().filter(|action| matches!(action, Action::Snapshot(_))).count();
    }
    let said = at.bench.shown.steps.iter().map(word).filter(|word| word == "Asked").count();
    assert_eq!(said, asked);
}

/// The variants of a private enum, as the source names them.
fn variants(name: &str) -> Vec<&'static str> {
    let source = include_str!("../src/rebuild.rs");
    let body = source.split(&format!("enum {name} {{")).nth(1).expect("an enum of this name");
    let lines = body.split("\n}").next().unwrap_or("").lines();
    let variant = |line: &'static str| line.strip_prefix("    ")?.split([' ', ',', '(']).next();
    lines.filter_map(variant).filter(|word| word.starts_with(char::is_uppercase)).collect()
}

#[test]
fn every_way_of_holding_has_a_column() {
    // Whole, Gap, Wanted; Held, Rebuilding, Loaded, Splicing; Alone.
    assert_eq!(variants("Hold"), ["Nothing", "All", "Quarantined"]);
    assert_eq!(variants("Extent"), ["All", "Quarantined"]);
    let reads = [
        "Whole",
        "Gap",
        "Wanted",
        "Held",
        "Rebuilding",
        "Loaded",
        "Splicing",
        "Alone",
        "Behind",
        "Resynced",
    ]
    .map(|state| in_state(state).reads());
    assert_eq!(
        reads.each_ref().map(String::as_str),
        [
            "Live",
            "Gap",
            "LinesDiffer",
            "Recovering",
            "Recovering",
            "Recovering",
            "Recovering",
            "SymbolRecovering/Live",
            "Recovering",
            "Late",
        ]
    );
}
