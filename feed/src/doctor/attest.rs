//! Whether what would start here is what a signed manifest allows.

use super::Finding;
use crate::attest::look::look;
use crate::attest::{Digests, judge};
use crate::config::Config;

/// Looks at the manifest as a start would, but for maps: those in force then are judged then.
pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) {
    let Some(attest) = &config.attest else { return };
    let subject = attest.manifest.display().to_string();
    let verdict = judge(&look(attest), &Digests::own(config.digest), &[]);
    if let Some(name) = verdict.manifest() {
        let found = format!("{name} allows this program and this configuration");
        findings.push(Finding::ok("attestation", &subject, found));
    }
    for why in verdict.why() {
        let advice = "sign a manifest that allows what is to run (`candor attest sign`), and put it there; until then \
                      every symbol is Stale(NotAttested)";
        findings.push(Finding::fail("attestation", &subject, why.as_str(), advice));
    }
}
