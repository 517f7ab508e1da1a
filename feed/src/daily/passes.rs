//! The maps' thread pass by pass, at times that the test says: what it puts in force, and what is said of what it can't.
//! The lanes take at once what they are given.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use candor_core::symbol::Text;
use candor_core::{Mono, TradingDate, Venue};
use candor_maps::Map;
use candor_maps::calendar::Wall;
use candor_maps::file;

use super::tests::{Folder, MONDAY, TWO, map};
use super::thread::{Job, Thread};
use super::{Resolved, resolve};
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
    /// What the lanes were given.
    given: Receiver<Option<TradingDate>>,
}

impl Handler {
    /// `maps` is what `[[venue]]` says of its map, `fetch` what `[[maps.venue]]` does, for a folder `new` in the store's.
    fn new(name: &str, wall: Wall, (maps, fetch): (&str, bool)) -> Handler {
        let folder = Folder::new(name);
        folder.put(&Map { date: FRIDAY, ..map(&TWO) });
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
        let resolved = resolve(&config, wall).unwrap();
        let Resolved { config, .. } = &resolved;
        let mut spec = candor_shm::RegionSpec::new(Text::from_wire(b"t").unwrap());
        spec.partitions = config.partitions.iter().map(partition_spec).collect();
        let (_, _, region) = candor_shm::heap(&spec).unwrap();
        let ((to, jobs), (done, from)) = (mpsc::channel::<Job>(), mpsc::channel());
        let (gives, given) = mpsc::channel();
        thread::spawn(move || {
            for job in jobs {
                let _ = gives.send(job.in_force.map(|map| map.date));
                let _ = done.send(job);
            }
        });
        let (start, wall) = (wall.0, Arc::new(AtomicU64::new(wall.0)));
        let clock = Arc::clone(&wall);
        let times = Box::new(move || {
            let now = clock.load(Ordering::Relaxed);
            (Wall(now), Mono(now - start + 3_600 * SECOND))
        });
        let journal = Journal::none();
        let stop = Arc::new(AtomicBool::new(false));
        let kept = (journal, Record::none());
        let thread = Thread::new(resolved, region, (to, from), stop, times, kept);
        Handler { folder, thread, wall, given }
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
