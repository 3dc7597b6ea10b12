//! The compose files of packaging/compose, brought up with the engine that Debian has: people log in, and nothing is left behind.
//!
//! The images are built once, from a Debian that stands for the base image, and both files use them.

use std::time::Duration;

use servers::{OidcOptions, OidcProvider};
use tests::conversation::Conversation;
use tests::engine::{Engine, Project, TRACES};
use tests::login;
use tests::relay;
use tests::wait;
use tokio::runtime::Runtime;

const PASSWORD: &str = "Analytical-Engine1";

/// What would be seen if it got anywhere.
const DATABASE_PASSWORD: &str = "9a1f3canary0database0password77e2";

/// The secret of the client `pody-secret`.
const CLIENT_SECRET: &str = "a secret of the client: + & % = ?";

/// The end of what a login at a provider shows.
const ENTER: &str = "press Enter here: ";

/// The host's key is that of a container, and new.
const SSH: &str = "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o NumberOfPasswordPrompts=1";

/// podyd starts anew after a second.
const RESTART: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs root: boots a Debian with Docker Engine"]
fn both_compose_files_let_people_in_and_leave_nothing_behind() {
    let engine = Engine::with_images();
    assert_eq!(engine.traces(), [] as [&str; 0]);
    engine.write_secret("database-password", &format!("{DATABASE_PASSWORD}\n"));
    a_node_with_all_that_it_needs(&engine);
    assert_eq!(engine.traces(), [] as [&str; 0]);
    engine.write_secret("oidc-secret", CLIENT_SECRET);
    a_pod_that_is_told_everything_by_variables(&engine);
    assert_eq!(engine.traces(), [] as [&str; 0]);
}

fn a_node_with_all_that_it_needs(engine: &Engine) {
    let whole = engine.project("whole", "docker-compose.yaml", "");
    whole.up();
    let traces = engine.traces();
    for kind in TRACES {
        assert!(traces.iter().any(|trace| trace.starts_with(kind)), "{kind} shows nothing: {traces:#?}");
    }
    let ports = engine.run("docker port whole_node_1").succeeds();
    assert_eq!(ports, "22/tcp -> 127.0.0.1:2222", "it can be reached from this machine alone");
    assert_eq!(engine.run("docker port whole_database_1").succeeds(), "");

    whole.in_node(&format!("echo '{PASSWORD}' | podyctl user add ada --password-stdin")).succeeds();
    let ssh = |password: &str| ssh(engine, "ada", "127.0.0.1 -p 2222", password);
    assert_eq!(ssh(PASSWORD).succeeds(), "ada /home/ada");
    login::is_refused(ssh("wrong"));
    each_part_has_the_rights_that_it_needs_and_no_others(&whole);
    no_secret_is_seen(engine, &whole);

    // Nobody is thrown out while podyd starts anew, and lookups go on.
    whole.in_node("kill -KILL $(pidof podyd) && getent passwd ada").succeeds();
    wait::until("podyd to start anew", RESTART, || whole.in_node("podyctl status").status == 0);
    assert_eq!(ssh(PASSWORD).succeeds(), "ada /home/ada");
    assert_eq!(whole.inspect("node", "{{.RestartCount}}"), "0");
    a_wrong_configuration_ends_it(&whole);

    // It ends when it is told to, and comes back with everything.
    let host_key = || engine.run("ssh-keyscan -p 2222 127.0.0.1 | sort").succeeds();
    let before = host_key();
    whole.compose("stop").succeeds();
    for service in ["node", "database"] {
        assert_eq!(whole.inspect(service, "{{.State.ExitCode}}"), "0", "{service}: {}", whole.logs());
    }
    whole.compose("down").succeeds();
    whole.up();
    assert_eq!(ssh(PASSWORD).succeeds(), "ada /home/ada");
    assert_eq!(host_key(), before);
    whole.compose("down --volumes").succeeds();
}

