//! `candor drill`.

use std::io::IsTerminal as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use candor_af_xdp::probe;
use candor_core::Nanos;
use candor_journal::Fields;
use clap::Args;

use super::output::{Answer, Row, Value};
use super::{ConfigArg, OutputArg, print};
use crate::config::{self, Config, SourceKind};
use crate::drill::result::{self, Outcome, Record, Verdict};
use crate::drill::{self, Asked};
use crate::exit::{Exit, Failure};
use crate::halt::users;
use crate::journal::verbs::Spool;
use crate::sign::SecretKey;

const STEPS: &[&str] = &["step", "verdict", "reasons", "took", "bound", "healed", "why"];

const MAPS: &[&str] = &["venue", "date", "digest"];

/// Makes every stale path happen on this host: in network namespaces of its own, with this very program, this
/// configuration and the maps of today scaled down, against candor-exchange, while a reader reads every symbol.
/// Writes the result, signed, where `candor preopen` looks for it. It touches no interface of the host and takes
/// less than two minutes. Exits 0 when everything was as it must be, 1 when it was and something could not be
/// played here, 2 when something was not, 77 when a privilege is missing.
#[derive(Debug, Args)]
pub(super) struct Drill {
    #[command(flatten)]
    config: ConfigArg,
    /// The exchange's program [default: candor-exchange beside this one]
    #[arg(long, value_name = "PATH")]
    exchange: Option<PathBuf>,
    /// The key to sign with [default: that of the configuration]
    #[arg(long, value_name = "KEYFILE")]
    key: Option<PathBuf>,
    /// Where the result is written [default: drill.toml in the handler's `state`, where preopen looks]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// It is inside a user namespace of its own already, in which nobody knows who started it
    #[arg(long, value_name = "USER", hide = true)]
    inside: Option<String>,
    #[command(flatten)]
    output: OutputArg,
}

impl Drill {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = config::load(&self.config.config)?;
        self.with_privileges(matches!(config.source.kind, SourceKind::Udp { .. }))?;
        // What it is signed with is looked for before it takes a minute.
        let key = self.key.clone().or_else(|| config.drill.key.clone());
        let key = key.map(|path| {
            SecretKey::read(&path)
                .map_err(|why| Failure::config(format!("{}: {why}", path.display())))
        });
        let key = key.transpose()?;
        let exchange = self.exchange()?;
        let asked = Asked { config: self.config.config.clone(), exchange };
        let shown = std::io::stderr().is_terminal();
        let mut progress = |outcome: &Outcome| {
            let took = length(outcome.took_ns).map_or(String::new(), |took| format!(" in {took}"));
            let (step, verdict) = (&outcome.step, outcome.verdict.name());
            let why = outcome.why.join("; ");
            let tick = if shown { "  " } else { "" };
            eprintln!("{tick}{step}: {} {verdict}{took} {why}", outcome.reasons.join(", "));
        };
        let path = self.out.clone().unwrap_or_else(|| result::path_of(&config));
        let mut begun = false;
        let begins = || {
            begun = true;
            result::begin(&path)
        };
        let drilled = drill::run(&asked, begins, &mut progress);
        let written = drilled.and_then(|record| {
            result::write(&path, &record, key.as_ref())?;
            Ok(record)
        });
        if begun {
            self.journal(&config, (&path, key.as_ref()), &written);
        }
        let record = written?;
        answer(&record, &path.display().to_string(), key.as_ref()).print(self.output.output)?;
        if key.is_none() {
            print::error("not signed, so preopen will not accept it: configure [drill] key");
        }
        Ok(exit(&record))
    }

    /// Leaves word for the handler's journal, whether one runs or not.
    fn journal(
        &self,
        config: &Config,
        (path, key): (&Path, Option<&SecretKey>),
        drilled: &Result<Record, Failure>,
    ) {
        let fields = match drilled {
            Ok(record) => said(record, key),
            Err(failure) => Fields::new().text("outcome", "stopped").text("why", &failure.message),
        };
        let fields = fields.text("target", "all").text("result", path.display());
        let by = self.inside.clone().unwrap_or_else(|| users::runs().name);
        if let Err(failure) = Spool::of(config).say("drill", &by, fields) {
            print::error(&format!("the journal will not say that this was drilled: {failure}"));
        }
    }

    fn exchange(&self) -> Result<PathBuf, Failure> {
        let path = match &self.exchange {
            Some(path) => path.clone(),
            None => {
                let own = std::env::current_exe()
                    .map_err(|error| Failure::host(format!("/proc/self/exe: {error}")))?;
                own.with_file_name("candor-exchange")
            }
        };
        if path.is_file() {
            return Ok(path);
        }
        Err(Failure::config(format!(
            "{}: there is no exchange to drill against; it comes with candor; --exchange PATH names another",
            path.display()
        )))
    }

    /// Goes on as it is where it may make namespaces. Who may not, and receives by plain sockets, is given a user
    /// namespace of its own, and this process starts again in it.
    fn with_privileges(&self, sockets: bool) -> Result<(), Failure> {
        // Where /proc doesn't say, the kernel will.
        let Ok(host) = probe::host() else { return Ok(()) };
        // linux/capability.h.
        let needed = [(12, "CAP_NET_ADMIN"), (21, "CAP_SYS_ADMIN")];
        let lacks = |bit: &u32| host.capabilities & 1 << bit == 0;
        let missing: Vec<&str> =
            needed.iter().filter(|(bit, _)| lacks(bit)).map(|(_, name)| *name).collect();
        if missing.is_empty() || self.inside.is_some() {
            return Ok(());
        }
        let refused = || {
            Failure::privilege(format!(
                "{} for network namespaces of its own: run the drill as root",
                missing.join(" and ")
            ))
        };
        let unshare = ["--user", "--map-root-user", "--net", "--"];
        let may = Command::new("unshare").args(unshare).arg("true").output();
        if !sockets || !may.is_ok_and(|output| output.status.success()) {
            return Err(refused());
        }
        let own = std::env::current_exe().map_err(|_| refused())?;
        let mut again = Command::new("unshare");
        again
            .args(unshare)
            .arg(own)
            .args(std::env::args_os().skip(1))
            .arg("--inside")
            .arg(users::runs().name);
        // It returns only where it can't be done.
        let _ = again.exec();
        Err(refused())
    }
}

