//! Reads what `cargo bench -p candor-bench` left behind and prints each figure beside its floor, for
//! one message (or one operation), as a table in Markdown.
//!
//! A floor is the benchmark of a group whose name begins with `floor`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use serde_json::Value;

#[derive(Parser)]
#[command(name = "candor-ratios", about = "Prints benchmark figures beside their floors")]
struct Arguments {
    /// Where criterion keeps its results.
    #[arg(default_value = "target/criterion")]
    results: PathBuf,
}

/// One figure: nanoseconds an element, the middle and the bounds of its 95% interval.
struct Figure {
    name: String,
    nanos: f64,
    low: f64,
    high: f64,
}

fn main() -> ExitCode {
    let results = Arguments::parse().results;
    let mut groups: BTreeMap<String, Vec<Figure>> = BTreeMap::new();
    for group in folders(&results) {
        for benchmark in folders(&group) {
            if let Some((group, figure)) = read(&benchmark.join("new")) {
                groups.entry(group).or_default().push(figure);
            }
        }
    }
    if groups.is_empty() {
        eprintln!("no results in {}: run `cargo bench -p candor-bench` first", results.display());
        return ExitCode::FAILURE;
    }
    println!("| group | what | ns | 95% | ratio |\n| --- | --- | --- | --- | --- |");
    for (group, figures) in groups {
        let floor = figures.iter().find(|figure| figure.name.starts_with("floor"));
        let floor = floor.map_or(f64::NAN, |floor| floor.nanos);
        for Figure { name, nanos, low, high } in &figures {
            let ratio = nanos / floor;
            println!("| {group} | {name} | {nanos:.1} | {low:.1}-{high:.1} | {ratio:.2} |");
        }
    }
    ExitCode::SUCCESS
}

/// The folders in a folder, by name; floors first.
fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort_by_key(|path| {
        let name = path.file_name().unwrap_or_default().to_owned();
        (!name.to_string_lossy().starts_with("floor"), name)
    });
    folders
}

fn read(folder: &Path) -> Option<(String, Figure)> {
    let json = |name| -> Option<Value> {
        serde_json::from_str(&fs::read_to_string(folder.join(name)).ok()?).ok()
    };
    let (about, estimates) = (json("benchmark.json")?, json("estimates.json")?);
    let elements = about["throughput"]["Elements"].as_f64().unwrap_or(1.0);
    // Criterion has a slope only where it varied the number of iterations.
    let slope = &estimates["slope"];
    let estimate = if slope.is_null() { &estimates["mean"] } else { slope };
    let interval = &estimate["confidence_interval"];
    let figure = Figure {
        name: about["function_id"].as_str()?.to_owned(),
        nanos: estimate["point_estimate"].as_f64()? / elements,
        low: interval["lower_bound"].as_f64()? / elements,
        high: interval["upper_bound"].as_f64()? / elements,
    };
    Some((about["group_id"].as_str()?.to_owned(), figure))
}
