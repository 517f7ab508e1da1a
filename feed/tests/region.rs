//! A handler and its region's file: who may have it, what is in its way, and what becomes of a
//! handler whose region is taken from it. With ordinary sockets on the loopback interface.

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use candor_core::Nanos;
use candor_shm::{Region, clock};
use rustix::process::Signal;
use support::{Folder, Running, can_be_another_user, candor, name_of_group, pause, run};

const VENUES: &str = r#"
[[lane]]
[[venue]]
name = "XNAS"
feed = "nasdaq-itch50"
[[venue.partition]]
name = "1"
lane = 0
symbols_max = 64
orders_max = 64
levels_max = 64
subscribe = false
"#;

fn folder(name: &str) -> Folder {
    Folder::new("region", name)
}

/// A configuration whose region is `region`.
fn configure(folder: &Folder, region: &Path, extra: &str) -> PathBuf {
    let name = region.file_name().unwrap().to_str().unwrap();
    let path = folder.path(&format!("{name}.toml"));
    fs::write(&path, support::config(region, extra, VENUES)).unwrap();
    path
}

fn start(folder: &Folder, region: &Path, log: &str) -> Running {
    start_with(folder, region, "", log)
}

fn start_with(folder: &Folder, region: &Path, extra: &str, log: &str) -> Running {
    let mut command = run(&configure(folder, region, extra));
    command.stderr(folder.log(log));
    Running::start(command, region, folder.path(log))
}

/// Runs what is to be refused at once; its exit code and what it said.
fn refused(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap_or_else(|| panic!("{:?}: {said}", output.status)), said)
}

#[test]
fn a_second_handler_by_another_name_of_the_file_is_refused_and_the_first_goes_on() {
    let folder = folder("link");
    let (region, link) = (folder.path("region"), folder.path("link"));
    let mut first = start(&folder, &region, "first.log");
    fs::hard_link(&region, &link).unwrap();
    let (exit, said) = refused(run(&configure(&folder, &link, "")));
    assert_eq!(exit, 78, "{said}");
    assert!(said.contains("another handler is running on this region"), "{said}");
    // Nor when the lock beside it is removed.
    fs::remove_file(folder.path("region.lock")).unwrap();
    let (exit, said) = refused(run(&configure(&folder, &region, "")));
    assert_eq!(exit, 78, "{said}");
    assert!(said.contains("another handler is running on this region"), "{said}");
    pause(Nanos::from_millis(1_200));
    assert!(first.is_running());
    assert!(Region::open(&region).unwrap().handler_status(clock::now()).is_live());
    assert_eq!(first.end(Signal::TERM), Some(0));
    let (exit, said) = refused(run(&configure(&folder, &link, "")));
    assert_eq!(exit, 78, "{said}");
    assert!(said.contains("is one file with 2 names (hard links); remove"), "{said}");
}

/// What is found, what is to be done, and how it comes to be.
type Refusal<'a> = (&'a str, &'a str, Box<dyn FnOnce() + 'a>);

/// What `candor doctor` says of a region's file behind its place: level, finding, advice. None when
/// nothing.
fn examined(config: &Path) -> Option<(String, String, String)> {
    let output = candor(&["doctor", "-o", "json", "-c"]).arg(config).output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = answer["findings"].as_array().unwrap();
    let mut about = findings.iter().filter(|finding| finding["check"] == "region");
    assert!(about.next().is_some(), "its place: {answer}");
    let found = about.next()?;
    assert!(about.next().is_none(), "{answer}");
    let text = |name: &str| found[name].as_str().unwrap().to_owned();
    Some((text("level"), text("found"), text("advice")))
}

