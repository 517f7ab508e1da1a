//! `candor drill`: every stale path happens, for real, on this host, with this very program, this configuration
//! and this map scaled down, in a network of the drill's own, against `candor-exchange`.
//!
//! A reader looks at every symbol all the while, as a trading program does. Live where it must not be fails the
//! drill. The result is written with the digests of program, configuration and maps, and signed: `candor preopen`
//! is no-go without one that is good for what runs.
//!
//! | file | what |
//! | --- | --- |
//! | `shape.rs` | the world: configuration and maps, scaled down |
//! | `world.rs` | namespaces, the wire, processes, the folder: nothing of it outlives the drill |
//! | `watch.rs` | the reader |
//! | `steps.rs` | the steps, and which reasons each makes happen |
//! | `stage.rs` | what a step is played with: telling, waiting, judging, healing |
//! | `play.rs` | the plays |
//! | `result.rs` | the result, signed |

mod play;
pub mod result;
mod shape;
mod stage;
pub mod steps;
mod watch;
mod world;

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use candor_core::Nanos;
use candor_maps::calendar::Wall;
use candor_shm::clock as boot;

use self::result::{MapOf, Outcome, Record};
use self::shape::{Shape, Version};
use self::stage::Stage;
use self::watch::{Place, Watch};
use self::world::{Folder, Network};
use crate::attest;
use crate::clock;
use crate::config::{self, Config};
use crate::daily;
use crate::exit::{Exit, Failure};
use crate::sign::hex;
use crate::store::Store;

/// What a drill has at least to be done in: on the other side of midnight every map is another day's.
const ROOM: Nanos = Nanos::from_secs(150);

/// What is asked of a drill.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The configuration's file.
    pub config: PathBuf,
    /// The exchange's program.
    pub exchange: PathBuf,
}

/// Runs a drill. `begins` is called when everything is there for it, and `progress` is told each step as it ends.
///
/// # Errors
/// Exit 77 where a privilege is missing, 78 for the configuration or its maps, 71 where the host or the exchange
/// failed, 2 where the handler ended by itself.
pub fn run(
    asked: &Asked,
    begins: impl FnOnce() -> Result<(), Failure>,
    progress: &mut dyn FnMut(&Outcome),
) -> Result<Record, Failure> {
    let begun = boot::now();
    let path = &asked.config;
    // Once: what is signed for is what is drilled.
    let text = candor_settings::read_text(path).map_err(|why| refused(path, &why))?;
    let given = config::parse_text(path, &text)?;
    let wall = clock::wall();
    let resolved = daily::resolve(&given, Wall(wall))?;
    enough_of_today(&resolved.config, wall)?;
    let unread = |error| Failure::host(format!("/proc/self/exe: {error}; mount /proc"));
    let exe = File::open("/proc/self/exe").map_err(unread)?;
    let mut record = Record {
        host: host_name(),
        handler: given.handler.name.to_string(),
        binary: hex(&attest::binary(&exe_path(&exe)).map_err(unread)?),
        configuration: given.digest_text(),
        ..Record::new()
    };
    let map = |start: &daily::Start| MapOf {
        venue: start.venue.to_string(),
        date: start.date.to_string(),
        digest: start.pointer.digest.clone(),
    };
    record.map = resolved.starts.iter().map(map).collect();
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| Failure::host(format!("can't watch signal {signal}: {error}")))?;
    }
    let mut stage = stage(asked, &resolved.config, &text, &exe, &stop, progress)?;
    begins()?;
    let played = stage.play();
    let why = match played {
        Ok(()) => "an earlier step did not heal".to_owned(),
        // The handler has ended: that is a result.
        Err(failure) if failure.exit == Exit::NoGo => {
            stage.fault(failure.message);
            "the handler had ended".to_owned()
        }
        Err(failure) => return Err(failure),
    };
    stage.rest(&why);
    record.reads = stage.watch.reads();
    record.scaled.clone_from(&stage.shape.notes);
    record.missing.clone_from(&stage.shape.missing);
    record.step = std::mem::take(&mut stage.outcomes);
    drop(stage);
    record.took_ms = boot::now().since(begun).0 / 1_000_000;
    record.at_ns = clock::wall();
    record.at = clock::display(record.at_ns);
    Ok(record)
}

