use candor_core::{Line, Proof, Reason, promote};

use super::*;

/// Ten looks a second.
const LOOK: Nanos = Nanos::from_millis(100);

fn live() -> Status {
    promote(&Reason::ALL.iter().fold(Proof::NOTHING, |proof, reason| proof.rule_out(*reason, true)))
}

/// A machine, what it is shown, and what it has said.
struct World {
    alerts: Alerts,
    seen: Vec<Seen>,
    now: Mono,
    told: Vec<(News, Alert)>,
}

impl World {
    /// Partitions at these venues, lanes and interfaces, all of them Live.
    fn new(at: &[(u16, u16, u16)]) -> World {
        let seat = |(venue, lane, interface): &(u16, u16, u16)| {
            Seat::new([Place::Venue(*venue), Place::Lane(*lane), Place::Interface(*interface)])
        };
        let seen = Seen { status: live(), halted: false, wanted: true };
        let mut world = World {
            alerts: Alerts::new(at.iter().map(seat).collect()),
            seen: vec![seen; at.len()],
            now: Mono(1_000_000_000),
            told: Vec::new(),
        };
        world.pass(1);
        world
    }

    fn pass(&mut self, looks: u32) {
        for _ in 0..looks {
            self.now = self.now + LOOK;
            let World { alerts, seen, now, told } = self;
            alerts.look(*now, seen, |news, alert| told.push((news, *alert)));
            self.alerts.check();
        }
    }

    fn seconds(&mut self, seconds: u32) {
        self.pass(10 * seconds);
    }

    fn stale(&mut self, partitions: &[usize], reason: Reason) {
        for at in partitions {
            self.seen[*at].status = Status::stale(reason);
        }
    }

    fn heal(&mut self, partitions: &[usize]) {
        for at in partitions {
            self.seen[*at].status = live();
        }
    }

    fn raise(&mut self, code: Code, place: Place) -> Option<u64> {
        let World { alerts, now, told, .. } = self;
        alerts.raise(*now, code, place, 1, |news, alert| told.push((news, *alert)))
    }

    fn suspect(&mut self, what: Suspect, place: Place) {
        let World { alerts, now, told, .. } = self;
        alerts.suspect(*now, what, place, |news, alert| told.push((news, *alert)));
    }

    /// What has begun since, in short.
    fn begun(&mut self) -> Vec<(Code, Place, u16, u16)> {
        let begun = self.told.iter().filter(|(news, _)| *news == News::Begins);
        let begun =
            begun.map(|(_, alert)| (alert.code, alert.place, alert.sick, alert.of)).collect();
        self.told.clear();
        begun
    }

    fn over(&mut self) -> Vec<Code> {
        let over = self.told.iter().filter(|(news, _)| *news == News::Over);
        let over = over.map(|(_, alert)| alert.code).collect();
        self.told.clear();
        over
    }
}

const ONE_VENUE: [(u16, u16, u16); 4] = [(0, 0, 0); 4];

/// Venue 0 on both lanes, venue 1 on the second; each venue an interface.
const TWO_VENUES: [(u16, u16, u16); 6] =
    [(0, 0, 0), (0, 0, 0), (0, 1, 0), (0, 1, 0), (1, 1, 1), (1, 1, 1)];

/// What operators look up (`docs/ALERTS.md`), by what readers see.
const SYMPTOMS: [(Reason, &str); 9] = [
    (Reason::WriterGone, "lane-stalled"),
    (Reason::Unsubscribed, "partition-unsubscribed"),
    (Reason::Silent, "partition-silent"),
    (Reason::Gap, "partition-gap"),
    (Reason::Recovering, "partition-recovering"),
    (Reason::SessionChanged, "session-unclear"),
    (Reason::LinesDiffer, "lines-differ"),
    (Reason::Late, "partition-late"),
    (Reason::Quarantined, "partition-quarantined"),
];

