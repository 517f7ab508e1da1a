//! What was true when: a log of every change of a symbol's best ten levels, last trade or trading
//! state, and of every number a line withheld; and the judgement of a reader's book by it.
//!
//! The file is a header of 64 bytes (magic `CANDTRU2`, zeros behind it) and records of 64 bytes,
//! all integers little-endian:
//!
//! | offset | length | book (kind 1) | run (kind 2) | withheld (kind 3) |
//! | --- | --- | --- | --- | --- |
//! | 0 | 1 | 1 | 2 | 3 |
//! | 1 | 1 | bid levels, at most 10 | | line, 0 for A |
//! | 2 | 1 | ask levels, at most 10 | | cause ([`Cause`]) |
//! | 3 | 1 | trading state | | |
//! | 4 | 2 | partition, counted from 0 | same | same |
//! | 6 | 2 | run of numbers, counted from 0 | same | same |
//! | 8 | 8 | when published, ns since the host's boot | same | same |
//! | 16 | 8 | message number | first number of the run | first number withheld |
//! | 24 | 8 | [`levels_hash`] | | first number behind |
//! | 32 | 24 | symbol, zero padded | session id (16 bytes) | |
//! | 56 | 4 | the symbol's index in its partition | | |
//! | 60 | 4 | [`last_hash`] | 0 | 0 |
//!
//! A book's record stands for its number and all later ones until the next. The time is when the
//! message was handed to the lines, read before the packet was sent: no reader can know of it
//! earlier, and on a line without linger or delay it leaves microseconds later.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use candor_core::{
    BookView, Line, Mono, Nanos, SeqNo, SeqRange, SessionId, Side, Symbol, SymbolIndex,
    TradingState,
};
use thiserror::Error;

use crate::market::PartitionMarket;
use crate::publisher::{Cause, Withheld};
use crate::rng::mix;

/// Length of the header and of each record in bytes.
pub const RECORD_LEN: usize = 64;

const MAGIC: [u8; 8] = *b"CANDTRU2";

/// A fingerprint of the levels of both sides (price, size, orders).
#[must_use]
pub fn levels_hash(view: &BookView) -> u64 {
    let mut hash = 0;
    for side in [Side::Bid, Side::Ask] {
        let levels = view.levels(side);
        enter(&mut hash, levels.len() as u64);
        for level in levels {
            enter(&mut hash, level.price.0.cast_unsigned());
            enter(&mut hash, level.size);
            enter(&mut hash, u64::from(level.orders));
        }
    }
    hash
}

/// A fingerprint of the last trade's price and size.
#[must_use]
pub fn last_hash(view: &BookView) -> u32 {
    let mut hash = 0;
    enter(&mut hash, view.last.price.0.cast_unsigned());
    enter(&mut hash, view.last.size);
    hash as u32
}

fn enter(hash: &mut u64, word: u64) {
    *hash = mix(*hash ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
}

/// What of a book view is judged. Times, ids, statistics and the number do not enter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// [`levels_hash`].
    pub levels: u64,
    /// [`last_hash`].
    pub last: u32,
    /// Whether it may trade.
    pub state: TradingState,
}

impl Seen {
    /// Before the first message of a run.
    #[must_use]
    pub fn nothing() -> Seen {
        Seen::of(&BookView::EMPTY)
    }

    /// What this view shows.
    #[must_use]
    pub fn of(view: &BookView) -> Seen {
        let (levels, last) = (levels_hash(view), last_hash(view));
        Seen { levels, last, state: view.trading_state }
    }

    /// Whether a reader's view shows the same. One whose statistics begin at a snapshot and who has
    /// heard of no trade since can't know the last one: it is judged by levels and state alone.
    #[must_use]
    pub fn agrees(&self, view: &BookView) -> bool {
        let seen = Seen::of(view);
        let knows_last = view.last.size != 0 || view.stats.since <= 1;
        (self.levels, self.state) == (seen.levels, seen.state)
            && (self.last == seen.last || !knows_last)
    }
}

/// What a symbol looked like from one number on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The partition, counted from 0.
    pub partition: u16,
    /// The run of numbers, counted from 0: a new session or a restart begins the next.
    pub run: u16,
    /// The message that made it so.
    pub seq: SeqNo,
    /// When that was published.
    pub sent: Mono,
    /// What it looked like.
    pub seen: Seen,
    /// Levels of bids, at most ten.
    pub bid_count: u8,
    /// Levels of asks, at most ten.
    pub ask_count: u8,
}

/// A run of numbers as it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// The partition, counted from 0.
    pub partition: u16,
    /// The run, counted from 0.
    pub run: u16,
    /// Its first number.
    pub first: SeqNo,
    /// Its session.
    pub session: SessionId,
    /// When it began.
    pub began: Mono,
}

