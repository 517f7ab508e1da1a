//! A client on a bench: every call is followed by fetching all there is to fetch, and what was done
//! and said is kept as words.

#![allow(dead_code, reason = "no test file uses all of it")]

use candor_core::{Ask, Mono, Nanos, SeqNo, SeqRange, SessionId, SnapshotAsk};
use candor_decoders::Format;
use candor_decoders::iex::{snap, tp};
use candor_decoders::nasdaq::glimpse::EndOfSnapshot;
use candor_decoders::nasdaq::{moldudp64, soupbintcp};
use candor_decoders::{IntoBytes, nasdaq};
use candor_services::{Count, Credentials, Io, retransmit, snapshot};

pub(crate) const DAY: [u8; 10] = *b"20260727A ";
pub(crate) const START: Mono = Mono(1_000_000_000_000);

pub(crate) fn mold_session() -> SessionId {
    SessionId::from_text(DAY)
}

pub(crate) fn iex_session() -> SessionId {
    SessionId::from_number(7)
}

pub(crate) fn stream() -> tp::Stream {
    tp::Stream { protocol: tp::DEEP_1_0, channel: 1, session: 7 }
}

pub(crate) fn secs(count: u64) -> Nanos {
    Nanos::from_secs(count)
}

pub(crate) fn millis(count: u64) -> Nanos {
    Nanos::from_millis(count)
}

pub(crate) fn range(first: u64, end: u64) -> SeqRange {
    SeqRange::between(SeqNo(first), SeqNo(end))
}

/// Soup packets of a server.
pub(crate) fn soup(packets: &[soupbintcp::FromServer<'_>]) -> Vec<u8> {
    let mut buffer = [0; soupbintcp::LONGEST];
    packets.iter().flat_map(|packet| packet.encode(&mut buffer).unwrap().to_vec()).collect()
}

/// SNAP packets of a server.
pub(crate) fn snaps(packets: &[snap::FromServer<'_>]) -> Vec<u8> {
    let mut buffer = [0; snap::LONGEST];
    packets.iter().flat_map(|packet| packet.encode(&mut buffer).unwrap().to_vec()).collect()
}

pub(crate) fn end_of(next: u64) -> EndOfSnapshot {
    EndOfSnapshot::of(SeqNo(next))
}

/// A whole snapshot of each protocol, up to and without number 100, and what it contains.
pub(crate) const IMAGE: [&[u8]; 3] = [b"Rabc", b"", b"Adefgh"];

pub(crate) fn accepted() -> soupbintcp::FromServer<'static> {
    soupbintcp::FromServer::Accepted { session: DAY, next: SeqNo(1) }
}

pub(crate) fn glimpse_image() -> Vec<u8> {
    use soupbintcp::FromServer::{Debug, Heartbeat, Sequenced};
    let mut bytes = soup(&[Debug(b"hello"), accepted(), Heartbeat]);
    for message in IMAGE {
        bytes.extend(soup(&[Sequenced(message)]));
    }
    bytes.extend(soup(&[Sequenced(end_of(100).as_bytes())]));
    bytes
}

pub(crate) fn snap_image() -> Vec<u8> {
    use snap::FromServer::{Data, End, Start};
    let image_len = IMAGE.iter().map(|message| message.len() as u64).sum();
    let mut bytes = snaps(&[Start { image_len }]);
    for message in IMAGE {
        bytes.extend(snaps(&[Data { stream: stream(), message }]));
    }
    bytes.extend(snaps(&[End { last: SeqNo(99) }]));
    bytes
}

pub(crate) fn image(format: Format) -> Vec<u8> {
    if format == Format::NasdaqItch50 { glimpse_image() } else { snap_image() }
}

pub(crate) fn session(format: Format) -> SessionId {
    if format == Format::NasdaqItch50 { mold_session() } else { iex_session() }
}

/// A snapshot client on the bench.
pub(crate) struct Snapshots {
    pub(crate) client: snapshot::Client,
    pub(crate) now: Mono,
    pub(crate) format: Format,
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) sent: Vec<u8>,
}

impl Snapshots {
    pub(crate) fn new(format: Format, addresses: usize) -> Snapshots {
        let credentials = Credentials::new("martha", "secret").unwrap().with_token("tok").unwrap();
        let config = snapshot::Config { credentials, ..snapshot::Config::of(format, addresses) };
        Snapshots::with(format, config)
    }

    pub(crate) fn with(format: Format, config: snapshot::Config) -> Snapshots {
        let client = snapshot::Client::new(format, config);
        Snapshots { client, now: START, format, messages: Vec::new(), sent: Vec::new() }
    }

    pub(crate) fn snapshot_ask(&self, cycle: u32) -> SnapshotAsk {
        SnapshotAsk {
            cycle,
            session: session(self.format),
            needs: SeqNo(90),
            opened: self.now,
            expires: self.now + secs(8),
        }
    }

