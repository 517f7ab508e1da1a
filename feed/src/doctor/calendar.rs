//! Whether the calendars know the days to come.

use candor_maps::calendar::Wall;

use super::Finding;
use crate::clock;
use crate::config::Config;
use crate::daily::ending::{self, Known, Left};

pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) {
    findings.extend(ending::look(config, Wall(clock::wall())).into_iter().map(finding));
}

fn finding(Known { venue, left, words }: Known) -> Finding {
    const CHECK: &str = "calendar";
    let venue = venue.as_str();
    match left {
        Left::Enough => Finding::ok(CHECK, venue, words),
        Left::Little => Finding::warn(CHECK, venue, words, ending::TO_DO),
        Left::Nothing => {
            let advice = format!("{}: until then every symbol is Stale(NoMap)", ending::TO_DO);
            Finding::fail(CHECK, venue, words, advice)
        }
    }
}
