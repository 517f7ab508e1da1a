//! Queues, packet memory, packets of several frames, and what happens when a lane is too slow.

use candor_af_xdp::{HugePages, Options, open};
use candor_decoders::net::Verified;
use candor_ebpf::AttachMode;

use crate::veth::frames::Datagram;
use crate::veth::{Veth, inside};

const GROUP: [u8; 4] = [239, 1, 1, 1];
const PORT: u16 = 26_401;

#[test]
fn four_queues_share_packet_memory_and_nothing_else() {
    let test = "four_queues_share_packet_memory_and_nothing_else";
    let Some(veth) = Veth::new(test, 4, 1500) else { return };
    let options = Options {
        receive_frames: 256,
        huge_pages: HugePages::No,
        ..Options::new(veth.ifindex(), vec![0, 1, 2, 3])
    };
    let mut receiver = veth.receiver(AttachMode::Native, options);
    assert_eq!(receiver.report.umem_bytes, 4 * 256 * 4096);
    for port in 0..4 {
        receiver.program.set_endpoint(GROUP, PORT + port, None, port, 0).unwrap();
    }
    // What a socket sends on its queue arrives on the queue of the same number.
    let mut senders = inside(&veth.sending, || {
        let ifindex = candor_af_xdp::probe::interface("vtx").unwrap().ifindex;
        let options = Options {
            receive_frames: 64,
            transmit_frames: 64,
            ..Options::new(ifindex, vec![0, 1, 2, 3])
        };
        open(&options).unwrap().queues
    });
    // Several times round all frames of each queue.
    for round in 0..40_u8 {
        for queue in &mut senders {
            let port = PORT + queue.number() as u16;
            for number in 0..32 {
                let payload = [round, number, queue.number() as u8];
                queue.send(&Datagram::to(GROUP, port).frame(&payload)).unwrap();
            }
            queue.flush().unwrap();
        }
        let received = receiver.expect(4 * 32);
        for queue in 0..4 {
            let payloads: Vec<_> = received
                .iter()
                .filter(|frame| frame.queue == queue)
                .map(|frame| (frame.partition, frame.payload.clone()))
                .collect();
            let expected: Vec<_> =
                (0..32).map(|number| (queue as u16, vec![round, number, queue as u8])).collect();
            assert_eq!(payloads, expected);
        }
    }
    for queue in &receiver.queues {
        let statistics = queue.statistics().unwrap();
        assert_eq!(statistics.lost(), 0);
        assert_eq!(statistics.receive_invalid, 0);
        assert_eq!(queue.counts().frames, 40 * 32);
    }
}

#[test]
fn jumbo_packets_are_put_together() {
    let Some(veth) = Veth::new("jumbo_packets_are_put_together", 1, 9000) else { return };
    for (mode, frame_size) in
        [(AttachMode::Native, 2048), (AttachMode::Native, 4096), (AttachMode::Generic, 2048)]
    {
        let options = Options {
            frame_size,
            receive_frames: 128,
            longest_frame: 8000,
            ..Options::new(veth.ifindex(), vec![0])
        };
        let mut receiver = veth.receiver(mode, options);
        receiver.program.set_endpoint(GROUP, PORT, None, 1, 0).unwrap();
        let sender = veth.sender();
        let payload = |length: usize| (0..length).map(|at| (at % 251) as u8).collect::<Vec<u8>>();
        for length in [10, 1400, 1800, 3700, 5000, 7958] {
            let frame = Datagram::to(GROUP, PORT).frame(&payload(length));
            sender.send(&frame);
            let received = receiver.expect(1).remove(0);
            assert!(received.frame == frame, "{mode:?} {frame_size} {length}");
            assert!(received.payload == payload(length));
            assert_eq!(received.checked(), Ok(Verified::Whole), "{mode:?} {frame_size} {length}");
        }
        assert!(receiver.queues[0].counts().put_together >= 2);
        // One byte too long is counted, and its frames come back: many more than there are frames.
        for _ in 0..200 {
            sender.send(&Datagram::to(GROUP, PORT).frame(&payload(7959)));
            assert!(receiver.receive().is_empty());
        }
        sender.send(&Datagram::to(GROUP, PORT).frame(&payload(7958)));
        receiver.expect(1);
        assert_eq!(receiver.queues[0].counts().too_long, 200, "{mode:?}");
        assert_eq!(receiver.queues[0].statistics().unwrap().lost(), 0);
    }
}

