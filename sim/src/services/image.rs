//! The image of a partition as of one number: what a snapshot service sends.
//!
//! Its order, for ITCH: every system event of the session; for each symbol by its locate the
//! directory, the trading action, the short-sale restriction and the operational halt, whichever
//! were published, byte for byte as they were; then the open orders by locate and reference, each
//! as an add order with its live reference and what is left of its size, stamped with the time of
//! the image. For DEEP: system events; per symbol the directory, trading status, short-sale state
//! and operational halt as published; then every price level's newest update, marked as complete. In
//! the middle of a transaction the image is as of the number before it.

use std::sync::Arc;

use candor_core::{Mono, Nanos, SeqNo, SymbolIndex, WireTime};
use candor_decoders::iex::deep;

use super::Partition;
use crate::market::PartitionMarket;
use crate::market::book::Order;
use crate::market::wire::{Action, encode};
use crate::publisher::{Framing, OpenOrder, Publisher, Standing};

/// The messages that build a partition's books from nothing, as of one number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// The session it is of.
    pub framing: Framing,
    /// The run of numbers it is of, as the publisher counts them.
    pub run: u64,
    /// The number of the first message that it does not contain.
    pub next: SeqNo,
    /// Messages in it.
    pub count: u64,
    /// Each message behind its length in two bytes of this machine's order.
    blocks: Vec<u8>,
}

/// Where in an image a reader of it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Cursor {
    at: usize,
    /// Messages before it.
    pub(super) count: u64,
}

impl Image {
    /// The image as it stands. `None` where the session was not seen from its first number on, as in
    /// a capture that begins at noon, and
    /// for formats of which not everything that stands is kept: nobody knows what does.
    #[must_use]
    pub fn now(partition: &Partition<'_>, now: Mono) -> Option<Image> {
        let publisher = partition.publisher;
        if !publisher.history().is_unbroken() || !publisher.standing().is_all() {
            return None;
        }
        let mut image = Image::empty(publisher, publisher.next_seq(), publisher.standing());
        let orders = |image: &mut Image| match partition.market {
            Some(market) if !publisher.standing().keeps_orders() => {
                image.true_orders(market, publisher.wire_time(now));
            }
            _ => image.kept_orders(publisher.standing(), publisher.wire_time(now)),
        };
        image.fill(publisher.standing(), orders);
        Some(image)
    }

    /// The image as it stood `back` messages ago, rebuilt from the session's messages; as of number 1
    /// where there were fewer. `None` where they are not all remembered.
    #[must_use]
    pub fn back(partition: &Partition<'_>, now: Mono, back: u64) -> Option<Image> {
        let publisher = partition.publisher;
        let history = publisher.history();
        if !history.is_whole() || !publisher.standing().is_all() {
            return None;
        }
        let next = SeqNo(publisher.next_seq().0.saturating_sub(back).max(SeqNo::FIRST.0));
        let numbers = (SeqNo::FIRST.0..next.0).map(SeqNo);
        let messages = numbers.map(|seq| (seq, history.get(seq)));
        let standing = publisher.standing().again(&publisher.framing(), messages)?;
        let mut image = Image::empty(publisher, next, &standing);
        image.fill(&standing, |image| image.kept_orders(&standing, publisher.wire_time(now)));
        Some(image)
    }

    /// The messages in order.
    pub fn messages(&self) -> impl Iterator<Item = &[u8]> {
        let mut cursor = Cursor::default();
        core::iter::from_fn(move || self.read(&mut cursor))
    }

    /// Bytes of all messages without their lengths.
    #[must_use]
    pub fn byte_len(&self) -> u64 {
        self.blocks.len() as u64 - 2 * self.count
    }

    /// The message at the cursor, which moves on; `None` behind the last.
    pub(super) fn read(&self, cursor: &mut Cursor) -> Option<&[u8]> {
        let rest = self.blocks.get(cursor.at..)?;
        let (len, rest) = rest.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_ne_bytes(*len));
        cursor.at += 2 + len;
        cursor.count += 1;
        rest.get(..len)
    }

    fn empty(publisher: &Publisher, next: SeqNo, standing: &Standing) -> Image {
        let next = SeqNo(next.0 - standing.unsettled());
        let (framing, run) = (publisher.framing(), publisher.run());
        Image { framing, run, next, count: 0, blocks: Vec::new() }
    }

    fn push(&mut self, message: &[u8]) {
        // A message came out of a packet or an encoder: its length has 16 bits.
        self.blocks.extend_from_slice(&(message.len() as u16).to_ne_bytes());
        self.blocks.extend_from_slice(message);
        self.count += 1;
    }

    fn fill(&mut self, standing: &Standing, orders: impl FnOnce(&mut Image)) {
        standing.system().for_each(|message| self.push(message));
        for (_, facts) in standing.facts() {
            facts.messages().for_each(|message| self.push(message));
        }
        match self.framing {
            Framing::MoldUdp64(_) => orders(self),
            Framing::IexTp(_) => {
                for level in standing.levels() {
                    let mut level = level.to_vec();
                    if let Some(flags) = level.get_mut(1) {
                        *flags |= deep::EVENT_COMPLETE;
                    }
                    self.push(&level);
                }
            }
        }
    }

    /// The orders of the true books.
    fn true_orders(&mut self, market: &PartitionMarket, time: WireTime) {
        for (index, symbol) in market.symbols().enumerate() {
            let mut orders = market.book(SymbolIndex(index as u32)).orders().to_vec();
            orders.sort_unstable_by_key(|order| order.reference);
            for order in orders {
                let add = Action::Add { symbol, order, attributed: false };
                self.push(encode(&add, index as u16 + 1, time).bytes());
            }
        }
    }

    /// The orders kept beside the messages.
    fn kept_orders(&mut self, standing: &Standing, time: WireTime) {
        let mut orders: Vec<(u64, &OpenOrder)> = standing.orders().collect();
        orders.sort_by_key(|(reference, order)| (order.key, *reference));
        for (reference, open) in orders {
            let Some(symbol) = standing.symbol(open.key) else { continue };
            let price = u32::try_from(open.price).unwrap_or(u32::MAX);
            let order = Order { reference, side: open.side, price, size: open.size };
            let add = Action::Add { symbol, order, attributed: false };
            // An ITCH key is a locate of 16 bits.
            self.push(encode(&add, open.key.0 as u16, time).bytes());
        }
    }
}

/// An image that may be served again while it is young enough, so that logins in quick succession
/// do not build one each.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf(Option<(Mono, Arc<Image>)>);

impl Shelf {
    /// The image on the shelf if it is of this run and was taken less than `age` ago or nothing was
    /// published since, or one of right now.
    pub(super) fn take(
        &mut self,
        partition: &Partition<'_>,
        now: Mono,
        age: Nanos,
    ) -> Option<Arc<Image>> {
        let (run, next) = (partition.publisher.run(), partition.publisher.next_seq());
        let unsettled = partition.publisher.standing().unsettled();
        if let Some((taken, image)) = &self.0
            && image.run == run
            && (now.since(*taken) < age || image.next.0 + unsettled == next.0)
        {
            return Some(Arc::clone(image));
        }
        let image = Arc::new(Image::now(partition, now)?);
        self.0 = Some((now, Arc::clone(&image)));
        Some(image)
    }
}
