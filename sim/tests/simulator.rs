//! The simulator on every scenario by name, and on some seeds of the swarm.

use candor_core::counters::Counter;
use candor_core::{Line, Nanos, Reject};
use candor_engine::Notice;
use candor_sim::market::Family;
use candor_sim::simulator::network::Link;
use candor_sim::simulator::shrink::shrink;
use candor_sim::simulator::{
    Must, Outcome, Plan, ServiceSetup, Setup, Ways, What, report, run, scenario, swarm,
};

#[path = "../src/bin/candor-sim/allocator.rs"]
mod allocator;

/// Messages of a swarm run here: `candor-sim --seeds` does more of them, faster.
const EVENTS: u64 = 8_000;

fn holds(plan: &Plan, replay: &str) -> Outcome {
    let outcome = run(plan);
    if let Some(failure) = &outcome.failure {
        panic!("{}", report::explain(plan, failure, replay));
    }
    outcome
}

fn is_of_itch(name: &str) -> bool {
    scenario::names(Family::Itch50).any(|known| known == name)
}

/// Plays a scenario at every venue that has it.
fn plays(name: &str) {
    let venues = [Family::Itch50, Family::Deep];
    let venues = venues.into_iter().filter(|venue| scenario::names(*venue).any(|it| it == name));
    let mut played = 0;
    for venue in venues {
        for seed in 1..=6 {
            let plan = scenario::find(name, seed, venue).expect("a scenario of this name");
            let plan = Plan { lossless: true, ..plan };
            assert_eq!(plan.setup.venue, venue);
            // At a venue of DEEP the seed decides how numbers are asked for: in three ways.
            let seeds = match (venue, plan.setup.services) {
                // The seed decides what the service does.
                _ if ["retransmit-denied", "snapshot-broken", "gap-retransmitted"]
                    .contains(&name) =>
                {
                    6
                }
                (Family::Itch50, _) => 2,
                (Family::Deep, None) => 1,
                (Family::Deep, Some(_)) => 3,
            };
            if seed > seeds {
                break;
            }
            let venue = swarm::venue_name(venue);
            let replay = format!("candor-sim --scenario {name} --seed {seed} --venue {venue}");
            let outcome = holds(&plan, &replay);
            assert!(outcome.reads > 0, "nobody looked");
            played += 1;
        }
    }
    assert!(played > 0, "no venue has it");
}

macro_rules! scenarios {
    ($($test:ident = $name:literal,)+) => {
        $(#[test]
        fn $test() {
            plays($name);
        })+

        #[test]
        fn every_scenario_is_tried() {
            let tried = [$($name),+];
            let deep = scenario::names(Family::Deep).filter(|name| !is_of_itch(name));
            assert!(scenario::names(Family::Itch50).chain(deep).eq(tried));
        }
    };
}

