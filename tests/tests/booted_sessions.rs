//! Sessions on a booted Debian, with real sshd, logind and systemd: podyd knows of them, whatever becomes of itself, and they
//! are ended when somebody says so.

use std::time::{Duration, Instant};

use serde_json::Value;
use tests::host::Host;
use tests::login::{self, Accounts, Person, Pody};
use tests::machine::Machine;
use tests::wait;

/// Until something happens, on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_secs(30);

const SSH: &str = "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes";

#[test]
#[ignore = "needs root: boots a Debian"]
fn sessions_are_listed_outlive_podyd_and_are_ended_one_by_one() {
    let machine = machine_with(&["ada", "bob"]);
    let first = begin_session(&machine, "ada", "sleep 1001");
    let second = begin_session(&machine, "ada", "sleep 1002");
    let others = begin_session(&machine, "bob", "sleep 1003");
    assert_eq!((first["service"].as_str(), first["user"].as_str()), (Some("sshd"), Some("ada")));
    assert!(
        first["rhost"].as_str().is_some_and(|from| from.contains("::1") || from.contains("127.0.0.1")),
        "{first}"
    );
    let before = sessions(&machine, "");
    assert_eq!(before.len(), 3);

    let podyd = "systemctl show --property MainPID --value podyd";
    let pid = machine.run(podyd).succeeds();
    machine.run("systemctl kill --signal KILL podyd").succeeds();
    wait::until("another podyd", PATIENCE, || {
        ![&pid, "0"].contains(&machine.run(podyd).stdout.trim()) && machine.run("podyctl status").status == 0
    });
    assert_eq!(sessions(&machine, ""), before);

    let as_user = |user: &str, arguments: &str| {
        machine.run(&format!("runuser -u {user} -- podyctl session {arguments}"))
    };
    let own = as_user("ada", "list --json").succeeds();
    assert_eq!(serde_json::from_str::<Vec<Value>>(&own).unwrap(), [first.clone(), second.clone()]);
    assert_eq!(as_user("bob", &format!("end {}", first["id"])).fails().status, 3, "bob does not even see it");
    assert_eq!(as_user("bob", "end --user ada").fails().status, 5);
    assert_eq!(as_user("bob", "list ada").fails().status, 5);

    as_user("ada", &format!("end {}", first["id"])).succeeds();
    assert!(!runs(&machine, "sleep 1001") && runs(&machine, "sleep 1002") && runs(&machine, "sleep 1003"));
    wait::until("the session to be gone", PATIENCE, || {
        sessions(&machine, "") == [second.clone(), others.clone()]
    });
    machine.run(&format!("podyctl session end {}", others["id"])).succeeds();
    wait::until("the other to be gone", PATIENCE, || sessions(&machine, "") == [second.clone()]);
    assert_eq!(
        login::ssh_by_key(&machine, "bob").succeeds(),
        "bob",
        "whose session was ended may come again"
    );

    end_by_itself(&machine, "sleep 1002");
    wait::until("a session that ends by itself", PATIENCE, || sessions(&machine, "").is_empty());
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn a_lock_that_kills_ends_shells_and_whatever_they_left_behind() {
    let machine = machine_with(&["ada", "bob"]);
    begin_session(&machine, "bob", "sleep 1003");
    let stubborn = "sh -c \"trap : TERM HUP; while :; do sleep 1001; done\"";
    begin_session(&machine, "ada", &format!("(setsid nohup sleep 1002 >/dev/null 2>&1 &); {stubborn}"));
    wait::until("all of it", PATIENCE, || runs(&machine, "sleep 1001") && runs(&machine, "sleep 1002"));
    let locked = machine.run("podyctl user lock ada --kill");
    assert!(locked.stderr.contains("processes were ended"), "{locked:#?}");
    locked.succeeds();
    assert_eq!(machine.run("pgrep --uid ada").fails().stdout, "");
    login::is_refused(login::ssh_by_key(&machine, "ada"));
    assert!(runs(&machine, "sleep 1003"), "bob has done nothing");
    assert_eq!(sessions(&machine, "").len(), 1);
    machine.run("podyctl user enable ada").succeeds();
    assert_eq!(login::ssh_by_key(&machine, "ada").succeeds(), "ada");
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn sessions_of_whoever_may_not_log_in_any_more_end_by_themselves_where_that_is_set() {
    let machine = machine_with(&["ada", "bob", "eve"]);
    let ends = |user: &str, what: &str| {
        begin_session(&machine, user, "sleep 1001");
        machine.run(what).succeeds();
        wait::until("the session to end", PATIENCE, || !runs(&machine, "sleep 1001"));
        wait::until("nobody to be there", PATIENCE, || sessions(&machine, "").is_empty());
    };
    let stays = begin_session(&machine, "ada", "sleep 1004");
    machine.run("podyctl user lock ada").succeeds();
    assert_eq!(sessions(&machine, "ada"), [stays], "nothing is ended unless somebody says so");
    machine.run("podyctl session end --user ada && podyctl user unlock ada").succeeds();
    machine.write("/etc/pody/config.toml", "[sessions]\nend_when_locked = true\n");
    machine.run("systemctl reload podyd").succeeds();
    ends("ada", "podyctl user lock ada");
    ends("bob", "podyctl user update bob --expires 2020-01-01");
    ends("eve", "podyctl user delete eve --yes");
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn who_has_as_many_sessions_as_are_allowed_is_told_and_gets_no_more() {
    let machine = machine_with(&["ada", "bob"]);
    machine.run("podyctl quota set ada sessions=1").succeeds();
    let first = begin_session(&machine, "ada", "sleep 1001");
    let refused = login::ssh_by_key(&machine, "ada").fails();
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("may have no more at a time") && !said.contains("\nada"), "{refused:#?}");
    let refused = machine.run("su -l ada -c 'id -un'").fails();
    assert!(refused.stderr.contains("may have no more at a time"), "{refused:#?}");
    assert_eq!(sessions(&machine, ""), [first]);
    assert_eq!(login::ssh_by_key(&machine, "bob").succeeds(), "bob");
    end_by_itself(&machine, "sleep 1001");
    wait::until("ada to be gone", PATIENCE, || sessions(&machine, "").is_empty());
    assert_eq!(login::ssh_by_key(&machine, "ada").succeeds(), "ada");
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn neither_a_podyd_that_is_away_nor_one_that_hangs_keeps_a_session_from_beginning_or_ending() {
    let machine = machine_with(&["ada"]);
    let timed = || {
        let began = Instant::now();
        assert_eq!(login::ssh_by_key(&machine, "ada").succeeds(), "ada");
        began.elapsed().as_secs_f32()
    };
    let usual = timed();
    begin_session(&machine, "ada", "sleep 1001");
    machine.run("systemctl stop podyd").succeeds();
    let away = timed();
    assert!(away < usual + 2.0, "{away} s, and {usual} s with podyd");
    let began = Instant::now();
    end_by_itself(&machine, "sleep 1001");
    wait::until("the logout", PATIENCE, || machine.run("pgrep --full '[s]shd: ada'").status != 0);
    assert!(began.elapsed().as_secs_f32() < usual + 2.0, "a logout needs no podyd");

    machine.run("mkdir -p /etc/systemd/system/podyd.service.d").succeeds();
    machine.write("/etc/systemd/system/podyd.service.d/story.conf", "[Service]\nWatchdogSec=0\n");
    machine.run("systemctl daemon-reload && systemctl start podyd").succeeds();
    assert!(sessions(&machine, "").is_empty(), "it was gone before podyd came back");
    begin_session(&machine, "ada", "sleep 1002");
    machine.run("systemctl kill --signal STOP podyd").succeeds();
    let began = Instant::now();
    end_by_itself(&machine, "sleep 1002");
    wait::until("the logout", PATIENCE, || machine.run("pgrep --full '[s]shd: ada'").status != 0);
    println!("a logout took {:.3} s with a podyd that hangs", began.elapsed().as_secs_f32());
    let failed = machine.run("journalctl --no-pager --unit ssh --grep pam_close_session").fails();
    assert!(!failed.stdout.contains("ada"), "{failed:#?}");
    // Three seconds for the beginning and one for the end, which ssh need not wait for.
    let frozen = timed();
    assert!(frozen > 2.5 && frozen < usual + 8.0, "{frozen} s, and {usual} s with podyd");
    machine.run("systemctl kill --signal CONT podyd").succeeds();
    wait::until("podyd to know that nobody is there", PATIENCE, || sessions(&machine, "").is_empty());
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn nobody_but_root_says_that_a_session_begins() {
    let machine = machine_with(&["ada"]);
    let call =
        "{\"method\":\"org.pody.Session.Open\",\"parameters\":{\"user\":\"ada\",\"service\":\"sshd\"}}";
    for user in ["ada", "nobody"] {
        let answer = ask(&machine, user, "/run/pody/varlink", call);
        assert!(answer.contains("org.pody.Refused"), "{answer}");
    }
    assert!(sessions(&machine, "").is_empty());
    assert!(!ask(&machine, "root", "/run/pody/varlink", call).contains("error"));
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn a_slice_has_limits_before_anybody_is_there_and_after_a_boot_and_loses_them_again() {
    let mut machine = machine_with(&["ada"]);
    let uid = machine.run("id -u ada").succeeds();
    let set = |machine: &Machine, limits: &str| {
        let call = format!(
            "{{\"method\":\"org.pody.Helper.Slice.Set\",\"parameters\":{{\"slices\":[{{\"uid\":{uid},\"limits\":{limits}}}]}}}}"
        );
        ask(machine, "pody", "/run/pody-helper/socket", &call)
    };
    let shown = |machine: &Machine| {
        let properties =
            "--property MemoryMax --property TasksMax --property CPUQuotaPerSecUSec --property IOWeight";
        machine.run(&format!("systemctl show {properties} user-{uid}.slice | sort")).succeeds()
    };
    let usual = shown(&machine);
    let changed = format!("\"changed\":[{uid}]");
    let leaves_all_alone = |machine: &Machine, limits: &str| {
        let reply = set(machine, limits);
        assert!(reply.contains("\"changed\":[]") && reply.contains("\"failed\":[]"), "{reply}");
    };
    let limits = "{\"memory_max\":67108864,\"tasks_max\":20,\"cpu_quota\":100,\"io_weight\":50}";
    let limited = "CPUQuotaPerSecUSec=1s\nIOWeight=50\nMemoryMax=67108864\nTasksMax=20";
    assert!(set(&machine, limits).contains(&changed));
    leaves_all_alone(&machine, limits);
    assert_eq!(shown(&machine), limited);
    machine.reboot();
    assert_eq!(shown(&machine), limited);
    assert!(set(&machine, "{}").contains(&changed));
    assert_eq!(shown(&machine), usual);
    leaves_all_alone(&machine, "{}");
    let kept = |machine: &Machine| machine.run("ls /etc/systemd/system.control").succeeds();
    assert_eq!(kept(&machine), "", "nor does systemd keep anything of it");
    drift(&machine, &uid);
    wait::until("nothing to be kept of a deleted user", PATIENCE, || kept(&machine).is_empty());
    assert_eq!(shown(&machine), usual);
    let refused = ask(
        &machine,
        "pody",
        "/run/pody-helper/socket",
        "{\"method\":\"org.pody.Helper.Slice.Set\",\"parameters\":{\"slices\":[{\"uid\":0,\"limits\":{}}]}}",
    );
    assert!(refused.contains("\"failed\":[{\"uid\":0,"), "{refused}");
}

/// What an admin says is in force without a login, and found and put right when somebody else has changed it.
fn drift(machine: &Machine, uid: &str) {
    let tasks = || machine.run(&format!("systemctl show --property TasksMax user-{uid}.slice")).succeeds();
    machine.run("podyctl quota set ada tasks_max=50 memory_max=1G").succeeds();
    assert_eq!(tasks(), "TasksMax=50");
    machine.run("podyctl quota check").succeeds();
    machine.run(&format!("systemctl set-property user-{uid}.slice TasksMax=70 CPUQuota=20%")).succeeds();
    let found = machine.run("podyctl quota check").fails();
    let says = |line: &str| found.stdout.lines().any(|found| found.split_whitespace().eq(line.split(' ')));
    assert!(says("ada this node tasks_max 70 50 somebody else changed it"), "{found:#?}");
    assert!(says("ada this node cpu_quota 20% as everybody somebody else changed it"), "{found:#?}");
    machine.run("podyctl quota apply --dry-run").succeeds();
    assert_eq!(tasks(), "TasksMax=70", "nothing is changed by looking");
    machine.run("podyctl quota apply").succeeds();
    assert_eq!(tasks(), "TasksMax=50");
    machine.run("podyctl quota check").succeeds();
    machine.run("podyctl user delete ada --yes").succeeds();
}

/// A machine with podyd and podyd-helper, whose people log in by root's key.
fn machine_with(people: &[&str]) -> Machine {
    let machine = Machine::with_pody();
    machine.run("systemctl enable --quiet --now podyd-helper.socket").succeeds();
    for name in people {
        Pody.add(
            &machine,
            &Person { name: (*name).into(), password: format!("Analytical-Engine-of-{name}1") },
        );
        login::authorize_key(&machine, name);
    }
    machine
}

/// Runs this over ssh, and gives what podyd knows of the session once it runs.
fn begin_session(host: &Host, user: &str, command: &str) -> Value {
    let before = sessions(host, "");
    host.run(&format!("setsid {SSH} {user}@localhost '{command}' </dev/null >/dev/null 2>&1 &")).succeeds();
    let mut new = Value::Null;
    wait::until("a session", PATIENCE, || {
        new = sessions(host, user).into_iter().find(|session| !before.contains(session)).unwrap_or_default();
        !new.is_null()
    });
    let last_word = command.rsplit(' ').next().unwrap_or_default().trim_end_matches(['"', ';']);
    wait::until("its command", PATIENCE, || {
        host.run(&format!("pgrep --uid {user} --full '{last_word}'")).status == 0
    });
    new
}

fn sessions(host: &Host, user: &str) -> Vec<Value> {
    let listed = host.run(&format!("podyctl session list {user} --json")).succeeds();
    serde_json::from_str(&listed).expect("a list of sessions")
}

/// Whether somebody, and not this question, runs such a command.
fn runs(host: &Host, command: &str) -> bool {
    host.run(&format!("pgrep --exact --full '{command}'")).status == 0
}

/// As if the user had typed exit.
fn end_by_itself(host: &Host, command: &str) {
    host.run(&format!("pkill --exact --full '{command}'")).succeeds();
}

/// Sends a call as it stands to a socket, as this user.
fn ask(host: &Host, user: &str, socket: &str, call: &str) -> String {
    host.run(&format!(
        "runuser -u {user} -- perl -MIO::Socket::UNIX -e '
             my $socket = IO::Socket::UNIX->new(\"{socket}\") or die $!;
             print $socket q({call}) . \"\\0\";
             $socket->flush;
             $/ = \"\\0\";
             print scalar <$socket>'"
    ))
    .succeeds()
}
