//! Everything out of one seed: the world's shape, and which faults happen when. Whole classes of
//! faults are left out at random, so that rare combinations of the rest come up.

use candor_core::limits::LINES;
use candor_core::{Line, Nanos};

use super::maps::MapOf;
use super::network::Link;
use super::schedule::{Fault, Plan, ServiceSetup, Setup, Ways, What};
use crate::market::Family;
use crate::publisher::Packing;
use crate::rng::Rng;
use crate::services::{ServiceFault, ServiceKind};

/// Messages of the first act unless told otherwise.
pub const EVENTS: u64 = 60_000;

/// What the venue of a seed speaks: DEEP every third time.
#[must_use]
pub fn venue(seed: u64) -> Family {
    match venue_dice(seed).chance(333_333) {
        true => Family::Deep,
        false => Family::Itch50,
    }
}

/// The venue has dice of its own, so that what else is drawn is the same for every venue.
fn venue_dice(seed: u64) -> Rng {
    Rng::stream(seed, 9 << 40)
}

/// The plan of a seed.
#[must_use]
pub fn plan(seed: u64, events: u64) -> Plan {
    plan_at(venue(seed), seed, events)
}

/// The plan of a seed at this venue.
#[must_use]
pub fn plan_at(venue: Family, seed: u64, events: u64) -> Plan {
    let mut rng = Rng::stream(seed, 5 << 40);
    let setup = at(venue, setup(seed, &mut rng));
    // As long as the events take, and some time more in which rates change and flows pause.
    let length = Nanos(events.saturating_mul(1_000_000_000) / setup.rate * 3 / 2);
    let length = length.max(Nanos(setup.silence.0 * 3));
    let mut faults = faults(&setup, length, &mut rng);
    let setup = maps(setup, length, &mut faults);
    halts(&setup, length, &mut faults);
    lags(&setup, length, &mut faults);
    let setup = moves(setup, length, &mut faults);
    let name = format!("seed {seed} ({})", venue_name(venue));
    Plan { events, faults, ..Plan::quiet(&name, setup, length) }
}

/// A venue in a word.
#[must_use]
pub const fn venue_name(venue: Family) -> &'static str {
    match venue {
        Family::Itch50 => "itch",
        Family::Deep => "deep",
    }
}

/// The setup at this venue, with what only DEEP has to choose.
fn at(venue: Family, setup: Setup) -> Setup {
    let mut rng = venue_dice(setup.seed);
    let _ = rng.bits();
    let services = setup.services.map(|services| {
        let ways = match rng.below(4) {
            0 => Ways::Datagrams,
            1 => Ways::Connections,
            _ => Ways::Both(one_of(&mut rng, &[3, 50, 1_000])),
        };
        let piece = one_of(&mut rng, &[services.piece, 1_000, 50_000]);
        match venue {
            Family::Itch50 => services,
            Family::Deep => ServiceSetup { ways, piece, ..services },
        }
    });
    Setup { venue, services, ..setup }
}

fn one_of<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.below(choices.len() as u64) as usize]
}

/// Maps have dice of their own, too: a handler that starts with yesterday's, one whose map ends, maps that
/// are taken now and then.
fn maps(setup: Setup, length: Nanos, faults: &mut Vec<Fault>) -> Setup {
    let mut rng = Rng::stream(setup.seed, 10 << 40);
    // A map without a partition leaves its groups, and numbers that begin again meanwhile are told from
    // the old by the venue's services alone, as in `faults`.
    let served = setup.services.is_some_and(|services| services.retransmit && services.snapshot);
    let restarts = faults.iter().any(|fault| matches!(fault.what, What::Restart(..)));
    let without = if served || !restarts { MapOf::Yesterday } else { MapOf::Today };
    let map = if rng.chance(100_000) { without } else { MapOf::Today };
    // Sessions begin by other faults, or none does before the act is over.
    let ends = Nanos(rng.below(length.0));
    let map_ends = rng.chance(100_000).then_some(ends);
    if map_ends.is_some() && rng.chance(700_000) {
        let at = Nanos(ends.0 + rng.below(length.0 / 4));
        faults.push(Fault { at, what: What::Session(None) });
    }
    if rng.chance(150_000) {
        for _ in 0..rng.between(1, 6) {
            let map = one_of(&mut rng, &[MapOf::Today, without]);
            faults.push(Fault { at: Nanos(rng.below(length.0)), what: What::Map(map) });
        }
    }
    faults.sort_by_key(|fault| fault.at);
    Setup { map, map_ends, ..setup }
}

