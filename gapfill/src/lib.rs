//! One stream out of a partition's lines: each message once, in the order of its number, and
//! whatever is missing said in time.
//!
//! A venue sends the same numbered messages on two or three lines, each of which loses, repeats,
//! reorders and packs them in its own way. A [`Sequencer`] takes the packets of all lines, message
//! by message, and calls [`Output::message`] with the next number as soon as any line has carried
//! it. It does no IO and reads no clock; after [`Sequencer::new`] it allocates nothing. It does not
//! ask the venue for anything: it keeps the set of what is missing ([`Gaps`]) for [`retransmit`],
//! which does, and takes what comes of it: answers ([`Sequencer::on_retransmit`]) and the number from
//! which a snapshot goes on ([`Sequencer::splice`]).
//!
//! # How to drive it
//!
//! Call [`Sequencer::on_packet`] for every packet, and [`Sequencer::on_deadline`] when
//! [`Sequencer::deadline`] has come; read the deadline anew after each call. Early and late calls
//! do no harm: a packet deals with the deadlines before it first.
//!
//! ```
//! use candor_core::{ByteOrder, Content, Line, Messages, Mono, Nanos, Origin, Packet, SeqNo};
//! use candor_core::{SeqRange, SessionId, counters::Counters};
//! use candor_gapfill::{Config, Heard, Notice, Output, Sequencer, State};
//!
//! struct Print;
//! impl Output for Print {
//!     fn message(&mut self, seq: SeqNo, origin: Origin, bytes: &[u8]) {
//!         println!("{seq} from {}: {bytes:?}", origin.label());
//!     }
//!     fn notice(&mut self, notice: Notice) {
//!         println!("{notice:?}");
//!     }
//! }
//!
//! let mut sequencer = Sequencer::new(Config {
//!     lines: [true, true, false],
//!     grace: Nanos::from_millis(1),
//!     session_grace: Nanos::from_secs(5),
//!     keep_start: false,
//!     start_limit: 0,
//! });
//! let mut counters = Counters::new();
//! let packet = |first, wire: &'static [u8], count| Packet {
//!     session: SessionId::from_text(*b"20191230A "),
//!     content: Content::Data,
//!     range: SeqRange::of(SeqNo(first), u64::from(count)).unwrap(),
//!     send_time: None,
//!     messages: Messages::walk(wire, count, ByteOrder::Big).unwrap(),
//! };
//! let now = Mono(1_000_000);
//! let ahead = packet(2, b"\0\x01b", 1);
//! assert_eq!(sequencer.on_packet(now, now, Line::A, &ahead, &mut counters, &mut Print), Heard::Current);
//! assert_eq!(sequencer.state(), State::GapOpen); // number 1 is missing
//! let both = packet(1, b"\0\x01a\0\x01b", 2);
//! assert_eq!(sequencer.on_packet(now, now, Line::B, &both, &mut counters, &mut Print), Heard::Current);
//! assert_eq!((sequencer.state(), sequencer.expected()), (State::InSync, SeqNo(3)));
//! ```
//!
//! # What always holds
//!
//! - A number is delivered at most once in a session (or since its numbers restarted, or a resync),
//!   and only after every number before it was delivered, given up, or contained in a snapshot.
//! - `messages = applied + duplicate + every discard + held`, after every call.
//! - The numbers from [`Sequencer::expected`] up to [`Sequencer::known_end`] are exactly the held
//!   ones and those of the gap set. [`Sequencer::check`] asserts this and more.
//! - A packet of which anything is delivered or held is [`Heard::Current`].
//!
//! # Rules
//!
//! - **Gap.** Numbers known to exist, by a packet ahead of them or by the next number of a heartbeat
//!   or end, that no line has carried. Up to [`limits::WINDOW_MESSAGES`] numbers from the next one
//!   expected on are held meanwhile. A gap that outlives the grace is said to, and stays. It is
//!   given up, lowest first and no further than needed, only when a message would not fit the
//!   window or when there are more than [`limits::OPEN_GAPS`].
//! - **Missing start.** A session first heard beyond number 1 is a gap like any other for one grace;
//!   then it is given up, unless starts of that length are kept ([`Config::keep_start`]), and filled by
//!   answers only: what a line brings of it then, and nothing can be compared with, may be of numbers that
//!   have begun again, and is refused. One that is longer than the window is given up at once.
//! - **Answers** of the retransmit service fill what is missing in the session in force, and do
//!   nothing else: no number they show exists by their word, no gap is given up for them, and they
//!   are no evidence. One that contradicts a remembered number is refused whole, and so is every
//!   answer after it, until a snapshot, a restart or another session: the numbers may have begun again
//!   while nobody listened. So is, for the [`Config::session_grace`] after a restart, every answer: it
//!   may be of the numbering before.
//! - **Splice.** A snapshot contains every number before `next`: what is missing of those is neither
//!   filled nor lost, and nothing counts as given up any more. What the lines have shown, and the
//!   venue's end, stand: an end before `next` moves to it. [`Sequencer::resync`] believes nothing
//!   but the session, and an end that was reached.
//! - **Second copies.** The prints of the last [`limits::FINGERPRINTS`] numbers are kept, and of
//!   number 1 for the whole session. A copy with other bytes from another line is
//!   [`Notice::LinesDiffer`]: the first copy stands, the later one is discarded.
//! - **Lines.** A jump in one line's own numbers is that line's loss ([`LossKind::OneLine`]) when the
//!   grace has passed and another line delivered them. What the line itself carries later, what came
//!   before its first packet, and what no line had carried when it was given up, filled by an answer
//!   or contained in a snapshot are not.
//! - **Sessions.** Another session name is followed at once, unless it is one of the last
//!   [`limits::OLD_SESSIONS`] left behind. Of two that are heard for the first time within
//!   [`Config::session_grace`] of each other nothing tells which is the newer: the one left for the other is
//!   gone back to, once, unless one line brought both behind a change, when the venue's own service knows
//!   nothing of the other ([`Sequencer::on_session_refused`]) and a line brings it. Until then, and for as long as it is heard, the session followed is contested
//!   ([`Sequencer::contested_until`]); the same service ends that where it has the session followed
//!   ([`Sequencer::on_session_accepted`]). It may come late with a session itself: within a
//!   [`Config::session_grace`] of the last change its word says nothing.
//! - **Restart.** The numbers start over under the same name when a line comes back to number 1 with
//!   other bytes; carries other bytes under a number it delivered itself; is quiet for more than
//!   the grace and then heartbeats, or ends, twice and more than a grace apart below its own next
//!   number, with nothing on that line in between that agrees with the numbering; quiet likewise,
//!   carries three packets in a row of numbers it has passed that nothing remembered can be compared
//!   with; or, having passed a start that is missing for longer than [`Config::session_grace`], comes
//!   back to number 1 of it. Copies that equal
//!   what is remembered are never a restart. Other lines may go on with the old numbering
//!   for [`Config::session_grace`]: what they carry from their own next number on is refused, and so are
//!   their heartbeats and what is ahead of every number known since, until they show a number below it.
//!   For as long, a packet on any line is refused that begins with the bytes its number had in the old
//!   numbering, and not with those it is known to have since; on the line that restarts, where it was
//!   quiet before, only one that is ahead. Where it was not quiet, what is ahead is refused on any line,
//!   for one grace.
//! - **End.** The first end of a session counts. Nothing revives an ended session but another one, or
//!   a restart. An end below what its own line has carried is ignored, as is a heartbeat, for one
//!   grace; after that the second in a row is a restart.
//! - **Evidence.** [`Heard`] says which packets show that the stream followed is alive.
//!
//! # Table
//!
//! What is said and the state after it; `·` is nothing and no change, and in parentheses stands what a packet
//! brings about that is [`Heard::Foreign`]; `—` must not happen. In the states with a gap, 6 is missing and 7
//! is held; the heartbeats below the line's own come on a line that has been quiet for longer than the grace.
//! A test reads this table and tries each cell.
//!
//! | input | NotStarted | InSync | GapOpen | GapOutlived | Ended |
//! | --- | --- | --- | --- | --- | --- |
//! | data, the next number | Started → InSync | · | GapFilled → InSync | GapFilled, OneLine → InSync | (·) |
//! | data, old numbers | Started, GapOpened → GapOpen | · | · | · | (·) |
//! | data, what its line has carried | Started, GapOpened → GapOpen | (·) | (·) | (·) | (·) |
//! | data, old and next | Started → InSync | · | GapFilled → InSync | GapFilled, OneLine → InSync | (·) |
//! | data, ahead | Started, GapOpened → GapOpen | GapOpened → GapOpen | GapOpened | GapOpened | (·) |
//! | data, ahead of the window | Started, GapOpened, GapLost → InSync | GapOpened, GapLost | GapOpened, GapLost, GapLost → InSync | GapOpened, GapLost, GapLost → InSync | (·) |
//! | data, other bytes from another line | Started, GapOpened → GapOpen | (LinesDiffer) | (LinesDiffer) | (LinesDiffer) | (LinesDiffer) |
//! | data, number 1 with other bytes | Started → InSync | Restarted → InSync | Restarted → InSync | Restarted → InSync | Restarted → InSync |
//! | heartbeat, nothing missing | Started → InSync | · | · | · | (·) |
//! | heartbeat, numbers missing | Started, GapOpened → GapOpen | GapOpened → GapOpen | GapOpened | GapOpened | (·) |
//! | heartbeat, below the line's own | Started → InSync | (·) | (·) | (·) | (·) |
//! | heartbeat, below the line's own again | Started → InSync | Restarted → InSync | Restarted → InSync | Restarted → InSync | Restarted → InSync |
//! | end, nothing missing | Started, Ended → Ended | Ended → Ended | · | · | (·) |
//! | end, numbers missing | Started, GapOpened → GapOpen | GapOpened → GapOpen | GapOpened | GapOpened | (·) |
//! | the grace passes | · | · | GapOutlived → GapOutlived | · | · |
//! | a new session | Started → InSync | SessionChanged → InSync | SessionChanged → InSync | SessionChanged → InSync | SessionChanged → InSync |
//! | a session left behind | Started, GapOpened → GapOpen | (OldSession) | (OldSession) | (OldSession) | (OldSession) |
//! | an answer, what is missing | · | · | GapFilled → InSync | GapFilled → InSync | · |
//! | an answer, straddling | · | · | GapFilled → InSync | GapFilled → InSync | · |
//! | an answer, ahead | · | · | · | · | · |
//! | an answer, other bytes beside it | · | · | · | · | · |
//! | an answer of another session | · | · | · | · | · |
//! | an answer that is an end | · | · | · | · | · |
//! | a snapshot up to the next number | — | · | · | · | · |
//! | a snapshot up to the known end | — | · | → InSync | → InSync | · |
//! | a snapshot beyond it | — | · | → InSync | → InSync | · |
//! | a snapshot of the past | — | · | → InSync | → InSync | · |
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use candor_core::{Line, Loss, Mono, Nanos, Origin, SeqNo, SeqRange, SessionId, limits::LINES};
#[cfg(doc)]
use candor_core::{LossKind, limits};

