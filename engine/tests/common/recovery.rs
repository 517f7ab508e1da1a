//! A small true exchange (ITCH, one partition, four names) with two lines that lose, repeat, delay and
//! alter packets, and services that answer rightly, wrongly, late or not at all; and a judge who looks
//! at everything that is Live.

use std::collections::BTreeMap;

use candor_core::{
    Action, Ask, ByteOrder, Line, Messages, Mono, Nanos, Refusal, Refused, SeqNo, SessionId, Side,
    SnapshotAsk, SnapshotPart,
};
use candor_decoders::nasdaq::moldudp64;
use candor_engine::{Partition, Services, Step};
use candor_gapfill::retransmit::Policy;

use crate::common::services::SNAPSHOTS;
use crate::common::{GRACE, SESSION, Shown, add, config, delete, directory, mold, trading};

/// Small steps of a seeded generator (splitmix64, Steele et al. 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

const NAMES: [&str; 4] = ["AAPL", "MSFT", "NEWN", "ELSE"];

/// What the venue has after a number: which key names which symbol, and which orders rest under it.
#[derive(Clone, Default)]
struct Truth {
    named: BTreeMap<u16, &'static str>,
    orders: BTreeMap<u64, (u16, u8, u32, u32)>,
}

impl Truth {
    /// A side's levels, best first: price and size.
    fn levels(&self, key: u16, side: u8) -> Vec<(i64, u64)> {
        let mut levels = BTreeMap::<i64, u64>::new();
        for (of, at, size, price) in self.orders.values() {
            if (*of, *at) == (key, side) {
                *levels.entry((*price).into()).or_default() += u64::from(*size);
            }
        }
        let mut levels: Vec<_> = levels.into_iter().collect();
        if side == b'B' {
            levels.reverse();
        }
        levels
    }

    /// What a snapshot service sends of it.
    fn image(&self) -> Vec<Vec<u8>> {
        let mut image = Vec::new();
        for (key, name) in &self.named {
            image.push(directory(*key, name));
            image.push(trading(*key, name, b'T'));
        }
        for (order, (key, side, size, price)) in &self.orders {
            image.push(add(*key, *order, *side, *size, *price));
        }
        image
    }
}

/// A session of the venue: every message it sent, and the truth after each.
struct Session {
    id: [u8; 10],
    messages: Vec<Vec<u8>>,
    truths: Vec<Truth>,
    order: u64,
    ended: bool,
}

impl Session {
    fn new(number: u64, dice: &mut Dice) -> Session {
        let mut id = SESSION;
        id[5..].copy_from_slice(format!("{number:05}").as_bytes());
        let mut session = Session {
            id,
            messages: vec![],
            truths: vec![Truth::default()],
            order: 0,
            ended: false,
        };
        for key in 1..=2 + dice.below(2) as u16 {
            session.define(key, NAMES[usize::from(key) - 1]);
        }
        session
    }

    fn next(&self) -> u64 {
        self.messages.len() as u64 + 1
    }

    fn truth(&self) -> &Truth {
        &self.truths[self.messages.len()]
    }

    fn say(&mut self, message: Vec<u8>, truth: Truth) {
        self.messages.push(message);
        self.truths.push(truth);
    }

    fn define(&mut self, key: u16, name: &'static str) {
        let mut truth = self.truth().clone();
        truth.named.insert(key, name);
        self.say(directory(key, name), truth);
    }

