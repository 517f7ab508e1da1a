//! Which frames come to a socket, and what happens to the others.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use candor_af_xdp::Options;
use candor_decoders::net::Verified;
use candor_ebpf::AttachMode;

use crate::veth::frames::{Datagram, arp_request};
use crate::veth::{RECEIVER, Receiver, SENDER, Veth, eventually, inside, ip};

const GROUP: [u8; 4] = [239, 1, 1, 1];
const PORT: u16 = 26_401;

fn one_queue(veth: &Veth, mode: AttachMode) -> Receiver {
    let mut receiver = veth.receiver(mode, Options::new(veth.ifindex(), vec![0]));
    receiver.program.set_endpoint(GROUP, PORT, None, 513, 1).unwrap();
    receiver
}

/// Sends each kind of frame in both modes and compares what comes with what was sent.
fn all_shapes_arrive(veth: &Veth, mode: AttachMode) {
    let mut receiver = one_queue(veth, mode);
    let sender = veth.sender();
    let plain = Datagram::to(GROUP, PORT);
    let shapes = [
        plain.clone(),
        Datagram { tags: vec![0x8100], ..plain.clone() },
        Datagram { tags: vec![0x88a8, 0x8100], ..plain.clone() },
        Datagram { option_words: 2, ..plain.clone() },
        Datagram { tags: vec![0x8100], option_words: 10, ..plain.clone() },
        Datagram { padding: 11, ..plain },
    ];
    for (number, shape) in shapes.iter().enumerate() {
        let payload: Vec<u8> = (0..100).map(|byte| byte ^ number as u8).collect();
        let frame = shape.frame(&payload);
        sender.send(&frame);
        let received = receiver.expect(1).remove(0);
        assert_eq!((received.partition, received.line), (513, 1));
        assert_eq!(received.payload, payload, "shape {number}");
        assert_eq!(received.frame, frame, "shape {number}");
        let (ip_at, words) = (14 + 4 * shape.tags.len(), 5 + usize::from(shape.option_words));
        let packet = frame[ip_at..frame.len() - shape.padding].to_vec();
        assert_eq!(received.packet, (packet, 4 * words), "shape {number}");
        assert_eq!(received.checked(), Ok(Verified::Whole), "shape {number}");
        for at in 0..received.packet.0.len() {
            let mut damaged = received.clone();
            damaged.packet.0[at] ^= 0x10;
            assert!(damaged.checked().is_err(), "shape {number}, byte {at}");
        }
    }
    let counters = receiver.program.counters().unwrap();
    assert_eq!(counters.redirected, shapes.len() as u64);
    assert_eq!(receiver.queues[0].counts().frames, shapes.len() as u64);
}

#[test]
fn all_shapes_arrive_in_native_mode() {
    let Some(veth) = Veth::new("all_shapes_arrive_in_native_mode", 1, 1500) else { return };
    all_shapes_arrive(&veth, AttachMode::Native);
}

#[test]
fn all_shapes_arrive_in_generic_mode() {
    let Some(veth) = Veth::new("all_shapes_arrive_in_generic_mode", 1, 1500) else { return };
    all_shapes_arrive(&veth, AttachMode::Generic);
}

#[test]
fn what_an_ordinary_socket_sends_arrives() {
    let Some(veth) = Veth::new("what_an_ordinary_socket_sends_arrives", 1, 1500) else { return };
    let mut receiver = one_queue(&veth, AttachMode::Native);
    // Its UDP checksum is partial here, which is nobody's business.
    let socket = inside(&veth.sending, || UdpSocket::bind((SENDER, 0)).unwrap());
    let before = since_boot();
    for number in 0..50_u8 {
        socket.send_to(&[number; 33], (Ipv4Addr::from(GROUP), PORT)).unwrap();
    }
    let received = receiver.expect(50);
    let after = since_boot();
    let mut last = before;
    for (number, frame) in received.iter().enumerate() {
        assert_eq!(frame.payload, [number as u8; 33]);
        assert!(
            frame.arrival_ns >= last,
            "arrival is of the clock that goes on in a suspended host, and in order"
        );
        last = frame.arrival_ns;
    }
    assert!(last <= after);
}

