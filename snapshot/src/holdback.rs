//! Messages held back while a snapshot loads: a ring of bytes that never grows.

use alloc::boxed::Box;
use alloc::vec;

use candor_core::{SeqNo, SeqRange};

/// Bytes before each message that say how long it is.
const LENGTH: usize = size_of::<u16>();

/// The newest messages of a stream, in order and without a hole, as many as fit.
///
/// A message lies in one piece. Where it doesn't fit before the end of the bytes it goes to their
/// front, and the rest at the end stays unused until the reading end has passed it.
#[derive(Debug)]
pub(crate) struct Holdback {
    bytes: Box<[u8]>,
    /// The numbers held; `None` when nothing is to be held.
    range: Option<SeqRange>,
    /// Where the oldest message begins.
    head: usize,
    /// Where the next message goes.
    tail: usize,
    /// Where the bytes at the end stop being used, while the newest messages lie before the oldest.
    wrap: Option<usize>,
}

impl Holdback {
    /// Allocates its bytes, and touches none of them.
    pub(crate) fn new(bytes: usize) -> Holdback {
        Holdback { bytes: vec![0; bytes].into(), range: None, head: 0, tail: 0, wrap: None }
    }

    /// Forgets what is held; the next message is number `next`.
    pub(crate) fn start(&mut self, next: SeqNo) {
        self.range = Some(SeqRange::between(next, next));
        self.rewind();
    }

    /// Forgets what is held; nothing is to be held any more.
    pub(crate) fn stop(&mut self) {
        self.range = None;
        self.rewind();
    }

    fn rewind(&mut self) {
        self.head = 0;
        self.tail = 0;
        self.wrap = None;
    }

    /// The numbers held; `None` when nothing is to be held.
    pub(crate) fn range(&self) -> Option<SeqRange> {
        self.range
    }

    /// Holds the next message, and lets go of the oldest as far as it needs their room: of all, and
    /// of the message itself, when it is longer than there are bytes.
    pub(crate) fn push(&mut self, seq: SeqNo, message: &[u8]) {
        let range = self.range.expect("nothing is to be held");
        assert_eq!(seq, range.end, "held messages leave no number out");
        let length = u16::try_from(message.len()).expect("no message is longer than 16 bits say");
        let need = LENGTH + message.len();
        if need > self.bytes.len() {
            self.start(seq.next());
            return;
        }
        #[cfg(canary)]
        if candor_core::canary!(BufferDoubles) && self.room(need).is_none() {
            self.double();
        }
        // BOUND: the messages held; with none left there is room for anything that fits at all.
        let at = loop {
            match self.room(need) {
                Some(at) => break at,
                None => self.pop(),
            }
        };
        if at < self.tail {
            debug_assert!(self.wrap.is_none(), "the ring went round twice");
            self.wrap = Some(self.tail);
        }
        self.bytes[at..at + LENGTH].copy_from_slice(&length.to_le_bytes());
        self.bytes[at + LENGTH..at + need].copy_from_slice(message);
        self.tail = at + need;
        let first = self.range.map_or(seq, |range| range.first);
        self.range = Some(SeqRange::between(first, seq.next()));
    }

    /// Twice as many bytes, with what is held at their front.
    #[cfg(canary)]
    fn double(&mut self) {
        let mut bytes = vec![0; self.bytes.len() * 2];
        let front = &self.bytes[self.head..self.wrap.unwrap_or(self.tail)];
        let back = self.wrap.map_or(0, |_| self.tail);
        let held = front.len() + back;
        bytes[..front.len()].copy_from_slice(front);
        bytes[front.len()..held].copy_from_slice(&self.bytes[..back]);
        *self =
            Holdback { bytes: bytes.into(), range: self.range, head: 0, tail: held, wrap: None };
    }

    /// Where a message that takes `need` bytes goes; `None` when there is no room for it.
    fn room(&self, need: usize) -> Option<usize> {
        if self.range.is_none_or(SeqRange::is_empty) {
            debug_assert_eq!((self.head, self.tail), (0, 0));
            return (need <= self.bytes.len()).then_some(0);
        }
        if self.wrap.is_some() {
            return (self.head - self.tail >= need).then_some(self.tail);
        }
        if self.bytes.len() - self.tail >= need {
            Some(self.tail)
        } else {
            (self.head >= need).then_some(0)
        }
    }

    /// Lets go of the oldest message.
    fn pop(&mut self) {
        let range = self.range.expect("nothing is to be held");
        assert!(!range.is_empty(), "there is no oldest message");
        let range = SeqRange::between(range.first.next(), range.end);
        self.range = Some(range);
        if range.is_empty() {
            self.rewind();
            return;
        }
        self.head += LENGTH + self.length_at(self.head);
        if self.wrap == Some(self.head) {
            self.head = 0;
            self.wrap = None;
        }
    }

    /// Lets go of the oldest message and gives it once more.
    pub(crate) fn take(&mut self) -> Option<(SeqNo, &[u8])> {
        let seq = self.range?.first;
        self.range?.last()?;
        let start = self.head + LENGTH;
        let end = start + self.length_at(self.head);
        self.pop();
        Some((seq, &self.bytes[start..end]))
    }