    pub(crate) fn ask(&mut self, cycle: u32) -> Vec<String> {
        let ask = self.snapshot_ask(cycle);
        self.call(|client, now| client.ask(now, ask))
    }

    pub(crate) fn connected(&mut self) -> Vec<String> {
        self.call(snapshot::Client::on_connected)
    }

    pub(crate) fn closed(&mut self) -> Vec<String> {
        self.call(snapshot::Client::on_closed)
    }

    pub(crate) fn drop_cycle(&mut self, cycle: u32) -> Vec<String> {
        self.call(|client, now| client.drop_cycle(now, cycle))
    }

    pub(crate) fn bytes(&mut self, mut bytes: &[u8]) -> Vec<String> {
        let mut words = Vec::new();
        while !bytes.is_empty() {
            let mut taken = 0;
            words.extend(self.call(|client, now| taken = client.on_bytes(now, bytes)));
            assert_ne!(taken, 0, "a call that takes nothing would come again for ever");
            bytes = &bytes[taken..];
        }
        words
    }

    /// Waits for the deadline, which must be exact: just before it nothing happens.
    pub(crate) fn deadline(&mut self) -> Vec<String> {
        let Some(due) = self.client.deadline() else { return Vec::new() };
        assert!(due > self.now);
        self.now = due - Nanos(1);
        assert_eq!(self.call(snapshot::Client::on_deadline), Vec::<String>::new());
        assert_eq!(self.client.deadline(), Some(due));
        self.now = due;
        let words = self.call(snapshot::Client::on_deadline);
        assert!(self.client.deadline().is_none_or(|next| next > due), "it would spin");
        words
    }

    /// Asked and connected.
    pub(crate) fn asked(&mut self) {
        assert_eq!(self.ask(1), ["Connect(0)"]);
        assert_eq!(self.connected().len(), 1);
    }

    pub(crate) fn count(&self, count: Count) -> u64 {
        self.client.counts().get(count)
    }

    pub(crate) fn call(&mut self, what: impl FnOnce(&mut snapshot::Client, Mono)) -> Vec<String> {
        what(&mut self.client, self.now);
        let mut words = Vec::new();
        while let Some(io) = self.client.next_io() {
            words.push(match io {
                Io::Connect { address } => format!("Connect({address})"),
                Io::Send(bytes) => {
                    self.sent = bytes.to_vec();
                    "Send".to_owned()
                }
                Io::SendTo { .. } => panic!("no datagrams here"),
                Io::Close => "Close".to_owned(),
            });
        }
        while let Some(piece) = self.client.next_result() {
            words.push(match piece.body {
                snapshot::Body::Begin { session } => {
                    assert_eq!(session, crate::common::session(self.format));
                    "Begin".to_owned()
                }
                snapshot::Body::Messages(block) => {
                    assert!(block.bytes.len() <= snapshot::BLOCK_BYTES);
                    assert_ne!(block.count, 0);
                    let candor_core::SnapshotPart::Messages(messages) = piece.body.part() else {
                        panic!("messages are messages");
                    };
                    self.messages.extend(messages.map(<[u8]>::to_vec));
                    "Messages".to_owned()
                }
                snapshot::Body::End { next } => format!("End({next})"),
                snapshot::Body::Failed(why) => format!("Failed({})", why.label()),
            });
        }
        self.client.check();
        words
    }
}

/// A retransmit client on the bench.
pub(crate) struct Retransmits {
    pub(crate) client: retransmit::Client,
    pub(crate) now: Mono,
    pub(crate) format: Format,
    pub(crate) payloads: Vec<Vec<u8>>,
    pub(crate) sent: Vec<u8>,
}

impl Retransmits {
    pub(crate) fn new(
        format: Format,
        transport: retransmit::Transport,
        addresses: usize,
    ) -> Retransmits {
        let config = retransmit::Config::of(transport, addresses);
        let client = retransmit::Client::new(format, config).unwrap();
        Retransmits { client, now: START, format, payloads: Vec::new(), sent: Vec::new() }
    }

    pub(crate) fn the_ask(&self, first: u64, end: u64) -> Ask {
        Ask {
            session: session(self.format),
            range: range(first, end),
            attempt: 0,
            with_known: false,
            opened: self.now,
            expires: self.now + secs(5),
        }
    }

    pub(crate) fn ask(&mut self, first: u64, end: u64) -> Vec<String> {
        let ask = self.the_ask(first, end);
        self.call(|client, now| client.ask(now, ask))
    }

    pub(crate) fn datagram(&mut self, from: usize, bytes: &[u8]) -> Vec<String> {
        self.call(|client, now| client.on_datagram(now, from, bytes))
    }

    pub(crate) fn connected(&mut self) -> Vec<String> {
        self.call(retransmit::Client::on_connected)
    }

