//! The publisher of one partition: messages in, packets of each line with their due times out.
//!
//! Sans-IO: time is an argument, sockets are the caller's. A message gets its number from
//! [`Publisher::push`]; each line cuts the stream into packets by its own rule; faults take their
//! toll; what remains comes out of [`Publisher::pop`] when it is due. Whatever does not come out is
//! in the line's counts under a cause and in its log by number. What was published stays in the
//! [`History`], and what of it still stands in [`Standing`], for the services beside the lines.

mod faults;
mod framing;
mod history;
mod line;
mod queue;
mod standing;
mod store;

use candor_core::limits::LINES;
use candor_core::{Line, Mono, Nanos, SeqNo, SeqRange, Symbol, WireTime};
use thiserror::Error;

pub use faults::{Cause, Faults, LineCounts, Tally, Withheld};
use faults::{Fate, numbers};
pub use framing::{At, Framing, WireClock};
pub use history::{HISTORY, History};
pub use line::{LineConfig, Packing};
use line::{LineState, Open};
pub use queue::Outgoing;
use queue::Queue;
pub use standing::{Facts, OpenOrder, Standing};
use store::Store;

use crate::market::wire::Encoded;
use crate::rng::Rng;

/// What a publisher is made from.
#[derive(Clone, Copy, Debug)]
pub struct PublisherConfig {
    /// Framing and session.
    pub framing: Framing,
    /// The first message's number.
    pub first: SeqNo,
    /// The lines it publishes on.
    pub lines: [Option<LineConfig>; LINES],
    /// A line that has cut nothing for so long says which number is next.
    pub heartbeat: Nanos,
    /// How often the end of the session is said, once a heartbeat interval.
    pub ends: u32,
    /// The faults' dice follow from it.
    pub seed: u64,
    /// Which venue time a moment is, for framings that carry it.
    pub clock: WireClock,
    /// Messages of the session that are remembered for services.
    pub history: usize,
    /// Whether open orders are kept, for want of a true market that has them.
    pub keeps_orders: bool,
}

impl PublisherConfig {
    /// Lines A and B without faults, a heartbeat a second, ten ends, a history of [`HISTORY`].
    #[must_use]
    pub fn new(framing: Framing, seed: u64) -> PublisherConfig {
        let line = |packing| Some(LineConfig { packing, faults: Faults::default() });
        PublisherConfig {
            framing,
            first: SeqNo::FIRST,
            lines: [line(Packing::A), line(Packing::B), None],
            heartbeat: Nanos::from_secs(1),
            ends: 10,
            seed,
            clock: WireClock::default(),
            history: HISTORY,
            keeps_orders: false,
        }
    }
}

/// Why a publisher did not do as it was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum PublishError {
    /// A packet of some line can't hold even this message alone.
    #[error("a message of {0} bytes fits no packet of every line")]
    TooLong(usize),
    /// The session is over.
    #[error("the session has ended")]
    Ended,
    /// The partition is silent.
    #[error("the partition is dead")]
    Dead,
    /// There is no such line.
    #[error("the partition has no line {0}")]
    NoLine(Line),
}

/// One partition's publisher.
#[derive(Clone, Debug)]
pub struct Publisher {
    framing: Framing,
    /// Runs of numbers begun after the first.
    run: u64,
    heartbeat: Nanos,
    ends: u32,
    ends_left: Option<u32>,
    clock: WireClock,
    lines: [Option<LineState>; LINES],
    store: Store,
    history: History,
    history_bound: usize,
    standing: Standing,
    queue: Queue,
    /// A line has cut since messages were last released.
    has_cut: bool,
    alive: bool,
    to_skip: u64,
    to_lose: u64,
    to_differ: bool,
    differs: Option<SeqNo>,
}

impl Publisher {
    /// A publisher that has said nothing yet; its first heartbeat is due one interval after `now`.
    #[must_use]
    pub fn new(config: &PublisherConfig, now: Mono) -> Publisher {
        let line = |index: usize| {
            config.lines[index].map(|line| {
                let rng = Rng::stream(config.seed, index as u64);
                LineState::new(line, rng, config.first, now)
            })
        };
        Publisher {
            framing: config.framing,
            run: 0,
            heartbeat: config.heartbeat,
            ends: config.ends,
            ends_left: None,
            clock: config.clock,
            lines: core::array::from_fn(line),
            store: Store::new(config.first),
            history: History::new(config.history, At { seq: config.first, offset: 0 }),
            history_bound: config.history,
            standing: Standing::new(&config.framing, config.keeps_orders),
            queue: Queue::default(),
            has_cut: false,
            alive: true,
            to_skip: 0,
            to_lose: 0,
            to_differ: false,
            differs: None,
        }
    }

