//! What no line carried, asked for, fetched, and refused in every way.

use candor_core::alert::Code;
use candor_core::counters::Counter;
use candor_core::{Line, Nanos, Reason};
use candor_engine::alerts::Place;

use super::{OPEN_BY, after, ms, small, stale};
use crate::market::Family;
use crate::publisher::Packing;
use crate::services::{ServiceFault, ServiceKind};
use crate::simulator::schedule::{Must, Plan, ServiceSetup, Setup, Tamper, What};

const END: Nanos = ms(2_500);
const AT: Nanos = ms(600);

fn served(name: &str, seed: u64, services: ServiceSetup) -> Plan {
    let setup = Setup { services: Some(services), rate: 20_000, ..small(seed) };
    Plan::quiet(name, setup, END)
}

/// Partition 0 is Live before, and again some time after the loss; the others all along.
fn heals(plan: Plan, within: Nanos) -> Plan {
    plan.expect(0, OPEN_BY, AT, Must::BeLive)
        .expect(0, after(AT, within), END, Must::BeLive)
        .others_live(0, OPEN_BY)
}

/// The same number lost on both lines: asked for, Live. Of seeds from 3 to 5, and so on, in every other three,
/// the venue allows so few numbers in a request that several are needed.
pub(super) fn gap_healed(seed: u64) -> Plan {
    let split = !(seed / 3).is_multiple_of(2);
    let piece = if split { 3 } else { ServiceSetup::BOTH.piece };
    let plan = served("gap-retransmitted", seed, ServiceSetup { piece, ..ServiceSetup::BOTH });
    // By the answers alone: no snapshot hides that nobody was asked.
    heals(plan.at(AT, What::LoseNext(0, 4)), ms(200))
        .counts(Counter::RetransmitRequests, 1..=u64::MAX)
        .counts(Counter::RetransmitFilled, 1..=u64::MAX)
        .counts(Counter::SnapshotsSpliced, 0..=0)
        .heals_all()
}

/// Neither line nor the retransmit server has it: a snapshot, Live when spliced.
pub(super) fn everyone_missed(seed: u64) -> Plan {
    let refuse = What::Serve(0, ServiceKind::Retransmit, ServiceFault::Refuse);
    let plan = served("everyone-missed-46", seed, ServiceSetup::BOTH).at(ms(0), refuse);
    heals(plan.at(AT, What::LoseNext(0, 4)), ms(400))
}

/// A gap larger than is worth asking for: a snapshot at once.
pub(super) fn gap_over_limit(seed: u64) -> Plan {
    let services = ServiceSetup { limit: 100, ..ServiceSetup::BOTH };
    let plan = served("gap-over-limit", seed, services)
        .at(AT, What::Cut(0, Line::A, true))
        .at(AT, What::Cut(0, Line::B, true))
        .at(after(AT, ms(100)), What::Cut(0, Line::A, false))
        .at(after(AT, ms(100)), What::Cut(0, Line::B, false));
    heals(plan, ms(500))
}

/// Refused, throttled, hanging, answering in part, late, with other numbers: a snapshot in the end.
pub(super) fn retransmit_denied(seed: u64) -> Plan {
    const DENIALS: [ServiceFault; 6] = [
        ServiceFault::Refuse,
        ServiceFault::Throttle(0),
        ServiceFault::Hang,
        ServiceFault::Partial,
        ServiceFault::Late(ms(80)),
        ServiceFault::WrongRange,
    ];
    let denial = DENIALS[(seed % DENIALS.len() as u64) as usize];
    let fault = What::Serve(0, ServiceKind::Retransmit, denial);
    let plan = served("retransmit-denied", seed, ServiceSetup::BOTH).at(ms(0), fault);
    heals(plan.at(AT, What::LoseNext(0, 4)), ms(600))
}

