//! Crashes, damage, several at once, and what comes in force.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use candor_core::{TradingDate, Venue};
use candor_maps::calendar::Wall;
use candor_maps::check::Wanted;
use candor_maps::file::{self, Loaded};

use super::disk::Step;
use super::*;

/// A folder of its own that is gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("candor-store-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn store(&self) -> Store {
        Store::open(&self.0).unwrap()
    }

    /// The store, which stops for good after so many steps.
    fn stopping(&self, after: usize) -> Store {
        let store = self.store();
        store.disk.script.borrow_mut().left = Some(after);
        store
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const FRIDAY: TradingDate = TradingDate(20_261_120);
const MONDAY: TradingDate = TradingDate(20_261_123);

fn venue() -> Venue {
    Venue::from_wire(b"XTST").unwrap()
}

/// A map of 400 symbols on two partitions: those below `split` on the first, whose line has this port.
fn map(date: TradingDate, split: usize, port: u16) -> Loaded {
    let symbols = |from: usize, to: usize| {
        let list: Vec<String> = (from..to).map(|at| format!("\"S{at:03}\"")).collect();
        list.join(", ")
    };
    let text = format!(
        "format = 1\nvenue = \"XTST\"\ndate = \"{date}\"\nprotocol = \"nasdaq-itch50\"\n\
         [[partition]]\nname = \"1\"\nlines.A = {{ group = \"239.1.1.1\", port = {port} }}\nsymbols = [{}]\n\
         [[partition]]\nname = \"2\"\nlines.A = {{ group = \"239.1.1.2\", port = 26400 }}\nsymbols = [{}]\n",
        symbols(0, split),
        symbols(split, 400)
    );
    let none = &mut |_: &Path| Err(String::new());
    file::load(Path::new("t.toml"), &text, &Wanted::default(), none).unwrap()
}

fn request(date: TradingDate) -> Request<'static> {
    Request {
        venue: None,
        date,
        bound_ppm: 10_000,
        symbols: &[],
        interfaces: Some(&[]),
        over_named: true,
        first: true,
        by: "tester",
        from: "a test",
        now: Wall(1_795_437_060_000_000_000),
    }
}

fn in_force(outcome: Outcome) -> InForce {
    match outcome {
        Outcome::Loaded(loaded) => loaded,
        other => panic!("{other:?}"),
    }
}

fn refused(outcome: Outcome) -> Why {
    match outcome {
        Outcome::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

fn accept_as<'a>(date: TradingDate, name: &'a str) -> Accept<'a> {
    Accept {
        date,
        bound_ppm: 10_000,
        symbols: &[],
        name,
        because: "the venue said so",
        by: "tester",
        now: Wall(1_795_437_060_000_000_000),
    }
}

#[test]
fn a_crash_after_any_step_leaves_what_was_there() {
    for after in 0.. {
        let folder = Folder::new();
        let old = in_force(load(&folder.store(), map(FRIDAY, 200, 1), &request(FRIDAY)).unwrap());
        let new = || map(MONDAY, 100, 1);
        let work = |store: &Store| -> Result<Outcome, Error> {
            let digest = store.add(&new().map)?.digest;
            accept(store, &digest, &accept_as(MONDAY, "martha"))?;
            load(store, new(), &request(MONDAY))
        };
        let store = folder.stopping(after);
        let done = work(&store);
        let taken = store.disk.script.borrow().taken.clone();
        // Another process, after the crash.
        let store = folder.store();
        assert_eq!(store.in_force(venue(), FRIDAY).unwrap(), Some(old.pointer.clone()));
        assert_eq!(store.read(&old.pointer.digest).unwrap().map, old.map);
        match store.in_force(venue(), MONDAY).unwrap() {
            Some(pointer) => {
                assert!(taken.contains(&Step::Link));
                assert_eq!(store.read(&pointer.digest).unwrap().map, new().map);
                assert_eq!(pointer.compared[0].acknowledged.as_ref().unwrap().name, "martha");
            }
            None => assert!(done.is_err(), "after {after} of {taken:?}"),
        }
        for past in store.history(venue()).unwrap() {
            past.pointer.unwrap();
        }
        // And once more, to its end.
        let loaded = in_force(work(&store).unwrap());
        assert_eq!(loaded.pointer.number, 1);
        assert_eq!(loaded.map, new().map);
        if done.is_ok() {
            assert!(after > 25, "{after} steps are too few");
            return;
        }
        assert_eq!(taken.len(), after);
    }
}

