//! What the region costs its writer and its readers, and how long a change takes from one to the other, with
//! none to many readers: each figure beside the same done barely, in the same run.

mod hop;
mod readers;

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use candor_bench::floors::{BOOK_WORDS, LINE_WORDS, bare_push, bare_take};
use candor_bench::live::{self, Heap, name};
use candor_bench::machine;
use candor_bench::stopwatch::Stopwatch;
use candor_core::{BookView, Changed, Message, Mono, Nanos, SeqNo, Status, SymbolIndex, limits};
use candor_shm::{EventReader, Handle, Next, ReadPlace, clock};
use serde_json::{Value, json};

use self::hop::{Way, hops, ping_pong};
use self::readers::{Bare, Crew, Habit, World};
use crate::itch::median;
use crate::report::{self, Figure, Measured};

/// Symbols: 2.4 MB of slots, no cache near the core holds them.
const SYMBOLS: u32 = 4_096;

/// Operations between two looks at the clock.
const BATCH: u64 = 2_000;

/// How long a round of a row takes at least: readers that look a thousand times a second do so often in it.
const WINDOW: Nanos = Nanos(50_000_000);

/// Below this a line's way from core to core and back is a short one.
const NEAR: f64 = 300.0;

/// One thing that is done again and again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Work {
    Change,
    Publish,
    Event,
    Pair,
    Lock,
    Record,
    Store,
    Read,
    ReadInto,
    ReadAnother,
    BareRead,
    Clock,
    Take,
    BareTake,
}

impl Work {
    const fn is_bare(self) -> bool {
        matches!(self, Work::Pair | Work::Lock | Work::Record | Work::Store)
    }

    const fn about(self) -> &'static str {
        match self {
            Work::Change => "an event and a slot whose best level changed, with status",
            Work::Publish => "a slot whose best level changed, with status",
            Work::Event => "an event of the ring",
            Work::Pair => "a bare sequence lock over one line and a bare record of 64 bytes",
            Work::Lock => "a bare sequence lock over one line",
            Work::Record => "a bare record of 64 bytes",
            Work::Store => "one word stored",
            Work::Read => "a book of ten levels read with its status, one symbol",
            Work::ReadInto => "the same into a place, from where nothing is moved",
            Work::ReadAnother => "the same into a place, another symbol each time",
            Work::BareRead => "a bare sequence lock over as many words, and the clock",
            Work::Clock => "the clock",
            Work::Take => "an event that is there, taken from the ring",
            Work::BareTake => "a bare record, taken",
        }
    }
}

/// What a row measures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// The cost of some work, and of its floor, with readers.
    Cost(Work, Work, Option<Crew>),
    /// A change's way, p50 and p99 one row each; beside readers that look now and then.
    Hop(Way, Way, Option<Crew>),
}

struct Row {
    kind: Kind,
    measured: Measured,
}

impl Row {
    fn new(name: String, about: &'static str, floor: &'static str, kind: Kind) -> Row {
        Row { kind, measured: Measured::new(name, about, floor) }
    }

    fn figure(&self) -> Figure<'_> {
        self.measured.figure()
    }
}

