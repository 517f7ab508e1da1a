//! The handler's configuration that matches an exchange.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::market::{Market, MarketConfig};
use candor_core::Line;
use candor_decoders::Format;

use super::args::{ConfigArgs, SourceKind};
use super::endpoints::{Endpoints, Ports};

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
    let services = services(args, &mut text)?;
    let symbols = symbols(args)?;
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
            // A level has an order at least.
            let bound = if format == Format::NasdaqItch50 { "orders_max" } else { "levels_max" };
            let _ = writeln!(text, "symbols_max = {count}\n{bound} = {orders}");
        }
        for line in Line::ALL.into_iter().filter(|line| args.shape.lines.contains(line)) {
            let (group, port) = (endpoints.group(partition, line), endpoints.port(partition));
            let _ = writeln!(text, "lines.{line} = {{ group = \"{group}\", port = {port} }}");
        }
        if let Some((address, ports)) = &services {
            partition_services(args, *address, ports, partition, &mut text);
        }
    }
    Ok(text)
}

/// Where the services are, with the keys of the venue that are about them; nothing without services.
fn services(args: &ConfigArgs, text: &mut String) -> Result<Option<(Ipv4Addr, Ports)>, String> {
    let address = match args.shape.services {
        None => return Ok(None),
        Some(Some(address)) => address,
        // Only the exchange knows its interface.
        Some(None) => return Err("--services needs the exchange's address here".to_owned()),
    };
    let ports = Ports::new(args.shape.service_port_base(), args.shape.partitions())?;
    if let Some(path) = &args.credentials {
        let _ = writeln!(text, "credentials = \"{}\"", path.display());
    }
    Ok(Some((address, ports)))
}

/// The services of one partition: what its framing has of them, best first.
fn partition_services(
    args: &ConfigArgs,
    address: Ipv4Addr,
    ports: &Ports,
    partition: usize,
    text: &mut String,
) {
    let (retransmit, snapshot) = (ports.retransmit(partition), ports.snapshot(partition));
    let _ = match args.shape.format() {
        Format::NasdaqItch50 => {
            writeln!(text, "retransmit = [\"udp://{address}:{retransmit}\"]")
        }
        Format::IexDeep | Format::IexTops => writeln!(
            text,
            "retransmit = [\"udp://{address}:{retransmit}\", \"tcp://{address}:{retransmit}\"]"
        ),
    };
    // Of TOPS nobody here keeps an image.
    if args.shape.format() != Format::IexTops {
        let _ = writeln!(text, "snapshot = [\"tcp://{address}:{snapshot}\"]");
    }
}

/// Symbols of each partition of a market; nothing for a capture.
fn symbols(args: &ConfigArgs) -> Result<Vec<usize>, String> {
    if args.shape.capture.is_some() || args.shape.listings.is_some() {
        return Ok(Vec::new());
    }
    let family = args.shape.family()?;
    let (partitions, symbols) = (args.shape.partitions, args.shape.symbols);
    let market =
        Market::new(MarketConfig { partitions, symbols, family, ..MarketConfig::default() });
    Ok(market.partitions.iter().map(|partition| partition.symbols().len()).collect())
}
