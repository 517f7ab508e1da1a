//! Frames to send.

/// The address datagrams are sent from.
const SOURCE: [u8; 4] = [10, 77, 0, 1];

/// A UDP datagram to a group, framed, with both checksums.
#[derive(Clone)]
pub(crate) struct Datagram {
    pub(crate) group: [u8; 4],
    pub(crate) port: u16,
    pub(crate) tags: Vec<u16>,
    pub(crate) option_words: u8,
    pub(crate) fragment: u16,
    pub(crate) padding: usize,
}

impl Datagram {
    pub(crate) fn to(group: [u8; 4], port: u16) -> Datagram {
        Datagram { group, port, tags: Vec::new(), option_words: 0, fragment: 0, padding: 0 }
    }

    pub(crate) fn frame(&self, payload: &[u8]) -> Vec<u8> {
        let [_, b, c, d] = self.group;
        let mut frame = vec![1, 0, 0x5e, b & 0x7f, c, d, 2, 0, 0, 0, 0, 1];
        for tag in &self.tags {
            frame.extend(tag.to_be_bytes());
            frame.extend(7_u16.to_be_bytes());
        }
        frame.extend([0x08, 0x00]);
        let udp_length = 8 + payload.len() as u16;
        let words = 5 + self.option_words;
        let header_at = frame.len();
        frame.extend([0x40 | words, 0]);
        frame.extend((4 * u16::from(words) + udp_length).to_be_bytes());
        frame.extend([0, 1]);
        frame.extend(self.fragment.to_be_bytes());
        frame.extend([8, 17, 0, 0]);
        frame.extend(SOURCE);
        frame.extend(self.group);
        frame.extend(vec![1; 4 * usize::from(self.option_words)]);
        let sum = checksum(&frame[header_at..]);
        frame[header_at + 10..header_at + 12].copy_from_slice(&sum.to_be_bytes());
        frame.extend(40_000_u16.to_be_bytes());
        frame.extend(self.port.to_be_bytes());
        frame.extend(udp_length.to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(payload);
        let sum = self.udp_checksum(&frame[header_at + 4 * usize::from(words)..]);
        let checksum_at = header_at + 4 * usize::from(words) + 6;
        frame[checksum_at..checksum_at + 2].copy_from_slice(&sum.to_be_bytes());
        frame.extend(vec![0; self.padding]);
        frame
    }
}

impl Datagram {
    /// Of a datagram whose own is zero: with the addresses, the protocol and the length before it.
    fn udp_checksum(&self, datagram: &[u8]) -> u16 {
        let length = (datagram.len() as u16).to_be_bytes();
        let mut whole = [SOURCE, self.group].concat();
        whole.extend([0, 17, length[0], length[1]]);
        whole.extend(datagram);
        if whole.len() % 2 == 1 {
            whole.push(0);
        }
        match checksum(&whole) {
            0 => 0xffff,
            sum => sum,
        }
    }
}

/// Asks who has the receiver's address.
pub(crate) fn arp_request() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 9]);
    frame.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend([2, 0, 0, 0, 0, 9, 10, 77, 0, 9]);
    frame.extend([0, 0, 0, 0, 0, 0, 10, 77, 0, 2]);
    frame
}

fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
