//! The file of counts: read, written, compared.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::Path;

/// How far a count may be from the one that is kept, both ways. Below it is what a compiler moves by chance.
const WITHIN: f64 = 0.02;

/// What restates the file.
pub(crate) const RESTATE: &str = "Where that is meant, also where it is a gain, restate it: \
    CANDOR_BLESS=1 cargo run --release -p candor-bench --bin candor-counts";

const HEAD: &str = "\
# Instructions that one operation takes, counted by callgrind; ./test holds them within 2%, both ways.
# Of this compiler and machine alone: elsewhere the step says that it was skipped. Written by
# CANDOR_BLESS=1 cargo run --release -p candor-bench --bin candor-counts
";

/// Counts, and what they are of.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Counts {
    pub(crate) rustc: String,
    pub(crate) machine: String,
    /// Instructions an operation, by the row's name.
    pub(crate) rows: BTreeMap<String, f64>,
}

/// Where two counts differ.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Difference {
    name: String,
    kept: Option<f64>,
    found: Option<f64>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { name, kept, found } = self;
        match (kept, found) {
            (Some(kept), Some(found)) => {
                let percent = (found / kept - 1.0) * 100.0;
                write!(f, "{name}: {found:.1} instructions instead of {kept:.1} ({percent:+.1}%)")
            }
            (Some(_), None) => write!(f, "{name}: no longer counted"),
            _ => write!(f, "{name}: counted, and not in the file"),
        }
    }
}

impl Counts {
    pub(crate) fn read(path: &Path) -> Result<Counts, String> {
        let named = |problem: &str| format!("{}: {problem}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| named(&error.to_string()))?;
        Counts::of(&text).map_err(|problem| named(&problem))
    }

    pub(crate) fn of(text: &str) -> Result<Counts, String> {
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let said = |key: &str| {
            let value = table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
            value.ok_or_else(|| format!("says no {key}"))
        };
        let rows = table.get("instructions").and_then(toml::Value::as_table);
        let row = |(name, count): (&String, &toml::Value)| {
            let count = count.as_float().filter(|count| *count > 0.0);
            Ok((name.clone(), count.ok_or_else(|| format!("{name} is no count"))?))
        };
        let rows = rows.ok_or("has no counts")?.iter().map(row).collect::<Result<_, String>>()?;
        Ok(Counts { rustc: said("rustc")?, machine: said("machine")?, rows })
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("{HEAD}rustc = {:?}\nmachine = {:?}\n", self.rustc, self.machine);
        let _ = writeln!(text, "\n[instructions]");
        for (name, count) in &self.rows {
            let _ = writeln!(text, "{name:?} = {count:.1}");
        }
        text
    }

    /// Why nothing can be held against these here; `None` where it can.
    pub(crate) fn other_compiler(&self, rustc: &str, machine: &str) -> Option<String> {
        let same = (self.rustc.as_str(), self.machine.as_str()) == (rustc, machine);
        (!same).then(|| {
            let Counts { rustc: kept, machine: on, .. } = self;
            format!("they are of {kept} on {on}, and this is {rustc} on {machine}")
        })
    }

    /// Every row in which what was found is not what is kept.
    pub(crate) fn differences(&self, found: &Counts) -> Vec<Difference> {
        let names =
            self.rows.keys().chain(found.rows.keys().filter(|name| !self.rows.contains_key(*name)));
        let compared = names.map(|name| Difference {
            name: name.clone(),
            kept: self.rows.get(name).copied(),
            found: found.rows.get(name).copied(),
        });
        compared.filter(Difference::is_one).collect()
    }
}

impl Difference {
    fn is_one(&self) -> bool {
        match (self.kept, self.found) {
            (Some(kept), Some(found)) => (found / kept - 1.0).abs() > WITHIN,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(rows: &[(&str, f64)]) -> Counts {
        let rows = rows.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Counts { rustc: "rustc 1.2.3".into(), machine: "x86_64".into(), rows }
    }

    #[test]
    fn what_is_written_is_read() {
        let written = counts(&[("book: add, new level", 412.3), ("event", 61.0)]);
        assert_eq!(Counts::of(&written.text()).unwrap(), written);
        for broken in ["", "rustc = \"1\"\n[instructions]\n", "no toml"] {
            assert!(Counts::of(broken).is_err(), "{broken}");
        }
        let zero = written.text().replace("61.0", "0.0");
        assert!(Counts::of(&zero).unwrap_err().contains("no count"));
    }

    #[test]
    fn more_than_two_percent_either_way_is_said_and_so_are_rows_that_come_and_go() {
        let kept = counts(&[("a", 100.0), ("b", 100.0), ("c", 100.0), ("gone", 5.0)]);
        let found = counts(&[("a", 101.9), ("b", 102.1), ("c", 97.9), ("new", 5.0)]);
        let said: Vec<String> =
            kept.differences(&found).iter().map(Difference::to_string).collect();
        assert_eq!(
            said,
            [
                "b: 102.1 instructions instead of 100.0 (+2.1%)",
                "c: 97.9 instructions instead of 100.0 (-2.1%)",
                "gone: no longer counted",
                "new: counted, and not in the file",
            ]
        );
        assert!(kept.differences(&kept).is_empty());
    }

    #[test]
    fn counts_of_another_compiler_are_held_against_nothing() {
        let kept = counts(&[]);
        assert_eq!(kept.other_compiler("rustc 1.2.3", "x86_64"), None);
        let said = kept.other_compiler("rustc 1.2.4", "x86_64").unwrap();
        assert_eq!(said, "they are of rustc 1.2.3 on x86_64, and this is rustc 1.2.4 on x86_64");
        assert!(kept.other_compiler("rustc 1.2.3", "aarch64").is_some());
    }
}
