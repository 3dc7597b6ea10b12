//! Secrets go through everything that takes one, with podyd telling all it can, on the node that serves and on the one
//! that consumes; then both are searched, down to the bytes of databases and the arguments of processes.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod canary;
mod nodes;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use canary::*;
use nodes::*;
use serde_json::{Value, json};
use tests::host::{Host, Outcome};
use tests::login;
use tests::network::{Network, Trouble};
use tests::paths;
use tests::wait;

/// Where the consumer finds the service: what it says is passed on, and written down.
const RECORDED: &str = "127.0.0.1:8700";

/// The wire between them, as it was recorded.
const WIRE: &str = "/root/known/wire";

/// A password of somebody else, which is imported with its hash.
const HASH: &str =
    "$6$saltsalt$8RWsOfwR6M6PpnoeQiEiWzNTPo1f0HjVYjDnLZhGx16aBFRkeqiHAzfXP/LgrOWMBMXqiU2pLrXsSOHNUyUm91";

/// Everything that podyd could say.
const LOUD: &str = "[log]\nlevel = \"trace\"\n";

/// The stage, and what was said on it.
struct Story {
    network: Network,
    secrets: Secrets,
}

#[test]
#[ignore = "needs root: boots two Debians"]
fn secrets_are_where_they_belong_and_nowhere_else() {
    let processes = Processes::watch();
    let mut story = Story::begin();
    story.admins_look_after_accounts();
    story.programs_ask_the_service();
    story.people_log_in_on_the_consumer();
    story.people_change_passwords_on_the_consumer();
    story.the_service_is_away();
    story.a_consumer_shows_the_wrong_token();

    let [a, b] = &story.network[..] else { unreachable!() };
    let seen = processes.seen();
    for program in ["podyctl\0user\0passwd", "sshd", "podyd", "su\0ada"] {
        assert!(seen.windows(program.len()).any(|window| window == program.as_bytes()), "{program}");
    }
    collect(b, "processes", &seen);
    let addresses = addresses(b);
    assert!(addresses.contains("POST /v1/users/bob/authenticate "), "{addresses}");
    collect(b, "addresses", addresses.as_bytes());

    // Where it was written by an admin; and hashes in the directory alone.
    let shared: BTreeSet<_> = [("/etc/pody/config.toml".into(), "the shared token".into())].into();
    assert_eq!(story.secrets.found(b), shared);
    let in_directory = |(place, _): &(String, String)| place.starts_with("/var/lib/pody/directory.sqlite");
    let (directory, elsewhere): (BTreeSet<_>, BTreeSet<_>) =
        story.secrets.found(a).into_iter().partition(in_directory);
    assert_eq!(elsewhere, shared);
    let directory: BTreeSet<_> = directory.into_iter().map(|(_, what)| what).collect();
    let hashes = ["an imported hash", "the hash of ada's password", "the hash of zoe's password"];
    assert_eq!(directory, hashes.map(String::from).into());

    story.the_search_finds_what_is_planted();
}

impl Story {
    fn begin() -> Self {
        let network = Network::with_pody(2);
        let [a, b] = &network[..] else { unreachable!() };
        for node in [a, b] {
            node.run("mkdir -p /root/known /root/said /etc/systemd/journald.conf.d").succeeds();
            // Not a word is lost.
            node.write("/etc/systemd/journald.conf.d/all.conf", "[Journal]\nRateLimitIntervalSec=0\n");
            node.run("systemctl restart systemd-journald").succeeds();
        }
        start(a, &format!("{}readonly = false\n{LOUD}", service()));
        fs::copy(paths::built("recorder"), b.path("/usr/local/bin/recorder")).unwrap();
        let target = format!("{}:8799", network.address(A));
        b.run(&format!("recorder {RECORDED} {target} {WIRE} </dev/null >/dev/null 2>&1 &")).succeeds();
        start(b, &format!("{}{LOUD}", consumer(TOKEN)));
        let mut secrets = Secrets::default();
        secrets.add("the shared token", TOKEN);
        secrets.add("an imported hash", &HASH[12..]);
        a.write("/root/known/htpasswd", &format!("carol:{HASH}\n"));
        let mut story = Self { network, secrets };
        for password in ["first", "second", "third", "fourth", "fifth", "wrong"] {
            story.make_password(password);
        }
        story
    }

