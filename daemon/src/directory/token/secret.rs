//! The text of a token: `pody_`, 256 random bits and a checksum, 63 characters of `[a-z2-7_]`. Whoever scans for secrets
//! that got out finds it by `pody_[a-z2-7]{58}`, a double click selects all of it, and what was cut off or mistyped is
//! told from what was revoked.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What every token begins with.
const PREFIX: &str = "pody_";

/// RFC 4648's base32, in lower case: 5 bits a character.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Characters of 256 bits.
const RANDOM_CHARACTERS: usize = 52;

/// Characters of the checksum: one typing error in a thousand million goes unnoticed here, and is an unknown token then.
const CHECKSUM_CHARACTERS: usize = 6;

/// A token's text. It is wiped when dropped, and has no `Debug` that shows it.
pub struct TokenSecret(Zeroizing<String>);

/// Why a text is no token. It never holds the text: half a secret is one, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretError {
    /// It begins with something else.
    Prefix,
    /// It is shorter or longer than a token.
    Length(usize),
    /// The checksum is another, or a character is none of a token's.
    Checksum,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = PREFIX.len() + RANDOM_CHARACTERS + CHECKSUM_CHARACTERS;
        match self {
            Self::Prefix => write!(f, "this is no token of Pody: those begin with {PREFIX}"),
            Self::Length(given) => {
                write!(f, "a token has {length} characters and this text has {given}: was it cut off?")
            }
            Self::Checksum => f.write_str("the checksum of this token is wrong: it was mistyped or changed"),
        }
    }
}

impl TokenSecret {
    /// The token of these random bytes.
    pub fn from_random(random: &[u8; 32]) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(64));
        text.push_str(PREFIX);
        text.extend(base32(random).take(RANDOM_CHARACTERS));
        let sum = checksum(&text);
        text.push_str(&sum);
        Self(text)
    }

    /// Reads what somebody presents.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let body = text.strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        if body.len() != RANDOM_CHARACTERS + CHECKSUM_CHARACTERS {
            return Err(SecretError::Length(text.chars().count()));
        }
        let is_known = body.bytes().all(|byte| ALPHABET.contains(&byte));
        let (random, sum) = text.split_at_checked(text.len() - CHECKSUM_CHARACTERS).unwrap_or_default();
        if !is_known || !bool::from(checksum(random).as_bytes().ct_eq(sum.as_bytes())) {
            return Err(SecretError::Checksum);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// What is kept of it. With 256 random bits, nobody finds the text by trying, however fast the hash.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The text, for whoever is to hold it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret")
    }
}

/// It says nothing about the text's own hash, which covers the checksum, too.
fn checksum(text: &str) -> String {
    base32(&Sha256::digest(text.as_bytes())).take(CHECKSUM_CHARACTERS).collect()
}

/// The bytes, five bits a character; missing bits at the end are 0.
fn base32(bytes: &[u8]) -> impl Iterator<Item = char> {
    let bit = |position: usize| bytes.get(position / 8).map_or(0, |byte| byte >> (7 - position % 8) & 1);
    let letter = move |index: usize| (0..5).fold(0, |letter, offset| letter << 1 | bit(5 * index + offset));
    (0..(bytes.len() * 8).div_ceil(5)).map(move |index| ALPHABET[usize::from(letter(index))].into())
}

/// The SHA-256 of a token's text, as it is stored. Two are compared in the same time, wherever they differ.
#[derive(Clone)]
pub struct TokenHash([u8; 32]);

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for TokenHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut hash = [0; 32];
        let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        for (to, from) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(from).unwrap_or_default();
            *to = u8::from_str_radix(digits, 16).unwrap_or_default();
        }
        if is_hex { Ok(Self(hash)) } else { Err("a SHA-256 is 64 hexadecimal digits") }
    }
}
