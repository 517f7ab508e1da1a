//! A map that ends, and another that is taken while its partitions run.

mod common;

use std::sync::Arc;

use candor_core::counters::Counter;
use candor_core::{Action, Line, Mono, Nanos, Reason, SessionId, Symbol};
use candor_engine::{Claim, Config, NewMap, Services};
use common::floor::{Floor, map, symbol, two};
use common::services::{SNAPSHOTS, actions, begin, end, load, snapshot_asked};
use common::{Bench, SESSION, SESSION_GRACE, SILENCE, add, config, delete, directory, mold};

/// What `two` has, and with AAPL where GOOG and MSFT are.
const BEFORE: [(&str, u16); 3] = [("AAPL", 0), ("GOOG", 1), ("MSFT", 1)];
const AFTER: [(&str, u16); 3] = [("AAPL", 1), ("GOOG", 1), ("MSFT", 1)];

const HOUR: Nanos = Nanos::from_secs(3_600);

/// Which symbols partition 0 says are named there too, and to whom.
fn said(floor: &Floor) -> Vec<(Symbol, u16)> {
    let named = |(name, home, claim): &(Symbol, u16, Claim)| {
        assert!(matches!(claim, Claim::Named { .. }), "{claim:?}");
        (*name, *home)
    };
    floor.benches[0].shown.claims.iter().map(named).collect()
}

#[test]
fn a_map_that_ends_leaves_nothing_live() {
    let start = Mono(1_000_000_000);
    let ends = start + Nanos::from_secs(2);
    let mut bench = Bench::with(Config { mapped_until: ends, ..config(&[("AAPL", 0)]) });
    bench.subscribe(true);
    bench.send(Line::A, 1, &[directory(1, "AAPL")]);
    assert!(bench.status("AAPL").is_live());
    // By the lease alone, should nobody ever call again.
    assert_eq!(bench.shown.lease, ends);
    assert_eq!(bench.partition.deadline(), Some(ends));
    bench.pass(Nanos(Nanos::from_secs(2).0 - 1 - bench.now.since(start).0));
    assert!(bench.status("AAPL").is_live());
    bench.pass(Nanos(1));
    assert_eq!(bench.reason("AAPL"), Some(Reason::NoMap));
    // And a packet, the first thing to happen behind the end as well, brings nothing back.
    bench.heartbeat(Line::A, 2);
    assert_eq!(bench.reason("AAPL"), Some(Reason::NoMap));

    let mut bench = Bench::with(Config { mapped_until: ends, ..config(&[("AAPL", 0)]) });
    bench.subscribe(true);
    bench.now = ends;
    bench.send(Line::A, 1, &[directory(1, "AAPL")]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::NoMap));
}

#[test]
fn under_a_map_that_holds_longer_what_was_heard_vouches_in_full() {
    let ends = Mono(1_000_000_000) + Nanos::from_secs(1);
    let mut floor = Floor::new(1, &[("AAPL", 0)], ends);
    floor.name(0, 1, &["AAPL"]);
    let heard = floor.benches[0].now;
    assert_eq!(floor.benches[0].shown.lease, ends);
    floor.benches[0].pass(Nanos::from_millis(500));
    floor.take(&[("AAPL", 0)], Mono::MAX);
    assert_eq!(floor.benches[0].shown.lease, heard + SILENCE);
    floor.benches[0].pass(Nanos::from_secs(1));
    assert_eq!(floor.reason(0, "AAPL"), None, "the end of the map before is no silence");
}

#[test]
fn without_a_map_nothing_is_live() {
    let mut bench = Bench::with(Config { mapped_until: Mono::NEVER, ..config(&[("AAPL", 0)]) });
    bench.subscribe(true);
    bench.send(Line::A, 1, &[directory(1, "AAPL")]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::NoMap));
    let mut floor = Floor { benches: vec![bench], map: Arc::default(), over: false };
    floor.take(&[("AAPL", 0)], Mono::MAX);
    assert_eq!(floor.reason(0, "AAPL"), None, "what was heard before the map was there counts");
}

