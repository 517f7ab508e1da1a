//! The retransmit client against scripted servers, over UDP and TCP.

mod common;

use candor_core::limits::RETRANSMITS_REMEMBERED;
use candor_core::{Ask, SessionId};
use candor_decoders::Format;
use candor_decoders::nasdaq::moldudp64;
use candor_services::Count;
use candor_services::retransmit::{Client, Config, Transport};
use common::*;

const NOTHING: [&str; 0] = [];

fn udp(format: Format, addresses: usize) -> Retransmits {
    Retransmits::new(format, Transport::Udp, addresses)
}

fn tcp(addresses: usize) -> Retransmits {
    Retransmits::new(Format::IexDeep, Transport::Tcp, addresses)
}

#[test]
fn a_request_is_one_datagram_and_its_answer_is_passed_on_as_it_is() {
    for format in Format::ALL {
        let mut bench = udp(format, 2);
        assert_eq!(bench.ask(10, 13), ["SendTo(0)"]);
        assert_eq!(request(format, &bench.sent), (session(format), range(10, 13)));
        let payload = answer(format, 10, 13);
        assert_eq!(bench.datagram(0, &payload), ["Payload(10-12)"]);
        assert_eq!(bench.payloads, [payload]);
        assert_eq!(bench.client.deadline(), None);
    }
}

#[test]
fn moldudp64_answers_with_one_datagram_and_the_rest_is_asked_for_by_whoever_misses_it() {
    let mut bench = udp(Format::NasdaqItch50, 1);
    bench.ask(10, 20);
    assert_eq!(bench.datagram(0, &answer(Format::NasdaqItch50, 10, 14)), ["Payload(10-13)"]);
    assert_eq!(bench.client.deadline(), None, "no second datagram is waited for");
}

#[test]
fn iex_answers_with_several_datagrams_each_of_which_has_its_own_deadline() {
    let mut bench = udp(Format::IexDeep, 2);
    bench.ask(10, 20);
    bench.now = bench.now + millis(150);
    assert_eq!(bench.datagram(0, &answer(Format::IexDeep, 8, 14)), ["Payload(8-13)"]);
    bench.now = bench.now + millis(150);
    // The same again is passed on, and moves no deadline.
    assert_eq!(bench.datagram(0, &answer(Format::IexDeep, 8, 14)), ["Payload(8-13)"]);
    assert_eq!(bench.deadline(), ["Refused(14-19 timed_out)"]);
    assert_eq!(bench.now, START + millis(350));
    assert_eq!(bench.ask(14, 20), ["SendTo(0)"], "an address that answers in part works");
    assert_eq!(bench.datagram(0, &answer(Format::IexDeep, 14, 20)), ["Payload(14-19)"]);
    assert_eq!(bench.client.deadline(), None);
}

#[test]
fn silence_is_said_and_the_next_address_is_turned_to_and_kept() {
    for format in Format::ALL {
        let mut bench = udp(format, 3);
        bench.ask(1, 2);
        assert_eq!(bench.deadline(), ["Refused(1 timed_out)"]);
        assert_eq!(bench.now, START + millis(200));
        assert_eq!(bench.ask(1, 2), ["SendTo(1)"]);
        assert_eq!(bench.deadline(), ["Refused(1 timed_out)"]);
        assert_eq!(bench.ask(1, 2), ["SendTo(2)"]);
        assert_eq!(bench.datagram(2, &answer(format, 1, 2)), ["Payload(1)"]);
        assert_eq!(bench.ask(2, 3), ["SendTo(2)"]);
        assert_eq!(bench.count(Count::Failovers), 2);
    }
}

#[test]
fn one_address_is_asked_again_though_it_rests() {
    let mut bench = udp(Format::NasdaqItch50, 1);
    for _ in 0..5 {
        assert_eq!(bench.ask(1, 2), ["SendTo(0)"]);
        assert_eq!(bench.deadline(), ["Refused(1 timed_out)"]);
    }
}

#[test]
fn several_requests_lost_together_are_one_failure() {
    let mut bench = udp(Format::NasdaqItch50, 3);
    bench.ask(1, 2);
    bench.ask(4, 5);
    assert_eq!(bench.deadline(), ["Refused(1 timed_out)", "Refused(4 timed_out)"]);
    assert_eq!(bench.ask(1, 2), ["SendTo(1)"]);
}

