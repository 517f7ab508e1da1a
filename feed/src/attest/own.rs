//! The handler's own thread's part: what runs, what the manifest says of it, and whether that agrees.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use candor_core::alert::Code;
use candor_core::{Mono, Status, Venue};
use candor_journal::Fields;
use candor_shm::{HandlerWriter, InForce};

use super::judge::{Digests, MapOf, Verdict, judge};
use super::look::{Looks, Signed, look};
use crate::alert::About;
use crate::config;
use crate::exit::Failure;
use crate::journal::Journal;
use crate::run;

/// What a running handler knows of its attestation.
pub(crate) struct Attest {
    own: Digests,
    /// `None` where no manifest is configured.
    required: Option<Required>,
    /// The maps in force, and those that lanes are taking.
    maps: Vec<MapOf>,
    verdict: Verdict,
}

struct Required {
    signed: Signed,
    /// `None` until its thread runs.
    looks: Option<Looks>,
    hangs: bool,
}

impl Attest {
    /// Judges what starts here with these maps in force: the manifest is read now, before anything is Live.
    pub(crate) fn begin(config: Option<&config::Attest>, own: Digests, maps: Vec<MapOf>) -> Attest {
        let required =
            config.map(|config| Required { signed: look(config), looks: None, hangs: false });
        let mut attest = Attest { own, required, maps, verdict: Verdict::not_required() };
        attest.judge();
        attest
    }

    /// As [`Attest::begin`], and starts looking at the manifest.
    pub(crate) fn start(
        config: Option<&config::Attest>,
        own: Digests,
        maps: Vec<MapOf>,
        stop: &Arc<AtomicBool>,
    ) -> Result<Attest, Failure> {
        let mut attest = Attest::begin(config, own, maps);
        if let Some((required, config)) = attest.required.as_mut().zip(config) {
            let first = required.signed.clone();
            required.looks = Some(Looks::start(config.clone(), first, stop)?);
        }
        Ok(attest)
    }

    /// Has the handler say what it is as a whole, once its lanes run; the status that it says.
    pub(crate) fn declare(
        &self,
        handler: &mut HandlerWriter,
        now: Mono,
        journal: &Journal,
    ) -> Status {
        let standing = run::handler_status(true, &self.verdict);
        handler.set_status(standing, now);
        handler.set_attested(self.verdict.attested());
        self.tell(None, journal);
        standing
    }

    pub(crate) fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    pub(crate) fn own(&self) -> &Digests {
        &self.own
    }

    /// Takes what was found since; whether the verdict is another.
    pub(crate) fn tick(&mut self, now: Mono) -> bool {
        let Some(Required { signed, looks: Some(looks), hangs }) = &mut self.required else {
            return false;
        };
        let (news, hung) = (looks.news(), looks.hangs(now));
        if news.is_none() && hung == *hangs {
            return false;
        }
        *hangs = hung;
        if let Some(news) = news {
            *signed = news;
        }
        self.judge()
    }

    /// Lanes are about to take this map: it counts from here on, beside the one that they have.
    pub(crate) fn comes(&mut self, venue: Venue, map: Option<&InForce>) -> bool {
        self.maps.extend(map.map(|map| (venue, *map)));
        self.judge()
    }

    /// Every lane has taken it, or has ended the one before: nothing else of the venue is in force.
    pub(crate) fn taken(&mut self, venue: Venue, map: Option<&InForce>) -> bool {
        self.maps.retain(|(own, _)| *own != venue);
        self.maps.extend(map.map(|map| (venue, *map)));
        self.judge()
    }

    fn judge(&mut self) -> bool {
        let verdict = match &self.required {
            None => Verdict::not_required(),
            Some(required) if required.hangs => {
                let why = "the manifest can't be read: its disk does not answer".to_owned();
                judge(&Err(why), &self.own, &self.maps)
            }
            Some(required) => judge(&required.signed, &self.own, &self.maps),
        };
        let other = verdict != self.verdict;
        self.verdict = verdict;
        other
    }

