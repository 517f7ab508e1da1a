//! Commands to a running handler, with ordinary sockets on the loopback interface: what they answer,
//! what they exit with, and who can't hold up whom. Under traffic: `tests/veth/control.rs`.

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use candor_core::{Nanos, Reason};
use candor_shm::{Region, clock};
use rustix::process::Signal;
use serde_json::Value;
use support::{
    Folder, Running, can_be_another_user, candor, eventually, name_of_group, pause, run,
};

const VENUES: &str = r#"
[[lane]]
[[lane]]
[[venue]]
name = "XNAS"
feed = "nasdaq-itch50"
[[venue.partition]]
name = "1"
lane = 0
lines.A = { group = "239.78.NET.1", port = 26401 }
[[venue.partition]]
name = "2"
lane = 1
lines.A = { group = "239.78.NET.2", port = 26401 }
lines.B = { group = "239.78.NET.3", port = 26401 }
[[venue.partition]]
name = "3"
lane = 0
subscribe = false
lines.A = { group = "239.78.NET.4", port = 26401 }
[[venue.partition]]
name = "4"
lane = 0
subscribe = false
"#;

/// A handler in a folder of its own. Killed and removed when dropped.
struct Handler {
    running: Option<Running>,
    folder: Folder,
    /// The third byte of its groups, its own: the kernel lists memberships by group.
    net: u8,
}

impl Handler {
    fn new(name: &str, extra: &str) -> Handler {
        let mut handler = Handler::prepared(name, extra);
        handler.start();
        handler
    }

    fn prepared(name: &str, extra: &str) -> Handler {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        // Tests run side by side, in one process or in one each: the host's list of groups is one.
        let net = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id() as u8);
        let handler = Handler { running: None, folder: Folder::new("control", name), net };
        handler.configure("handler.toml", extra);
        handler
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    fn configure(&self, file: &str, extra: &str) {
        let text = support::config(&self.path("region"), extra, VENUES);
        fs::write(self.path(file), text.replace("NET", &self.net.to_string())).unwrap();
    }

    fn start(&mut self) {
        self.start_with(self.folder.log("log").into());
    }

    fn start_with(&mut self, stderr: Stdio) {
        let mut command = run(&self.path("handler.toml"));
        command.stderr(stderr);
        self.running = Some(Running::start(command, &self.path("region"), self.path("log")));
        // The lanes begin by themselves: the first partitions are theirs, one each.
        let begun = |at| self.reason(at) == Some(Reason::NotStarted);
        eventually("the lanes begin", || (begun(0) && begun(1)).then_some(()));
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        candor(arguments).arg("-r").arg(self.path("region")).output().unwrap()
    }

    fn reason(&self, partition: u16) -> Option<Reason> {
        let region = Region::open(self.path("region")).unwrap();
        region.partition(partition, clock::now()).unwrap().status.reason()
    }

    fn signal(&self, signal: Signal) {
        self.running.as_ref().unwrap().signal(signal);
    }

    /// Ends it and gives its exit code.
    fn end(&mut self, signal: Signal) -> Option<i32> {
        self.running.take().unwrap().end(signal)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// Whether this host is a member of the handler's group of this last byte, by the kernel's list.
    fn is_joined(&self, group: u8) -> bool {
        let listed = format!("{:08X}", u32::from_le_bytes([239, 78, self.net, group]));
        fs::read_to_string("/proc/net/igmp").unwrap().contains(&listed)
    }

    fn connect(&self) -> UnixStream {
        UnixStream::connect(self.path("region.control")).unwrap()
    }
}

/// Sets its flag when dropped, whatever happened.
struct Set<'a>(&'a AtomicBool);

impl Drop for Set<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

fn answered(output: &Output, exit: i32, says: &str) {
    let said = text(output);
    assert_eq!(output.status.code(), Some(exit), "{said}");
    assert!(said.contains(says), "{says:?} is not in: {said}");
}

