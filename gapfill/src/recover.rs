//! What the venue's services bring: answers to requests for missing numbers, and the number from
//! which a snapshot goes on. Neither is a line: they say nothing about the venue being alive.

use candor_core::counters::{Counter, Counters};
use candor_core::{Answer, Mono, Origin, Packet, SeqNo};

use crate::fingerprints::print_of;
use crate::lines::LineState;
use crate::sink::Sink;
use crate::{Output, Sequencer};

impl Sequencer {
    /// Takes a packet of the venue's retransmit service: only numbers that are missing in the session in
    /// force, and nothing at all of a packet that contradicts, in any number, what is remembered; from then
    /// on nothing of any other, until [`Sequencer::splice`], a restart or another session
    /// ([`Sequencer::doubts_answers`]). Whatever it holds, the known end stays where it is, and the session,
    /// the lines' positions and the venue's end are what they were. It is no evidence that the venue is
    /// alive.
    ///
    /// For [`Config::session_grace`](crate::Config::session_grace) after a restart every answer is
    /// refused: it may be of the numbering before, under the same name.
    ///
    /// Never returns [`Answer::Rejected`], which is for whoever reads the framing.
    pub fn on_retransmit(
        &mut self,
        now: Mono,
        packet: &Packet<'_>,
        counters: &mut Counters,
        out: &mut impl Output,
    ) -> Answer {
        debug_assert_eq!(packet.range.len(), packet.messages.len() as u64);
        #[cfg(canary)]
        let packet = &self.as_asked(packet);
        let known_end = self.known_end();
        let mut sink = self.sink(now, counters, out);
        sink.count(Counter::RetransmitPackets, 1);
        sink.count(Counter::Messages, packet.range.len());
        self.pass_time(&mut sink);
        let (may, agrees) = (self.may_answer(packet, sink.now), self.agrees(packet));
        let filled = if may && agrees {
            self.fill(packet, &mut sink)
        } else {
            sink.count(Counter::DiscardUnasked, packet.range.len());
            0
        };
        let contradicts = may && !agrees;
        if contradicts {
            sink.count(Counter::RetransmitContradicts, 1);
            self.stream.doubts_answers = true;
        }
        self.settle(&mut sink);
        assert_eq!(self.known_end(), known_end, "an answer shows no number");
        match filled {
            _ if contradicts => Answer::Contradicts,
            0 => Answer::Useless,
            _ => Answer::Filled { range: packet.range },
        }
    }

    /// The venue's own service knows nothing of the session followed. Where another was left for it when
    /// nothing told which of the two is the newer, that is followed again from its next packet on, unless one
    /// line had brought both. What is known stays until then.
    ///
    /// A service may come late with a session, as a line may: within a [`crate::Config::session_grace`] of a change its
    /// word says nothing, and neither does that of [`Sequencer::on_session_accepted`].
    pub fn on_session_refused(&mut self, now: Mono) {
        if self.is_settled(now) {
            self.old.on_refused();
        }
    }

    /// The venue's own service has the session followed: whatever was left for it is older.
    pub fn on_session_accepted(&mut self, now: Mono) {
        if self.is_settled(now) {
            self.old.on_accepted();
            self.contested_until = Mono::NEVER;
        }
    }

    /// Whether no answer is believed: one has contradicted what is known, and nothing has settled since what is
    /// true, a snapshot, a restart or another session; or what is missing begins where a snapshot was joined, and
    /// nothing is known there that an answer could agree with, until a line has brought it.
    #[must_use]
    pub fn doubts_answers(&self) -> bool {
        self.stream.doubts_answers || self.stream.is_bare()
    }

    /// A snapshot contains everything before `next`, which is the next number from here on, or what
    /// is held behind it. Gaps before `next` vanish: they count neither as filled nor as lost. What
    /// is held before it is dropped; what is held from it on is delivered until the next gap.
    /// Nothing of this session counts as given up any more.
    ///
    /// Where `next` lies before [`Sequencer::expected`], this is [`Sequencer::resync`].
    ///
    /// The venue's end stands: at `next` or before it the session has ended. One before `next` and
    /// a snapshot beyond it contradict each other, and an ended session is the safe reading of the
    /// two. Time does not pass: deadlines that `now` has reached are left to the next call.
    ///
    /// # Panics
    /// When no session is in force, or `next` is 0.
    pub fn splice(
        &mut self,
        now: Mono,
        next: SeqNo,
        counters: &mut Counters,
        out: &mut impl Output,
    ) {
        assert!(self.session.is_some(), "a snapshot is of the session followed");
        assert!(next >= SeqNo::FIRST, "number 0 is none");
        if next < self.expected() {
            self.resync(now, next, counters, out);
            return;
        }
        let doubted = self.stream.doubts_answers;
        let mut sink = self.sink(now, counters, out);
        self.stream.splice(next, &mut sink);
        if doubted {
            // They stood where the numbers did that an answer contradicted.
            self.lines.iter_mut().for_each(LineState::forget);
        }
        self.settle(&mut sink);
        assert!(self.expected() >= next);
    }

