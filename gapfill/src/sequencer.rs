//! The machine: which session a packet belongs to, whether its line started over, what its line
//! left out; and then its messages into the stream.

use candor_core::counters::{Counter, Counters};
use candor_core::limits::LINES;
use candor_core::{Content, Line, Loss, LossKind, Mono, Nanos, Packet, SeqNo, SeqRange, SessionId};

use crate::fingerprints::Fingerprints;
use crate::inspect::{Finding, Known, inspect};
use crate::lines::{LineState, Old};
use crate::sessions::{Doubt, OldSessions, Past};
use crate::sink::Sink;
use crate::stream::{Phase, Stream};
use crate::{Config, Gaps, Heard, Notice, Output, State, Wholeness};

/// Makes one stream of a partition's lines. See the crate's description for what it does when.
#[derive(Clone, Debug)]
pub struct Sequencer {
    config: Config,
    /// The latest time heard of.
    now: Mono,
    /// When the next thing happens that no packet causes.
    wake: Option<Mono>,
    /// `None` until the first packet.
    pub(crate) session: Option<SessionId>,
    /// Until then the session followed may be newer than one that is heard for the first time: a line that lags,
    /// or whose path became shorter, may bring one that nobody else has brought.
    doubted_until: Mono,
    /// Until then that is so whatever brings the other: nobody listened before.
    started_until: Mono,
    /// The line that led into the session followed, once that has changed.
    led: Option<Line>,
    pub(crate) old: OldSessions,
    /// Until then the session followed is contested: another one, left when nothing told which of them is
    /// the newer, was heard a [`Config::session_grace`] before, or followed.
    pub(crate) contested_until: Mono,
    pub(crate) stream: Stream,
    pub(crate) lines: [LineState; LINES],
    /// When the packet arrived by which the present numbering was heard first.
    begun: Mono,
    /// What the numbering before the last restart carried.
    pub(crate) before: Fingerprints,
    /// Until then a packet of it that nobody has seen may be on its way on the line that has restarted.
    pub(crate) before_until: Mono,
    /// The line that has restarted, where it was quiet before: it may go on with bytes of before.
    pub(crate) rested: Option<Line>,
    /// Until then an answer may be of it, and so may copies of its packets.
    pub(crate) answers_from: Mono,
}

// What a packet in order looks at lies in here; the window, gaps and prints lie elsewhere. A lane goes through
// hundreds of these in turns.
const _: () = assert!(size_of::<Sequencer>() <= 17 * 64);

impl Sequencer {
    /// Allocates everything it will ever need: some 2.5 MB, nearly all of it the window.
    #[must_use]
    pub fn new(config: Config) -> Sequencer {
        Sequencer {
            config,
            now: Mono::NEVER,
            wake: None,
            session: None,
            doubted_until: Mono::NEVER,
            started_until: Mono::NEVER,
            led: None,
            old: OldSessions::new(),
            contested_until: Mono::NEVER,
            stream: Stream::new(),
            lines: core::array::from_fn(|_| LineState::new()),
            begun: Mono::NEVER,
            before: Fingerprints::new(),
            before_until: Mono::NEVER,
            rested: None,
            answers_from: Mono::NEVER,
        }
    }

    /// Takes a packet that arrived on `line` at `at` and is looked at now. Deadlines that `now` has reached are
    /// dealt with first. Time that goes back counts as no time passing. Read [`Sequencer::deadline`]
    /// afterwards.
    ///
    /// Returns whether the packet is evidence that the stream followed is alive.
    pub fn on_packet(
        &mut self,
        now: Mono,
        at: Mono,
        line: Line,
        packet: &Packet<'_>,
        counters: &mut Counters,
        out: &mut impl Output,
    ) -> Heard {
        debug_assert!(self.config.lines[line.index()], "a packet of a line that isn't configured");
        debug_assert_eq!(packet.range.len(), packet.messages.len() as u64);
        let mut sink = self.sink(now, counters, out);
        count_packet(line, packet, &mut sink);
        self.pass_time(&mut sink);
        let heard = if !self.admits(at, line, packet, &mut sink) {
            sink.count(Counter::DiscardOldSession, packet.messages.len() as u64);
            Heard::Foreign
        } else if self.is_next(packet) {
            self.lines[line.index()].carried(packet.range, sink.now);
            self.stream.deliver_in_order(line, packet.messages, &mut sink);
            Heard::Current
        } else {
            self.take((line, at), packet, &mut sink)
        };
        self.settle(&mut sink);
        heard
    }

