//! A configuration file, and after its NUL bytes the environment: valid settings, or errors of one line each.
#![no_main]

use daemon::config::{Environment, parse_str};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let mut parts = input.split('\0');
    let text = parts.next().unwrap_or_default();
    let variables = parts.filter_map(|variable| variable.split_once('='));
    let environment: Environment = variables.collect();
    if let Err(errors) = parse_str(text, &environment) {
        assert!(!errors.is_empty(), "refused without a reason");
        for error in errors {
            let line = error.to_string();
            assert!(!line.chars().any(|character| character.is_control()), "{line:?}");
        }
    }
});
