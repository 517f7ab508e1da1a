//! pcap and pcapng: frames with the time they were captured at.
//!
//! The framing is pcap-parser's. Three things it leaves to us or gets wrong (0.17) are read here
//! from the bytes it gives: resolutions that are powers of two, time offsets in big-endian
//! sections, and the old packet block.

use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{
    Block, InterfaceDescriptionBlock, LegacyPcapReader, PcapBlockOwned, PcapError, PcapNGReader,
    UnknownBlock,
};

use crate::inflate::{Cause, Whole};
use crate::{Frame, Kind, Link};

/// What is read at once; a block that needs more makes it grow, up to [`BLOCK_MAX`].
const CAPACITY: usize = 1 << 20;

/// No capture has a larger block.
const BLOCK_MAX: usize = 16 << 20;

/// Longest frame a file may claim: twice the longest IP packet, and room for captures of loopback
/// interfaces. More is a broken file.
const FRAME_MAX: usize = 1 << 18;

/// Interfaces of a section at most: a bound on what a hostile file makes us remember.
const INTERFACES_MAX: usize = 4_096;

const OLD_PACKET: u32 = 2;

const SECOND: u64 = 1_000_000_000;

/// What a file that begins so is, if it is one.
pub(crate) fn recognise(head: &[u8]) -> Option<Kind> {
    match *head {
        // Micro- and nanoseconds in either order, and a kind with longer packet headers.
        [0xd4, 0xc3, 0xb2, 0xa1]
        | [0x4d, 0x3c, 0xb2, 0xa1]
        | [0xa1, 0xb2, 0xc3, 0xd4]
        | [0xa1, 0xb2, 0x3c, 0x4d]
        | [0x34, 0xcd, 0xb2, 0xa1] => Some(Kind::Pcap),
        [0x0a, 0x0d, 0x0d, 0x0a] => Some(Kind::PcapNg),
        _ => None,
    }
}

/// A file of blocks being read.
pub(crate) struct Blocks {
    reader: Box<dyn PcapReaderIterator + Send>,
    kind: Kind,
    cause: Cause,
    capacity: usize,
    sections: Sections,
    found: Option<Found>,
}

/// Where in the file's sections the reader is. A pcap file is one section of one interface.
#[derive(Default)]
struct Sections {
    big: bool,
    interfaces: Vec<Interface>,
    /// The last time seen.
    last: u64,
}

#[derive(Clone, Copy)]
struct Interface {
    link: Link,
    /// Bytes kept of a frame at most.
    snap: usize,
    /// Time units in a second.
    units: u64,
    /// Seconds to add.
    offset: i64,
}

/// A frame, and where it lies in its block.
#[derive(Clone, Copy)]
struct Found {
    at: u64,
    link: Link,
    from: usize,
    to: usize,
    cut: bool,
    /// Bytes of the block.
    len: usize,
}

impl Blocks {
    pub(crate) fn open(bytes: Whole, kind: Kind, cause: Cause) -> Result<Blocks, String> {
        let opened: Result<Box<dyn PcapReaderIterator + Send>, _> = match kind {
            Kind::PcapNg => PcapNGReader::new(CAPACITY, bytes).map(|reader| Box::new(reader) as _),
            _ => LegacyPcapReader::new(CAPACITY, bytes).map(|reader| Box::new(reader) as _),
        };
        let reader = match opened {
            Ok(reader) => reader,
            Err(PcapError::Incomplete(_) | PcapError::ReadError) if cause.is_set() => {
                return Err(cause.cut("its header"));
            }
            Err(PcapError::Incomplete(_)) => return Err("the file ends within its header".into()),
            Err(_) => return Err("a header that can't be".into()),
        };
        let sections = Sections::default();
        let mut blocks = Blocks { reader, kind, cause, capacity: CAPACITY, sections, found: None };
        if kind == Kind::Pcap {
            blocks.header()?;
        }
        Ok(blocks)
    }

