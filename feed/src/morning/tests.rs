//! Mornings over a region of this process, in virtual time: New York's Monday, 2026-11-23.

use std::path::Path;
use std::sync::mpsc::{self, Sender};

use candor_core::alert::Code;
use candor_core::counters::{Counter, Counters};
use candor_core::symbol::Text;
use candor_core::{
    BookView, Nanos, Proof, Reason, SessionId, Status, Symbol, SymbolIndex, TradingDate, promote,
};
use candor_maps::calendar::Calendar;
use candor_maps::calendar::timeline::STEPS;
use candor_shm::{InForce, LaneWriter, Preopen, PreopenVerdict, RegionSpec, VenueInfo, heap};

use super::*;
use crate::alert::{About, Word};
use crate::config::parse_text;
use crate::run::partition_spec;

pub(super) const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3_600 * SECOND;

/// 07:30.
pub(super) const MONDAY: u64 = 1_795_437_000 * SECOND;
pub(super) const DATE: TradingDate = TradingDate(20_261_123);

pub(super) struct Day {
    config: Arc<Config>,
    venue: Venue,
    handler: HandlerWriter,
    lane: LaneWriter,
    region: Region,
    mornings: Mornings,
    journal: Journal,
    overlays: Sender<Overlay>,
    pub(super) wall: u64,
    now: u64,
    counters: [Counters; 2],
}

fn text() -> String {
    let mut text = "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\nkind = \"udp\"\n\
                    interface = \"lo\"\n[[lane]]\n[[venue]]\nname = \"XNAS\"\nfeed = \"nasdaq-itch50\"\n"
        .to_owned();
    for (name, symbols) in [("1", "\"A\", \"B\""), ("2", "\"C\"")] {
        text += &format!(
            "[[venue.partition]]\nname = \"{name}\"\nlane = 0\nsymbols_max = 8\nsymbols = [{symbols}]\n\
             lines.A = {{ group = \"239.1.1.{name}\", port = 1 }}\n"
        );
    }
    text + "[[venue]]\nname = \"XTST\"\nfeed = \"nasdaq-itch50\"\n[[venue.partition]]\nname = \"1\"\n\
            lane = 0\nlines.A = { group = \"239.1.1.9\", port = 1 }\n"
}

pub(super) fn live() -> Status {
    promote(&Reason::ALL.iter().fold(Proof::NOTHING, |proof, one| proof.rule_out(*one, true)))
}

fn xnas() -> Venue {
    Venue::from_wire(b"XNAS").unwrap()
}

impl Day {
    /// A handler that starts at this instant, before anything was heard.
    fn at(wall: u64) -> Day {
        Day::of("XNAS", wall, Box::new(ask::on_a_thread))
    }

    /// As `at`, of this venue, where preopen is asked this way.
    pub(super) fn of(venue: &str, wall: u64, ask: Ask) -> Day {
        let mut day = Day::nameless(venue, wall, ask);
        for (partition, index, name) in [(0, 0, "A"), (0, 1, "B"), (1, 0, "C")] {
            day.define(partition, index, name);
        }
        day
    }

    /// As `of`, where no lane has defined a symbol yet.
    fn nameless(venue: &str, wall: u64, ask: Ask) -> Day {
        let text = text().replace("XNAS", venue);
        let config = Arc::new(parse_text(Path::new("t.toml"), &text).unwrap());
        let venue = Venue::from_wire(venue.as_bytes()).unwrap();
        let mut spec = RegionSpec::new(Text::from_wire(b"t").unwrap());
        (spec.events, spec.losses) = (64, 16);
        spec.process_lease = Nanos(u64::MAX);
        spec.partitions = config.partitions.iter().map(partition_spec).collect();
        let (mut handler, mut lanes, region) = heap(&spec).unwrap();
        let mut lane = lanes.remove(0);
        handler.set_status(live(), Mono(1));
        lane.renew(Mono(u64::MAX));
        let (overlays, revised) = mpsc::channel();
        let mornings = Mornings::asking(&config, revised, ask);
        let counters = [Counters::new(), Counters::new()];
        let now = 1;
        let journal = Journal::none();
        Day {
            config,
            venue,
            handler,
            lane,
            region,
            mornings,
            journal,
            overlays,
            wall,
            now,
            counters,
        }
    }

