//! Captures made for tests, whole in memory.

use std::io::Write;

use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// Frames and when they were captured, in nanoseconds since the Unix epoch.
pub type Stamped = (u64, Vec<u8>);

const SECOND: u64 = 1_000_000_000;

/// The shape of a pcap file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Its numbers have the most significant byte first.
    pub big_endian: bool,
    /// Its times are nanoseconds, not microseconds.
    pub nanos: bool,
}

impl Shape {
    /// Nanoseconds, little-endian.
    pub const PLAIN: Shape = Shape { big_endian: false, nanos: true };
}

/// A pcap file of Ethernet frames. Times that don't fit its resolution are rounded down.
#[must_use]
pub fn pcap(frames: &[Stamped], shape: Shape) -> Vec<u8> {
    let order = Order { big: shape.big_endian };
    let mut file = Vec::new();
    file.extend(order.word(if shape.nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }));
    file.extend(order.half(2));
    file.extend(order.half(4));
    for n in [0, 0, 65_535, 1] {
        file.extend(order.word(n));
    }
    for (at, frame) in frames {
        let part = at % SECOND;
        let fraction = if shape.nanos { part } else { part / 1_000 };
        for n in [at / SECOND, fraction, frame.len() as u64, frame.len() as u64] {
            file.extend(order.word(n as u32));
        }
        file.extend(frame);
    }
    file
}

/// The shape of a section of a pcapng file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Section {
    /// Its numbers have the most significant byte first.
    pub big_endian: bool,
    /// Its interface's time units in a second, as the option `if_tsresol` has it: a power of ten,
    /// or with the upper bit set of two.
    pub resolution: u8,
    /// Seconds its interface says to add to each time, which are taken off here.
    pub offset: u64,
    /// Behind every frame there is a block that nobody reads.
    pub strangers: bool,
}

impl Section {
    /// Nanoseconds, little-endian, nothing but frames.
    pub const PLAIN: Section =
        Section { big_endian: false, resolution: 9, offset: 0, strangers: false };
}

/// A section of a pcapng file: one interface with Ethernet frames. Sections one behind the other
/// are a file.
///
/// # Panics
/// For a time that 64 bits of its units can't hold.
#[must_use]
pub fn pcapng(frames: &[Stamped], section: Section) -> Vec<u8> {
    let order = Order { big: section.big_endian };
    let header =
        [&order.word(0x1a2b_3c4d)[..], &order.half(1), &order.half(0), &[0xff; 8]].concat();
    let mut file = order.block(0x0a0d_0d0a, &header);
    let mut interface = [&order.half(1)[..], &order.half(0), &order.word(0)].concat();
    interface.extend([&order.half(9)[..], &order.half(1), &[section.resolution, 0, 0, 0]].concat());
    if section.offset > 0 {
        let offset = section.offset;
        interface.extend([&order.half(14)[..], &order.half(8)].concat());
        interface.extend(if order.big { offset.to_be_bytes() } else { offset.to_le_bytes() });
    }
    interface.extend([0; 4]);
    file.extend(order.block(1, &interface));
    let exponent = u32::from(section.resolution & 0x7f);
    let units = if section.resolution & 0x80 == 0 { 10u128.pow(exponent) } else { 1 << exponent };
    for (at, frame) in frames {
        let nanos = u128::from(at - section.offset * SECOND);
        let ticks = u64::try_from(nanos * units / u128::from(SECOND)).expect("times have 64 bits");
        let len = order.word(frame.len() as u32);
        let time = [order.word((ticks >> 32) as u32), order.word(ticks as u32)].concat();
        let body = [&order.word(0)[..], &time, &len, &len, frame].concat();
        file.extend(order.block(6, &body));
        if section.strangers {
            file.extend(order.block(5, &[0; 40]));
        }
    }
    file
}

/// Nasdaq's file of messages, each behind its length.
///
/// # Panics
/// For a message of 64 KiB or more.
#[must_use]
pub fn lengths(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for message in messages {
        let len = u16::try_from(message.len()).expect("the length has 16 bits");
        file.extend(len.to_be_bytes());
        file.extend(message);
    }
    file
}

/// Compressed by gzip, in one member.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("memory takes every write")
}

/// Compressed by zstd, in one frame with its checksum.
#[must_use]
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// The byte order of a file.
#[derive(Clone, Copy)]
struct Order {
    big: bool,
}

impl Order {
    fn word(self, n: u32) -> [u8; 4] {
        if self.big { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    fn half(self, n: u16) -> [u8; 2] {
        if self.big { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let len = self.word(body.len() as u32 + 12);
        [&self.word(kind)[..], &len, &body, &len].concat()
    }
}
