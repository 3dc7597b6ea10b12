//! What is done on the service is seen by those who consume, and the other way round.

use std::collections::BTreeSet;

use identity::State;
use tokio::time::timeout;

use super::*;
use crate::service::Caller;
use crate::testing::{
    Everything, add_group, add_user, create_user, find_user, join, name, names, new_user, new_user_with,
    rules, until,
};

async fn sees(consumer: &impl Directory, source: &impl Directory) {
    until("the replica is what the source is", async || {
        let (Ok(here), Ok(there)) = (consumer.position().await, source.position().await) else {
            return false;
        };
        here == there && Everything::of(consumer).await == Everything::of(source).await
    })
    .await;
}

fn trouble(directory: &impl Directory) -> String {
    directory.contact().and_then(|contact| contact.trouble).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_and_then_every_change() {
    let service = ServedNode::start().await;
    let source = service.node.directory();
    for user in ["ada", "bob", "eve"] {
        add_user(source, user).await;
    }
    add_group(source, "physics").await;
    join(source, "physics", &["ada", "bob"]).await;
    let consumer = consumer(&base(&service)).await;
    sees(consumer.directory(), source).await;

    source.set_password(name("ada"), Some("a hash".into())).await.unwrap();
    source.delete_user(name("eve"), None).await.unwrap();
    source.set_members(name("physics"), names(&["bob"]), false).await.unwrap();
    let lock = UserChange { state: Some(State::Locked), ..UserChange::default() };
    source.update_user(name("bob"), lock, &rules()).await.unwrap();
    create_user(source, new_user("dan")).await.unwrap();
    sees(consumer.directory(), source).await;
    assert!(find_user(consumer.directory(), "ada").await.unwrap().password_revision.is_some());
    let contact = consumer.directory().contact().unwrap();
    assert!(contact.current_at.is_some() && contact.trouble.is_none() && contact.copying.is_none());
    assert!(contact.clock_skew.is_some_and(|skew| skew.abs() < 60), "{contact:?}");
    let hashes = consumer.directory().credential(name("ada")).await.unwrap_err().to_string();
    assert!(hashes.contains("stay at the service"), "{hashes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_costs_one_answer_and_silence_none() {
    let service = ServedNode::start().await;
    add_user(service.node.directory(), "ada").await;
    let remote = remote(&base(&service));
    let position = remote.position().await.unwrap();
    let news = async {
        remote.changed().await;
        let now = remote.position().await.unwrap();
        (now, remote.changes(&position).await.unwrap())
    };
    let change = async {
        let account = crate::service::NewAccount::default();
        service.node.service.create_user(&Caller::Root, name("bob"), account).await.unwrap()
    };
    let ((now, feed), bob) = tokio::join!(news, change);
    let Feed::Changes { changes, present, position } = feed else { panic!("it starts over") };
    assert_eq!((now, present.users.len()), (position.clone(), 1));
    assert!(changes.contains(&Change::User { uuid: bob.user.uuid }));

    // Whoever asks where the service is meanwhile takes no news away from the follower.
    let account = crate::service::NewAccount::default();
    service.node.service.create_user(&Caller::Root, name("dan"), account).await.unwrap();
    let ahead = remote.position().await.unwrap();
    assert_ne!(ahead, position);
    let news = timeout(Duration::from_secs(10), remote.changed()).await;
    assert!(news.is_ok(), "the follower waits for what comes after it, and would miss this");
    let Feed::Changes { position, .. } = remote.changes(&position).await.unwrap() else { panic!() };
    assert_eq!(position, ahead);

    // What was waited for was used once, and is not the answer to another question.
    let Feed::Changes { changes, .. } = remote.changes(&position).await.unwrap() else { panic!() };
    assert_eq!(changes, BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_history_is_copied_anew_and_an_admin_is_told_who_was_lost() {
    let first = ServedNode::start().await;
    for user in 0..20 {
        add_user(first.node.directory(), &format!("user{user}")).await;
    }
    let ada = add_user(first.node.directory(), "ada").await.user.uid;
    let (address, url) = (first.address, base(&first));
    let consumer = consumer(&url).await;
    sees(consumer.directory(), first.node.directory()).await;
    let position = first.node.directory().position().await.unwrap();
    let restored = Position { stamp: position.stamp + 1, ..position };
    assert_eq!(remote(&url).changes(&restored).await.unwrap(), Feed::StartOver);

    first.close().await;
    let node = TestNode::start().await;
    create_user(node.directory(), new_user_with("bob", ada.0)).await.unwrap();
    add_user(node.directory(), "dan").await;
    let second = ServedNode::start_with(node, |settings| settings.listen = address).await;
    sees(consumer.directory(), second.node.directory()).await;
    assert!(find_user(consumer.directory(), "ada").await.is_none());
    let warnings = consumer.directory().contact().unwrap().warnings;
    assert!(warnings[0].contains("has 2 users") && warnings[0].contains("had 21"), "{warnings:?}");
    let bobs = warnings.iter().find(|warning| warning.contains(&format!("uid {ada} was ada's")));
    assert!(bobs.is_some_and(|warning| warning.contains("bob's")), "{warnings:?}");
    add_user(second.node.directory(), "eve").await;
    sees(consumer.directory(), second.node.directory()).await;
    assert_eq!(consumer.directory().contact().unwrap().warnings, warnings, "this stays to be said");
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_and_memberships_are_written_through() {
    let service = ServedNode::start().await;
    let consumer = consumer(&base(&service)).await;
    let (here, source) = (consumer.directory(), service.node.directory());
    let mut ada = new_user_with("ada", 1_900_000_500);
    ada.email = Some("ada@example.org".parse().unwrap());
    let batch = Batch { users: vec![ada, new_user("bob")], ..Batch::default() };
    let (refused, position) = here.create(batch, &rules(), false).await.unwrap();
    assert_eq!((refused, position), (vec![], source.position().await.unwrap()));
    add_group(source, "physics").await;
    here.set_members(name("physics"), names(&["ada", "bob"]), true).await.unwrap();
    sees(here, source).await;

    let twice =
        here.create(Batch { users: vec![new_user("ada")], ..Batch::default() }, &rules(), false).await;
    assert!(matches!(&twice.unwrap().0[..], [Refusal { error: Error::Conflict(_), .. }]));
    let unknown = here.set_members(name("physics"), names(&["nobody-here"]), true).await;
    assert!(matches!(unknown, Err(Error::NotFound(_))), "{unknown:?}");
    let all = Batch { users: vec![new_user("bob")], all_or_nothing: true, ..Batch::default() };
    assert!(matches!(here.create(all, &rules(), false).await, Err(Error::Conflict(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_this_machines_own_is_not_even_asked_for() {
    let remote = remote("http://127.0.0.1:1");
    let mut rules = rules();
    rules.local = crate::directory::LocalAccounts::parse("lab:x:5000:5001::/:/bin/sh\n", "lab:x:5001:\n");
    let all = |user| Batch { users: vec![user], all_or_nothing: true, ..Batch::default() };
    for user in [new_user("lab"), new_user_with("ada", 5000), new_user_with("ada", 12)] {
        let refused = remote.create(all(user), &rules, false).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
    let rename = UserChange { name: Some(name("lab")), ..UserChange::default() };
    assert!(matches!(remote.update_user(name("ada"), rename, &rules).await, Err(Error::Refused(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_an_admin_over_a_way_that_others_can_write_to() {
    let service = ServedNode::start().await;
    let mut ada = new_user("ada");
    ada.is_admin = true;
    create_user(service.node.directory(), ada).await.unwrap();
    for is_private in [true, false] {
        let folder = Folder::new();
        let source = RemoteDirectory { is_private, ..remote(&base(&service)) };
        let directory = following(source, &folder).await;
        until("ada is there", async || {
            directory.user(Key::Name(name("ada"))).await.is_ok_and(|ada| ada.is_some())
        })
        .await;
        assert_eq!(find_user(&*directory, "ada").await.unwrap().user.is_admin, is_private);
    }
}

/// Follows a service in this folder until it says so of ada.
async fn until_ada_is_admin(service: &ServedNode, folder: &Folder, is_private: bool, is_admin: bool) {
    let replica = SqlDirectory::replica(&folder.join("replica.sqlite")).await.unwrap();
    let source = RemoteDirectory { is_private, ..remote(&base(service)) };
    let directory = crate::store::Replicated::new(Arc::new(source), replica, false);
    let ada = async || directory.user(Key::Name(name("ada"))).await.ok().flatten();
    tokio::select! {
        () = directory.follow() => {}
        () = until("ada is what she is now", async || ada().await.is_some_and(|ada| ada.user.is_admin == is_admin)) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_of_before_are_none_after_a_change_to_plain_http_and_again_after_one_back() {
    let (service, folder) = (ServedNode::start().await, Folder::new());
    let ada = crate::directory::NewUser { is_admin: true, ..new_user("ada") };
    create_user(service.node.directory(), ada).await.unwrap();
    for is_private in [true, false, true] {
        until_ada_is_admin(&service, &folder, is_private, is_private).await;
    }
    let remote = RemoteDirectory { is_private: false, ..remote(&base(&service)) };
    let (here, there) =
        (remote.position().await.unwrap(), service.node.directory().position().await.unwrap());
    assert_ne!(here, there);
    assert!(
        matches!(remote.changes(&here).await.unwrap(), Feed::Changes { position, .. } if position == here)
    );
    assert_eq!(remote.changes(&there).await.unwrap(), Feed::StartOver);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_age_of_what_a_node_has_from_elsewhere_goes_on_to_the_next() {
    let top = ServedNode::start().await;
    add_user(top.node.directory(), "ada").await;
    let middle = ServedNode::start_with(consumer(&base(&top)).await, |_| ()).await;
    let leaf = consumer(&base(&middle)).await;
    sees(leaf.directory(), top.node.directory()).await;
    let own = top.request(Method::GET, "/v1/position").send().await.unwrap();
    assert!(!own.headers().contains_key(crate::wire::AGE), "it has the directory itself");
    let current_at = |node: &TestNode<crate::store::Replicated<RemoteDirectory>>| {
        node.directory().contact().unwrap().current_at.unwrap()
    };
    let before = current_at(&leaf);
    top.close().await;
    until("the copy in the middle gets old", async || current_at(&middle.node).elapsed().as_secs() > 2).await;
    until("the leaf has asked", async || {
        let _ = leaf.directory().delete_user(name("ada"), None).await;
        current_at(&leaf) != before
    })
    .await;
    assert!(current_at(&leaf).elapsed().as_secs() >= 2 && trouble(leaf.directory()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_serves_its_replica_and_changes_nothing() {
    let top = ServedNode::start().await;
    add_user(top.node.directory(), "ada").await;
    let middle = ServedNode::start_with(consumer(&base(&top)).await, |_| ()).await;
    let backend = crate::config::Backend::Remote(provider(&base(&top)));
    middle.node.publishing.settings.send_modify(|settings| Arc::make_mut(settings).backend = backend);
    sees(middle.node.directory(), top.node.directory()).await;
    let leaf = consumer(&base(&middle)).await;
    sees(leaf.directory(), top.node.directory()).await;
    add_user(top.node.directory(), "bob").await;
    sees(leaf.directory(), top.node.directory()).await;
    let via = vec![middle.node.service.instance.clone(), top.node.service.instance.clone()];
    assert_eq!(leaf.directory().via(), via);

    let refused = leaf.directory().delete_user(name("ada"), None).await;
    assert!(matches!(refused, Err(Error::ReadOnly(_))), "{refused:?}");
    let attempted = Attempted { name: name("ada"), password: "correct horse", rhost: Some("localhost") };
    assert_eq!(
        leaf.directory().authenticate(attempted).await,
        Ok(Some(Judged::Wrong)),
        "who is asked is the top"
    );
    assert!(top.node.service.node.failures(&["user:ada".to_owned(), "local".to_owned()])[0].is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_consumes_itself_says_so_and_goes_on() {
    let place = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = place.local_addr().unwrap();
    drop(place);
    let node = consumer(&format!("http://{address}")).await;
    let itself = ServedNode::start_with(node, |settings| settings.listen = address).await;
    let directory = itself.node.directory();
    until("it is found out", async || trouble(directory).contains("a loop")).await;
    let created = directory.create(Batch::default(), &rules(), false).await;
    assert!(matches!(&created, Err(Error::Failed(why)) if why.contains("a loop")), "{created:?}");
    let attempted = Attempted { name: name("ada"), password: "correct horse", rhost: None };
    assert!(directory.authenticate(attempted).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_consume_each_other_say_so() {
    let places = [0; 2].map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let [one, other] = places.each_ref().map(|place| place.local_addr().unwrap());
    drop(places);
    let first = consumer(&format!("http://{other}")).await;
    let second = consumer(&format!("http://{one}")).await;
    let first = ServedNode::start_with(first, |settings| settings.listen = one).await;
    let second = ServedNode::start_with(second, |settings| settings.listen = other).await;
    for node in [&first.node, &second.node] {
        until("it is found out", async || trouble(node.directory()).contains("a loop")).await;
        assert!(node.directory().via().len() <= 2, "once around is enough");
    }
    let asked = first.request(Method::POST, "/v1/users/ada/authenticate");
    let answer = asked.json(&serde_json::json!({"password": "correct horse"})).send().await.unwrap();
    assert_eq!(answer.status(), 508, "whoever stands beside the circle is told of it, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_told_with_the_setting() {
    let service = ServedNode::start().await;
    let mut provider = provider(&base(&service));
    provider.access_token = Secret::from("hunter2-hunter2".to_owned());
    let remote = RemoteDirectory::new(&provider, "test".into()).unwrap();
    let why = remote.position().await.unwrap_err();
    assert!(matches!(&why, Error::Refused(why) if why.contains("provider.access_token")), "{why:?}");
    assert!(!why.to_string().contains("hunter2") && !format!("{remote:?}").contains("hunter2"));
}
