//! What a venue changes between two trading dates: where it lists which symbols.

use candor_core::{Symbol, SymbolIndex};

/// What is another on the second day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overnight {
    /// The first symbols of the first two partitions change places.
    Exchanged,
    /// The first symbol of the first partition has another name.
    Renamed,
    /// The last partition is gone, and its symbols are on the others, in the place of some that are listed no more.
    Removed,
}

/// Symbols of a venue, each with its partition.
pub(super) type Homes = Vec<(Symbol, u16)>;

/// A symbol that is listed in the place of another: of which partition, and the how manieth of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Relisted {
    pub(super) partition: usize,
    pub(super) index: SymbolIndex,
    pub(super) symbol: Symbol,
}

/// Longer than any name that a market makes up.
const NAME: &[u8] = b"RENAMED";

impl Overnight {
    /// Which symbols are listed in the place of others, by what is so on the first day.
    pub(super) fn relisted(self, today: &[(Symbol, u16)]) -> Vec<Relisted> {
        let of = |partition: usize| -> Vec<Symbol> {
            let own = today.iter().filter(|(_, home)| usize::from(*home) == partition);
            own.map(|(symbol, _)| *symbol).collect()
        };
        let put = |partition, index: usize, symbol| {
            let index = SymbolIndex(index as u32);
            Relisted { partition, index, symbol }
        };
        match self {
            Overnight::Exchanged => vec![put(0, 0, of(1)[0]), put(1, 0, of(0)[0])],
            Overnight::Renamed => {
                vec![put(0, 0, Symbol::from_wire(NAME).expect("a short text of letters"))]
            }
            Overnight::Removed => {
                let last = today.iter().map(|(_, home)| usize::from(*home)).max().unwrap_or(0);
                let moved = of(last).into_iter().enumerate();
                moved.map(|(nth, symbol)| put(nth % last, nth / last, symbol)).collect()
            }
        }
    }

    /// What is listed where on the second day.
    pub(super) fn tomorrow(self, today: &[(Symbol, u16)]) -> Homes {
        let mut homes = today.to_vec();
        if self == Overnight::Removed {
            let last = homes.iter().map(|(_, home)| *home).max().unwrap_or(0);
            homes.retain(|(_, home)| *home != last);
        }
        for Relisted { partition, index, symbol } in self.relisted(today) {
            let mut own = homes.iter_mut().filter(|(_, home)| usize::from(*home) == partition);
            if let Some((listed, _)) = own.nth(index.0 as usize) {
                *listed = symbol;
            }
        }
        homes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn homes(of: &[&[&str]]) -> Homes {
        let one = |(home, names): (usize, &&[&str])| {
            let symbol = |name: &&str| Symbol::from_wire(name.as_bytes()).unwrap();
            names.iter().map(|name| (symbol(name), home as u16)).collect::<Vec<_>>()
        };
        of.iter().enumerate().flat_map(one).collect()
    }

    #[test]
    fn what_is_listed_in_the_place_of_another_is_what_the_next_day_has() {
        let today = homes(&[&["A", "B"], &["C", "D"], &["E", "F"]]);
        let tomorrow = |overnight: Overnight| overnight.tomorrow(&today);
        assert_eq!(tomorrow(Overnight::Exchanged), homes(&[&["C", "B"], &["A", "D"], &["E", "F"]]));
        assert_eq!(
            tomorrow(Overnight::Renamed),
            homes(&[&["RENAMED", "B"], &["C", "D"], &["E", "F"]])
        );
        assert_eq!(tomorrow(Overnight::Removed), homes(&[&["E", "B"], &["F", "D"]]));
    }
}
