//! What a run is made of: the world as set up, the faults by time, what must hold besides the
//! invariants. A plan and nothing else decides a run.

use core::fmt;
use core::ops::RangeInclusive;

use candor_core::alert::Code;
use candor_core::counters::Counter;
use candor_core::limits::LINES;
use candor_core::{Line, Nanos};
use candor_engine::alerts::{Place, Suspect};
use candor_gapfill::retransmit::Policy;

pub use super::expect::{Alarm, Expect, Must, OddKind, Oddity, Whose};
use super::maps::MapOf;
use super::network::Link;
use super::overnight::Overnight;
use super::preopen::Preopen;
use crate::market::{Family, Mood};
use crate::publisher::Packing;
use crate::services::{ServiceFault, ServiceKind};

/// The world before anything goes wrong.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Everything random follows from it.
    pub seed: u64,
    /// What the venue speaks: ITCH over MoldUDP64 with GLIMPSE, or DEEP over IEX-TP with gap fill and
    /// SNAP. IEX has one stream a feed and no partitions; here each partition is such a stream.
    pub venue: Family,
    /// Partitions of all venues.
    pub partitions: usize,
    /// Whether every other partition is of a second venue, which lists the same names as the first: what has one name
    /// is not one thing. Symbols are left to the wire then, and no map changes.
    pub twins: bool,
    /// Symbols over all partitions.
    pub symbols: usize,
    /// Orders put on each side of each book before the market opens.
    pub prefill: usize,
    /// Messages a second over all partitions.
    pub rate: u64,
    /// Messages are published in steps of so much time.
    pub quantum: Nanos,
    /// How the lines there are cut packets.
    pub packings: [Option<Packing>; LINES],
    /// What each line's link does to packets when all is well.
    pub links: [Link; LINES],
    /// The venue's heartbeat interval.
    pub heartbeat: Nanos,
    /// The handler's silence bound.
    pub silence: Nanos,
    /// The handler's reorder grace.
    pub grace: Nanos,
    /// The handler's bound on looking at packets late.
    pub late: Nanos,
    /// How long an old numbering is recognised.
    pub session_grace: Nanos,
    /// The process lease.
    pub lease: Nanos,
    /// How often the handler's own thread looks for what to alert of.
    pub alerts_every: Nanos,
    /// Time between two duty cycles of a lane that has work.
    pub poll: Nanos,
    /// Lanes of the handler.
    pub lanes: u16,
    /// Frames a lane's queue holds; more are dropped and counted, as a kernel does.
    pub queue: usize,
    /// Whether symbols are halted now and then, by chance.
    pub halts: bool,
    /// Whether the map lists the symbols.
    pub listed: bool,
    /// The map a handler starts with.
    pub map: MapOf,
    /// The partition whose first symbol is not listed in the beginning: on no map, and nothing names it.
    pub kept_back: Option<usize>,
    /// The last partition lists the first symbol of the first one too, kept back: it moves there in the middle of the
    /// session.
    pub moves_at_noon: bool,
    /// What the venue changes between the first trading date and the next.
    pub overnight: Option<Overnight>,
    /// When the map that a handler starts with ends; `None` for none that ends in the run.
    pub map_ends: Option<Nanos>,
    /// When the handler starts.
    pub handler_at: Nanos,
    /// The venue's services; without any, what no line carries stays missing.
    pub services: Option<ServiceSetup>,
    /// What is changed in the venue's bytes before anybody sees them.
    pub tamper: Vec<Tamper>,
}

impl Setup {
    /// Two lines, four partitions, 48 symbols, nothing wrong.
    #[must_use]
    pub fn plain(seed: u64) -> Setup {
        Setup {
            seed,
            venue: Family::Itch50,
            partitions: 4,
            twins: false,
            symbols: 48,
            prefill: 3,
            rate: 20_000,
            quantum: Nanos::from_micros(500),
            packings: [Some(Packing::A), Some(Packing::B), None],
            links: [Link::GOOD; LINES],
            heartbeat: Nanos::from_secs(1),
            silence: Nanos::from_secs(3),
            grace: Nanos::from_millis(1),
            late: Nanos::from_millis(20),
            session_grace: Nanos::from_secs(5),
            lease: Nanos::from_millis(50),
            alerts_every: Nanos::from_millis(100),
            poll: Nanos::from_micros(5),
            lanes: 1,
            queue: 4096,
            halts: true,
            listed: true,
            map: MapOf::Today,
            kept_back: None,
            moves_at_noon: false,
            overnight: None,
            map_ends: None,
            handler_at: Nanos::ZERO,
            services: None,
            tamper: Vec::new(),
        }
    }

