//! What a retransmit client does in every state upon every event, over either transport: the tables below,
//! tried cell by cell. In a cell stand what is done and told, what is counted besides the ask, and the state
//! after it where that is another; `·` is nothing. 10 to 13 are asked for; two addresses.

mod common;

use candor_core::{Ask, SessionId};
use candor_decoders::Format;
use candor_services::retransmit::{Client, Transport};
use candor_services::{Count, Counts};
use common::*;

/// Nothing asked; asked; asked, and 10 has come; answered.
const UDP: &str = "
| event | Free | Sent | Sent+ | Over |
| an ask for it | SendTo(0) requests → Sent | SendTo(0) requests replaced | SendTo(0) requests replaced → Sent | SendTo(0) requests → Sent |
| an ask for others | SendTo(0) requests → Sent | SendTo(0) requests | SendTo(0) requests | SendTo(0) requests → Sent |
| an expired ask | expired | expired | expired | expired |
| an ask of no session | Refused(20 wrong_session) | Refused(20 wrong_session) | Refused(20 wrong_session) | Refused(20 wrong_session) |
| all of it | foreign_session | Payload(10-13) answers → Over | Payload(10-13) answers → Over | Payload(10-13) answers answers_late |
| its front | foreign_session | Payload(10) answers → Sent+ | Payload(10) answers | Payload(10) answers answers_late |
| other numbers | foreign_session | foreign_range | foreign_range | foreign_range |
| another session | foreign_session | foreign_session | foreign_session | foreign_session |
| another channel | foreign_session | foreign_session | foreign_session | foreign_session |
| a heartbeat | empty | empty | empty | empty |
| garbage | malformed | malformed | malformed | malformed |
| from elsewhere | foreign_source | foreign_source | foreign_source | foreign_source |
| nobody listens | stray | Refused(10-13 unreachable) unreachable failovers → Over | Refused(11-13 unreachable) unreachable failovers → Over | stray |
| nobody listens elsewhere | stray | stray | stray | stray |
| the deadline | · | Refused(10-13 timed_out) timed_out failovers → Over | Refused(11-13 timed_out) timed_out → Over | · |
| connected | stray | stray | stray | stray |
| closed | stray | stray | stray | stray |
| bytes | stray | stray | stray | stray |
";

/// Nothing asked; connecting; every address rests; asked; asked, and 10 has come.
const TCP: &str = "
| event | Idle | Connecting | Resting | Receiving | Receiving+ |
| an ask for it | Connect(0) connects → Connecting | · | · | replaced | · |
| an ask for others | Connect(0) connects → Connecting | · | · | · | · |
| an expired ask | expired | expired | expired | expired | expired |
| an ask of no session | Refused(20 wrong_session) | Refused(20 wrong_session) | Refused(20 wrong_session) | Refused(20 wrong_session) | Refused(20 wrong_session) |
| all of it | stray | stray | stray | Close Payload(10-13) answers → Idle | Close Payload(10-13) answers → Idle |
| its front | stray | stray | stray | Payload(10) answers → Receiving+ | Payload(10) answers |
| other numbers | stray | stray | stray | foreign_range | foreign_range |
| another session | stray | stray | stray | Close Refused(10-13 wrong_session) foreign_session failovers → Idle | Close Refused(11-13 wrong_session) foreign_session failovers → Idle |
| another channel | stray | stray | stray | Close Refused(10-13 wrong_session) foreign_session failovers → Idle | Close Refused(11-13 wrong_session) foreign_session failovers → Idle |
| a heartbeat | stray | stray | stray | empty | empty |
| garbage | stray | stray | stray | Close Refused(10-13 malformed) malformed failovers → Idle | Close Refused(11-13 malformed) malformed failovers → Idle |
| a datagram | stray | stray | stray | stray | stray |
| nobody listens | stray | stray | stray | stray | stray |
| the deadline | · | Close Connect(1) connects timed_out failovers | Connect(0) connects → Connecting | Close Refused(10-13 timed_out) timed_out failovers → Idle | Close Refused(11-13 timed_out) timed_out → Idle |
| connected | stray | Send requests → Receiving | stray | stray | stray |
| connected, when the ask has expired | stray | Close expired → Idle | stray | stray | stray |
| closed | stray | Connect(1) connects unreachable failovers | stray | Refused(10-13 closed) closed failovers → Idle | Refused(11-13 closed) closed → Idle |
";

/// How many events each table has.
const EVENTS: [usize; 2] = [18, 17];

fn bench_in(transport: Transport, state: &str) -> Retransmits {
    let addresses = if state == "Resting" { 1 } else { 2 };
    let mut bench = Retransmits::new(Format::IexDeep, transport, addresses);
    let part = answer(Format::IexDeep, 10, 11);
    match state {
        "Free" | "Idle" => {}
        "Sent" | "Connecting" => drop(bench.ask(10, 14)),
        "Sent+" | "Over" => {
            bench.ask(10, 14);
            let end = if state == "Over" { 14 } else { 11 };
            bench.datagram(0, &answer(Format::IexDeep, 10, end));
        }
        "Resting" => {
            bench.ask(10, 14);
            bench.closed();
        }
        "Receiving" => {
            bench.ask(10, 14);
            bench.connected();
        }
        "Receiving+" => {
            bench.ask(10, 14);
            bench.connected();
            bench.bytes(&part);
        }
        other => panic!("no state {other}"),
    }
    bench
}

