//! The whole program on the loopback interface, heard by plain sockets.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use candor_book::{Capacity, Shape, naive};
use candor_core::{BookView, Content, Decimals, Event, Mono, Nanos, SeqNo, Symbol, SymbolIndex};
use candor_decoders::Format;
use candor_decoders::nasdaq::glimpse;
use candor_decoders::nasdaq::moldudp64::Request;
use candor_decoders::nasdaq::soupbintcp::{self, FromClient, FromServer, Login};
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

fn config(shape: &[String]) -> String {
    let printed = Command::new(PROGRAM)
        .arg("config")
        .args(shape)
        .args(["--handler-interface", "lo"])
        .output()
        .unwrap();
    String::from_utf8(printed.stdout).unwrap()
}

/// Groups and ports by partition and line, out of the printed configuration.
fn endpoints(shape: &[String]) -> Vec<[(Ipv4Addr, u16); 2]> {
    let text = config(shape);
    let line = |line: &str| -> (Ipv4Addr, u16) {
        let words: Vec<&str> = line.split(&['"', '=', ',', '}'][..]).map(str::trim).collect();
        (words[3].parse().unwrap(), words[6].parse().unwrap())
    };
    let of = |prefix: &str| text.lines().filter(|l| l.starts_with(prefix)).map(line).collect();
    let (a, b): (Vec<_>, Vec<_>) = (of("lines.A"), of("lines.B"));
    a.into_iter().zip(b).map(|(a, b)| [a, b]).collect()
}

/// The addresses of the services of all partitions under this key of the printed configuration.
fn services(shape: &[String], key: &str) -> Vec<SocketAddr> {
    let text = config(shape);
    let values = text.lines().filter_map(|line| line.strip_prefix(key)?.split("//").nth(1));
    values.map(|value| value.trim_end_matches(['"', ']']).parse().unwrap()).collect()
}

/// The messages from `first` up to `end`, as the re-request service sends them.
fn fetch(at: SocketAddr, first: u64, end: u64) -> BTreeMap<u64, Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let mut got = BTreeMap::new();
    let mut next = first;
    let mut buffer = [0; 65_536];
    while next < end {
        let count = (end - next) as u16;
        let request = Request { session: *b"CANDOR0001", first: SeqNo(next), count };
        socket.send_to(&request.encode(), at).unwrap();
        let (len, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!(from, at);
        let packet = FORMAT.frame(&buffer[..len]).unwrap();
        assert_eq!(packet.range.first, SeqNo(next));
        next = packet.range.end.0;
        got.extend((packet.range.first.0..).zip(packet.messages.map(<[u8]>::to_vec)));
    }
    got
}

/// The messages of a snapshot and the number to go on with.
fn snapshot(at: SocketAddr) -> (Vec<Vec<u8>>, u64) {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let login = FromClient::Login(Login {
        user: *b"USER  ",
        password: *b"SECRET    ",
        session: soupbintcp::CURRENT_SESSION,
        next: glimpse::LOGIN_SEQUENCE,
    });
    stream.write_all(login.encode(&mut [0; 1_024]).unwrap()).unwrap();
    let (mut bytes, mut buffer, mut messages) = (Vec::new(), [0; 4_096], Vec::new());
    loop {
        let len = stream.read(&mut buffer).unwrap();
        assert!(len > 0, "the server closed");
        bytes.extend(&buffer[..len]);
        let mut packets = soupbintcp::split(&bytes);
        while let Some(packet) = packets.take_next().unwrap() {
            let FromServer::Sequenced(message) = FromServer::parse(packet).unwrap() else {
                continue;
            };
            if let Some(next) = glimpse::end(message).unwrap() {
                return (messages, next.0);
            }
            messages.push(message.to_vec());
        }
        bytes.drain(..packets.consumed());
    }
}

/// The books of who took a snapshot and heard all these messages from its number on.
fn books_since(
    (image, next): &(Vec<Vec<u8>>, u64),
    messages: &BTreeMap<u64, Vec<u8>>,
) -> Vec<(Symbol, BookView)> {
    let mut books = Reader::new();
    image.iter().for_each(|message| books.apply(next - 1, message));
    books.cover(*next);
    messages.range(next..).for_each(|(seq, message)| books.apply(*seq, message));
    books.views()
}

/// The books of who heard all these messages in order, by symbol.
fn books(messages: &BTreeMap<u64, Vec<u8>>) -> Vec<(Symbol, BookView)> {
    let mut books = Reader::new();
    messages.iter().for_each(|(seq, message)| books.apply(*seq, message));
    books.views()
}

/// The naive books of one partition.
struct Reader {
    books: naive::Books,
    names: Vec<Symbol>,
}

