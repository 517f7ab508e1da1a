//! Attaching: every refusal, and files that say anything at all.
#![cfg(not(loom))]

mod support;

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;

use candor_core::{Mono, Reason, SymbolIndex};
use candor_shm::{LAYOUT_VERSION, Next, OpenError, Read, Region, clock, create};
use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};
use support::{Folder, bring_up, live, spec, symbol, venue};

/// A region in full swing, as bytes.
fn bytes() -> Vec<u8> {
    let folder = Folder::new();
    let (mut handler, mut lanes) = create(folder.region(), &spec()).unwrap();
    handler.set_status(live(), Mono(5));
    handler.set_mode(0, "native copy");
    bring_up(&mut lanes[0], "AAPL", Mono(u64::MAX));
    lanes[0].define(0, SymbolIndex(1), &symbol("MSFT"));
    fs::read(folder.region()).unwrap()
}

/// Uses everything a reader can use.
fn read_everything(region: &Region) {
    let now = Mono(1_000);
    let _ = region.alerts();
    let _ = (region.info(), region.unmapped(), region.handler_status(now), region.is_current());
    for partition in region.partitions(now) {
        let _ = partition.counters.iter().count();
        for (handle, name) in region.symbols(partition.index) {
            let _ = region.read_at(handle, now);
            let _ = region.find(&partition.spec.venue, &name);
        }
    }
    for lane in region.lanes(now) {
        let (mut events, mut losses) =
            (region.events(lane.index).unwrap(), region.losses(lane.index).unwrap());
        for _ in 0..100 {
            let _ = events.next();
            if losses.next() == Next::Nothing {
                break;
            }
        }
    }
    let _ = region.find(&venue("XNAS"), &symbol("AAPL"));
    let mut all = region.subscribe_prefix(venue("XNAS"), "");
    assert!(all.changed(region).count() <= 8);
}

fn refusal(path: &Path) -> OpenError {
    match Region::open(path) {
        Ok(_) => panic!("opened {}", path.display()),
        Err(error) => error,
    }
}

#[test]
fn what_is_no_region_is_refused_by_name() {
    let folder = Folder::new();
    let path = folder.region();
    assert!(matches!(refusal(&path), OpenError::Missing { .. }));
    symlink("/dev/null", &path).unwrap();
    assert!(matches!(refusal(&path), OpenError::SymbolicLink { .. }));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(refusal(&path), OpenError::Foreign { .. }));
    fs::remove_dir(&path).unwrap();
    for content in [&b""[..], &[b'x'; 511], &[b'x'; 8192]] {
        fs::write(&path, content).unwrap();
        assert!(matches!(refusal(&path), OpenError::Foreign { .. }));
    }
    let whole = bytes();
    for (offset, value, expected) in [
        (8, 0, "unfinished"),
        (8, LAYOUT_VERSION + 1, "use the reader that came with its handler"),
        (16, 1, "use the reader that came with its handler"),
        (8, 0, "remove the file and start its handler"),
        (0x118, 0, "an earlier boot"),
        (0x120, 1, "an earlier boot"),
        (0x128, 7_000_000_001, "is 7000000001 ns from the host's, this process's 0 ns"),
        (0x128, u64::MAX, "is -1 ns from the host's"),
        (0x20, 8192, "damaged"),
        (0x20, 8192, "remove the file and start its handler"),
        (0xd0, 2, "damaged"),
        (0xd8, 2, "damaged"),
        (0xd8, u64::MAX, "damaged"),
        (0xe0, 128, "damaged"),
        (0xe0, u64::MAX, "damaged"),
        (0x100, u64::MAX, "damaged"),
        (0x110, 0, "damaged"),
        (0xf8, 2, "damaged"),
        (0xf8, u64::MAX, "damaged"),
        (0x1d0, 0, "damaged"),
    ] {
        let mut changed = whole.clone();
        changed[offset..offset + 8].copy_from_slice(&u64::to_ne_bytes(value));
        fs::write(&path, changed).unwrap();
        let message = refusal(&path).to_string();
        assert!(message.contains(expected), "{offset:#x}={value}: {message}");
    }
}

#[test]
fn without_permission_the_message_says_so() {
    if rustix::process::geteuid().is_root() {
        eprintln!("skipped: without_permission_the_message_says_so: root may read everything");
        return;
    }
    let folder = Folder::new();
    let _writers = create(folder.region(), &spec()).unwrap();
    fs::set_permissions(folder.region(), fs::Permissions::from_mode(0o000)).unwrap();
    assert!(matches!(refusal(&folder.region()), OpenError::NotPermitted { .. }));
}

