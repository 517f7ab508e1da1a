//! The handler's own thread, which serves no packet: it waits for a signal, writes the log, takes
//! commands, looks after the interfaces and the memberships, publishes what nobody subscribes to, and says
//! when the world looks odd.

mod absent;
mod again;
mod enter;
mod refused;
mod silence;
mod standing;
mod strays;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use candor_core::alert::Code;
use candor_core::counters::LaneCounter;
use candor_core::{Line, Mono, Nanos, Reason, Status, Venue};
use candor_engine::alerts::Suspect;
use candor_maps::calendar::Wall;
use candor_shm::{HandlerWriter, InForce, Region};

use crate::alert::{About, Desk};
use crate::attest::own::Attest;
use crate::clock::{self, Clock};
use crate::config::{Config, LineConfig, Partition};
use crate::control::serve::{Hands, Server};
use crate::daily::taking::{Joiner, Taker};
use crate::day::Day;
use crate::exit::Failure;
use crate::halt::clerk::{Errands, Pending};
use crate::join::Joins;
use crate::journal::{self, follow::Follow};
use crate::morning::{Mornings, Scene};
use crate::preopen::lately::Lately;
use crate::publish::Links;
use crate::records::Records;
use crate::source::{Watch, udp};
use crate::world::World;
pub(crate) use absent::tell_lines;
use refused::Refused;
use silence::{News, Silence};
pub(crate) use strays::Strays;

/// How often signals, commands and the log are looked at.
const TICK: Duration = Duration::from_millis(20);

/// How often it is asked which partitions are silent.
const LISTEN_EVERY: Nanos = Nanos::from_millis(100);

/// How often interfaces and unmapped multicast are: so that a program taken off is
/// noticed within a second.
const LOOK_EVERY: Nanos = Nanos::from_millis(500);

/// What the thread looks after.
pub(crate) struct Keeper<'a> {
    /// With the partitions of the maps in force.
    pub(crate) config: Arc<Config>,
    pub(crate) handler: &'a mut HandlerWriter,
    /// The region as any reader sees it.
    pub(crate) region: Region,
    pub(crate) watch: Option<Watch>,
    pub(crate) joins: Joins,
    pub(crate) links: &'a Links,
    /// Of venues whose partitions are the configuration's.
    pub(crate) days: Vec<Day>,
    /// What is recorded of halts is changed there.
    pub(crate) errands: Errands,
    /// What is recorded of sessions and requests.
    pub(crate) records: &'a mut Records,
    /// What is recorded of all this.
    pub(crate) follow: &'a mut Follow,
    /// How the venues' mornings go.
    pub(crate) mornings: Mornings,
    /// A partition of a date that is over was Live when that was looked at last.
    pub(crate) overdue: bool,
    /// Whether there is a map for any date that the handler as a whole is about; never again once it is over.
    pub(crate) mapped: bool,
    /// Whether what runs is what was attested.
    pub(crate) attest: Attest,
    /// What the handler has said of itself last.
    pub(crate) standing: Status,
    pub(crate) desk: Desk,
    /// What was heard up to some seconds ago.
    pub(crate) heard: Lately,
    pub(crate) unmapped: Strays,
}

