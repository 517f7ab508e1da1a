//! Two trading dates of one handler: a lane, the maps' thread and its way to the lane as they are, with a wall
//! clock that the test sets.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use candor_core::alert::Code;
use candor_core::symbol::Text;
use candor_core::{Line, Nanos, Reason, TradingDate, Venue};
use candor_maps::calendar::Wall;
use candor_maps::check::Wanted;
use candor_maps::file;
use candor_shm::{InForce, Region, RegionSpec};

use super::*;
use crate::alert::{Raiser, Word};
use crate::attest::Verdict;
use crate::config::{LineConfig, Partition as Configured, parse_text};
use crate::daily::taking::{Joiner, Taker};
use crate::daily::thread::Thread;
use crate::daily::{Resolved, resolve, shape};
use crate::journal::Journal;
use crate::log::Log;
use crate::run::{engine_config, handler_status, partition_spec};
use crate::sessions::Record;
use crate::source::{Arrival, Polled, udp};
use crate::store::{Accept, Outcome, Request, Store, Why, accept, load};

/// 07:29 in New York on Monday, 2026-11-23.
const MORNING: u64 = 1_795_436_940_000_000_000;
const HOUR: u64 = 3_600_000_000_000;

static WALL: AtomicU64 = AtomicU64::new(MORNING);

/// Whose clock it is.
static ONE: Mutex<()> = Mutex::new(());

fn wall() -> u64 {
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
        Ok(Polled { frames, drained: true })
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
struct Nobody(Vec<Configured>);

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

    fn in_force(&mut self, _: Venue, _: Option<&InForce>, _: Mono) {}

    fn was_in_force(&self, _: Venue) -> Option<InForce> {
        None
    }

    fn partitions(&mut self) -> &mut Vec<Configured> {
        &mut self.0
    }
}

