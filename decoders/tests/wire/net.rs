//! Frames: written and found again, and refused for each reason there is.

use candor_core::Reject;
use candor_decoders::net::{HEADERS_LEN, PAYLOAD_MAX, Route, Verified, check, udp, udp_frame};
use proptest::prelude::*;

use crate::hex;

const ROUTE: Route = Route {
    source_mac: [2, 0, 0, 0, 0, 1],
    source: [10, 0, 0, 1],
    group: [239, 129, 2, 3],
    source_port: 40_000,
    port: 26_400,
    vlans: [None, None],
};

fn written(route: &Route, payload: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0xa5; 70_000];
    udp_frame(&mut buffer, route, payload).unwrap().to_vec()
}

/// The bytes and both checksums were computed apart from this crate.
#[test]
fn a_frame_by_hand() {
    let bytes = hex("01005e010203 020000000001 8100 0007 0800
        4500001f 00004000 10116f49 0a000001 ef810203
        9c406720 000b3c8f 616263");
    let route = Route { vlans: [None, Some(7)], ..ROUTE };
    assert_eq!(written(&route, b"abc"), bytes);
    let datagram = udp(&bytes).unwrap();
    assert_eq!((datagram.source, datagram.group), (ROUTE.source, ROUTE.group));
    assert_eq!((datagram.source_port, datagram.port), (40_000, 26_400));
    assert_eq!((datagram.vlan, datagram.payload), (Some(7), &b"abc"[..]));
}

proptest! {
    #[test]
    fn what_is_written_is_found(
        payload in proptest::collection::vec(any::<u8>(), 0..1500),
        vlans in any::<[Option<u16>; 2]>(),
        source in any::<[u8; 4]>(), group in any::<[u8; 4]>(),
        source_port in any::<u16>(), port in any::<u16>(),
        padding in 0usize..40,
    ) {
        let route = Route { source_mac: [2; 6], source, group, source_port, port, vlans };
        let mut frame = written(&route, &payload);
        let whole = frame.len();
        frame.resize(whole + padding, 0xa5);
        let datagram = udp(&frame).unwrap();
        prop_assert_eq!(datagram.payload, &payload[..]);
        prop_assert_eq!((datagram.source, datagram.group), (source, group));
        prop_assert_eq!((datagram.source_port, datagram.port), (source_port, port));
        prop_assert_eq!(datagram.vlan, vlans[0].or(vlans[1]).map(|id| id & 0xfff));
        // Cut anywhere it is refused, never read short.
        for cut in 0..whole {
            prop_assert_eq!(udp(&frame[..cut]), Err(Reject::FrameTooShort));
        }
    }

    #[test]
    fn any_bytes_are_refused_or_lie_within(frame in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(datagram) = udp(&frame) {
            prop_assert!(datagram.payload.len() + HEADERS_LEN <= frame.len());
        }
    }
}

#[test]
fn every_refusal() {
    let good = written(&ROUTE, b"abcd");
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = good.clone();
        change(&mut frame);
        udp(&frame).err()
    };
    assert_eq!(refused(&|_| ()), None);
    assert_eq!(refused(&|f| f[13] = 0x06), Some(Reject::NotIpv4));
    assert_eq!(refused(&|f| f[12..14].copy_from_slice(&[0x86, 0xdd])), Some(Reject::NotIpv4));
    assert_eq!(refused(&|f| f[14] = 0x65), Some(Reject::BadIpHeader));
    assert_eq!(refused(&|f| f[14] = 0x44), Some(Reject::BadIpHeader));
    assert_eq!(refused(&|f| f[16..18].copy_from_slice(&[0, 19])), Some(Reject::BadIpHeader));
    assert_eq!(refused(&|f| f[17] += 1), Some(Reject::FrameTooShort));
    assert_eq!(refused(&|f| f[20] = 0x20), Some(Reject::Fragment));
    assert_eq!(refused(&|f| f[21] = 1), Some(Reject::Fragment));
    assert_eq!(refused(&|f| f[20] = 0x40), None, "don't fragment is no fragment");
    assert_eq!(refused(&|f| f[23] = 6), Some(Reject::NotUdp));
    assert_eq!(refused(&|f| f[39] = 7), Some(Reject::BadUdpLength));
    assert_eq!(refused(&|f| f[39] = 13), Some(Reject::BadUdpLength));
    assert_eq!(refused(&|f| f[17] = 27), Some(Reject::FrameTooShort), "no room for UDP's header");
    let tags = |types: &[u8]| {
        let mut frame = good[..12].to_vec();
        for low in types {
            frame.extend_from_slice(if *low == 0xa8 { &[0x88, 0xa8] } else { &[0x81, 0] });
            frame.extend_from_slice(&[0xf0, *low]);
        }
        frame.extend_from_slice(&good[12..]);
        udp(&frame).map(|d| d.vlan)
    };
    assert_eq!(tags(&[5]), Ok(Some(5)));
    assert_eq!(tags(&[0xa8, 5]), Ok(Some(0xa8)));
    assert_eq!(tags(&[1, 2, 3]), Err(Reject::VlanDepth));
}

