//! Two trading dates of one handler, and what is where on each of them.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use candor_core::{Nanos, Reason, TradingDate};
use candor_shm::Region;

use super::day::{Day, HOUR, MORNING, ONE, WALL, date, put, put_in_band, reason, said, text};

const SECOND: u64 = 1_000_000_000;

#[test]
fn a_handler_goes_from_one_trading_date_to_the_next() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut day = Day::new("listed", |folder| put(folder, 20_261_120, false));
    day.begin(0, "MONDAY0001", "A");
    // Friday's map names it, and is not in force.
    day.until("it is heard", |region| reason(region, "A") == Some(Reason::NoMap));
    assert_eq!(date(&day.region, 0), 20_261_123, "the date that is waited for");
    put(&day.folder, 20_261_123, false);
    day.until("Monday's map is taken", |region| reason(region, "A").is_none());
    assert_eq!(reason(&day.region, "B"), Some(Reason::Unproven));
    day.name(0, "MONDAY0001", 2, "C");
    day.until("another is named", |region| reason(region, "C").is_none());

    // At noon somebody loads another one: partition 2 is added, and has B; and C, which the wire names on 1.
    WALL.store(MORNING + 5 * HOUR, Ordering::Relaxed);
    put(&day.folder, 20_261_123, true);
    let added = |region: &Region| region.partition(1, candor_shm::clock::now()).is_some();
    day.until("the partition is added", added);
    day.begin(1, "MONDAY0002", "B");
    day.until("it is proven there", |region| reason(region, "B").is_none());
    assert_eq!((reason(&day.region, "A"), date(&day.region, 1)), (None, 20_261_123));
    // Wire against map: the worst of what its two places say, and never Live, wherever it is named next.
    let contradicted = [Some(Reason::Unmapped), Some(Reason::WrongPartition)];
    assert!(contradicted.contains(&reason(&day.region, "C")));
    day.name(1, "MONDAY0002", 2, "C");
    let numbers = |region: &Region| {
        region.partition(1, candor_shm::clock::now()).unwrap().numbers.unwrap().1.0
    };
    day.until("it is named there too", |region| numbers(region) == 3);
    let all = day.region.find_all(&text("XNAS"), &text("C"));
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|handle| day.region.read(*handle).live().is_none()));
    assert!(contradicted.contains(&reason(&day.region, "C")));

    // 20:30: the session is over, whatever is heard. By the clock since boot it is hours too early, and that is said.
    assert_eq!(said(&day.alerts), None, "until now nothing was the matter");
    WALL.store(MORNING + 13 * HOUR + HOUR / 60, Ordering::Relaxed);
    day.until("the date is over", |region| reason(region, "A") == Some(Reason::NoMap));
    assert_eq!(reason(&day.region, "B"), Some(Reason::NoMap));
    let (begins, text) = day.told();
    assert!(begins && text.contains("before its time: the wall clock was set"), "{text}");

    // In the night the venue tests: another session, which is of no date.
    let session =
        |region: &Region| region.partition(0, candor_shm::clock::now()).unwrap().numbers.unwrap().0;
    let monday = session(&day.region);
    day.begin(0, "TESTING001", "A");
    day.until("the test is heard", |region| session(region) != monday);

    // Tuesday's map; what was heard is no session of Tuesday's until the venue begins anew.
    WALL.store(MORNING + 24 * HOUR, Ordering::Relaxed);
    put(&day.folder, 20_261_124, true);
    day.until("Tuesday's map is taken", |region| date(region, 0) == 20_261_124);
    assert_eq!(day.told(), (false, String::new()), "the alert is over");
    assert_eq!(reason(&day.region, "A"), Some(Reason::NotStarted));
    day.begin(0, "TUESDAY001", "A");
    day.until("Tuesday's session proves it", |region| reason(region, "A").is_none());
    assert_eq!(reason(&day.region, "B"), Some(Reason::NotStarted));
    assert_eq!(
        reason(&day.region, "C"),
        Some(Reason::NotStarted),
        "of Tuesday nothing is known yet"
    );
    // What contradicted Monday's map says nothing of Tuesday's.
    day.begin(1, "TUESDAY002", "C");
    day.until("it is proven where the map has it", |region| reason(region, "C").is_none());
    let tuesday = day.region.clone().for_date(TradingDate(20_261_124));
    let monday = day.region.clone().for_date(TradingDate(20_261_123));
    assert_eq!((reason(&tuesday, "A"), reason(&monday, "A")), (None, Some(Reason::NoMap)));
}

