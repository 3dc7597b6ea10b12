//! What setup is to do: the answers of a person, or of a JSON file.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ::identity::{Gecos, Name};
use protocol::directory::Secret;
use serde::Deserialize;

use crate::{Code, Failure, Result};

/// A file of answers is no longer.
const MAX_BYTES: u64 = 64 * 1024;

/// A file with every key there is.
pub const EXAMPLE: &str = r#"{
  "directory": {
    "kind": "database",
    "url": "postgres://pody:a-password@db.example.org/pody?sslmode=verify-full"
  },
  "admin": {
    "name": "ada",
    "gecos": "Ada Lovelace",
    "password": "a long password"
  },
  "oidc": {
    "issuer": "https://login.example.com",
    "client_id": "pody",
    "client_secret": "a secret",
    "ca_file": "/etc/pody/tls/ca.pem"
  },
  "nsswitch": true,
  "pam": true
}
"#;

/// Every answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// Where users and groups are; by default, where they are now.
    #[serde(default)]
    pub directory: Directory,
    /// The first admin; none: the directory has one, or they are made elsewhere.
    pub admin: Option<Admin>,
    /// The OpenID provider; none: nothing changes about that.
    pub oidc: Option<Provider>,
    /// Whether programs are to see Pody's users.
    #[serde(default = "yes")]
    pub nsswitch: bool,
    /// Whether PAM is to ask Pody.
    #[serde(default = "yes")]
    pub pam: bool,
}

/// Where users and groups are.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Directory {
    /// Where they are now: in a file of this node.
    Own {},
    /// In a database.
    Database {
        /// Where it is; it may hold a password.
        url: Secret,
        /// What libSQL asks for.
        token: Option<Secret>,
    },
    /// On another node.
    Node {
        /// Where that is.
        endpoint: String,
        /// What it asks for.
        access_token: Secret,
        /// Who vouches for its certificate.
        ca_file: Option<String>,
    },
}

impl Default for Directory {
    fn default() -> Self {
        Self::Own {}
    }
}

/// The first admin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// The login name.
    pub name: String,
    /// The full name.
    #[serde(default)]
    pub gecos: String,
    /// The password.
    pub password: Secret,
}

/// An OpenID provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Who it is.
    pub issuer: String,
    /// What podyd is called there.
    pub client_id: String,
    /// What podyd proves that with.
    pub client_secret: Option<Secret>,
    /// Who vouches for its certificate.
    pub ca_file: Option<String>,
}

fn yes() -> bool {
    true
}

impl Answers {
    /// Reads a file of answers.
    pub fn read(path: &Path) -> Result<Self> {
        let unusable = |why: String| Failure::new(Code::Usage, format_args!("{}: {why}", path.display()));
        let mut text = String::new();
        let file = File::open(path).map_err(|error| unusable(error.to_string()))?;
        let mode = file.metadata().map_err(|error| unusable(error.to_string()))?.mode();
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| unusable(error.to_string()))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(unusable(format!("it has more than {MAX_BYTES} bytes: is it the right file?")));
        }
        let answers: Self = serde_json::from_str(&text).map_err(|error| unusable(without_values(&error)))?;
        if mode & 0o077 != 0 && answers.holds_a_secret() {
            return Err(unusable(format!(
                "it holds a secret, and others can read it (mode {:04o}); chmod 0600 it, and replace the secret: it may have \
                 been copied",
                mode & 0o7777
            )));
        }
        Ok(answers)
    }

    fn holds_a_secret(&self) -> bool {
        let in_directory = !matches!(self.directory, Directory::Own {});
        in_directory
            || self.admin.is_some()
            || self.oidc.as_ref().is_some_and(|oidc| oidc.client_secret.is_some())
    }
}

/// What serde says, without the values that it quotes: one may be a password in the wrong place.
fn without_values(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let place = format!("line {}, column {}", error.line(), error.column());
    match ["unknown field", "missing field", "duplicate field"].iter().any(|words| said.starts_with(words)) {
        true => format!("{said} (podyctl setup --answers-example shows every key)"),
        false => format!(
            "{place}: this is not what podyctl setup --answers-example shows: a bracket, a comma or a value of another kind"
        ),
    }
}

impl Admin {
    /// Whether somebody can be called so here. The error is a sentence.
    pub fn check_name(name: &str) -> std::result::Result<(), String> {
        name.parse::<Name>().map_err(|why| why.to_string())?;
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        match passwd.lines().any(|line| line.split(':').next() == Some(name)) {
            true => {
                Err(format!("{name} is a local account of this machine (/etc/passwd): take another name"))
            }
            false => Ok(()),
        }
    }

    /// Whether a full name can be kept.
    pub fn check_gecos(gecos: &str) -> std::result::Result<(), String> {
        gecos.parse::<Gecos>().map(drop).map_err(|why| why.to_string())
    }

    /// Whether a password is long enough.
    pub fn check_password(password: &Secret, least: u32) -> std::result::Result<(), String> {
        let count = password.0.chars().count();
        match usize::try_from(least).is_ok_and(|least| count >= least) {
            true => Ok(()),
            false => Err(format!("a password has {least} characters at least, and this one {count}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_taken_and_shows_every_key() {
        let answers: Answers = serde_json::from_str(EXAMPLE).unwrap();
        assert!(answers.holds_a_secret() && answers.nsswitch && answers.pam);
        let oidc = answers.oidc.unwrap();
        assert!(oidc.client_secret.is_some() && oidc.ca_file.is_some());
        assert_eq!(answers.admin.unwrap().gecos, "Ada Lovelace");
    }

    #[test]
    fn a_key_that_is_none_is_named_and_no_value_is() {
        let refused = |text: &str| without_values(&serde_json::from_str::<Answers>(text).unwrap_err());
        for (text, expected) in [
            (r#"{"diretory": 1}"#, "unknown field `diretory`"),
            (r#"{"directory": {"kind": "own", "url": "hunter2"}}"#, "unknown field `url`"),
            (r#"{"directory": {"kind": "database"}}"#, "missing field `url`"),
            (r#"{"admin": {"name": "ada", "password": "hunter2", "mail": ""}}"#, "unknown field `mail`"),
            (r#"{"pam": "hunter2"}"#, "line 1, column"),
            (r#"{"directory": {"kind": "hunter2"}}"#, "another kind"),
            (r#"{"admin": "hunter2"}"#, "another kind"),
            ("{", "line 1"),
        ] {
            let said = refused(text);
            assert!(said.contains(expected) && !said.contains("hunter2"), "{text}: {said}");
        }
    }

    #[test]
    fn a_password_is_counted_in_characters() {
        let check = |text: &str| Admin::check_password(&Secret(text.into()), 4);
        assert!(check("äöüß").is_ok() && check("äöü").is_err());
    }

    #[test]
    fn a_local_account_is_no_first_admin() {
        assert!(Admin::check_name("root").unwrap_err().contains("/etc/passwd"));
        assert!(Admin::check_name("Ada").is_err() && Admin::check_name("ada-of-the-tests").is_ok());
    }
}
