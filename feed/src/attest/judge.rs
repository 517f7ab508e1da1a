//! Whether what runs is what a manifest allows.

use std::path::Path;

use candor_core::Venue;
use candor_shm::{Attested, InForce};

use super::manifest::Manifest;
use super::{OWN, binary};
use crate::sign::hex;

/// What a handler is, by its digests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Digests {
    /// SHA-256 of the program; or why it is not known.
    pub binary: Result<[u8; 32], String>,
    /// The configuration's ([`crate::config::Config::digest`]).
    pub configuration: [u8; 32],
    /// The region's layout.
    pub layout: u64,
}

impl Digests {
    /// Those of this process with this configuration. Reads the program's file: some ten milliseconds.
    #[must_use]
    pub fn own(configuration: [u8; 32]) -> Digests {
        let binary = binary(Path::new(OWN)).map_err(|error| error.to_string());
        Digests { binary, configuration, layout: candor_shm::layout_digest() }
    }

    /// The program's digest as it is shown; or why it is not known.
    #[must_use]
    pub fn binary_text(&self) -> String {
        match &self.binary {
            Ok(digest) => hex(digest),
            Err(error) => format!("can't be read: {error}"),
        }
    }
}

/// A venue and the map of it that is in force, or about to be.
pub type MapOf = (Venue, InForce);

/// Whether a handler may be Live as far as attestation goes. Nothing but this module makes one that holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict(Kind);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Kind {
    NotRequired,
    Attested { manifest: String },
    Refused(Vec<String>),
}

impl Verdict {
    /// Where no manifest is configured.
    #[must_use]
    pub const fn not_required() -> Verdict {
        Verdict(Kind::NotRequired)
    }

    /// Whether [`candor_core::Reason::NotAttested`] is ruled out.
    #[must_use]
    pub const fn holds(&self) -> bool {
        !matches!(self.0, Kind::Refused(_))
    }

    /// What differs, or what is wrong with the manifest; nothing where it holds.
    #[must_use]
    pub fn why(&self) -> &[String] {
        match &self.0 {
            Kind::Refused(why) => why,
            Kind::NotRequired | Kind::Attested { .. } => &[],
        }
    }

    /// The name of the manifest that allows what runs.
    #[must_use]
    pub fn manifest(&self) -> Option<&str> {
        match &self.0 {
            Kind::Attested { manifest } => Some(manifest),
            Kind::NotRequired | Kind::Refused(_) => None,
        }
    }

    /// As the region says it.
    #[must_use]
    pub const fn attested(&self) -> Attested {
        match self.0 {
            Kind::NotRequired => Attested::NotRequired,
            Kind::Attested { .. } => Attested::Yes,
            Kind::Refused(_) => Attested::No,
        }
    }
}

/// Whether what runs is what the manifest allows; `signed` is what was read of it last, or why that can't be
/// believed. Of a venue of which the manifest lists no map, any map may be in force.
#[must_use]
pub fn judge(signed: &Result<Manifest, String>, own: &Digests, maps: &[MapOf]) -> Verdict {
    let manifest = match signed {
        Ok(manifest) => manifest,
        Err(why) => return Verdict(Kind::Refused(vec![why.clone()])),
    };
    let mut why = Vec::new();
    match &own.binary {
        Ok(binary) => why.extend(differs("the binary", &manifest.binary, &hex(binary))),
        Err(error) => why.push(format!("the binary can't be read: {error}")),
    }
    let configuration = hex(&own.configuration);
    why.extend(differs("the configuration", &manifest.configuration, &configuration));
    why.extend(differs("the layout", &manifest.layout, &format!("{:016x}", own.layout)));
    for (venue, InForce { date, digest }) in maps {
        let listed = || manifest.maps.iter().filter(|map| map.venue == *venue);
        if listed().next().is_none() {
            continue;
        }
        let allowed: Vec<String> =
            listed().filter(|map| map.date == *date).map(|map| map.digest.clone()).collect();
        why.extend(differs(&format!("the map of {venue} for {date}"), &allowed, &hex(digest)));
    }
    match why.is_empty() {
        true => Verdict(Kind::Attested { manifest: manifest.name.clone() }),
        false => Verdict(Kind::Refused(why)),
    }
}

