//! Target `agent`: a venue's agent under any events of any of its partitions, in any order. A byte chooses
//! the event and the partition; bytes, times and answers are the fuzzer's.

use std::collections::BTreeMap;

use candor_core::{Action, Ask, Mono, Nanos, SeqNo, SeqRange, SnapshotAsk, SnapshotPart};
use candor_decoders::Format;
use candor_services::agent::{Agent, Channel, Clients, Config, Shell, Told};
use candor_services::desk::Concurrency;
use candor_services::retransmit::{self, Transport};
use candor_services::snapshot::{self, Body};
use candor_services::{Budget, Count, Io};

use crate::services::{Chooser, session};

/// What each partition speaks: GLIMPSE and MoldUDP64, IEX over both transports, nothing.
const FORMATS: [Option<Format>; 3] = [Some(Format::NasdaqItch50), Some(Format::IexDeep), None];

const BUDGET: Budget = Budget { second: 3, minute: 6, day: 10 };

/// Addresses of each service.
const ADDRESSES: usize = 2;

/// Steps in which an agent that is left alone comes to rest.
const REST: usize = 2_000;

/// Where a connection stands, by what the shell was told to do and what it has reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Line {
    #[default]
    Closed,
    Connecting,
    Open,
}

/// How far a snapshot has got, by its parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    Begun,
    Over,
}

/// A shell that believes nothing.
#[derive(Default)]
struct Doubter {
    lines: BTreeMap<(u16, Channel), Line>,
    asked: Vec<(u16, Ask)>,
    /// By partition and cycle asked for: how far its snapshot is.
    cycles: BTreeMap<(u16, u32), Option<Said>>,
    /// Nobody has room.
    full: bool,
}

impl Doubter {
    /// The cycle a partition asked for last; 0 while it has not.
    fn last_cycle(&self, partition: u16) -> u32 {
        let own = self.cycles.range((partition, 0)..=(partition, u32::MAX));
        own.last().map_or(0, |((_, cycle), _)| *cycle)
    }
}

impl Shell for Doubter {
    fn io(&mut self, partition: u16, channel: Channel, io: Io<'_>) {
        let line = self.lines.entry((partition, channel)).or_default();
        *line = match (*line, io) {
            (line, Io::SendTo { address, bytes }) => {
                assert_eq!(channel, Channel::RetransmitUdp);
                assert!(address < ADDRESSES);
                assert!(!bytes.is_empty());
                line
            }
            (Line::Closed, Io::Connect { address }) => {
                assert_ne!(channel, Channel::RetransmitUdp);
                assert!(address < ADDRESSES);
                Line::Connecting
            }
            (Line::Open, Io::Send(bytes)) => {
                assert!(!bytes.is_empty());
                Line::Open
            }
            (Line::Connecting | Line::Open, Io::Close) => Line::Closed,
            (line, io) => panic!("{io:?} on a connection that is {line:?}"),
        };
    }

    fn tell(&mut self, partition: u16, told: Told<'_>) -> bool {
        match told {
            Told::Payload(payload) => {
                let format = FORMATS[usize::from(partition)].expect("it has clients");
                let packet = format.frame(payload).expect("its framing is sound");
                // The known number before the missing ones is asked for too.
                let fits = |(of, ask): &(u16, Ask)| {
                    let overlap = !ask.requested().intersect(packet.range).is_empty();
                    *of == partition && ask.session == packet.session && overlap
                };
                assert!(self.asked.iter().any(fits), "nobody asked for {:?}", packet.range);
            }
            Told::Refused(refused) => {
                let holds = |(of, ask): &(u16, Ask)| {
                    let holds = ask.range.intersect(refused.range) == refused.range;
                    *of == partition && ask.session == refused.session && holds
                };
                assert!(self.asked.iter().any(holds), "nobody asked for {:?}", refused.range);
            }
            Told::Snapshot(piece) => {
                let said = self.cycles.get_mut(&(partition, piece.cycle)).expect("nobody asked");
                *said = Some(match (*said, piece.body) {
                    (None, Body::Begin { .. }) => Said::Begun,
                    (Some(Said::Begun), Body::Messages(block)) => {
                        let SnapshotPart::Messages(messages) = piece.body.part() else { panic!() };
                        assert_eq!(messages.len(), usize::from(block.count));
                        assert!(block.bytes.len() <= snapshot::BLOCK_BYTES);
                        Said::Begun
                    }
                    (Some(Said::Begun), Body::End { next }) => {
                        assert_ne!(next, SeqNo(0));
                        Said::Over
                    }
                    (None | Some(Said::Begun), Body::Failed(_)) => Said::Over,
                    (before, body) => panic!("{body:?} after {before:?}"),
                });
            }
        }
        !self.full
    }
}

/// What the clients sent, by when.
#[derive(Default)]
struct Spent(Vec<Mono>);

impl Spent {
    /// Whatever moment one looks back from, no more was sent than the venue allows.
    fn look(&mut self, now: Mono, sent: u64) {
        let sent = sent as usize;
        assert!(self.0.len() <= sent);
        self.0.resize(sent, now);
        for (most, window) in [(BUDGET.second, 1), (BUDGET.minute, 60), (BUDGET.day, 86_400)] {
            let recent = self.0.iter().filter(|at| **at + Nanos::from_secs(window) > now).count();
            assert!(recent <= most as usize, "{recent} in {window} s");
        }
    }
}

