//! The handler's configuration that matches an exchange.

use std::fmt::Write as _;

use crate::market::{Market, MarketConfig};
use candor_core::Line;
use candor_decoders::Format;

use super::args::{ConfigArgs, SourceKind};
use super::endpoints::Endpoints;

/// The configuration as text.
pub(super) fn config(args: &ConfigArgs) -> Result<String, String> {
    let partitions = args.shape.partitions();
    let endpoints = Endpoints::new(args.shape.group_base, args.shape.port_base, partitions)?;
    let lanes = args.lanes.clamp(1, partitions.max(1));
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = write!(
        text,
        "# Matches candor-exchange with the same flags.\n[handler]\nname = \"{}\"\nregion = \"{}\"\n\n",
        args.name, args.region
    );
    let _ = match args.source {
        SourceKind::Udp => {
            write!(text, "[source]\nkind = \"udp\"\ninterface = \"{}\"\n\n", args.handler_interface)
        }
        SourceKind::AfXdp => write!(
            text,
            "[source]\nkind = \"af_xdp\"\ninterface = \"{}\"\nmode = \"{}\"\nallow_fallback = false\n\n",
            args.handler_interface, args.mode
        ),
    };
    for lane in 0..lanes {
        let _ = writeln!(text, "[[lane]]\nidle = \"{}\"", args.idle);
        if matches!(args.source, SourceKind::AfXdp) {
            let _ = writeln!(text, "queues = [{lane}]");
        }
        text.push('\n');
    }
    let format = args.shape.format();
    let venue = match format {
        Format::NasdaqItch50 => "XNAS",
        Format::IexDeep | Format::IexTops => "IEXG",
    };
    let _ = write!(
        text,
        "[[venue]]\nname = \"{venue}\"\nfeed = \"{}\"\nsilence_ms = {}\nreorder_grace_us = {}\n",
        format.name(),
        args.silence_ms,
        args.reorder_grace_us
    );
    let symbols = symbols(args);
    let wanted = (0..partitions).filter(|partition| !args.without.contains(&(partition + 1)));
    for partition in wanted {
        let _ = write!(
            text,
            "\n[[venue.partition]]\nname = \"{}\"\nlane = {}\nsubscribe = true\n",
            partition + 1,
            partition % lanes
        );
        if let Some(count) = symbols.get(partition) {
            // Books tend to 50 orders a symbol at most; thrice that is room for a long day.
            let orders = (count * 150).next_power_of_two().max(1 << 12);
            let _ = writeln!(text, "symbols_max = {count}\norders_max = {orders}");
        }
        for line in Line::ALL.into_iter().filter(|line| args.shape.lines.contains(line)) {
            let (group, port) = (endpoints.group(partition, line), endpoints.port(partition));
            let _ = writeln!(text, "lines.{line} = {{ group = \"{group}\", port = {port} }}");
        }
    }
    Ok(text)
}

/// Symbols of each partition of a market; nothing for a capture.
fn symbols(args: &ConfigArgs) -> Vec<usize> {
    if args.shape.capture.is_some() {
        return Vec::new();
    }
    let (partitions, symbols) = (args.shape.partitions, args.shape.symbols);
    let market = Market::new(MarketConfig { partitions, symbols, ..MarketConfig::default() });
    market.partitions.iter().map(|partition| partition.symbols().len()).collect()
}