#[test]
fn doctor_says_of_the_regions_file_what_a_start_would() {
    let folder = folder("doctor");
    let region = folder.path("region");
    let config = configure(&folder, &region, "");
    assert_eq!(examined(&config), None);
    let mut handler = start(&folder, &region, "first.log");
    let (level, found, advice) = examined(&config).unwrap();
    assert_eq!(level, "warn", "this host can run it: it does");
    assert_eq!(found, "another handler is running on this region: a start is refused");
    assert!(advice.starts_with("stop it first"), "{advice}");
    assert_eq!(handler.end(Signal::TERM), Some(0));
    let ok = |found: &str| Some(("ok".to_owned(), found.to_owned(), String::new()));
    assert_eq!(examined(&config), ok("exists; a start replaces it"));
    let whole = fs::read(&region).unwrap();
    let poke = |offset: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[offset] ^= byte;
        fs::write(&region, bytes).unwrap();
    };
    poke(0x118, 1);
    assert_eq!(examined(&config), ok("left by an earlier boot of this host; a start replaces it"));
    let mut refusals: Vec<Refusal<'_>> = vec![
        ("is a region of layout", "remove the file", Box::new(|| poke(8, 2))),
        ("is a damaged region", "remove the file", Box::new(|| poke(0x20, 1))),
        ("is a file of something else", "remove the file", Box::new(|| poke(0, 1))),
    ];
    refusals.push((
        "is one file with 2 names (hard links)",
        "remove the other names",
        Box::new(|| {
            fs::write(&region, &whole).unwrap();
            fs::hard_link(&region, folder.path("link")).unwrap();
        }),
    ));
    refusals.push((
        "is a symbolic link",
        "remove the link",
        Box::new(|| {
            fs::remove_file(&region).unwrap();
            std::os::unix::fs::symlink(folder.path("nothing"), &region).unwrap();
        }),
    ));
    for (what, to_do, spoil) in refusals {
        spoil();
        let (level, found, advice) = examined(&config).unwrap();
        assert!(found.starts_with(what), "{found}");
        assert!(advice.contains(to_do), "{advice}");
        assert_eq!(level, "fail", "{found}");
        let (exit, said) = refused(run(&config));
        assert_eq!(exit, 78, "{said}");
        assert!(said.contains(&found) && said.contains(&advice), "{found}; {advice}: {said}");
    }
}

#[test]
fn a_handler_whose_region_is_replaced_ends_and_says_so() {
    let folder = folder("replaced");
    let region = folder.path("region");
    let mut first = start(&folder, &region, "first.log");
    let old = Region::open(&region).unwrap();
    // All that keeps a second handler out.
    for name in ["region", "region.lock", "region.control"] {
        fs::remove_file(folder.path(name)).unwrap();
    }
    let mut second = start(&folder, &region, "second.log");
    assert_eq!(first.ended(), Some(71), "{}", first.log());
    let log = first.log();
    assert!(log.contains("ERROR") && log.contains("another file put in its place"), "{log}");
    assert!(log.contains("see that one handler has the path"), "{log}");
    assert!(!old.handler_status(clock::now()).is_live(), "its readers know");
    pause(Nanos::from_millis(1_200));
    assert!(second.is_running(), "{}", second.log());
    assert!(folder.path("region.control").exists(), "the second one's");
    assert!(Region::open(&region).unwrap().handler_status(clock::now()).is_live());
    assert_eq!(second.end(Signal::TERM), Some(0));
}

#[test]
fn a_handler_whose_region_was_removed_or_retired_ends_and_says_so() {
    let folder = folder("lost");
    let region = folder.path("region");
    let mut handler = start(&folder, &region, "removed.log");
    fs::remove_file(&region).unwrap();
    assert_eq!(handler.ended(), Some(71), "{}", handler.log());
    assert!(handler.log().contains("the region was removed"), "{}", handler.log());
    assert!(!folder.path("region.control").exists());

    let mut handler = start(&folder, &region, "retired.log");
    let file = fs::File::options().write(true).open(&region).unwrap();
    file.write_all_at(&1u64.to_ne_bytes(), 0x50).unwrap();
    assert_eq!(handler.ended(), Some(71), "{}", handler.log());
    assert!(handler.log().contains("another handler has taken the region over"));
}

#[test]
fn a_folder_that_is_not_there_exits_78_and_says_what_to_do() {
    let folder = folder("nowhere");
    let nowhere = folder.path("nowhere");
    let (exit, said) = refused(run(&configure(&folder, &nowhere.join("region"), "")));
    assert_eq!(exit, 78, "{said}");
    let named = format!("{}: there is no such folder; make the folder", nowhere.display());
    assert!(said.contains(&named), "{said}");
    let control = format!("control = \"{}\"", nowhere.join("control").display());
    let (exit, said) = refused(run(&configure(&folder, &folder.path("region"), &control)));
    assert_eq!(exit, 78, "{said}");
    assert!(said.contains("make its folder, or give it another path (`control`"), "{said}");
    assert!(folder.list().is_empty(), "{:?}", folder.list());
}

