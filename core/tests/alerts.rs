//! Every code of the registry has a section in the runbook, and something that raises it.

use std::fs;
use std::path::Path;

use candor_core::alert::Code;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What is wrong with the codes, by this runbook: a line each.
fn wrong(runbook: &str) -> Vec<String> {
    let scenarios = read("sim/src/simulator/scenario/mod.rs");
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let heading = format!("## {code}");
        let title = format!("{code}\n");
        let section = runbook.split("\n## ").find_map(|part| part.strip_prefix(&title));
        let first = format!(
            "\nNumber {}, {}, {}. ",
            code.number(),
            code.owner().label(),
            code.severity().label()
        );
        match section {
            None => wrong.push(format!("{code}: no section {heading}")),
            Some(text) if !text.starts_with(&first) => {
                wrong.push(format!("{code}: its section does not begin with {first:?}"));
            }
            Some(text) if !text.contains("First:") => {
                wrong.push(format!("{code}: its section does not say what to do first"));
            }
            Some(_) => {}
        }
        let words: Vec<&str> = code.played().split(' ').collect();
        let played = match words[..] {
            ["sim", name] => scenarios.contains(&format!("(\"{name}\", ")),
            ["test", file, name] => read(file).contains(&format!("fn {name}(")),
            _ => false,
        };
        if !played {
            wrong.push(format!("{code}: nothing is called {}", code.played()));
        }
    }
    let sections = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    let unknown = sections.filter(|name| Code::from_label(name).is_none());
    wrong.extend(unknown.map(|name| format!("{name}: a section of no code")));
    wrong
}

#[test]
fn every_code_has_its_section_and_something_that_raises_it() {
    assert_eq!(wrong(&read("docs/ALERTS.md")), Vec::<String>::new());
}

#[test]
fn a_runbook_with_holes_is_found_out() {
    let whole = read("docs/ALERTS.md");
    let renamed = whole.replace("## no-map\n", "## no-maps\n");
    let found = wrong(&renamed);
    assert_eq!(found, ["no-map: no section ## no-map", "no-maps: a section of no code"]);
    let unowned = whole.replace("Number 41, host, page.", "Number 41, network, page.");
    assert!(wrong(&unowned)[0].starts_with("journal: its section does not begin"));
}
