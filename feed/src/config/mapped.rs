//! `[venue.map]`: a venue whose partitions are those of its map of the day, in the store; and what a map
//! doesn't carry of them.

use candor_core::limits::{LEVELS, LINES, ORDERS, PARTITIONS, SYMBOLS, SYMBOLS_MAX};
use candor_core::symbol::Text;
use candor_core::{Nanos, Venue};
use candor_decoders::Format;
use candor_maps::Services;
use candor_maps::calendar::{Calendar, Moment, Overlay, Refused, Schedule, Step};
use candor_maps::file::name;
use candor_settings::{At, Context, Table};

use super::parse::Reading;
use super::{Capacity, LineConfig, Partition};

/// When a map's time comes where nothing else is configured and no calendar of the venue says so.
pub const MAP_AT: Moment = Moment::hm(7, 30);

/// How long after a map could not be had it is asked for again.
pub const MAP_RETRY: Nanos = Nanos::from_secs(30);

/// A venue whose partitions come from the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapped {
    /// The venue.
    pub venue: Venue,
    /// The format of its packets and messages; maps of another protocol are refused.
    pub feed: Format,
    /// How long nothing at all may be heard of a partition whose map says nothing of that.
    pub silence: Nanos,
    /// As [`Partition::reorder_grace`].
    pub reorder_grace: Nanos,
    /// As [`Partition::late`].
    pub late: Nanos,
    /// The interface of lines whose map names none.
    pub interface: String,
    /// When the map's time comes, on the venue's clock; `None` leaves it to its calendar.
    pub at: Option<Moment>,
    /// Milestones of the morning that are due at another time than usual, in the order of the morning; the
    /// map's is `at`.
    pub timeline: Vec<(Step, Moment)>,
    /// The share of a map's symbols that the venue must have named for its directory to be there, in parts per
    /// million.
    pub directory_ppm: u32,
    /// Which days are trading dates.
    pub calendar: CalendarOf,
    /// How long after a map could not be had it is asked for again.
    pub retry: Nanos,
    /// The lanes that its partitions are given to in turn; empty: all there are.
    pub lanes: Vec<u16>,
    /// How much each partition can hold; symbols only where that is configured.
    pub symbols: Option<u32>,
    /// Room for symbols beyond those that the first map lists for a partition.
    pub spare_symbols: u32,
    /// As [`Capacity::orders`].
    pub orders: u32,
    /// As [`Capacity::levels`].
    pub levels: u32,
    /// Places kept for partitions that later maps add.
    pub spare_partitions: u16,
    /// What is said of single partitions.
    pub own: Vec<Own>,
}

/// Which days are trading dates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CalendarOf {
    /// The venue's own.
    Venue,
    /// Every day, from midnight to midnight in the venue's time zone.
    EveryDay,
}

/// What is said of a partition by its name, beside its map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Own {
    /// Its name.
    pub name: Text<16>,
    /// Its lane.
    pub lane: Option<u16>,
    /// Whether its lines are joined.
    pub subscribe: bool,
    /// As [`Mapped::symbols`].
    pub symbols: Option<u32>,
    /// As [`Mapped::orders`].
    pub orders: Option<u32>,
    /// As [`Mapped::levels`].
    pub levels: Option<u32>,
}

impl Mapped {
    /// What is said of a partition by its name.
    #[must_use]
    pub fn own(&self, name: Text<16>) -> Option<&Own> {
        self.own.iter().find(|own| own.name == name)
    }

    /// How much a partition can hold of which a map lists so many symbols.
    #[must_use]
    pub fn capacity(&self, own: Option<&Own>, listed: usize) -> Capacity {
        let beyond = listed.saturating_add(self.spare_symbols as usize).min(SYMBOLS_MAX);
        let symbols = own.and_then(|own| own.symbols).or(self.symbols);
        Capacity {
            symbols: symbols.unwrap_or_else(|| u32::try_from(beyond.max(SYMBOLS)).unwrap_or(0)),
            orders: own.and_then(|own| own.orders).unwrap_or(self.orders),
            levels: own.and_then(|own| own.levels).unwrap_or(self.levels),
        }
    }

    /// A place kept for a partition that a later map adds: it has no venue and no name yet, and nothing
    /// of it is subscribed.
    #[must_use]
    pub fn spare(&self, lane: u16) -> Partition {
        Partition {
            venue: Venue::EMPTY,
            name: Text::EMPTY,
            feed: self.feed,
            lane,
            subscribe: false,
            symbols: Vec::new(),
            capacity: self.capacity(None, 0),
            silence: self.silence,
            reorder_grace: self.reorder_grace,
            late: self.late,
            lines: [const { None::<LineConfig> }; LINES],
            services: Services::default(),
        }
    }
}

/// What a venue's own table says that its map may need.
pub(super) struct Terms {
    pub(super) venue: Venue,
    pub(super) feed: Format,
    pub(super) silence: Nanos,
    pub(super) reorder_grace: Nanos,
    pub(super) late: Nanos,
}

