//! What happens to partitions and symbols, as records: the handler's own thread calls this, with what lanes
//! have told the log, and with the region as any reader sees it.
//!
//! | what | seen where | recorded as |
//! | --- | --- | --- |
//! | a partition's status | every change, as its lane told it; what time alone changes (`Silent`, `WriterGone`), every 100 ms | `partition`, with how long it was what it was before |
//! | gaps | the loss log, every 500 ms | `gap`: one record for each partition and what became of the gaps, with how many, which numbers, how long at most |
//! | steps of recovery | every one, as its lane told it | `recovery` |
//! | sessions, lines that differ, the venue's end | every one | `venue` |
//! | a symbol's own status | every change, as its lane told it, while its partition is Live; what no lane says, every second | `symbols`: one record for all of a partition that went from one status to the same other (`symbols.rs`) |

use std::collections::BTreeMap;

use candor_core::alert::Code;
use candor_core::{LossKind, Mono, Nanos, Reason, SessionId, Status};
use candor_engine::Notice;
use candor_journal::Fields;
use candor_shm::{LossReader, Next, PartitionInfo, Region, clock};

use super::symbols::Symbols;
use super::{Journal, name, status};
use crate::alert::About;
use crate::config::Config;
use crate::log::Told;
use crate::statuses::Statuses;

/// Losses looked at in one go.
const LOSSES: usize = 65_536;

/// A partition, as it was recorded last.
#[derive(Clone, Default)]
struct Seen {
    /// By its lane's word.
    own: Option<Status>,
    session: Option<SessionId>,
    /// What time alone has made of it.
    derived: Option<Reason>,
    said: Option<(String, Mono)>,
    /// Whether its lane may have said something that found no room on its way here.
    doubtful: bool,
}

/// See the module's description.
pub(crate) struct Follow {
    journal: Journal,
    partitions: Vec<Seen>,
    losses: Vec<LossReader>,
    symbols: Symbols,
    /// Whether the journal's thread hung at the last look.
    hung: bool,
}

