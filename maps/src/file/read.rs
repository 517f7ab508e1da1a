//! From TOML to a [`Map`]: every value by itself. What values mean together is for [`crate::check`].

use std::path::Path;

use candor_core::symbol::Text;
use candor_core::{Nanos, Symbol, TradingDate, Venue};
use candor_settings::{At, Context, Problems, Table};
use toml::de::DeTable;

use super::{FORMAT, Files, Listed, Place, Places, SILENCE_MS, endpoints, symbols, values, write};
use crate::check::{self, Wanted, Warning};
use crate::model::{Key, Map, Partition, Protocol, Range, Symbols};
use crate::words::counted;

/// What a refused file is called.
const WHAT: &str = "map";

/// Reads a map's text as if it had been read from `path`. What values mean together is not looked at.
///
/// # Errors
/// [`Problems`] with every problem found, each with file and line; there is no map then.
pub fn read(path: &Path, text: &str, files: &mut Files<'_>) -> Result<Map, Problems> {
    let Reading { map, cx, .. } = parse(path, text, files);
    match map {
        Some(map) if cx.problems.is_empty() => Ok(map),
        _ => Err(Problems::new(WHAT, path, cx.problems)),
    }
}

/// A map that was read and checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// The map.
    pub map: Map,
    /// What looks wrong and may be right, in order of lines.
    pub warnings: Vec<Warning>,
    /// Where its parts stand, for whoever finds more to say of them.
    pub places: Places,
}

/// Reads a map's text as [`read`] does, and checks it against what is wanted and against itself.
///
/// # Errors
/// As [`read`], and with everything for which [`crate::check`] refuses it.
pub fn load(
    path: &Path,
    text: &str,
    wanted: &Wanted,
    files: &mut Files<'_>,
) -> Result<Loaded, Problems> {
    let Reading { map, mut cx, places } = parse(path, text, files);
    if let Some(map) = map {
        let findings = if cx.problems.is_empty() {
            check::check(&map, &places, wanted)
        } else {
            check::check_part(&map, &places, wanted)
        };
        cx.problems.extend(findings.refusals.into_iter().map(|refusal| refusal.0));
        if cx.problems.is_empty() {
            return Ok(Loaded { map, warnings: findings.warnings, places });
        }
    }
    Err(Problems::new(WHAT, path, cx.problems))
}

/// What was read: a map without the parts that have problems.
struct Reading<'a> {
    map: Option<Map>,
    cx: Context<'a>,
    places: Places,
}

fn parse<'a>(path: &'a Path, text: &str, files: &mut Files<'_>) -> Reading<'a> {
    let places = Places::unknown(path);
    let mut reading = Reading { map: None, cx: Context::new(path, text), places };
    let cx = &mut reading.cx;
    let (root, errors) = DeTable::parse_recoverable(text);
    // What follows a mistake in the syntax is mostly its consequence: the first is enough.
    if let Some(error) = errors.first() {
        let line = error.span().map_or(0, |span| cx.line(span.start));
        cx.problem(
            line,
            format!(
                "is not TOML: {}; put that line right, or get the map again: it may be cut",
                error.message().replace('\n', ", ")
            ),
        );
        return reading;
    }
    let mut root = Table::new("the map", 0, root.get_ref());
    match root.integer(cx, "format", 1..=999) {
        Some(At { value: FORMAT, .. }) => {}
        Some(At { value, line }) => {
            // Whatever else it says may mean something else there.
            cx.problem(line, format!(
                    "is of format {value}; this candor reads format {FORMAT}: get the map in that one, or a \
                     candor of its version"
                ));
            return reading;
        }
        None if root.line_of(cx, "format").is_none() => {
            root.missing(cx, "format", &format!("format = {FORMAT}"));
        }
        None => {}
    }
    let claimed = root.text(cx, "digest", "64 hexadecimal digits");
    let header = header(cx, &mut root, &mut reading.places);
    let partitions = partitions(&mut reading, &mut root, header.protocol, files);
    root.finish(&mut reading.cx);
    let Header { venue: Some(venue), date: Some(date), protocol: Some(protocol), partial } = header
    else {
        return reading;
    };
    let map = Map { venue, date, protocol, partial, partitions };
    if reading.cx.problems.is_empty() {
        unchanged(&mut reading.cx, &map, claimed);
    }
    reading.map = Some(map);
    reading
}

