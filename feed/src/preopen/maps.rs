//! The map of today: which one is due, what it differed by, who answers for that, and whether the handler runs
//! what it is configured with.

use candor_core::symbol::Text;
use candor_core::{Reason, TradingDate, Venue};
use candor_maps::calendar::Wall;
use candor_preopen::{Check, Verdict};
use candor_shm::Region;

use crate::config::{Config, Mapped, overlay_from};
use crate::daily::ending::{self, Known, Left};
use crate::daily::{days::Days, resolve};
use crate::day;
use crate::store::{Compared, Pointer, Store};

const NAME: &str = "map";

/// What today's maps are, and how they stand.
pub(super) struct Day {
    /// With the partitions of today's maps.
    pub(super) config: Config,
    pub(super) checks: Vec<Check>,
    dates: Vec<(Venue, TradingDate)>,
    /// The map that is in force in the store for each of them, by its digest.
    pub(super) maps: Vec<(Venue, String)>,
}

impl Day {
    /// The trading date of a venue's map; `None` where no date is under way.
    pub(super) fn date_of(&self, venue: Venue) -> Option<TradingDate> {
        self.dates.iter().find(|(one, _)| *one == venue).map(|(_, date)| *date)
    }
}

/// The maps of today, and whether the handler runs this configuration.
pub(super) fn look(config: &Config, region: &Region, wall: u64) -> Day {
    let mut day = of_store(config, wall);
    for mapped in &config.mapped {
        let Some((_, due)) = day.maps.iter().find(|(venue, _)| *venue == mapped.venue) else {
            continue;
        };
        day.checks.extend(other(mapped.venue, due, region));
    }
    let own = region.info().config_digest;
    day.checks.insert(0, configuration(config, own));
    day
}

/// Where the handler has another map in force than the store: loaded a moment ago, or it can't be taken.
fn other(venue: Venue, due: &str, region: &Region) -> Option<Check> {
    let in_force = region.venue(&venue).and_then(|venue| venue.in_force);
    let own: String = in_force
        .map(|one| one.digest.iter().map(|byte| format!("{byte:02x}")).collect())
        .unwrap_or_default();
    if own == due {
        return None;
    }
    let short = |digest: &str| digest.get(..12).unwrap_or("none").to_owned();
    let evidence = format!("the handler has {} in force, and {} is due", short(&own), short(due));
    let to_do =
        "it takes a new one within seconds: ask again; the log and the journal say why it does not";
    Some(Check::not(Verdict::Fails, NAME, venue.as_str(), evidence, to_do))
}

fn configuration(config: &Config, own: [u8; 32]) -> Check {
    let short = |digest: &[u8; 32]| -> String {
        digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    };
    let name = "configuration";
    if own == config.digest {
        return Check::holds(name, "", format!("{}, and the handler's", short(&own)));
    }
    let evidence =
        format!("{} here, {} is what the handler runs", short(&config.digest), short(&own));
    let to_do = "was it changed since the handler's start? put it back, or start the handler anew";
    Check::not(Verdict::Fails, name, "", evidence, to_do)
}

/// How long the calendars still know the venues' dates: the day after the last one no map is due.
pub(super) fn calendars(config: &Config, now: Wall) -> Vec<Check> {
    const NAME: &str = "calendar";
    let one = |Known { venue, left, words }: Known| match left {
        Left::Enough => Check::holds(NAME, venue.as_str(), words),
        Left::Little => Check::not(Verdict::Warns, NAME, venue.as_str(), words, ending::TO_DO),
        Left::Nothing => Check::not(Verdict::Fails, NAME, venue.as_str(), words, ending::TO_DO),
    };
    ending::look(config, now).into_iter().map(one).collect()
}

/// A partition by its venue and name.
pub(super) type Name = (Venue, Text<16>);

/// The names of partitions by their numbers in the region, but for those that were left: nothing of them becomes
/// Live by a resume.
pub(super) fn names(region: &Region, numbers: &[u16]) -> Vec<Name> {
    let one = |number: &u16| region.partition_when(*number, candor_shm::clock::now);
    let infos = numbers.iter().filter_map(one);
    let infos = infos.filter(|info| info.unhalted.reason() != Some(Reason::Unsubscribed));
    infos.map(|info| (info.spec.venue, info.spec.name)).collect()
}

/// The maps in force in a region, by its handler's own configuration.
pub(super) fn in_force(config: &Config, region: &Region, wall: u64) -> Day {
    let mut day = of_configuration(config, wall);
    for mapped in &config.mapped {
        let about = mapped.venue.as_str();
        match region.venue(&mapped.venue).and_then(|venue| venue.in_force) {
            Some(in_force) => {
                day.dates.push((mapped.venue, in_force.date));
                let evidence = format!("that of {} is in force", in_force.date);
                day.checks.push(Check::holds(NAME, about, evidence));
            }
            None => {
                let to_do = "candor map history; candor map fetch";
                let evidence = "none is in force";
                day.checks.push(Check::not(Verdict::Fails, NAME, about, evidence, to_do));
            }
        }
    }
    day
}

