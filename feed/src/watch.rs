//! The handler's own thread, which serves no packet: it waits for a signal, writes the log, takes
//! commands, looks after the interfaces and the memberships, publishes what nobody subscribes to, and says
//! when the world looks odd.

mod refused;
mod silence;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use candor_core::counters::LaneCounter;
use candor_core::{Mono, Nanos, Reason, Status};
use candor_shm::{Endpoint, HandlerWriter, Region, Unmapped};
use serde_json::{Map, Value, json};

use crate::clock::{self, Clock};
use crate::config::{Config, Partition};
use crate::control::serve::{Hands, Server};
use crate::day::Day;
use crate::exit::Failure;
use crate::halt::act::{self, Resumed};
use crate::halt::{Target, checked_reason, keep, users};
use crate::join::Joins;
use crate::publish::Links;
use crate::source::Watch;
use crate::world::World;
use refused::Refused;
use silence::{News, Silence};

/// How often signals, commands and the log are looked at.
const TICK: Duration = Duration::from_millis(20);

/// How often it is asked which partitions are silent.
const LISTEN_EVERY: Nanos = Nanos::from_millis(100);

/// How often interfaces and unmapped multicast are: so that a program taken off is
/// noticed within a second.
const LOOK_EVERY: Nanos = Nanos::from_millis(500);

/// What the thread looks after.
pub(crate) struct Keeper<'a> {
    pub(crate) config: &'a Config,
    pub(crate) handler: &'a mut HandlerWriter,
    /// The region as any reader sees it.
    pub(crate) region: Region,
    pub(crate) watch: Option<Watch>,
    pub(crate) joins: Joins,
    pub(crate) links: &'a Links,
    pub(crate) day: Day,
    pub(crate) halts: keep::Watch,
}