    /// One message more. `ill` is how often, of a hundred, it breaks the venue's rules.
    fn go_on(&mut self, dice: &mut Dice, ill: u64, renames: bool) {
        let mut truth = self.truth().clone();
        let key = 1 + dice.below(truth.named.len() as u64) as u16;
        if dice.percent(ill) {
            let message = match dice.below(3) {
                0 => vec![b'A', 0, 1],
                _ => delete(key, 1_000_000 + dice.below(9)),
            };
            return self.say(message, truth);
        }
        let free = NAMES.iter().find(|name| !truth.named.values().any(|taken| taken == *name));
        if let Some(name) = free.filter(|_| dice.percent(2)) {
            let new = truth.named.len() as u16 + 1;
            let key = if renames && dice.percent(50) { key } else { new };
            return self.define(key, name);
        }
        if truth.orders.len() > 24 || (!truth.orders.is_empty() && dice.percent(40)) {
            let nth = dice.below(truth.orders.len() as u64) as usize;
            let order = *truth.orders.keys().nth(nth).unwrap();
            let (key, ..) = truth.orders.remove(&order).unwrap();
            return self.say(delete(key, order), truth);
        }
        self.order += 1;
        let (side, price) = match dice.percent(50) {
            true => (b'B', 990_000 - 10_000 * dice.below(4) as u32),
            false => (b'S', 1_010_000 + 10_000 * dice.below(4) as u32),
        };
        let size = 1 + dice.below(9) as u32;
        truth.orders.insert(self.order, (key, side, size, price));
        self.say(add(key, self.order, side, size, price), truth);
    }
}

/// Something on its way to the partition.
enum Coming {
    Packet {
        line: Line,
        payload: Vec<u8>,
        shows: Option<(u64, [u8; 10])>,
    },
    /// First with a message that was altered on its way, on one line, then as it was, on the other.
    Differs {
        altered: Vec<u8>,
        payload: Vec<u8>,
    },
    Answer(Vec<u8>),
    Refused(Refused),
    Begin(u32, SessionId),
    Part(u32, Vec<Vec<u8>>),
    End(u32, u64),
    Failed(u32, Refusal),
}

/// How bad the world is, in hundredths.
#[derive(Clone, Copy, Default)]
struct Weather {
    loss: u64,
    twice: u64,
    lag: u64,
    jitter: u64,
    ill: u64,
    differ: u64,
    corrupt: u64,
    service: u64,
    disturb: u64,
    session: u64,
    renames: bool,
}

