//! `candor why`.

use std::path::Path;

use candor_core::{Mono, Reason};
use candor_journal::chain::Chain;
use candor_journal::{Place, partition_name};
use candor_shm::{Evidence, PartitionInfo, Region, Word};
use clap::Args;

use super::output::{Answer, Row, Value};
use super::region::{Found, RegionArg, Source, finish, reason_text, status_text, verdict};
use super::{Output, OutputArg, journal, print, recovery};
use crate::exit::{Exit, Failure};
use crate::halt::Target;
use crate::halt::record::Record;

const JOURNAL: &[&str] = &["number", "at", "kind", "about", "what"];
const CHAIN: &[&str] = &["term", "holds", "evidence", "otherwise"];

/// Explains a symbol's status: every term of the verdict with its evidence, the reason that stands
/// first, and what to do; behind that what the journal has about it since it was Live, oldest first. Exits 0 when the symbol is live, 1 when it is stale, 3 when nobody knows it
/// or the handler is gone.
#[derive(Debug, Args)]
pub(super) struct Why {
    /// SYMBOL, or VENUE:SYMBOL.
    symbol: String,
    #[command(flatten)]
    region: RegionArg,
    #[command(flatten)]
    output: OutputArg,
}

impl Why {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut source = self.region.open()?;
        let found = match source.find(&self.symbol) {
            Err(failure) if failure.exit == Exit::Unknown && self.output.output == Output::Json => {
                nowhere(&self.symbol).print(Output::Json)?;
                return Err(failure);
            }
            found => found?,
        };
        // Read before the evidence is looked at, so that the chain is never younger than a "Live".
        let (reason, since) = verdict(&source.region.read(found.handle));
        let now = source.now();
        let gone = || Failure::new(Exit::Unknown, format!("{}: no longer there", found.name()));
        let evidence = source.region.evidence(found.handle).ok_or_else(gone)?;
        let partition = source.partition(found.handle.partition()).ok_or_else(gone)?;
        let answer = Answer::new()
            .one("verdict", verdict_row(&found, &partition, reason, since, now))
            .many("chain", CHAIN, chain(&source, &found, &evidence, &partition, now))
            .many("journal", JOURNAL, behind(&self.region.journal(&source)?, &found, &partition));
        finish(&source, &answer, self.output.output, reason.is_none())
    }
}

/// The answer for a symbol of no partition: for a program the same fields as any other.
fn nowhere(symbol: &str) -> Answer {
    let reason = Reason::Unmapped;
    let row = Row::new()
        .with("symbol", Value::text(symbol))
        .with("partition", Value::Absent)
        .with("status", Value::text(status_text(Some(reason))))
        .with("since", Value::Age(None))
        .with("why", reason_text(Some(reason)))
        .with("recovery", Value::Absent)
        .with("to_do", Value::text(advice(reason)));
    Answer::new().one("verdict", row).many("chain", CHAIN, Vec::new()).many(
        "journal",
        JOURNAL,
        Vec::new(),
    )
}

/// What the journal has about a symbol since it was Live; why there is nothing, where that is so. A journal is
/// no part of the verdict, and takes nothing away from it.
fn behind(folder: &Path, found: &Found, partition: &PartitionInfo) -> Vec<Row> {
    let name = partition_name(partition.spec.venue.as_str(), partition.spec.name.as_str());
    let place = Place { partition: name, symbol: found.symbol.to_string() };
    let mut chain = Chain::new(place);
    let read = journal::newest(folder, |record| {
        chain.take(record);
        Ok(true)
    });
    if let Err(failure) = read {
        // A region without a handler has none.
        if failure.exit != Exit::Unknown {
            print::error(&failure.to_string());
        }
        return Vec::new();
    }
    let behind = chain.behind();
    if behind.left_out > 0 {
        let number = behind.left_out;
        print::error(&format!("{number} records in the middle are left out: `candor journal`"));
    }
    behind.records.iter().map(journal::row).collect()
}

fn verdict_row(
    found: &Found,
    partition: &PartitionInfo,
    reason: Option<Reason>,
    since: Mono,
    now: Mono,
) -> Row {
    Row::new()
        .with("symbol", Value::text(found.name()))
        .with("partition", Value::text(partition.spec.name))
        .with("status", Value::text(status_text(reason)))
        .with("since", Value::age(since, now))
        .with("why", reason_text(reason))
        .with("recovery", recovery::step(partition).map_or(Value::Absent, Value::Text))
        .with("to_do", reason.map_or(Value::Absent, |reason| Value::text(advice(reason))))
}

