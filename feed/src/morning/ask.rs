//! The handler asks itself what `candor preopen` asks, when that milestone is due, and again each minute until
//! trading has opened: no morning depends on somebody running a command.
//!
//! It is asked on a thread of its own, since it listens for seconds and reads the store of maps.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use candor_core::{Mono, Nanos, TradingDate, Venue};
use candor_maps::calendar::timeline::Timeline;
use candor_maps::calendar::{Step, Wall};
use candor_preopen::{Check, Outcome, Report, Verdict};
use candor_shm::{HandlerWriter, Preopen, PreopenVerdict, Region};

use super::tell;
use crate::clock;
use crate::config::{Config, LISTEN_MAX};
use crate::journal::Journal;
use crate::preopen::{self, Of};

/// How long after an answer that isn't go it is asked again: doubled each time, up to a minute.
const AGAIN: Nanos = Nanos::from_secs(2);
const AGAIN_MAX: Nanos = Nanos::from_secs(60);

/// How long a handler that starts behind the milestone may take to hear everything before it is asked all the same.
const START: Nanos = Nanos::from_secs(15);

/// How long an answer may take beside the listening.
const HANGS: Nanos = Nanos::from_secs(60);

pub(super) type Answer = (Venue, TradingDate, Report);

/// What is to be asked, and where the answer goes.
pub(super) struct Question {
    pub(super) config: Arc<Config>,
    pub(super) region: Region,
    pub(super) venue: Venue,
    pub(super) date: TradingDate,
    pub(super) answer: Sender<Answer>,
}

/// Who asks it, and doesn't wait for the answer; an error where it can't be asked.
pub(super) type Ask = Box<dyn FnMut(Question) -> io::Result<()>>;

/// Asks on a thread of its own.
pub(super) fn on_a_thread(question: Question) -> io::Result<()> {
    let asks = move || {
        let Question { config, region, venue, date, answer } = question;
        let report = preopen::look(&config, &region, Of::Venue(venue));
        // Nobody waits for it any more where the handler ends.
        let _ = answer.send((venue, date, report));
    };
    thread::Builder::new().name("preopen".to_owned()).spawn(asks).map(drop)
}

/// What was asked of one venue.
struct Asked {
    venue: Venue,
    /// Of which date an answer is awaited, and until when.
    waits: Option<(TradingDate, Mono)>,
    next: Mono,
    /// How long after the next answer it is asked again.
    again: Nanos,
    /// The last answer that was said, with what was wrong.
    said: Option<Said>,
    /// The alert runs that it is not go, of this date.
    alerted: Option<TradingDate>,
}

/// An answer in what makes it another one: the date, the outcome, and which checks of what did not hold.
#[derive(PartialEq, Eq)]
struct Said {
    date: TradingDate,
    outcome: Outcome,
    wrong: Vec<(&'static str, String)>,
}

impl Asked {
    /// Publishes an answer, and says it where it is another one than the last.
    fn answered(
        &mut self,
        date: TradingDate,
        report: &Report,
        handler: &mut HandlerWriter,
        journal: &Journal,
    ) {
        handler.set_preopen(&self.venue, &published(date, report));
        let said = Said::of(date, report);
        if self.said.as_ref() == Some(&said) {
            return;
        }
        self.said = Some(said);
        tell::preopen(journal, (self.venue, date), report);
        let go = report.outcome().is_go();
        if go && self.alerted.take().is_some() {
            tell::preopen_is_over(journal, self.venue);
        } else if !go {
            self.alerted = Some(date);
        }
    }
}

impl Said {
    fn of(date: TradingDate, report: &Report) -> Said {
        let wrong = report.wrong().map(|check| (check.name, check.about.clone())).collect();
        Said { date, outcome: report.outcome(), wrong }
    }
}

/// Asks for every venue with a morning.
pub(super) struct Asker {
    venues: Vec<Asked>,
    ask: Ask,
    answers: Receiver<Answer>,
    answer: Sender<Answer>,
}

impl Asker {
    pub(super) fn new(venues: impl Iterator<Item = Venue>, ask: Ask) -> Asker {
        let (answer, answers) = mpsc::channel();
        let one = |venue| Asked {
            venue,
            waits: None,
            next: Mono::NEVER,
            again: AGAIN,
            said: None,
            alerted: None,
        };
        Asker { venues: venues.map(one).collect(), ask, answers, answer }
    }

    /// Publishes and says what was answered.
    pub(super) fn take(&mut self, handler: &mut HandlerWriter, journal: &Journal, now: Mono) {
        while let Ok((venue, date, report)) = self.answers.try_recv() {
            let Some(asked) = self.venues.iter_mut().find(|asked| asked.venue == venue) else {
                continue;
            };
            // What is said of a date that is over comes too late: another one is asked for, or is to be.
            if asked.waits.is_none_or(|(awaited, _)| awaited != date) {
                continue;
            }
            (asked.waits, asked.next) = (None, now + asked.again);
            asked.again = Nanos(asked.again.0 * 2).min(AGAIN_MAX);
            if report.outcome().is_go() {
                asked.next = now + AGAIN_MAX;
                asked.again = AGAIN;
            }
            asked.answered(date, &report, handler, journal);
        }
        // An answer that does not come is none: what was go before is not known to be so now.
        for asked in &mut self.venues {
            let Some((date, _)) = asked.waits.filter(|(_, until)| now >= *until) else { continue };
            let to_do = "which disk hangs? the store of maps, the state, the drill's key";
            let evidence = "it was asked, and no answer comes";
            let check = Check::not(Verdict::Unknown, "preopen", "", evidence, to_do);
            let report = Report { checks: vec![check] };
            if asked.said.as_ref() != Some(&Said::of(date, &report)) {
                asked.answered(date, &report, handler, journal);
            }
        }
    }

