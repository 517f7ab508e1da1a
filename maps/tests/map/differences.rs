//! What differs, in words and in rows.

use candor_core::symbol::Text;
use candor_core::{Nanos, TradingDate};
use candor_maps::diff::{BOUND_PPM, Difference, Row};
use candor_maps::{Map, Protocol, Symbols};

use crate::support::{list, map, partition, range, ranges, symbols};

fn between(old: &Map, new: &Map, given: &[&str]) -> Difference {
    Difference::between(old, new, &symbols(given)).unwrap()
}

fn listed() -> Map {
    let lists = [&["A", "B", "C", "D"][..], &["E", "F"], &["G"]];
    map(20_261_120, Protocol::IexDeep, lists.map(list).to_vec())
}

fn next(map: &Map) -> Map {
    Map { date: TradingDate(20_261_123), ..map.clone() }
}

#[test]
fn another_date_alone_is_no_difference() {
    let old = listed();
    let difference = between(&old, &next(&old), &[]);
    assert!(difference.is_empty());
    assert!(!difference.exceeds(0));
    assert_eq!(difference.moved_share(), Some(0));
    assert_eq!(
        difference.to_string(),
        "XTST: the map for 2026-11-23, against 2026-11-20\nnothing differs"
    );
}

/// Something of everything.
fn much() -> Difference {
    let old = listed();
    let mut new = next(&old);
    new.protocol = Protocol::IexTops;
    let [one, two, _] = &mut new.partitions[..] else { panic!() };
    one.symbols = list(&["A", "H"]);
    one.lines[0].as_mut().unwrap().group = [239, 9, 9, 9].into();
    one.lines[1] = None;
    one.lines[2] = one.lines[0].clone();
    one.services.snapshot.push("10.0.0.1:1".parse().unwrap());
    one.services.snapshot_lines[0].clone_from(&two.lines[0]);
    one.silence = Some(Nanos::from_millis(500));
    two.name = Text::from_wire(b"two").unwrap();
    new.partitions[2] = partition(17, list(&["B", "C", "G"]));
    between(&old, &new, &[])
}

#[test]
fn everything_has_its_words() {
    insta::assert_snapshot!(much());
}

#[test]
fn everything_has_its_row() {
    let difference = much();
    let rows: Vec<String> = difference.rows().iter().map(row).collect();
    insta::assert_snapshot!(rows.join("\n"));
    assert_eq!((difference.moved_count(), difference.dropped_count()), (3, 1));
    assert_eq!(difference.placed.from, 7);
    assert_eq!(difference.moved_share(), Some(428_571));
}

fn row(row: &Row) -> String {
    let cell = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
    let symbols = row.symbols.map_or("-".to_owned(), |count| count.to_string());
    let (from, to) = (cell(&row.from), cell(&row.to));
    let (partition, what) = (cell(&row.partition), cell(&row.what));
    let examples: Vec<String> = row.examples.iter().map(ToString::to_string).collect();
    format!(
        "{} | {partition} | {what} | {from} | {to} | {symbols} | {}",
        row.kind,
        examples.join(" ")
    )
}

#[test]
fn ranges_that_move_take_their_symbols_along() {
    let ranged = |first: &str, second: &str| {
        let parts = vec![ranges(&[["A", first]]), ranges(&[[second, "ZZZZZ"]])];
        map(20_261_120, Protocol::NyseXdp, parts)
    };
    let old = ranged("GZZZZ", "H");
    let new = next(&ranged("FZZZZ", "G"));
    let given = ["AAPL", "F", "FB", "GE", "GOOG", "HPQ", "XOM"];
    let difference = between(&old, &new, &given);
    insta::assert_snapshot!(difference);
    assert_eq!(difference.moved_share(), Some(285_714));
    assert!(difference.exceeds(BOUND_PPM));
    // Where nobody says which symbols there are, nobody knows how many move.
    let unknown = between(&old, &new, &[]);
    insta::assert_snapshot!(unknown);
    assert_eq!(unknown.moved_share(), None);
    assert!(unknown.exceeds(999_999));
    // Nor where those that are said are another venue's.
    assert!(between(&old, &new, &["7203", "9984"]).exceeds(999_999));
    // Ranges that did not change move nothing, whoever is looked for.
    assert_eq!(between(&old, &next(&old), &[]).moved_share(), Some(0));
}

