//! A partition on the bench: packets in, and after every step the invariants, the accounting and
//! what came out.
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

pub mod recovery;

use candor_core::counters::{Counter, Counters};
use candor_core::limits::LINES;
use candor_core::{
    Answer, ByteOrder, Content, Line, Loss, LossKind, Messages, Mono, Nanos, Origin, Packet, SeqNo,
    SeqRange, SessionId,
};
use candor_gapfill::{Config, Heard, Notice, Output, Sequencer, State};

pub const GRACE: Nanos = Nanos::from_millis(1);
pub const SESSION_GRACE: Nanos = Nanos::from_secs(5);
pub const CONFIG: Config = Config {
    lines: [true; LINES],
    grace: GRACE,
    session_grace: SESSION_GRACE,
    keep_start: false,
    start_limit: 0,
};
pub const DAY: SessionId = SessionId::from_text(*b"20191230A ");
pub const NEXT: SessionId = SessionId::from_text(*b"20191230B ");
pub const THIRD: SessionId = SessionId::from_text(*b"20191230C ");

pub const A: Line = Line::A;
pub const B: Line = Line::B;
pub const C: Line = Line::C;

/// With every discard the sum that must equal `Messages`.
pub const KEPT: [Counter; 3] = [Counter::Applied, Counter::Duplicate, Counter::Held];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivered {
    pub seq: u64,
    pub origin: Origin,
    pub bytes: Vec<u8>,
}

/// What came out, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    Message(Delivered),
    Notice(Notice),
}

#[derive(Default)]
pub struct Recorder(pub Vec<Item>);

impl Output for Recorder {
    fn message(&mut self, seq: SeqNo, origin: Origin, bytes: &[u8]) {
        self.0.push(Item::Message(Delivered { seq: seq.0, origin, bytes: bytes.to_vec() }));
    }

    fn notice(&mut self, notice: Notice) {
        self.0.push(Item::Notice(notice));
    }
}

/// Blocks of a length and that many bytes, as `Messages::walk` reads them.
pub fn encode(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        bytes.extend_from_slice(&u16::try_from(message.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(message);
    }
    bytes
}

pub fn packet<'a>(
    session: SessionId,
    content: Content,
    first: u64,
    count: usize,
    encoded: &'a [u8],
) -> Packet<'a> {
    let messages = Messages::walk(encoded, u16::try_from(count).unwrap(), ByteOrder::Big).unwrap();
    let range = SeqRange::of(SeqNo(first), count as u64).unwrap();
    Packet { session, content, range, send_time: None, messages }
}

/// The message under this number in this life of the stream: 1 to 40 bytes.
pub fn content(life: u64, seq: u64) -> Vec<u8> {
    let mut bytes = [life.to_be_bytes(), seq.to_be_bytes()].concat();
    bytes.resize(16 + (seq % 25) as usize, b'.');
    bytes
}

