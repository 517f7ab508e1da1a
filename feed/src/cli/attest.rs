//! `candor attest`: keys, manifests, and whether what runs is what a manifest allows.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use candor_core::{TradingDate, Venue};
use candor_maps::file::parse_date;
use candor_shm::{InForce, Region};
use clap::{Args, Subcommand};

use super::OutputArg;
use super::output::{Answer, Row, Value};
use super::region::refuse;
use crate::attest::manifest::Allowed;
use crate::attest::{Digests, Manifest, MapOf, OWN, binary, judge};
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::sign::{PublicKey, SecretKey, bytes_of, hex};
use crate::store::Store;

/// Make keys, sign what may run, and see whether it does.
#[derive(Debug, Subcommand)]
pub(super) enum AttestCommand {
    /// Make a key: the secret half, and beside it the public one (`.pub`).
    Keygen(Keygen),
    /// Write a signed manifest of what may run.
    Sign(Sign),
    /// Show this program's, a configuration's and the layout's digests.
    Show(Show),
    /// Say whether this program, or a running handler, is what a manifest allows; exit 1 where it is not.
    Verify(Verify),
}

impl AttestCommand {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            AttestCommand::Keygen(command) => command.run(),
            AttestCommand::Sign(command) => command.run(),
            AttestCommand::Show(command) => command.run(),
            AttestCommand::Verify(command) => command.run(),
        }
    }
}

/// Makes a key. The secret half belongs on no market-data host: whoever has it can attest anything.
#[derive(Debug, Args)]
pub(super) struct Keygen {
    /// The file of the secret half, mode 0600; the public one is FILE.pub. Neither may be there.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    output: OutputArg,
}

impl Keygen {
    fn run(self) -> Result<Exit, Failure> {
        let key = SecretKey::generate()?;
        let public = key.write(&self.key)?;
        let row = Row::new()
            .with("key", Value::text(key.public()))
            .with("secret", Value::text(self.key.display()))
            .with("public", Value::text(public.display()));
        Answer::new().one("attest", row).print(self.output.output)?;
        Ok(Exit::Ok)
    }
}

/// Writes a signed manifest.
#[derive(Debug, Args)]
pub(super) struct Sign {
    /// The secret key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// A program that may run; several for a roll-out. This very one where none is named.
    #[arg(long, value_name = "FILE")]
    binary: Vec<PathBuf>,
    /// A configuration that may run, with the files that it names; several for a roll-out, or for several hosts.
    #[arg(short, long, value_name = "FILE", required = true)]
    config: Vec<PathBuf>,
    /// The digest of a layout, where a program that is named has another than this one (`candor attest show`).
    #[arg(long, value_name = "DIGEST", value_parser = layout)]
    layout: Vec<String>,
    /// A map that may be in force, by the first configuration's store. Of a venue that is not named any map may be.
    #[arg(long, value_name = "VENUE@DATE")]
    map: Vec<On>,
    /// What it is called in logs; the first configuration's handler unless given.
    #[arg(long)]
    name: Option<String>,
    /// Where it is written; the first configuration's `[attest] manifest` unless given.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArg,
}

/// `XNAS@2026-11-23`.
#[derive(Clone, Copy, Debug)]
struct On(Venue, TradingDate);

impl FromStr for On {
    type Err = String;

    fn from_str(text: &str) -> Result<On, String> {
        let parts = text.rsplit_once('@');
        let on = parts.and_then(|(venue, date)| {
            Some(On(Venue::from_wire(venue.as_bytes())?, parse_date(date)?))
        });
        on.ok_or_else(|| "a map is named like XNAS@2026-11-23".to_owned())
    }
}

fn layout(text: &str) -> Result<String, String> {
    let is_one = bytes_of::<8>(text).is_some();
    is_one.then(|| text.to_owned()).ok_or_else(|| "a layout's digest has 16 digits".to_owned())
}