/// The state as it shows in the client's own words, `+` where a part has come.
fn state_of(bench: &Retransmits) -> String {
    let text = format!("{:?}", bench.client);
    let is = |name: &&&str| text.contains(&format!("{name} {{"));
    let names: &[&str] = match text.contains("Udp") {
        true => &["Due", "Refusing", "Sent", "Over"],
        false => &["Resting", "Receiving", "Connecting"],
    };
    let none = if text.contains("Udp") { "Free" } else { "Idle" };
    let state = names.iter().find(is).copied().unwrap_or(none);
    let part = text.contains("rest: SeqRange { first: SeqNo(11)");
    format!("{state}{}", if part && ["Sent", "Receiving"].contains(&state) { "+" } else { "" })
}

fn apply(bench: &mut Retransmits, transport: Transport, event: &str) -> Vec<String> {
    let deep = Format::IexDeep;
    let said = |bench: &mut Retransmits, bytes: &[u8]| match transport {
        Transport::Udp => bench.datagram(0, bytes),
        Transport::Tcp => bench.bytes(bytes),
    };
    match event {
        "an ask for it" => bench.ask(10, 14),
        "an ask for others" => bench.ask(20, 24),
        "an expired ask" => {
            let ask = Ask { expires: bench.now, ..bench.the_ask(20, 24) };
            bench.call(|client, now| client.ask(now, ask))
        }
        "an ask of no session" => {
            let ask = Ask { session: SessionId::NONE, ..bench.the_ask(20, 21) };
            bench.call(|client, now| client.ask(now, ask))
        }
        "all of it" => said(bench, &answer(deep, 10, 14)),
        "its front" => said(bench, &answer(deep, 10, 11)),
        "other numbers" => said(bench, &answer(deep, 20, 24)),
        "another session" => said(bench, &answer_of(deep, 8, 1, 10, 14)),
        "another channel" => said(bench, &answer_of(deep, 7, 2, 10, 14)),
        "a heartbeat" => said(bench, &answer(deep, 10, 10)),
        "garbage" => said(bench, &[9; 40]),
        "from elsewhere" => bench.datagram(2, &answer(deep, 10, 14)),
        "a datagram" => bench.datagram(0, &answer(deep, 10, 14)),
        "nobody listens" => bench.call(|client, now| client.on_unreachable(now, 0)),
        "nobody listens elsewhere" => bench.call(|client, now| client.on_unreachable(now, 1)),
        "the deadline" => bench.deadline(),
        "connected" => bench.call(Client::on_connected),
        "connected, when the ask has expired" => {
            bench.now = bench.the_ask(10, 14).expires;
            bench.call(Client::on_connected)
        }
        "closed" => bench.closed(),
        "bytes" => bench.bytes(&[1, 2, 3]),
        other => panic!("no event {other}"),
    }
}

fn counted(before: &Counts, after: &Counts) -> Vec<&'static str> {
    let rose = |count: &Count| after.get(*count) > before.get(*count) && *count != Count::Asks;
    Count::ALL.into_iter().filter(rose).map(Count::label).collect()
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn every_cell_of_either_table_is_true() {
    let mut wrong = Vec::new();
    for (at, (transport, table)) in
        [(Transport::Udp, UDP), (Transport::Tcp, TCP)].into_iter().enumerate()
    {
        let rows: Vec<_> = table.trim().lines().map(cells).collect();
        assert_eq!(rows.len() - 1, EVENTS[at]);
        for row in &rows[1..] {
            assert_eq!(row.len(), rows[0].len(), "{row:?}");
            for (state, cell) in rows[0][1..].iter().zip(&row[1..]) {
                let mut bench = bench_in(transport, state);
                assert_eq!(state_of(&bench), *state);
                let before = *bench.client.counts();
                let mut told = apply(&mut bench, transport, row[0]);
                told.extend(
                    counted(&before, bench.client.counts()).iter().map(|name| (*name).to_owned()),
                );
                let after = state_of(&bench);
                if after != *state {
                    told.push(format!("→ {after}"));
                }
                let found = if told.is_empty() { "·".to_owned() } else { told.join(" ") };
                if found != *cell {
                    wrong.push(format!("{state}, {}: not \"{cell}\" but \"{found}\"", row[0]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_state_has_a_column() {
    // What is due or refused is fetched after every call: no event finds a client in these.
    let udp = include_str!("../src/retransmit/udp.rs");
    assert_eq!(variants(udp, "Entry"), ["Free", "Due", "Sent", "Refusing", "Over"]);
    let tcp = include_str!("../src/retransmit/tcp.rs");
    assert_eq!(variants(tcp, "Phase"), ["Idle", "Connecting", "Receiving"]);
    let link = include_str!("../src/link.rs");
    assert_eq!(variants(link, "State"), ["Closed", "Resting", "Connecting", "Open"]);
    let wire = include_str!("../src/retransmit/wire.rs");
    assert_eq!(variants(wire, "Kind"), ["Answer", "Empty", "Foreign", "Malformed"]);
}
