//! What must hold of every decoder for any bytes whatever. One module a target: `check` takes the
//! fuzzer's bytes and panics where something does not hold. `run SECONDS` builds and runs them all.
//!
//! The checks are plain functions, so that the committed corpus also runs as an ordinary test.
#![forbid(unsafe_code)]

pub mod agent;
pub mod deep;
pub mod iex_tp;
pub mod itch50;
pub mod journal;
pub mod maps;
pub mod moldudp64;
pub mod net;
pub mod packet;
pub mod seeds;
pub mod services;
pub mod snap;
pub mod soupbintcp;
pub mod tops;

/// The tables of the specifications, read slowly.
#[path = "../../decoders/tests/wire/slow.rs"]
mod slow;

use candor_core::{Event, InstrumentKey, Message, Packet, Reject};
use candor_decoders::stream::Framing;
use candor_decoders::{Format, View};

/// What a target does with the fuzzer's bytes.
pub type Check = fn(&[u8]);

/// Every target's name and check.
pub const TARGETS: [(&str, Check); 13] = [
    ("agent", agent::check),
    ("deep", deep::check),
    ("iex_tp", iex_tp::check),
    ("itch50", itch50::check),
    ("journal", journal::check),
    ("maps", maps::check),
    ("moldudp64", moldudp64::check),
    ("net", net::check),
    ("packet", packet::check),
    ("services", services::check),
    ("snap", snap::check),
    ("soupbintcp", soupbintcp::check),
    ("tops", tops::check),
];

/// What holds of a stream of packets, wherever it is cut: whole packets one behind the other, which
/// `each` is given, and in front of every cut the same ones.
fn stream_is_split(framing: Framing, bytes: &[u8], each: impl Fn(&[u8])) {
    let mut ends = Vec::new();
    let mut frames = framing.split(bytes);
    while let Ok(Some(packet)) = frames.take_next() {
        lies_within(packet, bytes);
        assert!((3..=framing.longest).contains(&packet.len()));
        ends.push(frames.consumed());
        assert_eq!(packet, &bytes[frames.consumed() - packet.len()..frames.consumed()]);
        each(packet);
    }
    for cut in [0, 1, bytes.len() / 3, bytes.len() / 2, bytes.len().saturating_sub(1)] {
        let cut = cut.min(bytes.len());
        let mut frames = framing.split(&bytes[..cut]);
        while let Ok(Some(_)) = frames.take_next() {}
        let before = ends.iter().rev().find(|end| **end <= cut).copied().unwrap_or(0);
        assert_eq!(frames.consumed(), before);
    }
}

/// Panics unless `inner` is part of `outer`'s own memory: nothing is ever read past what came in.
fn lies_within(inner: &[u8], outer: &[u8]) {
    let (inner, outer) = (inner.as_ptr_range(), outer.as_ptr_range());
    assert!(outer.start <= inner.start);
    assert!(inner.end <= outer.end);
}

/// What holds of any packet that was understood: as many messages as numbers, which lie one behind
/// the other and fill `blocks` exactly.
fn packet_is_whole(packet: &Packet<'_>, blocks: &[u8]) {
    assert_eq!(packet.messages.len() as u64, packet.range.len());
    let mut bytes = 0;
    let mut count = 0;
    for message in packet.messages {
        lies_within(message, blocks);
        bytes += 2 + message.len();
        count += 1;
        let at = message.as_ptr() as usize - blocks.as_ptr() as usize;
        assert_eq!(at + message.len(), bytes);
    }
    assert_eq!(count, packet.range.len());
    assert_eq!(bytes, blocks.len());
    assert_ne!(packet.range.first.0, 0);
}

/// What holds of one message in any format.
fn message_holds(format: Format, bytes: &[u8]) -> Result<Message, Reject> {
    let decoded = format.decode(bytes);
    let Some(kind) = bytes.first() else {
        assert_eq!(decoded.map(|m| (m.kind, m.event)), Ok((0, Event::Unknown)));
        return decoded;
    };
    let Some(len) = format.layout_len(*kind) else {
        assert_eq!(decoded.map(|m| (m.kind, m.event)), Ok((*kind, Event::Unknown)));
        return decoded;
    };
    if bytes.len() < len {
        assert_eq!(decoded, Err(Reject::ShortMessage));
        return decoded;
    }
    // The decoder says what the specification's table says.
    let row = slow::rows(format).into_iter().find(|row| row.0 == *kind).expect("it has a layout");
    assert_eq!(row.1, len);
    let slow = slow::Slow { format, fields: row.2, bytes };
    assert_eq!(decoded, slow.decode());
    if let Ok(message) = &decoded {
        assert_eq!(format.symbol_in(message, bytes), slow.symbol());
    }
    // Bytes behind the layout change nothing, and no byte of the layout can be missing.
    assert_eq!(format.decode(&bytes[..len]), decoded);
    assert_eq!(format.decode(&bytes[..len - 1]), Err(Reject::ShortMessage));
    match decoded {
        Ok(message) => {
            assert_eq!(message.kind, *kind);
            assert_ne!(message.event, Event::Unknown);
            let market_wide = matches!(message.event, Event::System(_) | Event::Notice);
            assert!(market_wide || message.key != InstrumentKey::NONE);
            if let Some(symbol) = format.symbol_of(message.key) {
                lies_within_text(symbol.as_str(), bytes);
            }
        }
        Err(reject) => assert_eq!(reject, Reject::BadField),
    }
    decoded
}

/// A symbol is text of the message, never made up.
fn lies_within_text(symbol: &str, bytes: &[u8]) {
    assert!(!symbol.is_empty());
    assert!(bytes.windows(symbol.len()).any(|window| window == symbol.as_bytes()));
}

/// The front of `bytes` as this layout is those bytes themselves, and nothing shorter is one.
fn view_is_its_bytes<T: View>(bytes: &[u8]) {
    match T::view(bytes) {
        Ok(view) => {
            assert!(bytes.len() >= T::LEN);
            assert_eq!(view.as_bytes(), &bytes[..T::LEN]);
            lies_within(view.as_bytes(), bytes);
        }
        Err(reject) => {
            assert_eq!(reject, Reject::ShortMessage);
            assert!(bytes.len() < T::LEN);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_seed_of_every_target_holds_and_is_the_generators() {
        let made: BTreeSet<_> = super::seeds::all().into_iter().collect();
        let mut committed = BTreeSet::new();
        for (target, check) in super::TARGETS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
            for seed in std::fs::read_dir(folder).unwrap() {
                let path = seed.unwrap().path();
                let bytes = std::fs::read(&path).unwrap();
                check(&bytes);
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                committed.insert((target, name, bytes));
            }
            assert!(made.iter().any(|seed| seed.0 == target), "{target} has no seeds");
        }
        assert!(committed == made, "run `cargo run --bin seeds`, and look at what changed");
    }
}