/// Every row, in the order of the table; `others` are the cores beside the writer's.
fn rows(others: usize) -> Vec<Row> {
    let cost = |name: &str, work: Work, floor: Work, crew: Option<Crew>| {
        let with = crew.map_or(String::new(), |crew| format!(", {}", with(crew)));
        let kind = Kind::Cost(work, floor, crew);
        Row::new(format!("{name}{with}"), work.about(), floor.about(), kind)
    };
    let mut rows = vec![cost("bare pair", Work::Pair, Work::Store, None)];
    let crew = |habit, count| Some(Crew { habit, count, bare: false });
    let mut crews = vec![None];
    for count in [1, 8, 64] {
        crews.push(crew(Habit::Follow, count));
        crews.push(crew(Habit::Spin, count));
    }
    crews.push(crew(Habit::Look, 64));
    for crew in crews {
        let habit = crew.map(|crew| crew.habit);
        rows.push(cost("change with event", Work::Change, Work::Pair, crew));
        if habit != Some(Habit::Follow) {
            rows.push(cost("change", Work::Publish, Work::Lock, crew));
        }
        if habit != Some(Habit::Spin) {
            rows.push(cost("event", Work::Event, Work::Record, crew));
        }
    }
    rows.push(cost("read", Work::Read, Work::Clock, None));
    rows.push(cost("read into a place", Work::ReadInto, Work::Clock, None));
    rows.push(cost("read into a place, to a bare lock", Work::ReadInto, Work::BareRead, None));
    rows.push(cost("read into a place, symbols in turns", Work::ReadAnother, Work::BareRead, None));
    rows.push(cost("event taken", Work::Take, Work::BareTake, None));
    let to_ring = ["stamp to a reader that follows the ring", "the same with a bare ring"];
    let to_slot = ["stamp to a reader that spins on the slot", "the same with a bare lock"];
    let mut hops =
        vec![(Way::Ring, Way::BareRing, to_ring, None), (Way::Slot, Way::BareSlot, to_slot, None)];
    // On one core with the reader that is measured they would be measured by their share of it.
    if others > 1 {
        hops.push((Way::Ring, Way::BareRing, to_ring, crew(Habit::Look, 64)));
    }
    for (way, bare, [about, floor], crew) in hops {
        let beside = crew.map_or(String::new(), |crew| format!(", beside {}", with(crew)));
        let name = if way == Way::Ring { "hop by the ring" } else { "hop by the slot" };
        for part in ["p50", "p99"] {
            let kind = Kind::Hop(way, bare, crew);
            rows.push(Row::new(format!("{name}{beside}, {part}"), about, floor, kind));
        }
    }
    rows
}

/// Readers in words.
fn with(Crew { habit, count, .. }: Crew) -> String {
    let does = match (habit, count) {
        (Habit::Follow, 1) => "follows the ring",
        (Habit::Follow, _) => "follow the ring",
        (Habit::Spin, 1) => "spins on the slot",
        (Habit::Spin, _) => "spin on the slot",
        (Habit::Look, _) => "look at 1 kHz",
    };
    format!("{count} {does}")
}

/// The writing side of everything.
struct Writer {
    heap: Heap,
    view: BookView,
    status: Status,
    number: u64,
    /// What events say, in turns.
    messages: [Message; MESSAGES],
}

/// Messages that an event is made of.
const MESSAGES: usize = 16;

impl Writer {
    fn change(&mut self) {
        let changed = live::change_best(&mut self.view, self.number);
        self.publish(black_box(changed));
    }

    fn publish(&mut self, changed: Changed) {
        let (at, status) = (SymbolIndex(0), self.status);
        self.heap.lane.publish_changed(0, at, status, 1, Mono(1), &self.view, changed);
    }

    /// The message is there, as a bare record's words are: whoever decodes has made it.
    fn event(&mut self, arrival: Mono) {
        let message = &self.messages[self.number as usize % MESSAGES];
        let index = Some(SymbolIndex(0));
        self.heap.lane.event(0, index, SeqNo(self.number), arrival, black_box(message));
    }

    /// Stamps one change and lets it go its way.
    fn stamp(&mut self, world: &World, way: Way, now: Mono) {
        self.number += 1;
        let bare = &world.bare;
        match way {
            Way::Ring => self.event(now),
            Way::Slot => {
                let changed = live::change_best(&mut self.view, self.number);
                self.view.time = candor_core::WireTime(now.0);
                self.publish(changed);
            }
            Way::BareRing => bare.push(now.0),
            Way::BareSlot => bare.slot.write(LINE_WORDS, now.0),
        }
    }
}

impl Bare {
    #[inline]
    fn push(&self, word: u64) {
        let number = self.head.load(Ordering::Relaxed) + 1;
        bare_push(&self.ring, number, &[word; 7]);
        self.head.store(number, Ordering::Release);
    }
}

/// The reading side, as far as it is measured by itself.
struct Reader {
    region: candor_shm::Region,
    handles: Vec<Handle>,
    place: ReadPlace,
    events: EventReader,
    at: usize,
    taken: u64,
}

struct Bench {
    world: World,
    writer: Writer,
    reader: Reader,
    stopwatch: Stopwatch,
}

