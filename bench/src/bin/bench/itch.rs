//! The stages of a file of ITCH: what each does, round after round, its floor beside it.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use candor_bench::floors::{Scattered, length_and_type, walk};
use candor_bench::machine;
use candor_bench::stopwatch::Stopwatch;
use candor_core::ByteOrder;
use candor_decoders::Format;
use candor_decoders::nasdaq::itch50::Prefix;
use candor_decoders::stream::Framing;

use crate::books::{BLOCK, Market, Published, Room, Tally};
use crate::floor::{self, Bare};

/// How the file marks its messages off.
const FRAMING: Framing = Framing { prefix: ByteOrder::Big, longest: 2 + u16::MAX as usize };

/// Messages of a packet where many come at once.
const PACKET: usize = 20;

/// The messages of a file, by the framing of streams.
#[inline]
pub(crate) fn messages(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut frames = FRAMING.split(file);
    std::iter::from_fn(move || frames.take_next().ok().flatten().map(|packet| &packet[2..]))
}

/// A file in memory.
pub(crate) struct Input {
    pub(crate) bytes: Vec<u8>,
    pub(crate) messages: u64,
    pub(crate) symbols: usize,
}

impl Input {
    pub(crate) fn read(path: &Path) -> Result<Input, String> {
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Input::of(bytes).map_err(|problem| format!("{}: {problem}", path.display()))
    }

    pub(crate) fn of(bytes: Vec<u8>) -> Result<Input, String> {
        let (mut count, mut symbols, mut taken) = (0, 0, 0);
        for message in messages(&bytes) {
            count += 1;
            taken += 2 + message.len();
            symbols += usize::from(message[0] == b'R');
        }
        if taken != bytes.len() {
            return Err(format!("no message at byte {taken} of {}", bytes.len()));
        }
        if count == 0 {
            return Err("no messages".into());
        }
        Ok(Input { bytes, messages: count, symbols })
    }
}

/// One stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    Framing,
    Decode,
    DecodeLazy,
    Books,
    BooksInPackets,
    BooksOneByOne,
    Publish,
    PublishOneByOne,
}

/// What a stage is read beside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Floor {
    Walk,
    Overlapped,
    Loads,
    Publication,
}

impl Stage {
    pub(crate) const ALL: [Stage; 8] = [
        Stage::Framing,
        Stage::Decode,
        Stage::DecodeLazy,
        Stage::Books,
        Stage::BooksInPackets,
        Stage::BooksOneByOne,
        Stage::Publish,
        Stage::PublishOneByOne,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Stage::Framing => "framing",
            Stage::Decode => "decode",
            Stage::DecodeLazy => "decode-lazy",
            Stage::Books => "books",
            Stage::BooksInPackets => "books-in-packets",
            Stage::BooksOneByOne => "books-one-by-one",
            Stage::Publish => "publish",
            Stage::PublishOneByOne => "publish-one-by-one",
        }
    }

    pub(crate) const fn about(self) -> &'static str {
        match self {
            Stage::Framing => "each message found by its length",
            Stage::Decode => "each message normalised",
            Stage::DecodeLazy => "type, symbol and time of each",
            Stage::Books => {
                "decoded, applied to its book, best prices read; 64 messages known ahead"
            }
            Stage::BooksInPackets => "the same, 20 messages known ahead",
            Stage::BooksOneByOne => {
                "decoded, applied to its book, best prices read; nothing known of the next"
            }
            Stage::Publish => "the same and to a region: an event each, books behind every 20",
            Stage::PublishOneByOne => "the same, a book behind each message",
        }
    }

    const fn floor(self) -> Floor {
        match self {
            Stage::Framing | Stage::Decode | Stage::DecodeLazy => Floor::Walk,
            Stage::Books | Stage::BooksInPackets => Floor::Overlapped,
            Stage::BooksOneByOne => Floor::Loads,
            Stage::Publish | Stage::PublishOneByOne => Floor::Publication,
        }
    }
}

impl Floor {
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Floor::Walk => "a loop over lengths and type bytes",
            Floor::Overlapped => {
                "that loop and two dependent loads, 64 messages asking for theirs at once"
            }
            Floor::Loads => "that loop and two dependent loads from as much memory",
            Floor::Publication => "all that, a bare record each and a bare lock over each book",
        }
    }
}

