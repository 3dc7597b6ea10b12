//! Homes as projects: limits of their own, and homes that nothing counts.

use std::sync::Arc;

use super::{GIB_IN_KIB, Story, change, hard, user};
use crate::config::QuotaFilesystem;
use crate::directory::Directory;
use crate::quota::QuotaKind;
use crate::service::quota::Counted;
use crate::service::{Caller, PolicyChange};
use crate::testing::{TestState, name, until};

#[tokio::test(flavor = "multi_thread")]
async fn both_kinds_on_one_filesystem_have_limits_of_their_own_and_names() {
    let story = Story::begin().await;
    story.kernel.disks().disks.insert("project:/home".into(), Default::default());
    story.configure(|settings| {
        let [home, _] = settings.quota.filesystems.as_slice() else { panic!("two") };
        let project = QuotaFilesystem { kind: QuotaKind::Project, ..home.clone() };
        settings.quota.filesystems.push(project);
    });
    let ada = story.add("ada").await;
    story.set_right().await;
    let of_project = |uid| story.kernel.limits("project:/home", uid).hard_kib / GIB_IN_KIB;
    assert_eq!((story.gib(ada), of_project(ada)), ([20, 20], 20), "each has the default");
    let said = PolicyChange {
        filesystem: Some("project:/home".parse().unwrap()),
        ..change(user("ada"), &[("blocks_hard", Some("5G"))])
    };
    story.service().set_policy(&Caller::Root, said).await.unwrap();
    assert_eq!((story.gib(ada), of_project(ada)), ([20, 20], 5));
    let shown = story.service().show_quotas(&Caller::Root, user("ada")).await.unwrap();
    let places: Vec<_> =
        shown.values.iter().map(|one| one.filesystem.as_ref().unwrap().to_string()).collect();
    assert_eq!(places, ["/home", "project:/home", "/scratch"]);
    story.kernel.set_by_hand("project:/home", ada, hard(1));
    let found = story.service().apply_quotas(&Caller::Root, true).await.unwrap();
    let [drift] = found.changes.as_slice() else { panic!("{found:?}") };
    assert!(drift.is_drift && drift.filesystem.to_string() == "project:/home");
    let of_projects = "project:/home".parse().unwrap();
    let (usage, _) = story.service().report_quotas(&Caller::Root, Some(&of_projects)).await.unwrap();
    assert_eq!(usage.iter().map(|one| one.quota.limits.hard_kib).collect::<Vec<_>>(), [GIB_IN_KIB]);

    story.kernel.mount("project:/home", TestState::Without);
    let applied = story.service().apply_quotas(&Caller::Root, false).await.unwrap();
    assert!(applied.findings[0].0.contains("without quotas of projects"), "{applied:?}");
    assert!(applied.findings[0].1.contains("prjquota"), "{applied:?}");
    story.kernel.mount("project:/home", TestState::Enforces);

    story.node.directory().delete_user(name("ada"), None).await.unwrap();
    story.set_right().await;
    assert_eq!((story.gib(ada), of_project(ada)), ([0, 0], 0), "a deleted user has no limits of either kind");
}

