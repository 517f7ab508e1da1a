//! Worlds with a name: what goes wrong, by hand, and what must hold besides the invariants.

mod content;
mod days;
mod handler;
mod lines;
mod maps;
mod odd;
mod recovery;
mod sequence;
mod silence;

use candor_core::{Nanos, Reason};
use candor_engine::alerts::Place;

#[cfg(canary)]
pub(super) use maps::{
    map_late, maps_follow_each_other, missed_new_partition, restart_in_old_session,
    symbol_carried_unheard, yesterdays_session,
};
#[cfg(canary)]
pub(super) use recovery::restart_before_start_is_had;
#[cfg(canary)]
pub(super) use sequence::{
    join_as_sessions_change_twice, restart_among_copies, restart_behind_lag, restart_behind_splice,
    restart_contradicted, restart_just_passed, session_ceases, sessions_change_while_dark,
    start_as_session_changes, start_as_sessions_change_twice,
};

use super::schedule::{Must, Plan, ServiceSetup, Setup, Ways};
use crate::market::Family;

/// Makes a scenario's plan from a seed.
pub type Build = fn(u64) -> Plan;

/// Every scenario by name, at a venue of ITCH.
pub const ALL: &[(&str, Build)] = &[
    ("partition-silent", silence::partition_silent),
    ("thin-partition", silence::thin_partition),
    ("all-silent", silence::all_silent),
    ("silent-then-gap", silence::silent_then_gap),
    ("opening-tick-only", silence::opening_tick_only),
    ("last-packet-lost", silence::last_packet_lost),
    ("swizzle", silence::swizzle),
    ("outage-10h", silence::outage),
    ("halt", silence::halt),
    ("market-wide-halt", silence::market_wide_halt),
    ("heartbeats-without-data", odd::heartbeats_without_data),
    ("zero-quotes", odd::zero_quotes),
    ("usual", odd::usual),
    ("all-rest", odd::all_rest),
    ("thin-beside-busy", odd::thin_beside_busy),
    ("waits-behind-a-burst", handler::waits_behind_a_burst),
    ("usual-week", days::usual_week),
    ("half-day", days::half_day),
    ("holiday", days::holiday),
    ("all-meant", days::all_meant),
    ("gap-one-line", lines::gap_one_line),
    ("gap-both-lines", lines::gap_both_lines),
    ("straddle", lines::straddle),
    ("reorder", lines::reorder),
    ("duplicates", lines::duplicates),
    ("lines-differ", lines::lines_differ),
    ("line-lag", lines::line_lag),
    ("line-dark", lines::line_dark),
    ("number-reset", sequence::number_reset),
    ("number-reset-healed", sequence::number_reset_healed),
    ("restart-with-late-packets", sequence::restart_with_late_packets),
    ("restart-among-copies", sequence::restart_among_copies),
    ("restarts-within-a-lag", sequence::restarts_within_a_lag),
    ("restart-unheard", sequence::restart_unheard),
    ("start-beside-old-publisher", sequence::start_beside_old_publisher),
    ("start-beside-old-publisher-alone", sequence::start_beside_old_publisher_alone),
    ("start-as-session-changes", sequence::start_as_session_changes),
    ("start-as-sessions-change-twice", sequence::start_as_sessions_change_twice),
    ("join-as-sessions-change-twice", sequence::join_as_sessions_change_twice),
    ("sessions-change-while-dark", sequence::sessions_change_while_dark),
    ("restart-behind-splice", sequence::restart_behind_splice),
    ("restart-contradicted", sequence::restart_contradicted),
    ("restart-behind-lag", sequence::restart_behind_lag),
    ("failover-new-session", sequence::failover),
    ("late-service", sequence::late_service),
    ("start-beside-late-service", sequence::start_beside_late_service),
    ("session-change-all", sequence::session_change_all),
    ("two-publishers", sequence::two_publishers),
    ("stuck-publisher", sequence::stuck_publisher),
    ("session-ends", sequence::session_ends),
    ("session-ceases", sequence::session_ceases),
    ("late-join", sequence::late_join),
    ("unknown-type", content::unknown_type),
    ("longer-message", content::longer_message),
    ("malformed", content::malformed),
    ("unknown-order", content::unknown_order),
    ("crossed-book", content::crossed_book),
    ("trade-bust", content::trade_bust),
    ("symbol-on-two-partitions", content::symbol_on_two_partitions),
    ("missed-new-partition", maps::missed_new_partition),
    ("map-late", maps::map_late),
    ("map-missing", maps::map_missing),
    ("yesterdays-session", maps::yesterdays_session),
    ("restart-in-old-session", maps::restart_in_old_session),
    ("maps-follow-each-other", maps::maps_follow_each_other),
    ("same-name-two-venues", maps::same_name_two_venues),
    ("new-listing-intraday", maps::new_listing_intraday),
    ("symbol-moves-intraday", maps::symbol_moves_intraday),
    ("symbol-carried-intraday", maps::symbol_carried_intraday),
    ("symbol-carried-unheard", maps::symbol_carried_unheard),
    ("unlisted-moves-overnight", maps::unlisted_moves_overnight),
    ("partition-removed", maps::partition_removed),
    ("rename", maps::rename),
    ("kill-9", handler::kill),
    ("stop", handler::stop),
    ("overload", handler::overload),
    ("hang", handler::hang),
    ("halted-by-hand", handler::halted_by_hand),
    ("burst", handler::burst),
    ("resubscribe", handler::resubscribe),
    ("gap-retransmitted", recovery::gap_healed),
    ("everyone-missed-46", recovery::everyone_missed),
    ("gap-over-limit", recovery::gap_over_limit),
    ("retransmit-denied", recovery::retransmit_denied),
    ("request-lost-then-silence", recovery::request_lost_then_silence),
    ("snapshot-older-than-gap", recovery::snapshot_older),
    ("snapshot-broken", recovery::snapshot_broken),
    ("gap-in-recovery", recovery::gap_in_recovery),
    ("overlapping-gaps", recovery::overlapping_gaps),
    ("session-changes-in-gap", recovery::session_changes_in_gap),
    ("session-unheard", recovery::session_unheard),
    ("join-mid-cycle", recovery::join_mid_cycle),
    ("snapshot-races-increments", recovery::snapshot_races),
    ("late-join-snapshot", recovery::late_join),
    ("restart-after-join", recovery::restart_after_join),
    ("restart-before-start-is-had", recovery::restart_before_start_is_had),
    ("recovery-storm", recovery::recovery_storm),
    ("day-used-up", recovery::day_used_up),
    ("lines-differ-healed", recovery::lines_differ),
    ("unknown-order-healed", recovery::unknown_order),
    ("retransmit-back-without-snapshot", recovery::retransmit_back),
    ("answers-twice", recovery::answers_twice),
    ("snapshots-refused", recovery::snapshots_refused),
    ("snapshots-throttled", recovery::snapshots_throttled),
];

