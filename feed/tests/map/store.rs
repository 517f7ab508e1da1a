//! The store: maps come into it, in force, and are listed.

use std::process::{Command, Stdio};

use crate::support::{Folder, MAP, json, listed, steady};

/// A folder with a store and these maps of Friday and Monday; Friday's is in force.
fn scene(name: &str, monday: &str) -> Folder {
    let folder = Folder::new(name);
    folder.write("friday.toml", &listed("2026-11-20", 100)).write("monday.toml", monday);
    std::fs::create_dir(folder.0.join("store")).unwrap();
    let (exit, out, error) = run(&folder, &["load", "friday.toml", "--date", "2026-11-20"]);
    assert_eq!(exit, Some(0), "{out}{error}");
    folder
}

fn run(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String, String) {
    folder.run(&[arguments, &["--store", "store"]].concat())
}

/// The digest of what was imported.
fn import(folder: &Folder, file: &str, date: &str) -> String {
    let arguments = ["import", "candor", file, "--venue", "XTST", "--date", date, "-o", "json"];
    let (exit, out, error) = run(folder, &arguments);
    assert_eq!(exit, Some(0), "{error}");
    json(&out)["map"]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_map_is_imported_refused_accepted_loaded_and_listed() {
    let folder = scene("day", &listed("2026-11-23", 60));
    let monday = ["--venue", "XTST", "--date", "2026-11-23"];
    let import = ["import", "candor", "monday.toml"];
    let (exit, out, _) = run(&folder, &[&import[..], &monday].concat());
    assert_eq!(exit, Some(0));
    insta::assert_snapshot!("imported", steady(&out, &folder));
    let (exit, _, error) = run(&folder, &["show", "XTST@2026-11-23"]);
    assert_eq!(
        (exit, error.contains("no map of XTST is in force for 2026-11-23")),
        (Some(3), true)
    );

    let digest = self::import(&folder, "monday.toml", "2026-11-23");
    let load = [&["load", &digest[..8]][..], &monday].concat();
    let (exit, out, error) = run(&folder, &load);
    assert_eq!(exit, Some(2), "{error}");
    insta::assert_snapshot!("refused", steady(&format!("{out}---\n{error}"), &folder));
    assert_eq!(run(&folder, &["show", "XTST@2026-11-23"]).0, Some(3), "nothing came in force");

    let accept = ["accept", &digest, "--name", "Martha Ng", "--because", "notice 2026-41"];
    let (exit, out, error) = run(&folder, &accept);
    assert_eq!(exit, Some(0), "{error}");
    insta::assert_snapshot!("accepted", steady(&out, &folder));
    let (exit, out, error) = run(&folder, &[&load[..], &["-o", "json"]].concat());
    assert_eq!(exit, Some(0), "{error}");
    let answer = json(&out);
    assert_eq!(answer["in_force"]["new"], "yes");
    assert_eq!(answer["compared"][0]["acknowledged_by"], "Martha Ng");
    assert_eq!(
        (&answer["compared"][0]["moved"], &answer["compared"][0]["known"]),
        (&40.into(), &"yes".into())
    );
    let (exit, out, _) = run(&folder, &[&load[..], &["-o", "json"]].concat());
    assert_eq!((exit, json(&out)["in_force"]["new"].as_str()), (Some(0), Some("no")));

    let (exit, out, _) = run(&folder, &["history", "-o", "json"]);
    let history = json(&out)["history"].as_array().unwrap().clone();
    assert_eq!((exit, history.len()), (Some(0), 2));
    assert!(history[0]["compared_with"].is_null());
    assert_eq!(history[1]["digest"], digest.as_str());
    assert_eq!(history[1]["because"], "notice 2026-41");
    assert_eq!(history[1]["from"], format!("{} of the store", &digest[..8]));
    let (_, out, _) = run(&folder, &["history", "--venue", "XTST"]);
    assert_eq!(out.lines().count(), 3, "{out}");
    let columns = out.lines().next().unwrap().split("  ").filter(|name| !name.is_empty()).count();
    assert_eq!(history[0].as_object().unwrap().len(), columns);
    assert_eq!(run(&folder, &["history", "--venue", "XNAS"]).1.lines().next(), Some("no history"));
}

#[test]
fn maps_of_the_store_are_shown_compared_and_checked() {
    let folder = scene("references", &listed("2026-11-23", 100));
    let digest = import(&folder, "monday.toml", "2026-11-23");
    let (exit, out, error) =
        run(&folder, &["show", &digest[..6], "--symbol", "S150", "-o", "json"]);
    assert_eq!(exit, Some(0), "{error}");
    assert_eq!(json(&out)["symbol"]["partition"], "2");
    let (exit, out, _) = run(&folder, &["diff", "XTST@2026-11-20", &digest]);
    assert_eq!((exit, out.contains("nothing differs")), (Some(0), true), "{out}");
    assert_eq!(run(&folder, &["diff", "XTST@2026-11-20", "monday.toml"]).0, Some(0));
    assert_eq!(run(&folder, &["check", "XTST@2026-11-20", "--date", "2026-11-20"]).0, Some(0));
    let (exit, _, error) = run(&folder, &["check", "XTST@2026-11-20", "--date", "2026-11-23"]);
    assert_eq!(exit, Some(78));
    assert!(error.contains("is the map for 2026-11-20; the one for 2026-11-23"), "{error}");

    let (exit, _, error) = folder.run(&["show", &digest]);
    assert_eq!(exit, Some(64));
    assert!(
        error.contains("is of a store of maps; name it with --store DIR or -c FILE"),
        "{error}"
    );
    assert_eq!(run(&folder, &["show", "000000"]).0, Some(3));
    let (exit, _, error) = folder.run(&["history"]);
    assert_eq!((exit, error.contains("no store of maps is named")), (Some(64), true));
    let (exit, _, error) = folder.run(&["history", "--store", "none"]);
    assert_eq!((exit, error.contains("mkdir -p none")), (Some(78), true), "{error}");
}

#[test]
fn what_is_damaged_is_refused_by_its_file() {
    let folder = scene("damage", MAP);
    let (_, out, _) = run(&folder, &["history", "-o", "json"]);
    let digest = json(&out)["history"][0]["digest"].as_str().unwrap().to_owned();
    let file = folder.0.join("store/maps").join(digest).join("map.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.replace("30001", "30009")).unwrap();
    let (exit, out, error) = run(&folder, &["show", "XTST@2026-11-20"]);
    assert_eq!((exit, out.as_str()), (Some(78), ""));
    assert!(error.contains("map.toml: it, or the file beside it, was cut or changed"), "{error}");
    assert!(error.contains("put it back from a copy of the store"), "{error}");
    let pointer = folder.0.join("store/dates/XTST/2026-11-20/000001.toml");
    let text = std::fs::read_to_string(&pointer).unwrap();
    std::fs::write(&pointer, &text[..text.len() / 2]).unwrap();
    let (exit, out, _) = run(&folder, &["history"]);
    assert_eq!(exit, Some(1));
    assert!(out.contains("000001.toml: was cut or changed since it was written"), "{out}");
    let (_, out, _) = run(&folder, &["history", "-o", "json"]);
    assert_eq!(json(&out)["history"][0]["in_force"], "no");
    let (exit, _, error) = run(&folder, &["load", "monday.toml", "--date", "2026-11-23"]);
    assert_eq!(
        (exit, error.contains("000001.toml: was cut or changed")),
        (Some(78), true),
        "{error}"
    );
}

#[test]
fn the_wrong_date_venue_host_or_list_is_refused() {
    let folder =
        scene("wrong", &MAP.replace("port = 30002 }", "port = 30002, interface = \"eth77\" }"));
    // Yesterday's file for today's date.
    let (exit, _, error) = run(&folder, &["load", "friday.toml", "--date", "2026-11-23"]);
    assert_eq!(exit, Some(78));
    assert!(
        error.contains("friday.toml:3: is the map for 2026-11-20; the one for 2026-11-23"),
        "{error}"
    );
    let (exit, _, error) =
        run(&folder, &["load", "friday.toml", "--venue", "XNAS", "--date", "2026-11-20"]);
    assert_eq!(
        (exit, error.contains("friday.toml:2: is a map of XTST")),
        (Some(78), true),
        "{error}"
    );
    // No calendar has XTST; XNAS has one, and today is not this Friday for ever.
    let (exit, _, error) = run(&folder, &["load", "friday.toml"]);
    assert_eq!(exit, Some(64));
    assert!(
        error.contains("no calendar tells the trading date of XTST; say which: --date"),
        "{error}"
    );
    folder.write("nasdaq.toml", &listed("2025-01-03", 100).replace("XTST", "XNAS"));
    let (exit, _, error) = run(&folder, &["load", "nasdaq.toml"]);
    assert_eq!(
        (exit, error.contains("nasdaq.toml:3: is the map for 2025-01-03")),
        (Some(78), true),
        "{error}"
    );

    let (exit, _, error) = run(&folder, &["load", "monday.toml", "--date", "2026-11-23"]);
    assert_eq!(exit, Some(78));
    assert!(
        error.contains("there is no interface eth77 on this host, which line A of partition 2, line B of partition 2 has"),
        "{error}"
    );
    assert_eq!(run(&folder, &["check", "monday.toml"]).0, Some(0));
    let (exit, out, _) = run(&folder, &["check", "monday.toml", "--host", "-o", "json"]);
    let warning = json(&out)["warnings"][0]["warning"].as_str().unwrap().to_owned();
    assert_eq!((exit, warning.starts_with("there is no interface eth77")), (Some(1), true));

    // Ranges that changed: without a list of symbols nobody knows how many move.
    let ranges = MAP.replace("2026-11-23", "2026-11-24");
    folder.write("tuesday.toml", &ranges);
    let (exit, out, _) = run(&folder, &["load", "tuesday.toml", "--date", "2026-11-24"]);
    assert_eq!(
        (exit, out.contains("how many symbols move is not known")),
        (Some(2), true),
        "{out}"
    );
    folder.configure("XTST").write("symbols.txt", "S001\nS101\n");
    let load = ["load", "tuesday.toml", "--date", "2026-11-24"];
    let (exit, out, _) = folder.run(&[&load[..], &["-c", "candor.toml"]].concat());
    // All of partition 1's symbols are above H.
    assert_eq!((exit, out.contains("100 of 200 symbols (50.0 %) move")), (Some(2), true), "{out}");
    // No option widens the bound: that takes a name.
    assert_eq!(run(&folder, &[&load[..], &["--bound-ppm", "500000"]].concat()).0, Some(64));
    assert_eq!(run(&folder, &[&load[..], &["--symbols", "symbols.txt"]].concat()).0, Some(64));

    for wrong in [
        &["accept", "XTST@2026-11-20", "--name", "M"][..],
        &["accept", "XTST@2026-11-20", "--name", " ", "--because", "so"],
        &["accept", "XTST@2026-11-20", "--name", "M", "--because", "two\nlines"],
        &["accept", "friday.toml", "--name", "M", "--because", "so"],
        &["load"],
        &["import", "candor", "friday.toml"],
        &["import", "cme", "friday.toml", "--venue", "XCME", "--date", "2026-11-20"],
        &["import", "nyse", "friday.toml", "--venue", "XNYS", "--date", "2026-11-20"],
        &["import", "candor", "friday.toml", "--venue", "XTST", "--service", "production"],
        &["import", "candor", "friday.toml", "--venue", "XTST", "--lines", "friday.toml"],
        &["import", "eurex", "friday.toml", "--venue", "XTST"],
    ] {
        let (exit, _, error) = run(&folder, wrong);
        assert_eq!(exit, Some(64), "{wrong:?}: {error}");
    }
    let two = [
        "import",
        "candor",
        "friday.toml",
        "friday.toml",
        "--venue",
        "XTST",
        "--date",
        "2026-11-20",
    ];
    let (exit, _, error) = run(&folder, &two);
    assert_eq!(
        (exit, error.contains("2 files are given, and candor takes one")),
        (Some(78), true),
        "{error}"
    );
}

#[test]
fn an_operator_takes_yesterdays_map_for_today_by_name() {
    let folder = scene("yesterday", MAP);
    let accept =
        ["accept", "XTST@2026-11-20", "--date", "2026-11-23", "--name", "Martha", "-o", "json"];
    let (exit, out, error) =
        run(&folder, &[&accept[..], &["--because", "the venue is late"]].concat());
    assert_eq!(exit, Some(0), "{error}");
    let accepted = json(&out)["accepted"].clone();
    assert_eq!(accepted["date"], "2026-11-23");
    let digest = accepted["digest"].as_str().unwrap();
    let (exit, out, error) = run(&folder, &["load", digest, "--date", "2026-11-23", "-o", "json"]);
    assert_eq!(exit, Some(0), "{error}");
    assert_eq!(json(&out)["compared"][0]["acknowledged_by"], "Martha");
}

#[test]
fn processes_at_once_lose_nothing() {
    let folder = scene("processes", MAP);
    let mut children = Vec::new();
    for number in 0..8 {
        let name = format!("map{number}.toml");
        let map =
            listed("2026-11-23", 100).replace("port = 30001", &format!("port = 3100{number}"));
        folder.write(&name, &map);
        let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
        command.args(["map", "load", &name, "--date", "2026-11-23", "--store", "store"]);
        command.current_dir(&folder.0).stdout(Stdio::null());
        children.push(command.spawn().unwrap());
    }
    for mut child in children {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    let (_, out, _) = run(&folder, &["history", "-o", "json"]);
    let history = json(&out)["history"].as_array().unwrap().clone();
    let of = |field: &str| {
        let rows = history.iter().filter(|row| row["date"] == "2026-11-23");
        let mut values: Vec<String> = rows.map(|row| row[field].to_string()).collect();
        values.dedup();
        values
    };
    assert_eq!(of("number"), (1..=8).map(|number| number.to_string()).collect::<Vec<_>>());
    let mut digests = of("digest");
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 8);
}

/// Whatever a process can be stopped by while it writes, what was there stays, and the next one is not in its way.
#[test]
fn a_process_that_can_not_write_leaves_what_was_there() {
    let folder = scene("full", &listed("2026-11-23", 100));
    let load = ["load", "monday.toml", "--date", "2026-11-23"];
    for (trap, expected) in [
        // Killed by the kernel in the middle of a file.
        ("", None),
        // Told that there is no room.
        ("trap '' XFSZ; ", Some(71)),
    ] {
        let script = format!("{trap}ulimit -f 1; exec \"$0\" map \"$@\" --store store");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_candor")]).args(load);
        let output = command.current_dir(&folder.0).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), expected, "{error}");
        if expected.is_some() {
            assert!(error.contains("what was in the store before stays"), "{error}");
        }
        assert_eq!(run(&folder, &["show", "XTST@2026-11-23"]).0, Some(3));
        assert_eq!(run(&folder, &["show", "XTST@2026-11-20"]).0, Some(0));
        assert_eq!(run(&folder, &["history"]).0, Some(0));
    }
    let left = std::fs::read_dir(folder.0.join("store/maps")).unwrap();
    let left: Vec<_> =
        left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(
        left.iter().filter(|name| name.starts_with('.')).count(),
        1,
        "the killed one's: {left:?}"
    );
    assert_eq!(run(&folder, &load).0, Some(0));
}