/// Reports a map that is not the one whose digest it names.
fn unchanged(cx: &mut Context<'_>, map: &Map, claimed: Option<At<&str>>) {
    let Some(claimed) = claimed else { return };
    let digest = write::digest_text(map);
    if !claimed.value.eq_ignore_ascii_case(&digest) {
        cx.problem(
            claimed.line,
            format!(
                "was cut or changed since it was written: its content has the digest {digest}; get it \
                 again, or take this line out if you changed it yourself"
            ),
        );
    }
}

struct Header {
    venue: Option<Venue>,
    date: Option<TradingDate>,
    protocol: Option<Protocol>,
    partial: bool,
}

fn header(cx: &mut Context<'_>, root: &mut Table<'_>, places: &mut Places) -> Header {
    let venue = values::name::<8>(cx, root, "venue", "venue = \"XNAS\"");
    let date = values::date(cx, root, "date");
    if date.is_none() && root.line_of(cx, "date").is_none() {
        root.missing(cx, "date", "date = \"2026-11-21\"");
    }
    let protocols = Protocol::ALL.map(|protocol| (protocol.name(), protocol));
    let protocol = root.choice(cx, "protocol", &protocols);
    if protocol.is_none() && root.line_of(cx, "protocol").is_none() {
        root.missing(cx, "protocol", &format!("protocol = \"{}\"", protocols[0].0));
    }
    let partial = root.boolean(cx, "partial");
    places.venue = venue.map_or(0, |at| at.line);
    places.date = date.map_or(0, |at| at.line);
    Header {
        venue: venue.map(|at| at.value),
        date: date.map(|at| at.value),
        protocol: protocol.map(|at| at.value),
        partial: partial.is_some_and(|at| at.value),
    }
}

fn partitions(
    reading: &mut Reading<'_>,
    root: &mut Table<'_>,
    protocol: Option<Protocol>,
    files: &mut Files<'_>,
) -> Vec<Partition> {
    let Reading { cx, places, .. } = reading;
    let folder = cx.file.parent().unwrap_or(Path::new(""));
    let all = root.text(cx, "symbols_file", "a file name");
    let entries = root.tables(cx, "partition", "[[partition]]");
    if entries.is_empty() && root.line_of(cx, "partition").is_none() {
        root.missing(cx, "partition", "[[partition]] with `name` and `lines`");
    }
    let mut partitions = Vec::new();
    // Whether the partition says by itself what it carries.
    let mut own = Vec::new();
    for entry in entries {
        if let Some((partition, place)) = partition(cx, entry, protocol, folder, files) {
            own.push(place.symbols);
            partitions.push(partition);
            places.partitions.push(place);
        }
    }
    let Some(all) = all else { return partitions };
    let Some((path, text)) = symbols::contents(cx, folder, all, files) else { return partitions };
    let names: Vec<Text<16>> = partitions.iter().map(|partition| partition.name).collect();
    let (lists, problems) = symbols::parse_all(&path, &text, &names);
    cx.problems.extend(problems);
    let targets = partitions.iter_mut().zip(&mut places.partitions).zip(own);
    for (((partition, place), own), mut list) in targets.zip(lists) {
        if own == 0 {
            list.sort_unstable();
            partition.symbols = Symbols::List(list);
            place.symbols = all.line;
        } else if !list.is_empty() {
            let (name, count) = (partition.name, counted(list.len(), "symbol"));
            let path = path.display();
            cx.problem(
                own,
                format!(
                    "partition {name} says what it carries, and {path} has {count} for it; keep one"
                ),
            );
        }
    }
    partitions
}

