//! Ordinary sockets, over multicast on the loopback interface.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;

use candor::exit::Exit;
use candor::interface;
use candor::join::Joins;
use candor::source::Source;
use candor::source::udp::Udp;
use candor_core::Line;
use rustix::net::sockopt;

use crate::scene::{Rig, Scene, Sent, line, take};
use crate::suite;

const BUFFER: u32 = 100_000;

/// A socket that sends multicast by this interface.
pub fn sender(interface_name: &str) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let index = interface::index(interface_name).unwrap();
    let any = Ipv4Addr::UNSPECIFIED;
    sockopt::set_ip_multicast_if_with_ifindex(&socket, &any, &any, index).unwrap();
    socket
}

pub fn send(socket: &UdpSocket, sent: &[Sent]) {
    for Sent { group, port, payload } in sent {
        socket.send_to(payload, SocketAddrV4::new(*group, *port)).unwrap();
    }
}

fn open(scene: &Scene) -> (Udp, Joins) {
    let lines = scene.lines.iter().map(|(partition, line, config)| (*partition, *line, config));
    Udp::with_lines(lines, scene.batch, BUFFER).unwrap()
}

fn make(scene: &Scene) -> Rig {
    let (udp, joins) = open(scene);
    send(&sender("lo"), &scene.sent);
    Rig { source: Box::new(udp), keep: Box::new(joins), host_clock: true }
}

/// Tests of one process would hear each other's groups.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn udp_is_a_source() {
    let _alone = alone();
    suite::run(&make, "lo");
}

#[test]
fn a_datagram_too_long_is_counted_and_hurts_no_other() {
    let _alone = alone();
    let mut scene = Scene::new("lo");
    scene.send([239, 77, 1, 1], 26401, b"before");
    scene.send([239, 77, 1, 1], 26401, &[1; 9_216]);
    scene.send([239, 77, 1, 1], 26401, &[2; 9_217]);
    scene.send([239, 77, 1, 1], 26401, b"behind");
    let mut rig = make(&scene);
    let got = take(&mut *rig.source, 3);
    let lens: Vec<usize> = got.iter().map(|got| got.payload.len()).collect();
    assert_eq!(lens, [6, 9_216, 6]);
    assert_eq!(rig.source.counts().too_long, 1);
    assert_eq!(rig.source.counts().dropped(), 1);
}

#[test]
fn what_a_full_receive_buffer_drops_is_counted_exactly() {
    let _alone = alone();
    let scene = Scene::new("lo");
    let (mut udp, _joins) = open(&scene);
    let socket = sender("lo");
    let many: Vec<Sent> = (0..2_000u32)
        .map(|n| Sent {
            group: [239, 77, 1, 1].into(),
            port: 26401,
            payload: n.to_be_bytes().to_vec(),
        })
        .collect();
    send(&socket, &many);
    let got = take(&mut udp, many.len());
    assert!(got.len() < many.len(), "the buffer must overflow for this test to mean anything");
    assert_eq!(got[0].payload, 0u32.to_be_bytes());
    let dropped = (many.len() - got.len()) as u64;
    assert_eq!(udp.counts().rx_ring_full, dropped);
    // Nothing is counted twice, neither by asking again nor by what comes behind.
    send(&socket, &many[..1]);
    assert_eq!(take(&mut udp, 1).len(), 1);
    assert_eq!(udp.counts().rx_ring_full, dropped);
    assert_eq!(udp.counts().dropped(), dropped);
}

/// The last datagram before a quiet time, lost: nothing comes behind it that could tell.
#[test]
fn a_drop_is_counted_though_nothing_more_comes() {
    let _alone = alone();
    let scene = Scene::new("lo");
    let (mut udp, _joins) = open(&scene);
    let socket = sender("lo");
    let mut one = Scene::new("lo");
    one.send([239, 77, 1, 2], 26401, &[7; 1_000]);
    // Drops are known when they happen, to the very datagram, with nothing polled and nothing more
    // on its way.
    let mut sent = 0u64;
    while udp.counts().dropped() == 0 {
        send(&socket, &one.sent);
        sent += 1;
        assert!(sent < 2_000, "the buffer must overflow for this test to mean anything");
    }
    let fitted = sent - 1;
    assert_eq!(udp.counts().rx_ring_full, 1);
    for more in 2..5 {
        send(&socket, &one.sent);
        assert_eq!(udp.counts().rx_ring_full, more);
    }
    // Another socket of the lane counts for itself, and they add up.
    let mut other = Scene::new("lo");
    other.send([239, 77, 1, 1], 26402, b"another line");
    send(&socket, &other.sent);
    assert_eq!(udp.counts().rx_ring_full, 4);
    assert_eq!(take(&mut udp, 2_000).len() as u64, fitted + 1);
    assert_eq!(udp.counts().dropped(), 4);
}

