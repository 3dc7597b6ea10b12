//! Nodes that give their directory to others, and nodes that take it from one: the settings alone.
//! The names are older than podyd: the *provider* table is that of the node that consumes.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use super::secret::Secret;

/// `[remote_user_profile.service]`: this node's directory for other nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileService {
    /// Whether there is one.
    pub enabled: bool,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether other nodes may look and check passwords, and change nothing.
    pub readonly: bool,
    /// Whether users of other nodes may change their own passwords, even where `readonly`.
    pub own_passwords: bool,
    /// The token that all nodes may share, beside those of the directory.
    pub access_token: Secret,
    /// The certificate chain (PEM); with `tls_key`, TLS alone is spoken.
    pub tls_cert: Option<PathBuf>,
    /// Its key (PEM).
    pub tls_key: Option<PathBuf>,
    /// Whose certificates (PEM) clients must present, beside a token.
    pub client_ca: Option<PathBuf>,
    /// Connections at the same time.
    pub max_connections: u32,
    /// Requests of one client that are answered within a second, on average.
    pub max_requests_per_second: u32,
}

/// `[remote_user_profile.provider]`: another node's directory instead of one of our own.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    /// Whether this node consumes.
    pub enabled: bool,
    /// Where the service is.
    pub endpoint: Endpoint,
    /// What this node shows there.
    pub access_token: Secret,
    /// Whose certificates are trusted (PEM), beside the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// The certificate chain that this node shows (PEM).
    pub tls_cert: Option<PathBuf>,
    /// Its key (PEM).
    pub tls_key: Option<PathBuf>,
    /// How long the service may take to answer; a request for changes waits for longer.
    pub timeout: Duration,
    /// What the service speaks.
    pub compat: Compat,
}

/// `http://` or `https://`, a host and perhaps a port and a path; empty where none was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint(String);

/// What a service speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// Our own `/v1`.
    #[default]
    None,
    /// The `/user_api` of the original Pody, version 0.4.
    Pody04,
}

impl ProfileService {
    /// The port that the original listens on.
    const PORT: u16 = 8799;

    /// Whether somebody between the nodes can read along: without TLS, beyond this machine.
    pub fn is_exposed(&self) -> bool {
        self.tls_cert.is_none() && !self.listen.ip().is_loopback()
    }

    /// The same, with relative paths inside `state`.
    pub(super) fn within(self, state: &Path) -> Self {
        let [tls_cert, tls_key, client_ca] = within(state, [self.tls_cert, self.tls_key, self.client_ca]);
        Self { tls_cert, tls_key, client_ca, ..self }
    }
}

impl Provider {
    /// The same, with relative paths inside `state`.
    pub(super) fn within(self, state: &Path) -> Self {
        let [ca_file, tls_cert, tls_key] = within(state, [self.ca_file, self.tls_cert, self.tls_key]);
        Self { ca_file, tls_cert, tls_key, ..self }
    }
}

fn within(state: &Path, paths: [Option<PathBuf>; 3]) -> [Option<PathBuf>; 3] {
    paths.map(|path| path.map(|path| state.join(path)))
}

impl Endpoint {
    /// The address, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether nobody on the way can read along or pose as the service: with TLS, or without leaving this machine.
    pub fn is_private(&self) -> bool {
        let Ok(url) = Url::parse(&self.0) else { return false };
        let is_here = match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        url.scheme() == "https" || is_here
    }
}

impl Default for ProfileService {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, Self::PORT)),
            readonly: true,
            own_passwords: false,
            access_token: Secret::default(),
            tls_cert: None,
            tls_key: None,
            client_ca: None,
            max_connections: 12_000,
            max_requests_per_second: 1_000,
        }
    }
}

impl Default for Provider {
    fn default() -> Self {
        Self {
            enabled: false,
            endpoint: Endpoint::default(),
            access_token: Secret::default(),
            ca_file: None,
            tls_cert: None,
            tls_key: None,
            timeout: Duration::from_secs(4),
            compat: Compat::None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Endpoint {
    type Err = String;

    /// The text may hold what was meant as a password, and is not quoted.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|why| {
            format!("must be an address such as \"https://server-a.example.com:8799\": {why}")
        })?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err("must begin with https:// or http://".into());
        }
        if !url.has_host() || url.port() == Some(0) {
            return Err("must name a host, such as https://server-a.example.com:8799".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "must not hold a user or a password: addresses are shown and logged; the token goes into \
                        access_token"
                    .into(),
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must end before the question mark".into());
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for Compat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Pody04 => "pody-0.4",
        })
    }
}

impl FromStr for Compat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            "pody-0.4" => Ok(Self::Pody04),
            _ => Err("is \"none\" or \"pody-0.4\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_where_and_nothing_more() {
        for (text, kept) in [
            ("http://server-a.example.com:8799", "http://server-a.example.com:8799"),
            ("https://a.example.com/", "https://a.example.com"),
            ("https://[2001:db8::1]:8799/pody/", "https://[2001:db8::1]:8799/pody"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().as_str(), kept);
        }
        for bad in [
            "",
            "server-a:8799",
            "ftp://a",
            "https://",
            "https://ada:secret@a",
            "https://a/?token=x",
            "https://a/#x",
        ] {
            let why = bad.parse::<Endpoint>().unwrap_err();
            assert!(!why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn plain_http_is_private_on_this_machine_alone() {
        for (text, private) in [
            ("https://a.example.com", true),
            ("http://127.0.0.1:8799", true),
            ("http://[::1]:8799", true),
            ("http://localhost:8799", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1:8799", false),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().is_private(), private, "{text}");
        }
    }
}
