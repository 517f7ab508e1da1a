//! Sessions and their numbers.

use candor_core::alert::Code;
use candor_core::{Line, Nanos, Reason};
use candor_engine::alerts::Place;

use super::{OPEN_BY, SOON, after, ms, small, stale};
use crate::services::{ServiceFault, ServiceKind};
use crate::simulator::network::Link;
use crate::simulator::schedule::{Must, Plan, ServiceSetup, Setup, What};

const END: Nanos = ms(2_500);

/// Numbers begin again at 1 under the same session name: never old data as new. Nothing is Live
/// until no line can lag so far that it brings what was before.
pub(super) fn number_reset(seed: u64) -> Plan {
    reset("number-reset", small(seed))
}

/// The same where the venue has snapshots: one from after that is the proof.
pub(super) fn number_reset_healed(seed: u64) -> Plan {
    reset("number-reset-healed", Setup { services: Some(ServiceSetup::BOTH), ..small(seed) })
}

fn reset(name: &'static str, setup: Setup) -> Plan {
    let (at, grace) = (ms(700), setup.session_grace);
    Plan::quiet(name, setup, END)
        .at(at, What::Restart(0, false))
        .expect(0, OPEN_BY, at, Must::BeLive)
        .expect(0, after(at, ms(250)), after(at, grace), stale(&[Reason::SessionChanged]))
        .expect(0, after(at, after(grace, ms(250))), END, Must::BeLive)
        .others_live(0, OPEN_BY)
}

/// The session changes in the middle of the day: the old one's books are gone at once. Of odd seeds its beginning is
/// heard by nobody, and it is Live by a snapshot.
pub(super) fn failover(seed: u64) -> Plan {
    let at = ms(700);
    let unheard = !seed.is_multiple_of(2);
    let services = unheard.then_some(ServiceSetup { retransmit: false, ..ServiceSetup::BOTH });
    let mut plan = Plan::quiet("failover-new-session", Setup { services, ..small(seed) }, END);
    for line in [Line::A, Line::B] {
        plan = plan
            .at(at, What::Cut(1, line, unheard))
            .at(after(at, ms(50)), What::Cut(1, line, false));
    }
    plan.at(at, What::Session(Some(1)))
        .expect(1, OPEN_BY, at, Must::BeLive)
        .expect(1, after(at, ms(150)), END, Must::BeLive)
        .others_live(1, OPEN_BY)
}

/// The session changes in the middle of the day, and the venue's services come late with it: they still have the
/// one before. Of even seeds its beginning is heard, and Live until messages are missing; of odd ones by nobody.
/// Nothing is Live by what the services have, and all is once they have the session.
pub(super) fn late_service(seed: u64) -> Plan {
    let (at, had) = (ms(700), ms(1_500));
    let unheard = !seed.is_multiple_of(2);
    let setup = Setup { services: Some(ServiceSetup::BOTH), ..small(seed) };
    let mut plan = Plan::quiet("late-service", setup, END);
    for kind in ServiceKind::ALL {
        plan = plan
            .at(ms(0), What::Serve(1, kind, ServiceFault::LateSession))
            .at(had, What::Serve(1, kind, ServiceFault::Off));
    }
    for line in [Line::A, Line::B] {
        plan = plan
            .at(at, What::Cut(1, line, unheard))
            .at(after(at, ms(50)), What::Cut(1, line, false));
    }
    let missing = if unheard { at } else { ms(900) };
    if !unheard {
        plan = plan.at(missing, What::LoseNext(1, 4)).expect(
            1,
            after(at, ms(150)),
            missing,
            Must::BeLive,
        );
    }
    let reasons = [Reason::Recovering, Reason::Gap, Reason::SessionChanged];
    plan.at(at, What::Session(Some(1)))
        .expect(1, OPEN_BY, at, Must::BeLive)
        .expect(1, after(missing, ms(100)), had, stale(&reasons))
        .expect(1, after(had, ms(250)), END, Must::BeLive)
        .others_live(1, OPEN_BY)
}

