//! Nasdaq's files of ITCH messages, each behind its length, as packets a server would have sent.
//!
//! Such a file has neither packets nor heartbeats. Messages are packed into MoldUDP64 packets of
//! one line, numbered from 1, a packet ending where the next message is a tenth of a millisecond
//! later or does not fit; where the venue was quiet for a second, the heartbeat that a server sends
//! then is put back. Arrival is the time of a packet's last message, in nanoseconds since midnight.

use std::io::{self, BufRead, BufReader, Read};

use candor_core::SeqNo;
use candor_decoders::Format;
use candor_decoders::nasdaq::moldudp64::Writer;

use super::pcap::{Broken, Step};

/// What fits an Ethernet frame.
const PAYLOAD_BYTES: usize = 1_472;

/// Messages within this time go together.
const TOGETHER_NS: u64 = 100_000;

/// A server's heartbeat interval.
const HEARTBEAT_NS: u64 = 1_000_000_000;

/// The session such packets carry.
const SESSION: [u8; 10] = *b"ITCHFILE  ";

/// A file of messages being read.
pub(super) struct Itch {
    bytes: BufReader<Box<dyn Read + Send>>,
    /// How many bytes were taken.
    offset: u64,
    next: SeqNo,
    /// The message that begins the next packet, without its length; empty when none is read.
    message: Vec<u8>,
    /// When the last packet was sent; 0 before the first.
    last: u64,
    buffer: Box<[u8]>,
}

/// Whether a file that begins with these bytes is one: a message of a known type and exactly its
/// length.
pub(super) fn recognise(head: &[u8]) -> bool {
    let [high, low, kind, ..] = *head else { return false };
    let len = usize::from(u16::from_be_bytes([high, low]));
    Format::NasdaqItch50.layout_len(kind) == Some(len)
}

impl Itch {
    pub(super) fn open(bytes: Box<dyn Read + Send>) -> Itch {
        Itch {
            bytes: BufReader::with_capacity(256 << 10, bytes),
            offset: 0,
            next: SeqNo::FIRST,
            message: Vec::with_capacity(PAYLOAD_BYTES),
            last: 0,
            buffer: vec![0; PAYLOAD_BYTES].into_boxed_slice(),
        }
    }

    /// Delivers the next packet with its time.
    pub(super) fn step(&mut self, deliver: &mut dyn FnMut(u64, &[u8])) -> Result<Step, Broken> {
        if self.message.is_empty() && !self.read()? {
            return Ok(Step::End);
        }
        let first = self.time();
        if self.last != 0 && first > self.last.saturating_add(HEARTBEAT_NS) {
            self.last += HEARTBEAT_NS;
            if let Some(packet) = Writer::new(&mut self.buffer, SESSION, self.next) {
                deliver(self.last, packet.finish());
            }
            return Ok(Step::Frame);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let packed = self.pack(&mut buffer, first, deliver);
        self.buffer = buffer;
        packed.map(|()| Step::Frame)
    }

    fn pack(
        &mut self,
        buffer: &mut [u8],
        first: u64,
        deliver: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<(), Broken> {
        let Some(mut packet) = Writer::new(buffer, SESSION, self.next) else { return Ok(()) };
        let mut broken = None;
        // BOUND: every turn takes a message off the file, or ends the packet.
        while self.time() <= first.saturating_add(TOGETHER_NS) {
            if packet.push(&self.message).is_err() {
                if packet.count() == 0 {
                    let len = self.message.len();
                    return Err(self.broken(format!("a message of {len} bytes")));
                }
                break;
            }
            self.last = self.last.max(self.time());
            self.next = self.next.next();
            match self.read() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        // What was read before the file broke is delivered; then the file ends here.
        deliver(self.last, packet.finish());
        match broken {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Reads the next message. `false` at the end of the file, which must be behind a message.
    fn read(&mut self) -> Result<bool, Broken> {
        self.message.clear();
        match self.bytes.fill_buf().map(<[u8]>::is_empty) {
            Ok(false) => {}
            Ok(true) => return Ok(false),
            Err(error) => return Err(self.broken(error.to_string())),
        }
        let mut len = [0; 2];
        self.exact(&mut len)?;
        let len = u16::from_be_bytes(len);
        if len == 0 {
            return Err(self.broken("a message of no length".to_owned()));
        }
        let mut message = std::mem::take(&mut self.message);
        message.resize(usize::from(len), 0);
        let read = self.exact(&mut message);
        self.message = message;
        if read.is_err() {
            self.message.clear();
        }
        read?;
        self.offset += 2 + u64::from(len);
        Ok(true)
    }

    fn exact(&mut self, buffer: &mut [u8]) -> Result<(), Broken> {
        self.bytes.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                self.broken("cut off: the file ends within a message".to_owned())
            }
            _ => self.broken(error.to_string()),
        })
    }

    /// The message's time: six bytes behind its type, locate and tracking number; the last known
    /// where it is too short to have one. Never 0, which stands for "never".
    fn time(&self) -> u64 {
        match self.message.get(5..11) {
            Some(&[a, b, c, d, e, f]) => u64::from_be_bytes([0, 0, a, b, c, d, e, f]).max(1),
            _ => self.last.max(1),
        }
    }

    fn broken(&self, what: String) -> Broken {
        Broken { what, offset: self.offset }
    }
}
