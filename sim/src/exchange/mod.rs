//! A whole exchange without clock and sockets: what is published (a market or a capture), at what
//! pace, by one publisher a partition, and what an operator commands.
//!
//! ```text
//! loop { exchange.step(now)?; while let Some(packet) = exchange.pop(now) { send it }; wait until next_due }
//! ```
//!
//! Beside the lines each partition has the venue's services ([`crate::services`]): what comes in for
//! them is handed over between steps, and what they want done comes out of [`Exchange::next_out`].

mod commands;
mod pace;
mod replay;
mod services;
mod status;

use std::io::{self, Write};

use candor_core::limits::LINES;
use candor_core::{Line, Mono, Nanos, SeqNo, SessionId, Symbol, SymbolIndex, WireTime};
use thiserror::Error;

use crate::capture::{Capture, CaptureError};
use crate::market::wire::Encoded;
use crate::market::{Market, MarketConfig, Mood};
use crate::publisher::{
    Framing, LineConfig, Outgoing, PublishError, Publisher, PublisherConfig, WireClock,
};
use crate::rng::Rng;
use crate::services::{Services, ServicesConfig};
use crate::truth::Recorder;
pub use commands::session_name;
use pace::Pace;
use replay::Replay;
pub use replay::Speed;

/// Most messages of one step; what is due beyond follows in the next.
const MOST_A_STEP: u64 = 4_096;

/// What is common to every kind of exchange.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeConfig {
    /// The lines and how they pack; faults come by command.
    pub lines: [Option<LineConfig>; LINES],
    /// Idle time after which a line says which number is next.
    pub heartbeat: Nanos,
    /// Everything random follows from it.
    pub seed: u64,
    /// Whether the flow waits for the command to resume. Heartbeats go on.
    pub paused: bool,
    /// Messages of the session that each partition remembers for its services.
    pub history: usize,
    /// The services of each partition.
    pub services: ServicesConfig,
}

/// The flow of a synthetic market.
#[derive(Clone, Copy, Debug)]
pub struct FlowConfig {
    /// The market.
    pub market: MarketConfig,
    /// The session's name, space padded; for IEX it ends in the session's number.
    pub session: [u8; 10],
    /// Messages a second over all partitions once they are open.
    pub rate: u64,
    /// Messages a second over all partitions during opening sequences.
    pub opening_rate: u64,
    /// The venue's time at the beginning, as its messages count it: ns since midnight, or for IEX
    /// since the epoch.
    pub begin: WireTime,
}

enum Source {
    Market {
        market: Market,
        flow: Pace,
        opening: Pace,
        picks: Rng,
        /// Running sums of the partitions' activity.
        activity: Vec<u64>,
        turn: usize,
    },
    Replay(Box<Replay>),
}

/// Where the log of truth goes.
pub type TruthSink = Box<dyn Write + Send>;

/// Why an exchange can't go on.
#[derive(Debug, Error)]
pub enum ExchangeError {
    /// The log of truth can't be written.
    #[error("the log of truth: {0}")]
    Truth(#[from] io::Error),
    /// The capture can't be read on.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The capture has no message of this format.
    #[error("the capture holds no message of this feed")]
    EmptyCapture,
}

/// An exchange.
pub struct Exchange {
    source: Source,
    publishers: Vec<Publisher>,
    services: Vec<Services>,
    clock: WireClock,
    paused: bool,
    recorder: Option<Recorder<TruthSink>>,
    /// Messages too long for the packing.
    refused: u64,
    quit: bool,
    turn: usize,
}

impl Exchange {
    /// An exchange of a synthetic market, which opens at `now` unless paused.
    ///
    /// # Errors
    /// [`ExchangeError::Truth`].
    pub fn market(
        config: &ExchangeConfig,
        flow: &FlowConfig,
        truth: Option<TruthSink>,
        now: Mono,
    ) -> Result<Exchange, ExchangeError> {
        Exchange::trading(config, flow, Market::new(flow.market), truth, now)
    }

    /// An exchange of a synthetic market with these symbols, by partition, in the place of those that
    /// `flow` counts.
    ///
    /// # Errors
    /// [`ExchangeError::Truth`].
    pub fn listed(
        config: &ExchangeConfig,
        flow: &FlowConfig,
        lists: &[Vec<Symbol>],
        truth: Option<TruthSink>,
        now: Mono,
    ) -> Result<Exchange, ExchangeError> {
        Exchange::trading(config, flow, Market::listed(flow.market, lists), truth, now)
    }

