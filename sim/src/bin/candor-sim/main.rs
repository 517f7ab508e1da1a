//! `candor-sim`: the deterministic simulator. One seed, one run; the same seed, the same run.

mod allocator;
mod canaries;
mod options;
mod out;
mod wall;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use candor_sim::simulator::shrink::{shrink, with_faults};
use candor_sim::simulator::{Outcome, Plan, report, run, scenario, swarm};
use clap::Parser;
use options::Options;
use out::say;

/// Runs that making a failing plan smaller may take.
const SHRINKING: u32 = 400;

static SEED: AtomicU64 = AtomicU64::new(0);

/// While runs are tried of which many may panic.
static QUIET: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        scenario::names(options.venue.unwrap_or_default()).for_each(say);
        return ExitCode::SUCCESS;
    }
    on_panic(options.clone());
    if let Err(wrong) = canaries::choose(options.canary.as_deref()) {
        eprintln!("{wrong}");
        return ExitCode::from(64);
    }
    if options.canaries {
        QUIET.store(true, Ordering::Relaxed);
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

/// Where a panic happened is told at once, of the first run that does. A run tells the rest itself, unless
/// panics abort: then this is all there is.
fn on_panic(options: Options) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if cfg!(panic = "abort") {
            let replay = options.replay(SEED.load(Ordering::Relaxed), None);
            eprintln!("FAILED: an invariant broke\nreplay: {replay}");
        }
        if !QUIET.load(Ordering::Relaxed) {
            before(panic);
        }
    }));
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
    plan.lossless = options.lossless;
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
    let (mut ran, mut failed) = (0u64, 0);
    for seed in options.seed..=options.seed.saturating_add(options.seeds - 1) {
        SEED.store(seed, Ordering::Relaxed);
        let plan = plan_of(options, seed)?;
        let outcome = run(&plan);
        ran += 1;
        if options.seeds == 1 {
            say(&format!("{}: {outcome}", plan.name));
        }
        total.messages += outcome.messages;
        total.time = total.time + outcome.time;
        total.reads += outcome.reads;
        total.healed += outcome.healed;
        total.equal.0 += outcome.equal.0;
        total.equal.1 += outcome.equal.1;
        if options.twice && run(&plan).digest != outcome.digest {
            let replay = options.replay(seed, None);
            say(&format!("FAILED: I6: two runs of one seed differ\nreplay: {replay}"));
            failed += 1;
        }
        if let Some(failure) = &outcome.failure {
            failed += 1;
            say(&report::explain(&plan, failure, &options.replay(seed, None)));
            if options.shrink {
                QUIET.store(true, Ordering::Relaxed);
                let shrunk = shrink(&plan, failure, SHRINKING);
                QUIET.store(false, Ordering::Relaxed);
                let (kept, events) = (shrunk.kept.clone(), shrunk.plan.events);
                let replay = options.replay(seed, Some((kept, events)));
                say(&format!("smaller, after {} runs:", shrunk.runs));
                say(&report::explain(&shrunk.plan, &shrunk.failure, &replay));
            }
            if failed >= options.most_failures {
                break;
            }
        }
    }
    let wall = started.seconds();
    let equal = match options.lossless {
        true => {
            let (equal, live) = total.equal;
            format!(", {equal} of {live} live books equal to a lossless handler's")
        }
        false => String::new(),
    };
    say(&format!(
        "{ran} seeds{}, {failed} failed: {} messages, {} reads, {} partitions healed{equal}, {:.1} virtual s in \
         {wall:.2} s: {:.2} million messages a second",
        if ran < options.seeds { format!(" of {}", options.seeds) } else { String::new() },
        total.messages,
        total.reads,
        total.healed,
        total.time.0 as f64 / 1e9,
        total.messages as f64 / wall / 1e6
    ));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
