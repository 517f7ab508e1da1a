//! Every layout agrees with its table, and on random bytes every decoder with the slow reading.

use candor_core::{Event, InstrumentKey, Message, Reject, Symbol, WireTime};
use candor_decoders::Format;
use proptest::prelude::*;

use crate::slow::{Slow, rows};

#[test]
fn every_table_is_without_holes_and_every_layout_as_long_as_its_table() {
    for format in Format::ALL {
        let rows = rows(format);
        for (kind, len, fields) in &rows {
            let mut at = if format == Format::NasdaqItch50 { 11 } else { 1 };
            for (name, offset, length) in *fields {
                // IEX has the time between the first field and the rest.
                at += if format != Format::NasdaqItch50 && at == 2 { 8 } else { 0 };
                assert_eq!(*offset, at, "{} {name}", char::from(*kind));
                at += length;
            }
            at += if at == 2 { 8 } else { 0 };
            assert_eq!(*len, at, "{}", char::from(*kind));
        }
        for kind in 0..=255 {
            let row = rows.iter().find(|row| row.0 == kind);
            assert_eq!(format.layout_len(kind), row.map(|row| row.1));
        }
    }
}

/// Bytes that are letters of the specifications half of the time, so that every arm is met.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let letter = proptest::sample::select(b"BSQHTPOCRMEYN012XA \0\x80\x40".to_vec());
    proptest::collection::vec(prop_oneof![letter, any::<u8>()], 96)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_decoder_agrees_with_its_table(mut bytes in body(), short in 0usize..96, named in any::<bool>()) {
        for format in Format::ALL {
            for (kind, len, fields) in rows(format) {
                bytes[0] = kind;
                if named && let Some((_, at, _)) = fields.iter().find(|field| field.0 == "stock") {
                    bytes[*at..at + 8].copy_from_slice(b"ZVZZT   ");
                }
                let slow = Slow { format, fields, bytes: &bytes };
                prop_assert_eq!(format.decode(&bytes), slow.decode());
                if let Ok(message) = slow.decode() {
                    prop_assert_eq!(format.symbol_in(&message, &bytes), slow.symbol());
                }
                prop_assert_eq!(format.decode(&bytes[..len]), slow.decode());
                let expected = if short == 0 {
                    Ok(Message { key: InstrumentKey::NONE, time: WireTime(0), kind: 0, event: Event::Unknown })
                } else if short < len {
                    Err(Reject::ShortMessage)
                } else {
                    slow.decode()
                };
                prop_assert_eq!(format.decode(&bytes[..short]), expected);
            }
        }
    }
}

#[test]
fn any_other_type_is_unknown_whatever_its_length() {
    for format in Format::ALL {
        for kind in (0..=255).filter(|kind| format.layout_len(*kind).is_none()) {
            for len in [1, 2, 96] {
                let message = format.decode(&vec![kind; len]).unwrap();
                assert_eq!((message.event, message.kind), (Event::Unknown, kind));
                assert_eq!(message.key, InstrumentKey::NONE);
            }
        }
    }
}

#[test]
fn formats_are_found_by_name_and_keys_by_symbol() {
    for format in Format::ALL {
        assert_eq!(Format::from_name(format.name()), Some(format));
    }
    assert_eq!(Format::from_name("itch"), None);
    let symbol = Symbol::from_wire(b"BRK.A").unwrap();
    let key = Format::IexDeep.key_of(&symbol).unwrap();
    assert_eq!(key.0.to_le_bytes(), *b"BRK.A   ");
    assert_eq!(Format::IexTops.symbol_of(key), Some(symbol));
    assert_eq!(Format::NasdaqItch50.symbol_of(key), None);
    assert_eq!(Format::IexDeep.key_of(&Symbol::from_wire(b"NINECHARS").unwrap()), None);
    assert_eq!(Format::IexDeep.symbol_of(InstrumentKey(1)), None);
}