fn a_pod_that_is_told_everything_by_variables(engine: &Engine) {
    let pod = |variables: &str| engine.project("pod", "docker-compose-pod.yaml", variables);
    for (variables, missing) in [
        ("", "OIDC_ISSUER"),
        ("OIDC_ISSUER=https://login.example.com", "OIDC_CLIENT_ID"),
        ("OIDC_CLIENT_ID=pody", "OIDC_ISSUER"),
    ] {
        let refused = pod(variables).compose("up --detach --no-build");
        assert!(refused.status != 0 && refused.stderr.contains(missing), "{refused:#?}");
        assert!(refused.stderr.contains("say w"), "in words: {refused:#?}");
    }

    let runtime = Runtime::new().expect("threads can be made");
    let provider = runtime.block_on(OidcProvider::start(OidcOptions::default()));
    let pod = pod(&format!(
        "OIDC_ISSUER={} OIDC_CLIENT_ID=pody-secret OIDC_CLIENT_SECRET_FILE=./secrets/oidc-secret \
         OIDC_SCOPES='openid profile email groups' PODY_OIDC__USERS__ALLOW_GROUPS=staff PODY_OIDC__USERS__GROUP_MAP='*'",
        provider.issuer()
    ));
    // No way leads to the provider yet: a pod does not wait for it.
    pod.up();
    assert_eq!(pod.in_node("podyctl oidc check").status, 1);
    relay_to(&provider, engine, &pod);
    pod.in_node("podyctl oidc check").succeeds();
    assert_eq!(engine.run("docker port pod_node_1; docker port pod_database_1").succeeds(), "");
    each_part_has_the_rights_that_it_needs_and_no_others(&pod);
    no_secret_is_seen(engine, &pod);

    let password = pod.in_node(&format!("echo '{PASSWORD}' | podyctl user add cleo --password-stdin"));
    assert_eq!(password.status, 5, "{password:#?}");
    let address = || pod.inspect("node", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
    login::is_refused(engine.run(&format!("{SSH} -o PreferredAuthentications=password cleo@{}", address())));

    // Somebody whom nobody here has heard of logs in, and is the same when the node has forgotten everything.
    assert_eq!(pod.in_node("getent passwd ada").status, 2);
    let conversation = Conversation::begin(engine, &format!("{SSH} ada@{} {{id; pwd}}", address()), ENTER);
    let code = conversation.word_after("enter the code");
    runtime.block_on(provider.approve(&code, "sub-ada"));
    let shell = conversation.answer("").succeeds();
    assert!(["(ada)", "(engines)", "/home/ada"].iter().all(|word| shell.contains(word)), "{shell}");
    let id = pod.in_node("id ada").succeeds();
    pod.compose("down").succeeds();
    pod.up();
    assert_eq!(pod.in_node("id ada").succeeds(), id);
    pod.compose("down --volumes").succeeds();
}

/// The provider listens on this machine's loopback, and is at the same address for the node.
fn relay_to(provider: &OidcProvider, engine: &Engine, pod: &Project<'_>) {
    let node = pod.inspect("node", "{{.State.Pid}}");
    let (_, port) = provider.issuer().rsplit_once(':').expect("an issuer with a port");
    relay::begin(&engine.path(&format!("/proc/{node}/ns/net")), port.parse().expect("a number"));
}

fn each_part_has_the_rights_that_it_needs_and_no_others(project: &Project<'_>) {
    for (service, process) in [("node", "podyd"), ("database", "postgres")] {
        let status = project.compose(&format!(
            "exec -T {service} sh -c 'grep -h -e ^Uid -e ^Cap -e ^NoNew /proc/$(pidof -s {process})/status'"
        ));
        let status = status.succeeds();
        let none = |set: &str| status.contains(&format!("{set}:\t0000000000000000\n"));
        assert!(["CapInh", "CapPrm", "CapEff", "CapAmb"].into_iter().all(none), "{process}: {status}");
        assert!(status.contains("NoNewPrivs:\t1") && !status.contains("\t0\t"), "{process}: {status}");
        let writes = project.compose(&format!("exec -T {service} sh -c 'echo >/etc/new'"));
        assert!(writes.stderr.contains("Read-only file system"), "{writes:#?}");
    }
}

fn no_secret_is_seen(engine: &Engine, project: &Project<'_>) {
    let mut seen = project.logs();
    for service in ["node", "database"] {
        seen += &project.inspect(service, "{{json .}}");
        seen += &engine.run(&format!("docker history --no-trunc pody-{service}")).succeeds();
        seen += &engine.run(&format!("docker top {} -eo pid,args", project.container(service))).succeeds();
        // Nor may those who log in read it.
        seen += &project.compose(&format!(
            "exec -T -u nobody {service} sh -c 'cat /run/secrets/* /run/credentials/* /proc/[0-9]*/environ 2>&1'"
        )).stdout;
    }
    for secret in [DATABASE_PASSWORD, CLIENT_SECRET] {
        assert!(!seen.contains(secret), "{secret} is in {seen}");
    }
}

/// What no restart mends ends the container, and says so.
fn a_wrong_configuration_ends_it(project: &Project<'_>) {
    let ran = project.compose("run --rm --no-deps -T -e PODY_AUTH__MODE=nonsense node");
    assert_eq!(ran.status, 2, "{ran:#?}");
    assert!(ran.stderr.contains("oidc-only"), "{ran:#?}");
}

/// Logs in by whatever password, and tells who and where that is.
fn ssh(engine: &Engine, name: &str, address: &str, password: &str) -> tests::host::Outcome {
    engine.run(&format!("SSHPASS='{password}' sshpass -e {SSH} -l {name} {address} 'echo $(id -un) $(pwd)'"))
}
