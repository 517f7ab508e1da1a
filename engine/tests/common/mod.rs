//! A reader made of plain memory, and the bytes of a small ITCH stream.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

pub mod floor;
pub mod services;

use std::collections::BTreeMap;
use std::sync::Arc;

use candor_core::counters::Counter;
use candor_core::status::Scope;
use candor_core::{
    BookView, Line, Loss, Message, Mono, Nanos, Proof, Reason, SeqNo, SessionId, Side, Status,
    Symbol, SymbolIndex, promote,
};
use candor_decoders::Format;
use candor_decoders::nasdaq::moldudp64;
use candor_engine::{Capacity, Claim, Config, Notice, Partition, Sink, Step, VenueSymbols};

pub const GRACE: Nanos = Nanos::from_millis(1);
pub const SESSION_GRACE: Nanos = Nanos::from_secs(2);
pub const SILENCE: Nanos = Nanos::from_secs(3);
pub const LATE: Nanos = Nanos::from_millis(20);
pub const SESSION: [u8; 10] = *b"DAY0000001";

/// What a reader of the region would have: words, and nothing that computes them.
#[derive(Default)]
pub struct Shown {
    pub status: Option<Status>,
    pub epoch: u32,
    pub lease: Mono,
    /// A lease was given, and the status that makes it good is yet to come.
    pub promised: bool,
    pub slots: BTreeMap<u32, (Status, u32, BookView)>,
    pub names: BTreeMap<Symbol, u32>,
    pub events: Vec<(Option<SymbolIndex>, SeqNo, Message)>,
    pub losses: Vec<Loss>,
    pub notices: Vec<Notice>,
    pub claims: Vec<(Symbol, u16, Claim)>,
    /// Nobody hears what is said of symbols.
    pub deaf: bool,
    pub moved: BTreeMap<u32, bool>,
    pub steps: Vec<Step>,
    pub expected: SeqNo,
    pub heard: Mono,
    /// What is followed, and since when.
    pub followed: Vec<(SessionId, Mono)>,
}

impl Sink for Shown {
    fn lease(&mut self, deadline: Mono) {
        self.promised = !self.status.is_some_and(Status::is_live);
        self.lease = deadline;
    }
    fn status(&mut self, status: Status, epoch: u32, _since: Mono, _session: SessionId) {
        assert!(epoch >= self.epoch, "epochs only grow");
        assert!(!self.promised || status.is_live(), "a lease only while in sync");
        self.promised = false;
        self.status = Some(status);
        self.epoch = epoch;
    }
    fn followed(&mut self, session: SessionId, at: Mono) {
        self.followed.push((session, at));
    }
    fn numbers(&mut self, expected: SeqNo, known_end: SeqNo, heard: Mono) {
        assert!(known_end >= expected);
        assert!(!self.promised, "a lease only while in sync, or right before");
        self.expected = expected;
        self.heard = heard;
    }
    fn define(&mut self, index: SymbolIndex, symbol: &Symbol) {
        assert_eq!(self.names.insert(*symbol, index.0), None, "defined once");
    }
    fn publish(
        &mut self,
        index: SymbolIndex,
        status: Status,
        epoch: u32,
        _since: Mono,
        view: &BookView,
    ) {
        self.slots.insert(index.0, (status, epoch, *view));
    }
    fn event(&mut self, index: Option<SymbolIndex>, seq: SeqNo, _now: Mono, message: &Message) {
        self.events.push((index, seq, *message));
    }
    fn loss(&mut self, loss: &Loss) {
        self.losses.push(*loss);
    }
    fn notice(&mut self, notice: &Notice, _now: Mono) {
        self.notices.push(*notice);
    }
    fn step(&mut self, step: &Step, _now: Mono) {
        self.steps.push(*step);
    }
    fn moved(&mut self, index: SymbolIndex, moved: bool) {
        self.moved.insert(index.0, moved);
    }
    fn foreign(&mut self, symbol: &Symbol, home: u16, claim: Claim) -> bool {
        self.claims.push((*symbol, home, claim));
        !self.deaf
    }
}

