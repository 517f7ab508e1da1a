//! Arbitration: what one message of the stream costs, however many lines carry it, where they lag behind each
//! other and lose packets.

use std::hint::black_box;

use candor_bench::lines::{Arrivals, Lines};
use candor_bench::stopwatch::Stopwatch;
use candor_bench::{Blocks, itch};
use candor_core::{Line, SeqNo};
use candor_decoders::Format;
use candor_sim::rng::Rng;

use crate::report::Measured;

/// Messages of a round.
const MESSAGES: usize = 200_000;

/// A line's lag in messages: 10 and 50 packets of 20. Less than the grace, so that nothing is given up.
const LAGS: [u64; 2] = [200, 1_000];

/// Times in a million that a packet is lost.
const LOSSES: [u32; 2] = [1_000, 10_000];

struct Case {
    lines: Lines,
    /// Messages a packet, of the line that the floor walks.
    floor: usize,
    row: Measured,
}

/// Measures every case in turns.
///
/// # Errors
/// In words: a message came out twice, or not at all.
pub(crate) fn measure(rounds: u32, stopwatch: Stopwatch) -> Result<Vec<Measured>, String> {
    let messages = itch::flow(500, 0, MESSAGES).measured;
    let packets = |each| itch::packets(&messages, each, SeqNo(1));
    let (twenty, seven, one) = (packets(20), packets(7), packets(1));
    let mut cases = cases(&twenty, &seven, &one);
    for _ in 0..rounds {
        for case in &mut cases {
            case.lines.begin();
            let (out, took) = stopwatch.time(|| case.lines.run());
            if out != MESSAGES as u64 {
                return Err(format!("{}: {out} of {MESSAGES} messages", case.row.name));
            }
            case.row.rounds.push(took.0 as f64 / MESSAGES as f64);
            let packets = if case.floor == 1 { &one } else { &twenty };
            let ((), walked) = stopwatch.time(|| walk(packets));
            case.row.floor_rounds.push(walked.0 as f64 / MESSAGES as f64);
        }
    }
    Ok(cases.into_iter().map(|case| case.row).collect())
}

fn cases(twenty: &Blocks, seven: &Blocks, one: &Blocks) -> Vec<Case> {
    let none = |_| false;
    let case = |name: String, about, floor, arrivals| {
        let row = Measured::new(name, about, "one line framed and walked");
        Case { lines: Lines::new(arrivals), floor, row }
    };
    let both = |a, b, lag| Arrivals::merge(&[(Line::A, a, 0), (Line::B, b, lag)], none);
    let alone = "one line framed and brought into order";
    let alike = "each packet on both lines, at once";
    let lags = "each packet on both lines, B behind A";
    let loses = "the same, and A loses packets that B fills in";
    let mut cases = vec![
        case("one line".into(), alone, 20, Arrivals::merge(&[(Line::A, twenty, 0)], none)),
        case("one line, 1 a packet".into(), alone, 1, Arrivals::merge(&[(Line::A, one, 0)], none)),
        case("A and B alike".into(), alike, 20, both(twenty, twenty, 0)),
        case("A and B alike, 1 a packet".into(), alike, 1, both(one, one, 0)),
        case(
            "B in packets of 7".into(),
            "the same messages, otherwise in packets",
            20,
            both(twenty, seven, 0),
        ),
    ];
    for lag in LAGS {
        cases.push(case(format!("B lags {lag} messages"), lags, 20, both(twenty, twenty, lag)));
        for loss in LOSSES {
            let mut rng = Rng::new(lag ^ u64::from(loss));
            let lines = [(Line::A, twenty, 0), (Line::B, twenty, lag)];
            let lost = |line| line == Line::A && rng.chance(loss);
            let percent = f64::from(loss) / 10_000.0;
            let name = format!("B lags {lag} messages, A loses {percent}%");
            cases.push(case(name, loses, 20, Arrivals::merge(&lines, lost)));
        }
    }
    cases
}

fn walk(packets: &Blocks) {
    for packet in packets.iter() {
        // What is no packet has no messages; every one was framed when the cases were made.
        let Ok(packet) = Format::NasdaqItch50.frame(packet) else { continue };
        packet.messages.for_each(|message| _ = black_box(message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_gives_each_message_once() {
        let rows = measure(1, Stopwatch::Thread).unwrap();
        assert_eq!(rows.len(), 5 + LAGS.len() * (1 + LOSSES.len()));
        assert!(rows.iter().all(|row| row.rounds[0] > 0.0 && row.floor_rounds[0] > 0.0));
    }
}
