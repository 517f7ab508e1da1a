//! The maps' thread: it serves no packet and holds up nobody that does. It waits for the disk, and for the lanes to
//! have taken a map; what fetches one it only starts.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use candor_core::{Line, Mono, Nanos, TradingDate, Venue};
use candor_engine::VenueSymbols;
use candor_engine::alerts::Suspect;
use candor_maps::Map;
use candor_maps::calendar::{Overlay, Wall};
use candor_shm::{InForce, Region};

use super::changes::New;
use super::days::{Days, Today};
use super::fetching::Fetching;
use super::handover::{Change, LANE_WITHIN};
use super::resolve;
use super::shape::{self, Place, Steps};
use super::taken::{self, How, Taken};
use super::timer::{LOOK_EVERY, Timer, Wish};
use super::words::Words;
use super::{Resolved, Start};
use crate::alert::About;
use crate::config::{Config, Mapped, Partition, overlay_from};
use crate::journal::Journal;
use crate::sessions::Record;
use crate::store::{Outcome, Pointer, Store};

/// How often it is looked whether the overlay of the calendars has changed.
const OVERLAY_EVERY: Nanos = Nanos::from_secs(60);

/// By how much a map may end before its time without a word: clocks are slewed.
const EARLY: Nanos = Nanos::from_secs(60);

/// What time it is, by both clocks.
pub(crate) type Times = Box<dyn FnMut() -> (Wall, Mono) + Send>;

/// A map for the handler's own thread to hand to the lanes.
pub(crate) struct Job {
    pub(crate) venue: Venue,
    /// What is in force once every lane has it.
    pub(crate) in_force: Option<InForce>,
    /// The partitions of the handler from here on.
    pub(crate) after: Vec<Partition>,
    pub(crate) steps: Steps,
    /// By lane; `None` where it has nothing to do.
    pub(crate) changes: Vec<Option<Box<Change>>>,
    /// Lines that got no socket.
    pub(crate) without: Vec<(u16, Line)>,
}

/// One venue whose partitions come from the store.
struct Of {
    mapped: Mapped,
    timer: Timer,
    /// The map that its partitions have, in force or ended.
    digest: String,
    listed: Arc<VenueSymbols>,
    /// When the map in force was to end, as it was taken.
    until: Mono,
    /// A map that was put in force and can't be taken here, and why.
    refused: Option<(String, String)>,
    /// The map that the handler has fetched by itself.
    fetched: Option<String>,
    /// The fetch that is under way.
    fetching: Option<Fetching>,
    /// A map that was found in force while one is.
    seen: Option<String>,
    /// What is said of it.
    words: Words,
}

impl Of {
    /// What is to be said where no map is in force for a date whose map's time has come, and nothing says why.
    fn missing(&self, date: TradingDate, store: &Path, now: Mono) -> Option<String> {
        let none = format!("no map is in force for {date} in {}", store.display());
        match &self.fetching {
            None => Some(none),
            Some(fetching) => fetching
                .lasts(now)
                .then(|| format!("{none}, and what fetches it has not ended yet")),
        }
    }
}

/// Whether the lanes can take a map.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lanes {
    Free,
    /// They have one to take.
    Busy,
}

/// See the module's description.
pub(crate) struct Thread {
    config: Config,
    places: Vec<Place>,
    venues: Vec<Of>,
    region: Region,
    overlay_at: Mono,
    overlay: Option<String>,
    to: Sender<Job>,
    from: Receiver<Job>,
    stop: Arc<AtomicBool>,
    times: Times,
    /// Where it is recorded which maps come in force, and why one doesn't.
    journal: Journal,
    /// What handlers before this one have followed.
    sessions: Record,
    /// Who else has calendars.
    overlays: Option<Sender<Overlay>>,
}

