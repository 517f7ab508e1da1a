//! One run: everything put together and moved from event to event.

mod alerts;
mod happen;
mod look;
mod lossless;

use std::panic::{AssertUnwindSafe, catch_unwind};

use candor_core::counters::Counters;
use candor_core::{Line, Mono, Nanos, Symbol, SymbolIndex, WireTime};

use self::lossless::Lossless;
use crate::control::Command;
use crate::exchange::{Exchange, ExchangeConfig, FlowConfig};
use crate::market::{Family, MarketConfig};
use crate::oracle::{Floor, Truth};
use crate::publisher::{Faults, LineConfig};
use crate::rng::Rng;
use crate::services::{ServiceKind, ServicesConfig};
use crate::simulator::checks::{Judge, Wrong, healing_bound};
use crate::simulator::digest::Digest;
use crate::simulator::errands::{Errand, Errands};
use crate::simulator::handler::{Halts, Handler, Traces};
use crate::simulator::journal::{Journal, Told};
use crate::simulator::maps::MapOf;
use crate::simulator::network::{Network, Tag};
use crate::simulator::past::Past;
use crate::simulator::preopen::Morning;
use crate::simulator::report::{Failure, Outcome};
use crate::simulator::schedule::{Alarm, Plan, Setup};
use crate::simulator::wire::Tampering;

/// When a run begins: any time but "never".
const START: Mono = Mono(1_000_000_000);

/// Messages a second while markets open.
const OPENING_RATE: u64 = 1_000_000;

/// Iterations between two looks at every symbol.
const LOOK_EVERY: u32 = 2_048;

/// Looks between two of the handler's own inspections.
const INSPECT_EVERY: u32 = 32;

/// Messages a second in the second act at most: recovery takes its time, and nothing is to be learnt
/// from more.
const HEALING_RATE: u64 = 5_000;

/// Looks at what a plan expects, beside those where it begins and ends.
const LOOKS: u64 = 500;

/// Replies of the services that a duty cycle takes.
const REPLIES: usize = 16;

/// Records of the story of a failure.
const STORY: usize = 40;

/// What a failure begins with that is none of the checks'.
const PANICKED: &str = "panicked, by an invariant of the handler's own or of the simulator's";

/// What the venue published last in each run of a partition: for publishers that should be gone.
#[derive(Clone, Copy, Debug)]
struct Ghost {
    session: [u8; 10],
    run: u32,
    next: u64,
    offset: u64,
}

/// Somebody who sends what should not be sent.
#[derive(Clone, Copy, Debug)]
struct Haunt {
    partition: usize,
    line: Line,
    zombie: bool,
    due: Mono,
}

/// A handler that has died, and until when it vouched for its lanes.
struct Grave {
    handler: Handler,
    leases: Vec<Mono>,
}

struct World<'a> {
    plan: &'a Plan,
    setup: &'a Setup,
    exchange: Exchange,
    /// When the exchange has something to do; asked for anew after each call into it.
    exchange_due: Option<Mono>,
    /// When it is called for that if nothing happens before: it speaks in steps of its quantum.
    exchange_call: Option<Mono>,
    tampering: Tampering,
    truths: Vec<Truth>,
    ghosts: Vec<Option<Ghost>>,
    haunts: Vec<Haunt>,
    sessions: u32,
    /// The number the next connection to a service would have.
    connections: u32,
    network: Network,
    handler: Option<Handler>,
    grave: Option<Grave>,
    listed: Vec<(Symbol, u16)>,
    /// The map that is right in the end.
    last_map: MapOf,
    /// The map a handler that starts finds, and when that ends.
    map: (MapOf, Mono),
    /// What an operator has halted: whatever handler there is comes to know.
    halts: Halts,
    /// What handlers that have died have left.
    past: Past,
    started: bool,
    next_fault: usize,
    looks: u32,
    /// Times at which the plan wants to be looked at, latest first.
    appointments: Vec<Mono>,
    iterations: u64,
    rng: Rng,
    now: Mono,
    digest: Digest,
    journal: Journal,
    reads: u64,
    live: u64,
    /// Which of the plan's oddities were said.
    said: Vec<bool>,
    /// The alerts that have begun.
    alarms: Vec<Alarm>,
    /// Which of the plan's expectations were looked at.
    looked: Vec<bool>,
    /// The second act has begun.
    healing: bool,
    /// How far each time is that `candor preopen` is asked.
    mornings: Vec<Morning>,
    /// Of handlers that have died.
    errand: Errand,
    /// The handler that loses nothing, where the plan wants one.
    lossless: Option<Box<Lossless>>,
    /// Books that were found equal to its.
    equal: (u64, u64),
}

