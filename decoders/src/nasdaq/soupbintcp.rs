//! SoupBinTCP 3.00: every packet of either side, read and written.
//!
//! | from | type | packet | fields: offset/length, the packet's length standing at 0/2 and its type at 2/1 |
//! | --- | --- | --- | --- |
//! | both | `+` | debug | free text 3/.. |
//! | server | `A` | login accepted | session 3/10, number of the next message 13/20 |
//! | server | `J` | login rejected | reason 3/1: `A` not authorised, `S` no such session |
//! | server | `S` | sequenced data | one message 3/.., which takes the next number |
//! | both | `U` | unsequenced data | one message 3/.., without a number |
//! | server | `H` | heartbeat | |
//! | server | `Z` | end of session | |
//! | client | `L` | login request | user 3/6, password 9/10, session 19/10, number wanted 29/20 |
//! | client | `R` | heartbeat | |
//! | client | `O` | logout request | |
//!
//! The length is big-endian and counts what stands behind it. Numbers are decimal text, sessions text:
//! both are written with spaces before them, and read with spaces at either end. User and password
//! are written with spaces behind them. A login with a blank session asks for the current one; number
//! 0 asks for the most recent message on. Each side sends a heartbeat when it has sent nothing else
//! for one second, a client once it is logged in; the server closes a connection it has heard nothing of
//! for 15 seconds, or that has not asked to log in within 30.
//!
//! A packet of a fixed layout may be longer than it: bytes behind are a newer version's and left
//! alone. Unverified: in what the text of 4.00 differs, whose packets have these same layouts.

use candor_core::{ByteOrder, Nanos, Reject, SeqNo};
use core::fmt;
use zerocopy::IntoBytes;
use zerocopy::byteorder::big_endian::U16;

use super::ascii;
use crate::stream::{Frames, Framing, PREFIX_LEN};
use crate::view::{View, views};

/// The longest packet, its length included, in bytes. Nothing known is longer than a message of ITCH
/// (50) but a debug packet's text.
pub const LONGEST: usize = 1024;

/// How packets are marked off.
pub const FRAMING: Framing = Framing { prefix: ByteOrder::Big, longest: LONGEST };

/// How long a side is silent before it sends a heartbeat.
pub const HEARTBEAT_INTERVAL: Nanos = Nanos::from_secs(1);

/// How long a side may hear nothing before it takes the other for dead.
pub const SILENCE_MAX: Nanos = Nanos::from_secs(15);

/// How long a server waits for the login of a new connection.
pub const LOGIN_MAX: Nanos = Nanos::from_secs(30);

/// A session's field that asks for the current session.
pub const CURRENT_SESSION: [u8; 10] = [b' '; 10];

/// Length and type of a packet, in bytes.
const HEAD_LEN: usize = PREFIX_LEN + 1;

views! {
    /// The server's yes to a login.
    LoginAccepted: b'A', 33 {
        /// Bytes behind this field.
        length: U16 = 0,
        /// `A`.
        kind: u8 = 2,
        /// The session's name.
        session: [u8; 10] = 3,
        /// The number the next message will have.
        sequence: [u8; 20] = 13,
    }
    /// The server's no to a login.
    LoginRejected: b'J', 4 {
        /// Bytes behind this field.
        length: U16 = 0,
        /// `J`.
        kind: u8 = 2,
        /// Why.
        reason: u8 = 3,
    }
    /// The client's wish to log in.
    LoginRequest: b'L', 49 {
        /// Bytes behind this field.
        length: U16 = 0,
        /// `L`.
        kind: u8 = 2,
        /// The user's name.
        user: [u8; 6] = 3,
        /// The password.
        password: [u8; 10] = 9,
        /// The session wanted.
        session: [u8; 10] = 19,
        /// The number of the first message wanted.
        sequence: [u8; 20] = 29,
    }
}

/// The whole packets at the front of what either side has received so far.
#[must_use]
pub const fn split(bytes: &[u8]) -> Frames<'_> {
    FRAMING.split(bytes)
}

