//! What the services want to know of who asks. Read, and never shown: no message here says what the
//! file holds.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use candor_services::Credentials;
use rustix::fs::{FileType, fstat};
use rustix::process::geteuid;

/// The longest file that is read, in bytes: a name, a password and a token need some 100.
const LONGEST: u64 = 4_096;

/// Reads `user`, `password` and `token` from a file that its owner alone can read, and that is ours.
///
/// # Errors
/// What is wrong and what to do, without the file's name.
pub(super) fn read(path: &Path) -> Result<Credentials, String> {
    let shown = path.display();
    // Opening a pipe would wait for its other end.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let mut file = opened.map_err(|error| format!("can't be opened: {error}"))?;
    // Of the file that is open: nobody can change it for another one behind our back.
    let stat = fstat(&file).map_err(|error| format!("can't be looked at: {error}"))?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err("is no regular file".to_owned());
    }
    let (mode, own) = (stat.st_mode & 0o7777, geteuid().as_raw());
    if stat.st_uid != own {
        return Err(format!(
            "is user {}'s, and this process is user {own}'s; chown {own} {shown}",
            stat.st_uid
        ));
    }
    if mode != 0o600 {
        return Err(format!("has mode {mode:04o}, and others may not read it; chmod 600 {shown}"));
    }
    let mut text = String::new();
    let read = (&mut file).take(LONGEST + 1).read_to_string(&mut text);
    read.map_err(|_| "can't be read as UTF-8 text".to_owned())?;
    if text.len() as u64 > LONGEST {
        return Err(format!("is longer than {LONGEST} bytes"));
    }
    parse(&text)
}

fn parse(text: &str) -> Result<Credentials, String> {
    // The parser's own words may quote what it stumbled over.
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        format!("is not TOML, in line {line}; it is like: user = \"..\", password = \"..\"")
    })?;
    let known = ["user", "password", "token"];
    if table.keys().any(|key| !known.contains(&key.as_str())) {
        return Err("has an unknown key; it knows user, password, token".to_owned());
    }
    let text = |key: &str| match table.get(key) {
        None => Ok(""),
        Some(value) => value.as_str().ok_or_else(|| format!("`{key}` must be a text in quotes")),
    };
    let (user, password, token) = (text("user")?, text("password")?, text("token")?);
    if [user, password, token].iter().all(|text| text.is_empty()) {
        return Err("is empty; it is like: user = \"..\", password = \"..\"".to_owned());
    }
    Credentials::new(user, password)
        .and_then(|credentials| credentials.with_token(token))
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_a_file_of_ours_that_nobody_else_can_read_is_taken() {
        let path = std::env::temp_dir().join(format!("candor-credentials-{}", std::process::id()));
        std::fs::write(&path, "user = \"martha\"\npassword = \"hunter2\"\n").unwrap();
        for (mode, taken) in [(0o600, true), (0o640, false), (0o604, false), (0o644, false)] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let read = read(&path);
            assert_eq!(read.is_ok(), taken, "{mode:o}: {read:?}");
            let shown = format!("{read:?}");
            assert!(!shown.contains("martha") && !shown.contains("hunter"), "{shown}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(read(&path).unwrap_err().contains("can't be opened"));
    }

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let path = std::env::temp_dir().join(format!("candor-cred-pipe-{}", std::process::id()));
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, mode, 0).unwrap();
        let refused = read(&path);
        std::fs::remove_file(&path).unwrap();
        assert!(refused.unwrap_err().contains("is no regular file"));
    }

    #[test]
    fn what_is_wrong_with_it_is_said_without_what_it_holds() {
        for text in [
            "user = \"hunter\npassword = 1",
            "hunter = \"a\"",
            "user = 5",
            "password = \"hunter and more\"",
            "token = \"hunter\u{e9}\"",
            "",
        ] {
            let refused = parse(text).unwrap_err();
            assert!(!refused.contains("hunter"), "{text:?}: {refused}");
        }
        assert!(parse("token = \"t\"").is_ok());
    }
}
