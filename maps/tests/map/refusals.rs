//! Every way in which a map is refused or warned of, as an operator sees it, in one golden file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use candor_core::limits::{PARTITIONS, SYMBOLS_MAX};
use candor_core::symbol::Text;
use candor_core::{Nanos, Symbol, TradingDate, Venue};
use candor_maps::check::{Findings, Wanted, check};
use candor_maps::file::Places;
use candor_maps::{Key, Map, Protocol, Symbols};

use crate::support::{FILE, Folder, list, load_with, map, ranges, symbol};

const BASE: &str = r#"format = 1
venue = "XNAS"
date = "2026-11-23"
protocol = "nasdaq-itch50"

[[partition]]
name = "1"
silence_ms = 3000
lines.A = { group = "239.1.1.1", port = 26401 }
lines.B = { group = "239.1.2.1", port = 26402, source = "10.0.0.2", interface = "eth2" }
retransmit = ["udp://10.0.0.1:26477"]
snapshot = ["tcp://10.0.0.1:26478"]
symbols = ["AAPL", "MSFT"]

[[partition]]
name = "2"
lines.A = { group = "239.1.1.2", port = 26401 }
lines.B = { group = "239.1.2.2", port = 26402 }
retransmit = ["udp://10.0.0.1:26487"]
snapshot = ["tcp://10.0.0.1:26488"]
symbols = [
    "GOOG",
    "IBM",
]
"#;

const RANGES: &str = r#"format = 1
venue = "XTST"
date = "2026-11-23"
protocol = "nasdaq-itch50"

[[partition]]
name = "1"
lines.A = { group = "239.1.1.1", port = 26401 }
ranges = [["A", "AIUZZ"], ["AIV", "GOOG"]]

[[partition]]
name = "2"
lines.A = { group = "239.1.1.2", port = 26401 }
ranges = [
    ["GOOGA", "MZZZZ"],
    ["N", "ZZZZZ"],
]
"#;

