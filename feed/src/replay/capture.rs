//! What a capture file holds, whatever its container: frames with times, or messages in order.
//!
//! The container is told by the content, never by the name: pcap (both byte orders, microseconds
//! and nanoseconds), pcapng, or Nasdaq's files of ITCH messages, each behind its length in 16 bits.

use std::path::Path;

use candor_decoders::Format;

use crate::exit::Failure;

use super::input::{Broken, Input};
use super::pcapng::{self, Sections};

/// Longest frame a container may claim: twice the longest IP packet, and room for jumbo captures
/// of loopback interfaces. More is a broken file.
pub(super) const FRAME_MAX: usize = 1 << 18;

/// How a captured packet begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Link {
    Ethernet,
    /// An IP packet without any link layer.
    Raw,
    /// Linux's own, as `tcpdump -i any` writes it, first version.
    Cooked,
    /// The same, second version.
    Cooked2,
    /// Anything else: its frames can't be read.
    Other,
}

impl Link {
    pub(super) const fn of(number: u32) -> Link {
        match number {
            1 => Link::Ethernet,
            12 | 14 | 101 | 228 => Link::Raw,
            113 => Link::Cooked,
            276 => Link::Cooked2,
            _ => Link::Other,
        }
    }
}

/// The next thing in a capture.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'a> {
    /// A frame, and when it was captured in ns since the Unix epoch.
    Frame { at: u64, link: Link, bytes: &'a [u8] },
    /// A message that follows the one before it.
    Message(&'a [u8]),
    /// The venue's own end of the messages.
    EndOfMessages,
}

enum Container {
    Pcap { big: bool, nanos: bool, link: Link },
    PcapNg(Sections),
    Messages,
}

/// A capture file being read.
pub(super) struct Capture {
    input: Input,
    container: Container,
    /// Bytes the item given out last occupies, taken with the next call.
    pending: usize,
    found: Option<Found>,
    /// No more can be read: the file ended, or is broken from here on.
    done: bool,
}

impl Capture {
    /// Opens a file; what it is shows with the first item.
    ///
    /// # Errors
    /// As [`Input::open`], and exit 65 where the content is nothing that can be replayed as `feed`.
    pub(super) fn open(path: &Path, feed: Format) -> Result<Capture, Failure> {
        let mut input = Input::open(path)?;
        let container = detect(&mut input, feed).map_err(|why| Failure::data(why.to_string()))?;
        Ok(Capture { input, container, pending: 0, found: None, done: false })
    }

    /// Bytes of the content read so far.
    pub(super) fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// Moves to the next item and says its time in ns since the Unix epoch; 0 for messages, which
    /// have none here. `None` at the end.
    ///
    /// # Errors
    /// Where the file breaks off. Nothing follows then.
    pub(super) fn advance(&mut self) -> Result<Option<u64>, Broken> {
        self.input.skip(std::mem::take(&mut self.pending));
        self.found = None;
        if self.done || self.input.at_end() {
            return Ok(None);
        }
        // Taken back below: a file that breaks off is not read any further.
        self.done = true;
        let found = match &mut self.container {
            Container::Pcap { big, nanos, link } => {
                let (at, len) = pcap_record(&mut self.input, *big, *nanos)?;
                Found::Frame(Frame { at, link: *link, from: 16, to: 16 + len, len: 16 + len })
            }
            Container::PcapNg(sections) => match pcapng::next(&mut self.input, sections)? {
                Some(frame) => Found::Frame(frame),
                None => return Ok(None),
            },
            Container::Messages => message(&mut self.input)?,
        };
        self.done = false;
        let (at, len) = match found {
            Found::Frame(Frame { at, len, .. }) => (at, len),
            Found::Message { len } => (0, len),
            Found::End => (0, 2),
        };
        self.found = Some(found);
        self.pending = len;
        Ok(Some(at))
    }

    /// The item [`Capture::advance`] moved to.
    pub(super) fn item(&mut self) -> Option<Item<'_>> {
        let bytes = self.input.peek(self.pending);
        Some(match self.found? {
            Found::Frame(Frame { at, link, from, to, .. }) => {
                Item::Frame { at, link, bytes: bytes.get(from..to)? }
            }
            Found::Message { .. } => Item::Message(bytes.get(2..)?),
            Found::End => Item::EndOfMessages,
        })
    }
}

