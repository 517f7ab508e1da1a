//! What clients say on connections, and what it leads to.

use std::sync::Arc;

use candor_core::Mono;
use candor_decoders::iex::{snap, tp};
use candor_decoders::nasdaq::glimpse::LOGIN_SEQUENCE;
use candor_decoders::nasdaq::soupbintcp::{
    self, CURRENT_SESSION, FromClient, FromServer, Login, Rejection,
};

use super::image::Image;
use super::link::{Link, State};
use super::retransmit::{self, Asked, Filling};
use super::sending::PACKET;
use super::{Partition, ServiceKind, Services};

/// Longest gap-fill request of a connection in bytes: 500 ranges.
const GAP_REQUEST: usize = 16 + 500 * 16;

impl Services {
    /// A gap-fill request over TCP, once it is there whole.
    pub(super) fn hear_gap(&mut self, now: Mono, partition: &Partition<'_>, link: &mut Link) {
        let Some(len) = retransmit::request_len(&link.inbox) else { return };
        if !matches!(link.state, State::Waiting { .. }) || (len > link.inbox.len()) {
            if len > GAP_REQUEST {
                link.state = State::Closing;
            }
            return;
        }
        let publisher = partition.publisher;
        let is_late = self.is_late(ServiceKind::Retransmit);
        let service = &mut self.services[ServiceKind::Retransmit as usize];
        let faults = service.faults;
        service.counts.requests += 1;
        link.not_before = now + faults.late;
        link.state = State::Closing;
        let asked = retransmit::understand(&publisher.framing(), &link.inbox[..len]);
        link.inbox.clear();
        let Some(ranges) = (match asked {
            Asked::Numbers(ranges) if !is_late => Some(ranges),
            _ => None,
        }) else {
            service.counts.ignored += 1;
            return;
        };
        if faults.refuse || !service.throttle.admits(now, &faults) {
            service.counts.refused += 1;
            return;
        }
        service.count_answer(ServiceKind::Retransmit);
        let mut halved = faults;
        halved.partial |= faults.hang;
        let plan = retransmit::plan(publisher, ranges, &halved, u64::MAX);
        let filling = Filling::new(publisher, plan);
        link.state = State::Filling { filling, twice: faults.twice, then_hangs: faults.hang };
    }

    /// SoupBinTCP packets of a GLIMPSE client.
    pub(super) fn hear_glimpse(
        &mut self,
        now: Mono,
        partition: &Partition<'_>,
        link: &mut Link,
        session: [u8; 10],
    ) {
        let inbox = core::mem::take(&mut link.inbox);
        let mut packets = soupbintcp::split(&inbox);
        loop {
            match packets.take_next().and_then(|packet| packet.map(FromClient::parse).transpose()) {
                Ok(None) => break,
                Ok(Some(FromClient::Login(login)))
                    if matches!(link.state, State::Waiting { .. }) =>
                {
                    self.log_in(now, partition, link, session, &login);
                }
                // A second login, a logout, or no SoupBinTCP.
                Ok(Some(FromClient::Login(_) | FromClient::Logout)) | Err(_) => {
                    link.state = State::Closing;
                }
                Ok(Some(_)) => {}
            }
            if matches!(link.state, State::Closing) {
                break;
            }
        }
        link.inbox = inbox[packets.consumed()..].to_vec();
    }

