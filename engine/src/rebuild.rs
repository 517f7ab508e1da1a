//! Books out of a snapshot: emptied when it begins, built from its messages, and joined to the
//! stream exactly at its number. Until then the partition, or the symbols concerned, are stale.
//!
//! | what is wrong | what the snapshot is for | meanwhile |
//! | --- | --- | --- |
//! | numbers that nobody can send again, lines that differ, a message nobody can read | all books | Stale(Gap) or the like, from `Begin` on Stale(Recovering) |
//! | the book of some symbols broke the venue's rules | those symbols | they are Stale(SymbolQuarantined), then Stale(SymbolRecovering); the others go on |

use candor_core::counters::Counters;
use candor_core::limits::REPLAY_MESSAGES;
use candor_core::{Event, Loss, LossKind, Messages, Mono, Nanos, Reason, Reject, SeqNo, SeqRange};
use candor_snapshot::{self as snapshot, Snapshots, Splice};

use crate::content::Content;
use crate::evidence::Renumbered;
use crate::{Config, Sink, Step};

/// How long symbols that are quarantined after a snapshot wait for the next; doubles each time, unless none
/// was for as long.
const QUARANTINED_AGAIN: Nanos = Nanos::from_secs(1);
const QUARANTINED_AGAIN_MAX: Nanos = Nanos::from_secs(64);

/// What happens to the messages of the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hold {
    /// They are applied.
    Nothing,
    /// They are held back: there are no books to apply them to.
    All,
    /// They are held back, and applied to the symbols that are not being rebuilt.
    Quarantined,
}

/// What a snapshot is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extent {
    /// All books.
    All,
    /// The books that broke the venue's rules.
    Quarantined,
}

/// A snapshot on its way into the stream.
#[derive(Debug)]
pub(crate) struct Splicing {
    pub(crate) splice: Splice,
    /// It goes on from a number that is past for us.
    pub(crate) resync: bool,
}

/// Whether books have to be rebuilt, and how far that is.
#[derive(Debug)]
pub(crate) struct Rebuild {
    /// `None` where the venue has no snapshots for us.
    pub(crate) snapshots: Option<Snapshots>,
    pub(crate) hold: Hold,
    /// What a snapshot is wanted for.
    pub(crate) extent: Extent,
    /// What the one that has begun is for.
    pub(crate) begun: Extent,
    /// When the last one had come whole.
    pub(crate) loaded_at: Mono,
    /// It is being joined to the stream: what was held back is applied, a bounded part at a time.
    pub(crate) splicing: Option<Splicing>,
    /// Only a snapshot of everything before this number makes the books whole.
    pub(crate) needs: Option<SeqNo>,
    /// The same for the symbols that are quarantined.
    pub(crate) quarantined_needs: SeqNo,
    /// What was needed of the snapshot of this cycle when it was asked for.
    pub(crate) asked: (u32, SeqNo),
    /// How many symbols are quarantined: their book broke the venue's rules, or is crossed.
    pub(crate) quarantined: u32,
    quarantined_from: Mono,
    quarantined_wait: Nanos,
    /// The numbers are others than they were: what was asked for is of no use.
    pub(crate) renumbered: bool,
    /// The numbers began again under the same name. Until then packets and answers of the numbering
    /// before may come, and nothing is asked for.
    pub(crate) doubt_until: Option<Mono>,
    /// The stream goes on from this number by a snapshot's word alone; the lines have until then to
    /// show that it does.
    pub(crate) unconfirmed: Option<(SeqNo, Mono)>,
    /// Since when snapshots say other than what the lines brought right before their numbers.
    pub(crate) refuted: Option<Mono>,
    /// The numbers of the last packet that another line contradicted.
    pub(crate) contested: SeqRange,
    /// The first number that is not in the books, and since when.
    missing: Option<(SeqNo, Mono)>,
}

