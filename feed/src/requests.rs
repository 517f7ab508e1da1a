//! How many requests have left for each venue's services, and when: a small file that outlives the handler.
//!
//! A venue counts by the day what it is asked, whichever process asks. A handler that starts finds here what left since
//! its trading date began, and goes on from there; what left before the date counts for nothing then. The file is
//! `NAME.requests.toml` in the handler's `state` folder, by its name, or `<region>.requests` where none is configured.
//! Where it can't be read nothing counts, which is said: a request too many the venue refuses, and to make none would
//! leave stale what could be healed.
//!
//! ```toml
//! format = 1
//!
//! [[sent]]
//! venue = "IEXG"
//! last = "2026-11-23T14:32:10.000000000Z"
//! retransmits = 41
//! snapshots = 2
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use candor_core::{Mono, Nanos, Venue};
use candor_maps::calendar::Wall;
use candor_services::agent::Sent;
use candor_settings::{Context, Table};

use crate::clock;
use crate::config::Config;
use crate::exit::Failure;
use crate::kept::{Kept, Named, needed, quoted, records};
use crate::later::{self, Later, Writer};

/// What it is a record of.
const WHAT: &str = "record of requests";

/// A hundred venues, of each as many groups as a day has, have room.
const BYTES: u64 = 4 << 20;

/// What leaves within so much time is one group, as of its last: it counts for so much longer than a day at most.
const GROUP: Nanos = Nanos::from_secs(600);

const DAY: Nanos = Nanos::from_secs(24 * 60 * 60);

/// It is to be written with every so manieth look. A kill costs what has left since: a second's, of each venue.
const LOOKS_A_WRITE: u32 = 4;

/// What has left for a venue's services since the handler is there. The recovery thread counts.
#[derive(Debug)]
pub(crate) struct Tally {
    venue: Venue,
    retransmits: AtomicU64,
    snapshots: AtomicU64,
}

impl Tally {
    pub(crate) fn new(venue: Venue) -> Tally {
        Tally { venue, retransmits: AtomicU64::new(0), snapshots: AtomicU64::new(0) }
    }

    pub(crate) fn venue(&self) -> Venue {
        self.venue
    }

    pub(crate) fn set(&self, sent: Sent) {
        self.retransmits.store(sent.retransmits, Ordering::Relaxed);
        self.snapshots.store(sent.snapshots, Ordering::Relaxed);
    }

    fn get(&self) -> Sent {
        let [retransmits, snapshots] =
            [&self.retransmits, &self.snapshots].map(|count| count.load(Ordering::Relaxed));
        Sent { retransmits, snapshots }
    }
}

/// Requests that left close together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Group {
    last: u64,
    sent: Sent,
}

/// By venue and time.
type Groups = BTreeMap<String, BTreeMap<u64, Group>>;

/// What has left, and the file it is kept in.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    kept: Kept,
    all: Groups,
}

impl Record {
    /// What the handlers before this one have kept; nothing where that can't be read.
    pub(crate) fn read(config: &Config) -> Record {
        let kept = Record::kept(config);
        let all = read(&kept).unwrap_or_else(|why| {
            tracing::warn!(%why, "how many requests have left on this date is not known; none is counted");
            Groups::new()
        });
        Record { kept, all }
    }

    /// Why it can't be read, if so.
    pub(crate) fn trouble(config: &Config) -> Option<Failure> {
        read(&Record::kept(config)).err()
    }

    fn kept(config: &Config) -> Kept {
        let handler = &config.handler;
        let name = format!("{}.requests.toml", handler.name);
        let named = Named { name: &name, ending: ".requests", what: WHAT, bytes: BYTES };
        Kept::of(named, handler.state.as_deref(), &handler.region)
    }

    /// What has left for a venue on the trading date under way, which began then, and how long ago; the oldest first.
    /// Nothing between two dates.
    pub(crate) fn of_date(
        &self,
        venue: Venue,
        begins: Option<Wall>,
        wall: u64,
    ) -> Vec<(Nanos, Sent)> {
        let Some((begins, own)) = begins.zip(self.all.get(venue.as_str())) else { return vec![] };
        let of_date = own.values().filter(|group| group.last >= begins.0);
        // By a clock that was set back it has left now.
        let aged = of_date.map(|group| (Nanos(wall.saturating_sub(group.last)), group.sent));
        aged.filter(|(age, _)| *age < DAY).collect()
    }

    /// Requests have left.
    fn note(&mut self, venue: Venue, sent: Sent, wall: u64) {
        let own = self.all.entry(venue.as_str().to_owned()).or_default();
        put(own, wall, sent);
        for groups in self.all.values_mut() {
            groups.retain(|_, group| wall < group.last.saturating_add(DAY.0));
        }
        self.all.retain(|_, groups| !groups.is_empty());
    }

