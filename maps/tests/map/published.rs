//! What exchanges have published, imported, checked and compared. The files are no part of the repository: a test
//! whose file this machine doesn't have says that it is skipped.
//!
//! The counts were made by an independent script that reads the same files.

use std::collections::BTreeSet;
use std::path::PathBuf;

use candor_core::symbol::Text;
use candor_core::{Symbol, TradingDate, Venue};
use candor_maps::check::{Findings, Placement, Wanted, check};
use candor_maps::diff::Difference;
use candor_maps::file::{self, Places};
use candor_maps::import::cme::{Snapshots, Take};
use candor_maps::import::{Imported, cboe, cme, inband, opra};
use candor_maps::{Map, Protocol, Symbols};
use candor_settings::read_text;

use crate::support::{partition, symbol, symbols};

fn folder() -> PathBuf {
    std::env::var_os("CANDOR_CAPTURES").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
        PathBuf::from,
    )
}

/// A published file and its text.
fn published(test: &str, name: &str) -> Option<(PathBuf, String)> {
    let path = folder().join(name);
    if !path.is_file() {
        println!("skipped: {test}: no captures");
        return None;
    }
    let text = read_text(&path).unwrap();
    Some((path, text))
}

fn venue(text: &str) -> Venue {
    Text::from_wire(text.as_bytes()).unwrap()
}

/// A map of what the file says, which is not refused nor warned of. The tables are without endpoints: each
/// partition gets some.
#[track_caller]
fn placed(mut imported: Imported) -> Map {
    for (number, part) in (1..).zip(&mut imported.parts) {
        part.lines.get_or_insert(partition(number, Symbols::InBand).lines);
    }
    let map = imported.into_map().unwrap();
    assert_eq!(check(&map, &Places::default(), &Wanted::default()), Findings::default());
    map
}

/// The name of the partition that carries a symbol.
fn place(map: &Map, text: &str, expiry: Option<u8>) -> Option<String> {
    let at = Placement::new(map).of(&symbol(text), expiry)?;
    Some(map.partitions[at].name.to_string())
}

fn ranges(imported: &Imported) -> usize {
    let ranges = |symbols: &Option<Symbols>| match symbols {
        Some(Symbols::Ranges(ranges)) => ranges.len(),
        _ => 0,
    };
    imported.parts.iter().map(|part| ranges(&part.symbols)).sum()
}

/// Every text of one to four capital letters: 475,254.
fn roots() -> Vec<Symbol> {
    let mut roots: Vec<String> = vec![String::new()];
    let mut from = 0;
    for _ in 0..4 {
        let to = roots.len();
        for at in from..to {
            for letter in 'A'..='Z' {
                roots.push(format!("{}{letter}", roots[at]));
            }
        }
        from = to;
    }
    roots[1..].iter().map(|text| symbol(text)).collect()
}

/// How many of `keys` are in another partition of `to` than of `from`, and how many `to` has nowhere.
fn moved(from: &Map, to: &Map, keys: impl Iterator<Item = (Symbol, Option<u8>)>) -> (usize, usize) {
    let name = |map: &Map, at: Option<usize>| at.map(|at| map.partitions[at].name);
    let (before, now) = (Placement::new(from), Placement::new(to));
    let (mut moved, mut nowhere) = (0, 0);
    for (symbol, expiry) in keys {
        let old = name(from, before.of(&symbol, expiry));
        let new = name(to, now.of(&symbol, expiry));
        moved += usize::from(old.is_some() && new.is_some() && old != new);
        nowhere += usize::from(new.is_none());
    }
    (moved, nowhere)
}

fn opra(test: &str, name: &str, date: u32) -> Option<Imported> {
    let (path, text) = published(test, &format!("partition-maps/{name}"))?;
    Some(opra::lines(&path, &text, TradingDate(date), Some(4)).unwrap())
}