fn agent() -> Agent {
    let clients = |format: Option<Format>| {
        let client = |transport| {
            retransmit::Client::new(format?, retransmit::Config::of(transport, ADDRESSES)).ok()
        };
        Clients {
            retransmit_udp: client(Transport::Udp),
            retransmit_tcp: client(Transport::Tcp),
            snapshot: format.map(|format| {
                snapshot::Client::new(format, snapshot::Config::of(format, ADDRESSES))
            }),
        }
    };
    let concurrency = Concurrency { snapshots: 1, longest: Nanos::from_secs(60) };
    let config = Config { retransmit: BUDGET, snapshot: BUDGET, concurrency, datagram_max: 10 };
    Agent::new(config, FORMATS.map(clients).into())
}

/// What holds of an agent whatever happens: no more is sent than the venue allows, connections are used
/// in order, what partitions are told they have asked for, and left alone it comes to rest.
pub fn check(bytes: &[u8]) {
    let mut choose = Chooser(bytes);
    let (mut agent, mut shell) = (agent(), Doubter::default());
    let (mut asks, mut fetches) = (Spent::default(), Spent::default());
    let mut now = Mono(1_000_000_000_000);
    while let Some(event) = choose.byte() {
        happen(&mut agent, &mut shell, &mut now, event, &mut choose);
        let (asked, fetched) = holds(&agent);
        asks.look(now, asked);
        fetches.look(now, fetched);
    }
    for _ in 0..REST {
        let Some(due) = agent.deadline() else { break };
        now = now.max(due);
        agent.on_deadline(now, &mut shell);
        let (asked, fetched) = holds(&agent);
        asks.look(now, asked);
        fetches.look(now, fetched);
        assert!(agent.deadline().is_none_or(|next| next > now), "it would spin");
    }
    assert_eq!(agent.deadline(), None);
    assert!(shell.lines.values().all(|line| *line == Line::Closed), "{:?}", shell.lines);
}

fn happen(
    agent: &mut Agent,
    shell: &mut Doubter,
    now: &mut Mono,
    event: u8,
    choose: &mut Chooser<'_>,
) {
    let partition = u16::from(event >> 4) % 3;
    let channel = Channel::ALL[usize::from(event >> 6) % 3];
    match event % 16 {
        0 | 1 => {
            let action = retransmit_ask(shell, *now, partition, choose);
            agent.act(*now, partition, action, shell);
        }
        2 => {
            let cycle = shell.last_cycle(partition) + 1;
            shell.cycles.insert((partition, cycle), None);
            let action = Action::Snapshot(SnapshotAsk {
                cycle,
                session: session(FORMATS[usize::from(partition)].unwrap_or(Format::IexDeep)),
                needs: SeqNo(1),
                opened: *now,
                expires: *now + Nanos::from_millis(u64::from(choose.byte().unwrap_or(0)) * 100),
            });
            agent.act(*now, partition, action, shell);
        }
        3 => {
            let cycle = shell.last_cycle(partition).saturating_sub(u32::from(event >> 7));
            agent.act(*now, partition, Action::DropSnapshot { cycle }, shell);
        }
        4 | 5 => {
            let from = usize::from(event >> 5) % (ADDRESSES + 1);
            agent.on_datagram(*now, partition, from, choose.bytes(), shell);
        }
        6 => agent.on_unreachable(*now, partition, usize::from(event >> 7), shell),
        7 | 8 => {
            if let Some(line @ Line::Connecting) = shell.lines.get_mut(&(partition, channel)) {
                *line = Line::Open;
            }
            agent.on_connected(*now, partition, channel, shell);
        }
        9 => {
            shell.lines.insert((partition, channel), Line::Closed);
            agent.on_closed(*now, partition, channel, shell);
        }
        10 => *now = *now + Nanos::from_millis(u64::from(choose.byte().unwrap_or(0)) * 20),
        11 => {
            *now = (*now).max(agent.deadline().unwrap_or(*now));
            agent.on_deadline(*now, shell);
        }
        12 => agent.on_deadline(*now, shell),
        13 => shell.full = !shell.full,
        _ => agent.on_bytes(*now, partition, channel, choose.bytes(), shell),
    }
}

fn retransmit_ask(
    shell: &mut Doubter,
    now: Mono,
    partition: u16,
    choose: &mut Chooser<'_>,
) -> Action {
    let first = u64::from(choose.byte().unwrap_or(0)) + 1;
    let length = u64::from(choose.byte().unwrap_or(0)) % 20;
    let range = SeqRange::between(SeqNo(first), SeqNo(first + length));
    let session = session(FORMATS[usize::from(partition)].unwrap_or(Format::IexDeep));
    let expires = now + Nanos::from_millis(u64::from(choose.byte().unwrap_or(0)) * 20);
    let with_known = range.first.0 > 1;
    let ask = Ask { session, range, attempt: 0, with_known, opened: now, expires };
    shell.asked.push((partition, ask));
    Action::Retransmit(ask)
}

/// Each client in itself, and no more requests than the desks let go. How many for missing numbers and for
/// snapshots were sent.
fn holds(agent: &Agent) -> (u64, u64) {
    let (mut asked, mut fetched) = (0, 0);
    for clients in agent.clients() {
        for client in [&clients.retransmit_udp, &clients.retransmit_tcp].into_iter().flatten() {
            client.check();
            asked += client.counts().get(Count::Requests);
        }
        if let Some(client) = &clients.snapshot {
            client.check();
            fetched += client.counts().get(Count::Requests);
        }
    }
    assert!(asked <= agent.retransmit_desk().counts().get(Count::Requests));
    assert!(fetched <= agent.snapshot_desk().counts().get(Count::Requests));
    (asked, fetched)
}
