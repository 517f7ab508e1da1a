//! What an operator adds to the calendars: days that an exchange announced late, and from when on what a venue
//! sends is of its trading date, where that is not as the calendars have it.
//!
//! ```toml
//! [[closed]]
//! venue = "XNYS"
//! date = 2026-12-09
//! reason = "day of mourning"
//!
//! [[early_close]]
//! venue = "XLON"
//! date = 2026-12-11
//! at = "12:30"
//! reason = "announced on the 10th"
//!
//! [[begins]]
//! venue = "XNAS"
//! at = "-1 23:00"
//! reason = "its session of the day is opened the evening before"
//! ```
//!
//! An entry is for the one venue that it names. The file is taken whole or refused whole.

use std::collections::BTreeMap;
use std::path::Path;

use candor_core::TradingDate;
use candor_settings::{At, Context, Problems, Table, nearest};
use jiff::civil::Weekday;
use toml::de::DeTable;

use super::moment::{DAY, Moment, civil};
use super::{Calendar, KNOWN};

/// Closures and early closes that the generated calendars lack.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Overlay {
    entries: Vec<Entry>,
    begins: Vec<Begins>,
}

/// From when on what a venue sends is of its trading date.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Begins {
    line: usize,
    venue: &'static str,
    at: Moment,
}

/// One day of one venue.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    line: usize,
    venue: &'static str,
    date: TradingDate,
    /// When it closes; `None` when it doesn't open at all.
    close: Option<Moment>,
    reason: String,
}

/// What an overlay says of one venue.
#[derive(Clone, Default)]
pub(super) struct OfVenue {
    /// Closed days, and why.
    pub(super) closed: BTreeMap<u32, String>,
    /// Early closes, and why.
    pub(super) early: BTreeMap<u32, (Moment, String)>,
    /// When its dates begin.
    pub(super) begins: Option<Moment>,
}

impl Overlay {
    /// Reads the text of the overlay at `path`, which is named in problems and not opened.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its line and what to do.
    pub fn parse(path: &Path, text: &str) -> Result<Overlay, Problems> {
        let mut cx = Context::new(path, text);
        let (root, errors) = DeTable::parse_recoverable(text);
        // What follows a mistake in the syntax is mostly its consequence: the first is enough.
        if let Some(error) = errors.first() {
            let line = error.span().map_or(0, |span| cx.line(span.start));
            cx.problem(line, format!("is not TOML: {}", error.message().replace('\n', ", ")));
            return Err(Problems::new("calendar overlay", path, cx.problems));
        }
        let mut root = Table::new("the file", 0, root.get_ref());
        let mut overlay = Overlay::default();
        for table in root.tables(&mut cx, "closed", "[[closed]]") {
            overlay.entries.extend(entry(&mut cx, table, false));
        }
        for table in root.tables(&mut cx, "early_close", "[[early_close]]") {
            overlay.entries.extend(entry(&mut cx, table, true));
        }
        for table in root.tables(&mut cx, "begins", "[[begins]]") {
            overlay.begins.extend(begins(&mut cx, table));
        }
        root.finish(&mut cx);
        overlay.begins.sort_by_key(|begins| (begins.venue, begins.line));
        for pair in overlay.begins.windows(2) {
            if let [Begins { line: first, venue: one, .. }, Begins { line, venue, .. }] = pair
                && one == venue
            {
                let message = format!(
                    "when {venue}'s dates begin is said in line {first} already; take one of them out"
                );
                cx.problem(*line, message);
            }
        }
        overlay.entries.sort_by_key(|entry| (entry.venue, entry.date, entry.line));
        for pair in overlay.entries.windows(2) {
            if let [first, second] = pair
                && (first.venue, first.date) == (second.venue, second.date)
            {
                let Entry { line, venue, date, .. } = second;
                let first = first.line;
                cx.problem(
                    *line,
                    format!("{venue} has {date} in line {first} already; take one of them out"),
                );
            }
        }
        match cx.problems.is_empty() {
            true => Ok(overlay),
            false => Err(Problems::new("calendar overlay", path, cx.problems)),
        }
    }

