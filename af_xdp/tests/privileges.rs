//! What is said when a privilege is missing, tried without it.

use std::process::Command;

use candor_af_xdp::{HugePages, OpenError, Options, open};

/// 16 MiB of packet memory: more than the limit below.
fn options() -> Options {
    Options { huge_pages: HugePages::No, ..Options::new(1, vec![0]) }
}

/// Runs one ignored test of this file with no capabilities but these and 64 KiB of lockable memory;
/// `None` where that can't be.
fn with_capabilities(capabilities: &str, test: &str) -> Option<bool> {
    let run = format!(
        "ulimit -l 64 && exec setpriv --inh-caps=-all --bounding-set=-all{capabilities} \"$0\" \"$@\""
    );
    let output = Command::new("sh")
        .args(["-c", &run])
        .arg(std::env::current_exe().ok()?)
        .args(["--ignored", "--exact", test])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.contains("1 test").then_some(output.status.success())
}

#[test]
#[ignore = "run by missing_privileges_are_named, with the privileges it is about"]
fn no_socket() {
    let error = open(&options()).unwrap_err();
    assert!(matches!(error, OpenError::Socket(_)), "{error:?}");
    assert!(error.to_string().contains("CAP_NET_RAW"));
}

#[test]
#[ignore = "run by missing_privileges_are_named, with the privileges it is about"]
fn too_little_lockable_memory() {
    let error = open(&options()).unwrap_err();
    assert!(matches!(error, OpenError::LockedMemory { bytes: 16_777_216 }), "{error:?}");
    assert!(error.to_string().contains("RLIMIT_MEMLOCK"));
    let host = candor_af_xdp::probe::host().unwrap();
    assert!(!host.can_lock(16_777_216));
    assert_eq!(host.locked_memory, Some(65_536));
}

#[test]
#[ignore = "run by missing_privileges_are_named, with the privileges it is about"]
fn memory_is_not_what_is_missing() {
    // The loopback interface has no such thing as a refusal to copy; what it says is not about
    // memory.
    if let Err(error) = open(&options()) {
        assert!(
            !matches!(error, OpenError::LockedMemory { .. } | OpenError::Socket(_)),
            "{error:?}"
        );
    }
}

#[test]
fn missing_privileges_are_named() {
    for (capabilities, test) in [
        (",+net_admin,+bpf", "no_socket"),
        (",+net_raw", "too_little_lockable_memory"),
        (",+net_raw,+ipc_lock", "memory_is_not_what_is_missing"),
    ] {
        match with_capabilities(capabilities, test) {
            Some(as_said) => assert!(as_said, "{test}"),
            None => println!("skipped: missing_privileges_are_named: needs root and setpriv"),
        }
    }
}
