//! The plays: what is done to the world for each step, and what must then be read.

use std::path::{Path, PathBuf};

use candor_core::{Nanos, Reason};
use candor_shm::{KillSwitch, Region, clock};
use rustix::process::Signal;

use super::shape::{VenueShape, Version};
use super::stage::{SLACK, Stage};
use super::steps;
use super::watch::Seen;
use super::world::COMMAND;
use crate::command;
use crate::exit::{Exit, Failure};
use crate::halt::Target;
use crate::halt::record::Place as Record;

/// How long what is stale must stay so, read all the while.
const HOLD: Nanos = Nanos::from_millis(400);

/// The same where something would heal it that must not: asking the services is given up after less.
const HOLD_DEAD: Nanos = Nanos::from_millis(1_500);

/// How long a verb of this program may take from its start until readers see it; most of it is a process that
/// starts.
const VERB: Nanos = Nanos::from_secs(2);

/// How long a map may take from its coming in force until readers see it: it is looked for once a second.
const TAKEN: Nanos = Nanos::from_secs(5);

/// Which partition a play breaks, counted from 0; the last one comes and goes.
const FIRST: usize = 0;
const SECOND: usize = 1;

fn is_first(venue: &VenueShape, seen: &Seen) -> bool {
    seen.place.partition == FIRST && venue.partitions[FIRST].symbols.first() == Some(&seen.symbol)
}

fn on(partition: usize) -> impl Fn(&Seen) -> bool {
    move |seen| seen.place.partition == partition
}

