//! The messages of the session by number, for services that send them again. What is beyond the
//! bound is forgotten, oldest first, and counted.

use std::collections::VecDeque;

use candor_core::{SeqNo, SeqRange};

use super::framing::At;

/// Messages of a chunk: forgetting frees memory by so many at a time.
const CHUNK: usize = 4_096;

/// Messages remembered unless configured: 40 to 60 MB of a busy ITCH partition.
pub const HISTORY: usize = 1 << 20;

/// Messages under numbers without a hole.
#[derive(Clone, Debug)]
struct Chunk {
    at: At,
    /// Behind each message's last byte in `bytes`.
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Chunk {
    fn next(&self) -> At {
        let len = (self.bytes.len() + 2 * self.ends.len()) as u64;
        At { seq: SeqNo(self.at.seq.0 + self.ends.len() as u64), offset: self.at.offset + len }
    }

    fn start(&self, index: usize) -> usize {
        if index == 0 { 0 } else { self.ends[index - 1] as usize }
    }
}

/// The messages of one session by number.
#[derive(Clone, Debug)]
pub struct History {
    bound: usize,
    held: usize,
    /// The first number that is remembered, or the next where none is.
    first: SeqNo,
    /// Where the session began.
    began: SeqNo,
    /// Numbers whose messages were never here.
    unknown: u64,
    /// Numbers left out by [`History::omit`].
    omitted: u64,
    forgotten: u64,
    chunks: VecDeque<Chunk>,
}

impl History {
    /// A history of at most `bound` messages, of a session that begins at `at`.
    pub(super) fn new(bound: usize, at: At) -> History {
        let empty = Chunk { at, ends: Vec::new(), bytes: Vec::new() };
        History {
            bound,
            held: 0,
            first: at.seq,
            began: at.seq,
            unknown: 0,
            omitted: 0,
            forgotten: 0,
            chunks: VecDeque::from([empty]),
        }
    }

    /// Where the next message stands.
    #[must_use]
    pub fn next(&self) -> At {
        self.chunks.back().map_or(At { seq: self.first, offset: 0 }, Chunk::next)
    }

    /// The numbers from the oldest that is remembered to the newest. Those of holes are among them.
    #[must_use]
    pub fn range(&self) -> SeqRange {
        SeqRange { first: self.first, end: self.next().seq }
    }

    /// The message with this number; `None` where it is forgotten, left out or still to come.
    #[must_use]
    pub fn get(&self, seq: SeqNo) -> Option<&[u8]> {
        let (chunk, index) = self.find(seq)?;
        Some(&chunk.bytes[chunk.start(index)..chunk.ends[index] as usize])
    }

    /// The first number from `seq` on whose message is there; `None` where none is.
    #[must_use]
    pub fn first_from(&self, seq: SeqNo) -> Option<SeqNo> {
        let seq = seq.max(self.first);
        if self.find(seq).is_some() {
            return Some(seq);
        }
        let behind = self.chunks.partition_point(|chunk| chunk.at.seq <= seq);
        self.chunks.range(behind..).find(|chunk| !chunk.ends.is_empty()).map(|chunk| chunk.at.seq)
    }

    /// The number with the bytes of the session before it, as IEX-TP counts them; `None` where there
    /// is no such message.
    #[must_use]
    pub fn position(&self, seq: SeqNo) -> Option<At> {
        let (chunk, index) = self.find(seq)?;
        let before = (chunk.start(index) + 2 * index) as u64;
        Some(At { seq, offset: chunk.at.offset + before })
    }

    /// Whether every message since the session's number 1 is there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_unbroken() && self.omitted == 0 && self.forgotten == 0
    }

    /// Whether every message since the session's number 1 was seen, remembered or not: only then is
    /// what stands all that stands.
    #[must_use]
    pub fn is_unbroken(&self) -> bool {
        self.began == SeqNo::FIRST && self.unknown == 0
    }

