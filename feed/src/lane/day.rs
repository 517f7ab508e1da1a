//! A handler that goes from one trading date to the next: a lane, the maps' thread and its way to the lane as they are,
//! with a wall clock that the test sets.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use candor_core::alert::Code;
use candor_core::symbol::Text;
use candor_core::{Line, Nanos, Reason, TradingDate, Venue};
use candor_maps::calendar::Wall;
use candor_maps::check::Wanted;
use candor_maps::file;
use candor_shm::{HandlerWriter, InForce, Region, RegionSpec};

use super::*;
use crate::alert::{Raiser, Word};
use crate::attest::Verdict;
use crate::config::{Config, LineConfig, Partition as Configured, parse_text};
use crate::daily::taking::{Joiner, Taker};
use crate::daily::thread::Thread;
use crate::daily::{Resolved, resolve, shape};
use crate::journal::Journal;
use crate::lane::build::engine_config;
use crate::log::Log;
use crate::run::{handler_status, partition_spec};
use crate::sessions::Record;
use crate::source::{Arrival, Polled, udp};
use crate::store::{Accept, Outcome, Request, Store, Why, accept, load};

/// 07:29 in New York on Monday, 2026-11-23.
pub(super) const MORNING: u64 = 1_795_436_940_000_000_000;
pub(super) const HOUR: u64 = 3_600_000_000_000;

pub(super) static WALL: AtomicU64 = AtomicU64::new(MORNING);

/// Whose clock it is.
pub(super) static ONE: Mutex<()> = Mutex::new(());

pub(super) fn wall() -> u64 {
    WALL.load(Ordering::Relaxed)
}

/// Packets that the test gives.
#[derive(Clone, Default)]
pub(super) struct Given(Arc<Mutex<Packets>>);

impl Given {
    pub(super) fn give(&self, partition: u16, packet: Vec<u8>) {
        self.0.lock().unwrap().push_back((partition, packet));
    }
}

/// Each with its partition.
type Packets = VecDeque<(u16, Vec<u8>)>;

impl Source for Given {
    fn poll(&mut self, deliver: &mut dyn FnMut(Arrival<'_>)) -> Result<Polled, SourceError> {
        let mut frames = 0;
        for (partition, payload) in self.0.lock().unwrap().drain(..) {
            let at = Clock::new().now();
            deliver(Arrival { partition, line: Line::A, at, payload: &payload });
            frames += 1;
        }
        Ok(Polled { frames, drained: true, waits_since: None })
    }

    fn wait(&mut self, _: Nanos) -> Result<(), SourceError> {
        Ok(())
    }

    fn counts(&mut self) -> SourceCounts {
        SourceCounts::default()
    }

    fn mode(&self) -> &str {
        "given"
    }
}

/// Nothing is joined: packets come from the test.
pub(super) struct Nobody {
    pub(super) partitions: Vec<Configured>,
    pub(super) handler: HandlerWriter,
    in_force: BTreeMap<Venue, InForce>,
}

impl Joiner for Nobody {
    fn join(
        &mut self,
        _: u16,
        _: Line,
        (_, wanted): (&LineConfig, bool),
        _: Option<(&udp::Sockets, &udp::Given)>,
    ) -> bool {
        wanted
    }

    fn holds(&self, _: u16) -> bool {
        true
    }

    fn leave(&mut self, _: u16, _: Line, _: &LineConfig, _: &[Configured]) {}

    fn comes(&mut self, _: Venue, _: Option<&InForce>, _: Mono) {}

    fn taken(&mut self, _: Venue, _: Option<&InForce>, _: Mono) {}

    fn in_force(&mut self, venue: Venue, map: Option<&InForce>, now: Mono) {
        self.handler.set_in_force(&venue, map, now);
        self.in_force.remove(&venue);
        self.in_force.extend(map.map(|map| (venue, *map)));
    }

