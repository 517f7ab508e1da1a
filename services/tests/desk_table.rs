//! What the desks and the agent do in every state upon every event: the tables below, tried cell by
//! cell. `·` is nothing.

mod common;

use candor_core::{Action, Ask, Mono, Nanos, SeqNo, SessionId, SnapshotAsk};
use candor_decoders::Format;
use candor_services::agent::{Agent, Channel, Clients, Config, Shell, Told};
use candor_services::desk::Concurrency;
use candor_services::retransmit::{self, Transport};
use candor_services::snapshot::{self, Body};
use candor_services::{Budget, Decision, Desk, Io, SnapshotDesk};
use common::*;

/// A desk with room for two, one request a second, two a day; what is sent leaves at once. Partition 1 asks
/// for 10 to 13: nobody did before; 1 was sent; and it waits; and a longer ask waits beside it; two were
/// sent on this day.
const DESK: &str = "
| event | Empty | Sent | Waiting | Full | Spent |
| an ask | send 3:50 | · | · | busy 3:50 | budget 3:50 |
| an ask of who waits longer | send 3:50 | · | · | busy 2:20 | budget 3:50 |
| the same again | send 1:10 | · | · | · | budget 1:10 |
| another session | send 1:50 | · | · | · | budget 1:50 |
| an expired ask | expired 3:50 | expired 3:50 | expired 3:50 | busy 3:50 | expired 3:50 |
| a second passes | · | · | send 1:10 | send 1:10, budget 2:20 | · |
| all expire | · | · | expired 1:10 | expired 1:10, expired 2:20 | · |
";

/// The same desk. 9's ask was let go and has not left: alone, and partition 1's waits.
const LET_GO: &str = "
| event | Let go | Waiting |
| it leaves | · | · |
| it leaves, and a second passes | · | send 1:10 |
| it never leaves | · | send 1:10 |
| a second passes | · | · |
| all expire | · | expired 1:10 |
";

/// A desk that fetches one snapshot at a time. Nobody asks; partition 1's is being fetched; and partition 2
/// waits.
const SNAPSHOTS: &str = "
| event | Free | Running | Waiting |
| another partition asks | send 3:1, running 1 | running 1 | running 1 |
| the same partition asks anew | send 1:2, running 1 | running 1 | running 1 |
| it is done | running 0 | running 0 | send 2:1, running 1 |
| another cycle is done | running 0 | running 1 | running 1 |
| who waits takes it back | running 0 | running 1 | running 1 |
| the longest passes | running 0 | running 0 | send 2:1, running 1 |
| all expire | running 0 | running 0 | expired 2:1, running 0 |
";

/// Where what a partition wants goes, by the clients it has. A datagram asks for ten numbers at most where
/// there is a connection, too.
const ROUTES: &str = "
| wanted | none | udp | tcp | both |
| ten numbers | unreachable | udp | tcp | udp |
| eleven numbers | unreachable | udp | tcp | tcp |
| a snapshot | unreachable | snapshot | snapshot | snapshot |
| no snapshot any more | · | · | · | · |
| a snapshot, and not any more | unreachable | snapshot, snapshot | snapshot, snapshot | snapshot, snapshot |
";

const OUTLOOK: Nanos = secs_of(10);

const fn secs_of(count: u64) -> Nanos {
    Nanos::from_secs(count)
}

fn ask(first: u64, end: u64, opened: u64) -> Ask {
    let session = iex_session();
    let (range, expires) = (range(first, end), START + OUTLOOK);
    Ask { session, range, attempt: 0, with_known: false, opened: START + Nanos(opened), expires }
}

/// What is let go leaves `at_once`, or when it is said to.
fn decide(desk: &mut Desk, now: Mono, at_once: bool) -> Vec<String> {
    let mut decisions = Vec::new();
    while let Some(decision) = desk.next(now) {
        decisions.push(match decision {
            Decision::Send { partition, ask } => {
                desk.left(now, usize::from(at_once));
                format!("send {partition}:{}", ask.range.first)
            }
            Decision::Refused { partition, refused } => {
                format!("{} {partition}:{}", refused.why.label(), refused.range.first)
            }
        });
    }
    decisions
}