#[test]
fn without_multi_buffer_a_long_packet_is_the_kernels_loss() {
    let test = "without_multi_buffer_a_long_packet_is_the_kernels_loss";
    let Some(veth) = Veth::new(test, 1, 9000) else { return };
    let options = Options {
        multi_buffer: false,
        receive_frames: 64,
        ..Options::new(veth.ifindex(), vec![0])
    };
    let mut receiver = veth.receiver(AttachMode::Native, options);
    receiver.program.set_endpoint(GROUP, PORT, None, 1, 0).unwrap();
    let sender = veth.sender();
    for _ in 0..100 {
        sender.send(&Datagram::to(GROUP, PORT).frame(&[1; 5000]));
    }
    sender.send(&Datagram::to(GROUP, PORT).frame(&[2; 500]));
    assert_eq!(receiver.expect(1)[0].payload, [2; 500]);
    assert_eq!(receiver.queues[0].statistics().unwrap().lost(), 100);
}

#[test]
fn a_lane_that_is_too_slow_loses_frames_and_says_how_many() {
    let test = "a_lane_that_is_too_slow_loses_frames_and_says_how_many";
    let Some(veth) = Veth::new(test, 1, 1500) else { return };
    for mode in [AttachMode::Native, AttachMode::Generic] {
        let options = Options { receive_frames: 64, ..Options::new(veth.ifindex(), vec![0]) };
        let mut receiver = veth.receiver(mode, options);
        receiver.program.set_endpoint(GROUP, PORT, None, 1, 0).unwrap();
        let sender = veth.sender();
        for number in 0..100_u8 {
            sender.send(&Datagram::to(GROUP, PORT).frame(&[number; 9]));
        }
        receiver.seen(100);
        let received = receiver.expect(64);
        let first: Vec<u8> = received.iter().map(|frame| frame.payload[0]).collect();
        assert_eq!(first, (0..64).collect::<Vec<u8>>(), "the oldest are kept");
        let statistics = receiver.queues[0].statistics().unwrap();
        assert_eq!(statistics.lost(), 36, "{mode:?} {statistics:?}");
        assert_eq!(statistics.receive_ring_full, 0);
        assert!(statistics.fill_ring_empty > 0);
        // And it goes on.
        sender.send(&Datagram::to(GROUP, PORT).frame(&[200; 9]));
        assert_eq!(receiver.expect(1)[0].payload, [200; 9]);
    }
}

#[test]
fn huge_pages_are_as_asked() {
    let Some(veth) = Veth::new("huge_pages_are_as_asked", 1, 1500) else { return };
    let free = candor_af_xdp::probe::host().unwrap().huge_pages_free;
    let options = |huge_pages| Options {
        huge_pages,
        receive_frames: 64,
        ..Options::new(veth.ifindex(), vec![0])
    };
    veth.receiving(|| {
        assert!(!open(&options(HugePages::No)).unwrap().report.huge_pages);
        let tried = open(&options(HugePages::Try)).unwrap().report;
        // Other tests may use huge pages meanwhile, so more than one must be free to be sure.
        if free == 0 {
            assert!(!tried.huge_pages);
            assert!(open(&options(HugePages::Require)).is_err());
        } else if free > 16 {
            assert!(tried.huge_pages);
            assert_eq!(tried.umem_bytes, 2 << 20);
        }
    });
}
