//! The handler's process, played: its lanes with their queues and duty cycles, the real partitions
//! and the real region in between. It does what `feed/src/lane.rs` does, at times it is told.

use std::collections::VecDeque;
use std::sync::Arc;

use candor_core::limits::{LINES, TRADES};
use candor_core::status::Scope;
use candor_core::symbol::Text;
use candor_core::{
    Action, Answer, ByteOrder, Decimals, Messages, Mono, Nanos, Proof, Quotes, SeqNo, SnapshotPart,
    Symbol, TradingDate, Venue, promote,
};
use candor_decoders::Format;
use candor_engine::odd::{Glance, OddWorld, Remark};
use candor_engine::{Capacity, Config, Partition, Services, VenueSymbols};
use candor_shm::{
    Endpoint, Halt, Handle, HandlerWriter, LaneWriter, PartitionSpec, Region, RegionSpec,
};

use super::Setup;
use super::digest::Digest;
use super::errands::{Errands, Reply};
use super::frozen::{allocations, frozen};
use super::journal::{Journal, NOWHERE, Told};
use super::maps::{MapOf, Maps, Phase};
use super::network::Arrival;
use super::tap::Tap;
use super::watch::Watch;
use crate::market::Family;

/// How often the kernel's drop counters are read.
const COUNTS_EVERY: Nanos = Nanos::from_millis(10);

/// How often it is asked whether the world looks odd.
const ODD_EVERY: Nanos = Nanos::from_secs(1);

/// Packets of one poll.
const BATCH: usize = 64;

/// Resting orders of a partition, and so its levels: some fifty rest in each of 120 symbols at most, and
/// were all of them in one partition they would fit. What is larger is cleared for every life in vain.
const ORDERS: usize = 1 << 13;

/// The trading date of every simulated day.
const DATE: TradingDate = TradingDate(20_261_123);

/// One lane.
pub(super) struct Lane {
    writer: LaneWriter,
    pub(super) queue: VecDeque<Arrival>,
    /// Until when the lane vouches for itself; what the region says.
    pub(super) lease: Mono,
    pub(super) last_cycle: Mono,
    pub(super) stalled_until: Option<Mono>,
    dropped: u64,
    dropped_seen: u64,
    next_counts: Mono,
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
    claims: Vec<(u16, Symbol)>,
    pub(super) maps: Maps,
    /// To be taken next.
    wanted: Option<(MapOf, Mono)>,
    /// Room for symbols in each partition.
    symbols: usize,
    /// What an operator has halted in its region.
    halts: Halts,
    setup: Setup,
}

/// What an operator has halted.
#[derive(Clone, Default)]
pub(super) struct Halts {
    all: bool,
    partitions: Vec<usize>,
}

impl Halts {
    /// Halts a partition or everything, or resumes it.
    pub(super) fn set(&mut self, which: Option<usize>, halted: bool) {
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

    fn covers(&self, partition: usize) -> bool {
        self.all || self.partitions.contains(&partition)
    }
}

/// What a duty cycle leaves its traces in.
pub(super) struct Traces<'a> {
    pub(super) digest: &'a mut Digest,
    pub(super) journal: &'a mut Journal,
}

fn text<const N: usize>(text: &str) -> Text<N> {
    Text::from_wire(text.as_bytes()).expect("a short text of letters")
}

/// The name of the venue.
pub(super) fn venue() -> Venue {
    text("SIMX")
}

/// What a venue's lines carry.
pub(super) const fn format(venue: Family) -> Format {
    match venue {
        Family::Itch50 => Format::NasdaqItch50,
        Family::Deep => Format::IexDeep,
    }
}

fn partition_spec(setup: &Setup, partition: usize, symbols: usize) -> PartitionSpec {
    PartitionSpec {
        venue: venue(),
        name: text(&format!("{}", partition + 1)),
        feed: text(format(setup.venue).name()),
        lane: partition as u16 % setup.lanes,
        symbols: symbols as u32,
        silence: setup.silence,
        decimals: Decimals(4),
        lines: core::array::from_fn(|line| {
            let group = [239, 1, line as u8, partition as u8];
            setup.packings[line].map(|_| Endpoint { group, port: 26_400 })
        }),
    }
}

