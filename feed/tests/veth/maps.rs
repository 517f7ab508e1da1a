//! A handler that takes maps from the store while it runs, over kernel bypass: a venue has added a partition and
//! moved a fifth of its symbols there, and the handler has yesterday's map; then it has today's.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use candor::store::{Accept, Outcome, Request, Store, Why, accept, load};
use candor_core::counters::{Counter, LaneCounter};
use candor_core::{Mono, Nanos, Reason, Symbol, TradingDate};
use candor_maps::calendar::Wall;
use candor_maps::check::Wanted;
use candor_maps::file::{self, Loaded};
use candor_shm::{Handle, Region, clock};

use crate::recovery::quick;
use crate::watch::{Stalls, Watch, judge};
use crate::world::{
    PREOPEN, Plan, World, candor, eventually, finished, inside, lane, partition, pause, venue,
};

const PLAN: Plan = Plan { partitions: 5, services: true, edit: quick, ..Plan::DEFAULT };

/// What is added to the venue's table: every day is a trading date, and the map's time is always past.
const MAP: &str = "map = { calendar = \"every-day\", at = \"00:00\", spare_partitions = 1 }\n";

/// What `candor preopen` answers: each check's name, what about, verdict and evidence; and the exit code.
pub fn preopen(world: &World) -> (Vec<[String; 4]>, i32) {
    let config = world.path("handler.toml").display().to_string();
    let (text, exit) = finished(candor(world, &["preopen", "-c", &config, "-o", "json"]));
    let answer: serde_json::Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let field = |row: &serde_json::Value, name| row[name].as_str().unwrap_or("").to_owned();
    let row = |row| ["check", "about", "verdict", "evidence"].map(|name| field(row, name));
    (answer["checks"].as_array().unwrap().iter().map(row).collect(), exit)
}

/// Today where the venue is.
pub fn today() -> TradingDate {
    candor::clock::date(candor::clock::wall(), "America/New_York").unwrap()
}

pub fn day_before(date: TradingDate) -> TradingDate {
    let wall = candor::clock::wall() - 24 * 3_600_000_000_000;
    let before = candor::clock::date(wall, "America/New_York").unwrap();
    assert!(before < date);
    before
}

/// The maps of a world: as it is, and as it was before the last partition was added.
pub struct Maps {
    pub store: Store,
    text: String,
    symbols: Vec<Vec<Symbol>>,
}

