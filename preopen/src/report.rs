//! A check with its evidence, and what all of them come to.

use candor_core::{Reason, Symbol};

/// How a check came out; worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It holds in what matters; somebody should look.
    Warns,
    /// It could not be looked at.
    Unknown,
    /// It does not hold.
    Fails,
}

impl Verdict {
    /// Its name for people and programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Holds => "ok",
            Verdict::Warns => "warning",
            Verdict::Unknown => "unknown",
            Verdict::Fails => "no-go",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// What about: `map`, `lines`, `symbols`.
    pub name: &'static str,
    /// Of what: a venue, a partition, an interface; empty for the handler and the host.
    pub about: String,
    /// How it came out.
    pub verdict: Verdict,
    /// What was seen.
    pub evidence: String,
    /// What to do; empty where nothing is.
    pub to_do: String,
    /// Every symbol that it fails for, with what stands against it: the evidence names the first of them.
    pub symbols: Vec<(Symbol, Reason)>,
}

impl Check {
    /// One that holds.
    #[must_use]
    pub fn holds(
        name: &'static str,
        about: impl Into<String>,
        evidence: impl Into<String>,
    ) -> Check {
        Check {
            name,
            about: about.into(),
            verdict: Verdict::Holds,
            evidence: evidence.into(),
            to_do: String::new(),
            symbols: Vec::new(),
        }
    }

    /// One that does not, with what to do.
    #[must_use]
    pub fn not(
        verdict: Verdict,
        name: &'static str,
        about: impl Into<String>,
        evidence: impl Into<String>,
        to_do: impl Into<String>,
    ) -> Check {
        Check { verdict, to_do: to_do.into(), ..Check::holds(name, about, evidence) }
    }
}

/// What all checks come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Outcome {
    /// Everything holds.
    Go,
    /// Nothing speaks against the open; somebody should look at a warning.
    GoWithWarnings,
    /// Something does not hold.
    NoGo,
    /// Something could not be looked at, so that nobody knows.
    Unknown,
}

impl Outcome {
    /// Its name for people and programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Go => "go",
            Outcome::GoWithWarnings => "go with warnings",
            Outcome::NoGo => "no-go",
            Outcome::Unknown => "unknown",
        }
    }

    /// Whether nothing speaks against the open.
    #[must_use]
    pub const fn is_go(self) -> bool {
        matches!(self, Outcome::Go | Outcome::GoWithWarnings)
    }
}

/// Every check of one look.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// In the order in which they were made.
    pub checks: Vec<Check>,
}

impl Report {
    /// How many came out like this.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }

    /// Those that do not hold, or could not be looked at.
    pub fn wrong(&self) -> impl Iterator<Item = &Check> {
        let wrong = |check: &&Check| matches!(check.verdict, Verdict::Unknown | Verdict::Fails);
        self.checks.iter().filter(wrong)
    }

    /// What they come to: the worst. No check at all is no go.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.checks.iter().map(|check| check.verdict).max() {
            Some(Verdict::Holds) => Outcome::Go,
            Some(Verdict::Warns) => Outcome::GoWithWarnings,
            Some(Verdict::Fails) => Outcome::NoGo,
            Some(Verdict::Unknown) | None => Outcome::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_check_decides_and_none_is_no_go() {
        let report = |verdicts: &[Verdict]| Report {
            checks: verdicts.iter().map(|verdict| Check::not(*verdict, "a", "", "", "")).collect(),
        };
        let outcome = |verdicts: &[Verdict]| report(verdicts).outcome();
        assert_eq!(outcome(&[]), Outcome::Unknown);
        assert_eq!(outcome(&[Verdict::Holds, Verdict::Holds]), Outcome::Go);
        assert_eq!(outcome(&[Verdict::Warns, Verdict::Holds]), Outcome::GoWithWarnings);
        assert_eq!(outcome(&[Verdict::Unknown, Verdict::Warns]), Outcome::Unknown);
        assert_eq!(outcome(&[Verdict::Unknown, Verdict::Fails]), Outcome::NoGo);
        assert!(Outcome::GoWithWarnings.is_go() && !Outcome::Unknown.is_go());
        assert_eq!(report(&[Verdict::Warns, Verdict::Holds]).count(Verdict::Warns), 1);
    }
}
