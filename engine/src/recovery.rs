//! The ladder of a partition that misses messages: the other line, then asking the venue for them,
//! then a snapshot, and stale with the reason all along. The first is the sequencer's matter; here
//! the rest is put together, one step after each thing that happens.

use candor_core::counters::Counter;
use candor_core::{Action, Answer, Mono, Refusal, Refused, SeqNo, SnapshotPart};
use candor_gapfill::State;
use candor_gapfill::retransmit::Retransmit;
use candor_snapshot::{self as snapshot, Verdict};

use crate::content::Apply;
use crate::evidence::Renumbered;
use crate::rebuild::{Extent, Hold};
use crate::witness::WITNESSES;
use crate::{Partition, Sink, Step};

impl Partition {
    /// What the partition wants of the venue's services. Ask until there is nothing more, after every
    /// other call.
    pub fn next_action(&mut self) -> Option<Action> {
        if !self.has_acted {
            return None;
        }
        if let Some(ask) = self
            .retransmit
            .as_mut()
            .and_then(|retransmit| retransmit.next_ask(&mut self.sequencing))
        {
            return Some(Action::Retransmit(ask));
        }
        let snapshots = self.content.rebuild.snapshots.as_mut();
        let action = snapshots.and_then(|snapshots| snapshots.next_action());
        self.has_acted = action.is_some();
        action
    }

    /// An answer of the retransmit service: one packet in the framing of the lines. It fills what is
    /// missing and proves nothing else: not that the venue is alive, nor where it is.
    pub fn on_retransmit(&mut self, now: Mono, payload: &[u8], sink: &mut impl Sink) -> Answer {
        let content = &mut self.content;
        content.advance(now);
        let packet = match content.config.format.frame(payload) {
            Ok(packet) => packet,
            Err(reject) => {
                // Counted as any packet that is refused, so that the sum of packets holds.
                content.counters.add(Counter::Packets, 1);
                content.counters.add(Counter::Bytes, payload.len() as u64);
                content.counters.reject(reject);
                return Answer::Rejected(reject);
            }
        };
        let missing = self.sequencer.gaps().first();
        let lacked_start = missing.is_some_and(|gap| gap.start);
        content.missing_since = missing.map(|gap| gap.opened);
        let mut apply = Apply { content, sink };
        let answer = self.sequencer.on_retransmit(now, &packet, &mut self.sequencing, &mut apply);
        match (answer, &mut self.retransmit) {
            (Answer::Filled { range }, Some(retransmit)) => {
                retransmit.on_answer(now, range);
                self.content.evidence.start_answered |= lacked_start;
            }
            (Answer::Contradicts, _) => {
                // Of what is known some is of numbers that are over, or the answer is: only what contains all of
                // it will do.
                let known_end = self.sequencer.known_end();
                let content = &mut self.content;
                if content.rebuild.snapshots.is_some()
                    && !candor_core::canary!(ContradictedReplayed)
                {
                    content.evidence.lines_differ = true;
                    content.rebuild.lacks(packet.range.first, known_end, now);
                }
                sink.step(&Step::RetransmitContradicted { range: packet.range }, now);
            }
            _ => {}
        }
        self.settle(sink);
        self.show_numbers(sink);
        answer
    }

    /// A request for missing numbers will not be answered.
    pub fn on_refused(&mut self, now: Mono, refused: &Refused, sink: &mut impl Sink) {
        self.content.advance(now);
        if let Some(retransmit) = &mut self.retransmit {
            retransmit.on_refused(now, refused, self.sequencer.gaps(), &mut self.sequencing);
        }
        self.settle(sink);
    }