scenarios! {
    partition_silent = "partition-silent",
    thin_partition = "thin-partition",
    all_silent = "all-silent",
    silent_then_gap = "silent-then-gap",
    opening_tick_only = "opening-tick-only",
    last_packet_lost = "last-packet-lost",
    swizzle = "swizzle",
    outage_10h = "outage-10h",
    halt = "halt",
    market_wide_halt = "market-wide-halt",
    heartbeats_without_data = "heartbeats-without-data",
    zero_quotes = "zero-quotes",
    usual = "usual",
    all_rest = "all-rest",
    thin_beside_busy = "thin-beside-busy",
    waits_behind_a_burst = "waits-behind-a-burst",
    usual_week = "usual-week",
    half_day = "half-day",
    holiday = "holiday",
    all_meant = "all-meant",
    gap_one_line = "gap-one-line",
    gap_both_lines = "gap-both-lines",
    straddle = "straddle",
    reorder = "reorder",
    duplicates = "duplicates",
    lines_differ = "lines-differ",
    line_lag = "line-lag",
    line_dark = "line-dark",
    number_reset = "number-reset",
    number_reset_healed = "number-reset-healed",
    restart_with_late_packets = "restart-with-late-packets",
    restart_among_copies = "restart-among-copies",
    restarts_within_a_lag = "restarts-within-a-lag",
    restart_unheard = "restart-unheard",
    start_beside_old_publisher = "start-beside-old-publisher",
    start_beside_old_publisher_alone = "start-beside-old-publisher-alone",
    start_as_session_changes = "start-as-session-changes",
    start_as_sessions_change_twice = "start-as-sessions-change-twice",
    join_as_sessions_change_twice = "join-as-sessions-change-twice",
    sessions_change_while_dark = "sessions-change-while-dark",
    restart_behind_splice = "restart-behind-splice",
    restart_contradicted = "restart-contradicted",
    restart_behind_lag = "restart-behind-lag",
    failover_new_session = "failover-new-session",
    late_service = "late-service",
    start_beside_late_service = "start-beside-late-service",
    session_change_all = "session-change-all",
    two_publishers = "two-publishers",
    stuck_publisher = "stuck-publisher",
    session_ends = "session-ends",
    session_ceases = "session-ceases",
    late_join = "late-join",
    unknown_type = "unknown-type",
    longer_message = "longer-message",
    malformed = "malformed",
    unknown_order = "unknown-order",
    crossed_book = "crossed-book",
    trade_bust = "trade-bust",
    symbol_on_two_partitions = "symbol-on-two-partitions",
    missed_new_partition = "missed-new-partition",
    map_late = "map-late",
    map_missing = "map-missing",
    yesterdays_session = "yesterdays-session",
    restart_in_old_session = "restart-in-old-session",
    maps_follow_each_other = "maps-follow-each-other",
    same_name_two_venues = "same-name-two-venues",
    new_listing_intraday = "new-listing-intraday",
    symbol_moves_intraday = "symbol-moves-intraday",
    symbol_carried_intraday = "symbol-carried-intraday",
    symbol_carried_unheard = "symbol-carried-unheard",
    unlisted_moves_overnight = "unlisted-moves-overnight",
    partition_removed = "partition-removed",
    rename = "rename",
    kill_9 = "kill-9",
    stop = "stop",
    overload = "overload",
    hang = "hang",
    halted_by_hand = "halted-by-hand",
    burst = "burst",
    resubscribe = "resubscribe",
    gap_retransmitted = "gap-retransmitted",
    everyone_missed_46 = "everyone-missed-46",
    gap_over_limit = "gap-over-limit",
    retransmit_denied = "retransmit-denied",
    request_lost_then_silence = "request-lost-then-silence",
    snapshot_older_than_gap = "snapshot-older-than-gap",
    snapshot_broken = "snapshot-broken",
    gap_in_recovery = "gap-in-recovery",
    overlapping_gaps = "overlapping-gaps",
    session_changes_in_gap = "session-changes-in-gap",
    session_unheard = "session-unheard",
    join_mid_cycle = "join-mid-cycle",
    snapshot_races_increments = "snapshot-races-increments",
    late_join_snapshot = "late-join-snapshot",
    restart_after_join = "restart-after-join",
    restart_before_start_is_had = "restart-before-start-is-had",
    recovery_storm = "recovery-storm",
    day_used_up = "day-used-up",
    lines_differ_healed = "lines-differ-healed",
    unknown_order_healed = "unknown-order-healed",
    retransmit_back_without_snapshot = "retransmit-back-without-snapshot",
    answers_twice = "answers-twice",
    snapshots_refused = "snapshots-refused",
    snapshots_throttled = "snapshots-throttled",
    transaction_left_open = "transaction-left-open",
    transaction_split = "transaction-split",
    transactions_chained = "transactions-chained",
    gap_filled_mid_transaction = "gap-filled-mid-transaction",
}

#[test]
fn the_swarm_holds() {
    for seed in 1..=12 {
        holds(&swarm::plan(seed, EVENTS), &format!("candor-sim --seed {seed} --scale {EVENTS}"));
    }
}

