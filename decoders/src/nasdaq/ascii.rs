//! Numbers and names written as text in fields of fixed length.

use candor_core::Reject;

/// The number a field spells, with spaces before it, behind it, or both.
///
/// # Errors
/// [`Reject::BadField`] where there is no digit, anything but digits between the spaces, or a number
/// beyond 64 bits.
pub fn number(field: &[u8]) -> Result<u64, Reject> {
    let digits = trimmed(field);
    if digits.is_empty() {
        return Err(Reject::BadField);
    }
    let mut number = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(Reject::BadField);
        }
        let digit = u64::from(digit - b'0');
        number = number
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(digit))
            .ok_or(Reject::BadField)?;
    }
    Ok(number)
}

/// The number in as many digits as it has, spaces before them. Twenty bytes hold every number of 64
/// bits.
#[must_use]
pub const fn right(number: u64) -> [u8; 20] {
    let mut field = [b' '; 20];
    let mut rest = number;
    let mut at = field.len();
    loop {
        at -= 1;
        field[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return field;
        }
    }
}

/// The field without the spaces at either end.
#[must_use]
pub fn trimmed(field: &[u8]) -> &[u8] {
    let Some(first) = field.iter().position(|byte| *byte != b' ') else { return &[] };
    let end = field.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
    field.get(first..end).unwrap_or(&[])
}

/// The name with its spaces behind it.
#[must_use]
pub fn left_aligned<const N: usize>(name: [u8; N]) -> [u8; N] {
    let text = trimmed(&name);
    let mut aligned = [b' '; N];
    aligned[..text.len()].copy_from_slice(text);
    aligned
}

/// The name with its spaces before it.
#[must_use]
pub fn right_aligned<const N: usize>(name: [u8; N]) -> [u8; N] {
    let text = trimmed(&name);
    let mut aligned = [b' '; N];
    aligned[N - text.len()..].copy_from_slice(text);
    aligned
}

/// Whether every byte is printable ASCII.
#[must_use]
pub fn is_text(field: &[u8]) -> bool {
    field.iter().all(|byte| matches!(byte, b' '..=b'~'))
}
