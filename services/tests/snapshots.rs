//! The snapshot client against scripted servers of GLIMPSE and SNAP.

mod common;

use candor_core::{Nanos, SeqNo, SessionId, SnapshotAsk};
use candor_decoders::iex::snap;
use candor_decoders::nasdaq::soupbintcp::{self, FromClient, FromServer, Login};
use candor_decoders::{Format, IntoBytes};
use candor_services::snapshot::{self, Config, SessionChoice};
use candor_services::{Count, Credentials};
use common::*;

const BOTH: [Format; 2] = [Format::NasdaqItch50, Format::IexDeep];

#[test]
fn a_snapshot_is_the_same_wherever_its_bytes_are_cut() {
    for format in BOTH {
        let wire = image(format);
        for first in 0..=wire.len() {
            for second in (first..=wire.len()).step_by(7) {
                let mut bench = Snapshots::new(format, 2);
                bench.asked();
                let mut words = Vec::new();
                for part in [&wire[..first], &wire[first..second], &wire[second..]] {
                    words.extend(bench.bytes(part));
                }
                assert_eq!(bench.messages, IMAGE);
                assert_eq!(words.iter().filter(|word| *word == "Close").count(), 1);
                words.retain(|word| !["Messages", "Send", "Close"].contains(&word.as_str()));
                assert_eq!(words, ["Begin", "End(100)"]);
                assert!(bench.client.is_idle());
                assert_eq!(bench.client.deadline(), None);
                assert_eq!(bench.count(Count::Snapshots), 1);
                assert_eq!(bench.count(Count::Answers), 3);
            }
        }
    }
}

#[test]
fn byte_by_byte_is_a_snapshot_too_and_blocks_come_as_their_messages_do() {
    for format in BOTH {
        let mut bench = Snapshots::new(format, 1);
        bench.asked();
        let words: Vec<String> =
            image(format).iter().flat_map(|byte| bench.bytes(&[*byte])).collect();
        assert_eq!(bench.messages, IMAGE);
        assert_eq!(words.iter().filter(|word| *word == "Messages").count(), 3);
        assert_eq!(words.last().unwrap(), "End(100)");
    }
}

#[test]
fn a_connection_closed_at_any_byte_fails_and_the_next_address_is_turned_to() {
    for format in BOTH {
        let wire = image(format);
        for cut in 0..wire.len() {
            let mut bench = Snapshots::new(format, 2);
            bench.asked();
            assert!(!bench.bytes(&wire[..cut]).iter().any(|word| word.starts_with("End")));
            assert_eq!(bench.closed(), ["Failed(closed)"], "closed behind byte {cut}");
            assert_eq!(bench.ask(2), ["Connect(1)"]);
            bench.connected();
            bench.messages.clear();
            assert_eq!(bench.bytes(&wire).last().unwrap(), "End(100)");
            assert_eq!(bench.messages, IMAGE, "nothing of the connection before is left over");
            assert_eq!(bench.ask(3), ["Connect(1)"], "the one that works is kept");
        }
    }
}

#[test]
fn garbage_at_any_byte_ends_it_or_changes_nothing_but_a_message() {
    for format in BOTH {
        let wire = image(format);
        for at in 0..wire.len() {
            for garbage in [0x00, 0x7f, 0xff, b'H', b'Z', b'9'] {
                let mut bytes = wire.clone();
                bytes[at] = garbage;
                let mut bench = Snapshots::new(format, 1);
                bench.asked();
                let words = bench.bytes(&bytes);
                let ends = words.iter().filter(|word| word.starts_with("End")).count();
                let fails = words.iter().filter(|word| word.starts_with("Failed")).count();
                assert!(ends + fails <= 1, "{words:?}");
                let over = bench.client.is_idle();
                assert_eq!(over, ends + fails == 1, "{words:?}");
                // What is neither waits for bytes that a broken length promises.
                if !over {
                    let mut words = bench.deadline();
                    while !bench.client.is_idle() {
                        words = bench.deadline();
                    }
                    assert_eq!(words, ["Close", "Failed(timed_out)"]);
                }
            }
        }
    }
}

