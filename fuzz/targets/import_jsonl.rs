//! What podyctl exported, or somebody wrote by hand.
#![no_main]

use cli::import::{Line, Records, jsonl};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    for line in jsonl::parse(text) {
        if let Line::Refused(refusal) = line {
            assert!(refusal.line > 0 && !refusal.reason.is_empty());
        }
    }
    let records = Records::of_export(text);
    let pairs = records.members.iter().map(|member| (&member.group, &member.user));
    assert!(pairs.is_sorted_by(|a, b| a < b), "a membership twice");
    for user in records.users.filter_map(Line::taken) {
        serde_json::to_string(&user.user).expect("plain data");
    }
});
