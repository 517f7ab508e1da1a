//! Makes a failing plan smaller while it fails: fewer faults, fewer events.

use super::report::Failure;
use super::schedule::Plan;
use super::world::run;

/// A plan made smaller, with which of its faults were kept and its failure.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smaller plan.
    pub plan: Plan,
    /// The numbers of the faults kept, in the plan it came from.
    pub kept: Vec<usize>,
    /// How it fails.
    pub failure: Failure,
    /// Runs it took.
    pub runs: u32,
}

/// The same invariant: the words in front of the first colon, or all of them.
fn kind(failure: &Failure) -> &str {
    let what = failure.what.rsplit(": ").last().unwrap_or("");
    let inner = failure.what.split(": ").find(|part| part.starts_with('I') && part.len() == 2);
    inner.unwrap_or(what)
}

/// The plan with only these of its faults.
#[must_use]
pub fn with_faults(plan: &Plan, kept: &[usize]) -> Plan {
    let faults = kept.iter().filter_map(|number| plan.faults.get(*number).copied()).collect();
    Plan { faults, ..plan.clone() }
}

/// Makes `plan`, which fails with `failure`, smaller, with at most `most` runs.
#[must_use]
pub fn shrink(plan: &Plan, failure: &Failure, most: u32) -> Shrunk {
    let wanted = kind(failure).to_owned();
    let mut best = Shrunk {
        plan: plan.clone(),
        kept: (0..plan.faults.len()).collect(),
        failure: failure.clone(),
        runs: 0,
    };
    // What comes after the failure can't have caused it.
    let early: Vec<usize> =
        best.kept.iter().copied().filter(|n| plan.faults[*n].at <= failure.at).collect();
    best.attempt(plan, &early, best.plan.events, &wanted);
    let mut chunk = best.kept.len().div_ceil(2).max(1);
    // BOUND: `most` runs.
    while best.runs < most && !best.kept.is_empty() {
        let mut at = 0;
        let mut smaller = false;
        while at < best.kept.len() && best.runs < most {
            let mut rest = best.kept.clone();
            rest.drain(at..(at + chunk).min(rest.len()));
            if best.attempt(plan, &rest, best.plan.events, &wanted) {
                smaller = true;
            } else {
                at += chunk;
            }
        }
        if chunk == 1 && !smaller {
            break;
        }
        chunk = (chunk / 2).max(1);
    }
    let mut events = best.plan.events.min(1 << 40);
    while best.runs < most && events > 16 {
        events /= 2;
        let kept = best.kept.clone();
        if !best.attempt(plan, &kept, events, &wanted) && events < 1 << 20 {
            break;
        }
    }
    best
}

impl Shrunk {
    fn attempt(&mut self, whole: &Plan, kept: &[usize], events: u64, wanted: &str) -> bool {
        let plan = Plan { events, ..with_faults(whole, kept) };
        self.runs += 1;
        let Some(failure) = run(&plan).failure.filter(|failure| kind(failure) == wanted) else {
            return false;
        };
        *self = Shrunk { plan, kept: kept.to_vec(), failure, runs: self.runs };
        true
    }
}