/// The same right behind a start, while a line lags: it brings the session before, and the services have that one.
/// They are not believed before no line can lag so far, and then nothing brings it any more.
pub(super) fn start_beside_late_service(seed: u64) -> Plan {
    let services = Some(ServiceSetup::BOTH);
    let setup = Setup { services, handler_at: ms(600), ..small(seed) };
    let mut plan = Plan::quiet("start-beside-late-service", setup, END);
    for kind in ServiceKind::ALL {
        plan = plan
            .at(ms(0), What::Serve(0, kind, ServiceFault::LateSession))
            .at(ms(1_500), What::Serve(0, kind, ServiceFault::Off));
    }
    plan.at(ms(500), What::Lag(0, Line::B, ms(200)))
        .at(ms(700), What::Session(Some(0)))
        .alarms(&[(Code::SessionUnclear, Place::Partition(0), 1)])
        .expect(0, ms(710), ms(1_300), stale(&[Reason::SessionChanged, Reason::Recovering]))
        .expect(0, ms(2_000), END, Must::BeLive)
}

/// All partitions at once, and again.
pub(super) fn session_change_all(seed: u64) -> Plan {
    Plan::quiet("session-change-all", small(seed), END)
        .at(ms(600), What::Session(None))
        .at(ms(1_200), What::Session(None))
        .all_live(ms(1_350))
}

/// The old primary still sends beside the new: one is followed, the other refused. When the new
/// one falls silent the old one keeps nothing Live.
pub(super) fn two_publishers(seed: u64) -> Plan {
    let setup = small(seed);
    let (at, dead, back) = (ms(600), ms(1_200), ms(2_200));
    let silent = after(dead, after(setup.silence, SOON));
    Plan::quiet("two-publishers", setup, ms(3_000))
        .at(at, What::Session(Some(0)))
        .at(at, What::Zombie(0, Line::A, true))
        .at(dead, What::Kill(0))
        .at(back, What::Revive(0))
        .expect(0, after(at, ms(150)), dead, Must::BeLive)
        .expect(0, silent, back, stale(&[Reason::Silent]))
        .expect(0, after(back, SOON), ms(3_000), Must::BeLive)
        .others_live(0, OPEN_BY)
}

/// A loop in the network repeats the last packet of a partition that is dead: it stays silent.
pub(super) fn stuck_publisher(seed: u64) -> Plan {
    let setup = small(seed);
    let (dead, back) = (ms(800), ms(2_000));
    // The copies that a line carries once more than the other are told apart at once.
    let silent = after(dead, after(setup.silence, after(setup.heartbeat, SOON)));
    Plan::quiet("stuck-publisher", setup, ms(2_500))
        .at(ms(500), What::Loop(2, Line::A, true))
        .at(dead, What::Kill(2))
        .at(back, What::Revive(2))
        .expect(2, silent, back, stale(&[Reason::Silent]))
        .others_live(2, OPEN_BY)
}

/// The venue ends the session, by the transport or, where that has no word for it, by its last message: Ended,
/// whatever else may be missing later.
pub(super) fn session_ends(seed: u64) -> Plan {
    let at = ms(800);
    Plan::quiet("session-ends", small(seed), END)
        .at(at, What::End(1))
        .expect(1, OPEN_BY, at, Must::BeLive)
        .expect(1, after(at, SOON), END, stale(&[Reason::Ended]))
        .others_live(1, OPEN_BY)
}

/// The same by the transport alone: its last message never came, or there is none.
pub(in crate::simulator) fn session_ceases(seed: u64) -> Plan {
    let at = ms(800);
    Plan::quiet("session-ceases", small(seed), END)
        .at(at, What::Cease(1))
        .expect(1, OPEN_BY, at, Must::BeLive)
        .expect(1, after(at, SOON), END, stale(&[Reason::Ended]))
        .others_live(1, OPEN_BY)
}

/// Started at noon: never Live from increments alone.
pub(super) fn late_join(seed: u64) -> Plan {
    let setup = Setup { handler_at: ms(700), ..small(seed) };
    let mut plan = Plan::quiet("late-join", setup, END);
    for partition in 0..3 {
        let reasons = [Reason::Recovering, Reason::NotStarted, Reason::Gap];
        plan = plan.expect(partition, ms(700), END, stale(&reasons));
    }
    plan
}

