//! What can't be had, and what is said about it.

use std::time::Duration;

use candor_af_xdp::{
    BindMode, BusyPoll, HugePages, OpenError, Options, Polling, SendError, open, probe,
};
use candor_ebpf::AttachMode;

use crate::veth::{Veth, inside};

fn small(veth: &Veth) -> Options {
    Options {
        receive_frames: 64,
        huge_pages: HugePages::No,
        ..Options::new(veth.ifindex(), vec![0])
    }
}

#[test]
fn zero_copy_is_refused_by_name() {
    let Some(veth) = Veth::new("zero_copy_is_refused_by_name", 1, 1500) else { return };
    let options = Options { mode: BindMode::ZeroCopy, ..small(&veth) };
    let error = veth.receiving(|| open(&options)).unwrap_err();
    assert!(matches!(error, OpenError::NoZeroCopy { queue: 0, .. }), "{error:?}");
    let error = veth.receiving(|| probe::zero_copy_binds(veth.ifindex(), 0, false)).unwrap_err();
    assert!(matches!(error, OpenError::NoZeroCopy { queue: 0, .. }), "{error:?}");
}

#[test]
fn a_busy_queue_is_waited_for_within_the_bound() {
    let Some(veth) = Veth::new("a_busy_queue_is_waited_for_within_the_bound", 1, 1500) else {
        return;
    };
    let options = small(&veth);
    veth.receiving(|| {
        let first = open(&options).unwrap();
        assert_eq!(first.report.bind_attempts, 1);
        let impatient = Options { bind_within: Duration::ZERO, ..options.clone() };
        let error = open(&impatient).unwrap_err();
        assert!(matches!(error, OpenError::Busy { queue: 0, attempts: 1 }), "{error:?}");
        let patient = Options { bind_within: Duration::from_millis(50), ..options.clone() };
        let error = open(&patient).unwrap_err();
        assert!(matches!(error, OpenError::Busy { queue: 0, attempts: 11 }), "{error:?}");
        drop(first);
        // Closing is asynchronous: at once it is usually still busy, and within the bound it is
        // not.
        for _ in 0..5 {
            let again = open(&options).unwrap();
            println!("bound after {} attempts", again.report.bind_attempts);
        }
    });
}

#[test]
fn queues_and_interfaces_that_are_not_there() {
    let Some(veth) = Veth::new("queues_and_interfaces_that_are_not_there", 2, 1500) else { return };
    veth.receiving(|| {
        let error = open(&Options { queues: vec![1, 2], ..small(&veth) }).unwrap_err();
        assert!(matches!(error, OpenError::Invalid { queue: 2 }), "{error:?}");
        let error = open(&Options { ifindex: 99_999, ..small(&veth) }).unwrap_err();
        assert!(matches!(error, OpenError::NoInterface { ifindex: 99_999 }), "{error:?}");
        let error = probe::interface("nothere").unwrap_err();
        assert!(matches!(error, probe::ProbeError::NoInterface(_)), "{error:?}");
        let error = probe::interface("a-name-that-is-far-too-long").unwrap_err();
        assert!(matches!(error, probe::ProbeError::NoInterface(_)), "{error:?}");
    });
}

#[test]
fn options_that_contradict_themselves() {
    let good = Options::new(1, vec![0]);
    for bad in [
        Options { queues: vec![], ..good.clone() },
        Options { queues: vec![0, 1, 0], ..good.clone() },
        Options { frame_size: 3000, ..good.clone() },
        Options { receive_frames: 32, ..good.clone() },
        Options { receive_frames: 100, ..good.clone() },
        Options { receive_frames: 1 << 31, ..good.clone() },
        Options { transmit_frames: 100, ..good.clone() },
    ] {
        assert!(matches!(open(&bad), Err(OpenError::Options(_))), "{bad:?}");
    }
}

#[test]
fn busy_polling_is_left_off_without_zero_copy_and_says_so() {
    let test = "busy_polling_is_left_off_without_zero_copy_and_says_so";
    let Some(veth) = Veth::new(test, 1, 1500) else { return };
    let busy_poll = Some(BusyPoll { micros: 20, budget: 64 });
    let options = Options { busy_poll, ..small(&veth) };
    let report = veth.receiving(|| open(&options)).unwrap().report;
    assert_eq!(report.polling, Polling::NotZeroCopy);
    assert!(report.to_string().contains("copy, 256 KiB on ordinary pages, no busy polling"));
}

#[test]
fn what_cannot_be_sent() {
    let Some(veth) = Veth::new("what_cannot_be_sent", 1, 1500) else { return };
    let mut receive_only = veth.receiving(|| open(&small(&veth))).unwrap();
    assert!(matches!(receive_only.queues[0].send(&[0; 60]), Err(SendError::Full)));
    receive_only.queues[0].flush().unwrap();
    let mut opened = inside(&veth.sending, || {
        let ifindex = probe::interface("vtx").unwrap().ifindex;
        open(&Options { ifindex, transmit_frames: 4, ..small(&veth) }).unwrap()
    });
    let queue = &mut opened.queues[0];
    assert!(matches!(queue.send(&[0; 4097]), Err(SendError::TooLong { bytes: 4097 })));
    for _ in 0..4 {
        queue.send(&[0; 60]).unwrap();
    }
    assert!(matches!(queue.send(&[0; 60]), Err(SendError::Full)));
    queue.flush().unwrap();
    queue.send(&[0; 60]).unwrap();
}

#[test]
fn an_interface_can_be_looked_at() {
    let Some(veth) = Veth::new("an_interface_can_be_looked_at", 4, 1400) else { return };
    let found = veth.receiving(|| probe::interface("vrx")).unwrap();
    assert_eq!(found.ifindex, veth.ifindex());
    assert_eq!(found.driver.as_deref(), Some("veth"));
    assert_eq!((found.mtu, found.up, found.carrier), (1400, true, true));
    assert_eq!(found.receive_queues(), Some(4));
    println!("{found:?}");
    veth.receiving(|| probe::native_attaches(found.ifindex)).unwrap();
    let taken = veth.receiving(|| {
        let program =
            candor_ebpf::Program::load(candor_ebpf::LoadOptions { sockets: 1, endpoints: 1 });
        let _attachment = program.unwrap().attach(found.ifindex, AttachMode::Native).unwrap();
        probe::native_attaches(found.ifindex)
    });
    assert!(matches!(taken, Err(probe::TrialError::Attach(_))), "{taken:?}");
}