    #[cfg(test)]
    fn write(&self) -> Result<(), Failure> {
        self.kept.replace(Some(&text(&self.all)))
    }
}

/// What was recorded, and what counts from here on.
pub(crate) struct Opened {
    pub(crate) record: Record,
    pub(crate) tallies: Vec<Arc<Tally>>,
}

/// Keeps the record of what leaves. It touches no disk.
#[derive(Debug)]
pub(crate) struct Keeper {
    record: Record,
    later: Later,
    tallies: Vec<Arc<Tally>>,
    /// What of each is in the record.
    noted: Vec<Sent>,
    looks: u32,
    /// Something is in the record that is not to be in the file yet.
    wanted: bool,
    failed: bool,
}

impl Keeper {
    pub(crate) fn new(record: Record, tallies: Vec<Arc<Tally>>) -> (Keeper, Writer) {
        let noted = vec![Sent::default(); tallies.len()];
        let (later, writer) = later::open(record.kept.clone());
        let (looks, wanted, failed) = (0, false, false);
        (Keeper { record, later, tallies, noted, looks, wanted, failed }, writer)
    }

    /// Notes what has left since the last look, and has it written now and then.
    pub(crate) fn look(&mut self, (wall, now): (u64, Mono)) {
        self.note(wall);
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(LOOKS_A_WRITE) {
            self.want(now);
        }
        let trouble = self.unwritten(now);
        match (std::mem::replace(&mut self.failed, trouble.is_some()), trouble) {
            (false, Some(why)) => {
                tracing::warn!(%why, "a start after this will not know how many requests have left");
            }
            (true, None) => tracing::info!("how many requests have left is recorded again"),
            _ => {}
        }
    }

    /// The last look: nothing leaves any more.
    pub(crate) fn end(&mut self, (wall, now): (u64, Mono)) {
        self.note(wall);
        self.want(now);
    }

    /// Why what has left is not written down, where somebody has to be told.
    pub(crate) fn unwritten(&self, now: Mono) -> Option<String> {
        self.later.trouble(now)
    }

    fn note(&mut self, wall: u64) {
        for (tally, noted) in self.tallies.iter().zip(&mut self.noted) {
            let sent = tally.get();
            let since = Sent {
                retransmits: sent.retransmits.saturating_sub(noted.retransmits),
                snapshots: sent.snapshots.saturating_sub(noted.snapshots),
            };
            if since != Sent::default() {
                *noted = sent;
                self.record.note(tally.venue(), since, wall);
                self.wanted = true;
            }
        }
    }

    fn want(&mut self, now: Mono) {
        if std::mem::take(&mut self.wanted) {
            self.later.want(text(&self.record.all), now);
        }
    }
}

fn put(groups: &mut BTreeMap<u64, Group>, last: u64, sent: Sent) {
    let group = groups.entry(last / GROUP.0).or_insert(Group { last, sent: Sent::default() });
    group.last = group.last.max(last);
    group.sent.retransmits = group.sent.retransmits.saturating_add(sent.retransmits);
    group.sent.snapshots = group.sent.snapshots.saturating_add(sent.snapshots);
}

/// The file's text.
fn text(all: &Groups) -> String {
    let mut text = String::from(
        "# How many requests have left for the venues' services. Written by `candor run`: a handler that starts goes \
         on from it.\nformat = 1\n",
    );
    for (venue, groups) in all {
        for Group { last, sent } in groups.values() {
            let (venue, last) = (quoted(venue), clock::display(*last));
            let Sent { retransmits, snapshots } = sent;
            let _ = writeln!(
                text,
                "\n[[sent]]\nvenue = {venue}\nlast = \"{last}\"\nretransmits = {retransmits}\nsnapshots = {snapshots}",
            );
        }
    }
    text
}

fn read(kept: &Kept) -> Result<Groups, Failure> {
    let mut all = Groups::new();
    if let Some(text) = kept.read()? {
        for (venue, Group { last, sent }) in parse(kept.path(), &text)? {
            put(all.entry(venue).or_default(), last, sent);
        }
    }
    Ok(all)
}

fn parse(path: &Path, text: &str) -> Result<Vec<(String, Group)>, Failure> {
    Ok(records(WHAT, (path, text), "sent", one)?)
}

