//! pcapng (draft-ietf-opsawg-pcapng): sections, interfaces, and the three kinds of packet blocks.
//! Every other block is skipped.

use super::capture::{FRAME_MAX, Frame, Link, word};
use super::input::{Broken, Input};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const PACKET: u32 = 6;

/// Longest block that is read whole: a packet with room for its options.
const BLOCK_MAX: usize = FRAME_MAX + (1 << 16);

/// Interfaces of a section at most: a bound on what a hostile file makes us remember.
const INTERFACES_MAX: usize = 4_096;

#[derive(Clone, Copy)]
struct Interface {
    link: Link,
    snap: usize,
    /// Units of a second; a power of ten or of two.
    units: u64,
    /// Seconds to add.
    offset: i64,
}

/// Where in the file's sections the reader is.
#[derive(Default)]
pub(super) struct Sections {
    big: bool,
    interfaces: Vec<Interface>,
    /// The last time seen: simple packets have none of their own.
    last: u64,
}

/// The next packet, `None` at the end of the file.
pub(super) fn next(input: &mut Input, sections: &mut Sections) -> Result<Option<Frame>, Broken> {
    // BOUND: each turn takes a block from the file.
    loop {
        if input.at_end() {
            return Ok(None);
        }
        let (kind, len) = block(input, sections)?;
        match kind {
            SECTION => sections.interfaces.clear(),
            INTERFACE => {
                let block = input.peek(len);
                let interface = interface(&block[8..len - 4], sections.big);
                match interface {
                    Some(interface) if sections.interfaces.len() < INTERFACES_MAX => {
                        sections.interfaces.push(interface);
                    }
                    _ => return Err(input.wrong("a broken interface description")),
                }
            }
            PACKET | OLD_PACKET | SIMPLE_PACKET => {
                let block = input.peek(len);
                let Some((at, link, from, to)) = packet(kind, &block[..len - 4], sections) else {
                    return Err(input.wrong("a broken packet block"));
                };
                return Ok(Some(Frame { at, link, from, to, len }));
            }
            _ => {}
        }
        skip(input, len)?;
    }
}

/// Kind and whole length of the block at the front. A block we read is there whole.
fn block(input: &mut Input, sections: &mut Sections) -> Result<(u32, usize), Broken> {
    let header = input.peek(12);
    if header.len() < 12 {
        return Err(input.cut("a block's header"));
    }
    // A section's own block says in which order its bytes are; its kind reads the same in both.
    let is_section = word(header, false) == SECTION;
    if is_section {
        sections.big = match word(&header[8..], false) {
            0x1a2b_3c4d => false,
            0x4d3c_2b1a => true,
            _ => return Err(input.wrong("a section without its byte order")),
        };
    }
    let kind = word(header, sections.big);
    let len = word(&header[4..], sections.big) as usize;
    if len < 12 || !len.is_multiple_of(4) {
        return Err(input.wrong(format!("a block of {len} bytes can't be:")));
    }
    let is_read = matches!(kind, INTERFACE | PACKET | OLD_PACKET | SIMPLE_PACKET);
    if is_read && len > BLOCK_MAX {
        return Err(input.wrong(format!("a packet block of {len} bytes can't be:")));
    }
    if is_read && input.peek(len).len() < len {
        return Err(input.cut("a block"));
    }
    Ok((kind, len))
}

/// Takes a block that may be longer than what is read at a time.
fn skip(input: &mut Input, len: usize) -> Result<(), Broken> {
    let mut left = len;
    // BOUND: each turn takes bytes from the file.
    while left > 0 {
        let there = input.peek(left.min(1 << 16)).len();
        if there == 0 {
            return Err(input.cut("a block"));
        }
        input.skip(there);
        left -= there;
    }
    Ok(())
}

fn interface(body: &[u8], big: bool) -> Option<Interface> {
    let half = |at: usize| {
        let bytes: [u8; 2] = body.get(at..at + 2)?.try_into().ok()?;
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let link = Link::of(u32::from(half(0)?));
    let snap = match word(body.get(4..8)?, big) {
        0 => usize::MAX,
        snap => snap as usize,
    };
    let mut interface = Interface { link, snap, units: 1_000_000, offset: 0 };
    let mut at = 8;
    // BOUND: each turn moves on by at least the option's own header.
    while let (Some(code), Some(len)) = (half(at), half(at + 2)) {
        let len = usize::from(len);
        let value = body.get(at + 4..at + 4 + len)?;
        match (code, value) {
            (0, _) => break,
            (9, [resolution]) => interface.units = units(*resolution)?,
            (14, value) => {
                let bytes: [u8; 8] = value.try_into().ok()?;
                interface.offset =
                    if big { i64::from_be_bytes(bytes) } else { i64::from_le_bytes(bytes) };
            }
            _ => {}
        }
        at += 4 + len.next_multiple_of(4);
    }
    Some(interface)
}

/// Units of a second an interface counts in.
fn units(resolution: u8) -> Option<u64> {
    let exponent = u32::from(resolution & 0x7f);
    if resolution & 0x80 == 0 { 10u64.checked_pow(exponent) } else { 1u64.checked_shl(exponent) }
}

impl Interface {
    /// Nanoseconds since the Unix epoch.
    fn nanos(&self, ticks: u64) -> u64 {
        let fraction = u128::from(ticks % self.units) * 1_000_000_000 / u128::from(self.units);
        let seconds = (ticks / self.units).saturating_add_signed(self.offset);
        // The fraction is less than a second.
        seconds.saturating_mul(1_000_000_000).saturating_add(fraction as u64)
    }
}

/// Time, link and place of the frame in a packet block, of which only the trailing length is cut.
fn packet(kind: u32, block: &[u8], sections: &mut Sections) -> Option<(u64, Link, usize, usize)> {
    let big = sections.big;
    let field = |at: usize| Some(word(block.get(at..at + 4)?, big));
    let (interface, ticks, from, len): (usize, Option<u64>, usize, usize) = match kind {
        SIMPLE_PACKET => {
            let interface = sections.interfaces.first()?;
            (0, None, 12, (field(8)? as usize).min(interface.snap))
        }
        _ => {
            let interface = match kind {
                PACKET => field(8)?,
                // Two 16-bit numbers, the interface before the drops.
                _ if big => field(8)? >> 16,
                _ => field(8)? & 0xffff,
            };
            let ticks = u64::from(field(12)?) << 32 | u64::from(field(16)?);
            (interface as usize, Some(ticks), 28, field(20)? as usize)
        }
    };
    let interface = sections.interfaces.get(interface)?;
    let to = from.checked_add(len)?;
    block.get(from..to)?;
    if let Some(ticks) = ticks {
        sections.last = interface.nanos(ticks);
    }
    Some((sections.last, interface.link, from, to))
}