impl Thread {
    /// A thread that has not been started, for what a handler starts with.
    /// `looked` is what time it was as the maps to start with were looked up: what has ended or begun since then is
    /// news to the lanes, as of any later look.
    pub(crate) fn new(
        (resolved, looked): (Resolved, (Wall, Mono)),
        region: Region,
        (to, from): (Sender<Job>, Receiver<Job>),
        stop: Arc<AtomicBool>,
        times: Times,
        (journal, sessions): (Journal, Record),
    ) -> Thread {
        let Resolved { config, places, starts } = resolved;
        let (wall, now) = looked;
        let overlay = config.maps.as_ref().and_then(|maps| maps.overlay.as_deref());
        let read = overlay.and_then(|path| overlay_from(path).ok());
        let of = |mapped: &Mapped| {
            let Start { pointer, date, until, .. } =
                starts.iter().find(|start| start.venue == mapped.venue)?.clone();
            let days = Days::of(mapped, read.as_ref())?;
            let due = days.today(wall).is_some_and(|today| wall >= today.map);
            let mut timer = Timer::new(days, mapped.retry, (wall, now));
            let mut planned = Mono::NEVER;
            if let Some(ends) = until {
                timer.taken(date, ends, wall);
                planned = now + Nanos(ends.0.saturating_sub(wall.0));
                if due {
                    // It was fetched before this start, or somebody has put another one in force since: what
                    // the venue has would undo that.
                    timer.fetched(date, true, Mono::NEVER);
                }
            }
            let listed = Arc::new(shape::listed(&config.partitions, mapped.venue));
            let (refused, fetched, fetching, seen) = (None, None, None, None);
            let words = Words::new(mapped.venue, journal.alerts().clone());
            let mapped = mapped.clone();
            let digest = pointer.digest;
            let until = planned;
            Some(Of {
                mapped,
                timer,
                digest,
                listed,
                until,
                refused,
                fetched,
                fetching,
                seen,
                words,
            })
        };
        let venues = config.mapped.iter().filter_map(of).collect();
        let overlay_at = Mono::NEVER;
        let overlay = overlay.and_then(|path| std::fs::read_to_string(path).ok());
        Thread {
            config,
            places,
            venues,
            region,
            overlay_at,
            overlay,
            to,
            from,
            stop,
            times,
            journal,
            sessions,
            overlays: None,
        }
    }

    /// Has overlays of the calendars sent on as they change.
    pub(crate) fn send_overlays(&mut self, to: Sender<Overlay>) {
        self.overlays = Some(to);
    }

