//! What the commands send, print and exit with.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use protocol::Error;
use protocol::database::{DatabaseStatus, JobStatus, ReplicaStatus};
use protocol::directory::{Done, GroupRecord, GroupReply, UserRecord, UserReply};
use protocol::node::{MetricsText, NodeStatus, Served};
use serde_json::{Value, json};

use crate::directory::Directory;
use crate::podyd::{Answer, Podyd, Scratch};

fn reply(record: impl serde::Serialize) -> Answer {
    Some(Ok(serde_json::to_value(record).unwrap()))
}

fn ada() -> UserRecord {
    UserRecord {
        name: "ada".into(),
        uid: 1_900_000_000,
        gid: 1_900_000_000,
        gecos: "Ada Lovelace".into(),
        state: "active".into(),
        has_password: true,
        origin: "htpasswd".into(),
        groups: vec!["chess".into(), "physics".into()],
        ..Default::default()
    }
}

#[test]
fn every_error_of_podyd_has_its_exit_code_and_its_words() {
    let message = || "the words of podyd".to_owned();
    let table = [
        (Error::InvalidInput { field: "name".into(), message: message() }, 2),
        (Error::NotFound { message: message() }, 3),
        (Error::Conflict { message: message() }, 4),
        (Error::Refused { message: message() }, 5),
        (Error::Away { message: message() }, 6),
        (Error::Busy { message: message() }, 6),
        (Error::Failed { message: message() }, 1),
        (Error::MethodNotFound { message: message() }, 1),
    ];
    for (error, code) in table {
        let ran = Podyd::that_answers(Some(Err(error))).podyctl(&["user", "show", "ada"], "");
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.err.starts_with("podyctl: ") && ran.err.contains("the words of podyd"), "{ran:?}");
        assert_eq!(ran.out, "");
    }
}

#[test]
fn without_podyd_one_is_told_how_to_start_it() {
    let home = Scratch::new();
    let ran = home.podyctl(&["status"], "");
    assert_eq!(ran.code, 6);
    assert!(ran.err.contains("there is no socket") && ran.err.contains("systemctl start podyd"), "{ran:?}");
    assert!(ran.err.contains(home.path().join("run/varlink").to_str().unwrap()), "{ran:?}");

    drop(std::os::unix::net::UnixListener::bind(home.path().join("run/varlink")).unwrap());
    let ran = home.podyctl(&["status"], "");
    assert!(ran.code == 6 && ran.err.contains("nobody listens"), "{ran:?}");
}

#[test]
fn a_podyd_that_hangs_up_in_the_middle_is_away() {
    let ran = Podyd::that_answers(None).podyctl(&["user", "show", "ada"], "");
    assert!(ran.code == 6 && ran.err.contains("is not known"), "{ran:?}");
}

/// A podyd that is stopped takes calls and does not read them: whoever waits, and a script's log, learn why.
#[test]
fn a_podyd_that_is_silent_is_told_of_while_podyctl_waits_on() {
    let (wake, woken) = std::sync::mpsc::channel::<()>();
    let podyd = Podyd::start(move |_, _| {
        let _ = woken.recv();
        reply(UserReply { user: ada() })
    });
    let mut podyctl = podyd.home.command(&["user", "show", "ada", "--json"]).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(podyctl.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.starts_with("podyctl: podyd has not answered") && said.contains("journalctl"), "{said}");
    wake.send(()).unwrap();
    let output = podyctl.wait_with_output().unwrap();
    assert!(output.status.success() && output.stdout.starts_with(b"{"), "{output:?}");
}

#[test]
fn a_wrong_command_line_exits_with_2_and_help_with_0() {
    let home = Scratch::new();
    for arguments in [
        &["user", "ad"][..],
        &["user", "add"],
        &["user", "update", "ada"],
        &["user", "update", "ada", "--expires", "2027-02-30"],
        &["user", "show", "12345678901"],
        &["user", "import", "--format", "xml", "x"],
        &[],
    ] {
        let ran = home.podyctl(arguments, "");
        assert!(ran.code == 2 && ran.out.is_empty() && !ran.err.is_empty(), "{arguments:?}: {ran:?}");
    }
    let help = home.podyctl(&["--help"], "").done();
    assert!(help.out.contains("6  podyd or the directory cannot be reached"), "{}", help.out);
    assert!(home.podyctl(&["user", "add", "--help"], "").done().out.contains("Examples:"));
    assert!(home.podyctl(&["--version"], "").done().out.starts_with("podyctl "));
}

