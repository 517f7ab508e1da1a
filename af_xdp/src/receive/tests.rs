//! The receive half against a kernel of our own, which counts frames.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use candor_ebpf::FRAME_META_MAGIC;
use proptest::prelude::*;

use super::*;
use crate::memory::Mapping;
use crate::options::HugePages;
use crate::ring::Offsets;

const FRAMES: u32 = 64;
const SIZE: u32 = 2048;
/// Another queue's frames lie in front of ours.
const FIRST: u64 = 16 * SIZE as u64;
const OFFSETS: Offsets = Offsets { producer: 0, consumer: 64, flags: 128, entries: 192 };
const LONGEST: u32 = 5000;

/// The kernel's end of a ring, by the addresses of its parts.
struct Far<T> {
    ring: NonNull<u8>,
    size: u32,
    entry: std::marker::PhantomData<T>,
}

impl<T: Copy> Far<T> {
    fn new(mapping: &Mapping, size: u32) -> Far<T> {
        Far { ring: mapping.start(), size, entry: std::marker::PhantomData }
    }

    fn index(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: in the ring's mapping, which the receiver under test keeps.
        let index = unsafe { self.ring.add(offset) };
        // SAFETY: aligned, and only ever accessed atomically.
        unsafe { index.cast::<AtomicU32>().as_ref() }
    }

    fn entry(&self, index: u32) -> NonNull<T> {
        // SAFETY: in the ring's mapping.
        let entries = unsafe { self.ring.add(OFFSETS.entries) }.cast::<T>();
        // SAFETY: masked below `size`, and the mapping has `size` entries.
        unsafe { entries.add((index & (self.size - 1)) as usize) }
    }
}

/// A kernel as lazy as the real one: it publishes what it took from the fill ring only when it has
/// used up all it had looked at.
struct Kernel {
    fill: Far<u64>,
    receive: Far<libc::xdp_desc>,
    umem: Arc<Umem>,
    looked_at: u32,
    took: u32,
    held: Vec<u64>,
    serial: u32,
}

impl Kernel {
    fn take(&mut self) {
        if self.took == self.looked_at {
            self.fill.index(OFFSETS.consumer).store(self.took, Ordering::Release);
            self.looked_at = self.fill.index(OFFSETS.producer).load(Ordering::Acquire);
        }
        if self.took != self.looked_at {
            // SAFETY: the receiver submitted this entry.
            self.held.push(unsafe { self.fill.entry(self.took).read() });
            self.took = self.took.wrapping_add(1);
        }
    }

    /// Receives a packet of `parts` frames, each with the packet's number in it; needs as many
    /// held.
    fn packet(&mut self, parts: u32, length: u32, with_meta: bool) -> bool {
        if self.held.len() < parts as usize {
            return false;
        }
        let produced = self.receive.index(OFFSETS.producer).load(Ordering::Relaxed);
        for part in 0..parts {
            let frame = self.held.pop().unwrap();
            let address = frame + 256;
            self.write(address, &vec![self.serial as u8; length as usize]);
            self.write(address, &self.serial.to_ne_bytes());
            if part == 0 && with_meta {
                let mut meta = [0; FrameMeta::SIZE];
                meta[..4].copy_from_slice(&FRAME_META_MAGIC.to_ne_bytes());
                meta[16..].copy_from_slice(&u64::from(self.serial).to_ne_bytes());
                self.write(address - FrameMeta::SIZE as u64, &meta);
            }
            let more = if part + 1 < parts { libc::XDP_PKT_CONTD } else { 0 };
            self.describe(produced.wrapping_add(part), address, length, more);
        }
        self.receive.index(OFFSETS.producer).store(produced.wrapping_add(parts), Ordering::Release);
        self.serial += 1;
        true
    }

    fn describe(&mut self, index: u32, addr: u64, len: u32, options: u32) {
        assert!(self.waiting() < FRAMES, "the receive ring has no room");
        // SAFETY: an entry of the mapping the receiver has released.
        unsafe { self.receive.entry(index).write(libc::xdp_desc { addr, len, options }) };
    }

