//! A handler that must be attested, and readers of its region.

use std::fs;
use std::path::Path;

use candor_core::Reason;
use candor_journal::{Item, Reader, Record};
use candor_shm::{Attested, Read, clock};

use crate::scene::{Handler, eventually};
use crate::signed::{
    Signed, candor, json, program, reasons, stays_stale, text, until_all_are_not_attested,
};

fn records(folder: &Path) -> Vec<Record> {
    let Ok(reader) = Reader::open(folder) else { return Vec::new() };
    let records = reader.filter_map(|item| match item.unwrap() {
        Item::Record(_, record) => Some(record),
        Item::Broken(fault) => panic!("{fault}"),
        Item::Unfinished { .. } => None,
    });
    records.collect()
}

/// Puts a file in its place whole.
fn put(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("beside");
    fs::write(&beside, bytes).unwrap();
    fs::rename(&beside, path).unwrap();
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut other = bytes.to_vec();
    other[at] ^= 1;
    other
}

/// The region says so behind the status.
fn until_attested(handler: &Handler) {
    eventually("the region says that it is attested", || {
        (handler.region.info().attested == Attested::Yes).then_some(())
    });
}

/// Every way in which a manifest stops being one that can be believed, in a handler that runs; and back each time.
#[test]
fn a_running_handler_is_not_attested_by_a_changed_byte_and_heals_without_a_restart() {
    let signed = Signed::new("heals");
    signed.sign(&[]);
    let handler = signed.start(program());
    handler.until_live();
    until_attested(&handler);
    let generation = handler.region.generation();
    let (manifest, key) = (signed.manifest(), signed.path("key.pub"));
    let (good, good_key) = (fs::read(&manifest).unwrap(), fs::read(&key).unwrap());
    let (keep, other) = (signed.path("keep"), signed.path("other"));
    fs::write(&keep, &good).unwrap();
    candor(&["attest", "keygen", "--key", other.to_str().unwrap()]);
    let other_key = fs::read(signed.path("other.pub")).unwrap();
    // The signature is the first line; the name and every digest come behind it.
    let in_name = good.windows(7).position(|some| some == b"name = ").unwrap() + 8;
    let ways: [(&str, &dyn Fn(), &str); 7] = [
        ("a byte of the signature", &|| put(&manifest, &flipped(&good, 20)), "signature"),
        ("a byte of the manifest", &|| put(&manifest, &flipped(&good, in_name)), "changed since"),
        ("half of it", &|| put(&manifest, &good[..good.len() / 2]), "changed since"),
        ("no manifest", &|| fs::remove_file(&manifest).unwrap(), "there is no such file"),
        (
            "a link to it",
            &|| {
                fs::remove_file(&manifest).unwrap();
                std::os::unix::fs::symlink(&keep, &manifest).unwrap();
            },
            "is a symbolic link",
        ),
        ("another key", &|| put(&key, &other_key), "signed with another key"),
        ("no key", &|| put(&key, b"none"), "is no key"),
    ];
    for (way, spoil, says) in ways {
        let before = handler.log().len();
        spoil();
        until_all_are_not_attested(&handler);
        // The status is there before the log has been written.
        eventually(way, || {
            let said = handler.log()[before..].to_owned();
            said.contains(says).then_some(())
        });
        // What it goes on publishing is shown with its reason.
        let (symbol, _) = handler.symbols(0)[0];
        let Read::Stale { reason: Reason::NotAttested, last, .. } = handler.region.read(symbol)
        else {
            panic!("{way}")
        };
        assert!(last.is_some(), "{way}");
        put(&key, &good_key);
        put(&manifest, &good);
        handler.until_live();
    }
    until_attested(&handler);
    assert_eq!(handler.region.generation(), generation, "the same handler all along");
    // What comes back within some seconds is one alert.
    assert!(handler.log().contains("alert=\"not-attested\""), "{}", handler.log());
    eventually("its log says that it is over", || {
        handler.log().contains("over=\"not-attested\"").then_some(())
    });
    let folder = signed.path("mdh1.journal");
    eventually("the journal has each of them", || {
        let records = records(&folder);
        let count = |kind: &str, field: &str, value: &str| {
            let is = |record: &&Record| {
                record.kind == kind && record.fields.text_of(field) == Some(value)
            };
            records.iter().filter(is).count()
        };
        let counts = [
            count("attest", "attested", "no"),
            count("handler", "to", "Stale(NotAttested)"),
            // The start is one of them.
            count("attest", "attested", "yes"),
            count("handler", "to", "Live"),
        ];
        // While key and manifest are put back one after the other, one more may be seen.
        (counts[0] >= 7 && counts[1] == 7 && counts[2] == 8 && counts[3] == 8).then_some(())
    });
}

