//! Which symbols of the map the venue has named on their partition.

use candor_core::{Reason, Symbol, Venue};
use candor_shm::{Handle, Region};

use crate::wire::Pair;
use crate::{Check, Verdict};

/// What a check is called.
const NAME: &str = "symbols";

/// Names that an evidence lists at most of one reason: it is read on a screen, in the log and in an alert. The check
/// has them all beside it ([`Check::symbols`]).
const EXAMPLES: usize = 8;

/// Where the map lists none, so much of what was named on earlier dates may be named no more without a no-go, in
/// millionths: as much as may go from one map to the next. A venue delists some every day.
const DELISTED: u32 = 10_000;

/// What was found of one partition's symbols.
#[derive(Debug, Default)]
struct Found {
    listed: u32,
    proven: u32,
    /// What stands against the others, with all of them.
    against: Vec<(Reason, Vec<Symbol>)>,
}

/// A row for each partition with symbols that nothing has named, one for all others of the venue.
pub(crate) fn named(venue: Venue, region: &Region, pairs: &[Pair<'_>], ppm: u32) -> Vec<Check> {
    let mut checks = Vec::new();
    let (mut proven, mut whole) = (0u64, 0u32);
    for pair in pairs.iter().filter(|pair| pair.wanted.subscribe) {
        // That it isn't there is said elsewhere.
        let Some(info) = pair.info else { continue };
        let title = pair.wanted.title();
        // Where the map lists none: those that were ever named here, but for what is elsewhere now. A venue that has
        // moved some names them there.
        let listed = !pair.wanted.symbols.is_empty();
        let found = match listed {
            true => look(region, pair, info.index),
            false => named_before(region, &venue, info.index),
        };
        if found.listed == 0 {
            let evidence = "the map lists none, and the venue has named none";
            let to_do = "is the venue up? candor partitions; a partition without symbols is none";
            checks.push(Check::not(Verdict::Fails, NAME, title, evidence, to_do));
            continue;
        }
        let missing = found.listed - found.proven;
        if missing == 0 {
            (proven, whole) = (proven + u64::from(found.proven), whole + 1);
        } else {
            let within = missing <= allowed(found.listed, listed, ppm);
            let verdict = if within { Verdict::Warns } else { Verdict::Fails };
            let mut to_do =
                "is the map today's, and has the venue moved them? candor unmapped; candor map \
                             diff; candor map fetch"
                    .to_owned();
            if found.against.iter().any(|(_, symbols)| symbols.len() > EXAMPLES) {
                to_do.push_str("; candor preopen -o json names each symbol");
            }
            let check = Check::not(verdict, NAME, title, found.text(), to_do);
            checks.push(Check { symbols: found.symbols(), ..check });
        }
    }
    if whole > 0 {
        let partitions = if whole == 1 { "partition" } else { "partitions" };
        let text = format!("all {proven} named by the venue, on {whole} {partitions}");
        checks.push(Check::holds(NAME, venue.as_str(), text));
    }
    checks
}

/// How many of so many symbols need not be named.
fn allowed(count: u32, listed: bool, ppm: u32) -> u32 {
    let ppm = if listed { ppm } else { ppm.max(DELISTED) };
    let allowed = u64::from(count) * u64::from(ppm) / 1_000_000;
    u32::try_from(allowed).unwrap_or(count)
}

fn look(region: &Region, pair: &Pair<'_>, index: u16) -> Found {
    let mut found = Found::default();
    for symbol in &pair.wanted.symbols {
        found.count(symbol, against(region, pair, index, symbol));
    }
    found
}

/// Each date's first map takes what the venue has not named today by then for moved: that says nothing until it is named
/// elsewhere.
fn named_before(region: &Region, venue: &Venue, index: u16) -> Found {
    let mut found = Found::default();
    let is_elsewhere = |other: Handle| other.partition() != index && !region.is_moved(other);
    for (handle, symbol) in region.symbols(index) {
        if !region.is_moved(handle) {
            found.count(&symbol, stands(region, handle));
        } else if !region.find(venue, &symbol).is_some_and(is_elsewhere) {
            found.count(&symbol, Some(Reason::Unmapped));
        }
    }
    found
}

/// What stands against a symbol itself, whatever is so of its partition; `None` where nothing does.
fn against(region: &Region, pair: &Pair<'_>, index: u16, symbol: &Symbol) -> Option<Reason> {
    let Some(handle) = region.find(&pair.wanted.venue, symbol) else {
        return Some(Reason::Unmapped);
    };
    if handle.partition() != index {
        return Some(Reason::WrongPartition);
    }
    stands(region, handle)
}

/// What stands against a symbol itself in its place, whatever is so of its partition: named by the venue in this
/// session it is where nothing does, or something else than that it is unproven or elsewhere.
#[must_use]
pub fn stands(region: &Region, handle: Handle) -> Option<Reason> {
    // Nothing whole could be had, or it is no symbol any more: not proven.
    let Some(evidence) = region.evidence(handle) else { return Some(Reason::Unproven) };
    if evidence.contested {
        return Some(Reason::WrongPartition);
    }
    let Some(word) = evidence.symbol else { return Some(Reason::Unproven) };
    if word.epoch != evidence.partition.epoch {
        return Some(Reason::Unproven);
    }
    if word.is_clear() { None } else { Some(word.reason().unwrap_or(Reason::Unproven)) }
}

impl Found {
    fn count(&mut self, symbol: &Symbol, against: Option<Reason>) {
        self.listed += 1;
        let Some(reason) = against else {
            self.proven += 1;
            return;
        };
        match self.against.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, symbols)) => symbols.push(*symbol),
            None => self.against.push((reason, vec![*symbol])),
        }
    }

    /// Each that is not proven, by reason as the evidence has them.
    fn symbols(&self) -> Vec<(Symbol, Reason)> {
        let of = |(reason, symbols): &(Reason, Vec<Symbol>)| {
            let reason = *reason;
            symbols.iter().map(move |symbol| (*symbol, reason)).collect::<Vec<_>>()
        };
        self.against.iter().flat_map(of).collect()
    }

    fn text(&self) -> String {
        let mut text = format!("{} of {} proven", self.proven, self.listed);
        for (reason, symbols) in &self.against {
            let count = symbols.len();
            let names: Vec<&str> = symbols.iter().take(EXAMPLES).map(Symbol::as_str).collect();
            let more = count - names.len();
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            text.push_str(&format!("; {count} {reason}: {}{more}", names.join(" ")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundredth_of_what_no_map_lists_may_be_named_no_more() {
        assert_eq!([99, 100, 350].map(|count| allowed(count, false, 0)), [0, 1, 3]);
        assert_eq!(allowed(350, true, 0), 0, "a map that lists a symbol has it");
        assert_eq!([true, false].map(|listed| allowed(200, listed, 300_000)), [60, 60]);
    }
}
