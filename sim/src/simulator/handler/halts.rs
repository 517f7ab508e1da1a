//! What an operator halts, in the words of the kill switch.

use candor_core::Mono;
use candor_shm::Halt;

use super::Handler;

/// What an operator has halted.
#[derive(Clone, Default)]
pub(in crate::simulator) struct Halts {
    all: bool,
    partitions: Vec<usize>,
}

impl Halts {
    /// Halts a partition or everything, or resumes it.
    pub(in crate::simulator) fn set(&mut self, which: Option<usize>, halted: bool) {
        match which {
            None => self.all = halted,
            Some(partition) => {
                self.partitions.retain(|other| *other != partition);
                if halted {
                    self.partitions.push(partition);
                }
            }
        }
    }

    /// A map adds a partition beside others: of a venue that is halted whole it is halted, too.
    pub(super) fn add(&mut self, partition: usize, mut others: impl Iterator<Item = usize>) {
        if others.all(|other| self.partitions.contains(&other)) {
            self.set(Some(partition), true);
        }
    }

    fn covers(&self, partition: usize) -> bool {
        self.all || self.partitions.contains(&partition)
    }
}

impl Handler {
    /// The words of the kill switch become what an operator has halted, as of now.
    pub(in crate::simulator) fn halt(&mut self, halts: &Halts, now: Mono) {
        let set = |word: Halt, halted: bool| {
            let done = if halted { self.writer.halt(word, now) } else { self.writer.resume(word) };
            debug_assert!(done.is_some(), "{word:?} is there");
        };
        set(Halt::All, halts.all);
        for partition in 0..self.seats.len() {
            set(Halt::Partition(partition as u16), halts.partitions.contains(&partition));
        }
        self.halts = halts.clone();
    }

    /// Whether an operator has halted the partition, by itself or with everything.
    pub(in crate::simulator) fn is_halted(&self, partition: usize) -> bool {
        self.halts.covers(partition)
    }
}
