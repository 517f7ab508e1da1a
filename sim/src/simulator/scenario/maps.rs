//! Partition maps: one of yesterday, none, one that ends, one that is taken while everything runs.

use candor_core::{Line, Nanos, Reason};

use super::{OPEN_BY, SOON, after, ms, small, stale};
use crate::services::{ServiceFault, ServiceKind};
use crate::simulator::Overnight;
use crate::simulator::maps::MapOf;
use crate::simulator::schedule::{Must, Plan, ServiceSetup, Setup, What, Whose};

const END: Nanos = ms(2_500);

/// Five partitions with two symbols in ten on the last one, and services.
fn floor(seed: u64) -> Setup {
    let services = Some(ServiceSetup::BOTH);
    Setup { partitions: 5, symbols: 25, lanes: 2, services, ..small(seed) }
}

/// The incident. The venue has added a partition and moved a fifth of its symbols there, and the map is
/// yesterday's: they are Live nowhere, the rest is. Then the right map is loaded, and all is Live, without a
/// restart, and with nobody else noticing. Preopen is no-go before that and names every symbol that is elsewhere,
/// and go behind it.
pub(in crate::simulator) fn missed_new_partition(seed: u64) -> Plan {
    let setup = Setup { map: MapOf::Yesterday, ..floor(seed) };
    let loaded = ms(1_200);
    let mut plan = Plan::quiet("missed-new-partition", setup, END)
        .at(loaded, What::Map(MapOf::Today))
        .expect(4, after(loaded, ms(400)), END, Must::BeLive)
        .preopen(ms(700), ms(1_100), false)
        .preopen(ms(2_000), ms(2_400), true);
    let left = stale(&[Reason::Unproven, Reason::Unmapped]);
    for partition in 0..4 {
        plan = plan.only(partition, Whose::Own, OPEN_BY, END, Must::BeLive);
        plan = plan.only(partition, Whose::Others, OPEN_BY, END, left.clone());
    }
    plan
}

/// Today's map is not there when yesterday's ends, and comes late: nothing is Live before, whatever is
/// heard, and then everything that has begun a session since.
pub(in crate::simulator) fn map_late(seed: u64) -> Plan {
    let (ends, begun, loaded) = (ms(600), ms(900), ms(1_600));
    let setup = Setup { map_ends: Some(ends), ..floor(seed) };
    let mut plan = Plan::quiet("map-late", setup, END)
        .at(begun, What::Session(None))
        .at(loaded, What::Map(MapOf::Today));
    for partition in 0..5 {
        plan = plan.expect(partition, OPEN_BY, ends, Must::BeLive).expect(
            partition,
            after(ends, SOON),
            loaded,
            stale(&[Reason::NoMap]),
        );
    }
    plan.alarms(&[]).all_live(after(loaded, ms(200)))
}

/// It never comes.
pub(super) fn map_missing(seed: u64) -> Plan {
    let ends = ms(600);
    let setup = Setup { map_ends: Some(ends), ..floor(seed) };
    let mut plan = Plan::quiet("map-missing", setup, END).at(ms(900), What::Session(None));
    for partition in 0..5 {
        plan = plan.expect(partition, after(ends, SOON), END, stale(&[Reason::NoMap]));
    }
    // Whose map is due and missing is said by who looks for it.
    plan.alarms(&[])
}

/// The map comes, and one partition's venue has begun no session since the last one ended: what is said in
/// the old one is not today's.
pub(in crate::simulator) fn yesterdays_session(seed: u64) -> Plan {
    let (ends, loaded, begun) = (ms(600), ms(1_000), ms(1_600));
    let setup = Setup { map_ends: Some(ends), ..floor(seed) };
    let mut plan = Plan::quiet("yesterdays-session", setup, END);
    for partition in 1..5 {
        plan = plan.at(ms(800), What::Session(Some(partition)));
    }
    plan = plan.at(loaded, What::Map(MapOf::Today)).at(begun, What::Session(Some(0))).expect(
        0,
        after(loaded, SOON),
        begun,
        stale(&[Reason::NotStarted]),
    );
    plan.all_live(after(begun, ms(300))).others_live(0, after(loaded, ms(200)))
}

