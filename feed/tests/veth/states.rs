//! What a symbol is before anything proves it, and after the handler has gone in order.

use candor_core::status::Scope;
use candor_core::{Mono, Nanos, Reason, Symbol};
use candor_shm::clock;
use rustix::process::Signal;

use crate::watch::{Watch, judge};
use crate::world::{Plan, World, candor, eventually, finished, partition, pause, venue};

/// Listed for partition 1, and in no message.
const NOBODY: &str = "NOBODY";

/// All symbols are listed, and one more.
pub fn listed(text: String) -> String {
    let mut symbols = Plan::default().symbols();
    symbols[0].push(Symbol::from_wire(NOBODY.as_bytes()).unwrap());
    let mut edited = text.replace("symbols_max = 40", "symbols_max = 41");
    for (at, symbols) in symbols.iter().enumerate() {
        let names: Vec<String> = symbols.iter().map(|symbol| format!("\"{symbol}\"")).collect();
        let name = format!("name = \"{}\"\n", at + 1);
        edited = edited.replace(&name, &format!("{name}symbols = [{}]\n", names.join(", ")));
    }
    edited
}

/// The same, with partition 3 in the configuration and not joined.
fn listed_without_3(text: String) -> String {
    let text = listed(text);
    let (front, third) = text.split_once("name = \"3\"").unwrap();
    let third = third.replacen("subscribe = true", "subscribe = false", 1);
    format!("{front}name = \"3\"{third}")
}

#[test]
fn nothing_is_live_before_it_is_proven_or_after_the_handler_has_stopped() {
    let plan = Plan { edit: listed_without_3, ..Plan::default() };
    let Some(mut world) = World::new("states over veth", plan) else { return };
    let region = world.start_handler();
    let nobody = Symbol::from_wire(NOBODY.as_bytes()).unwrap();
    let nobody = region.find(&venue(), &nobody).unwrap();
    assert_eq!(world.handles(&region).len(), 161);

    // A fresh region: every listed symbol is there, none is live.
    let watch = Watch::all(&world);
    let fresh = clock::now();
    pause(Nanos::from_millis(300));
    let begun = clock::now();
    world.start_exchange();
    eventually("the other partitions are live", || {
        [0, 1, 3].into_iter().all(|at| partition(&region, at).status.is_live()).then_some(())
    });
    let all: Vec<_> = world.handles(&region);
    eventually("all of their symbols are", || {
        let live = |at| {
            let of = all.iter().filter(|(handle, _)| handle.partition() == at && *handle != nobody);
            of.clone().all(|(handle, _)| region.read(*handle).live().is_some())
        };
        [0, 1, 3].into_iter().all(live).then_some(())
    });
    let running = clock::now();
    pause(Nanos::from_millis(300));
    let mut seen_of_nobody = Vec::new();
    for _ in 0..1_000 {
        seen_of_nobody.push(region.read(nobody).reason());
    }
    let stop = clock::now();

    // An orderly stop: exit code 0, and stale from that moment on.
    let handler = world.handler.as_mut().unwrap();
    handler.signal(Signal::TERM);
    let status = handler.ended();
    let ended = clock::now();
    assert_eq!(status.code(), Some(0), "{}", handler.log());
    assert!(handler.log().contains("every symbol is stale"), "{}", handler.log());
    pause(Nanos::from_millis(100));
    let log = watch.stop();
    let forever = Mono(u64::MAX);

    for at in [0, 1, 3] {
        log.assert_only(at, (fresh, begun), &["NotStarted"], 0);
        let allowed: &[&str] =
            if at == 0 { &["NotStarted", "Unproven", "Live"] } else { &["NotStarted", "Live"] };
        let proven: &[&str] = if at == 0 { &["Unproven", "Live"] } else { &["Live"] };
        let earlier = [allowed, &["Unproven"][..]].concat();
        log.assert_only(at, (begun, running), &earlier, 0);
        log.assert_only(at, (running, stop), proven, 0);
        let stopping = [proven, &["Unsubscribed", "WriterGone"][..]].concat();
        log.assert_only(at, (stop, ended), &stopping, 0);
        log.assert_only(at, (ended, forever), &["WriterGone"], 0);
    }
    log.assert_only(2, (fresh, stop), &["Unsubscribed"], 0);
    log.assert_only(2, (ended, forever), &["WriterGone"], 0);
    assert!(seen_of_nobody.iter().all(|reason| *reason == Some(Reason::Unproven)));
    assert_eq!(Reason::Unproven.level(), Scope::Symbol);
    assert!(!region.is_current());
    judge(&mut world, &log);
}

#[test]
fn a_symbol_of_no_list_is_unmapped_until_the_venue_names_it_and_a_missing_list_is_refused() {
    let Some(mut world) = World::new("symbols over veth", Plan::default()) else { return };
    let region = world.start_handler();
    let symbol = world.plan.symbols()[0][0];
    assert_eq!(region.find(&venue(), &symbol), None, "nothing has named it");
    world.start_exchange();
    world.until_live();
    assert!(region.find(&venue(), &symbol).is_some());
    assert_eq!(region.find(&venue(), &Symbol::from_wire(NOBODY.as_bytes()).unwrap()), None);

    // The list of one partition is missing: the whole configuration is refused, and the region of
    // the handler that runs stays its own.
    let text = std::fs::read_to_string(world.path("handler.toml")).unwrap();
    let text = text.replace("name = \"2\"\n", "name = \"2\"\nsymbols_file = \"gone.txt\"\n");
    let other = world.path("other.toml");
    std::fs::write(&other, text).unwrap();
    let (said, code) = finished(candor(&world, &["run", "-c", other.to_str().unwrap()]));
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("gone.txt") && said.contains("no such file"), "{said}");
    assert!(region.is_current());
    world.until_live();

    // Nor can a second handler take the region, or the interface, of one that lives.
    let own = world.path("handler.toml");
    let (said, code) = finished(candor(&world, &["run", "-c", own.to_str().unwrap()]));
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("another handler is running on this region"), "{said}");
    assert!(region.is_current());
    world.until_live();
}
