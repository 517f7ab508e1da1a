//! The loaded program and its maps.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use libbpf_rs::{
    ErrorKind, MapCore, MapFlags, MapHandle, Object, ObjectBuilder, PrintLevel, ProgramInput,
};

use crate::attach::{AttachMode, Attachment};
use crate::error::{AttachError, LoadError, MapError};
use crate::layout::{Destination, Endpoint, Other, ProgramCounters, SENDERS, Seen, Sender};
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

/// What was seen on the wire to one group and port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Traffic {
    /// The group.
    pub group: [u8; 4],
    /// The UDP port.
    pub port: u16,
    /// Frames.
    pub packets: u64,
    /// Bytes of whole frames.
    pub bytes: u64,
    /// When the last one came: nanoseconds of `CLOCK_BOOTTIME`.
    pub last_ns: u64,
}

/// Somebody who sends to an endpoint and isn't named there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OtherSource {
    /// The sender's address.
    pub source: [u8; 4],
    /// What was seen of it, with the group and port it sends to.
    pub seen: Traffic,
}

/// The loaded program: not yet on any interface, or on several.
#[derive(Debug)]
pub struct Program {
    object: Object,
    xdp: OwnedFd,
    endpoints: MapHandle,
    sockets: MapHandle,
    unmapped: MapHandle,
    others: MapHandle,
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
            others: map(&object, "others")?,
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

    /// Names a group and port, from one sender or from any: the frames go to the socket of their
    /// queue as this partition and line. Takes effect at once; naming it again changes partition and
    /// line. Where senders are named, what others send to the group and port is passed to the host
    /// and counted as `other_source`.
    ///
    /// # Errors
    /// When the group is none, or the map is full; when the group and port has [`SENDERS`] senders
    /// already, or is named from any sender and now from one, or the other way round.
    pub fn set_endpoint(
        &mut self,
        group: [u8; 4],
        port: u16,
        source: Option<[u8; 4]>,
        partition: u16,
        line: u8,
    ) -> Result<(), MapError> {
        if group[0] >> 4 != 0xe || group[..3] == [224, 0, 0] {
            return Err(MapError::NotAGroup { group });
        }
        let endpoint = Endpoint::new(group, port);
        let key = endpoint.to_bytes();
        let source = source.unwrap_or([0; 4]);
        let mut destination = self.destination(&key)?;
        if destination.excludes(source) {
            return Err(MapError::AnyAndOne { group, port });
        }
        if !destination.set(Sender { source, partition, line, used: 1 }) {
            return Err(MapError::Senders { group, port, senders: SENDERS });
        }
        self.name(&key, destination)?;
        // From here on the endpoint is named: what was seen of it before is no longer news.
        forget(&self.unmapped, &key)?;
        forget(&self.others, &Other { to: endpoint, source }.to_bytes())
    }

    /// Unnames a group and port from one sender or from any, as it was named. Once nobody is named
    /// any more its frames are passed to the host and counted as unmapped. Doing so to one that
    /// isn't named is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn clear_endpoint(
        &mut self,
        group: [u8; 4],
        port: u16,
        source: Option<[u8; 4]>,
    ) -> Result<(), MapError> {
        let key = Endpoint::new(group, port).to_bytes();
        let mut destination = self.destination(&key)?;
        destination.clear(source.unwrap_or([0; 4]));
        match destination.is_empty() {
            true => forget(&self.endpoints, &key),
            false => self.name(&key, destination),
        }
    }

    /// Who is named for an endpoint now. Nobody else writes the map.
    fn destination(&self, key: &[u8]) -> Result<Destination, MapError> {
        let value = self.endpoints.lookup(key, MapFlags::ANY)?;
        Ok(value.map_or(Destination::default(), |bytes| Destination::from_bytes(&bytes)))
    }

    fn name(&self, key: &[u8], destination: Destination) -> Result<(), MapError> {
        let updated = self.endpoints.update(key, &destination.to_bytes(), MapFlags::ANY);
        updated.map_err(|error| match error.kind() {
            ErrorKind::TooBig => MapError::Full { endpoints: self.endpoints.max_entries() },
            _ => MapError::Other(error),
        })
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
    pub fn unmapped(&self) -> Result<Vec<Traffic>, MapError> {
        let mut found = Vec::new();
        for key in self.unmapped.keys() {
            let Some(endpoint) = Endpoint::from_bytes(&key) else { continue };
            found.extend(seen(&self.unmapped, &key, endpoint)?);
        }
        found.sort_unstable_by_key(|unmapped| (unmapped.group, unmapped.port));
        // A walk that meets an eviction may start over and find a key twice.
        found.dedup_by_key(|unmapped| (unmapped.group, unmapped.port));
        Ok(found)
    }

    /// Who sends to a named group and port without being named there, in order of group, port and
    /// sender. At most about a thousand, as [`Program::unmapped`].
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn other_sources(&self) -> Result<Vec<OtherSource>, MapError> {
        let mut found = Vec::new();
        for key in self.others.keys() {
            let Some(Other { to, source }) = Other::from_bytes(&key) else { continue };
            let seen = seen(&self.others, &key, to)?;
            found.extend(seen.map(|seen| OtherSource { source, seen }));
        }
        found.sort_unstable_by_key(|other| (other.seen.group, other.seen.port, other.source));
        found.dedup_by_key(|other| (other.seen.group, other.seen.port, other.source));
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

/// What a map says of an endpoint; `None` where the entry was evicted since its key was found.
fn seen(map: &MapHandle, key: &[u8], endpoint: Endpoint) -> Result<Option<Traffic>, MapError> {
    let value = map.lookup(key, MapFlags::ANY)?;
    Ok(value.and_then(|value| Seen::from_bytes(&value)).map(|seen| Traffic {
        group: endpoint.group,
        port: u16::from_be_bytes(endpoint.port),
        packets: seen.packets,
        bytes: seen.bytes,
        last_ns: seen.last_ns,
    }))
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
