//! `candor doctor`.

use candor_maps::calendar::Wall;
use clap::Args;
use serde_json::json;

use super::{ConfigArg, Output, OutputArg, print};
use crate::daily::resolve;
use crate::doctor::{self, Finding};
use crate::exit::{Exit, Failure};
use crate::{clock, config};

/// Looks whether this host can run a configuration: privileges, limits, the group,
/// interfaces, queues, cores.
/// Exits 0 when it can, 1 when something fails, 77 when a privilege or limit is missing.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    config: ConfigArg,
    /// Attach and bind for a moment to learn which mode the driver has. Many cards reset their
    /// queues for this: not while the interface works.
    #[arg(long = "try")]
    try_it: bool,
    #[command(flatten)]
    output: OutputArg,
}

impl Doctor {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = config::load(&self.config.config)?;
        // With the partitions that it would start with now: what can't start is what there is to say first.
        let config = resolve(&config, Wall(clock::wall()))?.config;
        let findings = doctor::examine(&config, self.try_it);
        let verdict = doctor::verdict(&findings);
        match self.output.output {
            Output::Table => print::out(&table(&findings))?,
            Output::Json => {
                let findings: Vec<_> = findings.iter().map(of).collect();
                print::json(&json!({ "findings": findings, "exit": verdict as u8 }))?
            }
        };
        Ok(verdict)
    }
}

fn of(finding: &Finding) -> serde_json::Value {
    json!({
        "level": finding.level.label(),
        "check": finding.check,
        "subject": finding.subject,
        "found": finding.found,
        "advice": finding.advice,
        "privilege": finding.privilege,
    })
}

fn table(findings: &[Finding]) -> String {
    let mut rows = vec![["", "CHECK", "OF", "FOUND"].map(String::from)];
    for finding in findings {
        rows.push([
            finding.level.label().to_owned(),
            finding.check.to_owned(),
            finding.subject.clone(),
            finding.found.clone(),
        ]);
        if !finding.advice.is_empty() {
            let blank = String::new;
            rows.push([blank(), blank(), blank(), format!("→ {}", finding.advice)]);
        }
    }
    print::columns(&rows)
}
