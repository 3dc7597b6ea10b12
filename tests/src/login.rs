//! What people do on a machine: they log in, become somebody else, change their password, have jobs run.
//!
//! Each of these is told on accounts in `/etc/passwd` first, which proves the story, and then on Pody's.

use std::time::Duration;

use crate::host::{Host, Outcome};
use crate::wait;

/// Somebody who can log in.
#[derive(Clone)]
pub struct Person {
    /// The login name.
    pub name: String,
    /// The password.
    pub password: String,
}

/// How an admin manages accounts of one kind.
pub trait Accounts {
    /// Adds somebody, with a home directory.
    fn add(&self, host: &Host, person: &Person);
    /// Locks the account: nobody gets in as this person, in any way.
    fn lock(&self, host: &Host, name: &str);
    /// Unlocks it.
    fn unlock(&self, host: &Host, name: &str);
    /// Lets the account expire, as of long ago.
    fn expire(&self, host: &Host, name: &str);
    /// Adds a group with one member.
    fn add_group(&self, host: &Host, group: &str, member: &str);
    /// Removes the account.
    fn remove(&self, host: &Host, name: &str);
}

/// Accounts in `/etc/passwd`, with the tools of Debian.
pub struct Files;

/// Accounts in Pody, with podyctl.
pub struct Pody;

impl Accounts for Files {
    fn add(&self, host: &Host, Person { name, password }: &Person) {
        host.run(&format!(
            "useradd --create-home --shell /bin/bash {name} && echo '{name}:{password}' | chpasswd"
        ))
        .succeeds();
    }

    fn lock(&self, host: &Host, name: &str) {
        host.run(&format!("usermod --lock --expiredate 1 {name}")).succeeds();
    }

    fn unlock(&self, host: &Host, name: &str) {
        host.run(&format!("usermod --unlock --expiredate '' {name}")).succeeds();
    }

    fn expire(&self, host: &Host, name: &str) {
        host.run(&format!("usermod --expiredate 2020-01-01 {name}")).succeeds();
    }

    fn add_group(&self, host: &Host, group: &str, member: &str) {
        host.run(&format!("groupadd {group} && usermod --append --groups {group} {member}")).succeeds();
    }

    fn remove(&self, host: &Host, name: &str) {
        host.run(&format!("userdel {name}")).succeeds();
    }
}

impl Accounts for Pody {
    fn add(&self, host: &Host, Person { name, password }: &Person) {
        host.run(&format!("echo '{password}' | podyctl user add {name} --password-stdin --shell /bin/bash"))
            .succeeds();
        host.run(&format!("install -d -m 0700 -o {name} -g {name} /home/{name}")).succeeds();
    }

    fn lock(&self, host: &Host, name: &str) {
        host.run(&format!("podyctl user lock {name}")).succeeds();
    }

    fn unlock(&self, host: &Host, name: &str) {
        host.run(&format!("podyctl user unlock {name}")).succeeds();
    }

    fn expire(&self, host: &Host, name: &str) {
        host.run(&format!("podyctl user update {name} --expires 2020-01-01")).succeeds();
    }

    fn add_group(&self, host: &Host, group: &str, member: &str) {
        host.run(&format!("podyctl group add {group} && podyctl group add-member {group} {member}"))
            .succeeds();
    }

    fn remove(&self, host: &Host, name: &str) {
        host.run(&format!("podyctl user delete --yes {name}")).succeeds();
    }
}

const SSH: &str = "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null";

/// Runs `id -un` over ssh, with a password.
pub fn ssh_by_password(host: &Host, name: &str, password: &str) -> Outcome {
    host.run(&format!(
        "SSHPASS='{password}' sshpass -e {SSH} -o PreferredAuthentications=password -o NumberOfPasswordPrompts=1 \
         {name}@localhost id -un"
    ))
}

/// Runs `id -un` over ssh, with root's key; [`authorize_key`] lets it in.
pub fn ssh_by_key(host: &Host, name: &str) -> Outcome {
    host.run(&format!("{SSH} -o PreferredAuthentications=publickey {name}@localhost id -un"))
}

/// Panics unless sshd itself refused: a connection that never came about proves nothing.
#[track_caller]
pub fn is_refused(ssh: Outcome) {
    let said = ["Permission denied", "Connection closed by"].iter().any(|words| ssh.stderr.contains(words));
    assert!(said && ssh.status != 0, "{ssh:#?}");
}