#[test]
fn the_swarm_plays_every_venue() {
    let seeds = 1..=300;
    let deep = seeds.filter(|seed| swarm::venue(*seed) == Family::Deep).count();
    assert!((75..=125).contains(&deep), "{deep} of 300 seeds play DEEP");
    for seed in 1..=20 {
        let [itch, deep] = [Family::Itch50, Family::Deep].map(|v| swarm::plan_at(v, seed, EVENTS));
        assert_eq!(itch.faults, deep.faults, "the same goes wrong at every venue");
        assert_eq!(itch.setup.links, deep.setup.links);
    }
    for seed in 1..=6 {
        let replay = format!("candor-sim --seed {seed} --scale {EVENTS} --venue deep");
        holds(&swarm::plan_at(Family::Deep, seed, EVENTS), &replay);
    }
}

/// Missing numbers are had from a venue of DEEP by datagrams and over connections, and its snapshots
/// are fetched: the ladder is there whole.
#[test]
fn deep_is_asked_in_every_way() {
    for (seed, over_connections) in [(1, false), (2, true)] {
        let plan = scenario::find("gap-retransmitted", seed, Family::Deep).expect("a scenario");
        let outcome = holds(&plan, "candor-sim --scenario gap-retransmitted --venue deep");
        assert_eq!(outcome.asked == 0, over_connections);
        assert_eq!(outcome.connected > 0, over_connections);
    }
    let plan = scenario::find("late-join-snapshot", 1, Family::Deep).expect("a scenario");
    let outcome = holds(&plan, "candor-sim --scenario late-join-snapshot --venue deep --seed 1");
    assert!(outcome.connected >= 3, "a snapshot for each partition");
}

/// What the scenarios say of symbols that break the venue's rules happens in them.
#[test]
fn an_open_transaction_and_a_crossed_book_are_seen() {
    for name in ["transaction-left-open", "crossed-book"] {
        let plan = scenario::find(name, 1, Family::Deep).expect("a scenario of this name");
        let (from, until) = (candor_core::Nanos::from_millis(150), plan.length);
        let failure = run(&plan.expect(0, from, until, Must::BeLive)).failure;
        let what = failure.expect("a symbol of the partition is not Live for a time").what;
        assert!(what.contains("reads SymbolQuarantined"), "{name}: {what}");
    }
}

/// A trade that is broken is one that was remembered: its symbol's statistics are corrected, which every look
/// compares with the market's own, and no book is touched.
#[test]
fn broken_trades_are_found_and_cost_no_book() {
    for (venue, seed) in [(Family::Itch50, 1), (Family::Itch50, 2), (Family::Deep, 1)] {
        let (outcome, count) = counted("trade-bust", seed, venue);
        let breaks = count(Counter::Breaks);
        assert!(breaks > 100, "{venue:?}: {breaks} trades were broken");
        let nothing = [Counter::BreaksUnmatched, Counter::Quarantined, Counter::GapsOutlived];
        assert_eq!(nothing.map(&count), [0; 3], "{venue:?}");
        assert_eq!(count(Counter::Applied), outcome.published, "{venue:?}");
    }
}

/// The order that never was is counted, and quarantines its symbol: for good without services, and until it is
/// rebuilt by a snapshot with them.
#[test]
fn an_unknown_order_is_counted_and_quarantines_its_symbol() {
    for (name, healed) in [("unknown-order", 0), ("unknown-order-healed", 1)] {
        let (_, count) = counted(name, 2, Family::Itch50);
        let [unknown, quarantined] = [Counter::UnknownOrder, Counter::Quarantined].map(&count);
        assert_eq!((unknown, quarantined), (1, 1), "{name}");
        assert_eq!(count(Counter::SnapshotsSpliced), healed, "{name}");
        let plan = scenario::find(name, 2, Family::Itch50).expect("a scenario of this name");
        let (from, until) = (Nanos::from_millis(150), plan.length);
        let failure = run(&plan.expect(0, from, until, Must::BeLive)).failure;
        let what = failure.expect("a symbol of the partition is not Live for a time").what;
        let reads = ["reads SymbolQuarantined", "reads SymbolRecovering"];
        assert!(reads.iter().any(|said| what.contains(said)), "{name}: {what}");
    }
}

