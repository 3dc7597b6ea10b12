//! A node that has its directory from another one over TLS: whom each trusts, what is said when one does not, and that
//! certificates and tokens are exchanged by a reload, while lookups go on.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod shared;

use std::net::TcpListener;

use protocol::login::Verdict;
use servers::tls::{Authority, Certified};
use shared::*;
use tests::sandbox::Sandbox;
use tests::wait;

const PASSWORD: &str = "Analytical-Engine1";

/// A service and its consumer, and who vouches for them.
struct Pair {
    service: Sandbox,
    consumer: Sandbox,
    /// Vouches for the service.
    servers: Authority,
    /// Vouches for consumers.
    clients: Authority,
    _stage: Sandbox,
}

impl Pair {
    /// Both trust each other, and the consumer has the directory.
    fn start() -> Self {
        let stage = Sandbox::plain();
        stage.install_pody();
        let pair = Self {
            service: stage.node(),
            consumer: stage.node(),
            servers: Authority::new(),
            clients: Authority::new(),
            _stage: stage,
        };
        let place = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = place.local_addr().unwrap();
        drop(place);
        pair.service.write(
            "/etc/pody/config.toml",
            &format!(
                "{CHEAP_HASH}[remote_user_profile.service]\nenabled = true\nlisten = \"{address}\"\n\
                 access_token_file = \"/etc/pody/token\"\ntls_cert = \"/etc/pody/cert.pem\"\n\
                 tls_key = \"/etc/pody/key.pem\"\nclient_ca = \"/etc/pody/clients.pem\"\n"
            ),
        );
        pair.consumer.write(
            "/etc/pody/config.toml",
            &format!(
                "{CHEAP_HASH}[remote_user_profile.provider]\nenabled = true\nendpoint = \"https://{address}\"\n\
                 access_token_file = \"/etc/pody/token\"\nca_file = \"/etc/pody/ca.pem\"\n\
                 tls_cert = \"/etc/pody/cert.pem\"\ntls_key = \"/etc/pody/key.pem\"\n"
            ),
        );
        for node in [&pair.service, &pair.consumer] {
            set_token(node, "one-that-nobody-guesses");
        }
        show(&pair.service, pair.servers.certify("127.0.0.1"));
        show(&pair.consumer, pair.clients.certify("node-b"));
        pair.service.write("/etc/pody/clients.pem", &pair.clients.pem());
        pair.consumer.write("/etc/pody/ca.pem", &pair.servers.pem());
        pair.service.start_podyd();
        client(&pair.service).call(&user("ada", Some(PASSWORD))).unwrap();
        pair.consumer.start_podyd();
        pair.is_well();
        pair
    }

    /// Reads certificates and tokens anew, on both sides.
    fn reload(&self) {
        for node in [&self.service, &self.consumer] {
            node.signal_podyd("HUP");
        }
    }

    /// The consumer follows, and has passwords judged.
    fn is_well(&self) {
        let is_current = || self.consumer.run("podyctl status").status == 0;
        wait::until("the consumer to be current", PATIENCE, is_current);
        self.consumer.run("getent passwd ada").succeeds();
        assert_eq!(log_in(&self.consumer, "ada", PASSWORD).unwrap(), Verdict::Granted);
    }

    /// After a reload, an admin of the consumer reads this; lookups go on.
    fn is_told(&self, words: &[&str]) {
        self.reload();
        let said = || self.consumer.run("podyctl status");
        wait::until(&format!("podyctl status to say {words:?}"), PATIENCE, || {
            let said = said();
            said.status == 6
                && words.iter().all(|word| said.stderr.contains(word) || said.stdout.contains(word))
        });
        self.consumer.run("getent passwd ada").succeeds();
    }
}

/// What a node shows from its next reload on.
fn show(node: &Sandbox, Certified { certificate, key }: Certified) {
    node.write("/etc/pody/cert.pem", &certificate);
    node.write("/etc/pody/key.pem", &key);
}

fn set_token(node: &Sandbox, token: &str) {
    node.write("/etc/pody/token", token);
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn each_certificate_that_is_not_trusted_is_told_of_with_what_to_do() {
    let pair = Pair::start();
    let Pair { service, consumer, servers, clients, .. } = &pair;

    show(service, Authority::new().certify("127.0.0.1"));
    pair.is_told(&["https://127.0.0.1", "does not trust", "remote_user_profile.provider.ca_file"]);
    show(service, servers.certify_until("127.0.0.1", (2020, 1, 1)));
    pair.is_told(&["certificate has expired", "renew it there"]);
    show(service, servers.certify("server-a.example.com"));
    pair.is_told(&["for another name", "remote_user_profile.provider.endpoint"]);
    show(service, servers.certify("127.0.0.1"));

    show(consumer, servers.certify("node-b"));
    pair.is_told(&["does not accept this node's certificate", "client_ca", "UnknownCA"]);
    assert!(service.podyd_log().contains("TLS did not come about"), "{}", service.podyd_log());
    show(consumer, clients.certify_until("node-b", (2020, 1, 1)));
    pair.is_told(&["does not accept this node's certificate", "CertificateExpired"]);
    let with = consumer.run("cat /etc/pody/config.toml").succeeds();
    let without: Vec<_> = with.lines().filter(|line| !line.starts_with("tls_")).collect();
    consumer.write("/etc/pody/config.toml", &without.join("\n"));
    pair.is_told(&["wants a certificate of this node", "remote_user_profile.provider.tls_cert"]);
    consumer.write("/etc/pody/config.toml", &with);

    show(consumer, clients.certify("node-b"));
    pair.reload();
    pair.is_well();
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn certificates_and_the_token_are_exchanged_by_a_reload_of_both() {
    let pair = Pair::start();
    let Pair { service, consumer, .. } = &pair;
    let others = Authority::new();
    show(service, others.certify("127.0.0.1"));
    service.write("/etc/pody/clients.pem", &others.pem());
    show(consumer, others.certify("node-b"));
    consumer.write("/etc/pody/ca.pem", &others.pem());
    pair.reload();
    pair.is_well();

    set_token(service, "another-that-nobody-guesses");
    pair.is_told(&["does not accept this node's token", "remote_user_profile.provider.access_token"]);
    set_token(consumer, "another-that-nobody-guesses");
    pair.reload();
    pair.is_well();
    client(service).call(&user("bob", None)).unwrap();
    wait::until("bob", PATIENCE, || consumer.run("getent passwd bob").status == 0);

    consumer.write("/etc/pody/ca.pem", "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n");
    consumer.signal_podyd("HUP");
    let is_refused = || consumer.podyd_log().contains("/etc/pody/ca.pem: ");
    wait::until("the broken file to be told of", PATIENCE, is_refused);
    pair.is_well();

    let elsewhere = consumer.run("cat /etc/pody/config.toml").succeeds().replace("127.0.0.1", "127.0.0.2");
    consumer.write("/etc/pody/config.toml", &elsewhere);
    consumer.write("/etc/pody/ca.pem", &others.pem());
    consumer.signal_podyd("HUP");
    let is_told = || {
        let log = consumer.podyd_log();
        log.contains("when podyd is restarted") && log.contains("remote_user_profile.provider")
    };
    wait::until("that another service takes a restart", PATIENCE, is_told);
    pair.is_well();
}
