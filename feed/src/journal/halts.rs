//! What operators have halted and given back, by the words of the kill switch and by what is recorded beside them.
//!
//! The words hold by themselves, in every reader; here they are only told of. The record is a file in `state`, so
//! this is looked at on the operators' thread ([`super::verbs`]): a disk that hangs keeps nobody else waiting.

use candor_shm::Region;

use super::Journal;
use super::operator::{self, Resumes};
use crate::halt::keep::{self, Verb};
use crate::halt::record::Place;
use crate::publish::Links;

/// Follows the kill switch of one region.
pub(crate) struct Halts {
    watch: keep::Watch,
    resumes: Resumes,
    region: Region,
    links: Links,
}

impl Halts {
    /// What is halted now has been told; what is from here on is.
    pub(crate) fn new(place: &Place, region: Region, links: Links) -> Halts {
        let watch = keep::Watch::new(place.clone(), &region);
        Halts { watch, resumes: Resumes::new(place), region, links }
    }

    /// Tells the log, the counters and the journal what has changed since the last time.
    pub(crate) fn look(&mut self, journal: &Journal) {
        let Halts { watch, resumes, region, links } = self;
        let (changes, verbs) = watch.look(region);
        links.halted(changes);
        let resumed = resumes.look(journal, region, watch.place());
        for verb in verbs {
            match verb {
                Verb::Halted(record) => operator::halted(journal, region, &record, false),
                Verb::HaltedByNobody(target) => {
                    operator::halted_by_nobody(journal, region, &target);
                }
                Verb::Resumed(_) if resumed => {}
                Verb::Resumed(target) => operator::resumed_by_nobody(journal, region, &target),
            }
        }
    }
}
