//! Ethernet II, IEEE 802.1Q tags, IPv4 (RFC 791) and UDP (RFC 768): from a frame to a datagram's
//! payload, and back.
//!
//! | layer | read | refused |
//! | --- | --- | --- |
//! | Ethernet | type at 12 | addresses are not looked at |
//! | 802.1Q, 802.1ad | none, one or two tags of type 0x8100 or 0x88a8 | a third |
//! | IPv4 | any options, total length | fragments, other versions, impossible lengths |
//! | UDP | ports, length | a length below 8 or past the end of the IP packet |
//!
//! Bytes behind the IP packet are Ethernet padding and ignored; so are bytes behind the datagram
//! within the IP packet, as the kernel's own sockets do. [`udp`] looks at no checksum, since a capture
//! that was taken on the sender's host has some that were never completed; [`check`] does. On a live
//! wire somebody must: a card marks a damaged frame and delivers it all the same, the mark is for the
//! kernel's own stack, and a program that takes frames before that never sees it.

mod checksum;

use candor_core::Reject;

use checksum::{fold, sum};

const VLAN: u16 = 0x8100;
const SERVICE_VLAN: u16 = 0x88a8;
const IPV4: u16 = 0x0800;
const UDP: u8 = 17;

/// Ethernet addresses and type, IPv4 without options, UDP.
pub const HEADERS_LEN: usize = 14 + 20 + 8;

/// Length of one VLAN tag in bytes.
pub const TAG_LEN: usize = 4;

/// The longest payload of a datagram: what 16 bits of IP length leave.
pub const PAYLOAD_MAX: usize = 65_535 - 20 - 8;

/// A UDP datagram found in a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram<'a> {
    /// The sender's address.
    pub source: [u8; 4],
    /// The destination's address; for market data, the multicast group.
    pub group: [u8; 4],
    /// The sender's port.
    pub source_port: u16,
    /// The destination's port.
    pub port: u16,
    /// The VLAN id of the outermost tag, `None` without tags.
    pub vlan: Option<u16>,
    /// What it carries.
    pub payload: &'a [u8],
}

/// Finds the UDP datagram in an Ethernet frame (without its frame check sequence).
///
/// # Errors
/// [`Reject::FrameTooShort`], [`Reject::VlanDepth`], [`Reject::NotIpv4`], [`Reject::BadIpHeader`],
/// [`Reject::Fragment`], [`Reject::NotUdp`], [`Reject::BadUdpLength`].
#[inline]
pub fn udp(frame: &[u8]) -> Result<Datagram<'_>, Reject> {
    let (vlan, packet) = ethernet(frame)?;
    let (ip, datagram) = ipv4(packet)?;
    let (header, _) = datagram.split_first_chunk::<8>().ok_or(Reject::FrameTooShort)?;
    let len = usize::from(be16(header[4], header[5]));
    let payload = datagram.get(8..len).ok_or(Reject::BadUdpLength)?;
    Ok(Datagram {
        source: [ip[12], ip[13], ip[14], ip[15]],
        group: [ip[16], ip[17], ip[18], ip[19]],
        source_port: be16(header[0], header[1]),
        port: be16(header[2], header[3]),
        vlan,
        payload,
    })
}

#[inline]
fn ethernet(frame: &[u8]) -> Result<(Option<u16>, &[u8]), Reject> {
    let (header, mut rest) = frame.split_first_chunk::<14>().ok_or(Reject::FrameTooShort)?;
    let mut ether_type = be16(header[12], header[13]);
    let mut vlan = None;
    let mut tags = 0;
    // BOUND: a third tag returns.
    while ether_type == VLAN || ether_type == SERVICE_VLAN {
        if tags == 2 {
            return Err(Reject::VlanDepth);
        }
        let (tag, behind) = rest.split_first_chunk::<TAG_LEN>().ok_or(Reject::FrameTooShort)?;
        vlan = vlan.or(Some(be16(tag[0], tag[1]) & 0x0fff));
        ether_type = be16(tag[2], tag[3]);
        rest = behind;
        tags += 1;
    }
    if ether_type == IPV4 { Ok((vlan, rest)) } else { Err(Reject::NotIpv4) }
}

#[inline]
fn ipv4(packet: &[u8]) -> Result<(&[u8; 20], &[u8]), Reject> {
    let (header, _) = packet.split_first_chunk::<20>().ok_or(Reject::FrameTooShort)?;
    let header_len = usize::from(header[0] & 0x0f) * 4;
    let total_len = usize::from(be16(header[2], header[3]));
    if header[0] >> 4 != 4 || header_len < 20 || total_len < header_len {
        return Err(Reject::BadIpHeader);
    }
    // "More fragments" or an offset: the datagram is in pieces.
    if be16(header[6], header[7]) & 0x3fff != 0 {
        return Err(Reject::Fragment);
    }
    if header[9] != UDP {
        return Err(Reject::NotUdp);
    }
    let datagram = packet.get(header_len..total_len).ok_or(Reject::FrameTooShort)?;
    Ok((header, datagram))
}

/// What the checksums of a packet vouch for that contradicts none of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Verified {
    /// The IPv4 header and the whole datagram.
    Whole,
    /// The IPv4 header alone: the sender computed no UDP checksum.
    HeaderAlone,
}

