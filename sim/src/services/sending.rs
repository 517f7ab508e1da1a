//! A snapshot on its way down a connection, with the faults that hit it.

use std::sync::Arc;

use candor_decoders::iex::snap;

use super::faults::ServiceFaults;
use super::image::{Cursor, Image};

/// Room for a packet of any snapshot protocol.
pub(super) const PACKET: usize = 1_024;

/// What happens to a snapshot half way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stop {
    Hang,
    Close,
    /// In the middle of the next message.
    Cut,
}

/// What became of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// There is more of it.
    More,
    /// All messages are out.
    Done,
    /// Nothing will follow, and nobody says so.
    Hung,
    /// The connection is to be closed.
    Broken,
}

/// A snapshot under way.
#[derive(Clone, Debug)]
pub(super) struct Sending {
    pub(super) image: Arc<Image>,
    cursor: Cursor,
    stop: Option<Stop>,
    breaks: bool,
    leaves_out: bool,
    left_out: u64,
}

impl Sending {
    pub(super) fn new(image: Arc<Image>, faults: &ServiceFaults) -> Sending {
        let stop = match faults {
            ServiceFaults { lost_part: true, .. } => Some(Stop::Cut),
            ServiceFaults { hang: true, .. } => Some(Stop::Hang),
            ServiceFaults { partial: true, .. } => Some(Stop::Close),
            _ => None,
        };
        let (breaks, leaves_out) = (faults.broken_snapshot, faults.lost_packet);
        Sending { image, cursor: Cursor::default(), stop, breaks, leaves_out, left_out: 0 }
    }

    /// Messages out so far.
    pub(super) fn sent(&self) -> u64 {
        self.cursor.count - self.left_out
    }

    /// The length that SNAP tells, in bytes of whole data packets: of the readings that its specification
    /// allows the one which nothing else than all of them comes to. A packet that gets lost counts, as
    /// the server does not know of it; a message that is broken counts as it is sent, so that whoever
    /// takes the length for proof has to see by the message that it is broken.
    pub(super) fn byte_len(&self) -> u64 {
        let half = (self.image.count / 2) as usize;
        let broken = self.breaks.then(|| self.image.messages().nth(half)).flatten();
        let cut = broken.map_or(0, |message| message.len() - message.len() / 2);
        self.image.byte_len() + self.image.count * snap::DATA_HEAD as u64 - cut as u64
    }

    /// Appends packets to `out` until it holds `enough` bytes. `wrap` makes a packet of a message.
    pub(super) fn fill(
        &mut self,
        out: &mut Vec<u8>,
        enough: usize,
        wrap: impl for<'b> Fn(&[u8], &'b mut [u8; PACKET]) -> Option<&'b [u8]>,
    ) -> Progress {
        let half = self.image.count / 2;
        let mut packet = [0; PACKET];
        while out.len() < enough {
            let nth = self.cursor.count;
            let stop = self.stop.filter(|_| nth == half);
            match stop {
                Some(Stop::Hang) => return Progress::Hung,
                Some(Stop::Close) => return Progress::Broken,
                Some(Stop::Cut) | None => {}
            }
            let Some(message) = self.image.read(&mut self.cursor) else { return Progress::Done };
            if self.leaves_out && nth == half {
                self.left_out += 1;
                continue;
            }
            let broken = self.breaks && nth == half;
            let message = if broken { &message[..message.len() / 2] } else { message };
            // A message that no packet holds can't be had from this service.
            let Some(packet) = wrap(message, &mut packet) else { return Progress::Broken };
            if stop.is_some() {
                out.extend_from_slice(&packet[..packet.len() / 2]);
                return Progress::Broken;
            }
            out.extend_from_slice(packet);
        }
        Progress::More
    }
}