impl Keeper<'_> {
    /// Keeps watch until told to stop, or until the region is no longer this handler's: then it says
    /// so and stops the lanes. Memberships, programs and the control socket are given up when this
    /// returns.
    ///
    /// # Errors
    /// What became of the region.
    pub(crate) fn run(mut self, mut server: Server, stop: &AtomicBool) -> Result<(), Failure> {
        let mut clock = Clock::new();
        let (mut next_look, mut next_listen) = (Mono::NEVER, Mono::NEVER);
        let mut over = false;
        let mut silences = vec![Silence::default(); self.config.partitions.len()];
        let mut astray = 0;
        let (mut lost, mut unseen) = (None, false);
        let mut refused = Refused::default();
        let mut world = World::new(self.config);
        while !stop.load(Ordering::Relaxed) {
            self.links.log.write(|partition| name(self.config, partition));
            let now = clock.now();
            server.tick(now, self.config, &mut self);
            if now >= next_listen {
                next_listen = now + LISTEN_EVERY;
                self.renew(now, &mut silences);
            }
            world.look(candor_shm::clock::now, &self.region, self.config);
            if now >= next_look {
                next_look = now + LOOK_EVERY;
                self.look();
                self.links.halted(self.halts.look(&self.region));
                self.tell_astray(now, &mut astray);
                refused.tell(now, self.config, &self.region, self.watch.as_ref());
                if !over && self.day.is_over(clock::wall()) {
                    over = true;
                    self.end_day(now);
                }
                let before = std::mem::replace(&mut lost, self.lost(&mut unseen));
                // Twice, so that no single look that failed ends a day.
                if let (Some(_), Some(what)) = (before, lost) {
                    stop.store(true, Ordering::Relaxed);
                    let region = self.config.handler.region.display();
                    tracing::error!(%region, "{what}: the handler ends");
                    return Err(Failure::host(format!(
                        "{region}: {what}; find out who did that, see that one handler has the path, \
                         and start it again"
                    )));
                }
            }
            pause();
        }
        Ok(())
    }

    /// What has become of the region where readers who open its path don't find it any more, or see
    /// that its writer is gone: nobody is served by going on. That nobody can tell is said once,
    /// `unseen` being that it was, and is no reason to end.
    fn lost(&self, unseen: &mut bool) -> Option<&'static str> {
        if self.region.retired().is_some() {
            return Some("another handler has taken the region over");
        }
        let there = self.region.is_at_its_path();
        if let Err(error) = &there
            && !*unseen
        {
            let region = self.config.handler.region.display();
            tracing::warn!(%region, %error, "can't look at the region's path, and goes on");
        }
        *unseen = there.is_err();
        let gone = !there.unwrap_or(true);
        gone.then_some("the region was removed, or another file put in its place")
    }

    /// Says that frames came to the wrong lane or to none: partitions are `Late` for that, over and
    /// over, and only this says why.
    fn tell_astray(&self, now: Mono, told: &mut u64) {
        let count = |lane: candor_shm::LaneInfo| lane.get(LaneCounter::Misdirected);
        let astray: u64 = self.region.lanes(now).map(count).sum();
        if astray > *told {
            let frames = astray - *told;
            *told = astray;
            tracing::warn!(
                frames,
                "frames came to a queue that isn't their partition's lane's; compare the card's flow \
                 rules with `queues` (`candor doctor`)"
            );
        }
    }

    /// The map was for one day. It is never used for the next.
    fn end_day(&mut self, now: Mono) {
        self.handler.set_status(Status::stale(Reason::NoMap), now);
        let date = self.day.date();
        tracing::error!(%date, "the trading date is over; start with today's configuration");
    }

    fn look(&mut self) {
        let Some(watch) = self.watch.as_mut() else { return };
        for incident in watch.check() {
            // Nobody knows what passed while the program was off.
            self.links.disturb();
            let restored = incident.restored;
            tracing::error!(interface = incident.interface, restored, "{}", incident.text);
        }
        match watch.unmapped() {
            Ok(unmapped) => {
                let entry = |entry: &candor_ebpf::Traffic| Unmapped {
                    endpoint: Endpoint { group: entry.group, port: entry.port },
                    packets: entry.packets,
                    bytes: entry.bytes,
                    last: Mono(entry.last_ns),
                };
                // Configured and not subscribed is not unmapped.
                let config = self.config;
                let named = |seen: &Unmapped| {
                    config.partitions.iter().flat_map(|partition| partition.lines()).any(
                        |(_, at)| {
                            at.group.octets() == seen.endpoint.group
                                && at.port == seen.endpoint.port
                        },
                    )
                };
                let table: Vec<Unmapped> =
                    unmapped.iter().map(entry).filter(|seen| !named(seen)).collect();
                self.handler.set_unmapped(&table);
            }
            Err(error) => tracing::warn!(%error, "can't read what multicast is unmapped"),
        }
    }

    /// Says which partitions have fallen silent, and which no longer are; joins the lines of silent
    /// ones again: a switch may have pruned their groups. Nothing else would say so: a partition is
    /// silent because nothing happens.
    fn renew(&mut self, now: Mono, silences: &mut [Silence]) {
        for (number, silence) in (0u16..).zip(silences) {
            let info = self.region.partition_when(number, candor_shm::clock::now);
            let Some(info) = info else { continue };
            let partition = name(self.config, number);
            match silence.look(&info) {
                Some(News::Silent) => {
                    let (groups, heard) = (groups(self.config, number), now.since(info.heard));
                    tracing::warn!(partition, groups, last_packet = %format_args!("{heard} ago"),
                        "Stale(Silent): {}", Reason::Silent.text());
                }
                Some(News::Heard) => {
                    let (groups, status) = (groups(self.config, number), status_text(info.status));
                    tracing::info!(partition, groups, status, "no longer silent");
                }
                None => {}
            }
            if !silence.is_renewal_due(now, &info) {
                continue;
            }
            match self.joins.renew(number) {
                Ok(0) => {}
                Ok(lines) => {
                    let groups = groups(self.config, number);
                    tracing::warn!(partition, lines, groups, "silent: its groups joined again");
                }
                Err(error) => tracing::error!(partition, %error, "silent, and can't join again"),
            }
        }
    }
}

