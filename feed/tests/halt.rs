//! `candor halt` and `candor resume`: what they refuse, who may use them, and what is kept of it. With
//! ordinary sockets on the loopback interface, where nothing is Live; under traffic: `veth/halt.rs`.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};

use candor_core::symbol::Text;
use candor_core::{BookView, Decimals, Nanos, Reason, SessionId, SymbolIndex};
use candor_shm::{Halt, PartitionSpec, Region, RegionSpec, clock};
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use serde_json::Value;
use support::{
    Folder, Running, can_be_another_user, candor, eventually, name_of_group, pause, run,
};

const VENUES: &str = r#"
[[lane]]
[[venue]]
name = "XNAS"
feed = "nasdaq-itch50"
[[venue.partition]]
name = "1"
lane = 0
subscribe = false
symbols = ["AAPL", "ALL", "XNAS", "BRK/A"]
symbols_max = 64
orders_max = 64
levels_max = 64
[[venue.partition]]
name = "two words"
lane = 0
lines.A = { group = "239.79.81.2", port = 26481 }
symbols_max = 64
orders_max = 64
levels_max = 64
[[venue]]
name = "XBOS"
feed = "nasdaq-itch50"
[[venue.partition]]
name = "1"
lane = 0
subscribe = false
symbols = ["AAPL"]
symbols_max = 64
orders_max = 64
levels_max = 64
"#;

/// A second person, who is nobody that halts here.
const SECOND: &str = "nobody";

struct Handler {
    running: Option<Running>,
    folder: Folder,
}

impl Handler {
    fn prepared(name: &str, extra: &str) -> Handler {
        let handler = Handler { running: None, folder: Folder::new("halt", name) };
        handler.configure(extra);
        handler
    }

    fn new(name: &str, extra: &str) -> Handler {
        let mut handler = Handler::prepared(name, extra);
        handler.start();
        handler
    }