    /// The map of a date comes in force, and each partition follows a session of it.
    pub(super) fn begin(&mut self, date: TradingDate) {
        let in_force = InForce { date, digest: [7; 32] };
        self.handler.set_in_force(&self.venue, Some(&in_force), Mono(self.now));
        for partition in 0..2 {
            self.lane.date(partition, date);
            let session = SessionId::from_text(*b"20261123A ");
            self.lane.partition(partition, live(), 1, Mono(self.now), session);
            self.lane.lease(partition, Mono(u64::MAX / 2));
        }
    }

    fn define(&mut self, partition: u16, index: u32, name: &str) {
        let symbol = Symbol::from_wire(name.as_bytes()).unwrap();
        self.lane.define(partition, SymbolIndex(index), &symbol);
    }

    pub(super) fn hear(&mut self, partition: u16) {
        let counters = &mut self.counters[usize::from(partition)];
        counters.add(Counter::PacketsA, 1);
        self.lane.counters(partition, counters);
    }

    pub(super) fn publish(&mut self, partition: u16, index: u32, status: Status, trades: u32) {
        let mut book = BookView::EMPTY;
        book.stats.trades = trades;
        self.lane.publish(partition, SymbolIndex(index), status, 1, Mono(self.now), &book);
    }

    /// Looks, so much later.
    pub(super) fn look(&mut self, later: u64) {
        (self.wall, self.now) = (self.wall + later, self.now + later);
        let joins = Joins::default();
        let scene = Scene { config: &self.config, region: &self.region, joins: &joins };
        let at = (Wall(self.wall), Mono(self.now));
        self.mornings.look(&scene, &mut self.handler, &self.journal, at);
    }

    /// What was said to the alerts since: the code, and whether it ends.
    pub(super) fn said(&self) -> Vec<(Code, bool)> {
        let words = std::iter::from_fn(|| self.journal.alerts().take());
        words
            .filter_map(|word| match word {
                Word::Raise { code, about: About::Venue(venue), .. } if venue == self.venue => {
                    Some((code, false))
                }
                Word::End { code, about: About::Venue(venue) } if venue == self.venue => {
                    Some((code, true))
                }
                _ => None,
            })
            .collect()
    }

    pub(super) fn info(&self) -> VenueInfo {
        self.region.venue(&self.venue).unwrap()
    }

    fn milestone(&self, step: Step) -> Milestone {
        self.info().morning.unwrap().milestones[step.index()]
    }

    fn is_done(&self, step: Step) -> bool {
        self.milestone(step).actual != 0
    }
}

#[test]
fn each_milestone_is_done_by_what_it_says_and_not_before() {
    let mut day = Day::at(MONDAY);
    day.look(0);
    let morning = day.info().morning.unwrap();
    assert_eq!((morning.date, morning.watched), (DATE, MONDAY));
    assert!(morning.milestones.iter().all(|one| one.actual == 0));
    assert_eq!(morning.milestones.iter().filter(|one| one.applies).count(), STEPS);
    // Yesterday's map is no map, whatever is heard under it.
    day.begin(TradingDate(20_261_120));
    day.hear(0);
    day.hear(1);
    day.publish(0, 0, live(), 0);
    day.look(SECOND);
    assert!(day.info().morning.unwrap().milestones.iter().all(|one| one.actual == 0));
    day.begin(DATE);
    day.look(SECOND);
    let actual = MONDAY + 2 * SECOND;
    for step in [Step::Map, Step::Heartbeats, Step::Crossover] {
        assert_eq!(day.milestone(step).actual, actual, "{step:?}");
    }
    assert!(!day.is_done(Step::Joins), "nothing is joined here");
    assert_eq!((day.milestone(Step::Joins).done, day.milestone(Step::Joins).of), (0, 2));
    // The directory: every symbol named, in this epoch.
    day.look(SECOND);
    assert_eq!((day.milestone(Step::Directory).done, day.milestone(Step::Directory).of), (1, 3));
    day.publish(0, 1, Status::stale(Reason::Unproven), 0);
    day.publish(1, 0, Status::stale(Reason::SymbolQuarantined), 0);
    day.look(SECOND);
    day.look(SECOND);
    assert_eq!(day.milestone(Step::Directory).done, 2, "who is unproven was not named");
    assert!(!day.is_done(Step::Directory));
    day.publish(0, 1, live(), 0);
    day.look(SECOND);
    day.look(SECOND);
    assert!(day.is_done(Step::Directory));
    // A verdict of go about this date, and nothing else.
    let verdict = |verdict, date| Preopen { verdict, date, at: 1, holds: 9, fails: 0, unknown: 0 };
    for (which, date, done) in [
        (PreopenVerdict::NoGo, DATE, false),
        (PreopenVerdict::Unknown, DATE, false),
        (PreopenVerdict::Go, TradingDate(20_261_120), false),
        (PreopenVerdict::Go, DATE, true),
    ] {
        day.handler.set_preopen(&xnas(), &verdict(which, date));
        day.look(SECOND);
        assert_eq!(day.is_done(Step::Preopen), done, "{which:?} {date}");
    }
}

