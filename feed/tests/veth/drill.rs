//! `candor drill` against the configuration of a handler that runs: it passes, in less than two minutes, and
//! `candor preopen` believes its result of exactly what was drilled.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use candor::drill::steps::STEPS;
use candor::sign::SecretKey;
use candor_core::Nanos;
use candor_shm::clock;
use serde_json::Value;

use crate::maps::{Maps, preopen, today};
use crate::recovery::quick;
use crate::world::{ONE_TEST, PREOPEN, Plan, World, candor, eventually, finished, within_a_day};

const PLAN: Plan = Plan { partitions: 5, services: true, edit: quick, ..Plan::DEFAULT };

/// What a drill may take.
const BOUND: Nanos = Nanos::from_secs(120);

/// This test binary as the exchange: a program by itself, in the world's folder. Its arguments, one a line, go
/// through `edit`.
fn exchange(world: &World, edit: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let text = format!(
        "#!/bin/sh\nCANDOR_VETH_ROLE=exchange\nCANDOR_VETH_ARGUMENTS=\"$(printf '%s\\n' \"$@\" | {edit})\"\n\
         export CANDOR_VETH_ROLE CANDOR_VETH_ARGUMENTS\nexec {} --exact \
         child::the_program_of_a_child_process --ignored --nocapture\n",
        own.display()
    );
    let path = world.path("exchange.sh");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The configuration asks for a drill and names a key.
fn ask_for_drill(world: &World) {
    let key = world.path("drill.key");
    SecretKey::generate().unwrap().write(&key).unwrap();
    let path = world.path("handler.toml");
    let text = fs::read_to_string(&path).unwrap();
    let asked = PREOPEN.replace("drill = \"no\"\n", "");
    assert_ne!(asked, PREOPEN);
    let text = text.replace(PREOPEN, &asked);
    fs::write(&path, format!("{text}[drill]\nkey = \"{}\"\n", key.display())).unwrap();
}

/// Drills, with an exchange whose arguments are edited. Its answer, exit code and how long it took.
fn drill(world: &World, edit: &str) -> (Value, i32, Nanos) {
    // Drills refuse to begin shortly before.
    within_a_day(Nanos::ZERO, BOUND + ONE_TEST);
    let begun = clock::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
    command.arg("drill").arg("-c").arg(world.path("handler.toml")).args(["-o", "json"]);
    command.arg("--exchange").arg(exchange(world, edit));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let answer = serde_json::from_slice(&output.stdout);
    let answer = answer.unwrap_or_else(|error| panic!("{error}: {said}"));
    (answer, output.status.code().unwrap(), clock::now().since(begun))
}

/// What preopen says of the drill: its verdict and evidence.
fn verdict(world: &World) -> [String; 2] {
    let (checks, _) = preopen(world);
    let check = checks.into_iter().find(|[name, ..]| name == "drill").unwrap();
    let [_, _, verdict, evidence] = check;
    [verdict, evidence]
}

fn assert_refused(world: &World, names: &str) {
    let [verdict, evidence] = verdict(world);
    assert_eq!(verdict, "no-go", "{evidence}");
    assert!(evidence.contains(names), "{names}: {evidence}");
}

#[test]
fn a_drill_passes_and_preopen_believes_it_of_what_was_drilled_and_of_nothing_else() {
    let Some(mut world) = World::new("a drill", PLAN) else { return };
    let maps = Maps::of(&world);
    maps.put(today(), true);
    ask_for_drill(&world);
    let before = left_behind();
    world.start_handler();
    assert_refused(&world, "there is no result");

    let (answer, exit, took) = drill(&world, "cat");
    assert_eq!(exit, 0, "{answer:#}");
    assert!(took < BOUND, "{took}");
    assert_every_reason(&answer);
    assert_eq!(left_behind(), before, "nothing is left behind");
    let [said, evidence] = verdict(&world);
    assert_eq!(said, "ok", "{evidence}");
    println!("shown: a drill of {} steps passed in {took}, and preopen believes it", STEPS.len());
    // The handler that runs beside it has it in its journal.
    eventually("the journal has the drill", || {
        let region = world.path("region");
        let mut command = candor(&world, &["journal", "--kind", "operator", "-r"]);
        let output = command.arg(region).output().expect("it can be run");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (text.contains("verb=drill") && text.contains("outcome=passed")).then_some(())
    });

    // One byte of the result.
    let result = world.path("region.drill.toml");
    let whole = fs::read(&result).unwrap();
    let mut changed = whole.clone();
    let at = changed.windows(6).position(|six| six == b"passed").unwrap();
    changed[at] ^= 1;
    fs::write(&result, &changed).unwrap();
    assert_refused(&world, "signature is not good");
    fs::write(&result, &whole).unwrap();
    // One byte of the configuration.
    let path = world.path("handler.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}\n")).unwrap();
    assert_refused(&world, "the configuration is");
    fs::write(&path, &text).unwrap();
    // A map that differs by one name.
    assert_eq!(verdict(&world)[0], "ok");
    let one = maps.map_with_one_other(today());
    maps.put_this(today(), &one);
    assert_refused(&world, "the map of XNAS for");
    maps.put(today(), true);
    assert_eq!(verdict(&world)[0], "ok");
    another_program(&mut world);
}

