//! The OpenID provider that people log in at: the settings alone. What is said to it is elsewhere.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use url::{Host, Url};

use super::secret::Secret;

/// `[oidc]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Oidc {
    /// Who the provider is.
    pub issuer: Issuer,
    /// What podyd is called there; empty where there is no provider.
    pub client_id: ClientId,
    /// What podyd proves that with; empty for a public client.
    pub client_secret: Secret,
    /// What is asked for.
    pub scopes: Scopes,
    /// The claim that names a person's groups.
    pub groups_claim: ClaimName,
    /// Whether the userinfo endpoint is asked for what ID tokens leave out.
    pub userinfo: bool,
    /// Whose certificates are trusted (PEM), beside the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// How long the provider may take for one answer.
    pub timeout: Duration,
    /// How often it is asked again about those who have logged in; zero: never, and nothing is kept to ask with.
    pub recheck_interval: Duration,
    /// What refresh tokens are sealed with; empty: a key that podyd makes and keeps itself.
    pub recheck_key: Secret,
    /// Whether the environment says all of this, so that the file does not count.
    pub from_environment: bool,
}

/// A provider's name for itself, which is also where it is: kept to the letter, since tokens repeat it so. Empty where
/// none was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issuer(String);

/// A client's name at its provider; empty where none was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientId(String);

/// Words with a space between them, `openid` among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes(String);

/// The name of a claim; empty where none was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimName(String);

/// The settings without which there is no provider: each by its name in the file, and as a variable.
const NECESSARY: [(&str, &str); 2] = [("issuer", "OIDC_ISSUER"), ("client_id", "OIDC_CLIENT_ID")];

impl Oidc {
    /// Whether there is a provider.
    pub fn is_configured(&self) -> bool {
        !self.issuer.is_empty()
    }

    /// Refuses half a provider. The error is a sentence that names every missing setting.
    pub(super) fn is_complete(&self) -> Result<(), String> {
        let is_begun = [self.issuer.as_str(), self.client_id.as_str(), self.client_secret.expose()];
        if !self.from_environment && is_begun.iter().all(|text| text.is_empty()) {
            return Ok(());
        }
        let given = [self.issuer.is_empty(), self.client_id.is_empty()];
        let missing = NECESSARY.iter().zip(given).filter(|(_, is_missing)| *is_missing);
        let name = |&(file, variable): &(&'static str, &'static str)| match self.from_environment {
            true => variable,
            false => file,
        };
        let missing: Vec<&str> = missing.map(|(names, _)| name(names)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let why = match self.from_environment {
            true => {
                "with any of the OIDC_ variables all of [oidc] comes from the environment, and none of it from the file"
            }
            false => "a provider is known by both its issuer and podyd's client_id there",
        };
        Err(format!("[oidc] is incomplete: set {}; {why}", missing.join(" and ")))
    }

    /// The same, with relative paths inside `state`.
    pub(super) fn within(self, state: &Path) -> Self {
        Self { ca_file: self.ca_file.map(|path| state.join(path)), ..self }
    }
}

impl Default for Oidc {
    fn default() -> Self {
        Self {
            issuer: Issuer::default(),
            client_id: ClientId::default(),
            client_secret: Secret::default(),
            scopes: Scopes("openid profile email".into()),
            groups_claim: ClaimName("groups".into()),
            userinfo: false,
            ca_file: None,
            timeout: Duration::from_secs(5),
            recheck_interval: Duration::ZERO,
            recheck_key: Secret::default(),
            from_environment: false,
        }
    }
}

impl Issuer {
    /// It, to the letter.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl ClientId {
    /// It, to the letter.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Scopes {
    /// All of them, a space between them.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ClaimName {
    /// It, to the letter.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether a provider may be asked there: nobody on the way may read along or pose as it.
pub fn is_private(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || url.scheme() == "http" && is_here
}

impl FromStr for Issuer {
    type Err = String;

    /// The text may hold what was meant as a password, and is not quoted.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text)
            .map_err(|why| format!("must be an address such as \"https://login.example.com\": {why}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not hold a user or a password: the secret goes into client_secret".into());
        }
        if url.query().is_some() || url.fragment().is_some() || text.contains(char::is_whitespace) {
            return Err("must end before the question mark, as the provider writes it".into());
        }
        if !is_private(&url) {
            return Err(
                "must begin with https:// (http:// is for a provider on this machine alone): whoever can change what \
                        the provider says can log in as anybody"
                    .into(),
            );
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for ClientId {
    type Err = &'static str;

    /// RFC 6749, appendix A.1: printable ASCII.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        is_valid
            .then(|| Self(text.to_owned()))
            .ok_or("must be what the provider calls this client: visible ASCII")
    }
}

impl FromStr for Scopes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<&str> = text.split_whitespace().collect();
        if !words.contains(&"openid") {
            return Err("must have openid among its words: without it there is no ID token");
        }
        let is_valid =
            |word: &&str| word.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
        if !words.iter().all(is_valid) {
            return Err("must be words of visible ASCII with spaces between them");
        }
        Ok(Self(words.join(" ")))
    }
}

impl FromStr for ClaimName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = !text.is_empty() && !text.contains(char::is_control);
        is_valid.then(|| Self(text.to_owned())).ok_or("must be the name of a claim, such as \"groups\"")
    }
}

/// What these are written as is what they were read from.
macro_rules! shown_as_they_are {
    ($($name:ident)*) => {
        $(impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        })*
    };
}

shown_as_they_are!(Issuer ClientId Scopes ClaimName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_kept_to_the_letter_and_nobody_can_pose_as_it() {
        for good in [
            "https://login.example.com",
            "https://login.example.com/",
            "https://login.example.com:8443/realms/a",
            "http://127.0.0.1:4000",
            "http://[::1]/x",
            "http://localhost:4000",
        ] {
            assert_eq!(good.parse::<Issuer>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "login.example.com",
            "http://login.example.com",
            "http://localhost.example.com",
            "ftp://127.0.0.1",
            "https://ada:secret@login.example.com",
            "https://login.example.com/?a=secret",
            "https://login.example.com/#secret",
            "https://login.example.com/ secret",
        ] {
            let why = bad.parse::<Issuer>().unwrap_err();
            assert!(!why.contains("ada") && !why.contains("a=secret"), "{why}");
        }
    }

    #[test]
    fn scopes_are_words_with_openid_among_them() {
        assert_eq!(" openid   groups ".parse::<Scopes>().unwrap().as_str(), "openid groups");
        for bad in ["", "profile", "openid, profile\u{1b}", "openid pröfile", "openidprofile"] {
            assert!(bad.parse::<Scopes>().is_err(), "{bad}");
        }
    }
}
