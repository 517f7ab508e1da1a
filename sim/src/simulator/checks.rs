//! What a reader may see at an instant, judged by the oracle: the invariants, one by one.

use candor_core::counters::Counter;
use candor_core::{BookView, Mono, Nanos, Reason, SessionId, Side, Symbol};
use candor_shm::{Read, Region};

use super::Setup;
use super::handler::{Handler, Lane, Seat, venue};
use super::maps::Maps;
use super::network::Arrival;
use super::said::Joined;
use super::schedule::{Expect, Must, Tamper, Whose};
use crate::market::Family;
use crate::oracle::book::{print_of_book, print_of_depth, print_of_trades};
use crate::oracle::{Entry, Truth};

/// A check that did not hold, in words: which invariant, and what was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrong {
    /// The partition.
    pub partition: usize,
    /// What.
    pub what: String,
}

/// Judges reads.
pub(super) struct Judge<'a> {
    pub(super) setup: &'a Setup,
    pub(super) truths: &'a [Truth],
    pub(super) start: Mono,
    /// Reads made so far.
    pub(super) reads: &'a mut u64,
    /// Reads that were Live.
    pub(super) live: &'a mut u64,
}

/// Where a symbol is that two partitions publish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Home {
    /// On the partition that has it by the map.
    Own,
    /// On another.
    Foreign,
}

/// Everything one read is judged by.
struct Case<'a> {
    setup: &'a Setup,
    truth: &'a Truth,
    lane: &'a Lane,
    seat: &'a Seat,
    maps: &'a Maps,
    index: usize,
    name: Symbol,
    two_homes: Option<Home>,
    /// Whether the partition that it moved to has named it.
    gone: bool,
    oracle: Option<u32>,
    halted: bool,
    now: Mono,
}

