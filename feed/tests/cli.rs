//! The commands as processes: what they print and what they exit with.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};

const CONFIG: &str = r#"[handler]
name = "mdh1"
region = "/dev/shm/candor-cli-test"
[source]
kind = "KIND"
interface = "INTERFACE"
EXTRA
[[lane]]
queues = [0]
[[venue]]
name = "XNAS"
feed = "nasdaq-itch50"
[[venue.partition]]
name = "1"
lane = 0
symbols = ["AAPL"]
lines.A = { group = "239.79.1.1", port = 26401, source = "10.0.0.1" }
lines.B = { group = "239.79.1.2", port = 26401 }
[[venue.partition]]
name = "2"
lane = 0
subscribe = false
"#;

struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> File {
        let name = format!("candor-cli-{name}-{}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        File(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn config(kind: &str, interface: &str, extra: &str) -> String {
    CONFIG.replace("KIND", kind).replace("INTERFACE", interface).replace("EXTRA", extra)
}

/// The same with a region of its own, for what claims one: tests run side by side.
fn config_to_run(name: &str, kind: &str, interface: &str, extra: &str) -> String {
    let region = format!("/dev/shm/candor-cli-test-{name}-{}", std::process::id());
    config(kind, interface, extra).replace("/dev/shm/candor-cli-test", &region)
}

fn candor(arguments: &[&str], file: &File) -> Output {
    Command::new(env!("CARGO_BIN_EXE_candor"))
        .args(arguments)
        .arg("--config")
        .arg(&file.0)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Whatever a command said.
fn text_of(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn check_shows_what_a_configuration_says() {
    let file = File::new("good", &config("udp", "lo", ""));
    let output = candor(&["check"], &file);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    insta::assert_snapshot!(text(&output.stdout));
    let output = candor(&["check", "-o", "json"], &file);
    assert_eq!(output.status.code(), Some(0));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["handler"], "mdh1");
    assert_eq!(json["partitions"][0]["lines"][0]["source"], "10.0.0.1");
    assert_eq!(json["partitions"][1]["subscribe"], false);
    assert_eq!(json["partitions"][0]["silence_ns"], 3_000_000_000u64);
}

#[test]
fn check_shows_the_command_that_alerts_are_passed_to() {
    let alerts = "[alerts]\ncommand = [\"/bin/page\", \"-x\"]\nat_once = 2\n";
    let file = File::new("alerts", &format!("{alerts}{}", config("udp", "lo", "")));
    let table = text(&candor(&["check"], &file).stdout);
    let row = table.lines().find(|line| line.starts_with("alerts ")).expect("a row of alerts");
    assert!(row.contains("page and above: /bin/page -x, 10 s at most, 2 at once"), "{row}");
    let json: serde_json::Value =
        serde_json::from_slice(&candor(&["check", "-o", "json"], &file).stdout).unwrap();
    assert_eq!(json["alerts"]["command"], serde_json::json!(["/bin/page", "-x"]));
    assert_eq!(
        (&json["alerts"]["severity"], &json["alerts"]["at_once"]),
        (&"page".into(), &2.into())
    );
}

#[test]
fn check_shows_all_of_kernel_bypass() {
    for (name, extra) in [
        ("defaults", "mode = \"copy\""),
        ("all", "mode = \"zero-copy\"\nchecksums = \"trust\"\nbusy_poll_us = 50"),
    ] {
        let file = File::new(&format!("bypass-{name}"), &config("af_xdp", "lo", extra));
        let output = candor(&["check"], &file);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let table = text(&output.stdout);
        let source = table.lines().find(|line| line.starts_with("source ")).unwrap();
        let json = candor(&["check", "-o", "json"], &file);
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        insta::assert_snapshot!(
            format!("check_shows_all_of_kernel_bypass_{name}"),
            format!("{source}\n{:#}", json["source"])
        );
    }
}

#[test]
fn a_refused_configuration_exits_78_whatever_the_command() {
    let file = File::new("bad", &config("udp", "lo", "strct = true"));
    for command in ["check", "run", "doctor"] {
        let output = candor(&[command], &file);
        assert_eq!(output.status.code(), Some(78), "{command}");
        assert_eq!(text(&output.stdout), "");
        assert!(text(&output.stderr).contains(":7: unknown key `strct` in [source]"));
    }
}

#[test]
fn the_environment_changes_nothing() {
    let file = File::new("environment", &config("udp", "lo", ""));
    let plain = candor(&["check"], &file);
    let dressed = Command::new(env!("CARGO_BIN_EXE_candor"))
        .args(["check", "--config"])
        .arg(&file.0)
        .envs([("CANDOR_CONFIG", "/nowhere"), ("RUST_LOG", "trace"), ("LANG", "de_DE.UTF-8")])
        .output()
        .unwrap();
    assert_eq!(plain, dressed);
}

#[test]
fn a_wrong_command_line_exits_64_and_help_exits_0() {
    let candor = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_candor")).args(arguments).output().unwrap();
        output.status.code()
    };
    assert_eq!(candor(&["check"]), Some(64));
    assert_eq!(candor(&["chekc"]), Some(64));
    assert_eq!(candor(&["check", "--config"]), Some(64));
    assert_eq!(candor(&["check", "--config", "x", "-o", "xml"]), Some(64));
    assert_eq!(candor(&["--help"]), Some(0));
    assert_eq!(candor(&["--version"]), Some(0));
}

#[test]
fn an_absent_interface_exits_78_and_names_those_present() {
    for kind in ["udp", "af_xdp"] {
        let extra = if kind == "udp" { "" } else { "mode = \"copy\"" };
        let file = File::new(kind, &config_to_run(kind, kind, "nosuch0", extra));
        let output = candor(&["run"], &file);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{error}");
        assert!(error.contains("there is no interface nosuch0 on this host; present are: "));
        assert!(error.contains("lo"));
        let output = candor(&["doctor"], &file);
        assert_ne!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("nosuch0"));
    }
}

