//! `candor-sim`: the deterministic simulator. One seed, one run; the same seed, the same run.

mod allocator;
mod canaries;
mod options;
mod wall;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use candor_sim::simulator::shrink::{shrink, with_faults};
use candor_sim::simulator::{Outcome, Plan, report, run, scenario, swarm};
use clap::Parser;
use options::Options;

/// Runs that making a failing plan smaller may take.
const SHRINKING: u32 = 400;

static SEED: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        scenario::names(options.venue.unwrap_or_default()).for_each(|name| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let before = std::panic::take_hook();
    let replay = options.clone();
    std::panic::set_hook(Box::new(move |panic| {
        let seed = SEED.load(Ordering::Relaxed);
        eprintln!(
            "FAILED: the handler's own invariant broke\nreplay: {}",
            replay.replay(seed, None)
        );
        before(panic);
    }));
    if let Err(wrong) = canaries::choose(options.canary.as_deref()) {
        eprintln!("{wrong}");
        return ExitCode::from(64);
    }
    if options.canaries {
        return canaries::table(options.seed, options.seeds.max(2));
    }
    match go(&options) {
        Ok(code) => code,
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::from(64)
        }
    }
}

fn plan_of(options: &Options, seed: u64) -> Result<Plan, String> {
    let mut plan = match &options.scenario {
        Some(name) => scenario::find(name, seed, options.venue.unwrap_or_default())
            .ok_or_else(|| format!("there is no scenario \"{name}\"; --list names them"))?,
        None => {
            let venue = options.venue.unwrap_or_else(|| swarm::venue(seed));
            swarm::plan_at(venue, seed, options.scale.unwrap_or(swarm::EVENTS))
        }
    };
    if let Some(events) = options.events {
        plan.events = events;
    }
    if let Some(kept) = &options.keep {
        plan = with_faults(&plan, kept);
    }
    Ok(plan)
}

fn go(options: &Options) -> Result<ExitCode, String> {
    let mut total = Outcome::default();
    let started = wall::wall();
    let mut failed = 0;
    for seed in options.seed..options.seed.saturating_add(options.seeds) {
        SEED.store(seed, Ordering::Relaxed);
        let plan = plan_of(options, seed)?;
        let outcome = run(&plan);
        if options.seeds == 1 {
            println!("{}: {outcome}", plan.name);
        }
        total.messages += outcome.messages;
        total.time = total.time + outcome.time;
        total.reads += outcome.reads;
        total.healed += outcome.healed;
        if options.twice && run(&plan).digest != outcome.digest {
            println!(
                "FAILED: I6: two runs of one seed differ\nreplay: {}",
                options.replay(seed, None)
            );
            failed += 1;
        }
        if let Some(failure) = &outcome.failure {
            failed += 1;
            println!("{}", report::explain(&plan, failure, &options.replay(seed, None)));
            if options.shrink {
                let shrunk = shrink(&plan, failure, SHRINKING);
                let (kept, events) = (shrunk.kept.clone(), shrunk.plan.events);
                let replay = options.replay(seed, Some((kept, events)));
                println!("smaller, after {} runs:", shrunk.runs);
                println!("{}", report::explain(&shrunk.plan, &shrunk.failure, &replay));
            }
            if failed >= options.most_failures {
                break;
            }
        }
    }
    let wall = started.seconds();
    println!(
        "{} seeds, {failed} failed: {} messages, {} reads, {} partitions healed, {:.1} virtual s in \
         {wall:.2} s: {:.2} million messages a second",
        options.seeds,
        total.messages,
        total.reads,
        total.healed,
        total.time.0 as f64 / 1e9,
        total.messages as f64 / wall / 1e6
    );
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
