//! The whole handler, in a process of its own, as it runs for anybody: `candor::run`. It is told to
//! stop by the end of its standard input, so that it never outlives the benchmark.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use candor_shm::{Region, clock};
use rustix::process::{Signal, getpid, kill_process};

use crate::Problem;
use crate::source::{Kind, config};
use crate::traffic::pause;
use crate::veth::Veth;

/// How often the region is looked for, a hundredth of a second apart.
const TRIES: u32 = 1_000;

/// The handler's process: runs until standard input ends or a signal comes.
pub(crate) fn serve(kind: Kind, folder: &Path, core: u16) -> Result<(), Problem> {
    let config = config(kind, folder, core)?;
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin().by_ref(), &mut io::sink());
        let _ = kill_process(getpid(), Signal::TERM);
    });
    let result = candor::run::run(&config, None);
    let _ = fs::remove_dir_all(folder);
    result?;
    Ok(())
}

/// A running handler and its region. Dropping it stops the handler and waits for its end.
pub(crate) struct Handler {
    child: Child,
    folder: PathBuf,
    pub(crate) region: Region,
}

impl Handler {
    /// Starts one and waits until it says that it is running.
    pub(crate) fn start(veth: &Veth, kind: Kind, core: u16) -> Result<Handler, Problem> {
        let folder = PathBuf::from(format!("/dev/shm/candor-wire-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(Problem::of("/dev/shm"))?;
        let program = std::env::current_exe().map_err(Problem::of("this program's own name"))?;
        let child = veth.in_receiving(|| {
            Command::new(program)
                .arg("handler")
                .arg(kind.word())
                .arg(&folder)
                .arg(core.to_string())
                .stdin(Stdio::piped())
                .spawn()
                .map_err(Problem::of("can't start the handler"))
        })?;
        let mut starting = Starting { child: Some(child), folder: folder.clone() };
        for _ in 0..TRIES {
            if let Ok(region) = Region::open(folder.join("region"))
                && region.handler_status_when(clock::now).is_live()
            {
                let Some(child) = starting.child.take() else { break };
                return Ok(Handler { child, folder, region });
            }
            let ended = starting.child.as_mut().map(Child::try_wait);
            if let Some(Ok(Some(status))) = ended {
                return Err(Problem::Other(format!("the handler ended: {status}")));
            }
            pause(10_000_000);
        }
        Err(Problem::Other("the handler did not start within ten seconds".into()))
    }
}

/// A child that may never get as far as to be a [`Handler`].
struct Starting {
    child: Option<Child>,
    folder: PathBuf,
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            end(child, &self.folder);
        }
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        end(&mut self.child, &self.folder);
    }
}

fn end(child: &mut Child, folder: &Path) {
    drop(child.stdin.take());
    let _ = child.wait();
    // It has done so itself unless it was killed.
    let _ = fs::remove_dir_all(folder);
}
