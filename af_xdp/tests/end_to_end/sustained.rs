//! Millions of frames at full speed: none lost that is not counted, and none altered.

use std::sync::atomic::{AtomicBool, Ordering};

use candor_af_xdp::{Options, Queue};
use candor_ebpf::AttachMode;

use crate::veth::Veth;
use crate::veth::frames::Datagram;

const GROUP: [u8; 4] = [239, 1, 1, 1];
const PORT: u16 = 26_401;

/// Frames to a queue. `CDX_FRAMES` asks for others.
fn frames() -> u32 {
    std::env::var("CDX_FRAMES").ok().and_then(|text| text.parse().ok()).unwrap_or(300_000)
}

/// What a lane has received of one queue, when nothing more can come.
fn receive_all(queue: &mut Queue, expected: &[u8], done: &AtomicBool) -> u64 {
    let mut received = 0_u64;
    loop {
        let over = done.load(Ordering::Acquire);
        let result = queue.receive(64, |frame| {
            assert_eq!(frame.payload(), Some(expected));
            received += 1;
        });
        if over && result.unwrap().drained {
            return received;
        }
    }
}

#[test]
fn received_and_counted_as_lost_is_what_was_sent() {
    let test = "received_and_counted_as_lost_is_what_was_sent";
    let Some(veth) = Veth::new(test, 1, 1500) else { return };
    let frames = frames();
    for bytes in [100, 1400_usize] {
        let payload: Vec<u8> = (0..bytes - 42).map(|at| (at % 251) as u8).collect();
        let frame = Datagram::to(GROUP, PORT).frame(&payload);
        let options = Options::new(veth.ifindex(), vec![0]);
        let ifindex = options.ifindex;
        let mut receiver = veth.receiver(AttachMode::Native, options);
        receiver.program.set_endpoint(GROUP, PORT, None, 0, 0).unwrap();
        let done = AtomicBool::new(false);
        let program = &receiver.program;
        let queue = &mut receiver.queues[0];
        let started = nanoseconds(libc::CLOCK_MONOTONIC);
        let received = std::thread::scope(|scope| {
            let lane = scope.spawn(|| receive_all(queue, &payload, &done));
            veth.receiving(|| program.inject(ifindex, 0, &frame, frames).unwrap());
            done.store(true, Ordering::Release);
            lane.join().unwrap()
        });
        let took = nanoseconds(libc::CLOCK_MONOTONIC) - started;
        let statistics = receiver.queues[0].statistics().unwrap();
        assert_eq!(received + statistics.lost(), u64::from(frames), "{}", receiver.state());
        assert_eq!(receiver.program.counters().unwrap().redirected, u64::from(frames));
        println!(
            "{bytes}-byte frames: {received} received, {} lost, {} a second offered",
            statistics.lost(),
            u128::from(frames) * 1_000_000_000 / u128::from(took),
        );
    }
}

#[test]
fn bursts_within_the_frames_there_are_lose_nothing() {
    let test = "bursts_within_the_frames_there_are_lose_nothing";
    let Some(veth) = Veth::new(test, 1, 1500) else { return };
    let options = Options::new(veth.ifindex(), vec![0]);
    let (ifindex, burst) = (options.ifindex, options.receive_frames);
    for bytes in [100, 1400_usize] {
        let frame = Datagram::to(GROUP, PORT).frame(&vec![7; bytes - 42]);
        let mut receiver = veth.receiver(AttachMode::Native, options.clone());
        receiver.program.set_endpoint(GROUP, PORT, None, 0, 0).unwrap();
        let (program, queue) = (&receiver.program, &mut receiver.queues[0]);
        let rounds = frames() / burst;
        let (mut delivering, mut receiving, mut sum) = (0, 0, 0_usize);
        veth.receiving(|| {
            for _ in 0..rounds {
                let start = nanoseconds(libc::CLOCK_THREAD_CPUTIME_ID);
                program.inject(ifindex, 0, &frame, burst).unwrap();
                let delivered = nanoseconds(libc::CLOCK_THREAD_CPUTIME_ID);
                let mut left = burst;
                while left > 0 {
                    let add = |frame: candor_af_xdp::Frame<'_>| {
                        sum += frame.payload().map_or(0, <[u8]>::len);
                    };
                    left -= queue.receive(64, add).unwrap().frames;
                }
                delivering += delivered - start;
                receiving += nanoseconds(libc::CLOCK_THREAD_CPUTIME_ID) - delivered;
            }
        });
        let count = u64::from(rounds * burst);
        assert_eq!(sum as u64, count * (bytes as u64 - 42));
        assert_eq!(receiver.queues[0].statistics().unwrap().lost(), 0);
        println!(
            "{bytes}-byte frames: {} ns of CPU a frame to deliver, {} ns to receive",
            delivering / count,
            receiving / count
        );
    }
}

fn nanoseconds(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
