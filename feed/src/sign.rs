//! Signatures over bytes, and the files of their keys: ed25519 (RFC 8032).
//!
//! A key is a file of one line: a word that says what it is, and 64 hexadecimal digits. The secret half is its
//! owner's alone (mode 0600); the public half stands beside it, with `.pub` behind its name. What a signature is for
//! is signed with the bytes ([`Purpose`]), so that one over a manifest is none over anything else.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use rustix::fs::{Mode, OFlags, fchmod, open};
use rustix::io::Errno;
use rustix::process::geteuid;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::exit::Failure;
use crate::small;

/// The first word of a secret key's file.
const SECRET: &str = "candor-ed25519-secret";

/// The first word of a public key's file.
const PUBLIC: &str = "candor-ed25519-public";

/// What the public key's file is called by that of the secret one.
const ENDING: &str = ".pub";

/// Longest file of a key, in bytes.
const KEY_BYTES: u64 = 256;

/// Digits of a signature.
pub const SIGNATURE_DIGITS: usize = 128;

/// What a signature is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Purpose(
    /// The words that are signed before the bytes: no two purposes have the same, and none has a zero byte.
    pub &'static str,
);

impl Purpose {
    /// What is signed: the purpose, a zero byte, the bytes.
    fn of(self, bytes: &[u8]) -> Vec<u8> {
        [self.0.as_bytes(), &[0], bytes].concat()
    }
}

/// The half of a key that signs. It is forgotten, and its memory wiped, when dropped.
pub struct SecretKey(SigningKey);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

/// The half of a key that tells whether something was signed by the other one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey(VerifyingKey);

impl fmt::Display for PublicKey {
    /// Its first digits, which tell keys apart for a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.0.as_bytes())[..16])
    }
}

impl SecretKey {
    /// A new one, of the kernel's random bytes.
    ///
    /// # Errors
    /// Exit 71 where the kernel gives none.
    pub fn generate() -> Result<SecretKey, Failure> {
        let mut seed = [0; 32];
        let mut filled = 0;
        // BOUND: the kernel fills 32 bytes at once, or is cut short by a signal.
        while filled < seed.len() {
            match getrandom(&mut seed[filled..], GetRandomFlags::empty()) {
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(Failure::host(format!("no random bytes: {error}"))),
            }
        }
        Ok(SecretKey(SigningKey::from_bytes(&seed)))
    }

    /// Reads it from a file that is ours, and that nobody else can read.
    ///
    /// # Errors
    /// What is wrong and what to do, to come behind the file's name; never what is in it.
    pub fn read(path: &Path) -> Result<SecretKey, String> {
        let file = small::read(path, KEY_BYTES)?;
        let (mode, own) = (file.about.st_mode & 0o7777, geteuid().as_raw());
        if file.about.st_uid != own {
            let whose = file.about.st_uid;
            return Err(format!("is user {whose}'s, and this process is user {own}'s"));
        }
        if mode & 0o077 != 0 {
            let shown = path.display();
            return Err(format!(
                "has mode {mode:04o}, and others may not read it; chmod 600 {shown}"
            ));
        }
        let bytes = key_of(&file.text()?, SECRET)?;
        Ok(SecretKey(SigningKey::from_bytes(&bytes)))
    }

    /// The other half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The signature of these bytes for this purpose, as [`SIGNATURE_DIGITS`] digits.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, bytes: &[u8]) -> String {
        hex(&self.0.sign(&purpose.of(bytes)).to_bytes())
    }

    /// Writes both halves, each to a file that must not be there; where the public one is.
    ///
    /// # Errors
    /// Exit 78 where one is there, 77 or 71 where it can't be written. Nothing is left behind then.
    pub fn write(&self, path: &Path) -> Result<PathBuf, Failure> {
        let mut name = path.as_os_str().to_owned();
        name.push(ENDING);
        let beside = PathBuf::from(name);
        let text = |word: &str, bytes: &[u8]| format!("{word} {}\n", hex(bytes));
        write_new(path, &text(SECRET, self.0.as_bytes()), 0o600)?;
        let public = self.public();
        write_new(&beside, &text(PUBLIC, public.0.as_bytes()), 0o644).inspect_err(|_| {
            // It was made a moment ago, and by this process.
            let _ = std::fs::remove_file(path);
        })?;
        Ok(beside)
    }
}

impl PublicKey {
    /// Reads it from a file that is ours or root's, and that nobody else can write: whoever changes the key decides
    /// what is believed.
    ///
    /// # Errors
    /// What is wrong and what to do, to come behind the file's name.
    pub fn read(path: &Path) -> Result<PublicKey, String> {
        let file = small::read(path, KEY_BYTES)?;
        let (mode, whose) = (file.about.st_mode & 0o7777, file.about.st_uid);
        let own = geteuid().as_raw();
        if whose != 0 && whose != own {
            return Err(format!("is user {whose}'s, who is neither root nor user {own}"));
        }
        if mode & 0o022 != 0 {
            let shown = path.display();
            return Err(format!(
                "has mode {mode:04o}, and others may not write it; chmod 644 {shown}"
            ));
        }
        let bytes = key_of(&file.text()?, PUBLIC)?;
        let key = VerifyingKey::from_bytes(&bytes);
        key.map(PublicKey).map_err(|_| "is no ed25519 public key: its digits are wrong".to_owned())
    }

