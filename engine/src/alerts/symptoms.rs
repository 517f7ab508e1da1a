//! Symptoms: from what partitions show to alerts that begin, take in more, and calm down.

use candor_core::alert::{Code, Kind};
use candor_core::limits::ALERTS;
use candor_core::{Mono, Reason};

use super::{Alert, Alerts, LEAST, News, Place, SUSPECTED, Seen, State, WIDENS, WINDOW};
use super::{cause, explained};

impl Alerts {
    /// What one partition is now.
    pub(super) fn look_at(&mut self, now: Mono, number: usize, seen: Seen) {
        if !seen.status.is_live() {
            (0..2).for_each(|kind| self.no_longer_odd(now, number, kind));
        }
        let code = match seen.status.reason() {
            None => None,
            Some(Reason::Unsubscribed) if !seen.wanted => None,
            Some(reason) => Code::of_reason(reason),
        };
        let meant = !seen.status.is_live() && code.is_none();
        let state = &mut self.states[number];
        if seen.status.is_live() {
            state.proven = true;
        } else if meant {
            state.proven = false;
        }
        // What is halted begins nothing; what it was part of it still is.
        let code = code.filter(|_| state.proven && (!seen.halted || state.sick.is_some()));
        match (state.sick, code) {
            (None, Some(code)) => state.sick = Some((code, now)),
            (Some((was, since)), Some(code)) if was != code => {
                // The worst of them counts, and the time of the first.
                let worse = if rank(code) < rank(was) { code } else { was };
                state.sick = Some((worse, since));
            }
            (Some(_), None) => self.well(now, number),
            _ => {}
        }
        let state = &mut self.states[number];
        if meant && state.alert.is_some() {
            // Somebody means it: the alert has nothing to do with it any more.
            state.alert = None;
        }
    }

    fn well(&mut self, now: Mono, number: usize) {
        let state = &mut self.states[number];
        state.sick = None;
        match state.alert.and_then(|at| self.table[at].as_mut()) {
            Some(alert) => {
                alert.sick = alert.sick.saturating_sub(1);
                if alert.sick == 0 && alert.code.kind() == Kind::Symptom {
                    alert.calm = Some(now);
                }
            }
            None => self.passed += 1,
        }
    }

    /// Sick partitions that are not part of an alert, or not counted by theirs, join those that explain them.
    pub(super) fn join_running(&mut self, now: Mono, tell: &mut impl FnMut(News, &Alert)) {
        for number in 0..self.states.len() {
            let State { sick: Some((code, since)), alert, .. } = self.states[number] else {
                continue;
            };
            match alert {
                // It came back.
                Some(at) if since == now => self.add(now, at, number),
                Some(_) => {}
                None if now.since(since) < LEAST => {}
                None => {
                    let running = (0..ALERTS).find(|at| self.explains(now, *at, number, code));
                    if let Some(at) = running {
                        self.add(now, at, number);
                        self.name(at);
                        if let Some(alert) = &self.table[at] {
                            tell(News::Changes, alert);
                        }
                    }
                }
            }
        }
    }

    fn add(&mut self, now: Mono, at: usize, number: usize) {
        self.states[number].alert = Some(at);
        let Some(alert) = &mut self.table[at] else { return };
        alert.sick += 1;
        alert.most = alert.most.max(alert.sick);
        alert.count = alert.count.saturating_add(1);
        (alert.last, alert.calm) = (now, None);
    }

    /// Whether a running alert explains that this partition is sick.
    fn explains(&self, now: Mono, at: usize, number: usize, code: Code) -> bool {
        let Some(alert) = self.table[at].filter(Alert::is_active) else { return false };
        let seat = &self.seats[number];
        match alert.code.kind() {
            Kind::Event => explained(alert.code, code) && seat.is_wholly_at(alert.place),
            Kind::OddWorld => false,
            Kind::Symptom if !cause::same_group(alert.code, code) => false,
            Kind::Symptom => {
                let all = alert.sick > 1 && alert.sick == alert.of;
                let lately = now.since(alert.last) < WIDENS;
                (seat.is_at(alert.place) && (lately || all)) || (lately && self.widens(at, number))
            }
        }
    }

