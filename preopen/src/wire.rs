//! Partitions, lines, statuses, halts, and multicast that no map names.

use candor_core::{Line, Mono, Nanos, Reason, Venue};
use candor_shm::{HaltName, PartitionInfo, Region};

use crate::sample::accepted;
use crate::{Asked, Check, Sample, Verdict, Wanted};

/// Groups and ports that an evidence lists at most; `candor unmapped` has them all.
const EXAMPLES: usize = 8;

/// How long before listening began multicast that no map names counts: longer than any heartbeat's interval.
const UNMAPPED_WITHIN: Nanos = Nanos::from_secs(60);

/// How old the table of multicast that no map names may be: some ten of the handler's looks. One that is older is
/// empty because nobody looks, and not because nothing comes.
pub const UNMAPPED_READ_WITHIN: Nanos = Nanos::from_secs(5);

/// A partition of the map, and what the region has of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair<'a> {
    pub(crate) wanted: &'a Wanted,
    pub(crate) info: Option<&'a PartitionInfo>,
}

/// A partition of the region by venue and name.
pub(crate) fn find<'a>(infos: &'a [PartitionInfo], wanted: &Wanted) -> Option<&'a PartitionInfo> {
    infos.iter().find(|info| info.spec.venue == wanted.venue && info.spec.name == wanted.name)
}

pub(crate) fn handler(region: &Region, now: &dyn Fn() -> Mono) -> Check {
    let status = region.unhalted_status_when(now).reason();
    // One that was suspended between the lease and the clock looks again.
    let status = status.and_then(|_| region.unhalted_status_when(now).reason());
    let info = region.info();
    let who = format!("{} (process {})", info.handler, info.pid);
    match status {
        None => Check::holds("handler", "", format!("{who} is live")),
        Some(reason) => {
            let gone = reason == Reason::WriterGone;
            let verdict = if gone { Verdict::Unknown } else { Verdict::Fails };
            let evidence = format!("{who} is Stale({reason}): {}", reason.text());
            Check::not(verdict, "handler", "", evidence, "candor status")
        }
    }
}

