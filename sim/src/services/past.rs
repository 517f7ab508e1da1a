//! A service that comes late with a session: it still has the one before.

use std::sync::Arc;

use candor_core::Mono;

use super::image::Image;
use super::{Partition, ServiceKind, Services};
use crate::publisher::Framing;

/// The session before the one in force, as a service that comes late has it.
#[derive(Clone, Debug)]
pub(super) struct Past {
    framing: Framing,
    /// As it was in the end.
    image: Arc<Image>,
}

impl Services {
    /// The partition is about to begin another session.
    pub fn leave_session(&mut self, now: Mono, partition: &Partition<'_>) {
        if !ServiceKind::ALL.into_iter().any(|kind| self.faults(kind).late_session) {
            self.past = None;
        } else if self.past.is_none() {
            let framing = partition.publisher.framing();
            let image = Image::now(partition, now);
            self.past = image.map(|image| Past { framing, image: Arc::new(image) });
        }
    }

    /// The framing of the session that a service has.
    pub(super) fn framing(&self, kind: ServiceKind, partition: &Partition<'_>) -> Framing {
        self.past(kind).map_or(partition.publisher.framing(), |past| past.framing)
    }

    /// The image of the session before, where that is the one a service has.
    pub(super) fn past_image(&self) -> Option<Arc<Image>> {
        self.past(ServiceKind::Snapshot).map(|past| Arc::clone(&past.image))
    }

    /// Whether a service has the session before still.
    pub(super) fn is_late(&self, kind: ServiceKind) -> bool {
        self.past(kind).is_some()
    }

    fn past(&self, kind: ServiceKind) -> Option<&Past> {
        self.past.as_ref().filter(|_| self.faults(kind).late_session)
    }
}