#[test]
fn opra_moved_roots_overnight() {
    let test = "opra_moved_roots_overnight";
    let Some(old) = opra(test, "opra_48line_asof_2018-02-12.csv", 20_180_309) else { return };
    let Some(new) = opra(test, "opra_48line_from_2018-03-12.csv", 20_180_312) else { return };
    for imported in [&old, &new] {
        assert_eq!((imported.parts.len(), ranges(imported)), (48, 49));
        // No range overlaps another, or the file would have been refused. Two holes, in both tables: signs
        // between digits and letters, and GOOG with a digit behind it.
        assert_eq!(
            imported.notes,
            [
                "what lies between 9ZZZZ X (end of 4) and A A (begin of 1) is in no partition",
                "what lies between GOOG X (end of 18) and GOOGA A (begin of 19) is in no partition",
            ]
        );
    }
    let (old, new) = (placed(old), placed(new));
    let all = |root| (b'A'..=b'X').map(move |code| (root, Some(code)));
    let keys: Vec<_> = roots().into_iter().step_by(71).flat_map(all).collect();
    assert_eq!(keys.len(), OPRA_KEYS);
    assert_eq!(moved(&old, &new, keys.into_iter()), OPRA_MOVED);
    for (root, from, to) in [
        ("AKAM", "3", "2"),
        ("HUM", "21", "20"),
        ("SAN", "36", "36"),
        ("RY", "35", "36"),
        ("SHW", "36", "37"),
        ("XBI", "46", "47"),
        ("1AAPL", "4", "4"),
    ] {
        let places = [&old, &new].map(|map| place(map, root, None));
        assert_eq!(places, [from, to].map(|name| Some(name.to_owned())), "{root}");
    }
    assert_eq!(place(&new, "SPY", Some(b'L')).as_deref(), Some("38"));
    assert_eq!(place(&new, "SPY", Some(b'M')).as_deref(), Some("39"));
    let roots =
        symbols(&["AAPL", "AKAM", "AKS", "GOOG", "HUM", "HUN", "IWM", "RUT", "SHOP", "SPY", "RSX"]);
    insta::assert_snapshot!(Difference::between(&old, &new, &roots).unwrap());
}

/// Every 71st root, with 24 codes each, and what of that moved and is nowhere.
const OPRA_KEYS: usize = 160_656;
const OPRA_MOVED: (usize, usize) = (3_864, 0);

#[test]
fn opra_addresses_go_with_a_table_of_as_many_lines() {
    let test = "opra_addresses_go_with_a_table_of_as_many_lines";
    let name = "partition-maps/opra_lines_multicast_v1.58.csv";
    let Some((path, text)) = published(test, name) else { return };
    let Some(lines) = opra(test, "opra_48line_from_2018-03-12.csv", 20_180_312) else { return };
    for service in ["production", "retransmission", "playback_test"] {
        let imported = opra::multicast(&path, &text, TradingDate(20_250_613), service).unwrap();
        assert_eq!(imported.parts.len(), 106);
        assert_eq!(imported.notes, [""; 0]);
        let both = |lines: &[Option<_>; 3]| lines.iter().flatten().count() == 2;
        assert!(imported.parts.iter().all(|part| part.lines.as_ref().is_some_and(both)));
    }
    let production = opra::multicast(&path, &text, lines.date, "production").unwrap();
    let fourth = &production.parts[3];
    let b = fourth.lines.as_ref().unwrap()[1].as_ref().unwrap();
    // Where a capture of 2023-11-29 has it.
    assert_eq!(
        (fourth.name.as_str(), b.group.to_string(), b.port),
        ("4", "224.0.206.4".into(), 45_004)
    );
    // The addresses are of 2025: 106 lines, and the table of 2018 has 48.
    let refused = lines.join(production).unwrap_err();
    assert_eq!(refused.list().len(), 58);
}

fn options(test: &str, name: &str, date: u32) -> Option<Imported> {
    let (path, text) = published(test, &format!("partition-maps/{name}"))?;
    Some(cboe::units(&path, &text, venue("BZXO"), TradingDate(date)).unwrap())
}

