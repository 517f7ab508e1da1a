//! Folders, maps, and the binary.

use std::path::PathBuf;
use std::process::{Command, Output};

/// Two partitions by ranges, on a Monday.
pub(crate) const MAP: &str = r#"format = 1
venue = "XTST"
date = "2026-11-23"
protocol = "nyse-xdp"

[[partition]]
name = "1"
silence_ms = 3000
lines.A = { group = "239.1.1.1", port = 30001 }
lines.B = { group = "239.1.2.1", port = 30001 }
ranges = [["A", "GZZZZ"]]

[[partition]]
name = "2"
lines.A = { group = "239.1.1.2", port = 30002 }
lines.B = { group = "239.1.2.2", port = 30002 }
ranges = [["H", "ZZZZZ"]]
"#;

/// A configuration that says nothing of maps.
pub(crate) const HANDLER: &str = r#"[handler]
name = "t"
region = "/dev/shm/candor-t"
[source]
kind = "udp"
interface = "lo"
[[lane]]
[[venue]]
name = "XTST"
feed = "nasdaq-itch50"
[[venue.partition]]
name = "1"
lane = 0
lines.A = { group = "239.1.1.1", port = 26401 }
"#;

/// A folder of its own that is gone afterwards.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let name = format!("candor-map-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Writes a file, in folders that are made where they are not there.
    pub(crate) fn write(&self, name: &str, text: &str) -> &Folder {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Writes a configuration whose store is `store` and that names `symbols.txt` as the venue's symbols.
    pub(crate) fn configure(&self, venue: &str) -> &Folder {
        let store = self.0.join("store");
        let maps = format!(
            "[maps]\nstore = \"{}\"\n[[maps.venue]]\nname = \"{venue}\"\nformat = \"candor\"\n\
             symbols = \"symbols.txt\"\n",
            store.display()
        );
        self.write("candor.toml", &format!("{HANDLER}{maps}"))
    }

    /// Runs `candor map` in the folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        self.candor(&[&["map"], arguments].concat())
    }

    /// Runs `candor` in the folder.
    pub(crate) fn candor(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
        let Output { status, stdout, stderr } =
            command.args(arguments).current_dir(&self.0).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code(), text(stdout), text(stderr))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

/// As the table of an answer, without what is another in each run: times, users, digests.
pub(crate) fn steady(text: &str, folder: &Folder) -> String {
    let mut out = String::new();
    for word in text.replace(&folder.0.display().to_string(), "FOLDER").split_inclusive([' ', '\n'])
    {
        let bare = word.trim_end();
        let digest = bare.len() == 64 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        let time = bare.len() == 30 && bare.ends_with('Z') && bare.contains('T');
        let kind = match (digest, time) {
            (true, _) => "DIGEST",
            (_, true) => "TIME",
            _ => bare,
        };
        out.push_str(kind);
        out.push_str(&word[bare.len()..]);
    }
    out
}

/// A map that lists 200 symbols, those below `split` on partition 1; for a Friday, its Monday or another day.
pub(crate) fn listed(date: &str, split: usize) -> String {
    let list = |from: usize, to: usize| {
        (from..to).map(|at| format!("\"S{at:03}\"")).collect::<Vec<_>>().join(", ")
    };
    MAP.replace("2026-11-23", date)
        .replace("ranges = [[\"A\", \"GZZZZ\"]]", &format!("symbols = [{}]", list(0, split)))
        .replace("ranges = [[\"H\", \"ZZZZZ\"]]", &format!("symbols = [{}]", list(split, 200)))
}
