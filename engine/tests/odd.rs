//! When the world looks odd, and when it only looks quiet.

use candor_core::{Mono, Nanos, Quotes, SeqNo};
use candor_engine::odd::{Glance, Odd, OddWorld, Remark};

/// A partition as it is drawn second by second.
#[derive(Clone, Copy)]
struct Drawn {
    live: bool,
    epoch: u32,
    numbers: u64,
    quotes: Quotes,
}

const GOOD: Quotes = Quotes { two_sided: 90, one_sided: 5, empty: 5 };
const BARE: Quotes = Quotes { two_sided: 20, one_sided: 0, empty: 80 };

fn drawn(numbers: u64) -> Drawn {
    Drawn { live: true, epoch: 1, numbers, quotes: GOOD }
}

/// What is said over so many seconds, in which each partition has so many numbers more.
fn said<const N: usize>(
    venues: [u16; N],
    seconds: u64,
    mut draw: impl FnMut(u64) -> [Drawn; N],
) -> Vec<(u64, Remark)> {
    let mut world = OddWorld::new(&venues);
    let mut expected = [1_000; N];
    let mut told = Vec::new();
    for second in 1..=seconds {
        let drawn = draw(second);
        let glances: [Glance; N] = std::array::from_fn(|at| {
            expected[at] += drawn[at].numbers;
            let Drawn { live, epoch, quotes, .. } = drawn[at];
            Glance { live, epoch, expected: SeqNo(expected[at]), quotes }
        });
        let now = Mono(7) + Nanos::from_secs(second);
        world.look(now, &glances, |remark| told.push((second, remark)));
    }
    told
}

fn begun(told: &[(u64, Remark)]) -> Vec<(u64, u16)> {
    told.iter().filter(|(_, it)| it.begins).map(|(at, it)| (*at, it.partition)).collect()
}

#[test]
fn what_stands_still_beside_running_siblings_is_said_once_within_half_a_minute() {
    for rate in [20, 100, 5_000, 1_000_000] {
        let told = said([0, 0, 0], 7_200, |second| {
            let frozen = (61..3_600).contains(&second);
            [drawn(rate), drawn(if frozen { 0 } else { rate }), drawn(rate)]
        });
        let [(begins, first), (ends, last)] = told[..] else { panic!("{rate}: {told:?}") };
        assert!((80..=90).contains(&begins), "{rate}: {begins}");
        assert!(first.begins && first.partition == 1);
        let Odd::FrozenNumbers { still, due } = first.odd else { panic!("{first:?}") };
        assert!(still >= Nanos::from_secs(20) && due >= 200);
        assert!(!last.begins && (3_600..3_605).contains(&ends), "{rate}: {ends}");
    }
}

#[test]
fn a_partition_that_never_has_much_to_say_is_thin() {
    // One number every 45 s, one an hour, none ever, beside siblings that run hot.
    for every in [45, 3_600, u64::MAX] {
        let told =
            said([0, 0], 8_000, |second| [drawn(u64::from(second % every == 0)), drawn(50_000)]);
        assert_eq!(told, []);
    }
}

#[test]
fn a_few_numbers_say_nothing_of_a_share() {
    // The others' market opens; of one that had a number every ten seconds nobody knows how many are due.
    let told = said([0, 0], 400, |second| {
        let open = second > 300;
        let every = if open { 90 } else { 10 };
        [drawn(u64::from(second % every == 0)), drawn(if open { 5_000 } else { 1 })]
    });
    assert_eq!(told, []);
}

#[test]
fn what_rests_with_its_venue_is_not_odd() {
    let told = said([0, 0, 1], 600, |second| {
        let resting = if second > 100 { 0 } else { 300 };
        [drawn(resting), drawn(resting), drawn(300)]
    });
    assert_eq!(told, [], "another venue's numbers mean nothing");
    let alone = said([0], 600, |second| [drawn(if second > 100 { 0 } else { 300 })]);
    assert_eq!(alone, [], "without siblings nobody knows what was due");
}

#[test]
fn a_short_rest_and_a_siblings_burst_are_not_odd() {
    let told = said([0, 0], 600, |second| {
        let rests = second % 60 < 18;
        [drawn(if rests { 0 } else { 400 }), drawn(400)]
    });
    assert_eq!(told, []);
    // Nearly nothing is due of either; then one has a snapshot's jump in one look.
    let told = said([0, 0], 600, |second| {
        let both = u64::from(second < 100) * 200;
        [drawn(both), drawn(if second == 110 { 40_000_000 } else { both })]
    });
    assert_eq!(told, []);
}

