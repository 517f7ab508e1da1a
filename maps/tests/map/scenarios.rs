//! What goes wrong with maps, by the scenarios' names.

use std::path::Path;

use candor_core::{TradingDate, Venue};
use candor_maps::check::{Placement, Wanted};
use candor_maps::diff::{BOUND_PPM, Difference};
use candor_maps::file::{SYMBOLS_FILE, Written, write};
use candor_maps::{Map, Protocol, Symbols};

use crate::support::{Folder, accepted, list, load_with, map, ranges, symbol};

/// A map of three partitions with 600 symbols.
fn large() -> Map {
    let own = |first: u32| {
        let names = (first..first + 200).map(|n| symbol(&format!("S{n:04}"))).collect();
        Symbols::List(names)
    };
    map(20_261_123, Protocol::NasdaqItch50, vec![own(0), own(200), own(400)])
}

fn loaded(written: &Written) -> Result<Map, String> {
    loaded_as(written, &Wanted::default())
}

fn loaded_as(written: &Written, wanted: &Wanted) -> Result<Map, String> {
    let csv = Path::new("maps").join(SYMBOLS_FILE);
    let text = written.symbols_csv.as_deref();
    let folder: Folder<'_> = text.map(|text| (csv, text)).into_iter().collect();
    let loaded = load_with(&written.toml, wanted, &folder);
    loaded.map(|loaded| loaded.map).map_err(|problems| problems.to_string())
}

#[track_caller]
fn assert_refused(written: &Written, words: &str) {
    let refused = loaded(written).unwrap_err();
    assert!(refused.contains(words), "{refused}");
    assert!(refused.contains("the map is refused whole"), "{refused}");
}

#[test]
fn map_corrupt() {
    let map = large();
    let whole = write(&map);
    assert_eq!(loaded(&whole), Ok(map));
    let csv = whole.symbols_csv.clone().unwrap();
    let with_csv = |text: &str| Written { symbols_csv: Some(text.to_owned()), ..whole.clone() };
    // Cut anywhere, within a line or between two.
    for keep in (0..whole.toml.len() - 1).step_by(7) {
        let toml = whole.toml[..keep].to_owned();
        assert!(loaded(&Written { toml, ..whole.clone() }).is_err(), "cut after {keep} bytes");
    }
    for keep in (0..csv.len() - 1).step_by(101) {
        assert!(loaded(&with_csv(&csv[..keep])).is_err(), "cut after {keep} bytes");
    }
    let without_last = csv.trim_end().rsplit_once('\n').unwrap().0;
    assert_refused(
        &with_csv(without_last),
        "maps/map.toml:2: was cut or changed since it was written",
    );
    // Another map's file of symbols, a row twice, a symbol on two partitions.
    assert_refused(&with_csv(&csv.replace("S0000,1", "S0000,2")), "was cut or changed");
    assert_refused(
        &with_csv(&format!("{csv}S0000,1\n")),
        "symbols.csv:602: symbol S0000 is listed twice",
    );
    assert_refused(
        &with_csv(&format!("{csv}S0000,3\n")),
        "symbols.csv:602: symbol S0000 is in partition 1 by line 2 already",
    );
    let toml = whole.toml.replace("nasdaq-itch50", "nasdaq-itch99");
    assert_refused(&Written { toml, ..whole.clone() }, "maps/map.toml:5: `protocol`");
    let overlapping = vec![ranges(&[["A", "MZZZZ"]]), ranges(&[["LAST", "ZZZZZ"]])];
    let overlapping = write(&self::map(20_261_123, Protocol::Opra, overlapping));
    assert_refused(&overlapping, "overlaps A to MZZZZ of partition 1");
    let mut missing = whole.clone();
    missing.symbols_csv = None;
    assert_refused(&missing, "`symbols_file` maps/symbols.csv: there is no such file");
}

#[test]
fn map_wrong_date() {
    let written = write(&large());
    let wanted = |date| Wanted { date: Some(TradingDate(date)), venue: Venue::from_wire(b"XTST") };
    assert!(loaded_as(&written, &wanted(20_261_123)).is_ok());
    for date in [20_261_120, 20_261_124] {
        let refused = loaded_as(&written, &wanted(date)).unwrap_err();
        assert!(
            refused.contains("maps/map.toml:4: is the map for 2026-11-23; the one for"),
            "{refused}"
        );
    }
}

