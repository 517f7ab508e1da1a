//! What is said of multicast that reaches the host and that no partition takes.

use candor_core::alert::Code;
use candor_shm::Unmapped;

use crate::alert::{About, Raiser};

/// Groups and ports named.
const NAMED: usize = 3;

/// What was said so far.
#[derive(Default)]
pub(crate) struct Strays {
    packets: u64,
}

impl Strays {
    /// Says so where there is more of it than was said. A host's own link-local talk (224.0.0.0/24) is nobody's
    /// partition.
    pub(super) fn tell(&mut self, table: &[Unmapped], alerts: &Raiser) {
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
    use candor_core::Mono;
    use candor_shm::Endpoint;

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