/// Reads `[venue.map]`. `None` where there is none, or something of it is wrong and was said.
pub(super) fn mapped(
    reading: &mut Reading<'_>,
    venue: &mut Table<'_>,
    terms: Option<&Terms>,
) -> Option<Mapped> {
    let called = venue.name().to_owned();
    let cx = &mut reading.cx;
    let mut table = venue.table(cx, "map", &format!("`map` of {called}"))?;
    let line = table.line;
    let calendars = [("venue", CalendarOf::Venue), ("every-day", CalendarOf::EveryDay)];
    let calendar = table.choice(cx, "calendar", &calendars);
    let calendar = calendar.map_or(CalendarOf::Venue, |at| at.value);
    let at = moment(cx, &mut table, "at");
    let timeline = timeline(cx, &mut table, &called);
    let directory = table.integer(cx, "directory_ppm", 1..=1_000_000);
    let retry = table.integer(cx, "retry_ms", 100..=3_600_000);
    let lanes = table.integers(cx, "lanes", 0..=u64::from(u16::MAX));
    let symbols = table.integer(cx, "symbols_max", 1..=SYMBOLS_MAX as u64);
    let spare_symbols = table.integer(cx, "spare_symbols", 0..=SYMBOLS_MAX as u64);
    let orders = table.integer(cx, "orders_max", 1..=1 << 26);
    let levels = table.integer(cx, "levels_max", 1..=1 << 26);
    let spare = table.integer(cx, "spare_partitions", 0..=PARTITIONS as u64);
    table.finish(cx);
    let mut own = Vec::new();
    for entry in venue.tables(cx, "partition", "[[venue.partition]]") {
        own.extend(self::own(cx, entry, &called));
    }
    let terms = terms?;
    match calendar {
        CalendarOf::Venue => dates(cx, line, terms.venue, at.as_ref(), &timeline),
        CalendarOf::EveryDay => every_day(cx, terms.venue, at.as_ref(), &timeline),
    }
    let small = |at: Option<At<u64>>| at.and_then(|at| u32::try_from(at.value).ok());
    let lanes = lanes.map_or_else(Vec::new, |at| at.value);
    reading.places.mapped.push(line);
    Some(Mapped {
        venue: terms.venue,
        feed: terms.feed,
        silence: terms.silence,
        reorder_grace: terms.reorder_grace,
        late: terms.late,
        interface: reading.interface.clone(),
        at: at.map(|at| at.value),
        timeline: timeline.into_iter().map(|(step, at)| (step, at.value)).collect(),
        directory_ppm: small(directory).unwrap_or(1_000_000),
        calendar,
        retry: retry.map_or(MAP_RETRY, |at| Nanos::from_millis(at.value)),
        lanes: lanes.into_iter().filter_map(|lane| u16::try_from(lane).ok()).collect(),
        symbols: small(symbols),
        spare_symbols: small(spare_symbols).unwrap_or(1_024),
        orders: small(orders).unwrap_or(ORDERS as u32),
        levels: small(levels).unwrap_or(LEVELS as u32),
        spare_partitions: small(spare).and_then(|n| u16::try_from(n).ok()).unwrap_or(2),
        own,
    })
}

fn moment(cx: &mut Context<'_>, table: &mut Table<'_>, key: &'static str) -> Option<At<Moment>> {
    let wanted = "a time of the venue's clock like \"07:30\"";
    let at = table.text(cx, key, wanted)?;
    let moment = Moment::parse(at.value);
    if moment.is_none() {
        cx.problem(at.line, format!("`{key}` must be {wanted}, not {:?}", at.value));
    }
    Some(At { value: moment?, line: at.line })
}

/// Reads `timeline`, in the order of the morning.
fn timeline(cx: &mut Context<'_>, table: &mut Table<'_>, called: &str) -> Vec<(Step, At<Moment>)> {
    let Some(mut named) = table.table(cx, "timeline", &format!("`timeline` of {called}")) else {
        return Vec::new();
    };
    if let Some(line) = named.line_of(cx, Step::Map.name()) {
        cx.problem(line, "the map's time is `at`, beside `timeline`; say it there");
    }
    named.skip(&[Step::Map.name()]);
    let steps = Step::ALL.into_iter().filter(|step| *step != Step::Map);
    let moments = steps.filter_map(|step| Some((step, moment(cx, &mut named, step.name())?)));
    let moments = moments.collect();
    named.finish(cx);
    moments
}

