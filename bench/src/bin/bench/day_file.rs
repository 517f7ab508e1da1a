//! Writes a day to a file.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;

use candor_bench::day::{Day, Plan};

/// Messages between two signs of life.
const PROGRESS: u64 = 1 << 20;

/// Writes the whole day, message by message, saying on standard error how far it is.
pub(crate) fn write(plan: Plan, path: &Path) -> Result<(), String> {
    let mut day = Day::new(plan)?;
    let said = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).map_err(said)?);
    let terminal = std::io::stderr().is_terminal();
    let mut bytes = 0;
    while let Some(message) = day.next_message() {
        let length = u16::try_from(message.len()).map_err(|_| "a message of impossible length")?;
        file.write_all(&length.to_be_bytes()).map_err(said)?;
        file.write_all(message).map_err(said)?;
        bytes += 2 + message.len();
        if terminal && day.made() % PROGRESS == 0 {
            let percent = day.made() * 100 / plan.messages;
            eprint!("\r{percent}%: {} messages, {} live orders", day.made(), day.live_orders());
        }
    }
    file.into_inner().map_err(|error| said(error.into_error()))?.sync_all().map_err(said)?;
    eprintln!(
        "{}{}: {} messages, {bytes} bytes, {} live orders at most",
        if terminal { "\r" } else { "" },
        path.display(),
        day.made(),
        day.peak_orders(),
    );
    Ok(())
}
