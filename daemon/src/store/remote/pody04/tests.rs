//! An original Pody as the source of a node's users: who they are here, what happens when it misbehaves, and that no uid
//! is ever two people's.

use std::sync::Arc;
use std::time::Duration;

use identity::{IdRange, Uid};
use servers::Pody04;
use servers::pody04::{TOKEN, Trouble};

use super::*;
use crate::config::{Compat, Secret};
use crate::store::{Replicated, SqlDirectory};
use crate::testing::{Everything, Folder, NOW, find_user, name, rules, until};

const FIRST: u32 = 1_900_000_000;

struct Node {
    folder: Folder,
    directory: Arc<Replicated<Pody04Directory>>,
    following: tokio::task::JoinHandle<()>,
}

impl Node {
    /// A node whose users come from this server.
    async fn of(server: &Pody04) -> Self {
        Self::start(Folder::new(), provider(server)).await
    }

    async fn start(folder: Folder, provider: Provider) -> Self {
        let source = source(&folder, &provider).await;
        let replica = SqlDirectory::replica(&folder.join("replica.sqlite")).await.unwrap();
        let directory = Replicated::new(Arc::new(source), replica, false);
        let directory = Arc::new(directory.retrying_within(Duration::from_millis(100)));
        let following = tokio::spawn({
            let directory = Arc::clone(&directory);
            async move { directory.follow().await }
        });
        Self { folder, directory, following }
    }

    /// The node after a restart.
    async fn restart(self, provider: Provider) -> Self {
        self.following.abort();
        self.directory.close().await;
        Self::start(self.folder, provider).await
    }

    /// Waits until these are the users.
    async fn has(&self, users: &[&str]) {
        until("the users are here", async || self.users().await == users).await;
    }

    async fn users(&self) -> Vec<String> {
        let page = self.directory.users(None, 100).await.unwrap();
        page.items.iter().map(|member| member.user.name.to_string()).collect()
    }

    fn warnings(&self) -> Vec<String> {
        self.directory.contact().unwrap().warnings
    }
}

fn provider(server: &Pody04) -> Provider {
    Provider {
        enabled: true,
        endpoint: server.url().parse().unwrap(),
        access_token: Secret::from(TOKEN.to_owned()),
        timeout: Duration::from_millis(500),
        compat: Compat::Pody04,
        ..Provider::default()
    }
}

async fn source(folder: &Folder, provider: &Provider) -> Pody04Directory {
    let node = NodeStore::open(&folder.join("node.sqlite"), NOW).await.unwrap();
    Pody04Directory::new(provider, &Settings::default(), node).unwrap()
}

