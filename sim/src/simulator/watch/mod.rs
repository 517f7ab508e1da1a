//! What the simulator knows of one partition of the running handler: what reached it, what it
//! said, and the causes a reader's `Stale` may have.

mod excuses;
mod heard;

use candor_core::limits::LINES;
use candor_core::{Line, Loss, LossKind, Mono, Nanos, SessionId, Status, Symbol};
use candor_engine::{Notice, Step};

use super::network::Tag;
use super::reached::Reached;
use super::said::{Joined, Said};
use crate::oracle::{Followed, Truth};

/// A symbol the oracle has not named yet.
const NOBODY: u32 = u32::MAX;

/// One symbol as the handler has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) symbol: Symbol,
    oracle: u32,
    pub(super) touched: bool,
}

/// One partition of one life of the handler.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) slots: Vec<Slot>,
    pub(super) touched: Vec<u32>,
    /// What was said of sessions that were left or are refused.
    pub(super) sessions: Vec<Notice>,
    /// The run of numbers the handler follows, and what of it has been put before it.
    pub(super) run: Option<u32>,
    pub(super) followed: Followed,
    /// Since when it has what it has, for transactions that are not complete.
    reached: Reached,
    /// The newest run of which anything was put before it.
    pub(super) newest_run: Option<u32>,
    /// When the last packet of the run followed reached the host, echoes left aside.
    pub(super) evidence: Mono,
    /// When the last packet arrived that a handler must take for a sign of life: nothing that came before,
    /// and nothing that a session which is over may say.
    vouched: Mono,
    /// Runs left behind in this life, and whether that was before it was known which is the newer, the
    /// run left or the one followed instead: then the venue's refusal brings it back, once.
    left: Vec<(u32, Doubt)>,
    /// The names of those that were left so: another run may have one too.
    rivals: Vec<SessionId>,
    /// The session that was left last.
    from: SessionId,
    /// Until when one that is heard for the first time may be older than the one followed, and until when that
    /// is so because nobody listened before.
    doubted_until: Mono,
    started_until: Mono,
    /// The line that led into the run followed, once that has changed.
    led: Option<Line>,
    /// When one of those that were left so was heard last, until a snapshot says which is in force.
    rival: Option<Mono>,
    /// Numbers of a run from before the one followed, under the same name and beyond what came of it, look
    /// like numbers that are missing: until everything before this one has come.
    old_ahead: u64,
    /// The venue's snapshot service knows nothing of the session followed.
    session_refused: bool,
    /// Since when a newer run than the one followed is being put before it.
    pub(super) newer_since: Option<Mono>,
    /// How late the last packet that shows where the venue is was looked at.
    pub(super) behind: Nanos,
    /// Packets of it may wait behind others' for too long.
    pub(super) waits: bool,
    pub(super) status: Option<Status>,
    /// The session by the handler's word.
    pub(super) session: SessionId,
    /// Said with it, and what it was when a snapshot, a session or a restart began last.
    pub(super) epoch: u32,
    epoch_before: u32,
    /// It was said since the session shown with it was looked at.
    pub(super) said_status: bool,
    pub(super) lease: Mono,
    /// When a packet last came after that had run out. Copies that came again in between vouch for nothing
    /// to the handler, so that it may have been a silence to it where it was none by `evidence`.
    lapsed: Option<Mono>,
    pub(super) expected: u64,
    pub(super) known_end: u64,
    /// What `expected` was before the call under way.
    expected_before: u64,
    /// Whether it missed nothing then.
    in_sync_before: bool,
    /// The end of the run followed has been put before the handler, whatever is missing of it: what repeats that
    /// vouches for nothing.
    end_heard: bool,
    pub(super) subscribed: bool,
    /// The runs that were followed until the map ended: no sessions of today's.
    old_runs: Vec<u32>,
    /// How often numbers were seen to begin again under one name.
    pub(super) restarts: u64,
    /// The run that the venue has ended.
    pub(super) ended_run: Option<u32>,
    /// What handlers before this one followed before the date began.
    before: Before,
    pub(super) said: Said,
    /// The first and last number applied in the call under way; empty when `first` is 0.
    pub(super) applied: (u64, u64),
    pub(super) last_applied: u64,
    pub(super) began: bool,
    /// The first number that came of the run followed, until the handler has everything before it. What lines
    /// bring of the start after the grace the handler may take or leave (decision 0008): it may not be told
    /// from numbers that began again, and `followed`, which is told the run, has more than the handler then.
    /// So long, and so long only, nothing says that what has come must have been taken, but for what came
    /// within the grace and for answers (`due`). Nothing Live hangs on it: the start is missing.
    began_at: u64,
    /// When that came.
    pub(super) began_on: Mono,
    /// When that packet had arrived.
    pub(super) began_by: Mono,
    /// What is missing before this number was asked for in vain.
    given_up: u64,
    /// Everything before this number had come in time, or in an answer: the handler must have it.
    due: u64,
    /// Run, first number and count of the last packet of a line, where it came broken.
    broken: [(u32, u64, u64); LINES],
    /// From this number on what is in the books came by lines and answers, not in a snapshot.
    joined_at: u64,
    /// Answers or packets of a newer run than the one followed were taken for its start, or a snapshot of one is
    /// followed by what was held back of the old. Nothing of that may be Live.
    pub(super) mixed: bool,
    /// An answer has contradicted what came before this number: none of it must follow a snapshot.
    contradicted: u64,
    /// Answers have filled some of the session's start, which is missing still.
    start_answered: bool,
    /// What has come of a run that is newer than the one followed.
    ahead: Option<(u32, Followed)>,
    /// When something of it came last, and when the handler went on by it in order.
    ahead_at: (Mono, Mono),
    /// When the newest number of it came.
    ahead_newest: Mono,
    /// What had come before a snapshot was joined in the call under way.
    unspliced: Option<Followed>,
    /// The number at which it says that lines differ, or an answer from a line: for the oracle to confirm.
    pub(super) differs_at: Option<u64>,
    /// What it says it has given up in the call under way.
    pub(super) given_up_of: Option<Loss>,
    /// Something the handler did in the call under way that it must not.
    pub(super) wrong: Option<String>,
    /// The run and number of the last snapshot that was sent whole.
    pub(super) offered: Option<(u32, u64)>,
    /// The session that the last snapshot which began to arrive says it is of.
    pub(super) claimed: SessionId,
    /// What was joined to the stream in the call under way.
    pub(super) joined: Option<Joined>,
}

