//! The last things that happened, kept small and printed only where a check fails.

use core::fmt;
use std::collections::VecDeque;

use candor_core::alert::Code;
use candor_core::{Action, Line, LossKind, Mono, Nanos, Status};
use candor_engine::alerts::{News, Place};
use candor_engine::odd::Remark;
use candor_engine::{Notice, Step};

use super::network::Tag;
use super::schedule::What;

/// Records kept.
const KEPT: usize = 2_048;

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Told {
    /// A packet was sent and is lost.
    Lost(Tag),
    /// The handler looked at a packet that had arrived then.
    Took(Tag, Mono),
    /// A lane's queue was full.
    Dropped(Tag),
    /// The handler said what a partition is.
    Status {
        /// Its status.
        status: Status,
        /// Its epoch.
        epoch: u32,
    },
    /// The handler said what happened to a sequence.
    Notice(Notice),
    /// Recovery took a step.
    Step(Step),
    /// The venue's services answered.
    Reply(&'static str, u64),
    /// The handler asks the venue's services.
    Asked(Action),
    /// The world looks odd, or no longer.
    Odd(Remark),
    /// An alert begins, changes or is over.
    Alert(News, Code, Place),
    /// A fault.
    Fault(What),
    /// A lane found that it had stood still, or that frames were dropped.
    Stalled(usize),
    /// The second act begins.
    Healed,
}

/// What happened, in which place of all that did.
type Record = (u64, Mono, u16, Told);

/// Two rings: packets come by the thousand, and what led to a failure must not be lost among them.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    packets: VecDeque<Record>,
    others: VecDeque<Record>,
    noted: u64,
}

/// Stands for no partition.
pub const NOWHERE: u16 = u16::MAX;

impl Journal {
    /// Room for everything that is kept.
    #[must_use]
    pub fn new() -> Journal {
        let ring = || VecDeque::with_capacity(KEPT);
        Journal { packets: ring(), others: ring(), noted: 0 }
    }

    /// Notes what happened.
    #[inline]
    pub fn note(&mut self, at: Mono, partition: u16, told: Told) {
        let packet = matches!(told, Told::Lost(_) | Told::Took(..));
        let ring = if packet { &mut self.packets } else { &mut self.others };
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back((self.noted, at, partition, told));
        self.noted += 1;
    }

    /// The last `most` packets of a partition (of all where `None`) and as many of whatever else
    /// happened there, in words.
    #[must_use]
    pub fn last(&self, most: usize, partition: Option<usize>, start: Mono) -> Vec<String> {
        let mine = |(_, _, at, _): &&Record| {
            partition.is_none_or(|wanted| usize::from(*at) == wanted || *at == NOWHERE)
        };
        let last = |ring: &'_ VecDeque<Record>| -> Vec<Record> {
            ring.iter().rev().filter(mine).take(most).copied().collect()
        };
        let mut records = [last(&self.packets), last(&self.others)].concat();
        records.sort_unstable_by_key(|(noted, ..)| *noted);
        records
            .iter()
            .map(|(_, at, partition, told)| {
                let place = match *partition {
                    NOWHERE => "  ".to_owned(),
                    partition => format!("P{}", partition + 1),
                };
                let Nanos(ns) = at.since(start);
                format!("{:>14.6} ms  {place}  {told}", ns as f64 / 1e6)
            })
            .collect()
    }
}

struct Bytes<'a>(&'a Tag);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tag { line, run, first, count, end, echo, malformed, .. } = self.0;
        let line: &Line = line;
        write!(f, "{line} ")?;
        match count {
            0 if *end => write!(f, "end at {first}")?,
            0 => write!(f, "heartbeat, next {first}")?,
            1 => write!(f, "{first}")?,
            _ => write!(f, "{first}..{}", first + count - 1)?,
        }
        if *run > 0 {
            write!(f, " (run {run})")?;
        }
        let marks = [(*echo, ", an echo"), (*malformed, ", broken")];
        marks.iter().filter(|(is, _)| *is).try_for_each(|(_, mark)| write!(f, "{mark}"))
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Told::Lost(tag) => write!(f, "lost    {}", Bytes(tag)),
            Told::Took(tag, at) => {
                write!(f, "packet  {}, {} on its way", Bytes(tag), at.since(tag.sent))
            }
            Told::Dropped(tag) => write!(f, "dropped {} at a full queue", Bytes(tag)),
            Told::Status { status, epoch } => write!(f, "status  {status}, epoch {epoch}"),
            Told::Notice(notice) => write_notice(f, notice),
            Told::Step(step) => write!(f, "step    {step}"),
            Told::Reply(what, about) => write!(f, "reply   {what} {about}"),
            Told::Asked(Action::Retransmit(ask)) => {
                write!(f, "asked   for {}, attempt {}", ask.range, ask.attempt)
            }
            Told::Asked(Action::Snapshot(ask)) => {
                write!(f, "asked   for a snapshot before {}, cycle {}", ask.needs, ask.cycle)
            }
            Told::Asked(Action::DropSnapshot { cycle }) => {
                write!(f, "asked   to drop cycle {cycle}")
            }
            Told::Odd(Remark { odd, begins: true, .. }) => write!(f, "odd     {odd}"),
            Told::Odd(Remark { odd, .. }) => write!(f, "odd     no longer: {odd}"),
            Told::Alert(news, code, place) => {
                let news = match news {
                    News::Begins => "begins",
                    News::Changes => "goes on, with more",
                    News::Over => "is over",
                };
                write!(f, "alert   {code} {news}: {place}")
            }
            Told::Fault(what) => write!(f, "fault   {what}"),
            Told::Stalled(lane) => write!(f, "stall   lane {lane}"),
            Told::Healed => write!(f, "healed  the second act begins"),
        }
    }
}

fn write_notice(f: &mut fmt::Formatter<'_>, notice: &Notice) -> fmt::Result {
    match notice {
        Notice::Started { session, first } => write!(f, "notice  {session} begins at {first}"),
        Notice::Loss(loss) => {
            let by = match (loss.kind, loss.line, loss.filled_by) {
                (LossKind::OneLine, Some(line), _) => format!("on line {line}"),
                (_, _, Some(origin)) => format!("by {}", origin.label()),
                _ => String::new(),
            };
            let Nanos(ns) = loss.missing_for;
            write!(f, "notice  {} {} {by} after {} µs", loss.kind.label(), loss.range, ns / 1_000)
        }
        Notice::GapOpened { range, .. } => write!(f, "notice  gap opened {range}"),
        Notice::SessionChanged { from, to } => write!(f, "notice  session {from} becomes {to}"),
        Notice::Restarted { session } => write!(f, "notice  {session} restarts at 1"),
        Notice::OldSession { session, line } => {
            write!(f, "notice  line {line} still carries {session}")
        }
        Notice::LinesDiffer { seq, line } => write!(f, "notice  line {line} differs in {seq}"),
        Notice::Ended { last } => write!(f, "notice  ended after {last}"),
    }
}