/// One group; `None` after saying what is wrong with it.
fn one(cx: &mut Context<'_>, table: &mut Table<'_>) -> Option<(String, Group)> {
    const LAST: &str = "last = \"2026-11-23T14:32:10Z\"";
    let venue = needed(cx, table, "venue", "venue = \"IEXG\"");
    let last = needed(cx, table, "last", LAST);
    let retransmits = count(cx, table, "retransmits");
    let snapshots = count(cx, table, "snapshots");
    let last = last.and_then(|at| {
        let means = clock::parse(at.value);
        if means.is_none() {
            cx.problem(at.line, format!("{:?} is not like `{LAST}`", at.value));
        }
        means
    });
    let sent = Sent { retransmits: retransmits?, snapshots: snapshots? };
    Some((venue?.value.to_owned(), Group { last: last?, sent }))
}

fn count(cx: &mut Context<'_>, table: &mut Table<'_>, key: &'static str) -> Option<u64> {
    let found = table.integer(cx, key, 0..=u64::from(u32::MAX));
    if found.is_none() && table.line_of(cx, key).is_none() {
        table.missing(cx, key, &format!("{key} = 0"));
    }
    found.map(|at| at.value)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::kept::scene::Folder;

    const HOUR: u64 = 3_600_000_000_000;
    const SECOND: u64 = 1_000_000_000;
    const NOW: u64 = 500_000 * HOUR;
    const NONE: Sent = Sent { retransmits: 0, snapshots: 0 };

    fn kept(folder: &Folder) -> Record {
        Record::read(&folder.config())
    }

    fn file(folder: &Folder) -> PathBuf {
        folder.path("h.requests.toml")
    }

    fn venue(name: &str) -> Venue {
        Venue::from_wire(name.as_bytes()).unwrap()
    }

    fn sent(retransmits: u64, snapshots: u64) -> Sent {
        Sent { retransmits, snapshots }
    }

    /// A keeper, and a disk that answers at once.
    struct Kept {
        keeper: Keeper,
        writer: Writer,
    }

    impl Kept {
        fn new(record: Record, tallies: Vec<Arc<Tally>>) -> Kept {
            let (keeper, writer) = Keeper::new(record, tallies);
            Kept { keeper, writer }
        }

        fn look(&mut self, wall: u64) {
            self.keeper.look((wall, Mono(wall)));
            self.writer.turn();
        }

        fn end(&mut self, wall: u64) {
            self.keeper.end((wall, Mono(wall)));
            self.writer.turn();
        }
    }

    /// What is counted of a date that began then.
    fn counted(record: &Record, name: &str, begins: Option<u64>, wall: u64) -> Sent {
        let of_date = record.of_date(venue(name), begins.map(Wall), wall);
        let sum = |sum: Sent, (_, one): &(Nanos, Sent)| {
            sent(sum.retransmits + one.retransmits, sum.snapshots + one.snapshots)
        };
        of_date.iter().fold(NONE, sum)
    }

    #[test]
    fn the_next_handler_goes_on_within_the_date_and_from_nothing_on_another() {
        let folder = Folder::new("requests-round");
        let tallies = ["XNAS", "IEXG"].map(|name| Arc::new(Tally::new(venue(name))));
        let mut keeper = Kept::new(kept(&folder), tallies.to_vec());
        tallies[0].set(sent(40, 2));
        keeper.end(NOW);
        tallies[0].set(sent(70, 3));
        tallies[1].set(sent(0, 900));
        keeper.end(NOW + HOUR);
        keeper.end(NOW + HOUR + 1);
        let next = kept(&folder);
        assert_eq!(text(&next.all), text(&keeper.keeper.record.all));
        let now = NOW + 2 * HOUR;
        assert_eq!(counted(&next, "XNAS", Some(NOW), now), sent(70, 3));
        assert_eq!(counted(&next, "IEXG", Some(NOW), now), sent(0, 900));
        assert_eq!(counted(&next, "BATS", Some(NOW), now), NONE);
        let ages: Vec<_> = next.of_date(venue("XNAS"), Some(Wall(NOW)), now);
        assert_eq!(ages, [(Nanos(2 * HOUR), sent(40, 2)), (Nanos(HOUR), sent(30, 1))]);
        // Of a date that has begun since, or is still to begin.
        assert_eq!(counted(&next, "XNAS", Some(NOW + 1), now), sent(30, 1));
        assert_eq!(counted(&next, "XNAS", Some(NOW + HOUR + 1), now), NONE);
        assert_eq!(counted(&next, "XNAS", None, now), NONE);
        // Nor what is a day old, however long the date is.
        assert_eq!(counted(&next, "XNAS", Some(NOW), NOW + 24 * HOUR), sent(30, 1));
        // The one after it goes on from both.
        let mut keeper = Kept::new(next, tallies[..1].to_vec());
        tallies[0].set(sent(5, 0));
        keeper.end(now);
        assert_eq!(counted(&kept(&folder), "XNAS", Some(NOW), now), sent(75, 3));
        assert_eq!(counted(&kept(&folder), "IEXG", Some(NOW), now), sent(0, 900));
    }

    #[test]
    fn it_is_written_each_second_where_something_has_left_and_not_else() {
        let folder = Folder::new("requests-often");
        let tally = Arc::new(Tally::new(venue("XNAS")));
        let mut keeper = Kept::new(kept(&folder), vec![Arc::clone(&tally)]);
        for look in 0..8 {
            keeper.look(NOW + look * SECOND / 4);
        }
        assert!(!file(&folder).exists(), "nothing has left");
        tally.set(sent(1, 0));
        let written: Vec<bool> = (0..4)
            .map(|look| {
                keeper.look(NOW + (10 + look) * SECOND / 4);
                file(&folder).exists()
            })
            .collect();
        assert_eq!(written, [false, false, false, true]);
        fs::remove_file(file(&folder)).unwrap();
        for look in 0..8 {
            keeper.look(NOW + (20 + look) * SECOND / 4);
        }
        assert!(!file(&folder).exists(), "nothing more has");
    }

    #[test]
    fn what_left_close_together_is_one_group_as_of_its_last_and_an_old_one_is_forgotten() {
        let folder = Folder::new("requests-groups");
        let tally = Arc::new(Tally::new(venue("XNAS")));
        let mut keeper = Kept::new(kept(&folder), vec![Arc::clone(&tally)]);
        for nth in 1..=4_000 {
            tally.set(sent(nth, 0));
            keeper.keeper.note(NOW + nth * 30 * SECOND);
        }
        let last = NOW + 4_000 * 30 * SECOND;
        let groups = keeper.keeper.record.of_date(venue("XNAS"), Some(Wall(0)), last);
        assert!(groups.iter().all(|(_, sent)| sent.retransmits <= 20));
        assert_eq!(groups.last().map(|(age, _)| *age), Some(Nanos::ZERO));
        let all = counted(&keeper.keeper.record, "XNAS", Some(0), last).retransmits;
        assert!((2_880..=2_900).contains(&all), "{all} in a day, one each half minute");
        assert!(keeper.keeper.record.all["XNAS"].len() <= 146, "as many groups as a day has");
        // By a clock that was set back they have left now, and are not forgotten.
        assert_eq!(counted(&keeper.keeper.record, "XNAS", Some(0), NOW).retransmits, all);
    }

    #[test]
    fn what_can_not_be_read_counts_for_nothing_and_is_replaced() {
        let folder = Folder::new("requests-bad");
        let tally = Arc::new(Tally::new(venue("XNAS")));
        let mut keeper = Kept::new(kept(&folder), vec![Arc::clone(&tally)]);
        tally.set(sent(7, 1));
        keeper.end(NOW);
        let sound = fs::read_to_string(file(&folder)).unwrap();
        assert_eq!(counted(&kept(&folder), "XNAS", Some(0), NOW), sent(7, 1));
        let cases = [
            (sound.replace("format = 1", "format = 2"), "`format`"),
            (sound.replace("last = \"2", "last = \"x"), "is not like `last ="),
            (sound.replace("retransmits = 7\n", ""), "has no `retransmits`"),
            (sound.replace("snapshots = 1", "snapshots = -1"), "`snapshots`"),
            (sound.replace("snapshots = 1", "snapshots = 9999999999"), "`snapshots`"),
            (sound.clone() + "more = 1\n", "unknown key `more`"),
            (sound[..sound.find("last").unwrap()].to_owned(), "has no `last`"),
            (format!("{sound}#{}", "x".repeat(BYTES as usize)), "is longer"),
            ("\0\0\0\0".to_owned(), "is not TOML"),
        ];
        for (text, says) in cases {
            assert_ne!(text, sound, "{says}");
            fs::write(file(&folder), &text).unwrap();
            let why = Record::trouble(&folder.config()).unwrap();
            assert!(why.message.contains(says), "{says}: {why}");
            let record = kept(&folder);
            assert_eq!(counted(&record, "XNAS", Some(0), NOW), NONE, "{says}");
            let mut keeper = Kept::new(record, vec![Arc::clone(&tally)]);
            keeper.end(NOW);
            assert_eq!(fs::read_to_string(file(&folder)).unwrap(), sound, "{says}");
        }
        assert!(Record::trouble(&folder.config()).is_none());
    }

    #[test]
    fn the_longest_record_can_be_read() {
        let folder = Folder::new("requests-long");
        let mut record = kept(&folder);
        for name in 0..100 {
            let own = record.all.entry(format!("VENUE{name:03}")).or_default();
            for group in 0..146 {
                put(own, NOW + group * GROUP.0, sent(u64::from(u32::MAX), u64::from(u32::MAX)));
            }
        }
        record.write().unwrap();
        assert_eq!(text(&kept(&folder).all), text(&record.all));
    }
}
