//! Looks at the host: can this configuration run here, and run well? Looks only, unless told to
//! try: a trial attaches a program and binds a socket for a moment, which many cards answer by
//! resetting their queues.

mod attest;
mod calendar;
mod cpu;
mod host;
mod network;
mod read;
mod services;

pub(crate) use cpu::refuse_cores;

use crate::config::Config;
use crate::exit::Exit;

/// How a finding weighs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It runs, but not as well as it could, or it can't be told.
    Warn,
    /// It does not run, or loses data.
    Fail,
}

impl Level {
    /// `ok`, `warn` or `fail`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What was looked at: `capabilities`, `queues`, `clock source`.
    pub check: &'static str,
    /// Of what: an interface, a lane; empty for the host.
    pub subject: String,
    /// How it weighs.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do; empty when nothing needs doing.
    pub advice: String,
    /// Whether what is wrong is a missing privilege or limit of this process.
    pub privilege: bool,
}

impl Finding {
    fn ok(check: &'static str, subject: &str, found: impl Into<String>) -> Finding {
        Finding {
            check,
            subject: subject.to_owned(),
            level: Level::Ok,
            found: found.into(),
            advice: String::new(),
            privilege: false,
        }
    }

    fn warn(
        check: &'static str,
        subject: &str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        let level = Level::Warn;
        Finding { level, advice: advice.into(), ..Finding::ok(check, subject, found) }
    }

    fn fail(
        check: &'static str,
        subject: &str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        let level = Level::Fail;
        Finding { level, advice: advice.into(), ..Finding::ok(check, subject, found) }
    }

    fn of_privilege(mut self) -> Finding {
        self.privilege = true;
        self
    }
}

/// Looks at everything that matters for this configuration; `try_it` also makes the trials.
#[must_use]
pub fn examine(config: &Config, try_it: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    host::examine(config, &mut findings);
    attest::examine(config, &mut findings);
    calendar::examine(config, &mut findings);
    network::examine(config, try_it, &mut findings);
    services::examine(config, &mut findings);
    cpu::examine(config, &mut findings);
    findings
}

/// Looks at the interfaces' links alone: also while a handler runs on them.
pub(crate) fn links(config: &Config) -> Vec<Finding> {
    config.interfaces().into_iter().map(|name| network::look(name).0).collect()
}

/// What is wrong with an interface that packets are to come by, and what to do; `None` for a sound one.
pub(crate) fn trouble(name: &str) -> Option<String> {
    let finding = network::look(name).0;
    let Finding { found, advice, .. } = &finding;
    (finding.level == Level::Fail).then(|| format!("interface {name}: {found} ({advice})"))
}

/// The exit code for these findings: a missing privilege first, then anything else that fails.
#[must_use]
pub fn verdict(findings: &[Finding]) -> Exit {
    let fails = |finding: &&Finding| finding.level == Level::Fail;
    if findings.iter().filter(fails).any(|finding| finding.privilege) {
        Exit::Privilege
    } else if findings.iter().any(|finding| fails(&finding)) {
        Exit::Degraded
    } else {
        Exit::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_the_worst_finding() {
        let ok = Finding::ok("a", "", "");
        let warn = Finding::warn("a", "", "", "");
        let fail = Finding::fail("a", "", "", "");
        let privilege = Finding::fail("a", "", "", "").of_privilege();
        let missing_but_unneeded = Finding::warn("a", "", "", "").of_privilege();
        assert_eq!(verdict(&[ok.clone(), warn, missing_but_unneeded]), Exit::Ok);
        assert_eq!(verdict(&[ok.clone(), fail.clone()]), Exit::Degraded);
        assert_eq!(verdict(&[fail, ok, privilege]), Exit::Privilege);
    }
}
