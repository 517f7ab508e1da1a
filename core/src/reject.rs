//! Why bytes from outside were refused. A reject is an index into counters: no text, no allocation.

macro_rules! rejects {
    ($($(#[doc = $doc:literal])+ $name:ident = $label:literal,)+) => {
        /// Why a frame, a packet or a message was refused.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
        #[repr(u8)]
        pub enum Reject { $($(#[doc = $doc])+ $name,)+ }

        impl Reject {
            /// Every reason, in order of its index.
            pub const ALL: [Reject; [$(Reject::$name),+].len()] = [$(Reject::$name),+];

            /// The reason's name in counters, JSON and metrics.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Reject::$name => $label,)+ }
            }
        }
    };
}

rejects! {
    /// The Ethernet, VLAN, IP or UDP header is cut off.
    FrameTooShort = "frame_too_short",
    /// Neither IPv4 nor a VLAN tag before it.
    NotIpv4 = "not_ipv4",
    /// More than two VLAN tags.
    VlanDepth = "vlan_depth",
    /// An IPv4 header whose version, header length or total length is impossible.
    BadIpHeader = "bad_ip_header",
    /// A fragment of a datagram. Exchanges send none; they are never reassembled.
    Fragment = "fragment",
    /// IPv4, but not UDP.
    NotUdp = "not_udp",
    /// A UDP length that contradicts the IP length.
    BadUdpLength = "bad_udp_length",
    /// UDP to a group and port of no partition.
    NotSubscribed = "not_subscribed",
    /// Shorter than the framing's header.
    ShortHeader = "short_header",
    /// A framing version that isn't known.
    BadVersion = "bad_version",
    /// Framing for another message protocol than the partition's.
    WrongProtocol = "wrong_protocol",
    /// A payload length in the framing that contradicts the datagram's.
    LengthMismatch = "length_mismatch",
    /// A message block reaches past the end of the packet.
    TruncatedMessage = "truncated_message",
    /// Bytes remain behind the last message.
    TrailingBytes = "trailing_bytes",
    /// A first number that can't be, or numbers that run past the end of 64 bits.
    BadSequence = "bad_sequence",
    /// A session name that can't be one.
    BadSession = "bad_session",
    /// A message of a known type, shorter than its layout.
    ShortMessage = "short_message",
    /// A message of a known type with a field that can't hold that value (a side that is neither
    /// buy nor sell, a symbol that is not text).
    BadField = "bad_field",
    /// A frame of several buffers that is longer than the reassembly buffer.
    FrameTooLong = "frame_too_long",
    /// An IPv4 header that contradicts its checksum: it was damaged on the way, and so nobody knows
    /// whose datagram it was.
    BadIpChecksum = "bad_ip_checksum",
    /// A datagram that contradicts its UDP checksum: it was damaged on the way.
    BadUdpChecksum = "bad_udp_checksum",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_differ() {
        let labels: std::collections::BTreeSet<_> = Reject::ALL.iter().map(|r| r.label()).collect();
        assert_eq!(labels.len(), Reject::ALL.len());
        for (index, reject) in Reject::ALL.iter().enumerate() {
            assert_eq!(*reject as usize, index);
        }
    }
}
