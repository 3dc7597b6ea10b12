//! Stored password hashes: Pody's own, argon2id, and the kinds that an import may bring along, which are
//! verified until their owner's next login and replaced by argon2id then.
//!
//! Reading a hash checks everything that verifying relies on, its cost above all: a hash that somebody
//! imports must not be able to stall logins. Nothing here is async; [`Pool`](super::Pool) runs it.

use std::fmt;
use std::str::FromStr;

use identity::Name;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::apr1;
use super::argon2id::{Argon2Parameters, Argon2id, Memory, Salt};
use super::password::{NewPassword, is_possible};
use crate::limits::{MAX_BCRYPT_COST, MAX_HASH_BYTES, MAX_SHA_CRYPT_ROUNDS, MAX_YESCRYPT_MEMORY_BYTES};

/// bcrypt reads no more of a password than this, and so would take any longer one for its beginning.
const BCRYPT_MAX_PASSWORD_BYTES: usize = 72;

/// The kinds of hash that can be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashKind {
    /// `$argon2id$`, the kind that is made.
    Argon2id,
    /// `$y$`, the default of Debian's and Fedora's shadow files.
    Yescrypt,
    /// `$6$`.
    Sha512Crypt,
    /// `$5$`.
    Sha256Crypt,
    /// `$2a$`, `$2b$` and `$2y$`.
    Bcrypt,
    /// `$apr1$`, of htpasswd files.
    Apr1,
    /// `sha256:` and 64 hexadecimal digits, the SHA-256 of `username:password`: Pody's `users.db`.
    /// The name belongs to the hash: renaming such a user ends the password.
    PodySha256,
}

impl HashKind {
    /// The name an admin knows it by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Argon2id => "argon2id",
            Self::Yescrypt => "yescrypt",
            Self::Sha512Crypt => "sha512crypt",
            Self::Sha256Crypt => "sha256crypt",
            Self::Bcrypt => "bcrypt",
            Self::Apr1 => "apr1",
            Self::PodySha256 => "pody-sha256",
        }
    }
}

impl fmt::Display for HashKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a text is not a hash that can be kept. No message shows any of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashError {
    /// An empty field, which shadow(5) takes for "no password needed".
    Empty,
    /// `x`, which says that the hash stands in the shadow file.
    InShadow,
    /// `*` or `!`: nobody can log in with a password.
    NoPassword,
    /// `!` before a hash: locked, as by `usermod --lock`.
    Locked,
    /// `{SHA}`, unsalted SHA-1.
    Sha1,
    /// `$1$`, MD5-crypt.
    Md5Crypt,
    /// 13 characters that look like traditional crypt(3).
    Des,
    /// None of the known kinds; most likely a password in plain text.
    Unknown,
    /// Begins as this kind but does not go on like it.
    Malformed(HashKind),
    /// Verifying it would cost more than a login may.
    TooCostly(HashKind),
    /// Verifying it would take more memory than one of the checks that run at a time may.
    TooLarge {
        /// The kind.
        kind: HashKind,
        /// What it takes.
        mib: u64,
        /// What it may take.
        share_mib: u64,
    },
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self {
            Self::Empty => "the password is empty, which would let anybody in; set one",
            Self::InShadow => "'x' says that the hash stands in the shadow file; give that file too",
            Self::NoPassword => "no password can match '*' or '!'; import the user without one, or set one",
            Self::Locked => {
                "a '!' before the hash says that the account is locked; import it as locked, or unlock it first"
            }
            Self::Sha1 => "{SHA} is unsalted SHA-1, which is guessed in seconds; set a new password",
            Self::Md5Crypt => "$1$ (MD5-crypt) is guessed too easily to be kept; set a new password",
            Self::Des => {
                "this is DES crypt, which reads only 8 characters, or plain text; set a new password"
            }
            Self::Unknown => {
                "this is not a hash of a kind that Pody keeps ($argon2id$ $y$ $6$ $5$ $2a$ $2b$ $2y$ $apr1$ \
                 sha256:), and perhaps a password in plain text; set a new password"
            }
            Self::Malformed(kind) => {
                return write!(
                    f,
                    "this begins like a hash of kind {kind} but is not one; copy it again, or set a new password"
                );
            }
            Self::TooCostly(kind) => {
                return write!(
                    f,
                    "this {kind} hash would take too much time or memory at every login; set a new password"
                );
            }
            Self::TooLarge { kind, mib, share_mib } => {
                return write!(
                    f,
                    "this {kind} hash takes {mib} MiB of memory at every login, and podyd has {share_mib} MiB for each \
                     password that it checks at a time; set a new password, or lower [password] verifications"
                );
            }
        };
        f.write_str(reason)
    }
}