#[test]
fn map_shrinks() {
    let old = large();
    // Of 600 symbols the bound allows six to go or move.
    let without = |dropped: usize, moved: usize| {
        let mut new = large();
        new.date = TradingDate(20_261_124);
        let Symbols::List(list) = &mut new.partitions[0].symbols else { panic!() };
        list.truncate(200 - dropped);
        let moving = list.split_off(list.len() - moved);
        let Symbols::List(list) = &mut new.partitions[1].symbols else { panic!() };
        list.splice(0..0, moving);
        Difference::between(&old, &new, &[]).unwrap()
    };
    assert!(without(0, 0).is_empty());
    for (dropped, moved, beyond) in
        [(6, 0, false), (7, 0, true), (0, 6, false), (0, 7, true), (3, 3, false), (3, 4, true)]
    {
        let difference = without(dropped, moved);
        assert_eq!((difference.dropped_count(), difference.moved_count()), (dropped, moved));
        assert_eq!(difference.exceeds(BOUND_PPM), beyond, "{dropped} dropped, {moved} moved");
    }
    insta::assert_snapshot!(without(4, 3));
    let mut gone = large();
    gone.partitions.pop();
    let difference = Difference::between(&old, &gone, &[]).unwrap();
    assert!(difference.exceeds(BOUND_PPM));
    assert_eq!(difference.dropped_count(), 200);
}

#[test]
fn same_name_two_venues() {
    let text = |venue: &str, group: &str, symbols: &str| {
        format!(
            "format = 1\nvenue = \"{venue}\"\ndate = \"2026-11-23\"\nprotocol = \"iex-deep\"\n\
             [[partition]]\nname = \"1\"\nlines.A = {{ group = \"239.1.1.{group}\", port = 1 }}\n\
             symbols = [{symbols}]\n"
        )
    };
    let one = accepted(&text("IEXG", "1", "\"AAPL\", \"ONLY\""));
    let other = accepted(&text("XNAS", "2", "\"AAPL\""));
    // Each answers for its own; what one lists alone is nowhere in the other.
    let (first, second) = (Placement::new(&one), Placement::new(&other));
    assert_eq!(
        (first.of(&symbol("AAPL"), None), second.of(&symbol("AAPL"), None)),
        (Some(0), Some(0))
    );
    assert_eq!(
        (first.of(&symbol("ONLY"), None), second.of(&symbol("ONLY"), None)),
        (Some(0), None)
    );
    // The map of one is not taken for the other's, nor compared with it.
    let wanted = Wanted { venue: Some(one.venue), ..Wanted::default() };
    let refused = loaded_as(&write(&other), &wanted).unwrap_err();
    assert!(refused.contains("is a map of XNAS; the one of IEXG is wanted"), "{refused}");
    let refused = Difference::between(&one, &other, &[]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "one is a map of IEXG, the other of XNAS: compare maps of one venue"
    );
}

#[test]
fn missed_new_partition() {
    let old = large();
    let mut new = large();
    let mut moving = Vec::new();
    for partition in &mut new.partitions {
        let Symbols::List(list) = &mut partition.symbols else { panic!() };
        moving.extend(list.split_off(160));
    }
    new.partitions.push(crate::support::partition(17, Symbols::List(moving)));
    let difference = Difference::between(&old, &new, &[]).unwrap();
    assert_eq!(difference.moved_share(), Some(200_000));
    assert!(difference.exceeds(BOUND_PPM));
    insta::assert_snapshot!(difference);
}

#[test]
fn partition_removed() {
    let mut new = map(20_261_124, Protocol::IexDeep, vec![list(&["A", "B"]), list(&["C"])]);
    let old = Map { date: TradingDate(20_261_123), ..new.clone() };
    let Symbols::List(mut left) = new.partitions.remove(1).symbols else { panic!() };
    let Symbols::List(rest) = &mut new.partitions[0].symbols else { panic!() };
    rest.append(&mut left);
    let difference = Difference::between(&old, &new, &[]).unwrap();
    insta::assert_snapshot!(difference);
}