#[test]
fn a_core_that_can_not_be_had_exits_78_before_anything_is_touched() {
    let text = config_to_run("core", "udp", "lo", "");
    let refused = |core: &str, wrap: &[&str]| {
        let file = File::new("core", &text.replace("queues = [0]", &format!("core = {core}")));
        assert_eq!(candor(&["check"], &file).status.code(), Some(0), "check knows no host");
        let region = text.split('"').nth(3).unwrap();
        // Whatever a handler before left is still there afterwards.
        std::fs::write(region, "before").unwrap();
        let said = ["run", "doctor"].map(|command| {
            let arguments = [wrap, &[env!("CARGO_BIN_EXE_candor"), command, "--config"]].concat();
            let output =
                Command::new(arguments[0]).args(&arguments[1..]).arg(&file.0).output().unwrap();
            let code = if command == "run" { 78 } else { 1 };
            let said = text_of(&output);
            assert_eq!(output.status.code(), Some(code), "{command} {core}: {said}");
            said
        });
        assert_eq!(std::fs::read_to_string(region).unwrap(), "before");
        std::fs::remove_file(region).unwrap();
        for end in [".lock", ".control", ".new"] {
            assert!(!std::path::Path::new(&format!("{region}{end}")).exists(), "{end}");
        }
        said
    };
    for (core, what) in [("900", "core 900 is not online"), ("8191", "core 8191 is beyond")] {
        let [run, doctor] = refused(core, &[]);
        assert!(run.contains(&format!("[[lane]] 0, core = {core}: {what}")), "{run}");
        assert!(doctor.contains(what), "{doctor}");
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if cores < 2 || Command::new("taskset").arg("--version").output().is_err() {
        println!("skipped: a_core_that_can_not_be_had: the affinity needs two cores and taskset");
        return;
    }
    // A mask that was handed down confines nobody: a lane is pinned all the same. A cpuset would.
    let file = File::new("core-mask", &text.replace("queues = [0]", "core = 1"));
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "0", env!("CARGO_BIN_EXE_candor"), "doctor", "--config"]);
    let said = text_of(&command.arg(&file.0).output().unwrap());
    assert!(said.contains("core 1"), "{said}");
    assert!(!said.contains("may not run on core 1"), "{said}");
}

