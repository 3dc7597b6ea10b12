//! Homes are made at sessions and put away after deletions, by a helper of the test's own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::unistd::geteuid;
use protocol::helper::still_at_home_of;
use serde_json::json;

use crate::config::{OnDelete, Settings};
use crate::directory::{Directory, Key, Member, UserChange};
use crate::helper::harness::{self, owner};
use crate::service::Caller;
use crate::testing::{TestNode, add_user, create_user, name, new_user, new_user_with};

/// A node with a helper, which both go by these settings.
async fn node(change: impl FnOnce(&mut Settings)) -> TestNode {
    let mut node = TestNode::start().await;
    let mut settings =
        Settings { paths: node.service.current_settings().paths.clone(), ..harness::settings(&node.folder) };
    settings.paths.helper = node.folder.join("helper");
    change(&mut settings);
    harness::serve_at(&node.folder.join("helper"), geteuid().as_raw(), settings.clone());
    node.publishing.settings.send_replace(Arc::new(settings));
    node.restart_service().await;
    node
}

/// Somebody whose home is where the helper makes them.
async fn user(node: &TestNode, text: &str, uid: u32) -> Member {
    let mut user = new_user_with(text, uid);
    user.home = Some(node.folder.join("homes").join(text).to_str().unwrap().parse().unwrap());
    create_user(node.directory(), user).await.unwrap()
}

async fn put_away(node: &TestNode) -> bool {
    node.service.put_away_once().await.unwrap()
}

#[tokio::test]
async fn a_home_is_made_at_the_first_session_and_put_away_when_its_owner_is_deleted() {
    let node = node(|settings| settings.homes.on_delete = OnDelete::Archive).await;
    let ada = user(&node, "ada", owner()).await;
    let home = node.folder.join("homes/ada");
    assert_eq!(node.service.home_is_made(&ada).await, None);
    assert_eq!(node.service.home_is_made(&ada).await, None);
    assert_eq!(fs::metadata(&home).unwrap().uid(), owner());
    assert!(!put_away(&node).await);
    assert!(home.exists(), "she is there");

    node.directory().delete_user(name("ada"), None).await.unwrap();
    assert!(!put_away(&node).await);
    assert!(!home.exists());
    let archived: Vec<_> = fs::read_dir(node.folder.join("homes/.archived")).unwrap().collect();
    assert_eq!(archived.len(), 1);
    assert_eq!(node.service.node.homes(("", ""), 10).await.unwrap(), [], "and forgotten");
    let metrics = node.service.metrics_text(&Caller::Root).await.unwrap();
    assert!(metrics.contains("pody_helper_calls_total{outcome=\"done\"} 3"), "{metrics}");
}

#[tokio::test]
async fn a_room_full_of_people_is_served_however_few_the_helper_takes_at_a_time() {
    let node = node(|_| {}).await;
    let ada = user(&node, "ada", owner()).await;
    let sessions = futures_util::future::join_all((0..100).map(|_| node.service.home_is_made(&ada))).await;
    assert!(sessions.iter().all(Option::is_none), "{sessions:?}");
    assert_eq!(node.service.helper.trouble(), None);
    let metrics = node.service.metrics_text(&Caller::Root).await.unwrap();
    assert!(metrics.contains("pody_helper_calls_total{outcome=\"done\"} 100"), "{metrics}");
}

