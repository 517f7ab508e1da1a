//! A difference in words that are read at half past seven.

use std::fmt;

use super::{Altered, CARRIED, Difference, Group, Moved, PRODUCTS};
use crate::words::{counted, few, thousands};

/// Symbols that are named of each group; the rest is counted.
const EXAMPLES: usize = 3;

/// Pairs of partitions that are named; the rest is counted. A new partition draws from few; a venue that
/// spreads everything anew would fill pages.
const PAIRS: usize = 24;

impl fmt::Display for Difference {
    /// A line for the dates and one for each thing that differs, without a break behind the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: the map for {}, against {}", self.venue, self.dates.to, self.dates.from)?;
        if self.is_empty() {
            return write!(f, "\nnothing differs");
        }
        self.shape(f)?;
        for one in &self.altered {
            write!(f, "\n{}", Words(one))?;
        }
        if self.reordered {
            write!(f, "\nthe partitions come in another order")?;
        }
        if !self.known {
            write!(
                f,
                "\nhow many symbols move is not known: of ranges a list of the venue's symbols tells it, of \
                 what the venue names nothing"
            )?;
        }
        self.symbols(f)?;
        for one in &self.grave {
            write!(f, "\nneeds a name whatever moves: {one}")?;
        }
        Ok(())
    }
}

impl Difference {
    fn shape(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(change) = self.protocol {
            write!(f, "\nthe protocol is {} now, it was {}", change.to, change.from)?;
        }
        if let Some(change) = self.rule {
            let (from, to) = (change.from.name(), change.to.name());
            write!(f, "\nwhat partitions carry is said by {to} now, it was by {from}")?;
        }
        for one in &self.added {
            write!(
                f,
                "\npartition {} is new: {}; carries {}",
                one.name, one.endpoints, one.carried
            )?;
        }
        for one in &self.removed {
            let (name, endpoints, carried) = (one.name, &one.endpoints, &one.carried);
            write!(f, "\npartition {name} is gone: it was {endpoints}; carried {carried}")?;
        }
        for change in &self.renamed {
            write!(f, "\npartition {} is called {} now", change.from, change.to)?;
        }
        Ok(())
    }

    fn symbols(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.moved.is_empty() {
            self.heading(f, self.moved_count(), self.placed.from, ["moves", "move"])?;
        }
        let (named, rest) = self.moved.split_at(self.moved.len().min(PAIRS));
        for Moved { from, to, symbols } in named {
            let examples = few(symbols.iter(), EXAMPLES);
            write!(f, "\n  {from} to {to}: {} ({examples})", thousands(symbols.len()))?;
        }
        if !rest.is_empty() {
            let count = rest.iter().map(|moved| moved.symbols.len()).sum();
            let pairs = counted(rest.len(), "more pair");
            write!(f, "\n  {pairs} of partitions: {}", thousands(count))?;
        }
        let gained = self.gained.iter().map(|group| group.symbols.len()).sum();
        for (groups, count, of, verb) in [
            (&self.gained, gained, self.placed.to, ["is new", "are new"]),
            (&self.dropped, self.dropped_count(), self.placed.from, ["is dropped", "are dropped"]),
        ] {
            if !groups.is_empty() {
                self.heading(f, count, of, verb)?;
            }
            for Group { partition, symbols } in groups {
                let examples = few(symbols.iter(), EXAMPLES);
                write!(f, "\n  partition {partition}: {} ({examples})", thousands(symbols.len()))?;
            }
        }
        Ok(())
    }

    fn heading(
        &self,
        f: &mut fmt::Formatter<'_>,
        count: usize,
        of: usize,
        verb: [&str; 2],
    ) -> fmt::Result {
        let tenths = (count * 1_000).checked_div(of).unwrap_or(0);
        let share = match tenths {
            0 => "less than 0.1".to_owned(),
            tenths => format!("{}.{}", tenths / 10, tenths % 10),
        };
        let verb = if count == 1 { verb[0] } else { verb[1] };
        let all = counted(of, "symbol");
        write!(f, "\n{} of {all} ({share} %) {verb}:", thousands(count))
    }
}

/// One thing that changed of a partition.
struct Words<'a>(&'a Altered);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Altered { partition, what, change } = self.0;
        let (from, to) = (&change.from, &change.to);
        write!(f, "partition {partition}: ")?;
        match (what.as_str(), from.is_empty(), to.is_empty()) {
            ("silence", true, _) => write!(f, "silent after {to} now, it was left to the protocol"),
            ("silence", _, true) => write!(f, "silence is left to the protocol now, it was {from}"),
            ("silence", ..) => write!(f, "silent after {to} now, it was {from}"),
            (PRODUCTS, true, _) => write!(f, "has new products: {to}"),
            (PRODUCTS, _, true) => write!(f, "no longer has products: {from}"),
            (PRODUCTS, ..) => write!(f, "has new products: {to}; no longer has: {from}"),
            (CARRIED, ..) => write!(f, "carries {to} now, it was {from}"),
            (_, true, _) => write!(f, "{what} is new: {to}"),
            (_, _, true) => write!(f, "{what} is gone, it was {from}"),
            _ => write!(f, "{what} is {to} now, it was {from}"),
        }
    }
}