#[test]
fn only_the_sender_that_was_named_is_heard() {
    let _alone = alone();
    let mut scene = Scene::new("lo");
    scene.send([239, 77, 1, 1], 26401, b"from ourselves");
    let source = sender("lo");
    // The address the kernel sends from on lo.
    let here = Ipv4Addr::LOCALHOST;
    let named = UdpSocket::bind((here, 0)).unwrap();
    let index = interface::index("lo").unwrap();
    let any = Ipv4Addr::UNSPECIFIED;
    sockopt::set_ip_multicast_if_with_ifindex(&named, &any, &any, index).unwrap();
    drop(source);
    for (from, heard) in [(here, 1), (Ipv4Addr::new(10, 255, 1, 1), 0)] {
        for (_, _, line) in &mut scene.lines {
            line.source = Some(from);
        }
        let (mut udp, _joins) = open(&scene);
        send(&named, &scene.sent);
        assert_eq!(take(&mut udp, heard.max(1)).len(), heard, "{from}");
    }
}

#[test]
fn an_absent_interface_is_named_with_those_present() {
    let config = line([239, 77, 1, 9], 26409, "nosuch0");
    let failure = Udp::with_lines([(0, Line::A, &config)], 1, BUFFER).err().unwrap();
    assert_eq!(failure.exit, Exit::Config);
    let message = &failure.message;
    assert!(message.starts_with("there is no interface nosuch0 on this host; present are: "));
    assert!(message.contains("lo"), "{message}");
}

#[test]
fn a_group_that_is_none_is_refused_by_name() {
    let config = line([10, 1, 1, 1], 26409, "lo");
    let failure = Joins::open([(0, Line::A, &config)]).unwrap_err();
    assert!(failure.message.starts_with("can't join 10.1.1.1 on lo: "), "{}", failure.message);
}

/// The groups this process's network namespace is a member of on `lo`, by the kernel's own list.
fn memberships() -> String {
    std::fs::read_to_string("/proc/thread-self/net/igmp").unwrap()
}

fn is_member(group: Ipv4Addr) -> bool {
    memberships().contains(&format!("{:08X}", u32::from_ne_bytes(group.octets())))
}

#[test]
fn more_groups_than_a_socket_can_join_are_joined_and_left() {
    let groups: Vec<_> = (0..50).map(|n| line([239, 78, 0, n], 26401, "lo")).collect();
    let lines = (0u16..).zip(&groups).map(|(partition, config)| (partition, Line::A, config));
    let mut joins = Joins::open(lines).unwrap();
    assert_eq!(joins.members().len(), 50);
    assert!(groups.iter().all(|config| is_member(config.group)));
    assert_eq!(joins.renew(17, |_| true).unwrap(), 1);
    assert_eq!(joins.renew(99, |_| false).unwrap(), 0);
    assert!(groups.iter().all(|config| is_member(config.group)));
    // Another port of a group that is joined.
    joins.add(50, Line::B, &line([239, 78, 0, 3], 26499, "lo")).unwrap();
    assert_eq!(joins.renew(50, |_| false).unwrap(), 1);
    // It comes to the one, and the other's silence has another cause.
    assert_eq!(joins.renew(50, |other| other == 3).unwrap(), 0);
    drop(joins);
    assert!(!groups.iter().any(|config| is_member(config.group)));
}

#[test]
fn entering_that_fails_leaves_what_was_joined_before_and_nothing_else() {
    let groups: Vec<_> = (0..2).map(|n| line([239, 78, 2, n], 26401, "lo")).collect();
    let of = |at: usize| is_member(groups[at].group);
    let mut joins = Joins::open([(0, Line::A, &groups[0])]).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    joins.adopt(0, Line::B, &groups[1], socket.as_fd(), false).unwrap();
    // No group: to join it is refused, and it comes behind the one that can be joined.
    let none = line([10, 1, 1, 1], 26401, "lo");
    joins.adopt(0, Line::C, &none, socket.as_fd(), false).unwrap();
    let failure = joins.enter(0).unwrap_err();
    assert!(failure.message.starts_with("can't join 10.1.1.1 on lo: "), "{}", failure.message);
    assert_eq!((of(0), of(1)), (true, false));
    assert!(joins.holds(0));
    assert!(joins.leave(0));
    assert_eq!((of(0), of(1), joins.holds(0)), (false, false, false));
    assert!(!joins.leave(0));
}

#[test]
fn the_memberships_of_receiving_sockets_can_be_renewed() {
    let config = line([239, 78, 1, 1], 26477, "lo");
    let (mut udp, mut joins) = Udp::with_lines([(3, Line::A, &config)], 4, BUFFER).unwrap();
    assert!(is_member(config.group));
    assert_eq!(joins.renew(3, |_| false).unwrap(), 1);
    assert!(is_member(config.group));
    let sent = Sent { group: config.group, port: config.port, payload: b"after".to_vec() };
    send(&sender("lo"), &[sent]);
    assert_eq!(take(&mut udp, 1).len(), 1);
}

#[test]
fn a_receive_buffer_the_kernel_refuses_is_named_with_its_limit() {
    let config = line([239, 78, 1, 2], 26478, "lo");
    // Root may have any size; the limit is for everybody else.
    if rustix::process::geteuid().is_root() {
        println!("skipped: a_receive_buffer_the_kernel_refuses: running as root");
        return;
    }
    let failure = Udp::with_lines([(0, Line::A, &config)], 1, 1 << 30).err().unwrap();
    assert_eq!(failure.exit, Exit::Privilege);
    assert!(failure.message.contains("net.core.rmem_max"), "{}", failure.message);
}