#[test]
fn yesterdays_session_proves_nothing_today() {
    let mut floor = two();
    let until = floor.benches[0].now + HOUR;
    let yesterday = [("AAPL", 0), ("GOOG", 1), ("MSFT", 1)];
    floor.take(&yesterday, until);
    assert_eq!(floor.reason(0, "AAPL"), None);
    for bench in &mut floor.benches {
        bench.pass(HOUR);
    }
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::NoMap));
    // One partition's venue begins a session before the map is there, the other's lags.
    floor.benches[0].session = *b"DAY0000002";
    floor.name(0, 1, &["AAPL"]);
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::NoMap));
    floor.take(&yesterday, until + HOUR);
    assert_eq!(floor.reason(0, "AAPL"), None);
    floor.benches[1].heartbeat(Line::A, 3);
    assert_eq!(floor.reason(1, "MSFT"), Some(Reason::NotStarted), "no session of today");
    floor.benches[1].session = *b"DAY0000002";
    floor.name(1, 1, &["MSFT"]);
    assert_eq!(floor.reason(1, "MSFT"), None);
    assert_eq!(floor.reason(1, "GOOG"), Some(Reason::Unproven));
}

/// A handler that starts in the evening and hears nothing more of a session that those before it have followed since the
/// morning: when the next date has begun, it is of before all the same.
#[test]
fn what_handlers_before_this_one_followed_on_a_date_is_of_before_the_next() {
    let until = Mono(1_000_000_000) + HOUR;
    let mut floor = Floor::new(1, &[("AAPL", 0)], until);
    let followed = vec![SessionId::from_text(SESSION)];
    floor.replace(0, Config { followed, mapped_until: until, ..config(&[("AAPL", 0)]) });
    floor.benches[0].pass(HOUR);
    floor.take(&[("AAPL", 0)], until + HOUR);
    floor.name(0, 1, &["AAPL"]);
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::NotStarted));
}

#[test]
fn a_restart_behind_the_end_of_a_map_is_todays_session() {
    let until = Mono(1_000_000_000) + HOUR;
    let mut floor = Floor::new(1, &[("AAPL", 0)], until);
    for first in 1..200 {
        floor.name(0, first, &["AAPL"]);
    }
    floor.benches[0].pass(HOUR);
    floor.name(0, 1, &["MSFT"]);
    assert_eq!(floor.benches[0].count(Counter::Restarts), 1);
    floor.take(&[("AAPL", 0)], until + HOUR);
    // What the numbers' beginning anew takes to be believed is another matter.
    assert_ne!(floor.reason(0, "AAPL"), Some(Reason::NotStarted));
}

#[test]
fn a_symbol_that_moves_is_live_nowhere_until_it_is_named_where_it_went() {
    let mut floor = two();
    // The venue has moved it overnight, and names it where it went only later.
    floor.overnight(&BEFORE, &[&["INTC"], &["GOOG", "MSFT"]]);
    floor.take(&BEFORE, Mono::MAX);
    let published = floor.benches[1].shown.slots.clone();
    let maps = floor.begin(&[("AAPL", 1), ("GOOG", 1), ("MSFT", 1)], Mono::MAX);
    assert_eq!(maps[0].lost, [symbol("AAPL")]);
    assert_eq!(maps[1].gained, [symbol("AAPL")]);
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::Unmapped));
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::Unmapped));
    floor.claim(&maps);
    floor.finish(&maps);
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::Unmapped));
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::Unproven));
    let index = |at: usize| floor.benches[at].shown.names[&symbol("AAPL")];
    assert!(floor.benches[0].shown.moved[&index(0)]);
    assert!(!floor.benches[1].shown.moved[&index(1)]);
    // What the map doesn't change is not even published again.
    for (index, slot) in published {
        assert_eq!(floor.benches[1].shown.slots[&index], slot);
    }
    floor.benches[1].send(Line::A, 3, &[directory(9, "AAPL"), add(9, 77, b'B', 100, 990_000)]);
    floor.claims();
    assert_eq!(floor.reason(1, "AAPL"), None);
    for name in ["GOOG", "MSFT"] {
        assert_eq!(floor.reason(1, name), None);
    }
}

