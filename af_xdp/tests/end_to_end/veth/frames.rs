//! Frames to send.

/// A UDP datagram to a group, framed.
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
        frame.extend([8, 17, 0, 0, 10, 77, 0, 1]);
        frame.extend(self.group);
        frame.extend(vec![1; 4 * usize::from(self.option_words)]);
        let sum = checksum(&frame[header_at..]);
        frame[header_at + 10..header_at + 12].copy_from_slice(&sum.to_be_bytes());
        frame.extend(40_000_u16.to_be_bytes());
        frame.extend(self.port.to_be_bytes());
        frame.extend(udp_length.to_be_bytes());
        frame.extend([0, 0]); // no checksum, which UDP over IPv4 allows
        frame.extend(payload);
        frame.extend(vec![0; self.padding]);
        frame
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
