//! What is sent in a test, and to whom.

use std::net::Ipv4Addr;

use candor::clock::Clock;
use candor::config::LineConfig;
use candor::source::{Arrival, Source};
use candor_core::{Line, Mono, Nanos};

/// A datagram to a group and port.
#[derive(Clone, Debug)]
pub struct Sent {
    pub group: Ipv4Addr,
    pub port: u16,
    pub payload: Vec<u8>,
}

/// Lines to receive, and datagrams that are sent once the source is open.
#[derive(Clone, Debug)]
pub struct Scene {
    pub lines: Vec<(u16, Line, LineConfig)>,
    pub sent: Vec<Sent>,
    pub batch: u32,
}

/// A source with everything that was sent waiting in it, and what must outlive it.
pub struct Rig {
    pub source: Box<dyn Source>,
    pub keep: Box<dyn std::any::Any>,
    /// Whether arrivals carry the host's clock; a capture's carry its own.
    pub host_clock: bool,
}

/// What was delivered, owned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Got {
    pub partition: u16,
    pub line: Line,
    pub at: Mono,
    pub payload: Vec<u8>,
}

impl Got {
    pub fn of(arrival: Arrival<'_>) -> Got {
        let Arrival { partition, line, at, payload } = arrival;
        Got { partition, line, at, payload: payload.to_vec() }
    }
}

pub fn line(group: [u8; 4], port: u16, interface: &str) -> LineConfig {
    LineConfig { group: group.into(), port, source: None, interface: interface.to_owned() }
}

impl Scene {
    /// Two partitions, the first with two lines of one port, the second with one of another.
    pub fn new(interface: &str) -> Scene {
        Scene {
            lines: vec![
                (0, Line::A, line([239, 77, 1, 1], 26401, interface)),
                (0, Line::B, line([239, 77, 1, 2], 26401, interface)),
                (7, Line::C, line([239, 77, 1, 1], 26402, interface)),
            ],
            sent: Vec::new(),
            batch: 16,
        }
    }

    pub fn send(&mut self, group: [u8; 4], port: u16, payload: &[u8]) {
        self.sent.push(Sent { group: group.into(), port, payload: payload.to_vec() });
    }

    /// What must be delivered: the payloads to each line, in order.
    pub fn expected(&self, partition: u16, line: Line) -> Vec<Vec<u8>> {
        let config = self.lines.iter().find(|(p, l, _)| (*p, *l) == (partition, line));
        let (_, _, config) = config.unwrap();
        self.sent
            .iter()
            .filter(|sent| (sent.group, sent.port) == (config.group, config.port))
            .map(|sent| sent.payload.clone())
            .collect()
    }
}

/// Polls until `count` datagrams came or a second passed.
pub fn take(source: &mut dyn Source, count: usize) -> Vec<Got> {
    let mut clock = Clock::new();
    let until = clock.now() + Nanos::from_secs(1);
    let mut got = Vec::new();
    while got.len() < count && clock.now() < until && !source.ended() {
        let polled = source.poll(&mut |arrival| got.push(Got::of(arrival))).unwrap();
        if polled.drained && got.len() < count {
            source.wait(Nanos::from_millis(20)).unwrap();
        }
    }
    got
}

/// Polls until nothing is left, and says what came.
pub fn drain(source: &mut dyn Source) -> Vec<Got> {
    let mut got = Vec::new();
    for _ in 0..10_000 {
        let polled = source.poll(&mut |arrival| got.push(Got::of(arrival))).unwrap();
        if polled.drained || source.ended() {
            return got;
        }
    }
    panic!("never drained");
}
