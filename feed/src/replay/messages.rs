//! Files of messages without packets: packed into packets of our own, numbered from 1, so that they
//! take the same way as everything else.

use candor_core::{Mono, SeqNo};
use candor_decoders::IntoBytes;
use candor_decoders::nasdaq::moldudp64::{END_OF_SESSION, HEADER_LEN, Header};

/// The session of packets nobody sent.
const SESSION: [u8; 10] = *b"FILE      ";

/// A packet is full from here on: what a venue would put into one.
const FULL: usize = 1_400;

/// Packs messages.
pub(super) struct Packer {
    packet: Vec<u8>,
    count: u16,
    next: SeqNo,
    time: Mono,
    /// What the first message is: `None` before it.
    starts: Option<bool>,
}

impl Packer {
    pub(super) fn new() -> Packer {
        Packer {
            packet: vec![0; HEADER_LEN],
            count: 0,
            next: SeqNo::FIRST,
            time: Mono::NEVER,
            starts: None,
        }
    }

    /// Whether there were messages and the first was not the start of a day's, which ITCH says with
    /// system event `O`: the file was cut out of the middle.
    pub(super) fn is_cut(&self) -> bool {
        self.starts == Some(false)
    }

    /// Adds a message. True when the packet is to be taken.
    pub(super) fn push(&mut self, message: &[u8]) -> bool {
        let is_start = message.first() == Some(&b'S') && message.get(11) == Some(&b'O');
        self.starts.get_or_insert(is_start);
        // The capture's lengths have 16 bits.
        self.packet.extend_from_slice(&(message.len() as u16).to_be_bytes());
        self.packet.extend_from_slice(message);
        self.count += 1;
        // ITCH: nanoseconds since midnight in the six bytes at 5. A message without is as old as
        // the one before it.
        if let Some(&[a, b, c, d, e, f]) = message.get(5..11) {
            self.time = self.time.max(Mono(u64::from_be_bytes([0, 0, a, b, c, d, e, f])));
        }
        self.packet.len() >= FULL
    }

    /// The packet and its time; `None` when there is none.
    pub(super) fn take(&mut self) -> Option<(Mono, &[u8])> {
        (self.count > 0).then(|| self.finish(self.count))
    }

    /// The end of the session.
    pub(super) fn end(&mut self) -> (Mono, &[u8]) {
        assert_eq!(self.count, 0, "messages before the end are taken first");
        self.finish(END_OF_SESSION)
    }

    fn finish(&mut self, count: u16) -> (Mono, &[u8]) {
        let header = Header { session: SESSION, sequence: self.next.0.into(), count: count.into() };
        self.packet[..HEADER_LEN].copy_from_slice(header.as_bytes());
        self.next = SeqNo(self.next.0 + u64::from(self.count));
        (self.time, &self.packet)
    }

    /// Makes room, after the packet was used.
    pub(super) fn clear(&mut self) {
        self.packet.truncate(HEADER_LEN);
        self.count = 0;
    }
}
