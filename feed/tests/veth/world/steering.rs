//! What a card's flow rules do, on a veth pair: each group's frames to a queue of their own. The kernel
//! lets a program at the sender's egress choose: a frame arrives on the queue it was sent on.

use std::ffi::c_char;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::ptr;

use libbpf_rs::libbpf_sys::{self, bpf_insn};
use libbpf_rs::{TC_EGRESS, TcHookBuilder};

use super::namespaces::inside;

/// Where the destination stands in a frame without tags, and `queue_mapping` in the program's view of
/// it: linux/bpf.h.
const DESTINATION: i32 = 14 + 16;
const QUEUE_MAPPING: i16 = 12;

/// The helper that sends a frame out of another interface: linux/bpf.h.
const REDIRECT: i32 = 23;

/// Sends these groups' frames out of this interface on these queues from now on, and all others as the
/// kernel likes.
pub fn steer(namespace: &str, interface: &str, rules: &[(Ipv4Addr, u32)]) {
    at_egress(namespace, interface, &instructions(rules));
}

/// Sends these groups' frames out of another interface from now on.
pub fn redirect(namespace: &str, interface: &str, (groups, other): (&[Ipv4Addr], &str)) {
    let index = inside(namespace, || candor_af_xdp::probe::interface(other).unwrap().ifindex);
    let mut all = vec![instruction(0x20, 0, 0, 0, DESTINATION)]; // r0 = the destination
    all.insert(0, instruction(0xbf, 6, 1, 0, 0)); // r6 = r1, which the load wants
    for group in groups {
        all.extend([
            instruction(0x56, 0, 0, 4, u32::from(*group).cast_signed()), // if w0 != group goto +4
            instruction(0xb7, 1, 0, 0, index.cast_signed()),             // r1 = the interface
            instruction(0xb7, 2, 0, 0, 0),                               // r2 = out of it
            instruction(0x85, 0, 0, 0, REDIRECT),                        // r0 = redirect(r1, r2)
            instruction(0x95, 0, 0, 0, 0),                               // return r0
        ]);
    }
    all.extend([instruction(0xb7, 0, 0, 0, 0), instruction(0x95, 0, 0, 0, 0)]); // return 0
    at_egress(namespace, interface, &all);
}

fn at_egress(namespace: &str, interface: &str, instructions: &[bpf_insn]) {
    let program = load(instructions);
    inside(namespace, || {
        let ifindex = candor_af_xdp::probe::interface(interface).unwrap().ifindex;
        let mut builder = TcHookBuilder::new(program.as_fd());
        builder.ifindex(ifindex.try_into().unwrap()).replace(true).handle(1).priority(1);
        let mut hook = builder.hook(TC_EGRESS);
        // That it is there already is no error.
        let _ = hook.create();
        hook.attach().unwrap();
    });
}

fn instructions(rules: &[(Ipv4Addr, u32)]) -> Vec<bpf_insn> {
    let mut all = vec![
        instruction(0xbf, 6, 1, 0, 0),           // r6 = r1
        instruction(0x20, 0, 0, 0, DESTINATION), // r0 = the destination
    ];
    for (group, queue) in rules {
        let group = u32::from(*group).cast_signed();
        // The kernel takes a mapping that is set for a recorded queue, counted from 1.
        let queue = queue.cast_signed() + 1;
        all.extend([
            instruction(0x56, 0, 0, 2, group),         // if w0 != group goto +2
            instruction(0xb7, 1, 0, 0, queue),         // r1 = queue
            instruction(0x63, 6, 1, QUEUE_MAPPING, 0), // queue_mapping = r1
        ]);
    }
    all.extend([instruction(0xb7, 0, 0, 0, 0), instruction(0x95, 0, 0, 0, 0)]); // return 0
    all
}

fn instruction(code: u8, destination: u8, source: u8, off: i16, imm: i32) -> bpf_insn {
    let mut instruction = bpf_insn { code, off, imm, ..bpf_insn::default() };
    instruction.set_dst_reg(destination);
    instruction.set_src_reg(source);
    instruction
}

fn load(instructions: &[bpf_insn]) -> OwnedFd {
    let text = |text: &'static std::ffi::CStr| text.as_ptr().cast::<c_char>();
    // SAFETY: both texts end in a zero byte and are static, the instructions are as many as said, and
    // no options are given; libbpf keeps none of the pointers.
    let fd = unsafe {
        libbpf_sys::bpf_prog_load(
            libbpf_sys::BPF_PROG_TYPE_SCHED_CLS,
            text(c"steer"),
            text(c"Apache-2.0"),
            instructions.as_ptr(),
            instructions.len().try_into().unwrap(),
            ptr::null_mut(),
        )
    };
    assert!(fd >= 0, "the steering program: {}", std::io::Error::from_raw_os_error(-fd));
    // SAFETY: the descriptor is new and nobody else's.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