impl Rebuild {
    pub(crate) fn new(config: &Config) -> Rebuild {
        Rebuild {
            snapshots: config.services.snapshot.map(Snapshots::new),
            hold: Hold::Nothing,
            extent: Extent::All,
            begun: Extent::All,
            loaded_at: Mono::NEVER,
            splicing: None,
            needs: None,
            quarantined_needs: SeqNo::FIRST,
            asked: (0, SeqNo::FIRST),
            quarantined: 0,
            quarantined_from: Mono::NEVER,
            quarantined_wait: QUARANTINED_AGAIN,
            renumbered: false,
            doubt_until: None,
            unconfirmed: None,
            refuted: None,
            contested: SeqRange::default(),
            missing: None,
        }
    }

    /// Nothing is to be rebuilt and nothing is under way; or nothing ever can be.
    pub(crate) fn is_quiet(&self) -> bool {
        if self.snapshots.is_none() {
            return true;
        }
        self.needs.is_none()
            && self.quarantined == 0
            && self.hold == Hold::Nothing
            && self.unconfirmed.is_none()
    }

    /// There are no books to show.
    pub(crate) fn is_emptied(&self) -> bool {
        self.hold == Hold::All && !self.promotes()
    }

    /// Whether books that are not joined to the stream yet are shown: never, canaries left aside.
    pub(crate) fn promotes(&self) -> bool {
        let arrived = |snapshots: &Snapshots| snapshots.state() == snapshot::State::Loaded;
        candor_core::canary!(PromotedBeforeSplice) && self.snapshots.as_ref().is_some_and(arrived)
    }

    /// A symbol is quarantined from now on, or no longer.
    pub(crate) fn count_quarantined(&mut self, was: bool, is: bool) {
        match (was, is) {
            (false, true) => self.quarantined += 1,
            (true, false) => self.quarantined -= 1,
            _ => {}
        }
    }

    /// Symbols are quarantined for a new reason: only a snapshot of everything before this number will do, and no
    /// earlier one of no use is a reason to wait.
    pub(crate) fn want_for_quarantined(&mut self, needs: SeqNo) {
        self.quarantined_needs = self.quarantined_needs.max(needs);
        self.quarantined_from = Mono::NEVER;
    }

    /// The books lack what comes before `end`, from `first` on.
    pub(crate) fn lacks(&mut self, first: SeqNo, end: SeqNo, now: Mono) {
        self.needs = Some(self.needs.map_or(end, |needs| needs.max(end)));
        self.missing.get_or_insert((first, now));
    }

    /// A new session: what the old one's books lacked no longer matters.
    pub(crate) fn new_session(&mut self, now: Mono, counters: &mut Counters) {
        self.renumbered = true;
        self.hold = Hold::Nothing;
        self.splicing = None;
        self.needs = None;
        self.quarantined_needs = SeqNo::FIRST;
        self.quarantined = 0;
        self.quarantined_wait = QUARANTINED_AGAIN;
        self.doubt_until = None;
        self.unconfirmed = None;
        self.refuted = None;
        self.contested = SeqRange::default();
        self.missing = None;
        if let Some(snapshots) = &mut self.snapshots {
            snapshots.reset(now, counters);
        }
    }

    /// The numbers began again under the same name: what came right before and after may be of either
    /// numbering. By `until` no line can lag that far; then only a snapshot shows what is true.
    pub(crate) fn restarted(&mut self, until: Mono) {
        self.doubt_until = Some(until);
        if self.snapshots.is_some() {
            self.needs = Some(SeqNo::FIRST);
        }
    }

    /// Whether nothing is asked for yet after the numbers began again.
    pub(crate) fn is_in_doubt(&self, now: Mono) -> bool {
        self.doubt_until.is_some_and(|until| now < until)
    }

