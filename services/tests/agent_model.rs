//! An agent under whatever partitions want and networks do, at random. At every moment, what was asked
//! for and not answered, refused or asked anew has a deadline; left alone all of it ends, and no place
//! of a budget or among the snapshots being fetched stays taken.

mod common;

use std::collections::BTreeMap;

use candor_core::{Action, Ask, Mono, Nanos, SeqNo, SeqRange, SessionId, SnapshotAsk};
use candor_decoders::Format;
use candor_services::agent::{Agent, Channel, Clients, Config, Shell, Told};
use candor_services::desk::Concurrency;
use candor_services::retransmit::{self, Transport};
use candor_services::snapshot::{self, Body};
use candor_services::{Budget, Count, Io};
use common::*;
use proptest::prelude::*;

const PARTITIONS: u16 = 3;

/// Calls at one moment that are no turning in circles.
const ROUNDS: usize = 100;

/// Something asked for of which nothing was heard yet.
#[derive(Clone, Copy, Debug)]
struct Owed {
    partition: u16,
    wanted: Wanted,
    expires: Mono,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    Numbers(Ask),
    Snapshot(u32),
}

/// A connection as its network has it.
#[derive(Clone, Debug)]
enum Line {
    Connecting,
    Open { said: Vec<u8> },
}

/// The network, the venue and the partitions.
struct World {
    format: Format,
    now: Mono,
    lines: BTreeMap<(u16, Channel), Line>,
    /// The last datagram of each partition, and where to.
    datagrams: BTreeMap<u16, (usize, Vec<u8>)>,
    owed: Vec<Owed>,
    /// When requests for numbers left, and requests for snapshots.
    left: [Vec<Mono>; 2],
    full: bool,
}

impl World {
    fn settle(&mut self, partition: u16, told: impl Fn(&Wanted) -> bool) {
        self.owed.retain(|owed| owed.partition != partition || !told(&owed.wanted));
    }

    /// Whether a request over a connection that is open stands for it: parts of its answer move its
    /// deadline on.
    fn is_under_way(&self, owed: &Owed) -> bool {
        let Wanted::Numbers(Ask { session, range, .. }) = owed.wanted else { return false };
        match self.lines.get(&(owed.partition, Channel::RetransmitTcp)) {
            Some(Line::Open { said }) => {
                let (of, asked) = request(self.format, said);
                of == session && asked.intersect(range) == range
            }
            Some(Line::Connecting) | None => false,
        }
    }

    /// What takes the place of what was asked for before.
    fn owe(&mut self, partition: u16, wanted: Wanted, expires: Mono) {
        self.settle(partition, |older| match (wanted, older) {
            (Wanted::Numbers(ask), Wanted::Numbers(other)) => {
                ask.session != other.session || !ask.range.intersect(other.range).is_empty()
            }
            (Wanted::Snapshot(_), Wanted::Snapshot(_)) => true,
            _ => false,
        });
        self.owed.push(Owed { partition, wanted, expires });
    }
}

impl Shell for World {
    fn io(&mut self, partition: u16, channel: Channel, io: Io<'_>) {
        let (key, desk) = ((partition, channel), usize::from(channel == Channel::Snapshot));
        match io {
            Io::Connect { .. } => {
                let before = self.lines.insert(key, Line::Connecting);
                assert!(before.is_none(), "a connection at a time");
            }
            Io::Send(bytes) => {
                let Some(Line::Open { said }) = self.lines.get_mut(&key) else {
                    panic!("said where nobody listens");
                };
                if said.is_empty() {
                    self.left[desk].push(self.now);
                    *said = bytes.to_vec();
                }
            }
            Io::SendTo { address, bytes } => {
                self.left[desk].push(self.now);
                self.datagrams.insert(partition, (address, bytes.to_vec()));
            }
            Io::Close => assert!(self.lines.remove(&key).is_some(), "nothing was open"),
        }
    }