#[test]
fn a_folder_that_may_not_be_written_exits_77_and_is_named() {
    let test = "a_folder_that_may_not_be_written";
    if !can_be_another_user(test) {
        return;
    }
    let folder = folder("denied");
    let as_other = |region: &Path| {
        let mut command = run(&configure(&folder, region, ""));
        command.uid(65_534).gid(65_534);
        refused(command)
    };
    let (exit, said) = as_other(&folder.path("region"));
    assert_eq!(exit, 77, "{said}");
    let named =
        format!("{}: this process may not make files in this folder", folder.root().display());
    assert!(said.contains(&named), "{said}");
    // Another user's lock is in the way, and no folder.
    fs::write(folder.path("region.lock"), "").unwrap();
    fs::set_permissions(folder.path("region.lock"), fs::Permissions::from_mode(0o600)).unwrap();
    let (exit, said) = as_other(&folder.path("region"));
    assert_eq!(exit, 77, "{said}");
    assert!(said.contains("region.lock: this process may not write it, it is user 0's"), "{said}");
}

#[test]
fn a_reader_that_locks_a_dead_region_is_blamed_and_no_handler() {
    let (test, nobody, group) = ("a_reader_that_locks_a_dead_region", 65_534, 12);
    if !can_be_another_user(test) {
        return;
    }
    let Some(group_name) = name_of_group(test, group) else { return };
    if Command::new("flock").arg("--version").output().is_err() {
        println!("skipped: {test}: no flock");
        return;
    }
    let folder = folder("locked");
    let region = folder.path("region");
    let extra = format!("group = \"{group_name}\"");
    let mut first = start_with(&folder, &region, &extra, "first.log");
    assert_eq!(first.end(Signal::TERM), Some(0));
    let config = folder.path("region.toml");
    for (access, kind) in [("--shared", "READ"), ("--exclusive", "WRITE")] {
        let mut command = Command::new("flock");
        command.args([access, "--no-fork"]).arg(&region).args(["sh", "-c", "echo locked; cat"]);
        command.uid(nobody).gid(group).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut reader = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(reader.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "locked\n", "it may read the region");
        let (exit, said) = refused(run(&config));
        assert_eq!(exit, 78, "{said}");
        assert!(!said.contains("another handler is running"), "{kind}: {said}");
        let what = "no handler is known to run on this region, yet its file is locked";
        let named = format!("{what} (process {}, by /proc/locks): by a reader", reader.id());
        assert!(said.contains(&named), "{kind}: {said}");
        assert!(said.contains("end what has locked it, or remove the file"), "{said}");
        let (level, found, advice) = examined(&config).unwrap();
        assert_eq!(level, "fail", "{found}");
        assert!(said.contains(&found) && said.contains(&advice), "{found}; {advice}: {said}");
        assert_eq!(folder.list(), ["region"], "the refused leave nothing");
        drop(reader.stdin.take());
        assert!(reader.wait().unwrap().success());
    }
    // The one remedy and the other: nobody locks it now, and what somebody locks may be removed.
    let mut second = start_with(&folder, &region, &extra, "second.log");
    assert_eq!(Region::open(&region).unwrap().generation(), 2);
    assert_eq!(second.end(Signal::TERM), Some(0));
    let reader = fs::File::open(&region).unwrap();
    rustix::fs::flock(&reader, rustix::fs::FlockOperation::LockShared).unwrap();
    fs::remove_file(&region).unwrap();
    let mut third = start_with(&folder, &region, &extra, "third.log");
    assert_eq!(third.end(Signal::TERM), Some(0));
}

