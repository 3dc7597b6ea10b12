//! Whatever a file holds, its lines are taken, skipped or refused, each exactly once.

use cli::import::{Line, Records, SystemFiles, group, htpasswd, jsonl, passwd, shadow};
use proptest::prelude::*;

/// The numbers of the lines that were taken or refused, and how many were skipped.
fn account<T>(lines: impl Iterator<Item = Line<T>>, number: impl Fn(&T) -> u64) -> (Vec<u64>, usize) {
    let (mut numbers, mut skipped) = (Vec::new(), 0);
    for line in lines {
        match line {
            Line::Taken(record) => numbers.push(number(&record)),
            Line::Refused(refusal) => numbers.push(refusal.line),
            Line::Skipped => skipped += 1,
        }
    }
    (numbers, skipped)
}

fn check((numbers, skipped): (Vec<u64>, usize), text: &[u8]) {
    let lines = if text.is_empty() || text == b"\n" {
        0
    } else {
        text.strip_suffix(b"\n").unwrap_or(text).split(|b| *b == b'\n').count()
    };
    assert!(numbers.is_sorted_by(|a, b| a < b), "no line twice: {numbers:?}");
    assert!(numbers.last().is_none_or(|last| *last <= lines as u64));
    assert_eq!(numbers.len() + skipped, lines);
}

fn check_all(text: &[u8]) {
    check(account(passwd::parse(text), |entry| entry.line), text);
    check(account(shadow::parse(text), |entry| entry.line), text);
    check(account(group::parse(text), |entry| entry.line), text);
    check(account(htpasswd::parse(text), |entry| entry.line), text);
    let line_of = |record: &jsonl::Record| match record {
        jsonl::Record::User(user, _) => user.line,
        jsonl::Record::Group(group, _) => group.line,
    };
    check(account(jsonl::parse(text), line_of), text);
}

/// Bytes that look like account files more often than chance would have it.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[a-z*!$:,0-9 ]{0,12}".prop_map(String::into_bytes),
        2 => Just(b":".to_vec()),
        2 => Just(b"\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        1 => Just(b"ada:x:1000:1000:Ada:/home/ada:/bin/sh\n".to_vec()),
        1 => Just(b"ada:!$6$a$b:19000:0:99999:7::20454:\n".to_vec()),
        1 => Just(b"{\"name\": \"ada\", \"groups\": [\"physics\"]}\n".to_vec()),
        1 => Just(b"{\"group\": {\"name\": \"physics\"}}\n".to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_line_is_taken_skipped_or_refused_exactly_once(text in text()) {
        check_all(&text);
    }

    #[test]
    fn every_line_of_any_bytes_is_accounted_for(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        check_all(&text);
    }

    #[test]
    fn no_files_whatsoever_stop_an_import(passwd in text(), shadow in text(), group in text(), low in any::<u32>()) {
        let files = SystemFiles { passwd: &passwd, shadow: Some(&shadow), group: Some(&group) };
        let records = Records::of_system(files, low..=u32::MAX);
        let lines = records.users.count();
        prop_assert_eq!(lines, passwd::parse(&passwd).count());
        let _ = Records::of_export(&passwd).users.count();
        let _ = Records::of_htpasswd(&passwd).users.count();
    }
}
