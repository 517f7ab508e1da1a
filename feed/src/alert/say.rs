//! An alert in words: one description from which the region's entry, the journal's record, the lines of the log
//! and what the command gets are made.

use candor_core::alert::{Code, Kind, Severity};
use candor_core::{Mono, Nanos, Reason};
use candor_engine::alerts::{Alert, News};
use candor_journal::Fields;
use candor_shm::AlertEntry;
use serde_json::{Value, json};

use super::names::Names;
use crate::config::Config;

/// Partitions named in a line or a record; of more there is the number.
const NAMED: usize = 32;

/// An alert, described.
pub(super) struct Said {
    pub(super) alert: Alert,
    pub(super) news: News,
    pub(super) place: String,
    pub(super) also: Vec<String>,
    pub(super) suspects: Vec<String>,
    pub(super) text: String,
    /// Those that are part of it.
    pub(super) partitions: Vec<String>,
    pub(super) more: usize,
}

/// Where a code's section is.
pub(crate) fn runbook(code: Code) -> String {
    format!("docs/ALERTS.md#{code}")
}

/// The sentence of a symptom.
fn sentence(alert: &Alert, place: &str) -> String {
    let reason = Reason::ALL.into_iter().find(|it| Code::of_reason(*it) == Some(alert.code));
    let what = reason.map_or("", Reason::text);
    match (alert.most, alert.of) {
        (1, 1) => format!("{place}: {what}"),
        (most, of) if most == of => format!("all {of} partitions of {place}: {what}"),
        (most, of) => format!("{most} of {of} partitions of {place}: {what}"),
    }
}

impl Said {
    pub(super) fn of(
        (news, alert): (News, Alert),
        text: Option<&str>,
        mut partitions: Vec<String>,
        names: &Names,
        config: &Config,
    ) -> Said {
        let place = names.name(config, alert.place);
        let also = alert.also.iter().map(|place| names.name(config, place)).collect();
        let suspect = |it: &candor_engine::alerts::Suspected| {
            let near = match it.at <= alert.began {
                true => format!("{} before", alert.began.since(it.at)),
                false => format!("{} after", it.at.since(alert.began)),
            };
            format!("{} ({}) {near}", it.what.label(), names.name(config, it.place))
        };
        let suspects = alert.suspects().map(suspect).collect();
        let text = match alert.code.kind() {
            Kind::Symptom => sentence(&alert, &place),
            Kind::Event | Kind::OddWorld => text.unwrap_or_default().to_owned(),
        };
        let more = partitions.len().saturating_sub(NAMED);
        partitions.truncate(NAMED);
        Said { alert, news, place, also, suspects, text, partitions, more }
    }

    /// The region's entry.
    pub(super) fn entry(&self) -> AlertEntry {
        let Alert { id, code, sick, most, of, count, began, last, over, .. } = self.alert;
        AlertEntry {
            id,
            code,
            sick,
            most,
            of,
            count,
            since: began,
            last,
            over: over.unwrap_or(Mono::NEVER),
            place: self.place.clone(),
            also: self.also.join(", "),
            suspects: self.suspects.join(", "),
            text: self.text.clone(),
        }
    }

    /// The line of JSON, without its line break. `wall` is now.
    pub(super) fn json(&self, handler: &str, wall: u64, now: Mono) -> Value {
        let Alert { id, code, sick, most, of, count, began, .. } = self.alert;
        let event = match self.news {
            News::Begins => "begin",
            News::Changes => "change",
            News::Over => "over",
        };
        let lasted = now.since(began);
        json!({
            "alert": code.label(),
            "event": event,
            "number": code.number(),
            "id": id,
            "kind": code.kind().label(),
            "owner": code.owner().label(),
            "severity": code.severity().label(),
            "handler": handler,
            "wall_ns": wall,
            "since_ns": lasted.0,
            "began_ns": wall.saturating_sub(lasted.0),
            "place": self.place,
            "also": self.also,
            "partitions": self.partitions,
            "partitions_more": self.more,
            "stale": sick,
            "most": most,
            "of": of,
            "count": count,
            "suspects": self.suspects,
            "text": self.text,
            "runbook": runbook(code),
        })
    }

    /// The journal's record. What looks into it for causes takes no symptom for one.
    pub(super) fn fields(&self) -> Fields {
        let Alert { id, code, sick, of, count, over, .. } = self.alert;
        let fields = Fields::new()
            .text("what", code.label())
            .flag("over", over.is_some())
            .text("text", &self.text)
            .number("id", id)
            .number("number", u64::from(code.number()))
            .text("of_kind", code.kind().label())
            .text("place", &self.place)
            .flag("changed", self.news == News::Changes)
            .number("stale", u64::from(sick))
            .number("of", u64::from(of))
            .number("count", count);
        let lists = [("also", &self.also), ("suspects", &self.suspects)];
        let some = lists.into_iter().filter(|(_, list)| !list.is_empty());
        let fields = some.fold(fields, |fields, (key, list)| fields.list(key, list));
        match &self.partitions[..] {
            [] => fields,
            some if self.more == 0 => fields.list("partition", some),
            _ => fields,
        }
    }

    /// The line of the log.
    pub(super) fn log(&self, now: Mono) {
        let (code, place, text) = (self.alert.code.label(), &self.place, &self.text);
        let (suspects, count) = (self.suspects.join(", "), self.alert.count);
        let partition = self.partitions.join(" ");
        match (self.news, self.alert.code.severity()) {
            (News::Over, _) => {
                let Nanos(lasted) = now.since(self.alert.began);
                let lasted = Nanos(lasted);
                tracing::info!(over = code, place, count, %lasted, "{text}");
            }
            (News::Changes, _) => {
                tracing::info!(changed = code, place, count, suspects, partition, "{text}");
            }
            (News::Begins, Severity::Page) => {
                tracing::error!(alert = code, place, suspects, partition, "{text}");
            }
            (News::Begins, Severity::Notice) => {
                tracing::warn!(alert = code, place, suspects, partition, "{text}");
            }
        }
    }
}
