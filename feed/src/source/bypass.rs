//! Setting up kernel bypass: one XDP program for each interface, one socket for each queue of each
//! lane, a membership for each line, and the watch over all of it.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candor_af_xdp::{self as af_xdp, BindMode, BusyPoll, OpenError, Options, Queue};
use candor_core::limits::LINES;
use candor_core::{Line, Nanos};
use candor_ebpf::{
    AttachError, AttachMode, Attachment, LoadError, LoadOptions, MapError, OtherSource, Program,
    ProgramCounters, Traffic,
};

use super::af_xdp::{AfXdp, Bound, Elsewhere, mode_text};
use crate::config::{AfXdpConfig, Config, HugePages, LineConfig, SourceKind, XdpMode};
use crate::exit::Failure;
use crate::join::Joins;
use crate::{clock, interface, privilege};

/// What the lanes' sources need from the process as long as they live, and what only it can see.
/// Belongs to the handler's own thread. Dropping it takes the program off every interface.
pub struct Watch {
    interfaces: Vec<Interface>,
    mode: XdpMode,
    /// What the program had counted before the handler was ready: frames on queues that had no
    /// socket yet are nobody's fault.
    before: ProgramCounters,
    elsewhere: Arc<Elsewhere>,
}

struct Interface {
    name: String,
    ifindex: u32,
    program: Program,
    /// `None` while another tool has taken the program off and it could not be put back, and once the
    /// interface is gone.
    attachment: Option<Attachment>,
    /// It was removed, or is another namespace's: its queues receive nothing any more, whatever comes back.
    /// Said by whoever finds it first, a lane or the handler's own thread.
    gone: Arc<AtomicBool>,
}

impl Interface {
    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

/// Something that happened to an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Incident {
    /// The interface.
    pub interface: String,
    /// Whether the program is on it again.
    pub restored: bool,
    /// What happened, for a person.
    pub text: String,
}

/// A kernel bypass that is set up.
pub struct Opened {
    /// One for each lane, in their order.
    pub lanes: Vec<AfXdp>,
    /// To be kept as long as the lanes run.
    pub watch: Watch,
    /// The memberships of every subscribed line.
    pub joins: Joins,
    /// What was refused on the way down to the mode in force, in words; empty when the mode is the
    /// one configured.
    pub refused: Vec<String>,
}

/// Opens every queue of every lane, in the configured mode or, if allowed, below.
///
/// # Errors
/// Naming what is missing: a capability or limit, an interface, a queue, a mode the driver has not.
/// Nothing stays open then.
pub fn open(config: &Config) -> Result<Opened, Failure> {
    let SourceKind::AfXdp(settings) = config.source.kind else {
        return Err(Failure::config("the configuration's source is not af_xdp"));
    };
    privilege::require(config)?;
    let mut refused = Vec::new();
    for mode in XdpMode::ALL.into_iter().filter(|mode| *mode >= settings.mode) {
        match open_in(config, &settings, mode) {
            Ok(mut opened) => {
                if settings.busy_poll_us.is_some() && mode != XdpMode::ZeroCopy {
                    refused.push(format!("no busy polling: {} has none", mode_text(mode)));
                }
                opened.refused = refused;
                return Ok(opened);
            }
            Err(Refusal::Mode(text)) if settings.allow_fallback => refused.push(text),
            Err(Refusal::Mode(text)) => {
                return Err(Failure::config(format!(
                    "{text}. Configure a mode the driver has, or allow_fallback = true"
                )));
            }
            Err(Refusal::Other(failure)) => return Err(failure),
        }
    }
    Err(Failure::config(format!("no mode is accepted: {}", refused.join("; "))))
}

/// Why a mode is not to be had.
enum Refusal {
    /// This mode; one below may do.
    Mode(String),
    /// Something that no other mode heals.
    Other(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        Refusal::Other(failure)
    }
}

