//! `candor unmapped`.

use candor_preopen::UNMAPPED_READ_WITHIN;
use clap::Args;

use super::output::{Answer, Row, Value};
use super::region::{RegionArg, exit_of, finish};
use super::{OutputArg, print};
use crate::exit::{Exit, Failure};

const COLUMNS: &[&str] = &["endpoint", "packets", "bytes", "last_seen"];

/// Lists the multicast that reaches this host and that no partition takes: a partition the venue has
/// added shows here first. Exits 0 when there is none, 1 when there is some, 3 when the handler is
/// gone, or when there is none because nobody has looked lately.
#[derive(Debug, Args)]
pub(super) struct UnmappedQuery {
    #[command(flatten)]
    region: RegionArg,
    #[command(flatten)]
    output: OutputArg,
}

impl UnmappedQuery {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut source = self.region.open()?;
        let now = source.now();
        let Some(table) = source.region.unmapped() else {
            let handler = source.handler();
            let message = "the table is being written, or was left in the middle: look again";
            return Err(Failure::new(exit_of(handler, false), message));
        };
        let rows = table.entries.iter().map(|entry| {
            Row::new()
                .with("endpoint", Value::text(entry.endpoint))
                .with("packets", Value::Number(entry.packets))
                .with("bytes", Value::Number(entry.bytes))
                .with("last_seen", Value::age(entry.last, now))
        });
        let total = Row::new()
            .with("endpoints", Value::Number(table.total))
            .with("listed", Value::Number(table.entries.len() as u64))
            .with("looked", Value::age(table.read, now));
        // An old table says what came; it doesn't say what did not.
        let blind = now.since(table.read) > UNMAPPED_READ_WITHIN && table.total == 0;
        let answer = Answer::new().one("total", total).many("unmapped", COLUMNS, rows.collect());
        let exit = finish(&source, &answer, self.output.output, table.total == 0)?;
        if !blind || exit == Exit::Unknown {
            return Ok(exit);
        }
        let name = source.region.info().handler;
        print::error(&format!(
            "{name}: nobody has looked lately what comes that no map names: ordinary sockets can't, and where the \
             XDP program's table can't be read the handler's log says why"
        ));
        Ok(Exit::Unknown)
    }
}
