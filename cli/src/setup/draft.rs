//! From answers to settings and the files of their secrets: the pure part of what is written.

use std::path::Path;

use protocol::directory::Secret;
use protocol::setup::{Candidate, SecretFile};

use super::answers::{Directory, Provider};
use super::config::{self, Setting, Value};

/// What a configuration is to say beside what it says now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The settings.
    pub settings: Vec<Setting>,
    /// What they refer to.
    pub files: Vec<SecretFile>,
}

/// What a URL begins with, and the section for it.
const DATABASES: [(&str, &str); 6] = [
    ("postgres://", "backend.postgres"),
    ("postgresql://", "backend.postgres"),
    ("mysql://", "backend.mysql"),
    ("mariadb://", "backend.mysql"),
    ("libsql://", LIBSQL),
    ("https://", LIBSQL),
];

const LIBSQL: &str = "backend.libsql";
/// The section that names another node.
pub const NODE: &str = "remote_user_profile.provider";
/// The section of the OpenID provider.
pub const OIDC: &str = "oidc";

/// Every setting that a draft may have.
pub const KNOWN: [(&str, &str); 12] = [
    ("backend.postgres", "urlFile"),
    ("backend.mysql", "urlFile"),
    (LIBSQL, "url"),
    (LIBSQL, "authTokenFile"),
    (NODE, "enabled"),
    (NODE, "endpoint"),
    (NODE, "access_token_file"),
    (NODE, "ca_file"),
    (OIDC, "issuer"),
    (OIDC, "client_id"),
    (OIDC, "client_secret_file"),
    (OIDC, "ca_file"),
];

/// The section for a database. The error is a sentence.
pub fn section_of(url: &str) -> Result<&'static str, String> {
    let found = DATABASES.iter().find(|(scheme, _)| url.starts_with(scheme));
    found.map(|(_, section)| *section).ok_or_else(|| {
        "begins with postgres://, mysql:// or libsql://, such as postgres://pody@db.example.org/pody"
            .to_owned()
    })
}

impl Draft {
    /// The directory; `folder` is where the configuration is.
    pub fn of_directory(directory: &Directory, folder: &Path) -> Result<Self, String> {
        let mut draft = Self::default();
        match directory {
            Directory::Own {} => {}
            Directory::Database { url, token } => match section_of(&url.0)? {
                LIBSQL => {
                    draft.text(LIBSQL, "url", &url.0);
                    if let Some(token) = token {
                        draft.secret(LIBSQL, "authTokenFile", folder, "libsql-token", token);
                    }
                }
                _ if token.is_some() => {
                    return Err("token is for libSQL alone: the password stands in the url".into());
                }
                section => {
                    let name = if section == "backend.mysql" { "mysql-url" } else { "postgres-url" };
                    let url = Secret(url.0.replacen("mariadb://", "mysql://", 1));
                    draft.secret(section, "urlFile", folder, name, &url);
                }
            },
            Directory::Node { endpoint, access_token, ca_file } => {
                draft.settings.push(Setting { section: NODE, key: "enabled", value: Value::Flag(true) });
                draft.text(NODE, "endpoint", endpoint);
                draft.secret(NODE, "access_token_file", folder, "provider-token", access_token);
                ca_file.iter().for_each(|ca_file| draft.text(NODE, "ca_file", ca_file));
            }
        }
        Ok(draft)
    }

    /// The OpenID provider.
    pub fn of_provider(provider: &Provider, folder: &Path) -> Self {
        let mut draft = Self::default();
        draft.text(OIDC, "issuer", &provider.issuer);
        draft.text(OIDC, "client_id", &provider.client_id);
        if let Some(secret) = &provider.client_secret {
            draft.secret(OIDC, "client_secret_file", folder, "oidc-secret", secret);
        }
        provider.ca_file.iter().for_each(|ca_file| draft.text(OIDC, "ca_file", ca_file));
        draft
    }

    /// Whatever a draft may have in one section, without the values.
    pub fn of_section(section: &str) -> Self {
        let mut draft = Self::default();
        let known = KNOWN.iter().filter(|(known, _)| *known == section);
        known.for_each(|(section, key)| draft.text(section, key, "…"));
        draft
    }

    /// Both.
    pub fn and(mut self, other: Self) -> Self {
        self.settings.extend(other.settings);
        self.files.extend(other.files);
        self
    }

    /// The configuration that comes of it.
    pub fn candidate(&self, config: &str) -> Candidate {
        Candidate { config: Secret(config::with(config, &self.settings)), files: self.files.clone() }
    }

