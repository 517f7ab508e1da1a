//! The table of scenarios is the truth: what it names is played, and what is played is in it.

use std::collections::BTreeSet;

use candor_sim::market::Family;
use candor_sim::simulator::scenario;

const TABLE: &str = include_str!("scenarios.md");

/// Sections whose names are those of scenarios.
const NAMED: [&str; 3] = ["Silence", "Sequence, gaps, recovery", "Content"];

#[derive(Debug)]
struct Row<'a> {
    section: &'a str,
    name: &'a str,
    played_by: Vec<&'a str>,
    remarks: &'a str,
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
        let lost = played_by.iter().filter(|played| !known.contains(**played));
        wrong.extend(lost.map(|played| format!("{name}: there is no scenario {played}")));
    }
    for name in known {
        if !rows.iter().any(|row| row.played_by.contains(&name)) {
            wrong.push(format!("{name}: not in the table"));
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
    let unsaid = TABLE.replace("| no calendar yet |", "| |");
    assert_eq!(wrong(&unsaid), ["half-day: neither scenario nor reason"]);
    assert!(wrong(&TABLE.replace("## Content", "## Other")).contains(&"no section Content".into()));
}
