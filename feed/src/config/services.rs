//! The venues' services for those who miss messages: where they are, how much may be asked of them,
//! and how long is waited for what.

use std::net::Ipv4Addr;

use candor_core::Nanos;
use candor_core::limits::{RETRANSMITS_A_DAY, RETRANSMITS_OUTSTANDING};
use candor_decoders::{Format, iex};
use candor_gapfill::retransmit::Policy;
use candor_maps::Services;
use candor_maps::file::is_host;
use candor_services::snapshot::SessionChoice;
use candor_services::{Budget, Credentials};
use candor_settings::{At, Context, Table};

use super::credentials;
use super::parse::Reading;

/// How a venue's services are asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// Requests for missing messages, all partitions together.
    pub retransmit_budget: Budget,
    /// Requests for snapshots, all partitions together.
    pub snapshot_budget: Budget,
    /// Snapshots fetched at once.
    pub snapshots_at_once: usize,
    /// Who we are to the services; nobody unless configured.
    pub credentials: Option<Credentials>,
    /// The address of ours that requests come from; the host's routes choose unless configured.
    pub from: Option<Ipv4Addr>,
    /// The channel IEX is asked for.
    pub channel: u32,
    /// Which session GLIMPSE is asked for.
    pub session: SessionChoice,
    /// Numbers one request asks for at most; by what there is unless configured.
    pub piece: Option<u32>,
    /// Missing numbers beyond which a snapshot is asked for at once; likewise.
    pub limit: Option<u64>,
    /// Requests of a partition at a time.
    pub outstanding: u8,
    /// How often a request is made at most.
    pub attempts: u32,
    /// How long the first attempt waits for its answer.
    pub timeout: Nanos,
    /// How long any attempt waits at most.
    pub timeout_max: Nanos,
    /// How long a gap is asked for before a snapshot is.
    pub patience: Nanos,
    /// The longest pause before what was asked for in vain is asked for again, where there are no snapshots.
    pub pause_max: Nanos,
    /// How snapshots are waited for.
    pub snapshot: candor_snapshot::Config,
}

impl Recovery {
    /// What suits the venue of this format.
    #[must_use]
    pub fn of(feed: Format) -> Recovery {
        let iex = feed != Format::NasdaqItch50;
        let budget = |second, minute, day| Budget { second, minute, day };
        // IEX answers 1,000 requests for snapshots a day, of which a bad hour must leave some; Nasdaq
        // names no number, and neither does for requests for missing numbers.
        let a_minute = if iex { 15 } else { 60 };
        let snapshots = budget(a_minute, a_minute, iex::snap::REQUESTS_A_DAY);
        Recovery {
            retransmit_budget: if iex {
                budget(100, 3_000, 50_000)
            } else {
                // What another venue of its size publishes (Cboe's gap request proxy, equities: 320 a
                // second, 1,500 a minute, 100,000 a day), with minutes that are bad throughout.
                budget(300, 6_000, 100_000)
            },
            snapshot_budget: snapshots,
            snapshots_at_once: if iex { 2 } else { 4 },
            credentials: None,
            from: None,
            channel: 1,
            session: SessionChoice::Stream,
            piece: None,
            limit: None,
            outstanding: RETRANSMITS_OUTSTANDING as u8,
            attempts: 4,
            // A venue's services are as far as its feed: a round trip is a millisecond, and what is
            // not there after 25 was lost. Three doublings use the patience up.
            timeout: Nanos::from_millis(25),
            timeout_max: Nanos::from_millis(100),
            patience: Nanos::from_millis(250),
            // 2,880 requests a day of a partition whose service never answers: a venue may have 34 of them within
            // 100,000 a day, 17 within IEX's 50,000.
            pause_max: Nanos::from_secs(30),
            snapshot: candor_snapshot::Config {
                // Some 1.7 million messages of 36 bytes: 8 s at 200,000 a second.
                holdback_bytes: 64 << 20,
                // Two addresses that do not answer, and a third that does.
                begin: Nanos::from_secs(15),
                // One second more than either protocol allows a server to say nothing.
                idle: Nanos::from_secs(16),
                whole: Nanos::from_secs(60),
                // Three heartbeats: on a stream that is silent they carry the number.
                confirm: Nanos::from_secs(3),
                retry: Nanos::from_secs(1),
                retry_max: Nanos::from_secs(60),
            },
        }
    }

