//! Every way in which `[maps]` is refused, as an operator sees it, in one golden file; and what it says.

mod support;

use std::fmt::Write as _;
use std::path::Path;

use candor::config::{self, Maps};
use candor::store::{Format, Origin};
use candor_core::{Nanos, Venue};
use candor_maps::calendar::{Moment, Step};

/// Lanes and a venue that say nothing of maps.
const VENUE: &str = r#"[[lane]]
[[venue]]
name = "XNAS"
feed = "nasdaq-itch50"
[[venue.partition]]
name = "1"
lane = 0
lines.A = { group = "239.1.1.1", port = 26401 }
"#;

/// The text of a configuration with these.
fn with(lanes_and_venues: &str) -> String {
    support::config(Path::new("/dev/shm/candor-t"), "", lanes_and_venues)
}

const MAPS: &str = r#"
[maps]
store = "/var/lib/candor/maps"
bound_ppm = 5000

[[maps.venue]]
name = "XNAS"
format = "candor"
fetch = { command = ["/usr/local/bin/get-map", "--date", "{date}"], timeout_ms = 30000 }

[[maps.venue]]
name = "XCME"
format = "cme"
environment = "Production"
snapshots = "by-order"
bound_ppm = 20000
fetch = { directory = "/srv/{venue}/{yyyymmdd}", files = ["config.xml"] }

[[maps.venue]]
name = "XNYS"
format = "nyse"
channels = [["1", "11"], ["2", "12"]]
lines = "nyse-lines.toml"
symbols = "/etc/candor/nyse.txt"

[[maps.venue]]
name = "OPRA"
format = "opra"
numeric = 4
"#;

fn load(maps: &str) -> Result<Maps, String> {
    let text = format!("{}{maps}", with(VENUE));
    let config = config::parse_text(Path::new("/etc/candor/candor.toml"), &text);
    config.map(|config| config.maps.unwrap()).map_err(|error| error.to_string())
}

/// A name, what to replace in [`MAPS`], and by what.
const CASES: &[(&str, &str, &str)] = &[
    ("unknown key", "bound_ppm = 5000", "bound = 5000"),
    ("no store", "store = \"/var/lib/candor/maps\"\n", ""),
    ("store relative", "store = \"/var/lib/candor/maps\"", "store = \"maps\""),
    ("bound too wide", "bound_ppm = 5000", "bound_ppm = 1000001"),
    ("no name", "name = \"XNAS\"\nformat", "format"),
    ("venue twice", "name = \"XCME\"", "name = \"XNAS\""),
    ("no format", "format = \"opra\"\n", ""),
    ("format unknown", "format = \"opra\"", "format = \"opera\""),
    (
        "another format's key",
        "format = \"candor\"",
        "format = \"candor\"\nservice = \"production\"",
    ),
    ("lines that are not taken", "format = \"candor\"", "format = \"candor\"\nlines = \"l.toml\""),
    ("directory without a date", "/{yyyymmdd}", ""),
    ("cme without environment", "environment = \"Production\"\n", ""),
    ("cme without snapshots", "snapshots = \"by-order\"\n", ""),
    ("nyse without channels", "channels = [[\"1\", \"11\"], [\"2\", \"12\"]]\n", ""),
    ("nyse, a channel twice", "[\"2\", \"12\"]", "[\"1\", \"12\"]"),
    ("nyse, no system ID", "[\"2\", \"12\"]", "[\"256\", \"12\"]"),
    ("fetch, unknown key", "timeout_ms", "timeout"),
    ("fetch from nowhere", "directory = \"/srv/{venue}/{yyyymmdd}\", ", ""),
    (
        "fetch from two places",
        "directory = \"/srv",
        "command = [\"/bin/true\"], directory = \"/srv",
    ),
    ("command, relative", "[\"/usr/local/bin/get-map\"", "[\"get-map\""),
    ("command, empty", "[\"/usr/local/bin/get-map\", \"--date\", \"{date}\"]", "[]"),
    (
        "command, one text",
        "[\"/usr/local/bin/get-map\", \"--date\", \"{date}\"]",
        "\"get-map {date}\"",
    ),
    ("command, unknown placeholder", "\"{date}\"]", "\"{day}\"]"),
    ("command, for ever", "timeout_ms = 30000", "timeout_ms = 0"),
    ("directory, relative", "\"/srv/{venue}/{yyyymmdd}\"", "\"srv/{date}\""),
    (
        "directory with a timeout",
        "files = [\"config.xml\"]",
        "files = [\"config.xml\"], timeout_ms = 5",
    ),
    ("directory without files", ", files = [\"config.xml\"]", ""),
    ("too many files", "[\"config.xml\"]", "[\"config.xml\", \"config2.xml\"]"),
    ("files elsewhere", "[\"config.xml\"]", "[\"../config.xml\"]"),
];

#[test]
fn every_refusal_names_its_line_and_what_to_do() {
    let mut golden = String::new();
    for (name, from, to) in CASES {
        assert_eq!(MAPS.matches(from).count(), 1, "{name}: {from:?} must be there once");
        let refusal = load(&MAPS.replacen(from, to, 1)).unwrap_err();
        let _ = writeln!(golden, "## {name}\n{}\n", refusal.replace("/etc/candor/", ""));
    }
    insta::assert_snapshot!(golden);
}

