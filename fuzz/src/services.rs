//! Target `services`: the clients of services under any events. The first byte chooses the client;
//! then a byte chooses each event, and what is said by the service is chosen whole, cut or garbage.

use candor_core::{Ask, Mono, Nanos, SeqNo, SeqRange, SessionId, SnapshotAsk, SnapshotPart};
use candor_decoders::Format;
use candor_services::retransmit::{self, Reply, Transport};
use candor_services::snapshot::{self, Body};
use candor_services::{Count, Io};

const DAY: [u8; 10] = *b"20260727A ";

/// Takes bytes of the fuzzer one after the other.
pub(crate) struct Chooser<'a>(pub(crate) &'a [u8]);

impl<'a> Chooser<'a> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Up to 255 of the next bytes.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte().unwrap_or(0)).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }
}

/// What holds of a client whatever happens: no more is sent than is asked for, what is passed on was
/// asked for, deadlines lie ahead, and once its deadlines have passed it is at rest.
pub fn check(bytes: &[u8]) {
    let mut choose = Chooser(bytes);
    let Some(which) = choose.byte() else { return };
    let format = Format::ALL[usize::from(which) % 3];
    if which & 0x10 != 0 {
        snapshots(format, choose);
        return;
    }
    let transport = if which & 0x20 == 0 { Transport::Udp } else { Transport::Tcp };
    if let Ok(client) = retransmit::Client::new(format, retransmit::Config::of(transport, 2)) {
        retransmits(format, client, choose);
    }
}

pub(crate) fn session(format: Format) -> SessionId {
    match format {
        Format::NasdaqItch50 => SessionId::from_text(DAY),
        Format::IexDeep | Format::IexTops => SessionId::from_number(7),
    }
}

fn snapshots(format: Format, mut choose: Chooser<'_>) {
    let mut client = snapshot::Client::new(format, snapshot::Config::of(format, 2));
    let mut now = Mono(1_000_000_000);
    let mut cycle = 0;
    let mut said = Said::Nothing;
    while let Some(event) = choose.byte() {
        match event % 8 {
            0 => {
                cycle += 1;
                said = Said::Nothing;
                client.ask(
                    now,
                    SnapshotAsk {
                        cycle,
                        session: session(format),
                        needs: SeqNo(u64::from(event)),
                        opened: now,
                        expires: now + Nanos::from_millis(u64::from(event) * 50),
                    },
                );
            }
            1 => client.drop_cycle(now, cycle.wrapping_sub(u32::from(event & 8 != 0))),
            2 => client.on_connected(now),
            3 => client.on_closed(now),
            4 => now = now + Nanos::from_millis(u64::from(event) * 7),
            5 => {
                now = now.max(client.deadline().unwrap_or(now));
                client.on_deadline(now);
            }
            _ => {
                let mut rest = choose.bytes();
                while !rest.is_empty() {
                    let taken = client.on_bytes(now, rest);
                    assert_ne!(taken, 0);
                    rest = &rest[taken..];
                    said = drain_snapshot(&mut client, cycle, said);
                }
            }
        }
        said = drain_snapshot(&mut client, cycle, said);
    }
    // Left alone it comes to an end by itself.
    for _ in 0..1_000 {
        let Some(due) = client.deadline() else { break };
        now = now.max(due);
        client.on_deadline(now);
        said = drain_snapshot(&mut client, cycle, said);
        assert!(client.deadline().is_none_or(|next| next > now));
    }
    assert!(client.is_idle());
    let counts = client.counts();
    assert!(counts.get(Count::Requests) <= counts.get(Count::Asks));
    assert!(counts.get(Count::Snapshots) <= counts.get(Count::Requests));
}

/// How far a snapshot has got, by its parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    Nothing,
    Begun,
    Over,
}

fn drain_snapshot(client: &mut snapshot::Client, cycle: u32, mut said: Said) -> Said {
    while client.next_io().is_some() {}
    while let Some(piece) = client.next_result() {
        assert_eq!(piece.cycle, cycle);
        said = match (said, piece.body) {
            (Said::Nothing, Body::Begin { .. }) => Said::Begun,
            (Said::Begun, Body::Messages(block)) => {
                let SnapshotPart::Messages(messages) = piece.body.part() else { panic!() };
                assert_eq!(messages.len(), usize::from(block.count));
                Said::Begun
            }
            (Said::Begun, Body::End { next }) => {
                assert_ne!(next, SeqNo(0));
                Said::Over
            }
            (Said::Nothing | Said::Begun, Body::Failed(_)) => Said::Over,
            (before, body) => panic!("{body:?} after {before:?}"),
        };
    }
    client.check();
    said
}

fn retransmits(format: Format, mut client: retransmit::Client, mut choose: Chooser<'_>) {
    let mut now = Mono(1_000_000_000);
    let mut asked = Vec::new();
    while let Some(event) = choose.byte() {
        let high = u64::from(event >> 3);
        match event % 8 {
            0 | 1 => {
                let range = SeqRange::between(SeqNo(1 + high), SeqNo(3 + 2 * high));
                asked.push(range);
                let expires = now + Nanos::from_millis(high * 40);
                let session = session(format);
                client.ask(
                    now,
                    Ask { session, range, attempt: 0, with_known: false, opened: now, expires },
                );
            }
            2 => client.on_connected(now),
            3 => client.on_closed(now),
            4 => now = now + Nanos::from_millis(high * 20),
            5 => {
                now = now.max(client.deadline().unwrap_or(now));
                client.on_deadline(now);
            }
            6 if event & 8 != 0 => client.on_unreachable(now, usize::from(event >> 4) % 3),
            _ => {
                let bytes = choose.bytes();
                if event & 8 == 0 {
                    client.on_datagram(now, usize::from(event >> 4) % 3, bytes);
                    drain_retransmit(format, &mut client, &asked);
                }
                let mut rest = bytes;
                while event & 8 != 0 && !rest.is_empty() {
                    let taken = client.on_bytes(now, rest);
                    assert_ne!(taken, 0);
                    rest = &rest[taken..];
                    drain_retransmit(format, &mut client, &asked);
                }
            }
        }
        drain_retransmit(format, &mut client, &asked);
    }
    for _ in 0..1_000 {
        let Some(due) = client.deadline() else { break };
        now = now.max(due);
        client.on_deadline(now);
        drain_retransmit(format, &mut client, &asked);
        assert!(client.deadline().is_none_or(|next| next > now));
    }
    assert_eq!(client.deadline(), None);
    let counts = client.counts();
    assert!(counts.get(Count::Requests) <= counts.get(Count::Asks));
}

fn drain_retransmit(format: Format, client: &mut retransmit::Client, asked: &[SeqRange]) {
    while let Some(io) = client.next_io() {
        if let Io::SendTo { address, .. } | Io::Connect { address } = io {
            assert!(address < 2);
        }
    }
    while let Some(reply) = client.next_result() {
        match reply {
            Reply::Payload(payload) => {
                let packet = format.frame(payload).expect("its framing is sound");
                assert_eq!(packet.session, session(format));
                assert!(asked.iter().any(|range| !range.intersect(packet.range).is_empty()));
            }
            Reply::Refused(refused) => {
                assert!(asked.iter().any(|range| range.intersect(refused.range) == refused.range));
            }
        }
    }
    client.check();
}
