//! Prices as scaled integers. No floating point anywhere in the product.

use core::fmt;

/// A price as a whole number of the format's smallest unit; how many decimals that is, is a
/// property of the format ([`Decimals`]), never of a single price. Signed: spreads and some futures
/// trade below zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Price(pub i64);

/// How many decimal places a [`Price`] of some format has (IEX and ITCH: 4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Decimals(pub u8);

impl Price {
    /// The price as text with exactly `decimals` places.
    #[must_use]
    pub const fn with(self, decimals: Decimals) -> PriceText {
        PriceText { price: self, decimals }
    }
}

/// A price to be printed with exactly its venue's decimals.
#[derive(Clone, Copy, Debug)]
pub struct PriceText {
    price: Price,
    decimals: Decimals,
}

impl fmt::Display for PriceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.price.0 < 0 { "-" } else { "" };
        let magnitude = self.price.0.unsigned_abs();
        let places = u32::from(self.decimals.0.min(18));
        if places == 0 {
            return write!(f, "{sign}{magnitude}");
        }
        let unit = 10u64.pow(places);
        write!(
            f,
            "{sign}{}.{:0width$}",
            magnitude / unit,
            magnitude % unit,
            width = places as usize
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn text_has_exactly_the_decimals() {
        let text = |p: i64, d: u8| Price(p).with(Decimals(d)).to_string();
        assert_eq!(text(1_234_500, 4), "123.4500");
        assert_eq!(text(-1, 4), "-0.0001");
        assert_eq!(text(0, 4), "0.0000");
        assert_eq!(text(42, 0), "42");
        assert_eq!(text(i64::MIN, 4), "-922337203685477.5808");
    }
}
