use crate::{Config, Output, State, Wholeness};
use candor_core::{Line, Mono, Packet, SeqNo, SessionId, counters::Counters};

/// Makes one stream of a partition's lines. (Being written: the signatures stand.)
pub struct Sequencer {
    config: Config,
}

impl Sequencer {
    /// Allocates everything it will ever need.
    #[must_use]
    pub fn new(config: Config) -> Sequencer {
        Sequencer { config }
    }

    /// Takes a packet that arrived on `line` at `now`.
    pub fn on_packet(
        &mut self,
        _now: Mono,
        _line: Line,
        _packet: &Packet<'_>,
        _counters: &mut Counters,
        _out: &mut impl Output,
    ) {
        let _ = self.config;
    }

    /// Time has come to `now`.
    pub fn on_deadline(&mut self, _now: Mono, _counters: &mut Counters, _out: &mut impl Output) {}

    /// When [`Sequencer::on_deadline`] must be called at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        None
    }

    /// Where the stream stands.
    #[must_use]
    pub fn state(&self) -> State {
        State::NotStarted
    }

    /// Whether anything was given up in this session.
    #[must_use]
    pub fn whole(&self) -> Wholeness {
        Wholeness::Whole
    }

    /// The next number to be delivered.
    #[must_use]
    pub fn expected(&self) -> SeqNo {
        SeqNo::FIRST
    }

    /// The number behind the last one known to exist.
    #[must_use]
    pub fn known_end(&self) -> SeqNo {
        SeqNo::FIRST
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> SessionId {
        SessionId::NONE
    }

    /// Asserts the invariants.
    pub fn check(&self) {}
}
