//! `[maps]`: where partition maps are kept, and where each venue's comes from.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use candor_core::symbol::Text;
use candor_core::{Nanos, Symbol, Venue};
use candor_maps::diff::BOUND_PPM;
use candor_maps::file::{self, name};
use candor_maps::import::cme::Snapshots;
use candor_settings::{At, Context, Problem, Problems, Table, read_text};

use super::parse::{Reading, foreign};
use crate::store::{Fetch, Format, Origin, PLACEHOLDERS, Recipe};

/// How long a command may run that is configured without a time.
pub const FETCH_TIMEOUT: Nanos = Nanos::from_secs(60);

/// `[maps]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Maps {
    /// The store's folder.
    pub store: PathBuf,
    /// The share of symbols that may move or go without being acknowledged, in parts per million.
    pub bound_ppm: u32,
    /// The file with closures and early closes that were announced late.
    pub overlay: Option<PathBuf>,
    /// The venues of which something is said, in the file's order.
    pub venues: Vec<MapVenue>,
}

/// `[[maps.venue]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapVenue {
    /// The venue. It need not be one that the handler takes.
    pub venue: Venue,
    /// Whose files its map is made of.
    pub format: Format,
    /// The map that its lines and services are taken from, where its own files say none.
    pub lines: Option<PathBuf>,
    /// The list of its symbols, which tells what moves where ranges say what partitions carry.
    pub symbols: Option<PathBuf>,
    /// Its own bound.
    pub bound_ppm: Option<u32>,
    /// Where its map is fetched from.
    pub fetch: Option<Fetch>,
}

impl Maps {
    /// What is said of a venue.
    #[must_use]
    pub fn of(&self, venue: Venue) -> Option<&MapVenue> {
        self.venues.iter().find(|one| one.venue == venue)
    }

    /// The bound of a venue.
    #[must_use]
    pub fn bound_ppm(&self, venue: Venue) -> u32 {
        self.of(venue).and_then(|one| one.bound_ppm).unwrap_or(self.bound_ppm)
    }
}

impl MapVenue {
    /// How its files become a map: the map with the lines is read now.
    ///
    /// # Errors
    /// What is wrong with that map.
    pub fn recipe(&self) -> Result<Recipe, Problems> {
        let lines = self.lines.as_deref().map(lines_from).transpose()?;
        Ok(Recipe { format: self.format.clone(), lines })
    }

    /// The symbols that are looked for where ranges say what partitions carry; none where none are configured.
    ///
    /// # Errors
    /// What is wrong with the list.
    pub fn symbols(&self) -> Result<Vec<Symbol>, Problems> {
        self.symbols.as_deref().map_or(Ok(Vec::new()), symbols_from)
    }
}

/// Reads a map for its lines and services alone: what it says of symbols, and its date, may be another's.
///
/// # Errors
/// What is wrong with it.
pub fn lines_from(path: &Path) -> Result<candor_maps::Map, Problems> {
    let wrong = |why| Problems::new("map", path, vec![Problem::of_file(path, why)]);
    let text = read_text(path).map_err(wrong)?;
    file::read(path, &text, &mut |path| read_text(path))
}

/// Reads a list of symbols, one a line.
///
/// # Errors
/// What is wrong with it.
pub fn symbols_from(path: &Path) -> Result<Vec<Symbol>, Problems> {
    let (symbols, problems) = match read_text(path) {
        Ok(text) => file::parse_symbols(path, &text),
        Err(message) => (Vec::new(), vec![Problem::of_file(path, message)]),
    };
    if problems.is_empty() {
        return Ok(symbols);
    }
    Err(Problems::new("list of symbols", path, problems))
}

pub(super) fn maps(reading: &mut Reading<'_>, root: &mut Table<'_>) -> Option<Maps> {
    let Reading { cx, folder, .. } = reading;
    let mut table = root.table(cx, "maps", "[maps]")?;
    let store = table.text(cx, "store", "a folder's name");
    match store {
        Some(at) if !Path::new(at.value).is_absolute() => {
            let value = at.value;
            cx.problem(
                at.line,
                format!("`store` must be an absolute folder's name, not {value:?}"),
            );
        }
        None if table.line_of(cx, "store").is_none() => {
            table.missing(cx, "store", "store = \"/var/lib/candor/maps\"");
        }
        _ => {}
    }
    let bound = bound(cx, &mut table);
    let overlay = table.text(cx, "overlay", "a file's name");
    let overlay = overlay.map(|at| (folder.join(at.value), at.line));
    if let Some((path, line)) = &overlay
        && let Err(problems) = super::overlay_from(path)
    {
        cx.problem(*line, format!("`overlay`: {problems}"));
    }
    let mut venues: Vec<MapVenue> = Vec::new();
    let mut seen = BTreeMap::new();
    for entry in table.tables(cx, "venue", "[[maps.venue]]") {
        let line = entry.line;
        let Some(one) = venue(cx, folder, entry) else { continue };
        if let Some(first) = seen.insert(one.venue, line) {
            let name = one.venue;
            cx.problem(line, format!("venue {name} is in line {first} already; keep one"));
        }
        venues.push(one);
    }
    table.finish(cx);
    Some(Maps {
        store: PathBuf::from(store?.value),
        bound_ppm: bound.unwrap_or(BOUND_PPM),
        overlay: overlay.map(|(path, _)| path),
        venues,
    })
}

