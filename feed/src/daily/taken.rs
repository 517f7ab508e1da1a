//! What is said and recorded of a map that a running handler has taken: who put it in force, and what it changed.
//!
//! Weeks later it is asked which change made symbols stale. So the record has the map before and the one after, by
//! whom and from where, and what really moved, by name: `candor changes` counts that, and not the venue.

use candor_core::Symbol;
use candor_core::symbol::Text;
use candor_journal::{Fields, partition_name};
use candor_maps::Map;
use candor_maps::diff::Difference;

use super::shape::Steps;
use crate::config::Partition;
use crate::journal::{self, Journal};
use crate::store::{Pointer, Store};

/// Symbols that the records of one map name at most: as many as those of symbols in a minute.
const NAMED: usize = 50_000;

/// Groups of symbols that are named at most, the largest first: a venue that spreads everything anew has thousands
/// of pairs of partitions, and the journal's queue has no room for them.
const GROUPS: usize = 256;

/// Pairs of partitions, and lines of words, in the map's own record at most.
const LINES: usize = 40;

/// Bytes of such a line at most.
const LINE: usize = 400;

/// How a map came to be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum How {
    /// The handler fetched it, at its hour.
    Fetched,
    /// Somebody else put it in force in the store; the pointer says who.
    Found,
}

impl How {
    const fn name(self) -> &'static str {
        match self {
            How::Fetched => "fetched",
            How::Found => "found",
        }
    }
}

/// A map that was taken.
pub(super) struct Taken<'a> {
    pub(super) pointer: &'a Pointer,
    pub(super) how: How,
    /// The digest of the map before.
    pub(super) before: &'a str,
    /// What differs, or why nobody can tell.
    pub(super) difference: &'a Result<Difference, String>,
    /// The partitions from here on.
    pub(super) after: &'a [Partition],
    pub(super) steps: &'a Steps,
}

impl Taken<'_> {
    /// The names of the partitions that came, and of those that went.
    pub(super) fn names(&self) -> (String, String) {
        let names = |numbers: &[u16]| {
            let name = |number: &u16| self.after[usize::from(*number)].name.to_string();
            numbers.iter().map(name).collect::<Vec<_>>().join(" ")
        };
        (names(&[&self.steps.added[..], &self.steps.again].concat()), names(&self.steps.removed))
    }
}

/// What a map differs by from the one that the handler has had until now.
pub(super) fn between(store: &Store, before: &str, map: &Map) -> Result<Difference, String> {
    let before = store.read(before).map_err(|error| error.to_string())?;
    Difference::between(&before.map, map, &[]).map_err(|error| error.to_string())
}

/// What differs in words, a line each, and no more of them than are read.
pub(super) fn words(difference: &Result<Difference, String>) -> Vec<String> {
    let text = match difference {
        Ok(difference) => difference.to_string(),
        Err(why) => format!("what differs from the map before nobody can tell: {why}"),
    };
    few(text.lines().map(|line| cut(line.trim())))
}

/// So many lines, and how many more there are.
fn few(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    if lines.len() > LINES {
        let more = lines.len() - LINES;
        lines.truncate(LINES);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn cut(line: &str) -> String {
    match line.char_indices().find(|(at, _)| *at >= LINE) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}

/// What is recorded of who put a map in force: of any map, also one that a start takes.
pub(crate) fn put_by(fields: Fields, pointer: &Pointer) -> Fields {
    let fields = fields
        .text("by", &pointer.by)
        .text("from", cut(&pointer.from))
        .text("put", &pointer.at)
        .number("number", u64::from(pointer.number));
    let acknowledged = pointer.compared.iter().find_map(|one| one.acknowledged.as_ref());
    match acknowledged {
        Some(one) => fields
            .text("accepted_by", cut(&one.name))
            .text("accepted_as", cut(&one.by))
            .text("because", cut(&one.because)),
        None => fields,
    }
}

/// Symbols that went from one partition to another; `None` for nowhere.
struct Group<'a> {
    from: Option<Text<16>>,
    to: Option<Text<16>>,
    symbols: &'a [Symbol],
}

impl Group<'_> {
    /// The partitions that it is about, and what happened.
    fn said(&self, venue: &str) -> (Vec<String>, &'static str) {
        let name = |name: &Text<16>| partition_name(venue, name.as_str());
        let what = match (self.from, self.to) {
            (Some(_), Some(_)) => "moved",
            (None, _) => "new",
            (_, None) => "dropped",
        };
        (self.from.iter().chain(&self.to).map(name).collect(), what)
    }
}