    /// The lines there are.
    pub fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        Line::ALL.into_iter().filter(|line| self.packings[line.index()].is_some())
    }
}

/// What a venue's services are, and how the handler uses them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServiceSetup {
    /// Missing numbers may be asked for.
    pub retransmit: bool,
    /// Snapshots may be fetched.
    pub snapshot: bool,
    /// How long the way to the services is.
    pub delay: Nanos,
    /// Chance that a datagram is lost on it, in millionths.
    pub loss: u32,
    /// How long an answer is waited for.
    pub timeout: Nanos,
    /// Requests a second that the venue allows.
    pub budget: u32,
    /// Requests a day that it allows, of either kind.
    pub day: u32,
    /// Numbers a request asks for.
    pub piece: u32,
    /// Missing numbers beyond which a snapshot is fetched.
    pub limit: u64,
    /// Bytes that a partition can hold back.
    pub holdback: usize,
    /// How missing numbers are asked for.
    pub ways: Ways,
}

/// How a venue is asked for missing numbers. MoldUDP64 knows datagrams alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ways {
    /// By datagrams.
    Datagrams,
    /// Over a connection for each request.
    Connections,
    /// By datagrams up to so many numbers, else over a connection.
    Both(u64),
}

impl ServiceSetup {
    /// Both services, a millisecond away.
    pub const BOTH: ServiceSetup = ServiceSetup {
        retransmit: true,
        snapshot: true,
        delay: Nanos::from_micros(200),
        loss: 0,
        timeout: Nanos::from_millis(5),
        budget: 200,
        day: 1 << 14,
        piece: 64,
        limit: 2_000,
        holdback: 4 << 20,
        ways: Ways::Datagrams,
    };

    /// How numbers are asked for at this venue.
    #[must_use]
    pub fn policy(&self, venue: Family) -> Option<Policy> {
        self.retransmit.then_some(Policy {
            piece: self.piece,
            outstanding: 4,
            limit: self.limit,
            timeout: self.timeout,
            timeout_max: self.timeout_max(),
            attempts: 4,
            patience: self.patience(),
            // One datagram of MoldUDP64 answers; segments of IEX-TP follow one another.
            rest: match venue {
                Family::Itch50 => Nanos::ZERO,
                Family::Deep => Nanos(self.timeout.0 / 2),
            },
            pause_max: Some(self.pause_max()),
        })
    }

    /// How snapshots are fetched, from a venue with this heartbeat.
    #[must_use]
    pub fn snapshots(&self, heartbeat: Nanos) -> Option<candor_snapshot::Config> {
        self.snapshot.then_some(candor_snapshot::Config {
            holdback_bytes: self.holdback,
            begin: self.begin(),
            idle: Nanos(self.timeout.0 * 8),
            whole: self.whole(),
            confirm: Nanos(heartbeat.0 * 3),
            retry: self.timeout,
            retry_max: Nanos(self.timeout.0 * 16),
        })
    }

    /// The longest that an answer is waited for.
    #[must_use]
    pub fn timeout_max(&self) -> Nanos {
        Nanos(self.timeout.0 * 4)
    }

    /// How long the beginning of a snapshot is waited for.
    #[must_use]
    pub fn begin(&self) -> Nanos {
        Nanos(self.timeout.0 * 16)
    }

    /// How long numbers are asked for before a snapshot is.
    #[must_use]
    pub fn patience(&self) -> Nanos {
        Nanos(self.timeout.0 * 12)
    }

    /// How long it is until numbers are asked for again that were asked for in vain, where there are no snapshots.
    #[must_use]
    pub fn pause_max(&self) -> Nanos {
        Nanos(self.timeout.0 * 64)
    }

    /// The longest a snapshot may take.
    #[must_use]
    pub fn whole(&self) -> Nanos {
        Nanos(self.timeout.0 * 100)
    }
}