struct Day {
    folder: PathBuf,
    lane: Lane,
    progress: Progress,
    taker: Taker,
    joiner: Nobody,
    region: Region,
    given: Given,
    stop: Arc<AtomicBool>,
    alerts: Raiser,
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
fn put(folder: &Path, date: u32, two: bool) {
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
    put_parts(folder, date, &parts);
}

/// Puts a map in force that leaves the symbols of these partitions to the wire.
fn put_in_band(folder: &Path, date: u32, names: &[&str]) {
    let part = |name: &&str| {
        format!(
            "[[partition]]\nname = \"{name}\"\nlines.A = {{ group = \"239.1.1.{name}\", port = 1 }}\n"
        )
    };
    put_parts(folder, TradingDate(date), &names.iter().map(part).collect::<String>());
}

fn put_parts(folder: &Path, date: TradingDate, parts: &str) {
    let toml = format!(
        "format = 1\nvenue = \"XNAS\"\ndate = \"{date}\"\nprotocol = \"nasdaq-itch50\"\n{parts}"
    );
    let none = &mut |_: &Path| Err(String::new());
    let loaded = file::load(Path::new("m.toml"), &toml, &Wanted::default(), none).unwrap();
    let request = Request {
        venue: None,
        date,
        bound_ppm: 1_000_000,
        symbols: &[],
        interfaces: None,
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
    fn new(name: &str, friday: impl FnOnce(&Path)) -> Day {
        WALL.store(MORNING, Ordering::Relaxed);
        let folder = format!("candor-days-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        friday(&folder);
        let toml = format!(
            "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\nkind = \"udp\"\n\
             interface = \"lo\"\n[[lane]]\n[maps]\nstore = \"{}\"\n[[venue]]\nname = \"XNAS\"\n\
             feed = \"nasdaq-itch50\"\nsilence_ms = 60000\nlate_ms = 60000\n\
             map = {{ symbols_max = 8, orders_max = 64, levels_max = 64 }}\n",
            folder.display()
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
        let links = Links::new(vec![Arc::clone(&inbox); 3], Arc::new(Log::new()));
        let way = Arc::new(Way::new());
        let listed = Arc::new(shape::listed(&config.partitions, config.venues[0]));
        let own = engine_config(0, &config.partitions[0], None, listed, (Mono::NEVER, Vec::new()));
        let mut partitions = Vec::with_capacity(3);
        partitions.push((0, Partition::new(own)));
        let (given, stop) = (Given::default(), Arc::new(AtomicBool::new(false)));
        let mut lane = Lane {
            index: 0,
            source: Box::new(given.clone()),
            writer: writers.remove(0),
            partitions,
            subscribed: vec![true],
            places: vec![Some(0), None, None],
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
        let joiner = Nobody(config.partitions.clone());
        let journal = Journal::none();
        let alerts = journal.alerts().clone();
        let kept = (journal, Record::none());
        let maps = Thread::new(resolved, region.clone(), (to, from), Arc::clone(&stop), wall, kept);
        thread::spawn(move || maps.run());
        let (ways, under_way, receive_buffer) = (vec![way], None, 0);
        let taker =
            Taker { jobs, done, ways, adder: None, sockets: None, receive_buffer, under_way };
        Day { folder, lane, progress, taker, joiner, region, given, stop, alerts }
    }

    /// Goes on until something is said of a map that is missing: whether it begins, and its text.
    fn told(&mut self) -> (bool, String) {
        let (alerts, heard) = (self.alerts.clone(), RefCell::new(None));
        self.until("something is said", |_| {
            let mut heard = heard.borrow_mut();
            *heard = heard.take().or_else(|| said(&alerts));
            heard.is_some()
        });
        heard.into_inner().unwrap()
    }

    /// Goes on until something is so; each turn is one of the lane and one of the handler's own thread.
    fn until(&mut self, what: &str, so: impl Fn(&Region) -> bool) {
        self.each(what, |_| (), so);
    }

    /// Goes on until the maps' thread has looked what time it is.
    fn look_around(&mut self, what: &str) {
        let enough = candor_shm::clock::now() + Nanos::from_secs(3);
        self.until(what, |_| candor_shm::clock::now() >= enough);
    }

    /// As `until`, with a look at each turn.
    fn each(&mut self, what: &str, look: impl Fn(&Region), so: impl Fn(&Region) -> bool) {
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
    fn begin(&self, partition: u16, session: &str, symbol: &str) {
        self.name(partition, session, 1, symbol);
    }

    /// The message of this number names a symbol.
    fn name(&self, partition: u16, session: &str, number: u8, symbol: &str) {
        let packet = packet(session, number, &[named(number, symbol)]);
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
pub(super) fn packet(session: &str, number: u8, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut packet = session.as_bytes().to_vec();
    packet.extend(u64::from(number).to_be_bytes());
    packet.extend((messages.len() as u16).to_be_bytes());
    for message in messages {
        packet.extend((message.len() as u16).to_be_bytes());
        packet.extend(message);
    }
    packet
}

fn said(alerts: &Raiser) -> Option<(bool, String)> {
    let mut words = std::iter::from_fn(|| alerts.take());
    words.find_map(|word| match word {
        Word::Raise { code: Code::NoMap, text, .. } => Some((true, text)),
        Word::End { code: Code::NoMap, .. } => Some((false, String::new())),
        _ => None,
    })
}

fn reason(region: &Region, symbol: &str) -> Option<Reason> {
    let handle = region.find(&text("XNAS"), &text(symbol)).expect("it is listed");
    region.read(handle).reason()
}

fn date(region: &Region, partition: u16) -> u32 {
    region.partition(partition, candor_shm::clock::now()).unwrap().trading_date.0
}

#[test]
fn a_handler_goes_from_one_trading_date_to_the_next() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut day = Day::new("listed", |folder| put(folder, 20_261_120, false));
    day.begin(0, "MONDAY0001", "A");
    // Friday's map names it, and is not in force.
    day.until("it is heard", |region| reason(region, "A") == Some(Reason::NoMap));
    assert_eq!(date(&day.region, 0), 20_261_123, "the date that is waited for");
    put(&day.folder, 20_261_123, false);
    day.until("Monday's map is taken", |region| reason(region, "A").is_none());
    assert_eq!(reason(&day.region, "B"), Some(Reason::Unproven));
    day.name(0, "MONDAY0001", 2, "C");
    day.until("another is named", |region| reason(region, "C").is_none());

    // At noon somebody loads another one: partition 2 is added, and has B; and C, which the wire names on 1.
    WALL.store(MORNING + 5 * HOUR, Ordering::Relaxed);
    put(&day.folder, 20_261_123, true);
    let added = |region: &Region| region.partition(1, candor_shm::clock::now()).is_some();
    day.until("the partition is added", added);
    day.begin(1, "MONDAY0002", "B");
    day.until("it is proven there", |region| reason(region, "B").is_none());
    assert_eq!((reason(&day.region, "A"), date(&day.region, 1)), (None, 20_261_123));
    // Wire against map: the worst of what its two places say, and never Live, wherever it is named next.
    let contradicted = [Some(Reason::Unmapped), Some(Reason::WrongPartition)];
    assert!(contradicted.contains(&reason(&day.region, "C")));
    day.name(1, "MONDAY0002", 2, "C");
    let numbers = |region: &Region| {
        region.partition(1, candor_shm::clock::now()).unwrap().numbers.unwrap().1.0
    };
    day.until("it is named there too", |region| numbers(region) == 3);
    let all = day.region.find_all(&text("XNAS"), &text("C"));
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|handle| day.region.read(*handle).live().is_none()));
    assert!(contradicted.contains(&reason(&day.region, "C")));

    // 20:30: the session is over, whatever is heard. By the monotonic clock it is hours too early, and that is said.
    assert_eq!(said(&day.alerts), None, "until now nothing was the matter");
    WALL.store(MORNING + 13 * HOUR + HOUR / 60, Ordering::Relaxed);
    day.until("the date is over", |region| reason(region, "A") == Some(Reason::NoMap));
    assert_eq!(reason(&day.region, "B"), Some(Reason::NoMap));
    let (begins, text) = day.told();
    assert!(begins && text.contains("before its time: the wall clock was set"), "{text}");

    // In the night the venue tests: another session, which is of no date.
    let session =
        |region: &Region| region.partition(0, candor_shm::clock::now()).unwrap().numbers.unwrap().0;
    let monday = session(&day.region);
    day.begin(0, "TESTING001", "A");
    day.until("the test is heard", |region| session(region) != monday);

    // Tuesday's map; what was heard is no session of Tuesday's until the venue begins anew.
    WALL.store(MORNING + 24 * HOUR, Ordering::Relaxed);
    put(&day.folder, 20_261_124, true);
    day.until("Tuesday's map is taken", |region| date(region, 0) == 20_261_124);
    assert_eq!(day.told(), (false, String::new()), "the alert is over");
    assert_eq!(reason(&day.region, "A"), Some(Reason::NotStarted));
    day.begin(0, "TUESDAY001", "A");
    day.until("Tuesday's session proves it", |region| reason(region, "A").is_none());
    assert_eq!(reason(&day.region, "B"), Some(Reason::NotStarted));
    assert_eq!(
        reason(&day.region, "C"),
        Some(Reason::NotStarted),
        "of Tuesday nothing is known yet"
    );
    // What contradicted Monday's map says nothing of Tuesday's.
    day.begin(1, "TUESDAY002", "C");
    day.until("it is proven where the map has it", |region| reason(region, "C").is_none());
    let tuesday = day.region.clone().for_date(TradingDate(20_261_124));
    let monday = day.region.clone().for_date(TradingDate(20_261_123));
    assert_eq!((reason(&tuesday, "A"), reason(&monday, "A")), (None, Some(Reason::NoMap)));
}

/// Partitions whose symbols come in band: what two have named over the days is the one's that names it today, once
/// the first map of the date is taken.
#[test]
fn a_symbol_of_no_list_that_changes_its_partition_overnight_is_where_it_is_named_today() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut day = Day::new("unlisted", |folder| put_in_band(folder, 20_261_120, &["1"]));
    put_in_band(&day.folder, 20_261_123, &["1", "2"]);
    let there =
        |region: &Region, index| region.partition(index, candor_shm::clock::now()).is_some();
    day.until("Monday's map is taken", |region| there(region, 1));
    for (number, symbol) in (1..).zip(["A", "B", "C", "D"]) {
        day.name(0, "MONDAY0001", number, symbol);
    }
    day.begin(1, "MONDAY0002", "E");
    let live = |region: &Region, symbol: &str| {
        let found = region.find_all(&text("XNAS"), &text(symbol)).into_iter();
        let live = found.filter(|handle| region.read(*handle).live().is_some());
        live.map(|handle| handle.partition()).collect::<Vec<_>>()
    };
    day.until("all are named", |region| live(region, "D") == [0] && live(region, "E") == [1]);

    // The venue's sessions of Tuesday begin before its map: A and B have moved; B is named at its old place as well.
    WALL.store(MORNING + 13 * HOUR, Ordering::Relaxed);
    day.look_around("the night is seen");
    WALL.store(MORNING + 24 * HOUR, Ordering::Relaxed);
    day.look_around("the date begins");
    day.begin(0, "TUESDAY001", "B");
    day.begin(1, "TUESDAY002", "A");
    day.name(1, "TUESDAY002", 2, "B");
    let next = |region: &Region, partition, number| {
        let info = region.partition(partition, candor_shm::clock::now()).unwrap();
        info.numbers.unwrap().1.0 == number
    };
    day.until("they are heard", |region| next(region, 0, 2) && next(region, 1, 3));
    put_in_band(&day.folder, 20_261_124, &["1", "2"]);
    day.each(
        "Tuesday's map is taken",
        |region| {
            assert!(live(region, "B").is_empty(), "the wire contradicts itself");
            assert!(!live(region, "A").contains(&0), "it was named on the other alone");
            assert!(live(region, "C").is_empty() && live(region, "D").is_empty());
        },
        |region| date(region, 0) == 20_261_124,
    );
    day.until("A is where it is named", |region| live(region, "A") == [1]);
    assert_eq!(reason(&day.region, "A"), None, "and is found there");
    assert_eq!(reason(&day.region, "B"), Some(Reason::WrongPartition));
    // One that nobody has named since is free for both, and the first to name it has it.
    day.name(1, "TUESDAY002", 3, "D");
    day.until("D has moved", |region| live(region, "D") == [1]);
    assert_eq!(reason(&day.region, "D"), None, "and is found there");
    day.name(0, "TUESDAY001", 2, "C");
    day.until("C is where it was", |region| live(region, "C") == [0]);
    // Named where it was before as well, it is nobody's.
    day.name(0, "TUESDAY001", 3, "A");
    day.until("A is contradicted", |region| live(region, "A").is_empty());
    assert_eq!(reason(&day.region, "A"), Some(Reason::WrongPartition));

    // On Wednesday the map comes first.
    WALL.store(MORNING + 37 * HOUR, Ordering::Relaxed);
    day.look_around("the night is seen");
    WALL.store(MORNING + 48 * HOUR, Ordering::Relaxed);
    put_in_band(&day.folder, 20_261_125, &["1", "2"]);
    day.until("Wednesday's map is taken", |region| date(region, 0) == 20_261_125);
    for symbol in ["A", "B", "C", "D"] {
        assert!(live(&day.region, symbol).is_empty(), "{symbol}");
    }
    day.begin(0, "WEDNESDAY1", "A");
    day.begin(1, "WEDNESDAY2", "B");
    day.until("each is where it is named", |region| {
        live(region, "A") == [0] && live(region, "B") == [1]
    });
    assert_eq!((reason(&day.region, "A"), reason(&day.region, "B")), (None, None));
    day.name(1, "WEDNESDAY2", 2, "A");
    day.until("and nowhere where both name it", |region| live(region, "A").is_empty());
}
