//! One symbol's best prices, or why there are none: `get REGION VENUE SYMBOL`.

use std::error::Error;

use candor_core::{Side, Symbol, Venue};
use candor_shm::{Read, Region};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, venue, symbol] = &arguments[..] else {
        return Err("get REGION VENUE SYMBOL".into());
    };
    let venue = Venue::from_wire(venue.as_bytes()).ok_or("not a venue")?;
    let symbol = Symbol::from_wire(symbol.as_bytes()).ok_or("not a symbol")?;
    let region = Region::open(path).map_err(|error| error.to_string())?;
    let Some(handle) = region.find(&venue, &symbol) else {
        println!("{symbol} Stale(Unmapped)");
        return Ok(());
    };
    match region.read(handle) {
        Read::Live(view) => {
            for side in [Side::Bid, Side::Ask] {
                if let Some(best) = view.book.best(side) {
                    let price = best.price.with(view.book.decimals);
                    println!("{symbol} {} {price} x {}", side.label(), best.size);
                }
            }
        }
        Read::Stale { reason, .. } => println!("{symbol} Stale({reason}): {}", reason.text()),
    }
    Ok(())
}
