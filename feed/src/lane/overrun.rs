//! No room on the way to the venue's services or back: the lane, its mailbox and the services' desk as they
//! are, and a partition that must neither wait for what never left nor believe what came in part.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use candor_core::counters::Counter;
use candor_core::{Action, Mono, Nanos, Reason, Refusal, SnapshotAsk};
use candor_engine::Step;
use candor_maps::calendar::Wall;
use candor_services::snapshot::BLOCK_BYTES;
use candor_shm::{Region, RegionSpec};
use candor_snapshot::Failure;
use crossbeam_queue::ArrayQueue;

use super::day::{Given, named, packet, text};
use super::*;
use crate::attest::Verdict;
use crate::config::parse_text;
use crate::daily::{resolve, shape};
use crate::lane::build::engine_config;
use crate::log::{Log, Told};
use crate::recovery::by_hand::ByHand;
use crate::run::{handler_status, partition_spec};

const SESSION: &str = "DAY0000001";

/// How long the first snapshot that came to nothing is waited for.
const RETRY: Nanos = Nanos::from_millis(100);

struct Scene {
    lane: Lane,
    progress: Progress,
    given: Given,
    region: Region,
    hand: ByHand,
    /// Takes the snapshot's connections, so that they are made.
    _listener: TcpListener,
}

impl Scene {
    /// A partition with `A`, which is Live by numbers 1 to 2.
    fn new(retransmit: bool) -> Scene {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asks = if retransmit { "retransmit = [\"udp://127.0.0.1:9\"]\n" } else { "" };
        let toml = format!(
            "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\nkind = \"udp\"\n\
             interface = \"lo\"\n[[lane]]\n[[venue]]\nname = \"XNAS\"\nfeed = \"nasdaq-itch50\"\n\
             silence_ms = 60000\nlate_ms = 60000\n\
             recovery = {{ timeout_ms = 50, timeout_max_ms = 50, attempts = 3, patience_ms = 60000, \
             begin_ms = 60000, retry_ms = 100, retry_max_ms = 100 }}\n\
             [[venue.partition]]\nname = \"1\"\nlane = 0\n\
             lines.A = {{ group = \"239.1.1.1\", port = 26401 }}\n{asks}snapshot = [\"tcp://{address}\"]\n"
        );
        let config =
            parse_text(Path::new("t.toml"), &toml).unwrap_or_else(|error| panic!("{error}"));
        let places = resolve(&config, Wall(0)).unwrap().places;
        let (hand, mailbox) = ByHand::new(&config, &places);
        let mut spec = RegionSpec::new(text("t"));
        spec.process_lease = Nanos::from_secs(60);
        spec.partitions = config.partitions.iter().map(partition_spec).collect();
        let (mut handler, mut writers, region) = candor_shm::heap(&spec).unwrap();
        handler.set_status(handler_status(true, &Verdict::not_required()), Mono(1));
        let inbox = Arc::new(ArrayQueue::new(64));
        let listed = Arc::new(shape::listed(&config.partitions, config.venues[0]));
        let (partition, recovery) = (&config.partitions[0], Some(&config.recovery[0]));
        let engine = engine_config(0, partition, recovery, listed, (Mono::MAX, Vec::new()));
        let given = Given::default();
        let mut lane = Lane {
            index: 0,
            source: Box::new(given.clone()),
            writer: writers.remove(0),
            partitions: vec![(0, Partition::new(engine))],
            subscribed: vec![true],
            places: vec![Some(0)],
            inbox: Arc::clone(&inbox),
            orders: Arc::new(Inbox::new()),
            maps: Arc::new(Way::new()),
            recovery: Some(mailbox),
            links: Links::new(vec![inbox], Arc::new(Log::new())),
            lease: Nanos::from_secs(60),
            day_ends: Mono::MAX,
            idle: Idle::Spin,
            stop: Arc::new(AtomicBool::new(false)),
        };
        let mut progress = lane.progress();
        lane.start(&mut progress);
        let mut scene = Scene { lane, progress, given, region, hand, _listener: listener };
        scene.bring(1, &[named(1, "A"), named(1, "A")]);
        scene.until("it is Live", |scene| scene.reason().is_none());
        scene
    }