fn open_in(config: &Config, settings: &AfXdpConfig, mode: XdpMode) -> Result<Opened, Refusal> {
    let mut lanes: Vec<Vec<Bound>> = config.lanes.iter().map(|_| Vec::new()).collect();
    let mut interfaces = Vec::new();
    for name in config.interfaces() {
        let mut interface = load(config, name, mode)?;
        for (queues, lane) in lanes.iter_mut().zip(&config.lanes) {
            let opened = bind(&interface, &lane.queues, config, settings, mode)?;
            for queue in opened {
                let program = &mut interface.program;
                program
                    .set_socket(queue.number(), queue.as_fd())
                    .map_err(|error| of_map(&error))?;
                queues.push((queue, Arc::clone(&interface.gone)));
            }
        }
        interfaces.push(interface);
    }
    // Last, so that nothing comes before there is somebody to take it.
    let joins = Joins::open(config.subscribed_lines())?;
    let elsewhere = Arc::new(Elsewhere::default());
    let before = ProgramCounters::default();
    let mut watch = Watch { interfaces, mode, before, elsewhere: Arc::clone(&elsewhere) };
    watch.before = watch.counters()?;
    let lanes = lanes.into_iter().enumerate().map(|(index, queues)| {
        let elsewhere = (index == 0).then(|| Arc::clone(&elsewhere));
        let size = (config.source.batch, config.partitions.len());
        AfXdp::new(queues, (mode, settings.checksums), size, elsewhere)
    });
    Ok(Opened { lanes: lanes.collect(), watch, joins, refused: Vec::new() })
}

/// Loads the program for one interface, names its endpoints, and puts it on.
fn load(config: &Config, name: &str, mode: XdpMode) -> Result<Interface, Refusal> {
    let ifindex = interface::index(name)?;
    let endpoints: Vec<_> =
        config.subscribed_lines().filter(|(_, _, line)| line.interface == name).collect();
    // Room for those too that are subscribed later, or that a map adds or puts elsewhere.
    let lines = config.partitions.iter().flat_map(|partition| partition.lines());
    let own = lines.filter(|(_, line)| line.interface == name).count();
    let spare = config.partitions.iter().filter(|one| one.is_spare()).count() * LINES;
    let room = if config.mapped.is_empty() { own } else { 2 * (own + spare) };
    let sockets = config.lanes.iter().flat_map(|lane| &lane.queues).max().map_or(1, |q| q + 1);
    let options = LoadOptions { sockets, endpoints: u32::try_from(room).unwrap_or(u32::MAX) };
    let mut program = Program::load(options).map_err(|error| match error {
        LoadError::NotPermitted | LoadError::NoMemory => Failure::privilege(error.to_string()),
        _ => Failure::host(error.to_string()),
    })?;
    for (partition, line, at) in endpoints {
        set_endpoint(&mut program, partition, line, at)?;
    }
    let attachment =
        attach(&program, ifindex, mode).map_err(|error| of_attach(&error, name, mode))?;
    let (name, attachment, gone) = (name.to_owned(), Some(attachment), Arc::default());
    Ok(Interface { name, ifindex, program, attachment, gone })
}

fn set_endpoint(
    program: &mut Program,
    partition: u16,
    line: Line,
    at: &LineConfig,
) -> Result<(), Failure> {
    let index = u8::try_from(line.index()).unwrap_or(u8::MAX);
    program
        .set_endpoint(at.group.octets(), at.port, source(at), partition, index)
        .map_err(|error| of_map(&error))
}

fn source(at: &LineConfig) -> Option<[u8; 4]> {
    at.source.map(|source| source.octets())
}

/// Puts the program on, and waits a little for one that is only just leaving: a handler that is
/// replaced takes its program off when the last of its descriptors closes.
fn attach(program: &Program, ifindex: u32, mode: XdpMode) -> Result<Attachment, AttachError> {
    let pause = clock::timespec(Nanos::from_millis(20));
    let mut left = 25;
    // BOUND: half a second of pauses.
    loop {
        match program.attach(ifindex, attach_mode(mode)) {
            Err(AttachError::Occupied { .. }) if left > 0 => {
                left -= 1;
                let _ = rustix::thread::nanosleep(&pause);
            }
            result => return result,
        }
    }
}

