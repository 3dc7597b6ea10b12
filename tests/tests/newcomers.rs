//! People who do not exist yet: sshd and login find them before they have logged in, and nobody else does; on all nodes of a
//! directory they are the same, however many log in at a time.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use protocol::directory::Secret;
use protocol::login::{Answer, Begin, Step, Verdict};
use serde_json::{Value, json};
use servers::{OidcOptions, OidcProvider};
use shared::*;
use tests::host::{Host, Outcome};
use tests::paths;
use tests::sandbox::Sandbox;
use tests::wait;

/// A provider that nothing is asked of.
const FAR_AWAY: &str = "issuer = \"https://login.example.test\"\nclient_id = \"pody\"\n";
const EVERYBODY: &str = "[oidc.users]\ncreate = true\nallow_everybody = true\ngroup_map = [\"*\"]\n";

const NODES: usize = 5;
/// First logins of one person, and of as many people.
const LOGINS: usize = 50;
/// Of each, while the machine does all of it at once.
const TRIES: usize = 5;

/// A node on which everybody whom the provider knows becomes a user, and the program that asks for users under some names.
fn open_node() -> Sandbox {
    let node = Sandbox::plain();
    node.install_pody();
    node.write("/etc/pody/config.toml", &format!("[oidc]\n{FAR_AWAY}{EVERYBODY}"));
    node.start_podyd();
    bring_programs(&node);
    node
}

fn bring_programs(node: &Host) {
    node.run("mkdir -p /run/as").succeeds();
    for name in ["sshd", "sshd-session", "login", "su", "sudo", "nscd"] {
        std::fs::copy(paths::built("probe"), node.path(&format!("/run/as/{name}"))).unwrap();
    }
}

/// What a program of this name is told of a user.
fn lookup(node: &Host, program: &str, user: &str) -> String {
    let said = node.run(&format!("/run/as/{program} user={user}")).succeeds();
    said.trim_end().split_once(' ').unwrap().1.to_owned()
}

/// What sshd is told at last: on a machine that does a hundred things the directory may not answer in time, and people try again.
fn found_at_last(node: &Host, user: &str) -> String {
    let mut said = String::new();
    wait::until("a newcomer to be found", PATIENCE, || {
        said = lookup(node, "sshd", user);
        assert_ne!(said, "absent");
        said.starts_with("found ")
    });
    said
}

