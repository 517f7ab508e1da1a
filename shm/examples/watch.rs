//! All symbols of a venue that begin with a prefix, whenever they change: `watch REGION VENUE PREFIX`.

use candor_core::{Side, Venue};
use candor_shm::{Read, Region};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, venue, prefix] = &arguments[..] else { return Err("REGION VENUE PREFIX".into()) };
    let venue = Venue::from_wire(venue.as_bytes()).ok_or("not a venue")?;
    let region = Region::open(path)?;
    let mut watched = region.subscribe_prefix(venue, prefix);
    // False when the handler has gone for good or another has taken over: open the region again.
    while region.is_current() {
        for handle in watched.changed(&region) {
            match region.read(handle) {
                Read::Live(v) => println!("{} {:?}", region.symbol(handle), v.book.best(Side::Bid)),
                Read::Stale { reason, .. } => println!("{} {reason}", region.symbol(handle)),
            }
        }
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
    Ok(())
}
