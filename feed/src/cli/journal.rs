//! `candor journal`, and what it shares with the other queries of the journal.

use std::path::{Path, PathBuf};

use candor_journal::{Extent, Fault, Fields, Filter, Item, Reader, Record, Value as Field, check};
use candor_shm::Region;
use clap::Args;

use super::output::{Answer, Row, Stream, Value};
use super::region::{RegionArg, Source};
use super::{Output, OutputArg, print};
use crate::exit::{Exit, Failure};
use crate::{clock, config, journal};

const COLUMNS: &[(&str, usize)] =
    &[("number", 8), ("at", 30), ("kind", 10), ("about", 12), ("what", 0)];

/// Bytes of the newest files that are enough for what is behind a status: some days.
const NEWEST: u64 = 64 << 20;

/// Names of a long list that are shown in a table.
const SHOWN: usize = 8;

/// Which journal.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct JournalArg {
    /// The region's file; its journal is looked for beside it where the region is no longer there.
    #[arg(short, long, value_name = "PATH")]
    region: Option<PathBuf>,
    /// The handler's configuration.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The journal's folder itself.
    #[arg(short, long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl JournalArg {
    /// Its folder.
    pub(super) fn folder(&self) -> Result<PathBuf, Failure> {
        match (&self.region, &self.config, &self.folder) {
            (Some(path), ..) => Ok(folder_of_region(path)),
            (_, Some(file), _) => {
                let handler = config::load(file)?.handler;
                Ok(journal::folder(handler.state.as_deref(), &handler.region))
            }
            (.., Some(folder)) => Ok(folder.clone()),
            _ => Err(Failure::usage("name a journal: --region, --config or --folder")),
        }
    }
}

impl RegionArg {
    /// The folder of the journal of the region's handler.
    pub(super) fn journal(&self, source: &Source) -> Result<PathBuf, Failure> {
        let state = source.region.info().state_folder;
        Ok(journal::folder(state.as_deref(), &self.path()?))
    }
}

fn folder_of_region(path: &Path) -> PathBuf {
    // One that can't be opened says nothing of a state folder.
    let state = Region::open(path).ok().and_then(|region| region.info().state_folder);
    journal::folder(state.as_deref(), path)
}

/// The journal in a folder.
///
/// # Errors
/// Exit 3 where there is none, 77 or 71 where it can't be read.
pub(super) fn open(folder: &Path) -> Result<Reader, Failure> {
    let files = candor_journal::files(folder).map_err(|error| refuse(folder, &error))?;
    match files.is_empty() {
        true => Err(Failure::new(Exit::Unknown, format!("{}: holds no journal", folder.display()))),
        false => Reader::open(folder).map_err(|error| refuse(folder, &error)),
    }
}

pub(super) fn refuse(folder: &Path, error: &std::io::Error) -> Failure {
    let exit = match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Exit::Unknown,
        std::io::ErrorKind::PermissionDenied => Exit::Privilege,
        _ => Exit::Host,
    };
    Failure::new(exit, format!("the journal in {} can't be read: {error}", folder.display()))
}

/// Goes through all of a journal. As [`through`].
pub(super) fn each(
    folder: &Path,
    each: impl FnMut(&Record) -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    through(folder, open(folder)?, each)
}

/// Goes through the newest files of a journal. As [`through`].
pub(super) fn newest(
    folder: &Path,
    each: impl FnMut(&Record) -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    open(folder)?;
    let reader = Reader::newest(folder, NEWEST).map_err(|error| refuse(folder, &error))?;
    through(folder, reader, each)
}

/// Goes through a journal and says on standard error where its chain is broken. `each` says whether to go on.
/// Whether the chain is whole as far as it was looked at.
///
/// # Errors
/// As [`open`], and what `each` fails with.
fn through(
    folder: &Path,
    reader: Reader,
    mut each: impl FnMut(&Record) -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    let mut whole = true;
    for item in reader {
        match item.map_err(|error| refuse(folder, &error))? {
            Item::Record(_, record) => {
                if !each(&record)? {
                    break;
                }
            }
            Item::Broken(fault) => {
                if std::mem::replace(&mut whole, false) {
                    say(&fault);
                }
            }
            Item::Unfinished { .. } => {}
        }
    }
    Ok(whole)
}

fn say(fault: &Fault) {
    print::error(&format!("the journal's chain is broken first in {fault}"));
}

/// A time as operators give it: `2026-11-23T09:30:00Z`, or how long ago: `90s`, `10m`, `2h`, `3d`.
///
/// # Errors
/// In words, for clap.
pub(super) fn moment(text: &str) -> Result<u64, String> {
    ago(text)
        .map(|ago| clock::wall().saturating_sub(ago))
        .or_else(|| clock::parse(text))
        .ok_or_else(|| {
            "a time is like 2026-11-23T09:30:00Z, or how long ago: 90s, 10m, 2h, 3d".to_owned()
        })
}

fn ago(text: &str) -> Option<u64> {
    let (unit, seconds) = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)]
        .into_iter()
        .find(|(unit, _)| text.ends_with(unit))?;
    let count = text.strip_suffix(unit)?;
    let count: u64 = count.parse().ok().filter(|_| count.bytes().all(|b| b.is_ascii_digit()))?;
    count.checked_mul(seconds)?.checked_mul(1_000_000_000)
}

