//! What a start records: who runs what, with which digests, and the map it runs with.

use candor_core::{Reason, Status, Symbol, TradingDate, Venue};
use candor_journal::{Digest, Fields};
use candor_shm::Region;

use super::{Journal, name, status};
use crate::attest::own::Attest;
use crate::config::{Config, Partition};
use crate::halt::record::Place;
use crate::halt::users;
use crate::run;

/// Names in one record of a list.
pub(crate) const NAMES: usize = 1_000;

/// Records the start of the handler of this region, its configuration as the day's map, what is halted, and
/// what it says of itself as a whole.
pub(crate) fn begin(
    journal: &Journal,
    config: &Config,
    region: &Region,
    (halts, attest): (&Place, &Attest),
) {
    let info = region.info();
    let fields = Fields::new()
        .text("handler", config.handler.name)
        .text("version", env!("CARGO_PKG_VERSION"))
        .text("binary", attest.own().binary_text())
        .text("configuration", config.digest_text())
        .text("layout", format!("{:016x}", candor_shm::layout_digest()))
        .text("program", Digest::of(candor_ebpf::OBJECT))
        .text("region", config.handler.region.display())
        .text("date", info.trading_date)
        .text("by", users::runs())
        .number("generation", info.generation)
        .number("pid", u64::from(info.pid))
        .number("partitions", config.partitions.len() as u64)
        .number("lanes", config.lanes.len() as u64);
    journal.record("start", fields);
    // A place that is kept for a map to come has nothing to be recorded.
    let placed = (0u16..).zip(&config.partitions).filter(|(_, own)| !own.is_spare());
    for (number, partition) in placed {
        map(journal, &name(config, number), partition, None);
    }
    for record in halts.read().unwrap_or_default() {
        super::operator::halted(journal, region, &record, true);
    }
    let from = status(Status::stale(Reason::NoMap));
    let to = status(run::handler_status(true, attest.verdict()));
    journal.record("handler", Fields::new().text("from", from).text("to", to));
}

/// What is recorded of a venue's map out of the store.
pub(crate) fn in_force(venue: Venue, date: TradingDate, digest: &str) -> Fields {
    Fields::new().text("venue", venue).text("date", date).text("digest", digest)
}

/// Records where a partition is and which symbols are known in advance. Also for one that a map has brought, left or
/// put elsewhere while the handler runs: `of` is that map's digest, whose own record says what changed.
pub(crate) fn map(journal: &Journal, partition: &str, own: &Partition, of: Option<&str>) {
    let line = |(line, at): (candor_core::Line, &crate::config::LineConfig)| {
        let source = at.source.map_or(String::new(), |source| format!(" from {source}"));
        format!("{line} {}:{}{source} on {}", at.group, at.port, at.interface)
    };
    let mut listed: Vec<&Symbol> = own.symbols.iter().collect();
    listed.sort_unstable();
    let names: String = listed.iter().map(|symbol| format!("{symbol}\n")).collect();
    let named = Fields::new().text("partition", partition);
    let named = of.map_or(named.clone(), |digest| named.text("of", digest));
    let fields = named
        .clone()
        .text("feed", own.feed.name())
        .flag("subscribe", own.subscribe)
        .list("lines", own.lines().map(line))
        .number("has", listed.len() as u64)
        .text("digest", Digest::of(names.as_bytes()));
    journal.record("map", fields);
    for some in listed.chunks(NAMES) {
        journal.record("listing", named.clone().list("symbols", some));
    }
}