#[test]
fn prints_are_trades_behind_the_open_on_every_partition() {
    let mut day = Day::at(MONDAY);
    day.begin(DATE);
    day.look(0);
    let open = MONDAY + 2 * HOUR;
    // Early trading prints, too.
    day.publish(0, 0, live(), 5);
    day.look(HOUR);
    day.publish(1, 0, live(), 3);
    day.look(open - 2 * SECOND - day.wall);
    day.publish(1, 0, live(), 4);
    day.look(SECOND);
    assert_eq!(day.milestone(Step::Prints).done, 0);
    day.publish(0, 1, live(), 1);
    day.look(SECOND);
    assert_eq!(day.milestone(Step::Open).actual, open);
    assert_eq!((day.milestone(Step::Prints).done, day.milestone(Step::Prints).of), (1, 2));
    day.look(SECOND);
    assert!(!day.is_done(Step::Prints), "the other has none since the open");
    day.publish(1, 0, live(), 5);
    day.look(SECOND);
    assert_eq!(day.milestone(Step::Prints).actual, open + 2 * SECOND);
    // A handler that starts behind the open has the statistics alone to go by.
    let mut late = Day::at(open + HOUR);
    late.begin(DATE);
    late.publish(0, 0, live(), 5);
    late.look(0);
    assert_eq!((late.milestone(Step::Prints).done, late.is_done(Step::Prints)), (1, false));
    late.publish(1, 0, live(), 1);
    late.look(SECOND);
    assert!(late.milestone(Step::Prints).found && late.milestone(Step::Open).found);
}

#[test]
fn nothing_has_printed_where_nothing_was_ever_heard() {
    // Behind the open, at a look before any lane has defined what it is to publish.
    let mut day = Day::nameless("XNAS", MONDAY + 3 * HOUR, Box::new(ask::on_a_thread));
    day.begin(DATE);
    day.look(0);
    day.look(SECOND);
    let prints = day.milestone(Step::Prints);
    assert_eq!((prints.done, prints.of, day.is_done(Step::Prints)), (0, 0, false));
    assert!(day.milestone(Step::Open).found, "the clock alone says that");
    day.define(0, 0, "A");
    day.look(SECOND);
    assert!(!day.is_done(Step::Prints));
    day.publish(0, 0, live(), 1);
    day.look(SECOND);
    assert!(day.is_done(Step::Prints));
}

