//! A capture's messages by the time they are due.

use candor_core::{Mono, Nanos};

use crate::capture::{CaptureError, CaptureMessage};

/// How fast a capture is replayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speed {
    /// So many times its own pace.
    Times(u64),
    /// A steady rate of messages a second, whatever its own pace was.
    Rate(u64),
    /// As fast as it can be read.
    Max,
}

/// Messages of a capture.
pub(super) type Messages = Box<dyn Iterator<Item = Result<CaptureMessage, CaptureError>> + Send>;

/// A replay under way.
pub(super) struct Replay {
    messages: Messages,
    next: Option<CaptureMessage>,
    speed: Speed,
    /// The capture's time that `origin` stands for.
    from: Nanos,
    origin: Mono,
    given: u64,
}

impl Replay {
    /// A replay that begins at `now` with `first`.
    pub(super) fn new(
        messages: Messages,
        first: CaptureMessage,
        speed: Speed,
        now: Mono,
    ) -> Replay {
        Replay { messages, from: first.at, next: Some(first), speed, origin: now, given: 0 }
    }

    /// Whether all has been given out.
    pub(super) fn is_over(&self) -> bool {
        self.next.is_none()
    }

    /// When the next message is due; `None` behind the last.
    pub(super) fn due(&self) -> Option<Mono> {
        let next = self.next.as_ref()?;
        let after = match self.speed {
            Speed::Times(times) => Nanos(next.at.0.saturating_sub(self.from.0) / times.max(1)),
            Speed::Rate(rate) => {
                let nanos = u128::from(self.given) * 1_000_000_000 / u128::from(rate.max(1));
                Nanos(nanos as u64)
            }
            Speed::Max => Nanos::ZERO,
        };
        Some(self.origin + after)
    }

    /// The next message if it is due by `now`.
    pub(super) fn take(&mut self, now: Mono) -> Result<Option<CaptureMessage>, CaptureError> {
        if self.due().is_none_or(|due| due > now) {
            return Ok(None);
        }
        let following = self.messages.next().transpose()?;
        self.given += 1;
        Ok(core::mem::replace(&mut self.next, following))
    }

    /// Lets the pace begin anew at `now` with the message that is next, at this speed.
    pub(super) fn resume(&mut self, now: Mono, speed: Speed) {
        self.speed = speed;
        self.origin = now;
        self.given = 0;
        if let Some(next) = &self.next {
            self.from = next.at;
        }
    }

    pub(super) fn speed(&self) -> Speed {
        self.speed
    }
}
