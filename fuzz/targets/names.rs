//! Names and fields: what is let in is shown again as it came, and ends no line of passwd(5).
#![no_main]

use std::fmt::Display;
use std::str::FromStr;

use identity::{AbsolutePath, Day, Email, Gecos, Name, NameError, is_privileged_group};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let _ = is_privileged_group(text);
    match Name::new(text) {
        Ok(name) => {
            assert!(is_name(text) && Name::is_valid(text));
            assert_eq!(name.as_bytes(), text);
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        Err(error) => {
            assert!(!is_name(text) && !Name::is_valid(text));
            assert_eq!(error == NameError::Empty, text.is_empty());
        }
    }
    let Ok(text) = str::from_utf8(text) else { return };
    shown_as_it_came::<Gecos>(text);
    shown_as_it_came::<AbsolutePath>(text);
    shown_as_it_came::<Email>(text);
    shown_as_it_came::<Day>(text);
});

/// The grammar once more, spelt another way.
fn is_name(text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else { return false };
    let begins = first.is_ascii_lowercase() || *first == b'_';
    let goes_on =
        rest.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(byte));
    text.len() <= 32 && begins && goes_on
}

fn shown_as_it_came<T: FromStr + Display>(text: &str) {
    if let Ok(field) = text.parse::<T>() {
        assert_eq!(field.to_string(), text);
        assert!(!text.contains([':', '\n', '\r', '\0']));
    }
}
