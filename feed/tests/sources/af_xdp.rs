//! AF_XDP on a veth pair in a network namespace of its own. Needs root; says so where it isn't.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use candor::clock::timespec;
use candor::config::{self, Config};
use candor::exit::Exit;
use candor::source::{self, Opened, SourceCounts};
use candor_core::{Line, Nanos};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with, sockopt};

use crate::scene::{Rig, Scene, drain, take};
use crate::{suite, udp};

/// Moves this thread into a network namespace of its own with a veth pair `cx0`, `cx1`. `None`, with
/// a word, where that can't be.
fn namespace(test: &str) -> Option<()> {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: {test}: needs root");
        return None;
    }
    let flags = rustix::thread::UnshareFlags::NEWNET;
    // SAFETY: unsharing the network namespace closes no descriptor and touches no memory; it is
    // FILES and VM that are unsafe.
    #[allow(unsafe_code)]
    let unshared = unsafe { rustix::thread::unshare_unsafe(flags) };
    if unshared.is_err() {
        println!("skipped: {test}: no network namespace to be had");
        return None;
    }
    for command in [
        "link add cx0 numrxqueues 2 numtxqueues 2 type veth peer name cx1 numrxqueues 2 numtxqueues 2",
        "addr add 10.77.0.1/24 dev cx0",
        "addr add 10.77.0.2/24 dev cx1",
        "link set lo up",
        "link set cx0 up",
        "link set cx1 up",
    ] {
        if !ip(command) {
            println!("skipped: {test}: ip {command} failed");
            return None;
        }
    }
    // As a card does on the way to a wire; a veth pair alone carries checksums as they were begun.
    let complete = Command::new("ethtool").args(["-K", "cx0", "tx", "off"]).output();
    if !complete.is_ok_and(|output| output.status.success()) {
        println!("skipped: {test}: needs ethtool");
        return None;
    }
    settle();
    // Both ends are in one namespace: a socket would refuse packets from its own host's address.
    std::fs::write("/proc/sys/net/ipv4/conf/cx1/accept_local", "1").unwrap();
    Some(())
}

