//! Faults, as they happen and as they end.

use candor_core::{Line, Mono, Nanos};

use candor_engine::alerts::{Place, Suspect};

use super::{Ghost, Grave, HEALING_RATE, Haunt, START, World};
use crate::control::Command;
use crate::market::{Family, Mood};
use crate::oracle::wire;
use crate::services::{ServiceFault, ServiceKind};
use crate::simulator::checks::{Judge, Wrong};
use crate::simulator::errands::{Errand, Errands, Way};
use crate::simulator::handler::{Halts, Handler, Traces};
use crate::simulator::journal::{NOWHERE, Told};
use crate::simulator::maps::MapOf;
use crate::simulator::network::Tag;
use crate::simulator::overnight::Relisted;
use crate::simulator::schedule::What;

/// The number of the first session of IEX, as the exchange is set up.
const FIRST_SESSION: u32 = 1_048_576;

impl World<'_> {
    /// Starts a handler where none runs: one that comes late by its plan may find that a fault has started it.
    pub(super) fn start_handler(&mut self) {
        if self.handler.is_some() {
            return;
        }
        self.note_date();
        let mut traces = Traces { digest: &mut self.digest, journal: &mut self.journal };
        if let Some(Grave { handler, .. }) = &mut self.grave {
            handler.retire(self.now);
        }
        let errands = self.setup.services.map(|services| {
            let partitions = self.setup.partitions;
            let (venue, seed) = (self.setup.venue, self.setup.seed);
            Errands::new(venue, &services, partitions, seed, self.connections)
        });
        let (setup, listed, map) = (self.setup, &self.listed, self.map);
        let halts = (&self.halts, self.past.read());
        let handler = Handler::start(setup, listed, map, errands, halts, self.now, &mut traces);
        self.handler = Some(handler);
    }

    pub(super) fn stop_handler(&mut self) {
        let Some(mut handler) = self.handler.take() else { return };
        if let Some(mut errands) = handler.errands.take() {
            errands.die(&mut self.exchange);
            self.connections = errands.next_connection();
            let Errand { asked, answered, connected } = errands.counts();
            self.errand.asked += asked;
            self.errand.answered += answered;
            self.errand.connected += connected;
        }
        let leases = handler.lanes.iter().map(|lane| lane.lease).collect();
        for lane in &mut handler.lanes {
            lane.queue.drain(..).for_each(|arrival| self.network.recycle(arrival.bytes));
        }
        self.past = handler.past.clone();
        self.grave = Some(Grave { handler, leases });
    }

    pub(super) fn command(&mut self, command: &Command) {
        // What an operator of the simulator's own exchange says is always possible.
        let done = self.exchange.apply(self.now, command);
        debug_assert!(done.is_ok(), "{command:?}: {done:?}");
        self.drain();
        self.ask_exchange();
    }

    /// The numbers of a partition begin again, under another name or the same.
    pub(super) fn begin_run(&mut self, partition: usize, command: &Command) {
        let truth = &self.truths[partition];
        let session = truth.session(truth.run());
        let (run, next, offset) = (truth.run(), truth.next(), truth.offset());
        let ghost = |session| Ghost { session, run, next, offset };
        self.ghosts[partition] = session.map(ghost);
        self.exchange.cut_all(self.now);
        self.drain();
        self.truths[partition].begin();
        self.command(command);
    }

    /// The name of another session: of IEX a number, sometimes lower than the one before.
    fn session_name(&self) -> String {
        match (self.setup.venue, self.sessions) {
            (Family::Itch50, nth) => format!("SIM{nth}"),
            (Family::Deep, nth) if nth.is_multiple_of(2) => (FIRST_SESSION - nth).to_string(),
            (Family::Deep, nth) => (FIRST_SESSION + nth).to_string(),
        }
    }

    /// Another session on one partition, or on all.
    fn begin_sessions(&mut self, chosen: Option<usize>) {
        let all = 0..self.setup.partitions;
        for partition in chosen.map_or(all, |only| only..only + 1) {
            self.sessions += 1;
            let name = self.session_name();
            self.begin_run(partition, &Command::Session { name, partition: Some(partition) });
        }
    }

    /// The symbol that moves at noon does, with its orders.
    fn carry(&mut self) {
        let to = self.setup.partitions - 1;
        let symbol = self.listed[0].0;
        for partition in [0, to] {
            self.set_apart(partition);
        }
        let silent = self.exchange.carry(0, to, self.now);
        let silent = silent.iter().map(|message| message.bytes().to_vec());
        self.truths[to].carry(symbol, silent.collect());
        self.last_map = MapOf::Afternoon;
    }

    /// The next day begins: the venue has listed what it has then, and begins a session on each partition of it.
    fn next_day(&mut self) {
        let relisted = self.setup.overnight.map(|it| it.relisted(&self.listed));
        for Relisted { partition, index, symbol } in relisted.into_iter().flatten() {
            self.exchange.relist(partition, index, symbol);
        }
        let there = (0..self.setup.partitions).filter(|at| MapOf::Tomorrow.has(*at, self.setup));
        there.for_each(|partition| self.begin_sessions(Some(partition)));
        self.last_map = MapOf::Tomorrow;
    }

    pub(super) fn happen(&mut self, what: What) -> Result<(), Wrong> {
        self.journal.note(self.now, NOWHERE, Told::Fault(what));
        match what {
            What::Kill(partition) | What::Revive(partition) => {
                let alive = matches!(what, What::Revive(_));
                self.command(&Command::Partition { partition, alive });
            }
            What::Session(chosen) => self.begin_sessions(chosen),
            What::NextDay => self.next_day(),
            What::List(partition) => {
                self.exchange.keep_back(partition, false);
                if self.setup.moves_at_noon {
                    self.last_map = MapOf::Afternoon;
                }
            }
            What::Delist(partition) => self.exchange.delist(partition),
            What::Carry => self.carry(),
            // Within a grace of the first packet that is heard, numbers of both runs fill what is missing: they
            // could not be told apart (decision 0008).
            What::Restart(partition, _) if self.has_just_begun(partition) => {}
            What::Restart(partition, late) => {
                let command = Command::Restart { partition: Some(partition) };
                if !late {
                    self.exchange.cut_all(self.now);
                    self.drain();
                    let seats = self.handler.as_ref().map(|handler| &handler.seats);
                    let watch = seats.map(|seats| &seats[partition].watch);
                    let seen = |tag: &Tag| watch.is_some_and(|watch| watch.has_seen(tag));
                    self.network.lose_under_way(partition, seen);
                    let errands = self.handler.as_mut().and_then(|it| it.errands.as_mut());
                    if let Some(errands) = errands {
                        errands.restart(partition, &mut self.exchange);
                    }
                }
                self.begin_run(partition, &command);
            }
            What::End(partition) => self.command(&Command::End { partition: Some(partition) }),
            What::Cease(partition) => self.command(&Command::Cease { partition: Some(partition) }),
            // A first message that differs is how a restart looks.
            What::Differ(partition)
                if self.truths[partition].next() > 1
                    && !self.exchange.publishers()[partition].is_ended() =>
            {
                self.set_apart(partition);
                self.truths[partition].differ();
                match self.setup.venue {
                    Family::Itch50 => self.command(&Command::Differ { partition }),
                    Family::Deep => {
                        let truth = &self.truths[partition];
                        self.tampering.differ(partition, truth.run(), truth.next());
                    }
                }
            }
            What::Differ(_) => {}
            What::Rate(rate) => self.command(&Command::Rate(rate)),
            What::Pause => self.command(&Command::Pause),
            What::Resume => self.command(&Command::Resume),
            What::Mood(partition, mood) => self.exchange.set_mood(partition, mood),
            What::Stop => self.stop_handler(),
            What::Start if self.handler.is_none() => self.start_handler(),
            What::Start => {}
            What::Stall(lane, time) => {
                if let Some(handler) = &mut self.handler {
                    let lane = usize::from(lane).min(handler.lanes.len() - 1);
                    handler.stall(lane, self.now + time);
                }
            }
            What::Subscribe(partition, joined) => {
                let mut traces = Traces { digest: &mut self.digest, journal: &mut self.journal };
                if let Some(handler) = &mut self.handler {
                    handler.subscribe(partition, self.now, joined, &mut traces);
                }
            }
            What::Halt(which, halted) => {
                self.halts.set(which, halted);
                if let Some(handler) = &mut self.handler {
                    handler.halt(&self.halts, self.now);
                }
            }
            // Of GLIMPSE nothing shows that a message was left out.
            What::Serve(_, ServiceKind::Snapshot, ServiceFault::LostPacket)
                if self.setup.venue == Family::Itch50 => {}
            What::Serve(partition, kind, fault) => {
                fault.apply(self.exchange.services_mut(partition).faults_mut(kind));
            }
            What::WayLoss(partition, loss) => self.way(partition, |way| way.loss = loss),
            What::WayDead(partition, dead) => self.way(partition, |way| way.dead = dead),
            What::WayHangs(partition, hangs) => self.way(partition, |way| way.hangs = hangs),
            What::Map(map) => self.give_map(map, Mono::MAX)?,
            What::MapFor(map, time) => self.give_map(map, self.now + time)?,
            What::Zombie(partition, line, begins) => self.set_haunt(partition, line, true, begins),
            What::Loop(partition, line, begins) => self.set_haunt(partition, line, false, begins),
            _ => self.change_link(what),
        }
        self.ask_exchange();
        self.look(self.now)
    }

    fn set_apart(&mut self, partition: usize) {
        self.lossless.iter_mut().for_each(|lossless| lossless.set_apart(partition));
    }

    /// From now on this map is the one to have.
    fn give_map(&mut self, map: MapOf, until: Mono) -> Result<(), Wrong> {
        self.note_date();
        self.map = (map, until);
        let now = self.now;
        if let Some(lossless) = &mut self.lossless {
            lossless.give_map(map, until, now);
        }
        if let Some(handler) = &mut self.handler {
            let told = handler.suspect(now, Suspect::Map, Place::Venue(0));
            handler.take_map(map, until, now);
            self.note_alerts(told)?;
        }
        Ok(())
    }

    /// A map that has ended ended with its date, and another began.
    fn note_date(&mut self) {
        let (_, ends) = self.map;
        if ends <= self.now {
            self.past.begin(ends);
            self.handler.iter_mut().for_each(|handler| handler.past.begin(ends));
            self.lossless.iter_mut().for_each(|lossless| lossless.begin_date(ends));
        }
    }

    /// Whether the first packet of what the handler follows reached it less than a grace ago, beside what others of
    /// the same age are still under way, and it lacks something that the venue has sent; or waits for its lane, which
    /// follows something else still.
    fn has_just_begun(&self, partition: usize) -> bool {
        let Some(handler) = &self.handler else { return false };
        let (seat, truth) = (&handler.seats[partition], &self.truths[partition]);
        let late = self.setup.links.iter().map(|link| link.jitter + link.reorder_by).max();
        let just = |arrived| self.now < arrived + self.setup.grace + late.unwrap_or(Nanos::ZERO);
        let watch = &seat.watch;
        if watch.run != Some(truth.run()) {
            let mut waiting = handler.lanes[seat.lane].queue.iter();
            let of_it = |tag: &Tag| tag.partition == partition && tag.run == truth.run();
            let first = waiting.find(|arrival| of_it(&arrival.tag));
            if first.is_some_and(|arrival| just(arrival.at)) {
                return true;
            }
        }
        let lacks = watch.run == Some(truth.run()) && watch.expected < truth.next();
        watch.run.is_some() && just(watch.began_by) && (lacks || watch.lacks_start())
    }

    pub(super) fn way(&mut self, partition: usize, change: impl FnOnce(&mut Way)) {
        let handler = self.handler.as_mut();
        if let Some(errands) = handler.and_then(|handler| handler.errands.as_mut()) {
            change(errands.way(partition));
        }
    }

    pub(super) fn change_link(&mut self, what: What) {
        let network = &mut self.network;
        match what {
            What::Cut(p, line, cut) => network.link(p, line).cut = cut,
            What::LoseNext(p, packets) => {
                self.setup.lines().for_each(|line| network.lose_next(p, line, packets));
            }
            What::Loss(p, line, ppm) => network.link(p, line).loss = ppm,
            What::Bursts(p, line, ppm, mean) => {
                let link = network.link(p, line);
                (link.bursts, link.burst) = (ppm, mean);
            }
            What::Lag(p, line, lag) => network.link(p, line).delay = lag,
            What::Reorder(p, line, ppm, by) => {
                let link = network.link(p, line);
                (link.reorder, link.reorder_by) = (ppm, by);
            }
            What::Duplicate(p, line, ppm) => network.link(p, line).duplicate = ppm,
            What::Malform(p, line, ppm) => network.link(p, line).malform = ppm,
            What::Mend(p, line) => network.mend(p, line, false),
            _ => {}
        }
    }

    pub(super) fn set_haunt(&mut self, partition: usize, line: Line, zombie: bool, begins: bool) {
        let same = |haunt: &Haunt| {
            (haunt.partition, haunt.line, haunt.zombie) == (partition, line, zombie)
        };
        self.haunts.retain(|haunt| !same(haunt));
        if begins {
            self.haunts.push(Haunt { partition, line, zombie, due: self.now });
            self.network.remember(partition, line);
        }
    }

    /// Publishers that should be gone, and loops, say again what was said before.
    pub(super) fn haunt(&mut self) {
        for at in 0..self.haunts.len() {
            let Haunt { partition, line, zombie, due } = self.haunts[at];
            if due > self.now {
                continue;
            }
            self.haunts[at].due = self.now + Nanos(self.setup.heartbeat.0 / 3 + 1);
            if zombie {
                let Some(Ghost { session, run, next, offset }) = self.ghosts[partition] else {
                    continue;
                };
                // Two numberings at once under one name can't be told apart by anybody.
                let truth = &self.truths[partition];
                if truth.session(truth.run()).is_none_or(|now| now == session) {
                    continue;
                }
                let bytes = wire::heartbeat(self.setup.venue, session, next, offset);
                let tag = Tag {
                    partition,
                    line,
                    run,
                    first: next,
                    count: 0,
                    end: false,
                    echo: true,
                    malformed: false,
                    sent: self.now,
                };
                self.network.send(self.now, tag, &bytes);
            } else if let Some((tag, bytes)) = self.network.last(partition, line).cloned() {
                let tag = Tag { echo: true, sent: self.now, ..tag };
                self.network.send(self.now, tag, &bytes);
            }
        }
    }

    /// The faults end.
    pub(super) fn heal(&mut self) -> Result<(), Wrong> {
        self.journal.note(self.now, NOWHERE, Told::Healed);
        self.next_fault = self.plan.faults.len();
        self.haunts.clear();
        for partition in 0..self.setup.partitions {
            for line in self.setup.lines() {
                self.network.mend(partition, line, true);
            }
            self.command(&Command::Partition { partition, alive: true });
            self.exchange.set_mood(partition, Mood::Usual);
        }
        self.command(&Command::Resume);
        self.command(&Command::Rate(self.setup.rate.min(HEALING_RATE)));
        for partition in 0..self.setup.partitions {
            for kind in ServiceKind::ALL {
                let faults = self.exchange.services_mut(partition).faults_mut(kind);
                ServiceFault::Off.apply(faults);
            }
        }
        let last = self.last_map;
        if self.map != (last, Mono::MAX) {
            self.give_map(last, Mono::MAX)?;
        }
        self.halts = Halts::default();
        if self.handler.is_none() {
            self.started = true;
            self.start_handler();
        }
        if let Some(handler) = &mut self.handler {
            handler.halt(&self.halts, self.now);
        }
        let mut traces = Traces { digest: &mut self.digest, journal: &mut self.journal };
        if let Some(handler) = &mut self.handler {
            for lane in &mut handler.lanes {
                lane.stalled_until = lane.stalled_until.map(|_| self.now);
            }
            if let Some(errands) = &mut handler.errands {
                errands.mend();
            }
            for partition in 0..self.setup.partitions {
                let there = last.has(partition, self.setup);
                if there && !handler.seats[partition].watch.subscribed {
                    handler.subscribe(partition, self.now, true, &mut traces);
                }
            }
        }
        self.ask_exchange();
        self.look(self.now)
    }

    /// Every partition that can be whole is Live, and equal to the venue's where everything is at rest.
    /// How many there were.
    pub(super) fn healed(&mut self, at_rest: bool) -> Result<usize, Wrong> {
        let World { handler, setup, truths, .. } = self;
        let mut judge =
            Judge { setup, truths, start: START, reads: &mut self.reads, live: &mut self.live };
        let Some(handler) = handler else { return Ok(0) };
        let mut count = 0;
        for partition in 0..setup.partitions {
            if self.exchange.publishers()[partition].is_ended() {
                continue;
            }
            if !handler.seats[partition].watch.can_be_whole(setup) {
                continue;
            }
            judge.healed(handler, partition, self.now, at_rest)?;
            count += 1;
        }
        Ok(count)
    }
}