#[test]
fn what_is_stale_is_not_odd_and_its_time_counts_from_when_it_is_live_again() {
    let told = |stale: std::ops::Range<u64>, until: u64| {
        let told = said([0, 0], until, |second| {
            // Silent, then Live by heartbeats alone.
            let one = drawn(if second > 60 { 0 } else { 100 });
            [Drawn { live: !stale.contains(&second), ..one }, drawn(100)]
        });
        begun(&told)
    };
    assert_eq!(told(60..400, 400), []);
    assert_eq!(told(75..76, 94), []);
    let [(again, 0)] = told(75..76, 400)[..] else { panic!("once") };
    assert!((95..=106).contains(&again), "{again}");
    let [(again, 0)] = told(60..200, 400)[..] else { panic!("once") };
    assert!((219..=230).contains(&again), "{again}");
    assert_eq!(told(60..2_600, 4_000), [], "what was usual long ago says nothing of now");
}

#[test]
fn another_epoch_begins_anew() {
    let told = said([0, 0], 400, |second| {
        let moves = u64::from(second <= 60) * 100;
        let one = Drawn { epoch: second as u32 / 15, ..drawn(moves) };
        [one, drawn(100)]
    });
    assert_eq!(told, []);
}

#[test]
fn books_that_lose_their_quotes_are_said_once_and_when_it_is_over() {
    let told = said([0, 0], 4_000, |second| {
        let quotes = if (100..2_000).contains(&second) { BARE } else { GOOD };
        [drawn(50), Drawn { quotes, ..drawn(50) }]
    });
    let [(begins, first), (ends, last)] = told[..] else { panic!("{told:?}") };
    assert_eq!((begins, first.partition, first.begins), (101, 1, true));
    assert_eq!(first.odd, Odd::EmptyBooks { empty: 75, of: 95 });
    assert_eq!((ends, last.begins), (2_000, false));
    assert_eq!(first.odd.to_string(), "75 of 95 books that had quotes within a minute have none");
}

#[test]
fn books_that_empty_over_many_seconds_are_found_and_over_hours_are_not() {
    let falling = |second: u64, over: u64| {
        let left = 95 - 95 * second.saturating_sub(100).min(over) / over;
        Quotes { two_sided: left as u32, one_sided: 0, empty: 100 - left as u32 }
    };
    let within = said([0], 400, |second| [Drawn { quotes: falling(second, 40), ..drawn(5) }]);
    assert_eq!(begun(&within).len(), 1);
    let hours = said([0], 8_000, |second| [Drawn { quotes: falling(second, 7_000), ..drawn(5) }]);
    // The last few symbols of all: too few for a share.
    assert!(begun(&hours).iter().all(|(second, _)| *second > 6_500), "{hours:?}");
}

#[test]
fn halts_staleness_and_books_that_never_had_quotes_are_not_odd() {
    let none = Quotes::default();
    let halted = said([0], 600, |second| {
        // Everything is halted, and nothing of it is counted; a tenth never had quotes anyway.
        let quotes = if (100..300).contains(&second) {
            Quotes { empty: 10, ..none }
        } else {
            Quotes { two_sided: 90, empty: 10, ..none }
        };
        [Drawn { quotes, ..drawn(5) }]
    });
    assert_eq!(halted, []);
    let stale = said([0], 600, |second| {
        let live = !(100..300).contains(&second);
        // A new session's books are empty at first.
        let quotes = if second < 100 { GOOD } else { BARE };
        [Drawn { live, epoch: second as u32 / 200, quotes, ..drawn(5) }]
    });
    assert_eq!(stale, []);
    let few = said([0], 600, |second| {
        let quotes = Quotes { two_sided: 3 * u32::from(second < 100), ..none };
        let quotes = Quotes { empty: 3 - quotes.two_sided, ..quotes };
        [Drawn { quotes, ..drawn(5) }]
    });
    assert_eq!(few, [], "of three symbols a share means nothing");
    let moment = said([0], 600, |second| {
        let quotes = if second % 100 == 50 { BARE } else { GOOD };
        [Drawn { quotes, ..drawn(5) }]
    });
    assert_eq!(moment, [], "what resumes trading is empty for a moment");
}

#[test]
fn what_was_not_watched_for_a_while_is_watched_anew() {
    let mut world = OddWorld::new(&[0, 0]);
    let mut told = Vec::new();
    let mut look = |at: u64, expected: [u64; 2], quotes: Quotes| {
        let glance = |expected| Glance { live: true, epoch: 1, expected: SeqNo(expected), quotes };
        let now = Mono(7) + Nanos::from_secs(at);
        world.look(now, &expected.map(glance), |remark| told.push(remark));
    };
    for at in 0..60 {
        look(at, [100 * at, 100 * at], GOOD);
    }
    // Stopped for an hour: what the lanes hold back is not yet before their partitions.
    look(3_660, [5_900, 900_000], BARE);
    look(3_661, [5_900, 900_100], BARE);
    look(3_662, [900_000, 900_200], BARE);
    assert_eq!(told, []);
}