#[test]
fn a_block_is_handed_over_before_it_overflows() {
    let message = [b'A'; 200];
    for format in BOTH {
        let mut bench = Snapshots::new(format, 1);
        bench.asked();
        let mut wire = match format {
            Format::NasdaqItch50 => soup(&[accepted()]),
            _ => snaps(&[snap::FromServer::Start { image_len: 0 }]),
        };
        for _ in 0..500 {
            wire.extend(match format {
                Format::NasdaqItch50 => soup(&[FromServer::Sequenced(&message)]),
                _ => snaps(&[snap::FromServer::Data { stream: stream(), message: &message }]),
            });
        }
        let words = bench.bytes(&wire);
        assert!(words.len() > 500 * 202 / 16_384, "{}", words.len());
        assert_eq!(bench.messages.len(), 500);
        assert!(bench.messages.iter().all(|got| *got == message));
    }
}

#[test]
fn glimpse_logs_in_with_the_streams_session_and_number_1_beats_and_logs_out() {
    let mut bench = Snapshots::new(Format::NasdaqItch50, 1);
    bench.asked();
    let mut login =
        Login { user: *b"martha", password: *b"secret    ", session: DAY, next: SeqNo(1) };
    assert_eq!(FromClient::parse(&bench.sent), Ok(FromClient::Login(login)));
    bench.now = bench.now + millis(300);
    assert_eq!(bench.bytes(&soup(&[accepted()])), ["Begin"]);
    // A second behind the login, and then every second for as long as the server lives.
    for beat in 1..60 {
        let words = bench.deadline();
        assert_eq!(words, ["Send"], "beat {beat}");
        assert_eq!(FromClient::parse(&bench.sent), Ok(FromClient::Heartbeat));
        assert_eq!(bench.now, START + secs(beat));
        assert_eq!(bench.bytes(&soup(&[FromServer::Heartbeat])), Vec::<String>::new());
    }
    let end = soup(&[FromServer::Sequenced(end_of(100).as_bytes())]);
    assert_eq!(bench.bytes(&end), ["Send", "Close", "End(100)"]);
    assert_eq!(FromClient::parse(&bench.sent), Ok(FromClient::Logout));

    let config = Config { session: SessionChoice::Current, ..Config::of(Format::NasdaqItch50, 1) };
    let mut bench = Snapshots::with(Format::NasdaqItch50, config);
    bench.asked();
    login = Login { user: *b"      ", password: *b"          ", session: *b"          ", ..login };
    assert_eq!(FromClient::parse(&bench.sent), Ok(FromClient::Login(login)));
}

/// Heartbeats are a client's that is logged in: none before, and one at once where the yes came late.
#[test]
fn glimpse_beats_from_when_it_is_logged_in() {
    for late in [millis(999), secs(1), secs(4)] {
        let mut bench = Snapshots::new(Format::NasdaqItch50, 1);
        bench.asked();
        let login = bench.sent.clone();
        for passed in (0..late.0).step_by(250_000_000) {
            bench.now = START + Nanos(passed);
            assert_eq!(bench.call(snapshot::Client::on_deadline), [""; 0], "not logged in yet");
        }
        assert_eq!(bench.sent, login);
        bench.now = START + late;
        assert_eq!(bench.bytes(&soup(&[accepted()])), ["Begin"]);
        let due = bench.client.deadline();
        assert_eq!(due, Some(START + secs(1)), "a second behind what was said last");
        bench.now = bench.now.max(START + secs(1));
        assert_eq!(bench.call(snapshot::Client::on_deadline), ["Send"]);
        assert_eq!(FromClient::parse(&bench.sent), Ok(FromClient::Heartbeat));
        assert_eq!(bench.client.deadline(), Some(bench.now + secs(1)));
    }
}

#[test]
fn a_session_named_with_its_spaces_before_it_is_the_same() {
    let mut bench = Snapshots::new(Format::NasdaqItch50, 1);
    bench.asked();
    let mut wire = soup(&[accepted()]);
    assert_eq!(wire[3..13], *b" 20260727A", "the encoder writes it as the specification says");
    assert_eq!(bench.bytes(&wire), ["Begin"]);
    wire[3..13].copy_from_slice(b"20260727A ");
    let mut bench = Snapshots::new(Format::NasdaqItch50, 1);
    bench.asked();
    assert_eq!(bench.bytes(&wire), ["Begin"]);
}