#[test]
fn a_map_that_the_wire_contradicts_gives_nobody_the_symbol() {
    // Named this session on 0, and by the new map on 1, where it has been named as well.
    let mut floor = two();
    floor.name(1, 3, &["AAPL"]);
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::WrongPartition));
    floor.take(&[("AAPL", 1), ("GOOG", 1), ("MSFT", 1)], Mono::MAX);
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::WrongPartition));
    assert!(!floor.benches[0].status("AAPL").is_live());
    // At no step between was it otherwise.
    let mut floor = two();
    floor.name(1, 3, &["AAPL"]);
    let maps = floor.begin(&[("AAPL", 1), ("GOOG", 1), ("MSFT", 1)], Mono::MAX);
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::Unmapped));
    for (bench, map) in floor.benches.iter_mut().zip(&maps) {
        bench.partition.claim_map(bench.now, map, &mut bench.shown);
    }
    assert_eq!(said(&floor), [(symbol("AAPL"), 1)]);
    floor.claims();
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::Unmapped));
    floor.finish(&maps);
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::WrongPartition));
}

#[test]
fn a_symbol_that_is_rebuilt_alone_as_the_map_comes_is_claimed_all_the_same() {
    let before = [("AAPL", 0), ("MSFT", 0), ("GOOG", 1)];
    let mut floor = Floor::new(2, &before, Mono::MAX);
    let services = Services { retransmit: None, snapshot: Some(SNAPSHOTS) };
    let config = Config { services, mapped_until: Mono::MAX, ..config(&before) };
    floor.benches[0] = Bench::with(config);
    floor.benches[0].subscribe(true);
    floor.name(0, 1, &["AAPL", "MSFT"]);
    floor.name(1, 1, &["GOOG"]);
    // An order that nobody has: its book is fetched anew, and until then names it no more.
    floor.benches[0].send(Line::A, 3, &[delete(2, 999)]);
    let ask = snapshot_asked(&mut floor.benches[0]);
    begin(&mut floor.benches[0], ask.cycle);
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::SymbolRecovering));
    floor.take(&[("AAPL", 1), ("MSFT", 0), ("GOOG", 1)], Mono::MAX);
    floor.name(1, 2, &["AAPL"]);
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::WrongPartition));
    load(&mut floor.benches[0], ask.cycle, &[directory(2, "AAPL"), directory(3, "MSFT")]);
    end(&mut floor.benches[0], ask.cycle, 4);
    floor.claims();
    for at in 0..2 {
        assert!(!floor.benches[at].status("AAPL").is_live(), "at {at}");
    }
}

#[test]
fn a_symbol_named_where_the_map_no_longer_has_it_is_claimed() {
    let mut floor = two();
    floor.overnight(&BEFORE, &[&["INTC"], &["GOOG", "MSFT"]]);
    floor.take(&AFTER, Mono::MAX);
    floor.name(1, 3, &["AAPL"]);
    assert_eq!(floor.reason(1, "AAPL"), None);
    let before = floor.benches[0].count(Counter::WrongPartition);
    floor.name(0, 2, &["AAPL"]);
    assert_eq!(floor.benches[0].count(Counter::WrongPartition), before + 1);
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::WrongPartition));
    assert!(!floor.benches[0].status("AAPL").is_live());
}

#[test]
fn a_symbol_named_where_it_has_moved_from_is_found_there_too() {
    // By its definition, and by a rename: the key that GOOG had is AAPL's from here on.
    for rename in [false, true] {
        let mut floor = two();
        floor.benches[0].session = *b"DAY0000002";
        floor.name(0, 1, &["GOOD"]);
        floor.take(&[("AAPL", 1), ("GOOG", 1), ("MSFT", 1)], Mono::MAX);
        floor.name(1, 3, &["AAPL"]);
        let index = floor.benches[0].shown.names[&symbol("AAPL")];
        assert!(floor.benches[0].shown.moved[&index]);
        let key = if rename { 2 } else { 9 };
        floor.benches[0].send(Line::A, 2, &[directory(key, "AAPL")]);
        assert_eq!(said(&floor), [(symbol("AAPL"), 1)], "rename: {rename}");
        assert!(!floor.benches[0].shown.moved[&index]);
        floor.claims();
        assert_eq!(floor.reason(1, "AAPL"), Some(Reason::WrongPartition));
    }
}

