//! How many seeds it takes to catch a canary.

use candor_core::Nanos;
use candor_core::canary::{self, Canary};

use super::schedule::{Plan, ServiceSetup, Setup, What};
use super::world::run;
use super::{scenario, swarm};
use crate::market::Family;
use crate::services::{ServiceFault, ServiceKind};

/// Messages of a run in search of a canary.
const EVENTS: u64 = 30_000;

/// Every so many seeds a run that holds is made once more, to be compared with itself.
const AGAIN_EVERY: u64 = 5;

/// What the swarm comes upon too seldom, tried on the first odd seeds.
const RARE: [fn(u64) -> Plan; 30] = [
    two_publishers,
    number_reset,
    session_changes_in_gap,
    session_unheard,
    holdback_too_short,
    snapshot_cut_short,
    snapshot_short_of_a_packet,
    other_numbers,
    scenario::restart_just_passed,
    scenario::start_as_sessions_change_twice,
    scenario::map_late,
    scenario::yesterdays_session,
    scenario::restart_in_old_session,
    scenario::maps_follow_each_other,
    scenario::restart_before_start_is_had,
    scenario::restart_among_copies,
    scenario::join_as_sessions_change_twice,
    scenario::sessions_change_while_dark,
    scenario::restart_behind_splice,
    // Of an odd seed and of an even one.
    scenario::restart_contradicted,
    scenario::restart_contradicted,
    scenario::restart_behind_lag,
    scenario::session_ceases,
    // Not every seed has a lane that takes the map before the others.
    scenario::missed_new_partition,
    scenario::missed_new_partition,
    // The lane stands still in odd ones.
    scenario::start_as_session_changes,
    scenario::start_as_session_changes,
    // Where what is heard of the symbol doesn't show by itself that there was more.
    scenario::symbol_carried_unheard,
    scenario::symbol_carried_unheard,
    scenario::symbol_carried_unheard,
];

/// Runs plans with the canary in force until a check fails: how many it took, and which failed.
/// Each seed is one plan: of the swarm, and the scenarios in turn. One that fails without any canary
/// catches none.
#[must_use]
pub fn caught(one: Canary, seed: u64, seeds: u64) -> Option<(u64, String)> {
    (0..seeds).find_map(|number| {
        let plan = plan(number, seed);
        let how = fails(Some(one), &plan, number.is_multiple_of(AGAIN_EVERY))?;
        let sound = fails(None, &plan, false).is_none();
        sound.then(|| (number + 1, format!("{}: {how}", plan.name)))
    })
}

fn plan(number: u64, seed: u64) -> Plan {
    let turn = number as usize / 2;
    // Scenarios differ by whether their seed is even.
    let (seed, swarm_seed) = (seed + number / 2, seed + number);
    match RARE.get(turn) {
        _ if number.is_multiple_of(2) => swarm::plan(swarm_seed, EVENTS),
        Some(build) => build(seed),
        // Each in its turn, however many there are: those of ITCH, then what differs at DEEP.
        None => {
            let (itch, deep) = (scenario::ALL.len(), scenario::DEEP.len());
            let turn = (turn - RARE.len()) % (itch + deep);
            let (venue, name) = match turn.checked_sub(itch) {
                None => (Family::Itch50, scenario::ALL[turn].0),
                Some(turn) => (Family::Deep, scenario::DEEP[turn].0),
            };
            scenario::find(name, seed, venue).expect("a scenario of this name")
        }
    }
}

fn fails(one: Option<Canary>, plan: &Plan, again: bool) -> Option<String> {
    canary::choose(one);
    // An assertion of the handler's own that fires is as good: it would have aborted.
    let first = run(plan);
    let differs = again && first.failure.is_none() && run(plan).digest != first.digest;
    canary::choose(None);
    let failure = first.failure.map(|failure| failure.what);
    failure.or_else(|| differs.then(|| "I6: two runs of one seed differ".to_owned()))
}

/// A small world with services, in which partition 0 loses packets on all lines.
fn loses(name: &str, seed: u64, services: ServiceSetup) -> Plan {
    served(name, seed, services).at(LOST, What::LoseNext(0, 4))
}

fn served(name: &str, seed: u64, services: ServiceSetup) -> Plan {
    let setup = Setup {
        partitions: 3,
        symbols: 18,
        heartbeat: Nanos::from_millis(100),
        silence: Nanos::from_millis(300),
        session_grace: Nanos::from_millis(500),
        services: Some(services),
        ..Setup::plain(seed)
    };
    Plan::quiet(name, setup, Nanos::from_millis(1_500))
}

const LOST: Nanos = Nanos::from_millis(600);

const fn later(ms: u64) -> Nanos {
    Nanos(LOST.0 + ms * 1_000_000)
}

/// That scenario, at once.
fn session_changes_in_gap(seed: u64) -> Plan {
    scenario::find("session-changes-in-gap", seed, Family::Itch50).expect("a scenario of this name")
}

/// That scenario, at once.
fn two_publishers(seed: u64) -> Plan {
    scenario::find("two-publishers", seed, Family::Itch50).expect("a scenario of this name")
}

/// That scenario, at once.
fn number_reset(seed: u64) -> Plan {
    scenario::find("number-reset", seed, Family::Itch50).expect("a scenario of this name")
}

/// That scenario, with a client that asks for whichever session is current.
fn session_unheard(seed: u64) -> Plan {
    scenario::find("session-unheard", seed | 1, Family::Itch50).expect("a scenario of this name")
}

/// All books have to be fetched anew while the stream goes on, snapshots hang, and what is held back
/// meanwhile is more than there is room for.
fn holdback_too_short(seed: u64) -> Plan {
    let services = ServiceSetup { retransmit: false, holdback: 12_000, ..ServiceSetup::BOTH };
    served("holdback-too-short", seed, services)
        .at(LOST, What::Differ(0))
        .at(Nanos::ZERO, What::Serve(0, ServiceKind::Snapshot, ServiceFault::Hang))
        .at(later(300), What::Serve(0, ServiceKind::Snapshot, ServiceFault::Off))
}

/// A message in the middle of a snapshot is cut to half its length.
fn snapshot_cut_short(seed: u64) -> Plan {
    let services = ServiceSetup { retransmit: false, ..ServiceSetup::BOTH };
    loses("snapshot-cut-short", seed, services)
        .at(Nanos::ZERO, What::Serve(0, ServiceKind::Snapshot, ServiceFault::BrokenSnapshot))
        .at(later(300), What::Serve(0, ServiceKind::Snapshot, ServiceFault::Off))
}

/// A message in the middle of a snapshot is left out.
fn snapshot_short_of_a_packet(seed: u64) -> Plan {
    let services = ServiceSetup { retransmit: false, ..ServiceSetup::BOTH };
    let mut plan = loses("snapshot-short-of-a-packet", seed, services)
        .at(Nanos::ZERO, What::Serve(0, ServiceKind::Snapshot, ServiceFault::LostPacket))
        .at(later(300), What::Serve(0, ServiceKind::Snapshot, ServiceFault::Off));
    // Of GLIMPSE nothing shows it.
    plan.setup.venue = Family::Deep;
    plan
}

/// Other numbers are sent than were asked for.
fn other_numbers(seed: u64) -> Plan {
    loses("other-numbers", seed, ServiceSetup::BOTH)
        .at(Nanos::ZERO, What::Serve(0, ServiceKind::Retransmit, ServiceFault::WrongRange))
}
