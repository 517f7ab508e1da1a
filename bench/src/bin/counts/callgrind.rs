//! This very program under callgrind, and what callgrind says of it.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Does the work, which is counted: callgrind counts from this function's first instruction to its last.
/// Its name is among callgrind's arguments.
#[inline(never)]
pub(crate) fn counted_by_callgrind(work: &mut dyn FnMut()) {
    work();
    // Something to do behind the work, so that this function's end is not the work's.
    black_box(());
}

/// Ends a row: callgrind writes what it counted since the last one. Says what the counts are of.
#[inline(never)]
pub(crate) fn row_is_counted(name: &str, operations: u64) {
    println!("{operations} {name}");
}

/// A folder for callgrind's files, gone with this.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Instructions an operation, by the row's name.
pub(crate) fn count() -> Result<BTreeMap<String, f64>, String> {
    let path = std::env::temp_dir().join(format!("candor-counts.{}", std::process::id()));
    fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let folder = Folder(path);
    let out = folder.0.join("callgrind");
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--dump-line=no"])
        .arg("--toggle-collect=*counted_by_callgrind*")
        .arg("--dump-before=*row_is_counted*")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(own)
        .arg("--work")
        .output();
    let output = output.map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    }
    let mut rows = BTreeMap::new();
    for (nth, line) in (1..).zip(said.lines()) {
        let row = line.split_once(' ').and_then(|(operations, name)| {
            let operations: u32 = operations.parse().ok()?;
            Some((name, operations))
        });
        let (name, operations) = row.ok_or_else(|| format!("no row: {line}"))?;
        let counted = total(&out.with_extension(nth.to_string()))?;
        let each = counted as f64 / f64::from(operations);
        // To the tenth, which is what is kept.
        if rows.insert(name.to_owned(), (each * 10.0).round() / 10.0).is_some() {
            return Err(format!("two rows are called {name}"));
        }
    }
    Ok(rows)
}

fn total(path: &Path) -> Result<u64, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let counted = total_of(&text).filter(|counted| *counted > 0);
    counted.ok_or_else(|| format!("{}: callgrind counted nothing", path.display()))
}

/// The instructions of one of callgrind's files.
fn total_of(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals:"));
    line.or_else(|| text.lines().find_map(|line| line.strip_prefix("summary:")))?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callgrind_counted_is_found_or_nothing() {
        assert_eq!(
            total_of("version: 1\nevents: Ir\n\nfn=(1) x\n0 12\n\ntotals: 1234\n"),
            Some(1234)
        );
        assert_eq!(total_of("part: 1\nevents: Ir\nsummary: 77\n\nfn=(1) x\n"), Some(77));
        assert_eq!(total_of("events: Ir\n"), None);
        assert_eq!(total_of("totals: many\n"), None);
    }
}
