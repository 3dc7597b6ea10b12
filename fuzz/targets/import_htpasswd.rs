//! Apache's password files.
#![no_main]

use cli::import::{Line, Records, htpasswd};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    for line in htpasswd::parse(text) {
        match line {
            Line::Taken(entry) => assert!(!entry.name.contains([':', '\n', '\0'])),
            Line::Refused(refusal) => assert!(refusal.line > 0 && !refusal.reason.is_empty()),
            Line::Skipped => {}
        }
    }
    let records = Records::of_htpasswd(text);
    let (most, users) = (records.user_lines, records.users.filter_map(Line::taken).count());
    assert!(users <= most);
});
