//! Packets in a stream of bytes: each a 16-bit length, which does not count itself, and that many
//! bytes, of which there is at least one. TCP cuts them anywhere.

use candor_core::{ByteOrder, Reject};

/// Length of the length in front of a packet, in bytes.
pub const PREFIX_LEN: usize = 2;

/// How a protocol marks its packets off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Framing {
    /// The order of the length's bytes.
    pub prefix: ByteOrder,
    /// The longest packet there may be, its length included, in bytes. A longer one is not waited
    /// for: it is refused as soon as its length is known.
    pub longest: usize,
}

impl Framing {
    /// The length in bytes, prefix included, of the packet that starts with `head`; `None` while too
    /// little of it is there to say.
    ///
    /// # Errors
    /// [`Reject::LengthMismatch`] for a length of 0, or one beyond [`Framing::longest`].
    #[inline]
    pub fn packet_len(self, head: &[u8]) -> Result<Option<usize>, Reject> {
        let Some((prefix, _)) = head.split_first_chunk::<PREFIX_LEN>() else {
            return Ok(None);
        };
        let len = PREFIX_LEN + usize::from(self.body_len(*prefix));
        if len == PREFIX_LEN || len > self.longest {
            return Err(Reject::LengthMismatch);
        }
        Ok(Some(len))
    }

    /// The whole packets at the front of `bytes`.
    #[must_use]
    pub const fn split(self, bytes: &[u8]) -> Frames<'_> {
        Frames { framing: self, rest: bytes, whole: bytes.len() }
    }

    /// Whether `packet` is one packet and nothing else.
    ///
    /// # Errors
    /// [`Reject::ShortHeader`] where it has no type, [`Reject::LengthMismatch`] where its length says
    /// otherwise.
    pub(crate) fn whole(self, packet: &[u8]) -> Result<(), Reject> {
        match packet.split_first_chunk::<PREFIX_LEN>() {
            Some((prefix, body)) if !body.is_empty() => {
                let is_whole = usize::from(self.body_len(*prefix)) == body.len();
                if is_whole { Ok(()) } else { Err(Reject::LengthMismatch) }
            }
            _ => Err(Reject::ShortHeader),
        }
    }

    /// Writes the length of what stands in `packet` behind it. `None` where there is no room for it
    /// or the packet would be longer than [`Framing::longest`].
    pub(crate) fn seal(self, packet: &mut [u8]) -> Option<()> {
        if packet.len() > self.longest {
            return None;
        }
        let (prefix, body) = packet.split_first_chunk_mut::<PREFIX_LEN>()?;
        *prefix = self.prefix_of(u16::try_from(body.len()).ok()?);
        Some(())
    }

    pub(crate) const fn prefix_of(self, body_len: u16) -> [u8; PREFIX_LEN] {
        match self.prefix {
            ByteOrder::Little => body_len.to_le_bytes(),
            ByteOrder::Big => body_len.to_be_bytes(),
        }
    }

    const fn body_len(self, prefix: [u8; PREFIX_LEN]) -> u16 {
        match self.prefix {
            ByteOrder::Little => u16::from_le_bytes(prefix),
            ByteOrder::Big => u16::from_be_bytes(prefix),
        }
    }
}

/// The whole packets at the front of what has been received so far, each with its length in front.
/// What [`Frames::consumed`] counts may be forgotten afterwards; the rest is kept, and looked at again
/// when more is there. A refusal comes up again at every look: the stream is of no use behind it.
#[derive(Clone, Copy, Debug)]
pub struct Frames<'a> {
    framing: Framing,
    /// Behind the packets handed out so far.
    rest: &'a [u8],
    /// Bytes in all.
    whole: usize,
}

impl<'a> Frames<'a> {
    /// Bytes of the packets handed out so far.
    #[must_use]
    pub const fn consumed(&self) -> usize {
        self.whole - self.rest.len()
    }

    /// The next whole packet; `None` where the rest is not a whole one yet.
    ///
    /// # Errors
    /// What [`Framing::packet_len`] refuses.
    #[inline]
    pub fn take_next(&mut self) -> Result<Option<&'a [u8]>, Reject> {
        let Some(len) = self.framing.packet_len(self.rest)? else { return Ok(None) };
        let Some((packet, rest)) = self.rest.split_at_checked(len) else { return Ok(None) };
        self.rest = rest;
        Ok(Some(packet))
    }
}
