//! `candor map check --wire`: a map against what the partitions of a handler have named on the wire.

use std::collections::BTreeMap;

use candor_core::symbol::Text;
use candor_core::{Mono, Reason, Symbol};
use candor_maps::import::inband::{Compared, compare};
use candor_maps::{Map, file};
use candor_shm::{Handle, PartitionInfo, Read, Region};

use super::super::output::{Answer, Row, Value};
use super::super::region::{Source, exit_of, say_gone, status_text};
use crate::exit::{Exit, Failure};

/// Symbols that a row names at most.
const EXAMPLES: usize = 8;

const PARTITIONS: &[&str] = &["partition", "status", "heard", "named"];
const DIFFERENCES: &[&str] = &["kind", "named_on", "mapped_to", "symbols", "examples"];

/// What was found, and what to exit with.
pub(super) struct Found {
    summary: Row,
    partitions: Vec<Row>,
    differences: Vec<Row>,
    pub(super) exit: Exit,
}

/// A partition as the venue calls it.
type Name = Text<16>;

impl Found {
    /// # Errors
    /// The handler has nothing of the venue.
    pub(super) fn of(source: &mut Source, map: &Map) -> Result<Found, Failure> {
        let now = source.now();
        let own = |info: &PartitionInfo| info.spec.venue == map.venue;
        // One that was left follows no session.
        let left = |info: &PartitionInfo| info.unhalted.reason() == Some(Reason::Unsubscribed);
        let infos = source.partitions().into_iter();
        let infos: Vec<PartitionInfo> = infos.filter(|info| own(info) && !left(info)).collect();
        if infos.is_empty() {
            let (handler, venue) = (source.region.info().handler, map.venue);
            let words = format!("{handler} follows no partition of {venue}: candor partitions");
            return Err(Failure::new(Exit::Unknown, words));
        }
        let (mut named, mut partitions) = (Vec::new(), Vec::new());
        for info in &infos {
            let before = named.len();
            let all = source.region.symbols(info.index);
            let here = all.filter(|(handle, symbol)| {
                is_named(&source.region, *handle) && !has_left(&source.region, map, *handle, symbol)
            });
            named.extend(here.map(|(_, symbol)| (info.spec.name, symbol)));
            partitions.push(partition(info, (named.len() - before) as u64, now));
        }
        let compared = compare(map, &named);
        let count = |count: usize| Value::Number(count as u64);
        let summary = Row::new()
            .with("venue", Value::text(map.venue))
            .with("date", Value::text(map.date))
            .with("digest", Value::text(file::digest_text(map)))
            .with("named", count(named.len()))
            .with("elsewhere", count(compared.elsewhere.len()))
            .with("lacking", count(compared.lacking.len()))
            .with("unnamed", count(compared.unnamed.len()))
            .with("twice", count(compared.twice.len()))
            .with("unknown", count(compared.unknown.len()));
        let handler = source.handler();
        say_gone(source, handler);
        // What keeps the handler from being Live is no matter of this map's: that it is gone is.
        let gone = handler == Some(Reason::WriterGone);
        let exit = if gone { exit_of(handler, false) } else { exit(&compared) };
        Ok(Found { summary, partitions, differences: rows(&compared), exit })
    }

    pub(super) fn add(self, answer: Answer) -> Answer {
        answer.one("wire", self.summary).many("partitions", PARTITIONS, self.partitions).many(
            "differences",
            DIFFERENCES,
            self.differences,
        )
    }
}

/// What no one has named yet may come: a venue names its symbols over hours. Everything else is a contradiction.
fn exit(compared: &Compared) -> Exit {
    let Compared { elsewhere, lacking, unnamed, twice, unknown } = compared;
    let agrees =
        elsewhere.is_empty() && lacking.is_empty() && twice.is_empty() && unknown.is_empty();
    match (agrees, unnamed.is_empty()) {
        (false, _) => Exit::NoGo,
        (true, false) => Exit::Degraded,
        (true, true) => Exit::Ok,
    }
}

