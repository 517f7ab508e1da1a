//! The sequencer beside its naive twin: the same packets at the same times, compared after each.

mod common;
mod twin;

use std::collections::BTreeMap;

use candor_core::counters::Counter;
use candor_core::limits::{HELD_MESSAGE_BYTES, WINDOW_MESSAGES};
use candor_core::{Answer, Content, Line, Mono, Nanos, Origin, SessionId};
use candor_gapfill::{Config, State};
use common::{Bench, CONFIG, GRACE, SESSION_GRACE, content, encode, packet};
use proptest::prelude::*;
use twin::{Given, Kind, Twin};

/// xorshift64*: the same run from the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        n != 0 && self.below(n) == 0
    }
}

/// How likely each trouble is, as one in so many; 0 is never.
#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    /// A line that loses nothing.
    whole: Option<usize>,
    loss: u64,
    burst: u64,
    duplicate: u64,
    late: u64,
    repeat: u64,
    too_long: u64,
    differ: u64,
    jump: u64,
    session: u64,
    old_session: u64,
    restart: u64,
    end: u64,
    pause: u64,
    lag: u64,
    answer: u64,
    splice: u64,
    /// The venue knows nothing of the session followed, or has it, and a line brings one of before.
    refusal: u64,
}

/// What the venue publishes: the present session and the life of its numbers.
struct Venue {
    session: u64,
    life: u64,
    /// The next number on each line, which packs for itself.
    next: [u64; 3],
    tip: u64,
    long: u64,
}

impl Venue {
    fn message(&self, seq: u64) -> Vec<u8> {
        let mut bytes = content(self.life, seq);
        if self.long != 0 && seq % self.long == 3 {
            bytes.resize(HELD_MESSAGE_BYTES + 1 + (seq % 5) as usize, b'+');
        }
        bytes
    }
}

/// A run's packets, in the order of their arrival.
fn packets(seed: u64, steps: u64, trouble: Trouble) -> Vec<Given> {
    let mut random = Random(seed | 1);
    let mut venue = Venue { session: 1, life: 1, next: [1; 3], tip: 1, long: trouble.too_long };
    let mut all: Vec<Given> = Vec::new();
    let mut now = 1_000_000_000;
    let mut dark = [0u64; 3];
    let mut past = vec![venue.session];
    for step in 0..steps {
        let pause = random.one_in(trouble.pause);
        now += random.below(if pause { 3_000_000 } else { 40_000 });
        if random.one_in(trouble.session) {
            let session = 2 + step;
            past.push(session);
            venue = Venue { session, life: session, next: [1; 3], tip: 1, ..venue };
        }
        if random.one_in(trouble.restart) {
            now += random.below(4_000_000);
            let start = if random.one_in(3) { 1 + random.below(5) } else { 1 };
            venue = Venue { life: 1_000_000 + step, next: [start; 3], tip: start, ..venue };
        }
        if random.one_in(trouble.jump) {
            venue.tip += random.below(2 * WINDOW_MESSAGES as u64);
            venue.next[0] = venue.tip;
        }
        venue.tip += random.below(6);
        for (line, dark) in dark.iter_mut().enumerate() {
            if random.one_in(trouble.burst) {
                *dark = random.below(30);
            }
            *dark = dark.saturating_sub(1);
            let mut at = now + random.below(30_000);
            if random.one_in(trouble.late) {
                at += random.below(3_000_000);
            }
            if trouble.lag != 0 && line == 1 {
                at += trouble.lag;
            }
            for given in publish(&mut venue, &mut random, line, at, trouble) {
                let lost = random.one_in(trouble.loss) || *dark > 0;
                let lost = lost && trouble.whole != Some(line);
                if !lost && random.one_in(trouble.duplicate) {
                    let late = if random.one_in(2) { 2_000_000 } else { 20_000 };
                    all.push(Given { at: at + random.below(late), ..given.clone() });
                }
                if !lost {
                    all.push(given);
                }
            }
        }
        if random.one_in(trouble.repeat) && !all.is_empty() {
            // A stretch of old packets again, some in a row.
            let from = random.below(all.len() as u64) as usize;
            let old: Vec<Given> = all[from..].iter().take(9).cloned().collect();
            let line = old[0].line;
            for again in old.into_iter().filter(|given| given.line == line) {
                all.push(Given { at: now + 5_000_000 + random.below(2), ..again });
            }
            now += 5_100_000;
            if random.one_in(3) {
                // And the line says, again and again, that it is there.
                let (session, first) = (venue.session, venue.next[line].saturating_sub(9).max(1));
                for beat in 0..3 {
                    let (at, kind) = (now + beat * 700_000, Kind::Heartbeat);
                    all.push(Given { at, line, session, kind, first, messages: vec![] });
                }
                now += 2_000_000;
            }
        }
        if random.one_in(trouble.answer) {
            for _ in 0..=random.below(4) {
                let at = now + random.below(3_000_000);
                all.push(answer(&venue, &mut random, step, at));
            }
        }
        if random.one_in(trouble.splice) {
            let kind = if random.one_in(4) { Kind::Resync } else { Kind::Splice };
            let beyond = if random.one_in(8) { 2 * WINDOW_MESSAGES as u64 } else { 8 };
            let first = (venue.tip + random.below(beyond)).saturating_sub(random.below(60)).max(1);
            let at = now + random.below(100_000);
            let session = venue.session;
            all.push(Given { at, line: 0, session, kind, first, messages: vec![] });
        }
        if random.one_in(trouble.refusal) {
            let session = past[random.below(past.len() as u64) as usize];
            let (line, first) = (random.below(3) as usize, 1 + random.below(9));
            let kinds = [Kind::Accepted, Kind::Refused, Kind::Refused];
            let kind = kinds[random.below(3) as usize];
            let refused = Given { at: now, line, session, kind, first, messages: vec![] };
            let messages = vec![content(session, first)];
            all.push(Given { at: now + 1, kind: Kind::Data, messages, ..refused.clone() });
            all.push(refused);
        }
        if random.one_in(trouble.old_session) && step > 0 {
            let session = 1 + random.below(step);
            let line = random.below(3) as usize;
            let messages = vec![content(session, 1)];
            all.push(Given { at: now, line, session, kind: Kind::Data, first: 1, messages });
        }
    }
    all.sort_by_key(|given| given.at);
    all
}

