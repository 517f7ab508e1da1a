//! Eight hosts, one of which is not like the others.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use candor::clock;
use serde_json::{Value, json};

use crate::signed::{Signed, candor, json as json_of, program, text, until_all_are_not_attested};

/// A folder with what eight hosts have answered, gone afterwards.
struct Hosts(PathBuf);

impl Hosts {
    fn new(name: &str, answers: &[Value]) -> Hosts {
        let path = std::env::temp_dir().join(format!("candor-fleet-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let hosts = Hosts(path);
        let mut list = String::new();
        for (number, answer) in (1..).zip(answers) {
            fs::write(hosts.path(&format!("mdh{number}.json")), answer.to_string()).unwrap();
            list += &format!(
                "[[host]]\nname = \"mdh{number}\"\nrole = \"equities\"\nfile = \"mdh{number}.json\"\n"
            );
        }
        hosts.list(&list);
        hosts
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn list(&self, text: &str) {
        fs::write(self.path("hosts.toml"), text).unwrap();
    }

    /// What is said of them, the exit code, and both forms of the answer.
    #[track_caller]
    fn verify(&self, exit: i32) -> (Value, String) {
        let list = self.path("hosts.toml").display().to_string();
        let table = candor(&["fleet", "verify", &list]);
        assert_eq!(table.status.code(), Some(exit), "{}", text(&table));
        let output = candor(&["fleet", "verify", &list, "-o", "json"]);
        assert_eq!(output.status.code(), Some(exit));
        (json_of(&output), text(&table))
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn words(answer: &Value) -> Vec<String> {
    let findings = answer["findings"].as_array().unwrap();
    findings.iter().map(|one| one["words"].as_str().unwrap().to_owned()).collect()
}

/// An answer as `candor status -o json` gives it, in those parts that are compared.
fn answer() -> Value {
    json!({
        "handler": {
            "handler": "mdh", "status": "Live", "attested": "yes", "binary_digest": "b".repeat(64),
            "config_digest": "c".repeat(64), "layout_digest": "a".repeat(16),
        },
        "lanes": [{ "lane": 0, "mode": "native zero-copy" }],
        "venues": [{ "venue": "XNAS", "trading_date": "2026-11-23", "map_digest": "d".repeat(64) }],
    })
}

/// Answers of yesterday compare well with each other, and say nothing of today.
#[test]
fn an_answer_that_is_too_old_is_none() {
    let hosts = Hosts::new("old", &[answer(), answer()]);
    hosts.verify(0);
    let old = fs::File::options().write(true).open(hosts.path("mdh2.json")).unwrap();
    let written = Duration::from_nanos(clock::wall()) - Duration::from_secs(3_700);
    old.set_modified(SystemTime::UNIX_EPOCH + written).unwrap();
    let (found, table) = hosts.verify(3);
    assert!(table.contains("mdh2") && table.contains("old; at most 3600 s may be"), "{table}");
    assert!(words(&found)[0].contains("could not be asked"), "{found}");
    let list = fs::read_to_string(hosts.path("hosts.toml")).unwrap();
    hosts.list(&format!("max_age_s = 7200\n{list}"));
    hosts.verify(0);
}

/// One host of eight runs another binary: it says so, none of its symbols is Live, and the comparison names it.
#[test]
fn partial_deploy() {
    let signed = Signed::new("deploy");
    signed.sign(&[]);
    let status = || {
        let output = candor(&["status", "-r", signed.path("mdh1").to_str().unwrap(), "-o", "json"]);
        json_of(&output)
    };
    // Seven hosts run what was signed for.
    let handler = signed.start(program());
    handler.until_live();
    let mut answers = vec![status(); 7];
    handler.process.end();
    // On the eighth the program is another.
    let handler = signed.start(&signed.other_program());
    until_all_are_not_attested(&handler);
    answers.push(status());
    let hosts = Hosts::new("deploy", &answers);
    let (found, table) = hosts.verify(1);
    let digest =
        |at: usize| answers[at]["handler"]["binary_digest"].as_str().unwrap()[..12].to_owned();
    let binary = format!("mdh8: binary is {}, and 7 of 8 hosts have {}", digest(7), digest(0));
    assert_eq!(
        words(&found),
        [
            &binary,
            "mdh8: attested is no, and 7 of 8 hosts have yes",
            "mdh8: status is Stale(NotAttested), and 7 of 8 hosts have Live",
        ]
    );
    assert!(table.contains(&binary), "{table}");
    assert_eq!(found["fleet"]["differ"], 1);
    // Where they are the same nothing is said.
    let same = Hosts::new("same", &answers[..7]);
    let (found, table) = same.verify(0);
    assert_eq!(found["fleet"]["verdict"], "all the same");
    assert!(table.contains("all the same") && words(&found).is_empty(), "{table}");
}

/// The same with another map, and for what else can differ; each by its name.
#[test]
fn partial_deploy_of_a_map_a_configuration_or_a_mode() {
    for (path, value, says) in [
        (
            "/venues/0/map_digest",
            json!("e".repeat(64)),
            "mdh8: map of XNAS is eeeeeeeeeeee for 2026-11-23",
        ),
        (
            "/venues/0/trading_date",
            json!("2026-11-20"),
            "mdh8: map of XNAS is dddddddddddd for 2026-11-20",
        ),
        (
            "/handler/config_digest",
            json!("e".repeat(64)),
            "mdh8: configuration of equities is eeeeeeeeeeee",
        ),
        ("/handler/layout_digest", json!("e".repeat(16)), "mdh8: layout is eeeeeeeeeeee"),
        (
            "/lanes/0/mode",
            json!("udp"),
            "mdh8: mode is udp, and 7 of 8 hosts have native zero-copy",
        ),
    ] {
        let mut answers = vec![answer(); 8];
        *answers[7].pointer_mut(path).unwrap() = value;
        let (found, _) = Hosts::new("parts", &answers).verify(1);
        let words = words(&found);
        assert!(words.len() == 1 && words[0].starts_with(says), "{words:?}");
    }
    let mut answers = vec![answer(); 8];
    for other in &mut answers[4..] {
        other["handler"]["binary_digest"] = json!("e".repeat(64));
    }
    let (found, _) = Hosts::new("tie", &answers).verify(1);
    assert_eq!(
        (&found["findings"][0]["finding"], &found["fleet"]["ties"]),
        (&json!("tie"), &json!(1))
    );
    assert!(words(&found)[0].contains("eeeeeeeeeeee on mdh5 mdh6 mdh7 mdh8"), "{found}");
}

#[test]
fn a_host_that_does_not_answer_is_named_and_a_wrong_list_is_refused() {
    let hosts = Hosts::new("gone", &vec![answer(); 8]);
    fs::remove_file(hosts.path("mdh3.json")).unwrap();
    fs::write(hosts.path("mdh5.json"), "{}").unwrap();
    let (found, table) = hosts.verify(3);
    let words = words(&found);
    assert!(
        words[0].starts_with("mdh3 could not be asked: ") && words[0].contains("no such file"),
        "{words:?}"
    );
    assert!(words[1].starts_with("mdh5 could not be asked: "), "{words:?}");
    assert_eq!((words.len(), &found["fleet"]["answered"]), (2, &json!(6)));
    assert!(table.contains("mdh3 could not be asked"));
    hosts.list("[[host]]\nname = \"a\"\n");
    let list = hosts.path("hosts.toml").display().to_string();
    let refused = candor(&["fleet", "verify", &list]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(
        text(&refused).contains("hosts.toml:1: [[host]] a has no `file`"),
        "{}",
        text(&refused)
    );
}

/// With a program in ssh's place, which shows what it was given and answers as the host's shell would.
#[test]
fn hosts_are_asked_over_ssh_all_at_the_same_time_and_for_no_longer_than_they_may_take() {
    let hosts = Hosts::new("ssh", &[answer()]);
    let ssh = hosts.path("ssh");
    // Its arguments end with the destination and one line for the shell over there.
    let script = format!(
        "#!/bin/sh\nfor word; do at=$line; line=$word; done\ncase $at in hangs) sleep 60;; \
         fails) echo no route to host >&2; exit 255;; esac\ncd {}\neval \"$line\"\n",
        hosts.0.display()
    );
    fs::write(&ssh, script).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(hosts.path("mdh1.json"), hosts.path("it's $(here) now")).unwrap();
    let head = format!("ssh_program = {ssh:?}\ntimeout_ms = 4000\n");
    let one = |name: &str, at: &str| {
        format!(
            "[[host]]\nname = \"{name}\"\nssh = \"{at}\"\ncommand = [\"cat\", \"it's $(here) now\"]\n"
        )
    };
    hosts.list(&(head.clone() + &one("a", "u@a") + &one("b", "b")));
    let (found, _) = hosts.verify(0);
    assert_eq!(found["hosts"][1]["binary_digest"], "b".repeat(64));
    let many: String = (0..8).map(|at| one(&format!("h{at}"), "hangs")).collect();
    hosts.list(&(head + &one("a", "u@a") + &many + &one("f", "fails")));
    let began = candor_shm::clock::now();
    let (found, _) = hosts.verify(3);
    let took = candor_shm::clock::now().since(began);
    // Asked twice, once for each form of the answer.
    assert!(took.0 < 20_000_000_000, "eight that hang take no longer than one: {took}");
    let words = words(&found);
    assert_eq!(words.len(), 9);
    assert!(
        words[0].starts_with("h0 could not be asked: hangs: ")
            && words[0].contains("did not end within 4")
    );
    assert!(
        words[8].contains("exited with 255") && words[8].contains("no route to host"),
        "{words:?}"
    );
}