#[test]
fn a_handler_that_fails_once_its_region_is_made_retires_it() {
    let test = "a_handler_that_fails_once_its_region_is_made";
    if !can_be_another_user(test) {
        return;
    }
    // The limit is a user's: this one has no other process.
    let user = 61_907;
    let folder = folder("threads");
    chown(folder.root(), Some(user), Some(user)).unwrap();
    // One lane is refused its thread; and of two the second is.
    for (name, extra, threads) in [("one", "", 5), ("two", "[[lane]]", 6)] {
        let region = folder.path(name);
        let config = configure(&folder, &region, extra);
        let limit = format!("--nproc={threads}:{threads}");
        let Some(mut command) = limited(test, &limit, &config) else { return };
        command.uid(user).gid(user);
        let (exit, said) = refused(command);
        assert_eq!(exit, 71, "{said}");
        assert!(said.contains("can't start a lane's thread"), "{said}");
        let made = Region::open(&region).unwrap();
        assert!(made.retired().is_some(), "its readers know at once: {said}");
        assert!(!folder.path(&format!("{name}.control")).exists());
        // It is in nobody's way.
        let mut next = start_with(&folder, &region, extra, "next.log");
        assert_eq!(Region::open(&region).unwrap().generation(), 2);
        assert_eq!(next.end(Signal::TERM), Some(0));
    }
}

/// The handler with a limit of `prlimit`'s; `None`, with a word, where there is none.
fn limited(test: &str, limit: &str, config: &Path) -> Option<Command> {
    if Command::new("prlimit").arg("--version").output().is_err() {
        println!("skipped: {test}: no prlimit");
        return None;
    }
    let mut command = Command::new("prlimit");
    command.arg(limit).arg(env!("CARGO_BIN_EXE_candor")).args(["run", "-c"]).arg(config);
    Some(command)
}

#[test]
fn a_limit_on_open_files_exits_77_and_is_named() {
    let folder = folder("nofile");
    let config = configure(&folder, &folder.path("region"), "");
    let Some(command) = limited("a_limit_on_open_files", "--nofile=8:8", &config) else { return };
    let (exit, said) = refused(command);
    assert_eq!(exit, 77, "{said}");
    assert!(said.contains("RLIMIT_NOFILE is 8 open files"), "{said}");
    assert!(said.contains("LimitNOFILE=64"), "{said}");
    assert!(folder.list().is_empty(), "{:?}", folder.list());
}

#[test]
fn a_limit_on_file_sizes_exits_77_and_leaves_nothing_behind() {
    let folder = folder("fsize");
    let config = configure(&folder, &folder.path("region"), "");
    let test = "a_limit_on_file_sizes";
    let Some(command) = limited(test, "--fsize=100000:100000", &config) else { return };
    let (exit, said) = refused(command);
    assert_eq!(exit, 77, "{said}");
    assert!(said.contains("RLIMIT_FSIZE is 100000 bytes, and the region needs "), "{said}");
    assert!(folder.list().is_empty(), "{:?}", folder.list());
}

#[test]
fn a_log_that_is_full_kills_nobody() {
    let folder = folder("full");
    let region = folder.path("region");
    let config = configure(&folder, &region, "");
    let limit: u64 = 1 << 32;
    let Some(mut command) = limited("a_log_that_is_full", &format!("--fsize={limit}"), &config)
    else {
        return;
    };
    let log = folder.log("full.log");
    log.set_len(limit).unwrap();
    command.stderr(log).stdin(Stdio::null());
    let mut handler = Running::start(command, &region, folder.path("no.log"));
    pause(Nanos::from_millis(300));
    assert!(handler.is_running());
    assert_eq!(handler.end(Signal::TERM), Some(0));
}

/// A look that fails says nothing of the region: its handler serves its readers as before.
#[test]
fn a_handler_that_cannot_look_at_its_regions_path_says_so_once_and_goes_on() {
    let folder = folder("unseen");
    let (below, aside) = (folder.path("below"), folder.path("aside"));
    fs::create_dir(&below).unwrap();
    let region = below.join("region");
    let mut handler = start(&folder, &region, "unseen.log");
    let read = Region::open(&region).unwrap();
    // A link that leads to itself in the place of the region's folder.
    fs::rename(&below, &aside).unwrap();
    std::os::unix::fs::symlink(&below, &below).unwrap();
    pause(Nanos::from_millis(2_500));
    assert!(handler.is_running(), "{}", handler.log());
    assert_eq!(handler.log().matches("can't look at the region's path").count(), 1);
    assert!(read.handler_status_when(clock::now).is_live());
    fs::remove_file(&below).unwrap();
    fs::rename(&aside, &below).unwrap();
    assert_eq!(handler.end(Signal::TERM), Some(0), "{}", handler.log());
}
