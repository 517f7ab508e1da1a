//! The internet checksum (RFC 1071): the ones' complement sum of 16-bit words.
//!
//! The sum of words whose bytes are all swapped is the sum with its bytes swapped (RFC 1071, section
//! 2 B), so words are added as this machine reads them, and a checksum goes to the wire as this machine
//! writes it. For the same reason four words are added at once, as halves of 64 bits with room above
//! each: a carry is never lost before the end.

/// Bytes added in one step.
const STEP: usize = 32;

/// The sum of the bytes as 16-bit words in this machine's order, an odd last byte padded with zero, not
/// yet folded. Sums of pieces add up where every piece but the last is of even length. At most 2³²
/// words of 32 bits fit; no packet has a millionth of that.
#[inline]
pub(super) fn sum(bytes: &[u8]) -> u64 {
    let (steps, rest) = bytes.as_chunks::<STEP>();
    let mut low = [0_u64; STEP / 8];
    let mut high = [0_u64; STEP / 8];
    for step in steps {
        let words = step.as_chunks::<8>().0;
        for ((low, high), word) in low.iter_mut().zip(&mut high).zip(words) {
            let word = u64::from_ne_bytes(*word);
            *low += word & 0xffff_ffff;
            *high += word >> 32;
        }
    }
    let (words, odd) = rest.as_chunks::<2>();
    let rest = words.iter().map(|word| u64::from(u16::from_ne_bytes(*word))).sum::<u64>();
    let odd = odd.first().map_or(0, |byte| u64::from(u16::from_ne_bytes([*byte, 0])));
    low.iter().sum::<u64>() + high.iter().sum::<u64>() + rest + odd
}

/// The sum as one word: its carries added back.
#[inline]
pub(super) const fn fold(sum: u64) -> u16 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    // At most 0x2_fffd now: two turns more.
    let sum = (sum >> 16) + (sum & 0xffff);
    ((sum >> 16) + (sum & 0xffff)) as u16
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// As RFC 1071 defines it: word by word in network order, each carry at once.
    fn slow(bytes: &[u8]) -> u16 {
        bytes.chunks(2).fold(0, |sum: u16, word| {
            let word = u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]);
            let (sum, carry) = sum.overflowing_add(word);
            sum + u16::from(carry)
        })
    }

    #[test]
    fn it_is_the_sum_of_the_specification_for_every_length() {
        let bytes: Vec<u8> = (0..1_600_u32).map(|at| (at * 167 + (at >> 3)) as u8).collect();
        for end in 0..bytes.len() {
            for bytes in [&bytes[..end], &bytes[end / 2..end]] {
                let folded = u16::from_be_bytes(fold(sum(bytes)).to_ne_bytes());
                assert_eq!(folded, slow(bytes), "{} bytes", bytes.len());
            }
        }
        // The most there can be to carry.
        assert_eq!(fold(sum(&[0xff; 65_535])), u16::from_ne_bytes([0xff, 0x00]));
        assert_eq!(fold(sum(&[0xff; 65_534])), 0xffff);
        assert_eq!(fold(u64::MAX), 0xffff);
    }
}
