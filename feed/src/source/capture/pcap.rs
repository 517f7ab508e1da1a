//! pcap and pcapng: Ethernet frames with the time they were captured at.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};

/// What is read at once; a block that needs more makes it grow, up to [`BLOCK_MAX`].
const CAPACITY: usize = 1 << 20;

/// No capture has a larger block: a frame has at most 64 KiB, options little more.
const BLOCK_MAX: usize = 16 << 20;

/// A frame of the capture.
pub(super) struct Frame<'a> {
    /// Nanoseconds since the Unix epoch; `None` where the block has no time.
    pub(super) at: Option<u64>,
    pub(super) bytes: &'a [u8],
    /// Whether the capture kept less than was on the wire.
    pub(super) cut: bool,
}

/// What one step found.
pub(super) enum Step {
    Frame,
    /// A block that carries no frame.
    Other,
    End,
}

/// What broke a capture, and where.
pub(super) struct Broken {
    pub(super) what: String,
    pub(super) offset: u64,
}

/// A capture being read.
pub(super) struct Pcap {
    reader: Box<dyn PcapReaderIterator + Send>,
    /// Why the last read failed: the parser keeps no cause.
    cause: Arc<Mutex<Option<String>>>,
    capacity: usize,
    /// Of each interface of the section; a pcap file has one.
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy)]
struct Interface {
    ethernet: bool,
    link: i32,
    /// Time units in a second.
    units: u64,
    /// Seconds to add.
    offset: i64,
}

impl Pcap {
    /// Begins to read. `None` when this is neither pcap nor pcapng.
    pub(super) fn open(bytes: Box<dyn Read + Send>) -> Result<Option<Pcap>, Broken> {
        let cause = Arc::new(Mutex::new(None));
        let source = Source { bytes, failure: None, cause: Arc::clone(&cause) };
        let broken = |what: String| Broken { what, offset: 0 };
        match create_reader(CAPACITY, source) {
            Ok(reader) => Ok(Some(Pcap { reader, cause, capacity: CAPACITY, interfaces: vec![] })),
            Err(PcapError::Eof) => Err(broken("the file is empty".to_owned())),
            Err(PcapError::HeaderNotRecognized) => Ok(None),
            Err(PcapError::ReadError) => Err(broken(take(&cause))),
            Err(_) => Err(broken("the file ends within its header".to_owned())),
        }
    }

