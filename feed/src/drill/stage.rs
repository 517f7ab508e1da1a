//! The stage of a drill: the world, who reads it, what is told to it, and what was judged so far.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use candor_core::{Mono, Nanos, Reason};
use candor_maps::calendar::Wall;
use candor_maps::file::{Loaded, Places};
use candor_shm::{Region, clock};
use rustix::process::Signal;

use super::result::{Outcome, Verdict};
use super::shape::{EXCHANGE, EXCHANGE_INTERFACE, Shape, VenueShape, Version};
use super::steps::{MOVED, STEPS, Step};
use super::watch::{Seen, Watch};
use super::world::{self, End, Folder, Network, Process};
use crate::exit::{Exit, Failure};
use crate::store::{self, Accept, Request, Store, Why};

/// What a bound is given besides for the host: packets on their way, threads that are not scheduled at once.
pub(super) const SLACK: Nanos = Nanos::from_millis(150);

/// How long it may take after a step until everything is Live again.
pub(super) const HEAL: Nanos = Nanos::from_secs(20);

/// After which time a venue without snapshots begins a new session: nothing else heals there.
const NEW_SESSION: Nanos = Nanos::from_millis(1_500);

/// How long the handler or an exchange may take to start.
const START: Nanos = Nanos::from_secs(20);

/// How often it is looked.
const EVERY: Nanos = Nanos::from_millis(3);

/// Reads of what must not be Live that are told one by one.
const SHOWN: usize = 3;

/// Messages a second of each exchange.
const RATE: u64 = 2_000;

/// What a busy host does to anybody at any time, and what heals by itself.
const HOST: [Reason; 3] = [Reason::WriterGone, Reason::Late, Reason::Lapped];

/// Where everything is.
pub(super) struct Stage<'a> {
    /// What is played.
    pub(super) shape: Shape,
    /// How long a lane vouches for itself.
    pub(super) lease: Nanos,
    /// How long a number may be late.
    pub(super) grace: Nanos,
    /// The program, held open: what runs is what was measured.
    pub(super) exe: &'a File,
    pub(super) exchange: PathBuf,
    // Processes end before the network and the folder go.
    pub(super) handler: Option<Process>,
    pub(super) exchanges: Vec<Process>,
    pub(super) watch: Watch,
    pub(super) network: Network,
    pub(super) store: Store,
    pub(super) sessions: u32,
    pub(super) outcomes: Vec<Outcome>,
    /// The symbols, by their number, that a step under way is about.
    pub(super) involved: Vec<bool>,
    /// Something did not heal: what follows would be judged wrongly.
    pub(super) broken: bool,
    pub(super) stop: &'a AtomicBool,
    pub(super) progress: &'a mut dyn FnMut(&Outcome),
    pub(super) folder: Folder,
}

/// A step under way.
#[derive(Clone, Debug)]
pub(super) struct Begun {
    step: &'static Step,
    told: Mono,
    reasons: Vec<Reason>,
}

impl Begun {
    /// The same, counted from the moment it was done.
    pub(super) fn at(&self, told: Mono) -> Begun {
        Begun { told, ..self.clone() }
    }

    /// The same, of which these reasons alone are waited for.
    pub(super) fn only(&self, reasons: &[Reason]) -> Begun {
        Begun { reasons: reasons.to_vec(), ..self.clone() }
    }
}

/// Which symbols.
pub(super) type Which<'a> = &'a dyn Fn(&Seen) -> bool;

