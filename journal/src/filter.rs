//! Which records are asked for.

use crate::extent::Place;
use crate::record::Record;

/// Which records are asked for: those that every one of these lets through.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Not before this, wall clock in ns since the Unix epoch.
    pub since: Option<u64>,
    /// Not after this.
    pub until: Option<u64>,
    /// Of one of these kinds; none: of any.
    pub kinds: Vec<String>,
    /// Records that name this partition.
    pub partition: Option<String>,
    /// Records that name this symbol, with its venue or without: `XNAS:AAPL`, `AAPL`.
    pub symbol: Option<String>,
}

impl Filter {
    /// Whether a record is asked for.
    #[must_use]
    pub fn takes(&self, record: &Record) -> bool {
        let wall = record.stamp.wall;
        self.since.is_none_or(|since| wall >= since)
            && self.until.is_none_or(|until| wall <= until)
            && (self.kinds.is_empty() || self.kinds.contains(&record.kind))
            && self.partition.as_deref().is_none_or(|own| names_partition(record, own))
            && self.symbol.as_deref().is_none_or(|own| names_symbol(record, own))
    }
}

fn names_partition(record: &Record, own: &str) -> bool {
    record.fields.names_of("partition").any(|name| name == own)
}

fn names_symbol(record: &Record, own: &str) -> bool {
    let has = |symbol: &str| record.fields.names_of("symbols").any(|name| name == symbol);
    if has(own) {
        return true;
    }
    let Some((venue, symbol)) = own.split_once(':') else { return false };
    let of_venue = |partition: &str| {
        Place { partition: partition.to_owned(), symbol: String::new() }.venue() == venue
    };
    record.fields.names_of("partition").any(of_venue) && has(symbol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Digest, Fields, Stamp};

    #[test]
    fn every_term_has_to_hold() {
        let fields = Fields::new().text("partition", "XNAS/1").list("symbols", ["AAPL", "MSFT"]);
        let stamp = Stamp { wall: 100, mono: 1 };
        let record = Record::new(1, stamp, "symbols", fields, Digest::NONE).0;
        let takes = |change: fn(&mut Filter)| {
            let mut filter = Filter {
                since: Some(100),
                until: Some(100),
                kinds: vec!["gap".to_owned(), "symbols".to_owned()],
                partition: Some("XNAS/1".to_owned()),
                symbol: Some("MSFT".to_owned()),
            };
            change(&mut filter);
            filter.takes(&record)
        };
        assert!(Filter::default().takes(&record) && takes(|_| ()));
        assert!(takes(|filter| filter.symbol = Some("XNAS:AAPL".to_owned())));
        assert!(!takes(|filter| filter.symbol = Some("IEXG:AAPL".to_owned())));
        assert!(!takes(|filter| filter.symbol = Some("AAP".to_owned())));
        assert!(!takes(|filter| filter.partition = Some("XNAS/2".to_owned())));
        assert!(!takes(|filter| filter.kinds = vec!["gap".to_owned()]));
        assert!(!takes(|filter| filter.since = Some(101)));
        assert!(!takes(|filter| filter.until = Some(99)));
    }
}