/// The retransmit service says no, or nothing gets through to it, for much longer than the patience, and there are no
/// snapshots: the gap is asked for again once in a while, and Live within a pause and a round of the service's return.
pub(super) fn retransmit_back(seed: u64) -> Plan {
    let services = ServiceSetup { snapshot: false, ..ServiceSetup::BOTH };
    let (gone, back) = (ms(300), ms(1_700));
    let (fails, ends) = if seed.is_multiple_of(2) {
        let serve = |fault| What::Serve(0, ServiceKind::Retransmit, fault);
        (serve(ServiceFault::Refuse), serve(ServiceFault::Off))
    } else {
        (What::WayHangs(0, true), What::WayHangs(0, false))
    };
    let mut plan = served("retransmit-back-without-snapshot", seed, services);
    // What comes meanwhile is held behind the gap: there is room for 16,384 messages.
    plan.setup.rate = 5_000;
    let within = after(services.pause_max(), after(services.timeout_max(), ms(50)));
    plan.at(gone, fails)
        .at(back, ends)
        .at(AT, What::LoseNext(0, 4))
        .expect(0, OPEN_BY, AT, Must::BeLive)
        .expect(0, after(AT, ms(60)), back, stale(&[Reason::Gap]))
        .expect(0, after(back, within), END, Must::BeLive)
        .others_live(0, OPEN_BY)
        // Four attempts, and rounds of one request after 60, 120, 240 and each 320 ms.
        .counts(Counter::RetransmitRequests, 6..=12)
        .counts(Counter::RetransmitGivenUp, 1..=1)
        .heals_all()
}

/// The retransmit service says everything twice: what comes again is no answer to what was asked since, and changes
/// nothing. The first gap is asked for more than once, since nothing gets through for a time.
pub(super) fn answers_twice(seed: u64) -> Plan {
    let twice = What::Serve(0, ServiceKind::Retransmit, ServiceFault::Twice);
    let through = after(AT, ms(30));
    let mut plan = served("answers-twice", seed, ServiceSetup::BOTH)
        .at(ms(0), twice)
        .at(AT, What::WayHangs(0, true))
        .at(AT, What::LoseNext(0, 4))
        .at(through, What::WayHangs(0, false));
    for step in 0..5 {
        plan = plan.at(after(AT, ms(200 + step * 20)), What::LoseNext(0, 4));
    }
    plan.expect(0, OPEN_BY, AT, Must::BeLive)
        .expect(0, after(AT, ms(10)), through, stale(&[Reason::Gap]))
        .expect(0, after(AT, ms(100)), after(AT, ms(200)), Must::BeLive)
        .expect(0, after(AT, ms(400)), END, Must::BeLive)
        .others_live(0, OPEN_BY)
        .counts(Counter::RetransmitRequests, 8..=10)
        .counts(Counter::RetransmitContradicts, 0..=0)
        .counts(Counter::RetransmitGivenUp, 0..=0)
        .counts(Counter::SnapshotRequests, 0..=0)
        .heals_all()
}

/// The snapshot service says no: it is asked again and again, and Live by the first after it says yes. Of odd seeds a
/// handler joins meanwhile.
pub(super) fn snapshots_refused(seed: u64) -> Plan {
    let joins = !seed.is_multiple_of(2);
    let services = ServiceSetup { retransmit: false, ..ServiceSetup::BOTH };
    let serve = |fault| What::Serve(0, ServiceKind::Snapshot, fault);
    let granted = after(AT, ms(800));
    let mut plan = served("snapshots-refused", seed, services)
        .at(ms(0), serve(ServiceFault::Refuse))
        .at(granted, serve(ServiceFault::Off));
    plan = if joins {
        plan.setup.handler_at = AT;
        let joining = [Reason::NotStarted, Reason::Recovering];
        plan.expect(0, AT, granted, stale(&joining)).others_live(0, after(AT, ms(200)))
    } else {
        plan.at(AT, What::LoseNext(0, 4))
            .expect(0, OPEN_BY, AT, Must::BeLive)
            .expect(0, after(AT, ms(10)), granted, stale(&[Reason::Gap]))
            .others_live(0, OPEN_BY)
    };
    // A login that is refused is waited for as long as anything: each 80 ms.
    plan.expect(0, after(granted, ms(200)), END, Must::BeLive)
        .counts(Counter::SnapshotRequests, 10..=15)
        .counts(Counter::SnapshotsSpliced, 1..=3)
        .heals_all()
}

