//! Imports and exports, against a directory in memory.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use protocol::directory::{ImportUser, PodyUsersReply, Secret};
use serde_json::{Value, json};

use crate::directory::Directory;
use crate::podyd::{Podyd, Ran, Scratch};

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/bash
ada:x:1000:1000:Ada Lovelace,,,:/home/ada:/bin/bash
bob:x:1001:5000:Bob:/home/bob/:/bin/sh
ada:x:1002:1002:again:/home/ada:/bin/bash
eve:x:1001:1001:same uid:/home/eve:/bin/bash
Frank:x:1005:1005::/home/frank:/bin/sh
grace::1006:1006::/home/grace:/bin/sh
heidi:x:1007:1007::/home/heidi:/bin/sh
half a line
";
const SHADOW: &str = "\
root:$6$r$oot:19000:0:99999:7:::
ada:$6$a$b:19000:0:99999:7::20454:
bob:!$6$c$d:19000:0:99999:7:::
heidi:plaintext:19000:0:99999:7:::
";
const GROUP: &str = "\
root:x:0:
ada:x:1000:
physics:x:5000:ada,root,nobody-here
chess:x:5001:ada,bob
";

struct Files {
    scratch: Scratch,
}

impl Files {
    fn new() -> Self {
        let scratch = Scratch::new();
        scratch.file("passwd", PASSWD);
        scratch.file("shadow", SHADOW);
        scratch.file("group", GROUP);
        Self { scratch }
    }

    fn path(&self, name: &str) -> String {
        self.scratch.path().join(name).to_str().unwrap().to_owned()
    }

    fn import(&self, podyd: &Podyd, options: &[&str]) -> Ran {
        let (passwd, shadow, group) = (self.path("passwd"), self.path("shadow"), self.path("group"));
        let files = ["user", "import", "--shadow", &shadow, "--group", &group, &passwd];
        podyd.podyctl(&[&files[..], options].concat(), "")
    }
}

