//! What a handler of the simulator is made of: its region, its partitions, as its configuration would say it.

use std::sync::Arc;

use candor_core::limits::{LINES, TRADES};
use candor_core::symbol::Text;
use candor_core::{Decimals, Mono, SessionId, TradingDate, Venue};
use candor_decoders::Format;
use candor_engine::{Capacity, Config, Services, VenueSymbols};
use candor_shm::{Endpoint, PartitionSpec, RegionSpec};

use crate::market::Family;
use crate::simulator::{MapOf, Setup};

/// Resting orders of a partition, and so its levels: some fifty rest in each of 120 symbols at most, and
/// were all of them in one partition they would fit. What is larger is cleared for every life in vain.
const ORDERS: usize = 1 << 13;

/// The trading date of every simulated day.
pub(in crate::simulator) const DATE: TradingDate = TradingDate(20_261_123);

fn text<const N: usize>(text: &str) -> Text<N> {
    Text::from_wire(text.as_bytes()).expect("a short text of letters")
}

/// The name of a partition's venue.
pub(in crate::simulator) fn venue(setup: &Setup, partition: usize) -> Venue {
    text(if setup.twins && !partition.is_multiple_of(2) { "SIMY" } else { "SIMX" })
}

/// What a venue's lines carry.
pub(in crate::simulator) const fn format(venue: Family) -> Format {
    match venue {
        Family::Itch50 => Format::NasdaqItch50,
        Family::Deep => Format::IexDeep,
    }
}

pub(in crate::simulator) fn partition_spec(
    setup: &Setup,
    partition: usize,
    symbols: usize,
) -> PartitionSpec {
    PartitionSpec {
        venue: venue(setup, partition),
        name: text(&format!("{}", partition + 1)),
        feed: text(format(setup.venue).name()),
        lane: partition as u16 % setup.lanes,
        symbols: symbols as u32,
        silence: setup.silence,
        decimals: Decimals(4),
        lines: core::array::from_fn(|line| {
            let group = [239, 1, line as u8, partition as u8];
            setup.packings[line].map(|_| Endpoint { group, port: 26_400 })
        }),
    }
}

pub(super) fn region_spec(setup: &Setup, map: MapOf, symbols: usize) -> RegionSpec {
    let mut spec = RegionSpec::new(text("simulated"));
    spec.trading_date = DATE;
    spec.process_lease = setup.lease;
    spec.lanes = setup.lanes;
    spec.events = 1_024;
    spec.losses = 256;
    spec.partitions = (0..setup.partitions)
        .map(|partition| {
            let spec = partition_spec(setup, partition, symbols);
            match map.has(partition, setup) {
                true => spec,
                false => PartitionSpec::spare(spec.lane, spec.symbols),
            }
        })
        .collect();
    spec
}

pub(super) fn config(
    setup: &Setup,
    index: usize,
    symbols: usize,
    venue: &Arc<VenueSymbols>,
    (mapped_until, earlier): (Mono, Vec<SessionId>),
) -> Config {
    let lines: [bool; LINES] = core::array::from_fn(|line| setup.packings[line].is_some());
    Config {
        index: index as u16,
        format: format(setup.venue),
        lines,
        grace: setup.grace,
        session_grace: setup.session_grace,
        services: Services {
            retransmit: setup.services.and_then(|services| services.policy(setup.venue)),
            snapshot: setup.services.and_then(|services| services.snapshots(setup.heartbeat)),
        },
        silence: setup.silence,
        late: setup.late,
        capacity: Capacity { symbols, orders: ORDERS, levels: ORDERS, trades: TRADES },
        venue: Arc::clone(venue),
        mapped_until,
        earlier,
        followed: Vec::new(),
        moved: Vec::new(),
    }
}