    fn trading(
        config: &ExchangeConfig,
        flow: &FlowConfig,
        market: Market,
        truth: Option<TruthSink>,
        now: Mono,
    ) -> Result<Exchange, ExchangeError> {
        let clock = WireClock { mono: now, wire: flow.begin };
        let symbols: Vec<usize> = market.partitions.iter().map(|p| p.symbols().len()).collect();
        let running = market.partitions.iter().scan(0, |sum, partition| {
            *sum += partition.activity();
            Some(*sum)
        });
        let source = Source::Market {
            activity: running.collect(),
            market,
            flow: Pace::new(flow.rate, now),
            opening: Pace::new(flow.opening_rate, now),
            picks: Rng::stream(config.seed, 1 << 40),
            turn: 0,
        };
        let framing = flow.market.family.framing(flow.session);
        Exchange::new(config, source, framing, SeqNo::FIRST, clock, &symbols, truth, now)
    }

    /// An exchange that replays a capture on one partition.
    ///
    /// # Errors
    /// [`ExchangeError::Capture`], [`ExchangeError::EmptyCapture`], [`ExchangeError::Truth`].
    pub fn replay(
        config: &ExchangeConfig,
        mut capture: Capture,
        speed: Speed,
        truth: Option<TruthSink>,
        now: Mono,
    ) -> Result<Exchange, ExchangeError> {
        let first = capture.next().ok_or(ExchangeError::EmptyCapture)??;
        let framing = capture.framing().ok_or(ExchangeError::EmptyCapture)?;
        let clock = WireClock { mono: now, wire: first.wire };
        let seq = first.seq;
        let replay = Replay::new(Box::new(capture), first, speed, now);
        let source = Source::Replay(Box::new(replay));
        Exchange::new(config, source, framing, seq, clock, &[0], truth, now)
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where both kinds come together")]
    fn new(
        config: &ExchangeConfig,
        source: Source,
        framing: Framing,
        first: SeqNo,
        clock: WireClock,
        symbols: &[usize],
        truth: Option<TruthSink>,
        now: Mono,
    ) -> Result<Exchange, ExchangeError> {
        let publisher = |partition: usize| {
            let seed = Rng::stream(config.seed, 2 << 40 | partition as u64).bits();
            let (lines, heartbeat) = (config.lines, config.heartbeat);
            let config = PublisherConfig {
                first,
                lines,
                heartbeat,
                clock,
                history: config.history,
                keeps_orders: matches!(source, Source::Replay(_)),
                ..PublisherConfig::new(framing, seed)
            };
            Publisher::new(&config, now)
        };
        let publishers: Vec<Publisher> = (0..symbols.len()).map(publisher).collect();
        let mut recorder = truth.map(|sink| Recorder::new(sink, symbols)).transpose()?;
        if let Some(recorder) = &mut recorder {
            for (partition, publisher) in publishers.iter().enumerate() {
                let session = session_id(&publisher.framing());
                recorder.begin(partition, now, session, first, false)?;
            }
        }
        let services = publishers.iter().map(|_| Services::new(config.services)).collect();
        Ok(Exchange {
            source,
            publishers,
            services,
            clock,
            paused: config.paused,
            recorder,
            refused: 0,
            quit: false,
            turn: 0,
        })
    }

    /// Publishes what is due by `now`, and lets publishers do what is due by itself.
    ///
    /// # Errors
    /// [`ExchangeError`]: the exchange can't go on.
    pub fn step(&mut self, now: Mono) -> Result<(), ExchangeError> {
        if !self.paused {
            match self.source {
                Source::Market { .. } => self.flow(now)?,
                Source::Replay(_) => self.replay_on(now)?,
            }
        }
        for partition in 0..self.publishers.len() {
            self.publishers[partition].on_deadline(now);
            if self.recorder.is_some() {
                self.note_withheld(partition, now)?;
            }
        }
        self.step_services(now);
        Ok(())
    }

    /// The next packet due by `now`, with its partition. Give the buffer back by
    /// [`Exchange::recycle`].
    pub fn pop(&mut self, now: Mono) -> Option<(usize, Outgoing)> {
        while self.turn < self.publishers.len() {
            if let Some(packet) = self.publishers[self.turn].pop(now) {
                return Some((self.turn, packet));
            }
            self.turn += 1;
        }
        self.turn = 0;
        None
    }

    /// Takes a packet's buffer back.
    pub fn recycle(&mut self, partition: usize, buffer: Vec<u8>) {
        self.publishers[partition].recycle(buffer);
    }

    /// When there is next something to do; `None` while there is nothing.
    #[must_use]
    pub fn next_due(&self) -> Option<Mono> {
        let source = match &self.source {
            _ if self.paused => None,
            Source::Market { market, flow, opening, .. } => {
                if self.opening_partition(market, 0).is_some() {
                    opening.next().into_iter().chain(flow.next()).min()
                } else {
                    flow.next()
                }
            }
            Source::Replay(_) if !speaks(&self.publishers[0]) => None,
            Source::Replay(replay) => replay.due(),
        };
        let own = self.publishers.iter().filter_map(Publisher::next_due);
        source.into_iter().chain(own).chain(self.services_due()).min()
    }

    /// Whether an operator told it to stop.
    #[must_use]
    pub fn wants_to_quit(&self) -> bool {
        self.quit
    }

    /// Whether a capture is through; never for a market.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(&self.source, Source::Replay(replay) if replay.is_over())
    }