#[test]
fn every_reason_that_nobody_meant_has_its_code() {
    for reason in Reason::ALL {
        let mut world = World::new(&ONE_VENUE);
        world.stale(&[2], reason);
        world.seconds(2);
        let label = SYMPTOMS.iter().find(|(own, _)| *own == reason).map(|(_, label)| *label);
        let code = label.map(|label| Code::from_label(label).expect("a code of that name"));
        let wanted: Vec<_> =
            code.map(|code| (code, Place::Partition(2), 1, 1)).into_iter().collect();
        assert_eq!(world.begun(), wanted, "{reason}");
        world.seconds(100);
        assert_eq!(world.told, [], "it is said once");
        world.heal(&[2]);
        world.seconds(4);
        assert_eq!(world.told, [], "it may come back");
        world.seconds(2);
        assert_eq!(world.over(), code.into_iter().collect::<Vec<_>>());
        world.seconds(100);
        assert_eq!(world.told, []);
    }
}

#[test]
fn the_narrowest_thing_in_common_is_named() {
    let cases: [(&[usize], Place, u16); 5] = [
        (&[0, 1, 2, 3, 4, 5], Place::Handler, 6),
        (&[0, 1, 2, 3], Place::Venue(0), 4),
        (&[4, 5], Place::Venue(1), 2),
        (&[0, 1], Place::Lane(0), 2),
        // Of what they have in common, where nothing is struck whole.
        (&[1, 2], Place::Venue(0), 4),
    ];
    for (struck, place, of) in cases {
        let mut world = World::new(&TWO_VENUES);
        world.stale(struck, Reason::Silent);
        world.seconds(30);
        let wanted = [(Code::PartitionSilent, place, struck.len() as u16, of)];
        assert_eq!(world.begun(), wanted, "{struck:?}");
    }
    let mut world = World::new(&TWO_VENUES);
    world.stale(&[4, 5], Reason::Silent);
    world.seconds(1);
    let also: Vec<Place> = world.told[0].1.also.iter().collect();
    assert_eq!(also, [Place::Interface(1)], "nothing tells which of them it is");
    // Where we are late ourselves, the lane is the likelier one.
    let mut world = World::new(&[(0, 0, 0), (0, 0, 0), (1, 1, 1), (1, 1, 1)]);
    world.stale(&[0, 1], Reason::Late);
    world.seconds(1);
    assert_eq!(world.begun(), [(Code::PartitionLate, Place::Lane(0), 2, 2)]);
}

#[test]
fn what_strikes_two_places_whole_is_two_causes_and_what_strikes_here_and_there_is_one() {
    let at = [(0, 0, 0), (0, 0, 0), (1, 1, 1), (1, 1, 1), (2, 2, 2), (2, 2, 2)];
    let mut world = World::new(&at);
    world.stale(&[0, 1, 2, 3], Reason::Silent);
    world.seconds(2);
    let begun = world.begun();
    let silent = |venue| (Code::PartitionSilent, Place::Venue(venue), 2, 2);
    assert!(begun.len() == 2 && [0, 1].iter().all(|it| begun.contains(&silent(*it))), "{begun:?}");
    let mut world = World::new(&at);
    world.stale(&[0, 2, 4], Reason::Gap);
    world.seconds(2);
    assert_eq!(world.begun(), [(Code::PartitionGap, Place::Handler, 3, 6)]);
}

#[test]
fn different_contents_are_different_causes() {
    let mut world = World::new(&ONE_VENUE);
    world.stale(&[0], Reason::LinesDiffer);
    world.stale(&[1], Reason::Silent);
    world.stale(&[2], Reason::Gap);
    world.seconds(2);
    let begun = world.begun();
    assert_eq!(begun.len(), 2, "{begun:?}");
    assert!(begun.contains(&(Code::LinesDiffer, Place::Partition(0), 1, 1)));
    assert!(
        begun.contains(&(Code::PartitionSilent, Place::Venue(0), 2, 4)),
        "the worse one names it"
    );
}