fn counted(name: &str, seed: u64, venue: Family) -> (Outcome, impl Fn(Counter) -> u64) {
    let plan = scenario::find(name, seed, venue).expect("a scenario of this name");
    let venue = swarm::venue_name(venue);
    let outcome =
        holds(&plan, &format!("candor-sim --scenario {name} --seed {seed} --venue {venue}"));
    let counters = outcome.counted.clone();
    (outcome, move |counter| counters.get(counter))
}

/// What is lost on one line is counted as that, to the number, and nothing else is.
#[test]
fn what_arbitration_counts_is_exact() {
    for venue in [Family::Itch50, Family::Deep] {
        let (outcome, count) = counted("gap-one-line", 1, venue);
        assert!(count(Counter::LostOnA) > 100, "five in a hundred of A are lost");
        assert_eq!(count(Counter::LostOnB), 0, "nothing of B is");
        assert_eq!([Counter::GapsOutlived, Counter::GapsLost].map(&count), [0, 0]);
        assert_eq!(count(Counter::Applied), outcome.published, "every number once");
        assert_eq!(count(Counter::Messages), outcome.messages, "all that was delivered");
        assert_eq!(count(Counter::Messages), count(Counter::Applied) + count(Counter::Duplicate));
        let of_both = 2 * outcome.published - count(Counter::LostOnA);
        assert_eq!(count(Counter::Messages), of_both, "what A lost is all that is missing");
    }
}

/// What comes later than the grace was a gap, and its partition stale, until it came: then it is used, and
/// what else comes late is a repetition.
#[test]
fn what_is_reordered_beyond_the_grace_is_a_gap_until_it_comes() {
    for (venue, seed) in [(Family::Itch50, 1), (Family::Itch50, 2), (Family::Deep, 1)] {
        let (outcome, count) = counted("reorder", seed, venue);
        let [outlived, filled] = [Counter::GapsOutlived, Counter::GapsFilled].map(&count);
        assert!(outlived > 10, "{outlived} of them were late on both lines");
        assert!(filled >= outlived, "{filled} of {outlived} came after all");
        assert_eq!([Counter::GapsLost, Counter::MessagesLost].map(&count), [0, 0]);
        assert_eq!(count(Counter::Applied), outcome.published, "every number once");
        assert_eq!(count(Counter::Duplicate), outcome.published, "and of the other line once more");
        assert_eq!(outcome.healed, 3);
        let plan = scenario::find("reorder", seed, venue).expect("a scenario of this name");
        let (from, until) = (Nanos::from_millis(150), plan.length);
        let failure = run(&plan.expect(1, from, until, Must::BeLive)).failure;
        let what = failure.expect("the partition is not Live for a time").what;
        assert!(what.contains("reads Gap"), "{what}");
    }
}

/// What no document has is counted to the message, and nothing else comes of it.
#[test]
fn strange_messages_are_counted_each_once() {
    for venue in [Family::Itch50, Family::Deep] {
        let names =
            [("unknown-type", Counter::UnknownType), ("longer-message", Counter::LongerMessage)];
        for (name, own) in names {
            let (outcome, count) = counted(name, 1, venue);
            assert!(outcome.strange > 50, "{name}: {} of them", outcome.strange);
            for (_, counter) in names {
                let of_it = if counter == own { outcome.strange } else { 0 };
                assert_eq!(count(counter), of_it, "{name}: {}", counter.label());
            }
            assert_eq!(count(Counter::Applied), outcome.published, "{name}: all are taken");
            assert_eq!([Counter::GapsOpened, Counter::Quarantined].map(&count), [0, 0], "{name}");
        }
    }
}