    /// Publishes a message and returns its number.
    ///
    /// # Errors
    /// [`PublishError::TooLong`], [`PublishError::Ended`], [`PublishError::Dead`]; nothing happened.
    pub fn push(&mut self, now: Mono, message: &[u8]) -> Result<SeqNo, PublishError> {
        if !self.alive {
            return Err(PublishError::Dead);
        }
        if self.ends_left.is_some() {
            return Err(PublishError::Ended);
        }
        let header_len = self.framing.header_len();
        let shortest = self.lines.iter().flatten().map(|line| line.packing.max_payload).min();
        if header_len + 2 + message.len() > shortest.unwrap_or(0).min(usize::from(u16::MAX)) {
            return Err(PublishError::TooLong(message.len()));
        }
        let lost = self.to_lose > 0;
        let skipped = lost || self.to_skip > 0;
        if lost {
            self.to_lose -= 1;
        } else {
            self.to_skip = self.to_skip.saturating_sub(1);
        }
        for index in 0..LINES {
            let cut_first = self.lines[index]
                .as_ref()
                .is_some_and(|line| !line.has_room(message.len(), skipped));
            if cut_first {
                self.cut(index, now);
            }
            if let Some(line) = &mut self.lines[index] {
                line.append(now, header_len, message.len(), skipped);
            }
        }
        let seq = self.store.next();
        if core::mem::take(&mut self.to_differ) {
            self.differs = Some(seq);
        }
        self.store.push(message);
        if lost {
            self.history.omit(message.len());
        } else {
            self.history.push(message);
        }
        self.standing.apply(message);
        Ok(seq)
    }

    /// Cuts what has lingered, says heartbeats and ends that are due. Call it after a batch of
    /// [`Publisher::push`] and whenever [`Publisher::next_due`] has come.
    pub fn on_deadline(&mut self, now: Mono) {
        if !self.alive {
            return;
        }
        let mut said_end = false;
        for index in 0..LINES {
            let Some(line) = &self.lines[index] else { continue };
            if line.due(self.heartbeat) > now {
                continue;
            }
            if line.open.is_some() {
                self.cut(index, now);
            } else if self.ends_left != Some(0) {
                said_end = self.ends_left.is_some();
                self.idle(index, now);
            }
        }
        if let (true, Some(left)) = (said_end, &mut self.ends_left) {
            *left -= 1;
        }
        self.release();
    }

    /// When something is next to be done or sent; `None` while the partition is dead and nothing
    /// is on its way.
    #[must_use]
    pub fn next_due(&self) -> Option<Mono> {
        let quiet = !self.alive || self.ends_left == Some(0);
        let lines = self.lines.iter().flatten().map(|line| line.due(self.heartbeat));
        let own = if quiet { None } else { lines.min() };
        match (own, self.queue.due()) {
            (Some(own), Some(queued)) => Some(own.min(queued)),
            (own, queued) => own.or(queued),
        }
    }

    /// The next packet due by `now`. Give its buffer back to [`Publisher::recycle`].
    pub fn pop(&mut self, now: Mono) -> Option<Outgoing> {
        let packet = self.queue.pop(now)?;
        let line = self.lines[packet.line.index()].as_mut()?;
        let counted =
            if packet.second_copy { &mut line.counts.duplicates } else { &mut line.counts.sent };
        counted.add(packet.range.len());
        line.counts.bytes += packet.payload.len() as u64;
        Some(packet)
    }

