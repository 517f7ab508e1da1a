//! Every reason for Stale is made by a step of the drill, or by a test that is named here.

use std::fs;
use std::path::Path;

use candor::drill::steps::{STEPS, of};
use candor_core::Reason;

/// The reasons that no exchange can bring about from outside, each with the test that does.
fn made_by_a_test(reason: Reason) -> Option<(&'static str, &'static str)> {
    match reason {
        // A drill's handler is asked for no manifest: it would be one of the drill's own.
        Reason::NotAttested => Some((
            "feed/tests/attest/handler.rs",
            "another_binary_is_never_live_until_it_is_signed_for",
        )),
        // An exchange of the drill's breaks no specification.
        Reason::Quarantined => Some((
            "feed/tests/veth/damage.rs",
            "a_message_in_sequence_that_nobody_can_read_leaves_nothing_of_its_partition_live",
        )),
        Reason::SymbolQuarantined | Reason::SymbolRecovering => Some((
            "sim/tests/simulator.rs",
            "an_unknown_order_is_counted_and_quarantines_its_symbol",
        )),
        Reason::Lapped => {
            Some(("shm/tests/open.rs", "a_slot_whose_lock_stays_taken_is_stale_and_shows_no_book"))
        }
        _ => None,
    }
}

#[test]
fn every_reason_has_a_step_of_the_drill_or_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for reason in Reason::ALL {
        let steps = of(reason).count();
        match made_by_a_test(reason) {
            None => {
                assert!(steps > 0, "{reason}: no step of the drill makes it, and no test is named")
            }
            Some((file, test)) => {
                assert_eq!(steps, 0, "{reason}: the drill makes it; take the test out here");
                let text = fs::read_to_string(root.join(file)).expect(file);
                let body = body_of(&text, test);
                let body = body.unwrap_or_else(|| panic!("{reason}: no test {test} in {file}"));
                assert!(body.contains(&format!("{reason:?}")), "{reason}: not in {test}");
            }
        }
    }
}

/// What a test of this name does; none where nothing is run by it.
fn body_of<'a>(text: &'a str, test: &str) -> Option<&'a str> {
    let (_, behind) = text.split_once(&format!("#[test]\nfn {test}()"))?;
    Some(behind.split_once("\n}\n").map_or(behind, |(body, _)| body))
}

#[test]
fn steps_have_names_of_their_own_and_reasons() {
    for (at, step) in STEPS.iter().enumerate() {
        assert!(!step.reasons.is_empty(), "{}", step.name);
        assert!(STEPS[..at].iter().all(|other| other.name != step.name), "{}", step.name);
    }
}