/// Packets of the old numbers that nobody has seen come after the first of the new ones.
pub(super) fn restart_with_late_packets(seed: u64) -> Plan {
    let rough = Link { jitter: Nanos::from_micros(800), loss: 20_000, ..Link::GOOD };
    let services = Some(ServiceSetup::BOTH);
    let setup = Setup { links: [rough; 3], rate: 50_000, services, ..small(seed) };
    let mut plan = Plan::quiet("restart-with-late-packets", setup, ms(6_000));
    for step in 0..6 {
        plan = plan.at(ms(300 + 200 * step), What::Restart(0, true));
    }
    plan.at(ms(2_500), What::Restart(0, true))
}

/// Everything line B brings comes twice, and late, when line A begins again behind a pause: what is left of the
/// old numbers is copies of what has been seen.
pub(in crate::simulator) fn restart_among_copies(seed: u64) -> Plan {
    let all = ServiceSetup::BOTH;
    let services = [None, Some(all), Some(ServiceSetup { retransmit: false, ..all })];
    let again = Nanos(ms(104).0 + seed % 226 * 1_000_000);
    let mut setup = Setup {
        partitions: 1,
        symbols: 12,
        rate: 20_000,
        heartbeat: ms(20),
        silence: ms(60),
        session_grace: ms(100),
        services: services[(seed / 2 % 3) as usize],
        ..Setup::plain(seed)
    };
    setup.links[1] = Link { jitter: Nanos::from_micros(900), duplicate: 1_000_000, ..Link::GOOD };
    Plan::quiet("restart-among-copies", setup, ms(2_000))
        .at(ms(50), What::Lag(0, Line::B, ms(10)))
        .at(Nanos(again.0 - 3_000_000), What::Pause)
        .at(again, What::Restart(0, true))
        .at(after(again, Nanos::from_micros(10)), What::Resume)
}

/// Line A lags, and numbers begin again twice before it comes to the first beginning: what it brings of in between
/// is neither taken for the new ones, nor what follows for a third beginning.
pub(super) fn restarts_within_a_lag(seed: u64) -> Plan {
    let again = Nanos(ms(20).0 + seed % 7 * 10_000_000);
    let rough = Link { jitter: Nanos::from_micros(800), loss: 20_000, ..Link::GOOD };
    let setup = Setup { services: Some(ServiceSetup::BOTH), rate: 20_000, ..small(seed) };
    let mut plan = Plan::quiet("restarts-within-a-lag", setup, ms(3_000))
        .at(ms(300), What::Lag(0, Line::A, ms(200)))
        .at(ms(700), What::Restart(0, true))
        .at(after(ms(700), again), What::Restart(0, true))
        .at(ms(1_700), What::Mend(0, Line::A));
    plan.setup.links[1] = rough;
    plan.expect(0, ms(2_000), ms(3_000), Must::BeLive)
}

/// A handler starts while a publisher of yesterday's session still sends on one line: which of the two
/// is in force only the venue's services know.
pub(super) fn start_beside_old_publisher(seed: u64) -> Plan {
    started_amid_sessions("start-beside-old-publisher", Some(ServiceSetup::BOTH), seed)
        .at(ms(950), What::Zombie(0, Line::A, true))
        .expect(0, ms(2_500), ms(3_000), Must::BeLive)
}

/// The same where nobody can be asked: never Live, for as long as that may be.
pub(super) fn start_beside_old_publisher_alone(seed: u64) -> Plan {
    let reasons = [Reason::NotStarted, Reason::SessionChanged, Reason::Recovering];
    started_amid_sessions("start-beside-old-publisher-alone", None, seed)
        .at(ms(950), What::Zombie(0, Line::A, true))
        .expect(0, ms(1_200), ms(3_000), stale(&reasons))
}