    fn a(&self) -> &Host {
        &self.network[A]
    }

    fn b(&self) -> &Host {
        &self.network[B]
    }

    /// A password that stands in a file of this name on both nodes.
    fn make_password(&mut self, name: &str) {
        let unique = unique();
        self.secrets.add(&format!("the {name} password"), &unique);
        for node in &self.network[..] {
            // It looks otherwise in a URL.
            node.write(&format!("{KNOWN}/{name}"), &format!("+ {unique}/&=%\n"));
        }
    }

    /// What a file holds that the stage keeps on the node that serves.
    fn known(&self, name: &str) -> String {
        fs::read_to_string(self.a().path(&format!("{KNOWN}/{name}"))).unwrap().trim_end().to_owned()
    }

    /// A secret that is no password.
    fn make(&mut self, what: &str) -> String {
        let unique = unique();
        self.secrets.add(what, &unique);
        unique
    }

    fn admins_look_after_accounts(&mut self) {
        let script = "for name in ada bob eve zoe; do podyctl user add $name --password-stdin <first; done
             podyctl user passwd bob --password-stdin <second
             podyctl user import --format htpasswd htpasswd
             podyctl user import --format htpasswd htpasswd || true
             podyctl token create --name story --owner ada --scope read,authenticate,write >token
             podyctl token check --use --scope read --from 192.0.2.7 <token
             podyctl token list; podyctl user show ada --json; podyctl user list; podyctl status --json";
        listen(self.a(), "admins", script);
        let token = self.known("token");
        self.secrets.add("a named token", &token[8..48]);
        self.add_hash_of("zoe");
    }

    /// What the directory holds of somebody's password.
    fn add_hash_of(&mut self, name: &str) {
        let export = self.a().run(&format!("podyctl user export | grep '\"name\":\"{name}\"'")).succeeds();
        // What comes after the last dollar is the hash itself.
        let (_, hash) = export.split_once("$argon2id$").unwrap();
        let hash = hash.split('"').next().and_then(|hash| hash.rsplit('$').next()).unwrap();
        self.secrets.add(&format!("the hash of {name}'s password"), hash);
    }

    /// As any program may, in good requests and bad ones.
    fn programs_ask_the_service(&mut self) {
        let (mistaken, id_token) = (self.make("a mistaken token"), self.make("an ID token"));
        let [first, second, third, wrong] =
            ["first", "second", "third", "wrong"].map(|name| self.known(name));
        let named = self.known("token");
        let basic = BASE64_STANDARD.encode(format!("ada:{mistaken}"));
        self.ask(&format!("Basic {basic}"), "GET /v1/users", "", 401);
        let ask = |token: &str, request: &str, body: Value, status: u16| {
            self.ask(&format!("Bearer {token}"), request, &body.to_string(), status)
        };
        ask(&named, "GET /v1/users", json!(""), 200);
        ask(&mistaken, "GET /v1/users", json!(""), 403);
        ask(TOKEN, &format!("GET /v1/users/nobody-at-all?access_token={mistaken}"), json!(""), 404);

        let authenticate = "POST /v1/users/bob/authenticate";
        ask(TOKEN, authenticate, json!({ "password": second }), 200);
        ask(TOKEN, authenticate, json!({ "password": wrong }), 200);
        ask(&named, authenticate, json!({ "password": second, "rhost": "192.0.2.7" }), 200);
        ask(TOKEN, authenticate, json!({ "password": [wrong] }), 422);
        ask(TOKEN, authenticate, json!({ "passwort": wrong }), 422);
        ask(TOKEN, authenticate, json!(wrong), 422);
        self.ask(&format!("Bearer {TOKEN}"), authenticate, &format!("{{\"password\": \"{wrong}"), 400);

        ask(&named, "POST /v1/users", json!({ "name": "dora", "password": third }), 201);
        ask(&named, "POST /v1/users", json!({ "name": "dora", "password": third }), 409);
        ask(&named, "PUT /v1/users/dora/password", json!({ "password": second }), 200);
        ask(&named, "PUT /v1/users/dora/password", json!({ "password_hash": HASH }), 200);
        ask(&named, "PUT /v1/users/dora/password", json!({ "password_hash": format!("x{HASH}") }), 422);
        ask(TOKEN, "PUT /v1/users/eve/password", json!({ "old": first, "password": third }), 200);
        ask(TOKEN, "POST /v1/provision", json!({ "id_token": id_token }), 403);
        ask(&named, "GET /v1/users/dora", json!(""), 200);
        ask(TOKEN, "GET /v1/tokens", json!(""), 200);
        ask(TOKEN, "GET /metrics", json!(""), 200);
        self.call(
            json!({ "method": "org.pody.Login.Answer", "parameters": { "login": "x", "answer": [wrong] } }),
        );
        self.call(json!({ "method": "org.pody.Login.Answer", "parameters": wrong }));
        self.call(json!(wrong));
        ask(TOKEN, "GET /v1/changes", json!(""), 200);
        let token = json!({ "owner": "ada", "name": "http", "scopes": ["read"] }).to_string();
        let created = self.exchange(&format!("Bearer {TOKEN}"), "POST /v1/tokens", &token);
        let (_, created) = created.split_once("\"pody_").unwrap_or_else(|| panic!("{created}"));
        self.secrets.add("a named token made over HTTP", &created[8..48]);
    }

