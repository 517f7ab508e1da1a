//! What is counted, row by row. Everything follows from seeds and from what the market and the generator
//! make of them; what builds a state is not counted, what changes it is.

use std::hint::black_box;

use candor_bench::floors::length_and_type;
use candor_bench::lines::{Arrivals, Lines};
use candor_bench::{Blocks, deep, itch, live};
use candor_book::{Books, Capacity, Shape};
use candor_core::{BookView, Decimals, Event, Line, Message, Mono, SeqNo, SymbolIndex};
use candor_decoders::Format;

use crate::callgrind::{counted_by_callgrind, row_is_counted};

const SYMBOLS: u32 = 200;
/// Messages that fill the books.
const WARM: usize = 10_000;
/// Messages that are counted, of all kinds.
const MEASURED: usize = 10_000;
/// Times an operation is done that needs no messages.
const TIMES: u64 = 1_000;
/// Fewer of a kind would make a row of chance.
const LEAST: usize = 20;

/// Does every row, one after the other, and says which.
pub(crate) fn all() {
    let flow = itch::flow(SYMBOLS as usize, WARM, MEASURED);
    let levels = deep::messages(SYMBOLS, WARM + MEASURED);
    for each in [1, 20] {
        let packets = itch::packets(&flow.measured, each, SeqNo(1));
        framing(&format!("frame MoldUDP64, {each} a packet"), Format::NasdaqItch50, &packets);
        arbitration(&format!("arbitrate A and B alike, {each} a packet"), &packets);
        framing(
            &format!("frame IEX-TP, {each} a packet"),
            Format::IexDeep,
            &deep::segments(&levels, each),
        );
    }
    let itch_kinds = b"AFECXDUP";
    itch_kinds.iter().for_each(|kind| decode("ITCH", Format::NasdaqItch50, &flow.measured, *kind));
    b"8TE".iter().for_each(|kind| decode("DEEP", Format::IexDeep, &levels, *kind));
    let [warm, measured] = [&flow.warm, &flow.measured].map(itch::decoded);
    for (name, is_one) in [
        ("add", (|event| matches!(event, Event::Add { .. })) as fn(&Event) -> bool),
        ("delete", |event| matches!(event, Event::Delete { .. })),
        ("replace", |event| matches!(event, Event::Replace { .. })),
        ("execute", |event| matches!(event, Event::Execute { .. })),
        ("partial cancel", |event| matches!(event, Event::Reduce { .. })),
    ] {
        book(&format!("book by order, {name}"), Shape::ByOrder, (&warm, &measured), is_one);
    }
    let decoded = deep::decoded(&levels, SYMBOLS);
    let parts = decoded.split_at(WARM);
    book("book by level, level", Shape::ByLevel, parts, |event| {
        matches!(event, Event::SetLevel { .. })
    });
    view(&warm);
    region();
}

fn framing(name: &str, format: Format, packets: &Blocks) {
    let mut messages = 0;
    counted_by_callgrind(&mut || {
        let mut sum = 0;
        for packet in packets.iter() {
            let packet = format.frame(black_box(packet)).expect("it is whole");
            messages += packet.messages.len() as u64;
            sum += packet.messages.map(length_and_type).sum::<u64>();
        }
        black_box(sum);
    });
    row_is_counted(name, messages);
}

fn decode(venue: &str, format: Format, messages: &Blocks, kind: u8) {
    let of_kind: Blocks =
        messages.iter().filter(|message| message.first() == Some(&kind)).collect();
    assert!(of_kind.len() >= LEAST, "{venue}: too few of {}", char::from(kind));
    counted_by_callgrind(&mut || {
        for message in of_kind.iter() {
            let _ = black_box(format.decode(black_box(message)).expect("it is whole"));
        }
    });
    row_is_counted(&format!("decode {venue} {}", char::from(kind)), of_kind.len() as u64);
}

/// Messages with the symbol each is about.
type Messages = [(SymbolIndex, Message)];

fn empty_books(shape: Shape) -> Books {
    let orders = if shape == Shape::ByOrder { 1 << 15 } else { 1 };
    let capacity = Capacity { symbols: SYMBOLS as usize, orders, levels: 1 << 15, trades: 1 << 10 };
    let mut books = Books::new(shape, capacity, Decimals(4));
    // BOUND: as many as there is room for.
    while books.add_symbol().is_some() {}
    books
}

