//! Filesystems that come, go and lose their quotas while people log in.

use std::sync::Arc;

use super::{GIB_IN_KIB, Story, change, hard, user};
use crate::service::{Caller, Severity};
use crate::testing::{TestState, add_user, find_user, until};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_in_force_is_a_finding_and_keeps_nobody_out() {
    let story = Story::begin().await;
    story.add("ada").await;
    let member = find_user(story.node.directory(), "ada").await.unwrap();
    story.kernel.mount("/scratch", TestState::Without);
    let applied = story.service().apply_quotas(&Caller::Root, false).await.unwrap();
    assert!(applied.findings[0].0.contains("/scratch is mounted without quotas"), "{applied:?}");
    let bob = story.add("bob").await;
    let late = find_user(story.node.directory(), "bob").await.unwrap();
    assert_eq!(story.service().session_opens(&late).await, [""; 0]);
    assert_eq!(story.gib(bob), [20, 0], "what can be in force is");
    assert_eq!(story.service().session_opens(&member).await, [""; 0]);
    let findings = story.service().doctor(&Caller::Root).await.unwrap();
    assert!(
        findings.iter().any(|one| one.subject == "quota" && one.advice.contains("usrquota")),
        "{findings:?}"
    );

    std::fs::remove_file(story.node.folder.join("helper")).unwrap();
    let applied = story.service().apply_quotas(&Caller::Root, false).await.unwrap();
    assert!(applied.findings[0].0.contains("podyd-helper cannot be reached"), "{applied:?}");
    assert_eq!(story.service().session_opens(&member).await, [""; 0]);
    assert!(
        story.set(user("ada"), &[("tasks_max", Some("100"))]).await.is_ok(),
        "it is kept for when it can be"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_filesystem_of_several_that_is_in_trouble_is_a_finding_and_the_others_are_in_force() {
    let story = Story::on(&["/home", "/scratch", "/srv/data"]).await;
    let table = [
        (TestState::Gone, "nothing is mounted at /scratch", "mount it, or take"),
        (TestState::Without, "/scratch is mounted without quotas", "usrquota"),
        (TestState::ReadOnly, "/scratch is mounted read-only", "mount -o remount,rw /scratch"),
    ];
    for (number, (state, finding, advice)) in table.into_iter().enumerate() {
        story.kernel.mount("/scratch", state);
        let newcomer = add_user(story.node.directory(), &format!("user{number}")).await;
        let uid = newcomer.user.uid.0;
        assert_eq!(story.service().session_opens(&newcomer).await, [""; 0]);
        let behind = || story.kernel.limits("/srv/data", uid).hard_kib / GIB_IN_KIB;
        assert_eq!((story.gib(uid), behind()), ([20, 0], 20), "before and behind it, all is well");
        for dry_run in [true, false] {
            let found = story.service().apply_quotas(&Caller::Root, dry_run).await.unwrap();
            let [(told, what_to_do)] = found.findings.as_slice() else { panic!("{found:?}") };
            assert!(told.contains(finding) && what_to_do.contains(advice), "{found:?}");
            assert_eq!(found.differed, 0, "what cannot be set is nothing to put right: {found:?}");
        }
        let shown = story.service().show_quotas(&Caller::Root, user(&format!("user{number}"))).await.unwrap();
        assert_eq!(shown.findings.len(), 1);
        story.kernel.mount("/scratch", TestState::Enforces);
        assert_eq!(story.set_right().await, 1);
        assert_eq!(story.gib(uid), [20, 20]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_logs_in_first_finds_a_filesystem_gone_and_nobody_after_that_does() {
    let story = Story::begin().await;
    let ada = add_user(story.node.directory(), "ada").await;
    story.set_right().await;
    let service = Arc::clone(&story.node.service);
    let following = tokio::spawn(async move { service.follow_quotas().await });
    let is_told = async || {
        let findings = story.service().doctor(&Caller::Root).await.unwrap();
        findings.iter().any(|one| one.subject == "quota" && one.severity == Severity::Warning)
    };
    assert!(!is_told().await);
    for state in [TestState::Gone, TestState::ReadOnly] {
        story.kernel.mount("/scratch", state);
        story.kernel.set_by_hand("/scratch", ada.user.uid.0, hard(1));
        story.service().session_opens(&ada).await;
        until("the doctor knows", async || is_told().await).await;
        let place = "/scratch".parse().unwrap();
        assert!(!story.service().quotas.is_news(Some(&place), true), "to the next login it is none");
        story.kernel.mount("/scratch", TestState::Enforces);
        story.service().session_opens(&ada).await;
        until("it is over", async || !is_told().await).await;
        assert_eq!(story.gib(ada.user.uid.0), [20, 20]);
    }
    following.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_something_is_told_whether_that_is_in_force_and_nothing_else() {
    let story = Story::begin().await;
    story.add("ada").await;
    let said = async |limits: &[(&str, Option<&str>)]| {
        let change = change(user("ada"), limits);
        let shown = story.service().set_policy(&Caller::Root, change).await.unwrap();
        shown.findings.into_iter().map(|(finding, _)| finding).collect::<Vec<_>>()
    };
    story.kernel.mount("/scratch", TestState::Gone);
    assert_eq!(said(&[("blocks_hard", Some("1G"))]).await, [""; 0]);
    story.kernel.mount("/home", TestState::Gone);
    assert_eq!(said(&[("sessions", Some("1"))]).await, [""; 0]);
    let not_yet = said(&[("blocks_hard", Some("2G"))]).await;
    assert_eq!(not_yet, ["this is not in force yet: /home: nothing is mounted there"]);
}
