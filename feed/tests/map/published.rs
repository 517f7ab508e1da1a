//! What exchanges have published, through the commands. The files are no part of the repository: a test whose file
//! this machine doesn't have says that it is skipped.

use std::path::PathBuf;

use crate::support::{Folder, json};

/// A published file.
fn published(test: &str, name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CANDOR_CAPTURES").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
        PathBuf::from,
    );
    let path = folder.join(name);
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: {test}: no captures");
    None
}

fn scene(name: &str) -> Folder {
    let folder = Folder::new(name);
    std::fs::create_dir(folder.0.join("store")).unwrap();
    folder
}

fn run(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String, String) {
    folder.run(&[arguments, &["--store", "store", "-o", "json"]].concat())
}

/// A map with the lines of partitions of these names, and nothing about their symbols.
fn lines(venue: &str, protocol: &str, names: impl Iterator<Item = u32>) -> String {
    let part = |name: u32| {
        format!(
            "[[partition]]\nname = \"{name}\"\nlines.A = {{ group = \"239.7.0.{name}\", port = 1 }}\n"
        )
    };
    let parts: String = names.map(part).collect();
    format!(
        "format = 1\nvenue = \"{venue}\"\ndate = \"2018-01-02\"\nprotocol = \"{protocol}\"\n{parts}"
    )
}

#[test]
fn cmes_channels_come_in_force() {
    let Some(path) = published("cmes_channels_come_in_force", "cme/config.xml") else { return };
    let path = path.to_str().unwrap();
    let folder = scene("cme");
    let xml = std::fs::read_to_string(path).unwrap();
    let environment = xml.split("environment=\"").nth(1).unwrap().split('"').next().unwrap();
    let import = ["import", "cme", path, "--venue", "XCME", "--date", "2026-11-23"];
    let import = [&import[..], &["--snapshots", "by-order", "--environment", environment]].concat();
    let (exit, out, error) = run(&folder, &import);
    assert!(matches!(exit, Some(0 | 1)), "{error}");
    let answer = json(&out);
    assert!(answer["map"]["partitions"].as_u64().unwrap() > 20, "{out}");
    assert!(!answer["notes"].as_array().unwrap().is_empty());
    let digest = answer["map"]["digest"].as_str().unwrap();
    let (exit, _, error) = run(&folder, &["load", digest, "--date", "2026-11-23"]);
    assert_eq!(exit, Some(0), "{error}");
    let mut certification = import.clone();
    *certification.last_mut().unwrap() = "NRCert";
    let (exit, _, error) = run(&folder, &certification);
    assert_eq!((exit, error.contains("is of the environment")), (Some(78), true), "{error}");
}

#[test]
fn cboes_overnight_change_of_units_is_refused_until_accepted() {
    let test = "cboes_overnight_change_of_units_is_refused_until_accepted";
    let name = |which| format!("partition-maps/cboe_options_units_v{which}.csv");
    let Some(old) = published(test, &name("2.41.29_2022-04-20")) else { return };
    let Some(new) = published(test, &name("2.41.66_from_2025-03-31")) else { return };
    let folder = scene("cboe");
    folder.write("lines.toml", &lines("BATO", "cboe-pitch", 1..=30));
    folder.write("symbols.txt", "AAPL\nNVDA\nGOOG\nAMZN\nSPY\n");
    let import = |path: &PathBuf, date: &str| {
        let (path, lines) = (path.to_str().unwrap(), ["--lines", "lines.toml"]);
        let import = ["import", "cboe-units", path, "--venue", "BATO", "--date", date];
        let (exit, out, error) = run(&folder, &[&import[..], &lines].concat());
        assert_eq!(exit, Some(0), "{error}");
        let answer = json(&out);
        let notes = answer["notes"].to_string();
        assert!(
            notes.contains("lines and services are those of the map for 2018-01-02"),
            "{notes}"
        );
        answer["map"]["digest"].as_str().unwrap().to_owned()
    };
    let (old, new) = (import(&old, "2025-03-28"), import(&new, "2025-03-31"));
    folder.configure("BATO");
    assert_eq!(run(&folder, &["load", &old, "--date", "2025-03-28"]).0, Some(0));
    let configured = |arguments: &[&str]| {
        folder.run(&[arguments, &["-c", "candor.toml", "-o", "json"]].concat())
    };
    let load = ["load", &new, "--date", "2025-03-31"];
    let (exit, out, _) = configured(&load);
    assert_eq!((exit, &json(&out)["compared"][0]["moved"]), (Some(2), &3.into()), "{out}");
    let accept = ["accept", &new, "--name", "Martha", "--because", "published in February"];
    assert_eq!(configured(&accept).0, Some(0));
    assert_eq!(configured(&load).0, Some(0));
    // Without lines it is half a map.
    let half = published(test, &name("2.41.66_from_2025-03-31")).unwrap();
    let half = ["import", "cboe-units", half.to_str().unwrap(), "--venue", "BATO"];
    let (exit, _, error) = run(&folder, &[&half[..], &["--date", "2025-03-31"]].concat());
    assert_eq!((exit, error.contains("nothing says the lines of 1")), (Some(78), true), "{error}");
}

#[test]
fn opras_table_needs_addresses_of_as_many_lines() {
    let test = "opras_table_needs_addresses_of_as_many_lines";
    let Some(table) = published(test, "partition-maps/opra_48line_from_2018-03-12.csv") else {
        return;
    };
    let Some(addresses) = published(test, "partition-maps/opra_lines_multicast_v1.58.csv") else {
        return;
    };
    let folder = scene("opra");
    let (table, addresses) = (table.to_str().unwrap(), addresses.to_str().unwrap());
    let end = ["--venue", "OPRA", "--date", "2018-03-12", "--numeric", "4"];
    let (exit, _, error) =
        run(&folder, &[&["import", "opra", table, addresses][..], &end].concat());
    assert_eq!(exit, Some(78));
    assert!(error.contains("49 is here, but"), "{error}");
    folder.write("lines.toml", &lines("OPRA", "opra", 1..=48));
    let own = [&["import", "opra", table][..], &end, &["--lines", "lines.toml"]].concat();
    let (exit, out, error) = run(&folder, &own);
    assert_eq!(exit, Some(0), "{error}");
    assert_eq!(json(&out)["map"]["symbols_said_by"], "ranges");
}

#[test]
fn nyses_symbols_go_to_the_channels_given() {
    let folder = scene("nyse");
    folder.write("map.txt", "A|A|1|N|N|A|100|4|1|C||\nIBM|IBM|30|N|N|A|100|4|2|C||\n");
    folder.write("lines.toml", &lines("XNYS", "nyse-xdp", 11..=12));
    let import = ["import", "nyse", "map.txt", "--venue", "XNYS", "--date", "2026-11-23"];
    let import = [&import[..], &["--lines", "lines.toml", "--channel", "1=11"]].concat();
    let (exit, _, error) = run(&folder, &import);
    assert_eq!(
        (exit, error.contains("no channel is known for system ID 2")),
        (Some(78), true),
        "{error}"
    );
    let (exit, out, error) = run(&folder, &[&import[..], &["--channel", "2=12"]].concat());
    assert_eq!(exit, Some(0), "{error}");
    assert_eq!(json(&out)["map"]["symbols_listed"], 2);
}
