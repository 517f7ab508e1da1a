//! What every query needs: the region, the time, the symbol an operator means, and the exit code
//! that follows from what was found.

use std::path::{Path, PathBuf};

use candor_core::{Mono, Nanos, Reason, Symbol, Venue};
use candor_shm::{Handle, OpenError, PartitionInfo, Read, Region, clock};
use clap::Args;

use super::output::{Answer, Value};
use super::print;
use crate::clock::{Clock, timespec};
use crate::exit::{Exit, Failure};
use crate::halt::record::Place;
use crate::{config, control};

/// Which region.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct RegionArg {
    /// The region's file.
    #[arg(short, long, value_name = "PATH")]
    region: Option<PathBuf>,
    /// The handler's configuration, which names the region.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl RegionArg {
    /// The control socket of the region's handler.
    pub(super) fn control(&self) -> Result<PathBuf, Failure> {
        match (&self.region, &self.config) {
            (Some(path), _) => {
                let mut name = path.clone().into_os_string();
                name.push(control::ENDING);
                Ok(PathBuf::from(name))
            }
            (None, Some(file)) => Ok(config::load(file)?.handler.control),
            (None, None) => Err(Failure::usage("name a region: --region or --config")),
        }
    }

    /// The region's file.
    pub(super) fn path(&self) -> Result<PathBuf, Failure> {
        match (&self.region, &self.config) {
            (Some(path), _) => Ok(path.clone()),
            (None, Some(file)) => Ok(config::load(file)?.handler.region),
            (None, None) => Err(Failure::usage("name a region: --region or --config")),
        }
    }

    /// The configuration, where the region was named by one.
    pub(super) fn config(&self) -> Result<Option<config::Config>, Failure> {
        self.config.as_deref().map(config::load).transpose().map_err(Failure::from)
    }

    /// Attaches to the region.
    pub(super) fn open(&self) -> Result<Source, Failure> {
        Source::open(&self.path()?)
    }
}

/// An attached region and a clock.
pub(super) struct Source {
    pub(super) region: Region,
    path: PathBuf,
    clock: Clock,
    /// Why the path could not be opened again, as it was said last.
    refused: String,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Source, Failure> {
        let region = Region::open(path).map_err(refuse)?;
        let refused = String::new();
        Ok(Source { region, path: path.to_owned(), clock: Clock::new(), refused })
    }

    pub(super) fn now(&mut self) -> Mono {
        self.clock.now()
    }

    /// Waits, for displays that follow.
    pub(super) fn wait(&self, length: Nanos) {
        // An early return because of a signal only means an early look.
        let _ = rustix::thread::nanosleep(&timespec(length));
    }

    /// Attaches anew where another region has taken the place of this one. True when it did. What keeps
    /// it from doing so is said once, and once more where it was over in between: with no other word this
    /// would look like a handler that is gone.
    pub(super) fn follow(&mut self) -> bool {
        if self.region.is_current() {
            self.refused.clear();
            return false;
        }
        // Where the last region's file was removed, its successor begins with generation 1 as well: the
        // time they were made tells them apart, as it does for handles.
        let identity = |region: &Region| (region.generation(), region.info().created);
        match Region::open(&self.path) {
            Ok(region) if identity(&region) != identity(&self.region) => {
                self.region = region;
                self.refused.clear();
                true
            }
            Ok(_) => {
                self.refused.clear();
                false
            }
            Err(error) => {
                let why = error.to_string();
                if self.refused != why {
                    print::error(&why);
                    self.refused = why;
                }
                false
            }
        }
    }

    /// Where it is recorded what is halted, by whom and why.
    pub(super) fn halts(&self) -> Place {
        Place::of(self.region.info().state_folder.as_deref(), &self.path)
    }

    /// The partitions, each as of when it is looked at.
    pub(super) fn partitions(&self) -> Vec<PartitionInfo> {
        self.region.partitions_when(clock::now).collect()
    }