    /// Takes the header of a pcap file.
    fn header(&mut self) -> Result<(), String> {
        let Ok((len, PcapBlockOwned::LegacyHeader(header))) = self.reader.next() else {
            return Err("a header that can't be".into());
        };
        let units = if header.is_nanosecond_precision() { SECOND } else { 1_000_000 };
        // The upper bits say whether frames end with their check sequence, which is ignored.
        let link = Link(header.network.0.cast_unsigned() & 0x0fff_ffff);
        self.sections.interfaces.push(Interface { link, snap: usize::MAX, units, offset: 0 });
        self.reader.consume(len);
        Ok(())
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn link(&self) -> Option<Link> {
        match self.kind {
            Kind::Pcap => self.sections.interfaces.first().map(|interface| interface.link),
            _ => None,
        }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.reader.consumed() as u64
    }

    /// Moves to the next frame, and says its time.
    pub(crate) fn advance(&mut self) -> Result<Option<u64>, String> {
        if let Some(found) = self.found.take() {
            self.reader.consume(found.len);
        }
        // BOUND: every turn takes a block, reads more of the file, makes room for it, or returns.
        loop {
            match self.reader.next() {
                Ok((len, block)) => match self.sections.take(len, &block)? {
                    Some(found) => {
                        self.found = Some(found);
                        return Ok(Some(found.at));
                    }
                    None => self.reader.consume(len),
                },
                Err(PcapError::Eof) => return Ok(None),
                Err(PcapError::Incomplete(_)) => self.refill()?,
                Err(PcapError::BufferTooSmall) => {
                    self.capacity *= 2;
                    if self.capacity > BLOCK_MAX || !self.reader.grow(self.capacity) {
                        let bound = BLOCK_MAX >> 20;
                        return Err(format!("a block that is broken, or longer than {bound} MiB"));
                    }
                    self.refill()?;
                }
                Err(PcapError::UnexpectedEof | PcapError::ReadError) => {
                    return Err(self.cause.cut("a block"));
                }
                Err(_) => return Err("a block that can't be".to_owned()),
            }
        }
    }

    fn refill(&mut self) -> Result<(), String> {
        if self.reader.refill().is_ok() { Ok(()) } else { Err(self.cause.cut("a block")) }
    }

    /// The frame [`Blocks::advance`] moved to.
    pub(crate) fn frame(&self) -> Option<Frame<'_>> {
        let Found { at, link, from, to, cut, .. } = self.found?;
        let bytes = self.reader.data().get(from..to)?;
        Some(Frame { at, link, bytes, cut })
    }
}

impl Sections {
    /// Takes a block of `len` bytes, and finds the frame if it has one.
    fn take(&mut self, len: usize, block: &PcapBlockOwned<'_>) -> Result<Option<Found>, String> {
        match block {
            PcapBlockOwned::Legacy(block) => {
                let interface = self.interface(0)?;
                let seconds = u128::from(block.ts_sec) * u128::from(interface.units);
                self.last = interface.nanos(seconds + u128::from(block.ts_usec));
                // The header's length differs between kinds of pcap; the frame is at the end.
                self.found(interface, len - block.data.len(), block.caplen, block.origlen, len)
            }
            PcapBlockOwned::NG(Block::SectionHeader(block)) => {
                // A section numbers its interfaces anew.
                self.interfaces.clear();
                self.big = block.big_endian();
                Ok(None)
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(block)) => {
                if self.interfaces.len() == INTERFACES_MAX {
                    return Err(format!("more than {INTERFACES_MAX} interfaces"));
                }
                self.interfaces.push(Interface::of(block, self.big)?);
                Ok(None)
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
                let interface = self.interface(block.if_id)?;
                let units = u128::from(block.ts_high) << 32 | u128::from(block.ts_low);
                self.last = interface.nanos(units);
                self.found(interface, 28, block.caplen, block.origlen, len)
            }
            PcapBlockOwned::NG(Block::SimplePacket(block)) => {
                let interface = self.interface(0)?;
                let there = block.data.len().min(interface.snap);
                let kept = block.origlen.min(u32::try_from(there).unwrap_or(u32::MAX));
                self.found(interface, 12, kept, block.origlen, len)
            }
            PcapBlockOwned::NG(Block::Unknown(block)) => self.old_packet(block, len),
            _ => Ok(None),
        }
    }

