//! The handler's own thread's part: what was said and what partitions show goes into the machine, and what comes
//! out to the sinks.

use std::collections::BTreeMap;

use candor_core::alert::{Code, Severity};
use candor_core::counters::LaneCounter;
use candor_core::{Mono, Reason, Status};
use candor_engine::alerts::{Alert, Alerts, News, Place, Seen, Suspect};
use candor_shm::{AlertsInfo, HandlerWriter, LaneInfo, PartitionInfo, Region};

use super::command::Commander;
use super::names::Names;
use super::say::Said;
use super::{About, Raiser, Word};
use crate::clock;
use crate::config::Config;
use crate::journal::{self, Journal};
use crate::stderr::Lines;

/// Words taken in one look.
const WORDS: usize = 1_024;

/// What drops frames, or loses its place.
const DROPS: [LaneCounter; 4] = [
    LaneCounter::RxRingFull,
    LaneCounter::FillRingEmpty,
    LaneCounter::RxDropped,
    LaneCounter::Misdirected,
];

/// Where alerts go, but for the region.
pub(crate) struct Sinks {
    pub(crate) journal: Journal,
    /// Standard error, for a line of JSON; `None` where nobody is to be told.
    pub(crate) lines: Option<Lines>,
    pub(crate) handler: String,
}

impl Sinks {
    pub(crate) fn of(config: &Config, journal: &Journal, lines: Option<Lines>) -> Sinks {
        Sinks { journal: journal.clone(), lines, handler: config.handler.name.to_string() }
    }
}

/// See the module's description.
pub(crate) struct Desk {
    raiser: Raiser,
    machine: Alerts,
    names: Names,
    /// By an alert's number, of those that have a text of their own.
    texts: BTreeMap<u64, String>,
    seen: Vec<Seen>,
    /// By lane: what it had dropped, and how often it had stood still.
    lanes: Vec<[u64; 2]>,
    news: Vec<(News, Alert)>,
    sinks: Sinks,
    command: Option<Commander>,
    /// As it was put into the region last.
    shown: Option<AlertsInfo>,
}

/// Nothing is said of what was not seen yet, or is a place to spare.
const UNSEEN: Seen =
    Seen { status: Status::stale(Reason::NotStarted), halted: false, wanted: false };

impl Desk {
    /// For the partitions of this configuration. The command's thread is started where one is configured.
    pub(crate) fn new(config: &Config, sinks: Sinks) -> Desk {
        let mut names = Names::default();
        let raiser = sinks.journal.alerts().clone();
        Desk {
            machine: Alerts::new(names.seats(config)),
            names,
            texts: BTreeMap::new(),
            seen: vec![UNSEEN; config.partitions.len()],
            lanes: Vec::new(),
            news: Vec::new(),
            command: config.alerts.as_ref().and_then(|alerts| Commander::start(alerts, &raiser)),
            raiser,
            sinks,
            shown: None,
        }
    }

    /// Lines go there from now on.
    #[cfg(test)]
    pub(super) fn set_lines(&mut self, lines: Lines) {
        self.sinks.lines = Some(lines);
    }

    /// A map has changed the partitions.
    pub(crate) fn reseat(&mut self, config: &Config) {
        self.machine.reseat(self.names.seats(config));
        self.seen.resize(config.partitions.len(), UNSEEN);
    }

    /// What a partition shows; `wanted`: its lines are joined, as somebody meant.
    pub(crate) fn see(&mut self, info: &PartitionInfo, wanted: bool) {
        if let Some(seen) = self.seen.get_mut(usize::from(info.index)) {
            let halted = info.status.reason() == Some(Reason::Halted);
            *seen = Seen { status: info.unhalted, halted, wanted };
        }
    }

    /// Takes what was said.
    pub(crate) fn take(&mut self, now: Mono, config: &Config) {
        let missed = self.raiser.take_missed();
        if missed > 0 {
            let text = format!("{missed} alerts found no room on their way here");
            self.raise(now, Code::LogOverflow, &About::Handler, missed, text);
        }
        // BOUND: as many as the queue holds; what comes meanwhile waits for the next time.
        for _ in 0..WORDS {
            let Some(word) = self.raiser.take() else { break };
            self.word(now, word);
        }
        self.pass_on(now, config);
    }

    /// Looks at every partition as it was seen last, and at what lanes count.
    pub(crate) fn look(&mut self, now: Mono, config: &Config, region: &Region) {
        self.look_at_lanes(now, region);
        let news = &mut self.news;
        self.machine.look(now, &self.seen, |what, alert| news.push((what, *alert)));
        self.pass_on(now, config);
    }