impl Sign {
    fn run(self) -> Result<Exit, Failure> {
        let key = SecretKey::read(&self.key)
            .map_err(|why| Failure::config(format!("{}: {why}", self.key.display())))?;
        let configs: Vec<Config> =
            self.config.iter().map(|path| config::load(path)).collect::<Result<_, _>>()?;
        let Some(first) = configs.first() else {
            return Err(Failure::usage("name a configuration: -c FILE"));
        };
        let path = self.manifest.clone().or_else(|| Some(first.attest.as_ref()?.manifest.clone()));
        let path = path.ok_or_else(|| {
            Failure::usage(
                "name where it is written: --manifest FILE, or [attest] in the configuration",
            )
        })?;
        let own = [PathBuf::from(OWN)];
        let programs = if self.binary.is_empty() { &own[..] } else { &self.binary };
        let mut manifest = Manifest {
            name: self.name.clone().unwrap_or_else(|| first.handler.name.to_string()),
            binary: programs.iter().map(|path| digest_of(path)).collect::<Result<_, _>>()?,
            configuration: configs.iter().map(Config::digest_text).collect(),
            layout: vec![format!("{:016x}", candor_shm::layout_digest())],
            maps: maps(first, &self.map)?,
        };
        manifest.layout.extend(self.layout);
        for list in [&mut manifest.binary, &mut manifest.configuration, &mut manifest.layout] {
            list.sort_unstable();
            list.dedup();
        }
        write(&path, &manifest.sign(&key))?;
        let row = Row::new()
            .with("manifest", Value::text(path.display()))
            .with("name", Value::text(&manifest.name))
            .with("key", Value::text(key.public()))
            .with("binary", Value::text(manifest.binary.join(" ")))
            .with("configuration", Value::text(manifest.configuration.join(" ")))
            .with("layout", Value::text(manifest.layout.join(" ")))
            .with("maps", Value::Number(manifest.maps.len() as u64));
        Answer::new().one("attest", row).print(self.output.output)?;
        Ok(Exit::Ok)
    }
}

fn digest_of(path: &Path) -> Result<String, Failure> {
    let refused = |error| Failure::host(format!("{}: can't be read: {error}", path.display()));
    binary(path).map(|digest| hex(&digest)).map_err(refused)
}

/// The maps in force on these dates, by the configuration's store.
fn maps(config: &Config, wanted: &[On]) -> Result<Vec<Allowed>, Failure> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let maps = config.maps.as_ref().ok_or_else(|| {
        Failure::config("the first configuration has no store of maps; add [maps] with `store`")
    })?;
    let store = Store::open(&maps.store)?;
    let mut allowed = Vec::new();
    for On(venue, date) in wanted {
        let pointer = store.in_force(*venue, *date)?.ok_or_else(|| {
            let none = format!(
                "no map of {venue} is in force for {date}; candor map history lists what is"
            );
            Failure::new(Exit::Unknown, none)
        })?;
        allowed.push(Allowed { venue: *venue, date: *date, digest: pointer.digest });
    }
    Ok(allowed)
}

/// Puts a manifest in its place whole: a running handler that looks at it meanwhile finds the one or the other.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |what: &str, error: std::io::Error| {
        let message = format!("{}: can't be {what}: {error}", path.display());
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => Failure::privilege(message),
            _ => Failure::host(message),
        }
    };
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let beside = PathBuf::from(name);
    let written = File::create_new(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let placed = written.and_then(|()| std::fs::rename(&beside, path));
    placed.map_err(|error| {
        // It was made a moment ago, and by this process.
        let _ = std::fs::remove_file(&beside);
        failed("written", error)
    })
}

/// Shows digests.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The configuration, whose digest is shown too.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArg,
}

impl Show {
    fn run(self) -> Result<Exit, Failure> {
        let config = self.config.as_deref().map(config::load).transpose()?;
        let configuration =
            config.as_ref().map_or(Value::Absent, |own| Value::text(own.digest_text()));
        let row = Row::new()
            .with("binary", Value::text(digest_of(Path::new(OWN))?))
            .with("configuration", configuration)
            .with("layout", Value::text(format!("{:016x}", candor_shm::layout_digest())));
        Answer::new().one("attest", row).print(self.output.output)?;
        Ok(Exit::Ok)
    }
}