#[test]
fn more_of_the_same_cause_joins_and_what_comes_hours_later_does_not() {
    let mut world = World::new(&TWO_VENUES);
    world.stale(&[0], Reason::Silent);
    world.seconds(2);
    world.stale(&[1], Reason::Silent);
    world.seconds(2);
    world.stale(&[2, 3], Reason::Gap);
    world.seconds(2);
    assert_eq!(world.begun(), [(Code::PartitionSilent, Place::Partition(0), 1, 1)]);
    let (_, alert) = world.alerts.iter().next().expect("one");
    assert_eq!((alert.place, alert.sick, alert.of, alert.count), (Place::Venue(0), 4, 4, 4));
    // Other things have nothing to do with it.
    world.seconds(3_600);
    world.stale(&[4], Reason::Silent);
    world.seconds(2);
    assert_eq!(world.begun(), [(Code::PartitionSilent, Place::Partition(4), 1, 1)]);

    let mut world = World::new(&ONE_VENUE);
    world.stale(&[0], Reason::Gap);
    world.seconds(3_600);
    world.stale(&[1], Reason::Silent);
    world.seconds(2);
    assert_eq!(world.begun().len(), 2, "an old gap explains no silence");
}

#[test]
fn what_comes_back_is_counted_and_not_said_again() {
    let mut world = World::new(&ONE_VENUE);
    for _ in 0..50 {
        world.stale(&[1], Reason::Silent);
        world.seconds(2);
        world.heal(&[1]);
        world.seconds(2);
    }
    assert_eq!(world.begun().len(), 1);
    let (_, alert) = world.alerts.iter().next().expect("one");
    assert_eq!((alert.count, alert.most), (50, 1));
    world.seconds(10);
    assert_eq!(world.over(), [Code::PartitionSilent]);
    world.stale(&[1], Reason::Silent);
    world.seconds(2);
    assert_eq!(world.begun().len(), 1, "what was over begins again");
}

#[test]
fn what_is_gone_within_the_window_is_counted_alone() {
    let mut world = World::new(&ONE_VENUE);
    for _ in 0..20 {
        world.stale(&[0, 1], Reason::Gap);
        world.pass(3);
        world.heal(&[0, 1]);
        world.seconds(1);
    }
    assert_eq!(world.told, []);
    assert_eq!(world.alerts.passed(), 40);
    // It names nobody else's alert either.
    world.stale(&[3], Reason::Silent);
    world.pass(4);
    world.stale(&[0], Reason::Late);
    world.pass(2);
    world.heal(&[0]);
    world.seconds(2);
    assert_eq!(world.begun(), [(Code::PartitionSilent, Place::Partition(3), 1, 1)]);
}

#[test]
fn what_somebody_means_is_no_symptom() {
    // Nothing was ever Live: a start.
    let mut world = World::new(&ONE_VENUE);
    world.alerts = World::new(&ONE_VENUE).alerts;
    let fresh = ONE_VENUE.map(|_| Seat::new([Place::Venue(0)]));
    world.alerts = Alerts::new(fresh.to_vec());
    for reason in [Reason::NotStarted, Reason::Silent, Reason::Recovering, Reason::Late] {
        world.stale(&[0, 1, 2, 3], reason);
        world.seconds(10);
    }
    assert_eq!(world.told, []);
    // The venue's end, a map's, and an operator's; and the silence that follows.
    for meant in [Reason::Ended, Reason::NoMap, Reason::NotStarted] {
        world.heal(&[0, 1, 2, 3]);
        world.seconds(10);
        world.stale(&[0, 1, 2, 3], meant);
        world.seconds(10);
        world.stale(&[0, 1, 2, 3], Reason::Silent);
        world.seconds(10);
    }
    assert_eq!(world.told, []);
    world.heal(&[0, 1, 2, 3]);
    world.seconds(1);
    world.seen[0].wanted = false;
    world.stale(&[0], Reason::Unsubscribed);
    world.seconds(10);
    assert_eq!(world.told, [], "an operator left it");
    world.stale(&[1], Reason::Unsubscribed);
    world.seconds(10);
    assert_eq!(world.begun().len(), 1, "nobody left this one");
}

#[test]
fn what_is_halted_begins_nothing_and_ends_nothing() {
    let mut world = World::new(&ONE_VENUE);
    world.seen[1].halted = true;
    world.stale(&[1], Reason::Silent);
    world.seconds(10);
    assert_eq!(world.told, []);
    world.seen[1].halted = false;
    world.seconds(2);
    assert_eq!(world.begun().len(), 1, "it is silent still, and counts again");
    world.seen[1].halted = true;
    world.seconds(20);
    assert_eq!(world.told, [], "a halt heals nothing");
    world.heal(&[1]);
    world.seconds(6);
    assert_eq!(world.over(), [Code::PartitionSilent]);
}