/// Waits until both ends carry: the kernel says so a little after they are set up, and sends nothing
/// before.
fn settle() {
    let up = |name| {
        let output = Command::new("ip").args(["-o", "link", "show", name]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains("state UP")
    };
    for _ in 0..200 {
        if up("cx0") && up("cx1") {
            return;
        }
        let _ = rustix::thread::nanosleep(&timespec(Nanos::from_millis(10)));
    }
    panic!("the pair never came up");
}

fn ip(command: &str) -> bool {
    Command::new("ip").args(command.split(' ')).status().is_ok_and(|status| status.success())
}

/// The scene as a configuration of one lane.
fn configuration(scene: &Scene, kind: &str, queues: &str) -> Config {
    let mut partitions: BTreeMap<u16, String> = BTreeMap::new();
    for (partition, line, at) in &scene.lines {
        partitions.entry(*partition).or_default().push_str(&format!(
            "lines.{line} = {{ group = \"{}\", port = {}, interface = \"{}\" }}\n",
            at.group, at.port, at.interface
        ));
    }
    let last = *partitions.keys().last().unwrap();
    let partitions: String = (0..=last)
        .map(|n| {
            let lines = partitions.get(&n).cloned().unwrap_or("subscribe = false\n".to_owned());
            format!("[[venue.partition]]\nname = \"{n}\"\nlane = 0\n{lines}")
        })
        .collect();
    let text = format!(
        "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\n{kind}\ninterface = \"cx1\"\n\
         batch = {}\n[[lane]]\nqueues = {queues}\n[[venue]]\nname = \"V\"\nfeed = \"iex-deep\"\n{partitions}",
        scene.batch
    );
    config::parse_text(Path::new("test.toml"), &text).unwrap_or_else(|error| panic!("{error}"))
}

const COPY: &str = "kind = \"af_xdp\"\nmode = \"copy\"\nframes = 256\nhuge_pages = \"no\"";
const GENERIC: &str = "kind = \"af_xdp\"\nmode = \"generic\"\nframes = 256\nhuge_pages = \"no\"";

fn rig(scene: &Scene, kind: &str) -> Rig {
    let Opened { mut lanes, joins, watch, .. } =
        source::open(&configuration(scene, kind, "[0, 1]")).unwrap_or_else(|f| panic!("{f}"));
    udp::send(&udp::sender("cx0"), &scene.sent);
    let source = lanes.pop().unwrap();
    Rig { source, keep: Box::new((joins, watch)), host_clock: true }
}

/// One test at a time: a program comes off its interface when the last descriptor of it closes, and
/// a child that another test is just starting has a copy of all this process has open.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs a test on a thread of its own, since a namespace is a thread's.
fn within(test: &'static str, body: impl FnOnce() + Send + 'static) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let run = move || {
        if namespace(test).is_some() {
            body();
        }
    };
    std::thread::spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[test]
fn af_xdp_is_a_source() {
    within("af_xdp_is_a_source", || suite::run(&|scene| rig(scene, COPY), "cx1"));
}

#[test]
fn af_xdp_in_generic_mode_is_a_source() {
    within("af_xdp_in_generic_mode", || suite::run(&|scene| rig(scene, GENERIC), "cx1"));
}

#[test]
fn udp_on_the_same_pair_is_a_source() {
    within("udp_on_the_same_pair", || suite::run(&|scene| rig(scene, "kind = \"udp\""), "cx1"));
}

#[test]
fn a_mode_the_driver_has_not_is_refused_or_falls_back_as_allowed_and_says_so() {
    within("a_mode_the_driver_has_not", || {
        let mut scene = Scene::new("cx1");
        scene.send([239, 77, 1, 1], 26401, b"hello");
        let kind = COPY.replace("\"copy\"", "\"zero-copy\"");
        let failure = source::open(&configuration(&scene, &kind, "[0, 1]")).err().unwrap();
        assert_eq!(failure.exit, Exit::Config);
        let message = failure.message;
        assert!(
            message.starts_with("native zero-copy on cx1: the driver refused zero-copy"),
            "{message}"
        );
        assert!(message.contains("allow_fallback = true"), "{message}");

        let kind = format!("{kind}\nallow_fallback = true");
        let config = configuration(&scene, &kind, "[0, 1]");
        let mut opened = source::open(&config).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(opened.lanes[0].mode(), "native copy");
        assert_eq!(opened.refused.len(), 1, "{:?}", opened.refused);
        udp::send(&udp::sender("cx0"), &scene.sent);
        assert_eq!(take(&mut *opened.lanes[0], 1).len(), 1);
    });
}

#[test]
fn absent_interfaces_and_queues_are_named() {
    within("absent_interfaces_and_queues", || {
        let failure = source::open(&configuration(&Scene::new("cx9"), COPY, "[0]")).err().unwrap();
        assert_eq!(failure.exit, Exit::Config);
        let message = failure.message;
        assert!(message.starts_with("there is no interface cx9 on this host; present are: "));
        assert!(message.contains("cx0, ") || message.contains("cx1, "), "{message}");
        let failure =
            source::open(&configuration(&Scene::new("cx1"), COPY, "[0, 5]")).err().unwrap();
        assert_eq!(failure.exit, Exit::Config, "{failure}");
        assert!(failure.message.contains("queue 5"), "{failure}");
    });
}

#[test]
fn multicast_that_nobody_has_is_listed_and_what_a_lane_misses_is_counted() {
    within("multicast_that_nobody_has", || {
        let mut scene = Scene::new("cx1");
        scene.send([239, 77, 5, 5], 999, b"new partition");
        scene.send([239, 77, 5, 5], 999, b"new partition");
        scene.send([239, 77, 1, 1], 26401, b"ours");
        let mut opened = source::open(&configuration(&scene, COPY, "[0, 1]")).unwrap();
        let mut watch = opened.watch.take().unwrap();
        udp::send(&udp::sender("cx0"), &scene.sent);
        assert_eq!(take(&mut *opened.lanes[0], 1).len(), 1);
        let unmapped = watch.unmapped().unwrap();
        let ours = unmapped.iter().find(|seen| seen.group == [239, 77, 5, 5]).unwrap();
        assert_eq!((ours.port, ours.packets), (999, 2));
        assert_eq!(watch.check(), []);
        assert_eq!(opened.lanes[0].counts().misdirected, 0);
    });
}

#[test]
fn frames_on_a_queue_nobody_polls_are_misdirected() {
    within("frames_on_a_queue_nobody_polls", || {
        let mut scene = Scene::new("cx1");
        for n in 0..64 {
            scene.send([239, 77, 1, 1], 26401, &[n; 8]);
        }
        // Of two queues only the second is polled. Which one a frame comes by, veth decides by the
        // sender's core and hash; either way each frame is delivered or counted.
        let mut opened = source::open(&configuration(&scene, COPY, "[1]")).unwrap();
        let mut watch = opened.watch.take().unwrap();
        udp::send(&udp::sender("cx0"), &scene.sent);
        let delivered = take(&mut *opened.lanes[0], 64).len() as u64;
        assert_eq!(watch.check(), []);
        let missed = opened.lanes[0].counts().misdirected;
        assert_eq!(delivered + missed, 64, "{delivered} delivered, {missed} misdirected");
    });
}

/// A socket that sends UDP headers as they are given, sound or not.
fn raw_sender(interface_name: &str) -> UdpSocket {
    let (family, kind) = (AddressFamily::INET, SocketType::RAW);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, Some(ipproto::UDP)).unwrap();
    let index = candor::interface::index(interface_name).unwrap();
    let any = Ipv4Addr::UNSPECIFIED;
    sockopt::set_ip_multicast_if_with_ifindex(&socket, &any, &any, index).unwrap();
    socket.into()
}

