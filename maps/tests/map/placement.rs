//! Where a map puts a symbol, against a scan of all it says.

use candor_core::Symbol;
use candor_maps::check::{Placement, Wanted, check, of};
use candor_maps::file::Places;
use candor_maps::{Key, Map, Protocol, Range, Symbols};
use proptest::prelude::*;

use crate::support::{key, list, map, ranges, symbol};

/// Whether a range has a key, by comparing texts as the venues' documents say it: both ends are within, and
/// whatever begins with what stands before the filling of the last.
fn covers(range: &Range, key: &Key) -> bool {
    let (first, last) = (range.first, range.last);
    let split = first.expiry.is_some() || last.expiry.is_some();
    let (lowest, highest) = match key.expiry {
        Some(code) if split => (code, code),
        _ => (b'A', b'X'),
    };
    let (text, end) = (key.text.as_str(), last.text.as_str());
    let stem = match end {
        _ if end.ends_with('~') => end.trim_end_matches('~'),
        _ if end.len() >= 5 => end.trim_end_matches('Z'),
        _ => end,
    };
    let begun = (first.text.as_str(), first.expiry.unwrap_or(b'A')) <= (text, lowest);
    let filled = stem.len() < end.len() && text.starts_with(stem);
    begun && (filled || (text, highest) <= (end, last.expiry.unwrap_or(b'X')))
}

/// What a map says of a symbol, read from the first partition to the last: a list before ranges, and a range
/// from one symbol to another before one that is filled.
fn scan(map: &Map, symbol: &Symbol, expiry: Option<u8>) -> Option<usize> {
    let key = Key { text: *symbol, expiry };
    let find = |carries: &dyn Fn(&Symbols) -> bool| {
        map.partitions.iter().position(|partition| carries(&partition.symbols))
    };
    let ranged = |filled: bool| {
        find(&|own| match own {
            Symbols::Ranges(ranges) => ranges.iter().any(|range| {
                let last = range.last.text.as_str();
                let is_filled = last.ends_with('~') || last.len() >= 5 && last.ends_with('Z');
                is_filled == filled && covers(range, &key)
            }),
            _ => false,
        })
    };
    find(&|own| matches!(own, Symbols::List(list) if list.contains(symbol)))
        .or_else(|| ranged(false))
        .or_else(|| ranged(true))
}

/// A map whose ranges follow each other, cut behind these stems, and dealt to partitions in turn. One
/// symbol of each fourth range is another partition's.
fn cut(stems: &[String], tildes: bool, partitions: usize) -> Map {
    let fill = |stem: &str| {
        if tildes { format!("{stem}~") } else { format!("{stem:\u{5f}<5}").replace('_', "Z") }
    };
    let behind = |stem: &str| {
        let (head, last) = stem.split_at(stem.len() - 1);
        format!("{head}{}", char::from(last.as_bytes()[0] + 1))
    };
    let mut carried = vec![Vec::new(); partitions + 1];
    let mut first = "A".to_owned();
    for (at, stem) in stems.iter().enumerate() {
        carried[at % partitions].push((first.clone(), fill(stem)));
        first = behind(stem);
        if at % 4 == 1 {
            let taken = format!("{stem}B");
            carried[partitions].push((taken.clone(), taken));
        }
    }
    carried[stems.len() % partitions].push((first, fill("")));
    let parts = carried.iter().filter(|own| !own.is_empty()).map(|own| {
        let pairs: Vec<[&str; 2]> =
            own.iter().map(|(first, last)| [&first[..], &last[..]]).collect();
        ranges(&pairs)
    });
    map(20_261_123, Protocol::CboePitch, parts.collect())
}

#[track_caller]
fn assert_accepted(map: &Map) {
    let found = check(map, &Places::default(), &Wanted::default());
    let words: Vec<String> = found.refusals.iter().map(|one| one.0.to_string()).collect();
    assert!(words.is_empty(), "{words:?}");
}