    /// A part of a snapshot, in answer to the request of this cycle.
    pub fn on_snapshot(
        &mut self,
        now: Mono,
        cycle: u32,
        part: &SnapshotPart<'_>,
        sink: &mut impl Sink,
    ) {
        let content = &mut self.content;
        content.advance(now);
        let session = self.sequencer.session();
        let Some(snapshots) = &mut content.rebuild.snapshots else { return };
        let next = snapshots.on_part(now, cycle, part, session, &mut content.counters);
        match next {
            snapshot::Step::Begin => self.sequencer.on_session_accepted(now),
            snapshot::Step::Failed(why) if why.is_of_another_session() => {
                self.sequencer.on_session_refused(now);
            }
            _ => {}
        }
        match (next, part) {
            (snapshot::Step::Begin, _) => {
                content.begin_snapshot(self.sequencer.expected(), sink);
                sink.step(&Step::SnapshotBegun, now);
            }
            (snapshot::Step::Take, SnapshotPart::Messages(messages)) => {
                if content.take_snapshot(*messages, sink).is_err() {
                    self.break_off_snapshot(sink);
                }
            }
            (snapshot::Step::Failed(why), _) => sink.step(&Step::SnapshotFailed { why }, now),
            (snapshot::Step::Check, _) => content.rebuild.loaded_at = now,
            (snapshot::Step::Ignore | snapshot::Step::Take, _) => {}
        }
        self.settle(sink);
        self.show_numbers(sink);
    }

    /// The snapshot that loads is broken: the service need not go on with it.
    fn break_off_snapshot(&mut self, sink: &mut impl Sink) {
        let content = &mut self.content;
        let now = content.now;
        let step = content.rebuild.abandon(now, &mut content.counters);
        if step != snapshot::Step::Ignore {
            let why = snapshot::Failure::Refused(Refusal::Malformed);
            sink.step(&Step::SnapshotFailed { why }, now);
        }
    }

    /// What time alone brings about in recovery.
    pub(crate) fn recover_on_time(&mut self, sink: &mut impl Sink) {
        if self.quiet {
            return;
        }
        let now = self.content.now;
        if let Some(retransmit) = &mut self.retransmit {
            retransmit.on_deadline(now, self.sequencer.gaps(), &mut self.sequencing);
        }
        let content = &mut self.content;
        if content.rebuild.splicing.is_none()
            && let Some(snapshots) = &mut content.rebuild.snapshots
            && let snapshot::Step::Failed(why) = snapshots.on_deadline(now, &mut content.counters)
        {
            sink.step(&Step::SnapshotFailed { why }, now);
        }
    }

    /// When recovery has something to do that nothing else brings about.
    pub(crate) fn recovery_deadline(&self) -> Option<Mono> {
        let retransmit = self.retransmit.as_ref().and_then(|retransmit| retransmit.deadline());
        let rebuild = &self.content.rebuild;
        let snapshots = rebuild.snapshots.as_ref().and_then(|snapshots| snapshots.deadline());
        [retransmit, snapshots, rebuild.deadline(self.content.now)].into_iter().flatten().min()
    }

    /// After every call: recovery follows what the sequencer and the books have come to. While
    /// nothing is missing and nothing under way, this is one comparison.
    #[inline]
    pub(crate) fn recover(&mut self, sink: &mut impl Sink) {
        let now = self.content.now;
        let missing =
            !self.sequencer.gaps().is_empty() || self.sequencer.contested_until(now).is_some();
        if self.quiet && !missing && self.content.rebuild.is_quiet() {
            return;
        }
        self.climb(sink);
    }

    #[cold]
    fn climb(&mut self, sink: &mut impl Sink) {
        self.has_acted = true;
        // BOUND: a splice leaves no snapshot to be spliced.
        loop {
            self.follow_gaps(sink);
            self.want_snapshot(sink);
            if !self.try_splice(sink) {
                break;
            }
        }
        self.quiet = self.is_quiet();
    }

    /// Lets retransmission see what is missing now.
    fn follow_gaps(&mut self, sink: &mut impl Sink) {
        let now = self.content.now;
        let session = self.sequencer.session();
        let Some(retransmit) = &mut self.retransmit else { return };
        let renumbered = std::mem::take(&mut self.content.rebuild.renumbered);
        let asks = self.content.evidence.subscribed && !self.content.rebuild.is_in_doubt(now);
        if !asks || renumbered {
            // What was given up is of other numbers, or of another time.
            self.given_up_said = None;
        }
        if !asks {
            retransmit.hold_off(now);
            return;
        }
        if renumbered {
            retransmit.reset();
        }
        let (gaps, counters) = (self.sequencer.gaps(), &mut self.sequencing);
        if self.sequencer.doubts_answers() {
            retransmit.on_doubt(now, session, gaps, counters);
        } else {
            retransmit.on_change(now, session, gaps, counters);
        }
        let for_good = retransmit.is_given_up_for_good();
        let given_up = retransmit.given_up().map(|end| (end, for_good));
        let said = std::mem::replace(&mut self.given_up_said, given_up);
        if let Some((end, for_good)) = given_up.filter(|_| said < given_up) {
            sink.step(&Step::RetransmitGivenUp { end, for_good }, now);
        }
    }