    fn was_in_force(&self, venue: Venue) -> Option<InForce> {
        self.in_force.get(&venue).copied()
    }

    fn partitions(&mut self) -> &mut Vec<Configured> {
        &mut self.partitions
    }
}

pub(super) struct Day {
    pub(super) folder: PathBuf,
    pub(super) lane: Lane,
    progress: Progress,
    taker: Taker,
    pub(super) joiner: Nobody,
    pub(super) region: Region,
    pub(super) given: Given,
    stop: Arc<AtomicBool>,
    pub(super) alerts: Raiser,
    pub(super) journal: Journal,
    /// As it was at the start.
    pub(super) config: Config,
}

impl Drop for Day {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(super) fn text<const N: usize>(text: &str) -> Text<N> {
    Text::from_wire(text.as_bytes()).unwrap()
}

/// Puts a map in force: partition 1 has `A`, and with `two` partition 2 has `B` and `C`, which 1 has else.
pub(super) fn put(folder: &Path, date: u32, two: bool) {
    let date = TradingDate(date);
    let part = |name: &str, symbols: &str| {
        format!(
            "[[partition]]\nname = \"{name}\"\nlines.A = {{ group = \"239.1.1.{name}\", port = 1 }}\n\
             symbols = [{symbols}]\n"
        )
    };
    let parts = if two {
        part("1", "\"A\"") + &part("2", "\"B\", \"C\"")
    } else {
        part("1", "\"A\", \"B\", \"C\"")
    };
    put_parts(folder, ("XNAS", date), &parts);
}

/// Puts a map in force that leaves the symbols of these partitions to the wire.
pub(super) fn put_in_band(folder: &Path, date: u32, names: &[&str]) {
    let part = |name: &&str| {
        format!(
            "[[partition]]\nname = \"{name}\"\nlines.A = {{ group = \"239.1.1.{name}\", port = 1 }}\n"
        )
    };
    put_parts(folder, ("XNAS", TradingDate(date)), &names.iter().map(part).collect::<String>());
}

pub(super) fn put_parts(folder: &Path, (venue, date): (&str, TradingDate), parts: &str) {
    let toml = format!(
        "format = 1\nvenue = \"{venue}\"\ndate = \"{date}\"\nprotocol = \"nasdaq-itch50\"\n{parts}"
    );
    let none = &mut |_: &Path| Err(String::new());
    let loaded = file::load(Path::new("m.toml"), &toml, &Wanted::default(), none).unwrap();
    let request = Request {
        venue: None,
        date,
        bound_ppm: 1_000_000,
        symbols: &[],
        interfaces: None,
        over_named: true,
        first: true,
        by: "t",
        from: "t",
        now: Wall(0),
    };
    let store = Store::open(folder).unwrap();
    let mut outcome = load(&store, loaded.clone(), &request).unwrap();
    // Of what the venue names on the wire nobody can know how much moves: somebody answers for it.
    if let Outcome::Refused(Why::Difference { digest, .. }) = &outcome {
        let by_name = Accept {
            date,
            bound_ppm: 1_000_000,
            symbols: &[],
            name: "t",
            because: "t",
            by: "t",
            now: Wall(0),
        };
        accept(&store, digest, &by_name).unwrap();
        outcome = load(&store, loaded, &request).unwrap();
    }
    assert!(matches!(outcome, Outcome::Loaded(_)), "{outcome:?}");
}

impl Day {
    /// A handler that starts on Monday with Friday's map.
    pub(super) fn new(name: &str, friday: impl FnOnce(&Path)) -> Day {
        Day::of(name, &["XNAS"], friday)
    }

