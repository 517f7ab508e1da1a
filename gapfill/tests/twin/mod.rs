//! A naive twin of the sequencer, written from the rules and sharing no code with it: every number
//! is an entry of a map, every question a walk over it. Slow, and easy to read.
#![allow(unreachable_pub)]

use std::collections::{BTreeMap, VecDeque};

use candor_core::limits::{
    FINGERPRINTS, HELD_MESSAGE_BYTES, LINE_GAPS, OLD_SESSIONS, OPEN_GAPS, WINDOW_MESSAGES,
};

mod recovery;

const WINDOW: u64 = WINDOW_MESSAGES as u64;

/// Who carried a message, where a line has its index: the retransmit service.
pub const SERVICE: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Data,
    Heartbeat,
    End,
    /// Not a line's packet: an answer of the retransmit service.
    Answer,
    /// No packet: a snapshot that goes on with `first`.
    Splice,
    /// The same, and nothing else known is believed.
    Resync,
    /// No packet: the venue knows nothing of the session followed.
    Refused,
    /// No packet: the venue has the session followed.
    Accepted,
}

/// A packet as the twin sees it.
#[derive(Clone, Debug)]
pub struct Given {
    pub at: u64,
    pub line: usize,
    pub session: u64,
    pub kind: Kind,
    pub first: u64,
    pub messages: Vec<Vec<u8>>,
}

/// A number that is missing, or that a line left out. Numbers with one `id` went missing together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Missing {
    id: u64,
    since: u64,
    outlived: bool,
    start: bool,
}

/// The last number remembered for each remainder, with its line and its bytes.
type Memory = BTreeMap<u64, (u64, usize, Vec<u8>)>;

#[derive(Default)]
struct Run {
    fresh: bool,
    ends_at: Option<u64>,
    ended: bool,
    expected: u64,
    known_end: u64,
    missing: BTreeMap<u64, Missing>,
    held: BTreeMap<u64, (usize, Vec<u8>)>,
    memory: Memory,
    genesis: Option<Vec<u8>>,
    /// Where the start ended that was missing at first.
    start_end: u64,
    /// Given up: with the start, or inside.
    lost: BTreeMap<u64, bool>,
    start_lost: bool,
    inside_lost: bool,
    /// Delivered, or contained in a snapshot, and carried by no line until then.
    uncarried: BTreeMap<u64, ()>,
    watched_from: u64,
    /// An answer contradicted what was known.
    service_lied: bool,
    /// Where the last snapshot was joined.
    joined: Option<u64>,
}

#[derive(Default)]
struct Side {
    next: Option<u64>,
    advanced: u64,
    left_out: BTreeMap<u64, Missing>,
    /// Packets in a row that repeat old numbers: where the last one ended, and how many are
    /// unexplained (`None`: they are copies).
    repeats: Option<(u64, Option<u32>)>,
    /// When a heartbeat or end below `next` came first since it last agreed with the numbering.
    below: Option<u64>,
    /// Where the line stood before numbers began again, until when that tells old ones, and whether they began
    /// again twice meanwhile.
    fence: Option<(u64, u64, bool)>,
}

#[derive(Default)]
pub struct Twin {
    grace: u64,
    session_grace: u64,
    /// Numbers missing of a start that is kept.
    start_limit: u64,
    answers_from: u64,
    session: Option<u64>,
    old: VecDeque<u64>,
    /// Until when one that is heard for the first time may be older than the one followed.
    doubted: u64,
    /// The same of the first of all, and the line that led into the session followed.
    started: u64,
    led: Option<usize>,
    /// Those left before anything told which is the newer, and whether the venue knows nothing of the one
    /// followed.
    unordered: Vec<u64>,
    /// Those left likewise, but on the line that had brought them: not gone back to.
    disputed: Vec<u64>,
    refused: bool,
    /// Until when one of those has been heard too lately.
    pub contested: u64,
    run: Run,
    sides: [Side; 3],
    now: u64,
    ids: u64,
    /// What was remembered when the numbers restarted, and until when that matters.
    before: (Memory, u64),
    /// The line that restarted out of a silence.
    rested: Option<usize>,
    pub delivered: Vec<(u64, usize, Vec<u8>)>,
    pub counts: BTreeMap<&'static str, u64>,
}

