//! One-time codes: `podyctl login` and `podyctl break-glass`, with a podyd that gives one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use protocol::Error;
use protocol::directory::Secret;
use protocol::login::OneTimeCode;
use protocol::oidc::BegunLogin;
use serde_json::{Value, json, to_value};

use crate::podyd::{Podyd, Ran};

const CODE: &str = "7K2M-9QXR-4TDA-0WHE";

fn code() -> Value {
    to_value(OneTimeCode { name: "ada".into(), code: Secret(CODE.into()), seconds: 60 }).unwrap()
}

/// A podyd that logs ada in.
fn podyd() -> Podyd {
    Podyd::start(|method, call| match method {
        "Oidc.BeginLogin" => {
            let redirect = call["redirect"].as_str().unwrap();
            let url = format!("https://login.example.com/auth?redirect_uri={redirect}&state=right");
            Some(Ok(to_value(BegunLogin { login: "a login".into(), url }).unwrap()))
        }
        _ => Some(Ok(code())),
    })
}

#[test]
fn root_gets_a_code_and_the_journal_the_reason() {
    let podyd = podyd();
    let ran =
        podyd.podyctl(&["break-glass", "ada", "--for", "1h", "--reason", "the provider is away"], "").done();
    assert_eq!(ran.out, format!("{CODE}\n"));
    assert!(ran.err.contains("ada") && ran.err.contains("journal") && !ran.err.contains(CODE), "{ran:?}");
    let call = json!({"user": "ada", "seconds": 3600, "reason": "the provider is away"});
    assert_eq!(podyd.calls(), [("Login.BreakGlass".to_owned(), call)]);
    let json = podyd.podyctl(&["break-glass", "ada", "--reason", "x", "--json"], "").done().json();
    assert_eq!((&json["name"], &json["code"], &json["seconds"]), (&json!("ada"), &json!(CODE), &json!(60)));
    assert_eq!(podyd.calls()[1].1["seconds"], 900);
    for wrong in [&["break-glass", "ada"][..], &["break-glass", "ada", "--reason", "x", "--for", "1d"]] {
        assert_eq!(podyd.podyctl(wrong, "").code, 2, "{wrong:?}");
    }
}

#[test]
fn an_id_token_comes_by_standard_input() {
    let podyd = podyd();
    let ran = podyd.podyctl(&["login", "--code", "--user", "ada"], "a.b.c \r\n").done();
    assert_eq!(ran.out, format!("{CODE}\n"));
    assert!(ran.err.contains("You are ada; for the next 60 s"), "{ran:?}");
    let call = json!({"id_token": "a.b.c", "name": "ada"});
    assert_eq!(podyd.calls(), [("Oidc.ExchangeToken".to_owned(), call)]);
    let long = "x".repeat(32 * 1024);
    assert_eq!(podyd.podyctl(&["login", "--code"], &long).code, 0);
    for wrong in ["", &format!("{long}x")] {
        let ran = podyd.podyctl(&["login", "--code"], wrong);
        assert!(ran.code == 2 && ran.err.contains("ID token") && !ran.err.contains("xxx"), "{ran:?}");
    }
    let refused =
        Podyd::that_answers(Some(Err(Error::Refused { message: "this ID token is too old".into() })));
    let ran = refused.podyctl(&["login", "--code"], "a.b.c");
    assert_eq!((ran.code, ran.err.as_str()), (5, "podyctl: this ID token is too old\n"));
}

/// Plays the browser: `podyctl login` prints where it goes, and this goes back at once.
fn log_in(podyd: &Podyd, arguments: &[&str], query: &str) -> Ran {
    let mut command = podyd.home.command(arguments);
    let mut child =
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").stdin(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    let redirect = loop {
        assert!(lines.read_line(&mut said).unwrap() > 0, "{said}");
        if let Some((_, rest)) = said.split_once("redirect_uri=http://") {
            break rest.split_once('/').unwrap().0.to_owned();
        }
    };
    let mut browser = TcpStream::connect(&redirect).unwrap();
    write!(browser, "GET /?{query} HTTP/1.1\r\nHost: {redirect}\r\n\r\n").unwrap();
    let mut page = String::new();
    browser.read_to_string(&mut page).unwrap();
    assert!(page.contains("terminal") && !page.contains("the-code"), "{page}");
    let output = child.wait_with_output().unwrap();
    lines.read_to_string(&mut said).unwrap();
    Ran { code: output.status.code().unwrap(), out: String::from_utf8(output.stdout).unwrap(), err: said }
}

#[test]
fn a_browser_logs_in() {
    let podyd = podyd();
    let ran = log_in(&podyd, &["login"], "code=the-code&state=right").done();
    assert_eq!(ran.out, format!("{CODE}\n"));
    assert!(ran.err.contains("You are ada; for the next 60 s this one-time code logs you in:"), "{ran:?}");
    let call = json!({"login": "a login", "query": "code=the-code&state=right", "name": null});
    assert_eq!(podyd.calls()[1], ("Oidc.FinishLogin".to_owned(), call));
    let arguments = ["login", "--no-browser", "--json", "--user", "countess"];
    let ran = log_in(&podyd, &arguments, "state=right&error=access_denied").done();
    assert_eq!(ran.json()["code"], CODE);
    assert_eq!(podyd.calls()[3].1["name"], "countess");
}

#[test]
fn without_a_provider_no_browser_is_waited_for() {
    let podyd =
        Podyd::that_answers(Some(Err(Error::Refused { message: "there is no OpenID provider".into() })));
    let ran = podyd.podyctl(&["login", "--no-browser"], "");
    assert_eq!((ran.code, ran.err.as_str()), (5, "podyctl: there is no OpenID provider\n"));
    let home = crate::podyd::Scratch::new();
    assert_eq!(home.podyctl(&["login", "--no-browser"], "").code, 6);
    assert_eq!(home.podyctl(&["login", "--no-browser", "--code"], "").code, 2);
}
