//! Everything as it should be, then one thing wrong at a time: its check fails, and no other.

use candor_core::counters::{Counter, Counters};
use candor_core::symbol::Text;
use candor_core::{
    BookView, Decimals, Mono, Nanos, Proof, Reason, SessionId, Status, Symbol, SymbolIndex,
    TradingDate, Venue, promote,
};
use candor_preopen::{Asked, Outcome, Report, Sample, Verdict, Wanted, examine, heard};
use candor_shm::{
    Endpoint, Halt, HandlerWriter, LaneWriter, PartitionSpec, Region, RegionSpec, Unmapped, heap,
};

const DATE: TradingDate = TradingDate(20_261_123);
const NOW: Mono = Mono(100_000_000_000);
const SYMBOLS: [[&str; 2]; 2] = [["AA", "BB"], ["CC", "DD"]];

fn text<const N: usize>(text: &str) -> Text<N> {
    Text::from_wire(text.as_bytes()).unwrap()
}

fn live() -> Status {
    promote(&Reason::ALL.iter().fold(Proof::NOTHING, |proof, one| proof.rule_out(*one, true)))
}

fn at(partition: u8, line: u8) -> Endpoint {
    Endpoint { group: [239, 1, line, partition], port: 26_400 }
}

/// Two partitions with two lines and two symbols each, as the handler has them.
struct Scene {
    handler: HandlerWriter,
    lane: LaneWriter,
    region: Region,
    wanted: Vec<Wanted>,
    counters: [Counters; 2],
    before: Sample,
    unproven_ppm: u32,
    ignore: Vec<Endpoint>,
}

impl Scene {
    fn new() -> Scene {
        let mut spec = RegionSpec::new(text("t"));
        (spec.events, spec.losses, spec.lanes) = (64, 16, 1);
        spec.process_lease = Nanos(u64::MAX / 4);
        spec.trading_date = DATE;
        let lines = |number| [Some(at(number, 0)), Some(at(number, 1)), None];
        let partition = |number: u8| PartitionSpec {
            venue: text("XTST"),
            name: text(&number.to_string()),
            feed: text("nasdaq-itch50"),
            lane: 0,
            symbols: 8,
            silence: Nanos::from_secs(3),
            decimals: Decimals(4),
            lines: lines(number),
        };
        spec.partitions = (1..=2).map(partition).collect();
        let (mut handler, mut lanes, region) = heap(&spec).unwrap();
        let mut lane = lanes.remove(0);
        handler.set_status(live(), Mono(1));
        handler.set_unmapped(&[], NOW);
        lane.renew(NOW + Nanos::from_secs(60));
        let wanted = |number: u8| Wanted {
            venue: text("XTST"),
            name: text(&number.to_string()),
            date: DATE,
            subscribe: true,
            lines: lines(number),
            symbols: SYMBOLS[usize::from(number) - 1].map(text).to_vec(),
        };
        let wanted = (1..=2).map(wanted).collect();
        let counters = [Counters::new(), Counters::new()];
        let before = Sample::take(&region, &|| NOW);
        let (unproven_ppm, ignore) = (0, Vec::new());
        let mut scene =
            Scene { handler, lane, region, wanted, counters, before, unproven_ppm, ignore };
        for partition in 0..2 {
            scene.status(partition, live());
            scene.lane.lease(partition, NOW + Nanos::from_secs(3));
            scene.lane.heard(partition, NOW);
            for (index, name) in (0u32..).zip(SYMBOLS[usize::from(partition)]) {
                scene.lane.define(partition, SymbolIndex(index), &text(name));
                scene.symbol(partition, index, live());
            }
        }
        scene
    }

    fn status(&mut self, partition: u16, status: Status) {
        let session = SessionId::from_text(*b"20261123A ");
        self.lane.partition(partition, status, 1, Mono(2), session);
    }

    fn symbol(&mut self, partition: u16, index: u32, status: Status) {
        self.lane.publish(partition, SymbolIndex(index), status, 1, Mono(2), &BookView::EMPTY);
    }

    /// A packet comes on these lines of a partition.
    fn hear(&mut self, partition: u16, lines: &[Counter]) {
        let counters = &mut self.counters[usize::from(partition)];
        lines.iter().for_each(|line| counters.add(*line, 1));
        self.lane.counters(partition, counters);
    }

    fn hear_all(&mut self) {
        for partition in 0..2 {
            self.hear(partition, &[Counter::PacketsA, Counter::PacketsB]);
        }
    }

