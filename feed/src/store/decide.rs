//! Whether a map comes in force, and who answers for it where the bound says no.
//!
//! A map is compared with what was in force on the last date before its own, and with what is in force on
//! its own date where that is another: a file of yesterday's with today's date differs little from
//! yesterday's map, and much from the right one that is in force already.

use std::fmt;
use std::path::Path;

use candor_core::{Symbol, TradingDate, Venue};
use candor_maps::Map;
use candor_maps::calendar::Wall;
use candor_maps::check::{self, Wanted, Warning};
use candor_maps::diff::Difference;
use candor_maps::file::{Loaded, Places};
use candor_settings::Problems;

use super::interfaces::missing;
use super::record::{Acceptance, Acknowledged, Compared, Pointer};
use super::{Error, Store, numbers};
use crate::clock;
use crate::exit::{Exit, Failure};

/// How often a decision is made anew because another process was faster. Each time one of them is through.
const ATTEMPTS: u32 = 64;

/// What is asked of a map before it comes in force.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The venue it must be of; `None` takes the map's.
    pub venue: Option<Venue>,
    /// The date it must be for.
    pub date: TradingDate,
    /// The share of symbols that may move or go, in parts per million.
    pub bound_ppm: u32,
    /// Symbols to look for where ranges say what partitions carry.
    pub symbols: &'a [Symbol],
    /// The interfaces of this host; `None` does not ask for those that lines name.
    pub interfaces: Option<&'a [String]>,
    /// Whether it may take the place of one that somebody has put in force by name: not what is fetched by itself.
    pub over_named: bool,
    /// Whether a venue's first map may come in force, which can be compared with nothing: only where
    /// somebody has named it.
    pub first: bool,
    /// The user who asks.
    pub by: &'a str,
    /// Where the map came from.
    pub from: &'a str,
    /// The wall clock.
    pub now: Wall,
}

/// What became of a map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is in force.
    Loaded(InForce),
    /// It is not in force, and what was in force still is. It is in the store unless its content is why.
    Refused(Why),
    /// It is not in force: this one is, which somebody has put there by name.
    Kept(Pointer),
    /// There is none: where it should come from has none, in words.
    Missing(String),
}

/// A map that is in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InForce {
    /// What says so.
    pub pointer: Pointer,
    /// Whether it was not in force before.
    pub new: bool,
    /// The map.
    pub map: Map,
    /// What looks wrong about it and may be right.
    pub warnings: Vec<Warning>,
    /// How it differs from each map that it was compared with, in words.
    pub differs: Vec<String>,
}

/// Why a map is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// What it says, or what the venue's files say.
    Content(Problems),
    /// It names interfaces that this host doesn't have.
    Interfaces(Problems),
    /// More symbols moved or went than the bound allows, or nobody can know, or something changed that needs a
    /// name whatever moves; and nobody answers for it.
    Difference {
        /// Where the refused map came from.
        from: String,
        /// The refused map's digest.
        digest: String,
        /// Every comparison that forbids it.
        judged: Vec<Judged>,
    },
    /// It is the first of its venue, and nobody has named it.
    First {
        /// Its digest.
        digest: String,
        /// Its venue.
        venue: Venue,
        /// Its date.
        date: TradingDate,
    },
    /// Other processes put maps in force for the same date all the while.
    Contended,
}

/// A comparison with its words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judged {
    /// The counts.
    pub compared: Compared,
    /// What differs.
    pub words: String,
}

