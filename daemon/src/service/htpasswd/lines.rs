//! What an htpasswd file says: `name:hash`, a user a line.
//!
//! As in Apache, the first line of a name counts, and what follows a second colon is a remark. `!` or `*` in front of the
//! hash says that the user may not log in.

use std::collections::BTreeMap;

use identity::Name;
use sha2::{Digest, Sha256};

use crate::verifiers::{HashError, PasswordHash};

/// A file that was read.
#[derive(Debug, Default)]
pub struct Lines {
    /// What it says of each user.
    pub users: BTreeMap<Name, Line>,
    /// Why some lines cannot be taken: their numbers, and what is wrong.
    pub refused: BTreeMap<u64, String>,
    /// Why nobody is to be disabled for not being in it.
    pub doubt: Option<&'static str>,
}

/// A line about a user.
#[derive(Debug)]
pub struct Line {
    /// Its number.
    pub number: u64,
    /// What it says.
    pub says: Says,
}

/// What a line says.
#[derive(Debug)]
pub enum Says {
    /// This is the password.
    Password(PasswordHash),
    /// The user may not log in.
    Disabled,
    /// Nothing that can be understood, or that may be kept.
    Nothing,
}

/// The digest by which a hash is known again.
pub fn digest(hash: &PasswordHash) -> Vec<u8> {
    Sha256::digest(hash.as_str()).to_vec()
}

impl Lines {
    /// Reads a file; `judge` says why a hash may not be kept.
    pub fn parse(text: &[u8], judge: impl Fn(&PasswordHash) -> Result<(), HashError>) -> Self {
        let mut lines = Self::default();
        for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            let line = line.trim_ascii();
            if !line.is_empty() && !line.starts_with(b"#") {
                lines.add(number, line, &judge);
            }
        }
        let has_password = lines.users.values().any(|line| !matches!(line.says, Says::Nothing));
        lines.doubt = match text.last() {
            _ if text.trim_ascii().is_empty() => Some("it is empty"),
            Some(&last) if last != b'\n' => Some("its last line has no end, as if the rest were missing"),
            _ if !has_password && !lines.refused.is_empty() => Some("not one of its lines can be taken"),
            _ => None,
        };
        lines
    }

    fn add(&mut self, number: u64, line: &[u8], judge: &impl Fn(&PasswordHash) -> Result<(), HashError>) {
        let (name, field) = match split(line) {
            Ok(parts) => parts,
            Err(reason) => {
                self.refused.insert(number, reason);
                return;
            }
        };
        if let Some(first) = self.users.get(&name) {
            let reason =
                format!("{name} stands in line {} already, which is the one that counts", first.number);
            self.refused.insert(number, reason);
            return;
        }
        let says = match field {
            field if field.starts_with(['!', '*']) => Ok(Says::Disabled),
            field => PasswordHash::parse(field).and_then(|hash| judge(&hash).map(|()| Says::Password(hash))),
        };
        let says = says.unwrap_or_else(|error| {
            self.refused.insert(number, format!("{name}: {error}"));
            Says::Nothing
        });
        self.users.insert(name, Line { number, says });
    }

    /// Says so where a line that cannot be taken is about a user who is there.
    pub fn tell_that_nothing_changes_for(&mut self, name: &Name) {
        let Some(Line { number, says: Says::Nothing }) = self.users.get(name) else { return };
        if let Some(reason) = self.refused.get_mut(number) {
            reason.push_str(&format!("; until then {name} keeps the password of before"));
        }
    }
}

/// The name and the hash. What has no colon is not shown: it may be a password in the wrong file.
fn split(line: &[u8]) -> Result<(Name, &str), String> {
    let line = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8".to_owned())?;
    let (name, rest) = line.split_once(':').ok_or("a line of an htpasswd file is NAME:HASH")?;
    let name = name.parse().map_err(|error| {
        let shown: String = name.chars().take(identity::MAX_NAME_BYTES).collect();
        format!("{shown:?} is no name: {error}")
    })?;
    let (hash, remark) = rest.split_once(':').unwrap_or((rest, ""));
    if remark.len() == 32 && remark.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("{name}: this is a line of htdigest, which serves for HTTP digests alone"));
    }
    Ok((name, hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::name;

    const HASH: &str = "$apr1$12345678$zbBEMgfXu4mAHPrplrtNt.";

    fn read(text: &str) -> Lines {
        Lines::parse(text.as_bytes(), |_| Ok(()))
    }

    /// What is said of a line that is refused.
    fn refused(line: &str) -> String {
        let lines = read(&format!("bob:{HASH}\n{line}\n"));
        assert_eq!(lines.refused.len(), 1, "{line}: {lines:?}");
        assert_eq!(lines.doubt, None, "the rest is good");
        lines.refused[&2].clone()
    }

    #[test]
    fn a_line_is_a_name_and_a_hash_or_nothing_at_all() {
        let lines = read(&format!("# people\n\nada:{HASH}\r\n  bob:{HASH}:a remark\neve:!{HASH}\nliz:*\n"));
        let says = |text: &str| &lines.users[&name(text)].says;
        assert!(matches!(says("ada"), Says::Password(hash) if hash.as_str() == HASH));
        assert!(matches!(says("bob"), Says::Password(hash) if hash.as_str() == HASH));
        assert!(matches!(says("eve"), Says::Disabled) && matches!(says("liz"), Says::Disabled));
        assert_eq!((lines.users.len(), lines.refused.len(), lines.doubt), (4, 0, None));
        assert_eq!(lines.users[&name("ada")].number, 3);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_its_line_and_the_rest_is_taken() {
        assert!(refused("ada:{SHA}Zm9vYmFy").contains("SHA-1"));
        assert!(refused("ada:rqXexS6ZhobKA").contains("DES"));
        assert!(refused("ada:correct horse").contains("plain text"));
        assert!(refused("ada:$1$a$b").contains("MD5"));
        assert!(refused("ada:$apr1$cut").contains("ada: "));
        assert!(refused("ada:").contains("empty"));
        assert!(refused("Ada:$apr1$a$b").contains("\"Ada\""));
        assert!(refused("ada:realm:0123456789abcdef0123456789abcdef").contains("htdigest"));
        assert!(refused(&format!("bob:{HASH}")).contains("line 1"));
        let secret = "correct-horse-battery";
        assert!(!refused(secret).contains("horse") && !refused(&format!("ada:{secret}")).contains("horse"));
        let costly = Lines::parse(b"ada:$apr1$12345678$zbBEMgfXu4mAHPrplrtNt.\n", |hash| {
            Err(HashError::TooCostly(hash.kind()))
        });
        assert!(costly.refused[&1].contains("too much time") && costly.doubt.is_some());
    }

    #[test]
    fn a_file_that_may_be_half_of_one_is_doubted() {
        for text in [String::new(), "\n \n".into(), format!("ada:{HASH}"), "ada\n".into()] {
            assert!(read(&text).doubt.is_some(), "{text:?}");
        }
        for text in [format!("ada:{HASH}\n"), "# nobody any more\n".into(), "ada:*\n".into()] {
            assert_eq!(read(&text).doubt, None, "{text:?}");
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        use proptest::prelude::*;
        proptest!(|(text in proptest::collection::vec(any::<u8>(), 0..200))| {
            let lines = Lines::parse(&text, |_| Ok(()));
            prop_assert!(lines.users.len() + lines.refused.len() <= 2 * text.len());
        });
    }
}
