//! What is said of packets that were refused, and of those that were taken though nothing vouches for
//! them: partitions are silent or never start for it, and only this says why.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use candor_core::alert::Code;
use candor_core::counters::{Counter, LaneCounter};
use candor_core::{Mono, Nanos, Reject};
use candor_ebpf::OtherSource;
use candor_shm::{LaneInfo, PartitionCounters, Region, clock};

use super::name;
use crate::alert::About;
use crate::config::{Config, Partition};
use crate::journal::Journal;
use crate::source::Watch;

/// How often it is said at most that more packets were refused for one reason.
const TELL_EVERY: Nanos = Nanos::from_secs(10);

/// Senders named in one line of the log.
const NAMED: usize = 3;

/// What has been said so far.
#[derive(Default)]
pub(super) struct Refused {
    strangers: Strangers,
    damaged: Damaged,
    unverified: Unverified,
}

impl Refused {
    /// Says what is new.
    pub(super) fn tell(
        &mut self,
        now: Mono,
        config: &Config,
        region: &Region,
        watch: Option<&Watch>,
        journal: &Journal,
    ) {
        if let Some(watch) = watch {
            let count = |lane: LaneInfo| lane.get(LaneCounter::OtherSource);
            self.strangers.tell(now, config, region.lanes(now).map(count).sum(), watch, journal);
        }
        let counters: Vec<PartitionCounters> =
            region.partitions_when(clock::now).map(|partition| partition.counters).collect();
        self.damaged.tell(now, config, &counters, journal);
        self.unverified.tell(config, &counters, journal);
    }
}

/// Whether it is time to say more of something that was said at `told` last.
fn is_due(told: Mono, now: Mono) -> bool {
    told == Mono::NEVER || now.since(told) >= TELL_EVERY
}

/// Somebody who sends: the interface it is heard on, its address, and the group and port.
type Sender = (String, [u8; 4], [u8; 4], u16);

/// Who sends to our groups and ports without being a line's `source`. Nothing of theirs is looked at;
/// that the venue has moved its sender shows here first.
#[derive(Default)]
struct Strangers {
    told: Mono,
    /// What the program had counted when its list was read last.
    counted: u64,
    /// Each one's packets when they were said last.
    said: BTreeMap<Sender, u64>,
}

impl Strangers {
    fn tell(&mut self, now: Mono, config: &Config, counted: u64, watch: &Watch, journal: &Journal) {
        if counted == self.counted || !is_due(self.told, now) {
            return;
        }
        let others = match watch.other_sources() {
            Ok(others) => others,
            Err(error) => {
                self.told = now;
                tracing::warn!(%error, "can't read who else sends to our groups and ports");
                return;
            }
        };
        self.counted = counted;
        let Some((packets, who)) = self.more(config, &others) else { return };
        self.told = now;
        let text = format!("refused, packets={packets}: their sender is no line's `source`; {who}");
        journal.alerts().raise_more(Code::OtherSenders, About::Handler, packets, text);
    }

    /// How many more packets there are than was said, and whose, those heard last first.
    fn more(&mut self, config: &Config, others: &[(&str, OtherSource)]) -> Option<(u64, String)> {
        let mut said = BTreeMap::new();
        let mut fresh: Vec<(&str, &OtherSource)> = Vec::new();
        let mut packets = 0;
        for (interface, other) in others.iter().filter(|(_, other)| !is_named(config, other)) {
            let seen = other.seen;
            let sender = ((*interface).to_owned(), other.source, seen.group, seen.port);
            let before = self.said.get(&sender).copied().unwrap_or(0);
            // Fewer than before: the program had forgotten it, and began anew.
            let more = seen.packets.checked_sub(before).unwrap_or(seen.packets);
            said.insert(sender, seen.packets);
            if more > 0 {
                packets += more;
                fresh.push((interface, other));
            }
        }
        self.said = said;
        fresh.sort_by_key(|(_, other)| std::cmp::Reverse(other.seen.last_ns));
        let who = fresh.iter().take(NAMED).map(|(interface, other)| {
            let (source, group) = (Ipv4Addr::from(other.source), Ipv4Addr::from(other.seen.group));
            format!("{interface}: from {source} to {group}:{}", other.seen.port)
        });
        let mut who = who.collect::<Vec<_>>().join(", ");
        if fresh.len() > NAMED {
            who += &format!(" and {} more", fresh.len() - NAMED);
        }
        (packets > 0).then_some((packets, who))
    }
}

/// Whether it is some line's sender: of a partition that isn't subscribed, or of a line that is taken
/// from another interface.
fn is_named(config: &Config, other: &OtherSource) -> bool {
    config.partitions.iter().flat_map(Partition::lines).any(|(_, at)| {
        at.group.octets() == other.seen.group
            && at.port == other.seen.port
            && at.source.is_some_and(|source| source.octets() == other.source)
    })
}

/// Packets that contradict their checksums.
#[derive(Default)]
struct Damaged {
    told: Mono,
    /// Each partition's count when it was said last.
    said: Vec<u64>,
}

impl Damaged {
    fn tell(
        &mut self,
        now: Mono,
        config: &Config,
        counters: &[PartitionCounters],
        journal: &Journal,
    ) {
        let of = |counters: &PartitionCounters| {
            counters.rejects(Reject::BadIpChecksum) + counters.rejects(Reject::BadUdpChecksum)
        };
        let Some((packets, most)) = self.more(now, counters.iter().map(of).collect()) else {
            return;
        };
        let text = format!(
            "refused, packets={packets}, most of {}: they contradict their checksums; look at the link, or, \
             where a sender on this host leaves checksums to its card, complete them there (`ethtool -K \
             INTERFACE tx off`)",
            name(config, most)
        );
        journal.alerts().raise_more(Code::DamagedPackets, About::Handler, packets, text);
    }

