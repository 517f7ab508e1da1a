//! What was measured, as tables, and the checks that have nothing to do with time.

use std::collections::BTreeMap;

use candor_core::Reason;
use hdrhistogram::Histogram;

use crate::ramp::Ramp;
use crate::source::Kind;

/// The longest time a histogram holds; longer ones count as this.
const LONGEST_NS: u64 = 10_000_000_000;

/// A histogram of nanoseconds, three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    // The bounds are constants that are in order.
    Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("bounds in order")
}

/// Adds a time.
#[inline]
pub(crate) fn record(times: &mut Histogram<u64>, nanos: u64) {
    times.saturating_record(nanos.max(1));
}

/// One round of one path.
pub(crate) struct Round {
    /// Messages sent, each once, however often.
    pub(crate) sent: u64,
    /// Messages that had to be sent again.
    pub(crate) again: u64,
    /// Messages the far end says it took.
    pub(crate) arrived: u64,
    /// How the far end says it receives.
    pub(crate) mode: String,
    /// From the stamp to the receiver's own clock; bare paths only.
    pub(crate) stamped: Histogram<u64>,
    call: Histogram<u64>,
    found: Histogram<u64>,
    live: Histogram<u64>,
    stale: BTreeMap<&'static str, u64>,
}

impl Default for Round {
    fn default() -> Round {
        Round {
            sent: 0,
            again: 0,
            arrived: 0,
            mode: String::new(),
            stamped: histogram(),
            call: histogram(),
            found: histogram(),
            live: histogram(),
            stale: BTreeMap::new(),
        }
    }
}

impl Round {
    /// The sending call returned after this long.
    pub(crate) fn call(&mut self, nanos: u64) {
        record(&mut self.call, nanos);
    }

    /// The message was found after this long.
    pub(crate) fn found(&mut self, nanos: u64) {
        record(&mut self.found, nanos);
    }

    /// The symbol was read Live, with the message in its book, after this long; or was not.
    pub(crate) fn read(&mut self, read: Result<u64, Option<Reason>>) {
        match read {
            Ok(nanos) => record(&mut self.live, nanos),
            Err(reason) => {
                *self.stale.entry(reason.map_or("not published", Reason::label)).or_default() += 1;
            }
        }
    }
}

/// Times of all rounds, and each round's median.
struct Series {
    what: &'static str,
    all: Histogram<u64>,
    medians: Vec<u64>,
}

impl Series {
    fn new(what: &'static str) -> Series {
        Series { what, all: histogram(), medians: Vec::new() }
    }

    fn add(&mut self, round: &Histogram<u64>) {
        if !round.is_empty() {
            self.medians.push(round.value_at_quantile(0.5));
            self.all += round;
        }
    }

    fn median(&self) -> u64 {
        self.all.value_at_quantile(0.5)
    }
}

/// All rounds of one path.
struct Path {
    kind: Kind,
    whole: bool,
    sent: u64,
    again: u64,
    arrived: u64,
    modes: Vec<String>,
    stale: BTreeMap<&'static str, u64>,
    call: Series,
    stamped: Series,
    found: Series,
    live: Series,
}

impl Path {
    fn new(kind: Kind, whole: bool) -> Path {
        let found = if whole { "event seen by reader" } else { "seen by sender's core" };
        Path {
            kind,
            whole,
            sent: 0,
            again: 0,
            arrived: 0,
            modes: Vec::new(),
            stale: BTreeMap::new(),
            call: Series::new("sending call returned"),
            stamped: Series::new("receiver's clock"),
            found: Series::new(found),
            live: Series::new("book read Live"),
        }
    }

    fn name(&self) -> String {
        let behind = if self.whole { "whole handler" } else { "nothing behind" };
        format!("{}, {behind}", self.kind.name())
    }

    fn series(&self) -> impl Iterator<Item = &Series> {
        let all = [&self.call, &self.stamped, &self.found, &self.live];
        all.into_iter().filter(|series| !series.all.is_empty())
    }
}

/// Everything measured.
#[derive(Default)]
pub(crate) struct Report {
    paths: Vec<Path>,
    pub(crate) ramps: Vec<Ramp>,
}

impl Report {
    /// Adds a round.
    pub(crate) fn add(&mut self, kind: Kind, whole: bool, round: Round) {
        let same = |path: &Path| path.kind == kind && path.whole == whole;
        let at = self.paths.iter().position(same).unwrap_or_else(|| {
            self.paths.push(Path::new(kind, whole));
            self.paths.len() - 1
        });
        let path = &mut self.paths[at];
        path.sent += round.sent;
        path.again += round.again;
        path.arrived += round.arrived;
        path.call.add(&round.call);
        path.stamped.add(&round.stamped);
        path.found.add(&round.found);
        path.live.add(&round.live);
        if !path.modes.contains(&round.mode) {
            path.modes.push(round.mode);
        }
        for (reason, count) in round.stale {
            *path.stale.entry(reason).or_default() += count;
        }
    }