#[test]
fn what_is_put_in_its_place_has_reached_the_disk_and_its_name_does_too() {
    let folder = Folder::new();
    let store = folder.store();
    load(&store, map(FRIDAY, 200, 1), &request(FRIDAY)).unwrap();
    let taken = store.disk.script.borrow().taken.clone();
    use Step::*;
    let file = [Create, Write, Write, SyncFile];
    let made = [MakeFolder, SyncFolder];
    let expected = [
        &made[..], // maps
        &[Create], // the folder under a name that nobody reads
        &file,     // map.toml
        &file,     // symbols.csv
        &[SyncFolder, Rename, SyncFolder],
        &made, // dates
        &made, // the venue
        &made, // the date, with the two above it
        &file,
        &[Link, Remove, SyncFolder],
    ];
    assert_eq!(taken, expected.concat());
    // One that is there may be another's, whose last step nobody saw.
    let store = folder.store();
    assert!(!store.add(&map(FRIDAY, 200, 1).map).unwrap().new);
    assert_eq!(store.disk.script.borrow().taken, [SyncFolder]);
}

#[test]
fn a_changed_byte_anywhere_is_seen() {
    let folder = Folder::new();
    let store = folder.store();
    let loaded = in_force(load(&store, map(FRIDAY, 200, 1), &request(FRIDAY)).unwrap());
    let digest = loaded.pointer.digest;
    accept(&store, &digest, &accept_as(MONDAY, "martha")).unwrap();
    let restamped = store.find(&file::digest_text(&map(MONDAY, 200, 1).map)[..8]).unwrap();
    let map_at = folder.0.join("maps").join(&digest);
    let pointer = folder.0.join("dates/XTST/2026-11-20/000001.toml");
    let acceptance = folder.0.join("accepted").join(&restamped).join("000001.toml");
    for file in [map_at.join("map.toml"), map_at.join("symbols.csv"), pointer, acceptance] {
        let good = fs::read(&file).unwrap();
        let look = || -> Result<(), Error> {
            store.read(&digest)?;
            store.in_force(venue(), FRIDAY)?;
            store.acceptance(&restamped, &digest).map(|found| assert!(found.is_some()))
        };
        look().unwrap();
        for at in (0..good.len()).step_by(7).chain([good.len() - 1]) {
            for bit in [0x01, 0x20, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= bit;
                fs::write(&file, &bad).unwrap();
                let Err(error @ Error::Damaged { .. }) = look() else {
                    panic!("byte {at} of {} changed unseen", file.display())
                };
                let words = error.to_string();
                assert!(words.contains("put it back from a copy of the store"), "{words}");
            }
        }
        for cut in [0, 1, good.len() / 2, good.len() - 1] {
            fs::write(&file, &good[..cut]).unwrap();
            assert!(matches!(look(), Err(Error::Damaged { .. })), "cut at {cut}");
        }
        fs::write(&file, &good).unwrap();
        look().unwrap();
    }
    fs::remove_file(map_at.join("symbols.csv")).unwrap();
    assert!(matches!(store.read(&digest), Err(Error::Damaged { .. })));
    // Nor is what is damaged written over.
    assert!(matches!(store.add(&loaded.map), Err(Error::Damaged { .. })));
}

#[test]
fn a_pointer_that_was_taken_away_is_missed() {
    let folder = Folder::new();
    let store = folder.store();
    for port in 1..4 {
        load(&store, map(FRIDAY, 200, port), &request(FRIDAY)).unwrap();
    }
    let date = folder.0.join("dates/XTST/2026-11-20");
    fs::rename(date.join("000002.toml"), date.join("2.toml.bak")).unwrap();
    let words = store.in_force(venue(), FRIDAY).unwrap_err().to_string();
    assert!(words.contains("000002.toml: is not there, and higher numbers are"), "{words}");
    let history = store.history(venue()).unwrap();
    let read: Vec<_> = history.iter().map(|past| (past.number, past.pointer.is_ok())).collect();
    assert_eq!(read, [(1, true), (2, false), (3, true)]);
    fs::rename(date.join("2.toml.bak"), date.join("000002.toml")).unwrap();
    // One of another date is no pointer of this one.
    fs::copy(date.join("000001.toml"), date.join("000004.toml")).unwrap();
    let words = store.in_force(venue(), FRIDAY).unwrap_err().to_string();
    assert!(words.contains("is of another venue, date or number"), "{words}");
}

