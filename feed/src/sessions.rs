//! Which sessions the partitions of a handler have followed, and since when: a small file that outlives it.
//!
//! A handler that runs as a trading date begins knows which sessions are of before: those it has followed. One that
//! starts later has not heard them begin, and finds them here (`docs/decisions/0014`). The file is `NAME.sessions.toml` in
//! the handler's `state` folder, by its name, or `<region>.sessions` where none is configured.
//!
//! ```toml
//! format = 1
//!
//! [[session]]
//! partition = "XNAS/1"
//! id = "44415930303030303031000000000000"
//! since = "2026-11-23T07:14:02.000000000Z"
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use candor_core::alert::Code;
use candor_core::counters::Counter;
use candor_core::symbol::Text;
use candor_core::{Mono, SessionId, Venue};
use candor_engine::sessions::{Followed, Sessions};
use candor_journal::partition_name;
use candor_maps::calendar::Wall;
use candor_settings::{At, Context, Problems, Table};
use candor_shm::{FOLLOWED_BEFORE, Region};

use crate::alert::{About, Raiser};
use crate::clock;
use crate::config::Config;
use crate::exit::Failure;
use crate::kept::{Kept, Named, needed, quoted, records};
use crate::later::{self, Later, Writer};

/// What it is a record of.
const WHAT: &str = "record of sessions";

/// Sixteen sessions of as many partitions as are remembered have room.
const BYTES: u64 = 16 << 20;

/// Partitions that are remembered, also those that are no longer there.
const PARTITIONS: usize = 4_096;

/// What was followed, by partition, and the file it is kept in.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    kept: Kept,
    all: BTreeMap<String, Sessions>,
}

impl Record {
    /// What the handlers before this one have kept.
    ///
    /// # Errors
    /// Exit 78 where the file is there and can't be read whole: which sessions are of before is not known then,
    /// and a handler that did not know would take any of them for today's.
    pub(crate) fn read(config: &Config) -> Result<Record, Failure> {
        let handler = &config.handler;
        let name = format!("{}.sessions.toml", handler.name);
        let named = Named { name: &name, ending: ".sessions", what: WHAT, bytes: BYTES };
        let kept = Kept::of(named, handler.state.as_deref(), &handler.region);
        let mut lists: BTreeMap<String, Vec<Followed>> = BTreeMap::new();
        if let Some(text) = kept.read()? {
            for (partition, followed) in parse(kept.path(), &text)? {
                lists.entry(partition).or_default().push(followed);
            }
        }
        let all = lists.into_iter().map(|(name, list)| (name, Sessions::of(list))).collect();
        Ok(Record { kept, all })
    }

    pub(crate) fn path(&self) -> &Path {
        self.kept.path()
    }