    /// How many days of venues it changes, or hours of all of a venue's days.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() + self.begins.len()
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn of(&self, venue: &str) -> OfVenue {
        let mut found = OfVenue::default();
        for Entry { date, close, reason, .. } in self.entries.iter().filter(|e| e.venue == venue) {
            match close {
                None => _ = found.closed.insert(date.0, reason.clone()),
                Some(close) => _ = found.early.insert(date.0, (*close, reason.clone())),
            }
        }
        found.begins = self.begins.iter().find(|begins| begins.venue == venue).map(|b| b.at);
        found
    }
}

/// One `[[closed]]` or `[[early_close]]`; `None` when a problem was reported.
fn entry(cx: &mut Context<'_>, mut table: Table<'_>, early: bool) -> Option<Entry> {
    let calendar = venue(cx, &mut table);
    let date = date(cx, &mut table);
    let close = if early { close(cx, &mut table) } else { None };
    let reason = reason(cx, &mut table);
    let (line, name) = (table.line, table.name().to_owned());
    table.finish(cx);
    let (calendar, date) = (calendar?, date?);
    let day_is_sound = day(cx, &calendar, &date, early);
    let close = match close {
        Some(close) if day_is_sound => Some(sound_close(cx, &calendar, &close, &name)?),
        None if early => return None,
        _ => None,
    };
    let (venue, date) = (calendar.venue(), date.value);
    day_is_sound.then_some(Entry { line, venue, date, close, reason: reason? })
}

/// One `[[begins]]`; `None` when a problem was reported.
fn begins(cx: &mut Context<'_>, mut table: Table<'_>) -> Option<Begins> {
    let calendar = venue(cx, &mut table);
    let wanted = "a time on the venue's clock like \"01:30\", or \"-1 23:00\" for the day before";
    let at = match table.text(cx, "at", wanted) {
        Some(At { value, line }) => {
            let moment = Moment::parse(value);
            if moment.is_none() {
                let name = table.name();
                cx.problem(line, format!("`at` in {name} must be {wanted}, not {value:?}"));
            }
            moment.map(|value| At { value, line })
        }
        None if table.line_of(cx, "at").is_none() => {
            table.missing(cx, "at", "at = \"-1 23:00\"");
            None
        }
        None => None,
    };
    let reason = reason(cx, &mut table);
    let (line, name) = (table.line, table.name().to_owned());
    table.finish(cx);
    let (calendar, at, _) = (calendar?, at?, reason?);
    let (venue, profile) = (calendar.venue(), calendar.profile);
    // The date before ends as late as this, by the same clock.
    let (ended, preopen) = (profile.ends.later(-DAY), profile.preopen);
    if at.value < ended || at.value >= preopen {
        let message = format!(
            "`at` in {name} must lie between the end of {venue}'s date before at {ended} and its preopen at \
             {preopen}, not at {}",
            at.value
        );
        cx.problem(at.line, message);
        return None;
    }
    Some(Begins { line, venue, at: at.value })
}

fn reason(cx: &mut Context<'_>, table: &mut Table<'_>) -> Option<String> {
    let wanted = "why, as the exchange says it, like \"day of mourning\"";
    let reason = table.text(cx, "reason", wanted);
    if reason.is_none() && table.line_of(cx, "reason").is_none() {
        table.missing(cx, "reason", "reason = \"day of mourning\"");
    }
    reason.map(|at| at.value.to_owned())
}

