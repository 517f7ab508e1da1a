//! A reader has no way to write: the kernel refuses it, and nothing it does leaves a trace.
#![cfg(not(loom))]

mod support;

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use candor_core::{Mono, SymbolIndex};
use candor_shm::{Next, Region, create};
use support::{Folder, bring_up, live, spec, symbol, venue};

/// The mappings of a file in this process: their rights, as `/proc` writes them, and their addresses.
fn mappings(path: &Path) -> Vec<(String, u64)> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let of_file = maps.lines().filter(|line| line.ends_with(path.to_str().unwrap()));
    let parts = of_file.map(|line| {
        let mut words = line.split_whitespace();
        let (addresses, rights) = (words.next().unwrap(), words.next().unwrap());
        let start = addresses.split('-').next().unwrap();
        (rights.to_owned(), u64::from_str_radix(start, 16).unwrap())
    });
    parts.collect()
}

/// Stores the byte that is at this address already, with all the force the kernel has: this way even
/// private memory that is read-only can be written, but nothing that was mapped without the right to.
fn store(address: u64) -> io::Result<()> {
    let memory = OpenOptions::new().read(true).write(true).open("/proc/self/mem")?;
    let mut byte = [0];
    memory.read_exact_at(&mut byte, address)?;
    memory.write_all_at(&byte, address)
}

#[test]
fn no_store_gets_through_a_readers_mapping() {
    let folder = Folder::new();
    let writer = create(folder.region(), &spec()).unwrap();
    let own = mappings(&folder.region());
    assert!(matches!(&own[..], [(rights, _)] if rights == "rw-s"), "{own:?}");
    store(own[0].1).expect("the writer's own mapping can be written");
    drop(writer);
    assert_eq!(mappings(&folder.region()), []);

    let region = Region::open(folder.region()).unwrap();
    let readers = mappings(&folder.region());
    assert!(matches!(&readers[..], [(rights, _)] if rights == "r--s"), "{readers:?}");
    store(readers[0].1).expect_err("a reader's mapping can be written");
    drop(region);
}

#[test]
fn whatever_a_reader_does_leaves_every_byte_as_it_was() {
    let folder = Folder::new();
    let (mut handler, mut lanes) = create(folder.region(), &spec()).unwrap();
    handler.set_status(live(), Mono(5));
    bring_up(&mut lanes[0], "AAPL", Mono(u64::MAX));
    lanes[0].define(0, SymbolIndex(1), &symbol("MSFT"));
    let before = fs::read(folder.region()).unwrap();

    let region = Region::open(folder.region()).unwrap();
    let mut subscription = region.subscribe_prefix(venue("XNAS"), "");
    let (mut events, mut losses) = (region.events(0).unwrap(), region.losses(0).unwrap());
    for now in [Mono(6), Mono(1_000), Mono(u64::MAX)] {
        for (handle, name) in region.symbols(0) {
            assert_eq!(region.find(&venue("XNAS"), &name), Some(handle));
            let _ = (region.read_at(handle, now), region.read(handle));
        }
        let _ = (region.info(), region.unmapped(), region.handler_status(now));
        assert_eq!((region.partitions(now).count(), region.lanes(now).count()), (1, 1));
        assert!(subscription.changed(&region).count() <= 2);
        while events.next() != Next::Nothing {}
        while losses.next() != Next::Nothing {}
    }
    assert!(fs::read(folder.region()).unwrap() == before, "a reader wrote");
}