    fn tell(&mut self, partition: u16, told: Told<'_>) -> bool {
        let format = self.format;
        match told {
            Told::Payload(bytes) => {
                let packet = format.frame(bytes).expect("sound framing");
                self.settle(partition, |wanted| match wanted {
                    // Where the number before is asked for too, it may be all that comes.
                    Wanted::Numbers(ask) => {
                        let some = !ask.requested().intersect(packet.range).is_empty();
                        ask.session == packet.session && some
                    }
                    Wanted::Snapshot(_) => false,
                });
                !self.full
            }
            Told::Refused(refused) => {
                self.settle(partition, |wanted| match wanted {
                    Wanted::Numbers(ask) => {
                        let some = !ask.range.intersect(refused.range).is_empty();
                        ask.session == refused.session && some
                    }
                    Wanted::Snapshot(_) => false,
                });
                true
            }
            Told::Snapshot(piece) => {
                self.settle(
                    partition,
                    |wanted| matches!(wanted, Wanted::Snapshot(cycle) if *cycle == piece.cycle),
                );
                !self.full || matches!(piece.body, Body::Failed(_))
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ask {
        partition: u16,
        first: u64,
        len: u64,
        known: bool,
        missing: u64,
        other: bool,
    },
    Snapshot {
        partition: u16,
        other: bool,
    },
    /// The snapshot asked for last, or one before it, is of no use any more.
    Drop {
        partition: u16,
        back: u32,
    },
    /// What the network does to the nth connection there is.
    Connected(usize),
    Closed(usize),
    /// The nth connection brings an answer, so much of it in hundredths.
    Answered(usize, usize),
    Garbage(usize),
    /// A datagram in answer to the last question, of so many numbers, or with numbers nobody asked for.
    Datagram {
        partition: u16,
        len: u64,
        off: u64,
    },
    Unreachable(u16),
    Full(bool),
    Wait {
        millis: u64,
        looks: Looks,
    },
}

/// How whoever holds the agent looks at deadlines while time passes.
#[derive(Clone, Copy, Debug)]
enum Looks {
    /// At each.
    Prompt,
    /// At the end.
    Late,
    /// Not before the next event, which comes first.
    Never,
}

fn step() -> impl Strategy<Value = Step> {
    let partition = 0..PARTITIONS;
    let rare = || prop::bool::weighted(0.05);
    let millis = prop_oneof![
        5 => 0_u64..60,
        4 => 60_u64..1_500,
        2 => 1_500_u64..20_000,
        1 => 20_000_u64..200_000,
    ];
    let looks =
        prop_oneof![7 => Just(Looks::Prompt), 2 => Just(Looks::Late), 1 => Just(Looks::Never)];
    prop_oneof![
        8 => (partition.clone(), 2_u64..60, 1_u64..12, any::<bool>(), 0_u64..9, rare()).prop_map(
            |(partition, first, len, known, missing, other)| Step::Ask {
                partition, first, len, known, missing, other
            }
        ),
        3 => (partition.clone(), rare())
            .prop_map(|(partition, other)| Step::Snapshot { partition, other }),
        1 => (partition.clone(), 0_u32..2)
            .prop_map(|(partition, back)| Step::Drop { partition, back }),
        5 => (0_usize..6).prop_map(Step::Connected),
        2 => (0_usize..6).prop_map(Step::Closed),
        4 => (0_usize..6, 0_usize..101).prop_map(|(nth, part)| Step::Answered(nth, part)),
        1 => (0_usize..6).prop_map(Step::Garbage),
        3 => (partition.clone(), 1_u64..9, 0_u64..40)
            .prop_map(|(partition, len, off)| Step::Datagram { partition, len, off }),
        1 => partition.prop_map(Step::Unreachable),
        1 => prop::bool::weighted(0.3).prop_map(Step::Full),
        5 => (millis, looks).prop_map(|(millis, looks)| Step::Wait { millis, looks }),
    ]
}

/// What there is of services and quotas.
#[derive(Clone, Debug)]
struct Terms {
    itch: bool,
    /// By partition: datagrams, connections, snapshots.
    ways: [[bool; 3]; PARTITIONS as usize],
    budget: Budget,
    snapshots: usize,
    addresses: usize,
    datagram_max: u64,
    /// How long asks are of use: what is asked for later expires later.
    patience: [Nanos; 2],
}

fn terms() -> impl Strategy<Value = Terms> {
    let ways = prop::array::uniform3(prop::array::uniform3(prop::bool::weighted(0.8)));
    let budget = (1_u32..4, 1_u32..9, 3_u32..40);
    let patience = (10_u64..3_000, 100_u64..20_000);
    (any::<bool>(), ways, budget, 1_usize..4, 1_usize..4, 0_u64..12, patience).prop_map(
        |(itch, ways, (second, minute, day), snapshots, addresses, datagram_max, patience)| Terms {
            itch,
            ways,
            budget: Budget { second, minute, day },
            snapshots,
            addresses,
            datagram_max,
            patience: [millis(patience.0), millis(patience.1)],
        },
    )
}

impl Terms {
    fn format(&self) -> Format {
        if self.itch { Format::NasdaqItch50 } else { Format::IexDeep }
    }

    fn agent(&self) -> Agent {
        let format = self.format();
        let retransmit = |transport| {
            retransmit::Client::new(format, retransmit::Config::of(transport, self.addresses)).ok()
        };
        let clients = |[udp, tcp, snapshots]: [bool; 3]| Clients {
            retransmit_udp: udp.then(|| retransmit(Transport::Udp)).flatten(),
            retransmit_tcp: tcp.then(|| retransmit(Transport::Tcp)).flatten(),
            snapshot: snapshots.then(|| {
                snapshot::Client::new(format, snapshot::Config::of(format, self.addresses))
            }),
        };
        let config = Config {
            retransmit: self.budget,
            snapshot: self.budget,
            concurrency: Concurrency { snapshots: self.snapshots, longest: secs(90) },
            datagram_max: self.datagram_max,
        };
        Agent::new(config, self.ways.into_iter().map(clients).collect())
    }
}

struct Run {
    terms: Terms,
    agent: Agent,
    world: World,
    cycles: [u32; PARTITIONS as usize],
}

impl Run {
    fn new(terms: Terms) -> Run {
        let world = World {
            format: terms.format(),
            now: START,
            lines: BTreeMap::new(),
            datagrams: BTreeMap::new(),
            owed: Vec::new(),
            left: [Vec::new(), Vec::new()],
            full: false,
        };
        let agent = terms.agent();
        Run { terms, agent, world, cycles: [0; PARTITIONS as usize] }
    }

    fn session(&self, other: bool) -> SessionId {
        match (self.world.format, other) {
            (format, false) => session(format),
            (Format::NasdaqItch50, true) => SessionId::from_text(*b"20260728A "),
            (_, true) => SessionId::from_number(8),
        }
    }

    fn act(&mut self, partition: u16, action: Action) {
        self.agent.act(self.world.now, partition, action, &mut self.world);
    }

    fn ask(&mut self, partition: u16, range: SeqRange, known: bool, missing: u64, other: bool) {
        let (session, now) = (self.session(other), self.world.now);
        let (opened, expires) = (now - millis(missing), now + self.terms.patience[0]);
        let ask = Ask { session, range, attempt: 0, with_known: known, opened, expires };
        self.world.owe(partition, Wanted::Numbers(ask), expires);
        self.act(partition, Action::Retransmit(ask));
    }

    fn snapshot(&mut self, partition: u16, other: bool) {
        self.cycles[usize::from(partition)] += 1;
        let cycle = self.cycles[usize::from(partition)];
        let (session, opened) = (self.session(other), self.world.now);
        let expires = opened + self.terms.patience[1];
        self.world.owe(partition, Wanted::Snapshot(cycle), expires);
        let needs = SeqNo(50);
        let ask = SnapshotAsk { cycle, session, needs, opened, expires };
        self.act(partition, Action::Snapshot(ask));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Ask { partition, first, len, known, missing, other } => {
                self.ask(partition, range(first, first + len), known, missing, other);
            }
            Step::Snapshot { partition, other } => self.snapshot(partition, other),
            Step::Drop { partition, back } => {
                let cycle = self.cycles[usize::from(partition)].saturating_sub(back);
                let dropped =
                    |wanted: &Wanted| matches!(wanted, Wanted::Snapshot(c) if *c == cycle);
                self.world.settle(partition, dropped);
                self.act(partition, Action::DropSnapshot { cycle });
            }
            Step::Connected(nth) => {
                let connecting = |line: &Line| matches!(line, Line::Connecting);
                let Some(key) = self.nth(nth, connecting) else { return };
                self.world.lines.insert(key, Line::Open { said: Vec::new() });
                self.agent.on_connected(self.world.now, key.0, key.1, &mut self.world);
            }
            Step::Closed(nth) => {
                let Some(key) = self.nth(nth, |_| true) else { return };
                self.world.lines.remove(&key);
                self.agent.on_closed(self.world.now, key.0, key.1, &mut self.world);
            }
            Step::Answered(nth, part) => {
                let said = |line: &Line| matches!(line, Line::Open { .. });
                let Some(key) = self.nth(nth, said) else { return };
                let bytes = self.answer(key);
                self.bytes(key, &bytes[..bytes.len() * part / 100]);
            }
            Step::Garbage(nth) => {
                let open = |line: &Line| matches!(line, Line::Open { .. });
                let Some(key) = self.nth(nth, open) else { return };
                self.bytes(key, &[0; 50]);
            }
            Step::Datagram { partition, len, off } => self.datagram(partition, len, off),
            Step::Unreachable(partition) => {
                let Some((address, _)) = self.world.datagrams.get(&partition) else { return };
                let address = *address;
                self.agent.on_unreachable(self.world.now, partition, address, &mut self.world);
            }
            Step::Full(full) => self.world.full = full,
            Step::Wait { millis: time, looks } => {
                let end = self.world.now + millis(time);
                self.wait(end, looks);
            }
        }
    }

    fn nth(&self, nth: usize, is: impl Fn(&Line) -> bool) -> Option<(u16, Channel)> {
        let mut lines = self.world.lines.iter().filter(|(_, line)| is(line));
        let count = lines.clone().count();
        lines.nth(nth.checked_rem(count)?).map(|(key, _)| *key)
    }

    fn answer(&self, (_, channel): (u16, Channel)) -> Vec<u8> {
        let format = self.world.format;
        match channel {
            Channel::Snapshot => image(format),
            // Several segments, so that a part of them may come.
            _ => (0..10).flat_map(|nth| answer(format, 1 + 6 * nth, 7 + 6 * nth)).collect(),
        }
    }

    fn bytes(&mut self, (partition, channel): (u16, Channel), bytes: &[u8]) {
        self.agent.on_bytes(self.world.now, partition, channel, bytes, &mut self.world);
    }

    fn datagram(&mut self, partition: u16, len: u64, off: u64) {
        let Some((address, bytes)) = self.world.datagrams.get(&partition) else { return };
        let (address, (_, asked)) = (*address, request(self.world.format, bytes));
        let first = asked.first.0 + off.saturating_sub(30) * 10;
        let bytes = answer(self.world.format, first, first + len);
        self.agent.on_datagram(self.world.now, partition, address, &bytes, &mut self.world);
    }

    fn wait(&mut self, end: Mono, looks: Looks) {
        if matches!(looks, Looks::Prompt) {
            while let Some(due) = self.agent.deadline().filter(|due| *due < end) {
                self.world.now = self.world.now.max(due);
                self.look();
            }
        }
        self.world.now = end;
        if !matches!(looks, Looks::Never) {
            self.look();
        }
    }

    /// What is due now is done, and after a few calls nothing is.
    fn look(&mut self) {
        let now = self.world.now;
        for _ in 0..ROUNDS {
            self.agent.on_deadline(now, &mut self.world);
            if self.agent.deadline().is_none_or(|due| due > now) {
                return;
            }
        }
        panic!("it turns in circles: {:?} at {now:?}", self.agent.deadline());
    }

    /// Whoever waits for something is told before it has expired, or there is a deadline by then.
    fn check(&mut self) {
        let now = self.world.now;
        self.world.owed.retain(|owed| owed.expires > now);
        let deadline = self.agent.deadline();
        for owed in self.world.owed.iter().filter(|owed| !self.world.is_under_way(owed)) {
            let awaited = deadline.is_some_and(|deadline| deadline <= owed.expires);
            assert!(awaited, "{owed:?} is lost: {deadline:?} at {now:?}");
        }
        let fetching = self.agent.clients().iter().filter_map(|clients| clients.snapshot.as_ref());
        let fetching = fetching.filter(|client| !client.is_idle()).count();
        let running = self.agent.snapshot_desk().running();
        assert!(running <= fetching, "{running} count as being fetched, {fetching} are");
        assert!(running <= self.terms.snapshots);
        for clients in self.agent.clients() {
            clients.retransmit_udp.iter().chain(&clients.retransmit_tcp).for_each(|it| it.check());
            clients.snapshot.iter().for_each(snapshot::Client::check);
        }
    }

    /// Nobody does anything any more, and no network brings anything.
    fn leave_alone(&mut self) {
        for _ in 0..10_000 {
            let Some(due) = self.agent.deadline() else { break };
            self.world.now = self.world.now.max(due);
            self.look();
            self.check();
        }
        assert_eq!(self.agent.deadline(), None, "it comes to rest");
        assert!(self.world.lines.is_empty(), "open still: {:?}", self.world.lines);
        assert!(self.world.owed.is_empty(), "owed still: {:?}", self.world.owed);
    }

    /// A day later as much as the quota allows is let go at once.
    fn all_places_are_free(&mut self) {
        self.world.now = self.world.now + secs(25 * 60 * 60);
        self.world.full = false;
        let Budget { second, minute, day } = self.terms.budget;
        let allowed = u64::from(second.min(minute).min(day));
        let asks = |clients: &Clients| {
            clients.retransmit_udp.is_some() || clients.retransmit_tcp.is_some()
        };
        if let Some(partition) = self.agent.clients().iter().position(asks) {
            let before = self.agent.retransmit_desk().counts().get(Count::Requests);
            for nth in 0..allowed {
                self.ask(partition as u16, range(100 + 10 * nth, 105 + 10 * nth), true, 0, false);
            }
            let let_go = self.agent.retransmit_desk().counts().get(Count::Requests) - before;
            assert_eq!(let_go, allowed, "requests for numbers");
        }
        let before = self.agent.snapshot_desk().counts().get(Count::Requests);
        let fetch = |at: &u16| self.agent.clients()[usize::from(*at)].snapshot.is_some();
        let who: Vec<u16> = (0..PARTITIONS).filter(fetch).collect();
        who.iter().for_each(|partition| self.snapshot(*partition, false));
        let let_go = self.agent.snapshot_desk().counts().get(Count::Requests) - before;
        let at_once = allowed.min(self.terms.snapshots as u64);
        assert_eq!(let_go, at_once.min(who.len() as u64), "requests for snapshots");
    }

    /// Whatever moment one looks back from, no more left than the venue allows.
    fn quotas_were_kept(&self) {
        let Budget { second, minute, day } = self.terms.budget;
        for left in &self.world.left {
            for (limit, window) in [(second, 1), (minute, 60), (day, 24 * 60 * 60)] {
                for some in left.windows(limit as usize + 1) {
                    assert!(some[limit as usize].since(some[0]) >= secs(window));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn nothing_asked_for_is_lost_and_no_place_stays_taken(
        terms in terms(),
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut run = Run::new(terms);
        for step in steps {
            run.step(step);
            run.check();
        }
        run.leave_alone();
        run.all_places_are_free();
        run.leave_alone();
        run.quotas_were_kept();
    }
}
