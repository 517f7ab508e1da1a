//! The layout in words: what the digest is taken of, what the golden file holds, and the tables of
//! `docs/REGION.md`.

use std::fmt::Write as _;

use candor_core::counters::{self, LaneCounter, PARTITION_COUNTERS};

use super::record::Shape;
use super::{
    AlertTable, DirectoryEntry, Header, LAYOUT_VERSION, Lane, Partition, RingRecord, Slot,
    UnmappedTable, VenueRecord,
};

/// Every record of the region, in the order in which the region holds them first.
pub(crate) const SHAPES: [Shape; 9] = [
    Header::SHAPE,
    Lane::SHAPE,
    Partition::SHAPE,
    VenueRecord::SHAPE,
    UnmappedTable::SHAPE,
    RingRecord::SHAPE,
    DirectoryEntry::SHAPE,
    Slot::SHAPE,
    AlertTable::SHAPE,
];

/// The layout as text: every offset, and the counters by index, since an index without its label
/// is a number without a meaning. Two builds understand each other's regions when this is equal.
#[must_use]
pub fn layout_text() -> String {
    let mut text = String::new();
    let mut line = |args: std::fmt::Arguments<'_>| {
        // Writing to a String can't fail.
        let _ = text.write_fmt(args);
        text.push('\n');
    };
    line(format_args!("candor region layout {LAYOUT_VERSION}, little endian, 64-bit words"));
    line(format_args!("times: ns of CLOCK_BOOTTIME"));
    line(format_args!("state word: code 0-7, epoch 8-39, changes 40-63"));
    for shape in SHAPES {
        line(format_args!("{} {}", shape.name, shape.size));
        for field in shape.fields {
            line(format_args!("  {:#06x} {}[{}]", field.offset, field.name, field.words));
        }
    }
    for kind in crate::event::KINDS {
        line(format_args!("event {} {}", kind.code, kind.payload));
    }
    for index in 0..PARTITION_COUNTERS {
        line(format_args!("partition counter {index} {}", counters::label(index).unwrap_or("?")));
    }
    for counter in LaneCounter::ALL {
        line(format_args!("lane counter {} {}", counter as usize, counter.label()));
    }
    text
}

/// FNV-1a, 64 bits: tells layouts apart, guards against nobody.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// The digest of [`layout_text`], as the header carries it.
#[must_use]
pub fn layout_digest() -> u64 {
    fnv1a(layout_text().as_bytes())
}