/// Puts root's key among those that may log in as this person.
pub fn authorize_key(host: &Host, name: &str) {
    host.run(&format!(
        "test -e ~/.ssh/id_ed25519 || ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519
         install -d -m 0700 -o {name} -g {name} /home/{name}/.ssh
         install -m 0600 -o {name} -g {name} ~/.ssh/id_ed25519.pub /home/{name}/.ssh/authorized_keys"
    ))
    .succeeds();
}

/// An unprivileged program becomes this person by `su`.
pub fn su(host: &Host, name: &str, password: &str) -> Outcome {
    host.converse(&format!("runuser -u nobody -- su {name} -c {{id -un}}"), &[("assword:", password)])
}

/// The same of somebody about whom nobody can decide now: who is told so, and asked for nothing.
#[track_caller]
pub fn su_is_undecided(host: &Host, name: &str) {
    let ran = host.converse(&format!("runuser -u nobody -- su {name} -c {{id -un}}"), &[]).fails();
    assert!(
        ran.stdout.contains("It cannot be decided just now") && !ran.stdout.contains("assword:"),
        "{ran:#?}"
    );
}

/// This person becomes root by `sudo`; [`may_sudo`] allows it.
pub fn sudo(host: &Host, name: &str, password: &str) -> Outcome {
    host.converse(&format!("runuser -u {name} -- sudo id -un"), &[("assword", password)])
}

/// Allows this person one try at `sudo`.
pub fn may_sudo(host: &Host, name: &str) {
    host.write(
        &format!("/etc/sudoers.d/{name}"),
        &format!("Defaults:{name} passwd_tries=1\n{name} ALL=(ALL) ALL\n"),
    );
}

/// This person changes the password with `passwd`.
pub fn passwd(host: &Host, name: &str, old: &str, new: &str) -> Outcome {
    let answers = [("assword:", old), ("assword:", new), ("assword:", new)];
    host.converse(&format!("runuser -u {name} -- passwd"), &answers)
}

/// This person cannot name the old password, and `passwd` asks for no new one.
pub fn passwd_with_wrong_password(host: &Host, name: &str) -> Outcome {
    host.converse(&format!("runuser -u {name} -- passwd"), &[("assword:", "wrong")])
}

/// Root sets a person's password with `passwd NAME`.
pub fn passwd_by_root(host: &Host, name: &str, new: &str) -> Outcome {
    host.converse(&format!("passwd {name}"), &[("assword:", new), ("assword:", new)])
}

/// A job in this person's crontab runs; cron runs `@reboot` jobs when it first starts after a boot.
pub fn cron_job_runs(host: &Host, name: &str) {
    host.run(&format!(
        "rm -f /run/crond.reboot /tmp/cron-{name}
         echo '@reboot id -un > /tmp/cron-{name}.new && mv /tmp/cron-{name}.new /tmp/cron-{name}' | crontab -u {name} -
         systemctl restart cron"
    ))
    .succeeds();
    let made = || host.run(&format!("test -e /tmp/cron-{name}")).status == 0;
    wait::until("the cron job", Duration::from_secs(20), made);
    assert_eq!(host.run(&format!("cat /tmp/cron-{name}")).succeeds(), name);
}

/// Everything that shows names knows this person, by name and by id.
pub fn is_known(host: &Host, name: &str) {
    let entry = host.run(&format!("getent passwd {name}")).succeeds();
    let fields: Vec<&str> = entry.split(':').collect();
    assert_eq!((fields.len(), fields[0]), (7, name), "{entry}");
    assert_eq!(host.run(&format!("getent passwd {}", fields[2])).succeeds(), entry);
    assert_eq!(host.run(&format!("id -u {name}")).succeeds(), fields[2]);
    assert_eq!(host.run(&format!("getent group {} | cut -d: -f1", fields[3])).succeeds(), name);
    let listing =
        host.run(&format!("touch /tmp/of-{name} && chown {name}: /tmp/of-{name} && ls -l /tmp/of-{name}"));
    assert!(listing.succeeds().contains(&format!(" {name} {name} ")));
}

/// Nobody knows this person: that is said, and is not an error of the lookup.
pub fn is_unknown(host: &Host, name: &str) {
    assert_eq!(host.run(&format!("getent passwd {name}")).status, 2);
    let id = host.run(&format!("id {name}")).fails();
    assert!(id.stderr.contains("no such user"), "{id:#?}");
}
