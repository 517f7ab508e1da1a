//! Sessions that come and go unheard: what a line that lags brings of them makes nothing Live, and
//! keeps nobody from the session in force.

mod common;

use candor_core::{Action, Line, Nanos, Refusal, Refused, SeqNo, SessionId, SnapshotPart};
use candor_engine::{Config, Services};
use common::services::{ASKS, SNAPSHOTS, actions};
use common::{Bench, SESSION_GRACE, add, config, directory};

/// Sessions in the order in which the venue began them.
const DAYS: [&[u8; 10]; 4] = [b"DAY0000000", b"DAY0000001", b"DAY0000002", b"DAY0000003"];

fn session(day: usize) -> SessionId {
    SessionId::from_text(*DAYS[day])
}

fn ms(count: u64) -> Nanos {
    Nanos::from_millis(count)
}

/// The first three messages of a session, on this line.
fn begin(bench: &mut Bench, day: usize, line: Line) {
    bench.session = *DAYS[day];
    let price = 1_000_000 * (day as u32 + 1);
    let start =
        [directory(1, "AAPL"), add(1, 11, b'B', 100, price), add(1, 12, b'S', 100, price + 10_000)];
    bench.send(line, 1, &start);
}

/// One more message of a session, on this line.
fn go_on(bench: &mut Bench, day: usize, line: Line, number: u64) {
    bench.session = *DAYS[day];
    bench.send(line, number, &[add(1, 10 + number, b'B', 1, 900_000)]);
}

fn opened(services: Services) -> Bench {
    let mut bench = Bench::with(Config { services, ..config(&[("AAPL", 0)]) });
    bench.subscribe(true);
    bench
}

/// Left, and joined again.
fn away(bench: &mut Bench, time: Nanos) {
    bench.subscribe(false);
    bench.pass(time);
    bench.subscribe(true);
}

fn is_live(bench: &Bench) -> bool {
    bench.status("AAPL").is_live()
}

/// A start, with a stall in its first seconds or without; line B lags.
fn start_beside_a_line_that_lags(services: Services, stall: bool) -> Bench {
    let mut bench = opened(services);
    begin(&mut bench, 2, Line::A);
    bench.pass(ms(500));
    if stall {
        bench.partition.on_stall(bench.now, &mut bench.shown);
    }
    bench.pass(ms(100));
    go_on(&mut bench, 2, Line::A, 4);
    bench.pass(ms(400));
    begin(&mut bench, 1, Line::B);
    bench
}

#[test]
fn a_line_that_lags_at_the_start_makes_nothing_live() {
    for stall in [false, true] {
        let bench = start_beside_a_line_that_lags(Services::default(), stall);
        assert!(!is_live(&bench), "stall {stall}: {:?}", bench.partition.session());
    }
}

#[test]
fn the_venues_service_brings_back_the_session_in_force() {
    let services = Services { retransmit: Some(ASKS), snapshot: Some(SNAPSHOTS) };
    for stall in [false, true] {
        let mut bench = start_beside_a_line_that_lags(services, stall);
        for number in 5..105 {
            bench.pass(ms(100));
            for action in actions(&mut bench) {
                refuse(&mut bench, action);
            }
            go_on(&mut bench, 2, Line::A, number);
        }
        assert_eq!(bench.partition.session(), session(2), "stall {stall}");
    }
}

/// A venue's service may come late with a session, as a line may: right behind a change nobody asks it which is in
/// force, and what it says of another request decides nothing.
#[test]
fn a_service_that_comes_late_with_a_session_does_not_bring_the_one_before_back() {
    let services = Services { retransmit: None, snapshot: Some(SNAPSHOTS) };
    let mut bench = opened(services);
    begin(&mut bench, 1, Line::A);
    go_on(&mut bench, 1, Line::B, 4);
    bench.pass(ms(500));
    begin(&mut bench, 2, Line::A);
    for number in 5..24 {
        go_on(&mut bench, 1, Line::B, number);
        go_on(&mut bench, 2, Line::A, number - 1);
        assert_eq!(actions(&mut bench), [], "its word would say nothing");
        assert!(!is_live(&bench), "beside one that may be the newer");
        bench.pass(ms(100));
    }
    // No line lags for longer. From now on it is asked, and has the one before still.
    let mut asked = 0;
    for number in 23..63 {
        bench.pass(ms(100));
        for action in actions(&mut bench) {
            let Action::Snapshot(ask) = action else { continue };
            assert_eq!(ask.session, session(2));
            let part = SnapshotPart::Begin { session: session(1) };
            bench.partition.on_snapshot(bench.now, ask.cycle, &part, &mut bench.shown);
            asked += 1;
        }
        go_on(&mut bench, 2, Line::A, number);
        assert_eq!(bench.partition.session(), session(2));
    }
    assert!(asked > 2, "asked {asked} times");
    assert!(is_live(&bench), "the one before is silent: {:?}", bench.reason("AAPL"));
}