/// One link of the chain. `holds` is `None` for a term that was not asked.
fn link(
    term: &str,
    holds: impl Into<Option<bool>>,
    evidence: String,
    otherwise: Option<Reason>,
) -> Row {
    let holds = holds.into();
    let stands = otherwise.filter(|_| holds == Some(false));
    let holds = holds.map_or("not asked", |holds| if holds { "yes" } else { "no" });
    Row::new()
        .with("term", Value::text(term))
        .with("holds", Value::text(holds))
        .with("evidence", Value::Text(evidence))
        .with("otherwise", Value::text(stands.map_or("-".to_owned(), |r| status_text(Some(r)))))
}

fn chain(
    source: &Source,
    found: &Found,
    evidence: &Evidence,
    partition: &PartitionInfo,
    now: Mono,
) -> Vec<Row> {
    let region = &source.region;
    let (retired, in_use) = (region.retired(), in_use(region, now));
    let mode = region.lanes(now).nth(usize::from(evidence.lane)).map(|lane| lane.mode.to_string());
    let mode =
        mode.filter(|mode| !mode.is_empty()).map_or(String::new(), |mode| format!(" ({mode})"));
    let lane = format!("lane {}{mode}: {}", evidence.lane, lease(evidence.lane_lease, now));
    let numbers = partition.numbers.map_or("numbers unknown".to_owned(), |(session, next, end)| {
        let missing = end.distance_from(next);
        format!("session {session}, next {next}, {missing} known and not applied")
    });
    let spec = &partition.spec;
    let said = format!(
        "{} {}: {}, epoch {}, {numbers}",
        spec.venue,
        spec.name,
        word(evidence.partition, now),
        evidence.partition.epoch
    );
    let heard = match partition.heard {
        Mono::NEVER => "no packet heard".to_owned(),
        at => format!("last packet {} ago", now.since(at)),
    };
    let vouched =
        format!("{}; {heard}; silent after {}", lease(evidence.partition_lease, now), spec.silence);
    // A partition that gives a reason itself gets no lease: its last packet tells whether it is
    // silent besides.
    let own = evidence.partition.reason();
    let (vouches, silent) = match (own, partition.status.reason()) {
        (None, _) if evidence.partition_lease == Mono::NEVER => {
            (Some(false), Some(Reason::NotStarted))
        }
        (None, _) => (Some(evidence.partition_lease > now), Some(Reason::Silent)),
        (Some(_), Some(Reason::Silent)) => (Some(false), Some(Reason::Silent)),
        (Some(_), _) => (None, None),
    };
    vec![
        link("region in use", retired.is_none(), in_use, Some(Reason::WriterGone)),
        link(
            "handler's word",
            evidence.handler.is_clear(),
            word(evidence.handler, now),
            evidence.handler.reason(),
        ),
        kill_switch(source, evidence, found, now),
        link("lane's lease", evidence.lane_lease > now, lane, Some(Reason::WriterGone)),
        link("partition's word", evidence.partition.is_clear(), said, evidence.partition.reason()),
        link("partition's lease", vouches, vouched, silent),
        slot(evidence, now),
        link(
            "name in one partition",
            !evidence.contested,
            if evidence.contested {
                "another partition of the venue has it too"
            } else {
                "only here"
            }
            .to_owned(),
            Some(Reason::WrongPartition),
        ),
    ]
}

/// Which region it is, and whether it still is.
fn in_use(region: &Region, now: Mono) -> String {
    let generation = region.info().generation;
    match region.retired() {
        None if region.is_current() => format!("generation {generation}, in use"),
        None => format!("generation {generation}, no longer at its path"),
        Some(at) => format!("generation {generation}, given up {} ago", now.since(at)),
    }
}

