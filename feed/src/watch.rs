//! The handler's own thread, which serves no packet: it waits for a signal, writes the log, looks
//! after the interfaces and the memberships, and publishes what nobody subscribes to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use candor_core::{Mono, Nanos, Reason, Status};
use candor_shm::{Endpoint, HandlerWriter, Region, Unmapped};

use crate::clock::{self, Clock};
use crate::config::Config;
use crate::day::Day;
use crate::join::Joins;
use crate::publish::Links;
use crate::source::Watch;

/// How often signals and the log are looked at.
const TICK: Duration = Duration::from_millis(20);

/// How often interfaces, memberships and unmapped multicast are: so that a program taken off is
/// noticed within a second.
const LOOK_EVERY: Nanos = Nanos::from_millis(500);

/// How long a silent partition waits between two renewals of its joins. A switch that has forgotten
/// a group needs one; a venue that is down is not helped by many.
const RENEW_EVERY: Nanos = Nanos::from_secs(10);

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
}

impl Keeper<'_> {
    /// Keeps watch until told to stop. Memberships and programs are given up when this returns.
    pub(crate) fn run(mut self, stop: &AtomicBool) {
        let mut clock = Clock::new();
        let mut next_look = Mono::NEVER;
        let mut over = false;
        let mut renewed = vec![Mono::NEVER; self.config.partitions.len()];
        while !stop.load(Ordering::Relaxed) {
            self.links.log.write(|partition| name(self.config, partition));
            let now = clock.now();
            if now >= next_look {
                next_look = now + LOOK_EVERY;
                self.look();
                self.renew(now, &mut renewed);
                if !over && self.day.is_over(clock::wall()) {
                    over = true;
                    self.end_day(now);
                }
            }
            pause();
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
                let entry = |entry: &candor_ebpf::Unmapped| Unmapped {
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

    /// Joins the lines of silent partitions again: a switch may have pruned their groups.
    fn renew(&mut self, now: Mono, renewed: &mut [Mono]) {
        for (number, last) in (0u16..).zip(renewed) {
            let partition = self.region.partition(number, now);
            let silent = partition
                .is_some_and(|partition| partition.status.reason() == Some(Reason::Silent));
            if !silent || now.since(*last) < RENEW_EVERY {
                continue;
            }
            *last = now;
            let partition = name(self.config, number);
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