/// Why a server rejects a login.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// User and password are not those of anybody allowed.
    NotAuthorised,
    /// The session asked for is not to be had.
    NoSuchSession,
    /// A letter that the specification does not list.
    Other(u8),
}

impl Rejection {
    const fn from_byte(byte: u8) -> Rejection {
        match byte {
            b'A' => Rejection::NotAuthorised,
            b'S' => Rejection::NoSuchSession,
            other => Rejection::Other(other),
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Rejection::NotAuthorised => b'A',
            Rejection::NoSuchSession => b'S',
            Rejection::Other(byte) => byte,
        }
    }
}

/// What a server sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FromServer<'a> {
    /// Text for people.
    Debug(&'a [u8]),
    /// The login is accepted.
    Accepted {
        /// The session's name, its spaces behind it.
        session: [u8; 10],
        /// The number the next message will have.
        next: SeqNo,
    },
    /// The login is rejected; the server closes.
    Rejected(Rejection),
    /// A message, which takes the next number.
    Sequenced(&'a [u8]),
    /// A message without a number.
    Unsequenced(&'a [u8]),
    /// The server lives.
    Heartbeat,
    /// There will be no further message of the session; the server closes.
    EndOfSession,
    /// A type that the specification does not list.
    Unknown(u8),
}

impl<'a> FromServer<'a> {
    /// What a whole packet says, its length included.
    ///
    /// # Errors
    /// [`Reject::ShortHeader`] without a type, [`Reject::LengthMismatch`] where it is not one packet,
    /// [`Reject::ShortMessage`] where it is shorter than its layout, [`Reject::BadSession`] for a
    /// session that is blank or not text, [`Reject::BadField`] for a number that is none.
    pub fn parse(packet: &'a [u8]) -> Result<FromServer<'a>, Reject> {
        let (kind, rest) = kind_of(packet)?;
        Ok(match kind {
            b'+' => FromServer::Debug(rest),
            LoginAccepted::KIND => {
                let view = LoginAccepted::view(packet)?;
                let session = ascii::left_aligned(view.session);
                if session == CURRENT_SESSION || !ascii::is_text(&session) {
                    return Err(Reject::BadSession);
                }
                FromServer::Accepted { session, next: SeqNo(ascii::number(&view.sequence)?) }
            }
            LoginRejected::KIND => {
                FromServer::Rejected(Rejection::from_byte(LoginRejected::view(packet)?.reason))
            }
            b'S' => FromServer::Sequenced(rest),
            b'U' => FromServer::Unsequenced(rest),
            b'H' => FromServer::Heartbeat,
            b'Z' => FromServer::EndOfSession,
            other => FromServer::Unknown(other),
        })
    }

    /// The packet as it is sent, at the front of `buffer`. `None` where it does not fit, or would be
    /// longer than [`LONGEST`].
    #[must_use]
    pub fn encode<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        match *self {
            FromServer::Debug(text) => packet(buffer, b'+', text),
            FromServer::Accepted { session, next } => {
                let view = LoginAccepted {
                    length: length_of::<LoginAccepted>(),
                    kind: LoginAccepted::KIND,
                    session: ascii::right_aligned(session),
                    sequence: ascii::right(next.0),
                };
                copied(buffer, view.as_bytes())
            }
            FromServer::Rejected(why) => packet(buffer, LoginRejected::KIND, &[why.byte()]),
            FromServer::Sequenced(message) => packet(buffer, b'S', message),
            FromServer::Unsequenced(message) => packet(buffer, b'U', message),
            FromServer::Heartbeat => packet(buffer, b'H', &[]),
            FromServer::EndOfSession => packet(buffer, b'Z', &[]),
            FromServer::Unknown(kind) => packet(buffer, kind, &[]),
        }
    }
}

/// What a client logs in with. Printed without the password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Login {
    /// The user's name, its spaces behind it.
    pub user: [u8; 6],
    /// The password, its spaces behind it.
    pub password: [u8; 10],
    /// The session wanted, its spaces behind it; [`CURRENT_SESSION`] for whichever it is.
    pub session: [u8; 10],
    /// The first message wanted; number 0 for the most recent.
    pub next: SeqNo,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut login = f.debug_struct("Login");
        login.field("session", &self.session).field("next", &self.next).finish_non_exhaustive()
    }
}

