//! Captures made here: messages, packets, frames, files. And a folder that goes away.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use candor_capture::write::{self, Section, Shape, Stamped};
pub(crate) use candor_capture::write::{gzip, lengths, zstd};
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

/// The same with times in nanoseconds.
fn stamped(frames: &Frames) -> Vec<Stamped> {
    frames.iter().map(|(at, frame)| (at * 1_000, frame.clone())).collect()
}

/// A pcap file with microseconds, little-endian.
pub(crate) fn pcap(frames: &Frames) -> Vec<u8> {
    write::pcap(&stamped(frames), Shape { big_endian: false, nanos: false })
}

/// The same with nanoseconds, big-endian.
pub(crate) fn pcap_big(frames: &Frames) -> Vec<u8> {
    write::pcap(&stamped(frames), Shape { big_endian: true, nanos: true })
}

/// The same as pcapng, in either byte order, with blocks nobody reads in between.
pub(crate) fn pcapng(frames: &Frames, big: bool) -> Vec<u8> {
    let section = Section { big_endian: big, strangers: true, ..Section::PLAIN };
    write::pcapng(&stamped(frames), section)
}