#[test]
fn a_root_that_is_split_moves_when_a_part_of_it_does() {
    let split = |last: &str, first: &str| {
        let parts = vec![ranges(&[["A/A", last]]), ranges(&[[first, "ZZZZZ/X"]])];
        map(20_261_120, Protocol::Opra, parts)
    };
    let (old, new) = (split("SPY/L", "SPY/M"), next(&split("SPY/N", "SPY/O")));
    let difference = between(&old, &new, &["QQQ", "SPY", "TSLA"]);
    assert_eq!((difference.moved_count(), difference.placed.from), (1, 3));
    assert_eq!((difference.moved[0].from.as_str(), difference.moved[0].to.as_str()), ("2", "1"));
}

#[test]
fn another_rule_is_said_once() {
    let old = listed();
    let mut new = next(&old);
    new.partitions[0].symbols = ranges(&[["A", "DZZZZ"]]);
    new.partitions[1].symbols = ranges(&[["E", "FZZZZ"]]);
    new.partitions[2].symbols = Symbols::Ranges(vec![range("G", "ZZZZZ")]);
    let difference = between(&old, &new, &["A", "E", "G", "H"]);
    insta::assert_snapshot!(difference);
    assert!(!difference.exceeds(0), "nothing moved");
    // To a venue that names its symbols on the wire, nobody can say.
    let mut wire = next(&old);
    wire.partitions.iter_mut().for_each(|partition| partition.symbols = Symbols::InBand);
    assert!(between(&old, &wire, &["A"]).exceeds(999_999));
}

#[test]
fn of_partitions_named_on_the_wire_nobody_knows_what_a_new_one_takes() {
    let old = map(20_261_120, Protocol::IexDeep, vec![Symbols::InBand]);
    let mut new = next(&old);
    assert!(!between(&old, &new, &[]).exceeds(0));
    new.partitions[0].lines[1] = None;
    assert!(!between(&old, &new, &[]).exceeds(0), "a line moves no symbol");
    new.partitions.push(partition(2, Symbols::InBand));
    assert!(between(&old, &new, &["A"]).exceeds(999_999));
}

#[test]
fn products_that_move_are_said_and_what_they_take_along_is_not_known() {
    let products = |texts: &[&str]| Symbols::Products(symbols(texts));
    let all = vec![products(&["ES", "NQ", "ZN"]), products(&["ES", "GE"]), Symbols::InBand];
    let old = map(20_261_120, Protocol::CmeMdp3, all);
    let mut new = next(&old);
    assert!(between(&old, &new, &[]).is_empty());
    assert!(!between(&old, &new, &[]).exceeds(0));
    new.partitions[0].symbols = products(&["ES", "YM"]);
    new.partitions[1].symbols = products(&["ES", "GE", "NQ"]);
    new.partitions[2].symbols = products(&["ZN"]);
    let difference = between(&old, &new, &["ES", "ESZ6"]);
    insta::assert_snapshot!(difference);
    assert!(difference.exceeds(999_999));
}

#[test]
fn names_that_change_places_are_no_renaming() {
    let old = listed();
    let mut new = next(&old);
    let names = [new.partitions[0].name, new.partitions[1].name];
    [new.partitions[1].name, new.partitions[0].name] = names;
    let difference = between(&old, &new, &[]);
    assert_eq!(difference.renamed, []);
    assert_eq!(difference.moved_count(), 6);
    // A partition that takes over the lines and symbols of one that is gone keeps its own name's past.
    let mut shifted = next(&old);
    shifted.partitions.remove(0);
    shifted.partitions[0].lines.clone_from(&old.partitions[0].lines);
    shifted.partitions[0].symbols = old.partitions[0].symbols.clone();
    let difference = between(&old, &shifted, &[]);
    assert_eq!(difference.renamed, []);
    assert_eq!(difference.removed.len(), 1);
    assert_eq!((difference.moved_count(), difference.dropped_count()), (4, 2));
    let mut turned = next(&old);
    turned.partitions.reverse();
    let difference = between(&old, &turned, &[]);
    assert!(difference.reordered);
    assert_eq!(difference.rows().len(), 1);
    assert_eq!(difference.moved_count(), 0);
}