    /// Asks for a venue, where it is time to.
    pub(super) fn ask(
        &mut self,
        (config, region): (&Arc<Config>, &Region),
        line: &Timeline,
        (wall, now): (Wall, Mono),
        (venue, journal): (Venue, &Journal),
    ) {
        let Some(asked) = self.venues.iter_mut().find(|asked| asked.venue == venue) else { return };
        // Nor is one waited for that was to be of a date that is over: whatever hung then, this one is asked for.
        if asked.waits.take_if(|(date, _)| *date != line.plan().date).is_some() {
            asked.next = Mono::NEVER;
        }
        // What was not go on a date that is over is no news of this one.
        if asked.alerted.take_if(|date| *date != line.plan().date).is_some() {
            tell::preopen_is_over(journal, venue);
        }
        let planned = |step: Step| line.plan().planned[step.index()];
        let Some(from) = planned(Step::Preopen) else { return };
        let done = |step: Step| line.done()[step.index()].is_some();
        // A go is asked for again until trading opens: what was so at 09:10 need not be at 09:29.
        let over = planned(Step::Open).map_or(done(Step::Preopen), |open| wall >= open);
        if over || asked.waits.is_some() || wall < from || now < asked.next {
            return;
        }
        // One that has just started has not heard everything yet, and that is no news.
        let started = line.watched().filter(|watched| *watched > from);
        let starts = started.is_some_and(|at| wall.0 < at.0.saturating_add(START.0));
        if starts && !(done(Step::Heartbeats) && done(Step::Directory)) {
            return;
        }
        let date = line.plan().date;
        let listens = config.preopen.listen.unwrap_or(LISTEN_MAX);
        let (config, region, answer) = (Arc::clone(config), region.clone(), self.answer.clone());
        match (self.ask)(Question { config, region, venue, date, answer }) {
            Ok(()) => asked.waits = Some((date, now + listens + HANGS)),
            Err(error) => {
                tracing::error!(%venue, "preopen can't be asked: {error}");
                asked.next = now + AGAIN_MAX;
            }
        }
    }
}

/// What readers are told of an answer.
fn published(date: TradingDate, report: &Report) -> Preopen {
    let count = |verdict| report.count(verdict) as u64;
    let verdict = match report.outcome() {
        Outcome::Go | Outcome::GoWithWarnings => PreopenVerdict::Go,
        Outcome::NoGo => PreopenVerdict::NoGo,
        Outcome::Unknown => PreopenVerdict::Unknown,
    };
    Preopen {
        verdict,
        date,
        at: clock::wall(),
        holds: count(Verdict::Holds) + count(Verdict::Warns),
        fails: count(Verdict::Fails),
        unknown: count(Verdict::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use candor_core::alert::Code;
    use candor_core::symbol::Text;
    use candor_shm::{PartitionSpec, RegionSpec, heap};

    use super::*;
    use crate::alert::Word;

    #[test]
    fn an_answer_that_does_not_come_is_none_and_is_said_once() {
        let mut spec = RegionSpec::new(Text::from_wire(b"t").unwrap());
        (spec.events, spec.losses) = (64, 16);
        let venue = Venue::from_wire(b"XNAS").unwrap();
        spec.partitions.push(PartitionSpec { venue, ..PartitionSpec::spare(0, 8) });
        spec.partitions[0].name = Text::from_wire(b"1").unwrap();
        let (mut handler, _, region) = heap(&spec).unwrap();
        let journal = Journal::none();
        let mut asker = Asker::new([venue].into_iter(), Box::new(on_a_thread));
        let (date, at) = (TradingDate(20_261_123), Mono(1_000));
        // It was go, and is asked for again.
        let go = Report { checks: vec![Check::holds("lines", "", "")] };
        asker.venues[0].waits = Some((date, at + HANGS));
        asker.answer.send((venue, date, go.clone())).unwrap();
        asker.take(&mut handler, &journal, at);
        let verdict = || region.venue(&venue).unwrap().preopen.unwrap().verdict;
        assert_eq!(verdict(), PreopenVerdict::Go);
        asker.venues[0].waits = Some((date, at + HANGS));
        asker.take(&mut handler, &journal, Mono(at.0 + HANGS.0 - 1));
        assert_eq!(verdict(), PreopenVerdict::Go);
        for later in 0..3 {
            asker.take(&mut handler, &journal, Mono(at.0 + HANGS.0 + later));
            assert_eq!(verdict(), PreopenVerdict::Unknown);
        }
        // It comes after all.
        asker.answer.send((venue, date, go)).unwrap();
        asker.take(&mut handler, &journal, at + HANGS + HANGS);
        assert_eq!(verdict(), PreopenVerdict::Go);
        let words: Vec<bool> = std::iter::from_fn(|| journal.alerts().take())
            .map(|word| match word {
                Word::Raise { code: Code::PreopenNoGo, .. } => true,
                Word::End { code: Code::PreopenNoGo, .. } => false,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(words, [true, false]);
    }
}
