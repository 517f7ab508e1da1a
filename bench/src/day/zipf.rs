//! Which symbol a message is about: the busiest of n has 1/1 of a share, the next 1/2, the next 1/3.

use candor_sim::rng::Rng;

/// Draws a symbol in two steps whatever their number (Walker's method of aliases), in integers alone, so that
/// every machine draws the same.
#[derive(Clone, Debug)]
pub(super) struct Zipf {
    /// Below this of 2³² the place itself is drawn, above it the other.
    cells: Vec<(u32, u32)>,
}

impl Zipf {
    /// Over `symbols` of them, which of them is busy being drawn too.
    pub(super) fn new(symbols: u32, rng: &mut Rng) -> Zipf {
        let n = symbols as usize;
        let mut places: Vec<u32> = (0..symbols).collect();
        for last in (1..n).rev() {
            places.swap(last, rng.below(last as u64 + 1) as usize);
        }
        // Weights in 2³² of a cell: each cell's share is one, and what is left over goes to the last.
        let mut weights = vec![0u64; n];
        let sum: u64 = (1..=u64::from(symbols)).map(|rank| (1 << 40) / rank).sum();
        for (rank, place) in (1u64..).zip(&places) {
            let weight = u128::from((1u64 << 40) / rank) * u128::from(symbols);
            weights[*place as usize] = ((weight << 32) / u128::from(sum)) as u64;
        }
        let mut cells: Vec<(u32, u32)> = (0..symbols).map(|place| (u32::MAX, place)).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) =
            (0..symbols).partition(|place| weights[*place as usize] < 1 << 32);
        // BOUND: each turn takes a small one away, and adds one only by taking a large one.
        while let (Some(little), Some(much)) = (small.pop(), large.last().copied()) {
            let weight = weights[little as usize];
            cells[little as usize] = (weight as u32, much);
            weights[much as usize] -= (1 << 32) - weight;
            if weights[much as usize] < 1 << 32 {
                large.pop();
                small.push(much);
            }
        }
        Zipf { cells }
    }

    pub(super) fn draw(&self, rng: &mut Rng) -> usize {
        let place = rng.below(self.cells.len() as u64);
        let (own, other) = self.cells[place as usize];
        let low = rng.bits() as u32;
        if low < own { place as usize } else { other as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_has_as_much_as_the_law_says() {
        let mut rng = Rng::new(3);
        let zipf = Zipf::new(1_000, &mut rng);
        let mut drawn = vec![0u32; 1_000];
        (0..1_000_000).for_each(|_| drawn[zipf.draw(&mut rng)] += 1);
        drawn.sort_unstable_by(|a, b| b.cmp(a));
        // The sum of 1/1 to 1/1000 is 7.485.
        assert!((131_000..136_200).contains(&drawn[0]), "{}", drawn[0]);
        assert!((64_500..69_100).contains(&drawn[1]), "{}", drawn[1]);
        assert!(drawn[999] > 50, "{}", drawn[999]);
    }
}
