//! Interfaces that are not there: one that has gone since the start, and those that the handler was started
//! without. Neither is used again before the handler starts anew, and each is one alert, however many lines are on it.

use candor_core::Line;
use candor_core::alert::Code;

use super::{Keeper, name};
use crate::alert::About;
use crate::config::{Config, LineConfig, Partition};
use crate::exit::Failure;

/// Partitions or lines named.
const NAMED: usize = 3;

impl Keeper<'_> {
    /// Looks which interfaces have gone since. Their memberships and programs are let go of.
    ///
    /// # Errors
    /// None is left: nothing will ever come again.
    pub(super) fn look_for_gone(&mut self) -> Result<(), Failure> {
        // Found by the look before this one, so that the alert is out.
        if self.joins.all_lost() {
            return Err(Failure::host(
                "every interface that anything is joined on is gone: start the handler again when one is back",
            ));
        }
        let mut gone = self.joins.missing();
        if let Some(watch) = &self.watch {
            gone.extend(watch.gone().map(|(name, index)| (name.to_owned(), index)));
        }
        for (interface, ifindex) in gone {
            if !self.joins.lose(&interface, ifindex) {
                continue;
            }
            if let Some(watch) = &mut self.watch {
                watch.lose(ifindex);
            }
            let text = self.what_goes(&interface);
            let alerts = self.follow.journal().alerts();
            alerts.raise(Code::Interface, About::Interface(interface), text);
        }
        Ok(())
    }

    /// What is left of the partitions with a line on an interface that is gone.
    fn what_goes(&self, interface: &str) -> String {
        let (mut one, mut none) = (Vec::new(), Vec::new());
        let held = (0u16..).zip(&self.config.partitions).filter(|(at, _)| self.joins.holds(*at));
        for (number, partition) in held {
            if partition.lines().all(|(_, at)| at.interface != interface) {
                continue;
            }
            match partition.lines().filter(|(_, at)| !self.is_absent(at)).count() {
                0 => none.push(name(&self.config, number)),
                1 => one.push(name(&self.config, number)),
                _ => {}
            }
        }
        let meanwhile = if self.joins.all_lost() {
            String::new()
        } else {
            format!("; until then it can be started with `--without {interface}`")
        };
        format!(
            "{interface} is gone: removed, or moved to another namespace. On one line alone from here on: {}; \
             without any line: {}. When it is back, start the handler again{meanwhile}",
            some(one),
            some(none)
        )
    }

    /// Whether a line is where nothing can come from.
    pub(super) fn is_absent(&self, at: &LineConfig) -> bool {
        self.config.is_without(at) || self.joins.is_lost(&at.interface)
    }

    /// Why nothing is joined there, and what to do.
    pub(super) fn not_there(&self, at: &LineConfig) -> Failure {
        let why = if self.config.is_without(at) { "was left out at the start" } else { "is gone" };
        Failure::config(format!("{} {why}: start the handler again when it is there", at.interface))
    }

    /// Says again which lines are not joined, as they are on an interface that the handler was started without.
    pub(super) fn tell_without(&self) {
        for interface in &self.config.without {
            let lines = lines_on(&self.config, interface).collect::<Vec<_>>();
            if lines.is_empty() {
                continue;
            }
            let text = format!(
                "not joined, since {interface} was left out at the start (`--without`): {}. When it is back, start \
                 the handler again",
                some(lines)
            );
            let about = About::Interface(interface.clone());
            self.follow.journal().alerts().raise(Code::LineNotJoined, about, text);
        }
    }
}

/// The lines that would be joined on an interface, as a person calls them.
fn lines_on<'a>(config: &'a Config, interface: &'a str) -> impl Iterator<Item = String> + 'a {
    let of = |(number, one): (u16, &'a Partition)| {
        one.lines().map(move |(line, at): (Line, &LineConfig)| (number, line, at))
    };
    let wanted = (0u16..).zip(&config.partitions).filter(|(_, one)| one.subscribe);
    let lines = wanted.flat_map(of).filter(move |(_, _, at)| at.interface == interface);
    lines.map(|(number, line, _)| format!("line {line} of {}", name(config, number)))
}

/// A few of many, with how many there are besides.
fn some(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    match (names.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (_, 0) => names.join(", "),
        (_, more) => format!("{} and {more} more", names.join(", ")),
    }
}

/// Says each line that the handler starts without.
pub(crate) fn tell_lines(config: &Config) {
    for interface in &config.without {
        for line in lines_on(config, interface) {
            tracing::warn!(interface, "--without: {line} is not joined");
        }
    }
}