impl Reader {
    fn new() -> Reader {
        let capacity = Capacity { symbols: 100, orders: 100_000, levels: 50_000, trades: 1_000 };
        let books = naive::Books::new(Shape::ByOrder, capacity, Decimals(4));
        Reader { books, names: Vec::new() }
    }

    fn apply(&mut self, seq: u64, bytes: &[u8]) {
        let message = FORMAT.decode(bytes).unwrap();
        if let Event::Definition { symbol, .. } = message.event {
            self.books.add_symbol().unwrap();
            self.names.push(symbol);
        }
        if message.key.0 > 0 {
            let symbol = SymbolIndex(message.key.0 as u32 - 1);
            self.books.apply(symbol, SeqNo(seq), &message).unwrap();
        }
    }

    fn cover(&mut self, since: u64) {
        let symbols = 0..self.names.len() as u32;
        symbols.for_each(|symbol| self.books.cover(SymbolIndex(symbol), SeqNo(since)));
    }

    fn views(&self) -> Vec<(Symbol, BookView)> {
        let view = |(index, name): (u32, &Symbol)| (*name, self.books.view(SymbolIndex(index)));
        (0..).zip(&self.names).map(view).collect()
    }
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
fn what_was_lost_is_had_of_the_services_and_a_late_joiner_has_the_true_books() {
    let mut shape = shape(1);
    let quiet = config(&shape);
    assert!(!quiet.contains("retransmit") && !quiet.contains("snapshot"));
    shape.extend(["--services", "127.0.0.1"].map(str::to_owned));
    let (group, port) = endpoints(&shape)[0][0];
    let (retransmit, glimpse) =
        (services(&shape, "retransmit = ")[0], services(&shape, "snapshot")[0]);
    assert_eq!(services(&shape, "snapshot").len(), PARTITIONS);
    let truth = scratch("services", "truth");
    let ear = hear(group, port);
    let flags = ["--rate", "3000", "--opening-rate", "5000", "--duration", "3", "--end"];
    let flags =
        [&flags[..], &["--truth", truth.to_str().unwrap(), "--command", "skip 1 300"]].concat();
    let mut running = start(&shape, "services", &flags);
    let next = |running: &Running| -> u64 {
        let status = running.ask("status").unwrap();
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        status["partitions"][0]["next"].as_u64().unwrap()
    };
    while next(&running) < 1_000 {
        std::thread::yield_now();
    }
    // A client that logs in and never reads, and one that says what is no request.
    let mut idle = TcpStream::connect(glimpse).unwrap();
    idle.write_all(&[0, 1, b'R']).unwrap();
    let mut strange = TcpStream::connect(glimpse).unwrap();
    strange.write_all(&[0xFF; 4_000]).unwrap();
    let lost = fetch(retransmit, 1, 301);
    let joined = snapshot(glimpse);
    assert!(joined.1 >= 1_000);
    let status: serde_json::Value = serde_json::from_str(&running.ask("status").unwrap()).unwrap();
    let counts = &status["partitions"][0]["services"];
    assert!(counts["retransmit"]["answered"].as_u64().unwrap() >= 8);
    assert_eq!(counts["snapshot"]["answered"], 1);
    assert!(counts["snapshot"]["connections"].as_u64().unwrap() >= 3);
    assert_eq!(status["doors"]["address"], "127.0.0.1");
    assert_eq!(strange.read(&mut [0; 16]).unwrap_or(0), 0, "it was closed");
    assert!(running.child.wait().unwrap().success());
    let mut heard = ear.join().unwrap();
    let end = heard.end.unwrap();
    assert!(!heard.messages.contains_key(&300) && heard.messages.contains_key(&301));
    heard.messages.extend(lost);
    assert!(heard.messages.keys().copied().eq(1..end));

    let log = Truth::open(&truth).unwrap();
    for views in [books(&heard.messages), books_since(&joined, &heard.messages)] {
        assert_eq!(views.len(), 30);
        for (symbol, view) in views {
            let verdict = log.judge(&symbol, &view, Mono(u64::MAX / 2), Nanos::ZERO);
            assert_eq!(verdict, Verdict::True, "{symbol}");
        }
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
    let services = ["config", "--handler-interface", "lo", "--services"];
    let (code, text) = run(&services);
    assert_eq!(code, Some(1));
    assert!(text.contains("address"), "{text}");
    let (_, text) = run(&[&services[..], &["10.0.0.1", "--service-port-base", "65530"]].concat());
    assert!(text.contains("65530"), "{text}");
    let missing = Path::new("/no/such/socket");
    let (code, text) = run(&["control", "--socket", missing.to_str().unwrap(), "status"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("/no/such/socket"), "{text}");
}
