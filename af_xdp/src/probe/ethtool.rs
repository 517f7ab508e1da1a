//! What an interface says of itself, by `ioctl` on any socket.

use std::ffi::{CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// An interface can't be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// There is no such interface.
    #[error("there is no interface {0:?} in this network namespace")]
    NoInterface(String),
    /// Anything else.
    #[error("interface {name:?} can't be looked at: {source}")]
    Refused {
        /// Its name.
        name: String,
        /// What the kernel says.
        source: io::Error,
    },
}

/// An interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Its index in the calling thread's network namespace.
    pub ifindex: u32,
    /// Its driver; `None` when it won't say.
    pub driver: Option<String>,
    /// Longest packet above the link layer, in bytes.
    pub mtu: u32,
    /// Whether it is up.
    pub up: bool,
    /// Whether multicast comes by it: its flag, or that it is the loopback, which needs none.
    pub multicast: bool,
    /// Whether it has a carrier: a cable, or a peer that is up.
    pub carrier: bool,
    /// Queues, as configured; `None` when the driver won't say.
    pub channels: Option<Channels>,
    /// How packets are spread over queues.
    pub steering: Steering,
}

impl Interface {
    /// Queues that receive; `None` when the driver won't say.
    #[must_use]
    pub fn receive_queues(&self) -> Option<u32> {
        let by_channels = self.channels.map(|channels| channels.receive + channels.combined);
        by_channels.filter(|&queues| queues > 0).or(self.steering.rings)
    }
}

/// The queues of an interface, as configured and at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Channels {
    /// Queues that only receive.
    pub receive: u32,
    /// Queues that only transmit.
    pub transmit: u32,
    /// Queues that do both.
    pub combined: u32,
    /// The most there can be that only receive.
    pub receive_max: u32,
    /// The most there can be that do both.
    pub combined_max: u32,
}

/// How packets are spread over queues, as far as the driver says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Steering {
    /// Queues that receive-side scaling spreads over.
    pub rings: Option<u32>,
    /// What UDP over IPv4 is spread by.
    pub udp4: Option<HashFields>,
    /// Rules that steer chosen packets to chosen queues.
    pub rules: Option<u32>,
    /// Whether such rules are switched on.
    pub ntuple: Option<bool>,
    /// Whether the driver says it takes VLAN tags off, so that the program doesn't see them. (veth
    /// says so, and doesn't.)
    pub vlan_stripping: Option<bool>,
    /// Whether the card merges packets (large receive offload), which rules out native XDP.
    pub merging: Option<bool>,
}

/// What a packet's queue depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HashFields {
    /// Source or target address.
    pub addresses: bool,
    /// Source or target port.
    pub ports: bool,
}

// linux/ethtool.h
const GET_DRIVER: u32 = 0x03;
const GET_LINK: u32 = 0x0a;
const GET_FLAGS: u32 = 0x25;
const GET_HASH_FIELDS: u32 = 0x29;
const GET_RINGS: u32 = 0x2d;
const GET_RULE_COUNT: u32 = 0x2e;
const GET_CHANNELS: u32 = 0x3c;
const UDP4_FLOW: u32 = 0x02;
const HASH_ADDRESSES: u64 = (1 << 4) | (1 << 5);
const HASH_PORTS: u64 = (1 << 6) | (1 << 7);
const FLAG_VLAN_STRIPPING: u32 = 1 << 8;
const FLAG_MERGING: u32 = 1 << 15;
const FLAG_NTUPLE: u32 = 1 << 27;

/// `struct ethtool_drvinfo`, in words; the driver's name is the 32 bytes behind the command.
type Driver = [u32; 49];
/// `struct ethtool_value`: command, value.
type Value = [u32; 2];
/// `struct ethtool_channels`: command, four maxima, four counts (receive, transmit, other,
/// combined).
type ChannelWords = [u32; 9];
/// `struct ethtool_rxnfc`: command, flow type, data (aligned to 8), a flow specification of 168
/// bytes, a count. More room than the kernel of today uses.
type Rules = [u64; 32];

/// Looks at an interface of the calling thread's network namespace.
///
/// # Errors
/// When there is no such interface.
pub fn interface(name: &str) -> Result<Interface, ProbeError> {
    let missing = || ProbeError::NoInterface(name.to_owned());
    let refused = |source| ProbeError::Refused { name: name.to_owned(), source };
    let c_name = CString::new(name).map_err(|_| missing())?;
    // SAFETY: a string that ends in zero.
    let ifindex = unsafe { libc::if_nametoindex(c_name.as_ptr()) };
    if ifindex == 0 {
        return Err(missing());
    }
    let asked = Asked::new(&c_name).ok_or_else(missing)?.map_err(refused)?;
    let driver = asked.ethtool::<Driver>({
        let mut words = [0; 49];
        words[0] = GET_DRIVER;
        words
    });
    let channels = asked.ethtool::<ChannelWords>([GET_CHANNELS, 0, 0, 0, 0, 0, 0, 0, 0]);
    let flags = asked.flags().map_err(refused)?;
    Ok(Interface {
        ifindex,
        driver: driver.and_then(|words| driver_name(&words)),
        mtu: asked.mtu().map_err(refused)?,
        up: flags & libc::IFF_UP != 0,
        multicast: flags & (libc::IFF_MULTICAST | libc::IFF_LOOPBACK) != 0,
        carrier: asked.ethtool::<Value>([GET_LINK, 0]).is_some_and(|[_, value]| value != 0),
        channels: channels.map(|words| Channels {
            receive: words[5],
            transmit: words[6],
            combined: words[8],
            receive_max: words[1],
            combined_max: words[4],
        }),
        steering: asked.steering(),
    })
}

