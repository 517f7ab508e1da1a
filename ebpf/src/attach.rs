//! Attaching by a bpf link: the kernel takes the program off when the last descriptor of the link
//! is closed, which the end of a process does however it ends.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libbpf_rs::libbpf_sys;
use libbpf_rs::query::{LinkInfo, LinkTypeInfo};

use crate::error::AttachError;

/// Where in the receive path the program runs. There is no falling back from one to the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttachMode {
    /// In the driver, before the kernel makes a packet buffer.
    Native,
    /// In the network stack, after it has: works with every driver, at the cost of a copy.
    Generic,
}

impl AttachMode {
    /// The mode's name in configuration and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            AttachMode::Native => "native",
            AttachMode::Generic => "generic",
        }
    }
}

/// The program on an interface. Dropping it takes the program off.
#[derive(Debug)]
pub struct Attachment {
    link: OwnedFd,
    ifindex: u32,
    mode: AttachMode,
}

impl Attachment {
    pub(crate) fn new(
        program: BorrowedFd<'_>,
        ifindex: u32,
        mode: AttachMode,
    ) -> Result<Attachment, AttachError> {
        let flags = match mode {
            AttachMode::Native => libbpf_sys::XDP_FLAGS_DRV_MODE,
            AttachMode::Generic => libbpf_sys::XDP_FLAGS_SKB_MODE,
        };
        let options = libbpf_sys::bpf_link_create_opts {
            sz: size_of::<libbpf_sys::bpf_link_create_opts>() as libbpf_sys::size_t,
            flags,
            ..Default::default()
        };
        let Ok(target) = i32::try_from(ifindex) else {
            return Err(AttachError::NoInterface { ifindex });
        };
        // SAFETY: `program` is open for the call, and `options` is a whole structure of the size it
        // states, zero but for the flags, which libbpf only reads.
        let link = unsafe {
            libbpf_sys::bpf_link_create(
                program.as_raw_fd(),
                target,
                libbpf_sys::BPF_XDP,
                &raw const options,
            )
        };
        if link < 0 {
            return Err(explain(io::Error::from_raw_os_error(-link), ifindex, mode));
        }
        // SAFETY: bpf_link_create returned a new descriptor that nobody else owns.
        let link = unsafe { OwnedFd::from_raw_fd(link) };
        Ok(Attachment { link, ifindex, mode })
    }

    /// Whether the program is still on the interface. Another tool may have forced the link off,
    /// and a removed interface leaves it hanging.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        match LinkInfo::from_fd(self.link.as_fd()) {
            Ok(LinkInfo { info: LinkTypeInfo::Xdp(xdp), .. }) => xdp.ifindex == self.ifindex,
            _ => false,
        }
    }

    /// Forces the program off while the attachment is kept, as another tool can do to it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn detach(&self) -> io::Result<()> {
        // SAFETY: takes an open descriptor.
        let result = unsafe { libbpf_sys::bpf_link_detach(self.link.as_raw_fd()) };
        if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-result)) }
    }

    /// The mode the program was attached in.
    #[must_use]
    pub const fn mode(&self) -> AttachMode {
        self.mode
    }

    /// The interface it was attached to.
    #[must_use]
    pub const fn ifindex(&self) -> u32 {
        self.ifindex
    }
}

/// The kernel's own "not supported", which has no name in the C library.
const ENOTSUPP: i32 = 524;

fn explain(source: io::Error, ifindex: u32, mode: AttachMode) -> AttachError {
    match (source.raw_os_error().unwrap_or(0), mode) {
        (libc::EPERM | libc::EACCES, _) => AttachError::NotPermitted,
        (libc::EBUSY | libc::EEXIST, _) => AttachError::Occupied { ifindex },
        (libc::ENODEV, _) => AttachError::NoInterface { ifindex },
        // The kernel's answer to an index it doesn't know, among other things.
        (libc::EINVAL, _) if !exists(ifindex) => AttachError::NoInterface { ifindex },
        (libc::EOPNOTSUPP | ENOTSUPP, AttachMode::Native) => AttachError::NoNative { ifindex },
        (libc::EINVAL | libc::ERANGE | libc::ENOSPC | libc::ENOMEM, AttachMode::Native) => {
            AttachError::Setup { ifindex, source }
        }
        _ => AttachError::Other { ifindex, source },
    }
}

fn exists(ifindex: u32) -> bool {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the IF_NAMESIZE bytes the call may write.
    !unsafe { libc::if_indextoname(ifindex, name.as_mut_ptr()) }.is_null()
}
