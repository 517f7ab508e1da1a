//! The agent of a venue: asks go through its desks to the clients, answers come back, and what finds
//! no room on the way back is not believed.

mod common;

use candor_core::{Action, Ask, Mono, Nanos, SeqNo, SeqRange, SnapshotAsk};
use candor_decoders::Format;
use candor_decoders::nasdaq::moldudp64;
use candor_services::agent::{Agent, Channel, Clients, Config, Sent, Shell, Told};
use candor_services::desk::Concurrency;
use candor_services::{Budget, Io, retransmit, snapshot};
use common::{DAY, START, glimpse_image, iex_session, millis, mold_session, range, secs};

/// What the agent did and said, as words.
#[derive(Default)]
struct Words {
    said: Vec<String>,
    full: bool,
}

impl Shell for Words {
    fn io(&mut self, partition: u16, channel: Channel, io: Io<'_>) {
        let io = match io {
            Io::Connect { address } => format!("connect {address}"),
            Io::Send(_) => "send".to_owned(),
            Io::SendTo { address, bytes } => {
                let request = moldudp64::Request::parse(bytes).expect("a request");
                format!("to {address}: {}+{}", request.first, request.count)
            }
            Io::Close => "close".to_owned(),
        };
        self.said.push(format!("{partition} {channel:?} {io}"));
    }

    fn tell(&mut self, partition: u16, told: Told<'_>) -> bool {
        let told = match told {
            Told::Payload(payload) => format!("payload {}", payload.len()),
            Told::Refused(refused) => format!("refused {}", refused.why.label()),
            Told::Snapshot(piece) => match piece.body {
                snapshot::Body::Begin { .. } => format!("begin {}", piece.cycle),
                snapshot::Body::Messages(block) => format!("messages {}", block.count),
                snapshot::Body::End { next } => format!("end {next}"),
                snapshot::Body::Failed(why) => format!("failed {}", why.label()),
            },
        };
        self.said.push(format!("{partition} told {told}"));
        !self.full
    }
}

impl Words {
    fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }
}

fn agent(second: u32) -> Agent {
    let budget = Budget { second, minute: 600, day: 10_000 };
    let clients = || Clients {
        retransmit_udp: retransmit::Client::new(
            Format::NasdaqItch50,
            retransmit::Config::of(retransmit::Transport::Udp, 2),
        )
        .ok(),
        retransmit_tcp: None,
        snapshot: Some(snapshot::Client::new(
            Format::NasdaqItch50,
            snapshot::Config::of(Format::NasdaqItch50, 1),
        )),
    };
    let config = Config {
        retransmit: budget,
        snapshot: budget,
        concurrency: Concurrency { snapshots: 1, longest: secs(60) },
        datagram_max: u64::MAX,
    };
    Agent::new(config, vec![clients(), clients(), Clients::default()])
}

/// Four partitions that ask over connections only, so many a second.
fn connecting(second: u32) -> Agent {
    let budget = Budget { second, minute: 600, day: 10_000 };
    let tcp = retransmit::Config::of(retransmit::Transport::Tcp, 1);
    let clients = || Clients {
        retransmit_udp: None,
        retransmit_tcp: retransmit::Client::new(Format::IexDeep, tcp).ok(),
        snapshot: Some(snapshot::Client::new(
            Format::IexDeep,
            snapshot::Config::of(Format::IexDeep, 1),
        )),
    };
    let config = Config {
        retransmit: budget,
        snapshot: budget,
        concurrency: Concurrency { snapshots: 4, longest: secs(60) },
        datagram_max: 0,
    };
    Agent::new(config, (0..4).map(|_| clients()).collect())
}

/// What a partition wants over either connection.
fn over(channel: Channel, expires: Mono) -> Action {
    let (session, opened) = (iex_session(), START);
    match channel {
        Channel::Snapshot => {
            Action::Snapshot(SnapshotAsk { cycle: 1, session, needs: SeqNo(50), opened, expires })
        }
        Channel::RetransmitTcp | Channel::RetransmitUdp => Action::Retransmit(Ask {
            session,
            range: range(5, 8),
            attempt: 0,
            with_known: true,
            opened,
            expires,
        }),
    }
}

const CONNECTIONS: [Channel; 2] = [Channel::RetransmitTcp, Channel::Snapshot];

fn ask(range: SeqRange, opened: Mono) -> Action {
    let session = mold_session();
    Action::Retransmit(Ask {
        session,
        range,
        attempt: 0,
        with_known: false,
        opened,
        expires: opened + millis(500),
    })
}

fn want(cycle: u32) -> Action {
    Action::Snapshot(SnapshotAsk {
        cycle,
        session: mold_session(),
        needs: range(1, 50).end,
        opened: START,
        expires: START + secs(5),
    })
}

