//! The map's own file.
//!
//! ```toml
//! format = 1
//! venue = "XNAS"
//! date = "2026-11-23"
//! protocol = "nasdaq-itch50"
//!
//! [[partition]]
//! name = "1"
//! silence_ms = 3000
//! lines.A = { group = "239.1.1.1", port = 26401 }
//! lines.B = { group = "239.1.1.2", port = 26402, source = "10.0.0.2", interface = "eth2" }
//! retransmit = ["udp://10.0.0.1:26477"]
//! snapshot = ["tcp://10.0.0.1:26478"]
//! symbols = ["AAPL", "MSFT"]
//! ```
//!
//! A partition has the keys that it has in a configuration, and further: `snapshot_lines` where snapshots
//! are sent round and round to a group, and what it carries: `symbols`, or `symbols_file` (a symbol a line),
//! or `ranges = [["A", "AIUZZ"], ["IWM/M", "JNZZZ/X"]]`. Where the venue names its symbols on the wire it has
//! none of them, or `products = ["ES", "NQ"]`, of which the wire tells the symbols. Where all is listed in one file, the map itself names it: `symbols_file`, with the header
//! `symbol,partition`. A file that a map names is looked for in the map's own folder.
//!
//! Ranges reach from the first possible symbol to the last: a table that was cut does not, and is refused. Where
//! it is meant that nobody carries what lies before or behind them the map says `partial = true`.
//!
//! A range's end may have an expiry code behind a `/`. A symbol whose own text ends like that has one more
//! `/` behind it: `BRK/A/`.
//!
//! [`write()`] gives the canonical form: one for each map, which reads as the same map. It names its own
//! [`digest()`], so that a file which was cut or changed since is refused. Whoever changes one by hand takes
//! that line out.
//!
//! The readers of what a configuration says in the same words are here too: [`lines`], [`services`],
//! [`listed`] and the single values.

mod endpoints;
mod read;
mod symbols;
mod values;
mod write;

use std::path::{Path, PathBuf};

use candor_core::Line;
use candor_core::limits::LINES;

pub use endpoints::{Lines, is_host, lines, services};
pub(crate) use endpoints::{is_service, no_group, no_source, too_many};
pub use read::{Loaded, load, read};
pub use symbols::{Listed, listed, parse as parse_symbols};
pub use values::{date, interface_name, is_date, is_interface, name, parse_date};
pub use write::{SYMBOLS_FILE, Written, digest, digest_of_bytes, digest_text, write};

/// The format that is written, and the only one that is read.
pub const FORMAT: u64 = 1;

/// How long silence may be bounded, in milliseconds: as in a configuration.
pub(crate) const SILENCE_MS: std::ops::RangeInclusive<u64> = 1..=3_600_000;

/// Gives the text of a file by its path, or says why there is none: nothing here opens a file.
pub type Files<'f> = dyn FnMut(&Path) -> Result<String, String> + 'f;

/// Where a map came from, for problems that only show when values meet.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Places {
    /// The file, or what it was made of where it is in none.
    pub file: PathBuf,
    /// The line of the venue.
    pub(crate) venue: usize,
    /// The line of the date.
    pub(crate) date: usize,
    /// By the partition's index. Lines are 0 where they are unknown, and a partition may be missing.
    pub(crate) partitions: Vec<Place>,
}

/// Where the parts of a partition stand.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) lines: [usize; LINES],
    pub(crate) snapshot_lines: [usize; LINES],
    pub(crate) symbols: usize,
    pub(crate) ranges: Vec<usize>,
}

impl Places {
    /// The line that an endpoint of a partition stands in, 0 where that is unknown: one of its lines, or of
    /// its snapshots' lines.
    #[must_use]
    pub fn endpoint(&self, partition: usize, line: Line, snapshot: bool) -> usize {
        let Some(place) = self.partitions.get(partition) else { return 0 };
        let lines = if snapshot { &place.snapshot_lines } else { &place.lines };
        match lines[line.index()] {
            0 => place.line,
            own => own,
        }
    }

    /// For a map that was read from no file of its own: problems name `origin` and no line.
    #[must_use]
    pub fn unknown(origin: &Path) -> Places {
        Places { file: origin.to_path_buf(), ..Places::default() }
    }
}
