//! Output: columns and JSON.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::Value;

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

/// Prints to standard output. A reader that went away is no error of ours.
pub fn out(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Prints JSON to standard output, indented.
pub fn json(value: &Value) {
    out(&format!("{value:#}\n"));
}

/// Prints to standard error, with the program's name in front.
pub fn error(text: &str) {
    let _ = writeln!(std::io::stderr(), "candor: {text}");
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
