//! CME: `config.xml`, the channels of MDP 3.0 with their products and connections.
//!
//! Published per environment as `SBEFix/<environment>/Configuration/config.xml`, with a new one before each
//! week. `configuration@environment,@updated`, `channel@id,@label`, `product@code` with its groups,
//! `connection` with `type@feed-type`, `protocol`, `ip`, `host-ip` (one or more), `port`, `feed` (A or B).
//!
//! | feed type | what it is | becomes |
//! | --- | --- | --- |
//! | `I` | incremental | the partition's lines, by feed |
//! | `S`, `SMBO` | snapshots by price, by order | the snapshot lines: one of the two, by [`Take::snapshots`] |
//! | `H` | historical replay over TCP, no group, two hosts | retransmit over a connection |
//! | `N` | definitions of instruments, round and round | a note: a map has no place for it |
//!
//! A source is taken where a connection names one host. Where it names two, either may send, and a join
//! for one of them alone would be deaf to the other: then any source is accepted, and a note says so.

mod xml;

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candor_core::limits::LINES;
use candor_core::{Line, TradingDate, Venue};
use candor_settings::Problems;
use jiff::civil::Date;

use self::xml::{Channel, Connection};
use super::reading::{Reading, shown, some_of};
use super::{Imported, Part};
use crate::model::{Endpoint, Protocol, Symbols};

/// What is to be taken from a `config.xml`.
#[derive(Clone, Copy, Debug)]
pub struct Take<'a> {
    /// The venue's name in the map: the file has none.
    pub venue: Venue,
    /// The trading date of the map; `None` takes the day of `updated`. A note says that day; one behind the
    /// date is refused. A file is
    /// published before the week it is for, so its own day is often none of its trading dates.
    pub date: Option<TradingDate>,
    /// The environment the file must be of (`Production`, `PROD`), in any case of letters: the
    /// certification environment's channels look just like those of production.
    pub environment: &'a str,
    /// Which snapshots.
    pub snapshots: Snapshots,
}

/// The two kinds of snapshots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Snapshots {
    /// Levels: feed type `S`.
    ByPrice,
    /// Orders: feed type `SMBO`.
    ByOrder,
}

impl Snapshots {
    fn feed_type(self) -> &'static str {
        match self {
            Snapshots::ByPrice => "S",
            Snapshots::ByOrder => "SMBO",
        }
    }
}

/// The channels of a `config.xml`, with the codes of their products, each once a channel. The same product is
/// on several where its instruments are (its options, its spreads); which those are the wire says.
///
/// A channel without products and without incremental lines is left out, and a note says so.
///
/// # Errors
/// The file is no `config.xml` or is cut off; it is of another environment; everything in it that is wrong.
pub fn config(path: &Path, text: &str, take: Take<'_>) -> Result<Imported, Problems> {
    let mut reading = Reading::new(path);
    let file = xml::read(&mut reading, text);
    let mut notes = Notes::default();
    let date = date(&mut reading, &file, take, &mut notes);
    let mut parts: Vec<Part> = Vec::new();
    let mut ids = BTreeMap::new();
    for channel in &file.channels {
        let Some(part) = part(&mut reading, channel, take.snapshots, &mut notes) else { continue };
        if let Some(before) = ids.insert(part.name, channel.line) {
            let message = format!("channel {} is in line {before} already", part.name);
            reading.wrong(channel.line, message);
        }
        if part.lines.is_none() && channel.products.is_empty() {
            notes.left_out.push(part.name.to_string());
        } else {
            parts.push(part);
        }
    }
    if file.channels.is_empty() && !reading.has_problems() {
        reading.wrong(0, "has no channel: is it a config.xml of MDP 3.0, and whole?");
    }
    reading.finish(Imported {
        file: path.to_path_buf(),
        venue: take.venue,
        date,
        protocol: Protocol::CmeMdp3,
        notes: notes.words(&file.unknown),
        parts,
    })
}

