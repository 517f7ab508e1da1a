//! The maps' thread pass by pass, at times that the test says: what it puts in force, and what is said of what it can't.
//! The lanes take at once what they are given.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use candor_core::alert::Code;
use candor_core::symbol::Text;
use candor_core::{Mono, TradingDate, Venue};
use candor_maps::Map;
use candor_maps::calendar::Wall;
use candor_maps::file;

use super::tests::{Folder, MONDAY, TWO, map};
use super::thread::{Job, Thread};
use super::{Resolved, resolve};
use crate::alert::{About, Raiser, Word};
use crate::config::parse_text;
use crate::journal::Journal;
use crate::run::partition_spec;
use crate::sessions::Record;
use crate::store::Store;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;

const FRIDAY: TradingDate = TradingDate(20_261_120);
const TODAY: TradingDate = TradingDate(20_261_123);

/// A handler that starts on Monday with Friday's map in its store.
struct Handler {
    folder: Folder,
    thread: Thread,
    /// The wall clock; the other one goes with it.
    wall: Arc<AtomicU64>,
    alerts: Raiser,
    /// What the lanes were given.
    given: Receiver<Option<TradingDate>>,
    /// With each, what they were told to be of before.
    told: Receiver<Option<Mono>>,
}

impl Handler {
    /// `maps` is what `[[venue]]` says of its map, `fetch` what `[[maps.venue]]` does, for a folder `new` in the store's.
    fn new(name: &str, wall: Wall, maps: (&str, bool)) -> Handler {
        Handler::slow(name, (wall, wall), maps)
    }

    /// One that looks up its maps at one time, and is ready at another.
    fn slow(name: &str, times: (Wall, Wall), maps: (&str, bool)) -> Handler {
        Handler::after(&Map { date: FRIDAY, ..map(&TWO) }, name, times, maps)
    }

    /// One that has this map of Friday's.
    fn after(
        friday: &Map,
        name: &str,
        (looked, wall): (Wall, Wall),
        (maps, fetch): (&str, bool),
    ) -> Handler {
        let folder = Folder::new(name);
        folder.put(friday);
        fs::create_dir_all(folder.path().join("new")).unwrap();
        let here = folder.path().display();
        let fetch = match fetch {
            true => format!(
                "bound_ppm = 1000000\n[[maps.venue]]\nname = \"XNAS\"\nformat = \"candor\"\n\
                 fetch = {{ directory = \"{here}/new\", files = [\"map.toml\"] }}\n"
            ),
            false => String::new(),
        };
        let text = format!(
            "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\nkind = \"udp\"\n\
             interface = \"lo\"\n[[lane]]\n[maps]\nstore = \"{here}\"\n{fetch}\
             [[venue]]\nname = \"XNAS\"\nfeed = \"nasdaq-itch50\"\nmap = {{ {maps} }}\n"
        );
        let config = parse_text("t.toml".as_ref(), &text).unwrap_or_else(|wrong| panic!("{wrong}"));
        let resolved = resolve(&config, looked).unwrap();
        let Resolved { config, .. } = &resolved;
        let mut spec = candor_shm::RegionSpec::new(Text::from_wire(b"t").unwrap());
        spec.partitions = config.partitions.iter().map(partition_spec).collect();
        let (_, _, region) = candor_shm::heap(&spec).unwrap();
        let ((to, jobs), (done, from)) = (mpsc::channel::<Job>(), mpsc::channel());
        let (gives, given) = mpsc::channel();
        let (tells, told) = mpsc::channel();
        thread::spawn(move || {
            for job in jobs {
                let _ = gives.send(job.in_force.map(|map| map.date));
                let mut seats = job.changes.iter().flatten().flat_map(|change| &change.seats);
                let _ = tells.send(seats.next().and_then(|seat| seat.new.over));
                let _ = done.send(job);
            }
        });
        let (start, wall) = (looked.0, Arc::new(AtomicU64::new(wall.0)));
        let clock = Arc::clone(&wall);
        let times = Box::new(move || {
            let now = clock.load(Ordering::Relaxed);
            (Wall(now), Mono(now - start + 3_600 * SECOND))
        });
        let journal = Journal::none();
        let alerts = journal.alerts().clone();
        let stop = Arc::new(AtomicBool::new(false));
        let kept = (journal, Record::none());
        let resolved = (resolved, (looked, Mono(3_600 * SECOND)));
        let thread = Thread::new(resolved, region, (to, from), stop, times, kept);
        Handler { folder, thread, wall, alerts, given, told }
    }

    /// Goes on to this time, and makes a pass a second for a while, each behind whatever is fetched.
    fn goes_to(&mut self, wall: Wall) {
        for second in 0..10 {
            self.wall.store(wall.0 + second * SECOND, Ordering::Relaxed);
            self.thread.pass();
            self.thread.settle();
        }
    }