/// What the configuration says of the date by itself.
fn of_configuration(config: &Config, wall: u64) -> Day {
    let (checks, dates, maps) = (Vec::new(), Vec::new(), Vec::new());
    let mut day = Day { config: config.clone(), checks, dates, maps };
    let mapped = |venue| config.mapped.iter().any(|mapped| mapped.venue == venue);
    match day::Day::of(config, wall) {
        Ok(days) => {
            for one in days.iter().filter(|one| !mapped(one.venue())) {
                day.dates.push((one.venue(), one.date()));
                let evidence = format!("the configuration's, for {}", one.date());
                day.checks.push(Check::holds(NAME, one.venue().as_str(), evidence));
            }
        }
        Err(failure) => {
            let to_do = "start the handler with today's configuration";
            day.checks.push(Check::not(Verdict::Fails, NAME, "", failure.message, to_do));
        }
    }
    day
}

/// The maps of today. `config` may be the handler's own, with the partitions of the maps it started with.
pub(super) fn of_store(config: &Config, wall: u64) -> Day {
    let calendars = calendars(config, Wall(wall));
    let mut bare = config.clone();
    let mapped = |venue| config.mapped.iter().any(|mapped| mapped.venue == venue);
    bare.partitions.retain(|partition| !partition.is_spare() && !mapped(partition.venue));
    let config = &bare;
    let Day { mut checks, mut dates, mut maps, .. } = of_configuration(config, wall);
    checks.extend(calendars);
    for mapped in &config.mapped {
        let OfVenue { check, date, digest } = of_venue(config, mapped, Wall(wall));
        checks.push(check);
        dates.extend(date.map(|date| (mapped.venue, date)));
        maps.extend(digest.map(|digest| (mapped.venue, digest)));
    }
    let resolved = match resolve(config, Wall(wall)) {
        Ok(resolved) => resolved.config,
        Err(failure) => {
            let to_do = "candor map history; candor map fetch";
            checks.push(Check::not(Verdict::Fails, NAME, "", failure.message, to_do));
            config.clone()
        }
    };
    Day { config: resolved, checks, dates, maps }
}

/// How the map of a venue stands, the date that is under way, and the digest of the map in force for it.
struct OfVenue {
    check: Check,
    date: Option<TradingDate>,
    digest: Option<String>,
}

fn of_venue(config: &Config, mapped: &Mapped, wall: Wall) -> OfVenue {
    let venue = mapped.venue;
    let about = venue.as_str();
    let no = |date, evidence: String, to_do: &str| OfVenue {
        check: Check::not(Verdict::Fails, NAME, about, evidence, to_do),
        date,
        digest: None,
    };
    let overlay = config.maps.as_ref().and_then(|maps| maps.overlay.as_deref());
    let overlay = match overlay.map(overlay_from).transpose() {
        Ok(overlay) => overlay,
        Err(problems) => {
            return no(None, problems.to_string(), "put the overlay right");
        }
    };
    let Some(today) = Days::of(mapped, overlay.as_ref()).and_then(|days| days.today(wall)) else {
        let evidence = "no trading date is under way, by its calendar".to_owned();
        return no(None, evidence, "candor timeline");
    };
    let date = today.date;
    let store = match config.maps.as_ref().map(|maps| Store::open(&maps.store)) {
        Some(Ok(store)) => store,
        Some(Err(error)) => {
            return no(Some(date), error.to_string(), "see to the store");
        }
        None => return no(Some(date), "there is no [maps]".to_owned(), "candor check"),
    };
    match store.in_force(venue, date) {
        Err(error) => no(Some(date), error.to_string(), "candor map history"),
        Ok(None) => {
            let last = match store.before(venue, date) {
                Ok(Some(last)) => format!("; the last one is of {}", last.date),
                _ => String::new(),
            };
            let evidence = format!("none is in force for {date}{last}");
            let to_do = "candor map fetch; candor map accept, where it is late";
            no(Some(date), evidence, to_do)
        }
        Ok(Some(pointer)) => OfVenue {
            check: judged(about, &pointer),
            date: Some(date),
            digest: Some(pointer.digest),
        },
    }
}

/// What a map in force differed by, and whether somebody answers for it.
fn judged(about: &str, pointer: &Pointer) -> Check {
    let short = pointer.digest.get(..12).unwrap_or(&pointer.digest);
    let map = format!("{short} for {}, loaded by {}", pointer.date, pointer.by);
    if pointer.compared.is_empty() {
        let evidence = format!("{map}; there was no other to compare it with");
        return Check::not(Verdict::Warns, NAME, about, evidence, "candor map show");
    }
    let parts: Vec<String> = pointer.compared.iter().map(difference).collect();
    let evidence = format!("{map}; {}", parts.join("; "));
    if pointer.compared.iter().all(Compared::passes) {
        return Check::holds(NAME, about, evidence);
    }
    let to_do = "candor map diff; candor map accept";
    Check::not(Verdict::Fails, NAME, about, evidence, to_do)
}

fn difference(compared: &Compared) -> String {
    let Compared { date, symbols, moved, dropped, added, changes, .. } = compared;
    let mut text = match (&compared.unreadable, compared.known) {
        (Some(why), _) => format!("that of {date} can't be read: {why}"),
        (None, false) => format!("how many symbols moved since {date} nobody can know"),
        (None, true) => format!(
            "of {symbols} symbols {moved} moved, {dropped} went, {added} came since {date}, in {changes} changes"
        ),
    };
    match (&compared.acknowledged, compared.beyond) {
        (Some(by), _) => text.push_str(&format!(", acknowledged by {}: {}", by.name, by.because)),
        (None, true) => text.push_str(", and nobody has acknowledged it"),
        (None, false) => {}
    }
    text
}
