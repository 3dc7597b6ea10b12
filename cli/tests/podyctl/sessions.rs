//! `podyctl session`: what is sent and what is printed.

use protocol::session::{SessionRecord, SessionsReply};
use serde_json::json;

use crate::podyd::Podyd;

#[test]
fn sessions_are_listed_a_page_at_a_time() {
    let podyd = Podyd::start(|_, parameters| {
        let more = parameters["after"].is_null();
        let session = SessionRecord {
            id: if more { 3 } else { 12 },
            user: "ada".into(),
            uid: 1_900_000_000,
            service: "sshd".into(),
            tty: None,
            rhost: more.then(|| "192.0.2.7".into()),
            began_at: "2027-01-15T08:00:00Z".into(),
            leader: 4711,
        };
        Some(Ok(serde_json::to_value(SessionsReply { sessions: vec![session], more }).unwrap()))
    });
    let table = podyd.podyctl(&["session", "list", "ada"], "").done().out;
    assert!(table.contains("192.0.2.7") && table.contains("4711") && table.lines().count() == 3, "{table}");
    let calls = podyd.calls();
    assert_eq!((&calls[0].1["user"], &calls[1].1["after"]), (&json!("ada"), &json!(3)));
    let listed = podyd.podyctl(&["session", "list", "--json"], "").done().json();
    assert_eq!((&listed[0]["id"], &listed[1]["began_at"]), (&json!(3), &json!("2027-01-15T08:00:00Z")));
}