/// How many days before its map's date a file may have been updated until that is worth a word: the venue
/// publishes one each week.
const AGE_MAX: i32 = 14;

/// What a map has no place for.
#[derive(Default)]
struct Notes {
    dated: Option<String>,
    left_out: Vec<String>,
    no_products: Vec<String>,
    /// Connections by feed type.
    feeds: BTreeMap<String, u64>,
    sources: u64,
}

impl Notes {
    fn words(self, unknown: &BTreeSet<String>) -> Vec<String> {
        let mut words: Vec<String> = self.dated.into_iter().collect();
        if !self.left_out.is_empty() {
            let channels = some_of(self.left_out);
            words.push(format!("left out, for they have neither incremental lines nor products: channels {channels}"));
        }
        if !self.no_products.is_empty() {
            words.push(format!("no products are named for channels {}", some_of(self.no_products)));
        }
        for (feed, count) in self.feeds {
            words.push(format!(
                "connections of feed type {}, for which a map has no place: {count}",
                shown(&feed)
            ));
        }
        if self.sources > 0 {
            let count = self.sources;
            words.push(format!(
                "lines that name more than one source, so that any is accepted: {count}"
            ));
        }
        if !unknown.is_empty() {
            let unknown = some_of(unknown.iter().map(|name| shown(name)));
            words.push(format!("elements that are not known and were not looked at: {unknown}"));
        }
        words
    }
}

fn date(
    reading: &mut Reading<'_>,
    file: &xml::File,
    take: Take<'_>,
    notes: &mut Notes,
) -> TradingDate {
    if reading.has_problems() && file.line == 0 {
        return TradingDate::default();
    }
    if !file.environment.eq_ignore_ascii_case(take.environment) {
        let message = format!(
            "is of the environment {}, not of {}: take the file of that one",
            shown(&file.environment),
            shown(take.environment)
        );
        reading.wrong(file.line, message);
    }
    let Some(updated) = day(&file.updated) else {
        let message =
            format!("updated {} does not begin with a date like 2018/09/04", shown(&file.updated));
        reading.wrong(file.line, message);
        return TradingDate::default();
    };
    let Some(date) = take.date else {
        notes.dated =
            Some(format!("the date is that of the file's update, {}", shown(&file.updated)));
        return updated;
    };
    // Nothing else in the file says which week it is for.
    match days_between(updated, date) {
        Some(..0) => {
            let message = format!(
                "was updated {}, which is behind {date}: take the file that was published for that date",
                shown(&file.updated)
            );
            reading.wrong(file.line, message);
        }
        Some(age) if age > AGE_MAX => {
            notes.dated = Some(format!(
                "the file was updated {}, {age} days before {date}: is it the one in use? get the venue's \
                 latest",
                shown(&file.updated)
            ));
        }
        _ => notes.dated = Some(format!("the file was updated {}", shown(&file.updated))),
    }
    date
}

/// How many days lie between; below 0 where the second is the earlier one.
fn days_between(first: TradingDate, second: TradingDate) -> Option<i32> {
    let civil = |TradingDate(date): TradingDate| {
        let part = |number: u32| i8::try_from(number % 100).ok();
        Date::new(i16::try_from(date / 10_000).ok()?, part(date / 100)?, part(date)?).ok()
    };
    civil(first)?.until(civil(second)?).ok().map(|span| span.get_days())
}

/// The day in `2018/09/04-04:14:02`.
fn day(updated: &str) -> Option<TradingDate> {
    let day = updated.split_once('-').map_or(updated, |(day, _)| day);
    let mut fields = day.split('/');
    let mut next = |len: usize, from: u32, to: u32| {
        let field = fields.next()?;
        let digits = field.len() == len && field.bytes().all(|b| b.is_ascii_digit());
        if digits { field.parse().ok() } else { None }.filter(|n| (from..=to).contains(n))
    };
    let (year, month, day) = (next(4, 1970, 9999)?, next(2, 1, 12)?, next(2, 1, 31)?);
    fields.next().is_none().then_some(TradingDate(year * 10_000 + month * 100 + day))
}