/// Every broken frame is counted by what is wrong with it.
#[test]
fn broken_frames_are_counted_by_reason() {
    let itch =
        [Reject::ShortHeader, Reject::TruncatedMessage, Reject::BadSession, Reject::TrailingBytes];
    let deep = [
        Reject::ShortHeader,
        Reject::TruncatedMessage,
        Reject::BadSession,
        Reject::BadSequence,
        Reject::LengthMismatch,
        Reject::BadVersion,
        Reject::WrongProtocol,
    ];
    for (venue, reasons) in [(Family::Itch50, &itch[..]), (Family::Deep, &deep[..])] {
        let (outcome, count) = counted("malformed", 1, venue);
        let of = |reject: &Reject| outcome.counted.rejects(*reject);
        assert!(outcome.malformed > 100, "{} of them", outcome.malformed);
        assert_eq!(Reject::ALL.iter().map(of).sum::<u64>(), outcome.malformed);
        for reason in reasons {
            assert!(of(reason) > 0, "{venue:?}: {} never happened", reason.label());
        }
        assert_eq!(count(Counter::Packets), count(Counter::PacketsAccepted) + outcome.malformed);
        assert!(count(Counter::GapsOutlived) > 0, "what they cost is a gap like any other");
    }
}

/// The publisher that is left is named, with the line it sends on, once.
#[test]
fn a_publisher_that_is_left_is_named() {
    for venue in [Family::Itch50, Family::Deep] {
        let (outcome, count) = counted("two-publishers", 1, venue);
        let [(0, Notice::SessionChanged { from, to }), (0, old)] = outcome.sessions[..] else {
            panic!("{:?}", outcome.sessions)
        };
        assert_ne!(from, to);
        assert_eq!(old, Notice::OldSession { session: from, line: Line::A });
        assert_eq!(count(Counter::SessionChanges), 1);
    }
}

/// Two requests for a gap at most, where the venue answers.
#[test]
fn a_gap_takes_two_requests_at_most() {
    let (outcome, count) = counted("gap-retransmitted", 2, Family::Itch50);
    let gaps = count(Counter::GapsOutlived);
    assert!(gaps > 0 && outcome.asked > 0);
    assert!(outcome.asked <= 2 * gaps, "{} requests for {gaps} gaps", outcome.asked);
}

/// A fifth of the packets lost on each line, each by dice of its own; of the datagrams to and from the
/// services so many millionths.
fn lossy(seed: u64, venue: Family, ways: Ways, loss: u32) -> Plan {
    let quiet = scenario::find("gap-retransmitted", seed, venue).expect("a scenario").setup;
    // As much as may be asked for, and a budget that is never used up.
    let both = ServiceSetup::BOTH;
    let services = ServiceSetup { budget: 10_000, piece: 1_000, ways, loss, ..both };
    let links = quiet.links.map(|link| Link { loss: 200_000, ..link });
    // From packets of a few messages to full ones that follow one another without a pause.
    let (rate, quantum) = [(20_000, 500), (100_000, 500), (200_000, 50)][(seed % 3) as usize];
    let quantum = Nanos::from_micros(quantum);
    let setup = Setup { services: Some(services), links, rate, quantum, ..quiet };
    let venue = swarm::venue_name(venue);
    let name = format!("{venue} at {rate} a second, {ways:?}, seed {seed}, {loss} on the way");
    Plan::quiet(&name, setup, Nanos::from_secs(1))
}

/// Two requests for a gap at most under heavy loss on both lines, counted by the venue that receives
/// them. A gap is a range of missing numbers, as long as it can be, that has outlived the grace.
#[test]
fn a_gap_takes_two_requests_at_most_when_a_fifth_is_lost_on_both_lines() {
    let cases = [
        (Family::Itch50, Ways::Datagrams, 0),
        (Family::Itch50, Ways::Datagrams, 200_000),
        (Family::Deep, Ways::Datagrams, 0),
        (Family::Deep, Ways::Datagrams, 200_000),
        (Family::Deep, Ways::Connections, 0),
        (Family::Deep, Ways::Both(3), 0),
    ];
    for (venue, ways, loss) in cases {
        for seed in 1..=6 {
            let plan = lossy(seed, venue, ways, loss);
            let name = &plan.name;
            let outcome = holds(&plan, name);
            let (gaps, requests) = (outcome.counted.get(Counter::GapsOutlived), outcome.requests);
            println!("shown: {name}: {requests} requests for {gaps} gaps");
            assert!(gaps > 100, "{name}: {gaps} gaps prove nothing");
            assert!(requests * 2 > gaps, "{name}: {requests} requests for {gaps} gaps");
            assert!(requests <= 2 * gaps, "{name}: {requests} requests for {gaps} gaps");
            assert_eq!(outcome.healed, plan.setup.partitions, "{name}: all is whole in the end");
            assert!(outcome.live * 4 > outcome.reads, "{name}: {outcome}");
        }
    }
}