/// Applies everything in its order; of what is measured one kind is counted.
fn book(
    name: &str,
    shape: Shape,
    (warm, measured): (&Messages, &Messages),
    is_one: fn(&Event) -> bool,
) {
    let mut books = empty_books(shape);
    let apply = |books: &mut Books, seq, symbol, message| {
        let change = books.apply(symbol, SeqNo(seq), black_box(message));
        let _ = black_box(change.expect("the market keeps its rules"));
    };
    let mut count = 0;
    for (seq, (symbol, message)) in (1..).zip(warm) {
        apply(&mut books, seq, *symbol, message);
    }
    for (seq, (symbol, message)) in (1 + warm.len() as u64..).zip(measured) {
        if is_one(&message.event) {
            count += 1;
            counted_by_callgrind(&mut || apply(&mut books, seq, *symbol, message));
        } else {
            apply(&mut books, seq, *symbol, message);
        }
    }
    assert!(count >= LEAST as u64, "{name}: too few");
    row_is_counted(name, count);
}

fn view(warm: &Messages) {
    let mut books = empty_books(Shape::ByOrder);
    for (seq, (symbol, message)) in (1..).zip(warm) {
        books.apply(*symbol, SeqNo(seq), message).expect("the market keeps its rules");
    }
    let mut view = BookView::EMPTY;
    counted_by_callgrind(&mut || {
        for symbol in (0..SYMBOLS).map(SymbolIndex) {
            books.view(symbol, black_box(&mut view));
        }
    });
    row_is_counted("book by order, ten levels viewed", u64::from(SYMBOLS));
}

fn arbitration(name: &str, packets: &Blocks) {
    let alike = [(Line::A, packets, 0), (Line::B, packets, 0)];
    let mut lines = Lines::new(Arrivals::merge(&alike, |_| false));
    let mut out = 0;
    counted_by_callgrind(&mut || out = lines.run());
    assert_eq!(out, MEASURED as u64, "each message once");
    row_is_counted(name, out);
}

fn region() {
    let mut heap = live::region(SYMBOLS).expect("memory for a region");
    heap.go_live(SYMBOLS);
    let (mut view, status) = (live::full_book(), live::live());
    let mut number = 0;
    counted_by_callgrind(&mut || {
        for _ in 0..TIMES {
            number += 1;
            let index = SymbolIndex(number as u32 % SYMBOLS);
            let message = black_box(live::add_message(number));
            heap.lane.event(0, Some(index), SeqNo(number), Mono(number), &message);
            let changed = black_box(live::change_best(&mut view, number));
            let view = black_box(&view);
            heap.lane.publish_changed(0, index, status, 1, Mono(1), view, changed);
        }
    });
    row_is_counted("region, best level changed and its event", TIMES);
    counted_by_callgrind(&mut || {
        for _ in 0..TIMES {
            number += 1;
            let message = black_box(live::add_message(number));
            heap.lane.event(0, Some(SymbolIndex(0)), SeqNo(number), Mono(number), &message);
        }
    });
    row_is_counted("region, event", TIMES);
    let mut follower = heap.region.events(0).expect("there is a lane");
    for _ in 0..TIMES {
        number += 1;
        let message = live::add_message(number);
        heap.lane.event(0, Some(SymbolIndex(0)), SeqNo(number), Mono(number), &message);
    }
    let mut seen = 0;
    counted_by_callgrind(&mut || {
        for _ in 0..TIMES {
            seen += u64::from(matches!(black_box(follower.next()), candor_shm::Next::Record(_)));
        }
    });
    assert_eq!(seen, TIMES);
    row_is_counted("region, event followed", TIMES);
    let find = |number| heap.region.find(&heap.venue, &live::name(number)).expect("it is defined");
    let handles: Vec<_> = (0..SYMBOLS).map(find).collect();
    // The time is given: valgrind takes the kernel's clock out of the process, and where it is looked for
    // nevertheless there is nothing.
    let mut lives = 0;
    counted_by_callgrind(&mut || {
        for handle in handles.iter().cycle().take(TIMES as usize) {
            let read = black_box(heap.region.read_at(*handle, Mono(2)));
            lives += u64::from(read.live().is_some());
        }
    });
    assert_eq!(lives, TIMES, "every book is Live");
    row_is_counted("region, read with status, the time given", TIMES);
}