/// Checks the checksums of an IPv4 packet that carries a UDP datagram. `packet` is from the IPv4
/// header's first byte to the payload's last, without what may lie behind; the UDP header starts
/// `udp_at` bytes into it. A UDP checksum of 0 says that there is none (RFC 768): nothing tells then
/// whether the datagram is as it was sent. A checksum that was left for the card to complete is wrong.
///
/// One turn over all bytes: 8 a step, in no order of memory but ascending.
///
/// # Errors
/// [`Reject::BadIpChecksum`], [`Reject::BadUdpChecksum`]; [`Reject::FrameTooShort`] where there is no
/// room for the headers.
#[inline]
pub fn check(packet: &[u8], udp_at: usize) -> Result<Verified, Reject> {
    let (ip, datagram) = packet.split_at_checked(udp_at).ok_or(Reject::FrameTooShort)?;
    let fixed = ip.first_chunk::<20>().ok_or(Reject::FrameTooShort)?;
    let udp = datagram.first_chunk::<8>().ok_or(Reject::FrameTooShort)?;
    // A sum that contains its own checksum is all ones.
    if fold(sum(ip)) != 0xffff {
        return Err(Reject::BadIpChecksum);
    }
    if udp[6..8] == [0, 0] {
        return Ok(Verified::HeaderAlone);
    }
    let pseudo = sum(&fixed[12..20]) + sum(&[0, UDP, udp[4], udp[5]]);
    if fold(pseudo + sum(datagram)) != 0xffff {
        return Err(Reject::BadUdpChecksum);
    }
    Ok(Verified::Whole)
}

#[inline]
const fn be16(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high, low])
}

/// Who sends what to whom, for a frame to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// The sender's Ethernet address.
    pub source_mac: [u8; 6],
    /// The sender's address.
    pub source: [u8; 4],
    /// The destination; where it is a multicast group its Ethernet address follows from it,
    /// otherwise the frame is broadcast.
    pub group: [u8; 4],
    /// The sender's port.
    pub source_port: u16,
    /// The destination's port.
    pub port: u16,
    /// VLAN ids, outermost first; at most two are written.
    pub vlans: [Option<u16>; 2],
}

impl Route {
    /// The Ethernet address frames of this route go to (RFC 1112, section 6.4).
    #[must_use]
    pub const fn target_mac(&self) -> [u8; 6] {
        if self.group[0] >> 4 == 0xe {
            [0x01, 0x00, 0x5e, self.group[1] & 0x7f, self.group[2], self.group[3]]
        } else {
            [0xff; 6]
        }
    }
}

/// Writes an Ethernet frame with this payload into `buffer`, checksums included, time to live 16,
/// "don't fragment" set, without padding and frame check sequence. `None` where it does not fit, or
/// the payload is longer than [`PAYLOAD_MAX`].
#[must_use]
pub fn udp_frame<'b>(buffer: &'b mut [u8], route: &Route, payload: &[u8]) -> Option<&'b [u8]> {
    if payload.len() > PAYLOAD_MAX {
        return None;
    }
    let tags = route.vlans.iter().flatten().count();
    let frame = buffer.get_mut(..HEADERS_LEN + tags * TAG_LEN + payload.len())?;
    let (link, packet) = frame.split_at_mut(14 + tags * TAG_LEN);
    write_ethernet(link, route);
    let (ip, datagram) = packet.split_first_chunk_mut::<20>()?;
    let (udp, body) = datagram.split_first_chunk_mut::<8>()?;
    body.copy_from_slice(payload);

    // Both fit 16 bits: the payload is no longer than `PAYLOAD_MAX`.
    let udp_len = (8 + payload.len()) as u16;
    let ip_len = 20 + udp_len;
    ip[..2].copy_from_slice(&[0x45, 0]);
    ip[2..4].copy_from_slice(&ip_len.to_be_bytes());
    ip[4..12].copy_from_slice(&[0, 0, 0x40, 0, 16, UDP, 0, 0]);
    ip[12..16].copy_from_slice(&route.source);
    ip[16..20].copy_from_slice(&route.group);
    let checksum = !fold(sum(ip));
    ip[10..12].copy_from_slice(&checksum.to_ne_bytes());

    udp[..2].copy_from_slice(&route.source_port.to_be_bytes());
    udp[2..4].copy_from_slice(&route.port.to_be_bytes());
    udp[4..6].copy_from_slice(&udp_len.to_be_bytes());
    udp[6..8].copy_from_slice(&[0, 0]);
    let [high, low] = udp_len.to_be_bytes();
    let pseudo = sum(&ip[12..20]) + sum(&[0, UDP, high, low]);
    // A sum of zero is sent as its other form: zero says "no checksum".
    let checksum = match !fold(pseudo + sum(udp) + sum(body)) {
        0 => 0xffff,
        checksum => checksum,
    };
    udp[6..8].copy_from_slice(&checksum.to_ne_bytes());
    Some(frame)
}

fn write_ethernet(link: &mut [u8], route: &Route) {
    link[..6].copy_from_slice(&route.target_mac());
    link[6..12].copy_from_slice(&route.source_mac);
    let mut at = 12;
    for vlan in route.vlans.iter().flatten() {
        link[at..at + 2].copy_from_slice(&VLAN.to_be_bytes());
        link[at + 2..at + 4].copy_from_slice(&(vlan & 0x0fff).to_be_bytes());
        at += TAG_LEN;
    }
    link[at..at + 2].copy_from_slice(&IPV4.to_be_bytes());
}