    /// The line brings messages from this number on; none are a heartbeat.
    fn bring(&self, number: u8, messages: &[Vec<u8>]) {
        self.given.give(0, packet(SESSION, number.into(), messages));
    }

    /// Number 3 never comes.
    fn lose(&mut self) {
        self.bring(4, &[named(1, "A")]);
        self.until("the gap outlives the grace", |scene| scene.reason().is_some());
        assert_eq!(self.reason(), Some(Reason::Gap));
    }

    fn reason(&self) -> Option<Reason> {
        let handle = *self.region.find_all(&text("XNAS"), &text("A")).first()?;
        self.region.read(handle).reason()
    }

    fn count(&self, counter: Counter) -> u64 {
        self.lane.partitions[0].1.counters().get(counter)
    }

    /// Goes on until something is so.
    fn until(&mut self, what: &str, so: impl Fn(&Scene) -> bool) {
        for _ in 0..10_000 {
            self.lane.cycle(&mut self.progress).unwrap();
            if so(self) {
                return;
            }
            let _ = rustix::thread::nanosleep(&crate::clock::timespec(Nanos::from_millis(1)));
        }
        panic!("waited in vain: {what}");
    }

    /// Goes on until a counter has grown by one, and says at which times that was not yet so, and was.
    fn until_counted(&mut self, counter: Counter) -> (Mono, Mono) {
        let before = self.count(counter);
        let not_yet = std::cell::Cell::new(candor_shm::clock::now());
        self.until(counter.label(), |scene| {
            assert!(scene.reason().is_some(), "Live while something is missing");
            let now = scene.count(counter);
            assert!(now <= before + 1, "{} goes round without a pause", counter.label());
            if now == before {
                not_yet.set(candor_shm::clock::now());
            }
            now > before
        });
        (not_yet.get(), candor_shm::clock::now())
    }

    /// Goes on until the partition wants this of the services, and nothing else before.
    fn until_wished(&mut self, what: &str) -> Action {
        let wished = std::cell::Cell::new(None);
        self.until(what, |scene| {
            assert!(scene.reason().is_some(), "Live while something is missing");
            wished.set(scene.hand.wish());
            wished.get().is_some()
        });
        wished.get().unwrap()
    }

    fn until_snapshot(&mut self) -> SnapshotAsk {
        match self.until_wished("a snapshot is asked for") {
            Action::Snapshot(ask) => ask,
            other => panic!("{other:?}"),
        }
    }

    /// Whether operators are told of a snapshot that failed by this.
    fn failed_as(&self, refusal: Refusal) -> bool {
        let said = std::cell::Cell::new(false);
        let failed = Step::SnapshotFailed { why: Failure::Refused(refusal) };
        self.lane.links.log.write(
            |_| "t".to_owned(),
            |_, _, told| {
                said.set(said.get() || matches!(told, Told::Step(step) if *step == failed))
            },
        );
        said.get()
    }

    /// The queue to the recovery thread is emptied: nothing of it was the partition's.
    fn empty(&self) {
        while let Some(wish) = self.hand.wish() {
            assert_eq!(wish, Action::DropSnapshot { cycle: u32::MAX });
        }
    }
}

/// A packet of SoupBinTCP.
fn soup(kind: u8, payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u16 + 1;
    [&len.to_be_bytes()[..], &[kind], payload].concat()
}

/// What GLIMPSE sends: the login taken, this many messages that name `A`, and an end before `next`.
fn image(messages: usize, next: u64) -> Vec<u8> {
    let mut bytes = soup(b'A', format!("{SESSION}{:>20}", 1).as_bytes());
    for _ in 0..messages {
        bytes.extend(soup(b'S', &named(1, "A")));
    }
    bytes.extend(soup(b'S', format!("G{next:>20}").as_bytes()));
    bytes
}