#[test]
fn cboe_moved_options_to_other_units() {
    let test = "cboe_moved_options_to_other_units";
    let Some(old) = options(test, "cboe_options_units_v2.41.29_2022-04-20.csv", 20_250_328) else {
        return;
    };
    let new = "cboe_options_units_v2.41.66_from_2025-03-31.csv";
    let Some(new) = options(test, new, 20_250_331) else { return };
    for imported in [&old, &new] {
        assert_eq!((imported.parts.len(), ranges(imported)), (30, 30));
    }
    // No range overlaps another but those of units 26 to 30, which are exceptions; no holes. (Cboe prints
    // `GOOG, GOOGL` for unit 26 of the older table, two products; in hand it is a range from one to the other.)
    for imported in [&old, &new] {
        assert_eq!(imported.notes, [""; 0]);
    }
    let (old, new) = (placed(old), placed(new));
    let keys = || roots().into_iter().map(|root| (root, None));
    assert_eq!(moved(&old, &new, keys()), OPTIONS_MOVED);
    assert_eq!(moved(&new, &old, keys()), OPTIONS_MOVED);
    for (text, from, to) in [
        ("NVDA", "16", "26"),
        ("GOOG", "26", "10"),
        ("GOOGL", "26", "10"),
        ("AMZN", "29", "2"),
        ("IWM", "11", "29"),
        ("SPY", "30", "30"),
        ("SPYA", "20", "21"),
        ("AAPL", "1", "1"),
        ("ADBE", "2", "1"),
        ("GLD", "9", "10"),
        ("ZZZZ", "25", "25"),
    ] {
        let places = [&old, &new].map(|map| place(map, text, None));
        assert_eq!(places, [from, to].map(|name| Some(name.to_owned())), "{text}");
    }
}

/// Of all roots: moved, and nowhere.
const OPTIONS_MOVED: (usize, usize) = (186_102, 0);

#[test]
fn cboe_equities_with_and_without_ends_are_the_same_ranges() {
    let test = "cboe_equities_with_and_without_ends_are_the_same_ranges";
    let name = |venue| format!("partition-maps/cboe_{venue}_units_v2.41.66.csv");
    let Some((path, text)) = published(test, &name("bzx")) else { return };
    let bzx = cboe::units(&path, &text, venue("BZX"), TradingDate(20_260_102)).unwrap();
    let Some((path, text)) = published(test, &name("byx_edga_edgx")) else { return };
    let edgx = cboe::units(&path, &text, venue("EDGX"), TradingDate(20_260_102)).unwrap();
    assert_eq!((bzx.parts.len(), ranges(&bzx)), (35, 31));
    assert_eq!((edgx.parts.len(), ranges(&edgx)), (32, 31));
    // The documents print no end for the second. What is made up for it is what they print for the first.
    for (with, without) in bzx.parts[..31].iter().zip(&edgx.parts) {
        assert_eq!((with.name, &with.symbols), (without.name, &without.symbols));
    }
    // Units of Cboe's own listings are left to a daily file, and that is said.
    assert_eq!((bzx.notes.len(), edgx.notes.len()), (4, 1));
    assert_eq!(edgx.notes, ["unit 32 has \"CBOE_LISTED\", which no table of ranges says"]);
    let listed = "symbol,unit\nCBOE,32\nARKK,33\nBITW,34\nZBZX,35\n";
    let daily = cboe::listed("daily.csv".as_ref(), listed, bzx.venue, bzx.date).unwrap();
    let map = placed(bzx.join(daily).unwrap());
    for (text, unit) in
        [("CBOE", "32"), ("CBO", "5"), ("CBOF", "5"), ("ARKK", "33"), ("AIU^A", "1")]
    {
        assert_eq!(place(&map, text, None).as_deref(), Some(unit), "{text}");
    }
}

