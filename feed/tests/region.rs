//! A handler and its region's file: who may have it, what is in its way, and what becomes of a
//! handler whose region is taken from it. With ordinary sockets on the loopback interface.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use candor_core::Nanos;
use candor_shm::{Region, clock};
use rustix::process::{Pid, Signal, kill_process};

const CONFIG: &str = r#"
[handler]
name = "mdh1"
region = "REGION"
EXTRA
[source]
kind = "udp"
interface = "lo"
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

/// A folder of a test's own, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = PathBuf::from(format!("/dev/shm/candor-region-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A configuration whose region is `region`.
    fn config(&self, region: &Path, extra: &str) -> PathBuf {
        let name = region.file_name().unwrap().to_str().unwrap();
        let path = self.path(&format!("{name}.toml"));
        let text = CONFIG.replace("REGION", &region.display().to_string());
        fs::write(&path, text.replace("EXTRA", extra)).unwrap();
        path
    }

    /// What is in it, but for configurations and logs.
    fn list(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.ends_with(".toml") && !name.ends_with(".log"));
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A handler that runs. Killed when dropped.
struct Handler {
    child: Child,
    log: PathBuf,
}

impl Handler {
    fn start(folder: &Folder, region: &Path, log: &str) -> Handler {
        let before = Region::open(region).map_or(0, |region| region.generation());
        let config = folder.config(region, "");
        let log = folder.path(log);
        let file = fs::File::options().create(true).append(true).open(&log).unwrap();
        let child = candor(&config).stderr(file).spawn().unwrap();
        let mut handler = Handler { child, log };
        eventually("the handler runs", || {
            let ended = handler.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", handler.log());
            let region = Region::open(region).ok()?;
            let runs = region.generation() > before || region.info().pid == handler.child.id();
            (runs && region.handler_status(clock::now()).is_live()).then_some(())
        });
        handler
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its exit code, once it has ended by itself.
    fn ended(&mut self) -> i32 {
        eventually("the handler ends", || self.child.try_wait().unwrap()).code().unwrap()
    }

    fn end(&mut self) -> i32 {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.ended()
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn candor(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
    command.args(["run", "-c"]).arg(config).stdin(Stdio::null());
    command
}

/// Runs what is to be refused at once; its exit code and what it said.
fn refused(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap_or_else(|| panic!("{:?}: {said}", output.status)), said)
}

fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let until = clock::now() + Nanos::from_secs(20);
    while clock::now() < until {
        if let Some(found) = attempt() {
            return found;
        }
        pause(Nanos::from_millis(2));
    }
    panic!("waited in vain: {what}");
}

fn pause(length: Nanos) {
    let _ = rustix::thread::nanosleep(&candor::clock::timespec(length));
}

#[test]
fn a_second_handler_by_another_name_of_the_file_is_refused_and_the_first_goes_on() {
    let folder = Folder::new("link");
    let (region, link) = (folder.path("region"), folder.path("link"));
    let mut first = Handler::start(&folder, &region, "first.log");
    fs::hard_link(&region, &link).unwrap();
    let (exit, said) = refused(candor(&folder.config(&link, "")));
    assert_eq!(exit, 78, "{said}");
    assert!(said.contains("another handler is running on this region"), "{said}");
    // Nor when the lock beside it is removed.
    fs::remove_file(folder.path("region.lock")).unwrap();
    let (exit, said) = refused(candor(&folder.config(&region, "")));
    assert_eq!(exit, 78, "{said}");
    assert!(said.contains("another handler is running on this region"), "{said}");
    pause(Nanos::from_millis(1_200));
    assert!(first.is_running());
    assert!(Region::open(&region).unwrap().handler_status(clock::now()).is_live());
    assert_eq!(first.end(), 0);
    let (exit, said) = refused(candor(&folder.config(&link, "")));
    assert_eq!(exit, 78, "{said}");
    assert!(said.contains("is one file with 2 names (hard links); remove"), "{said}");
}

/// What is found, what is to be done, and how it comes to be.
type Refusal<'a> = (&'a str, &'a str, Box<dyn FnOnce() + 'a>);

/// What `candor doctor` says of a region's file behind its place: level, finding, advice. None when
/// nothing.
fn examined(config: &Path) -> Option<(String, String, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
    let output = command.args(["doctor", "-o", "json", "-c"]).arg(config).output().unwrap();
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
    let folder = Folder::new("doctor");
    let region = folder.path("region");
    let config = folder.config(&region, "");
    assert_eq!(examined(&config), None);
    let mut handler = Handler::start(&folder, &region, "first.log");
    let (level, found, advice) = examined(&config).unwrap();
    assert_eq!(level, "warn", "this host can run it: it does");
    assert_eq!(found, "another handler is running on this region: a start is refused");
    assert!(advice.starts_with("stop it first"), "{advice}");
    assert_eq!(handler.end(), 0);
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
        let (exit, said) = refused(candor(&config));
        assert_eq!(exit, 78, "{said}");
        assert!(said.contains(&found) && said.contains(&advice), "{found}; {advice}: {said}");
    }
}

#[test]
fn a_handler_whose_region_is_replaced_ends_and_says_so() {
    let folder = Folder::new("replaced");
    let region = folder.path("region");
    let mut first = Handler::start(&folder, &region, "first.log");
    let old = Region::open(&region).unwrap();
    // All that keeps a second handler out.
    for name in ["region", "region.lock", "region.control"] {
        fs::remove_file(folder.path(name)).unwrap();
    }
    let mut second = Handler::start(&folder, &region, "second.log");
    assert_eq!(first.ended(), 71, "{}", first.log());
    let log = first.log();
    assert!(log.contains("ERROR") && log.contains("another file put in its place"), "{log}");
    assert!(log.contains("see that one handler has the path"), "{log}");
    assert!(!old.handler_status(clock::now()).is_live(), "its readers know");
    pause(Nanos::from_millis(1_200));
    assert!(second.is_running(), "{}", second.log());
    assert!(folder.path("region.control").exists(), "the second one's");
    assert!(Region::open(&region).unwrap().handler_status(clock::now()).is_live());
    assert_eq!(second.end(), 0);
}