/// The world, before anything runs in it.
fn stage<'a>(
    asked: &Asked,
    config: &Config,
    text: &str,
    exe: &'a File,
    stop: &'a AtomicBool,
    progress: &'a mut dyn FnMut(&Outcome),
) -> Result<Stage<'a>, Failure> {
    let wall = clock::wall();
    let mut shape = Shape::of(config, |feed| clock::date(wall, feed.zone()))?;
    keep_off(config, &mut shape.notes);
    let network = Network::new()?;
    let folder = Folder::new()?;
    let text = shape::configuration(config, text, &mut shape, folder.path())?;
    let file = folder.write("handler.toml", &text)?;
    // What is wrong with it is the drill's own mistake, and nobody else's to look for.
    config::load(&file)
        .map_err(|error| Failure::host(format!("the drill's configuration: {error}")))?;
    let store = Store::open(&folder.path().join("store"))?;
    for venue in &shape.venues {
        // A day and a half ago was another date, whatever the clocks did.
        let before = clock::date(wall.saturating_sub(36 * 3_600_000_000_000), venue.feed.zone());
        let before =
            before.ok_or_else(|| Failure::host("the host's clock is beyond the calendar"))?;
        stage::put(&store, venue, before, Version::Before)?;
    }
    let mut symbols = Vec::new();
    for (venue, one) in shape.venues.iter().enumerate() {
        for (partition, own) in one.partitions.iter().enumerate() {
            let place = Place { venue, partition };
            symbols.extend(own.symbols.iter().map(|symbol| (one.venue, *symbol, place)));
        }
    }
    let involved = vec![false; symbols.len()];
    let watch = Watch::start(&folder.path().join("region"), symbols)
        .map_err(|error| Failure::host(format!("no thread for the reader: {error}")))?;
    let grace = config.partitions.iter().map(|one| one.reorder_grace).max().unwrap_or(Nanos::ZERO);
    Ok(Stage {
        shape,
        lease: config.handler.process_lease,
        grace,
        exe,
        exchange: asked.exchange.clone(),
        handler: None,
        exchanges: Vec::new(),
        watch,
        network,
        store,
        sessions: 1,
        outcomes: Vec::new(),
        involved,
        broken: false,
        stop,
        progress,
        folder,
    })
}

fn refused(path: &Path, why: &str) -> Failure {
    Failure::config(format!("{}: {why}", path.display()))
}

/// Refuses to begin shortly before a venue's midnight.
fn enough_of_today(config: &Config, wall: u64) -> Result<(), Failure> {
    for partition in &config.partitions {
        let zone = partition.feed.zone();
        let left = clock::until_midnight(wall, zone).unwrap_or(Nanos::ZERO);
        if left < ROOM {
            return Err(Failure::host(format!(
                "it is midnight in {zone} in {left}, and a drill needs {ROOM} of one day; start it after that"
            )));
        }
    }
    Ok(())
}

/// Keeps this process and all that it starts off the cores that lanes are pinned to, as far as any are left.
fn keep_off(config: &Config, notes: &mut Vec<String>) {
    let pinned: Vec<usize> =
        config.lanes.iter().filter_map(|lane| lane.core.map(usize::from)).collect();
    if pinned.is_empty() {
        return;
    }
    let Ok(mut set) = rustix::thread::sched_getaffinity(None) else { return };
    for core in pinned {
        set.unset(core);
    }
    if set.count() == 0 || rustix::thread::sched_setaffinity(None, &set).is_err() {
        notes.push("on the lanes' own cores: there are no others".to_owned());
    } else {
        notes.push("off the lanes' own cores".to_owned());
    }
}

/// The program held open, by a name that means nothing else.
fn exe_path(exe: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", exe.as_raw_fd()))
}

/// This host's name.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