    /// Takes a packet's buffer back.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.queue.recycle(buffer);
    }

    /// The framing and session in use.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Which run of numbers this is, counted from 0: a session or a restart begins the next.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.run
    }

    /// The messages of the session, as far as they are remembered.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What stands as of the last message.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The venue's time at `now`.
    #[must_use]
    pub fn wire_time(&self, now: Mono) -> WireTime {
        self.clock.at(now)
    }

    /// The next message's number.
    #[must_use]
    pub fn next_seq(&self) -> SeqNo {
        self.store.next()
    }

    /// Whether the partition speaks.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.alive
    }

    /// Whether the session has ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ends_left.is_some()
    }

    /// Whether a line is dead; `None` where there is no such line.
    #[must_use]
    pub fn is_dead(&self, line: Line) -> Option<bool> {
        self.lines[line.index()].as_ref().map(|line| line.dead)
    }

    /// Packets cut and not yet due.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// The lines it publishes on.
    pub fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        Line::ALL.into_iter().filter(|line| self.lines[line.index()].is_some())
    }

    /// What a line carried and did not; `None` where there is no such line.
    #[must_use]
    pub fn counts(&self, line: Line) -> Option<&LineCounts> {
        self.lines[line.index()].as_ref().map(|line| &line.counts)
    }

    /// The faults of a line; `None` where there is no such line.
    #[must_use]
    pub fn faults(&self, line: Line) -> Option<Faults> {
        self.lines[line.index()].as_ref().map(|line| line.faults)
    }

    /// The faults of a line, to be changed from the next packet it cuts.
    ///
    /// # Errors
    /// [`PublishError::NoLine`].
    pub fn faults_mut(&mut self, line: Line) -> Result<&mut Faults, PublishError> {
        let state = self.lines[line.index()].as_mut().ok_or(PublishError::NoLine(line))?;
        Ok(&mut state.faults)
    }

    /// The numbers a line withheld since this was last asked.
    pub fn take_withheld(&mut self, line: Line) -> impl Iterator<Item = Withheld> + '_ {
        self.lines[line.index()].as_mut().into_iter().flat_map(|line| line.withheld.drain())
    }

    /// Kills or revives one line. A dead line goes through the stream and says nothing.
    ///
    /// # Errors
    /// [`PublishError::NoLine`].
    pub fn set_dead(&mut self, now: Mono, line: Line, dead: bool) -> Result<(), PublishError> {
        let Some(state) = &self.lines[line.index()] else {
            return Err(PublishError::NoLine(line));
        };
        // What came before the command goes the old way, what comes after the new one.
        if state.open.is_some() {
            self.cut(line.index(), now);
        }
        if let Some(state) = &mut self.lines[line.index()] {
            state.dead = dead;
        }
        Ok(())
    }

    /// Stops the publisher: what was pushed leaves, then there is silence and no further number.
    /// Delayed packets that are not due are withheld as [`Cause::Killed`].
    pub fn kill(&mut self, now: Mono) {
        self.cut_all(now);
        self.alive = false;
        let mut kept = Vec::new();
        while let Some(packet) = self.queue.pop(Mono(u64::MAX)) {
            if packet.due <= now {
                kept.push(packet);
                continue;
            }
            if let (false, Some(line)) = (packet.second_copy, &mut self.lines[packet.line.index()])
            {
                withhold(line, packet.range, Cause::Killed);
            }
            self.queue.recycle(packet.payload);
        }
        kept.into_iter().for_each(|packet| self.queue.push(packet));
    }

    /// Lets a killed publisher go on where it stopped, with a heartbeat on every line.
    pub fn revive(&mut self, now: Mono) {
        if !self.alive {
            self.alive = true;
            for index in 0..LINES {
                self.idle(index, now);
            }
        }
    }

    /// Loses the next `count` messages on all lines.
    pub fn skip(&mut self, count: u64) {
        self.to_skip += count;
    }

    /// Loses the next `count` messages on all lines and in the history: nobody has them, but what
    /// stands knows them.
    pub fn lose(&mut self, count: u64) {
        self.to_lose += count;
    }

    /// Lets the next message have other bytes on line B than on the others.
    pub fn differ(&mut self) {
        self.to_differ = true;
    }

    /// A symbol is gone to another partition, without a word.
    pub(crate) fn leave(&mut self, symbol: Symbol) {
        self.standing.leave(self.next_seq(), symbol);
    }

    /// What nobody is sent stands from the definition of the symbol on, which is to come.
    pub(crate) fn arrive(&mut self, symbol: Symbol, silent: &[Encoded]) {
        let silent = silent.iter().map(|message| message.bytes().into()).collect();
        self.standing.arrive(symbol, silent);
    }

    /// Begins another session at number 1.
    pub fn new_session(&mut self, now: Mono, framing: Framing) {
        self.cut_all(now);
        self.framing = framing;
        self.run += 1;
        self.renumber(At::START);
        self.history = History::new(self.history_bound, At::START);
        self.standing = Standing::new(&framing, self.standing.keeps_orders());
        self.ends_left = None;
        // A first message that differs would be how a restart looks.
        self.to_differ = false;
    }

    /// Begins again at number 1 under the same session name.
    pub fn restart(&mut self, now: Mono) {
        self.new_session(now, self.framing);
    }

    /// Leaves out the numbers before `next`, as a capture with a hole does. Numbers never go back.
    pub fn advance(&mut self, now: Mono, next: SeqNo) {
        if next > self.next_seq() {
            self.cut_all(now);
            let offset = self.lines.iter().flatten().map(|line| line.at.offset).max();
            let at = At { seq: next, offset: offset.unwrap_or(0) };
            self.renumber(at);
            self.history.skip_to(at);
        }
    }

    /// Ends the session: says so at once and then once a heartbeat interval, as often as
    /// configured; then there is silence. IEX-TP has no such packet and goes on with heartbeats.
    pub fn end(&mut self, now: Mono) {
        if self.ends_left.is_none() && self.alive {
            self.cut_all(now);
            self.ends_left = Some(self.ends);
            (0..LINES).for_each(|index| self.idle(index, now));
        }
    }

    /// Cuts the open packet of every line, lingered or not.
    pub fn cut_all(&mut self, now: Mono) {
        (0..LINES).for_each(|index| self.cut(index, now));
        self.release();
    }

    fn renumber(&mut self, at: At) {
        self.store = Store::new(at.seq);
        self.differs = None;
        self.lines.iter_mut().flatten().for_each(|line| line.at = at);
    }

    fn release(&mut self) {
        if !core::mem::take(&mut self.has_cut) {
            return;
        }
        if let Some(oldest) = self.lines.iter().flatten().map(|line| line.at.seq).min() {
            self.store.release(oldest);
        }
    }

    /// Makes the open packet of a line, and sends or withholds it.
    fn cut(&mut self, index: usize, now: Mono) {
        let Some(line) = &mut self.lines[index] else { return };
        let Some(Open { count, len, skipped, .. }) = line.open.take() else { return };
        self.has_cut = true;
        let at = line.at;
        let range = numbers(at.seq, u64::from(count));
        line.at.seq = range.end;
        line.at.offset += (len - self.framing.header_len()) as u64;
        if let Some(fate) = line.fate(now, range, skipped) {
            let mut payload = self.queue.buffer();
            let store = &self.store;
            let differs = self.differs.filter(|_| index == Line::B.index());
            let differs = differs.filter(|seq| range.contains(*seq));
            let messages = (range.first.0..range.end.0).map(|seq| store.get(SeqNo(seq)));
            let sent = self.clock.at(now);
            match differs {
                None => self.framing.data(&mut payload, len, at, sent, messages),
                Some(seq) => {
                    let other = altered(store.get(seq));
                    let nth = (seq.0 - at.seq.0) as usize;
                    let messages =
                        messages.enumerate().map(|(i, m)| if i == nth { &other[..] } else { m });
                    self.framing.data(&mut payload, len, at, sent, messages);
                }
            }
            self.enqueue(index, now, range, payload, fate);
        }
    }

    /// Says that nothing happens on a line: a heartbeat, or the end once the session has ended.
    fn idle(&mut self, index: usize, now: Mono) {
        let Some(line) = &mut self.lines[index] else { return };
        let (at, range) = (line.at, numbers(line.at.seq, 0));
        if let Some(fate) = line.fate(now, range, false) {
            let mut payload = self.queue.buffer();
            let sent = self.clock.at(now);
            if self.ends_left.is_some() {
                self.framing.end(&mut payload, at, sent);
            } else {
                self.framing.heartbeat(&mut payload, at, sent);
            }
            self.enqueue(index, now, range, payload, fate);
        }
    }

    fn enqueue(&mut self, index: usize, now: Mono, range: SeqRange, payload: Vec<u8>, fate: Fate) {
        let (Ok(delay), Some(line)) = (fate.sent, Line::from_index(index)) else { return };
        let first = Outgoing { due: now + delay, line, range, payload, second_copy: false };
        let second = fate.twice.then(|| {
            let mut payload = self.queue.buffer();
            payload.clear();
            payload.extend_from_slice(&first.payload);
            Outgoing { payload, second_copy: true, ..first }
        });
        self.queue.push(first);
        if let Some(second) = second {
            self.queue.push(second);
        }
    }
}

