//! What is known of a symbol beside its book: last trade, statistics, states, and which message
//! changed it last.

use candor_core::{BookView, SeqNo, Stats, Trade, TradingState, WireTime};

use crate::Fault;
use crate::trades::Broken;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Summary {
    seq: u64,
    time: WireTime,
    trading: TradingState,
    /// Halted by the venue for operational reasons, whatever `trading` says.
    operational_halt: bool,
    /// Open, high and low are prices, not the zeros of an empty session.
    priced: bool,
    /// The last trade and the statistics are what was shown last.
    shown: bool,
    round_lot: u32,
    last: Trade,
    stats: Stats,
}

// Books::reset states its cost in this.
const _: () = assert!(size_of::<Summary>() == 104);

impl Summary {
    pub(crate) const EMPTY: Summary = Summary {
        seq: 0,
        time: WireTime(0),
        trading: TradingState::Unknown,
        operational_halt: false,
        priced: false,
        shown: false,
        round_lot: 0,
        last: BookView::EMPTY.last,
        stats: BookView::EMPTY.stats,
    };

    /// This is as of the number before `since`; the statistics cover the numbers from there on.
    pub(crate) fn cover(&mut self, since: SeqNo) {
        self.shown = false;
        self.seq = since.0 - 1;
        self.stats.since = since.0;
    }

    /// The message that changed this symbol last.
    #[inline]
    pub(crate) fn changed_by(&mut self, seq: SeqNo, time: WireTime) {
        self.seq = seq.0;
        self.time = time;
    }

    /// A trade may count unless a sum would leave its bits; one that doesn't count may always be.
    #[inline]
    pub(crate) fn can_count(&self, size: u64, counts: bool) -> Result<(), Fault> {
        let fits = self.stats.volume.checked_add(size).is_some() && self.stats.trades < u32::MAX;
        if fits || !counts { Ok(()) } else { Err(Fault::BadSize) }
    }

    /// Takes in a trade that [`Summary::can_count`], and says whether anything changed.
    #[inline]
    pub(crate) fn trade(&mut self, trade: Trade, sets_last: bool, counts: bool) -> bool {
        debug_assert!(trade.size > 0);
        self.shown &= !(sets_last || counts);
        if sets_last {
            if !self.priced {
                self.priced = true;
                self.stats.open = trade.price;
                self.stats.high = trade.price;
                self.stats.low = trade.price;
            }
            self.stats.high = self.stats.high.max(trade.price);
            self.stats.low = self.stats.low.min(trade.price);
            self.last = trade;
        }
        if counts {
            self.stats.volume += trade.size;
            self.stats.trades += 1;
        }
        sets_last || counts
    }

    /// Takes a broken trade off the sums.
    pub(crate) fn break_trade(&mut self, broken: Broken) {
        self.shown = false;
        if broken.counted {
            assert!(self.stats.volume >= broken.size, "a counted trade isn't in the volume");
            assert!(self.stats.trades > 0, "a counted trade isn't in the count");
            self.stats.volume -= broken.size;
            self.stats.trades -= 1;
        }
        self.stats.broken = self.stats.broken.saturating_add(1);
    }

    /// The trading state, an operational halt laid over it.
    pub(crate) const fn trading_state(&self) -> TradingState {
        if self.operational_halt { TradingState::OperationalHalt } else { self.trading }
    }

    /// Sets the trading state below any operational halt; whether it differed.
    pub(crate) fn set_trading(&mut self, state: TradingState) -> bool {
        let differs = self.trading != state;
        self.trading = state;
        differs
    }

    /// Begins or ends an operational halt; whether that was news.
    pub(crate) fn set_operational_halt(&mut self, halted: bool) -> bool {
        let differs = self.operational_halt != halted;
        self.operational_halt = halted;
        differs
    }

    /// Takes the round lot of a definition; one that gives none leaves the known one.
    pub(crate) fn define(&mut self, round_lot: u32) {
        if round_lot != 0 {
            self.round_lot = round_lot;
        }
    }

    /// Writes everything but levels and decimals.
    #[inline]
    pub(crate) fn write(&self, view: &mut BookView) {
        self.write_states(view);
        view.last = self.last;
        view.stats = self.stats;
    }

    /// Writes everything but levels, decimals and trades.
    #[inline]
    pub(crate) fn write_states(&self, view: &mut BookView) {
        view.seq = self.seq;
        view.time = self.time;
        view.trading_state = self.trading_state();
        view.round_lot = self.round_lot;
    }

    /// Whether the last trade or the statistics may have changed since this was asked last.
    #[inline]
    pub(crate) fn take_changed(&mut self) -> bool {
        !std::mem::replace(&mut self.shown, true)
    }

    pub(crate) fn check(&self) {
        if self.priced {
            assert!(self.stats.low <= self.stats.open);
            assert!(self.stats.open <= self.stats.high);
            assert!(self.stats.low <= self.last.price);
            assert!(self.last.price <= self.stats.high);
            assert!(self.last.size > 0);
        } else {
            assert_eq!(self.last, BookView::EMPTY.last);
        }
        assert!(self.stats.volume >= u64::from(self.stats.trades));
    }
}
