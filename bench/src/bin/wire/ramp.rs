//! How many packets a second the whole handler takes without losing one: the rate goes up by a fixed
//! factor, each with a handler of its own, until messages are lost twice or the sender can't do more.

use candor_bench::Blocks;
use candor_shm::clock;

use crate::Problem;
use crate::handler::Handler;
use crate::machine::Cores;
use crate::rounds::{applied, open, whole};
use crate::source::Kind;
use crate::traffic::{Traffic, pause};
use crate::veth::Veth;

/// From one rate to the next.
const FACTOR: f64 = 1.3;

/// The first rate, in packets a second.
const FIRST: f64 = 60_000.0;

/// How long a rate is kept up.
const SECONDS: f64 = 0.3;

/// The sender can't do more when it takes this much longer than it should.
const SLOWER: f64 = 1.1;

/// How far one handler got.
pub(crate) struct Ramp {
    pub(crate) kind: Kind,
    /// Messages of a packet.
    pub(crate) each: u32,
    /// The highest rate without loss, packets a second; 0 when there was none.
    pub(crate) whole: f64,
    /// The rate at which messages were lost, and how many in a hundred.
    pub(crate) lost: Option<(f64, f64)>,
}

struct Outcome {
    rate: f64,
    lost: f64,
}

/// Both handlers, taking turns, with packets of one message and of 20.
pub(crate) fn run(veth: &Veth, cores: Cores) -> Result<Vec<Ramp>, Problem> {
    let mut ramps = Vec::new();
    for each in [1, 20] {
        let mut both =
            [Kind::AfXdp, Kind::Udp].map(|kind| Ramp { kind, each, whole: 0.0, lost: None });
        let mut done = [false; 2];
        let mut rate = FIRST;
        // BOUND: the rate grows, and no sender is without limit.
        while done != [true; 2] {
            for (ramp, done) in both.iter_mut().zip(&mut done).filter(|(_, done)| !**done) {
                *done = step(veth, cores, ramp, rate)?;
            }
            rate *= FACTOR;
        }
        ramps.extend(both);
    }
    Ok(ramps)
}

/// One rate; whether the ramp ends here.
fn step(veth: &Veth, cores: Cores, ramp: &mut Ramp, rate: f64) -> Result<bool, Problem> {
    let mut outcome = attempt(veth, cores, ramp, rate)?;
    if outcome.lost > 0.0 {
        // Once may have been somebody else's use of the core.
        outcome = attempt(veth, cores, ramp, rate)?;
    }
    if outcome.lost > 0.0 {
        ramp.lost = Some((rate, outcome.lost));
        return Ok(true);
    }
    ramp.whole = ramp.whole.max(outcome.rate);
    Ok(outcome.rate * SLOWER < rate)
}

fn attempt(veth: &Veth, cores: Cores, ramp: &Ramp, rate: f64) -> Result<Outcome, Problem> {
    let handler = Handler::start(veth, ramp.kind, cores.lane)?;
    let mut traffic = Traffic::new(veth)?;
    open(&mut traffic, &mut whole(&handler)?)?;
    let before = traffic.last();
    let mut packets = Blocks::default();
    for _ in 0..(rate * SECONDS) as u32 {
        traffic.fill(ramp.each)?;
        packets.push(traffic.packet());
    }
    let sent = traffic.last() - before;
    let started = clock::now().0;
    for (number, packet) in packets.iter().enumerate() {
        let due = started + (number as f64 * 1e9 / rate) as u64;
        // BOUND: the clock goes on.
        while clock::now().0 < due {
            std::hint::spin_loop();
        }
        traffic.send_copy(packet)?;
    }
    let took = (clock::now().0 - started).max(1);
    let (mut seen, mut last) = (0, clock::now().0);
    // BOUND: ends when nothing has come for a fifth of a second.
    while seen < sent && clock::now().0 - last < 200_000_000 {
        pause(1_000_000);
        let now = applied(&handler).saturating_sub(before);
        if now != seen {
            (seen, last) = (now, clock::now().0);
        }
    }
    let lost = 100.0 * sent.saturating_sub(seen) as f64 / sent.max(1) as f64;
    Ok(Outcome { rate: packets.len() as f64 * 1e9 / took as f64, lost })
}