    /// The section that says where the directory is, if that is another one.
    pub fn directory_section(&self) -> Option<&'static str> {
        self.settings.iter().map(|setting| setting.section).find(|section| *section != OIDC)
    }

    /// Whether each changed setting is one that was meant to be, and each that was meant to be is changed. Where not, a
    /// line of the file is not what setup takes it for.
    pub fn explains(&self, changed: &[String]) -> bool {
        let is_directory = |key: &String| Some(key.as_str()) == self.directory_section();
        let is_provider = |key: &String| {
            let own = self.settings.iter().filter(|setting| setting.section == OIDC);
            own.map(|setting| format!("oidc.{}", setting.key.trim_end_matches("_file")))
                .any(|own| own == *key)
                || self.settings.iter().any(|setting| *key == format!("{}.{}", setting.section, setting.key))
        };
        let names_provider = self.settings.iter().any(|setting| setting.section == OIDC);
        changed.iter().all(|key| is_directory(key) || is_provider(key))
            && self.directory_section().is_none_or(|section| changed.iter().any(|key| key == section))
            && (!names_provider || changed.iter().any(|key| key == "oidc.issuer"))
    }

    fn text(&mut self, section: &'static str, key: &'static str, text: &str) {
        self.settings.push(Setting { section, key, value: Value::Text(text.to_owned()) });
    }

    fn secret(
        &mut self,
        section: &'static str,
        key: &'static str,
        folder: &Path,
        name: &str,
        secret: &Secret,
    ) {
        let path = folder.join(name).display().to_string();
        self.text(section, key, &path);
        self.files.push(SecretFile { path, text: secret.clone() });
    }
}

/// A URL with a password in it, if it names a user and no password.
pub fn with_password(url: &str, password: &str) -> String {
    let encoded: String = password.bytes().map(encoded).collect();
    match user_of(url) {
        Some(user) => url.replacen(&format!("{user}@"), &format!("{user}:{encoded}@"), 1),
        None => url.to_owned(),
    }
}

/// The user in a URL, where no password follows.
pub fn user_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    (!user.is_empty() && !user.contains(':')).then_some(user)
}

fn encoded(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = "/etc/pody";

    fn database(url: &str, token: Option<&str>) -> Result<Draft, String> {
        let url = Secret(url.into());
        let token = token.map(|token| Secret(token.into()));
        Draft::of_directory(&Directory::Database { url, token }, Path::new(FOLDER))
    }

    fn lines(draft: &Draft) -> Vec<String> {
        draft.settings.iter().map(|setting| format!("[{}] {}", setting.section, setting.line())).collect()
    }

    #[test]
    fn no_secret_comes_into_the_configuration() {
        let node = Directory::Node {
            endpoint: "https://a.example:8799".into(),
            access_token: Secret("hunter2".into()),
            ca_file: None,
        };
        let provider = Provider {
            issuer: "https://login.example".into(),
            client_id: "pody".into(),
            client_secret: Some(Secret("hunter2".into())),
            ca_file: None,
        };
        for draft in [
            database("postgres://pody:hunter2@db/pody", None).unwrap(),
            database("mariadb://pody:hunter2@db/pody", None).unwrap(),
            database("libsql://db.example", Some("hunter2")).unwrap(),
            Draft::of_directory(&node, Path::new(FOLDER)).unwrap(),
            Draft::of_provider(&provider, Path::new(FOLDER)),
        ] {
            let candidate = draft.candidate("");
            assert!(!candidate.config.0.contains("hunter2"), "{}", candidate.config.0);
            assert!(draft.files.len() == 1 && draft.files[0].text.0.contains("hunter2"), "{draft:?}");
            assert!(!format!("{draft:?} {candidate:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_database_is_told_by_its_url() {
        let draft = database("postgresql://pody:x@db/pody", None).unwrap();
        assert_eq!(lines(&draft), ["[backend.postgres] urlFile = \"/etc/pody/postgres-url\""]);
        assert_eq!(draft.directory_section(), Some("backend.postgres"));
        let draft = database("mariadb://pody:x@db/pody", None).unwrap();
        assert_eq!(lines(&draft), ["[backend.mysql] urlFile = \"/etc/pody/mysql-url\""]);
        assert_eq!(draft.files[0].text.0, "mysql://pody:x@db/pody");
        let draft = database("libsql://db.example", None).unwrap();
        assert_eq!(lines(&draft), ["[backend.libsql] url = \"libsql://db.example\""]);
        assert!(database("db.example/pody", None).is_err());
        assert!(database("postgres://pody@db/pody", Some("token")).is_err());
    }

    #[test]
    fn a_password_goes_behind_the_user() {
        for (url, expected) in [
            ("postgres://pody@db/pody", "postgres://pody:a%20b%40%2F%C3%A4@db/pody"),
            ("postgres://pody:x@db/pody", "postgres://pody:x@db/pody"),
            ("postgres://db/pody@x", "postgres://db/pody@x"),
            ("postgres", "postgres"),
        ] {
            assert_eq!(with_password(url, "a b@/ä"), expected);
        }
    }

    #[test]
    fn a_change_that_nobody_meant_is_noticed() {
        let draft = database("postgres://pody:x@db/pody", None).unwrap();
        let explains =
            |keys: &[&str]| draft.explains(&keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>());
        assert!(explains(&["backend.postgres"]));
        assert!(!explains(&[]), "it was put where it has no effect");
        assert!(!explains(&["backend.postgres", "ids.min"]));
        assert!(!explains(&["backend.postgres", "oidc.issuer"]));
    }
}
