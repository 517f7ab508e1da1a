//! A scene whose handlers must be attested.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use candor_core::{Nanos, Reason};
use candor_shm::{Region, clock};
use serde_json::Value;

use crate::scene::{Handler, QUICK, Scene, eventually, pause};

/// The program under test.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_candor"))
}

pub fn candor(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().unwrap()
}

pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Whatever a command said.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

/// A key, a manifest and a configuration that asks for them.
pub struct Signed {
    pub scene: Scene,
    pub config: PathBuf,
}

impl Signed {
    /// An exchange that runs, and the configuration of a handler `mdh1`; nothing is signed yet.
    pub fn new(name: &str) -> Signed {
        let mut scene = Scene::new(name, true);
        let config = scene.configure("mdh1", QUICK);
        let (manifest, key) = (scene.path("manifest.toml"), scene.path("key.pub"));
        let attest = format!("\n[attest]\nmanifest = {manifest:?}\nkey = {key:?}\n");
        let plain = fs::read_to_string(&config).unwrap();
        fs::write(&config, plain + &attest).unwrap();
        let made = candor(&["attest", "keygen", "--key", scene.path("key").to_str().unwrap()]);
        assert_eq!(made.status.code(), Some(0), "{}", text(&made));
        scene.open(&[]);
        Signed { scene, config }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scene.path(name)
    }

    pub fn manifest(&self) -> PathBuf {
        self.path("manifest.toml")
    }

    /// Signs a manifest for the configuration, with more options.
    pub fn sign(&self, more: &[&str]) {
        let (key, config) = (self.path("key"), self.config.display().to_string());
        let all =
            [&["attest", "sign", "--key", key.to_str().unwrap(), "-c", &config], more].concat();
        let signed = candor(&all);
        assert_eq!(signed.status.code(), Some(0), "{}", text(&signed));
    }

    /// A copy of the program with one byte more, which runs as well.
    pub fn other_program(&self) -> PathBuf {
        let path = self.path("candor");
        fs::copy(program(), &path).unwrap();
        let mut file = fs::File::options().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, &[0]).unwrap();
        path
    }

    /// Starts the handler that is this program, whatever its status is then.
    pub fn start(&self, program: &Path) -> Handler {
        let said = |region: &Region| {
            // The region says nothing of itself before its status.
            region.info().attested != candor_shm::Attested::Unsaid
        };
        self.scene.handler_of(program, "mdh1", said)
    }
}

/// Waits until a reader sees every one of the forty symbols stale for this reason.
pub fn until_all_are_not_attested(handler: &Handler) {
    eventually("every symbol is NotAttested", || {
        let reasons = reasons(handler);
        (reasons.len() == 40 && reasons.iter().all(|one| *one == Some(Reason::NotAttested)))
            .then_some(())
    });
    assert_eq!(handler.region.handler_status(clock::now()).reason(), Some(Reason::NotAttested));
    // Said behind the status.
    eventually("the region says that it is not attested", || {
        (handler.region.info().attested == candor_shm::Attested::No).then_some(())
    });
}

/// As a reader judges every symbol there is.
pub fn reasons(handler: &Handler) -> Vec<Option<Reason>> {
    let all = (0..2).flat_map(|partition| handler.symbols(partition));
    all.map(|(symbol, _)| handler.region.read(symbol).reason()).collect()
}

/// Looks at every symbol for a while: none is Live.
pub fn stays_stale(handler: &Handler) {
    for _ in 0..200 {
        assert!(reasons(handler).iter().all(Option::is_some), "{}", handler.log());
        pause(Nanos::from_millis(5));
    }
}
