//! The machine of one partition: whole packets to books and statuses, into a sink that drops and
//! into a region. Floor: the packet framed and each message decoded.
//!
//! And what recovery adds where nothing is lost: the same machine with both of the venue's services.
//! Floor: without.

mod common;

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use candor::config::{self, Recovery};
use candor_bench::live::{self, Drop, Publish};
use candor_bench::{Blocks, itch};
use candor_core::{Line, Mono, Nanos, SeqNo};
use candor_decoders::Format;
use candor_engine::{Capacity, Config, Partition, Services, Sink};
use criterion::{Criterion, Throughput};

const SYMBOLS: usize = 500;
const MESSAGES: usize = 60_000;

/// What a partition lives through, round after round, in one session: only `measured` is timed.
#[derive(Clone)]
struct Day {
    warm: Blocks,
    measured: Blocks,
    drain: Blocks,
}

fn main() {
    let mut criterion = common::criterion();
    let flow = itch::flow(SYMBOLS, 60_000, MESSAGES);
    println!("engine: {SYMBOLS} symbols, {} orders rest", flow.resting);
    for each in [1, 20] {
        let packets = |messages, each| itch::packets(messages, each, SeqNo(1));
        let (warm, drain) = (packets(&flow.warm, 20), packets(&flow.drain, 20));
        let mut day = Day { warm, measured: packets(&flow.measured, each), drain };
        bench(&mut criterion, each, &mut day);
        bench_services(&mut criterion, each, &mut day);
    }
    criterion.final_summary();
}

/// Both services of the venue, as they are where nothing is tuned.
fn both_services() -> Services {
    let format = Format::NasdaqItch50;
    let recovery = Recovery::of(format);
    let server = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 26_477);
    let addresses = config::Services { retransmit_udp: vec![server], ..Default::default() };
    Services { retransmit: recovery.policy(format, &addresses), snapshot: Some(recovery.snapshot) }
}

fn partition(services: Services, sink: &mut impl Sink) -> Partition {
    let mut partition = Partition::new(Config {
        index: 0,
        format: Format::NasdaqItch50,
        lines: [true, false, false],
        grace: Nanos::from_millis(1),
        session_grace: Nanos::from_secs(2),
        services,
        silence: Nanos::from_secs(3),
        late: Nanos::from_millis(20),
        capacity: Capacity { symbols: SYMBOLS, orders: 1 << 16, levels: 1 << 16, trades: 1 << 14 },
        venue: Arc::default(),
        mapped_until: Mono::MAX,
        earlier: Vec::new(),
        followed: Vec::new(),
        moved: Vec::new(),
    });
    partition.start(Mono(1), sink);
    partition.subscribe(Mono(1), true, sink);
    partition
}

/// Where a partition is in time and in its sequence.
struct Place {
    now: u64,
    next: SeqNo,
}

impl Place {
    const START: Place = Place { now: 1_000_000_000, next: SeqNo::FIRST };

    fn feed(&mut self, partition: &mut Partition, packets: &Blocks, sink: &mut impl Sink) {
        for packet in packets.iter() {
            self.now += 1_000;
            let now = Mono(self.now);
            partition.on_packet(now, now, Line::A, packet, sink);
        }
    }

    fn rounds(
        &mut self,
        rounds: u64,
        partition: &mut Partition,
        day: &mut Day,
        sink: &mut impl Sink,
    ) -> Duration {
        let mut sum = Duration::ZERO;
        for _ in 0..rounds {
            for part in [&mut day.warm, &mut day.measured, &mut day.drain] {
                self.next = itch::renumber(part, self.next);
            }
            self.feed(partition, &day.warm, sink);
            sum += common::timed(|| self.feed(partition, &day.measured, sink));
            self.feed(partition, &day.drain, sink);
            assert!(partition.status().is_live(), "the day went wrong: {}", partition.status());
            assert_eq!(partition.expected(), self.next);
        }
        sum
    }
}

fn bench(criterion: &mut Criterion, each: usize, day: &mut Day) {
    let mut group = criterion.benchmark_group(format!("engine itch, {each} a packet"));
    group.throughput(Throughput::Elements(MESSAGES as u64));
    group.bench_function("floor: framed and decoded", |b| {
        b.iter(|| {
            for packet in day.measured.iter() {
                let packet = Format::NasdaqItch50.frame(packet).expect("it is whole");
                for message in packet.messages {
                    black_box(Format::NasdaqItch50.decode(message).expect("it is whole"));
                }
            }
        });
    });
    let mut place = Place::START;
    let mut sink = Drop::default();
    let mut machine = partition(Services::default(), &mut sink);
    group.bench_function("into a sink that drops", |b| {
        b.iter_custom(|rounds| place.rounds(rounds, &mut machine, day, &mut sink));
    });
    let mut heap = live::region(SYMBOLS as u32).expect("memory for a region");
    let mut sink = Publish(&mut heap.lane);
    let (mut place, mut machine) = (Place::START, partition(Services::default(), &mut sink));
    group.bench_function("into a region", |b| {
        b.iter_custom(|rounds| place.rounds(rounds, &mut machine, day, &mut sink));
    });
    group.finish();
}

fn bench_services(criterion: &mut Criterion, each: usize, day: &mut Day) {
    let mut group =
        criterion.benchmark_group(format!("engine itch, {each} a packet, nothing lost"));
    group.throughput(Throughput::Elements(MESSAGES as u64));
    let machines =
        [("floor: no services", Services::default()), ("both services", both_services())];
    for (name, services) in machines {
        let (mut place, mut sink) = (Place::START, Drop::default());
        let mut machine = partition(services, &mut sink);
        group.bench_function(name, |b| {
            b.iter_custom(|rounds| place.rounds(rounds, &mut machine, day, &mut sink));
        });
        assert_eq!(machine.next_action(), None, "nothing was lost");
    }
    group.finish();
}
