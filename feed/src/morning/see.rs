//! What of a morning is done by now: read from the region as any reader does, and from the memberships.

use std::sync::Arc;

use candor_core::counters::Counter;
use candor_core::limits::LINES;
use candor_core::{Mono, Reason, Symbol, TradingDate, Venue};
use candor_maps::calendar::timeline::{STEPS, Seen, Timeline};
use candor_maps::calendar::{Step, Wall};
use candor_shm::{PartitionInfo, PreopenVerdict, Read, Region};

use super::Scene;
use crate::config::{Config, Partition};

/// How long before the open it is counted what was traded before it.
const BEFORE_OPEN: u64 = 5_000_000_000;

/// What is remembered of a partition.
#[derive(Clone, Default)]
struct Base {
    /// Packets of each line when the date began.
    packets: [u64; LINES],
    /// Trades before the open.
    trades: u64,
    /// The symbols that the map lists, in order.
    listed: Vec<Symbol>,
}

/// One venue's.
pub(super) struct Sight {
    venue: Venue,
    /// The share of the symbols that makes a directory, in parts per million.
    ppm: u32,
    /// Nothing was looked at before this date: what was counted by now is of it.
    fresh: bool,
    begun: bool,
    /// How often it was looked: a whole directory is read at every other look.
    looks: u32,
    /// By number of the partition.
    bases: Vec<Base>,
    /// The partitions that `bases` knows the symbols of.
    config: Option<Arc<Config>>,
}

/// So many of so many.
fn seen(holds: bool, done: usize, of: usize) -> Seen {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Seen { holds, done: count(done), of: count(of) }
}

/// One thing that is so or not.
fn one(holds: bool) -> Seen {
    seen(holds, usize::from(holds), 1)
}

impl Sight {
    pub(super) fn new(venue: Venue, ppm: u32) -> Sight {
        Sight { venue, ppm, fresh: true, begun: false, looks: 0, bases: Vec::new(), config: None }
    }

    /// Another date follows.
    pub(super) fn turn(&mut self) {
        self.begun = false;
    }

    /// What holds by now, by [`Step::index`].
    pub(super) fn look(
        &mut self,
        scene: &Scene<'_>,
        line: &Timeline,
        (wall, now): (Wall, Mono),
    ) -> [Seen; STEPS] {
        let mut all = [Seen::default(); STEPS];
        let (region, config) = (scene.region, scene.config);
        self.list(config);
        let infos: Vec<PartitionInfo> =
            region.partitions_when(|| now).filter(|info| info.spec.venue == self.venue).collect();
        self.looks = self.looks.wrapping_add(1);
        if wall < line.plan().begins && !self.begun {
            self.fresh = false;
            return all;
        }
        if !std::mem::replace(&mut self.begun, true) {
            self.begin(&infos);
        }
        let (date, done) = (line.plan().date, line.done());
        let Some(venue) = region.venue(&self.venue) else { return all };
        let in_force = venue.in_force.is_some_and(|one| one.date == date);
        all[Step::Map.index()] = one(in_force);
        let subscribed: Vec<(&PartitionInfo, &Partition)> = infos
            .iter()
            .filter_map(|info| Some((info, config.partitions.get(usize::from(info.index))?)))
            .filter(|(_, own)| own.subscribe)
            .collect();
        all[Step::Joins.index()] = joins(scene, &subscribed, in_force);
        all[Step::Heartbeats.index()] = self.heartbeats(&subscribed, date, in_force);
        let crossed = infos.iter().filter(|info| info.trading_date == date).count();
        let crossover = in_force && crossed == infos.len();
        all[Step::Crossover.index()] = seen(crossover, crossed, infos.len());
        let go = venue
            .preopen
            .is_some_and(|last| last.verdict == PreopenVerdict::Go && last.date == date);
        all[Step::Preopen.index()] = one(go);
        let open = line.plan().planned[Step::Open.index()];
        all[Step::Open.index()] = one(open.is_some_and(|open| wall >= open));
        // Every symbol is read for these two: no longer than until they are done.
        all[Step::Directory.index()] = match done[Step::Directory.index()] {
            None if self.looks % 2 == 1 => self.directory(region, &subscribed, in_force),
            _ => line.seen(Step::Directory),
        };
        all[Step::Prints.index()] = match done[Step::Prints.index()] {
            Some(_) => line.seen(Step::Prints),
            None => self.prints(region, &subscribed, open, wall, in_force),
        };
        all
    }

    /// Knows the symbols of the partitions as they are now.
    fn list(&mut self, config: &Arc<Config>) {
        if self.config.as_ref().is_some_and(|known| Arc::ptr_eq(known, config)) {
            return;
        }
        self.bases.resize(config.partitions.len(), Base::default());
        for (base, own) in self.bases.iter_mut().zip(&config.partitions) {
            base.listed.clear();
            if own.venue == self.venue {
                base.listed.extend(&own.symbols);
                base.listed.sort_unstable();
            }
        }
        self.config = Some(Arc::clone(config));
    }