fn bound(cx: &mut Context<'_>, table: &mut Table<'_>) -> Option<u32> {
    let at = table.integer(cx, "bound_ppm", 0..=1_000_000)?;
    u32::try_from(at.value).ok()
}

fn venue(cx: &mut Context<'_>, folder: &Path, mut table: Table<'_>) -> Option<MapVenue> {
    table.rename("a [[maps.venue]]".to_owned());
    let name = name::<8>(cx, &mut table, "name", "name = \"XNAS\"");
    if let Some(name) = name {
        table.rename(format!("[[maps.venue]] {}", name.value));
    }
    let format = format(cx, &mut table);
    if format == Some(Format::Candor) {
        foreign(cx, &mut table, &["lines"], "format = \"candor\"");
    }
    let mut path = |key| Some(folder.join(table.text(cx, key, "a file's name")?.value));
    let (lines, symbols) = (path("lines"), path("symbols"));
    let bound_ppm = bound(cx, &mut table);
    let fetch = fetch(cx, &mut table, format.as_ref());
    table.finish(cx);
    Some(MapVenue { venue: name?.value, format: format?, lines, symbols, bound_ppm, fetch })
}

/// The keys of each format, by [`Format::NAMES`].
const KEYS: [&[&str]; 6] =
    [&[], &["environment", "snapshots"], &[], &[], &["numeric", "service"], &["channels"]];

fn format(cx: &mut Context<'_>, table: &mut Table<'_>) -> Option<Format> {
    let mut index = 0;
    let choices = Format::NAMES.map(|name| {
        index += 1;
        (name, index - 1)
    });
    let Some(At { value: chosen, .. }) = table.choice(cx, "format", &choices) else {
        if table.line_of(cx, "format").is_none() {
            table.missing(cx, "format", "format = \"candor\"");
        }
        KEYS.iter().for_each(|keys| table.skip(keys));
        return None;
    };
    for (index, keys) in KEYS.iter().enumerate().filter(|(index, _)| *index != chosen) {
        debug_assert!(index < Format::NAMES.len());
        foreign(cx, table, keys, &format!("format = \"{}\"", Format::NAMES[chosen]));
    }
    match Format::NAMES[chosen] {
        "cme" => {
            let environment = table.text(cx, "environment", "an environment's name");
            let kinds = [("by-price", Snapshots::ByPrice), ("by-order", Snapshots::ByOrder)];
            let snapshots = table.choice(cx, "snapshots", &kinds);
            for (key, example) in [
                ("environment", "environment = \"Production\""),
                ("snapshots", "snapshots = \"by-order\" (or \"by-price\")"),
            ] {
                if table.line_of(cx, key).is_none() {
                    table.missing(cx, key, example);
                }
            }
            Some(Format::Cme {
                environment: environment?.value.to_owned(),
                snapshots: snapshots?.value,
            })
        }
        "cboe-units" => Some(Format::CboeUnits),
        "cboe-listed" => Some(Format::CboeListed),
        "opra" => {
            let numeric = table.integer(cx, "numeric", 1..=999);
            let service = table.text(cx, "service", "a service's name");
            Some(Format::Opra {
                numeric: numeric.and_then(|at| u16::try_from(at.value).ok()),
                service: service.map_or("production", |at| at.value).to_owned(),
            })
        }
        "nyse" => channels(cx, table).map(|channels| Format::Nyse { channels }),
        _ => Some(Format::Candor),
    }
}

fn channels(cx: &mut Context<'_>, table: &mut Table<'_>) -> Option<BTreeMap<u16, Text<16>>> {
    let wanted = "a list of system IDs with their channels like [[\"1\", \"11\"], [\"2\", \"12\"]]";
    if table.line_of(cx, "channels").is_none() {
        table.missing(cx, "channels", "channels = [[\"1\", \"11\"], [\"2\", \"12\"]]");
    }
    let mut channels = BTreeMap::new();
    for [system, channel] in table.pairs(cx, "channels", wanted)?.value {
        match Format::channel(system.value, channel.value) {
            Ok((id, name)) => {
                if channels.insert(id, name).is_some() {
                    cx.problem(
                        system.line,
                        format!("system ID {id} is in `channels` twice; keep one"),
                    );
                }
            }
            Err(why) => cx.problem(system.line, why),
        }
    }
    Some(channels)
}

