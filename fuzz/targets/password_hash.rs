//! Hashes as an import may bring them. Those that are kept can be read again, and verifying them ends: only cheap
//! ones are verified here. A NUL byte parts hash and password.
#![no_main]

use daemon::verifiers::{Argon2Parameters, HashKind, Memory, PasswordHash};
use identity::Name;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let (text, password) = input.split_once('\0').unwrap_or((input, "secret"));
    match PasswordHash::parse(text) {
        Err(error) => drop(error.to_string()),
        Ok(hash) => {
            assert_eq!(PasswordHash::parse(hash.as_str()).as_ref(), Ok(&hash));
            assert!(!format!("{hash:?}").contains('$'), "shown");
            let _ = hash.needs_rehash(Argon2Parameters::DEFAULT);
            if is_cheap(&hash) {
                let name = Name::new(b"ada").expect("a name");
                let _ = hash.verify(&name, password.as_bytes(), &mut Memory::default());
            }
        }
    }
});

/// Whether verifying it is a matter of a few milliseconds.
fn is_cheap(hash: &PasswordHash) -> bool {
    let text = hash.as_str();
    let cost = |field: usize| text.split('$').nth(field).unwrap_or_default();
    let number = |name: &str| {
        let parameters = cost(3).split(',').filter_map(|parameter| parameter.split_once('='));
        parameters.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse::<u32>().ok())
    };
    match hash.kind() {
        HashKind::Argon2id => number("m").is_some_and(|m| m <= 256) && number("t").is_some_and(|t| t <= 4),
        HashKind::Sha512Crypt | HashKind::Sha256Crypt => {
            cost(2).starts_with("rounds=1") && cost(2).len() == 11
        }
        HashKind::Bcrypt => cost(2) == "04",
        // N and r in two characters: up to 2^7 blocks of 1 KiB.
        HashKind::Yescrypt => matches!(cost(2).as_bytes(), [b'j', b'.'..=b'4', b'.'..=b'5']),
        HashKind::Apr1 | HashKind::PodySha256 => true,
    }
}