#[test]
fn a_server_of_another_session_is_refused_or_named_where_any_was_asked_for() {
    let other = FromServer::Accepted { session: *b"20260726A ", next: SeqNo(1) };
    let mut bench = Snapshots::new(Format::NasdaqItch50, 1);
    bench.asked();
    assert_eq!(bench.bytes(&soup(&[other])), ["Close", "Failed(wrong_session)"]);
    assert_eq!(bench.count(Count::ForeignSession), 1);

    let config = Config { session: SessionChoice::Current, ..Config::of(Format::NasdaqItch50, 1) };
    let mut client = candor_services::snapshot::Client::new(Format::NasdaqItch50, config);
    client.ask(START, Snapshots::new(Format::NasdaqItch50, 1).snapshot_ask(4));
    while client.next_io().is_some() {}
    client.on_connected(START);
    while client.next_io().is_some() {}
    let _ = client.on_bytes(START, &soup(&[other]));
    let piece = client.next_result().unwrap();
    let session = SessionId::from_text(*b"20260726A ");
    assert_eq!(piece.cycle, 4);
    assert_eq!(piece.body, candor_services::snapshot::Body::Begin { session });
}

#[test]
fn an_address_whose_snapshot_is_of_no_use_makes_place_for_the_next() {
    for format in BOTH {
        for (needs, next) in [(100, 0), (101, 1)] {
            let mut bench = Snapshots::new(format, 2);
            let ask = SnapshotAsk { needs: SeqNo(needs), ..bench.snapshot_ask(1) };
            assert_eq!(bench.call(|client, now| client.ask(now, ask)), ["Connect(0)"]);
            bench.connected();
            // It is passed on all the same: whoever asked judges.
            assert_eq!(bench.bytes(&image(format)).last().unwrap(), "End(100)");
            assert_eq!(bench.ask(2), [format!("Connect({next})")], "{needs} needed");
            assert_eq!(bench.count(Count::Failovers), next);
            // The other has none either: at once the first again, for it has nothing to rest for.
            bench.connected();
            assert_eq!(bench.closed(), ["Failed(closed)"]);
            assert_eq!(bench.ask(3), [format!("Connect({})", 1 - next)]);
        }
    }
}

#[test]
fn a_server_of_another_session_makes_place_for_the_next() {
    let config = Config { session: SessionChoice::Current, ..Config::of(Format::NasdaqItch50, 2) };
    let other = FromServer::Accepted { session: *b"20260726A ", next: SeqNo(1) };
    let ask = Snapshots::new(Format::NasdaqItch50, 2).snapshot_ask(1);
    for whole in [false, true] {
        let mut client = candor_services::snapshot::Client::new(Format::NasdaqItch50, config);
        let connects = |client: &mut candor_services::snapshot::Client| {
            client.ask(START, ask);
            let Some(candor_services::Io::Connect { address }) = client.next_io() else {
                panic!("it connects");
            };
            address
        };
        assert_eq!(connects(&mut client), 0);
        client.on_connected(START);
        while client.next_io().is_some() {}
        let _ = client.on_bytes(START, &soup(&[other]));
        while client.next_result().is_some() {}
        if whole {
            let _ = client.on_bytes(START, &soup(&[FromServer::Sequenced(end_of(100).as_bytes())]));
        } else {
            client.drop_cycle(START, 1);
        }
        while client.next_result().is_some() {}
        while client.next_io().is_some() {}
        assert_eq!(connects(&mut client), 1);
    }
}

#[test]
fn every_no_has_its_refusal() {
    let logins = [(&b"A"[..], "login_refused"), (b"S", "wrong_session"), (b"?", "login_refused")];
    for (reason, label) in logins {
        let mut bench = Snapshots::new(Format::NasdaqItch50, 1);
        bench.asked();
        let wire = [&[0, 2, b'J'], reason].concat();
        assert_eq!(bench.bytes(&wire), ["Close".to_owned(), format!("Failed({label})")]);
        assert_eq!(bench.count(Count::Refused), 1);
    }
    let errors = [
        (b'A', "login_refused", 1),
        (b'C', "wrong_session", 1),
        (b'E', "busy", 0),
        (b'Q', "quota", 0),
        (b'R', "not_yet", 0),
        (b'S', "wrong_session", 1),
        (b'U', "malformed", 1),
        (b'?', "malformed", 1),
    ];
    for (code, label, next) in errors {
        let mut bench = Snapshots::new(Format::IexDeep, 2);
        bench.asked();
        let words = bench.bytes(&[2, 0, b'e', code]);
        assert_eq!(words, ["Close".to_owned(), format!("Failed({label})")]);
        // Where the whole service has it not, another address has it not either.
        assert_eq!(bench.ask(2), [format!("Connect({next})")], "after {label}");
    }
}

