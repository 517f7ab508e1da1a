//! Text files, read whole.

use std::path::Path;

/// Files larger than this are not read: 64 MiB is a hundred times the largest list of any venue.
pub const TEXT_MAX: u64 = 64 << 20;

/// Reads a text file whole, with words for what can go wrong.
///
/// # Errors
/// What is wrong with it and what to do, to come behind the file's name.
pub fn read_text(path: &Path) -> Result<String, String> {
    let bytes = match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => return Err("is a folder, not a file".to_owned()),
        // A pipe or a terminal may never end, and a device has no content of its own.
        Ok(about) if !about.is_file() => {
            return Err("is no regular file; name one that holds the text itself".to_owned());
        }
        Ok(about) if about.len() > TEXT_MAX => {
            return Err(format!("is larger than {} MiB; is it the right file?", TEXT_MAX >> 20));
        }
        Ok(_) => std::fs::read(path).map_err(|error| format!("can't be read: {error}"))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err("there is no such file; name one that exists".to_owned());
        }
        Err(error) => return Err(format!("can't be read: {error}")),
    };
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        format!("is not UTF-8 text: the first bad byte is at offset {valid}")
    })
}