impl Bench {
    /// Nanoseconds of one operation.
    fn cost(&mut self, work: Work, crew: Option<Crew>) -> Result<f64, String> {
        let Bench { world, writer, reader, stopwatch } = self;
        let mut measured = || {
            let (started, mut took, mut done) = (clock::now(), 0, 0);
            while clock::now().since(started) < WINDOW {
                prepare(work, world, writer, reader);
                let ((), time) = stopwatch.time(|| {
                    for _ in 0..BATCH {
                        act(work, world, writer, reader);
                    }
                });
                (took, done) = (took + time.0, done + BATCH);
            }
            took as f64 / done as f64
        };
        match crew {
            None => Ok(measured()),
            Some(crew) => world.beside(Crew { bare: work.is_bare(), ..crew }, measured),
        }
    }

    fn hop(&mut self, way: Way, crew: Option<Crew>) -> Result<(f64, f64), String> {
        let Bench { world, writer, .. } = self;
        match crew {
            None => hops(world, writer, way),
            Some(crew) => {
                let bare = matches!(way, Way::BareRing | Way::BareSlot);
                world.beside(Crew { bare, ..crew }, || hops(world, writer, way))?
            }
        }
    }
}

/// Puts there what the batch is to take.
fn prepare(work: Work, world: &World, writer: &mut Writer, reader: &mut Reader) {
    if !matches!(work, Work::Take | Work::BareTake) {
        return;
    }
    // All that was written before is passed over.
    reader.events = writer.heap.region.events(0).expect("there is a lane");
    reader.taken = world.bare.head.load(Ordering::Relaxed);
    for _ in 0..BATCH {
        writer.number += 1;
        if work == Work::Take { writer.event(Mono(1)) } else { world.bare.push(writer.number) }
    }
}

#[inline]
fn act(work: Work, world: &World, writer: &mut Writer, reader: &mut Reader) {
    writer.number += 1;
    let number = writer.number;
    let bare = &world.bare;
    match work {
        Work::Change => {
            writer.event(Mono(number));
            writer.change();
        }
        Work::Publish => writer.change(),
        Work::Event => writer.event(Mono(number)),
        Work::Pair => {
            bare.push(number);
            bare.slot.write(LINE_WORDS, number);
        }
        Work::Lock => bare.slot.write(LINE_WORDS, number),
        Work::Record => bare.push(number),
        Work::Store => bare.word.0.store(number, Ordering::Release),
        Work::Read => _ = black_box(reader.region.read(reader.handles[0])),
        Work::ReadInto => {
            let _ = black_box(reader.region.read_into(reader.handles[0], &mut reader.place));
        }
        Work::ReadAnother => {
            reader.at = (reader.at + 1) % reader.handles.len();
            let handle = reader.handles[reader.at];
            let _ = black_box(reader.region.read_into(handle, &mut reader.place));
        }
        Work::BareRead => _ = black_box((bare.slot.read_first::<BOOK_WORDS>(), clock::now())),
        Work::Clock => _ = black_box(clock::now()),
        Work::Take => {
            assert!(matches!(black_box(reader.events.next()), Next::Record(_)));
        }
        Work::BareTake => {
            reader.taken += 1;
            assert!(black_box(bare_take(&bare.ring, reader.taken)).is_some());
        }
    }
}

/// Everything one run found.
pub(crate) struct Results {
    rows: Vec<Row>,
    /// A line's way to the other core and back, ns, a round each.
    ping_pong: Vec<f64>,
    cores: usize,
}

/// The region's file, gone with this.
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
        let _ = fs::remove_file(self.0.with_extension("region.lock"));
        let _ = fs::remove_dir_all(self.0.with_extension(""));
    }
}