    /// Puts the table into the region, if it is another.
    pub(crate) fn show(&mut self, config: &Config, handler: &mut HandlerWriter) {
        let entries = self.machine.iter().map(|(_, alert)| {
            let text = self.texts.get(&alert.id).map(String::as_str);
            Said::of((News::Changes, *alert), text, Vec::new(), &self.names, config).entry()
        });
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(|entry| entry.id);
        let [commands, commands_failed] = self.command.as_ref().map_or([0; 2], Commander::counts);
        let info = AlertsInfo {
            entries,
            active: self.machine.active() as u64,
            overflowed: self.machine.overflowed(),
            passed: self.machine.passed(),
            commands,
            commands_failed,
        };
        if self.shown.as_ref() != Some(&info) {
            handler.set_alerts(&info);
            self.shown = Some(info);
        }
    }

    fn word(&mut self, now: Mono, word: Word) {
        match word {
            Word::Raise { code, about, more, text } => self.raise(now, code, &about, more, text),
            Word::End { code, about } => {
                let place = self.names.place(&about);
                self.machine.end(now, code, place);
            }
            Word::Over { code, about } => {
                let place = self.names.place(&about);
                let Desk { machine, news, .. } = self;
                machine.over(now, code, place, |what, alert| news.push((what, *alert)));
            }
            Word::Odd { code, partitions, begins, text } => {
                let Desk { machine, news, .. } = self;
                let id = machine.odd(now, code, &partitions, begins, |what, alert| {
                    news.push((what, *alert));
                });
                if let Some(id) = id {
                    self.texts.insert(id, text);
                }
            }
            Word::Suspect { what, about } => {
                let place = self.names.place(&about);
                self.suspect(now, what, place);
            }
        }
    }

    fn suspect(&mut self, now: Mono, what: Suspect, place: Place) {
        let news = &mut self.news;
        self.machine.suspect(now, what, place, |what, alert| news.push((what, *alert)));
    }

    fn raise(&mut self, now: Mono, code: Code, about: &About, more: u64, text: String) {
        let place = self.names.place(about);
        let Desk { machine, news, .. } = self;
        let before = news.len();
        let id = machine.raise(now, code, place, more, |what, alert| news.push((what, *alert)));
        let Some(id) = id else { return };
        let Some(alert) = machine.iter().map(|(_, it)| *it).find(|it| it.id == id) else { return };
        if alert.code != code {
            // It explains what was said already: that has it as a suspect, and this is why.
            tracing::warn!(explains = alert.code.label(), by = code.label(), "{text}");
            return;
        }
        let known = self.texts.insert(id, text.clone());
        // Of what lasts another reason is news; of what happens again and again the number is.
        let other = known.is_some_and(|known| known != text);
        if other && !code.passes() && news.len() == before {
            news.push((News::Changes, alert));
        }
    }

    /// Frames that were dropped and lanes that stood still are suspects.
    fn look_at_lanes(&mut self, now: Mono, region: &Region) {
        let counted = |lane: LaneInfo| {
            let dropped = DROPS.iter().map(|counter| lane.get(*counter)).sum();
            [dropped, lane.get(LaneCounter::Stalls)]
        };
        let counts: Vec<[u64; 2]> = region.lanes(now).map(counted).collect();
        let before = std::mem::replace(&mut self.lanes, counts.clone());
        for (lane, (before, count)) in (0u16..).zip(before.iter().zip(&counts)) {
            for (what, at) in [(Suspect::Drops, 0), (Suspect::Stall, 1)] {
                if count[at] > before[at] {
                    self.suspect(now, what, Place::Lane(lane));
                }
            }
        }
    }

    /// What is new goes to the sinks.
    fn pass_on(&mut self, now: Mono, config: &Config) {
        for (what, alert) in std::mem::take(&mut self.news) {
            let about = self.machine.partitions(alert.id);
            let mut partitions: Vec<String> =
                about.map(|number| journal::name(config, number)).collect();
            if partitions.is_empty() {
                partitions = self.names.partitions(config, alert.place);
            }
            let text = self.texts.get(&alert.id).map(String::as_str);
            let said = Said::of((what, alert), text, partitions, &self.names, config);
            self.tell(now, &said);
        }
        let known: Vec<u64> = self.machine.iter().map(|(_, alert)| alert.id).collect();
        self.texts.retain(|id, _| known.contains(id));
    }

    fn tell(&self, now: Mono, said: &Said) {
        said.log(now);
        self.sinks.journal.record("alert", said.fields());
        if said.news == News::Changes {
            return;
        }
        let json = format!("{}\n", said.json(&self.sinks.handler, clock::wall(), now));
        if let Some(lines) = &self.sinks.lines {
            lines.put(json.as_bytes());
        }
        let code = said.alert.code;
        // What can't be passed on is not passed on by the same way.
        let passed = code != Code::AlertCommand;
        if let Some(command) = self.command.as_ref().filter(|_| passed) {
            let severity: Severity = code.severity();
            command.run(severity, json);
        }
    }
}