    /// A snapshot contains everything before `next`, and nothing else that is known of the numbers
    /// is believed any more: a corrupt one may have carried them away. Gaps, held messages and the
    /// lines' positions are forgotten; only the session stays, and that it has ended. An end that
    /// waits for missing numbers is forgotten too: the lines repeat it, or are silent.
    ///
    /// # Panics
    /// When no session is in force, or `next` is 0.
    pub fn resync(
        &mut self,
        now: Mono,
        next: SeqNo,
        counters: &mut Counters,
        out: &mut impl Output,
    ) {
        assert!(self.session.is_some(), "a snapshot is of the session followed");
        assert!(next >= SeqNo::FIRST, "number 0 is none");
        let mut sink = self.sink(now, counters, out);
        self.stream.resync(next, &mut sink);
        for line in &mut self.lines {
            line.forget();
        }
        self.settle(&mut sink);
        assert_eq!(self.expected(), next);
        assert_eq!(self.known_end(), next);
    }

    /// A wrong answer as if it were what is missing, where a canary says so.
    #[cfg(canary)]
    fn as_asked<'a>(&self, packet: &Packet<'a>) -> Packet<'a> {
        let gaps = self.gaps();
        let wrong = if packet.session == self.session() {
            candor_core::canary!(ForeignRangeTaken) && gaps.missing_in(packet.range) == 0
        } else {
            candor_core::canary!(ForeignSessionTaken)
        };
        let missing = gaps.first().map(|gap| gap.range.first);
        let taken = missing.and_then(|first| candor_core::SeqRange::of(first, packet.range.len()));
        match taken.filter(|_| wrong) {
            Some(range) => Packet { session: self.session(), range, ..*packet },
            None => *packet,
        }
    }

    /// Whether an answer may be of the numbering followed, and none was wrong.
    fn may_answer(&self, packet: &Packet<'_>, now: Mono) -> bool {
        let of_numbering = now >= self.answers_from || candor_core::canary!(ForeignSessionTaken);
        self.session == Some(packet.session) && of_numbering && !self.doubts_answers()
    }

    /// Whether an answer agrees in every number that can be compared.
    fn agrees(&self, packet: &Packet<'_>) -> bool {
        if candor_core::canary!(ForeignSessionTaken) {
            return true;
        }
        let numbers = packet.range.first.0..packet.range.end.0;
        // BOUND: the packet.
        numbers.zip(packet.messages).all(|(number, bytes)| {
            let before_gap = number < self.expected().0;
            if before_gap && candor_core::canary!(AnswerUnproven) {
                return true;
            }
            let known = self.stream.known_print(SeqNo(number));
            known.is_none_or(|(_, print)| print == print_of(bytes))
        })
    }

    /// Takes what is missing of an answer. Returns how many messages that were.
    fn fill<O: Output>(&mut self, packet: &Packet<'_>, sink: &mut Sink<'_, O>) -> u64 {
        let stream = &mut self.stream;
        let missing = stream.gaps.missing();
        let numbers = packet.range.first.0..packet.range.end.0;
        // BOUND: the packet.
        for (number, bytes) in numbers.zip(packet.messages) {
            let seq = SeqNo(number);
            if stream.wants(seq) {
                stream.take_new(seq, Origin::Retransmit, bytes, sink);
            } else if stream.known_print(seq).is_some() {
                sink.count(Counter::Duplicate, 1);
            } else {
                sink.count(Counter::DiscardUnasked, 1);
            }
        }
        let filled = missing - stream.gaps.missing();
        assert!(filled <= packet.range.len());
        sink.count(Counter::RetransmitFilled, filled);
        filled
    }
}