/// The snapshot service serves one request a second: the second gap waits for the next, and nobody else waits with it.
pub(super) fn snapshots_throttled(seed: u64) -> Plan {
    let services = ServiceSetup { retransmit: false, ..ServiceSetup::BOTH };
    let throttle = What::Serve(0, ServiceKind::Snapshot, ServiceFault::Throttle(1));
    let (second, next) = (after(AT, ms(200)), after(AT, ms(1_000)));
    served("snapshots-throttled", seed, services)
        .at(ms(0), throttle)
        .at(AT, What::LoseNext(0, 4))
        .at(second, What::LoseNext(0, 4))
        .expect(0, OPEN_BY, AT, Must::BeLive)
        .expect(0, after(AT, ms(100)), second, Must::BeLive)
        .expect(0, after(second, ms(10)), next, stale(&[Reason::Gap]))
        .expect(0, after(next, ms(200)), END, Must::BeLive)
        .others_live(0, OPEN_BY)
        // SNAP says why, and is asked each 80 ms; GLIMPSE closes, and is after 5, 10, 20, 40 and then 80 ms.
        .counts(Counter::SnapshotRequests, 10..=17)
        .counts(Counter::SnapshotsSpliced, 2..=2)
        .heals_all()
}

/// The request vanishes and no packet follows: asked again by its own deadline.
pub(super) fn request_lost_then_silence(seed: u64) -> Plan {
    let plan = served("request-lost-then-silence", seed, ServiceSetup::BOTH)
        .at(AT, What::LoseNext(0, 2))
        .at(AT, What::WayHangs(0, true))
        .at(after(AT, ms(4)), What::Pause)
        .at(after(AT, ms(12)), What::WayHangs(0, false));
    // Before the next heartbeat: by its own deadline, not by what happens to come.
    heals(plan, ms(80))
}

/// The image ends before the gap does: not used; the next one is.
pub(super) fn snapshot_older(seed: u64) -> Plan {
    older(seed, 2_000).alarms(&[(Code::PartitionRecovering, Place::Partition(0), 1)])
}

/// The same of SNAP, which refuses a request for more than its image has: no image ever is of no use,
/// and the first that goes far enough is spliced, so that it has to be older.
pub(super) fn snapshot_older_refused(seed: u64) -> Plan {
    older(seed, 20_000)
}

fn older(seed: u64, messages: u64) -> Plan {
    let services = ServiceSetup { retransmit: false, ..ServiceSetup::BOTH };
    let old = What::Serve(0, ServiceKind::Snapshot, ServiceFault::OldSnapshot(messages));
    let good = What::Serve(0, ServiceKind::Snapshot, ServiceFault::Off);
    let plan = served("snapshot-older-than-gap", seed, services)
        .at(ms(0), old)
        .at(after(AT, ms(500)), good)
        .at(AT, What::LoseNext(0, 4));
    let reasons = [Reason::Gap, Reason::Recovering, Reason::Late];
    heals(plan, ms(1_200)).expect(0, after(AT, ms(60)), after(AT, ms(500)), stale(&reasons))
}

/// Snapshots that are broken, cut off, or hang: fetched again until one is whole.
pub(super) fn snapshot_broken(seed: u64) -> Plan {
    let faults = [
        ServiceFault::BrokenSnapshot,
        ServiceFault::LostPart,
        ServiceFault::Hang,
        ServiceFault::Partial,
    ];
    broken(seed, &faults)
}

/// The same of SNAP, of which a packet may be missing as well: the length that it tells shows that.
/// Nothing does of GLIMPSE, whose wholeness is the server's word and TCP's.
pub(super) fn snapshot_broken_or_short(seed: u64) -> Plan {
    let faults = [
        ServiceFault::BrokenSnapshot,
        ServiceFault::LostPart,
        ServiceFault::Hang,
        ServiceFault::Partial,
        ServiceFault::LostPacket,
    ];
    broken(seed, &faults)
}

fn broken(seed: u64, faults: &[ServiceFault]) -> Plan {
    let fault = faults[(seed % faults.len() as u64) as usize];
    let services = ServiceSetup { retransmit: false, ..ServiceSetup::BOTH };
    let plan = served("snapshot-broken", seed, services)
        .at(ms(0), What::Serve(0, ServiceKind::Snapshot, fault))
        .at(after(AT, ms(400)), What::Serve(0, ServiceKind::Snapshot, ServiceFault::Off))
        .at(AT, What::LoseNext(0, 4));
    heals(plan, ms(1_400))
}

