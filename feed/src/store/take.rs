//! From the files that a venue publishes to a checked map.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candor_core::symbol::Text;
use candor_core::{TradingDate, Venue};
use candor_maps::Map;
use candor_maps::check::{Wanted, Warning};
use candor_maps::file::{self, Loaded, Places};
use candor_maps::import::cme::{Snapshots, Take};
use candor_maps::import::{Imported, Part, cboe, cme, nyse, opra};
use candor_settings::{Problem, Problems, read_text};

use super::decide::checked;

/// Whose files they are, with what they don't say by themselves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Format {
    /// Candor's own: the map's file; files that it names are beside it.
    Candor,
    /// CME: `config.xml`.
    Cme {
        /// The environment it must be of.
        environment: String,
        /// Which snapshots.
        snapshots: Snapshots,
    },
    /// Cboe: a table of units, and the daily files of single symbols behind it.
    CboeUnits,
    /// Cboe: daily files of single symbols alone.
    CboeListed,
    /// OPRA: the table of lines, and behind it the multicast addresses.
    Opra {
        /// The line of roots that begin with a digit.
        numeric: Option<u16>,
        /// The service whose addresses are taken.
        service: String,
    },
    /// NYSE: a market's symbol mapping file.
    Nyse {
        /// The channel of each system ID.
        channels: BTreeMap<u16, Text<16>>,
    },
}

impl Format {
    /// Every format's name in configurations and commands, in the order of the variants.
    pub const NAMES: [&'static str; 6] =
        ["candor", "cme", "cboe-units", "cboe-listed", "opra", "nyse"];

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Format::Candor => "candor",
            Format::Cme { .. } => "cme",
            Format::CboeUnits => "cboe-units",
            Format::CboeListed => "cboe-listed",
            Format::Opra { .. } => "opra",
            Format::Nyse { .. } => "nyse",
        }
    }

    /// A system ID of NYSE with its channel, as people write them.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn channel(system: &str, channel: &str) -> Result<(u16, Text<16>), String> {
        let id = system
            .parse::<u8>()
            .map_err(|_| format!("{system:?} is no system ID: a whole number from 0 to 255"))?;
        let name = Text::from_wire(channel.as_bytes()).ok_or_else(|| {
            format!("{channel:?} is no channel: 1 to 16 characters of printable ASCII")
        })?;
        Ok((u16::from(id), name))
    }

    /// How many files it takes, at least and at most.
    #[must_use]
    pub const fn files(&self) -> (usize, usize) {
        match self {
            Format::Candor | Format::Cme { .. } | Format::Nyse { .. } => (1, 1),
            Format::CboeUnits | Format::CboeListed => (1, 16),
            Format::Opra { .. } => (1, 2),
        }
    }
}

/// How a venue's files become a map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipe {
    /// Whose they are.
    pub format: Format,
    /// A map whose lines, services and silence bounds are taken, by the names of partitions, where the
    /// venue's files say none.
    pub lines: Option<Map>,
}

/// A file that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// Its path, or what it is called in problems.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// Reads files.
///
/// # Errors
/// [`Problems`] with each that can't be read.
pub fn given(paths: &[PathBuf]) -> Result<Vec<Given>, Problems> {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        match read_text(path) {
            Ok(text) => files.push(Given { path: path.clone(), text }),
            Err(message) => problems.push(Problem::of_file(path, message)),
        }
    }
    match paths.first() {
        Some(first) if !problems.is_empty() => Err(Problems::new("import", first, problems)),
        _ => Ok(files),
    }
}

/// A map that was made of a venue's files, and checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    /// The map, and what looks wrong about it.
    pub loaded: Loaded,
    /// What the files say and the map has no place for.
    pub notes: Vec<String>,
}

/// Makes a map of these files, for a venue and a date.
///
/// # Errors
/// [`Problems`] with everything that the importer, or the check of the whole map, refuses.
pub fn take(
    recipe: &Recipe,
    venue: Venue,
    date: TradingDate,
    files: &[Given],
) -> Result<Taken, Problems> {
    let wanted = Wanted { venue: Some(venue), date: Some(date) };
    let (least, most) = recipe.format.files();
    let first = match files {
        [first, ..] if (least..=most).contains(&files.len()) => first,
        _ => {
            let name = recipe.format.name();
            let path = files.first().map_or(Path::new(name), |file| &file.path);
            let message = format!(
                "{} files are given, and {name} takes {}",
                files.len(),
                if most == 1 { "one".to_owned() } else { format!("{least} to {most}") }
            );
            return Err(Problems::new("import", path, vec![Problem::of_file(path, message)]));
        }
    };
    if recipe.format == Format::Candor {
        let loaded = file::load(&first.path, &first.text, &wanted, &mut |path| read_text(path))?;
        return Ok(Taken { loaded, notes: Vec::new() });
    }
    let mut imported = import(&recipe.format, venue, date, first, &files[1..])?;
    let mut silence = BTreeMap::new();
    if let Some(map) = &recipe.lines {
        silence.extend(map.partitions.iter().map(|one| (one.name, one.silence)));
        imported = imported.join(lines_of(map, date))?;
    }
    let notes = std::mem::take(&mut imported.notes);
    let mut map = imported.into_map()?;
    for partition in &mut map.partitions {
        partition.silence = silence.get(&partition.name).copied().flatten();
    }
    let warnings: Vec<Warning> = checked(&map, &first.path, &wanted)?;
    Ok(Taken { loaded: Loaded { map, warnings, places: Places::unknown(&first.path) }, notes })
}

fn import(
    format: &Format,
    venue: Venue,
    date: TradingDate,
    first: &Given,
    rest: &[Given],
) -> Result<Imported, Problems> {
    let Given { path, text } = first;
    match format {
        Format::Candor => unreachable!("a map of Candor's own is read, not imported"),
        Format::Cme { environment, snapshots } => {
            let take = Take { venue, date: Some(date), environment, snapshots: *snapshots };
            cme::config(path, text, take)
        }
        Format::CboeUnits | Format::CboeListed => {
            let read = if *format == Format::CboeUnits { cboe::units } else { cboe::listed };
            rest.iter().try_fold(read(path, text, venue, date)?, |imported, one| {
                imported.join(cboe::listed(&one.path, &one.text, venue, date)?)
            })
        }
        Format::Opra { numeric, service } => {
            rest.iter().try_fold(opra::lines(path, text, date, *numeric)?, |imported, one| {
                imported.join(opra::multicast(&one.path, &one.text, date, service)?)
            })
        }
        Format::Nyse { channels } => {
            nyse::mapping(path, text, venue, date, |system| channels.get(&system).copied())
        }
    }
}

/// What a map says of lines and services, without what it says of symbols.
fn lines_of(map: &Map, date: TradingDate) -> Imported {
    let part = |partition: &candor_maps::Partition| Part {
        name: partition.name,
        line: 0,
        lines: Some(partition.lines.clone()),
        services: partition.services.clone(),
        symbols: None,
    };
    Imported {
        file: PathBuf::from(format!("the map with the lines, of {}", map.date)),
        venue: map.venue,
        date,
        protocol: map.protocol,
        parts: map.partitions.iter().map(part).collect(),
        notes: vec![format!("lines and services are those of the map for {}", map.date)],
    }
}