#[test]
fn what_the_program_leaves_to_the_host_is_counted_by_cause_on_the_first_lane() {
    within("what_the_program_leaves_to_the_host", || {
        let mut scene = Scene::new("cx1");
        // More than the link's 1,500 bytes: three fragments.
        scene.send([239, 77, 1, 1], 26401, &[1; 3_000]);
        scene.send([239, 77, 1, 1], 26401, b"whole");
        for (kind, mode) in [(COPY, "native copy"), (GENERIC, "generic copy")] {
            let config = configuration(&scene, kind, "[0]\n[[lane]]\nqueues = [1]");
            let mut opened = source::open(&config).unwrap_or_else(|f| panic!("{f}"));
            let mut watch = opened.watch.take().unwrap();
            let [first, second] = &mut opened.lanes[..] else { panic!("two lanes") };
            assert_eq!((first.mode(), second.mode()), (mode, mode));
            // Ports, a length shorter than the header itself, a checksum.
            let header = [99u16, 26401, 7, 0].map(u16::to_be_bytes).concat();
            raw_sender("cx0").send_to(&header, (Ipv4Addr::new(239, 77, 1, 1), 0)).unwrap();
            udp::send(&udp::sender("cx0"), &scene.sent);
            let mut got = take(&mut **first, 1);
            // It came by one queue or the other.
            got.extend(drain(&mut **second));
            assert_eq!(got.len(), 1, "{mode}");
            assert_eq!(got[0].payload, b"whole");

            assert_eq!(first.counts(), SourceCounts::default(), "{mode}: the watch has not looked");
            let expected = SourceCounts { fragments: 3, malformed: 1, ..SourceCounts::default() };
            // The kernel may still be busy with what came by the other queue.
            for _ in 0..100 {
                assert_eq!(watch.check(), []);
                if first.counts() == expected {
                    break;
                }
                let _ = rustix::thread::nanosleep(&timespec(Nanos::from_millis(10)));
            }
            assert_eq!(watch.check(), []);
            assert_eq!(first.counts(), expected, "{mode}: each counted, and once");
            assert_eq!(second.counts(), SourceCounts::default(), "{mode}: the first lane reports");
        }
    });
}

#[test]
fn a_frame_too_long_is_counted_and_hurts_no_other() {
    within("a_frame_too_long", || {
        assert!(ip("link set cx0 mtu 12000") && ip("link set cx1 mtu 12000"));
        let mut scene = Scene::new("cx1");
        scene.send([239, 77, 1, 1], 26401, b"before");
        scene.send([239, 77, 1, 1], 26401, &[1; 9_000]);
        scene.send([239, 77, 1, 1], 26401, &[2; 9_217]);
        scene.send([239, 77, 1, 1], 26401, b"behind");
        for kind in [COPY, "kind = \"udp\""] {
            let mut rig = rig(&scene, kind);
            let got = take(&mut *rig.source, 3);
            let lens: Vec<usize> = got.iter().map(|got| got.payload.len()).collect();
            assert_eq!(lens, [6, 9_000, 6], "{kind}");
            let expected = SourceCounts { too_long: 1, ..SourceCounts::default() };
            assert_eq!(rig.source.counts(), expected, "{kind}");
        }
    });
}

