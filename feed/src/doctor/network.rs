//! Interfaces: link, queues, steering, modes, and what keeps multicast away.

use candor_af_xdp::probe::{self, Interface};

use super::{Finding, read};
use crate::config::{AfXdpConfig, Checksums, Config, SourceKind, XdpMode};
use crate::interface;

pub(super) fn examine(config: &Config, try_it: bool, findings: &mut Vec<Finding>) {
    for name in config.interfaces() {
        let (finding, about) = look(name);
        findings.push(finding);
        let Some(about) = about else { continue };
        match &config.source.kind {
            SourceKind::Udp { .. } => findings.extend(reverse_path(config, name)),
            SourceKind::AfXdp(settings) => {
                bypass(config, settings, name, &about, findings);
                findings.push(checksums(settings.checksums, name, about.driver.as_deref()));
                modes(config, settings, name, &about, try_it, findings);
            }
        }
    }
    findings.extend(memberships(config));
}

/// Whether an interface is there and up, and what is known of it.
pub(super) fn look(name: &str) -> (Finding, Option<Interface>) {
    match probe::interface(name) {
        Ok(about) => (link(name, &about), Some(about)),
        Err(error) => {
            let advice = format!("present are: {}", interface::list().join(", "));
            (Finding::fail("interface", name, error.to_string(), advice), None)
        }
    }
}

fn link(name: &str, about: &Interface) -> Finding {
    let driver = about.driver.as_deref().unwrap_or("unknown");
    let found = format!("driver {driver}, MTU {}", about.mtu);
    if !about.up {
        return Finding::fail(
            "interface",
            name,
            format!("{found}, down"),
            format!("ip link set dev {name} up"),
        );
    }
    if !about.multicast {
        let advice = format!("ip link set dev {name} multicast on");
        return Finding::fail("interface", name, format!("{found}, no multicast"), advice);
    }
    if !about.carrier {
        let advice = "look at the cable, the transceiver and the switch port";
        return Finding::fail("interface", name, format!("{found}, no carrier"), advice);
    }
    Finding::ok("interface", name, format!("{found}, up"))
}

/// A strict reverse-path filter drops multicast whose sender is not routed by the interface.
fn reverse_path(config: &Config, name: &str) -> Option<Finding> {
    let of = |name: &str| read::number(format!("/proc/sys/net/ipv4/conf/{name}/rp_filter"));
    // The kernel takes the stricter of the two.
    let strict = of("all")?.max(of(name)?) == 1;
    let sources: Vec<String> = config
        .subscribed_lines()
        .filter(|(_, _, line)| line.interface == name)
        .filter_map(|(_, _, line)| Some(line.source?.to_string()))
        .collect();
    let check = "reverse path";
    Some(if strict {
        let from = if sources.is_empty() { "the senders".to_owned() } else { sources.join(", ") };
        Finding::warn(
            check,
            name,
            format!("strict: packets from {from} are dropped unless routed by {name}"),
            format!("sysctl -w net.ipv4.conf.{name}.rp_filter=2, and no stricter for all"),
        )
    } else {
        Finding::ok(check, name, "not strict")
    })
}

fn bypass(
    config: &Config,
    settings: &AfXdpConfig,
    name: &str,
    about: &Interface,
    findings: &mut Vec<Finding>,
) {
    findings.push(queues(config, name, about.receive_queues()));
    let lanes = config.lanes.iter().filter(|lane| !lane.queues.is_empty()).count();
    findings.extend(steering(name, about, lanes));
    findings.extend(read::text("/proc/net/vlan/config").and_then(|text| vlans(name, &text)));
    let steering = &about.steering;
    if steering.vlan_stripping == Some(true) {
        findings.push(Finding::ok(
            "VLAN tags",
            name,
            "taken off by the card; the program does without them",
        ));
    }
    if steering.merging == Some(true) && settings.mode != XdpMode::Generic {
        findings.push(Finding::fail(
            "receive offload",
            name,
            "large receive offload is on, which native modes refuse",
            format!("ethtool -K {name} lro off"),
        ));
    }
    let frame = about.mtu + 18;
    // 256 bytes in front of each frame are the kernel's.
    if frame > settings.frame_size - 256 {
        findings.push(Finding::warn(
            "MTU",
            name,
            format!(
                "{}: frames of up to {frame} bytes take several of {}",
                about.mtu, settings.frame_size
            ),
            format!("ip link set dev {name} mtu 1500, if the venue sends no larger packets"),
        ));
    }
}