#[test]
fn a_partition_is_left_and_joined_by_command() {
    let mut handler = Handler::new("verbs", "");
    assert_eq!(handler.reason(1), Some(Reason::NotStarted));
    assert!(handler.is_joined(2) && handler.is_joined(3) && handler.is_joined(1));
    let left = handler.ask(&["unsubscribe", "XNAS", "2", "-o", "json"]);
    assert_eq!(handler.reason(1), Some(Reason::Unsubscribed), "when the command has returned");
    let json: Value =
        serde_json::from_slice(&left.stdout).unwrap_or_else(|_| panic!("{}", text(&left)));
    let control = &json["control"];
    assert_eq!(left.status.code(), Some(0));
    assert_eq!(control["command"], "unsubscribe");
    assert_eq!((&control["venue"], &control["partition"]), (&"XNAS".into(), &"2".into()));
    assert_eq!(
        (&control["status"], &control["changed"]),
        (&"Stale(Unsubscribed)".into(), &"yes".into())
    );
    assert!(control["took_ns"].as_u64().unwrap() < 2_000_000_000);
    assert!(!handler.is_joined(2) && !handler.is_joined(3) && handler.is_joined(1));
    assert_eq!(handler.reason(0), Some(Reason::NotStarted), "others stay what they were");

    // Said twice it is true twice.
    answered(&handler.ask(&["unsubscribe", "XNAS", "2"]), 0, "changed    no");
    answered(&handler.ask(&["subscribe", "XNAS", "2"]), 0, "status     Stale(NotStarted)");
    assert!(handler.is_joined(2) && handler.is_joined(3));
    assert_eq!(handler.reason(1), Some(Reason::NotStarted));

    // What the configuration doesn't subscribe is as if it had been left.
    assert_eq!(handler.reason(2), Some(Reason::Unsubscribed));
    assert!(!handler.is_joined(4));
    answered(&handler.ask(&["subscribe", "XNAS", "3"]), 0, "changed    yes");
    assert_eq!(handler.reason(2), Some(Reason::NotStarted));
    assert!(handler.is_joined(4));
    answered(&handler.ask(&["subscribe", "XNAS", "4"]), 78, "XNAS:4 has no line");
    assert_eq!(handler.reason(3), Some(Reason::Unsubscribed));

    answered(&handler.ask(&["unsubscribe", "XNAS", "9"]), 78, "did you mean `XNAS 1`?");
    answered(&handler.ask(&["unsubscribe", "NYSE", "ARCA"]), 78, "there are: XNAS 1, XNAS 2");
    answered(&handler.ask(&["unsubscribe", "XNAS"]), 64, "PARTITION");
    answered(&handler.ask(&["unsubscribe", "XNAS", "2\n"]), 64, "is no partition");

    let own = format!("pid={}", std::process::id());
    let (log, uid) = (handler.log(), rustix::process::getuid().as_raw());
    let line = log.lines().find(|line| line.contains("unsubscribe done")).unwrap();
    assert!(line.contains("XNAS:2") && line.contains(&format!("uid={uid}")), "{line}");
    assert!(line.contains("pid=") && !line.contains(&own), "the asker's, not the test's: {line}");
    assert!(
        log.contains("unsubscribe commanded") && log.contains("a command was refused"),
        "{log}"
    );

    assert_eq!(handler.end(Signal::TERM), Some(0));
    assert!(!handler.path("region.control").exists());
    answered(&handler.ask(&["unsubscribe", "XNAS", "2"]), 3, "no handler listens here");
}

#[test]
fn nobody_can_hold_up_anybody() {
    let mut handler = Handler::new("hostile", "");
    // More than are served at once, each with another way to be in the way.
    let mut slow: Vec<UnixStream> = (0..40)
        .map(|number| {
            let mut stream = handler.connect();
            let said: &[u8] = if number % 2 == 0 { b"" } else { b"candor/1 unsub" };
            stream.write_all(said).unwrap();
            pause(Nanos::from_millis(4));
            stream
        })
        .collect();
    answered(&handler.ask(&["unsubscribe", "XNAS", "1"]), 0, "Stale(Unsubscribed)");
    assert_eq!(handler.reason(0), Some(Reason::Unsubscribed));
    // Nor can those who come and go as fast as they can.
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _end = Set(&done);
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                drop(UnixStream::connect(handler.path("region.control")));
            }
        });
        for verb in ["subscribe", "unsubscribe", "subscribe"] {
            answered(&handler.ask(&[verb, "XNAS", "1"]), 0, "changed    yes");
        }
    });
    let error = |request: &[u8]| {
        let mut stream = handler.connect();
        // A request too long may be cut off before it is written whole.
        let _ = stream.write_all(request);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let json: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer:?}"));
        assert_eq!(json["version"], "candor/1");
        (json["exit"].as_u64().unwrap(), json["error"].as_str().unwrap_or("").to_owned())
    };
    assert!(error(&[b'x'; 100_000]).1.contains("one line of at most 512 bytes"));
    assert!(error(b"\0\xff\n").1.contains("speaks candor/1"));
    assert!(
        error(b"candor/1 explode XNAS 1\n").1.contains("it knows: subscribe, unsubscribe, halt")
    );
    assert_eq!(error(b"candor/1 subscribe XNAS 1\nand more").0, 0);
    // One that says nothing is told so, in time.
    let mut answer = String::new();
    let _ = slow.pop().unwrap().read_to_string(&mut answer);
    assert!(answer.is_empty() || answer.contains("no request within"), "{answer}");
    // One that goes before its answer, and one that keeps silent to the end, cost nothing.
    handler.connect().write_all(b"candor/1 unsubscribe XNAS 2\n").unwrap();
    eventually("it is done all the same", || {
        (handler.reason(1) == Some(Reason::Unsubscribed)).then_some(())
    });
    let _silent = handler.connect();
    let before = clock::now();
    assert_eq!(handler.end(Signal::TERM), Some(0));
    assert!(clock::now().since(before) < Nanos::from_secs(2));
}

