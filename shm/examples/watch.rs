//! All symbols of a venue that begin with a prefix, whenever they change, be it by time alone:
//! `watch REGION VENUE PREFIX`.

use std::io::Write;

use candor_core::{Side, Venue};
use candor_shm::{Read, Region};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, venue, prefix] = &arguments[..] else { return Err("REGION VENUE PREFIX".into()) };
    watch(path, venue, prefix, &mut std::io::stdout())
}

/// Shows them until the region is no longer the one at its path. The time between two looks adds to
/// the lease: no longer than both together is anything shown as live that isn't.
pub fn watch(
    path: &str,
    venue: &str,
    prefix: &str,
    out: &mut impl Write,
) -> Result<(), Box<dyn std::error::Error>> {
    let venue = Venue::from_wire(venue.as_bytes()).ok_or("not a venue")?;
    let region = Region::open(path)?;
    let mut watched = region.subscribe_prefix(venue, prefix);
    loop {
        // Asked before the look: what a handler says in leaving is still shown.
        let current = region.is_current();
        for handle in watched.changed(&region) {
            let symbol = region.symbol(handle);
            match region.read(handle) {
                Read::Live(v) => writeln!(out, "{symbol} {:?}", v.book.best(Side::Bid))?,
                Read::Stale { reason, .. } => writeln!(out, "{symbol} Stale({reason})")?,
            }
        }
        if !current {
            return Err("another region, or none, is at the path: open it again".into());
        }
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
}
