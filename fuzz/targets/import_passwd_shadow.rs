//! The files of a foreign system: passwd, shadow and group, parted by NUL bytes.
#![no_main]

use cli::import::{Line, Records, SystemFiles, group, passwd, shadow};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|files: &[u8]| {
    let mut files = files.splitn(3, |byte| *byte == 0);
    let files =
        SystemFiles { passwd: files.next().unwrap_or_default(), shadow: files.next(), group: files.next() };
    let lines = each_line_once(files.passwd, passwd::parse(files.passwd));
    each_line_once(files.shadow.unwrap_or_default(), shadow::parse(files.shadow.unwrap_or_default()));
    each_line_once(files.group.unwrap_or_default(), group::parse(files.group.unwrap_or_default()));

    let records = Records::of_system(files, 1000..=59_999);
    assert!(records.user_lines <= lines);
    for user in records.users.filter_map(Line::taken) {
        assert!(user.user.uid.is_some_and(|uid| (1000..=59_999).contains(&uid)));
        serde_json::to_string(&user.user).expect("plain data");
    }
});

/// Every line is taken, skipped or refused, in order.
fn each_line_once<T>(text: &[u8], lines: impl Iterator<Item = Line<T>>) -> usize {
    let whole = text.strip_suffix(b"\n").unwrap_or(text);
    let expected = if whole.is_empty() { 0 } else { whole.split(|byte| *byte == b'\n').count() };
    let mut count = 0;
    for (line, number) in lines.zip(1..) {
        if let Line::Refused(refusal) = line {
            assert_eq!(refusal.line, number);
            assert!(!refusal.reason.is_empty());
        }
        count += 1;
    }
    assert_eq!(count, expected);
    count
}