#[test]
fn of_several_at_once_nothing_is_lost() {
    let folder = Folder::new();
    load(&folder.store(), map(FRIDAY, 200, 9), &request(FRIDAY)).unwrap();
    let at_once = |port: u16| {
        let store = folder.store();
        in_force(load(&store, map(MONDAY, 200, port), &request(MONDAY)).unwrap()).pointer.number
    };
    let mut numbers: Vec<u32> = thread::scope(|scope| {
        let threads: Vec<_> = (1..=12).map(|port| scope.spawn(move || at_once(port))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
    let store = folder.store();
    let history: Vec<Pointer> =
        store.history(venue()).unwrap().into_iter().map(|past| past.pointer.unwrap()).collect();
    assert_eq!(history.len(), 13);
    for pointer in &history {
        store.read(&pointer.digest).unwrap();
    }
    // Every one was compared with the one whose place it takes, not only with Friday's.
    for pair in history[1..].windows(2) {
        assert_eq!(pair[1].compared[1].digest, pair[0].digest);
    }
    // The same one by many is one.
    let same: Vec<bool> = thread::scope(|scope| {
        let work = || folder.store().add(&map(MONDAY, 300, 1).map).unwrap().new;
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(same.iter().filter(|new| **new).count(), 1);
    let left = names(&folder.0.join("maps")).unwrap();
    assert!(left.iter().all(|name| !name.starts_with('.')), "{left:?}");
}

#[test]
fn more_than_the_bound_is_loaded_only_when_somebody_answers_for_it() {
    let folder = Folder::new();
    let store = folder.store();
    load(&store, map(FRIDAY, 200, 1), &request(FRIDAY)).unwrap();
    // Four of 400 are 1 %, five are more.
    let fine = in_force(load(&store, map(MONDAY, 196, 1), &request(MONDAY)).unwrap());
    assert_eq!((fine.pointer.compared[0].moved, fine.pointer.compared[0].beyond), (4, false));
    let tuesday = TradingDate(20_261_124);
    let Why::Difference { digest, judged, .. } =
        refused(load(&store, map(tuesday, 100, 1), &request(tuesday)).unwrap())
    else {
        panic!()
    };
    assert_eq!((judged[0].compared.moved, judged[0].compared.date), (96, MONDAY));
    assert_eq!(store.in_force(venue(), tuesday).unwrap(), None);
    // It is there to be looked at.
    store.read(&digest).unwrap();
    // Somebody answers for another pair of maps: that doesn't count.
    let other = store.add(&map(tuesday, 90, 1).map).unwrap().digest;
    assert_eq!(accept(&store, &other, &accept_as(tuesday, "eve")).unwrap().written.len(), 1);
    refused(load(&store, map(tuesday, 100, 1), &request(tuesday)).unwrap());
    let accepted = accept(&store, &digest, &accept_as(tuesday, "martha")).unwrap();
    assert_eq!(accepted.written, [fine.pointer.digest]);
    assert_eq!(accepted.judged[0].compared.acknowledged.as_ref().unwrap().name, "martha");
    // Monday's map is another one meanwhile: what was answered for was not the difference from this.
    load(&store, map(MONDAY, 197, 1), &request(MONDAY)).unwrap();
    refused(load(&store, map(tuesday, 100, 1), &request(tuesday)).unwrap());
    accept(&store, &digest, &accept_as(tuesday, "martha")).unwrap();
    let loaded = in_force(load(&store, map(tuesday, 100, 1), &request(tuesday)).unwrap());
    let compared = &loaded.pointer.compared[0];
    assert_eq!((compared.moved, compared.beyond), (97, true));
    assert_eq!(compared.acknowledged.as_ref().unwrap().because, "the venue said so");
    // Nothing is left to be answered for, and nothing is written twice.
    assert!(accept(&store, &digest, &accept_as(tuesday, "bob")).unwrap().written.is_empty());
    assert!(!in_force(load(&store, map(tuesday, 100, 1), &request(tuesday)).unwrap()).new);
}

#[test]
fn the_map_of_the_day_before_does_not_take_the_place_of_the_right_one() {
    let folder = Folder::new();
    let store = folder.store();
    load(&store, map(FRIDAY, 200, 1), &request(FRIDAY)).unwrap();
    let digest = store.add(&map(MONDAY, 100, 1).map).unwrap().digest;
    accept(&store, &digest, &accept_as(MONDAY, "martha")).unwrap();
    load(&store, map(MONDAY, 100, 1), &request(MONDAY)).unwrap();
    // Friday's content with Monday's date: nothing differs from Friday, and much from what is in force.
    let Why::Difference { judged, .. } =
        refused(load(&store, map(MONDAY, 200, 1), &request(MONDAY)).unwrap())
    else {
        panic!()
    };
    assert_eq!((judged.len(), judged[0].compared.date), (1, MONDAY));
    assert_eq!(store.in_force(venue(), MONDAY).unwrap().unwrap().digest, digest);
}

#[test]
fn yesterdays_map_is_taken_for_today_by_name_alone() {
    let folder = Folder::new();
    let store = folder.store();
    let friday = in_force(load(&store, map(FRIDAY, 200, 1), &request(FRIDAY)).unwrap());
    let Why::Content(problems) =
        refused(load(&store, map(FRIDAY, 200, 1), &request(MONDAY)).unwrap())
    else {
        panic!()
    };
    assert!(problems.to_string().contains("is the map for 2026-11-20; the one for 2026-11-23"));
    let old = friday.pointer.digest;
    let accepted = accept(&store, &old, &accept_as(MONDAY, "martha")).unwrap();
    assert_eq!((accepted.map.date, &accepted.written[..]), (MONDAY, &[old][..]));
    let taken = store.read(&accepted.digest).unwrap();
    let monday = in_force(load(&store, taken, &request(MONDAY)).unwrap());
    // Who answers for it is said, though nothing differs.
    let compared = &monday.pointer.compared[0];
    assert!(!compared.beyond);
    assert_eq!(compared.acknowledged.as_ref().unwrap().name, "martha");
}

#[test]
fn what_can_not_be_compared_is_not_within_any_bound() {
    let folder = Folder::new();
    let store = folder.store();
    let old = in_force(load(&store, map(FRIDAY, 200, 1), &request(FRIDAY)).unwrap());
    let file = folder.0.join("maps").join(&old.pointer.digest).join("map.toml");
    fs::write(&file, "nothing").unwrap();
    let why = refused(load(&store, map(MONDAY, 200, 1), &request(MONDAY)).unwrap());
    let words = why.to_string();
    assert!(words.contains("the map of XTST for 2026-11-20 can't be compared"), "{words}");
    assert!(words.contains("not known to be within the bound of 1 %"), "{words}");
    let Why::Difference { digest, .. } = why else { panic!() };
    accept(&store, &digest, &accept_as(MONDAY, "martha")).unwrap();
    let loaded = in_force(load(&store, map(MONDAY, 200, 1), &request(MONDAY)).unwrap());
    assert!(loaded.pointer.compared[0].unreadable.is_some());
}

#[test]
fn a_wider_silence_needs_a_name_though_nothing_moves() {
    let folder = Folder::new();
    let store = folder.store();
    let silent = |date, millis| {
        let mut loaded = map(date, 200, 26_400);
        loaded.map.partitions[0].silence = Some(candor_core::Nanos::from_millis(millis));
        loaded
    };
    in_force(load(&store, silent(FRIDAY, 3_000), &request(FRIDAY)).unwrap());
    let wider = silent(MONDAY, 30_000);
    let why = refused(load(&store, wider.clone(), &request(MONDAY)).unwrap());
    let Why::Difference { digest, judged, .. } = &why else { panic!("{why:?}") };
    assert!(judged[0].compared.grave && judged[0].compared.moved == 0);
    assert!(why.to_string().contains("needs a name whatever moves: partition 1"), "{why}");
    assert_eq!(store.in_force(venue(), MONDAY).unwrap(), None);
    accept(&store, digest, &accept_as(MONDAY, "ann")).unwrap();
    let loaded = in_force(load(&store, wider, &request(MONDAY)).unwrap());
    let compared = &loaded.pointer.compared[0];
    assert!(compared.grave && compared.acknowledged.is_some());
    assert_eq!(store.in_force(venue(), MONDAY).unwrap(), Some(loaded.pointer));
    // Narrower is believed less, and needs nobody.
    let tuesday = TradingDate(20_261_124);
    in_force(load(&store, silent(tuesday, 1_000), &request(tuesday)).unwrap());
}

#[test]
fn the_first_map_of_a_venue_is_named_by_somebody() {
    let folder = Folder::new();
    let store = folder.store();
    let unnamed = Request { first: false, ..request(FRIDAY) };
    let why = refused(load(&store, map(FRIDAY, 200, 1), &unnamed).unwrap());
    assert!(why.to_string().starts_with("no map of XTST was ever in force here"), "{why}");
    assert_eq!(why.exit() as u8, 2);
    let named = in_force(load(&store, map(FRIDAY, 200, 1), &request(FRIDAY)).unwrap());
    assert_eq!((named.pointer.number, named.pointer.compared.len()), (1, 0));
    let words =
        "XTST: the map for 2026-11-20 is compared with nothing: no earlier one is in this store";
    assert_eq!(named.differs, [words]);
    // From then on there is something to compare with.
    let unnamed = Request { first: false, ..request(MONDAY) };
    assert!(in_force(load(&store, map(MONDAY, 200, 1), &unnamed).unwrap()).new);
}

#[test]
fn a_map_for_interfaces_of_another_host_is_refused() {
    let folder = Folder::new();
    let store = folder.store();
    let mut loaded = map(FRIDAY, 200, 1);
    let line = loaded.map.partitions[1].lines[0].as_mut().unwrap();
    line.interface = Some("eth7".to_owned());
    let here = ["lo".to_owned()];
    let request = Request { interfaces: Some(&here), ..request(FRIDAY) };
    let why = refused(load(&store, loaded.clone(), &request).unwrap());
    let words = why.to_string();
    assert!(
        words.starts_with(
            "t.toml:11: there is no interface eth7 on this host, which line A of partition 2 has: take"
        ),
        "{words}"
    );
    assert_eq!((why.exit() as u8, store.venues().unwrap().len()), (78, 0));
    let here = ["eth7".to_owned()];
    let request = Request { interfaces: Some(&here), ..request };
    in_force(load(&store, loaded, &request).unwrap());
}

#[test]
fn a_name_of_a_venue_is_no_path() {
    for name in ["..", "A/B", ".x", "a b", "%41", "X"] {
        let venue = Venue::from_wire(name.as_bytes()).unwrap();
        let folder = name_of(venue);
        assert!(!folder.contains(['/', '.', ' ']), "{folder}");
        assert_eq!(venue_of(&folder), Some(venue));
    }
    for foreign in ["..", "a%4", "%zz", "%41", "", ".new-1-0", "lost+found"] {
        assert_eq!(venue_of(foreign), None, "{foreign}");
    }
}

#[test]
fn a_digest_is_named_by_its_first_digits_where_no_other_begins_so() {
    let folder = Folder::new();
    let store = folder.store();
    let digest = store.add(&map(FRIDAY, 200, 1).map).unwrap().digest;
    assert_eq!(store.find(&digest[..6]).unwrap(), digest);
    assert_eq!(store.find(&digest.to_uppercase()).unwrap(), digest);
    let mut near = digest.clone();
    near.replace_range(63.., if digest.ends_with('0') { "1" } else { "0" });
    fs::create_dir(folder.0.join("maps").join(&near)).unwrap();
    assert!(matches!(store.find(&digest[..6]), Err(Error::Ambiguous(_))));
    assert_eq!(store.find(&digest).unwrap(), digest);
    assert!(matches!(store.find("zzzzzz"), Err(Error::Absent(_))));
    let gone = Store::open(&folder.0.join("none")).unwrap_err().to_string();
    assert!(
        gone.contains("there is no such folder; name the store's, or make one: mkdir -p"),
        "{gone}"
    );
}

#[test]
fn a_store_that_can_not_be_written_says_so_and_stays() {
    let folder = Folder::new();
    let store = folder.store();
    load(&store, map(FRIDAY, 200, 1), &request(FRIDAY)).unwrap();
    // A file where the folder should be refuses even the superuser.
    fs::write(folder.0.join("accepted"), "").unwrap();
    let digest = store.add(&map(MONDAY, 100, 1).map).unwrap().digest;
    let error = accept(&store, &digest, &accept_as(MONDAY, "martha")).unwrap_err();
    assert!(error.to_string().contains("what was in the store before stays"), "{error}");
    assert!(store.in_force(venue(), FRIDAY).unwrap().is_some());
}

mod commands {
    use super::*;
    use crate::command::run;
    use candor_core::Nanos;

    use crate::clock::Clock;

    fn sh(script: &str, millis: u64) -> Result<Vec<u8>, String> {
        let argv = ["/bin/sh", "-c", script].map(String::from);
        run(&argv, &std::env::temp_dir(), Nanos::from_millis(millis))
    }

    #[test]
    fn what_a_command_prints_is_what_it_brought() {
        assert_eq!(sh("echo a map; echo on the way >&2", 10_000).unwrap(), b"a map\n");
        assert_eq!(sh("head -c 3000000 /dev/zero", 10_000).unwrap().len(), 3_000_000);
        assert_eq!(sh("cat", 10_000).unwrap(), b"", "nobody answers what it asks");
    }

    #[test]
    fn a_command_that_fails_is_quoted() {
        let words = sh(
            "for n in 1 2 3 4 5 6 7; do printf 'line \\033[31m%s\\n' $n >&2; done; exit 3",
            10_000,
        );
        let words = words.unwrap_err();
        assert!(
            words.starts_with("/bin/sh exited with 3; the last it wrote to standard error:\n"),
            "{words}"
        );
        assert!(words.ends_with("\n  line \\u{1b}[31m7") && !words.contains("31m2"), "{words}");
        let words = sh("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1", 10_000).unwrap_err();
        assert!(words.chars().count() < 300 && words.ends_with('…'), "{words}");
        let words = sh("echo \"can't open 'x'\" >&2; exit 1", 10_000).unwrap_err();
        assert!(words.ends_with("\n  can't open 'x'"), "{words}");
        let words = sh("kill -9 $$", 10_000).unwrap_err();
        assert_eq!(words, "/bin/sh was ended by signal 9; it wrote nothing to standard error");
        let none = run(&["/no/such".to_owned()], Path::new("/"), Nanos::from_secs(1)).unwrap_err();
        assert!(none.starts_with("/no/such can't be started: No such file"), "{none}");
    }

    #[test]
    fn a_command_that_hangs_is_killed_with_all_that_it_started() {
        let folder = Folder::new();
        let file = folder.0.join("pid");
        let script = format!(
            "sleep 600 & echo $! > {}; echo waiting for the venue >&2; while :; do sleep 1; done",
            file.display()
        );
        let words = sh(&script, 3_000).unwrap_err();
        assert_eq!(
            words,
            "/bin/sh did not end within 3000 ms and was killed; the last it wrote to standard error:\
             \n  waiting for the venue"
        );
        let pid = fs::read_to_string(file).unwrap();
        let mut clock = Clock::new();
        let until = clock.now() + Nanos::from_secs(20);
        // A killed process may take its time, and is a zombie for as long as whoever inherited it likes.
        let gone = |stat: &str| stat.is_empty() || stat.contains(") Z ") || stat.contains(") X ");
        loop {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            if gone(&stat) {
                break;
            }
            assert!(clock.now() < until, "{stat}");
            thread::park_timeout(std::time::Duration::from_millis(5));
        }
    }

    #[test]
    fn a_command_that_leaves_its_group_is_killed_too() {
        if !Path::new("/usr/bin/perl").is_file() {
            println!("skipped: a_command_that_leaves_its_group_is_killed_too: no perl");
            return;
        }
        let script = "setpgrp(0, getpgrp(getppid())) or die; sleep 30";
        let argv = ["/usr/bin/perl", "-e", script].map(String::from);
        let mut clock = Clock::new();
        let start = clock.now();
        let words = run(&argv, &std::env::temp_dir(), Nanos::from_secs(3)).unwrap_err();
        assert!(words.contains("did not end within 3000 ms and was killed"), "{words}");
        assert!(clock.now().since(start) < Nanos::from_secs(15));
    }

    #[test]
    fn output_that_does_not_end_is_not_waited_for() {
        let words = sh("yes", 60_000).unwrap_err();
        assert!(
            words.contains("wrote more than 64 MiB to standard output and was killed"),
            "{words}"
        );
        assert!(sh("yes >&2", 300).unwrap_err().contains("did not end within 300 ms"));
        // Another session is not killed with the command, and holds its output open.
        let words = sh("setsid sleep 5 & echo half", 60_000).unwrap_err();
        assert!(words.contains("holds its standard output open"), "{words}");
        assert_eq!(sh("setsid sleep 5 >/dev/null & echo whole", 60_000).unwrap(), b"whole\n");
    }
}
