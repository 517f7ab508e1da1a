//! What is written reads as the same map, and the same map is written in the same bytes.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};

use candor_core::symbol::Text;
use candor_core::{Nanos, Symbol, TradingDate, Venue};
use candor_maps::file::{SYMBOLS_FILE, Written, digest, digest_of_bytes, digest_text, read, write};
use candor_maps::{Endpoint, Key, Map, Partition, Protocol, Range, Services, Symbols};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{accepted, list, map, ranges};

fn read_again(map: &Map) -> Map {
    let written = write(map);
    let csv = Path::new("maps").join(SYMBOLS_FILE);
    read(Path::new("maps/map.toml"), &written.toml, &mut |path| match &written.symbols_csv {
        Some(text) if *path == csv => Ok(text.clone()),
        _ => Err("there is no such file; name one that exists".to_owned()),
    })
    .unwrap_or_else(|problems| panic!("{problems}\n{}", written.toml))
}

/// Printable ASCII of every kind, without spaces at the edges.
fn text<const N: usize>() -> impl Strategy<Value = Text<N>> {
    let any = prop::collection::vec(b' '..=b'~', 1..=N);
    let odd = select(vec!["\"", "\\", ",", "#", "/", "A/B", "A/", "a b", "\"\"", "//A", "[1]"]);
    prop_oneof![
        3 => any.prop_filter_map("spaces", |bytes| Text::from_wire(&bytes)),
        1 => odd.prop_filter_map("length", |text| Text::from_wire(text.as_bytes())),
    ]
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let group = (224u8..240, 1u8.., any::<u8>(), any::<u8>());
    let source = (1u8..224, any::<u8>(), any::<u8>(), any::<u8>());
    let interface = prop::option::of("[!-.0-~]{1,15}");
    (group, 1u16.., prop::option::of(source), interface).prop_map(|(g, port, s, interface)| {
        Endpoint {
            group: Ipv4Addr::new(g.0, g.1, g.2, g.3),
            port,
            source: s.map(|s| Ipv4Addr::new(s.0, s.1, s.2, s.3)),
            interface,
        }
    })
}

fn lines() -> impl Strategy<Value = [Option<Endpoint>; 3]> {
    [(); 3].map(|()| prop::option::of(endpoint()))
}

fn addresses() -> impl Strategy<Value = Vec<SocketAddrV4>> {
    let address = (1u8..224, any::<u8>(), 1u16..);
    let address = address.prop_map(|(a, b, port)| SocketAddrV4::new([a, 0, 0, b].into(), port));
    prop::collection::btree_set(address, 0..=4).prop_map(|set| set.into_iter().collect())
}

fn services(protocol: Protocol) -> impl Strategy<Value = Services> {
    (addresses(), addresses(), addresses(), lines()).prop_map(move |(udp, tcp, snapshot, lines)| {
        Services {
            retransmit_udp: udp,
            // Nasdaq has none.
            retransmit_tcp: if protocol == Protocol::NasdaqItch50 { Vec::new() } else { tcp },
            snapshot,
            snapshot_lines: lines,
        }
    })
}

fn range() -> impl Strategy<Value = Range> {
    let key = || {
        let expiry = prop::option::of(b'A'..=b'X');
        (text(), expiry).prop_map(|(text, expiry)| Key { text, expiry })
    };
    (key(), key()).prop_map(|(first, last)| Range { first, last })
}

