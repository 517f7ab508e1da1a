//! The table in the snapshot client's description, read from there and tried cell by cell.

mod common;

use candor_core::{Mono, SeqNo, SessionId, SnapshotAsk};
use candor_decoders::iex::snap;
use candor_decoders::nasdaq::soupbintcp::FromServer;
use candor_decoders::{Format, IntoBytes};
use common::*;

fn bench_in(format: Format, state: &str) -> Snapshots {
    let mut bench = Snapshots::new(format, 2);
    match state {
        "Idle" => {}
        "Connecting" => drop(bench.ask(1)),
        "Asked" => bench.asked(),
        "Loading" => {
            bench.asked();
            assert_eq!(bench.bytes(&yes(format)), ["Begin"]);
        }
        other => panic!("no state {other}"),
    }
    bench
}

fn yes(format: Format) -> Vec<u8> {
    match format {
        Format::NasdaqItch50 => soup(&[accepted()]),
        _ => snaps(&[snap::FromServer::Start { image_len: 0 }]),
    }
}

fn apply(bench: &mut Snapshots, input: &str) -> Vec<String> {
    let itch = bench.format == Format::NasdaqItch50;
    let ask = bench.snapshot_ask(2);
    match input {
        "an ask" => bench.ask(2),
        "an expired ask" => {
            let ask = SnapshotAsk { expires: bench.now, ..ask };
            bench.call(|client, now| client.ask(now, ask))
        }
        "an ask of no such session" => {
            let ask = SnapshotAsk { session: SessionId::NONE, ..ask };
            bench.call(|client, now| client.ask(now, ask))
        }
        "the cycle is dropped" => bench.drop_cycle(1),
        "another cycle is dropped" => bench.drop_cycle(9),
        "connected" => bench.connected(),
        "connected, when the ask has expired" => {
            bench.now = bench.snapshot_ask(1).expires;
            bench.connected()
        }
        "closed" => bench.closed(),
        "yes" => bench.bytes(&yes(bench.format)),
        "no" if itch => bench.bytes(&[0, 2, b'J', b'A']),
        "no" => bench.bytes(&[2, 0, b'e', b'A']),
        "a message" if itch => bench.bytes(&soup(&[FromServer::Sequenced(b"Aabc")])),
        "a message" => {
            let data = snap::FromServer::Data { stream: stream(), message: b"8abc" };
            bench.bytes(&snaps(&[data]))
        }
        "the end" if itch => bench.bytes(&soup(&[FromServer::Sequenced(end_of(100).as_bytes())])),
        "the end" => bench.bytes(&snaps(&[snap::FromServer::End { last: SeqNo(99) }])),
        "garbage" => bench.bytes(&[0, 0]),
        "something to pass over" if itch => {
            bench.bytes(&soup(&[FromServer::Debug(b"hi"), FromServer::Unknown(b'?')]))
        }
        "something to pass over" => bench.bytes(&[1, 0, b'?']),
        "the deadline" => {
            // Heartbeats on the way are no matter of the table.
            let mut words = bench.deadline();
            while words == ["Send"] {
                words = bench.deadline();
            }
            words
        }
        other => panic!("no input {other}"),
    }
}

#[test]
fn every_cell_is_as_the_description_says() {
    let source = include_str!("../src/snapshot/mod.rs");
    let rows: Vec<Vec<&str>> = source
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .map(|line| line.trim_end_matches('|').split('|').map(str::trim).collect())
        .collect();
    let states = &rows[0][1..];
    assert_eq!(states, variants(source, "Phase"), "every phase has a column");
    let mut cells = 0;
    for row in &rows[2..] {
        for (state, cell) in states.iter().zip(&row[1..]) {
            for format in [Format::NasdaqItch50, Format::IexDeep] {
                let mut bench = bench_in(format, state);
                let said = apply(&mut bench, row[0]);
                let said: Vec<&str> = said
                    .iter()
                    .map(|word| match word.split('(').next().unwrap() {
                        "Failed" if row[0] == "no" && *word == "Failed(login_refused)" => {
                            "Failed(refused)"
                        }
                        "Failed" => word.as_str(),
                        name => name,
                    })
                    // The farewell of GLIMPSE is said below the table.
                    .filter(|word| row[0] != "the end" || *word != "Send")
                    .collect();
                let said = if said.is_empty() { "-".to_owned() } else { said.join(" ") };
                assert_eq!(said, *cell, "{} in {state} of {}", row[0], format.name());
                assert!(bench.client.deadline() != Some(Mono::NEVER));
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 15 * 4 * 2, "every row was read");
}