#[test]
fn a_system_is_taken_over_and_every_refused_line_is_told() {
    let files = Files::new();
    let podyd = Directory::default().serve();
    let ran = files.import(&podyd, &[]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert_eq!(ran.out, "taken 8, refused 6, left out 2 of the system, 1 users without a password\n");
    let (passwd, group) = (files.path("passwd"), files.path("group"));
    for told in [
        format!("{passwd}:4: refused: ada: line 2 has the same name"),
        format!("{passwd}:5: refused: eve: line 3 has the same uid"),
        format!("{passwd}:6: refused: Frank: the name is none"),
        format!("{passwd}:8: refused: heidi: the password is of a kind"),
        format!("{passwd}:9: refused: : a line of a passwd file has 7 fields, this one has 1"),
        format!("{group}:3: refused: nobody-here: there is no such user"),
        format!("{passwd}:7: note: grace: the password was empty"),
    ] {
        assert!(ran.err.contains(&told), "{told}\nis not in\n{}", ran.err);
    }
    assert!(!ran.err.contains("plaintext") && ran.err.lines().count() == 7, "{}", ran.err);
}

#[test]
fn a_dry_run_tells_the_same_and_changes_nothing() {
    let files = Files::new();
    let podyd = Directory::default().serve();
    for new_ids in [&[][..], &["--new-ids"]] {
        let dry = files.import(&podyd, &[&["--dry-run"], new_ids].concat());
        let again = files.import(&podyd, &[&["--dry-run"], new_ids].concat());
        assert_eq!((&dry.out, &dry.err), (&again.out, &again.err), "nothing was left behind");
        let real = files.import(&Directory::default().serve(), new_ids);
        assert_eq!(dry.out, real.out.replace('\n', " (dry run: nothing was changed)\n"));
        assert_eq!(dry.err, real.err);
    }
}

#[test]
fn the_report_is_json_or_a_file_where_one_wants_it() {
    let files = Files::new();
    let report = files.path("report");
    let ran = files.import(&Directory::default().serve(), &["--report", &report]);
    assert_eq!(ran.err, "");
    assert_eq!(fs::read_to_string(&report).unwrap().lines().count(), 7);
    let ran = files.import(&Directory::default().serve(), &["--json"]);
    assert_eq!(ran.err, "");
    let summary = ran.json();
    assert_eq!((&summary["taken"], summary["refused"].as_array().unwrap().len()), (&json!(8), 6));
    assert!(summary["refused"].as_array().unwrap().iter().any(|entry| entry["line"] == 9));
}

#[test]
fn what_was_exported_can_be_imported() {
    let files = Files::new();
    let first = Directory::default().serve();
    files.import(&first, &[]);
    let export = files.path("export.jsonl");
    let ran = first.podyctl(&["user", "export", "-o", &export], "").done();
    assert!(ran.out.is_empty() && ran.err.contains("5 users and groups"), "{ran:?}");
    assert_eq!(fs::metadata(&export).unwrap().permissions().mode() & 0o777, 0o600);

    let second = Directory::default().serve();
    let ran = second.podyctl(&["user", "import", &export], "").done();
    assert!(ran.out.starts_with("taken 8, refused 0"), "{ran:?}");
    let again = second.podyctl(&["user", "export"], "").done().out;
    assert_eq!(again, fs::read_to_string(&export).unwrap());

    let third = Directory::default().serve();
    third.podyctl(&["user", "import", "--new-ids", &export], "").done();
    let users = third.podyctl(&["user", "export"], "").done().out;
    let records: Vec<Value> = users.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let physics = records.iter().find(|record| record["group"]["name"] == "physics").unwrap();
    let bob = records.iter().find(|record| record["name"] == "bob").unwrap();
    assert_eq!(bob["gid"], physics["group"]["gid"], "bob is still a physicist");
    assert!(bob["uid"].as_u64().unwrap() > 1_900_000_000);
}

#[test]
fn an_export_overwrites_nothing_and_leaves_no_halves() {
    let podyd = Directory::of_users(3).serve();
    let file = podyd.home.file("backup", "precious");
    let ran = podyd.podyctl(&["user", "export", "-o", &file], "");
    assert!(ran.code == 4 && ran.err.contains("--force"), "{ran:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");

    let away = Podyd::that_answers(Some(Err(protocol::Error::Away { message: "gone".into() })));
    assert_eq!(away.podyctl(&["user", "export", "--force", "-o", &file], "").code, 6);
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert!(!fs::exists(format!("{file}.unfinished")).unwrap());

    podyd.podyctl(&["user", "export", "--force", "-o", &file], "").done();
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 3);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_large_file_goes_in_batches_in_the_order_of_its_lines() {
    let long = "x".repeat(3000);
    let passwd: String = (1..=1200).map(|n| format!("u{n}:x:{0}:{0}:{long}::\n", 10_000 + n)).collect();
    let scratch = Scratch::new();
    let podyd = Directory::default().serve();
    let ran = podyd.podyctl(&["user", "import", &scratch.file("passwd", passwd)], "").done();
    assert!(ran.out.starts_with("taken 1200, refused 0"), "{ran:?}");
    assert!(ran.err.contains("--shadow"), "{ran:?}");
    let calls = podyd.calls();
    assert!(calls.len() > 3, "the frames are limited, too");
    let lines: Vec<u64> = calls
        .iter()
        .flat_map(|(_, call)| call["users"].as_array().unwrap())
        .map(|user| user["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, (1..=1200).collect::<Vec<_>>());
    let first_that_waits = calls.iter().position(|(_, call)| call["more"] == false);
    assert_eq!(first_that_waits, Some(calls.len() - 1), "the end alone waits until lookups show everybody");
}

#[test]
fn an_import_that_podyd_leaves_says_how_far_it_came() {
    let passwd: String = (1..=1200).map(|n| format!("u{n}:x:{0}:{0}:::\n", 10_000 + n)).collect();
    let mut calls = 0;
    let podyd = Podyd::start(move |_, _| {
        calls += 1;
        (calls < 3).then(|| Ok(json!({"taken": 500, "refused": []})))
    });
    let file = podyd.home.file("passwd", passwd);
    let ran = podyd.podyctl(&["user", "import", &file], "");
    assert_eq!(ran.code, 6);
    assert!(ran.err.contains("stopped after 1000 records") && ran.err.contains("safe to run"), "{ran:?}");
}

#[test]
fn other_formats_are_recognised_and_wrong_files_are_named() {
    let scratch = Scratch::new();
    let podyd = Directory::default().serve();
    let import = |file: &str| podyd.podyctl(&["user", "import", file], "");
    let htpasswd = scratch.file("htpasswd", "# people\r\nada:$apr1$a$b\r\nbob:$2y$05$c\r\n");
    assert!(import(&htpasswd).done().out.starts_with("taken 2, refused 0"));
    for (name, content, told) in [
        ("shadow", SHADOW, "--shadow"),
        ("group", GROUP, "--group"),
        ("prose", "hello", "--format"),
        ("empty", "", "empty"),
    ] {
        let ran = import(&scratch.file(name, content));
        assert!(ran.code == 2 && ran.err.contains(told), "{ran:?}");
    }
    let ran = podyd.podyctl(&["user", "import", "--shadow", &htpasswd, &htpasswd], "");
    assert!(ran.code == 2 && ran.err.contains("belong to a passwd file"), "{ran:?}");
    let ran = import("/nowhere/at/all");
    assert!(ran.code == 1 && ran.err.contains("cannot read /nowhere/at/all"), "{ran:?}");
}

#[test]
fn the_original_podys_database_is_read_by_podyd() {
    let user = ImportUser {
        line: 1,
        name: "ada".into(),
        password_hash: Some(Secret("sha256:abc".into())),
        is_admin: true,
        ..Default::default()
    };
    let podyd = Podyd::start(move |method, call| {
        Some(Ok(match method {
            "Directory.ReadPodyDatabase" => {
                assert_eq!(call, json!({"content": "U1FMaXRlIGZvcm1hdCAzAA=="}));
                serde_json::to_value(PodyUsersReply { users: vec![user.clone()] }).unwrap()
            }
            _ => json!({"taken": 1, "refused": []}),
        }))
    });
    let file = podyd.home.file("users.db", b"SQLite format 3\0");
    assert!(podyd.podyctl(&["user", "import", &file], "").done().out.starts_with("taken 1, refused 0"));
    let sent = json!({"line": 1, "name": "ada", "password_hash": "sha256:abc", "is_admin": true});
    assert_eq!(podyd.calls()[1].1["users"], json!([sent]));

    let large = podyd.home.file("large.db", [&b"SQLite format 3\0"[..], &[0; 800 * 1024]].concat());
    let ran = podyd.podyctl(&["user", "import", &large], "");
    assert!(ran.code == 1 && ran.err.contains("700 KiB"), "{ran:?}");
}
