//! A day on a booted Debian: people log in, change passwords and have jobs run; admins lock and remove them.
//!
//! Every story of `both!` is told twice: on accounts in `/etc/passwd`, and on Pody's.

use tests::host::Host;
use tests::login::{self, Accounts, Files, Person, Pody};
use tests::machine::Machine;

/// Tells each story on both kinds of accounts, each on a machine of its own.
macro_rules! both {
    ($($story:ident)*) => {
        mod files {
            use super::*;
            $(
                #[test]
                #[ignore = "needs root: boots a Debian"]
                fn $story() {
                    super::$story(&mut Machine::boot(), &Files);
                }
            )*
        }

        mod pody {
            use super::*;
            $(
                #[test]
                #[ignore = "needs root: boots a Debian"]
                fn $story() {
                    super::$story(&mut Machine::with_pody(), &Pody);
                }
            )*
        }
    };
}

both! {
    a_person_logs_in_by_password_and_by_key
    a_wrong_password_is_refused_everywhere
    a_person_changes_the_password_and_so_does_root
    a_locked_person_gets_in_nowhere_until_unlocked
    an_expired_person_gets_in_nowhere
    a_person_has_jobs_run_and_groups
    a_removed_person_is_unknown
    people_are_still_there_after_a_reboot
}

fn a_person_logs_in_by_password_and_by_key(machine: &mut Machine, accounts: &dyn Accounts) {
    let Person { name, password } = &ada(machine, accounts);
    login::is_known(machine, name);
    assert_eq!(login::ssh_by_password(machine, name, password).succeeds(), *name);
    login::is_refused(login::ssh_by_key(machine, name));
    login::authorize_key(machine, name);
    assert_eq!(login::ssh_by_key(machine, name).succeeds(), *name);
    assert!(login::su(machine, name, password).succeeds().ends_with(name));
    login::may_sudo(machine, name);
    assert!(login::sudo(machine, name, password).succeeds().ends_with("root"));
}

fn a_wrong_password_is_refused_everywhere(machine: &mut Machine, accounts: &dyn Accounts) {
    let Person { name, .. } = &ada(machine, accounts);
    login::is_refused(login::ssh_by_password(machine, name, "wrong"));
    login::su(machine, name, "wrong").fails();
    login::may_sudo(machine, name);
    login::sudo(machine, name, "wrong").fails();
}

fn a_person_changes_the_password_and_so_does_root(machine: &mut Machine, accounts: &dyn Accounts) {
    let Person { name, password } = &ada(machine, accounts);
    let (second, third) = ("fUnkelnde.Sterne", "7 stille Wasser!");
    login::passwd_with_wrong_password(machine, name).fails();
    login::passwd(machine, name, password, second).succeeds();
    login::is_refused(login::ssh_by_password(machine, name, password));
    login::ssh_by_password(machine, name, second).succeeds();
    login::passwd_by_root(machine, name, third).succeeds();
    login::is_refused(login::ssh_by_password(machine, name, second));
    login::ssh_by_password(machine, name, third).succeeds();
}

fn a_locked_person_gets_in_nowhere_until_unlocked(machine: &mut Machine, accounts: &dyn Accounts) {
    let Person { name, password } = &ada(machine, accounts);
    login::authorize_key(machine, name);
    login::may_sudo(machine, name);
    accounts.lock(machine, name);
    gets_in_nowhere(machine, name, password);
    login::sudo(machine, name, password).fails();
    accounts.unlock(machine, name);
    login::ssh_by_password(machine, name, password).succeeds();
    login::ssh_by_key(machine, name).succeeds();
}

fn an_expired_person_gets_in_nowhere(machine: &mut Machine, accounts: &dyn Accounts) {
    let Person { name, password } = &ada(machine, accounts);
    login::authorize_key(machine, name);
    accounts.expire(machine, name);
    gets_in_nowhere(machine, name, password);
}

fn a_person_has_jobs_run_and_groups(machine: &mut Machine, accounts: &dyn Accounts) {
    let Person { name, .. } = &ada(machine, accounts);
    accounts.add_group(machine, "physics", name);
    assert_eq!(machine.run(&format!("id -nG {name}")).succeeds(), format!("{name} physics"));
    assert!(machine.run("getent group physics").succeeds().ends_with(&format!(":{name}")));
    login::cron_job_runs(machine, name);
}

fn a_removed_person_is_unknown(machine: &mut Machine, accounts: &dyn Accounts) {
    let Person { name, password } = &ada(machine, accounts);
    login::authorize_key(machine, name);
    accounts.remove(machine, name);
    login::is_unknown(machine, name);
    login::is_refused(login::ssh_by_password(machine, name, password));
    login::is_refused(login::ssh_by_key(machine, name));
}

fn people_are_still_there_after_a_reboot(machine: &mut Machine, accounts: &dyn Accounts) {
    let Person { name, password } = &ada(machine, accounts);
    let before = machine.run(&format!("getent passwd {name}; id {name}")).succeeds();
    machine.reboot();
    assert_eq!(machine.run(&format!("getent passwd {name}; id {name}")).succeeds(), before);
    login::ssh_by_password(machine, name, password).succeeds();
    assert_eq!(machine.run("systemctl is-system-running --wait").succeeds(), "running");
}

fn gets_in_nowhere(host: &Host, name: &str, password: &str) {
    login::is_known(host, name);
    login::is_refused(login::ssh_by_password(host, name, password));
    login::is_refused(login::ssh_by_key(host, name));
    login::su(host, name, password).fails();
}

/// Somebody new on this machine.
fn ada(host: &Host, accounts: &dyn Accounts) -> Person {
    let person = Person { name: "ada".into(), password: "Analytical-Engine1".into() };
    accounts.add(host, &person);
    person
}