impl Judge<'_> {
    /// Reads the symbols that were touched by the last call into a partition.
    pub(super) fn touched(
        &mut self,
        handler: &mut Handler,
        index: usize,
        now: Mono,
    ) -> Result<(), Wrong> {
        let watch = &mut handler.seats[index].watch;
        if let Some(what) = watch.wrong.take() {
            return Err(Wrong { partition: index, what });
        }
        if let Some(joined) = watch.joined.take() {
            self.joined(index, &joined)?;
        }
        self.believed(watch, index)?;
        if core::mem::take(&mut handler.seats[index].watch.said_status) {
            self.shown_session(handler, index, now)?;
        }
        let watch = &handler.seats[index].watch;
        if watch.touched.is_empty() {
            return Ok(());
        }
        handler.learn_handles(index);
        let mut touched = core::mem::take(&mut handler.seats[index].watch.touched);
        for symbol in &touched {
            handler.seats[index].watch.slots[*symbol as usize].touched = false;
            self.read(handler, index, *symbol, now)?;
        }
        touched.clear();
        handler.seats[index].watch.touched = touched;
        Ok(())
    }

    /// Reads every symbol of a partition at `now`.
    pub(super) fn all(
        &mut self,
        handler: &mut Handler,
        index: usize,
        now: Mono,
    ) -> Result<(), Wrong> {
        handler.learn_handles(index);
        for symbol in 0..handler.seats[index].watch.slots.len() as u32 {
            self.read(handler, index, symbol, now)?;
        }
        self.shown_session(handler, index, now)
    }

    /// The session that readers are shown is the one whose run is followed.
    fn shown_session(&self, handler: &Handler, index: usize, now: Mono) -> Result<(), Wrong> {
        let wrong = |what: String| Err(Wrong { partition: index, what });
        if !handler.seats[index].open {
            return Ok(());
        }
        let info = handler.region.partition(index as u16, now);
        let Some((shown, ..)) = info.and_then(|info| info.numbers) else {
            return wrong("nobody writes, and its numbers can't be read".to_owned());
        };
        let run = handler.seats[index].watch.run;
        let followed = run.map_or(SessionId::NONE, |run| self.named(index, run));
        // Of numbers that have only begun again nothing was sent yet that says their name.
        let unheard = run.is_some() && followed == SessionId::NONE;
        if shown != followed && !unheard {
            return wrong(format!("I2: readers are shown session {shown}, {followed} is followed"));
        }
        Ok(())
    }

    /// A snapshot that was joined to the stream is of the stream's session, and says so.
    fn joined(&self, index: usize, joined: &Joined) -> Result<(), Wrong> {
        let Joined { followed, of, claimed } = *joined;
        let (stream, made) = (self.named(index, followed), self.named(index, of));
        // Of numbers that have only begun again nothing was sent yet that says their name.
        let unnamed = followed == of && stream == SessionId::NONE;
        if unnamed || claimed == stream && (made == stream || made == SessionId::NONE) {
            return Ok(());
        }
        let what = format!(
            "I2: a snapshot is spliced into session {stream} that says it is of {claimed}, and is of {made}"
        );
        Err(Wrong { partition: index, what })
    }

    /// Where a symbol of this partition is, if it is one that two partitions publish.
    pub(super) fn has_two_homes(&self, index: usize, name: &Symbol) -> Option<Home> {
        self.setup.tamper.iter().find_map(|tamper| {
            let Tamper::Foreign { partition, home } = *tamper else { return None };
            let first = self.truths[home].symbols().first();
            let same = first.is_some_and(|first| first.symbol == *name);
            match () {
                () if !same => None,
                () if index == home => Some(Home::Own),
                () => (index == partition).then_some(Home::Foreign),
            }
        })
    }

    /// Whether the handler has heard a symbol that moved at noon where it is now, and this is where it was.
    fn has_gone(&self, handler: &Handler, index: usize, name: &Symbol) -> bool {
        let (to, watch) = match handler.seats.last() {
            Some(seat) if handler.maps.moves_at_noon(name) => {
                (handler.seats.len() - 1, &seat.watch)
            }
            _ => return false,
        };
        let truth = &self.truths[to];
        let named = |run| truth.find(name).and_then(|at| truth.as_of(at, run, watch.upto()));
        index != to && watch.run == Some(truth.run()) && watch.run.and_then(named).is_some()
    }

    /// The session of a partition's run, as the handler writes it; none where nothing was sent in it yet.
    fn named(&self, index: usize, run: u32) -> SessionId {
        let name = self.truths[index].session(run);
        name.map_or(SessionId::NONE, |name| match self.setup.venue {
            Family::Itch50 => SessionId::from_text(name),
            // Protocol and channel are not part of it.
            Family::Deep => {
                let [.., a, b, c, d] = name;
                SessionId::from_number(u64::from(u32::from_le_bytes([a, b, c, d])))
            }
        })
    }

    fn read(
        &mut self,
        handler: &mut Handler,
        index: usize,
        symbol: u32,
        now: Mono,
    ) -> Result<(), Wrong> {
        let truth = &self.truths[index];
        let oracle = handler.seats[index].watch.oracle(symbol, truth);
        let seat = &handler.seats[index];
        let read = handler.region.read_at(seat.handles[symbol as usize], now);
        *self.reads += 1;
        let lane = &handler.lanes[seat.lane];
        let name = seat.watch.slots[symbol as usize].symbol;
        let two_homes = self.has_two_homes(index, &name);
        let gone = self.has_gone(handler, index, &name);
        let halted = handler.is_halted(index);
        let (setup, maps) = (self.setup, &handler.maps);
        let case = Case {
            setup,
            truth,
            lane,
            seat,
            maps,
            index,
            name,
            two_homes,
            gone,
            oracle,
            halted,
            now,
        };
        let judged = match &read {
            Read::Live(_) if halted => Err("I1: Live though an operator has halted it".to_owned()),
            Read::Live(view) => {
                *self.live += 1;
                case.live(&view.book)
            }
            Read::Stale { reason, since, .. } => case.stale(*reason, *since),
        };
        judged.map_err(|what| Wrong { partition: index, what: format!("{name}: {what}") })
    }

    /// After the handler has died: nothing of its region is Live once the lease is out.
    pub(super) fn dead(
        &mut self,
        region: &Region,
        leases: &[Mono],
        now: Mono,
    ) -> Result<(), Wrong> {
        for partition in 0..region.partition_count() {
            let lane = usize::from(partition) % leases.len();
            for (handle, symbol) in region.symbols(partition) {
                *self.reads += 1;
                if region.read_at(handle, now).live().is_some() && now >= leases[lane] {
                    let what = format!("I4: {symbol} is Live after its handler died");
                    return Err(Wrong { partition: usize::from(partition), what });
                }
            }
        }
        Ok(())
    }

    /// The second act is over: everything that can be whole is Live and, where nothing is on its way any
    /// more, the venue's own.
    pub(super) fn healed(
        &mut self,
        handler: &mut Handler,
        index: usize,
        now: Mono,
        at_rest: bool,
    ) -> Result<(), Wrong> {
        handler.learn_handles(index);
        let (truth, seat) = (&self.truths[index], &handler.seats[index]);
        let wrong = |what: String| Err(Wrong { partition: index, what });
        let followed = seat.watch.run.map(|run| truth.session(run));
        let snapshots = self.setup.services.is_some_and(|services| services.snapshot);
        let past = followed != Some(truth.session(truth.run()));
        let for_good = !snapshots || seat.watch.has_left_for_good(truth.run());
        if seat.watch.has_left(truth.run()) && past && for_good {
            // It was heard first, and then an older one on a line that lags or of an old publisher: only
            // the venue's services know (`start-beside-old-publisher`), and of two that one line brought out
            // of their order they are not believed.
            let live = |handle| handler.region.read_at(handle, now).live().is_some();
            if seat.handles.iter().copied().any(live) {
                return wrong("I2: healed, and Live in a session that is past".to_owned());
            }
            return Ok(());
        }
        if seat.watch.run != Some(truth.run()) {
            return wrong("I5: healed, and the session in force is not followed".to_owned());
        }
        let (here, there) = (seat.watch.expected, truth.next());
        if at_rest && here != there {
            return wrong(format!("I5: healed, and {here} is expected where {there} comes next"));
        }
        self.all_found(handler, index, here)?;
        for (symbol, handle) in seat.handles.iter().enumerate() {
            let name = seat.watch.slots[symbol].symbol;
            let oracle = truth.find(&name);
            // As of what has reached the handler: what is under way may end what is broken for a moment.
            let entry = oracle.and_then(|at| truth.as_of(at, truth.run(), here));
            let Some(entry) = entry else { continue };
            if entry.broken
                || entry.crossed
                || entry.open.is_some()
                || self.has_two_homes(index, &name).is_some()
                || (handler.maps.moves_at_noon(&name) && !handler.maps.is_home(&name, index))
            {
                continue;
            }
            let read = handler.region.read_at(*handle, now);
            if let Read::Stale { reason: Reason::WrongPartition, .. } = read
                && handler.maps.moves_at_noon(&name)
            {
                // What leaves its move unproven leaves it contested until the next date (decision 0013);
                // `symbol-carried-intraday` has it proven.
                continue;
            }
            let found = handler.region.find(&venue(self.setup, index), &name);
            if found != Some(*handle) {
                return wrong(format!("I5: {name} is healed and found at {found:?}"));
            }
            match read {
                // Of the partition that had it nothing was heard as the map came, and only a snapshot tells.
                Read::Stale { reason: Reason::SymbolRecovering, .. }
                    if !snapshots && handler.maps.explains_arrival(&name) => {}
                Read::Stale { reason, .. } => {
                    return wrong(format!("I5: {name} is healed and still stale: {reason}"));
                }
                Read::Live(view) if at_rest && print_of_book(&view.book) != entry.print.book => {
                    return wrong(format!("I5: {name} is healed and not the venue's book"));
                }
                Read::Live(_)
                    if at_rest && depth_of(seat, &name) != Some(truth.depth_of(&name)) =>
                {
                    let what = format!("I5: {name} is healed, and differs where no reader looks");
                    return wrong(what);
                }
                Read::Live(_) => {}
            }
        }
        Ok(())
    }

    /// What the plan expects of a partition now. Says whether anything was read for it.
    pub(super) fn expected(
        &mut self,
        handler: &mut Handler,
        expect: &Expect,
        now: Mono,
    ) -> Result<bool, Wrong> {
        let since = now.since(self.start);
        if since < expect.from || since >= expect.until {
            return Ok(false);
        }
        let mut looked = false;
        let index = expect.partition;
        handler.learn_handles(index);
        let seat = &handler.seats[index];
        for (symbol, handle) in seat.handles.iter().enumerate() {
            let own = handler.maps.is_home(&seat.watch.slots[symbol].symbol, index);
            let meant = match expect.whose {
                Whose::All => true,
                Whose::One(only) => only as usize == symbol,
                Whose::Own => own,
                Whose::Others => !own,
            };
            if !meant {
                continue;
            }
            *self.reads += 1;
            looked = true;
            let read = handler.region.read_at(*handle, now);
            let (reason, state) = (read.reason(), read.live().map(|book| book.trading_state));
            let holds = match (&expect.must, reason) {
                (Must::BeLive, None) => true,
                (Must::BeLiveIn(wanted), None) => state == Some(*wanted),
                (Must::BeStale(reasons), Some(Reason::Silent)) => {
                    if let Some(wrong) = age_hidden(handler, index, now) {
                        return Err(Wrong { partition: index, what: wrong });
                    }
                    reasons.contains(&Reason::Silent)
                }
                (Must::BeStale(reasons), Some(reason)) => reasons.contains(&reason),
                _ => false,
            };
            if !holds {
                let name = seat.watch.slots[symbol].symbol;
                let read = reason.map_or("Live", Reason::label);
                let state = state.map_or(String::new(), |state| format!(", {state:?}"));
                let must = &expect.must;
                let what = format!("the scenario says {must:?}, {name} reads {read}{state}");
                return Err(Wrong { partition: index, what });
            }
        }
        Ok(looked)
    }
}

