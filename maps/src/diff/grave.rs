//! Changes that need somebody's name however few symbols move: each makes a handler believe more than
//! before, or hear nothing, for a mistake in one cell of a table.

use std::fmt;

use candor_core::symbol::Text;
use candor_core::{Line, Nanos};

use super::Change;
use crate::model::{Endpoint, Map, Partition, Protocol};

/// A change that comes in force only with somebody's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Grave {
    /// Packets mean something else.
    Protocol(Change<Protocol>),
    /// A partition stays Live in silence for longer, or nobody knows whether it does since one of the maps
    /// leaves that to the protocol.
    Silence {
        /// The partition, as the new map calls it.
        partition: Text<16>,
        /// Its bounds.
        bound: Change<Option<Nanos>>,
    },
    /// A line was one sender's, and is anybody's now.
    AnySender {
        /// The partition, as the new map calls it.
        partition: Text<16>,
        /// The line.
        line: Line,
        /// Whether it is the line of its snapshots.
        snapshots: bool,
    },
    /// More than half of the lines of partitions that both maps have are elsewhere, or gone.
    MostLines {
        /// Lines that are.
        changed: usize,
        /// Lines that the old map had there.
        of: usize,
    },
}

/// Everything of that kind between two maps with these pairs of partitions.
pub(super) fn between(old: &Map, new: &Map, pairs: &[(usize, usize)]) -> Vec<Grave> {
    let mut grave = Vec::new();
    grave.extend(Change::between(old.protocol, new.protocol).map(Grave::Protocol));
    let (mut changed, mut of) = (0, 0);
    for (from, to) in pairs {
        let (from, to) = (&old.partitions[*from], &new.partitions[*to]);
        let wider = match (from.silence, to.silence) {
            (Some(from), Some(to)) => to > from,
            (from, to) => from != to,
        };
        if wider {
            let bound = Change { from: from.silence, to: to.silence };
            grave.push(Grave::Silence { partition: to.name, bound });
        }
        senders(&mut grave, from, to);
        for (line, at) in from.lines() {
            of += 1;
            changed += usize::from(to.lines[line.index()].as_ref().is_none_or(|now| at != now));
        }
    }
    if changed * 2 > of {
        grave.push(Grave::MostLines { changed, of });
    }
    grave
}

fn senders(grave: &mut Vec<Grave>, from: &Partition, to: &Partition) {
    let opened = |from: &Option<Endpoint>, to: &Option<Endpoint>| {
        let had = from.as_ref().is_some_and(|at| at.source.is_some());
        had && to.as_ref().is_some_and(|at| at.source.is_none())
    };
    for line in Line::ALL {
        let (partition, at) = (to.name, line.index());
        if opened(&from.lines[at], &to.lines[at]) {
            grave.push(Grave::AnySender { partition, line, snapshots: false });
        }
        if opened(&from.services.snapshot_lines[at], &to.services.snapshot_lines[at]) {
            grave.push(Grave::AnySender { partition, line, snapshots: true });
        }
    }
}

impl fmt::Display for Grave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Grave::Protocol(change) => {
                write!(f, "packets mean something else: {}, not {}", change.to, change.from)
            }
            Grave::Silence { partition, bound: Change { from: Some(from), to: Some(to) } } => {
                write!(f, "partition {partition} is believed in silence for {to}, not {from}")
            }
            Grave::Silence { partition, .. } => {
                write!(f, "partition {partition} may be believed in silence for longer than before")
            }
            Grave::AnySender { partition, line, snapshots } => {
                let what = if *snapshots { "snapshot line" } else { "line" };
                write!(f, "{what} {line} of partition {partition} is taken from any sender now")
            }
            Grave::MostLines { changed, of } => {
                write!(f, "{changed} of {of} lines are elsewhere or gone, more than half")
            }
        }
    }
}
