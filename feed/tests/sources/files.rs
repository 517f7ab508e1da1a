//! Capture files, written for tests.

use candor_capture::write::{self, Section, Stamped};
use candor_decoders::net::{HEADERS_LEN, Route, udp_frame};

use crate::scene::Sent;

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

/// A pcapng file of two sections, each with an interface of its own resolution.
pub fn pcapng(frames: &[Stamped]) -> Vec<u8> {
    let (first, second) = frames.split_at(frames.len() / 2);
    let mut file = write::pcapng(first, Section::PLAIN);
    file.extend(write::pcapng(second, Section { resolution: 6, ..Section::PLAIN }));
    file
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