/// Gaps open again and again while others are being filled: none is lost, nothing locks up.
pub(super) fn gap_in_recovery(seed: u64) -> Plan {
    let mut plan = served("gap-in-recovery", seed, ServiceSetup::BOTH);
    for step in 0..30 {
        plan = plan.at(after(AT, Nanos(step * 7_000_000)), What::LoseNext(0, 3));
    }
    heals(plan, ms(900))
}

/// Gaps are filled again and again, of DEEP, while symbols are in the middle of transactions: what is
/// Live is as new as a number may be late.
pub(super) fn gap_filled_mid_transaction(seed: u64) -> Plan {
    let few = Packing { max_messages: 3, linger: Nanos::from_millis(1), ..Packing::A };
    let mut plan = served("gap-filled-mid-transaction", seed, ServiceSetup::BOTH);
    plan.setup.venue = Family::Deep;
    plan.setup.packings = [Some(few), Some(few), None];
    plan.setup.symbols = 3;
    for step in 0..150 {
        plan = plan.at(after(AT, Nanos(step * 10_000_000)), What::LoseNext(0, 1));
    }
    plan
}

/// Started at noon: Live through the snapshot, never from increments alone.
pub(super) fn late_join(seed: u64) -> Plan {
    let mut plan = served("late-join-snapshot", seed, ServiceSetup::BOTH);
    plan.setup.handler_at = ms(700);
    plan.all_live(ms(1_500))
}

/// Started at noon, and then the numbers begin again: no line ever brought what the snapshot had, so that
/// nothing is there to compare them with. A line that goes back so far, and has stood still for longer than any
/// network is late, says it. They are not waited for until they have come as far as the old ones.
pub(super) fn restart_after_join(seed: u64) -> Plan {
    let (joined, again) = (ms(1_700), ms(1_750));
    let mut plan = served("restart-after-join", seed, ServiceSetup::BOTH);
    plan.setup.handler_at = ms(1_450);
    plan.length = ms(3_500);
    let known = after(again, after(plan.setup.session_grace, ms(300)));
    plan.at(again, What::Restart(0, false)).others_live(0, joined).expect(
        0,
        known,
        ms(3_500),
        Must::BeLive,
    )
}

/// Started late, and the numbers begin again, unheard, before the start has been asked for, and pass those that
/// are known: the answers are of the new ones, and what lies behind them is of the old.
pub(in crate::simulator) fn restart_before_start_is_had(seed: u64) -> Plan {
    let services = ServiceSetup { timeout: ms(50), ..ServiceSetup::BOTH };
    let mut plan = served("restart-before-start-is-had", seed, services);
    plan.setup.rate = 2_000;
    plan.setup.handler_at = ms(300);
    plan = plan.at(Nanos(300_500_000), What::WayHangs(0, true));
    for line in [Line::A, Line::B] {
        plan = plan.at(ms(310), What::Cut(0, line, true)).at(ms(700), What::Cut(0, line, false));
    }
    plan.at(ms(320), What::Restart(0, false))
        .at(ms(321), What::Rate(100_000))
        .at(ms(345), What::Rate(2_000))
        .at(ms(350), What::WayHangs(0, false))
        .others_live(0, ms(500))
}

/// A hundred partitions miss packets at once: the budget is kept, and all are Live within a bound.
pub(super) fn recovery_storm(seed: u64) -> Plan {
    const PARTITIONS: usize = 100;
    let services = ServiceSetup { budget: 20, ..ServiceSetup::BOTH };
    let mut plan = served("recovery-storm", seed, services);
    plan.setup.partitions = PARTITIONS;
    plan.setup.symbols = 2 * PARTITIONS;
    plan.length = ms(STORM_ENDS);
    for partition in 0..PARTITIONS {
        plan = plan.at(AT, What::LoseNext(partition, 3));
    }
    plan.all_live(ms(STORM_ENDS - 1_000))
}