/// Puts a map in force, if it may be.
///
/// # Errors
/// [`Error`] where the store can't be read or written: nothing has come in force then.
pub fn load(store: &Store, loaded: Loaded, request: &Request<'_>) -> Result<Outcome, Error> {
    let Loaded { map, warnings, places } = loaded;
    let wanted = Wanted { venue: request.venue, date: Some(request.date) };
    if let Err(problems) = checked(&map, Path::new(request.from), &wanted) {
        return Ok(Outcome::Refused(Why::Content(problems)));
    }
    let missing = request.interfaces.map_or_else(Vec::new, |here| missing(&map, &places, here));
    if !missing.is_empty() {
        let problems = Problems::new("map", &places.file, missing);
        return Ok(Outcome::Refused(Why::Interfaces(problems)));
    }
    let digest = store.add(&map)?.digest;
    // BOUND: each round but the last another process has put a map in force.
    for _ in 0..ATTEMPTS {
        let current = store.in_force(map.venue, map.date)?;
        // Looked at in each round: a person may have been faster.
        if let Some(pointer) = current.as_ref().filter(|one| !request.over_named && one.is_named())
        {
            return Ok(Outcome::Kept(pointer.clone()));
        }
        let in_force = |pointer, new, differs| {
            let (map, warnings) = (map.clone(), warnings.clone());
            Ok(Outcome::Loaded(InForce { pointer, new, map, warnings, differs }))
        };
        if let Some(pointer) = current.as_ref().filter(|pointer| pointer.digest == digest) {
            return in_force(pointer.clone(), false, Vec::new());
        }
        let judged = judge(store, &map, &digest, request.bound_ppm, request.symbols)?;
        if judged.is_empty() && !request.first {
            let (venue, date) = (map.venue, map.date);
            return Ok(Outcome::Refused(Why::First { digest, venue, date }));
        }
        if judged.iter().any(|one| !one.compared.passes()) {
            let judged = judged.into_iter().filter(|one| !one.compared.passes()).collect();
            return Ok(Outcome::Refused(Why::Difference {
                from: request.from.to_owned(),
                digest,
                judged,
            }));
        }
        let alone = judged.is_empty().then(|| alone(&map));
        let (compared, mut differs): (_, Vec<String>) =
            judged.into_iter().map(|one| (one.compared, one.words)).unzip();
        differs.extend(alone);
        let pointer = Pointer {
            venue: map.venue,
            date: map.date,
            number: current.map_or(1, |pointer| pointer.number + 1),
            digest: digest.clone(),
            at: clock::display(request.now.0),
            by: request.by.to_owned(),
            from: request.from.to_owned(),
            compared,
        };
        if store.point(&pointer)? {
            return in_force(pointer, true, differs);
        }
    }
    Ok(Outcome::Refused(Why::Contended))
}

/// What is said of a map that came in force without a comparison: also where the store is not the right one.
fn alone(map: &Map) -> String {
    let Map { venue, date, .. } = map;
    format!("{venue}: the map for {date} is compared with nothing: no earlier one is in this store")
}

/// What somebody answers for.
#[derive(Clone, Debug)]
pub struct Accept<'a> {
    /// The date that the map is to be used for; where it is not the map's own, its content is taken for that
    /// date, as a map with a digest of its own.
    pub date: TradingDate,
    /// As in [`Request`].
    pub bound_ppm: u32,
    /// As in [`Request`].
    pub symbols: &'a [Symbol],
    /// Who answers for it.
    pub name: &'a str,
    /// Why.
    pub because: &'a str,
    /// The user who says so.
    pub by: &'a str,
    /// The wall clock.
    pub now: Wall,
}

/// What was acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// The digest of the map that may be loaded.
    pub digest: String,
    /// The map.
    pub map: Map,
    /// Every map that it is compared with, and by whom the difference is acknowledged now.
    pub judged: Vec<Judged>,
    /// The digests of the maps against which this was written down now.
    pub written: Vec<String>,
}

/// Writes down that somebody answers for the differences of a map that is in the store.
///
/// # Errors
/// As [`Store::read`] and [`load`].
pub fn accept(store: &Store, digest: &str, accept: &Accept<'_>) -> Result<Accepted, Error> {
    let mut map = store.read(digest)?.map;
    let mut against = Vec::new();
    let mut own = digest.to_owned();
    if map.date != accept.date {
        map.date = accept.date;
        own = store.add(&map)?.digest;
        if store.acceptance(&own, digest)?.is_none() {
            against.push(digest.to_owned());
        }
    }
    let judge = || judge(store, &map, &own, accept.bound_ppm, accept.symbols);
    let open = judge()?.into_iter().filter(|one| !one.compared.passes());
    for one in open.map(|one| one.compared.digest) {
        if !against.contains(&one) {
            against.push(one);
        }
    }
    for other in &against {
        write_down(store, &own, other, accept)?;
    }
    let judged = judge()?;
    Ok(Accepted { digest: own, map, judged, written: against })
}