    fn write(&self, address: u64, bytes: &[u8]) {
        assert!(address + bytes.len() as u64 <= self.umem.length() as u64);
        // SAFETY: just found to lie in packet memory.
        let to = unsafe { self.umem.start().add(address as usize) };
        // SAFETY: the frame is the kernel's, so nobody else has a reference to it.
        unsafe { to.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Descriptors produced and not released.
    fn waiting(&self) -> u32 {
        let produced = self.receive.index(OFFSETS.producer).load(Ordering::Relaxed);
        produced.wrapping_sub(self.receive.index(OFFSETS.consumer).load(Ordering::Relaxed))
    }

    /// All frames, wherever they are.
    fn frames(&self) -> u32 {
        let submitted = self.fill.index(OFFSETS.producer).load(Ordering::Relaxed);
        submitted.wrapping_sub(self.took) + self.held.len() as u32 + self.waiting()
    }
}

fn pair() -> (Kernel, Receiver) {
    let bytes = FIRST as usize + (FRAMES * SIZE) as usize;
    let umem = Arc::new(Umem::new(bytes, HugePages::No).unwrap());
    let fill = Mapping::anonymous(OFFSETS.entries + 2 * FRAMES as usize * 8, false).unwrap();
    let receive = Mapping::anonymous(OFFSETS.entries + FRAMES as usize * 16, false).unwrap();
    let kernel = Kernel {
        fill: Far::new(&fill, 2 * FRAMES),
        receive: Far::new(&receive, FRAMES),
        umem: Arc::clone(&umem),
        looked_at: 0,
        took: 0,
        held: Vec::new(),
        serial: 0,
    };
    let receiver = Receiver::new(
        Consumer::new(receive, OFFSETS, FRAMES),
        Producer::new(fill, OFFSETS, 2 * FRAMES),
        umem,
        Frames { first: FIRST, count: FRAMES, size: SIZE },
        LONGEST,
    );
    (kernel, receiver)
}

/// How a caller leaves a batch.
#[derive(Clone, Copy, Debug)]
enum Leave {
    AtTheEnd,
    Early(u32),
    Unwinding(u32),
    Forgetting(u32),
}

#[derive(Clone, Debug)]
enum Step {
    Take(u8),
    Packet { parts: u32, length: u32, with_meta: bool },
    Batch { most: u32, leave: Leave },
}

fn step() -> impl Strategy<Value = Step> {
    let leave = prop_oneof![
        4 => Just(Leave::AtTheEnd),
        1 => (0..9_u32).prop_map(Leave::Early),
        1 => (0..9_u32).prop_map(Leave::Unwinding),
        1 => (0..9_u32).prop_map(Leave::Forgetting),
    ];
    prop_oneof![
        3 => (1..40_u8).prop_map(Step::Take),
        8 => (prop_oneof![6 => Just(1_u32), 1 => 2..5_u32], 4..1700_u32, any::<bool>())
            .prop_map(|(parts, length, with_meta)| Step::Packet { parts, length, with_meta }),
        3 => (0..70_u32, leave).prop_map(|(most, leave)| Step::Batch { most, leave }),
    ]
}

/// What was sent, and which of it is next.
#[derive(Default)]
struct Expected {
    sent: Vec<(u32, u32, bool)>,
    next: Cell<usize>,
}

impl Expected {
    /// Checks a frame lent; returns nothing, or panics.
    fn check(&self, frame: Frame<'_>) {
        // Those too long to be put together are skipped.
        while self.sent[self.next.get()].0 > 1
            && self.sent[self.next.get()].0 * self.sent[self.next.get()].1 > LONGEST
        {
            self.next.set(self.next.get() + 1);
        }
        let serial = self.next.get();
        let (parts, length, with_meta) = self.sent[serial];
        assert_eq!(frame.data().len() as u32, parts * length);
        assert_eq!(frame.data()[..4], (serial as u32).to_ne_bytes());
        assert!(frame.data()[4..length as usize].iter().all(|&byte| byte == serial as u8));
        // Frames are used again and again: metadata must never be an earlier packet's.
        assert_eq!(frame.meta().map(|meta| meta.arrival_ns), with_meta.then_some(serial as u64));
        self.next.set(serial + 1);
    }
}

fn run_batch(receiver: &mut Receiver, expected: &Expected, most: u32, leave: Leave) {
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut batch = receiver.batch(most);
        let mut seen = 0;
        loop {
            match leave {
                Leave::Early(after) if after == seen => return,
                Leave::Unwinding(after) if after == seen => std::panic::resume_unwind(Box::new(())),
                Leave::Forgetting(after) if after == seen => {
                    std::mem::forget(batch);
                    return;
                }
                _ => {}
            }
            match batch.next() {
                Some(frame) => expected.check(frame),
                None => return,
            }
            seen += 1;
        }
    }));
    if let Err(panic) = result
        && !panic.is::<()>()
    {
        std::panic::resume_unwind(panic);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_frame_is_lost_whatever_the_caller_does(steps in prop::collection::vec(step(), 1..300)) {
        let (mut kernel, mut receiver) = pair();
        let mut expected = Expected::default();
        for step in steps {
            match step {
                Step::Take(count) => (0..count).for_each(|_| kernel.take()),
                Step::Packet { parts, length, with_meta } => {
                    if kernel.packet(parts, length, with_meta) {
                        expected.sent.push((parts, length, with_meta));
                    }
                }
                Step::Batch { most, leave } => run_batch(&mut receiver, &expected, most, leave),
            }
            prop_assert_eq!(kernel.frames(), FRAMES);
        }
        run_batch(&mut receiver, &expected, u32::MAX, Leave::AtTheEnd);
        let too_long = expected
            .sent
            .iter()
            .filter(|(parts, length, _)| *parts > 1 && parts * length > LONGEST)
            .count() as u64;
        prop_assert_eq!(receiver.counts.too_long, too_long);
        prop_assert_eq!(receiver.counts.frames + too_long, expected.sent.len() as u64);
        prop_assert_eq!(receiver.counts.bad_descriptors, 0);
        prop_assert_eq!(kernel.waiting(), 0);
        prop_assert_eq!(kernel.frames(), FRAMES);
    }
}