    /// The same with the maps of several venues.
    pub(super) fn of(name: &str, venues: &[&str], friday: impl FnOnce(&Path)) -> Day {
        WALL.store(MORNING, Ordering::Relaxed);
        let folder = format!("candor-days-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        friday(&folder);
        let of_venue = |venue: &&str| {
            format!(
                "[[venue]]\nname = \"{venue}\"\nfeed = \"nasdaq-itch50\"\nsilence_ms = 60000\n\
                 late_ms = 60000\nmap = {{ symbols_max = 8, orders_max = 64, levels_max = 64 }}\n"
            )
        };
        let here = folder.display();
        let toml = format!(
            "[handler]\nname = \"t\"\nregion = \"{here}/t\"\n[source]\nkind = \"udp\"\n\
             interface = \"lo\"\n[[lane]]\n[maps]\nstore = \"{here}\"\n{}",
            venues.iter().map(of_venue).collect::<String>()
        );
        let config = parse_text(Path::new("t.toml"), &toml).unwrap();
        let resolved = resolve(&config, Wall(wall())).unwrap();
        Day::with(folder, resolved)
    }

    fn with(folder: PathBuf, resolved: Resolved) -> Day {
        let config = &resolved.config;
        let mut spec = RegionSpec::new(text("t"));
        spec.trading_date = resolved.starts[0].date;
        spec.process_lease = Nanos::from_secs(60);
        spec.partitions = config.partitions.iter().map(partition_spec).collect();
        let (mut handler, mut writers, region) = candor_shm::heap(&spec).unwrap();
        handler.set_status(handler_status(true, &Verdict::not_required()), Mono(1));
        let inbox = Arc::new(ArrayQueue::new(64));
        let all = config.partitions.len();
        let links = Links::new(vec![Arc::clone(&inbox); all], Arc::new(Log::new()));
        let way = Arc::new(Way::new());
        let (mut partitions, mut places) = (Vec::with_capacity(all), vec![None; all]);
        for (number, one) in (0u16..).zip(&config.partitions) {
            // The others are places to spare.
            if one.lines().next().is_some() {
                let listed = Arc::new(shape::listed(&config.partitions, one.venue));
                let own = engine_config(number, one, None, listed, (Mono::NEVER, Vec::new()));
                places[usize::from(number)] = Some(partitions.len());
                partitions.push((number, Partition::new(own)));
            }
        }
        let (given, stop) = (Given::default(), Arc::new(AtomicBool::new(false)));
        let mut lane = Lane {
            index: 0,
            source: Box::new(given.clone()),
            writer: writers.remove(0),
            subscribed: vec![true; partitions.len()],
            partitions,
            places,
            inbox,
            orders: Arc::new(Inbox::new()),
            maps: Arc::clone(&way),
            recovery: None,
            links,
            lease: Nanos::from_secs(60),
            day_ends: Mono::MAX,
            idle: Idle::Spin,
            stop: Arc::clone(&stop),
        };
        let mut progress = lane.progress();
        lane.start(&mut progress);
        let ((to, jobs), (done, from)) = (mpsc::channel(), mpsc::channel());
        let joiner =
            Nobody { partitions: config.partitions.clone(), handler, in_force: BTreeMap::new() };
        let journal = Journal::none();
        let alerts = journal.alerts().clone();
        let (kept, config) = ((journal.clone(), Record::none()), config.clone());
        let mut clock = Clock::new();
        let times = Box::new(move || (Wall(wall()), clock.now()));
        let resolved = (resolved, (Wall(wall()), candor_shm::clock::now()));
        let maps =
            Thread::new(resolved, region.clone(), (to, from), Arc::clone(&stop), times, kept);
        thread::spawn(move || maps.run());
        let (ways, under_way, receive_buffer) = (vec![way], None, 0);
        let taker =
            Taker { jobs, done, ways, adder: None, sockets: None, receive_buffer, under_way };
        Day { folder, lane, progress, taker, joiner, region, given, stop, alerts, journal, config }
    }

    /// Goes on until something is said of a map that is missing: whether it begins, and its text.
    pub(super) fn told(&mut self) -> (bool, String) {
        let (alerts, heard) = (self.alerts.clone(), RefCell::new(None));
        self.until("something is said", |_| {
            let mut heard = heard.borrow_mut();
            *heard = heard.take().or_else(|| said(&alerts));
            heard.is_some()
        });
        heard.into_inner().unwrap()
    }

    /// Goes on until something is so; each turn is one of the lane and one of the handler's own thread.
    pub(super) fn until(&mut self, what: &str, so: impl Fn(&Region) -> bool) {
        self.each(what, |_| (), so);
    }

    /// The lane goes on until then, and the handler's own thread does nothing: whoever waits for it is held up.
    pub(super) fn lane_alone(&mut self, until: Mono) {
        while candor_shm::clock::now() < until {
            self.lane.cycle(&mut self.progress).unwrap();
            let _ = rustix::thread::nanosleep(&crate::clock::timespec(Nanos::from_millis(1)));
        }
    }

    /// Goes on until the maps' thread has looked what time it is.
    pub(super) fn look_around(&mut self, what: &str) {
        let enough = candor_shm::clock::now() + Nanos::from_secs(3);
        self.until(what, |_| candor_shm::clock::now() >= enough);
    }

    /// As `until`, with a look at each turn.
    pub(super) fn each(
        &mut self,
        what: &str,
        look: impl Fn(&Region),
        so: impl Fn(&Region) -> bool,
    ) {
        for _ in 0..10_000 {
            self.lane.cycle(&mut self.progress).unwrap();
            look(&self.region);
            let now = candor_shm::clock::now();
            self.taker.tick(now, &mut self.joiner);
            if self.taker.under_way.is_none() && so(&self.region) {
                return;
            }
            let _ = rustix::thread::nanosleep(&crate::clock::timespec(Nanos::from_millis(1)));
        }
        panic!("waited in vain: {what}");
    }

    /// A session begins on a partition, and names a symbol.
    pub(super) fn begin(&self, partition: u16, session: &str, symbol: &str) {
        self.name(partition, session, 1, symbol);
    }

    /// The message of this number names a symbol.
    pub(super) fn name(&self, partition: u16, session: &str, number: u8, symbol: &str) {
        let packet = packet(session, number.into(), &[named(number, symbol)]);
        self.given.give(partition, packet);
    }
}

/// A message that names a symbol.
pub(super) fn named(locate: u8, symbol: &str) -> Vec<u8> {
    let mut directory = vec![b'R', 0, locate, 0, 0, 0, 0, 0, 0, 0, 1];
    directory.extend(format!("{symbol:<8}").bytes());
    directory.extend(*b"QN\x00\x00\x00\x64NCZ PN 1N\x00\x00\x00\x00N");
    assert_eq!(directory.len(), 39);
    directory
}

/// A MoldUDP64 packet: session, number, count, and messages behind their length; without any a heartbeat.
pub(super) fn packet(session: &str, number: u64, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut packet = session.as_bytes().to_vec();
    packet.extend(number.to_be_bytes());
    packet.extend((messages.len() as u16).to_be_bytes());
    for message in messages {
        packet.extend((message.len() as u16).to_be_bytes());
        packet.extend(message);
    }
    packet
}

pub(super) fn said(alerts: &Raiser) -> Option<(bool, String)> {
    let mut words = std::iter::from_fn(|| alerts.take());
    words.find_map(|word| match word {
        Word::Raise { code: Code::NoMap, text, .. } => Some((true, text)),
        Word::End { code: Code::NoMap, .. } | Word::Over { code: Code::NoMap, .. } => {
            Some((false, String::new()))
        }
        _ => None,
    })
}

pub(super) fn reason(region: &Region, symbol: &str) -> Option<Reason> {
    let handle = region.find(&text("XNAS"), &text(symbol)).expect("it is listed");
    region.read(handle).reason()
}

pub(super) fn date(region: &Region, partition: u16) -> u32 {
    region.partition(partition, candor_shm::clock::now()).unwrap().trading_date.0
}
