//! `[preopen]`: what has to be so before the open, as far as that is this host's own.

use std::net::SocketAddrV4;

use candor_core::Nanos;
use candor_settings::{Context, Table};
use candor_shm::Endpoint;

/// How long is listened at most where nothing is configured.
pub const LISTEN_MAX: Nanos = Nanos::from_secs(10);

/// How far the wall clock may be off where nothing is configured, in milliseconds.
const CLOCK_ERROR_MS: u64 = 100;

/// Free room of each folder where nothing is configured, in MiB.
const DISK_MB: u64 = 1_024;

/// Memory that is free or can be made so where nothing is configured, in MiB.
const MEMORY_MB: u64 = 256;

/// `[preopen]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preopen {
    /// How long is listened to the lines; `None`: the longest silence bound, and [`LISTEN_MAX`] at most.
    pub listen: Option<Nanos>,
    /// Symbols of a partition that the venue may leave unnamed, in millionths of those the map lists.
    pub unproven_ppm: u32,
    /// Multicast that no map names and nobody minds.
    pub ignore: Vec<Endpoint>,
    /// Whether somebody has to vouch for the wall clock.
    pub clock: WallClock,
    /// How far it may be off.
    pub clock_error: Nanos,
    /// Free room that the folders of state and maps must have, in MiB.
    pub disk_mb: u64,
    /// Memory that must be available, in MiB.
    pub memory_mb: u64,
    /// Whether a drill must have passed.
    pub drill: DrillAsked,
}

/// Whether a drill is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DrillAsked {
    /// No-go without a good result of one, of what runs.
    Require,
    /// It is said that none is asked for.
    No,
}

impl DrillAsked {
    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DrillAsked::Require => "require",
            DrillAsked::No => "no",
        }
    }
}

/// What is asked of the wall clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WallClock {
    /// That NTP or PTP vouches for it, within a bound.
    Synchronized,
    /// Nothing.
    Any,
}

impl WallClock {
    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            WallClock::Synchronized => "synchronized",
            WallClock::Any => "any",
        }
    }
}

impl Default for Preopen {
    fn default() -> Preopen {
        Preopen {
            listen: None,
            unproven_ppm: 0,
            ignore: Vec::new(),
            clock: WallClock::Synchronized,
            clock_error: Nanos::from_millis(CLOCK_ERROR_MS),
            disk_mb: DISK_MB,
            memory_mb: MEMORY_MB,
            drill: DrillAsked::Require,
        }
    }
}

pub(super) fn preopen(cx: &mut Context<'_>, root: &mut Table<'_>) -> Preopen {
    let mut preopen = Preopen::default();
    let Some(mut table) = root.table(cx, "preopen", "[preopen]") else { return preopen };
    let integer = |cx: &mut Context<'_>, table: &mut Table<'_>, key, range, otherwise| {
        table.integer(cx, key, range).map_or(otherwise, |at| at.value)
    };
    preopen.listen =
        table.integer(cx, "listen_ms", 100..=600_000).map(|at| Nanos::from_millis(at.value));
    let unproven = integer(cx, &mut table, "unproven_ppm", 0..=1_000_000, 0);
    preopen.unproven_ppm = u32::try_from(unproven).unwrap_or(0);
    preopen.ignore = ignore(cx, &mut table);
    let clocks = [WallClock::Synchronized, WallClock::Any].map(|clock| (clock.name(), clock));
    if let Some(at) = table.choice(cx, "clock", &clocks) {
        preopen.clock = at.value;
    }
    let drills = [DrillAsked::Require, DrillAsked::No].map(|asked| (asked.name(), asked));
    if let Some(at) = table.choice(cx, "drill", &drills) {
        preopen.drill = at.value;
    }
    let error = integer(cx, &mut table, "clock_error_ms", 1..=60_000, CLOCK_ERROR_MS);
    preopen.clock_error = Nanos::from_millis(error);
    if preopen.clock == WallClock::Any
        && let Some(line) = table.line_of(cx, "clock_error_ms")
    {
        cx.problem(line, "`clock_error_ms` means nothing with `clock = \"any\"`; take one out");
    }
    preopen.disk_mb = integer(cx, &mut table, "disk_mb", 0..=1 << 40, DISK_MB);
    preopen.memory_mb = integer(cx, &mut table, "memory_mb", 0..=1 << 40, MEMORY_MB);
    table.finish(cx);
    preopen
}

fn ignore(cx: &mut Context<'_>, table: &mut Table<'_>) -> Vec<Endpoint> {
    let mut list = Vec::new();
    for at in table.texts(cx, "ignore").map(|at| at.value).unwrap_or_default() {
        match at.value.parse::<SocketAddrV4>() {
            Ok(address) if address.ip().is_multicast() => {
                list.push(Endpoint { group: address.ip().octets(), port: address.port() });
            }
            _ => cx.problem(
                at.line,
                format!(
                    "{:?} in `ignore` is no multicast group and port like \"239.1.1.1:5000\"",
                    at.value
                ),
            ),
        }
    }
    list
}
