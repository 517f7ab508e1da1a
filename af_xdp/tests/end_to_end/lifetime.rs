//! When the program is on an interface, and when it leaves.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use candor_af_xdp::{Options, ReceiveError, WaitError, open};
use candor_ebpf::{AttachError, AttachMode, LoadOptions, Program};

use crate::veth::frames::Datagram;
use crate::veth::{Veth, eventually, inside, ip, pause};

const CHILD: &str = "CDX_ATTACHING_CHILD";

#[test]
fn dropping_the_attachment_takes_the_program_off() {
    let test = "dropping_the_attachment_takes_the_program_off";
    let Some(veth) = Veth::new(test, 1, 1500) else { return };
    let program = Program::load(LoadOptions { sockets: 1, endpoints: 1 }).unwrap();
    let ifindex = veth.ifindex();
    for (mode, shown) in [(AttachMode::Native, " xdp "), (AttachMode::Generic, " xdpgeneric ")] {
        let attachment = veth.receiving(|| program.attach(ifindex, mode)).unwrap();
        assert!(attachment.is_attached());
        assert_eq!((attachment.mode(), attachment.ifindex()), (mode, ifindex));
        assert!(veth.link().contains(shown), "{}", veth.link());
        let second = veth.receiving(|| program.attach(ifindex, mode));
        assert!(matches!(second, Err(AttachError::Occupied { .. })), "{second:?}");
        drop(attachment);
        // A child that another test starts at this instant holds a copy until it is another program.
        let left = (0..50).all(|_| {
            pause(Duration::from_millis(10));
            veth.link().contains("xdp")
        });
        assert!(!left, "{}", veth.link());
    }
}

#[test]
fn a_removed_interface_is_noticed() {
    let Some(veth) = Veth::new("a_removed_interface_is_noticed", 1, 1500) else { return };
    let mut receiver = veth.receiver(AttachMode::Native, Options::new(veth.ifindex(), vec![0]));
    assert!(receiver.attachment.is_attached());
    receiver.queues[0].check().unwrap();
    assert!(!receiver.queues[0].wait(Duration::from_millis(1)).unwrap());
    ip(&format!("-n {} link set vrx down", veth.receiving));
    receiver.queues[0].check().unwrap();
    assert!(!receiver.queues[0].wait(Duration::from_millis(1)).unwrap());
    ip(&format!("-n {} link set vrx up", veth.receiving));
    receiver.queues[0].check().unwrap();
    // It goes on as if nothing had happened.
    receiver.program.set_endpoint([239, 1, 1, 1], 5, None, 7, 0).unwrap();
    let sender = veth.sender();
    eventually("the link", || veth.link().contains("LOWER_UP").then_some(()));
    sender.send(&Datagram::to([239, 1, 1, 1], 5).frame(b"again"));
    assert_eq!(receiver.expect(1)[0].partition, 7);
    ip(&format!("-n {} link delete vrx", veth.receiving));
    assert!(!receiver.attachment.is_attached());
    let queue = &mut receiver.queues[0];
    for _ in 0..2 {
        assert!(matches!(queue.wait(Duration::from_millis(1)), Err(WaitError::InterfaceDown)));
        assert!(matches!(queue.check(), Err(ReceiveError::InterfaceGone)));
    }
    assert_eq!(queue.receive(1, |_| ()).unwrap().frames, 0);
}

#[test]
fn a_link_forced_off_is_noticed() {
    let Some(veth) = Veth::new("a_link_forced_off_is_noticed", 1, 1500) else { return };
    let program = Program::load(LoadOptions { sockets: 1, endpoints: 1 }).unwrap();
    let ifindex = veth.ifindex();
    let attachment = veth.receiving(|| program.attach(ifindex, AttachMode::Native)).unwrap();
    // What `bpftool link detach` does.
    attachment.detach().unwrap();
    assert!(!attachment.is_attached());
    assert!(!veth.link().contains("xdp"));
}

#[test]
#[ignore = "run by a_killed_process_takes_the_program_with_it"]
fn child_that_attaches() {
    let namespace = std::env::var(CHILD).unwrap();
    inside(&namespace, || {
        let ifindex = candor_af_xdp::probe::interface("vrx").unwrap().ifindex;
        let program = Program::load(LoadOptions { sockets: 1, endpoints: 1 }).unwrap();
        let attachment = program.attach(ifindex, AttachMode::Native).unwrap();
        let opened = open(&Options::new(ifindex, vec![0])).unwrap();
        println!("\nattached");
        loop {
            pause(Duration::from_secs(60));
            assert!(attachment.is_attached());
            opened.queues[0].check().unwrap();
        }
    });
}

#[test]
fn a_killed_process_takes_the_program_with_it() {
    let test = "a_killed_process_takes_the_program_with_it";
    let Some(veth) = Veth::new(test, 1, 1500) else { return };
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "lifetime::child_that_attaches"])
        .env(CHILD, &veth.receiving)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let attached = lines.map_while(Result::ok).any(|line| line == "attached");
    assert!(attached, "the child failed");
    assert!(veth.link().contains(" xdp "));
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    eventually("the program to leave", || (!veth.link().contains("xdp")).then_some(()));
    // And the queue is free again, once the kernel has got round to it.
    let opened = veth.receiving(|| open(&Options::new(veth.ifindex(), vec![0])));
    opened.unwrap();
}
