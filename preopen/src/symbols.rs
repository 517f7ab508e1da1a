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

/// Where the map lists none, so much of what was named on earlier dates may be named nowhere any more without a no-go,
/// in millionths: as much as may go from one map to the next. A venue delists some every day.
const DELISTED: u32 = 10_000;

/// What was found of one partition's symbols.
#[derive(Debug, Default)]
struct Found {
    listed: u32,
    proven: u32,
    /// Named on earlier dates, and by nobody now.
    gone: u32,
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
            let verdict = if found.is_within(ppm) { Verdict::Warns } else { Verdict::Fails };
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
            found.gone += 1;
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

    /// Whether no more is missing than may be, in millionths: and of what is gone more than of anything else.
    fn is_within(&self, ppm: u32) -> bool {
        let allowed = |ppm: u32| u64::from(self.listed) * u64::from(ppm) / 1_000_000;
        let missing = self.listed - self.proven;
        u64::from(missing - self.gone) <= allowed(ppm)
            && u64::from(missing) <= allowed(ppm.max(DELISTED))
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
    fn a_hundredth_may_be_gone_and_nothing_else_be_missing() {
        let within = |listed, gone, others, ppm| {
            let proven = listed - gone - others;
            Found { listed, proven, gone, ..Found::default() }.is_within(ppm)
        };
        assert_eq!([99, 100, 350].map(|listed| within(listed, 1, 0, 0)), [false, true, true]);
        assert_eq!([3, 4].map(|gone| within(350, gone, 0, 0)), [true, false]);
        assert!(!within(350, 0, 1, 0), "what is contested, or a map lists, is not gone");
        assert!(!within(350, 1, 1, 0));
        assert_eq!([0, 30, 60].map(|gone| within(200, gone, 60 - gone, 300_000)), [true; 3]);
        assert!(!within(200, 30, 31, 300_000));
    }
}
