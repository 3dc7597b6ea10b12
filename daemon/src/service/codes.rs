//! One-time codes: what somebody types where a password could stand, once, as one user. They are kept in memory alone, by
//! their hashes, and a restart of podyd ends them all.
//!
//! Who is given one, and what typing one comes to, is decided elsewhere.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use identity::{Name, User};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::directory::{Error, Result};
use crate::limits::{MAX_LOGIN_CODES, MAX_LOGIN_CODES_PER_USER};

/// Crockford's base32: digits and letters that are not taken for one another, neither on a screen nor on the telephone.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of a code, 5 bits each: 80 bits, which nobody guesses while a code is good, however few failures lock.
const CHARACTERS: usize = 16;

/// Characters between two hyphens.
const GROUP: usize = 4;

/// The text of a code: `7K2M-9QXR-4TDA-0WHE`. It is wiped when dropped, and has no `Debug` that shows it.
pub struct LoginCode(Zeroizing<String>);

impl LoginCode {
    /// Draws one at random.
    pub fn random() -> Self {
        let mut random = Zeroizing::new([0; CHARACTERS]);
        getrandom::fill(&mut *random).expect("getrandom(2) does not fail once Linux has booted");
        let mut text = Zeroizing::new(String::with_capacity(CHARACTERS + CHARACTERS / GROUP));
        for (index, byte) in random.iter().enumerate() {
            if index > 0 && index % GROUP == 0 {
                text.push('-');
            }
            text.push(ALPHABET[usize::from(byte % 32)].into());
        }
        Self(text)
    }

    /// The text, for whoever is to type it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LoginCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginCode")
    }
}

/// The characters of what was typed, if it can be a code. People leave hyphens out, type in lower
/// case, and O for 0, and what they paste brings blanks along.
fn characters(text: &str) -> Option<Zeroizing<[u8; CHARACTERS]>> {
    let typed = text.chars().filter(|character| *character != '-' && !character.is_whitespace());
    let mut code = Zeroizing::new([0; CHARACTERS]);
    let mut length = 0;
    for character in typed {
        let character = match u8::try_from(character).ok()?.to_ascii_uppercase() {
            b'O' => b'0',
            b'I' | b'L' => b'1',
            other => other,
        };
        if !ALPHABET.contains(&character) {
            return None;
        }
        *code.get_mut(length)? = character;
        length += 1;
    }
    (length == CHARACTERS).then_some(code)
}

/// The hash of what was typed, if it can be a code.
fn digest(text: &str) -> Option<[u8; 32]> {
    Some(Sha256::digest(characters(text)?.as_slice()).into())
}

/// The same of a code that is kept in a file: what others have in theirs, or somebody else here, is another digest.
pub fn digest_for(owner: &str, text: &str) -> Option<[u8; 32]> {
    let code = characters(text)?;
    let hash = Sha256::new().chain_update(owner).chain_update([0]).chain_update(code.as_slice());
    Some(hash.finalize().into())
}

/// Whether this can be a code: nobody types so much by mistake.
pub fn can_be_code(text: &str) -> bool {
    digest(text).is_some()
}

/// Why somebody was given a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grounds {
    /// The OpenID provider vouches for them.
    Provider,
    /// Root does, and says why.
    BreakGlass(String),
}

/// A code that was right.
#[derive(Debug)]
pub struct Redeemed {
    /// The user that it was made for; another may have the name by now.
    pub uuid: String,
    /// Why it was made.
    pub grounds: Grounds,
}

/// The codes that are good.
#[derive(Default)]
pub struct LoginCodes(Mutex<Vec<Kept>>);

struct Kept {
    digest: [u8; 32],
    user: Name,
    uuid: String,
    ends: Instant,
    grounds: Grounds,
}

impl LoginCodes {
    /// Makes one. There is room for a few of each user, and for those of root beside all others.
    pub fn issue(&self, user: &User, lifetime: Duration, grounds: Grounds) -> Result<LoginCode> {
        let mut codes = self.good();
        let is_roots = |kept: &&Kept| matches!(kept.grounds, Grounds::BreakGlass(_));
        let (roots, others) = codes.iter().partition::<Vec<_>, _>(is_roots);
        let alike = if matches!(grounds, Grounds::BreakGlass(_)) { roots } else { others };
        if alike.iter().filter(|kept| kept.uuid == user.uuid).count() >= MAX_LOGIN_CODES_PER_USER {
            return Err(Error::Busy(format!(
                "{MAX_LOGIN_CODES_PER_USER} one-time codes of {} are good already: use one, or come back when they have ended",
                user.name
            )));
        }
        if alike.len() >= MAX_LOGIN_CODES {
            return Err(Error::Busy(format!("{MAX_LOGIN_CODES} one-time codes are good already")));
        }
        let code = LoginCode::random();
        codes.push(Kept {
            digest: digest(code.expose()).expect("a code reads as one"),
            user: user.name,
            uuid: user.uuid.clone(),
            ends: Instant::now() + lifetime,
            grounds,
        });
        Ok(code)
    }

    /// Takes a code out that is good for this name, if what was typed is one.
    pub fn redeem(&self, name: Name, text: &str) -> Option<Redeemed> {
        let typed = digest(text)?;
        let mut codes = self.good();
        let is_it = |kept: &Kept| kept.user == name && bool::from(kept.digest.ct_eq(&typed));
        let Kept { uuid, grounds, .. } = codes.iter().position(is_it).map(|at| codes.swap_remove(at))?;
        Some(Redeemed { uuid, grounds })
    }

    /// Whether somebody of this name could type one.
    pub fn is_one_good_for(&self, name: Name) -> bool {
        self.good().iter().any(|kept| kept.user == name)
    }

    fn good(&self) -> MutexGuard<'_, Vec<Kept>> {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        codes.retain(|kept| now < kept.ends);
        codes
    }
}

#[cfg(test)]
mod tests;
