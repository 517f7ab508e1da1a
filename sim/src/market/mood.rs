//! What a partition's flow does when it is not itself.

use candor_core::{TradingState, WireTime};

use super::flow::{Halt, PartitionMarket};
use super::wire::Action;

/// A time that does not come: until the mood changes.
const LASTING: WireTime = WireTime(u64::MAX);

/// What is asked of a partition's flow, beside what it does by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mood {
    /// Nothing.
    #[default]
    Usual,
    /// It has nothing to say: its numbers stand still.
    Still,
    /// The first of its symbols is halted, or every one, until the mood changes.
    Halted {
        /// Every one.
        all: bool,
    },
    /// Three of four symbols, or each where there are not so many, have every order taken away, and
    /// none is added. DEEP says it as levels of size zero.
    Withdrawn,
}

impl PartitionMarket {
    /// Changes the mood. What was halted by the one before resumes.
    pub fn set_mood(&mut self, mood: Mood) {
        if mood == self.mood {
            return;
        }
        self.mood = mood;
        for halt in self.halts.iter_mut().filter(|halt| halt.until == LASTING) {
            halt.until = WireTime(0);
        }
    }

    /// Whether the flow has anything to say.
    #[must_use]
    pub fn is_still(&self) -> bool {
        self.mood == Mood::Still
    }

    /// Whether this symbol's orders are being taken away.
    pub(super) fn is_withdrawn(&self, index: usize) -> bool {
        self.mood == Mood::Withdrawn && (!index.is_multiple_of(4) || self.stocks.len() < 4)
    }

    /// What the mood asks for next, if anything is left to be done.
    pub(super) fn moody(&mut self) -> Option<(Option<usize>, Action)> {
        match self.mood {
            Mood::Usual | Mood::Still => None,
            Mood::Halted { all } => {
                let most = if all { self.stocks.len() } else { 1 };
                let trades = |index: &usize| {
                    self.stocks[*index].book.state == TradingState::Trading
                        && self.halts.iter().all(|halt| halt.symbol != *index)
                };
                let index = (0..most).find(trades)?;
                self.halts.push(Halt { symbol: index, until: LASTING });
                let reason = if all { *b"MWC1" } else { *b"T1  " };
                Some((Some(index), self.set_state(index, b'H', TradingState::Halted, reason)))
            }
            Mood::Withdrawn => {
                let quoted = |index: &usize| {
                    self.is_withdrawn(*index) && !self.stocks[*index].book.orders().is_empty()
                };
                let index = (0..self.stocks.len()).find(quoted)?;
                Some(self.delete(index))
            }
        }
    }
}
