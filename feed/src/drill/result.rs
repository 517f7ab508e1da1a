//! What a drill has shown: a file that says what ran, with which digests, and how each step ended, signed.
//!
//! `drill.toml` in the handler's `state` folder, or `<region>.drill.toml` where none is configured. It is TOML; its
//! last line is the signature over every byte before that line, by the key of `[drill]`. Without a key there is no
//! such line.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use candor_core::{Nanos, Reason};
use rustix::fs::fsync;
use serde::{Deserialize, Serialize};

use super::steps::Step;
use crate::config::Config;
use crate::exit::Failure;
use crate::sign::{PublicKey, Purpose, SecretKey};
use crate::small::{self, Small};

/// What a result is signed for.
pub const PURPOSE: Purpose = Purpose("candor drill result 1");

/// What the line of the signature begins with: a comment to whoever reads TOML.
const SIGNATURE: &str = "# signature ";

/// The file's name in a state folder, and what it ends in beside a region.
const NAME: &str = "drill.toml";

/// The version of the file.
const FORMAT: u32 = 1;

/// Larger is none of ours.
const BYTES: u64 = 1 << 20;

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It has not.
    UnderWay,
    /// Everything was as it must be.
    Passed,
    /// No feed of this configuration has such a thing.
    NotApplicable,
    /// It was not come to.
    NotPlayed,
    /// Something was not.
    Failed,
}

impl Verdict {
    /// Its name for people and programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::UnderWay => "under way",
            Verdict::Passed => "passed",
            Verdict::NotApplicable => "not applicable",
            Verdict::NotPlayed => "not played",
            Verdict::Failed => "failed",
        }
    }
}

/// A step and what became of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Its name.
    pub step: String,
    /// How it ended.
    pub verdict: Verdict,
    /// The reasons that readers were given, by their labels, worst first.
    pub reasons: Vec<String>,
    /// Within which time it had to be so, in ns; `None` where it had to be so throughout.
    pub bound_ns: Option<u64>,
    /// How long it took, in ns: the worst of its symbols.
    pub took_ns: Option<u64>,
    /// Of what was within its bound and what was not, how near: `took` as a share of `bound`, in millionths.
    #[serde(skip)]
    pub share_ppm: u64,
    /// After which time everything was Live again, in ns.
    #[serde(rename = "healed_ns", default, with = "nanos")]
    pub healed: Option<Nanos>,
    /// What was wrong, or why it was not played.
    pub why: Vec<String>,
}

mod nanos {
    use candor_core::Nanos;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<Nanos>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(|length| length.0).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Nanos>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Nanos))
    }
}

impl Outcome {
    /// One that has begun.
    #[must_use]
    pub fn of(step: &Step) -> Outcome {
        Outcome {
            step: step.name.to_owned(),
            verdict: Verdict::UnderWay,
            reasons: Vec::new(),
            bound_ns: None,
            took_ns: None,
            share_ppm: 0,
            healed: None,
            why: Vec::new(),
        }
    }

    /// It took so long, where so much was allowed; of several the one nearest to its bound stays.
    pub fn note(&mut self, took: Nanos, bound: Nanos) {
        let share = took.0.saturating_mul(1_000_000) / bound.0.max(1);
        if self.took_ns.is_none() || share >= self.share_ppm {
            (self.took_ns, self.bound_ns, self.share_ppm) = (Some(took.0), Some(bound.0), share);
        }
    }

    /// These reasons were given.
    pub fn give(&mut self, reasons: &[Reason]) {
        for reason in reasons.iter().map(|reason| reason.label().to_owned()) {
            if !self.reasons.contains(&reason) {
                self.reasons.push(reason);
            }
        }
    }

    /// Something was not as it must be.
    pub fn fail(&mut self, why: String) {
        self.verdict = Verdict::Failed;
        self.why.push(why);
    }
}

/// The map of a venue that was scaled down.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapOf {
    /// Its venue.
    pub venue: String,
    /// Its date.
    pub date: String,
    /// Its digest.
    pub digest: String,
}

/// The result of a drill.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The version of this form.
    pub format: u32,
    /// When it ended, in words.
    pub at: String,
    /// The same, wall clock in ns since the Unix epoch.
    pub at_ns: u64,
    /// The host's name.
    pub host: String,
    /// The handler's.
    pub handler: String,
    /// The program's version.
    pub version: String,
    /// SHA-256 of the program that ran.
    pub binary: String,
    /// That of the configuration, as `candor check` has it.
    pub configuration: String,
    /// The digest of the region's layout.
    pub layout: String,
    /// How long it took, in ms.
    pub took_ms: u64,
    /// How many reads were judged.
    pub reads: u64,
    /// What is other than on the host.
    pub scaled: Vec<String>,
    /// What could not be played.
    pub missing: Vec<String>,
    /// The maps.
    #[serde(default)]
    pub map: Vec<MapOf>,
    /// The steps, in the order of the drill.
    pub step: Vec<Outcome>,
}

impl Record {
    /// A record of this version, without anything in it.
    #[must_use]
    pub fn new() -> Record {
        Record {
            format: FORMAT,
            at: String::new(),
            at_ns: 0,
            host: String::new(),
            handler: String::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            binary: String::new(),
            configuration: String::new(),
            layout: format!("{:016x}", candor_shm::layout_digest()),
            took_ms: 0,
            reads: 0,
            scaled: Vec::new(),
            missing: Vec::new(),
            map: Vec::new(),
            step: Vec::new(),
        }
    }