fn bind(
    interface: &Interface,
    queues: &[u32],
    config: &Config,
    settings: &AfXdpConfig,
    mode: XdpMode,
) -> Result<Vec<Queue>, Refusal> {
    if queues.is_empty() {
        return Ok(Vec::new());
    }
    let busy_poll = settings.busy_poll_us.filter(|_| mode == XdpMode::ZeroCopy);
    let options = Options {
        mode: if mode == XdpMode::ZeroCopy { BindMode::ZeroCopy } else { BindMode::Copy },
        frame_size: settings.frame_size,
        receive_frames: settings.frames,
        huge_pages: match settings.huge_pages {
            HugePages::Try => af_xdp::HugePages::Try,
            HugePages::Require => af_xdp::HugePages::Require,
            HugePages::No => af_xdp::HugePages::No,
        },
        busy_poll: busy_poll.map(|micros| BusyPoll { micros, budget: config.source.batch }),
        ..Options::new(interface.ifindex, queues.to_vec())
    };
    let opened = af_xdp::open(&options).map_err(|error| of_open(&error, &interface.name, mode))?;
    let (interface, report) = (&interface.name, opened.report);
    if settings.huge_pages == HugePages::Try && !report.huge_pages {
        tracing::warn!(interface, ?queues, "{report}: there were not enough huge pages to be had");
    } else {
        tracing::info!(interface, ?queues, "{report}");
    }
    Ok(opened.queues)
}

const fn attach_mode(mode: XdpMode) -> AttachMode {
    match mode {
        XdpMode::ZeroCopy | XdpMode::Copy => AttachMode::Native,
        XdpMode::Generic => AttachMode::Generic,
    }
}

fn of_attach(error: &AttachError, name: &str, mode: XdpMode) -> Refusal {
    let text = format!("{} on {name}: {error}", mode_text(mode));
    Refusal::Other(match error {
        AttachError::NoNative { .. } | AttachError::Setup { .. } => return Refusal::Mode(text),
        AttachError::NotPermitted => Failure::privilege(text),
        AttachError::NoInterface { .. } => Failure::config(text),
        _ => Failure::host(text),
    })
}

fn of_open(error: &OpenError, name: &str, mode: XdpMode) -> Refusal {
    let text = format!("{} on {name}: {error}", mode_text(mode));
    Refusal::Other(match error {
        OpenError::NoZeroCopy { .. } | OpenError::QuietlyCopied { .. } => {
            return Refusal::Mode(text);
        }
        OpenError::Socket(_) | OpenError::LockedMemory { .. } | OpenError::HugePages { .. } => {
            Failure::privilege(text)
        }
        OpenError::Options(_) | OpenError::NoInterface { .. } | OpenError::Invalid { .. } => {
            Failure::config(text)
        }
        _ => Failure::host(text),
    })
}

fn of_map(error: &MapError) -> Failure {
    match error {
        MapError::NotAGroup { .. } | MapError::NoSuchQueue { .. } => {
            Failure::config(error.to_string())
        }
        _ => Failure::host(error.to_string()),
    }
}

impl Watch {
    /// The mode in force.
    #[must_use]
    pub const fn mode(&self) -> XdpMode {
        self.mode
    }

    /// Looks whether every interface still has the program, and puts it back where another tool
    /// has taken it off. To be called about twice a second: until it is back nothing of ours
    /// arrives there. An incident is reported once when it is noticed and, if it could not be
    /// healed at once, again with each try that fails. An interface that is gone is none: see
    /// [`Watch::gone`].
    ///
    /// Also tells the first lane's source what the program has left to the host since.
    pub fn check(&mut self) -> Vec<Incident> {
        let mut incidents = Vec::new();
        for interface in &mut self.interfaces {
            let attached = interface.attachment.as_ref().is_some_and(Attachment::is_attached);
            if attached || interface.is_gone() {
                continue;
            }
            // A link that is off its interface still counts as the program's; let go of it first.
            interface.attachment = None;
            let what = "the XDP program was taken off the interface";
            let (restored, text) =
                match interface.program.attach(interface.ifindex, attach_mode(self.mode)) {
                    Ok(attachment) => {
                        interface.attachment = Some(attachment);
                        (true, format!("{what} by another tool; it is on again"))
                    }
                    Err(AttachError::NoInterface { .. }) => {
                        interface.gone.store(true, Ordering::Relaxed);
                        continue;
                    }
                    Err(error) => (false, format!("{what}, and can't be put back: {error}")),
                };
            incidents.push(Incident { interface: interface.name.clone(), restored, text });
        }
        if let Ok(counters) = self.counters() {
            self.elsewhere.set(&counters, &self.before);
        }
        incidents
    }

