//! From a [`Map`] to its canonical form.

use core::net::SocketAddrV4;
use std::fmt::Write as _;

use candor_core::Line;
use sha2::{Digest, Sha256};

use super::FORMAT;
use super::symbols::{HEADER, row};
use crate::model::{Endpoint, Map, Partition, Symbols};

/// The file that the canonical form of a map with many symbols lists them in, beside the map's own.
pub const SYMBOLS_FILE: &str = "symbols.csv";

/// Symbols that are listed within the map's own file at most, all partitions together: what fits on a screen.
const INLINE: usize = 256;

/// Columns of a line with a list.
const WIDTH: usize = 100;

/// The canonical form of a map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// The map's own file.
    pub toml: String,
    /// The file [`SYMBOLS_FILE`] beside it, where there is one.
    pub symbols_csv: Option<String>,
}

/// Writes a map: the same one gives the same bytes, and reading them gives the same one, if it is one that
/// [`crate::check`] does not refuse.
#[must_use]
pub fn write(map: &Map) -> Written {
    let (body, symbols_csv) = body(map);
    let toml = format!(
        "format = {FORMAT}\ndigest = \"{}\"\n{body}",
        hex(&hash(&body, symbols_csv.as_deref()))
    );
    Written { toml, symbols_csv }
}

/// SHA-256 over the canonical form without the lines that name format and digest, its symbols file behind
/// it.
#[must_use]
pub fn digest(map: &Map) -> [u8; 32] {
    let (body, symbols_csv) = body(map);
    hash(&body, symbols_csv.as_deref())
}

/// The digest as 64 hexadecimal digits.
#[must_use]
pub fn digest_text(map: &Map) -> String {
    hex(&digest(map))
}

/// The digest that the bytes of a canonical form have, as 64 hexadecimal digits, whatever they say; `None` for
/// what can't be one, as its own lines are not the ones that [`write()`] puts there for this digest.
///
/// Unlike [`digest_text`] this tells a changed byte where reading does not: in a comment, or of a number's
/// leading zeros.
#[must_use]
pub fn digest_of_bytes(toml: &str, symbols_csv: Option<&str>) -> Option<String> {
    let rest = toml.strip_prefix(&format!("format = {FORMAT}\ndigest = \""))?;
    let (claimed, body) = rest.split_once("\"\n")?;
    let digest = hex(&hash(body, symbols_csv));
    (claimed == digest).then_some(digest)
}

fn hash(body: &str, symbols_csv: Option<&str>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(body);
    hash.update(symbols_csv.unwrap_or(""));
    hash.finalize().into()
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn body(map: &Map) -> (String, Option<String>) {
    let apart = apart(map);
    let mut out = String::new();
    let _ = writeln!(out, "venue = {}", quoted(map.venue.as_str()));
    let _ = writeln!(out, "date = \"{}\"", map.date);
    let _ = writeln!(out, "protocol = {}", quoted(map.protocol.name()));
    if map.partial {
        out.push_str("partial = true\n");
    }
    if apart {
        let _ = writeln!(out, "symbols_file = {}", quoted(SYMBOLS_FILE));
    }
    for one in &map.partitions {
        partition(&mut out, one, apart);
    }
    (out, apart.then(|| csv(map)))
}

/// Whether the symbols are listed in a file of their own. Beside one, a partition that says nothing carries
/// nothing, so that there is none where the venue names its symbols.
fn apart(map: &Map) -> bool {
    let mut count = 0;
    for partition in &map.partitions {
        match &partition.symbols {
            Symbols::List(list) => count += list.len(),
            Symbols::Ranges(_) | Symbols::Products(_) => {}
            Symbols::InBand => return false,
        }
    }
    count > INLINE
}

fn partition(out: &mut String, partition: &Partition, apart: bool) {
    let _ = writeln!(out, "\n[[partition]]\nname = {}", quoted(partition.name.as_str()));
    if let Some(silence) = partition.silence {
        let _ = writeln!(out, "silence_ms = {}", silence.0 / 1_000_000);
    }
    for (line, at) in partition.lines() {
        endpoint(out, "lines", line, at);
    }
    let services = &partition.services;
    let udp = services.retransmit_udp.iter().map(|at| ("udp", at));
    let tcp = services.retransmit_tcp.iter().map(|at| ("tcp", at));
    addresses(out, "retransmit", udp.chain(tcp).collect());
    addresses(out, "snapshot", services.snapshot.iter().map(|at| ("tcp", at)).collect());
    for (line, at) in services.snapshot_lines() {
        endpoint(out, "snapshot_lines", line, at);
    }
    match &partition.symbols {
        Symbols::List(_) if apart => {}
        Symbols::List(symbols) => {
            list(out, "symbols", symbols.iter().map(|symbol| quoted(symbol.as_str())));
        }
        Symbols::Ranges(ranges) => {
            let pair = |text: String, to: String| format!("[{}, {}]", quoted(&text), quoted(&to));
            let pairs = ranges.iter().map(|one| pair(one.first.to_string(), one.last.to_string()));
            list(out, "ranges", pairs);
        }
        Symbols::Products(products) => {
            list(out, "products", products.iter().map(|product| quoted(product.as_str())));
        }
        Symbols::InBand => {}
    }
}

fn endpoint(out: &mut String, key: &str, line: Line, at: &Endpoint) {
    let _ = write!(out, "{key}.{line} = {{ group = \"{}\", port = {}", at.group, at.port);
    if let Some(source) = at.source {
        let _ = write!(out, ", source = \"{source}\"");
    }
    if let Some(interface) = &at.interface {
        let _ = write!(out, ", interface = {}", quoted(interface));
    }
    out.push_str(" }\n");
}

fn addresses(out: &mut String, key: &str, addresses: Vec<(&str, &SocketAddrV4)>) {
    if !addresses.is_empty() {
        let items = addresses.iter().map(|(scheme, at)| format!("\"{scheme}://{at}\""));
        list(out, key, items);
    }
}

/// A list on one line where it fits, on as many as it needs where not.
fn list(out: &mut String, key: &str, items: impl Iterator<Item = String>) {
    let items: Vec<String> = items.collect();
    let line = format!("{key} = [{}]\n", items.join(", "));
    if line.len() <= WIDTH {
        out.push_str(&line);
        return;
    }
    let _ = write!(out, "{key} = [");
    let mut column = WIDTH;
    for item in items {
        if column + item.len() + 2 > WIDTH {
            out.push_str("\n   ");
            column = 3;
        }
        let _ = write!(out, " {item},");
        column += item.len() + 2;
    }
    out.push_str("\n]\n");
}

fn csv(map: &Map) -> String {
    let mut rows = Vec::new();
    for (index, partition) in map.partitions.iter().enumerate() {
        if let Symbols::List(symbols) = &partition.symbols {
            rows.extend(symbols.iter().map(|symbol| (*symbol, index)));
        }
    }
    // By symbol: one that moves is one line that differs from yesterday's.
    rows.sort_unstable();
    let mut out = format!("{HEADER}\n");
    for (symbol, index) in rows {
        let name = map.partitions[index].name;
        let _ = writeln!(out, "{}", row(symbol.as_str(), name.as_str()));
    }
    out
}

/// A text of printable ASCII in TOML's quotation marks.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
