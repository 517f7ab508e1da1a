//! How many seeds it takes to catch a canary.

use std::panic::{AssertUnwindSafe, catch_unwind};

use candor_core::canary::{self, Canary};

use super::world::run;
use super::{Plan, scenario, swarm};

/// Messages of a run in search of a canary.
const EVENTS: u64 = 30_000;

/// Runs plans with the canary in force until a check fails: how many it took, and which failed.
/// Each seed is one plan of the swarm, and the scenarios in turn.
#[must_use]
pub fn caught(one: Canary, seed: u64, seeds: u64) -> Option<(u64, String)> {
    for number in 0..seeds {
        let turn = number as usize % (scenario::ALL.len() + 1);
        let own = seed + number;
        let plan = match scenario::ALL.get(turn.wrapping_sub(1)) {
            Some((_, build)) if number % 2 == 1 => build(own),
            _ => swarm::plan(own, EVENTS),
        };
        if let Some(how) = fails(one, &plan) {
            return Some((number + 1, format!("{}: {how}", plan.name)));
        }
    }
    None
}

fn fails(one: Canary, plan: &Plan) -> Option<String> {
    canary::choose(Some(one));
    // An assertion of the handler's own that fires is as good: it would have aborted.
    let ran = catch_unwind(AssertUnwindSafe(|| (run(plan), run(plan))));
    canary::choose(None);
    let Ok((first, second)) = ran else {
        return Some("an assertion of the handler's own".to_owned());
    };
    if let Some(failure) = first.failure {
        return Some(failure.what);
    }
    (first.digest != second.digest).then(|| "I6: two runs of one seed differ".to_owned())
}
