//! What symbols are by themselves, as records `symbols`: every change that a lane has told while its partition was Live,
//! and once a second what readers see, for what no lane says (two partitions that have one name) and for what was told
//! and found no room.
//!
//! Changes from one status to the same other within half a second are one record for all of a partition.

use std::collections::{BTreeMap, BTreeSet};

use candor_core::status::Scope;
use candor_core::{Mono, Nanos, Reason, Status, Symbol, SymbolIndex};
use candor_journal::Fields;
use candor_journal::changes::LIVE;
use candor_shm::Region;

use super::start::NAMES;
use super::{Journal, name, status};
use crate::config::Config;
use crate::statuses::{Change, Statuses};

/// How often symbols are looked at. Every one of them is read: some milliseconds for ten thousand.
const EVERY: Nanos = Nanos::from_secs(1);

/// How long a look takes at most, on a host that has something else to do.
const LOOK: Nanos = Nanos::from_millis(100);

/// Symbols named in a minute at most; what more goes from one status to another is counted, with some examples.
const NAMED_A_MINUTE: usize = 50_000;

/// Examples of what is not named.
const EXAMPLES: usize = 16;

/// A symbol's own status, as it was recorded last.
#[derive(Clone, Copy)]
struct Own {
    /// `None`: Live.
    reason: Option<Reason>,
    /// Since when; never where nobody said.
    since: Mono,
    /// When a look has found that out: what a lane told of it may still be on its way.
    seen: Option<Mono>,
}

/// Symbols of one partition that went from one status to the same other.
struct Turned {
    /// Which of them was the first.
    order: u64,
    at: Mono,
    symbols: BTreeSet<u32>,
    times: u64,
    longest: Nanos,
}

/// See the module's description.
pub(super) struct Symbols {
    /// By partition and place; `None` for one that was not seen yet.
    seen: Vec<Vec<Option<Own>>>,
    /// By partition and the codes of both statuses.
    turned: BTreeMap<(u16, u8, u8), Turned>,
    orders: u64,
    missed: u64,
    next: Mono,
    /// Symbols that may still be named, and until when that counts.
    names_left: usize,
    names_until: Mono,
}

fn code(reason: Option<Reason>) -> u8 {
    reason.map_or(0, Reason::code)
}

fn said(code: u8) -> String {
    Reason::from_code(code).map_or(LIVE.to_owned(), |reason| status(Status::stale(reason)))
}

impl Symbols {
    pub(super) fn new() -> Symbols {
        Symbols {
            seen: Vec::new(),
            turned: BTreeMap::new(),
            orders: 0,
            missed: 0,
            next: Mono::NEVER,
            names_left: NAMED_A_MINUTE,
            names_until: Mono::NEVER,
        }
    }

    /// The place of a symbol in what was seen.
    fn own(&mut self, partition: u16, symbol: SymbolIndex) -> &mut Option<Own> {
        let (partition, symbol) = (usize::from(partition), symbol.0 as usize);
        if self.seen.len() <= partition {
            self.seen.resize_with(partition + 1, Vec::new);
        }
        let seen = &mut self.seen[partition];
        if seen.len() <= symbol {
            seen.resize(symbol + 1, None);
        }
        &mut seen[symbol]
    }

    /// Takes what lanes have told.
    pub(super) fn take(&mut self, statuses: &Statuses) {
        statuses.take().for_each(|change| self.turn(&change));
        self.missed += statuses.take_missed();
    }

    fn turn(&mut self, change: &Change) {
        let Change { at, symbol, partition, from, to } = *change;
        let own = self.own(partition, symbol);
        match own {
            // A look was faster.
            Some(own) if own.reason == to && own.seen.is_some_and(|look| at <= look + LOOK) => {
                (own.since, own.seen) = (at, None);
                return;
            }
            // It reads so for what no lane says, whatever it is by itself: a look finds out when that is over.
            Some(Own { reason: Some(Reason::WrongPartition | Reason::Unmapped), .. })
                if !matches!(from, Some(Reason::WrongPartition | Reason::Unmapped)) =>
            {
                return;
            }
            // Where it was something else, that has changed behind a partition that was stale.
            _ => {}
        }
        let before = own.replace(Own { reason: to, since: at, seen: None });
        let before = before.filter(|own| own.reason == from);
        let since = before.map_or(Mono::NEVER, |own| own.since);
        let lasted = if since == Mono::NEVER { Nanos::ZERO } else { at.since(since) };
        self.orders += 1;
        let none = Turned {
            order: self.orders,
            at,
            symbols: BTreeSet::new(),
            times: 0,
            longest: Nanos::ZERO,
        };
        let turned = self.turned.entry((partition, code(from), code(to))).or_insert(none);
        turned.symbols.insert(symbol.0);
        turned.times += 1;
        turned.longest = turned.longest.max(lasted);
    }