#[test]
fn one_budget_for_all_partitions_and_the_one_that_waited_longest_first() {
    let (mut agent, mut words) = (agent(1), Words::default());
    agent.act(START, 0, ask(range(5, 8), START), &mut words);
    assert_eq!(words.take(), ["0 RetransmitUdp to 0: 5+3"]);
    agent.act(START, 0, ask(range(10, 11), START + Nanos(9)), &mut words);
    agent.act(START, 1, ask(range(7, 9), START + Nanos(5)), &mut words);
    assert_eq!(words.take(), [""; 0], "one a second");
    let at = agent.deadline().expect("asks wait");
    agent.on_deadline(at, &mut words);
    let again = agent.deadline().map_or(at, |next| next.max(at));
    agent.on_deadline(again.max(START + millis(500)), &mut words);
    let said = words.take();
    assert!(said.contains(&"1 told refused expired".to_owned()), "{said:?}");
    assert!(!said.iter().any(|word| word.contains("to 0: 10+1")), "not after it has expired");
}

/// Ten thousand of each a day.
#[test]
fn what_an_earlier_process_has_sent_has_its_place_in_the_budget_of_the_day() {
    let (mut agent, mut words) = (agent(10), Words::default());
    let [then, later] = [90, 80].map(|before| Mono(START.0 - secs(before).0));
    agent.remember(then, Sent { retransmits: 9_990, snapshots: 10_000 });
    agent.remember(later, Sent { retransmits: 9, snapshots: 0 });
    assert_eq!(agent.sent(), Sent::default());
    agent.act(START, 0, ask(range(5, 8), START), &mut words);
    agent.act(START, 1, ask(range(10, 11), START), &mut words);
    agent.act(START, 0, want(1), &mut words);
    let refused = ["1 told refused budget", "0 told failed budget"];
    assert_eq!(words.take(), [&["0 RetransmitUdp to 0: 5+3"][..], &refused].concat());
    assert_eq!(agent.sent(), Sent { retransmits: 1, snapshots: 0 });
    // A day later than they left, and not than they were told.
    let now = then + secs(24 * 60 * 60);
    agent.act(now, 1, ask(range(10, 11), now), &mut words);
    assert_eq!(words.take(), ["1 RetransmitUdp to 0: 10+1"]);
}

#[test]
fn an_answer_reaches_the_partition_that_asked() {
    let (mut agent, mut words) = (agent(10), Words::default());
    agent.act(START, 1, ask(range(5, 8), START), &mut words);
    words.take();
    let mut buffer = [0; 200];
    let mut writer = moldudp64::Writer::new(&mut buffer, DAY, range(5, 8).first).unwrap();
    writer.push(b"abc").unwrap();
    let payload = writer.finish();
    agent.on_datagram(START + millis(1), 0, 0, payload, &mut words);
    assert_eq!(words.take(), [""; 0], "partition 0 has asked for nothing");
    agent.on_datagram(START + millis(1), 1, 0, payload, &mut words);
    assert_eq!(words.take(), [format!("1 told payload {}", payload.len())]);
}

#[test]
fn a_partition_without_services_is_refused_at_once() {
    let (mut agent, mut words) = (agent(10), Words::default());
    agent.act(START, 2, ask(range(5, 8), START), &mut words);
    agent.act(START, 2, want(1), &mut words);
    assert_eq!(words.take(), ["2 told refused unreachable", "2 told failed unreachable"]);
}

#[test]
fn a_snapshot_comes_whole_and_the_next_partition_follows() {
    let (mut agent, mut words) = (agent(10), Words::default());
    agent.act(START, 0, want(1), &mut words);
    agent.act(START, 1, want(1), &mut words);
    assert_eq!(words.take(), ["0 Snapshot connect 0"], "one at a time");
    agent.on_connected(START, 0, Channel::Snapshot, &mut words);
    agent.on_bytes(START, 0, Channel::Snapshot, &glimpse_image(), &mut words);
    let said = words.take();
    assert!(said.contains(&"0 told begin 1".to_owned()), "{said:?}");
    assert!(said.contains(&"0 told end 100".to_owned()), "{said:?}");
    assert_eq!(said.last().unwrap(), "1 Snapshot connect 0");
}