    /// What the venue has to be fetched.
    fn publish(&self, map: &Map) {
        fs::write(self.folder.path().join("new/map.toml"), file::write(map).toml).unwrap();
    }

    /// The digest in force for Monday.
    fn in_force(&self) -> Option<String> {
        let store = Store::open(self.folder.path()).unwrap();
        let pointer = store.in_force(Venue::from_wire(b"XNAS").unwrap(), TODAY).unwrap();
        pointer.map(|pointer| pointer.digest)
    }
}

/// A map of the day in which `D` is on the other partition.
fn corrected() -> Map {
    let [first, second] = TWO;
    map(&[(first.0, first.1, "A B D", first.3), (second.0, second.1, "C", second.3)])
}

/// A card that is gone is no reason to have no map for the next date: its lines were there, and are meant.
#[test]
fn a_map_is_fetched_that_names_an_interface_of_the_handlers_own_and_no_other_that_is_missing() {
    let before = Wall(MONDAY.0 - 30 * MINUTE);
    let on = |interface: &str| {
        let mut map = map(&TWO);
        let lines = map.partitions.iter_mut().flat_map(|one| one.lines.iter_mut().flatten());
        lines.for_each(|line| line.interface = Some(interface.to_owned()));
        map
    };
    let friday = Map { date: FRIDAY, ..on("gone0") };
    for (named, is_taken) in [("gone0", true), ("gone1", false)] {
        let mut handler =
            Handler::after(&friday, &format!("fetch-{named}"), (before, before), ("", true));
        handler.publish(&on(named));
        handler.goes_to(MONDAY);
        assert_eq!(handler.in_force().is_some(), is_taken, "{named}");
    }
}

#[test]
fn what_somebody_puts_in_force_before_its_hour_is_not_fetched_over() {
    let before = Wall(MONDAY.0 - 30 * MINUTE);
    let mut handler = Handler::new("over-named", before, ("", true));
    handler.publish(&map(&TWO));
    handler.goes_to(before);
    handler.folder.put(&corrected());
    handler.goes_to(Wall(MONDAY.0 - MINUTE));
    assert!(handler.given.try_iter().any(|date| date == Some(TODAY)), "it is taken");
    // At 07:30 there is another one to be fetched, and at noon still.
    for later in [0, 300] {
        handler.goes_to(Wall(MONDAY.0 + later * MINUTE));
        assert_eq!(handler.in_force(), Some(file::digest_text(&corrected())));
    }
    assert_eq!(handler.given.try_iter().count(), 0);
}

#[test]
fn what_somebody_puts_in_force_while_one_is_fetched_stays() {
    let mut handler = Handler::new("named-meanwhile", MONDAY, ("", true));
    // Nothing is there yet: it is tried again and again.
    handler.goes_to(MONDAY);
    assert_eq!(handler.in_force(), None);
    handler.publish(&map(&TWO));
    handler.folder.put(&corrected());
    handler.goes_to(Wall(MONDAY.0 + MINUTE));
    assert_eq!(handler.in_force(), Some(file::digest_text(&corrected())));
    // One that was fetched is as good as another.
    let mut other = Handler::new("fetched-twice", MONDAY, ("", true));
    other.publish(&map(&TWO));
    other.goes_to(MONDAY);
    assert_eq!(other.in_force(), Some(file::digest_text(&map(&TWO))));
}

/// Between the two the filter, the sockets and the lanes' memory are made, which takes seconds, and what the host has
/// received since is the lanes' to take.
#[test]
fn a_start_that_crosses_the_beginning_of_a_date_is_told_when_that_was() {
    // Monday begins at 02:00; every day of the other calendar at midnight, when the one before ends.
    let every_day = "calendar = \"every-day\"";
    for (name, maps, minutes) in [("crosses", "", 330), ("crosses-every", every_day, 450)] {
        let begins = Wall(MONDAY.0 - minutes * MINUTE);
        let (looked, ready) = (Wall(begins.0 - 2 * SECOND), Wall(begins.0 + 3 * SECOND));
        let mut handler = Handler::slow(name, (looked, ready), (maps, false));
        handler.goes_to(ready);
        let told: Vec<Mono> = handler.told.try_iter().flatten().collect();
        assert_eq!(told, [Mono(3_602 * SECOND)], "{name}");
    }
    // Where it crosses none there is nothing to tell.
    let looked = Wall(MONDAY.0 - 60 * MINUTE);
    let ready = Wall(looked.0 + 5 * SECOND);
    let mut handler = Handler::slow("crosses-none", (looked, ready), ("", false));
    handler.goes_to(ready);
    assert_eq!(handler.told.try_iter().count(), 0);
}