    /// Whether it could be written; why not otherwise. Nothing is changed.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn writable(&self) -> Result<(), String> {
        self.kept.writable()
    }

    /// Nothing kept, and nowhere.
    #[cfg(test)]
    pub(crate) fn none() -> Record {
        let named = Named { name: "", ending: ".sessions", what: WHAT, bytes: BYTES };
        Record { kept: Kept::of(named, None, Path::new("/nowhere")), all: BTreeMap::new() }
    }

    /// The sessions of a partition that are of before the trading date under way, which began then; `None` between two
    /// dates: all are of before the next.
    pub(crate) fn earlier(
        &self,
        (venue, name): (Venue, Text<16>),
        begins: Option<Wall>,
    ) -> Vec<SessionId> {
        let own = self.all.get(&partition_name(venue.as_str(), name.as_str()));
        let begins = begins.map_or(u64::MAX, |begins| begins.0);
        let earlier = own.map_or_else(Vec::new, |sessions| sessions.earlier(begins));
        for session in &earlier {
            tracing::info!(%venue, partition = %name, %session, "of before this date: what is heard of it is Stale(NotStarted)");
        }
        earlier
    }

    /// The sessions of a partition that were followed since the trading date under way began; none between two dates.
    pub(crate) fn since(
        &self,
        (venue, name): (Venue, Text<16>),
        begins: Option<Wall>,
    ) -> Vec<SessionId> {
        let own = self.all.get(&partition_name(venue.as_str(), name.as_str()));
        own.zip(begins).map_or_else(Vec::new, |(sessions, begins)| sessions.since(begins.0))
    }

    /// Looks what is followed now, at a time by the wall clock and then by the region's. Whether there is anything to write
    /// down.
    ///
    /// A session is followed since its packet reached the host, as its lane says, and not since this look: that may come
    /// hours later, behind a disk that hung, and so may the lane. Where the host stands still between the two readings of
    /// clocks, the time is too early.
    pub(crate) fn look(&mut self, region: &Region, (wall, now): (u64, Mono)) -> bool {
        let mut other = false;
        for info in region.partitions_when(candor_shm::clock::now) {
            // Nothing was heard yet.
            let Some((session, ..)) = info.numbers.filter(|it| it.0 != SessionId::NONE) else {
                continue;
            };
            let since = match info.followed {
                // It is said in a moment.
                Mono::NEVER => continue,
                // What knew since when is gone.
                FOLLOWED_BEFORE => 0,
                at => wall.saturating_sub(now.since(at).0),
            };
            let name = partition_name(info.spec.venue.as_str(), info.spec.name.as_str());
            let restarts = info.counters.get(Counter::Restarts);
            other |= self.all.entry(name).or_default().note(session, restarts, since);
        }
        // Those that nobody has heard anything new of for the longest are those that are no longer there.
        while self.all.len() > PARTITIONS {
            let latest = |sessions: &Sessions| sessions.list().last().map_or(0, |one| one.since);
            let oldest = self.all.iter().min_by_key(|(_, sessions)| latest(sessions));
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
            self.all.remove(&oldest);
        }
        other
    }

    #[cfg(test)]
    pub(crate) fn write(&self) -> Result<(), Failure> {
        let text = text(&self.all);
        self.kept.replace((!self.all.is_empty()).then_some(text.as_str()))
    }
}

/// Keeps the record as it is followed, and says where that can't be written. It touches no disk.
pub(crate) struct Keeper {
    record: Record,
    later: Later,
    alerts: Raiser,
    failed: bool,
}

impl Keeper {
    /// What is in the file is what was read.
    pub(crate) fn new(record: Record, alerts: Raiser) -> (Keeper, Writer) {
        let (later, writer) = later::open(record.kept.clone());
        (Keeper { record, later, alerts, failed: false }, writer)
    }

    /// Has written down what is followed that was not before.
    pub(crate) fn look(&mut self, region: &Region, (wall, now): (u64, Mono)) {
        if self.record.look(region, (wall, now)) {
            self.later.want(text(&self.record.all), now);
        }
        match (self.unwritten(now), &mut self.failed) {
            (Some(why), failed @ false) => {
                *failed = true;
                let text =
                    format!("a start after this will not know which session is of before: {why}");
                self.alerts.raise(Code::SessionsUnwritten, About::Handler, text);
            }
            (None, failed @ true) => {
                *failed = false;
                self.alerts.end(Code::SessionsUnwritten, About::Handler);
            }
            _ => {}
        }
    }

    /// Why what is followed is not written down, where somebody has to be told.
    pub(crate) fn unwritten(&self, now: Mono) -> Option<String> {
        self.later.trouble(now)
    }
}

/// The file's text.
fn text(all: &BTreeMap<String, Sessions>) -> String {
    let mut text = String::from(
        "# Which sessions were followed, and since when. Written by `candor run`: a handler that starts knows from \
         it which are of before today.\nformat = 1\n",
    );
    for (partition, sessions) in all {
        for Followed { session, since } in sessions.list() {
            let since = clock::display(*since);
            let _ = writeln!(
                text,
                "\n[[session]] # {session}\npartition = {}\nid = \"{:032x}\"\nsince = \"{since}\"",
                quoted(partition),
                session.0,
            );
        }
    }
    text
}

fn parse(path: &Path, text: &str) -> Result<Vec<(String, Followed)>, Problems> {
    records(WHAT, (path, text), "session", one)
}

