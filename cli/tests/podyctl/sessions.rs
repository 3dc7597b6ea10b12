//! `podyctl session`: what is sent and what is printed.

use protocol::Error;
use protocol::directory::{UserRecord, UserReply};
use protocol::session::{Ended, SessionRecord, SessionsReply};
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

#[test]
fn a_session_or_a_user_is_ended() {
    let podyd = Podyd::that_answers(Some(Ok(serde_json::to_value(Ended { processes: 3 }).unwrap())));
    let ran = podyd.podyctl(&["session", "end", "12"], "").done();
    assert_eq!(ran.out, "Session 12 was ended: 3 processes.\n");
    assert_eq!(podyd.calls().pop().unwrap(), ("Session.End".to_owned(), json!({"id": 12, "user": null})));
    let ran = podyd.podyctl(&["session", "end", "--user", "ada", "--json"], "").done();
    assert_eq!(ran.json(), json!({"processes": 3}));
    assert_eq!(podyd.calls().pop().unwrap().1, json!({"id": null, "user": "ada"}));
    for wrong in [&["session", "end"][..], &["session", "end", "12", "--user", "ada"]] {
        assert_eq!(podyd.podyctl(wrong, "").code, 2, "{wrong:?}");
    }
}

#[test]
fn a_user_is_locked_before_anything_is_ended_and_stays_so_when_that_fails() {
    let helper_is_away = Error::Away { message: "podyd-helper cannot be reached".into() };
    for (verb, outcome) in [("lock", Ok(Ended { processes: 3 })), ("disable", Err(helper_is_away))] {
        let answer = outcome.clone().map(|ended| serde_json::to_value(ended).unwrap());
        let podyd = Podyd::start(move |method, _| match method {
            "Session.End" => Some(answer.clone()),
            _ => {
                let user = UserRecord { name: "ada".into(), state: "locked".into(), ..UserRecord::default() };
                Some(Ok(serde_json::to_value(UserReply { user }).unwrap()))
            }
        });
        let ran = podyd.podyctl(&["user", verb, "ada", "--kill"], "");
        let methods: Vec<String> = podyd.calls().into_iter().map(|(method, _)| method).collect();
        assert_eq!(methods, ["Directory.UpdateUser", "Session.End"]);
        assert_eq!(ran.out, "ada is locked now.\n");
        match outcome {
            Ok(_) => assert!(ran.code == 0 && ran.err.contains("3 of their processes"), "{ran:?}"),
            Err(_) => assert!(ran.code == 6 && ran.err.contains("what they run here goes on"), "{ran:?}"),
        }
    }
}
