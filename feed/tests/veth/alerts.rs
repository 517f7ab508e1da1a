//! What an operator is told of: once for each cause, in every place, and that it is over.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};

use candor_core::Nanos;
use candor_core::alert::Code;
use candor_core::counters::Counter;
use candor_journal::{Item, Reader, Value};
use libbpf_rs::libbpf_sys;

use crate::maps::{Maps, today};
use crate::world::{Plan, SENDER, World, candor, eventually, finished, inside, partition, pause};

/// With a command that keeps what it is given, each in a file of its own, beside the region.
pub fn passed_on(text: String) -> String {
    let line = text.lines().find(|line| line.starts_with("region = ")).unwrap();
    let region = line.trim_start_matches("region = ").trim_matches('"').to_owned();
    let script =
        format!("cat > {region}.alert.$$.part && mv {region}.alert.$$.part {region}.alert.$$");
    format!(
        "{text}\n[alerts]\ncommand = [\"/bin/sh\", \"-c\", {script:?}]\nseverity = \"notice\"\n"
    )
}

pub const PLAN: Plan = Plan { edit: passed_on, ..Plan::DEFAULT };

/// What `candor alerts` says of this code: its rows, and the exit code.
pub fn alerts(world: &World, code: Code, all: bool) -> (Vec<serde_json::Value>, i32) {
    let config = world.path("handler.toml").display().to_string();
    let mut arguments = vec!["alerts", "-o", "json", "-c", &config];
    if all {
        arguments.push("--all");
    }
    let (text, exit) = finished(candor(world, &arguments));
    let answer: serde_json::Value =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    let rows = answer["alerts"].as_array().unwrap().iter();
    (rows.filter(|row| row["alert"] == code.label()).cloned().collect(), exit)
}

/// The lines of JSON about this code in the handler's log.
pub fn lines(world: &World, code: Code) -> Vec<serde_json::Value> {
    let log = world.handler.as_ref().unwrap().log();
    let lines = log.lines().filter(|line| line.starts_with('{'));
    let lines = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter(|line| line["alert"] == code.label()).collect()
}

/// What the command was given about this code.
fn passed(world: &World, code: Code) -> Vec<serde_json::Value> {
    let folder = world.path("region").parent().unwrap().to_owned();
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let given = names.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("region.alert.") && !name.ends_with(".part")
    });
    let given = given.map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap());
    given.filter(|line: &serde_json::Value| line["alert"] == code.label()).collect()
}

/// The journal's records about this code, by whether they say that it is over.
fn recorded(world: &World, code: Code) -> Vec<bool> {
    let Ok(reader) = Reader::open(&world.path("region.journal")) else { return Vec::new() };
    let of = |item| match item {
        Ok(Item::Record(_, record)) if record.kind == "alert" => {
            let same = record.fields.text_of("what") == Some(code.label());
            let changed = record.fields.get("changed") == Some(&Value::Flag(true));
            let over = record.fields.get("over") == Some(&Value::Flag(true));
            (same && !changed).then_some(over)
        }
        _ => None,
    };
    reader.filter_map(of).collect()
}

pub fn events(said: &[serde_json::Value]) -> Vec<&str> {
    let mut events: Vec<&str> = said.iter().map(|line| line["event"].as_str().unwrap()).collect();
    events.sort_unstable();
    events
}

/// Waits until it is said everywhere that this alert has begun, once, and says what `candor alerts` shows.
pub fn begun(world: &World, code: Code) -> serde_json::Value {
    eventually("the alert is in the region", || {
        (alerts(world, code, false).0.len() == 1).then_some(())
    });
    eventually("the command has it", || (passed(world, code).len() == 1).then_some(()));
    eventually("the journal has it", || (recorded(world, code) == [false]).then_some(()));
    let (rows, exit) = alerts(world, code, false);
    assert_eq!((rows.len(), exit), (1, 1));
    assert_eq!(events(&lines(world, code)), ["begin"]);
    assert_eq!(events(&passed(world, code)), ["begin"]);
    rows.into_iter().next().unwrap()
}

/// Waits until it is said everywhere that it is over, once.
fn over(world: &World, code: Code) {
    eventually("it is over", || alerts(world, code, false).0.is_empty().then_some(()));
    eventually("the command has its end", || (passed(world, code).len() == 2).then_some(()));
    eventually("the journal has its end", || {
        (recorded(world, code) == [false, true]).then_some(())
    });
    let (rows, _) = alerts(world, code, true);
    assert!(rows.len() == 1 && rows[0]["over_ns"].is_number(), "{rows:?}");
    assert_eq!(events(&lines(world, code)), ["begin", "over"]);
    assert_eq!(events(&passed(world, code)), ["begin", "over"]);
}

#[test]
fn a_partition_that_falls_silent_is_one_alert_until_it_is_heard_again() {
    let Some(world) = World::running("an alert over veth", PLAN) else { return };
    let code = Code::PartitionSilent;
    pause(Nanos::from_millis(400));
    assert_eq!(alerts(&world, code, true).0, Vec::<serde_json::Value>::new());
    world.tell("kill partition 2");
    let row = begun(&world, code);
    assert_eq!(
        (&row["where"], &row["stale"], &row["of"]),
        (&"partition XNAS/2".into(), &1.into(), &1.into())
    );
    assert_eq!((&row["owner"], &row["severity"]), (&"network".into(), &"page".into()));
    assert_eq!(row["runbook"], "docs/ALERTS.md#partition-silent");
    let line = &lines(&world, code)[0];
    assert_eq!(line["partitions"], serde_json::json!(["XNAS/2"]));
    assert_eq!(passed(&world, code)[0], *line, "the command gets the line itself");
    let config = world.path("handler.toml").display().to_string();
    let (status, _) = finished(candor(&world, &["status", "-o", "json", "-c", &config]));
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["handler"]["alerts"], 1);
    world.tell("revive partition 2");
    world.until_live();
    over(&world, code);
}