fn partition(
    cx: &mut Context<'_>,
    mut table: Table<'_>,
    protocol: Option<Protocol>,
    folder: &Path,
    files: &mut Files<'_>,
) -> Option<(Partition, Place)> {
    let line = table.line;
    table.rename("a partition".to_owned());
    let name = values::name::<16>(cx, &mut table, "name", "name = \"1\"");
    if let Some(name) = name {
        table.rename(format!("partition {}", name.value));
    }
    let silence = table.integer(cx, "silence_ms", SILENCE_MS);
    let lines = endpoints::lines(cx, &mut table, "lines");
    let mut services = endpoints::services(cx, &mut table, protocol);
    let snapshots = endpoints::lines(cx, &mut table, "snapshot_lines");
    services.snapshot_lines = snapshots.endpoints;
    let mut place =
        Place { line, lines: lines.places, snapshot_lines: snapshots.places, ..Place::default() };
    let symbols = carried(cx, &mut table, &mut place, folder, files);
    table.finish(cx);
    let partition = Partition {
        name: name?.value,
        lines: lines.endpoints,
        services,
        silence: silence.map(|at| Nanos::from_millis(at.value)),
        symbols,
    };
    Some((partition, place))
}

fn carried(
    cx: &mut Context<'_>,
    table: &mut Table<'_>,
    place: &mut Place,
    folder: &Path,
    files: &mut Files<'_>,
) -> Symbols {
    let listed = symbols::listed(cx, table, folder, files);
    let ranges = table.pairs(cx, "ranges", "a list of pairs like [[\"A\", \"AIUZZ\"]]");
    let products = symbols::products(cx, table);
    let said = [
        ("lists its symbols", listed.as_ref().map(|listed| listed.line)),
        ("has `ranges`", ranges.as_ref().map(|pairs| pairs.line)),
        ("has `products`", products.as_ref().map(|products| products.line)),
    ];
    let (said, lines): (Vec<&str>, Vec<usize>) =
        said.into_iter().filter_map(|(said, line)| Some((said, line?))).unzip();
    place.symbols = lines.first().copied().unwrap_or(0);
    if let [_, .., line] = lines[..] {
        cx.problem(line, format!("{} {}; keep one", table.name(), said.join(" and ")));
        return Symbols::InBand;
    }
    let sorted = |mut listed: Listed| {
        listed.symbols.sort_unstable();
        listed.symbols
    };
    match (listed, ranges, products) {
        (Some(listed), ..) => Symbols::List(sorted(listed)),
        (_, Some(pairs), _) => {
            let mut ranges = Vec::new();
            for [first, last] in pairs.value {
                if let (Some(first), Some(last)) = (key(cx, first), key(cx, last)) {
                    place.ranges.push(last.line);
                    ranges.push(Range { first: first.value, last: last.value });
                }
            }
            Symbols::Ranges(ranges)
        }
        (.., Some(products)) => Symbols::Products(sorted(products)),
        (None, None, None) => Symbols::InBand,
    }
}

/// A range's end, as [`Key`] is displayed.
fn key(cx: &mut Context<'_>, at: At<&str>) -> Option<At<Key>> {
    let (text, expiry) = match at.value.as_bytes() {
        [text @ .., b'/'] => (text, None),
        [text @ .., b'/', code @ b'A'..=b'X'] => (text, Some(*code)),
        text => (text, None),
    };
    let text = Symbol::from_wire(text);
    if text.is_none() {
        cx.problem(
            at.line,
            format!(
                "{:?} is no end of a range: a symbol of 1 to 24 characters of printable ASCII, and behind \
                 it `/` and an expiry code where the venue has those",
                at.value
            ),
        );
    }
    text.map(|text| At { value: Key { text, expiry }, line: at.line })
}