proptest! {
    #[test]
    fn a_range_covers_what_comparing_texts_says(
        ends in prop::collection::vec("[ABZ^]{1,3}(ZZZZ|~|ZZ~|Z)?", 2),
        codes in prop::option::of((b'A'..=b'X', b'A'..=b'X')),
        text in "[ABZ^~a]{1,6}", code in prop::option::of(b'A'..=b'X'),
    ) {
        let end = |at: usize, expiry| Key { text: symbol(&ends[at]), expiry };
        let range = Range {
            first: end(0, codes.map(|codes| codes.0)),
            last: end(1, codes.map(|codes| codes.1)),
        };
        for text in [&text, &ends[0], &ends[1]] {
            let key = Key { text: symbol(text), expiry: code };
            prop_assert_eq!(range.covers(&key), covers(&range, &key), "{} {:?}", range, key);
        }
    }

    #[test]
    fn ranges_are_found_as_by_a_scan(
        stems in prop::collection::btree_set("[A-Y][A-Y]{0,2}", 1..12),
        tildes in any::<bool>(), partitions in 1usize..5,
        texts in prop::collection::vec("[A-Z^.a]{1,5}", 40),
    ) {
        // One that begins with another is no cut behind it.
        let all: Vec<String> = stems.iter().cloned().collect();
        let stems: Vec<String> = all.iter().filter(|stem| {
            !all.iter().any(|other| other != *stem && (other.starts_with(*stem) || stem.starts_with(other)))
        }).cloned().collect();
        prop_assume!(!stems.is_empty());
        let map = cut(&stems, tildes, partitions);
        assert_accepted(&map);
        let placement = Placement::new(&map);
        let near = stems.iter().flat_map(|stem| ["", "B", "C", "ZZ", "^A"].map(|end| format!("{stem}{end}")));
        for text in texts.into_iter().chain(near) {
            let symbol = symbol(&text);
            prop_assert_eq!(placement.of(&symbol, None), scan(&map, &symbol, None), "{} in {:?}", text, map);
            if text.starts_with(|first: char| first.is_ascii_uppercase()) {
                prop_assert!(placement.of(&symbol, None).is_some(), "{} is nowhere", text);
            }
        }
    }

    #[test]
    fn lists_are_found_as_by_a_scan(
        lists in prop::collection::vec(prop::collection::btree_set("[A-C]{1,3}", 0..8), 1..5),
        texts in prop::collection::vec("[A-C]{1,3}", 20),
    ) {
        let mut seen = Vec::new();
        let once = lists.iter().map(|own| {
            let own: Vec<&str> = own.iter().map(String::as_str).filter(|text| !seen.contains(text)).collect();
            seen.extend(&own);
            list(&own)
        });
        let map = map(20_261_123, Protocol::NasdaqItch50, once.collect());
        for text in &texts {
            let symbol = symbol(text);
            prop_assert_eq!(of(&map, &symbol, None), scan(&map, &symbol, None));
        }
    }

    #[test]
    fn roots_that_are_split_are_found_by_their_expiry(
        codes in prop::collection::btree_set(b'A'..=b'W', 1..6), text in "[A-C]{1,3}", code in b'A'..=b'X',
    ) {
        let mut pairs = Vec::new();
        let mut first = "A/A".to_owned();
        for code in &codes {
            pairs.push((first, format!("BB/{}", char::from(*code))));
            first = format!("BB/{}", char::from(code + 1));
        }
        pairs.push((first, "ZZZZZ/X".to_owned()));
        let parts = pairs.iter().map(|(first, last)| ranges(&[[&first[..], &last[..]]]));
        let map = map(20_261_123, Protocol::Opra, parts.collect());
        assert_accepted(&map);
        for symbol in [symbol(&text), symbol("BB")] {
            for expiry in [None, Some(code)] {
                prop_assert_eq!(of(&map, &symbol, expiry), scan(&map, &symbol, expiry));
            }
        }
        prop_assert_eq!(of(&map, &symbol("BB"), None), None);
        prop_assert!(of(&map, &symbol("BB"), Some(code)).is_some());
    }
}

#[test]
fn a_list_is_before_a_narrow_range_and_that_before_a_wide_one() {
    let wide = ranges(&[["A", "GLDA~"], ["GLDB", "ZZZZZ"]]);
    let narrow = ranges(&[["GOOG", "GOOGL"], ["SPY", "SPY"]]);
    let map = map(20_261_123, Protocol::CboePitch, vec![wide, narrow, list(&["GOOGA", "CBOE"])]);
    assert_accepted(&map);
    for (text, partition) in [
        ("GOOG", Some(1)),
        ("GOOGA", Some(2)),
        ("GOOGB", Some(1)),
        ("GOOGLA", Some(0)),
        ("GOOF", Some(0)),
        ("SPY", Some(1)),
        ("SPYA", Some(0)),
        ("CBOE", Some(2)),
        ("CBO", Some(0)),
        ("9", None),
    ] {
        assert_eq!(of(&map, &symbol(text), None), partition, "{text}");
        assert_eq!(of(&map, &symbol(text), None), scan(&map, &symbol(text), None), "{text}");
    }
}

#[test]
fn what_is_named_on_the_wire_is_nowhere_in_advance() {
    let map = map(20_261_123, Protocol::IexDeep, vec![Symbols::InBand, Symbols::InBand]);
    assert_eq!(of(&map, &symbol("AAPL"), None), None);
}

#[test]
fn no_expiry_code_but_those_there_are() {
    let map = map(20_261_123, Protocol::Opra, vec![ranges(&[["A/A", "ZZZZZ/X"]])]);
    let root = key("IWM").text;
    assert_eq!(of(&map, &root, Some(b'A')), Some(0));
    for code in [0, b'@', b'Y', b'a'] {
        assert_eq!(of(&map, &root, Some(code)), None, "{code}");
    }
    // Where nothing is split nobody looks at it.
    let whole =
        self::map(20_261_123, Protocol::NyseXdp, vec![ranges(&[["A", "ZZZZZ"]]), list(&["9"])]);
    assert_eq!(of(&whole, &root, Some(b'Z')), Some(0));
    assert_eq!(of(&whole, &symbol("9"), Some(0)), Some(1));
}
