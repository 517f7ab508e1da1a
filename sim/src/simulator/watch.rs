//! What the simulator knows of one partition of the running handler: what reached it, what it
//! said, and the causes a reader's `Stale` may have.

use candor_core::limits::LINES;
use candor_core::{Loss, LossKind, Mono, Nanos, Reason, SessionId, Status, Symbol};
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
    /// The run of numbers the handler follows, and what of it has been put before it.
    pub(super) run: Option<u32>,
    pub(super) followed: Followed,
    /// Since when it has what it has, for transactions that are not complete.
    reached: Reached,
    /// The newest run of which anything was put before it.
    pub(super) newest_run: Option<u32>,
    /// When the last packet of the run followed reached the host, echoes left aside.
    pub(super) evidence: Mono,
    /// Runs left behind in this life, and whether that was before it was known which is the newer, the
    /// run left or the one followed instead: then the venue's refusal brings it back, once.
    left: Vec<(u32, bool)>,
    /// When the first packet of this life came.
    born: Option<Mono>,
    /// When one of those that were left so was heard last, until a snapshot says which is in force.
    rival: Option<Mono>,
    /// Numbers of a run from before the one followed, under the same name and beyond what came of it, look
    /// like numbers that are missing.
    old_ahead: bool,
    /// The venue's snapshot service knows nothing of the session followed.
    session_refused: bool,
    /// Since when a newer run than the one followed is being put before it.
    pub(super) newer_since: Option<Mono>,
    /// How late the last packet that shows where the venue is was looked at.
    pub(super) behind: Nanos,
    pub(super) status: Option<Status>,
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
    pub(super) subscribed: bool,
    /// The run that was followed when the map ended: no session of today's.
    old_run: Option<u32>,
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
    /// What is missing before this number was asked for in vain.
    given_up: u64,
    /// Everything before this number had come in time, or in an answer: the handler must have it.
    due: u64,
    /// Run, first number and count of the last packet of a line, where it came broken.
    broken: [(u32, u64, u64); LINES],
    /// From this number on what is in the books came by lines and answers, not in a snapshot.
    joined_at: u64,
    /// Answers of a newer run than the one followed were taken for its start.
    pub(super) mixed: bool,
    /// What has come of a run that is newer than the one followed.
    ahead: Option<(u32, Followed)>,
    /// What had come before a snapshot was joined in the call under way.
    unspliced: Option<Followed>,
    /// Something the handler did in the call under way that it must not.
    pub(super) wrong: Option<String>,
    /// The run and number of the last snapshot that was sent whole.
    pub(super) offered: Option<(u32, u64)>,
    /// The session that the last snapshot which began to arrive says it is of.
    pub(super) claimed: SessionId,
    /// What was joined to the stream in the call under way.
    pub(super) joined: Option<Joined>,
}

impl Watch {
    /// Nothing has been heard; numbers may be missing, and transactions open, for the grace.
    pub(super) fn new(setup: &super::Setup) -> Watch {
        Watch {
            slots: Vec::new(),
            touched: Vec::new(),
            run: None,
            followed: Followed::new(),
            reached: Reached::new(setup.grace),
            newest_run: None,
            evidence: Mono::NEVER,
            left: Vec::new(),
            born: None,
            rival: None,
            old_ahead: false,
            session_refused: false,
            newer_since: None,
            behind: Nanos::ZERO,
            status: None,
            epoch: 1,
            epoch_before: 1,
            said_status: false,
            lease: Mono::NEVER,
            lapsed: None,
            expected: 1,
            known_end: 1,
            expected_before: 1,
            in_sync_before: true,
            subscribed: true,
            old_run: None,
            said: Said::default(),
            applied: (0, 0),
            last_applied: 0,
            began: false,
            began_at: 1,
            began_on: Mono::NEVER,
            given_up: 1,
            due: 1,
            broken: [(0, 0, 0); LINES],
            joined_at: 1,
            mixed: false,
            ahead: None,
            unspliced: None,
            wrong: None,
            offered: None,
            claimed: SessionId::NONE,
            joined: None,
        }
    }

    /// The map has ended: what was heard under it proves nothing any more.
    pub(super) fn end_map(&mut self) {
        self.old_run = self.run;
    }