#[test]
fn symbols_of_a_capture_have_a_unit_each() {
    let test = "symbols_of_a_capture_have_a_unit_each";
    let name = "nasdaq/itch50-2019-12-30-open-1000msgs.bin";
    let Ok(bytes) = std::fs::read(folder().join(name)) else {
        println!("skipped: {test}: no captures");
        return;
    };
    let Some(old) = options(test, "cboe_options_units_v2.41.29_2022-04-20.csv", 20_250_328) else {
        return;
    };
    let new = "cboe_options_units_v2.41.66_from_2025-03-31.csv";
    let Some(new) = options(test, new, 20_250_331) else { return };
    // Messages behind a length of two bytes; adds, `A` and `F`, have the stock at 24.
    let mut symbols = BTreeSet::new();
    let mut rest = &bytes[..];
    while let [high, low, behind @ ..] = rest {
        let (message, more) = behind.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        if matches!(message[0], b'A' | b'F') {
            symbols.insert(Symbol::from_wire(&message[24..32]).unwrap());
        }
        rest = more;
    }
    assert_eq!(symbols.len(), 185);
    let (old, new) = (placed(old), placed(new));
    let keys = symbols.iter().map(|symbol| (*symbol, None));
    assert_eq!(moved(&old, &new, keys), CAPTURE_MOVED);
    // As if the units themselves named them: the same map says nothing, the older one says what moved.
    let placement = Placement::new(&new);
    let unit = |symbol| Some(new.partitions[placement.of(symbol, None)?].name);
    let named: Vec<_> = symbols.iter().filter_map(|one| Some((unit(one)?, *one))).collect();
    assert!(inband::compare(&new, &named).is_same());
    let compared = inband::compare(&old, &named);
    assert_eq!((compared.elsewhere.len(), compared.lacking.len()), (CAPTURE_MOVED.0, 0));
}

/// Of 185 symbols: moved, and nowhere.
const CAPTURE_MOVED: (usize, usize) = (79, 0);

#[test]
fn cme_certification_of_2018() {
    let Some((path, text)) = published("cme_certification_of_2018", "cme/config.xml") else {
        return;
    };
    let take = Take {
        venue: venue("XCME"),
        date: None,
        environment: "Certification",
        snapshots: Snapshots::ByPrice,
    };
    let imported = cme::config(&path, &text, take).unwrap();
    assert_eq!((imported.date, imported.protocol), (TradingDate(20_180_904), Protocol::CmeMdp3));
    // 66 channels, ten of which have only definitions and snapshots, and no products.
    assert_eq!(imported.parts.len(), 56);
    let mut groups = BTreeSet::new();
    let (mut products, mut codes, mut without) = (0, BTreeSet::new(), Vec::new());
    for part in &imported.parts {
        for endpoint in part.lines.as_ref().unwrap().iter().flatten() {
            assert!(endpoint.source.is_some());
            groups.insert((endpoint.group, endpoint.port));
        }
        match &part.symbols {
            Some(Symbols::Products(list)) => {
                assert!(list.is_sorted());
                products += list.len();
                codes.extend(list.iter().copied());
            }
            symbols => {
                assert_eq!(symbols, &Some(Symbols::InBand));
                without.push(part.name);
            }
        }
        let snapshots = &part.services.snapshot_lines;
        assert!(snapshots[0].is_some() && snapshots[1].is_none());
    }
    assert_eq!(groups.len(), 2 * 56);
    assert_eq!((products, codes.len()), (975 - 22, 450));
    // Foreign exchange and its spot, of which the file names no products.
    assert_eq!(without.iter().map(Text::as_str).collect::<Vec<_>>(), ["945", "947", "972"]);
    assert_eq!(imported.notes.len(), 5, "{:#?}", imported.notes);
    let channel = imported.parts.iter().find(|part| part.name.as_str() == "901").unwrap();
    let lines = channel.lines.as_ref().unwrap().iter().flatten();
    let lines: Vec<_> = lines.map(|at| format!("{}:{}", at.group, at.port)).collect();
    assert_eq!(lines, ["224.0.25.1:17901", "224.0.25.9:18901"]);
    // As a map it is not refused, though products are on several channels, and it is read as it is written.
    let map = imported.into_map().unwrap();
    assert_eq!(map.partitions.len(), 56);
    let written = file::write(&map);
    let wanted = Wanted { venue: Some(map.venue), date: Some(map.date) };
    let loaded = file::load("map.toml".as_ref(), &written.toml, &wanted, &mut |_| unreachable!());
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!((loaded.map, loaded.warnings), (map, vec![]));
    let production = Take { environment: "Production", ..take };
    assert_eq!(cme::config(&path, &text, production).unwrap_err().list().len(), 1);
}