/// Says whether what is here, or what runs, is what a manifest allows. Exits 0 where it is, 1 where it is not, 3
/// where the handler is gone, 78 where the manifest can't be believed.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The configuration: its digest and this program's are looked at, and its `[attest]` names manifest and key.
    #[arg(short, long, value_name = "FILE", required_unless_present = "region")]
    config: Option<PathBuf>,
    /// The region of a running handler, whose digests are looked at instead, with the maps in force there.
    #[arg(short, long, value_name = "PATH")]
    region: Option<PathBuf>,
    /// What the configuration's own handler is, as it runs.
    #[arg(long, requires = "config", conflicts_with = "region")]
    running: bool,
    /// The manifest, where it is another than the configured one.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// The public key, likewise.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArg,
}

const DIFFERENCES: &[&str] = &["differs"];

/// What is looked at.
const THIS: &str = "this program";
const RUNS: &str = "the running handler";
const GONE: &str = "a handler that is gone";

impl Verify {
    fn run(self) -> Result<Exit, Failure> {
        let config = self.config.as_deref().map(config::load).transpose()?;
        let named = config.as_ref().and_then(|config| config.attest.as_ref());
        let missing = |option: &str| {
            Failure::usage(format!("name it: {option} FILE, or [attest] in the configuration"))
        };
        let manifest = self.manifest.as_ref().or(named.map(|attest| &attest.manifest));
        let manifest = manifest.ok_or_else(|| missing("--manifest"))?;
        let key = self.key.as_ref().or(named.map(|attest| &attest.key));
        let key = key.ok_or_else(|| missing("--key"))?;
        let public = PublicKey::read(key)
            .map_err(|why| Failure::config(format!("{}: {why}", key.display())))?;
        let signed = Manifest::open(manifest, &public)?;
        let own = config.as_ref().filter(|_| self.running).map(|config| &config.handler.region);
        let (what, digests, maps) = match (self.region.as_ref().or(own), &config) {
            (Some(region), _) => running(region)?,
            (None, Some(config)) => (THIS, Digests::own(config.digest), Vec::new()),
            (None, None) => return Err(Failure::usage("name a configuration or a region: -c, -r")),
        };
        let name = signed.name.clone();
        let verdict = judge(&Ok(signed), &digests, &maps);
        let row = Row::new()
            .with("what", Value::text(what))
            .with("attested", Value::text(verdict.attested().label()))
            .with("manifest", Value::text(name))
            .with("key", Value::text(public))
            .with("binary", Value::text(digests.binary_text()))
            .with("configuration", Value::text(hex(&digests.configuration)))
            .with("layout", Value::text(format!("{:016x}", digests.layout)))
            .with("maps", Value::Number(maps.len() as u64));
        let why = verdict.why().iter();
        let why = why.map(|why| Row::new().with("differs", Value::text(why))).collect();
        let answer = Answer::new().one("attest", row).many("differences", DIFFERENCES, why);
        answer.print(self.output.output)?;
        Ok(match verdict.holds() {
            _ if what == GONE => Exit::Unknown,
            true => Exit::Ok,
            false => Exit::Degraded,
        })
    }
}

/// What a handler says of itself, alive or not.
fn running(path: &Path) -> Result<(&'static str, Digests, Vec<MapOf>), Failure> {
    let region = Region::open(path).map_err(refuse)?;
    let info = region.info();
    let known = info.binary_digest != [0; 32];
    let binary = known.then_some(info.binary_digest);
    let digests = Digests {
        binary: binary.ok_or_else(|| "its handler could not read it".to_owned()),
        configuration: info.config_digest,
        // A region of another layout is not read.
        layout: candor_shm::layout_digest(),
    };
    let of_store = |map: &InForce| map.digest != [0; 32];
    let maps =
        region.venues().filter_map(|venue| Some((venue.name, venue.in_force.filter(of_store)?)));
    let maps = maps.collect();
    let gone = region.handler_status_when(candor_shm::clock::now).reason()
        == Some(candor_core::Reason::WriterGone);
    Ok((if gone { GONE } else { RUNS }, digests, maps))
}
