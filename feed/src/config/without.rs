//! Interfaces that a run does without: a card that is missing takes its lines along, and no partition that has
//! another line.

use super::{Config, LineConfig, Partition};
use crate::exit::Failure;

impl Config {
    /// Whether a line is on an interface that this run does without.
    #[must_use]
    pub fn is_without(&self, line: &LineConfig) -> bool {
        self.without.contains(&line.interface)
    }

    /// Whether any line of a partition is to be joined.
    #[must_use]
    pub fn joins(&self, partition: &Partition) -> bool {
        partition.subscribe && partition.lines().any(|(_, line)| !self.is_without(line))
    }

    /// Refuses to do without an interface that is not in use, most likely a slip, and without all that are.
    ///
    /// # Errors
    /// As a wrong command line, naming the interface and those that are in use.
    pub fn require_rest(&self) -> Result<(), Failure> {
        let all = self.named_interfaces();
        for name in &self.without {
            if !all.contains(&name.as_str()) {
                return Err(Failure::usage(format!(
                    "--without {name}: no line of the configuration, or of a map in force, is on {name}; in use \
                     are: {}",
                    all.join(", ")
                )));
            }
        }
        if !self.without.is_empty() && all.iter().all(|name| self.without.iter().any(|w| w == name))
        {
            let without = self.without.join(" --without ");
            return Err(Failure::usage(format!(
                "--without {without}: nothing is left to receive from; leave one of them in"
            )));
        }
        Ok(())
    }

    /// Every interface that a line is on, or would be by a map that names none, each once.
    pub(crate) fn named_interfaces(&self) -> Vec<&str> {
        let lines = self.partitions.iter().flat_map(Partition::lines);
        let lines = lines.map(|(_, line)| line.interface.as_str());
        let mapped = self.mapped.iter().map(|mapped| mapped.interface.as_str());
        let mut names: Vec<&str> = Vec::new();
        for name in lines.chain(mapped) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, parse_text};
    use crate::exit::Exit;

    const TEXT: &str = r#"
[handler]
name = "h"
region = "/dev/shm/h"
[source]
kind = "udp"
interface = "eth1"
[[lane]]
[[venue]]
name = "XNAS"
feed = "nasdaq-itch50"
[[venue.partition]]
name = "1"
lane = 0
lines.A = { group = "239.1.1.1", port = 26400 }
lines.B = { group = "239.1.1.2", port = 26400, interface = "eth2" }
[[venue.partition]]
name = "2"
lane = 0
lines.B = { group = "239.1.1.3", port = 26400, interface = "eth2" }
"#;

    fn without(names: &[&str]) -> Config {
        let without = names.iter().map(|name| (*name).to_owned()).collect();
        Config { without, ..parse_text(Path::new("c.toml"), TEXT).unwrap() }
    }

    #[test]
    fn what_is_left_out_is_no_line_to_join_and_no_interface_in_use() {
        let config = without(&["eth2"]);
        assert_eq!(config.require_rest(), Ok(()));
        assert_eq!(config.interfaces(), ["eth1"]);
        assert_eq!(config.subscribed_lines().count(), 1);
        let joins = config.partitions.iter().map(|one| config.joins(one));
        assert!(joins.eq([true, false]), "nothing is left of the second");
        assert_eq!(without(&[]).subscribed_lines().count(), 3);
    }

    #[test]
    fn an_interface_that_is_not_in_use_and_all_that_are_can_not_be_left_out() {
        for (names, says) in [
            (
                &["eth3"][..],
                "--without eth3: no line of the configuration, or of a map in force, is on eth3; \
                in use are: eth1, eth2",
            ),
            (&["eth1", "eth2"], "nothing is left to receive from"),
        ] {
            let failure = without(names).require_rest().unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.message.contains(says), "{failure}");
        }
    }
}
