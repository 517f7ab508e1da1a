//! Alerts, as the handler's own thread says them: in one order for one seed, and exactly those that a plan
//! expects.

use candor_core::alert::Kind;
use candor_engine::alerts::{Alert, News};

use super::World;
use crate::simulator::checks::Wrong;
use crate::simulator::journal::{NOWHERE, Told};
use crate::simulator::schedule::Alarm;

impl World<'_> {
    /// Shows the partitions to the machine of alerts, where that is due.
    pub(super) fn look_at_alerts(&mut self) -> Result<(), Wrong> {
        let now = self.now;
        let Some(handler) = self.handler.as_mut().filter(|it| it.next_alerts <= now) else {
            return Ok(());
        };
        let told = handler.look_at_alerts(now);
        self.note_alerts(told)
    }

    /// Notes what was told, and that one alert is about no partition that another is about as well.
    pub(super) fn note_alerts(&mut self, told: Vec<(News, Alert)>) -> Result<(), Wrong> {
        for (news, alert) in told {
            self.journal.note(self.now, NOWHERE, Told::Alert(news, alert.code, alert.place));
            let Alert { id, code, sick, count, .. } = alert;
            let numbers = [13, id, u64::from(code.number()), news as u64, u64::from(sick), count];
            self.digest.words(numbers);
            let suspect = alert.suspects().next().map(|first| first.what);
            if news != News::Begins {
                let begun = self.alarms.iter_mut().rev();
                let mut same = begun.filter(|it| (it.code, it.place) == (code, alert.place));
                if let Some(known) = same.next() {
                    known.suspect = suspect;
                }
                continue;
            }
            self.alarms.push(Alarm { code, place: alert.place, partitions: sick, suspect });
            if code.kind() == Kind::Symptom && sick == 0 {
                let what = format!("an alert without a partition: {alert:?}");
                return Err(Wrong { partition: 0, what });
            }
        }
        Ok(())
    }

    /// The alerts that have begun are those that the plan expects, in its order: the first of them where the act was
    /// cut short.
    pub(super) fn all_alarmed(&self, cut_short: bool) -> Result<(), Wrong> {
        let Some(wanted) = &self.plan.alarms else { return Ok(()) };
        if *wanted == self.alarms || cut_short && wanted.starts_with(&self.alarms) {
            return Ok(());
        }
        let what = format!("alerts {:?} instead of {wanted:?}", self.alarms);
        Err(Wrong { partition: 0, what })
    }
}