/// Numbers that a line did not carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Missing {
    /// The partition, counted from 0.
    pub partition: u16,
    /// The run, counted from 0.
    pub run: u16,
    /// The line.
    pub line: Line,
    /// Which numbers and why.
    pub withheld: Withheld,
    /// When this was written down: soon after it happened.
    pub noted: Mono,
}

/// Writes the log.
#[derive(Debug)]
pub struct Recorder<W> {
    out: W,
    /// Per partition: the run, and what was last written of each symbol.
    partitions: Vec<(u16, Vec<Seen>)>,
}

impl<W: Write> Recorder<W> {
    /// Begins a log for partitions with so many symbols each (0 for a replayed capture).
    ///
    /// # Errors
    /// Whatever writing the header says.
    pub fn new(mut out: W, symbols: &[usize]) -> io::Result<Recorder<W>> {
        let mut header = [0; RECORD_LEN];
        header[..8].copy_from_slice(&MAGIC);
        out.write_all(&header)?;
        let partitions = symbols.iter().map(|count| (0, vec![Seen::nothing(); *count]));
        Ok(Recorder { out, partitions: partitions.collect() })
    }

    /// Notes that a run of numbers begins: the first of a partition, or another after it. Books
    /// start empty.
    ///
    /// # Errors
    /// Whatever writing says.
    pub fn begin(
        &mut self,
        partition: usize,
        now: Mono,
        session: SessionId,
        first: SeqNo,
        again: bool,
    ) -> io::Result<()> {
        let (run, symbols) = &mut self.partitions[partition];
        if again {
            *run += 1;
            symbols.fill(Seen::nothing());
        }
        let mut record = record(2, [0; 3], partition, *run, now, first.0, 0);
        record[32..48].copy_from_slice(&session.0.to_le_bytes());
        self.out.write_all(&record)
    }

    /// Notes a symbol as it is after message `seq`, if that shows in its best ten levels, last
    /// trade or trading state.
    ///
    /// # Errors
    /// Whatever writing says.
    pub fn observe(
        &mut self,
        partition: usize,
        now: Mono,
        seq: SeqNo,
        market: &PartitionMarket,
        symbol: SymbolIndex,
    ) -> io::Result<()> {
        let mut view = BookView::EMPTY;
        market.book(symbol).view(&mut view);
        let seen = Seen::of(&view);
        let (run, symbols) = &mut self.partitions[partition];
        let last = &mut symbols[symbol.0 as usize];
        if *last == seen {
            return Ok(());
        }
        *last = seen;
        let front = [view.bid_count, view.ask_count, view.trading_state as u8];
        let mut record = record(1, front, partition, *run, now, seq.0, seen.levels);
        record[32..56].copy_from_slice(market.symbol(symbol).bytes());
        record[56..60].copy_from_slice(&symbol.0.to_le_bytes());
        record[60..].copy_from_slice(&seen.last.to_le_bytes());
        self.out.write_all(&record)
    }

    /// Notes numbers that a line did not carry.
    ///
    /// # Errors
    /// Whatever writing says.
    pub fn withheld(
        &mut self,
        partition: usize,
        now: Mono,
        line: Line,
        withheld: Withheld,
    ) -> io::Result<()> {
        let run = self.partitions[partition].0;
        let front = [line.index() as u8, withheld.cause as u8, 0];
        let range = withheld.range;
        self.out.write_all(&record(3, front, partition, run, now, range.first.0, range.end.0))
    }

    /// Hands everything on.
    ///
    /// # Errors
    /// Whatever flushing says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn record(
    kind: u8,
    front: [u8; 3],
    partition: usize,
    run: u16,
    now: Mono,
    seq: u64,
    word: u64,
) -> [u8; RECORD_LEN] {
    let mut record = [0; RECORD_LEN];
    record[0] = kind;
    record[1..4].copy_from_slice(&front);
    record[4..6].copy_from_slice(&(partition as u16).to_le_bytes());
    record[6..8].copy_from_slice(&run.to_le_bytes());
    record[8..16].copy_from_slice(&now.0.to_le_bytes());
    record[16..24].copy_from_slice(&seq.to_le_bytes());
    record[24..32].copy_from_slice(&word.to_le_bytes());
    record
}

/// Why a log can't be read.
#[derive(Debug, Error)]
pub enum TruthError {
    /// The file can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not a log of this version.
    #[error("not a log of truth of this version")]
    NotTruth,
    /// A record that can't be.
    #[error("record {0} is none")]
    BadRecord(usize),
}

/// How a reader's book compares with the truth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is the true book as of its number, and no newer one was out for longer than the grace.
    True,
    /// The log has no such symbol.
    UnknownSymbol,
    /// In no run is this the book as of its number.
    False,
    /// It was true, but this followed longer ago than the grace.
    Old(Entry),
}

