//! Privileges, limits, memory, kernel, and the place of the region.

use std::collections::BTreeSet;
use std::path::Path;

use candor_af_xdp::probe::{self, Capability, Host};
use candor_shm::{CreateError, Replaced};

use super::{Finding, Level, read};
use crate::config::{Config, HugePages, SourceKind};
use crate::exit::{Exit, Failure};
use crate::halt::record::{self, Place};
use crate::requests;
use crate::sessions::Record;
use crate::{privilege, run};

pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) {
    match probe::host() {
        Ok(host) => {
            privileges(config, &host, findings);
            huge_pages(config, &host, findings);
        }
        Err(error) => findings.push(Finding::warn(
            "capabilities",
            "",
            format!("can't be read: {error}"),
            "mount /proc",
        )),
    }
    findings.push(large_tables(read::text(TABLES).as_deref()));
    files(config, findings);
    receive_buffers(config, findings);
    kernel(config, findings);
    region(config, findings);
    state(config, findings);
    sessions(config, findings);
    requests(config, findings);
    group(config, findings);
}

fn privileges(config: &Config, host: &Host, findings: &mut Vec<Finding>) {
    let missing = privilege::missing(config, host);
    if missing.is_empty() {
        let found = match config.source.kind {
            SourceKind::AfXdp(_) => "all that kernel bypass needs",
            SourceKind::Udp { .. } => "ordinary sockets need none",
        };
        findings.push(Finding::ok("capabilities", "", found));
    }
    for (what, advice) in missing {
        let check = if what.starts_with("CAP_") { "capabilities" } else { "locked memory" };
        findings
            .push(Finding::fail(check, "", format!("{what} is missing"), advice).of_privilege());
    }
}

fn huge_pages(config: &Config, host: &Host, findings: &mut Vec<Finding>) {
    let SourceKind::AfXdp(settings) = config.source.kind else { return };
    if settings.huge_pages == HugePages::No {
        return;
    }
    let page = host.huge_page_bytes.max(1);
    let areas = privilege::packet_memory(config);
    let needed: u64 = areas.iter().map(|bytes| bytes.div_ceil(page)).sum();
    let found = format!("{} of {needed} free, {} KiB each", host.huge_pages_free, page >> 10);
    if host.huge_pages_free >= needed {
        findings.push(Finding::ok("huge pages", "", found));
        return;
    }
    let advice =
        format!("sysctl vm.nr_hugepages={needed} more than now, before anything else runs");
    findings.push(match settings.huge_pages {
        HugePages::Require => Finding::fail("huge pages", "", found, advice),
        _ => Finding::warn("huge pages", "", found, advice),
    });
}

/// Whether memory that is asked for in huge pages is given in them.
const TABLES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// Books lie in huge pages where the kernel gives them, and nothing else says where it doesn't.
fn large_tables(enabled: Option<&str>) -> Finding {
    const CHECK: &str = "large tables";
    let advice = format!("echo madvise > {TABLES}: a lookup in a large book is a quarter quicker");
    match enabled {
        Some(text) if text.contains("[madvise]") || text.contains("[always]") => {
            Finding::ok(CHECK, "", "in huge pages, as far as the kernel has them")
        }
        Some(text) => Finding::warn(CHECK, "", format!("in small pages: {text}"), advice),
        None => Finding::warn(CHECK, "", "in small pages: the kernel has no others", advice),
    }
}

fn files(config: &Config, findings: &mut Vec<Finding>) {
    let (needed, limit) = (privilege::open_files(config), privilege::open_files_limit());
    findings.push(if limit >= needed {
        Finding::ok("open files", "", format!("{needed} needed at most, {limit} allowed"))
    } else {
        Finding::fail(
            "open files",
            "",
            format!("up to {needed} needed, {limit} allowed"),
            format!("LimitNOFILE={needed} in the unit, or `ulimit -n {needed}`"),
        )
        .of_privilege()
    });
}

