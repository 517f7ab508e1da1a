//! What a partition that misses messages wants of the venue's services, and what comes back: the
//! words between a partition's machine, which does no IO, and whoever has the sockets.

use crate::{Line, Messages, Mono, Reject, SeqNo, SeqRange, SessionId};

/// Who carried a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Origin {
    /// One of the partition's lines.
    Line(Line),
    /// The venue's retransmit service, asked for it.
    Retransmit,
}

impl Origin {
    /// The origin's name in output.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Origin::Line(Line::A) => "A",
            Origin::Line(Line::B) => "B",
            Origin::Line(_) => "C",
            Origin::Retransmit => "retransmit",
        }
    }

    /// The origin's number in the region: lines by their index, then the service.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Origin::Line(line) => line.index() as u8,
            Origin::Retransmit => 16,
        }
    }

    /// The origin with this number.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Origin> {
        match code {
            16 => Some(Origin::Retransmit),
            _ => match Line::from_index(code as usize) {
                Some(line) => Some(Origin::Line(line)),
                None => None,
            },
        }
    }
}

/// Something a partition wants done off its lane. Each is said once; what is wanted again is a new
/// one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Ask the venue to send messages again.
    Retransmit(Ask),
    /// Fetch a snapshot.
    Snapshot(SnapshotAsk),
    /// The snapshot of this cycle is of no use any more.
    DropSnapshot {
        /// The cycle of the [`SnapshotAsk`].
        cycle: u32,
    },
}

/// One request for missing numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ask {
    /// The session the numbers belong to.
    pub session: SessionId,
    /// Which numbers; no more than the venue answers in one go.
    pub range: SeqRange,
    /// Whether the number before them is asked for too. It is known, or will be by another answer, and shows
    /// whether both are of one numbering: numbers may have begun again while nobody listened.
    pub with_known: bool,
    /// How often they were asked for before and not answered.
    pub attempt: u32,
    /// Since when they are missing: who waited longest goes first.
    pub opened: Mono,
    /// From then on the partition counts the request as lost: it must not be sent later.
    pub expires: Mono,
}

impl Ask {
    /// The numbers that the service is asked for: `range`, and the known one before it.
    #[must_use]
    pub fn requested(&self) -> SeqRange {
        let first = self.range.first.0 - u64::from(self.with_known);
        SeqRange { first: SeqNo(first), end: self.range.end }
    }
}

/// One request for a snapshot of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotAsk {
    /// Counts the partition's requests; the answer's parts carry it.
    pub cycle: u32,
    /// The session followed.
    pub session: SessionId,
    /// The snapshot must contain every message before this number.
    pub needs: SeqNo,
    /// Since when the partition can't go on without it.
    pub opened: Mono,
    /// From then on the partition counts the request as lost: it must not be sent later.
    pub expires: Mono,
}

/// A part of a snapshot, in the order the venue sends them: one `Begin`, messages, one `End`; or
/// `Failed` at any time.
#[derive(Clone, Copy, Debug)]
pub enum SnapshotPart<'a> {
    /// The service has accepted the request and will send its snapshot of this session.
    Begin {
        /// The session the snapshot is of.
        session: SessionId,
    },
    /// Messages of the partition's own format that build the books from nothing.
    Messages(Messages<'a>),
    /// All of them were sent.
    End {
        /// The number of the first message that the snapshot does not contain.
        next: SeqNo,
    },
    /// There will be no further part.
    Failed(Refusal),
}

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $name:ident = $label:literal,)+) => {
        /// Why a service did not do what it was asked.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
        #[repr(u8)]
        pub enum Refusal { $($(#[doc = $doc])+ $name,)+ }

        impl Refusal {
            /// Every refusal, in order of its index.
            pub const ALL: [Refusal; [$(Refusal::$name),+].len()] = [$(Refusal::$name),+];

            /// The refusal's name in output.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Refusal::$name => $label,)+ }
            }
        }
    };
}

refusals! {
    /// No address of the service could be reached.
    Unreachable = "unreachable",
    /// The service refused the login.
    LoginRefused = "login_refused",
    /// The service has no such session or channel, or not any more.
    WrongSession = "wrong_session",
    /// The venue's quota is used up.
    Quota = "quota",
    /// Our own budget of requests is used up.
    Budget = "budget",
    /// The service is busy with a request of ours.
    Busy = "busy",
    /// The service has nothing as recent as was asked for.
    NotYet = "not_yet",
    /// The service closed the connection before it was done.
    Closed = "closed",
    /// The service said nothing for longer than it may.
    TimedOut = "timed_out",
    /// The service's bytes break its specification.
    Malformed = "malformed",
    /// The request waited too long to be sent.
    Expired = "expired",
    /// The way back to the lane was full.
    Overrun = "overrun",
}

/// Numbers that will not be sent again in answer to an [`Ask`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The session they belong to.
    pub session: SessionId,
    /// Which numbers.
    pub range: SeqRange,
    /// Why not.
    pub why: Refusal,
}

/// What an answer to a request was good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It carried numbers that were missing.
    Filled {
        /// The numbers of the packet, missing or not.
        range: SeqRange,
    },
    /// It carried other bytes under a number that is known: it is of another numbering, or wrong.
    /// Nothing of it was taken, and nothing of any answer is until a snapshot or another session.
    Contradicts,
    /// It carried none: late, of another session, never asked for, or a heartbeat.
    Useless,
    /// Its framing is not that of the partition.
    Rejected(Reject),
}
