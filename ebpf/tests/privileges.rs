//! Which privileges loading needs, tried with exactly those.

use std::process::Command;

use candor_ebpf::{LoadError, LoadOptions, Program};

const OPTIONS: LoadOptions = LoadOptions { sockets: 1, endpoints: 1 };

/// Runs one ignored test of this file with no capabilities but these; `None` where that can't be.
fn with_capabilities(capabilities: &str, test: &str) -> Option<bool> {
    let bounds = format!("--bounding-set=-all{capabilities}");
    let output = Command::new("setpriv")
        .args(["--inh-caps=-all", &bounds])
        .arg(std::env::current_exe().ok()?)
        .args(["--ignored", "--exact", test])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.contains("1 test").then_some(output.status.success())
}

#[test]
#[ignore = "run by net_admin_and_bpf_are_enough, with the privileges it is about"]
fn loads() {
    Program::load(OPTIONS).unwrap();
}

#[test]
#[ignore = "run by less_is_not_enough, with the privileges it is about"]
fn is_not_permitted() {
    assert!(matches!(Program::load(OPTIONS), Err(LoadError::NotPermitted)));
}

#[test]
fn net_admin_and_bpf_are_enough() {
    // Not CAP_PERFMON: the program has no packet pointer moved by a run-time value.
    match (Program::load(OPTIONS), with_capabilities(",+net_admin,+bpf", "loads")) {
        (Ok(_), Some(loaded)) => assert!(loaded),
        _ => println!("skipped: net_admin_and_bpf_are_enough: needs root and setpriv"),
    }
}

#[test]
fn less_is_not_enough() {
    for capabilities in ["", ",+net_admin", ",+bpf"] {
        match with_capabilities(capabilities, "is_not_permitted") {
            Some(refused) => assert!(refused, "loads with {capabilities:?}"),
            None => println!("skipped: less_is_not_enough: needs root and setpriv"),
        }
    }
}