/// What a client sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FromClient<'a> {
    /// Text for people.
    Debug(&'a [u8]),
    /// The first packet of a connection.
    Login(Login),
    /// A message without a number.
    Unsequenced(&'a [u8]),
    /// The client lives.
    Heartbeat,
    /// The client has what it wanted; the server closes.
    Logout,
    /// A type that the specification does not list.
    Unknown(u8),
}

impl<'a> FromClient<'a> {
    /// What a whole packet says, its length included.
    ///
    /// # Errors
    /// [`Reject::ShortHeader`] without a type, [`Reject::LengthMismatch`] where it is not one packet,
    /// [`Reject::ShortMessage`] where it is shorter than its layout, [`Reject::BadSession`] for a
    /// session that is not text, [`Reject::BadField`] for a number that is none.
    pub fn parse(packet: &'a [u8]) -> Result<FromClient<'a>, Reject> {
        let (kind, rest) = kind_of(packet)?;
        Ok(match kind {
            b'+' => FromClient::Debug(rest),
            LoginRequest::KIND => {
                let view = LoginRequest::view(packet)?;
                if !ascii::is_text(&view.session) {
                    return Err(Reject::BadSession);
                }
                FromClient::Login(Login {
                    user: view.user,
                    password: view.password,
                    session: ascii::left_aligned(view.session),
                    next: SeqNo(ascii::number(&view.sequence)?),
                })
            }
            b'U' => FromClient::Unsequenced(rest),
            b'R' => FromClient::Heartbeat,
            b'O' => FromClient::Logout,
            other => FromClient::Unknown(other),
        })
    }

    /// The packet as it is sent, at the front of `buffer`. `None` where it does not fit, or would be
    /// longer than [`LONGEST`].
    #[must_use]
    pub fn encode<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        match *self {
            FromClient::Debug(text) => packet(buffer, b'+', text),
            FromClient::Login(login) => {
                let view = LoginRequest {
                    length: length_of::<LoginRequest>(),
                    kind: LoginRequest::KIND,
                    user: login.user,
                    password: login.password,
                    session: ascii::right_aligned(login.session),
                    sequence: ascii::right(login.next.0),
                };
                copied(buffer, view.as_bytes())
            }
            FromClient::Unsequenced(message) => packet(buffer, b'U', message),
            FromClient::Heartbeat => packet(buffer, b'R', &[]),
            FromClient::Logout => packet(buffer, b'O', &[]),
            FromClient::Unknown(kind) => packet(buffer, kind, &[]),
        }
    }
}

/// Type and payload of a whole packet.
fn kind_of(packet: &[u8]) -> Result<(u8, &[u8]), Reject> {
    FRAMING.whole(packet)?;
    match packet {
        [_, _, kind, rest @ ..] => Ok((*kind, rest)),
        _ => Err(Reject::ShortHeader),
    }
}

fn length_of<T: View>() -> U16 {
    ((T::LEN - PREFIX_LEN) as u16).into()
}

fn packet<'b>(buffer: &'b mut [u8], kind: u8, payload: &[u8]) -> Option<&'b [u8]> {
    let packet = buffer.get_mut(..HEAD_LEN + payload.len())?;
    packet[PREFIX_LEN] = kind;
    packet[HEAD_LEN..].copy_from_slice(payload);
    FRAMING.seal(packet)?;
    Some(packet)
}

fn copied<'b>(buffer: &'b mut [u8], bytes: &[u8]) -> Option<&'b [u8]> {
    let packet = buffer.get_mut(..bytes.len())?;
    packet.copy_from_slice(bytes);
    Some(packet)
}