/// Has the kernel refuse a process that starts from this command to pin its threads, as a container's
/// filter may.
#[allow(unsafe_code)]
fn deny_pinning(command: &mut Command) {
    const OF_NUMBER: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const IS: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let step = |code: u32, k: u32, otherwise: u8| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: otherwise,
        k,
    };
    let denied = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let steps = [
        step(OF_NUMBER, 0, 0),
        step(IS, libc::SYS_sched_setaffinity as u32, 1),
        step(libc::BPF_RET, denied, 0),
        step(libc::BPF_RET, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let deny = move || {
        let mut steps = steps;
        let filter = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
        // SAFETY: takes numbers alone.
        let first = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        let mode = libc::SECCOMP_MODE_FILTER;
        // SAFETY: the filter and its steps outlive the call.
        let second = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter) };
        match (first, second) {
            (0, 0) => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: two system calls and no memory of the heap, between fork and exec.
    unsafe { command.pre_exec(deny) };
}

#[test]
fn pinning_that_is_denied_exits_77_and_is_named() {
    let text = config_to_run("pinning", "udp", "lo", "");
    let region = text.split('"').nth(3).unwrap();
    for (core, code) in [("core = 0", 77), ("core = 900", 77), ("core = 8191", 78)] {
        let file = File::new("pinning", &text.replace("queues = [0]", core));
        for command in ["run", "doctor"] {
            let mut process = Command::new(env!("CARGO_BIN_EXE_candor"));
            deny_pinning(process.args([command, "--config"]).arg(&file.0));
            let output = match process.output() {
                Ok(output) => output,
                Err(error) => {
                    println!("skipped: pinning_that_is_denied: no seccomp filter here: {error}");
                    return;
                }
            };
            let said = text_of(&output);
            let denied = code == 77;
            let code = if command == "doctor" && !denied { 1 } else { code };
            assert_eq!(output.status.code(), Some(code), "{command} {core}: {said}");
            assert_eq!(said.contains("may not pin a thread to core"), denied, "{said}");
            assert_eq!(said.contains("sched_setaffinity"), denied, "{said}");
        }
        assert!(!std::path::Path::new(region).exists());
    }
}

#[test]
fn a_group_this_host_lacks_is_found_by_doctor_and_refused_by_run() {
    let text = config_to_run("group", "udp", "lo", "")
        .replace("[source]", "group = \"nosuchgroup\"\n[source]");
    let file = File::new("group", &text);
    assert_eq!(candor(&["check"], &file).status.code(), Some(0), "check knows no host");
    for (command, code) in [("run", 78), ("doctor", 1)] {
        let output = candor(&[command], &file);
        let said = text_of(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains("this host has no group `nosuchgroup`"), "{said}");
    }
    let file = File::new("group-root", &text.replace("nosuchgroup", "root"));
    let found = text_of(&candor(&["doctor"], &file));
    assert!(found.contains("is group 0 of this host"), "{found}");
}

#[test]
fn a_configuration_that_is_no_regular_file_exits_78_at_once() {
    let folder = std::env::temp_dir();
    let fifo = File(folder.join(format!("candor-cli-fifo-{}.toml", std::process::id())));
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo.0, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for file in [&fifo.0, &PathBuf::from("/dev/zero"), &folder] {
        for command in ["check", "run", "doctor", "status"] {
            let mut child = Command::new(env!("CARGO_BIN_EXE_candor"));
            let child = child.args([command, "--config"]).arg(file);
            let output = child.output().unwrap();
            assert_eq!(output.status.code(), Some(78), "{command} {}", file.display());
        }
    }
}

/// Runs a command with these capabilities taken away for good. `None`, with a word, where that can't
/// be.
fn without(test: &str, capabilities: &str, arguments: &[&str], file: &File) -> Option<Output> {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: {test}: needs root");
        return None;
    }
    // The limit on locked memory counts only for those without CAP_IPC_LOCK.
    let output = Command::new("prlimit")
        .args(["--memlock=8388608", "setpriv", "--bounding-set", capabilities])
        .args(["--inh-caps", capabilities])
        .arg(env!("CARGO_BIN_EXE_candor"))
        .args(arguments)
        .arg("--config")
        .arg(&file.0)
        .output();
    match output {
        Ok(output) if output.status.code() != Some(127) => Some(output),
        _ => {
            println!("skipped: {test}: no prlimit or setpriv");
            None
        }
    }
}

#[test]
fn a_missing_privilege_exits_77_and_is_named_alone() {
    let test = "a_missing_privilege";
    let file = File::new(
        "privilege",
        &config_to_run("privilege", "af_xdp", "lo", "mode = \"generic\"\nframes = 4096"),
    );
    let names = ["CAP_NET_RAW", "CAP_NET_ADMIN", "CAP_BPF", "RLIMIT_MEMLOCK"];
    for (taken, missing) in [
        ("-net_raw", &names[..1]),
        ("-net_admin", &names[1..2]),
        // CAP_SYS_ADMIN stands in for CAP_BPF.
        ("-bpf,-sys_admin", &names[2..3]),
        ("-ipc_lock", &names[3..]),
    ] {
        for command in ["run", "doctor"] {
            let Some(output) = without(test, taken, &[command], &file) else { return };
            let said = text(&output.stdout) + &text(&output.stderr);
            assert_eq!(output.status.code(), Some(77), "{command} {taken}: {said}");
            for name in names {
                let is_missing = said.contains(&format!("{name} is missing"))
                    || said.contains(&format!("{name} for 16777216 bytes"));
                assert_eq!(is_missing, missing.contains(&name), "{command} {taken} {name}: {said}");
            }
        }
    }
}

#[test]
fn a_receive_buffer_beyond_the_limit_exits_77_and_names_it() {
    let extra = "receive_buffer = 1000000000";
    let file = File::new("rmem", &config_to_run("rmem", "udp", "lo", extra));
    let test = "a_receive_buffer_beyond_the_limit";
    let Some(output) = without(test, "-net_admin", &["run"], &file) else { return };
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(77), "{error}");
    assert!(error.contains("CAP_NET_ADMIN, or raise the sysctl net.core.rmem_max"), "{error}");
}

#[test]
fn doctor_prints_the_same_findings_in_both_forms() {
    let file = File::new("doctor", &config("udp", "lo", ""));
    let table = candor(&["doctor"], &file);
    let json = candor(&["doctor", "-o", "json"], &file);
    assert_eq!(table.status.code(), json.status.code());
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["exit"], table.status.code().unwrap());
    let findings = json["findings"].as_array().unwrap();
    assert!(findings.len() >= 5);
    let table = text(&table.stdout);
    for finding in findings {
        assert!(table.contains(finding["found"].as_str().unwrap()), "{finding}\n{table}");
        assert!(["ok", "warn", "fail"].contains(&finding["level"].as_str().unwrap()));
        let advised = !finding["advice"].as_str().unwrap().is_empty();
        assert!(advised || finding["level"] == "ok", "{finding}");
    }
}
