//! Every way in which a configuration is refused, as an operator sees it, in one golden file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use candor::config::{self, Config, Idle, SourceKind, XdpMode};
use candor_core::{Line, Nanos, TradingDate};
use candor_decoders::Format;
use candor_settings::Problems;

const BASE: &str = r#"[handler]
name = "mdh1"
region = "/dev/shm/candor-mdh1"
trading_date = "2026-11-20"
process_lease_ms = 50
group = "trading"

[source]
kind = "af_xdp"
interface = "eth1"
mode = "copy"
allow_fallback = false
frames = 16384
frame_size = 4096
huge_pages = "try"
batch = 64

[[lane]]
core = 3
idle = "spin"
queues = [0]

[[lane]]
core = 4
idle = "spin"
queues = [1, 2]

[[venue]]
name = "XNAS"
feed = "nasdaq-itch50"
silence_ms = 3000
reorder_grace_us = 1000
late_ms = 20

[[venue.partition]]
name = "1"
lane = 0
symbols = ["AAPL", "MSFT"]
symbols_max = 100
lines.A = { group = "239.1.1.1", port = 26401 }
lines.B = { group = "239.1.1.2", port = 26402, interface = "eth2" }

[[venue.partition]]
name = "2"
lane = 1
subscribe = true
symbols = ["IBM"]
lines.A = { group = "239.1.2.1", port = 26401, source = "10.0.0.1" }
"#;