/// As many at most where no snapshot stands behind, and what was asked for in vain is asked for again. Faster than 20,000
/// a second more comes behind what is missing than can be held: then a partition is not whole before its next session.
#[test]
fn a_gap_takes_two_requests_at_most_without_snapshots() {
    for (loss, seed) in [0, 200_000].into_iter().flat_map(|loss| (1..=6).map(move |s| (loss, s))) {
        let mut plan = lossy(seed, Family::Itch50, Ways::Datagrams, loss);
        let services = plan.setup.services.as_mut().expect("it has services");
        services.snapshot = false;
        let name = format!("{}, without snapshots", plan.name);
        let outcome = holds(&plan, &name);
        let counted = |counter| outcome.counted.get(counter);
        let [gaps, given_up] = [Counter::GapsOutlived, Counter::RetransmitGivenUp].map(counted);
        let requests = outcome.requests;
        println!("shown: {name}: {requests} requests for {gaps} gaps, {given_up} given up");
        assert!(gaps > 100, "{name}: {gaps} gaps prove nothing");
        assert!(requests <= 2 * gaps, "{name}: {requests} requests for {gaps} gaps");
        if plan.setup.rate == 20_000 {
            assert!(loss == 0 || given_up > 0, "{name}: nothing was asked for again");
            assert_eq!(outcome.healed, plan.setup.partitions, "{name}: all is whole in the end");
        }
    }
}

/// Where the venue allows few numbers in a request, a gap takes several, in each way there is to ask; that
/// none is for more is looked at in every run.
#[test]
fn a_gap_is_split_by_what_a_request_may_ask_for() {
    for (venue, seed) in
        [(Family::Itch50, 3), (Family::Deep, 3), (Family::Deep, 4), (Family::Deep, 5)]
    {
        let plan = scenario::find("gap-retransmitted", seed, venue).expect("a scenario");
        assert_eq!(plan.setup.services.expect("it has services").piece, 3);
        let (_, count) = counted("gap-retransmitted", seed, venue);
        let [asked, filled] = [Counter::RetransmitRequests, Counter::RetransmitFilled].map(&count);
        assert!(filled > 3 && asked >= filled.div_ceil(3), "{asked} requests for {filled} numbers");
        assert_eq!(count(Counter::SnapshotsSpliced), 0, "all of it is sent again");
        let whole = seed - 3;
        let (_, count) = counted("gap-retransmitted", whole, venue);
        assert!(count(Counter::RetransmitRequests) < asked, "one is enough where more is allowed");
    }
}

