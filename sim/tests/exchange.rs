//! A whole exchange under a made-up clock.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use candor_core::{Content, Line, Mono, Nanos, SessionId, WireTime};
use candor_decoders::Format;
use candor_sim::control;
use candor_sim::exchange::{Exchange, ExchangeConfig, FlowConfig, TruthSink};
use candor_sim::market::MarketConfig;
use candor_sim::publisher::{Faults, LineConfig, Packing};
use candor_sim::services::ServicesConfig;
use candor_sim::truth::Truth;

const SECOND: u64 = 1_000_000_000;
const START: u64 = SECOND;
const FORMAT: Format = Format::NasdaqItch50;

/// A log kept in memory, readable while it is written.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Sent = (u64, usize, Line, Vec<u8>);

struct World {
    exchange: Exchange,
    now: u64,
    sent: Vec<Sent>,
    log: Shared,
}

impl World {
    fn new(rate: u64, paused: bool) -> World {
        let line = |packing| Some(LineConfig { packing, faults: Faults::default() });
        let config = ExchangeConfig {
            lines: [line(Packing::A), line(Packing::B), None],
            heartbeat: Nanos::from_secs(1),
            seed: 3,
            paused,
            history: 1 << 20,
            services: ServicesConfig::default(),
        };
        let market = MarketConfig {
            seed: 3,
            partitions: 3,
            symbols: 60,
            prefill: 2,
            halts: true,
            ..MarketConfig::default()
        };
        let flow = FlowConfig {
            market,
            session: *b"DAY1      ",
            rate,
            opening_rate: 100_000,
            begin: WireTime(0),
        };
        let log = Shared::default();
        let sink: TruthSink = Box::new(log.clone());
        let exchange = Exchange::market(&config, &flow, Some(sink), Mono(START)).unwrap();
        World { exchange, now: START, sent: Vec::new(), log }
    }

    /// Lets the exchange do whatever is due within the next milliseconds, at the times it names.
    fn pass(&mut self, ms: u64) {
        let until = self.now + ms * 1_000_000;
        while let Some(due) = self.exchange.next_due().filter(|due| due.0 <= until) {
            self.now = self.now.max(due.0);
            self.exchange.step(Mono(self.now)).unwrap();
            while let Some((partition, packet)) = self.exchange.pop(Mono(self.now)) {
                assert!(packet.due.0 <= self.now);
                self.sent.push((self.now, partition, packet.line, packet.payload));
            }
        }
        self.now = until;
    }

    fn say(&mut self, text: &str) -> String {
        let command = control::parse(text).unwrap();
        self.exchange.apply(Mono(self.now), &command).unwrap()
    }

    /// The messages of a partition's line by session and number; a number is never used twice.
    fn heard(&self, partition: usize, line: Line) -> BTreeMap<(u128, u64), Vec<u8>> {
        let mut heard = BTreeMap::new();
        for (_, _, _, payload) in self.of(partition, line) {
            let packet = FORMAT.frame(payload).unwrap();
            for (seq, bytes) in (packet.range.first.0..).zip(packet.messages) {
                let key = (packet.session.0, seq);
                assert!(heard.insert(key, bytes.to_vec()).is_none(), "{seq} twice");
            }
        }
        heard
    }

    fn of(&self, partition: usize, line: Line) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(move |(_, p, l, _)| (*p, *l) == (partition, line))
    }

    fn truth(&self) -> Truth {
        Truth::parse(&self.log.0.lock().unwrap()).unwrap()
    }
}

fn whole(heard: &BTreeMap<(u128, u64), Vec<u8>>) -> bool {
    let session = SessionId::from_text(*b"DAY1      ").0;
    heard.keys().copied().eq((1..=heard.len() as u64).map(|seq| (session, seq)))
}

#[test]
fn paused_there_are_heartbeats_and_then_the_rate_is_kept() {
    let mut world = World::new(10_000, true);
    world.pass(3_500);
    assert_eq!(world.sent.len(), 3 * 3 * 2);
    assert!(
        world
            .sent
            .iter()
            .all(|(.., payload)| FORMAT.frame(payload).unwrap().content == Content::Heartbeat)
    );
    world.say("resume");
    world.pass(1_000);
    world.sent.clear();
    world.pass(2_000);
    world.exchange.cut_all(Mono(world.now));
    let messages: usize = (0..3).map(|partition| world.heard(partition, Line::A).len()).sum();
    assert!((19_990..=20_010).contains(&messages), "{messages}");
    world.say("pause");
    world.pass(10);
    world.sent.clear();
    world.pass(900);
    assert!(world.sent.is_empty());
    world.say("rate 100");
    world.say("resume");
    world.pass(5_000);
    let messages: usize = (0..3).map(|partition| world.heard(partition, Line::A).len()).sum();
    assert!((498..=501).contains(&messages), "{messages}");
}