#[test]
fn a_request_that_finds_no_room_is_refused_and_made_again_and_what_is_missing_comes() {
    let mut scene = Scene::new(true);
    scene.hand.fill();
    scene.lose();
    assert_eq!(scene.count(Counter::RetransmitRefused), 1, "at once");
    scene.empty();
    let Action::Retransmit(again) = scene.until_wished("it is asked for again") else {
        panic!("a snapshot before all attempts are made");
    };
    assert_eq!((again.range.first.0, again.range.end.0, again.attempt), (3, 4, 1));
    assert_eq!(scene.count(Counter::RetransmitTimeouts), 0, "nobody waited for what never left");
    scene.hand.ask(Action::Retransmit(again));
    scene.hand.answer(&packet(SESSION, 3, &[named(1, "A")]));
    scene.until("it is Live again", |scene| scene.reason().is_none());
    assert_eq!(scene.count(Counter::RetransmitFilled), 1);
    assert_eq!(scene.count(Counter::SnapshotRequests), 0);
}

#[test]
fn a_way_that_stays_full_uses_up_the_attempts_and_then_refuses_the_snapshot_too() {
    let mut scene = Scene::new(true);
    scene.hand.fill();
    scene.lose();
    for _ in 1..3 {
        scene.until_counted(Counter::RetransmitRefused);
    }
    assert_eq!(scene.count(Counter::RetransmitGivenUp), 1);
    // The snapshot follows at once, and is refused in the same cycle.
    scene.until("it is refused", |scene| scene.count(Counter::SnapshotsFailed) > 0);
    let (first, _) = scene.until_counted(Counter::SnapshotsFailed);
    let (_, second) = scene.until_counted(Counter::SnapshotsFailed);
    assert!(second.since(first) >= RETRY, "asked again after {}", second.since(first));
    assert_eq!(scene.count(Counter::SnapshotRequests), scene.count(Counter::SnapshotsFailed));
    assert_eq!(scene.reason(), Some(Reason::Gap));
    scene.empty();
    let ask = scene.until_snapshot();
    assert_eq!((ask.needs.0, u64::from(ask.cycle)), (4, scene.count(Counter::SnapshotRequests)));
    scene.hand.ask(Action::Snapshot(ask));
    scene.hand.serve(&image(1, 4));
    scene.until("it is whole", |scene| scene.count(Counter::SnapshotsSpliced) == 1);
    assert_eq!(
        scene.reason(),
        Some(Reason::Late),
        "what was held back follows, and no line has gone on since"
    );
    scene.bring(5, &[]);
    scene.until("it is Live again", |scene| scene.reason().is_none());
}

#[test]
fn a_snapshot_that_finds_no_buffer_is_broken_off_at_once_and_fetched_again_whole() {
    let mut scene = Scene::new(false);
    // More than one block, and room for one.
    let long = 2 * BLOCK_BYTES / named(1, "A").len();
    scene.lose();
    let ask = scene.until_snapshot();
    scene.hand.ask(Action::Snapshot(ask));
    scene.hand.leave_buffers(1);
    scene.hand.serve(&image(long, 5));
    let (not_yet, _) = scene.until_counted(Counter::SnapshotsFailed);
    assert!(scene.failed_as(Refusal::Overrun), "told, and not found out by waiting");
    // It was of use until then: the beginning came, and a block.
    assert_eq!(scene.reason(), Some(Reason::Recovering));
    scene.bring(5, &[]);
    scene.hand.give_back();
    let again = scene.until_snapshot();
    assert!(candor_shm::clock::now().since(not_yet) >= RETRY);
    assert!(again.cycle > ask.cycle);
    scene.hand.ask(Action::Snapshot(again));
    scene.hand.serve(&image(long, 5));
    scene.until("it is whole", |scene| scene.count(Counter::SnapshotsSpliced) == 1);
    scene.bring(5, &[]);
    scene.until("it is Live again", |scene| scene.reason().is_none());
}