    /// Messages remembered.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Messages of this session forgotten because there were too many.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(super) fn push(&mut self, message: &[u8]) {
        let full = self.chunks.back().is_none_or(|chunk| chunk.ends.len() == CHUNK);
        if full {
            self.begin_chunk(self.next());
        }
        if let Some(chunk) = self.chunks.back_mut() {
            chunk.bytes.extend_from_slice(message);
            // A chunk is 4,096 messages of at most 65,535 bytes: below 2³².
            chunk.ends.push(chunk.bytes.len() as u32);
            self.held += 1;
        }
        while self.held > self.bound {
            self.forget_one();
        }
    }

    /// Leaves out one number, whose message has `len` bytes: it was given and nobody has it.
    pub(super) fn omit(&mut self, len: usize) {
        let At { seq, offset } = self.next();
        self.omitted += 1;
        self.begin_chunk(At { seq: seq.next(), offset: offset + 2 + len as u64 });
    }

    /// Goes on at `at`: what the numbers before it say is not known.
    pub(super) fn skip_to(&mut self, at: At) {
        self.unknown += at.seq.0.saturating_sub(self.next().seq.0);
        self.begin_chunk(at);
    }

    fn begin_chunk(&mut self, at: At) {
        // An empty chunk holds nothing but its place.
        if self.chunks.back().is_some_and(|chunk| chunk.ends.is_empty()) {
            self.chunks.pop_back();
        }
        self.chunks.push_back(Chunk { at, ends: Vec::new(), bytes: Vec::new() });
        if self.held == 0 {
            self.first = at.seq;
        }
    }

    fn forget_one(&mut self) {
        self.held -= 1;
        self.forgotten += 1;
        self.first = self.first.next();
        // Behind a hole the oldest message is the next chunk's first.
        while let Some(front) = self.chunks.front()
            && front.next().seq <= self.first
            && self.chunks.len() > 1
        {
            self.chunks.pop_front();
            if let Some(front) = self.chunks.front() {
                self.first = self.first.max(front.at.seq);
            }
        }
    }

    fn find(&self, seq: SeqNo) -> Option<(&Chunk, usize)> {
        if seq < self.first {
            return None;
        }
        let behind = self.chunks.partition_point(|chunk| chunk.at.seq <= seq);
        let chunk = self.chunks.get(behind.checked_sub(1)?)?;
        let index = (seq.0 - chunk.at.seq.0) as usize;
        (index < chunk.ends.len()).then_some((chunk, index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(history: &History, seq: u64) -> Option<Vec<u8>> {
        history.get(SeqNo(seq)).map(<[u8]>::to_vec)
    }

    #[test]
    fn what_is_beyond_the_bound_is_forgotten_and_counted() {
        let mut history = History::new(10_000, At::START);
        for seq in 1..=25_000u32 {
            history.push(&seq.to_be_bytes()[..1 + seq as usize % 4]);
        }
        assert_eq!(history.range(), SeqRange { first: SeqNo(15_001), end: SeqNo(25_001) });
        assert_eq!((history.held(), history.forgotten()), (10_000, 15_000));
        assert!(!history.is_whole());
        assert_eq!((of(&history, 15_000), of(&history, 25_001)), (None, None));
        let mut offset = 0;
        for seq in 1..=25_000u32 {
            let len = 1 + seq as usize % 4;
            if seq > 15_000 {
                assert_eq!(of(&history, seq.into()).unwrap(), &seq.to_be_bytes()[..len]);
                let at = At { seq: SeqNo(seq.into()), offset };
                assert_eq!(history.position(SeqNo(seq.into())), Some(at));
            }
            offset += 2 + len as u64;
        }
        assert_eq!(history.next().offset, offset);
        // Memory goes with the messages: at most a chunk more than the bound.
        assert!(history.chunks.len() <= 10_000 / CHUNK + 2);
    }

    #[test]
    fn holes_stay_holes() {
        let mut history = History::new(3, At::START);
        history.push(b"one");
        history.omit(9);
        history.push(b"three");
        assert!(history.is_unbroken() && !history.is_whole());
        assert_eq!(history.position(SeqNo(3)), Some(At { seq: SeqNo(3), offset: 5 + 11 }));
        history.skip_to(At { seq: SeqNo(10), offset: 50 });
        history.push(b"ten");
        assert!(!history.is_unbroken());
        assert_eq!((of(&history, 2), of(&history, 5)), (None, None));
        let first_from = |seq| history.first_from(SeqNo(seq)).map(|seq| seq.0);
        assert_eq!(
            [0, 2, 3, 4, 10, 11].map(first_from),
            [1, 3, 3, 10, 10, 0].map(|s| Some(s).filter(|s| *s > 0))
        );
        assert_eq!(of(&history, 10).unwrap(), b"ten");
        assert_eq!(history.held(), 3);
        history.push(b"eleven");
        assert_eq!(history.range().first, SeqNo(3));
        history.push(b"twelve");
        assert_eq!(history.range(), SeqRange { first: SeqNo(10), end: SeqNo(13) });
        assert_eq!(history.held(), 3);
    }

    #[test]
    fn a_history_of_nothing_remembers_nothing() {
        let mut history = History::new(0, At::START);
        assert!(history.is_whole());
        history.push(b"one");
        assert_eq!((of(&history, 1), history.next().seq), (None, SeqNo(2)));
        assert_eq!(history.range(), SeqRange { first: SeqNo(2), end: SeqNo(2) });
        history.push(b"two");
        assert_eq!((history.held(), history.forgotten()), (0, 2));
    }
}
