//! The ladder of modes on a driver that has no zero-copy: refused or descended as configured, and
//! said either way.

use crate::world::{Plan, World, candor, finished, lane};

#[test]
fn zero_copy_is_refused_by_name_or_gives_way_as_allowed_and_says_so() {
    let plan = Plan { edit: |text| text.replace("\"copy\"", "\"zero-copy\""), ..Plan::default() };
    let Some(mut world) = World::new("modes over veth", plan) else { return };
    let config = world.path("handler.toml");
    let (said, code) = finished(candor(&world, &["run", "-c", config.to_str().unwrap()]));
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("native zero-copy on md0"), "{said}");
    assert!(said.contains("allow_fallback = true"), "{said}");
    assert!(!world.path("region").exists(), "nothing is left behind");

    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("allow_fallback = false", "allow_fallback = true");
    std::fs::write(&config, text).unwrap();
    let region = world.start_handler();
    assert_eq!(lane(&region).mode.as_str(), "native copy");
    let log = world.handler.as_ref().unwrap().log();
    assert!(log.contains("native zero-copy on md0"), "what was refused is logged: {log}");
    world.start_exchange();
    world.until_live();
}