fn desk_in(state: &str) -> Desk {
    let mut desk = Desk::new(2, Budget { second: 1, minute: 9, day: 2 });
    let before = match state {
        "Empty" => 0,
        "Spent" => 2,
        _ => 1,
    };
    for sent in 0..before {
        // One at the latest second.
        let at = Mono(START.0 - (before - 1 - sent) * secs_of(1).0);
        desk.ask(at, 9, ask(90 + sent, 91 + sent, 0));
        assert_eq!(decide(&mut desk, at, true).len(), 1);
    }
    if state == "Waiting" || state == "Full" {
        desk.ask(START, 1, ask(10, 14, 5));
    }
    if state == "Full" {
        desk.ask(START, 2, ask(20, 30, 5));
    }
    assert_eq!(decide(&mut desk, START, true), [""; 0]);
    desk
}

fn desk_on(desk: &mut Desk, event: &str) -> Vec<String> {
    let mut now = START;
    match event {
        "an ask" => desk.ask(now, 3, ask(50, 60, 6)),
        "an ask of who waits longer" => desk.ask(now, 3, ask(50, 60, 4)),
        "the same again" => desk.ask(now, 1, ask(10, 14, 5)),
        "another session" => {
            desk.ask(now, 1, Ask { session: SessionId::from_number(8), ..ask(50, 54, 5) })
        }
        "an expired ask" => desk.ask(now, 3, Ask { expires: now, ..ask(50, 60, 6) }),
        "a second passes" => now = now + secs_of(1),
        "all expire" => now = now + OUTLOOK,
        other => panic!("no event {other}"),
    }
    decide(desk, now, true)
}

fn let_go_in(state: &str) -> Desk {
    let mut desk = desk_in("Empty");
    desk.ask(START, 9, ask(90, 91, 0));
    assert_eq!(decide(&mut desk, START, false), ["send 9:90"]);
    if state == "Waiting" {
        desk.ask(START, 1, ask(10, 14, 5));
    }
    assert_eq!(decide(&mut desk, START, false), [""; 0]);
    desk
}

fn let_go_on(desk: &mut Desk, event: &str) -> Vec<String> {
    match event {
        "it leaves" | "it leaves, and a second passes" => desk.left(START, 1),
        "it never leaves" => desk.release(1),
        "a second passes" | "all expire" => {}
        other => panic!("no event {other}"),
    }
    let passed = match event {
        "it leaves, and a second passes" | "a second passes" => secs_of(1),
        "all expire" => OUTLOOK,
        _ => Nanos::ZERO,
    };
    decide(desk, START + passed, false)
}

fn snapshot_ask(cycle: u32) -> SnapshotAsk {
    let (session, opened) = (mold_session(), START);
    SnapshotAsk { cycle, session, needs: SeqNo(1), opened, expires: START + OUTLOOK }
}

fn fetch(desk: &mut SnapshotDesk, now: Mono) -> Vec<String> {
    let decisions = std::iter::from_fn(|| desk.next(now)).map(|decision| match decision {
        Decision::Send { partition, ask } => format!("send {partition}:{}", ask.cycle),
        Decision::Refused { partition, refused } => {
            let Body::Failed(why) = refused.body else { panic!("{refused:?}") };
            format!("{} {partition}:{}", why.label(), refused.cycle)
        }
    });
    decisions.collect()
}

fn snapshots_in(state: &str) -> SnapshotDesk {
    let budget = Budget { second: 9, minute: 9, day: 9 };
    let mut desk = SnapshotDesk::new(2, budget, Concurrency { snapshots: 1, longest: secs_of(5) });
    if state != "Free" {
        desk.ask(START, 1, snapshot_ask(1));
        assert_eq!(fetch(&mut desk, START), ["send 1:1"]);
        desk.left(START, 1);
    }
    if state == "Waiting" {
        desk.ask(START, 2, snapshot_ask(1));
        assert_eq!(fetch(&mut desk, START), [""; 0]);
    }
    desk
}

fn snapshots_on(desk: &mut SnapshotDesk, event: &str) -> Vec<String> {
    let mut now = START;
    match event {
        "another partition asks" => desk.ask(now, 3, snapshot_ask(1)),
        "the same partition asks anew" => desk.ask(now, 1, snapshot_ask(2)),
        "it is done" => desk.done(now, 1, 1),
        "another cycle is done" => desk.done(now, 1, 7),
        "who waits takes it back" => desk.done(now, 2, 1),
        "the longest passes" => now = now + secs_of(5),
        "all expire" => now = now + OUTLOOK,
        other => panic!("no event {other}"),
    }
    let mut told = fetch(desk, now);
    told.push(format!("running {}", desk.running()));
    told
}