fn fetch(cx: &mut Context<'_>, table: &mut Table<'_>, format: Option<&Format>) -> Option<Fetch> {
    let name = format!("`fetch` of {}", table.name());
    let mut table = table.table(cx, "fetch", &name)?;
    let directory = table.text(cx, "directory", "a folder's name");
    let command = table.texts(cx, "command");
    let timeout = table.integer(cx, "timeout_ms", 1..=3_600_000);
    let files = table.texts(cx, "files");
    let line = table.line;
    let origin = match (directory, command) {
        (Some(directory), None) => {
            if let Some(line) = table.line_of(cx, "timeout_ms") {
                cx.problem(line, "`timeout_ms` means nothing with `directory`; take it out");
            }
            placeholders(cx, directory);
            if !Path::new(directory.value).is_absolute() {
                let value = directory.value;
                cx.problem(
                    line,
                    format!("`directory` must be an absolute folder's name, not {value:?}"),
                );
            }
            Some(Origin::Directory(directory.value.to_owned()))
        }
        (None, Some(command)) => {
            command.value.iter().for_each(|argument| placeholders(cx, *argument));
            let argv: Vec<String> = command.value.iter().map(|at| at.value.to_owned()).collect();
            // Which program a name means would be for an environment variable to say.
            if !argv.first().is_some_and(|program| Path::new(program).is_absolute()) {
                cx.problem(
                    command.line,
                    "`command` must begin with a program by its absolute name: \
                     command = [\"/usr/local/bin/get-map\", \"--date\", \"{date}\"]",
                );
            }
            let timeout = timeout.map_or(FETCH_TIMEOUT, |at| Nanos::from_millis(at.value));
            Some(Origin::Command { argv, timeout })
        }
        (None, None)
            if ["directory", "command"].iter().any(|key| table.line_of(cx, key).is_some()) =>
        {
            None
        }
        _ => {
            cx.problem(line, format!("{name} names either a `directory` or a `command`"));
            None
        }
    };
    let from_folder = matches!(origin, Some(Origin::Directory(_)));
    let files = self::files(cx, line, files, format.filter(|_| origin.is_some()), from_folder);
    if let (Some(Origin::Directory(directory)), Some(format)) = (&origin, format) {
        dated(cx, line, format, [directory].into_iter().chain(&files));
    }
    table.finish(cx);
    Some(Fetch { origin: origin?, files })
}

fn files(
    cx: &mut Context<'_>,
    line: usize,
    files: Option<At<Vec<At<&str>>>>,
    format: Option<&Format>,
    from_folder: bool,
) -> Vec<String> {
    let At { value: files, line } = files.unwrap_or(At { value: Vec::new(), line });
    for at in &files {
        placeholders(cx, *at);
        let plain = |part| matches!(part, Component::Normal(_));
        if at.value.is_empty() || !Path::new(at.value).components().all(plain) {
            cx.problem(
                at.line,
                format!("{:?} in `files` must be a name within the folder", at.value),
            );
        }
    }
    if let Some(format) = format {
        let (least, most) = format.files();
        let prints = files.is_empty() && !from_folder && least == 1;
        if !prints && !(least..=most).contains(&files.len()) {
            let wanted =
                if most == 1 { "one file".to_owned() } else { format!("{least} to {most} files") };
            cx.problem(
                line,
                format!(
                    "`files` names {}, and format = \"{}\" takes {wanted}: files = [\"map-{{date}}.toml\"]",
                    files.len(),
                    format.name()
                ),
            );
        }
    }
    files.into_iter().map(|at| at.value.to_owned()).collect()
}

/// Reports names without a date of files that have none either: yesterday's would be taken for today's.
fn dated<'a>(
    cx: &mut Context<'_>,
    line: usize,
    format: &Format,
    mut names: impl Iterator<Item = &'a String>,
) {
    let is_dated = |name: &String| PLACEHOLDERS[1..].iter().any(|date| name.contains(date));
    if *format != Format::Candor && !names.any(is_dated) {
        let name = format.name();
        cx.problem(
            line,
            format!(
                "files of format = \"{name}\" don't say their date, and yesterday's would be taken for \
                 today's: have {} in `directory` or `files`",
                PLACEHOLDERS[1..].join(" or ")
            ),
        );
    }
}

/// Reports words in braces that stand for nothing.
fn placeholders(cx: &mut Context<'_>, at: At<&str>) {
    let rest = PLACEHOLDERS.iter().fold(at.value.to_owned(), |text, name| text.replace(name, ""));
    if rest.contains(['{', '}']) {
        cx.problem(
            at.line,
            format!(
                "{:?} has braces that stand for nothing: there are {}",
                at.value,
                PLACEHOLDERS.join(", ")
            ),
        );
    }
}
