//! The specifications' tables with their offset columns, and a slow reading of messages by them. The
//! fuzz targets compare with it too.

use candor_core::{
    Event, InstrumentKey, Message, Price, Reject, Side, Symbol, SystemEvent, TradingState, WireTime,
};
use candor_decoders::Format;

/// A row of a table: type, length, and each field's name, offset and length.
pub(crate) type Row = (u8, usize, &'static [(&'static str, usize, usize)]);

const ITCH: &[Row] = &[
    (b'S', 12, &[("event", 11, 1)]),
    (
        b'R',
        39,
        &[
            ("stock", 11, 8),
            ("category", 19, 1),
            ("financial", 20, 1),
            ("lot", 21, 4),
            ("lots only", 25, 1),
            ("class", 26, 1),
            ("sub-type", 27, 2),
            ("authenticity", 29, 1),
            ("threshold", 30, 1),
            ("ipo", 31, 1),
            ("luld", 32, 1),
            ("etp", 33, 1),
            ("leverage", 34, 4),
            ("inverse", 38, 1),
        ],
    ),
    (b'H', 25, &[("stock", 11, 8), ("state", 19, 1), ("reserved", 20, 1), ("reason", 21, 4)]),
    (b'Y', 20, &[("stock", 11, 8), ("action", 19, 1)]),
    (
        b'L',
        26,
        &[("mpid", 11, 4), ("stock", 15, 8), ("primary", 23, 1), ("mode", 24, 1), ("state", 25, 1)],
    ),
    (b'V', 35, &[("level 1", 11, 8), ("level 2", 19, 8), ("level 3", 27, 8)]),
    (b'W', 12, &[("level", 11, 1)]),
    (b'K', 28, &[("stock", 11, 8), ("release", 19, 4), ("qualifier", 23, 1), ("price", 24, 4)]),
    (
        b'J',
        35,
        &[
            ("stock", 11, 8),
            ("reference", 19, 4),
            ("upper", 23, 4),
            ("lower", 27, 4),
            ("extension", 31, 4),
        ],
    ),
    (b'h', 21, &[("stock", 11, 8), ("market", 19, 1), ("action", 20, 1)]),
    (
        b'A',
        36,
        &[("ref", 11, 8), ("side", 19, 1), ("shares", 20, 4), ("stock", 24, 8), ("price", 32, 4)],
    ),
    (
        b'F',
        40,
        &[
            ("ref", 11, 8),
            ("side", 19, 1),
            ("shares", 20, 4),
            ("stock", 24, 8),
            ("price", 32, 4),
            ("mpid", 36, 4),
        ],
    ),
    (b'E', 31, &[("ref", 11, 8), ("shares", 19, 4), ("match", 23, 8)]),
    (
        b'C',
        36,
        &[
            ("ref", 11, 8),
            ("shares", 19, 4),
            ("match", 23, 8),
            ("printable", 31, 1),
            ("price", 32, 4),
        ],
    ),
    (b'X', 23, &[("ref", 11, 8), ("shares", 19, 4)]),
    (b'D', 19, &[("ref", 11, 8)]),
    (b'U', 35, &[("ref", 11, 8), ("new ref", 19, 8), ("shares", 27, 4), ("price", 31, 4)]),
    (
        b'P',
        44,
        &[
            ("ref", 11, 8),
            ("side", 19, 1),
            ("shares", 20, 4),
            ("stock", 24, 8),
            ("price", 32, 4),
            ("match", 36, 8),
        ],
    ),
    (
        b'Q',
        40,
        &[
            ("shares", 11, 8),
            ("stock", 19, 8),
            ("price", 27, 4),
            ("match", 31, 8),
            ("cross", 39, 1),
        ],
    ),
    (b'B', 19, &[("match", 11, 8)]),
    (
        b'I',
        50,
        &[
            ("paired", 11, 8),
            ("imbalance", 19, 8),
            ("side", 27, 1),
            ("stock", 28, 8),
            ("far", 36, 4),
            ("near", 40, 4),
            ("reference", 44, 4),
            ("cross", 48, 1),
            ("variation", 49, 1),
        ],
    ),
    (b'N', 20, &[("stock", 11, 8), ("interest", 19, 1)]),
    (
        b'O',
        48,
        &[
            ("stock", 11, 8),
            ("open", 19, 1),
            ("min", 20, 4),
            ("max", 24, 4),
            ("near", 28, 4),
            ("time", 32, 8),
            ("low", 40, 4),
            ("high", 44, 4),
        ],
    ),
];