/// The same program with one byte behind it runs as the handler.
fn another_program(world: &mut World) {
    let other = world.path("candor-other");
    let mut bytes = fs::read(env!("CARGO_BIN_EXE_candor")).unwrap();
    bytes.push(0);
    fs::write(&other, bytes).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    world.handler = None;
    world.start_handler_of(&other);
    assert_refused(world, "the program is");
    world.handler = None;
    world.start_handler();
    eventually("the drilled program runs again", || (verdict(world)[0] == "ok").then_some(()));
}

/// Each step passed, and gave readers each of its reasons.
fn assert_every_reason(answer: &Value) {
    let steps = answer["steps"].as_array().unwrap();
    for step in STEPS {
        let row = steps.iter().find(|row| row["step"] == step.name).unwrap();
        assert_eq!(row["verdict"], "passed", "{row}");
        let given = row["reasons"].as_str().unwrap_or_default();
        for reason in step.reasons {
            let is_given = given.split(", ").any(|one| one == reason.label());
            assert!(is_given, "{}: {reason}: {given}", step.name);
        }
    }
}

/// Folders of drills, and processes that run the handler or an exchange of one.
fn left_behind() -> usize {
    let folders = fs::read_dir("/dev/shm").unwrap().flatten();
    let folders = folders
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("candor-drill-"))
        .count();
    let lines = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).into_owned())
    });
    folders + lines.filter(|line| line.contains("/candor-drill-")).count()
}

/// An exchange that says nothing while its flow rests makes partitions silent that nobody has touched.
#[test]
fn a_drill_that_fails_is_no_go_with_the_step_and_the_cause() {
    let Some(mut world) = World::new("a drill that fails", PLAN) else { return };
    let maps = Maps::of(&world);
    maps.put(today(), true);
    ask_for_drill(&world);
    world.start_handler();
    let (answer, exit, _) = drill(&world, "sed '/^--heartbeat$/{n;s/.*/30s/}'");
    assert_eq!(exit, 2, "{answer:#}");
    let steps = answer["steps"].as_array().unwrap();
    let failed: Vec<&Value> = steps.iter().filter(|row| row["verdict"] == "failed").collect();
    assert!(failed.iter().any(|row| row["step"] == "session"), "{answer:#}");
    let why = failed.iter().filter_map(|row| row["why"].as_str()).collect::<String>();
    assert!(why.contains("which nobody touched, was Stale(Silent)"), "{why}");
    assert_refused(&world, "session failed: ");
}

/// Who is told to stop in the middle leaves nothing either, and who is killed leaves a folder that the next removes.
#[test]
fn a_drill_that_is_stopped_or_killed_leaves_nothing_that_stays() {
    let Some(world) = World::new("a drill that is stopped", PLAN) else { return };
    let maps = Maps::of(&world);
    maps.put(today(), true);
    let before = left_behind();
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::KILL] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
        command.arg("drill").arg("-c").arg(world.path("handler.toml"));
        command.arg("--exchange").arg(exchange(&world, "cat"));
        let mut drill = crate::world::Process::spawn(command, &world.path("drill.log"));
        eventually("the drill's handler runs", || (left_behind() >= before + 3).then_some(()));
        drill.signal(signal);
        drill.ended();
        let result = std::fs::read_to_string(world.path("region.drill.toml")).unwrap();
        assert!(result.contains("has begun here and has not ended"), "{result}");
        let folder = usize::from(signal == rustix::process::Signal::KILL);
        eventually("its processes are gone", || (left_behind() <= before + folder).then_some(()));
    }
    assert_eq!(left_behind(), before + 1, "the folder of the one that was killed");
    let mut command = candor(&world, &["drill", "-c"]);
    command.arg(world.path("handler.toml")).args(["--exchange", "/bin/false"]);
    let (said, exit) = finished(command);
    assert_eq!(exit, 71, "{said}");
    assert_eq!(left_behind(), before, "the next one has removed it");
}