impl Shown {
    /// What a reader makes of it at `now`; the handler is alive and well.
    pub fn verdict(&self, symbol: &str, now: Mono) -> Status {
        let mut proof = Proof::NOTHING
            .rule_out_scope(Scope::Handler)
            .rule_out(Reason::Lapped, true)
            .rule_out(Reason::Unmapped, true);
        match self.status {
            Some(status) if status.is_live() => {
                proof = proof
                    .rule_out_scope(Scope::Partition)
                    .rule_out(Reason::Silent, now < self.lease);
            }
            Some(status) => return status,
            None => return Status::stale(Reason::Unsubscribed),
        }
        let slot = self.names.get(&Symbol::from_wire(symbol.as_bytes()).unwrap());
        match slot.and_then(|index| self.slots.get(index)) {
            Some((status, epoch, _)) if *epoch == self.epoch => match status.reason() {
                None => proof = proof.rule_out_scope(Scope::Symbol),
                Some(_) if promote(&proof.rule_out_scope(Scope::Symbol)).is_live() => {
                    return *status;
                }
                Some(_) => {}
            },
            Some(_) => {
                let symbol = proof.rule_out_scope(Scope::Symbol);
                return promote(&symbol.rule_out(Reason::Unproven, false));
            }
            None => return Status::stale(Reason::Unmapped),
        }
        promote(&proof)
    }

    pub fn view(&self, symbol: &str) -> BookView {
        self.slots[&self.names[&Symbol::from_wire(symbol.as_bytes()).unwrap()]].2
    }

    pub fn best(&self, symbol: &str, side: Side) -> Option<(i64, u64)> {
        self.view(symbol).best(side).map(|level| (level.price.0, level.size))
    }
}

pub fn capacity() -> Capacity {
    Capacity { symbols: 8, orders: 64, levels: 64, trades: 16 }
}

pub fn config(listed: &[(&str, u16)]) -> Config {
    let listed = listed
        .iter()
        .map(|(symbol, home)| (Symbol::from_wire(symbol.as_bytes()).unwrap(), *home))
        .collect();
    Config {
        index: 0,
        format: Format::NasdaqItch50,
        lines: [true, true, false],
        grace: GRACE,
        session_grace: SESSION_GRACE,
        services: candor_engine::Services::default(),
        silence: SILENCE,
        late: LATE,
        capacity: capacity(),
        venue: Arc::new(VenueSymbols::new(listed)),
        mapped_until: Mono::MAX,
        earlier: Vec::new(),
        followed: Vec::new(),
        moved: Vec::new(),
    }
}

/// A partition, its reader, and a clock that only this test moves.
pub struct Bench {
    pub partition: Partition,
    pub shown: Shown,
    pub now: Mono,
    pub session: [u8; 10],
}

impl Bench {
    pub fn new(listed: &[(&str, u16)]) -> Bench {
        Bench::with(config(listed))
    }

    pub fn with(config: Config) -> Bench {
        let mut bench = Bench {
            partition: Partition::new(config),
            shown: Shown::default(),
            now: Mono(1_000_000_000),
            session: SESSION,
        };
        bench.partition.start(bench.now, &mut bench.shown);
        bench
    }

    /// Joined, opened, and AAPL named by messages 1 to 3 with one order on each side.
    pub fn open() -> Bench {
        let mut bench = Bench::new(&[("AAPL", 0), ("MSFT", 0), ("ELSE", 7)]);
        bench.subscribe(true);
        bench.send(
            Line::A,
            1,
            &[
                directory(1, "AAPL"),
                add(1, 11, b'B', 100, 1_000_000),
                add(1, 12, b'S', 200, 1_010_000),
            ],
        );
        assert!(bench.status("AAPL").is_live());
        bench
    }

    pub fn subscribe(&mut self, subscribed: bool) {
        self.partition.subscribe(self.now, subscribed, &mut self.shown);
    }

    pub fn pass(&mut self, length: Nanos) {
        let until = self.now + length;
        // BOUND: every deadline lies ahead of the one before it, or the test would never end.
        while let Some(deadline) = self.partition.deadline().filter(|d| *d <= until) {
            self.now = self.now.max(deadline);
            self.partition.on_deadline(self.now, &mut self.shown);
        }
        self.now = until;
        self.partition.on_deadline(self.now, &mut self.shown);
        self.partition.check();
    }