    /// Time has come to `now`. Early and late calls do no harm.
    pub fn on_deadline(&mut self, now: Mono, counters: &mut Counters, out: &mut impl Output) {
        let mut sink = self.sink(now, counters, out);
        self.pass_time(&mut sink);
        self.settle(&mut sink);
    }

    /// When [`Sequencer::on_deadline`] has something to do if no packet comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.wake
    }

    /// Where the stream stands.
    #[must_use]
    pub fn state(&self) -> State {
        match self.stream.phase {
            _ if self.session.is_none() => State::NotStarted,
            Phase::Ended(_) => State::Ended,
            _ if self.stream.gaps.any_outlived() => State::GapOutlived,
            _ if !self.stream.gaps.is_empty() => State::GapOpen,
            _ => State::InSync,
        }
    }

    /// Whether anything was given up in this session, or since its numbers restarted.
    #[must_use]
    pub fn whole(&self) -> Wholeness {
        self.stream.whole
    }

    /// The next number to be delivered; everything before it was delivered or given up.
    #[must_use]
    pub fn expected(&self) -> SeqNo {
        self.stream.expected
    }

    /// The number behind the last one known to exist.
    #[must_use]
    pub fn known_end(&self) -> SeqNo {
        self.stream.known_end
    }

    /// Until when nothing tells whether the session followed is the one in force: another one was heard a
    /// [`Config::session_grace`] before that, and was left for this one within one of it. `None` where
    /// that is past, or never was.
    #[must_use]
    pub fn contested_until(&self, now: Mono) -> Option<Mono> {
        let contested = now < self.contested_until && !candor_core::canary!(RivalIgnored);
        contested.then_some(self.contested_until)
    }

    /// Whether the venue's service is to be asked which session is in force: the one followed is contested, and what
    /// the service says would count.
    #[must_use]
    pub fn is_to_be_settled(&self, now: Mono) -> bool {
        self.contested_until(now).is_some() && self.is_settled(now)
    }

    /// When the service is to be asked which session is in force, or nothing contests the one followed any more;
    /// `None` where nothing does.
    #[must_use]
    pub fn contest_deadline(&self, now: Mono) -> Option<Mono> {
        let until = self.contested_until(now)?;
        Some(if self.is_settled(now) { until } else { until.min(self.doubted_until) })
    }

    /// No line, and no service, is so late that it does not know yet of the last change.
    pub(crate) fn is_settled(&self, now: Mono) -> bool {
        now >= self.doubted_until
    }

    /// The session; [`SessionId::NONE`] until the first packet.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session.unwrap_or(SessionId::NONE)
    }

    /// What is missing between [`Sequencer::expected`] and [`Sequencer::known_end`].
    #[must_use]
    pub fn gaps(&self) -> &Gaps {
        &self.stream.gaps
    }

    /// How many messages are held beyond gaps.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.stream.window.held()
    }

    /// What was received beyond a gap right before `next`: the last `most` messages at most, in order and
    /// without a hole. None where that number itself is missing, or delivered.
    pub fn held_before(
        &self,
        next: SeqNo,
        most: u64,
    ) -> impl Iterator<Item = (SeqNo, &[u8])> + Clone {
        let (window, reach) = (&self.stream.window, self.stream.reach());
        let lowest = reach.first.max(SeqNo(next.0.saturating_sub(most)));
        let mut first = next;
        // BOUND: `most`.
        while first > lowest && first <= reach.end && window.has(SeqNo(first.0 - 1)) {
            first = SeqNo(first.0 - 1);
        }
        (first.0..next.0).map(SeqNo).filter_map(|seq| Some((seq, window.get(seq)?)))
    }

    /// Asserts what must hold between any two calls. Costs up to some 20,000 steps.
    ///
    /// # Panics
    /// When this crate is wrong.
    pub fn check(&self) {
        self.stream.check();
        for line in &self.lines {
            line.check();
        }
        assert_eq!(self.wake, self.next_wake());
        if self.session.is_none() {
            assert_eq!(self.stream.phase, Phase::Fresh);
            assert!(self.lines.iter().all(|line| line.next.is_none()));
        } else {
            assert_ne!(self.stream.phase, Phase::Fresh);
        }
    }

    pub(crate) fn sink<'a, O: Output>(
        &mut self,
        now: Mono,
        counters: &'a mut Counters,
        out: &'a mut O,
    ) -> Sink<'a, O> {
        self.now = self.now.max(now);
        Sink { now: self.now, session: self.session(), counters, out }
    }

    /// Whether the packet is of the session in force, which it may have just changed. One that is
    /// not is of a session or a numbering left behind.
    fn admits<O: Output>(
        &mut self,
        at: Mono,
        line: Line,
        packet: &Packet<'_>,
        sink: &mut Sink<'_, O>,
    ) -> bool {
        let session = match self.session {
            Some(current) if candor_core::canary!(SessionChangeIgnored) => current,
            _ => packet.session,
        };
        match self.session {
            Some(current) if current == session => self.is_past_fence(line, packet, sink),
            Some(current) => match self.old.heard(session, line) {
                Some(past @ (Past::First | Past::Again | Past::Rival { .. })) => {
                    if matches!(past, Past::Rival { .. }) {
                        self.contested_until = sink.now + self.config.session_grace;
                    }
                    if matches!(past, Past::First | Past::Rival { first: true }) {
                        sink.notice(Notice::OldSession { session, line });
                    }
                    false
                }
                Some(Past::Welcome) | None => {
                    self.change_session((at, line), current, session, sink);
                    true
                }
            },
            None => {
                self.session = Some(session);
                self.started_until = sink.now + self.config.session_grace;
                self.doubted_until = self.started_until;
                sink.session = session;
                sink.notice(Notice::Started { session, first: packet.range.first });
                true
            }
        }
    }

    fn change_session<O: Output>(
        &mut self,
        (at, line): (Mono, Line),
        from: SessionId,
        to: SessionId,
        sink: &mut Sink<'_, O>,
    ) {
        assert_ne!(from, to);
        // A publisher of an old session, or a line that lags behind two changes, may be the second that a
        // handler hears within the time by which a line lags. A line by itself brings them in their order,
        // unless its path became shorter. For a lane that stood still, what arrived within that time is looked at
        // behind it.
        let at = if candor_core::canary!(LookedAtLate) { sink.now } else { at };
        let doubt = match at {
            at if at >= self.doubted_until => Doubt::Ordered,
            at if at < self.started_until || self.led != Some(line) => Doubt::Open,
            _ => Doubt::Contested,
        };
        let back = self.old.leave(from, to, doubt);
        if doubt != Doubt::Ordered && !back {
            // It was heard until now.
            self.contested_until = sink.now + self.config.session_grace;
        }
        self.session = Some(to);
        self.led = Some(line);
        if !candor_core::canary!(ChangeUndoubted) {
            self.doubted_until = sink.now + self.config.session_grace;
        }
        sink.session = to;
        sink.count(Counter::SessionChanges, 1);
        sink.notice(Notice::SessionChanged { from, to });
        self.before_until = Mono::NEVER;
        self.answers_from = Mono::NEVER;
        self.stream.reset(sink);
        for line in &mut self.lines {
            line.reset();
        }
    }

    /// Whether the packet is simply the next one: nothing missing, nothing ending.
    fn is_next(&self, packet: &Packet<'_>) -> bool {
        self.stream.phase == Phase::Open
            && packet.range.first == self.stream.expected
            && self.stream.known_end == self.stream.expected
            && packet.content == Content::Data
    }

    /// Whether these numbers lie in the session's start that has been missing for longer than the
    /// grace. The numbers may have begun again since, and there is nothing to compare them with: lines
    /// don't fill it any more, only answers do.
    ///
    /// For a lane that stood still all of that is one instant: it is as late as it arrived.
    fn is_late_start(&self, range: SeqRange, at: Mono, now: Mono) -> bool {
        let arrived_late = at.since(self.begun) > self.config.grace;
        self.is_start_missing_for(self.config.grace, range, now)
            || arrived_late && self.stream.is_before_start(range, now)
    }

    /// Whether a line comes back to number 1 of a start that it had passed when it was first heard,
    /// longer ago than [`Config::session_grace`]: no network is so late. Its numbers have started over.
    fn comes_back_to_start(&self, line: Line, range: SeqRange, now: Mono) -> bool {
        let passed = !self.lines[line.index()].falls_short_of(range.end);
        let late = self.config.session_grace;
        range.first == SeqNo::FIRST && passed && self.is_start_missing_for(late, range, now)
    }

    fn is_start_missing_for(&self, length: Nanos, range: SeqRange, now: Mono) -> bool {
        now.0 > length.0 && self.stream.is_before_start(range, Mono(now.0 - length.0))
    }

    /// Takes any packet of the session in force.
    fn take<O: Output>(
        &mut self,
        (line, at): (Line, Mono),
        packet: &Packet<'_>,
        sink: &mut Sink<'_, O>,
    ) -> Heard {
        let found = match inspect(&self.stream, &self.lines[line.index()], line, packet) {
            Finding::Restarted => None,
            Finding::Known(found)
                if !found.remembered && self.is_late_start(packet.range, at, sink.now) =>
            {
                if !self.comes_back_to_start(line, packet.range, sink.now) {
                    // Refused until number 1, or one that can be compared, says what it is.
                    sink.count(Counter::DiscardTooLate, packet.messages.len() as u64);
                    return Heard::Foreign;
                }
                None
            }
            Finding::Known(found) => {
                (!self.has_started_over(line, packet.range, &found, sink.now)).then_some(found)
            }
        };
        let found = found.unwrap_or_else(|| {
            if !candor_core::canary!(RestartSwallowed) {
                self.restart(line, sink);
            }
            Known::default()
        });
        let heard = self.hears(line, packet.range, &found);
        let contradicts = self.lines[line.index()].has_reached(packet.range.end);
        let range = self.stream.before_end(packet.range);
        self.lines[line.index()].carried(range, sink.now);
        self.stream.exists(packet.range.first, sink);
        if self.stream.phase == Phase::Fresh {
            (self.stream.phase, self.begun) = (Phase::Open, at);
        }
        self.take_messages(line, packet, &found, sink);
        // An end below what its own line has carried is no end; a grace later two are a restart.
        if packet.content == Content::End && !contradicts {
            self.stream.ends(packet.range.end);
        }
        heard
    }

    /// Whether a packet that is about to be taken shows that the stream followed is alive.
    fn hears(&self, line: Line, range: SeqRange, found: &Known) -> Heard {
        let stream = &self.stream;
        let before_end = stream.before_end(range);
        let vouches = if stream.phase == Phase::Fresh {
            // There is nothing yet that it could contradict.
            true
        } else if range.is_empty() {
            // One that was sent after what was delivered, and after what its line carried, says so.
            let regressed =
                range.first < stream.expected || self.lines[line.index()].has_reached(range.first);
            stream.end().is_none() && !regressed
        } else if stream.lacks(before_end) {
            true
        } else {
            // All of it was delivered, is held, or was given up: a copy, or it could be anybody's. One that its line has carried
            // before may be carried for ever, by a publisher that is stuck or a loop in a network.
            let again = !self.lines[line.index()].falls_short_of(range.end);
            stream.end().is_none() && found.copy && !found.contradicts && !again
        };
        if vouches { Heard::Current } else { Heard::Foreign }
    }

    fn take_messages<O: Output>(
        &mut self,
        line: Line,
        packet: &Packet<'_>,
        found: &Known,
        sink: &mut Sink<'_, O>,
    ) {
        sink.count(Counter::Duplicate, found.duplicate);
        sink.count(Counter::DiscardTooLate, found.too_late);
        if let Some(seq) = found.differ_first {
            self.stream.differs(seq, line, found.differ, sink);
        }
        let old = found.duplicate + found.too_late + found.differ;
        let numbers = packet.range.first.0..packet.range.end.0;
        if candor_core::canary!(StraddleDropped) && old > 0 {
            return;
        }
        // BOUND: the packet.
        for (number, bytes) in numbers.zip(packet.messages).skip(old as usize) {
            self.stream.take(SeqNo(number), line, bytes, sink);
        }
    }

    /// Whether a packet that contradicts nothing shows all the same that its line started over.
    fn has_started_over(&mut self, line: Line, range: SeqRange, found: &Known, now: Mono) -> bool {
        let grace = self.config.grace;
        let state = &mut self.lines[line.index()];
        let quiet = state.is_quiet(now, grace);
        if range.is_empty() {
            return state.beats(range.first, now, grace);
        }
        if state.next.is_none_or(|next| next < range.end) {
            return false;
        }
        if range.end > self.stream.expected {
            // It fills a gap.
            state.regressed = None;
            return false;
        }
        // What the line left out itself is settled by the time it is quiet; what no line carried
        // is no repetition, unless the line has stood still for longer than any network is late.
        let explained = found.passed_over && !state.is_quiet(now, self.config.session_grace);
        let old = if found.copy {
            Old::Copy
        } else if quiet && !found.remembered && !explained {
            Old::Unknown
        } else {
            Old::Explained
        };
        state.repeated(range, old)
    }

    /// The numbers start over under the same session name, as `line` shows.
    fn restart<O: Output>(&mut self, line: Line, sink: &mut Sink<'_, O>) {
        let until = sink.now + self.config.session_grace;
        sink.count(Counter::Restarts, 1);
        sink.notice(Notice::Restarted { session: sink.session });
        // A line that was quiet for a grace has no late copies on their way.
        let quiet = self.lines[line.index()].is_quiet(sink.now, self.config.grace);
        core::mem::swap(&mut self.before, &mut self.stream.prints);
        self.before_until = if quiet { Mono::NEVER } else { sink.now + self.config.grace };
        self.rested = quiet.then_some(line);
        self.answers_from = until;
        self.stream.reset(sink);
        for other in Line::ALL {
            let state = &mut self.lines[other.index()];
            if other == line {
                state.reset();
            } else {
                state.reset_fenced(sink.now, until);
            }
        }
    }

    /// What time alone brings about.
    pub(crate) fn pass_time<O: Output>(&mut self, sink: &mut Sink<'_, O>) {
        if self.wake.is_some_and(|wake| sink.now >= wake) {
            let Config { grace, keep_start, start_limit, .. } = self.config;
            self.stream.outlive(grace, if keep_start { start_limit } else { 0 }, sink);
            self.settle_lines(sink);
        }
    }

    /// The end of every call: what follows from the numbers delivered in it.
    pub(crate) fn settle<O: Output>(&mut self, sink: &mut Sink<'_, O>) {
        self.settle_lines(sink);
        self.stream.settle_end(sink);
        sink.counters.set(Counter::Held, self.stream.window.held());
        self.wake = self.next_wake();
    }

    fn settle_lines<O: Output>(&mut self, sink: &mut Sink<'_, O>) {
        for line in Line::ALL {
            if !self.lines[line.index()].left_out.is_empty() {
                self.settle_line(line, sink);
            }
        }
    }

    /// Says what a line left out and others carried.
    fn settle_line<O: Output>(&mut self, line: Line, sink: &mut Sink<'_, O>) {
        let delivered = self.stream.expected;
        if let Some(oldest) = self.lines[line.index()].overflowed() {
            let range = oldest.range.intersect(SeqRange::between(SeqNo(0), delivered));
            self.lost_on_line(line, range, oldest.about, sink);
        }
        // BOUND: each turn empties or shortens a range of the line's, which then begins behind
        // what was delivered.
        while let Some(overdue) =
            self.lines[line.index()].overdue(sink.now, self.config.grace, delivered)
        {
            self.lost_on_line(line, overdue.range, overdue.about, sink);
        }
    }

    /// A line did not carry `range`. What no line carried is left out: that was the gap's matter.
    fn lost_on_line<O: Output>(
        &self,
        line: Line,
        range: SeqRange,
        since: Mono,
        sink: &mut Sink<'_, O>,
    ) {
        let Stream { lost, uncarried, watched_from, .. } = &self.stream;
        let range = range.intersect(SeqRange::between(*watched_from, range.end));
        // BOUND: the ranges remembered of either kind.
        for received in lost.without(range) {
            for carried in uncarried.without(received) {
                self.lost_on_line_only(line, carried, since, sink);
            }
        }
    }

    fn lost_on_line_only<O: Output>(
        &self,
        line: Line,
        range: SeqRange,
        since: Mono,
        sink: &mut Sink<'_, O>,
    ) {
        let Some(last) = range.last() else {
            return;
        };
        sink.count(LOST_ON[line.index()], range.len());
        sink.loss(Loss {
            kind: LossKind::OneLine,
            range,
            session: sink.session,
            line: Some(line),
            filled_by: self.stream.prints.get(last).map(|(by, _)| by),
            at: sink.now,
            missing_for: sink.now.since(since),
        });
    }

    fn next_wake(&self) -> Option<Mono> {
        let Sequencer { config, stream, lines, .. } = self;
        let gap = stream.gaps.deadline(config.grace);
        let lines = lines.iter().filter_map(|line| line.deadline(config.grace, stream.expected));
        lines.chain(gap).min()
    }
}

const PACKETS_ON: [Counter; LINES] = [Counter::PacketsA, Counter::PacketsB, Counter::PacketsC];
const LOST_ON: [Counter; LINES] = [Counter::LostOnA, Counter::LostOnB, Counter::LostOnC];

fn count_packet<O: Output>(line: Line, packet: &Packet<'_>, sink: &mut Sink<'_, O>) {
    sink.count(PACKETS_ON[line.index()], 1);
    sink.count(Counter::Messages, packet.messages.len() as u64);
    match packet.content {
        Content::Data => {}
        Content::Heartbeat => sink.count(Counter::Heartbeats, 1),
        Content::End => sink.count(Counter::Ends, 1),
    }
}