#[test]
fn a_handler_whose_region_was_removed_or_retired_ends_and_says_so() {
    let folder = Folder::new("lost");
    let region = folder.path("region");
    let mut handler = Handler::start(&folder, &region, "removed.log");
    fs::remove_file(&region).unwrap();
    assert_eq!(handler.ended(), 71, "{}", handler.log());
    assert!(handler.log().contains("the region was removed"), "{}", handler.log());
    assert!(!folder.path("region.control").exists());

    let mut handler = Handler::start(&folder, &region, "retired.log");
    let file = fs::File::options().write(true).open(&region).unwrap();
    file.write_all_at(&1u64.to_ne_bytes(), 0x50).unwrap();
    assert_eq!(handler.ended(), 71, "{}", handler.log());
    assert!(handler.log().contains("another handler has taken the region over"));
}

#[test]
fn a_folder_that_is_not_there_exits_78_and_says_what_to_do() {
    let folder = Folder::new("nowhere");
    let nowhere = folder.path("nowhere");
    let (exit, said) = refused(candor(&folder.config(&nowhere.join("region"), "")));
    assert_eq!(exit, 78, "{said}");
    let named = format!("{}: there is no such folder; make the folder", nowhere.display());
    assert!(said.contains(&named), "{said}");
    let control = format!("control = \"{}\"", nowhere.join("control").display());
    let (exit, said) = refused(candor(&folder.config(&folder.path("region"), &control)));
    assert_eq!(exit, 78, "{said}");
    assert!(said.contains("make its folder, or give it another path (`control`"), "{said}");
    assert!(folder.list().is_empty(), "{:?}", folder.list());
}

#[test]
fn a_folder_that_may_not_be_written_exits_77_and_is_named() {
    let test = "a_folder_that_may_not_be_written";
    if !rustix::process::geteuid().is_root() {
        println!("skipped: {test}: needs root, to become another user");
        return;
    }
    let lets_through = |folder: &Path| {
        fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o001 != 0)
    };
    if !Path::new(env!("CARGO_BIN_EXE_candor")).ancestors().skip(1).all(lets_through) {
        println!("skipped: {test}: others can't run the binary");
        return;
    }
    let folder = Folder::new("denied");
    let as_other = |region: &Path| {
        let mut command = candor(&folder.config(region, ""));
        command.uid(65_534).gid(65_534);
        refused(command)
    };
    let (exit, said) = as_other(&folder.path("region"));
    assert_eq!(exit, 77, "{said}");
    let named = format!("{}: this process may not make files in this folder", folder.0.display());
    assert!(said.contains(&named), "{said}");
    // Another user's lock is in the way, and no folder.
    fs::write(folder.path("region.lock"), "").unwrap();
    fs::set_permissions(folder.path("region.lock"), fs::Permissions::from_mode(0o600)).unwrap();
    let (exit, said) = as_other(&folder.path("region"));
    assert_eq!(exit, 77, "{said}");
    assert!(said.contains("region.lock: this process may not write it, it is user 0's"), "{said}");
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
    let folder = Folder::new("nofile");
    let config = folder.config(&folder.path("region"), "");
    let Some(command) = limited("a_limit_on_open_files", "--nofile=8:8", &config) else { return };
    let (exit, said) = refused(command);
    assert_eq!(exit, 77, "{said}");
    assert!(said.contains("RLIMIT_NOFILE is 8 open files"), "{said}");
    assert!(said.contains("LimitNOFILE=64"), "{said}");
    assert!(folder.list().is_empty(), "{:?}", folder.list());
}

#[test]
fn a_limit_on_file_sizes_exits_77_and_leaves_nothing_behind() {
    let folder = Folder::new("fsize");
    let config = folder.config(&folder.path("region"), "");
    let test = "a_limit_on_file_sizes";
    let Some(command) = limited(test, "--fsize=100000:100000", &config) else { return };
    let (exit, said) = refused(command);
    assert_eq!(exit, 77, "{said}");
    assert!(said.contains("RLIMIT_FSIZE is 100000 bytes, and the region needs "), "{said}");
    assert!(folder.list().is_empty(), "{:?}", folder.list());
}

#[test]
fn a_log_that_is_full_kills_nobody() {
    let folder = Folder::new("full");
    let region = folder.path("region");
    let config = folder.config(&region, "");
    let limit: u64 = 1 << 32;
    let Some(mut command) = limited("a_log_that_is_full", &format!("--fsize={limit}"), &config)
    else {
        return;
    };
    let log = fs::File::options().create(true).append(true).open(folder.path("full.log")).unwrap();
    log.set_len(limit).unwrap();
    let child = command.stderr(log).stdin(Stdio::null()).spawn().unwrap();
    let mut handler = Handler { child, log: folder.path("no.log") };
    eventually("the handler runs", || {
        assert!(handler.is_running(), "{:?}", handler.child.wait());
        let region = Region::open(&region).ok()?;
        region.handler_status(clock::now()).is_live().then_some(())
    });
    pause(Nanos::from_millis(300));
    assert!(handler.is_running());
    assert_eq!(handler.end(), 0);
}