#[test]
fn snap_asks_for_what_is_needed_and_takes_only_what_it_asked_for() {
    let mut bench = Snapshots::new(Format::IexDeep, 1);
    bench.asked();
    let mut token = [b' '; 40];
    token[..3].copy_from_slice(b"tok");
    let request = snap::Request { token, channel: 1, session: 7, lowest: SeqNo(89) };
    assert_eq!(snap::FromClient::parse(&bench.sent), Ok(snap::FromClient::Request(request)));

    let start = snap::FromServer::Start { image_len: 3 };
    let message = &b"abc"[..];
    for (stream, label) in [
        (candor_decoders::iex::tp::Stream { session: 8, ..stream() }, "wrong_session"),
        (candor_decoders::iex::tp::Stream { channel: 2, ..stream() }, "wrong_session"),
        (candor_decoders::iex::tp::Stream { protocol: 0x8003, ..stream() }, "malformed"),
    ] {
        let mut bench = Snapshots::new(Format::IexDeep, 1);
        bench.asked();
        let words = bench.bytes(&snaps(&[start, snap::FromServer::Data { stream, message }]));
        assert_eq!(words, ["Close".to_owned(), "Begin".to_owned(), format!("Failed({label})")]);
    }
    // An empty snapshot contains nothing, and the stream starts with number 1.
    let mut bench = Snapshots::new(Format::IexDeep, 1);
    bench.asked();
    let start = snap::FromServer::Start { image_len: 0 };
    let words = bench.bytes(&snaps(&[start, snap::FromServer::End { last: SeqNo(0) }]));
    assert_eq!(words, ["Close", "Begin", "End(1)"]);
}

#[test]
fn a_snapshot_of_another_length_than_snap_has_told_is_not_whole() {
    let messages = [&b"abcde"[..], b"fghijkl", b"mnopqrstu"];
    let end = |image_len: u64, came: &[&[u8]]| {
        let mut bench = Snapshots::new(Format::IexDeep, 1);
        bench.asked();
        let mut wire = snaps(&[snap::FromServer::Start { image_len }]);
        for message in came {
            wire.extend(snaps(&[snap::FromServer::Data { stream: stream(), message }]));
        }
        wire.extend(snaps(&[snap::FromServer::End { last: SeqNo(99) }]));
        let words = bench.bytes(&wire);
        let malformed = bench.client.counts().get(Count::Malformed);
        let last = words.last().cloned().unwrap();
        assert_eq!(malformed, u64::from(last == "Failed(malformed)"), "{words:?}");
        last
    };
    // The specification does not say of what the bytes are counted: messages, their blocks, segments of
    // IEX-TP, packets without or with their own length.
    for beside in [0, 2, 42, 43, 45] {
        let image_len = 21 + 3 * beside;
        assert_eq!(end(image_len, &messages), "End(100)", "{image_len}");
        for wrong in [image_len - 1, image_len + 1] {
            assert_eq!(end(wrong, &messages), "Failed(malformed)", "{wrong}");
        }
        for left_out in 0..3 {
            let came = [&messages[..left_out], &messages[left_out + 1..]].concat();
            assert_eq!(
                end(image_len, &came),
                "Failed(malformed)",
                "{image_len} without {left_out}"
            );
        }
        let twice = [&messages[..], &messages[..1]].concat();
        assert_eq!(end(image_len, &twice), "Failed(malformed)", "{image_len}, one twice");
    }
}

#[test]
fn a_login_that_would_skip_a_part_of_the_image_is_refused() {
    for next in [0, 2] {
        let mut bench = Snapshots::new(Format::NasdaqItch50, 1);
        bench.asked();
        let said = FromServer::Accepted { session: DAY, next: SeqNo(next) };
        assert_eq!(bench.bytes(&soup(&[said])), ["Close", "Failed(malformed)"]);
    }
}

