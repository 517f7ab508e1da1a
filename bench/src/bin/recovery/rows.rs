//! What is measured: the rows of the table.

use candor_core::Nanos;
use candor_decoders::Format;

use crate::loss::Loss;
use crate::venue::{Delays, Size};
use crate::world::Task;

/// How much is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extent {
    /// The table that is published: minutes.
    Full,
    /// To see that it works: some 20 seconds.
    Quick,
    /// For a test that compares every digit.
    #[cfg(test)]
    Golden,
}

/// The rows of one market.
pub(crate) struct Part {
    pub(crate) format: Format,
    pub(crate) size: Size,
    pub(crate) tasks: Vec<Task>,
}

/// Messages a second.
pub(crate) const RATE: u64 = 200_000;

const fn size(symbols: usize, prefill: usize) -> Size {
    Size { symbols, prefill, rate: RATE }
}

fn task(loss: Loss, round_trip: Nanos, episodes: usize, seconds: u64) -> Task {
    Task { loss, delays: Delays::of(round_trip), episodes, length: Nanos::from_secs(seconds) }
}

const MILLISECOND: Nanos = Nanos::from_millis(1);

const ROUND_TRIPS: [Nanos; 3] = [Nanos::from_micros(100), MILLISECOND, Nanos::from_millis(10)];

/// Percent in parts of a million.
const PERCENT: u32 = 10_000;

/// Loss by chance, on one line and on both. That both lose the same packet happens to one in a million
/// at 0.1%, to one in 10,000 at 1%: less than a few times a second. What one line loses is asked of nobody:
/// how far the services are makes no difference to it.
fn by_chance(episodes: usize, seconds: u64) -> Vec<Task> {
    let rates = [PERCENT / 10, PERCENT, 5 * PERCENT, 20 * PERCENT];
    let one = rates.map(|ppm| task(Loss::OneLine(ppm), MILLISECOND, episodes, seconds));
    let both = rates.map(|ppm| {
        ROUND_TRIPS.map(|round_trip| {
            let forced = ppm <= PERCENT;
            // A minute shows what the budget of a minute does; after that nothing new happens.
            let seconds = if forced { 1_000 } else { seconds };
            task(Loss::BothLines { ppm, forced }, round_trip, episodes, seconds)
        })
    });
    [one.as_slice(), both.as_flattened()].concat()
}

/// The parts of an extent.
pub(crate) fn parts(extent: Extent) -> Vec<Part> {
    let formats = [Format::NasdaqItch50, Format::IexDeep];
    match extent {
        Extent::Full => {
            let mut parts: Vec<Part> = formats.map(full).into();
            // Books of a million orders: a big venue in one partition.
            let tasks = vec![task(Loss::Messages(10_000), MILLISECOND, 20, 1_000)];
            parts.push(Part { format: Format::NasdaqItch50, size: size(8_000, 64), tasks });
            parts
        }
        Extent::Quick => formats.map(|format| few(format, size(1_000, 25), 300)).into(),
        #[cfg(test)]
        Extent::Golden => formats.map(|format| few(format, size(20, 5), 3)).into(),
    }
}

fn full(format: Format) -> Part {
    let mut tasks = by_chance(1_000, 60);
    let bursts = [10, 100].map(Loss::OneLinesPackets);
    // Behind the loss by chance on one line, and asked of nobody either.
    tasks.splice(4..4, bursts.map(|loss| task(loss, MILLISECOND, 1_000, 60)));
    let mut each = |loss, episodes: [usize; 3]| {
        for (round_trip, episodes) in ROUND_TRIPS.into_iter().zip(episodes) {
            tasks.push(task(loss, round_trip, episodes, 10_000));
        }
    };
    each(Loss::Packets(10), [1_000; 3]);
    each(Loss::Packets(100), [500, 500, 100]);
    each(Loss::Messages(1), [1_000; 3]);
    each(Loss::Messages(10), [1_000; 3]);
    each(Loss::Messages(100), [1_000; 3]);
    each(Loss::Messages(1_000), [500, 500, 100]);
    each(Loss::Messages(10_000), [100; 3]);
    each(Loss::Messages(100_000), [100; 3]);
    each(Loss::Messages(1_000_000), [3; 3]);
    Part { format, size: size(2_000, 25), tasks }
}

fn few(format: Format, size: Size, episodes: usize) -> Part {
    let tasks = vec![
        task(Loss::OneLine(PERCENT), MILLISECOND, episodes, 10),
        task(Loss::OneLinesPackets(10), MILLISECOND, episodes, 10),
        task(Loss::BothLines { ppm: PERCENT, forced: true }, MILLISECOND, episodes, 10),
        task(Loss::Packets(10), ROUND_TRIPS[0], episodes, 10),
        task(Loss::Messages(1), MILLISECOND, episodes, 10),
        task(Loss::Messages(1_000), MILLISECOND, episodes, 10),
        task(Loss::Messages(5_000), MILLISECOND, episodes.div_ceil(3), 10),
    ];
    Part { format, size, tasks }
}
