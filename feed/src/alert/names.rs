//! What the machine's places are called.

use std::net::Ipv4Addr;

use candor_core::Venue;
use candor_engine::alerts::{Place, Seat};

use super::About;
use crate::config::{Config, Partition};
use crate::journal;

/// Names by number, in order of first sight. They grow with what configurations and maps name.
#[derive(Default)]
pub(super) struct Names {
    venues: Vec<Venue>,
    interfaces: Vec<String>,
    groups: Vec<Ipv4Addr>,
    sources: Vec<Ipv4Addr>,
}

/// The number of a name.
fn number<T: PartialEq>(names: &mut Vec<T>, name: T) -> u16 {
    let known = names.iter().position(|known| *known == name);
    let at = known.unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    });
    u16::try_from(at).unwrap_or(u16::MAX)
}

impl Names {
    /// The partitions of a venue as the journal names them, in their order; none for another place.
    pub(super) fn partitions(&self, config: &Config, place: Place) -> Vec<String> {
        let Place::Venue(number) = place else { return Vec::new() };
        let Some(venue) = self.venues.get(usize::from(number)) else { return Vec::new() };
        let own = (0u16..).zip(&config.partitions).filter(|(_, one)| one.venue == *venue);
        own.map(|(number, _)| journal::name(config, number)).collect()
    }

    /// Where every partition is.
    pub(super) fn seats(&mut self, config: &Config) -> Vec<Seat> {
        config.partitions.iter().map(|partition| self.seat(partition)).collect()
    }

    fn seat(&mut self, partition: &Partition) -> Seat {
        if partition.is_spare() {
            return Seat::new([]);
        }
        let venue = number(&mut self.venues, partition.venue);
        let mut places = vec![Place::Venue(venue), Place::Lane(partition.lane)];
        for (_, at) in partition.lines() {
            places.push(Place::Interface(number(&mut self.interfaces, at.interface.clone())));
            places.push(Place::Group(number(&mut self.groups, at.group)));
            let source = at.source.map(|source| number(&mut self.sources, source));
            places.extend(source.map(Place::Source));
        }
        Seat::new(places)
    }

    pub(super) fn place(&mut self, about: &About) -> Place {
        match about {
            About::Handler => Place::Handler,
            About::Venue(venue) => Place::Venue(number(&mut self.venues, *venue)),
            About::Interface(name) => Place::Interface(number(&mut self.interfaces, name.clone())),
            About::Partition(partition) => Place::Partition(*partition),
            About::Line(partition, line) => Place::Line(*partition, *line),
        }
    }

    /// A place in words: `venue XNAS`, `partition XNAS/1`.
    pub(super) fn name(&self, config: &Config, place: Place) -> String {
        let named = |what: &str, name: Option<String>| {
            format!("{what} {}", name.unwrap_or_else(|| "?".to_owned()))
        };
        let text = |at: Option<&Ipv4Addr>| at.map(ToString::to_string);
        match place {
            Place::Handler => "handler".to_owned(),
            Place::Venue(at) => {
                named("venue", self.venues.get(usize::from(at)).map(ToString::to_string))
            }
            Place::Interface(at) => {
                named("interface", self.interfaces.get(usize::from(at)).cloned())
            }
            Place::Lane(at) => format!("lane {at}"),
            Place::Group(at) => named("group", text(self.groups.get(usize::from(at)))),
            Place::Source(at) => named("source", text(self.sources.get(usize::from(at)))),
            Place::Partition(at) => format!("partition {}", journal::name(config, at)),
            Place::Line(at, line) => format!("line {line} of {}", journal::name(config, at)),
        }
    }
}