#[test]
fn a_request_counts_when_it_leaves_however_late_its_connection_comes() {
    for channel in CONNECTIONS {
        let (mut agent, mut words) = (connecting(2), Words::default());
        for partition in 0..4 {
            agent.act(START, partition, over(channel, START + secs(5)), &mut words);
        }
        let connects = |two: [u16; 2]| two.map(|of| format!("{of} {channel:?} connect 0"));
        assert_eq!(words.take(), connects([0, 1]));
        let left = START + millis(950);
        for partition in 0..2 {
            agent.on_connected(left, partition, channel, &mut words);
            assert_eq!(words.take(), [format!("{partition} {channel:?} send")]);
        }
        agent.on_deadline(START + secs(1), &mut words);
        assert_eq!(words.take(), [""; 0], "they left 50 ms ago");
        let again = left + secs(1);
        assert_eq!(agent.deadline(), Some(again));
        agent.on_deadline(again, &mut words);
        assert_eq!(words.take(), connects([2, 3]));
        agent.on_connected(again + millis(1), 2, channel, &mut words);
        assert_eq!(words.take(), [format!("2 {channel:?} send")]);
    }
}

#[test]
fn what_never_leaves_makes_room_at_once() {
    for channel in CONNECTIONS {
        // The connection is refused, comes when the ask has expired, or is waited for until then.
        for ended in ["closed", "connected", "the deadline", "dropped"] {
            let (mut agent, mut words) = (connecting(1), Words::default());
            let soon = START + millis(200);
            agent.act(START, 0, over(channel, soon), &mut words);
            agent.act(START, 1, over(channel, START + secs(5)), &mut words);
            assert_eq!(words.take(), [format!("0 {channel:?} connect 0")], "{ended}");
            match ended {
                "closed" => agent.on_closed(START, 0, channel, &mut words),
                "connected" => agent.on_connected(soon, 0, channel, &mut words),
                "dropped" if channel == Channel::Snapshot => {
                    agent.act(START, 0, Action::DropSnapshot { cycle: 1 }, &mut words);
                }
                _ => {
                    assert_eq!(agent.deadline(), Some(soon));
                    agent.on_deadline(soon, &mut words);
                }
            }
            let said = words.take();
            assert_eq!(said.last().unwrap(), &format!("1 {channel:?} connect 0"), "{said:?}");
            agent.on_connected(soon, 1, channel, &mut words);
            assert_eq!(words.take(), [format!("1 {channel:?} send")]);
        }
    }
}

#[test]
fn what_waits_for_a_connection_in_its_client_keeps_its_places() {
    let (mut agent, mut words) = (connecting(3), Words::default());
    let at = |first| ask_of_iex(range(first, first + 1));
    for first in [10, 20, 20] {
        agent.act(START, 0, at(first), &mut words);
    }
    assert_eq!(words.take(), ["0 RetransmitTcp connect 0"], "the others are behind it");
    // The second of 20 took the place of the first, whose place in the budget is free.
    agent.act(START, 1, at(10), &mut words);
    agent.act(START, 2, at(10), &mut words);
    assert_eq!(words.take(), ["1 RetransmitTcp connect 0"]);
    agent.on_connected(START, 0, Channel::RetransmitTcp, &mut words);
    assert_eq!(words.take(), ["0 RetransmitTcp send"]);
    agent.on_deadline(START + secs(1) - Nanos(1), &mut words);
    let said = words.take();
    assert!(!said.contains(&"2 RetransmitTcp connect 0".to_owned()), "{said:?}");
    agent.on_deadline(START + secs(1), &mut words);
    let said = words.take();
    assert!(said.contains(&"2 RetransmitTcp connect 0".to_owned()), "{said:?}");
}

fn ask_of_iex(range: SeqRange) -> Action {
    let Action::Retransmit(ask) = over(Channel::RetransmitTcp, START + secs(5)) else { panic!() };
    Action::Retransmit(Ask { range, ..ask })
}

#[test]
fn a_part_that_finds_no_room_breaks_the_snapshot_off() {
    let (mut agent, mut words) = (agent(10), Words::default());
    agent.act(START, 0, want(1), &mut words);
    agent.on_connected(START, 0, Channel::Snapshot, &mut words);
    words.take();
    words.full = true;
    let image = glimpse_image();
    agent.on_bytes(START, 0, Channel::Snapshot, &image[..image.len() - 23], &mut words);
    words.full = false;
    agent.on_bytes(START, 0, Channel::Snapshot, &image[image.len() - 23..], &mut words);
    let said = words.take();
    assert!(said.contains(&"0 Snapshot close".to_owned()), "{said:?}");
    assert!(!said.iter().any(|word| word.contains("end")), "{said:?}");
    agent.act(START, 1, want(1), &mut words);
    assert_eq!(words.take(), ["1 Snapshot connect 0"], "its place is free");
}

#[test]
fn a_snapshot_that_is_dropped_closes_its_connection() {
    let (mut agent, mut words) = (agent(10), Words::default());
    agent.act(START, 0, want(1), &mut words);
    agent.act(START, 0, Action::DropSnapshot { cycle: 1 }, &mut words);
    assert_eq!(words.take(), ["0 Snapshot connect 0", "0 Snapshot close"]);
}
