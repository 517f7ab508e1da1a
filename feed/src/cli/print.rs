//! Output: columns and JSON.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};

use serde_json::Value;

use crate::exit::Failure;

/// Rows of cells, aligned by the widest of each column. Ends with a line break.
#[must_use]
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// Prints to standard output. `false` when its reader went away: that one has seen enough, and it is
/// no error of ours.
///
/// # Errors
/// Exit 71 where the text can't be written for any other cause, such as a full disk: an answer that
/// did not arrive whole is none.
pub fn out(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    arrived(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// What became of writing to standard output, as [`out`] says it.
///
/// # Errors
/// As [`out`].
pub fn arrived(written: io::Result<()>) -> Result<bool, Failure> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::host(format!("can't write to standard output: {error}"))),
    }
}

/// Prints JSON to standard output, indented.
///
/// # Errors
/// As [`out`].
pub fn json(value: &Value) -> Result<bool, Failure> {
    out(&format!("{value:#}\n"))
}

/// Prints to standard error, with the program's name in front.
pub fn error(text: &str) {
    let _ = writeln!(io::stderr(), "candor: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["A", "B"], ["long µ", "x"], ["", "y"]].map(|row| row.map(String::from));
        assert_eq!(columns(&rows), "A       B\nlong µ  x\n        y\n");
    }
}