#[test]
fn an_end_with_a_number_that_is_none_is_no_end() {
    for number in ["", "0", "12x", "1 2", "99999999999999999999", "-1"] {
        let mut bench = Snapshots::new(Format::NasdaqItch50, 1);
        bench.asked();
        let message = format!("G{number:<20}");
        let words = bench.bytes(&soup(&[accepted(), FromServer::Sequenced(message.as_bytes())]));
        assert_eq!(words, ["Close", "Begin", "Failed(malformed)"], "{number}");
    }
}

#[test]
fn the_end_of_a_session_before_the_end_of_a_snapshot_fails_it() {
    let mut bench = Snapshots::new(Format::NasdaqItch50, 1);
    bench.asked();
    let words = bench.bytes(&soup(&[accepted(), FromServer::EndOfSession]));
    assert_eq!(words, ["Close", "Begin", "Failed(closed)"]);
}

#[test]
fn every_wait_ends_by_itself() {
    for format in BOTH {
        // Nobody answers the connection: each address in turn, until the ask has expired.
        let mut bench = Snapshots::new(format, 2);
        assert_eq!(bench.ask(1), ["Connect(0)"]);
        assert_eq!(bench.deadline(), ["Close", "Connect(1)"]);
        assert_eq!(bench.now, START + secs(2));
        assert_eq!(bench.deadline(), ["Close", "Connect(0)"]);
        assert_eq!(bench.deadline(), ["Close", "Connect(1)"]);
        assert_eq!(bench.deadline(), ["Close", "Failed(unreachable)"]);
        assert_eq!(bench.now, START + secs(8), "the ask's own end");

        // It is refused at once: the addresses rest, and are tried again.
        let mut bench = Snapshots::new(format, 2);
        assert_eq!(bench.ask(1), ["Connect(0)"]);
        assert_eq!(bench.closed(), ["Connect(1)"]);
        assert_eq!(bench.closed(), Vec::<String>::new());
        assert_eq!(bench.deadline(), ["Connect(0)"]);
        assert_eq!(bench.now, START + millis(250));
        let mut tries = 0;
        while !bench.client.is_idle() {
            let words = [bench.closed(), bench.deadline()].concat();
            tries += words.iter().filter(|word| word.starts_with("Connect")).count();
        }
        assert!((4..12).contains(&tries), "{tries} tries in eight seconds");
        assert!(bench.now < START + secs(8), "no address is rested before the ask expires");

        // The ask expires while the first connection is still being made.
        let mut bench = Snapshots::new(format, 2);
        let ask = SnapshotAsk { expires: START + millis(1_500), ..bench.snapshot_ask(1) };
        assert_eq!(bench.call(|client, now| client.ask(now, ask)), ["Connect(0)"]);
        assert_eq!(bench.deadline(), ["Close", "Failed(unreachable)"]);
        assert_eq!(bench.now, START + millis(1_500));

        // It says nothing to the request.
        let mut bench = Snapshots::new(format, 1);
        bench.asked();
        assert_eq!(bench.deadline(), ["Close", "Failed(timed_out)"]);
        assert_eq!(bench.now, START + secs(5));

        // The ask expires before that.
        let mut bench = Snapshots::new(format, 1);
        let ask = SnapshotAsk { expires: START + secs(1), ..bench.snapshot_ask(1) };
        bench.call(|client, now| client.ask(now, ask));
        bench.connected();
        assert_eq!(bench.deadline(), ["Close", "Failed(timed_out)"]);
        assert_eq!(bench.now, START + secs(1));
    }
}

#[test]
fn a_connection_that_comes_when_the_ask_has_expired_carries_nothing() {
    for format in BOTH {
        let mut bench = Snapshots::new(format, 1);
        let ask = SnapshotAsk { expires: START + millis(500), ..bench.snapshot_ask(1) };
        bench.call(|client, now| client.ask(now, ask));
        assert_eq!(bench.client.unsent(), 1);
        bench.now = ask.expires;
        assert_eq!(bench.connected(), ["Close", "Failed(expired)"]);
        assert_eq!((bench.count(Count::Requests), bench.count(Count::Expired)), (0, 1));
        assert_eq!((bench.client.unsent(), bench.client.take_left()), (0, 0));
        bench.asked();
        assert_eq!((bench.client.unsent(), bench.client.take_left()), (0, 1));
        bench.bytes(&image(format));
        assert_eq!(bench.client.take_left(), 0, "a logout is no request");
    }
}

