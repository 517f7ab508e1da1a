//! `candor halt`: takes Live away from a target, and returns with the proof.

use std::path::Path;

use candor_core::{Mono, Nanos, Reason};
use candor_shm::{Halt as Word, KillSwitch, OpenError, Region, clock};
use clap::Args;
use serde_json::Value as Json;

use super::output::{Answer, Row, Value};
use super::region::{RegionArg, Source, say_gone};
use super::{OutputArg, print};
use crate::control::{self, client};
use crate::exit::{Exit, Failure};
use crate::halt::record::{Place, Record};
use crate::halt::{Target, act, checked_reason, live, live_but_for, users};

/// How long is waited for readers to see it: it is the time of a store and a few loads.
const PROVEN_WITHIN: Nanos = Nanos::from_secs(1);

/// Regions that may take each other's place while one of them is being halted.
const REGIONS: usize = 4;

/// The kill switch: nothing of TARGET is Live for any reader from now on, until `candor resume`, also
/// while the handler hangs, and when it is started anew. Writes the region's own words where this user
/// may (its owner, and root), else asks the handler. Exits 0 when no read of TARGET is Live any more, 3
/// when that is so and the handler is gone or hangs, 64 for an unknown target, 71 when it is halted and
/// could not be recorded, 77 when this user may neither write nor ask.
#[derive(Debug, Args)]
pub(super) struct Halt {
    /// all, VENUE (all of its partitions), VENUE/PARTITION, SYMBOL or VENUE:SYMBOL.
    target: String,
    /// Why, in a line: shown to whoever meets the halt.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    region: RegionArg,
    #[command(flatten)]
    output: OutputArg,
}

/// How a target was halted.
struct Done {
    way: &'static str,
    changed: bool,
    recorded: Result<String, Failure>,
    /// How many symbols were Live but for it, and how many there are.
    before: (u64, u64),
}

