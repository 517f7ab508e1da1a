//! What a run comes to, and a failure in words that replay it.

use core::fmt;

use candor_core::Nanos;
use candor_core::counters::Counters;
use candor_engine::Notice;

use super::schedule::{Fault, Plan, Setup};

/// A check that did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Time since the beginning.
    pub at: Nanos,
    /// The partition, counted from 0; `None` where it is the whole's.
    pub partition: Option<usize>,
    /// Which invariant, and what was seen.
    pub what: String,
    /// What happened last.
    pub story: Vec<String>,
}

/// What a run comes to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// The first check that did not hold.
    pub failure: Option<Failure>,
    /// Everything that left the handler, in one number.
    pub digest: u64,
    /// Messages that the network delivered, on all lines.
    pub messages: u64,
    /// Messages that the venue published.
    pub published: u64,
    /// Virtual time passed.
    pub time: Nanos,
    /// Reads by real readers.
    pub reads: u64,
    /// Those that were Live.
    pub live: u64,
    /// Packets the network lost.
    pub lost: u64,
    /// Packets that reached the host with broken bytes.
    pub malformed: u64,
    /// Messages of a type that nobody knows, or longer than documented, that the venue published.
    pub strange: u64,
    /// What the handler that ran last said of sessions, with the partition: each that was left or is refused.
    pub sessions: Vec<(usize, Notice)>,
    /// Requests for missing numbers that were sent to the venue by datagram.
    pub asked: u64,
    /// Requests for missing numbers that the venue's retransmit services received, however they came.
    pub requests: u64,
    /// Connections made to its services, for snapshots and, where the venue has it so, for missing numbers.
    pub connected: u64,
    /// What the partitions counted in the life of the handler that ran last, added up.
    pub counted: Counters,
    /// Partitions that were whole at the end and found equal to the venue's books.
    pub healed: usize,
    /// Books found equal at the end to those of a handler that lost nothing, where one ran beside, and all that were
    /// Live. The others are of partitions and symbols of which no line says what is so.
    pub equal: (u64, u64),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages delivered, {} published, {} packets lost; {} requests, {} connections; {} reads, {} live; \
             {} partitions whole at the end; {:.3} s of virtual time; digest {:016x}",
            self.messages,
            self.published,
            self.lost,
            self.requests,
            self.connected,
            self.reads,
            self.live,
            self.healed,
            self.time.0 as f64 / 1e9,
            self.digest
        )
    }
}

/// A failure in words: what, the schedule, the last events, and the command that replays it.
#[must_use]
pub fn explain(plan: &Plan, failure: &Failure, replay: &str) -> String {
    let mut text = String::new();
    let mut line = |words: &str| {
        text.push_str(words);
        text.push('\n');
    };
    let place = failure.partition.map_or(String::new(), |p| format!(" on P{}", p + 1));
    line(&format!("FAILED at {:.6} ms{place}: {}", failure.at.0 as f64 / 1e6, failure.what));
    line(&format!("replay: {replay}"));
    line(&setup_of(plan));
    line("schedule:");
    for (number, Fault { at, what }) in plan.faults.iter().enumerate() {
        let past = if *at <= failure.at { ' ' } else { '.' };
        line(&format!("{past} {number:>3}  {:>14.6} ms  {what}", at.0 as f64 / 1e6));
    }
    line("the last events (time since the beginning, partition, what):");
    failure.story.iter().for_each(|told| line(told));
    text
}

fn setup_of(plan: &Plan) -> String {
    let setup = &plan.setup;
    let lines: String = setup.lines().map(|line| line.letter()).collect();
    format!(
        "world: {}, {} partitions, {} symbols, lines {lines}, {} messages/s in steps of {}, heartbeat {}, \
         silence {}, grace {}, late {}, lease {}, {} lanes, {}",
        super::swarm::venue_name(setup.venue),
        setup.partitions,
        setup.symbols,
        setup.rate,
        setup.quantum,
        setup.heartbeat,
        setup.silence,
        setup.grace,
        setup.late,
        setup.lease,
        setup.lanes,
        services_of(setup)
    )
}

fn services_of(setup: &Setup) -> String {
    let Some(services) = setup.services else { return "no services".to_owned() };
    let missing = if services.retransmit {
        format!("retransmits up to {} missing, {} a second", services.limit, services.budget)
    } else {
        "no retransmits".to_owned()
    };
    let snapshots = if services.snapshot { "snapshots" } else { "no snapshots" };
    format!("{missing}, {snapshots}, answers within {}", services.timeout)
}