pub struct Bench {
    pub sequencer: Sequencer,
    pub counters: Counters,
    pub now: Mono,
    pub session: SessionId,
    /// Which bytes `data` gives a number.
    pub life: u64,
    /// How long packets have waited before they are looked at.
    pub waited: Nanos,
    pub all: Vec<Delivered>,
    /// What the last packet proved.
    pub heard: Option<Heard>,
    out: Recorder,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(CONFIG)
    }

    pub fn with(config: Config) -> Bench {
        Bench {
            sequencer: Sequencer::new(config),
            counters: Counters::new(),
            now: Mono(1_000_000_000),
            session: DAY,
            life: 0,
            waited: Nanos::ZERO,
            all: Vec::new(),
            heard: None,
            out: Recorder::default(),
        }
    }

    /// Lets time pass, with every deadline kept on the way.
    pub fn wait(&mut self, length: Nanos) -> Vec<Item> {
        let until = self.now + length;
        let mut items = Vec::new();
        while let Some(deadline) = self.sequencer.deadline().filter(|d| *d <= until) {
            self.now = self.now.max(deadline);
            self.sequencer.on_deadline(self.now, &mut self.counters, &mut self.out);
            items.extend(self.after());
            assert!(
                self.sequencer.deadline().is_none_or(|next| next > deadline),
                "a deadline that was kept stays"
            );
        }
        self.now = until;
        items
    }

    pub fn messages(&mut self, line: Line, first: u64, messages: &[Vec<u8>]) -> Vec<Item> {
        let encoded = encode(messages);
        let packet = packet(self.session, Content::Data, first, messages.len(), &encoded);
        self.give(line, &packet)
    }

    pub fn data(&mut self, line: Line, first: u64, count: u64) -> Vec<Item> {
        let messages: Vec<_> = (first..first + count).map(|seq| content(self.life, seq)).collect();
        self.messages(line, first, &messages)
    }

    /// Data in packets of at most 500 messages.
    pub fn bulk(&mut self, line: Line, first: u64, count: u64) -> Vec<Item> {
        let mut items = Vec::new();
        for from in (first..first + count).step_by(500) {
            items.extend(self.data(line, from, 500.min(first + count - from)));
        }
        items
    }

    pub fn heartbeat(&mut self, line: Line, next: u64) -> Vec<Item> {
        let packet = packet(self.session, Content::Heartbeat, next, 0, &[]);
        self.give(line, &packet)
    }

    pub fn end(&mut self, line: Line, next: u64) -> Vec<Item> {
        let packet = packet(self.session, Content::End, next, 0, &[]);
        self.give(line, &packet)
    }

    pub fn give(&mut self, line: Line, packet: &Packet<'_>) -> Vec<Item> {
        let Bench { sequencer, counters, out, now, .. } = self;
        let at = Mono(now.0 - self.waited.0);
        self.heard = Some(sequencer.on_packet(*now, at, line, packet, counters, out));
        self.after()
    }

    /// An answer of the retransmit service.
    pub fn answer(&mut self, first: u64, messages: &[Vec<u8>]) -> (Answer, Vec<Item>) {
        let encoded = encode(messages);
        let packet = packet(self.session, Content::Data, first, messages.len(), &encoded);
        self.give_answer(&packet)
    }

    /// An answer of these numbers, as the venue sent them on its lines.
    pub fn retransmit(&mut self, first: u64, count: u64) -> (Answer, Vec<Item>) {
        let messages: Vec<_> = (first..first + count).map(|seq| content(self.life, seq)).collect();
        self.answer(first, &messages)
    }

    pub fn give_answer(&mut self, packet: &Packet<'_>) -> (Answer, Vec<Item>) {
        let Bench { sequencer, counters, out, now, .. } = self;
        let answer = sequencer.on_retransmit(*now, packet, counters, out);
        (answer, self.after())
    }

    pub fn splice(&mut self, next: u64) -> Vec<Item> {
        let Bench { sequencer, counters, out, now, .. } = self;
        sequencer.splice(*now, SeqNo(next), counters, out);
        self.after()
    }

    pub fn resync(&mut self, next: u64) -> Vec<Item> {
        let Bench { sequencer, counters, out, now, .. } = self;
        sequencer.resync(*now, SeqNo(next), counters, out);
        self.after()
    }

    fn after(&mut self) -> Vec<Item> {
        self.sequencer.check();
        self.account();
        let items = std::mem::take(&mut self.out.0);
        self.all.extend(items.iter().filter_map(|item| match item {
            Item::Message(delivered) => Some(delivered.clone()),
            Item::Notice(_) => None,
        }));
        items
    }

    pub fn account(&self) {
        let fates: u64 =
            KEPT.iter().chain(&Counter::DISCARDS).map(|fate| self.counters.get(*fate)).sum();
        assert_eq!(self.counters.get(Counter::Messages), fates, "{}", self.counts());
        assert_eq!(self.counters.get(Counter::Held), self.sequencer.held());
    }

    /// Whether the last packet showed that the stream followed is alive.
    pub fn vouched(&self) -> bool {
        self.heard.expect("a packet was given") == Heard::Current
    }

    pub fn get(&self, counter: Counter) -> u64 {
        self.counters.get(counter)
    }

    pub fn state(&self) -> State {
        self.sequencer.state()
    }

    pub fn expected(&self) -> u64 {
        self.sequencer.expected().0
    }

    /// The counters that are not zero.
    pub fn counts(&self) -> String {
        let mut text = String::new();
        for counter in Counter::ALL {
            if self.counters.get(counter) != 0 {
                text += &format!("{}={} ", counter.label(), self.counters.get(counter));
            }
        }
        text
    }

    /// All numbers delivered so far.
    pub fn numbers(&self) -> Vec<u64> {
        self.all.iter().map(|delivered| delivered.seq).collect()
    }
}

/// The numbers delivered among these items.
pub fn numbers(items: &[Item]) -> Vec<u64> {
    items
        .iter()
        .filter_map(|item| match item {
            Item::Message(delivered) => Some(delivered.seq),
            Item::Notice(_) => None,
        })
        .collect()
}

/// The notices among these items.
pub fn notices(items: &[Item]) -> Vec<Notice> {
    items
        .iter()
        .filter_map(|item| match item {
            Item::Message(_) => None,
            Item::Notice(notice) => Some(*notice),
        })
        .collect()
}

/// The losses among these items: kind, numbers, the line that lost them, the line that filled them.
pub fn losses(items: &[Item]) -> Vec<(LossKind, SeqRange, Option<Line>, Option<Line>)> {
    let told = |loss: Loss| (loss.kind, loss.range, loss.line, loss.filled_by.and_then(line_of));
    notices(items)
        .into_iter()
        .filter_map(|notice| match notice {
            Notice::Loss(loss) => Some(told(loss)),
            _ => None,
        })
        .collect()
}

/// The line, where it was one.
fn line_of(origin: Origin) -> Option<Line> {
    match origin {
        Origin::Line(line) => Some(line),
        Origin::Retransmit => None,
    }
}

/// From `first` up to and without `end`.
pub fn range(first: u64, end: u64) -> SeqRange {
    SeqRange::between(SeqNo(first), SeqNo(end))
}
