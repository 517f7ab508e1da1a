//! Whether the venues' services can be reached: by the host's routes alone. Nothing is sent, and
//! nobody's login is used up.

use std::net::{Ipv4Addr, SocketAddrV4};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, connect, getsockname, socket_with,
};

use super::Finding;
use crate::config::Config;

pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) {
    let mut seen = Vec::new();
    for partition in &config.partitions {
        let Some(recovery) = config.recovery_of(partition) else { continue };
        for (service, scheme, address) in partition.services.iter() {
            let about = (service, scheme, address, recovery.from);
            if !seen.contains(&about) {
                seen.push(about);
                findings.push(finding(service, scheme, address, recovery.from));
            }
        }
    }
}

fn finding(
    service: &'static str,
    scheme: &str,
    address: SocketAddrV4,
    from: Option<Ipv4Addr>,
) -> Finding {
    let subject = format!("{scheme}://{address}");
    match route(address, from) {
        Ok(own) => Finding::ok(
            "service",
            &subject,
            format!("{service}: routed, from {own}; nothing was sent"),
        ),
        Err(Errno::ADDRNOTAVAIL) if from.is_some() => Finding::fail(
            "service",
            &subject,
            format!(
                "{service}: this host has no address {}",
                from.unwrap_or(Ipv4Addr::UNSPECIFIED)
            ),
            "change `from` under [venue.recovery], or give the interface this address",
        ),
        Err(error) => Finding::fail(
            "service",
            &subject,
            format!("{service}: {error}"),
            format!("give this host a route to it; ip route get {}", address.ip()),
        ),
    }
}

/// The address of ours that the kernel would speak from: by connecting a socket for datagrams, which
/// sends none.
fn route(to: SocketAddrV4, from: Option<Ipv4Addr>) -> Result<Ipv4Addr, Errno> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    if let Some(from) = from {
        bind(&socket, &SocketAddrV4::new(from, 0))?;
    }
    connect(&socket, &to)?;
    let own = SocketAddrV4::try_from(getsockname(&socket)?)?;
    Ok(*own.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn what_is_routed_is_well_and_what_is_not_ours_to_speak_from_is_not() {
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9);
        assert_eq!(route(to, None), Ok(Ipv4Addr::LOCALHOST));
        assert_eq!(finding("snapshot", "tcp", to, None).level, Level::Ok);
        let foreign = Some(Ipv4Addr::new(192, 0, 2, 77));
        let refused = finding("snapshot", "tcp", to, foreign);
        assert_eq!(refused.level, Level::Fail);
        assert!(refused.found.contains("no address 192.0.2.77"), "{}", refused.found);
    }
}
