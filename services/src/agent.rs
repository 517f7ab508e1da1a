//! All of a venue's services for all of its partitions: what a partition wants goes through the
//! venue's desks to the partition's clients, and what the clients bring goes back to the partition.
//!
//! The shell that has the sockets, or simulates them, hands events in, and gets by [`Shell`] what is to
//! be done with sockets and what partitions are to be told, before the call returns.

use candor_core::{Action, Ask, Mono, Refusal, Refused};

use crate::desk::Concurrency;
use crate::snapshot::Piece;
use crate::{Budget, Decision, Desk, Io, SnapshotDesk, retransmit, snapshot};

/// Asks that wait at a desk, for each partition.
const ROOM: usize = 8;

/// One of the sockets that a partition's clients may have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Channel {
    /// Datagrams to and from the retransmit service.
    RetransmitUdp,
    /// The connection to the retransmit service.
    RetransmitTcp,
    /// The connection to the snapshot service.
    Snapshot,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Channel; 3] =
        [Channel::RetransmitUdp, Channel::RetransmitTcp, Channel::Snapshot];
}

/// What a partition is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told<'a> {
    /// For `Partition::on_retransmit`: a payload in its own framing.
    Payload(&'a [u8]),
    /// For `Partition::on_refused`.
    Refused(Refused),
    /// For `Partition::on_snapshot`.
    Snapshot(Piece<'a>),
}

/// Who has the sockets and knows the way to the partitions.
pub trait Shell {
    /// Do this on the partition's channel. What comes of it is handed in later, never from in here.
    fn io(&mut self, partition: u16, channel: Channel, io: Io<'_>);

    /// Tell the partition this. `false` where there is no room on the way: a snapshot it was part of
    /// is broken off then.
    fn tell(&mut self, partition: u16, told: Told<'_>) -> bool;
}

/// The clients of one partition. Without any the partition never asks.
#[derive(Debug, Default)]
pub struct Clients {
    /// For numbers that are missing, by datagrams.
    pub retransmit_udp: Option<retransmit::Client>,
    /// The same over a connection: for more than one datagram can ask for, and where there is no
    /// other.
    pub retransmit_tcp: Option<retransmit::Client>,
    /// For snapshots.
    pub snapshot: Option<snapshot::Client>,
}

/// What a venue allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Requests for missing numbers.
    pub retransmit: Budget,
    /// Requests for snapshots.
    pub snapshot: Budget,
    /// Snapshots at once, and how long one may take.
    pub concurrency: Concurrency,
    /// Numbers that are asked for by datagram at most, where there is a connection as well.
    pub datagram_max: u64,
}

/// Requests that have left for a venue's services.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    /// For missing numbers.
    pub retransmits: u64,
    /// For snapshots.
    pub snapshots: u64,
}

/// The services of one venue.
#[derive(Debug)]
pub struct Agent {
    config: Config,
    retransmit: Desk,
    snapshot: SnapshotDesk,
    clients: Vec<Clients>,
    /// By partition and channel: asks that the desk has let go and the client has not sent yet.
    unsent: Vec<[usize; Channel::ALL.len()]>,
}

impl Agent {
    /// An agent for partitions that are counted from 0 in the order of their clients, whom nobody has
    /// asked for anything yet. Allocates everything it will ever need.
    ///
    /// # Panics
    /// Without partitions, and where a budget or the concurrency allows nothing.
    #[must_use]
    pub fn new(config: Config, clients: Vec<Clients>) -> Agent {
        assert!(!clients.is_empty(), "an agent for nobody");
        let room = clients.len() * ROOM;
        Agent {
            config,
            retransmit: Desk::new(room, config.retransmit),
            snapshot: SnapshotDesk::new(room, config.snapshot, config.concurrency),
            unsent: vec![[0; Channel::ALL.len()]; clients.len()],
            clients,
        }
    }

    /// Gives a partition its clients that had none so far: it is one that a map has added.
    ///
    /// # Panics
    /// When there is no such partition.
    pub fn equip(&mut self, partition: u16, clients: Clients) {
        *self.clients_of(partition) = clients;
    }

    /// What an earlier process has sent to the venue by this time, and none of it later: it has its place in the
    /// budgets. Told before anything is asked for, the oldest first.
    ///
    /// # Panics
    /// Where something has left since, or what was told last was later.
    pub fn remember(&mut self, at: Mono, before: Sent) {
        let count = |sent: u64| u32::try_from(sent).unwrap_or(u32::MAX);
        self.retransmit.remember(at, count(before.retransmits));
        self.snapshot.remember(at, count(before.snapshots));
    }

    /// What has left since this agent is there.
    #[must_use]
    pub fn sent(&self) -> Sent {
        Sent { retransmits: self.retransmit.sent(), snapshots: self.snapshot.sent() }
    }

    /// A partition wants something.
    pub fn act(&mut self, now: Mono, partition: u16, action: Action, shell: &mut impl Shell) {
        let clients = self.clients_of(partition);
        match action {
            Action::Retransmit(ask) => {
                if clients.retransmit_udp.is_none() && clients.retransmit_tcp.is_none() {
                    refuse(partition, &ask, shell);
                    return;
                }
                self.retransmit.ask(now, partition, ask);
            }
            Action::Snapshot(ask) => {
                if clients.snapshot.is_none() {
                    let body = snapshot::Body::Failed(Refusal::Unreachable);
                    let piece = Piece { cycle: ask.cycle, body };
                    shell.tell(partition, Told::Snapshot(piece));
                    return;
                }
                self.snapshot.ask(now, partition, ask);
            }
            Action::DropSnapshot { cycle } => {
                if let Some(client) = &mut clients.snapshot {
                    client.drop_cycle(now, cycle);
                }
                self.snapshot.done(now, partition, cycle);
                self.drain(now, partition, Channel::Snapshot, shell);
            }
        }
        self.decide(now, shell);
    }

    /// A datagram from the address of this index; one from elsewhere has an index that is none.
    pub fn on_datagram(
        &mut self,
        now: Mono,
        partition: u16,
        from: usize,
        bytes: &[u8],
        shell: &mut impl Shell,
    ) {
        if let Some(client) = &mut self.clients_of(partition).retransmit_udp {
            client.on_datagram(now, from, bytes);
            self.drain(now, partition, Channel::RetransmitUdp, shell);
        }
    }

    /// The host at this address says that nobody listens there.
    pub fn on_unreachable(
        &mut self,
        now: Mono,
        partition: u16,
        address: usize,
        shell: &mut impl Shell,
    ) {
        if let Some(client) = &mut self.clients_of(partition).retransmit_udp {
            client.on_unreachable(now, address);
            self.drain(now, partition, Channel::RetransmitUdp, shell);
        }
    }

    /// The connection that was to be made is there.
    pub fn on_connected(
        &mut self,
        now: Mono,
        partition: u16,
        channel: Channel,
        shell: &mut impl Shell,
    ) {
        match self.client(partition, channel) {
            Some(Either::Retransmit(client)) => client.on_connected(now),
            Some(Either::Snapshot(client)) => client.on_connected(now),
            None => return,
        }
        self.drain(now, partition, channel, shell);
        self.decide(now, shell);
    }

    /// Bytes of a connection.
    pub fn on_bytes(
        &mut self,
        now: Mono,
        partition: u16,
        channel: Channel,
        bytes: &[u8],
        shell: &mut impl Shell,
    ) {
        let mut rest = bytes;
        // BOUND: every turn takes a byte at least.
        while !rest.is_empty() {
            let taken = match self.client(partition, channel) {
                Some(Either::Retransmit(client)) => client.on_bytes(now, rest),
                Some(Either::Snapshot(client)) => client.on_bytes(now, rest),
                None => return,
            };
            assert!(taken > 0, "a client that takes nothing");
            rest = &rest[taken..];
            self.drain(now, partition, channel, shell);
        }
        self.decide(now, shell);
    }

    /// The connection was closed by the service, or could not be made.
    pub fn on_closed(
        &mut self,
        now: Mono,
        partition: u16,
        channel: Channel,
        shell: &mut impl Shell,
    ) {
        match self.client(partition, channel) {
            Some(Either::Retransmit(client)) => client.on_closed(now),
            Some(Either::Snapshot(client)) => client.on_closed(now),
            None => return,
        }
        self.drain(now, partition, channel, shell);
        self.decide(now, shell);
    }

    /// Time has come to `now`. Early calls do no harm.
    pub fn on_deadline(&mut self, now: Mono, shell: &mut impl Shell) {
        for partition in 0..self.clients.len() as u16 {
            for channel in Channel::ALL {
                let due = match self.client(partition, channel) {
                    Some(Either::Retransmit(client)) if is_due(client.deadline(), now) => {
                        client.on_deadline(now);
                        true
                    }
                    Some(Either::Snapshot(client)) if is_due(client.deadline(), now) => {
                        client.on_deadline(now);
                        true
                    }
                    _ => false,
                };
                if due {
                    self.drain(now, partition, channel, shell);
                }
            }
        }
        self.decide(now, shell);
    }

    /// When [`Agent::on_deadline`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let clients = self.clients.iter().flat_map(|clients| {
            let udp = clients.retransmit_udp.as_ref().and_then(|client| client.deadline());
            let tcp = clients.retransmit_tcp.as_ref().and_then(|client| client.deadline());
            let snapshot = clients.snapshot.as_ref().and_then(|client| client.deadline());
            [udp, tcp, snapshot].into_iter().flatten()
        });
        let desks = self.retransmit.deadline().into_iter().chain(self.snapshot.deadline());
        clients.chain(desks).min()
    }

    /// The desk of the retransmit service, for its counts.
    #[must_use]
    pub fn retransmit_desk(&self) -> &Desk {
        &self.retransmit
    }

    /// The desk of the snapshot service, for its counts.
    #[must_use]
    pub fn snapshot_desk(&self) -> &SnapshotDesk {
        &self.snapshot
    }

    /// The clients by partition, for their counts.
    #[must_use]
    pub fn clients(&self) -> &[Clients] {
        &self.clients
    }

    fn clients_of(&mut self, partition: u16) -> &mut Clients {
        &mut self.clients[usize::from(partition)]
    }

    fn client(&mut self, partition: u16, channel: Channel) -> Option<Either<'_>> {
        let clients = self.clients_of(partition);
        match channel {
            Channel::RetransmitUdp => clients.retransmit_udp.as_mut().map(Either::Retransmit),
            Channel::RetransmitTcp => clients.retransmit_tcp.as_mut().map(Either::Retransmit),
            Channel::Snapshot => clients.snapshot.as_mut().map(Either::Snapshot),
        }
    }

    /// Lets the desks decide, and hands on what may go.
    fn decide(&mut self, now: Mono, shell: &mut impl Shell) {
        // BOUND: every decision takes an ask from the desk.
        while let Some(decision) = self.retransmit.next(now) {
            match decision {
                Decision::Send { partition, ask } => self.send(now, partition, ask, shell),
                Decision::Refused { partition, refused } => {
                    shell.tell(partition, Told::Refused(refused));
                }
            }
        }
        // BOUND: every decision takes an ask from the desk.
        while let Some(decision) = self.snapshot.next(now) {
            match decision {
                Decision::Send { partition, ask } => {
                    self.let_go(partition, Channel::Snapshot);
                    if let Some(client) = &mut self.clients_of(partition).snapshot {
                        client.ask(now, ask);
                    }
                    self.drain(now, partition, Channel::Snapshot, shell);
                }
                Decision::Refused { partition, refused } => {
                    shell.tell(partition, Told::Snapshot(refused));
                }
            }
        }
    }

    fn send(&mut self, now: Mono, partition: u16, ask: Ask, shell: &mut impl Shell) {
        let datagram_max = self.config.datagram_max;
        let clients = self.clients_of(partition);
        let long = ask.requested().len() > datagram_max;
        let tcp = clients.retransmit_tcp.is_some() && (long || clients.retransmit_udp.is_none());
        let (client, channel) = if tcp {
            (&mut clients.retransmit_tcp, Channel::RetransmitTcp)
        } else {
            (&mut clients.retransmit_udp, Channel::RetransmitUdp)
        };
        if let Some(client) = client {
            client.ask(now, ask);
        }
        self.let_go(partition, channel);
        self.drain(now, partition, channel, shell);
    }

    fn let_go(&mut self, partition: u16, channel: Channel) {
        self.unsent[usize::from(partition)][channel as usize] += 1;
    }

    /// Everything a client has to say after a call. What it sent or gave up of what was let go may allow
    /// the desk another: it decides next.
    fn drain(&mut self, now: Mono, partition: u16, channel: Channel, shell: &mut impl Shell) {
        let mut over = None;
        match self.client(partition, channel) {
            None => {}
            Some(Either::Retransmit(client)) => {
                while let Some(io) = client.next_io() {
                    shell.io(partition, channel, io);
                }
                while let Some(reply) = client.next_result() {
                    // A payload that finds no room is asked for again by its own deadline.
                    shell.tell(
                        partition,
                        match reply {
                            retransmit::Reply::Payload(payload) => Told::Payload(payload),
                            retransmit::Reply::Refused(refused) => Told::Refused(refused),
                        },
                    );
                }
            }
            Some(Either::Snapshot(client)) => over = drain_snapshot(now, partition, client, shell),
        }
        if let Some(cycle) = over {
            self.snapshot.done(now, partition, cycle);
        }
        self.settle(now, partition, channel);
    }

    /// Tells the desk how many of those it let go have left, and how many never will.
    fn settle(&mut self, now: Mono, partition: u16, channel: Channel) {
        let (left, unsent) = match self.client(partition, channel) {
            Some(Either::Retransmit(client)) => (client.take_left(), client.unsent()),
            Some(Either::Snapshot(client)) => (client.take_left(), client.unsent()),
            None => (0, 0),
        };
        let place = &mut self.unsent[usize::from(partition)][channel as usize];
        let before = core::mem::replace(place, unsent);
        let ended = before.checked_sub(left + unsent);
        let ended = ended.expect("a client sends no more than it was asked for");
        match channel {
            Channel::RetransmitUdp | Channel::RetransmitTcp => {
                self.retransmit.left(now, left);
                self.retransmit.release(ended);
            }
            Channel::Snapshot => {
                self.snapshot.left(now, left);
                self.snapshot.release(ended);
            }
        }
    }
}