fn receive_buffers(config: &Config, findings: &mut Vec<Finding>) {
    let SourceKind::Udp { receive_buffer } = config.source.kind else { return };
    let wanted = u64::from(receive_buffer);
    let admin = probe::host().is_ok_and(|host| host.has(Capability::NetAdmin));
    let limit = read::number("/proc/sys/net/core/rmem_max");
    let check = "receive buffers";
    findings.push(match limit {
        _ if admin => Finding::ok(check, "", format!("{wanted} bytes, by CAP_NET_ADMIN")),
        Some(limit) if limit >= wanted => {
            Finding::ok(check, "", format!("{wanted} bytes wanted, {limit} allowed"))
        }
        Some(limit) => Finding::fail(
            check,
            "",
            format!("{wanted} bytes wanted, {limit} allowed"),
            format!("sysctl -w net.core.rmem_max={wanted}, or give CAP_NET_ADMIN"),
        )
        .of_privilege(),
        None => Finding::warn(
            check,
            "",
            "the limit net.core.rmem_max can't be read here",
            format!("make sure that it is {wanted} or more"),
        ),
    });
}

fn kernel(config: &Config, findings: &mut Vec<Finding>) {
    let SourceKind::AfXdp(_) = config.source.kind else { return };
    let text = read::text("/proc/sys/kernel/osrelease").unwrap_or_default();
    findings.push(match read::release(&text) {
        // Frames of several buffers came to AF_XDP with 6.6; the rest is older.
        Some(release) if release >= (6, 6) => Finding::ok("kernel", "", text),
        Some(_) => Finding::fail(
            "kernel",
            "",
            format!("{text} has no multi-buffer AF_XDP"),
            "run Linux 6.6 or later",
        ),
        None => {
            Finding::warn("kernel", "", format!("{text:?} can't be told"), "run Linux 6.6 or later")
        }
    });
}

/// Only where one is configured.
fn group(config: &Config, findings: &mut Vec<Finding>) {
    let Some(name) = &config.handler.group else { return };
    findings.push(match run::group(name) {
        Ok(id) => Finding::ok("group", name, format!("is group {id} of this host")),
        Err(refused) => Finding::fail(
            "group",
            name,
            refused.message,
            format!("groupadd {name}, or name a group of this host"),
        ),
    });
}

/// Where it is recorded which sessions were followed.
fn sessions(config: &Config, findings: &mut Vec<Finding>) {
    let (check, has) = ("sessions", "let the handler's user write it, or name another folder");
    findings.push(match Record::read(config) {
        Err(refused) => Finding::fail(
            check,
            "",
            format!("can't be read, and `run` refuses to start: {refused}"),
            "see to the file: which sessions are of before today must be known",
        ),
        Ok(record) => {
            let subject = record.path().display().to_string();
            match (record.writable(), &config.handler.state) {
                (Err(refused), Some(_)) => {
                    Finding::fail(check, &subject, format!("its folder {refused}"), has)
                        .of_privilege()
                }
                // Whether that folder can be used is said of the region.
                _ => Finding::ok(check, &subject, "can be read".to_owned()),
            }
        }
    });
}

/// Where it is recorded how many requests have left for the venues' services.
fn requests(config: &Config, findings: &mut Vec<Finding>) {
    if let Some(why) = requests::Record::trouble(config) {
        findings.push(Finding::warn(
            "requests",
            "",
            format!("can't be read, so that what has left on this date counts for nothing: {why}"),
            "see to the file; a handler that runs replaces it",
        ));
    }
}