    fn is_quiet(&self) -> bool {
        let is_idle = |retransmit: &Retransmit| {
            retransmit.deadline().is_none() && retransmit.given_up().is_none()
        };
        self.sequencer.gaps().is_empty()
            && self.sequencer.contested_until(self.content.now).is_none()
            && self.content.rebuild.is_quiet()
            && self.retransmit.as_ref().is_none_or(is_idle)
            && self
                .content
                .rebuild
                .snapshots
                .as_ref()
                .is_none_or(|snapshots| snapshots.state() == snapshot::State::Idle)
    }

    /// The end of what is missing and can't be had by asking for it.
    fn beyond_asking(&self) -> Option<SeqNo> {
        match &self.retransmit {
            Some(retransmit) => retransmit.given_up(),
            None => {
                let gaps = self.sequencer.gaps().iter().filter(|gap| gap.outlived);
                gaps.map(|gap| gap.range.end).max()
            }
        }
    }

    fn want_snapshot(&mut self, sink: &mut impl Sink) {
        let state = self.sequencer.state();
        let followed = !matches!(state, State::NotStarted | State::Ended);
        let asks = followed && self.content.evidence.subscribed;
        // Which of two sessions is in force a snapshot shows, if nothing is missing otherwise.
        let contested = self.sequencer.is_to_be_settled(self.content.now).then_some(SeqNo::FIRST);
        let lost = self.beyond_asking().max(contested);
        let content = &mut self.content;
        let now = content.now;
        let wanted = if asks { content.rebuild.wants(now, lost) } else { None };
        let Some(snapshots) = &mut content.rebuild.snapshots else { return };
        let Some((extent, needs)) = wanted else {
            if content.rebuild.hold == Hold::Nothing {
                snapshots.unwant(now);
            }
            return;
        };
        let begun = matches!(snapshots.state(), snapshot::State::Loading | snapshot::State::Loaded);
        let narrower =
            begun && content.rebuild.begun == Extent::Quarantined && extent == Extent::All;
        let splicing = content.rebuild.splicing.as_ref();
        let short = splicing.is_some_and(|it| !it.resync && needs > it.splice.next());
        if narrower || short {
            // What arrives for some books, or was to join the stream, is not enough any more.
            let step = content.rebuild.abandon(now, &mut content.counters);
            if let snapshot::Step::Failed(why) = step {
                sink.step(&Step::SnapshotFailed { why }, now);
            }
        }
        content.rebuild.extent = extent;
        let Some(snapshots) = &mut content.rebuild.snapshots else { return };
        snapshots.want(now, self.sequencer.session(), needs, &mut content.counters);
        if content.rebuild.asked.0 != snapshots.cycle() {
            let needs = snapshots.needs().unwrap_or(needs);
            content.rebuild.asked = (snapshots.cycle(), needs);
            let symbols_only = extent == Extent::Quarantined;
            sink.step(&Step::SnapshotAsked { needs, symbols_only }, now);
        }
    }

    /// Whether what the lines brought right before this number is not what the snapshot has.
    fn is_refuted(&self, next: SeqNo) -> bool {
        let Some(snapshots) = &self.content.rebuild.snapshots else { return false };
        if self.content.evidence.renumbered == Renumbered::UntilSpliced {
            // Asked for when no line could lag so far, it is believed before what the lines had brought.
            return false;
        }
        match next <= self.sequencer.expected() {
            true => self.content.is_refuted_by(snapshots.held_before(next, WITNESSES)),
            false => self.content.is_refuted_by(self.sequencer.held_before(next, WITNESSES)),
        }
    }