#[test]
fn what_expires_is_forgotten_without_a_word_and_what_comes_then_is_welcome() {
    for format in Format::ALL {
        let mut bench = udp(format, 2);
        let ask = Ask { expires: bench.now + millis(50), ..bench.the_ask(10, 12) };
        bench.call(|client, now| client.ask(now, ask));
        assert_eq!(bench.deadline(), NOTHING);
        assert_eq!(bench.now, START + millis(50));
        assert_eq!(bench.datagram(0, &answer(format, 10, 12)), ["Payload(10-11)"]);
        assert_eq!(bench.count(Count::AnswersLate), 1);
        assert_eq!(bench.ask(10, 12), ["SendTo(1)"], "its address was silent all the same");

        let ask = Ask { expires: bench.now, ..bench.the_ask(20, 21) };
        assert_eq!(bench.call(|client, now| client.ask(now, ask)), NOTHING, "never sent");
        assert_eq!(bench.count(Count::Expired), 1);
    }
}

#[test]
fn what_nobody_asked_for_is_discarded_and_counted() {
    for format in Format::ALL {
        let mut bench = udp(format, 2);
        assert_eq!(bench.datagram(0, &answer(format, 1, 2)), NOTHING);
        assert_eq!(bench.count(Count::ForeignSession), 1, "nothing was ever asked for");
        bench.ask(10, 12);
        let due = bench.client.deadline();
        let good = answer(format, 10, 12);
        assert_eq!(bench.datagram(2, &good), NOTHING);
        assert_eq!(bench.datagram(usize::MAX, &good), NOTHING);
        assert_eq!(bench.count(Count::ForeignSource), 2);
        assert_eq!(bench.datagram(0, &answer_of(format, 8, 1, 10, 12)), NOTHING);
        assert_eq!(bench.count(Count::ForeignSession), 2);
        assert_eq!(bench.datagram(0, &answer(format, 12, 14)), NOTHING);
        assert_eq!(bench.datagram(0, &answer(format, 9, 10)), NOTHING);
        assert_eq!(bench.count(Count::ForeignRange), 2);
        assert_eq!(bench.datagram(0, &answer(format, 10, 10)), NOTHING);
        assert_eq!(bench.count(Count::Empty), 1);
        for cut in 0..good.len() {
            assert_eq!(bench.datagram(0, &good[..cut]), NOTHING);
        }
        assert_eq!(bench.datagram(0, &[&good[..], &[0]].concat()), NOTHING);
        assert_eq!(bench.count(Count::Malformed), good.len() as u64 + 1);
        if format != Format::NasdaqItch50 {
            assert_eq!(bench.datagram(0, &answer_of(format, 7, 2, 10, 12)), NOTHING);
            assert_eq!(bench.count(Count::ForeignSession), 3);
        }
        assert_eq!(bench.client.deadline(), due, "nothing of it counts as an answer");
        assert_eq!(bench.datagram(1, &good), ["Payload(10-11)"], "any of the service's own does");
        assert_eq!(bench.ask(20, 21), ["SendTo(1)"]);
    }
    let mut bench = udp(Format::NasdaqItch50, 1);
    bench.ask(10, 12);
    let end = moldudp64::end(DAY, candor_core::SeqNo(10));
    assert_eq!(bench.datagram(0, &end), NOTHING);
    assert_eq!(bench.count(Count::Empty), 1);
}

#[test]
fn a_host_that_says_nobody_listens_is_believed_about_its_own_requests() {
    let mut bench = udp(Format::NasdaqItch50, 2);
    bench.ask(1, 2);
    assert_eq!(bench.call(|client, now| client.on_unreachable(now, 1)), NOTHING);
    let words = bench.call(|client, now| client.on_unreachable(now, 0));
    assert_eq!(words, ["Refused(1 unreachable)"]);
    assert_eq!(bench.ask(1, 2), ["SendTo(1)"]);
    assert_eq!(bench.count(Count::Stray), 1);
}

#[test]
fn no_request_asks_for_more_than_is_answered() {
    for (format, most) in [(Format::NasdaqItch50, 65_534), (Format::IexDeep, 1_000)] {
        let mut bench = udp(format, 1);
        bench.ask(10, 1_000_000);
        assert_eq!(request(format, &bench.sent).1, range(10, 10 + most));
    }
    let mut bench = tcp(1);
    bench.ask(10, 1_000_000);
    bench.connected();
    assert_eq!(request(Format::IexDeep, &bench.sent).1, range(10, 1_000_000));
}