/// The partitions of the map and those of the region are the same, by endpoint and date.
pub(crate) fn partitions(venue: Venue, pairs: &[Pair<'_>], infos: &[PartitionInfo]) -> Vec<Check> {
    const NAME: &str = "partitions";
    let mut checks = Vec::new();
    let mut not = |verdict, title: String, evidence: String, to_do: &str| {
        checks.push(Check::not(verdict, NAME, title, evidence, to_do));
    };
    for Pair { wanted, info } in pairs {
        let title = wanted.title();
        let Some(info) = info else {
            let to_do = "the handler has another map: candor status; candor map history";
            not(Verdict::Fails, title, "in the map, and not in the region".to_owned(), to_do);
            continue;
        };
        if info.trading_date != wanted.date {
            let evidence =
                format!("its map is of {}, and {} is due", info.trading_date, wanted.date);
            not(Verdict::Fails, title.clone(), evidence, "candor map history; candor map fetch");
        }
        for line in Line::ALL {
            let (has, wants) = (info.spec.lines[line.index()], wanted.lines[line.index()]);
            if has != wants {
                let text = |at: Option<candor_shm::Endpoint>| {
                    at.map_or("nowhere".to_owned(), |at| at.to_string())
                };
                let (has, wants) = (text(has), text(wants));
                let evidence = format!("line {line} is received at {has}; the map says {wants}");
                let to_do = "the handler has another map: candor status; candor map history";
                not(Verdict::Fails, title.clone(), evidence, to_do);
            }
        }
        match (wanted.subscribe, info.unhalted.reason()) {
            (false, _) => {
                let evidence = "not subscribed, as configured".to_owned();
                not(Verdict::Warns, title, evidence, "its symbols are Stale(Unsubscribed) all day");
            }
            (true, Some(Reason::Unsubscribed)) => {
                let evidence = "its lines were left".to_owned();
                let to_do = format!("candor subscribe {} {}", wanted.venue, wanted.name);
                not(Verdict::Fails, title, evidence, &to_do);
            }
            (true, _) => {}
        }
    }
    for info in infos.iter().filter(|info| info.spec.venue == venue) {
        // A map has taken it away: its place keeps its name, and nothing of it is Live.
        if info.unhalted.reason() == Some(Reason::Unsubscribed) {
            continue;
        }
        if !pairs.iter().any(|pair| pair.wanted.name == info.spec.name) {
            let title = format!("{venue}/{}", info.spec.name);
            let to_do = "the handler has another map: candor status; candor map history";
            not(Verdict::Fails, title, "in the region, and not in the map".to_owned(), to_do);
        }
    }
    if checks.is_empty()
        && let Some(first) = pairs.first()
    {
        let evidence = format!("{} subscribed, by the map of {}", pairs.len(), first.wanted.date);
        checks.push(Check::holds(NAME, venue.as_str(), evidence));
    }
    checks
}

/// The lines of a partition that have brought nothing since; all of a partition that is not there.
pub(crate) fn dark(pair: &Pair<'_>, before: &Sample) -> Vec<Line> {
    let heard = pair.info.map_or([0; _], |info| before.since(info));
    let lines = Line::ALL.into_iter().filter(|line| pair.wanted.lines[line.index()].is_some());
    lines.filter(|line| heard[line.index()] == 0).collect()
}

/// Every line of every partition was heard while listening.
pub(crate) fn lines(venue: Venue, pairs: &[Pair<'_>], before: &Sample, now: Mono) -> Vec<Check> {
    const NAME: &str = "lines";
    let listened = now.since(before.at);
    let mut checks = Vec::new();
    let mut whole = 0;
    for pair in pairs.iter().filter(|pair| pair.wanted.subscribe) {
        let Some(info) = pair.info else { continue };
        let dark = dark(pair, before);
        whole += pair.wanted.lines.iter().flatten().count() - dark.len();
        for line in dark {
            let at = pair.wanted.lines[line.index()].map(|at| at.to_string()).unwrap_or_default();
            let ever = match accepted(info)[line.index()] {
                0 => "nor before".to_owned(),
                packets => format!("{packets} packets before"),
            };
            let title = format!("{} line {line}", pair.wanted.title());
            let evidence = format!("nothing on {at} in {listened}, {ever}");
            let to_do = "the switch, the venue; candor doctor; candor counters: refused packets";
            checks.push(Check::not(Verdict::Fails, NAME, title, evidence, to_do));
        }
    }
    if whole > 0 {
        let evidence = format!("{whole} heard within {listened}");
        checks.push(Check::holds(NAME, venue.as_str(), evidence));
    }
    checks
}

/// Nothing stands against a partition: no gap, no recovery, no silence. What is halted is said elsewhere.
pub(crate) fn statuses(venue: Venue, pairs: &[Pair<'_>], now: Mono) -> Vec<Check> {
    const NAME: &str = "status";
    let mut checks = Vec::new();
    let mut live = 0;
    for pair in pairs.iter().filter(|pair| pair.wanted.subscribe) {
        let Some(info) = pair.info else { continue };
        match info.unhalted.reason() {
            None => live += 1,
            // Said above.
            Some(Reason::Unsubscribed) => {}
            Some(reason) => {
                let since = now.since(info.since);
                let evidence = format!("Stale({reason}) for {since}: {}", reason.text());
                let to_do = "candor why SYMBOL; candor loss; candor partitions";
                checks.push(Check::not(Verdict::Fails, NAME, pair.wanted.title(), evidence, to_do));
            }
        }
    }
    if live > 0 {
        let (partitions, are) = if live == 1 { ("partition", "is") } else { ("partitions", "are") };
        let evidence = format!("{live} {partitions} {are} in sync, no gap open");
        checks.push(Check::holds(NAME, venue.as_str(), evidence));
    }
    checks
}

/// Multicast that was seen lately and that no map names.
pub(crate) fn unmapped(region: &Region, now: &dyn Fn() -> Mono, asked: &Asked<'_>) -> Vec<Check> {
    const NAME: &str = "unmapped";
    let Some(table) = region.unmapped() else {
        let evidence = "the table could not be read";
        return vec![Check::not(Verdict::Unknown, NAME, "", evidence, "ask again")];
    };
    let since = asked.before.at - UNMAPPED_WITHIN;
    let mut seen: Vec<_> = table
        .entries
        .iter()
        .filter(|entry| entry.last >= since && !asked.ignore.contains(&entry.endpoint))
        .filter(|entry| !entry.endpoint.is_link_local())
        .collect();
    let (known, now) = (table.entries.len() as u64, now());
    // What was seen was seen, however long ago it was looked; that nothing was is only as good as the look.
    if seen.is_empty() && now.since(table.read) > UNMAPPED_READ_WITHIN {
        let last = match table.read {
            Mono::NEVER => "never".to_owned(),
            read => format!("{} ago", now.since(read)),
        };
        let evidence =
            format!("what comes that no map names was last looked at: {last}: nobody knows");
        let to_do = "why the program's table can't be read: the handler's log; candor doctor; candor run again";
        return vec![Check::not(Verdict::Unknown, NAME, "", evidence, to_do)];
    }
    if seen.is_empty() && table.total > known {
        let evidence =
            format!("{} groups and ports came, and of {known} it is known which", table.total);
        let to_do = "candor unmapped; have the switch keep away what nobody here wants";
        return vec![Check::not(Verdict::Unknown, NAME, "", evidence, to_do)];
    }
    if seen.is_empty() {
        return vec![Check::holds(NAME, "", "no multicast that no map names")];
    }
    seen.sort_by_key(|entry| core::cmp::Reverse((entry.packets, entry.endpoint)));
    let each =
        |entry: &&candor_shm::Unmapped| format!("{} ({} packets)", entry.endpoint, entry.packets);
    let names: Vec<String> = seen.iter().take(EXAMPLES).map(each).collect();
    let more = match seen.len().saturating_sub(EXAMPLES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let evidence = format!("no map names {}{more}", names.join(", "));
    let to_do = "is it a partition that the venue has added? candor unmapped; or `ignore` it under [preopen]";
    vec![Check::not(Verdict::Fails, NAME, "", evidence, to_do)]
}

/// What is halted is not Live at the open, whatever else is well.
pub(crate) fn halts(region: &Region) -> Vec<Check> {
    const NAME: &str = "halts";
    let halts = region.halts();
    let symbols = halts.iter().filter(|(name, _)| matches!(name, HaltName::Symbol(..))).count();
    let mut checks = Vec::new();
    for (name, _) in &halts {
        let what = match name {
            HaltName::All => "everything".to_owned(),
            HaltName::Partition(venue, name) => format!("{venue}/{name}"),
            HaltName::Symbol(..) => continue,
        };
        let evidence = format!("{what} is halted");
        checks.push(Check::not(
            Verdict::Fails,
            NAME,
            what,
            evidence,
            "candor status; candor resume",
        ));
    }
    if symbols > 0 {
        let evidence = format!("{symbols} symbols are halted, each for itself");
        checks.push(Check::not(Verdict::Warns, NAME, "", evidence, "candor status; candor resume"));
    }
    if checks.is_empty() {
        checks.push(Check::holds(NAME, "", "nothing is halted"));
    }
    checks
}