/// One stage's figures: nanoseconds a message, a round each.
pub(crate) struct Row {
    pub(crate) stage: Stage,
    pub(crate) floor: Floor,
    pub(crate) rounds: Vec<f64>,
    pub(crate) floor_rounds: Vec<f64>,
}

/// The middle of some figures.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n.is_multiple_of(2) => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
        n => sorted[n / 2],
    }
}

/// Everything one run found.
pub(crate) struct Results {
    pub(crate) rows: Vec<Row>,
    pub(crate) tally: Option<Tally>,
    /// Memory the books took, all of it allocated at their start.
    pub(crate) books_bytes: u64,
    pub(crate) peak_resident: u64,
}

/// Measures the stages whose name contains `only`, in turns.
///
/// # Errors
/// In words: two ways of applying the same messages differ, or a message broke the rules.
pub(crate) fn measure(
    input: &Input,
    room: Room,
    rounds: u32,
    only: &str,
    stopwatch: Stopwatch,
) -> Result<Results, String> {
    let wanted = Stage::ALL.into_iter().filter(|stage| stage.name().contains(only));
    let row = |stage: Stage| Row {
        stage,
        floor: stage.floor(),
        rounds: Vec::new(),
        floor_rounds: Vec::new(),
    };
    let mut rows: Vec<Row> = wanted.map(row).collect();
    if rows.is_empty() {
        return Err(format!("no stage is called {only}"));
    }
    let before = machine::resident();
    let market = Market::new(room, input.symbols);
    let books_bytes = machine::resident().saturating_sub(before);
    drop(market);
    let mut bench = Bench { input, room, stopwatch, books_bytes, tally: None };
    for _ in 0..rounds {
        for row in &mut rows {
            let (took, books) = bench.stage(row.stage)?;
            row.rounds.push(took);
            row.floor_rounds.push(bench.floor(row.floor, books));
        }
    }
    let tally = bench.tally;
    Ok(Results { rows, tally, books_bytes, peak_resident: machine::peak_resident() })
}

struct Bench<'a> {
    input: &'a Input,
    room: Room,
    stopwatch: Stopwatch,
    books_bytes: u64,
    tally: Option<Tally>,
}

impl Bench<'_> {
    fn time<T>(&self, work: impl FnOnce() -> T) -> (T, f64) {
        let (result, took) = self.stopwatch.time(work);
        (result, took.0 as f64 / self.input.messages as f64)
    }

    /// One round of a stage; also how many books it published.
    fn stage(&mut self, stage: Stage) -> Result<(f64, u64), String> {
        let file = black_box(&self.input.bytes[..]);
        match stage {
            Stage::Framing => {
                let work = || messages(file).map(length_and_type).sum::<u64>();
                let (sum, took) = self.time(work);
                black_box(sum);
                Ok((took, 0))
            }
            Stage::Decode => {
                let work = || messages(file).filter(|m| black_box(decode(m)).is_err()).count();
                self.whole(work)
            }
            Stage::DecodeLazy => {
                let work = || {
                    let mut sum = 0u64;
                    let mut short = 0;
                    for message in messages(file) {
                        match Prefix::peek(message) {
                            Ok(prefix) => {
                                let named = u64::from(prefix.kind) + u64::from(prefix.locate.get());
                                sum = sum.wrapping_add(named + prefix.time.get().0);
                            }
                            Err(_) => short += 1,
                        }
                    }
                    black_box(sum);
                    short
                };
                self.whole(work)
            }
            Stage::Books => self.ahead(stage, BLOCK),
            Stage::BooksInPackets => self.ahead(stage, PACKET),
            Stage::BooksOneByOne => {
                let mut market = Market::new(self.room, self.input.symbols);
                let ((), took) = self.time(|| market.one_by_one(file));
                self.agree(stage, market.tally())?;
                Ok((took, 0))
            }
            Stage::Publish => self.publish(stage, PACKET),
            Stage::PublishOneByOne => self.publish(stage, 1),
        }
    }

    fn ahead(&mut self, stage: Stage, each: usize) -> Result<(f64, u64), String> {
        let mut market = Market::new(self.room, self.input.symbols);
        let file = black_box(&self.input.bytes[..]);
        let ((), took) = self.time(|| market.ahead(file, each));
        self.agree(stage, market.tally())?;
        Ok((took, 0))
    }

    fn whole(&self, work: impl FnOnce() -> usize) -> Result<(f64, u64), String> {
        let (refused, took) = self.time(work);
        if refused > 0 { Err(format!("{refused} messages were refused")) } else { Ok((took, 0)) }
    }

    fn publish(&mut self, stage: Stage, each: usize) -> Result<(f64, u64), String> {
        let mut published = Published::new(self.room, self.input)?;
        let ((), took) = self.time(|| published.packets(&self.input.bytes, each));
        let tally = published.market.tally();
        self.agree(stage, tally)?;
        if published.region_views() != tally.views {
            return Err(format!("{}: the region shows other books", stage.name()));
        }
        Ok((took, published.published))
    }

    /// Whatever way messages are applied, the books are the same.
    fn agree(&mut self, stage: Stage, tally: Tally) -> Result<(), String> {
        if tally.faults > 0 {
            return Err(format!(
                "{}: {} messages broke a rule or found no room; see --orders and --levels",
                stage.name(),
                tally.faults
            ));
        }
        let known = *self.tally.get_or_insert(tally);
        if known == tally { Ok(()) } else { Err(format!("{}: other books", stage.name())) }
    }

    fn floor(&self, floor: Floor, books: u64) -> f64 {
        let file = black_box(&self.input.bytes[..]);
        let (sum, walked) = self.time(|| walk(file, ByteOrder::Big));
        black_box(sum);
        if floor == Floor::Walk {
            return walked;
        }
        let count = self.input.messages;
        let memory = Scattered::new(self.books_bytes as usize);
        if floor == Floor::Overlapped {
            let ((), took) = self.time(|| floor::overlapped_loads(&memory, count));
            return walked + took;
        }
        let ((), took) = self.time(|| floor::loads(&memory, count));
        if floor == Floor::Loads {
            return walked + took;
        }
        let bare = Bare::new(self.input.symbols);
        let ((), shown) = self.time(|| bare.publish(count, books));
        walked + took + shown
    }
}