    /// Whether the session followed is one from before the map's end.
    pub(super) fn is_yesterdays(&self) -> bool {
        self.run.is_some() && self.old_run == self.run
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
            Notice::SessionChanged { .. } => self.renew(),
            Notice::Restarted { .. } => {
                self.renew();
                self.said.restarted = true;
                // No line lags for longer: only what arrives from then on is surely of the new numbers.
                self.said.stalled = self.said.stalled.max(Some(now + setup.session_grace));
            }
            Notice::LinesDiffer { .. } => self.said.differs = true,
            Notice::Ended { .. } => {
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

    pub(super) fn loss(&mut self, loss: &Loss) {
        match loss.kind {
            LossKind::GapOutlived => self.said.gap_outlived = true,
            LossKind::GapLost => self.said.gap_lost = true,
            LossKind::OneLine | LossKind::GapFilled | LossKind::Spliced => {}
        }
    }

    /// Recovery took a step.
    pub(super) fn step(&mut self, step: &Step, setup: &super::Setup, now: Mono) {
        match *step {
            Step::SnapshotBegun => {
                // The venue has the session followed: any other is older.
                self.left.iter_mut().for_each(|(_, unordered)| *unordered = false);
                self.rival = None;
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
            Step::SnapshotFailed { why } => self.session_refused |= why.is_of_another_session(),
            Step::RetransmitGivenUp { end } => self.given_up = end.0,
            Step::RetransmitContradicted { .. } | Step::SnapshotAsked { .. } => {}
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
            self.followed = came.map_or_else(Followed::new, |(_, followed)| followed);
        } else if self.offered != offered {
            let was = self.offered;
            self.blame(|| format!("a snapshot before {next} is spliced; {was:?} was offered"));
        }
        // What was held back is applied from now on.
        self.reached.clear();
        (self.old_ahead, self.mixed) = (false, false);
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
        self.said = Said {
            gap_lost: false,
            differs: false,
            rebuilding: false,
            restarted: false,
            spliced: true,
            ..self.said
        };
    }

    /// The venue sent numbers of a run again, and the handler says that it had use for them.
    pub(super) fn answered(&mut self, run: u32, first: u64, end: u64) {
        if self.run < Some(run) {
            // Nothing is there that an answer to a missing start could contradict: some may be of the one
            // run and some of the other. Nothing of that may be Live.
            self.mixed |= self.lacks_start();
            // Numbers that began again unheard, and an answer to the middle of what seems to be missing:
            // it may be held. One that reaches the books is found out by `settle`, and one that begins with
            // a number which is in them must be by the handler.
            let in_books = first < self.expected_before
                && self.last_applied + 1 == self.expected_before
                && first >= self.joined_at;
            if in_books {
                self.blame(|| format!("an answer of run {run} is taken, from {first} on"));
            }
            if let Some((_, ahead)) = self.ahead.as_mut().filter(|(of, _)| *of == run) {
                ahead.answer(first, end);
            }
            return;
        }
        if self.run != Some(run) {
            self.blame(|| format!("an answer of run {run} is taken for {first}..{end}"));
        }
        self.followed.answer(first, end);
        if first <= self.expected_before {
            self.due = self.due.max(end.min(self.followed.next()));
        }
        self.settle();
    }

    /// What a packet of this tag, just put before the handler, means. `quiet` is the reorder grace.
    pub(super) fn took(&mut self, now: Mono, at: Mono, tag: &Tag, setup: &super::Setup) {
        if tag.malformed {
            self.broken[tag.line.index()] = (tag.run, tag.first, tag.count);
            if self.began {
                self.blame(|| "a broken frame began a session".to_owned());
            }
            return;
        }
        if self.run.is_none() || self.began {
            self.begin(tag, now, setup);
        } else if self.run < Some(tag.run) && self.followed.known_end() == 1 {
            // Nothing was ever said in the run followed: what begins again is the same.
            self.run = Some(tag.run);
        }
        self.newest_run = self.newest_run.max(Some(tag.run));
        if self.has_left(tag.run) {
            self.rival = Some(now);
        }
        let beyond = tag.first + tag.count > self.followed.known_end();
        self.old_ahead |= tag.echo && Some(tag.run) < self.run && beyond;
        if Some(tag.run) > self.run {
            let ahead = self.ahead.take().filter(|(run, _)| *run >= tag.run);
            let (run, mut followed) = ahead.unwrap_or_else(|| (tag.run, Followed::new()));
            if run == tag.run {
                followed.packet(tag.first, tag.count, tag.end, now);
            }
            self.ahead = Some((run, followed));
        }
        if self.newest_run > self.run {
            self.newer_since = self.newer_since.or(Some(now));
        }
        if self.run == Some(tag.run) {
            // The first packet of a run is as good as any to a handler that has heard no other, and so is one
            // that came broken before.
            let broken = core::mem::take(&mut self.broken[tag.line.index()]);
            let first_whole = broken == (tag.run, tag.first, tag.count);
            // An echo of what never came is news to the handler, as it is to us.
            let known = self.followed.known_end();
            let news = tag.count > 0 && tag.first + tag.count > known;
            // So is an old publisher's heartbeat where nothing came of any newer run.
            let unrivalled = tag.count == 0 && self.newest_run == self.run;
            if !tag.echo || news || first_whole || unrivalled || self.evidence == Mono::NEVER {
                // Whoever has ended a session may be silent: what comes next begins with nothing.
                let silent = self.evidence != Mono::NEVER && at >= self.evidence + setup.silence;
                let over = self.said.ended || tag.end;
                if silent && !over {
                    // Nothing vouched for the books so long: they may be as old as that.
                    self.said.stalled = self.said.stalled.max(Some(at));
                }
                if self.lease != Mono::NEVER && at >= self.lease && !over {
                    self.lapsed = self.lapsed.max(Some(at));
                }
                self.evidence = self.evidence.max(at);
            }
            let before = self.unspliced.as_ref().unwrap_or(&self.followed);
            let next = before.next().max(self.expected_before);
            let shows =
                if tag.count == 0 { tag.first >= next } else { tag.first + tag.count > next };
            self.followed.packet(tag.first, tag.count, tag.end, now);
            if now < self.began_on + setup.grace {
                self.due = self.followed.next();
            }
            // Nothing shows where a venue is that has ended its session.
            if shows && (!tag.echo || news || unrivalled) && !self.said.ended {
                self.behind = now.since(at);
                // What was given up is not missing any more, what opened since is.
                let whole = self.followed.missing_since().is_none()
                    || (self.said.gap_lost && self.known_end == self.expected);
                // A packet that a snapshot was joined by may have shown a gap before.
                let whole = match &mut self.unspliced {
                    Some(before) => {
                        before.packet(tag.first, tag.count, tag.end, now);
                        before.missing_since().is_none()
                    }
                    None => whole,
                };
                let in_order = tag.first <= self.expected_before && self.in_sync_before;
                // After a restart packets may be refused that came.
                let took_all = !self.said.restarted || self.known_end == self.expected;
                let whole = (whole && took_all) || in_order;
                // Without snapshots this is the proof that nothing of the old numbers can come any more.
                let fresh = whole && self.said.stalled.is_some_and(|since| at >= since);
                let snapshots = setup.services.is_some_and(|services| services.snapshot);
                self.said.restarted &= !fresh || snapshots;
                // What came of a missing start the handler may have refused: to it that is missing still, or
                // was until the packet made a snapshot join the stream.
                let lacks = self.known_end != self.expected || self.unspliced.is_some();
                if lacks {
                    self.lapsed = self.lapsed.max(self.said.stalled);
                }
                let still = |since: &Mono| at < *since || !whole;
                self.said.stalled = self.said.stalled.filter(still);
                self.lapsed = self.lapsed.filter(|since| still(since) || lacks);
            }
        }
        self.end_splice(now);
        self.settle();
    }

    /// The end of a call in which a snapshot may have been spliced. Where numbers are missing right
    /// behind it, only what comes from now on shows where the venue is.
    pub(super) fn end_splice(&mut self, now: Mono) {
        // A number that is missing is as late as it has been known to exist.
        let known = if self.said.restarted { 0 } else { self.followed.known_end() };
        self.reached.note(known.max(self.upto()), now);
        if self.unspliced.take().is_some() && self.known_end > self.expected {
            self.said.stalled = self.said.stalled.max(Some(now));
        }
    }

    /// Whether something is missing before the first number that came of the run followed.
    pub(super) fn lacks_start(&self) -> bool {
        self.expected < self.began_at
    }

    /// Whether the handler followed this run and left it for another before it was known which is newer.
    pub(super) fn has_left(&self, run: u32) -> bool {
        self.left.iter().any(|(left, unordered)| *left == run && *unordered)
    }

    fn begin(&mut self, tag: &Tag, now: Mono, setup: &super::Setup) {
        let born = *self.born.get_or_insert(now);
        // What waited while the lane stood still looks as late as that: number 1 of a missing start then
        // looks like numbers that begin again. That costs a snapshot.
        let missing = self.began_at > 1;
        let waited = self.said.stalled.is_some() && tag.first == 1 && missing;
        if self.run == Some(tag.run) && !waited {
            self.blame(|| "the handler sees a session begin where none did".to_owned());
        }
        let back = self.left.iter().position(|(run, _)| *run == tag.run);
        let back = back.map(|at| self.left.remove(at));
        let was_left = back.is_some();
        let refused = core::mem::take(&mut self.session_refused);
        let allowed = refused && back.is_some_and(|(_, unordered)| unordered);
        if was_left && !allowed {
            self.blame(|| "the handler goes back to a session left behind".to_owned());
        }
        let unordered = now < born + setup.session_grace && !was_left;
        self.left.extend(self.run.map(|run| (run, unordered)));
        self.rival = self.rival.max(unordered.then_some(now));
        self.began = false;
        (self.old_ahead, self.mixed) = (false, false);
        self.run = Some(tag.run);
        self.newer_since = None;
        self.began_at = tag.first;
        self.began_on = now;
        self.given_up = 1;
        self.due = 1;
        self.expected_before = 1;
        self.followed = Followed::new();
        self.reached.clear();
        self.evidence = Mono::NEVER;
    }

    /// After a call: what was applied must have come, and nothing that came was left.
    pub(super) fn settle(&mut self) {
        let (first, last) = core::mem::take(&mut self.applied);
        self.expected_before = self.expected;
        self.in_sync_before = self.known_end == self.expected;
        // Until a snapshot proves the books, late packets of the old numbers may have been taken for new, and
        // what differs may be new numbers, unheard until then, that fill what was missing of the old.
        let unheard = self.newest_run > self.run;
        let doubted = self.said.restarted || self.mixed || (self.said.differs && unheard);
        if first != 0 && !doubted && !self.followed.has_all(last, last + 1) {
            self.blame(|| format!("number {last} is applied and never came"));
        }
        let next = self.followed.next();
        if self.run.is_none() || self.said.gap_lost {
            return;
        }
        if self.expected > next && !doubted {
            let expected = self.expected;
            self.blame(|| {
                format!("everything before {expected} is said to be here; {next} is not")
            });
        } else if self.expected < next
            && (self.expected >= self.began_at || self.expected < self.due)
            && !self.said.ended
            && !(self.said.restarted || self.mixed)
        {
            let expected = self.expected;
            self.blame(|| format!("everything before {next} has come; {expected} is expected"));
        }
    }

    /// What is known, in words for a failure's story.
    pub(super) fn summary(&self) -> String {
        let (run, next, known) = (self.run, self.followed.next(), self.followed.known_end());
        format!(
            "known: run {run:?}, everything before {next} came, numbers exist before {known}; \
             the handler expects {} and knows of numbers before {}; {:?}; {} behind; last evidence at {}, lease until {}",
            self.expected, self.known_end, self.said, self.behind, self.evidence.0, self.lease.0
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

    /// Whether the second act must make the partition whole: by its lines alone, where the venue
    /// is not asked for anything.
    pub(super) fn can_be_whole(&self, setup: &super::Setup) -> bool {
        // The venue has begun no session since the map ended.
        if self.is_yesterdays() {
            return false;
        }
        // The whole ladder is there: everything can.
        if setup.services.is_some_and(|services| services.snapshot) {
            return true;
        }
        let lines_alone = self.followed.missing_since().is_none() && self.run.is_some();
        // After a restart packets that came are refused for a time, and what they brought may not be had
        // again: the services lose one request in three.
        let refused = self.said.restarted && self.known_end != self.expected;
        // Nor may a missing start, of which lines bring nothing after the grace (decision 0008).
        let in_vain = self.lacks_start() && self.expected < self.given_up;
        let doubted = self.said.differs || self.mixed;
        lines_alone && !(self.said.gap_lost || doubted || refused || in_vain)
    }

    /// Whether a reader may be told this reason now, of the partition as a whole; `None` for
    /// reasons that are not a partition's.
    pub(super) fn explains(&self, reason: Reason, now: Mono, setup: &super::Setup) -> Option<bool> {
        let overdue = |since: Mono| now >= since + setup.grace;
        let known = match reason {
            Reason::Unsubscribed => !self.subscribed,
            Reason::NotStarted => {
                self.run.is_none() || self.evidence == Mono::NEVER || self.is_yesterdays()
            }
            Reason::Silent => now >= self.evidence + setup.silence || self.lease <= now,
            Reason::Ended => self.said.ended,
            Reason::Gap => {
                // Numbers that began again unheard, and have passed those known, look like a gap.
                let known = self.followed.known_end();
                let unheard = self.ahead.as_ref().is_some_and(|(_, it)| it.known_end() > known);
                let missing = self.said.restarted
                    || unheard
                    || self.old_ahead
                    || self.followed.missing_since().is_some_and(overdue);
                (self.said.gap_outlived && missing) || self.said.gap_lost
            }
            Reason::Recovering => {
                (self.said.rebuilding && !self.said.only_some)
                    || self.said.gap_lost
                    || self.lacks_start()
                    || self.followed.missing_since().is_some()
            }
            Reason::SessionChanged => {
                let rival = self.rival.is_some_and(|at| now < at + setup.session_grace);
                self.said.restarted || (self.said.changed && self.last_applied == 0) || rival
            }
            Reason::LinesDiffer => self.said.differs,
            Reason::Late => self.said.stalled.or(self.lapsed).is_some() || self.behind > setup.late,
            Reason::Quarantined => false,
            _ => return None,
        };
        Some(known)
    }
}
