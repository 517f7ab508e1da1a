//! What is said of multicast that reaches the host and that no partition takes.

use candor_core::Mono;
use candor_core::alert::Code;
use candor_shm::{Endpoint, HandlerWriter, Unmapped};

use crate::alert::{About, Raiser};
use crate::config::Config;
use crate::source::Watch;

/// Groups and ports named.
const NAMED: usize = 3;

/// What was said so far.
#[derive(Default)]
pub(crate) struct Strays {
    packets: u64,
    /// The last look failed, and that was said.
    blind: bool,
}

impl Strays {
    /// Publishes what comes that no partition takes, and when that was looked at: where it can't be read, the table
    /// grows old for its readers.
    pub(super) fn look(
        &mut self,
        watch: &Watch,
        config: &Config,
        handler: &mut HandlerWriter,
        alerts: &Raiser,
    ) {
        let read = candor_shm::clock::now();
        let seen = match watch.unmapped() {
            Ok(seen) => seen,
            Err(error) => {
                if !std::mem::replace(&mut self.blind, true) {
                    tracing::error!(%error, "can't read what multicast no partition takes: nobody knows");
                }
                return;
            }
        };
        if std::mem::take(&mut self.blind) {
            tracing::info!("what multicast no partition takes can be read again");
        }
        let named = |group: [u8; 4], port: u16| {
            let mut lines = config.partitions.iter().flat_map(|partition| partition.lines());
            lines.any(|(_, at)| at.group.octets() == group && at.port == port)
        };
        let strays = seen.iter().filter(|entry| !named(entry.group, entry.port));
        let entry = |entry: &candor_ebpf::Traffic| Unmapped {
            endpoint: Endpoint { group: entry.group, port: entry.port },
            packets: entry.packets,
            bytes: entry.bytes,
            last: Mono(entry.last_ns),
        };
        let table: Vec<Unmapped> = strays.map(entry).collect();
        handler.set_unmapped(&table, read);
        self.tell(&table, alerts);
    }

    /// Says so where there is more of it than was said. A host's own link-local talk (224.0.0.0/24) is nobody's
    /// partition.
    fn tell(&mut self, table: &[Unmapped], alerts: &Raiser) {
        let foreign = |seen: &&Unmapped| !seen.endpoint.is_link_local();
        let mut seen: Vec<&Unmapped> = table.iter().filter(foreign).collect();
        let packets = seen.iter().map(|seen| seen.packets).sum();
        let before = std::mem::replace(&mut self.packets, packets);
        // Fewer than before: the program had forgotten some, and began anew.
        let more = packets.saturating_sub(before);
        if more == 0 {
            return;
        }
        seen.sort_by_key(|seen| std::cmp::Reverse((seen.packets, seen.endpoint.group)));
        let named = seen.iter().take(NAMED).map(|seen| seen.endpoint.to_string());
        let named = named.collect::<Vec<_>>().join(", ");
        let rest = match seen.len().saturating_sub(NAMED) {
            0 => String::new(),
            rest => format!(" and {rest} more"),
        };
        let text = format!(
            "multicast that no partition takes: {named}{rest}; has the venue added a partition? `candor \
             unmapped` has them all"
        );
        alerts.raise_more(Code::UnmappedMulticast, About::Handler, more, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Word;

    #[test]
    fn only_what_is_new_and_no_link_s_own_talk_is_said() {
        let seen = |group: [u8; 4], packets| Unmapped {
            endpoint: Endpoint { group, port: 1 },
            packets,
            bytes: 0,
            last: Mono(1),
        };
        let (mut strays, alerts) = (Strays::default(), Raiser::new());
        let mut more = |table: &[Unmapped]| {
            strays.tell(table, &alerts);
            alerts.take().map(|word| match word {
                Word::Raise { code: Code::UnmappedMulticast, more, text, .. } => (more, text),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(more(&[seen([224, 0, 0, 251], 9)]), None);
        let (count, text) = more(&[seen([239, 1, 1, 1], 4)]).unwrap();
        assert!(count == 4 && text.contains("239.1.1.1:1;"), "{text}");
        assert_eq!(more(&[seen([239, 1, 1, 1], 4)]), None);
        let many: Vec<_> = (1..6).map(|last| seen([239, 1, 1, last], 4)).collect();
        let (count, text) = more(&many).unwrap();
        assert!(count == 16 && text.contains(" and 2 more"), "{text}");
    }
}