/// The venue knows of the session in force alone.
fn refuse(bench: &mut Bench, action: Action) {
    let why = Refusal::WrongSession;
    match action {
        Action::Snapshot(ask) if ask.session != session(2) => {
            let failed = SnapshotPart::Failed(why);
            bench.partition.on_snapshot(bench.now, ask.cycle, &failed, &mut bench.shown);
        }
        Action::Retransmit(ask) if ask.session != session(2) => {
            let refused = Refused { session: ask.session, range: ask.range, why };
            bench.partition.on_refused(bench.now, &refused, &mut bench.shown);
        }
        _ => {}
    }
}

#[test]
fn a_session_nobody_heard_makes_nothing_live_behind_a_join_whatever_stalls() {
    for stall in [false, true] {
        let mut bench = opened(Services::default());
        begin(&mut bench, 1, Line::A);
        bench.pass(SESSION_GRACE + SESSION_GRACE);
        away(&mut bench, ms(5_000));
        begin(&mut bench, 3, Line::A);
        bench.pass(ms(300));
        if stall {
            bench.partition.on_stall(bench.now, &mut bench.shown);
        }
        go_on(&mut bench, 3, Line::A, 4);
        bench.pass(ms(300));
        begin(&mut bench, 2, Line::B);
        assert!(!is_live(&bench), "stall {stall}: {:?}", bench.partition.session());
    }
}

#[test]
fn a_packet_that_is_refused_is_not_the_first_behind_a_join() {
    let mut bench = opened(Services::default());
    begin(&mut bench, 0, Line::A);
    bench.pass(SESSION_GRACE + SESSION_GRACE);
    begin(&mut bench, 1, Line::A);
    bench.pass(SESSION_GRACE + SESSION_GRACE);
    away(&mut bench, ms(700));
    // A publisher of the day before, and nothing else for longer than a line lags.
    bench.session = *DAYS[0];
    bench.heartbeat(Line::B, 4);
    bench.pass(SESSION_GRACE + ms(50));
    begin(&mut bench, 3, Line::A);
    bench.pass(ms(100));
    begin(&mut bench, 2, Line::B);
    assert!(!is_live(&bench), "{:?}", bench.partition.session());
}

#[test]
fn a_session_taken_up_in_doubt_is_in_doubt_no_longer_for_stalls() {
    let mut bench = opened(Services::default());
    begin(&mut bench, 1, Line::A);
    for number in 4..34 {
        bench.pass(ms(100));
        bench.partition.on_stall(bench.now, &mut bench.shown);
        bench.pass(ms(100));
        go_on(&mut bench, 1, Line::A, number);
    }
    // Whatever comes now is the newer.
    begin(&mut bench, 2, Line::A);
    assert!(is_live(&bench), "{:?}", bench.reason("AAPL"));
}

#[test]
fn a_session_left_in_doubt_is_the_older_behind_a_change_that_is_in_order() {
    let mut bench = opened(Services { retransmit: None, snapshot: Some(SNAPSHOTS) });
    begin(&mut bench, 0, Line::A);
    bench.pass(SESSION_GRACE + SESSION_GRACE);
    away(&mut bench, ms(700));
    begin(&mut bench, 1, Line::B);
    begin(&mut bench, 2, Line::A);
    for _ in 0..100 {
        actions(&mut bench);
        bench.pass(ms(100));
        bench.heartbeat(Line::A, 4);
    }
    assert!(is_live(&bench));
    begin(&mut bench, 3, Line::A);
    // Something is lost, and what answers is a primary half dead: its service and its line speak of a session
    // that is over.
    go_on(&mut bench, 3, Line::A, 6);
    bench.pass(ms(50));
    let asked = actions(&mut bench);
    let cycle = asked.iter().find_map(|action| match action {
        Action::Snapshot(ask) => Some(ask.cycle),
        _ => None,
    });
    let part = SnapshotPart::Begin { session: session(1) };
    let cycle = cycle.expect("a snapshot is asked for");
    bench.partition.on_snapshot(bench.now, cycle, &part, &mut bench.shown);
    begin(&mut bench, 1, Line::B);
    assert_eq!(bench.partition.session(), session(3));
}