#[test]
fn the_known_number_is_never_what_a_long_request_leaves_out() {
    let most = [(Format::NasdaqItch50, 65_534), (Format::IexDeep, 1_000), (Format::IexTops, 1_000)];
    for (format, most) in most {
        for (len, asked) in [(most - 1, most), (most, most), (most + 1, most), (1, 2)] {
            let mut bench = udp(format, 1);
            let ask = Ask { with_known: true, ..bench.the_ask(10, 10 + len) };
            bench.call(|client, now| client.ask(now, ask));
            assert_eq!(request(format, &bench.sent).1, range(9, 9 + asked), "{len}");
        }
    }
    // What is left out is no part of the request: it is answered without, and refused without.
    let mut bench = udp(Format::IexDeep, 1);
    let ask = Ask { with_known: true, ..bench.the_ask(10, 1_010) };
    bench.call(|client, now| client.ask(now, ask));
    bench.datagram(0, &answer(Format::IexDeep, 9, 200));
    assert_eq!(bench.deadline(), ["Refused(200-1008 timed_out)"]);
    // Over a connection an answer is as long as one likes.
    let mut bench = tcp(1);
    let ask = Ask { with_known: true, ..bench.the_ask(10, 1_000_000) };
    bench.call(|client, now| client.ask(now, ask));
    bench.connected();
    assert_eq!(request(Format::IexDeep, &bench.sent).1, range(9, 1_000_000));
}

#[test]
fn requests_that_overlap_by_the_known_number_have_an_answer_each() {
    // What one asks for last is what the next asks for to compare.
    for swapped in [false, true] {
        let mut bench = udp(Format::NasdaqItch50, 2);
        for (first, end) in [(10, 15), (15, 20)] {
            let ask = Ask { with_known: true, ..bench.the_ask(first, end) };
            bench.call(|client, now| client.ask(now, ask));
        }
        let mut answers = [(9, 15), (14, 20)];
        if swapped {
            answers.reverse();
        }
        let (first, end) = answers[0];
        bench.datagram(0, &answer(Format::NasdaqItch50, first, end));
        assert!(bench.client.deadline().is_some(), "the other is waited for");
        let (first, end) = answers[1];
        bench.datagram(0, &answer(Format::NasdaqItch50, first, end));
        assert_eq!(bench.client.deadline(), None);
        assert_eq!(bench.count(Count::AnswersLate), 0);
    }
}

#[test]
fn a_connection_that_comes_when_the_ask_has_expired_carries_nothing() {
    let mut bench = tcp(2);
    let soon = Ask { expires: bench.now + millis(500), ..bench.the_ask(1, 2) };
    assert_eq!(bench.call(|client, now| client.ask(now, soon)), ["Connect(0)"]);
    bench.now = soon.expires;
    assert_eq!(bench.connected(), ["Close"], "forgotten without a word");
    assert_eq!((bench.count(Count::Requests), bench.count(Count::Expired)), (0, 1));
    assert_eq!(bench.client.deadline(), None);

    // Who waits behind it has a connection of its own, to the same address: that one is well.
    let mut bench = tcp(2);
    bench.call(|client, now| client.ask(now, soon));
    bench.ask(3, 4);
    assert_eq!(bench.client.unsent(), 2);
    bench.now = soon.expires;
    assert_eq!(bench.connected(), ["Close", "Connect(0)"]);
    assert_eq!((bench.client.unsent(), bench.client.take_left()), (1, 0));
    assert_eq!(bench.connected(), ["Send"]);
    assert_eq!(request(Format::IexDeep, &bench.sent).1, range(3, 4));
    assert_eq!((bench.client.unsent(), bench.client.take_left()), (0, 1));
    assert_eq!(bench.client.take_left(), 0, "it is said once");
}

#[test]
fn a_datagram_leaves_at_once_or_never() {
    let mut bench = udp(Format::IexDeep, 1);
    bench.ask(1, 2);
    bench.ask(5, 5);
    assert_eq!((bench.client.unsent(), bench.client.take_left()), (0, 1));
    for number in 0..20 {
        bench.ask(100 + 2 * number, 101 + 2 * number);
    }
    assert_eq!((bench.client.unsent(), bench.client.take_left()), (0, RETRANSMITS_REMEMBERED - 1));
}

