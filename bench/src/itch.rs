//! ITCH 5.0 messages of the simulator's market, and MoldUDP64 packets of them.

use candor_core::{Message, SeqNo, SymbolIndex, WireTime};
use candor_decoders::{Format, nasdaq::moldudp64};
use candor_sim::market::wire::{Action, encode};
use candor_sim::market::{Market, MarketConfig, PartitionMarket};

use crate::Blocks;

/// The longest payload a packet is given.
pub const PAYLOAD: usize = 1_400;

/// The session every packet starts in.
pub const SESSION: [u8; 10] = *b"BENCH00000";

/// A market's day from its first message: what builds the books, then what is measured.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Opening, and flow until the books have their usual size.
    pub warm: Blocks,
    /// The flow that follows.
    pub measured: Blocks,
    /// Deletes of every order that rests after that, so that the same flow can begin again.
    pub drain: Blocks,
    /// How many symbols there are; the stock locate of each is its index plus 1.
    pub symbols: usize,
    /// Orders that rest when the measured part begins.
    pub resting: usize,
}

/// The market the benchmarks take their flow from.
#[must_use]
pub fn market(symbols: usize) -> PartitionMarket {
    let config = MarketConfig { seed: 7, symbols, prefill: 10, halts: false, ..Default::default() };
    Market::new(config).partitions.swap_remove(0)
}

/// A flow of this many messages, after `warm` messages behind the opening.
#[must_use]
pub fn flow(symbols: usize, warm: usize, measured: usize) -> Flow {
    let mut market = market(symbols);
    let mut now = 34_200_000_000_000;
    let mut next = |market: &mut PartitionMarket| {
        now += 1_000;
        market.next(WireTime(now)).map(|step| step.message)
    };
    let (warm_up, none) = (Blocks::default(), Blocks::default);
    let mut flow = Flow { warm: warm_up, measured: none(), drain: none(), symbols, resting: 0 };
    while market.is_opening() {
        next(&mut market).into_iter().for_each(|message| flow.warm.push(message.bytes()));
    }
    for _ in 0..warm {
        next(&mut market).into_iter().for_each(|message| flow.warm.push(message.bytes()));
    }
    let books = |market: &PartitionMarket| -> Vec<(u16, u64)> {
        (1..=symbols as u16)
            .flat_map(|locate| {
                let orders = market.book(SymbolIndex(u32::from(locate) - 1)).orders();
                orders.iter().map(move |order| (locate, order.reference)).collect::<Vec<_>>()
            })
            .collect()
    };
    flow.resting = books(&market).len();
    for _ in 0..measured {
        next(&mut market).into_iter().for_each(|message| flow.measured.push(message.bytes()));
    }
    for (locate, reference) in books(&market) {
        let delete = encode(&Action::Delete { reference }, locate, WireTime(34_200_000_000_000));
        flow.drain.push(delete.bytes());
    }
    flow
}

/// Packets of at most `each` messages, numbered from `first`.
///
/// # Panics
/// When a message is longer than a packet.
#[must_use]
pub fn packets(messages: &Blocks, each: usize, first: SeqNo) -> Blocks {
    let mut packets = Blocks::default();
    let mut seq = first;
    let mut messages = messages.iter().peekable();
    let mut buffer = [0; PAYLOAD];
    while messages.peek().is_some() {
        let mut packet = moldudp64::Writer::new(&mut buffer, SESSION, seq).expect("room");
        let mut count = 0;
        while count < each {
            let Some(message) = messages.peek() else { break };
            if packet.push(message).is_err() {
                assert!(count > 0, "a message longer than a packet");
                break;
            }
            messages.next();
            count += 1;
        }
        seq = SeqNo(seq.0 + count as u64);
        packets.push(packet.finish());
    }
    packets
}

/// Gives the messages of every packet new numbers, from `first` on; the number behind the last.
#[must_use]
pub fn renumber(packets: &mut Blocks, first: SeqNo) -> SeqNo {
    let mut next = first.0;
    packets.edit(|packet| {
        let (sequence, count) = (10..18, 18..20);
        packet[sequence].copy_from_slice(&next.to_be_bytes());
        let count = packet[count].first_chunk::<2>();
        next += count.map_or(0, |count| u64::from(u16::from_be_bytes(*count)));
    });
    SeqNo(next)
}

/// Puts every packet into the session of this number: to a handler, a day that starts over.
pub fn rename(packets: &mut Blocks, number: u32) {
    let name = format!("BENCH{:05}", number % 100_000);
    packets.edit(|packet| packet[..name.len()].copy_from_slice(name.as_bytes()));
}

/// The messages decoded, with the symbol each is about; messages about none are left out.
///
/// # Panics
/// When the market sends what the decoder refuses.
#[must_use]
pub fn decoded(messages: &Blocks) -> Vec<(SymbolIndex, Message)> {
    let decode = |bytes| Format::NasdaqItch50.decode(bytes).expect("the market speaks ITCH");
    let with_symbol = |message: Message| {
        let index = u32::try_from(message.key.0).ok()?.checked_sub(1)?;
        Some((SymbolIndex(index), message))
    };
    messages.iter().map(decode).filter_map(with_symbol).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_carry_every_message_once_under_its_number() {
        let flow = flow(20, 100, 500);
        assert!(flow.resting > 400 && flow.measured.len() == 500);
        let mut packets = packets(&flow.measured, 20, SeqNo(1));
        assert_eq!(renumber(&mut packets, SeqNo(5)), SeqNo(505));
        rename(&mut packets, 42);
        let mut expected = SeqNo(5);
        let mut messages = flow.measured.iter();
        for payload in packets.iter() {
            let packet = Format::NasdaqItch50.frame(payload).unwrap();
            assert_eq!(packet.session.to_string(), "BENCH00042");
            assert_eq!(packet.range.first, expected);
            expected = packet.range.end;
            assert!(packet.messages.eq(messages.by_ref().take(packet.range.len() as usize)));
        }
        assert_eq!((expected, messages.next()), (SeqNo(505), None));
    }

    #[test]
    fn the_flow_can_begin_again() {
        use candor_book::{Books, Capacity, Shape};
        let flow = flow(20, 100, 500);
        let capacity = Capacity { symbols: 20, orders: 4_096, levels: 4_096, trades: 64 };
        let mut books = Books::new(Shape::ByOrder, capacity, candor_core::Decimals(4));
        (0..20).for_each(|_| assert!(books.add_symbol().is_some()));
        for _ in 0..2 {
            for part in [&flow.warm, &flow.measured, &flow.drain] {
                for (symbol, message) in decoded(part) {
                    books.apply(symbol, SeqNo(1), &message).unwrap();
                }
            }
            assert_eq!((books.order_count(), books.level_count()), (0, 0));
        }
    }
}
