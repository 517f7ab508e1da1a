//! What a request looks like, and whether a payload answers one.

use candor_core::packet::Content;
use candor_core::{Ask, SeqRange, SessionId};
use candor_decoders::Format;
use candor_decoders::iex::{gapfill, tp};
use candor_decoders::nasdaq::moldudp64;

use super::Transport;

/// The longest request in bytes: IEX's, of one range.
pub(super) const REQUEST_MAX: usize = gapfill::HEADER_LEN + gapfill::RANGE_LEN;

/// The longest payload that is passed on: what 16 bits can say behind IEX's header, more than a
/// datagram can hold.
pub(super) const PAYLOAD_MAX: usize = tp::HEADER_LEN + u16::MAX as usize;

/// What a payload is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Numbers of a session.
    Answer(SessionId, SeqRange),
    /// It carries no message.
    Empty,
    /// It is of another channel.
    Foreign,
    /// It can't be read.
    Malformed,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Wire {
    pub(super) format: Format,
    pub(super) transport: Transport,
    pub(super) channel: u32,
}

impl Wire {
    /// The same ask for no more than is answered in one go. `None` where its session or its numbers
    /// are none of this protocol's.
    pub(super) fn fit(&self, ask: Ask) -> Option<Ask> {
        let most = match (self.format, self.transport) {
            (Format::NasdaqItch50, _) => u64::from(moldudp64::MESSAGES_MAX),
            (Format::IexDeep | Format::IexTops, Transport::Udp) => gapfill::UDP_MESSAGES_MAX,
            (Format::IexDeep | Format::IexTops, Transport::Tcp) => u64::MAX,
        };
        // The known number before the gap shows whose numbers the answer is of: it is never what is left
        // out. What is left out at the end is asked for next.
        let most = most - u64::from(ask.with_known);
        let range = SeqRange::of(ask.range.first, ask.range.len().min(most))?;
        if range.is_empty() {
            return None;
        }
        let ask = Ask { range, ..ask };
        self.encode(&ask, &mut [0; REQUEST_MAX]).map(|_| ask)
    }

    /// Writes the request. `None` where [`Wire::fit`] refuses the ask.
    pub(super) fn encode(&self, ask: &Ask, to: &mut [u8]) -> Option<usize> {
        match self.format {
            Format::NasdaqItch50 => {
                let session = moldudp64::session_name(ask.session);
                let range = ask.requested();
                let (first, count) = (range.first, u16::try_from(range.len()).ok()?);
                let request = moldudp64::Request { session, first, count }.encode();
                // What a server would refuse is not sent.
                moldudp64::Request::parse(&request).ok()?;
                if moldudp64::session_id(session) != Ok(ask.session) {
                    return None;
                }
                to.get_mut(..request.len())?.copy_from_slice(&request);
                Some(request.len())
            }
            Format::IexDeep | Format::IexTops => {
                let session = u32::try_from(ask.session.0).ok().filter(|number| *number != 0)?;
                let stream =
                    tp::Stream { protocol: self.protocol(), channel: self.channel, session };
                Some(gapfill::encode(to, stream, &[ask.requested()])?.len())
            }
        }
    }

    /// What a payload is.
    pub(super) fn read(&self, payload: &[u8]) -> Kind {
        let packet = match self.format.frame(payload) {
            Ok(packet) if payload.len() <= PAYLOAD_MAX => packet,
            _ => return Kind::Malformed,
        };
        let is_iex = self.format != Format::NasdaqItch50;
        let channel = tp::segment(payload).map(|(header, _)| header.channel.get());
        match packet.content {
            _ if is_iex && channel != Ok(self.channel) => Kind::Foreign,
            Content::Data => Kind::Answer(packet.session, packet.range),
            Content::Heartbeat | Content::End => Kind::Empty,
        }
    }

    /// Whether a request is answered by one datagram and no further one.
    pub(super) const fn answers_once(&self) -> bool {
        match self.format {
            Format::NasdaqItch50 => true,
            Format::IexDeep | Format::IexTops => false,
        }
    }

    const fn protocol(&self) -> u16 {
        match self.format {
            Format::IexTops => tp::TOPS_1_6,
            Format::IexDeep | Format::NasdaqItch50 => tp::DEEP_1_0,
        }
    }
}
