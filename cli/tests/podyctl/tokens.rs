//! Tokens: what is sent, what is printed, and where the text of a token goes.

use std::process::Stdio;

use protocol::Error;
use protocol::directory::{Done, Secret};
use protocol::token::{Checked, Created, TokenKey, TokenRecord, TokensReply};
use serde_json::{Value, json};

use crate::podyd::{Answer, Podyd};

const CANARY: &str = "pody_canary";

fn reply(record: impl serde::Serialize) -> Answer {
    Some(Ok(serde_json::to_value(record).unwrap()))
}

fn backup() -> TokenRecord {
    TokenRecord {
        uuid: "0-1".into(),
        owner: "ada".into(),
        name: "backup".into(),
        scopes: vec!["read".into(), "write".into()],
        networks: vec!["192.0.2.0/24".into()],
        created_at: "2027-01-15T08:00:00Z".into(),
        ..Default::default()
    }
}

fn created() -> Answer {
    reply(Created { token: backup(), secret: Secret(CANARY.into()) })
}

#[test]
fn a_new_token_stands_alone_on_standard_output() {
    let podyd = Podyd::that_answers(created());
    let create = ["token", "create", "--name", "backup", "--owner", "ada", "--scope", "read,write"];
    let ran = podyd.podyctl(&[&create[..], &["--from", "192.0.2.0/24,::1"]].concat(), "").done();
    assert_eq!(ran.out, format!("{CANARY}\n"));
    assert!(
        ran.err.contains("ada's token backup was created, for read and write from 192.0.2.0/24"),
        "{ran:?}"
    );
    assert!(ran.err.contains("until it is revoked") && !ran.err.contains(CANARY), "{ran:?}");
    let (method, sent) = podyd.calls().remove(0);
    assert_eq!(method, "Token.Create");
    let expected = json!({
        "owner": "ada", "name": "backup", "scopes": ["read", "write"], "networks": ["192.0.2.0/24", "::1"],
        "expires_at": null,
    });
    assert_eq!(sent, expected);

    podyd.podyctl(&["token", "create", "--name", "x", "--expires", "2027-09-30"], "").done();
    let sent = podyd.calls().remove(1).1;
    assert_eq!((&sent["scopes"], &sent["expires_at"]), (&json!(["read"]), &json!("2027-09-30")));
    let ran = podyd.podyctl(&["token", "create", "--name", "backup", "--json"], "").done();
    assert_eq!((&ran.json()["secret"], &ran.json()["token"]["name"]), (&json!(CANARY), &json!("backup")));
    assert!(!ran.err.contains(CANARY));
}

/// It is valid, and nobody has it: that is no success.
#[test]
fn a_token_that_could_not_be_written_is_to_be_revoked() {
    let podyd = Podyd::that_answers(created());
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into();
    let gone = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    for out in [full(), gone()] {
        let mut command = podyd.home.command(&["token", "create", "--name", "backup"]);
        let output = command.stdin(Stdio::null()).stdout(out).spawn().unwrap().wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(said.contains("podyctl token revoke backup --owner ada") && !said.contains(CANARY), "{said}");
    }
}

#[test]
fn tokens_are_listed_a_page_at_a_time() {
    let podyd = Podyd::start(|_, parameters| {
        let more = parameters["after"].is_null();
        let name = if more { "backup" } else { "ci" };
        reply(TokensReply { tokens: vec![TokenRecord { name: name.into(), ..backup() }], more })
    });
    let table = podyd.podyctl(&["token", "list", "--owner", "ada"], "").done().out;
    assert!(table.starts_with(" OWNER") && table.contains("backup") && table.contains(" ci "), "{table}");
    assert_eq!(table.lines().count(), 3);
    let after = serde_json::to_value(TokenKey { owner: "ada".into(), name: "backup".into() }).unwrap();
    assert_eq!((&podyd.calls()[1].1["after"], &podyd.calls()[1].1["owner"]), (&after, &json!("ada")));
    let array = podyd.podyctl(&["token", "list", "--json"], "").done().json();
    assert_eq!((array.as_array().unwrap().len(), &array[1]["name"]), (2, &json!("ci")));
}

#[test]
fn a_token_is_revoked_by_its_name() {
    let podyd = Podyd::that_answers(reply(Done { revision: 9 }));
    assert_eq!(
        podyd.podyctl(&["token", "revoke", "backup"], "").done().out,
        "The token backup was revoked.\n"
    );
    assert_eq!(podyd.calls()[0], ("Token.Revoke".into(), json!({"owner": null, "name": "backup"})));
    let none = Podyd::that_answers(Some(Err(Error::NotFound { message: "ada has no token x".into() })));
    assert_eq!(none.podyctl(&["token", "revoke", "x", "--owner", "ada"], "").code, 3);
}

#[test]
fn a_token_is_checked_from_standard_input_and_the_reasons_are_told() {
    let accepted = Checked { accepted: true, objections: vec![], token: Some(backup()) };
    let podyd = Podyd::that_answers(reply(&accepted));
    let ran = podyd.podyctl(&["token", "check"], &format!(" {CANARY} \nnext line\n")).done();
    assert!(ran.out.contains(" accepted   yes\n") && ran.out.contains(" last used  never\n"), "{}", ran.out);
    assert!(!ran.out.contains(CANARY) && !ran.err.contains(CANARY));
    let expected = json!({"token": CANARY, "scope": null, "source": null, "is_use": false});
    assert_eq!(podyd.calls()[0], ("Token.Check".into(), expected));
    podyd.podyctl(&["token", "check", "--scope", "read", "--from", "::1", "--use"], CANARY).done();
    let sent = &podyd.calls()[1].1;
    assert_eq!(
        (&sent["scope"], &sent["source"], &sent["is_use"]),
        (&json!("read"), &json!("::1"), &json!(true))
    );

    let objections = vec!["it expired on 2027-01-31".into(), "it is not for write, but for read".into()];
    let refused = Checked { accepted: false, objections, token: Some(backup()) };
    let podyd = Podyd::that_answers(reply(&refused));
    let ran = podyd.podyctl(&["token", "check"], CANARY);
    assert!(ran.code == 5 && ran.out.contains(" accepted   no\n"), "{ran:?}");
    assert!(ran.err.contains("not accepted: it expired on 2027-01-31; it is not for write"), "{ran:?}");
    let ran = podyd.podyctl(&["token", "check", "--json"], CANARY);
    assert_eq!(
        (ran.code, serde_json::from_str::<Value>(&ran.out).unwrap()["accepted"].clone()),
        (5, json!(false))
    );

    for (arguments, input) in [
        (&["token", "check"][..], "\n"),
        (&["token", "check", "--use"], CANARY),
        (&["token", "check", CANARY], ""),
    ] {
        let ran = podyd.podyctl(arguments, input);
        assert_eq!(ran.code, 2, "{ran:?}");
    }
}