/// What differs at a venue of DEEP: scenarios that it alone has, and those in which something else
/// must hold. Every other one is the same at both.
pub const DEEP: &[(&str, Build)] = &[
    ("snapshot-older-than-gap", recovery::snapshot_older_refused),
    ("snapshot-broken", recovery::snapshot_broken_or_short),
    ("transaction-left-open", content::transaction_left_open),
    ("transaction-split", lines::transaction_split),
    ("transactions-chained", lines::transactions_chained),
    ("gap-filled-mid-transaction", recovery::gap_filled_mid_transaction),
];

/// What a venue of DEEP can't do: it has no orders, and its transport no word for the end of a session.
const ITCH_ONLY: [&str; 3] = ["unknown-order", "unknown-order-healed", "session-ceases"];

/// The scenarios of a venue by name.
pub fn names(venue: Family) -> impl Iterator<Item = &'static str> {
    let all = ALL.iter().map(|(name, _)| *name);
    let own =
        DEEP.iter().map(|(name, _)| *name).filter(|own| ALL.iter().all(|(name, _)| name != own));
    let own = own.filter(move |_| venue == Family::Deep);
    all.filter(move |name| venue == Family::Itch50 || !ITCH_ONLY.contains(name)).chain(own)
}

/// The plan of a scenario at a venue; `None` where it has none of this name.
#[must_use]
pub fn find(name: &str, seed: u64, venue: Family) -> Option<Plan> {
    let mut all = ALL.iter().copied();
    let build = |(_, build): &(&str, Build)| build(seed);
    let common = all.find(|(known, _)| *known == name);
    match venue {
        Family::Itch50 => common.as_ref().map(build),
        Family::Deep if ITCH_ONLY.contains(&name) => None,
        Family::Deep => {
            let own = DEEP.iter().find(|(known, _)| *known == name);
            own.or(common.as_ref()).map(build).map(in_deep)
        }
    }
}

/// The same plan at a venue of DEEP, whose numbers may be asked for in two ways: which, the seed
/// decides.
fn in_deep(plan: Plan) -> Plan {
    let ways = [Ways::Both(50), Ways::Datagrams, Ways::Connections];
    let ways = ways[(plan.setup.seed % 3) as usize];
    let services = plan.setup.services.map(|services| ServiceSetup { ways, ..services });
    Plan { setup: Setup { venue: Family::Deep, services, ..plan.setup }, ..plan }
}

const fn ms(ms: u64) -> Nanos {
    Nanos::from_millis(ms)
}

const fn after(at: Nanos, more: Nanos) -> Nanos {
    Nanos(at.0 + more.0)
}

/// A small world with quick clocks: a heartbeat every 100 ms, silence after 300 ms.
fn small(seed: u64) -> Setup {
    Setup {
        partitions: 3,
        symbols: 18,
        heartbeat: ms(100),
        silence: ms(300),
        session_grace: ms(500),
        rate: 5_000,
        ..Setup::plain(seed)
    }
}

/// By then the markets have opened and everything is Live.
const OPEN_BY: Nanos = ms(150);

/// What lies between a cause and what a reader sees: the way, a poll, the grace.
const SOON: Nanos = ms(5);

/// All partitions of the one venue.
const VENUE: Place = Place::Venue(0);

fn stale(reasons: &[Reason]) -> Must {
    Must::BeStale(reasons.to_vec())
}
