//! The thread with a service of the test's own, and no lane: the test is the lane.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::Duration;

use candor_core::{Action, Ask, Mono, Nanos, Refusal, SeqNo, SeqRange, SessionId, SnapshotAsk};

use super::post::{Mailbox, What};
use super::{Running, open};
use crate::clock::{Clock, timespec};
use crate::config::{self, Config};
use crate::daily::Place;

const SESSION: &str = "DAY0000001";

/// Messages of the service's snapshot: some 7 MB, many times what all buffers hold.
const MESSAGES: u32 = 200_000;

fn config(services: &str) -> Config {
    let text = format!(
        "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\nkind = \"udp\"\n\
         interface = \"lo\"\n[[lane]]\n[[venue]]\nname = \"XNAS\"\nfeed = \"nasdaq-itch50\"\n\
         recovery = {{ from = \"127.0.0.1\" }}\n[[venue.partition]]\nname = \"1\"\nlane = 0\n\
         lines.A = {{ group = \"239.1.1.1\", port = 26401 }}\n{services}\n"
    );
    config::parse_text(Path::new("t.toml"), &text).unwrap_or_else(|error| panic!("{error}"))
}

fn start(config: &Config) -> (Running, Mailbox) {
    let opened = open(config, &places(config)).unwrap().expect("there is a service");
    let mailbox = opened.mailbox(0).unwrap();
    (opened.start().unwrap(), mailbox)
}

fn snapshot(cycle: u32, now: Mono) -> Action {
    Action::Snapshot(SnapshotAsk {
        cycle,
        session: SessionId::from_text(*b"DAY0000001"),
        needs: SeqNo(5),
        opened: now,
        expires: now + Nanos::from_secs(30),
    })
}

fn pause(length: Nanos) {
    let _ = rustix::thread::nanosleep(&timespec(length));
}

/// The next reply, within twenty seconds.
fn next(mailbox: &mut Mailbox, clock: &mut Clock) -> What {
    let until = clock.now() + Nanos::from_secs(20);
    while clock.now() < until {
        if let Some(reply) = mailbox.next(clock.now()) {
            assert_eq!(reply.partition, 0);
            return reply.what;
        }
        pause(Nanos::from_micros(100));
    }
    panic!("no reply");
}

/// A packet of SoupBinTCP.
fn packet(kind: u8, payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u16 + 1;
    [&len.to_be_bytes()[..], &[kind], payload].concat()
}

/// An order added, with a number of its own in it.
fn message(number: u32) -> [u8; 36] {
    let mut message = [0; 36];
    message[0] = b'A';
    message[32..].copy_from_slice(&number.to_be_bytes());
    message
}

fn serve(mut stream: TcpStream) {
    let mut login = [0; 49];
    stream.read_exact(&mut login).unwrap();
    let accepted = format!("{SESSION}{:>20}", 1);
    stream.write_all(&packet(b'A', accepted.as_bytes())).unwrap();
    let mut bytes = Vec::new();
    for number in 0..MESSAGES {
        bytes.extend(packet(b'S', &message(number)));
    }
    bytes.extend(packet(b'S', format!("G{:>20}", 77).as_bytes()));
    stream.write_all(&bytes).unwrap();
    // Until the client has closed it.
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Time the thread of this name has had of a processor, in the kernel's ticks.
fn ticks(name: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    let own = stats.filter(|stat| stat.contains(&format!("({name})")));
    let used = own.map(|stat| {
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    });
    used.sum()
}

fn places(config: &Config) -> Vec<Place> {
    crate::daily::resolve(config, candor_maps::calendar::Wall(0)).unwrap().places
}

#[test]
fn a_snapshot_waits_for_a_lane_that_has_no_time_and_then_comes_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || serve(listener.accept().unwrap().0));
    let config = config(&format!("snapshot = [\"tcp://{address}\"]"));
    let (running, mut mailbox) = start(&config);
    let mut clock = Clock::new();
    assert!(mailbox.want(0, snapshot(3, clock.now())));
    mailbox.send();
    // A lane that hangs: the buffers fill up, the thread sleeps, and the kernel holds the venue up.
    pause(Nanos::from_millis(300));
    let before = ticks("recovery");
    pause(Nanos::from_millis(500));
    let used = ticks("recovery") - before;
    assert!(used <= 5, "it spins: {used} ticks of 10 ms in half a second");

    let session = SessionId::from_text(*b"DAY0000001");
    let What::Begin { cycle: 3, session: begun } = next(&mut mailbox, &mut clock) else {
        panic!("no beginning");
    };
    assert_eq!(begun, session);
    let mut number = 0;
    loop {
        match next(&mut mailbox, &mut clock) {
            What::Messages { cycle: 3, buffer, len, count } => {
                let messages = super::messages(&buffer, len, count).unwrap();
                for bytes in messages {
                    assert_eq!(bytes, message(number));
                    number += 1;
                }
                mailbox.give_back(buffer);
            }
            What::End { cycle: 3, next } => {
                assert_eq!(next, SeqNo(77));
                break;
            }
            other => panic!("{other:?} behind {number} messages"),
        }
    }
    assert_eq!(number, MESSAGES);
    server.join().unwrap();
    running.stop();
}

