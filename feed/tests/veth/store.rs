//! A store of maps that the handler may read and not write: what others put in force it takes all the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use candor_core::{Nanos, Symbol};
use candor_maps::file;

use crate::maps::{Maps, day_before, live, preopen, today};
use crate::recovery::quick;
use crate::world::{Plan, World, eventually, pause};

const PLAN: Plan =
    Plan { partitions: 2, symbols: 40, services: true, edit: quick, ..Plan::DEFAULT };

/// A folder as it is seen where it is mounted for reading alone; root ignores modes.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn mount(folder: &Path, at: PathBuf) -> Option<ReadOnly> {
        fs::create_dir_all(&at).unwrap();
        let mount = |arguments: &[&str]| {
            let run = Command::new("mount").args(arguments).arg(&at).status();
            run.is_ok_and(|status| status.success())
        };
        if !mount(&["--bind", folder.to_str().unwrap()]) {
            println!("skipped: nothing may be mounted here");
            return None;
        }
        let mounted = ReadOnly(at.clone());
        assert!(mount(&["-o", "remount,bind,ro"]), "for reading alone");
        assert!(fs::write(at.join("probe"), "").is_err());
        Some(mounted)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_store_that_can_only_be_read_is_followed_and_what_can_not_be_put_there_is_said() {
    let Some(mut world) = World::new("a store that is only read over veth", PLAN) else { return };
    let maps = Maps::of(&world);
    let all: Vec<Symbol> = world.plan.symbols().concat();
    maps.put(day_before(today()), true);
    let (store, seen) = (world.path("store"), world.path("seen"));
    let Some(_mounted) = ReadOnly::mount(&store, seen.clone()) else { return };
    let path = world.path("handler.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("at = \"00:00\"", "at = \"00:00\", retry_ms = 500");
    let text = text.replace(&store.display().to_string(), &seen.display().to_string());
    let incoming = world.path("incoming");
    fs::create_dir_all(&incoming).unwrap();
    let fetch = format!(
        "[[maps.venue]]\nname = \"XNAS\"\nformat = \"candor\"\n\
         fetch = {{ directory = \"{}\", files = [\"map-{{date}}.toml\"] }}\n",
        incoming.display()
    );
    fs::write(&path, format!("{text}{fetch}")).unwrap();
    let map = maps.map(today(), true);
    fs::write(incoming.join(format!("map-{}.toml", today())), file::write(&map.map).toml).unwrap();
    let region = world.start_handler();
    world.start_exchange();
    let said = |world: &World| world.handler.as_ref().unwrap().log();
    eventually("it is said that the map can't be put there", || {
        let said = said(&world);
        (said.contains("alert=\"no-map\"") && said.contains("Read-only file system")).then_some(())
    });
    pause(Nanos::from_secs(1));
    assert_eq!(live(&region, &all), 0);
    assert_eq!(said(&world).matches("alert=\"no-map\"").count(), 1, "once: {}", said(&world));
    assert_eq!(maps.store.in_force(crate::world::venue(), today()).unwrap(), None);
    let about = seen.display().to_string();
    let disk = |world: &World| {
        let (checks, _) = preopen(world);
        let found = checks.into_iter().find(|[name, of, ..]| name == "disk" && *of == about);
        found.map(|[.., verdict, evidence]| format!("{verdict}: {evidence}"))
    };
    assert_eq!(disk(&world).as_deref(), Some("no-go: is mounted read-only"), "it is fetched to");
    // Where others put maps there, and the handler fetches none, it has nothing to write.
    fs::write(&path, &text).unwrap();
    assert_eq!(disk(&world), None);

    // Somebody who may puts it there.
    maps.put_this(today(), &map);
    world.until_live();
    eventually("nothing is the matter any more", || {
        said(&world).contains("over=\"no-map\"").then_some(())
    });
    pause(Nanos::from_secs(1));
    assert!(!said(&world).contains("map-refused"), "{}", said(&world));
    // And another at noon.
    maps.put_this(today(), &maps.map_with_one_other(today()));
    eventually("it is taken", || said(&world).contains(" number=2 ").then_some(()));
    pause(Nanos::from_millis(500));
    assert_eq!(live(&region, &all), all.len(), "the venue goes on naming all of them");
}
