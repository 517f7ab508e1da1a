//! What is said in each protocol, and what is heard. Keeps nothing: the words only.

use candor_core::{Nanos, Refusal, SeqNo, SessionId, SnapshotAsk};
use candor_decoders::Format;
use candor_decoders::iex::snap;
use candor_decoders::iex::tp;
use candor_decoders::nasdaq::soupbintcp::{self, CURRENT_SESSION, Login, Rejection};
use candor_decoders::nasdaq::{ascii, glimpse, moldudp64};
use candor_decoders::stream::Framing;

use super::{Config, SessionChoice};
use crate::credentials::Credentials;
use crate::link::SAY_MAX;

/// The longest packet of either protocol, in bytes.
pub(super) const LONGEST: usize = {
    assert!(soupbintcp::LONGEST == snap::LONGEST);
    soupbintcp::LONGEST
};

/// No message inside one is longer.
pub(super) const MESSAGE_MAX: usize = LONGEST;

/// What a packet of the server comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Said<'a> {
    /// The request is accepted; the snapshot is of this session, and so long where that is said.
    Yes(SessionId, Option<u64>),
    /// The request is refused.
    No(Refusal),
    /// A message of the snapshot.
    Message(&'a [u8]),
    /// The snapshot is whole, and does not contain this number.
    End(SeqNo),
    /// The server lives.
    Alive,
    /// Nothing that matters here.
    Pass,
    /// The request is at its end whatever it was at.
    Other(Refusal),
    /// It breaks the specification.
    Garbage,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Dialogue {
    Glimpse { credentials: Credentials, choice: SessionChoice },
    Snap { credentials: Credentials, protocol: u16, channel: u32 },
}

impl Dialogue {
    pub(super) const fn new(format: Format, config: &Config) -> Dialogue {
        let (credentials, channel) = (config.credentials, config.channel);
        match format {
            Format::NasdaqItch50 => Dialogue::Glimpse { credentials, choice: config.session },
            Format::IexDeep => Dialogue::Snap { credentials, protocol: tp::DEEP_1_0, channel },
            Format::IexTops => Dialogue::Snap { credentials, protocol: tp::TOPS_1_6, channel },
        }
    }

    pub(super) const fn framing(&self) -> Framing {
        match self {
            Dialogue::Glimpse { .. } => soupbintcp::FRAMING,
            Dialogue::Snap { .. } => snap::FRAMING,
        }
    }

    /// Whether the ask's session and number can be said in this protocol.
    pub(super) fn can_ask(&self, ask: &SnapshotAsk) -> bool {
        match self {
            Dialogue::Glimpse { .. } => name_of(ask.session).is_some(),
            Dialogue::Snap { .. } => {
                let fits = i64::try_from(ask.needs.0).is_ok();
                fits && number_of(ask.session).is_some()
            }
        }
    }

    /// What opens the conversation. `None` where the ask can't be said ([`Dialogue::can_ask`]).
    pub(super) fn greeting(&self, ask: &SnapshotAsk, to: &mut [u8; SAY_MAX]) -> Option<usize> {
        match self {
            Dialogue::Glimpse { credentials, choice } => {
                let session = match choice {
                    SessionChoice::Stream => ascii::left_aligned(name_of(ask.session)?),
                    SessionChoice::Current => CURRENT_SESSION,
                };
                let login = Login {
                    user: credentials.user(),
                    password: credentials.password(),
                    session,
                    next: glimpse::LOGIN_SEQUENCE,
                };
                Some(soupbintcp::FromClient::Login(login).encode(to)?.len())
            }
            Dialogue::Snap { credentials, channel, .. } => {
                let request = snap::Request {
                    token: credentials.token(),
                    channel: *channel,
                    session: number_of(ask.session)?,
                    // All before `needs` have to be contained; the last of them is what is named.
                    lowest: SeqNo(ask.needs.0.saturating_sub(1)),
                };
                let request = request.encode()?;
                to.get_mut(..request.len())?.copy_from_slice(&request);
                Some(request.len())
            }
        }
    }

    /// How long the server may hear nothing. `None` where it does not care.
    pub(super) const fn heartbeat_interval(&self) -> Option<Nanos> {
        match self {
            Dialogue::Glimpse { .. } => Some(soupbintcp::HEARTBEAT_INTERVAL),
            Dialogue::Snap { .. } => None,
        }
    }

    pub(super) fn heartbeat(&self, to: &mut [u8; SAY_MAX]) -> Option<usize> {
        match self {
            Dialogue::Glimpse { .. } => Some(soupbintcp::FromClient::Heartbeat.encode(to)?.len()),
            Dialogue::Snap { .. } => None,
        }
    }

    /// What is said before a connection is closed that has done its work.
    pub(super) fn farewell(&self, to: &mut [u8; SAY_MAX]) -> Option<usize> {
        match self {
            Dialogue::Glimpse { .. } => Some(soupbintcp::FromClient::Logout.encode(to)?.len()),
            Dialogue::Snap { .. } => None,
        }
    }

    /// What a whole packet comes to, in answer to this ask.
    pub(super) fn read<'a>(&self, packet: &'a [u8], ask: &SnapshotAsk) -> Said<'a> {
        match *self {
            Dialogue::Glimpse { choice, .. } => match soupbintcp::FromServer::parse(packet) {
                Ok(packet) => glimpse_said(packet, choice, ask),
                Err(_) => Said::Garbage,
            },
            Dialogue::Snap { protocol, channel, .. } => match snap::FromServer::parse(packet) {
                Ok(packet) => snap_said(packet, protocol, channel, ask),
                Err(_) => Said::Garbage,
            },
        }
    }
}