    /// Works until told to stop.
    pub(crate) fn run(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            self.pass();
            // Nothing comes by this way that was not waited for: it is how to sleep until told to stop.
            match self.from.recv_timeout(Duration::from_nanos(LOOK_EVERY.0)) {
                Err(RecvTimeoutError::Timeout) | Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Does once what is to be done about every second.
    pub(crate) fn pass(&mut self) {
        self.revise();
        for at in 0..self.venues.len() {
            self.step(at);
        }
    }

    /// Waits until nothing is being fetched any more: that takes a while by no clock of a test's.
    #[cfg(test)]
    pub(crate) fn settle(&mut self) {
        self.venues.iter_mut().filter_map(|of| of.fetching.as_mut()).for_each(Fetching::settle);
    }

    /// Takes an overlay that has changed; one that is wrong is said, and the one before stays.
    fn revise(&mut self) {
        let (_, now) = (self.times)();
        let overlay = self.config.maps.as_ref().and_then(|maps| maps.overlay.clone());
        let Some(path) = overlay.filter(|_| now >= self.overlay_at) else { return };
        self.overlay_at = now + OVERLAY_EVERY;
        let text = std::fs::read_to_string(&path).ok();
        if text == self.overlay {
            return;
        }
        self.overlay = text;
        match overlay_from(&path) {
            Ok(overlay) => {
                tracing::info!(overlay = %path.display(), "the calendars' overlay has changed");
                for of in &mut self.venues {
                    if let Some(days) = Days::of(&of.mapped, Some(&overlay)) {
                        of.timer.revise(days);
                    }
                }
                // Where nobody listens any more the handler ends.
                let _ = self.overlays.as_ref().map(|to| to.send(overlay));
            }
            Err(problems) => tracing::error!("the calendars stay as they were: {problems}"),
        }
    }

    fn step(&mut self, at: usize) {
        let (wall, now) = (self.times)();
        match self.venues[at].timer.poll(wall, now) {
            Wish::Nothing => {}
            Wish::End { date, heard } => {
                let (venue, until) = (self.venues[at].mapped.venue, self.venues[at].until);
                self.end(at, heard);
                tracing::info!(%venue, %date, "the trading date is over: Stale(NoMap) until the next map");
                let early = until.since(now);
                if early > EARLY {
                    let why = format!(
                        "its map ended {early} before its time: the wall clock was set, or the calendar's overlay \
                         has changed. What was heard until now proves nothing"
                    );
                    let of = &mut self.venues[at];
                    // It is why the date that is under way now has none.
                    let date = of.timer.today(wall).map_or(date, |today| today.date);
                    of.words.wrong(date, why.clone());
                    of.words.tell(date, false, why);
                }
            }
            // At once, and without a word: no map is in force.
            Wish::Forget { heard } => self.end(at, heard),
            Wish::Look { today, fetch, due } => {
                self.fetch(at, today, fetch, wall);
                self.look(at, (today, due), Lanes::Free);
            }
        }
    }

    /// Has a venue's map fetched where that is wanted, and hears how it went: nothing here waits for it.
    fn fetch(&mut self, at: usize, today: Today, wanted: bool, wall: Wall) {
        let (_, now) = (self.times)();
        let of = &mut self.venues[at];
        let venue = of.mapped.venue;
        // One that lasts until another date is of no use to that.
        of.fetching.take_if(|fetching| fetching.date() != today.date);
        let Some(fetching) = &of.fetching else {
            let Some(maps) = self.config.maps.as_ref().filter(|_| wanted) else { return };
            let Some(from) = maps.of(venue).filter(|from| from.fetch.is_some()) else {
                // Somebody puts it in force by hand.
                of.timer.fetched(today.date, true, Mono::NEVER);
                return;
            };
            let in_use = self.config.named_interfaces();
            let in_use = in_use.into_iter().map(str::to_owned).collect();
            of.fetching = Some(Fetching::start(maps, from, today.date, (wall, now), in_use));
            return;
        };
        let Some(fetched) = fetching.ended() else { return };
        of.fetching = None;
        let why = match fetched {
            Ok(fetched) => {
                fetched.notes.iter().for_each(|note| tracing::info!(%venue, "map: {note}"));
                match fetched.outcome {
                    Outcome::Loaded(loaded) => {
                        let own = loaded.new.then_some(loaded.pointer.digest);
                        of.fetched = own.or(of.fetched.take());
                        of.timer.fetched(today.date, true, now);
                        return of.words.mended();
                    }
                    Outcome::Kept(pointer) => {
                        let Pointer { digest, by, from, .. } = &pointer;
                        tracing::info!(%venue, digest, by, from, "map: put in force by name, and not fetched over");
                        of.timer.fetched(today.date, true, now);
                        return of.words.mended();
                    }
                    Outcome::Refused(why) => why.to_string(),
                    Outcome::Missing(why) => why,
                }
            }
            Err(why) => why,
        };
        of.timer.fetched(today.date, false, now);
        of.words.wrong(today.date, why);
    }

    /// Takes the map in force for a venue's date, unless it is the one that is here; or says why there is none.
    fn look(&mut self, at: usize, (today, due): (Today, bool), lanes: Lanes) {
        let (_, now) = (self.times)();
        let venue = self.venues[at].mapped.venue;
        let maps = self.config.maps.as_ref().map(|maps| maps.store.clone()).unwrap_or_default();
        let found = Store::open(&maps).and_then(|store| {
            let pointer = store.in_force(venue, today.date)?;
            Ok(pointer.map(|pointer| (store, pointer)))
        });
        let of = &mut self.venues[at];
        let held = of.timer.held() == Some(today.date);
        of.words.turn(today.date);
        let refused = |digest: &String| {
            let refused = of.refused.as_ref().filter(|(refused, _)| refused == digest);
            refused.map(|(_, why)| why.clone())
        };
        let why = match found {
            Ok(Some((_, pointer))) if held && pointer.digest == of.digest => {
                // One that could not be followed is in force no longer.
                of.refused = None;
                of.words.standing()
            }
            Ok(Some((_, pointer))) if refused(&pointer.digest).is_some() => {
                refused(&pointer.digest)
            }
            Ok(Some(_)) if lanes == Lanes::Busy && held => return,
            Ok(Some((_, pointer))) if lanes == Lanes::Busy => {
                let digest = pointer.digest.get(..12).unwrap_or(&pointer.digest);
                Some(format!("map {digest} waits for the lanes: one of them hangs"))
            }
            // What fetches it may have put it there and not said so yet: whose it is goes into the journal.
            Ok(Some((_, pointer)))
                if of.fetching.is_some() && of.seen.as_ref() != Some(&pointer.digest) =>
            {
                of.seen = Some(pointer.digest);
                return;
            }
            // One that can't be read now may be by the next look: a copy may bring its name first.
            Ok(Some((store, pointer))) => match store.read(&pointer.digest) {
                Err(error) => Some(error.to_string()),
                Ok(read) => match self.take(at, (&store, &read.map, &pointer), today) {
                    Ok(()) => return,
                    Err(why) => {
                        self.venues[at].refused = Some((pointer.digest, why.clone()));
                        Some(why)
                    }
                },
            },
            Ok(None) if due => of.words.standing().or_else(|| of.missing(today.date, &maps, now)),
            Ok(None) => of.words.standing(),
            Err(error) => Some(error.to_string()),
        };
        let words = &mut self.venues[at].words;
        match why {
            Some(why) => words.tell(today.date, held, why),
            None => words.well(today.date),
        }
    }

    /// Hands a map to the lanes, and waits until they have taken it; or why it can't be taken here.
    fn take(
        &mut self,
        at: usize,
        (store, map, pointer): (&Store, &Map, &Pointer),
        today: Today,
    ) -> Result<(), String> {
        let defined = |number| {
            let info = self.region.partition_when(number, candor_shm::clock::now);
            info.map_or(0, |info| info.symbols)
        };
        let of = &self.venues[at];
        let running = &self.config.partitions;
        let (after, steps) = shape::follow(&of.mapped, map, running, &self.places, &defined)?;
        let venue = of.mapped.venue;
        let listed = Arc::new(shape::listed(&after, venue));
        let (wall, now) = (self.times)();
        if wall >= today.ends {
            // The disk hung until the date was over.
            return Ok(());
        }
        let until = now + Nanos(today.ends.0.saturating_sub(wall.0));
        let anew = of.timer.held().is_none();
        // One that another of the date had come before may have moved what it moves since the morning.
        let before = resolve::superseded(store, pointer, Some(today.begins));
        let first = anew && before.is_ok_and(|before| before.is_empty());
        let (before, over) = (&of.listed, None);
        let (listed_now, under_way) = (&listed, Some(today));
        let news =
            New { venue, anew, first, before, listed: listed_now, until, over, today: under_way };
        let kept = (&self.region, &self.sessions);
        let changes = news.changes(&self.config, kept, &after, &steps);
        let in_force = Some(in_force(today.date, &pointer.digest));
        let difference = taken::between(store, &of.digest, map);
        for words in taken::words(&difference) {
            tracing::info!(%venue, "{words}");
        }
        let job = Job { venue, in_force, changes, after, steps, without: Vec::new() };
        let Some(job) = self.hand(job) else { return Ok(()) };
        let of = &mut self.venues[at];
        of.timer.taken(today.date, today.ends, wall);
        (of.listed, of.until, of.refused, of.seen) = (listed, until, None, None);
        let before = std::mem::replace(&mut of.digest, pointer.digest.clone());
        let fetched = of.fetched.take().is_some_and(|own| own == pointer.digest);
        let how = if fetched { How::Fetched } else { How::Found };
        let Job { after, steps, .. } = &job;
        let taken = Taken { pointer, how, before: &before, difference: &difference, after, steps };
        let (added, removed) = taken.names();
        let (date, digest, number) = (today.date, &pointer.digest, pointer.number);
        let (by, lines) = (&pointer.by, steps.lines.len());
        tracing::info!(%venue, %date, digest, number, by, added, removed, lines, "map in force");
        steps.notes.iter().for_each(|note| tracing::warn!(%venue, "{note}"));
        taken::record(&self.journal, &taken);
        let words = &mut self.venues[at].words;
        words.mended();
        words.well(date);
        self.journal.alerts().suspect(Suspect::Map, About::Venue(venue));
        for number in &job.steps.added {
            let made = &job.after[usize::from(*number)].lines;
            self.places[usize::from(*number)].made =
                Some(std::array::from_fn(|line| made[line].is_some()));
        }
        self.config.partitions = job.after;
        // The next map brings them anew: here they are nowhere.
        for (number, line) in job.without {
            self.config.partitions[usize::from(number)].lines[line.index()] = None;
        }
        Ok(())
    }

    /// Ends a venue's map here and now: what was heard before then is of a date that is over, or of none.
    fn end(&mut self, at: usize, heard: Mono) {
        // What was refused or missing for a date that is over is of no matter any more.
        self.venues[at].words.over();
        let of = &self.venues[at];
        let (venue, listed) = (of.mapped.venue, &of.listed);
        let (anew, first, today) = (false, false, None);
        let (until, over) = (Mono::NEVER, Some(heard));
        let news = New { venue, anew, first, before: listed, listed, until, over, today };
        let (after, steps) = (self.config.partitions.clone(), Steps::default());
        let kept = (&self.region, &self.sessions);
        let changes = news.changes(&self.config, kept, &after, &steps);
        let _ =
            self.hand(Job { venue, in_force: None, changes, after, steps, without: Vec::new() });
    }

    /// Says which venues have no map while the lanes are waited for, and has those fetched that are due.
    fn look_past(&mut self) {
        let (wall, now) = (self.times)();
        for at in 0..self.venues.len() {
            if let Some((today, fetch)) = self.venues[at].timer.lacks(wall, now) {
                self.fetch(at, today, fetch, wall);
                self.look(at, (today, true), Lanes::Busy);
            }
        }
    }

    /// Hands a job over and waits until it is done; `None` where the handler ends meanwhile. A lane that hangs holds
    /// up what maps change, and not what is said of those that are missing.
    fn hand(&mut self, job: Job) -> Option<Job> {
        self.to.send(job).ok()?;
        let (_, since) = (self.times)();
        // BOUND: the lanes move, or the handler ends.
        while !self.stop.load(Ordering::Relaxed) {
            match self.from.recv_timeout(Duration::from_nanos(LOOK_EVERY.0)) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Timeout) => {
                    if (self.times)().1.since(since) > LANE_WITHIN {
                        self.look_past();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        None
    }
}

/// A map that is in force, as the region says it. Its digest is one, or it would not be in the store.
pub(crate) fn in_force(date: TradingDate, digest: &str) -> InForce {
    let pair =
        |at: usize| digest.get(at * 2..at * 2 + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    InForce { date, digest: std::array::from_fn(|at| pair(at).unwrap_or(0)) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc;

    use candor_core::symbol::Text;

    use super::super::resolve;
    use super::super::tests::{Folder, MONDAY, TWO, config, map};
    use super::*;
    use crate::alert::Word;
    use crate::run::partition_spec;

    /// The thread of a handler that started on Monday with what is in the store, and what it hands over.
    fn monday(folder: &Folder) -> (Thread, Receiver<Job>) {
        let mut config = config("spare_partitions = 0", "");
        config.maps.as_mut().unwrap().store = folder.path().to_owned();
        let resolved = resolve(&config, MONDAY).unwrap();
        let mut spec = candor_shm::RegionSpec::new(Text::from_wire(b"t").unwrap());
        spec.lanes = 2;
        spec.partitions = resolved.config.partitions.iter().map(partition_spec).collect();
        let (_, _, region) = candor_shm::heap(&spec).unwrap();
        let times = Box::new(|| (MONDAY, Mono(1)));
        let (to, jobs) = mpsc::channel();
        // Nobody gives a job back: the thread takes it that the handler ends.
        let (_, from) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let sessions = Record::none();
        let resolved = (resolved, (MONDAY, Mono(1)));
        (Thread::new(resolved, region, (to, from), stop, times, (Journal::none(), sessions)), jobs)
    }

    fn look(thread: &mut Thread) {
        let Wish::Look { today, .. } = thread.venues[0].timer.poll(MONDAY, Mono(1)) else {
            panic!()
        };
        thread.look(0, (today, true), Lanes::Free);
    }

    #[test]
    fn a_map_that_can_not_be_read_now_is_taken_once_it_can() {
        let folder = Folder::new("unread");
        folder.put(&Map { date: TradingDate(20_261_120), ..map(&TWO) });
        let (mut thread, jobs) = monday(&folder);
        let new = map(&TWO);
        folder.put(&new);
        let digest = candor_maps::file::digest_text(&new);
        let there = folder.path().join("maps").join(digest);
        let away = folder.path().join("away");
        fs::rename(&there, &away).unwrap();
        look(&mut thread);
        let said = thread.journal.alerts().take();
        let Some(Word::Raise { text, .. }) = said else { panic!("{said:?}") };
        assert!(text.contains("no map with the digest"), "{text}");
        assert!(jobs.try_recv().is_err());
        fs::rename(&away, &there).unwrap();
        look(&mut thread);
        assert!(jobs.try_recv().is_ok(), "it is handed to the lanes");
    }

    #[test]
    fn a_start_undoes_nothing_that_was_put_in_force_since_the_morning() {
        let folder = Folder::new("corrected");
        folder.put(&Map { date: TradingDate(20_261_120), ..map(&TWO) });
        let fetches = |thread: &mut Thread| thread.venues[0].timer.poll(MONDAY, Mono(1));
        let (mut without, _) = monday(&folder);
        assert!(matches!(fetches(&mut without), Wish::Look { fetch: true, .. }));
        folder.put(&map(&TWO));
        let (mut with, _) = monday(&folder);
        assert!(matches!(fetches(&mut with), Wish::Look { fetch: false, .. }));
    }
}