#[test]
fn what_is_said_is_read() {
    let maps = load(MAPS).unwrap();
    let of = |name: &str| maps.of(Venue::from_wire(name.as_bytes()).unwrap()).unwrap();
    let bound = |name: &str| maps.bound_ppm(Venue::from_wire(name.as_bytes()).unwrap());
    assert_eq!((bound("XNAS"), bound("XCME"), bound("XETR")), (5_000, 20_000, 5_000));
    let Some(fetch) = &of("XNAS").fetch else { panic!() };
    let Origin::Command { argv, timeout } = &fetch.origin else { panic!() };
    assert_eq!((argv.len(), *timeout), (3, Nanos::from_secs(30)));
    assert!(
        matches!(&of("XCME").format, Format::Cme { environment, .. } if environment == "Production")
    );
    let nyse = of("XNYS");
    let Format::Nyse { channels } = &nyse.format else { panic!() };
    assert_eq!(channels[&2].as_str(), "12");
    // Names start at the configuration's folder.
    assert_eq!(nyse.lines.as_deref(), Some(Path::new("/etc/candor/nyse-lines.toml")));
    assert!(
        matches!(&of("OPRA").format, Format::Opra { numeric: Some(4), service } if service == "production")
    );
    assert_eq!(load("[maps]\nstore = \"/m\"\n").unwrap().bound_ppm, 10_000);
    assert_eq!(config::parse_text(Path::new("t"), &with(VENUE)).unwrap().maps, None);
}

/// A venue whose partitions come from the store: what is refused of it, and for what.
#[test]
fn a_venue_with_map_says_what_a_map_does_not() {
    const MAPPED: &str = r#"[[lane]]
[[venue]]
name = "XNAS"
feed = "nasdaq-itch50"
[venue.map]
at = "07:45"
timeline = { crossover = "09:05", preopen = "09:15" }
lanes = [0]
[[venue.partition]]
name = "1"
orders_max = 7
[maps]
store = "/var/lib/candor/maps"
"#;
    let load = |text: &str| config::parse_text(Path::new("c.toml"), text);
    let sound = with(MAPPED);
    let config = load(&sound).unwrap();
    assert!(config.partitions.is_empty());
    let mapped = &config.mapped[0];
    assert_eq!((mapped.spare_partitions, mapped.own.len()), (2, 1));
    let moments = [(Step::Crossover, Moment::hm(9, 5)), (Step::Preopen, Moment::hm(9, 15))];
    assert_eq!((&mapped.timeline[..], mapped.directory_ppm), (&moments[..], 1_000_000));
    assert_eq!(mapped.capacity(mapped.own.first(), 20_000).symbols, 21_024);
    assert_eq!(mapped.capacity(mapped.own.first(), 20_000).orders, 7);
    for (from, to, wanted) in [
        ("[maps]\nstore = \"/var/lib/candor/maps\"\n", "", "no store is named; add [maps]"),
        ("\"XNAS\"", "\"XTST\"", "no calendar of XTST is known"),
        ("at = \"07:45\"", "at = \"7:45\"", "`at` must be a time of the venue's clock"),
        ("at = \"07:45\"", "at = \"09:45\"", "`at` of XNAS: "),
        ("at = \"07:45\"", "att = \"07:45\"", "`at`"),
        (
            "09:15",
            "08:59",
            "c.toml:14: `timeline` of XNAS: `preopen` at 08:59 comes before `crossover`",
        ),
        ("09:15", "9", "c.toml:14: `preopen` must be a time of the venue's clock"),
        ("preopen = \"09:15\"", "open = \"09:40\"", "`open` can't be moved to 09:40"),
        ("preopen = \"09:15\"", "map = \"07:00\"", "the map's time is `at`"),
        ("preopen = \"09:15\"", "preopens = \"09:15\"", "`preopen`"),
        ("lanes = [0]", "directory_ppm = 0", "`directory_ppm`"),
        ("lanes = [0]", "lanes = [1]", "names lane 1, but there are lanes 0 to 0 only"),
        ("orders_max = 7", "symbols = [\"A\"]", "`symbols` is the map's to say"),
        ("orders_max = 7", "lines.A = { group = \"239.1.1.1\", port = 1 }", "`lines` is the map's"),
        ("orders_max = 7", "[[venue.partition]]\nname = \"1\"", "is named twice"),
        ("[handler]", "[handler]\ntrading_date = \"2026-11-23\"", "dates are the calendar's"),
        ("[maps]", "[maps]\noverlay = \"/nowhere.toml\"", "`overlay`: "),
    ] {
        assert!(sound.contains(from), "{from}");
        let refused = load(&sound.replacen(from, to, 1)).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains(wanted), "{wanted}: {refused}");
    }
    let every = sound
        .replace("\"XNAS\"", "\"XTST\"")
        .replace("[venue.map]", "[venue.map]\ncalendar = \"every-day\"");
    assert!(load(&every).is_ok(), "every day needs no calendar");
    for (from, to, wanted) in [
        ("09:05", "07:44", "`crossover` at 07:44 comes before `map` at 07:45"),
        ("09:15", "-1 23:00", "`preopen` at -1 23:00"),
    ] {
        let refused = load(&every.replace(from, to)).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains(wanted), "{wanted}: {refused}");
    }
}
