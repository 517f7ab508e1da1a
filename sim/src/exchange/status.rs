//! An exchange's state in JSON.

use candor_core::Line;
use serde_json::{Map, Value, json};

use super::{Exchange, Source, session_id};
use crate::publisher::{Cause, Faults, LineCounts, Publisher, Tally};
use crate::services::{ServiceFaults, ServiceKind, Services};

impl Exchange {
    /// Everything there is to say: per partition its session, state, next number, and per line
    /// what it carried, what it withheld by cause, and its faults.
    #[must_use]
    pub fn status(&self) -> Value {
        let partitions: Vec<Value> = self
            .publishers
            .iter()
            .zip(&self.services)
            .enumerate()
            .map(|(index, (publisher, services))| partition(index, publisher, services))
            .collect();
        let source = match &self.source {
            Source::Market { market, flow, opening, .. } => json!({
                "kind": "market",
                "rate": flow.rate(),
                "open": market.partitions.iter().all(|partition| partition.is_open()),
                "symbols": market.partitions.iter().map(|p| p.symbols().len()).sum::<usize>(),
                "slipped": flow.slipped + opening.slipped,
            }),
            Source::Replay(replay) => json!({ "kind": "capture", "over": replay.is_over() }),
        };
        json!({
            "paused": self.paused,
            "source": source,
            "refused_messages": self.refused,
            "partitions": partitions,
        })
    }
}

fn partition(index: usize, publisher: &Publisher, services: &Services) -> Value {
    let lines: Map<String, Value> = Line::ALL
        .into_iter()
        .filter_map(|at| Some((at.to_string(), line(publisher, at, publisher.counts(at)?))))
        .collect();
    json!({
        "partition": index + 1,
        "session": session_id(&publisher.framing()).to_string(),
        "next": publisher.next_seq().0,
        "alive": publisher.is_alive(),
        "ended": publisher.is_ended(),
        "queued_packets": publisher.queued(),
        "history": {
            "first": publisher.history().range().first.0,
            "messages": publisher.history().held(),
            "forgotten": publisher.history().forgotten(),
        },
        "lines": lines,
        "services": service(services),
    })
}

fn service(services: &Services) -> Map<String, Value> {
    let one = |kind: ServiceKind| {
        let (counts, faults) = (services.counts(kind), services.faults(kind));
        let value = json!({
            "open_connections": services.open(kind),
            "connections": counts.connections,
            "turned_away": counts.turned_away,
            "requests": counts.requests,
            "answered": counts.answered,
            "spoiled": counts.spoiled,
            "refused": counts.refused,
            "ignored": counts.ignored,
            "messages": counts.messages,
            "bytes": counts.bytes,
            "faults": service_faults(&faults),
        });
        (kind.label().to_owned(), value)
    };
    ServiceKind::ALL.into_iter().map(one).collect()
}

fn service_faults(faults: &ServiceFaults) -> Value {
    json!({
        "refuse": faults.refuse,
        "throttle": faults.throttle,
        "hang": faults.hang,
        "partial": faults.partial,
        "late_ns": faults.late.0,
        "wrong_range": faults.wrong_range,
        "twice": faults.twice,
        "old_snapshot": faults.old_snapshot,
        "broken_snapshot": faults.broken_snapshot,
        "lost_part": faults.lost_part,
        "lost_packet": faults.lost_packet,
        "late_session": faults.late_session,
    })
}

fn line(publisher: &Publisher, at: Line, counts: &LineCounts) -> Value {
    let withheld: Map<String, Value> = Cause::ALL
        .into_iter()
        .map(|cause| (cause.label().to_owned(), tally(&counts.withheld[cause as usize])))
        .collect();
    json!({
        "dead": publisher.is_dead(at),
        "cut": tally(&counts.cut),
        "sent": tally(&counts.sent),
        "bytes": counts.bytes,
        "duplicates": tally(&counts.duplicates),
        "overtaken": tally(&counts.overtaken),
        "withheld": withheld,
        "withheld_unlogged_ranges": counts.unlogged,
        "faults": publisher.faults(at).map(faults),
    })
}

fn tally(tally: &Tally) -> Value {
    json!({ "packets": tally.packets, "messages": tally.messages, "heartbeats": tally.heartbeats })
}

fn faults(faults: Faults) -> Value {
    json!({
        "loss_ppm": faults.loss_ppm,
        "burst_ppm": faults.burst_ppm,
        "burst_packets": faults.burst_packets,
        "duplicate_ppm": faults.duplicate_ppm,
        "delay_ns": faults.delay.0,
        "reorder_ppm": faults.reorder_ppm,
        "reorder_by_ns": faults.reorder_by.0,
    })
}