/// Runs a plan to its end, or to the first check that does not hold. A panic on the way is a check
/// that does not hold as well, told with what led to it; where panics abort it is the end of everything.
#[must_use]
pub fn run(plan: &Plan) -> Outcome {
    match caught(|| World::new(plan)) {
        Ok(mut world) => match caught(|| world.acts()) {
            Ok(ended) => world.outcome(ended),
            Err(what) => world.broken(what),
        },
        Err(what) => {
            let failure = Failure { at: Nanos::ZERO, partition: None, what, story: Vec::new() };
            Outcome { failure: Some(failure), ..Outcome::default() }
        }
    }
}

/// What a part of a run comes to, or what it says as it panics.
fn caught<T>(part: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(part)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let text = text.unwrap_or_else(|| "it does not say why".to_owned());
        format!("{PANICKED}: {}", text.lines().map(str::trim).collect::<Vec<_>>().join(", "))
    })
}

/// When what a plan expects is looked at: where it begins and ends to hold, and in between.
fn appointments(plan: &Plan) -> Vec<Mono> {
    let asked = plan.preopens.iter().flat_map(|it| [it.from, it.until]);
    if plan.expects.is_empty() {
        let mut times: Vec<Mono> = asked.map(|at| START + at).collect();
        times.sort_unstable_by_key(|at| core::cmp::Reverse(*at));
        return times;
    }
    let edges = plan.expects.iter().flat_map(|it| [it.from, Nanos(it.until.0.saturating_sub(1))]);
    let edges = edges.chain(asked);
    let step = (plan.length.0 / LOOKS).max(1);
    let mut times: Vec<Mono> =
        edges.chain((0..LOOKS).map(|n| Nanos(n * step))).map(|at| START + at).collect();
    times.sort_unstable();
    times.dedup();
    times.reverse();
    times
}

/// Every other partition has the names of the one before it, for a venue of its own.
fn twin(exchange: &mut Exchange, setup: &Setup) {
    for partition in (1..setup.partitions).step_by(2) {
        let market = exchange.true_market().expect("the exchange has a market");
        let names: Vec<Symbol> = market.partitions[partition - 1].symbols().collect();
        for (index, symbol) in (0..).zip(names) {
            exchange.relist(partition, SymbolIndex(index), symbol);
        }
    }
}