/// A name, what to replace in [`BASE`], and by what.
const CASES: &[(&str, &str, &str)] = &[
    ("not TOML", "format = 1", "format = = 1"),
    ("cut within a line", "    \"GOOG\",\n    \"IBM\",\n]\n", "    \"GO"),
    ("no format", "format = 1\n", ""),
    ("another format", "format = 1", "format = 2\ncolour = \"blue\""),
    ("format a text", "format = 1", "format = \"1\""),
    (
        "no venue, no date, no protocol",
        "venue = \"XNAS\"\ndate = \"2026-11-23\"\nprotocol = \"nasdaq-itch50\"\n",
        "",
    ),
    ("venue too long", "\"XNAS\"", "\"NASDAQ-NMS\""),
    ("date impossible", "2026-11-23", "2026-02-30"),
    ("date a number", "\"2026-11-23\"", "20261123"),
    ("protocol unknown", "\"nasdaq-itch50\"", "\"carrier-pigeon\""),
    ("protocol misspelt", "\"nasdaq-itch50\"", "\"nasdaq-itch5\""),
    ("unknown key, near", "silence_ms = 3000", "silence_m = 3000"),
    ("unknown key, far", "venue = \"XNAS\"", "venue = \"XNAS\"\ncolour = \"blue\""),
    ("unknown key in a line", "source = \"10.0.0.2\"", "sender = \"10.0.0.2\""),
    ("unknown line", "lines.B = { group = \"239.1.2.2\"", "lines.D = { group = \"239.1.2.2\""),
    ("a key of the configuration", "silence_ms = 3000", "lane = 0\nsilence_ms = 3000"),
    ("name missing", "name = \"1\"\n", ""),
    ("name twice", "name = \"2\"", "name = \"1\""),
    ("silence of zero", "silence_ms = 3000", "silence_ms = 0"),
    ("group missing", "group = \"239.1.1.1\", port", "port"),
    ("group no address", "\"239.1.1.1\"", "\"239.1.1\""),
    ("group no multicast", "\"239.1.1.1\"", "\"10.1.1.1\""),
    ("group of the network's own", "\"239.1.1.1\"", "\"224.0.0.251\""),
    ("port of zero", "port = 26401", "port = 0"),
    ("source a group", "source = \"10.0.0.2\"", "source = \"239.0.0.2\""),
    ("interface impossible", "\"eth2\"", "\"a/very/long/name\""),
    ("two lines on one group and port", "\"239.1.1.2\"", "\"239.1.1.1\""),
    (
        "one group and port, one sender named",
        "{ group = \"239.1.2.2\", port = 26402",
        "{ source = \"10.0.0.3\", group = \"239.1.1.2\", port = 26401",
    ),
    (
        "one group and port, one sender",
        "{ group = \"239.1.2.2\"",
        "{ source = \"10.0.0.2\", group = \"239.1.2.1\"",
    ),
    (
        "a snapshot line on a line's group and port",
        "snapshot = [\"tcp://10.0.0.1:26488\"]",
        "snapshot_lines.A = { group = \"239.1.1.1\", port = 26401 }",
    ),
    (
        "unknown key in a snapshot line",
        "silence_ms = 3000",
        "snapshot_lines.A = { group = \"239.1.3.1\", port = 1, name = \"x\" }",
    ),
    (
        "a partition without a line",
        "lines.A = { group = \"239.1.1.2\", port = 26401 }\nlines.B = { group = \"239.1.2.2\", port = 26402 }\n",
        "",
    ),
    ("a line missing", "lines.B = { group = \"239.1.2.2\", port = 26402 }\n", ""),
    (
        "services missing",
        "retransmit = [\"udp://10.0.0.1:26487\"]\nsnapshot = [\"tcp://10.0.0.1:26488\"]\n",
        "",
    ),
    ("retransmission over TCP", "udp://10.0.0.1:26477", "tcp://10.0.0.1:26477"),
    ("a service by name", "tcp://10.0.0.1:26478", "tcp://glimpse.example:26478"),
    (
        "a service twice",
        "[\"tcp://10.0.0.1:26478\"]",
        "[\"tcp://10.0.0.1:26478\", \"tcp://10.0.0.1:26478\"]",
    ),
    (
        "too many addresses",
        "[\"tcp://10.0.0.1:26478\"]",
        "[\"tcp://10.0.0.1:1\", \"tcp://10.0.0.1:2\", \"tcp://10.0.0.1:3\", \"tcp://10.0.0.1:4\", \"tcp://10.0.0.1:5\", \"tcp://10.0.0.1:6\", \"tcp://10.0.0.1:7\", \"tcp://10.0.0.1:8\", \"tcp://10.0.0.1:9\"]",
    ),
    ("a symbol twice", "    \"IBM\",", "    \"GOOG\","),
    ("a symbol on two partitions", "    \"IBM\",", "    \"AAPL\","),
    ("no symbol", "    \"IBM\",", "    \"\",\n    \"ÄÖ\","),
    ("symbols a text", "[\"AAPL\", \"MSFT\"]", "\"AAPL\""),
    ("an empty list", "[\"AAPL\", \"MSFT\"]", "[]"),
    ("a list and a file", "[\"AAPL\", \"MSFT\"]", "[\"AAPL\"]\nsymbols_file = \"good.txt\""),
    ("a list and ranges", "[\"AAPL\", \"MSFT\"]", "[\"AAPL\"]\nranges = [[\"A\", \"B\"]]"),
    ("a list and products", "[\"AAPL\", \"MSFT\"]", "[\"AAPL\"]\nproducts = [\"ES\"]"),
    ("products beside a list", "symbols = [\"AAPL\", \"MSFT\"]", "products = [\"ES\"]"),
    (
        "a product twice, and none",
        "symbols = [\"AAPL\", \"MSFT\"]",
        "products = [\"ES\", \"ES\", \"\"]",
    ),
    ("an empty list of products", "symbols = [\"AAPL\", \"MSFT\"]", "products = []"),
    ("lists and ranges", "symbols = [\"AAPL\", \"MSFT\"]", "ranges = [[\"A\", \"ZZZZZ\"]]"),
    ("nothing beside a list", "symbols = [\"AAPL\", \"MSFT\"]\n", ""),
    ("no such file", "symbols = [\"AAPL\", \"MSFT\"]", "symbols_file = \"none.txt\""),
    ("a bad file", "symbols = [\"AAPL\", \"MSFT\"]", "symbols_file = \"bad.txt\""),
    (
        "a file with another's symbol",
        "symbols = [\"AAPL\", \"MSFT\"]",
        "symbols_file = \"good.txt\"",
    ),
    (
        "a file for all beside lists",
        "venue = \"XNAS\"",
        "symbols_file = \"all.csv\"\nvenue = \"XNAS\"",
    ),
    ("no such file for all", "venue = \"XNAS\"", "symbols_file = \"none.csv\"\nvenue = \"XNAS\""),
    ("the digest of another map", "venue = \"XNAS\"", "digest = \"00ff\"\nvenue = \"XNAS\""),
];

