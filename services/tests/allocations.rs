//! After construction nothing allocates, whatever comes.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use candor_core::{Action, Ask, Mono, SeqNo, SnapshotAsk};
use candor_decoders::Format;
use candor_services::agent::{self, Agent, Channel, Clients, Shell, Told};
use candor_services::desk::Concurrency;
use candor_services::{Budget, Count, Decision, Desk, Io, SnapshotDesk, retransmit, snapshot};
use common::*;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; beside it only a number that needs
// no allocation is counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps `alloc`'s contract, which is the same here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from `alloc` above with this layout, so from the system's allocator.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn snapshots(format: Format) {
    let mut client = snapshot::Client::new(format, snapshot::Config::of(format, 3));
    let wire = image(format);
    let mut now = START;
    let before = ALLOCATIONS.get();
    for cycle in 0..2_000_u32 {
        let ask = SnapshotAsk {
            cycle,
            session: session(format),
            needs: SeqNo(9),
            opened: now,
            expires: now + secs(9),
        };
        client.ask(now, ask);
        let mut rest = &wire[..wire.len() - usize::try_from(cycle % 3).unwrap()];
        for _ in 0..100 {
            while client.next_io().is_some() {}
            while client.next_result().is_some() {}
            match client.deadline() {
                None => break,
                Some(due) if cycle % 5 == 1 || rest.is_empty() => {
                    now = now.max(due);
                    client.on_deadline(now);
                }
                Some(_) if rest.len() >= wire.len() - 2 => {
                    client.on_connected(now);
                    while client.next_io().is_some() {}
                    let cut = rest.len().min(1 + (cycle as usize * 31) % wire.len());
                    let taken = client.on_bytes(now, &rest[..cut]);
                    rest = &rest[taken..];
                }
                Some(_) => {
                    let taken = client.on_bytes(now, rest);
                    rest = &rest[taken..];
                }
            }
        }
        now = now + secs(20);
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_ne!(client.counts().get(Count::Snapshots), 0);
    assert_ne!(client.counts().get(Count::TimedOut), 0);
}