fn glimpse_said<'a>(
    packet: soupbintcp::FromServer<'a>,
    choice: SessionChoice,
    ask: &SnapshotAsk,
) -> Said<'a> {
    use soupbintcp::FromServer;
    match packet {
        // Asked for all of it, the server would send a part.
        FromServer::Accepted { next, .. } if next != glimpse::LOGIN_SEQUENCE => Said::Garbage,
        FromServer::Accepted { session, .. } => {
            // The stream may pad its name on the other side.
            let same = name_of(ask.session).map(ascii::left_aligned) == Some(session);
            match choice {
                _ if same => Said::Yes(ask.session, None),
                SessionChoice::Current => Said::Yes(SessionId::from_text(session), None),
                SessionChoice::Stream => Said::Other(Refusal::WrongSession),
            }
        }
        FromServer::Rejected(Rejection::NoSuchSession) => Said::No(Refusal::WrongSession),
        FromServer::Rejected(_) => Said::No(Refusal::LoginRefused),
        FromServer::Sequenced(message) => match glimpse::end(message) {
            Ok(Some(next)) => Said::End(next),
            Ok(None) => Said::Message(message),
            Err(_) => Said::Garbage,
        },
        FromServer::Heartbeat => Said::Alive,
        FromServer::EndOfSession => Said::Other(Refusal::Closed),
        FromServer::Debug(_) | FromServer::Unsequenced(_) | FromServer::Unknown(_) => Said::Pass,
    }
}

fn snap_said<'a>(
    packet: snap::FromServer<'a>,
    protocol: u16,
    channel: u32,
    ask: &SnapshotAsk,
) -> Said<'a> {
    use snap::{Error, FromServer};
    match packet {
        FromServer::Start { image_len } => Said::Yes(ask.session, Some(image_len)),
        FromServer::Error(error) => Said::No(match error {
            Error::NotAuthenticated => Refusal::LoginRefused,
            Error::WrongChannel | Error::WrongSession => Refusal::WrongSession,
            Error::Active => Refusal::Busy,
            Error::Quota => Refusal::Quota,
            Error::NotYet => Refusal::NotYet,
            Error::NotUnderstood | Error::Other(_) => Refusal::Malformed,
        }),
        FromServer::Data { stream, .. } if stream.protocol != protocol => Said::Garbage,
        FromServer::Data { stream, message } => {
            let ours = stream.channel == channel && number_of(ask.session) == Some(stream.session);
            if ours { Said::Message(message) } else { Said::Other(Refusal::WrongSession) }
        }
        FromServer::End { last } if candor_core::canary!(SnapEndOffByOne) => Said::End(last),
        FromServer::End { last } => Said::End(last.next()),
        FromServer::Unknown(_) => Said::Pass,
    }
}

/// The name of a session of MoldUDP64, as the stream writes it.
fn name_of(session: SessionId) -> Option<[u8; 10]> {
    let name = moldudp64::session_name(session);
    (moldudp64::session_id(name) == Ok(session)).then_some(name)
}

/// The number of a session of IEX.
fn number_of(session: SessionId) -> Option<u32> {
    u32::try_from(session.0).ok().filter(|number| *number != 0)
}