/// All of a difference, the largest first.
fn groups(difference: &Difference) -> Vec<Group<'_>> {
    let moved = difference.moved.iter().map(|one| Group {
        from: Some(one.from),
        to: Some(one.to),
        symbols: &one.symbols,
    });
    let new = difference.gained.iter().map(|one| Group {
        from: None,
        to: Some(one.partition),
        symbols: &one.symbols,
    });
    let dropped = difference.dropped.iter().map(|one| Group {
        from: Some(one.partition),
        to: None,
        symbols: &one.symbols,
    });
    let mut all: Vec<Group<'_>> = moved.chain(new).chain(dropped).collect();
    all.sort_by_key(|group| std::cmp::Reverse(group.symbols.len()));
    all
}

/// How many of the groups are named.
fn named(groups: &[Group<'_>]) -> usize {
    let mut left = NAMED;
    let fits = |group: &&Group<'_>| match left.checked_sub(group.symbols.len()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    groups.iter().take(GROUPS).take_while(fits).count()
}

/// The records of a map that was taken, in their order: the map's own, what moved by name, and where partitions are
/// that it has brought, left or put elsewhere.
pub(super) fn record(journal: &Journal, taken: &Taken<'_>) {
    let Taken { pointer, steps, after, .. } = taken;
    let venue = pointer.venue.as_str();
    for (kind, fields) in of_map(taken) {
        journal.record(kind, fields);
    }
    let elsewhere = steps.lines.iter().map(|(number, ..)| number);
    let mut numbers: Vec<u16> =
        steps.added.iter().chain(&steps.again).chain(&steps.removed).copied().collect();
    numbers.extend(elsewhere);
    numbers.sort_unstable();
    numbers.dedup();
    for number in numbers {
        let own = &after[usize::from(number)];
        journal::start::map(
            journal,
            &partition_name(venue, own.name.as_str()),
            own,
            Some(&pointer.digest),
        );
    }
}

/// The map's own record, and what moved by name.
fn of_map(taken: &Taken<'_>) -> Vec<(&'static str, Fields)> {
    let Taken { pointer, how, before, difference, .. } = taken;
    let venue = pointer.venue.as_str();
    let (added, removed) = taken.names();
    let fields = journal::start::in_force(pointer.venue, pointer.date, &pointer.digest)
        .text("taken", how.name())
        .text("before", before)
        .text("added", added)
        .text("removed", removed)
        .list("words", words(difference));
    let fields = put_by(fields, pointer);
    // Nobody knows what moved: it is about the venue, as it stands.
    let Some(difference) = difference.as_ref().ok().filter(|one| one.known) else {
        return vec![("map", fields)];
    };
    let groups = groups(difference);
    let (named, rest) = groups.split_at(named(&groups));
    let count = |groups: &[Group<'_>], what: &str| -> u64 {
        let of = groups.iter().filter(|group| group.said(venue).1 == what);
        of.map(|group| group.symbols.len() as u64).sum()
    };
    let pairs = difference
        .moved
        .iter()
        .map(|one| format!("{} to {}: {}", one.from, one.to, one.symbols.len()));
    let mut fields = fields.list("moves", few(pairs));
    for what in ["moved", "new", "dropped"] {
        fields = fields.number(what, count(&groups, what));
    }
    let unnamed: u64 = rest.iter().map(|group| group.symbols.len() as u64).sum();
    if unnamed > 0 {
        fields = fields.number("not_named", unnamed);
    }
    let mut records = vec![("map", fields.list("touched", touched(taken, named, rest)))];
    for group in named {
        let (partitions, what) = group.said(venue);
        let fields = Fields::new()
            .text("venue", venue)
            .text("of", &pointer.digest)
            .text("what", what)
            .list("partition", partitions);
        let chunks = group.symbols.chunks(journal::start::NAMES);
        records.extend(chunks.map(|some| ("moved", fields.clone().list("symbols", some))));
    }
    records
}

/// The partitions that the map has touched as a whole, and not by symbols that are named: those that are elsewhere,
/// those whose symbols are too many to be named, and those that came or went with symbols that nobody lists.
fn touched(taken: &Taken<'_>, named: &[Group<'_>], rest: &[Group<'_>]) -> Vec<String> {
    let Taken { pointer, after, steps, .. } = taken;
    let venue = pointer.venue.as_str();
    let name = |number: &u16| partition_name(venue, after[usize::from(*number)].name.as_str());
    let by_name: Vec<String> = named.iter().flat_map(|group| group.said(venue).0).collect();
    let came = steps.added.iter().chain(&steps.again).chain(&steps.removed).map(name);
    let mut all: Vec<String> = came.filter(|name| !by_name.contains(name)).collect();
    all.extend(steps.lines.iter().map(|(number, ..)| name(number)));
    all.extend(rest.iter().flat_map(|group| group.said(venue).0));
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use candor_core::TradingDate;

    use super::super::shape;
    use super::super::tests::{TWO, config, map};
    use super::*;
    use crate::daily::Place;
    use crate::store::{Acknowledged, Compared};

    const DIGEST: &str = "dd";

    fn pointer(acknowledged: Option<Acknowledged>) -> Pointer {
        let compared = Compared {
            date: TradingDate(20_261_120),
            digest: "cc".to_owned(),
            symbols: 4,
            moved: 1,
            dropped: 0,
            added: 0,
            changes: 1,
            known: true,
            unreadable: None,
            beyond: true,
            grave: false,
            bound_ppm: 10_000,
            acknowledged,
        };
        Pointer {
            venue: Text::from_wire(b"XNAS").unwrap(),
            date: TradingDate(20_261_123),
            number: 2,
            digest: DIGEST.to_owned(),
            at: "2026-11-23T17:00:00Z".to_owned(),
            by: "ops (1001)".to_owned(),
            from: "/srv/map.toml".to_owned(),
            compared: vec![compared],
        }
    }

    /// What is recorded of a map behind another one.
    fn records(before: &Map, after: &Map, pointer: &Pointer) -> Vec<(&'static str, Fields)> {
        let config = config("spare_partitions = 2", "");
        let mapped = &config.mapped[0];
        let mut running = shape::partitions(mapped, before, 2).unwrap();
        running.extend([mapped.spare(0), mapped.spare(1)]);
        let place = |one: &Partition| {
            let lines = || std::array::from_fn(|line| one.lines[line].is_some());
            Place { venue: mapped.venue, made: (!one.is_spare()).then(lines) }
        };
        let places: Vec<Place> = running.iter().map(place).collect();
        let (after_all, steps) = shape::follow(mapped, after, &running, &places, &|_| 0).unwrap();
        let difference = Difference::between(before, after, &[]).map_err(|error| error.to_string());
        of_map(&Taken {
            pointer,
            how: How::Found,
            before: "aa",
            difference: &difference,
            after: &after_all,
            steps: &steps,
        })
    }

    fn lists(fields: &Fields, name: &str) -> Vec<String> {
        fields.names_of(name).map(str::to_owned).collect()
    }

    #[test]
    fn a_map_is_recorded_with_who_put_it_in_force_and_what_moved_by_name() {
        // 2 is gone; C is dropped with it and D is on 3, which is new; A stays on 1, B is on 3, and E is new.
        let after = map(&[("1", 9, "A", ""), ("3", 3, "B D E", "")]);
        let name = |name: &str| name.to_owned();
        let ann = Acknowledged {
            name: name("ann"),
            because: name("the venue has said so"),
            at: name("2026-11-23T16:59:00Z"),
            by: name("ops (1001)"),
        };
        let all = records(&map(&TWO), &after, &pointer(Some(ann)));
        let (kind, own) = &all[0];
        assert_eq!(*kind, "map");
        for (field, value) in [
            ("venue", "XNAS"),
            ("date", "2026-11-23"),
            ("before", "aa"),
            ("digest", DIGEST),
            ("taken", "found"),
            ("by", "ops (1001)"),
            ("from", "/srv/map.toml"),
            ("accepted_by", "ann"),
            ("accepted_as", "ops (1001)"),
            ("because", "the venue has said so"),
            ("added", "3"),
            ("removed", "2"),
        ] {
            assert_eq!(own.text_of(field), Some(value), "{field}");
        }
        let counts = ["moved", "new", "dropped"].map(|field| own.number_of(field).unwrap());
        assert_eq!(counts, [2, 1, 1]);
        assert_eq!(lists(own, "moves"), ["1 to 3: 1", "2 to 3: 1"]);
        let words = lists(own, "words").join("; ");
        assert!(
            words.contains("partition 3 is new") && words.contains("partition 2 is gone"),
            "{words}"
        );
        // 1 is elsewhere, and touched whole; of 2 and 3 it is said which symbols.
        assert_eq!(lists(own, "touched"), ["XNAS/1"]);
        let mut moved: Vec<String> = all[1..]
            .iter()
            .map(|(kind, fields)| {
                assert_eq!((*kind, fields.text_of("of")), ("moved", Some(DIGEST)));
                let [partitions, symbols] =
                    ["partition", "symbols"].map(|name| lists(fields, name).join(" "));
                format!("{} {partitions}: {symbols}", fields.text_of("what").unwrap())
            })
            .collect();
        moved.sort_unstable();
        let expected = [
            "dropped XNAS/2: C",
            "moved XNAS/1 XNAS/3: B",
            "moved XNAS/2 XNAS/3: D",
            "new XNAS/3: E",
        ];
        assert_eq!(moved, expected);
    }

    #[test]
    fn a_map_that_differs_in_its_date_alone_touches_nothing() {
        let before = Map { date: TradingDate(20_261_120), ..map(&TWO) };
        let all = records(&before, &map(&TWO), &pointer(None));
        let [("map", own)] = &all[..] else { panic!("{all:?}") };
        assert_eq!(lists(own, "touched"), [""; 0]);
        assert!(own.get("touched").is_some() && own.get("accepted_by").is_none());
        assert!(lists(own, "words").contains(&"nothing differs".to_owned()));
    }

    #[test]
    fn one_that_nobody_can_compare_is_about_the_venue() {
        let taken = Taken {
            pointer: &pointer(None),
            how: How::Fetched,
            before: "aa",
            difference: &Err("damaged".to_owned()),
            after: &[],
            steps: &Steps::default(),
        };
        let all = of_map(&taken);
        let [("map", own)] = &all[..] else { panic!("{all:?}") };
        assert!(own.get("touched").is_none());
        assert_eq!(own.text_of("taken"), Some("fetched"));
        assert!(lists(own, "words")[0].ends_with("nobody can tell: damaged"));
    }

    #[test]
    fn what_is_recorded_of_the_largest_map_has_a_bound() {
        // Every symbol of 60 partitions of 40 goes to another one each, and as many again are new.
        let names: Vec<Vec<String>> = (0..60)
            .map(|at| (0..40).map(|symbol| format!("S{at:02}{symbol:02}")).collect())
            .collect();
        let named = |lists: &[Vec<String>]| {
            let parts: Vec<(String, String)> = (0..)
                .zip(lists)
                .map(|(at, list): (u32, _)| (format!("{at}"), list.join(" ")))
                .collect();
            let parts: Vec<(&str, u16, &str, &str)> = (1u16..)
                .zip(&parts)
                .map(|(port, (name, list))| (name.as_str(), port, list.as_str(), ""))
                .collect();
            map(&parts)
        };
        let mut spread: Vec<Vec<String>> = vec![Vec::new(); 60];
        for (at, list) in names.iter().enumerate() {
            for (symbol, name) in list.iter().enumerate() {
                spread[(at + symbol + 1) % 60].push(name.clone());
            }
        }
        let all = records(&named(&names), &named(&spread), &pointer(None));
        assert_eq!(all.len(), 1 + GROUPS);
        let own = &all[0].1;
        assert_eq!(own.number_of("moved"), Some(60 * 40));
        assert_eq!(own.number_of("not_named"), Some(60 * 40 - GROUPS as u64));
        assert_eq!(lists(own, "moves").len(), LINES + 1);
        // What is not named counts by its partitions.
        assert_eq!(lists(own, "touched").len(), 60);
        let bytes = own.to_string().len();
        assert!(bytes < candor_journal::LINE_BYTES / 2, "it fits into a line: {bytes}");
        assert!(cut(&"é".repeat(LINE)).len() <= LINE + "…".len());
    }
}
