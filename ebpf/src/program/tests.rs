//! The program's verdict and counter for each kind of frame, run by the kernel over frames that are
//! on no interface. What it does with a socket is tested end to end in `af_xdp`.

use super::*;

const XDP_PASS: u32 = 2;
const GROUP: [u8; 4] = [239, 1, 2, 3];
const PORT: u16 = 26_401;

/// The verdict on a frame, and the counters after it.
fn run(program: &Program, frame: &[u8]) -> (u32, ProgramCounters) {
    let xdp = program.object.progs_mut().find(|xdp| xdp.name() == "candor").unwrap();
    let mut out = vec![0; frame.len() + 64];
    let input =
        ProgramInput { data_in: Some(frame), data_out: Some(&mut out), ..Default::default() };
    let output = xdp.test_run(input).unwrap();
    let data = output.data.unwrap();
    assert_eq!(data, frame, "a frame that is passed is passed unchanged");
    (output.return_value, program.counters().unwrap())
}

/// The loaded program, or `None` after saying that the test was skipped.
fn loaded(test: &str) -> Option<Program> {
    match Program::load(LoadOptions { sockets: 1, endpoints: 4 }) {
        Ok(program) => Some(program),
        Err(LoadError::NotPermitted) => {
            println!("skipped: {test}: needs CAP_BPF and CAP_NET_ADMIN");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// How a frame differs from plain UDP to [`GROUP`] and [`PORT`].
#[derive(Clone)]
struct Shape {
    tags: Vec<u16>,
    group: [u8; 4],
    port: u16,
    option_words: u8,
    payload: usize,
    padding: usize,
    protocol: u8,
    fragment: u16,
    source: u8,
}

impl Shape {
    fn plain() -> Shape {
        Shape {
            tags: Vec::new(),
            group: GROUP,
            port: PORT,
            option_words: 0,
            payload: 20,
            padding: 0,
            protocol: 17,
            fragment: 0,
            source: 1,
        }
    }

    fn ip_at(&self) -> usize {
        14 + 4 * self.tags.len()
    }

    fn udp_at(&self) -> usize {
        self.ip_at() + 20 + 4 * usize::from(self.option_words)
    }

    fn frame(&self) -> Vec<u8> {
        let mut frame = vec![1, 0, 0x5e, 1, 2, 3, 2, 0, 0, 0, 0, 1];
        for tag in &self.tags {
            frame.extend(tag.to_be_bytes());
            frame.extend(7_u16.to_be_bytes());
        }
        frame.extend([0x08, 0x00]);
        let udp_length = 8 + self.payload as u16;
        let words = 5 + self.option_words;
        let ip_length = 4 * u16::from(words) + udp_length;
        frame.extend([0x40 | words, 0]);
        frame.extend(ip_length.to_be_bytes());
        frame.extend([0, 1]);
        frame.extend(self.fragment.to_be_bytes());
        frame.extend([1, self.protocol, 0, 0, 10, 0, 0, self.source]);
        frame.extend(self.group);
        frame.extend(vec![1; 4 * usize::from(self.option_words)]);
        frame.extend(40_000_u16.to_be_bytes());
        frame.extend(self.port.to_be_bytes());
        frame.extend(udp_length.to_be_bytes());
        frame.extend([0, 0]);
        frame.extend((0..self.payload).map(|byte| byte as u8));
        frame.extend(vec![0; self.padding]);
        frame
    }
}

#[test]
fn each_frame_is_in_exactly_one_counter() {
    let Some(mut program) = loaded("each_frame_is_in_exactly_one_counter") else { return };
    program.set_endpoint(GROUP, PORT, None, 9, 1).unwrap();
    let plain = Shape::plain;
    let with = |change: fn(&mut Shape)| {
        let mut shape = plain();
        change(&mut shape);
        shape.frame()
    };
    let damaged = |at: usize, bytes: &[u8]| {
        let mut frame = plain().frame();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    let cut = |length: usize| plain().frame()[..length].to_vec();
    let ours = "no_socket"; // no socket is on the queue here
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("plain", plain().frame(), ours),
        ("one tag", with(|s| s.tags = vec![0x8100]), ours),
        ("service tag", with(|s| s.tags = vec![0x88a8]), ours),
        ("two tags", with(|s| s.tags = vec![0x88a8, 0x8100]), ours),
        ("three tags", with(|s| s.tags = vec![0x8100; 3]), "passed"),
        ("one option word", with(|s| s.option_words = 1), ours),
        ("all option words", with(|s| s.option_words = 10), ours),
        (
            "options behind two tags",
            with(|s| {
                s.tags = vec![0x8100; 2];
                s.option_words = 10
            }),
            ours,
        ),
        (
            "padding",
            with(|s| {
                s.payload = 0;
                s.padding = 18
            }),
            ours,
        ),
        ("several pages", with(|s| s.payload = 5000), ours),
        ("other port", with(|s| s.port += 1), "unmapped"),
        ("other group", with(|s| s.group[3] += 1), "unmapped"),
        (
            "other group, options",
            with(|s| {
                s.group[3] += 1;
                s.option_words = 3
            }),
            "unmapped",
        ),
        ("lowest group", with(|s| s.group = [224, 0, 1, 0]), "unmapped"),
        ("highest group", with(|s| s.group = [239, 255, 255, 255]), "unmapped"),
        ("local group", with(|s| s.group = [224, 0, 0, 251]), "passed"),
        ("unicast", with(|s| s.group = [10, 0, 0, 2]), "passed"),
        ("above multicast", with(|s| s.group = [240, 0, 0, 1]), "passed"),
        ("igmp", with(|s| s.protocol = 2), "passed"),
        ("first fragment", with(|s| s.fragment = 0x2000), "fragments"),
        ("later fragment", with(|s| s.fragment = 1), "fragments"),
        ("may not be fragmented", with(|s| s.fragment = 0x4000), ours),
        ("arp", damaged(12, &[0x08, 0x06]), "passed"),
        ("ipv6", damaged(12, &[0x86, 0xdd]), "passed"),
        ("no udp header", cut(14 + 20), "malformed"),
        ("half a udp header", cut(14 + 20 + 7), "malformed"),
        ("cut payload", cut(14 + 20 + 8 + 19), "malformed"),
        ("half an ip header", cut(14 + 19), "passed"),
        ("udp shorter than its header", damaged(14 + 20 + 4, &[0, 7]), "malformed"),
        ("udp longer than ip", damaged(14 + 20 + 4, &[0, 29]), "malformed"),
        ("ip longer than frame", damaged(14 + 2, &[0, 49]), "malformed"),
        ("ip header of four words", damaged(14, &[0x44]), "malformed"),
        ("ip version 6", damaged(14, &[0x65]), "malformed"),
        ("options beyond the frame", damaged(14, &[0x4f]), "malformed"),
    ];
    let mut before = program.counters().unwrap();
    for (name, frame, counter) in cases {
        let (verdict, after) = run(&program, &frame);
        assert_eq!(verdict, XDP_PASS, "{name}");
        assert_eq!(after.frames(), before.frames() + 1, "{name}");
        let of = |counters: &ProgramCounters| match counter {
            "no_socket" => counters.no_socket,
            "passed" => counters.passed,
            "unmapped" => counters.unmapped,
            "fragments" => counters.fragments,
            "malformed" => counters.malformed,
            _ => unreachable!(),
        };
        assert_eq!(of(&after), of(&before) + 1, "{name}: {after:?}");
        before = after;
    }
}

#[test]
fn no_length_of_a_frame_is_too_much() {
    let Some(mut program) = loaded("no_length_of_a_frame_is_too_much") else { return };
    program.set_endpoint(GROUP, PORT, None, 9, 1).unwrap();
    for tags in [vec![], vec![0x8100], vec![0x8100, 0x8100]] {
        for option_words in [0, 3] {
            let shape = Shape { tags: tags.clone(), option_words, ..Shape::plain() };
            let whole = shape.frame();
            for length in 14..=whole.len() {
                let before = program.counters().unwrap();
                let (verdict, after) = run(&program, &whole[..length]);
                assert_eq!(verdict, XDP_PASS);
                let expected = ProgramCounters {
                    no_socket: before.no_socket + u64::from(length == whole.len()),
                    malformed: before.malformed
                        + u64::from(length >= shape.ip_at() + 20 && length < whole.len()),
                    passed: before.passed + u64::from(length < shape.ip_at() + 20),
                    ..before
                };
                assert_eq!(after, expected, "{length} of {} bytes", whole.len());
            }
            assert_eq!(shape.udp_at() + 8 + shape.payload, whole.len());
        }
    }
}

#[test]
fn unmapped_multicast_is_listed_until_it_is_named() {
    let Some(mut program) = loaded("unmapped_multicast_is_listed_until_it_is_named") else {
        return;
    };
    let shape = Shape::plain();
    let frame = shape.frame();
    let other = Shape { port: PORT - 1, ..shape }.frame();
    for _ in 0..3 {
        run(&program, &frame);
    }
    run(&program, &other);
    let unmapped = program.unmapped().unwrap();
    assert_eq!(unmapped.len(), 2);
    assert_eq!((unmapped[0].group, unmapped[0].port, unmapped[0].packets), (GROUP, PORT - 1, 1));
    assert_eq!((unmapped[1].group, unmapped[1].port, unmapped[1].packets), (GROUP, PORT, 3));
    assert_eq!(unmapped[1].bytes, 3 * frame.len() as u64);
    assert!(unmapped[0].last_ns > unmapped[1].last_ns);

    program.set_endpoint(GROUP, PORT, None, 0, 0).unwrap();
    let left: Vec<u16> = program.unmapped().unwrap().iter().map(|unmapped| unmapped.port).collect();
    assert_eq!(left, [PORT - 1]);
    let (_, counters) = run(&program, &frame);
    assert_eq!((counters.no_socket, counters.unmapped), (1, 4));

    program.clear_endpoint(GROUP, PORT, None).unwrap();
    program.clear_endpoint(GROUP, PORT, None).unwrap();
    let (_, counters) = run(&program, &frame);
    assert_eq!((counters.no_socket, counters.unmapped), (1, 5));
}

#[test]
fn a_flood_of_unmapped_endpoints_is_counted_in_full_and_listed_in_part() {
    let test = "a_flood_of_unmapped_endpoints_is_counted_in_full_and_listed_in_part";
    let Some(program) = loaded(test) else { return };
    for port in 1..=3000 {
        run(&program, &Shape { port, ..Shape::plain() }.frame());
    }
    assert_eq!(program.counters().unwrap().unmapped, 3000);
    let listed = program.unmapped().unwrap();
    assert!((500..=1024).contains(&listed.len()), "{}", listed.len());
    assert!(listed.iter().any(|unmapped| unmapped.port == 3000), "the newest is listed");
}

#[test]
fn bounds_are_said() {
    let Some(mut program) = loaded("bounds_are_said") else { return };
    for port in 0..4 {
        program.set_endpoint(GROUP, port, None, 0, 0).unwrap();
    }
    assert!(matches!(
        program.set_endpoint(GROUP, 4, None, 0, 0),
        Err(MapError::Full { endpoints: 4 })
    ));
    // Changing one that is there needs no room.
    program.set_endpoint(GROUP, 3, None, 1, 1).unwrap();
    for group in [[10, 0, 0, 1], [224, 0, 0, 5], [240, 0, 0, 0]] {
        assert!(matches!(
            program.set_endpoint(group, 1, None, 0, 0),
            Err(MapError::NotAGroup { .. })
        ));
    }
    let stdin = std::io::stdin();
    assert!(matches!(
        program.set_socket(1, stdin.as_fd()),
        Err(MapError::NoSuchQueue { queue: 1, sockets: 1 })
    ));
    assert!(matches!(program.set_socket(0, stdin.as_fd()), Err(MapError::Socket { .. })));
    program.clear_socket(0).unwrap();
}

#[test]
fn an_interface_that_is_not_there_is_said() {
    let Some(program) = loaded("an_interface_that_is_not_there_is_said") else { return };
    for ifindex in [0, 999_999, u32::MAX] {
        for mode in [AttachMode::Native, AttachMode::Generic] {
            assert!(matches!(program.attach(ifindex, mode), Err(AttachError::NoInterface { .. })));
        }
    }
}

#[test]
fn where_senders_are_named_others_are_counted_and_listed() {
    let test = "where_senders_are_named_others_are_counted_and_listed";
    let Some(mut program) = loaded(test) else { return };
    let from = |last: u8| [10, 0, 0, last];
    let frame =
        |source: u8, option_words: u8| Shape { source, option_words, ..Shape::plain() }.frame();
    // What the first sees counted: (no_socket: it is one of ours, other_source, unmapped).
    let sent = |program: &Program, source: u8, option_words: u8| {
        let before = program.counters().unwrap();
        let (verdict, after) = run(program, &frame(source, option_words));
        assert_eq!((verdict, after.frames()), (XDP_PASS, before.frames() + 1));
        (
            after.no_socket - before.no_socket,
            after.other_source - before.other_source,
            after.unmapped - before.unmapped,
        )
    };
    let (ours, other, unmapped) = ((1, 0, 0), (0, 1, 0), (0, 0, 1));
    program.set_endpoint(GROUP, PORT, Some(from(1)), 9, 0).unwrap();
    for option_words in [0, 3] {
        assert_eq!(sent(&program, 1, option_words), ours);
        assert_eq!(sent(&program, 3, option_words), other);
    }
    let listed = program.other_sources().unwrap();
    assert_eq!(listed.len(), 1);
    let seen = listed[0].seen;
    assert_eq!((listed[0].source, seen.group, seen.port), (from(3), GROUP, PORT));
    assert_eq!((seen.packets, seen.bytes), (2, 2 * frame(3, 0).len() as u64 + 12));
    assert_eq!(program.unmapped().unwrap(), [], "the group and port are named");

    // A second sender is no longer another one; and both go by themselves.
    program.set_endpoint(GROUP, PORT, Some(from(3)), 9, 1).unwrap();
    assert_eq!(program.other_sources().unwrap(), []);
    assert_eq!([1, 3, 4].map(|source| sent(&program, source, 0)), [ours, ours, other]);
    program.clear_endpoint(GROUP, PORT, Some(from(1))).unwrap();
    assert_eq!([1, 3].map(|source| sent(&program, source, 0)), [other, ours]);
    program.clear_endpoint(GROUP, PORT, Some(from(3))).unwrap();
    assert_eq!([1, 3].map(|source| sent(&program, source, 0)), [unmapped; 2]);

    program.set_endpoint(GROUP, PORT, None, 9, 0).unwrap();
    assert_eq!([1, 3].map(|source| sent(&program, source, 0)), [ours; 2]);
    let mixed = program.set_endpoint(GROUP, PORT, Some(from(1)), 9, 0);
    assert!(matches!(mixed, Err(MapError::AnyAndOne { port: PORT, .. })));
    program.clear_endpoint(GROUP, PORT, None).unwrap();
    for last in 1..=4 {
        program.set_endpoint(GROUP, PORT, Some(from(last)), 9, 0).unwrap();
    }
    assert_eq!(sent(&program, 4, 0), ours);
    let fifth = program.set_endpoint(GROUP, PORT, Some(from(5)), 9, 0);
    assert!(matches!(fifth, Err(MapError::Senders { senders: 4, .. })));
}