/// X is on no list. Both partitions have it; which of them has named it in today's session is told by the first map of
/// the date, and none of its calls leaves it Live or found where another may still say that it has named it too.
#[test]
fn a_symbol_of_no_list_is_given_to_who_has_named_it_today() {
    let listed = [("AAPL", 0), ("MSFT", 1)];
    let named_by = [[false, false], [true, false], [true, true]];
    for (named, late) in named_by.into_iter().flat_map(|named| [(named, false), (named, true)]) {
        let mut floor = Floor::new(2, &listed, Mono::MAX);
        floor.name(0, 1, &["AAPL", "X"]);
        floor.name(1, 1, &["MSFT", "X"]);
        for (bench, named) in floor.benches.iter_mut().zip(named) {
            bench.pass(SESSION_GRACE);
            bench.session = *b"DAY0000002";
            let first = if named { "X" } else { "OTHER" };
            bench.send(Line::A, 1, &[directory(1, first)]);
        }
        let mut maps = floor.begin(&listed, Mono::MAX);
        assert!(
            maps.iter().all(|map| map.unlisted.is_empty()),
            "whose these are only the feed knows"
        );
        maps.iter_mut().for_each(|map| map.unlisted.push(symbol("X")));
        for (bench, map) in floor.benches.iter_mut().zip(&mut maps) {
            bench.partition.begin_map(bench.now, map, &mut bench.shown);
        }
        let away = |floor: &Floor, at: usize| {
            let shown = &floor.benches[at].shown;
            shown.moved.get(&shown.names[&symbol("X")]).copied().unwrap_or(false)
        };
        let none_is_live = |floor: &Floor| {
            let stale = |at| floor.reason(at, "X") == Some(Reason::Unmapped);
            assert!(stale(0) && stale(1), "{named:?} {late}");
        };
        none_is_live(&floor);
        assert_eq!([away(&floor, 0), away(&floor, 1)], named.map(|named| !named));
        // Between the calls the second partition names it.
        let mut named = named;
        if late && !named[1] {
            floor.name(1, 2, &["X"]);
            named[1] = true;
            none_is_live(&floor);
            assert!(!away(&floor, 1), "it is found there, and so contested by who has it");
        }
        floor.claim(&maps);
        none_is_live(&floor);
        floor.finish(&maps);
        for (at, named) in named.into_iter().enumerate() {
            let wanted = (!named).then_some(Reason::Unmapped);
            assert_eq!((floor.reason(at, "X"), away(&floor, at)), (wanted, !named), "{late}");
        }
        // Whoever names it then has it.
        if !named[0] {
            floor.name(0, 2, &["X"]);
            assert_eq!((floor.reason(0, "X"), away(&floor, 0)), (None, false));
        }
    }
}

#[test]
fn a_map_that_is_over_as_it_comes_gives_nothing() {
    let mut floor = two();
    let now = floor.benches[0].now;
    let maps = floor.begin(&[("AAPL", 0), ("GOOG", 1), ("MSFT", 1)], now);
    for (partition, name) in [(0, "AAPL"), (1, "GOOG"), (1, "MSFT")] {
        assert_eq!(floor.reason(partition, name), Some(Reason::NoMap));
    }
    floor.claim(&maps);
    floor.finish(&maps);
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::NoMap));
    // And what was heard up to then is yesterday's.
    floor.take(&[("AAPL", 0), ("GOOG", 1), ("MSFT", 1)], Mono::MAX);
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::NotStarted));
}

#[test]
fn a_symbol_that_comes_back_is_what_it_is_here() {
    let mut floor = two();
    floor.overnight(&BEFORE, &[&["INTC"], &["GOOG", "MSFT"]]);
    floor.take(&AFTER, Mono::MAX);
    floor.take(&BEFORE, Mono::MAX);
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::Unproven));
    floor.name(0, 2, &["AAPL"]);
    assert_eq!(floor.reason(0, "AAPL"), None);
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::Unmapped));
}

