//! Captures made here: messages, packets, frames, files. And a folder that goes away.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use candor_core::{SeqNo, WireTime};
use candor_decoders::nasdaq::itch50::{AddOrder, OrderDelete, Prefix, StockDirectory, SystemEvent};
use candor_decoders::nasdaq::moldudp64::{self, Writer};
use candor_decoders::net::{Route, udp_frame};
use candor_decoders::{IntoBytes, alpha};

pub(crate) const SESSION: &[u8; 10] = b"20261121A ";

/// A folder of one test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("candor-replay-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a replay left.
pub(crate) struct Run {
    pub(crate) output: Output,
    pub(crate) books: String,
    pub(crate) counts: serde_json::Value,
}

impl Run {
    pub(crate) fn code(&self) -> i32 {
        self.output.status.code().unwrap()
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}

/// Replays with both outputs; those not written are empty.
pub(crate) fn replay(folder: &Folder, feed: &str, captures: &[&Path], more: &[&str]) -> Run {
    let (books, counts) = (folder.path("books.csv"), folder.path("counts.json"));
    let output = Command::new(env!("CARGO_BIN_EXE_candor"))
        .arg("replay")
        .args(captures)
        .args(["--feed", feed, "--books"])
        .arg(&books)
        .arg("--counts")
        .arg(&counts)
        .args(more)
        .output()
        .unwrap();
    let counts = std::fs::read(counts).unwrap_or_default();
    Run {
        output,
        books: std::fs::read_to_string(books).unwrap_or_default(),
        counts: serde_json::from_slice(&counts).unwrap_or_default(),
    }
}

/// Nine hours and a half in nanoseconds, and a little more with each number.
fn time(seq: u64) -> WireTime {
    WireTime(34_200_000_000_000 + seq)
}

/// The first message of a day.
pub(crate) fn start() -> Vec<u8> {
    let message = SystemEvent { prefix: Prefix::of::<SystemEvent>(0, time(0)), event: b'O' };
    message.as_bytes().to_vec()
}

pub(crate) fn directory(locate: u16, symbol: &str) -> Vec<u8> {
    let mut message = StockDirectory {
        prefix: Prefix::of::<StockDirectory>(locate, time(0)),
        stock: alpha(symbol).unwrap(),
        market_category: b'Q',
        financial_status: b'N',
        round_lot: 100.into(),
        round_lots_only: b'N',
        classification: b'C',
        sub_type: *b"Z ",
        authenticity: b'P',
        short_sale_threshold: b'N',
        ipo_flag: b'N',
        luld_tier: b'1',
        etp_flag: b'N',
        etp_leverage: 0.into(),
        inverse: b'N',
    };
    message.prefix.locate = locate.into();
    message.as_bytes().to_vec()
}

pub(crate) fn add(
    locate: u16,
    symbol: &str,
    order: u64,
    side: u8,
    shares: u32,
    price: u32,
) -> Vec<u8> {
    let message = AddOrder {
        prefix: Prefix::of::<AddOrder>(locate, time(order)),
        order: order.into(),
        side,
        shares: shares.into(),
        stock: alpha(symbol).unwrap(),
        price: price.into(),
    };
    message.as_bytes().to_vec()
}

pub(crate) fn delete(locate: u16, order: u64) -> Vec<u8> {
    let message =
        OrderDelete { prefix: Prefix::of::<OrderDelete>(locate, time(order)), order: order.into() };
    message.as_bytes().to_vec()
}

/// A MoldUDP64 packet.
pub(crate) fn packet(session: &[u8; 10], first: u64, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut buffer = [0; 1400];
    let mut writer = Writer::new(&mut buffer, *session, SeqNo(first)).unwrap();
    for message in messages {
        writer.push(message).unwrap();
    }
    writer.finish().to_vec()
}

pub(crate) fn heartbeat(session: &[u8; 10], next: u64) -> Vec<u8> {
    moldudp64::heartbeat(*session, SeqNo(next)).to_vec()
}

/// An Ethernet frame to 239.0.0.`group`:`port`.
pub(crate) fn frame(group: u8, port: u16, payload: &[u8]) -> Vec<u8> {
    let route = Route {
        source_mac: [2, 0, 0, 0, 0, 1],
        source: [10, 0, 0, 1],
        group: [239, 0, 0, group],
        source_port: 4_000,
        port,
        vlans: [None, None],
    };
    let mut buffer = [0; 2000];
    udp_frame(&mut buffer, &route, payload).unwrap().to_vec()
}

/// Frames and when they were captured, in microseconds.
pub(crate) type Frames = Vec<(u64, Vec<u8>)>;

/// A pcap file with microseconds, little-endian.
pub(crate) fn pcap(frames: &Frames) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend(65_535u32.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    for (at, frame) in frames {
        for word in [at / 1_000_000, at % 1_000_000, frame.len() as u64, frame.len() as u64] {
            file.extend((word as u32).to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// The same with nanoseconds, big-endian.
pub(crate) fn pcap_big(frames: &Frames) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_3c4d_u32.to_be_bytes());
    file.extend([0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend(65_535u32.to_be_bytes());
    file.extend(1u32.to_be_bytes());
    for (at, frame) in frames {
        let nanos = at % 1_000_000 * 1_000;
        for word in [at / 1_000_000, nanos, frame.len() as u64, frame.len() as u64] {
            file.extend((word as u32).to_be_bytes());
        }
        file.extend(frame);
    }
    file
}

/// The same as pcapng, in either byte order, with blocks nobody reads in between.
pub(crate) fn pcapng(frames: &Frames, big: bool) -> Vec<u8> {
    let word = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let half = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let block = |kind: u32, body: &[u8]| {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let len = word(body.len() as u32 + 12);
        [&word(kind)[..], &len, &body, &len].concat()
    };
    let mut file = Vec::new();
    let section = [&word(0x1a2b_3c4d)[..], &half(1), &half(0), &[0xff; 8]].concat();
    file.extend(block(0x0a0d_0d0a, &section));
    // Ethernet, with nanoseconds.
    let interface =
        [&half(1)[..], &half(0), &word(0), &half(9), &half(1), &[9, 0, 0, 0], &[0; 4]].concat();
    file.extend(block(1, &interface));
    for (at, frame) in frames {
        let nanos = at * 1_000;
        let len = word(frame.len() as u32);
        let time = [word((nanos >> 32) as u32), word(nanos as u32)].concat();
        file.extend(block(6, &[&word(0)[..], &time, &len, &len, frame].concat()));
        file.extend(block(5, &[0; 40]));
    }
    file
}

/// Nasdaq's file of messages.
pub(crate) fn lengths(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for message in messages {
        file.extend((message.len() as u16).to_be_bytes());
        file.extend(message);
    }
    file
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}