mod fence;
mod fingerprints;
pub mod gaps;
mod inspect;
mod lines;
mod ranges;
mod recover;
pub mod retransmit;
mod sequencer;
mod sessions;
mod sink;
mod stream;
mod window;

pub use gaps::{Gap, Gaps};
pub use retransmit::{Policy, Retransmit};
pub use sequencer::Sequencer;

/// How often, at most, [`Notice::LinesDiffer`] repeats while lines go on to differ. The counter
/// counts each message.
pub const LINES_DIFFER_EVERY: Nanos = Nanos::from_secs(1);

/// What a [`Sequencer`] needs to know of its partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// The lines the partition is taken from. A packet of another line is a fault of the caller:
    /// it is asserted against in debug builds and taken like any other in release.
    pub lines: [bool; LINES],
    /// How long a number may be missing before that is more than reordering.
    pub grace: Nanos,
    /// How long after a restart a line may go on with the old numbering, and after which nothing is
    /// late any more but of another numbering.
    pub session_grace: Nanos,
    /// Whether a missing start is kept as any other gap, so that a retransmission can fill it,
    /// rather than given up after one grace.
    pub keep_start: bool,
    /// How many numbers may be missing of a start that is kept. One that is longer than the window is
    /// given up at once whatever stands here.
    pub start_limit: u64,
}