#[test]
fn an_end_that_somebody_means_ends_the_alert() {
    let mut world = World::new(&ONE_VENUE);
    world.stale(&[0, 1, 2, 3], Reason::Silent);
    world.seconds(10);
    world.begun();
    world.stale(&[0, 1, 2, 3], Reason::NoMap);
    world.seconds(6);
    assert_eq!(world.over(), [Code::PartitionSilent]);
}

#[test]
fn what_happened_around_it_is_suspected() {
    let mut world = World::new(&TWO_VENUES);
    world.suspect(Suspect::Map, Place::Venue(0));
    world.seconds(20);
    world.suspect(Suspect::Drops, Place::Lane(0));
    world.suspect(Suspect::Operator, Place::Partition(5));
    world.seconds(2);
    world.stale(&[0, 1], Reason::Late);
    world.seconds(1);
    let suspects = |world: &World| -> Vec<Suspect> {
        let (_, alert) = world.alerts.iter().next().expect("one");
        alert.suspects().map(|it| it.what).collect()
    };
    assert_eq!(suspects(&world), [Suspect::Drops], "not what is elsewhere or long ago");
    world.told.clear();
    world.suspect(Suspect::Stall, Place::Lane(0));
    world.suspect(Suspect::Stall, Place::Lane(0));
    assert_eq!(
        suspects(&world),
        [Suspect::Drops, Suspect::Stall],
        "what shows a little later as well"
    );
    assert_eq!(world.told.len(), 1, "once");
}

#[test]
fn an_event_explains_the_symptoms_of_its_place() {
    // Two lines on two interfaces: one of them explains nothing.
    let both = Seat::new([Place::Venue(0), Place::Interface(0), Place::Interface(1)]);
    let one = Seat::new([Place::Venue(0), Place::Interface(0)]);
    let mut world = World::new(&[(0, 0, 0); 3]);
    world.alerts = Alerts::new(vec![one, one, both]);
    world.seconds(1);
    world.raise(Code::Interface, Place::Interface(0));
    assert_eq!(world.begun(), [(Code::Interface, Place::Interface(0), 0, 3)]);
    world.stale(&[0, 1], Reason::Silent);
    world.seconds(2);
    assert_eq!(world.begun(), [], "it is said already");
    let (_, alert) = world.alerts.iter().next().expect("one");
    assert_eq!((alert.sick, alert.most), (2, 2));
    world.stale(&[2], Reason::Silent);
    world.seconds(2);
    assert_eq!(world.begun(), [(Code::PartitionSilent, Place::Partition(2), 1, 1)]);
    // It is over when it is said to be and all of its partitions are well.
    let World { alerts, now, .. } = &mut world;
    alerts.end(*now, Code::Interface, Place::Interface(0));
    world.seconds(20);
    assert_eq!(world.told, []);
    world.heal(&[0, 1, 2]);
    world.seconds(10);
    assert_eq!(world.over().len(), 2);

    // What is found out a little later explains what runs.
    let mut world = World::new(&ONE_VENUE);
    world.stale(&[0, 1, 2, 3], Reason::Silent);
    world.seconds(1);
    world.begun();
    world.raise(Code::Interface, Place::Interface(0));
    assert_eq!(world.begun(), [], "one cause, one alert");
    let (_, alert) = world.alerts.iter().next().expect("one");
    assert_eq!(alert.suspects().next().map(|it| it.what), Some(Suspect::Event(Code::Interface)));
    assert_eq!(world.alerts.active(), 1);
}