fn region_spec(setup: &Setup, map: MapOf, symbols: usize) -> RegionSpec {
    let mut spec = RegionSpec::new(text("simulated"));
    spec.trading_date = DATE;
    spec.process_lease = setup.lease;
    spec.lanes = setup.lanes;
    spec.events = 1_024;
    spec.losses = 256;
    spec.partitions = (0..setup.partitions)
        .map(|partition| {
            let spec = partition_spec(setup, partition, symbols);
            match map.has(partition, setup.partitions) {
                true => spec,
                false => PartitionSpec::spare(spec.lane, spec.symbols),
            }
        })
        .collect();
    spec
}

fn config(
    setup: &Setup,
    index: usize,
    symbols: usize,
    venue: &Arc<VenueSymbols>,
    mapped_until: Mono,
) -> Config {
    let lines: [bool; LINES] = core::array::from_fn(|line| setup.packings[line].is_some());
    Config {
        index: index as u16,
        format: format(setup.venue),
        lines,
        grace: setup.grace,
        session_grace: setup.session_grace,
        services: Services {
            retransmit: setup.services.and_then(|services| services.policy(setup.venue)),
            snapshot: setup.services.and_then(|services| services.snapshots(setup.heartbeat)),
        },
        silence: setup.silence,
        late: setup.late,
        capacity: Capacity { symbols, orders: ORDERS, levels: ORDERS, trades: TRADES },
        venue: Arc::clone(venue),
        mapped_until,
    }
}