    /// How a partition of this format asks for messages again; `None` where it can't.
    #[must_use]
    pub fn policy(&self, feed: Format, services: &Services) -> Option<Policy> {
        let (udp, tcp) = (&services.retransmit_udp, &services.retransmit_tcp);
        if udp.is_empty() && tcp.is_empty() {
            return None;
        }
        // (piece, limit, how long the rest of an answer may take)
        let (piece, limit, rest) = match feed {
            // One datagram of some 1,400 bytes answers a request: 36 orders added, or 65 deleted. What
            // is asked for beyond that and does not come is asked for at once, as a smaller piece would
            // have been; so that 64 costs no request whatever the messages are, and joins more gaps
            // into one. Eight at a time bring some 300 to 500 a round trip: more than 2,000 is the
            // snapshot's.
            Format::NasdaqItch50 => (64, 2_000, Nanos::ZERO),
            // The venue answers 1,000 by datagrams, of which one is the number before the gap, and any
            // number over a connection.
            Format::IexDeep | Format::IexTops if tcp.is_empty() => {
                (iex::gapfill::UDP_MESSAGES_MAX as u32 - 1, 10_000, Nanos::from_millis(10))
            }
            Format::IexDeep | Format::IexTops => (50_000, 50_000, Nanos::from_millis(50)),
        };
        Some(Policy {
            piece: self.piece.unwrap_or(piece),
            outstanding: self.outstanding,
            limit: self.limit.unwrap_or(limit),
            timeout: self.timeout,
            timeout_max: self.timeout_max,
            attempts: self.attempts,
            patience: self.patience,
            rest,
            pause_max: Some(self.pause_max),
        })
    }
}

/// Reads what a venue says of its services.
pub(super) fn recovery(
    reading: &mut Reading<'_>,
    table: &mut Table<'_>,
    feed: Option<Format>,
) -> Recovery {
    let mut recovery = Recovery::of(feed.unwrap_or(Format::NasdaqItch50));
    let path = table.text(&mut reading.cx, "credentials", "a file name");
    if let Some(path) = path {
        match credentials::read(&reading.folder.join(path.value)) {
            Ok(credentials) => recovery.credentials = Some(credentials),
            Err(message) => {
                reading.cx.problem(path.line, format!("`credentials` {}: {message}", path.value));
            }
        }
    }
    let cx = &mut reading.cx;
    let venue = table.name().to_owned();
    let name = format!("retransmit_budget of {venue}");
    if let Some(mut budget) = table.table(cx, "retransmit_budget", &name) {
        let Budget { second, minute, day } = &mut recovery.retransmit_budget;
        requests(cx, &mut budget, "second", second);
        requests(cx, &mut budget, "minute", minute);
        requests(cx, &mut budget, "day", day);
        budget.finish(cx);
    }
    let name = format!("snapshot_budget of {venue}");
    if let Some(mut budget) = table.table(cx, "snapshot_budget", &name) {
        let Budget { second, minute, day } = &mut recovery.snapshot_budget;
        requests(cx, &mut budget, "minute", minute);
        requests(cx, &mut budget, "day", day);
        *second = *minute;
        let at_once = budget.integer(cx, "at_once", 1..=1_024);
        recovery.snapshots_at_once =
            at_once.map_or(recovery.snapshots_at_once, |at| at.value as usize);
        budget.finish(cx);
    }
    let name = format!("recovery of {venue}");
    if let Some(tuning) = table.table(cx, "recovery", &name) {
        tune(cx, tuning, &mut recovery);
    }
    recovery
}

fn requests(cx: &mut Context<'_>, table: &mut Table<'_>, key: &'static str, to: &mut u32) {
    let at = table.integer(cx, key, 1..=u64::from(RETRANSMITS_A_DAY));
    *to = at.and_then(|at| u32::try_from(at.value).ok()).unwrap_or(*to);
}

