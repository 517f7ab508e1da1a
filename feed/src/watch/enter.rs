//! Partitions that an operator subscribes to, and leaves.

use std::sync::Arc;

use super::Keeper;
use crate::config::Partition;
use crate::exit::Failure;

impl Keeper<'_> {
    /// Joins what is not joined of a partition. Whether there was anything.
    pub(super) fn enter(&mut self, number: u16, partition: &Partition) -> Result<bool, Failure> {
        let mut changed = false;
        // One whose interface is not there keeps no other from being joined.
        let (away, lines): (Vec<_>, Vec<_>) =
            partition.lines().partition(|(_, at)| self.is_absent(at));
        if let ([], Some((_, at))) = (&lines[..], away.first()) {
            return Err(self.not_there(at));
        }
        for &(line, at) in &lines {
            match &mut self.watch {
                Some(watch) => watch.name(number, line, at)?,
                None if self.joins.has(number, line, at) => {}
                None => {
                    return Err(Failure::config(format!(
                        "line {line} ({}:{} on {}) had no socket when the handler started: look with \
                         `candor doctor`, set `subscribe = true` and start the handler again",
                        at.group, at.port, at.interface
                    )));
                }
            }
        }
        for (line, at) in lines {
            if !self.joins.has(number, line, at) {
                self.joins.add(number, line, at)?;
                changed = true;
            }
            // Where it was before a map that could not be followed then.
            let left = self.joins.forget_elsewhere(number, line, Some(at));
            let config = Arc::clone(&self.config);
            self.unname(number, line, &left, &config.partitions);
        }
        Ok(self.joins.enter(number)? || changed)
    }

    /// Leaves a partition's lines. Whether any was joined.
    pub(super) fn leave(&mut self, number: u16, partition: &Partition) -> Result<bool, Failure> {
        let left = self.joins.leave(number);
        if let Some(watch) = &mut self.watch {
            for (_, at) in partition.lines() {
                watch.unname(at)?;
            }
        }
        Ok(left)
    }
}