fn write_down(store: &Store, digest: &str, other: &str, accept: &Accept<'_>) -> Result<(), Error> {
    let folder = store.root().join("accepted").join(digest);
    let acceptance = Acceptance {
        digest: digest.to_owned(),
        against: other.to_owned(),
        acknowledged: Acknowledged {
            name: accept.name.to_owned(),
            because: accept.because.to_owned(),
            at: clock::display(accept.now.0),
            by: accept.by.to_owned(),
        },
    };
    // BOUND: a number that is taken is one more that somebody wrote, and a folder has so many at most.
    loop {
        let next = numbers(&folder)?.last().map_or(1, |last| last + 1);
        if store.put(&folder, next, &acceptance)? {
            return Ok(());
        }
    }
}

/// Compares a map with those in force before it and in its place.
fn judge(
    store: &Store,
    map: &Map,
    digest: &str,
    bound_ppm: u32,
    symbols: &[Symbol],
) -> Result<Vec<Judged>, Error> {
    let before = store.before(map.venue, map.date)?;
    let current = store.in_force(map.venue, map.date)?.filter(|one| one.digest != digest);
    let mut judged = Vec::new();
    for pointer in before.into_iter().chain(current) {
        let (mut compared, words) = match store.read(&pointer.digest) {
            Ok(other) => match Difference::between(&other.map, map, symbols) {
                Ok(difference) => {
                    let words = difference.to_string();
                    (Compared::of(&difference, pointer.digest, bound_ppm), words)
                }
                Err(error) => {
                    let why = error.to_string();
                    (Compared::unreadable(&pointer, why.clone(), bound_ppm), why)
                }
            },
            Err(error @ (Error::Damaged { .. } | Error::Absent(_))) => {
                let (date, venue) = (pointer.date, pointer.venue);
                let words = format!("the map of {venue} for {date} can't be compared: {error}");
                (Compared::unreadable(&pointer, error.to_string(), bound_ppm), words)
            }
            Err(error) => return Err(error),
        };
        compared.acknowledged = store.acceptance(digest, &compared.digest)?;
        judged.push(Judged { compared, words });
    }
    Ok(judged)
}

/// Checks a map that was not read from a file of its own.
///
/// # Errors
/// Everything for which it is refused.
pub fn checked(map: &Map, from: &Path, wanted: &Wanted) -> Result<Vec<Warning>, Problems> {
    let findings = check::check(map, &Places::unknown(from), wanted);
    if findings.refusals.is_empty() {
        return Ok(findings.warnings);
    }
    let refusals = findings.refusals.into_iter().map(|refusal| refusal.0);
    Err(Problems::new("map", from, refusals.collect()))
}

impl Why {
    /// What a command exits with that refuses for this.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Why::Content(_) | Why::Interfaces(_) => Exit::Config,
            Why::Difference { .. } | Why::First { .. } => Exit::NoGo,
            Why::Contended => Exit::Host,
        }
    }
}

/// What to do about a map that is refused for its difference.
#[must_use]
pub fn advice(from: &str, digest: &str) -> String {
    format!(
        "{from}: the map is refused; what was in force stays. Where the venue says that it is right: candor map \
         accept {digest} --name NAME --because TEXT, then candor map load {digest}"
    )
}

impl From<Why> for Failure {
    fn from(why: Why) -> Failure {
        Failure::new(why.exit(), why.to_string())
    }
}

impl fmt::Display for Why {
    /// What is wrong and what to do, without a break behind the last line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Content(problems) | Why::Interfaces(problems) => problems.fmt(f),
            Why::Difference { from, digest, judged } => {
                for Judged { compared, words } in judged {
                    if compared.grave {
                        writeln!(f, "{words}")?;
                        continue;
                    }
                    let bound = f64::from(compared.bound_ppm) / 10_000.0;
                    let word = if compared.known { "beyond" } else { "not known to be within" };
                    writeln!(f, "{words}\n{word} the bound of {bound} %")?;
                }
                f.write_str(&advice(from, digest))
            }
            Why::First { digest, venue, date } => write!(
                f,
                "no map of {venue} was ever in force here: there is nothing to compare the one for {date} \
                 with. Look at it (candor map show {digest}) and put it in force by name: candor map load \
                 {digest} --date {date}"
            ),
            Why::Contended => f.write_str(
                "other processes put maps in force for the same date all the while; look at candor map \
                 history and load it again",
            ),
        }
    }
}