#[test]
fn asks_that_can_not_be_said_are_refused() {
    for (format, session) in [
        (Format::NasdaqItch50, SessionId::from_number(7)),
        (Format::NasdaqItch50, SessionId::NONE),
        (Format::IexDeep, SessionId::NONE),
        (Format::IexDeep, SessionId::from_text(DAY)),
    ] {
        let mut bench = udp(format, 1);
        let ask = Ask { session, ..bench.the_ask(1, 2) };
        let words = bench.call(|client, now| client.ask(now, ask));
        assert_eq!(words, ["Refused(1 wrong_session)"]);
    }
    let mut bench = udp(Format::IexDeep, 1);
    assert_eq!(bench.ask(u64::MAX - 1, u64::MAX).len(), 1);
    assert_eq!(bench.ask(5, 5), ["Refused(none wrong_session)"], "an ask for nothing");
    assert!(Client::new(Format::NasdaqItch50, Config::of(Transport::Tcp, 1)).is_err());
}

#[test]
fn one_more_than_there_is_room_for_is_busy() {
    for mut bench in [udp(Format::IexDeep, 1), tcp(1)] {
        // Over TCP one is under way and the rest wait.
        let under_way = usize::from(bench.ask(1, 2) == ["Connect(0)"]);
        for number in 1..RETRANSMITS_REMEMBERED + under_way {
            bench.ask(1 + 2 * number as u64, 2 + 2 * number as u64);
        }
        assert_eq!(bench.ask(101, 102), ["Refused(101 busy)"]);
        assert_eq!(bench.count(Count::Overflows), 1);
    }
}

#[test]
fn segments_over_tcp_are_the_same_wherever_they_are_cut() {
    let wire = [answer(Format::IexDeep, 10, 13), answer(Format::IexDeep, 13, 15)].concat();
    for first in 0..=wire.len() {
        for second in first..=wire.len() {
            let mut bench = tcp(1);
            assert_eq!(bench.ask(10, 15), ["Connect(0)"]);
            assert_eq!(bench.connected(), ["Send"]);
            assert_eq!(request(Format::IexDeep, &bench.sent), (iex_session(), range(10, 15)));
            let mut words = Vec::new();
            for part in [&wire[..first], &wire[first..second], &wire[second..]] {
                words.extend(bench.bytes(part));
            }
            assert_eq!(words, ["Payload(10-12)", "Close", "Payload(13-14)"]);
            assert_eq!(bench.payloads.concat(), wire);
            assert_eq!(bench.client.deadline(), None);
        }
    }
}

#[test]
fn a_connection_closed_at_any_byte_refuses_what_is_missing() {
    let wire = [answer(Format::IexDeep, 10, 13), answer(Format::IexDeep, 13, 15)].concat();
    let first = answer(Format::IexDeep, 10, 13).len();
    for cut in 0..wire.len() {
        let mut bench = tcp(2);
        bench.ask(10, 15);
        bench.connected();
        bench.bytes(&wire[..cut]);
        let heard = cut >= first;
        let rest = if heard { "13-14" } else { "10-14" };
        assert_eq!(bench.closed(), [format!("Refused({rest} closed)")]);
        assert_eq!(bench.ask(13, 15), [format!("Connect({})", usize::from(!heard))]);
        bench.connected();
        bench.payloads.clear();
        bench.bytes(&wire[first..]);
        assert_eq!(bench.payloads, [&wire[first..]], "nothing of the one before is left over");
    }
}

#[test]
fn asks_wait_for_the_connection_in_turn() {
    let mut bench = tcp(1);
    assert_eq!(bench.ask(1, 2), ["Connect(0)"]);
    assert_eq!(bench.ask(5, 6), NOTHING);
    assert_eq!(bench.ask(3, 4), NOTHING);
    let soon = Ask { expires: bench.now + millis(1), ..bench.the_ask(7, 8) };
    assert_eq!(bench.call(|client, now| client.ask(now, soon)), NOTHING);
    bench.connected();
    assert_eq!(bench.deadline(), NOTHING);
    assert_eq!(bench.now, START + millis(1));
    assert_eq!(bench.count(Count::Expired), 1);
    let words = bench.bytes(&answer(Format::IexDeep, 1, 2));
    assert_eq!(words, ["Close", "Connect(0)", "Payload(1)"]);
    bench.connected();
    assert_eq!(request(Format::IexDeep, &bench.sent).1, range(5, 6));
    // One that comes now is behind all that wait.
    assert_eq!(bench.ask(9, 10), NOTHING);
    assert_eq!(bench.closed(), ["Refused(5 closed)"]);
    assert_eq!(bench.deadline(), ["Connect(0)"], "the address had to rest");
    bench.connected();
    assert_eq!(request(Format::IexDeep, &bench.sent).1, range(3, 4));
    bench.bytes(&answer(Format::IexDeep, 3, 4));
    bench.connected();
    assert_eq!(request(Format::IexDeep, &bench.sent).1, range(9, 10));
}