    fn length_at(&self, at: usize) -> usize {
        usize::from(u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]]))
    }

    /// What is held, oldest first.
    pub(crate) fn iter(&self) -> Walk<'_> {
        let rest = self.range.unwrap_or_default();
        Walk { holdback: self, rest, at: self.head }
    }

    /// Asserts what must hold between any two calls. Walks over everything held.
    pub(crate) fn check(&self) {
        assert!(self.head <= self.bytes.len());
        assert!(self.tail <= self.bytes.len());
        if self.range.is_none_or(SeqRange::is_empty) {
            assert_eq!((self.head, self.tail, self.wrap), (0, 0, None));
            return;
        }
        match self.wrap {
            Some(wrap) => {
                assert!(self.tail <= self.head);
                assert!(self.head < wrap);
                assert!(wrap <= self.bytes.len());
            }
            None => assert!(self.head < self.tail),
        }
        let mut walk = self.iter();
        walk.by_ref().for_each(drop);
        assert_eq!(walk.at, self.tail, "the last message ends where the next one goes");
    }
}

/// Messages held back, oldest first, each with its number.
#[derive(Clone, Debug)]
pub(crate) struct Walk<'a> {
    holdback: &'a Holdback,
    rest: SeqRange,
    at: usize,
}

impl<'a> Iterator for Walk<'a> {
    type Item = (SeqNo, &'a [u8]);

    fn next(&mut self) -> Option<(SeqNo, &'a [u8])> {
        let seq = self.rest.first;
        self.rest.last()?;
        if self.holdback.wrap == Some(self.at) {
            self.at = 0;
        }
        let start = self.at + LENGTH;
        let end = start + self.holdback.length_at(self.at);
        self.at = end;
        self.rest = SeqRange::between(seq.next(), self.rest.end);
        Some((seq, &self.holdback.bytes[start..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::VecDeque;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Op {
        Push(usize),
        Take,
        Start(u64),
        Stop,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            60 => (0..9_usize).prop_map(Op::Push),
            20 => (0..70_usize).prop_map(Op::Push),
            10 => Just(Op::Take),
            2 => (1..1_000_u64).prop_map(Op::Start),
            1 => Just(Op::Stop),
        ]
    }

    /// The bytes of a message follow from its number, so that a message in a wrong place shows.
    fn message(seq: u64, len: usize) -> Vec<u8> {
        (0..len as u64).map(|at| (seq * 31 + at * 7) as u8).collect()
    }

    fn agree(capacity: usize, ops: &[Op]) {
        let mut ring = Holdback::new(capacity);
        let mut twin: Option<(u64, VecDeque<Vec<u8>>)> = None;
        for op in ops {
            match (op, &mut twin) {
                (Op::Push(len), Some((first, held))) => {
                    let next = *first + held.len() as u64;
                    let bytes = message(next, *len);
                    let all: usize = held.iter().chain([&bytes]).map(|m| m.len() + LENGTH).sum();
                    let straight = ring.head == 0 && ring.wrap.is_none();
                    ring.push(SeqNo(next), &bytes);
                    held.push_back(bytes);
                    let kept = ring.range().unwrap();
                    // What fits without a way round the end must all be kept.
                    if all <= capacity && straight {
                        assert_eq!(kept.first.0, *first, "let go without need");
                    }
                    assert!(kept.first.0 >= *first);
                    // BOUND: the messages of the twin.
                    while *first < kept.first.0 {
                        held.pop_front();
                        *first += 1;
                    }
                    // What is let go of makes room for one message, at the end or at the front.
                    let left: usize = held.iter().map(|m| m.len() + LENGTH).sum();
                    let longest = 70 + LENGTH;
                    assert!(left == all || left + 2 * longest >= capacity, "{left} of {all}");
                }
                (Op::Start(next), _) => {
                    ring.start(SeqNo(*next));
                    twin = Some((*next, VecDeque::new()));
                }
                (Op::Stop, _) => {
                    ring.stop();
                    twin = None;
                }
                (Op::Take, Some((first, held))) => {
                    let oldest = held.pop_front().map(|bytes| (*first, bytes));
                    *first += u64::from(oldest.is_some());
                    let taken = ring.take().map(|(seq, bytes)| (seq.0, bytes.to_vec()));
                    assert_eq!(taken, oldest);
                }
                (Op::Take, None) => assert_eq!(ring.take(), None),
                (Op::Push(_), None) => {}
            }
            ring.check();
            let expected: Vec<(SeqNo, &[u8])> = twin.iter().flat_map(numbered).collect();
            assert_eq!(ring.iter().collect::<Vec<_>>(), expected);
            assert_eq!(ring.range().is_some(), twin.is_some());
        }
    }

    fn numbered((first, held): &(u64, VecDeque<Vec<u8>>)) -> impl Iterator<Item = (SeqNo, &[u8])> {
        (*first..).map(SeqNo).zip(held.iter().map(Vec::as_slice))
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 400, failure_persistence: None, ..Default::default()
        })]

        #[test]
        fn the_ring_is_a_queue_that_lets_go_of_the_oldest(
            capacity in 0..300_usize,
            ops in prop::collection::vec(op(), 0..200),
        ) {
            let begun: Vec<Op> = core::iter::once(Op::Start(1)).chain(ops).collect();
            agree(capacity, &begun);
        }
    }

    #[test]
    fn a_message_may_fill_all_bytes_and_none_more() {
        let mut ring = Holdback::new(LENGTH + 70_000);
        ring.start(SeqNo(5));
        ring.push(SeqNo(5), &message(5, 65_535));
        assert_eq!(ring.iter().next(), Some((SeqNo(5), &message(5, 65_535)[..])));
        ring.check();
        let mut ring = Holdback::new(LENGTH + 4);
        ring.start(SeqNo(5));
        ring.push(SeqNo(5), b"four");
        assert_eq!(ring.iter().next(), Some((SeqNo(5), &b"four"[..])));
        ring.push(SeqNo(6), b"five!");
        assert_eq!(ring.range(), Some(SeqRange::between(SeqNo(7), SeqNo(7))));
        ring.check();
    }
}