/// Partitions whose symbols come in band: what two have named over the days is the one's that names it today, once
/// the first map of the date is taken.
#[test]
fn a_symbol_of_no_list_that_changes_its_partition_overnight_is_where_it_is_named_today() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut day = Day::new("unlisted", |folder| put_in_band(folder, 20_261_120, &["1"]));
    put_in_band(&day.folder, 20_261_123, &["1", "2"]);
    let there =
        |region: &Region, index| region.partition(index, candor_shm::clock::now()).is_some();
    day.until("Monday's map is taken", |region| there(region, 1));
    for (number, symbol) in (1..).zip(["A", "B", "C", "D"]) {
        day.name(0, "MONDAY0001", number, symbol);
    }
    day.begin(1, "MONDAY0002", "E");
    let live = |region: &Region, symbol: &str| {
        let found = region.find_all(&text("XNAS"), &text(symbol)).into_iter();
        let live = found.filter(|handle| region.read(*handle).live().is_some());
        live.map(|handle| handle.partition()).collect::<Vec<_>>()
    };
    day.until("all are named", |region| live(region, "D") == [0] && live(region, "E") == [1]);

    // The venue's sessions of Tuesday begin before its map: A and B have moved; B is named at its old place as well.
    WALL.store(MORNING + 13 * HOUR, Ordering::Relaxed);
    day.look_around("the night is seen");
    WALL.store(MORNING + 24 * HOUR, Ordering::Relaxed);
    day.look_around("the date begins");
    day.begin(0, "TUESDAY001", "B");
    day.begin(1, "TUESDAY002", "A");
    day.name(1, "TUESDAY002", 2, "B");
    let next = |region: &Region, partition, number| {
        let info = region.partition(partition, candor_shm::clock::now()).unwrap();
        info.numbers.unwrap().1.0 == number
    };
    day.until("they are heard", |region| next(region, 0, 2) && next(region, 1, 3));
    put_in_band(&day.folder, 20_261_124, &["1", "2"]);
    day.each(
        "Tuesday's map is taken",
        |region| {
            assert!(live(region, "B").is_empty(), "the wire contradicts itself");
            assert!(!live(region, "A").contains(&0), "it was named on the other alone");
            assert!(live(region, "C").is_empty() && live(region, "D").is_empty());
        },
        |region| date(region, 0) == 20_261_124,
    );
    day.until("A is where it is named", |region| live(region, "A") == [1]);
    assert_eq!(reason(&day.region, "A"), None, "and is found there");
    assert_eq!(reason(&day.region, "B"), Some(Reason::WrongPartition));
    // One that nobody has named since is free for both, and the first to name it has it.
    day.name(1, "TUESDAY002", 3, "D");
    day.until("D has moved", |region| live(region, "D") == [1]);
    assert_eq!(reason(&day.region, "D"), None, "and is found there");
    day.name(0, "TUESDAY001", 2, "C");
    day.until("C is where it was", |region| live(region, "C") == [0]);
    // Named where it was before as well, it is nobody's.
    day.name(0, "TUESDAY001", 3, "A");
    day.until("A is contradicted", |region| live(region, "A").is_empty());
    assert_eq!(reason(&day.region, "A"), Some(Reason::WrongPartition));

    // On Wednesday the map comes first.
    WALL.store(MORNING + 37 * HOUR, Ordering::Relaxed);
    day.look_around("the night is seen");
    WALL.store(MORNING + 48 * HOUR, Ordering::Relaxed);
    put_in_band(&day.folder, 20_261_125, &["1", "2"]);
    day.until("Wednesday's map is taken", |region| date(region, 0) == 20_261_125);
    for symbol in ["A", "B", "C", "D"] {
        assert!(live(&day.region, symbol).is_empty(), "{symbol}");
    }
    day.begin(0, "WEDNESDAY1", "A");
    day.begin(1, "WEDNESDAY2", "B");
    day.until("each is where it is named", |region| {
        live(region, "A") == [0] && live(region, "B") == [1]
    });
    assert_eq!((reason(&day.region, "A"), reason(&day.region, "B")), (None, None));
    day.name(1, "WEDNESDAY2", 2, "A");
    day.until("and nowhere where both name it", |region| live(region, "A").is_empty());
}

/// What holds the maps' thread up over the beginning of a date, a disk or a lane, delays the word that the date has begun
/// and not the date: yesterday's session is of before, and the one that began meanwhile is today's.
#[test]
fn a_session_that_begins_while_the_maps_thread_is_held_up_is_todays() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    // Both partitions: the other one goes on with yesterday's session.
    let mut day = Day::new("held-up", |folder| put(folder, 20_261_120, true));
    put(&day.folder, 20_261_123, true);
    day.until("Monday's map is taken", |region| date(region, 0) == 20_261_123);
    day.begin(0, "MONDAY0001", "A");
    day.begin(1, "MONDAY0002", "B");
    let live = |region: &Region| ["A", "B"].iter().all(|name| reason(region, name).is_none());
    day.until("it is live", live);
    // Two seconds before Tuesday begins, at 02:00, the thread ends Monday's map, and nobody takes that from it.
    let eve = MORNING + 18 * HOUR + 31 * HOUR / 60 - 2 * SECOND;
    put(&day.folder, 20_261_124, true);
    let since = candor_shm::clock::now();
    WALL.store(eve, Ordering::Relaxed);
    day.lane_alone(since + Nanos::from_secs(5));
    // The clocks go on evenly. It is some seconds after two.
    day.begin(0, "TUESDAY001", "A");
    day.name(1, "MONDAY0002", 2, "B");
    day.lane_alone(since + Nanos::from_secs(6));
    WALL.store(eve + candor_shm::clock::now().since(since).0, Ordering::Relaxed);
    day.until("Tuesday's map is taken", |region| {
        date(region, 0) == 20_261_124 && reason(region, "B") != Some(Reason::NoMap)
    });
    day.until("Tuesday's session is Tuesday's", |region| reason(region, "A").is_none());
    assert_eq!(reason(&day.region, "B"), Some(Reason::NotStarted));
    day.begin(1, "TUESDAY002", "B");
    day.until("so is the other", live);
}