impl Hands for Keeper<'_> {
    fn join(&mut self, number: u16, subscribe: bool) -> Result<bool, Failure> {
        let Some(partition) = self.config.partitions.get(usize::from(number)) else {
            return Err(Failure::config(format!("there is no partition {number}")));
        };
        if partition.lines().next().is_none() {
            let name = name(self.config, number);
            return Err(Failure::config(format!("{name} has no line in the configuration")));
        }
        if subscribe {
            // What was joined before stays so: its lane was not told to leave it, and would go on being
            // live while it hears nothing.
            let held = self.joins.holds(number);
            return self.enter(number, partition).inspect_err(|_| {
                if !held {
                    let _ = self.leave(number, partition);
                }
            });
        }
        self.leave(number, partition)
    }

    fn halt(&mut self, target: &str, reason: &str, by: u32) -> Result<Map<String, Value>, Failure> {
        let reason = checked_reason(reason)?;
        let target = Target::find(target, &self.region)?;
        let words = target.words(&self.region);
        let changed = act::halt(&*self.handler, &words, candor_shm::clock::now());
        let (place, by) = (self.halts.place(), users::numbered(by));
        let recorded = act::record(&*self.handler, place, &self.region, &target, &by, reason);
        let mut fields = Map::new();
        fields.insert("command".to_owned(), json!("halt"));
        fields.insert("target".to_owned(), json!(target.to_string()));
        fields.insert("changed".to_owned(), json!(changed));
        match recorded {
            Ok(new) => {
                let since = if new { "" } else { ", since before" };
                let path = format!("{}{since}", place.path().display());
                fields.insert("recorded".to_owned(), json!(path));
            }
            Err(failure) => {
                tracing::error!(%target, "halted, and not recorded: {failure}");
                fields.insert("unrecorded".to_owned(), json!(failure.message));
            }
        }
        Ok(fields)
    }

    fn resume(
        &mut self,
        target: &str,
        second: &str,
        by: u32,
    ) -> Result<Map<String, Value>, Failure> {
        let target = Target::find_halted(target, &self.region, self.halts.place())?;
        let (place, by) = (self.halts.place(), [users::numbered(by)]);
        match act::resume(&*self.handler, place, &self.region, &target, &by, second)? {
            Resumed::NoGo(lines) => Err(act::no_go(&target, &lines)),
            Resumed::Done(_) => {
                let by = &by[0].name;
                tracing::warn!(%target, by, second, "resumed");
                let mut fields = Map::new();
                fields.insert("command".to_owned(), json!("resume"));
                fields.insert("target".to_owned(), json!(target.to_string()));
                Ok(fields)
            }
        }
    }

    fn status(&self, partition: u16) -> String {
        let partition = self.region.partition_when(partition, candor_shm::clock::now);
        partition.map_or("unknown".to_owned(), |partition| status_text(partition.status))
    }
}

impl Keeper<'_> {
    fn enter(&mut self, number: u16, partition: &Partition) -> Result<bool, Failure> {
        let mut changed = false;
        for (line, at) in partition.lines() {
            match &mut self.watch {
                Some(watch) => watch.name(number, line, at)?,
                None if self.joins.has(number, line) => {}
                None => {
                    return Err(Failure::config(format!(
                        "line {line} ({}:{} on {}) had no socket when the handler started: look with \
                         `candor doctor`, set `subscribe = true` and start the handler again",
                        at.group, at.port, at.interface
                    )));
                }
            }
        }
        for (line, at) in partition.lines() {
            if !self.joins.has(number, line) {
                self.joins.add(number, line, at)?;
                changed = true;
            }
        }
        Ok(self.joins.enter(number)? || changed)
    }

    fn leave(&mut self, number: u16, partition: &Partition) -> Result<bool, Failure> {
        let left = self.joins.leave(number);
        if let Some(watch) = &mut self.watch {
            for (_, at) in partition.lines() {
                watch.unname(at)?;
            }
        }
        Ok(left)
    }
}

fn status_text(status: Status) -> String {
    status.reason().map_or("Live".to_owned(), |reason| format!("Stale({reason})"))
}

/// A partition as operators name it.
pub(crate) fn name(config: &Config, number: u16) -> String {
    match config.partitions.get(usize::from(number)) {
        Some(partition) => format!("{}:{}", partition.venue, partition.name),
        None => number.to_string(),
    }
}

fn groups(config: &Config, number: u16) -> String {
    let Some(partition) = config.partitions.get(usize::from(number)) else {
        return String::new();
    };
    let lines = partition.lines().map(|(line, at)| format!("{line} {}:{}", at.group, at.port));
    lines.collect::<Vec<_>>().join(", ")
}

#[expect(clippy::disallowed_methods, reason = "this thread serves no packet and keeps no deadline")]
fn pause() {
    thread::sleep(TICK);
}
