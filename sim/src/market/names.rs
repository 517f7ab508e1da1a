//! Symbol names as an exchange lists them: one to five letters, each once.

use std::collections::BTreeSet;

use candor_core::Symbol;

use crate::rng::Rng;

/// How many of a hundred names have 1, 2, 3, 4 and 5 letters; American listings look like this.
const LENGTHS: [(u64, u64); 5] = [(1, 1), (2, 4), (3, 33), (4, 52), (5, 10)];

/// Letters by how often they begin or fill a ticker; vowels and S, C, A, P, M, T, B come up most.
const LETTERS: &[u8] =
    b"AAAAABBBBCCCCCCDDDEEEEFFFGGGHHHIIIJKKLLLLMMMMNNNOOOPPPPQRRRRSSSSSSTTTTTUUVVWWXXYZ";

/// `count` different names, sorted by the alphabet.
///
/// # Panics
/// When more names are asked for than there are listings anywhere (a million).
#[must_use]
pub fn names(count: usize, rng: &mut Rng) -> Vec<Symbol> {
    assert!(count <= 1_000_000, "a million symbols at most");
    let mut taken = BTreeSet::new();
    while taken.len() < count {
        let mut name = [0; 5];
        let length = length(rng);
        for letter in &mut name[..length] {
            *letter = LETTERS[rng.below(LETTERS.len() as u64) as usize];
        }
        if let Some(symbol) = Symbol::from_wire(&name[..length]) {
            taken.insert(symbol);
        }
    }
    taken.into_iter().collect()
}

fn length(rng: &mut Rng) -> usize {
    let mut draw = rng.below(100);
    for (letters, share) in LENGTHS {
        if draw < share {
            return letters as usize;
        }
        draw -= share;
    }
    5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_each_there_once() {
        let names = names(9_000, &mut Rng::new(1));
        assert_eq!(names.len(), 9_000);
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(names.iter().all(|name| (1..=5).contains(&name.as_str().len())));
        assert!(names.iter().all(|name| name.as_str().bytes().all(|b| b.is_ascii_uppercase())));
    }
}