impl LineState {
    /// Counts a packet as cut and decides on it; `None` when it is withheld.
    fn fate(&mut self, now: Mono, range: SeqRange, skipped: bool) -> Option<Fate> {
        self.last_cut = now;
        self.counts.cut.add(range.len());
        let fate = self.dice.roll(&self.faults);
        let withheld = match fate.sent {
            _ if skipped => Some(Cause::Skipped),
            _ if self.dead => Some(Cause::Dead),
            Err(cause) => Some(cause),
            Ok(_) => None,
        };
        if let Some(cause) = withheld {
            withhold(self, range, cause);
            return None;
        }
        if fate.overtaken {
            self.counts.overtaken.add(range.len());
        }
        Some(fate)
    }
}

fn withhold(line: &mut LineState, range: SeqRange, cause: Cause) {
    line.counts.withheld[cause as usize].add(range.len());
    if !range.is_empty() && !line.withheld.note(range, cause) {
        line.counts.unlogged += 1;
    }
}

/// The message with one bit changed where that leaves it readable: ITCH's tracking number, or the
/// low end of IEX's time.
fn altered(message: &[u8]) -> Vec<u8> {
    let mut other = message.to_vec();
    let at = 4.min(other.len().saturating_sub(1));
    if let Some(byte) = other.get_mut(at) {
        *byte ^= 1;
    }
    other
}
