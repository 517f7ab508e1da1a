//! The committed object is what the source and the recorded compiler give.

use std::path::PathBuf;
use std::process::Command;

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn digest_is_of_the_object() {
    let output = Command::new("sha256sum")
        .args(["--check", "--status", "program.bpf.o.sha256"])
        .current_dir(here())
        .status();
    match output {
        Ok(status) => assert!(status.success(), "program.bpf.o.sha256 is of another object"),
        Err(_) => println!("skipped: digest_is_of_the_object: needs sha256sum"),
    }
}

#[test]
fn object_is_reproducible() {
    let recorded = std::fs::read_to_string(here().join("program.bpf.o.clang")).unwrap();
    let recorded = recorded.trim();
    let major = recorded.split('.').next().unwrap();
    let (clang, strip) = (format!("clang-{major}"), format!("llvm-strip-{major}"));
    let version = |tool: &str| {
        let output = Command::new(tool).arg("--version").output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let same = version(&clang).is_some_and(|text| text.contains(&format!("version {recorded}")));
    if !same || version(&strip).is_none() {
        println!("skipped: object_is_reproducible: needs clang {recorded} as {clang}, and {strip}");
        return;
    }
    let output = std::env::temp_dir().join(format!("candor-object-{}.o", std::process::id()));
    let built = Command::new(here().join("build-object"))
        .arg(&output)
        .env("CLANG", clang)
        .env("LLVM_STRIP", strip)
        .status()
        .unwrap();
    assert!(built.success());
    let rebuilt = std::fs::read(&output).unwrap();
    std::fs::remove_file(&output).unwrap();
    assert!(
        rebuilt == candor_ebpf::OBJECT,
        "program.bpf.o is not what src/program.bpf.c gives: run ebpf/build-object"
    );
}

#[test]
fn object_is_aligned() {
    assert!(candor_ebpf::OBJECT.as_ptr().addr().is_multiple_of(8));
    assert_eq!(&candor_ebpf::OBJECT[..4], b"\x7fELF");
}
