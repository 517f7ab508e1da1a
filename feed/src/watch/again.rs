//! Lines of a map that could not be joined where they are: they are tried again until they can, and said as long as they
//! can't. What such a line has elsewhere is left then, and not before: it may bring something still.

use std::sync::Arc;

use candor_core::alert::Code;
use candor_core::{Line, Nanos};

use super::{Keeper, name};
use crate::alert::About;
use crate::config::{LineConfig, Partition};
use crate::exit::Failure;

/// How often.
pub(super) const EVERY: Nanos = Nanos::from_secs(10);

impl Keeper<'_> {
    /// Joins what is not joined of partitions that are.
    pub(super) fn join_again(&mut self) {
        let config = Arc::clone(&self.config);
        for (number, one) in (0u16..).zip(&config.partitions) {
            // What is where nothing can come from was said of its interface.
            let missing = one.lines().filter(|(line, at)| {
                !self.joins.holds_line(number, *line, at) && !self.is_absent(at)
            });
            let missing: Vec<(Line, LineConfig)> =
                missing.map(|(line, at)| (line, at.clone())).collect();
            // One that nobody wants has none.
            if !missing.is_empty() && self.joins.holds(number) {
                missing.iter().for_each(|(line, at)| self.join_line(number, *line, at));
            }
        }
    }

    fn join_line(&mut self, number: u16, line: Line, at: &LineConfig) {
        let partition = name(&self.config, number);
        let about = About::Line(number, line);
        match self.enter_line(number, line, at) {
            Ok(()) => {
                tracing::info!(partition, %line, group = %at.group, port = at.port, "the line is joined now");
                self.follow.journal().alerts().over(Code::LineNotJoined, about);
                let config = Arc::clone(&self.config);
                let left = self.joins.forget_elsewhere(number, line, Some(at));
                self.unname(number, line, &left, &config.partitions);
            }
            Err(error) => {
                let text = format!("{partition}: line {line} of the map can't be joined: {error}");
                self.follow.journal().alerts().raise(Code::LineNotJoined, about, text);
            }
        }
    }

    fn enter_line(&mut self, number: u16, line: Line, at: &LineConfig) -> Result<(), Failure> {
        if let Some(watch) = &mut self.watch {
            watch.name(number, line, at)?;
        }
        if self.joins.enter_line(number, line, at)? {
            return Ok(());
        }
        match self.watch {
            Some(_) => self.joins.add(number, line, at),
            None => Err(Failure::host("it has no socket")),
        }
    }

    /// Frames of these places are the host's again, but of those that a partition has.
    pub(super) fn unname(
        &mut self,
        number: u16,
        line: Line,
        left: &[LineConfig],
        partitions: &[Partition],
    ) {
        let Some(watch) = self.watch.as_mut() else { return };
        for at in left {
            let same = |(_, other): (Line, &LineConfig)| {
                (other.group, other.port, other.source) == (at.group, at.port, at.source)
            };
            if partitions.iter().any(|one| one.lines().any(same)) {
                continue;
            }
            if let Err(error) = watch.unname(at) {
                let partition = name(&self.config, number);
                tracing::error!(partition, %line, %error, "a line that the map has no longer is still named");
            }
        }
    }
}
