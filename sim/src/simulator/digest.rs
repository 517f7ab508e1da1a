//! Everything that leaves the handler, folded into one number.

/// The fold. Order matters; the same words in the same order give the same number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Digest {
        Digest(0x243f_6a88_85a3_08d3)
    }
}

impl Digest {
    /// Takes a word in.
    #[inline]
    pub fn word(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15_u128;
        self.0 = (wide as u64).rotate_left(31) ^ (wide >> 64) as u64 ^ 0x1319_8a2e_0370_7344;
    }

    /// Takes words in.
    #[inline]
    pub fn words<const N: usize>(&mut self, words: [u64; N]) {
        for word in words {
            self.word(word);
        }
    }

    /// The number.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0
    }
}
