//! The loaded program and its maps.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use libbpf_rs::{
    ErrorKind, MapCore, MapFlags, MapHandle, Object, ObjectBuilder, PrintLevel, ProgramInput,
};

use crate::attach::{AttachMode, Attachment};
use crate::error::{AttachError, LoadError, MapError};
use crate::layout::{Destination, Endpoint, ProgramCounters, Seen};
use crate::object::OBJECT;

/// The program's function in the object.
const NAME: &str = "candor";

/// How large the program's maps are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoadOptions {
    /// Queues that may get a socket: one more than the highest queue number.
    pub sockets: u32,
    /// Groups and ports that may be named at once.
    pub endpoints: u32,
}

/// Multicast on the wire that no endpoint names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unmapped {
    /// The group.
    pub group: [u8; 4],
    /// The UDP port.
    pub port: u16,
    /// Frames.
    pub packets: u64,
    /// Bytes of whole frames.
    pub bytes: u64,
    /// When the last one came: nanoseconds of `CLOCK_MONOTONIC`.
    pub last_ns: u64,
}

/// The loaded program: not yet on any interface, or on several.
#[derive(Debug)]
pub struct Program {
    object: Object,
    xdp: OwnedFd,
    endpoints: MapHandle,
    sockets: MapHandle,
    unmapped: MapHandle,
    counters: MapHandle,
}

impl Program {
    /// Loads the embedded program into the kernel.
    ///
    /// # Errors
    /// When a privilege or memory is missing, or the kernel refuses the program.
    pub fn load(options: LoadOptions) -> Result<Program, LoadError> {
        let (object, log) = with_libbpf_log(|| load_object(options));
        let object = object.map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => LoadError::NotPermitted,
            ErrorKind::OutOfMemory => LoadError::NoMemory,
            _ => LoadError::Refused { reason: error.to_string(), log },
        })?;
        let xdp = object.progs().find(|program| program.name() == NAME);
        let xdp = xdp.and_then(|program| program.as_fd().try_clone_to_owned().ok());
        Ok(Program {
            xdp: xdp.ok_or(LoadError::Incomplete(NAME))?,
            endpoints: map(&object, "endpoints")?,
            sockets: map(&object, "sockets")?,
            unmapped: map(&object, "unmapped")?,
            counters: map(&object, "counters")?,
            object,
        })
    }

    /// Puts the program on an interface of the calling thread's network namespace, in this mode and
    /// no other.
    ///
    /// # Errors
    /// When the kernel or the driver refuses; each case says what to do.
    pub fn attach(&self, ifindex: u32, mode: AttachMode) -> Result<Attachment, AttachError> {
        Attachment::new(self.xdp.as_fd(), ifindex, mode)
    }

    /// Names a group and port: its frames go to the socket of their queue as this partition and
    /// line. Takes effect at once; naming it again changes its partition and line.
    ///
    /// # Errors
    /// When the group is none, or the map is full.
    pub fn set_endpoint(
        &mut self,
        group: [u8; 4],
        port: u16,
        partition: u16,
        line: u8,
    ) -> Result<(), MapError> {
        if group[0] >> 4 != 0xe || group[..3] == [224, 0, 0] {
            return Err(MapError::NotAGroup { group });
        }
        let key = Endpoint::new(group, port).to_bytes();
        let value = Destination { partition, line, zero: 0 }.to_bytes();
        self.endpoints.update(&key, &value, MapFlags::ANY).map_err(|error| match error.kind() {
            ErrorKind::TooBig => MapError::Full { endpoints: self.endpoints.max_entries() },
            _ => MapError::Other(error),
        })?;
        // From here on the endpoint is named: what was seen of it before is no longer news.
        forget(&self.unmapped, &key)
    }

    /// Unnames a group and port: its frames are passed to the host and counted as unmapped. Doing
    /// so to one that isn't named is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn clear_endpoint(&mut self, group: [u8; 4], port: u16) -> Result<(), MapError> {
        forget(&self.endpoints, &Endpoint::new(group, port).to_bytes())
    }

    /// Puts a bound AF_XDP socket on its queue. The kernel takes it out when the socket closes.
    ///
    /// # Errors
    /// When the queue is beyond what was loaded for, or the descriptor is no AF_XDP socket.
    pub fn set_socket(&mut self, queue: u32, socket: BorrowedFd<'_>) -> Result<(), MapError> {
        let sockets = self.sockets.max_entries();
        if queue >= sockets {
            return Err(MapError::NoSuchQueue { queue, sockets });
        }
        self.sockets
            .update(&queue.to_ne_bytes(), &socket.as_raw_fd().to_ne_bytes(), MapFlags::ANY)
            .map_err(|source| MapError::Socket { queue, source })
    }

    /// Takes the socket off a queue: its frames are passed to the host and counted as `no_socket`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn clear_socket(&mut self, queue: u32) -> Result<(), MapError> {
        forget(&self.sockets, &queue.to_ne_bytes())
    }

    /// Multicast seen on the wire that no endpoint names, in order of group and port. At most about
    /// a thousand: when there are more, those heard least recently are forgotten.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn unmapped(&self) -> Result<Vec<Unmapped>, MapError> {
        let mut found = Vec::new();
        for key in self.unmapped.keys() {
            // An entry may be evicted between finding its key and reading it.
            let Some(value) = self.unmapped.lookup(&key, MapFlags::ANY)? else { continue };
            let (Some(endpoint), Some(seen)) =
                (Endpoint::from_bytes(&key), Seen::from_bytes(&value))
            else {
                continue;
            };
            found.push(Unmapped {
                group: endpoint.group,
                port: u16::from_be_bytes(endpoint.port),
                packets: seen.packets,
                bytes: seen.bytes,
                last_ns: seen.last_ns,
            });
        }
        found.sort_unstable_by_key(|unmapped| (unmapped.group, unmapped.port));
        // A walk that meets an eviction may start over and find a key twice.
        found.dedup_by_key(|unmapped| (unmapped.group, unmapped.port));
        Ok(found)
    }

    /// Has the program treat `frame` as if it had just come on this queue of an interface of the
    /// calling thread's network namespace, `times` over: what it redirects is really delivered,
    /// what it passes really goes up the host's stack. Returns when that is done. For benchmarks
    /// and tests: no sender is as fast. The frame must be shorter than a page less about 600 bytes.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn inject(
        &self,
        ifindex: u32,
        queue: u32,
        frame: &[u8],
        times: u32,
    ) -> Result<(), MapError> {
        // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index,
        // egress_ifindex.
        let words = [0, frame.len() as u32, 0, ifindex, queue, 0];
        let mut context = [0; 24];
        for (bytes, word) in context.chunks_exact_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
        let program = self.object.progs_mut().find(|program| program.name() == NAME);
        let program = program.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
        let program = program.map_err(libbpf_rs::Error::from)?;
        program.test_run(ProgramInput {
            context_in: Some(&mut context),
            data_in: Some(frame),
            flags: libbpf_rs::libbpf_sys::BPF_F_TEST_XDP_LIVE_FRAMES,
            repeat: times,
            ..Default::default()
        })?;
        Ok(())
    }

    /// What became of all frames so far, over all CPUs.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn counters(&self) -> Result<ProgramCounters, MapError> {
        let mut sum = ProgramCounters::default();
        let by_cpu = self.counters.lookup_percpu(&0_u32.to_ne_bytes(), MapFlags::ANY)?;
        for cpu in by_cpu.iter().flatten() {
            // A short value is impossible: the kernel gives what the map was created with.
            sum.add_bytes(cpu);
        }
        Ok(sum)
    }
}