/// What each of some partitions carries: a symbol is on one list only.
fn carried(count: usize) -> impl Strategy<Value = Vec<Symbols>> {
    let symbols = prop::collection::btree_set(text::<24>(), 0..12);
    let many = (250usize..400).prop_map(|count| {
        let names = (0..count).map(|n| Text::from_wire(format!("S{n}").as_bytes()).unwrap());
        names.collect::<BTreeSet<Symbol>>()
    });
    let symbols = prop_oneof![symbols, many];
    let kind = prop_oneof![
        4 => Just(None),
        1 => prop::collection::vec(range(), 0..9).prop_map(|own| Some(Symbols::Ranges(own))),
        1 => prop::collection::btree_set(text::<24>(), 0..9)
            .prop_map(|own| Some(Symbols::Products(own.into_iter().collect()))),
        1 => Just(Some(Symbols::InBand)),
    ];
    let kinds =
        prop_oneof![prop::collection::vec(Just(None), count), prop::collection::vec(kind, count),];
    (symbols, kinds, any::<u64>()).prop_map(|(symbols, kinds, seed)| {
        let mut carried: Vec<Symbols> =
            kinds.into_iter().map(|kind| kind.unwrap_or(Symbols::List(Vec::new()))).collect();
        for (at, symbol) in symbols.into_iter().enumerate() {
            let to = (seed.rotate_left(at as u32 * 7) % carried.len() as u64) as usize;
            if let Symbols::List(list) = &mut carried[to] {
                list.push(symbol);
            }
        }
        carried
    })
}

