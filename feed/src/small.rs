//! Small files that somebody else may have put there: opened without waiting for anything, and never read further
//! than they may be long.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open};
use rustix::io::Errno;

/// A file, whole.
pub(crate) struct Small {
    /// What is in it.
    pub(crate) bytes: Vec<u8>,
    /// The file that was read, which is not by necessity the one that has the name now.
    pub(crate) about: Stat,
}

impl Small {
    /// Its text.
    ///
    /// # Errors
    /// In words, where it is none.
    pub(crate) fn text(self) -> Result<String, String> {
        String::from_utf8(self.bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            format!("is not UTF-8 text: the first bad byte is at offset {valid}")
        })
    }
}

/// Reads a regular file of at most `longest` bytes.
///
/// # Errors
/// What is wrong with it, to come behind the file's name.
pub(crate) fn read(path: &Path, longest: u64) -> Result<Small, String> {
    // Opening a pipe would wait for its other end; a link may lead anywhere by the next look.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT | Errno::NOTDIR) => {
            return Err("there is no such file; name one that exists".to_owned());
        }
        Err(Errno::LOOP) => return Err("is a symbolic link; name the file itself".to_owned()),
        Err(error) => return Err(format!("can't be opened: {error}")),
    };
    // Of the file that is open: nobody can change it for another one behind our back.
    let about = fstat(&file).map_err(|error| format!("can't be looked at: {error}"))?;
    if !FileType::from_raw_mode(about.st_mode).is_file() {
        return Err("is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    let read = File::take(file, longest + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("can't be read: {error}"))?;
    if bytes.len() as u64 > longest {
        return Err(format!("is longer than {longest} bytes; is it the right file?"));
    }
    Ok(Small { bytes, about })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_small_regular_file_is_read_and_nothing_is_waited_for() {
        let folder = std::env::temp_dir().join(format!("candor-small-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (file, pipe, link) = (folder.join("f"), folder.join("p"), folder.join("l"));
        std::fs::write(&file, "12345").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, mode, 0).unwrap();
        let refused = |path: &Path, longest| read(path, longest).err().unwrap_or_default();
        assert_eq!(read(&file, 5).unwrap().text().unwrap(), "12345");
        for (path, longest, why) in [
            (&file, 4, "is longer than 4 bytes"),
            (&pipe, 5, "is no regular file"),
            (&link, 5, "is a symbolic link"),
            (&folder, 5, "is no regular file"),
            (&folder.join("none"), 5, "there is no such file"),
        ] {
            let said = refused(path, longest);
            assert!(said.contains(why), "{said}");
        }
        std::fs::write(&file, [b'a', 0xff]).unwrap();
        assert!(read(&file, 5).unwrap().text().unwrap_err().contains("offset 1"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
