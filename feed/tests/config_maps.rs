//! Every way in which `[maps]` is refused, as an operator sees it, in one golden file; and what it says.

use std::fmt::Write as _;
use std::path::Path;

use candor::config::{self, Maps};
use candor::store::{Format, Origin};
use candor_core::{Nanos, Venue};

const HANDLER: &str = r#"[handler]
name = "t"
region = "/dev/shm/candor-t"
[source]
kind = "udp"
interface = "lo"
[[lane]]
[[venue]]
name = "XNAS"
feed = "nasdaq-itch50"
[[venue.partition]]
name = "1"
lane = 0
lines.A = { group = "239.1.1.1", port = 26401 }
"#;

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
    let text = format!("{HANDLER}{maps}");
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
    ("directory, relative", "\"/srv/{venue}/{yyyymmdd}\"", "\"srv\""),
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
    assert_eq!(config::parse_text(Path::new("t"), HANDLER).unwrap().maps, None);
}
