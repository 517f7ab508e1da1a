//! The file's mode. Alone in its binary: the umask belongs to the whole process.
#![cfg(not(loom))]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use candor_shm::create;
use support::{Folder, spec};

#[test]
fn the_file_is_for_owner_and_group_whatever_the_umask() {
    let folder = Folder::new();
    let before = rustix::process::umask(rustix::fs::Mode::RWXU);
    let made = create(folder.region(), &spec());
    rustix::process::umask(before);
    let _writers = made.unwrap();
    let mode =
        |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("region"), 0o640);
    assert_eq!(mode("region.lock"), 0o600);
}
