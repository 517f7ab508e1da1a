//! What a service wants to know of who asks. Never printed.

use core::fmt;

/// A user's name and password for SoupBinTCP, and a token for SNAP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    user: [u8; 6],
    password: [u8; 10],
    token: [u8; 40],
}

/// Why something can't be a credential. Does not say what it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CredentialsError {
    /// The user's name has more than 6 bytes, or others than printable ASCII.
    User,
    /// The password has more than 10 bytes, or others than printable ASCII.
    Password,
    /// The token has more than 40 bytes, or others than printable ASCII.
    Token,
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, len) = match self {
            CredentialsError::User => ("user", 6),
            CredentialsError::Password => ("password", 10),
            CredentialsError::Token => ("token", 40),
        };
        write!(f, "the {what} must be at most {len} characters of printable ASCII")
    }
}

impl std::error::Error for CredentialsError {}

impl Credentials {
    /// Nobody's: all blank.
    pub const BLANK: Credentials =
        Credentials { user: [b' '; 6], password: [b' '; 10], token: [b' '; 40] };

    /// A user's name of at most 6 characters and a password of at most 10.
    ///
    /// # Errors
    /// Which of them can't be one.
    pub fn new(user: &str, password: &str) -> Result<Credentials, CredentialsError> {
        Ok(Credentials {
            user: padded(user).ok_or(CredentialsError::User)?,
            password: padded(password).ok_or(CredentialsError::Password)?,
            ..Credentials::BLANK
        })
    }

    /// The same with this token of at most 40 characters.
    ///
    /// # Errors
    /// [`CredentialsError::Token`].
    pub fn with_token(self, token: &str) -> Result<Credentials, CredentialsError> {
        Ok(Credentials { token: padded(token).ok_or(CredentialsError::Token)?, ..self })
    }

    pub(crate) const fn user(&self) -> [u8; 6] {
        self.user
    }

    pub(crate) const fn password(&self) -> [u8; 10] {
        self.password
    }

    pub(crate) const fn token(&self) -> [u8; 40] {
        self.token
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(redacted)")
    }
}

fn padded<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_text = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_text { candor_decoders::alpha(text) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_them_is_printed() {
        let secret = Credentials::new("martha", "hunter2").unwrap().with_token("tttt").unwrap();
        let printed = format!("{secret:?} {secret:#?}");
        assert!(!["martha", "hunter", "tttt"].iter().any(|text| printed.contains(text)));
        assert_eq!(secret.password(), *b"hunter2   ");
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        assert_eq!(Credentials::new("seven77", ""), Err(CredentialsError::User));
        assert_eq!(Credentials::new("six666", "elevenchars"), Err(CredentialsError::Password));
        assert_eq!(Credentials::new("ümlaut", ""), Err(CredentialsError::User));
        assert_eq!(Credentials::new("a", "tab\t"), Err(CredentialsError::Password));
        let long = "x".repeat(41);
        assert_eq!(Credentials::BLANK.with_token(&long), Err(CredentialsError::Token));
        assert!(!CredentialsError::Token.to_string().contains('x'));
    }
}
