//! What was measured, as a table for people and as JSON.

use std::fmt::Write as _;

use candor_core::Nanos;
use serde_json::{Value, json};

use crate::loss::thousands;
use crate::world::{By, Episode, Outcome, Task};

/// Episodes below which a 99th percentile would be the maximum under another name.
const FOR_A_P99: usize = 100;

/// Boxes of a drawn distribution to a tenfold of time, from 10 µs on.
const BOXES: usize = 4;

/// Tenfolds drawn: 10 µs to 100 s.
const TENFOLDS: usize = 7;

/// One row: what was lost, and what came of it.
pub(crate) struct Row {
    pub(crate) task: Task,
    pub(crate) outcome: Outcome,
}

/// The middle, the 99th percentile where there are enough, and the longest.
struct Spread {
    p50: Nanos,
    p99: Option<Nanos>,
    max: Nanos,
}

impl Spread {
    fn of(episodes: &[Episode], time: impl Fn(&Episode) -> Nanos) -> Spread {
        let mut times: Vec<Nanos> = episodes.iter().map(time).collect();
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1) - 1;
            times.get(rank).copied().unwrap_or(Nanos::ZERO)
        };
        let p99 = (times.len() >= FOR_A_P99).then(|| at(99));
        Spread { p50: at(50), p99, max: at(100) }
    }

    fn cells(&self) -> String {
        let p99 = self.p99.map_or_else(|| "-".to_owned(), time);
        format!("{} | {p99} | {}", time(self.p50), time(self.max))
    }

    fn json(&self) -> Value {
        json!({ "p50_ns": self.p50.0, "p99_ns": self.p99.map(|p99| p99.0), "max_ns": self.max.0 })
    }
}

impl Row {
    fn share(&self, by: By) -> f64 {
        let episodes = &self.outcome.episodes;
        let count = episodes.iter().filter(|episode| episode.by == by).count();
        count as f64 / episodes.len().max(1) as f64
    }

    fn gaps(&self) -> u64 {
        self.outcome.episodes.iter().map(|episode| episode.gaps).sum()
    }

    fn a_gap(&self, count: impl Fn(&Episode) -> u32) -> f64 {
        let all: u32 = self.outcome.episodes.iter().map(count).sum();
        f64::from(all) / self.gaps().max(1) as f64
    }

    fn live(&self) -> f64 {
        1.0 - self.outcome.stale.0 as f64 / self.outcome.passed.0.max(1) as f64
    }

    fn split(&self) -> [Nanos; 4] {
        let part = |at: usize| Spread::of(&self.outcome.episodes, |episode| episode.split[at]).p50;
        [part(0), part(1), part(2), part(3)]
    }

    /// The row as a line of a table.
    pub(crate) fn line(&self) -> String {
        let episodes = &self.outcome.episodes;
        // Where nothing healed there is no time to tell.
        let none = episodes.is_empty();
        let total = match none {
            true => "- | - | -".to_owned(),
            false => Spread::of(episodes, |episode| episode.total).cells(),
        };
        // Where line B has everything nobody detects, asks or answers.
        let is_line = !episodes.is_empty() && self.share(By::Line) >= 1.0;
        let cell = |at| if is_line || none { "-".to_owned() } else { time(at) };
        let [detect, ask, answer, splice] = self.split().map(cell);
        let outage = cell(Spread::of(episodes, |episode| episode.outage).p50);
        let unhealed = self.outcome.unhealed.as_ref();
        let count = match unhealed {
            Some((waited, _)) => format!("{} + 1 not in {}", episodes.len(), time(*waited)),
            None => episodes.len().to_string(),
        };
        let mut line = format!(
            "| {} | {} | {count} | {total} | {detect} | {ask} | {answer} | {splice} | {outage} ",
            self.task.loss.label(),
            time(self.task.delays.round_trip),
        );
        let requests = self.a_gap(|episode| episode.requests);
        let snapshots = self.a_gap(|episode| episode.snapshots);
        let by = match [By::Line, By::Retransmit, By::Snapshot].map(|by| self.share(by)) {
            _ if is_line => "line B".to_owned(),
            [.., snapshot] => percent(snapshot),
        };
        let live = if self.task.loss.is_single() { "-".to_owned() } else { percent(self.live()) };
        // Writing to a string does not fail.
        let _ = write!(line, "| {requests:.2} | {snapshots:.2} | {by} | {live} |");
        line
    }

