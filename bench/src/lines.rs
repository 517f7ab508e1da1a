//! Packets of several lines as they arrive, and the sequencer that makes one stream of them.

use std::hint::black_box;

use candor_core::counters::Counters;
use candor_core::{Line, Mono, Nanos, Origin, SeqNo};
use candor_decoders::Format;
use candor_gapfill::{Config, Notice, Output, Sequencer};

use crate::{Blocks, itch};

/// What arrives, in order.
#[derive(Clone, Debug)]
pub struct Arrivals {
    packets: Blocks,
    lines: Vec<Line>,
}

impl Arrivals {
    /// Packets of several lines, merged by the number behind their last message and by as many numbers as the line
    /// lags; A before B. The first packet of each line is never lost.
    ///
    /// # Panics
    /// When a packet is none.
    #[must_use]
    pub fn merge(lines: &[(Line, &Blocks, u64)], mut lost: impl FnMut(Line) -> bool) -> Arrivals {
        let mut all: Vec<(u64, Line, &[u8])> = Vec::new();
        for (line, packets, lag) in lines {
            for packet in packets.iter() {
                let range = Format::NasdaqItch50.frame(packet).expect("it is whole").range;
                if range.first == SeqNo::FIRST || !lost(*line) {
                    all.push((range.end.0 + lag, *line, packet));
                }
            }
        }
        all.sort_by_key(|(end, line, _)| (*end, *line));
        let lines = all.iter().map(|(_, line, _)| *line).collect();
        Arrivals { packets: all.into_iter().map(|(_, _, packet)| packet).collect(), lines }
    }
}

/// Counts what comes out.
struct Count(u64);

impl Output for Count {
    fn message(&mut self, seq: SeqNo, _: Origin, bytes: &[u8]) {
        black_box((seq, bytes));
        self.0 += 1;
    }
    fn notice(&mut self, notice: Notice) {
        black_box(notice);
    }
}

/// Arrivals and the sequencer that takes them, session after session.
pub struct Lines {
    arrivals: Arrivals,
    sequencer: Sequencer,
    counters: Counters,
    session: u32,
    now: u64,
}

impl Lines {
    /// A sequencer of the lines that arrive.
    #[must_use]
    pub fn new(arrivals: Arrivals) -> Lines {
        let lines = std::array::from_fn(|line| arrivals.lines.iter().any(|l| l.index() == line));
        let sequencer = Sequencer::new(Config {
            lines,
            grace: Nanos::from_millis(1),
            session_grace: Nanos::from_secs(2),
            keep_start: false,
            start_limit: 0,
        });
        Lines { arrivals, sequencer, counters: Counters::new(), session: 0, now: 1_000_000_000 }
    }

    /// Puts everything into another session, in which it begins again.
    pub fn begin(&mut self) {
        self.session += 1;
        itch::rename(&mut self.arrivals.packets, self.session);
    }

    /// Takes everything, a packet each microsecond, and says how many messages came out.
    ///
    /// # Panics
    /// When a packet is none.
    pub fn run(&mut self) -> u64 {
        let mut out = Count(0);
        for (packet, line) in self.arrivals.packets.iter().zip(&self.arrivals.lines) {
            self.now += 1_000;
            let now = Mono(self.now);
            let packet = Format::NasdaqItch50.frame(packet).expect("it is whole");
            let counters = &mut self.counters;
            let _ = self.sequencer.on_packet(now, now, *line, &packet, counters, &mut out);
        }
        out.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_one_line_lacks_the_other_brings_once() {
        let messages = itch::flow(20, 0, 2_000).measured;
        let packets = itch::packets(&messages, 20, SeqNo(1));
        let mut count = 0;
        let both = [(Line::A, &packets, 0), (Line::B, &packets, 200)];
        // Every fifth packet of A, but for the first.
        let arrivals = Arrivals::merge(&both, |line| {
            count += 1;
            line == Line::A && count % 5 == 0
        });
        let (of_a, of_b) =
            (0..arrivals.lines.len()).partition::<Vec<_>, _>(|at| arrivals.lines[*at] == Line::A);
        assert!(of_a.len() * 10 < packets.len() * 9 && of_b.len() == packets.len());
        assert!(of_b[0] >= 7, "B begins ten packets behind A, of which some are lost");
        let mut lines = Lines::new(arrivals);
        for _ in 0..2 {
            lines.begin();
            assert_eq!(lines.run(), 2_000);
        }
    }
}