/// Where it is recorded what is halted.
fn state(config: &Config, findings: &mut Vec<Finding>) {
    let check = "state";
    let place = Place::of(config.handler.state.as_deref(), &config.handler.region);
    let subject = place.path().display().to_string();
    let halts = |records: &[record::Record]| {
        let targets: BTreeSet<_> = records.iter().map(|record| record.target).collect();
        targets.len()
    };
    findings.push(match (place.read(), record::writable(&place), &config.handler.state) {
        (Err(refused), ..) => Finding::fail(
            check,
            &subject,
            format!("can't be read, and `run` refuses to start: {refused}"),
            "make the folder, or see to the file: what is halted must be known",
        ),
        (Ok(_), Err(refused), Some(_)) => Finding::fail(
            check,
            &subject,
            format!("its folder {refused}"),
            "let the handler's user write it, or name another folder",
        )
        .of_privilege(),
        // Whether that folder can be used is said of the region.
        (Ok(records), _, None) => Finding::warn(
            check,
            &subject,
            format!("{} halts; what is halted is recorded beside the region", halts(&records)),
            "state = \"/var/lib/candor/NAME\" in [handler]: a folder that a reboot doesn't empty",
        ),
        (Ok(records), Ok(()), Some(_)) => {
            Finding::ok(check, &subject, format!("{} halts, can be written", halts(&records)))
        }
    });
}

fn region(config: &Config, findings: &mut Vec<Finding>) {
    let path = &config.handler.region;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let subject = path.display().to_string();
    let check = "region";
    let writable = rustix::fs::access(folder, rustix::fs::Access::WRITE_OK);
    let finding = match rustix::fs::statfs(folder) {
        Err(error) => Finding::fail(
            check,
            &subject,
            format!("its folder can't be used: {error}"),
            "create the folder, or name another region",
        ),
        Ok(_) if writable.is_err() => Finding::fail(
            check,
            &subject,
            "its folder can't be written by this user",
            "change the folder's owner, or name another region",
        )
        .of_privilege(),
        // TMPFS_MAGIC and HUGETLBFS_MAGIC of linux/magic.h.
        Ok(about) if about.f_type == 0x0102_1994 || about.f_type == 0x9584_58f6 => {
            let free = about.f_bavail.saturating_mul(u64::try_from(about.f_bsize).unwrap_or(0));
            Finding::ok(check, &subject, format!("in memory, {} MiB free", free >> 20))
        }
        Ok(_) => Finding::warn(
            check,
            &subject,
            "lies on a disk: the kernel writes it back and may stall its writer",
            "put it under /dev/shm",
        ),
    };
    let usable = finding.level != Level::Fail;
    findings.push(finding);
    if usable {
        findings.extend(region_there(&subject, candor_shm::look(path)));
    }
}

/// What a start would make of the file that is at the region's path, or of the lock beside it.
fn region_there(subject: &str, looked: Result<Option<Replaced>, CreateError>) -> Option<Finding> {
    let check = "region";
    let error = match looked {
        Ok(None) => return None,
        Ok(Some(Replaced { earlier_boot: true, .. })) => {
            let found = "left by an earlier boot of this host; a start replaces it";
            return Some(Finding::ok(check, subject, found));
        }
        Ok(Some(_)) => return Some(Finding::ok(check, subject, "exists; a start replaces it")),
        Err(error) => error,
    };
    // The host can run it: that is what it does.
    let runs = matches!(error, CreateError::InUse { .. });
    let Failure { exit, message } = run::refuse_region(error);
    // `PATH: what is so; what to do`, the path the region's or its lock's.
    let (found, advice) = message.split_once("; ").unwrap_or((&message, "see to the file"));
    let found = found.strip_prefix(&format!("{subject}: ")).unwrap_or(found);
    let finding = match runs {
        true => Finding::warn(check, subject, format!("{found}: a start is refused"), advice),
        false => Finding::fail(check, subject, found, advice),
    };
    Some(if exit == Exit::Privilege { finding.of_privilege() } else { finding })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pages_under_large_tables_are_said() {
        for (enabled, level) in [
            (Some("always [madvise] never"), Level::Ok),
            (Some("[always] madvise never"), Level::Ok),
            (Some("always madvise [never]"), Level::Warn),
            (None, Level::Warn),
        ] {
            assert_eq!(large_tables(enabled).level, level, "{enabled:?}");
        }
    }
}
