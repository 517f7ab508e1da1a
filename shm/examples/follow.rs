//! Every event of one lane as it happens: `follow REGION [LANE]`.

use std::error::Error;

use candor_core::Mono;
use candor_shm::{Next, Region, clock};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("follow REGION [LANE]")?;
    let region = Region::open(path).map_err(|error| error.to_string())?;
    let lane = arguments.next().map_or(Ok(0), |lane| lane.parse())?;
    let mut events = region.events(lane).ok_or("no such lane")?;
    let mut looked = Mono::NEVER;
    loop {
        match events.next() {
            Next::Record(record) => println!("{} {:?}", record.seq, record.event),
            Next::Lapped { missed } => println!("Lapped: {missed} events missed; read the slots"),
            // An empty ring says nothing about its writer: ask the lease, now and then.
            Next::Nothing if clock::now().since(looked).0 > 10_000_000 => {
                looked = clock::now();
                let status = region.handler_status(looked);
                if !status.is_live() {
                    return Err(format!("the handler is {status:?}").into());
                }
            }
            Next::Nothing => std::hint::spin_loop(),
        }
    }
}