#[test]
fn two_changes_in_their_order_are_live_a_grace_behind_the_second() {
    let mut bench = opened(Services::default());
    begin(&mut bench, 1, Line::A);
    for _ in 0..20 {
        bench.pass(SESSION_GRACE);
        bench.packet(Line::A, &candor_decoders::nasdaq::moldudp64::end(*DAYS[1], SeqNo(4)));
    }
    bench.pass(SESSION_GRACE);
    begin(&mut bench, 2, Line::A);
    assert!(is_live(&bench), "one is in its order: {:?}", bench.reason("AAPL"));
    bench.pass(ms(100));
    begin(&mut bench, 3, Line::A);
    assert!(!is_live(&bench));
    bench.pass(SESSION_GRACE);
    go_on(&mut bench, 3, Line::A, 4);
    assert!(is_live(&bench), "{:?}", bench.reason("AAPL"));
}

#[test]
fn a_session_that_one_line_brings_behind_a_newer_one_makes_nothing_live() {
    // Its path became shorter: what was sent on the longer one comes later.
    let mut bench = opened(Services::default());
    begin(&mut bench, 0, Line::B);
    bench.pass(SESSION_GRACE + SESSION_GRACE);
    begin(&mut bench, 2, Line::B);
    bench.pass(ms(300));
    begin(&mut bench, 1, Line::B);
    for number in 4..40 {
        assert!(!is_live(&bench), "{number}: {:?}", bench.partition.session());
        bench.pass(ms(100));
        go_on(&mut bench, 2, Line::B, number);
    }
}

/// Line A is dark through two changes of session, and line B lags by more than the time between them.
fn dark_through_two_changes(services: Services) -> Bench {
    let mut bench = opened(services);
    begin(&mut bench, 0, Line::A);
    for _ in 0..3 {
        bench.pass(ms(1_000));
        bench.session = *DAYS[0];
        bench.heartbeat(Line::B, 4);
    }
    bench.pass(ms(100));
    begin(&mut bench, 2, Line::A);
    bench.pass(ms(300));
    begin(&mut bench, 1, Line::B);
    bench
}

#[test]
fn a_session_that_a_lagging_line_brings_behind_a_newer_one_makes_nothing_live() {
    let mut bench = dark_through_two_changes(Services::default());
    for number in 4..40 {
        assert!(!is_live(&bench), "{number}: {:?}", bench.partition.session());
        bench.pass(ms(100));
        go_on(&mut bench, 2, Line::A, number);
    }
}

/// A primary that fails over twice within moments, half of the one between still alive: its service knows nothing of
/// the last, and its line still speaks.
#[test]
fn what_one_line_brought_in_its_order_is_not_undone_by_a_service() {
    let mut bench = opened(Services { retransmit: None, snapshot: Some(SNAPSHOTS) });
    begin(&mut bench, 0, Line::A);
    bench.pass(SESSION_GRACE + SESSION_GRACE);
    begin(&mut bench, 1, Line::A);
    bench.pass(ms(300));
    begin(&mut bench, 2, Line::A);
    for number in 4..104 {
        bench.pass(ms(100));
        for action in actions(&mut bench) {
            if let Action::Snapshot(ask) = action {
                let failed = SnapshotPart::Failed(Refusal::WrongSession);
                bench.partition.on_snapshot(bench.now, ask.cycle, &failed, &mut bench.shown);
            }
        }
        go_on(&mut bench, 1, Line::B, number);
        go_on(&mut bench, 2, Line::A, number);
        assert_eq!(bench.partition.session(), session(2));
        assert!(!is_live(&bench), "beside one that may be the newer");
    }
}

#[test]
fn the_venues_service_brings_back_the_newer_one() {
    let services = Services { retransmit: Some(ASKS), snapshot: Some(SNAPSHOTS) };
    let mut bench = dark_through_two_changes(services);
    for number in 4..104 {
        bench.pass(ms(100));
        for action in actions(&mut bench) {
            refuse(&mut bench, action);
        }
        go_on(&mut bench, 2, Line::A, number);
    }
    assert_eq!(bench.partition.session(), session(2));
}

#[test]
fn a_session_that_another_line_brings_later_than_a_line_lags_is_the_newer() {
    let mut bench = opened(Services::default());
    begin(&mut bench, 0, Line::A);
    bench.pass(SESSION_GRACE + SESSION_GRACE);
    begin(&mut bench, 1, Line::A);
    for number in 4..34 {
        bench.pass(ms(100));
        go_on(&mut bench, 1, Line::A, number);
    }
    begin(&mut bench, 2, Line::B);
    assert!(is_live(&bench), "{:?}", bench.reason("AAPL"));
}