#[test]
fn what_is_asked_for_anew_is_refused_once_and_by_its_own_deadline() {
    let mut bench = udp(Format::IexDeep, 2);
    bench.ask(10, 20);
    bench.datagram(0, &answer(Format::IexDeep, 10, 14));
    bench.now = bench.now + millis(100);
    assert_eq!(bench.ask(14, 20), ["SendTo(0)"]);
    assert_eq!(bench.count(Count::Replaced), 1);
    assert_eq!(bench.deadline(), ["Refused(14-19 timed_out)"]);
    assert_eq!(bench.now, START + millis(300));
    assert_eq!(bench.client.deadline(), None);

    // A deadline that is as old as the new ask is kept first: the silent address is left.
    let mut bench = udp(Format::NasdaqItch50, 2);
    let ask = Ask { expires: bench.now + millis(50), ..bench.the_ask(1, 2) };
    bench.call(|client, now| client.ask(now, ask));
    bench.now = ask.expires;
    assert_eq!(bench.ask(1, 2), ["SendTo(1)"]);

    let mut bench = tcp(1);
    bench.ask(10, 20);
    bench.connected();
    bench.bytes(&answer(Format::IexDeep, 10, 14));
    assert_eq!(bench.ask(15, 18), NOTHING, "it is on its way");
    assert_eq!(bench.ask(14, 22), NOTHING, "not all of it is");
    assert_eq!(bench.ask(13, 22), NOTHING, "in place of the one that waits");
    assert_eq!(bench.count(Count::Replaced), 2);
    let words = bench.bytes(&answer(Format::IexDeep, 14, 20));
    assert_eq!(words, ["Close", "Connect(0)", "Payload(14-19)"]);
    bench.connected();
    assert_eq!(request(Format::IexDeep, &bench.sent).1, range(13, 22));
}

#[test]
fn what_stands_for_a_newer_ask_is_refused_as_long_as_that_one_is_waited_for() {
    let mut bench = tcp(2);
    let soon = Ask { expires: bench.now + secs(1), ..bench.the_ask(10, 20) };
    bench.call(|client, now| client.ask(now, soon));
    bench.connected();
    bench.bytes(&answer(Format::IexDeep, 10, 14));
    assert_eq!(bench.ask(14, 20), NOTHING);
    assert_eq!(bench.deadline(), ["Close", "Refused(14-19 timed_out)"]);
    assert_eq!(bench.now, START + secs(2));

    // What has taken too long stands for nobody.
    let mut bench = tcp(2);
    bench.call(|client, now| client.ask(now, soon));
    bench.connected();
    bench.now = soon.expires;
    assert_eq!(bench.ask(10, 20), ["Close", "Connect(1)"]);
}

#[test]
fn all_that_wait_are_refused_where_no_address_is_rested_in_time() {
    let mut bench = tcp(1);
    let soon = |first| Ask { expires: START + millis(100), ..tcp(1).the_ask(first, first + 1) };
    for first in [1, 3, 5] {
        bench.call(|client, now| client.ask(now, soon(first)));
    }
    let refused = ["Refused(1 unreachable)", "Refused(3 unreachable)", "Refused(5 unreachable)"];
    assert_eq!(bench.closed(), refused);
    assert_eq!(bench.client.deadline(), None);
}

#[test]
fn one_that_comes_when_another_has_expired_does_not_take_its_turn() {
    let mut bench = tcp(1);
    bench.ask(1, 2);
    let soon = Ask { expires: bench.now + millis(1), ..bench.the_ask(3, 4) };
    bench.call(|client, now| client.ask(now, soon));
    bench.ask(5, 6);
    bench.deadline();
    bench.ask(7, 8);
    let mut order = Vec::new();
    for number in [1, 5, 7] {
        bench.connected();
        order.push(request(Format::IexDeep, &bench.sent).1.first.0);
        bench.bytes(&answer(Format::IexDeep, number, number + 1));
    }
    assert_eq!(order, [1, 5, 7]);
}

