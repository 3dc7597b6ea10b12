//! Apache's `$apr1$`: MD5-crypt with another prefix, a thousand rounds. Verified so that an htpasswd file
//! can be imported, never made.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

const PREFIX: &str = "$apr1$";
const ROUNDS: usize = 1000;
const MAX_SALT_BYTES: usize = 8;
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Salt and encoded digest, if the text has the form of such a hash.
fn parts(text: &str) -> Option<(&str, &str)> {
    let (salt, digest) = text.strip_prefix(PREFIX)?.split_once('$')?;
    let is_salt = (1..=MAX_SALT_BYTES).contains(&salt.len()) && salt.is_ascii();
    let is_digest = digest.len() == 22 && digest.bytes().all(|byte| ALPHABET.contains(&byte));
    (is_salt && is_digest).then_some((salt, digest))
}

pub(super) fn is_well_formed(text: &str) -> bool {
    parts(text).is_some()
}

pub(super) fn verify(text: &str, password: &[u8]) -> bool {
    parts(text).is_some_and(|(salt, expected)| {
        encode(&digest(password, salt.as_bytes())).as_bytes().ct_eq(expected.as_bytes()).into()
    })
}

fn digest(password: &[u8], salt: &[u8]) -> [u8; 16] {
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut outer = Md5::new().chain_update(password).chain_update(PREFIX).chain_update(salt);
    for chunk in password.chunks(inner.len()) {
        outer.update(&inner[..chunk.len()]);
    }
    // A slip of 1994's first implementation that became the format: a zero byte for each set bit of the
    // length, the password's first byte for each clear one.
    let mut length = password.len();
    while length > 0 {
        outer.update(if length & 1 == 1 { &[0][..] } else { &password[..1] });
        length >>= 1;
    }
    (0..ROUNDS).fold(outer.finalize().into(), |previous, round| stretch(&previous, round, password, salt))
}

fn stretch(previous: &[u8; 16], round: usize, password: &[u8], salt: &[u8]) -> [u8; 16] {
    let is_odd = round % 2 == 1;
    let mut hash = Md5::new().chain_update(if is_odd { password } else { previous });
    if !round.is_multiple_of(3) {
        hash.update(salt);
    }
    if !round.is_multiple_of(7) {
        hash.update(password);
    }
    hash.chain_update(if is_odd { previous } else { password }).finalize().into()
}

/// Three bytes make four characters, lowest six bits first, the bytes taken in this order; byte 11 is left
/// over for the last two.
fn encode(digest: &[u8; 16]) -> String {
    const ORDER: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
    let groups =
        ORDER.iter().map(|order| (order.iter().fold(0, |bits, &i| bits << 8 | u32::from(digest[i])), 4));
    let characters = groups.chain([(u32::from(digest[11]), 2)]).flat_map(|(bits, count)| {
        (0..count).map(move |i| char::from(ALPHABET[(bits >> (6 * i)) as usize & 63]))
    });
    characters.collect()
}