#[test]
fn a_server_that_falls_silent_or_dawdles_is_left() {
    // Silent: our own heartbeats do not keep it alive.
    let mut bench = Snapshots::new(Format::NasdaqItch50, 1);
    bench.asked();
    bench.bytes(&soup(&[accepted()]));
    let mut words = bench.deadline();
    while words == ["Send"] {
        words = bench.deadline();
    }
    assert_eq!(words, ["Close", "Failed(timed_out)"]);
    assert_eq!(bench.now, START + secs(15));

    // Dawdling: a byte of garbage-free life each second, and never an end.
    let mut bench = Snapshots::new(Format::NasdaqItch50, 1);
    bench.asked();
    bench.bytes(&soup(&[accepted()]));
    let mut words = bench.deadline();
    while words == ["Send"] {
        bench.bytes(&soup(&[FromServer::Heartbeat]));
        words = bench.deadline();
    }
    assert_eq!(words, ["Close", "Failed(timed_out)"]);
    assert_eq!(bench.now, START + secs(60));

    let mut bench = Snapshots::new(Format::IexDeep, 1);
    bench.asked();
    bench.bytes(&snaps(&[snap::FromServer::Start { image_len: 1 }]));
    assert_eq!(bench.deadline(), ["Close", "Failed(timed_out)"]);
    assert_eq!(bench.now, START + secs(10));
}

#[test]
fn an_address_that_fails_rests_longer_every_time() {
    let mut bench = Snapshots::new(Format::IexDeep, 1);
    let mut rests = Vec::new();
    for cycle in 0..6 {
        let asked = bench.now;
        if bench.ask(cycle).is_empty() {
            assert_eq!(bench.deadline(), ["Connect(0)"]);
        }
        rests.push(bench.now.since(asked).0 / 1_000_000);
        bench.connected();
        assert_eq!(bench.closed(), ["Failed(closed)"]);
    }
    assert_eq!(rests, [0, 250, 500, 1000, 2000, 4000]);
}

#[test]
fn an_address_that_works_again_rests_briefly_after_its_next_failure() {
    let mut bench = Snapshots::new(Format::IexDeep, 1);
    for rest in [250, 500] {
        bench.ask(1);
        bench.connected();
        assert_eq!(bench.closed(), ["Failed(closed)"]);
        bench.now = bench.now + millis(rest);
    }
    bench.asked();
    assert_eq!(bench.bytes(&snap_image()).last().unwrap(), "End(100)");
    bench.asked();
    assert_eq!(bench.closed(), ["Failed(closed)"]);
    let failed = bench.now;
    assert_eq!(bench.ask(2), Vec::<String>::new());
    assert_eq!(bench.deadline(), ["Connect(0)"]);
    assert_eq!(bench.now, failed + millis(250));
}

#[test]
fn messages_of_a_snapshot_that_has_failed_are_not_passed_on() {
    for format in BOTH {
        let mut wire = image(format);
        let end = wire.len() - if format == Format::NasdaqItch50 { 24 } else { 11 };
        wire.truncate(end);
        wire.extend([0, 0]);
        let mut bench = Snapshots::new(format, 1);
        bench.asked();
        assert_eq!(bench.bytes(&wire), ["Close", "Begin", "Failed(malformed)"]);
        assert!(bench.messages.is_empty());
    }
}

#[test]
fn no_ask_waits_for_a_rest_that_outlasts_it() {
    let mut bench = Snapshots::new(Format::IexDeep, 1);
    bench.asked();
    bench.closed();
    let ask = SnapshotAsk { expires: bench.now + millis(250), ..bench.snapshot_ask(2) };
    assert_eq!(bench.call(|client, now| client.ask(now, ask)), ["Failed(unreachable)"]);
    let ask = SnapshotAsk { expires: bench.now + millis(251), ..ask };
    assert_eq!(bench.call(|client, now| client.ask(now, ask)), Vec::<String>::new());
    assert_eq!(bench.deadline(), ["Connect(0)"]);
}