    /// What a snapshot is wanted for, and which number it must reach at least. `lost` is the end of
    /// what the venue can't send again.
    pub(crate) fn wants(&self, now: Mono, lost: Option<SeqNo>) -> Option<(Extent, SeqNo)> {
        if self.is_in_doubt(now) {
            return None;
        }
        let emptied = (self.hold == Hold::All).then_some(SeqNo::FIRST);
        // The lines' numbers are others, then, and all they bring is old to us.
        let unconfirmed = self.unconfirmed.filter(|(_, until)| now >= *until).map(|(next, _)| next);
        if let Some(needs) = self.needs.max(lost).max(emptied).max(unconfirmed) {
            return Some((Extent::All, needs));
        }
        let quarantined = self.quarantined > 0 && now >= self.quarantined_from;
        (quarantined || self.hold == Hold::Quarantined)
            .then_some((Extent::Quarantined, self.quarantined_needs))
    }

    /// When there is something to do that nothing else brings about: the rest of a splice at once,
    /// symbols that are quarantined still after their wait, a number that the lines don't confirm.
    pub(crate) fn deadline(&self, now: Mono) -> Option<Mono> {
        if self.splicing.is_some() {
            return Some(now);
        }
        let doubt = self.doubt_until.filter(|until| *until > now);
        if doubt.is_some() || self.snapshots.is_none() {
            return doubt;
        }
        let quarantined = (self.quarantined > 0).then_some(self.quarantined_from);
        let unconfirmed = self.unconfirmed.map(|(_, until)| until);
        [quarantined, unconfirmed].into_iter().flatten().filter(|at| *at > now).min()
    }

    /// A snapshot says other than what the lines brought. Answers whether the first did so longer ago than `lag`.
    pub(crate) fn is_refuted_for(&mut self, now: Mono, lag: Nanos) -> bool {
        now >= *self.refuted.get_or_insert(now) + lag
    }

    /// The snapshot that is loaded says other than what the lines brought.
    pub(crate) fn refute(&mut self, now: Mono, counters: &mut Counters) -> snapshot::Step {
        match &mut self.snapshots {
            Some(snapshots) => snapshots.refute(now, counters),
            None => snapshot::Step::Ignore,
        }
    }

    /// The snapshot under way is of no use any more.
    pub(crate) fn abandon(&mut self, now: Mono, counters: &mut Counters) -> snapshot::Step {
        self.splicing = None;
        match &mut self.snapshots {
            Some(snapshots) => snapshots.abandon(now, counters),
            None => snapshot::Step::Ignore,
        }
    }
}

impl Content {
    /// Asserts what must always hold between two calls.
    pub(crate) fn check_rebuild(&self) {
        let rebuild = &self.rebuild;
        let known = || self.symbols.indices().map(|index| self.symbols.get(index));
        assert_eq!(
            known().filter(|known| known.is_quarantined()).count(),
            rebuild.quarantined as usize
        );
        let recovering = known().any(|known| known.recovering);
        assert!(!recovering || rebuild.hold != Hold::Nothing, "nothing brings its book back");
        let Some(snapshots) = &rebuild.snapshots else {
            assert_eq!(rebuild.hold, Hold::Nothing, "held for a snapshot that never comes");
            return;
        };
        snapshots.check();
        assert_eq!(snapshots.is_holding(), rebuild.hold != Hold::Nothing);
        assert!(rebuild.splicing.is_none() || rebuild.hold != Hold::Nothing);
        assert!(rebuild.refuted.is_none() || rebuild.hold != Hold::Nothing);
    }

    /// Messages were given up: nothing that follows can be applied.
    pub(crate) fn lost(&mut self, range: SeqRange) {
        let now = self.now;
        let Some(snapshots) = &mut self.rebuild.snapshots else { return };
        snapshots.hold_from(range.end, &mut self.counters);
        self.rebuild.hold = Hold::All;
        self.rebuild.lacks(range.first, range.end, now);
    }

