//! Target `net`: an Ethernet frame.

use candor_core::Reject;
use candor_decoders::net::{Datagram, HEADERS_LEN, Route, udp, udp_frame};

/// A datagram lies within its frame, agrees with a slow reading, survives being written again, and
/// no front of the frame gives another one.
pub fn check(frame: &[u8]) {
    let found = udp(frame);
    assert_eq!(found, slow(frame));
    for cut in 0..frame.len() {
        let front = udp(&frame[..cut]);
        assert!(front == found || front == Err(Reject::FrameTooShort), "front of {cut} bytes");
    }
    if let Ok(datagram) = found {
        crate::lies_within(datagram.payload, frame);
        assert!(datagram.payload.len() + HEADERS_LEN <= frame.len());
        written_again(&datagram);
    }
}

fn written_again(datagram: &Datagram<'_>) {
    let route = Route {
        source_mac: [2; 6],
        source: datagram.source,
        group: datagram.group,
        source_port: datagram.source_port,
        port: datagram.port,
        vlans: [datagram.vlan, None],
    };
    let mut buffer = vec![0xa5; datagram.payload.len() + HEADERS_LEN + 4];
    let frame = udp_frame(&mut buffer, &route, datagram.payload).expect("it fits");
    assert_eq!(udp(frame).as_ref(), Ok(datagram));
}

/// The same, reading byte by byte. `Ok` where `udp` is, and the same refusal otherwise.
fn slow(frame: &[u8]) -> Result<Datagram<'_>, Reject> {
    let byte = |at: usize| frame.get(at).map(|b| usize::from(*b)).ok_or(Reject::FrameTooShort);
    let word = |at: usize| Ok::<usize, Reject>(byte(at + 1)? + 256 * byte(at)?);
    byte(13)?;
    let mut ip = 14;
    let mut vlan = None;
    while [0x8100, 0x88a8].contains(&word(ip - 2)?) {
        if ip == 14 + 2 * 4 {
            return Err(Reject::VlanDepth);
        }
        byte(ip + 3)?;
        if vlan.is_none() {
            vlan = Some((word(ip)? % 4096) as u16);
        }
        ip += 4;
    }
    if word(ip - 2)? != 0x0800 {
        return Err(Reject::NotIpv4);
    }
    byte(ip + 19)?;
    let (version, header, total) = (byte(ip)? / 16, byte(ip)? % 16 * 4, word(ip + 2)?);
    if version != 4 || header < 20 || total < header {
        return Err(Reject::BadIpHeader);
    }
    if word(ip + 6)? % 0x4000 != 0 {
        return Err(Reject::Fragment);
    }
    if byte(ip + 9)? != 17 {
        return Err(Reject::NotUdp);
    }
    let (udp, end) = (ip + header, ip + total);
    if end > frame.len() || end < udp + 8 {
        return Err(Reject::FrameTooShort);
    }
    let len = word(udp + 4)?;
    if len < 8 || udp + len > end {
        return Err(Reject::BadUdpLength);
    }
    Ok(Datagram {
        source: [frame[ip + 12], frame[ip + 13], frame[ip + 14], frame[ip + 15]],
        group: [frame[ip + 16], frame[ip + 17], frame[ip + 18], frame[ip + 19]],
        source_port: word(udp)? as u16,
        port: word(udp + 2)? as u16,
        vlan,
        payload: &frame[udp + 8..udp + len],
    })
}