/// A handler starts as the session changes, and one line lags: it brings the old one after the new. Of odd seeds the
/// lane stands still meanwhile, and looks at the old one when no line can lag so far any more.
pub(in crate::simulator) fn start_as_session_changes(seed: u64) -> Plan {
    let plan = started_amid_sessions("start-as-session-changes", Some(ServiceSetup::BOTH), seed)
        .at(ms(500), What::Lag(0, Line::B, ms(300)));
    // What the line that lags would bring before the lane stands still is lost.
    let stood = |plan: Plan| {
        plan.at(ms(695), What::Cut(0, Line::B, true))
            .at(ms(710), What::Cut(0, Line::B, false))
            .at(ms(1_005), What::Stall(0, ms(700)))
    };
    // It goes back to the old one then, until the services have said which is in force, and that is silent.
    let (plan, by) =
        if seed.is_multiple_of(2) { (plan, ms(2_500)) } else { (stood(plan), ms(2_900)) };
    plan.expect(0, by, ms(3_000), Must::BeLive)
}

/// The same with two changes within the time by which the line lags: it brings the first session, and then
/// the second from its number 1, while the others carry the third. Of even seeds the venue can be asked.
pub(in crate::simulator) fn start_as_sessions_change_twice(seed: u64) -> Plan {
    let asked = seed.is_multiple_of(2);
    let reasons = [Reason::NotStarted, Reason::SessionChanged, Reason::Recovering, Reason::Silent];
    let must = if asked { Must::BeLive } else { stale(&reasons) };
    let services = asked.then_some(ServiceSetup::BOTH);
    started_amid_sessions("start-as-sessions-change-twice", services, seed)
        .at(ms(500), What::Lag(0, Line::B, ms(300)))
        .at(ms(900), What::Session(Some(0)))
        .expect(0, ms(2_500), ms(3_000), must)
}

/// A partition is left, its session changes twice, and it is joined again: a line that lags brings the session
/// nobody heard behind the one in force. Of even seeds the venue can be asked.
pub(in crate::simulator) fn join_as_sessions_change_twice(seed: u64) -> Plan {
    let asked = seed.is_multiple_of(2);
    let reasons = [Reason::NotStarted, Reason::SessionChanged, Reason::Recovering, Reason::Silent];
    let must = if asked { Must::BeLive } else { stale(&reasons) };
    let services = asked.then_some(ServiceSetup::BOTH);
    Plan::quiet("join-as-sessions-change-twice", Setup { services, ..small(seed) }, ms(3_500))
        .at(ms(500), What::Lag(0, Line::B, ms(400)))
        .at(ms(800), What::Subscribe(0, false))
        .at(ms(900), What::Session(Some(0)))
        .at(ms(1_000), What::Session(Some(0)))
        .at(ms(1_050), What::Subscribe(0, true))
        .expect(0, ms(2_500), ms(3_500), must)
}

/// Line A is dark through two changes of session, and line B lags by more than the time between them: A leads into
/// the session in force, and B brings the one between behind it. Of even seeds the venue can be asked.
pub(in crate::simulator) fn sessions_change_while_dark(seed: u64) -> Plan {
    let asked = seed.is_multiple_of(2);
    let reasons = [Reason::SessionChanged, Reason::Recovering, Reason::Silent];
    let must = if asked { Must::BeLive } else { stale(&reasons) };
    let services = asked.then_some(ServiceSetup::BOTH);
    Plan::quiet("sessions-change-while-dark", Setup { services, ..small(seed) }, ms(3_500))
        .at(ms(500), What::Lag(0, Line::B, ms(400)))
        .at(ms(800), What::Cut(0, Line::A, true))
        .at(ms(900), What::Session(Some(0)))
        .at(ms(1_000), What::Session(Some(0)))
        .at(ms(1_050), What::Cut(0, Line::A, false))
        .expect(0, ms(2_700), ms(3_500), must)
}

fn started_amid_sessions(name: &str, services: Option<ServiceSetup>, seed: u64) -> Plan {
    let setup = Setup { services, ..small(seed) };
    Plan::quiet(name, setup, ms(3_000))
        .at(ms(800), What::Stop)
        .at(ms(1_000), What::Session(Some(0)))
        .at(ms(1_001), What::Start)
}

