//! The way from the lanes to the recovery thread and back: bounded queues, and buffers that go round.
//!
//! A lane takes no lock here, and neither allocates nor frees: the bytes of a reply lie in a buffer of
//! its own pool, which it gives back once its partition has had them. It waits in one case: the queue of the
//! library spins while the recovery thread has taken a place and not filled it yet, which takes longer than a
//! few instructions only where the kernel stops that thread right there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use candor_core::limits::{
    RECOVERY_ACTIONS, RECOVERY_BUFFER_BYTES, RECOVERY_BUFFERS, RECOVERY_REPLIES,
};
use candor_core::{Action, ByteOrder, Messages, Mono, Nanos, Refusal, Refused, SeqNo, SessionId};
use crossbeam_queue::ArrayQueue;
use rustix::io::Errno;

use super::bell::Bell;

/// Room for bytes.
pub(crate) type Buffer = Box<[u8; RECOVERY_BUFFER_BYTES]>;

/// Bytes before each payload of a buffer: its length.
const PREFIX: usize = 2;

/// How long a lane looks for replies often after the last one.
const WARM: Nanos = Nanos::from_millis(200);

/// How long it waits for packets meanwhile at most, where it blocks.
pub(crate) const WARM_WAIT: Nanos = Nanos::from_millis(1);

/// What a partition is told.
#[derive(Debug)]
pub(crate) enum What {
    /// Payloads that answer requests.
    Payloads(Payloads),
    /// A request that will not be answered.
    Refused(Refused),
    /// A snapshot begins.
    Begin { cycle: u32, session: SessionId },
    /// Messages of it, each behind its length of two bytes, big-endian.
    Messages { cycle: u32, buffer: Buffer, len: usize, count: u16 },
    /// It is whole.
    End { cycle: u32, next: SeqNo },
    /// It will not come.
    Failed { cycle: u32, why: Refusal },
}

/// Something a partition is told.
#[derive(Debug)]
pub(crate) struct Reply {
    /// By its number in the region.
    pub(crate) partition: u16,
    pub(crate) what: What,
}

/// Payloads in one buffer, each behind its length.
#[derive(Debug)]
pub(crate) struct Payloads {
    buffer: Buffer,
    len: usize,
}

impl Payloads {
    pub(crate) fn new(buffer: Buffer) -> Payloads {
        Payloads { buffer, len: 0 }
    }

    /// Whether a payload of so many bytes fits into a buffer at all.
    pub(crate) const fn fits(bytes: usize) -> bool {
        PREFIX + bytes <= RECOVERY_BUFFER_BYTES
    }

    /// Takes one more payload; false where no room is left.
    pub(crate) fn push(&mut self, payload: &[u8]) -> bool {
        let Ok(len) = u16::try_from(payload.len()) else { return false };
        let end = self.len + PREFIX + payload.len();
        let Some(to) = self.buffer.get_mut(self.len..end) else { return false };
        let (prefix, bytes) = to.split_at_mut(PREFIX);
        prefix.copy_from_slice(&len.to_ne_bytes());
        bytes.copy_from_slice(payload);
        self.len = end;
        true
    }

    /// The payloads in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.buffer.get(..self.len).unwrap_or(&[]);
        std::iter::from_fn(move || {
            let (prefix, behind) = rest.split_first_chunk::<PREFIX>()?;
            let (payload, behind) = behind.split_at_checked(u16::from_ne_bytes(*prefix).into())?;
            rest = behind;
            Some(payload)
        })
    }

    pub(crate) fn into_buffer(self) -> Buffer {
        self.buffer
    }
}

/// The messages of a reply; `None` where they are none, which nothing of ours makes.
pub(crate) fn messages(buffer: &Buffer, len: usize, count: u16) -> Option<Messages<'_>> {
    Messages::walk(buffer.get(..len)?, count, ByteOrder::Big).ok()
}

/// What all lanes want of the recovery thread.
#[derive(Debug)]
pub(crate) struct Wishes {
    queue: ArrayQueue<(u16, Action)>,
    /// Wakes the thread.
    pub(crate) bell: Bell,
}

impl Wishes {
    /// For so many partitions.
    pub(crate) fn new(partitions: usize) -> Result<Wishes, Errno> {
        let room = partitions.max(1) * RECOVERY_ACTIONS;
        Ok(Wishes { queue: ArrayQueue::new(room), bell: Bell::new()? })
    }

    /// For the thread: the next wish.
    pub(crate) fn next(&self) -> Option<(u16, Action)> {
        self.queue.pop()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many there may be at once.
    pub(crate) fn capacity(&self) -> usize {
        self.queue.capacity()
    }
}

/// What one lane is told, and the buffers that carry it.
#[derive(Debug)]
pub(crate) struct Post {
    replies: ArrayQueue<Reply>,
    spare: ArrayQueue<Buffer>,
    /// The thread waits for buffers.
    starved: AtomicBool,
}

impl Post {
    /// For a lane with so many partitions.
    pub(crate) fn new(partitions: usize) -> Post {
        let spare = ArrayQueue::new(RECOVERY_BUFFERS);
        for _ in 0..RECOVERY_BUFFERS {
            let _ = spare.push(buffer());
        }
        let room = partitions * RECOVERY_REPLIES + RECOVERY_BUFFERS;
        Post { replies: ArrayQueue::new(room), spare, starved: AtomicBool::new(false) }
    }