#[test]
fn partitions_that_fall_silent_together_are_one_alert_with_what_they_have_in_common() {
    let Some(world) = World::running("one alert for all over veth", PLAN) else { return };
    let code = Code::PartitionSilent;
    for partition in 1..=4 {
        world.tell(&format!("kill partition {partition}"));
    }
    let row = begun(&world, code);
    assert_eq!((&row["where"], &row["most"]), (&"venue XNAS".into(), &4.into()), "{row}");
    assert!(row["also"].as_str().unwrap().contains("lane 0"), "{row}");
    for partition in 1..=4 {
        world.tell(&format!("revive partition {partition}"));
    }
    world.until_live();
    over(&world, code);
}

#[test]
fn what_an_operator_leaves_is_no_alert() {
    let Some(world) = World::running("no alert over veth", PLAN) else { return };
    let config = world.path("handler.toml").display().to_string();
    let (said, exit) = finished(candor(&world, &["unsubscribe", "XNAS", "2", "-c", &config]));
    assert_eq!(exit, 0, "{said}");
    pause(Nanos::from_secs(2));
    let (_, exit) = finished(candor(&world, &["subscribe", "XNAS", "2", "-c", &config]));
    assert_eq!(exit, 0);
    pause(Nanos::from_secs(2));
    for code in Code::ALL.into_iter().filter(|it| it.kind() == candor_core::alert::Kind::Symptom) {
        assert_eq!(alerts(&world, code, true).0, Vec::<serde_json::Value>::new());
    }
}

#[test]
fn multicast_that_no_partition_takes_is_one_notice() {
    let Some(world) = World::running("unmapped multicast over veth", PLAN) else { return };
    inside(world.sending(), || {
        let socket = UdpSocket::bind((Ipv4Addr::from(SENDER), 0)).unwrap();
        rustix::net::sockopt::set_ip_multicast_if(&socket, &Ipv4Addr::from(SENDER)).unwrap();
        for _ in 0..5 {
            socket.send_to(b"a new partition", (Ipv4Addr::new(239, 200, 1, 1), 999)).unwrap();
        }
    });
    let row = begun(&world, Code::UnmappedMulticast);
    assert!(row["text"].as_str().unwrap().contains("239.200.1.1:999"), "{row}");
    assert_eq!(row["severity"], "notice");
}

/// Takes the program off the handler's interface, as another tool would.
fn take_off(pid: u32) {
    let infos = fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
    let texts = infos.filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok());
    let id_of = |text: String| {
        let is = text.lines().any(|line| line.split_whitespace().eq(["link_type:", "xdp"]));
        let id = text.lines().find_map(|line| line.strip_prefix("link_id:")?.trim().parse().ok());
        id.filter(|_| is)
    };
    let ids: Vec<u32> = texts.filter_map(id_of).collect();
    assert!(!ids.is_empty(), "its link is among its descriptors");
    for id in ids {
        // SAFETY: takes and gives plain numbers; the descriptor is closed with this process.
        let fd = unsafe { libbpf_sys::bpf_link_get_fd_by_id(id) };
        assert!(fd >= 0);
        // SAFETY: as above.
        let done = unsafe { libbpf_sys::bpf_link_detach(fd) };
        assert_eq!(done, 0);
    }
}

#[test]
fn an_interface_that_loses_its_program_is_one_alert() {
    // What is missed meanwhile is had from the venue.
    let plan = Plan { services: true, ..PLAN };
    let Some(world) = World::running("a program taken off over veth", plan) else { return };
    take_off(world.handler.as_ref().unwrap().pid());
    let row = begun(&world, Code::Interface);
    assert!(row["text"].as_str().unwrap().contains("it is on again"), "{row}");
    world.until_live();
    over(&world, Code::Interface);
    // What it did to partitions is no alert of its own.
    for code in [Code::PartitionGap, Code::PartitionLate, Code::PartitionSilent] {
        assert_eq!(lines(&world, code), Vec::<serde_json::Value>::new());
    }
}

/// A map puts line B of a partition on an interface that had no program when the handler started.
#[test]
fn a_line_of_a_map_that_can_not_be_joined_is_one_alert_and_the_partition_goes_on() {
    let Some(mut world) = World::new("a line that is not joined over veth", PLAN) else { return };
    let maps = Maps::of(&world);
    // The command was behind the partitions, which are the store's now.
    let path = world.path("handler.toml");
    fs::write(&path, passed_on(fs::read_to_string(&path).unwrap())).unwrap();
    let right = maps.map(today(), true);
    maps.put_this(today(), &right);
    let region = world.start_handler();
    world.start_exchange();
    world.until_live();
    let mut wrong = right;
    let line = wrong.map.partitions[0].lines[1].as_mut().unwrap();
    line.interface = Some("lo".to_owned());
    maps.put_this(today(), &wrong);
    let row = begun(&world, Code::LineNotJoined);
    assert_eq!((&row["where"], &row["severity"]), (&"line B of XNAS/1".into(), &"page".into()));
    let text = row["text"].as_str().unwrap();
    assert!(text.contains("line B of the map can't be joined: nothing on lo"), "{text}");
    // It is received where it was.
    let on_b = |_: ()| partition(&region, 0).counters.get(Counter::PacketsB);
    let before = on_b(());
    eventually("line B goes on", || (on_b(()) > before + 10).then_some(()));
    assert!(partition(&region, 0).status.is_live());
}
