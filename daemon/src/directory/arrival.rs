//! Users who come by logging in: an OpenID provider vouches for somebody, and the settings say what the claims come to. What
//! becomes of that is in `welcome`.
//!
//! Nothing here knows how a token is checked. People are told apart by issuer and subject, and by nothing else.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use identity::{AbsolutePath, Email, Gecos, Gid, Name, Uid};
use zeroize::Zeroizing;

use super::Error;
use crate::limits::MAX_CLAIM_BYTES;

/// The longest issuer, in bytes: a URL, of which the providers that there are need a hundred.
const MAX_ISSUER_BYTES: usize = 512;

/// Who somebody is to an OpenID provider, for ever: names and addresses change hands there, this does not. Compared byte by
/// byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    issuer: String,
    subject: String,
}

impl Identity {
    /// Of a provider's `iss` and `sub`: printable ASCII, as they must be, without a space at an end, which databases overlook.
    pub fn new(issuer: &str, subject: &str) -> Result<Self, Error> {
        check("issuer", issuer, MAX_ISSUER_BYTES)?;
        check("subject", subject, MAX_CLAIM_BYTES)?;
        Ok(Self { issuer: issuer.to_owned(), subject: subject.to_owned() })
    }

    /// Which provider.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Who there.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

/// As it stands in messages, and as `podyctl identity` takes it from a shell: it comes from elsewhere, and admins paste it.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", in_shell(&self.issuer), in_shell(&self.subject))
    }
}

/// One word of a POSIX shell (sh(1), section "Quoting").
fn in_shell(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/._-@%+=,".contains(&byte);
    match text.bytes().all(is_plain) {
        true => text.into(),
        false => format!("'{}'", text.replace('\'', r"'\''")).into(),
    }
}

fn check(field: &'static str, text: &str, longest: usize) -> Result<(), Error> {
    if text.is_empty() {
        return Err(Error::invalid(field, "it must not be empty"));
    }
    if text.len() > longest {
        return Err(Error::invalid(field, format!("it has {} bytes, and may have {longest}", text.len())));
    }
    if text.trim_matches(' ') != text {
        return Err(Error::invalid(field, "it must not begin or end with a space"));
    }
    match text.chars().find(|c| !c.is_ascii_graphic() && *c != ' ') {
        Some(odd) => {
            Err(Error::invalid(field, format!("{odd:?} cannot be part of it: it is printable ASCII")))
        }
        None => Ok(()),
    }
}

/// An identity and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// The user; of a deleted one, the name at the end.
    pub name: Name,
    /// Whether that user was deleted, and this person is therefore not created again.
    pub is_deleted: bool,
    /// The identity.
    pub identity: Identity,
}

/// What is kept for somebody who is about to log in for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Its identity, and the user's who comes of it.
    pub uuid: String,
    /// The login name.
    pub name: Name,
    /// The user id.
    pub uid: Uid,
    /// The id of the private group.
    pub gid: Gid,
    /// The home directory.
    pub home: AbsolutePath,
    /// The login shell.
    pub shell: AbsolutePath,
    /// When it runs out, in seconds since 1970.
    pub expires_at: i64,
}

/// Somebody whom an OpenID provider has vouched for, with what the settings make of the claims. `Debug` shows who, and not
/// the token.
#[derive(Clone)]
pub struct Arrival {
    /// Who it is.
    pub identity: Identity,
    /// The name that is logging in.
    pub asked: Name,
    /// The name that the claims come to; none: they have none that could be one.
    pub mapped: Option<Name>,
    /// Whether such a person may become a user, or why not, as a sentence.
    pub may_create: Result<(), String>,
    /// Whether such a person, who became a user by logging in, may still log in; [`Error::Unwelcome`]: the claims say no,
    /// [`Error::Refused`]: they do not say yes.
    pub may_stay: Result<(), Error>,
    /// The identity of the [`Reservation`] that programs here have been shown: whoever is created gets these ids, or is
    /// refused. None: nothing was shown.
    pub reserved: Option<String>,
    /// The comment, if the claims have one.
    pub gecos: Option<Gecos>,
    /// The e-mail address, if the claims have one.
    pub email: Option<Email>,
    /// The login shell of a new user, if the claims have one.
    pub shell: Option<AbsolutePath>,
    /// The groups, which are as authoritative as the claims; none: the claims do not speak of groups.
    pub groups: Option<BTreeSet<Name>>,
    /// The groups of a new user where the claims do not speak of groups.
    pub first_groups: BTreeSet<Name>,
    /// The token itself, for a directory that judges it.
    pub id_token: Zeroizing<String>,
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identity, asked, mapped, .. } = self;
        f.debug_struct("Arrival")
            .field("identity", identity)
            .field("asked", asked)
            .field("mapped", mapped)
            .finish_non_exhaustive()
    }
}

/// Who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The user.
    pub uuid: String,
    /// The login name.
    pub name: Name,
    /// Whether the user is new.
    pub created: bool,
    /// Groups of the claims that the user is not in, and why, a sentence each: for the journal.
    pub left_out: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_what_no_database_takes_for_another() {
        let issuer = "https://login.example.com";
        let longest = "x".repeat(255);
        for subject in
            ["248289761001", "auth0|5f7c8ec7c33c6c004bbafe82", "CN=Ada Lovelace,O=X", longest.as_str()]
        {
            assert_eq!(Identity::new(issuer, subject).unwrap().subject(), subject);
        }
        for subject in ["", " ada", "ada ", "a\0a", "a\na", "ädä", "\u{212a}", &"x".repeat(256)] {
            assert!(Identity::new(issuer, subject).is_err(), "{subject:?}");
        }
        assert!(Identity::new(&"x".repeat(513), "ada").is_err());
        assert_ne!(Identity::new(issuer, "ada"), Identity::new(issuer, "Ada"));
        for (subject, pasted) in [
            ("s1", "s1"),
            ("auth0|5f7c", "'auth0|5f7c'"),
            ("CN=Ada Lovelace,O=X", "'CN=Ada Lovelace,O=X'"),
            ("x; touch /tmp/pwned", "'x; touch /tmp/pwned'"),
            ("it's $(id)", r"'it'\''s $(id)'"),
        ] {
            let shown = Identity::new(issuer, subject).unwrap().to_string();
            assert_eq!(shown, format!("{issuer} {pasted}"));
        }
    }
}
