//! Services with two addresses, of which the first is dead: nobody listens there, or who does never says
//! a word. The second heals every gap all the same.

use std::fs;
use std::net::{TcpListener, UdpSocket};

use candor_core::counters::Counter;

use crate::scene::{Handler, Scene, Watch, eventually};

/// Time enough for an address that hangs to be given up, and for another to be asked then.
const WAITS: &str = "recovery = { timeout_ms = 200, timeout_max_ms = 800, patience_ms = 3000, \
                     begin_ms = 1000, idle_ms = 700, whole_ms = 4000, retry_ms = 100, retry_max_ms = 400 }\n\
                     snapshot_budget = { minute = 1000 }";

/// Of a loopback interface every address is the host's, and no other program of this machine has a reason
/// to be at this one. The exchange's services are at 127.0.0.1.
const DEAD: &str = "127.0.0.77";

/// Sockets that take what is sent to them, connections too, and never answer.
struct Hanging {
    _datagrams: Vec<UdpSocket>,
    _connections: Vec<TcpListener>,
}

/// Puts a dead address before each of the services in the handler's configuration. Where it `hangs`, the
/// kernel accepts whatever comes there.
fn before_each(scene: &Scene, name: &str, hangs: bool) -> Hanging {
    let path = scene.path(&format!("{name}.toml"));
    let text = fs::read_to_string(&path).unwrap();
    let (mut datagrams, mut connections) = (Vec::new(), Vec::new());
    let mut edited = text.clone();
    for service in text.split('"').filter(|part| part.contains("://127.0.0.1:")) {
        let dead = service.replace("127.0.0.1", DEAD);
        edited = edited.replace(&format!("\"{service}\""), &format!("\"{dead}\", \"{service}\""));
        let (protocol, at) = dead.split_once("://").unwrap();
        match protocol {
            _ if !hangs => {}
            "udp" => datagrams.push(UdpSocket::bind(at).unwrap()),
            _ => connections.push(TcpListener::bind(at).unwrap()),
        }
    }
    assert!(edited.len() > text.len(), "services have addresses:\n{text}");
    fs::write(path, edited).unwrap();
    Hanging { _datagrams: datagrams, _connections: connections }
}

/// So many are lost, and sent again.
fn is_asked_for(scene: &Scene, handler: &Handler, missing: u64) {
    let filled = handler.count(0, Counter::RetransmitFilled);
    scene.tell(&format!("skip 1 {missing}"));
    eventually(&format!("{missing} are filled"), || {
        (handler.count(0, Counter::RetransmitFilled) >= filled + missing).then_some(())
    });
    eventually("it is live again", || handler.is_live(0).then_some(()));
}

fn the_second_address_heals(feed: Option<&str>, hangs: bool) {
    let way = if hangs { "hangs" } else { "refuses" };
    let mut scene = Scene::new(&format!("{}-{way}", feed.unwrap_or("itch")), true);
    if let Some(feed) = feed {
        scene.feed(feed);
    }
    scene.configure("mdh1", WAITS);
    let _hanging = before_each(&scene, "mdh1", hangs);
    let handler = scene.handler("mdh1");
    scene.open(if feed.is_some() { &["--session", "7"] } else { &[] });
    handler.until_live();
    let watch = Watch::start(&handler);
    is_asked_for(&scene, &handler, 20);
    // More than is asked for by datagram.
    if feed.is_some() {
        is_asked_for(&scene, &handler, 1_500);
    }
    assert_eq!(handler.count(0, Counter::SnapshotRequests), 0, "asking is enough");
    // It is known by now which address works.
    let timeouts = handler.count(0, Counter::RetransmitTimeouts);
    for _ in 0..3 {
        is_asked_for(&scene, &handler, 20);
    }
    assert_eq!(
        handler.count(0, Counter::RetransmitTimeouts),
        timeouts,
        "the dead one is left alone"
    );
    scene.tell("service retransmit refuse");
    scene.tell("skip 1 20");
    eventually("a snapshot", || (handler.count(0, Counter::SnapshotsSpliced) == 1).then_some(()));
    eventually("it is live again", || handler.is_live(0).then_some(()));
    let log = handler.log();
    let refused = log.contains("can't be reached: Connection refused");
    assert_eq!((refused, log.contains(DEAD)), (!hangs, !hangs), "{log}");
    let reads = watch.judge(&mut scene);
    println!("shown: the first address {way}, the second heals; {reads} live reads, none wrong");
}

#[test]
fn nobody_listens_at_the_first_address_and_the_second_heals() {
    the_second_address_heals(None, false);
    the_second_address_heals(Some("iex-deep"), false);
}

#[test]
fn the_first_address_hangs_and_the_second_heals() {
    the_second_address_heals(None, true);
    the_second_address_heals(Some("iex-deep"), true);
}
