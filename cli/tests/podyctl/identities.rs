//! `podyctl identity`: what is sent and what is printed.

use protocol::Error;
use protocol::directory::Done;
use protocol::identity::{IdentitiesReply, IdentityRecord};
use serde_json::json;

use crate::podyd::Podyd;

const ISSUER: &str = "https://login.example.com";

#[test]
fn an_identity_is_linked_and_unlinked() {
    let podyd = Podyd::that_answers(Some(Ok(serde_json::to_value(Done { revision: 7 }).unwrap())));
    let sent = json!({"user": "ada", "issuer": ISSUER, "subject": "s1"});
    for (verb, method, said) in [
        ("link", "Identity.Link", "s1 of https://login.example.com logs in as ada."),
        ("unlink", "Identity.Unlink", "s1 of https://login.example.com is ada no more."),
    ] {
        let ran = podyd.podyctl(&["identity", verb, "ada", ISSUER, "s1"], "").done();
        assert_eq!(ran.out.trim_end(), said);
        assert_eq!(podyd.calls().pop().unwrap(), (method.to_owned(), sent.clone()));
        let ran = podyd.podyctl(&["identity", verb, "ada", ISSUER, "s1", "--json"], "").done();
        assert_eq!(ran.json(), json!({"revision": 7}));
    }
}

#[test]
fn identities_are_listed_a_page_at_a_time() {
    let podyd = Podyd::start(|_, parameters| {
        let more = parameters["after"].is_null();
        let subject = if more { "s1" } else { "s2" };
        let one = IdentityRecord {
            user: "ada".into(),
            deleted: !more,
            issuer: ISSUER.into(),
            subject: subject.into(),
        };
        Some(Ok(serde_json::to_value(IdentitiesReply { identities: vec![one], more }).unwrap()))
    });
    let table = podyd.podyctl(&["identity", "list", "ada"], "").done().out;
    assert!(table.contains("linked") && table.contains("deleted") && table.lines().count() == 3, "{table}");
    let calls = podyd.calls();
    assert_eq!(
        (&calls[0].1["user"], &calls[1].1["after"]),
        (&json!("ada"), &json!({"issuer": ISSUER, "subject": "s1"}))
    );
    let listed = podyd.podyctl(&["identity", "list", "--json"], "").done().json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[1]["deleted"]), (2, &json!(true)));
}

#[test]
fn an_identity_that_is_anothers_is_a_conflict() {
    let message = "https://login.example.com s1 is linked to bob".to_owned();
    let podyd = Podyd::that_answers(Some(Err(Error::Conflict { message })));
    let ran = podyd.podyctl(&["identity", "link", "ada", ISSUER, "s1"], "");
    assert_eq!(ran.code, 4);
    assert!(ran.err.contains("is linked to bob"), "{ran:?}");
}