/// What the retransmit service sends: numbers lately published, most of them right.
fn answer(venue: &Venue, random: &mut Random, step: u64, at: u64) -> Given {
    let back = if random.one_in(9) { 2000 } else { 60 };
    let first = venue.tip.saturating_sub(random.below(back)).max(1);
    let count = if random.one_in(4) { 0 } else { 1 + random.below(20) };
    let mut messages: Vec<_> = (first..first + count).map(|seq| venue.message(seq)).collect();
    if random.one_in(8)
        && let Some(message) = messages.last_mut()
    {
        message.push(b'?');
    }
    let session = if random.one_in(12) { 1 + random.below(step + 1) } else { venue.session };
    Given { at, line: 0, session, kind: Kind::Answer, first, messages }
}

/// What the venue sends on one line now: in this line's own packing.
fn publish(
    venue: &mut Venue,
    random: &mut Random,
    line: usize,
    at: u64,
    trouble: Trouble,
) -> Vec<Given> {
    let mut given = Vec::new();
    let mut push = |kind, first, messages| {
        given.push(Given { at, line, session: venue.session, kind, first, messages });
    };
    let mut next = venue.next[line];
    if next + 3 * WINDOW_MESSAGES as u64 / 2 < venue.tip {
        next = venue.tip - 3;
    }
    while next < venue.tip && !random.one_in(4) {
        let count = (1 + random.below(5)).min(venue.tip - next);
        let mut messages: Vec<_> = (next..next + count).map(|seq| venue.message(seq)).collect();
        if random.one_in(trouble.differ) {
            messages[0].push(b'!');
        }
        push(Kind::Data, next, messages);
        next += count;
    }
    if random.one_in(6) {
        push(Kind::Heartbeat, next, vec![]);
    }
    if random.one_in(trouble.end) {
        push(Kind::End, next, vec![]);
    }
    venue.next[line] = next;
    given
}

/// Every counter the twin keeps too.
const COMPARED: [Counter; 26] = [
    Counter::Messages,
    Counter::Applied,
    Counter::Duplicate,
    Counter::DiscardOldSession,
    Counter::DiscardTooLate,
    Counter::DiscardTooLongToHold,
    Counter::DiscardWithSession,
    Counter::DiscardLinesDiffer,
    Counter::DiscardAfterEnd,
    Counter::GapsOpened,
    Counter::GapsFilled,
    Counter::GapsOutlived,
    Counter::GapsLost,
    Counter::MessagesLost,
    Counter::LostOnA,
    Counter::LostOnB,
    Counter::LostOnC,
    Counter::LinesDiffer,
    Counter::SessionChanges,
    Counter::Restarts,
    Counter::Held,
    Counter::RetransmitPackets,
    Counter::RetransmitFilled,
    Counter::RetransmitContradicts,
    Counter::DiscardUnasked,
    Counter::DiscardInSnapshot,
];

