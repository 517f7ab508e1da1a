//! Nasdaq's files of ITCH messages, each behind its length, as packets a server would have sent.
//!
//! Such a file has neither packets nor heartbeats. Messages are packed into MoldUDP64 packets of
//! one line, numbered from 1, a packet ending where the next message is a tenth of a millisecond
//! later or does not fit; where the venue was quiet for a second, the heartbeat that a server sends
//! then is put back. Arrival is the time of a packet's last message, in nanoseconds since midnight. The venue's own end of
//! the messages becomes the end of the session.

use candor_capture::{Broken, Capture, Item};
use candor_core::SeqNo;
use candor_decoders::nasdaq::moldudp64::{self, Writer};

/// What fits an Ethernet frame.
const PAYLOAD_BYTES: usize = 1_472;

/// Messages within this time go together.
const TOGETHER_NS: u64 = 100_000;

/// A server's heartbeat interval.
const HEARTBEAT_NS: u64 = 1_000_000_000;

/// The session such packets carry.
const SESSION: [u8; 10] = *b"ITCHFILE  ";

/// Makes packets of a file of messages.
pub(super) struct Itch {
    next: SeqNo,
    /// Whether the file stands at a message that begins the next packet.
    there: bool,
    /// When the last packet was sent; 0 before the first.
    last: u64,
    buffer: Box<[u8]>,
}

impl Itch {
    pub(super) fn new() -> Itch {
        let buffer = vec![0; PAYLOAD_BYTES].into_boxed_slice();
        Itch { next: SeqNo::FIRST, there: false, last: 0, buffer }
    }

    /// Delivers the next packet with its time; `false` at the end.
    pub(super) fn step(
        &mut self,
        file: &mut Capture,
        deliver: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<bool, Broken> {
        if !self.there {
            self.there = file.advance()?.is_some();
        }
        let first = match file.item() {
            None | Some(Item::Frame(_)) => return Ok(false),
            Some(Item::EndOfMessages) => {
                self.there = false;
                deliver(self.last.max(1), &moldudp64::end(SESSION, self.next));
                return Ok(true);
            }
            Some(Item::Message { at, .. }) => time(at),
        };
        if self.last != 0 && first > self.last.saturating_add(HEARTBEAT_NS) {
            self.last += HEARTBEAT_NS;
            deliver(self.last, &moldudp64::heartbeat(SESSION, self.next));
            return Ok(true);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let packed = self.pack(file, &mut buffer, first, deliver);
        self.buffer = buffer;
        packed.map(|()| true)
    }

    fn pack(
        &mut self,
        file: &mut Capture,
        buffer: &mut [u8],
        first: u64,
        deliver: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<(), Broken> {
        let Some(mut packet) = Writer::new(buffer, SESSION, self.next) else { return Ok(()) };
        let mut broken = None;
        // BOUND: every turn takes a message off the file, or ends the packet.
        while let Some(Item::Message { at, bytes }) = file.item() {
            let at = time(at);
            if at > first.saturating_add(TOGETHER_NS) {
                break;
            }
            if packet.push(bytes).is_err() {
                if packet.count() == 0 {
                    let what = format!("a message of {} bytes", bytes.len());
                    return Err(Broken { what, offset: file.offset() });
                }
                break;
            }
            self.last = self.last.max(at);
            self.next = self.next.next();
            match file.advance() {
                Ok(there) => self.there = there.is_some(),
                Err(error) => {
                    self.there = false;
                    broken = Some(error);
                    break;
                }
            }
        }
        // What was read before the file broke is delivered; then the file ends here.
        deliver(self.last, packet.finish());
        broken.map_or(Ok(()), Err)
    }
}

/// Never 0, which stands for "never".
fn time(at: u64) -> u64 {
    at.max(1)
}
