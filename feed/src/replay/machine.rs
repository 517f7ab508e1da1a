//! One partition being replayed: the very machine a lane runs, with a tally in place of a region.

use candor_book::Books;
use candor_core::counters::Counters;
use candor_core::limits::LINES;
use candor_core::{Line, Mono, Nanos, Reason, SeqNo, SessionId, Status, Symbol, SymbolIndex};
use candor_engine::{Capacity, Config, Partition, VenueSymbols};

use super::lines::Endpoint;
use super::tally::{Gap, OneLineLoss, Tally};
use super::{Options, SESSION_GRACE};

/// One partition after its replay.
pub struct Machine {
    /// Its name: as given, else counted from 1 in order of first sight.
    pub name: String,
    /// Its lines.
    pub lines: [Option<Endpoint>; LINES],
    pub(super) partition: Partition,
    pub(super) tally: Tally,
    /// UDP packets its lines carried; none where messages came from a file without packets.
    pub packets: u64,
    /// Its numbers are a file's own and start in the middle of a day.
    pub(super) cut: bool,
}

impl Machine {
    pub(super) fn new(options: &Options, index: usize, name: &str, now: Mono) -> Machine {
        let Capacity { symbols, orders, levels, trades } = options.capacity;
        let mut partition = Partition::new(Config {
            index: u16::try_from(index).unwrap_or(u16::MAX),
            format: options.feed,
            // A line that may still show up is a line: one that never speaks is never missed.
            lines: [true; LINES],
            grace: options.grace,
            session_grace: SESSION_GRACE,
            services: candor_engine::Services::default(),
            silence: crate::config::silence(options.feed),
            late: Nanos::from_secs(1),
            capacity: Capacity { symbols, orders, levels, trades },
            venue: VenueSymbols::default().into(),
            mapped_until: Mono::MAX,
            earlier: Vec::new(),
            followed: Vec::new(),
            moved: Vec::new(),
        });
        partition.define_by_any_message();
        let mut tally = Tally::new();
        partition.start(now, &mut tally);
        partition.subscribe(now, true, &mut tally);
        let lines = [None; LINES];
        Machine { name: name.to_owned(), lines, partition, tally, packets: 0, cut: false }
    }

    pub(super) fn on_packet(&mut self, now: Mono, line: Line, payload: &[u8]) {
        self.partition.on_packet(now, now, line, payload, &mut self.tally);
    }

    /// Lets pass what happens by itself up to `now`, each thing at its own time.
    pub(super) fn pass_time(&mut self, now: Mono, last: Mono) {
        let mut last = last;
        // BOUND: deadlines only move on; one that does not is left to the next packet.
        while let Some(deadline) = self.partition.deadline().filter(|at| *at <= now) {
            let at = deadline.max(last);
            self.partition.on_deadline(at, &mut self.tally);
            if self.partition.deadline().is_some_and(|next| next <= deadline) {
                break;
            }
            last = at;
        }
    }

    /// The partition's own status when the capture ended, the silence behind it left aside. What
    /// was cut out of a day is never more than `Recovering`, also where the numbers can't show it.
    #[must_use]
    pub fn status(&self) -> Status {
        let status = self.partition.status();
        if self.cut && status.is_live() { Status::stale(Reason::Recovering) } else { status }
    }

    /// The session followed last.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.partition.session()
    }

    /// The next number wanted.
    #[must_use]
    pub fn expected(&self) -> SeqNo {
        self.partition.expected()
    }

    /// The number behind the last known to exist.
    #[must_use]
    pub fn known_end(&self) -> SeqNo {
        self.tally.known_end
    }

    /// What it counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.partition.counters()
    }

    /// Its books.
    #[must_use]
    pub fn books(&self) -> &Books {
        self.partition.books()
    }

    /// Its symbols.
    pub fn symbols(&self) -> impl Iterator<Item = (SymbolIndex, Symbol)> + '_ {
        self.partition.symbols()
    }

    /// What was said last of a symbol, the partition's own status left aside.
    #[must_use]
    pub fn symbol_status(&self, index: SymbolIndex) -> Option<Status> {
        self.tally.symbols.get(index.0 as usize).copied().flatten()
    }

    /// Applied messages by type; those of types the specification does not list are among them.
    #[must_use]
    pub fn by_type(&self) -> &[u64; 256] {
        &self.tally.by_type
    }

    /// Applied messages of a symbol.
    #[must_use]
    pub fn messages_of(&self, index: SymbolIndex) -> u64 {
        self.tally.by_symbol.get(index.0 as usize).copied().unwrap_or(0)
    }

    /// Numbers every line was missing, whatever became of them.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        self.tally.all_gaps(self.session())
    }

    /// Numbers one line did not carry and another did.
    #[must_use]
    pub fn one_line_losses(&self) -> &[OneLineLoss] {
        &self.tally.one_line
    }

    /// Sessions that followed the first, in order; a restart names its session again.
    #[must_use]
    pub fn later_sessions(&self) -> &[SessionId] {
        &self.tally.sessions
    }
}