impl Keeper<'_> {
    /// Keeps watch until told to stop, or until the region is no longer this handler's: then it says
    /// so and stops the lanes. Memberships, programs and the control socket are given up when this
    /// returns.
    ///
    /// # Errors
    /// What became of the region.
    pub(crate) fn run(
        mut self,
        mut server: Server,
        mut taker: Option<Taker>,
        stop: &AtomicBool,
    ) -> Result<(), Failure> {
        let mut clock = Clock::new();
        let (mut next_look, mut next_listen) = (Mono::NEVER, Mono::NEVER);
        let mut next_join = Mono::NEVER;
        let mut silences = vec![Silence::default(); self.config.partitions.len()];
        let mut astray = 0;
        let (mut lost, mut unseen) = (None, false);
        let mut refused = Refused::default();
        let mut world = World::new(&self.config);
        while !stop.load(Ordering::Relaxed) {
            write_log(&self.config, self.links, &self.region, self.follow);
            let now = clock.now();
            self.records.tick(&self.region, now);
            let config = Arc::clone(&self.config);
            let held = self.attest.verdict().holds();
            if self.attest.tick(now) {
                self.attested(held, now);
            }
            server.tick(now, &config, &mut self);
            if let Some(taker) = &mut taker {
                taker.tick(now, &mut self);
            }
            let taking = taker.as_ref().is_some_and(|taker| taker.under_way.is_some());
            if now >= next_join && !taking {
                next_join = now + again::EVERY;
                self.join_again();
                self.tell_without();
            }
            if !Arc::ptr_eq(&config, &self.config) {
                world = World::new(&self.config);
                self.desk.reseat(&self.config);
                // What could not be joined is tried with each map.
                next_join = Mono::NEVER;
            }
            let config = Arc::clone(&self.config);
            self.desk.take(now, &config);
            if now >= next_listen {
                next_listen = now + LISTEN_EVERY;
                self.renew(now, &mut silences);
                self.desk.look(now, &config, &self.region);
                self.desk.show(&config, self.handler);
            }
            let (region, journal) = (&self.region, self.follow.journal());
            world.look(candor_shm::clock::now, region, journal);
            if now >= next_look {
                next_look = now + LOOK_EVERY;
                self.look_for_gone().inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
                self.look();
                self.follow.look(&self.config, &self.region, now);
                self.heard.look(&self.region, now);
                self.tell_astray(now, &mut astray);
                let (region, watch) = (&self.region, self.watch.as_ref());
                refused.tell(now, &self.config, region, watch, self.follow.journal());
                self.end_days(now);
                self.morning(now);
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
            let text = format!(
                "frames={frames}: frames came to a queue that isn't their partition's lane's, or to none; \
                 compare the card's flow rules with `queues` (`candor doctor`)"
            );
            let alerts = self.follow.journal().alerts();
            alerts.raise_more(Code::FramesAstray, About::Handler, frames, text);
        }
    }

    /// The configuration is its venues' map for one day. It is never used for the next: each partition ends by
    /// its own deadline, and where nothing else is here the handler as a whole says so.
    fn end_days(&mut self, now: Mono) {
        let wall = clock::wall();
        let (over, days): (Vec<Day>, Vec<Day>) =
            self.days.iter().partition(|day| day.is_over(wall));
        if over.is_empty() {
            self.overdue = false;
            return;
        }
        let of_one = |venue| over.iter().any(|day| day.venue() == venue);
        let live = self
            .region
            .partitions_when(candor_shm::clock::now)
            .any(|one| one.status.is_live() && of_one(one.spec.venue));
        let nothing_else = days.is_empty() && self.config.mapped.is_empty();
        let ending = Ending::of(live, std::mem::replace(&mut self.overdue, live), nothing_else);
        if ending == Ending::Wait {
            return;
        }
        for day in &over {
            let (venue, date) = (day.venue(), day.date());
            tracing::error!(%venue, %date, "the trading date is over; start with today's configuration");
            self.handler.set_in_force(&venue, None, now);
        }
        if let Some(what) = ending.of_all() {
            self.mapped = false;
            self.declare(what, now);
            tracing::error!("every symbol is Stale(NoMap): {what}");
            // A date that ends is meant to; a clock that is set is not.
            if ending == Ending::Stepped {
                let text = format!("every symbol is Stale(NoMap): {what}");
                self.follow.journal().alerts().raise(Code::NoMap, About::Handler, text);
            }
        }
        self.days = days;
    }

    /// Looks how far the mornings are.
    fn morning(&mut self, now: Mono) {
        let Keeper { mornings, config, region, joins, handler, follow, .. } = self;
        let scene = Scene { config, region, joins };
        mornings.look(&scene, handler, follow.journal(), (Wall(clock::wall()), now));
    }

    fn look(&mut self) {
        let Some(watch) = self.watch.as_mut() else { return };
        for incident in watch.check() {
            // Nobody knows what passed while the program was off.
            self.links.disturb();
            let (interface, alerts) = (incident.interface, self.follow.journal().alerts());
            let text = format!("{interface}: {}", incident.text);
            alerts.raise(Code::Interface, About::Interface(interface.clone()), text);
            if incident.restored {
                alerts.end(Code::Interface, About::Interface(interface));
            }
        }
        let Keeper { unmapped, config, handler, follow, .. } = self;
        unmapped.look(watch, config, handler, follow.journal().alerts());
    }

    /// Says which partitions have fallen silent, and which no longer are; joins the lines of silent
    /// ones again, and of those that were never heard: a switch may have pruned their groups, or have missed that they
    /// were joined. Nothing else would say so: a partition is silent because nothing happens.
    fn renew(&mut self, now: Mono, silences: &mut [Silence]) {
        for (number, silence) in (0u16..).zip(silences) {
            let info = self.region.partition_when(number, candor_shm::clock::now);
            let Some(info) = info else { continue };
            self.follow.seen(&self.config, &self.region, &info, now);
            self.desk.see(&info, self.joins.holds(number));
            let partition = name(&self.config, number);
            match silence.look(&info) {
                Some(News::Silent) => {
                    let (groups, heard) = (groups(&self.config, number), now.since(info.heard));
                    tracing::warn!(partition, groups, last_packet = %format_args!("{heard} ago"),
                        "Stale(Silent): {}", Reason::Silent.text());
                }
                Some(News::Heard) => {
                    let (groups, status) = (groups(&self.config, number), status_text(info.status));
                    tracing::info!(partition, groups, status, "no longer silent");
                }
                None => {}
            }
            if !silence.is_renewal_due(now, &info) {
                continue;
            }
            let region = &self.region;
            let heard = |other| {
                let info = region.partition_when(other, candor_shm::clock::now);
                info.is_some_and(|info| now.since(info.heard) < Nanos::from_secs(10))
            };
            match self.joins.renew(number, heard) {
                Ok(0) => {}
                // All night long, of a venue that has not begun.
                Ok(_) if info.silent.is_none() => tracing::debug!(partition, "waits: joined again"),
                Ok(lines) => {
                    let groups = groups(&self.config, number);
                    tracing::warn!(partition, lines, groups, "silent: its groups joined again");
                }
                Err(error) => tracing::error!(partition, %error, "not heard, and can't join again"),
            }
        }
    }
}

