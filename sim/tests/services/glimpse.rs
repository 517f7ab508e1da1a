//! GLIMPSE without faults.

use candor_core::{Mono, SeqNo, SymbolIndex};
use candor_decoders::nasdaq::soupbintcp::{FromClient, Rejection};
use candor_sim::publisher::{Framing, Publisher, PublisherConfig};
use candor_sim::services::{Connection, Image, Partition, ServiceKind, ServicesConfig};

use crate::world::{Books, FORMAT, SESSION, SYMBOLS, World, login};

#[test]
fn a_snapshot_and_the_history_behind_it_give_the_true_books() {
    for ms in [0, 1, 2, 150, 900] {
        let mut world = World::new(10_000);
        world.pass(ms);
        let (next, then) = (world.next(), world.market().clone());
        world.log_in(1);
        // The client takes the first chunk and nothing more for a while, and the market goes on.
        world.pass(1);
        world.exchange.on_room(0, Connection(1), false);
        world.pass(200);
        world.exchange.on_room(0, Connection(1), true);
        world.pass(20);
        let snapshot = world.streams[&1].snapshot();
        assert!(snapshot.accepted);
        assert_eq!(snapshot.next, Some(next));
        let mut books = Books::snapshot(&snapshot.messages, next);
        if ms > 2 {
            assert!(books.agree(&then));
            assert!(!books.agree(world.market()));
        }
        for seq in next..world.next() {
            books.apply(seq, world.history().get(SeqNo(seq)).unwrap());
        }
        assert!(books.agree(world.market()), "after {ms} ms");
    }
}

#[test]
fn an_image_has_every_open_order_once_in_the_stated_order() {
    let mut world = World::new(10_000);
    world.pass(700);
    let then = world.market().clone();
    world.log_in(1);
    world.pass(1);
    let snapshot = world.streams[&1].snapshot();
    let kinds: Vec<u8> = snapshot.messages.iter().map(|message| message[0]).collect();
    let system = kinds.iter().take_while(|kind| **kind == b'S').count();
    assert_eq!(system, 3);
    let adds = kinds.iter().position(|kind| *kind == b'A').unwrap();
    assert!(kinds[adds..].iter().all(|kind| *kind == b'A'));
    assert!(kinds[system..adds].iter().all(|kind| b"RHY".contains(kind)));
    assert_eq!(kinds.iter().filter(|kind| **kind == b'R').count(), SYMBOLS);
    assert_eq!(kinds.iter().filter(|kind| **kind == b'H').count(), SYMBOLS);
    let mut heard = Vec::new();
    for message in &snapshot.messages[adds..] {
        let known = FORMAT.decode(message).unwrap();
        let candor_core::Event::Add { order, side, price, size } = known.event else { panic!() };
        heard.push((known.key.0, order, side, price.0, size));
    }
    assert!(heard.is_sorted());
    let mut truth = Vec::new();
    for index in 0..SYMBOLS {
        for o in then.book(SymbolIndex(index as u32)).orders() {
            truth.push((index as u64 + 1, o.reference, o.side, i64::from(o.price), o.size));
        }
    }
    truth.sort();
    assert!(heard == truth && heard.len() > 200);
}

#[test]
fn without_a_true_market_the_kept_orders_give_the_same_image() {
    let mut world = World::new(10_000);
    world.pass(700);
    let replay = |from: u64| {
        let config = PublisherConfig {
            first: SeqNo(from),
            keeps_orders: true,
            ..PublisherConfig::new(Framing::MoldUdp64(SESSION), 1)
        };
        let mut publisher = Publisher::new(&config, Mono(0));
        for seq in from..world.next() {
            publisher.push(Mono(0), world.history().get(SeqNo(seq)).unwrap()).unwrap();
        }
        publisher
    };
    let publisher = replay(1);
    let kept = Image::now(&Partition { publisher: &publisher, market: None }, Mono(0)).unwrap();
    let truth = Image::now(&world.exchange.partition(0), Mono(0)).unwrap();
    assert_eq!(kept.count, truth.count);
    // Times of day differ: the replay has another clock.
    let timeless = |image: &Image| -> Vec<Vec<u8>> {
        let without_time = |m: &[u8]| [&m[..5], &m[11..]].concat();
        image.messages().map(without_time).collect()
    };
    assert_eq!(timeless(&kept), timeless(&truth));
    let rebuilt = Image::back(&world.exchange.partition(0), Mono(0), 0).unwrap();
    assert!(rebuilt.messages().eq(truth.messages()));
    // Who joined late knows not what stands.
    let publisher = replay(100);
    let late = Partition { publisher: &publisher, market: None };
    assert_eq!(Image::now(&late, Mono(0)), None);
}