impl Handler {
    /// Starts a handler with a map that holds until `until`; `listed` are the symbols by partition, as
    /// today's map has them.
    pub(super) fn start(
        setup: &Setup,
        listed: &[(Symbol, u16)],
        (map, until): (MapOf, Mono),
        errands: Option<Errands>,
        halts: &Halts,
        now: Mono,
        traces: &mut Traces<'_>,
    ) -> Handler {
        let symbols = listed.len() + 4;
        let spec = region_spec(setup, map, symbols);
        let (mut writer, lanes, region) =
            candor_shm::heap(&spec).expect("the simulator's own region is well specified");
        let listed = if setup.listed { listed.to_vec() } else { Vec::new() };
        let maps = Maps::new(map, listed, setup.partitions);
        let lane = |writer| Lane {
            writer,
            queue: VecDeque::with_capacity(setup.queue),
            lease: Mono::NEVER,
            last_cycle: now,
            stalled_until: None,
            dropped: 0,
            dropped_seen: 0,
            next_counts: now,
            deadline: None,
        };
        let seat = |index| Seat {
            partition: Partition::new(config(setup, index, symbols, maps.venue(), until)),
            watch: Watch::new(setup),
            open: false,
            mapped_until: until,
            lane: index % usize::from(setup.lanes),
            handles: Vec::new(),
        };
        let proof = Proof::NOTHING
            .rule_out_scope(Scope::Handler)
            .rule_out_scope(Scope::Partition)
            .rule_out_scope(Scope::Symbol);
        writer.set_status(promote(&proof), now);
        let mut handler = Handler {
            lanes: lanes.into_iter().map(lane).collect(),
            seats: (0..setup.partitions).map(seat).collect(),
            region: region.for_date(DATE),
            writer,
            errands,
            odd: OddWorld::new(&vec![0; setup.partitions]),
            next_odd: now,
            claims: Vec::new(),
            maps,
            wanted: None,
            symbols,
            halts: Halts::default(),
            setup: setup.clone(),
        };
        handler.halt(halts, now);
        for index in 0..setup.partitions {
            let has = map.has(index, setup.partitions);
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
        let Handler { lanes, seats, claims, setup, .. } = self;
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
        call(partition, &mut tap)
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

    /// When a lane does something next.
    pub(super) fn due(&mut self, setup: &Setup) -> Option<Mono> {
        (0..self.lanes.len()).map(|lane| self.lane_due(lane, setup)).min()
    }

    pub(super) fn lane_due(&mut self, index: usize, setup: &Setup) -> Mono {
        let lane = &mut self.lanes[index];
        if let Some(until) = lane.stalled_until {
            return until;
        }
        let soonest = lane.last_cycle + setup.poll;
        let renewal = lane.last_cycle + Nanos(setup.lease.0 / 4);
        let packet = lane.queue.front().map(|arrival| arrival.at.max(soonest));
        let seats = &self.seats;
        let deadline = *lane.deadline.get_or_insert_with(|| {
            let own = seats.iter().filter(|seat| seat.lane == index && seat.open);
            own.filter_map(|seat| seat.partition.deadline()).min()
        });
        let deadline = deadline.map(|at| at.max(soonest));
        let waits = |errands: &Errands| {
            let mut own = (0..seats.len()).filter(|at| seats[*at].lane == index);
            errands.has_replies() && own.any(|at| errands.has_reply(at))
        };
        let reply = self.errands.as_ref().is_some_and(waits).then_some(soonest);
        [Some(renewal), packet, deadline, reply].into_iter().flatten().min().unwrap_or(renewal)
    }

    /// The front of a lane's work: the stall that may lie behind it. Call [`Handler::packet`] up to
    /// a batch of times next, then [`Handler::end_cycle`].
    pub(super) fn begin_cycle(&mut self, index: usize, now: Mono, traces: &mut Traces<'_>) {
        self.call_map(index, now, traces);
        let lane = &mut self.lanes[index];
        lane.stalled_until = None;
        let mut stalled = now > lane.lease;
        if now >= lane.next_counts {
            lane.next_counts = now + COUNTS_EVERY;
            stalled |= lane.dropped > lane.dropped_seen;
            lane.dropped_seen = lane.dropped;
        }
        if stalled {
            traces.journal.note(now, NOWHERE, Told::Stalled(index));
            for at in 0..self.seats.len() {
                if self.seats[at].lane == index && self.seats[at].open {
                    self.with(at, now, traces, |partition, tap| partition.on_stall(now, tap));
                    let said = &mut self.seats[at].watch.said;
                    said.stalled = said.stalled.max(Some(now));
                }
            }
        }
    }

    /// Puts the next packet of a lane's queue before its partition, if one has arrived.
    pub(super) fn packet(
        &mut self,
        index: usize,
        now: Mono,
        traces: &mut Traces<'_>,
    ) -> Option<Arrival> {
        let arrival = self.lanes[index].queue.pop_front()?;
        let (at, tag) = (arrival.at, arrival.tag);
        traces.journal.note(now, tag.partition as u16, Told::Took(tag, at));
        let before = allocations();
        self.with(tag.partition, now, traces, |partition, tap| {
            frozen(|| partition.on_packet(now, at, tag.line, &arrival.bytes, tap));
        });
        let watch = &mut self.seats[tag.partition].watch;
        let allocated = allocations() - before;
        if allocated > 0 {
            watch.blame(|| format!("the data path allocates, {allocated} times for one packet"));
        }
        watch.took(now, at, &tag, &self.setup);
        Some(arrival)
    }

    /// Whether another packet belongs to the batch under way.
    pub(super) fn has_packet(&self, index: usize, now: Mono, taken: usize) -> bool {
        let front = self.lanes[index].queue.front();
        taken < BATCH && front.is_some_and(|arrival| arrival.at <= now)
    }

    /// Gives a partition of the lane the next reply of the venue's services, if there is one: which.
    pub(super) fn reply(
        &mut self,
        index: usize,
        now: Mono,
        traces: &mut Traces<'_>,
    ) -> Option<usize> {
        let errands = self.errands.as_mut()?;
        if !errands.has_replies() {
            return None;
        }
        let own = |at: &usize| self.seats[*at].lane == index && errands.has_reply(*at);
        let at = (0..self.seats.len()).find(own)?;
        let reply = errands.reply(at)?;
        let before = allocations();
        match &reply {
            Reply::Payload { run, bytes } => {
                traces.journal.note(
                    now,
                    at as u16,
                    Told::Reply("datagram, bytes", bytes.len() as u64),
                );
                let lacked_start = self.seats[at].watch.lacks_start();
                let answer = self.with(at, now, traces, |partition, tap| {
                    frozen(|| partition.on_retransmit(now, bytes, tap))
                });
                let watch = &mut self.seats[at].watch;
                if lacked_start && !watch.lacks_start() {
                    // Nothing else shows that it is of the numbers that lines bring.
                    watch.said.stalled = watch.said.stalled.max(Some(now));
                }
                if let Answer::Filled { range } = answer {
                    watch.answered(*run, range.first.0, range.end.0);
                }
            }
            Reply::Refused(refused) => {
                let first = refused.range.first.0;
                traces.journal.note(now, at as u16, Told::Reply(refused.why.label(), first));
                self.with(at, now, traces, |partition, tap| {
                    frozen(|| partition.on_refused(now, refused, tap));
                });
            }
            Reply::Begin { .. }
            | Reply::Messages { .. }
            | Reply::End { .. }
            | Reply::Failed { .. } => {
                self.snapshot(at, &reply, now, traces);
            }
        }
        let watch = &mut self.seats[at].watch;
        if allocations() != before {
            watch.blame(|| "a reply of the services allocates".to_owned());
        }
        watch.end_splice(now);
        watch.settle();
        Some(at)
    }

    fn snapshot(&mut self, at: usize, reply: &Reply, now: Mono, traces: &mut Traces<'_>) {
        let (cycle, part, told) = match reply {
            Reply::Begin { cycle, session } => {
                self.seats[at].watch.claimed = *session;
                let part = SnapshotPart::Begin { session: *session };
                (*cycle, part, Told::Reply("snapshot begins, cycle", u64::from(*cycle)))
            }
            Reply::Messages { cycle, count, bytes } => {
                let Ok(messages) = Messages::walk(bytes, *count, ByteOrder::Big) else {
                    return self.seats[at]
                        .watch
                        .blame(|| "a client makes a broken block".to_owned());
                };
                let told = Told::Reply("snapshot messages", u64::from(*count));
                (*cycle, SnapshotPart::Messages(messages), told)
            }
            Reply::End { cycle, next, made } => {
                // What the service sent, not what its client made of that.
                self.seats[at].watch.offered = made.map(|(run, next)| (run, next.0));
                let told = Told::Reply("snapshot ends before", next.0);
                (*cycle, SnapshotPart::End { next: *next }, told)
            }
            Reply::Failed { cycle, why } => {
                (*cycle, SnapshotPart::Failed(*why), Told::Reply(why.label(), u64::from(*cycle)))
            }
            Reply::Payload { .. } | Reply::Refused(_) => return,
        };
        traces.journal.note(now, at as u16, told);
        self.with(at, now, traces, |partition, tap| {
            frozen(|| partition.on_snapshot(now, cycle, &part, tap));
        });
    }

    /// The rest of a duty cycle: claims, deadlines, the lane's lease.
    pub(super) fn end_cycle(
        &mut self,
        index: usize,
        now: Mono,
        setup: &Setup,
        traces: &mut Traces<'_>,
    ) {
        while let Some((home, symbol)) = self.claims.pop() {
            let home = usize::from(home);
            self.with(home, now, traces, |partition, tap| partition.on_claimed(now, &symbol, tap));
        }
        for at in 0..self.seats.len() {
            let seat = &self.seats[at];
            let due = seat.partition.deadline().is_some_and(|due| due <= now);
            if seat.lane == index && seat.open && due {
                let before = allocations();
                self.with(at, now, traces, |partition, tap| {
                    frozen(|| partition.on_deadline(now, tap));
                });
                let watch = &mut self.seats[at].watch;
                if allocations() != before {
                    watch.blame(|| "a deadline allocates".to_owned());
                }
                watch.end_splice(now);
                watch.settle();
            }
        }
        self.maps.proceed();
        if let Some((map, until)) = self.wanted.take_if(|_| !self.maps.is_taking()) {
            self.take_map(map, until);
        }
        self.lanes[index].renew(now, setup.lease);
        let Some(errands) = &mut self.errands else { return };
        for at in 0..self.seats.len() {
            let seat = &mut self.seats[at];
            if seat.lane != index {
                continue;
            }
            // BOUND: each action is said once.
            while let Some(action) = frozen(|| seat.partition.next_action()) {
                self.lanes[index].deadline = None;
                traces.journal.note(now, at as u16, Told::Asked(action));
                traces.digest.words([11, at as u64, fold_of(&action)]);
                errands.act(now, at as u16, action);
            }
        }
    }

    /// Takes a map that holds until `until`, as soon as none is being taken.
    pub(super) fn take_map(&mut self, map: MapOf, until: Mono) {
        if self.maps.is_taking() {
            self.wanted = Some((map, until));
            return;
        }
        let before = Arc::clone(self.maps.venue());
        self.maps.take(map, until, self.lanes.len());
        for (index, seat) in self.seats.iter_mut().enumerate().filter(|(_, seat)| !seat.open) {
            // Made by the handler's own thread, to be given to the lane. It takes the map like any other.
            let made = config(&self.setup, index, self.symbols, &before, seat.mapped_until);
            seat.partition = Partition::new(made);
        }
    }

    /// What a lane does for a map that is being taken, if it has not done it yet.
    fn call_map(&mut self, lane: usize, now: Mono, traces: &mut Traces<'_>) {
        let Some((map, phase, mut news)) = self.maps.call(lane) else { return };
        for (at, new) in news.iter_mut().enumerate() {
            if self.seats[at].lane != lane {
                continue;
            }
            if phase == Phase::Begin {
                self.add_or_remove(at, map, now, traces);
            }
            if !self.seats[at].open {
                continue;
            }
            let before = allocations();
            self.with(at, now, traces, |partition, tap| {
                frozen(|| match phase {
                    Phase::Begin => partition.begin_map(now, new, tap),
                    Phase::Claim => partition.claim_map(now, new, tap),
                    Phase::Finish => partition.finish_map(now, new, tap),
                });
            });
            let seat = &mut self.seats[at];
            if phase == Phase::Begin {
                seat.mapped_until = new.until;
            }
            if allocations() != before {
                seat.watch.blame(|| "a map allocates".to_owned());
            }
        }
        self.maps.called(lane, news);
    }

    /// A partition that the map adds is opened or joined again, one that it lacks is left.
    fn add_or_remove(&mut self, at: usize, map: MapOf, now: Mono, traces: &mut Traces<'_>) {
        let has = map.has(at, self.seats.len());
        if has && !self.seats[at].open {
            // A venue that is halted whole is so with what a map adds to it.
            let mut others = self.seats.iter().enumerate().filter(|(_, seat)| seat.open);
            if others.all(|(other, _)| self.halts.partitions.contains(&other)) {
                self.halts.set(Some(at), true);
            }
            self.seats[at].open = true;
            self.seats[at].watch.subscribed = true;
            let spec = partition_spec(&self.setup, at, self.symbols);
            self.lanes[self.seats[at].lane].writer.open(at as u16, &spec);
            self.with(at, now, traces, |partition, tap| {
                partition.start(now, tap);
                partition.subscribe(now, true, tap);
            });
        } else if has != self.seats[at].watch.subscribed && self.seats[at].open {
            self.subscribe(at, now, has, traces);
        }
    }

    /// The process is stopped, or starved of time, for so long.
    pub(super) fn stall(&mut self, index: usize, until: Mono) {
        let lane = &mut self.lanes[index];
        lane.stalled_until = lane.stalled_until.max(Some(until));
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

    /// The words of the kill switch become what an operator has halted, as of now.
    pub(super) fn halt(&mut self, halts: &Halts, now: Mono) {
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
    pub(super) fn is_halted(&self, partition: usize) -> bool {
        self.halts.covers(partition)
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

/// An action in a word.
fn fold_of(action: &Action) -> u64 {
    match action {
        Action::Retransmit(ask) => {
            ask.range.first.0 << 24 ^ ask.range.end.0 << 3 ^ u64::from(ask.attempt)
        }
        Action::Snapshot(ask) => ask.needs.0 << 8 ^ u64::from(ask.cycle) ^ 1 << 62,
        Action::DropSnapshot { cycle } => u64::from(*cycle) | 1 << 63,
    }
}

impl Lane {
    fn renew(&mut self, now: Mono, lease: Nanos) {
        self.last_cycle = now;
        self.lease = now + lease;
        self.writer.renew(self.lease);
    }
}