/// Which channels are spoken on, and what is told.
#[derive(Default)]
struct Routes(Vec<String>);

impl Shell for Routes {
    fn io(&mut self, _partition: u16, channel: Channel, _io: Io<'_>) {
        // A channel that is added does not compile here until a row or column reaches it.
        self.0.push(match channel {
            Channel::RetransmitUdp => "udp".to_owned(),
            Channel::RetransmitTcp => "tcp".to_owned(),
            Channel::Snapshot => "snapshot".to_owned(),
        });
    }

    fn tell(&mut self, _partition: u16, told: Told<'_>) -> bool {
        self.0.push(match told {
            Told::Payload(_) => "payload".to_owned(),
            Told::Refused(refused) => refused.why.label().to_owned(),
            Told::Snapshot(piece) => match piece.body {
                Body::Failed(why) => why.label().to_owned(),
                body => panic!("{body:?}"),
            },
        });
        true
    }
}

fn agent_with(clients: &str) -> Agent {
    let client = |transport| {
        retransmit::Client::new(Format::IexDeep, retransmit::Config::of(transport, 1)).ok()
    };
    let (udp, tcp) = (clients == "udp" || clients == "both", clients == "tcp" || clients == "both");
    let snapshots =
        || snapshot::Client::new(Format::IexDeep, snapshot::Config::of(Format::IexDeep, 1));
    let own = Clients {
        retransmit_udp: udp.then(|| client(Transport::Udp)).flatten(),
        retransmit_tcp: tcp.then(|| client(Transport::Tcp)).flatten(),
        snapshot: (clients != "none").then(snapshots),
    };
    let budget = Budget { second: 9, minute: 9, day: 9 };
    let concurrency = Concurrency { snapshots: 1, longest: secs_of(5) };
    let config = Config { retransmit: budget, snapshot: budget, concurrency, datagram_max: 10 };
    Agent::new(config, vec![own])
}

fn route(agent: &mut Agent, wanted: &str) -> Vec<String> {
    let snapshot = SnapshotAsk { session: iex_session(), ..snapshot_ask(1) };
    let actions = match wanted {
        "ten numbers" => vec![Action::Retransmit(ask(10, 20, 0))],
        "eleven numbers" => vec![Action::Retransmit(ask(10, 21, 0))],
        "a snapshot" => vec![Action::Snapshot(snapshot)],
        "no snapshot any more" => vec![Action::DropSnapshot { cycle: 1 }],
        "a snapshot, and not any more" => {
            vec![Action::Snapshot(snapshot), Action::DropSnapshot { cycle: 1 }]
        }
        other => panic!("nobody wants {other}"),
    };
    let mut routes = Routes::default();
    for action in actions {
        agent.act(START, 0, action, &mut routes);
    }
    routes.0
}

/// Tries each cell of a table with `rows` events; answers those that are wrong.
fn tried(table: &str, rows: usize, found: impl Fn(&str, &str) -> Vec<String>) -> String {
    let cells = |row: &'static str| row.trim_matches('|').split('|').map(str::trim).collect();
    let table: Vec<Vec<&str>> = String::leak(table.trim().to_owned()).lines().map(cells).collect();
    assert_eq!(table.len() - 1, rows);
    let mut wrong = String::new();
    for row in &table[1..] {
        assert_eq!(row.len(), table[0].len(), "{row:?}");
        for (state, cell) in table[0][1..].iter().zip(&row[1..]) {
            let told = found(state, row[0]);
            let told = if told.is_empty() { "·".to_owned() } else { told.join(", ") };
            if told != *cell {
                wrong += &format!("{state}, {}: not \"{cell}\" but \"{told}\"\n", row[0]);
            }
        }
    }
    wrong
}

#[test]
fn every_cell_of_the_desks_is_true() {
    let wrong = tried(DESK, 7, |state, event| desk_on(&mut desk_in(state), event));
    assert!(wrong.is_empty(), "{wrong}");
    let wrong = tried(LET_GO, 5, |state, event| let_go_on(&mut let_go_in(state), event));
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_cell_of_the_snapshot_desk_is_true() {
    let wrong = tried(SNAPSHOTS, 7, |state, event| snapshots_on(&mut snapshots_in(state), event));
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_action_takes_its_route() {
    let wrong = tried(ROUTES, 5, |clients, wanted| route(&mut agent_with(clients), wanted));
    assert!(wrong.is_empty(), "{wrong}");
}