    /// The steps that ended like this.
    pub fn steps(&self, verdict: Verdict) -> impl Iterator<Item = &Outcome> {
        self.step.iter().filter(move |step| step.verdict == verdict)
    }
}

impl Default for Record {
    fn default() -> Record {
        Record::new()
    }
}

/// Where a handler's result is.
#[must_use]
pub fn path_of(config: &Config) -> PathBuf {
    if let Some(state) = &config.handler.state {
        return state.join(NAME);
    }
    let mut name = config.handler.region.clone().into_os_string();
    name.push(".");
    name.push(NAME);
    PathBuf::from(name)
}

/// Writes a result, whole or not at all, signed where there is a key.
///
/// # Errors
/// Exit 71 where it can't be written: what was there stays.
pub fn write(path: &Path, record: &Record, key: Option<&SecretKey>) -> Result<(), Failure> {
    let mut text = toml::to_string(record).map_err(|error| unwritten(path, &error))?;
    if let Some(key) = key {
        let signature = key.sign(PURPOSE, text.as_bytes());
        text.push_str(&format!("{SIGNATURE}{signature}\n"));
    }
    put(path, &text)
}

/// Puts a text in its place, whole.
fn put(path: &Path, text: &str) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        fsync(&file)?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&beside);
        unwritten(path, &error)
    })
}

fn unwritten(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::host(format!("{}: the result can't be written: {error}", path.display()))
}

/// What stands at a result's path while a drill runs, and when it was stopped: no word of an earlier one.
const BEGUN: &str = "# a drill has begun here and has not ended\n";

/// Puts away what an earlier drill said: this one may be stopped when it has seen something wrong.
///
/// # Errors
/// As [`write()`].
pub fn begin(path: &Path) -> Result<(), Failure> {
    put(path, BEGUN)
}

/// A result that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Read {
    /// There is none.
    Missing,
    /// It is nobody's word, for this cause.
    Refused(String),
    /// What the key's owner has signed.
    Signed(Box<Record>),
}

/// Reads the result at a path, by the public key.
#[must_use]
pub fn read(path: &Path, key: &PublicKey) -> Read {
    if let Ok(false) = path.try_exists() {
        return Read::Missing;
    }
    match small::read(path, BYTES).and_then(Small::text) {
        Err(why) => Read::Refused(why),
        Ok(text) => signed(&text, key),
    }
}

fn signed(text: &str, key: &PublicKey) -> Read {
    if text == BEGUN {
        return Read::Refused(
            "a drill has begun and has not ended: it runs, or was stopped".to_owned(),
        );
    }
    let Some((body, last)) = text.rfind(SIGNATURE).map(|at| text.split_at(at)) else {
        return Read::Refused("is not signed: no key was configured when the drill ran".to_owned());
    };
    // Nothing may stand behind the signature, or it would be nobody's.
    let digits = last.strip_prefix(SIGNATURE).and_then(|rest| rest.strip_suffix('\n'));
    if !digits.is_some_and(|digits| key.verifies(PURPOSE, body.as_bytes(), digits)) {
        return Read::Refused(format!(
            "its signature is not good: it was changed, or is not by the key {key}"
        ));
    }
    match toml::from_str::<Record>(body) {
        Ok(record) if record.format == FORMAT => Read::Signed(Box::new(record)),
        Ok(record) => {
            Read::Refused(format!("is of version {}, and this is {FORMAT}", record.format))
        }
        Err(error) => Read::Refused(format!("is of another version: {}", error.message())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::steps::{GAP, SILENT};

    fn record() -> Record {
        let mut silent = Outcome::of(&SILENT);
        silent.note(Nanos(5), Nanos(10));
        silent.note(Nanos(4), Nanos(100));
        silent.give(&[Reason::Silent]);
        silent.healed = Some(Nanos(7));
        silent.verdict = Verdict::Passed;
        let mut gap = Outcome::of(&GAP);
        gap.fail("AAPL was Live".to_owned());
        // Of the result alone, not of how it came about.
        silent.share_ppm = 0;
        let map = MapOf { venue: "XNAS".into(), date: "2026-11-23".into(), digest: "ab".into() };
        Record { step: vec![silent, gap], map: vec![map], ..Record::new() }
    }

    #[test]
    fn a_result_is_read_as_it_was_written_and_no_byte_of_it_may_change() {
        let folder =
            std::env::temp_dir().join(format!("candor-drill-result-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(NAME);
        let (key, other) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let public = key.public();
        assert_eq!(read(&path, &public), Read::Missing);
        write(&path, &record(), None).unwrap();
        assert!(matches!(read(&path, &public), Read::Refused(why) if why.contains("not signed")));
        write(&path, &record(), Some(&key)).unwrap();
        assert_eq!(read(&path, &public), Read::Signed(Box::new(record())));
        assert!(matches!(read(&path, &other.public()), Read::Refused(_)));
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            let read = read(&path, &public);
            assert!(matches!(read, Read::Refused(_)), "byte {at}: {read:?}");
        }
        let mut longer = whole.clone();
        longer.extend(b"[[step]]\n");
        fs::write(&path, longer).unwrap();
        assert!(matches!(read(&path, &public), Read::Refused(_)));
        fs::remove_dir_all(&folder).unwrap();
    }
}