/// What was followed before the trading date began: runs, none of which is ever Live under its map, and the names
/// by which the handler knows them.
#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    pub(super) runs: Vec<u32>,
    pub(super) names: Vec<SessionId>,
}

/// Which is the newer, a run that was left or the one followed instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Doubt {
    /// The one followed.
    None,
    /// Nobody can tell, but one line brought them in this order: the venue's refusal does not bring it back.
    Contested,
    /// Nobody can tell: the venue's refusal brings it back, once.
    Open,
}

impl Watch {
    /// Nothing has been heard; numbers may be missing, and transactions open, for the grace.
    pub(super) fn new(setup: &super::Setup) -> Watch {
        Watch {
            slots: Vec::new(),
            touched: Vec::new(),
            sessions: Vec::new(),
            run: None,
            followed: Followed::new(),
            reached: Reached::new(setup.grace),
            newest_run: None,
            evidence: Mono::NEVER,
            vouched: Mono::NEVER,
            left: Vec::new(),
            rivals: Vec::new(),
            from: SessionId::NONE,
            doubted_until: Mono::NEVER,
            started_until: Mono::NEVER,
            led: None,
            rival: None,
            old_ahead: 1,
            session_refused: false,
            newer_since: None,
            behind: Nanos::ZERO,
            waits: false,
            status: None,
            session: SessionId::NONE,
            epoch: 1,
            epoch_before: 1,
            said_status: false,
            lease: Mono::NEVER,
            lapsed: None,
            expected: 1,
            known_end: 1,
            expected_before: 1,
            in_sync_before: true,
            end_heard: false,
            subscribed: true,
            old_runs: Vec::new(),
            restarts: 0,
            ended_run: None,
            before: Before::default(),
            said: Said::default(),
            applied: (0, 0),
            last_applied: 0,
            began: false,
            began_at: 1,
            began_on: Mono::NEVER,
            began_by: Mono::NEVER,
            given_up: 1,
            due: 1,
            broken: [(0, 0, 0); LINES],
            joined_at: 1,
            mixed: false,
            contradicted: 0,
            start_answered: false,
            ahead: None,
            ahead_at: (Mono::NEVER, Mono::NEVER),
            ahead_newest: Mono::NEVER,
            unspliced: None,
            differs_at: None,
            given_up_of: None,
            wrong: None,
            offered: None,
            claimed: SessionId::NONE,
            joined: None,
        }
    }