#[test]
fn logins_that_are_not_allowed_are_told_so() {
    let config =
        ServicesConfig { login: Some((*b"USER  ", *b"SECRET    ")), ..ServicesConfig::default() };
    let mut world = World::with(10_000, 1_000_000, config);
    world.pass(50);
    world.connect(1);
    world.send(1, login(*b"DAY0      "));
    world.connect(2);
    let FromClient::Login(mut wrong) = login(SESSION) else { panic!() };
    wrong.password = *b"GUESS     ";
    world.send(2, FromClient::Login(wrong));
    world.connect(3);
    world.send(3, login(SESSION));
    world.pass(1);
    let rejected = |name| (world.streams[&name].snapshot().rejected, world.streams[&name].closed);
    assert_eq!(rejected(1), (Some(Rejection::NoSuchSession), Some(world.now - 1_000_000)));
    assert_eq!(rejected(2).0, Some(Rejection::NotAuthorised));
    assert!(rejected(2).1.is_some());
    assert_eq!(rejected(3), (None, None));
    assert_eq!(world.streams[&3].snapshot().next, Some(world.next() - 10));
    let counts = world.exchange.services()[0].counts(ServiceKind::Snapshot);
    assert_eq!((counts.requests, counts.answered, counts.refused), (3, 1, 2));
}

#[test]
fn a_connection_lives_by_heartbeats_and_ends_by_logout_or_silence() {
    let mut world = World::new(1_000);
    world.pass(100);
    world.log_in(1);
    world.log_in(2);
    world.connect(3);
    let begun = world.now;
    for _ in 0..20 {
        world.pass(1_000);
        world.send(1, FromClient::Heartbeat);
    }
    // One a second since the snapshot.
    assert!((19..=20).contains(&world.streams[&1].snapshot().heartbeats));
    assert_eq!(world.streams[&1].closed, None);
    assert_eq!(world.streams[&2].closed, Some(begun + 15_000_000_000));
    assert_eq!(world.streams[&3].closed, None);
    world.send(1, FromClient::Logout);
    world.pass(11_000);
    assert!(world.streams[&1].closed.is_some());
    assert_eq!(world.streams[&3].closed, Some(begun + 30_000_000_000));
    assert_eq!(world.exchange.services()[0].open(ServiceKind::Snapshot), 0);
}

#[test]
fn strange_clients_are_closed_and_harm_nobody() {
    let mut world = World::new(1_000);
    world.pass(100);
    let say = |world: &mut World, name: u32, bytes: &[u8]| {
        world.exchange.on_bytes(Mono(world.now), 0, Connection(name), bytes);
    };
    world.connect(1);
    say(&mut world, 1, &[0xFF; 100]);
    world.connect(2);
    say(&mut world, 2, &[0, 0]);
    world.log_in(3);
    world.send(3, login(SESSION));
    // One that floods without ever ending a packet, and one that comes a byte at a time.
    world.connect(4);
    say(&mut world, 4, &[3; 60_000]);
    world.connect(5);
    let mut buffer = [0; 1_024];
    for byte in login(SESSION).encode(&mut buffer).unwrap() {
        say(&mut world, 5, &[*byte]);
    }
    // One that never takes a byte.
    world.log_in(6);
    world.exchange.on_room(0, Connection(6), false);
    for name in 7..20 {
        world.connect(name);
    }
    world.pass(5);
    for name in [1, 2, 3, 4] {
        assert!(world.streams[&name].closed.is_some(), "{name}");
    }
    assert!(world.streams[&5].snapshot().next.is_some());
    let counts = world.exchange.services()[0].counts(ServiceKind::Snapshot);
    assert_eq!(counts.connections + counts.turned_away, 19);
    assert!(counts.turned_away >= 7);
    assert!(world.streams[&19].closed.is_some());
    world.pass(31_000);
    assert!(world.streams[&6].bytes.is_empty());
    assert!(world.streams[&6].closed.is_some());
    assert!(world.streams.values().all(|stream| stream.closed.is_some()));
}

#[test]
fn images_of_the_same_moment_are_shared_and_those_of_another_run_never_are() {
    let config = ServicesConfig {
        image_age: candor_core::Nanos::from_secs(10),
        ..ServicesConfig::default()
    };
    let mut world = World::with(10_000, 1_000_000, config);
    world.pass(100);
    let next = world.next();
    world.log_in(1);
    world.pass(100);
    world.log_in(2);
    world.pass(1);
    assert_eq!(world.streams[&1].bytes, world.streams[&2].bytes);
    assert_eq!(world.streams[&2].snapshot().next, Some(next));
    world.say("restart 1");
    world.pass(300);
    world.log_in(3);
    world.pass(1);
    let snapshot = world.streams[&3].snapshot();
    assert_ne!(snapshot.next, Some(next));
    let books = Books::snapshot(&snapshot.messages, snapshot.next.unwrap());
    let mut on = books;
    for seq in snapshot.next.unwrap()..world.next() {
        on.apply(seq, world.history().get(SeqNo(seq)).unwrap());
    }
    assert!(on.agree(world.market()));
}