fn venue(cx: &mut Context<'_>, table: &mut Table<'_>) -> Option<Calendar> {
    let Some(at) = table.text(cx, "venue", "a venue like \"XNYS\"") else {
        if table.line_of(cx, "venue").is_none() {
            table.missing(cx, "venue", "venue = \"XNYS\"");
        }
        return None;
    };
    let calendar = Calendar::of(at.value);
    if calendar.is_none() {
        let venues: Vec<&str> = Calendar::venues().collect();
        let hint = match nearest(at.value, &venues) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => format!("known are {}", venues.join(", ")),
        };
        cx.problem(at.line, format!("no calendar is known of the venue {:?}; {hint}", at.value));
    }
    calendar
}

fn date(cx: &mut Context<'_>, table: &mut Table<'_>) -> Option<At<TradingDate>> {
    let wanted = "a date like 2026-12-09";
    let Some(At { value: text, line }) = table.date(cx, "date", wanted) else {
        if table.line_of(cx, "date").is_none() {
            table.missing(cx, "date", "date = 2026-12-09");
        }
        return None;
    };
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    // What is written must be what it is shown as: so nothing but yyyy-mm-dd is a date.
    let date = digits.parse().ok().map(TradingDate);
    let date = date.filter(|date| civil(*date).is_some() && date.to_string() == text);
    if date.is_none() {
        let name = table.name();
        cx.problem(line, format!("`date` in {name} must be {wanted}, not {text:?}"));
    }
    Some(At { value: date?, line })
}

fn close(cx: &mut Context<'_>, table: &mut Table<'_>) -> Option<At<Moment>> {
    let wanted = "a time of that day on the venue's clock like \"13:00\"";
    let Some(At { value: text, line }) = table.text(cx, "at", wanted) else {
        if table.line_of(cx, "at").is_none() {
            table.missing(cx, "at", "at = \"13:00\"");
        }
        return None;
    };
    let moment = Moment::parse(text).filter(|moment| moment.minutes() >= 0);
    if moment.is_none() {
        let name = table.name();
        cx.problem(line, format!("`at` in {name} must be {wanted}, not {text:?}"));
    }
    Some(At { value: moment?, line })
}

/// Whether an entry of this date can be meant.
fn day(cx: &mut Context<'_>, calendar: &Calendar, at: &At<TradingDate>, early: bool) -> bool {
    let At { value: date, line } = *at;
    let venue = calendar.venue();
    if !(KNOWN.0..=KNOWN.1).contains(&date.0) {
        let (first, last) = (TradingDate(KNOWN.0), TradingDate(KNOWN.1));
        let message = format!(
            "{date} is beyond the calendar, which knows {first} to {last}; take the entry out, or \
             install a release that knows it"
        );
        cx.problem(line, message);
        return false;
    }
    let weekend =
        civil(date).is_some_and(|day| matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday));
    if weekend {
        cx.problem(line, format!("{venue} doesn't trade on {date}, a weekend; correct the date"));
        return false;
    }
    // That the calendar has come to know a closure is no contradiction: the entry stays good.
    if let Some(why) = calendar.closed(date).filter(|_| early) {
        let message = format!(
            "{venue} is closed on {date} ({why}), so it can't close early; correct the date"
        );
        cx.problem(line, message);
        return false;
    }
    true
}

/// The close, when it is earlier than usual and leaves something to trade.
fn sound_close(
    cx: &mut Context<'_>,
    calendar: &Calendar,
    at: &At<Moment>,
    name: &str,
) -> Option<Moment> {
    let At { value: close, line } = *at;
    let profile = calendar.profile;
    let usual = profile.close;
    if close <= profile.open || close >= usual {
        let venue = calendar.venue();
        let open = profile.open;
        let message = format!(
            "`at` in {name} must lie between {venue}'s open at {open} and its usual close at {usual}, \
             not at {close}"
        );
        cx.problem(line, message);
        return None;
    }
    if let Some((from, until)) = profile.dates.pause
        && close > from
        && close <= until
    {
        let message = format!(
            "`at` in {name} lies in the break from {from} to {until}, when trading has stopped \
             already; write \"{from}\""
        );
        cx.problem(line, message);
        return None;
    }
    Some(close)
}