    /// The date begins: what came before is not of it, unless nothing was there before.
    fn begin(&mut self, infos: &[PartitionInfo]) {
        let fresh = std::mem::replace(&mut self.fresh, false);
        for info in infos {
            let Some(base) = self.bases.get_mut(usize::from(info.index)) else { continue };
            base.packets = if fresh { [0; LINES] } else { packets(info) };
            base.trades = 0;
        }
    }

    fn heartbeats(
        &self,
        subscribed: &[(&PartitionInfo, &Partition)],
        date: TradingDate,
        in_force: bool,
    ) -> Seen {
        let (mut heard, mut of) = (0, 0);
        for (info, own) in subscribed {
            // A session of yesterday's is heard and proves nothing today.
            let follows = info.trading_date == date
                && !matches!(
                    info.unhalted.reason(),
                    Some(Reason::NoMap | Reason::NotStarted | Reason::Unsubscribed)
                );
            let base =
                self.bases.get(usize::from(info.index)).map_or([0; LINES], |own| own.packets);
            let now = packets(info);
            for (line, _) in own.lines() {
                of += 1;
                heard += usize::from(follows && now[line.index()] > base[line.index()]);
            }
        }
        seen(in_force && heard == of, heard, of)
    }

    fn directory(
        &self,
        region: &Region,
        subscribed: &[(&PartitionInfo, &Partition)],
        in_force: bool,
    ) -> Seen {
        let (mut named, mut of, mut enough) = (0, 0, in_force);
        for (info, _) in subscribed {
            let Some(base) = self.bases.get(usize::from(info.index)) else { continue };
            let any = base.listed.is_empty();
            let listed = |symbol: &Symbol| any || base.listed.binary_search(symbol).is_ok();
            let is_named = |handle| {
                !matches!(
                    candor_preopen::stands(region, handle),
                    Some(Reason::Unproven | Reason::Unmapped | Reason::WrongPartition)
                )
            };
            let found = region
                .symbols(info.index)
                .filter(|(handle, symbol)| listed(symbol) && !region.is_moved(*handle))
                .filter(|(handle, _)| is_named(*handle))
                .count();
            // Nobody knows how many there are where none is listed: one shows that the directory has begun.
            let (found, wanted) = if any { (found.min(1), 1) } else { (found, base.listed.len()) };
            enough &= found as u64 * 1_000_000 >= wanted as u64 * u64::from(self.ppm);
            named += found;
            of += wanted;
        }
        seen(enough, named, of)
    }

    fn prints(
        &mut self,
        region: &Region,
        subscribed: &[(&PartitionInfo, &Partition)],
        open: Option<Wall>,
        wall: Wall,
        in_force: bool,
    ) -> Seen {
        let of = subscribed.iter().filter(|(info, _)| info.symbols > 0).count();
        let Some(open) = open.filter(|open| wall.0.saturating_add(BEFORE_OPEN) >= open.0) else {
            return seen(false, 0, of);
        };
        let mut printed = 0;
        for (info, _) in subscribed.iter().filter(|(info, _)| info.symbols > 0) {
            let trades = trades(region, info.index);
            let Some(base) = self.bases.get_mut(usize::from(info.index)) else { continue };
            // Statistics that a snapshot begins anew have less.
            if wall < open || trades < base.trades {
                base.trades = trades;
            }
            printed += usize::from(wall >= open && trades > base.trades);
        }
        // None of none: nothing has been heard that could have printed.
        seen(in_force && wall >= open && of > 0 && printed == of, printed, of)
    }
}

fn joins(scene: &Scene<'_>, subscribed: &[(&PartitionInfo, &Partition)], in_force: bool) -> Seen {
    let lines = subscribed.iter().flat_map(|(info, own)| {
        own.lines().map(|(line, at)| scene.joins.holds_line(info.index, line, at))
    });
    let (joined, of) =
        lines.fold((0, 0), |(joined, of), holds| (joined + usize::from(holds), of + 1));
    seen(in_force && joined == of, joined, of)
}

/// The packets of each line that were understood.
fn packets(info: &PartitionInfo) -> [u64; LINES] {
    [Counter::PacketsA, Counter::PacketsB, Counter::PacketsC].map(|line| info.counters.get(line))
}

/// Trades of a partition's symbols since their statistics begin, those that were broken since included.
fn trades(region: &Region, partition: u16) -> u64 {
    let of = |read: Read| match read {
        Read::Live(view) | Read::Stale { last: Some(view), .. } => {
            u64::from(view.book.stats.trades) + u64::from(view.book.stats.broken)
        }
        Read::Stale { last: None, .. } => 0,
    };
    region.symbols(partition).map(|(handle, _)| of(region.read(handle))).sum()
}