/// One change of the venue's own bytes, on all lines alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tamper {
    /// Every trade report of a partition (of ITCH, those against hidden orders) becomes a message of a
    /// type nobody knows.
    UnknownType {
        /// The partition.
        partition: usize,
    },
    /// Every directory and trading action message of a partition is longer than documented, and
    /// deletions, or buyers' price levels.
    Longer {
        /// The partition.
        partition: usize,
    },
    /// The first deletion from a number on speaks of an order that never was. DEEP has no orders.
    UnknownOrder {
        /// The partition.
        partition: usize,
        /// The number.
        from: u64,
    },
    /// The first symbol with a price level from a number on: for a time none of its levels completes a
    /// transaction. ITCH has no transactions. The venue's services know nothing of it.
    LeftOpen {
        /// The partition.
        partition: usize,
        /// The number.
        from: u64,
    },
    /// The first buy order, or price level of buyers, from a number on crosses its book.
    Crossed {
        /// The partition.
        partition: usize,
        /// The number.
        from: u64,
    },
    /// The first directory entry of a partition, or whatever names its first symbol, names the first
    /// symbol of another.
    Foreign {
        /// The partition that should not have it.
        partition: usize,
        /// The partition that has it.
        home: usize,
    },
}

/// Something that goes wrong, or right again, at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Time since the beginning.
    pub at: Nanos,
    /// What.
    pub what: What,
}

