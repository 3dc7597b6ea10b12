//! `podyctl setup` on a booted Debian that was just installed: systemd restarts podyd for it, and the first admin logs in by
//! ssh. Where podyd does not start with the new configuration, the former one comes back.

use tests::login;
use tests::machine::Machine;
use tests::relay;
use tokio::runtime::Runtime;

const PASSWORD: &str = "Analytical-Engine1";

/// Stands for whatever keeps podyd from starting, as long as its configuration names a database.
const BROKEN: &str = "[Service]\nExecStartPre=/bin/sh -c '! grep -q ^urlFile /etc/pody/config.toml'\n";

#[test]
#[ignore = "needs root: boots a Debian"]
fn a_fresh_machine_is_set_up_with_a_database_and_its_admin_logs_in_by_ssh() {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(servers::postgres());
    let url = runtime.block_on(server.fresh_database());
    let machine = Machine::boot();
    relay::begin(&machine.path("/proc/1/ns/net"), server.port());
    machine.install_files("");
    machine
        .run("systemd-sysusers; systemd-tmpfiles --create pody.conf; systemctl daemon-reload; systemctl enable --quiet --now podyd")
        .succeeds();
    let answers = format!(
        "{{\"directory\": {{\"kind\": \"database\", \"url\": \"{url}\"}}, \"admin\": {{\"name\": \"ada\", \"password\": \
         \"{PASSWORD}\"}}}}"
    );
    machine.write("/root/answers.json", &answers);
    let setup = || machine.run("chmod 0600 /root/answers.json; podyctl setup --answers /root/answers.json");

    let configuration = machine.run("cat /etc/pody/config.toml").succeeds();
    machine.run("mkdir /etc/systemd/system/podyd.service.d").succeeds();
    machine.write("/etc/systemd/system/podyd.service.d/broken.conf", BROKEN);
    machine.run("systemctl daemon-reload").succeeds();
    let ran = setup();
    assert_eq!(ran.status, 1, "{ran:#?}");
    for words in
        ["the configuration is what it was before", "NOT done: ada is the first admin", "podyctl db migrate"]
    {
        assert!(ran.stderr.contains(words), "{words}: {ran:#?}");
    }
    assert_eq!(machine.run("cat /etc/pody/config.toml").succeeds(), configuration);
    assert_eq!(machine.run("ls /etc/pody").succeeds(), "config.toml\nid-ranges");
    assert!(machine.run("podyctl status").succeeds().contains("local"));

    machine.run("rm -r /etc/systemd/system/podyd.service.d; systemctl daemon-reload").succeeds();
    let ran = setup();
    assert!(ran.status == 0 && ran.stdout.contains("This node is set up"), "{ran:#?}");
    assert!(machine.run("podyctl status").succeeds().contains("sql"));
    assert_eq!(machine.run("stat -c '%a %U %G' /etc/pody/postgres-url").succeeds(), "640 root pody");
    assert_eq!(login::ssh_by_password(&machine, "ada", PASSWORD).succeeds(), "ada");
    machine.run("runuser -u ada -- podyctl user add bob --no-password").succeeds();
    let (_, password) = url.rsplit_once('@').unwrap().0.rsplit_once(':').unwrap();
    let journal = machine.run("journalctl --no-pager").succeeds();
    assert!(!journal.contains(password) && !journal.contains(PASSWORD));
}