#[test]
fn a_cut_file_is_refused_at_every_page() {
    let folder = Folder::new();
    let path = folder.region();
    let whole = bytes();
    fs::write(&path, &whole).unwrap();
    read_everything(&Region::open(&path).unwrap());
    for length in (0..whole.len()).step_by(512) {
        fs::write(&path, &whole[..length]).unwrap();
        refusal(&path);
    }
    let mut longer = whole;
    longer.extend_from_slice(&[0; 4096]);
    fs::write(&path, &longer).unwrap();
    assert!(matches!(refusal(&path), OpenError::Damaged { .. }));
    let length = longer.len() as u64;
    longer[0x20..0x28].copy_from_slice(&length.to_ne_bytes());
    fs::write(&path, longer).unwrap();
    assert!(matches!(refusal(&path), OpenError::Damaged { .. }));
}

#[test]
fn the_region_is_mapped_read_only() {
    let folder = Folder::new();
    let (_handler, mut lanes) = create(folder.region(), &spec()).unwrap();
    bring_up(&mut lanes[0], "AAPL", Mono(u64::MAX));
    let elsewhere = folder.path().join("copy");
    fs::copy(folder.region(), &elsewhere).unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o440)).unwrap();
    let region = Region::open(&elsewhere).unwrap();
    read_everything(&region);
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let ours: Vec<&str> =
        maps.lines().filter(|line| line.ends_with(elsewhere.to_str().unwrap())).collect();
    assert!(!ours.is_empty());
    assert!(ours.iter().all(|line| line.split(' ').nth(1) == Some("r--s")), "{ours:?}");
}

fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0u64..64,
        Just(u64::MAX),
        any::<u64>().prop_map(|n| 1 << (n % 64)),
        (any::<u32>(), 0u64..20).prop_map(|(upper, lower)| u64::from(upper) << 32 | lower),
    ]
}

fn whole() -> &'static [u8] {
    static WHOLE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    WHOLE.get_or_init(bytes)
}

/// A file of its own with these words changed, gone when dropped.
struct Changed {
    path: std::path::PathBuf,
    _folder: Folder,
}

impl std::ops::Deref for Changed {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.path
    }
}

fn changed(changes: Vec<(usize, u64)>) -> Changed {
    let mut bytes = whole().to_vec();
    for (at, value) in changes {
        bytes[at * 8..at * 8 + 8].copy_from_slice(&value.to_ne_bytes());
    }
    let folder = Folder::new();
    let path = folder.region();
    fs::write(&path, bytes).unwrap();
    Changed { path, _folder: folder }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any words in the header and the records: an error, or a region that can be read from end to
    /// end.
    #[test]
    fn a_file_that_says_anything_of_itself_does_no_harm(
        changes in prop::collection::vec((3usize..1400, word()), 1..4),
    ) {
        if let Ok(region) = Region::open(&*changed(changes)) {
            read_everything(&region);
        }
    }

    /// Any words where its handler writes after the start: it can be read from end to end.
    #[test]
    fn contents_that_say_anything_do_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), word()), 1..500),
    ) {
        let words = whole().len() / 8;
        // The unmapped table, and everything behind the one partition record.
        let (table, behind) = (64..1096, 1096 + 56 + 184..words);
        let at = |index: prop::sample::Index| match index.index(table.len() + behind.len()) {
            at if at < table.len() => table.start + at,
            at => behind.start + at - table.len(),
        };
        let changes = changes.into_iter().map(|(index, word)| (at(index), word)).collect();
        read_everything(&Region::open(&*changed(changes)).unwrap());
    }
}

#[test]
fn nothing_but_zeros_behind_a_header_is_never_live() {
    let folder = Folder::new();
    let path = folder.region();
    let mut cleared = bytes();
    // Behind the partition record's constants everything is a lane's to write, but for the table of alerts.
    let slots = cleared.len() - 8 * 576 - 32_832 - 4096;
    cleared[slots..].fill(0);
    let file = fs::File::create(&path).unwrap();
    file.write_all_at(&cleared, 0).unwrap();
    let region = Region::open(&path).unwrap();
    for (handle, _) in region.symbols(0) {
        assert!(region.read_at(handle, Mono(1)).reason().is_some());
    }
}

/// What a writer leaves behind that dies inside a write of a slot.
#[test]
fn a_slot_whose_lock_stays_taken_is_stale_and_shows_no_book() {
    let folder = Folder::new();
    let (mut handler, mut lanes) = create(folder.region(), &spec()).unwrap();
    handler.set_status(live(), Mono(5));
    bring_up(&mut lanes[0], "AAPL", Mono(1_000));
    let region = Region::open(folder.region()).unwrap();
    let handle = region.find(&venue("XNAS"), &symbol("AAPL")).unwrap();
    assert!(region.read_at(handle, Mono(999)).live().is_some());
    let length = fs::metadata(folder.region()).unwrap().len();
    let slots = (0..length / 8).rev().find(|at| word_at(&folder, at * 8) == 2).unwrap() * 8;
    let file = fs::OpenOptions::new().write(true).open(folder.region()).unwrap();
    file.write_all_at(&3u64.to_ne_bytes(), slots).unwrap();
    let shown = |now| match region.read_at(handle, Mono(now)) {
        Read::Stale { reason, since, last: None } => (reason, since),
        other => panic!("{other:?}"),
    };
    assert_eq!(shown(999), (Reason::Lapped, Mono(999)));
    assert_eq!(shown(1_000), (Reason::WriterGone, Mono(1_000)));
    file.write_all_at(&4u64.to_ne_bytes(), slots).unwrap();
    assert!(region.read_at(handle, Mono(999)).live().is_some());
}

