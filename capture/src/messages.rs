//! Nasdaq's files of ITCH messages, each behind its length in 16 bits.

use std::io::{BufRead, BufReader, Read};

use candor_decoders::Format;

use crate::Item;
use crate::inflate::{Cause, Whole};

/// What is asked of the content at a time.
const BUFFER: usize = 256 << 10;

/// Whether a file that begins so is one: a known type behind a length it can have, or nothing but
/// the end.
pub(crate) fn recognise(head: &[u8]) -> bool {
    let [high, low, kind, ..] = *head else { return head == [0, 0] };
    let len = usize::from(u16::from_be_bytes([high, low]));
    let least = Format::NasdaqItch50.layout_len(kind);
    least.is_some_and(|least| len >= least && len < 2 * least)
}

/// A file of messages being read.
pub(crate) struct Messages {
    bytes: BufReader<Whole>,
    cause: Cause,
    /// Bytes before the current message.
    offset: u64,
    /// Bytes of the current one, its length included.
    len: u64,
    at: u64,
    message: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Before,
    Message,
    End,
}

impl Messages {
    pub(crate) fn new(bytes: Whole, cause: Cause) -> Messages {
        Messages {
            bytes: BufReader::with_capacity(BUFFER, bytes),
            cause,
            offset: 0,
            len: 0,
            at: 0,
            message: Vec::new(),
            state: State::Before,
        }
    }

    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Moves to the next message. A length of zero ends the messages where nothing follows;
    /// elsewhere it is a message without bytes, which takes a number like any other.
    pub(crate) fn advance(&mut self) -> Result<Option<u64>, String> {
        self.offset += std::mem::take(&mut self.len);
        if matches!(self.bytes.fill_buf(), Ok([])) {
            return Ok(None);
        }
        let mut len = [0; 2];
        self.bytes.read_exact(&mut len).map_err(|_| self.cause.cut("a message"))?;
        let len = u16::from_be_bytes(len);
        self.message.resize(usize::from(len), 0);
        self.bytes.read_exact(&mut self.message).map_err(|_| self.cause.cut("a message"))?;
        self.len = 2 + u64::from(len);
        let ends = len == 0 && matches!(self.bytes.fill_buf(), Ok([]));
        self.state = if ends { State::End } else { State::Message };
        // Six bytes behind its type, locate and tracking number.
        if let Some(&[a, b, c, d, e, f]) = self.message.get(5..11) {
            self.at = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        }
        Ok(Some(self.at))
    }

    pub(crate) fn item(&self) -> Option<Item<'_>> {
        match self.state {
            State::Before => None,
            State::Message => Some(Item::Message { at: self.at, bytes: &self.message }),
            State::End => Some(Item::EndOfMessages),
        }
    }
}
