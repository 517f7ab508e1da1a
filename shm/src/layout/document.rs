//! The tables of `docs/REGION.md` and the golden text, compared with the declarations. With
//! `CANDOR_BLESS=1` both are written instead.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::text::{SHAPES, layout_digest, layout_text};
use crate::event::KINDS;

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn bless() -> bool {
    std::env::var_os("CANDOR_BLESS").is_some()
}

/// Compares, or writes.
fn hold(path: &Path, wanted: &str) {
    if bless() {
        fs::write(path, wanted).unwrap();
    }
    let found = fs::read_to_string(path).unwrap();
    assert!(
        found == wanted,
        "{} differs from the declarations: a changed layout needs a new LAYOUT_VERSION; then run \
         this test with CANDOR_BLESS=1",
        path.display()
    );
}

/// The body of the table of this name.
fn table(name: &str) -> Option<String> {
    let mut text = String::new();
    if name == "events" {
        text.push_str("| code | payload words |\n| --- | --- |\n");
        for kind in KINDS {
            writeln!(text, "| {} | {} |", kind.code, kind.payload).unwrap();
        }
        return Some(text);
    }
    if name == "digest" {
        writeln!(text, "Version {}, digest `{:016x}`.", super::LAYOUT_VERSION, layout_digest())
            .unwrap();
        return Some(text);
    }
    let shape = SHAPES.iter().find(|shape| shape.name == name)?;
    writeln!(text, "{} {} bytes.\n", shape.about.trim(), shape.size).unwrap();
    text.push_str("| offset | bytes | field | what it is |\n| --- | --- | --- | --- |\n");
    for field in shape.fields {
        let bytes = field.words * 8;
        writeln!(text, "| {:#06x} | {bytes} | `{}` | {} |", field.offset, field.name, field.about)
            .unwrap();
    }
    Some(text)
}

#[test]
fn the_layout_is_the_golden_one() {
    hold(&file("tests/layout.txt"), &layout_text());
}

#[test]
fn the_document_has_every_table_as_declared() {
    let path = file("../docs/REGION.md");
    let found = fs::read_to_string(&path).unwrap();
    let mut wanted = String::new();
    let mut seen = 0;
    let mut inside = false;
    for line in found.lines() {
        if line == "<!-- end -->" {
            inside = false;
        }
        if !inside {
            wanted.push_str(line);
            wanted.push('\n');
        }
        if let Some(name) = line.strip_prefix("<!-- made: ").and_then(|l| l.strip_suffix(" -->")) {
            wanted.push_str(&table(name).expect("a table of this name"));
            inside = true;
            seen += 1;
        }
    }
    assert_eq!(seen, SHAPES.len() + 2, "every record, the events, and the digest");
    hold(&path, &wanted);
}

#[test]
fn only_one_file_names_the_atomics() {
    fn visit(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, found);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                // Written in two halves so that this file is not one of them.
                let names = [concat!("sync::", "atomic::{"), concat!("sync::", "atomic::A")];
                if names.iter().any(|name| text.contains(name)) {
                    found.push(path.file_name().unwrap().into());
                }
            }
        }
    }
    let mut found = Vec::new();
    visit(&file("src"), &mut found);
    assert_eq!(found, [PathBuf::from("atomic.rs")]);
}

#[test]
fn parts_of_the_region_never_overlap_and_each_starts_a_cache_line() {
    use super::Plan;
    use super::record::Record as _;
    let plan = Plan::of((3, 2), (64, 16), &[(0, 1), (2, 7), (1, 1000), (0, 33)]).unwrap();
    let mut parts = vec![
        (0, super::Header::SIZE as u64),
        (plan.unmapped_at, super::UnmappedTable::SIZE as u64),
        (plan.venues_at, 2 * super::VenueRecord::SIZE as u64),
        (plan.alerts_at, super::AlertTable::SIZE as u64),
    ];
    for lane in &plan.lanes {
        parts.push((lane.record_at, super::Lane::SIZE as u64));
        parts.push((lane.events_at, 64 * 64));
        parts.push((lane.losses_at, 16 * 64));
    }
    for place in &plan.partitions {
        let capacity = u64::from(place.capacity);
        assert!(u64::from(place.index_words) >= capacity * 2);
        parts.push((place.record_at, super::Partition::SIZE as u64));
        parts.push((place.directory_at, capacity * super::DirectoryEntry::SIZE as u64));
        parts.push((place.index_at, u64::from(place.index_words) * 8));
        parts.push((place.slots_at, capacity * super::Slot::SIZE as u64));
    }
    parts.sort_unstable();
    for pair in parts.windows(2) {
        assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:?}");
    }
    assert!(parts.iter().all(|(at, _)| at % 64 == 0));
    let (at, size) = parts[parts.len() - 1];
    assert!(at + size <= plan.length);
    assert!(plan.length < at + size + 4096);
}

#[test]
fn the_largest_plan_does_not_overflow() {
    use super::plan::{RING_MAX, SYMBOLS_MAX};
    let partitions = vec![(63, SYMBOLS_MAX); candor_core::limits::PARTITIONS];
    let plan = super::Plan::of((64, 1024), (RING_MAX, RING_MAX), &partitions).unwrap();
    assert!(plan.length < 1 << 41);
}