#[test]
fn a_symbol_beyond_the_room_is_counted_and_nowhere() {
    let mut floor = Floor::new(2, &[("AAPL", 0)], Mono::MAX);
    let names: Vec<String> = (0..12).map(|at| format!("NEW{at}")).collect();
    let mut listed: Vec<(&str, u16)> = names.iter().map(|name| (name.as_str(), 0)).collect();
    listed.push(("AAPL", 0));
    floor.take(&listed, Mono::MAX);
    assert_eq!(floor.benches[0].count(Counter::SymbolsFull), 5);
    assert_eq!(floor.benches[0].shown.names.len(), common::capacity().symbols);
}

#[test]
fn whatever_maps_follow_each_other_no_symbol_is_live_twice_or_where_it_should_not_be() {
    let names = ["A", "B", "C", "D"];
    let mut rng = 7u64;
    let mut draw = move |below: u64| {
        rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (rng >> 33) % below
    };
    let (mut lived, mut contradicted) = (0, 0);
    for _ in 0..300 {
        let mut homes: Vec<Option<u16>> = names.map(|_| None).to_vec();
        let listed = |homes: &[Option<u16>]| -> Vec<(&str, u16)> {
            names.into_iter().zip(homes).filter_map(|(name, home)| Some((name, (*home)?))).collect()
        };
        let mut floor = Floor::new(3, &[], Mono::MAX);
        let mut next = [1u64; 3];
        for _ in 0..12 {
            match draw(3) {
                0 => {
                    homes.iter_mut().for_each(|home| {
                        *home = match draw(5) {
                            0 => None,
                            at @ 1..=3 => Some(at as u16 - 1),
                            _ => *home,
                        }
                    });
                    floor.take(&listed(&homes), Mono::MAX);
                }
                1 => {
                    let (at, name) = (draw(3) as usize, names[draw(4) as usize]);
                    // One name has one key in a session, as at a venue.
                    let key = u16::from(name.as_bytes()[0]);
                    floor.benches[at].send(Line::A, next[at], &[directory(key, name)]);
                    next[at] += 1;
                    floor.claims();
                }
                _ => {
                    let at = draw(3) as usize;
                    floor.benches[at].pass(Nanos(SILENCE.0 / 8));
                    floor.benches[at].heartbeat(Line::A, next[at]);
                }
            }
            for (name, home) in names.into_iter().zip(&homes) {
                let named = |at: &usize| {
                    let symbols = &floor.benches[*at].shown;
                    symbols.names.contains_key(&symbol(name))
                };
                let live = (0..3)
                    .filter(named)
                    .filter(|at| floor.benches[*at].status(name).is_live())
                    .collect::<Vec<_>>();
                if let Some(home) = home {
                    assert!(live.iter().all(|at| at == &usize::from(*home)), "{name}: {live:?}");
                    lived += live.len();
                    contradicted += usize::from(live.is_empty());
                }
            }
        }
    }
    assert!(lived > 100 && contradicted > 100, "{lived} {contradicted}");
}

/// A handler that starts when the date has begun is told what those before it have followed.
#[test]
fn a_session_of_before_the_start_is_not_todays() {
    let day = |name: &[u8; 10]| SessionId::from_text(*name);
    let earlier = vec![day(b"DAY0000001")];
    let mut bench = Bench::with(Config { earlier, ..config(&[("AAPL", 0)]) });
    bench.subscribe(true);
    bench.send(Line::A, 1, &[directory(1, "AAPL")]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::NotStarted));
    assert_eq!(bench.shown.lease, Mono::NEVER, "nothing vouches for it");
    bench.session = *b"DAY0000002";
    bench.send(Line::A, 1, &[directory(1, "AAPL")]);
    bench.pass(SESSION_GRACE);
    bench.heartbeat(Line::A, 2);
    assert_eq!(bench.reason("AAPL"), None, "one that nobody has heard before");
    // Whoever brings the one of before again: it is what it was.
    let earlier = vec![day(b"DAY0000002")];
    let mut back = Bench::with(Config { earlier, ..config(&[("AAPL", 0)]) });
    back.subscribe(true);
    back.send(Line::A, 1, &[directory(1, "AAPL")]);
    assert_eq!(back.reason("AAPL"), None);
    back.session = *b"DAY0000002";
    back.send(Line::A, 1, &[directory(1, "AAPL")]);
    back.pass(SESSION_GRACE);
    back.heartbeat(Line::A, 2);
    assert_eq!(back.reason("AAPL"), Some(Reason::NotStarted), "behind another");
}