/// As `yesterdays-session`, and the handler is another one since: it has not heard the map end, and knows from
/// the one before it which session is of before. The venue's services answer for it as they did yesterday.
pub(in crate::simulator) fn restart_in_old_session(seed: u64) -> Plan {
    let (before, ends, behind) = (ms(550), ms(600), ms(700));
    let (started, begun) = (ms(900), ms(1_600));
    let setup = Setup { map_ends: Some(ends), ..floor(seed) };
    // Half of the days the handler dies before its map ends, and another starts when today's is there.
    let (stopped, loaded) = match seed.is_multiple_of(2) {
        true => (before, ms(850)),
        false => (behind, ms(950)),
    };
    let mut plan = Plan::quiet("restart-in-old-session", setup, END).at(stopped, What::Stop);
    for partition in 1..5 {
        plan = plan.at(ms(800), What::Session(Some(partition)));
    }
    plan = plan
        .at(loaded, What::Map(MapOf::Today))
        .at(started, What::Start)
        .at(begun, What::Session(Some(0)))
        .expect(0, after(started, ms(200)), begun, stale(&[Reason::NotStarted]));
    plan.all_live(after(begun, ms(700))).others_live(0, after(started, ms(700)))
}

/// Maps are taken again and again, right ones and wrong ones, as lanes stand still.
pub(in crate::simulator) fn maps_follow_each_other(seed: u64) -> Plan {
    let mut plan = Plan::quiet("maps-follow-each-other", floor(seed), END);
    for round in 0..8 {
        let at = ms(300 + 250 * round);
        let map = if round % 2 == 0 { MapOf::Yesterday } else { MapOf::Today };
        plan = plan.at(at, What::Map(map)).at(after(at, ms(1)), What::Stall(1, ms(20)));
    }
    for partition in 0..4 {
        // Lane 0 has partitions 1, 3 and 5: none of theirs that stays is touched.
        if partition % 2 == 0 {
            plan = plan.only(partition, Whose::Own, OPEN_BY, END, Must::BeLive);
        }
    }
    plan
}

/// The venue moves a symbol from the first partition to the last in the middle of the session: contested from its
/// first message there, on both, and Live there by a snapshot once the map says so. Nobody else notices.
pub(super) fn symbol_moves_intraday(seed: u64) -> Plan {
    let plan = Plan::quiet("symbol-moves-intraday", moving(seed), END)
        .at(ms(800), What::Delist(0))
        .at(NOON, What::List(4));
    symbol_moves(plan)
}

/// As `symbol-moves-intraday`, and what rests in the symbol's book moves with it, of which the venue says nothing:
/// what is heard of it where it went is the end of its book.
pub(super) fn symbol_carried_intraday(seed: u64) -> Plan {
    let plan = Plan::quiet("symbol-carried-intraday", moving(seed), END).at(NOON, What::Carry);
    symbol_moves(plan)
}

/// As `symbol-carried-intraday`, and the partition that had it was never heard by anybody here. Little is said of it
/// where it is now, and nothing that contradicts what was heard; and yet it is not Live before a snapshot has all of its
/// book.
pub(in crate::simulator) fn symbol_carried_unheard(seed: u64) -> Plan {
    let (loaded, answered) = (ms(1_300), ms(1_900));
    // Where not even its definition was heard before the pause it is Unproven.
    let recovering = stale(&[Reason::SymbolRecovering, Reason::Unproven]);
    let mut plan = Plan::quiet("symbol-carried-unheard", moving(seed), END)
        .at(NOON, What::Carry)
        .at(after(NOON, ms(4)), What::Pause)
        .at(loaded, What::Map(MapOf::Afternoon))
        .at(answered, What::Resume)
        .at(ms(900), What::Serve(4, ServiceKind::Snapshot, ServiceFault::Hang))
        .at(answered, What::Serve(4, ServiceKind::Snapshot, ServiceFault::Off))
        .only(4, Whose::One(4), after(loaded, ms(50)), answered, recovering)
        .only(4, Whose::Own, after(answered, ms(400)), END, Must::BeLive);
    for line in Line::ALL {
        plan = plan.at(Nanos::ZERO, What::Cut(0, line, true));
    }
    for partition in 1..4 {
        plan = plan.expect(partition, OPEN_BY, END, Must::BeLive);
    }
    plan
}

const NOON: Nanos = ms(1_000);

fn moving(seed: u64) -> Setup {
    Setup { moves_at_noon: true, halts: false, ..floor(seed) }
}

/// What must hold where all was heard, and the map is loaded a while behind noon.
fn symbol_moves(plan: Plan) -> Plan {
    let loaded = ms(1_500);
    let mut plan = plan
        .at(loaded, What::Map(MapOf::Afternoon))
        .expect(0, OPEN_BY, NOON, Must::BeLive)
        .only(0, Whose::One(0), after(NOON, ms(50)), loaded, stale(&[Reason::WrongPartition]))
        .only(4, Whose::Others, after(NOON, ms(50)), loaded, stale(&[Reason::WrongPartition]))
        .only(0, Whose::Others, after(loaded, ms(50)), END, stale(&[Reason::Unmapped]))
        .only(0, Whose::Own, after(loaded, ms(50)), END, Must::BeLive)
        .only(4, Whose::Own, OPEN_BY, loaded, Must::BeLive)
        .only(4, Whose::Own, after(loaded, ms(400)), END, Must::BeLive);
    for partition in 1..4 {
        plan = plan.expect(partition, OPEN_BY, END, Must::BeLive);
    }
    plan
}

