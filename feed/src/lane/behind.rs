//! A lane that is behind with what waits for it: nothing of it is Live, of whichever partition what waits may be.

use std::path::Path;
use std::sync::Mutex;

use candor_core::{Line, Reason};
use candor_shm::{Region, RegionSpec};

use super::day::{named, packet, reason, text};
use super::*;
use crate::attest::Verdict;
use crate::config::parse_text;
use crate::daily::shape;
use crate::lane::build::engine_config;
use crate::log::Log;
use crate::run::{handler_status, partition_spec};
use crate::source::Arrival;

/// What each poll brings, of which partition, and what it says is left.
type Polls = Vec<(Option<u16>, Polled)>;

struct Given(Arc<Mutex<Polls>>);

const DRAINED: Polled = Polled { frames: 0, drained: true, waits_since: None };

impl Source for Given {
    fn poll(&mut self, deliver: &mut dyn FnMut(Arrival<'_>)) -> Result<Polled, SourceError> {
        let (partition, polled) = self.0.lock().unwrap().pop().unwrap_or((None, DRAINED));
        if let Some(partition) = partition {
            let symbol = ["A", "B"][usize::from(partition)];
            let payload = packet("DAY0000001", 1, &[named(1, symbol)]);
            let at = Clock::new().now();
            deliver(Arrival { partition, line: Line::A, at, payload: &payload });
        }
        Ok(polled)
    }

    fn wait(&mut self, at_most: Nanos) -> Result<(), SourceError> {
        let _ = rustix::thread::nanosleep(&crate::clock::timespec(at_most));
        Ok(())
    }

    fn counts(&mut self) -> SourceCounts {
        SourceCounts::default()
    }

    fn mode(&self) -> &str {
        "given"
    }
}

/// Two partitions, Live, that may be late by 20 ms.
fn lane() -> (Lane, Progress, Region, Arc<Mutex<Polls>>) {
    let part = |name: &str| {
        format!(
            "[[venue.partition]]\nname = \"{name}\"\nlane = 0\n\
             lines.A = {{ group = \"239.1.1.{name}\", port = 1 }}\n"
        )
    };
    let toml = format!(
        "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\nkind = \"udp\"\n\
         interface = \"lo\"\n[[lane]]\n[[venue]]\nname = \"XNAS\"\nfeed = \"nasdaq-itch50\"\n\
         silence_ms = 60000\nlate_ms = 20\n{}{}",
        part("1"),
        part("2")
    );
    let config = parse_text(Path::new("t.toml"), &toml).unwrap();
    let mut spec = RegionSpec::new(text("t"));
    spec.process_lease = Nanos::from_secs(60);
    spec.partitions = config.partitions.iter().map(partition_spec).collect();
    let (mut handler, mut writers, region) = candor_shm::heap(&spec).unwrap();
    handler.set_status(handler_status(true, &Verdict::not_required()), Mono(1));
    let listed = Arc::new(shape::listed(&config.partitions, config.venues[0]));
    let partition = |number: u16| {
        let (one, listed) = (&config.partitions[usize::from(number)], Arc::clone(&listed));
        let engine = engine_config(number, one, None, listed, (Mono::MAX, Vec::new()));
        (number, Partition::new(engine))
    };
    let inbox = Arc::new(ArrayQueue::new(64));
    let polls: Arc<Mutex<Polls>> = Arc::default();
    let mut lane = Lane {
        index: 0,
        source: Box::new(Given(Arc::clone(&polls))),
        writer: writers.remove(0),
        partitions: vec![partition(0), partition(1)],
        subscribed: vec![true; 2],
        places: vec![Some(0), Some(1)],
        inbox: Arc::clone(&inbox),
        orders: Arc::new(Inbox::new()),
        maps: Arc::new(Way::new()),
        recovery: None,
        links: Links::new(vec![inbox; 2], Arc::new(Log::new())),
        lease: Nanos::from_secs(60),
        day_ends: Mono::MAX,
        idle: Idle::Block,
        stop: Arc::new(AtomicBool::new(false)),
    };
    let mut progress = lane.progress();
    lane.start(&mut progress);
    let one = Polled { frames: 1, ..DRAINED };
    polls.lock().unwrap().extend([(Some(1), one), (Some(0), one)]);
    for _ in 0..2 {
        lane.cycle(&mut progress).unwrap();
    }
    assert_eq!(both(&region), [None, None]);
    (lane, progress, region, polls)
}

fn both(region: &Region) -> [Option<Reason>; 2] {
    ["A", "B"].map(|symbol| reason(region, symbol))
}

const LATE: [Option<Reason>; 2] = [Some(Reason::Late); 2];

#[test]
fn what_may_wait_for_longer_than_the_bound_leaves_nothing_live() {
    let (mut lane, mut progress, region, _polls) = lane();
    let (looked, bound) = (progress.looked, Nanos::from_millis(20));
    let mut weigh = |now: Mono, drained: bool, waits_since: Option<Mono>| {
        lane.weigh(now, &Polled { frames: 64, drained, waits_since }, &mut progress);
        both(&region)
    };
    let beyond = |at: Mono| Mono((at + bound).0 + 1);
    assert_eq!(weigh(looked + bound, false, None), [None, None], "nobody can say, and not yet");
    assert_eq!(weigh(beyond(looked), false, None), LATE);
    // What is left came later than that.
    let since = looked + Nanos(5);
    assert_eq!(weigh(beyond(looked), false, Some(since)), [None, None]);
    assert_eq!(weigh(beyond(since), false, Some(looked)), LATE, "what is known stays known");
    assert_eq!(weigh(beyond(since), true, None), [None, None], "nothing waits");
}

#[test]
fn a_lane_that_was_idle_for_longer_than_the_bound_is_not_behind_with_what_wakes_it() {
    let (mut lane, mut progress, region, polls) = lane();
    for _ in 0..3 {
        let before = candor_shm::clock::now();
        lane.cycle(&mut progress).unwrap();
        assert!(candor_shm::clock::now().since(before) > Nanos::from_millis(20), "it has waited");
        let more = Polled { frames: 1, drained: false, waits_since: None };
        polls.lock().unwrap().push((Some(0), more));
        lane.cycle(&mut progress).unwrap();
        assert_eq!(both(&region), [None, None]);
    }
}

#[test]
fn what_had_come_before_the_lane_began_is_not_taken_for_new() {
    let (mut lane, _, region, _polls) = lane();
    // As it begins: what is joined fills the queues already.
    let mut progress = lane.progress();
    lane.start(&mut progress);
    let polled = Polled { frames: 64, drained: false, waits_since: None };
    lane.weigh(Clock::new().now(), &polled, &mut progress);
    lane.flush(&mut progress);
    let both = [0, 1].map(|at| lane.partitions[at].1.status().reason());
    assert_eq!(both, [Some(Reason::Late); 2]);
    assert!(["A", "B"].iter().all(|symbol| reason(&region, symbol).is_some()));
}