    /// The row's times, drawn.
    pub(crate) fn drawing(&self) -> String {
        let mut boxes = [0usize; BOXES * TENFOLDS];
        for Episode { total, .. } in &self.outcome.episodes {
            let tenfolds = (total.0.max(1) as f64 / 10_000.0).log10() * BOXES as f64;
            boxes[(tenfolds.max(0.0) as usize).min(BOXES * TENFOLDS - 1)] += 1;
        }
        let most = boxes.iter().copied().max().unwrap_or(0).max(1);
        let bar = |count: &usize| match *count {
            0 => ' ',
            // The square root: a few are seen beside many.
            count => {
                let height = (count as f64 / most as f64).sqrt() * 7.0;
                ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][height as usize % 8]
            }
        };
        let bars: String = boxes.iter().map(bar).collect();
        let label = self.task.loss.label();
        format!("{label:36} {:>7} |{bars}|", time(self.task.delays.round_trip))
    }

    /// What went wrong on the way, by how often.
    pub(crate) fn trouble(&self) -> Vec<(String, usize)> {
        let mut all = std::collections::BTreeMap::new();
        for (_, text) in self.outcome.episodes.iter().flat_map(|episode| &episode.story) {
            let known = ["RetransmitGivenUp", "Refused", "Resynced"];
            let kind = match known.into_iter().find(|kind| text.starts_with(kind)) {
                Some("Refused") => text.split_whitespace().take(2).collect::<Vec<_>>().join(" "),
                Some(kind) => kind.to_owned(),
                None if text.starts_with("SnapshotFailed") => text.clone(),
                None => continue,
            };
            *all.entry(kind).or_insert(0) += 1;
        }
        all.into_iter().collect()
    }

    /// What was done about the loss that took longest.
    pub(crate) fn story(&self) -> String {
        let mut text = format!("{}, longest:\n", self.task.loss.label());
        let longest = self.outcome.episodes.iter().max_by_key(|episode| episode.total);
        let story = match longest {
            _ if self.outcome.unhealed.is_some() => &self.outcome.unhealed_story[..],
            Some(longest) => &longest.story,
            None => &[],
        };
        for (at, what) in story {
            let _ = writeln!(text, "  {:>8}  {what}", time(*at));
        }
        text
    }

    /// The row for machines.
    pub(crate) fn json(&self, market: &str) -> Value {
        let episodes = &self.outcome.episodes;
        let spread = |at: usize| Spread::of(episodes, |episode| episode.split[at]).json();
        let work = |at: usize| Spread::of(episodes, |episode| episode.work[at]).json();
        let unhealed = self.outcome.unhealed.as_ref();
        json!({
            "market": market,
            "loss": self.task.loss.label(),
            "round_trip_ns": self.task.delays.round_trip.0,
            "episodes": episodes.len(),
            "unhealed": unhealed.map(|(waited, status)| json!({ "ns": waited.0, "status": status })),
            "total": Spread::of(episodes, |episode| episode.total).json(),
            "stale": Spread::of(episodes, |episode| episode.stale).json(),
            "outage": Spread::of(episodes, |episode| episode.outage).json(),
            "detect": spread(0),
            "ask": spread(1),
            "answer": spread(2),
            "splice": spread(3),
            "lane_work": work(0),
            "thread_work": work(1),
            "gaps": self.gaps(),
            "requests_a_gap": self.a_gap(|episode| episode.requests),
            "snapshots_a_gap": self.a_gap(|episode| episode.snapshots),
            "healed_by_line": self.share(By::Line),
            "healed_by_retransmission": self.share(By::Retransmit),
            "healed_by_snapshot": self.share(By::Snapshot),
            "live": self.live(),
            "relapses": self.outcome.relapses.len(),
            "totals_ns": episodes.iter().map(|episode| episode.total.0).collect::<Vec<_>>(),
            "trouble": self.trouble(),
        })
    }
}

/// The head of the table.
pub(crate) const HEAD: &str = "\
| lost | round trip | n | p50 | p99 | max | detect | ask | answer | splice | of detect, outage \
| requests a gap | snapshots a gap | by snapshot | Live |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

/// The head of the drawings.
pub(crate) fn scale() -> String {
    let marks = ["10µs", "100µs", "1ms", "10ms", "100ms", "1s", "10s"];
    let marks: String = marks.iter().map(|mark| format!("{mark:<4.4}")).collect();
    format!("{:45} {marks}", "")
}

/// A time in three digits.
pub(crate) fn time(nanos: Nanos) -> String {
    let Nanos(nanos) = nanos;
    let (value, unit) = match nanos {
        0 => return "0".to_owned(),
        1..1_000_000 => (nanos as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (nanos as f64 / 1e6, "ms"),
        _ => (nanos as f64 / 1e9, "s"),
    };
    match value {
        ..10.0 => format!("{value:.2} {unit}"),
        ..100.0 => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

fn percent(share: f64) -> String {
    format!("{:.4}", share * 100.0).trim_end_matches('0').trim_end_matches('.').to_owned() + "%"
}

/// A market in words.
pub(crate) fn market(venue: &str, symbols: usize, (orders, levels): (usize, usize)) -> String {
    let books = match orders {
        0 => format!("{} price levels", thousands(levels as u64)),
        _ => format!("{} orders", thousands(orders as u64)),
    };
    format!("{venue}, {} symbols, {books}", thousands(symbols as u64))
}
