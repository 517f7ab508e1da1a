//! `candor replay`.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use candor_core::counters::Counter;
use candor_core::limits::{LEVELS, ORDERS, SYMBOLS, TRADES};
use candor_core::{Line, Mono, Nanos, Reason, Venue};
use candor_decoders::Format;
use candor_engine::Capacity;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::print;
use crate::clock::Clock;
use crate::exit::{Exit, Failure};
use crate::replay::{self, LineOption, Machine, Options, Progress, Replayed};

const ABOUT: &str = "\
Captures are pcap or pcapng, and for nasdaq-itch50 also Nasdaq's files of messages behind their
16-bit lengths; any of them plain, gzip or zstd. What a file is, its content says, not its name.

Lines. A capture doesn't say which group and port is which line of which partition; unless --line
says it, the packets do: two endpoints carry one partition when they name the same session (IEX:
and channel) and the same bytes under the numbers both have, as far as the first 8,192 datagrams
show. In each partition the endpoint seen first is line A, the next B, then C; partitions are
named 1, 2, 3 in order of their first packet. A file of messages is one partition, its messages
numbered from 1.

Time is the captures' own. A packet is never earlier than the one before it; what was due between
two packets happens between them; one more second passes after the last. Several captures are
replayed one after another; --merge replays them as one, packet by packet by their times.

A capture that starts in mid-session gives the books that follow from what it has. That the start
is missing shows as a gap from number 1 and as the status Recovering; references to orders nobody
has seen are counted (unknown_order) and quarantine their symbols.

Books (--books): venue,symbol,side,level,price,size,orders; every level, sorted by symbol, bid
before ask, best (1) first; `orders` is empty where the feed doesn't say. `-` writes to standard
output, and the summary then goes nowhere.

Counts (--counts), one JSON object:
  feed, venue, captures   what was replayed
  frames                  all captured; of them frames_not_udp are no datagram, frames_other are
                          for endpoints that are no line
  packets                 datagrams to the lines (a file of messages has none)
  messages                in packets that were understood, on all lines
  busiest                 the symbols with most messages, ten at most
  applied                 each number once; by_type has them by type letter (0x.. for others)
  heartbeats, duplicates  packets without messages; messages that had come before
  rejects                 frames, packets and messages refused, by reason
  gaps                    numbers every line was missing: filled (by which line), lost (given up),
                          outlived (longer than the grace, to the end), open
  one_line_losses         numbers one line left out and another carried
  partitions              each with status, session, next number expected, lines, symbols by status,
                          and every counter
  other_endpoints         traffic that is no line, and why
  truncated               files that break off, and where

Exit codes: 0 replayed to the end; 1 the same, and a partition is stale at the end, with a gap for
instance (not Ended, nor Recovering for want of the session's start); 64 command line, or no such file; 65 a capture is truncated,
damaged, or holds nothing of the feed (what came before is replayed and written all the same);
71 a file can't be read or written.";

/// Replays captures through the machine the handler runs, as fast as it goes.
#[derive(Debug, Args)]
#[command(after_long_help = ABOUT)]
pub(super) struct Replay {
    /// The captures, in order.
    #[arg(required = true, value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
    /// What the packets carry.
    #[arg(long, value_name = "FEED", value_parser = feed_parser())]
    feed: Format,
    /// Write every level of every book when the replay ends.
    #[arg(long, value_name = "FILE")]
    books: Option<PathBuf>,
    /// Write what was counted, gaps and losses included.
    #[arg(long, value_name = "FILE")]
    counts: Option<PathBuf>,
    /// The venue's name in the output [default: IEXG for iex-*, XNAS for nasdaq-*].
    #[arg(long, value_parser = venue_parser)]
    venue: Option<String>,
    /// Name a line instead of finding it; again for each. Other traffic is then left aside.
    #[arg(long = "line", value_name = "[PARTITION/]LINE=GROUP:PORT")]
    lines: Vec<LineOption>,
    /// Take the packets of all captures in order of their times.
    #[arg(long)]
    merge: bool,
    /// How long a number may be missing on every line before that is a gap, in microseconds.
    #[arg(long, value_name = "US", default_value_t = 1_000)]
    reorder_grace_us: u64,
    /// Symbols each partition can hold.
    #[arg(long, value_name = "N", default_value_t = SYMBOLS, value_parser = capacity_parser)]
    symbols_max: usize,
    /// Resting orders each partition can hold.
    #[arg(long, value_name = "N", default_value_t = ORDERS, value_parser = capacity_parser)]
    orders_max: usize,
    /// Price levels each partition can hold, over all symbols and both sides.
    #[arg(long, value_name = "N", default_value_t = LEVELS, value_parser = capacity_parser)]
    levels_max: usize,
}

fn feed_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name))
        .try_map(|name| Format::from_name(&name).ok_or("no such feed"))
}

