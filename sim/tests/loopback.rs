//! The whole program on the loopback interface, heard by plain sockets.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use candor_book::{Capacity, Shape, naive};
use candor_core::{BookView, Content, Decimals, Event, Mono, Nanos, SeqNo, Symbol, SymbolIndex};
use candor_decoders::Format;
use candor_sim::truth::{Truth, Verdict};

const PROGRAM: &str = env!("CARGO_BIN_EXE_candor-exchange");
const PARTITIONS: usize = 2;
const FORMAT: Format = Format::NasdaqItch50;

/// What one socket heard until the end of the session, or for three seconds of silence.
#[derive(Debug, Default)]
struct Heard {
    messages: BTreeMap<u64, Vec<u8>>,
    end: Option<u64>,
}

/// Listens to the group and port that `config` printed.
fn hear(group: Ipv4Addr, port: u16) -> JoinHandle<Heard> {
    let socket = UdpSocket::bind((group, port)).unwrap();
    socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
    // Room for a receiver that is not scheduled for a while; without privilege the kernel's limit.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, 8 << 20);
    socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    thread::spawn(move || {
        let mut heard = Heard::default();
        let mut buffer = [0; 65_536];
        while let Ok(len) = socket.recv(&mut buffer) {
            let packet = FORMAT.frame(&buffer[..len]).unwrap();
            if packet.content == Content::End {
                heard.end = Some(packet.range.first.0);
                break;
            }
            for (seq, bytes) in (packet.range.first.0..).zip(packet.messages) {
                heard.messages.insert(seq, bytes.to_vec());
            }
        }
        heard
    })
}

struct Running {
    child: Child,
    socket: PathBuf,
}