    /// Whether what is part of an alert has something in common with this partition, short of everything.
    fn widens(&self, at: usize, number: usize) -> bool {
        self.seats[number].places().any(|place| {
            let mut members = self.states.iter().zip(&self.seats);
            members.all(|(state, seat)| state.alert != Some(at) || seat.is_at(place))
        })
    }

    /// Says anew what an alert's partitions have in common.
    fn name(&mut self, at: usize) {
        let Alerts { seats, states, table, set, .. } = self;
        let Some(alert) = table[at].as_mut().filter(|it| it.code.kind() == Kind::Symptom) else {
            return;
        };
        set.clear();
        let members = (0u16..).zip(states.iter()).filter(|(_, state)| state.alert == Some(at));
        set.extend(members.map(|(number, _)| number));
        let counts = |number: usize| states[number].proven;
        let common = cause::common(seats, set, counts, alert.code);
        (alert.place, alert.also, alert.of) = (common.place, common.also, common.of);
    }

    /// What was collected is spoken of, once the first of it has been sick for the window.
    pub(super) fn close(&mut self, now: Mono, tell: &mut impl FnMut(News, &Alert)) {
        // BOUND: each round gives all that is due of one cause an alert, or ends.
        for _ in 0..ALERTS {
            let waiting = |state: &State| match (state.sick, state.alert) {
                (Some((code, since)), None) => Some((code, since)),
                _ => None,
            };
            let first = self.states.iter().filter_map(waiting).min_by_key(|(_, since)| *since);
            let Some((_, first)) = first.filter(|(_, since)| now.since(*since) >= WINDOW) else {
                return;
            };
            let due =
                |state: &State| waiting(state).filter(|(_, since)| now.since(*since) >= LEAST);
            // The worst of what is due, and what belongs to it.
            let worst =
                self.states.iter().filter_map(due).map(|(code, _)| code).min_by_key(|it| rank(*it));
            let Some(worst) = worst else { return };
            let Alerts { seats, states, set, .. } = self;
            set.clear();
            let belongs =
                |state: &State| due(state).is_some_and(|(code, _)| cause::same_group(worst, code));
            let members = (0u16..).zip(states.iter()).filter(|(_, state)| belongs(state));
            set.extend(members.map(|(number, _)| number));
            let proven = |number: usize| states[number].proven;
            let common = cause::first(seats, set, proven, worst);
            let began = set.iter().filter_map(|at| states[usize::from(*at)].sick);
            let began = began.map(|(_, since)| since).min().unwrap_or(first);
            let code = set.iter().filter_map(|at| states[usize::from(*at)].sick);
            let code = code.map(|(code, _)| code).min_by_key(|it| rank(*it)).unwrap_or(worst);
            let Some(at) = self.begin(now, code, common.place, 0, &mut *tell) else { return };
            for index in 0..self.set.len() {
                self.add(now, at, usize::from(self.set[index]));
            }
            if let Some(alert) = &mut self.table[at] {
                (alert.also, alert.of, alert.began) = (common.also, common.of, began);
            }
            self.attach(at, began);
            if let Some(alert) = &self.table[at] {
                tell(News::Begins, alert);
            }
        }
    }

    /// What happened shortly before, or since.
    fn attach(&mut self, at: usize, began: Mono) {
        for index in 0..self.recent.len() {
            let suspected = self.recent[index];
            let near = suspected.at + SUSPECTED >= began && self.meets(at, suspected.place);
            if let Some(alert) = self.table[at].as_mut().filter(|_| near) {
                alert.suspect(suspected);
            }
        }
    }

    /// Whether something at a place may have struck any partition of an alert.
    pub(super) fn meets(&self, at: usize, place: Place) -> bool {
        let mut members = self.states.iter().zip(&self.seats);
        members.any(|(state, seat)| state.alert == Some(at) && seat.is_at(place))
    }
}

/// Where a symptom stands among all, worst first.
fn rank(code: Code) -> usize {
    Reason::ALL.iter().position(|it| Code::of_reason(*it) == Some(code)).unwrap_or(usize::MAX)
}