#[test]
fn a_password_goes_from_standard_input_to_podyd_and_nowhere_else() {
    let podyd = Podyd::that_answers(reply(UserReply { user: ada() }));
    let ran =
        podyd.podyctl(&["user", "add", "ada", "--password-stdin", "--groups", "a,b"], "canary 1\n").done();
    assert_eq!(ran.out, "ada was created with uid 1900000000.\n");
    assert!(!ran.err.contains("canary") && !ran.err.contains("no password"), "{ran:?}");
    let (method, parameters) = podyd.calls().remove(0);
    assert_eq!(method, "Directory.CreateUser");
    assert_eq!(parameters["password"], json!("canary 1"));
    assert_eq!(parameters["groups"], json!(["a", "b"]));
}

#[test]
fn without_a_terminal_a_user_is_created_without_a_password_and_that_is_said() {
    let podyd = Podyd::that_answers(reply(UserReply { user: UserRecord { has_password: false, ..ada() } }));
    let ran = podyd.podyctl(&["user", "add", "ada", "--json"], "").done();
    assert_eq!(ran.json()["name"], "ada");
    assert!(ran.err.contains("podyctl user passwd ada"), "{ran:?}");
    assert_eq!(podyd.calls()[0].1["password"], Value::Null);
}

#[test]
fn what_is_not_given_is_not_changed() {
    let podyd = Podyd::that_answers(reply(UserReply { user: ada() }));
    podyd.podyctl(&["user", "update", "ada", "--expires", "never", "--no-admin"], "").done();
    podyd.podyctl(&["user", "lock", "ada"], "").done();
    let [(_, update), (_, lock)] = <[_; 2]>::try_from(podyd.calls()).unwrap();
    let given = |call: &Value| call.as_object().unwrap().values().filter(|value| !value.is_null()).count();
    assert_eq!((given(&update), &update["expires_at"], &update["is_admin"]), (3, &json!(""), &json!(false)));
    assert_eq!((given(&lock), &lock["state"]), (2, &json!("locked")));
}

#[test]
fn nothing_is_deleted_without_a_word() {
    let podyd = Podyd::that_answers(reply(Done { revision: 9 }));
    for (what, method) in [("user", "Directory.DeleteUser"), ("group", "Directory.DeleteGroup")] {
        let before = podyd.calls().len();
        assert_eq!(
            podyd.podyctl(&[what, "delete", "ada", "--yes", "--json"], "").done().json()["revision"],
            9
        );
        assert_eq!(podyd.calls()[before].0, method);
    }
    let podyd = Podyd::start(|method, _| match method {
        "Directory.GetUser" => reply(UserReply { user: ada() }),
        other => panic!("{other}"),
    });
    let ran = podyd.podyctl(&["user", "delete", "ada"], "y\n");
    assert!(ran.code == 2 && ran.err.contains("--yes"), "{ran:?}");
}

#[test]
fn a_number_is_an_id_and_a_record_is_shown_a_field_a_line() {
    let podyd = Podyd::that_answers(reply(UserReply { user: ada() }));
    let ran = podyd.podyctl(&["user", "show", "1900000000"], "").done();
    assert_eq!(podyd.calls()[0].1, json!({"name": null, "uid": 1_900_000_000}));
    for line in [" groups    chess physics\n", " origin    htpasswd\n"] {
        assert!(ran.out.contains(line), "{}", ran.out);
    }
    let shown: UserRecord =
        serde_json::from_str(&podyd.podyctl(&["--json", "user", "show", "ada"], "").out).unwrap();
    assert_eq!(shown, ada());
}

#[test]
fn metrics_are_printed_as_they_are() {
    let text = "# TYPE pody_revision gauge\npody_revision 7\n# EOF\n";
    let podyd = Podyd::that_answers(reply(MetricsText { text: text.into() }));
    assert_eq!(podyd.podyctl(&["metrics"], "").done().out, text);
    assert_eq!(podyd.calls()[0].0, "Node.Metrics");
    assert_eq!(podyd.podyctl(&["metrics", "--json"], "").done().json(), json!({ "text": text }));
}

