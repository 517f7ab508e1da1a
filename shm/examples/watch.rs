//! All symbols of a venue that begin with a prefix, whenever they change: `watch REGION VENUE [PREFIX]`.

use std::error::Error;
use std::time::Duration;

use candor_core::{Side, Venue};
use candor_shm::{Read, Region};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("watch REGION VENUE [PREFIX]")?;
    let venue = arguments.next().and_then(|venue| Venue::from_wire(venue.as_bytes()));
    let region = Region::open(path).map_err(|error| error.to_string())?;
    let prefix = arguments.next().unwrap_or_default();
    let mut watched = region.subscribe_prefix(venue.ok_or("not a venue")?, &prefix);
    while region.is_current() {
        for handle in watched.changed(&region) {
            let symbol = region.symbol(handle);
            match region.read(handle) {
                Read::Live(view) => println!("{symbol} {:?}", view.book.best(Side::Bid)),
                Read::Stale { reason, .. } => println!("{symbol} Stale({reason})"),
            }
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    Ok(())
}
