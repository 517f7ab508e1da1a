//! One symbol's best prices, or why they may not be used: `get REGION VENUE SYMBOL`.

use candor_core::{Side, Symbol, Venue};
use candor_shm::{Read, Region};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, venue, symbol] = &arguments[..] else { return Err("REGION VENUE SYMBOL".into()) };
    let venue = Venue::from_wire(venue.as_bytes()).ok_or("not a venue")?;
    let symbol = Symbol::from_wire(symbol.as_bytes()).ok_or("not a symbol")?;
    let region = Region::open(path)?;
    let handle = region.find(&venue, &symbol).ok_or("Stale(Unmapped): in no partition")?;
    // One read gives the book and whether it may be used; there is no way to have one without the other.
    match region.read(handle) {
        Read::Live(view) => {
            for side in [Side::Bid, Side::Ask] {
                let Some(best) = view.book.best(side) else { continue };
                println!("{side:?} {} x {}", best.price.with(view.book.decimals), best.size);
            }
        }
        Read::Stale { reason, .. } => println!("Stale({reason}): {}", reason.text()),
    }
    Ok(())
}