    /// The map has ended: what was heard under it proves nothing any more.
    pub(super) fn end_map(&mut self) {
        // Also those that were left for it, which may be gone back to.
        self.old_runs = self.left.iter().map(|(run, _)| *run).chain(self.run).collect();
    }

    /// What handlers before this one have followed before the date began.
    pub(super) fn know(&mut self, before: Before) {
        self.before = before;
    }

    /// Whether the session followed is one from before the map's end, whoever heard it then.
    pub(super) fn is_yesterdays(&self) -> bool {
        let old =
            self.run.filter(|run| self.old_runs.contains(run) || self.before.runs.contains(run));
        old.is_some()
    }

    /// Whether the handler may take it for one: it has the name of one of which handlers before this one heard
    /// other numbers, and no line has shown that they began again.
    fn has_old_name(&self) -> bool {
        self.before.names.contains(&self.session)
    }

    /// The numbers of this session are seen to begin again: those heard before are another's.
    pub(super) fn restarted(&mut self, session: SessionId) {
        self.restarts += 1;
        self.before.names.retain(|name| *name != session);
    }

    pub(super) fn blame(&mut self, wrong: impl FnOnce() -> String) {
        if self.wrong.is_none() {
            self.wrong = Some(wrong());
        }
    }

    /// The oracle's place of a symbol; `None` while the venue has not named it.
    pub(super) fn oracle(&mut self, index: u32, truth: &Truth) -> Option<u32> {
        let slot = self.slots.get_mut(index as usize)?;
        if slot.oracle == NOBODY {
            slot.oracle = truth.find(&slot.symbol)?;
        }
        Some(slot.oracle)
    }

    pub(super) fn define(&mut self, index: u32, symbol: Symbol) {
        if index as usize != self.slots.len() {
            self.blame(|| format!("{symbol} is defined as {index}, out of order"));
        }
        self.slots.push(Slot { symbol, oracle: NOBODY, touched: false });
    }