/// Only the tombstone of that very user counts.
#[tokio::test]
async fn in_another_directory_nobody_was_deleted() {
    let mut node = node(|settings| settings.homes.on_delete = OnDelete::Remove).await;
    let ada = user(&node, "ada", owner()).await;
    assert_eq!(node.service.home_is_made(&ada).await, None);
    let known = node.service.node.homes(("", ""), 10).await.unwrap();
    let strange: (&str, _) = ("4711e7a0-0000-4000-8000-000000000000", known[0].1.clone());
    node.service.node.note_home(strange.0, &strange.1).await.unwrap();
    node.service.node.forget_home(&ada.user.uuid, ada.user.home.as_str()).await.unwrap();
    node.directory().delete_user(name("ada"), None).await.unwrap();
    assert!(!put_away(&node).await);
    assert!(node.folder.join("homes/ada").exists(), "the one that is known is another of that name and id");
    node.restart_service().await;
    assert_eq!(node.service.node.homes(("", ""), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn whoever_is_created_anew_does_not_get_the_old_home() {
    let node = node(|_| {}).await;
    let ada = user(&node, "ada", owner()).await;
    assert_eq!(node.service.home_is_made(&ada).await, None);
    node.directory().delete_user(name("ada"), None).await.unwrap();
    assert!(!put_away(&node).await);

    let mut anew = new_user("ada");
    anew.reuse_name = true;
    anew.home = Some(ada.user.home.clone());
    let anew = create_user(node.directory(), anew).await.unwrap();
    assert_ne!(anew.user.uid, ada.user.uid);
    let said = node.service.home_is_made(&anew).await.unwrap();
    assert!(said.contains("could not be made") && said.contains("left alone"), "{said}");
    assert_eq!(fs::metadata(node.folder.join("homes/ada")).unwrap().uid(), owner());
}

#[tokio::test]
async fn a_helper_that_is_away_holds_nobody_up_and_is_told_of() {
    let node = node(|settings| {
        settings.homes.on_delete = OnDelete::Remove;
        settings.paths.helper.set_file_name("nothing");
    })
    .await;
    let ada = user(&node, "ada", owner()).await;
    assert_eq!(node.service.home_is_made(&ada).await, None);
    let found = node.service.doctor(&Caller::Root).await.unwrap();
    assert!(
        found.iter().any(|one| one.subject == "podyd-helper" && one.advice.contains("podyd-helper.socket")),
        "{found:?}"
    );
    node.directory().delete_user(name("ada"), None).await.unwrap();
    for _ in 0..2 {
        assert!(put_away(&node).await, "it is left for later");
    }
    let found = node.service.doctor(&Caller::Root).await.unwrap();
    assert!(found.iter().any(|one| one.subject == "homes" && one.finding.contains("homes/ada")), "{found:?}");
    assert_eq!(node.service.node.homes(("", ""), 10).await.unwrap().len(), 1);
    let metrics = node.service.metrics_text(&Caller::Root).await.unwrap();
    assert!(
        metrics.contains("pody_helper_calls_total{outcome=\"away\"} 4"),
        "one session, two doctors and one try to put it away: {metrics}"
    );
}

#[tokio::test]
async fn a_helper_that_does_not_answer_about_somebody_is_not_asked_again_at_once() {
    let node = node(|settings| settings.paths.helper.set_file_name("silent")).await;
    let silent = UnixListener::bind(node.folder.join("silent")).unwrap();
    silent.set_nonblocking(true).unwrap();
    let ada = user(&node, "ada", owner()).await;
    for _ in 0..3 {
        assert_eq!(node.service.home_is_made(&ada).await, None, "it may well be there");
    }
    assert_eq!(silent.incoming().take_while(Result::is_ok).count(), 1);
    let told = node.service.helper.silence();
    assert!(
        told.is_some_and(|(users, why)| users == 1
            && why.contains("not answered")
            && !why.contains("restart"))
    );
    let found = node.service.doctor(&Caller::Root).await.unwrap();
    let advice = &found.iter().find(|one| one.subject == "podyd-helper").unwrap().advice;
    assert!(advice.starts_with("see first whether the file servers of homes answer"), "{advice}");
}

/// A helper that is busy, and how often it was asked.
fn busy_helper(node: &TestNode, why: String) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let socket = UnixListener::bind(node.folder.join("busy")).unwrap();
    let counted = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in socket.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            stream.read_until(0, &mut Vec::new()).unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            let answer = json!({ "error": "org.pody.Busy", "parameters": { "message": why } });
            stream.get_mut().write_all(format!("{answer}\0").as_bytes()).unwrap();
        }
    });
    asked
}

#[tokio::test]
async fn whoever_has_no_home_because_of_others_is_asked_for_again_at_the_next_session() {
    let of_ada = format!("{}: is a file server away?", still_at_home_of(owner()));
    for (why, times) in [("calls about homes on nfs1 are not done yet".to_owned(), 3), (of_ada, 1)] {
        let node = node(|settings| settings.paths.helper.set_file_name("busy")).await;
        let asked = busy_helper(&node, why.clone());
        let ada = user(&node, "ada", owner()).await;
        for _ in 0..3 {
            assert_eq!(node.service.home_is_made(&ada).await, None, "it may well be there");
        }
        assert_eq!(asked.load(Ordering::Relaxed), times, "{why}");
        assert_eq!(node.service.helper.silence().is_some(), times == 1, "{why}");
    }
}