#[test]
fn descriptors_that_are_not_ours_are_counted_and_not_followed() {
    let (mut kernel, mut receiver) = pair();
    let end = FIRST + u64::from(FRAMES * SIZE);
    let bad = [
        (0, 100),                            // another queue's frame
        (FIRST - 1, 1),                      // likewise
        (end, 1),                            // beyond packet memory
        (u64::MAX, u32::MAX),                // far beyond
        (FIRST + 256, SIZE - 255),           // over the end of its frame
        (FIRST + u64::from(SIZE) + 1, SIZE), // likewise
    ];
    for (index, (address, length)) in bad.into_iter().enumerate() {
        // A frame goes to the receiver whenever the address is within one of its own.
        kernel.take();
        kernel.describe(index as u32, address, length, 0);
        kernel.receive.index(OFFSETS.producer).store(index as u32 + 1, Ordering::Release);
        let mut batch = receiver.batch(8);
        assert!(batch.next().is_none());
        assert!(batch.is_drained());
    }
    assert_eq!(receiver.counts.bad_descriptors, bad.len() as u64);
    assert_eq!(receiver.counts.frames, 0);
}

#[test]
fn a_frame_without_room_for_metadata_has_none() {
    let (mut kernel, mut receiver) = pair();
    kernel.take();
    let frame = kernel.held.pop().unwrap();
    // The magic in front of the frame is another frame's payload.
    kernel.write(frame - 24, &FRAME_META_MAGIC.to_ne_bytes());
    kernel.describe(0, frame, 60, 0);
    kernel.receive.index(OFFSETS.producer).store(1, Ordering::Release);
    let mut batch = receiver.batch(1);
    let frame = batch.next().unwrap();
    assert!(frame.meta().is_none());
    assert_eq!(frame.data().len(), 60);
    assert!(frame.payload().is_none());
}

#[test]
fn half_a_packet_waits_for_the_rest() {
    let (mut kernel, mut receiver) = pair();
    (0..3).for_each(|_| kernel.take());
    assert!(kernel.packet(3, 100, true));
    kernel.receive.index(OFFSETS.producer).store(2, Ordering::Release);
    assert!(receiver.batch(8).next().is_none());
    kernel.receive.index(OFFSETS.producer).store(3, Ordering::Release);
    let mut batch = receiver.batch(8);
    assert_eq!(batch.next().unwrap().data().len(), 300);
    assert!(batch.next().is_none());
}

#[test]
fn payload_is_within_the_frame_or_not_at_all() {
    let data = [7; 100];
    let meta = |payload_offset, payload_length| FrameMeta {
        magic: FRAME_META_MAGIC,
        partition: 0,
        line: 0,
        flags: 0,
        payload_offset,
        payload_length,
        ip_offset: 14,
        reserved: 0,
        arrival_ns: 0,
    };
    let payload =
        |offset, length| Frame::new(&data, Some(meta(offset, length))).payload().map(<[u8]>::len);
    assert_eq!(payload(42, 58), Some(58));
    assert_eq!(payload(42, 59), None);
    assert_eq!(payload(100, 0), Some(0));
    assert_eq!(payload(101, 0), None);
    assert_eq!(payload(u16::MAX, u16::MAX), None);
    // The IPv4 packet ends where the payload does, and begins before the UDP header.
    let packet = |ip_offset, payload_offset, length| {
        let meta = FrameMeta { ip_offset, ..meta(payload_offset, length) };
        Frame::new(&data, Some(meta)).packet().map(|(packet, udp_at)| (packet.len(), udp_at))
    };
    assert_eq!(packet(14, 42, 58), Some((86, 20)));
    assert_eq!(packet(14, 42, 10), Some((38, 20)));
    assert_eq!(packet(14, 42, 59), None);
    assert_eq!(packet(34, 42, 58), Some((66, 0)));
    for (ip_offset, payload_offset) in [(35, 42), (101, 109), (u16::MAX, 42), (u16::MAX, u16::MAX)]
    {
        assert_eq!(packet(ip_offset, payload_offset, 0), None);
    }
}
