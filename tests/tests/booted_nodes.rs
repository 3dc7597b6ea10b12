//! One node serves its directory and two consume it. Whatever becomes of the service and of the way to it, lookups on a
//! consumer go on, whoever logged in there gets in, whoever did not is told why, and what was changed is seen soon after.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod nodes;

use std::time::{Duration, Instant};

use nodes::*;
use tests::host::Host;
use tests::login::{self, Accounts, Person, Pody};
use tests::machine::Machine;
use tests::network::{Network, Trouble};
use tests::wait;

/// People, and programs that call PAM, wait this long for a login.
const LOGIN: Duration = Duration::from_secs(5);

/// From the end of the trouble on, until a consumer shows what was changed meanwhile.
const HEALED: Duration = Duration::from_secs(2);

/// A change, while all is well.
const SEEN: Duration = Duration::from_secs(1);

/// Users of whom a copy takes seconds.
const CROWD: usize = 10_000;

/// In a copy of the crowd: after the beginning and before the end.
const PART_OF_A_COPY: u64 = 50_000;

/// What goes wrong between the nodes, or with the one that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    Link(Trouble),
    ServiceStandsStill,
}

#[test]
#[ignore = "needs root: boots three Debians"]
fn whatever_becomes_of_the_service_a_consumer_goes_on() {
    let network = serving(3);
    a_consumer_has_the_users_of_the_service(&network);
    let outages = [Trouble::Cut, Trouble::Deaf, Trouble::Mute, Trouble::Slow, Trouble::Lossy];
    let outages = outages.map(Outage::Link).into_iter().chain([Outage::ServiceStandsStill]);
    for (number, outage) in outages.enumerate() {
        a_consumer_goes_on_during(&network, outage, number);
    }
    a_consumer_goes_on_when_the_service_dies_while_it_is_copied(&network);
}

fn a_consumer_has_the_users_of_the_service(network: &Network) {
    let [a, b, c] = &network[..] else { unreachable!() };
    Pody.add(a, &ada());
    Pody.add_group(a, "physics", "ada");
    for node in [b, c] {
        wait::until("the group", PATIENCE, || node.run("getent group physics").stdout.ends_with(":ada\n"));
        for question in ["getent passwd ada", "getent group physics", "id ada"] {
            assert_eq!(node.run(question).succeeds(), a.run(question).succeeds());
        }
        node.run("install -d -m 0700 -o ada -g ada /home/ada").succeeds();
        let Person { name, password } = ada();
        assert_eq!(login::ssh_by_password(node, &name, &password).succeeds(), "ada");
        login::is_refused(login::ssh_by_password(node, &name, "wrong"));
    }
    Pody.add(a, &person("prompt"));
    let seen = [shows(b, "prompt"), shows(c, "prompt")];
    report(&format!("a new user is seen after {seen:?}"));
    assert!(seen.iter().all(|seen| *seen < SEEN), "{seen:?}");
    Lookups::prepare(b);
}

fn a_consumer_goes_on_during(network: &Network, outage: Outage, number: usize) {
    let [a, b, _] = &network[..] else { unreachable!() };
    let (stranger, newcomer) = (person(&format!("stranger{number}")), format!("newcomer{number}"));
    Pody.add(a, &stranger);
    shows(b, &stranger.name);

    let lookups = Lookups::begin(b, "ada");
    begin(network, outage);
    let known = a_known_person_gets_in(b);
    let told = match outage {
        Outage::Link(Trouble::Slow) => {
            login::su(b, &stranger.name, &stranger.password).succeeds();
            None
        }
        // Both may happen.
        Outage::Link(Trouble::Lossy) => None,
        _ => Some(a_stranger_is_told_why(b, &stranger)),
    };
    if outage == Outage::Link(Trouble::Cut) {
        b.run("systemctl restart podyd").succeeds();
        a_known_person_gets_in(b);
    }
    let add = || a.run(&format!("podyctl user add {newcomer} --no-password")).succeeds();
    if outage != Outage::ServiceStandsStill {
        add();
    }
    let seen = Seen::await_user(b, &newcomer);
    let ended = now();
    end(network, outage);
    if outage == Outage::ServiceStandsStill {
        add();
    }
    let healed = seen.after(ended);
    let tally = lookups.end();
    report(&format!(
        "{outage:?}: ada is in after {known:?}, a stranger hears why not after {told:?}, B is current {healed:?} after it; lookups: {tally}"
    ));
    assert!(known < LOGIN && told.is_none_or(|told| told < LOGIN) && healed < HEALED);
}