/// A name, what to replace in [`RANGES`], and by what.
const RANGE_CASES: &[(&str, &str, &str)] = &[
    (
        "no list of pairs",
        "[[\"A\", \"AIUZZ\"], [\"AIV\", \"GOOG\"]]",
        "[\"A\", [\"B\"], [\"C\", \"D\", \"E\"]]",
    ),
    ("no end of a range", "[\"A\", \"AIUZZ\"]", "[\"Ä\", \"/A\"]"),
    ("no range", "[[\"A\", \"AIUZZ\"], [\"AIV\", \"GOOG\"]]", "[]"),
    ("a range upside down", "[\"A\", \"AIUZZ\"]", "[\"AIUZZ\", \"A\"]"),
    (
        "ranges that descend",
        "    [\"GOOGA\", \"MZZZZ\"],\n    [\"N\", \"ZZZZZ\"],",
        "    [\"N\", \"ZZZZZ\"],\n    [\"GOOGA\", \"MZZZZ\"],",
    ),
    ("ranges of one partition that overlap", "[\"AIV\", \"GOOG\"]", "[\"AIUA\", \"GOOG\"]"),
    ("ranges of two partitions that overlap", "\"GOOGA\"", "\"GOOG\""),
    ("a range within another", "[\"N\", \"ZZZZZ\"]", "[\"KO\", \"KO\"]"),
    ("a range twice", "[\"N\", \"ZZZZZ\"]", "[\"A\", \"AIUZZ\"]"),
    ("a hole behind a filled end", "\"AIV\"", "\"AIW\""),
    ("a hole behind a symbol", "\"GOOGA\"", "\"GOOGB\""),
    ("a hole behind the filling", "\"N\"", "\"NA\""),
    ("nothing before the first", "\"A\", \"AIUZZ\"", "\"AB\", \"AIUZZ\""),
    ("nothing behind the last", "\"ZZZZZ\"", "\"XZZZZ\""),
    ("nothing behind the last but a few", "\"ZZZZZ\"", "\"ZB\""),
    (
        "nothing before the first, as is meant",
        "\n[[partition]]\nname = \"1\"\nlines.A = { group = \"239.1.1.1\", port = 26401 }\nranges = [[\"A\"",
        "partial = true\n[[partition]]\nname = \"1\"\nlines.A = { group = \"239.1.1.1\", port = 26401 }\nranges = [[\"AB\"",
    ),
    ("an expiry code where there are none", "\"GOOG\"]", "\"BRK/A\"]"),
    ("nothing beside ranges", "ranges = [[\"A\", \"AIUZZ\"], [\"AIV\", \"GOOG\"]]\n", ""),
];

fn folder() -> Folder<'static> {
    [
        ("maps/good.txt", "IBM\nORCL\n"),
        ("maps/bad.txt", "AAPL\nAAPL\n"),
        ("maps/all.csv", "symbol,partition\nAAPL,1\nORCL,3\nAAPL,2\n"),
    ]
    .into_iter()
    .map(|(path, text)| (PathBuf::from(path), text))
    .collect()
}

