//! What the program and user space share, byte for byte as in `program.bpf.c`.
//!
//! Integers are in the host's byte order unless said otherwise: both sides run on one host.

use core::mem::{offset_of, size_of};

/// First word of a [`FrameMeta`]: `CNDM` in memory on a little-endian host.
pub const FRAME_META_MAGIC: u32 = 0x4d44_4e43;

/// What the program found out about a frame. It lies directly in front of the frame's first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct FrameMeta {
    /// [`FRAME_META_MAGIC`].
    pub magic: u32,
    /// The partition named for this group and port by [`crate::Program::set_endpoint`].
    pub partition: u16,
    /// The line named likewise.
    pub line: u8,
    /// None is defined; 0.
    pub flags: u8,
    /// Where the UDP payload starts, in bytes from the frame's first byte.
    pub payload_offset: u16,
    /// Bytes of UDP payload by the UDP header's own length.
    pub payload_length: u16,
    /// Where the IPv4 header starts, in bytes from the frame's first byte. The UDP header is the 8
    /// bytes before the payload; what lies between is the IPv4 header, options included.
    pub ip_offset: u16,
    /// 0.
    pub reserved: u16,
    /// When the program saw the frame: nanoseconds of `CLOCK_BOOTTIME`.
    pub arrival_ns: u64,
}

const _: () = assert!(size_of::<FrameMeta>() == FrameMeta::SIZE);
const _: () = assert!(offset_of!(FrameMeta, magic) == 0);
const _: () = assert!(offset_of!(FrameMeta, partition) == 4);
const _: () = assert!(offset_of!(FrameMeta, line) == 6);
const _: () = assert!(offset_of!(FrameMeta, flags) == 7);
const _: () = assert!(offset_of!(FrameMeta, payload_offset) == 8);
const _: () = assert!(offset_of!(FrameMeta, payload_length) == 10);
const _: () = assert!(offset_of!(FrameMeta, ip_offset) == 12);
const _: () = assert!(offset_of!(FrameMeta, arrival_ns) == 16);
// The kernel takes metadata in multiples of 4 bytes, and at most 32 everywhere.
const _: () = assert!(FrameMeta::SIZE.is_multiple_of(4));
const _: () = assert!(FrameMeta::SIZE <= 32);

impl FrameMeta {
    /// Bytes of metadata in front of a frame.
    pub const SIZE: usize = 24;

    /// The metadata in these bytes; `None` when they don't begin with the magic.
    #[must_use]
    #[inline]
    pub fn from_bytes(bytes: &[u8; FrameMeta::SIZE]) -> Option<FrameMeta> {
        let [m0, m1, m2, m3, p0, p1, line, flags, o0, o1, l0, l1, i0, i1, r0, r1, time @ ..] =
            *bytes;
        let magic = u32::from_ne_bytes([m0, m1, m2, m3]);
        (magic == FRAME_META_MAGIC).then_some(FrameMeta {
            magic,
            partition: u16::from_ne_bytes([p0, p1]),
            line,
            flags,
            payload_offset: u16::from_ne_bytes([o0, o1]),
            payload_length: u16::from_ne_bytes([l0, l1]),
            ip_offset: u16::from_ne_bytes([i0, i1]),
            reserved: u16::from_ne_bytes([r0, r1]),
            arrival_ns: u64::from_ne_bytes(time),
        })
    }
}

/// A multicast group and port: the key of the maps `endpoints` and `unmapped`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(C)]
pub struct Endpoint {
    /// The IPv4 group as on the wire.
    pub group: [u8; 4],
    /// The UDP port as on the wire, big-endian.
    pub port: [u8; 2],
    /// 0.
    pub zero: [u8; 2],
}

const _: () = assert!(size_of::<Endpoint>() == 8);
const _: () = assert!(offset_of!(Endpoint, port) == 4);

impl Endpoint {
    pub(crate) const fn new(group: [u8; 4], port: u16) -> Endpoint {
        Endpoint { group, port: port.to_be_bytes(), zero: [0; 2] }
    }

    pub(crate) const fn to_bytes(self) -> [u8; 8] {
        let [a, b, c, d] = self.group;
        [a, b, c, d, self.port[0], self.port[1], 0, 0]
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Endpoint> {
        let &[a, b, c, d, high, low, _, _] = bytes else { return None };
        Some(Endpoint { group: [a, b, c, d], port: [high, low], zero: [0; 2] })
    }
}

/// Senders that one group and port may have at most, each with a partition and line of its own.
pub const SENDERS: usize = 4;

/// Whose the frames of one sender are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Sender {
    /// The sender's IPv4 address as on the wire; 0.0.0.0 is any.
    pub source: [u8; 4],
    /// The partition's number in the handler.
    pub partition: u16,
    /// The line's number in the partition.
    pub line: u8,
    /// 1; 0 in an entry that says nothing.
    pub used: u8,
}

