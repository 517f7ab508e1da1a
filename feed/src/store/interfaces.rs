//! The interfaces that a map's lines name, and whether this host has them.

use std::collections::BTreeMap;

use candor_maps::Map;
use candor_maps::file::Places;
use candor_settings::Problem;

/// What `judge` has to say of each interface that lines of a map name, with those lines, at the first of them.
#[must_use]
pub fn judged(map: &Map, places: &Places, judge: &dyn Fn(&str) -> Option<String>) -> Vec<Problem> {
    let mut named: BTreeMap<&str, (usize, Vec<String>)> = BTreeMap::new();
    for (index, partition) in map.partitions.iter().enumerate() {
        let lines = partition.lines().map(|(line, at)| (line, at, false));
        let snapshots = partition.services.snapshot_lines().map(|(line, at)| (line, at, true));
        for (line, at, snapshot) in lines.chain(snapshots) {
            let Some(name) = at.interface.as_deref() else { continue };
            let place = places.endpoint(index, line, snapshot);
            let what = if snapshot { "snapshot line" } else { "line" };
            let entry = named.entry(name).or_insert((place, Vec::new()));
            entry.1.push(format!("{what} {line} of partition {}", partition.name));
        }
    }
    let said = named.into_iter().filter_map(|(name, (line, lines))| {
        let message = format!("{}, which {} has", judge(name)?, lines.join(", "));
        Some(Problem { file: places.file.clone(), line, message })
    });
    said.collect()
}

/// The interfaces that lines of a map name and that are not `here`.
#[must_use]
pub fn missing(map: &Map, places: &Places, here: &[String]) -> Vec<Problem> {
    let judge = |name: &str| {
        let is_here = here.iter().any(|one| one == name);
        (!is_here).then(|| format!("there is no interface {name} on this host"))
    };
    let mut problems = judged(map, places, &judge);
    for problem in &mut problems {
        problem.message += ": take its name out of the map, or load it where it is";
    }
    problems
}