    /// The publishers by partition.
    #[must_use]
    pub fn publishers(&self) -> &[Publisher] {
        &self.publishers
    }

    /// The market, where there is one.
    #[must_use]
    pub fn true_market(&self) -> Option<&Market> {
        match &self.source {
            Source::Market { market, .. } => Some(market),
            Source::Replay(_) => None,
        }
    }

    /// Changes the mood of a partition's flow; a capture has none.
    pub fn set_mood(&mut self, partition: usize, mood: Mood) {
        if let Source::Market { market, .. } = &mut self.source {
            market.partitions[partition].set_mood(mood);
        }
    }

    /// Lists another symbol on a partition in the place of one, for a session that begins at once; a capture has
    /// what it has.
    pub fn relist(&mut self, partition: usize, index: SymbolIndex, symbol: Symbol) {
        if let Source::Market { market, .. } = &mut self.source {
            market.partitions[partition].relist(index, symbol);
        }
    }

    /// Keeps the first symbol of a partition back, before anything was said, or lists it; a capture has what it has.
    pub fn keep_back(&mut self, partition: usize, back: bool) {
        if let Source::Market { market, .. } = &mut self.source {
            let market = &mut market.partitions[partition];
            if back { market.keep_back() } else { market.list() }
        }
    }

    /// Lists the first symbol of a partition no more; a capture has what it has.
    pub fn delist(&mut self, partition: usize) {
        if let Source::Market { market, .. } = &mut self.source {
            market.partitions[partition].delist();
        }
    }

    /// Moves the first symbol of a partition to another, which has kept it back, with its orders and without a word
    /// of them. Returns them, as messages that nobody is sent; a capture has what it has.
    pub fn carry(&mut self, from: usize, to: usize, now: Mono) -> Vec<Encoded> {
        let Source::Market { market, .. } = &mut self.source else { return Vec::new() };
        let symbol = market.partitions[from].symbol(SymbolIndex(0));
        let silent = market.carry(from, to, self.clock.at(now));
        self.publishers[from].leave(symbol);
        self.publishers[to].arrive(symbol, &silent);
        silent
    }

    /// Cuts every open packet, so that the lines stop at the same number.
    pub fn cut_all(&mut self, now: Mono) {
        self.publishers.iter_mut().filter(|one| one.is_alive()).for_each(|one| one.cut_all(now));
    }

    /// Hands the log of truth on.
    ///
    /// # Errors
    /// [`ExchangeError::Truth`].
    pub fn flush(&mut self) -> Result<(), ExchangeError> {
        Ok(self.recorder.as_mut().map_or(Ok(()), Recorder::flush)?)
    }

    /// The first partition from `turn` on that speaks and is not open yet.
    fn opening_partition(&self, market: &Market, turn: usize) -> Option<usize> {
        let count = market.partitions.len();
        (turn..count).chain(0..turn.min(count)).find(|partition| {
            let publisher = &self.publishers[*partition];
            speaks(publisher) && market.partitions[*partition].is_opening()
        })
    }

