//! The drill of this morning: its result is there, good, and of what runs.

use std::path::Path;

use candor_core::{Nanos, Venue};
use candor_preopen::{Check, Verdict};
use candor_shm::Region;

use super::Of;
use super::maps::Day;
use crate::attest::binary;
use crate::clock;
use crate::config::{Config, DrillAsked};
use crate::drill::result::{self, Read, Record, Verdict as Ended};
use crate::drill::{self, steps::STEPS};
use crate::sign::{PublicKey, hex};

const NAME: &str = "drill";

/// Whether the result of a drill is good for what runs: this region's handler, where there is one.
pub(super) fn look(config: &Config, region: Option<&Region>, day: &Day, of: Of<'_>) -> Check {
    if config.preopen.drill == DrillAsked::No {
        return Check::not(Verdict::Warns, NAME, "", "not asked for, as configured", "");
    }
    let path = result::path_of(config);
    let to_do = "candor drill";
    let fails =
        |evidence: String, to_do: &str| Check::not(Verdict::Fails, NAME, "", evidence, to_do);
    let Some(public) = config.drill.public() else {
        let to_do = "[drill] key = \"/etc/candor/drill.key\"; drill = \"no\" under [preopen]";
        return fails("no key is configured, so that no result can be believed".to_owned(), to_do);
    };
    let key = match PublicKey::read(&public) {
        Ok(key) => key,
        Err(why) => return fails(format!("{}: {why}", public.display()), "see to the key"),
    };
    let record = match result::read(&path, &key) {
        Read::Missing => return fails(format!("{}: there is no result", path.display()), to_do),
        Read::Refused(why) => return fails(format!("{}: {why}", path.display()), to_do),
        Read::Signed(record) => record,
    };
    let mut wrong = steps(&record);
    wrong.extend(age(&record, config.drill.max_age, clock::wall()));
    wrong.extend(digests(config, &record, day, of));
    match region.map(|region| region.info()) {
        None => wrong.push("there is no handler to compare its program with".to_owned()),
        Some(info) => {
            if config.digest != info.config_digest {
                wrong.push("the handler runs another configuration".to_owned());
            }
            match program(info.pid) {
                Ok(own) => wrong.extend(differs("program", &record.binary, &own)),
                Err(error) => {
                    let evidence = format!("the handler's program can't be read: {error}");
                    return Check::not(Verdict::Unknown, NAME, "", evidence, "run it as root");
                }
            }
        }
    }
    if !wrong.is_empty() {
        return fails(format!("of {}: {}", record.at, wrong.join("; ")), to_do);
    }
    let count = record.steps(Ended::Passed).count();
    let evidence = format!("of {}, signed by {key}: {count} steps passed", record.at);
    let left: Vec<String> = record
        .steps(Ended::NotPlayed)
        .map(|step| format!("{} ({})", step.step, step.why.join(", ")))
        .chain(record.missing.iter().cloned())
        .collect();
    if left.is_empty() {
        return Check::holds(NAME, "", evidence);
    }
    let evidence = format!("{evidence}; not played: {}", left.join("; "));
    Check::not(Verdict::Warns, NAME, "", evidence, "what could not be played is shown by nothing")
}

/// SHA-256 of the program that a process runs, also where another file has its name by now.
fn program(pid: u32) -> std::io::Result<String> {
    Ok(hex(&binary(Path::new(&format!("/proc/{pid}/exe")))?))
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn differs(what: &str, drilled: &str, own: &str) -> Option<String> {
    (drilled != own)
        .then(|| format!("the {what} is {}, and {} was drilled", short(own), short(drilled)))
}

/// The steps that did not pass, and those that a drill of this version would have.
fn steps(record: &Record) -> Vec<String> {
    let failed = record.steps(Ended::Failed).chain(record.steps(Ended::UnderWay));
    let failed = failed.map(|step| format!("{} failed: {}", step.step, step.why.join(", ")));
    let is_there = |name: &str| record.step.iter().any(|step| step.step == name);
    let missing = STEPS.iter().filter(|step| !is_there(step.name));
    failed.chain(missing.map(|step| format!("{} is not in it", step.name))).collect()
}

fn age(record: &Record, most: Nanos, wall: u64) -> Option<String> {
    if record.at_ns > wall {
        return Some("it is of the future".to_owned());
    }
    let age = Nanos(wall - record.at_ns);
    (age > most).then(|| format!("it is {age} old, and {most} is the most"))
}

fn digests(config: &Config, record: &Record, day: &Day, of: Of<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let host = drill::host_name();
    if record.host != host {
        wrong.push(format!("it is of the host {}, and this is {host}", record.host));
    }
    wrong.extend(differs("configuration", &record.configuration, &config.digest_text()));
    let layout = format!("{:016x}", candor_shm::layout_digest());
    wrong.extend(differs("region's layout", &record.layout, &layout));
    // Of one venue its map alone: another's day may not have begun.
    let asked = |venue: Venue| !matches!(of, Of::Venue(one) if one != venue);
    for mapped in config.mapped.iter().filter(|mapped| asked(mapped.venue)) {
        let venue = mapped.venue;
        let drilled = record.map.iter().find(|map| map.venue == venue.as_str());
        let own = day.maps.iter().find(|(one, _)| *one == venue);
        match (own.zip(day.date_of(venue)), drilled) {
            (None, _) => wrong.push(format!("no map of {venue} is in force to compare with")),
            (_, None) => wrong.push(format!("no map of {venue} was drilled")),
            (Some(((_, own), date)), Some(drilled)) => {
                let what = format!("map of {venue} for {date}");
                wrong.extend(differs(&what, &drilled.digest, own));
            }
        }
    }
    wrong
}