fn venue_parser(text: &str) -> Result<String, String> {
    match Venue::from_wire(text.as_bytes()) {
        Some(venue) if !text.contains([',', '"', ' ']) => Ok(venue.to_string()),
        _ => Err("a venue is 1 to 8 characters without space, comma and quote".to_owned()),
    }
}

/// Twice what a whole market needs is plenty, and what the tables can address.
fn capacity_parser(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=0x800_0000) => Ok(n),
        _ => Err("expected a number from 1 to 134217728".to_owned()),
    }
}

impl Replay {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let options = Options {
            captures: self.captures,
            feed: self.feed,
            venue: self.venue.unwrap_or_else(|| replay::venue_of(self.feed).to_owned()),
            lines: self.lines,
            merge: self.merge,
            grace: Nanos(self.reorder_grace_us.saturating_mul(1_000)),
            capacity: Capacity {
                symbols: self.symbols_max,
                orders: self.orders_max,
                levels: self.levels_max,
                trades: TRADES,
            },
        };
        let targets = [self.books.as_deref(), self.counts.as_deref()];
        refuse_overwriting(&options.captures, &targets)?;
        refuse_the_same_twice(&targets)?;
        let mut ticker = Ticker::new(options.captures.clone());
        let started = ticker.clock.now();
        let replayed = replay::run(&options, &mut |progress| ticker.tick(progress))?;
        let taken = ticker.clock.now().since(started);
        ticker.clear();
        if let Some(path) = &self.books {
            write(path, |out| replay::write_books(out, &options, &replayed))?;
        }
        if let Some(path) = &self.counts {
            write(path, |out| replay::write_counts(out, &options, &replayed))?;
        }
        if !targets.contains(&Some(Path::new("-"))) {
            print::out(&summary(&replayed, taken))?;
        }
        verdict(&options, &replayed)
    }
}

fn verdict(options: &Options, replayed: &Replayed) -> Result<Exit, Failure> {
    if !replayed.broken.is_empty() {
        let lines: Vec<String> = replayed.broken.iter().map(ToString::to_string).collect();
        let lines = lines.join("\n");
        return Err(Failure::data(format!("{lines}\neverything before was replayed and written")));
    }
    let heard = replayed.partitions.iter().any(|machine| of(machine, Counter::PacketsAccepted) > 0);
    if replayed.anything && !heard {
        let feed = options.feed.name();
        return Err(Failure::data(format!(
            "not one packet of {feed} among {} frames: is this the feed's capture?",
            replayed.frames.total
        )));
    }
    let short: Vec<String> = replayed.partitions.iter().filter_map(falls_short).collect();
    if short.is_empty() {
        return Ok(Exit::Ok);
    }
    Err(Failure::new(Exit::Degraded, short.join("\n")))
}

/// What is to be said of a partition whose books are not what the venue sent, one line. A capture
/// that starts in mid-session is `Recovering` by its nature, and one that ends with the session is
/// `Ended`: both gave all they had.
fn falls_short(machine: &Machine) -> Option<String> {
    let reason = machine.status().reason()?;
    if [Reason::Recovering, Reason::Ended].contains(&reason) {
        return None;
    }
    let (name, last) = (&machine.name, machine.expected().0.saturating_sub(1));
    Some(format!(
        "partition {name} ended Stale({reason}): {}; its books are as of number {last}",
        reason.text()
    ))
}

fn of(machine: &Machine, counter: Counter) -> u64 {
    machine.counters().get(counter)
}

/// Captures are not outputs, whatever a shell's completion put there.
fn refuse_overwriting(captures: &[PathBuf], targets: &[Option<&Path>]) -> Result<(), Failure> {
    for target in targets.iter().flatten() {
        let there = target.canonicalize().ok();
        for capture in captures {
            if there.is_some() && capture.canonicalize().ok() == there {
                let shown = target.display();
                return Err(Failure::usage(format!("{shown} is one of the captures")));
            }
        }
    }
    Ok(())
}

/// One file for both outputs would hold the second alone.
fn refuse_the_same_twice(targets: &[Option<&Path>; 2]) -> Result<(), Failure> {
    let [Some(books), Some(counts)] = targets else { return Ok(()) };
    // What a path leads to: the file, where there is one already, or its name in its folder. What is
    // no regular file, such as /dev/null, loses nothing by being written twice.
    let place = |path: &Path| -> PathBuf {
        let there = path.canonicalize();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let named = || {
            let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
            Some(folder.join(path.file_name()?))
        };
        there.ok().or_else(named).unwrap_or_else(|| path.to_path_buf())
    };
    let (one, other) = (place(books), place(counts));
    let about = |path: &Path| path.metadata().ok();
    let same = match (about(&one), about(&other)) {
        _ if *books == Path::new("-") || *counts == Path::new("-") => books == counts,
        // By another name, too.
        (Some(one), Some(other)) => {
            one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino())
        }
        _ => one == other,
    };
    if same {
        let shown = books.display();
        return Err(Failure::usage(format!(
            "{shown} can't take both the books and the counts; give each a file of its own"
        )));
    }
    Ok(())
}

