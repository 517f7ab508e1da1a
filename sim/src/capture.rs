//! Captures: the messages of a pcap or pcapng file's packets, and the same messages cut anew for
//! several lines.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::Path;

use candor_capture::{Frame, Item, Kind, OpenError};
use candor_core::limits::LINES;
use candor_core::{Line, Mono, Nanos, SeqNo, SessionId, WireTime};
use candor_decoders::iex::tp;
use candor_decoders::nasdaq::moldudp64;
use candor_decoders::{Format, net};
use thiserror::Error;

use crate::publisher::{Framing, LineConfig, Publisher, PublisherConfig, WireClock};

/// One message of a capture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaptureMessage {
    /// When its packet was captured, by the capture's clock (since the Unix epoch).
    pub at: Nanos,
    /// When the venue sent the packet; the capture's time where the framing does not say.
    pub wire: WireTime,
    /// Its number.
    pub seq: SeqNo,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Why a capture can't be read.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The file can't be read.
    #[error("the capture: {0}")]
    Io(#[from] io::Error),
    /// The file, or what it is compressed to, is no capture, or is broken from here on.
    #[error("the capture is broken: {0}")]
    Broken(String),
}

impl From<OpenError> for CaptureError {
    fn from(error: OpenError) -> CaptureError {
        match error {
            OpenError::Io(error) => CaptureError::Io(error),
            OpenError::NoCapture | OpenError::Broken(_) => CaptureError::Broken(error.to_string()),
        }
    }
}

/// What a capture held besides the messages given out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CaptureCounts {
    /// Frames.
    pub frames: u64,
    /// Frames that are no packet of the feed.
    pub foreign: u64,
    /// Messages of another session than the first, left out.
    pub other_session: u64,
    /// Messages whose number had been before (the other line's copy), left out.
    pub again: u64,
}

/// The messages of a capture in the order of their numbers: the first session's, each number once.
pub struct Capture {
    file: candor_capture::Capture,
    /// A frame of another link layer, made Ethernet.
    relinked: Vec<u8>,
    stream: Stream,
    over: bool,
}

/// The messages as they come out of frames.
struct Stream {
    format: Format,
    framing: Option<Framing>,
    session: SessionId,
    next: SeqNo,
    ready: VecDeque<CaptureMessage>,
    counts: CaptureCounts,
}

impl Capture {
    /// Opens a capture of this feed. What it is and how it is compressed is told by its content.
    ///
    /// # Errors
    /// [`CaptureError`].
    pub fn open(path: impl AsRef<Path>, format: Format) -> Result<Capture, CaptureError> {
        Capture::new(candor_capture::Capture::open(path.as_ref())?, format)
    }

    /// Reads a capture from its first byte on.
    ///
    /// # Errors
    /// [`CaptureError`].
    pub fn read(
        bytes: impl Read + Send + 'static,
        format: Format,
    ) -> Result<Capture, CaptureError> {
        Capture::new(candor_capture::Capture::read(bytes)?, format)
    }

    fn new(file: candor_capture::Capture, format: Format) -> Result<Capture, CaptureError> {
        if file.kind() == Kind::Messages {
            return Err(CaptureError::Broken("it holds messages without packets".to_owned()));
        }
        let stream = Stream {
            format,
            framing: None,
            session: SessionId::NONE,
            next: SeqNo::FIRST,
            ready: VecDeque::new(),
            counts: CaptureCounts::default(),
        };
        Ok(Capture { file, relinked: Vec::new(), stream, over: false })
    }

    /// The framing and session of the messages; `None` before the first.
    #[must_use]
    pub fn framing(&self) -> Option<Framing> {
        self.stream.framing
    }

    /// What was read so far.
    #[must_use]
    pub fn counts(&self) -> CaptureCounts {
        self.stream.counts
    }

