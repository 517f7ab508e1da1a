//! A partition of the test's own, on which everything comes that a lane may ever meet.

use std::net::{Ipv4Addr, UdpSocket};

use candor_core::{Nanos, SeqNo, WireTime};
use candor_decoders::nasdaq::moldudp64;
use candor_sim::market::{Market, MarketConfig};

use crate::world::{SENDER, World, inside, pause};

const SESSION: [u8; 10] = *b"ROUGH     ";
const GROUPS: [Ipv4Addr; 2] = [Ipv4Addr::new(239, 67, 0, 1), Ipv4Addr::new(239, 67, 0, 2)];
const PORT: u16 = 26_500;
/// Turns of sending.
const TURNS: u64 = 3_000;

/// The configuration with the partition behind the exchange's.
pub fn with_own_partition(text: String) -> String {
    let [a, b] = GROUPS;
    format!(
        "{text}\n[[venue.partition]]\nname = \"rough\"\nlane = 0\nsymbols_max = 8\n\
         orders_max = 4096\nlevels_max = 4096\n\
         lines.A = {{ group = \"{a}\", port = {PORT} }}\n\
         lines.B = {{ group = \"{b}\", port = {PORT} }}\n"
    )
}

fn packet(session: [u8; 10], first: u64, messages: &[&[u8]]) -> Vec<u8> {
    let mut buffer = [0; 1_400];
    let mut writer = moldudp64::Writer::new(&mut buffer, session, SeqNo(first)).unwrap();
    for message in messages {
        writer.push(message).unwrap();
    }
    writer.finish().to_vec()
}

/// Sends a market's messages on two lines, one a packet, with everything wrong in between that can
/// be. There are more symbols than there is room for.
pub fn send(world: &World) {
    let socket = inside(world.sending(), || UdpSocket::bind((Ipv4Addr::from(SENDER), 0)).unwrap());
    let to = |line: usize, bytes: &[u8]| {
        socket.send_to(bytes, (GROUPS[line], PORT)).unwrap();
    };
    let config = MarketConfig { symbols: 12, seed: 7, ..MarketConfig::default() };
    let mut market = Market::new(config);
    let mut seq = 1;
    for turn in 0..TURNS {
        let step = market.partitions[0].next(WireTime(turn)).unwrap();
        let message = step.message.bytes();
        let whole = packet(SESSION, seq, &[message]);
        // Either line alone now and then; towards the end neither, which leaves a gap.
        match (turn % 50, turn) {
            (10, _) => to(0, &whole),
            (20, _) => to(1, &whole),
            (30, 2_500..) => {}
            _ => {
                to(0, &whole);
                to(1, &whole);
            }
        }
        seq += 1;
        if turn % 25 == 15 {
            seq += rough(turn / 25, seq, message, &whole, &to);
        }
        if turn % 100 == 0 {
            pause(Nanos::from_millis(5));
        }
    }
    // Numbers run away from what is held behind the gaps, and then a session follows, and the old
    // one goes on beside it.
    to(0, &packet(SESSION, seq + 40_000, &[b"S"]));
    to(0, &packet(SESSION, seq + 80_000, &[b"S"]));
    to(1, &packet(SESSION, seq + 39_000, &[b"S"]));
    for nth in 1..9 {
        to(0, &packet(*b"ANOTHER   ", nth, &[b"S"]));
        to(1, &packet(SESSION, seq + 80_000 + nth, &[b"S"]));
    }
}

/// Sends something that should not be. Returns how many numbers it used up.
fn rough(nth: u64, seq: u64, message: &[u8], whole: &[u8], to: &dyn Fn(usize, &[u8])) -> u64 {
    match nth % 10 {
        0 => to(0, &whole[..12]),
        1 => to(0, &whole[..whole.len() - 3]),
        2 => to(0, &[whole, b"behind"].concat()),
        3 => to(0, &packet([0xff; 10], seq, &[message])),
        4 => to(0, &packet(SESSION, u64::MAX, &[message, message])),
        5 => to(1, &noise(nth, 900)),
        6 => {
            to(0, &packet(SESSION, seq, &[b"?a type that no specification has"]));
            return 1;
        }
        7 => {
            to(1, &packet(SESSION, seq, &[&[message, b"longer"].concat()]));
            return 1;
        }
        8 => to(0, &moldudp64::heartbeat(SESSION, SeqNo(seq))),
        // An order that nobody has, a message cut short, an empty one.
        _ => {
            let mut unknown = [0; 19];
            (unknown[0], unknown[2]) = (b'D', 1);
            unknown[11..].copy_from_slice(&(u64::MAX - nth).to_be_bytes());
            to(0, &packet(SESSION, seq, &[&unknown, &message[..message.len() - 1], b""]));
            return 3;
        }
    }
    0
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut rng = candor_sim::rng::Rng::new(seed);
    (0..length).map(|_| rng.bits() as u8).collect()
}