impl std::error::Error for HashError {}

/// A password hash of a known kind and bounded cost. `Debug` shows the kind alone.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    kind: HashKind,
    text: String,
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordHash({})", self.kind)
    }
}

impl PasswordHash {
    /// Reads a hash as it stands in a shadow file, an htpasswd file or Pody's store.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let kind = kind_of(text)?;
        if text.len() > MAX_HASH_BYTES {
            return Err(HashError::Malformed(kind));
        }
        match kind {
            HashKind::Argon2id => Argon2id::parse(text).map(drop),
            HashKind::Yescrypt => check_yescrypt(text),
            HashKind::Sha512Crypt => check_sha_crypt(text, kind, 86),
            HashKind::Sha256Crypt => check_sha_crypt(text, kind, 43),
            HashKind::Bcrypt => check_bcrypt(text),
            HashKind::Apr1 => apr1::is_well_formed(text).then_some(()).ok_or(HashError::Malformed(kind)),
            HashKind::PodySha256 => check_pody_sha256(text),
        }?;
        Ok(Self { kind, text: text.to_owned() })
    }

    /// The argon2id hash of a new password. The salt must be random and never used before.
    pub fn new(
        password: &NewPassword,
        parameters: Argon2Parameters,
        salt: &Salt,
        memory: &mut Memory,
    ) -> Self {
        Self::of_bytes(password.as_bytes(), parameters, salt, memory)
    }

    pub(super) fn of_bytes(
        password: &[u8],
        parameters: Argon2Parameters,
        salt: &Salt,
        memory: &mut Memory,
    ) -> Self {
        let hash = Argon2id::new(password, parameters, salt, memory);
        Self { kind: HashKind::Argon2id, text: hash.to_phc() }
    }

    /// A hash that costs what a current one costs and that nothing is known to match.
    pub(super) fn unmatchable(parameters: Argon2Parameters) -> Self {
        Self { kind: HashKind::Argon2id, text: Argon2id::unmatchable(parameters).to_phc() }
    }

    /// Its kind.
    pub fn kind(&self) -> HashKind {
        self.kind
    }

    /// The text to store; [`PasswordHash::parse`] reads it again.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The memory that verifying it takes, in KiB; 0 for the kinds that take next to none.
    pub(super) fn memory_kib(&self) -> u64 {
        match self.kind {
            HashKind::Argon2id => Argon2id::parse(&self.text).map_or(0, |hash| hash.memory_kib()),
            HashKind::Yescrypt => yescrypt_memory_bytes(&self.text).map_or(0, |bytes| bytes.div_ceil(1024)),
            _ => 0,
        }
    }

    /// Whether this is the hash of `password`, for the user `name`. Takes as long for a wrong password as
    /// for the right one, unless nobody can have that password at all (empty, NUL, over 512 bytes; for
    /// bcrypt, over 72 bytes).
    #[must_use]
    pub fn verify(&self, name: &Name, password: &[u8], memory: &mut Memory) -> bool {
        use yescrypt::PasswordVerifier;

        if !is_possible(password) {
            return false;
        }
        match self.kind {
            HashKind::Argon2id => Argon2id::parse(&self.text).is_ok_and(|hash| hash.verify(password, memory)),
            HashKind::Yescrypt => {
                yescrypt::Yescrypt::default().verify_password(password, self.as_str()).is_ok()
            }
            HashKind::Sha512Crypt | HashKind::Sha256Crypt => {
                sha_crypt::ShaCrypt::default().verify_password(password, self.as_str()).is_ok()
            }
            HashKind::Bcrypt => {
                password.len() <= BCRYPT_MAX_PASSWORD_BYTES
                    && bcrypt::verify(password, &self.text).is_ok_and(|matches| matches)
            }
            HashKind::Apr1 => apr1::verify(&self.text, password),
            HashKind::PodySha256 => verify_pody_sha256(&self.text, name, password),
        }
    }

    /// Whether this should be replaced, now that the password is known.
    #[must_use]
    pub fn needs_rehash(&self, current: Argon2Parameters) -> bool {
        self.kind != HashKind::Argon2id
            || !Argon2id::parse(&self.text).is_ok_and(|hash| hash.is_current(current))
    }
}

