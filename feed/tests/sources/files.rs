//! Capture files, written for tests.

use candor_decoders::net::{HEADERS_LEN, Route, udp_frame};

use crate::scene::Sent;

/// A captured frame: nanoseconds since the Unix epoch, and its bytes.
pub type Stamped = (u64, Vec<u8>);

/// When the first frame was captured.
pub const BEGIN: u64 = 1_784_000_000_123_456_000;

/// Frames of datagrams, a microsecond apart.
pub fn frames(sent: &[Sent]) -> Vec<Stamped> {
    (0u64..).zip(sent).map(|(n, sent)| (BEGIN + n * 1_000, frame(sent))).collect()
}

pub fn frame(sent: &Sent) -> Vec<u8> {
    let mut buffer = vec![0; HEADERS_LEN + 8 + sent.payload.len()];
    let route = Route {
        source_mac: [2, 0, 0, 0, 0, 1],
        source: [10, 0, 0, 1],
        group: sent.group.octets(),
        source_port: 9,
        port: sent.port,
        vlans: [None, None],
    };
    udp_frame(&mut buffer, &route, &sent.payload).unwrap().to_vec()
}

/// The shapes of a pcap file.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub big_endian: bool,
    pub nanos: bool,
}

pub fn pcap(frames: &[Stamped], shape: Shape) -> Vec<u8> {
    let word = |n: u32| if shape.big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
    let half = |n: u16| if shape.big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
    let mut file = Vec::new();
    file.extend(word(if shape.nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }));
    file.extend(half(2));
    file.extend(half(4));
    for n in [0, 0, 65_535, 1] {
        file.extend(word(n));
    }
    for (at, frame) in frames {
        let part = at % 1_000_000_000;
        file.extend(word((at / 1_000_000_000) as u32));
        file.extend(word(if shape.nanos { part } else { part / 1_000 } as u32));
        file.extend(word(frame.len() as u32));
        file.extend(word(frame.len() as u32));
        file.extend(frame);
    }
    file
}

/// A pcapng file of two sections, each with an interface of its own resolution.
pub fn pcapng(frames: &[Stamped]) -> Vec<u8> {
    let (first, second) = frames.split_at(frames.len() / 2);
    let mut file = section(first, 9, 1);
    file.extend(section(second, 6, 1_000));
    file
}

fn section(frames: &[Stamped], resolution: u8, unit: u64) -> Vec<u8> {
    let mut file = block(0x0a0d_0d0a, &{
        let mut body = 0x1a2b_3c4du32.to_le_bytes().to_vec();
        body.extend([1, 0, 0, 0]);
        body.extend((-1i64).to_le_bytes());
        body
    });
    // Link type 1, then the option if_tsresol (9), then the end of options.
    let interface = [1, 0, 0, 0, 0, 0, 4, 0, 9, 0, 1, 0, resolution, 0, 0, 0, 0, 0, 0, 0];
    file.extend(block(1, &interface));
    for (at, frame) in frames {
        let units = at / unit;
        let mut body = 0u32.to_le_bytes().to_vec();
        body.extend(((units >> 32) as u32).to_le_bytes());
        body.extend((units as u32).to_le_bytes());
        body.extend((frame.len() as u32).to_le_bytes());
        body.extend((frame.len() as u32).to_le_bytes());
        body.extend(frame);
        body.resize(body.len().next_multiple_of(4), 0);
        file.extend(block(6, &body));
    }
    file
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let len = (12 + body.len()) as u32;
    let mut block = kind.to_le_bytes().to_vec();
    block.extend(len.to_le_bytes());
    block.extend(body);
    block.extend(len.to_le_bytes());
    block
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A message of Nasdaq's file framing: an ITCH system event at this time of day.
pub fn system_event(at: u64) -> Vec<u8> {
    let mut message = vec![0, 12, b'S', 0, 0, 0, 0];
    message.extend(&at.to_be_bytes()[2..]);
    message.push(b'O');
    message
}

/// A file that is gone when the test is.
pub struct Temporary(pub std::path::PathBuf);

impl Temporary {
    pub fn new(name: &str, bytes: &[u8]) -> Temporary {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("candor-{}-{n}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).unwrap();
        Temporary(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