fn part(
    reading: &mut Reading<'_>,
    channel: &Channel,
    snapshots: Snapshots,
    notes: &mut Notes,
) -> Option<Part> {
    let name = reading.text(channel.line, "channel id", &channel.id);
    let mut codes = BTreeSet::new();
    for (line, code) in &channel.products {
        codes.extend(reading.symbol(*line, "product code", code));
    }
    let mut incremental: [Option<Endpoint>; LINES] = Default::default();
    let mut part = Part::named(name?, channel.line);
    for connection in &channel.connections {
        match connection.kind.as_str() {
            "I" => line(reading, connection, &mut incremental, notes),
            "H" => part.services.retransmit_tcp.extend(replay(reading, connection)),
            kind if kind == snapshots.feed_type() => {
                line(reading, connection, &mut part.services.snapshot_lines, notes);
            }
            _ => {
                // Of no use to a map, but a file is right as a whole or not.
                line(reading, connection, &mut Default::default(), &mut Notes::default());
                *notes.feeds.entry(connection.kind.clone()).or_default() += 1;
            }
        }
    }
    let mut seen = BTreeSet::new();
    part.services.retransmit_tcp.retain(|at| seen.insert(*at));
    if incremental.iter().any(Option::is_some) {
        part.lines = Some(incremental);
        if codes.is_empty() {
            notes.no_products.push(part.name.to_string());
        }
    }
    part.symbols = Some(if codes.is_empty() {
        Symbols::InBand
    } else {
        Symbols::Products(codes.into_iter().collect())
    });
    Some(part)
}

/// Puts a connection over UDP where its feed says.
fn line(
    reading: &mut Reading<'_>,
    connection: &Connection,
    lines: &mut [Option<Endpoint>; LINES],
    notes: &mut Notes,
) {
    expect_protocol(reading, connection, "UDP/IP");
    let at = connection.line;
    let group = reading.group(at, &connection.ip);
    let port = reading.port(at, &connection.port);
    let hosts = hosts(reading, connection);
    let feed = match connection.feed.as_str() {
        "A" => Some(Line::A),
        "B" => Some(Line::B),
        other => {
            let message =
                format!("feed {} of {} is not A or B", shown(other), shown(&connection.id));
            reading.wrong(at, message);
            None
        }
    };
    let (Some(group), Some(port), Some(feed)) = (group, port, feed) else { return };
    let source = match hosts.iter().collect::<Vec<_>>()[..] {
        [one] => Some(*one),
        [] => None,
        _ => {
            notes.sources += 1;
            None
        }
    };
    let place = &mut lines[feed.index()];
    if place.is_some() {
        let (id, kind) = (shown(&connection.id), shown(&connection.kind));
        reading
            .wrong(at, format!("{id} is a second connection of feed type {kind} for feed {feed}"));
    }
    *place = Some(Endpoint { group, port, source, interface: None });
}

/// The servers of a connection over TCP.
fn replay(reading: &mut Reading<'_>, connection: &Connection) -> Vec<SocketAddrV4> {
    expect_protocol(reading, connection, "TCP/IP");
    let port = reading.port(connection.line, &connection.port);
    let hosts = hosts(reading, connection);
    if connection.hosts.is_empty() {
        let id = shown(&connection.id);
        reading.wrong(connection.line, format!("{id} has no host-ip to connect to"));
    }
    let Some(port) = port else { return Vec::new() };
    hosts.into_iter().map(|ip| SocketAddrV4::new(ip, port)).collect()
}

fn expect_protocol(reading: &mut Reading<'_>, connection: &Connection, protocol: &str) {
    if connection.protocol != protocol {
        let message = format!(
            "{} of feed type {} is over {}, not over {protocol}",
            shown(&connection.id),
            shown(&connection.kind),
            shown(&connection.protocol)
        );
        reading.wrong(connection.line, message);
    }
}