/// What the scenarios of recovery are named for happens in them.
#[test]
fn scenarios_of_recovery_are_what_they_are_called() {
    for venue in [Family::Itch50, Family::Deep] {
        let (_, count) = counted("snapshot-races-increments", 1, venue);
        assert!(count(Counter::HoldbackFull) > 0, "there is too little room");
        let (_, count) = counted("snapshot-races-increments", 2, venue);
        assert_eq!(count(Counter::HoldbackFull), 0, "there is room enough");
        assert_eq!(count(Counter::SnapshotsFailed), 0, "it comes within what is waited for it");
        assert!(count(Counter::SnapshotsSpliced) > 0, "it is joined to what came meanwhile");
        let (_, count) = counted("everyone-missed-46", 2, venue);
        assert!(count(Counter::SnapshotsSpliced) > 0, "nothing else brings it");
        let (_, count) = counted("join-mid-cycle", 2, venue);
        let [failed, spliced] = [Counter::SnapshotsFailed, Counter::SnapshotsSpliced].map(count);
        assert!(failed >= 3 && spliced >= 3, "{failed} cut off, {spliced} whole");
        let (outcome, count) = counted("gap-over-limit", 1, venue);
        assert_eq!(
            (outcome.asked, count(Counter::RetransmitRequests)),
            (0, 0),
            "too many to ask for"
        );
        assert!(count(Counter::SnapshotsSpliced) > 0, "fetched at once");
        let (_, count) = counted("restart-unheard", 2, venue);
        assert!(count(Counter::RetransmitContradicts) > 0, "few seem missing, and are asked for");
        let (_, count) = counted("restart-unheard", 1, venue);
        assert_eq!(count(Counter::RetransmitContradicts), 0, "so many that a snapshot is fetched");
        for seed in 0..6 {
            let (_, count) = counted("retransmit-denied", seed, venue);
            let wrong = [
                Counter::RetransmitTimeouts,
                Counter::RetransmitRefused,
                Counter::RetransmitContradicts,
                Counter::RetransmitGivenUp,
            ];
            assert!(wrong.map(&count) != [0; 4], "seed {seed}: denied, and counted");
            assert!(count(Counter::SnapshotsSpliced) > 0, "seed {seed}: then a snapshot");
        }
        let (_, count) = counted("failover-new-session", 1, venue);
        assert!(count(Counter::SnapshotsSpliced) > 0, "nobody heard its beginning");
        let (_, count) = counted("failover-new-session", 2, venue);
        assert_eq!(count(Counter::SnapshotsSpliced), 0, "it was heard from its beginning");
        let (outcome, _) = counted("snapshot-older-than-gap", 1, venue);
        assert!(outcome.connected < 40, "asked {} times in half a second", outcome.connected);
        let (_, count) = counted("overlapping-gaps", 2, venue);
        assert!(count(Counter::GapsOutlived) >= 12, "a gap a step");
        let [on_a, on_b] = [Counter::LostOnA, Counter::LostOnB].map(count);
        assert!(on_a > 0 && on_b > 0, "each line loses what the other carries");
    }
}

/// An answer that comes twice fills nothing twice and asks for nothing more; a snapshot service that says no is asked
/// as often as is said.
#[test]
fn services_that_repeat_or_refuse_are_counted() {
    let itch = [1, 2].map(|seed| (Family::Itch50, seed));
    let deep = [1, 2, 3].map(|seed| (Family::Deep, seed));
    for (venue, seed) in itch.into_iter().chain(deep) {
        let (outcome, count) = counted("answers-twice", seed, venue);
        let [gaps, packets] = [Counter::GapsOutlived, Counter::RetransmitPackets].map(&count);
        assert_eq!(outcome.requests, gaps, "each gap takes one that the venue hears");
        let datagrams = outcome.connected == 0;
        assert!(!datagrams || packets == 2 * outcome.requests, "{packets} for {gaps} gaps");
        assert_eq!(count(Counter::Applied), outcome.published, "every number once");
        assert_eq!(count(Counter::DiscardUnasked), 0);
        for name in ["snapshots-refused", "snapshots-throttled"] {
            let (outcome, count) = counted(name, seed, venue);
            let [asked, failed, spliced] =
                [Counter::SnapshotRequests, Counter::SnapshotsFailed, Counter::SnapshotsSpliced]
                    .map(&count);
            assert_eq!(asked, failed + spliced, "{name}");
            assert_eq!(outcome.connected, asked, "{name}");
        }
    }
}

/// What a day allows is used up, to the number, and what is asked for beyond it is counted and never leaves.
#[test]
fn a_day_that_is_used_up_is_counted_and_ends() {
    for (venue, seed) in [(Family::Itch50, 1), (Family::Deep, 3)] {
        let (outcome, count) = counted("day-used-up", seed, venue);
        let [made, unsent] =
            [Counter::RetransmitRequests, Counter::RetransmitOverBudget].map(&count);
        assert!(unsent > 3, "asked for again while there was patience");
        assert!(outcome.requests >= 3 && made - unsent == outcome.requests);
        let [asked, failed] = [Counter::SnapshotRequests, Counter::SnapshotsFailed].map(&count);
        let day = 24 * 60 * 60;
        assert!((day / 4..day).contains(&failed), "refused {failed} times a day");
        assert_eq!(count(Counter::SnapshotsSpliced), asked - failed);
    }
}