#[tokio::test]
async fn the_home_of_a_deleted_user_that_is_below_no_root_any_more_is_nobodys_business() {
    let node = node(|settings| settings.homes.on_delete = OnDelete::Remove).await;
    let ada = user(&node, "ada", owner()).await;
    assert_eq!(node.service.home_is_made(&ada).await, None);
    node.publishing.settings.send_modify(|settings| {
        let elsewhere = node.folder.subfolder("elsewhere").to_str().unwrap().parse().unwrap();
        Arc::make_mut(settings).homes.roots = vec![elsewhere];
    });
    node.directory().delete_user(name("ada"), None).await.unwrap();
    assert!(!put_away(&node).await, "nothing is left to do");
    assert!(node.folder.join("homes/ada").exists());
    assert_eq!(node.service.node.homes(("", ""), 10).await.unwrap(), []);
    assert_eq!(node.service.doctor(&Caller::Root).await.unwrap(), []);
}

#[tokio::test]
async fn a_home_that_is_below_no_root_is_told_of_until_it_is_below_one() {
    let node = node(|_| {}).await;
    let service = add_user(node.directory(), "service").await;
    assert!(service.user.home.as_str().starts_with("/home/"));
    for _ in 0..2 {
        assert_eq!(node.service.home_is_made(&service).await, None);
    }
    assert_eq!(node.service.node.homes(("", ""), 10).await.unwrap(), []);
    let found = node.service.doctor(&Caller::Root).await.unwrap();
    assert_eq!(found.len(), 1, "and the helper is there: {found:?}");
    assert!(found[0].finding.starts_with("service (/home/service): homes that are not below"), "{found:?}");

    move_home(&node, &service, "service").await;
    assert_eq!(node.service.doctor(&Caller::Root).await.unwrap(), []);
}

#[tokio::test]
async fn each_home_that_somebody_had_here_is_put_away() {
    let node = node(|settings| settings.homes.on_delete = OnDelete::Remove).await;
    let ada = user(&node, "ada", owner()).await;
    assert_eq!(node.service.home_is_made(&ada).await, None);
    let moved = move_home(&node, &ada, "countess").await;
    assert_eq!(node.service.home_is_made(&moved).await, None);
    let back = move_home(&node, &ada, "ada").await;
    assert_eq!(node.service.home_is_made(&back).await, None);
    let homes = ["ada", "countess"].map(|name| node.folder.join("homes").join(name));
    assert!(!put_away(&node).await);
    assert!(homes.iter().all(|home| home.is_dir()), "she is there, and has moved");

    node.directory().delete_user(name("ada"), None).await.unwrap();
    while put_away(&node).await {}
    assert!(homes.iter().all(|home| !home.exists()));
    assert_eq!(node.service.node.homes(("", ""), 10).await.unwrap(), []);
}

async fn move_home(node: &TestNode, member: &Member, to: &str) -> Member {
    let home = node.folder.join("homes").join(to).to_str().unwrap().parse().unwrap();
    let change = UserChange { home: Some(home), ..UserChange::default() };
    let rules = node.service.current_rules();
    node.directory().update_user(member.user.name, change, &rules).await.unwrap();
    node.directory().user(Key::Name(member.user.name)).await.unwrap().unwrap()
}

#[tokio::test]
async fn homes_below_no_root_are_nobodys_business_where_nothing_is_done_about_homes() {
    let node = node(|settings| settings.homes.create = false).await;
    let mut user = new_user("ada");
    user.home = Some("/nonexistent".parse().unwrap());
    let ada = create_user(node.directory(), user).await.unwrap();
    let noted = async || {
        assert_eq!(node.service.home_is_made(&ada).await, None);
        let mut settings = Settings::clone(&node.service.current_settings());
        settings.homes.create = true;
        node.publishing.settings.send_replace(Arc::new(settings));
        node.service.homes_elsewhere().await.unwrap()
    };
    assert_eq!(noted().await, [""; 0]);
    assert_eq!(noted().await, ["ada (/nonexistent)"]);
}
