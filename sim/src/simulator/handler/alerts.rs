//! What the handler's own thread is shown for its alerts, as `feed/src/alert/desk.rs` does it.

use candor_core::alert::Code;
use candor_core::{Line, Mono, Reason, Status};
use candor_engine::alerts::{Alert, News, Place, Seat as At, Seen, Suspect};
use candor_engine::odd::{Odd, Remark};

use super::{Handler, venue};
use crate::simulator::Setup;

/// Where the partitions are: their lines are a group each.
pub(super) fn seats(setup: &Setup) -> Vec<At> {
    let seat = |partition: usize| {
        let lane = partition as u16 % setup.lanes;
        let group = |line: Line| Place::Group((line.index() * setup.partitions + partition) as u16);
        let venue = u16::from(venue(setup, partition) != venue(setup, 0));
        let own = [Place::Venue(venue), Place::Lane(lane), Place::Interface(0)];
        At::new(own.into_iter().chain(setup.lines().map(group)))
    };
    (0..setup.partitions).map(seat).collect()
}

impl Handler {
    /// What is told of what partitions show at `now`.
    pub(in crate::simulator) fn look_at_alerts(&mut self, now: Mono) -> Vec<(News, Alert)> {
        self.next_alerts = now + self.setup.alerts_every;
        let mut told = self.suspect_lanes(now);
        let Handler { region, seats, alerts, .. } = self;
        let unseen =
            Seen { status: Status::stale(Reason::NotStarted), halted: false, wanted: false };
        let seen = seats.iter().enumerate().map(|(at, seat)| {
            let Some(info) = region.partition(at as u16, now).filter(|_| seat.open) else {
                return unseen;
            };
            let halted = info.status.reason() == Some(Reason::Halted);
            Seen { status: info.unhalted, halted, wanted: seat.watch.subscribed }
        });
        let seen: Vec<Seen> = seen.collect();
        alerts.look(now, &seen, |news, alert| told.push((news, *alert)));
        alerts.check();
        told
    }

    /// What is told of what looks odd.
    pub(in crate::simulator) fn tell_odd(
        &mut self,
        now: Mono,
        odd: &[Remark],
    ) -> Vec<(News, Alert)> {
        let mut told = Vec::new();
        for code in [Code::FrozenNumbers, Code::EmptyBooks] {
            for begins in [true, false] {
                let same = odd.iter().filter(|it| code_of(&it.odd) == code && it.begins == begins);
                let partitions: Vec<u16> = same.map(|it| it.partition).collect();
                if !partitions.is_empty() {
                    let tell = |news, alert: &Alert| told.push((news, *alert));
                    self.alerts.odd(now, code, &partitions, begins, tell);
                }
            }
        }
        told
    }

    /// Packets that were dropped and lanes that stood still are suspects.
    fn suspect_lanes(&mut self, now: Mono) -> Vec<(News, Alert)> {
        let mut told = Vec::new();
        for (index, (lane, seen)) in self.lanes.iter().zip(&mut self.lanes_seen).enumerate() {
            let before = core::mem::replace(seen, [lane.dropped, lane.stalls]);
            for (what, at) in [(Suspect::Drops, 0), (Suspect::Stall, 1)] {
                if seen[at] > before[at] {
                    let tell = |news, alert: &Alert| told.push((news, *alert));
                    self.alerts.suspect(now, what, Place::Lane(index as u16), tell);
                }
            }
        }
        told
    }

    /// Something happened that may be the cause of what follows.
    pub(in crate::simulator) fn suspect(
        &mut self,
        now: Mono,
        what: Suspect,
        place: Place,
    ) -> Vec<(News, Alert)> {
        let mut told = Vec::new();
        self.alerts.suspect(now, what, place, |news, alert| told.push((news, *alert)));
        told
    }
}

const fn code_of(odd: &Odd) -> Code {
    match odd {
        Odd::FrozenNumbers { .. } => Code::FrozenNumbers,
        Odd::EmptyBooks { .. } => Code::EmptyBooks,
    }
}