    /// Holds a message back. A full holdback lets its oldest go; only a later snapshot will do then.
    pub(crate) fn hold_back(&mut self, seq: SeqNo, bytes: &[u8], sink: &mut impl Sink) {
        let Some(snapshots) = &mut self.rebuild.snapshots else { return };
        let step = snapshots.hold(self.now, seq, bytes, &mut self.counters);
        if let snapshot::Step::Failed(why) = step {
            self.rebuild.splicing = None;
            sink.step(&Step::SnapshotFailed { why }, self.now);
        }
    }

    /// A snapshot begins to arrive: what it is for is emptied, and the stream held back from
    /// `expected` on unless it is already.
    pub(crate) fn begin_snapshot(&mut self, expected: SeqNo, sink: &mut impl Sink) {
        let now = self.now;
        let rebuild = &mut self.rebuild;
        let Some(snapshots) = &mut rebuild.snapshots else { return };
        if !snapshots.is_holding() {
            snapshots.hold_from(expected, &mut self.counters);
        }
        rebuild.missing.get_or_insert((expected, now));
        // Where there are no books at all, some of them are not enough, whatever it was asked for.
        let emptied = rebuild.hold == Hold::All;
        rebuild.begun = if emptied { Extent::All } else { rebuild.extent };
        match rebuild.begun {
            Extent::All => {
                rebuild.hold = Hold::All;
                rebuild.quarantined = 0;
                rebuild.needs = Some(rebuild.needs.unwrap_or(SeqNo::FIRST));
                self.empty_books(sink);
            }
            Extent::Quarantined => {
                rebuild.hold = Hold::Quarantined;
                self.empty_quarantined_books();
            }
        }
    }

    /// Nothing is left of the books that broke the venue's rules.
    fn empty_quarantined_books(&mut self) {
        for index in self.symbols.indices() {
            let known = self.symbols.get_mut(index);
            if known.is_quarantined() || known.recovering {
                self.rebuild.quarantined -= u32::from(known.is_quarantined());
                known.recovering = true;
                // The image has to name it: what it doesn't have is no empty book.
                known.named = false;
                known.arrived = false;
                known.broken = false;
                known.crossed = false;
                known.open = false;
                known.unshown_since = None;
                self.books.restart_symbol(index);
                self.touch(index);
            }
        }
    }

    /// Nothing of the books is left, and with the new epoch nothing of what was published.
    fn empty_books(&mut self, sink: &mut impl Sink) {
        self.new_epoch(Reason::Recovering, sink);
        self.evidence.lines_differ = false;
        self.evidence.unreadable = false;
    }

    /// Takes messages of the snapshot.
    ///
    /// # Errors
    /// A message that can't be understood, or that no book can follow from: the snapshot is broken.
    pub(crate) fn take_snapshot(
        &mut self,
        messages: Messages<'_>,
        sink: &mut impl Sink,
    ) -> Result<(), Reject> {
        for bytes in messages {
            let message = self.decode(bytes)?;
            if message.event == Event::Unknown {
                continue;
            }
            let index = match self.rebuild.begun {
                Extent::Quarantined => {
                    let index = self.symbols.by_key(message.key);
                    index.filter(|index| self.symbols.get(*index).recovering)
                }
                Extent::All => self.resolve(SeqNo(0), &message, bytes, sink),
            };
            let Some(index) = index else { continue };
            self.apply(index, SeqNo(0), &message).map_err(|_| Reject::BadField)?;
        }
        Ok(())
    }

