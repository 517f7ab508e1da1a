//! How a region comes to be, and every case in which it doesn't.
#![cfg(not(loom))]

mod support;

use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use candor_core::{Mono, Reason};
use candor_shm::{CreateError, LAYOUT_VERSION, OpenError, Region, create};
use rustix::fs::FlockOperation;
use support::{Folder, bring_up, live, spec, symbol, venue};

/// Where the header has the process that made the region.
const PID: u64 = 0x0c8;

fn refusal(path: &Path) -> CreateError {
    match create(path, &spec()) {
        Ok(_) => panic!("a region was made over {}", path.display()),
        Err(error) => error,
    }
}

fn poke(path: &Path, offset: u64, value: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&value.to_ne_bytes(), offset).unwrap();
}

/// A region whose handler is gone without a word.
fn abandoned(path: &Path) {
    drop(create(path, &spec()).unwrap());
}

#[test]
fn a_refused_region_leaves_nothing_and_a_claim_keeps_others_out() {
    let folder = Folder::new();
    let lock = folder.path().join("region.lock");
    fs::write(folder.region(), [7; 4096]).unwrap();
    assert!(matches!(refusal(&folder.region()), CreateError::Foreign { .. }));
    assert!(!lock.exists());
    fs::remove_file(folder.region()).unwrap();
    let claim = candor_shm::claim(folder.region()).unwrap();
    assert!(matches!(refusal(&folder.region()), CreateError::InUse { .. }));
    assert!(lock.exists() && !folder.region().exists());
    drop(claim);
    assert!(!lock.exists());
    let writers = candor_shm::claim(folder.region()).unwrap().create(&spec()).unwrap();
    assert!(lock.exists() && folder.region().exists());
    drop(writers);
    // The next handler's claim, given up, leaves the last region and its lock.
    drop(candor_shm::claim(folder.region()).unwrap());
    assert!(lock.exists() && folder.region().exists());
}

#[test]
fn a_claim_given_up_leaves_the_lock_that_another_holds_by_now() {
    let folder = Folder::new();
    let lock = folder.path().join("region.lock");
    let first = candor_shm::claim(folder.region()).unwrap();
    fs::remove_file(&lock).unwrap();
    let second = candor_shm::claim(folder.region()).unwrap();
    drop(first);
    assert!(lock.exists(), "the second one's");
    assert!(matches!(refusal(&folder.region()), CreateError::InUse { .. }));
    drop(second);
    assert!(!lock.exists());
}