fn tune(cx: &mut Context<'_>, mut table: Table<'_>, recovery: &mut Recovery) {
    let small = |at: Option<At<u64>>| at.and_then(|at| u32::try_from(at.value).ok());
    recovery.piece = small(table.integer(cx, "piece", 1..=1 << 20));
    recovery.limit = table.integer(cx, "limit", 1..=1 << 32).map(|at| at.value);
    let outstanding = small(table.integer(cx, "outstanding", 1..=RETRANSMITS_OUTSTANDING as u64));
    recovery.outstanding = outstanding.map_or(recovery.outstanding, |n| n as u8);
    let attempts = small(table.integer(cx, "attempts", 1..=16));
    recovery.attempts = attempts.unwrap_or(recovery.attempts);
    millis(cx, &mut table, "timeout_ms", &mut recovery.timeout);
    millis(cx, &mut table, "timeout_max_ms", &mut recovery.timeout_max);
    ordered(cx, &table, ("timeout_ms", recovery.timeout), ("timeout_max_ms", recovery.timeout_max));
    millis(cx, &mut table, "patience_ms", &mut recovery.patience);
    millis(cx, &mut table, "pause_max_ms", &mut recovery.pause_max);
    let snapshot = &mut recovery.snapshot;
    if let Some(at) = table.integer(cx, "holdback_mb", 1..=65_536) {
        snapshot.holdback_bytes = (at.value as usize) << 20;
    }
    millis(cx, &mut table, "begin_ms", &mut snapshot.begin);
    millis(cx, &mut table, "idle_ms", &mut snapshot.idle);
    millis(cx, &mut table, "whole_ms", &mut snapshot.whole);
    millis(cx, &mut table, "confirm_ms", &mut snapshot.confirm);
    millis(cx, &mut table, "retry_ms", &mut snapshot.retry);
    millis(cx, &mut table, "retry_max_ms", &mut snapshot.retry_max);
    ordered(cx, &table, ("retry_ms", snapshot.retry), ("retry_max_ms", snapshot.retry_max));
    let channel = small(table.integer(cx, "channel", 0..=u64::from(u32::MAX)));
    recovery.channel = channel.unwrap_or(recovery.channel);
    let sessions = [("stream", SessionChoice::Stream), ("current", SessionChoice::Current)];
    let session = table.choice(cx, "session", &sessions);
    recovery.session = session.map_or(recovery.session, |at| at.value);
    let wanted = "an address of this host like \"10.0.0.2\"";
    if let Some(at) = table.text(cx, "from", wanted) {
        match at.value.parse::<Ipv4Addr>() {
            Ok(address) if is_host(address) => recovery.from = Some(address),
            _ => cx.problem(at.line, format!("`from` must be {wanted}, not {:?}", at.value)),
        }
    }
    table.finish(cx);
}

fn millis(cx: &mut Context<'_>, table: &mut Table<'_>, key: &'static str, to: &mut Nanos) {
    if let Some(at) = table.integer(cx, key, 1..=3_600_000) {
        *to = Nanos::from_millis(at.value);
    }
}

/// Reports a longest wait that is shorter than the first.
fn ordered(cx: &mut Context<'_>, table: &Table<'_>, first: (&str, Nanos), last: (&str, Nanos)) {
    if first.1 <= last.1 {
        return;
    }
    let line = table.line_of(cx, last.0).or_else(|| table.line_of(cx, first.0));
    cx.problem(
        line.unwrap_or(table.line),
        format!(
            "`{}` ({}) of {} must not be shorter than `{}` ({})",
            last.0,
            last.1,
            table.name(),
            first.0,
            first.1
        ),
    );
}

/// Reports what a venue says of services where none of its partitions has any: a setting without effect
/// would be a silent lie.
pub(super) fn unused(cx: &mut Context<'_>, table: &Table<'_>) {
    // Where something is wrong, the services may be what is.
    if !cx.problems.is_empty() {
        return;
    }
    let keys = ["retransmit_budget", "snapshot_budget", "credentials", "recovery"];
    for (key, line) in keys.map(|key| (key, table.line_of(cx, key))) {
        let Some(line) = line else { continue };
        cx.problem(
            line,
            format!(
                "`{key}` means nothing: no partition of {} names a service; add one like: \
                 snapshot = [\"tcp://10.0.0.1:26478\"]",
                table.name()
            ),
        );
    }
}