    fn asked(&self) -> Asked<'_> {
        let Scene { wanted, before, unproven_ppm, ignore, .. } = self;
        Asked { wanted, before, unproven_ppm: *unproven_ppm, ignore }
    }

    fn report(&self) -> Report {
        Report { checks: examine(&self.region, &|| NOW, &self.asked()) }
    }

    /// What does not hold: check, what about, verdict, evidence.
    fn wrong(&self) -> Vec<(&'static str, String, Verdict, String)> {
        let checks = self.report().checks.into_iter();
        let wrong = checks.filter(|check| check.verdict != Verdict::Holds);
        wrong.map(|one| (one.name, one.about, one.verdict, one.evidence)).collect()
    }

    /// The one thing that does not hold.
    fn only(&self) -> (&'static str, String, Verdict, String) {
        let mut wrong = self.wrong();
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        wrong.remove(0)
    }

    fn fails(&self, name: &str, about: &str, part: &str) {
        let (check, of, verdict, evidence) = self.only();
        assert_eq!((check, of.as_str(), verdict), (name, about, Verdict::Fails), "{evidence}");
        assert!(evidence.contains(part), "{evidence}");
        assert_eq!(self.report().outcome(), Outcome::NoGo);
    }
}

fn heard_scene() -> Scene {
    let mut scene = Scene::new();
    scene.hear_all();
    scene
}

#[test]
fn everything_as_it_should_be_is_go_once_every_line_was_heard() {
    let mut scene = Scene::new();
    assert!(!heard(&scene.region, &|| NOW, &scene.asked()));
    scene.hear_all();
    assert!(heard(&scene.region, &|| NOW, &scene.asked()));
    assert_eq!(scene.wrong(), []);
    assert_eq!(scene.report().outcome(), Outcome::Go);
    // What was heard before listening began is not heard now.
    scene.before = Sample::take(&scene.region, &|| NOW);
    let wrong = scene.wrong();
    assert_eq!(wrong.len(), 4, "each line: {wrong:?}");
    assert!(wrong.iter().all(|(name, .., evidence)| {
        *name == "lines" && evidence.ends_with("1 packets before")
    }));
}

#[test]
fn one_dark_line_of_two_is_named_with_its_group() {
    let mut scene = Scene::new();
    scene.hear(0, &[Counter::PacketsA, Counter::PacketsB]);
    scene.hear(1, &[Counter::PacketsA]);
    scene.fails("lines", "XTST/2 line B", "nothing on 239.1.1.2:26400");
}

#[test]
fn a_symbol_of_the_map_that_nothing_names_is_named() {
    let mut scene = heard_scene();
    scene.wanted[0].symbols.push(text("ZZ"));
    scene.fails("symbols", "XTST/1", "2 of 3 proven; 1 Unmapped: ZZ");
    // Within what is allowed it is a warning.
    scene.unproven_ppm = 333_334;
    assert_eq!(scene.only().2, Verdict::Warns);
    assert_eq!(scene.report().outcome(), Outcome::GoWithWarnings);
    let mut scene = heard_scene();
    scene.symbol(0, 1, Status::stale(Reason::Unproven));
    scene.fails("symbols", "XTST/1", "1 of 2 proven; 1 Unproven: BB");
    // On another partition than the map has it.
    let mut scene = heard_scene();
    scene.wanted[0].symbols.push(text("CC"));
    scene.fails("symbols", "XTST/1", "1 WrongPartition: CC");
    // Of an epoch that is over.
    let mut scene = heard_scene();
    let session = SessionId::from_text(*b"20261123B ");
    scene.lane.partition(1, live(), 2, Mono(2), session);
    scene.fails("symbols", "XTST/2", "0 of 2 proven; 2 Unproven: CC DD");
}

#[test]
fn every_symbol_that_is_missing_is_named_beside_an_evidence_that_names_the_first() {
    let mut scene = heard_scene();
    scene.symbol(0, 1, Status::stale(Reason::Unproven));
    let missing: Vec<Symbol> = (0..40).map(|at| text(&format!("Z{at:02}"))).collect();
    scene.wanted[0].symbols.extend(&missing);
    let first =
        "1 of 42 proven; 1 Unproven: BB; 40 Unmapped: Z00 Z01 Z02 Z03 Z04 Z05 Z06 Z07 and 32 more";
    scene.fails("symbols", "XTST/1", first);
    let report = scene.report();
    let check = report.checks.iter().find(|check| check.verdict == Verdict::Fails).unwrap();
    let unmapped = missing.iter().map(|symbol| (*symbol, Reason::Unmapped));
    let all: Vec<_> = std::iter::once((text("BB"), Reason::Unproven)).chain(unmapped).collect();
    assert_eq!(check.symbols, all);
    assert!(check.to_do.ends_with("candor preopen -o json names each symbol"), "{}", check.to_do);
    // What names all by itself sends nobody elsewhere.
    scene.wanted[0].symbols.truncate(3);
    let few = scene.report().checks.into_iter().find(|check| !check.symbols.is_empty()).unwrap();
    assert_eq!(few.symbols.len(), 2);
    assert!(!few.to_do.contains("json"), "{}", few.to_do);
}

