//! Single values that configurations and maps both have.

use candor_core::TradingDate;
use candor_core::symbol::Text;
use candor_settings::{At, Context, Table};

/// A short printable name; its absence is a problem too.
pub fn name<const N: usize>(
    cx: &mut Context<'_>,
    table: &mut Table<'_>,
    key: &'static str,
    example: &str,
) -> Option<At<Text<N>>> {
    let wanted = format!("a text of 1 to {N} printable ASCII characters");
    let Some(at) = table.text(cx, key, &wanted) else {
        if table.line_of(cx, key).is_none() {
            table.missing(cx, key, example);
        }
        return None;
    };
    let text = Text::from_wire(at.value.as_bytes());
    if text.is_none() {
        cx.problem(
            at.line,
            format!("`{key}` in {} must be {wanted}, not {:?}", table.name(), at.value),
        );
    }
    text.map(|value| At { value, line: at.line })
}

/// A trading date; where it is absent that is for the caller to judge.
pub fn date(
    cx: &mut Context<'_>,
    table: &mut Table<'_>,
    key: &'static str,
) -> Option<At<TradingDate>> {
    let wanted = "a date like \"2026-11-21\"";
    let at = table.date(cx, key, wanted)?;
    let date = parse_date(&at.value);
    if date.is_none() {
        cx.problem(at.line, format!("`{key}` must be {wanted}, not {:?}", at.value));
    }
    date.map(|value| At { value, line: at.line })
}

/// A trading date as people write it: `2026-11-23`.
#[must_use]
pub fn parse_date(text: &str) -> Option<TradingDate> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let bytes = text.as_bytes();
    let shape = bytes.len() == 10 && digits.len() == 8 && bytes[4] == b'-' && bytes[7] == b'-';
    digits.parse().ok().map(TradingDate).filter(|date| shape && is_date(*date))
}

/// Whether a number `yyyymmdd` is a day of the calendar, from 1970 to 9999.
#[must_use]
pub const fn is_date(date: TradingDate) -> bool {
    let (year, month, day) = (date.0 / 10_000, date.0 / 100 % 100, date.0 % 100);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    };
    let month_exists = month >= 1 && month <= 12;
    year >= 1970 && year <= 9999 && month_exists && day >= 1 && day <= days
}

/// An interface's name as the kernel takes one: at most 15 bytes, no slash, no space.
pub fn interface_name(cx: &mut Context<'_>, at: At<&str>) -> Option<String> {
    let fits = is_interface(at.value);
    if !fits {
        cx.problem(
            at.line,
            format!(
                "{:?} can't be an interface: at most 15 characters, no space, no slash",
                at.value
            ),
        );
    }
    fits.then(|| at.value.to_owned())
}

/// Whether the kernel takes this as an interface's name.
#[must_use]
pub fn is_interface(name: &str) -> bool {
    !name.is_empty() && name.len() <= 15 && name.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_in_one_way() {
        assert_eq!(parse_date("2026-11-23"), Some(TradingDate(20_261_123)));
        for bad in [
            "",
            "20261123",
            "23-11-2026",
            "2026-11-2",
            "2026-11-23T07:30",
            "2026-02-30",
            "2026-1123-",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_date_is_a_day_of_the_calendar() {
        for good in [19_700_101, 20_000_229, 20_261_121, 20_280_229, 99_991_231] {
            assert!(is_date(TradingDate(good)), "{good}");
        }
        let bad = [0, 19_691_231, 20_260_229, 21_000_229, 20_261_301, 20_260_010, 20_260_431];
        for bad in bad.into_iter().chain([20_260_400, 20_261_132, 100_000_101]) {
            assert!(!is_date(TradingDate(bad)), "{bad}");
        }
    }
}