/// Whether the venue has named a symbol in this place, in the session that its partition follows.
fn is_named(region: &Region, handle: Handle) -> bool {
    // Nothing whole could be had: not known to be.
    let Some(evidence) = region.evidence(handle) else { return false };
    let Some(word) = evidence.symbol else { return false };
    if word.epoch != evidence.partition.epoch {
        return false;
    }
    match word.reason() {
        Some(Reason::Unproven) => false,
        // The map in force and the wire contradict each other about it, which is said at both places, and which of
        // them the wire has named it in is what is asked: there a message has changed it.
        Some(Reason::Unmapped | Reason::WrongPartition) => match region.read(handle) {
            Read::Live(view) => view.book.seq != 0,
            Read::Stale { last, .. } => last.is_some_and(|view| view.book.seq != 0),
        },
        Some(_) => true,
        None => word.is_clear(),
    }
}

/// Whether the map in force has given a symbol away in the middle of a session and it is found where that has it and
/// no longer here: that it was named here before is no contradiction. One that has not left by the wire is no longer said
/// to have moved.
fn has_left(region: &Region, map: &Map, handle: Handle, symbol: &Symbol) -> bool {
    let elsewhere =
        |found: Handle| found.partition() != handle.partition() && !region.is_moved(found);
    region.is_moved(handle) && region.find(&map.venue, symbol).is_some_and(elsewhere)
}

fn partition(info: &PartitionInfo, named: u64, now: Mono) -> Row {
    Row::new()
        .with("partition", Value::text(info.spec.name))
        .with("status", Value::text(status_text(info.unhalted.reason())))
        .with("heard", Value::age(info.heard, now))
        .with("named", Value::Number(named))
}

/// A row for each kind of difference between two places.
fn rows(compared: &Compared) -> Vec<Row> {
    let Compared { elsewhere, lacking, unnamed, twice, unknown } = compared;
    let mut rows = Vec::new();
    let mut add = |kind, all: BTreeMap<(String, String), Vec<Symbol>>| {
        rows.extend(
            all.into_iter()
                .map(|((named, mapped), symbols)| row(kind, (&named, &mapped), &symbols)),
        );
    };
    let text = |name: &Name| name.to_string();
    let all = elsewhere.iter().map(|one| ((text(&one.named), text(&one.mapped)), one.symbol));
    add("elsewhere", by_place(all));
    let all = lacking.iter().map(|(symbol, named)| ((text(named), String::new()), *symbol));
    add("lacking", by_place(all));
    let each = |names: &[Name]| names.iter().map(text).collect::<Vec<_>>().join(" ");
    let all = twice.iter().map(|(symbol, names)| ((each(names), String::new()), *symbol));
    add("twice", by_place(all));
    let all = unnamed.iter().map(|(symbol, mapped)| ((String::new(), text(mapped)), *symbol));
    add("unnamed", by_place(all));
    rows.extend(unknown.iter().map(|name| row("unknown", (&text(name), ""), &[])));
    rows
}

fn by_place(
    all: impl Iterator<Item = ((String, String), Symbol)>,
) -> BTreeMap<(String, String), Vec<Symbol>> {
    let mut by_place: BTreeMap<_, Vec<Symbol>> = BTreeMap::new();
    all.for_each(|(place, symbol)| by_place.entry(place).or_default().push(symbol));
    by_place
}

fn row(kind: &str, (named, mapped): (&str, &str), symbols: &[Symbol]) -> Row {
    let text = |text: &str| if text.is_empty() { Value::Absent } else { Value::text(text) };
    let examples: Vec<&str> = symbols.iter().take(EXAMPLES).map(Symbol::as_str).collect();
    // Of a partition that the map lacks its symbols are in the other rows.
    let count = if kind == "unknown" { Value::Absent } else { Value::Number(symbols.len() as u64) };
    Row::new()
        .with("kind", Value::text(kind))
        .with("named_on", text(named))
        .with("mapped_to", text(mapped))
        .with("symbols", count)
        .with("examples", text(&examples.join(" ")))
}