#[test]
fn where_the_map_lists_none_the_venue_must_have_named_some() {
    let mut scene = heard_scene();
    scene.wanted[0].symbols.clear();
    assert_eq!(scene.wrong(), []);
    // One that was named there yesterday, and is not today: the venue may have moved it.
    scene.symbol(0, 1, Status::stale(Reason::Unproven));
    scene.fails("symbols", "XTST/1", "1 of 2 proven; 1 Unproven: BB");
    scene.symbol(0, 1, live());
    let mut empty = Wanted { symbols: Vec::new(), ..scene.wanted[0].clone() };
    empty.name = text("9");
    scene.wanted.push(empty);
    let wrong = scene.wrong();
    assert_eq!(wrong.len(), 1, "a partition that is not there is said once: {wrong:?}");
    assert_eq!((wrong[0].0, wrong[0].1.as_str()), ("partitions", "XTST/9"));
}

/// Where the map lists none, each date's first takes what it has not heard named today for moved.
#[test]
fn what_was_named_before_today_and_is_found_nowhere_is_missing() {
    let mut scene = heard_scene();
    scene.wanted[0].symbols.clear();
    scene.wanted[1].symbols.clear();
    let names: Vec<String> = (0..6).map(|at| format!("N{at}")).collect();
    for (index, name) in (2u32..).zip(&names) {
        scene.lane.define(0, SymbolIndex(index), &text(name));
        scene.symbol(0, index, live());
    }
    assert_eq!(scene.wrong(), []);
    for index in 5..8 {
        scene.symbol(0, index, Status::stale(Reason::Unmapped));
        scene.lane.moved(0, SymbolIndex(index), true);
    }
    scene.fails("symbols", "XTST/1", "5 of 8 proven; 3 Unmapped: N3 N4 N5");
    // Named by another partition it has moved.
    scene.lane.define(1, SymbolIndex(2), &text("N4"));
    scene.symbol(1, 2, live());
    scene.fails("symbols", "XTST/1", "5 of 7 proven; 2 Unmapped: N3 N5");
    // There it may have been before, and be nowhere now.
    scene.lane.moved(1, SymbolIndex(2), true);
    let wrong = scene.wrong();
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[1].3.contains("2 of 3 proven; 1 Unmapped: N4"), "{wrong:?}");
    scene.lane.moved(1, SymbolIndex(2), false);
    // Within what is allowed it is a warning; and named again it is here.
    scene.unproven_ppm = 300_000;
    assert_eq!(scene.only().2, Verdict::Warns);
    scene.unproven_ppm = 0;
    for index in [5, 7] {
        scene.symbol(0, index, live());
        scene.lane.moved(0, SymbolIndex(index), false);
    }
    assert_eq!(scene.wrong(), []);
}

#[test]
fn a_partition_that_is_missing_too_many_elsewhere_or_of_another_date_fails() {
    let mut scene = heard_scene();
    scene.wanted.pop();
    scene.fails("partitions", "XTST/2", "in the region, and not in the map");
    // A map that takes a partition away leaves its place, and nothing Live in it.
    scene.status(1, Status::stale(Reason::Unsubscribed));
    assert_eq!(scene.wrong(), []);
    let mut scene = heard_scene();
    scene.wanted[1].lines[0] = Some(at(7, 0));
    scene.fails(
        "partitions",
        "XTST/2",
        "received at 239.1.0.2:26400; the map says 239.1.0.7:26400",
    );
    let mut scene = heard_scene();
    scene.wanted[1].date = TradingDate(20_261_124);
    scene.fails("partitions", "XTST/2", "its map is of 2026-11-23, and 2026-11-24 is due");
    let mut scene = heard_scene();
    scene.status(1, Status::stale(Reason::Unsubscribed));
    scene.fails("partitions", "XTST/2", "its lines were left");
    // As configured it is a warning, and nothing else is asked of it.
    scene.wanted[1].subscribe = false;
    assert_eq!(scene.only().2, Verdict::Warns);
}