/// The words of the kill switch that cover the symbol, with who and why where that is recorded.
fn kill_switch(source: &Source, evidence: &Evidence, found: &Found, now: Mono) -> Row {
    let words = [
        ("everything", evidence.all_halted),
        ("the partition", evidence.partition_halted),
        ("the symbol", evidence.symbol_halted),
    ];
    let set: Vec<String> = words
        .iter()
        .filter(|(_, since)| *since != Mono::NEVER)
        .map(|(what, since)| format!("{what} for {}", now.since(*since)))
        .collect();
    if set.is_empty() {
        return link("not halted", true, "no kill switch is set".to_owned(), None);
    }
    let records = source.halts().read().unwrap_or_default();
    let symbol = Target::Symbol(found.venue, found.symbol);
    let partition = source.partition(found.handle.partition());
    let partition = partition.map(|own| Target::Partition(own.spec.venue, own.spec.name));
    let own = |record: &&Record| {
        symbol.is_within(&record.target)
            || partition.is_some_and(|partition| partition.is_within(&record.target))
    };
    let why = records.iter().filter(own).map(|record| {
        let by = record.by.as_ref().map_or("unknown", |by| &by.name);
        format!("; {} by {by}: {}", record.target, record.reason)
    });
    let evidence = format!("halted: {}{}", set.join(", "), why.collect::<String>());
    link("not halted", false, evidence, Some(Reason::Halted))
}

fn slot(evidence: &Evidence, now: Mono) -> Row {
    let term = "symbol's word";
    match evidence.symbol {
        None => link(
            term,
            false,
            "being written, or left in the middle".to_owned(),
            Some(Reason::Lapped),
        ),
        Some(word) if word.code == 0 => {
            link(term, false, "never published".to_owned(), Some(Reason::Unproven))
        }
        Some(own) if own.epoch != evidence.partition.epoch => link(
            term,
            false,
            format!("epoch {}: of an earlier session; {}", own.epoch, word(own, now)),
            Some(Reason::Unproven),
        ),
        Some(own) => link(
            term,
            own.is_clear(),
            format!("{}, epoch {}", word(own, now), own.epoch),
            own.reason(),
        ),
    }
}

fn word(word: Word, now: Mono) -> String {
    let since = match word.since {
        Mono::NEVER => "from the beginning".to_owned(),
        since => format!("for {}", now.since(since)),
    };
    match word.reason() {
        Some(reason) => format!("says {reason}, {since}"),
        None if word.is_clear() => format!("nothing against it, {since}"),
        None => "nothing written".to_owned(),
    }
}

fn lease(until: Mono, now: Mono) -> String {
    match until {
        Mono::NEVER => "no lease yet".to_owned(),
        until if until > now => format!("{} left", until.since(now)),
        until => format!("ran out {} ago", now.since(until)),
    }
}

/// What an operator does about it.
fn advice(reason: Reason) -> &'static str {
    match reason {
        Reason::WriterGone => {
            "look whether the handler runs and its lanes make progress; start it again if not"
        }
        Reason::Halted => {
            "`candor status` says who halted it and why; `candor resume` ends it, with a second person"
        }
        Reason::NoMap => "give the handler a valid map for today and start it again",
        Reason::NotAttested => {
            "candor attest verify --running says what differs from the signed manifest"
        }
        Reason::Unsubscribed => {
            "`candor subscribe VENUE PARTITION`; for good, `subscribe = true` in the configuration"
        }
        Reason::NotStarted => {
            "wait for the venue's first packet; if it should be there, `candor doctor` and the switch"
        }
        Reason::Silent => {
            "look at both lines: cable, switch, joins (`candor doctor`), the venue's notices"
        }
        Reason::Ended => "nothing: the venue has ended the session",
        Reason::Gap => {
            "`candor loss` shows the numbers; the venue's services heal it where they are configured, a \
             new session where not"
        }
        Reason::Recovering => {
            "wait for the snapshot; without a snapshot service the books are whole after the next \
             session's start"
        }
        Reason::SessionChanged => {
            "nothing, if the venue announced it: symbols come back as they are named. Where a line still \
             carries another session since the handler's start (the log names it), have its publisher \
             stopped, or configure the line's `source`"
        }
        Reason::LinesDiffer => "ask the venue which line is right; unsubscribe the other",
        Reason::Late => "look at the lane: its core, stalls and dropped frames (`candor status`)",
        Reason::Quarantined => {
            "the venue's packets are not what its specification says: `candor counters` has how; \
             compare versions"
        }
        Reason::Unmapped => "look whether the venue has added a partition (`candor unmapped`)",
        Reason::WrongPartition => {
            "compare the configuration's symbols with the venue's partitions of today"
        }
        Reason::Unproven => {
            "nothing on the partition has named it this session; check the venue's symbol list"
        }
        Reason::SymbolRecovering => "wait: its book is being rebuilt",
        Reason::SymbolQuarantined => {
            "its book broke the venue's rules, by `candor counters`; a snapshot heals it where there is a service, else the \
             next session"
        }
        Reason::Lapped => "read again; if it stays, the handler stopped in the middle of a write",
    }
}