    /// Records what was told since the last time, and what is seen where it is time to look.
    pub(super) fn look(&mut self, journal: &Journal, config: &Config, region: &Region, now: Mono) {
        if now >= self.names_until {
            (self.names_left, self.names_until) = (NAMED_A_MINUTE, now + Nanos::from_secs(60));
        }
        self.record_turned(journal, config, region);
        if now >= self.next {
            self.next = now + EVERY;
            for number in 0..region.partition_count() {
                self.see(journal, config, region, (number, now));
            }
        }
    }

    fn record_turned(&mut self, journal: &Journal, config: &Config, region: &Region) {
        let mut turned: Vec<_> = std::mem::take(&mut self.turned).into_iter().collect();
        turned.sort_by_key(|(_, turned)| turned.order);
        for ((number, from, to), turned) in turned {
            let named = |index: &u32| region.symbol_at(number, SymbolIndex(*index));
            let symbols: Vec<Symbol> =
                turned.symbols.iter().filter_map(named).map(|(_, symbol)| symbol).collect();
            let mut fields = Fields::new()
                .text("partition", name(config, number))
                .text("from", said(from))
                .text("to", said(to));
            // How long one of them was what it was before, at most.
            if turned.longest > Nanos::ZERO {
                fields = fields.number("longest_ns", turned.longest.0);
            }
            if turned.times > symbols.len() as u64 {
                fields = fields.number("times", turned.times);
            }
            self.record(journal, Some(turned.at), &fields, &symbols);
        }
        let missed = std::mem::take(&mut self.missed);
        if missed > 0 {
            let fields = Fields::new().text("what", "not followed").number("entries", missed);
            journal.record("symbols", fields.text("partition", "-"));
        }
    }

    /// What readers see of a partition's symbols.
    fn see(
        &mut self,
        journal: &Journal,
        config: &Config,
        region: &Region,
        (number, now): (u16, Mono),
    ) {
        let mut moves: BTreeMap<(String, String), Vec<Symbol>> = BTreeMap::new();
        for (handle, symbol) in region.symbols(number) {
            let own = match region.read(handle).reason() {
                // Nothing that lasts.
                Some(Reason::Lapped) => continue,
                Some(reason) if reason.level() == Scope::Symbol => Some(reason),
                None => None,
                // What it is by itself is hidden behind that, for all of its partition.
                Some(_) => continue,
            };
            let seen = self.own(number, handle.symbol());
            if seen.is_some_and(|seen| seen.reason == own) {
                continue;
            }
            let before = seen.replace(Own { reason: own, since: Mono::NEVER, seen: Some(now) });
            let from = before.map_or("not seen".to_owned(), |before| said(code(before.reason)));
            moves.entry((from, said(code(own)))).or_default().push(symbol);
        }
        for ((from, to), symbols) in moves {
            let fields = Fields::new()
                .text("partition", name(config, number))
                .text("from", from)
                .text("to", to);
            self.record(journal, None, &fields, &symbols);
        }
    }