/// A snapshot of SNAP that lacks one packet is no snapshot.
#[test]
fn a_snapshot_that_lacks_a_packet_is_not_believed() {
    let (_, count) = counted("snapshot-broken", 4, Family::Deep);
    let [failed, spliced] = [Counter::SnapshotsFailed, Counter::SnapshotsSpliced].map(count);
    assert!(failed >= 1 && spliced >= 1, "{failed} failed, {spliced} spliced");
}

#[test]
fn one_seed_is_one_run() {
    for (seed, venue) in [(3, Family::Itch50), (4, Family::Itch50), (3, Family::Deep)] {
        let plan = swarm::plan_at(venue, seed, EVENTS);
        let (one, other) = (run(&plan), run(&plan));
        assert_eq!(one, other);
        assert_ne!(one.digest, run(&swarm::plan_at(venue, seed + 10, EVENTS)).digest);
    }
}

#[test]
fn a_failure_is_told_and_made_smaller() {
    // What can't hold: a partition that was killed is to be Live.
    let plan =
        scenario::find("partition-silent", 1, Family::Itch50).expect("a scenario of this name");
    let until = plan.length;
    let plan = plan.expect(1, candor_core::Nanos::from_millis(900), until, Must::BeLive);
    let failure = run(&plan).failure.expect("it fails");
    assert_eq!(failure.partition, Some(1));
    assert!(failure.what.contains("reads Silent"), "{}", failure.what);
    let shrunk = shrink(&plan, &failure, 30);
    assert_eq!(shrunk.kept, [0]);
    let told = report::explain(&shrunk.plan, &shrunk.failure, "candor-sim --keep 0");
    assert!(told.contains("replay: candor-sim --keep 0"));
    assert!(told.contains("P2 falls silent"));
}

/// A panic is a failure like any other: told with what led to it, made smaller, and not the end of those who
/// run plans.
#[test]
fn a_panic_is_told_and_made_smaller() {
    let plan = scenario::find("gap-one-line", 1, Family::Itch50).expect("a scenario of this name");
    let (at, nowhere) = (candor_core::Nanos::from_millis(100), plan.setup.partitions);
    let plan = plan.at(at, What::LoseNext(0, 1)).at(at, What::Kill(nowhere));
    let failure = run(&plan).failure.expect("there is no such partition");
    assert_eq!((failure.at, failure.partition), (at, None));
    assert!(
        failure.what.contains("panicked") && failure.what.contains("no partition 4"),
        "{failure:?}"
    );
    assert!(failure.story.iter().any(|told| told.contains("fault")), "{:?}", failure.story);
    let shrunk = shrink(&plan, &failure, 30);
    assert!(shrunk.plan.faults.iter().all(|fault| fault.what == What::Kill(nowhere)));
    assert_eq!(shrunk.failure.what, failure.what);
    let plan = scenario::find("gap-one-line", 1, Family::Itch50).expect("a scenario of this name");
    holds(&plan, "candor-sim --scenario gap-one-line");
}

/// What a plan expects while nobody can look proves nothing, and is no pass.
#[test]
fn an_expectation_that_nobody_looked_at_fails_the_plan() {
    let plan = scenario::find("late-join", 1, Family::Itch50).expect("a scenario of this name");
    let [from, until] = [100, 600].map(candor_core::Nanos::from_millis);
    assert!(until < plan.setup.handler_at, "no handler runs yet");
    let failure = run(&plan.expect(2, from, until, Must::BeLive)).failure.expect("it fails");
    assert_eq!(failure.partition, Some(2));
    assert!(failure.what.contains("nobody read"), "{}", failure.what);
}

#[cfg(canary)]
#[test]
fn every_canary_is_caught() {
    use candor_core::canary::Canary;
    for one in Canary::ALL.into_iter().filter(|one| one.test().is_none()) {
        let caught = candor_sim::simulator::canaries::caught(one, 1, 200);
        let (seeds, how) = caught.unwrap_or_else(|| panic!("{} is not caught", one.name()));
        println!("shown: canary {} caught after {seeds} seeds: {how}", one.name());
    }
}