impl Maps {
    /// Takes the partitions out of the world's configuration and makes maps of them; the configuration names
    /// their store.
    pub fn of(world: &World) -> Maps {
        let path = world.path("handler.toml");
        let config = candor::config::load(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let (head, _) = text.split_once("[[venue.partition]]").unwrap();
        let folder = world.path("store");
        fs::create_dir_all(&folder).unwrap();
        let maps = format!("[maps]\nstore = \"{}\"\n", folder.display());
        fs::write(&path, format!("{head}{MAP}{maps}{PREOPEN}")).unwrap();
        let mut shape = String::new();
        for one in &config.partitions {
            write!(shape, "[[partition]]\nname = \"{}\"\n", one.name).unwrap();
            for (line, at) in one.lines() {
                let (group, port) = (at.group, at.port);
                writeln!(shape, "lines.{line} = {{ group = \"{group}\", port = {port} }}").unwrap();
            }
            for what in ["retransmit", "snapshot"] {
                let own = one.services.iter().filter(|(service, ..)| *service == what);
                let list: Vec<String> =
                    own.map(|(_, scheme, at)| format!("\"{scheme}://{at}\"")).collect();
                writeln!(shape, "{what} = [{}]", list.join(", ")).unwrap();
            }
            shape.push_str("symbols = []\n");
        }
        Maps { store: Store::open(&folder).unwrap(), text: shape, symbols: world.plan.symbols() }
    }

    /// The map for a date: as it is, or without the last partition, whose symbols are among the others'.
    pub fn map(&self, date: TradingDate, whole: bool) -> Loaded {
        let none = &mut |_: &Path| Err(String::new());
        file::load(Path::new("m.toml"), &self.text_of(date, whole), &Wanted::default(), none)
            .unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn text_of(&self, date: TradingDate, whole: bool) -> String {
        let last = self.symbols.len() - 1;
        let mut lists = self.symbols.clone();
        if !whole {
            for (at, symbol) in lists.pop().unwrap().into_iter().enumerate() {
                lists[at % last].push(symbol);
            }
        }
        let mut text = format!(
            "format = 1\nvenue = \"XNAS\"\ndate = \"{date}\"\nprotocol = \"nasdaq-itch50\"\n"
        );
        let parts = self.text.split_inclusive("symbols = []\n");
        for (part, list) in parts.zip(&lists) {
            let names: Vec<String> = list.iter().map(|symbol| format!("\"{symbol}\"")).collect();
            text += &part.replace("symbols = []", &format!("symbols = [{}]", names.join(", ")));
        }
        text
    }

    fn load_this(&self, date: TradingDate, map: Loaded) -> Outcome {
        let request = Request {
            venue: Some(venue()),
            date,
            bound_ppm: 10_000,
            symbols: &[],
            interfaces: None,
            over_named: true,
            first: true,
            by: "test",
            from: "a test",
            now: Wall(candor::clock::wall()),
        };
        load(&self.store, map, &request).unwrap()
    }

    /// Puts a map in force, by somebody's name where that is needed.
    pub fn put(&self, date: TradingDate, whole: bool) {
        self.put_this(date, &self.map(date, whole));
    }

    /// The map for a date, in which one symbol has another name.
    pub fn map_with_one_other(&self, date: TradingDate) -> Loaded {
        let mut map = self.map(date, true);
        let candor_maps::Symbols::List(list) = &mut map.map.partitions[0].symbols else { panic!() };
        list[0] = Symbol::from_wire(b"AAAAAA").unwrap();
        map
    }

    /// Puts this map in force, by somebody's name where that is needed.
    pub fn put_this(&self, date: TradingDate, map: &Loaded) {
        let outcome = self.load_this(date, map.clone());
        if let Outcome::Refused(Why::Difference { digest, .. }) = outcome {
            let by_name = Accept {
                date,
                bound_ppm: 10_000,
                symbols: &[],
                name: "ann",
                because: "the venue has said so",
                by: "test",
                now: Wall(candor::clock::wall()),
            };
            accept(&self.store, &digest, &by_name).unwrap();
            let outcome = self.load_this(date, map.clone());
            assert!(matches!(outcome, Outcome::Loaded(_)), "{outcome:?}");
        } else {
            assert!(matches!(outcome, Outcome::Loaded(_)), "{outcome:?}");
        }
    }

    /// Where the last partition is sent: group and port of each line.
    fn lines_of_last(&self) -> BTreeSet<String> {
        let map = self.map(today(), true).map;
        let lines = map.partitions.last().unwrap().lines();
        let lines: BTreeSet<String> =
            lines.map(|(_, at)| format!("{}:{}", at.group, at.port)).collect();
        assert_eq!(lines.len(), 2);
        lines
    }

    /// The symbols that are on the last partition, and all others.
    fn sorted(&self) -> (Vec<Symbol>, Vec<Symbol>) {
        let (last, rest) = self.symbols.split_last().unwrap();
        (last.clone(), rest.concat())
    }
}

fn found(region: &Region, symbols: &[Symbol]) -> Vec<(Handle, Symbol)> {
    let of = |symbol: &Symbol| Some((region.find(&venue(), symbol)?, *symbol));
    symbols.iter().filter_map(of).collect()
}

pub fn live(region: &Region, symbols: &[Symbol]) -> usize {
    let all = found(region, symbols).into_iter();
    all.filter(|(handle, _)| region.read(*handle).live().is_some()).count()
}

/// What a machine that is busy elsewhere may have cost.
fn lost(region: &Region) -> u64 {
    let all = LaneCounter::RxRingFull;
    let lane = lane(region);
    [all, LaneCounter::FillRingEmpty, LaneCounter::RxDropped, LaneCounter::Misdirected]
        .into_iter()
        .map(|counter| lane.get(counter))
        .sum()
}

#[test]
fn a_map_that_adds_a_partition_is_taken_without_a_restart_or_a_packet_lost() {
    take("a map taken over veth", PLAN);
}

#[test]
fn a_map_that_adds_a_partition_is_taken_by_plain_sockets_too() {
    take("a map taken over sockets", Plan { source: "udp", ..PLAN });
}

/// Each lane makes its calls at a time of its own.
#[test]
fn a_map_that_adds_a_partition_is_taken_by_two_lanes() {
    take("a map taken by two lanes", Plan { lanes: 2, ..PLAN });
}

fn take(test: &str, plan: Plan) {
    let Some(mut world) = World::new(test, plan) else { return };
    let maps = Maps::of(&world);
    let (moved, stay) = maps.sorted();
    assert_eq!(moved.len() * 5, moved.len() + stay.len(), "a fifth");
    maps.put(today(), false);
    let region = world.start_handler();
    world.start_exchange();
    eventually("what stays is live", || (live(&region, &stay) == stay.len()).then_some(()));
    // Until more is missing of the partition than its venue is asked for again.
    pause(Nanos::from_secs(3));
    assert_eq!(live(&region, &moved), 0, "nothing here names them");
    assert_no_go(&world, &region, &moved, &maps.lines_of_last());
    let generation = region.generation();
    let before: Vec<u64> =
        (0..4).map(|at| partition(&region, at).counters.get(Counter::GapsOutlived)).collect();
    let (stalls, lost_before) = (Stalls::from_now(&region), lost(&region));
    let watch = Watch::start(&region, found(&region, &stay));
    // What is at their old places never becomes Live.
    let old = Watch::start(&region, found(&region, &moved));

    let candidates = [true, false].map(|whole| maps.text_of(today(), whole));
    let loaded = clock::now();
    maps.put(today(), true);
    eventually("the partition is there", || (partition_count(&region) == 5).then_some(()));
    eventually("what has moved is live", || (live(&region, &moved) == moved.len()).then_some(()));
    let took = clock::now().since(loaded);
    let new = Watch::start(&region, found(&region, &moved));
    pause(Nanos::from_secs(1));
    let stalls = stalls.until_now(&region);
    let (log, old, new) = (watch.stop(), old.stop(), new.stop());
    for (at, before) in before.into_iter().enumerate() {
        log.assert_only(at, (Mono::NEVER, Mono::MAX), &["Live"], stalls);
        let gaps = partition(&region, at).counters.get(Counter::GapsOutlived);
        assert!(gaps == before || stalls > 0, "partition {} has gaps", at + 1);
    }
    assert!(lost(&region) == lost_before || stalls > 0, "{} frames lost", lost(&region));
    assert_eq!(old.live, 0, "Live at their old places");
    assert!(took < Nanos::from_secs(60), "{took}");
    let added = (0..region.partition_count())
        .filter_map(|at| region.partition(at, clock::now()))
        .find(|one| one.spec.name.as_str() == "5")
        .unwrap();
    assert!(added.counters.get(Counter::SnapshotsSpliced) > 0, "it was live by a snapshot");
    assert_eq!(added.trading_date, today());
    assert_eq!((region.generation(), world.region().generation()), (generation, generation));
    // Nobody lists what has moved at its old place.
    let path = world.path("region").display().to_string();
    for (verb, wanted) in [("stale", 0), ("status", 0)] {
        let (text, exit) = finished(candor(&world, &[verb, "-r", &path]));
        assert!(exit == wanted || stalls > 0, "{verb}: exit {exit}\n{text}");
    }
    let (status, _) = finished(candor(&world, &["status", "-r", &path, "-o", "json"]));
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let symbols =
        status["symbols"].as_array().unwrap().iter().filter_map(|row| row["symbols"].as_u64());
    assert_eq!(symbols.sum::<u64>(), 160, "each is counted once: {status}");
    let said = world.handler.as_ref().unwrap().log();
    assert!(said.contains("map in force"), "{said}");
    // The map it started with, the one it took, and where its partitions are.
    let (maps, exit) = finished(candor(&world, &["journal", "-r", &path, "--kind", "map"]));
    assert_eq!(exit, 0, "{maps}");
    assert_eq!(maps.matches(" date=").count(), 2, "{maps}");
    assert!(maps.contains("in_force=true") && maps.contains("added=5"), "{maps}");
    assert_eq!(maps.matches("lines=").count(), 5, "{maps}");
    new.assert_only(usize::from(added.index), (Mono::NEVER, Mono::MAX), &["Live"], stalls);
    let (checks, exit) = preopen(&world);
    // Go, but for what the configuration does not ask for, and what ordinary sockets can't see.
    assert!(exit == 1 || stalls > 0, "exit {exit}: {checks:#?}");
    let warns = checks.iter().filter(|[.., verdict, _]| verdict != "ok").map(|[name, ..]| name);
    let bypass = lane_mode(&region).starts_with("native");
    let wanted = if bypass { &["drill"][..] } else { &["unmapped", "drill"] };
    assert!(warns.eq(wanted) || stalls > 0, "{checks:#?}");
    let map = checks.iter().find(|[name, about, ..]| name == "map" && about == "XNAS").unwrap();
    assert!(map[3].contains("acknowledged by ann: the venue has said so"), "{map:?}");
    // Today's map is what the venue sends by; yesterday's is not, and the wire says where the fifth is.
    let wanted = [(true, "0 []"), (false, "2 [\"elsewhere 5\"]")];
    for (candidate, (whole, wanted)) in candidates.iter().zip(wanted) {
        let map = world.path("candidate.toml");
        fs::write(&map, candidate).unwrap();
        let map = map.display().to_string();
        let asked = ["map", "check", &map, "--wire", "-r", &path, "-o", "json"];
        let (text, exit) = finished(candor(&world, &asked));
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        let kinds: BTreeSet<String> = answer["differences"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["kind"] != "unknown")
            .map(|row| format!("{} {}", row["kind"], row["named_on"]).replace('"', ""))
            .collect();
        assert_eq!(format!("{exit} {:?}", Vec::from_iter(kinds)), wanted, "{text}");
        let elsewhere = if whole { 0 } else { moved.len() };
        assert_eq!(answer["wire"]["elsewhere"], elsewhere, "{text}");
    }
    let truth = judge(&mut world, &log);
    let bound = Nanos::from_secs(1);
    new.assert_true(&truth, crate::watch::Bound { known: bound, silence: Nanos::ZERO });
    println!(
        "shown: {} symbols on a partition that a map added were live {took} after it was loaded; {} others \
         read {} times meanwhile, all Live",
        moved.len(),
        stay.len(),
        log.reads
    );
}

/// Twenty minutes before the open: the map is yesterday's under today's date, and preopen says no-go, names
/// every partition that lacks symbols, the symbols, and where the multicast is that no map names.
fn assert_no_go(world: &World, region: &Region, moved: &[Symbol], added: &BTreeSet<String>) {
    let (checks, exit) = preopen(world);
    assert_eq!(exit, 2, "{checks:#?}");
    let failed: Vec<&[String; 4]> =
        checks.iter().filter(|[.., verdict, _]| verdict == "no-go").collect();
    let mut named = Vec::new();
    for partition in 1..=4 {
        let of = |check: &&&[String; 4]| {
            check[0] == "symbols" && check[1] == format!("XNAS/{partition}")
        };
        let check = failed.iter().find(of).unwrap_or_else(|| panic!("{partition}: {checks:#?}"));
        assert!(check[3].starts_with("32 of 40 proven; 8 Unproven: "), "{check:?}");
        named.extend(check[3].split_whitespace().skip(6).map(str::to_owned));
    }
    named.sort_unstable();
    let mut moved: Vec<String> = moved.iter().map(Symbol::to_string).collect();
    moved.sort_unstable();
    assert_eq!(named, moved, "each by its name");
    let bypass = lane_mode(region).starts_with("native");
    for [name, about, _, evidence] in failed.iter().filter(|check| check[0] != "symbols") {
        assert!(name == "unmapped" && bypass, "{name} {about}: {evidence}");
        // Where the venue sends what it has added: the lines of that partition, and nothing else.
        let named = evidence.split_whitespace().filter(|word| word.contains(':'));
        let named: BTreeSet<String> = named.map(str::to_owned).collect();
        assert_eq!(&named, added, "{evidence}");
    }
    assert!(!bypass || failed.iter().any(|check| check[0] == "unmapped"), "{checks:#?}");
    println!("shown: preopen is no-go, and names {} symbols on 4 partitions", moved.len());
}

fn lane_mode(region: &Region) -> String {
    lane(region).mode.to_string()
}

fn partition_count(region: &Region) -> usize {
    region.partitions(clock::now()).count()
}

/// A lane takes what was made for it elsewhere, and gives it back to be freed there.
#[test]
fn a_lane_allocates_and_frees_nothing_for_a_map() {
    let Some(mut world) = World::new("allocations for a map over veth", PLAN) else { return };
    let maps = Maps::of(&world);
    let (moved, stay) = maps.sorted();
    maps.put(today(), false);
    let region = world.start_counted_handler();
    world.start_exchange();
    eventually("what stays is live", || (live(&region, &stay) == stay.len()).then_some(()));
    let started = world.handler.as_mut().unwrap().ask();
    assert!(started[0] > 0, "the counter sees what a lane allocates at its start");
    for (whole, wanted) in [(true, moved.len()), (false, 0), (true, moved.len())] {
        maps.put(today(), whole);
        eventually("the map is taken", || (live(&region, &moved) == wanted).then_some(()));
    }
    let ended = world.handler.as_mut().unwrap().ask();
    assert_eq!(ended, started, "allocations, bytes and frees of the lane");
    world.end_exchange();
}

#[test]
fn a_line_that_is_elsewhere_is_joined_there_before_it_is_left_here() {
    line_elsewhere("a line elsewhere over veth", Plan { partitions: 2, symbols: 40, ..PLAN });
    let plan = Plan { partitions: 2, symbols: 40, source: "udp", ..PLAN };
    line_elsewhere("a line elsewhere over sockets", plan);
}

fn line_elsewhere(test: &str, plan: Plan) {
    let Some(mut world) = World::new(test, plan) else { return };
    let maps = Maps::of(&world);
    let all: Vec<Symbol> = world.plan.symbols().concat();
    let right = maps.map(today(), true);
    let mut wrong = right.clone();
    wrong.map.partitions[0].lines[1].as_mut().unwrap().group = [239, 200, 9, 9].into();
    assert!(matches!(maps.load_this(today(), wrong), Outcome::Loaded(_)));
    let region = world.start_handler();
    world.start_exchange();
    eventually("line A alone is enough", || (live(&region, &all) == all.len()).then_some(()));
    let on_b = |at| partition(&region, at).counters.get(Counter::PacketsB);
    pause(Nanos::from_millis(300));
    assert_eq!(on_b(0), 0);
    assert!(on_b(1) > 0);
    let (stalls, watch) = (Stalls::from_now(&region), Watch::all(&world));
    assert!(matches!(maps.load_this(today(), right.clone()), Outcome::Loaded(_)));
    eventually("line B is heard", || (on_b(0) > 100).then_some(()));
    let group = right.map.partitions[0].lines[1].as_ref().unwrap().group.octets();
    assert_eq!(partition(&region, 0).spec.lines[1].unwrap().group, group, "readers are told");
    let stalls = stalls.until_now(&region);
    let log = watch.stop();
    for at in 0..2 {
        log.assert_only(at, (Mono::NEVER, Mono::MAX), &["Live"], stalls);
    }
    judge(&mut world, &log);
}

#[test]
fn without_a_map_of_the_day_nothing_is_live_until_there_is_one() {
    let Some(mut world) = World::new("no map of the day over veth", PLAN) else { return };
    let maps = Maps::of(&world);
    let all: Vec<Symbol> = world.plan.symbols().concat();
    let (mut handler, exit) = {
        let handler = world.spawn_handler();
        eventually("a store without maps is refused", || (!handler.is_running()).then_some(()));
        (handler.log(), handler.ended().code())
    };
    assert_eq!(exit, Some(78), "{handler}");
    assert!(handler.contains("no map of XNAS was ever in force"), "{handler}");

    // Yesterday's names the partitions, and makes nothing Live.
    maps.put(day_before(today()), true);
    let region = world.start_handler();
    world.start_exchange();
    pause(Nanos::from_secs(1));
    assert_eq!(live(&region, &all), 0);
    for at in 0..5 {
        assert_eq!(partition(&region, at).status.reason(), Some(Reason::NoMap));
    }
    handler = world.handler.as_ref().unwrap().log();
    assert_eq!(handler.matches("alert=\"no-map\"").count(), 1, "said once: {handler}");
    maps.put(today(), true);
    world.until_live();
    eventually("the end of the alert is said", || {
        let said = world.handler.as_ref().unwrap().log();
        said.contains("over=\"no-map\"").then_some(())
    });
    let watch = Watch::all(&world);
    pause(Nanos::from_millis(500));
    judge(&mut world, &watch.stop());
}

/// The morning's job: the map's time has come, and the file comes late.
#[test]
fn a_map_that_comes_late_is_fetched_as_soon_as_it_is_there() {
    let Some(mut world) = World::new("a map fetched over veth", PLAN) else { return };
    let maps = Maps::of(&world);
    let all: Vec<Symbol> = world.plan.symbols().concat();
    maps.put(day_before(today()), true);
    let folder = world.path("incoming");
    fs::create_dir_all(&folder).unwrap();
    let path = world.path("handler.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("at = \"00:00\"", "at = \"00:00\", retry_ms = 500");
    let fetch = format!(
        "[[maps.venue]]\nname = \"XNAS\"\nformat = \"candor\"\n\
         fetch = {{ directory = \"{}\", files = [\"map-{{date}}.toml\"] }}\n",
        folder.display()
    );
    fs::write(&path, text + &fetch).unwrap();
    let region = world.start_handler();
    world.start_exchange();
    eventually("it is said that there is none", || {
        let said = world.handler.as_ref().unwrap().log();
        said.contains("alert=\"no-map\"").then_some(())
    });
    pause(Nanos::from_secs(2));
    assert_eq!(live(&region, &all), 0);
    let said = world.handler.as_ref().unwrap().log();
    assert_eq!(
        said.matches("alert=\"no-map\"").count(),
        1,
        "once, however often it is tried: {said}"
    );
    assert!(said.contains("has no map: there is no"), "{said}");
    // Whole, by its name.
    let written = file::write(&maps.map(today(), true).map);
    assert!(written.symbols_csv.is_none(), "160 symbols are in the file itself");
    fs::write(folder.join("part"), written.toml).unwrap();
    fs::rename(folder.join("part"), folder.join(format!("map-{}.toml", today()))).unwrap();
    world.until_live();
    assert!(maps.store.in_force(venue(), today()).unwrap().is_some());
    let watch = Watch::all(&world);
    pause(Nanos::from_millis(500));
    judge(&mut world, &watch.stop());
}

#[test]
fn a_map_that_removes_a_partition_leaves_it_and_touches_no_other() {
    let Some(mut world) = World::new("a map that removes over veth", PLAN) else { return };
    let maps = Maps::of(&world);
    let (gone, stay) = maps.sorted();
    maps.put(today(), true);
    let region = world.start_handler();
    world.start_exchange();
    world.until_live();
    let stalls = Stalls::from_now(&region);
    let watch = Watch::start(&region, found(&region, &stay));
    maps.put(today(), false);
    eventually("the partition is left", || {
        (partition(&region, 4).status.reason() == Some(Reason::Unsubscribed)).then_some(())
    });
    eventually("its symbols are not live", || (live(&region, &gone) == 0).then_some(()));
    pause(Nanos::from_millis(500));
    let stalls = stalls.until_now(&region);
    let log = watch.stop();
    for at in 0..4 {
        log.assert_only(at, (Mono::NEVER, Mono::MAX), &["Live"], stalls);
    }
    // Its place is no partition that the map lacks, for preopen.
    let (checks, _) = preopen(&world);
    let wrong =
        checks.iter().find(|[name, _, verdict, _]| name == "partitions" && verdict == "no-go");
    assert!(wrong.is_none(), "{wrong:?}");
    // And back: it takes its own place again.
    maps.put(today(), true);
    world.until_live();
    assert_eq!(partition_count(&region), 5);
    let watch = Watch::all(&world);
    pause(Nanos::from_millis(500));
    judge(&mut world, &watch.stop());
}

/// The kernel refuses the membership as the map comes, and grants it later: nobody has to do anything else.
#[test]
fn a_line_that_could_not_be_joined_where_it_has_moved_is_joined_once_it_can_be() {
    joined_later("a line joined later over veth", Plan { partitions: 2, symbols: 40, ..PLAN });
    let plan = Plan { partitions: 2, symbols: 40, source: "udp", ..PLAN };
    joined_later("a line joined later over sockets", plan);
}

fn joined_later(test: &str, plan: Plan) {
    const LIMIT: &str = "/proc/sys/net/ipv4/igmp_max_memberships";
    let Some(mut world) = World::new(test, plan) else { return };
    let maps = Maps::of(&world);
    let all: Vec<Symbol> = world.plan.symbols().concat();
    let right = maps.map(today(), true);
    let mut wrong = right.clone();
    wrong.map.partitions[0].lines[1].as_mut().unwrap().group = [239, 200, 9, 9].into();
    assert!(matches!(maps.load_this(today(), wrong), Outcome::Loaded(_)));
    let region = world.start_handler();
    world.start_exchange();
    eventually("line A alone is enough", || (live(&region, &all) == all.len()).then_some(()));
    // Of the handler's own namespace: nobody else's.
    let limit = |to: &str| inside(world.receiving(), || fs::write(LIMIT, to).unwrap());
    limit("0");
    assert!(matches!(maps.load_this(today(), right), Outcome::Loaded(_)));
    let log = |world: &World| world.handler.as_ref().unwrap().log();
    eventually("it is said", || log(&world).contains("alert=\"line-not-joined\"").then_some(()));
    let on_b = || partition(&region, 0).counters.get(Counter::PacketsB);
    limit("20");
    eventually("line B is heard", || (on_b() > 100).then_some(()));
    eventually("the alert is over", || {
        log(&world).contains("over=\"line-not-joined\"").then_some(())
    });
    assert_eq!(live(&region, &all), all.len());
}