    /// Whether the other half of this key has signed these bytes for this purpose.
    #[must_use]
    pub fn verifies(&self, purpose: Purpose, bytes: &[u8], signature: &str) -> bool {
        // Strictly: keys and signatures of small order, which verify more than was signed, are none.
        bytes_of::<64>(signature).is_some_and(|signature| {
            let signature = Signature::from_bytes(&signature);
            self.0.verify_strict(&purpose.of(bytes), &signature).is_ok()
        })
    }
}

/// The bytes of a key file's text.
fn key_of(text: &str, word: &str) -> Result<[u8; 32], String> {
    let like = format!("it is one line like: {word} 3b6a…, with 64 digits");
    let Some((first, digits)) = text.trim_end().split_once(' ') else {
        return Err(format!("is no key; {like}"));
    };
    match first {
        SECRET if word == PUBLIC => {
            return Err(
                "is a secret key, which belongs on no host; name the public one (.pub)".to_owned()
            );
        }
        PUBLIC if word == SECRET => {
            return Err("is a public key, which signs nothing; name the secret one".to_owned());
        }
        first if first != word => return Err(format!("is no key; {like}")),
        _ => {}
    }
    bytes_of(digits).ok_or_else(|| format!("is no key; {like}"))
}

/// Writes a file that must not be there.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let shown = path.display();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(mode);
    let file = open(path, flags, mode).map_err(|error| match error {
        Errno::EXIST => {
            Failure::config(format!("{shown}: is there already, and no key is overwritten"))
        }
        Errno::ACCESS | Errno::PERM => {
            Failure::privilege(format!("{shown}: can't be made: {error}"))
        }
        error => Failure::host(format!("{shown}: can't be made: {error}")),
    })?;
    let mut file = File::from(file);
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    // Whatever the umask is.
    let written = written.and_then(|()| Ok(fchmod(&file, mode)?));
    written.map_err(|error| {
        let _ = std::fs::remove_file(path);
        Failure::host(format!("{shown}: can't be written: {error}"))
    })
}

/// Bytes as hexadecimal digits, lower case.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of exactly as many lower-case hexadecimal digits.
#[must_use]
pub fn bytes_of<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const MANIFEST: Purpose = Purpose("test manifest");
    const OTHER: Purpose = Purpose("test other");

    /// RFC 8032, 7.1, test 2: the key's halves belong together, by the standard's own numbers.
    #[test]
    fn a_key_is_that_of_the_standard() {
        let secret = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let key = SecretKey(SigningKey::from_bytes(&bytes_of(secret).unwrap()));
        assert_eq!(hex(key.public().0.as_bytes()), public);
        let signed = hex(&key.0.sign(&[0x72]).to_bytes());
        assert!(
            signed.starts_with("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da")
        );
    }

    #[test]
    fn a_signature_is_of_these_bytes_for_this_purpose_by_this_key() {
        let (key, stranger) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let signature = key.sign(MANIFEST, b"what is signed");
        let is_good = |key: &SecretKey, purpose, bytes: &[u8], signature: &str| {
            key.public().verifies(purpose, bytes, signature)
        };
        assert!(is_good(&key, MANIFEST, b"what is signed", &signature));
        assert!(!is_good(&key, MANIFEST, b"what is signeD", &signature));
        assert!(!is_good(&key, OTHER, b"what is signed", &signature));
        assert!(!is_good(&stranger, MANIFEST, b"what is signed", &signature));
        for at in 0..SIGNATURE_DIGITS {
            let mut other = signature.clone().into_bytes();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).unwrap();
            assert!(!is_good(&key, MANIFEST, b"what is signed", &other), "digit {at}");
        }
        for other in ["", "00", &signature.to_uppercase(), &format!("{signature}00")] {
            assert!(!is_good(&key, MANIFEST, b"what is signed", other));
        }
    }

    #[test]
    fn keys_are_written_once_and_read_where_nobody_else_could_have_meddled() {
        let folder = std::env::temp_dir().join(format!("candor-sign-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("key");
        let key = SecretKey::generate().unwrap();
        let public = key.write(&path).unwrap();
        assert_eq!(public, folder.join("key.pub"));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&public)), (0o600, 0o644));
        let again = SecretKey::generate().unwrap().write(&path).unwrap_err();
        assert!(again.message.contains("no key is overwritten"), "{again}");
        let (read, other) = (SecretKey::read(&path).unwrap(), PublicKey::read(&public).unwrap());
        assert!(other.verifies(MANIFEST, b"x", &read.sign(MANIFEST, b"x")));
        // Which half it is, is said; what is in it never.
        assert!(PublicKey::read(&path).unwrap_err().contains("is a secret key"));
        assert!(SecretKey::read(&public).unwrap_err().contains("may not read it"));
        let secret = std::fs::read_to_string(&path).unwrap();
        assert!(!format!("{key:?}").contains(secret.split(' ').nth(1).unwrap().trim()));
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(&path, 0o640);
        assert!(SecretKey::read(&path).unwrap_err().contains("chmod 600"));
        set(&public, 0o664);
        assert!(PublicKey::read(&public).unwrap_err().contains("others may not write it"));
        set(&public, 0o600);
        assert!(SecretKey::read(&public).unwrap_err().contains("is a public key"));
        for text in ["", "candor-ed25519-public", "candor-ed25519-public 12", "ssh-ed25519 AAAA"] {
            std::fs::write(&public, text).unwrap();
            assert!(PublicKey::read(&public).unwrap_err().contains("is no key"), "{text}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