    /// Sends the service a request, and keeps the answer among what is searched.
    fn ask(&self, authorization: &str, request: &str, body: &str, status: u16) {
        let answer = self.exchange(authorization, request, body);
        collect(self.b(), "http", answer.as_bytes());
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{request}: {expected}: {answer}");
    }

    /// Each request has a key, so that its answer is kept by the service, too.
    fn exchange(&self, authorization: &str, request: &str, body: &str) -> String {
        let head = format!(
            "{request} HTTP/1.1\r\nHost: service\r\nConnection: close\r\nAuthorization: {authorization}\r\n\
             Idempotency-Key: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            unique(),
            body.len()
        );
        let node = self.b();
        node.write("/root/known/request", &(head + body));
        let service = format!("/dev/tcp/{}/8799", self.network.address(A));
        let exchange = format!("exec 3<>{service}; cat /root/known/request >&3; timeout 10 cat <&3");
        node.run(&format!("bash -c '{exchange}'")).succeeds()
    }

    /// Sends podyd what no program of ours would, and keeps the answer among what is searched.
    fn call(&self, call: Value) {
        let mut podyd = UnixStream::connect(self.b().path("/run/pody/varlink")).unwrap();
        podyd.set_read_timeout(Some(PATIENCE)).unwrap();
        podyd.write_all(format!("{call}\0").as_bytes()).unwrap();
        let mut answer = Vec::new();
        BufReader::new(podyd).read_until(0, &mut answer).unwrap();
        assert!(String::from_utf8_lossy(&answer).contains("InvalidInput"), "{answer:?}");
        collect(self.b(), "varlink", &answer);
    }

    fn people_log_in_on_the_consumer(&self) {
        let b = self.b();
        shows(b, "dora");
        self.ssh("ada", "first", true);
        self.ssh("ada", "wrong", false);
        self.su("bob", "second").succeeds();
        self.su("bob", "wrong").fails();
        self.su("carol", "wrong").fails();
    }

    /// Their own, and others' as root, with PAM and with podyctl.
    fn people_change_passwords_on_the_consumer(&mut self) {
        let b = self.b();
        let [first, fourth, fifth] = ["first", "fourth", "fifth"].map(|name| self.known(name));
        login::passwd(b, "ada", &first, &fourth).succeeds();
        self.su("ada", "fourth").succeeds();
        self.su("ada", "first").fails();
        login::passwd_by_root(b, "bob", &fifth).succeeds();
        let script = "podyctl user passwd carol --password-stdin <fifth
             podyctl user add fay --password-stdin <first
             podyctl token create --name far --owner ada >far
             podyctl token check --use --scope read --from 192.0.2.7 <far
             podyctl user list; podyctl token list; podyctl status --json; podyctl status";
        listen(b, "admins", script);
        let far = b.run("cat /root/known/far").succeeds();
        self.secrets.add("a named token made on the consumer", &far[8..48]);
        self.su("carol", "fifth").succeeds();
        self.add_hash_of("ada");
    }