/// In some seeds the venue moves a symbol, with its orders, in the middle of the session, and a map says so sooner or
/// later. With dice of its own.
fn moves(setup: Setup, length: Nanos, faults: &mut Vec<Fault>) -> Setup {
    let mut rng = Rng::stream(setup.seed, 12 << 40);
    if setup.partitions < 2 || !rng.chance(150_000) {
        return setup;
    }
    let at = rng.below(length.0);
    faults.push(Fault { at: Nanos(at), what: What::Carry });
    // Right away, sometime, or not before the faults are over.
    let behind = match rng.below(3) {
        0 => Some(rng.below(setup.heartbeat.0)),
        1 => Some(rng.below(length.0)),
        _ => None,
    };
    if let Some(behind) = behind {
        let map = What::Map(MapOf::Afternoon);
        faults.push(Fault { at: Nanos(at + behind), what: map });
    }
    faults.sort_by_key(|fault| fault.at);
    Setup { moves_at_noon: true, ..setup }
}

fn setup(seed: u64, rng: &mut Rng) -> Setup {
    let partitions = one_of(rng, &[1, 2, 3, 4, 6, 9]);
    let heartbeat = Nanos::from_millis(one_of(rng, &[20, 100, 250, 1_000]));
    let grace = Nanos::from_micros(one_of(rng, &[200, 1_000, 3_000]));
    let third = rng.chance(200_000);
    let packings = core::array::from_fn(|line| match line {
        0 | 1 => Some(packing(rng)),
        _ => third.then(|| packing(rng)),
    });
    let rough = rng.chance(700_000);
    Setup {
        seed,
        partitions,
        symbols: partitions * one_of(rng, &[2, 5, 12, 30]),
        prefill: rng.below(6) as usize,
        rate: one_of(rng, &[2_000, 10_000, 40_000, 150_000]),
        quantum: Nanos::from_micros(one_of(rng, &[20, 100, 500, 2_000])),
        packings,
        links: core::array::from_fn::<_, LINES, _>(|_| link(rng, rough, grace)),
        heartbeat,
        silence: Nanos(heartbeat.0 * 3),
        grace,
        late: Nanos::from_millis(one_of(rng, &[5, 20])),
        session_grace: Nanos(heartbeat.0 * 5),
        lease: Nanos::from_millis(one_of(rng, &[10, 50])),
        poll: Nanos(one_of(rng, &[100, 5_000, 50_000])),
        lanes: (1 + rng.below(2) as u16).min(partitions as u16),
        queue: one_of(rng, &[64, 1_024, 4_096]),
        services: rng.chance(700_000).then(|| services(rng)),
        listed: rng.chance(500_000),
        handler_at: if rng.chance(150_000) {
            Nanos::from_millis(rng.between(1, 500))
        } else {
            Nanos::ZERO
        },
        ..Setup::plain(seed)
    }
}

fn services(rng: &mut Rng) -> ServiceSetup {
    let which = rng.below(6);
    let delay = Nanos::from_micros(one_of(rng, &[50, 200, 2_000]));
    ServiceSetup {
        retransmit: which > 0,
        snapshot: which != 1,
        delay,
        loss: one_of(rng, &[0, 0, 20_000, 300_000]),
        timeout: Nanos(delay.0 * 10).max(Nanos::from_millis(2)),
        budget: one_of(rng, &[5, 50, 1_000]),
        day: ServiceSetup::BOTH.day,
        piece: one_of(rng, &[5, 64, 1_000]),
        limit: one_of(rng, &[20, 2_000, 20_000]),
        holdback: one_of(rng, &[20_000, 1 << 20, 8 << 20]),
        ways: Ways::Datagrams,
    }
}

fn packing(rng: &mut Rng) -> Packing {
    Packing {
        max_payload: one_of(rng, &[120, 600, 1_300, 1_450]),
        max_messages: one_of(rng, &[1, 3, 27, 40]),
        linger: Nanos::from_micros(one_of(rng, &[0, 0, 50, 300])),
    }
}

fn link(rng: &mut Rng, rough: bool, grace: Nanos) -> Link {
    let some = |rng: &mut Rng, choices: &[u32]| if rough { one_of(rng, choices) } else { 0 };
    Link {
        delay: Nanos::from_micros(one_of(rng, &[5, 20, 200])),
        jitter: Nanos(if rough { rng.below(grace.0) } else { 0 }),
        loss: some(rng, &[0, 0, 1_000, 10_000, 50_000]),
        bursts: some(rng, &[0, 0, 500, 3_000]),
        burst: one_of(rng, &[2, 10, 40]),
        duplicate: some(rng, &[0, 0, 10_000, 200_000]),
        reorder: some(rng, &[0, 0, 5_000, 50_000]),
        reorder_by: Nanos(rng.below(grace.0 * 2)),
        malform: some(rng, &[0, 0, 0, 2_000]),
        ..Link::GOOD
    }
}

