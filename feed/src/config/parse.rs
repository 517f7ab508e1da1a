//! From TOML to a [`Config`]: every value by itself. What values mean together is for
//! [`super::check`].

use std::path::{Path, PathBuf};

use candor_core::limits::LINES;
use candor_core::{Nanos, Venue};
use candor_maps::file::{date, interface_name, name};
use candor_settings::{At, Context, Problems, Table};
use sha2::{Digest, Sha256};
use toml::de::DeTable;

use super::{
    AfXdpConfig, Checksums, Config, Handler, HugePages, Idle, Lane, SourceConfig, SourceKind,
    XdpMode, alerts, attest, maps, venue,
};
use super::{check, drill, preopen};
use crate::control;

/// Longest name of the state's folder, in bytes.
const STATE_BYTES: usize = 128;

/// Where things stand in the file, for the problems that only show when values meet.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) lanes: Vec<LanePlace>,
    pub(super) venues: Vec<At<Venue>>,
    pub(super) partitions: Vec<PartitionPlace>,
    /// The `map` of each venue that has one.
    pub(super) mapped: Vec<usize>,
}

#[derive(Debug, Default)]
pub(super) struct LanePlace {
    pub(super) line: usize,
    pub(super) core: usize,
    pub(super) queues: usize,
}

#[derive(Debug, Default)]
pub(super) struct PartitionPlace {
    pub(super) line: usize,
    pub(super) venue: usize,
    pub(super) lane: usize,
    pub(super) lines: [usize; LINES],
    pub(super) symbols: usize,
}

/// Everything an entry of the file may need from outside itself.
pub(super) struct Reading<'a> {
    pub(super) folder: PathBuf,
    pub(super) digest: Sha256,
    /// The interface of lines that name none; empty where `[source]` has none either.
    pub(super) interface: String,
    pub(super) cx: Context<'a>,
    pub(super) places: Places,
}

/// Parses and checks the text of the configuration at `path`.
pub(super) fn parse(path: &Path, text: &str) -> Result<Config, Problems> {
    let mut cx = Context::new(path, text);
    let (root, errors) = DeTable::parse_recoverable(text);
    // What follows a mistake in the syntax is mostly its consequence: the first is enough.
    if let Some(error) = errors.first() {
        let line = error.span().map_or(0, |span| cx.line(span.start));
        cx.problem(line, format!("is not TOML: {}", error.message().replace('\n', ", ")));
    }
    if !cx.problems.is_empty() {
        return Err(Problems::new("configuration", path, cx.problems));
    }
    let mut digest = Sha256::new();
    digest.update(text);
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut reading =
        Reading { folder, digest, interface: String::new(), cx, places: Places::default() };

    let mut root = Table::new("the file", 0, root.get_ref());
    let handler = handler(&mut reading, &mut root);
    let source = source(&mut reading, &mut root);
    let lanes = lanes(&mut reading, &mut root);
    let venue::Read { venues, recovery, partitions, mapped } =
        venue::venues(&mut reading, &mut root);
    let maps = maps::maps(&mut reading, &mut root);
    let attest = attest::attest(&mut reading, &mut root);
    let preopen = preopen::preopen(&mut reading.cx, &mut root);
    let alerts = alerts::alerts(&mut reading.cx, &mut root);
    let drill = drill::drill(&mut reading.cx, &mut root);
    root.finish(&mut reading.cx);

    let Reading { digest, mut cx, places, .. } = reading;
    if let (Some(handler), Some(source)) = (handler, source) {
        let digest = digest.finalize().into();
        let config = Config {
            handler,
            source,
            without: Vec::new(),
            lanes,
            venues,
            recovery,
            partitions,
            mapped,
            maps,
            attest,
            preopen,
            alerts,
            drill,
            digest,
        };
        check::check(&mut cx, &config, &places);
        if cx.problems.is_empty() {
            return Ok(config);
        }
    }
    Err(Problems::new("configuration", path, cx.problems))
}