#[tokio::test(flavor = "multi_thread")]
async fn homes_that_nothing_counts_are_told_of_and_counted_when_an_admin_asks() {
    let story = Story::begin().await;
    let homes: Vec<String> = (0..13).map(|number| format!("/home/user{number}")).collect();
    for number in 0..13 {
        story.add(&format!("user{number}")).await;
    }
    story.kernel.disks().uncounted.extend(homes.iter().map(|home| (home.clone(), Some(2))));
    story.set_right().await;
    let said_of_homes = || story.service().quotas.findings().len();
    assert_eq!(said_of_homes(), 0, "without project quotas nobody looks");
    story.kernel.disks().disks.insert("project:/home".into(), Default::default());
    story.configure(|settings| {
        let home = QuotaFilesystem { path: "/home".parse().unwrap(), ..QuotaFilesystem::default() };
        settings.quota.filesystems.push(QuotaFilesystem { kind: QuotaKind::Project, ..home });
    });
    let dry = story.service().apply_quotas(&Caller::Root, true).await.unwrap();
    assert_eq!((dry.findings.len(), &dry.counted), (11, &Counted::default()), "{dry:?}");
    assert!(dry.findings[0].0.contains("the home of user0, /home/user0,"), "{dry:?}");
    assert!(dry.findings[10].0.starts_with("3 more homes"), "{dry:?}");
    let service = Arc::clone(&story.node.service);
    let following = tokio::spawn(async move { service.follow_quotas().await });
    until("the doctor knows", async || said_of_homes() == 11).await;
    following.abort();
    let doctor = story.service().doctor(&Caller::Root).await.unwrap();
    assert!(
        doctor.iter().any(|one| one.subject == "quota" && one.finding.contains("/home/user0")),
        "{doctor:?}"
    );

    let theirs = story.service().show_quotas(&Caller::User(name("user0")), user("user0")).await.unwrap();
    assert_eq!(theirs.findings, [], "others' homes are not their business");
    let shown = story.service().show_quotas(&Caller::Root, user("user0")).await.unwrap();
    assert_eq!(shown.findings.len(), 11);

    story.kernel.disks().uncounted.insert("/home/user7".into(), None);
    let applied = story.service().apply_quotas(&Caller::Root, false).await.unwrap();
    let Counted { changed, left, more, .. } = applied.counted;
    assert_eq!((changed, left, more), (12 * 2 * 10, 12 * 2, false));
    let [finding] = applied.findings.as_slice() else { panic!("{applied:?}") };
    assert!(finding.0.contains("/home/user7") && finding.1.contains("docs/guide/quotas.md"), "{finding:?}");
}

/// /home counts by projects from now on, beside users or instead of them.
fn count_projects(story: &Story, instead: bool) {
    story.kernel.disks().disks.insert("project:/home".into(), Default::default());
    story.configure(|settings| {
        let home = settings.quota.filesystems[0].clone();
        settings.quota.filesystems.retain(|one| !instead || one.path != home.path);
        settings.quota.filesystems.push(QuotaFilesystem { kind: QuotaKind::Project, ..home });
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_of_homes_follows_the_configuration() {
    let story = Story::begin().await;
    let ada = story.add("ada").await;
    story.kernel.disks().uncounted.insert("/home/ada".into(), None);
    story.node.publishing.up_to_date().await;
    let service = Arc::clone(&story.node.service);
    let following = tokio::spawn(async move { service.follow_quotas().await });
    until("everything was looked at once", async || story.gib(ada) == [20, 20]).await;
    let is_told = || story.service().quotas.findings().iter().any(|(found, _)| found.contains("/home/ada"));
    count_projects(&story, false);
    until("a home that nothing counts is told of", async || is_told()).await;
    story.configure(|settings| settings.quota.filesystems.retain(|one| one.kind == QuotaKind::User));
    until("nobody asks any more", async || !is_told()).await;
    following.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_filesystem_is_said_once_for_both_kinds() {
    let story = Story::begin().await;
    story.add("ada").await;
    count_projects(&story, false);
    ["/home", "project:/home"].into_iter().for_each(|disk| story.kernel.mount(disk, TestState::Gone));
    let applied = story.service().apply_quotas(&Caller::Root, true).await.unwrap();
    let [(finding, _)] = applied.findings.as_slice() else { panic!("{applied:?}") };
    assert!(finding.contains("nothing is mounted at /home"), "{finding}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_of_a_filesystem_that_has_no_table_any_more_is_told_of() {
    let story = Story::begin().await;
    story.add("ada").await;
    story.set(user("ada"), &[("blocks_hard", Some("5G"))]).await.unwrap();
    story.set_right().await;
    count_projects(&story, true);
    let applied = story.service().apply_quotas(&Caller::Root, false).await.unwrap();
    let [(finding, advice)] = applied.findings.as_slice() else { panic!("{applied:?}") };
    assert!(
        finding.contains("what was said of /home holds nowhere") && advice.contains("quotas.md"),
        "{finding}"
    );
}
