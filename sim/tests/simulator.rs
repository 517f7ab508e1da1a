//! The simulator on every scenario by name, and on some seeds of the swarm.

use candor_sim::simulator::shrink::shrink;
use candor_sim::simulator::{Must, Outcome, Plan, report, run, scenario, swarm};

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

macro_rules! scenarios {
    ($($test:ident = $name:literal,)+) => {
        $(#[test]
        fn $test() {
            for seed in 1..=2 {
                let plan = scenario::find($name, seed).expect("a scenario of this name");
                let replay = format!("candor-sim --scenario {} --seed {seed}", $name);
                let outcome = holds(&plan, &replay);
                assert!(outcome.reads > 0, "nobody looked");
            }
        })+

        #[test]
        fn every_scenario_is_tried() {
            let tried = [$($name),+];
            assert!(scenario::ALL.iter().map(|(name, _)| *name).eq(tried));
        }
    };
}

scenarios! {
    partition_silent = "partition-silent",
    thin_partition = "thin-partition",
    all_silent = "all-silent",
    opening_tick_only = "opening-tick-only",
    last_packet_lost = "last-packet-lost",
    swizzle = "swizzle",
    outage = "outage",
    gap_one_line = "gap-one-line",
    gap_both_lines = "gap-both-lines",
    straddle = "straddle",
    reorder = "reorder",
    duplicates = "duplicates",
    lines_differ = "lines-differ",
    line_lag = "line-lag",
    line_dark = "line-dark",
    number_reset = "number-reset",
    failover_new_session = "failover-new-session",
    session_change_all = "session-change-all",
    two_publishers = "two-publishers",
    stuck_publisher = "stuck-publisher",
    session_ends = "session-ends",
    late_join = "late-join",
    unknown_type = "unknown-type",
    longer_message = "longer-message",
    malformed = "malformed",
    unknown_order = "unknown-order",
    crossed_book = "crossed-book",
    trade_bust = "trade-bust",
    symbol_on_two_partitions = "symbol-on-two-partitions",
    kill_9 = "kill-9",
    stop = "stop",
    hang = "hang",
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
    late_join_snapshot = "late-join-snapshot",
    recovery_storm = "recovery-storm",
    lines_differ_healed = "lines-differ-healed",
    unknown_order_healed = "unknown-order-healed",
}

#[test]
fn the_swarm_holds() {
    for seed in 1..=12 {
        holds(&swarm::plan(seed, EVENTS), &format!("candor-sim --seed {seed} --scale {EVENTS}"));
    }
}

#[test]
fn one_seed_is_one_run() {
    for seed in [3, 4] {
        let plan = swarm::plan(seed, EVENTS);
        let (one, other) = (run(&plan), run(&plan));
        assert_eq!(one, other);
        assert_ne!(one.digest, run(&swarm::plan(seed + 10, EVENTS)).digest);
    }
}

#[test]
fn a_failure_is_told_and_made_smaller() {
    // What can't hold: a partition that was killed is to be Live.
    let plan = scenario::find("partition-silent", 1).expect("a scenario of this name");
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

/// Worlds in which something is known not to hold. When one of these passes, move it among the others.
#[test]
#[ignore = "each is known to fail; see the reasons in simulator::scenario::OPEN"]
fn what_is_open_still_fails() {
    for (name, why, build) in scenario::OPEN {
        let fails = (1..=20).any(|seed| run(&build(seed)).failure.is_some());
        assert!(fails, "{name} holds now: {why}");
    }
}

#[cfg(canary)]
#[test]
fn every_canary_is_caught() {
    use candor_core::canary::Canary;
    for one in Canary::ALL {
        let caught = candor_sim::simulator::canaries::caught(one, 1, 200);
        let (seeds, how) = caught.unwrap_or_else(|| panic!("{} is not caught", one.name()));
        println!("shown: canary {} caught after {seeds} seeds: {how}", one.name());
    }
}
