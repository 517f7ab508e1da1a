//! The loop: step the exchange, send what is due, answer commands, wait for the next deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::capture::Capture;
use crate::control::{self, Command};
use crate::exchange::{Exchange, ExchangeConfig, FlowConfig, TruthSink, session_name};
use crate::market::{Family, MarketConfig};
use crate::services::ServicesConfig;
use candor_core::{Mono, Nanos, Symbol, WireTime};
use serde_json::json;

use super::args::RunArgs;
use super::clock;
use super::doors::Doors;
use super::endpoints::{Endpoints, Ports};
use super::listen::{Commands, listen};
use super::truthfile::TruthFile;
use super::wire::{Wire, address_of};

/// Shortest wait: at high rates, messages of so much time share packets and system calls.
const QUANTUM: Nanos = Nanos::from_micros(50);

/// Longest wait: how long a command waits for its answer.
const ATTENTION: Nanos = Nanos::from_millis(5);

/// How often the log of truth is handed on while there is little of it.
const FLUSH: Nanos = Nanos::from_millis(100);

/// How long the end of a session is said before the process stops.
const FAREWELL: Nanos = Nanos::from_secs(3);

/// How old an image may be that is served again: building one holds up the lines.
const IMAGE_AGE: Nanos = Nanos::from_millis(100);

/// 09:30, where a market's day begins.
const BEGIN: WireTime = WireTime((9 * 60 + 30) * 60 * 1_000_000_000);

/// The same where time is counted since the epoch: 2026-11-20 in New York.
const BEGIN_SINCE_EPOCH: WireTime = WireTime(1_795_185_000 * 1_000_000_000);

/// Publishes until told to stop.
pub(super) fn run(args: &RunArgs) -> Result<(), String> {
    let partitions = args.shape.partitions();
    let endpoints = Endpoints::new(args.shape.group_base, args.shape.port_base, partitions)?;
    let mut wire = Wire::open(&args.interface, &endpoints, partitions)?;
    let mut doors = match args.shape.services {
        None => None,
        Some(address) => {
            let address = match address {
                Some(address) => address,
                None => address_of(&args.interface, &endpoints)?,
            };
            let ports = Ports::new(args.shape.service_port_base(), partitions)?;
            Some(Doors::open(address, &ports, args.shape.format(), partitions)?)
        }
    };
    let commands = listen(args.control.as_deref())?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let flag = Arc::clone(&stop);
        signal_hook::flag::register(signal, flag).map_err(|error| error.to_string())?;
    }
    let mut exchange = exchange(args, clock::now())?;
    let begun = clock::now();
    for text in &args.commands {
        let done = control::parse(text).and_then(|command| exchange.apply(begun, &command));
        done.map_err(|error| format!("command \"{text}\": {error}"))?;
    }
    println!("ready: {partitions} partitions on {}", args.interface);
    let outcome = publish(args, begun, &mut exchange, &mut wire, &mut doors, &commands, &stop);
    commands.end();
    // The socket file goes with the process, whatever ended it.
    if let Some(path) = &args.control {
        let _ = std::fs::remove_file(path);
    }
    if wire.failed > 0 {
        let why = wire.last_error.map_or(String::new(), |error| error.to_string());
        eprintln!("candor-exchange: the kernel refused {} packets: {why}", wire.failed);
    }
    outcome
}

fn exchange(args: &RunArgs, now: Mono) -> Result<Exchange, String> {
    let truth = match &args.truth {
        Some(path) => {
            let file = TruthFile::create(path);
            let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
            Some(Box::new(file) as TruthSink)
        }
        None => None,
    };
    let config = ExchangeConfig {
        lines: args.lines(),
        heartbeat: args.heartbeat,
        seed: args.seed,
        paused: args.start_paused,
        history: args.history,
        services: ServicesConfig {
            image_age: IMAGE_AGE,
            connections: args.service_connections,
            login: args.service_login,
            ..ServicesConfig::default()
        },
    };
    let made = if let Some(path) = &args.shape.capture {
        let capture = Capture::open(path, args.shape.format());
        let capture = capture.map_err(|error| format!("{}: {error}", path.display()))?;
        Exchange::replay(&config, capture, args.speed, truth, now)
    } else {
        let lists = listings(args)?;
        if args.shape.partitions == 0 || args.shape.symbols < args.shape.partitions {
            return Err("there must be a symbol for every partition".to_owned());
        }
        let family = args.shape.family()?;
        let flow = FlowConfig {
            market: MarketConfig {
                seed: args.seed,
                partitions: args.shape.partitions,
                symbols: args.shape.symbols,
                prefill: args.prefill,
                halts: !args.no_halts,
                family,
            },
            session: session_name(&args.session).map_err(|error| error.to_string())?,
            rate: args.rate,
            opening_rate: args.opening_rate.unwrap_or(args.rate.max(50_000)),
            begin: if family == Family::Deep { BEGIN_SINCE_EPOCH } else { BEGIN },
        };
        match lists {
            Some(lists) => Exchange::listed(&config, &flow, &lists, truth, now),
            None => Exchange::market(&config, &flow, truth, now),
        }
    };
    made.map_err(|error| error.to_string())
}

