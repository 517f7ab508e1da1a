//! The elements of a `config.xml`, as they are written.

use std::collections::BTreeSet;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use crate::import::reading::{Reading, shown};

/// What the file says, unchecked.
#[derive(Default)]
pub(super) struct File {
    /// The line of its root; 0 where there was none.
    pub(super) line: usize,
    pub(super) environment: String,
    pub(super) updated: String,
    pub(super) channels: Vec<Channel>,
    /// Elements that nobody looked at.
    pub(super) unknown: BTreeSet<String>,
}

#[derive(Default)]
pub(super) struct Channel {
    pub(super) line: usize,
    pub(super) id: String,
    /// Codes, with the line of each.
    pub(super) products: Vec<(usize, String)>,
    pub(super) connections: Vec<Connection>,
}

#[derive(Default)]
pub(super) struct Connection {
    pub(super) line: usize,
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) protocol: String,
    pub(super) ip: String,
    pub(super) hosts: Vec<String>,
    pub(super) port: String,
    pub(super) feed: String,
}

/// Reads the file up to its end or to the first thing that is no XML: what comes behind that has no
/// meaning.
pub(super) fn read(reading: &mut Reading<'_>, text: &str) -> File {
    let mut walk = Walk { reading, file: File::default(), open: Vec::new(), text: String::new() };
    let mut lines = Lines { text, offset: 0, line: 1 };
    let mut reader = Reader::from_str(text);
    loop {
        let at = lines.at(reader.buffer_position());
        match reader.read_event() {
            Ok(Event::Start(element)) => walk.start(at, &element),
            Ok(Event::Empty(element)) => {
                walk.start(at, &element);
                walk.end();
            }
            Ok(Event::End(_)) => walk.end(),
            Ok(Event::Text(text)) => walk.text.push_str(&text),
            Ok(Event::CData(text)) => walk.text.push_str(&text),
            // Nothing here needs one; kept as written, it is shown where it does harm.
            Ok(Event::GeneralRef(name)) => walk.text.push_str(&format!("&{};", &*name)),
            Ok(Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_)) => {}
            Ok(Event::Eof) => break,
            Err(error) => {
                let at = Lines { text, offset: 0, line: 1 }.at(reader.error_position());
                walk.reading.wrong(at, format!("is no XML from here on: {}", said(&error)));
                return walk.file;
            }
        }
    }
    let Walk { reading, file, open, .. } = walk;
    if let Some(element) = open.last() {
        reading.wrong(0, format!("ends within {}: it is cut off; fetch it again", shown(element)));
    } else if file.line == 0 {
        reading.wrong(0, "has no element configuration: is it a config.xml of MDP 3.0?");
    }
    file
}

/// The reader's words, which quote the file: at no length, and nothing a terminal would obey.
fn said(error: &quick_xml::Error) -> String {
    error.to_string().chars().take(200).flat_map(char::escape_debug).collect()
}

/// Offsets as lines; each is asked for in ascending order.
struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line of the first character at or behind `offset` that is not blank.
    fn at(&mut self, offset: u64) -> usize {
        let bytes = self.text.as_bytes();
        let to = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let from = self.offset.min(to);
        self.line += bytes[from..to].iter().filter(|b| **b == b'\n').count();
        self.offset = to;
        self.line
    }
}

struct Walk<'r, 'p> {
    reading: &'r mut Reading<'p>,
    file: File,
    /// The elements around, outermost first.
    open: Vec<String>,
    /// What was read in the innermost one.
    text: String,
}

impl Walk<'_, '_> {
    fn start(&mut self, line: usize, element: &BytesStart<'_>) {
        let name = element.name().into_inner().to_owned();
        let path: Vec<&str> = self.open.iter().take(4).map(String::as_str).collect();
        match (&path[..], name.as_str()) {
            ([], _) if self.file.line > 0 => {
                self.reading.wrong(line, "begins another document: is it two files in one?");
            }
            ([], "configuration") => {
                self.file.line = line;
                self.file.environment = self.attribute(line, element, "environment");
                self.file.updated = self.attribute(line, element, "updated");
            }
            (["configuration"], "channel") => {
                let id = self.attribute(line, element, "id");
                self.file.channels.push(Channel { line, id, ..Channel::default() });
            }
            (["configuration", "channel", "products"], "product") => {
                let code = self.attribute(line, element, "code");
                if let Some(channel) = self.file.channels.last_mut() {
                    channel.products.push((line, code));
                }
            }
            (["configuration", "channel", "connections"], "connection") => {
                let id = self.attribute(line, element, "id");
                if let Some(channel) = self.file.channels.last_mut() {
                    channel.connections.push(Connection { line, id, ..Connection::default() });
                }
            }
            (["configuration", "channel", "connections", "connection"], "type")
                if self.open.len() == 4 =>
            {
                let kind = self.attribute(line, element, "feed-type");
                if let Some(connection) = self.connection() {
                    connection.kind = kind;
                }
            }
            (["configuration", "channel"], "products" | "connections") => {}
            (["configuration", "channel", "products", "product"], "group" | "subchannel") => {}
            (
                ["configuration", "channel", "connections", "connection"],
                "protocol" | "ip" | "host-ip" | "port" | "feed",
            ) if self.open.len() == 4 => {}
            _ => {
                self.file.unknown.insert(name.clone());
            }
        }
        self.open.push(name);
        self.text.clear();
    }

    fn end(&mut self) {
        let Some(name) = self.open.pop() else { return };
        let text = std::mem::take(&mut self.text);
        let around = ["configuration", "channel", "connections", "connection"];
        if self.open != around {
            return;
        }
        let Some(connection) = self.connection() else { return };
        let text = text.trim();
        let field = match name.as_str() {
            "protocol" => &mut connection.protocol,
            "ip" => &mut connection.ip,
            "port" => &mut connection.port,
            "feed" => &mut connection.feed,
            "host-ip" => {
                connection.hosts.push(text.to_owned());
                return;
            }
            _ => return,
        };
        let twice = !field.is_empty();
        field.push_str(text);
        if twice {
            let (line, id) = (connection.line, shown(&connection.id));
            self.reading.wrong(line, format!("{id} has more than one {name}"));
        }
    }

    fn connection(&mut self) -> Option<&mut Connection> {
        self.file.channels.last_mut()?.connections.last_mut()
    }

    /// An attribute's value; empty, and said so, where there is none.
    fn attribute(&mut self, line: usize, element: &BytesStart<'_>, name: &str) -> String {
        let value = match element.try_get_attribute(name) {
            Ok(Some(value)) => {
                value.normalized_value(XmlVersion::Implicit1_0).map(|v| v.into_owned())
            }
            Ok(None) => {
                let element = shown(element.name().into_inner());
                self.reading.wrong(line, format!("{element} has no {name}"));
                return String::new();
            }
            Err(error) => Err(error.into()),
        };
        value.unwrap_or_else(|error| {
            self.reading.wrong(line, format!("{name} can't be read: {}", said(&error)));
            String::new()
        })
    }
}