    fn found(&self, kind: Kind, whole: bool) -> u64 {
        let path = self.paths.iter().find(|path| path.kind == kind && path.whole == whole);
        path.map_or(0, |path| path.found.median())
    }

    /// Prints the tables.
    pub(crate) fn print(&self) {
        let floor = self.found(Kind::AfXdp, false);
        println!(
            "\nmicroseconds since the sender's stamp; ratio: to AF_XDP, nothing behind, seen by the sender's core"
        );
        println!(
            "path                       until                   p50      p90      p99    p99.9        max  p50 of rounds  ratio"
        );
        for path in &self.paths {
            for series in path.series() {
                row(&path.name(), series, floor);
            }
        }
        println!("\npath                       mode          sent      seen     again  not Live");
        for path in &self.paths {
            let stale: Vec<String> =
                path.stale.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            println!(
                "{:<26} {:<11} {:>6}    {:>6}    {:>6}  {}",
                path.name(),
                path.modes.join("/"),
                path.sent,
                path.arrived,
                path.again,
                if stale.is_empty() { "0".to_owned() } else { stale.join(", ") }
            );
        }
        self.print_ratios();
        self.print_ramps();
    }

    fn print_ratios(&self) {
        let of = |above, below| ratio(above, below);
        let (xdp, udp) = (self.found(Kind::AfXdp, true), self.found(Kind::Udp, true));
        let (xdp_bare, udp_bare) = (self.found(Kind::AfXdp, false), self.found(Kind::Udp, false));
        println!("\nratios of p50:");
        println!("  recvmmsg to AF_XDP, nothing behind     {}", of(udp_bare, xdp_bare));
        println!("  recvmmsg to AF_XDP, whole handler      {}", of(udp, xdp));
        println!("  whole handler to nothing behind, AF_XDP {}", of(xdp, xdp_bare));
        println!(
            "p99 and beyond is noise on a machine whose cores are shared: draw nothing from it."
        );
    }

    fn print_ramps(&self) {
        if self.ramps.is_empty() {
            return;
        }
        println!("\nwhole handler, k packets/s from one ordinary sender:");
        println!("  messages a packet  path       without loss  then");
        for Ramp { kind, each, whole, lost } in &self.ramps {
            let then = lost.map_or("the sender can't do more".to_owned(), |(rate, percent)| {
                format!(
                    "{percent:.0}% of the messages not applied when {:.0} k were tried",
                    rate / 1e3
                )
            });
            println!("  {each:>17}  {:<9}  {:>12.0}  {then}", kind.name(), whole / 1e3);
        }
        println!("  What follows a loss is not applied either: nobody asks for it again here.");
    }

    /// Whether the counts are as they must be, whatever the times.
    pub(crate) fn check(&self) -> Result<String, String> {
        for path in &self.paths {
            let name = path.name();
            if path.modes != [path.kind.mode()] {
                return Err(format!("{name}: received by {:?}", path.modes));
            }
            if path.sent == 0 || path.arrived != path.sent {
                return Err(format!("{name}: sent {}, arrived {}", path.sent, path.arrived));
            }
            if path.found.all.len() + path.again != path.sent {
                return Err(format!("{name}: found {} of {}", path.found.all.len(), path.sent));
            }
            if path.whole && path.live.all.is_empty() {
                return Err(format!("{name}: no book was ever read Live: {:?}", path.stale));
            }
        }
        let messages: u64 = self.paths.iter().map(|path| path.sent).sum();
        Ok(format!("{messages} messages over {} paths, each seen once", self.paths.len()))
    }
}

fn ratio(above: u64, below: u64) -> String {
    if below == 0 { "-".to_owned() } else { format!("{:.2}", above as f64 / below as f64) }
}

fn row(name: &str, series: &Series, floor: u64) {
    let micros = |nanos: u64| nanos as f64 / 1_000.0;
    let at = |quantile| micros(series.all.value_at_quantile(quantile));
    let least = series.medians.iter().min().copied().unwrap_or(0);
    let most = series.medians.iter().max().copied().unwrap_or(0);
    println!(
        "{name:<26} {:<21} {:>7.2}  {:>7.2}  {:>7.2}  {:>7.2}  {:>9.2}  {:>5.2} - {:<5.2}  {}",
        series.what,
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        micros(series.all.max()),
        micros(least),
        micros(most),
        ratio(series.median(), floor),
    );
}