pub(crate) struct World {
    dice: Dice,
    weather: Weather,
    now: Mono,
    pub(crate) partition: Partition,
    shown: Shown,
    sessions: Vec<Session>,
    coming: BTreeMap<(Mono, u64), Coming>,
    sent: u64,
    /// What lines have truly shown of the session, and when.
    heard: Vec<(Mono, u64, [u8; 10])>,
    subscribed: bool,
    forgets: bool,
    /// How many views were looked at.
    pub(crate) live: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let mut dice = Dice(seed);
        let pick = |dice: &mut Dice, of: &[u64]| of[dice.below(of.len() as u64) as usize];
        let weather = Weather {
            loss: pick(&mut dice, &[0, 2, 10, 30]),
            twice: pick(&mut dice, &[0, 0, 20]),
            lag: pick(&mut dice, &[0, 300, 2_000, 300_000]),
            jitter: pick(&mut dice, &[0, 300, 900]),
            ill: pick(&mut dice, &[0, 0, 1, 4]),
            differ: pick(&mut dice, &[0, 0, 3]),
            corrupt: pick(&mut dice, &[0, 0, 0, 1]),
            service: pick(&mut dice, &[0, 20, 60]),
            disturb: pick(&mut dice, &[0, 2, 6]),
            session: pick(&mut dice, &[0, 0, 1]),
            renames: dice.percent(50),
        };
        let asks = Policy {
            piece: 10,
            outstanding: 2,
            limit: 40,
            timeout: Nanos::from_millis(5),
            timeout_max: Nanos::from_millis(20),
            attempts: 2,
            patience: Nanos::from_millis(100),
            rest: if dice.percent(50) { Nanos::ZERO } else { Nanos::from_millis(2) },
            pause_max: Some(Nanos::from_secs(1)),
        };
        let holdback_bytes = if dice.percent(20) { 600 } else { 1 << 14 };
        let snapshot = candor_snapshot::Config { holdback_bytes, ..SNAPSHOTS };
        let services =
            Services { retransmit: dice.percent(60).then_some(asks), snapshot: Some(snapshot) };
        let listed = [("AAPL", 0), ("MSFT", 0)];
        let config = candor_engine::Config { services, ..config(&listed) };
        let mut world = World {
            sessions: vec![Session::new(0, &mut dice)],
            dice,
            weather,
            now: Mono(1_000_000_000),
            partition: Partition::new(config),
            shown: Shown::default(),
            coming: BTreeMap::new(),
            sent: 0,
            heard: vec![],
            subscribed: true,
            forgets: weather.corrupt > 0,
            live: 0,
        };
        world.partition.start(world.now, &mut world.shown);
        world.partition.subscribe(world.now, true, &mut world.shown);
        // A late start as often as one in time.
        for _ in 0..world.dice.below(2) * world.dice.below(60) {
            world.session().0.go_on(&mut Dice(seed), 0, false);
        }
        world
    }

    fn session(&mut self) -> (&mut Session, &mut Dice) {
        (self.sessions.last_mut().unwrap(), &mut self.dice)
    }

    fn comes(&mut self, micros: u64, what: Coming) {
        self.sent += 1;
        self.coming.insert((self.now + Nanos::from_micros(micros), self.sent), what);
    }

    /// The venue sends a packet of new messages, on both lines.
    fn publish(&mut self) {
        let weather = self.weather;
        let (session, dice) = self.session();
        if session.ended {
            return;
        }
        let first =
            if session.messages.len() < 4 && session.order == 0 { 1 } else { session.next() };
        let count = dice.below(4);
        if dice.below(400) < weather.session {
            session.ended = true;
        }
        for _ in 0..count {
            session.go_on(dice, weather.ill, weather.renames);
        }
        let (session, _) = self.session();
        let (id, next) = (session.id, session.next());
        let messages = session.messages[first as usize - 1..].to_vec();
        let payload = match (session.ended, messages.is_empty()) {
            (false, false) => mold(id, first, &messages),
            (false, true) => moldudp64::heartbeat(id, SeqNo(next)).to_vec(),
            (true, _) => moldudp64::end(id, SeqNo(next)).to_vec(),
        };
        // A line that is fenced off after a restart, or lags, can't contradict another at once.
        let prompt = weather.lag + weather.jitter == 0 && !self.forgets;
        if prompt && !messages.is_empty() && self.dice.percent(weather.differ) && first > 9 {
            let mut other = messages;
            let Some(message) = other.iter_mut().find(|m| m[0] == b'A' && m.len() == 36) else {
                return;
            };
            message[23] = message[23].wrapping_add(1);
            let altered = mold(id, first, &other);
            return self.comes(0, Coming::Differs { altered, payload });
        }
        for line in [Line::A, Line::B] {
            if self.dice.percent(weather.loss) {
                continue;
            }
            let lag = if line == Line::B { weather.lag } else { 0 };
            for _ in 0..1 + u64::from(self.dice.percent(weather.twice)) {
                let micros = lag + self.dice.below(weather.jitter + 1);
                let mut payload = payload.clone();
                let corrupt = self.dice.below(200) < weather.corrupt;
                if corrupt {
                    payload[10] = 1 << self.dice.below(5);
                }
                let shows = (!corrupt).then_some((next, id));
                self.comes(micros, Coming::Packet { line, payload, shows });
            }
        }
    }

    fn act(&mut self) {
        // BOUND: what the partition wants.
        while let Some(action) = self.partition.next_action() {
            match action {
                Action::Retransmit(ask) => self.answer(&ask),
                Action::Snapshot(ask) => self.fetch(&ask),
                Action::DropSnapshot { .. } => {}
            }
        }
    }

    fn answer(&mut self, ask: &Ask) {
        assert_eq!(ask.session, self.partition.session());
        let micros = self.dice.below(8_000);
        let bad = self.dice.percent(self.weather.service);
        let Some(session) =
            self.sessions.iter().find(|s| SessionId::from_text(s.id) == ask.session)
        else {
            panic!("nobody has heard of this session");
        };
        let kinds = [Refusal::Busy, Refusal::Quota, Refusal::Budget, Refusal::Expired];
        let why = kinds[(micros % 4) as usize];
        let end = ask.range.end.0.min(session.next());
        if ask.range.first.0 >= end || bad && micros.is_multiple_of(3) {
            let refused = Refused { session: ask.session, range: ask.range, why };
            return self.comes(micros, Coming::Refused(refused));
        }
        if bad && micros % 3 == 1 {
            return;
        }
        let first = ask.range.first.0.saturating_sub(u64::from(bad) * 2).max(1);
        let end = if bad { first + 1 + (end - first) / 2 } else { end };
        let payload =
            mold(session.id, first, &session.messages[first as usize - 1..end as usize - 1]);
        self.comes(micros, Coming::Answer(payload));
    }

    fn fetch(&mut self, ask: &SnapshotAsk) {
        let bad = self.dice.percent(self.weather.service);
        let kind = if bad { 1 + self.dice.below(9) } else { 0 };
        let known = self.sessions.iter().find(|s| SessionId::from_text(s.id) == ask.session);
        let session = known.expect("nobody has heard of this session");
        let (total, cycle) = (session.messages.len(), ask.cycle);
        let age = if kind == 1 || kind == 2 { self.dice.below(40) as usize } else { 0 };
        let at = total - age.min(total);
        let mut image = session.truths[at].image();
        let mut id = ask.session;
        match kind {
            3 => return self.comes(3_000, Coming::Failed(cycle, Refusal::Busy)),
            4 => return,
            5 => id = SessionId::from_text(*b"YESTERDAY "),
            6 => image.push(vec![b'A', 1, 2]),
            7 => image.extend(image.last().cloned()),
            _ => {}
        }
        let begin = self.dice.below(20_000);
        self.comes(begin, Coming::Begin(cycle, id));
        let mut micros = begin;
        let parts = image.len().div_ceil(7);
        for (nth, part) in image.chunks(7).enumerate() {
            micros += self.dice.below(20_000);
            if kind == 8 && nth + 1 == parts {
                return;
            }
            self.comes(micros, Coming::Part(cycle, part.to_vec()));
        }
        let end = at as u64 + 1 + if kind == 9 { 1 << 33 } else { 0 };
        self.comes(micros + 1, Coming::End(cycle, end));
    }

    fn arrive(&mut self, what: Coming) {
        let World { partition, shown, now, .. } = self;
        let now = *now;
        match what {
            Coming::Packet { line, payload, shows } => {
                if !self.subscribed {
                    return;
                }
                partition.on_packet(now, now, line, &payload, shown);
                if let Some((next, id)) = shows {
                    self.heard.push((now, next, id));
                }
            }
            Coming::Differs { altered, payload } => {
                if !self.subscribed {
                    return;
                }
                partition.on_packet(now, now, Line::A, &altered, shown);
                partition.on_packet(now, now, Line::B, &payload, shown);
            }
            Coming::Answer(payload) => {
                let _ = partition.on_retransmit(now, &payload, shown);
            }
            Coming::Refused(refused) => partition.on_refused(now, &refused, shown),
            Coming::Begin(cycle, session) => {
                partition.on_snapshot(now, cycle, &SnapshotPart::Begin { session }, shown);
            }
            Coming::Part(cycle, messages) => {
                let mut bytes = Vec::new();
                for message in &messages {
                    bytes.extend((message.len() as u16).to_be_bytes());
                    bytes.extend(message);
                }
                let walk = Messages::walk(&bytes, messages.len() as u16, ByteOrder::Big).unwrap();
                partition.on_snapshot(now, cycle, &SnapshotPart::Messages(walk), shown);
            }
            Coming::End(cycle, next) => {
                let end = SnapshotPart::End { next: SeqNo(next) };
                partition.on_snapshot(now, cycle, &end, shown);
            }
            Coming::Failed(cycle, why) => {
                partition.on_snapshot(now, cycle, &SnapshotPart::Failed(why), shown);
            }
        }
    }

    /// Lets time pass, and everything happen that is due.
    fn pass(&mut self, micros: u64) {
        let until = self.now + Nanos::from_micros(micros);
        let mut turns = 0;
        loop {
            let coming = self.coming.first_key_value().map(|(key, _)| key.0);
            let deadline = self.partition.deadline();
            let Some(at) = coming.into_iter().chain(deadline).min().filter(|at| *at <= until)
            else {
                break;
            };
            turns += 1;
            assert!(turns < 5_000, "a deadline that is always past");
            self.now = self.now.max(at);
            if coming == Some(at) {
                let (_, what) = self.coming.pop_first().unwrap();
                self.arrive(what);
            } else {
                self.partition.on_deadline(self.now, &mut self.shown);
            }
            self.act();
            self.look();
        }
        self.now = until;
        self.look();
    }

    /// What is Live must be true, and not older than the grace allows.
    fn look(&mut self) {
        let now = self.now;
        let old = now - GRACE - Nanos(1_000);
        for name in NAMES {
            let known = self.shown.names.keys().any(|known| known.as_str() == name);
            if !known || !self.shown.verdict(name, now).is_live() {
                continue;
            }
            self.live += 1;
            let expected = self.partition.expected().0;
            let id = self.partition.session();
            let session = self.sessions.iter().find(|s| SessionId::from_text(s.id) == id).unwrap();
            let truth = session.truths.get(expected as usize - 1);
            let truth = truth.unwrap_or_else(|| panic!("{name} is Live at number {expected}"));
            let key = truth.named.iter().find(|(_, of)| **of == name).map(|(key, _)| *key);
            let key = key.unwrap_or_else(|| panic!("{name} is Live at {expected} under no key"));
            let view = self.shown.view(name);
            for (side, at) in [(Side::Bid, b'B'), (Side::Ask, b'S')] {
                let levels = view.levels(side).iter().map(|level| (level.price.0, level.size));
                let levels: Vec<_> = levels.collect();
                assert_eq!(levels, truth.levels(key, at), "{name} {side:?} at {expected}");
            }
            // Where corrupt numbers carried the sequencer away, or two snapshots in a row contradict
            // our numbers, those are forgotten on purpose.
            if self.forgets || self.shown.steps.iter().any(|s| matches!(s, Step::Resynced { .. })) {
                continue;
            }
            let shown = self
                .heard
                .iter()
                .filter(|(at, _, of)| *at <= old && SessionId::from_text(*of) == id);
            let shown = shown.map(|(_, next, _)| *next).max().unwrap_or(0);
            assert!(
                expected >= shown,
                "{name} is Live at {expected}, and {shown} was shown long ago"
            );
        }
    }

    fn disturb(&mut self) {
        let kind = self.dice.below(4);
        let World { partition, shown, now, .. } = self;
        match kind {
            0 => partition.on_stall(*now, shown),
            1 | 2 => {
                self.subscribed = !self.subscribed;
                partition.subscribe(*now, self.subscribed, shown);
            }
            _ => {
                let number = self.sessions.len() as u64;
                if number < 4 && self.weather.session > 0 {
                    // What is on its way of the old one arrives first.
                    self.pass(400_000);
                    self.sessions.push(Session::new(number, &mut self.dice));
                }
            }
        }
        self.act();
        self.look();
    }

    pub(crate) fn step(&mut self) {
        if self.dice.percent(self.weather.disturb) {
            self.disturb();
        }
        self.publish();
        let micros = match self.dice.below(20) {
            0 => 200_000,
            1..4 => 20_000,
            _ => 700,
        };
        let micros = self.dice.below(micros);
        self.pass(micros);
    }

    /// From here on everything is as it should be: all must become Live.
    pub(crate) fn heal(&mut self) {
        self.weather = Weather { lag: 100, ..Weather::default() };
        self.pass(1_000_000);
        if !self.subscribed {
            self.subscribed = true;
            self.partition.subscribe(self.now, true, &mut self.shown);
            self.act();
        }
        if self.session().0.ended {
            let number = self.sessions.len() as u64;
            self.sessions.push(Session::new(number, &mut self.dice));
        }
        let until = self.now + Nanos::from_secs(100);
        // BOUND: the time.
        while self.now < until {
            self.publish();
            self.pass(100_000);
            if self.all_live() {
                return;
            }
        }
        let stale = NAMES.map(|name| (name, self.shown.verdict(name, self.now).reason()));
        panic!(
            "not healed: {stale:?}, at {:?}, {:?}",
            self.partition.expected(),
            self.shown.status
        );
    }

    fn all_live(&mut self) -> bool {
        let names: Vec<_> = self.session().0.truth().named.values().copied().collect();
        names.iter().all(|name| self.shown.verdict(name, self.now).is_live())
    }
}