fn refusal(text: &str) -> String {
    match config::parse_text(Path::new("candor.toml"), text) {
        Ok(_) => "ACCEPTED".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// A name, what to replace in [`BASE`], and by what.
const CASES: &[(&str, &str, &str)] = &[
    ("not TOML", "batch = 64", "batch = = 64"),
    ("not TOML, twice", "[source]\nkind = \"af_xdp\"", "[source\nkind = \"af_xdp"),
    ("a key twice", "batch = 64", "batch = 64\nbatch = 32"),
    ("unknown key, near", "allow_fallback = false", "strct = true\nallow_falback = false"),
    ("unknown key, near another", "late_ms = 20", "late_m = 20"),
    ("unknown key, far", "batch = 64", "colour = \"blue\""),
    ("unknown table", "[handler]", "[metrics]\nport = 9\n[handler]"),
    ("alerts without a command", "[handler]", "[alerts]\nat_once = 2\n[handler]"),
    ("alerts by no program", "[handler]", "[alerts]\ncommand = [\"page\"]\n[handler]"),
    ("alerts by nothing", "[handler]", "[alerts]\ncommand = []\n[handler]"),
    (
        "alerts wrong in everything",
        "[handler]",
        "[alerts]\ncommand = \"/page\"\ntimeout_ms = 0\nat_once = 100\nseverity = \"pages\"\nsink = 1\n[handler]",
    ),
    ("unknown key in a lane", "core = 4", "cores = 4"),
    ("unknown line", "lines.B =", "lines.D ="),
    ("unknown key in a line", "interface = \"eth2\" }", "iface = \"eth2\" }"),
    (
        "no handler",
        "[handler]\nname = \"mdh1\"\nregion = \"/dev/shm/candor-mdh1\"\ntrading_date = \"2026-11-20\"\nprocess_lease_ms = 50\ngroup = \"trading\"\n",
        "",
    ),
    ("no name, no region", "name = \"mdh1\"\nregion = \"/dev/shm/candor-mdh1\"\n", ""),
    ("name too long", "\"mdh1\"", "\"the-longest-name-of-all\""),
    ("name not ASCII", "\"mdh1\"", "\"Zürich\""),
    ("name empty", "\"mdh1\"", "\"\""),
    ("name a number", "\"mdh1\"", "1"),
    ("region relative", "\"/dev/shm/candor-mdh1\"", "\"candor-mdh1\""),
    ("control relative", "group = \"trading\"", "control = \"candor.control\""),
    ("control the region", "group = \"trading\"", "control = \"/dev/shm/candor-mdh1\""),
    ("control a number", "group = \"trading\"", "control = 9"),
    (
        "region too long for a control socket",
        "\"/dev/shm/candor-mdh1\"",
        "\"/dev/shm/a-name-of-a-hundred-bytes-leaves-no-room-for-the-ending-that-the-control-socket-needs-behind-it\"",
    ),
    ("date impossible", "\"2026-11-20\"", "\"2026-02-30\""),
    ("date in another order", "\"2026-11-20\"", "\"20-11-2026\""),
    ("date a number", "\"2026-11-20\"", "20261120"),
    ("lease of zero", "process_lease_ms = 50", "process_lease_ms = 0"),
    ("lease too long", "process_lease_ms = 50", "process_lease_ms = 3600000"),
    ("no kind", "kind = \"af_xdp\"\n", ""),
    ("kind unknown", "kind = \"af_xdp\"", "kind = \"dpdk\""),
    ("kind misspelt", "kind = \"af_xdp\"", "kind = \"afxdp\""),
    ("no mode", "mode = \"copy\"\n", ""),
    ("mode misspelt", "mode = \"copy\"", "mode = \"zerocopy\""),
    ("settings of the other kind", "kind = \"af_xdp\"", "kind = \"udp\""),
    ("receive_buffer with af_xdp", "batch = 64", "receive_buffer = 4096"),
    ("no interface", "interface = \"eth1\"\n", ""),
    ("interface impossible", "interface = \"eth1\"", "interface = \"a/very/long/name\""),
    ("frames no power of two", "frames = 16384", "frames = 10000"),
    ("frames out of range", "frames = 16384", "frames = 8"),
    ("frame_size odd", "frame_size = 4096", "frame_size = 9000"),
    ("huge_pages a boolean", "huge_pages = \"try\"", "huge_pages = true"),
    ("batch of zero", "batch = 64", "batch = 0"),
    ("batch negative", "batch = 64", "batch = -1"),
    ("fallback as text", "allow_fallback = false", "allow_fallback = \"no\""),
    ("a service by name", "symbols = [\"IBM\"]", "snapshot = [\"tcp://glimpse.example:26478\"]"),
    ("a service without a scheme", "symbols = [\"IBM\"]", "retransmit = [\"10.0.0.1:26477\"]"),
    (
        "a service of an unknown scheme",
        "symbols = [\"IBM\"]",
        "retransmit = [\"http://10.0.0.1:80\"]",
    ),
    ("a service without a port", "symbols = [\"IBM\"]", "retransmit = [\"udp://10.0.0.1\"]"),
    ("a service on a group", "symbols = [\"IBM\"]", "retransmit = [\"udp://239.1.1.1:26477\"]"),
    ("a snapshot by UDP", "symbols = [\"IBM\"]", "snapshot = [\"udp://10.0.0.1:26478\"]"),
    (
        "Nasdaq's retransmission by TCP",
        "symbols = [\"IBM\"]",
        "retransmit = [\"tcp://10.0.0.1:26477\"]",
    ),
    (
        "a service twice",
        "symbols = [\"IBM\"]",
        "retransmit = [\"udp://10.0.0.1:26477\", \"udp://10.0.0.1:26477\"]",
    ),
    (
        "more addresses than a service has",
        "symbols = [\"IBM\"]",
        "snapshot = [\"tcp://10.0.0.1:1\", \"tcp://10.0.0.1:2\", \"tcp://10.0.0.1:3\", \"tcp://10.0.0.1:4\", \"tcp://10.0.0.1:5\", \"tcp://10.0.0.1:6\", \"tcp://10.0.0.1:7\", \"tcp://10.0.0.1:8\", \"tcp://10.0.0.1:9\"]",
    ),
    (
        "budgets and waits without a service",
        "late_ms = 20",
        "retransmit_budget = { second = 1 }\nsnapshot_budget = { day = 1 }\nrecovery = { piece = 1 }",
    ),
    (
        "budgets and waits that can't be",
        "late_ms = 20",
        "retransmit_budget = { hour = 1, second = 0 }\nrecovery = { timeout_ms = 50, timeout_max_ms = 20, from = \"eth1\", retry_ms = 9, outstanding = 99, sesion = \"any\" }",
    ),
    (
        "no credentials where they should be",
        "late_ms = 20",
        "credentials = \"/nonexistent/candor\"",
    ),
    ("core twice", "core = 4", "core = 3"),
    ("queue of two lanes", "queues = [1, 2]", "queues = [0, 2]"),
    ("queue twice in a lane", "queues = [1, 2]", "queues = [1, 1]"),
    ("no queue", "queues = [1, 2]", "queues = []"),
    ("queue a text", "queues = [1, 2]", "queues = [\"1\"]"),
    ("idle unknown", "idle = \"spin\"\nqueues = [0]", "idle = \"sleep\"\nqueues = [0]"),
    ("lane out of range", "lane = 1\n", "lane = 2\n"),
    ("lane missing", "lane = 1\n", ""),
    ("venue name missing", "name = \"XNAS\"\n", ""),
    ("venue name too long", "\"XNAS\"", "\"NASDAQ-US\""),
    ("feed missing", "feed = \"nasdaq-itch50\"\n", ""),
    ("feed unknown", "\"nasdaq-itch50\"", "\"cme-mdp3\""),
    ("feed misspelt", "\"nasdaq-itch50\"", "\"nasdaq-itch5\""),
    ("silence of zero", "silence_ms = 3000", "silence_ms = 0"),
    ("grace beyond silence", "reorder_grace_us = 1000", "reorder_grace_us = 3000000"),
    (
        "venue twice",
        "[[venue.partition]]\nname = \"2\"",
        "[[venue]]\nname = \"XNAS\"\nfeed = \"nasdaq-itch50\"\n[[venue.partition]]\nname = \"2\"",
    ),
    (
        "venue without partitions",
        "[[venue.partition]]\nname = \"1\"",
        "[[venue]]\nname = \"IEXG\"\nfeed = \"iex-deep\"\n[[venue.partition]]\nname = \"1\"",
    ),
    ("partition twice", "name = \"2\"", "name = \"1\""),
    ("partition name missing", "name = \"2\"\n", ""),
    ("subscribe a number", "subscribe = true", "subscribe = 1"),
    ("no line", "lines.A = { group = \"239.1.2.1\", port = 26401, source = \"10.0.0.1\" }\n", ""),
    ("group not multicast", "\"239.1.2.1\"", "\"10.1.2.1\""),
    ("group of the network itself", "\"239.1.2.1\"", "\"224.0.0.5\""),
    ("group no address", "\"239.1.2.1\"", "\"239.1.2\""),
    ("group missing", "group = \"239.1.2.1\", ", ""),
    ("port missing", "port = 26401, ", ""),
    ("port out of range", "port = 26402", "port = 70000"),
    ("source multicast", "\"10.0.0.1\"", "\"239.9.9.9\""),
    ("endpoint twice", "\"239.1.2.1\"", "\"239.1.1.1\""),
    ("endpoint twice in a partition", "\"239.1.1.2\", port = 26402", "\"239.1.1.1\", port = 26401"),
    ("symbol on two partitions", "[\"IBM\"]", "[\"IBM\", \"MSFT\"]"),
    (
        "symbols on two partitions, many",
        "\"MSFT\"]",
        "\"A\", \"B\", \"C\", \"D\", \"E\"]\n[[venue.partition]]\nname = \"3\"\nlane = 0\nsymbols = [\"A\", \"B\", \"C\", \"D\", \"E\"]\nlines.A = { group = \"239.1.3.1\", port = 1 }\n[[venue.partition]]\nname = \"4\"\nlane = 0",
    ),
    ("symbol twice", "[\"AAPL\", \"MSFT\"]", "[\"AAPL\", \"AAPL\"]"),
    ("symbol impossible", "[\"AAPL\", \"MSFT\"]", "[\"AAPL\", \"\", \"€URO\"]"),
    ("symbols a text", "[\"AAPL\", \"MSFT\"]", "\"AAPL\""),
    ("symbols_max too small", "symbols_max = 100", "symbols_max = 1"),
    (
        "capacities absurd",
        "symbols_max = 100",
        "symbols_max = 10000000\norders_max = 0\nlevels_max = 1e9",
    ),
    ("symbols_file absent", "symbols = [\"IBM\"]", "symbols_file = \"absent.txt\""),
    (
        "symbols twice over",
        "symbols = [\"IBM\"]",
        "symbols = [\"IBM\"]\nsymbols_file = \"absent.txt\"",
    ),
    ("many at once", "core = 3\nidle = \"spin\"", "core = 4\nidle = \"spinn\"\nspeed = 9"),
];

#[test]
fn every_refusal_names_its_line_and_what_to_do() {
    let mut golden = String::new();
    for (name, from, to) in CASES {
        assert_eq!(BASE.matches(from).count(), 1, "{name}: {from:?} must be in the base once");
        let refusal = refusal(&BASE.replacen(from, to, 1));
        assert_ne!(refusal, "ACCEPTED", "{name}");
        let _ = writeln!(golden, "## {name}\n{refusal}\n");
    }
    for (name, text) in [
        ("empty", String::new()),
        ("no lane", BASE.replace("[[lane]]\ncore = 3\nidle = \"spin\"\nqueues = [0]\n\n[[lane]]\ncore = 4\nidle = \"spin\"\nqueues = [1, 2]\n", "")),
        ("no venue", BASE[..BASE.find("[[venue]]").unwrap()].to_owned()),
        ("lane no list", BASE[..BASE.find("[[lane]]").unwrap()].to_owned() + "[lane]\ncore = 1\n"),
        ("too many lanes", many_lanes(65)),
        ("too many partitions", many_partitions(1025)),
    ] {
        let refusal = refusal(&text);
        assert_ne!(refusal, "ACCEPTED", "{name}");
        let _ = writeln!(golden, "## {name}\n{refusal}\n");
    }
    insta::assert_snapshot!(golden);
}

fn many_lanes(count: usize) -> String {
    let mut text = BASE.to_owned();
    for lane in 2..count {
        let _ = write!(text, "[[lane]]\nqueues = [{}]\n", lane + 1);
    }
    text
}

fn many_partitions(count: usize) -> String {
    let mut text = BASE.to_owned();
    for n in 2..count {
        let (high, low) = (n / 256, n % 256);
        let _ = write!(
            text,
            "[[venue.partition]]\nname = \"P{n}\"\nlane = 0\nlines.A = {{ group = \"239.2.{high}.{low}\", port = 1 }}\n"
        );
    }
    text
}

fn accepted(text: &str) -> Config {
    config::parse_text(Path::new("candor.toml"), text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn everything_that_is_said_is_taken() {
    let config = accepted(BASE);
    assert_eq!(config.handler.name.as_str(), "mdh1");
    assert_eq!(config.handler.region, PathBuf::from("/dev/shm/candor-mdh1"));
    assert_eq!(config.handler.trading_date, Some(TradingDate(20_261_120)));
    assert_eq!(config.handler.process_lease, Nanos::from_millis(50));
    assert_eq!(config.handler.group.as_deref(), Some("trading"));
    let SourceKind::AfXdp(settings) = config.source.kind else { panic!() };
    assert_eq!((settings.mode, settings.allow_fallback), (XdpMode::Copy, false));
    assert_eq!((settings.frames, settings.frame_size), (16_384, 4096));
    assert_eq!(config.lanes[1].queues, [1, 2]);
    assert_eq!((config.lanes[0].core, config.lanes[0].idle), (Some(3), Idle::Spin));
    let [one, two] = &config.partitions[..] else { panic!() };
    assert_eq!((one.venue.as_str(), one.name.as_str(), one.lane), ("XNAS", "1", 0));
    assert_eq!(one.feed, Format::NasdaqItch50);
    assert_eq!(one.symbols.iter().map(|s| s.to_string()).collect::<Vec<_>>(), ["AAPL", "MSFT"]);
    assert_eq!(one.capacity.symbols, 100);
    assert_eq!(one.silence, Nanos::from_secs(3));
    let lines: Vec<_> = one.lines().map(|(l, c)| (l, c.interface.as_str(), c.port)).collect();
    assert_eq!(lines, [(Line::A, "eth1", 26401), (Line::B, "eth2", 26402)]);
    assert_eq!(two.lines[0].as_ref().unwrap().source, Some([10, 0, 0, 1].into()));
    assert_eq!(config.interfaces(), ["eth1", "eth2"]);
    assert_eq!(
        config.subscribed_lines().map(|(p, l, _)| (p, l)).collect::<Vec<_>>(),
        [(0, Line::A), (0, Line::B), (1, Line::A)]
    );
    // printf of the text | sha256sum
    assert_eq!(config.digest_text(), sha256(BASE.as_bytes()));
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_is_not_said_has_the_documented_default() {
    let config = accepted(
        "[handler]\nname = \"h\"\nregion = \"/dev/shm/h\"\n[source]\nkind = \"udp\"\ninterface = \"lo\"\n\
         [[lane]]\n[[venue]]\nname = \"IEXG\"\nfeed = \"iex-deep\"\n\
         [[venue.partition]]\nname = \"1\"\nlane = 0\nlines.C = { group = \"239.1.1.1\", port = 1 }\n\
         [[venue.partition]]\nname = \"2\"\nlane = 0\nsubscribe = false\n",
    );
    assert_eq!(config.handler.trading_date, None);
    assert_eq!(config.handler.process_lease, Nanos::from_millis(50));
    assert_eq!(config.source.batch, 64);
    assert_eq!(config.source.kind, SourceKind::Udp { receive_buffer: 4 << 20 });
    assert_eq!((config.lanes[0].core, config.lanes[0].idle), (None, Idle::Block));
    let partition = &config.partitions[0];
    assert_eq!(partition.silence, Nanos::from_secs(3), "three heartbeats of a second");
    assert_eq!(partition.reorder_grace, Nanos::from_millis(1));
    assert_eq!(partition.late, Nanos::from_millis(20));
    assert_eq!(partition.capacity.symbols as usize, candor_core::limits::SYMBOLS);
    assert_eq!(partition.capacity.orders as usize, candor_core::limits::ORDERS);
    assert_eq!(partition.capacity.levels as usize, candor_core::limits::LEVELS);
    assert_eq!(partition.lines().map(|(line, _)| line).collect::<Vec<_>>(), [Line::C]);
    assert!(!config.partitions[1].subscribe);
    assert_eq!(config.subscribed_lines().count(), 1);
}

#[test]
fn a_date_may_be_written_as_toml_writes_dates() {
    let config = accepted(&BASE.replace("\"2026-11-20\"", "2026-11-20"));
    assert_eq!(config.handler.trading_date, Some(TradingDate(20_261_120)));
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("candor-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn load(&self, text: &str) -> Result<Config, Problems> {
        config::load(&self.write("candor.toml", text))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn symbols_files_are_found_beside_the_configuration() {
    let folder = Folder::new("symbols");
    let text = BASE.replace("symbols = [\"IBM\"]", "symbols_file = \"p2.txt\"");
    let problems = folder.load(&text).unwrap_err().to_string();
    let expected = format!(
        "{0}/candor.toml:47: `symbols_file` {0}/p2.txt: there is no such file; name one that exists\n\
         1 problem: the configuration is refused whole",
        folder.0.display()
    );
    assert_eq!(problems, expected);

    let symbols = "# partition 2\nIBM\nGE\n";
    folder.write("p2.txt", symbols);
    let config = folder.load(&text).unwrap();
    let names: Vec<_> = config.partitions[1].symbols.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["IBM", "GE"]);
    assert_eq!(config.digest_text(), sha256(format!("{text}{symbols}").as_bytes()));

    folder.write("p2.txt", "IBM\nGE\nIBM\nA\u{7f}\nMSFT\n");
    let problems = folder.load(&text).unwrap_err().to_string();
    let folder = folder.0.display();
    assert_eq!(
        problems,
        format!(
            "{folder}/candor.toml:47: partition 2 of venue XNAS lists MSFT, as does its partition 1; a symbol has one partition: take it out of one\n\
             {folder}/p2.txt:3: symbol IBM is listed twice, first in line 1; take one out\n\
             {folder}/p2.txt:4: \"A\\u{{7f}}\" is no symbol: 1 to 24 characters of printable ASCII, one symbol a line\n\
             3 problems: the configuration is refused whole"
        )
    );
}

#[test]
fn more_symbols_than_the_default_make_room_for_themselves() {
    let folder = Folder::new("many");
    let many: String = (0..20_000).map(|n| format!("S{n}\n")).collect();
    folder.write("p2.txt", &many);
    let text = BASE.replace("symbols = [\"IBM\"]", "symbols_file = \"p2.txt\"");
    assert_eq!(folder.load(&text).unwrap().partitions[1].capacity.symbols, 20_000);
    let text = text.replace("symbols_file", "symbols_max = 19999\nsymbols_file");
    assert!(folder.load(&text).unwrap_err().to_string().contains("raise it to 20000 or more"));
}

fn fifo(path: &Path) -> PathBuf {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    path.to_path_buf()
}

#[test]
fn an_unreadable_configuration_says_why() {
    let folder = Folder::new("unreadable");
    let absent = config::load(&folder.0.join("absent.toml")).unwrap_err().to_string();
    assert!(
        absent.contains("absent.toml: there is no such file; name one that exists"),
        "{absent}"
    );
    let itself = config::load(&folder.0).unwrap_err().to_string();
    assert!(itself.contains(": is a folder, not a file"), "{itself}");
    // A pipe that nobody writes to would be waited for, and a device has no end.
    for odd in [fifo(&folder.0.join("fifo.toml")), "/dev/zero".into()] {
        let odd = config::load(&odd).unwrap_err().to_string();
        assert!(odd.contains("is no regular file"), "{odd}");
    }
    let list = BASE.replace("symbols = [\"IBM\"]", "symbols_file = \"fifo.toml\"");
    let list = folder.load(&list).unwrap_err().to_string();
    assert!(list.contains("fifo.toml: is no regular file"), "{list}");
    let path = folder.0.join("binary.toml");
    std::fs::write(&path, b"name = \"\xff\"").unwrap();
    let binary = config::load(&path).unwrap_err().to_string();
    assert!(binary.contains("not UTF-8 text: the first bad byte is at offset 8"), "{binary}");
}