/// What a look says is what the attempt to make a region says; and it leaves no trace.
fn looked(folder: &Folder) -> CreateError {
    let list = || {
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = list();
    let found = match candor_shm::look(folder.region()) {
        Ok(found) => panic!("nothing is in the way: {found:?}"),
        Err(error) => error,
    };
    assert_eq!(list(), before);
    assert_eq!(found.to_string(), refusal(&folder.region()).to_string());
    found
}

#[test]
fn a_look_says_what_a_claim_would_and_changes_nothing() {
    let folder = Folder::new();
    let (region, lock) = (folder.region(), folder.path().join("region.lock"));
    let look = || candor_shm::look(folder.region()).unwrap();
    assert_eq!(look(), None);
    assert!(!lock.exists() && !region.exists());
    // Claimed, and not made yet.
    let claim = candor_shm::claim(&region).unwrap();
    assert!(matches!(looked(&folder), CreateError::InUse { .. }));
    let writers = claim.create(&spec()).unwrap();
    assert!(matches!(looked(&folder), CreateError::InUse { .. }));
    // Nor when the lock beside it is removed.
    fs::remove_file(&lock).unwrap();
    assert!(matches!(looked(&folder), CreateError::InUse { .. }));
    drop(writers);
    let old = look().unwrap();
    assert_eq!((old.generation, old.earlier_boot), (1, false));
    let links = folder.path().join("other");
    fs::hard_link(&region, &links).unwrap();
    assert!(matches!(looked(&folder), CreateError::Linked { links: 2, .. }));
    fs::remove_file(&links).unwrap();
    let bytes = fs::read(&region).unwrap();
    poke(&region, 0x118, 0);
    assert!(look().unwrap().earlier_boot);
    poke(&region, 0x10, 5);
    assert!(matches!(looked(&folder), CreateError::OtherLayout { .. }));
    fs::write(&region, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(looked(&folder), CreateError::Truncated { .. }));
    fs::write(&region, b"something else").unwrap();
    assert!(matches!(looked(&folder), CreateError::Foreign { .. }));
    fs::remove_file(&region).unwrap();
    symlink(&links, &region).unwrap();
    assert!(matches!(looked(&folder), CreateError::SymbolicLink { .. }));
    fs::remove_file(&region).unwrap();
    fs::create_dir(&region).unwrap();
    assert!(matches!(looked(&folder), CreateError::NotAFile { .. }));
    fs::remove_dir(&region).unwrap();
    symlink(&links, &lock).unwrap();
    assert!(matches!(looked(&folder), CreateError::SymbolicLink { .. }));
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    assert!(matches!(looked(&folder), CreateError::NotAFile { .. }));
}

#[test]
fn a_symbolic_link_is_refused_and_left_alone() {
    let folder = Folder::new();
    let target = folder.path().join("elsewhere");
    symlink(&target, folder.region()).unwrap();
    assert!(matches!(refusal(&folder.region()), CreateError::SymbolicLink { .. }));
    assert!(!target.exists());
    fs::write(&target, b"precious").unwrap();
    assert!(matches!(refusal(&folder.region()), CreateError::SymbolicLink { .. }));
    assert_eq!(fs::read(&target).unwrap(), b"precious");
}

#[test]
fn a_lock_that_is_a_symbolic_link_is_refused() {
    let folder = Folder::new();
    let target = folder.path().join("elsewhere");
    symlink(&target, folder.path().join("region.lock")).unwrap();
    assert!(matches!(refusal(&folder.region()), CreateError::SymbolicLink { .. }));
    assert!(!target.exists());
}

#[test]
fn what_is_not_a_file_is_refused() {
    let folder = Folder::new();
    fs::create_dir(folder.region()).unwrap();
    assert!(matches!(refusal(&folder.region()), CreateError::NotAFile { .. }));
}

#[test]
fn a_foreign_file_is_refused_and_left_alone() {
    let folder = Folder::new();
    for content in [&b""[..], b"short", &[b'x'; 100_000]] {
        fs::write(folder.region(), content).unwrap();
        assert!(matches!(refusal(&folder.region()), CreateError::Foreign { .. }));
        assert_eq!(fs::read(folder.region()).unwrap(), content);
    }
}

#[test]
fn a_truncated_region_is_refused() {
    let folder = Folder::new();
    abandoned(&folder.region());
    let whole = fs::metadata(folder.region()).unwrap().len();
    for length in [whole - 1, 4096, 512, 511, 8] {
        let file = fs::OpenOptions::new().write(true).open(folder.region()).unwrap();
        file.set_len(length).unwrap();
        match refusal(&folder.region()) {
            CreateError::Truncated { length: found, wanted, .. } => {
                assert_eq!(found, length);
                assert_eq!(wanted, if length < 512 { 0 } else { whole });
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_region_of_another_layout_is_refused_and_says_what_to_do() {
    let folder = Folder::new();
    abandoned(&folder.region());
    poke(&folder.region(), 8, LAYOUT_VERSION + 1);
    let message = refusal(&folder.region()).to_string();
    assert!(message.contains(&format!("layout {}", LAYOUT_VERSION + 1)), "{message}");
    assert!(message.contains("remove the file and start again"), "{message}");
    poke(&folder.region(), 8, LAYOUT_VERSION);
    poke(&folder.region(), 16, 0xdead);
    match refusal(&folder.region()) {
        CreateError::OtherLayout { digest, .. } => assert_eq!(digest, 0xdead),
        other => panic!("{other}"),
    }
}

#[test]
fn a_region_in_use_is_refused_as_long_as_any_writer_lives() {
    let folder = Folder::new();
    let (handler, lanes) = create(folder.region(), &spec()).unwrap();
    assert!(matches!(refusal(&folder.region()), CreateError::InUse { .. }));
    drop(handler);
    assert!(matches!(refusal(&folder.region()), CreateError::InUse { .. }));
    // Taking the file away does not take the lock away.
    fs::remove_file(folder.region()).unwrap();
    assert!(matches!(refusal(&folder.region()), CreateError::InUse { .. }));
    drop(lanes);
    create(folder.region(), &spec()).unwrap();
}

#[test]
fn no_room_is_an_error_at_start() {
    let mut spec = spec();
    spec.partitions = (0..1024)
        .map(|number| {
            let mut partition = support::partition("XNAS", &number.to_string(), 0);
            partition.symbols = 1 << 20;
            partition
        })
        .collect();
    let folder = Folder::new();
    match create(folder.region(), &spec) {
        Err(CreateError::NoRoom { length, .. }) => assert!(length > 1 << 39),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("half a terabyte of shared memory"),
    }
    assert!(!folder.path().join("region.new").exists());
    assert!(!folder.region().exists());
}

#[test]
fn an_impossible_specification_is_refused() {
    let folder = Folder::new();
    let refused = |change: fn(&mut candor_shm::RegionSpec)| {
        let mut spec = spec();
        change(&mut spec);
        let refused = matches!(create(folder.region(), &spec), Err(CreateError::Spec(_)));
        refused && !folder.region().exists() && !folder.path().join("region.lock").exists()
    };
    assert!(refused(|spec| spec.lanes = 0));
    assert!(refused(|spec| spec.lanes = 65));
    assert!(refused(|spec| spec.events = 100));
    assert!(refused(|spec| spec.losses = 0));
    assert!(refused(|spec| spec.group = Some(u32::MAX)));
    assert!(refused(|spec| spec.handler = Default::default()));
    assert!(refused(|spec| spec.partitions[0].lane = 1));
    assert!(refused(|spec| spec.partitions[0].symbols = 0));
    assert!(refused(|spec| spec.partitions[0].symbols = (1 << 20) + 1));
    assert!(refused(|spec| spec.partitions[0].venue = Default::default()));
    assert!(refused(|spec| spec.partitions.push(spec.partitions[0].clone())));
    assert!(refused(|spec| {
        spec.partitions =
            (0..1025).map(|n| support::partition("XNAS", &n.to_string(), 0)).collect();
    }));
}

#[test]
fn the_group_is_the_one_asked_for_or_an_error() {
    use std::os::unix::fs::MetadataExt;
    let folder = Folder::new();
    let mut spec = spec();
    spec.group = Some(4321);
    match create(folder.region(), &spec) {
        Ok(_writers) => assert_eq!(fs::metadata(folder.region()).unwrap().gid(), 4321),
        Err(CreateError::System { attempt, .. }) => {
            assert_eq!(attempt, "give it to its group");
            assert!(!folder.region().exists());
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn what_a_dead_builder_left_behind_is_cleared_and_never_followed() {
    let folder = Folder::new();
    let temporary = folder.path().join("region.new");
    let target = folder.path().join("elsewhere");
    fs::write(&target, b"precious").unwrap();
    symlink(&target, &temporary).unwrap();
    let _writers = create(folder.region(), &spec()).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    assert!(fs::symlink_metadata(&temporary).is_err());
}

#[test]
fn a_successor_counts_on_and_retires_the_old_region_for_its_readers() {
    let folder = Folder::new();
    let (mut handler, mut lanes) = create(folder.region(), &spec()).unwrap();
    handler.set_status(live(), Mono(5));
    bring_up(&mut lanes[0], "AAPL", Mono(u64::MAX));
    let old = Region::open(folder.region()).unwrap();
    let handle = old.find(&venue("XNAS"), &symbol("AAPL")).unwrap();
    assert_eq!(old.read(handle).reason(), None);
    assert!(old.is_current());
    assert_eq!(old.generation(), 1);
    drop((handler, lanes));
    // Dead without a word: its lease still runs, so it is believed until it doesn't.
    assert_eq!(old.read(handle).reason(), None);

    let (mut handler, mut lanes) = create(folder.region(), &spec()).unwrap();
    assert_eq!(handler.generation(), 2);
    assert_eq!(old.read(handle).reason(), Some(Reason::WriterGone));
    assert!(old.retired().is_some());
    assert!(!old.is_current());

    let new = Region::open(folder.region()).unwrap();
    assert_eq!(new.generation(), 2);
    assert!(new.is_current());
    assert!(new.find(&venue("XNAS"), &symbol("AAPL")).is_none(), "nothing carries over");
    handler.set_status(live(), Mono(5));
    bring_up(&mut lanes[0], "MSFT", Mono(u64::MAX));
    let there = new.find(&venue("XNAS"), &symbol("MSFT")).unwrap();
    assert_eq!(new.read(there).reason(), None);
    // The old handle points at the same place and must not show another symbol's price.
    assert_eq!(new.read(handle).reason(), Some(Reason::WriterGone));
}

#[test]
fn a_handle_is_good_for_the_region_it_was_found_in_only() {
    let folder = Folder::new();
    let (mut handler, mut lanes) = create(folder.region(), &spec()).unwrap();
    handler.set_status(live(), Mono(5));
    bring_up(&mut lanes[0], "AAPL", Mono(u64::MAX));
    let first = Region::open(folder.region()).unwrap();
    let handle = first.find(&venue("XNAS"), &symbol("AAPL")).unwrap();
    assert_eq!(first.read(handle).reason(), None);
    // Another handler's region, or the same path after its file was removed: generation 1 again.
    std::fs::remove_file(folder.region()).unwrap();
    drop((handler, lanes));
    let (mut handler, mut lanes) = create(folder.region(), &spec()).unwrap();
    assert_eq!(handler.generation(), first.generation());
    handler.set_status(live(), Mono(5));
    bring_up(&mut lanes[0], "MSFT", Mono(u64::MAX));
    let second = Region::open(folder.region()).unwrap();
    let there = second.find(&venue("XNAS"), &symbol("MSFT")).unwrap();
    assert_eq!((there.partition(), there.symbol()), (handle.partition(), handle.symbol()));
    assert_eq!(second.read(there).reason(), None);
    assert_eq!(second.read(handle).reason(), Some(Reason::WriterGone), "not MSFT's book for AAPL");
}

#[test]
fn a_handler_that_retires_is_gone_at_once() {
    let folder = Folder::new();
    let (mut handler, mut lanes) = create(folder.region(), &spec()).unwrap();
    handler.set_status(live(), Mono(5));
    bring_up(&mut lanes[0], "AAPL", Mono(u64::MAX));
    let region = Region::open(folder.region()).unwrap();
    let handle = region.find(&venue("XNAS"), &symbol("AAPL")).unwrap();
    handler.retire(Mono(123));
    match region.read(handle) {
        candor_shm::Read::Stale { reason, since, last } => {
            assert_eq!((reason, since), (Reason::WriterGone, Mono(123)));
            assert_eq!(last.unwrap().book, support::book(45));
        }
        candor_shm::Read::Live(_) => panic!("live after its handler's farewell"),
    }
    assert!(!region.is_current());
}

#[test]
fn whoever_finds_the_file_finds_it_whole() {
    let folder = Folder::new();
    let path = folder.region();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut opened = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                match Region::open(&path) {
                    Ok(region) => {
                        assert_eq!(region.partition_count(), 1);
                        assert_eq!(region.info().handler.as_str(), "mdh1");
                        opened += 1;
                    }
                    Err(OpenError::Missing { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            opened
        });
        for generation in 1..=200 {
            let (handler, _lanes) = create(&path, &spec()).unwrap();
            assert_eq!(handler.generation(), generation);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(watcher.join().unwrap() > 0);
    });
}

#[test]
fn a_region_with_a_second_name_is_refused_by_either() {
    let folder = Folder::new();
    let link = folder.path().join("hard-link");
    let writers = create(folder.region(), &spec()).unwrap();
    let region = Region::open(folder.region()).unwrap();
    fs::hard_link(folder.region(), &link).unwrap();
    // While its writer lives, it is in use, by whatever name.
    assert!(matches!(refusal(&link), CreateError::InUse { .. }));
    assert!(region.retired().is_none() && region.is_current());
    drop(writers);
    for path in [&folder.region(), &link] {
        let refused = refusal(path);
        assert!(matches!(refused, CreateError::Linked { links: 2, .. }), "{refused}");
    }
    assert!(region.retired().is_none());
    fs::remove_file(&link).unwrap();
    create(folder.region(), &spec()).unwrap();
    assert!(region.retired().is_some());
}

#[test]
fn a_writer_whose_lock_file_was_removed_keeps_others_out() {
    let folder = Folder::new();
    let lock = folder.path().join("region.lock");
    let (handler, lanes) = create(folder.region(), &spec()).unwrap();
    let region = Region::open(folder.region()).unwrap();
    fs::remove_file(&lock).unwrap();
    assert!(matches!(refusal(&folder.region()), CreateError::InUse { .. }));
    assert!(region.retired().is_none() && region.is_current());
    drop(handler);
    assert!(matches!(refusal(&folder.region()), CreateError::InUse { .. }));
    drop(lanes);
    create(folder.region(), &spec()).unwrap();
}

#[test]
fn a_region_that_a_reader_has_locked_is_refused_and_no_handler_blamed() {
    let folder = Folder::new();
    abandoned(&folder.region());
    let before = fs::read(folder.region()).unwrap();
    let reader = fs::File::open(folder.region()).unwrap();
    rustix::fs::flock(&reader, FlockOperation::NonBlockingLockShared).unwrap();
    let refused = looked(&folder);
    let said = refused.to_string();
    let CreateError::Locked { process, .. } = refused else { panic!("{said}") };
    assert_eq!(process, std::process::id());
    assert!(said.contains("no handler is known to run on this region, yet its file"), "{said}");
    assert!(said.contains(&format!("(process {process}, by /proc/locks)")), "{said}");
    assert!(said.contains("or remove the file"), "{said}");
    assert_eq!(fs::read(folder.region()).unwrap(), before, "nothing was changed");
    assert!(!folder.path().join("region.lock").exists());
    // As it says.
    fs::remove_file(folder.region()).unwrap();
    create(folder.region(), &spec()).unwrap();

    // Nor is a reader blamed for what a handler does, whatever became of the lock beside the region.
    let (mut handler, mut lanes) = create(folder.region(), &spec()).unwrap();
    handler.set_status(live(), Mono(5));
    bring_up(&mut lanes[0], "AAPL", Mono(u64::MAX));
    fs::remove_file(folder.path().join("region.lock")).unwrap();
    poke(&folder.region(), PID, 0);
    assert!(matches!(looked(&folder), CreateError::InUse { .. }), "it vouches for itself");
    handler.retire(Mono(7));
    assert!(matches!(looked(&folder), CreateError::Locked { .. }));
    poke(&folder.region(), PID, u64::from(std::process::id()));
    assert!(matches!(looked(&folder), CreateError::InUse { .. }), "who made it has locked it");
}

#[test]
fn a_writer_knows_its_own_region_from_another_at_its_path() {
    let folder = Folder::new();
    let (first, first_lanes) = create(folder.region(), &spec()).unwrap();
    let region = Region::open(folder.region()).unwrap();
    assert!(first.is_of(&region));
    // All that keeps a second handler out; its region is of generation 1 as well.
    fs::remove_file(folder.region()).unwrap();
    fs::remove_file(folder.path().join("region.lock")).unwrap();
    let (second, _lanes) = create(folder.region(), &spec()).unwrap();
    assert_eq!(second.generation(), first.generation());
    let there = Region::open(folder.region()).unwrap();
    assert!(second.is_of(&there) && !second.is_of(&region));
    assert!(first.is_of(&region) && !first.is_of(&there));
    drop(first_lanes);
}

#[test]
fn two_claims_of_one_region_by_two_names_exclude_each_other() {
    let folder = Folder::new();
    let moved = folder.path().join("moved");
    abandoned(&folder.region());
    let claim = candor_shm::claim(folder.region()).unwrap();
    fs::rename(folder.region(), &moved).unwrap();
    assert!(matches!(refusal(&moved), CreateError::InUse { .. }));
    drop(claim);
    create(&moved, &spec()).unwrap();
}

#[test]
fn a_place_where_no_file_can_be_is_named_with_what_to_do() {
    let folder = Folder::new();
    let nowhere = folder.path().join("nowhere");
    let message = refusal(&nowhere.join("region")).to_string();
    assert!(message.starts_with(&format!("{}: there is no such folder; ", nowhere.display())));
    fs::write(&nowhere, b"a file").unwrap();
    let message = refusal(&nowhere.join("region")).to_string();
    assert!(message.starts_with(&format!("{}: is not a folder; ", nowhere.display())), "{message}");
    let long = folder.path().join("n".repeat(252));
    assert!(refusal(&long).to_string().contains("is too long a name; "));
}

#[test]
fn a_region_says_by_whose_clock_it_is() {
    let folder = Folder::new();
    let (_handler, _lanes) = create(folder.region(), &spec()).unwrap();
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let digits: String = text.trim().replace('-', "");
    let boot: Vec<u8> =
        (0..16).map(|at| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).unwrap()).collect();
    let bytes = fs::read(folder.region()).unwrap();
    assert_eq!(bytes[0x118..0x128], boot);
    Region::open(folder.region()).unwrap();
}

#[test]
fn a_region_of_an_earlier_boot_is_refused_by_readers_and_replaced_by_a_handler() {
    let folder = Folder::new();
    let (mut handler, mut lanes) = create(folder.region(), &spec()).unwrap();
    handler.set_status(live(), Mono(5));
    bring_up(&mut lanes[0], "AAPL", Mono(u64::MAX));
    drop((handler, lanes));
    // As a disk keeps it over a reboot: everything in it may well be ahead of the new clock.
    poke(&folder.region(), 0x118, 0x1234);
    let refused = Region::open(folder.region()).err().unwrap();
    assert!(matches!(refused, OpenError::EarlierBoot { .. }));
    assert!(refused.to_string().contains("start the handler, which replaces it"), "{refused}");
    let (handler, _lanes) = create(folder.region(), &spec()).unwrap();
    assert_eq!(handler.generation(), 2);
    Region::open(folder.region()).unwrap();
}
