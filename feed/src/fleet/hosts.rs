//! Which hosts there are, and how each is asked: a file that people write.
//!
//! ```toml
//! timeout_ms = 10000                    # for each host; this is the default
//! ssh_program = "/usr/bin/ssh"          # this is the default
//! max_age_s = 3600                      # of an answer in a file; this is the default
//!
//! [[host]]
//! name = "mdh1"
//! role = "equities"                     # hosts of one role have one configuration; left out: it is not compared
//! file = "mdh1.json"                    # what `candor status -o json` printed there; or
//!
//! [[host]]
//! name = "mdh2"
//! ssh = "candor@mdh2"                   # a destination of ssh's
//! command = ["candor", "status", "-c", "/etc/candor/candor.toml", "-o", "json"]  # this is the default
//! ```

use std::path::{Path, PathBuf};

use candor_core::Nanos;
use candor_settings::{At, Context, Problem, Problems, Table};
use toml::de::DeTable;

use crate::small;

/// The longest file of hosts, in bytes.
const HOSTS_BYTES: u64 = 1 << 20;

/// Hosts at most.
const HOSTS: usize = 4_096;

/// How long a host may take that is asked without a time.
const TIMEOUT_MS: u64 = 10_000;

/// How old the answer in a file may be where nothing is configured.
const MAX_AGE_S: u64 = 3_600;

/// The program that reaches hosts.
const SSH: &str = "/usr/bin/ssh";

/// What is asked of a host over ssh where nothing is configured.
const COMMAND: [&str; 6] = ["candor", "status", "-c", "/etc/candor/candor.toml", "-o", "json"];

/// All of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hosts {
    /// How long each may take.
    pub timeout: Nanos,
    /// How old the answer in a file may be.
    pub max_age: Nanos,
    /// The program that reaches them.
    pub ssh_program: String,
    /// In the file's order.
    pub hosts: Vec<Host>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    /// Its name, which no other has.
    pub name: String,
    /// What it is for.
    pub role: Option<String>,
    /// How it is asked.
    pub from: From,
}

/// How a host is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum From {
    /// It has answered already, in this file.
    File(PathBuf),
    /// By ssh: where, and with which command.
    Ssh(String, Vec<String>),
}

impl Hosts {
    /// Reads the file at `path`. Files that it names start at its folder.
    ///
    /// # Errors
    /// Every problem by file and line.
    pub fn read(path: &Path) -> Result<Hosts, Problems> {
        let wrong = |why| Problems::new("list of hosts", path, vec![Problem::of_file(path, why)]);
        let text = small::read(path, HOSTS_BYTES).and_then(small::Small::text).map_err(wrong)?;
        parse(path, &text)
    }
}

fn parse(path: &Path, text: &str) -> Result<Hosts, Problems> {
    let mut cx = Context::new(path, text);
    let (root, errors) = DeTable::parse_recoverable(text);
    if let Some(error) = errors.first() {
        let line = error.span().map_or(0, |span| cx.line(span.start));
        cx.problem(line, format!("is not TOML: {}", error.message().replace('\n', ", ")));
        return Err(Problems::new("list of hosts", path, cx.problems));
    }
    let mut root = Table::new("the file", 0, root.get_ref());
    let timeout =
        root.integer(&mut cx, "timeout_ms", 1..=600_000).map_or(TIMEOUT_MS, |at| at.value);
    let max_age =
        root.integer(&mut cx, "max_age_s", 1..=31_536_000).map_or(MAX_AGE_S, |at| at.value);
    let ssh = root.text(&mut cx, "ssh_program", "a program's absolute name");
    if let Some(at) = ssh.filter(|at| !Path::new(at.value).is_absolute()) {
        cx.problem(at.line, format!("`ssh_program` must be absolute, not {:?}", at.value));
    }
    let mut hosts: Vec<Host> = Vec::new();
    let folder = path.parent().unwrap_or(Path::new(""));
    let tables = root.tables(&mut cx, "host", "[[host]]");
    let (none, many) = (tables.is_empty(), tables.len() > HOSTS);
    for table in tables.into_iter().take(HOSTS) {
        let line = table.line;
        let Some(one) = host(&mut cx, table, folder) else { continue };
        if hosts.iter().any(|other| other.name == one.name) {
            cx.problem(line, format!("two hosts are called {:?}; give one another name", one.name));
        }
        hosts.push(one);
    }
    root.finish(&mut cx);
    if none && cx.problems.is_empty() {
        cx.problem(0, "names no host; add [[host]] with `name`, and `file` or `ssh`");
    }
    if many {
        cx.problem(0, format!("names more than {HOSTS} hosts; make several files of it"));
    }
    if !cx.problems.is_empty() {
        return Err(Problems::new("list of hosts", path, cx.problems));
    }
    let ssh_program = ssh.map_or(SSH, |at| at.value).to_owned();
    let (timeout, max_age) = (Nanos::from_millis(timeout), Nanos::from_secs(max_age));
    Ok(Hosts { timeout, max_age, ssh_program, hosts })
}

