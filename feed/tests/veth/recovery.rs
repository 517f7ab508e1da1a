//! Messages lost on every line, over kernel bypass: asked for, or healed by a snapshot; and a handler
//! that starts in the middle of the day. What each service does that fails: `tests/recovery`.

use candor_core::counters::Counter;
use candor_core::{Nanos, Reason};
use candor_shm::Region;

use crate::accounting::assert_sums;
use crate::watch::{Watch, judge};
use crate::world::{Plan, World, eventually, partition, pause, stalls};

/// Waits short enough for a test.
pub fn quick(text: String) -> String {
    let keys = "recovery = { timeout_ms = 20, patience_ms = 200, begin_ms = 2000, idle_ms = 700, \
                retry_ms = 100, retry_max_ms = 400 }\nsnapshot_budget = { minute = 1000 }";
    text.replace("\nsilence_ms", &format!("\n{keys}\nsilence_ms"))
}

pub const PLAN: Plan = Plan { services: true, edit: quick, ..Plan::DEFAULT };

fn sum(region: &Region, counter: Counter) -> u64 {
    (0..4).map(|at| partition(region, at).counters.get(counter)).sum()
}

/// Messages a second and for how many seconds: what runs beside other tests on two cores, unless
/// `CANDOR_LOSS=200000x60` says otherwise.
fn load() -> Option<(u64, u64)> {
    let given = std::env::var("CANDOR_LOSS").ok()?;
    let numbers = given.split_once('x').and_then(|(rate, secs)| {
        let secs: u64 = secs.parse().ok()?;
        Some((rate.parse().ok()?, secs))
    });
    Some(numbers.expect("CANDOR_LOSS is like 200000x60"))
}

#[test]
fn loss_on_both_lines_is_healed_by_asking_and_nothing_false_is_live_meanwhile() {
    let given = load();
    let (rate, seconds) = given.unwrap_or((PLAN.rate, 6));
    // Who asks for a load has the machine for it. Beside other tests of two cores a lane, the exchange and the
    // kernel between them wait for each other: what is missing is asked for at once, and a request that was
    // answered too late is followed by a snapshot, of which two may come to nothing within this.
    let by = if given.is_some() { Nanos::from_secs(1) } else { Nanos::from_secs(3) };
    let plan = Plan { rate, ..PLAN };
    let Some(mut world) = World::running("loss on both lines over veth", plan) else { return };
    let region = world.region();
    let watch = Watch::all(&world);
    let begun = candor_shm::clock::now();
    world.tell("loss A 5%");
    world.tell("loss B 5%");
    pause(Nanos::from_secs(seconds));
    let healed = world.tell("clear");
    world.live_by(healed + by);
    let took = candor_shm::clock::now().since(healed);
    let gaps = sum(&region, Counter::GapsOutlived);
    let unsent = sum(&region, Counter::RetransmitOverBudget);
    let asked = sum(&region, Counter::RetransmitRequests) - unsent;
    let filled = sum(&region, Counter::RetransmitFilled);
    let snapshots = sum(&region, Counter::SnapshotsSpliced);
    let fetches = sum(&region, Counter::SnapshotRequests);
    let timeouts = sum(&region, Counter::RetransmitTimeouts);
    // What the venue counts itself: more than the handler knows of would be requests that nobody made.
    let received = world.service("retransmit", "requests");
    let fetched = world.service("snapshot", "requests");
    let of = |counter: Counter| format!("{} {}", counter.label(), sum(&region, counter));
    let counted = [
        Counter::RetransmitTimeouts,
        Counter::RetransmitRefused,
        Counter::RetransmitOverBudget,
        Counter::RetransmitContradicts,
        Counter::RetransmitGivenUp,
        Counter::RetransmitPackets,
        Counter::Late,
    ];
    let counted = counted.map(of).join(", ");
    println!("counted: {counted}; the lane stood still {} times", stalls(&region));
    assert!(gaps > 20, "{gaps} gaps: too few to show anything");
    assert!(filled > 0, "nothing was filled");
    assert!(asked <= 2 * gaps, "{asked} requests for {gaps} gaps");
    assert!(received <= 2 * gaps, "the venue had {received} requests for {gaps} gaps");
    let known = received <= asked && asked <= received + timeouts;
    assert!(known, "{asked} requests made, {received} received, {timeouts} without an answer");
    assert!(
        fetched <= fetches,
        "{fetches} snapshots asked for, {fetched} times by the venue's count"
    );
    (0..4).for_each(|at| assert_sums(at, &partition(&region, at).counters));
    let log = watch.stop();
    // A gap is over in a millisecond or two where it is filled: a reader sees of thousands but some.
    let gap = (0..4).any(|at| log.statuses(at, begun, healed).contains(Reason::Gap.label()));
    assert!(gap, "no reader has ever read Gap");
    judge(&mut world, &log);
    println!(
        "shown: {rate} messages a second, 5% lost on both lines for {seconds} s: {gaps} gaps, {asked} \
         requests, {received} of them at the venue, {filled} messages filled, {snapshots} snapshots; all live {took} after the heal"
    );
}

#[test]
fn a_hanging_service_delays_no_lane_and_the_next_rung_of_the_ladder_heals() {
    let Some(mut world) = World::running("services that hang over veth", PLAN) else { return };
    let region = world.region();
    let (watch, before) = (Watch::all(&world), stalls(&region));
    world.tell("service retransmit hang");
    world.tell("service 1 snapshot hang");
    let late = || sum(&region, Counter::Late);
    let lates = late();
    world.tell("skip 1 50");
    world.tell("skip 2 50");
    eventually("partition 2 has a snapshot", || {
        let spliced = partition(&region, 1).counters.get(Counter::SnapshotsSpliced);
        (spliced > 0 && partition(&region, 1).status.is_live()).then_some(())
    });
    eventually("partition 1 has one that hangs", || {
        (partition(&region, 0).counters.get(Counter::SnapshotsFailed) > 0).then_some(())
    });
    let reason = partition(&region, 0).status.reason();
    assert!(matches!(reason, Some(Reason::Gap | Reason::Recovering)), "{reason:?}");
    for at in 1..4 {
        assert!(partition(&region, at).status.is_live(), "partition {}", at + 1);
    }
    world.tell("service snapshot off");
    world.until_live();
    let (stood, late) = (stalls(&region) - before, late() - lates);
    // A lane that stood still makes each of its partitions late: the machine's doing.
    assert!(late <= 4 * stood, "{late} times late, and the lane stood still {stood} times");
    (0..4).for_each(|at| assert_sums(at, &partition(&region, at).counters));
    judge(&mut world, &watch.stop());
}

#[test]
fn a_handler_that_starts_at_mid_day_is_live_by_snapshots() {
    let Some(mut world) = World::running("a start at mid-day over veth", PLAN) else { return };
    pause(Nanos::from_secs(2));
    let mut handler = world.handler.take().unwrap();
    handler.signal(rustix::process::Signal::TERM);
    assert_eq!(handler.ended().code(), Some(0), "{}", handler.log());
    let region = world.start_handler();
    world.until_live();
    let watch = Watch::all(&world);
    pause(Nanos::from_secs(1));
    assert_eq!(sum(&region, Counter::SnapshotsSpliced), 4, "one for each partition");
    assert_eq!(sum(&region, Counter::SnapshotRequests), 4);
    judge(&mut world, &watch.stop());
}