/// What was found, before its bytes are borrowed.
#[derive(Clone, Copy)]
enum Found {
    Frame(Frame),
    Message { len: usize },
    End,
}

/// A captured frame's time, and where it lies in its record of `len` bytes.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) at: u64,
    pub(super) link: Link,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) len: usize,
}

fn detect(input: &mut Input, feed: Format) -> Result<Container, Broken> {
    let front: [u8; 4] = match input.peek(4).try_into() {
        Ok(front) => front,
        Err(_) if feed == Format::NasdaqItch50 && input.peek(4).starts_with(&[0, 0]) => {
            return Ok(Container::Messages);
        }
        Err(_) => return Err(input.cut("the first four bytes")),
    };
    let (big, nanos) = match front {
        [0xd4, 0xc3, 0xb2, 0xa1] => (false, false),
        [0x4d, 0x3c, 0xb2, 0xa1] => (false, true),
        [0xa1, 0xb2, 0xc3, 0xd4] => (true, false),
        [0xa1, 0xb2, 0x3c, 0x4d] => (true, true),
        [0x0a, 0x0d, 0x0d, 0x0a] => return Ok(Container::PcapNg(Sections::default())),
        _ => return messages_file(input, feed),
    };
    let header = input.peek(24);
    let Some(link) = header.get(20..24).map(|link| word(link, big) & 0x0fff_ffff) else {
        return Err(input.cut("the file header"));
    };
    input.skip(24);
    match Link::of(link) {
        Link::Other => Err(input.wrong(format!(
            "a capture of link type {link}, which is neither Ethernet, raw IP nor Linux cooked,"
        ))),
        link => Ok(Container::Pcap { big, nanos, link }),
    }
}

/// A file of messages shows by its first: a known type behind a length it can have.
fn messages_file(input: &mut Input, feed: Format) -> Result<Container, Broken> {
    let front = input.peek(3);
    let known = match front {
        [high, low, kind] if feed == Format::NasdaqItch50 => {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            feed.layout_len(*kind).is_some_and(|least| len >= least && len < 2 * least)
        }
        _ => false,
    };
    if known {
        return Ok(Container::Messages);
    }
    let expected = match feed {
        Format::NasdaqItch50 => "neither pcap, pcapng nor length-prefixed ITCH messages, as told",
        _ => "neither pcap nor pcapng, as told",
    };
    Err(input.wrong(expected))
}

/// A 32-bit number in the file's byte order; the slice has four bytes.
pub(super) fn word(bytes: &[u8], big: bool) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[..4]);
    if big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
}

/// The time and length of the record at the front, which is there whole.
fn pcap_record(input: &mut Input, big: bool, nanos: bool) -> Result<(u64, usize), Broken> {
    let header = input.peek(16);
    if header.len() < 16 {
        return Err(input.cut("a packet's header"));
    }
    let field = |at: usize| word(&header[at..], big);
    let (seconds, fraction, len) = (u64::from(field(0)), u64::from(field(4)), field(8) as usize);
    if len > FRAME_MAX {
        return Err(input.wrong(format!("a packet of {len} bytes can't be:")));
    }
    if input.peek(16 + len).len() < 16 + len {
        return Err(input.cut("a packet"));
    }
    let fraction = if nanos { fraction } else { fraction * 1_000 };
    Ok((seconds * 1_000_000_000 + fraction, len))
}

/// The message at the front. A length of zero ends the messages where nothing follows; elsewhere it
/// is a message without bytes, which takes a number like any other.
fn message(input: &mut Input) -> Result<Found, Broken> {
    let len = match input.peek(2) {
        [high, low] => usize::from(u16::from_be_bytes([*high, *low])),
        _ => return Err(input.cut("a message's length")),
    };
    let there = input.peek(2 + len.max(1)).len();
    if len == 0 && there == 2 {
        return Ok(Found::End);
    }
    if there < 2 + len {
        return Err(input.cut("a message"));
    }
    Ok(Found::Message { len: 2 + len })
}