/// Pages that are sent: as the machine of alerts has it, what ends is over after a while, and what was about something
/// that is over at once.
#[derive(Default)]
struct Pages {
    open: Vec<Code>,
    sent: Vec<(Code, String)>,
}

impl Pages {
    /// Hears what was said since, and forgets what has ended.
    fn hear(&mut self, handler: &Handler) {
        let mut ended = Vec::new();
        while let Some(word) = handler.alerts.take() {
            match word {
                Word::Raise { code, about: About::Venue(_), text, .. } => {
                    ended.retain(|other| *other != code);
                    if !self.open.contains(&code) {
                        self.open.push(code);
                        self.sent.push((code, text));
                    }
                }
                Word::End { code, .. } => ended.push(code),
                Word::Over { code, .. } => self.open.retain(|other| *other != code),
                _ => {}
            }
        }
        self.open.retain(|code| !ended.contains(code));
    }

    fn codes(&self) -> Vec<Code> {
        self.sent.iter().map(|(code, _)| *code).collect()
    }
}

/// A store that can't be read for a moment, and reads as before.
#[test]
fn a_map_that_could_not_be_read_and_then_is_the_one_in_force_is_no_matter_any_more() {
    let mut handler = Handler::new("blip", MONDAY, ("", false));
    handler.folder.put(&map(&TWO));
    handler.goes_to(MONDAY);
    let mut pages = Pages::default();
    pages.hear(&handler);
    assert_eq!((pages.codes(), &pages.open[..]), (vec![], &[][..]));
    let (dates, away) = (handler.folder.path().join("dates"), handler.folder.path().join("away"));
    for minute in [10, 20] {
        fs::rename(&dates, &away).unwrap();
        fs::write(&dates, "no folder").unwrap();
        handler.goes_to(Wall(MONDAY.0 + minute * MINUTE));
        pages.hear(&handler);
        assert_eq!(pages.open, [Code::MapRefused]);
        fs::remove_file(&dates).unwrap();
        fs::rename(&away, &dates).unwrap();
        handler.goes_to(Wall(MONDAY.0 + (minute + 1) * MINUTE));
        pages.hear(&handler);
        assert_eq!(pages.open, [], "it reads well");
    }
    assert_eq!(pages.codes(), [Code::MapRefused; 2], "each is a page");
}

/// The same before the map is due, when none is held and nothing is wrong with that.
#[test]
fn a_store_that_could_not_be_read_in_the_night_hides_no_page_of_the_morning() {
    let night = Wall(MONDAY.0 - 120 * MINUTE);
    let mut handler = Handler::new("night", night, ("", false));
    let mut pages = Pages::default();
    let (dates, away) = (handler.folder.path().join("dates"), handler.folder.path().join("away"));
    fs::rename(&dates, &away).unwrap();
    fs::write(&dates, "no folder").unwrap();
    handler.goes_to(night);
    pages.hear(&handler);
    assert_eq!(pages.open, [Code::NoMap]);
    fs::remove_file(&dates).unwrap();
    fs::rename(&away, &dates).unwrap();
    handler.goes_to(Wall(night.0 + MINUTE));
    pages.hear(&handler);
    assert_eq!(pages.open, []);
    handler.goes_to(MONDAY);
    pages.hear(&handler);
    assert_eq!(pages.codes(), [Code::NoMap; 2]);
}

/// What fetches the map fails again and again: one page, and not one each time.
#[test]
fn a_fetch_that_goes_on_failing_is_one_page() {
    let mut handler = Handler::new("fails", MONDAY, ("", true));
    let mut pages = Pages::default();
    for minute in 0..5 {
        handler.goes_to(Wall(MONDAY.0 + minute * MINUTE));
        pages.hear(&handler);
    }
    assert_eq!(pages.codes(), [Code::NoMap]);
    handler.publish(&map(&TWO));
    handler.goes_to(Wall(MONDAY.0 + 6 * MINUTE));
    pages.hear(&handler);
    assert_eq!(pages.open, []);
}

/// Where one date ends as the next begins and its map is due, too.
#[test]
fn a_date_without_a_map_is_a_page_of_its_own_behind_another_without_one() {
    let every_day = "calendar = \"every-day\", at = \"00:00\"";
    for (name, maps, behind) in [("dates", "", 24 * 60), ("every-day", every_day, 17 * 60)] {
        let mut handler = Handler::new(name, MONDAY, (maps, false));
        let mut pages = Pages::default();
        for minutes in [0, behind] {
            handler.goes_to(Wall(MONDAY.0 + minutes * MINUTE));
            pages.hear(&handler);
        }
        assert_eq!(pages.codes(), [Code::NoMap; 2], "{name}");
        let of = |at: usize| &pages.sent[at].1;
        assert!(of(0).contains("2026-11-23") && of(1).contains("2026-11-24"), "{:?}", pages.sent);
    }
}