    /// Reads one frame of the file; false at its end.
    fn advance(&mut self) -> Result<bool, CaptureError> {
        let more = self.file.advance().map_err(OpenError::Broken)?.is_some();
        if let Some(Item::Frame(Frame { at, link, bytes, .. })) = self.file.item() {
            self.stream.counts.frames += 1;
            if self.stream.take(Nanos(at), link.ethernet(bytes, &mut self.relinked)).is_none() {
                self.stream.counts.foreign += 1;
            }
        }
        Ok(more)
    }
}

impl Stream {
    /// Takes the messages of one frame; `None` where it is no packet of the feed.
    fn take(&mut self, at: Nanos, frame: &[u8]) -> Option<()> {
        let datagram = net::udp(frame).ok()?;
        let packet = self.format.frame(datagram.payload).ok()?;
        if packet.range.is_empty() {
            return Some(());
        }
        if self.framing.is_none() {
            self.framing = Some(framing(self.format, datagram.payload, packet.session)?);
            self.session = packet.session;
        }
        if packet.session != self.session {
            self.counts.other_session += packet.range.len();
            return Some(());
        }
        let wire = packet.send_time.unwrap_or(WireTime(at.0));
        for (seq, bytes) in (packet.range.first.0..).map(SeqNo).zip(packet.messages) {
            if seq < self.next {
                self.counts.again += 1;
                continue;
            }
            self.next = seq.next();
            self.ready.push_back(CaptureMessage { at, wire, seq, bytes: bytes.to_vec() });
        }
        Some(())
    }
}

impl Iterator for Capture {
    type Item = Result<CaptureMessage, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(message) = self.stream.ready.pop_front() {
                return Some(Ok(message));
            }
            if self.over {
                return None;
            }
            match self.advance() {
                Ok(more) => self.over = !more,
                Err(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

fn framing(format: Format, payload: &[u8], session: SessionId) -> Option<Framing> {
    match format {
        Format::NasdaqItch50 => Some(Framing::MoldUdp64(moldudp64::session_name(session))),
        Format::IexDeep | Format::IexTops => {
            let (header, _) = tp::segment(payload).ok()?;
            Some(Framing::IexTp(tp::Stream {
                protocol: header.protocol.get(),
                channel: header.channel.get(),
                session: header.session.get(),
            }))
        }
    }
}

/// A capture's time as ours when it is cut anew: its first message comes at one second.
fn shifted(at: Nanos, first: Nanos) -> Mono {
    Mono(1_000_000_000 + at.0.saturating_sub(first.0))
}

/// Cuts a stream of messages anew for each line, with the line's packing and faults: the packets
/// with the times at which they are sent, in that order, heartbeats of idle times among them. The
/// first message comes at one second; numbers that are missing between messages stay missing.
///
/// # Panics
/// When a message fits no packet of some line.
#[must_use]
pub fn recut(
    messages: &[CaptureMessage],
    framing: Framing,
    lines: [Option<LineConfig>; LINES],
    seed: u64,
) -> Vec<(Mono, Line, Vec<u8>)> {
    let Some(first) = messages.first() else { return Vec::new() };
    let start = shifted(first.at, first.at);
    let clock = WireClock { mono: start, wire: first.wire };
    let defaults = PublisherConfig::new(framing, seed);
    let config = PublisherConfig { first: first.seq, lines, clock, ..defaults };
    let mut publisher = Publisher::new(&config, start);
    let mut packets = Vec::new();
    for message in messages {
        // A capture's clock may step back; the stream goes on at the latest time.
        let now = shifted(message.at, first.at);
        while let Some(due) = publisher.next_due().filter(|due| *due < now) {
            publisher.on_deadline(due);
            drain(&mut publisher, due, &mut packets);
        }
        publisher.advance(now, message.seq);
        publisher.push(now, &message.bytes).expect("every line has room for every message");
    }
    let last = messages.last().map_or(start, |message| shifted(message.at, first.at));
    publisher.cut_all(last);
    drain(&mut publisher, Mono(u64::MAX), &mut packets);
    packets
}

fn drain(publisher: &mut Publisher, now: Mono, packets: &mut Vec<(Mono, Line, Vec<u8>)>) {
    while let Some(packet) = publisher.pop(now) {
        packets.push((packet.due, packet.line, packet.payload));
    }
}