fn reserved(node: &Host) -> Vec<String> {
    let listed = node.run("podyctl reservations --json").succeeds();
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    listed.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn sshd_and_login_find_whom_nobody_else_finds() {
    let node = open_node();
    node.run("echo 'correct horse' | podyctl user add ada --password-stdin").succeeds();
    let unknown = |said: &str| said == "absent";
    for program in ["su", "sudo", "nscd"] {
        assert!(unknown(&lookup(&node, program, "newcomer")), "{program}");
    }
    assert_eq!(node.run("getent passwd newcomer").status, 2);
    let nobodys = node.run("setpriv --reuid 65534 --clear-groups /run/as/sshd user=newcomer").succeeds();
    assert_eq!(nobodys.trim_end(), "newcomer absent");
    let set_uid = "cp /run/as/sshd /usr/sbin/sshd-of-all && chmod u+s /usr/sbin/sshd-of-all && mkdir /opt/as \
                   && mv /usr/sbin/sshd-of-all /opt/as/sshd && setpriv --reuid 65534 --clear-groups /opt/as/sshd user=newcomer";
    assert_eq!(node.run(set_uid).succeeds().trim_end(), "newcomer absent");
    assert_eq!(reserved(&node), Vec::<String>::new());

    let found =
        ["sshd", "sshd-session", "login"].map(|program| lookup(&node, program, &format!("by-{program}")));
    assert!(found.iter().all(|said| said.starts_with("found 19")), "{found:?}");
    assert_eq!(BTreeSet::from(found.clone()).len(), 3);
    assert_eq!(lookup(&node, "sshd", "by-login"), found[2]);
    assert_eq!(lookup(&node, "su", "by-login"), found[2], "whoever is there is there for all");
    assert_eq!(reserved(&node), ["by-login", "by-sshd", "by-sshd-session"]);
    for taken in ["sudo", "docker", "1234"] {
        assert!(unknown(&lookup(&node, "sshd", taken)), "{taken}");
    }

    let refused = node.run("su by-sshd -c id").fails();
    assert!(refused.stderr.contains("begins with a first login"), "{refused:?}");
    node.kill_podyd();
    let refused = node.run("su by-sshd -c id").fails();
    assert!(refused.stderr.contains("begins with a first login"), "without podyd, too: {refused:?}");
    node.start_podyd();
    assert_eq!(reserved(&node), Vec::<String>::new());
    assert_eq!(
        lookup(&node, "sshd", "by-sshd"),
        found[0],
        "after a restart of podyd the directory has it still"
    );
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn whoever_asks_a_podyd_that_does_not_answer_is_told_so_in_time_and_known_people_are_found() {
    let node = open_node();
    node.run("podyctl user add ada").succeeds();
    let timed = |user: &str| {
        let begun = Instant::now();
        (lookup(&node, "sshd", user), begun.elapsed())
    };
    node.signal_podyd("STOP");
    let (said, took) = timed("newcomer");
    assert!(said.starts_with("error "), "never absent: {said}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(timed("ada").0.starts_with("found "));
    assert_eq!(lookup(&node, "su", "newcomer"), "absent");
    node.signal_podyd("CONT");
    assert!(timed("newcomer").0.starts_with("found "));
    node.kill_podyd();
    assert!(timed("another").0.starts_with("error "));
    assert!(timed("newcomer").0.starts_with("found "), "what is shown stays");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn lookups_of_people_who_exist_ask_nobody_where_others_may_come() {
    let node = open_node();
    node.run("podyctl user add ada").succeeds();
    node.run("strace -f -o /run/trace /run/as/sshd user=ada times=1000:ada").succeeds();
    let trace = std::fs::read_to_string(node.path("/run/trace")).unwrap();
    assert!(!trace.contains("/run/pody/resolve") && !trace.contains("/proc/self/exe"), "{trace}");
    node.run("strace -f -o /run/trace /run/as/sshd user=newcomer").succeeds();
    let trace = std::fs::read_to_string(node.path("/run/trace")).unwrap();
    assert!(trace.contains("/run/pody/resolve"), "the trace would show it");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn guesses_hold_few_names_and_keep_a_person_out_for_one_try() {
    let node = open_node();
    let guesses: Vec<String> = (0..200).map(|number| format!("user=guess{number}")).collect();
    let said = node.run(&format!("/run/as/sshd {}", guesses.join(" "))).succeeds();
    let found = said.lines().filter(|line| line.contains(" found ")).count();
    assert!((20..40).contains(&found), "{found} of 200");
    assert!(
        said.lines().all(|line| !line.ends_with(" absent")),
        "who was not looked for is not said to be nobody"
    );
    let tries: Vec<String> = (0..2).map(|_| lookup(&node, "sshd", "ada")).collect();
    assert!(tries[1].starts_with("found "), "{tries:?}");
    let log = node.podyd_log();
    let told = log.lines().filter(|line| line.contains("nothing is reserved")).count();
    assert_eq!(told, 1, "{log}");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn fifty_first_logins_of_one_person_on_five_nodes_are_one_user_and_fifty_people_are_fifty() {
    let server = runtime().block_on(servers::postgres());
    let url = runtime().block_on(server.fresh_database());
    let people: serde_json::Map<String, Value> = (0..LOGINS)
        .map(|number| (format!("sub-{number}"), json!({ "preferred_username": format!("person{number}") })))
        .chain([("sub-ada".into(), json!({ "preferred_username": "ada", "groups": ["engines"] }))])
        .collect();
    let options = OidcOptions { accounts: Value::Object(people), ..OidcOptions::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let idp = runtime.block_on(OidcProvider::start(options));
    let oidc = format!(
        "[oidc]\nissuer = \"{}\"\nclient_id = \"pody\"\nscopes = \"openid profile email groups\"\ntimeout = \"8s\"\n",
        idp.issuer()
    );
    let cluster = Cluster::start(NODES, &format!("{}{oidc}{EVERYBODY}", configuration(&url)));
    each(&cluster, |_, node| bring_programs(node));
    let log_in = |number: usize, name: &str, subject: &str| {
        let node = &cluster[number % NODES];
        let found = found_at_last(node, name);
        // Whoever is told that it cannot be decided now tries again.
        let mut tries =
            (0..TRIES).map(|_| log_in_at(node, name, |code| runtime.block_on(idp.approve(code, subject))));
        let verdict = tries.find(|verdict| *verdict != Verdict::Unavailable).unwrap_or(Verdict::Unavailable);
        (found, verdict)
    };

    let one = in_parallel(LOGINS, |number| log_in(number, "ada", "sub-ada"));
    assert!(one.iter().all(|(found, verdict)| *found == one[0].0 && *verdict == Verdict::Granted), "{one:?}");
    cluster.agree();
    let listed = each(&cluster, |_, node| node.run("getent -s pody passwd").succeeds());
    assert!(listed.iter().all(|list| *list == listed[0] && list.lines().count() == 1), "{listed:?}");
    let uid = one[0].0.strip_prefix("found ").unwrap();
    assert!(listed[0].starts_with(&format!("ada:*:{uid}:{uid}:")), "{listed:?}");
    assert!(cluster[0].run("id -nG ada").succeeds().contains("engines"));

    let many = in_parallel(NODES, |node| {
        let people = (node..LOGINS).step_by(NODES);
        let log_in = |number| (number, log_in(number, &format!("person{number}"), &format!("sub-{number}")));
        people.map(log_in).collect::<Vec<_>>()
    });
    let many: BTreeMap<_, _> = many.into_iter().flatten().collect();
    assert!(many.values().all(|(_, verdict)| *verdict == Verdict::Granted), "{many:?}");
    let ids: BTreeSet<&String> = many.values().map(|(found, _)| found).collect();
    assert_eq!(ids.len(), LOGINS);
    cluster.agree();
    let listed = each(&cluster, |_, node| node.run("getent -s pody passwd").succeeds());
    assert!(listed.iter().all(|list| *list == listed[0] && list.lines().count() == LOGINS + 1), "{listed:?}");
    for (number, (found, _)) in &many {
        let entry = format!("person{number}:*:{}:", found.strip_prefix("found ").unwrap());
        assert!(listed[0].contains(&entry), "{entry}: {}", listed[0]);
    }

    let node = &cluster[0];
    found_at_last(node, "denied");
    let verdict = log_in_at(node, "denied", |code| runtime.block_on(idp.deny(code)));
    assert_ne!(verdict, Verdict::Granted);
    assert_ne!(
        log_in_at(node, "denied", |code| runtime.block_on(idp.approve(code, "sub-ada"))),
        Verdict::Granted
    );
    assert_eq!(node.run("podyctl user show denied").status, 3);
    refused(node.run("su denied -c id"));
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_newcomer_of_a_node_that_takes_its_directory_from_another_is_the_same_there() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let idp = runtime.block_on(OidcProvider::start(OidcOptions::default()));
    let place = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = place.local_addr().unwrap();
    drop(place);
    let oidc = format!(
        "[oidc]\nissuer = \"{}\"\nclient_id = \"pody\"\nscopes = \"openid profile email groups\"\n{EVERYBODY}",
        idp.issuer()
    );
    let stage = Sandbox::plain();
    stage.install_pody();
    let (service, consumer) = (stage.node(), stage.node());
    let listen = format!(
        "[remote_user_profile.service]\nenabled = true\nlisten = \"{address}\"\nreadonly = true\n\
         access_token = \"a-token-of-this-story-and-of-no-other\"\n"
    );
    service.write("/etc/pody/config.toml", &format!("{oidc}{listen}"));
    service.start_podyd();
    let create = "podyctl user add nodes --no-password >/dev/null && podyctl token create --name consumer --owner nodes \
                  --scope read,authenticate,provision --json";
    let created: Value = serde_json::from_str(&service.run(create).succeeds()).unwrap();
    let token = created["secret"].as_str().unwrap();
    let provider = format!(
        "[remote_user_profile.provider]\nenabled = true\nendpoint = \"http://{address}\"\naccess_token = \"{token}\"\n"
    );
    consumer.write("/etc/pody/config.toml", &format!("{oidc}{provider}"));
    consumer.start_podyd();
    wait::until("the directory", PATIENCE, || status(&consumer).reachable);
    bring_programs(&consumer);
    bring_programs(&service);

    let found = found_at_last(&consumer, "ada");
    let verdict = log_in_at(&consumer, "ada", |code| runtime.block_on(idp.approve(code, "sub-ada")));
    assert_eq!(verdict, Verdict::Granted);
    let there = service.run("getent passwd ada").succeeds();
    let here = consumer.run("getent passwd ada").succeeds();
    assert_eq!(here, there);
    let uid = found.strip_prefix("found ").unwrap();
    assert!(there.starts_with(&format!("ada:*:{uid}:{uid}:")), "sshd saw the same: {there}");
    assert!(service.run("id -nG ada").succeeds().contains("engines"));
    let again = log_in_at(&service, "ada", |code| runtime.block_on(idp.approve(code, "sub-ada")));
    assert_eq!(again, Verdict::Granted, "there she is no newcomer");
    let listed = service.run("podyctl identity list").succeeds();
    assert!(listed.contains("sub-ada"), "{listed}");
}

fn refused(outcome: Outcome) {
    assert!(outcome.status != 0 && outcome.stderr.contains("begins with a first login"), "{outcome:?}");
}

/// A login as PAM goes through it, in which somebody does something about the code that is shown.
fn log_in_at(node: &Host, name: &str, answer: impl FnOnce(&str)) -> Verdict {
    let mut client = client(node);
    let begin = Begin { user: name.into(), service: "sshd".into(), ..Begin::default() };
    let mut step = client.call(&begin).unwrap();
    let mut answer = Some(answer);
    loop {
        let login = match step {
            Step::Done { verdict, .. } => return verdict,
            Step::Wait { login } => login,
            Step::Ask { login, message, .. } => {
                let message = message.unwrap();
                let code = message.split_whitespace().last().unwrap();
                answer.take().expect("one code is enough")(code);
                login
            }
        };
        step = client.call(&Answer { login, answer: Secret(String::new()) }).unwrap();
    }
}

fn in_parallel<T: Send>(count: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    std::thread::scope(|threads| {
        let running: Vec<_> = (0..count)
            .map(|number| {
                threads.spawn({
                    let act = &act;
                    move || act(number)
                })
            })
            .collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    })
}
