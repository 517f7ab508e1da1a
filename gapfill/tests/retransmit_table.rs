//! The table in the description of retransmission, read from there and tried cell by cell.

mod common;

use candor_core::counters::Counter;
use candor_core::{Answer, Ask, Nanos, Refusal, Refused};
use candor_gapfill::Policy;
use common::recovery::{POLICY, Recovery};
use common::{A, B, GRACE, NEXT, range};

const TABLE_POLICY: Policy = Policy {
    outstanding: 1,
    attempts: 2,
    patience: Nanos::from_millis(200),
    rest: Nanos::from_millis(2),
    pause_max: Some(Nanos::from_secs(1)),
    ..POLICY
};
const STATES: [&str; 7] =
    ["Idle", "Asked", "Answering", "Refused", "GivenUp", "Resting", "Probing"];

/// The row that shows what a refusal does. One that is added does not compile here until it has one.
const fn row_of(why: Refusal) -> &'static str {
    match why {
        Refusal::Budget => "refused: budget",
        Refusal::Unreachable
        | Refusal::Busy
        | Refusal::NotYet
        | Refusal::Closed
        | Refusal::TimedOut
        | Refusal::Overrun => "refused: busy",
        Refusal::Expired => "refused: expired",
        Refusal::WrongSession | Refusal::Quota | Refusal::LoginRefused | Refusal::Malformed => {
            "refused: quota"
        }
    }
}

/// The stages a request can be in, as the source names them.
fn stages() -> Vec<&'static str> {
    let source = include_str!("../src/retransmit/request.rs");
    let body =
        source.split("enum Stage {").nth(1).expect("it has stages").split("\n}").next().unwrap();
    let variant = |line: &'static str| line.strip_prefix("    ")?.split([' ', ',']).next();
    body.lines().filter_map(variant).filter(|word| word.starts_with(char::is_uppercase)).collect()
}

/// One gap, 11 to 14, in this state; `last` on its last attempt.
fn in_state(state: &str, last: bool, rounds: bool) -> Recovery {
    let pause_max = TABLE_POLICY.pause_max.filter(|_| rounds);
    let mut it = Recovery::new(Policy { pause_max, ..TABLE_POLICY });
    it.line(|b| b.data(A, 1, 10));
    if state == "Idle" {
        return it;
    }
    it.line(|b| b.data(A, 15, 1));
    it.wait(GRACE);
    if last || ["GivenUp", "Resting", "Probing"].contains(&state) {
        it.wait(TABLE_POLICY.timeout);
    }
    match state {
        "Asked" => {}
        "Answering" => drop(it.answer(11, 1)),
        // On the last attempt a refusal is the end: the first was refused.
        "Refused" if last => {
            it = in_state("Refused", false, rounds);
        }
        "Refused" => drop(it.refuse(range(11, 15), Refusal::Busy)),
        "GivenUp" if rounds => drop(it.refuse(range(11, 15), Refusal::Quota)),
        "GivenUp" | "Resting" => drop(it.wait(Nanos(2 * TABLE_POLICY.timeout.0))),
        "Probing" => drop(it.wait(Nanos(2 * TABLE_POLICY.timeout.0 + TABLE_POLICY.patience.0))),
        other => panic!("no state {other}"),
    }
    it
}

fn apply(it: &mut Recovery, input: &str) -> Vec<Ask> {
    let (next, end) = (it.bench.expected(), it.bench.sequencer.known_end().0);
    let all = range(11, 15);
    match input {
        "another gap outlives the grace" => {
            it.line(|b| b.data(A, end + 6, 1));
            it.wait(GRACE)
        }
        "a gap that is over the limit" => {
            it.line(|b| b.data(A, end + 1000, 1));
            it.wait(GRACE)
        }
        "the lines fill it" => it.line(|b| b.data(B, next, 15u64.saturating_sub(next).max(1))),
        "the lines fill half of it" => it.line(|b| b.data(B, next, 2)),
        "an answer" => it.answer(11, 4).1,
        "an answer with half of it" => it.answer(next, 2).1,
        "an answer with nothing new" => {
            it.machine.on_answer(it.bench.now, all);
            let (answer, asks) = it.answer(8, 3);
            assert_eq!(answer, Answer::Useless);
            asks
        }
        "its deadline" | "its deadline, on the last attempt" => match it.machine.deadline() {
            Some(due) => it.keep(due),
            None => vec![],
        },
        "refused: busy" | "refused: busy, on the last attempt" => it.refuse(all, Refusal::Busy),
        "refused: budget" => it.refuse(all, Refusal::Budget),
        "refused: expired" => it.refuse(all, Refusal::Expired),
        "refused: quota" => it.refuse(all, Refusal::Quota),
        "refused: quota, in another session" => {
            it.refused(&Refused { session: NEXT, range: all, why: Refusal::Quota })
        }
        "the patience ends" if state_of(it) == "Probing" => {
            it.keep(it.bench.now + TABLE_POLICY.patience)
        }
        "the patience ends" => match it.bench.sequencer.gaps().first() {
            Some(gap) => it.keep(gap.opened + TABLE_POLICY.patience),
            None => vec![],
        },
        "an answer contradicts" => {
            let Recovery { bench, machine, .. } = it;
            let (session, gaps) = (bench.sequencer.session(), bench.sequencer.gaps());
            machine.on_doubt(bench.now, session, gaps, &mut bench.counters);
            it.drain()
        }
        "another session" => {
            it.bench.session = NEXT;
            it.line(|b| b.data(A, 1, 1))
        }
        other => panic!("no input {other}"),
    }
}

