//! One small seeded generator. The same seed gives the same numbers on every machine, for ever.

/// xoshiro256\*\*, seeded through splitmix64. Not for secrets.
#[derive(Clone, Debug)]
pub struct Rng([u64; 4]);

/// One step of splitmix64: moves `state` on and returns a well-mixed number.
const fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mix(*state)
}

/// Spreads every bit of `word` over all 64 (splitmix64's finaliser).
#[must_use]
pub const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

impl Rng {
    /// The generator of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Rng {
        let mut state = seed;
        Rng([
            splitmix(&mut state),
            splitmix(&mut state),
            splitmix(&mut state),
            splitmix(&mut state),
        ])
    }

    /// The generator of one part of a larger whole: `stream` numbers the part, so that what one
    /// part draws never moves another.
    #[must_use]
    pub const fn stream(seed: u64, stream: u64) -> Rng {
        Rng::new(mix(seed) ^ mix(stream.wrapping_add(0x5851_f42d_4c95_7f2d)))
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `bound`; 0 when `bound` is 0. The bias is below `bound` / 2⁶⁴.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.bits() as u128 * bound as u128) >> 64) as u64
    }

    /// A number from `low` up to and with `high`.
    pub const fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True `ppm` times in a million.
    pub const fn chance(&mut self, ppm: u32) -> bool {
        // The draw is made even where the answer is certain, so that turning a fault off and on
        // leaves the rest of the stream where it was.
        self.below(1_000_000) < ppm as u64
    }

    /// How often a coin that shows heads `ppm` times in a million shows heads before tails, at
    /// most `most`.
    pub const fn run(&mut self, ppm: u32, most: u64) -> u64 {
        let mut length = 0;
        while length < most && self.chance(ppm) {
            length += 1;
        }
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_is_the_published_one() {
        let mut state = 1_234_567;
        let first: Vec<u64> = (0..3).map(|_| splitmix(&mut state)).collect();
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn draws_stay_below_their_bound_and_reach_every_number() {
        let mut rng = Rng::new(7);
        let mut seen = [0u32; 10];
        for _ in 0..10_000 {
            seen[rng.below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|n| (850..1_150).contains(n)), "{seen:?}");
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.between(5, 5), 5);
    }

    #[test]
    fn streams_differ_and_repeat() {
        let draw = |seed, stream| Rng::stream(seed, stream).bits();
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }

    #[test]
    fn chances_are_what_they_say() {
        let mut rng = Rng::new(3);
        let hits = (0..100_000).filter(|_| rng.chance(50_000)).count();
        assert!((4_700..5_300).contains(&hits), "{hits}");
        assert!(!rng.chance(0) && rng.chance(1_000_000));
    }
}