#[test]
fn a_handler_that_hangs_or_died_is_said_to_and_its_socket_is_replaced() {
    let mut handler = Handler::new("dead", "");
    handler.signal(Signal::STOP);
    let before = clock::now();
    answered(&handler.ask(&["unsubscribe", "XNAS", "1"]), 3, "it hangs");
    assert!(clock::now().since(before) < Nanos::from_secs(20));
    handler.signal(Signal::CONT);
    eventually("what was asked is done", || {
        (handler.reason(0) == Some(Reason::Unsubscribed)).then_some(())
    });

    // A second handler on this region is refused, and the first one's socket stays its own.
    let file = fs::metadata(handler.path("region.control")).unwrap().ino();
    let second = run(&handler.path("handler.toml")).output().unwrap();
    answered(&second, 78, "another handler is running");
    assert_eq!(fs::metadata(handler.path("region.control")).unwrap().ino(), file);
    answered(&handler.ask(&["subscribe", "XNAS", "1"]), 0, "NotStarted");

    // Nor does one on another region get it.
    let taken = format!("control = \"{}\"", handler.path("region.control").display());
    handler.configure("other.toml", &taken);
    let other = fs::read_to_string(handler.path("other.toml")).unwrap();
    let other = other.replace("/region\"\n", "/other-region\"\n");
    fs::write(handler.path("other.toml"), other).unwrap();
    let refused = run(&handler.path("other.toml")).output().unwrap();
    answered(&refused, 78, "another process's control socket");
    assert!(!handler.path("other-region").exists());
    answered(&handler.ask(&["subscribe", "XNAS", "1"]), 0, "NotStarted");

    // SIGKILL leaves a file that nobody listens at.
    handler.end(Signal::KILL);
    assert!(fs::metadata(handler.path("region.control")).unwrap().file_type().is_socket());
    answered(&handler.ask(&["unsubscribe", "XNAS", "1"]), 3, "no handler listens here");
    handler.start();
    answered(&handler.ask(&["unsubscribe", "XNAS", "1"]), 0, "Stale(Unsubscribed)");

    // Something else in its place is left alone.
    assert_eq!(handler.end(Signal::TERM), Some(0));
    fs::write(handler.path("region.control"), "a letter").unwrap();
    let refused = run(&handler.path("handler.toml")).output().unwrap();
    answered(&refused, 78, "stays untouched");
    assert_eq!(fs::read_to_string(handler.path("region.control")).unwrap(), "a letter");
}

#[test]
fn a_standard_error_that_takes_nothing_holds_up_nothing() {
    let mut handler = Handler::prepared("blocked", "");
    // A pipe that is full and that nobody reads.
    let (mut read, write) = std::io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&write).unwrap();
    rustix::fs::fcntl_setfl(&write, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    while (&write).write(&[b'.'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&write, flags).unwrap();
    handler.start_with(Stdio::from(write));

    // Each says a line or two in the log.
    for _ in 0..4 {
        answered(&handler.ask(&["unsubscribe", "XNAS", "1"]), 0, "Stale(Unsubscribed)");
        answered(&handler.ask(&["subscribe", "XNAS", "1"]), 0, "Stale(NotStarted)");
    }
    let before = clock::now();
    assert_eq!(handler.end(Signal::TERM), Some(0));
    assert!(clock::now().since(before) < Nanos::from_secs(2));
    assert!(!handler.path("region.control").exists());
    let mut said = String::new();
    read.read_to_string(&mut said).unwrap();
    assert!(said.trim_start_matches('.').is_empty(), "none of it was written: {said}");
}

#[test]
fn only_its_own_user_and_its_group_may_command() {
    let test = "only_its_own_user_and_its_group_may_command";
    let (nobody, group) = (65_534, 12);
    if !can_be_another_user(test) {
        return;
    }
    let Some(group_name) = name_of_group(test, group) else { return };
    let as_other = |handler: &Handler, gid: u32| {
        let mut command = candor(&["unsubscribe", "XNAS", "1", "-r"]);
        command.arg(handler.path("region")).uid(nobody).gid(gid).output().unwrap()
    };
    let handler = Handler::new("owner", "");
    let mode = |handler: &Handler| {
        fs::metadata(handler.path("region.control")).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(&handler), 0o600);
    answered(&as_other(&handler, group), 77, "not permitted");
    assert_eq!(handler.reason(0), Some(Reason::NotStarted));
    drop(handler);

    let handler = Handler::new("group", &format!("group = \"{group_name}\""));
    assert_eq!(mode(&handler), 0o660);
    answered(&as_other(&handler, 65_534), 77, "not permitted");
    answered(&as_other(&handler, group), 0, "Stale(Unsubscribed)");
    assert!(handler.log().contains(&format!("uid={nobody}")), "{}", handler.log());
}