/// A log, read.
#[derive(Debug, Default)]
pub struct Truth {
    symbols: BTreeMap<Symbol, Vec<Entry>>,
    runs: Vec<Run>,
    missing: Vec<Missing>,
}

impl Truth {
    /// Reads a log. A record cut short at the end is left out, so that a log may be read while it
    /// is written.
    ///
    /// # Errors
    /// [`TruthError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Truth, TruthError> {
        Truth::parse(&fs::read(path)?)
    }

    /// Reads a log from memory.
    ///
    /// # Errors
    /// [`TruthError::NotTruth`], [`TruthError::BadRecord`].
    pub fn parse(bytes: &[u8]) -> Result<Truth, TruthError> {
        let (records, _) = bytes.as_chunks::<RECORD_LEN>();
        let Some((header, records)) = records.split_first() else {
            return Err(TruthError::NotTruth);
        };
        if header[..8] != MAGIC {
            return Err(TruthError::NotTruth);
        }
        let mut truth = Truth::default();
        for (index, record) in records.iter().enumerate() {
            truth.take(record).ok_or(TruthError::BadRecord(index))?;
        }
        Ok(truth)
    }

    /// The symbols of the log.
    pub fn symbols(&self) -> impl Iterator<Item = &Symbol> {
        self.symbols.keys()
    }

    /// Every change of a symbol, in order; empty where the log has no such symbol.
    #[must_use]
    pub fn history(&self, symbol: &Symbol) -> &[Entry] {
        self.symbols.get(symbol).map_or(&[], Vec::as_slice)
    }

    /// What a symbol looked like as of a number of a run; `None` before its first change.
    #[must_use]
    pub fn as_of(&self, symbol: &Symbol, run: u16, seq: SeqNo) -> Option<&Entry> {
        let history = self.history(symbol);
        let behind = history.partition_point(|entry| (entry.run, entry.seq) <= (run, seq));
        history[..behind].last().filter(|entry| entry.run == run)
    }

    /// The runs of numbers of all partitions, in the order in which they began.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The numbers that lines did not carry.
    #[must_use]
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// Judges a book that a reader was shown as live at `read_at`: it must be the true one as of its
    /// number, and whatever followed must have been published no longer ago than `grace`. What no
    /// line carried can't be known before the next packet or heartbeat; a grace must have room
    /// for that where messages are lost on all lines. A last trade that the reader can't know is not
    /// judged ([`Seen::agrees`]).
    #[must_use]
    pub fn judge(&self, symbol: &Symbol, view: &BookView, read_at: Mono, grace: Nanos) -> Verdict {
        let history = self.history(symbol);
        let Some(newest) = history.last() else { return Verdict::UnknownSymbol };
        let mut verdict = Verdict::False;
        for run in 0..=newest.run {
            let behind = history.partition_point(|e| (e.run, e.seq) <= (run, SeqNo(view.seq)));
            let then = history[..behind].last().filter(|entry| entry.run == run);
            let truth = then.map_or_else(Seen::nothing, |entry| entry.seen);
            if !truth.agrees(view) {
                continue;
            }
            match history.get(behind) {
                Some(next) if next.sent + grace < read_at => verdict = Verdict::Old(*next),
                _ => return Verdict::True,
            }
        }
        verdict
    }

    fn take(&mut self, record: &[u8; RECORD_LEN]) -> Option<()> {
        let word = |at: usize| -> Option<u64> {
            Some(u64::from_le_bytes(*record.get(at..)?.first_chunk::<8>()?))
        };
        let partition = u16::from_le_bytes([record[4], record[5]]);
        let run = u16::from_le_bytes([record[6], record[7]]);
        let (sent, seq, hash) = (Mono(word(8)?), SeqNo(word(16)?), word(24)?);
        match record[0] {
            1 => {
                let state = TradingState::from_code(record[3]);
                let last = u32::from_le_bytes(*record[60..].first_chunk::<4>()?);
                let seen = Seen { levels: hash, last, state };
                let [_, bid_count, ask_count, ..] = *record;
                let entry = Entry { partition, run, seq, sent, seen, bid_count, ask_count };
                let symbol = Symbol::from_wire(&record[32..56])?;
                self.symbols.entry(symbol).or_default().push(entry);
            }
            2 => {
                let session = SessionId(u128::from_le_bytes(*record[32..].first_chunk::<16>()?));
                self.runs.push(Run { partition, run, first: seq, session, began: sent });
            }
            3 => {
                let line = Line::from_index(usize::from(record[1]))?;
                let cause = *Cause::ALL.get(usize::from(record[2]))?;
                let withheld = Withheld { range: SeqRange::between(seq, SeqNo(hash)), cause };
                self.missing.push(Missing { partition, run, line, withheld, noted: sent });
            }
            _ => return None,
        }
        Some(())
    }
}
