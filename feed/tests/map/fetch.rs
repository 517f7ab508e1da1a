//! Fetching: from a folder and by a command, and everything that can go wrong on the way.

use crate::support::{Folder, HANDLER, MAP, json, listed};

/// A folder with a store in which Friday's map is in force, and a configuration that fetches like this.
fn scene(name: &str, fetch: &str) -> Folder {
    let folder = empty(name, fetch);
    folder.write("friday.toml", &listed("2026-11-20", 100));
    let load = ["load", "friday.toml", "--date", "2026-11-20", "--store", "store"];
    assert_eq!(folder.run(&load).0, Some(0));
    folder
}

fn empty(name: &str, fetch: &str) -> Folder {
    let folder = Folder::new(name);
    std::fs::create_dir(folder.0.join("store")).unwrap();
    let path = folder.0.display();
    let maps = format!(
        "[maps]\nstore = \"{path}/store\"\n[[maps.venue]]\nname = \"XTST\"\nformat = \"candor\"\nfetch = {fetch}\n"
    );
    folder.write("candor.toml", &format!("{HANDLER}{}", maps.replace("HERE", &path.to_string())));
    folder
}

/// Fetches Monday's; the outcome, the exit code and the details.
fn monday(folder: &Folder) -> (String, Option<i32>, String) {
    let fetch = ["fetch", "-c", "candor.toml", "--date", "2026-11-23", "-o", "json"];
    let (exit, out, error) = folder.run(&fetch);
    assert!(!out.is_empty(), "{error}");
    let answer = json(&out);
    let outcome = answer["fetched"][0]["outcome"].as_str().unwrap().to_owned();
    let details = answer["details"].as_array().unwrap().iter();
    let words: Vec<&str> = details.map(|row| row["words"].as_str().unwrap()).collect();
    // Whatever happened, nothing is left of it, and Friday's is as it was.
    let left = std::fs::read_dir(folder.0.join("store")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().starts_with('.')), "{left:?}");
    (outcome, exit, words.join("\n"))
}

fn is_in_force(folder: &Folder) -> bool {
    folder.run(&["show", "XTST@2026-11-23", "--store", "store"]).0 == Some(0)
}

const DIRECTORY: &str = "{ directory = \"HERE/{venue}\", files = [\"map-{date}.toml\"] }";

#[test]
fn a_map_is_fetched_from_a_folder_once_it_is_there() {
    let folder = scene("folder", DIRECTORY);
    let (outcome, exit, words) = monday(&folder);
    assert_eq!((outcome.as_str(), exit), ("missing", Some(2)));
    assert!(
        words.contains("has no map: there is no") && words.ends_with("map-2026-11-23.toml"),
        "{words}"
    );
    folder.write("XTST/map-2026-11-23.toml", &listed("2026-11-23", 99));
    let (outcome, exit, words) = monday(&folder);
    assert_eq!((outcome.as_str(), exit), ("loaded", Some(0)), "{words}");
    assert!(words.contains("1 of 200 symbols (0.5 %) moves"), "{words}");
    assert_eq!(monday(&folder).0, "unchanged");
    let (_, out, _) = folder.run(&["history", "--store", "store", "-o", "json"]);
    let from = json(&out)["history"][1]["from"].to_string();
    assert!(from.contains("the folder ") && from.ends_with("/XTST\""), "{from}");
}