fn word_at(folder: &Folder, offset: u64) -> u64 {
    let mut bytes = [0; 8];
    fs::File::open(folder.region()).unwrap().read_exact_at(&mut bytes, offset).unwrap();
    u64::from_ne_bytes(bytes)
}

/// Only what says that the file is gone, or another, is taken for that.
#[test]
fn a_path_that_cannot_be_looked_at_is_no_region_lost() {
    let folder = Folder::new();
    let (below, aside) = (folder.path().join("below"), folder.path().join("aside"));
    fs::create_dir(&below).unwrap();
    let _writers = create(below.join("region"), &spec()).unwrap();
    let region = Region::open(below.join("region")).unwrap();
    let standing = || (region.is_at_its_path().ok(), region.is_current());
    assert_eq!(standing(), (Some(true), true));
    // Its folder is gone, or is none any more.
    fs::rename(&below, &aside).unwrap();
    assert_eq!(standing(), (Some(false), false));
    fs::write(&below, "").unwrap();
    assert_eq!(standing(), (Some(false), false));
    fs::remove_file(&below).unwrap();
    // The kernel can't say: here of a link that leads to itself.
    std::os::unix::fs::symlink(&below, &below).unwrap();
    assert_eq!(standing(), (None, true));
    fs::remove_file(&below).unwrap();
    fs::rename(&aside, &below).unwrap();
    assert_eq!(standing(), (Some(true), true));
    fs::remove_file(below.join("region")).unwrap();
    assert_eq!(standing(), (Some(false), false));
    fs::write(below.join("region"), "").unwrap();
    assert_eq!(standing(), (Some(false), false), "another file");
}

const TO_OPEN: &str = "CANDOR_OPEN_REGION";

#[test]
#[ignore = "no test: what the one below starts in a time namespace"]
fn the_program_of_a_child_process() {
    let Ok(path) = std::env::var(TO_OPEN) else { return };
    match Region::open(&path) {
        Ok(_) => println!("opened"),
        Err(error) => println!("refused: {error}"),
    }
    match create(format!("{path}-of-the-child"), &spec()) {
        Ok(_) => println!("made"),
        Err(error) => println!("not made: {error}"),
    }
    let awake = clock_gettime(ClockId::Monotonic).tv_sec.unsigned_abs();
    println!("{} s asleep", clock::now().0 / 1_000_000_000 - awake);
}

#[test]
fn a_reader_in_another_time_namespace_is_refused_and_so_is_a_reader_of_one_in_it() {
    let folder = Folder::new();
    let _writers = create(folder.region(), &spec()).unwrap();
    let made_there = folder.path().join("region-of-the-child");
    let in_child = |wrapper: &[&str]| -> String {
        let own = std::env::current_exe().unwrap();
        let own = own.to_str().unwrap();
        let test = ["--exact", "the_program_of_a_child_process", "--ignored", "--nocapture"];
        let arguments = [wrapper, &[own], &test].concat();
        let output = std::process::Command::new(arguments[0])
            .args(&arguments[1..])
            .env(TO_OPEN, folder.region())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("made"), "{wrapper:?}: {said}{errors}");
        said
    };
    let here = in_child(&["env"]);
    assert!(here.contains("opened"), "{here}");
    Region::open(&made_there).unwrap();
    // Only where this can't be done at all is the rest skipped.
    let elsewhere = ["unshare", "--time", "--fork", "--boottime", "1000"];
    let tried = std::process::Command::new(elsewhere[0]).args(&elsewhere[1..]).arg("true").output();
    if !tried.is_ok_and(|output| output.status.success()) {
        println!("skipped: a_reader_in_another_time_namespace: needs root and unshare(1)");
        return;
    }
    let said = in_child(&elsewhere);
    assert!(said.contains("0 ns from the host's, this process's 1000000000000 ns"), "{said}");
    // What a suspended host does to the two clocks, this namespace does as well.
    let asleep = |said: &str| {
        let line = said.lines().find_map(|line| line.strip_suffix(" s asleep"));
        line.and_then(|seconds| seconds.parse::<u64>().ok()).expect("it was said")
    };
    let slept = asleep(&said) - asleep(&here);
    assert!((999..=1_001).contains(&slept), "our time goes on in a suspended host: {slept} s");
    let message = refusal(&made_there).to_string();
    assert!(message.contains("1000000000000 ns from the host's, this process's 0 ns"), "{message}");
}
