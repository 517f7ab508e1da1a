//! Once a second, on the handler's own thread: does the world look odd? What does is an alert, however many
//! partitions it is of.

use candor_core::alert::Code;
use candor_core::{Mono, Nanos, Quotes, SeqNo};
use candor_engine::odd::{Glance, Odd, OddWorld, Remark};
use candor_shm::{PartitionInfo, Region};

use crate::config::Config;
use crate::journal::Journal;

/// How often the world is looked at. Every symbol is read each time: some milliseconds for ten thousand.
const LOOK_EVERY: Nanos = Nanos::from_secs(1);

/// Looks at the handler's own region, as any reader does.
pub(crate) struct World {
    odd: OddWorld,
    next: Mono,
    glances: Vec<Glance>,
    remarks: Vec<Remark>,
}

impl World {
    pub(crate) fn new(config: &Config) -> World {
        let of = |index: usize| {
            let venue = config.partitions[index].venue;
            let same = config.partitions.iter().position(|other| other.venue == venue);
            same.unwrap_or(index) as u16
        };
        let venues: Vec<u16> = (0..config.partitions.len()).map(of).collect();
        World {
            odd: OddWorld::new(&venues),
            next: Mono::NEVER,
            glances: Vec::with_capacity(venues.len()),
            remarks: Vec::new(),
        }
    }

    /// Looks if it is time to by this clock. Thousands of reads take a while: each of them looks at the
    /// clock for itself.
    pub(crate) fn look(&mut self, clock: impl Fn() -> Mono, region: &Region, journal: &Journal) {
        let now = clock();
        if now < self.next {
            return;
        }
        self.next = now + LOOK_EVERY;
        // A place that is kept for a partition says nothing, and is followed by others that do.
        let nothing =
            Glance { live: false, epoch: 0, expected: SeqNo::default(), quotes: Quotes::default() };
        self.glances.resize(usize::from(region.partition_count()), nothing);
        for info in region.partitions_when(&clock) {
            let at = usize::from(info.index);
            let last = self.glances.get(at).copied();
            let glance = glance(&info, last, || region.quotes_when(info.index, &clock));
            match self.glances.get_mut(at) {
                Some(seen) => *seen = glance,
                None => self.glances.push(glance),
            }
        }
        let World { odd, glances, remarks, .. } = self;
        remarks.clear();
        odd.look(now, glances, |remark| remarks.push(remark));
        tell(remarks, journal);
    }
}

/// What is seen of a partition, by what was seen of it last.
fn glance(info: &PartitionInfo, last: Option<Glance>, quotes: impl FnOnce() -> Quotes) -> Glance {
    let (live, epoch) = (info.status.is_live(), info.epoch);
    let expected = match (info.numbers, last) {
        (Some((_, expected, _)), _) => Some(expected),
        // Its lane was in the way again and again. What it was before it is still, as far as is known: one
        // look that could not be had ends nothing that was said.
        (None, Some(last)) if last.live && last.epoch == epoch => Some(last.expected),
        (None, _) => None,
    };
    match expected {
        Some(expected) if live => Glance { live, epoch, expected, quotes: quotes() },
        _ => Glance { live: false, epoch, expected: SeqNo::default(), quotes: Quotes::default() },
    }
}

