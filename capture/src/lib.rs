//! The one reader of capture files, front to back in bounded memory.
//!
//! What a file is, its content says and never its name: pcap (either byte order, micro- or
//! nanoseconds), pcapng, or Nasdaq's files of ITCH messages, each behind its length in 16 bits;
//! plain, gzip or zstd, of one part or several.
//!
//! A file that is cut off or broken gives everything before that place, then an error that names
//! the offset in the decompressed content.

#![forbid(unsafe_code)]

mod blocks;
mod inflate;
mod link;
mod messages;
pub mod write;
mod zstd;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use thiserror::Error;

use blocks::Blocks;
use messages::Messages;

pub use link::Link;

/// What a capture holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Frames, with one link layer for the whole file.
    Pcap,
    /// Frames, with a link layer for each interface.
    PcapNg,
    /// ITCH messages without packets.
    Messages,
}

/// A frame of a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// When it was captured, in nanoseconds since the Unix epoch. A pcapng "simple packet" has no
    /// time of its own and carries the one before it, 0 where there is none.
    pub at: u64,
    /// How it begins.
    pub link: Link,
    /// What the capture kept of it.
    pub bytes: &'a [u8],
    /// Whether that is less than was on the wire.
    pub cut: bool,
}

/// The next thing in a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item<'a> {
    /// A frame.
    Frame(Frame<'a>),
    /// A message that follows the one before it.
    Message {
        /// Its time in nanoseconds since midnight; where it is too short to have one, that of the
        /// message before it, or 0.
        at: u64,
        /// The message, without its length.
        bytes: &'a [u8],
    },
    /// The venue's own end of the messages: a length of zero with nothing behind it.
    EndOfMessages,
}

/// Where and why a capture can't be read any further. What came before stays given.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{what} at offset {offset}")]
pub struct Broken {
    /// What is wrong there.
    pub what: String,
    /// Where the item in question begins, in bytes of the decompressed content.
    pub offset: u64,
}

/// Why a file can't be opened as a capture.
#[derive(Debug, Error)]
pub enum OpenError {
    /// It is not there, or can't be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It holds something else.
    #[error(
        "this is no capture: pcap, pcapng and Nasdaq's length-prefixed ITCH are read, plain or \
         compressed by gzip or zstd"
    )]
    NoCapture,
    /// It is broken within its header, or empty.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// A capture being read: [`Capture::advance`], then look at [`Capture::item`].
pub struct Capture {
    content: Content,
    /// Nothing follows: the content ended, or is broken from here on.
    done: bool,
}

enum Content {
    Blocks(Blocks),
    Messages(Messages),
}

impl Capture {
    /// Opens a file.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path) -> Result<Capture, OpenError> {
        Capture::read(File::open(path)?)
    }

    /// Reads a capture from its first byte on.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn read(bytes: impl Read + Send + 'static) -> Result<Capture, OpenError> {
        let (mut whole, cause) = inflate::open(bytes)?;
        let broken = |what: String| Broken { what, offset: 0 };
        let head = whole.head();
        if head.is_empty() {
            let what =
                if cause.is_set() { cause.cut("the file's beginning") } else { EMPTY.into() };
            return Err(broken(what).into());
        }
        let content = if let Some(kind) = blocks::recognise(&head) {
            Content::Blocks(Blocks::open(whole, kind, cause).map_err(broken)?)
        } else if messages::recognise(&head) {
            Content::Messages(Messages::new(whole, cause))
        } else if cause.is_set() {
            return Err(broken(cause.cut("the file's beginning")).into());
        } else {
            return Err(OpenError::NoCapture);
        };
        Ok(Capture { content, done: false })
    }

    /// What it holds.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match &self.content {
            Content::Blocks(blocks) => blocks.kind(),
            Content::Messages(_) => Kind::Messages,
        }
    }

    /// The link layer of all frames, where the file has one for all of them: [`Kind::Pcap`] only.
    #[must_use]
    pub fn link(&self) -> Option<Link> {
        match &self.content {
            Content::Blocks(blocks) => blocks.link(),
            Content::Messages(_) => None,
        }
    }

    /// Where the current item begins, in bytes of the decompressed content.
    #[must_use]
    pub fn offset(&self) -> u64 {
        match &self.content {
            Content::Blocks(blocks) => blocks.offset(),
            Content::Messages(messages) => messages.offset(),
        }
    }

    /// Moves to the next item and says its time as the item has it; for the end of the messages
    /// that of the last. `None` at the end, and behind an error.
    ///
    /// # Errors
    /// Where the file breaks off.
    pub fn advance(&mut self) -> Result<Option<u64>, Broken> {
        if self.done {
            return Ok(None);
        }
        let time = match &mut self.content {
            Content::Blocks(blocks) => blocks.advance(),
            Content::Messages(messages) => messages.advance(),
        };
        self.done = !matches!(time, Ok(Some(_)));
        time.map_err(|what| Broken { what, offset: self.offset() })
    }

    /// The item [`Capture::advance`] moved to. `None` before the first and behind the last.
    #[must_use]
    pub fn item(&self) -> Option<Item<'_>> {
        if self.done {
            return None;
        }
        match &self.content {
            Content::Blocks(blocks) => blocks.frame().map(Item::Frame),
            Content::Messages(messages) => messages.item(),
        }
    }
}

const EMPTY: &str = "the file is empty";