#[inline]
fn decode(message: &[u8]) -> Result<candor_core::Message, candor_core::Reject> {
    Format::NasdaqItch50.decode(message)
}

#[cfg(test)]
mod tests {
    use candor_bench::day::{Plan, file};

    use super::*;
    use crate::books::naive;

    const ROOM: Room = Room { orders: 1 << 14, levels: 1 << 14 };

    fn input() -> Input {
        Input::of(file(Plan { seed: 11, messages: 40_000, symbols: 200 }).unwrap()).unwrap()
    }

    /// Every stage that has books, and the naive ones: the same prices behind every message, the same views.
    #[test]
    fn every_way_gives_the_books_of_the_naive_twin() {
        let input = input();
        let expected = naive(&input.bytes, ROOM, input.symbols);
        let results = measure(&input, ROOM, 1, "", Stopwatch::Thread).unwrap();
        let tally = results.tally.unwrap();
        assert_eq!((tally.prices, tally.views, tally.faults), {
            (expected.prices, expected.views, expected.faults)
        });
        assert!(tally.peak_orders > 500 && tally.prices != 0 && tally.faults == 0);
        assert_eq!(results.rows.len(), Stage::ALL.len());
        let rows = results.rows.iter().flat_map(|row| row.rounds.iter().chain(&row.floor_rounds));
        assert!(rows.clone().all(|figure| *figure > 0.0));
    }

    #[test]
    fn what_finds_no_room_is_said() {
        let room = Room { orders: 100, ..ROOM };
        let problem = measure(&input(), room, 1, "books-one", Stopwatch::None).err().unwrap();
        assert!(problem.contains("found no room"), "{problem}");
        assert!(measure(&input(), ROOM, 1, "nothing of this name", Stopwatch::None).is_err());
    }

    #[test]
    fn a_file_that_is_none_is_refused() {
        let mut bytes = file(Plan { seed: 1, messages: 1_000, symbols: 10 }).unwrap();
        assert_eq!(Input::of(bytes.clone()).unwrap().messages, 1_000);
        bytes.pop();
        assert!(Input::of(bytes).is_err());
        assert!(Input::of(Vec::new()).is_err());
        assert!(Input::of(vec![0, 0]).is_err());
    }
}
