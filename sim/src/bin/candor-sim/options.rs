//! The command line.

use candor_sim::market::Family;
use candor_sim::simulator::swarm;
use clap::Parser;

/// Simulates a venue, a network and the handler under one seed, and checks what readers see.
#[derive(Clone, Debug, Parser)]
#[command(name = "candor-sim", version)]
pub(crate) struct Options {
    /// The seed; the first of several.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many seeds, one after the other; fewer where there are no higher ones.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: u64,
    /// A scenario instead of what the seed decides.
    #[arg(long)]
    pub(crate) scenario: Option<String>,
    /// What the venue speaks: itch or deep. Where it is not said, the seed decides; scenarios are
    /// played in itch.
    #[arg(long, value_parser = venue)]
    pub(crate) venue: Option<Family>,
    /// Ends the first act after so many messages.
    #[arg(long)]
    pub(crate) events: Option<u64>,
    /// For how many messages faults are laid out.
    #[arg(long)]
    pub(crate) scale: Option<u64>,
    /// Only these faults of the schedule, by number.
    #[arg(long, value_delimiter = ',', num_args = 0..)]
    pub(crate) keep: Option<Vec<usize>>,
    /// Makes a failing schedule smaller.
    #[arg(long)]
    pub(crate) shrink: bool,
    /// Runs each seed twice and compares what came out.
    #[arg(long)]
    pub(crate) twice: bool,
    /// Lets a handler that loses nothing run beside, and compares the books at the end with its, bit for bit.
    #[arg(long)]
    pub(crate) lossless: bool,
    /// Stops after so many failures.
    #[arg(long, default_value_t = 1)]
    pub(crate) most_failures: u64,
    /// Names the scenarios.
    #[arg(long)]
    pub(crate) list: bool,
    /// Tries every canary until it is caught, with so many seeds at most, in a build for that.
    #[arg(long)]
    pub(crate) canaries: bool,
    /// Makes the handler wrong in a known way, in a build for that.
    #[arg(long)]
    pub(crate) canary: Option<String>,
}

/// What runs a build like this one, in any clone.
const RUN: &str = match cfg!(canary) {
    true => {
        "RUSTFLAGS='--cfg canary' cargo run --profile sim -p candor-sim --bin candor-sim --target-dir target/canary --"
    }
    false => "cargo run --profile sim -p candor-sim --bin candor-sim --",
};

impl Options {
    /// The command that runs this seed again.
    pub(crate) fn replay(&self, seed: u64, smaller: Option<(Vec<usize>, u64)>) -> String {
        // What was made smaller fails by itself.
        let twice = if self.twice && smaller.is_none() { " --twice" } else { "" };
        let lossless = if self.lossless { " --lossless" } else { "" };
        let mut command = format!("{RUN} --seed {seed}{twice}{lossless}");
        let mut add = |name: &str, value: String| command.push_str(&format!(" --{name} {value}"));
        if let Some(name) = &self.scenario {
            add("scenario", name.clone());
        }
        if let Some(venue) = self.venue {
            add("venue", swarm::venue_name(venue).to_owned());
        }
        if let Some(scale) = self.scale {
            add("scale", scale.to_string());
        }
        if let Some(name) = &self.canary {
            add("canary", name.clone());
        }
        let (kept, events) = match smaller {
            Some((kept, events)) => (Some(kept), Some(events)),
            None => (self.keep.clone(), self.events),
        };
        if let Some(events) = events.filter(|events| *events != u64::MAX) {
            add("events", events.to_string());
        }
        if let Some(kept) = kept {
            let numbers: Vec<String> = kept.iter().map(usize::to_string).collect();
            add("keep", numbers.join(","));
        }
        command
    }
}

fn venue(name: &str) -> Result<Family, String> {
    let known = [Family::Itch50, Family::Deep];
    let found = known.into_iter().find(|venue| swarm::venue_name(*venue) == name);
    found.ok_or_else(|| "the venues are itch and deep".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_runs_the_seed_in_the_same_way() {
        let given = ["candor-sim", "--scenario", "kill-9", "--venue", "deep", "--twice"];
        let options = Options::parse_from(given.into_iter().chain(["--seed", "3", "--seeds", "9"]));
        let replay = options.replay(7, None);
        let arguments = replay.strip_prefix(RUN).unwrap();
        assert_eq!(arguments, " --seed 7 --twice --scenario kill-9 --venue deep");
        let again = Options::parse_from(arguments.split(' '));
        assert_eq!((again.seed, again.seeds, again.twice), (7, 1, true));
        let smaller = options.replay(7, Some((vec![0, 2], 512)));
        assert_eq!(
            smaller,
            format!("{RUN} --seed 7 --scenario kill-9 --venue deep --events 512 --keep 0,2")
        );
    }
}
