//! How captured packets begin, by the numbers that pcap and pcapng share.

/// The kind of a link layer (`LINKTYPE_` in tcpdump's list).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link(pub u32);

/// The layers that are read.
enum Layer {
    Ethernet,
    Raw,
    Cooked,
    Cooked2,
}

impl Link {
    /// Ethernet.
    pub const ETHERNET: Link = Link(1);

    const fn layer(self) -> Option<Layer> {
        Some(match self.0 {
            1 => Layer::Ethernet,
            // An IP packet without any link layer.
            12 | 14 | 101 | 228 => Layer::Raw,
            // Linux's own, as `tcpdump -i any` writes it, first and second version.
            113 => Layer::Cooked,
            276 => Layer::Cooked2,
            _ => return None,
        })
    }

    /// Whether [`Link::ethernet`] can read its frames: Ethernet, raw IP, Linux cooked.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.layer().is_some()
    }

    /// A frame as Ethernet carries it: other layers' packets get a header, in `scratch`. Empty
    /// where the layer is not known, or the frame too short for it.
    #[must_use]
    pub fn ethernet<'b>(self, bytes: &'b [u8], scratch: &'b mut Vec<u8>) -> &'b [u8] {
        const IPV4: [u8; 2] = [0x08, 0x00];
        let (kind, packet) = match self.layer() {
            Some(Layer::Ethernet) => return bytes,
            Some(Layer::Raw) => (IPV4, bytes),
            Some(Layer::Cooked) => match (bytes.get(14..16), bytes.get(16..)) {
                (Some(&[high, low]), Some(packet)) => ([high, low], packet),
                _ => return &[],
            },
            Some(Layer::Cooked2) => match (bytes.get(..2), bytes.get(20..)) {
                (Some(&[high, low]), Some(packet)) => ([high, low], packet),
                _ => return &[],
            },
            None => return &[],
        };
        scratch.clear();
        scratch.extend_from_slice(&[0; 12]);
        scratch.extend_from_slice(&kind);
        scratch.extend_from_slice(packet);
        scratch
    }
}