/// In words, where what was found is none of what is allowed.
fn differs(what: &str, allowed: &[String], found: &str) -> Option<String> {
    if allowed.iter().any(|one| one == found) {
        return None;
    }
    let expected = match allowed {
        [] => "none".to_owned(),
        some => some.join(" or "),
    };
    Some(format!("{what} is another: expected {expected}, found {found}"))
}

#[cfg(test)]
mod tests {
    use candor_core::TradingDate;

    use super::super::manifest::Allowed;
    use super::*;

    const DATE: TradingDate = TradingDate(20_261_123);

    fn venue(name: &str) -> Venue {
        Venue::from_wire(name.as_bytes()).unwrap()
    }

    fn own() -> Digests {
        Digests { binary: Ok([1; 32]), configuration: [2; 32], layout: 3 }
    }

    fn manifest() -> Manifest {
        let other = "f".repeat(64);
        Manifest {
            name: "m".to_owned(),
            binary: vec![other.clone(), "01".repeat(32)],
            configuration: vec!["02".repeat(32), other],
            layout: vec!["0000000000000003".to_owned()],
            maps: vec![Allowed { venue: venue("XNAS"), date: DATE, digest: "a".repeat(64) }],
        }
    }

    fn map(name: &str, date: u32, byte: u8) -> MapOf {
        (venue(name), InForce { date: TradingDate(date), digest: [byte; 32] })
    }

    #[test]
    fn everything_must_be_allowed_and_each_thing_that_is_not_is_named() {
        let held = |signed: &Manifest, own: &Digests, maps: &[MapOf]| {
            judge(&Ok(signed.clone()), own, maps)
        };
        assert!(held(&manifest(), &own(), &[]).holds(), "the second binary of two");
        assert_eq!(held(&manifest(), &own(), &[]).manifest(), Some("m"));
        let all = [map("XNAS", 20_261_123, 0xaa), map("IEXG", 20_261_123, 0xbb)];
        assert!(held(&manifest(), &own(), &all).holds(), "of IEXG nothing is listed");
        for (own, maps, says) in [
            (
                Digests { binary: Ok([9; 32]), ..own() },
                &[][..],
                "the binary is another: expected ff",
            ),
            (
                Digests { binary: Err("gone".to_owned()), ..own() },
                &[],
                "the binary can't be read: gone",
            ),
            (Digests { configuration: [9; 32], ..own() }, &[], "the configuration is another"),
            (
                Digests { layout: 4, ..own() },
                &[],
                "the layout is another: expected 0000000000000003, found 00",
            ),
            (
                own(),
                &[map("XNAS", 20_261_123, 0xbb)],
                "the map of XNAS for 2026-11-23 is another: expected aa",
            ),
            (
                own(),
                &[map("XNAS", 20_261_124, 0xaa)],
                "for 2026-11-24 is another: expected none, found aa",
            ),
            (own(), &[all[0], map("XNAS", 20_261_123, 0xcc)], "found cc"),
        ] {
            let verdict = held(&manifest(), &own, maps);
            assert_eq!((verdict.holds(), verdict.attested()), (false, Attested::No));
            let [why] = verdict.why() else { panic!("{verdict:?}") };
            assert!(why.contains(says), "{why}");
        }
        let wrong = Digests { binary: Ok([9; 32]), configuration: [9; 32], layout: 9 };
        assert_eq!(held(&manifest(), &wrong, &[]).why().len(), 3);
    }

    #[test]
    fn no_manifest_that_can_be_believed_is_no_attestation() {
        let verdict = judge(&Err("is not there".to_owned()), &own(), &[]);
        assert_eq!(verdict.why(), ["is not there"]);
        assert!(!verdict.holds());
        assert!(Verdict::not_required().holds());
        assert_eq!(Verdict::not_required().attested(), Attested::NotRequired);
    }
}
