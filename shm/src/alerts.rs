//! The table of alerts: what operators are told of, as any reader can see it. For displays and monitors; no
//! price depends on it.

use candor_core::Mono;
use candor_core::alert::Code;
use candor_core::limits::ALERTS;

use crate::atomic::{AtomicU64, Ordering};
use crate::layout::{ALERT_TEXTS, ALERT_WORDS, AlertTable};
use crate::reader::Region;
use crate::seqlock;
use crate::writer::HandlerWriter;

/// One alert.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlertEntry {
    /// Its number in the handler's life, from 1.
    pub id: u64,
    /// What it says. One of a later version is left out.
    pub code: Code,
    /// Partitions that are sick by it now.
    pub sick: u16,
    /// As many as there were at once.
    pub most: u16,
    /// Partitions at its place.
    pub of: u16,
    /// How often it was raised.
    pub count: u64,
    /// When it began.
    pub since: Mono,
    /// When something was added last.
    pub last: Mono,
    /// Since when it is over; [`Mono::NEVER`] while it runs.
    pub over: Mono,
    /// Where: of symptoms what all of them have in common. Cut after 48 bytes, as the next.
    pub place: String,
    /// What else all of them have in common, so that nothing tells which is meant.
    pub also: String,
    /// What may be the cause. Cut after 96 bytes.
    pub suspects: String,
    /// What is so. Cut after 256 bytes.
    pub text: String,
}

/// The table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AlertsInfo {
    /// Every alert there is an entry of, those that run and those that are over, in order of their numbers.
    pub entries: Vec<AlertEntry>,
    /// Alerts that run.
    pub active: u64,
    /// Alerts that found no entry.
    pub overflowed: u64,
    /// Symptoms that were gone before they were spoken of.
    pub passed: u64,
    /// Runs of the configured command that ended well.
    pub commands: u64,
    /// Runs that did not, or could not begin.
    pub commands_failed: u64,
}