fn exit(record: &Record) -> Exit {
    if record.steps(Verdict::Failed).next().is_some() {
        return Exit::NoGo;
    }
    if !record.missing.is_empty() || record.steps(Verdict::NotPlayed).next().is_some() {
        return Exit::Degraded;
    }
    Exit::Ok
}

fn outcome(record: &Record) -> &'static str {
    match exit(record) {
        Exit::Ok => "passed",
        Exit::Degraded => "passed, as far as it could be played",
        _ => "failed",
    }
}

/// What the journal says of a drill that has ended.
fn said(record: &Record, key: Option<&SecretKey>) -> Fields {
    let failed =
        record.steps(Verdict::Failed).map(|one| format!("{}: {}", one.step, one.why.join("; ")));
    let maps = record.map.iter().map(|one| format!("{}@{} {}", one.venue, one.date, one.digest));
    Fields::new()
        .text("outcome", outcome(record))
        .list("failed", failed)
        .list("missing", &record.missing)
        .text("version", &record.version)
        .text("binary", &record.binary)
        .text("configuration", &record.configuration)
        .text("layout", &record.layout)
        .list("maps", maps)
        .number("steps", record.step.len() as u64)
        .number("reads", record.reads)
        .number("took_ms", record.took_ms)
        .text("signed", key.map_or("no".to_owned(), |key| format!("by {}", key.public())))
}

fn length(ns: Option<u64>) -> Option<Nanos> {
    ns.map(Nanos)
}

fn answer(record: &Record, path: &str, key: Option<&SecretKey>) -> Answer {
    let verdict = outcome(record);
    let list = |list: &[String]| {
        if list.is_empty() { Value::Absent } else { Value::Text(list.join("; ")) }
    };
    let signed = key.map_or("no".to_owned(), |key| format!("by {}", key.public()));
    let head = Row::new()
        .with("drill", Value::text(verdict))
        .with("at", Value::text(&record.at))
        .with("host", Value::text(&record.host))
        .with("handler", Value::text(&record.handler))
        .with("took", Value::Length(Some(Nanos::from_millis(record.took_ms))))
        .with("reads", Value::Number(record.reads))
        .with("binary", Value::text(&record.binary))
        .with("configuration", Value::text(&record.configuration))
        .with("layout", Value::text(&record.layout))
        .with("scaled", list(&record.scaled))
        .with("missing", list(&record.missing))
        .with("result", Value::text(path))
        .with("signed", Value::Text(signed));
    let step = |one: &Outcome| {
        let text = |list: &[String], with| {
            if list.is_empty() { Value::Absent } else { Value::Text(list.join(with)) }
        };
        Row::new()
            .with("step", Value::text(&one.step))
            .with("verdict", Value::text(one.verdict.name()))
            .with("reasons", text(&one.reasons, ", "))
            .with("took", Value::Length(length(one.took_ns)))
            .with("bound", Value::Length(length(one.bound_ns)))
            .with("healed", Value::Length(one.healed))
            .with("why", text(&one.why, "; "))
    };
    let map = |one: &result::MapOf| {
        Row::new()
            .with("venue", Value::text(&one.venue))
            .with("date", Value::text(&one.date))
            .with("digest", Value::text(&one.digest))
    };
    Answer::new().one("drill", head).many("maps", MAPS, record.map.iter().map(map).collect()).many(
        "steps",
        STEPS,
        record.step.iter().map(step).collect(),
    )
}
