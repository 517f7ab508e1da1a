//! AF_XDP sockets: the kernel's XDP program takes our groups' frames off each queue before the
//! network stack sees them, and puts in front of each what a lane needs to know, so no header is
//! parsed twice.
//!
//! Arrival is the program's own reading of `CLOCK_BOOTTIME` as it saw the frame.
//!
//! **Checksums.** A card marks a damaged frame and delivers it all the same; the kernel's own stack
//! heeds the mark, and what takes frames before that never sees it: of XDP's metadata functions none
//! tells of checksums (Linux 6.15 has a receive time, a hash and a VLAN tag). So the lane adds up every
//! IPv4 header and datagram itself before anybody looks at the payload, unless told to trust. A datagram
//! whose sender computed no checksum is taken, as RFC 768 allows, and counted.
//!
//! **The mode.** Zero-copy, copy in the driver, copy in the generic hook: the one configured, or,
//! where `allow_fallback` says so, the first below it that every queue of every interface accepts.
//! One mode holds for the whole handler. It is a string (`native zero-copy`, `native copy`,
//! `generic copy`), published and logged; nothing here falls back in silence.
//!
//! **Interfaces that go down** stop nothing: their sockets stay bound and go on when they come up.
//! Queues of one that is removed are emptied and put aside, and the lane goes on with the others; without
//! any it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use candor_af_xdp::{Queue, ReceiveError, WaitError, Waiter};
use candor_core::{Line, Mono, Nanos, Reject};
use candor_decoders::net::{self, Verified};
use candor_ebpf::ProgramCounters;

use super::{Arrival, Polled, Source, SourceCounts, SourceError};
use crate::config::{Checksums, XdpMode};

/// What a handler in this mode says of itself.
#[must_use]
pub const fn mode_text(mode: XdpMode) -> &'static str {
    match mode {
        XdpMode::ZeroCopy => "native zero-copy",
        XdpMode::Copy => "native copy",
        XdpMode::Generic => "generic copy",
    }
}

/// The queues of one lane.
pub struct AfXdp {
    /// Those that are of use, then those that were put aside: nothing is closed or freed on a lane.
    queues: Vec<Queue>,
    /// What is known of each, in the same order.
    seats: Vec<Seat>,
    /// How many are of use.
    in_use: usize,
    /// The queue to look at first, so that none waits for a busy one.
    next: usize,
    waiter: Waiter,
    batch: u32,
    mode: XdpMode,
    checksums: Checksums,
    counts: Counts,
    refused: Refused,
    unverified: Unverified,
    /// What never came to a queue; the first lane's to report.
    elsewhere: Option<Arc<Elsewhere>>,
}

/// A queue, and whether anybody has found its interface to be gone.
pub(super) type Bound = (Queue, Arc<AtomicBool>);

/// What is known of a queue besides.
struct Seat {
    /// What the kernel, and the queue itself, counted when asked last; of one that was put aside for good.
    counts: SourceCounts,
    /// Its interface is gone: what the ring still holds is the last.
    ending: bool,
    /// The same, for the handler's own thread.
    gone: Arc<AtomicBool>,
}

/// Frames that the XDP program left to the host, over all interfaces and queues, by cause. Only the
/// handler's own thread can ask the program; this is how one lane knows.
#[derive(Default)]
pub(super) struct Elsewhere {
    misdirected: AtomicU64,
    fragments: AtomicU64,
    malformed: AtomicU64,
    meta_failed: AtomicU64,
    other_source: AtomicU64,
}

impl Elsewhere {
    /// Takes over what the program has counted since the handler was ready. To be called by one
    /// thread. Each count stands alone, so no order is kept among them.
    pub(super) fn set(&self, now: &ProgramCounters, before: &ProgramCounters) {
        for (count, now, before) in [
            (&self.misdirected, now.no_socket, before.no_socket),
            (&self.fragments, now.fragments, before.fragments),
            (&self.malformed, now.malformed, before.malformed),
            (&self.meta_failed, now.meta_failed, before.meta_failed),
            (&self.other_source, now.other_source, before.other_source),
        ] {
            count.store(now.saturating_sub(before), Ordering::Relaxed);
        }
    }