#[test]
fn a_slow_lane_loses_frames_and_every_one_is_counted() {
    within("a_slow_lane", || {
        let mut scene = Scene::new("cx1");
        scene.batch = 64;
        let config = configuration(&scene, &COPY.replace("256", "64"), "[0, 1]");
        let mut opened = source::open(&config).unwrap();
        let sender: UdpSocket = udp::sender("cx0");
        for n in 0..400u32 {
            scene.send([239, 77, 1, 1], 26401, &n.to_be_bytes());
        }
        udp::send(&sender, &scene.sent);
        let delivered = take(&mut *opened.lanes[0], 400).len() as u64;
        let counts = opened.lanes[0].counts();
        assert!(delivered < 400, "the queue must overflow for this test to mean anything");
        assert_eq!(delivered + counts.dropped(), 400, "{counts:?}");
    });
}

#[test]
fn a_program_that_another_tool_takes_off_is_put_back() {
    within("a_program_taken_off", || {
        let mut scene = Scene::new("cx1");
        scene.send([239, 77, 1, 1], 26401, b"hello");
        let mut opened = source::open(&configuration(&scene, COPY, "[0, 1]")).unwrap();
        let mut watch = opened.watch.take().unwrap();
        assert_eq!(watch.check(), []);
        watch.detach().unwrap();
        udp::send(&udp::sender("cx0"), &scene.sent);
        assert_eq!(take(&mut *opened.lanes[0], 1), [], "nothing comes without the program");
        let incidents = watch.check();
        assert_eq!(incidents.len(), 1);
        assert!(incidents[0].restored, "{incidents:?}");
        assert_eq!(incidents[0].interface, "cx1");
        assert_eq!(watch.check(), []);
        udp::send(&udp::sender("cx0"), &scene.sent);
        assert_eq!(take(&mut *opened.lanes[0], 1).len(), 1);
    });
}

#[test]
fn an_interface_that_is_removed_ends_its_lane() {
    within("an_interface_that_is_removed", || {
        let mut scene = Scene::new("cx1");
        scene.send([239, 77, 1, 1], 26401, b"the last");
        let mut opened = source::open(&configuration(&scene, COPY, "[0, 1]")).unwrap();
        let mut watch = opened.watch.take().unwrap();
        udp::send(&udp::sender("cx0"), &scene.sent);
        opened.lanes[0].wait(Nanos::from_secs(1)).unwrap();
        let index = candor::interface::index("cx1").unwrap();
        assert!(ip("link del cx0"));
        assert_eq!(watch.check(), [], "no program is put back where there is nothing");
        assert_eq!(watch.gone().collect::<Vec<_>>(), [("cx1", index)]);
        // The lane notices, takes what had come, and stops: there is nothing left to poll.
        let _ = opened.lanes[0].counts();
        assert_eq!(take(&mut *opened.lanes[0], 1).len(), 1);
        let mut ended = false;
        for _ in 0..3 {
            ended |= opened.lanes[0].poll(&mut |_| panic!("it is empty")).is_err();
        }
        assert!(ended);
    });
}

#[test]
fn a_link_that_flaps_goes_on() {
    within("a_link_that_flaps", || {
        let mut scene = Scene::new("cx1");
        scene.send([239, 77, 1, 1], 26401, b"hello");
        for kind in [COPY, GENERIC, "kind = \"udp\""] {
            let mut rig = rig(&scene, kind);
            assert_eq!(take(&mut *rig.source, 1).len(), 1, "{kind}");
            assert!(ip("link set cx1 down"));
            assert_eq!(drain(&mut *rig.source), []);
            rig.source.wait(Nanos::from_millis(5)).unwrap();
            let _ = rig.source.counts();
            assert_eq!(drain(&mut *rig.source), []);
            assert!(ip("link set cx1 up"));
            settle();
            udp::send(&udp::sender("cx0"), &scene.sent);
            let got = take(&mut *rig.source, 1);
            assert_eq!(got.len(), 1, "{kind}");
            assert_eq!(got[0].line, Line::A);
        }
    });
}
