//! The steps of a drill: every way to go stale that can be made to happen on a host, and the reasons that a reader
//! must see.

use candor_core::Reason;

/// One step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// Its name in results.
    pub name: &'static str,
    /// What is done, in words.
    pub does: &'static str,
    /// The reasons that readers must have been given by it; each of them.
    pub reasons: &'static [Reason],
}

/// Every step, in the order in which they are played.
pub const STEPS: &[Step] = &[
    NO_MAP,
    OLD_MAP,
    MOVED,
    SILENT,
    GAP,
    DEAD_SERVICES,
    LINES_DIFFER,
    SESSION,
    ENDED,
    UNSUBSCRIBED,
    REMOVED,
    HALTED,
    STOPPED,
    KILLED,
    RESTARTED,
];

macro_rules! steps {
    ($($name:ident = $text:literal, $does:literal, [$($reason:ident),*];)+) => {
        $(#[doc = $does] pub const $name: Step =
            Step { name: $text, does: $does, reasons: &[$(Reason::$reason),*] };)+

    };
}

steps! {
    NO_MAP = "no-map", "a handler that starts on a date without a map", [NoMap];
    OLD_MAP = "old-map", "yesterday's map under today's date, after symbols have moved", [Unproven, WrongPartition];
    MOVED = "moved", "the right map: symbols at their old places", [Unmapped];
    SILENT = "silent", "a partition says nothing any more", [Silent];
    GAP = "gap", "both lines lose messages, and the services answer late", [Gap];
    DEAD_SERVICES = "dead-services", "both lines lose messages, and the services are dead", [Gap];
    LINES_DIFFER = "lines-differ", "two lines carry different bytes under one number", [LinesDiffer];
    SESSION = "session", "the venue begins another session", [SessionChanged];
    ENDED = "ended", "the venue ends the session", [Ended];
    UNSUBSCRIBED = "unsubscribed", "a partition is left by command", [Unsubscribed];
    REMOVED = "removed", "a map without a partition", [Unsubscribed];
    HALTED = "halted", "the kill switch: a symbol, a partition, everything", [Halted];
    STOPPED = "stopped", "the handler is stopped (SIGSTOP), and goes on", [WriterGone, Late];
    KILLED = "killed", "the handler is killed (SIGKILL)", [WriterGone];
    RESTARTED = "restarted", "a handler that starts in the middle of the day", [NotStarted, Recovering];
}

impl Step {
    /// Whether the step has one reason, and gives it to each symbol that it is about.
    #[must_use]
    pub fn is_for_all(&self) -> bool {
        self.reasons.len() == 1 && *self != MOVED
    }
}

/// The steps that make this reason happen; none for one that only a test makes.
pub fn of(reason: Reason) -> impl Iterator<Item = &'static Step> {
    STEPS.iter().filter(move |step| step.reasons.contains(&reason))
}
