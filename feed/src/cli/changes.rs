//! `candor changes`.

use candor_journal::Place;
use candor_journal::changes::{Changes, Ranked, Ranking, Stale, Window};
use clap::Args;

use super::OutputArg;
use super::journal::{JournalArg, each, moment};
use super::output::{Answer, Row, Value};
use crate::clock;
use crate::exit::{Exit, Failure};

const STALE: &[&str] = &["number", "at", "partition", "became", "symbols"];
const CHANGES: &[&str] =
    &["rank", "overlap", "went_stale", "about", "number", "at", "kind", "what"];

/// Lists what changed since a time, ranked by how much it overlaps with what went stale, by the journal.
///
/// The overlap of a change is the share of symbols that both went stale from it on and are what it is about,
/// among those that are one or the other: 100 % for a change that is about exactly what went stale. Of equal
/// ones the nearest in time comes first. Exits 0; 3 where nothing changed, or the journal does not name the
/// symbol; 78 where the journal's chain is broken.
#[derive(Debug, Args)]
pub(super) struct ChangesQuery {
    /// From this time on: 2026-11-23T09:30:00Z, or how long ago: 90s, 10m, 2h, 3d.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: u64,
    /// To this time.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<u64>,
    /// What is about this symbol: SYMBOL, or VENUE:SYMBOL.
    #[arg(short, long, value_name = "SYMBOL")]
    symbol: Option<String>,
    #[command(flatten)]
    journal: JournalArg,
    #[command(flatten)]
    output: OutputArg,
}

impl ChangesQuery {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let until = self.until.unwrap_or(u64::MAX);
        if until < self.since {
            return Err(Failure::usage("--until is before --since"));
        }
        let mut changes = Changes::new(Window { since: self.since, until });
        let whole = each(&self.journal.folder()?, |record| {
            changes.take(record);
            Ok(true)
        })?;
        let only = self.symbol.as_deref().map(|symbol| places(&changes, symbol)).transpose()?;
        let ranking = changes.rank(only.as_deref());
        answer(&ranking).print(self.output.output)?;
        Ok(match (whole, ranking.changes.is_empty()) {
            (false, _) => Exit::Config,
            (true, true) => Exit::Unknown,
            (true, false) => Exit::Ok,
        })
    }
}

/// The symbol that an operator means, on every partition of its venue that it was on: maps move symbols.
fn places(changes: &Changes, symbol: &str) -> Result<Vec<Place>, Failure> {
    let places = changes.places(symbol);
    let mut venues: Vec<&str> = places.iter().map(Place::venue).collect();
    venues.dedup();
    match venues[..] {
        [] => Err(Failure::new(Exit::Unknown, format!("the journal names no symbol `{symbol}`"))),
        [_] => Ok(places),
        _ => {
            let names: Vec<String> =
                venues.iter().map(|venue| format!("{venue}:{symbol}")).collect();
            Err(Failure::usage(format!("`{symbol}` is in several venues: {}", names.join(", "))))
        }
    }
}

fn answer(ranking: &Ranking) -> Answer {
    let changes = (1..).zip(&ranking.changes).map(|(rank, change)| changed(rank, change));
    Answer::new().many("changes", CHANGES, changes.collect()).many(
        "stale",
        STALE,
        ranking.stale.iter().map(stale).collect(),
    )
}

fn changed(rank: u64, change: &Ranked) -> Row {
    Row::new()
        .with("rank", Value::Number(rank))
        .with("overlap", Value::share(change.shared, change.either))
        .with("went_stale", Value::Number(change.shared))
        .with("about", Value::Number(change.about))
        .with("number", Value::Number(change.number))
        .with("at", Value::text(clock::display(change.stamp.wall)))
        .with("kind", Value::text(&change.kind))
        .with("what", Value::text(&change.what))
}

fn stale(stale: &Stale) -> Row {
    Row::new()
        .with("number", Value::Number(stale.number))
        .with("at", Value::text(clock::display(stale.stamp.wall)))
        .with("partition", Value::text(&stale.partition))
        .with("became", Value::text(&stale.reason))
        .with("symbols", Value::Number(stale.symbols))
}