/// One word for everything of one kind that began, or is over, in one look.
fn tell(remarks: &[Remark], journal: &Journal) {
    let kind = |remark: &Remark| (core::mem::discriminant::<Odd>(&remark.odd), remark.begins);
    for (at, first) in remarks.iter().enumerate() {
        if remarks[..at].iter().any(|before| kind(before) == kind(first)) {
            continue;
        }
        let same = remarks[at..].iter().filter(|remark| kind(remark) == kind(first));
        let numbers: Vec<u16> = same.map(|remark| remark.partition).collect();
        let code = match first.odd {
            Odd::FrozenNumbers { .. } => Code::FrozenNumbers,
            Odd::EmptyBooks { .. } => Code::EmptyBooks,
        };
        let text = format!("{}; it stays Live by protocol: ask the venue", first.odd);
        journal.alerts().odd(code, numbers, first.begins, text);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use candor_core::status::Scope;
    use candor_core::symbol::Text;
    use candor_core::{BookView, Proof, SessionId, SymbolIndex, TradingState, promote};
    use candor_shm::{LaneWriter, PartitionSpec, RegionSpec};

    use super::*;
    use crate::alert::Word;
    use crate::config;

    const PARTITIONS: u16 = 3;
    const SYMBOLS: u32 = 8;

    fn config() -> Config {
        let mut text = "[handler]\nname = \"odd\"\nregion = \"/dev/shm/odd\"\n[source]\nkind = \"udp\"\n\
                        interface = \"lo\"\n[[lane]]\nidle = \"block\"\n[[venue]]\nname = \"XNAS\"\n\
                        feed = \"nasdaq-itch50\"\n"
            .to_owned();
        for partition in 1..=PARTITIONS {
            text += &format!(
                "[[venue.partition]]\nname = \"{partition}\"\nlane = 0\nlines.A = {{ group = \
                 \"239.1.1.{partition}\", port = 1 }}\n"
            );
        }
        config::parse_text(Path::new("odd.toml"), &text).expect("a sound configuration")
    }

    fn region(config: &Config) -> (candor_shm::HandlerWriter, LaneWriter, Region) {
        let mut spec = RegionSpec::new(Text::from_wire(b"odd").expect("short"));
        spec.trading_date = candor_core::TradingDate(20_261_123);
        spec.lanes = 1;
        spec.process_lease = Nanos::from_secs(10);
        let partition = |partition: &config::Partition| PartitionSpec {
            venue: partition.venue,
            name: partition.name,
            feed: Text::from_wire(b"nasdaq-itch50").expect("short"),
            lane: 0,
            symbols: SYMBOLS,
            silence: Nanos::from_secs(3),
            decimals: candor_core::Decimals(4),
            lines: [None; candor_core::limits::LINES],
        };
        spec.partitions = config.partitions.iter().map(partition).collect();
        let (handler, mut lanes, region) = candor_shm::heap(&spec).expect("a sound region");
        (handler, lanes.remove(0), region)
    }

    fn live() -> candor_core::Status {
        let all = [Scope::Handler, Scope::Partition, Scope::Symbol];
        promote(&all.into_iter().fold(Proof::NOTHING, Proof::rule_out_scope))
    }

    fn book(quoted: bool) -> BookView {
        let mut book = BookView { trading_state: TradingState::Trading, ..BookView::EMPTY };
        book.bid_count = 1;
        let size = if quoted { 100 } else { 0 };
        book.bids[0] = candor_core::Level { price: candor_core::Price(5), size, ..book.bids[0] };
        book
    }

    /// Two minutes of a region as its lane writes it: what is said about it.
    fn said(frozen: bool, emptied: bool) -> Vec<Word> {
        let config = config();
        let (mut handler, mut lane, region) = region(&config);
        let session = SessionId::from_text(*b"DAY0000001");
        let (mut world, journal) = (World::new(&config), Journal::none());
        handler.set_status(live(), Mono(1));
        for second in 1..=120u64 {
            let now = Mono(0) + Nanos::from_secs(second);
            lane.renew(now + Nanos::from_secs(5));
            for partition in 0..PARTITIONS {
                let stands = if frozen && partition == 1 { second.min(60) } else { second };
                let next = SeqNo(1 + 100 * stands);
                lane.partition(partition, live(), 1, Mono(1), session);
                lane.numbers(partition, next, next);
                lane.heard(partition, now);
                lane.lease(partition, now + Nanos::from_secs(3));
                for symbol in 0..SYMBOLS {
                    let name = format!("S{partition}{symbol}");
                    let name = Text::from_wire(name.as_bytes()).expect("short");
                    let index = SymbolIndex(symbol);
                    lane.define(partition, index, &name);
                    let bare = emptied && partition != 1 && second > 60 && symbol > 1;
                    lane.publish(partition, index, live(), 1, Mono(1), &book(!bare));
                }
            }
            world.look(|| now, &region, &journal);
            world.look(|| now, &region, &journal);
        }
        std::iter::from_fn(|| journal.alerts().take()).collect()
    }

    #[test]
    fn what_is_odd_is_one_word() {
        assert_eq!(said(false, false), [], "a usual world is not spoken of");
        let frozen = said(true, false);
        let [Word::Odd { code: Code::FrozenNumbers, partitions, begins: true, .. }] = &frozen[..]
        else {
            panic!("{frozen:?}")
        };
        assert_eq!(partitions[..], [1]);
        let emptied = said(false, true);
        let [Word::Odd { code: Code::EmptyBooks, partitions, begins: true, text }] = &emptied[..]
        else {
            panic!("{emptied:?}")
        };
        assert_eq!(partitions[..], [0, 2]);
        assert!(text.contains("6 of 8 books"), "{text}");
    }

    /// A look in which the lane was in the way says nothing: an alert that stands still stands, and is over
    /// with a word.
    #[test]
    fn a_look_that_could_not_be_had_ends_no_alert() {
        let config = config();
        let (mut handler, mut lane, region) = region(&config);
        handler.set_status(live(), Mono(1));
        let mut odd = OddWorld::new(&[0, 0]);
        let (mut told, mut glances) = (Vec::new(), [None, None]);
        for second in 1..=200u64 {
            let now = Mono(0) + Nanos::from_secs(second);
            lane.renew(now + Nanos::from_secs(5));
            for partition in 0..2u16 {
                // The second one stands still for two minutes.
                let stands =
                    if partition == 1 && second > 60 { second.max(180) - 120 } else { second };
                let next = SeqNo(1 + 100 * stands);
                lane.partition(partition, live(), 1, Mono(1), SessionId::from_text(*b"DAY0000001"));
                lane.numbers(partition, next, next);
                lane.lease(partition, now + Nanos::from_secs(3));
            }
            let seen = [0, 1].map(|partition| {
                let mut info = region.partition(partition, now).expect("there is one");
                if second.is_multiple_of(10) {
                    info.numbers = None;
                }
                let last = glances[usize::from(partition)];
                glance(&info, last, || region.quotes(partition, now))
            });
            glances = seen.map(Some);
            odd.look(now, &seen, |remark| told.push((second, remark.partition, remark.begins)));
        }
        let [(began, 1, true), (over, 1, false)] = told[..] else { panic!("{told:?}") };
        assert!((80..=95).contains(&began), "{began}");
        assert!((180..=190).contains(&over), "{over}");
    }
}