#[test]
fn a_connection_that_carries_the_wrong_thing_is_left() {
    let cases = [
        (answer_of(Format::IexDeep, 8, 1, 10, 13), "wrong_session"),
        (answer_of(Format::IexDeep, 7, 2, 10, 13), "wrong_session"),
        (answer_of(Format::IexTops, 7, 1, 10, 13), "malformed"),
        (vec![9; 40], "malformed"),
    ];
    for (wire, label) in cases {
        let mut bench = tcp(2);
        bench.ask(10, 15);
        bench.connected();
        let refused = format!("Refused(10-14 {label})");
        assert_eq!(bench.bytes(&wire), ["Close".to_owned(), refused]);
        assert_eq!(bench.ask(10, 15), ["Connect(1)"]);
    }
}

#[test]
fn heartbeats_and_numbers_not_asked_for_keep_no_connection_alive() {
    let mut bench = tcp(1);
    bench.ask(10, 15);
    bench.connected();
    let due = bench.client.deadline();
    bench.now = bench.now + secs(1);
    let heartbeat = answer(Format::IexDeep, 10, 10);
    assert_eq!(bench.bytes(&heartbeat), NOTHING);
    assert_eq!(bench.bytes(&answer(Format::IexDeep, 20, 21)), NOTHING);
    assert_eq!(bench.client.deadline(), due);
    assert_eq!(bench.bytes(&answer(Format::IexDeep, 10, 11)), ["Payload(10)"]);
    bench.now = bench.now + millis(700);
    assert_eq!(bench.bytes(&answer(Format::IexDeep, 10, 11)), ["Payload(10)"]);
    assert_eq!(bench.deadline(), ["Close", "Refused(11-14 timed_out)"]);
    assert_eq!(bench.now, START + secs(3), "two seconds behind the last that was new");
}

#[test]
fn every_wait_for_a_connection_ends_by_itself() {
    let mut bench = tcp(2);
    assert_eq!(bench.ask(1, 2), ["Connect(0)"]);
    assert_eq!(bench.ask(3, 4), NOTHING);
    let mut words = Vec::new();
    while bench.client.deadline().is_some() {
        words.extend(bench.deadline());
    }
    assert_eq!(bench.now, START + secs(5), "both expire then, and are forgotten");
    assert!(words.iter().all(|word| word == "Close" || word.starts_with("Connect")));
    assert!(words.len() <= 10, "{words:?}");

    let mut bench = tcp(1);
    let soon = Ask { expires: bench.now + millis(300), ..bench.the_ask(1, 2) };
    bench.call(|client, now| client.ask(now, soon));
    assert_eq!(bench.deadline(), ["Close"]);
    assert_eq!(bench.now, START + millis(300), "no connection is waited for any longer");

    let mut bench = tcp(1);
    bench.ask(1, 2);
    bench.connected();
    assert_eq!(bench.deadline(), ["Close", "Refused(1 timed_out)"]);
    assert_eq!(bench.now, START + secs(2));
}

#[test]
fn events_of_the_other_transport_are_stray() {
    let mut bench = udp(Format::IexDeep, 1);
    assert_eq!(bench.connected(), NOTHING);
    assert_eq!(bench.closed(), NOTHING);
    assert_eq!(bench.bytes(&[1, 2, 3]), NOTHING);
    let mut other = tcp(1);
    assert_eq!(other.datagram(0, &answer(Format::IexDeep, 1, 2)), NOTHING);
    assert_eq!(other.call(|client, now| client.on_unreachable(now, 0)), NOTHING);
    assert_eq!(other.bytes(&[1, 2, 3]), NOTHING);
    assert_eq!((bench.count(Count::Stray), other.count(Count::Stray)), (3, 3));
}

#[test]
#[should_panic(expected = "what is to be done is fetched after every call")]
fn a_shell_that_does_not_fetch_what_is_to_be_done_is_broken() {
    let mut bench = udp(Format::IexDeep, 1);
    let ask = bench.the_ask(1, 2);
    bench.client.ask(bench.now, ask);
    bench.client.ask(bench.now, ask);
}
