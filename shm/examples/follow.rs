//! Every event of one lane as it happens, and what its partitions are: `follow REGION LANE`.

use candor_core::Status;
use candor_shm::{Next, Region, clock};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, lane] = &arguments[..] else { return Err("REGION LANE".into()) };
    let region = Region::open(path)?;
    let lane: u16 = lane.parse()?;
    let mut events = region.events(lane).ok_or("no such lane")?;
    let mut said: Vec<Option<Status>> = vec![None; usize::from(region.partition_count())];
    for turn in 0u64.. {
        // A ring says what was applied, not whether it still holds: leases do, and time alone ends
        // them. So the status is asked now and then, whether anything comes or not.
        if turn % 4096 == 0 {
            let own = |partition: &candor_shm::PartitionInfo| partition.spec.lane == lane;
            for partition in region.partitions_when(clock::now).filter(own) {
                let before = said[usize::from(partition.index)].replace(partition.status);
                if before != Some(partition.status) {
                    let spec = &partition.spec;
                    println!("{} {}: {}", spec.venue, spec.name, partition.status);
                }
            }
            if let Some(reason) = region.handler_status_when(clock::now).reason() {
                return Err(format!("the handler is Stale({reason})").into());
            }
        }
        match events.next() {
            Next::Record(record) => println!("{} {:?}", record.seq, record.event),
            Next::Lapped { missed } => println!("Lapped: {missed} events missed; read the slots"),
            Next::Nothing => std::hint::spin_loop(),
        }
    }
    Ok(())
}