/// Measures the rows whose name contains `only`, in turns.
///
/// # Errors
/// In words: there is one core only, the region can't be made, or a reader ended early.
pub(crate) fn measure(rounds: u32, only: &str, stopwatch: Stopwatch) -> Result<Results, String> {
    let mut cores = machine::cores().map_err(|error| error.to_string())?;
    if cores.len() < 2 {
        return Err("two cores are needed: one writes, the others read".into());
    }
    let own = cores.remove(0);
    machine::pin(own).map_err(|error| format!("core {own}: {error}"))?;
    let rows = rows(cores.len()).into_iter();
    let mut rows: Vec<Row> = rows.filter(|row| row.measured.name.contains(only)).collect();
    if rows.is_empty() {
        return Err(format!("no row is called {only}"));
    }
    let file = File(PathBuf::from(format!("/dev/shm/candor-bench-{}.region", std::process::id())));
    let mut heap = live::region_at(&file.0, SYMBOLS)?;
    heap.go_live(SYMBOLS);
    assert!(limits::EVENTS as u64 > BATCH, "a batch of events is there as a whole");
    let reader = {
        let region = heap.region.clone();
        let find = |number| region.find(&heap.venue, &name(number)).ok_or("a symbol is missing");
        let handles = (0..SYMBOLS).map(find).collect::<Result<Vec<_>, _>>()?;
        if let Some(reason) = region.read(handles[0]).reason() {
            return Err(format!("what is to be read is stale: {reason}"));
        }
        let events = region.events(0).ok_or("there is no lane")?;
        Reader { region, handles, place: ReadPlace::new(), events, at: 0, taken: 0 }
    };
    let world = World { path: file.0.clone(), venue: heap.venue, bare: Bare::new(), cores };
    let messages = std::array::from_fn(|number| live::add_message(number as u64));
    let (view, status) = (live::full_book(), live::live());
    let writer = Writer { heap, view, status, number: 0, messages };
    let mut bench = Bench { world, writer, reader, stopwatch };
    let mut line = Vec::new();
    for _ in 0..rounds {
        line.push(ping_pong(&bench.world)?);
        let mut last = None;
        for row in &mut rows {
            let (found, floor) = match row.kind {
                Kind::Cost(work, floor, crew) => {
                    (bench.cost(work, crew)?, bench.cost(floor, crew)?)
                }
                // One measurement has both rows.
                Kind::Hop(..) if row.measured.name.ends_with("p99") && last.is_some() => {
                    last.take().unwrap_or_default()
                }
                Kind::Hop(way, bare, crew) => {
                    let (hop, floor) = (bench.hop(way, crew)?, bench.hop(bare, crew)?);
                    last = Some((hop.1, floor.1));
                    if row.measured.name.ends_with("p99") {
                        (hop.1, floor.1)
                    } else {
                        (hop.0, floor.0)
                    }
                }
            };
            row.measured.rounds.push(found);
            row.measured.floor_rounds.push(floor);
        }
    }
    line.push(ping_pong(&bench.world)?);
    Ok(Results { rows, ping_pong: line, cores: bench.world.cores.len() + 1 })
}

/// Whether the two cores sit near each other.
fn distance(results: &Results) -> &'static str {
    let near = results.ping_pong.iter().filter(|line| **line < NEAR).count();
    match near {
        0 => "far",
        near if near == results.ping_pong.len() => "near",
        _ => "now near, now far",
    }
}

pub(crate) fn table(results: &Results) -> String {
    let (low, high) = report::spread(&results.ping_pong);
    format!(
        "cores: {}, the first writes; a line there and back {:.0} ns ({low:.0}-{high:.0}): {}\n\n{}",
        results.cores,
        median(&results.ping_pong),
        distance(results),
        report::figures("row", "call", results.rows.iter().map(Row::figure)),
    )
}

pub(crate) fn json(machine: &str, clock: &str, results: &Results) -> Value {
    let row = |row: &Row| report::figure_json("row", "call", &row.figure());
    json!({
        "machine": machine,
        "clock": clock,
        "cores": results.cores,
        "line_round_trip_ns": results.ping_pong,
        "distance": distance(results),
        "rows": results.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows are measured beside readers that attach to the file, and nothing stays behind.
    #[test]
    fn every_row_is_a_figure_beside_its_floor() {
        if machine::cores().unwrap().len() < 2 {
            println!("skipped: region rows: two cores are needed");
            return;
        }
        // No hops: a machine with other things to do may let their reader miss too many.
        let results = measure(1, ", 1 ", Stopwatch::Monotonic).unwrap();
        assert_eq!(
            results.rows.len(),
            4,
            "two beside a reader of the ring, two beside one of the slot"
        );
        let text = table(&results);
        for row in results.rows.iter().map(|row| &row.measured) {
            assert!(row.rounds[0] > 0.0 && row.floor_rounds[0] > 0.0, "{}", row.name);
            assert!(text.contains(&row.name));
        }
        assert!(results.ping_pong.iter().all(|line| *line > 0.0));
        let left = fs::read_dir("/dev/shm").unwrap().flatten();
        let own = format!("candor-bench-{}", std::process::id());
        assert!(
            !left.map(|left| left.file_name()).any(|left| left.to_string_lossy().contains(&own))
        );
        assert!(measure(1, "nothing of this name", Stopwatch::None).is_err());
    }
}