fn get(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

fn set(word: &AtomicU64, value: u64) {
    word.store(value, Ordering::Relaxed);
}

/// Writes a text in whole characters, what does not fit cut off. Nothing of it commands a terminal.
fn write_text(words: &[AtomicU64], text: &str) {
    let shown: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    let mut end = shown.len().min(words.len() * 8);
    while !shown.is_char_boundary(end) {
        end -= 1;
    }
    let bytes = &shown.as_bytes()[..end];
    for (at, word) in words.iter().enumerate() {
        let byte = |byte: usize| bytes.get(at * 8 + byte).copied().unwrap_or(0);
        set(word, u64::from_ne_bytes(std::array::from_fn(byte)));
    }
}

fn read_text(words: &[u64]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(&bytes[..end]);
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

fn write_entry(words: &[AtomicU64], entry: Option<&AlertEntry>) {
    let Some(entry) = entry else {
        set(&words[0], 0);
        return;
    };
    let packed = u64::from(entry.code.number())
        | u64::from(entry.sick) << 16
        | u64::from(entry.most) << 32
        | u64::from(entry.of) << 48;
    let numbers = [entry.id, packed, entry.count, entry.since.0, entry.last.0, entry.over.0, 0, 0];
    for (word, value) in words.iter().zip(numbers) {
        set(word, value);
    }
    let texts = [&entry.place, &entry.also, &entry.suspects, &entry.text];
    for (at, text) in ALERT_TEXTS.into_iter().zip(texts) {
        write_text(&words[at], text);
    }
}

fn read_entry(words: &[u64]) -> Option<AlertEntry> {
    let [id, packed, count, since, last, over] = *words.first_chunk()?;
    let part = |shift: u32| (packed >> shift) as u16;
    let text = |at: usize| read_text(&words[ALERT_TEXTS[at].clone()]);
    let code = Code::from_number(part(0)).filter(|_| id != 0)?;
    Some(AlertEntry {
        id,
        code,
        sick: part(16),
        most: part(32),
        of: part(48),
        count,
        since: Mono(since),
        last: Mono(last),
        over: Mono(over),
        place: text(0),
        also: text(1),
        suspects: text(2),
        text: text(3),
    })
}

impl HandlerWriter {
    /// Replaces the table of alerts. Beyond 64 entries the rest is left out.
    pub fn set_alerts(&mut self, info: &AlertsInfo) {
        let table: &AlertTable = self.map().at(self.plan().alerts_at);
        seqlock::write(&table.lock, || {
            set(&table.active, info.active);
            set(&table.overflowed, info.overflowed);
            set(&table.passed, info.passed);
            set(&table.commands, info.commands);
            set(&table.commands_failed, info.commands_failed);
            for (at, words) in table.entries.chunks_exact(ALERT_WORDS).enumerate() {
                write_entry(words, info.entries.get(at));
            }
        });
    }
}

impl Region {
    /// The table of alerts; `None` when the writer was in the way, or died while writing it.
    #[must_use]
    pub fn alerts(&self) -> Option<AlertsInfo> {
        let (map, plan) = self.parts();
        let table: &AlertTable = map.at(plan.alerts_at);
        let mut words = vec![0; ALERTS * ALERT_WORDS];
        let copy = seqlock::read(&table.lock, || {
            for (word, from) in words.iter_mut().zip(&table.entries) {
                *word = get(from);
            }
            AlertsInfo {
                entries: Vec::new(),
                active: get(&table.active),
                overflowed: get(&table.overflowed),
                passed: get(&table.passed),
                commands: get(&table.commands),
                commands_failed: get(&table.commands_failed),
            }
        });
        let (mut info, _) = copy?;
        info.entries = words.chunks_exact(ALERT_WORDS).filter_map(read_entry).collect();
        info.entries.sort_by_key(|entry| entry.id);
        Some(info)
    }
}

#[cfg(test)]
mod tests {
    use candor_core::symbol::Text;

    use super::*;
    use crate::spec::RegionSpec;

    fn entry(id: u64, text: &str) -> AlertEntry {
        AlertEntry {
            id,
            code: Code::PartitionSilent,
            sick: 3,
            most: 1_024,
            of: 1_024,
            count: 7,
            since: Mono(5),
            last: Mono(6),
            over: Mono::NEVER,
            place: "venue XNAS".to_owned(),
            also: "lane 0, interface eth1".to_owned(),
            suspects: "interface eth1 2 s before".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read_and_what_is_too_long_is_cut_in_whole_characters() {
        let spec = RegionSpec::new(Text::from_wire(b"alerts").expect("short"));
        let (mut handler, _, region) = crate::heap(&spec).expect("a sound region");
        assert_eq!(region.alerts(), Some(AlertsInfo::default()));
        let mut info = AlertsInfo {
            entries: vec![entry(1, "silent"), entry(2, "")],
            active: 2,
            overflowed: 3,
            passed: 4,
            commands: 5,
            commands_failed: 6,
        };
        handler.set_alerts(&info);
        assert_eq!(region.alerts(), Some(info.clone()));
        info.entries.remove(0);
        handler.set_alerts(&info);
        assert_eq!(region.alerts(), Some(info.clone()), "what is gone is gone");
        info.entries[0].text = "\u{1b}[31mé".to_owned() + &"é".repeat(200);
        handler.set_alerts(&info);
        let read = region.alerts().expect("nobody writes");
        let text = &read.entries[0].text;
        assert!(text.len() <= 256 && text.len() > 250 && text.starts_with(" [31mé"), "{text}");
        info.entries = (1..=70).map(|id| entry(id, "many")).collect();
        handler.set_alerts(&info);
        assert_eq!(region.alerts().expect("nobody writes").entries.len(), ALERTS);
    }

    #[test]
    fn a_table_whose_writer_died_is_none() {
        let spec = RegionSpec::new(Text::from_wire(b"alerts").expect("short"));
        let (handler, _, region) = crate::heap(&spec).expect("a sound region");
        let table: &AlertTable = handler.map().at(handler.plan().alerts_at);
        set(&table.lock, 1);
        assert_eq!(region.alerts(), None);
    }
}