    /// Takes the next block, and delivers its frame if it has one.
    pub(super) fn step(&mut self, deliver: &mut dyn FnMut(Frame<'_>)) -> Result<Step, Broken> {
        // BOUND: every turn reads more of the file, makes room for it, or returns.
        loop {
            let offset = self.reader.consumed() as u64;
            let broken = |what: String| Broken { what, offset };
            match self.reader.next() {
                Ok((len, block)) => {
                    let step = take_block(&mut self.interfaces, &block, deliver).map_err(broken)?;
                    self.reader.consume(len);
                    return Ok(step);
                }
                Err(PcapError::Eof) => return Ok(Step::End),
                Err(PcapError::Incomplete(_)) => {
                    if self.reader.refill().is_err() {
                        return Err(broken(take(&self.cause)));
                    }
                }
                Err(PcapError::BufferTooSmall) => {
                    self.capacity *= 2;
                    if self.capacity > BLOCK_MAX || !self.reader.grow(self.capacity) {
                        let bound = BLOCK_MAX >> 20;
                        return Err(broken(format!("a block of more than {bound} MiB")));
                    }
                    if self.reader.refill().is_err() {
                        return Err(broken(take(&self.cause)));
                    }
                }
                Err(PcapError::UnexpectedEof) => {
                    return Err(broken("cut off: the file ends within a block".to_owned()));
                }
                Err(PcapError::ReadError) => return Err(broken(take(&self.cause))),
                Err(_) => return Err(broken("a block that is not pcap".to_owned())),
            }
        }
    }
}

fn take_block(
    interfaces: &mut Vec<Interface>,
    block: &PcapBlockOwned<'_>,
    deliver: &mut dyn FnMut(Frame<'_>),
) -> Result<Step, String> {
    let (interface, units, data, captured, original) = match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let units = if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
            interfaces.push(interface(header.network, units, 0));
            return Ok(Step::Other);
        }
        PcapBlockOwned::Legacy(block) => {
            let Some(interface) = interfaces.first() else { return Ok(Step::Other) };
            let units =
                u128::from(block.ts_sec) * u128::from(interface.units) + u128::from(block.ts_usec);
            (interface, Some(units), block.data, block.caplen, block.origlen)
        }
        PcapBlockOwned::NG(Block::SectionHeader(_)) => {
            // A section numbers its interfaces anew.
            interfaces.clear();
            return Ok(Step::Other);
        }
        PcapBlockOwned::NG(Block::InterfaceDescription(block)) => {
            let Some(units) = block.ts_resolution().filter(|units| *units > 0) else {
                return Err(format!("a time resolution of {:#04x}", block.if_tsresol));
            };
            interfaces.push(interface(block.linktype, units, block.ts_offset()));
            return Ok(Step::Other);
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
            let interface = usize::try_from(block.if_id).ok().and_then(|id| interfaces.get(id));
            let Some(interface) = interface else {
                return Err(format!(
                    "a frame of interface {}, which is not described",
                    block.if_id
                ));
            };
            let units = u128::from(block.ts_high) << 32 | u128::from(block.ts_low);
            (interface, Some(units), block.data, block.caplen, block.origlen)
        }
        PcapBlockOwned::NG(Block::SimplePacket(block)) => {
            let Some(interface) = interfaces.first() else { return Ok(Step::Other) };
            let captured = u32::try_from(block.data.len()).unwrap_or(u32::MAX);
            (interface, None, block.data, captured.min(block.origlen), block.origlen)
        }
        PcapBlockOwned::NG(_) => return Ok(Step::Other),
    };
    if !interface.ethernet {
        return Err(format!("frames of link type {}; only Ethernet (1) is read", interface.link));
    }
    let len = usize::try_from(captured).unwrap_or(usize::MAX);
    // Blocks are padded to a multiple of four bytes; the frame ends where it says.
    let bytes = data.get(..len).unwrap_or(data);
    let at = units.map(|units| nanos(units, interface));
    deliver(Frame { at, bytes, cut: captured < original });
    Ok(Step::Frame)
}

fn interface(link: Linktype, units: u64, offset: i64) -> Interface {
    Interface { ethernet: link == Linktype::ETHERNET, link: link.0, units, offset }
}

/// Time units of an interface as nanoseconds since the Unix epoch.
fn nanos(units: u128, interface: &Interface) -> u64 {
    let nanos = units.saturating_mul(1_000_000_000) / u128::from(interface.units.max(1));
    let nanos = i128::try_from(nanos).unwrap_or(i128::MAX);
    let nanos = nanos.saturating_add(i128::from(interface.offset) * 1_000_000_000);
    u64::try_from(nanos.max(0)).unwrap_or(u64::MAX)
}

fn take(cause: &Mutex<Option<String>>) -> String {
    let cause = cause.lock().ok().and_then(|mut cause| cause.take());
    cause.unwrap_or_else(|| "the file can't be read".to_owned())
}

/// Fills what it is given to fill, so that a header is never read in pieces, and keeps the cause of
/// a failure.
struct Source {
    bytes: Box<dyn Read + Send>,
    /// What failed behind bytes that were delivered first.
    failure: Option<io::Error>,
    cause: Arc<Mutex<Option<String>>>,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() && self.failure.is_none() {
            match self.bytes.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.failure = Some(error),
            }
        }
        match self.failure.take_if(|_| filled == 0) {
            None => Ok(filled),
            Some(error) => {
                if let Ok(mut cause) = self.cause.lock() {
                    *cause = Some(error.to_string());
                }
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_resolution_become_nanoseconds() {
        let of = |units, offset| Interface { ethernet: true, link: 1, units, offset };
        assert_eq!(nanos(1_500_000, &of(1_000_000, 0)), 1_500_000_000);
        assert_eq!(nanos(1_500_000_001, &of(1_000_000_000, 0)), 1_500_000_001);
        assert_eq!(nanos(3, &of(2, 0)), 1_500_000_000);
        assert_eq!(nanos(0, &of(1_000_000, 7)), 7_000_000_000);
        assert_eq!(nanos(0, &of(1_000_000, -7)), 0);
        assert_eq!(nanos(u128::from(u64::MAX), &of(1, i64::MAX)), u64::MAX);
    }
}