    fn the_service_is_away(&self) {
        self.network.strike(B, Trouble::Cut);
        self.ssh("ada", "fourth", true);
        self.su("dora", "wrong").fails();
        self.b()
            .run("podyctl user passwd carol --password-stdin </root/known/first >>/root/said/admin 2>&1")
            .fails();
        self.network.heal(B);
        self.a().run("podyctl user add gus --no-password").succeeds();
        shows(self.b(), "gus");
    }

    fn a_consumer_shows_the_wrong_token(&mut self) {
        let wrong = self.make("a wrong token");
        let b = self.b();
        b.write("/etc/pody/config.toml", &format!("{}{LOUD}", consumer(&wrong)));
        b.run("systemctl restart podyd").succeeds();
        let refused =
            || b.run("journalctl --unit podyd --grep 'does not accept this node.s token'").status == 0;
        wait::until("the service to refuse it", PATIENCE, refused);
        b.run("podyctl status >>/root/said/admin 2>&1");
        b.write("/etc/pody/config.toml", &format!("{}{LOUD}", consumer(TOKEN)));
        b.run("systemctl restart podyd").succeeds();
    }

    /// What the search for secrets is worth: in a file, a database's way of writing, the journal, arguments and environment.
    fn the_search_finds_what_is_planted(&self) {
        let b = self.b();
        let processes = Processes::watch();
        b.run(
            "cd /root/known; read -r secret <third
             printf %s \"user:$secret\" | base64 --wrap 0 >/var/tmp/base64
             printf %s \"$secret\" | od -An -v -tx1 | tr -d ' \n' >/dev/shm/hex
             printf 'SQLite %s\\0' \"$secret\" >/var/lib/pody/planted.sqlite-wal
             echo $secret | logger
             SECRET=$secret sleep 1
             bash -c 'sleep 1; true' \"$secret\"",
        )
        .succeeds();
        collect(b, "processes", &processes.seen());
        let found: BTreeSet<String> = self.secrets.found(b).into_iter().map(|(place, _)| place).collect();
        for place in [
            "/var/tmp/base64",
            "/dev/shm/hex",
            "/var/lib/pody/planted.sqlite-wal",
            "/var/tmp/collected/journal",
            "/var/tmp/collected/processes",
        ] {
            assert!(found.contains(place), "{place}: {found:?}");
        }
    }

    fn ssh(&self, name: &str, password: &str, is_right: bool) {
        let ssh = self.b().run(&format!(
            "sshpass -f {KNOWN}/{password} ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
             -o PreferredAuthentications=password -o NumberOfPasswordPrompts=1 {name}@localhost id -un 2>>/root/said/ssh"
        ));
        assert_eq!(ssh.stdout.trim() == name, is_right, "{ssh:#?}");
    }

    fn su(&self, name: &str, password: &str) -> Outcome {
        let su = login::su(self.b(), name, &self.known(password));
        self.b().write(&format!("/root/said/su-{name}-{password}"), &su.stdout);
        // What was to be typed stands there.
        self.b().run("rm /run/conversation").succeeds();
        su
    }
}

/// The configuration of a node that consumes by way of the recorder.
fn consumer(token: &str) -> String {
    provider(&format!("http://{RECORDED}")).replace(TOKEN, token)
}

/// Runs a script among what is known, and keeps what it says among what is searched.
fn listen(node: &Host, name: &str, script: &str) {
    let said = node.run(&format!("set -e; cd {KNOWN}; exec 2>&1\n{script}"));
    node.write(&format!("/root/said/{name}"), &said.stdout);
    said.succeeds();
}

/// What the consumer asked for, and where it was sent: no more of what it said.
fn addresses(node: &Host) -> String {
    let wire = fs::read(node.path(WIRE)).unwrap();
    let wire = String::from_utf8_lossy(&wire);
    let lines = wire.lines().filter_map(|line| {
        // A request may stand behind the body of the one before.
        let request = ["GET /", "POST /", "PUT /", "PATCH /", "DELETE /"]
            .iter()
            .filter_map(|method| line.rfind(method));
        match line.ends_with(" HTTP/1.1") {
            true => request.max().map(|start| &line[start..]),
            false => ["location:", "link:"]
                .iter()
                .any(|header| line.to_lowercase().starts_with(header))
                .then_some(line),
        }
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}