fn exchange(setup: &Setup) -> Exchange {
    let line = |packing| LineConfig { packing, faults: Faults::default() };
    let config = ExchangeConfig {
        lines: setup.packings.map(|packing| packing.map(line)),
        heartbeat: setup.heartbeat,
        seed: setup.seed,
        paused: false,
        history: 1 << 20,
        services: ServicesConfig::default(),
    };
    let market = MarketConfig {
        seed: setup.seed,
        partitions: setup.partitions,
        symbols: setup.symbols,
        prefill: setup.prefill,
        halts: setup.halts,
        family: setup.venue,
    };
    let (session, begin) = match setup.venue {
        Family::Itch50 => (*b"SIM0      ", 34_200_000_000_000),
        Family::Deep => (*b"SIM1048576", 1_795_444_200_000_000_000),
    };
    let flow = FlowConfig {
        market,
        session,
        rate: setup.rate,
        opening_rate: OPENING_RATE,
        begin: WireTime(begin),
    };
    Exchange::market(&config, &flow, None, START).expect("no log of truth is written")
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan) -> World<'a> {
        let setup = &plan.setup;
        let mut exchange = exchange(setup);
        if let Some(partition) = setup.kept_back {
            exchange.keep_back(partition, true);
        }
        if setup.moves_at_noon {
            let market = exchange.true_market().expect("the exchange has a market");
            let symbol = market.partitions[0].symbol(SymbolIndex(0));
            exchange.relist(setup.partitions - 1, SymbolIndex(0), symbol);
            exchange.keep_back(setup.partitions - 1, true);
        }
        if setup.twins {
            twin(&mut exchange, setup);
        }
        let market = exchange.true_market().expect("the exchange has a market");
        let listed = market.partitions.iter().enumerate().flat_map(|(partition, market)| {
            let moves = setup.moves_at_noon && partition + 1 == setup.partitions;
            let back = usize::from(setup.kept_back == Some(partition) || moves);
            market.symbols().skip(back).map(move |symbol| (symbol, partition as u16))
        });
        let listed: Vec<(Symbol, u16)> = listed.collect();
        let first_of = |home: usize| market.partitions[home].symbol(SymbolIndex(0));
        let map = (setup.map, setup.map_ends.map_or(Mono::MAX, |at| START + at));
        let lossless = plan.lossless.then(|| Lossless::start(setup, &listed, map));
        let tampering = Tampering::new(setup.venue, &setup.tamper, first_of);
        let mut world = World {
            plan,
            setup,
            tampering,
            truths: vec![Truth::new(setup.venue); setup.partitions],
            ghosts: vec![None; setup.partitions],
            haunts: Vec::new(),
            sessions: 0,
            connections: 0,
            network: Network::new(setup.venue, setup.seed, setup.partitions, setup.links),
            handler: None,
            grave: None,
            listed,
            last_map: MapOf::Today,
            map,
            halts: Halts::default(),
            past: Past::new(setup.partitions),
            started: false,
            next_fault: 0,
            looks: 0,
            appointments: appointments(plan),
            iterations: 0,
            rng: Rng::stream(setup.seed, 4 << 40),
            now: START,
            digest: Digest::default(),
            journal: Journal::new(),
            reads: 0,
            live: 0,
            said: vec![false; plan.odd.len()],
            alarms: Vec::new(),
            looked: vec![false; plan.expects.len()],
            healing: false,
            mornings: vec![Morning::default(); plan.preopens.len()],
            errand: Errand::default(),
            lossless,
            equal: (0, 0),
            exchange_due: None,
            exchange_call: None,
            exchange,
        };
        world.ask_exchange();
        world
    }

    fn acts(&mut self) -> Result<usize, Wrong> {
        self.pass(START + self.plan.length, self.plan.events)?;
        let passed = self.now.since(START);
        let cut_short = passed < self.plan.length;
        self.all_said(passed)?;
        self.all_alarmed(cut_short)?;
        self.all_looked_at(passed)?;
        self.healing = true;
        self.heal()?;
        let bound = healing_bound(self.setup);
        self.pass(self.now + bound, u64::MAX)?;
        self.look(self.now)?;
        self.healed(false)?;
        // Nothing new, so that what is there can be compared with the end of it.
        self.command(&Command::Pause);
        let settle = Nanos(bound.0 - self.setup.session_grace.0);
        self.pass(self.now + settle, u64::MAX)?;
        self.look(self.now)?;
        let healed = self.healed(true)?;
        self.equal = self.equals_lossless()?;
        if !cut_short {
            self.all_counted(healed)?;
        }
        Ok(healed)
    }

    /// Lets time pass until then, or until so many messages were published in all.
    fn pass(&mut self, until: Mono, events: u64) -> Result<(), Wrong> {
        loop {
            let due = self.due();
            let next = due.filter(|due| *due <= until).unwrap_or(until);
            self.look_between(next)?;
            self.now = next;
            if due.is_none_or(|due| due > until) || self.published() >= events {
                return Ok(());
            }
            self.step()?;
        }
    }

    fn published(&self) -> u64 {
        self.truths.iter().map(Truth::messages).sum()
    }

    /// Asks the exchange when it has something to do next.
    fn ask_exchange(&mut self) {
        let quantum = self.setup.quantum.0;
        self.exchange_due = self.exchange.next_due();
        self.exchange_call = self.exchange_due.map(|due| {
            let steps = due.0.saturating_sub(START.0).div_ceil(quantum);
            START + Nanos(steps * quantum)
        });
    }

    /// When something happens next.
    fn due(&mut self) -> Option<Mono> {
        let exchange = self.exchange_call;
        let network = self.network.due();
        let handler = self.handler.as_mut().and_then(|handler| handler.due(self.setup));
        let fault = self.plan.faults.get(self.next_fault).map(|fault| START + fault.at);
        let start = (!self.started).then(|| START + self.setup.handler_at);
        let haunt = self.haunts.iter().map(|haunt| haunt.due).min();
        let errands = self.handler.as_ref().and_then(|handler| handler.errands.as_ref());
        let errands = errands.and_then(Errands::due);
        let look = self.appointments.last().copied();
        let odd = self.handler.as_ref().map(|handler| handler.next_odd.min(handler.next_alerts));
        let times = [exchange, network, handler, fault, start, haunt, errands, look, odd];
        times.iter().flatten().min().map(|due| (*due).max(self.now))
    }

    /// Everything that is due now.
    fn step(&mut self) -> Result<(), Wrong> {
        if !self.started && self.now >= START + self.setup.handler_at {
            self.started = true;
            self.start_handler();
        }
        while let Some(fault) = self.plan.faults.get(self.next_fault) {
            if START + fault.at > self.now {
                break;
            }
            self.next_fault += 1;
            self.happen(fault.what)?;
        }
        self.haunt();
        let served = self.publish();
        self.deliver();
        if self.run_errands(served) || served {
            self.ask_exchange();
        }
        self.cycles()?;
        if let Some(lossless) = &mut self.lossless {
            lossless.turn(self.now);
        }
        self.asks_rightly()?;
        self.look_at_the_world()?;
        self.look_at_alerts()?;
        let mut asked = false;
        while self.appointments.pop_if(|at| *at <= self.now).is_some() {
            asked = true;
        }
        if asked {
            self.look(self.now)?;
        }
        self.iterations += 1;
        if self.iterations.is_multiple_of(u64::from(LOOK_EVERY)) {
            self.look(self.now)?;
        }
        Ok(())
    }

    /// Lets the exchange do what is due, and its packets set out. Whether anything was.
    fn publish(&mut self) -> bool {
        if self.exchange_due.is_none_or(|due| due > self.now) {
            return false;
        }
        self.exchange.step(self.now).expect("the exchange goes on");
        self.drain();
        true
    }

    fn drain(&mut self) {
        while let Some((partition, mut packet)) = self.exchange.pop(self.now) {
            let truth = &mut self.truths[partition];
            let run = truth.run();
            if !self.tampering.is_none() {
                self.tampering.apply((partition, packet.line), run, &mut packet.payload);
            }
            let number = match &self.handler {
                Some(handler) => handler.seats[partition].watch.floor(),
                None => (run, truth.next()),
            };
            // A handler that starts while a line lags begins with what that line brings.
            let sent = self.now - self.network.longest(partition);
            let floor = Floor { number, sent };
            let frame = truth.consume(&packet.payload, self.now, floor);
            let tag = Tag {
                partition,
                line: packet.line,
                run,
                first: frame.first,
                count: frame.count,
                end: frame.end,
                echo: false,
                malformed: false,
                sent: self.now,
            };
            if let Some(lossless) = &mut self.lossless {
                lossless.take(self.now, tag, &packet.payload);
            }
            if !self.network.send(self.now, tag, &packet.payload) {
                self.journal.note(self.now, partition as u16, Told::Lost(tag));
            }
            self.exchange.recycle(partition, packet.payload);
        }
    }

    /// What has arrived goes into the lanes' queues, or nowhere.
    fn deliver(&mut self) {
        while let Some(arrival) = self.network.arrival(self.now) {
            let left = match &mut self.handler {
                Some(handler) => handler.arrive(arrival, self.setup.queue, &mut self.journal),
                None => Some(arrival.bytes),
            };
            if let Some(bytes) = left {
                self.network.recycle(bytes);
            }
        }
    }

    /// Lets the services' clients and servers do what is due. Whether anything was.
    fn run_errands(&mut self, served: bool) -> bool {
        let World { handler, exchange, truths, now, .. } = self;
        match handler.as_mut().and_then(|handler| handler.errands.as_mut()) {
            Some(errands) => {
                let due = served || errands.due().is_some_and(|due| due <= *now);
                if due {
                    errands.go(*now, exchange, |partition| truths[partition].run());
                }
                due
            }
            // BOUND: connections of a handler that is gone.
            None => {
                while served && exchange.next_out(*now).is_some() {}
                false
            }
        }
    }

    /// Nothing was asked of the venue that it does not allow.
    fn asks_rightly(&mut self) -> Result<(), Wrong> {
        let errands = self.handler.as_mut().and_then(|handler| handler.errands.as_mut());
        let wrong = errands.and_then(Errands::wrong);
        wrong.map_or(Ok(()), |(partition, what)| Err(Wrong { partition, what }))
    }

    /// Duty cycles that are due, with every touched symbol read after every packet.
    fn cycles(&mut self) -> Result<(), Wrong> {
        let World { handler, setup, truths, digest, journal, network, now, .. } = self;
        let Some(handler) = handler else { return Ok(()) };
        let now = *now;
        let mut judge =
            Judge { setup, truths, start: START, reads: &mut self.reads, live: &mut self.live };
        let mut traces = Traces { digest, journal };
        for lane in 0..handler.lanes.len() {
            if handler.lane_due(lane, setup) > now {
                continue;
            }
            handler.begin_cycle(lane, now, &mut traces);
            let mut taken = 0;
            // BOUND: a batch.
            for _ in 0..REPLIES {
                let Some(partition) = handler.reply(lane, now, &mut traces) else { break };
                judge.touched(handler, partition, now)?;
            }
            while handler.has_packet(lane, now, taken) {
                let Some(arrival) = handler.packet(lane, now, &mut traces) else { break };
                taken += 1;
                judge.touched(handler, arrival.tag.partition, now)?;
                network.recycle(arrival.bytes);
            }
            handler.end_cycle(lane, now, setup, &mut traces);
            for partition in 0..handler.seats.len() {
                judge.touched(handler, partition, now)?;
            }
        }
        Ok(())
    }

    /// A run that panicked. Whatever was being changed is half done: only what was noted is looked at.
    fn broken(&self, what: String) -> Outcome {
        let at = self.now.since(START);
        let story = self.journal.last(STORY, None, START);
        let failure = Some(Failure { at, partition: None, what, story });
        Outcome { failure, time: at, digest: self.digest.value(), ..Outcome::default() }
    }

    fn outcome(self, ended: Result<usize, Wrong>) -> Outcome {
        let at = self.now.since(START);
        let failure = ended.as_ref().err().map(|wrong| {
            let Wrong { partition, what } = wrong.clone();
            let mut story = self.journal.last(STORY, Some(partition), START);
            let seat = self.handler.as_ref().and_then(|handler| handler.seats.get(partition));
            story.extend(seat.map(|seat| seat.watch.summary(START)));
            Failure { at, partition: Some(partition), what, story }
        });
        let errands = self.handler.as_ref().and_then(|handler| handler.errands.as_ref());
        let errand = errands.map(Errands::counts).unwrap_or_default();
        let seats = self.handler.iter().flat_map(|handler| &handler.seats);
        let counted = seats.fold(Counters::new(), |sum, seat| sum.plus(&seat.partition.counters()));
        let seats = self.handler.iter().flat_map(|handler| &handler.seats).enumerate();
        let sessions =
            seats.flat_map(|(at, seat)| seat.watch.sessions.iter().map(move |told| (at, *told)));
        let sessions = sessions.collect();
        let served = self.exchange.services().iter();
        let requests = served.map(|one| one.counts(ServiceKind::Retransmit).requests).sum();
        Outcome {
            failure,
            digest: self.digest.value(),
            messages: self.network.carried.messages,
            published: self.published(),
            time: at,
            reads: self.reads,
            live: self.live,
            lost: self.network.carried.lost,
            malformed: self.network.carried.malformed,
            strange: self.tampering.strange(),
            sessions,
            asked: self.errand.asked + errand.asked,
            requests,
            connected: self.errand.connected + errand.connected,
            counted,
            healed: ended.unwrap_or(0),
            equal: self.equal,
        }
    }
}