fn handler(reading: &mut Reading<'_>, root: &mut Table<'_>) -> Option<Handler> {
    let cx = &mut reading.cx;
    let Some(mut table) = root.table(cx, "handler", "[handler]") else {
        root.missing(cx, "handler", "[handler] with `name` and `region`");
        return None;
    };
    let name = name::<16>(cx, &mut table, "name", "name = \"mdh1\"");
    let region = table.text(cx, "region", "a file name");
    if region.is_none() && table.line_of(cx, "region").is_none() {
        table.missing(cx, "region", "region = \"/dev/shm/candor-mdh1\"");
    }
    if let Some(region) = region.filter(|region| !Path::new(region.value).is_absolute()) {
        // Readers start in folders of their own; one region must have one name for all of them.
        cx.problem(
            region.line,
            format!("`region` must be an absolute file name, not {:?}", region.value),
        );
    }
    let trading_date = date(cx, &mut table, "trading_date").map(|at| at.value);
    let process_lease = table.integer(cx, "process_lease_ms", 1..=60_000).map_or(50, |at| at.value);
    let group = table.text(cx, "group", "a group's name").map(|at| at.value.to_owned());
    let control = control(cx, &mut table, region);
    let state = state(cx, &mut table);
    table.finish(cx);
    Some(Handler {
        name: name?.value,
        region: PathBuf::from(region?.value),
        trading_date,
        process_lease: Nanos::from_millis(process_lease),
        group,
        control: control?,
        state: state?,
    })
}

/// The state's folder, where one is named; `None` after saying what is wrong with it.
fn state(cx: &mut Context<'_>, table: &mut Table<'_>) -> Option<Option<PathBuf>> {
    let given = table.text(cx, "state", "a folder's name");
    let Some(at) = given else { return table.line_of(cx, "state").is_none().then_some(None) };
    if !Path::new(at.value).is_absolute() {
        // Operators halt from folders of their own, and must find the same record.
        cx.problem(at.line, format!("`state` must be an absolute folder name, not {:?}", at.value));
    }
    if at.value.len() > STATE_BYTES {
        cx.problem(
            at.line,
            format!("`state` has at most {STATE_BYTES} bytes: the region names it"),
        );
    }
    Some(Some(PathBuf::from(at.value)))
}

/// The control socket's path: as configured, or the region's with an ending.
fn control(
    cx: &mut Context<'_>,
    table: &mut Table<'_>,
    region: Option<At<&str>>,
) -> Option<PathBuf> {
    let given = table.text(cx, "control", "a file name");
    if given.is_none() && table.line_of(cx, "control").is_some() {
        return None;
    }
    let line = given.or(region)?.line;
    let path = match given {
        Some(at) => at.value.to_owned(),
        None => format!("{}{}", region?.value, control::ENDING),
    };
    if given.is_some() && !Path::new(&path).is_absolute() {
        cx.problem(line, format!("`control` must be an absolute file name, not {path:?}"));
    }
    if region.is_some_and(|region| region.value == path) {
        cx.problem(line, "`control` is the region's own file; give it another name");
    }
    if path.len() > control::LONGEST_NAME {
        cx.problem(
            line,
            format!(
                "{path} can't be the control socket: a socket's name has at most {} bytes; give it \
                 another: control = \"/run/candor-mdh1.control\"",
                control::LONGEST_NAME
            ),
        );
    }
    Some(PathBuf::from(path))
}

fn source(reading: &mut Reading<'_>, root: &mut Table<'_>) -> Option<SourceConfig> {
    let cx = &mut reading.cx;
    let Some(mut table) = root.table(cx, "source", "[source]") else {
        root.missing(cx, "source", "[source] with `kind` and `interface`");
        return None;
    };
    let kind = table.choice(cx, "kind", &[("af_xdp", true), ("udp", false)]);
    if kind.is_none() && table.line_of(cx, "kind").is_none() {
        table.missing(cx, "kind", "kind = \"af_xdp\"");
    }
    let interface = table.text(cx, "interface", "an interface's name");
    match interface {
        Some(at) => reading.interface = interface_name(cx, at).unwrap_or_default(),
        None if table.line_of(cx, "interface").is_none() => {
            table.missing(cx, "interface", "interface = \"eth1\"");
        }
        None => {}
    }
    let batch = table.integer(cx, "batch", 1..=1024).map_or(64, |at| at.value);
    let kind = match kind.map(|at| at.value) {
        Some(true) => af_xdp(cx, &mut table).map(SourceKind::AfXdp),
        Some(false) => Some(udp(cx, &mut table)),
        None => {
            table.skip(AF_XDP_KEYS);
            table.skip(UDP_KEYS);
            None
        }
    };
    table.finish(cx);
    Some(SourceConfig {
        kind: kind?,
        interface: interface?.value.to_owned(),
        batch: u32::try_from(batch).unwrap_or(64),
    })
}