#[test]
fn milestones_that_are_late_are_one_alert_of_their_venue() {
    const LATE: (Code, bool) = (Code::MilestoneLate, false);
    const MISSED: (Code, bool) = (Code::MilestoneMissed, false);
    // 07:00, and the map is there.
    let mut day = Day::at(MONDAY - HOUR / 2);
    day.begin(DATE);
    day.look(0);
    assert_eq!(day.said(), []);
    // 07:30:40: nothing is joined. 07:40: nothing was heard, either.
    day.look(MONDAY + 40 * SECOND - day.wall);
    assert_eq!(day.said(), [LATE]);
    day.look(MONDAY + 600 * SECOND - day.wall);
    let said = day.said();
    assert_eq!(said.iter().filter(|one| **one == MISSED).count(), 2, "joins, heartbeats: {said:?}");
    day.look(SECOND);
    assert_eq!(day.said(), [], "each once");
    // One of them is done: the alert goes on for the other, which ends with the date.
    day.hear(0);
    day.hear(1);
    day.look(SECOND);
    assert!(day.is_done(Step::Heartbeats));
    assert!(!day.said().contains(&(Code::MilestoneMissed, true)), "joins is not");
    day.look(MONDAY + 19 * HOUR - day.wall);
    let said = day.said();
    assert_eq!(
        said.iter().filter(|one| **one == (Code::MilestoneMissed, true)).count(),
        1,
        "{said:?}"
    );
}

#[test]
fn what_is_heard_before_a_date_begins_is_not_of_it() {
    // 21:00 on Sunday: five hours before Monday's begins.
    let mut day = Day::at(MONDAY - 10 * HOUR - HOUR / 2);
    day.look(0);
    assert_eq!(day.info().morning.unwrap().date, DATE, "at a start the next is shown");
    assert_eq!(day.info().morning.unwrap().watched, 0);
    day.begin(DATE);
    day.hear(0);
    day.hear(1);
    day.look(SECOND);
    // 02:00.
    day.look(MONDAY - 5 * HOUR - HOUR / 2 - day.wall);
    assert!(day.is_done(Step::Map) && !day.is_done(Step::Heartbeats));
    day.hear(0);
    day.look(SECOND);
    assert_eq!((day.milestone(Step::Heartbeats).done, day.milestone(Step::Heartbeats).of), (1, 2));
    day.hear(1);
    day.look(SECOND);
    assert!(day.is_done(Step::Heartbeats));
    // Monday stays until Tuesday begins, and Tuesday has nothing of it.
    day.look(MONDAY + 15 * HOUR - day.wall);
    assert_eq!(day.info().morning.unwrap().date, DATE);
    day.look(MONDAY + 19 * HOUR - day.wall);
    let tuesday = day.info().morning.unwrap();
    assert_eq!(tuesday.date, TradingDate(20_261_124));
    assert!(tuesday.milestones.iter().all(|one| one.actual == 0));
}

#[test]
fn an_overlay_that_closes_the_date_ends_its_morning_and_who_has_no_calendar_has_none() {
    let mut day = Day::at(MONDAY);
    day.look(0);
    let none = Venue::from_wire(b"XTST").unwrap();
    assert!(day.region.venue(&none).unwrap().morning.is_none());
    let closed = "[[closed]]\nvenue = \"XNAS\"\ndate = 2026-11-23\nreason = \"mourning\"\n";
    let overlay = Overlay::parse(Path::new("o.toml"), closed).unwrap();
    day.overlays.send(overlay).unwrap();
    day.look(SECOND);
    assert_eq!(day.info().morning.unwrap().date, TradingDate(20_261_124), "the next to come");
    assert_eq!(day.info().morning.unwrap().watched, 0);
}

#[test]
fn a_calendar_that_ends_in_sixty_days_is_an_alert_every_morning_until_it_is_renewed() {
    let last = Calendar::of("XNAS").unwrap().ends();
    let noon_of = |date| crate::clock::at(date, "America/New_York", 12 * 60).unwrap();
    let noon = |days: u64| noon_of(last) - days * 24 * HOUR;
    let mut day = Day::at(noon(61));
    day.look(1);
    assert_eq!(day.said(), [], "there is time");
    let mut day = Day::at(noon(60));
    day.look(1);
    day.look(1);
    assert_eq!(day.said(), [(Code::CalendarEnds, false)], "once");
    day.look(24 * HOUR);
    assert!(day.said().contains(&(Code::CalendarEnds, false)), "once more the next day");
    let mut day = Day::at(noon_of(last) + 24 * HOUR);
    day.look(1);
    assert_eq!(day.said(), [(Code::CalendarEnds, false)], "it is over");
}