/// Two venues list the same names. One of the first falls silent, and has another session then; it is stale, and the
/// symbols of the same names are Live with their own books all the while, at the other venue.
pub(super) fn same_name_two_venues(seed: u64) -> Plan {
    let setup = Setup { partitions: 4, symbols: 24, twins: true, listed: false, ..floor(seed) };
    let (killed, revived) = (ms(600), ms(1_400));
    let silent = after(killed, ms(320));
    Plan::quiet("same-name-two-venues", setup, END)
        .at(killed, What::Kill(0))
        .at(revived, What::Revive(0))
        .at(ms(1_900), What::Session(Some(0)))
        .expect(0, OPEN_BY, killed, Must::BeLive)
        .expect(0, silent, revived, stale(&[Reason::Silent]))
        .others_live(0, OPEN_BY)
}

/// The venue defines a symbol at noon that no map lists: it is Live by its definition and what follows it, without a
/// restart and without a word, and of the others nobody notices.
pub(super) fn new_listing_intraday(seed: u64) -> Plan {
    let listed = ms(1_000);
    let setup = Setup { kept_back: Some(0), lanes: 2, ..small(seed) };
    let mut plan = Plan::quiet("new-listing-intraday", setup, END)
        .at(listed, What::List(0))
        .only(0, Whose::Others, after(listed, ms(50)), END, Must::BeLive)
        .alarms(&[]);
    for partition in 0..3 {
        plan = plan.only(partition, Whose::Own, OPEN_BY, END, Must::BeLive);
    }
    plan
}

/// A trading date ends, and the next one is another: of even seeds the venue begins its sessions before the day's map
/// is there, of odd ones behind it. When all that can be is Live again.
fn next_date(name: &str, setup: Setup) -> (Plan, Nanos) {
    let ends = ms(600);
    let (begun, loaded) = match setup.seed.is_multiple_of(2) {
        true => (ms(1_000), ms(1_400)),
        false => (ms(1_400), ms(1_000)),
    };
    let plan = Plan::quiet(name, Setup { map_ends: Some(ends), ..setup }, END)
        .at(begun, What::NextDay)
        .at(loaded, What::Map(MapOf::Tomorrow))
        .all_live_between(OPEN_BY, ends);
    (plan, ms(1_700))
}

/// Symbols of no list change their partitions overnight: each is Live where the venue names it on the new day, and
/// nowhere else, whatever was heard of it the day before (decision 0014).
pub(super) fn unlisted_moves_overnight(seed: u64) -> Plan {
    let setup = Setup { listed: false, overnight: Some(Overnight::Exchanged), ..floor(seed) };
    let (mut plan, by) = next_date("unlisted-moves-overnight", setup);
    for partition in 0..5 {
        plan = plan.only(partition, Whose::Own, by, END, Must::BeLive);
    }
    gone(plan, &[0, 1], by)
}

/// A symbol has another name from one day to the next: the old one is stale, and the new one Live by what is said of
/// it under that name, and by nothing else.
pub(super) fn rename(seed: u64) -> Plan {
    let setup = Setup { overnight: Some(Overnight::Renamed), ..floor(seed) };
    let (mut plan, by) = next_date("rename", setup);
    for partition in 0..5 {
        plan = plan.only(partition, Whose::Own, by, END, Must::BeLive);
    }
    gone(plan, &[0], by).alarms(&[])
}

/// A partition is gone from one day to the next, and its symbols are on the others: they are Live there, and its
/// silence is no alert.
pub(super) fn partition_removed(seed: u64) -> Plan {
    let setup = Setup { overnight: Some(Overnight::Removed), ..floor(seed) };
    let (mut plan, by) = next_date("partition-removed", setup);
    plan = plan.at(ms(590), What::End(4));
    plan.expects.retain(|expect| expect.partition != 4);
    plan = plan.expect(4, OPEN_BY, ms(590), Must::BeLive);
    for partition in 0..4 {
        plan = plan.only(partition, Whose::Own, by, END, Must::BeLive);
    }
    gone(plan, &[0, 1, 2, 3, 4], by).alarms(&[])
}

/// What these partitions had and have no more is stale there.
fn gone(mut plan: Plan, partitions: &[usize], from: Nanos) -> Plan {
    let left = stale(&[Reason::Unmapped, Reason::Unproven, Reason::Unsubscribed]);
    for partition in partitions {
        plan = plan.only(*partition, Whose::Others, from, END, left.clone());
    }
    plan
}