/// Kinds of faults that are switched on or off together.
const CLASSES: u64 = 12;

fn faults(setup: &Setup, length: Nanos, rng: &mut Rng) -> Vec<Fault> {
    let mut classes: Vec<u64> = (0..CLASSES).filter(|_| rng.chance(350_000)).collect();
    // Numbers that begin again while nobody listens, and pass those that were heard before, are told from
    // them by the venue's services alone (`restart-unheard`).
    let served = setup.services.is_some_and(|services| services.retransmit && services.snapshot);
    let smooth = |link: &Link| link.loss + link.bursts + link.reorder == 0 && link.jitter.0 == 0;
    if !served && !setup.links.iter().all(smooth) {
        classes.retain(|class| *class != 5);
    }
    if !served && classes.contains(&5) {
        classes.retain(|class| ![1, 3, 6, 7].contains(class));
    }
    let mut faults = Vec::new();
    if classes.is_empty() {
        return faults;
    }
    for _ in 0..rng.below(14) {
        let class = one_of(rng, &classes);
        let at = Nanos(rng.below(length.0));
        // Short ones and ones that outlast every lease.
        let longest = setup.silence.0 * 2;
        let time =
            if rng.chance(500_000) { rng.below(setup.grace.0 * 20) } else { rng.below(longest) };
        episode(setup, (class, &classes), at, Nanos(time + 1), rng, &mut faults);
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// In some seeds an operator halts and resumes. With dice of its own, so that what else is drawn is the
/// same with and without.
fn halts(setup: &Setup, length: Nanos, faults: &mut Vec<Fault>) {
    let mut rng = Rng::stream(setup.seed, 11 << 40);
    if !rng.chance(250_000) {
        return;
    }
    for _ in 0..rng.between(1, 4) {
        let which = (!rng.chance(300_000)).then(|| rng.below(setup.partitions as u64) as usize);
        let at = rng.below(length.0);
        let time = rng.below(setup.silence.0 * 2) + 1;
        for (at, halted) in [(at, true), (at.saturating_add(time), false)] {
            faults.push(Fault { at: Nanos(at), what: What::Halt(which, halted) });
        }
    }
    faults.sort_by_key(|fault| fault.at);
}

/// In some seeds all lines of a partition lag behind the venue's services, and its numbers may begin again meanwhile.
/// With dice of its own.
fn lags(setup: &Setup, length: Nanos, faults: &mut Vec<Fault>) {
    let mut rng = Rng::stream(setup.seed, 14 << 40);
    // Numbers that begin again are told from those under way by a snapshot alone.
    if !rng.chance(150_000) || !setup.services.is_some_and(|services| services.snapshot) {
        return;
    }
    let partition = rng.below(setup.partitions as u64) as usize;
    // Within what lines may lag, and so that nothing is late by it alone.
    let lag = Nanos(rng.below(setup.silence.0 / 4) + 1);
    let at = rng.below(length.0);
    let until = at.saturating_add(rng.below(setup.silence.0 * 2) + 1);
    let mut add = |at: u64, what: What| faults.push(Fault { at: Nanos(at), what });
    for line in setup.lines() {
        add(at, What::Lag(partition, line, lag));
        add(until, What::Mend(partition, line));
    }
    add(at, What::LoseNext(partition, rng.between(1, 20) as u32));
    if rng.chance(500_000) {
        add(rng.between(at, until), What::Restart(partition, true));
    }
    faults.sort_by_key(|fault| fault.at);
}

/// One fault of a class, which happens in a day beside the others.
fn episode(
    setup: &Setup,
    (class, classes): (u64, &[u64]),
    at: Nanos,
    time: Nanos,
    rng: &mut Rng,
    faults: &mut Vec<Fault>,
) {
    let partition = rng.below(setup.partitions as u64) as usize;
    let lines: Vec<Line> = setup.lines().collect();
    let line = one_of(rng, &lines);
    let after = Nanos(at.0 + time.0);
    let mut add = |at: Nanos, what: What| faults.push(Fault { at, what });
    match class {
        0 => {
            add(at, What::Kill(partition));
            add(after, What::Revive(partition));
        }
        1 => {
            add(at, What::Cut(partition, line, true));
            add(after, What::Cut(partition, line, false));
        }
        2 => add(at, What::LoseNext(partition, rng.between(1, 20) as u32)),
        3 => {
            let lag = Nanos(one_of(rng, &[setup.grace.0, setup.silence.0 / 4, setup.silence.0]));
            add(at, What::Lag(partition, line, lag));
            add(after, What::Mend(partition, line));
        }
        4 => add(at, What::Session((!rng.chance(300_000)).then_some(partition))),
        5 => add(at, What::Restart(partition, false)),
        6 => {
            let lane = rng.below(u64::from(setup.lanes)) as u16;
            let stall = Nanos(rng.below(setup.lease.0 * 4) + 1);
            add(at, What::Stall(lane, if rng.chance(800_000) { stall } else { time }));
        }
        7 if rng.chance(500_000) => {
            add(at, What::Stop);
            add(after, What::Start);
        }
        7 => {
            add(at, What::Subscribe(partition, false));
            add(after, What::Subscribe(partition, true));
        }
        8 => {
            add(at, What::Pause);
            add(after, What::Resume);
        }
        10 | 11 => served(partition, at, after, rng, faults),
        // A handler that starts beside a publisher of a session it never heard of can't know which of
        // the two is the old one (`start-beside-old-publisher`).
        _ => match rng.between(u64::from(classes.contains(&7)), 3) {
            0 => zombie(setup, (partition, line), at, after, rng.chance(500_000), faults),
            1 => {
                add(at, What::Loop(partition, line, true));
                add(Nanos(at.0 + setup.heartbeat.0), What::Kill(partition));
                add(Nanos(after.0 + setup.silence.0), What::Revive(partition));
                add(Nanos(after.0 + setup.silence.0), What::Loop(partition, line, false));
            }
            2 => add(at, What::End(partition)),
            _ => add(at, What::Differ(partition)),
        },
    }
}

/// The venue's services do not what they should.
fn served(partition: usize, at: Nanos, after: Nanos, rng: &mut Rng, faults: &mut Vec<Fault>) {
    let mut add = |at: Nanos, what: What| faults.push(Fault { at, what });
    let kind = one_of(rng, &ServiceKind::ALL);
    let fault = match rng.below(14) {
        0 => ServiceFault::Refuse,
        1 => ServiceFault::Throttle(rng.between(1, 5) as u32),
        2 => ServiceFault::Hang,
        3 => ServiceFault::Partial,
        4 => ServiceFault::Late(Nanos::from_millis(rng.between(1, 300))),
        5 => ServiceFault::WrongRange,
        6 => ServiceFault::Twice,
        7 => ServiceFault::OldSnapshot(one_of(rng, &[1, 100, 10_000])),
        8 => ServiceFault::BrokenSnapshot,
        9 => ServiceFault::LostPart,
        10 => {
            add(at, What::WayDead(partition, Some(rng.below(2) as usize)));
            return add(after, What::WayDead(partition, None));
        }
        12 => ServiceFault::LostPacket,
        11 => {
            add(at, What::WayHangs(partition, true));
            return add(after, What::WayHangs(partition, false));
        }
        _ => {
            add(at, What::WayLoss(partition, 500_000));
            return add(after, What::WayLoss(partition, 0));
        }
    };
    add(at, What::Serve(partition, kind, fault));
    // Something to ask for.
    add(Nanos(at.0 + 1), What::LoseNext(partition, rng.between(1, 30) as u32));
    add(after, What::Serve(partition, kind, ServiceFault::Off));
}

/// An old publisher speaks on beside the one of another session; where that `falls_silent`, alone.
fn zombie(
    setup: &Setup,
    (partition, line): (usize, Line),
    at: Nanos,
    after: Nanos,
    falls_silent: bool,
    faults: &mut Vec<Fault>,
) {
    let mut add = |at: Nanos, what: What| faults.push(Fault { at, what });
    // Not before the partition has spoken for sure: of two sessions that a handler has never
    // heard of it can't know which is the old one (`start-beside-old-publisher`).
    let at = Nanos(at.0.max(setup.silence.0));
    let after = Nanos(after.0.max(at.0));
    add(at, What::Session(Some(partition)));
    add(at, What::Zombie(partition, line, true));
    if falls_silent {
        let then = Nanos(at.0 + setup.heartbeat.0);
        add(then, What::Kill(partition));
        add(Nanos(then.0 + setup.silence.0 * 2), What::Revive(partition));
    }
    add(Nanos(after.0 + setup.silence.0 * 2), What::Zombie(partition, line, false));
}