#[test]
fn a_silent_partition_changes_nothing_for_the_others_and_loses_nothing() {
    let run = |kill: bool| {
        let mut world = World::new(5_000, false);
        world.pass(1_000);
        if kill {
            world.say("kill partition 2");
        }
        let silent_from = world.now;
        world.pass(4_000);
        if kill {
            // Only what was pushed before the command leaves, at once.
            let last = world.of(1, Line::A).chain(world.of(1, Line::B)).map(|sent| sent.0).max();
            assert!(last.unwrap() <= silent_from + 100_000);
            world.say("revive partition 2");
        }
        world.pass(1_000);
        world
    };
    let (quiet, killed) = (run(false), run(true));
    for partition in [0, 2] {
        for line in [Line::A, Line::B] {
            let others = |world: &World| world.of(partition, line).cloned().collect::<Vec<_>>();
            assert_eq!(others(&quiet), others(&killed));
        }
    }
    let (all, some) = (quiet.heard(1, Line::A), killed.heard(1, Line::A));
    assert!(whole(&all) && whole(&some));
    assert!(some.len() < all.len() / 2);
}

#[test]
fn a_cut_partition_goes_on_unheard_and_every_number_is_in_the_log() {
    let mut world = World::new(5_000, false);
    world.pass(1_000);
    world.say("cut partition 1");
    world.pass(500);
    world.say("mend partition 1");
    world.pass(500);
    world.say("kill line 1 B");
    world.pass(500);
    let heard = world.heard(0, Line::A);
    let last = heard.keys().map(|(_, seq)| *seq).max().unwrap();
    let missing: u64 = world
        .truth()
        .missing()
        .iter()
        .filter(|one| one.partition == 0 && one.line == Line::A)
        .map(|one| one.withheld.range.len())
        .sum();
    assert!(missing > 100);
    assert_eq!(heard.len() as u64 + missing, last);
    assert!(world.heard(0, Line::B).len() < heard.len());
    assert!(whole(&world.heard(1, Line::B)));
}

#[test]
fn a_session_and_a_restart_begin_at_one_with_a_directory_and_books_of_their_own() {
    let mut world = World::new(5_000, false);
    world.pass(1_000);
    let first = world.heard(0, Line::A);
    world.say("session DAY2 1");
    world.pass(1_000);
    let both = world.heard(0, Line::A);
    assert!(first.iter().all(|(key, bytes)| both.get(key) == Some(bytes)));
    let day2 = SessionId::from_text(*b"DAY2      ").0;
    let second: Vec<u8> =
        both.range((day2, 1)..(day2 + 1, 0)).map(|(_, bytes)| bytes[0]).take(22).collect();
    assert_eq!(second, b"SSRRRRRRRRRRRRRRRRRRRR");
    assert!(whole(&world.heard(1, Line::A)));

    world.sent.clear();
    world.say("restart 1");
    world.pass(100);
    assert_eq!(world.heard(0, Line::A).first_key_value().map(|(key, _)| *key), Some((day2, 1)));
    let truth = world.truth();
    let runs: Vec<_> = truth
        .runs()
        .iter()
        .filter(|run| run.partition == 0)
        .map(|run| run.session.to_string())
        .collect();
    assert_eq!(runs, ["DAY1", "DAY2", "DAY2"]);
    let symbol = world.exchange.true_market().unwrap().partitions[0].symbols().next().unwrap();
    let history = truth.history(&symbol);
    assert!(history.is_sorted_by_key(|entry| (entry.run, entry.seq)));
    assert_eq!(history.last().unwrap().run, 2);
}

#[test]
fn the_day_ends_with_its_events_and_the_end_of_the_session() {
    let mut world = World::new(5_000, false);
    world.pass(1_000);
    world.say("end");
    world.pass(20_000);
    for partition in 0..3 {
        let heard = world.heard(partition, Line::B);
        assert!(whole(&heard));
        let last: Vec<u8> = heard.values().rev().take(3).map(|bytes| bytes[11]).collect();
        assert_eq!(last, b"CEM");
        let last = &world.of(partition, Line::A).last().unwrap().3;
        let last = FORMAT.frame(last).unwrap();
        assert_eq!((last.content, last.range.first.0), (Content::End, heard.len() as u64 + 1));
    }
    assert!(world.sent.iter().all(|(at, ..)| *at < START + 12 * SECOND));
}

#[test]
fn the_same_seed_and_commands_send_the_same_packets_at_the_same_times() {
    let run = || {
        let mut world = World::new(20_000, false);
        world.say("loss 5%");
        world.say("dup B 2%");
        world.say("reorder A 3% 2ms");
        world.pass(700);
        world.say("delay 2 B 30ms");
        world.pass(300);
        (world.sent, world.log.0.lock().unwrap().clone())
    };
    assert!(run() == run());
}

#[test]
fn commands_about_what_is_not_there_are_refused_and_change_nothing() {
    let mut world = World::new(1_000, false);
    for text in
        ["kill partition 4", "loss 9 5%", "kill line C", "session LONGERTHANTEN", "loss C 1%"]
    {
        let command = control::parse(text).unwrap();
        let refused = world.exchange.apply(Mono(START), &command);
        assert!(refused.is_err(), "{text}");
    }
    let status = world.exchange.status();
    assert_eq!(status["partitions"][0]["session"], "DAY1");
    assert_eq!(status["partitions"][0]["lines"]["A"]["faults"]["loss_ppm"], 0);
}