/// Where a [`Sequencer`] puts what it finds: each message once and in order, and what happened.
pub trait Output {
    /// The next message of the stream. `origin` says whose copy this is.
    fn message(&mut self, seq: SeqNo, origin: Origin, bytes: &[u8]);
    /// Something happened. Comes before the messages that follow from it.
    fn notice(&mut self, notice: Notice);
}

/// Whether a packet is evidence that the stream followed is alive, so that whoever vouches for what
/// was built from it may go on doing so.
///
/// This is about what the packet proves, not about what was done with it: a `Foreign` packet
/// delivers nothing and fills nothing, but the end a lagging line carries is an end all the same.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// It is of the stream followed: it carries a number, before the end, that was not received or given up
    /// yet; or old numbers only, delivered or held, at least one of them byte for byte as it is remembered
    /// and none otherwise, which bring its own line further than it was; or it is a heartbeat or end below
    /// neither what was delivered nor what its own line has carried. So is the packet that begins the stream,
    /// a new session or a restart.
    ///
    /// A line that lags carries copies of what another line has delivered before. They show that
    /// the venue was alive when it sent them. Should it be dead by now, they go on for as long as
    /// the line lags, so a time-out counted from each of them runs out that much later.
    Current,
    /// It doesn't show that the stream followed is alive:
    ///
    /// - it is of a session left behind, or of the numbering before a restart;
    /// - a heartbeat or end with a lower number than was delivered, or than its own line has
    ///   carried: it was sent before those, or its numbers are others;
    /// - old numbers only, and either other bytes than are remembered, or nothing is remembered to
    ///   compare them with: they may be late, or of numbers that started over;
    /// - old numbers only, delivered or held, none of them beyond what its own line has carried: a
    ///   publisher that is stuck, or a loop in a network, repeats those for ever;
    /// - the venue has said where the session ends, and no number before that is new in it.
    Foreign,
}