    /// Writes the verdict down; `before` is whether the one before it held, where there was one.
    pub(crate) fn tell(&self, before: Option<bool>, journal: &Journal) {
        let fields = Fields::new().text("attested", self.verdict.attested().label());
        if self.verdict.holds() {
            let Some(manifest) = self.verdict.manifest() else { return };
            journal.record("attest", fields.text("manifest", manifest));
            tracing::info!(manifest, "attested");
            if before == Some(false) {
                journal.alerts().end(Code::NotAttested, About::Handler);
            }
            return;
        }
        let why = self.verdict.why();
        journal.record("attest", fields.list("differs", why));
        // Each time: an alert that runs has the text it began with.
        for why in why {
            tracing::error!("every symbol is Stale(NotAttested): {why}");
        }
        let text = format!("every symbol is Stale(NotAttested): {}", why.join("; "));
        journal.alerts().raise(Code::NotAttested, About::Handler, text);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use candor_core::TradingDate;

    use super::super::manifest::{Allowed, Manifest};
    use super::*;
    use crate::sign::hex;

    const DATE: TradingDate = TradingDate(20_261_123);

    fn venue() -> Venue {
        Venue::from_wire(b"XNAS").unwrap()
    }

    fn map(byte: u8) -> InForce {
        InForce { date: DATE, digest: [byte; 32] }
    }

    fn manifest(maps: &[u8]) -> Manifest {
        let allowed = |byte: &u8| Allowed { venue: venue(), date: DATE, digest: hex(&[*byte; 32]) };
        Manifest {
            name: "m".to_owned(),
            binary: vec![hex(&[1; 32])],
            configuration: vec![hex(&[2; 32])],
            layout: vec!["0000000000000003".to_owned()],
            maps: maps.iter().map(allowed).collect(),
        }
    }

    fn attest(signed: Signed, looks: Option<Looks>) -> Attest {
        let own = Digests { binary: Ok([1; 32]), configuration: [2; 32], layout: 3 };
        let required = Some(Required { signed, looks, hangs: false });
        let (maps, verdict) = (Vec::new(), Verdict::not_required());
        let mut attest = Attest { own, required, maps, verdict };
        attest.judge();
        attest
    }

    #[test]
    fn a_map_counts_from_before_the_first_lane_has_it_until_the_last_has_the_next() {
        let mut attest = attest(Ok(manifest(&[5, 7])), None);
        let held = |attest: &Attest| attest.verdict().holds();
        assert!(held(&attest), "no map is in force yet");
        assert!(!attest.comes(venue(), Some(&map(5))) && held(&attest));
        assert!(!attest.taken(venue(), Some(&map(5))) && held(&attest));
        assert!(attest.comes(venue(), Some(&map(6))), "said before a lane has it");
        assert!(!held(&attest));
        assert!(!attest.taken(venue(), Some(&map(6))) && !held(&attest));
        assert!(
            !attest.comes(venue(), Some(&map(7))) && !held(&attest),
            "a lane may have the other still"
        );
        assert!(attest.taken(venue(), Some(&map(7))) && held(&attest));
        // One that ends.
        assert!(attest.comes(venue(), Some(&map(6))));
        attest.taken(venue(), Some(&map(6)));
        assert!(!attest.comes(venue(), None) && !held(&attest), "until every lane has ended it");
        assert!(attest.taken(venue(), None) && held(&attest));
    }

    #[test]
    fn a_manifest_that_cannot_be_looked_at_any_more_is_none() {
        let (looks, to, looked) = Looks::by_hand();
        let mut attest = attest(Ok(manifest(&[])), Some(looks));
        let second = |s: u64| Mono(s * 1_000_000_000);
        assert!(!attest.tick(second(9)) && attest.verdict().holds());
        assert!(attest.tick(second(10)));
        assert_eq!(
            attest.verdict().why(),
            ["the manifest can't be read: its disk does not answer"]
        );
        assert!(!attest.tick(second(11)), "said once");
        looked.store(second(12).0, Ordering::Relaxed);
        assert!(attest.tick(second(13)) && attest.verdict().holds(), "it is back");
        to.send(Err("is not there".to_owned())).unwrap();
        to.send(Err("is wrong".to_owned())).unwrap();
        assert!(attest.tick(second(14)));
        assert_eq!(attest.verdict().why(), ["is wrong"], "what was found last");
    }

    #[test]
    fn nothing_is_asked_where_nothing_is_required() {
        let own = Digests { binary: Err(String::new()), configuration: [0; 32], layout: 0 };
        let mut attest = Attest::begin(None, own, Vec::new());
        assert!(!attest.comes(venue(), Some(&map(1))));
        assert!(!attest.tick(Mono(1)) && attest.verdict().holds());
    }
}