#[test]
fn groups_are_shown_and_joined() {
    let group =
        GroupRecord { name: "physics".into(), gid: 7, members: vec!["ada".into()], ..Default::default() };
    let podyd = Podyd::start(move |method, _| match method {
        "Directory.AddMembers" | "Directory.RemoveMembers" => reply(Done { revision: 3 }),
        _ => reply(GroupReply { group: group.clone(), more: false }),
    });
    assert_eq!(
        podyd.podyctl(&["group", "add", "physics"], "").done().out,
        "physics was created with gid 7.\n"
    );
    assert!(podyd.podyctl(&["group", "show", "physics"], "").done().out.contains(" members  ada\n"));
    let ran = podyd.podyctl(&["group", "add-member", "physics", "ada", "bob"], "").done();
    assert_eq!(ran.out, "ada, bob are now in physics.\n");
    let ran = podyd.podyctl(&["group", "remove-member", "physics", "ada"], "").done();
    assert_eq!(ran.out, "ada is no longer in physics.\n");
    assert_eq!(podyd.calls()[2].1, json!({"group": "physics", "users": ["ada", "bob"]}));
}

#[test]
fn a_large_group_is_shown_with_all_of_its_members() {
    let podyd = Podyd::start(|_, parameters| {
        let (member, more) = if parameters["after"].is_null() { ("ada", true) } else { ("bob", false) };
        let group =
            GroupRecord { name: "physics".into(), members: vec![member.into()], ..Default::default() };
        reply(GroupReply { group, more })
    });
    let shown = podyd.podyctl(&["group", "show", "physics", "--json"], "").done().json();
    assert_eq!(shown["members"], json!(["ada", "bob"]));
    assert_eq!(podyd.calls()[1].1["after"], "ada");
}

#[test]
fn a_list_comes_page_by_page_and_whole() {
    let podyd = Directory::of_users(2500).serve();
    let table = podyd.podyctl(&["user", "list"], "").done().out;
    assert_eq!(podyd.calls().len(), 3, "three pages");
    assert_eq!(table.lines().count(), 2501);
    let column = table.find("UID").unwrap();
    assert!(table.lines().skip(1).all(|line| line[column..].starts_with("19000")), "the pages are in line");
    assert!(!table.contains('\x1b'), "no colours in a pipe");
    let array = podyd.podyctl(&["user", "list", "--json"], "").done().json();
    assert_eq!(array.as_array().unwrap().len(), 2500);
    assert_eq!(
        Directory::default().serve().podyctl(&["user", "list", "--json"], "").done().json(),
        json!([])
    );
    assert_eq!(podyd.podyctl(&["group", "list"], "").done().out.lines().count(), 1);
    assert_eq!(podyd.podyctl(&["group", "list", "--private"], "").done().out.lines().count(), 2501);
}