    fn fill(&self, counts: &mut SourceCounts) {
        counts.misdirected = self.misdirected.load(Ordering::Relaxed);
        counts.fragments = self.fragments.load(Ordering::Relaxed);
        counts.malformed = self.malformed.load(Ordering::Relaxed);
        counts.meta_failed = self.meta_failed.load(Ordering::Relaxed);
        counts.other_source = self.other_source.load(Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, Default)]
struct Counts {
    /// Frames without metadata of ours, or with metadata that can't be.
    strange: u64,
    /// What the kernel said last, over all queues there ever were.
    kernel: SourceCounts,
}

/// Packets that contradict their checksums and have not been told yet, by partition.
struct Refused {
    packets: Box<[[u64; DAMAGED.len()]]>,
    any: bool,
}

/// Why [`net::check`] refuses a packet whose headers the program has measured.
const DAMAGED: [Reject; 2] = [Reject::BadIpChecksum, Reject::BadUdpChecksum];

impl Refused {
    /// Whether it could be noted: the partition is one, and the reason one of [`DAMAGED`].
    #[cold]
    fn note(&mut self, partition: u16, reject: Reject) -> bool {
        let packets = self.packets.get_mut(usize::from(partition));
        let why = DAMAGED.iter().position(|damaged| *damaged == reject);
        let Some((packets, why)) = packets.zip(why) else { return false };
        packets[why] += 1;
        self.any = true;
        true
    }
}

/// Packets that no UDP checksum vouches for and that have not been told yet, by partition.
struct Unverified {
    packets: Box<[u64]>,
    any: bool,
}

impl Unverified {
    /// A partition that is none was never named to the program; its packet goes astray in the lane.
    fn note(&mut self, partition: u16) {
        if let Some(packets) = self.packets.get_mut(usize::from(partition)) {
            *packets += 1;
            self.any = true;
        }
    }
}

impl AfXdp {
    /// A source of these queues, for a handler with this many partitions.
    pub(super) fn new(
        bound: Vec<Bound>,
        (mode, checksums): (XdpMode, Checksums),
        (batch, partitions): (u32, usize),
        elsewhere: Option<Arc<Elsewhere>>,
    ) -> AfXdp {
        let packets = vec![[0; DAMAGED.len()]; partitions].into_boxed_slice();
        let seat = |gone| Seat { counts: SourceCounts::default(), ending: false, gone };
        let (queues, seats): (Vec<Queue>, Vec<Seat>) =
            bound.into_iter().map(|(queue, gone)| (queue, seat(gone))).unzip();
        AfXdp {
            checksums,
            refused: Refused { packets, any: false },
            unverified: Unverified { packets: vec![0; partitions].into_boxed_slice(), any: false },
            waiter: Waiter::new(queues.len()),
            in_use: queues.len(),
            queues,
            seats,
            next: 0,
            batch: batch.max(1),
            mode,
            counts: Counts::default(),
            elsewhere,
        }
    }

    fn read_kernel(&mut self) {
        self.look_for_gone();
        for at in 0..self.in_use {
            self.measure(at);
        }
        let mut sum = SourceCounts::default();
        for Seat { counts, .. } in &self.seats {
            sum.rx_ring_full += counts.rx_ring_full;
            sum.fill_ring_empty += counts.fill_ring_empty;
            sum.rx_dropped += counts.rx_dropped;
            sum.rx_invalid += counts.rx_invalid;
            sum.too_long += counts.too_long;
        }
        self.counts.kernel = sum;
    }

    /// What a queue has counted; as before where the kernel refuses to say.
    fn measure(&mut self, at: usize) {
        let (Some(queue), Some(seat)) = (self.queues.get(at), self.seats.get_mut(at)) else {
            return;
        };
        let Ok(kernel) = queue.statistics() else { return };
        seat.counts = SourceCounts {
            rx_ring_full: kernel.receive_ring_full,
            fill_ring_empty: kernel.fill_ring_empty,
            // Where the kernel copies, it counts a frame that found no buffer under both.
            rx_dropped: match self.mode {
                XdpMode::ZeroCopy => kernel.receive_dropped,
                _ => kernel.receive_dropped.saturating_sub(kernel.fill_ring_empty),
            },
            rx_invalid: kernel.receive_invalid + queue.counts().bad_descriptors,
            too_long: queue.counts().too_long,
            ..SourceCounts::default()
        };
    }

    /// Looks which queues in use have lost their interface; whether any has.
    fn look_for_gone(&mut self) -> bool {
        let mut any = false;
        for (queue, seat) in self.queues.iter().zip(&mut self.seats).take(self.in_use) {
            if queue.check().is_err() {
                seat.end();
                any = true;
            }
        }
        any
    }

