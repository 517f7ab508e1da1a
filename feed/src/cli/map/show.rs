//! `candor map show`.

use candor_core::Symbol;
use candor_maps::check::{self, Wanted};
use candor_maps::diff::Described;
use candor_maps::{Map, Partition};
use clap::Args;

use super::super::OutputArg;
use super::super::output::{Answer, Row, Value};
use super::stored::{Reference, StoreArg};
use crate::exit::{Exit, Failure};

/// Shows a map, or where it puts one symbol.
#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// The map: a file, a digest or VENUE@DATE.
    #[arg(value_name = "MAP")]
    map: Reference,
    /// The symbol to look for; exit 3 where the map puts it nowhere.
    #[arg(long, value_parser = symbol)]
    symbol: Option<Symbol>,
    /// Its expiry code, A to X, where the venue splits symbols by that.
    #[arg(long, value_name = "CODE", requires = "symbol", value_parser = code)]
    expiry: Option<u8>,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    output: OutputArg,
}

fn symbol(text: &str) -> Result<Symbol, String> {
    let symbol = Symbol::from_wire(text.as_bytes());
    symbol.ok_or_else(|| "a symbol has 1 to 24 characters of printable ASCII".to_owned())
}

fn code(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [code @ b'A'..=b'X'] => Ok(*code),
        _ => Err("an expiry code is one of A to X".to_owned()),
    }
}

const COLUMNS: &[&str] = &["partition", "carries", "silence", "endpoints"];

impl Show {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let map = self.map.load(self.store.find()?.as_ref(), &Wanted::default())?.map;
        let mut answer = Answer::new().one("map", super::summary(&map));
        let Some(symbol) = self.symbol else {
            let rows = map.partitions.iter().map(row).collect();
            answer.many("partitions", COLUMNS, rows).print(self.output.output)?;
            return Ok(Exit::Ok);
        };
        let at = check::of(&map, &symbol, self.expiry);
        answer = answer.one("symbol", place(&map, &symbol, self.expiry, at));
        answer.print(self.output.output)?;
        Ok(if at.is_some() { Exit::Ok } else { Exit::Unknown })
    }
}

fn row(partition: &Partition) -> Row {
    let Described { name, endpoints, carried } = Described::of(partition);
    Row::new()
        .with("partition", Value::text(name))
        .with("carries", Value::text(carried))
        .with("silence", Value::Length(partition.silence))
        .with("endpoints", Value::text(endpoints))
}

fn place(map: &Map, symbol: &Symbol, expiry: Option<u8>, at: Option<usize>) -> Row {
    let partition = at.map(|at| Described::of(&map.partitions[at]));
    let (name, endpoints) = partition.map_or((Value::Absent, Value::Absent), |one| {
        (Value::text(one.name), Value::text(one.endpoints))
    });
    let expiry = expiry.map_or(Value::Absent, |code| Value::text(char::from(code)));
    Row::new()
        .with("symbol", Value::text(symbol))
        .with("expiry", expiry)
        .with("partition", name)
        .with("endpoints", endpoints)
}