impl Halt {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let began = clock::now();
        let reason = checked_reason(&self.reason)?;
        let path = self.region.path()?;
        let source = match self.region.open() {
            Ok(source) => source,
            Err(failure) => match self.without_region(reason, failure)? {
                Some(source) => source,
                None => return Ok(Exit::Unknown),
            },
        };
        let target = Target::find(&self.target, &source.region)?;
        let words = target.words(&source.region);
        let mut done = self.halt(&path, &source.region, &target, &words, reason)?;
        let (before, symbols) = done.before;
        let (source, after, proven) = self.prove(source, &path, &target, reason, &mut done)?;
        let handler = source.handler();
        let row = Row::new()
            .with("target", Value::text(target))
            .with("covers", Value::Text(covers(&target, &words)))
            .with("symbols", Value::Number(symbols))
            .with("live_before", Value::Number(before))
            .with("live_after", Value::Number(after))
            .with("took", Value::Length(Some(proven.since(began))))
            .with("changed", Value::text(if done.changed { "yes" } else { "no, it was halted" }))
            .with("written_by", Value::text(done.way))
            .with(
                "recorded",
                match &done.recorded {
                    Ok(how) => Value::text(how),
                    Err(failure) => Value::Text(format!("no: {failure}")),
                },
            )
            .with("handler", Value::text(super::region::status_text(handler)));
        Answer::new().one("halt", row).print(self.output.output)?;
        say_gone(&source, handler);
        if after > 0 {
            return Err(Failure::new(
                Exit::Degraded,
                format!("{after} symbols of {target} still read Live: stop the handler"),
            ));
        }
        if let Err(failure) = done.recorded {
            let message = format!("{target} is halted, and that is not recorded: {failure}");
            return Err(Failure::new(Exit::Host, message));
        }
        Ok(if handler == Some(Reason::WriterGone) { Exit::Unknown } else { Exit::Ok })
    }

    /// Stores the words before anything else, counts what that took away, and then writes the record;
    /// asks the handler where this user may not. However many symbols there are and however slow the disk
    /// is, nobody reads Live meanwhile.
    fn halt(
        &self,
        path: &Path,
        region: &Region,
        target: &Target,
        words: &[Word],
        reason: &str,
    ) -> Result<Done, Failure> {
        let place = Place::of(region.info().state_folder.as_deref(), path);
        // A word's time is that of its store: what was halted before this is no doing of ours.
        let told = clock::now();
        match KillSwitch::open(path) {
            Ok(switch) => {
                let changed = act::halt(&switch, words, clock::now());
                let before = live_but_for(region, words, told);
                let by = users::runs();
                let since = crate::clock::wall();
                let recorded = act::record(&switch, &place, region, target, (&by, reason), since);
                Ok(Done {
                    way: "this process",
                    changed,
                    recorded: recorded.map(|new| said(new, &place)),
                    before,
                })
            }
            Err(refused @ (OpenError::NotOurs { .. } | OpenError::NotPermitted { .. })) => {
                let socket = self.region.control()?;
                let (changed, recorded) = ask(&socket, target, reason).map_err(|failure| {
                    Failure::privilege(format!("{refused}; nor does its handler do it: {failure}"))
                })?;
                let before = live_but_for(region, words, told);
                Ok(Done { way: "the handler, which was asked", changed, recorded, before })
            }
            Err(other) => Err(super::region::refuse(other)),
        }
    }

    /// Reads the target as a subscriber does until nothing of it is Live, in the region that is at the
    /// path by then: a handler that was starting meanwhile has replaced the first one.
    fn prove(
        &self,
        mut source: Source,
        path: &Path,
        target: &Target,
        reason: &str,
        done: &mut Done,
    ) -> Result<(Source, u64, Mono), Failure> {
        let mut after = 0;
        for _ in 0..REGIONS {
            let words = target.words(&source.region);
            let until = clock::now() + PROVEN_WITHIN;
            // BOUND: until then.
            loop {
                after = live(&source.region, &words).0;
                if after == 0 || clock::now() > until {
                    break;
                }
            }
            let proven = clock::now();
            if !source.follow() {
                return Ok((source, after, proven));
            }
            let words = target.words(&source.region);
            // What was Live before is what was in the first one.
            let before = done.before;
            *done = Done { before, ..self.halt(path, &source.region, target, &words, reason)? };
        }
        Ok((source, after, clock::now()))
    }

    /// There is nothing to halt: the next handler is to begin halted. The region, where one has come
    /// meanwhile: its handler may have read the record before this was in it.
    fn without_region(&self, reason: &str, failure: Failure) -> Result<Option<Source>, Failure> {
        let Some(config) = self.region.config()? else { return Err(failure) };
        if failure.exit != Exit::Unknown {
            return Err(failure);
        }
        let target = Target::find_configured(&self.target, &config)?;
        let place = Place::of(config.handler.state.as_deref(), &config.handler.region);
        let record = Record {
            target,
            since: crate::clock::wall(),
            by: Some(users::runs()),
            reason: reason.to_owned(),
        };
        let new = place.lock()?.add(record)?;
        if let Ok(source) = self.region.open() {
            return Ok(Some(source));
        }
        let row = Row::new()
            .with("target", Value::text(target))
            .with("changed", Value::text(if new { "yes" } else { "no, it was halted" }))
            .with("recorded", Value::text(said(new, &place)))
            .with("handler", Value::text("none"));
        Answer::new().one("halt", row).print(self.output.output)?;
        print::error(&format!("{failure}; the next start begins with {target} halted"));
        Ok(None)
    }
}

fn said(new: bool, place: &Place) -> String {
    let path = place.path().display();
    if new { path.to_string() } else { format!("{path}, since before") }
}

/// What the words cover, said as such.
fn covers(target: &Target, words: &[Word]) -> String {
    match target {
        Target::All => "the whole handler".to_owned(),
        Target::Venue(venue) => format!("all {} partitions of {venue}", words.len()),
        Target::Partition(..) => "one partition".to_owned(),
        Target::Symbol(..) if words.len() > 1 => {
            format!("one symbol, in {} partitions", words.len())
        }
        Target::Symbol(..) => "one symbol".to_owned(),
    }
}

/// Has the handler do it. Whether that changed anything, and how it was recorded.
fn ask(
    socket: &Path,
    target: &Target,
    reason: &str,
) -> Result<(bool, Result<String, Failure>), Failure> {
    let answer = client::ask(socket, control::Command::Halt, &format!("{target}\t{reason}"))?;
    let recorded = match (&answer["recorded"], &answer["unrecorded"]) {
        (Json::String(how), _) => Ok(how.clone()),
        (_, why) => Err(Failure::host(why.as_str().unwrap_or("the handler does not say why"))),
    };
    Ok((answer["changed"] == true, recorded))
}