    /// Joins a snapshot that is whole to the stream, once the lines confirm its number. Says whether
    /// that is done.
    fn try_splice(&mut self, sink: &mut impl Sink) -> bool {
        let (expected, known_end) = (self.sequencer.expected(), self.sequencer.known_end());
        let content = &mut self.content;
        let now = content.now;
        if content.rebuild.splicing.is_none() {
            let Some(snapshots) = &mut content.rebuild.snapshots else { return false };
            let only_quarantined = content.rebuild.begun == Extent::Quarantined;
            if only_quarantined && content.rebuild.hold == Hold::All {
                return false;
            }
            // While only some books are rebuilt the stream must have brought the others so far.
            let shown = if only_quarantined { expected } else { known_end };
            let verdict = snapshots.verdict(now, expected, shown, &mut content.counters);
            match verdict {
                Verdict::Wait => return false,
                Verdict::Unusable(why) => {
                    sink.step(&Step::SnapshotFailed { why }, now);
                    return false;
                }
                Verdict::Splice(splice) => {
                    let refuted = self.is_refuted(splice.next());
                    let content = &mut self.content;
                    // Then no line lags so far: numbers began again while nobody listened, or a line's message was
                    // not the venue's. What the lines brought is not believed.
                    let lasts = refuted
                        && content.rebuild.is_refuted_for(now, content.config.session_grace);
                    if refuted && (only_quarantined || !lasts) {
                        if lasts {
                            // The other books go by what the lines brought.
                            content.rebuild.lacks(splice.next(), splice.next(), now);
                        }
                        let step = content.rebuild.refute(now, &mut content.counters);
                        if let snapshot::Step::Failed(why) = step {
                            sink.step(&Step::SnapshotFailed { why }, now);
                        }
                        return false;
                    }
                    let splice = if refuted { splice.without_held() } else { splice };
                    content.begin_splice(splice, refuted);
                }
                // The other books follow our numbers: they would all have to be rebuilt. And one that
                // contains all that was needed when it was asked for is not behind the lines: they have
                // lost more since.
                Verdict::Resync(splice)
                    if only_quarantined || content.rebuild.asked.1 <= splice.next() =>
                {
                    let step = snapshots.abandon(now, &mut content.counters);
                    if let snapshot::Step::Failed(why) = step {
                        sink.step(&Step::SnapshotFailed { why }, now);
                    }
                    return false;
                }
                Verdict::Resync(splice) => content.begin_splice(splice, true),
            }
        }
        let content = &mut self.content;
        let Some(splicing) = content.replay(sink) else { return false };
        let next = splicing.splice.next();
        let all = content.rebuild.begun == Extent::All;
        content.end_splice(splicing.splice, sink);
        // A snapshot of all books has the start.
        self.content.evidence.start_answered &= !(splicing.resync || all);
        let mut apply = Apply { content: &mut self.content, sink };
        if splicing.resync {
            self.sequencer.resync(now, next, &mut self.sequencing, &mut apply);
            // Our numbers were not the venue's, and what the lines had carried is forgotten: one that
            // lags would show numbers that are long past. Only what comes when no line can lag so far
            // shows where the venue is.
            let lag = self.content.config.session_grace;
            self.content.evidence.only_since(now + lag);
            self.content.rebuild.renumbered = true;
            let until = now + self.content.config.silence;
            self.content.rebuild.unconfirmed = Some((next, until));
            sink.step(&Step::Resynced { next }, now);
        } else if all {
            let from = next.max(expected);
            self.sequencer.splice(now, from, &mut self.sequencing, &mut apply);
            // What is missing right behind its number: then the lines have shown higher ones, and not
            // that this one is theirs. Nor have they where all that followed it here came before it was made:
            // the numbers may have begun again since, heard by nobody.
            let held = next < known_end && !candor_core::canary!(HeldUnproven);
            let stale = held && self.content.newest < self.content.rebuild.loaded_at;
            if stale || !self.sequencer.gaps().is_empty() {
                self.content.evidence.only_since(now);
            }
        }
        true
    }
}
