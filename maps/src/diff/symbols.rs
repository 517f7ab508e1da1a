//! Which symbols move, come and go.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use candor_core::Symbol;

use super::{Change, Difference, Group, Moved};
use crate::check::Placement;
use crate::model::Map;

/// Where one symbol was and is, by partition of the old map and of the new one.
type Step = (Option<usize>, Option<usize>);

pub(super) fn compare(
    difference: &mut Difference,
    old: &Map,
    new: &Map,
    given: &[Symbol],
    pairs: &[(usize, usize)],
) {
    let (from, to) = (Placement::new(old), Placement::new(new));
    let mut all: Vec<Symbol> =
        from.listed().chain(to.listed()).chain(given.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    // A symbol that is split by expiry moves when any of it does.
    let codes: Vec<Option<u8>> = if from.is_coded() || to.is_coded() {
        (b'A'..=b'X').map(Some).collect()
    } else {
        vec![None]
    };
    let mut target: Vec<Option<usize>> = vec![None; old.partitions.len()];
    for (from, to) in pairs {
        target[*from] = Some(*to);
    }
    let mut placed = Change { from: 0, to: 0 };
    let mut steps: BTreeMap<Step, Vec<Symbol>> = BTreeMap::new();
    for symbol in all {
        let steps_of = codes.iter().map(|code| (from.of(&symbol, *code), to.of(&symbol, *code)));
        let own: Vec<Step> = steps_of.collect();
        placed.from += usize::from(own.iter().any(|step| step.0.is_some()));
        placed.to += usize::from(own.iter().any(|step| step.1.is_some()));
        let stays = |step: &Step| match *step {
            (Some(from), Some(to)) => target[from] == Some(to),
            (None, None) => true,
            _ => false,
        };
        if let Some(step) = own.iter().find(|step| !stays(step)) {
            steps.entry(*step).or_default().push(symbol);
        }
    }
    difference.placed = placed;
    for (step, symbols) in steps {
        match step {
            (Some(from), Some(to)) => {
                let (from, to) = (old.partitions[from].name, new.partitions[to].name);
                difference.moved.push(Moved { from, to, symbols });
            }
            (Some(from), None) => {
                let partition = old.partitions[from].name;
                difference.dropped.push(Group { partition, symbols });
            }
            (None, Some(to)) => {
                let partition = new.partitions[to].name;
                difference.gained.push(Group { partition, symbols });
            }
            (None, None) => {}
        }
    }
    // Stable: pairs of one size stay in the venue's order.
    difference.moved.sort_by_key(|moved| Reverse(moved.symbols.len()));
}