    /// How many more there are than was said, and the partition that most of these are of.
    fn more(&mut self, now: Mono, counts: Vec<u64>) -> Option<(u64, u16)> {
        if !is_due(self.told, now) {
            return None;
        }
        self.said.resize(counts.len(), 0);
        let more = counts.iter().zip(&self.said).map(|(count, said)| count.saturating_sub(*said));
        let (packets, (most, of_most)) =
            (0u16..).zip(more).fold((0, (0, 0)), |(sum, most), (number, more)| {
                (sum + more, if more > most.1 { (number, more) } else { most })
            });
        if of_most == 0 {
            return None;
        }
        (self.told, self.said) = (now, counts);
        Some((packets, most))
    }
}

/// Packets that were taken although their sender computed no UDP checksum. Once a partition: such a
/// sender rarely changes.
#[derive(Default)]
struct Unverified {
    said: Vec<bool>,
}

impl Unverified {
    fn tell(&mut self, config: &Config, counters: &[PartitionCounters], journal: &Journal) {
        self.said.resize(counters.len(), false);
        for ((number, counters), said) in (0u16..).zip(counters).zip(&mut self.said) {
            let packets = counters.get(Counter::UdpUnverified);
            if packets == 0 || std::mem::replace(said, true) {
                continue;
            }
            let text = format!(
                "{}, packets={packets}: taken unverified: their sender computes no UDP checksum, so damage to \
                 them can't be told; `candor counters` has how many (udp_unverified)",
                name(config, number)
            );
            let about = About::Partition(number);
            journal.alerts().raise_more(Code::UnverifiedPackets, about, packets, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use candor_ebpf::Traffic;

    use super::*;

    const CONFIG: &str = r#"
[handler]
name = "h"
region = "/dev/shm/h"
[source]
kind = "af_xdp"
mode = "copy"
interface = "eth1"
[[lane]]
queues = [0]
[[venue]]
name = "XNAS"
feed = "nasdaq-itch50"
[[venue.partition]]
name = "1"
lane = 0
lines.A = { group = "239.1.1.1", port = 26400, source = "10.0.0.1" }
lines.B = { group = "239.1.1.1", port = 26400, source = "10.0.0.2", interface = "eth2" }
[[venue.partition]]
name = "2"
lane = 0
subscribe = false
lines.A = { group = "239.1.1.1", port = 26400, source = "10.0.0.3" }
"#;

    fn heard(source: u8, port: u16, packets: u64) -> (&'static str, OtherSource) {
        let group = [239, 1, 1, 1];
        let seen = Traffic { group, port, packets, bytes: 0, last_ns: u64::from(source) };
        ("eth1", OtherSource { source: [10, 0, 0, source], seen })
    }

    #[test]
    fn only_who_is_no_lines_sender_is_said_and_only_what_is_new() {
        let config = crate::config::parse_text(std::path::Path::new("c.toml"), CONFIG).unwrap();
        let mut strangers = Strangers::default();
        let mut more = |others: &[_]| strangers.more(&config, others);
        let said = |packets, who: &[u8]| {
            let who = who.iter().map(|who| format!("eth1: from 10.0.0.{who} to 239.1.1.1:26400"));
            Some((packets, who.collect::<Vec<_>>().join(", ")))
        };
        // The other interface's sender, and that of a partition that isn't subscribed.
        let ours = [heard(2, 26_400, 1_000), heard(3, 26_400, 1_000)];
        assert_eq!(more(&ours), None);
        assert_eq!(more(&[ours[0], ours[1], heard(4, 26_400, 5)]), said(5, &[4]));
        assert_eq!(more(&[ours[0], ours[1], heard(4, 26_400, 5)]), None);
        let both = [heard(4, 26_400, 7), heard(5, 26_400, 1)];
        assert_eq!(more(&both), said(3, &[5, 4]));
        assert_eq!(more(&[both[0], heard(5, 26_400, 3)]), said(2, &[5]));
        // Forgotten by the program, and begun anew.
        assert_eq!(more(&[heard(4, 26_400, 2)]), said(2, &[4]));
        // To another port they are strangers.
        let (packets, who) = more(&[heard(3, 26_401, 9)]).unwrap();
        assert_eq!((packets, who.as_str()), (9, "eth1: from 10.0.0.3 to 239.1.1.1:26401"));
        let many: Vec<_> = (6..12).map(|source| heard(source, 26_400, 1)).collect();
        let (packets, who) = more(&many).unwrap();
        assert_eq!(packets, 6);
        assert!(who.ends_with("from 10.0.0.9 to 239.1.1.1:26400 and 3 more"), "{who}");
    }

    #[test]
    fn of_damage_the_new_is_said_and_at_most_every_ten_seconds() {
        let mut damaged = Damaged::default();
        let at = |seconds| Mono(1 + Nanos::from_secs(seconds).0);
        assert_eq!(damaged.more(at(1), vec![0, 0, 0]), None);
        assert_eq!(damaged.more(at(2), vec![0, 1_000, 0]), Some((1_000, 1)));
        assert_eq!(damaged.more(at(3), vec![0, 1_000, 7]), None);
        // Not the largest since the start: the one that grew most.
        assert_eq!(damaged.more(at(12), vec![2, 1_001, 7]), Some((10, 2)));
        assert_eq!(damaged.more(at(30), vec![2, 1_001, 7]), None);
        assert_eq!(damaged.more(at(31), vec![3, 1_001, 7]), Some((1, 0)));
    }
}