    /// The interfaces that are gone, with the index each had.
    pub fn gone(&self) -> impl Iterator<Item = (&str, u32)> {
        let gone = self.interfaces.iter().filter(|one| one.is_gone());
        gone.map(|one| (one.name.as_str(), one.ifindex))
    }

    /// An interface was found to be gone: nobody looks after its program any more.
    pub fn lose(&mut self, ifindex: u32) {
        for interface in self.interfaces.iter_mut().filter(|one| one.ifindex == ifindex) {
            interface.gone.store(true, Ordering::Relaxed);
            interface.attachment = None;
        }
    }

    /// Names a line's endpoint, so that its frames come to the lanes.
    ///
    /// # Errors
    /// Where no program is on the line's interface, since nothing on it was subscribed at the start,
    /// and when the kernel refuses.
    pub fn name(&mut self, partition: u16, line: Line, at: &LineConfig) -> Result<(), Failure> {
        let found = self.interfaces.iter_mut().find(|one| one.name == at.interface);
        let interface = found.ok_or_else(|| {
            Failure::config(format!(
                "nothing on {} was subscribed when the handler started, so it polls no queue of it: \
                 set `subscribe = true` and start the handler again",
                at.interface
            ))
        })?;
        set_endpoint(&mut interface.program, partition, line, at)
    }

    /// Unnames a line's endpoint: its frames are the host's again.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn unname(&mut self, at: &LineConfig) -> Result<(), Failure> {
        match self.interfaces.iter_mut().find(|one| one.name == at.interface) {
            None => Ok(()),
            Some(interface) => interface
                .program
                .clear_endpoint(at.group.octets(), at.port, source(at))
                .map_err(|error| of_map(&error)),
        }
    }

    /// Takes the program off every interface as another tool could: for drills, which make every
    /// stale path happen. [`Watch::check`] puts it back.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn detach(&self) -> Result<(), Failure> {
        for attachment in self.interfaces.iter().filter_map(|one| one.attachment.as_ref()) {
            attachment.detach().map_err(|error| Failure::host(error.to_string()))?;
        }
        Ok(())
    }

    /// What the program counted, over all interfaces.
    ///
    /// # Errors
    /// When the kernel refuses to say.
    pub fn counters(&self) -> Result<ProgramCounters, Failure> {
        let mut sum = ProgramCounters::default();
        for interface in &self.interfaces {
            let counters = interface.program.counters().map_err(|error| of_map(&error))?;
            sum.redirected += counters.redirected;
            sum.no_socket += counters.no_socket;
            sum.passed += counters.passed;
            sum.unmapped += counters.unmapped;
            sum.fragments += counters.fragments;
            sum.malformed += counters.malformed;
            sum.meta_failed += counters.meta_failed;
            sum.other_source += counters.other_source;
        }
        Ok(sum)
    }

    /// Who sends to a group and port of ours without being a line's sender, interface by interface.
    ///
    /// # Errors
    /// When the kernel refuses to say.
    pub fn other_sources(&self) -> Result<Vec<(&str, OtherSource)>, Failure> {
        let mut found = Vec::new();
        for interface in &self.interfaces {
            let others = interface.program.other_sources().map_err(|error| of_map(&error))?;
            found.extend(others.into_iter().map(|other| (interface.name.as_str(), other)));
        }
        Ok(found)
    }

    /// Multicast on the wire that no partition has, over all interfaces, in order of group and
    /// port.
    ///
    /// # Errors
    /// When the kernel refuses to say.
    pub fn unmapped(&self) -> Result<Vec<Traffic>, Failure> {
        let mut found: BTreeMap<([u8; 4], u16), Traffic> = BTreeMap::new();
        for interface in &self.interfaces {
            let seen = interface.program.unmapped().map_err(|error| of_map(&error))?;
            for one in seen {
                found
                    .entry((one.group, one.port))
                    .and_modify(|sum| {
                        sum.packets += one.packets;
                        sum.bytes += one.bytes;
                        sum.last_ns = sum.last_ns.max(one.last_ns);
                    })
                    .or_insert(one);
            }
        }
        Ok(found.into_values().collect())
    }
}