const DEEP: &[Row] = &[
    (b'S', 10, &[("event", 1, 1)]),
    (
        b'D',
        31,
        &[("flags", 1, 1), ("stock", 10, 8), ("lot", 18, 4), ("poc", 22, 8), ("luld", 30, 1)],
    ),
    (b'H', 22, &[("state", 1, 1), ("stock", 10, 8), ("reason", 18, 4)]),
    (b'I', 18, &[("indicator", 1, 1), ("stock", 10, 8)]),
    (b'O', 18, &[("action", 1, 1), ("stock", 10, 8)]),
    (b'P', 19, &[("action", 1, 1), ("stock", 10, 8), ("detail", 18, 1)]),
    (b'E', 18, &[("event", 1, 1), ("stock", 10, 8)]),
    (b'8', 30, &[("flags", 1, 1), ("stock", 10, 8), ("shares", 18, 4), ("price", 22, 8)]),
    (b'5', 30, &[("flags", 1, 1), ("stock", 10, 8), ("shares", 18, 4), ("price", 22, 8)]),
    (
        b'T',
        38,
        &[("flags", 1, 1), ("stock", 10, 8), ("shares", 18, 4), ("price", 22, 8), ("match", 30, 8)],
    ),
    (
        b'B',
        38,
        &[("flags", 1, 1), ("stock", 10, 8), ("shares", 18, 4), ("price", 22, 8), ("match", 30, 8)],
    ),
    (b'X', 26, &[("type", 1, 1), ("stock", 10, 8), ("price", 18, 8)]),
    (
        b'A',
        80,
        &[
            ("type", 1, 1),
            ("stock", 10, 8),
            ("paired", 18, 4),
            ("reference", 22, 8),
            ("near", 30, 8),
            ("imbalance", 38, 4),
            ("side", 42, 1),
            ("extensions", 43, 1),
            ("scheduled", 44, 4),
            ("clearing", 48, 8),
            ("collar", 56, 8),
            ("low", 64, 8),
            ("high", 72, 8),
        ],
    ),
];

const QUOTE: Row = (
    b'Q',
    42,
    &[
        ("flags", 1, 1),
        ("stock", 10, 8),
        ("bid size", 18, 4),
        ("bid", 22, 8),
        ("ask", 30, 8),
        ("ask size", 38, 4),
    ],
);

/// The tables of a format.
pub(crate) fn rows(format: Format) -> Vec<Row> {
    match format {
        Format::NasdaqItch50 => ITCH.to_vec(),
        Format::IexDeep => DEEP.to_vec(),
        Format::IexTops => {
            let common = DEEP.iter().filter(|row| !matches!(row.0, b'8' | b'5' | b'E'));
            common.copied().chain([QUOTE]).collect()
        }
    }
}

/// A field as a number, of whichever byte order and sign.
pub(crate) struct Slow<'a> {
    pub(crate) format: Format,
    pub(crate) fields: &'static [(&'static str, usize, usize)],
    pub(crate) bytes: &'a [u8],
}