/// One session; `None` after saying what is wrong with it.
fn one(cx: &mut Context<'_>, table: &mut Table<'_>) -> Option<(String, Followed)> {
    const ID: &str = "id = \"00000000000000000000000000000001\"";
    const SINCE: &str = "since = \"2026-11-23T07:14:02Z\"";
    let partition = needed(cx, table, "partition", "partition = \"XNAS/1\"");
    let id = needed(cx, table, "id", ID);
    let since = needed(cx, table, "since", SINCE);
    let hex = |text: &str| u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32);
    let session = id.and_then(|at| like(cx, &at, hex(at.value), ID));
    let since = since.and_then(|at| like(cx, &at, clock::parse(at.value), SINCE));
    let followed = Followed { session: SessionId(session?), since: since? };
    Some((partition?.value.to_owned(), followed))
}

/// What a text means; `None` after saying that it means nothing.
fn like<T>(cx: &mut Context<'_>, at: &At<&str>, means: Option<T>, example: &str) -> Option<T> {
    if means.is_none() {
        cx.problem(at.line, format!("{:?} is not like `{example}`", at.value));
    }
    means
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::alert::Word;
    use crate::exit::Exit;
    use crate::kept::scene::Folder;

    const HOUR: u64 = 3_600_000_000_000;
    const NOW: u64 = 500_000 * HOUR;

    fn kept(folder: &Folder) -> Result<Record, Failure> {
        Record::read(&folder.config())
    }

    fn file(folder: &Folder) -> PathBuf {
        folder.path("h.sessions.toml")
    }

    fn day(number: u8) -> SessionId {
        SessionId::from_text([b'D', b'A', b'Y', b'0' + number])
    }

    fn of_partition(record: &Record, begins: Option<u64>) -> Vec<SessionId> {
        let venue = Text::from_wire(b"XNAS").unwrap();
        record.earlier((venue, Text::from_wire(b"1").unwrap()), begins.map(Wall))
    }

    #[test]
    fn the_next_handler_knows_what_is_of_before() {
        let folder = Folder::new("sessions-round");
        let mut record = kept(&folder).unwrap();
        assert_eq!(of_partition(&record, None), []);
        let own = record.all.entry("XNAS/1".to_owned()).or_default();
        own.note(day(1), 0, NOW);
        own.note(SessionId::from_number(7), 0, NOW + 3 * HOUR);
        record.all.entry("XNAS/two \"words\"".to_owned()).or_default().note(day(2), 0, NOW);
        record.write().unwrap();
        let next = kept(&folder).unwrap();
        assert_eq!(text(&next.all), text(&record.all));
        assert_eq!(of_partition(&next, Some(NOW + 2 * HOUR)), [day(1)]);
        assert_eq!(of_partition(&next, Some(NOW)), [], "it began with the date");
        let all = [day(1), SessionId::from_number(7)];
        assert_eq!(of_partition(&next, None), all, "between two dates");
    }

    /// The disk hung over the beginning of a date, or the lane did: what came before it is of before, and what came since is
    /// the date's, whenever it was looked at.
    #[test]
    fn a_session_is_followed_since_its_packet_came_and_not_since_the_look() {
        let folder = Folder::new("sessions-late");
        let mut record = kept(&folder).unwrap();
        let mut spec = candor_shm::RegionSpec::new(Text::from_wire(b"h").unwrap());
        spec.partitions.push(crate::run::partition_spec(&folder.config().partitions[0]));
        let (_handler, mut writers, region) = candor_shm::heap(&spec).unwrap();
        let writer = &mut writers[0];
        let mut look = |now| record.look(&region, (NOW + now, Mono(now)));
        // The date begins three hours from here.
        writer.followed(0, day(1), Mono(HOUR));
        assert!(look(5 * HOUR));
        writer.followed(0, day(2), Mono(4 * HOUR));
        assert!(look(6 * HOUR));
        assert!(!look(7 * HOUR));
        record.write().unwrap();
        let mut next = kept(&folder).unwrap();
        let begins = NOW + 3 * HOUR;
        assert_eq!(of_partition(&next, Some(begins)), [day(1)]);
        let name = (Text::from_wire(b"XNAS").unwrap(), Text::from_wire(b"1").unwrap());
        assert_eq!(next.since(name, Some(Wall(begins))), [day(2)]);
        // One whose record is gone, and that the lane knows nothing of: of before.
        writer.followed(0, day(3), Mono::NEVER);
        assert!(next.look(&region, (NOW + 8 * HOUR, Mono(8 * HOUR))));
        assert_eq!(of_partition(&next, Some(begins)), [day(1), day(3)]);
    }

    /// The disk hangs in the first write: what comes and goes meanwhile is noted all the same, by when it came, and somebody
    /// is told who can do something about it.
    #[test]
    fn who_looks_what_is_followed_does_not_wait_for_the_disk() {
        let folder = Folder::new("sessions-hung");
        let mut spec = candor_shm::RegionSpec::new(Text::from_wire(b"h").unwrap());
        spec.partitions.push(crate::run::partition_spec(&folder.config().partitions[0]));
        let (_handler, mut writers, region) = candor_shm::heap(&spec).unwrap();
        let lane = &mut writers[0];
        let (mut keeper, writer) = Keeper::new(kept(&folder).unwrap(), Raiser::new());
        let second = |number: u64| number * HOUR / 3_600;
        let mut look = |at: u64| {
            keeper.look(&region, (NOW + second(at), Mono(second(at))));
            keeper.alerts.take()
        };
        for number in 1..=3 {
            lane.followed(0, day(number), Mono(second(u64::from(number))));
            let said = look(u64::from(number));
            assert_eq!(said.is_some(), number == 3, "behind two seconds: {said:?}");
            if let Some(Word::Raise { code, text, .. }) = said {
                assert_eq!(code, Code::SessionsUnwritten);
                assert!(text.contains("h.sessions.toml: not written for 2000 ms"), "{text}");
            }
        }
        assert_eq!(look(10), None, "once");
        assert!(!file(&folder).exists());
        writer.turn();
        let over = Word::End { code: Code::SessionsUnwritten, about: About::Handler };
        assert_eq!(look(11), Some(over));
        let next = kept(&folder).unwrap();
        let all = next.all["XNAS/1"].list();
        let all: Vec<_> = all.iter().map(|one| (one.session, one.since)).collect();
        let since = |number: u8| NOW + second(u64::from(number));
        assert_eq!(all, [1, 2, 3].map(|number| (day(number), since(number))));
    }

    /// Its room is enough for what it may hold, so that none is written that no start would read.
    #[test]
    fn the_longest_record_can_be_read() {
        let folder = Folder::new("sessions-long");
        let mut record = kept(&folder).unwrap();
        for partition in 0..PARTITIONS {
            let own = record.all.entry(format!("VENUEXYZ/{partition:016}")).or_default();
            for number in 0..=candor_core::limits::SESSIONS_KEPT as u64 {
                own.note(SessionId(u128::MAX - u128::from(number)), 0, NOW + number);
            }
        }
        record.write().unwrap();
        assert_eq!(text(&kept(&folder).unwrap().all), text(&record.all));
    }

    #[test]
    fn a_record_that_can_not_be_read_is_refused_whole() {
        let folder = Folder::new("sessions-bad");
        let mut record = kept(&folder).unwrap();
        record.all.entry("XNAS/1".to_owned()).or_default().note(day(1), 0, NOW);
        record.write().unwrap();
        let sound = fs::read_to_string(file(&folder)).unwrap();
        let cases = [
            (sound.replace("format = 1", "format = 2"), "`format`"),
            (sound.replace("id = \"4441", "id = \"xx41"), "is not like `id ="),
            (sound.replace("id = \"4441", "id = \"41"), "is not like `id ="),
            (sound.replace("since = \"2", "since = \"x"), "is not like `since ="),
            (sound.replace("since =", "sins ="), "has no `since`"),
            (sound.clone() + "more = 1\n", "unknown key `more`"),
            (sound.replace("[[session]]", "[[session"), "is not TOML"),
            (format!("{sound}#{}", "x".repeat(BYTES as usize)), "is longer"),
        ];
        for (text, says) in cases {
            assert_ne!(text, sound, "{says}");
            fs::write(file(&folder), &text).unwrap();
            let refused = kept(&folder).unwrap_err();
            assert_eq!(refused.exit, Exit::Config);
            assert!(refused.message.contains(says), "{says}: {refused}");
        }
        fs::write(file(&folder), sound).unwrap();
        assert_eq!(kept(&folder).unwrap().all.len(), 1);
    }
}