/// Twenty requests a second for a hundred partitions, and some of them twice, in milliseconds.
const STORM_ENDS: u64 = 12_000;

/// Three requests a day, and three snapshots. When both are used up what is missing stays missing, and nothing is
/// Live, until the first of them is a day old.
pub(super) fn day_used_up(seed: u64) -> Plan {
    const SECOND: u64 = 1_000_000_000;
    let (first, every, day) = (2 * SECOND, 5 * SECOND, 24 * 60 * 60 * SECOND);
    let services = ServiceSetup { day: 3, timeout: ms(200), ..ServiceSetup::BOTH };
    let mut plan = served("day-used-up", seed, services);
    // A day is long: what it consists of is done seldom.
    plan.setup = Setup {
        rate: 100,
        heartbeat: Nanos(5 * SECOND),
        silence: Nanos(15 * SECOND),
        lease: Nanos(4 * SECOND),
        alerts_every: Nanos(10 * SECOND),
        ..plan.setup
    };
    let gap = |nth: u64| Nanos(first + nth * every);
    for nth in 0..10 {
        plan = plan.at(gap(nth), What::LoseNext(0, 4));
    }
    // Of the fourth a snapshot is fetched, once asking was refused for as long as there is patience.
    let (opens, end) = (Nanos(gap(3).0 + day), Nanos(gap(3).0 + day + 24 * SECOND));
    plan.length = end;
    plan.at(gap(12), What::Pause)
        .at(after(opens, Nanos(14 * SECOND)), What::Resume)
        .expect(0, after(gap(3), Nanos(4 * SECOND)), gap(4), Must::BeLive)
        .expect(0, after(gap(6), Nanos(SECOND)), opens, stale(&[Reason::Gap, Reason::Recovering]))
        .expect(0, after(opens, Nanos(12 * SECOND)), end, Must::BeLive)
        .others_live(0, OPEN_BY)
}

/// Lines that differ: nobody knows which is right, until a snapshot says it.
pub(super) fn lines_differ(seed: u64) -> Plan {
    heals(served("lines-differ-healed", seed, ServiceSetup::BOTH).at(AT, What::Differ(0)), ms(500))
}

/// A symbol whose book broke is rebuilt from a snapshot, alone. Of odd seeds that snapshot hangs, and lines
/// differ meanwhile: that one symbol is whole again proves nothing of that, and all books are fetched.
pub(super) fn unknown_order(seed: u64) -> Plan {
    let mut plan = served("unknown-order-healed", seed, ServiceSetup::BOTH);
    plan.setup.tamper = vec![Tamper::UnknownOrder { partition: 0, from: 3_000 }];
    if !seed.is_multiple_of(2) {
        // Number 3,000 has come by then, and nobody has waited so long for the rest of the snapshot.
        let (differ, good) = (ms(480), ms(500));
        let serve = |fault| What::Serve(0, ServiceKind::Snapshot, fault);
        plan = plan
            .at(ms(0), serve(ServiceFault::Hang))
            .at(differ, What::Differ(0))
            .at(good, serve(ServiceFault::Off));
    }
    plan.expect(0, ms(2_000), END, Must::BeLive).others_live(0, OPEN_BY)
}

/// A handler joins where snapshots end half way: closed, cut within a message, or hanging, and once the
/// handler itself dies in the middle of one. Each begins anew, and only a whole one counts.
pub(super) fn join_mid_cycle(seed: u64) -> Plan {
    const FAULTS: [ServiceFault; 3] =
        [ServiceFault::Partial, ServiceFault::LostPart, ServiceFault::Hang];
    let whole = ms(1_300);
    // What is missing is too much to be asked for.
    let services = ServiceSetup { limit: 100, ..ServiceSetup::BOTH };
    let mut plan = served("join-mid-cycle", seed, services);
    plan.setup.handler_at = ms(700);
    plan = plan.at(ms(1_000), What::Stop).at(ms(1_010), What::Start);
    for (partition, fault) in FAULTS.into_iter().enumerate() {
        let kind = ServiceKind::Snapshot;
        plan = plan
            .at(ms(0), What::Serve(partition, kind, fault))
            .at(whole, What::Serve(partition, kind, ServiceFault::Off));
        let reasons = [Reason::NotStarted, Reason::Recovering, Reason::Gap];
        for (from, until) in [(ms(700), ms(1_000)), (ms(1_010), whole)] {
            plan = plan.expect(partition, from, until, stale(&reasons));
        }
    }
    plan.all_live(ms(2_000))
}

