//! The rounds: one message out, looked for, found, then the next.

use candor_core::counters::Counter;
use candor_core::{Reason, SymbolIndex};
use candor_shm::{EventReader, Handle, Next, Read, clock};

use crate::Problem;
use crate::bare::Bare;
use crate::handler::Handler;
use crate::machine::{Cores, pin};
use crate::ramp;
use crate::report::{Report, Round};
use crate::source::Kind;
use crate::traffic::{Traffic, age, pause};
use crate::veth::Veth;

/// How long a message is looked for before it is sent again.
const PATIENCE_NS: u64 = 200_000_000;

/// How often a message is sent before the run is given up.
const TRIES: u32 = 20;

/// How long a symbol is read for after the event of its change was seen.
const READ_NS: u64 = 1_000_000;

/// Looks between two looks at the clock.
const LOOKS: u32 = 64;

/// What to do.
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    pub(crate) messages: u32,
    pub(crate) gap_ns: u64,
    /// Whether to look for the rate at which messages are lost, too.
    pub(crate) ramps: bool,
    pub(crate) cores: Cores,
}

/// Everything, in one run.
pub(crate) fn run(plan: &Plan, report: &mut Report) -> Result<(), Problem> {
    let veth = Veth::new()?;
    let mut paths =
        [(Kind::AfXdp, false), (Kind::Udp, false), (Kind::AfXdp, true), (Kind::Udp, true)];
    pin(plan.cores.sender)?;
    for _ in 0..plan.rounds {
        for (kind, whole) in paths {
            let round = match whole {
                true => with_handler(plan, &veth, kind)?,
                false => with_nothing(plan, &veth, kind)?,
            };
            report.add(kind, whole, round);
        }
        // Whoever comes first pays for cold caches: take turns.
        paths.rotate_left(1);
    }
    if plan.ramps {
        report.ramps = ramp::run(&veth, plan.cores)?;
    }
    Ok(())
}

/// Where a message is looked for.
pub(crate) enum Far<'a> {
    Bare(&'a Bare),
    Whole { handler: &'a Handler, events: EventReader, handles: Vec<Handle> },
}

impl Far<'_> {
    /// When the message of this number was found; `None` when not in time.
    #[inline]
    fn find(&mut self, number: u64) -> Option<u64> {
        let until = clock::now().0 + PATIENCE_NS;
        // BOUND: ends when the patience does.
        loop {
            for _ in 0..LOOKS {
                let found = match self {
                    Far::Bare(bare) => bare.seen() >= number,
                    Far::Whole { events, .. } => {
                        matches!(events.next(), Next::Record(record) if record.seq.0 >= number)
                    }
                };
                if found {
                    return Some(clock::now().0);
                }
                std::hint::spin_loop();
            }
            if clock::now().0 > until {
                return None;
            }
        }
    }

    /// When the symbol read Live with this message in its book; else why it did not.
    #[inline]
    fn read(&self, symbol: SymbolIndex, number: u64) -> Result<u64, Option<Reason>> {
        let Far::Whole { handler, handles, .. } = self else { return Err(None) };
        let Some(handle) = handles.get(symbol.0 as usize) else { return Err(None) };
        let until = clock::now().0 + READ_NS;
        // BOUND: ends when the time does.
        loop {
            let why = match handler.region.read(*handle) {
                Read::Live(view) if view.book.seq >= number => return Ok(clock::now().0),
                Read::Live(_) => None,
                Read::Stale { reason, .. } => Some(reason),
            };
            if clock::now().0 > until {
                return Err(why);
            }
        }
    }
}

fn with_nothing(plan: &Plan, veth: &Veth, kind: Kind) -> Result<Round, Problem> {
    let bare = Bare::start(veth, kind, plan.cores.lane)?;
    let mut traffic = Traffic::new(veth)?;
    let mut far = Far::Bare(&bare);
    open(&mut traffic, &mut far)?;
    bare.measure_from(traffic.last() + 1);
    let mut round = Round::default();
    measure(plan, &mut traffic, &mut far, &mut round)?;
    round.stamped = bare.stop()?;
    round.mode = kind.mode().to_owned();
    round.arrived = round.stamped.len();
    Ok(round)
}

fn with_handler(plan: &Plan, veth: &Veth, kind: Kind) -> Result<Round, Problem> {
    let handler = Handler::start(veth, kind, plan.cores.lane)?;
    let mut traffic = Traffic::new(veth)?;
    let mut far = whole(&handler)?;
    open(&mut traffic, &mut far)?;
    if let Far::Whole { handles, .. } = &mut far {
        *handles = handler.region.symbols(0).map(|(handle, _)| handle).collect();
    }
    let before = traffic.last();
    let mut round = Round::default();
    measure(plan, &mut traffic, &mut far, &mut round)?;
    // Counters are brought up to date once a millisecond.
    pause(50_000_000);
    round.arrived = applied(&handler).saturating_sub(before);
    let lane = handler.region.lanes(clock::now()).next();
    round.mode = lane.map_or(String::new(), |lane| lane.mode.to_string());
    Ok(round)
}

/// A handler and its events from now on.
pub(crate) fn whole(handler: &Handler) -> Result<Far<'_>, Problem> {
    let events = handler.region.events(0);
    let events = events.ok_or_else(|| Problem::Other("the region has no lane".into()))?;
    Ok(Far::Whole { handler, events, handles: Vec::new() })
}

/// Sends everything up to the opening of the market.
pub(crate) fn open(traffic: &mut Traffic, far: &mut Far<'_>) -> Result<(), Problem> {
    let mut unmeasured = Round::default();
    // BOUND: the market's opening has an end.
    while traffic.is_opening() {
        exchange(traffic, far, &mut unmeasured)?;
    }
    Ok(())
}

fn measure(
    plan: &Plan,
    traffic: &mut Traffic,
    far: &mut Far<'_>,
    round: &mut Round,
) -> Result<(), Problem> {
    let mut due = clock::now().0;
    for _ in 0..plan.messages {
        // BOUND: the clock goes on.
        while clock::now().0 < due {
            std::hint::spin_loop();
        }
        // Late for one message is no reason to hurry with the next.
        due = clock::now().0 + plan.gap_ns;
        exchange(traffic, far, round)?;
    }
    Ok(())
}

/// One message out and found.
fn exchange(traffic: &mut Traffic, far: &mut Far<'_>, round: &mut Round) -> Result<(), Problem> {
    let next = traffic.fill(1)?;
    let stamp = traffic.send()?;
    let returned = clock::now().0;
    for attempt in 0..TRIES {
        let Some(found) = far.find(next.seq.0) else {
            traffic.send_copy(traffic.packet())?;
            continue;
        };
        round.sent += 1;
        if attempt > 0 {
            round.again += 1;
            return Ok(());
        }
        round.call(age(returned, stamp));
        round.found(age(found, stamp));
        if let Some(symbol) = next.changes {
            let read = far.read(symbol, next.seq.0).map(|at| age(at, stamp));
            if matches!(far, Far::Whole { .. }) {
                round.read(read);
            }
        }
        return Ok(());
    }
    Err(Problem::Other(format!("message {} was sent {TRIES} times and never seen", next.seq)))
}

/// How many messages the handler says it has applied.
pub(crate) fn applied(handler: &Handler) -> u64 {
    let info = handler.region.partition_when(0, clock::now);
    info.map_or(0, |info| info.counters.get(Counter::Applied))
}