#[test]
fn what_a_folder_holds_may_be_refused() {
    let folder = scene("refused", DIRECTORY);
    let file = "XTST/map-2026-11-23.toml";
    let good = listed("2026-11-23", 100);
    for (text, expected) in [
        // Yesterday's file under today's name.
        (
            listed("2026-11-20", 100),
            "map-2026-11-23.toml:3: is the map for 2026-11-20; the one for 2026-11-23",
        ),
        (good.replace("XTST", "XNAS"), "is a map of XNAS; the one of XTST is wanted"),
        (good[..good.len() / 2].to_owned(), "is not TOML"),
        (good.replace("\"S199\"", "\"S000\""), "lists S000"),
        ("<html>404</html>".to_owned(), "is not TOML"),
        (String::new(), "has no `format`"),
    ] {
        folder.write(file, &text);
        let (outcome, exit, words) = monday(&folder);
        assert_eq!((outcome.as_str(), exit), ("refused", Some(78)), "{words}");
        assert!(words.contains(expected), "{words}");
        assert!(!is_in_force(&folder));
    }
    // Cut where it still is TOML: the digest tells.
    folder.write("monday.toml", &good);
    let import = ["import", "candor", "monday.toml", "--venue", "XTST", "--date", "2026-11-23"];
    let (_, out, _) = folder.run(&[&import[..], &["--store", "store", "-o", "json"]].concat());
    let digest = json(&out)["map"]["digest"].as_str().unwrap().to_owned();
    let written =
        std::fs::read_to_string(folder.0.join("store/maps").join(digest).join("map.toml")).unwrap();
    let cut = written.rfind("lines.B").unwrap();
    folder.write(file, &format!("{}symbols = [\"S150\"]\n", &written[..cut]));
    let (outcome, _, words) = monday(&folder);
    assert_eq!(outcome, "refused");
    assert!(words.contains("was cut or changed since it was written"), "{words}");
    // 20 % of the symbols move: that is for somebody to answer for.
    folder.write(file, &listed("2026-11-23", 60));
    let (outcome, exit, words) = monday(&folder);
    assert_eq!((outcome.as_str(), exit), ("refused", Some(2)));
    assert!(
        words.contains("40 of 200 symbols (20.0 %) move") && words.contains("candor map accept "),
        "{words}"
    );
    assert!(!is_in_force(&folder));
    let digest = words.split("candor map load ").nth(1).unwrap().trim();
    let accept = ["accept", digest, "--name", "Martha", "--because", "so", "-c", "candor.toml"];
    assert_eq!(folder.run(&accept).0, Some(0));
    assert_eq!(monday(&folder).0, "loaded");
}

#[test]
fn the_first_map_of_a_venue_is_not_fetched_unseen() {
    let folder = empty("first", DIRECTORY);
    folder.write("XTST/map-2026-11-23.toml", &listed("2026-11-23", 100));
    let (outcome, exit, words) = monday(&folder);
    assert_eq!((outcome.as_str(), exit), ("refused", Some(2)));
    let load = words.split("candor map ").last().unwrap();
    assert!(load.starts_with("load "), "{words}");
    let load: Vec<&str> = load.split_whitespace().chain(["-c", "candor.toml"]).collect();
    assert_eq!(folder.run(&load).0, Some(0));
    assert_eq!(monday(&folder).0, "unchanged");
}

#[test]
fn a_venue_without_a_date_holds_up_no_other() {
    let folder = empty("dates", DIRECTORY);
    let text = std::fs::read_to_string(folder.0.join("candor.toml")).unwrap();
    let venue = &text[text.find("[[maps.venue]]").unwrap()..];
    folder.write("candor.toml", &format!("{text}{}", venue.replace("XTST", "XNAS")));
    // No calendar has XTST, which is the first of the two.
    let (exit, out, error) = folder.run(&["fetch", "-c", "candor.toml", "-o", "json"]);
    assert_eq!(exit, Some(64), "{error}");
    let answer = json(&out);
    let outcomes = ["failed", "missing"].map(serde_json::Value::from);
    assert_eq!([0, 1].map(|at| answer["fetched"][at]["outcome"].clone()), outcomes);
    let words = answer["details"][0]["words"].as_str().unwrap();
    assert!(words.starts_with("no calendar tells the trading date of XTST"), "{words}");
}