impl Stage<'_> {
    /// Begins a step that is about these symbols.
    pub(super) fn begin(&mut self, step: &'static Step, which: Which<'_>) -> Begun {
        self.watch.forget();
        self.involve(which);
        self.outcomes.push(Outcome::of(step));
        Begun { step, told: Mono::NEVER, reasons: step.reasons.to_vec() }
    }

    /// These symbols are touched, until everything is Live again.
    pub(super) fn involve(&mut self, which: Which<'_>) {
        let touched = self.watch.with(|all| all.iter().map(which).collect::<Vec<bool>>());
        for (involved, touched) in self.involved.iter_mut().zip(touched) {
            *involved |= touched;
        }
    }

    pub(super) fn outcome(&mut self, step: &Step) -> &mut Outcome {
        let at = self.outcomes.iter().position(|one| one.step == step.name);
        let at = at.unwrap_or_else(|| {
            self.outcomes.push(Outcome::of(step));
            self.outcomes.len() - 1
        });
        &mut self.outcomes[at]
    }

    /// A step that was left out although it is something to `some` feed of the configuration; where it isn't, it is
    /// nothing to any.
    pub(super) fn left_out(&mut self, step: &'static Step, some: bool, why: &str) {
        let outcome = self.outcome(step);
        outcome.verdict = if some { Verdict::NotPlayed } else { Verdict::NotApplicable };
        outcome.why.push(why.to_owned());
    }

    /// Something that is wrong whatever was read, of the step begun last.
    pub(super) fn fault(&mut self, why: String) {
        if let Some(outcome) = self.outcomes.last_mut() {
            outcome.fail(why);
        }
        self.broken = true;
    }

    /// Waits until none of these symbols is Live and each is stale for what the step is about, or until the
    /// bound is over; from then on Live is wrong. Then `hold`, and judge.
    pub(super) fn expect(
        &mut self,
        begun: &Begun,
        which: Which<'_>,
        bound: Nanos,
        hold: Nanos,
        allowed: &[Reason],
    ) -> Result<(), Failure> {
        let is_meant =
            |reason: Reason| begun.reasons.contains(&reason) || allowed.contains(&reason);
        let until = begun.told + bound;
        // BOUND: until then.
        while clock::now() < until {
            let there = |seen: &Seen| !which(seen) || seen.status.is_some_and(is_meant);
            if self.watch.with(|all| all.iter().all(there)) {
                break;
            }
            self.sleep(EVERY)?;
        }
        self.watch.forbid(which);
        let last = self.watch.with(|all| {
            let own = all.iter().filter(|seen| which(seen));
            own.max_by_key(|seen| seen.live).map(|seen| (seen.live, seen.name()))
        });
        self.sleep(hold)?;
        if let Some((live, name)) = last {
            let took = live.since(begun.told);
            let outcome = self.outcome(begun.step);
            outcome.note(took, bound);
            if took > bound {
                outcome.fail(format!(
                    "{name} was Live {took} after it was done; the bound is {bound}"
                ));
            }
        }
        self.judge(begun, which, allowed)
    }

    /// Waits until every reason waited for was given for each of these symbols, or the bound is over.
    pub(super) fn until_given(
        &mut self,
        begun: &Begun,
        which: Which<'_>,
        bound: Nanos,
    ) -> Result<(), Failure> {
        if self.wait_given(begun, which, bound)? {
            let took = clock::now().since(begun.told);
            self.outcome(begun.step).note(took, bound);
        }
        Ok(())
    }

    /// The same, of what has no bound of its own. Whether it was given.
    pub(super) fn wait_given(
        &mut self,
        begun: &Begun,
        which: Which<'_>,
        bound: Nanos,
    ) -> Result<bool, Failure> {
        let given =
            |seen: &Seen| !which(seen) || begun.reasons.iter().all(|reason| seen.was(*reason));
        self.wait(bound, &given)
    }

    /// Waits until this holds of every symbol, or the bound is over. Whether it does.
    pub(super) fn wait(&mut self, bound: Nanos, holds: Which<'_>) -> Result<bool, Failure> {
        let until = clock::now() + bound;
        // BOUND: until then.
        while clock::now() < until {
            if self.watch.with(|all| all.iter().all(holds)) {
                return Ok(true);
            }
            self.sleep(EVERY)?;
        }
        Ok(false)
    }

    /// Judges what was read since the step began: every reason it is about was given, no other of these symbols,
    /// none of the others, and nothing was Live that must not be.
    pub(super) fn judge(
        &mut self,
        begun: &Begun,
        which: Which<'_>,
        allowed: &[Reason],
    ) -> Result<(), Failure> {
        self.is_going_on()?;
        let involved = self.involved.clone();
        let seen = self.watch.with(<[Seen]>::to_vec);
        let mut faults = Vec::new();
        let own: Vec<&Seen> = seen.iter().filter(|seen| which(seen)).collect();
        let mut given = Vec::new();
        for reason in Reason::ALL {
            let left = *begun.step == MOVED;
            let was = |seen: &&&Seen| seen.was(reason) || left && seen.was_where_it_left(reason);
            let of: Vec<_> = own.iter().filter(was).collect();
            let meant = begun.step.reasons.contains(&reason);
            let expected = begun.reasons.contains(&reason);
            match of.first() {
                // A step with one reason gives it to each of its symbols.
                Some(_) if begun.step.is_for_all() && expected && of.len() < own.len() => {
                    let lacks = own.iter().find(|seen| !seen.was(reason));
                    let name = lacks.map(|seen| seen.name()).unwrap_or_default();
                    faults.push(format!("{name} was never Stale({reason})"));
                }
                Some(first) if !meant && !allowed.contains(&reason) && !HOST.contains(&reason) => {
                    faults.push(format!("{} was Stale({reason})", first.name()));
                }
                None if expected => faults.push(format!("nothing was Stale({reason})")),
                _ => {}
            }
            if !of.is_empty() && (meant || allowed.contains(&reason)) {
                given.push(reason);
            }
        }
        for (other, _) in seen.iter().zip(involved).filter(|(_, involved)| !involved) {
            let reason = Reason::ALL.into_iter().find(|one| other.was(*one) && !HOST.contains(one));
            if let Some(reason) = reason {
                faults.push(format!("{}, which nobody touched, was Stale({reason})", other.name()));
                break;
            }
        }
        faults.extend(self.wrong());
        let outcome = self.outcome(begun.step);
        outcome.give(&given);
        faults.into_iter().for_each(|fault| outcome.fail(fault));
        Ok(())
    }

    /// What was Live and must not have been, in words.
    fn wrong(&self) -> Vec<String> {
        let wrong = self.watch.take_wrong();
        let more = wrong.len().saturating_sub(SHOWN);
        let mut words: Vec<String> = Vec::new();
        for one in wrong.into_iter().take(SHOWN) {
            let ago = clock::now().since(one.at);
            let when = crate::clock::display(crate::clock::wall().saturating_sub(ago.0));
            words.push(format!("WRONG: {} was Live{} at {when}", one.symbol, one.how));
        }
        words.extend((more > 0).then(|| format!("and {more} more reads")));
        words
    }

    /// Waits until these symbols are Live, at most as long as anything may take to heal. How long it took.
    pub(super) fn until_live(&mut self, which: Which<'_>) -> Result<Option<Nanos>, Failure> {
        let begun = clock::now();
        let mut renewed = false;
        // BOUND: until the time for healing is over.
        while clock::now() < begun + HEAL {
            let missing: Vec<(usize, usize)> = self.watch.with(|all| {
                let own = all.iter().filter(|seen| which(seen) && seen.status.is_some());
                own.map(|seen| (seen.place.venue, seen.place.partition)).collect()
            });
            if missing.is_empty() {
                return Ok(Some(clock::now().since(begun)));
            }
            if !renewed && clock::now() > begun + NEW_SESSION {
                renewed = true;
                self.renew(missing)?;
            }
            self.sleep(EVERY)?;
        }
        Ok(None)
    }

    /// New sessions of partitions whose venue has no snapshots.
    fn renew(&mut self, mut missing: Vec<(usize, usize)>) -> Result<(), Failure> {
        missing.sort_unstable();
        missing.dedup();
        missing.retain(|(venue, _)| !self.shape.venues[*venue].has_snapshots());
        for (venue, partition) in missing {
            let name = self.session();
            let socket = self.socket(&self.shape.venues[venue]);
            world::tell(&socket, &format!("session {name} {}", partition + 1))?;
        }
        Ok(())
    }

    /// Everything is to be Live again; ends these steps.
    pub(super) fn heal(&mut self, steps: &[&'static Step]) -> Result<(), Failure> {
        let took = self.until_live(&|_| true)?;
        for step in steps {
            self.healed(step, took);
        }
        self.involved.fill(false);
        Ok(())
    }

    /// Says how a step ended.
    pub(super) fn healed(&mut self, step: &'static Step, took: Option<Nanos>) {
        let stale = self.watch.with(|all| {
            all.iter().find_map(|seen| Some(format!("{} is Stale({})", seen.name(), seen.status?)))
        });
        if took.is_none() {
            self.broken = true;
        }
        let wrong = self.wrong();
        let outcome = self.outcome(step);
        wrong.into_iter().for_each(|why| outcome.fail(why));
        outcome.healed = took;
        if took.is_none() {
            let stale = stale.unwrap_or_default();
            outcome.fail(format!("not everything was Live again {HEAL} later: {stale}"));
        }
        if outcome.verdict == Verdict::UnderWay {
            outcome.verdict = Verdict::Passed;
        }
        let outcome = outcome.clone();
        (self.progress)(&outcome);
    }

    /// What was not come to.
    pub(super) fn rest(&mut self, why: &str) {
        for step in STEPS {
            let outcome = self.outcome(step);
            if outcome.verdict == Verdict::UnderWay {
                outcome.verdict = Verdict::NotPlayed;
                outcome.why.push(why.to_owned());
            }
        }
    }

    /// Tells each venue's exchange something; a moment after the last had done it.
    pub(super) fn tell(
        &mut self,
        of: impl Fn(&VenueShape) -> Option<String>,
    ) -> Result<Mono, Failure> {
        self.is_going_on()?;
        for venue in &self.shape.venues {
            if let Some(command) = of(venue) {
                world::tell(&self.socket(venue), &command)?;
            }
        }
        Ok(clock::now())
    }

    fn socket(&self, venue: &VenueShape) -> PathBuf {
        self.path(&format!("exchange-{}", venue.number))
    }

    /// The name of a session that there was not yet: good for every format.
    pub(super) fn session(&mut self) -> u32 {
        self.sessions += 1;
        self.sessions
    }

    /// Puts a version of each venue's map in force for today; a moment before it was.
    pub(super) fn put(&mut self, version: Version) -> Result<Mono, Failure> {
        let told = clock::now();
        for venue in &self.shape.venues {
            put(&self.store, venue, venue.date, version)?;
        }
        Ok(told)
    }

    /// The longest time between two heartbeats.
    pub(super) fn heartbeat(&self) -> Nanos {
        self.shape.venues.iter().map(VenueShape::heartbeat).max().unwrap_or(Nanos::ZERO)
    }

    pub(super) fn program(&self) -> PathBuf {
        super::exe_path(self.exe)
    }

    /// A file of the drill's.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    /// Starts the handler, and waits until it has made its region.
    pub(super) fn start_handler(&mut self) -> Result<(), Failure> {
        self.handler = None;
        let mut command = Command::new(self.program());
        command.args(["run", "-c"]).arg(self.path("handler.toml"));
        let handler = self.network.spawn(End::Handler, command, &self.path("handler.log"))?;
        let pid = handler.pid();
        self.handler = Some(handler);
        let until = clock::now() + START;
        // BOUND: until then.
        while clock::now() < until {
            let region = Region::open(self.path("region"));
            if region.is_ok_and(|region| region.info().pid == pid) {
                return Ok(());
            }
            self.sleep(EVERY)?;
        }
        Err(Failure::host(format!("the drill's handler does not start within {START}")))
    }

    /// Starts an exchange for each venue, and waits until it takes commands.
    pub(super) fn start_exchanges(&mut self) -> Result<(), Failure> {
        for venue in self.shape.venues.clone() {
            let listings = format!("listings-{}", venue.number);
            let listings = self.folder.write(&listings, &venue.listings())?;
            let lines: Vec<String> =
                venue.lines().iter().map(|line| line.letter().to_string()).collect();
            let mut command = Command::new(&self.exchange);
            command
                .arg("run")
                .arg("--listings")
                .arg(listings)
                .arg("--control")
                .arg(self.socket(&venue));
            for (flag, value) in [
                ("--partitions", venue.partitions.len().to_string()),
                ("--feed", venue.feed.name().to_owned()),
                ("--lines", lines.join(",")),
                ("--interface", EXCHANGE_INTERFACE.to_owned()),
                ("--group-base", venue.group(0, candor_core::Line::A).to_string()),
                ("--port-base", venue.port().to_string()),
                ("--services", EXCHANGE.to_string()),
                ("--service-port-base", venue.service_port().to_string()),
                ("--heartbeat", format!("{}us", venue.heartbeat().0 / 1_000)),
                ("--rate", RATE.to_string()),
                ("--session", "DRILL00001".to_owned()),
            ] {
                command.args([flag, &value]);
            }
            let log = self.path(&format!("exchange-{}.log", venue.number));
            self.exchanges.push(self.network.spawn(End::Exchange, command, &log)?);
            let until = clock::now() + START;
            // BOUND: until then.
            while world::ask(&self.socket(&venue), "status").is_err() {
                self.sleep(EVERY)?;
                if clock::now() > until {
                    return Err(Failure::host(format!("no exchange answers within {START}")));
                }
            }
        }
        Ok(())
    }

    pub(super) fn signal(&mut self, signal: Signal) -> Result<(), Failure> {
        self.handler.as_ref().map_or(Ok(()), |handler| handler.signal(signal))
    }

    /// Stops or kills the handler; a moment after no thread of it ran any more.
    pub(super) fn halt_handler(&mut self, signal: Signal) -> Result<Mono, Failure> {
        self.signal(signal)?;
        let until = clock::now() + START;
        // BOUND: until then.
        while clock::now() < until && !self.handler.as_ref().is_none_or(Process::is_halted) {
            world::sleep(Nanos::from_millis(1));
        }
        let at = clock::now();
        if signal == Signal::KILL {
            self.handler = None;
        }
        Ok(at)
    }

    /// Sleeps, unless something has ended that must not.
    pub(super) fn sleep(&mut self, length: Nanos) -> Result<(), Failure> {
        let until = clock::now() + length;
        // BOUND: until then.
        loop {
            self.is_going_on()?;
            let left = until.since(clock::now());
            if left == Nanos::ZERO {
                return Ok(());
            }
            world::sleep(left.min(Nanos::from_millis(20)));
        }
    }

    /// Whether the drill goes on: nobody has stopped it, and everything that should run does.
    pub(super) fn is_going_on(&mut self) -> Result<(), Failure> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Failure::host("the drill was stopped by a signal; nothing of it is left"));
        }
        for exchange in &mut self.exchanges {
            if !exchange.is_running() {
                let said = exchange.last_words();
                return Err(Failure::host(format!("the drill's exchange has ended:\n{said}")));
            }
        }
        let Some(handler) = &mut self.handler else { return Ok(()) };
        if handler.is_running() {
            return Ok(());
        }
        let said = handler.last_words();
        Err(Failure::new(Exit::NoGo, format!("the drill's handler has ended:\n{said}")))
    }
}

/// Puts a map in force in the drill's own store, by name where it differs by much.
pub(super) fn put(
    store: &Store,
    venue: &VenueShape,
    date: candor_core::TradingDate,
    version: Version,
) -> Result<(), Failure> {
    let map = venue.map(date, version);
    let now = Wall(crate::clock::wall());
    let request = Request {
        venue: Some(venue.venue),
        date,
        bound_ppm: 0,
        symbols: &[],
        interfaces: None,
        over_named: true,
        first: true,
        by: "drill",
        from: "a drill",
        now,
    };
    let loaded = || Loaded { map: map.clone(), warnings: Vec::new(), places: Places::default() };
    let mut outcome = store::load(store, loaded(), &request)?;
    if let store::Outcome::Refused(Why::Difference { digest, .. }) = &outcome {
        let because = "it is a drill";
        let accept =
            Accept { date, bound_ppm: 0, symbols: &[], name: "drill", because, by: "drill", now };
        store::accept(store, digest, &accept)?;
        outcome = store::load(store, loaded(), &request)?;
    }
    match outcome {
        store::Outcome::Loaded(_) => Ok(()),
        other => Err(Failure::host(format!("a map of the drill's own is refused: {other:?}"))),
    }
}
