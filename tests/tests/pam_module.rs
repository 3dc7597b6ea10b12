//! Stories of pam_pody.so: the real module under the real libpam, with a podyd that a test scripts. What
//! podyd itself decides, and whole logins, are told elsewhere.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod pam_stage;

use std::collections::BTreeSet;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::Duration;

use pam_stage::*;
use serde_json::json;
use tests::paths;

/// The module and nothing else.
const ALONE: &str = "auth required pam_pody.so\naccount required pam_pody.so\n\
                     password required pam_pody.so\nsession required pam_pody.so";

fn stage() -> Stage {
    let stage = Stage::new();
    stage.service("alone", ALONE);
    stage
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn a_right_password_lets_in_and_a_wrong_one_does_not() {
    let stage = stage();
    let podyd = FakePodyd::honest(&stage);
    stage
        .pamtester("-Irhost=client.example -Itty=tty9 alone ada authenticate setcred", &["secret"])
        .succeeds();
    let begin = json!({ "user": "ada", "service": "alone", "rhost": "client.example", "tty": "tty9" });
    let answer = json!({ "login": "L1", "answer": "secret" });
    let expected = [json!(["org.pody.Login.Begin", begin]), json!(["org.pody.Login.Answer", answer])];
    assert_eq!(podyd.calls(), expected);

    let wrong = stage.pamtester("alone ada authenticate", &["guess"]);
    wrong.fails_with(AUTH_ERR);
    assert!(wrong.took > Duration::from_secs(1), "a guess takes time: {wrong:?}");
    stage.pamtester("alone ada authenticate", &[""]).fails_with(AUTH_ERR);
    stage.pamtester("alone liz authenticate", &[]).fails_with(MAXTRIES);
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn whoever_is_not_ours_is_passed_on_to_the_next_module() {
    let stage = stage();
    let podyd = FakePodyd::honest(&stage);
    stage.service(
        "next",
        "auth [success=done user_unknown=ignore default=die] pam_pody.so\nauth required pam_permit.so",
    );
    stage.pamtester("next eve authenticate", &[]).succeeds();
    stage.pamtester("next ada authenticate", &["guess"]).fails_with(AUTH_ERR);
    let asked = podyd.calls().len();
    for name in ["root", "bob", "Ada", "0", "pam_unix_non_existent:"] {
        stage.pamtester(&format!("next {name} authenticate"), &[]).succeeds();
        for operation in ["authenticate", "acct_mgmt", "chauthtok"] {
            stage.pamtester(&format!("alone {name} {operation}"), &[]).fails_with(USER_UNKNOWN);
        }
    }
    assert_eq!(podyd.calls().len(), asked, "podyd never hears of local people");
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn sessions_and_credentials_never_fail_anybody() {
    let stage = stage();
    stage.service(
        "session",
        "session required pam_pody.so\nsession required pam_permit.so\n\
                              auth required pam_pody.so\nauth required pam_permit.so",
    );
    for name in ["ada", "bob", "root"] {
        stage.pamtester(&format!("session {name} setcred open_session close_session"), &[]).succeeds();
    }
    stage.pamtester("alone ada setcred open_session close_session", &[]).succeeds();
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn a_daemon_that_is_away_is_unavailable_at_once() {
    let stage = stage();
    for operation in ["authenticate", "acct_mgmt"] {
        let away = stage.pamtester(&format!("alone ada {operation}"), &["secret"]);
        away.fails_with(AUTHINFO_UNAVAIL);
        assert!(away.took < Duration::from_secs(2), "{away:?}");
    }
    // The socket of a podyd that was killed is still there.
    drop(UnixListener::bind(stage.path("run/varlink")).unwrap());
    stage.pamtester("alone ada authenticate", &["secret"]).fails_with(AUTHINFO_UNAVAIL);
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn a_frozen_daemon_costs_five_seconds_and_no_more() {
    let stage = stage();
    // It has listened, and accepts nobody: what connects waits in the queue.
    let frozen = UnixListener::bind(stage.path("run/varlink")).unwrap();
    let silent = stage.pamtester("alone ada authenticate", &["secret"]);
    silent.fails_with(AUTHINFO_UNAVAIL);
    // Above the deadline: what a machine that does other things, too, takes to start and end a program.
    assert!((5.0..12.0).contains(&silent.took.as_secs_f32()), "{silent:?}");
    // And when the queue is full (one has room in the shortest: the call that was just given up), connecting
    // itself waits.
    // SAFETY: listen(2) takes no pointers.
    assert_eq!(unsafe { libc::listen(frozen.as_raw_fd(), 0) }, 0);
    let full = stage.pamtester("alone ada authenticate", &["secret"]);
    full.fails_with(AUTHINFO_UNAVAIL);
    assert!((5.0..12.0).contains(&full.took.as_secs_f32()), "{full:?}");
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn a_daemon_that_talks_nonsense_or_hangs_up_lets_nobody_in() {
    let answers: [fn() -> Vec<u8>; 6] = [
        || b"{]\0".to_vec(),
        || reply(json!({ "step": "done", "verdict": "come in" })),
        || reply(json!({ "step": "done" })),
        || vec![b'x'; 3 * 1024 * 1024],
        || b"{\"parameters\":".to_vec(),
        || error("org.pody.Busy", "later"),
    ];
    for answer in answers {
        let stage = stage();
        let _podyd = FakePodyd::start(&stage, 0, move |_| answer());
        for operation in ["authenticate", "acct_mgmt"] {
            stage.pamtester(&format!("alone ada {operation}"), &["secret"]).fails_with(AUTHINFO_UNAVAIL);
        }
    }
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn a_daemon_that_hangs_up_unheard_raises_no_signal() {
    let stage = stage();
    let listener = UnixListener::bind(stage.path("run/varlink")).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    for _ in 0..20 {
        stage.pamtester("alone ada authenticate", &["secret"]).fails_with(AUTHINFO_UNAVAIL);
    }
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn a_stranger_at_the_socket_never_sees_a_password() {
    let strangers = stage();
    let stranger = FakePodyd::start(&strangers, NOBODY, |_| {
        reply(json!({ "step": "ask", "login": "L1", "prompt": "Password: ", "echo": false }))
    });
    for operation in ["authenticate", "acct_mgmt", "chauthtok"] {
        strangers
            .pamtester(&format!("alone ada {operation}"), &["secret", "secret"])
            .fails_with(AUTHINFO_UNAVAIL);
    }
    assert!(stranger.calls().is_empty(), "{:?}", stranger.calls());

    // The same uid is podyd's where it owns the published snapshot.
    let ours = stage();
    std::os::unix::fs::chown(ours.path("cache"), Some(NOBODY), None).unwrap();
    FakePodyd::start(&ours, NOBODY, |_| reply(json!({ "step": "done", "verdict": "granted" })));
    ours.pamtester("alone ada authenticate", &[]).succeeds();
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn the_account_part_decides_while_podyd_is_down() {
    let stage = stage();
    publish(&stage);
    stage.pamtester("alone ada acct_mgmt", &[]).succeeds();
    let locked = stage.pamtester("alone liz acct_mgmt", &[]);
    locked.fails_with(PERM_DENIED).fails_with("Your account is locked.");
    stage.pamtester("alone max acct_mgmt", &[]).fails_with(ACCT_EXPIRED).fails_with("has expired. Please");
    stage.pamtester("alone eve acct_mgmt", &[]).fails_with(USER_UNKNOWN);
    let silent = stage.pamtester("alone liz 'acct_mgmt(PAM_SILENT)'", &[]);
    assert!(!silent.fails_with(PERM_DENIED).output.contains("is locked"), "{silent:?}");
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn who_cannot_read_the_account_part_asks_podyd() {
    let stage = stage();
    publish(&stage);
    let podyd = FakePodyd::honest(&stage);
    let as_nobody = |name: &str| {
        stage.run(&format!(
            "chmod 755 \"$T\"; setpriv --reuid=65534 --clear-groups pamtester alone {name} acct_mgmt"
        ))
    };
    as_nobody("ada").succeeds();
    as_nobody("eve").fails_with(USER_UNKNOWN);
    let check = |user| json!(["org.pody.Login.CheckAccount", { "user": user, "service": "alone" }]);
    assert_eq!(podyd.calls(), [check("ada"), check("eve")]);
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn passwords_are_changed_by_root_and_by_their_owner() {
    let stage = stage();
    let podyd = FakePodyd::honest(&stage);
    stage.pamtester("alone ada chauthtok", &["new", "new"]).succeeds();
    let change = |old: Option<&str>, new: Option<&str>| json!(["org.pody.Login.ChangePassword", { "user": "ada", "old": old, "new": new }]);
    assert_eq!(podyd.calls(), [change(None, None), change(None, Some("new"))]);

    let owner = |typed: &str| {
        stage.run(&format!(
            "chmod 755 \"$T\"; printf '{typed}' | setpriv --reuid=65534 --clear-groups pamtester alone ada chauthtok"
        ))
    };
    owner("secret\\nnew\\nnew\\n").succeeds();
    assert_eq!(podyd.calls()[2..], [change(Some("secret"), None), change(Some("secret"), Some("new"))]);
    owner("guess\\nnew\\nnew\\n").fails_with(AUTH_ERR).fails_with("not the current password");
    owner("secret\\nnew\\nmew\\n").fails_with("do not match");
    owner("secret\\nweak\\nweak\\n")
        .fails_with("too easy to guess")
        .fails_with("Authentication token manipulation");
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn a_program_without_standard_streams_gets_its_answer_on_another_descriptor() {
    let stage = stage();
    let _podyd = FakePodyd::honest(&stage);
    let trace = stage.path("trace");
    stage
        .run("strace -o \"$T/trace\" -e trace=connect pamtester alone ada acct_mgmt 0<&- 1>&- 2>&-")
        .succeeds();
    let trace = std::fs::read_to_string(trace).unwrap();
    let connect = trace.lines().find(|line| line.contains("/run/pody/varlink")).expect("podyd is asked");
    let descriptor: u32 = connect["connect(".len()..].split(',').next().unwrap().parse().unwrap();
    assert!(descriptor > 2, "{trace}");
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn every_descriptor_is_closed_again() {
    let stage = stage();
    let _podyd = FakePodyd::honest(&stage);
    publish(&stage);
    let script = "echo secret | strace -o \"$T/trace\" -e trace=connect,open,openat,close \
                  pamtester alone ada authenticate acct_mgmt setcred open_session close_session";
    stage.run(script).succeeds();
    let trace = std::fs::read_to_string(stage.path("trace")).unwrap();
    let lines: Vec<&str> = trace.lines().filter(|line| !line.contains(" = -1 ")).collect();
    let mut seen = 0;
    for (at, line) in lines.iter().enumerate() {
        if !["\"/run/pody/", "\"/var/cache/pody/"].iter().any(|place| line.contains(place)) {
            continue;
        }
        // connect(N, …) = 0, or openat(…) = N
        let descriptor = match line.strip_prefix("connect(") {
            Some(arguments) => arguments.split(',').next().unwrap(),
            None => line.rsplit(' ').next().unwrap(),
        };
        let close = format!("close({descriptor})");
        assert!(lines[at..].iter().any(|later| later.starts_with(&close)), "{line} stays open:\n{trace}");
        seen += 1;
    }
    assert!(seen > 5, "a login uses the socket twice and the snapshot in every entry: {trace}");
}

#[test]
fn it_exports_the_six_entries_and_links_only_what_is_everywhere() {
    let module = paths::built("libpam_pody.so");
    let tool = |program: &str, arguments: &[&str]| {
        let output =
            Command::new(program).args(arguments).arg(&module).output().expect("binutils is installed");
        String::from_utf8(output.stdout).unwrap()
    };
    let symbols = tool("nm", &["--dynamic", "--defined-only"]);
    let exported: BTreeSet<&str> = symbols.lines().filter_map(|line| line.split(' ').next_back()).collect();
    let entries = ["acct_mgmt", "authenticate", "chauthtok", "close_session", "open_session", "setcred"];
    let entries: Vec<String> = entries.iter().map(|entry| format!("pam_sm_{entry}")).collect();
    assert_eq!(exported, entries.iter().map(String::as_str).collect());

    let dynamic = tool("readelf", &["--dynamic", "--wide"]);
    let needed = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    let libraries: BTreeSet<&str> = needed.filter_map(|line| line.split(['[', ']']).nth(1)).collect();
    let everywhere = ["libpam.so.0", "libc.so.6", "libgcc_s.so.1"];
    let strange: Vec<_> =
        libraries.iter().filter(|name| !everywhere.contains(name) && !name.starts_with("ld-linux")).collect();
    assert!(strange.is_empty(), "{strange:?}");
    assert!(dynamic.contains("NODELETE"), "it stays mapped: {dynamic}");
    assert!(!dynamic.contains("STATIC_TLS"), "programs run out of static thread-local storage: {dynamic}");
}
