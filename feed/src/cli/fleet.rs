//! `candor fleet`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::OutputArg;
use super::output::{Answer, Row, Value};
use crate::exit::{Exit, Failure};
use crate::fleet::{Asked, Finding, Hosts, Kind, ask, compare};

/// Compare many hosts.
#[derive(Debug, Subcommand)]
pub(super) enum FleetCommand {
    /// Say who differs from the rest, and in what.
    Verify(Verify),
}

impl FleetCommand {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            FleetCommand::Verify(command) => command.run(),
        }
    }
}

/// Compares what `candor status -o json` says on many hosts: binary, layout, maps with their dates, mode, attestation
/// and status, and within a role the configuration. Exits 0 where all is the same, 1 where a host differs or there is a
/// tie, 3 where a host could not be asked, 78 where the list of hosts is refused.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The hosts, and how each is asked.
    #[arg(value_name = "HOSTS")]
    hosts: PathBuf,
    #[command(flatten)]
    output: OutputArg,
}

const HOSTS: &[&str] = &[
    "host",
    "role",
    "answered",
    "status",
    "attested",
    "mode",
    "binary_digest",
    "config_digest",
    "layout_digest",
];
const MAPS: &[&str] = &["host", "venue", "trading_date", "map_digest"];
const FINDINGS: &[&str] = &["finding", "what", "hosts", "words"];

impl Verify {
    fn run(self) -> Result<Exit, Failure> {
        let asked = ask(&Hosts::read(&self.hosts)?);
        let findings = compare(&asked);
        let answer = Answer::new()
            .one("fleet", summary(&asked, &findings))
            .many("hosts", HOSTS, asked.iter().map(host).collect())
            .many("maps", MAPS, asked.iter().flat_map(maps).collect())
            .many("findings", FINDINGS, findings.iter().map(finding).collect());
        answer.print(self.output.output)?;
        Ok(exit_of(&findings))
    }
}

/// Who could not be asked may be anything: that stands above what was found of the others.
fn exit_of(findings: &[Finding]) -> Exit {
    match findings {
        [] => Exit::Ok,
        some if some.iter().any(|one| one.kind == Kind::Unasked) => Exit::Unknown,
        _ => Exit::Degraded,
    }
}

fn summary(asked: &[Asked], findings: &[Finding]) -> Row {
    let answered = asked.iter().filter(|one| one.said.is_ok()).count();
    let differ = |one: &&Asked| {
        let named =
            |finding: &Finding| finding.kind == Kind::Differs && finding.hosts.contains(&one.name);
        findings.iter().any(named)
    };
    let ties = findings.iter().filter(|one| one.kind == Kind::Tie).count();
    let verdict = match (findings.is_empty(), answered) {
        (true, 0 | 1) => "nothing to compare with",
        (true, _) => "all the same",
        (false, _) => "not the same; see the findings",
    };
    Row::new()
        .with("verdict", Value::text(verdict))
        .with("hosts", Value::Number(asked.len() as u64))
        .with("answered", Value::Number(answered as u64))
        .with("differ", Value::Number(asked.iter().filter(differ).count() as u64))
        .with("ties", Value::Number(ties as u64))
}

fn host(asked: &Asked) -> Row {
    let said = asked.said.as_ref().ok();
    let of = |text: Option<&String>| text.map_or(Value::Absent, Value::text);
    let digest =
        |text: Option<&String>| text.map_or(Value::Absent, |text| Value::Digest(text.clone()));
    let age = asked.age.filter(|_| said.is_some());
    Row::new()
        .with("host", Value::text(&asked.name))
        .with("role", of(asked.role.as_ref()))
        .with("answered", age.map_or(Value::Absent, |age| Value::Age(Some(age))))
        .with("status", of(said.map(|said| &said.status)))
        .with("attested", of(said.map(|said| &said.attested)))
        .with("mode", of(said.map(|said| &said.mode)))
        .with("binary_digest", digest(said.and_then(|said| said.binary.as_ref())))
        .with("config_digest", digest(said.and_then(|said| said.configuration.as_ref())))
        .with("layout_digest", digest(said.and_then(|said| said.layout.as_ref())))
}

fn maps(asked: &Asked) -> Vec<Row> {
    let Ok(said) = &asked.said else { return Vec::new() };
    let row = |(venue, map): (&String, &crate::fleet::Map)| {
        let digest = map.digest.clone().map_or(Value::Absent, Value::Digest);
        Row::new()
            .with("host", Value::text(&asked.name))
            .with("venue", Value::text(venue))
            .with("trading_date", map.date.as_ref().map_or(Value::Absent, Value::text))
            .with("map_digest", digest)
    };
    said.maps.iter().map(row).collect()
}

fn finding(finding: &Finding) -> Row {
    Row::new()
        .with("finding", Value::text(finding.kind.label()))
        .with("what", Value::text(&finding.what))
        .with("hosts", Value::text(finding.hosts.join(" ")))
        .with("words", Value::text(&finding.words))
}
