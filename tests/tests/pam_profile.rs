//! Stories of packaging/pam: what Debian's own pam-auth-update makes of our profiles, and who then gets in.
//! The stack with pam_unix alone comes first, which proves the story and shows what our lines are for.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod pam_stage;

use std::fs;

use pam_stage::*;
use tests::paths::repository;

/// Whole services as Debian's own, which include all four.
const COMMON: &str =
    "@include common-auth\n@include common-account\n@include common-password\n@include common-session";

/// pam-auth-update with the profiles of this directory: pam_unix, and ours.
const UPDATE: &str = "mount --bind \"$T/pam-configs\" /usr/share/pam-configs
    mount --bind \"$T/lib-pam\" /var/lib/pam
    DEBIAN_FRONTEND=noninteractive pam-auth-update --package --force";

/// A stage whose common-* files pam-auth-update has made of pam_unix's profile and these of ours.
fn stage(ours: &[&str]) -> Stage {
    let stage = Stage::new();
    let configs = stage.path("pam-configs");
    fs::copy("/usr/share/pam-configs/unix", configs.join("unix")).unwrap();
    for name in ours {
        fs::copy(repository().join("packaging/pam/pam-configs").join(name), configs.join(name)).unwrap();
    }
    stage.run(UPDATE).succeeds();
    stage.service("login", COMMON);
    stage
}

fn with_pody() -> Stage {
    let stage = stage(&["pody", "pody-password", "pody-mkhomedir"]);
    publish(&stage);
    stage
}