/// What goes wrong. Partitions count from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// The venue's partition falls silent; its numbers wait.
    Kill(usize),
    /// It speaks again.
    Revive(usize),
    /// A link carries nothing, or something again.
    Cut(usize, Line, bool),
    /// All links of a partition lose their next packets, so many.
    LoseNext(usize, u32),
    /// A link loses packets by chance, in millionths.
    Loss(usize, Line, u32),
    /// A link loses runs of packets: chance in millionths, mean length.
    Bursts(usize, Line, u32, u32),
    /// A link takes so much longer.
    Lag(usize, Line, Nanos),
    /// A link lets packets overtake each other: chance in millionths, and by how much.
    Reorder(usize, Line, u32, Nanos),
    /// A link carries packets twice: chance in millionths.
    Duplicate(usize, Line, u32),
    /// A link breaks frames: chance in millionths.
    Malform(usize, Line, u32),
    /// The link is what it was in the beginning.
    Mend(usize, Line),
    /// A new session on one partition, or on all.
    Session(Option<usize>),
    /// The next trading date's sessions, on every partition that the venue has then, with the symbols that it has
    /// there then.
    NextDay,
    /// The venue lists the symbol of a partition that it has kept back.
    List(usize),
    /// Numbers start at 1 under the same session; whether packets of the old ones that nobody has seen may
    /// still be on their way: those can't be told from the new ones. Copies of what was seen may be always.
    Restart(usize, bool),
    /// The venue ends the session.
    End(usize),
    /// It does so without a last message, by the transport alone.
    Cease(usize),
    /// The next message has other bytes on line B.
    Differ(usize),
    /// Messages a second over all partitions.
    Rate(u64),
    /// No messages; heartbeats go on.
    Pause,
    /// Messages again.
    Resume,
    /// A partition's flow does something beside its usual, or its usual again.
    Mood(usize, Mood),
    /// A lane does nothing for so long: the process is stopped, or starved.
    Stall(u16, Nanos),
    /// The handler dies.
    Stop,
    /// Another is started.
    Start,
    /// A publisher of the partition's last session still sends heartbeats on a line, or no longer.
    Zombie(usize, Line, bool),
    /// A link repeats the last packet with messages that it carried, again and again, or no longer.
    Loop(usize, Line, bool),
    /// The handler leaves the partition's groups, or joins them.
    Subscribe(usize, bool),
    /// An operator halts a partition, or everything, or resumes it. It outlives the handler.
    Halt(Option<usize>, bool),
    /// A service of a partition does this to what it is asked.
    Serve(usize, ServiceKind, ServiceFault),
    /// The way to a partition's services loses datagrams, in millionths.
    WayLoss(usize, u32),
    /// Nobody answers at an address of a partition's services, or somebody at all again.
    WayDead(usize, Option<usize>),
    /// Nothing gets through to a partition's services, or something again.
    WayHangs(usize, bool),
    /// The venue lists a partition's first symbol no more.
    Delist(usize),
    /// The symbol that moves at noon does, with what rests in its book and without a word of it.
    Carry,
    /// The handler is given a map, which holds to the end.
    Map(MapOf),
    /// The handler is given a map, which holds for so long.
    MapFor(MapOf, Nanos),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |ppm: &u32| f64::from(*ppm) / 10_000.0;
        let on = |on: &bool| if *on { "begins" } else { "ends" };
        match self {
            What::Kill(p) => write!(f, "P{} falls silent", p + 1),
            What::Revive(p) => write!(f, "P{} speaks again", p + 1),
            What::Cut(p, line, true) => write!(f, "P{} line {line} is cut", p + 1),
            What::Cut(p, line, false) => write!(f, "P{} line {line} is whole again", p + 1),
            What::LoseNext(p, n) => write!(f, "P{} loses its next {n} packets on all lines", p + 1),
            What::Loss(p, line, ppm) => write!(f, "P{} line {line} loses {}%", p + 1, share(ppm)),
            What::Bursts(p, line, ppm, n) => {
                write!(f, "P{} line {line} loses runs of {n}, {}%", p + 1, share(ppm))
            }
            What::Lag(p, line, lag) => write!(f, "P{} line {line} lags by {lag}", p + 1),
            What::Reorder(p, line, ppm, by) => {
                write!(f, "P{} line {line} holds {}% back by {by}", p + 1, share(ppm))
            }
            What::Duplicate(p, line, ppm) => {
                write!(f, "P{} line {line} repeats {}%", p + 1, share(ppm))
            }
            What::Malform(p, line, ppm) => {
                write!(f, "P{} line {line} breaks {}% of frames", p + 1, share(ppm))
            }
            What::Mend(p, line) => write!(f, "P{} line {line} is mended", p + 1),
            What::Session(None) => write!(f, "a new session on all partitions"),
            What::Session(Some(p)) => write!(f, "P{} has a new session", p + 1),
            What::List(p) => write!(f, "P{} lists another symbol", p + 1),
            What::Delist(p) => write!(f, "P{} lists its first symbol no more", p + 1),
            What::Carry => {
                write!(f, "P1's first symbol moves to the last partition, with its orders")
            }
            What::NextDay => write!(f, "the next day's sessions on all partitions"),
            What::Restart(p, false) => write!(f, "P{} restarts at number 1", p + 1),
            What::Restart(p, true) => {
                write!(f, "P{} restarts at number 1, old packets still under way", p + 1)
            }
            What::End(p) => write!(f, "P{} ends its session", p + 1),
            What::Cease(p) => write!(f, "P{} ends its session without a last message", p + 1),
            What::Differ(p) => write!(f, "P{} line B differs in its next message", p + 1),
            What::Rate(rate) => write!(f, "{rate} messages a second"),
            What::Pause => write!(f, "no messages, heartbeats only"),
            What::Resume => write!(f, "messages go on"),
            What::Mood(p, mood) => write!(f, "P{} flow: {mood:?}", p + 1),
            What::Stall(lane, time) => write!(f, "lane {lane} stands still for {time}"),
            What::Stop => write!(f, "the handler dies"),
            What::Start => write!(f, "a handler starts"),
            What::Zombie(p, line, b) => {
                write!(f, "P{} line {line}: an old publisher {}", p + 1, on(b))
            }
            What::Loop(p, line, b) => write!(f, "P{} line {line}: a loop {}", p + 1, on(b)),
            What::Serve(p, kind, fault) => {
                write!(f, "P{} {} service: {fault:?}", p + 1, kind.label())
            }
            What::WayLoss(p, ppm) => {
                write!(f, "P{} the way to the services loses {}%", p + 1, share(ppm))
            }
            What::WayDead(p, Some(at)) => write!(f, "P{} service address {at} is dead", p + 1),
            What::WayDead(p, None) => write!(f, "P{} service addresses answer", p + 1),
            What::WayHangs(p, hangs) => {
                write!(f, "P{} a hang of the services {}", p + 1, on(hangs))
            }
            What::Map(map) => write!(f, "the handler is given {map}'s map"),
            What::MapFor(map, time) => {
                write!(f, "the handler is given {map}'s map for {time}")
            }
            What::Halt(None, true) => write!(f, "an operator halts everything"),
            What::Halt(None, false) => write!(f, "an operator resumes everything"),
            What::Halt(Some(p), true) => write!(f, "an operator halts P{}", p + 1),
            What::Halt(Some(p), false) => write!(f, "an operator resumes P{}", p + 1),
            What::Subscribe(p, true) => write!(f, "P{} is joined", p + 1),
            What::Subscribe(p, false) => write!(f, "P{} is left", p + 1),
        }
    }
}