fn kind_of(text: &str) -> Result<HashKind, HashError> {
    const PREFIXES: [(&str, Result<HashKind, HashError>); 12] = [
        ("$argon2id$", Ok(HashKind::Argon2id)),
        ("$y$", Ok(HashKind::Yescrypt)),
        ("$6$", Ok(HashKind::Sha512Crypt)),
        ("$5$", Ok(HashKind::Sha256Crypt)),
        ("$2a$", Ok(HashKind::Bcrypt)),
        ("$2b$", Ok(HashKind::Bcrypt)),
        ("$2y$", Ok(HashKind::Bcrypt)),
        ("$apr1$", Ok(HashKind::Apr1)),
        ("sha256:", Ok(HashKind::PodySha256)),
        ("{SHA}", Err(HashError::Sha1)),
        ("$1$", Err(HashError::Md5Crypt)),
        ("!$", Err(HashError::Locked)),
    ];
    if let Some((_, kind)) = PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix)) {
        return *kind;
    }
    Err(match text {
        "" => HashError::Empty,
        "x" => HashError::InShadow,
        _ if text.starts_with("!!$") => HashError::Locked,
        _ if text.starts_with(['!', '*']) => HashError::NoPassword,
        _ if text.len() == 13 && text.bytes().all(is_crypt_character) => HashError::Des,
        _ => HashError::Unknown,
    })
}

/// The alphabet of crypt(5).
fn is_crypt_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/')
}

fn is_crypt_text(text: &str, lengths: impl std::ops::RangeBounds<usize>) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(is_crypt_character)
}

/// `$y$jNr$salt$hash`: the flavour that crypt(3) makes, with two characters of cost. Longer parameters
/// (parallelism, time, ROM) are never made by it and could ask for any amount of work.
fn check_yescrypt(text: &str) -> Result<(), HashError> {
    let malformed = HashError::Malformed(HashKind::Yescrypt);
    let fields: Vec<&str> = text.split('$').skip(2).collect();
    let [cost, salt, hash] = fields[..] else { return Err(malformed) };
    if cost.len() != 3
        || !cost.starts_with('j')
        || !is_crypt_text(salt, 1..=86)
        || !is_crypt_text(hash, 43..=43)
    {
        return Err(malformed);
    }
    match yescrypt_memory_bytes(text).ok_or(malformed)? {
        0..=MAX_YESCRYPT_MEMORY_BYTES => Ok(()),
        _ => Err(HashError::TooCostly(HashKind::Yescrypt)),
    }
}

fn yescrypt_memory_bytes(text: &str) -> Option<u64> {
    let cost = yescrypt::Params::from_str(text.split('$').nth(2)?).ok()?;
    Some(cost.n().saturating_mul(u64::from(cost.r()) * 128))
}

/// `$6$salt$hash` or `$6$rounds=N$salt$hash`, and `$5$` likewise.
fn check_sha_crypt(text: &str, kind: HashKind, hash_characters: usize) -> Result<(), HashError> {
    let malformed = HashError::Malformed(kind);
    let fields: Vec<&str> = text.split('$').skip(2).collect();
    let (rounds, salt, hash) = match fields[..] {
        [salt, hash] => (5000, salt, hash),
        [rounds, salt, hash] => {
            let rounds = rounds.strip_prefix("rounds=").and_then(|n| n.parse().ok()).ok_or(malformed)?;
            (rounds, salt, hash)
        }
        _ => return Err(malformed),
    };
    if rounds < 1000
        || !is_crypt_text(salt, 1..=16)
        || !is_crypt_text(hash, hash_characters..=hash_characters)
    {
        return Err(malformed);
    }
    if rounds > MAX_SHA_CRYPT_ROUNDS { Err(HashError::TooCostly(kind)) } else { Ok(()) }
}

fn check_bcrypt(text: &str) -> Result<(), HashError> {
    let parts = bcrypt::HashParts::from_str(text).map_err(|_| HashError::Malformed(HashKind::Bcrypt))?;
    match parts.get_cost() {
        4..=MAX_BCRYPT_COST => Ok(()),
        0..4 => Err(HashError::Malformed(HashKind::Bcrypt)),
        _ => Err(HashError::TooCostly(HashKind::Bcrypt)),
    }
}

fn check_pody_sha256(text: &str) -> Result<(), HashError> {
    pody_digest(text).map(drop).ok_or(HashError::Malformed(HashKind::PodySha256))
}

fn pody_digest(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("sha256:")?.as_bytes();
    let mut digest = [0; 32];
    if digits.len() != 2 * digest.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

fn verify_pody_sha256(text: &str, name: &Name, password: &[u8]) -> bool {
    let actual =
        Sha256::new().chain_update(name.as_bytes()).chain_update(":").chain_update(password).finalize();
    pody_digest(text).is_some_and(|expected| actual.as_slice().ct_eq(&expected).into())
}

#[cfg(test)]
mod tests;