    /// The packet block that enhanced ones replaced: two 16-bit numbers, the interface before the
    /// drops, where those have the interface's.
    fn old_packet(
        &mut self,
        block: &UnknownBlock<'_>,
        len: usize,
    ) -> Result<Option<Found>, String> {
        // The parser gives the kind as if every section were little-endian.
        let kind = if self.big { block.block_type.swap_bytes() } else { block.block_type };
        if kind != OLD_PACKET {
            return Ok(None);
        }
        let word = |at: usize| {
            let bytes: [u8; 4] = block.data.get(at..at + 4)?.try_into().ok()?;
            Some(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
        };
        let words = [word(0), word(4), word(8), word(12), word(16)];
        let [Some(id), Some(high), Some(low), Some(kept), Some(original)] = words else {
            return Err("a packet block that is too short".to_owned());
        };
        let interface = self.interface(if self.big { id >> 16 } else { id & 0xffff })?;
        self.last = interface.nanos(u128::from(high) << 32 | u128::from(low));
        self.found(interface, 28, kept, original, len)
    }

    fn interface(&self, id: u32) -> Result<Interface, String> {
        let interface = usize::try_from(id).ok().and_then(|id| self.interfaces.get(id));
        interface.copied().ok_or_else(|| format!("a frame of interface {id}, never described"))
    }

    /// A frame of `kept` bytes from `from` on, of `original` on the wire, in a block of `len`.
    fn found(
        &self,
        interface: Interface,
        from: usize,
        kept: u32,
        original: u32,
        len: usize,
    ) -> Result<Option<Found>, String> {
        let bytes = usize::try_from(kept).unwrap_or(usize::MAX);
        let to = from.saturating_add(bytes);
        if bytes > FRAME_MAX || to > len {
            return Err(format!("a frame of {kept} bytes in a block of {len} can't be"));
        }
        let (at, link) = (self.last, interface.link);
        Ok(Some(Found { at, link, from, to, cut: kept < original, len }))
    }
}

impl Interface {
    fn of(block: &InterfaceDescriptionBlock<'_>, big: bool) -> Result<Interface, String> {
        let resolution = block.if_tsresol;
        let exponent = u32::from(resolution & 0x7f);
        let units = if resolution & 0x80 == 0 {
            10u64.checked_pow(exponent)
        } else {
            1u64.checked_shl(exponent)
        };
        Ok(Interface {
            link: Link(block.linktype.0.cast_unsigned()),
            snap: if block.snaplen == 0 { usize::MAX } else { block.snaplen as usize },
            units: units.ok_or_else(|| format!("a time resolution of {resolution:#04x}"))?,
            offset: if big { block.if_tsoffset.swap_bytes() } else { block.if_tsoffset },
        })
    }

    /// Time units as nanoseconds since the Unix epoch.
    fn nanos(&self, units: u128) -> u64 {
        let nanos = units.saturating_mul(u128::from(SECOND)) / u128::from(self.units);
        let nanos = i128::try_from(nanos).unwrap_or(i128::MAX);
        let nanos = nanos.saturating_add(i128::from(self.offset) * i128::from(SECOND));
        u64::try_from(nanos.max(0)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_resolution_become_nanoseconds() {
        let of = |units, offset| Interface { link: Link::ETHERNET, snap: 0, units, offset };
        assert_eq!(of(1_000_000, 0).nanos(1_500_000), 1_500_000_000);
        assert_eq!(of(SECOND, 0).nanos(1_500_000_001), 1_500_000_001);
        assert_eq!(of(2, 0).nanos(3), 1_500_000_000);
        assert_eq!(of(1_000_000, 7).nanos(0), 7_000_000_000);
        assert_eq!(of(1_000_000, -7).nanos(0), 0);
        assert_eq!(of(1, i64::MAX).nanos(u128::from(u64::MAX)), u64::MAX);
    }
}
