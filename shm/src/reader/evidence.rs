//! The words a verdict is made of, each for itself: for a display that explains one. None of it is
//! on the path to a price, and none of it can make anything Live.

use candor_core::status::LIVE_CODE;
use candor_core::{BookView, Mono, Reason};

use super::{Handle, Region};
use crate::atomic::Ordering;
use crate::layout::State;
use crate::seqlock;
use crate::slot::load_content;

/// One of the three words, as its writer left it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word {
    /// The code: a reason's, that of "nothing against it", or 0 where nobody wrote.
    pub code: u8,
    /// The epoch it was written in.
    pub epoch: u32,
    /// Since when it holds.
    pub since: Mono,
}

impl Word {
    fn of(word: u64, since: u64) -> Word {
        let State { code, epoch, .. } = State::of(word);
        Word { code, epoch, since: Mono(since) }
    }

    /// The reason it gives; `None` also for a code of no reason of this build.
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        Reason::from_code(self.code)
    }

    /// Whether its writer had nothing against Live.
    #[must_use]
    pub fn is_clear(self) -> bool {
        self.code == LIVE_CODE
    }
}

/// Everything a verdict on one symbol looks at, loaded one by one: for display only. The verdict
/// itself is [`Region::read`]'s, which loads them in the order that makes it true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// What the handler says of itself.
    pub handler: Word,
    /// The lane that writes the partition.
    pub lane: u16,
    /// Until when the lane vouches for itself; 0 before the first time.
    pub lane_lease: Mono,
    /// What the lane says of the partition.
    pub partition: Word,
    /// Until when the partition's last packet vouches for it; 0 before the first evidence.
    pub partition_lease: Mono,
    /// What was published of the symbol; `None` when no whole copy could be had.
    pub symbol: Option<Word>,
    /// The name is in more than one partition of the venue.
    pub contested: bool,
    /// Since when everything is halted; 0 while it is not.
    pub all_halted: Mono,
    /// Since when the partition is.
    pub partition_halted: Mono,
    /// Since when the symbol is.
    pub symbol_halted: Mono,
}

impl Region {
    /// The words behind a symbol's status; `None` for a handle of no symbol here.
    #[must_use]
    pub fn evidence(&self, handle: Handle) -> Option<Evidence> {
        let (place, slot) = self.slot(handle)?;
        let header = self.header();
        let record = self.partition_record(place);
        // ORDER: each word before the time stored with it; nothing else depends on an order here.
        let handler = header.state.load(Ordering::Acquire);
        let partition = record.state.load(Ordering::Acquire);
        let mut book = BookView::EMPTY;
        let copied = seqlock::read(&slot.lock, || load_content(slot, &mut book));
        Some(Evidence {
            handler: Word::of(handler, header.since.load(Ordering::Relaxed)),
            lane: place.lane,
            lane_lease: Mono(self.lane_record(place.lane).lease.load(Ordering::Relaxed)),
            partition: Word::of(partition, record.since.load(Ordering::Relaxed)),
            partition_lease: Mono(record.lease.load(Ordering::Relaxed)),
            symbol: copied.map(|((state, since), _)| Word {
                code: state.code,
                epoch: state.epoch,
                since,
            }),
            contested: handle.contested || slot.contested.load(Ordering::Relaxed) != 0,
            all_halted: Mono(header.halted.load(Ordering::Relaxed)),
            partition_halted: Mono(record.halted.load(Ordering::Relaxed)),
            symbol_halted: Mono(slot.halted.load(Ordering::Relaxed)),
        })
    }
}