/// The morning of a venue whose map's time is this: what follows it follows as soon as usual. Milestones named
/// in `timeline` are due as it says.
///
/// # Errors
/// Where the calendar doesn't allow it, or the morning is out of order.
pub fn schedule(
    calendar: &Calendar,
    at: Option<Moment>,
    timeline: &[(Step, Moment)],
) -> Result<Schedule, Refused> {
    let mut moved: Vec<(Step, Moment)> = Vec::new();
    if let Some(at) = at {
        moved.push((Step::Map, at));
        moved.push((Step::Joins, at.later(1)));
        moved.push((Step::Heartbeats, at.later(5)));
    }
    moved.extend(timeline);
    Schedule::with(calendar, &moved)
}

/// Reports a venue without a calendar, and times that its calendar doesn't allow.
fn dates(
    cx: &mut Context<'_>,
    line: usize,
    venue: Venue,
    at: Option<&At<Moment>>,
    timeline: &[(Step, At<Moment>)],
) {
    let Some(calendar) = Calendar::of(venue.as_str()) else {
        cx.problem(
            line,
            format!(
                "no calendar of {venue} is known, so nothing tells its trading dates; where every day is \
                 one: map = {{ calendar = \"every-day\" }}"
            ),
        );
        return;
    };
    let moments: Vec<(Step, Moment)> =
        timeline.iter().map(|(step, at)| (*step, at.value)).collect();
    let time = at.map(|at| at.value);
    // What `at` alone would be too late for may be moved with it.
    let Err(refused) = schedule(&calendar, time, &moments) else { return };
    if let Some((at, refused)) = at.zip(schedule(&calendar, time, &[]).err()) {
        cx.problem(at.line, format!("`at` of {venue}: {refused}"));
    } else {
        let line = blamed(&refused, timeline).unwrap_or(line);
        cx.problem(line, format!("`timeline` of {venue}: {refused}"));
    }
}

/// Reports milestones out of order where every day is a trading date, which has no usual morning.
fn every_day(
    cx: &mut Context<'_>,
    venue: Venue,
    at: Option<&At<Moment>>,
    timeline: &[(Step, At<Moment>)],
) {
    let mut last = (Step::Map, at.map_or(MAP_AT, |at| at.value));
    for (step, at) in timeline {
        let (earlier, first) = last;
        if at.value < first {
            let (later, then) = (*step, at.value);
            let refused = Refused::Order { earlier, first, later, then };
            cx.problem(at.line, format!("`timeline` of {venue}: {refused}"));
        }
        if at.value < Moment::hm(0, 0) {
            cx.problem(
                at.line,
                format!("`{}` at {}: a date begins at midnight here", step.name(), at.value),
            );
        }
        last = (*step, at.value);
    }
}

/// The line of the milestone that a refusal is about.
fn blamed(refused: &Refused, timeline: &[(Step, At<Moment>)]) -> Option<usize> {
    let line =
        |step: Step| timeline.iter().find(|(named, _)| *named == step).map(|(_, at)| at.line);
    match refused {
        Refused::Order { earlier, later, .. } => line(*later).or_else(|| line(*earlier)),
        Refused::Overlap { .. } => line(Step::Map),
        Refused::Open { .. } => line(Step::Open),
    }
}

fn own(cx: &mut Context<'_>, mut table: Table<'_>, venue: &str) -> Option<Own> {
    table.rename(format!("a partition of {venue}"));
    let name = name::<16>(cx, &mut table, "name", "name = \"1\"");
    if let Some(At { value: name, .. }) = name {
        table.rename(format!("partition {name} of {venue}"));
    }
    for key in ["lines", "symbols", "symbols_file", "retransmit", "snapshot"] {
        if let Some(line) = table.line_of(cx, key) {
            cx.problem(line, format!("`{key}` is the map's to say with `map`; take it out"));
        }
    }
    table.skip(&["lines", "symbols", "symbols_file", "retransmit", "snapshot"]);
    let lane = table.integer(cx, "lane", 0..=u64::from(u16::MAX));
    let subscribe = table.boolean(cx, "subscribe").is_none_or(|at| at.value);
    let symbols = table.integer(cx, "symbols_max", 1..=SYMBOLS_MAX as u64);
    let orders = table.integer(cx, "orders_max", 1..=1 << 26);
    let levels = table.integer(cx, "levels_max", 1..=1 << 26);
    table.finish(cx);
    let small = |at: Option<At<u64>>| at.and_then(|at| u32::try_from(at.value).ok());
    Some(Own {
        name: name?.value,
        lane: lane.and_then(|at| u16::try_from(at.value).ok()),
        subscribe,
        symbols: small(symbols),
        orders: small(orders),
        levels: small(levels),
    })
}

/// Reads the overlay of the calendars at a path.
///
/// # Errors
/// What is wrong with it.
pub fn overlay_from(path: &std::path::Path) -> Result<Overlay, candor_settings::Problems> {
    let wrong = |why| {
        let problem = candor_settings::Problem::of_file(path, why);
        candor_settings::Problems::new("calendar overlay", path, vec![problem])
    };
    let text = candor_settings::read_text(path).map_err(wrong)?;
    Overlay::parse(path, &text)
}