    pub(super) fn touch(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return self.blame(|| format!("symbol {index} is published before it is defined"));
        };
        if !slot.touched {
            slot.touched = true;
            self.touched.push(index);
        }
    }

    /// A message was applied.
    pub(super) fn apply(&mut self, seq: u64) {
        let emptied = self.said.rebuilding && !self.said.only_some;
        if seq <= self.last_applied && !emptied {
            let last = self.last_applied;
            self.blame(|| format!("number {seq} is applied after {last}"));
        }
        self.last_applied = seq;
        if self.applied.0 == 0 {
            self.applied.0 = seq;
        }
        self.applied.1 = seq;
    }

    /// Numbers begin again: what was said before is of the past.
    fn renew(&mut self) {
        self.began = true;
        self.last_applied = 0;
        self.applied = (0, 0);
        self.epoch_before = self.epoch;
        self.joined_at = 1;
        let stalled = self.said.stalled;
        self.said = Said { stalled, changed: true, ..Said::default() };
    }

    pub(super) fn notice(&mut self, notice: &Notice, setup: &super::Setup, now: Mono) {
        match notice {
            Notice::SessionChanged { from, .. } => {
                self.from = *from;
                self.renew();
            }
            Notice::Restarted { session } => {
                self.restarted(*session);
                self.renew();
                self.said.restarted = true;
                // No line lags for longer: only what arrives from then on is surely of the new numbers.
                self.said.stalled = self.said.stalled.max(Some(now + setup.session_grace));
            }
            Notice::LinesDiffer { seq, .. } => {
                self.said.differs = true;
                self.differs_at = Some(seq.0);
            }
            Notice::Ended { .. } => {
                self.ended_run = self.run;
                self.said.ended = true;
                // Nothing of it is Live any more, and all of the next session is newer than what was missed.
                self.said.stalled = self.said.stalled.filter(|since| now < *since);
            }
            Notice::Started { .. }
            | Notice::GapOpened { .. }
            | Notice::OldSession { .. }
            | Notice::Loss(_) => {}
        }
    }

    pub(super) fn loss(&mut self, loss: &Loss, setup: &super::Setup) {
        match loss.kind {
            LossKind::GapOutlived => self.said.gap_outlived = true,
            LossKind::GapLost => {
                self.said.gap_lost = true;
                if !self.must_give_up(loss, setup) {
                    self.given_up_of = self.given_up_of.or(Some(*loss));
                }
            }
            LossKind::OneLine | LossKind::GapFilled | LossKind::Spliced => {}
        }
    }

    /// Recovery took a step.
    pub(super) fn step(&mut self, step: &Step, setup: &super::Setup, now: Mono) {
        match *step {
            Step::SnapshotBegun => {
                // The venue has the session followed: any other is older, unless it has come late with one.
                if now >= self.doubted_until {
                    self.left.iter_mut().for_each(|(_, doubt)| *doubt = Doubt::None);
                    self.rivals.clear();
                    self.rival = None;
                }
                // Where all books are emptied a new epoch takes what was shown of them away.
                let before = core::mem::replace(&mut self.epoch_before, self.epoch);
                let only_some = before == self.epoch;
                self.said = Said { rebuilding: true, only_some, ..self.said };
            }
            Step::Spliced { .. } if !self.said.rebuilding => {
                self.blame(|| "a snapshot is spliced that never began".to_owned());
            }
            Step::Spliced { next } if self.said.only_some => self.splice_some(next.0),
            Step::Spliced { next } => {
                let run = self.run;
                self.splice(next.0, None);
                if self.run != run {
                    // What came of the new numbers before may have ended a silence.
                    self.lapsed = self.lapsed.max(Some(now));
                }
            }
            Step::Resynced { next } => self.splice(next.0, Some(now + setup.session_grace)),
            Step::SnapshotFailed { why } => {
                self.session_refused |= why.is_of_another_session() && now >= self.doubted_until;
            }
            Step::RetransmitGivenUp { end, .. } => self.given_up = end.0,
            Step::RetransmitContradicted { range } => {
                self.contradicted = self.known_end;
                self.differs_at = Some(range.end.0 - 1);
                // As where two lines do.
                self.said.differs |= setup.services.is_some_and(|services| services.snapshot);
            }
            Step::SnapshotAsked { .. } => {}
        }
    }

    /// Some books are whole again. The stream went on without a snapshot's help, so that nothing else
    /// is proven: no number that is missing, no line that differs, no numbering.
    fn splice_some(&mut self, next: u64) {
        self.note_joined();
        let offered = self.run.map(|run| (run, next));
        if self.offered != offered {
            let was = self.offered;
            self.blame(|| format!("a snapshot before {next} is spliced; {was:?} was offered"));
        }
        let here = self.expected.max(self.last_applied + 1);
        if next > here {
            self.blame(|| format!("books before {next} are spliced beside some before {here}"));
        }
        self.said = Said { rebuilding: false, only_some: false, spliced_some: true, ..self.said };
    }

    fn note_joined(&mut self) {
        let claimed = self.claimed;
        let joined = |(followed, (of, _))| Joined { followed, of, claimed };
        // One that goes on from a number that is past is said to be spliced before.
        self.joined = self.joined.or(self.run.zip(self.offered).map(joined));
    }

    /// `fresh_from` is given where the numbers go on from one that is past.
    fn splice(&mut self, next: u64, fresh_from: Option<Mono>) {
        let old_held = self.followed.known_end() > next;
        self.unspliced = Some(self.followed.clone());
        self.joined_at = next;
        let resync = fresh_from.is_some();
        self.note_joined();
        let offered = self.run.map(|run| (run, next));
        let newer = self.offered.filter(|(run, at)| *at == next && Some(*run) > self.run);
        if let Some((run, _)) = newer {
            // Numbers that began again unnoticed: the venue's snapshot puts it right.
            self.run = Some(run);
            self.newer_since = None;
            let came = self.ahead.take().filter(|(of, _)| *of == run);
            if came.is_some() {
                // The handler took it for what it followed: it was not in silence meanwhile, and what was
                // in order behind a stall was as good as ever.
                let (last, whole) = self.ahead_at;
                self.evidence = self.evidence.max(last);
                self.said.stalled = self.said.stalled.filter(|since| whole < *since);
            }
            self.followed = came.map_or_else(Followed::new, |(_, followed)| followed);
        } else if self.offered != offered {
            let was = self.offered;
            self.blame(|| format!("a snapshot before {next} is spliced; {was:?} was offered"));
        }
        // What was held back is applied from now on.
        self.reached.clear();
        let contradicted = core::mem::take(&mut self.contradicted);
        self.mixed = newer.is_some() && old_held && !resync && next >= contradicted;
        (self.old_ahead, self.start_answered) = (1, false);
        if resync || next >= self.began_at {
            self.began_at = 1;
            self.due = 1;
        }
        if resync {
            self.followed.resync(next);
            self.last_applied = self.last_applied.min(next - 1);
            // No line lags for longer: what arrives from then on is of the new numbers.
            self.said.stalled = self.said.stalled.max(fresh_from);
        } else {
            self.followed.splice(next);
        }
        if newer.is_some() && self.followed.missing_since().is_none() {
            // The newest of it came behind the stall, and with the snapshot nothing before that is missing.
            let newest = self.ahead_newest;
            self.said.stalled = self.said.stalled.filter(|since| newest < *since);
        }
        self.said = Said {
            gap_lost: false,
            differs: false,
            rebuilding: false,
            restarted: false,
            spliced: true,
            ..self.said
        };
    }

    /// Whether all that a packet carries has come already, so that the handler can tell its copy by its bytes;
    /// what a snapshot contained it can't. A packet that carries nothing says what was known before.
    pub(super) fn has_seen(&self, tag: &Tag) -> bool {
        let end = tag.first + tag.count;
        let known = match tag.count {
            0 => !tag.end && tag.first <= self.followed.next(),
            _ => tag.first >= self.joined_at && self.followed.has_all(tag.first, end),
        };
        self.run == Some(tag.run) && !tag.malformed && known
    }

    /// Whether something is missing before the first number that came of the run followed.
    pub(super) fn lacks_start(&self) -> bool {
        self.expected < self.began_at
    }

    /// Whether the handler followed this run and left it for another before it was known which is newer.
    pub(super) fn has_left(&self, run: u32) -> bool {
        self.left.iter().any(|(left, doubt)| *left == run && *doubt != Doubt::None)
    }

    /// Whether a session of this name contests the one followed.
    pub(super) fn is_rival(&self, name: SessionId) -> bool {
        self.rivals.contains(&name)
    }

    /// Whether it did so on the line that had brought that run: then it never goes back by itself.
    pub(super) fn has_left_for_good(&self, run: u32) -> bool {
        self.left.iter().any(|(left, doubt)| *left == run && *doubt == Doubt::Contested)
    }

    /// What is known, in words for a failure's story.
    pub(super) fn summary(&self, start: Mono) -> String {
        let (next, known) = (self.followed.next(), self.followed.known_end());
        let run = self.run.map_or("no run".to_owned(), |run| format!("run {run}"));
        let ms = |at: Mono| at.since(start).0 as f64 / 1e6;
        format!(
            "known: {run}, everything before {next} came, numbers exist before {known}; the handler expects {}, knows \
             of numbers before {}, is behind by {} and has said of this epoch: {}; its last evidence is of {:.6} ms, its lease \
             until {:.6} ms",
            self.expected,
            self.known_end,
            self.behind,
            self.said,
            ms(self.evidence),
            ms(self.lease)
        )
    }

    /// Nobody needs to know any more what was true before this number of this run.
    pub(super) fn floor(&self) -> (u32, u64) {
        let next = self.followed.next();
        let reached = self.reached.first().unwrap_or(next);
        (self.run.unwrap_or(0), next.min(reached))
    }

    /// The number before which a Live book must be the venue's.
    pub(super) fn upto(&self) -> u64 {
        let next = self.followed.next();
        if self.said.restarted { next.min(self.expected) } else { next }
    }

    /// Whether a transaction that began at this number has been open here for longer than the grace,
    /// before `now`.
    pub(super) fn is_torn(&self, first: u64, now: Mono) -> bool {
        self.reached.long_before(now, first)
    }
}