/// The client of a channel.
enum Either<'a> {
    Retransmit(&'a mut retransmit::Client),
    Snapshot(&'a mut snapshot::Client),
}

fn is_due(deadline: Option<Mono>, now: Mono) -> bool {
    deadline.is_some_and(|deadline| deadline <= now)
}

fn refuse(partition: u16, ask: &Ask, shell: &mut impl Shell) {
    let (session, range, why) = (ask.session, ask.range, Refusal::Unreachable);
    shell.tell(partition, Told::Refused(Refused { session, range, why }));
}

/// Says which cycle is over, if one is. A part that finds no room breaks the snapshot off: a later one
/// without it would be believed.
fn drain_snapshot(
    now: Mono,
    partition: u16,
    client: &mut snapshot::Client,
    shell: &mut impl Shell,
) -> Option<u32> {
    let mut over = None;
    let mut lost = None;
    // BOUND: a client has a bounded number of things to say after a call, and is dropped once.
    loop {
        while let Some(io) = client.next_io() {
            shell.io(partition, Channel::Snapshot, io);
        }
        while let Some(piece) = client.next_result() {
            if lost == Some(piece.cycle) {
                continue;
            }
            if matches!(piece.body, snapshot::Body::End { .. } | snapshot::Body::Failed(_)) {
                over = Some(piece.cycle);
            }
            if !shell.tell(partition, Told::Snapshot(piece)) {
                lost = Some(piece.cycle);
            }
        }
        let Some(cycle) = lost.filter(|cycle| over != Some(*cycle)) else { return over };
        client.drop_cycle(now, cycle);
        over = Some(cycle);
    }
}
