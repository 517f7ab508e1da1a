//! Days: what a calendar explains is no alert.

use candor_core::{Line, Nanos};

use super::{OPEN_BY, after, ms, small};
use crate::simulator::maps::MapOf;
use crate::simulator::schedule::{Plan, Setup, What};

const fn hours(tenths: u64) -> Nanos {
    Nanos::from_secs(360 * tenths)
}

const DAY: Nanos = hours(240);

/// A world that may last: little is said in it, and slowly.
fn slow(seed: u64) -> Setup {
    Setup {
        symbols: 6,
        rate: 1,
        heartbeat: Nanos::from_secs(20),
        silence: Nanos::from_secs(60),
        session_grace: Nanos::from_secs(40),
        lease: Nanos::from_secs(20),
        late: Nanos::from_secs(1),
        quantum: ms(500),
        alerts_every: Nanos::from_secs(1),
        ..small(seed)
    }
}

/// The venue's lines carry nothing from here on, or something again.
fn cut(mut plan: Plan, at: Nanos, cut: bool) -> Plan {
    for partition in 0..3 {
        for line in [Line::A, Line::B] {
            plan = plan.at(at, What::Cut(partition, line, cut));
        }
    }
    plan
}

/// From a morning on: the map of the day for ten hours and a half, a session half an hour later, and messages
/// until the afternoon. At the end of the session nobody says so; in the evening the lines are dark.
fn day(plan: Plan, at: Nanos, length: Nanos) -> Plan {
    let over = after(at, length);
    let plan = plan
        .at(at, What::MapFor(MapOf::Today, length))
        .at(after(at, hours(5)), What::Session(None))
        .at(after(at, hours(20)), What::Resume)
        .at(Nanos(over.0 - hours(15).0), What::Pause);
    let plan = cut(plan, Nanos(at.0.saturating_sub(hours(5).0)), false);
    // Of a session of which nothing was applied yet nothing is Live.
    let live = after(at, hours(21));
    let until = Nanos(over.0 - hours(1).0).min(plan.length);
    cut(plan, after(over, hours(10)), true).all_live_between(live, until)
}

/// Five trading days of maps that follow each other, up to Friday afternoon, with their nights: no alert.
pub(super) fn usual_week(seed: u64) -> Plan {
    let friday = Nanos(4 * DAY.0 + hours(70).0);
    let setup = Setup { map_ends: Some(hours(105)), ..slow(seed) };
    let mut plan = Plan::quiet("usual-week", setup, friday).alarms(&[]);
    plan = plan.at(hours(90), What::Pause);
    plan = cut(plan, hours(115), true);
    for morning in 1..5 {
        plan = day(plan, Nanos(morning * DAY.0), hours(105));
    }
    plan.all_live_between(Nanos::from_secs(1), hours(100))
}

/// A half day ends early by its map; the silence that follows is nobody's alert, and the next morning is usual.
pub(super) fn half_day(seed: u64) -> Plan {
    let setup = Setup { map_ends: Some(hours(60)), ..slow(seed) };
    let plan = Plan::quiet("half-day", setup, Nanos(DAY.0 + hours(50).0)).alarms(&[]);
    let plan = cut(plan.at(hours(55), What::Pause), hours(65), true);
    day(plan, DAY, hours(105)).all_live_between(Nanos::from_secs(1), hours(59))
}

/// A day on which the venue is closed: no map is due, nothing is sent, and nobody is told.
pub(super) fn holiday(seed: u64) -> Plan {
    let setup = Setup { map_ends: Some(hours(105)), ..slow(seed) };
    let plan = Plan::quiet("holiday", setup, Nanos(2 * DAY.0 + hours(50).0)).alarms(&[]);
    let plan = cut(plan.at(hours(90), What::Pause), hours(115), true);
    day(plan, Nanos(2 * DAY.0), hours(105)).all_live_between(Nanos::from_secs(1), hours(100))
}

/// A map is put in force on every partition and an operator leaves and joins one: all of it meant, no alert.
pub(super) fn all_meant(seed: u64) -> Plan {
    let setup = Setup { lanes: 2, ..small(seed) };
    Plan::quiet("all-meant", setup, ms(6_000))
        .at(ms(500), What::Subscribe(1, false))
        .at(ms(2_000), What::Subscribe(1, true))
        .at(ms(2_100), What::Session(Some(1)))
        .at(ms(2_500), What::Halt(Some(2), true))
        .at(ms(3_500), What::Halt(Some(2), false))
        .at(ms(4_000), What::Map(MapOf::Yesterday))
        .at(ms(4_900), What::End(0))
        .alarms(&[])
        .expect(0, OPEN_BY, ms(4_000), crate::simulator::schedule::Must::BeLive)
}
