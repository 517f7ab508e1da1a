//! The packet of a connection that is being received.

use candor_core::Reject;

/// Puts one packet at a time together from bytes cut anywhere.
#[derive(Debug)]
pub(crate) struct Inbox {
    buffer: Vec<u8>,
    len: usize,
}

impl Inbox {
    /// With room for the longest packet.
    pub(crate) fn new(longest: usize) -> Inbox {
        Inbox { buffer: vec![0; longest], len: 0 }
    }

    /// Takes bytes from the front until one packet is whole, and says how many and whether it is.
    /// `len_of` says how long the packet that starts with these bytes is, once it can; `head` bytes
    /// let it.
    pub(crate) fn fill(
        &mut self,
        bytes: &[u8],
        head: usize,
        len_of: impl Fn(&[u8]) -> Result<Option<usize>, Reject>,
    ) -> Result<(usize, bool), Reject> {
        let mut taken = 0;
        // BOUND: the first round ends with the head whole or no byte left, the second with the packet.
        loop {
            let known = len_of(&self.buffer[..self.len])?;
            let want = known.unwrap_or(head);
            assert!(self.len <= want);
            assert!(want <= self.buffer.len());
            if known == Some(self.len) {
                return Ok((taken, true));
            }
            let fresh = bytes.len().min(taken + want - self.len);
            if fresh == taken {
                return Ok((taken, false));
            }
            let end = self.len + fresh - taken;
            self.buffer[self.len..end].copy_from_slice(&bytes[taken..fresh]);
            (self.len, taken) = (end, fresh);
        }
    }

    /// What has been received of the packet.
    pub(crate) fn packet(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_decoders::nasdaq::soupbintcp::{FRAMING, LONGEST};

    #[test]
    fn packets_are_whole_wherever_they_are_cut() {
        let wire = [0, 1, b'H', 0, 3, b'S', 7, 8, 0, 1, b'Z'];
        for first in 0..=wire.len() {
            for second in first..=wire.len() {
                let mut inbox = Inbox::new(LONGEST);
                let mut packets = Vec::new();
                for mut part in [&wire[..first], &wire[first..second], &wire[second..]] {
                    while !part.is_empty() {
                        let (taken, whole) =
                            inbox.fill(part, 2, |head| FRAMING.packet_len(head)).unwrap();
                        assert_ne!(taken, 0);
                        part = &part[taken..];
                        if whole {
                            packets.push(inbox.packet().to_vec());
                            inbox.clear();
                        }
                    }
                }
                assert_eq!(packets, [&wire[..3], &wire[3..8], &wire[8..]]);
            }
        }
    }
}