fn compare(bench: &Bench, twin: &mut Twin, what: &str) {
    let (expected, known_end, held, session) = twin.numbers();
    let sequencer = &bench.sequencer;
    assert_eq!(sequencer.expected().0, expected, "{what}");
    assert_eq!(sequencer.known_end().0, known_end, "{what}");
    assert_eq!(sequencer.session(), SessionId::from_number(session.unwrap_or(0)), "{what}");
    assert_eq!(format!("{:?}", sequencer.state()), twin.state(), "{what}");
    assert_eq!(format!("{:?}", sequencer.whole()), twin.whole(), "{what}");
    let contested = (bench.now.0 < twin.contested).then_some(twin.contested);
    assert_eq!(sequencer.contested_until(bench.now).map(|at| at.0), contested, "{what}");
    assert_eq!(sequencer.deadline().map(|at| at.0), twin.deadline(), "{what}");
    twin.counts.insert("held", held);
    for counter in COMPARED {
        let count = twin.counts.get(counter.label()).copied().unwrap_or(0);
        assert_eq!(bench.get(counter), count, "{} {what}", counter.label());
    }
}

/// Gives both the same. Whether it was evidence of the stream followed, where it is a line's packet.
fn give(bench: &mut Bench, twin: &mut Twin, given: &Given, what: &str) -> Option<bool> {
    let encoded = encode(&given.messages);
    let content = match given.kind {
        Kind::Data | Kind::Answer => Content::Data,
        Kind::Heartbeat => Content::Heartbeat,
        Kind::End => Content::End,
        Kind::Splice | Kind::Resync => {
            if bench.sequencer.state() != State::NotStarted {
                let of = if given.kind == Kind::Splice { Bench::splice } else { Bench::resync };
                of(bench, given.first);
                let of = if given.kind == Kind::Splice { Twin::splice } else { Twin::resync };
                of(twin, given.at, given.first);
            }
            return None;
        }
        Kind::Refused | Kind::Accepted => {
            if given.kind == Kind::Refused {
                bench.sequencer.on_session_refused(bench.now);
                twin.session_refused(bench.now.0);
            } else {
                bench.sequencer.on_session_accepted(bench.now);
                twin.session_accepted(bench.now.0);
            }
            bench.wait(Nanos(0));
            twin.time(given.at);
            return None;
        }
    };
    let session = SessionId::from_number(given.session);
    let packet = packet(session, content, given.first, given.messages.len(), &encoded);
    if given.kind == Kind::Answer {
        let (state, session) = (bench.state(), bench.sequencer.session());
        let (answer, _) = bench.give_answer(&packet);
        let filled = answer == Answer::Filled { range: packet.range };
        let contradicts = answer == Answer::Contradicts;
        assert!(filled || contradicts || answer == Answer::Useless, "{what}");
        assert_eq!(twin.answer(given), (filled, contradicts), "{what}");
        assert_eq!(bench.sequencer.session(), session, "{what}");
        assert!(state != State::Ended || bench.state() == State::Ended, "{what}");
        return None;
    }
    bench.give(Line::from_index(given.line).unwrap(), &packet);
    let (vouches, why) = twin.packet(given);
    *twin.counts.entry(why).or_default() += 1;
    assert_eq!(bench.vouched(), vouches, "{why} {what}");
    Some(vouches)
}

/// As the twin counts them: lines by their index, then the service.
fn origin_index(origin: Origin) -> usize {
    match origin {
        Origin::Line(line) => line.index(),
        Origin::Retransmit => twin::SERVICE,
    }
}

/// Runs both; returns them for a closer look. `start_limit` 0: a missing start is not kept.
fn run(given: &[Given], start_limit: u64, session_grace: Nanos) -> (Bench, Twin) {
    let keep_start = start_limit > 0;
    let mut bench = Bench::with(Config { keep_start, start_limit, session_grace, ..CONFIG });
    let mut twin = Twin::new(GRACE.0, session_grace.0, start_limit);
    let mut compared = 0;
    for (step, given) in given.iter().enumerate() {
        let what = || format!("at packet {step}: {given:?}");
        // Every other time nobody keeps the deadline, so that the packet itself has to.
        if step % 2 == 0 {
            while let Some(due) = bench.sequencer.deadline().filter(|due| due.0 <= given.at) {
                bench.wait(Nanos(due.0.saturating_sub(bench.now.0)));
                twin.time(due.0);
                compare(&bench, &mut twin, &what());
            }
        }
        bench.now = Mono(given.at);
        let delivered = bench.all.len();
        let heard = give(&mut bench, &mut twin, given, &what());
        if step % 2 == 0 && bench.all.len() > delivered {
            // No deadline was due: it is this packet that delivered.
            assert!(heard != Some(false), "{}", what());
        }
        compare(&bench, &mut twin, &what());
        assert_eq!(bench.all.len(), twin.delivered.len(), "{}", what());
        for (ours, theirs) in bench.all[compared..].iter().zip(&twin.delivered[compared..]) {
            let ours = (ours.seq, origin_index(ours.origin), &ours.bytes);
            assert_eq!(ours, (theirs.0, theirs.1, &theirs.2), "{}", what());
        }
        compared = bench.all.len();
    }
    (bench, twin)
}

