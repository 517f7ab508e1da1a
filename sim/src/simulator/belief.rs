//! What the handler says of itself, and by which it would be excused, is believed where the world gives grounds for
//! it; and what it never says a word of is missed.

use super::checks::{Judge, Wrong};
use super::handler::{Handler, venue};
use super::watch::Watch;
use super::wire::tampers_with;

impl Judge<'_> {
    /// What was said in the last call of lines that differ, and of numbers that are given up, has its grounds.
    pub(super) fn believed(&self, watch: &mut Watch, index: usize) -> Result<(), Wrong> {
        let wrong = |what: String| Err(Wrong { partition: index, what });
        if let Some(seq) = watch.differs_at.take()
            && !self.may_differ(watch, index, seq)
        {
            return wrong(format!("I7: number {seq} is said to differ, and is one and the same"));
        }
        if let Some(loss) = watch.given_up_of.take()
            && !watch.must_give_up(&loss, self.setup)
        {
            let (first, end) = (loss.range.first, loss.range.end);
            return wrong(format!("I7: {first}..{end} is given up, and there was room to wait"));
        }
        Ok(())
    }

    /// Whether messages of different bytes may have come under a number: the venue sent them so, or its numbers
    /// have begun again; or what its services sent again is as it was before somebody changed it on the lines.
    fn may_differ(&self, watch: &Watch, index: usize, seq: u64) -> bool {
        let truth = &self.truths[index];
        let tampered = self.setup.tamper.iter().any(|tamper| tampers_with(tamper, index));
        let served = self.setup.services.is_some();
        let differs = |run: u32| truth.has_namesake(run) || truth.may_differ(run, seq);
        watch.run.is_some_and(differs) || tampered && served
    }

    /// Every symbol that the venue has named on a partition before this number is found in the region: one that the
    /// handler never defined is read by nobody.
    pub(super) fn all_found(
        &self,
        handler: &Handler,
        index: usize,
        here: u64,
    ) -> Result<(), Wrong> {
        let truth = &self.truths[index];
        let venue = venue(self.setup, index);
        for (at, of) in (0u32..).zip(truth.symbols()) {
            let name = of.symbol;
            let named = truth.as_of(at, truth.run(), here).is_some();
            let elsewhere =
                self.has_two_homes(index, &name).is_some() || handler.maps.moves_at_noon(&name);
            let found = handler.region.find(&venue, &name);
            let here = found.is_some_and(|handle| handler.seats[index].handles.contains(&handle));
            if named && !elsewhere && !here {
                let what =
                    format!("I5: healed, and {name}, which is named here, is found at {found:?}");
                return Err(Wrong { partition: index, what });
            }
        }
        Ok(())
    }
}