    pub(crate) fn closed(&mut self) -> Vec<String> {
        self.call(retransmit::Client::on_closed)
    }

    pub(crate) fn bytes(&mut self, mut bytes: &[u8]) -> Vec<String> {
        let mut words = Vec::new();
        while !bytes.is_empty() {
            let mut taken = 0;
            words.extend(self.call(|client, now| taken = client.on_bytes(now, bytes)));
            assert_ne!(taken, 0, "a call that takes nothing would come again for ever");
            bytes = &bytes[taken..];
        }
        words
    }

    /// Waits for the deadline, which must be exact: just before it nothing happens.
    pub(crate) fn deadline(&mut self) -> Vec<String> {
        let Some(due) = self.client.deadline() else { return Vec::new() };
        assert!(due > self.now);
        self.now = due - Nanos(1);
        assert_eq!(self.call(retransmit::Client::on_deadline), Vec::<String>::new());
        self.now = due;
        let words = self.call(retransmit::Client::on_deadline);
        assert!(self.client.deadline().is_none_or(|next| next > due), "it would spin");
        words
    }

    pub(crate) fn count(&self, count: Count) -> u64 {
        self.client.counts().get(count)
    }

    pub(crate) fn call(&mut self, what: impl FnOnce(&mut retransmit::Client, Mono)) -> Vec<String> {
        what(&mut self.client, self.now);
        let mut words = Vec::new();
        while let Some(io) = self.client.next_io() {
            words.push(match io {
                Io::Connect { address } => format!("Connect({address})"),
                Io::Send(bytes) => {
                    self.sent = bytes.to_vec();
                    "Send".to_owned()
                }
                Io::SendTo { address, bytes } => {
                    self.sent = bytes.to_vec();
                    format!("SendTo({address})")
                }
                Io::Close => "Close".to_owned(),
            });
        }
        while let Some(reply) = self.client.next_result() {
            words.push(match reply {
                retransmit::Reply::Payload(bytes) => {
                    self.payloads.push(bytes.to_vec());
                    format!("Payload({})", self.format.frame(bytes).unwrap().range)
                }
                retransmit::Reply::Refused(refused) => {
                    format!("Refused({} {})", refused.range, refused.why.label())
                }
            });
        }
        self.client.check();
        words
    }
}

/// A datagram or segment with these numbers.
pub(crate) fn answer(format: Format, first: u64, end: u64) -> Vec<u8> {
    answer_of(format, 7, 1, first, end)
}

/// The same of another session (its last digit) and channel.
pub(crate) fn answer_of(
    format: Format,
    session: u8,
    channel: u32,
    first: u64,
    end: u64,
) -> Vec<u8> {
    let mut buffer = [0; 4096];
    if format == Format::NasdaqItch50 {
        let mut name = DAY;
        name[7] = b'0' + session;
        let mut packet = moldudp64::Writer::new(&mut buffer, name, SeqNo(first)).unwrap();
        (first..end).for_each(|number| packet.push(&number.to_be_bytes()).unwrap());
        packet.finish().to_vec()
    } else {
        let protocol = if format == Format::IexDeep { tp::DEEP_1_0 } else { tp::TOPS_1_6 };
        let stream = tp::Stream { protocol, channel, session: u32::from(session) };
        let at = tp::Position { sequence: SeqNo(first), stream_offset: 0 };
        let mut packet = tp::Writer::new(&mut buffer, stream, at).unwrap();
        (first..end).for_each(|number| packet.push(&number.to_le_bytes()).unwrap());
        packet.finish(candor_core::WireTime(1)).to_vec()
    }
}

/// The request of a retransmit client, as a server reads it: its session, its numbers.
pub(crate) fn request(format: Format, bytes: &[u8]) -> (SessionId, SeqRange) {
    if format == Format::NasdaqItch50 {
        let request = nasdaq::moldudp64::Request::parse(bytes).unwrap();
        let session = moldudp64::session_id(request.session).unwrap();
        (session, SeqRange::of(request.first, u64::from(request.count)).unwrap())
    } else {
        let request = candor_decoders::iex::gapfill::Request::parse(bytes).unwrap();
        assert_eq!(request.ranges().len(), 1);
        let range = request.ranges().next().unwrap();
        (SessionId::from_number(u64::from(request.stream.session)), range)
    }
}

/// The variants of a private enum, as the source names them.
pub(crate) fn variants(source: &'static str, name: &str) -> Vec<&'static str> {
    let body = source.split(&format!("enum {name} {{")).nth(1).expect("an enum of this name");
    let lines = body.split("\n}").next().unwrap().lines();
    let variant = |line: &'static str| line.strip_prefix("    ")?.split([' ', ',', '(']).next();
    lines.filter_map(variant).filter(|word| word.starts_with(char::is_uppercase)).collect()
}