/// A publisher that has died behind the others has lower numbers than those that were followed: what they are says
/// nothing. That they are heard to begin anew does.
#[test]
fn a_session_of_before_the_start_is_todays_where_it_is_heard_to_begin_anew() {
    let earlier = vec![SessionId::from_text(SESSION)];
    let mut bench = Bench::with(Config { earlier, ..config(&[("AAPL", 0)]) });
    bench.subscribe(true);
    for first in 1..200 {
        bench.send(Line::A, first, &[directory(1, "AAPL")]);
        assert_eq!(bench.reason("AAPL"), Some(Reason::NotStarted));
    }
    bench.send(Line::A, 1, &[directory(1, "MSFT")]);
    assert_eq!(bench.count(Counter::Restarts), 1);
    assert_ne!(bench.reason("AAPL"), Some(Reason::NotStarted));
    // As old as the record says, and then another.
    let session = SessionId::from_text(SESSION);
    assert_eq!(bench.shown.followed, [(session, Mono::NEVER), (session, bench.now)]);
}

/// All that was followed by then is of before, not the last of it alone: the venue's service may lead back.
#[test]
fn every_session_followed_before_a_map_ends_is_of_before() {
    let services = Services { retransmit: None, snapshot: Some(SNAPSHOTS) };
    let mut bench = Bench::with(Config { services, ..config(&[("AAPL", 0)]) });
    bench.subscribe(true);
    bench.send(Line::A, 1, &[directory(1, "AAPL")]);
    bench.pass(Nanos::from_millis(100));
    bench.session = *b"DAY0000002";
    bench.send(Line::B, 1, &[directory(1, "AAPL")]);
    let mut floor = Floor { benches: vec![bench], map: map(&[("AAPL", 0)]), over: false };
    floor.take(&[("AAPL", 0)], Mono(1));
    floor.take(&[("AAPL", 0)], Mono::MAX);
    let bench = &mut floor.benches[0];
    bench.session = SESSION;
    for number in 2..120 {
        bench.pass(Nanos::from_millis(100));
        bench.send(Line::A, number, &[directory(1, "AAPL")]);
        for action in actions(bench) {
            let Action::Snapshot(ask) = action else { continue };
            begin(bench, ask.cycle);
            if ask.session == SessionId::from_text(SESSION) {
                load(bench, ask.cycle, &[directory(1, "AAPL")]);
                end(bench, ask.cycle, number + 1);
            }
        }
        assert_ne!(bench.reason("AAPL"), None, "Live in the session before the date, at {number}");
    }
    assert_eq!(bench.partition.session(), SessionId::from_text(SESSION), "it is gone back to");
    assert_eq!(bench.reason("AAPL"), Some(Reason::NotStarted));
}

/// A floor of one partition whose map has ended, with yesterday's session followed and the next date's beginning, which
/// nobody has told it of yet.
fn morning() -> (Floor, Mono) {
    let mut floor = Floor::new(1, &[("AAPL", 0), ("MSFT", 0)], Mono(1_000_000_000) + HOUR);
    floor.name(0, 1, &["AAPL"]);
    floor.benches[0].pass(HOUR);
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::NoMap));
    let begins = floor.benches[0].now + HOUR;
    (floor, begins)
}

/// The partition is told that a date has begun then, whatever time it is, and gets its map.
fn told(floor: &mut Floor, begins: Mono) {
    let listed = [("AAPL", 0), ("MSFT", 0)];
    let bench = &mut floor.benches[0];
    let mut over =
        NewMap { over: Some(begins), ..NewMap::between(&floor.map, &floor.map, 0, Mono::NEVER) };
    bench.partition.begin_map(bench.now, &mut over, &mut bench.shown);
    bench.partition.claim_map(bench.now, &over, &mut bench.shown);
    bench.partition.finish_map(bench.now, &over, &mut bench.shown);
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::NoMap));
    floor.take(&listed, Mono::MAX);
}