const _: () = assert!(size_of::<Sender>() == 8);
const _: () = assert!(offset_of!(Sender, partition) == 4);
const _: () = assert!(offset_of!(Sender, line) == 6);
const _: () = assert!(offset_of!(Sender, used) == 7);

/// Where frames of an endpoint belong, by who sent them: the value of the map `endpoints`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Destination {
    /// In no order; any sender stands alone.
    pub senders: [Sender; SENDERS],
}

const _: () = assert!(size_of::<Destination>() == 8 * SENDERS);

impl Destination {
    pub(crate) fn to_bytes(self) -> [u8; 8 * SENDERS] {
        let mut bytes = [0; 8 * SENDERS];
        for (bytes, sender) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.senders) {
            let ([a, b, c, d], [low, high]) = (sender.source, sender.partition.to_ne_bytes());
            *bytes = [a, b, c, d, low, high, sender.line, sender.used];
        }
        bytes
    }

    /// Empty where the bytes are too few.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Destination {
        let mut destination = Destination::default();
        for (sender, bytes) in destination.senders.iter_mut().zip(bytes.as_chunks::<8>().0) {
            let [a, b, c, d, low, high, line, used] = *bytes;
            let partition = u16::from_ne_bytes([low, high]);
            *sender = Sender { source: [a, b, c, d], partition, line, used };
        }
        destination
    }

    /// Whether it names nobody.
    pub(crate) fn is_empty(&self) -> bool {
        self.senders.iter().all(|sender| sender.used == 0)
    }

    /// Whether it names a sender beside which `source` can't stand: any beside one.
    pub(crate) fn excludes(&self, source: [u8; 4]) -> bool {
        let any = |source: [u8; 4]| source == [0; 4];
        self.senders.iter().any(|other| other.used == 1 && any(other.source) != any(source))
    }

    /// Names a sender or changes what it stands for; `false` where there is no room.
    pub(crate) fn set(&mut self, sender: Sender) -> bool {
        let senders = &mut self.senders;
        let same = |other: &Sender| other.used == 1 && other.source == sender.source;
        let place = senders.iter().position(same);
        match place.or_else(|| senders.iter().position(|other| other.used == 0)) {
            Some(place) => senders[place] = Sender { used: 1, ..sender },
            None => return false,
        }
        true
    }

    /// Unnames a sender.
    pub(crate) fn clear(&mut self, source: [u8; 4]) {
        for sender in &mut self.senders {
            if sender.source == source {
                *sender = Sender::default();
            }
        }
    }
}

/// A group and port and who sent to it: the key of the map `others`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(C)]
pub struct Other {
    /// The group and port.
    pub to: Endpoint,
    /// The sender's IPv4 address as on the wire.
    pub source: [u8; 4],
}

const _: () = assert!(size_of::<Other>() == 12);
const _: () = assert!(offset_of!(Other, source) == 8);

impl Other {
    pub(crate) const fn to_bytes(self) -> [u8; 12] {
        let [a, b, c, d, high, low, _, _] = self.to.to_bytes();
        let [e, f, g, h] = self.source;
        [a, b, c, d, high, low, 0, 0, e, f, g, h]
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Other> {
        let (to, source) = bytes.split_last_chunk::<4>()?;
        Some(Other { to: Endpoint::from_bytes(to)?, source: *source })
    }
}

/// What was seen of an endpoint nobody has named, or of a sender: the value of the maps `unmapped` and
/// `others`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Seen {
    /// Frames.
    pub packets: u64,
    /// Bytes of whole frames.
    pub bytes: u64,
    /// When the last one came: nanoseconds of `CLOCK_BOOTTIME`.
    pub last_ns: u64,
}

const _: () = assert!(size_of::<Seen>() == 24);

impl Seen {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Seen> {
        let mut words = words(bytes);
        Some(Seen { packets: words.next()?, bytes: words.next()?, last_ns: words.next()? })
    }
}

/// What became of the frames the program has seen; every frame is in exactly one counter. The
/// kernel keeps them by CPU, this is their sum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct ProgramCounters {
    /// Frames of a named endpoint, handed to the socket of their queue. Whether the socket had
    /// room for them is in the socket's own statistics.
    pub redirected: u64,
    /// Frames of a named endpoint on a queue without a socket: passed to the host.
    pub no_socket: u64,
    /// Frames that are nobody's market data: passed to the host.
    pub passed: u64,
    /// Multicast UDP to an endpoint nobody has named: passed to the host, listed by
    /// [`crate::Program::unmapped`].
    pub unmapped: u64,
    /// Fragments of multicast UDP: passed to the host. No venue sends any.
    pub fragments: u64,
    /// Multicast UDP whose IP, UDP and frame lengths contradict each other: passed to the host.
    pub malformed: u64,
    /// Frames of a named endpoint that had no room for metadata: passed to the host.
    pub meta_failed: u64,
    /// Frames of a named endpoint from a sender that isn't named there: passed to the host, listed
    /// by [`crate::Program::other_sources`].
    pub other_source: u64,
}

