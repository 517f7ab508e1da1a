//! Target `maps`: what venues publish, to the importers. The first byte chooses which one.

use std::collections::BTreeSet;
use std::path::Path;

use candor_core::symbol::Text;
use candor_core::{TradingDate, Venue};
use candor_maps::check::Placement;
use candor_maps::import::cme::{Snapshots, Take};
use candor_maps::import::{Imported, cboe, cme, inband, nyse, opra};
use candor_maps::{Key, Range, Symbols};
use candor_settings::Problems;

const DATE: TradingDate = TradingDate(20_260_727);

/// Small files that are right, with the byte that chooses their importer and a name.
pub const SEEDS: [(u8, &str, &str); 7] = [
    (
        0,
        "cboe_units",
        "unit,range_start,range_end\n1,A,NKEA~\n2,NKEB,PDC~\n3,PDD,Z~\n26,NVDA,\n31,*daily,\n",
    ),
    (0, "cboe_starts", "unit,range_start\n1,A\n2,AIV\n3,GOOGA\n4,*listed\n"),
    (1, "cboe_listed", "Symbol,\"Matching Unit\"\nCBOE,32\n\"ARKK\",33\n"),
    (
        2,
        "opra_lines",
        "line,start_symbol,start_expiry_code,end_symbol,end_expiry_code\n\
         4,A,A,IWM,L\n5,IWM,M,ZZZZZ,X\n",
    ),
    (
        3,
        "opra_multicast",
        "service,stream,line,group,port\nproduction,A,4,224.0.204.4,45004\n\
         production,B,4,224.0.206.4,45004\n",
    ),
    (4, "nyse", "A|A|1|N|N|A|100|4|2|C||\nABR PRF|ABRpF|17|N|N|A|100|4|3|P|\n"),
    (
        5,
        "cme",
        "<?xml version=\"1.0\"?>\n<configuration environment=\"PROD\" updated=\"2026/07/25-04:14:02\">\
         <channel id=\"310\" label=\"x &amp; y\"><products><product code=\"ES\"><group code=\"ES\"/>\
         </product></products><connections>\n<connection id=\"310H2A\"><type feed-type=\"H\">r</type>\
         <protocol>TCP/IP</protocol><host-ip>10.0.0.1</host-ip><port>10000</port><feed>A</feed>\
         </connection>\n<connection id=\"310IA\"><type feed-type=\"I\">i</type><protocol>UDP/IP</protocol>\
         <ip>224.0.31.1</ip><host-ip>10.0.0.2</host-ip><port>14310</port><feed>A</feed></connection>\
         </connections></channel></configuration>\n",
    ),
];

/// A file is taken whole or refused with lines it has; what is taken keeps what the importers promise.
pub fn check(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(bytes);
    let once = import(*choice, &text);
    assert_eq!(import(*choice, &text), once);
    match once {
        Ok(imported) => holds(imported),
        Err(problems) => refusal_holds(&problems, &text),
    }
}

fn import(choice: u8, text: &str) -> Result<Imported, Problems> {
    let path = Path::new("file");
    let venue = Venue::from_wire(b"XTST").expect("it is text");
    match choice % 6 {
        0 => cboe::units(path, text, venue, DATE),
        1 => cboe::listed(path, text, venue, DATE),
        2 => opra::lines(path, text, DATE, Some(4)),
        3 => opra::multicast(path, text, DATE, "production"),
        4 => nyse::mapping(path, text, venue, DATE, |system| {
            Text::from_wire((system / 2).to_string().as_bytes())
        }),
        _ => {
            let take =
                Take { venue, date: None, environment: "PROD", snapshots: Snapshots::ByPrice };
            cme::config(path, text, take)
        }
    }
}

fn refusal_holds(problems: &Problems, text: &str) {
    assert!(!problems.list().is_empty());
    for problem in problems.list() {
        assert!(problem.line <= text.lines().count().max(1));
        // Nothing foreign reaches a terminal as it is.
        assert!(!problem.message.contains(char::is_control), "{:?}", problem.message);
    }
}

fn holds(imported: Imported) {
    let names: BTreeSet<_> = imported.parts.iter().map(|part| part.name).collect();
    assert_eq!(names.len(), imported.parts.len());
    assert!(!imported.notes.iter().any(|note| note.contains(char::is_control)));
    // The same twice is never one whole.
    assert!(
        names.is_empty() || imported.clone().join(imported.clone()).is_err() || silent(&imported)
    );
    let missing = imported.parts.iter().any(|part| part.lines.is_none() || part.symbols.is_none());
    assert_eq!(imported.clone().into_map().is_ok(), !missing && !names.is_empty());

    let mut whole = imported;
    for part in &mut whole.parts {
        part.lines.get_or_insert_default();
        part.symbols.get_or_insert(Symbols::InBand);
    }
    let Ok(map) = whole.into_map() else { return };
    let mut ranges: Vec<(Text<16>, Range)> = Vec::new();
    let mut named = Vec::new();
    for partition in &map.partitions {
        match &partition.symbols {
            Symbols::List(list) => {
                assert!(list.is_sorted_by(|a, b| a < b));
                named.extend(list.iter().map(|symbol| (partition.name, *symbol)));
            }
            Symbols::Ranges(list) => {
                assert!(list.is_sorted_by_key(|range| range.first));
                ranges.extend(list.iter().map(|range| (partition.name, *range)));
            }
            Symbols::Products(list) => assert!(list.is_sorted_by(|a, b| a < b)),
            Symbols::InBand => {}
        }
    }
    // Against what it lists itself, a map is the same.
    assert!(inband::compare(&map, &named).is_same());
    let placement = Placement::new(&map);
    for (index, (name, range)) in ranges.iter().enumerate() {
        for (_, other) in &ranges[..index] {
            let nested = range.is_exception_to(other) || other.is_exception_to(range);
            assert!(nested || !range.overlaps(other), "{range:?} {other:?}");
        }
        // A range's first key is its own, unless an exception takes it.
        let first = Key { expiry: range.first.expiry, ..range.first };
        let place = placement.of(&first.text, first.expiry).map(|at| map.partitions[at].name);
        let taken =
            |(_, other): &&(Text<16>, Range)| other.is_exception_to(range) && other.covers(&first);
        assert!(place == Some(*name) || ranges.iter().any(|each| taken(&each)), "{range:?}");
    }
}

/// Whether the file says neither lines nor symbols nor services of any partition.
fn silent(imported: &Imported) -> bool {
    imported.parts.iter().all(|part| {
        part.lines.is_none() && part.symbols.is_none() && part.services == Default::default()
    })
}
