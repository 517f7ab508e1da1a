//! Text in words, as the region stores it.

use candor_core::symbol::Text;

/// The text's bytes in words; `W` words must hold `N` bytes exactly.
pub(crate) fn words_of<const N: usize, const W: usize>(text: &Text<N>) -> [u64; W] {
    const { assert!(W * 8 == N, "words and bytes differ in size") };
    let bytes = text.bytes();
    std::array::from_fn(|word| {
        u64::from_ne_bytes(std::array::from_fn(|byte| bytes[word * 8 + byte]))
    })
}

/// The text in these words; empty where they hold none.
pub(crate) fn text_of<const N: usize, const W: usize>(words: [u64; W]) -> Text<N> {
    const { assert!(W * 8 == N, "words and bytes differ in size") };
    let mut bytes = [0; N];
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    Text::from_wire(&bytes).unwrap_or(Text::EMPTY)
}