const AF_XDP_KEYS: &[&str] =
    &["mode", "allow_fallback", "frames", "frame_size", "huge_pages", "checksums", "busy_poll_us"];
const UDP_KEYS: &[&str] = &["receive_buffer"];

/// Reports keys of the other kind: a setting without effect would be a silent lie.
pub(super) fn foreign(
    cx: &mut Context<'_>,
    table: &mut Table<'_>,
    keys: &[&'static str],
    with: &str,
) {
    for key in keys {
        if let Some(line) = table.line_of(cx, key) {
            cx.problem(line, format!("`{key}` means nothing with {with}; take it out"));
        }
    }
    table.skip(keys);
}

fn udp(cx: &mut Context<'_>, table: &mut Table<'_>) -> SourceKind {
    foreign(cx, table, AF_XDP_KEYS, "kind = \"udp\"");
    let bytes = table.integer(cx, "receive_buffer", 4096..=1 << 30).map_or(4 << 20, |at| at.value);
    SourceKind::Udp { receive_buffer: u32::try_from(bytes).unwrap_or(4 << 20) }
}

fn af_xdp(cx: &mut Context<'_>, table: &mut Table<'_>) -> Option<AfXdpConfig> {
    foreign(cx, table, UDP_KEYS, "kind = \"af_xdp\"");
    let mode = table.choice(cx, "mode", &XdpMode::ALL.map(|mode| (mode.name(), mode)));
    if mode.is_none() && table.line_of(cx, "mode").is_none() {
        table.missing(cx, "mode", "mode = \"zero-copy\" (or \"copy\", or \"generic\")");
    }
    let allow_fallback = table.boolean(cx, "allow_fallback").is_some_and(|at| at.value);
    let frames = table.integer(cx, "frames", 64..=1 << 22);
    if let Some(at) = frames.filter(|at| !at.value.is_power_of_two()) {
        cx.problem(at.line, format!("`frames` must be a power of two, not {}", at.value));
    }
    let frame_size = table.integer(cx, "frame_size", 0..=u64::MAX);
    if let Some(at) = frame_size.filter(|at| at.value != 2048 && at.value != 4096) {
        cx.problem(at.line, format!("`frame_size` must be 2048 or 4096, not {}", at.value));
    }
    let pages = [HugePages::Try, HugePages::Require, HugePages::No];
    let huge_pages = table.choice(cx, "huge_pages", &pages.map(|choice| (choice.name(), choice)));
    let checksums = [Checksums::Verify, Checksums::Trust];
    let checksums = table.choice(cx, "checksums", &checksums.map(|choice| (choice.name(), choice)));
    let busy_poll = table.integer(cx, "busy_poll_us", 1..=10_000);
    let copies = mode.is_some_and(|mode| mode.value != XdpMode::ZeroCopy);
    if let Some(at) = busy_poll.filter(|_| copies) {
        cx.problem(
            at.line,
            "`busy_poll_us` does nothing where frames are copied; take it out, or configure \
             mode = \"zero-copy\"",
        );
    }
    Some(AfXdpConfig {
        mode: mode?.value,
        allow_fallback,
        frames: u32::try_from(frames.map_or(16_384, |at| at.value)).ok()?,
        frame_size: u32::try_from(frame_size.map_or(4096, |at| at.value)).ok()?,
        huge_pages: huge_pages.map_or(HugePages::Try, |at| at.value),
        checksums: checksums.map_or(Checksums::Verify, |at| at.value),
        busy_poll_us: busy_poll.and_then(|at| u32::try_from(at.value).ok()),
    })
}

fn lanes(reading: &mut Reading<'_>, root: &mut Table<'_>) -> Vec<Lane> {
    let cx = &mut reading.cx;
    let mut lanes = Vec::new();
    for (index, mut table) in root.tables(cx, "lane", "[[lane]]").into_iter().enumerate() {
        table.rename(format!("lane {index}"));
        let core = table.integer(cx, "core", 0..=8191);
        let idle = [(Idle::Spin.name(), Idle::Spin), (Idle::Block.name(), Idle::Block)];
        let idle = table.choice(cx, "idle", &idle).map_or(Idle::Block, |at| at.value);
        let queues = table.integers(cx, "queues", 0..=4095);
        reading.places.lanes.push(LanePlace {
            line: table.line,
            core: core.map_or(table.line, |at| at.line),
            queues: queues.as_ref().map_or(table.line, |at| at.line),
        });
        lanes.push(Lane {
            core: core.and_then(|at| u16::try_from(at.value).ok()),
            idle,
            queues: queues.map_or_else(Vec::new, |at| {
                at.value.into_iter().filter_map(|queue| u32::try_from(queue).ok()).collect()
            }),
        });
        table.finish(cx);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(source: &str, lines: &str) -> Result<Config, String> {
        let text = format!(
            "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\nkind = \"af_xdp\"\n\
             interface = \"eth1\"\n{source}\n[[lane]]\nqueues = [0]\n[[venue]]\nname = \"V\"\n\
             feed = \"iex-deep\"\n[[venue.partition]]\nname = \"1\"\nlane = 0\n{lines}\n"
        );
        parse(Path::new("t.toml"), &text).map_err(|error| error.to_string())
    }

    const LINE: &str = "lines.A = { group = \"239.1.1.1\", port = 1 }";

    fn settings(source: &str) -> Result<AfXdpConfig, String> {
        match with(source, LINE)?.source.kind {
            SourceKind::AfXdp(settings) => Ok(settings),
            SourceKind::Udp { .. } => Err("udp".to_owned()),
        }
    }

    #[test]
    fn checksums_are_verified_unless_told_otherwise() {
        let of = |source| settings(source).unwrap().checksums;
        assert_eq!(of("mode = \"copy\""), Checksums::Verify);
        assert_eq!(of("mode = \"copy\"\nchecksums = \"verify\""), Checksums::Verify);
        assert_eq!(of("mode = \"copy\"\nchecksums = \"trust\""), Checksums::Trust);
        let refused = settings("mode = \"copy\"\nchecksums = \"no\"").unwrap_err();
        assert!(refused.contains("`checksums`"), "{refused}");
    }

    #[test]
    fn busy_polling_is_for_zero_copy() {
        let zero_copy = settings("mode = \"zero-copy\"\nbusy_poll_us = 50").unwrap();
        assert_eq!(zero_copy.busy_poll_us, Some(50));
        assert_eq!(settings("mode = \"zero-copy\"").unwrap().busy_poll_us, None);
        for mode in ["copy", "generic"] {
            let refused = settings(&format!("mode = \"{mode}\"\nbusy_poll_us = 50")).unwrap_err();
            assert!(refused.contains("`busy_poll_us` does nothing"), "{refused}");
        }
    }

    #[test]
    fn lines_on_one_group_and_port_are_told_apart_by_their_senders_or_refused() {
        let lines = |sources: [Option<u8>; 3]| {
            let line = |(key, source): (&str, Option<u8>)| {
                let source = source.map_or(String::new(), |n| format!(", source = \"10.0.0.{n}\""));
                format!("lines.{key} = {{ group = \"239.1.1.1\", port = 1{source} }}\n")
            };
            with(
                "mode = \"copy\"",
                &["A", "B", "C"].into_iter().zip(sources).map(line).collect::<String>(),
            )
        };
        assert!(lines([Some(1), Some(2), Some(3)]).is_ok());
        let same = lines([Some(1), Some(2), Some(1)]).unwrap_err();
        assert!(same.contains("239.1.1.1:1 from 10.0.0.1 is line A of partition 1"), "{same}");
        let any = lines([Some(1), Some(2), None]).unwrap_err();
        assert!(any.contains("give both a `source`"), "{any}");
        let both = lines([None, None, None]).unwrap_err();
        assert!(both.contains("239.1.1.1:1 is line A of partition 1"), "{both}");
        let four = lines([Some(1), Some(2), Some(3)]).map(|_| {
            let line = |n: u8| {
                let key = ["A", "B", "C"][usize::from(n % 3)];
                format!(
                    "lines.{key} = {{ group = \"239.1.1.1\", port = 1, source = \"10.0.0.{n}\" }}\n"
                )
            };
            let second = "[[venue.partition]]\nname = \"2\"\nlane = 0\n";
            let lines: String =
                (0..3).map(line).chain([second.to_owned()]).chain((3..5).map(line)).collect();
            with("mode = \"copy\"", &lines).unwrap_err()
        });
        assert!(four.as_ref().is_ok_and(|text| text.contains("is 4 lines already")), "{four:?}");
    }
}
