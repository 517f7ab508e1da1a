//! What was heard lately: who may not listen for seconds tells by it whether a line is heard.

use candor_core::{Mono, Nanos};
use candor_preopen::{Report, Sample};
use candor_shm::{Region, clock};

use super::{Of, at_once};
use crate::config::{Config, LISTEN_MAX};

/// Two samples, taken in turn: the older is at least so old, once the handler is, and twice that at most.
const APART: Nanos = LISTEN_MAX;

/// What was heard up to a moment ago, and up to one before that.
pub(crate) struct Lately {
    older: Sample,
    newer: Sample,
}

impl Lately {
    /// Nothing was heard before the region was made.
    pub(crate) fn new(region: &Region) -> Lately {
        let nothing = Sample::nothing(region.info().created);
        Lately { older: nothing.clone(), newer: nothing }
    }

    /// Call it about twice a second.
    pub(crate) fn look(&mut self, region: &Region, now: Mono) {
        if now.since(self.newer.at) >= APART {
            let sample = Sample::take(region, &clock::now);
            self.older = std::mem::replace(&mut self.newer, sample);
        }
    }

    /// What has to hold for what is halted, by what was heard since the older sample.
    pub(crate) fn at_once(&self, config: &Config, region: &Region, halted: &[u16]) -> Report {
        at_once(config, region, Of::Halted(halted), &self.older)
    }
}

#[cfg(test)]
mod tests {
    use candor_core::symbol::Text;
    use candor_shm::{RegionSpec, heap};

    use super::*;

    #[test]
    fn what_is_looked_at_is_some_seconds_old_and_no_older() {
        let mut spec = RegionSpec::new(Text::from_wire(b"t").unwrap());
        (spec.events, spec.losses) = (64, 16);
        let (_, _, region) = heap(&spec).unwrap();
        let mut lately = Lately::new(&region);
        let start = clock::now();
        lately.look(&region, start);
        assert!(lately.older.at <= start, "as long as nothing is so old, since the start");
        let first = lately.newer.at;
        // The samples are of the clock as it is; the time that passes is told.
        lately.look(&region, first + Nanos(APART.0 - 1));
        assert_eq!(lately.newer.at, first);
        lately.look(&region, first + APART);
        assert_eq!(lately.older.at, first);
        assert!(lately.newer.at > first);
    }
}
