//! The twin over ordinary sockets: the same flow, the same silence, the same account.

use candor_core::Nanos;

use crate::accounting::{assert_accounts, settled};
use crate::silence::{assert_killed_and_revived, kill_and_revive};
use crate::watch::judge;
use crate::world::{Plan, World, lane, pause};

#[test]
fn over_ordinary_sockets_the_same_holds() {
    let heartbeat = Nanos::from_millis(200);
    let plan = Plan { source: "udp", heartbeat, ..Plan::default() };
    let Some(mut world) = World::running("udp over veth", plan) else { return };
    let region = world.region();
    assert_eq!(lane(&region).mode.as_str(), "udp");
    let (log, times, stalls) = kill_and_revive(&world);
    assert_killed_and_revived(&world, &log, times, stalls);
    world.tell("dup A 5%");
    world.tell("loss B 5%");
    pause(Nanos::from_millis(300));
    world.tell("clear");
    pause(Nanos::from_millis(100));
    world.tell("pause");
    let status = settled(&world, &region);
    assert_accounts(&world, &region, &status);
    judge(&mut world, &log);
}