    /// Takes an empty queue out of those in use, with its last counts: nobody asks it for anything again.
    #[cold]
    fn put_aside(&mut self, at: usize) {
        self.measure(at);
        self.in_use -= 1;
        self.queues.swap(at, self.in_use);
        self.seats.swap(at, self.in_use);
    }
}

impl Seat {
    #[cold]
    fn end(&mut self) {
        self.ending = true;
        // Alone in what it says: no order is kept with anything else.
        self.gone.store(true, Ordering::Relaxed);
    }
}

impl Source for AfXdp {
    fn poll(&mut self, deliver: &mut dyn FnMut(Arrival<'_>)) -> Result<Polled, SourceError> {
        let mut polled = Polled { frames: 0, drained: true, waits_since: Some(Mono::MAX) };
        let mut strange = 0;
        let verify = self.checksums == Checksums::Verify;
        let all = self.in_use;
        for asked in 0..all {
            let at = if self.next < self.in_use { self.next } else { 0 };
            self.next = at + 1;
            let of_use = self.queues.get_mut(..self.in_use).and_then(|queues| queues.get_mut(at));
            let Some(queue) = of_use else { break };
            let left = self.batch - polled.frames;
            let (refused, unverified) = (&mut self.refused, &mut self.unverified);
            // A queue is in order: whatever is left in it came behind the last of these.
            let mut last = None;
            let received = queue.receive(left, |frame| {
                let (Some(meta), Some(payload)) = (frame.meta(), frame.payload()) else {
                    strange += 1;
                    return;
                };
                let Some(line) = Line::from_index(usize::from(meta.line)) else {
                    strange += 1;
                    return;
                };
                let (partition, at) = (meta.partition, Mono(meta.arrival_ns));
                last = Some(at);
                if verify {
                    let Some((packet, udp_at)) = frame.packet() else {
                        strange += 1;
                        return;
                    };
                    match net::check(packet, udp_at) {
                        Ok(Verified::Whole) => {}
                        Ok(Verified::HeaderAlone) => unverified.note(partition),
                        Err(reject) => {
                            strange += u64::from(!refused.note(partition, reject));
                            return;
                        }
                    }
                }
                deliver(Arrival { partition, line, at, payload });
            });
            match received {
                Ok(received) => {
                    polled.frames += received.frames;
                    polled.drained &= received.drained;
                    if !received.drained {
                        polled.waits_since = polled.waits_since.min(last);
                    }
                    if received.frames == 0 && self.seats.get(at).is_some_and(|seat| seat.ending) {
                        self.put_aside(at);
                    }
                }
                // It may come up again; until then silence says all there is to say.
                Err(ReceiveError::InterfaceDown) => {}
                Err(ReceiveError::InterfaceGone) => {
                    self.seats.get_mut(at).into_iter().for_each(Seat::end);
                    if last.is_none() {
                        self.put_aside(at);
                    }
                }
                Err(ReceiveError::Wake(error)) => return Err(failed("recv", &error)),
                Err(_) => return Err(kernel("recv", libc::EIO)),
            }
            if polled.frames >= self.batch {
                polled.drained = false;
                // Of those that were not asked nothing is known.
                polled.waits_since = polled.waits_since.filter(|_| asked + 1 == all);
                break;
            }
        }
        if self.in_use < all {
            // Another queue has the place of one that was put aside, and may not have been asked.
            (polled.drained, polled.waits_since) = (false, None);
        }
        polled.waits_since = polled.waits_since.filter(|at| *at != Mono::MAX);
        self.counts.strange += strange;
        if self.in_use == 0 && !self.queues.is_empty() {
            return Err(kernel("recv on a removed interface", libc::ENETDOWN));
        }
        Ok(polled)
    }

    fn wait(&mut self, at_most: Nanos) -> Result<(), SourceError> {
        let of_use = self.queues.get(..self.in_use).unwrap_or_default();
        match self.waiter.wait(of_use, Duration::from_nanos(at_most.0)) {
            Ok(_) => Ok(()),
            // The next poll takes what is left of it, and puts it aside.
            Err(WaitError::InterfaceDown) if self.look_for_gone() => Ok(()),
            Err(WaitError::InterfaceDown) => Err(kernel("poll", libc::ENETDOWN)),
            Err(WaitError::Poll(error)) => Err(failed("poll", &error)),
            Err(_) => Err(kernel("poll", libc::EIO)),
        }
    }

    fn counts(&mut self) -> SourceCounts {
        self.read_kernel();
        let mut counts = self.counts.kernel;
        counts.rx_invalid += self.counts.strange;
        if let Some(elsewhere) = &self.elsewhere {
            elsewhere.fill(&mut counts);
        }
        counts
    }

    fn refused(&mut self, tell: &mut dyn FnMut(u16, Reject, u64)) {
        if !std::mem::take(&mut self.refused.any) {
            return;
        }
        for (partition, packets) in (0u16..).zip(&mut self.refused.packets) {
            for (why, packets) in DAMAGED.into_iter().zip(packets) {
                if *packets > 0 {
                    tell(partition, why, std::mem::take(packets));
                }
            }
        }
    }

    fn unverified(&mut self, tell: &mut dyn FnMut(u16, u64)) {
        if !std::mem::take(&mut self.unverified.any) {
            return;
        }
        for (partition, packets) in (0u16..).zip(&mut self.unverified.packets) {
            if *packets > 0 {
                tell(partition, std::mem::take(packets));
            }
        }
    }

    fn mode(&self) -> &str {
        mode_text(self.mode)
    }
}

fn kernel(call: &'static str, errno: i32) -> SourceError {
    SourceError::Kernel { call, errno }
}

fn failed(call: &'static str, error: &std::io::Error) -> SourceError {
    kernel(call, error.raw_os_error().unwrap_or(libc::EIO))
}