fn host(cx: &mut Context<'_>, mut table: Table<'_>, folder: &Path) -> Option<Host> {
    table.rename("a [[host]]".to_owned());
    let name = table.text(cx, "name", "a host's name");
    match name {
        Some(at) => table.rename(format!("[[host]] {}", at.value)),
        None if table.line_of(cx, "name").is_none() => table.missing(cx, "name", "name = \"mdh1\""),
        None => {}
    }
    let role = table.text(cx, "role", "what the host is for").map(|at| at.value.to_owned());
    let file = table.text(cx, "file", "a file's name");
    let ssh = table.text(cx, "ssh", "a destination of ssh's");
    let command = table.texts(cx, "command");
    let from = from(cx, &table, (file, ssh, command), folder);
    table.finish(cx);
    Some(Host { name: name?.value.to_owned(), role, from: from? })
}

type Given<'a> = (Option<At<&'a str>>, Option<At<&'a str>>, Option<At<Vec<At<&'a str>>>>);

fn from(
    cx: &mut Context<'_>,
    table: &Table<'_>,
    (file, ssh, command): Given<'_>,
    folder: &Path,
) -> Option<From> {
    match (file, ssh, command) {
        (Some(_), Some(at), _) => {
            let name = table.name();
            cx.problem(at.line, format!("{name} has both `file` and `ssh`; keep one"));
            None
        }
        (Some(_), None, Some(at)) => {
            cx.problem(at.line, "`command` means nothing with `file`; take it out");
            None
        }
        (Some(file), None, None) => Some(From::File(folder.join(file.value))),
        (None, Some(at), command) => {
            // It would be an option of ssh's, or several words.
            let bad = |c: char| c.is_whitespace() || c.is_control();
            if at.value.starts_with('-') || at.value.contains(bad) {
                cx.problem(
                    at.line,
                    format!("`ssh` can't be {:?}: one word, like \"candor@mdh1\"", at.value),
                );
                return None;
            }
            let words = match command {
                Some(At { value, line }) if value.is_empty() => {
                    cx.problem(line, "`command` is empty; leave it out, or name a program");
                    return None;
                }
                Some(At { value, .. }) => value.iter().map(|at| at.value.to_owned()).collect(),
                None => COMMAND.map(str::to_owned).into(),
            };
            Some(From::Ssh(at.value.to_owned(), words))
        }
        (None, None, _) => {
            if table.line_of(cx, "file").or(table.line_of(cx, "ssh")).is_none() {
                table.missing(cx, "file", "file = \"mdh1.json\" (or ssh = \"mdh1\")");
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Hosts, String> {
        parse(Path::new("/etc/hosts.toml"), text).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_host_is_asked_by_file_or_by_ssh() {
        let hosts = of("[[host]]\nname = \"a\"\nrole = \"r\"\nfile = \"a.json\"\n[[host]]\nname = \"b\"\nssh = \"u@b\"\n\
                        [[host]]\nname = \"c\"\nssh = \"c\"\ncommand = [\"x\", \"y z\"]").unwrap();
        assert_eq!(
            (hosts.timeout, hosts.ssh_program.as_str()),
            (Nanos::from_secs(10), "/usr/bin/ssh")
        );
        let words =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let from: Vec<From> = hosts.hosts.iter().map(|host| host.from.clone()).collect();
        assert_eq!(
            from,
            [
                From::File("/etc/a.json".into()),
                From::Ssh("u@b".to_owned(), words(&COMMAND)),
                From::Ssh("c".to_owned(), words(&["x", "y z"])),
            ]
        );
        assert_eq!(hosts.hosts[0].role.as_deref(), Some("r"));
    }

    #[test]
    fn what_is_wrong_is_refused_by_its_line() {
        let host = "[[host]]\nname = \"a\"\n";
        for (text, why) in [
            ("".to_owned(), "names no host"),
            (
                format!("{host}file = \"f\"\n{host}file = \"f\""),
                "hosts.toml:4: two hosts are called \"a\"",
            ),
            (host.to_owned(), "has no `file`"),
            (format!("{host}file = \"f\"\nssh = \"h\""), "has both `file` and `ssh`"),
            (
                format!("{host}file = \"f\"\ncommand = [\"x\"]"),
                "`command` means nothing with `file`",
            ),
            (format!("{host}ssh = \"-oProxyCommand=x\""), "hosts.toml:3: `ssh` can't be"),
            (format!("{host}ssh = \"a b\""), "`ssh` can't be"),
            (format!("{host}ssh = \"h\"\ncommand = []"), "`command` is empty"),
            (format!("{host}fil = \"f\""), "unknown key `fil` in [[host]] a, did you mean `file`?"),
            (format!("timeout_ms = 0\n{host}file = \"f\""), "`timeout_ms`"),
            (
                format!("ssh_program = \"ssh\"\n{host}file = \"f\""),
                "`ssh_program` must be absolute",
            ),
            ("[[host]".to_owned(), "is not TOML"),
        ] {
            let refused = of(&text).unwrap_err();
            assert!(refused.contains(why), "{why}: {refused}");
        }
    }
}