impl Running {
    fn ask(&self, command: &str) -> Result<String, String> {
        let asked = Command::new(PROGRAM)
            .args(["control", "--socket", self.socket.to_str().unwrap(), command])
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if asked.status.success() { Ok(text(asked.stdout)) } else { Err(text(asked.stderr)) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Flags that `run` and `config` share; each process has ports of its own.
fn shape(nth: u32) -> Vec<String> {
    let port = 30_000 + (std::process::id() * 8 + nth * 4) % 20_000;
    ["--partitions", "2", "--symbols", "60", "--group-base", "239.66.7.1", "--port-base"]
        .into_iter()
        .map(str::to_owned)
        .chain([port.to_string()])
        .collect()
}

fn start(shape: &[String], name: &str, flags: &[&str]) -> Running {
    let socket = scratch(name, "sock");
    let mut child = Command::new(PROGRAM)
        .arg("run")
        .args(shape)
        .args(["--interface", "127.0.0.1", "--control", socket.to_str().unwrap()])
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    assert!(ready.starts_with("ready"), "{ready}");
    Running { child, socket }
}

fn scratch(name: &str, end: &str) -> PathBuf {
    std::env::temp_dir().join(format!("candor-sim-{name}-{}.{end}", std::process::id()))
}

/// Groups and ports by partition and line, out of the printed configuration.
fn endpoints(shape: &[String]) -> Vec<[(Ipv4Addr, u16); 2]> {
    let printed = Command::new(PROGRAM)
        .arg("config")
        .args(shape)
        .args(["--handler-interface", "lo"])
        .output()
        .unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    let line = |line: &str| -> (Ipv4Addr, u16) {
        let words: Vec<&str> = line.split(&['"', '=', ',', '}'][..]).map(str::trim).collect();
        (words[3].parse().unwrap(), words[6].parse().unwrap())
    };
    let of = |prefix: &str| text.lines().filter(|l| l.starts_with(prefix)).map(line).collect();
    let (a, b): (Vec<_>, Vec<_>) = (of("lines.A"), of("lines.B"));
    a.into_iter().zip(b).map(|(a, b)| [a, b]).collect()
}

/// The books of who heard all these messages in order, by symbol.
fn books(messages: &BTreeMap<u64, Vec<u8>>) -> Vec<(Symbol, BookView)> {
    let capacity = Capacity { symbols: 100, orders: 100_000, levels: 50_000, trades: 1_000 };
    let mut books = naive::Books::new(Shape::ByOrder, capacity, Decimals(4));
    let mut names = Vec::new();
    for (seq, bytes) in messages {
        let message = FORMAT.decode(bytes).unwrap();
        if let Event::Definition { symbol, .. } = message.event {
            books.add_symbol().unwrap();
            names.push(symbol);
        }
        if message.key.0 > 0 {
            books.apply(SymbolIndex(message.key.0 as u32 - 1), SeqNo(*seq), &message).unwrap();
        }
    }
    let view = |(index, name)| (name, books.view(SymbolIndex(index)));
    (0..).zip(names).map(view).collect()
}

#[test]
fn what_was_sent_is_heard_and_what_was_withheld_is_logged() {
    let shape = shape(0);
    let endpoints = endpoints(&shape);
    assert_eq!(endpoints.len(), PARTITIONS);
    let truth = scratch("e2e", "truth");
    let ears: Vec<_> =
        endpoints.iter().flatten().map(|(group, port)| hear(*group, *port)).collect();
    let flags = ["--rate", "3000", "--opening-rate", "5000", "--duration", "2", "--end"];
    let mut running = start(
        &shape,
        "e2e",
        &[&flags[..], &["--truth", truth.to_str().unwrap(), "--command", "loss B 5%"]].concat(),
    );
    assert!(running.ask("skip 1 7").unwrap().starts_with("ok"));
    assert!(running.ask("kill partition 9").unwrap_err().contains("there is no partition 9"));
    let status: serde_json::Value = serde_json::from_str(&running.ask("status").unwrap()).unwrap();
    assert_eq!(status["partitions"].as_array().unwrap().len(), PARTITIONS);
    assert!(running.child.wait().unwrap().success());
    let heard: Vec<Heard> = ears.into_iter().map(|ear| ear.join().unwrap()).collect();
    let log = Truth::open(&truth).unwrap();

    for (index, heard) in heard.iter().enumerate() {
        let (partition, line) = (index / 2, index % 2);
        let end = heard.end.expect("the end of the session was heard");
        assert!(end > 2_000, "{end}");
        let logged: Vec<u64> = log
            .missing()
            .iter()
            .filter(|one| usize::from(one.partition) == partition && one.line.index() == line)
            .flat_map(|one| one.withheld.range.first.0..one.withheld.range.end.0)
            .collect();
        let unheard: Vec<u64> = (1..end).filter(|seq| !heard.messages.contains_key(seq)).collect();
        assert_eq!(unheard, logged, "partition {partition} line {line}");
        let skipped = if partition == 0 { 7 } else { 0 };
        match line {
            0 => assert_eq!(unheard.len(), skipped),
            _ => assert!(unheard.len() > 20 + skipped),
        }
    }
    // Partition 2 was whole on line A: its books are the true ones at the end.
    let books = books(&heard[2].messages);
    assert_eq!(books.len(), 30);
    for (symbol, view) in books {
        let verdict = log.judge(&symbol, &view, Mono(u64::MAX / 2), Nanos::ZERO);
        assert_eq!(verdict, Verdict::True, "{symbol}");
    }
    std::fs::remove_file(truth).unwrap();
}

#[test]
fn an_exchange_that_cannot_begin_says_why() {
    let run = |flags: &[&str]| {
        let output = Command::new(PROGRAM).args(flags).stdin(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = run(&["run"]);
    assert_eq!(code, Some(64));
    assert!(text.contains("--interface"), "{text}");
    let (code, text) = run(&["run", "--interface", "no-such-if"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("no-such-if"), "{text}");
    let (_, text) = run(&["run", "--interface", "127.0.0.1", "--group-base", "10.0.0.1"]);
    assert!(text.contains("multicast"), "{text}");
    let (_, text) =
        run(&["run", "--interface", "127.0.0.1", "--capture", "/none", "--feed", "iex-deep"]);
    assert!(text.contains("/none"), "{text}");
    let missing = Path::new("/no/such/socket");
    let (code, text) = run(&["control", "--socket", missing.to_str().unwrap(), "status"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("/no/such/socket"), "{text}");
}