#[test]
fn options_are_skipped_and_a_shorter_datagram_is_honoured() {
    let mut frame = written(&ROUTE, b"abcd");
    frame.splice(34..34, [1, 1, 1, 0]);
    frame[14] = 0x46;
    frame[17] += 4;
    assert_eq!(udp(&frame).unwrap().payload, b"abcd");
    frame[43] = 8 + 3;
    assert_eq!(udp(&frame).unwrap().payload, b"abc");
}

/// Zero stands for "no checksum", so the one payload of two bytes that sums to it is sent as 0xffff.
#[test]
fn a_checksum_is_never_sent_as_none() {
    let checksums = (0..=u16::MAX).map(|word| {
        let frame = written(&ROUTE, &word.to_be_bytes());
        u16::from_be_bytes([frame[40], frame[41]])
    });
    let (mut zeros, mut full) = (0, 0);
    for checksum in checksums {
        zeros += u32::from(checksum == 0);
        full += u32::from(checksum == 0xffff);
    }
    assert_eq!((zeros, full), (0, 1));
}

#[test]
fn a_frame_that_does_not_fit_is_not_written() {
    assert!(udp_frame(&mut [0; HEADERS_LEN + 3], &ROUTE, b"abc").is_some());
    assert!(udp_frame(&mut [0; HEADERS_LEN + 2], &ROUTE, b"abc").is_none());
    let longest = vec![7; PAYLOAD_MAX];
    assert_eq!(udp(&written(&ROUTE, &longest)).unwrap().payload, longest);
    assert!(udp_frame(&mut [0; 70_000], &ROUTE, &vec![7; PAYLOAD_MAX + 1]).is_none());
}

#[test]
fn what_is_written_checks_and_what_any_bit_is_flipped_in_does_not() {
    for payload in [&b"abc"[..], b"", &[0xff; 64], &[0x5a; 1_399]] {
        let frame = written(&ROUTE, payload);
        let packet = &frame[14..];
        assert_eq!(check(packet, 20), Ok(Verified::Whole));
        for bit in 0..packet.len() * 8 {
            let mut damaged = packet.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let refused = match bit / 8 {
                0..20 => Reject::BadIpChecksum,
                _ => Reject::BadUdpChecksum,
            };
            // But for one flip that no other can make up for, and says that there is no checksum.
            let none = damaged[26..28] == [0, 0];
            let expected = if none { Ok(Verified::HeaderAlone) } else { Err(refused) };
            assert_eq!(check(&damaged, 20), expected, "bit {bit}");
        }
    }
}

#[test]
fn options_count_and_no_checksum_is_none() {
    let frame = written(&ROUTE, b"abc");
    // The same packet with four bytes of options: one word more in its first byte and its length.
    let mut packet = [&frame[14..34], &[1, 1, 1, 0], &frame[34..]].concat();
    (packet[0], packet[3]) = (0x46, packet[3] + 4);
    assert_eq!(check(&packet, 24), Err(Reject::BadIpChecksum));
    // One word of 0x0100 and one of 4 and one of 0x0101 and one of 0x0100 more.
    let sum = !u16::from_be_bytes([packet[10], packet[11]]);
    let sum = u32::from(sum) + 0x0100 + 4 + 0x0101 + 0x0100;
    let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(check(&packet, 24), Ok(Verified::Whole));
    packet[34] ^= 1;
    assert_eq!(check(&packet, 24), Err(Reject::BadUdpChecksum));
    packet[30..32].fill(0);
    assert_eq!(check(&packet, 24), Ok(Verified::HeaderAlone));
    // No room for the headers.
    for (packet, udp_at) in [(&packet[..31], 24), (&packet[..10], 24), (&packet[..], 16)] {
        assert_eq!(check(packet, udp_at), Err(Reject::FrameTooShort));
    }
}