prop_compose! {
    fn any_map()(
        venue in text::<8>(),
        date in (1970u32..=9999, 1u32..=12, 1u32..=28),
        protocol in select(Protocol::ALL.to_vec()),
        names in prop::collection::btree_set(text::<16>(), 1..6),
    )(
        carried in carried(names.len()),
        parts in prop::collection::vec(
            (lines(), services(protocol), prop::option::of(1u64..=3_600_000)), names.len()
        ),
        venue in Just(venue), date in Just(date), protocol in Just(protocol), partial in any::<bool>(), names in Just(names),
    ) -> Map {
        let partitions = names.into_iter().rev().zip(parts).zip(carried).map(
            |((name, (lines, services, silence)), symbols)| Partition {
                name, lines, services, silence: silence.map(Nanos::from_millis), symbols,
            }
        );
        let date = TradingDate(date.0 * 10_000 + date.1 * 100 + date.2);
        Map { venue: Venue::from_wire(venue.as_str().as_bytes()).unwrap(), date, protocol,
              partial, partitions: partitions.collect() }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_as_the_same(map in any_map()) {
        let again = read_again(&map);
        prop_assert_eq!(&again, &map);
        prop_assert_eq!(write(&again), write(&map));
        prop_assert_eq!(digest(&again), digest(&map));
        let Written { toml, symbols_csv } = write(&map);
        prop_assert_eq!(digest_of_bytes(&toml, symbols_csv.as_deref()), Some(digest_text(&map)));
    }

    /// Whatever happens to a byte of what was written, it is refused, or says the same; and by its bytes it has no
    /// digest any more.
    #[test]
    fn a_damaged_file_is_refused_or_says_the_same(
        map in any_map(), at in any::<prop::sample::Index>(), byte in prop::option::of(any::<u8>()),
    ) {
        let written = write(&map);
        let before = written.clone();
        let mut both = [written.toml.into_bytes(), written.symbols_csv.unwrap_or_default().into_bytes()];
        let at = at.index(both[0].len() + both[1].len());
        let (file, at) = if at < both[0].len() { (0, at) } else { (1, at - both[0].len()) };
        match byte {
            Some(byte) => both[file][at] = byte,
            None => { both[file].remove(at); }
        }
        let [toml, csv] = both.map(String::from_utf8);
        let (Ok(toml), Ok(csv)) = (toml, csv) else { return Ok(()) };
        let same = toml == before.toml && csv == before.symbols_csv.unwrap_or_default();
        prop_assert_eq!(digest_of_bytes(&toml, Some(&csv)).is_some(), same);
        let again = read(Path::new("map.toml"), &toml, &mut |_| Ok(csv.clone()));
        if let Ok(again) = again {
            prop_assert_eq!(again, map);
        }
    }

    /// One digest means one map.
    #[test]
    fn another_map_has_another_digest(one in any_map(), other in any_map()) {
        prop_assert_eq!(digest(&one) == digest(&other), one == other);
    }
}

#[test]
fn the_canonical_form_is_this() {
    let mut map = map(
        20_261_123,
        Protocol::Opra,
        vec![ranges(&[["A/A", "IWM/L"]]), list(&["BRK/A", "\"\\"])],
    );
    let snapshots = map.partitions[1].lines[1].clone();
    let services = &mut map.partitions[0].services;
    services.retransmit_udp.push("10.0.0.1:26477".parse().unwrap());
    services.retransmit_tcp.push("10.0.0.1:26478".parse().unwrap());
    services.snapshot_lines[0] = snapshots;
    map.partitions[1].silence = Some(Nanos::from_millis(1_500));
    let line = map.partitions[0].lines[1].as_mut().unwrap();
    line.source = Some([10, 0, 0, 2].into());
    line.interface = Some("eth2".to_owned());
    let written = write(&map);
    insta::assert_snapshot!(written.toml);
    assert_eq!(written.symbols_csv, None);
    assert!(written.toml.contains(&digest_text(&map)));
}

#[test]
fn many_symbols_are_in_a_file_of_their_own() {
    let names: Vec<String> = (0..300).map(|n| format!("S{n}")).collect();
    let (one, two) = names.split_at(130);
    let lists = [one, two].map(|part| list(&part.iter().map(String::as_str).collect::<Vec<_>>()));
    let map = map(20_261_123, Protocol::NasdaqItch50, lists.to_vec());
    let written = write(&map);
    assert!(written.toml.contains("\nsymbols_file = \"symbols.csv\"\n"), "{}", written.toml);
    assert!(!written.toml.contains("S1"), "{}", written.toml);
    let csv = written.symbols_csv.unwrap();
    assert!(csv.starts_with("symbol,partition\nS0,1\nS1,1\nS10,1\nS100,1\n"), "{csv}");
    assert_eq!(csv.lines().count(), 301);
    // Rows may come in any order.
    let turned: Vec<&str> = csv
        .lines()
        .take(1)
        .chain(csv.lines().skip(1).collect::<Vec<_>>().into_iter().rev())
        .collect();
    let turned = read(Path::new("map.toml"), &written.toml, &mut |_| Ok(turned.join("\n")));
    assert_eq!(turned.unwrap_or_else(|problems| panic!("{problems}")), map);
    assert_eq!(read_again(&map), map);
}

#[test]
fn whoever_changes_a_map_by_hand_takes_its_digest_out() {
    let map = map(20_261_123, Protocol::NasdaqItch50, vec![list(&["AAPL"]), list(&["IBM"])]);
    let text = write(&map).toml.replace("\"IBM\"", "\"ORCL\"");
    let refused = read(Path::new("map.toml"), &text, &mut |_| unreachable!()).unwrap_err();
    assert!(refused.to_string().starts_with("map.toml:2: was cut or changed"), "{refused}");
    let without: Vec<&str> = text.lines().filter(|line| !line.starts_with("digest")).collect();
    let changed = accepted(&without.join("\n"));
    assert_ne!(digest(&changed), digest(&map));
    // Its own words may be in any order, and its digest in capitals.
    let reordered = "# by hand\nprotocol = \"nasdaq-itch50\"\ndate = 2026-11-23\nvenue = \"XTST\"\nformat = 1\n\
                     digest = \"DIGEST\"\n[[partition]]\nsymbols_file = \"one.txt\"\nname = \"1\"\n\
                     lines.B = { port = 30001, group = \"239.1.2.1\" }\n\
                     lines.A = { port = 30001, group = \"239.1.1.1\" }\n[[partition]]\nsymbols = [\"IBM\"]\n\
                     name = \"2\"\nlines.B = { port = 30002, group = \"239.1.2.2\" }\n\
                     lines.A = { port = 30002, group = \"239.1.1.2\" }\n";
    let reordered = reordered.replace("DIGEST", &digest_text(&map).to_uppercase());
    let mut asked = Vec::new();
    let again = read(Path::new("maps/map.toml"), &reordered, &mut |path| {
        asked.push(path.to_path_buf());
        Ok("AAPL # the only one\n".to_owned())
    });
    assert_eq!(again.unwrap_or_else(|problems| panic!("{problems}")), map);
    assert_eq!(asked, [PathBuf::from("maps/one.txt")]);
}