/// What is wrong with the age that readers are shown of a silent partition's last packet.
fn age_hidden(handler: &Handler, index: usize, now: Mono) -> Option<String> {
    let heard = handler.region.partition(index as u16, now)?.heard;
    let came = handler.seats[index].watch.evidence;
    (heard != came).then(|| {
        let (shown, age) = (now.since(heard), now.since(came));
        format!("silent for {age}, and readers are told of {shown}")
    })
}

impl Case<'_> {
    fn live(&self, view: &BookView) -> Result<(), String> {
        let (watch, now) = (&self.seat.watch, self.now);
        let Some(run) = watch.run else {
            return Err("I1: Live before anything was heard".to_owned());
        };
        if !watch.subscribed {
            return Err("I1: Live while its groups are left".to_owned());
        }
        if now >= self.lane.last_cycle + self.setup.lease {
            return Err(format!("I4: Live, {} after the handler's last sign", {
                now.since(self.lane.last_cycle)
            }));
        }
        if now >= watch.evidence + self.setup.silence {
            let silent = now.since(watch.evidence);
            return Err(format!("I3: Live, {silent} after its partition's last packet"));
        }
        if let Some(waited) = self.waits() {
            return Err(format!(
                "I1: Live, and something newer has waited for the lane for {waited}"
            ));
        }
        if self.seat.mapped_until <= now {
            return Err("I1: Live without a map".to_owned());
        }
        if watch.is_yesterdays() {
            return Err("I2: Live in a session from before the map's end".to_owned());
        }
        if let Some(why) = self.maps.forbids(&self.name, self.index, self.seat.lane) {
            return Err(format!("I1: {why}"));
        }
        if self.two_homes == Some(Home::Foreign) && self.setup.listed {
            return Err("I1: Live on a partition that is not its own by the map".to_owned());
        }
        if self.gone {
            return Err("I1: Live where it was, and where it is it was heard".to_owned());
        }
        self.session(run)?;
        if watch.said.ended && watch.ended_run == watch.run {
            return Err("I2: Live after the venue ended the session".to_owned());
        }
        if watch.said.differs {
            return Err("I1: Live while lines differ".to_owned());
        }
        if watch.mixed {
            return Err("I1: Live with messages of other numbers".to_owned());
        }
        if watch.said.restarted && self.setup.services.is_some_and(|services| services.snapshot) {
            return Err("I1: Live after its numbers began again, without a snapshot".to_owned());
        }
        if let Some(since) = watch.said.stalled {
            return Err(format!("I1: Live, and nothing newer than the stall at {since:?} came"));
        }
        self.whole()?;
        self.true_book(run, view)
    }

    /// For how long something new has waited in the lane's queue, beyond the bound, at its last cycle.
    fn waits(&self) -> Option<Nanos> {
        let (watch, late) = (&self.seat.watch, self.setup.late);
        let overdue = |arrival: &&Arrival| arrival.at + late < self.lane.last_cycle;
        let mut waiting = self.lane.queue.iter().take_while(overdue);
        let new = |arrival: &&Arrival| {
            let tag = &arrival.tag;
            let ours = tag.partition == self.index && !tag.echo && !tag.malformed;
            ours && watch.run == Some(tag.run) && tag.first + tag.count > watch.upto()
        };
        waiting.find(new).map(|arrival| self.lane.last_cycle.since(arrival.at))
    }

    fn session(&self, run: u32) -> Result<(), String> {
        let watch = &self.seat.watch;
        let Some(since) = watch.newer_since else { return Ok(()) };
        let newest = watch.newest_run.unwrap_or(run);
        let renamed = self.truth.session(run) != self.truth.session(newest);
        // Numbers that begin again under one name are told apart by their bytes; where those can't
        // be compared, by the silence of the old ones, of which copies may still have come.
        let silent_from = since.max(watch.evidence);
        if renamed || self.now >= silent_from + self.setup.silence {
            return Err(format!("I2: Live in run {run}, and run {newest} has begun"));
        }
        Ok(())
    }

    fn whole(&self) -> Result<(), String> {
        let followed = &self.seat.watch.followed;
        let Some(since) = followed.missing_since() else { return Ok(()) };
        let next = followed.next();
        if next == 1 {
            return Err("I1: Live, and the session's start is missing".to_owned());
        }
        if since + self.setup.grace <= self.lane.last_cycle {
            let missing = self.now.since(since);
            return Err(format!("I1: Live, and number {next} has been missing for {missing}"));
        }
        Ok(())
    }

    fn true_book(&self, run: u32, view: &BookView) -> Result<(), String> {
        let (watch, cycle) = (&self.seat.watch, self.lane.last_cycle);
        let next = watch.upto();
        let Some(entry) = self.oracle.and_then(|at| self.truth.as_of(at, run, next)) else {
            return Err(format!("I1: Live, and nothing before {next} names it"));
        };
        if entry.broken && (watch.said.spliced || watch.said.spliced_some) {
            // What the venue's snapshot has of it is not what its messages say.
            return Ok(());
        }
        if entry.broken {
            return Err("I1: Live, and the venue broke its own rules about it".to_owned());
        }
        if entry.crossed {
            return Err("I1: Live, and its book is crossed while it trades".to_owned());
        }
        if !entry.shown {
            return Err("I1: Live, and its first transaction is not complete".to_owned());
        }
        if view.seq >= next {
            return Err(format!("I1: Live as of {}, which has not come", view.seq));
        }
        if let Some(begun) = entry.open {
            // In the middle of a transaction the book before it is shown, or one as old as a number
            // may be late: several may have come at once.
            let (at, trades) = ((run, view.seq), view.stats.since == 1);
            let shown = |symbol| self.truth.shown_at(symbol, at, next, trades);
            let shown = self.oracle.and_then(shown);
            let Some((shown, since)) = shown.filter(|(shown, _)| shown.shown) else {
                return Err(format!("I1: Live as of {}, of which nobody knows", view.seq));
            };
            if watch.is_torn(since.min(begun), cycle) {
                return Err(format!(
                    "I1: Live as of {}; what changed it from {since} on is here for longer than the grace, \
                     its transaction from {begun} on is not complete",
                    view.seq
                ));
            }
            if shown.seq > view.seq {
                // It was shown while numbers before it were missing, and is forgotten here. Where it is not
                // the oldest that is known, it is older still than that.
                let other = print_of_book(view) != shown.print.book;
                if other && watch.is_torn(shown.open.unwrap_or(shown.seq), cycle) {
                    return Err(format!("I1: Live as of {}, long before {}", view.seq, shown.seq));
                }
                return Ok(());
            }
            return self.same(run, next, view, shown);
        }
        self.same(run, next, view, entry)
    }

    /// Whether a Live view is what the oracle has.
    fn same(&self, run: u32, next: u64, view: &BookView, entry: &Entry) -> Result<(), String> {
        if print_of_book(view) != entry.print.book {
            let Entry { seq, .. } = entry;
            return Err(format!(
                "I1: Live with a book that is not the venue's as of {} (last change {seq}, run {run})",
                next - 1
            ));
        }
        if view.stats.since == 1 && print_of_trades(view) != entry.print.trades {
            return Err(format!(
                "I1: last trade or statistics are not the venue's as of {}",
                next - 1
            ));
        }
        Ok(())
    }

    fn stale(&self, reason: Reason, since: Mono) -> Result<(), String> {
        let (watch, now) = (&self.seat.watch, self.now);
        if since > now {
            return Err(format!("I7: {reason} since {:?}, which is to come", since));
        }
        let next = watch.upto();
        let entry = || {
            let run = watch.run?;
            self.oracle.and_then(|at| self.truth.as_of(at, run, next))
        };
        let explained = match reason {
            Reason::WriterGone => now >= self.lane.last_cycle + self.setup.lease,
            Reason::Halted => self.halted,
            // In the middle of a transaction a new book is not shown yet: all that is known of it came
            // at once, or it is behind a splice.
            Reason::Unproven => {
                // It moved without a word, and where it was a snapshot has it no more.
                let was_here = self.maps.moves_at_noon(&self.name) && self.index == 0;
                let moved = was_here && watch.said.spliced;
                moved
                    || entry().is_none_or(|e| {
                        let torn = |first| watch.is_torn(first, self.lane.last_cycle);
                        !e.shown || e.open.is_some_and(|first| !torn(first))
                    })
            }
            Reason::SymbolQuarantined => entry().is_some_and(|e| {
                // Between two states of a transaction. For how long is not asked: what the book lacks may
                // be older than the transaction, and came late where it lay behind a gap.
                e.broken || e.crossed || e.open.is_some()
            }),
            // A book that is whole again is shown once its transaction is complete.
            Reason::SymbolRecovering => {
                let open = || entry().is_some_and(|e| e.open.is_some());
                // Of one that has arrived only the end of its book is known.
                let arrived = self.maps.explains_arrival(&self.name)
                    && (self.index > 0 || self.maps.moves_at_noon(&self.name));
                watch.said.rebuilding || (watch.said.spliced_some && open()) || arrived
            }
            // Said once in a while only, so that a second time behind a splice is not.
            Reason::LinesDiffer if watch.said.spliced => {
                self.seat.partition.counters().get(Counter::LinesDiffer) > 0
            }
            // It ends by time, of which a lane that stands still knows nothing.
            Reason::SessionChanged => {
                watch.explains(reason, self.lane.last_cycle, self.setup).unwrap_or(false)
            }
            // No lease reaches beyond the map, whose end its partition has yet to see.
            Reason::Silent if self.seat.mapped_until <= now => watch.lease <= now,
            Reason::NoMap => self.seat.mapped_until <= now,
            Reason::Unmapped => self.maps.explains_unmapped(&self.name, self.index),
            Reason::WrongPartition => {
                self.two_homes.is_some()
                    || self.maps.explains_misplaced(&self.name)
                    || self.maps.moves_at_noon(&self.name)
            }
            other => watch.explains(other, now, self.setup).unwrap_or(false),
        };
        if explained {
            return Ok(());
        }
        let held = now.since(since);
        Err(format!("I7: {reason} for {held}, and nothing that the simulator knows of explains it"))
    }
}

