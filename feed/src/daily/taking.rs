//! The part of the handler's own thread in taking a map: it opens and joins what the map adds, leaves what it
//! removes, and sees that no lane makes a call before every lane has made the one before. Waits for nothing: it
//! is asked at every tick.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use candor_core::{Line, Mono, Venue};
use candor_shm::InForce;

use super::handover::{LANE_WITHIN, Phase, Way};
use super::thread::Job;
use crate::config::{LineConfig, Partition};
use crate::recovery::Adder;
use crate::source::udp;

/// See the module's description.
pub(crate) struct Taker {
    pub(crate) jobs: Receiver<Job>,
    pub(crate) done: Sender<Job>,
    /// By lane.
    pub(crate) ways: Vec<Arc<Way>>,
    pub(crate) adder: Option<Adder>,
    pub(crate) sockets: Option<udp::Sockets>,
    pub(crate) receive_buffer: u32,
    pub(crate) under_way: Option<UnderWay>,
}

/// A map that the lanes are taking.
pub(crate) struct UnderWay {
    job: Job,
    phase: Phase,
    /// By lane: whether it has the change.
    out: Vec<bool>,
    given: Vec<udp::Given>,
    since: Mono,
    said: bool,
}

/// Who has memberships and programs.
pub(crate) trait Joiner {
    /// Joins a line, or keeps it ready to be; a socket may have been given to its lane for it. Whether it is
    /// joined.
    fn join(
        &mut self,
        number: u16,
        line: Line,
        at: (&LineConfig, bool),
        socket: Option<(&udp::Sockets, &udp::Given)>,
    ) -> bool;

    /// Whether the lines of a partition are joined.
    fn holds(&self, number: u16) -> bool;

    /// Leaves a line of which another membership may have been made since, `after` being the partitions from
    /// here on.
    fn leave(&mut self, number: u16, line: Line, at: &LineConfig, after: &[Partition]);

    /// Lanes are about to take this map of a venue, or to end the one that they have.
    fn comes(&mut self, venue: Venue, map: Option<&InForce>, now: Mono);

    /// Every lane has taken it, or has ended the one before.
    fn taken(&mut self, venue: Venue, map: Option<&InForce>, now: Mono);

    /// Which date and map of a venue are in force from here on; `None`: none is.
    fn in_force(&mut self, venue: Venue, in_force: Option<&InForce>, now: Mono);

    /// Which date and map of a venue were in force until now.
    fn was_in_force(&self, venue: Venue) -> Option<InForce>;

    /// The partitions as they were until now, and from now on.
    fn partitions(&mut self) -> &mut Vec<Partition>;
}

impl Taker {
    /// Does what there is to do.
    pub(crate) fn tick(&mut self, now: Mono, joiner: &mut impl Joiner) {
        if self.under_way.is_none() {
            let Ok(job) = self.jobs.try_recv() else { return };
            // What is said of them from here on has their names.
            for number in job.steps.added.iter().map(|number| usize::from(*number)) {
                joiner.partitions()[number].clone_from(&job.after[number]);
            }
            // Until every lane has the map of another date neither that nor the one before is in force.
            let was = joiner.was_in_force(job.venue);
            let date = |one: &InForce| one.date;
            if was.is_some() && was.as_ref().map(date) != job.in_force.as_ref().map(date) {
                joiner.in_force(job.venue, None, now);
            }
            joiner.comes(job.venue, job.in_force.as_ref(), now);
            self.begin(now, job);
        }
        let Some(under_way) = &mut self.under_way else { return };
        for (lane, way) in self.ways.iter().enumerate() {
            if let Some(change) = way.done() {
                under_way.job.changes[lane] = Some(change);
                under_way.out[lane] = false;
            }
        }
        if let Some(lane) = under_way.out.iter().position(|out| *out) {
            if !under_way.said && now.since(under_way.since) > LANE_WITHIN {
                under_way.said = true;
                let venue = under_way.job.venue;
                tracing::warn!(%venue, lane, "the lane hangs: what a map changes waits for it, stale");
            }
            return;
        }
        if under_way.phase == Phase::Begin {
            self.join(joiner);
        }
        self.proceed(now, joiner);
    }