#[test]
fn what_the_map_has_no_place_for_is_said() {
    let directory = "{ directory = \"HERE/{date}\", files = [\"mapping.txt\"] }";
    let folder = empty("notes", directory);
    let text = std::fs::read_to_string(folder.0.join("candor.toml")).unwrap();
    let nyse = "format = \"nyse\"\nchannels = [[\"1\", \"1\"]]\nlines = \"lines.toml\"";
    folder.write("candor.toml", &text.replace("format = \"candor\"", nyse));
    folder.write("lines.toml", &MAP[..MAP.rfind("[[partition]]").unwrap()]);
    folder.write("2026-11-23/mapping.txt", "A|A|1|N|N|A|100|4|1|C||\n");
    let note = "note: lines and services are those of the map for 2026-11-23";
    // Before somebody has looked at the first one, and every day after.
    let (outcome, _, words) = monday(&folder);
    assert_eq!((outcome.as_str(), words.contains(note)), ("refused", true), "{words}");
    let load = words.split("candor map ").last().unwrap();
    let load: Vec<&str> = load.split_whitespace().chain(["-c", "candor.toml"]).collect();
    assert_eq!(folder.run(&load).0, Some(0));
    let (outcome, _, words) = monday(&folder);
    assert_eq!((outcome.as_str(), words.contains(note)), ("unchanged", true), "{words}");
}

#[test]
fn a_difference_is_measured_by_the_configured_bound_and_symbols() {
    let folder = scene("bound", DIRECTORY);
    let text = std::fs::read_to_string(folder.0.join("candor.toml")).unwrap();
    let more = "name = \"XTST\"\nbound_ppm = 0\nsymbols = \"symbols.txt\"\nformat";
    folder.write("candor.toml", &text.replace("name = \"XTST\"\nformat", more));
    folder.write("symbols.txt", "A1\nHX\n").write("monday.toml", &listed("2026-11-23", 99));
    let diff = ["diff", "XTST@2026-11-20", "monday.toml"];
    let stored = [&diff[..], &["--store", "store"]].concat();
    assert_eq!(folder.run(&stored).0, Some(0), "1 of 200 is within the usual bound");
    let configured = [&diff[..], &["-c", "candor.toml"]].concat();
    let (exit, out, error) = folder.run(&configured);
    assert_eq!((exit, out.contains("beyond the bound of 0 %")), (Some(1), true), "{out}{error}");
    let given = [&configured[..], &["--bound-ppm", "5000"]].concat();
    assert_eq!(folder.run(&given).0, Some(0));
    // Of ranges only the list tells what moves.
    let ranges = MAP.replace("GZZZZ", "HQZZZ").replace("\"H\"", "\"HR\"");
    folder.write("old.toml", MAP).write("new.toml", &ranges);
    let (_, out, _) = folder.run(&["diff", "old.toml", "new.toml", "-c", "candor.toml"]);
    assert!(out.contains("within the bound of 0 %"), "{out}");
    assert_eq!(folder.run(&["diff", "old.toml", "new.toml"]).0, Some(1), "nobody knows");
}

/// A configuration that runs a script, which has the venue and the date for its arguments.
fn scripted(name: &str, script: &str, more: &str) -> Folder {
    let command = "[\"/bin/sh\", \"HERE/script\", \"{venue}\", \"{date}\", \"{yyyymmdd}\"]";
    let folder = scene(name, &format!("{{ command = {command}{more} }}"));
    folder.write("script", script);
    folder.write("monday.toml", &listed("2026-11-23", 100));
    folder
}

#[test]
fn a_map_is_fetched_by_a_command() {
    let folder = scripted("command", "", "");
    let path = folder.0.display();
    folder.write("script", &format!("echo \"for $1 $2 $3\" >&2; cat {path}/monday.toml"));
    let (outcome, exit, words) = monday(&folder);
    assert_eq!((outcome.as_str(), exit), ("loaded", Some(0)), "{words}");
    let (_, out, _) = folder.run(&["history", "--store", "store", "-o", "json"]);
    let from = json(&out)["history"][1]["from"].to_string();
    assert!(
        from.starts_with("\"the command /bin/sh ") && from.ends_with("XTST 2026-11-23 20261123\""),
        "{from}"
    );
}