const MILD: Trouble = Trouble {
    whole: None,
    loss: 20,
    burst: 0,
    duplicate: 10,
    late: 10,
    repeat: 0,
    too_long: 0,
    differ: 0,
    jump: 0,
    session: 0,
    old_session: 0,
    restart: 0,
    end: 0,
    pause: 0,
    lag: 0,
    answer: 0,
    splice: 0,
    refusal: 0,
};

#[test]
fn mild_trouble_on_three_lines_loses_nothing() {
    let mut given = packets(1, 3000, Trouble { whole: Some(2), ..MILD });
    // Two heartbeats that are late by more than the grace, on a line that is quiet, are a restart.
    given.retain(|given| given.kind == Kind::Data);
    let (mut bench, _) = run(&given, 0, SESSION_GRACE);
    bench.wait(Nanos::from_secs(1));
    assert!(bench.get(Counter::Applied) > 5000, "{}", bench.counts());
    assert!(bench.numbers().into_iter().eq(1..bench.expected()), "{}", bench.counts());
    assert_eq!((bench.get(Counter::Restarts), bench.get(Counter::LinesDiffer)), (0, 0));
    assert_eq!(bench.get(Counter::GapsLost), 0);
}

/// Of the second, nearly all sessions are heard when it has passed.
const GRACES: [Nanos; 2] = [SESSION_GRACE, Nanos::from_millis(5)];

/// A day of everything, so that no rule goes untried: each counter must have moved.
#[test]
fn every_rule_is_tried() {
    let mut sum = candor_core::counters::Counters::new();
    let mut tried = BTreeMap::new();
    for seed in 1..=24 {
        let trouble = Trouble {
            loss: 4 + seed % 9,
            burst: 60,
            repeat: 90,
            too_long: if seed % 3 == 0 { 7 } else { 0 },
            differ: if seed % 4 == 0 { 40 } else { 0 },
            jump: if seed % 2 == 0 { 200 } else { 0 },
            session: 300,
            old_session: 50,
            restart: if seed % 5 == 0 { 150 } else { 0 },
            end: if seed % 3 == 1 { 900 } else { 0 },
            pause: 20,
            lag: if seed % 6 == 0 { 2_500_000 } else { 0 },
            answer: if seed % 3 == 0 { 4 } else { 0 },
            splice: if seed % 4 == 2 { 60 } else { 0 },
            refusal: if seed % 3 == 2 { 10 } else { 0 },
            ..MILD
        };
        let given = packets(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), 700, trouble);
        let (bench, twin) = run(&given, (seed % 2) * 40, GRACES[(seed % 2) as usize]);
        for counter in COMPARED {
            sum.add(counter, bench.get(counter));
        }
        for (what, count) in twin.counts {
            *tried.entry(what).or_insert(0) += count;
        }
    }
    for counter in COMPARED {
        assert_ne!(sum.get(counter), 0, "{} was never tried", counter.label());
    }
    for what in EVIDENCE {
        assert!(
            tried.get(what).is_some_and(|count| *count > 0),
            "{what} was never tried: {tried:?}"
        );
    }
}

/// What the twin has to say about evidence, the restarts that heartbeats show, and sessions gone back to.
const EVIDENCE: [&str; 14] = [
    "begins",
    "new",
    "beats",
    "copy",
    "again",
    "left_behind",
    "below_own",
    "below_delivered",
    "ends",
    "differs",
    "unknown",
    "restarts_by_heartbeat",
    "gone_back",
    "contested",
];

fn troubles() -> impl Strategy<Value = Trouble> {
    let rare = |n: u64| prop_oneof![Just(0), n / 4..n];
    (
        (2..40u64, rare(100), rare(20), rare(20), rare(200), rare(30), rare(60)),
        (rare(400), rare(400), rare(100), rare(300), rare(900), rare(60), rare(8)),
        (rare(20), rare(80), rare(60)),
    )
        .prop_map(|(a, b, (answer, splice, refusal))| {
            let (loss, burst, duplicate, late, repeat, too_long, differ) = a;
            let (jump, session, old_session, restart, end, pause, lag) = b;
            Trouble {
                whole: None,
                loss,
                burst,
                duplicate,
                late,
                repeat,
                too_long,
                differ,
                jump,
                session,
                old_session,
                restart,
                end,
                pause,
                lag: lag * 500_000,
                answer,
                splice,
                refusal,
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_its_twin(seed in any::<u64>(), steps in 1..400u64, trouble in troubles(), start in 0..60u64, grace in 0..2usize) {
        let _ = run(&packets(seed, steps, trouble), start, GRACES[grace]);
    }
}
