//! Every event of one lane as it happens: `follow REGION LANE`.

use candor_shm::{Next, Region, clock};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, lane] = &arguments[..] else { return Err("REGION LANE".into()) };
    let region = Region::open(path)?;
    let mut events = region.events(lane.parse()?).ok_or("no such lane")?;
    for turn in 0u64.. {
        match events.next() {
            Next::Record(record) => println!("{} {:?}", record.seq, record.event),
            Next::Lapped { missed } => println!("Lapped: {missed} events missed; read the slots"),
            Next::Nothing if turn % 4096 != 0 => std::hint::spin_loop(),
            // An empty ring says nothing about its writer: the lease does, and is asked now and then.
            Next::Nothing => {
                if let Some(reason) = region.handler_status(clock::now()).reason() {
                    return Err(format!("the handler is Stale({reason})").into());
                }
            }
        }
    }
    Ok(())
}