impl Follow {
    pub(crate) fn new(journal: Journal, config: &Config, region: &Region) -> Follow {
        let lanes = 0..u16::try_from(config.lanes.len()).unwrap_or(u16::MAX);
        Follow {
            journal,
            partitions: vec![Seen::default(); config.partitions.len()],
            losses: lanes.filter_map(|lane| region.losses(lane)).collect(),
            symbols: Symbols::new(),
            hung: false,
        }
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What a lane has told of a partition.
    pub(crate) fn told(
        &mut self,
        config: &Config,
        region: &Region,
        number: u16,
        at: Mono,
        told: &Told,
    ) {
        let partition = || Fields::new().text("partition", name(config, number));
        match told {
            Told::Status { status, session } => {
                // One that a map has brought has its place from then on.
                self.seat(number);
                let seen = &mut self.partitions[usize::from(number)];
                (seen.own, seen.session) = (Some(*status), Some(*session));
                self.say(config, region, number, at);
            }
            // In the loss log too, with those that nobody is told of.
            Told::Notice(Notice::Loss(_) | Notice::GapOpened { .. }) => {}
            Told::Notice(notice) => {
                let fields = partition().text("what", what(notice)).text("text", told);
                self.journal.record_at(at, "venue", fields);
            }
            Told::Step(_) => {
                self.journal.record_at(at, "recovery", partition().text("text", told));
            }
        }
    }

    fn seat(&mut self, number: u16) {
        let needed = usize::from(number) + 1;
        if self.partitions.len() < needed {
            self.partitions.resize(needed, Seen::default());
        }
    }

    /// Some of what lanes have told found no room: what each partition is has to be looked up.
    pub(crate) fn missed(&mut self) {
        self.partitions.iter_mut().for_each(|seen| seen.doubtful = true);
    }

    /// What a reader sees of a partition that its lane does not say, or has said in vain.
    pub(crate) fn seen(
        &mut self,
        config: &Config,
        region: &Region,
        info: &PartitionInfo,
        now: Mono,
    ) {
        let (derived, at) = match (info.status.reason(), info.silent) {
            (Some(Reason::WriterGone), _) => (Some(Reason::WriterGone), now),
            (_, Some(since)) => (Some(Reason::Silent), since),
            (_, None) => (None, now),
        };
        self.seat(info.index);
        let seen = &mut self.partitions[usize::from(info.index)];
        let known = info.unhalted.reason().is_none_or(|reason| {
            reason.level() == candor_core::status::Scope::Partition && reason != Reason::Silent
        });
        // Behind another reason its own is hidden: it is looked up later.
        if known && std::mem::take(&mut seen.doubtful) {
            seen.own = Some(info.unhalted);
            seen.session = info.numbers.map(|(session, ..)| session).or(seen.session);
            seen.derived = derived;
            self.say(config, region, info.index, at);
            return;
        }
        // Of one that has not said anything yet time changes nothing.
        if seen.derived != derived && seen.own.is_some() {
            seen.derived = derived;
            self.say(config, region, info.index, at);
        }
    }

    /// Records what a partition is, if that is another than was recorded.
    fn say(&mut self, config: &Config, region: &Region, number: u16, at: Mono) {
        let seen = &mut self.partitions[usize::from(number)];
        let Some(own) = seen.own else { return };
        let to = match seen.derived {
            // What its lane says against it stands before silence, and behind a lane that hangs.
            Some(Reason::Silent) if !own.is_live() => status(own),
            Some(reason) => status(Status::stale(reason)),
            None => status(own),
        };
        let same = seen.said.as_ref().is_some_and(|(said, _)| *said == to);
        if same {
            return;
        }
        let before = seen.said.replace((to.clone(), at));
        let fields = Fields::new().text("partition", name(config, number)).text("to", to);
        let mut fields = match before {
            Some((from, since)) => fields.text("from", from).number("lasted_ns", at.since(since).0),
            None => fields.text("from", "not said"),
        };
        if let Some(session) = seen.session {
            fields = fields.text("session", session);
        }
        if let Some(info) = region.partition_when(number, clock::now) {
            fields = fields.number("has", u64::from(info.symbols));
        }
        self.journal.record_at(at, "partition", fields);
    }

    /// What was lost and found since the last time, and what symbols are by themselves.
    pub(crate) fn look(&mut self, config: &Config, region: &Region, now: Mono) {
        self.tell_hang(now);
        self.losses(config);
        self.symbols.look(&self.journal, config, region, now);
    }

    /// What lanes have told of symbols.
    pub(crate) fn turned(&mut self, statuses: &Statuses) {
        self.symbols.take(statuses);
    }

    fn tell_hang(&mut self, now: Mono) {
        let hangs = self.journal.hangs(now);
        match (std::mem::replace(&mut self.hung, hangs), hangs) {
            (false, true) => {
                let text = "the journal is not written: its disk hangs";
                self.journal.alerts().raise(Code::Journal, About::Handler, text);
            }
            (true, false) => self.journal.alerts().end(Code::Journal, About::Handler),
            _ => {}
        }
    }

    fn losses(&mut self, config: &Config) {
        let mut sums: BTreeMap<(u16, LossKind), Sum> = BTreeMap::new();
        let mut unseen = 0;
        for reader in &mut self.losses {
            for _ in 0..LOSSES {
                match reader.next() {
                    Next::Nothing => break,
                    Next::Lapped { missed } => unseen += missed,
                    Next::Record(record) if record.loss.kind == LossKind::OneLine => {}
                    Next::Record(record) => {
                        let key = (record.partition, record.loss.kind);
                        sums.entry(key).or_default().add(&record.loss);
                    }
                }
            }
        }
        let mut sums: Vec<((u16, LossKind), Sum)> = sums.into_iter().collect();
        sums.sort_by_key(|(_, sum)| sum.at);
        for ((number, kind), sum) in sums {
            let fields = Fields::new()
                .text("partition", name(config, number))
                .text("what", kind.label())
                .number("gaps", sum.gaps)
                .number("numbers", sum.numbers)
                .number("first", sum.first)
                .number("last", sum.last)
                .number("longest_ns", sum.longest.0);
            self.journal.record_at(sum.at, "gap", fields);
        }
        if unseen > 0 {
            let fields = Fields::new().text("what", "not followed").number("entries", unseen);
            self.journal.record("gap", fields.text("partition", "-"));
        }
    }
}

/// Gaps of one partition of which the same became.
#[derive(Default)]
struct Sum {
    gaps: u64,
    numbers: u64,
    first: u64,
    last: u64,
    longest: Nanos,
    at: Mono,
}

impl Sum {
    fn add(&mut self, loss: &candor_core::Loss) {
        let (first, last) = (loss.range.first.0, loss.range.end.0.saturating_sub(1));
        self.first = if self.gaps == 0 { first } else { self.first.min(first) };
        self.last = self.last.max(last);
        self.gaps += 1;
        self.numbers += loss.range.len();
        self.longest = self.longest.max(loss.missing_for);
        self.at = self.at.max(loss.at);
    }
}

fn what(notice: &Notice) -> &'static str {
    match notice {
        Notice::Started { .. } => "session-started",
        Notice::SessionChanged { .. } => "session-changed",
        Notice::Restarted { .. } => "numbers-restarted",
        Notice::OldSession { .. } => "old-session",
        Notice::LinesDiffer { .. } => "lines-differ",
        Notice::Ended { .. } => "session-ended",
        Notice::Loss(_) | Notice::GapOpened { .. } => "loss",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use candor_core::status::Scope;
    use candor_core::symbol::Text;
    use candor_core::{BookView, Loss, Proof, SeqNo, SeqRange, SymbolIndex, promote};
    use candor_journal::{Item, Reader, Record};
    use candor_shm::{PartitionSpec, RegionSpec};

    use super::*;

    fn live() -> Status {
        let all = [Scope::Handler, Scope::Partition, Scope::Symbol];
        promote(&all.into_iter().fold(Proof::NOTHING, Proof::rule_out_scope))
    }

    fn config(region: &Path) -> Config {
        let text = format!(
            "[handler]\nname = \"h\"\nregion = \"{}\"\n[source]\nkind = \"udp\"\ninterface = \
             \"lo\"\n[[lane]]\nidle = \"block\"\n[[venue]]\nname = \"XNAS\"\nfeed = \"nasdaq-itch50\"\n\
             [[venue.partition]]\nname = \"1\"\nlane = 0\nlines.A = {{ group = \"239.1.1.1\", port = 1 }}\n",
            region.display()
        );
        crate::config::parse_text(Path::new("c.toml"), &text).expect("a sound configuration")
    }

    fn name<const N: usize>(text: &str) -> Text<N> {
        Text::from_wire(text.as_bytes()).expect("short")
    }

    /// A record in a line, but for its times.
    fn said(record: &Record) -> String {
        let parts = record.fields.iter().filter(|(name, _)| *name != "session");
        let parts = parts.map(|(name, value)| format!("{name}={value}"));
        format!("{}: {}", record.kind, parts.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_happens_is_recorded_once_and_together_where_it_has_one_cause() {
        let folder = std::env::temp_dir().join(format!("candor-follow-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        let config = config(&folder.join("r"));
        let mut spec = RegionSpec::new(name("h"));
        spec.trading_date = candor_core::TradingDate(20_261_123);
        spec.lanes = 1;
        spec.process_lease = Nanos::from_secs(1_000);
        spec.partitions = vec![PartitionSpec {
            venue: name("XNAS"),
            name: name("1"),
            feed: name("nasdaq-itch50"),
            lane: 0,
            symbols: 8,
            silence: Nanos::from_secs(3),
            decimals: candor_core::Decimals(4),
            lines: [None; candor_core::limits::LINES],
        }];
        let (mut handler, mut lanes, region) = candor_shm::heap(&spec).expect("a sound region");
        let (journal, ending) = Journal::start(&config, spec.trading_date, None);
        let mut follow = Follow::new(journal, &config, &region);
        let mut lane = lanes.remove(0);
        let (now, session) = (clock::now(), SessionId::from_text(*b"DAY0000001"));
        let at = |seconds| now + Nanos::from_secs(seconds);
        handler.set_status(live(), now);
        lane.renew(at(1_000));
        let told = |status| Told::Status { status, session };
        // Symbols before the first look are together; one that is left out of a change is not.
        lane.partition(0, live(), 1, now, session);
        lane.lease(0, at(900));
        for symbol in 0..3 {
            lane.define(0, SymbolIndex(symbol), &name(&format!("S{symbol}")));
            lane.publish(0, SymbolIndex(symbol), live(), 1, now, &BookView::EMPTY);
        }
        follow.told(&config, &region, 0, at(0), &told(live()));
        follow.told(&config, &region, 0, at(0), &told(live()));
        follow.look(&config, &region, at(1));
        for symbol in 1..3 {
            let quarantined = Status::stale(Reason::SymbolQuarantined);
            lane.publish(0, SymbolIndex(symbol), quarantined, 1, now, &BookView::EMPTY);
        }
        follow.look(&config, &region, at(2));
        // Behind what their partition says against all of them nothing of it is said.
        lane.partition(0, Status::stale(Reason::Gap), 1, now, session);
        follow.told(&config, &region, 0, at(3), &told(Status::stale(Reason::Gap)));
        follow.look(&config, &region, at(4));
        for (first, end) in [(10, 12), (20, 25)] {
            lane.loss(
                0,
                &Loss {
                    kind: LossKind::GapFilled,
                    range: SeqRange::between(SeqNo(first), SeqNo(end)),
                    session,
                    line: None,
                    filled_by: None,
                    at: at(4),
                    missing_for: Nanos(first),
                },
            );
        }
        follow.look(&config, &region, at(5));
        // Silence, which no lane says: while it is stale by its lane's word that stands.
        let info = |follow: &mut Follow, second| {
            let info = region.partition(0, at(second)).expect("there is one");
            follow.seen(&config, &region, &info, at(second));
        };
        follow.told(&config, &region, 0, at(6), &told(live()));
        lane.partition(0, live(), 1, now, session);
        info(&mut follow, 899);
        info(&mut follow, 901);
        info(&mut follow, 902);
        lane.lease(0, at(950));
        info(&mut follow, 903);
        // What its lane said found no room; what is so anyhow is not said again.
        follow.missed();
        info(&mut follow, 904);
        lane.partition(0, Status::stale(Reason::Gap), 1, now, session);
        follow.missed();
        info(&mut follow, 905);
        lane.partition(0, live(), 1, now, session);
        follow.told(&config, &region, 0, at(906), &told(live()));
        // A lane that hangs.
        info(&mut follow, 1_001);
        drop(follow);
        ending.wait();
        let records = Reader::open(&folder.join("r.journal")).expect("a journal");
        let records: Vec<String> = records
            .map(|item| match item.expect("readable") {
                Item::Record(_, record) => said(&record),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            records[1..],
            [
                "partition: from=not said has=3 partition=XNAS/1 to=Live",
                "symbols: count=3 from=not seen partition=XNAS/1 symbols=S0 S1 S2 to=Live",
                "symbols: count=2 from=Live partition=XNAS/1 symbols=S1 S2 to=Stale(SymbolQuarantined)",
                "partition: from=Live has=3 lasted_ns=3000000000 partition=XNAS/1 to=Stale(Gap)",
                "gap: first=10 gaps=2 last=24 longest_ns=20 numbers=7 partition=XNAS/1 what=gap-filled",
                "partition: from=Stale(Gap) has=3 lasted_ns=3000000000 partition=XNAS/1 to=Live",
                "partition: from=Live has=3 lasted_ns=894000000000 partition=XNAS/1 to=Stale(Silent)",
                "partition: from=Stale(Silent) has=3 lasted_ns=3000000000 partition=XNAS/1 to=Live",
                "partition: from=Live has=3 lasted_ns=2000000000 partition=XNAS/1 to=Stale(Gap)",
                "partition: from=Stale(Gap) has=3 lasted_ns=1000000000 partition=XNAS/1 to=Live",
                "partition: from=Live has=3 lasted_ns=95000000000 partition=XNAS/1 to=Stale(WriterGone)",
            ]
        );
        fs::remove_dir_all(&folder).expect("it can be removed");
    }
}
