//! What goes wrong with a service, by command or in code.

use candor_core::{Mono, Nanos};

use super::ServiceKind;

/// The faults of one service. All may hold at once; the default is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ServiceFaults {
    /// Says no: a login or request is refused in the protocol's own words, a connection of a
    /// protocol without such words is closed, a datagram is not answered.
    pub refuse: bool,
    /// Serves so many requests a second; those beyond are treated as too many: SNAP says that the
    /// quota is used up, other connections are closed, datagrams are not answered.
    pub throttle: Option<u32>,
    /// Hangs: a datagram is not answered; on a connection half of the messages come, then nothing
    /// any more, heartbeats neither, and the connection stays open.
    pub hang: bool,
    /// Answers half: the first half of the numbers asked for, rounded up; of a snapshot the first
    /// half of the messages, then the connection is closed.
    pub partial: bool,
    /// Answers so much later.
    pub late: Nanos,
    /// Retransmission answers other numbers than asked for: those behind them, or before them where
    /// none are behind. Snapshots are as usual.
    pub wrong_range: bool,
    /// Retransmission says everything twice. Snapshots are as usual.
    pub twice: bool,
    /// Snapshots are so many messages old.
    pub old_snapshot: Option<u64>,
    /// A message in the middle of a snapshot is cut to half its length.
    pub broken_snapshot: bool,
    /// A snapshot's connection is cut off in the middle of a message half way.
    pub lost_part: bool,
    /// A message in the middle of a snapshot is left out, and the snapshot goes on to its end.
    pub lost_packet: bool,
    /// It comes late with a session: where that has changed since, it still has the one before, as that was in
    /// the end, and knows nothing of the one in force. Who asks for numbers again is not answered.
    pub late_session: bool,
}

/// One fault, as it is commanded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceFault {
    /// [`ServiceFaults::refuse`].
    Refuse,
    /// [`ServiceFaults::throttle`].
    Throttle(u32),
    /// [`ServiceFaults::hang`].
    Hang,
    /// [`ServiceFaults::partial`].
    Partial,
    /// [`ServiceFaults::late`].
    Late(Nanos),
    /// [`ServiceFaults::wrong_range`].
    WrongRange,
    /// [`ServiceFaults::twice`].
    Twice,
    /// [`ServiceFaults::old_snapshot`].
    OldSnapshot(u64),
    /// [`ServiceFaults::broken_snapshot`].
    BrokenSnapshot,
    /// [`ServiceFaults::lost_part`].
    LostPart,
    /// [`ServiceFaults::lost_packet`].
    LostPacket,
    /// [`ServiceFaults::late_session`].
    LateSession,
    /// None any more.
    Off,
}

impl ServiceFaults {
    /// Whether an answer of this service is another than it would be without faults, or later.
    pub(super) fn spoil(&self, kind: ServiceKind) -> bool {
        let of_both = self.hang || self.partial || self.late > Nanos::ZERO;
        let own = match kind {
            ServiceKind::Retransmit => self.wrong_range || self.twice,
            ServiceKind::Snapshot => {
                let cut = self.broken_snapshot || self.lost_part || self.lost_packet;
                cut || self.old_snapshot.is_some()
            }
        };
        of_both || own
    }
}

impl ServiceFault {
    /// Changes the faults of a service accordingly.
    pub fn apply(self, faults: &mut ServiceFaults) {
        match self {
            ServiceFault::Refuse => faults.refuse = true,
            ServiceFault::Throttle(rate) => faults.throttle = Some(rate),
            ServiceFault::Hang => faults.hang = true,
            ServiceFault::Partial => faults.partial = true,
            ServiceFault::Late(delay) => faults.late = delay,
            ServiceFault::WrongRange => faults.wrong_range = true,
            ServiceFault::Twice => faults.twice = true,
            ServiceFault::OldSnapshot(messages) => faults.old_snapshot = Some(messages),
            ServiceFault::BrokenSnapshot => faults.broken_snapshot = true,
            ServiceFault::LostPart => faults.lost_part = true,
            ServiceFault::LostPacket => faults.lost_packet = true,
            ServiceFault::LateSession => faults.late_session = true,
            ServiceFault::Off => *faults = ServiceFaults::default(),
        }
    }
}

/// Requests served in the running second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Throttle {
    since: Mono,
    served: u32,
}

impl Throttle {
    /// Whether one more request is served at `now`.
    pub(super) fn admits(&mut self, now: Mono, faults: &ServiceFaults) -> bool {
        let Some(most) = faults.throttle else { return true };
        if now.since(self.since) >= Nanos::from_secs(1) || self.served == 0 {
            *self = Throttle { since: now, served: 0 };
        }
        self.served = self.served.saturating_add(1);
        self.served <= most
    }
}
