//! The handler's process, played: its lanes with their queues and duty cycles, the real partitions
//! and the real region in between. It does what `feed/src/lane.rs` does, at times it is told.

mod alerts;
mod cycle;
mod halts;
mod replies;
mod specs;
mod taking;

use std::collections::VecDeque;

use candor_core::status::Scope;
use candor_core::{Mono, Nanos, Proof, Quotes, SeqNo, Symbol, promote};
use candor_engine::alerts::Alerts;
use candor_engine::odd::{Glance, OddWorld, Remark};
use candor_engine::{Claim, Config, Partition};
use candor_shm::{Handle, HandlerWriter, LaneWriter, Region};

use self::specs::{config, region_spec};
use super::digest::Digest;
use super::errands::Errands;
use super::journal::{Journal, Told};
use super::maps::Maps;
use super::network::Arrival;
use super::past::Past;
use super::tap::Tap;
use super::watch::Watch;
use super::{MapOf, Setup};

pub(super) use self::halts::Halts;
pub(super) use self::specs::{DATE, format, partition_spec, venue};

/// How often it is asked whether the world looks odd.
const ODD_EVERY: Nanos = Nanos::from_secs(1);

/// One lane.
pub(super) struct Lane {
    writer: LaneWriter,
    pub(super) queue: VecDeque<Arrival>,
    /// Until when the lane vouches for itself; what the region says.
    pub(super) lease: Mono,
    pub(super) last_cycle: Mono,
    pub(super) stalled_until: Option<Mono>,
    /// How often it stood still.
    stalls: u64,
    dropped: u64,
    dropped_seen: u64,
    next_counts: Mono,
    /// When what was taken last had come.
    taken: Mono,
    /// What is left may have waited for too long.
    behind: bool,
    /// The first deadline of its partitions; unknown since one was called into.
    deadline: Option<Option<Mono>>,
}

/// A partition and what is known of it.
pub(super) struct Seat {
    pub(super) partition: Partition,
    pub(super) watch: Watch,
    pub(super) lane: usize,
    pub(super) handles: Vec<Handle>,
    /// A map has, or had, this partition.
    pub(super) open: bool,
    /// Until when the map holds that it has; [`Mono::NEVER`] without one.
    pub(super) mapped_until: Mono,
}

/// One life of the handler.
pub(super) struct Handler {
    pub(super) lanes: Vec<Lane>,
    pub(super) seats: Vec<Seat>,
    pub(super) region: Region,
    writer: HandlerWriter,
    pub(super) errands: Option<Errands>,
    odd: OddWorld,
    /// When the handler's own thread looks whether the world looks odd next.
    pub(super) next_odd: Mono,
    alerts: Alerts,
    /// What lanes had dropped, and how often they had stood still, when that was looked at last.
    lanes_seen: Vec<[u64; 2]>,
    /// When it looks for what to alert of next.
    pub(super) next_alerts: Mono,
    claims: Vec<(u16, Symbol, Claim)>,
    pub(super) maps: Maps,
    /// To be taken next.
    wanted: Option<(MapOf, Mono)>,
    /// Room for symbols in each partition.
    symbols: usize,
    /// What an operator has halted in its region.
    halts: Halts,
    /// What outlives it.
    pub(super) past: Past,
    setup: Setup,
}

/// What a duty cycle leaves its traces in.
pub(super) struct Traces<'a> {
    pub(super) digest: &'a mut Digest,
    pub(super) journal: &'a mut Journal,
}

impl Handler {
    /// Starts a handler with a map that holds until `until`; `listed` are the symbols by partition, as
    /// today's map has them.
    pub(super) fn start(
        setup: &Setup,
        listed: &[(Symbol, u16)],
        (map, until): (MapOf, Mono),
        errands: Option<Errands>,
        (halts, past): (&Halts, Past),
        now: Mono,
        traces: &mut Traces<'_>,
    ) -> Handler {
        let symbols = listed.len() + 4;
        // A map whose date is over is none that a handler finds.
        let over = until != Mono::NEVER && until <= now;
        let until = if over { Mono::NEVER } else { until };
        let spec = region_spec(setup, map, symbols);
        let (mut writer, lanes, region) =
            candor_shm::heap(&spec).expect("the simulator's own region is well specified");
        let maps = Maps::new(map, setup, listed);
        let lane = |writer| Lane {
            writer,
            queue: VecDeque::with_capacity(setup.queue),
            lease: Mono::NEVER,
            last_cycle: now,
            stalled_until: None,
            stalls: 0,
            dropped: 0,
            dropped_seen: 0,
            taken: Mono::NEVER,
            behind: false,
            next_counts: now,
            deadline: None,
        };
        let seat = |index| Seat {
            partition: {
                let map = (until, past.earlier(index));
                let (moved, followed) = (maps.moved(), past.since(index));
                let made = config(setup, index, symbols, maps.venue(), map);
                Partition::new(Config { moved, followed, ..made })
            },
            watch: {
                let mut watch = Watch::new(setup);
                watch.know(past.before(index));
                if over {
                    watch.end_map();
                }
                watch
            },
            open: false,
            mapped_until: until,
            lane: index % usize::from(setup.lanes),
            handles: Vec::new(),
        };
        let seats: Vec<Seat> = (0..setup.partitions).map(seat).collect();
        let proof = Proof::NOTHING
            .rule_out_scope(Scope::Handler)
            .rule_out_scope(Scope::Partition)
            .rule_out_scope(Scope::Symbol);
        writer.set_status(promote(&proof), now);
        let mut handler = Handler {
            lanes: lanes.into_iter().map(lane).collect(),
            seats,
            region: region.for_date(DATE),
            writer,
            errands,
            odd: OddWorld::new(&vec![0; setup.partitions]),
            next_odd: now,
            alerts: Alerts::new(alerts::seats(setup)),
            lanes_seen: vec![[0; 2]; usize::from(setup.lanes)],
            next_alerts: now,
            claims: Vec::new(),
            maps,
            wanted: None,
            symbols,
            halts: Halts::default(),
            past,
            setup: setup.clone(),
        };
        handler.halt(halts, now);
        for index in 0..setup.partitions {
            let has = map.has(index, setup);
            handler.seats[index].open = has;
            handler.seats[index].watch.subscribed = has;
            if !has {
                continue;
            }
            handler.with(index, now, traces, |partition, tap| {
                partition.start(now, tap);
                partition.subscribe(now, true, tap);
            });
        }
        for lane in &mut handler.lanes {
            lane.renew(now, setup.lease);
        }
        handler
    }