/// Whoever asked may be the first to find that it took too long, in the very same moment.
#[test]
fn an_address_that_had_its_time_is_left_when_the_snapshot_is_dropped() {
    for format in BOTH {
        let silence = Config::of(format, 2).silence;
        for (state, time) in [("connecting", secs(1)), ("asked", secs(1)), ("loading", silence)] {
            for overdue in [false, true] {
                let mut bench = Snapshots::new(format, 2);
                let (start, dropped) = (bench.now, Nanos(time.0 - u64::from(!overdue)));
                let ask = SnapshotAsk { expires: start + time, ..bench.snapshot_ask(1) };
                bench.call(|client, now| client.ask(now, ask));
                if state != "connecting" {
                    bench.connected();
                }
                if state == "loading" {
                    // All but the end; then a sign of life, which is no part of the snapshot.
                    let (end, alive) = match format {
                        Format::NasdaqItch50 => {
                            let end = end_of(100);
                            (soup(&[FromServer::Sequenced(end.as_bytes())]), &[0, 1, b'H'])
                        }
                        _ => (snaps(&[snap::FromServer::End { last: SeqNo(99) }]), &[1, 0, b'?']),
                    };
                    let whole = image(format);
                    bench.bytes(&whole[..whole.len() - end.len()]);
                    bench.now = start + Nanos(time.0 / 2);
                    bench.bytes(alive);
                }
                bench.now = start + dropped;
                assert_eq!(bench.drop_cycle(1), ["Close"], "{state}");
                let next = format!("Connect({})", u8::from(overdue));
                assert_eq!(bench.ask(2), [next], "{state} of {}", format.name());
                assert_eq!(bench.count(Count::Failovers), u64::from(overdue));
            }
        }
    }
}

#[test]
fn what_comes_late_is_counted_and_nothing_else() {
    for format in BOTH {
        let mut bench = Snapshots::new(format, 1);
        assert_eq!(bench.bytes(&image(format)), Vec::<String>::new());
        assert_eq!(bench.connected(), Vec::<String>::new());
        assert_eq!(bench.closed(), Vec::<String>::new());
        assert_eq!(bench.count(Count::Stray), 3);
        bench.asked();
        assert_eq!(bench.drop_cycle(1), ["Close"]);
        assert_eq!(bench.bytes(&image(format)), Vec::<String>::new());
        assert!(bench.messages.is_empty());
        assert_eq!(bench.count(Count::Dropped), 1);
    }
}

#[test]
fn sessions_and_numbers_the_protocol_can_not_say_are_not_asked_for() {
    let tries = [
        (Format::NasdaqItch50, SessionId::NONE),
        (Format::NasdaqItch50, SessionId::from_number(7)),
        (Format::NasdaqItch50, SessionId::from_text(*b"          ")),
        (Format::NasdaqItch50, SessionId::from_text(*b"elevenchars")),
        (Format::IexDeep, SessionId::NONE),
        (Format::IexDeep, SessionId::from_number(1 << 32)),
        (Format::IexDeep, SessionId::from_text(*b"20260727A ")),
    ];
    for (format, session) in tries {
        let mut bench = Snapshots::new(format, 1);
        let ask = SnapshotAsk { session, ..bench.snapshot_ask(1) };
        assert_eq!(bench.call(|client, now| client.ask(now, ask)), ["Failed(wrong_session)"]);
    }
    let mut bench = Snapshots::new(Format::IexDeep, 1);
    let ask = SnapshotAsk { needs: SeqNo(u64::MAX), ..bench.snapshot_ask(1) };
    assert_eq!(bench.call(|client, now| client.ask(now, ask)), ["Failed(wrong_session)"]);
}

#[test]
#[should_panic(expected = "results are fetched after every call")]
fn a_shell_that_does_not_fetch_results_is_broken() {
    let mut bench = Snapshots::new(Format::NasdaqItch50, 1);
    bench.asked();
    let wire = soup(&[accepted()]);
    let _ = bench.client.on_bytes(bench.now, &wire);
    let _ = bench.client.on_bytes(bench.now, &wire);
}

#[test]
fn credentials_of_the_longest_kind_fit() {
    let long = Credentials::new("sixsix", "tentententen".get(..10).unwrap()).unwrap();
    let long = long.with_token(&"t".repeat(40)).unwrap();
    for format in BOTH {
        let mut bench =
            Snapshots::with(format, Config { credentials: long, ..Config::of(format, 1) });
        bench.asked();
        assert!(bench.sent.len() >= soupbintcp::FRAMING.longest.min(49));
    }
}
