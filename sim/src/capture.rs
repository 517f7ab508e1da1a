//! Captures: the messages of a pcap or pcapng file, plain, gzip or zstd, and the same messages cut
//! anew for several lines.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use candor_core::limits::LINES;
use candor_core::{Line, Mono, Nanos, SeqNo, SessionId, WireTime};
use candor_decoders::iex::tp;
use candor_decoders::nasdaq::moldudp64;
use candor_decoders::{Format, net};
use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};
use thiserror::Error;

use crate::publisher::{Framing, LineConfig, Publisher, PublisherConfig, WireClock};

/// Buffer of the reader: more than any block of a capture.
const BUFFER: usize = 1 << 20;

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
    reader: Box<dyn PcapReaderIterator + Send>,
    format: Format,
    /// Nanoseconds of one unit of a frame's fraction of a second; 1,000 in most pcap files.
    unit: u64,
    /// Of each pcapng interface: units a second, seconds to add.
    interfaces: Vec<(u64, i64)>,
    framing: Option<Framing>,
    session: SessionId,
    next: SeqNo,
    ready: VecDeque<CaptureMessage>,
    counts: CaptureCounts,
    over: bool,
}

impl Capture {
    /// Opens a capture of this feed. Compression is told by the file's first bytes.
    ///
    /// # Errors
    /// [`CaptureError`].
    pub fn open(path: impl AsRef<Path>, format: Format) -> Result<Capture, CaptureError> {
        let mut file = File::open(path)?;
        let mut magic = [0; 4];
        let known = file.read(&mut magic)?;
        file.seek(SeekFrom::Start(0))?;
        let file = BufReader::with_capacity(BUFFER, file);
        match &magic[..known] {
            [0x28, 0xb5, 0x2f, 0xfd] => {
                let decoder = ruzstd::decoding::StreamingDecoder::new(file);
                let decoder = decoder.map_err(|error| CaptureError::Broken(error.to_string()))?;
                Capture::read(decoder, format)
            }
            [0x1f, 0x8b, ..] => Capture::read(flate2::bufread::MultiGzDecoder::new(file), format),
            _ => Capture::read(file, format),
        }
    }

    /// Reads a capture that is not compressed.
    ///
    /// # Errors
    /// [`CaptureError::Broken`] where it begins like none.
    pub fn read(
        bytes: impl Read + Send + 'static,
        format: Format,
    ) -> Result<Capture, CaptureError> {
        let reader = create_reader(BUFFER, Whole(bytes)).map_err(broken)?;
        Ok(Capture {
            reader,
            format,
            unit: 1_000,
            interfaces: Vec::new(),
            framing: None,
            session: SessionId::NONE,
            next: SeqNo::FIRST,
            ready: VecDeque::new(),
            counts: CaptureCounts::default(),
            over: false,
        })
    }

    /// The framing and session of the messages; `None` before the first.
    #[must_use]
    pub fn framing(&self) -> Option<Framing> {
        self.framing
    }

    /// What was read so far.
    #[must_use]
    pub fn counts(&self) -> CaptureCounts {
        self.counts
    }

    /// Reads one block of the file; false at its end.
    fn advance(&mut self) -> Result<bool, CaptureError> {
        // The frame is copied out, because the reader lends it and must be moved on.
        let mut frame = Vec::new();
        let (used, at) = match self.reader.next() {
            Ok((used, block)) => {
                (used, stamp(&block, &mut self.unit, &mut self.interfaces, &mut frame))
            }
            Err(PcapError::Eof) => return Ok(false),
            Err(PcapError::Incomplete(_)) => {
                self.reader.refill().map_err(broken)?;
                return Ok(true);
            }
            Err(error) => return Err(broken(error)),
        };
        self.reader.consume(used);
        if let Some(at) = at {
            self.counts.frames += 1;
            if self.take(at, &frame).is_none() {
                self.counts.foreign += 1;
            }
        }
        Ok(true)
    }

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
            if let Some(message) = self.ready.pop_front() {
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

/// Notes what a block says about times, and copies out a frame with its time.
fn stamp(
    block: &PcapBlockOwned<'_>,
    unit: &mut u64,
    interfaces: &mut Vec<(u64, i64)>,
    frame: &mut Vec<u8>,
) -> Option<Nanos> {
    match block {
        PcapBlockOwned::LegacyHeader(header) => {
            *unit = if header.is_nanosecond_precision() { 1 } else { 1_000 };
            None
        }
        PcapBlockOwned::Legacy(packet) => {
            let seconds = u64::from(packet.ts_sec) * 1_000_000_000;
            frame.extend_from_slice(packet.data);
            Some(Nanos(seconds + u64::from(packet.ts_usec) * *unit))
        }
        PcapBlockOwned::NG(Block::SectionHeader(_)) => {
            interfaces.clear();
            None
        }
        PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
            let resolution = interface.ts_resolution().filter(|units| *units > 0);
            interfaces.push((resolution.unwrap_or(1_000_000), interface.ts_offset()));
            None
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
            let (units, offset) = *interfaces.get(packet.if_id as usize)?;
            let time = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
            let nanos = u128::from(time) * 1_000_000_000 / u128::from(units);
            let nanos = i128::try_from(nanos).ok()? + i128::from(offset) * 1_000_000_000;
            // The block pads its data to four bytes.
            frame.extend_from_slice(packet.data.get(..packet.caplen as usize)?);
            u64::try_from(nanos).ok().map(Nanos)
        }
        PcapBlockOwned::NG(_) => None,
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

fn broken<T: core::fmt::Debug>(error: PcapError<T>) -> CaptureError {
    CaptureError::Broken(format!("{error:?}"))
}

/// Fills the buffer it is given where the inner reader stops at a block of its compression: the
/// capture's reader takes a short read for the end of the file's first block.
struct Whole<R>(R);

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if filled == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(filled)
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
