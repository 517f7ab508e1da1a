//! Maps in files: what they are refused for, how they differ, what they say.

use crate::support::{Folder, MAP, json};

#[test]
fn a_map_is_accepted_warned_of_or_refused() {
    let folder = Folder::new("check");
    folder.write("map.toml", MAP);
    let (exit, out, _) =
        folder.run(&["check", "map.toml", "--venue", "XTST", "--date", "2026-11-23"]);
    assert_eq!(exit, Some(0), "{out}");
    insta::assert_snapshot!(out);
    let line_b = "lines.B = { group = \"239.1.2.2\", port = 30002 }\n";
    folder.write("odd.toml", &MAP.replace(line_b, ""));
    let (exit, out, _) = folder.run(&["check", "odd.toml", "-o", "json"]);
    assert_eq!(exit, Some(1));
    assert_eq!(json(&out)["warnings"][0]["line"], 13);
    folder.write("bad.toml", &MAP.replace("\"H\"", "\"G\"").replace("silence_ms", "silence"));
    let (exit, out, error) = folder.run(&["check", "bad.toml"]);
    assert_eq!((exit, out.as_str()), (Some(78), ""));
    insta::assert_snapshot!(error);
    let (exit, _, error) = folder.run(&["check", "map.toml", "--date", "2026-11-24"]);
    assert_eq!(exit, Some(78));
    assert!(
        error.contains("map.toml:3: is the map for 2026-11-23; the one for 2026-11-24"),
        "{error}"
    );
    let (exit, _, error) = folder.run(&["check", "none.toml"]);
    assert_eq!(exit, Some(78));
    assert!(error.contains("none.toml: there is no such file"), "{error}");
    for wrong in [&["check"][..], &["check", "map.toml", "--date", "tomorrow"], &["chek"]] {
        assert_eq!(folder.run(wrong).0, Some(64), "{wrong:?}");
    }
}

#[test]
fn two_maps_are_compared() {
    let folder = Folder::new("diff");
    let new = MAP.replace("GZZZZ", "FZZZZ").replace("\"H\"", "\"G\"").replace("11-23", "11-24");
    folder.write("old.toml", MAP).write("new.toml", &new);
    folder.write("symbols.txt", "AAPL\nGOOG\nIBM\nXOM\n");
    let with = ["diff", "old.toml", "new.toml", "--symbols", "symbols.txt"];
    let (exit, out, _) = folder.run(&with);
    assert_eq!(exit, Some(1));
    insta::assert_snapshot!(out);
    assert_eq!(folder.run(&[&with[..], &["--bound-ppm", "250000"]].concat()).0, Some(0));
    let (exit, out, _) = folder.run(&[&with[..], &["-o", "json"]].concat());
    assert_eq!(exit, Some(1));
    let answer = json(&out);
    assert_eq!(answer["difference"]["moved_ppm"], 250_000);
    assert_eq!(answer["difference"]["beyond_the_bound"], "yes");
    let moved =
        answer["changes"].as_array().unwrap().iter().find(|row| row["kind"] == "symbols-moved");
    assert_eq!(moved.unwrap()["examples"], "GOOG");
    // Nobody says which symbols there are.
    let (exit, out, _) = folder.run(&with[..3]);
    assert_eq!(exit, Some(1));
    assert!(out.contains("is not known"), "{out}");
    assert_eq!(folder.run(&["diff", "old.toml", "old.toml"]).0, Some(0));
    folder.write("other.toml", &MAP.replace("XTST", "XNAS")).write("bad.txt", "GOOG\nGOOG\n");
    let (exit, _, error) = folder.run(&["diff", "old.toml", "other.toml"]);
    assert_eq!(exit, Some(64), "{error}");
    let (exit, _, error) = folder.run(&["diff", "old.toml", "new.toml", "--symbols", "bad.txt"]);
    assert_eq!(exit, Some(78));
    assert!(error.contains("bad.txt:2: symbol GOOG is listed twice"), "{error}");
}

#[test]
fn a_map_shows_where_it_puts_a_symbol() {
    let folder = Folder::new("show");
    folder.write("map.toml", MAP);
    let (exit, out, _) = folder.run(&["show", "map.toml"]);
    assert_eq!(exit, Some(0));
    insta::assert_snapshot!(out);
    let (exit, out, _) = folder.run(&["show", "map.toml", "--symbol", "GOOG", "-o", "json"]);
    assert_eq!(exit, Some(0));
    assert_eq!(json(&out)["symbol"]["partition"], "1");
    let (exit, out, _) = folder.run(&["show", "map.toml", "--symbol", "9", "-o", "json"]);
    assert_eq!(exit, Some(3));
    assert!(json(&out)["symbol"]["partition"].is_null());
    for wrong in [&["--expiry", "A"][..], &["--symbol", "SPY", "--expiry", "Z"], &["--symbol", ""]]
    {
        assert_eq!(folder.run(&[&["show", "map.toml"], wrong].concat()).0, Some(64), "{wrong:?}");
    }
}

#[test]
fn symbols_in_a_file_beside_the_map_are_read() {
    let folder = Folder::new("files");
    let map = MAP
        .replace("ranges = [[\"A\", \"GZZZZ\"]]", "")
        .replace("ranges = [[\"H\", \"ZZZZZ\"]]", "");
    let map = map.replace("format = 1", "format = 1\nsymbols_file = \"symbols.csv\"");
    folder.write("map.toml", &map).write("symbols.csv", "symbol,partition\nAAPL,1\nIBM,2\n");
    let (exit, out, error) = folder.run(&["show", "map.toml", "--symbol", "IBM", "-o", "json"]);
    assert_eq!(exit, Some(0), "{error}");
    assert_eq!(json(&out)["symbol"]["partition"], "2");
    std::fs::remove_file(folder.0.join("symbols.csv")).unwrap();
    let (exit, _, error) = folder.run(&["show", "map.toml"]);
    assert_eq!(exit, Some(78));
    assert!(
        error.contains("map.toml:2: `symbols_file` symbols.csv: there is no such file"),
        "{error}"
    );
}
