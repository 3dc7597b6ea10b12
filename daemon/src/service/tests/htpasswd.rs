//! Users who come from an htpasswd file, and what becomes of them when it changes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use identity::State;

use super::{create, password, verdict};
use crate::directory::{Directory, Error, LocalAccounts, Origin, Rules, UserChange};
use crate::service::{Caller, Htpasswd, NewAccount, PasswordChange, Verdict};
use crate::testing::{TestNode, add_user, find_user, name, rules, until};

/// openssl passwd -apr1 -salt 12345678 x
const X: &str = "$apr1$12345678$zbBEMgfXu4mAHPrplrtNt.";

/// openssl passwd -apr1 -salt 87654321 y
const Y: &str = "$apr1$87654321$Rd4fLTf1iqIqtJmZV7r7h1";

/// A node with an htpasswd file beside its directory.
struct Follower {
    node: TestNode,
    file: PathBuf,
}

impl Follower {
    /// A node that has looked at this file.
    async fn of(text: &str) -> Self {
        let node = TestNode::start().await;
        let file = node.folder.join("htpasswd");
        let mut follower = Self { node, file };
        follower.follow().await;
        follower.says(text).await;
        follower
    }

    async fn follow(&mut self) {
        let htpasswd = Htpasswd::new(self.file.clone(), self.node.service.node.clone()).await.unwrap();
        let service = Arc::get_mut(&mut self.node.service).unwrap();
        service.htpasswd = Some(htpasswd);
    }

    /// Starts podyd again.
    async fn restart(&mut self) {
        self.node.restart_service().await;
        self.follow().await;
        self.look().await;
    }

    /// Replaces the file as careful programs do, and looks.
    async fn says(&self, text: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, &self.file).unwrap();
        self.look().await;
    }

    async fn look(&self) {
        self.node.service.look_at_htpasswd().await;
    }

    async fn state(&self, user: &str) -> Option<State> {
        find_user(self.node.directory(), user).await.map(|member| member.user.state)
    }

    async fn logs_in(&self, user: &str, password: &str) -> bool {
        verdict(&self.node, user, password).await == Verdict::Granted
    }

    async fn stored(&self, user: &str) -> String {
        self.node.directory().credential(name(user)).await.unwrap().unwrap().hash.unwrap()
    }

    async fn warnings(&self) -> Vec<String> {
        self.node.service.health(&Caller::Root).await.unwrap().warnings
    }

    async fn set_state(&self, user: &str, state: State) -> Result<(), Error> {
        let change = UserChange { state: Some(state), ..UserChange::default() };
        self.node.service.update_user(&Caller::Root, name(user), change).await.map(drop)
    }
}