/// Frames are the lanes' whatever their VLAN tag. `text` is the kernel's list of VLAN interfaces: two
/// lines of header, then `name | id | interface`.
fn vlans(name: &str, text: &str) -> Option<Finding> {
    let on = |line: &str| {
        let [vlan, id, interface] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            return None;
        };
        (interface == name).then(|| format!("{vlan} (id {id})"))
    };
    let vlans: Vec<String> = text.lines().filter_map(on).collect();
    (!vlans.is_empty()).then(|| {
        Finding::warn(
            "VLANs",
            name,
            format!(
                "{} on it: a frame with a line's group, port and sender is that line's whatever its \
                 VLAN tag",
                vlans.join(", ")
            ),
            "have the switch send this port no VLAN that carries the same groups, a replay's say",
        )
    })
}

/// A card marks a damaged frame for the kernel's stack and delivers it; AF_XDP never sees the mark.
fn checksums(choice: Checksums, name: &str, driver: Option<&str>) -> Finding {
    const CHECK: &str = "checksums";
    match choice {
        Checksums::Trust => Finding::warn(
            CHECK,
            name,
            "trusted: a datagram damaged on the way is applied, and its symbol is live and wrong; what no \
             checksum vouches for is not counted (udp_unverified stays 0)",
            "checksums = \"verify\" under [source]",
        ),
        Checksums::Verify if driver == Some("veth") => Finding::warn(
            CHECK,
            name,
            "verified by the lane; the other end of this pair may leave UDP checksums to a card there \
             is none of, and everything it sends would be refused",
            "ethtool -K PEER tx off, in the peer's network namespace",
        ),
        Checksums::Verify => {
            let found = "verified by the lane, IPv4 header and UDP datagram, except datagrams whose \
                         sender computes no UDP checksum, which are counted (udp_unverified)";
            Finding::ok(CHECK, name, found)
        }
    }
}

/// Every queue that receives must be some lane's, or what is steered there never gets to us.
fn queues(config: &Config, name: &str, present: Option<u32>) -> Finding {
    let mut polled: Vec<u32> = config.lanes.iter().flat_map(|lane| lane.queues.clone()).collect();
    polled.sort_unstable();
    let Some(present) = present else {
        return Finding::warn(
            "queues",
            name,
            "the driver does not say how many it has",
            "make sure that every queue that receives is some lane's",
        );
    };
    if let Some(queue) = polled.iter().find(|queue| **queue >= present) {
        return Finding::fail(
            "queues",
            name,
            format!("a lane polls queue {queue}, but there are 0 to {} only", present - 1),
            format!("ethtool -L {name} combined {}, or other queues", queue + 1),
        );
    }
    let unpolled: Vec<String> =
        (0..present).filter(|queue| !polled.contains(queue)).map(|q| q.to_string()).collect();
    if unpolled.is_empty() {
        return Finding::ok("queues", name, format!("all {present} are polled"));
    }
    Finding::fail(
        "queues",
        name,
        format!(
            "no lane polls queue {}: what the card steers there is lost to us",
            unpolled.join(", ")
        ),
        format!("ethtool -L {name} combined {}, or give a lane these queues", polled.len().max(1)),
    )
}

/// With several lanes, the card decides which lane gets a packet; it must be the partition's.
fn steering(name: &str, about: &Interface, lanes: usize) -> Option<Finding> {
    if lanes < 2 {
        return None;
    }
    let rules = about.steering.rules.unwrap_or(0);
    if rules > 0 && about.steering.ntuple != Some(false) {
        let found = format!("{rules} rules; whether they are the right ones shows as misdirected");
        return Some(Finding::ok("steering", name, found));
    }
    Some(Finding::fail(
        "steering",
        name,
        format!("{lanes} lanes, and no rule that sends a partition to its lane's queue"),
        format!(
            "one rule a group: ethtool -N {name} flow-type udp4 dst-ip GROUP dst-port PORT action \
             QUEUE; or one lane"
        ),
    ))
}

fn modes(
    config: &Config,
    settings: &AfXdpConfig,
    name: &str,
    about: &Interface,
    try_it: bool,
    findings: &mut Vec<Finding>,
) {
    if settings.mode == XdpMode::Generic {
        findings.push(Finding::ok("mode", name, "generic works with every driver"));
        return;
    }
    if !try_it {
        findings.push(Finding::warn(
            "mode",
            name,
            format!("{} was not tried", settings.mode.name()),
            "candor doctor --try attaches and binds for a moment; not while the interface works",
        ));
        return;
    }
    let weigh = |found: String, advice: &str| match settings.allow_fallback {
        true => Finding::warn("mode", name, found, advice),
        false => Finding::fail("mode", name, found, advice),
    };
    let advice = "configure a mode the driver has, or allow_fallback = true";
    if let Err(error) = probe::native_attaches(about.ifindex) {
        findings.push(weigh(error.to_string(), advice));
        return;
    }
    if settings.mode == XdpMode::Copy {
        findings.push(Finding::ok("mode", name, "copy: the driver runs the program"));
        return;
    }
    for queue in config.lanes.iter().flat_map(|lane| &lane.queues) {
        match probe::zero_copy_binds(about.ifindex, *queue, true) {
            Ok(()) => {
                findings.push(Finding::ok("mode", name, format!("zero-copy on queue {queue}")))
            }
            Err(error) => {
                findings.push(weigh(error.to_string(), advice));
                return;
            }
        }
    }
}

