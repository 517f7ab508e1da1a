//! From maps to partitions, from one map to the next, and the order in which lanes and lines are told.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;

use candor_core::{Line, Mono, Nanos, TradingDate, Venue};
use candor_engine::{NewMap, VenueSymbols};
use candor_maps::Map;
use candor_maps::calendar::Wall;
use candor_maps::check::Wanted;
use candor_maps::file::{self, Loaded};
use candor_shm::InForce;

use super::handover::{Change, Phase, Seat, Way};
use super::resolve;
use super::shape::{self, Place, Steps};
use super::taking::{Joiner, Taker};
use super::thread::Job;
use crate::config::{Config, LineConfig, Partition, parse_text};
use crate::exit::Exit;
use crate::source::udp;
use crate::store::{Outcome, Request, Store, load};

pub(super) fn config(map: &str, partitions: &str) -> Config {
    let text = format!(
        "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\nkind = \"af_xdp\"\n\
         mode = \"copy\"\ninterface = \"eth1\"\n[[lane]]\nqueues = [0]\n[[lane]]\nqueues = [1]\n\
         [maps]\nstore = \"/m\"\n[[venue]]\nname = \"XNAS\"\nfeed = \"nasdaq-itch50\"\n\
         silence_ms = 3000\nmap = {{ {map} }}\n{partitions}"
    );
    parse_text(Path::new("t.toml"), &text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A map of these partitions: name, port, symbols, and more keys.
pub(super) fn map(partitions: &[(&str, u16, &str, &str)]) -> Map {
    let mut text = "format = 1\nvenue = \"XNAS\"\ndate = \"2026-11-23\"\n\
                    protocol = \"nasdaq-itch50\"\n"
        .to_owned();
    for (name, port, symbols, more) in partitions {
        let list: Vec<String> = symbols.split(' ').map(|name| format!("\"{name}\"")).collect();
        text += &format!(
            "[[partition]]\nname = \"{name}\"\nlines.A = {{ group = \"239.1.1.1\", port = {port} }}\n\
             symbols = [{}]\n{more}\n",
            list.join(", ")
        );
    }
    let none = &mut |_: &Path| Err(String::new());
    let loaded = file::load(Path::new("m.toml"), &text, &Wanted::default(), none);
    loaded.unwrap_or_else(|problems| panic!("{problems}")).map
}

/// A handler as it starts with a map.
struct Running {
    config: Config,
    partitions: Vec<Partition>,
    places: Vec<Place>,
}

impl Running {
    fn of(config: Config, map: &Map) -> Running {
        let mapped = &config.mapped[0];
        let mut partitions = shape::partitions(mapped, map, 2).unwrap();
        let made = |one: &Partition| {
            let made = Some(std::array::from_fn(|line| one.lines[line].is_some()));
            Place { venue: mapped.venue, made }
        };
        let mut places: Vec<Place> = partitions.iter().map(made).collect();
        for lane in [0, 1].into_iter().cycle().take(mapped.spare_partitions.into()) {
            partitions.push(mapped.spare(lane));
            places.push(Place { venue: mapped.venue, made: None });
        }
        Running { config, partitions, places }
    }

    fn follow(&self, map: &Map) -> Result<(Vec<Partition>, Steps), String> {
        let defined = |number: u16| self.partitions[usize::from(number)].symbols.len() as u32;
        shape::follow(&self.config.mapped[0], map, &self.partitions, &self.places, &defined)
    }
}

pub(super) const TWO: [(&str, u16, &str, &str); 2] = [("1", 1, "A B", ""), ("2", 2, "C D", "")];

#[test]
fn partitions_are_given_to_lanes_in_turn_unless_one_is_named() {
    let own = "[[venue.partition]]\nname = \"3\"\nlane = 1\norders_max = 77\n";
    let config = config("symbols_max = 10", own);
    let three = [TWO[0], TWO[1], ("3", 3, "E", "silence_ms = 500")];
    let made = shape::partitions(&config.mapped[0], &map(&three), 2).unwrap();
    let lanes: Vec<u16> = made.iter().map(|one| one.lane).collect();
    assert_eq!(lanes, [0, 1, 1]);
    assert_eq!((made[0].capacity.symbols, made[2].capacity.orders), (10, 77));
    let silences = made.iter().map(|one| one.silence.0 / 1_000_000);
    assert_eq!(silences.collect::<Vec<_>>(), [3_000, 3_000, 500]);
    assert_eq!(made[0].lines().next().unwrap().1.interface, "eth1");
    let full =
        shape::partitions(&config.mapped[0], &map(&[("1", 1, "A B C D E F G H I J K", "")]), 2);
    assert!(full.unwrap_err().contains("raise `symbols_max`"));
}

#[test]
fn a_map_adds_moves_and_removes() {
    let running = Running::of(config("spare_partitions = 1", ""), &map(&TWO));
    // 2 is gone, 3 is new, D has moved to 3, 1 is elsewhere.
    let (after, steps) = running.follow(&map(&[("1", 9, "A B", ""), ("3", 3, "D E", "")])).unwrap();
    assert_eq!((&steps.added[..], &steps.removed[..]), (&[2][..], &[1][..]));
    let [(0, Line::A, Some(at))] = &steps.lines[..] else { panic!("{:?}", steps.lines) };
    assert_eq!(at.port, 9);
    assert_eq!((after[2].name.as_str(), after[2].lane), ("3", 0));
    assert_eq!(after[1].lines().count(), 0);
    let venue = running.config.mapped[0].venue;
    let listed = shape::listed(&after, venue);
    let home =
        |name: &str| listed.home(&candor_core::symbol::Text::from_wire(name.as_bytes()).unwrap());
    assert_eq!([home("A"), home("C"), home("D"), home("E")], [Some(0), None, Some(2), Some(2)]);

    // Back again: it has its own place, and the one that was added is left.
    let mut then = Running { partitions: after, ..running };
    then.places[2].made = Some([true, false, false]);
    let (after, steps) = then.follow(&map(&TWO)).unwrap();
    assert_eq!((&steps.again[..], &steps.removed[..]), (&[1][..], &[2][..]));
    assert_eq!(after[1].symbols.len(), 2);
    let full = then.follow(&map(&[TWO[0], TWO[1], ("3", 3, "E", ""), ("4", 4, "F", "")]));
    assert!(full.unwrap_err().contains("raise `spare_partitions` of XNAS"));
}

#[test]
fn what_a_running_handler_can_not_follow_is_refused_or_said() {
    let map_of = |more: &str| map(&[("1", 1, "A B", more), TWO[1]]);
    let running = Running::of(config("symbols_max = 3", ""), &map_of("silence_ms = 1000"));
    let refused = |map: &Map| running.follow(map).unwrap_err();
    assert!(refused(&map_of("silence_ms = 999")).contains("is silent after 999 ms by the map"));
    assert!(refused(&map(&[("1", 1, "A E F", "silence_ms = 1000"), TWO[1]])).contains("4 symbols"));
    let (after, steps) = running.follow(&map_of("silence_ms = 1001")).unwrap();
    assert_eq!(after[0].silence, Nanos::from_secs(1), "it believes what it believed");
    assert_eq!(steps.notes, ["partition 1 keeps its silence bound until another start"]);
    let more = "silence_ms = 1000\nlines.B = { group = \"239.1.1.2\", port = 1 }\n\
                snapshot = [\"tcp://10.0.0.1:1\"]";
    let (after, steps) = running.follow(&map_of(more)).unwrap();
    assert_eq!(steps.notes.len(), 2, "{:?}", steps.notes);
    assert!(after[0].lines[1].is_none() && steps.lines.is_empty());
    let mut other = map_of("silence_ms = 1000");
    other.protocol = candor_maps::Protocol::IexDeep;
    assert!(refused(&other).contains("the map's protocol is iex-deep"));
}

/// What of a map says which symbols a partition carries, and the file of a list, one a line.
#[test]
fn a_map_is_run_by_lists_or_left_to_the_wire_and_of_a_protocol_that_is_decoded() {
    let of = |protocol: &str, carries: &str| {
        let text = format!(
            "format = 1\nvenue = \"XNAS\"\ndate = \"2026-11-23\"\nprotocol = \"{protocol}\"\n\
             [[partition]]\nname = \"1\"\nlines.A = {{ group = \"239.1.1.1\", port = 1 }}\n{carries}\n"
        );
        let list = &mut |_: &Path| Ok("A\nB\n".to_owned());
        let loaded = file::load(Path::new("m.toml"), &text, &Wanted::default(), list);
        let map = loaded.unwrap_or_else(|problems| panic!("{problems}")).map;
        let made = shape::partitions(&config("", "").mapped[0], &map, 2);
        made.map(|made| made[0].symbols.len())
    };
    let itch = |carries| of("nasdaq-itch50", carries);
    assert_eq!(itch("symbols_file = \"1.txt\""), Ok(2));
    assert_eq!(itch("symbols = [\"A\"]"), Ok(1));
    assert_eq!(itch(""), Ok(0), "the wire names them");
    for carries in ["ranges = [[\"A\", \"ZZZZZ\"]]", "products = [\"ES\"]"] {
        let why = itch(carries).unwrap_err();
        assert!(
            why.contains("partition 1 has ranges or products") && why.contains("`symbols_file`")
        );
    }
    // What is imported of these venues can be compared, and run by no handler.
    for protocol in ["cme-mdp3", "cboe-pitch", "opra", "nyse-xdp"] {
        let why = of(protocol, "symbols = [\"A\"]").unwrap_err();
        assert!(why.contains(&format!("the map's protocol is {protocol}")), "{why}");
        assert!(candor_decoders::Format::ALL.iter().all(|feed| feed.name() != protocol));
    }
}

#[test]
fn a_service_that_answers_for_another_partition_by_the_map_is_not_asked_on() {
    let service = |port| format!("retransmit = [\"udp://10.0.0.1:{port}\"]");
    let two =
        |first, second| map(&[("1", 1, "A B", &service(first)), ("2", 2, "C D", &service(second))]);
    let running = Running::of(config("", ""), &two(7, 8));
    let why = running.follow(&two(9, 7)).unwrap_err();
    assert!(
        why.contains("partition 1 would go on asking 10.0.0.1:7, which answers for partition 2")
    );
    // One for both is no other's, and one that is nobody's any more gives no wrong answer.
    for (first, second) in [(7, 7), (9, 8), (9, 10)] {
        let (_, steps) = running.follow(&two(first, second)).unwrap();
        assert!(steps.notes[0].contains("keeps its services until another start"));
    }
}

/// Joins and leaves, in their order.
#[derive(Default)]
struct Notes {
    done: Vec<String>,
    in_force: Option<InForce>,
    partitions: Vec<Partition>,
}

impl Joiner for Notes {
    fn join(
        &mut self,
        number: u16,
        line: Line,
        (at, wanted): (&LineConfig, bool),
        _: Option<(&udp::Sockets, &udp::Given)>,
    ) -> bool {
        self.done.push(format!("join {number}{line} {}", at.port));
        wanted
    }

    fn holds(&self, _: u16) -> bool {
        true
    }

    fn leave(&mut self, number: u16, line: Line, at: &LineConfig, _: &[Partition]) {
        self.done.push(format!("leave {number}{line} {}", at.port));
    }

    fn comes(&mut self, _: Venue, map: Option<&InForce>, _: Mono) {
        self.done.push(format!("comes {}", map.map_or(0, |map| map.digest[0])));
    }

    fn taken(&mut self, _: Venue, map: Option<&InForce>, _: Mono) {
        self.done.push(format!("taken {}", map.map_or(0, |map| map.digest[0])));
    }

    fn in_force(&mut self, _: Venue, in_force: Option<&InForce>, _: Mono) {
        self.in_force = in_force.copied();
    }

    fn was_in_force(&self, _: Venue) -> Option<InForce> {
        self.in_force
    }

    fn partitions(&mut self) -> &mut Vec<Partition> {
        &mut self.partitions
    }
}

fn change(numbers: &[u16]) -> Option<Box<Change>> {
    let venue = Arc::new(VenueSymbols::default());
    let seat = |number: &u16| Seat {
        number: *number,
        new: NewMap {
            unlisted: Vec::new(),
            first: false,
            venue: Arc::clone(&venue),
            until: Mono(9),
            over: None,
            gained: Vec::new(),
            lost: Vec::new(),
        },
        open: None,
        lines: None,
        leave: false,
        enter: false,
    };
    let seats = numbers.iter().map(seat).collect();
    let date = Some(TradingDate(20_261_123));
    Some(Box::new(Change { phase: Phase::Begin, date, seats, sockets: Vec::new() }))
}

#[test]
fn no_lane_makes_a_call_before_every_lane_has_made_the_one_before() {
    let running = Running::of(config("spare_partitions = 1", ""), &map(&TWO));
    let new = map(&[("1", 9, "A B", ""), ("3", 3, "D E", "")]);
    let (after, steps) = running.follow(&new).unwrap();
    let ways: Vec<Arc<Way>> = (0..2).map(|_| Arc::new(Way::new())).collect();
    let ((to, jobs), (done, from)) = (mpsc::channel(), mpsc::channel());
    let mut taker = Taker {
        jobs,
        done,
        ways: ways.clone(),
        adder: None,
        sockets: None,
        receive_buffer: 0,
        under_way: None,
    };
    let mut notes = Notes { partitions: running.partitions.clone(), ..Notes::default() };
    let changes = vec![change(&[0, 2]), change(&[1])];
    let venue = running.config.mapped[0].venue;
    let was = InForce { date: TradingDate(20_261_120), digest: [1; 32] };
    let is = InForce { date: TradingDate(20_261_123), digest: [2; 32] };
    notes.in_force = Some(was);
    to.send(Job { venue, in_force: Some(is), after, steps, changes, without: Vec::new() }).unwrap();
    let mut now = Mono(0);
    for phase in [Phase::Begin, Phase::Claim, Phase::Finish] {
        taker.tick(now, &mut notes);
        assert_eq!(notes.in_force, None, "neither date's while the lanes are at it");
        let taken: Vec<_> = ways.iter().map(|way| way.take().expect("each has its call")).collect();
        assert!(taken.iter().all(|change| change.phase == phase));
        let entered = |change: &Change| change.seats.iter().filter(|seat| seat.enter).count();
        assert_eq!(
            entered(&taken[0]),
            usize::from(phase != Phase::Begin),
            "joined, then subscribed"
        );
        let [first, second] = <[_; 2]>::try_from(taken).ok().unwrap();
        ways[0].give_back(first);
        for _ in 0..3 {
            now = now + Nanos::from_secs(1);
            taker.tick(now, &mut notes);
            assert!(ways.iter().all(|way| way.is_empty()), "the other lane has not answered");
            let before_any = ["comes 2"];
            assert_eq!(notes.done == before_any, phase == Phase::Begin);
        }
        ways[1].give_back(second);
    }
    assert!(from.try_recv().is_err());
    taker.tick(now, &mut notes);
    assert_eq!(notes.in_force, Some(is));
    assert!(from.try_recv().is_ok_and(|job| job.changes.iter().all(Option::is_some)));
    let joined = ["join 0A 9", "join 2A 3", "leave 0A 1", "leave 1A 2"];
    assert_eq!(notes.done, [&["comes 2"], &joined[..], &["taken 2"]].concat());
    assert_eq!(notes.partitions[2].name.as_str(), "3");
}

/// A folder of its own that is gone afterwards.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("candor-daily-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn put(&self, map: &Map) {
        self.put_at(map, Wall(0));
    }

    /// Puts a map in force then.
    fn put_at(&self, map: &Map, now: Wall) {
        let request = Request {
            venue: None,
            date: map.date,
            bound_ppm: 1_000_000,
            symbols: &[],
            interfaces: None,
            over_named: true,
            first: true,
            by: "t",
            from: "t",
            now,
        };
        let loaded =
            Loaded { map: map.clone(), warnings: Vec::new(), places: file::Places::default() };
        let outcome = load(&Store::open(&self.0).unwrap(), loaded, &request).unwrap();
        assert!(matches!(outcome, Outcome::Loaded(_)), "{outcome:?}");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// 07:30 in New York on Monday, 2026-11-23.
pub(super) const MONDAY: Wall = Wall(1_795_437_000_000_000_000);

#[test]
fn a_handler_starts_with_the_map_of_the_day_or_waits_for_it_or_refuses() {
    let folder = Folder::new("start");
    let mut config = config("spare_partitions = 3, lanes = [1]", "");
    config.maps.as_mut().unwrap().store.clone_from(&folder.0);
    let refused = resolve(&config, MONDAY).unwrap_err();
    assert_eq!(refused.exit, Exit::Config);
    assert!(refused.message.contains("candor map load DIGEST --date 2026-11-23"), "{refused}");

    // Friday's names the partitions, and is not in force.
    let friday = Map { date: TradingDate(20_261_120), ..map(&TWO[..1]) };
    folder.put(&friday);
    let resolved = resolve(&config, MONDAY).unwrap();
    let start = &resolved.starts[0];
    assert_eq!((start.date, start.until), (TradingDate(20_261_123), None));
    assert_eq!(resolved.config.partitions.len(), 4);
    assert_eq!(resolved.places.iter().filter(|place| place.made.is_some()).count(), 1);

    folder.put(&map(&TWO));
    let resolved = resolve(&config, MONDAY).unwrap();
    // 20:30 in New York.
    let hours = 3_600_000_000_000;
    assert_eq!(resolved.starts[0].until, Some(Wall(MONDAY.0 + 13 * hours)));
    let partitions = &resolved.config.partitions;
    assert_eq!(partitions.iter().filter(|one| one.is_spare()).count(), 3);
    assert!(partitions.iter().all(|one| one.lane == 1));
    assert_eq!(resolved.date_of(partitions[0].venue), Some(TradingDate(20_261_123)));

    // What a map of the date has moved since it began is known to a start behind it, and what was put right before is
    // no move.
    let moved = |wall| {
        let start = &resolve(&config, wall).unwrap().starts[0];
        start.moved.iter().map(|it| it.as_str().to_owned()).collect::<Vec<_>>()
    };
    let [first, second] = TWO;
    let other = [(first.0, first.1, second.2, first.3), (second.0, second.1, first.2, second.3)];
    folder.put(&map(&other));
    assert_eq!(moved(MONDAY), [""; 0]);
    folder.put_at(&map(&TWO), MONDAY);
    assert_eq!(moved(MONDAY), ["A", "B", "C", "D"]);

    // On Sunday Monday's is there, names the partitions and is not in force.
    let start = &resolve(&config, Wall(MONDAY.0 - 24 * hours)).unwrap().starts[0];
    assert_eq!((start.date, start.until), (TradingDate(20_261_123), None));

    // What can't be followed is no start.
    let other = Folder::new("ranges");
    config.maps.as_mut().unwrap().store.clone_from(&other.0);
    let mut ranged = map(&TWO[..1]);
    ranged.partitions[0].symbols = candor_maps::Symbols::Ranges(vec![range("A")]);
    ranged.partial = true;
    other.put(&ranged);
    let refused = resolve(&config, MONDAY).unwrap_err();
    assert_eq!(refused.exit, Exit::Config);
    assert!(refused.message.contains("has ranges or products"), "{refused}");
}

#[test]
fn two_venues_in_two_zones_have_two_dates() {
    let folder = Folder::new("zones");
    let london = "[[venue]]\nname = \"XLON\"\nfeed = \"nasdaq-itch50\"\nmap = {}\n";
    let mut config = config("", london);
    config.maps.as_mut().unwrap().store.clone_from(&folder.0);
    folder.put(&map(&TWO));
    let mut other = map(&[("1", 11, "A", "")]);
    other.venue = candor_core::symbol::Text::from_wire(b"XLON").unwrap();
    folder.put(&other);
    // 22:00 in London, where Monday is over, and 17:00 in New York, where it is not.
    let evening = Wall(MONDAY.0 + 9 * 3_600_000_000_000 + 1_800_000_000_000);
    let resolved = resolve(&config, evening).unwrap();
    let starts: Vec<_> =
        resolved.starts.iter().map(|start| (start.date.0, start.until.is_some())).collect();
    assert_eq!(starts, [(20_261_123, true), (20_261_124, false)]);
}

fn range(name: &str) -> candor_maps::Range {
    let text = candor_core::symbol::Text::from_wire(name.as_bytes()).unwrap();
    let key = candor_maps::Key { text, expiry: None };
    candor_maps::Range { first: key, last: key }
}