const _: () = assert!(size_of::<ProgramCounters>() == 64);
const _: () = assert!(offset_of!(ProgramCounters, unmapped) == 24);
const _: () = assert!(offset_of!(ProgramCounters, meta_failed) == 48);
const _: () = assert!(offset_of!(ProgramCounters, other_source) == 56);

impl ProgramCounters {
    /// Frames seen: the sum of the counters.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.redirected
            + self.no_socket
            + self.passed
            + self.unmapped
            + self.fragments
            + self.malformed
            + self.meta_failed
            + self.other_source
    }

    /// Adds one CPU's counters; `None` when the bytes are too few.
    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let mut words = words(bytes);
        for counter in [
            &mut self.redirected,
            &mut self.no_socket,
            &mut self.passed,
            &mut self.unmapped,
            &mut self.fragments,
            &mut self.malformed,
            &mut self.meta_failed,
            &mut self.other_source,
        ] {
            *counter += words.next()?;
        }
        Some(())
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_is_read_as_it_is_laid_out() {
        let mut bytes = [0_u8; FrameMeta::SIZE];
        bytes[0..4].copy_from_slice(b"CNDM");
        bytes[4..6].copy_from_slice(&513_u16.to_ne_bytes());
        bytes[6] = 1;
        bytes[8..10].copy_from_slice(&42_u16.to_ne_bytes());
        bytes[10..12].copy_from_slice(&1400_u16.to_ne_bytes());
        bytes[12..14].copy_from_slice(&18_u16.to_ne_bytes());
        bytes[16..24].copy_from_slice(&123_456_789_012_u64.to_ne_bytes());
        let meta = FrameMeta::from_bytes(&bytes).unwrap();
        assert_eq!((meta.partition, meta.line), (513, 1));
        assert_eq!((meta.payload_offset, meta.payload_length), (42, 1400));
        assert_eq!((meta.ip_offset, meta.arrival_ns), (18, 123_456_789_012));
        bytes[0] = 0;
        assert_eq!(FrameMeta::from_bytes(&bytes), None);
    }

    #[test]
    fn senders_are_set_changed_and_cleared() {
        let from =
            |last: u8, partition| Sender { source: [10, 0, 0, last], partition, line: 1, used: 1 };
        let mut destination = Destination::default();
        assert!(destination.is_empty() && !destination.excludes([0; 4]));
        for last in 1..=4 {
            assert!(destination.set(from(last, 7)));
        }
        assert!(!destination.set(from(5, 7)), "it has its four");
        assert!(destination.set(from(4, 8)), "a change needs no room");
        assert!(destination.excludes([0; 4]) && !destination.excludes([10, 0, 0, 9]));
        assert_eq!(Destination::from_bytes(&destination.to_bytes()), destination);
        destination.clear([10, 0, 0, 1]);
        assert!(destination.set(from(5, 513)));
        assert_eq!(destination.senders.map(|sender| sender.source[3]), [5, 2, 3, 4]);
        assert_eq!(destination.senders.map(|sender| sender.partition), [513, 7, 7, 8]);
        (2..=5).for_each(|last| destination.clear([10, 0, 0, last]));
        assert!(destination.is_empty());
        assert!(destination.set(Sender { source: [0; 4], ..from(0, 1) }));
        assert!(destination.excludes([10, 0, 0, 1]) && !destination.excludes([0; 4]));
    }

    #[test]
    fn other_bytes_are_wire_order() {
        let other = Other { to: Endpoint::new([239, 1, 2, 3], 0x1234), source: [10, 0, 0, 9] };
        assert_eq!(other.to_bytes(), [239, 1, 2, 3, 0x12, 0x34, 0, 0, 10, 0, 0, 9]);
        assert_eq!(Other::from_bytes(&other.to_bytes()), Some(other));
        assert_eq!(Other::from_bytes(&[0; 11]), None);
    }

    #[test]
    fn endpoint_bytes_are_wire_order() {
        let endpoint = Endpoint::new([239, 1, 2, 3], 0x1234);
        assert_eq!(endpoint.to_bytes(), [239, 1, 2, 3, 0x12, 0x34, 0, 0]);
        assert_eq!(Endpoint::from_bytes(&endpoint.to_bytes()), Some(endpoint));
        assert_eq!(Endpoint::from_bytes(&[0; 7]), None);
    }
}
