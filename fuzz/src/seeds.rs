//! The corpus every run starts from, made with the encoders: one message of each type, and small
//! packets, requests and frames of them.

use candor_core::{SeqNo, SeqRange, WireTime};
use candor_decoders::iex::admin::{
    AuctionInformation, OfficialPrice, OperationalHalt, RetailLiquidity, SecurityDirectory,
    ShortSaleStatus, SystemEvent, Trade, TradingStatus,
};
use candor_decoders::iex::deep::{PriceLevel, SecurityEvent};
use candor_decoders::iex::tops::QuoteUpdate;
use candor_decoders::iex::{gapfill, snap, tp};
use candor_decoders::nasdaq::glimpse::EndOfSnapshot;
use candor_decoders::nasdaq::soupbintcp;
use candor_decoders::nasdaq::{itch50, moldudp64};
use candor_decoders::{IntoBytes, View, net};

/// A target, the seed's name, and its bytes.
pub type Seed = (&'static str, String, Vec<u8>);

const ITCH_TIME: WireTime = WireTime(34_200_000_000_123);
const IEX_TIME: i64 = 1_784_000_000_000_000_123;
const SESSION: [u8; 10] = *b"20260727A ";
const AT: tp::Position = tp::Position { sequence: SeqNo(9), stream_offset: 10_000 };

/// Every seed.
#[must_use]
pub fn all() -> Vec<Seed> {
    let (itch, deep, tops) = (itch(), deep(), tops());
    let mut seeds = Vec::new();
    for (target, messages) in [("itch50", &itch), ("deep", &deep), ("tops", &tops)] {
        for message in messages {
            let kind = char::from(message[0]);
            let case = if kind.is_ascii_lowercase() { "lower_" } else { "" };
            seeds.push((target, format!("{case}{kind}"), message.clone()));
        }
        seeds.push((target, "unknown".to_owned(), b"~~".to_vec()));
    }
    let packed = [
        ("deep", segment(tp::DEEP_1_0, &deep)),
        ("tops", segment(tp::TOPS_1_6, &tops)),
        ("itch", mold(&itch)),
    ];
    framings(&mut seeds, &packed);
    services(&mut seeds, &deep, &itch);
    for (choice, name, text) in crate::maps::SEEDS {
        seeds.push(("maps", name.to_owned(), [&[choice], text.as_bytes()].concat()));
    }
    let bodies = crate::journal::BODIES.as_bytes();
    seeds.push(("journal", "bodies".to_owned(), [&[0x81], bodies].concat()));
    seeds.push(("journal", "file".to_owned(), [&[0x80], &crate::journal::file()[..]].concat()));
    for (choice, (name, payload)) in packed.iter().enumerate() {
        let choice = choice as u8;
        let bytes = |tail: &[u8]| [&[choice], tail].concat();
        seeds.push(("packet", format!("{name}_payload"), bytes(payload)));
        seeds.push(("packet", format!("{name}_frame"), bytes(&frame([None, None], payload))));
        let list = [&deep, &tops, &itch][usize::from(choice)];
        let list: Vec<u8> = list.iter().flat_map(|m| [&[m.len() as u8], &m[..]].concat()).collect();
        seeds.push(("packet", format!("{name}_list"), bytes(&list)));
    }
    seeds
}

fn framings(seeds: &mut Vec<Seed>, packed: &[(&str, Vec<u8>); 3]) {
    let mut add = |target, name: &str, bytes: &[u8]| {
        seeds.push((target, name.to_owned(), bytes.to_vec()));
    };
    add("iex_tp", "deep", &packed[0].1);
    add("iex_tp", "tops", &packed[1].1);
    add("iex_tp", "heartbeat", &tp::heartbeat(stream(tp::DEEP_1_0), AT, WireTime(1)));
    let ranges = [(1, 3), (10, 11)].map(|(a, b)| SeqRange::between(SeqNo(a), SeqNo(b)));
    let mut buffer = [0; 64];
    let request = gapfill::encode(&mut buffer, stream(tp::DEEP_1_0), &ranges).unwrap_or_default();
    add("iex_tp", "request", request);

    add("moldudp64", "messages", &packed[2].1);
    add("moldudp64", "heartbeat", &moldudp64::heartbeat(SESSION, SeqNo(9)));
    add("moldudp64", "end", &moldudp64::end(SESSION, SeqNo(9)));
    let request = moldudp64::Request { session: SESSION, first: SeqNo(9), count: 3 };
    add("moldudp64", "request", &request.encode());

    add("net", "plain", &frame([None, None], b"abc"));
    add("net", "tagged", &frame([None, Some(7)], b"abc"));
    add("net", "twice_tagged", &frame([Some(9), Some(7)], b"abc"));
    let mut padded = frame([None, None], b"");
    padded.resize(60, 0);
    add("net", "padded", &padded);
    let mut fragment = frame([None, None], b"abc");
    fragment[20] |= 0x20;
    add("net", "fragment", &fragment);
    let mut options = frame([None, None], b"abc");
    options.splice(34..34, [1, 1, 1, 0]);
    options[14] += 1;
    options[17] += 4;
    add("net", "options", &options);
}

fn services(seeds: &mut Vec<Seed>, deep: &[Vec<u8>], itch: &[Vec<u8>]) {
    let mut add = |target, name: &str, bytes: &[u8]| {
        seeds.push((target, name.to_owned(), bytes.to_vec()));
    };
    let (glimpse, image) = (glimpse(), snap_image());
    add("soupbintcp", "snapshot", &glimpse);
    let mut buffer = [0; 64];
    let rejected = soupbintcp::FromServer::Rejected(soupbintcp::Rejection::NotAuthorised);
    add("soupbintcp", "rejected", rejected.encode(&mut buffer).unwrap_or_default());
    let login = soupbintcp::Login {
        user: *b"user  ",
        password: *b"password  ",
        session: SESSION,
        next: SeqNo(1),
    };
    let login = soupbintcp::FromClient::Login(login);
    add("soupbintcp", "login", login.encode(&mut buffer).unwrap_or_default());
    add("soupbintcp", "end", EndOfSnapshot::of(SeqNo(9)).as_bytes());
    add("soupbintcp", "number", b"  18446744073709551615");

    add("snap", "snapshot", &image);
    let error = snap::FromServer::Error(snap::Error::NotYet);
    add("snap", "error", error.encode(&mut buffer).unwrap_or_default());
    let request = snap::Request { token: [b't'; 40], channel: 1, session: 7, lowest: SeqNo(9) };
    add("snap", "request", &request.encode().expect("a small number"));

    // Ask, connect, listen; of what the first byte chooses.
    let told = |which: u8, listen: u8, said: &[u8]| {
        let parts = said.chunks(200).flat_map(|part| [&[listen, part.len() as u8], part].concat());
        [which, 64, 2].into_iter().chain(parts).collect::<Vec<u8>>()
    };
    let (segment, datagram) = (segment(tp::DEEP_1_0, &deep[..3]), mold(&itch[..3]));
    add("services", "glimpse", &told(0x11, 6, &glimpse));
    add("services", "snap", &told(0x12, 6, &image));
    add("services", "mold_udp", &told(2, 7, &datagram));
    add("services", "iex_udp", &told(0, 7, &segment));
    add("services", "iex_tcp", &told(0x21, 15, &segment));
    agents(seeds, [&glimpse, &image, &datagram, &segment]);
}

/// Whole conversations with an agent: what is wanted, then what the venue says.
fn agents(seeds: &mut Vec<Seed>, [glimpse, image, datagram, segment]: [&[u8]; 4]) {
    let mut add = |name: &str, before: &[u8], event: u8, said: &[u8]| {
        let parts = said.chunks(200).flat_map(|part| [&[event, part.len() as u8], part].concat());
        let bytes = before.iter().copied().chain(parts).collect();
        seeds.push(("agent", name.to_owned(), bytes));
    };
    // Partition 0 is Nasdaq's, 1 IEX's. A snapshot's channel is the third, a connection's the second.
    add("glimpse", &[0x02, 100, 0x97], 0x9e, glimpse);
    add("snap", &[0x12, 100, 0xa7], 0xae, image);
    add("mold_udp", &[0x00, 8, 3, 50], 0x04, datagram);
    // Found by fuzzing: the answer ends at the known number, before those that are missing.
    add("mold_udp_known_alone", &[0x00, 12, 3, 50], 0x04, datagram);
    add("iex_udp", &[0x10, 8, 3, 50], 0x14, segment);
    add("iex_tcp", &[0x10, 8, 15, 50, 0x47], 0x4e, segment);
    // Found by fuzzing: no number is missing, and the one before is asked for all the same.
    seeds.push(("agent", "ask_for_nothing".to_owned(), vec![0xf0, 0xfd, 0xf0, 0xcb]));
}

fn glimpse() -> Vec<u8> {
    use soupbintcp::FromServer::{Accepted, Debug, Heartbeat, Sequenced};
    let end = EndOfSnapshot::of(SeqNo(9));
    let packets = [
        Debug(b"hello"),
        Accepted { session: SESSION, next: SeqNo(1) },
        Heartbeat,
        Sequenced(b"Rabc"),
        Sequenced(end.as_bytes()),
    ];
    let mut buffer = [0; 64];
    packets.iter().flat_map(|at| at.encode(&mut buffer).unwrap_or_default().to_vec()).collect()
}

fn snap_image() -> Vec<u8> {
    use snap::FromServer::{Data, End, Start};
    let stream = stream(tp::DEEP_1_0);
    let packets =
        [Start { image_len: 5 }, Data { stream, message: b"8abc" }, End { last: SeqNo(9) }];
    let mut buffer = [0; 64];
    packets.iter().flat_map(|at| at.encode(&mut buffer).unwrap_or_default().to_vec()).collect()
}

fn stream(protocol: u16) -> tp::Stream {
    tp::Stream { protocol, channel: 1, session: 7 }
}

fn segment(protocol: u16, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut buffer = [0; 400];
    let mut writer = tp::Writer::new(&mut buffer, stream(protocol), AT).expect("a header fits");
    let _ = messages.iter().take_while(|m| writer.push(m).is_ok()).count();
    writer.finish(WireTime(1)).to_vec()
}

fn mold(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut buffer = [0; 400];
    let mut writer = moldudp64::Writer::new(&mut buffer, SESSION, SeqNo(9)).expect("a header fits");
    writer.push(b"").expect("an empty message fits");
    let _ = messages.iter().take_while(|m| writer.push(m).is_ok()).count();
    writer.finish().to_vec()
}

fn frame(vlans: [Option<u16>; 2], payload: &[u8]) -> Vec<u8> {
    let route = net::Route {
        source_mac: [2, 0, 0, 0, 0, 1],
        source: [10, 0, 0, 1],
        group: [239, 1, 1, 1],
        source_port: 40_000,
        port: 26_400,
        vlans,
    };
    let mut buffer = [0; 600];
    net::udp_frame(&mut buffer, &route, payload).expect("it fits").to_vec()
}

/// A message of this layout whose every byte behind the type is the letter `B`: a side, a symbol's
/// text, and a number that is neither zero nor negative.
fn letters<T: View>(kind: u8) -> Vec<u8> {
    let mut bytes = vec![b'B'; T::LEN];
    bytes[0] = kind;
    bytes
}

fn itch() -> Vec<Vec<u8>> {
    use itch50::*;
    fn message<T: View>() -> Vec<u8> {
        let mut bytes = letters::<T>(T::KIND);
        let prefix = Prefix::of::<T>(7, ITCH_TIME);
        bytes[..11].copy_from_slice(candor_decoders::IntoBytes::as_bytes(&prefix));
        bytes
    }
    vec![
        message::<itch50::SystemEvent>(),
        message::<StockDirectory>(),
        message::<StockTradingAction>(),
        message::<RegShoRestriction>(),
        message::<ParticipantPosition>(),
        message::<MwcbDeclineLevels>(),
        message::<MwcbStatus>(),
        message::<IpoQuotingPeriodUpdate>(),
        message::<LuldAuctionCollar>(),
        message::<itch50::OperationalHalt>(),
        message::<AddOrder>(),
        message::<AddOrderMpid>(),
        message::<OrderExecuted>(),
        message::<OrderExecutedWithPrice>(),
        message::<OrderCancel>(),
        message::<OrderDelete>(),
        message::<OrderReplace>(),
        message::<itch50::Trade>(),
        message::<CrossTrade>(),
        message::<BrokenTrade>(),
        message::<NetOrderImbalance>(),
        message::<RetailInterest>(),
        message::<DirectListing>(),
    ]
}

/// A message of an IEX layout, at a time of this decade.
fn iex<T: View>(kind: u8) -> Vec<u8> {
    let mut bytes = letters::<T>(kind);
    bytes[2..10].copy_from_slice(&IEX_TIME.to_le_bytes());
    bytes
}

fn common() -> Vec<Vec<u8>> {
    vec![
        iex::<Trade>(b'T'),
        iex::<Trade>(b'B'),
        iex::<SystemEvent>(b'S'),
        iex::<SecurityDirectory>(b'D'),
        iex::<TradingStatus>(b'H'),
        iex::<RetailLiquidity>(b'I'),
        iex::<OperationalHalt>(b'O'),
        iex::<ShortSaleStatus>(b'P'),
        iex::<OfficialPrice>(b'X'),
        iex::<AuctionInformation>(b'A'),
    ]
}

fn deep() -> Vec<Vec<u8>> {
    let own = [iex::<PriceLevel>(b'8'), iex::<PriceLevel>(b'5'), iex::<SecurityEvent>(b'E')];
    own.into_iter().chain(common()).collect()
}

fn tops() -> Vec<Vec<u8>> {
    [iex::<QuoteUpdate>(b'Q')].into_iter().chain(common()).collect()
}