#[test]
fn a_session_that_began_with_the_date_is_todays_however_late_that_is_told() {
    let (mut floor, begins) = morning();
    floor.benches[0].pass(HOUR);
    assert_eq!(floor.benches[0].now, begins);
    floor.benches[0].session = *b"DAY0000002";
    floor.name(0, 1, &["AAPL"]);
    floor.benches[0].pass(HOUR);
    floor.benches[0].heartbeat(Line::A, 2);
    told(&mut floor, begins);
    assert_eq!(floor.reason(0, "AAPL"), None);
    assert_eq!(floor.reason(0, "MSFT"), Some(Reason::Unproven));
    // Told once more, and of one that began a moment later: it is of before.
    told(&mut floor, begins);
    assert_eq!(floor.reason(0, "AAPL"), None);
    told(&mut floor, begins + Nanos(1));
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::NotStarted));
}

#[test]
fn a_session_of_before_the_date_stays_so_however_late_that_is_told() {
    // Yesterday's, and one of the night.
    for session in [SESSION, *b"TESTING001"] {
        let (mut floor, begins) = morning();
        floor.benches[0].pass(Nanos(HOUR.0 - 1));
        floor.benches[0].session = session;
        floor.name(0, if session == SESSION { 2 } else { 1 }, &["AAPL"]);
        floor.benches[0].pass(HOUR);
        floor.benches[0].heartbeat(Line::A, if session == SESSION { 3 } else { 2 });
        told(&mut floor, begins);
        assert_eq!(floor.reason(0, "AAPL"), Some(Reason::NotStarted));
        // What was gone back to is as old as it was.
        floor.benches[0].session = *b"DAY0000002";
        floor.name(0, 1, &["AAPL"]);
        assert_eq!(floor.reason(0, "AAPL"), None);
    }
}

#[test]
fn a_packet_that_waited_for_the_lane_is_of_when_it_arrived() {
    let (mut floor, begins) = morning();
    floor.benches[0].pass(HOUR);
    floor.benches[0].pass(HOUR);
    told(&mut floor, begins);
    // The lane stood still: this arrived before the date began.
    let bench = &mut floor.benches[0];
    let packet = mold(*b"TESTING001", 1, &[directory(1, "AAPL")]);
    let at = Mono(begins.0 - 1);
    bench.partition.on_packet(bench.now, at, Line::A, &packet, &mut bench.shown);
    bench.session = *b"TESTING001";
    bench.heartbeat(Line::A, 2);
    assert_eq!(bench.reason("AAPL"), Some(Reason::NotStarted));
    // Whoever writes down since when it is followed hears the same.
    let testing = SessionId::from_text(*b"TESTING001");
    assert_eq!(bench.shown.followed.last(), Some(&(testing, at)));
}

/// What today's session has named is known as the date is told, and so is what a session of the night has: a map that
/// moves one of them has no word of it to rest on.
#[test]
fn what_todays_session_named_before_the_date_was_told_is_named_today() {
    let listed = [("AAPL", 0), ("MSFT", 0)];
    let mut floor = Floor::new(2, &listed, Mono(1_000_000_000) + HOUR);
    floor.benches.iter_mut().for_each(|bench| bench.pass(HOUR));
    let begins = floor.benches[0].now;
    floor.name(0, 1, &["AAPL", "MSFT"]);
    floor.name(1, 1, &[]);
    for (number, bench) in floor.benches.iter_mut().enumerate() {
        bench.pass(SESSION_GRACE);
        bench.heartbeat(Line::A, if number == 0 { 3 } else { 1 });
    }
    let over = floor.map.clone();
    for number in 0..2 {
        let bench = &mut floor.benches[number];
        let of = NewMap::between(&over, &over, number as u16, Mono::NEVER);
        let mut map = NewMap { over: Some(begins), ..of };
        bench.partition.begin_map(bench.now, &mut map, &mut bench.shown);
    }
    // The date's first map has MSFT on the other partition; today's session has named it here.
    floor.over = true;
    floor.take(&[("AAPL", 0), ("MSFT", 1)], Mono::MAX);
    assert_eq!(floor.reason(0, "AAPL"), None);
    floor.benches[1].send(Line::A, 1, &[directory(1, "MSFT")]);
    assert!(floor.reason(1, "MSFT").is_some(), "it is contested, or told that its book is not all");
}
