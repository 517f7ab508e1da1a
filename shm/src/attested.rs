//! What a handler says of its attestation.

/// Whether what runs is what a signed manifest allows, as the handler says it. For display and for comparing
/// hosts: what may be used is told by the state words, which a handler that is not attested never makes Live.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Attested {
    /// Nothing is said, or something that this version does not know.
    #[default]
    Unsaid = 0,
    /// No manifest is configured.
    NotRequired = 1,
    /// A manifest is configured, and this is not what it allows, or it can't be believed.
    No = 2,
    /// A manifest is configured, is signed by the right key, and allows this.
    Yes = 3,
}

impl Attested {
    /// As an operator reads it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Attested::Unsaid => "not said",
            Attested::NotRequired => "not required",
            Attested::No => "no",
            Attested::Yes => "yes",
        }
    }

    pub(crate) const fn word(self) -> u64 {
        self as u64
    }

    pub(crate) const fn of(word: u64) -> Attested {
        match word {
            1 => Attested::NotRequired,
            2 => Attested::No,
            3 => Attested::Yes,
            _ => Attested::Unsaid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_said() {
        for one in [Attested::Unsaid, Attested::NotRequired, Attested::No, Attested::Yes] {
            assert_eq!(Attested::of(one.word()), one);
        }
        assert_eq!(Attested::of(4), Attested::Unsaid);
        assert_eq!(Attested::of(u64::MAX), Attested::Unsaid);
    }
}