/// A's directory is restored from a backup, which is another history: a consumer takes a copy of everything.
fn a_consumer_goes_on_when_the_service_dies_while_it_is_copied(network: &Network) {
    let [a, b, c] = &network[..] else { unreachable!() };
    let crowd: String =
        (0..CROWD).map(|number| format!("crowd{number}:x:{number}:{number}::/:/bin/sh\n")).collect();
    a.write("/root/crowd", &crowd);
    a.run("podyctl user import --format passwd --min-uid 0 --new-ids /root/crowd").succeeds();
    a.run("systemctl stop podyd && cp -a /var/lib/pody /root/backup && systemctl start podyd").succeeds();
    a.run("podyctl user add lost --no-password").succeeds();
    shows(b, "lost");

    let lookups = Lookups::begin(b, "ada");
    let before = network.received(B);
    a.run("systemctl stop podyd && rm -rf /var/lib/pody && cp -a /root/backup /var/lib/pody && systemctl start podyd")
        .succeeds();
    wait::until("part of the copy", PATIENCE, || network.received(B) >= before + PART_OF_A_COPY);
    // systemd starts it again, a second later.
    a.run("systemctl kill --signal KILL podyd").succeeds();
    let begun = Instant::now();
    b.run("getent passwd lost crowd1").succeeds();
    let known = a_known_person_gets_in(b);
    for node in [b, c] {
        wait::until("the copy", PATIENCE, || node.run("getent passwd lost").status == 2);
    }
    let copied = begun.elapsed();
    report(&format!(
        "killed while it is copied: ada is in after {known:?}, B and C have the copy {copied:?} after that; lookups: {}",
        lookups.end()
    ));
    assert!(known < LOGIN);
    b.run("getent passwd ada crowd1").succeeds();
}

fn begin(network: &Network, outage: Outage) {
    match outage {
        Outage::Link(trouble) => network.strike(B, trouble),
        Outage::ServiceStandsStill => network[A].freeze(),
    }
}

fn end(network: &Network, outage: Outage) {
    match outage {
        Outage::Link(_) => network.heal(B),
        Outage::ServiceStandsStill => network[A].thaw(),
    }
}

/// How long it takes until ada is let in where she was before.
fn a_known_person_gets_in(node: &Machine) -> Duration {
    let Person { name, password } = ada();
    let begun = Instant::now();
    assert!(login::su(node, &name, &password).succeeds().ends_with("ada"));
    let took = begun.elapsed();
    // sshd answers no sooner than after twice some milliseconds, or twice that, and so on.
    assert_eq!(login::ssh_by_password(node, &name, &password).succeeds(), "ada");
    took
}

/// How long it takes until somebody who never logged in on a node hears that the password cannot be checked.
fn a_stranger_is_told_why(node: &Host, Person { name, password }: &Person) -> Duration {
    // su itself ends later, since other modules want failures to last.
    node.write(
        "/run/conversation",
        &format!(
            "set timeout 30\nspawn -noecho runuser -u nobody -- su {name} -c id\n\
             expect assword: {{send {{{password}}}; send \\r; set typed [clock milliseconds]}}\n\
             expect -re {{could not be checked: the account service at 10.77.0.1 (cannot be reached|does not answer)}} \
             {{set told [clock milliseconds]}}\n\
             expect eof\nputs \"\\n[expr {{$told - $typed}}]\"\nexit [lindex [wait] 3]\n"
        ),
    );
    let su = node.run("expect -f /run/conversation").fails();
    let reason = node
        .run(&format!("journalctl --no-pager --quiet --grep '{name} cannot be authenticated' | tail -n 1"));
    report(reason.stdout.trim());
    let reasons = ["http://10.77.0.1:8799", "the shared directory does not answer in time"];
    assert!(reasons.iter().any(|why| reason.stdout.contains(why)), "{reason:#?}");
    let took = su.stdout.lines().last().and_then(|line| line.parse().ok());
    Duration::from_millis(took.unwrap_or_else(|| panic!("{su:#?}")))
}

fn ada() -> Person {
    person("ada")
}

fn person(name: &str) -> Person {
    Person { name: name.into(), password: format!("Analytical-Engine-of-{name}1") }
}
