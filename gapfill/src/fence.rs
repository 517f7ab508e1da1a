//! What is let in behind a restart: copies of the old numbering may still be on their way, and a line may go on with
//! it for a time (decision 0008).

use candor_core::{Line, Packet};

use crate::fingerprints::{Fingerprints, print_of};
use crate::sink::Sink;
use crate::{Notice, Output, Sequencer};

impl Sequencer {
    /// Whether the packet is of the present numbering: after a restart a line may go on with the old
    /// one for a time, and copies of it may still be on their way.
    pub(crate) fn is_past_fence<O: Output>(
        &mut self,
        line: Line,
        packet: &Packet<'_>,
        sink: &mut Sink<'_, O>,
    ) -> bool {
        let fenced = self.lines[line.index()].fence.is_some_and(|up| sink.now < up.until);
        let ahead = packet.range.first > self.stream.known_end;
        let refuses_copies = ahead || self.rested != Some(line);
        let late = ahead && (fenced || sink.now < self.before_until);
        let old = refuses_copies && sink.now < self.answers_from && self.is_old_copy(packet);
        let copy = (late || old) && !candor_core::canary!(FenceLowered);
        // A heartbeat carries nothing that could be compared: it may be older than the line's next number.
        let twice = self.lines[line.index()].fence.is_some_and(|up| up.twice);
        let known = twice && self.is_copy(packet);
        let fence = &mut self.lines[line.index()].fence;
        let beyond = |next| packet.range.first >= next || packet.range.is_empty();
        match fence {
            Some(up) if fenced && (beyond(up.next) || (up.twice && !known)) => {
                if !up.said {
                    up.said = true;
                    sink.notice(Notice::OldSession { session: packet.session, line });
                }
                return false;
            }
            Some(_) if !copy => *fence = None,
            _ => {}
        }
        !copy
    }

    /// Whether the packet begins with the bytes that its number had in the numbering before the restart,
    /// and not with those it is known to have since.
    fn is_old_copy(&self, packet: &Packet<'_>) -> bool {
        let mut messages = packet.messages;
        let Some(first) = messages.next().map(print_of) else { return false };
        let was = |prints: &Fingerprints| {
            prints.get(packet.range.first).is_some_and(|(_, print)| print == first)
        };
        was(&self.before) && !was(&self.stream.prints)
    }

    /// Whether the packet begins with the bytes that its number is known to have.
    fn is_copy(&self, packet: &Packet<'_>) -> bool {
        let mut messages = packet.messages;
        let first = messages.next().map(print_of);
        let known = self.stream.prints.get(packet.range.first).map(|(_, print)| print);
        known.is_some() && known == first
    }
}