#[test]
fn events_are_one_for_each_code_and_place_and_pass_or_are_ended() {
    let mut world = World::new(&ONE_VENUE);
    for _ in 0..7 {
        world.raise(Code::OtherSenders, Place::Handler);
        world.raise(Code::LineNotJoined, Place::Line(1, Line::B));
        world.raise(Code::NoMap, Place::Venue(0));
        world.seconds(10);
    }
    assert_eq!(world.begun().len(), 3);
    let counts: Vec<u64> = world.alerts.iter().map(|(_, alert)| alert.count).collect();
    assert_eq!(counts, [7, 7, 7]);
    world.seconds(100);
    assert_eq!(world.over(), [Code::OtherSenders, Code::LineNotJoined], "nobody ends these");
    let end = |world: &mut World| world.alerts.end(world.now, Code::NoMap, Place::Venue(0));
    end(&mut world);
    world.seconds(3);
    world.raise(Code::NoMap, Place::Venue(0));
    world.seconds(100);
    assert_eq!(world.told, [], "it came back");
    end(&mut world);
    world.seconds(6);
    assert_eq!(world.over(), [Code::NoMap]);
}

#[test]
fn an_event_whose_subject_is_over_is_over_at_once_and_the_next_is_another() {
    let mut world = World::new(&ONE_VENUE);
    let first = world.raise(Code::NoMap, Place::Venue(0));
    let World { alerts, now, told, .. } = &mut world;
    let mut over = |place| {
        alerts.over(*now, Code::NoMap, place, |news, alert: &Alert| told.push((news, *alert)));
    };
    over(Place::Venue(1));
    over(Place::Venue(0));
    let next = world.raise(Code::NoMap, Place::Venue(0));
    assert!(first.is_some() && next.is_some() && first != next);
    let news: Vec<News> = world.told.iter().map(|(news, _)| *news).collect();
    assert_eq!(news, [News::Begins, News::Over, News::Begins]);
    assert_eq!(world.alerts.active(), 1);
}

#[test]
fn what_is_odd_is_one_alert_however_many_partitions() {
    let mut world = World::new(&TWO_VENUES);
    let odd = |world: &mut World, partitions: &[u16], begins| {
        let World { alerts, now, told, .. } = world;
        let tell = |news, alert: &Alert| told.push((news, *alert));
        alerts.odd(*now, Code::EmptyBooks, partitions, begins, tell);
        world.seconds(1);
    };
    odd(&mut world, &[0, 1], true);
    odd(&mut world, &[2, 3], true);
    assert_eq!(world.begun(), [(Code::EmptyBooks, Place::Lane(0), 2, 2)]);
    let (_, alert) = world.alerts.iter().next().expect("one");
    assert_eq!((alert.place, alert.sick), (Place::Venue(0), 4));
    odd(&mut world, &[0, 1, 2], false);
    world.seconds(20);
    assert_eq!(world.told, []);
    // One that goes stale is no longer odd.
    world.stale(&[3], Reason::Ended);
    world.seconds(6);
    assert_eq!(world.over(), [Code::EmptyBooks]);
}

#[test]
fn what_finds_no_room_is_counted_and_said() {
    let many: Vec<_> = (0..100).map(|at| (at, at, at)).collect();
    let mut world = World::new(&many);
    for venue in 0..100 {
        world.raise(Code::NoMap, Place::Venue(venue));
    }
    let begun = world.begun();
    assert_eq!(begun.len(), ALERTS);
    assert_eq!(begun.iter().filter(|(code, ..)| *code == Code::AlertsOverflow).count(), 1);
    assert_eq!(world.alerts.overflowed(), 100 - (ALERTS as u64 - 1));
    // What is over makes room.
    world.alerts.end(world.now, Code::NoMap, Place::Venue(3));
    world.seconds(6);
    world.told.clear();
    assert!(world.raise(Code::MapRefused, Place::Venue(3)).is_some());
    assert_eq!(world.begun().len(), 1);
    world.seconds(60);
    assert!(world.over().contains(&Code::AlertsOverflow));
}

#[test]
fn a_map_adds_partitions() {
    let mut world = World::new(&ONE_VENUE);
    let seats = (0..6).map(|_| Seat::new([Place::Venue(0)])).collect();
    world.alerts.reseat(seats);
    let seen = world.seen[0];
    world.seen.resize(6, seen);
    world.seconds(1);
    world.stale(&[4, 5], Reason::Silent);
    world.seconds(1);
    assert_eq!(world.begun(), [(Code::PartitionSilent, Place::Venue(0), 2, 6)]);
}