/// Shows the journal, oldest record first: what happened, when, by whom, with which digests. Each record is
/// compared with the one before: a chain that is broken is named with file and line. Exits 0; 3 where there
/// is no journal, or no record that is asked for; 78 where the chain is broken.
#[derive(Debug, Args)]
pub(super) struct JournalQuery {
    /// Not before this: 2026-11-23T09:30:00Z, or how long ago: 90s, 10m, 2h, 3d.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<u64>,
    /// Not after this.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<u64>,
    /// Of this kind; again for each.
    #[arg(short, long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// Records that name this partition: VENUE/PARTITION.
    #[arg(short, long, value_name = "PARTITION")]
    partition: Option<String>,
    /// Records that name this symbol: SYMBOL, or VENUE:SYMBOL. `candor why` has those of its partition too.
    #[arg(short, long, value_name = "SYMBOL")]
    symbol: Option<String>,
    /// Show no record: only whether the chain is whole, how long it is, and its last digest.
    #[arg(long, conflicts_with_all = ["since", "until", "kinds", "partition", "symbol"])]
    verify: bool,
    #[command(flatten)]
    journal: JournalArg,
    #[command(flatten)]
    output: OutputArg,
}

impl JournalQuery {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let folder = self.journal.folder()?;
        if self.verify {
            return verify(&folder, self.output.output);
        }
        let output = self.output.output;
        let filter = Filter {
            since: self.since,
            until: self.until,
            kinds: self.kinds,
            // The log has them with a colon.
            partition: self.partition.map(|name| match name.contains('/') {
                true => name,
                false => name.replacen(':', "/", 1),
            }),
            symbol: self.symbol,
        };
        let mut stream = Stream::new(output, COLUMNS);
        let mut shown = 0u64;
        let whole = each(&folder, |record| {
            if !filter.takes(record) {
                return Ok(true);
            }
            shown += 1;
            match output {
                // As it stands in the file: what a program can verify for itself.
                Output::Json => print::out(&record.line()),
                Output::Table => stream.print(&row(record)),
            }
        })?;
        Ok(match (whole, shown) {
            (false, _) => Exit::Config,
            (true, 0) => Exit::Unknown,
            (true, _) => Exit::Ok,
        })
    }
}

fn verify(folder: &Path, output: Output) -> Result<Exit, Failure> {
    let files = candor_journal::files(folder).map_err(|error| refuse(folder, &error))?;
    let checked = check(open(folder)?).map_err(|error| refuse(folder, &error))?;
    let (last, head) = checked.last.unzip();
    let row = Row::new()
        .with("chain", Value::text(if checked.fault.is_none() { "whole" } else { "broken" }))
        .with("folder", Value::text(folder.display()))
        .with("files", Value::Number(files.len() as u64))
        .with("records", Value::Number(checked.records))
        .with("first", Value::Number(checked.first))
        .with("last", last.map_or(Value::Absent, Value::Number))
        .with("last_digest", head.map_or(Value::Absent, Value::text))
        .with("breaks", Value::Number(checked.faults))
        .with("first_break", checked.fault.as_ref().map_or(Value::Absent, Value::text))
        .with("unfinished_bytes", Value::Number(checked.unfinished));
    Answer::new().one("journal", row).print(output)?;
    match &checked.fault {
        None => Ok(Exit::Ok),
        Some(fault) => {
            say(fault);
            Ok(Exit::Config)
        }
    }
}

/// A record as a row of a table.
pub(super) fn row(record: &Record) -> Row {
    Row::new()
        .with("number", Value::Number(record.number))
        .with("at", Value::text(clock::display(record.stamp.wall)))
        .with("kind", Value::text(&record.kind))
        .with("about", Value::text(about(record)))
        .with("what", Value::text(what(&record.fields)))
}

/// What a record is about, in a word or two.
fn about(record: &Record) -> String {
    let names = match Extent::of(record) {
        Extent::Nothing => return "-".to_owned(),
        Extent::Everything => return "all".to_owned(),
        Extent::Venue(name) => return name,
        Extent::Partitions(names) | Extent::Symbols(names, _) => names,
    };
    let first = names.iter().next().map_or("-", String::as_str);
    match names.len() {
        0 | 1 => first.to_owned(),
        many => format!("{first} +{}", many - 1),
    }
}

/// What it says, but for what it is about, and long lists cut.
pub(super) fn what(fields: &Fields) -> String {
    let parts = fields.iter().filter(|(name, _)| !["partition", "venue"].contains(name));
    let shown = parts.map(|(name, value)| match value {
        Field::List(list) if list.len() > SHOWN => {
            let some = Field::List(list[..SHOWN].to_vec());
            format!("{name}=[{some} and {} more]", list.len() - SHOWN)
        }
        Field::List(_) => format!("{name}=[{value}]"),
        Field::Text(text) if text.contains(' ') => format!("{name}=\"{value}\""),
        _ => format!("{name}={value}"),
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_or_how_long_ago() {
        assert_eq!(ago("90s"), Some(90_000_000_000));
        assert_eq!(ago("2h"), ago("120m"));
        assert_eq!(ago("3d"), ago("72h"));
        for bad in ["", "s", "-1s", "+1s", "1.5h", "1w", "99999999999999d", "10 m"] {
            assert_eq!(ago(bad), None, "{bad}");
        }
        assert_eq!(moment("2026-11-22T03:30:00Z"), Ok(1_795_318_200_000_000_000));
        assert!(moment("yesterday").is_err());
    }

    #[test]
    fn a_long_list_is_cut_in_a_table() {
        let fields = Fields::new()
            .text("partition", "V/1")
            .text("to", "Stale(Gap)")
            .list("symbols", (0..10).map(|n| format!("S{n}")));
        assert_eq!(what(&fields), "symbols=[S0 S1 S2 S3 S4 S5 S6 S7 and 2 more] to=Stale(Gap)");
    }
}