#[test]
fn a_list_that_is_cut_short_is_no_valid_json() {
    let mut pages = 0;
    let podyd = Podyd::start(move |_, _| {
        pages += 1;
        match pages {
            1 => Some(Ok(json!({"users": [ada()], "more": true}))),
            _ => Some(Err(Error::Away { message: "gone".into() })),
        }
    });
    let ran = podyd.podyctl(&["user", "list", "--json"], "");
    assert!(ran.code == 6 && serde_json::from_str::<Value>(&ran.out).is_err(), "{ran:?}");
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let podyd = Directory::of_users(5000).serve();
    for arguments in [&["user", "list"][..], &["user", "list", "--json"], &["user", "export"]] {
        let mut child = podyd.home.command(arguments).stdin(Stdio::null()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut [0; 10]).unwrap();
        drop(out);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_is_a_failure() {
    let podyd = Directory::of_users(3).serve();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = podyd.home.command(&["user", "list"]).stdin(Stdio::null()).stdout(full).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("No space left"));
}

#[test]
fn the_status_says_what_an_admin_should_know() {
    let status = |reachable| NodeStatus {
        version: "1.2.3".into(),
        directory: "local".into(),
        location: "/var/lib/pody/directory.db".into(),
        reachable,
        revision: 42,
        published_revision: 41,
        hidden: vec!["user bob: bob is a local account".into()],
        uptime_seconds: 7500,
        service: Some(Served { address: "[::]:8799".into(), requests: 7, ..Served::default() }),
        warnings: vec!["the disk is nearly full".into()],
        ..Default::default()
    };
    let podyd = Podyd::that_answers(reply(status(true)));
    let ran = podyd.podyctl(&["status"], "").done();
    assert!(
        ran.out.contains("1.2.3, up 2 h 5 min") && ran.out.contains("programs here still see 41"),
        "{ran:?}"
    );
    assert!(ran.out.contains("at [::]:8799, plain http; 0 connections, 7 requests so far"), "{ran:?}");
    assert_eq!(
        ran.err,
        "not served on this node: user bob: bob is a local account\nwarning: the disk is nearly full\n"
    );
    assert_eq!(podyd.podyctl(&["status", "--json"], "").done().json()["revision"], 42);

    let ran = Podyd::that_answers(reply(status(false))).podyctl(&["status"], "");
    assert!(ran.code == 6 && ran.err.contains("cannot be reached"), "{ran:?}");
}

#[test]
fn a_copy_is_watched_to_its_end_and_the_configuration_is_no_argument() {
    let mut asked = 0;
    let podyd = Podyd::start(move |method, _| {
        asked += 1;
        let finished = asked > 3;
        let report = if finished { vec!["copied everything".to_owned()] } else { Vec::new() };
        assert_eq!(method, if asked == 1 { "Database.Copy" } else { "Database.Job" });
        reply(JobStatus { job: "copy".into(), done: asked, total: 4, finished, report, ..Default::default() })
    });
    let config = "[backend.postgres]\nurl = \"postgres://pody:secret@db/pody\"\n";
    let file = podyd.home.file("new.toml", config);
    let ran = podyd.podyctl(&["db", "copy", "--to-config", &file, "--dry-run"], "").done();
    assert_eq!(ran.out, "copied everything\n");
    assert_eq!(podyd.calls()[0].1, json!({"config": config, "file": file, "dry_run": true}));
    assert_eq!(podyd.calls().len(), 4);

    let ran = podyd.podyctl(&["db", "copy", "--to-config", "/no/such/file"], "");
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn a_job_that_fails_is_a_failure_with_its_words() {
    let podyd = Podyd::start(|method, _| match method {
        "Database.Migrate" => reply(JobStatus { job: "migrate".into(), ..Default::default() }),
        _ => Some(Err(Error::Refused { message: "the account may not".into() })),
    });
    let ran = podyd.podyctl(&["db", "migrate"], "");
    assert_eq!((ran.code, ran.err.as_str()), (5, "podyctl: the account may not\n"));
}

#[test]
fn the_database_is_shown_and_trouble_is_a_failure() {
    let status = DatabaseStatus {
        directory: "sql".into(),
        location: "postgresql://db:5432/pody".into(),
        reachable: true,
        fits: true,
        schema: "schema 4, as this podyd needs it".into(),
        epoch: "abc".into(),
        revision: 7,
        users: 3,
        groups: 4,
        round_trip_microseconds: 1_234,
        replica: Some(ReplicaStatus { revision: Some(6), current_seconds_ago: Some(2), trouble: None }),
        ..Default::default()
    };
    let ran = Podyd::that_answers(reply(&status)).podyctl(&["db", "status"], "").done();
    for words in
        ["sql, postgresql://db:5432/pody", "7 of epoch abc", "1.234 ms", "revision 6, current 2 s ago"]
    {
        assert!(ran.out.contains(words), "{ran:?}");
    }
    let trouble =
        "the database has schema 3, this podyd needs 5: run podyctl db migrate on one node".to_owned();
    let old = DatabaseStatus { fits: false, schema: trouble.clone(), trouble: Some(trouble), ..status };
    let ran = Podyd::that_answers(reply(&old)).podyctl(&["db", "status"], "");
    assert_eq!(ran.code, 6);
    assert!(ran.err.contains("run podyctl db migrate on one node"), "{ran:?}");
}