/// All books are fetched anew while the stream goes on, from a service that takes its time: what came meanwhile is joined
/// behind the snapshot. Of odd seeds there is too little room: the cycle begins
/// anew until it is quick enough.
pub(super) fn snapshot_races(seed: u64) -> Plan {
    let roomy = seed.is_multiple_of(2);
    let holdback = if roomy { ServiceSetup::BOTH.holdback } else { 12_000 };
    let services = ServiceSetup { retransmit: false, holdback, ..ServiceSetup::BOTH };
    // Within what is waited for an answer.
    let slow = if roomy { ServiceFault::Late(ms(12)) } else { ServiceFault::Hang };
    let serve = |fault| What::Serve(0, ServiceKind::Snapshot, fault);
    let plan = served("snapshot-races-increments", seed, services)
        .at(ms(0), serve(slow))
        .at(AT, What::Differ(0))
        .at(after(AT, ms(300)), serve(ServiceFault::Off));
    let reasons = [Reason::LinesDiffer, Reason::Recovering, Reason::Late, Reason::Gap];
    let at_least = if roomy { ms(11) } else { ms(50) };
    heals(plan, ms(900)).expect(0, after(AT, ms(10)), after(AT, at_least), stale(&reasons))
}

/// Each line loses what the other begins or ends to lose: what is missing of both overlaps, again and
/// again, while the answers to what was missing before are late.
pub(super) fn overlapping_gaps(seed: u64) -> Plan {
    let late = ServiceFault::Late(ms(4));
    let mut plan = served("overlapping-gaps", seed, ServiceSetup::BOTH)
        .at(ms(0), What::Serve(0, ServiceKind::Retransmit, late));
    for step in 0..12 {
        let at = |ms: u64| after(AT, Nanos::from_millis(12 * step + ms));
        let (first, other) =
            if step.is_multiple_of(2) { (Line::A, Line::B) } else { (Line::B, Line::A) };
        plan = plan
            .at(at(0), What::Cut(0, first, true))
            .at(at(3), What::Cut(0, other, true))
            .at(at(7), What::Cut(0, first, false))
            .at(at(10), What::Cut(0, other, false));
    }
    heals(plan, ms(700))
}

/// An answer is so late that its session is over, and in the new one numbers are missing too.
pub(super) fn session_changes_in_gap(seed: u64) -> Plan {
    let late = ServiceFault::Late(Nanos::from_millis(30));
    let plan = served("session-changes-in-gap", seed, ServiceSetup::BOTH)
        .at(ms(0), What::Serve(0, ServiceKind::Retransmit, late))
        .at(AT, What::LoseNext(0, 4))
        .at(after(AT, ms(10)), What::Session(Some(0)))
        .at(after(AT, ms(25)), What::LoseNext(0, 4));
    heals(plan, ms(700))
}

/// The session changes while no line carries anything and a snapshot of the old one is wanted: what the
/// service has is of the new one, and never joined to what is followed. Of odd seeds the client asks for
/// whichever session is current, so that the handler itself has to see it.
pub(super) fn session_unheard(seed: u64) -> Plan {
    let services = ServiceSetup { retransmit: false, ..ServiceSetup::BOTH };
    let (cut, back) = (after(AT, ms(6)), after(AT, ms(400)));
    let mut plan = served("session-unheard", seed, services)
        .at(ms(0), What::WayHangs(0, true))
        .at(AT, What::LoseNext(0, 4))
        .at(after(cut, ms(1)), What::Session(Some(0)))
        .at(after(AT, ms(20)), What::WayHangs(0, false));
    for line in [Line::A, Line::B] {
        plan = plan.at(cut, What::Cut(0, line, true)).at(back, What::Cut(0, line, false));
    }
    let reasons = [Reason::Gap, Reason::Recovering, Reason::Silent];
    heals(plan, ms(700)).expect(0, after(AT, ms(10)), back, stale(&reasons))
}