/// The symbols of each partition, where a file lists them.
fn listings(args: &RunArgs) -> Result<Option<Vec<Vec<Symbol>>>, String> {
    let Some(path) = &args.shape.listings else { return Ok(None) };
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
    let mut lists = vec![Vec::new(); args.shape.partitions];
    for (at, line) in text.lines().enumerate() {
        let wrong = || format!("{shown}:{}: {line:?} is not like `1 AAPL`", at + 1);
        let (number, name) = line.split_once(' ').ok_or_else(wrong)?;
        let index = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let list = index.and_then(|index| lists.get_mut(index)).ok_or_else(wrong)?;
        // What the messages of every family here have room for.
        let short = (1..=8).contains(&name.len());
        list.push(Symbol::from_wire(name.as_bytes()).filter(|_| short).ok_or_else(wrong)?);
    }
    if let Some(empty) = lists.iter().position(Vec::is_empty) {
        return Err(format!("{shown}: partition {} has no symbol", empty + 1));
    }
    Ok(Some(lists))
}

fn publish(
    args: &RunArgs,
    begun: Mono,
    exchange: &mut Exchange,
    wire: &mut Wire,
    doors: &mut Option<Doors>,
    commands: &Commands,
    stop: &AtomicBool,
) -> Result<(), String> {
    let duration = args.duration.map(|seconds| begun + Nanos::from_secs(seconds));
    let mut flush_at = begun + FLUSH;
    let mut farewell: Option<Mono> = None;
    let mut turned = begun;
    while !stop.load(Ordering::Relaxed) && !exchange.wants_to_quit() {
        let now = clock::now();
        wire.longest_turn = wire.longest_turn.max(now.since(turned));
        turned = now;
        while let Some(said) = commands.next() {
            // Whoever asked may have gone.
            let _ = said.answer.try_send(answer(exchange, wire, doors, now, &said.line));
        }
        if let Some(doors) = doors {
            doors.take_in(now, exchange);
        }
        exchange.step(now).map_err(|error| error.to_string())?;
        send(exchange, wire, now);
        if let Some(doors) = doors {
            doors.hand_out(now, exchange);
        }
        if now >= flush_at {
            exchange.flush().map_err(|error| error.to_string())?;
            flush_at = now + FLUSH;
        }
        let over = duration.is_some_and(|at| now >= at) || (args.end && exchange.is_over());
        match farewell {
            Some(until) if now >= until => break,
            None if over && args.end => {
                let ended = exchange.apply(now, &Command::End { partition: None });
                ended.map_err(|error| error.to_string())?;
                farewell = Some(now + FAREWELL);
            }
            None if over => break,
            _ => {}
        }
        let due = exchange.next_due().unwrap_or(now + ATTENTION);
        wait(now, due, doors);
    }
    let now = clock::now();
    exchange.cut_all(now);
    send(exchange, wire, now);
    exchange.flush().map_err(|error| error.to_string())
}

/// Waits from a turn that began at `now` until `due`, or until somebody wants something of a service,
/// but no shorter than the quantum and no longer than a command may wait.
fn wait(now: Mono, due: Mono, doors: &mut Option<Doors>) {
    let after = clock::now();
    let until = due.clamp(now + QUANTUM, after.max(now + QUANTUM) + ATTENTION);
    let woken = doors.as_mut().is_some_and(|doors| doors.wait(until.since(after)));
    clock::wait_until(if woken { now + QUANTUM } else { until });
}

fn send(exchange: &mut Exchange, wire: &mut Wire, now: Mono) {
    let mut spent = Vec::new();
    while let Some((partition, packet)) = exchange.pop(now) {
        wire.push(partition, packet, &mut |partition, buffer| spent.push((partition, buffer)));
    }
    wire.flush(&mut |partition, buffer| spent.push((partition, buffer)));
    for (partition, buffer) in spent {
        exchange.recycle(partition, buffer);
    }
}

fn answer(
    exchange: &mut Exchange,
    wire: &Wire,
    doors: &Option<Doors>,
    now: Mono,
    line: &str,
) -> String {
    if line.trim() == "help" {
        return control::USAGE.to_owned();
    }
    match control::parse(line) {
        Ok(Command::Status) => {
            let mut status = exchange.status();
            status["wire"] = json!({
                "packets_sent": wire.sent,
                "packets_refused": wire.failed,
                "longest_turn_ns": wire.longest_turn.0,
            });
            if let Some(doors) = doors {
                status["doors"] = json!({
                    "address": doors.address().to_string(),
                    "open_connections": doors.open_connections(),
                    "datagrams_refused": doors.failed,
                });
            }
            status.to_string()
        }
        Ok(command) => match exchange.apply(now, &command) {
            Ok(done) => format!("ok: {done}"),
            Err(error) => format!("error: {error}"),
        },
        Err(error) => format!("error: {error}"),
    }
}