#[test]
fn another_binary_is_never_live_until_it_is_signed_for() {
    let signed = Signed::new("binary");
    signed.sign(&[]);
    let other = signed.other_program();
    let handler = signed.start(&other);
    until_all_are_not_attested(&handler);
    stays_stale(&handler);
    let (found, expected) = (digest(&other), digest(program()));
    assert_ne!(found, expected);
    let says = format!("the binary is another: expected {expected}, found {found}");
    assert!(handler.log().contains(&says), "{}", handler.log());
    assert_eq!(candor::sign::hex(&handler.region.info().binary_digest), found);
    let region = signed.path("mdh1").display().to_string();
    let config = signed.config.display().to_string();
    let verified = candor(&["attest", "verify", "-c", &config, "--running", "-o", "json"]);
    assert_eq!(verified.status.code(), Some(1), "{}", text(&verified));
    assert_eq!(json(&verified)["attest"]["attested"], "no");
    assert_eq!(json(&verified)["differences"][0]["differs"], says);
    let own = candor(&["attest", "verify", "-c", &config]);
    assert_eq!(own.status.code(), Some(0), "this program is: {}", text(&own));
    // As a start would find it.
    for (program, level) in [(program(), "ok"), (&*other, "fail")] {
        let mut doctor = std::process::Command::new(program);
        let found = json(&doctor.args(["doctor", "-c", &config, "-o", "json"]).output().unwrap());
        let findings = found["findings"].as_array().unwrap();
        let own = findings.iter().find(|finding| finding["check"] == "attestation").unwrap();
        assert_eq!(own["level"], level, "{own}");
    }
    let status = candor(&["status", "-r", &region, "-o", "json"]);
    assert_eq!(status.status.code(), Some(1));
    let of = json(&status)["handler"].clone();
    assert_eq!((&of["status"], &of["attested"]), (&"Stale(NotAttested)".into(), &"no".into()));
    assert_eq!(of["binary_digest"], found.as_str());
    // A roll-out: both may run.
    signed.sign(&["--binary", other.to_str().unwrap(), "--binary", program().to_str().unwrap()]);
    handler.until_live();
    let verified = candor(&["attest", "verify", "-c", &config, "--running"]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
}

#[test]
fn another_configuration_is_never_live_and_neither_is_what_nobody_signed() {
    let signed = Signed::new("config");
    let unsigned = signed.start(program());
    until_all_are_not_attested(&unsigned);
    stays_stale(&unsigned);
    unsigned.process.end();
    signed.sign(&[]);
    let text = fs::read_to_string(&signed.config).unwrap();
    fs::write(&signed.config, format!("{text}#")).unwrap();
    let handler = signed.start(program());
    until_all_are_not_attested(&handler);
    stays_stale(&handler);
    assert!(handler.log().contains("the configuration is another: expected"), "{}", handler.log());
    assert!(!handler.log().contains("the binary is another"));
    signed.sign(&[]);
    handler.until_live();
    assert!(reasons(&handler).iter().all(Option::is_none));
    assert!(handler.region.handler_status(clock::now()).is_live());
}

fn digest(path: &Path) -> String {
    candor::sign::hex(&candor::attest::binary(path).unwrap())
}

/// A map that comes in force while the handler runs, and that nobody has signed for.
#[test]
fn a_map_that_nobody_signed_for_is_not_attested_until_it_is() {
    let signed = Signed::new("maps");
    let config = candor::config::load(&signed.config).unwrap();
    let [venue] = config.venues[..] else { panic!("one venue") };
    let store = signed.path("store");
    fs::create_dir_all(&store).unwrap();
    let date = candor::clock::date(candor::clock::wall(), "America/New_York").unwrap();
    let mut map = format!(
        "format = 1\nvenue = \"{venue}\"\ndate = \"{date}\"\nprotocol = \"nasdaq-itch50\"\n"
    );
    for one in &config.partitions {
        map += &format!("[[partition]]\nname = \"{}\"\n", one.name);
        for (line, at) in one.lines() {
            map += &format!("lines.{line} = {{ group = \"{}\", port = {} }}\n", at.group, at.port);
        }
        for what in ["retransmit", "snapshot"] {
            let own = one.services.iter().filter(|(service, ..)| *service == what);
            let list: Vec<String> =
                own.map(|(_, scheme, at)| format!("\"{scheme}://{at}\"")).collect();
            map += &format!("{what} = [{}]\n", list.join(", "));
        }
    }
    // The partitions are the map's from here on.
    let plain = fs::read_to_string(&signed.config).unwrap();
    let (head, rest) = plain.split_once("[[venue.partition]]").unwrap();
    let attest = &rest[rest.find("[attest]").unwrap()..];
    let maps = format!(
        "map = {{ calendar = \"every-day\", at = \"00:00\" }}\n[maps]\nstore = {store:?}\n"
    );
    fs::write(&signed.config, format!("{head}{maps}{attest}")).unwrap();
    let load = |map: &str| {
        let file = signed.path("map.toml");
        fs::write(&file, map).unwrap();
        let date = date.to_string();
        let store = store.to_str().unwrap();
        let all = ["map", "load", file.to_str().unwrap(), "--date", &date, "--store", store];
        let loaded = candor(&all);
        assert_eq!(loaded.status.code(), Some(0), "{}", text(&loaded));
    };
    load(&map);
    let on = format!("{venue}@{date}");
    signed.sign(&["--map", &on]);
    let handler = signed.start(program());
    handler.until_live();
    let digest = || handler.region.venue(&venue).unwrap().in_force.unwrap().digest;
    let first = digest();
    // For the same date, with a service less: no symbol moves, and it is another map.
    let (before, behind) = map.split_once("retransmit = [").unwrap();
    load(&format!("{before}retransmit = [{}", &behind[behind.find(']').unwrap()..]));
    until_all_are_not_attested(&handler);
    eventually("it is taken all the same", || (digest() != first).then_some(()));
    stays_stale(&handler);
    let says = format!(
        "the map of {venue} for {date} is another: expected {}, found {}",
        candor::sign::hex(&first),
        candor::sign::hex(&digest())
    );
    assert!(handler.log().contains(&says), "{}", handler.log());
    signed.sign(&["--map", &on]);
    handler.until_live();
    let config = signed.config.display().to_string();
    let verified = candor(&["attest", "verify", "-c", &config, "--running", "-o", "json"]);
    assert_eq!((verified.status.code(), &json(&verified)["attest"]["maps"]), (Some(0), &1.into()));
    // A manifest that lists no map of the venue leaves maps to the store.
    signed.sign(&[]);
    eventually("the manifest is another", || {
        let records = records(&signed.path("mdh1.journal"));
        let verdicts = records.iter().filter(|record| record.kind == "attest");
        (verdicts.count() == 3).then_some(())
    });
    handler.until_live();
}