/// Numbers begin again while the lane stands still, and come further than they were before.
pub(super) fn restart_unheard(seed: u64) -> Plan {
    if seed.is_multiple_of(2) { restart_just_passed(seed) } else { unheard(seed, ms(900)) }
}

/// They come a little further than they were: few seem to be missing and are asked for, and the answer
/// is of other numbers.
pub(in crate::simulator) fn restart_just_passed(seed: u64) -> Plan {
    unheard(seed, ms(325))
}

/// Joined by heartbeats, so that no line has brought any number, and then the numbers begin again unheard and come a
/// little further: what seems to be missing begins where the snapshot was joined.
pub(in crate::simulator) fn restart_behind_splice(seed: u64) -> Plan {
    let services = Some(ServiceSetup { limit: 500, ..ServiceSetup::BOTH });
    let setup = Setup { rate: 20_000, services, handler_at: ms(300), ..small(seed) };
    let mut plan = Plan::quiet("restart-behind-splice", setup, ms(3_000)).at(ms(200), What::Pause);
    for line in [Line::A, Line::B] {
        plan = plan.at(ms(800), What::Cut(0, line, true)).at(ms(1_060), What::Cut(0, line, false));
    }
    plan.at(ms(810), What::Restart(0, false))
        .at(ms(811), What::Resume)
        .at(ms(1_031), What::Pause)
        .at(ms(2_000), What::Resume)
        .expect(0, ms(600), ms(800), Must::BeLive)
        .expect(0, ms(2_300), ms(3_000), Must::BeLive)
}

/// Some are missing when the numbers begin again, heard by nobody, and the snapshot that follows ends among the old
/// ones that were held back. Of even seeds an answer contradicts those first; of odd ones there are snapshots alone.
pub(in crate::simulator) fn restart_contradicted(seed: u64) -> Plan {
    let answers = seed.is_multiple_of(2);
    let kind = if answers { ServiceKind::Retransmit } else { ServiceKind::Snapshot };
    let services = ServiceSetup { retransmit: answers, timeout: ms(30), ..ServiceSetup::BOTH };
    let setup = Setup { rate: 20_000, services: Some(services), ..small(seed) };
    let mut plan = Plan::quiet("restart-contradicted", setup, ms(3_000))
        .at(ms(30), What::Serve(0, kind, ServiceFault::Hang))
        .at(ms(40), What::LoseNext(0, 4))
        .at(ms(110), What::Restart(0, false))
        .at(ms(135), What::Serve(0, kind, ServiceFault::Off));
    for line in [Line::A, Line::B] {
        plan = plan.at(ms(109), What::Cut(0, line, true)).at(ms(300), What::Cut(0, line, false));
    }
    plan.expect(0, ms(2_000), ms(3_000), Must::BeLive)
}

/// Both lines lag behind the services, some messages are missing, and the numbers begin again. The image that is asked
/// for is of the new ones, and the lines bring the old ones still, which have come as far: what they had brought
/// before its number is not what it has. Of odd seeds there are snapshots alone.
pub(in crate::simulator) fn restart_behind_lag(seed: u64) -> Plan {
    let retransmit = seed.is_multiple_of(2);
    let services = ServiceSetup { retransmit, limit: 2, ..ServiceSetup::BOTH };
    let setup = Setup { rate: 20_000, services: Some(services), ..small(seed) };
    let mut plan = Plan::quiet("restart-behind-lag", setup, ms(3_000));
    for line in [Line::A, Line::B] {
        plan = plan.at(Nanos::ZERO, What::Lag(0, line, ms(150)));
    }
    plan.at(ms(20), What::LoseNext(0, 4)).at(ms(140 + seed % 7), What::Restart(0, true)).expect(
        0,
        ms(2_500),
        ms(3_000),
        Must::BeLive,
    )
}

fn unheard(seed: u64, still: Nanos) -> Plan {
    let setup =
        Setup { queue: 64, rate: 20_000, services: Some(ServiceSetup::BOTH), ..small(seed) };
    Plan::quiet("restart-unheard", setup, ms(3_000))
        .at(ms(200), What::Stall(0, still))
        .at(ms(300), What::Restart(0, false))
        .expect(0, ms(2_000), ms(3_000), Must::BeLive)
}