    fn log_in(
        &mut self,
        now: Mono,
        partition: &Partition<'_>,
        link: &mut Link,
        session: [u8; 10],
        login: &Login,
    ) {
        let service = &mut self.services[ServiceKind::Snapshot as usize];
        let faults = service.faults;
        service.counts.requests += 1;
        link.not_before = now + faults.late;
        let mut packet = [0; PACKET];
        let knows = self.config.login.is_none_or(|known| known == (login.user, login.password));
        let rejection = if faults.refuse || !knows {
            Some(Rejection::NotAuthorised)
        } else if login.session != CURRENT_SESSION && login.session != session {
            Some(Rejection::NoSuchSession)
        } else {
            None
        };
        link.state = State::Closing;
        if let Some(rejection) = rejection {
            service.counts.refused += 1;
            link.say(FromServer::Rejected(rejection).encode(&mut packet));
        } else if !service.throttle.admits(now, &faults) {
            service.counts.refused += 1;
        } else if let Some(image) = self.image(now, partition) {
            self.services[ServiceKind::Snapshot as usize].count_answer(ServiceKind::Snapshot);
            let accepted = FromServer::Accepted { session, next: LOGIN_SEQUENCE };
            link.say(accepted.encode(&mut packet));
            link.send(image, &faults);
        } else {
            self.services[ServiceKind::Snapshot as usize].counts.ignored += 1;
            link.say(FromServer::Rejected(Rejection::NoSuchSession).encode(&mut packet));
        }
    }

    /// SNAP packets of a client.
    pub(super) fn hear_snap(
        &mut self,
        now: Mono,
        partition: &Partition<'_>,
        link: &mut Link,
        stream: tp::Stream,
    ) {
        let inbox = core::mem::take(&mut link.inbox);
        let mut packets = snap::split(&inbox);
        loop {
            let packet = match packets.take_next() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                Err(_) => {
                    link.state = State::Closing;
                    break;
                }
            };
            let asked = match snap::FromClient::parse(packet) {
                Ok(snap::FromClient::Request(request)) => Ok(request),
                _ => Err(snap::Error::NotUnderstood),
            };
            let service = &mut self.services[ServiceKind::Snapshot as usize];
            service.counts.requests += 1;
            let started =
                asked.and_then(|request| self.start_snap(now, partition, link, stream, &request));
            let service = &mut self.services[ServiceKind::Snapshot as usize];
            match started {
                Ok(()) => service.count_answer(ServiceKind::Snapshot),
                Err(error) => {
                    let counts = &mut service.counts;
                    match error {
                        snap::Error::NotUnderstood
                        | snap::Error::WrongChannel
                        | snap::Error::WrongSession
                        | snap::Error::NotYet => counts.ignored += 1,
                        _ => counts.refused += 1,
                    }
                    link.say(snap::FromServer::Error(error).encode(&mut [0; PACKET]));
                }
            }
        }
        link.inbox = inbox[packets.consumed()..].to_vec();
    }

    fn start_snap(
        &mut self,
        now: Mono,
        partition: &Partition<'_>,
        link: &mut Link,
        stream: tp::Stream,
        request: &snap::Request,
    ) -> Result<(), snap::Error> {
        if !matches!(link.state, State::Waiting { .. }) {
            return Err(snap::Error::Active);
        }
        let service = &mut self.services[ServiceKind::Snapshot as usize];
        let faults = service.faults;
        link.not_before = now + faults.late;
        if faults.refuse || self.config.token.is_some_and(|token| token != request.token) {
            return Err(snap::Error::NotAuthenticated);
        }
        if request.channel != stream.channel {
            return Err(snap::Error::WrongChannel);
        }
        if request.session != stream.session {
            return Err(snap::Error::WrongSession);
        }
        let admits = service.throttle.admits(now, &faults);
        if !admits || self.snap_answers >= self.config.snap_quota {
            return Err(snap::Error::Quota);
        }
        let image = self.image(now, partition).ok_or(snap::Error::NotYet)?;
        if request.lowest >= image.next {
            return Err(snap::Error::NotYet);
        }
        self.snap_answers += 1;
        let image_len = link.send(image, &faults);
        link.say(snap::FromServer::Start { image_len }.encode(&mut [0; PACKET]));
        Ok(())
    }

    /// The image to be served now, as the faults have it.
    fn image(&mut self, now: Mono, partition: &Partition<'_>) -> Option<Arc<Image>> {
        if let Some(image) = self.past_image() {
            return Some(image);
        }
        match self.services[ServiceKind::Snapshot as usize].faults.old_snapshot {
            Some(back) => Image::back(partition, now, back).map(Arc::new),
            None => self.shelf.take(partition, now, self.config.image_age),
        }
    }
}