    /// The snapshot is whole and meets the stream: what was held back behind it follows, part by part
    /// ([`Content::replay`]), and then everything is as it would have been.
    pub(crate) fn begin_splice(&mut self, splice: Splice, resync: bool) {
        let next = splice.next();
        let all = self.rebuild.begun == Extent::All;
        for index in self.symbols.indices() {
            if all || self.symbols.get(index).recovering {
                self.books.cover(index, next);
            }
        }
        if all {
            self.evidence.session_changed = false;
            self.evidence.renumbered = Renumbered::No;
            // Where lines differed while it loaded, more was needed since then: it contains that too.
            self.evidence.lines_differ = false;
            self.rebuild.needs = None;
            self.unheard |= !self.evidence.yesterdays;
            // Of numbers that may be others from here on.
            self.rebuild.quarantined_needs = SeqNo::FIRST;
            self.rebuild.unconfirmed = None;
        }
        self.rebuild.splicing = Some(Splicing { splice, resync });
    }

    /// Applies the next part of what was held back. Answers the splice once nothing is left of it:
    /// the caller lets the stream go on from its number, where it has not come so far.
    pub(crate) fn replay(&mut self, sink: &mut impl Sink) -> Option<Splicing> {
        let splicing = self.rebuild.splicing.take()?;
        let mut snapshots = self.rebuild.snapshots.take()?;
        let mut left = REPLAY_MESSAGES;
        while left > 0 {
            let Some((seq, bytes)) = snapshots.take_held(&splicing.splice) else { break };
            left -= 1;
            match self.rebuild.begun {
                Extent::All => self.apply_message(seq, bytes, sink),
                Extent::Quarantined => self.replay_to_recovering(seq, bytes),
            }
        }
        self.rebuild.snapshots = Some(snapshots);
        if left == 0 {
            self.rebuild.splicing = Some(splicing);
            return None;
        }
        Some(splicing)
    }

    /// The books are whole up to the next number expected.
    pub(crate) fn end_splice(&mut self, splice: Splice, sink: &mut impl Sink) {
        let next = splice.next();
        self.rebuild.hold = Hold::Nothing;
        self.rebuild.refuted = None;
        self.rebuild.contested = SeqRange::default();
        for index in self.symbols.indices() {
            let known = self.symbols.get_mut(index);
            if known.recovering {
                known.recovering = false;
                let (key, named) = (known.key, known.named);
                self.touch(index);
                // The stream has it and the image had not: a later one may.
                if !named && self.symbols.by_key(key) == Some(index) {
                    self.quarantine(index);
                }
            }
        }
        if let Some(snapshots) = &mut self.rebuild.snapshots {
            snapshots.done(self.now, splice, &mut self.counters);
        }
        self.rest_after_splice(next, sink);
    }

    /// A message that came while the quarantined symbols were rebuilt: the others have had it.
    fn replay_to_recovering(&mut self, seq: SeqNo, bytes: &[u8]) {
        let Ok(message) = self.config.format.decode(bytes) else { return };
        let index = self.symbols.by_key(message.key);
        if let Some(index) = index.filter(|index| self.symbols.get(*index).recovering) {
            let _ = self.apply(index, seq, &message);
        }
    }

    /// Says what the splice brought, and lets symbols that are quarantined again wait.
    fn rest_after_splice(&mut self, next: SeqNo, sink: &mut impl Sink) {
        let rebuild = &mut self.rebuild;
        if rebuild.begun == Extent::Quarantined {
            let rested = self.now.since(rebuild.quarantined_from) > rebuild.quarantined_wait;
            let longer = Nanos((rebuild.quarantined_wait.0 * 2).min(QUARANTINED_AGAIN_MAX.0));
            rebuild.quarantined_wait = if rested { QUARANTINED_AGAIN } else { longer };
            rebuild.quarantined_from = self.now + rebuild.quarantined_wait;
        }
        if let Some((first, since)) = rebuild.missing.take() {
            let range = SeqRange::between(first, next);
            if !range.is_empty() {
                sink.loss(&Loss {
                    kind: LossKind::Spliced,
                    range,
                    session: self.session,
                    line: None,
                    filled_by: None,
                    at: self.now,
                    missing_for: self.now.since(since),
                });
            }
        }
        sink.step(&Step::Spliced { next }, self.now);
    }
}
