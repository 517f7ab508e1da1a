//! The table of scenarios is the truth: what it names is played, and what is played is in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use candor_sim::market::Family;
use candor_sim::simulator::scenario;

const TABLE: &str = include_str!("scenarios.md");

/// Sections whose names are those of scenarios.
const NAMED: [&str; 3] = ["Silence", "Sequence, gaps, recovery", "Content"];

/// Sections of which each name is tested by its name, a row for one or for several of them: by a scenario, or where no
/// simulator can play it by a test that is there.
const TESTED: [(&str, &[&str]); 2] = [
    (
        "Partitions and maps",
        &[
            "missed-new-partition",
            "map-late",
            "map-missing",
            "map-corrupt",
            "map-wrong-date",
            "map-shrinks",
            "symbol-moves-intraday",
            "symbol-on-two-partitions",
            "partition-removed",
            "unmapped-multicast",
            "new-listing-intraday",
            "rename",
            "same-name-two-venues",
            "switch-prunes-group",
            "steering-wrong",
        ],
    ),
    (
        "Load, host, time, people",
        &[
            "burst",
            "slow-reader",
            "dead-reader",
            "64-readers",
            "fill-ring-starved",
            "nic-reset",
            "program-detached",
            "kill-9",
            "stop",
            "hang",
            "torn-read",
            "disk-full",
            "read-only",
            "clock-step",
            "daylight-saving",
            "zones-differ",
            "missed-timer",
            "missing-privilege",
            "low-memlock",
            "unknown-key",
            "typo",
            "partial-deploy",
        ],
    ),
];

#[derive(Debug)]
struct Row<'a> {
    section: &'a str,
    name: &'a str,
    played_by: Vec<&'a str>,
    remarks: &'a str,
}

impl Row<'_> {
    /// Whether this row is about it, alone or beside others.
    fn names(&self, name: &str) -> bool {
        self.name.split(", ").any(|one| one == name)
    }
}

fn rows(table: &str) -> Vec<Row<'_>> {
    let mut section = "";
    let mut rows = Vec::new();
    for line in table.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        }
        let Some(inner) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            continue;
        };
        let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
        let [name, played_by, remarks] = cells[..] else { panic!("three cells: {line}") };
        if name == "name" || name.starts_with("---") {
            continue;
        }
        let played_by = played_by.split('`').skip(1).step_by(2).collect();
        rows.push(Row { section, name, played_by, remarks });
    }
    rows
}

/// Whether a file of the workspace has a test of this name.
fn is_there(file: &str, test: &str) -> bool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = fs::read_to_string(path).unwrap_or_default();
    text.contains(&format!("#[test]\nfn {test}()"))
        || text.contains(&format!("#[test]\n    fn {test}()"))
        // What another test runs with the privileges that it is about.
        || text.contains(&format!("\nfn {test}()")) && text.contains("#[ignore = \"run by")
}

/// What is wrong with a table, a line each.
fn wrong(table: &str) -> Vec<String> {
    let rows = rows(table);
    let venues = [Family::Itch50, Family::Deep];
    let known: BTreeSet<&str> = venues.into_iter().flat_map(scenario::names).collect();
    let mut wrong = Vec::new();
    for Row { section, name, played_by, remarks } in &rows {
        match played_by.first() {
            None if remarks.is_empty() => {
                wrong.push(format!("{name}: neither scenario nor reason"))
            }
            Some(first) if NAMED.contains(section) && first != name => {
                wrong.push(format!("{name}: no scenario has its name"));
            }
            _ => {}
        }
        for played in played_by {
            match played.split_once(' ') {
                Some((file, test)) if !is_there(file, test) => {
                    wrong.push(format!("{name}: there is no test {test} in {file}"));
                }
                None if !known.contains(played) => {
                    wrong.push(format!("{name}: there is no scenario {played}"));
                }
                _ => {}
            }
        }
    }
    for name in &known {
        if !rows.iter().any(|row| row.played_by.contains(name)) {
            wrong.push(format!("{name}: not in the table"));
        }
    }
    for (section, names) in TESTED {
        for name in names {
            let of = |row: &&Row<'_>| row.section == section && row.names(name);
            match rows.iter().find(of) {
                None => wrong.push(format!("{name}: not in {section}")),
                Some(row) if known.contains(name) && !row.played_by.contains(name) => {
                    wrong.push(format!("{name}: its own scenario does not play it"));
                }
                Some(row) if row.played_by.is_empty() => {
                    wrong.push(format!("{name}: nothing tests it"));
                }
                Some(_) => {}
            }
        }
        for row in rows.iter().filter(|row| row.section == section) {
            for name in row.name.split(", ").filter(|name| !names.contains(name)) {
                wrong.push(format!("{name}: not a name of {section}"));
            }
        }
    }
    for section in NAMED {
        if !rows.iter().any(|row| row.section == section) {
            wrong.push(format!("no section {section}"));
        }
    }
    wrong
}

#[test]
fn every_name_has_a_scenario_or_a_reason() {
    assert_eq!(wrong(TABLE), Vec::<String>::new());
}

#[test]
fn a_table_with_holes_is_found_out() {
    let hole = TABLE.replace("| straddle | `straddle` | |", "| straddle | | |");
    assert_eq!(
        wrong(&hole),
        ["straddle: neither scenario nor reason", "straddle: not in the table"]
    );
    let renamed = TABLE.replace("| swizzle | `swizzle` | |", "| swizzle | `swizzled` | |");
    let found = wrong(&renamed);
    assert!(found.contains(&"swizzle: no scenario has its name".to_owned()), "{found:?}");
    assert!(found.contains(&"swizzle: there is no scenario swizzled".to_owned()), "{found:?}");
    let unsaid = TABLE.replace(
        "| the calendar has the break (lunch_break in maps/src/calendar/tests/day.rs), and nothing hangs on it: \
         `all-rest` shows that a venue that rests is no alert |",
        "| |",
    );
    assert_eq!(wrong(&unsaid), ["lunch-break: neither scenario nor reason"]);
    let gone = TABLE.replace("clocks.rs zones_differ`", "clocks.rs zones_agree`");
    let said = "zones-differ: there is no test zones_agree in feed/src/daily/clocks.rs";
    assert_eq!(wrong(&gone), [said]);
    let untested = TABLE.replace(
        "| torn-read | `shm/tests/torn.rs no_read_is_ever_torn` | |",
        "| torn-read | | for some reason |",
    );
    assert_eq!(wrong(&untested), ["torn-read: nothing tests it"]);
    let row = "| missed-timer | `feed/src/daily/clocks.rs missed_timer` | |\n";
    let left_out = "missed-timer: not in Load, host, time, people";
    assert_eq!(wrong(&TABLE.replace(row, "")), [left_out]);
    let split = TABLE.replace("| map-late, map-missing |", "| map-late, map-mising |");
    let said = [
        "map-missing: not in Partitions and maps",
        "map-mising: not a name of Partitions and maps",
    ];
    assert_eq!(wrong(&split), said);
    let own = TABLE.replace("| burst | `burst`, `waits-behind-a-burst` |", "| burst | `kill-9` |");
    let found = wrong(&own);
    assert!(found.contains(&"burst: its own scenario does not play it".to_owned()), "{found:?}");
    assert!(wrong(&TABLE.replace("## Content", "## Other")).contains(&"no section Content".into()));
}
