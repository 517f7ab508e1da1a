//! Go or no-go before the open: what `candor preopen` answers, what `candor resume` asks, and what the handler
//! asks itself at the milestone `preopen`.
//!
//! The map is the store's of today and not the handler's own, so that a handler that has another one is found.
//! Nothing here changes anything.
//!
//! | file | what |
//! | --- | --- |
//! | `maps.rs` | the map of today, its difference acknowledged, and the same configuration |
//! | `drill.rs` | the result of a drill: there, signed, passed, and of what runs |
//! | `lately.rs` | what the handler itself answers a resume by |
//! | `metric.rs` | an answer as a metric |
//! | `host.rs` | mode, clock, links, cores, disk, memory |
//! | `candor_preopen` | everything that the region shows |

mod drill;
mod host;
pub(crate) mod lately;
mod maps;
pub mod metric;

use candor_core::{Mono, Nanos, Venue};
use candor_preopen::{Asked, Check, Report, Sample, Verdict, Wanted};
use candor_shm::{Endpoint, Region, clock};

use crate::clock::{self as host_clock, timespec};
use crate::config::{Config, LISTEN_MAX, Partition, SourceKind};

/// How often it is looked whether every line has been heard.
const LOOK_EVERY: Nanos = Nanos::from_millis(50);

/// Of what it is asked.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    /// Of everything.
    All,
    /// Of one venue, and what its data needs of the host.
    Venue(Venue),
    /// Of what is to be resumed, by the numbers of its partitions in the region: whether something is halted, or
    /// comes that no map names, is no matter of theirs.
    Halted(&'a [u16]),
}

/// Looks at everything. It listens to the lines for as long as `[preopen]` says, and no longer than it takes
/// to hear each of them.
#[must_use]
pub fn look(config: &Config, region: &Region, of: Of<'_>) -> Report {
    let day = maps::look(config, region, host_clock::wall());
    let wanted = wanted(&day, region, of);
    let before = listened(config, region, &wanted);
    // Another map may have come in force meanwhile: its partitions are not those that were listened to.
    judge_since(config, region, of, (&wanted, &before), (host_clock::wall(), &clock::now))
}

/// As [`look`], at once: what was heard counts since `before`, and what time it is is told.
#[cfg(test)]
pub(crate) fn since(
    config: &Config,
    region: &Region,
    of: Of<'_>,
    before: &Sample,
    times: (u64, &dyn Fn() -> Mono),
) -> Report {
    let wanted = wanted(&maps::look(config, region, times.0), region, of);
    judge_since(config, region, of, (&wanted, before), times)
}

/// Judges these partitions by what was heard of them since a sample.
fn judge_since(
    config: &Config,
    region: &Region,
    of: Of<'_>,
    (wanted, before): (&[Wanted], &Sample),
    (wall, now): (u64, &dyn Fn() -> Mono),
) -> Report {
    let asked = asked(config, wanted, before);
    let day = maps::look(config, region, wall);
    let mut host = host::look(&day.config);
    // A halt in the middle of the day ends by what is so then.
    if !matches!(of, Of::Halted(_)) {
        host.insert(0, drill::look(config, Some(region), &day, of));
    }
    judge((region, now), &asked, &day, host, of)
}

/// As [`look`], at once and without touching a disk, by the maps in force in the region: for the handler's
/// own thread. `config` is the handler's own, and what was heard counts since `before`.
#[must_use]
pub(crate) fn at_once(config: &Config, region: &Region, of: Of<'_>, before: &Sample) -> Report {
    let day = maps::in_force(config, region, host_clock::wall());
    let wanted = wanted(&day, region, of);
    let asked = asked(config, &wanted, before);
    judge((region, &clock::now), &asked, &day, vec![host::wall_clock(config)], of)
}

/// What is known where there is no region to look at.
#[must_use]
pub fn without(config: &Config, why: &str) -> Report {
    let evidence = format!("there is no region to look at: {why}");
    let to_do = "candor run; candor status";
    let mut checks = vec![Check::not(Verdict::Unknown, "handler", "", evidence, to_do)];
    let day = maps::of_store(config, host_clock::wall());
    checks.push(drill::look(config, None, &day, Of::All));
    checks.extend(day.checks);
    checks.extend(host::look(&day.config));
    Report { checks }
}