    /// For the thread: tells the lane, if there is room. Nobody else does, so that what there is room
    /// for does not lose it meanwhile.
    pub(crate) fn tell(&self, reply: Reply) -> bool {
        self.replies.push(reply).is_ok()
    }

    /// For the thread: a buffer to fill, if there is one and room for the reply with it.
    pub(crate) fn buffer(&self) -> Option<Buffer> {
        if self.replies.is_full() { None } else { self.spare.pop() }
    }

    /// For the thread: a buffer it has no use for.
    pub(crate) fn put_back(&self, buffer: Buffer) {
        let _ = self.spare.push(buffer);
    }

    /// For the thread: whether there are so many buffers. Where there are not, the lane rings the bell
    /// once half of all are back.
    pub(crate) fn has_room(&self, buffers: usize) -> bool {
        let enough = || self.spare.len() >= buffers;
        if enough() {
            return true;
        }
        self.starved.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // It may have come back before anybody knew that we wait for it.
        if enough() {
            self.starved.store(false, Ordering::Relaxed);
            return true;
        }
        false
    }

    /// For the thread: whether it still waits for buffers.
    pub(crate) fn is_starved(&self) -> bool {
        self.starved.load(Ordering::Relaxed)
    }
}

fn buffer() -> Buffer {
    // By way of the heap: 16 KiB have no place on a stack.
    let bytes = vec![0; RECOVERY_BUFFER_BYTES].into_boxed_slice();
    bytes.try_into().unwrap_or_else(|_| Box::new([0; RECOVERY_BUFFER_BYTES]))
}

/// A lane's end of both ways.
#[derive(Debug)]
pub(crate) struct Mailbox {
    wishes: Arc<Wishes>,
    post: Arc<Post>,
    /// Replies may come until then.
    warm_until: Mono,
}

impl Mailbox {
    pub(crate) fn new(wishes: Arc<Wishes>, post: Arc<Post>) -> Mailbox {
        Mailbox { wishes, post, warm_until: Mono::NEVER }
    }

    /// Hands on what a partition wants. False where there is no room.
    pub(crate) fn want(&mut self, partition: u16, action: Action) -> bool {
        self.warm_until = match &action {
            Action::Retransmit(ask) => self.warm_until.max(ask.expires),
            Action::Snapshot(ask) => self.warm_until.max(ask.expires),
            Action::DropSnapshot { .. } => self.warm_until,
        };
        self.wishes.queue.push((partition, action)).is_ok()
    }

    /// Wakes the thread where it sleeps, behind the last wish of a cycle.
    pub(crate) fn send(&self) {
        self.wishes.bell.ring();
    }

    /// The next reply.
    pub(crate) fn next(&mut self, now: Mono) -> Option<Reply> {
        let reply = self.post.replies.pop()?;
        self.warm_until = self.warm_until.max(now + WARM);
        Some(reply)
    }

    /// Gives a buffer back.
    pub(crate) fn give_back(&self, buffer: Buffer) {
        self.post.put_back(buffer);
        fence(Ordering::SeqCst);
        let post = &self.post;
        if post.starved.load(Ordering::Relaxed) && post.spare.len() >= RECOVERY_BUFFERS / 2 {
            post.starved.store(false, Ordering::Relaxed);
            self.wishes.bell.ring();
        }
    }

    /// Whether a reply waits.
    pub(crate) fn has_reply(&self) -> bool {
        !self.post.replies.is_empty()
    }

    /// Whether a reply may come soon.
    pub(crate) fn is_warm(&self, now: Mono) -> bool {
        now < self.warm_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_out_as_they_went_in_until_the_buffer_is_full() {
        let mut payloads = Payloads::new(buffer());
        let sizes = [0, 1, 1_400, 9_000, RECOVERY_BUFFER_BYTES - 10_401 - 5 * PREFIX];
        for (byte, size) in (0u8..).zip(sizes) {
            assert!(payloads.push(&vec![byte; size]), "{size}");
        }
        assert_eq!(payloads.len, RECOVERY_BUFFER_BYTES);
        assert!(!payloads.push(&[]));
        let out = payloads.iter().map(|payload| (payload.first().copied(), payload.len()));
        let out: Vec<_> = out.collect();
        assert_eq!(out.len(), 5);
        for ((byte, size), (first, len)) in (0u8..).zip(sizes).zip(out) {
            assert_eq!(len, size);
            assert!(size == 0 || first == Some(byte));
        }
        assert!(Payloads::fits(RECOVERY_BUFFER_BYTES - PREFIX));
        assert!(!Payloads::fits(RECOVERY_BUFFER_BYTES - PREFIX + 1));
    }

    #[test]
    fn a_thread_without_buffers_is_woken_when_half_of_them_are_back() {
        let wishes = Arc::new(Wishes::new(1).unwrap());
        let post = Arc::new(Post::new(1));
        let mailbox = Mailbox::new(Arc::clone(&wishes), Arc::clone(&post));
        let mut taken: Vec<Buffer> = std::iter::from_fn(|| post.buffer()).collect();
        assert_eq!(taken.len(), RECOVERY_BUFFERS);
        assert!(!post.has_room(1));
        for _ in 1..RECOVERY_BUFFERS / 2 {
            mailbox.give_back(taken.pop().unwrap());
            assert!(post.is_starved());
        }
        wishes.bell.doze();
        mailbox.give_back(taken.pop().unwrap());
        assert!(!post.is_starved());
        assert!(!wishes.bell.ring(), "it was rung");
        assert!(post.has_room(4));
    }
}
