//! A received frame, lent.

use candor_ebpf::FrameMeta;

/// A received frame. Borrows packet memory from its batch.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    data: &'a [u8],
    meta: Option<FrameMeta>,
}

impl<'a> Frame<'a> {
    pub(crate) const fn new(data: &'a [u8], meta: Option<FrameMeta>) -> Frame<'a> {
        Frame { data, meta }
    }

    /// The frame from its first byte, the Ethernet header's.
    #[must_use]
    #[inline]
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// What the XDP program found out about it. `None` if a program other than Candor's sent it
    /// here.
    #[must_use]
    #[inline]
    pub const fn meta(&self) -> Option<&FrameMeta> {
        self.meta.as_ref()
    }

    /// The IPv4 packet the metadata names, from its header's first byte to the UDP payload's last, and
    /// where in it the UDP header starts; `None` as [`Frame::payload`].
    #[must_use]
    #[inline]
    pub fn packet(&self) -> Option<(&'a [u8], usize)> {
        let meta = self.meta.as_ref()?;
        let (start, payload) = (usize::from(meta.ip_offset), usize::from(meta.payload_offset));
        let udp_at = payload.checked_sub(start + 8)?;
        let packet = self.data.get(start..)?;
        Some((packet.get(..udp_at + 8 + usize::from(meta.payload_length))?, udp_at))
    }

    /// The UDP payload the metadata names; `None` without metadata, or when what it names isn't in
    /// the frame.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> Option<&'a [u8]> {
        let meta = self.meta.as_ref()?;
        let start = usize::from(meta.payload_offset);
        self.data.get(start..)?.get(..usize::from(meta.payload_length))
    }
}