    fn flow(&mut self, now: Mono) -> Result<(), ExchangeError> {
        let Source::Market { market, flow, opening, turn, .. } = &self.source else {
            return Ok(());
        };
        let (mut flow, mut opening, mut turn) = (*flow, *opening, *turn);
        if self.opening_partition(market, turn).is_none() {
            opening.restart(opening.rate(), now);
        }
        for _ in 0..opening.take(now, MOST_A_STEP) {
            let Source::Market { market, .. } = &self.source else { break };
            let Some(partition) = self.opening_partition(market, turn) else {
                // The last of them has opened: the flow begins here.
                break;
            };
            self.publish_next(partition, now)?;
            turn = partition + 1;
        }
        for _ in 0..flow.take(now, MOST_A_STEP) {
            if let Some(partition) = self.pick() {
                self.publish_next(partition, now)?;
            }
        }
        if let Source::Market { flow: f, opening: o, turn: t, .. } = &mut self.source {
            (*f, *o, *t) = (flow, opening, turn);
        }
        Ok(())
    }

    /// A partition by its activity; `None` where it is not open, so that a silent partition's
    /// share of the rate falls to nobody.
    fn pick(&mut self) -> Option<usize> {
        let Source::Market { market, picks, activity, .. } = &mut self.source else { return None };
        let draw = picks.below(activity.last().copied()?);
        let index = activity.partition_point(|sum| *sum <= draw);
        let partition = &market.partitions[index];
        let open = speaks(&self.publishers[index]) && partition.is_open() && !partition.is_still();
        open.then_some(index)
    }

    /// Publishes the market's next message of a partition, and all of a transaction that it begins.
    fn publish_next(&mut self, partition: usize, now: Mono) -> Result<(), ExchangeError> {
        self.publish_one(partition, now)?;
        let more = |source: &Source| match source {
            Source::Market { market, .. } => market.partitions[partition].is_mid_transaction(),
            Source::Replay(_) => false,
        };
        // BOUND: the levels of a transaction.
        while more(&self.source) {
            self.publish_one(partition, now)?;
        }
        Ok(())
    }

    fn publish_one(&mut self, partition: usize, now: Mono) -> Result<(), ExchangeError> {
        let Source::Market { market, .. } = &mut self.source else { return Ok(()) };
        let market = &mut market.partitions[partition];
        let Some(step) = market.next(self.clock.at(now)) else { return Ok(()) };
        match self.publishers[partition].push(now, step.message.bytes()) {
            Ok(seq) => {
                if let (Some(recorder), Some(symbol)) = (&mut self.recorder, step.touched) {
                    recorder.observe(partition, now, seq, market, symbol)?;
                }
            }
            // The callers ask only partitions that speak, and packings are checked to hold any
            // message of a market; a message that is not published would make the truth a lie.
            Err(PublishError::TooLong(_)) => self.refused += 1,
            Err(_) => {}
        }
        Ok(())
    }

    fn replay_on(&mut self, now: Mono) -> Result<(), ExchangeError> {
        for _ in 0..MOST_A_STEP {
            let Source::Replay(replay) = &mut self.source else { break };
            let publisher = &mut self.publishers[0];
            if !speaks(publisher) {
                break;
            }
            let Some(message) = replay.take(now)? else { break };
            publisher.advance(now, message.seq);
            if publisher.push(now, &message.bytes).is_err() {
                self.refused += 1;
            }
        }
        Ok(())
    }

    fn note_withheld(&mut self, partition: usize, now: Mono) -> Result<(), ExchangeError> {
        let Some(recorder) = &mut self.recorder else { return Ok(()) };
        for line in Line::ALL {
            for withheld in self.publishers[partition].take_withheld(line) {
                recorder.withheld(partition, now, line, withheld)?;
            }
        }
        Ok(())
    }
}

/// Whether messages can be published.
fn speaks(publisher: &Publisher) -> bool {
    publisher.is_alive() && !publisher.is_ended()
}

fn session_id(framing: &Framing) -> SessionId {
    match framing {
        Framing::MoldUdp64(name) => SessionId::from_text(*name),
        Framing::IexTp(stream) => SessionId::from_number(u64::from(stream.session)),
    }
}