/// The bound of the second act (I5): how long after the faults have ended everything must be Live.
#[must_use]
pub fn healing_bound(setup: &Setup) -> Nanos {
    let longest = setup.links.iter().map(|link| link.longest().0).max().unwrap_or(0);
    let services = setup.services.map_or(0, |services| {
        // Asked for in vain, then two snapshots: the first of no use, the second spliced.
        let fetch = services.timeout.0 * 16 * 3 + services.whole().0 + setup.heartbeat.0 * 3;
        // All partitions may want one at once, of one budget; whoever waits rests between two asks.
        let turns = 4_000_000_000 * setup.partitions as u64 / u64::from(services.budget.max(1));
        services.patience().0 + 2 * fetch + services.delay.0 * 8 + turns
    });
    // The old numbering may be recognised for its grace; a heartbeat shows where the venue is; the
    // slowest link brings it; the reorder grace and a lease pass.
    let lingering = setup.packings.iter().flatten().map(|packing| packing.linger.0).max();
    Nanos(
        setup.session_grace.0
            + 3 * setup.heartbeat.0
            + 2 * longest
            + lingering.unwrap_or(0)
            + setup.grace.0
            + setup.late.0
            + setup.lease.0
            + services,
    )
}

/// The fingerprint of all levels that the handler has of a symbol, those that no reader sees too.
fn depth_of(seat: &Seat, name: &Symbol) -> Option<u64> {
    let (index, _) = seat.partition.symbols().find(|(_, symbol)| symbol == name)?;
    let side = |side| seat.partition.books().levels(index, side);
    Some(print_of_depth(side(Side::Bid), side(Side::Ask)))
}