fn both() -> String {
    format!("ada:{X}\nbob:{X}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_make_users_change_passwords_disable_and_enable() {
    let follower = Follower::of(&both()).await;
    let ada = find_user(follower.node.directory(), "ada").await.unwrap();
    assert_eq!((ada.origin, ada.user.home.as_str()), (Origin::Htpasswd, "/home/ada"));
    assert!(follower.node.publishing.shows("ada") && follower.logs_in("ada", "x").await);

    follower.says(&format!("ada:{Y}\nbob:{X}\n")).await;
    assert!(follower.logs_in("ada", "y").await && !follower.logs_in("ada", "x").await);

    follower.says(&format!("ada:{Y}\n")).await;
    let account = follower.node.service.check_account(&Caller::Root, "bob", "su").await.unwrap();
    assert_eq!(account.verdict, Verdict::AccountLocked);
    assert!(follower.node.publishing.shows("bob"), "the files still have an owner");

    follower.says(&format!("ada:{Y}\nbob:{Y}\n")).await;
    assert_eq!(follower.state("bob").await, Some(State::Active));
    assert!(follower.logs_in("bob", "y").await);
    follower.says(&format!("ada:!{Y}\nbob:{Y}\n")).await;
    assert_eq!(follower.state("ada").await, Some(State::Locked));
    assert_eq!(follower.warnings().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_what_has_not_changed_changes_nothing() {
    let mut follower = Follower::of(&both()).await;
    let position = follower.node.directory().position().await.unwrap();
    follower.look().await;
    follower.says(&both()).await;
    follower.restart().await;
    assert_eq!(follower.node.directory().position().await.unwrap(), position);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_a_login_has_made_stronger_stays() {
    let mut follower = Follower::of(&both()).await;
    assert!(follower.logs_in("ada", "x").await);
    assert!(follower.stored("ada").await.starts_with("$argon2id$"));
    follower.says(&format!("# the same\n{}", both())).await;
    follower.restart().await;
    assert!(follower.stored("ada").await.starts_with("$argon2id$"));
    assert_eq!(follower.stored("bob").await, X);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_forgotten_takes_the_passwords_once_more() {
    let mut follower = Follower::of(&both()).await;
    assert!(follower.logs_in("ada", "x").await);
    let uuid = find_user(follower.node.directory(), "ada").await.unwrap().user.uuid;
    follower.node.service.node.note_taken(&[(uuid, None)]).await.unwrap();
    follower.restart().await;
    assert!(follower.logs_in("ada", "x").await);
    assert_eq!(follower.state("ada").await, Some(State::Active));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_empty_or_half_there_disables_nobody() {
    let follower = Follower::of(&both()).await;
    let told = async |words: &str| {
        let warnings = follower.warnings().await.concat();
        assert!(warnings.contains(words) && warnings.contains("htpasswd"), "{words}? {warnings}");
        assert_eq!(follower.state("ada").await, Some(State::Active), "{words}");
        assert_eq!(follower.state("bob").await, Some(State::Active), "{words}");
    };
    for (text, words) in [
        (String::new(), "empty"),
        ("\n\n".to_owned(), "empty"),
        (format!("ada:{}", &X[..20]), "no end"),
        (format!("ada:{X}"), "no end"),
        ("{\"users\": []}\n".to_owned(), "not one of its lines"),
    ] {
        follower.says(&text).await;
        told(words).await;
    }
    fs::remove_file(&follower.file).unwrap();
    follower.look().await;
    told("cannot be read").await;
    fs::create_dir(&follower.file).unwrap();
    follower.look().await;
    told("not a file").await;
    fs::remove_dir(&follower.file).unwrap();

    follower.says(&format!("ada:{X}\n")).await;
    assert_eq!(follower.state("bob").await, Some(State::Locked), "a good file counts again");
    assert_eq!(follower.warnings().await, [""; 0]);
    follower.says("# nobody, and that is meant\n").await;
    assert_eq!(follower.state("ada").await, Some(State::Locked));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_anybody_may_write_makes_no_users() {
    let follower = Follower::of("").await;
    fs::write(&follower.file, both()).unwrap();
    fs::set_permissions(&follower.file, Permissions::from_mode(0o666)).unwrap();
    follower.look().await;
    assert!(follower.warnings().await.concat().contains("chmod o-w"));
    assert_eq!(follower.state("ada").await, None);
    fs::set_permissions(&follower.file, Permissions::from_mode(0o640)).unwrap();
    follower.look().await;
    assert_eq!((follower.state("ada").await, follower.warnings().await.len()), (Some(State::Active), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_cannot_be_taken_are_named_and_the_rest_is_taken() {
    let follower = Follower::of("").await;
    let service = &follower.node.service;
    add_user(follower.node.directory(), "eve").await;
    create(&follower.node, "gone", NewAccount::default()).await;
    service.delete_user(&Caller::Root, name("gone"), None).await.unwrap();
    let local = LocalAccounts::parse("lab:x:1000:1000::/:/bin/sh", "");
    follower.node.publishing.rules.send_replace(Arc::new(Rules { local, ..rules() }));
    let bad = ["eve", "gone", "lab", "root", "sudo", "Bob"].map(|name| format!("{name}:{X}\n")).concat();
    follower.says(&format!("{bad}liz:{{SHA}}Zm9vYmFy\nada:{X}\nnonsense\n")).await;

    assert!(follower.logs_in("ada", "x").await);
    assert!(!follower.logs_in("eve", "x").await, "eve is an admin's, and not touched");
    let warnings = follower.warnings().await;
    let file = follower.file.display();
    for (line, words) in [
        (1, "there is a user eve already"),
        (2, "deleted user"),
        (3, "local account"),
        (4, "local account"),
        (5, "gives rights"),
        (6, "\"Bob\""),
        (7, "SHA-1"),
        (9, "NAME:HASH"),
    ] {
        let told = warnings.iter().filter(|told| told.starts_with(&format!("{file}:{line}: ")));
        assert_eq!(told.filter(|told| told.contains(words)).count(), 1, "{words}: {warnings:#?}");
    }
    assert_eq!(warnings.len(), 8);
    follower.says("# eve is no longer here\n").await;
    assert_eq!(follower.state("eve").await, Some(State::Active));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_line_is_broken_keeps_what_there_was() {
    let follower = Follower::of(&both()).await;
    follower.says(&format!("ada:plain text\nbob:{X}\n")).await;
    assert!(follower.logs_in("ada", "x").await && follower.state("ada").await == Some(State::Active));
    assert!(follower.warnings().await.concat().contains("ada keeps the password of before"));
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_more_users_than_are_allowed() {
    let follower = Follower::of("").await;
    follower.node.publishing.rules.send_replace(Arc::new(Rules { max_users: Some(1), ..rules() }));
    follower.says(&both()).await;
    assert_eq!((follower.state("ada").await, follower.state("bob").await), (Some(State::Active), None));
    assert!(follower.warnings().await.concat().contains("htpasswd:2: there are 1 users already"));
    follower.node.publishing.rules.send_replace(Arc::new(Rules { max_users: Some(2), ..rules() }));
    follower.look().await;
    assert_eq!(follower.state("bob").await, Some(State::Active));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_admin_locked_no_line_unlocks() {
    let follower = Follower::of(&both()).await;
    follower.set_state("ada", State::Locked).await.unwrap();
    follower.says(&format!("bob:{X}\n")).await;
    follower.says(&format!("ada:{Y}\n")).await;
    assert_eq!(follower.state("ada").await, Some(State::Locked));
    assert_eq!(follower.stored("ada").await, Y);
    follower.set_state("ada", State::Active).await.unwrap();

    follower.set_state("bob", State::Locked).await.unwrap();
    follower.says(&both()).await;
    assert_eq!(follower.state("bob").await, Some(State::Locked), "the admin came after the file");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_file_says_is_changed_in_the_file() {
    let mut follower = Follower::of(&both()).await;
    let root = &Caller::Root;
    let new = || PasswordChange { old: None, new: password("another horse") };
    let names_the_file = |refused: Error| {
        let words = refused.to_string();
        assert!(matches!(refused, Error::Refused(_)) && words.contains("/htpasswd"), "{words}");
    };
    let service = &follower.node.service;
    names_the_file(service.set_password(root, name("ada"), new()).await.unwrap_err());
    names_the_file(service.change_password(root, "ada", new()).await.unwrap_err());
    let own = PasswordChange { old: password("x"), new: password("another horse") };
    names_the_file(service.set_password(&Caller::User(name("ada")), name("ada"), own).await.unwrap_err());
    let rename = UserChange { name: Some(name("countess")), ..UserChange::default() };
    names_the_file(service.update_user(root, name("ada"), rename).await.unwrap_err());
    follower.says(&format!("bob:{X}\n")).await;
    follower.restart().await;
    names_the_file(follower.set_state("ada", State::Active).await.unwrap_err());

    let service = &follower.node.service;
    let admin = UserChange { is_admin: Some(true), ..UserChange::default() };
    assert!(
        service.update_user(root, name("bob"), admin).await.unwrap().user.is_admin,
        "the rest is not the file's"
    );
    service.delete_user(root, name("bob"), None).await.unwrap();
    follower.look().await;
    assert_eq!(follower.state("bob").await, None);
    assert!(follower.warnings().await.concat().contains("htpasswd:1: bob is the name of a deleted user"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_they_are_users_like_others_and_with_it_again_the_file_counts() {
    let mut follower = Follower::of(&both()).await;
    follower.node.restart_service().await;
    let new = PasswordChange { old: None, new: password("another horse") };
    follower.node.service.set_password(&Caller::Root, name("ada"), new).await.unwrap();
    assert!(follower.logs_in("ada", "another horse").await);
    follower.restart().await;
    assert!(follower.logs_in("ada", "x").await && !follower.logs_in("ada", "another horse").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_file_is_noticed() {
    let follower = Follower::of("").await;
    let service = Arc::clone(&follower.node.service);
    let following = tokio::spawn(async move { service.follow_htpasswd().await });
    for (text, users) in [(both(), ["ada", "bob"]), (format!("{}eve:{X}\n", both()), ["bob", "eve"])] {
        let new = follower.file.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, &follower.file).unwrap();
        for user in users {
            until("the user is there", async || follower.state(user).await.is_some()).await;
        }
    }
    fs::write(&follower.file, both()).unwrap();
    until("eve is locked", async || follower.state("eve").await == Some(State::Locked)).await;
    following.abort();
}