/// What happened to the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// The first packet of all was heard.
    Started {
        /// Its session.
        session: SessionId,
        /// The first number it shows.
        first: SeqNo,
    },
    /// Numbers were missing: an entry for the loss log.
    Loss(Loss),
    /// Numbers are known to exist that no line has carried. What turns out missing at one instant
    /// and side by side counts as one gap, though it may be said in pieces; what is left of a gap
    /// that is given up in part is said, and counted, anew.
    GapOpened {
        /// Which.
        range: SeqRange,
        /// Since when they are missing.
        at: Mono,
    },
    /// The session has another name; everything starts at number 1 again.
    SessionChanged {
        /// The session left behind.
        from: SessionId,
        /// The session from here on.
        to: SessionId,
    },
    /// The numbers restarted under the same session name.
    Restarted {
        /// The session.
        session: SessionId,
    },
    /// A line still carries a session, or a numbering, that was left behind; said once per line and session.
    OldSession {
        /// The session left behind.
        session: SessionId,
        /// The line.
        line: Line,
    },
    /// A line carries other bytes under a number than were delivered.
    LinesDiffer {
        /// The number.
        seq: SeqNo,
        /// The line whose copy was discarded.
        line: Line,
    },
    /// The venue ended the session and everything up to its end was delivered or given up.
    Ended {
        /// The last number; 0 when the session had none.
        last: SeqNo,
    },
}

/// Where the stream stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// No packet was heard.
    NotStarted,
    /// Every number known to exist was delivered.
    InSync,
    /// Numbers are missing, none for longer than the grace.
    GapOpen,
    /// Numbers are missing for longer than the grace.
    GapOutlived,
    /// The venue ended the session.
    Ended,
}

/// Whether anything was given up in this session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wholeness {
    /// Nothing.
    Whole,
    /// The numbers before the first one heard.
    StartMissing,
    /// Numbers in the middle, whether or not the start is missing too.
    LostInside,
}
