//! What exchanges have published: it is accepted, and what changed from one day to another is what they said
//! would.

use std::path::PathBuf;

use candor_maps::check::{Findings, Wanted, check, of};
use candor_maps::diff::Difference;
use candor_maps::file::Places;
use candor_maps::{Map, Protocol, Symbols};

use crate::support::{map, range, symbols};

/// The text of a published table; `None`, said by name, where the folder of them is absent.
fn published(name: &str) -> Option<String> {
    let folder = std::env::var_os("CANDOR_CAPTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let text = std::fs::read_to_string(folder.join("partition-maps").join(name)).ok();
    if text.is_none() {
        println!("skipped: there is no {name} in {}", folder.display());
    }
    text
}

/// A map with a partition for each row that has both ends; rows are `name,first,last` or with expiry codes.
fn of_rows(date: u32, protocol: Protocol, text: &str) -> Map {
    let rows = text.lines().skip(1).filter_map(|row| {
        let fields: Vec<&str> = row.split(',').collect();
        let range = match fields[..] {
            [_, first, a, last, x] => range(&format!("{first}/{a}"), &format!("{last}/{x}")),
            [_, first, last] if !last.is_empty() => range(first, last),
            _ => return None,
        };
        Some(Symbols::Ranges(vec![range]))
    });
    map(date, protocol, rows.collect())
}

#[track_caller]
fn assert_clean(map: &Map) {
    assert_eq!(check(map, &Places::default(), &Wanted::default()), Findings::default());
}

#[test]
fn opra_2018() {
    let (Some(old), Some(new)) = (
        published("opra_48line_asof_2018-02-12.csv"),
        published("opra_48line_from_2018-03-12.csv"),
    ) else {
        return;
    };
    let old = of_rows(20_180_212, Protocol::Opra, &old);
    let new = of_rows(20_180_312, Protocol::Opra, &new);
    assert_clean(&old);
    assert_clean(&new);
    let roots =
        symbols(&["AAPL", "AKAM", "AKS", "GOOG", "HUM", "HUN", "IWM", "RUT", "SHOP", "SPY", "RSX"]);
    let difference = Difference::between(&old, &new, &roots).unwrap();
    insta::assert_snapshot!(difference);
}

#[test]
fn cboe_options_2022_and_2025() {
    let (Some(old), Some(new)) = (
        published("cboe_options_units_v2.41.29_2022-04-20.csv"),
        published("cboe_options_units_v2.41.66_from_2025-03-31.csv"),
    ) else {
        return;
    };
    let old = of_rows(20_220_420, Protocol::CboePitch, &old);
    let new = of_rows(20_250_331, Protocol::CboePitch, &new);
    assert_clean(&old);
    assert_clean(&new);
    for (text, before, after) in
        [("GOOG", 26, 10), ("NVDA", 16, 26), ("SPY", 30, 30), ("SPYA", 20, 21)]
    {
        let symbol = symbols(&[text])[0];
        assert_eq!(of(&old, &symbol, None), Some(before - 1), "{text}");
        assert_eq!(of(&new, &symbol, None), Some(after - 1), "{text}");
    }
}

#[test]
fn cboe_equities() {
    let Some(text) = published("cboe_bzx_units_v2.41.66.csv") else { return };
    let mut map = of_rows(20_261_123, Protocol::CboePitch, &text);
    assert_clean(&map);
    // Behind the ranges come units that list what is listed at Cboe, day by day.
    let listed = crate::support::partition(32, Symbols::List(symbols(&["ARKB", "CBOE"])));
    map.partitions.push(listed);
    assert_clean(&map);
    assert_eq!(of(&map, &symbols(&["CBOE"])[0], None), Some(31));
    assert_eq!(of(&map, &symbols(&["CBO"])[0], None), Some(4));
}
