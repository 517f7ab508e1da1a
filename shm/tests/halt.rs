//! The kill switch: who may write it, what its words outlive, and that nothing they cover is Live.
#![cfg(not(loom))]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};

use candor_core::symbol::Text;
use candor_core::{Mono, Nanos, Reason, SymbolIndex};
use candor_shm::{
    Carried, Halt, HaltName, Handle, HandlerWriter, KillSwitch, LaneWriter, OpenError, Region,
    clock, create, heap,
};
use support::{Folder, SESSION, book, live, partition, spec, symbol, venue};

/// Two partitions of XNAS and one of IEXG; the first two symbols of each are Live for an hour.
fn start(folder: &Folder, define: bool) -> (HandlerWriter, LaneWriter, Region) {
    let mut spec = spec();
    spec.partitions.push(partition("XNAS", "2", 0));
    spec.partitions.push(partition("IEXG", "1", 0));
    spec.process_lease = Nanos::from_secs(3_600);
    let (mut handler, mut lanes) = create(folder.region(), &spec).unwrap();
    let mut lane = lanes.remove(0);
    handler.set_status(live(), clock::now());
    lane.renew(clock::now() + Nanos::from_secs(3_600));
    if define {
        for number in 0..3 {
            name(&mut lane, number);
        }
    }
    let region = Region::open(folder.region()).unwrap();
    (handler, lane, region)
}

fn symbols(number: u16) -> [&'static str; 2] {
    [["A", "B"], ["C", "D"], ["A", "E"]][usize::from(number)]
}

fn name(lane: &mut LaneWriter, number: u16) {
    lane.partition(number, live(), 1, Mono(10), SESSION);
    for (index, name) in (0u32..).zip(symbols(number)) {
        lane.define(number, SymbolIndex(index), &symbol(name));
        lane.publish(number, SymbolIndex(index), live(), 1, Mono(11), &book(45));
    }
    lane.lease(number, clock::now() + Nanos::from_secs(3_600));
}