/// Writes a whole file, or to standard output.
fn write(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let written = if path == Path::new("-") {
        let mut out = BufWriter::new(io::stdout().lock());
        return print::arrived(content(&mut out).and_then(|()| out.flush())).map(drop);
    } else {
        File::create(path).and_then(|file| {
            let mut out = BufWriter::new(file);
            content(&mut out).and_then(|()| out.flush())
        })
    };
    written.map_err(|error| Failure::host(format!("{}: {error}", path.display())))
}

/// What happened, for a person.
fn summary(replayed: &Replayed, taken: Nanos) -> String {
    let header =
        ["PARTITION", "STATUS", "SESSION", "NUMBERS", "MESSAGES", "SYMBOLS", "GAPS", "LINES"];
    let mut rows = vec![header.map(String::from)];
    for machine in &replayed.partitions {
        let status = match machine.status().reason() {
            None => "live".to_owned(),
            Some(reason) => format!("stale: {reason}"),
        };
        let lines = Line::ALL.into_iter().zip(machine.lines);
        let lines: Vec<String> =
            lines.filter_map(|(line, at)| Some(format!("{line} {}", at?))).collect();
        let last = machine.expected().0.saturating_sub(1);
        rows.push([
            machine.name.clone(),
            status,
            machine.session().to_string(),
            format!("to {last}"),
            of(machine, Counter::Applied).to_string(),
            of(machine, Counter::Symbols).to_string(),
            machine.gaps().len().to_string(),
            if lines.is_empty() { "file".to_owned() } else { lines.join(", ") },
        ]);
    }
    let applied: u64 = replayed.partitions.iter().map(|m| of(m, Counter::Applied)).sum();
    let mut text = print::columns(&rows);
    for machine in &replayed.partitions {
        text.push_str(&faults(machine));
    }
    for (endpoint, other) in &replayed.others {
        let why = other.why.map_or("no line of these partitions", candor_core::Reject::label);
        text.push_str(&format!("not replayed: {} packets to {endpoint} ({why})\n", other.packets));
    }
    if replayed.frames.not_udp > 0 {
        text.push_str(&format!(
            "not replayed: {} frames that are no datagram\n",
            replayed.frames.not_udp
        ));
    }
    let rate = u128::from(applied) * 1_000_000_000 / u128::from(taken.0.max(1));
    text.push_str(&format!("{applied} messages in {taken}: {rate} a second\n"));
    text
}

/// What was wrong with a partition, one line; empty when nothing was.
fn faults(machine: &Machine) -> String {
    use Counter as C;
    let counted = [
        C::UnknownType,
        C::LongerMessage,
        C::MessagesLost,
        C::LostOnA,
        C::LostOnB,
        C::LostOnC,
        C::LinesDiffer,
        C::SessionChanges,
        C::Restarts,
        C::UndefinedInstrument,
        C::Quarantined,
        C::UnknownOrder,
        C::DuplicateOrder,
        C::BadSize,
        C::Crossed,
        C::SymbolsFull,
        C::OrdersFull,
        C::LevelsFull,
        C::BreaksUnmatched,
    ];
    let told: Vec<String> = counted
        .into_iter()
        .filter(|counter| of(machine, *counter) > 0)
        .map(|counter| format!("{} {}", counter.label(), of(machine, counter)))
        .collect();
    if told.is_empty() {
        return String::new();
    }
    format!("partition {}: {}\n", machine.name, told.join(", "))
}

/// Tells how far a replay is, on standard error: four times a second on a terminal, every five
/// seconds elsewhere.
struct Ticker {
    clock: Clock,
    captures: Vec<PathBuf>,
    terminal: bool,
    next: Mono,
    every: Nanos,
    drawn: bool,
}

impl Ticker {
    fn new(captures: Vec<PathBuf>) -> Ticker {
        let terminal = io::stderr().is_terminal();
        let every = if terminal { Nanos::from_millis(250) } else { Nanos::from_secs(5) };
        let mut clock = Clock::new();
        let next = clock.now() + every;
        Ticker { clock, captures, terminal, next, every, drawn: false }
    }

    fn tick(&mut self, progress: Progress) {
        let now = self.clock.now();
        if now < self.next {
            return;
        }
        self.next = now + self.every;
        let file = self.captures.get(progress.capture).map(|path| path.display().to_string());
        let text = format!(
            "{}: {} MB, {} frames, {} messages",
            file.unwrap_or_default(),
            progress.offset / 1_000_000,
            progress.frames,
            progress.messages
        );
        let mut out = io::stderr().lock();
        let _ = if self.terminal { write!(out, "\r\x1b[K{text}") } else { writeln!(out, "{text}") };
        let _ = out.flush();
        self.drawn = true;
    }

    /// Takes the last line away again.
    fn clear(&mut self) {
        if self.terminal && self.drawn {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