/// The distinct hosts.
fn hosts(reading: &mut Reading<'_>, connection: &Connection) -> BTreeSet<Ipv4Addr> {
    let at = connection.line;
    connection.hosts.iter().filter_map(|host| reading.host(at, "host-ip", host)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{DATE, foreign, name, said, symbol, venue};
    use super::*;

    const CONFIG: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<configuration environment="Production" updated="2026/07/25-04:14:02">
  <channel id="310" label="Equity &amp; Index Futures">
    <products>
      <product code="ZZ"><group code="ZZ"/></product>
      <product code="AA"><group code="A1"/></product>
      <product code="AA"><group code="A2"/></product>
    </products>
    <connections>
      <connection id="310H2A">
        <type feed-type="H">Historical Replay</type>
        <protocol>TCP/IP</protocol>
        <host-ip>10.1.0.10</host-ip>
        <host-ip>10.1.0.11</host-ip>
        <host-ip>10.1.0.10</host-ip>
        <port>10000</port>
        <feed>A</feed>
      </connection>
      <connection id="310IA">
        <type feed-type="I">Incremental</type>
        <protocol>UDP/IP</protocol>
        <ip>224.0.31.1</ip>
        <host-ip>10.1.0.1</host-ip>
        <host-ip>10.1.0.2</host-ip>
        <port>14310</port>
        <feed>A</feed>
      </connection>
      <connection id="310IB">
        <type feed-type="I">Incremental</type>
        <protocol>UDP/IP</protocol>
        <ip> 224.0.32.1 </ip>
        <host-ip>10.2.0.1</host-ip>
        <port>15310</port>
        <feed>B</feed>
      </connection>
      <connection id="310NA">
        <type feed-type="N">Instrument Replay</type>
        <protocol>UDP/IP</protocol>
        <ip>224.0.31.43</ip>
        <port>14310</port>
        <feed>A</feed>
      </connection>
      <connection id="310SA">
        <type feed-type="S">Snapshot</type>
        <protocol>UDP/IP</protocol>
        <ip>224.0.31.22</ip>
        <port>14310</port>
        <feed>A</feed>
      </connection>
      <connection id="310SBMBO">
        <type feed-type="SMBO">Snapshot-MBO</type>
        <protocol>UDP/IP</protocol>
        <ip>233.72.75.64</ip>
        <port>22310</port>
        <feed>B</feed>
      </connection>
    </connections>
  </channel>
  <channel id="311" label="No lines yet">
    <products><product code="AA"><group code="A3"/></product></products>
    <connections/>
  </channel>
  <channel id="312" label="Nothing at all">
    <products>
    </products>
  </channel>
</configuration>
"#;

    fn take() -> Take<'static> {
        Take {
            venue: venue("XCME"),
            date: Some(DATE),
            environment: "PRODUCTION",
            snapshots: Snapshots::ByPrice,
        }
    }

    fn file(text: &str) -> Result<Imported, Problems> {
        config(Path::new("config.xml"), text, take())
    }

    fn at(group: [u8; 4], port: u16, source: Option<[u8; 4]>) -> Option<Endpoint> {
        Some(Endpoint {
            group: group.into(),
            port,
            source: source.map(Into::into),
            interface: None,
        })
    }

    #[test]
    fn channels_become_partitions() {
        let imported = file(CONFIG).unwrap();
        assert_eq!((imported.date, imported.parts.len()), (DATE, 2));
        let part = &imported.parts[0];
        assert_eq!((part.name, part.line), (name("310"), 3));
        assert_eq!(part.symbols, Some(Symbols::Products(vec![symbol("AA"), symbol("ZZ")])));
        let lines = [
            at([224, 0, 31, 1], 14310, None),
            at([224, 0, 32, 1], 15310, Some([10, 2, 0, 1])),
            None,
        ];
        assert_eq!(part.lines, Some(lines));
        assert_eq!(part.services.snapshot_lines, [at([224, 0, 31, 22], 14310, None), None, None]);
        let replay = ["10.1.0.10:10000", "10.1.0.11:10000"].map(|at| at.parse().unwrap());
        assert_eq!(part.services.retransmit_tcp, replay);
        assert_eq!((imported.parts[1].name, &imported.parts[1].lines), (name("311"), &None));
        assert_eq!(
            imported.notes,
            [
                "the file was updated \"2026/07/25-04:14:02\"",
                "left out, for they have neither incremental lines nor products: channels 312",
                "connections of feed type \"N\", for which a map has no place: 1",
                "connections of feed type \"SMBO\", for which a map has no place: 1",
                "lines that name more than one source, so that any is accepted: 1",
            ]
        );
    }

    #[test]
    fn a_server_that_two_connections_name_is_one() {
        let start = CONFIG.find("      <connection id=\"310H2A\">").unwrap();
        let end = CONFIG.find("      <connection id=\"310IA\">").unwrap();
        let again = CONFIG[start..end].replace("310H2A", "310H3A");
        let imported = file(&format!("{}{again}{}", &CONFIG[..end], &CONFIG[end..])).unwrap();
        assert_eq!(imported.parts[0], file(CONFIG).unwrap().parts[0]);
    }

    #[test]
    fn snapshots_by_order_are_taken_where_they_are_asked_for() {
        let take = Take { snapshots: Snapshots::ByOrder, ..take() };
        let imported = config(Path::new("config.xml"), CONFIG, take).unwrap();
        let lines = &imported.parts[0].services.snapshot_lines;
        assert_eq!(*lines, [None, at([233, 72, 75, 64], 22310, None), None]);
        assert!(imported.notes.contains(
            &"connections of feed type \"S\", for which a map has no place: 1".to_owned()
        ));
    }

    #[test]
    fn without_a_date_it_is_that_of_the_update() {
        let imported =
            config(Path::new("config.xml"), CONFIG, Take { date: None, ..take() }).unwrap();
        assert_eq!(imported.date, TradingDate(20_260_725));
        assert_eq!(
            imported.notes[0],
            "the date is that of the file's update, \"2026/07/25-04:14:02\""
        );
        for text in
            ["", "2026-07-25", "2026/7/25", "2026/13/01", "2026/07/32", "2026/07/25/1", "26/07/25"]
        {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn a_file_that_is_old_is_said_and_one_of_later_is_refused() {
        let of = |date| {
            let take = Take { date: Some(TradingDate(date)), ..take() };
            config(Path::new("config.xml"), CONFIG, take)
        };
        for date in [20_260_725, 20_260_727, 20_260_808] {
            let notes = of(date).unwrap().notes;
            assert_eq!(notes[0], "the file was updated \"2026/07/25-04:14:02\"", "{date}");
        }
        for (date, says) in [
            (20_260_809, "15 days before 2026-08-09: is it the one in use?"),
            (20_340_725, "2922 days before 2034-07-25"),
        ] {
            let notes = of(date).unwrap().notes;
            assert!(notes[0].contains(says), "{notes:?}");
        }
        let refused = of(20_260_724).unwrap_err().to_string();
        assert!(refused.contains("config.xml:2: was updated"), "{refused}");
        assert!(refused.contains("behind 2026-07-24: take the file"), "{refused}");
    }

    #[test]
    fn another_environment_is_refused() {
        let other = CONFIG.replace("Production", "Certification");
        assert_eq!(
            said(file(&other)),
            [
                r#"config.xml:2: is of the environment "Certification", not of "PRODUCTION": take the file of that one"#
            ]
        );
    }

    #[test]
    fn a_file_that_was_cut_off_is_refused() {
        // Wherever it breaks off, also between two elements, less is never taken for the whole.
        for (cut, _) in CONFIG.char_indices().take(CONFIG.rfind("</configuration>").unwrap()) {
            assert!(file(&CONFIG[..cut]).is_err(), "cut at {cut}");
        }
        let cut = &CONFIG[..CONFIG.find("  <channel id=\"311\"").unwrap()];
        assert_eq!(
            said(file(cut)),
            [r#"config.xml: ends within "configuration": it is cut off; fetch it again"#]
        );
    }

    #[test]
    fn everything_that_is_wrong_is_said() {
        for (line, old, new, message) in [
            (3, "id=\"310\" ", "", "\"channel\" has no id"),
            (5, "code=\"ZZ\"><", "kode=\"ZZ\"><", "\"product\" has no code"),
            (
                10,
                "TCP/IP",
                "UDP/IP",
                "\"310H2A\" of feed type \"H\" is over \"UDP/IP\", not over TCP/IP",
            ),
            (10, "10.1.0.11", "10.1.0", "host-ip \"10.1.0\" is not the IPv4 address of a host"),
            (10, "10000", "", "port \"\" is not a whole number from 1 to 65535"),
            (
                19,
                "224.0.31.1<",
                "192.0.31.1<",
                "group \"192.0.31.1\" is not an IPv4 multicast group",
            ),
            (19, "14310</port>", "14310</port><port>1</port>", "\"310IA\" has more than one port"),
            (19, "<feed>A", "<feed>C", "feed \"C\" of \"310IA\" is not A or B"),
            (
                28,
                "<feed>B",
                "<feed>A",
                "\"310IB\" is a second connection of feed type \"I\" for feed A",
            ),
            (36, "<ip>224.0.31.43</ip>", "", "group \"\" is not an IPv4 multicast group"),
            (59, "311", "310", "channel 310 is in line 3 already"),
            (59, "\"311\"", "\"&nope;\"", "id can't be read: "),
        ] {
            // The first one in or behind its line.
            let from: usize = CONFIG.split_inclusive('\n').take(line - 1).map(str::len).sum();
            let text = format!("{}{}", &CONFIG[..from], CONFIG[from..].replacen(old, new, 1));
            let problems = said(file(&text));
            let expected = format!("config.xml:{line}: {message}");
            assert!(problems.iter().any(|p| p.starts_with(&expected)), "{expected}\n{problems:#?}");
        }
    }

    #[test]
    fn what_is_no_config_is_refused() {
        for (text, message) in [
            ("", "config.xml: has no element configuration"),
            ("unit,range\n1,A\n", "config.xml: has no element configuration"),
            ("<html><body/></html>", "config.xml: has no element configuration"),
            ("<a></b>", "config.xml:1: is no XML from here on: "),
            (
                "<a></\u{1b}[2J>",
                r"config.xml:1: is no XML from here on: ill-formed document: expected `</a>`, but `</\u{1b}[2J>",
            ),
            ("<a>\n<b x='1'", "config.xml:2: is no XML from here on: "),
        ] {
            let problems = said(file(text));
            assert!(problems[0].starts_with(message), "{problems:?}");
        }
        let twice = format!("{CONFIG}{}", CONFIG.split_once('\n').unwrap().1);
        let problems = said(file(&twice));
        assert!(problems.iter().any(|p| p.contains("begins another document")), "{problems:?}");
        let none =
            r#"<configuration environment="production" updated="2026/07/25"></configuration>"#;
        assert_eq!(said(file(none)).len(), 1);
    }

    #[test]
    fn depth_does_no_harm() {
        let deep =
            format!("{}{}", "<configuration>".repeat(100_000), "</configuration>".repeat(100_000));
        assert!(file(&deep).is_err());
    }

    #[test]
    fn elements_nobody_knows_are_said() {
        let text = CONFIG.replace("<feed>A</feed>", "<feed>A</feed><rate unit=\"Mb\">9</rate>");
        let imported = file(&text).unwrap();
        assert_eq!(
            imported.notes.last().unwrap(),
            "elements that are not known and were not looked at: \"rate\""
        );
        assert_eq!(imported.parts, file(CONFIG).unwrap().parts);
    }

    proptest! {
        #[test]
        fn foreign_files_never_panic(text in foreign(CONFIG)) {
            if let Ok(imported) = file(&text) {
                prop_assert!(imported.parts.iter().all(|part| part.symbols.is_some()));
            }
        }
    }
}