/// The names of what is Live, by venue.
fn shown(region: &Region) -> String {
    let mut live = String::new();
    for number in 0..region.partition_count() {
        for (handle, name) in region.symbols(number) {
            match region.read(handle).reason() {
                None => live.push_str(name.as_str()),
                Some(Reason::Halted) => live.push('.'),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
    live
}

#[test]
fn an_operators_words_are_obeyed_at_once_and_by_every_reader() {
    let folder = Folder::new();
    let (handler, _lane, region) = start(&folder, true);
    let (other, switch) =
        (Region::open(folder.region()).unwrap(), KillSwitch::open(folder.region()).unwrap());
    assert!(switch.is_of(&region));
    let mut watched = region.subscribe_prefix(venue("XNAS"), "");
    assert_eq!(watched.changed(&region).count(), 4);
    assert_eq!(watched.changed(&region).count(), 0);
    let a = region.find(&venue("XNAS"), &symbol("A")).unwrap();
    let states = [
        (Halt::All, "......", 4),
        (Halt::Partition(0), "..CDAE", 2),
        (Halt::Partition(2), "ABCD..", 0),
        (Halt::Symbol(a), ".BCDAE", 1),
    ];
    for (halt, expected, changed) in states {
        assert_eq!(region.halted(halt), None);
        let before = clock::now();
        assert_eq!(switch.halt(halt, before), Some(true));
        assert_eq!((shown(&region), shown(&other)), (expected.to_owned(), expected.to_owned()));
        assert_eq!(watched.changed(&region).count(), changed, "{halt:?}: a subscriber is told");
        assert_eq!(switch.halt(halt, clock::now()), Some(false), "it was so already");
        let again = Mono(before.0 + 1);
        assert_eq!(
            region.halted(halt),
            Some(again),
            "the first time, and that it was halted again"
        );
        assert_eq!(
            watched.changed(&region).count(),
            changed,
            "{halt:?}: another time is another status"
        );
        assert_eq!(switch.keep(halt, clock::now()), Some(false));
        for resumed in [switch.resume_only(halt, before), handler.resume_only(halt, before)] {
            assert_eq!(resumed, Some(false), "it is not the one that was looked at");
        }
        assert_eq!(region.halted(halt), Some(again));
        assert_eq!(handler.resume_only(halt, again), Some(true), "either hand may end it");
        assert_eq!(watched.changed(&region).count(), changed);
        assert_eq!(switch.resume(halt), Some(false));
        assert_eq!(shown(&region), "ABCDAE");
    }
    assert_eq!(switch.halt(Halt::Partition(3), Mono(1)), None);
    // What lies beneath is told to whoever is to decide whether a halt may end.
    switch.halt(Halt::All, clock::now());
    assert_eq!(region.handler_status_when(clock::now).reason(), Some(Reason::Halted));
    assert!(region.unhalted_status_when(clock::now).is_live());
    let info = region.partition_when(1, clock::now).unwrap();
    assert_eq!(info.status.reason(), Some(Reason::Halted));
    assert!(info.unhalted.is_live());
}

#[test]
fn what_a_halt_took_away_is_told_behind_it() {
    let folder = Folder::new();
    let (_handler, _lane, region) = start(&folder, true);
    let switch = KillSwitch::open(folder.region()).unwrap();
    let handles: Vec<_> = (0..region.partition_count())
        .flat_map(|number| region.symbols(number).map(|(handle, _)| handle).collect::<Vec<_>>())
        .collect();
    let count = |since| {
        let was = |handle: &&Handle| region.was_live_but_for_halts_since(**handle, since);
        handles.iter().filter(was).count()
    };
    let all = handles.len();
    assert_eq!((all, count(Mono(1))), (6, 6));
    let first = clock::now();
    switch.halt(Halt::Partition(0), clock::now());
    assert_eq!((count(first), count(clock::now())), (6, 4), "an earlier halt is none of the next");
    let second = clock::now();
    for halt in [Halt::All, Halt::Partition(1), Halt::Symbol(handles[5])] {
        switch.halt(halt, clock::now());
    }
    assert_eq!((count(first), count(second), count(clock::now())), (6, 4, 0));
    assert_eq!(shown(&region), "......", "for every reader it holds");
}

#[test]
fn a_symbol_of_another_region_is_not_halted() {
    let (one, other) = (Folder::new(), Folder::new());
    let (_handler, _lane, region) = start(&one, true);
    let a = region.find(&venue("XNAS"), &symbol("A")).unwrap();
    let (_handler, _lane, region) = start(&other, true);
    let switch = KillSwitch::open(other.region()).unwrap();
    assert_eq!(switch.halt(Halt::Symbol(a), clock::now()), None);
    assert_eq!(shown(&region), "ABCDAE");
}

#[test]
fn halts_are_carried_over_by_name_also_to_symbols_that_are_named_later() {
    let folder = Folder::new();
    let (handler, lane, region) = start(&folder, true);
    assert_eq!(*handler.carried(), Carried::Nothing);
    let switch = KillSwitch::open(folder.region()).unwrap();
    let at = clock::now();
    for handle in region.find_all(&venue("IEXG"), &symbol("A")) {
        switch.halt(Halt::Symbol(handle), at);
    }
    switch.halt(Halt::Partition(1), at);
    drop((handler, lane));
    let (handler, mut lane, next) = start(&folder, false);
    let one = HaltName::Partition(venue("XNAS"), Text::from_wire(b"2").unwrap());
    let two = HaltName::Symbol(venue("IEXG"), symbol("A"));
    assert_eq!(*handler.carried(), Carried::Halts(vec![(one, at), (two, at)]));
    assert_eq!(next.halted(Halt::Partition(1)), Some(at), "before anything is named");
    for number in 0..3 {
        name(&mut lane, number);
    }
    assert_eq!(shown(&next), "AB...E", "XNAS's A is another one");
    // Who has the old region open sees a dead one, and halts nothing of the new.
    assert_eq!(region.handler_status_when(clock::now).reason(), Some(Reason::WriterGone));
    assert!(!switch.is_of(&next));
    // Ended, it is ended for good.
    let switch = KillSwitch::open(folder.region()).unwrap();
    switch.resume(Halt::Partition(1));
    drop((handler, lane));
    let (_handler, _lane, last) = start(&folder, true);
    assert_eq!(shown(&last), "ABCD.E");
    assert_eq!(last.halts(), [(two, at)]);
}

#[test]
fn what_is_held_by_name_is_halted_when_it_is_defined() {
    let mut spec = spec();
    spec.partitions.push(partition("XNAS", "2", 0));
    let (mut handler, mut lanes, region) = heap(&spec).unwrap();
    handler.set_status(live(), Mono(5));
    let name = HaltName::Symbol(venue("XNAS"), symbol("AAPL"));
    lanes[0].hold(&[(name, Mono(7)), (HaltName::All, Mono(8))]);
    support::bring_up(&mut lanes[0], "AAPL", Mono(2_000));
    let handle = region.find(&venue("XNAS"), &symbol("AAPL")).unwrap();
    assert_eq!(region.read_at(handle, Mono(1_000)).reason(), Some(Reason::Halted));
    assert_eq!(region.halts(), [(name, Mono(7))]);
    lanes[0].define(0, SymbolIndex(1), &symbol("MSFT"));
    lanes[0].publish(0, SymbolIndex(1), live(), 1, Mono(11), &book(45));
    let handle = region.find(&venue("XNAS"), &symbol("MSFT")).unwrap();
    assert_eq!(region.read_at(handle, Mono(1_000)).reason(), None);
}

#[test]
fn what_was_held_by_name_and_resumed_is_not_halted_anew_where_a_map_defines_it() {
    let mut spec = spec();
    spec.partitions.push(partition("XNAS", "2", 0));
    let names = ["AAPL", "MSFT", "TSLA", "AMZN"].map(symbol);
    let held = names.map(|name| (HaltName::Symbol(venue("XNAS"), name), Mono(7)));
    let (handler, mut lanes, region) = heap(&spec).unwrap();
    lanes[0].hold(&held);
    for (index, name) in (0..).zip(&names[..3]) {
        lanes[0].define(0, SymbolIndex(index), name);
    }
    let at = |partition: u16, name: usize| {
        let all = region.find_all(&venue("XNAS"), &names[name]);
        Halt::Symbol(all.into_iter().find(|handle| handle.partition() == partition).unwrap())
    };
    // AAPL is resumed; MSFT is resumed and halted again; TSLA stays so; AMZN is nowhere yet.
    assert_eq!(handler.resume(at(0, 0)), Some(true));
    assert_eq!(handler.resume(at(0, 1)), Some(true));
    assert_eq!(handler.halt(at(0, 1), Mono(9)), Some(true));
    for (index, name) in (0..).zip(&names) {
        lanes[0].define(1, SymbolIndex(index), name);
    }
    let halted = [0, 1, 2, 3].map(|name| region.halted(at(1, name)));
    // Since when is the list's to say.
    assert_eq!(halted, [None, Some(Mono(7)), Some(Mono(7)), Some(Mono(7))]);
}

#[test]
fn only_the_owner_and_root_may_write_it() {
    let folder = Folder::new();
    let (_handler, _lane, region) = start(&folder, true);
    if !rustix_is_root() {
        println!("skipped: only_the_owner_and_root_may_write_it: needs root, to give a file away");
        return;
    }
    // Root may, whoever's it is: what is to be stopped is stopped.
    chown(folder.region(), Some(65_534), None).unwrap();
    let switch = KillSwitch::open(folder.region()).unwrap();
    assert_eq!(switch.halt(Halt::All, clock::now()), Some(true));
    assert_eq!(shown(&region), "......");
    switch.resume(Halt::All);
    // Another user may not, though the file's mode would let it.
    fs::set_permissions(folder.region(), Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let refused = as_user(65_533, || KillSwitch::open(folder.region()).err());
    let Some(OpenError::NotOurs { owner: 65_534, .. }) = refused else { panic!("{refused:?}") };
    // And where it does not, it is told whose it is.
    fs::set_permissions(folder.region(), Permissions::from_mode(0o640)).unwrap();
    let refused = as_user(65_533, || KillSwitch::open(folder.region()).err());
    let Some(OpenError::NotOurs { owner: 65_534, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(shown(&region), "ABCDAE");
}

fn rustix_is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Does it on a thread that is another user's: the kernel has users by thread.
fn as_user<T: Send>(user: u32, what: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let user = rustix::process::Uid::from_raw(user);
            rustix::thread::set_thread_res_uid(user, user, user).unwrap();
            what()
        });
        thread.join().unwrap()
    })
}
