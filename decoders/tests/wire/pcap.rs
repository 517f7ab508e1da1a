//! Classic pcap files, whole in memory, plain or under zstd. For tests only.

use std::io::Read;
use std::path::{Path, PathBuf};

/// The captures' folder, `None` (and said so) where this machine has none.
pub(crate) fn captures(test: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("CANDOR_CAPTURES") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
    };
    if !folder.is_dir() {
        println!("skipped: {test}: no captures");
        return None;
    }
    Some(folder)
}

/// Every file below `folder` whose name ends so, in order of their paths.
pub(crate) fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_str().unwrap().ends_with(end) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The frames of a capture.
pub(crate) fn frames(path: &Path) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    if path.extension().is_some_and(|end| end == "zst") {
        ruzstd::decoding::StreamingDecoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
    } else {
        std::io::BufReader::new(file).read_to_end(&mut bytes).unwrap();
    }
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert!(matches!(word(0), 0xa1b2_c3d4 | 0xa1b2_3c4d), "{}: not a pcap", path.display());
    assert_eq!(word(20), 1, "{}: not Ethernet", path.display());
    let mut frames = Vec::new();
    let mut at = 24;
    while at < bytes.len() {
        let len = word(at + 8) as usize;
        assert_eq!(word(at + 8), word(at + 12), "{}: a frame cut short", path.display());
        frames.push(bytes[at + 16..at + 16 + len].to_vec());
        at += 16 + len;
    }
    frames
}
