//! Commands with somebody at the terminal.

use std::io;

use cli::{Code, Output, Person, Session};
use protocol::directory::{Done, UserRecord, UserReply};
use serde_json::{Value, json};

use crate::podyd::{Answer, Podyd};

/// Somebody who gives these answers to these questions, and none is left over.
struct Script(Vec<(&'static str, &'static str)>);

impl Script {
    fn answer(&mut self, prompt: &str) -> io::Result<String> {
        let (question, answer) = self.0.remove(0);
        assert!(prompt.contains(question), "asked {prompt:?}, not {question:?}");
        Ok(answer.to_owned())
    }
}

impl Person for Script {
    fn secret(&mut self, prompt: &str) -> io::Result<String> {
        self.answer(prompt)
    }

    fn line(&mut self, prompt: &str) -> io::Result<String> {
        self.answer(prompt)
    }
}

fn run(
    podyd: &Podyd,
    caller: u32,
    arguments: &[&str],
    script: &[(&'static str, &'static str)],
) -> (Code, String) {
    let mut person = Script(script.to_vec());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut session = Session {
        socket: podyd.home.path().join("run/varlink"),
        configuration: podyd.home.path().to_owned(),
        caller: Some(caller),
        input: &mut io::empty(),
        output: Output::new(Box::new(&mut out), Box::new(&mut err)),
        person: Some(&mut person),
    };
    let code = cli::run(["podyctl"].iter().chain(arguments).map(Into::into), &mut session);
    drop(session);
    assert_eq!(person.0, [], "every question was asked");
    (code, String::from_utf8([out, err].concat()).unwrap())
}

/// A podyd with one user, ada, whose uid is 7000.
fn podyd() -> Podyd {
    fn reply(record: impl serde::Serialize) -> Answer {
        Some(Ok(serde_json::to_value(record).unwrap()))
    }
    Podyd::start(|method, _| match method {
        "Directory.GetUser" | "Directory.CreateUser" => {
            reply(UserReply { user: UserRecord { name: "ada".into(), uid: 7000, ..Default::default() } })
        }
        _ => reply(Done { revision: 1 }),
    })
}

fn last_call(podyd: &Podyd) -> (String, Value) {
    podyd.calls().pop().unwrap()
}

#[test]
fn a_new_user_gets_the_password_that_was_typed_twice() {
    let podyd = podyd();
    let script =
        [("Password for ada", "one"), ("same again", "two"), ("Password for ada", "two"), ("same", "two")];
    assert_eq!(run(&podyd, 0, &["user", "add", "ada"], &script).0, Code::Done);
    assert_eq!(last_call(&podyd).1["password"], "two");

    assert_eq!(run(&podyd, 0, &["user", "add", "ada"], &[("empty for none", "")]).0, Code::Done);
    assert_eq!(last_call(&podyd).1["password"], Value::Null);
    let (code, said) = run(&podyd, 0, &["user", "add", "ada", "--no-password"], &[]);
    assert!(code == Code::Done && !said.contains("podyctl user passwd"), "{said}");
}

#[test]
fn ones_own_password_is_changed_with_the_old_one_and_anothers_without() {
    let podyd = podyd();
    let new = [("New password for ada", "new"), ("same", "new")];
    let own = [&[("present password", "old")][..], &new].concat();
    let changed =
        |old: Value| ("Directory.SetPassword".to_owned(), json!({"name": "ada", "old": old, "new": "new"}));

    for arguments in [&["user", "passwd"][..], &["user", "passwd", "ada"]] {
        assert_eq!(run(&podyd, 7000, arguments, &own).0, Code::Done);
        assert_eq!(last_call(&podyd), changed(json!("old")));
    }
    for caller in [0, 8000] {
        assert_eq!(run(&podyd, caller, &["user", "passwd", "ada"], &new).0, Code::Done);
        assert_eq!(last_call(&podyd), changed(Value::Null));
    }
    assert_eq!(run(&podyd, 0, &["user", "passwd", "ada", "--remove"], &[]).0, Code::Done);
    assert_eq!(last_call(&podyd).1["new"], Value::Null);
    assert_eq!(run(&podyd, 0, &["user", "passwd"], &[]).0, Code::Usage);
    assert_eq!(run(&podyd, 0, &["user", "passwd", "ada"], &[("New", "")]).0, Code::Usage);
}

#[test]
fn a_deletion_waits_for_a_yes() {
    let podyd = podyd();
    for no in ["", "n", "yesterday"] {
        let (code, said) = run(&podyd, 0, &["user", "delete", "ada"], &[("Delete the user ada?", no)]);
        assert!(code == Code::Failed && said.contains("nothing was deleted"), "{said}");
    }
    assert!(podyd.calls().iter().all(|(method, _)| method != "Directory.DeleteUser"));
    assert_eq!(run(&podyd, 0, &["user", "delete", "ada"], &[("Delete", "Y")]).0, Code::Done);
    assert_eq!(last_call(&podyd), ("Directory.DeleteUser".to_owned(), json!({"name": "ada"})));
}