#[test]
fn a_partition_that_is_stale_fails_once_however_many_symbols_it_has() {
    for reason in [Reason::Gap, Reason::Recovering, Reason::NotStarted, Reason::Quarantined] {
        let mut scene = heard_scene();
        scene.status(0, Status::stale(reason));
        scene.fails("status", "XTST/1", &format!("Stale({reason})"));
    }
}

#[test]
fn multicast_that_no_map_names_fails_while_it_comes_and_unless_it_is_ignored() {
    let mut scene = heard_scene();
    let endpoint = Endpoint { group: [239, 9, 9, 9], port: 9 };
    let seen = |last| [Unmapped { endpoint, packets: 5, bytes: 500, last }];
    scene.handler.set_unmapped(&seen(NOW - Nanos::from_secs(59)), NOW);
    scene.fails("unmapped", "", "239.9.9.9:9 (5 packets)");
    scene.ignore.push(endpoint);
    assert_eq!(scene.wrong(), []);
    scene.ignore.clear();
    scene.handler.set_unmapped(&seen(NOW - Nanos::from_secs(61)), NOW);
    assert_eq!(scene.wrong(), [], "that was long ago");
    let local = Endpoint { group: [224, 0, 0, 251], port: 5353 };
    let talk = [Unmapped { endpoint: local, packets: 5, bytes: 500, last: NOW }];
    scene.handler.set_unmapped(&talk, NOW);
    assert_eq!(scene.wrong(), [], "the hosts' own talk");
    // More than the table has room for: what found none is not known.
    let endpoint = |n: u16| Endpoint { group: [239, 8, (n >> 8) as u8, n as u8], port: 1 };
    let many: Vec<Unmapped> = (0..300)
        .map(|n| Unmapped { endpoint: endpoint(n), packets: 1, bytes: 1, last: Mono(1) })
        .collect();
    scene.handler.set_unmapped(&many, NOW);
    assert_eq!(scene.only().2, Verdict::Unknown);
}

#[test]
fn that_nothing_came_which_no_map_names_is_unknown_where_nobody_has_looked_lately() {
    let mut scene = heard_scene();
    for (read, last) in [(Mono::NEVER, "at: never"), (NOW - Nanos::from_secs(6), "at: 6000 ms ago")]
    {
        scene.handler.set_unmapped(&[], read);
        let (name, _, verdict, evidence) = scene.only();
        assert_eq!((name, verdict), ("unmapped", Verdict::Unknown), "{evidence}");
        assert!(evidence.contains(last), "{evidence}");
        assert_eq!(scene.report().outcome(), Outcome::Unknown);
    }
    scene.handler.set_unmapped(&[], NOW - Nanos::from_secs(5));
    assert_eq!(scene.wrong(), []);
    // What was seen counts, however old the look is.
    let endpoint = Endpoint { group: [239, 9, 9, 9], port: 9 };
    let seen = [Unmapped { endpoint, packets: 5, bytes: 500, last: NOW - Nanos::from_secs(59) }];
    scene.handler.set_unmapped(&seen, NOW - Nanos::from_secs(59));
    scene.fails("unmapped", "", "239.9.9.9:9 (5 packets)");
}

#[test]
fn what_is_halted_is_said_and_what_is_beneath_is_looked_at_all_the_same() {
    let scene = heard_scene();
    scene.handler.halt(Halt::Partition(1), NOW);
    scene.fails("halts", "XTST/2", "is halted");
    let scene = heard_scene();
    scene.handler.halt(Halt::All, NOW);
    scene.fails("halts", "everything", "is halted");
    let scene = heard_scene();
    let venue: Venue = text("XTST");
    let symbol: Symbol = text("AA");
    scene.handler.halt(Halt::Symbol(scene.region.find(&venue, &symbol).unwrap()), NOW);
    assert_eq!(scene.only().2, Verdict::Warns);
}

#[test]
fn a_handler_that_is_gone_is_unknown_and_one_without_a_map_is_no_go() {
    let mut scene = heard_scene();
    scene.handler.set_status(Status::stale(Reason::NoMap), NOW);
    let report = scene.report();
    assert_eq!(report.checks[0].verdict, Verdict::Fails);
    assert_eq!(report.outcome(), Outcome::NoGo);
    let mut scene = heard_scene();
    scene.lane.renew(NOW);
    let handler = &scene.report().checks[0];
    assert_eq!((handler.name, handler.verdict), ("handler", Verdict::Unknown));
    assert!(handler.evidence.contains("WriterGone"), "{handler:?}");
}