#[test]
fn pages_of_pairs_are_summed() {
    let own = |n: usize| (0..40).map(|at| format!("S{n:02}{at:02}")).collect::<Vec<_>>();
    let lists = |turn: usize| {
        let take = |n: usize| {
            let all = (0..40).map(|at| own((n + at * turn) % 40)[at].clone()).collect::<Vec<_>>();
            list(&all.iter().map(String::as_str).collect::<Vec<_>>())
        };
        map(20_261_120, Protocol::IexDeep, (0..40).map(take).collect())
    };
    let difference = between(&lists(0), &next(&lists(1)), &[]);
    let text = difference.to_string();
    assert_eq!(difference.moved.len(), 40 * 39);
    assert!(text.ends_with("\n  1,536 more pairs of partitions: 1,536"), "{text}");
    assert!(text.contains("\n1,560 of 1,600 symbols (97.5 %) move:\n"), "{text}");
    assert_eq!(text.lines().count(), 1 + 1 + 24 + 1);
}

/// Three partitions of two lines each, with sources.
fn sourced() -> Map {
    let mut map = listed();
    for partition in &mut map.partitions {
        partition.silence = Some(Nanos::from_secs(3));
        for line in partition.lines.iter_mut().flatten() {
            line.source = Some([10, 0, 0, 1].into());
        }
    }
    map
}

#[test]
fn what_a_slip_of_the_pen_may_break_needs_a_name_whatever_moves() {
    let old = sourced();
    let grave = |change: &dyn Fn(&mut Map)| {
        let mut new = next(&old);
        change(&mut new);
        let difference = between(&old, &new, &[]);
        assert_eq!(difference.exceeds(1_000_000), !difference.grave.is_empty());
        let words: Vec<String> = difference.grave.iter().map(ToString::to_string).collect();
        for word in &words {
            assert!(difference.to_string().contains(word), "{difference}");
        }
        words.join("; ")
    };
    assert_eq!(grave(&|_| {}), "");
    assert_eq!(
        grave(&|new| new.protocol = Protocol::IexTops),
        "packets mean something else: iex-tops, not iex-deep"
    );
    let silence = |bound: Option<Nanos>| move |new: &mut Map| new.partitions[1].silence = bound;
    assert_eq!(grave(&silence(Some(Nanos::from_secs(2)))), "", "a narrower bound believes less");
    assert_eq!(
        grave(&silence(Some(Nanos::from_secs(4)))),
        "partition 2 is believed in silence for 4000 ms, not 3000 ms"
    );
    assert_eq!(
        grave(&silence(None)),
        "partition 2 may be believed in silence for longer than before"
    );
    assert_eq!(
        grave(&|new| new.partitions[2].lines[0].as_mut().unwrap().source = None),
        "line A of partition 3 is taken from any sender now"
    );
    // Another sender is another endpoint, and one of them may change.
    assert_eq!(
        grave(&|new| {
            new.partitions[2].lines[0].as_mut().unwrap().source = Some([10, 0, 0, 2].into());
        }),
        ""
    );
    let elsewhere = |count: usize| {
        move |new: &mut Map| {
            let all = new.partitions.iter_mut().flat_map(|one| one.lines.iter_mut().flatten());
            all.take(count).for_each(|line| line.port += 1_000);
        }
    };
    let lines = old.partitions.iter().flat_map(|one| one.lines()).count();
    assert_eq!(grave(&elsewhere(lines / 2)), "");
    let words = grave(&elsewhere(lines / 2 + 1));
    assert_eq!(
        words,
        format!("{} of {lines} lines are elsewhere or gone, more than half", lines / 2 + 1)
    );
}