    /// The trading date of the maps in force; where venues have several, each venue's.
    pub(super) fn dates(&self) -> String {
        let mut dates: Vec<_> =
            self.partitions().iter().map(|p| (p.spec.venue, p.trading_date)).collect();
        dates.sort_unstable();
        dates.dedup();
        match &dates[..] {
            [] => self.region.trading_date().to_string(),
            [(_, first), rest @ ..] if rest.iter().all(|(_, date)| date == first) => {
                first.to_string()
            }
            _ => {
                let each = dates.iter().map(|(venue, date)| format!("{venue} {date}"));
                each.collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// A partition as it is now; `None` when there is no such partition.
    pub(super) fn partition(&self, index: u16) -> Option<PartitionInfo> {
        self.region.partition_when(index, clock::now)
    }

    /// What is to be said of the handler; `None` where nothing is.
    pub(super) fn handler(&self) -> Option<Reason> {
        let look = || self.region.handler_status_when(clock::now).reason();
        match look() {
            // A reader that is suspended between the lease and the clock sees a lease that ran out
            // meanwhile. No query ends for that: whoever is gone is gone at the second look too.
            Some(Reason::WriterGone) => look(),
            reason => reason,
        }
    }

    /// The symbol an operator means by `AAPL` or `XNAS:AAPL`.
    ///
    /// # Errors
    /// Exit 64 for what can't be a symbol, or is one of several venues; 3 for one no partition has.
    pub(super) fn find(&self, text: &str) -> Result<Found, Failure> {
        let (venue, name) = match text.split_once(':') {
            Some((venue, name)) => (Some(venue), name),
            None => (None, text),
        };
        let symbol = Symbol::from_wire(name.as_bytes()).ok_or_else(|| {
            Failure::usage(format!("`{text}` is no symbol: SYMBOL or VENUE:SYMBOL"))
        })?;
        let mut venues: Vec<Venue> = self.partitions().iter().map(|p| p.spec.venue).collect();
        venues.sort_unstable();
        venues.dedup();
        if let Some(wanted) = venue {
            venues.retain(|venue| venue.as_str() == wanted);
            if venues.is_empty() {
                return Err(Failure::new(Exit::Unknown, format!("no partition of venue {wanted}")));
            }
        }
        let found = |venue: Venue| {
            Some(Found { venue, symbol, handle: self.region.find(&venue, &symbol)? })
        };
        let mut all: Vec<Found> = venues.into_iter().filter_map(found).collect();
        match all.len() {
            0 => Err(Failure::new(Exit::Unknown, unmapped(text))),
            1 => Ok(all.remove(0)),
            _ => {
                let names: Vec<String> = all.iter().map(Found::name).collect();
                Err(Failure::usage(format!("`{text}` is in several venues: {}", names.join(", "))))
            }
        }
    }
}

fn unmapped(text: &str) -> String {
    let reason = Reason::Unmapped;
    format!("{text}: Stale({reason}): {}", reason.text())
}

pub(super) fn refuse(error: OpenError) -> Failure {
    let exit = match &error {
        // What an earlier boot left behind has no handler any more, whatever its leases say.
        OpenError::Missing { .. } | OpenError::EarlierBoot { .. } => Exit::Unknown,
        OpenError::NotPermitted { .. } | OpenError::NotOurs { .. } => Exit::Privilege,
        OpenError::System { .. } | OpenError::NoClock { .. } => Exit::Host,
        _ => Exit::Config,
    };
    Failure::new(exit, error.to_string())
}

/// A symbol of the region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) venue: Venue,
    pub(super) symbol: Symbol,
    pub(super) handle: Handle,
}

impl Found {
    /// The symbol with its venue.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.venue, self.symbol)
    }
}

/// The exit code for what a query found: the handler gone is 3, anything stale 1.
pub(super) fn exit_of(handler: Option<Reason>, all_live: bool) -> Exit {
    match handler {
        Some(Reason::WriterGone) => Exit::Unknown,
        Some(_) => Exit::Degraded,
        None if all_live => Exit::Ok,
        None => Exit::Degraded,
    }
}

/// A status in one word; for a stale one with its reason.
pub(super) fn status_text(reason: Option<Reason>) -> String {
    reason.map_or("Live".to_owned(), |reason| format!("Stale({reason})"))
}

/// The reason in a sentence, absent for what is live.
pub(super) fn reason_text(reason: Option<Reason>) -> Value {
    reason.map_or(Value::Absent, |reason| Value::text(reason.text()))
}

/// Prints an answer, says so where the handler is gone, and gives the exit code.
///
/// # Errors
/// Exit 71 where the answer can't be written.
pub(super) fn finish(
    source: &Source,
    answer: &Answer,
    output: super::Output,
    all_live: bool,
) -> Result<Exit, Failure> {
    answer.print(output)?;
    let handler = source.handler();
    say_gone(source, handler);
    Ok(exit_of(handler, all_live))
}

/// One line on standard error where nobody writes the region any more.
pub(super) fn say_gone(source: &Source, handler: Option<Reason>) {
    if handler == Some(Reason::WriterGone) {
        let name = source.region.info().handler;
        print::error(&format!("{name}: the handler is gone or hangs; this is what it left behind"));
    }
}

/// Why a read may not be used, `None` where it may; and since when.
pub(super) fn verdict(read: &Read) -> (Option<Reason>, Mono) {
    match read {
        Read::Live(view) => (None, view.since),
        Read::Stale { reason, since, .. } => (Some(*reason), *since),
    }
}

#[cfg(test)]
mod tests {
    use candor_core::symbol::Text;
    use candor_shm::{PartitionSpec, RegionSpec};

    use super::*;

    #[test]
    fn what_keeps_a_display_from_following_is_said_again_when_it_comes_again() {
        let path = std::env::temp_dir().join(format!("candor-follow-{}", std::process::id()));
        let away = path.with_extension("away");
        let mut spec = RegionSpec::new(Text::from_wire(b"follow").expect("short"));
        spec.trading_date = candor_core::TradingDate(20_261_123);
        spec.lanes = 1;
        spec.process_lease = Nanos::from_secs(10);
        spec.partitions = vec![PartitionSpec {
            venue: Text::from_wire(b"XNAS").expect("short"),
            name: Text::from_wire(b"1").expect("short"),
            feed: Text::from_wire(b"nasdaq-itch50").expect("short"),
            lane: 0,
            symbols: 1,
            silence: Nanos::from_secs(3),
            decimals: candor_core::Decimals(4),
            lines: [None; candor_core::limits::LINES],
        }];
        let made = candor_shm::create(&path, &spec).expect("a sound region");
        let mut source = Source::open(&path).expect("it is there");
        assert!(!source.follow() && source.refused.is_empty());
        for _ in 0..2 {
            std::fs::rename(&path, &away).expect("it can be moved");
            assert!(!source.follow());
            assert!(!source.refused.is_empty(), "there is none, which is said");
            std::fs::rename(&away, &path).expect("and moved back");
            assert!(!source.follow());
            assert!(source.refused.is_empty(), "that it was is over");
        }
        drop(made);
        for left in [path.clone(), path.with_extension("lock")] {
            let _ = std::fs::remove_file(left);
        }
    }
}