fn retransmits(format: Format, transport: retransmit::Transport) {
    let config = retransmit::Config::of(transport, 3);
    let mut client = retransmit::Client::new(format, config).unwrap();
    let wire = answer(format, 10, 60);
    let mut now = START;
    let before = ALLOCATIONS.get();
    for round in 0..2_000_u64 {
        let ask = Ask {
            session: session(format),
            range: range(10 + round % 7, 40 + round % 30),
            attempt: 0,
            with_known: false,
            opened: now,
            expires: now + millis(round % 300),
        };
        client.ask(now, ask);
        let drain = |client: &mut retransmit::Client| {
            while client.next_io().is_some() {}
            while client.next_result().is_some() {}
        };
        drain(&mut client);
        if round % 3 == 0 {
            client.on_datagram(now, (round % 4) as usize, &wire);
            drain(&mut client);
            client.on_connected(now);
            drain(&mut client);
            let _ = client.on_bytes(now, &wire);
            drain(&mut client);
        }
        now = now + millis(round % 90);
        if client.deadline().is_some_and(|due| due <= now) {
            client.on_deadline(now);
            drain(&mut client);
        }
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_ne!(client.counts().get(Count::Answers), 0);
}

/// A shell that has room for everything and keeps nothing.
struct Nowhere;

impl Shell for Nowhere {
    fn io(&mut self, _partition: u16, _channel: Channel, _io: Io<'_>) {}

    fn tell(&mut self, _partition: u16, _told: Told<'_>) -> bool {
        true
    }
}

/// Asks, answers and garbage in turns, on every channel of two partitions.
#[test]
fn an_agent_allocates_for_nobodys_bytes() {
    let clients = |format| Clients {
        retransmit_udp: client(format, retransmit::Transport::Udp),
        retransmit_tcp: client(format, retransmit::Transport::Tcp),
        snapshot: Some(snapshot::Client::new(format, snapshot::Config::of(format, 2))),
    };
    let budget = Budget { second: 50, minute: 1_000, day: 10_000 };
    let concurrency = Concurrency { snapshots: 2, longest: secs(30) };
    let config =
        agent::Config { retransmit: budget, snapshot: budget, concurrency, datagram_max: 10 };
    let formats = [Format::NasdaqItch50, Format::IexDeep];
    let mut agent = Agent::new(config, formats.map(clients).into());
    let wires = formats.map(|format| [image(format), answer(format, 10, 60), vec![0xff; 3_000]]);
    let before = ALLOCATIONS.get();
    for round in 0..20_000_u64 {
        let now = START + millis(round * 11);
        let at = (round % 2) as usize;
        let (partition, session) = (at as u16, session(formats[at]));
        let range = range(10 + round % 7, 13 + round % 30);
        let expires = now + millis(round % 300);
        let ask = Ask { session, range, attempt: 0, with_known: false, opened: now, expires };
        agent.act(now, partition, Action::Retransmit(ask), &mut Nowhere);
        if round % 9 == 0 {
            let cycle = round as u32;
            let expires = now + secs(9);
            let ask = SnapshotAsk { cycle, session, needs: SeqNo(1), opened: now, expires };
            agent.act(now, partition, Action::Snapshot(ask), &mut Nowhere);
        }
        let wire = &wires[at][(round % 11 % 3) as usize];
        agent.on_datagram(now, partition, (round % 3) as usize, wire, &mut Nowhere);
        for channel in Channel::ALL {
            agent.on_connected(now, partition, channel, &mut Nowhere);
            agent.on_bytes(now, partition, channel, wire, &mut Nowhere);
            if round % 13 == 0 {
                agent.on_closed(now, partition, channel, &mut Nowhere);
            }
        }
        agent.on_deadline(now, &mut Nowhere);
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    for clients in agent.clients() {
        let snapshots =
            clients.snapshot.as_ref().map(|client| client.counts().get(Count::Snapshots));
        assert_ne!(snapshots, Some(0));
        let answers = clients.retransmit_udp.as_ref().map(|it| it.counts().get(Count::Answers));
        assert_ne!(answers, Some(0));
    }
}

fn client(format: Format, transport: retransmit::Transport) -> Option<retransmit::Client> {
    retransmit::Client::new(format, retransmit::Config::of(transport, 2)).ok()
}

#[test]
fn nothing_allocates_after_construction() {
    snapshots(Format::NasdaqItch50);
    snapshots(Format::IexDeep);
    retransmits(Format::NasdaqItch50, retransmit::Transport::Udp);
    retransmits(Format::IexDeep, retransmit::Transport::Udp);
    retransmits(Format::IexDeep, retransmit::Transport::Tcp);

    let budget = Budget { second: 3, minute: 20, day: 500 };
    let mut desk = Desk::new(16, budget);
    let concurrency = Concurrency { snapshots: 2, longest: secs(30) };
    let mut snapshots = SnapshotDesk::new(16, budget, concurrency);
    let before = ALLOCATIONS.get();
    for round in 0..5_000_u64 {
        let now = START + millis(round * 37);
        let partition = (round * 7 % 40) as u16;
        let ask = Ask {
            session: mold_session(),
            range: range(round, round + 5),
            attempt: 0,
            with_known: false,
            opened: now,
            expires: now + millis(round % 900),
        };
        desk.ask(now, partition, ask);
        while let Some(decision) = desk.next(now) {
            match decision {
                Decision::Send { .. } if round % 5 == 0 => desk.release(1),
                Decision::Send { .. } => desk.left(now, 1),
                Decision::Refused { .. } => {}
            }
        }
        snapshots.ask(
            now,
            partition,
            SnapshotAsk {
                cycle: round as u32,
                session: mold_session(),
                needs: SeqNo(1),
                opened: Mono(round),
                expires: now + secs(1),
            },
        );
        while let Some(decision) = snapshots.next(now) {
            snapshots.left(now, usize::from(matches!(decision, Decision::Send { .. })));
        }
        snapshots.done(now, partition, round as u32);
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    for tried in [Count::Requests, Count::Expired, Count::Overflows] {
        assert_ne!(desk.counts().get(tried), 0, "{} was not tried", tried.label());
    }
}