#[test]
fn what_is_nobodys_goes_to_the_host() {
    let Some(veth) = Veth::new("what_is_nobodys_goes_to_the_host", 1, 1500) else { return };
    let receiver = one_queue(&veth, AttachMode::Native);
    let joined = veth.receiving(|| {
        let socket = UdpSocket::bind(("0.0.0.0", PORT + 1)).unwrap();
        let interface: Ipv4Addr = RECEIVER.parse().unwrap();
        socket.join_multicast_v4(&Ipv4Addr::from(GROUP), &interface).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket
    });
    let sender = veth.sender();
    let unmapped = Datagram::to(GROUP, PORT + 1);
    sender.send(&unmapped.frame(b"for the host"));
    let mut buffer = [0; 64];
    let length = joined.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"for the host");
    let fragment = Datagram { fragment: 0x2000, ..Datagram::to(GROUP, PORT) };
    sender.send(&fragment.frame(b"first"));
    sender.send(&fragment.frame(b"second"));
    sender.send(&Datagram::to([224, 0, 0, 251], 5353).frame(b"local"));
    sender.send(&arp_request());
    let counters = receiver.seen(5);
    assert_eq!((counters.unmapped, counters.fragments, counters.passed), (1, 2, 2));
    assert_eq!(counters.redirected, 0);
    let listed = receiver.program.unmapped().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].group, listed[0].port, listed[0].packets), (GROUP, PORT + 1, 1));
    assert_eq!(listed[0].bytes, 14 + 20 + 8 + 12);
    // The host has answered the ARP request, so it has the asker in its table.
    eventually("the asker", || {
        ip(&format!("-n {} neigh show", veth.receiving)).contains("10.77.0.9").then_some(())
    });
}

#[test]
fn a_queue_without_a_socket_goes_to_the_host() {
    let Some(veth) = Veth::new("a_queue_without_a_socket_goes_to_the_host", 1, 1500) else {
        return;
    };
    let mut receiver = one_queue(&veth, AttachMode::Native);
    let sender = veth.sender();
    let frame = Datagram::to(GROUP, PORT).frame(b"x");
    receiver.program.clear_socket(0).unwrap();
    sender.send(&frame);
    assert_eq!(receiver.seen(1).no_socket, 1);
    let socket = &receiver.queues[0];
    receiver.program.set_socket(0, std::os::fd::AsFd::as_fd(socket)).unwrap();
    sender.send(&frame);
    receiver.expect(1);
    // The kernel takes a socket that closes out of the map by itself.
    receiver.queues.clear();
    eventually("the socket to leave the map", || {
        let before = receiver.program.counters().unwrap();
        sender.send(&frame);
        let after = receiver.seen(before.frames() + 1);
        (after.no_socket > before.no_socket).then_some(())
    });
}

#[test]
fn endpoints_can_be_named_and_unnamed_at_any_time() {
    let test = "endpoints_can_be_named_and_unnamed_at_any_time";
    let Some(veth) = Veth::new(test, 1, 1500) else { return };
    let mut receiver = one_queue(&veth, AttachMode::Native);
    let sender = veth.sender();
    let frame = Datagram::to([239, 9, 9, 9], 7).frame(b"y");
    sender.send(&frame);
    assert_eq!(receiver.seen(1).unmapped, 1);
    receiver.program.set_endpoint([239, 9, 9, 9], 7, None, 3, 0).unwrap();
    sender.send(&frame);
    assert_eq!(receiver.expect(1)[0].partition, 3);
    receiver.program.set_endpoint([239, 9, 9, 9], 7, None, 4, 2).unwrap();
    sender.send(&frame);
    let received = receiver.expect(1).remove(0);
    assert_eq!((received.partition, received.line), (4, 2));
    receiver.program.clear_endpoint([239, 9, 9, 9], 7, None).unwrap();
    sender.send(&frame);
    assert_eq!(receiver.seen(4).unmapped, 2);
}

fn since_boot() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