    fn configure(&self, extra: &str) {
        let text = support::config(&self.path("region"), extra, VENUES);
        fs::write(self.path("handler.toml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    /// Starts it and waits until it has a region of its own. What is halted need not be Live for that.
    fn start(&mut self) {
        let before = Region::open(self.path("region")).map_or(0, |region| region.generation());
        let mut command = run(&self.path("handler.toml"));
        command.stderr(self.folder.log("log"));
        self.running = Some(Running::start_unseen(command, self.path("log")));
        let running = self.running.as_mut().unwrap();
        eventually("the handler says so", || {
            assert!(running.is_running(), "{}", running.log());
            let region = Region::open(self.folder.path("region")).ok()?;
            let runs = region.unhalted_status_when(clock::now).is_live();
            (runs && region.generation() > before).then_some(())
        });
    }

    fn region(&self) -> Region {
        Region::open(self.path("region")).unwrap()
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        candor(arguments).arg("-r").arg(self.path("region")).output().unwrap()
    }

    fn halt(&self, target: &str) -> Output {
        self.ask(&["halt", target, "--reason", "a test", "-o", "json"])
    }

    fn resume(&self, target: &str, second: &str) -> Output {
        self.ask(&["resume", target, "--second", second])
    }

    fn record(&self) -> String {
        fs::read_to_string(self.path("region.halted")).unwrap_or_default()
    }

    fn end(&mut self, signal: Signal) -> Option<i32> {
        self.running.take().unwrap().end(signal)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

#[track_caller]
fn answered(output: &Output, exit: i32, says: &str) {
    let said = text(output);
    assert_eq!(output.status.code(), Some(exit), "{said}");
    assert!(said.contains(says), "{says:?} is not in: {said}");
}

fn field(output: &Output, name: &str) -> Value {
    let json: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(output)));
    json["halt"][name].clone()
}

#[test]
fn a_target_is_found_or_refused_with_what_is_near() {
    let handler = Handler::new("targets", "");
    for (said, target, covers) in [
        ("all", "all", "the whole handler"),
        ("XNAS", "XNAS", "all 2 partitions of XNAS"),
        ("XNAS/two words", "XNAS/two words", "one partition"),
        ("XNAS:AAPL", "XNAS:AAPL", "one symbol"),
        ("XNAS:XNAS", "XNAS:XNAS", "one symbol"),
        ("XNAS:ALL", "XNAS:ALL", "one symbol"),
        ("BRK/A", "XNAS:BRK/A", "one symbol"),
    ] {
        let output = handler.halt(said);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        assert_eq!(
            (field(&output, "target"), field(&output, "covers")),
            (target.into(), covers.into())
        );
        assert!(
            handler.record().contains(&format!("target = \"{target}\"")),
            "{}",
            handler.record()
        );
    }
    for (said, says) in [
        ("ALL", "`all` is everything, `VENUE:ALL` is a symbol"),
        ("AAPL", "in several venues: XBOS:AAPL, XNAS:AAPL"),
        ("BRK/B", "did you mean `BRK/A`?"),
        ("XNAS:AAPLE", "did you mean `XNAS:AAPL`?"),
        ("XNAS/2", "did you mean `XNAS/1`?"),
        ("XNYS", "nothing here is called `XNYS`"),
        ("", "nothing here is called"),
        ("a\u{1b}[31m", "nothing here is called `a\\u{1b}[31m`"),
    ] {
        answered(&handler.halt(said), 64, says);
        answered(&handler.resume(said, SECOND), 64, says);
    }
    for reason in ["", "  ", "two\nlines", &"x".repeat(201)] {
        answered(&handler.ask(&["halt", "all", "--reason", reason]), 64, "reason");
    }
    answered(&handler.ask(&["halt", "all"]), 64, "--reason");
    let status = handler.ask(&["status"]);
    assert!(text(&status).contains("XNAS/two words") && text(&status).contains("a test"));
}

#[test]
fn a_halt_ends_with_a_second_person_and_nothing_else_wrong() {
    let mut handler = Handler::new("resume", "");
    answered(&handler.resume("all", SECOND), 2, "all is not halted");
    answered(&handler.halt("XNAS/1"), 0, "XNAS/1");
    let own = rustix::process::getuid().as_raw();
    let name = |uid: u32| candor::halt::users::numbered(uid).name;
    answered(&handler.resume("XNAS/1", "nobody-is-called-that"), 2, "this host has no user");
    answered(&handler.resume("XNAS/1", "root"), 2, "is no person");
    if own != 0 {
        answered(&handler.resume("XNAS/1", &name(own)), 2, "is who runs this");
    }
    answered(&handler.resume("XNAS/1", ""), 64, "--second");
    answered(&handler.ask(&["resume", "XNAS/1"]), 64, "--second");
    // Whoever halted is no second person, even for somebody else.
    let record = handler.record();
    let theirs = candor::halt::users::named(SECOND).unwrap().uid;
    let lines: Vec<String> = record
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some(("by", _)) => format!("by = \"{SECOND}\""),
            Some(("user", _)) => format!("user = {theirs}"),
            _ => line.to_owned(),
        })
        .collect();
    fs::write(handler.path("region.halted"), lines.join("\n")).unwrap();
    answered(&handler.resume("XNAS/1", SECOND), 2, "has halted it");
    fs::write(handler.path("region.halted"), &record).unwrap();
    assert!(handler.region().halted(Halt::Partition(0)).is_some(), "none of that ended it");

    // A partition that is stale beneath the halt keeps it halted.
    answered(&handler.halt("XNAS"), 0, "XNAS");
    let refused = handler.resume("XNAS", SECOND);
    answered(&refused, 2, "XNAS/two words: Stale(NotStarted)");
    assert!(!text(&refused).contains("XNAS/1"), "what was left is left alone: {}", text(&refused));
    answered(&handler.resume("XNAS/1", SECOND), 0, "still halted  XNAS/1");
    answered(&handler.ask(&["unsubscribe", "XNAS", "two words"]), 0, "Stale(Halted)");
    answered(&handler.resume("XNAS", SECOND), 0, "live after    0");
    assert_eq!(handler.region().halts(), []);
    assert_eq!(handler.record(), "", "no halt is no file");
    let journal = fs::read_to_string(handler.path("region.halted.log")).unwrap();
    let lines: Vec<&str> = journal.lines().collect();
    assert_eq!(lines.len(), 2, "a line for each that was resumed, and none for a no-go: {journal}");
    let parts = [format!("resume XNAS by {} ({own})", name(own)), format!(", second {SECOND};")];
    assert!(parts.iter().all(|part| lines[1].contains(part)), "{journal}");
    assert!(lines[1].ends_with(": a test"), "who halted it, when and why: {journal}");

    // A handler that hangs or is gone is no-go, and stays halted.
    answered(&handler.halt("XNAS/1"), 0, "XNAS/1");
    handler.running.as_ref().unwrap().signal(Signal::STOP);
    pause(Nanos::from_millis(200));
    answered(&handler.resume("XNAS/1", SECOND), 2, "is Stale(WriterGone)");
    handler.running.as_ref().unwrap().signal(Signal::CONT);
    assert_eq!(handler.end(Signal::TERM), Some(0));
    answered(&handler.resume("XNAS/1", SECOND), 2, "is Stale(WriterGone)");
    // One that is gone can still be halted, and its successor is.
    answered(&handler.halt("XBOS"), 3, "XBOS");
    handler.start();
    let region = handler.region();
    let halted = |at| region.halted(Halt::Partition(at)).is_some();
    assert_eq!([halted(0), halted(1), halted(2)], [true, false, true]);
    answered(&handler.resume("XNAS/1", SECOND), 0, "live after    0");
    answered(&handler.resume("XBOS", SECOND), 0, "live after    0");
    let log = handler.log();
    assert!(log.contains("halted target=XBOS") && log.contains("reason=\"a test\""), "{log}");
}

#[test]
fn what_is_halted_is_known_or_nothing_starts() {
    let mut handler = Handler::prepared("state", "");
    let state = handler.path("state");
    handler.configure(&format!("state = \"{}\"", state.display()));
    let refused = |handler: &Handler| run(&handler.path("handler.toml")).output().unwrap();
    let doctor = |handler: &Handler| {
        let mut command = candor(&["doctor", "-o", "json", "-c"]);
        let output = command.arg(handler.path("handler.toml")).output().unwrap();
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = json["findings"].as_array().unwrap().clone();
        let own = findings.into_iter().find(|finding| finding["check"] == "state").unwrap();
        (own["level"].as_str().unwrap().to_owned(), own["found"].as_str().unwrap().to_owned())
    };
    let candor_doctor = |level: &str, says: &str, handler: &Handler| {
        let (found, text) = doctor(handler);
        assert_eq!(found, level, "{text}");
        assert!(text.contains(says), "{text}");
    };
    answered(&refused(&handler), 78, "its folder can't be looked at");
    candor_doctor("fail", "refuses to start", &handler);
    assert!(!handler.path("region").exists(), "refused before anything is made");
    fs::create_dir(&state).unwrap();
    candor_doctor("ok", "0 halts, can be written", &handler);
    for bad in ["format = 1\n[[halt]]\ntarget = \"XNAS\"\n", "not toml at all", ""] {
        fs::write(state.join("halted.toml"), bad).unwrap();
        answered(&refused(&handler), 78, "record of what is halted is refused whole");
        candor_doctor("fail", "refuses to start", &handler);
    }
    fs::remove_file(state.join("halted.toml")).unwrap();
    fs::write(state.join("halted.toml.new"), "left by one who died").unwrap();

    // Without a region the record alone is written, by the configuration.
    let config = handler.path("handler.toml").display().to_string();
    let halt = |target: &str| {
        candor(&["halt", target, "--reason", "before the start", "-c", &config]).output().unwrap()
    };
    answered(&halt("XNAS/nine"), 64, "has no `XNAS/nine`");
    answered(&halt("XNAS"), 3, "the next start begins with XNAS halted");
    answered(&halt("XBOS:MSFT"), 3, "the next start begins with XBOS:MSFT halted");
    answered(&halt("XNAS"), 3, "since before");
    assert!(!state.join("halted.toml.new").exists());
    handler.start();
    let region = handler.region();
    assert_eq!(region.info().state_folder, Some(state.clone()));
    assert_eq!(region.partition(0, clock::now()).unwrap().status.reason(), Some(Reason::Halted));
    assert!(
        region.halted(Halt::Partition(1)).is_some() && region.halted(Halt::Partition(2)).is_none()
    );
    let status = handler.ask(&["status"]);
    assert!(text(&status).contains("when it is named"), "{}", text(&status));
    answered(&handler.resume("XBOS:MSFT", SECOND), 2, "nothing has named XBOS:MSFT yet");
    answered(&handler.resume("XBOS:MSFX", SECOND), 64, "nothing here is called");
    answered(&handler.halt("all"), 0, "state/halted.toml");
    let text = fs::read_to_string(state.join("halted.toml")).unwrap();
    assert!(text.contains("before the start") && text.contains("a test"), "{text}");
    candor_doctor("ok", "3 halts", &handler);
    assert_eq!(handler.end(Signal::TERM), Some(0));
    for (state, says) in [
        ("relative".to_owned(), "must be an absolute folder name"),
        (format!("/{}", "x".repeat(128)), "has at most 128 bytes"),
        (String::new(), "must be a folder's name"),
    ] {
        handler.configure(&format!("state = \"{state}\""));
        answered(&refused(&handler), 78, says);
    }
}

#[test]
fn where_the_region_before_cannot_be_read_everything_is_halted() {
    let mut handler = Handler::new("unreadable", "");
    handler.end(Signal::KILL);
    // Where the first partition's directory is (REGION.md): elsewhere than the plan of the region says.
    let path = handler.path("region");
    let mut bytes = fs::read(&path).unwrap();
    let partitions_at =
        usize::try_from(u64::from_ne_bytes(bytes[0x108..0x110].try_into().unwrap()));
    let directory_at = partitions_at.unwrap() + 0x160;
    bytes[directory_at..directory_at + 8].copy_from_slice(&7u64.to_ne_bytes());
    fs::write(&path, bytes).unwrap();
    handler.start();
    let region = handler.region();
    assert!(region.halted(Halt::All).is_some());
    assert!(handler.record().contains("can't be read"), "{}", handler.record());
    // It is a halt like any other: recorded, and ended as one.
    handler.end(Signal::KILL);
    handler.start();
    assert!(handler.region().halted(Halt::All).is_some());
}

/// A region with one partition, made by this process.
fn made(handler: &Handler) -> (candor_shm::HandlerWriter, Vec<candor_shm::LaneWriter>) {
    let mut spec = RegionSpec::new(Text::from_wire(b"meanwhile").unwrap());
    spec.partitions = vec![PartitionSpec {
        venue: Text::from_wire(b"XNAS").unwrap(),
        name: Text::from_wire(b"1").unwrap(),
        feed: Text::from_wire(b"nasdaq-itch50").unwrap(),
        silence: Nanos::from_secs(3),
        decimals: Decimals(4),
        ..PartitionSpec::spare(0, 8)
    }];
    candor_shm::create(handler.path("region"), &spec).unwrap()
}

/// Keeps every process from the record.
fn locked(handler: &Handler) -> fs::File {
    let lock = fs::File::create(handler.path("region.halted.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    lock
}

/// Starts a verb with the configuration, which waits for the record's lock when this returns.
fn waiting(handler: &Handler, verb: &[&str]) -> Child {
    let mut command = candor(verb);
    command.arg("-c").arg(handler.path("handler.toml"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let open = format!("/proc/{}/fd", child.id());
    eventually("it has opened the record's lock", || {
        let mut open = fs::read_dir(&open).ok()?.flatten().map(|entry| fs::read_link(entry.path()));
        open.any(|at| at.is_ok_and(|at| at.ends_with("region.halted.lock"))).then_some(())
    });
    child
}

/// Halts XNAS, while something happens that is over before the halt is recorded.
fn halted_while<T>(handler: &Handler, happens: impl FnOnce() -> T) -> (Output, T) {
    let lock = locked(handler);
    let halting = waiting(handler, &["halt", "XNAS", "--reason", "a test"]);
    let happened = happens();
    drop(lock);
    (halting.wait_with_output().unwrap(), happened)
}

/// Whoever halts finds no region, and a handler that starts has read the record before it is in it.
#[test]
fn a_halt_without_a_region_is_also_of_one_that_comes_meanwhile() {
    let handler = Handler::prepared("meanwhile", "");
    let (output, _writers) = halted_while(&handler, || made(&handler));
    answered(&output, 3, "all 1 partitions of XNAS");
    assert!(handler.region().halted(Halt::Partition(0)).is_some());
}

#[test]
fn a_halt_is_also_of_a_region_that_takes_the_place_of_the_first() {
    let handler = Handler::prepared("replaced", "");
    let first = made(&handler);
    let (output, _writers) = halted_while(&handler, || {
        assert!(handler.region().halted(Halt::Partition(0)).is_some(), "before it is recorded");
        drop(first);
        // Nothing is carried over from what is not there.
        fs::remove_file(handler.path("region")).unwrap();
        made(&handler)
    });
    answered(&output, 3, "since before");
    assert!(handler.region().halted(Halt::Partition(0)).is_some());
}

#[test]
fn a_halt_that_is_recorded_is_in_force_whoever_resumed_it_meanwhile() {
    let handler = Handler::prepared("resumed", "");
    let _writers = made(&handler);
    let (output, ()) = halted_while(&handler, || {
        let switch = candor_shm::KillSwitch::open(handler.path("region")).unwrap();
        assert_eq!(switch.resume(Halt::Partition(0)), Some(true));
    });
    answered(&output, 3, "region.halted");
    assert!(handler.region().halted(Halt::Partition(0)).is_some());
}

/// A resume has looked at everything, and somebody halts once more before it has ended the halt.
#[test]
fn a_halt_is_not_lost_to_a_resume_that_is_under_way() {
    let handler = Handler::new("underway", "");
    answered(&handler.halt("XNAS/1"), 0, "XNAS/1");
    let halted = || handler.region().halted(Halt::Partition(0)).is_some();
    let lock = locked(&handler);
    let resuming = waiting(&handler, &["resume", "XNAS/1", "--second", SECOND]);
    // Its word is stored when it waits; who is first at the record is nobody's to say.
    let halting = waiting(&handler, &["halt", "XNAS/1", "--reason", "prices are off again"]);
    drop(lock);
    let [resumed, again] = [resuming, halting].map(|child| child.wait_with_output().unwrap());
    answered(&again, 0, "region.halted");
    answered(&resumed, 2, "halted again since this resume began");
    assert!(halted(), "{}", text(&resumed));
    let record = handler.record();
    assert!(record.contains("a test") && record.contains("prices are off again"), "{record}");
    let status = text(&handler.ask(&["status"]));
    assert!(status.contains("a test") && status.contains("prices are off again"), "{status}");
    // Whoever resumes now knows of both.
    answered(&handler.resume("XNAS/1", SECOND), 0, "live after    0");
    assert!(!halted() && handler.record().is_empty());
    let journal = fs::read_to_string(handler.path("region.halted.log")).unwrap();
    let last = journal.lines().last().unwrap();
    assert!(last.contains(": a test") && last.contains(": prices are off again"), "{journal}");
}

#[test]
fn who_may_not_write_asks_and_who_may_not_ask_is_told_both() {
    let test = "who_may_not_write_asks_and_who_may_not_ask_is_told_both";
    let (nobody, group) = (65_534, 12);
    if !can_be_another_user(test) {
        return;
    }
    let Some(group_name) = name_of_group(test, group) else { return };
    let mut handler = Handler::new("owner", &format!("group = \"{group_name}\""));
    let as_other = |handler: &Handler, gid: u32, arguments: &[&str]| {
        let mut command = candor(arguments);
        command.arg("-r").arg(handler.path("region"));
        command.uid(nobody).gid(gid).output().unwrap()
    };
    let halt = ["halt", "XNAS/1", "--reason", "asked for", "-o", "json"];
    // Of its group: reads, and asks.
    let output = as_other(&handler, group, &halt);
    answered(&output, 0, "the handler, which was asked");
    assert_eq!(field(&output, "changed"), "yes");
    assert!(handler.record().contains("by = \"nobody\""), "{}", handler.record());
    let status = as_other(&handler, group, &["status"]);
    assert!(text(&status).contains("asked for"), "the group reads why: {}", text(&status));
    answered(
        &as_other(&handler, group, &["resume", "XNAS/1", "--second", "nobody"]),
        2,
        "is who runs this",
    );
    answered(
        &as_other(&handler, group, &["resume", "XNAS/1", "--second", "daemon"]),
        0,
        "which was asked",
    );
    assert_eq!(handler.region().halts(), []);
    // It hangs: nobody but its owner, and root, may halt it.
    handler.running.as_ref().unwrap().signal(Signal::STOP);
    let output = as_other(&handler, group, &halt);
    answered(&output, 77, "is user 0's; only its owner and root");
    assert!(text(&output).contains("nor does its handler do it"), "{}", text(&output));
    handler.running.as_ref().unwrap().signal(Signal::CONT);
    eventually("what was asked is done", || (!handler.region().halts().is_empty()).then_some(()));
    // Not of its group: neither.
    answered(&as_other(&handler, 65_534, &halt), 77, "not permitted");

    // A region of another user's is not to be halted by who may merely write the file.
    assert_eq!(handler.end(Signal::TERM), Some(0));
    fs::set_permissions(handler.path("region"), fs::Permissions::from_mode(0o666)).unwrap();
    answered(&as_other(&handler, 65_534, &halt), 77, "only its owner and root");
    // Root halts whose it may be, and the record is its owner's, who can read it.
    fs::remove_file(handler.path("region.halted")).unwrap();
    fs::remove_file(handler.path("region.halted.lock")).unwrap();
    chown(handler.path("region"), Some(nobody), Some(nobody)).unwrap();
    answered(&handler.halt("all"), 3, "region.halted");
    for file in ["region.halted", "region.halted.lock"] {
        assert_eq!(fs::metadata(handler.path(file)).unwrap().uid(), nobody, "{file}");
    }
    // A record that somebody else has put there is none.
    chown(handler.path("region.halted"), Some(65_533), None).unwrap();
    answered(&handler.halt("XNAS"), 71, "halted, and that is not recorded");
    answered(&handler.ask(&["status"]), 3, "is user 65533's");
    answered(&run(&handler.path("handler.toml")).output().unwrap(), 78, "is user 65533's");
}

/// As many symbols as all of a large venue, in ten partitions.
const MANY: u32 = 12_000;

#[test]
fn everything_of_twelve_thousand_symbols_is_halted_within_a_tenth_of_a_second() {
    let folder = Folder::new("halt", "many");
    let path = folder.path("region");
    let hour = Nanos::from_secs(3_600);
    let mut spec = RegionSpec::new(Text::from_wire(b"many").unwrap());
    spec.process_lease = hour;
    let partition = |number: u32| PartitionSpec {
        venue: Text::from_wire(b"XNAS").unwrap(),
        name: Text::from_wire(number.to_string().as_bytes()).unwrap(),
        feed: Text::from_wire(b"nasdaq-itch50").unwrap(),
        lane: 0,
        symbols: MANY / 10,
        silence: Nanos::from_secs(3),
        decimals: Decimals(4),
        lines: [None; 3],
    };
    spec.partitions = (0..10).map(partition).collect();
    let (mut handler, mut lanes) = candor_shm::create(&path, &spec).unwrap();
    // What the handler says once everything is ruled out.
    let live = candor::run::handler_status(true, &candor::attest::Verdict::not_required());
    let (now, lane) = (clock::now(), &mut lanes[0]);
    handler.set_status(live, now);
    lane.renew(now + hour);
    for number in 0..10u16 {
        lane.partition(number, live, 1, now, SessionId::from_number(1));
        lane.lease(number, now + hour);
        for index in (0..MANY / 10).map(SymbolIndex) {
            let name = format!("S{number}X{}", index.0);
            lane.define(number, index, &Text::from_wire(name.as_bytes()).unwrap());
            lane.publish(number, index, live, 1, now, &BookView::EMPTY);
        }
    }
    let region = Region::open(&path).unwrap();
    let mut watched = region.subscribe_prefix(Text::from_wire(b"XNAS").unwrap(), "");
    assert_eq!(watched.changed(&region).count(), MANY as usize);
    let told = clock::now();
    let output = candor(&["halt", "all", "--reason", "a test", "-o", "json", "-r"])
        .arg(&path)
        .output()
        .unwrap();
    let whole = clock::now().since(told);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(field(&output, "live_before"), MANY);
    assert_eq!(field(&output, "live_after"), 0);
    assert_eq!(watched.changed(&region).count(), MANY as usize, "every subscriber is told of each");
    let took = Nanos(field(&output, "took_ns").as_u64().unwrap());
    println!("shown: {MANY} symbols live before, none after, within {took}; the process {whole}");
    assert!(took < Nanos::from_millis(100), "{took}");
}