impl Hands for Keeper<'_> {
    fn join(&mut self, number: u16, subscribe: bool) -> Result<bool, Failure> {
        let config = Arc::clone(&self.config);
        let Some(partition) = config.partitions.get(usize::from(number)) else {
            return Err(Failure::config(format!("there is no partition {number}")));
        };
        if partition.lines().next().is_none() {
            let name = name(&self.config, number);
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

    fn halt(&mut self, asked: (&str, &str), by: u32, now: Mono) -> Result<Pending, Failure> {
        let pending = self.errands.halt((&*self.handler, &self.region), asked, by, now)?;
        self.follow.journal().alerts().suspect(Suspect::Operator, About::Handler);
        Ok(pending)
    }

    fn resume(&mut self, asked: (&str, &str), by: u32, now: Mono) -> Result<Pending, Failure> {
        let Keeper { config, region, heard, .. } = &*self;
        let preopen = |numbers: &[u16]| heard.at_once(config, region, numbers);
        self.errands.resume(region, asked, by, now, preopen)
    }

    fn done(&self, at: Mono, command: &str, partition: u16, by: u32) {
        let journal = self.follow.journal();
        journal.alerts().suspect(Suspect::Operator, About::Partition(partition));
        let partition = journal::name(&self.config, partition);
        journal::operator::joined(journal, at, command, &partition, by);
    }

    fn status(&self, partition: u16) -> String {
        let partition = self.region.partition_when(partition, candor_shm::clock::now);
        partition.map_or("unknown".to_owned(), |partition| status_text(partition.status))
    }
}

/// What becomes of dates that are over by the wall clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// Nothing yet: the partitions' own deadline is due at this very moment.
    Wait,
    /// Their partitions have ended.
    Theirs,
    /// Nothing else is here.
    All,
    /// Their partitions have not ended. Deadlines are times of a clock that nobody sets: the wall clock was set
    /// forward, and which date it is nobody knows.
    Stepped,
}

impl Ending {
    /// `live`: a partition of theirs is. `overdue`: one was when this was looked at before.
    fn of(live: bool, overdue: bool, nothing_else: bool) -> Ending {
        match (live, overdue) {
            _ if nothing_else => Ending::All,
            (true, false) => Ending::Wait,
            (true, true) => Ending::Stepped,
            (false, _) => Ending::Theirs,
        }
    }