impl Stage<'_> {
    /// Plays every step.
    ///
    /// # Errors
    /// What broke that is none of the handler's promises: the host, an exchange that ended, a signal.
    pub(super) fn play(&mut self) -> Result<(), Failure> {
        let plays = [
            Self::no_map,
            Self::moved_symbols,
            Self::silence_and_gap,
            Self::dead_services,
            Self::sessions,
            Self::commands_and_maps,
            Self::halts,
            Self::stopped,
            Self::killed,
        ];
        for play in plays {
            play(self)?;
            if self.broken {
                break;
            }
        }
        Ok(())
    }

    fn no_map(&mut self) -> Result<(), Failure> {
        let begun = self.begin(&steps::NO_MAP, &|_| true);
        self.start_handler()?;
        self.start_exchanges()?;
        // Since the reader's start nothing may be Live.
        self.sleep(HOLD + HOLD)?;
        self.judge(&begun, &|_| true, &[Reason::Unmapped, Reason::WriterGone])?;
        self.healed(&steps::NO_MAP, Some(Nanos::ZERO));
        Ok(())
    }

    /// Yesterday's map under today's date: what has moved is not Live, whatever it reads; then the right one.
    fn moved_symbols(&mut self) -> Result<(), Failure> {
        let shape = self.shape.clone();
        let moved = move |seen: &Seen| {
            let venue = &shape.venues[seen.place.venue];
            seen.place.partition == venue.last() || is_first(venue, seen)
        };
        let begun = self.begin(&steps::OLD_MAP, &|_| true);
        self.put(Version::Before)?;
        self.watch.allow();
        self.watch.forbid(&moved);
        // As in the morning: the map is there, and then the venue names its symbols.
        self.wait(TAKEN, &|seen| seen.status != Some(Reason::NoMap))?;
        // Until every lane has taken it.
        self.sleep(HOLD)?;
        // What went before is over: of a session that is left in the middle nobody knows whom it named, and what moves
        // from it needs a snapshot (decision 0013), which not every venue has.
        self.tell(|_| Some("end".to_owned()))?;
        self.wait(TAKEN, &|seen| moved(seen) || seen.status == Some(Reason::Ended))?;
        let name = self.session();
        self.tell(|_| Some(format!("session {name}")))?;
        self.wait_given(&begun, &|seen| moved(seen) && seen.place.partition == FIRST, TAKEN)?;
        let healed = self.until_live(&|seen| !moved(seen))?;
        self.sleep(HOLD_DEAD)?;
        // What it was before the map, and in the moment of the new session.
        let before = [Reason::NoMap, Reason::Unmapped, Reason::SessionChanged, Reason::Recovering];
        let before = [&before[..], &[Reason::Ended]].concat();
        self.judge(&begun, &moved, &before)?;
        self.healed(&steps::OLD_MAP, healed);

        let begun = self.begin(&steps::MOVED, &|_| true);
        self.watch.allow();
        self.put(Version::Right)?;
        let healed = self.until_live(&|_| true)?;
        // What a partition that has just been joined says of itself, and nothing of what was Live before.
        let joining =
            [Reason::Unproven, Reason::WrongPartition, Reason::Recovering, Reason::NotStarted];
        let joining = [&joining[..], &[Reason::Gap, Reason::SessionChanged]].concat();
        self.judge(&begun, &|_| true, &joining)?;
        self.healed(&steps::MOVED, healed);
        Ok(())
    }

    /// One partition falls silent; while its bound runs, another has a gap that heals.
    fn silence_and_gap(&mut self) -> Result<(), Failure> {
        let silent = self.begin(&steps::SILENT, &on(FIRST));
        let told = self.tell(|_| Some("kill partition 1".to_owned()))?;
        self.gap()?;
        let bound = self.shape.silence() + SLACK;
        self.expect(&silent.at(told), &on(FIRST), bound, HOLD, &[])?;
        self.watch.allow();
        self.tell(|_| Some("revive partition 1".to_owned()))?;
        self.heal(&[&steps::SILENT, &steps::GAP])
    }

    fn gap(&mut self) -> Result<(), Failure> {
        let begun = self.begin(&steps::GAP, &on(SECOND));
        // Or it would be filled before anybody looks.
        let hold = |venue: &VenueShape| {
            let [udp, tcp, snapshot] = venue.partitions[SECOND].services;
            let kind = if udp || tcp { "retransmit hang" } else { "snapshot lost-part" };
            (udp || tcp || snapshot).then(|| format!("service 2 {kind}"))
        };
        self.tell(hold)?;
        let told = self.tell(|_| Some("skip 2 3".to_owned()))?;
        let begun = begun.at(told);
        self.until_given(&begun, &on(SECOND), self.gap_bound())?;
        self.tell(|venue| hold(venue).map(|_| "service 2 off".to_owned()))?;
        self.judge(&begun, &on(SECOND), &[Reason::Recovering])
    }

    /// The services say no, and one partition has a gap, while another's lines differ.
    fn dead_services(&mut self) -> Result<(), Failure> {
        self.kill_services()?;
        let differ = self.begin(&steps::LINES_DIFFER, &on(FIRST));
        let dead = self.begin(&steps::DEAD_SERVICES, &on(SECOND));
        let told = self.tell(|_| Some("skip 2 3".to_owned()))?;
        if self.shape.venues.iter().all(VenueShape::has_two_lines) {
            let told = self.tell(|_| Some("differ 1".to_owned()))?;
            let bound = self.gap_bound();
            self.expect(&differ.at(told), &on(FIRST), bound, Nanos::ZERO, &[Reason::Recovering])?;
        } else {
            let some = self.shape.venues.iter().any(VenueShape::has_two_lines);
            self.left_out(&steps::LINES_DIFFER, some, "a venue has one line");
        }
        let bound = self.gap_bound();
        self.expect(&dead.at(told), &on(SECOND), bound, HOLD_DEAD, &[Reason::Recovering])?;
        self.watch.allow();
        self.tell(|venue| venue.has_services().then(|| "service off".to_owned()))?;
        self.heal(&[&steps::DEAD_SERVICES, &steps::LINES_DIFFER])
    }

    fn sessions(&mut self) -> Result<(), Failure> {
        // While the flow rests, nothing of a new session is applied: its heartbeats alone are heard.
        self.tell(|_| Some("pause".to_owned()))?;
        let begun = self.begin(&steps::SESSION, &on(FIRST));
        let name = self.session();
        let told = self.tell(|_| Some(format!("session {name} 1")))?;
        let bound = self.heartbeat() + SLACK;
        self.expect(&begun.at(told), &on(FIRST), bound, HOLD, &[Reason::Unproven])?;
        self.watch.allow();
        self.tell(|_| Some("resume".to_owned()))?;
        self.heal(&[&steps::SESSION])?;

        self.ended()
    }

    /// By the transport, or by the last message, where that has no word for it.
    fn ended(&mut self) -> Result<(), Failure> {
        let begun = self.begin(&steps::ENDED, &on(SECOND));
        let told = self.tell(|_| Some("end 2".to_owned()))?;
        let bound = self.heartbeat() + SLACK;
        self.expect(&begun.at(told), &on(SECOND), bound, HOLD, &[])?;
        self.watch.allow();
        let name = self.session();
        self.tell(|_| Some(format!("session {name} 2")))?;
        self.heal(&[&steps::ENDED])
    }

    /// A partition that is left by command, and one that a map takes away.
    fn commands_and_maps(&mut self) -> Result<(), Failure> {
        let begun = self.begin(&steps::UNSUBSCRIBED, &on(FIRST));
        let told = clock::now();
        self.command(|venue| verb("unsubscribe", venue))?;
        self.expect(&begun.at(told), &on(FIRST), VERB, HOLD, &[])?;
        self.watch.allow();
        self.command(|venue| verb("subscribe", venue))?;
        self.heal(&[&steps::UNSUBSCRIBED])?;

        let lasts: Vec<usize> = self.shape.venues.iter().map(VenueShape::last).collect();
        let removed = move |seen: &Seen| seen.place.partition == lasts[seen.place.venue];
        let begun = self.begin(&steps::REMOVED, &removed);
        let told = self.put(Version::Removed)?;
        self.expect(&begun.at(told), &removed, TAKEN, HOLD, &[Reason::Unmapped])?;
        self.watch.allow();
        self.put(Version::Right)?;
        self.heal(&[&steps::REMOVED])
    }

    /// The kill switch, by this very program's own verb; nobody is asked to resume what only a drill has halted.
    fn halts(&mut self) -> Result<(), Failure> {
        let shape = self.shape.clone();
        let first = move |seen: &Seen| is_first(&shape.venues[seen.place.venue], seen);
        let begun = self.begin(&steps::HALTED, &first);
        let told = clock::now();
        self.command(|venue| {
            let symbol = venue.partitions[FIRST].symbols.first()?;
            halt(&format!("{}:{symbol}", venue.venue))
        })?;
        self.expect(&begun.at(told), &first, VERB, HOLD, &[])?;
        self.involve(&on(SECOND));
        let told = clock::now();
        self.command(|venue| halt(&format!("{}/{}", venue.venue, venue.partitions[SECOND].name)))?;
        self.expect(&begun.at(told), &on(SECOND), VERB, HOLD, &[])?;
        self.involve(&|_| true);
        let told = clock::now();
        self.run(&["halt", "all", "--reason", "drill"])?;
        self.expect(&begun.at(told), &|_| true, VERB, HOLD, &[])?;
        self.watch.allow();
        self.clear_halts()?;
        self.heal(&[&steps::HALTED])
    }

    fn clear_halts(&self) -> Result<(), Failure> {
        let path = self.path("region");
        let region = Region::open(&path).map_err(|error| Failure::host(error.to_string()))?;
        let switch = KillSwitch::open(&path).map_err(|error| Failure::host(error.to_string()))?;
        let record = Record::of(Some(&self.path("state")), &path);
        record.lock()?.write(&[])?;
        for (name, _) in region.halts() {
            for word in Target::of_word(&name).words(&region) {
                let _ = switch.resume(word);
            }
        }
        Ok(())
    }

    fn stopped(&mut self) -> Result<(), Failure> {
        self.tell(|_| Some("pause".to_owned()))?;
        let begun = self.begin(&steps::STOPPED, &|_| true);
        let gone = begun.only(&[Reason::WriterGone]);
        let told = self.halt_handler(Signal::STOP)?;
        let bound = self.lease + SLACK;
        self.expect(&gone.at(told), &|_| true, bound, HOLD, &[])?;
        self.watch.allow();
        self.signal(Signal::CONT)?;
        // Until something fresh is heard, which heartbeats are.
        let late = begun.only(&[Reason::Late]);
        self.wait_given(&late, &|_| true, self.heartbeat() + SLACK)?;
        self.judge(&begun, &|_| true, &[])?;
        self.tell(|_| Some("resume".to_owned()))?;
        self.heal(&[&steps::STOPPED])
    }

    /// The handler dies, and another one starts in the middle of the day while the services are dead.
    fn killed(&mut self) -> Result<(), Failure> {
        self.tell(|_| Some("pause".to_owned()))?;
        self.kill_services()?;
        let begun = self.begin(&steps::KILLED, &|_| true);
        let told = self.halt_handler(Signal::KILL)?;
        let bound = self.lease + SLACK;
        self.expect(&begun.at(told), &|_| true, bound, HOLD, &[])?;
        self.healed(&steps::KILLED, Some(Nanos::ZERO));

        // Live stays wrong, in the region that is over and in the new one, until the services answer.
        let begun = self.begin(&steps::RESTARTED, &|_| true);
        // Or the first heartbeat may be there before a reader has looked.
        self.speak("kill")?;
        self.start_handler()?;
        let bound = self.heartbeat() + self.heartbeat() + SLACK;
        self.wait_given(&begun.only(&[Reason::NotStarted]), &|_| true, bound)?;
        self.speak("revive")?;
        self.wait_given(&begun, &|_| true, bound)?;
        self.sleep(HOLD)?;
        let starting = [Reason::Unmapped, Reason::NoMap, Reason::Unsubscribed, Reason::Unproven];
        self.judge(&begun, &|_| true, &[&starting[..], &[Reason::Gap]].concat())?;
        self.watch.allow();
        self.tell(|venue| venue.has_services().then(|| "service off".to_owned()))?;
        self.tell(|_| Some("resume".to_owned()))?;
        self.heal(&[&steps::RESTARTED])
    }

    /// Silences every partition of the exchanges, or has them speak again.
    fn speak(&mut self, verb: &str) -> Result<(), Failure> {
        let most = self.shape.venues.iter().map(|venue| venue.partitions.len()).max();
        for number in 1..=most.unwrap_or(0) {
            self.tell(|venue| {
                (number <= venue.partitions.len()).then(|| format!("{verb} partition {number}"))
            })?;
        }
        Ok(())
    }

    /// From now on retransmission answers nothing, and each snapshot breaks off.
    fn kill_services(&mut self) -> Result<(), Failure> {
        for fault in ["retransmit refuse", "snapshot lost-part"] {
            self.tell(|venue| venue.has_services().then(|| format!("service {fault}")))?;
        }
        Ok(())
    }

    /// How long it takes at most until a gap is seen: the next number tells, or a heartbeat, and the grace is
    /// over.
    fn gap_bound(&self) -> Nanos {
        self.heartbeat() + self.grace + SLACK
    }

    /// Runs a verb of this program for each venue; `None` where it is nothing to one.
    fn command(&mut self, of: impl Fn(&VenueShape) -> Option<Vec<String>>) -> Result<(), Failure> {
        let lines: Vec<Vec<String>> = self.shape.venues.iter().filter_map(of).collect();
        for words in lines {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            self.run(&words)?;
        }
        Ok(())
    }

    fn run(&mut self, words: &[&str]) -> Result<(), Failure> {
        self.is_going_on()?;
        let text = |path: PathBuf| path.display().to_string();
        let mut argv = vec![text(self.program())];
        argv.extend(words.iter().map(|word| (*word).to_owned()));
        argv.extend(["-c".to_owned(), text(self.path("handler.toml"))]);
        let ended = command::run_to_end(&argv, Path::new("/"), COMMAND)
            .map_err(|why| Failure::host(format!("candor {}: {why}", words.join(" "))))?;
        // That the handler hung for a moment is no fault of it, or is seen by who reads.
        if !matches!(ended.code(), Some(code) if code == 0 || code == Exit::Unknown as i32) {
            self.fault(format!("candor {}: {}", words.join(" "), ended.how()));
        }
        Ok(())
    }
}

fn verb(verb: &str, venue: &VenueShape) -> Option<Vec<String>> {
    let name = venue.partitions[FIRST].name;
    Some(vec![verb.to_owned(), venue.venue.to_string(), name.to_string()])
}

fn halt(target: &str) -> Option<Vec<String>> {
    Some(["halt", target, "--reason", "drill"].map(str::to_owned).to_vec())
}