#[test]
fn a_command_may_write_files() {
    let folder = scripted("files", "", ", files = [\"{venue}/map.toml\"]");
    let path = folder.0.display();
    // What it prints is not the map then, and what the map names beside itself is read.
    let split = format!(
        "echo hello; mkdir $1; sed '/^symbols/d; s/^venue/symbols_file = \"s.csv\"\\nvenue/' {path}/monday.toml > $1/map.toml\n\
         (echo symbol,partition; for n in $(seq 100 199); do echo S$n,2; done; \
         for n in $(seq 100 199); do echo S$n,1 | sed s/S1/S0/; done) > $1/s.csv"
    );
    folder.write("script", &split);
    let (outcome, exit, words) = monday(&folder);
    assert_eq!((outcome.as_str(), exit), ("loaded", Some(0)), "{words}");
    let (_, out, _) = folder.run(&["diff", "monday.toml", "XTST@2026-11-23", "--store", "store"]);
    assert!(out.contains("nothing differs"), "{out}");
}

#[test]
fn a_command_may_fail_in_every_way() {
    for (name, script, outcome, exit, expected) in [
        (
            "exit",
            "echo no route to the venue >&2; exit 7",
            "missing",
            2,
            "/bin/sh exited with 7; the last it wrote to standard error:\n  no route to the venue",
        ),
        (
            "hang",
            "echo asking >&2; sleep 600",
            "missing",
            2,
            "/bin/sh did not end within 3000 ms and was killed; the last it wrote to standard error:\n  asking",
        ),
        ("silent", "exit 0", "missing", 2, "has no map: it printed nothing"),
        (
            "garbage",
            "head -c 1000 /dev/urandom; printf '\\377'",
            "refused",
            78,
            "what sh printed: is not UTF-8 text",
        ),
        ("html", "echo '<html>'", "refused", 78, "what sh printed:1: is not TOML"),
        (
            "stale",
            "cat HERE/friday.toml",
            "refused",
            78,
            "what sh printed:3: is the map for 2026-11-20; the one for 2026-11-23 is wanted",
        ),
        ("cut", "head -c 900 HERE/monday.toml", "refused", 78, "is not TOML"),
    ] {
        let folder = scripted(name, "", ", timeout_ms = 3000");
        folder.write("script", &script.replace("HERE", folder.0.to_str().unwrap()));
        if name != "hang" {
            // Of a busy machine only one may be in a hurry.
            let text = std::fs::read_to_string(folder.0.join("candor.toml")).unwrap();
            folder.write("candor.toml", &text.replace(", timeout_ms = 3000", ""));
        }
        let (was, code, words) = monday(&folder);
        assert_eq!((was.as_str(), code), (outcome, Some(exit)), "{name}: {words}");
        assert!(words.contains(expected), "{name}: {words}");
        assert!(!is_in_force(&folder), "{name}");
    }
}

#[test]
fn a_venue_that_nothing_is_said_of_is_not_fetched() {
    let folder = scene("which", DIRECTORY);
    let check = ["check", "-c", "candor.toml", "-o", "json"];
    let checked = folder.candor(&check).1;
    assert_eq!(json(&checked)["maps"]["venues"][0]["fetch"]["files"][0], "map-{date}.toml");
    let (_, out, _) = folder.candor(&check[..3]);
    assert!(
        out.contains("/store; XTST in format candor, from ") && out.contains("bound 1 %"),
        "{out}"
    );
    let (exit, _, error) = folder.run(&["fetch", "-c", "candor.toml", "--venue", "XNAS"]);
    assert_eq!(exit, Some(78));
    assert!(error.contains("nothing says where the maps of XNAS are fetched from"), "{error}");
    let (exit, _, error) = folder.run(&["fetch", "-c", "candor.toml"]);
    assert_eq!(
        (exit, error.contains("no calendar tells the trading date of XTST")),
        (Some(64), true),
        "{error}"
    );
    folder.write("none.toml", HANDLER);
    let (exit, _, error) = folder.run(&["fetch", "-c", "none.toml"]);
    assert_eq!(
        (exit, error.contains("says nothing of maps; add [maps]")),
        (Some(78), true),
        "{error}"
    );
    // A store that went away is the host's matter.
    std::fs::rename(folder.0.join("store"), folder.0.join("gone")).unwrap();
    let fetch = ["fetch", "-c", "candor.toml", "--date", "2026-11-23"];
    let (exit, out, _) = folder.run(&fetch);
    assert_eq!((exit, out.contains("there is no such folder")), (Some(78), true), "{out}");
}