/// A whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it is called.
    pub name: String,
    /// The world.
    pub setup: Setup,
    /// What happens in the first act, in order of time.
    pub faults: Vec<Fault>,
    /// How long the first act lasts at most.
    pub length: Nanos,
    /// How many messages the venue publishes in the first act at most.
    pub events: u64,
    /// What must hold besides.
    pub expects: Vec<Expect>,
    /// What must be said to be odd, each once; nothing else may be.
    pub odd: Vec<Oddity>,
    /// When `candor preopen` is asked, and what it must answer.
    pub preopens: Vec<Preopen>,
    /// The alerts that begin in the first act, in their order: these and no others. `None` where any may.
    pub alarms: Option<Vec<Alarm>>,
    /// What the handler that runs last must have counted in the end, over all partitions.
    pub counts: Vec<(Counter, RangeInclusive<u64>)>,
    /// Whether every partition must be whole in the end, so that none is excused.
    pub heals_all: bool,
    /// Whether a handler that loses nothing runs beside, whose books the other's must equal in the end.
    pub lossless: bool,
}

impl Plan {
    /// A plan without faults.
    #[must_use]
    pub fn quiet(name: &str, setup: Setup, length: Nanos) -> Plan {
        Plan {
            name: name.to_owned(),
            setup,
            faults: Vec::new(),
            length,
            events: u64::MAX,
            expects: Vec::new(),
            odd: Vec::new(),
            preopens: Vec::new(),
            alarms: None,
            counts: Vec::new(),
            heals_all: false,
            lossless: false,
        }
    }

    /// Adds a fault at this time since the beginning.
    #[must_use]
    pub fn at(mut self, at: Nanos, what: What) -> Plan {
        self.faults.push(Fault { at, what });
        self.faults.sort_by_key(|fault| fault.at);
        self
    }

    /// Adds an expectation on all symbols of a partition.
    #[must_use]
    pub fn expect(mut self, partition: usize, from: Nanos, until: Nanos, must: Must) -> Plan {
        self.expects.push(Expect { partition, whose: Whose::All, from, until, must });
        self
    }

    /// Adds an expectation on some symbols of a partition.
    #[must_use]
    pub fn only(
        mut self,
        partition: usize,
        whose: Whose,
        from: Nanos,
        until: Nanos,
        must: Must,
    ) -> Plan {
        self.expects.push(Expect { partition, whose, from, until, must });
        self
    }

    /// Has `candor preopen` listen and answer, which must be go or not.
    #[must_use]
    pub fn preopen(mut self, from: Nanos, until: Nanos, go: bool) -> Plan {
        self.preopens.push(Preopen { from, until, go });
        self
    }

    /// Adds what must be said to be odd, once, and when.
    #[must_use]
    pub fn odd(mut self, partition: usize, odd: OddKind, from: Nanos, until: Nanos) -> Plan {
        self.odd.push(Oddity { partition, odd, from, until });
        self
    }

    /// These alerts are to begin in the first act, in this order, and no others.
    #[must_use]
    pub fn alarms(mut self, alarms: &[(Code, Place, u16)]) -> Plan {
        let alarm = |(code, place, partitions): &(Code, Place, u16)| Alarm {
            code: *code,
            place: *place,
            partitions: *partitions,
            suspect: None,
        };
        self.alarms = Some(alarms.iter().map(alarm).collect());
        self
    }

    /// The first of the alerts suspects this first; all others nothing.
    #[must_use]
    pub fn suspecting(mut self, suspect: Suspect) -> Plan {
        let first = self.alarms.iter_mut().flatten().next();
        first.expect("an alert that suspects something begins").suspect = Some(suspect);
        self
    }

    /// In the end the handler is to have counted so much of this, over all partitions.
    #[must_use]
    pub fn counts(mut self, counter: Counter, count: RangeInclusive<u64>) -> Plan {
        self.counts.push((counter, count));
        self
    }

    /// Every partition is to be whole in the end.
    #[must_use]
    pub fn heals_all(self) -> Plan {
        Plan { heals_all: true, ..self }
    }

    /// All partitions are expected Live for a while.
    #[must_use]
    pub fn all_live_between(mut self, from: Nanos, until: Nanos) -> Plan {
        for partition in 0..self.setup.partitions {
            self = self.expect(partition, from, until, Must::BeLive);
        }
        self
    }

    /// All partitions are expected Live from `from` to the end of the first act.
    #[must_use]
    pub fn all_live(self, from: Nanos) -> Plan {
        // There is no partition of this number.
        self.others_live(usize::MAX, from)
    }

    /// All partitions but this one are expected Live from `from` to the end of the first act.
    #[must_use]
    pub fn others_live(mut self, but: usize, from: Nanos) -> Plan {
        let until = self.length;
        for partition in (0..self.setup.partitions).filter(|other| *other != but) {
            let must = Must::BeLive;
            self.expects.push(Expect { partition, whose: Whose::All, from, until, must });
        }
        self
    }
}