/// The maximal runs of consecutive numbers that `alike` says belong together: first and end.
fn runs<T: Copy>(map: &BTreeMap<u64, T>, alike: impl Fn(T, T) -> bool) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    let mut before: Option<(u64, T)> = None;
    for (&number, &value) in map {
        match (before, runs.last_mut()) {
            (Some((last, about)), Some(run)) if last + 1 == number && alike(about, value) => {
                run.1 = number + 1;
            }
            _ => runs.push((number, number + 1)),
        }
        before = Some((number, value));
    }
    runs
}

fn together(a: Missing, b: Missing) -> bool {
    a.id == b.id
}

impl Twin {
    pub fn new(grace: u64, session_grace: u64, start_limit: u64) -> Twin {
        let mut twin = Twin { grace, session_grace, start_limit, ..Twin::default() };
        twin.start_over();
        twin
    }

    fn start_over(&mut self) {
        self.count("discard_with_session", self.run.held.len() as u64);
        self.run =
            Run { fresh: true, expected: 1, known_end: 1, watched_from: 1, ..Run::default() };
    }

    fn count(&mut self, what: &'static str, n: u64) {
        *self.counts.entry(what).or_default() += n;
    }

    pub fn state(&self) -> &'static str {
        if self.session.is_none() {
            "NotStarted"
        } else if self.run.ended {
            "Ended"
        } else if self.run.missing.values().any(|missing| missing.outlived) {
            "GapOutlived"
        } else if self.run.missing.is_empty() {
            "InSync"
        } else {
            "GapOpen"
        }
    }

    pub fn whole(&self) -> &'static str {
        match (self.run.inside_lost, self.run.start_lost) {
            (true, _) => "LostInside",
            (false, true) => "StartMissing",
            (false, false) => "Whole",
        }
    }

    pub fn numbers(&self) -> (u64, u64, u64, Option<u64>) {
        (self.run.expected, self.run.known_end, self.run.held.len() as u64, self.session)
    }

    /// A service that comes late with a session says nothing right behind a change.
    pub fn session_refused(&mut self, at: u64) {
        self.refused |= at >= self.doubted;
    }

    pub fn session_accepted(&mut self, at: u64) {
        if at < self.doubted {
            return;
        }
        self.unordered.clear();
        self.disputed.clear();
        self.contested = 0;
    }

    /// When time alone changes something.
    pub fn deadline(&self) -> Option<u64> {
        let gaps = self.run.missing.values().filter(|m| !m.outlived).map(|m| m.since);
        let sides = self.sides.iter().flat_map(|side| {
            side.left_out.iter().filter(|(n, _)| **n < self.run.expected).map(|(_, m)| m.since)
        });
        gaps.chain(sides).min().map(|since| since + self.grace)
    }

    pub fn time(&mut self, now: u64) {
        self.now = self.now.max(now);
        loop {
            let due = self.run.missing.iter().find(|(_, m)| !m.outlived);
            let Some((&number, &missing)) = due.filter(|(_, m)| self.now >= m.since + self.grace)
            else {
                break;
            };
            let with_it = self.run.missing.values().filter(|m| m.id == missing.id).count() as u64;
            if missing.start && with_it > self.start_limit {
                self.give_up(number, u64::MAX);
            } else {
                self.count("gaps_outlived", 1);
                for other in self.run.missing.values_mut() {
                    other.outlived |= other.id == missing.id;
                }
            }
        }
        self.settle();
    }

    /// What a line left out and another delivered is that line's loss, a grace later.
    fn settle(&mut self) {
        for line in 0..3 {
            let pieces = runs(&self.sides[line].left_out, together);
            let over = pieces.len().saturating_sub(LINE_GAPS);
            for (first, end) in &pieces[..over] {
                for number in *first..*end {
                    self.line_lost(line, number);
                }
            }
            let (now, grace, expected) = (self.now, self.grace, self.run.expected);
            let due =
                |(n, m): (&u64, &Missing)| (*n < expected && now >= m.since + grace).then_some(*n);
            let due: Vec<u64> = self.sides[line].left_out.iter().filter_map(due).collect();
            for number in due {
                self.line_lost(line, number);
            }
        }
        if !self.run.ended && self.run.ends_at == Some(self.run.expected) {
            self.run.ended = true;
            self.count("ended", 1);
        }
    }

    fn line_lost(&mut self, line: usize, number: u64) {
        self.sides[line].left_out.remove(&number);
        let by_a_line =
            !self.run.lost.contains_key(&number) && !self.run.uncarried.contains_key(&number);
        if number < self.run.expected && by_a_line && number >= self.run.watched_from {
            self.count(["lost_on_line_a", "lost_on_line_b", "lost_on_line_c"][line], 1);
        }
    }

    /// Takes a packet; whether it is evidence of the stream followed, and why it is or isn't.
    pub fn packet(&mut self, given: &Given) -> (bool, &'static str) {
        self.time(given.at);
        self.count("messages", given.messages.len() as u64);
        if self.refuses(given) {
            self.count("discard_old_session", given.messages.len() as u64);
            self.settle();
            return (false, "left_behind");
        }
        if self.is_late_start(given) && !self.is_back_at_start(given) {
            self.count("discard_too_late", given.messages.len() as u64);
            self.settle();
            return (false, "back_at_start");
        }
        if self.is_back_at_start(given) || self.started_over(given) {
            self.count("restarts", 1);
            let late = self.now - self.sides[given.line].advanced <= self.grace;
            let until = if late { self.now + self.grace } else { 0 };
            self.before = (std::mem::take(&mut self.run.memory), until);
            self.rested = (!late).then_some(given.line);
            self.answers_from = self.now + self.session_grace;
            self.start_over();
            for line in 0..3 {
                let side = &mut self.sides[line];
                let stood = side.next.filter(|next| *next > 1);
                let stood = stood.or(side.fence.map(|fence| fence.0));
                let twice = side.fence.is_some_and(|(_, until, _)| self.now < until);
                let fence = stood.map(|next| (next, self.now + self.session_grace, twice));
                *side = Side::default();
                side.fence = fence.filter(|_| line != given.line);
            }
        }
        let heard = self.hears(given);
        self.note_line(given);
        self.run_to(given.first);
        let own_next = self.sides[given.line].next.unwrap();
        self.run.fresh = false;
        for (number, bytes) in (given.first..).zip(&given.messages) {
            self.message(number, given.line, bytes);
        }
        if given.kind == Kind::End && self.run.ends_at.is_none() && own_next <= given.first {
            self.run.ends_at = Some(given.first.max(self.run.known_end));
        }
        self.settle();
        heard
    }

    fn hears(&self, given: &Given) -> (bool, &'static str) {
        let end = given.first + given.messages.len() as u64;
        let numbers = given.first..end;
        let before_end = |number: &u64| self.run.ends_at.is_none_or(|end| *number < end);
        if self.run.fresh {
            return (true, "begins");
        }
        let to_come =
            |number: u64| number >= self.run.expected && !self.run.held.contains_key(&number);
        if numbers.clone().filter(before_end).any(to_come) {
            return (true, "new");
        }
        if self.run.ends_at.is_some() {
            return (false, "ends");
        }
        if given.messages.is_empty() {
            let own = self.sides[given.line].next.unwrap_or(0);
            return match given.first {
                first if first < own => (false, "below_own"),
                first if first < self.run.expected => (false, "below_delivered"),
                _ => (true, "beats"),
            };
        }
        let genesis = self.run.genesis.as_deref();
        let before = |number| match number {
            1 => genesis,
            _ => self.remembered(number).map(|(_, bytes)| bytes),
        };
        let pairs = numbers.zip(&given.messages);
        let equal: Vec<bool> =
            pairs.filter_map(|(n, bytes)| before(n).map(|before| before == bytes)).collect();
        match (equal.contains(&true), equal.contains(&false)) {
            (_, true) => (false, "differs"),
            (true, false) if self.sides[given.line].next.is_some_and(|next| next >= end) => {
                (false, "again")
            }
            (true, false) => (true, "copy"),
            (false, false) => (false, "unknown"),
        }
    }

    fn refuses(&mut self, given: &Given) -> bool {
        let Some(current) = self.session else {
            self.session = Some(given.session);
            self.started = self.now + self.session_grace;
            self.doubted = self.started;
            return false;
        };
        if current != given.session {
            if let Some(place) = self.old.iter().position(|old| *old == given.session) {
                let back = self.unordered.contains(&given.session);
                if back && !self.refused || self.disputed.contains(&given.session) {
                    self.contested = self.now + self.session_grace;
                    self.count("contested", 1);
                }
                if !back || !self.refused {
                    return true;
                }
                self.count("gone_back", 1);
                self.old[place] = current;
                self.unordered.retain(|other| *other != given.session);
                if self.now >= self.doubted {
                    self.unordered.clear();
                    self.disputed.clear();
                }
            } else {
                self.unordered.retain(|other| *other != current);
                self.disputed.retain(|other| *other != current);
                if self.now < self.doubted {
                    let open = self.now < self.started || self.led != Some(given.line);
                    let into = if open { &mut self.unordered } else { &mut self.disputed };
                    into.push(current);
                    self.contested = self.now + self.session_grace;
                } else {
                    self.unordered.clear();
                    self.disputed.clear();
                }
                self.old.push_back(current);
                if self.old.len() > OLD_SESSIONS {
                    self.old.pop_front();
                }
            }
            self.refused = false;
            self.led = Some(given.line);
            self.doubted = self.now + self.session_grace;
            self.session = Some(given.session);
            self.count("session_changes", 1);
            self.start_over();
            self.before.1 = 0;
            self.answers_from = 0;
            self.sides = Default::default();
            return false;
        }
        let before = self.before.0.get(&(given.first % FINGERPRINTS as u64));
        let before = before.filter(|(number, ..)| *number == given.first);
        let ahead = given.first > self.run.known_end;
        let was = before.is_some_and(|(_, _, bytes)| given.messages.first() == Some(bytes));
        let since = self.remembered(given.first).map(|(_, bytes)| bytes);
        let is = since.is_some() && given.messages.first().map(Vec::as_slice) == since;
        let side = &mut self.sides[given.line];
        let fenced = side.fence.is_some_and(|(_, until, _)| self.now < until);
        let late = ahead && (fenced || self.now < self.before.1);
        let refuses = ahead || self.rested != Some(given.line);
        let copy = late || (refuses && was && !is && self.now < self.answers_from);
        match side.fence {
            Some((next, ..)) if fenced && (given.first >= next || given.messages.is_empty()) => {
                true
            }
            Some((.., true)) if fenced && !is => true,
            _ if copy => true,
            _ => {
                side.fence = None;
                false
            }
        }
    }

    /// The bytes remembered under a number, and the line they came on.
    fn remembered(&self, number: u64) -> Option<(usize, &[u8])> {
        let (held, line, bytes) = self.run.memory.get(&(number % FINGERPRINTS as u64))?;
        (*held == number).then_some((*line, bytes))
    }

    /// Does the line bring what is missing of the start for longer than the grace?
    fn is_late_start(&self, given: &Given) -> bool {
        self.is_start_missing_for(self.grace, given)
    }

    /// Has the line gone back to a start that is missing for so long that no network is so late?
    fn is_back_at_start(&self, given: &Given) -> bool {
        let end = given.first + given.messages.len() as u64;
        let passed = self.sides[given.line].next.is_some_and(|next| next >= end);
        given.first == 1 && passed && self.is_start_missing_for(self.session_grace, given)
    }

    /// Of a start of which nothing that could be compared is known.
    fn is_start_missing_for(&self, length: u64, given: &Given) -> bool {
        let end = given.first + given.messages.len() as u64;
        let start = |number: &u64| {
            let missing = self.run.missing.get(number).filter(|missing| missing.start);
            missing.is_some_and(|missing| missing.since + length <= self.now)
        };
        let known = |number: u64| match number {
            1 => self.run.genesis.is_some(),
            _ => self.remembered(number).is_some(),
        };
        end <= self.run.start_end
            && (given.first..end).any(|number| start(&number))
            && !(given.first..end).any(known)
    }

    /// (a) to (d): has the line gone back to the beginning?
    fn started_over(&mut self, given: &Given) -> bool {
        let Some(next) = self.sides[given.line].next else {
            return false;
        };
        let end = given.first + given.messages.len() as u64;
        let quiet = self.now - self.sides[given.line].advanced > self.grace;
        if given.messages.is_empty() {
            let below = &mut self.sides[given.line].below;
            if given.first >= next {
                *below = None;
            } else if quiet {
                below.get_or_insert(self.now);
            }
            let second = quiet && below.is_some_and(|first| self.now - first > self.grace);
            self.count("restarts_by_heartbeat", u64::from(second));
            return second;
        }
        let (mut copy, mut known, mut inside) = (false, false, false);
        for (number, bytes) in (given.first..end).zip(&given.messages) {
            if number == 1 && self.run.genesis.as_ref().is_some_and(|first| first != bytes) {
                if next > 1 {
                    return true;
                }
                known = true;
            } else if number == 1 && self.run.genesis.is_some() {
                (copy, known) = (true, true);
            } else if let Some((line, before)) = self.remembered(number) {
                known = true;
                copy |= before == bytes;
                if before != bytes && line == given.line {
                    return true;
                }
            }
            inside |= self.run.lost.get(&number) == Some(&false);
            inside |= self.run.uncarried.contains_key(&number);
        }
        inside &= self.now - self.sides[given.line].advanced <= self.session_grace;
        if end > next || end > self.run.expected {
            self.sides[given.line].below = None;
            return false;
        }
        let side = &mut self.sides[given.line];
        let follows = side.repeats.filter(|(last, _)| *last == given.first);
        side.repeats = if copy {
            Some((end, None))
        } else if !known && quiet && !inside {
            Some((end, follows.map_or(Some(1), |(_, count)| count.map(|n| n + 1))))
        } else {
            None
        };
        if copy || known || inside || !quiet {
            side.below = None;
        }
        matches!(side.repeats, Some((_, Some(3..))))
    }

    fn note_line(&mut self, given: &Given) {
        let clamp = |number: u64| self.run.ends_at.map_or(number, |end| number.min(end));
        let (first, end) = (clamp(given.first), clamp(given.first + given.messages.len() as u64));
        self.ids += 1;
        let missing = Missing { id: self.ids, since: self.now, outlived: false, start: false };
        let side = &mut self.sides[given.line];
        for number in side.next.unwrap_or(first)..first {
            side.left_out.insert(number, missing);
        }
        for number in first..end {
            side.left_out.remove(&number);
        }
        if side.next.is_none_or(|next| next < end) {
            side.next = Some(end);
            side.advanced = self.now;
            side.repeats = None;
        }
    }

    /// Everything before `end` exists.
    fn run_to(&mut self, end: u64) {
        let end = self.run.ends_at.map_or(end, |last| end.min(last));
        if end <= self.run.known_end {
            return;
        }
        let start = self.run.fresh;
        let top = self.run.missing.get(&(self.run.known_end - 1)).copied();
        let top = top.filter(|m| m.since == self.now && m.start == start && !m.outlived);
        let missing = top.unwrap_or_else(|| {
            self.count("gaps_opened", 1);
            self.ids += 1;
            Missing { id: self.ids, since: self.now, outlived: false, start }
        });
        for number in self.run.known_end..end {
            self.run.missing.insert(number, missing);
        }
        let length = end - self.run.known_end;
        self.run.known_end = end;
        if start {
            self.run.start_end = end;
        }
        if start && length > WINDOW {
            self.give_up(1, end);
        }
        self.keep_bound();
    }

    fn keep_bound(&mut self) {
        while self.run.missing.len() > OPEN_GAPS
            && runs(&self.run.missing, together).len() > OPEN_GAPS
        {
            self.give_up(self.run.expected, u64::MAX);
        }
    }

    /// Gives up the missing numbers from `first` on that went missing together and side by side,
    /// but none from `end` on.
    fn give_up(&mut self, first: u64, end: u64) {
        assert_eq!(first, self.run.expected);
        let Missing { id, start, .. } = self.run.missing[&first];
        let mut number = first;
        while number < end && self.run.missing.get(&number).is_some_and(|m| m.id == id) {
            self.run.missing.remove(&number);
            self.run.lost.insert(number, start);
            number += 1;
        }
        self.count("gaps_lost", 1);
        self.count("messages_lost", number - first);
        self.run.start_lost |= start;
        self.run.inside_lost |= !start;
        if self.run.missing.values().any(|m| m.id == id) {
            self.count("gaps_opened", 1);
        }
        let pieces = runs(&self.run.lost, |a, b| a == b);
        for (from, to) in &pieces[..pieces.len().saturating_sub(OPEN_GAPS)] {
            self.run.lost.retain(|n, _| !(*from..*to).contains(n));
        }
        self.run.expected = number;
        self.drain();
    }

    fn drain(&mut self) {
        while let Some((line, bytes)) = self.run.held.remove(&self.run.expected) {
            self.deliver(line, bytes);
        }
    }

    fn deliver(&mut self, line: usize, bytes: Vec<u8>) {
        self.count("applied", 1);
        self.delivered.push((self.run.expected, line, bytes));
        if line == SERVICE {
            self.nobody_carried(self.run.expected..self.run.expected + 1);
        }
        self.run.expected += 1;
    }

    fn message(&mut self, number: u64, line: usize, bytes: &[u8]) {
        if self.run.ends_at.is_some_and(|end| number >= end) {
            return self.count("discard_after_end", 1);
        }
        while number >= self.run.expected + WINDOW {
            self.give_up(self.run.expected, number);
        }
        if number < self.run.expected || self.run.held.contains_key(&number) {
            return self.again(number, bytes);
        }
        self.accept(number, line, bytes);
        self.keep_bound();
    }

    fn accept(&mut self, number: u64, line: usize, bytes: &[u8]) {
        if number == self.run.expected || bytes.len() <= HELD_MESSAGE_BYTES {
            if number == 1 {
                self.run.genesis = Some(bytes.to_vec());
            }
            self.run.memory.insert(number % FINGERPRINTS as u64, (number, line, bytes.to_vec()));
            if let Some(missing) = self.run.missing.remove(&number)
                && !self.run.missing.values().any(|m| m.id == missing.id)
            {
                self.count("gaps_filled", 1);
            }
            self.run.known_end = self.run.known_end.max(number + 1);
        }
        if number == self.run.expected {
            self.deliver(line, bytes.to_vec());
            self.drain();
        } else if bytes.len() <= HELD_MESSAGE_BYTES {
            self.run.held.insert(number, (line, bytes.to_vec()));
        } else {
            self.count("discard_too_long_to_hold", 1);
            self.run_to(number + 1);
        }
    }

    fn nobody_carried(&mut self, numbers: std::ops::Range<u64>) {
        self.run.uncarried.extend(numbers.map(|number| (number, ())));
        let pieces = runs(&self.run.uncarried, |(), ()| true);
        for (from, to) in &pieces[..pieces.len().saturating_sub(OPEN_GAPS)] {
            self.run.uncarried.retain(|n, ()| !(*from..*to).contains(n));
        }
    }

    fn known(&self, number: u64) -> Option<&[u8]> {
        let genesis = self.run.genesis.as_deref().filter(|_| number == 1);
        self.remembered(number).map(|(_, bytes)| bytes).or(genesis)
    }

    fn again(&mut self, number: u64, bytes: &[u8]) {
        let genesis = self.run.genesis.as_deref().filter(|_| number == 1);
        let before = self.remembered(number).map(|(_, bytes)| bytes).or(genesis);
        match before {
            Some(before) if before != bytes => {
                self.count("lines_differ", 1);
                self.count("discard_lines_differ", 1);
            }
            None if self.run.lost.contains_key(&number) => self.count("discard_too_late", 1),
            _ => self.count("duplicate", 1),
        }
    }
}