#[test]
fn datagrams_come_from_the_address_asked_and_from_nobody_else() {
    let service = UdpSocket::bind("127.0.0.1:0").unwrap();
    service.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let address = service.local_addr().unwrap();
    let config = config(&format!("retransmit = [\"udp://{address}\"]"));
    let (running, mut mailbox) = start(&config);
    let mut clock = Clock::new();
    let now = clock.now();
    let ask = |first, expires| {
        Action::Retransmit(Ask {
            session: SessionId::from_text(*b"DAY0000001"),
            range: SeqRange::of(SeqNo(first), 2).unwrap(),
            attempt: 0,
            with_known: false,
            opened: now,
            expires,
        })
    };
    assert!(mailbox.want(0, ask(10, now + Nanos::from_secs(20))));
    mailbox.send();
    let mut request = [0; 64];
    let (len, from) = service.recv_from(&mut request).unwrap();
    assert_eq!(&request[..len], [SESSION.as_bytes(), &10u64.to_be_bytes(), &[0, 2]].concat());
    let answer = |text: &[u8]| {
        let header = [SESSION.as_bytes(), &10u64.to_be_bytes(), &[0, 1]].concat();
        [&header[..], &(text.len() as u16).to_be_bytes(), text].concat()
    };
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.send_to(&answer(b"forged"), from).unwrap();
    service.send_to(&answer(b"true"), from).unwrap();
    let What::Payloads(payloads) = next(&mut mailbox, &mut clock) else { panic!("no payloads") };
    assert_eq!(payloads.iter().collect::<Vec<_>>(), [answer(b"true")]);
    mailbox.give_back(payloads.into_buffer());

    // Nobody listens any more: the kernel says so, and that is an answer, too.
    drop(service);
    assert!(mailbox.want(0, ask(20, clock.now() + Nanos::from_secs(20))));
    mailbox.send();
    let What::Refused(refused) = next(&mut mailbox, &mut clock) else { panic!("not refused") };
    assert_eq!((refused.why, refused.range.first), (Refusal::Unreachable, SeqNo(20)));
    running.stop();
}

#[test]
fn a_socket_from_an_address_that_is_not_ours_is_refused_at_the_start() {
    let mut config = config("retransmit = [\"udp://127.0.0.1:9\"]");
    config.recovery[0].from = Some(std::net::Ipv4Addr::new(192, 0, 2, 77));
    let refused = open(&config, &places(&config)).err().unwrap();
    assert_eq!(refused.exit, crate::exit::Exit::Config);
    assert!(refused.message.contains("no address 192.0.2.77"), "{refused}");
}

#[test]
fn without_services_there_is_no_thread() {
    let text = "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\nkind = \"udp\"\n\
                interface = \"lo\"\n[[lane]]\n[[venue]]\nname = \"V\"\nfeed = \"iex-deep\"\n\
                [[venue.partition]]\nname = \"1\"\nlane = 0\nsubscribe = false\n";
    let config = config::parse_text(Path::new("t.toml"), text).unwrap();
    assert!(open(&config, &places(&config)).unwrap().is_none());
}