fn driver_name(words: &Driver) -> Option<String> {
    let bytes: Vec<u8> = words[1..9].iter().flat_map(|word| word.to_ne_bytes()).collect();
    let name = bytes.split(|&byte| byte == 0).next()?;
    (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
}

/// A socket to ask by, and the name to ask about.
struct Asked {
    socket: OwnedFd,
    name: [c_char; libc::IFNAMSIZ],
}

impl Asked {
    /// `None` when the name is too long to be one.
    fn new(name: &CString) -> Option<io::Result<Asked>> {
        let mut padded = [0; libc::IFNAMSIZ];
        let bytes = name.as_bytes();
        if bytes.len() >= padded.len() {
            return None;
        }
        for (to, &from) in padded.iter_mut().zip(bytes) {
            *to = from.cast_signed();
        }
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Some(Err(io::Error::last_os_error()));
        }
        // SAFETY: the kernel just returned this descriptor; nobody else owns it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        Some(Ok(Asked { socket, name: padded }))
    }

    fn request(&self) -> libc::ifreq {
        libc::ifreq { ifr_name: self.name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_mtu: 0 } }
    }

    fn ioctl(&self, command: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
        let fd = self.socket.as_raw_fd();
        // SAFETY: the kernel reads and writes one `ifreq`, and for SIOCETHTOOL what it points to,
        // which `ethtool` keeps alive and large enough.
        let result = unsafe { libc::ioctl(fd, command, &raw mut *request) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Asks the driver; `None` when it doesn't know the question. `T` is an array of integers at
    /// least as long as the structure the command in its first word is about.
    fn ethtool<T: Copy>(&self, mut question: T) -> Option<T> {
        let mut request = self.request();
        request.ifr_ifru.ifru_data = (&raw mut question).cast();
        self.ioctl(libc::SIOCETHTOOL as libc::Ioctl, &mut request).ok()?;
        Some(question)
    }

    fn mtu(&self) -> io::Result<u32> {
        let mut request = self.request();
        self.ioctl(libc::SIOCGIFMTU as libc::Ioctl, &mut request)?;
        // SAFETY: the answer to this question is in this field.
        let mtu = unsafe { request.ifr_ifru.ifru_mtu };
        Ok(mtu.cast_unsigned())
    }

    fn flags(&self) -> io::Result<i32> {
        let mut request = self.request();
        self.ioctl(libc::SIOCGIFFLAGS as libc::Ioctl, &mut request)?;
        // SAFETY: the answer to this question is in this field.
        let flags = unsafe { request.ifr_ifru.ifru_flags };
        Ok(i32::from(flags))
    }

    fn steering(&self) -> Steering {
        let rules = |command: u32, flow: u32| {
            let mut words: Rules = [0; 32];
            words[0] = pair(command, flow);
            self.ethtool(words)
        };
        let flags = self.ethtool::<Value>([GET_FLAGS, 0]).map(|[_, flags]| flags);
        let flag = |bit: u32| flags.map(|flags| flags & bit != 0);
        Steering {
            rings: rules(GET_RINGS, 0).and_then(|words| u32::try_from(words[1]).ok()),
            udp4: rules(GET_HASH_FIELDS, UDP4_FLOW).map(|words| HashFields {
                addresses: words[1] & HASH_ADDRESSES != 0,
                ports: words[1] & HASH_PORTS != 0,
            }),
            rules: rules(GET_RULE_COUNT, 0).map(|words| rule_count(&words)),
            ntuple: flag(FLAG_NTUPLE),
            vlan_stripping: flag(FLAG_VLAN_STRIPPING),
            merging: flag(FLAG_MERGING),
        }
    }
}

/// Two u32 that follow one another in memory.
const fn pair(first: u32, second: u32) -> u64 {
    let [a, b, c, d] = first.to_ne_bytes();
    let [e, f, g, h] = second.to_ne_bytes();
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

/// `rule_cnt`: behind command, flow type, data and the flow specification of 168 bytes.
const fn rule_count(words: &Rules) -> u32 {
    let [a, b, c, d, ..] = words[23].to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}
