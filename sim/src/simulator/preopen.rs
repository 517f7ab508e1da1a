//! `candor preopen`, asked in a simulated morning: what it must answer, and what it must name.

use candor_core::{Mono, Nanos, Symbol};
use candor_preopen::{Asked, Outcome, Report, Sample, Verdict, Wanted, examine};

use super::Setup;
use super::checks::Wrong;
use super::handler::{DATE, Handler, partition_spec};

/// When it is asked, and what it must answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Preopen {
    /// Listening begins, since the beginning.
    pub from: Nanos,
    /// The answer is given.
    pub until: Nanos,
    /// Whether that must be go. If not, it must be no-go for the symbols that are not where the handler's map
    /// has them and for nothing else, with each of them named.
    pub go: bool,
}

/// One that is under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Morning {
    before: Option<Sample>,
    answered: bool,
}

impl Morning {
    pub(super) const fn is_answered(&self) -> bool {
        self.answered
    }

    /// Takes what has been heard when listening begins, and judges when it ends. `today` says where every
    /// symbol is in truth.
    pub(super) fn look(
        &mut self,
        asked: &Preopen,
        handler: &mut Handler,
        (setup, today): (&Setup, &[(Symbol, u16)]),
        (start, now): (Mono, Mono),
    ) -> Result<(), Wrong> {
        let clock = || now;
        let (begins, ends) = (start + asked.from, start + asked.until);
        if self.answered || now < begins || (self.before.is_some() && now < ends) {
            return Ok(());
        }
        handler.publish_counters();
        handler.look_for_strays(now);
        let before = self.before.get_or_insert_with(|| Sample::take(&handler.region, &clock));
        if now < ends {
            return Ok(());
        }
        self.answered = true;
        let wanted = wanted(handler, setup, today);
        let terms = Asked { wanted: &wanted, before, unproven_ppm: 0, ignore: &[] };
        let report = Report { checks: examine(&handler.region, &clock, &terms) };
        let missing = today.iter().filter(|(symbol, home)| {
            let listed = handler.maps.venue().home(symbol);
            listed.is_some() && listed != Some(*home)
        });
        let missing: Vec<Symbol> = missing.map(|(symbol, _)| *symbol).collect();
        match wrong(asked.go, &report, &missing) {
            None => Ok(()),
            Some(why) => {
                let what = format!("preopen is {}: {why}", report.outcome().name());
                Err(Wrong { partition: 0, what })
            }
        }
    }
}

/// What is wrong with an answer.
fn wrong(go: bool, report: &Report, missing: &[Symbol]) -> Option<String> {
    let failed: Vec<_> =
        report.checks.iter().filter(|check| check.verdict != Verdict::Holds).collect();
    if go {
        return (report.outcome() != Outcome::Go).then(|| format!("{failed:?}"));
    }
    if report.outcome() != Outcome::NoGo || missing.is_empty() {
        return Some(format!("{} symbols are elsewhere, and {failed:?}", missing.len()));
    }
    if let Some(other) = failed.iter().find(|check| check.name != "symbols") {
        return Some(format!("and for something else: {other:?}"));
    }
    let named = |symbol: &Symbol| {
        failed.iter().any(|check| check.symbols.iter().any(|(one, _)| one == symbol))
    };
    missing.iter().find(|symbol| !named(symbol)).map(|symbol| format!("{symbol} is not named"))
}

/// The partitions as the map has them that the handler was given.
fn wanted(handler: &Handler, setup: &Setup, today: &[(Symbol, u16)]) -> Vec<Wanted> {
    let venue = handler.maps.venue();
    let one = |partition: usize| {
        let spec = partition_spec(setup, partition, today.len());
        let here = |symbol: &&Symbol| venue.home(symbol) == Some(partition as u16);
        let symbols = today.iter().map(|(symbol, _)| symbol).filter(here).copied().collect();
        let (venue, name, lines) = (spec.venue, spec.name, spec.lines);
        Wanted { venue, name, date: DATE, subscribe: true, lines, symbols }
    };
    let all = (0..setup.partitions).map(one);
    // A map without a partition lists nothing on it.
    all.filter(|one| !one.symbols.is_empty()).collect()
}