fn words(text: &str, wanted: &Wanted) -> String {
    match load_with(text, wanted, &folder()) {
        Err(problems) => problems.to_string(),
        Ok(loaded) if loaded.warnings.is_empty() => "ACCEPTED".to_owned(),
        Ok(loaded) => {
            let lines = loaded.warnings.iter().map(|warning| format!("warning: {}", warning.0));
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}

#[test]
fn every_problem_has_its_words() {
    let mut out = String::new();
    assert_eq!(words(BASE, &Wanted::default()), "ACCEPTED");
    assert_eq!(words(RANGES, &Wanted::default()), "ACCEPTED");
    for (base, cases) in [(BASE, CASES), (RANGES, RANGE_CASES)] {
        for (name, from, to) in cases {
            assert!(base.contains(from), "{name}: the base has no {from:?}");
            let words = words(&base.replacen(from, to, 1), &Wanted::default());
            assert_ne!(words, "ACCEPTED", "{name}");
            let _ = writeln!(out, "== {name}\n{words}\n");
        }
    }
    insta::assert_snapshot!(out);
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = BASE
        .replace("silence_ms", "silence_m")
        .replace("\"239.1.1.2\"", "\"239.1.1.1\"")
        .replace("\"IBM\"", "\"AAPL\"");
    let wanted = Wanted { date: Some(TradingDate(20_261_124)), ..Wanted::default() };
    insta::assert_snapshot!(words(&text, &wanted));
}

#[test]
fn more_partitions_than_a_handler_has_are_refused() {
    let one = |n: usize| {
        let (high, low) = (n / 256, n % 256);
        format!(
            "[[partition]]\nname = \"{n}\"\nlines.A = {{ group = \"239.1.{high}.{low}\", port = 1 }}\n"
        )
    };
    let head = "format = 1\nvenue = \"V\"\ndate = \"2026-11-23\"\nprotocol = \"iex-deep\"\n";
    let text = |count| head.to_owned() + &(0..count).map(one).collect::<String>();
    assert_eq!(words(&text(PARTITIONS), &Wanted::default()), "ACCEPTED");
    let refused = words(&text(PARTITIONS + 1), &Wanted::default());
    assert!(refused.contains("1025 partitions: a handler has at most 1024"), "{refused}");
    let refused = words(head, &Wanted::default());
    assert!(refused.contains("the map has no `partition`"), "{refused}");
}

/// What only a map that is in no file can have.
#[track_caller]
fn assert_refused(map: &Map, words: &str) {
    let Findings { refusals, .. } = check(map, &places(), &Wanted::default());
    let found: Vec<String> = refusals.iter().map(|refusal| refusal.0.to_string()).collect();
    assert!(found.iter().any(|found| found.contains(words)), "{found:?} has {words:?}");
    assert!(found.iter().all(|found| found.starts_with("units.csv: ")), "{found:?}");
}

fn places() -> Places {
    Places::unknown(Path::new("units.csv"))
}

fn hand_made() -> Map {
    map(20_261_123, Protocol::NasdaqItch50, vec![list(&["AAPL", "MSFT"]), list(&["IBM"])])
}

fn changed(change: impl FnOnce(&mut Map)) -> Map {
    let mut map = hand_made();
    change(&mut map);
    map
}

#[test]
fn a_map_that_no_file_holds_is_checked_as_well() {
    assert_eq!(check(&hand_made(), &places(), &Wanted::default()), Findings::default());
    let group =
        changed(|map| map.partitions[0].lines[0].as_mut().unwrap().group = [10, 0, 0, 1].into());
    assert_refused(&group, "line A of partition 1: 10.0.0.1 is not a multicast group");
    let own =
        changed(|map| map.partitions[0].lines[0].as_mut().unwrap().group = [224, 0, 0, 9].into());
    assert_refused(&own, "224.0.0.9 is for the network's own protocols");
    let port = changed(|map| map.partitions[0].lines[1].as_mut().unwrap().port = 0);
    assert_refused(&port, "line B of partition 1: port 0 is none");
    let source = changed(|map| {
        map.partitions[0].lines[1].as_mut().unwrap().source = Some([0, 0, 0, 0].into());
    });
    assert_refused(&source, "0.0.0.0 can't be a sender");
    let source = changed(|map| {
        map.partitions[0].lines[1].as_mut().unwrap().source = Some([255; 4].into());
    });
    assert_refused(&source, "255.255.255.255 can't be a sender");
    let interface = changed(|map| {
        map.partitions[0].lines[1].as_mut().unwrap().interface = Some("a b".to_owned());
    });
    assert_refused(&interface, "\"a b\" can't be an interface");
    let service = "0.0.0.0:1".parse().unwrap();
    let host = changed(|map| map.partitions[0].services.snapshot.push(service));
    assert_refused(&host, "snapshot of partition 1: 0.0.0.0:1 can't be a host and its port");
    let service = "10.0.0.1:1".parse().unwrap();
    let nine = changed(|map| map.partitions[0].services.retransmit_udp = vec![service; 9]);
    assert_refused(&nine, "`retransmit` of partition 1 has 9 addresses");
    assert_refused(&nine, "retransmit of partition 1 names udp://10.0.0.1:1 twice");
    let silence = changed(|map| map.partitions[0].silence = Some(Nanos(1_500_000)));
    assert_refused(
        &silence,
        "partition 1 is silent after 1500 µs: that must be whole milliseconds",
    );
    let nameless = changed(|map| map.partitions[0].name = Text::EMPTY);
    assert_refused(&nameless, "partition 0 of the map has no name");
    let twice = changed(|map| map.partitions[1].name = map.partitions[0].name);
    assert_refused(&twice, "there are two partitions 1");
    let none = changed(|map| map.partitions.clear());
    assert_refused(&none, "has no partition");
    let descending = ["MSFT", "AAPL"].map(symbol).to_vec();
    let descending = changed(|map| map.partitions[0].symbols = Symbols::List(descending));
    assert_refused(&descending, "partition 1 lists AAPL behind MSFT; lists are ascending");
    let again = ["AAPL", "AAPL"].map(symbol).to_vec();
    let again = changed(|map| map.partitions[0].symbols = Symbols::List(again));
    assert_refused(&again, "partition 1 lists AAPL twice");
    assert_eq!(check(&again, &places(), &Wanted::default()).refusals.len(), 1);
}

#[test]
fn more_symbols_than_a_partition_can_have_are_refused() {
    let list = |count: usize| {
        let names = (0..count).map(|n| Symbol::from_wire(format!("{n:08}").as_bytes()).unwrap());
        changed(|map| map.partitions[0].symbols = Symbols::List(names.collect()))
    };
    assert_eq!(check(&list(SYMBOLS_MAX), &places(), &Wanted::default()), Findings::default());
    assert_refused(
        &list(SYMBOLS_MAX + 1),
        "partition 1 lists 1048577 symbols; it can have 1048576",
    );
}

#[test]
fn expiry_codes_are_those_that_opra_has() {
    let opra = |pairs: &[[&str; 2]]| map(20_261_123, Protocol::Opra, vec![ranges(pairs)]);
    let good = opra(&[["A/A", "IWM/L"], ["IWM/M", "ZZZZZ/X"]]);
    assert_eq!(check(&good, &places(), &Wanted::default()), Findings::default());
    let digits = opra(&[["1/A", "9ZZZZ/X"], ["A/A", "A9ZZZ/X"], ["AA/A", "ZZZZZ/X"]]);
    assert_eq!(check(&digits, &places(), &Wanted::default()), Findings::default());
    assert_refused(&opra(&[["1/A", "9ZZZZ/X"], ["AA/A", "ZZZZZ/X"]]), "behind 9ZZZZ/X begins A");
    assert_refused(&opra(&[["A/A", "IWM/L"], ["IWM/N", "ZZZZZ/X"]]), "behind IWM/L begins IWM/M");
    assert_refused(&opra(&[["A/A", "IWM/L"], ["IWMA/A", "ZZZZZ/X"]]), "behind IWM/L begins IWM/M");
    assert_refused(
        &opra(&[["A/A", "GOOG/X"], ["GOOH/A", "ZZZZZ/X"]]),
        "behind GOOG/X begins GOOGA",
    );
    assert_refused(
        &opra(&[["A/A", "GOOG/X"], ["GOOGA/B", "ZZZZZ/X"]]),
        "behind GOOG/X begins GOOGA",
    );
    assert_refused(&opra(&[["A/A", "IWM/M"], ["IWM/M", "ZZZZZ/X"]]), "overlaps");
    assert_refused(&opra(&[["A/A", "JNZZZ/L"], ["JO/A", "ZZZZZ/X"]]), "end it with X");
    assert_refused(
        &opra(&[["A/A", "JNZZZ/Z"], ["JO/A", "ZZZZZ/X"]]),
        "an expiry code is one of A to X",
    );
    assert_refused(&opra(&[["A/A", "JNZZZ"], ["JO/A", "ZZZZZ/X"]]), "give each range both");
    let whole = Key { text: symbol("JO"), expiry: Some(b'A') };
    let mixed = opra(&[["A", "JNZZZ"]]);
    let Symbols::Ranges(mut both) = mixed.partitions[0].symbols.clone() else { panic!() };
    both.push(candor_maps::Range { first: whole, last: Key { expiry: Some(b'X'), ..whole } });
    let mixed = map(20_261_123, Protocol::Opra, vec![Symbols::Ranges(both)]);
    assert_refused(&mixed, "A to JNZZZ has no expiry codes at both ends");
}

#[test]
fn only_cboe_takes_symbols_out_of_ranges() {
    let taken = |protocol, narrow: &[[&str; 2]], listed: &[&str]| {
        let wide = ranges(&[["A", "GLDA~"], ["GLDB", "ZZZZZ"]]);
        map(20_261_123, protocol, vec![wide, ranges(narrow), list(listed)])
    };
    let good = taken(Protocol::CboePitch, &[["GOOG", "GOOGL"], ["SPY", "SPY"]], &["CBOE", "IBIT"]);
    assert_eq!(check(&good, &places(), &Wanted::default()), Findings::default());
    let other = taken(Protocol::NyseXdp, &[["GOOG", "GOOGL"], ["SPY", "SPY"]], &["CBOE"]);
    assert_refused(&other, "GOOG to GOOGL of partition 2 overlaps GLDB to ZZZZZ of partition 1");
    assert_refused(&other, "partition 3 lists its symbols and partition 1 has ranges");
    for narrow in [
        // Filled, across two, twice, and one within the other.
        &[["GOOG", "GOOGZ"]][..],
        &[["GLD", "GLDD"]],
        &[["SPY", "SPY"], ["SPY", "SPY"]],
        &[["GOOG", "GOOGL"], ["GOOGA", "GOOGB"]],
    ] {
        assert_refused(&taken(Protocol::CboePitch, narrow, &["CBOE"]), "overlaps");
    }
    // Nor is a partition's own range taken out of it, nor a whole range.
    let own = vec![ranges(&[["A", "ZZZZZ"], ["SPY", "SPY"]])];
    assert_refused(&map(20_261_123, Protocol::CboePitch, own), "overlaps");
    let whole =
        vec![ranges(&[["A", "GOOG"]]), ranges(&[["A", "GOOG"]]), ranges(&[["GOOGA", "ZZZZZ"]])];
    assert_refused(&map(20_261_123, Protocol::CboePitch, whole), "overlaps");
}

#[test]
fn the_file_that_is_read_is_named() {
    let wanted = Wanted { venue: Venue::from_wire(b"BZX"), ..Wanted::default() };
    assert!(words(BASE, &wanted).starts_with(&format!("{FILE}:2: is a map of XNAS")));
}