    /// Why everything ends, where it does.
    fn of_all(self) -> Option<&'static str> {
        match self {
            Ending::Wait | Ending::Theirs => None,
            Ending::All => Some("the date is over"),
            Ending::Stepped => Some("the wall clock was set past the end of a date under way"),
        }
    }
}

impl Joiner for Keeper<'_> {
    fn join(
        &mut self,
        number: u16,
        line: Line,
        (at, wanted): (&LineConfig, bool),
        socket: Option<(&udp::Sockets, &udp::Given)>,
    ) -> bool {
        let partition = name(&self.config, number);
        if self.is_absent(at) {
            let interface = &at.interface;
            tracing::warn!(partition, %line, interface, "not joined: the interface is not there");
            return false;
        }
        let joined = match (&mut self.watch, socket) {
            // It is joined by what is configured then.
            (Some(_), _) if !wanted => return false,
            (Some(watch), _) => {
                watch.name(number, line, at).and_then(|()| self.joins.add(number, line, at))
            }
            (None, Some((sockets, given))) => sockets.begin(given, (at, wanted), &mut self.joins),
            // Why it has none was said.
            (None, None) => Err(Failure::host("it has no socket")),
        };
        if let Err(error) = &joined {
            let text = format!("{partition}: line {line} of the map can't be joined: {error}");
            let about = About::Line(number, line);
            self.follow.journal().alerts().raise(Code::LineNotJoined, about, text);
        }
        wanted && joined.is_ok()
    }

    fn holds(&self, number: u16) -> bool {
        self.joins.holds(number)
    }

    fn leave(&mut self, number: u16, line: Line, at: &LineConfig, after: &[Partition]) {
        let there = after.get(usize::from(number)).and_then(|one| one.lines[line.index()].as_ref());
        let mut left = self.joins.forget_elsewhere(number, line, there);
        if !left.contains(at) {
            left.push(at.clone());
        }
        self.unname(number, line, &left, after);
    }

    fn comes(&mut self, venue: Venue, map: Option<&InForce>, now: Mono) {
        let held = self.attest.verdict().holds();
        if self.attest.comes(venue, map) {
            self.attested(held, now);
        }
    }

    fn taken(&mut self, venue: Venue, map: Option<&InForce>, now: Mono) {
        let held = self.attest.verdict().holds();
        if self.attest.taken(venue, map) {
            self.attested(held, now);
        }
    }

    fn in_force(&mut self, venue: Venue, in_force: Option<&InForce>, now: Mono) {
        self.handler.set_in_force(&venue, in_force, now);
    }

    fn was_in_force(&self, venue: Venue) -> Option<InForce> {
        self.region.venue(&venue)?.in_force
    }

    fn partitions(&mut self) -> &mut Vec<Partition> {
        &mut Arc::make_mut(&mut self.config).partitions
    }
}

/// Writes the log, and records what is in it.
pub(crate) fn write_log(config: &Config, links: &Links, region: &Region, follow: &mut Follow) {
    follow.turned(&links.statuses);
    let missed = links.log.write(
        |partition| name(config, partition),
        |partition, at, told| follow.told(config, region, partition, at, told),
    );
    if missed > 0 {
        let text =
            format!("{missed} things happened that found no room on their way from the lanes");
        let alerts = follow.journal().alerts();
        alerts.raise_more(Code::LogOverflow, About::Handler, missed, text);
        follow.missed();
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

#[cfg(test)]
mod tests {
    use super::Ending;

    #[test]
    fn a_date_that_is_over_ends_everything_where_its_partitions_have_not_ended() {
        // (live, live at the look before, nothing else is here)
        for (live, overdue, nothing_else, ending) in [
            (false, false, false, Ending::Theirs),
            (true, false, false, Ending::Wait),
            (false, true, false, Ending::Theirs),
            (true, true, false, Ending::Stepped),
            (false, false, true, Ending::All),
            (true, false, true, Ending::All),
        ] {
            assert_eq!(Ending::of(live, overdue, nothing_else), ending);
        }
        assert!(Ending::Theirs.of_all().is_none() && Ending::Wait.of_all().is_none());
        assert!(Ending::Stepped.of_all().is_some() && Ending::All.of_all().is_some());
    }
}