/// The kernel's bound on sources of one group and socket; groups are spread over sockets.
fn memberships(config: &Config) -> Option<Finding> {
    let limit = read::number("/proc/sys/net/ipv4/igmp_max_memberships")?;
    let lines = config.subscribed_lines().count();
    (limit == 0 && lines > 0).then(|| {
        Finding::fail(
            "memberships",
            "",
            "net.ipv4.igmp_max_memberships is 0: no group can be joined",
            "sysctl -w net.ipv4.igmp_max_memberships=20",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::doctor::Level;

    fn with_queues(queues: &[&str]) -> Config {
        let lanes: String =
            queues.iter().map(|queues| format!("[[lane]]\nqueues = {queues}\n")).collect();
        let text = format!(
            "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\nkind = \"af_xdp\"\n\
             interface = \"eth1\"\nmode = \"copy\"\n{lanes}[[venue]]\nname = \"V\"\n\
             feed = \"iex-deep\"\n[[venue.partition]]\nname = \"1\"\nlane = 0\n\
             lines.A = {{ group = \"239.1.1.1\", port = 1 }}\n"
        );
        config::parse_text(std::path::Path::new("t.toml"), &text).unwrap()
    }

    #[test]
    fn trusted_checksums_are_warned_of_and_so_is_a_pair_that_completes_none() {
        let level = |choice, driver| super::checksums(choice, "eth1", Some(driver)).level;
        assert_eq!(level(Checksums::Verify, "mlx5_core"), Level::Ok);
        assert_eq!(level(Checksums::Verify, "veth"), Level::Warn);
        assert_eq!(level(Checksums::Trust, "mlx5_core"), Level::Warn);
        let trusted = super::checksums(Checksums::Trust, "eth1", None).found;
        assert!(trusted.contains("udp_unverified stays 0"), "a zero that says nothing: {trusted}");
    }

    #[test]
    fn an_interface_brings_multicast_or_it_is_said_what_to_do() {
        let lo = probe::interface("lo").unwrap();
        let lo = Interface { up: true, carrier: true, ..lo };
        assert!(lo.multicast, "its own, without the flag");
        assert_eq!(link("lo", &lo).level, Level::Ok);
        for (about, found, advice) in [
            (Interface { up: false, ..lo.clone() }, "down", "ip link set dev lo up"),
            (Interface { carrier: false, ..lo.clone() }, "no carrier", "look at the cable"),
            (
                Interface { multicast: false, ..lo },
                "no multicast",
                "ip link set dev lo multicast on",
            ),
        ] {
            let finding = link("lo", &about);
            assert_eq!(finding.level, Level::Fail);
            assert!(
                finding.found.ends_with(found) && finding.advice.starts_with(advice),
                "{finding:?}"
            );
        }
        let gone = super::super::trouble("nosuch0").unwrap();
        assert!(gone.contains("nosuch0") && gone.contains("present are: "), "{gone}");
    }

    #[test]
    fn vlans_on_an_interface_are_warned_of() {
        // As Linux 6.18 writes it.
        let text = "VLAN Dev name\t | VLAN ID\nName-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\n\
                    eth1.100       | 100  | eth1\nreplay         | 200  | eth1\n\
                    eth10.5        | 5    | eth10\n";
        let found = vlans("eth1", text).unwrap();
        assert_eq!(found.level, Level::Warn);
        assert!(
            found.found.starts_with("eth1.100 (id 100), replay (id 200) on it"),
            "{}",
            found.found
        );
        assert_eq!(vlans("eth2", text), None);
        assert_eq!(vlans("VLAN ID", text), None);
        assert_eq!(vlans("eth1", ""), None);
    }

    #[test]
    fn every_queue_that_receives_must_be_polled_and_no_other() {
        let level =
            |queues: &[&str], present| super::queues(&with_queues(queues), "eth1", present).level;
        assert_eq!(level(&["[0]"], Some(1)), Level::Ok);
        assert_eq!(level(&["[0, 1]", "[3, 2]"], Some(4)), Level::Ok);
        assert_eq!(level(&["[0]"], Some(2)), Level::Fail);
        assert_eq!(level(&["[0, 2]"], Some(2)), Level::Fail);
        assert_eq!(level(&["[0]"], None), Level::Warn);
    }
}