/// The state as can be seen from outside: what follows when time passes tells the stages apart.
fn state_of(it: &Recovery) -> &'static str {
    let text = format!("{:?}", it.machine);
    let stages = ["Asked {", "Answering {", "Refused {", "Due {", "Probing {"];
    let [asked, answering, refused, due, probing] = stages.map(|stage| text.contains(stage));
    assert!(!due, "a request that nobody took");
    match (asked, answering, refused) {
        _ if probing => "Probing",
        (true, ..) => "Asked",
        (_, true, _) => "Answering",
        (.., true) => "Refused",
        _ if it.machine.is_given_up_for_good() => "GivenUp",
        _ if it.machine.given_up().is_some() => "Resting",
        _ => "Idle",
    }
}

fn counts(it: &Recovery) -> [u64; 5] {
    let [asked, timeouts, refused, given_up] = it.counts();
    [asked, timeouts, refused, given_up, it.bench.get(Counter::RetransmitOverBudget)]
}

fn describe(before: [u64; 5], asks: &[Ask], it: &Recovery, state: &str) -> String {
    let after = counts(it);
    let mut said: Vec<String> = Vec::new();
    for (at, name) in [(1, "timeout"), (2, "refused"), (3, "given up"), (4, "over budget")] {
        said.extend((before[at]..after[at]).map(|_| name.to_owned()));
    }
    assert_eq!(after[0] - before[0], asks.len() as u64);
    said.extend(asks.iter().map(|ask| format!("ask {}", ask.attempt)));
    let now = state_of(it);
    let to = if now == state { String::new() } else { format!(" → {now}") };
    let text = format!("{}{to}", said.join(", "));
    if text.is_empty() { "·".to_owned() } else { text.trim_start().to_owned() }
}

#[test]
fn every_cell_of_the_table_is_true() {
    let rows: Vec<Vec<&str>> = include_str!("../src/retransmit/mod.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .filter(|line| line.starts_with('|') && !line.starts_with("| ---"))
        .map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let states = &rows[0][1..];
    assert_eq!(states, STATES);
    assert_eq!(rows.len(), 19, "rows of the table");
    // A request that is due is taken in the same step, and leaves that stage.
    assert_eq!(stages(), ["Due", "Asked", "Answering", "Refused"], "each has a column");
    let mut wrong = Vec::new();
    for row in &rows[1..] {
        assert_eq!(row.len(), states.len() + 1, "{row:?}");
        for (state, cell) in states.iter().zip(&row[1..]) {
            for rounds in [true, false] {
                if !rounds && ["Resting", "Probing"].contains(state) {
                    continue;
                }
                let cell =
                    if rounds { (*cell).to_owned() } else { cell.replace("Resting", "GivenUp") };
                let mut it = in_state(state, row[0].ends_with("last attempt"), rounds);
                assert_eq!(state_of(&it), *state, "{}", row[0]);
                let before = counts(&it);
                let asks = apply(&mut it, row[0]);
                let found = describe(before, &asks, &it, state);
                if found != cell {
                    wrong.push(format!("{state}, {}: not \"{cell}\" but \"{found}\"", row[0]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_refusal_does_what_its_row_says() {
    for why in Refusal::ALL {
        for state in STATES {
            let [mut it, mut like] = [(); 2].map(|()| in_state(state, false, true));
            let asks = it.refuse(range(11, 15), why);
            assert_eq!(asks, apply(&mut like, row_of(why)), "{why:?} in {state}");
            assert_eq!(state_of(&it), state_of(&like), "{why:?} in {state}");
        }
    }
}
