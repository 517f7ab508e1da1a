//! The decoders against the specifications' tables, hand-made bytes, random bytes and captures.
//! Each test says in its name what must hold.

mod captures;
mod framing;
mod golden_iex;
mod golden_itch;
mod net;
mod pcap;
mod services;
mod slow;
mod tables;

/// Bytes from hex text; spaces are for the eye.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|b| !b.is_ascii_whitespace())
        .map(|b| (b as char).to_digit(16).unwrap() as u8)
        .collect();
    assert!(digits.len().is_multiple_of(2), "half a byte in {text}");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// One message three ways: its bytes made by hand, its encoder's, and what it means.
fn check(
    format: candor_decoders::Format,
    bytes: &str,
    encoded: &[u8],
    expected: candor_core::Message,
) {
    let bytes = hex(bytes);
    assert_eq!(encoded, bytes, "encoder of {:?}", expected.event);
    assert_eq!(format.decode(&bytes), Ok(expected));
    assert_eq!(format.layout_len(bytes[0]), Some(bytes.len()));
    // A newer revision may append fields; an older one can't leave any out.
    let mut longer = bytes.clone();
    longer.extend_from_slice(&[0xa5; 7]);
    assert_eq!(format.decode(&longer), Ok(expected));
    for cut in 1..bytes.len() {
        assert_eq!(format.decode(&bytes[..cut]), Err(candor_core::Reject::ShortMessage));
    }
}