/// What had been heard before: every line has been since, or the time for it is over.
fn listened(config: &Config, region: &Region, wanted: &[Wanted]) -> Sample {
    let before = Sample::take(region, &clock::now);
    let asked = asked(config, wanted, &before);
    let longest = config.partitions.iter().map(|one| one.silence);
    let longest = longest.chain(config.mapped.iter().map(|one| one.silence)).max();
    let otherwise = longest.unwrap_or(Nanos::ZERO).min(LISTEN_MAX);
    let until = before.at + config.preopen.listen.unwrap_or(otherwise);
    // BOUND: until then.
    while clock::now() < until && !candor_preopen::heard(region, &clock::now, &asked) {
        // An early return because of a signal only means an early look.
        let _ = rustix::thread::nanosleep(&timespec(LOOK_EVERY));
    }
    before
}

fn judge(
    (region, now): (&Region, &dyn Fn() -> Mono),
    asked: &Asked<'_>,
    day: &maps::Day,
    host: Vec<Check>,
    of: Of<'_>,
) -> Report {
    let mut checks = candor_preopen::examine(region, now, asked);
    // The handler, the map, then what is received by it.
    let behind = checks.len().min(1);
    checks.splice(behind..behind, day.checks.iter().cloned());
    checks.extend(host::of_handler(&day.config, region));
    checks.extend(host);
    // What somebody wants to resume, by name: a partition of which nothing is known is not left out.
    let halted = match of {
        Of::Halted(numbers) => maps::names(region, numbers),
        Of::All | Of::Venue(_) => Vec::new(),
    };
    checks.retain(|check| concerns(check, of, asked.wanted, &halted));
    let known = |name: &maps::Name| asked.wanted.iter().any(|one| (one.venue, one.name) == *name);
    for (venue, name) in halted.iter().filter(|name| !known(name)) {
        let (about, evidence) = (format!("{venue}/{name}"), "no map of today has it");
        let to_do = "candor map history; candor map fetch";
        checks.push(Check::not(Verdict::Fails, "partitions", about, evidence, to_do));
    }
    if let SourceKind::Udp { .. } = day.config.source.kind {
        checks.iter_mut().filter(|check| check.name == "unmapped").for_each(|check| {
            check.verdict = Verdict::Warns;
            "ordinary sockets don't see what nobody joins".clone_into(&mut check.evidence);
            check.to_do.clear();
        });
    }
    Report { checks }
}

/// Whether a check is about what is asked.
fn concerns(check: &Check, of: Of<'_>, wanted: &[Wanted], halted: &[maps::Name]) -> bool {
    let of_one = |one: &Wanted| {
        check.about == one.venue.as_str() || check.about == one.title() || check.about.is_empty()
    };
    match (of, check.name) {
        (Of::All, _) => true,
        (Of::Halted(_), "halts" | "unmapped" | "calendar") => false,
        (Of::Venue(venue), "map" | "calendar") => {
            check.about.is_empty() || check.about == venue.as_str()
        }
        (Of::Halted(_), "map") => {
            let of_one = |(venue, _): &maps::Name| check.about == venue.as_str();
            check.about.is_empty() || halted.iter().any(of_one)
        }
        // Another partition of the venue that the map lacks or has.
        (Of::Halted(_), "partitions") => wanted.iter().any(of_one),
        (Of::Venue(_), "halts") => check.about == "everything" || wanted.iter().any(of_one),
        _ => true,
    }
}

fn asked<'a>(config: &'a Config, wanted: &'a [Wanted], before: &'a Sample) -> Asked<'a> {
    let terms = &config.preopen;
    Asked { wanted, before, unproven_ppm: terms.unproven_ppm, ignore: &terms.ignore }
}

/// The partitions of the day, those of maps by their maps.
fn wanted(day: &maps::Day, region: &Region, of: Of<'_>) -> Vec<Wanted> {
    let halted = match of {
        Of::Halted(numbers) => maps::names(region, numbers),
        Of::All | Of::Venue(_) => Vec::new(),
    };
    let which = |one: &Partition| match of {
        Of::All => true,
        Of::Venue(venue) => one.venue == venue,
        Of::Halted(_) => halted.contains(&(one.venue, one.name)),
    };
    let one = |partition: &Partition| {
        Some(Wanted {
            venue: partition.venue,
            name: partition.name,
            date: day.date_of(partition.venue)?,
            subscribe: partition.subscribe,
            lines: partition.lines.each_ref().map(|line| {
                let line = line.as_ref()?;
                Some(Endpoint { group: line.group.octets(), port: line.port })
            }),
            symbols: partition.symbols.clone(),
        })
    };
    let partitions = day.config.partitions.iter().filter(|one| !one.is_spare());
    partitions.filter(|partition| which(partition)).filter_map(one).collect()
}