fn load_object(options: LoadOptions) -> libbpf_rs::Result<Object> {
    let mut open = ObjectBuilder::default().name("candor")?.open_memory(OBJECT)?;
    for mut map in open.maps_mut() {
        let entries = match map.name().to_str() {
            Some("endpoints") => options.endpoints.max(1),
            Some("sockets") => options.sockets.max(1),
            _ => continue,
        };
        map.set_max_entries(entries)?;
    }
    open.load()
}

fn map(object: &Object, name: &'static str) -> Result<MapHandle, LoadError> {
    let map = object.maps().find(|map| map.name() == name).ok_or(LoadError::Incomplete(name))?;
    MapHandle::try_from(&map).map_err(|_| LoadError::Incomplete(name))
}

/// Removes an entry that may not be there.
fn forget(map: &MapHandle, key: &[u8]) -> Result<(), MapError> {
    match map.delete(key) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(MapError::Other(error)),
        _ => Ok(()),
    }
}

/// How much of the verifier's log an error carries: its end, where the reason is.
const LOG_BYTES: usize = 2048;

thread_local! {
    static LOG: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `load` with libbpf's warnings collected rather than printed on standard error.
fn with_libbpf_log<T>(load: impl FnOnce() -> T) -> (T, String) {
    fn collect(_: PrintLevel, text: String) {
        LOG.with_borrow_mut(|log| log.push_str(&text));
    }
    LOG.take();
    let before = libbpf_rs::set_print(Some((PrintLevel::Warn, collect)));
    let loaded = load();
    libbpf_rs::set_print(before);
    let mut log = LOG.take();
    let mut cut = log.len().saturating_sub(LOG_BYTES);
    while !log.is_char_boundary(cut) {
        cut += 1;
    }
    (loaded, log.split_off(cut))
}

#[cfg(test)]
mod tests;