fn attempt<'a>(user: &str, password: &'a str) -> Attempted<'a> {
    Attempted { name: name(user), password, rhost: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_users_are_users_here_by_their_ids_there_and_changes_are_followed() {
    let server = Pody04::start();
    assert_eq!((server.add("ada", "x"), server.add("bob", "x")), (1, 2));
    server.make_admin("bob");
    let node = Node::of(&server).await;
    node.has(&["ada", "bob"]).await;

    let everything = Everything::of(&*node.directory).await;
    let ada = &everything.users[0].user;
    assert_eq!((ada.uid.0, ada.gid.0), (FIRST + 1, FIRST + 1));
    assert_eq!((ada.home.as_str(), ada.shell.as_str(), ada.is_admin), ("/home/ada", "/bin/bash", false));
    assert!(everything.users[1].user.is_admin, "nobody is on the way to 127.0.0.1");
    let group = &everything.groups[0];
    assert_eq!((group.group.name, group.group.gid.0), (name("ada"), FIRST + 1));
    assert_eq!(group.private_of.as_ref(), Some(&ada.uuid));

    let uuid = ada.uuid.clone();
    server.delete("bob");
    server.add("cyd", "x");
    server.add("dan", "x");
    node.directory.close().await;
    let node = node.restart(provider(&server)).await;
    until("the list is followed", async || find_user(&*node.directory, "dan").await.is_some()).await;
    assert_eq!(find_user(&*node.directory, "ada").await.unwrap().user.uuid, uuid, "she is who she was");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_given_again_is_nobody_elses_here() {
    let server = Pody04::start();
    server.add("ada", "x");
    server.add("bob", "x");
    let node = Node::of(&server).await;
    node.has(&["ada", "bob"]).await;
    server.delete("bob");
    assert_eq!(server.add("eve", "x"), 2, "as that server does");
    node.has(&["ada"]).await;
    assert!(
        node.warnings().iter().any(|text| text.contains("eve") && text.contains("bob's")),
        "{:?}",
        node.warnings()
    );

    let node = node.restart(provider(&server)).await;
    server.add("cyd", "x");
    node.has(&["ada", "cyd"]).await;
    server.delete("eve");
    server.delete("cyd");
    assert_eq!(server.add("bob", "x"), 2);
    node.has(&["ada", "bob"]).await;
    assert_eq!(node.warnings(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_be_a_user_here_is_left_out_and_named() {
    let server = Pody04::start();
    for user in ["Ada", "bob", "\u{fc}mit", "x\n\u{1b}[2J"] {
        server.add(user, "x");
    }
    let node = Node::of(&server).await;
    node.has(&["bob"]).await;
    let warnings = node.warnings();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].contains("Ada: ") && !warnings.concat().contains(char::is_control), "{warnings:?}");
}

#[test]
fn only_ids_inside_the_range_are_given_and_no_name_or_id_twice() {
    let range = |min, max| IdRange::new(min, max).unwrap();
    let terms = |ids, admins| Terms::new(ids, &Settings::default().users, admins);
    let tight = terms(range(2000, 2002), false);
    assert_eq!(
        [0, 1, 2, 3, u64::MAX].map(|id| tight.uid(id)),
        [None, Some(Uid(2001)), Some(Uid(2002)), None, None]
    );
    assert_eq!(terms(range(61_000, 70_000), false).uid(200), None, "systemd's own");
    let record = |userid, name: &str| Record { userid, name: name.into(), is_admin: true };
    let list = [record(1, "ada"), record(1, "bob"), record(2, "ada"), record(3, "cyd")];
    let people = People::of(&list, &tight);
    let kept: Vec<_> =
        people.members.values().map(|one| (one.uid.0, one.name.to_string(), one.is_admin)).collect();
    assert_eq!(kept, [(2001, "ada".to_owned(), false)], "and over plain http nobody is an admin");
    assert_eq!(people.left_out.len(), 3);
    assert!(People::of(&list, &terms(range(2000, 2002), true)).members[&Uid(2001)].is_admin);
    let moved = Terms { home: "/srv/%u".parse().unwrap(), ..tight.clone() };
    assert_ne!(people.stamp(&tight), people.stamp(&moved), "a list means something else then");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_judged_there_and_whoever_is_not_meant_is_not_let_in() {
    let (server, folder) = (Pody04::start(), Folder::new());
    server.add("ada", "right, and: ümlaut");
    let source = source(&folder, &provider(&server)).await;
    let judge = async |user, password| source.authenticate(attempt(user, password)).await;
    let right = judge("ada", "right, and: ümlaut").await.unwrap();
    let uuid = uuid("user", Uid(FIRST + 1), name("ada"));
    assert_eq!(right, Some(Judged::Right { uuid, revision: UNKNOWN_REVISION, is_current: true }));
    for (user, password) in [("ada", "wrong"), ("bob", "right, and: ümlaut"), ("ada", "")] {
        assert_eq!(judge(user, password).await.unwrap(), Some(Judged::Wrong), "{user} {password}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_there_is_told_apart_and_holds_no_secret() {
    let (mut server, folder) = (Pody04::start(), Folder::new());
    server.add("ada", "x");
    let source = source(&folder, &provider(&server)).await;
    let canary = "a-canary-of-a-password";
    let fails = async || {
        let both = (
            source.position().await.unwrap_err(),
            source.authenticate(attempt("ada", canary)).await.unwrap_err(),
        );
        let said = format!("{both:?}");
        let secret = servers::pody04::credential("ada", canary);
        assert!(!said.contains(canary) && !said.contains(&secret) && !said.contains(TOKEN), "{said}");
        both
    };
    for (trouble, is_away) in [
        (Trouble::Frozen, true),
        (Trouble::Status(501), true),
        (Trouble::Status(500), true),
        (Trouble::Status(502), true),
        (Trouble::Status(429), true),
        (Trouble::Garbage, false),
        (Trouble::Status(401), false),
        (Trouble::Status(403), false),
        (Trouble::Status(404), false),
        (Trouble::Status(302), false),
    ] {
        server.trouble(trouble);
        let (list, check) = fails().await;
        for error in [list, check] {
            assert_eq!(matches!(error, Error::Away(_)), is_away, "{trouble:?}: {error:?}");
        }
    }
    server.stop();
    assert!(matches!(fails().await.0, Error::Away(_)));
    server.start_again();
    server.no_trouble();
    source.position().await.unwrap();
    let stranger = Provider { access_token: Secret::from("another".to_owned()), ..provider(&server) };
    let stranger = Pody04Directory::new(&stranger, &Settings::default(), source.node.clone()).unwrap();
    let Err(Error::Refused(words)) = stranger.position().await else {
        panic!("that token is not good there")
    };
    assert!(words.contains("403") && words.contains("access_token"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_keeps_its_number_until_it_changes_even_over_a_restart() {
    let (server, folder) = (Pody04::start(), Folder::new());
    server.add("ada", "x");
    let first = source(&folder, &provider(&server)).await;
    let position = first.position().await.unwrap();
    assert_eq!(first.position().await.unwrap(), position);
    assert!(matches!(first.changes(&position).await.unwrap(), Feed::Changes { .. }));
    server.set_password("ada", "y");
    let second = source(&folder, &provider(&server)).await;
    assert_eq!(second.position().await.unwrap(), position);
    server.add("bob", "x");
    let next = second.position().await.unwrap();
    assert_eq!((next.revision, next.epoch), (position.revision + 1, position.epoch.clone()));
    assert_ne!(next.stamp, position.stamp);
    assert_eq!(second.changes(&position).await.unwrap(), Feed::StartOver);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_lost_while_it_is_away_or_empty_and_nothing_is_changed_from_here() {
    let mut server = Pody04::start();
    server.add("ada", "x");
    let node = Node::of(&server).await;
    node.has(&["ada"]).await;
    server.delete("ada");
    until("that is told of", async || node.directory.contact().unwrap().trouble.is_some()).await;
    assert!(node.directory.contact().unwrap().trouble.unwrap().contains("is empty"));
    node.has(&["ada"]).await;
    server.stop();
    until("it is missed", async || {
        node.directory.contact().unwrap().trouble.unwrap().contains("cannot be reached")
    })
    .await;
    node.has(&["ada"]).await;

    let refused = [
        node.directory.delete_user(name("ada"), None).await,
        node.directory.set_password(name("ada"), None).await,
        node.directory.update_user(name("ada"), UserChange::default(), &rules()).await,
        node.directory.set_members(name("ada"), Vec::new(), true).await,
    ];
    for outcome in refused {
        let Err(Error::ReadOnly(words)) = outcome else { panic!("{outcome:?}") };
        assert!(words.contains("pody-user") && words.contains("127.0.0.1"), "{words}");
    }
}