    pub fn packet(&mut self, line: Line, payload: &[u8]) {
        self.partition.on_packet(self.now, self.now, line, payload, &mut self.shown);
        self.partition.check();
        self.account();
    }

    pub fn send(&mut self, line: Line, first: u64, messages: &[Vec<u8>]) {
        let payload = mold(self.session, first, messages);
        self.packet(line, &payload);
    }

    pub fn heartbeat(&mut self, line: Line, next: u64) {
        let payload = moldudp64::heartbeat(self.session, SeqNo(next));
        self.packet(line, &payload);
    }

    pub fn status(&self, symbol: &str) -> Status {
        self.shown.verdict(symbol, self.now)
    }

    pub fn reason(&self, symbol: &str) -> Option<Reason> {
        self.status(symbol).reason()
    }

    pub fn count(&self, counter: Counter) -> u64 {
        self.partition.counters().get(counter)
    }

    /// Nothing is lost without a counter.
    fn account(&self) {
        let messages = self.count(Counter::Messages);
        let fates = [Counter::Applied, Counter::Duplicate, Counter::Held];
        let fates = fates.into_iter().chain(Counter::DISCARDS);
        let accounted: u64 = fates.map(|counter| self.count(counter)).sum();
        assert_eq!(messages, accounted);
        let refused: u64 =
            self.partition.counters().values()[Counter::ALL.len()..].iter().take(16).sum();
        assert_eq!(self.count(Counter::Packets), self.count(Counter::PacketsAccepted) + refused);
    }
}

pub fn mold(session: [u8; 10], first: u64, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut buffer = [0; 1400];
    let mut writer = moldudp64::Writer::new(&mut buffer, session, SeqNo(first)).unwrap();
    for message in messages {
        writer.push(message).unwrap();
    }
    writer.finish().to_vec()
}

fn prefix(kind: u8, locate: u16) -> Vec<u8> {
    let mut message = vec![kind];
    message.extend(locate.to_be_bytes());
    message.extend([0; 8]);
    message
}

fn padded(symbol: &str) -> Vec<u8> {
    format!("{symbol:<8}").into_bytes()
}

pub fn directory(locate: u16, symbol: &str) -> Vec<u8> {
    let mut message = prefix(b'R', locate);
    message.extend(padded(symbol));
    message.extend(*b"QN");
    message.extend(100u32.to_be_bytes());
    message.extend(*b"NCZ PN 1N");
    message.extend(0u32.to_be_bytes());
    message.extend(*b"N");
    assert_eq!(message.len(), 39);
    message
}

pub fn trading(locate: u16, symbol: &str, state: u8) -> Vec<u8> {
    let mut message = prefix(b'H', locate);
    message.extend(padded(symbol));
    message.extend([state, b' ']);
    message.extend(*b"    ");
    assert_eq!(message.len(), 25);
    message
}

pub fn add(locate: u16, order: u64, side: u8, size: u32, price: u32) -> Vec<u8> {
    let mut message = prefix(b'A', locate);
    message.extend(order.to_be_bytes());
    message.push(side);
    message.extend(size.to_be_bytes());
    message.extend(*b"AAPL    ");
    message.extend(price.to_be_bytes());
    assert_eq!(message.len(), 36);
    message
}

/// The message, sent when the venue's clock said so many nanoseconds since midnight.
pub fn at(nanos: u64, mut message: Vec<u8>) -> Vec<u8> {
    message[5..11].copy_from_slice(&nanos.to_be_bytes()[2..]);
    message
}

pub fn system(event: u8) -> Vec<u8> {
    [&prefix(b'S', 0)[..], &[event]].concat()
}

pub fn replace(locate: u16, order: u64, new_order: u64, size: u32, price: u32) -> Vec<u8> {
    let mut message = prefix(b'U', locate);
    message.extend(order.to_be_bytes());
    message.extend(new_order.to_be_bytes());
    message.extend(size.to_be_bytes());
    message.extend(price.to_be_bytes());
    assert_eq!(message.len(), 35);
    message
}

pub fn delete(locate: u16, order: u64) -> Vec<u8> {
    let mut message = prefix(b'D', locate);
    message.extend(order.to_be_bytes());
    message
}