    /// Opens what the map adds, and hands the first call to the lanes.
    fn begin(&mut self, now: Mono, mut job: Job) {
        let mut given = Vec::new();
        let is_new =
            |number: &u16| job.steps.added.contains(number) || job.steps.again.contains(number);
        let numbers: Vec<u16> = (0..job.after.len() as u16).filter(is_new).collect();
        let mut wanted: Vec<(u16, Line, LineConfig)> = Vec::new();
        for number in numbers {
            let one = &job.after[usize::from(number)];
            if let Some(adder) = self.adder.as_ref().filter(|_| job.steps.added.contains(&number)) {
                adder.add(number, one);
            }
            wanted.extend(one.lines().map(|(line, at)| (number, line, at.clone())));
        }
        let moved = job.steps.lines.iter();
        wanted.extend(moved.filter_map(|(number, line, at)| Some((*number, *line, at.clone()?))));
        if let Some(sockets) = &mut self.sockets {
            for (number, line, at) in &wanted {
                let lane = job.after[usize::from(*number)].lane;
                match sockets.open(lane, (*number, *line, at), self.receive_buffer) {
                    Ok((socket, one)) => {
                        given.push(one);
                        if let Some(change) = &mut job.changes[usize::from(lane)] {
                            change.sockets.push(socket);
                        }
                    }
                    Err(error) => {
                        tracing::error!(%line, %error, "a line of the map has no socket");
                        job.without.push((*number, *line));
                    }
                }
            }
        }
        let out = vec![false; self.ways.len()];
        let phase = Phase::Begin;
        let mut under_way = UnderWay { job, phase, out, given, since: now, said: false };
        under_way.give(&self.ways);
        self.under_way = Some(under_way);
    }

    /// Joins what the map adds, then leaves what it no longer has: every lane has begun.
    fn join(&mut self, joiner: &mut impl Joiner) {
        let Some(UnderWay { job, given, .. }) = &mut self.under_way else { return };
        let sockets = self.sockets.as_ref();
        let socket = |number: u16, line: Line| {
            let given = given.iter().find(|one| (one.partition, one.line) == (number, line));
            sockets.zip(given)
        };
        let before = joiner.partitions().clone();
        let mut left = Vec::new();
        for (number, line, at) in &job.steps.lines {
            let held = joiner.holds(*number);
            let old = before[usize::from(*number)].lines[line.index()].clone();
            let (old, first) = match (old, at) {
                // From any sender to one, or back: the two can't be named at once.
                (Some(old), Some(at)) if excludes(&old, at) => (None, Some(old)),
                (old, _) => (old, None),
            };
            if let Some(first) = first {
                joiner.leave(*number, *line, &first, &job.after);
            }
            let joined = at
                .as_ref()
                .is_none_or(|at| joiner.join(*number, *line, (at, held), socket(*number, *line)));
            // One that can't be joined leaves the line where it was, as long as anything comes there.
            left.extend(old.filter(|_| joined || !held).map(|old| (*number, *line, old)));
        }
        for number in job.steps.added.iter().chain(&job.steps.again) {
            let one = &job.after[usize::from(*number)];
            let mut any = false;
            for (line, at) in one.lines() {
                any |= joiner.join(*number, line, (at, one.subscribe), socket(*number, line));
            }
            let seats = job.changes.iter_mut().flatten().flat_map(|change| &mut change.seats);
            seats.filter(|seat| seat.number == *number).for_each(|seat| seat.enter = any);
        }
        for number in &job.steps.removed {
            let lines = before[usize::from(*number)].lines();
            left.extend(lines.map(|(line, at)| (*number, line, at.clone())));
        }
        for (number, line, at) in left {
            joiner.leave(number, line, &at, &job.after);
        }
        joiner.partitions().clone_from(&job.after);
    }

    /// Hands the next call to the lanes, or what is left of the job back to who made it.
    fn proceed(&mut self, now: Mono, joiner: &mut impl Joiner) {
        let Some(mut under_way) = self.under_way.take() else { return };
        let Some(phase) = under_way.phase.next() else {
            let Job { venue, in_force, .. } = &under_way.job;
            joiner.taken(*venue, in_force.as_ref(), now);
            if *in_force != joiner.was_in_force(*venue) {
                joiner.in_force(*venue, in_force.as_ref(), now);
            }
            // Where the maps' thread is gone the handler ends.
            let _ = self.done.send(under_way.job);
            return;
        };
        (under_way.phase, under_way.since, under_way.said) = (phase, now, false);
        under_way.give(&self.ways);
        self.under_way = Some(under_way);
    }
}

/// Whether two endpoints can't be named at once: one group and port, one of any sender and one not.
fn excludes(one: &LineConfig, other: &LineConfig) -> bool {
    let same = (one.group, one.port, &one.interface) == (other.group, other.port, &other.interface);
    same && one.source.is_none() != other.source.is_none()
}

impl UnderWay {
    fn give(&mut self, ways: &[Arc<Way>]) {
        let changes = ways.iter().zip(&mut self.job.changes).zip(&mut self.out);
        for ((way, change), out) in changes {
            let Some(mut one) = change.take() else { continue };
            one.phase = self.phase;
            *out = way.give(one);
        }
    }
}
