//! What packets and answers mean that were put before the handler, and what it must have made of them.

use candor_core::{Line, Mono};

use super::{Doubt, Watch};
use crate::oracle::Followed;
use crate::simulator::Setup;
use crate::simulator::network::Tag;

impl Watch {
    /// The venue sent numbers of a run again, and the handler says that it had use for them.
    /// `lacked_start` says that the session's start was missing before.
    pub(in crate::simulator) fn answered(
        &mut self,
        run: u32,
        first: u64,
        end: u64,
        lacked_start: bool,
    ) {
        self.start_answered |= lacked_start;
        if self.run < Some(run) {
            // Nothing is there that an answer to a missing start could contradict: some may be of the one
            // run and some of the other. Nothing of that may be Live.
            self.mixed |= lacked_start;
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

    /// A packet names a session that contests the one followed.
    pub(in crate::simulator) fn contested(&mut self, now: Mono) {
        self.rival = Some(now);
    }

    /// What a packet of this tag, just put before the handler, means. `same_name` says that it names the
    /// session followed.
    pub(in crate::simulator) fn took(
        &mut self,
        now: Mono,
        at: Mono,
        tag: &Tag,
        same_name: bool,
        setup: &Setup,
    ) {
        if tag.malformed {
            self.broken[tag.line.index()] = (tag.run, tag.first, tag.count);
            if self.began {
                self.blame(|| "a broken frame began a session".to_owned());
            }
            return;
        }
        let silent = self.is_silent(at, setup);
        if self.run.is_none() || self.began {
            let ended = core::mem::take(&mut self.end_heard);
            self.begin(tag, (now, at), setup);
            self.began_by = at;
            if self.said.ended {
                // Its first packet was its end.
                self.ended_run = self.run;
            }
            if silent || ended {
                // A session that ends a silence, or follows one that has ended, is no sooner proven whole than
                // one that fell silent.
                self.lapsed = self.lapsed.max(Some(at));
            }
        } else if same_name && self.run < Some(tag.run) && self.followed.known_end() == 1 {
            // Nothing was ever said in the run followed: what begins again is the same.
            self.run = Some(tag.run);
        }
        self.newest_run = self.newest_run.max(Some(tag.run));
        if self.has_left(tag.run) {
            self.rival = Some(now);
        }
        let (older, end) = (Some(tag.run) < self.run, tag.first + tag.count);
        let taken = self.known_end >= end || tag.echo && same_name;
        if older && taken && end > self.followed.known_end() {
            self.old_ahead = self.old_ahead.max(end);
        }
        if Some(tag.run) > self.run {
            let ahead = self.ahead.take().filter(|(run, _)| *run >= tag.run);
            let (run, mut followed) = ahead.unwrap_or_else(|| (tag.run, Followed::new()));
            let known = followed.known_end();
            if run == tag.run {
                followed.packet(tag.first, tag.count, tag.end, now);
            }
            if followed.known_end() > known {
                self.ahead_newest = self.ahead_newest.max(at);
            }
            let (last, whole) = self.ahead_at;
            // In order as the handler counts: what it takes for one run may be of two.
            let in_order = tag.first <= self.expected_before && self.in_sync_before;
            let goes_on = in_order && tag.first + tag.count > self.expected_before;
            self.ahead_at = (last.max(at), if goes_on { whole.max(at) } else { whole });
            self.ahead = Some((run, followed));
            // As with answers: one that began in the middle may take what begins again for its missing start.
            let lacked_start = self.expected_before < self.began_at;
            self.mixed |= same_name && lacked_start && (tag.first..end).contains(&self.applied.0);
        }
        if self.newest_run > self.run {
            self.newer_since = self.newer_since.or(Some(now));
        }
        if self.run == Some(tag.run) {
            self.end_heard |= tag.end;
            // The first packet of a run is as good as any to a handler that has heard no other, and so is one
            // that came broken before.
            let broken = core::mem::take(&mut self.broken[tag.line.index()]);
            let first_whole = broken == (tag.run, tag.first, tag.count);
            // An echo of what never came is news to the handler, as it is to us.
            let known = self.followed.known_end();
            let news = tag.count > 0 && tag.first + tag.count > known;
            // So is an old publisher's heartbeat where nothing came of any newer run, unless it was sent
            // before what has come.
            let unrivalled =
                tag.count == 0 && self.newest_run == self.run && tag.first >= self.expected_before;
            if !tag.echo || news || first_whole || unrivalled || self.evidence == Mono::NEVER {
                // Whoever has ended a session may be silent: what comes next begins with nothing.
                let over = self.said.ended || tag.end;
                if self.is_silent(at, setup) && !over {
                    // Nothing vouched for the books so long: they may be as old as that.
                    self.said.stalled = self.said.stalled.max(Some(at));
                }
                if self.lease != Mono::NEVER && at >= self.lease && !over {
                    self.lapsed = self.lapsed.max(Some(at));
                }
                self.evidence = self.evidence.max(at);
            }
            let next_there = tag.count == 0 && tag.first >= known.max(self.expected_before);
            if !tag.echo && !tag.end && (news || next_there) {
                self.vouched = self.vouched.max(at);
            }
            let before = self.unspliced.as_ref().unwrap_or(&self.followed);
            // After a restart a line may be refused that is ahead of the others: what those bring then is the newest
            // that the handler has.
            let next = match self.said.restarted {
                true => self.expected_before,
                false => before.next().max(self.expected_before),
            };
            let shows =
                if tag.count == 0 { tag.first >= next } else { tag.first + tag.count > next };
            self.followed.packet(tag.first, tag.count, tag.end, now);
            if now < self.began_on + setup.grace && at < self.began_by + setup.grace {
                self.due = self.followed.next();
            }
            let shows = shows && (!tag.echo || news || unrivalled);
            if shows && self.said.ended && self.followed.missing_since().is_none() {
                // That it has ended, and that nothing of it is missing, is all there is to show.
                self.said.stalled = self.said.stalled.filter(|since| at < *since);
            }
            // Nothing shows where a venue is that has ended its session.
            if shows && !self.said.ended {
                self.behind = now.since(at);
                // What was given up is not missing any more, what opened since is.
                let whole = self.followed.missing_since().is_none()
                    || (self.said.gap_lost && self.known_end == self.expected);
                // A packet that a snapshot was joined by may have shown a gap before: in what the handler waited
                // for, and not in what it had given up, which is what the snapshot was for.
                let whole = match &mut self.unspliced {
                    Some(before) => {
                        before.packet(tag.first, tag.count, tag.end, now);
                        before.has_all(self.expected_before, before.known_end())
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

    /// Whether nothing of the run followed had come for so long.
    fn is_silent(&self, at: Mono, setup: &Setup) -> bool {
        self.evidence != Mono::NEVER && at >= self.evidence + setup.silence
    }

    /// The end of a call in which a snapshot may have been spliced. Where numbers are missing right
    /// behind it, only what comes from now on shows where the venue is.
    pub(in crate::simulator) fn end_splice(&mut self, now: Mono) {
        // A number that is missing is as late as it has been known to exist.
        let known = if self.said.restarted { 0 } else { self.followed.known_end() };
        self.reached.note(known.max(self.upto()), now);
        if self.unspliced.take().is_some() {
            if self.known_end > self.expected {
                self.said.stalled = self.said.stalled.max(Some(now));
            }
            if self.known_end > self.joined_at {
                // What was held back behind it may all have come before it was made.
                self.lapsed = self.lapsed.max(Some(now));
            }
        }
        if self.start_answered && !self.lacks_start() {
            // Only a line that goes on behind it shows that the answers were of the numbers lines bring.
            self.start_answered = false;
            self.said.stalled = self.said.stalled.max(Some(now));
        }
    }

    fn begin(&mut self, tag: &Tag, (now, at): (Mono, Mono), setup: &Setup) {
        // What waited while the lane stood still looks as late as that: number 1 of a missing start then
        // looks like numbers that begin again. That costs a snapshot.
        let missing = self.began_at > 1;
        let waited = self.said.stalled.is_some() && tag.first == 1 && missing;
        // So do those of the run followed where older ones were taken in their place.
        let displaced = self.old_ahead > self.followed.known_end();
        if self.run == Some(tag.run) && !waited && !displaced {
            self.blame(|| "the handler sees a session begin where none did".to_owned());
        }
        let back = self.left.iter().position(|(run, _)| *run == tag.run);
        let back = back.map(|at| self.left.remove(at));
        let was_left = back.is_some();
        let refused = core::mem::take(&mut self.session_refused);
        let allowed = refused && back.is_some_and(|(_, doubt)| doubt == Doubt::Open);
        if was_left && !allowed {
            self.blame(|| "the handler goes back to a session left behind".to_owned());
        }
        // Where old numbers had displaced those of the run followed, it begins again and is not left.
        if self.run != Some(tag.run) {
            self.leave(tag.line, (now, at), was_left, setup);
        }
        self.began = false;
        (self.old_ahead, self.start_answered) = (1, false);
        (self.mixed, self.contradicted) = (false, 0);
        self.run = Some(tag.run);
        self.newer_since = None;
        self.began_at = tag.first;
        self.began_on = now;
        self.given_up = 1;
        self.due = 1;
        self.expected_before = 1;
        self.followed = Followed::new();
        self.reached.clear();
        (self.evidence, self.vouched) = (Mono::NEVER, Mono::NEVER);
    }

    /// The run followed is left for one that this line brings. Where its numbers begin again under the same name
    /// that is no change of session, and says nothing of the order of those.
    fn leave(&mut self, line: Line, (now, at): (Mono, Mono), back: bool, setup: &Setup) {
        let Some(run) = self.run else {
            self.started_until = now + setup.session_grace;
            self.doubted_until = self.started_until;
            return;
        };
        if self.said.restarted {
            self.left.push((run, Doubt::None));
            return;
        }
        let doubt = match at {
            _ if back || at >= self.doubted_until => Doubt::None,
            _ if at < self.started_until || self.led != Some(line) => Doubt::Open,
            _ => Doubt::Contested,
        };
        self.doubted_until = now + setup.session_grace;
        self.led = Some(line);
        if doubt == Doubt::None {
            self.left.iter_mut().for_each(|(_, doubt)| *doubt = Doubt::None);
            self.rivals.clear();
        } else {
            self.rival = self.rival.max(Some(now));
            self.rivals.push(self.from);
        }
        self.left.push((run, doubt));
    }

    /// After a call: what was applied must have come, and nothing that came was left.
    pub(in crate::simulator) fn settle(&mut self) {
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
}
