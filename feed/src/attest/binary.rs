//! The digest of this very program.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// The program that this process was started from: also where another file has taken its name since.
pub(crate) const OWN: &str = "/proc/self/exe";

/// SHA-256 of a program's file. Of `/proc/self/exe` the kernel gives the file that runs, and refuses whoever would write
/// into it; it is read once, at the start.
///
/// # Errors
/// Where it can't be read.
pub fn binary(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    // BOUND: the file's length.
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => digest.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::hex;

    #[test]
    fn the_digest_is_that_of_the_file() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let digest = hex(&binary(Path::new(OWN)).unwrap());
        assert_eq!(digest, candor_journal::Digest::of(&own).to_string());
    }
}