/// The lines of one generated file, without comments.
fn lines(stage: &Stage, kind: &str) -> Vec<String> {
    let text = fs::read_to_string(stage.path(&format!("etc/pam.d/common-{kind}"))).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Local people are served as on a machine that never heard of Pody.
#[track_caller]
fn local_people_are_as_ever(stage: &Stage) {
    let operations = "authenticate setcred acct_mgmt open_session close_session";
    for name in ["root", "bob"] {
        stage.pamtester(&format!("login {name} {operations}"), &["local"]).succeeds();
    }
    stage.pamtester("login bob authenticate", &["guess"]).fails_with(AUTH_ERR);
    let shadow = fs::read(stage.path("etc/shadow")).unwrap();
    stage.pamtester("login bob chauthtok", &["brand-New.7", "brand-New.7"]).succeeds();
    stage.pamtester("login bob authenticate", &["brand-New.7"]).succeeds();
    fs::write(stage.path("etc/shadow"), shadow).unwrap();
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn without_our_profile_pam_unix_lets_a_locked_account_through() {
    let stage = stage(&[]);
    publish(&stage);
    local_people_are_as_ever(&stage);
    stage.pamtester("login liz acct_mgmt", &[]).succeeds();
    stage.pamtester("login ada authenticate", &["secret"]).fails_with(AUTH_ERR);
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn debian_makes_these_stacks_of_our_profiles() {
    let stage = with_pody();
    let auth = lines(&stage, "auth");
    assert_eq!(
        auth[0],
        "auth [success=2 auth_err=die authinfo_unavail=die maxtries=die perm_denied=die acct_expired=die default=ignore] pam_pody.so"
    );
    assert_eq!(auth[1], "auth [success=1 default=ignore] pam_unix.so nullok try_first_pass");
    let account = lines(&stage, "account");
    assert_eq!(account[0], "account [success=1 default=ignore] pam_localuser.so");
    assert_eq!(account[1], "account [success=2 user_unknown=ignore default=die] pam_pody.so");
    assert_eq!(account[2], "account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so");
    let password = lines(&stage, "password");
    assert_eq!(password[0], "password [success=2 default=ignore] pam_unix.so obscure yescrypt");
    assert!(
        password[1].starts_with("password [success=1 auth_err=die ") && password[1].ends_with(" pam_pody.so")
    );
    assert!(
        lines(&stage, "session")
            .contains(&"session [success=ok perm_denied=die default=ignore] pam_pody.so".to_owned())
    );
    assert!(!lines(&stage, "session").iter().any(|line| line.contains("mkhomedir")), "not unless asked for");
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn updating_again_changes_nothing_and_removing_us_restores_what_was() {
    let before = stage(&[]);
    let stage = with_pody();
    let all = ["auth", "account", "password", "session", "session-noninteractive"];
    let with_us = all.map(|kind| lines(&stage, kind));
    stage.run(&UPDATE.replace("--force", "")).succeeds();
    assert_eq!(all.map(|kind| lines(&stage, kind)), with_us);
    stage.run(&UPDATE.replace("--force", "--remove pody pody-password pody-mkhomedir")).succeeds();
    assert_eq!(all.map(|kind| lines(&stage, kind)), all.map(|kind| lines(&before, kind)));
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn with_podyd_up_everybody_gets_what_they_deserve() {
    let stage = with_pody();
    let podyd = FakePodyd::honest(&stage);
    local_people_are_as_ever(&stage);
    assert!(podyd.calls().is_empty(), "local people are none of podyd's business");
    let whole = "login ada authenticate setcred acct_mgmt open_session close_session";
    stage.pamtester(whole, &["secret"]).succeeds();
    stage.pamtester("login ada authenticate", &["guess"]).fails_with(AUTH_ERR);
    stage.pamtester("login liz authenticate", &["secret"]).fails_with(MAXTRIES);
    stage.pamtester("login eve authenticate", &["secret"]).fails_with(AUTH_ERR);
    stage.pamtester("login ada chauthtok", &["new", "new"]).succeeds();
    stage.pamtester("login ada chauthtok", &["weak", "weak"]).fails_with("too easy to guess");
    stage
        .pamtester("login eve chauthtok", &["new", "new"])
        .fails_with("Authentication token manipulation error");
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn a_denied_account_is_final_whether_podyd_is_up_or_down() {
    let stage = with_pody();
    let decided = || {
        // As for SSH keys, cron and sudo, which never authenticate.
        stage.pamtester("login ada setcred acct_mgmt open_session", &[]).succeeds();
        stage.pamtester("login liz acct_mgmt", &[]).fails_with(PERM_DENIED);
        stage.pamtester("login max acct_mgmt", &[]).fails_with(ACCT_EXPIRED);
    };
    decided();
    let _podyd = FakePodyd::honest(&stage);
    decided();
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn with_podyd_down_local_people_notice_nothing_and_nobody_else_logs_in() {
    let stage = with_pody();
    local_people_are_as_ever(&stage);
    for name in ["ada", "liz"] {
        let told = stage.pamtester(&format!("login {name} authenticate"), &["secret"]);
        assert!(!told.output.contains("Password:"), "nobody is asked in vain: {told:?}");
        told.fails_with("It cannot be decided just now").fails_with(AUTHINFO_UNAVAIL);
    }
    // Whose directory it is, if anybody's, is asked.
    let other = stage.pamtester("login eve authenticate", &["secret"]);
    assert!(other.output.contains("Password:"), "{other:?}");
    other.fails_with(AUTH_ERR);
    stage.pamtester("login ada chauthtok", &["new", "new"]).fails_with("Pody cannot be reached now");
    // Neither podyd nor a snapshot: nobody knows who is locked.
    fs::remove_dir_all(stage.path("cache")).unwrap();
    fs::create_dir(stage.path("cache")).unwrap();
    fs::remove_file(stage.path("run/generation")).unwrap();
    local_people_are_as_ever(&stage);
    stage.pamtester("login ada acct_mgmt", &[]).fails_with(AUTHINFO_UNAVAIL);
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn a_module_that_cannot_be_loaded_locks_no_local_person_out() {
    let stage = with_pody();
    for broken in ["rm", "truncate -s 100"] {
        stage.run(&format!("{broken} \"$T/security/pam_pody.so\"")).succeeds();
        local_people_are_as_ever(&stage);
        stage.pamtester("login ada authenticate", &["secret"]).fails_with(AUTH_ERR);
        stage.pamtester("login liz acct_mgmt", &[]).fails_with("");
        fs::copy(tests::paths::built("libpam_pody.so"), stage.path("security/pam_pody.so")).unwrap();
    }
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn the_snippets_for_hand_written_files_do_the_same() {
    let stage = with_pody();
    let snippets = repository().join("packaging/pam");
    for kind in ["auth", "account", "password", "session"] {
        fs::copy(snippets.join(kind), stage.path("etc/pam.d").join(format!("pody-{kind}"))).unwrap();
    }
    stage.service(
        "login",
        "@include pody-auth\n@include pody-account\n@include pody-password\n@include pody-session\nsession required pam_permit.so",
    );
    local_people_are_as_ever(&stage);
    stage.pamtester("login liz acct_mgmt", &[]).fails_with(PERM_DENIED);
    stage.pamtester("login ada authenticate", &["secret"]).fails_with(AUTHINFO_UNAVAIL);
    let _podyd = FakePodyd::honest(&stage);
    stage.pamtester("login ada authenticate setcred acct_mgmt open_session", &["secret"]).succeeds();
    stage.pamtester("login ada chauthtok", &["new", "new"]).succeeds();
    local_people_are_as_ever(&stage);
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn after_pam_unix_the_password_that_it_asked_for_is_tried() {
    let stage = with_pody();
    let _podyd = FakePodyd::honest(&stage);
    stage.service(
        "after",
        "auth [success=2 default=ignore] pam_unix.so\nauth [success=1 default=ignore] pam_pody.so\n\
                            auth requisite pam_deny.so\nauth required pam_permit.so",
    );
    stage.pamtester("after ada authenticate", &["secret"]).succeeds();
    stage.pamtester("after ada authenticate", &["guess"]).fails_with(AUTH_ERR);
    stage.pamtester("after bob authenticate", &["local"]).succeeds();
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn home_directories_are_made_where_the_admin_asks_for_it() {
    let stage = with_pody();
    stage.run(&UPDATE.replace("--force", "--enable pody-mkhomedir")).succeeds();
    let nss = fs::read_to_string(stage.path("nss-passwd")).unwrap();
    fs::write(stage.path("nss-passwd"), nss.replace(":/tmp:", ":/mnt/home:")).unwrap();
    // The helper that fills the directory does not see our NSS: that it was called for is all there is to see.
    let login = |name: &str| stage.run(&format!("{NSS} pamtester login {name} open_session"));
    assert!(login("ada").succeeds().output.contains("Creating directory '/mnt/home'"));
    assert!(
        !login("bob").succeeds().output.contains("Creating"),
        "homes of local people are not ours to make"
    );
    assert!(lines(&stage, "session").contains(&"session optional pam_mkhomedir.so umask=0077".to_owned()));
}