    fn record(&mut self, journal: &Journal, at: Option<Mono>, fields: &Fields, symbols: &[Symbol]) {
        let record = |fields: Fields| match at {
            Some(at) => journal.record_at(at, "symbols", fields),
            None => journal.record("symbols", fields),
        };
        let fields = fields.clone().number("count", symbols.len() as u64);
        let Some(left) = self.names_left.checked_sub(symbols.len()) else {
            record(fields.list("examples", symbols.iter().take(EXAMPLES)));
            return;
        };
        self.names_left = left;
        for some in symbols.chunks(NAMES) {
            record(fields.clone().list("symbols", some));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use candor_core::symbol::Text;
    use candor_core::{BookView, Proof, SessionId, TradingDate, promote};
    use candor_engine::Sink as _;
    use candor_journal::{Item, Reader, Record};
    use candor_shm::{LaneWriter, PartitionSpec, RegionSpec, clock};

    use super::*;
    use crate::log::Log;
    use crate::publish::{Links, Publisher};

    const QUARANTINED: Status = Status::stale(Reason::SymbolQuarantined);
    const ROOM: u32 = 65_536;

    fn live() -> Status {
        let all = [Scope::Handler, Scope::Partition, Scope::Symbol];
        promote(&all.into_iter().fold(Proof::NOTHING, Proof::rule_out_scope))
    }

    /// A lane with a partition of so many symbols, and what follows it.
    struct Scene {
        folder: PathBuf,
        config: Config,
        region: Region,
        lane: LaneWriter,
        links: Links,
        symbols: Symbols,
        start: Mono,
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    impl Scene {
        /// All of its symbols are Live, and have been seen so.
        fn new(name: &str, symbols: u32) -> Scene {
            let folder =
                std::env::temp_dir().join(format!("candor-turns-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            let text = format!(
                "[handler]\nname = \"h\"\nregion = \"{}/r\"\n[source]\nkind = \"udp\"\ninterface = \
                 \"lo\"\n[[lane]]\nidle = \"block\"\n[[venue]]\nname = \"XNAS\"\nfeed = \
                 \"nasdaq-itch50\"\n[[venue.partition]]\nname = \"1\"\nlane = 0\nsymbols_max = {symbols}\n\
                 lines.A = {{ group = \"239.1.1.1\", port = 1 }}\n",
                folder.display()
            );
            let config = crate::config::parse_text(Path::new("c.toml"), &text).unwrap();
            let mut spec = RegionSpec::new(Text::from_wire(b"h").unwrap());
            spec.process_lease = Nanos(u64::MAX);
            spec.partitions = config.partitions.iter().map(crate::run::partition_spec).collect();
            spec.partitions[0] = PartitionSpec { symbols, ..spec.partitions[0].clone() };
            let (mut handler, mut lanes, region) = candor_shm::heap(&spec).unwrap();
            let start = clock::now();
            handler.set_status(live(), start);
            let mut lane = lanes.remove(0);
            lane.renew(Mono(u64::MAX));
            lane.lease(0, Mono(u64::MAX / 2));
            let links = Links::new(Vec::new(), Arc::new(Log::new()));
            let mut scene =
                Scene { folder, config, region, lane, links, symbols: Symbols::new(), start };
            for symbol in 0..symbols {
                let name = Text::from_wire(format!("S{symbol:05}").as_bytes()).unwrap();
                scene.lane.define(0, SymbolIndex(symbol), &name);
                scene.publish(symbol, live(), 0);
            }
            scene.partition(live());
            let none = Journal::none();
            scene.symbols.take(&scene.links.statuses);
            scene.symbols.look(&none, &scene.config, &scene.region, start);
            scene
        }

        fn partition(&mut self, status: Status) {
            let session = SessionId::from_text(*b"DAY0000001");
            self.lane.partition(0, status, 1, self.start, session);
        }

        /// What the engine publishes, so many ms from the start.
        fn publish(&mut self, symbol: u32, status: Status, ms: u64) {
            let at = self.start + Nanos::from_millis(ms);
            let Scene { lane, links, .. } = self;
            let mut sink = Publisher { writer: lane, partition: 0, links };
            sink.publish(SymbolIndex(symbol), status, 1, at, &BookView::EMPTY);
        }

        /// What the journal has after looks at these times.
        fn looked(&mut self, times: &[u64]) -> Vec<Record> {
            let _ = fs::remove_dir_all(self.folder.join("r.journal"));
            let date = TradingDate(20_261_123);
            let (journal, ending) = Journal::start(&self.config, date, None);
            for ms in times {
                self.symbols.take(&self.links.statuses);
                let now = self.start + Nanos::from_millis(*ms);
                self.symbols.look(&journal, &self.config, &self.region, now);
            }
            drop(journal);
            ending.wait();
            let records = Reader::open(&self.folder.join("r.journal")).unwrap();
            let records = records.map(|item| match item.unwrap() {
                Item::Record(_, record) => record,
                other => panic!("{other:?}"),
            });
            records.skip(1).collect()
        }
    }

    fn short(records: &[Record]) -> Vec<String> {
        let one = |record: &Record| {
            let parts = record.fields.iter().filter(|(name, _)| *name != "partition");
            let parts = parts.map(|(name, value)| format!("{name}={value}"));
            parts.collect::<Vec<_>>().join(" ")
        };
        records.iter().map(one).collect()
    }

    #[test]
    fn what_lasts_ten_milliseconds_between_two_looks_is_recorded() {
        let mut scene = Scene::new("short", 8);
        scene.publish(3, QUARANTINED, 100);
        scene.publish(3, live(), 110);
        // Two at once, one of them once more.
        for symbol in [4, 5] {
            scene.publish(symbol, Status::stale(Reason::SymbolRecovering), 120);
            scene.publish(symbol, live(), 121);
        }
        scene.publish(5, Status::stale(Reason::SymbolRecovering), 130);
        scene.publish(5, live(), 150);
        // A message that changes no status is no news.
        scene.publish(5, live(), 151);
        let records = scene.looked(&[500]);
        assert_eq!(
            short(&records),
            [
                "count=1 from=Live symbols=S00003 to=Stale(SymbolQuarantined)",
                "count=1 from=Stale(SymbolQuarantined) longest_ns=10000000 symbols=S00003 to=Live",
                "count=2 from=Live longest_ns=9000000 symbols=S00004 S00005 times=3 to=Stale(SymbolRecovering)",
                "count=2 from=Stale(SymbolRecovering) longest_ns=20000000 symbols=S00004 S00005 times=3 to=Live",
            ]
        );
        assert_eq!(records[1].stamp.mono - records[0].stamp.mono, 10_000_000, "when it happened");
        assert_eq!(short(&scene.looked(&[1_000, 1_500, 2_500])), [] as [&str; 0], "once");
    }

    #[test]
    fn what_a_look_sees_before_it_is_told_is_recorded_once() {
        let mut scene = Scene::new("seen", 8);
        scene.publish(1, QUARANTINED, 100);
        // The look comes between the change and what is told of it.
        let told: Vec<Change> = scene.links.statuses.take().collect();
        let first = scene.looked(&[1_100]);
        assert_eq!(short(&first), ["count=1 from=Live symbols=S00001 to=Stale(SymbolQuarantined)"]);
        told.into_iter().for_each(|change| scene.links.statuses.push(change));
        scene.publish(1, live(), 1_200);
        let then = scene.looked(&[1_600]);
        assert_eq!(
            short(&then),
            ["count=1 from=Stale(SymbolQuarantined) longest_ns=1100000000 symbols=S00001 to=Live"]
        );
    }

    #[test]
    fn behind_a_stale_partition_nothing_is_said_and_what_shows_behind_it_is() {
        let mut scene = Scene::new("behind", 8);
        scene.partition(Status::stale(Reason::Gap));
        for symbol in 0..8 {
            scene.publish(symbol, QUARANTINED, 100);
            scene.publish(symbol, live(), 110);
        }
        scene.publish(7, QUARANTINED, 120);
        scene.partition(live());
        scene.publish(7, live(), 130);
        assert_eq!(
            short(&scene.looked(&[500, 1_500])),
            ["count=1 from=Stale(SymbolQuarantined) symbols=S00007 to=Live"]
        );
    }

    #[test]
    fn ten_thousand_at_once_are_few_records_and_what_finds_no_room_is_counted() {
        let mut scene = Scene::new("many", 10_000);
        let all = |scene: &mut Scene, status, ms| {
            (0..10_000).for_each(|symbol| scene.publish(symbol, status, ms));
        };
        all(&mut scene, QUARANTINED, 100);
        all(&mut scene, live(), 110);
        // There and back: as many records as their names take.
        let records = scene.looked(&[500]);
        assert_eq!(records.len(), 2 * 10_000 / NAMES);
        assert!(records.iter().all(|record| record.fields.number_of("count") == Some(10_000)));
        // Beyond what is named in a minute there is a count and some examples.
        let mut ms = 600;
        let mut records = Vec::new();
        for _ in 0..3 {
            all(&mut scene, QUARANTINED, ms);
            all(&mut scene, live(), ms + 10);
            records = scene.looked(&[ms + 100]);
            ms += 500;
        }
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].fields.names_of("examples").count(), EXAMPLES);
        // Nobody has looked for long: one symbol that flaps fills the queue.
        for turn in 0..=ROOM {
            scene.publish(
                9,
                if turn % 2 == 0 { QUARANTINED } else { live() },
                ms + u64::from(turn),
            );
        }
        let records = short(&scene.looked(&[ms + 70_000]));
        assert!(records.contains(&"entries=1 what=not followed".to_owned()), "{records:?}");
        let turned = format!("times={} to=Stale(SymbolQuarantined)", ROOM / 2);
        assert!(records.iter().any(|record| record.ends_with(&turned)), "{records:?}");
        // The last of it found no room, and lasts.
        let last = "count=1 from=Live symbols=S00009 to=Stale(SymbolQuarantined)".to_owned();
        assert_eq!(records.last(), Some(&last));
    }
}