    /// Calls into a partition with everything watching.
    fn with<T>(
        &mut self,
        index: usize,
        now: Mono,
        traces: &mut Traces<'_>,
        call: impl FnOnce(&mut Partition, &mut Tap<'_>) -> T,
    ) -> T {
        let Handler { lanes, seats, claims, past, setup, .. } = self;
        let Seat { partition, watch, lane, mapped_until, .. } = &mut seats[index];
        let lane = &mut lanes[*lane];
        lane.deadline = None;
        if *mapped_until != Mono::NEVER && now >= *mapped_until {
            watch.end_map();
            *mapped_until = Mono::NEVER;
        }
        let mut tap = Tap {
            now,
            partition: index as u16,
            writer: &mut lane.writer,
            watch,
            digest: traces.digest,
            journal: traces.journal,
            claims,
            setup,
        };
        let done = call(partition, &mut tap);
        past.note(index, watch.session, watch.restarts, watch.run, now);
        done
    }

    /// A packet has reached the host. Gives the bytes back where the queue is full.
    pub(super) fn arrive(
        &mut self,
        arrival: Arrival,
        capacity: usize,
        journal: &mut Journal,
    ) -> Option<Vec<u8>> {
        let lane = &mut self.lanes[self.seats[arrival.tag.partition].lane];
        if !self.seats[arrival.tag.partition].watch.subscribed {
            return Some(arrival.bytes);
        }
        if lane.queue.len() >= capacity {
            lane.dropped += 1;
            journal.note(arrival.at, arrival.tag.partition as u16, Told::Dropped(arrival.tag));
            return Some(arrival.bytes);
        }
        lane.queue.push_back(arrival);
        None
    }

    /// The process is stopped, or starved of time, for so long.
    pub(super) fn stall(&mut self, index: usize, until: Mono) {
        let lane = &mut self.lanes[index];
        lane.stalled_until = lane.stalled_until.max(Some(until));
    }

    /// Publishes what every partition has counted, as a lane does from time to time.
    pub(super) fn publish_counters(&mut self) {
        for (number, seat) in (0u16..).zip(&self.seats).filter(|(_, seat)| seat.open) {
            self.lanes[seat.lane].writer.counters(number, &seat.partition.counters());
        }
    }

    /// As the handler's own thread looks: nothing comes here that no map names.
    pub(super) fn look_for_strays(&mut self, now: Mono) {
        self.writer.set_unmapped(&[], now);
    }

    /// Once a second, as the handler's own thread does it: what has begun to look odd.
    pub(super) fn look_at_the_world(&mut self, now: Mono) -> Vec<Remark> {
        self.next_odd = now + ODD_EVERY;
        let Handler { region, odd, setup, seats, .. } = self;
        let glance = |partition| {
            let info = region.partition(partition, now)?;
            let (_, expected, _) = info.numbers?;
            let (live, epoch) = (info.status.is_live(), info.epoch);
            Some(Glance { live, epoch, expected, quotes: region.quotes(partition, now) })
        };
        let nothing =
            Glance { live: false, epoch: 0, expected: SeqNo(0), quotes: Quotes::default() };
        let unopened = |at: u16| (!seats[usize::from(at)].open).then_some(nothing);
        let glances: Option<Vec<Glance>> =
            (0..setup.partitions as u16).map(|at| glance(at).or(unopened(at))).collect();
        let mut remarks = Vec::new();
        odd.look(now, &glances.expect("nobody writes meanwhile"), |remark| remarks.push(remark));
        remarks
    }

    /// Joins or leaves a partition's groups.
    pub(super) fn subscribe(
        &mut self,
        index: usize,
        now: Mono,
        joined: bool,
        traces: &mut Traces<'_>,
    ) {
        if !self.seats[index].open {
            return;
        }
        let again = joined && !self.seats[index].watch.subscribed;
        self.with(index, now, traces, |partition, tap| partition.subscribe(now, joined, tap));
        let watch = &mut self.seats[index].watch;
        watch.subscribed = joined;
        if again && watch.run.is_some() {
            watch.said.stalled = watch.said.stalled.max(Some(now));
        }
    }

    /// A successor has taken over: the region is given up by name.
    pub(super) fn retire(&mut self, now: Mono) {
        self.writer.retire(now);
    }

    /// Learns the handles of symbols that were defined since.
    pub(super) fn learn_handles(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        if seat.handles.len() < seat.watch.slots.len() {
            let known = seat.handles.len();
            let new = self.region.symbols(index as u16).skip(known).map(|(handle, _)| handle);
            seat.handles.extend(new);
        }
    }
}
