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
//! One that is removed ends the lane.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
    queues: Vec<Queue>,
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
    /// An interface was removed: there is nothing left to poll.
    gone: bool,
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
    /// What the kernel said last; kept where it can't be asked any more.
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
        queues: Vec<Queue>,
        (mode, checksums): (XdpMode, Checksums),
        (batch, partitions): (u32, usize),
        elsewhere: Option<Arc<Elsewhere>>,
    ) -> AfXdp {
        let packets = vec![[0; DAMAGED.len()]; partitions].into_boxed_slice();
        AfXdp {
            checksums,
            refused: Refused { packets, any: false },
            unverified: Unverified { packets: vec![0; partitions].into_boxed_slice(), any: false },
            waiter: Waiter::new(queues.len()),
            queues,
            next: 0,
            batch: batch.max(1),
            mode,
            counts: Counts::default(),
            elsewhere,
            gone: false,
        }
    }

    fn read_kernel(&mut self) {
        let mut sum = SourceCounts::default();
        for queue in &self.queues {
            if queue.check().is_err() {
                self.gone = true;
            }
            let Ok(kernel) = queue.statistics() else { return };
            sum.rx_ring_full += kernel.receive_ring_full;
            sum.fill_ring_empty += kernel.fill_ring_empty;
            // Where the kernel copies, it counts a frame that found no buffer under both.
            sum.rx_dropped += match self.mode {
                XdpMode::ZeroCopy => kernel.receive_dropped,
                _ => kernel.receive_dropped.saturating_sub(kernel.fill_ring_empty),
            };
            sum.rx_invalid += kernel.receive_invalid + queue.counts().bad_descriptors;
            sum.too_long += queue.counts().too_long;
        }
        self.counts.kernel = sum;
    }
}

impl Source for AfXdp {
    fn poll(&mut self, deliver: &mut dyn FnMut(Arrival<'_>)) -> Result<Polled, SourceError> {
        if self.gone {
            return Err(kernel("recv on a removed interface", libc::ENETDOWN));
        }
        let mut polled = Polled { frames: 0, drained: true, waits_since: Some(Mono::MAX) };
        let mut strange = 0;
        let verify = self.checksums == Checksums::Verify;
        for asked in 0..self.queues.len() {
            let at = self.next;
            self.next = if at + 1 < self.queues.len() { at + 1 } else { 0 };
            let Some(queue) = self.queues.get_mut(at) else { break };
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
                }
                // It may come up again; until then silence says all there is to say.
                Err(ReceiveError::InterfaceDown) => {}
                Err(ReceiveError::Wake(error)) => return Err(failed("recv", &error)),
                Err(_) => return Err(kernel("recv", libc::EIO)),
            }
            if polled.frames >= self.batch {
                polled.drained = false;
                // Of those that were not asked nothing is known.
                polled.waits_since = polled.waits_since.filter(|_| asked + 1 == self.queues.len());
                break;
            }
        }
        polled.waits_since = polled.waits_since.filter(|at| *at != Mono::MAX);
        self.counts.strange += strange;
        Ok(polled)
    }

    fn wait(&mut self, at_most: Nanos) -> Result<(), SourceError> {
        match self.waiter.wait(&self.queues, Duration::from_nanos(at_most.0)) {
            Ok(_) => Ok(()),
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