impl Slow<'_> {
    fn at(&self, offset: usize, len: usize) -> u64 {
        let field = &self.bytes[offset..offset + len];
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        match self.format {
            Format::NasdaqItch50 => field.iter().fold(0, add),
            _ => field.iter().rev().fold(0, add),
        }
    }

    fn field(&self, name: &str) -> (usize, usize) {
        let (_, offset, len) = self.fields.iter().find(|field| field.0 == name).unwrap();
        (*offset, *len)
    }

    fn get(&self, name: &str) -> u64 {
        let (offset, len) = self.field(name);
        self.at(offset, len)
    }

    fn u32(&self, name: &str) -> u32 {
        u32::try_from(self.get(name)).unwrap()
    }

    fn byte(&self, name: &str) -> u8 {
        u8::try_from(self.get(name)).unwrap()
    }

    fn price(&self, name: &str) -> Price {
        Price(self.get(name) as i64)
    }

    fn text(&self, name: &str) -> &[u8] {
        let (offset, len) = self.field(name);
        &self.bytes[offset..offset + len]
    }

    fn side(&self) -> Option<Side> {
        [(b'B', Side::Bid), (b'S', Side::Ask)]
            .into_iter()
            .find_map(|(letter, side)| (letter == self.byte("side")).then_some(side))
    }

    fn state(&self) -> TradingState {
        match (self.byte("state"), self.format) {
            (b'T', _) => TradingState::Trading,
            (b'H', _) => TradingState::Halted,
            (b'P', _) => TradingState::Paused,
            (b'Q', Format::NasdaqItch50) => TradingState::QuoteOnly,
            (b'O', Format::IexDeep | Format::IexTops) => TradingState::QuoteOnly,
            _ => TradingState::Unknown,
        }
    }

    fn day(&self) -> SystemEvent {
        let open = if self.format == Format::NasdaqItch50 { b'Q' } else { b'R' };
        match self.byte("event") {
            b'O' => SystemEvent::StartOfMessages,
            b'S' => SystemEvent::StartOfSystemHours,
            b'M' => SystemEvent::EndOfMarketHours,
            b'E' => SystemEvent::EndOfSystemHours,
            b'C' => SystemEvent::EndOfMessages,
            event if event == open => SystemEvent::StartOfMarketHours,
            _ => SystemEvent::Unknown,
        }
    }

    fn definition(&self, test: bool) -> Option<Event> {
        let symbol = Symbol::from_wire(self.text("stock"))?;
        Some(Event::Definition { symbol, round_lot: self.u32("lot"), test })
    }

    fn auction(&self, letter: &str) -> Event {
        Event::Auction {
            auction: self.byte(letter),
            paired: self.get("paired"),
            imbalance: self.get("imbalance"),
            side: self.side(),
            reference: self.price("reference"),
            indicative: self.price("near"),
        }
    }

    fn reason(&self) -> [u8; 4] {
        self.text("reason").try_into().unwrap()
    }

    /// `None` for a field that can't hold its value.
    fn itch(&self) -> Option<Event> {
        let size = self.fields.iter().find(|f| f.0 == "shares").map_or(0, |_| self.get("shares"));
        let (order, shares) =
            (self.bytes[11..].first_chunk().map_or(0, |b| u64::from_be_bytes(*b)), size as u32);
        Some(match self.bytes[0] {
            b'A' | b'F' => {
                Event::Add { order, side: self.side()?, price: self.price("price"), size: shares }
            }
            b'E' => Event::Execute {
                order,
                size: shares,
                trade: self.get("match"),
                price: None,
                printable: true,
            },
            b'C' => Event::Execute {
                order,
                size: shares,
                trade: self.get("match"),
                price: Some(self.price("price")),
                printable: self.byte("printable") == b'Y',
            },
            b'X' => Event::Reduce { order, size: shares },
            b'D' => Event::Delete { order },
            b'U' => Event::Replace {
                order,
                new_order: self.get("new ref"),
                price: self.price("price"),
                size: shares,
            },
            b'P' => Event::Trade {
                price: self.price("price"),
                size,
                trade: self.get("match"),
                sets_last: true,
                counts: true,
            },
            b'Q' => Event::Trade {
                price: self.price("price"),
                size,
                trade: self.get("match"),
                sets_last: size > 0,
                counts: size > 0,
            },
            b'B' => Event::TradeBreak { trade: self.get("match") },
            b'R' => self.definition(self.byte("authenticity") == b'T')?,
            b'H' => Event::Trading { state: self.state(), reason: self.reason() },
            b'h' if self.byte("market") == b'Q' => {
                Event::OperationalHalt { halted: self.byte("action") != b'T' }
            }
            b'Y' => Event::ShortSale { restricted: self.byte("action") != b'0' },
            b'J' => Event::Bands {
                reference: self.price("reference"),
                lower: self.price("lower"),
                upper: self.price("upper"),
            },
            b'I' => self.auction("cross"),
            b'S' => Event::System(self.day()),
            _ => Event::Notice,
        })
    }

    /// `None` for a field that can't hold its value.
    fn iex(&self) -> Option<Event> {
        Some(match self.bytes[0] {
            kind @ (b'8' | b'5') => Event::SetLevel {
                side: if kind == b'8' { Side::Bid } else { Side::Ask },
                price: self.price("price"),
                size: self.u32("shares"),
                complete: self.byte("flags") % 2 == 1,
            },
            b'Q' => Event::Quote {
                bid_price: self.price("bid"),
                bid_size: self.u32("bid size"),
                ask_price: self.price("ask"),
                ask_size: self.u32("ask size"),
            },
            b'T' => Event::Trade {
                price: self.price("price"),
                size: self.get("shares"),
                trade: self.get("match"),
                sets_last: self.byte("flags") & 0x60 == 0,
                counts: true,
            },
            b'B' => Event::TradeBreak { trade: self.get("match") },
            b'D' => self.definition(self.byte("flags") >= 0x80)?,
            b'H' => Event::Trading { state: self.state(), reason: self.reason() },
            b'O' => Event::OperationalHalt { halted: self.byte("action") != b'N' },
            b'P' => Event::ShortSale { restricted: self.byte("action") != 0 },
            b'X' => {
                Event::OfficialPrice { price_type: self.byte("type"), price: self.price("price") }
            }
            b'A' => self.auction("type"),
            b'S' => Event::System(self.day()),
            _ => Event::Notice,
        })
    }

    /// The symbol the message spells.
    pub(crate) fn symbol(&self) -> Option<Symbol> {
        let (_, offset, len) = self.fields.iter().find(|field| field.0 == "stock")?;
        Symbol::from_wire(&self.bytes[*offset..offset + len])
    }

    /// What the message means, for bytes no shorter than its table.
    pub(crate) fn decode(&self) -> Result<Message, Reject> {
        let kind = self.bytes[0];
        let (event, key, time, market_wide) = match self.format {
            Format::NasdaqItch50 => {
                (self.itch(), self.at(1, 2), self.at(5, 6), b"SVW".contains(&kind))
            }
            _ => (
                self.iex(),
                if kind == b'S' { 0 } else { self.get("stock") },
                self.at(2, 8),
                kind == b'S',
            ),
        };
        if i64::try_from(time).is_err() || (key == 0 && !market_wide) {
            return Err(Reject::BadField);
        }
        let event = event.ok_or(Reject::BadField)?;
        let key = InstrumentKey(if market_wide { 0 } else { key });
        Ok(Message { key, time: WireTime(time), kind, event })
    }
}
