//! Limits of memory, processors and tasks, and what becomes of them when somebody else has a hand in it.

use std::sync::Arc;
use std::time::Duration;

use protocol::helper::{MAX_SET_SLICES, MAX_SLICES, SliceLimits};

use super::{Story, change, group, user};
use crate::directory::{Directory, Error};
use crate::quota::{Field, Limit};
use crate::service::{Caller, ChangedField, Subject};
use crate::testing::{add_group, find_user, join, name, until};

fn tasks(most: u64) -> SliceLimits {
    SliceLimits { tasks_max: Some(most), ..SliceLimits::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_are_limited_when_somebody_comes_and_whenever_it_changes_after_that() {
    let story = Story::begin().await;
    let ada = story.add("ada").await;
    story.add("bob").await;
    let member = find_user(story.node.directory(), "ada").await.unwrap();
    let slices = || story.kernel.disks().slices.clone();
    story.set_right().await;
    story.service().session_opens(&member).await;
    assert_eq!(slices(), [].into(), "where nothing is said of slices, systemd is not asked");

    let limit = |text| Some(Limit::parse(Field::MemoryMax, text).unwrap());
    story.configure(|settings| settings.quota.default.set(Field::MemoryMax, limit("1G")));
    story.set_right().await;
    assert_eq!(slices(), [].into(), "nobody has come yet");
    story.service().session_opens(&member).await;
    assert_eq!(slices(), [(ada, SliceLimits { memory_max: Some(1 << 30), ..SliceLimits::default() })].into());
    story.configure(|settings| settings.quota.default.set(Field::MemoryMax, limit("2G")));
    story.set_right().await;
    assert_eq!(slices()[&ada].memory_max, Some(2 << 30));
    story.set(user("ada"), &[("tasks_max", Some("100")), ("cpu_quota", Some("150%"))]).await.unwrap();
    assert_eq!((slices()[&ada].tasks_max, slices()[&ada].cpu_quota), (Some(100), Some(150)));
    story.kernel.disks().slices.insert(ada, SliceLimits::default());
    story.service().session_opens(&member).await;
    assert_eq!(slices()[&ada].tasks_max, Some(100), "what somebody else has changed is put right at a login");

    story.node.directory().delete_user(name("ada"), None).await.unwrap();
    story.set_right().await;
    assert_eq!(slices(), [(ada, SliceLimits::default())].into(), "taken back; bob never came");
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_that_cannot_be_limited_keep_no_other_from_it() {
    let story = Story::begin().await;
    let mut uids = Vec::new();
    // More than are limited by one call.
    for number in 0..MAX_SET_SLICES + 4 {
        let user = format!("user{number}");
        uids.push(story.add(&user).await);
        story.set(Subject::User(name(&user)), &[("tasks_max", Some("100"))]).await.unwrap();
    }
    let limit = Limit::parse(Field::MemoryMax, "1G").unwrap();
    story.configure(|settings| settings.quota.default.set(Field::MemoryMax, Some(limit)));
    story.kernel.disks().refused_slices.extend(&uids[..4]);
    let applied = story.service().apply_quotas(&Caller::Root, false).await.unwrap();
    assert!(applied.findings[0].0.contains("not this one"), "{applied:?}");
    assert!(applied.slices.iter().all(|change| !uids[..4].contains(&change.uid)), "{applied:?}");
    assert_eq!((applied.slices.len(), applied.differed), (MAX_SET_SLICES, MAX_SET_SLICES as u64));
    let slices = story.kernel.disks().slices.clone();
    assert!(uids[4..].iter().all(|uid| slices[uid].memory_max == Some(1 << 30)));
    story.kernel.disks().refused_slices.clear();
    story.set_right().await;
    assert_eq!(story.kernel.disks().slices[&uids[0]].memory_max, Some(1 << 30), "it is tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_that_somebody_else_has_changed_are_found_and_put_right() {
    let story = Story::begin().await;
    let (ada, bob, eve) = (story.add("ada").await, story.add("bob").await, story.add("eve").await);
    add_group(story.node.directory(), "chemists").await;
    join(story.node.directory(), "chemists", &["ada", "bob"]).await;
    story.set(user("ada"), &[("tasks_max", Some("100"))]).await.unwrap();
    story.set(group("chemists"), &[("tasks_max", Some("200"))]).await.unwrap();
    let reads = || story.kernel.disks().slice_reads;
    let before = reads();
    story.set(group("chemists"), &[("io_weight", Some("50"))]).await.unwrap();
    assert_eq!(reads(), before, "what changes all the time does not have systemd read all over");

    let by_hand = SliceLimits { tasks_max: Some(7), memory_max: Some(1 << 30), ..SliceLimits::default() };
    let of_an_admin = SliceLimits { cpu_quota: Some(50), ..SliceLimits::default() };
    // bob is logged in by other ways than ours, and nothing is said of eve.
    story.kernel.disks().slices.extend([
        (ada, by_hand),
        (bob, SliceLimits::default()),
        (eve, of_an_admin),
        (4711, by_hand),
    ]);
    let dry = story.service().apply_quotas(&Caller::Root, true).await.unwrap();
    assert_eq!(story.kernel.disks().slices[&ada], by_hand, "nothing is changed by looking");
    let [first, second] = dry.slices.as_slice() else { panic!("{dry:?}") };
    assert!(first.uid == ada && first.name == Some(name("ada")) && first.is_drift, "{first:?}");
    let field = |field, from, to| ChangedField { field, from, to };
    assert_eq!(
        first.fields,
        [
            field("memory_max", Some(1 << 30), None),
            field("tasks_max", Some(7), Some(100)),
            field("io_weight", None, Some(50))
        ]
    );
    assert!(second.uid == bob && !second.is_drift, "{second:?}");

    let applied = story.service().apply_quotas(&Caller::Root, false).await.unwrap();
    assert_eq!(applied.slices, dry.slices);
    let slices = story.kernel.disks().slices.clone();
    let io_weight = Some(50);
    assert_eq!(slices[&ada], SliceLimits { io_weight, ..tasks(100) });
    assert_eq!(slices[&bob], SliceLimits { io_weight, ..tasks(200) });
    assert_eq!((slices[&eve], slices[&4711]), (of_an_admin, by_hand), "what is not Pody's is left alone");
    assert_eq!(story.set_right().await, 0);
    let counted = story.service().metrics_text(&Caller::Root).await.unwrap();
    assert!(counted.contains("pody_quota_changes_total{cause=\"drift\"} 1"), "{counted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn podyd_puts_slices_right_by_itself_and_leaves_nothing_behind() {
    let story = Story::begin().await;
    story.configure(|settings| settings.quota.reconcile_every = Duration::from_millis(10));
    let (ada, bob) = (story.add("ada").await, story.add("bob").await);
    for person in ["ada", "bob"] {
        story.set(user(person), &[("tasks_max", Some("100"))]).await.unwrap();
    }
    let service = Arc::clone(&story.node.service);
    let following = tokio::spawn(async move { service.follow_quotas().await });
    story.kernel.disks().slices.insert(ada, tasks(7));
    until("drift is put right", async || story.kernel.disks().slices[&ada] == tasks(100)).await;

    story.node.directory().delete_user(name("ada"), None).await.unwrap();
    story.set(user("bob"), &[("tasks_max", None)]).await.unwrap();
    story.node.publishing.up_to_date().await;
    for uid in [ada, bob] {
        until("nothing is kept", async || story.kernel.disks().slices[&uid] == SliceLimits::default()).await;
    }
    until("nor known", async || {
        story.service().node.held().await.unwrap().values().all(|held| held.slice.is_none())
    })
    .await;
    following.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_systemd_that_cannot_be_read_is_a_finding_until_it_is_read() {
    let story = Story::begin().await;
    story.add("ada").await;
    story.set(user("ada"), &[("tasks_max", Some("100"))]).await.unwrap();
    let check = async || story.service().apply_quotas(&Caller::Root, true).await.unwrap();
    story.kernel.disks().is_without_systemd = true;
    let found = check().await;
    assert!(found.findings[0].0.contains("memory, processors and tasks"), "{found:?}");
    story.service().apply_quotas(&Caller::Root, false).await.unwrap();
    let known = || story.service().quotas.findings().len();
    add_group(story.node.directory(), "chemists").await;
    let reads = story.kernel.disks().slice_reads;
    story.set(group("chemists"), &[("blocks_hard", Some("2G"))]).await.unwrap();
    assert_eq!((known(), story.kernel.disks().slice_reads), (1, reads), "nobody has looked again");
    story.kernel.disks().is_without_systemd = false;
    assert_eq!(check().await.findings, []);
    assert_eq!(known(), 1, "whoever only looks tells nobody else");
    story.set_right().await;
    assert_eq!(known(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_known_of_also_if_systemd_answers_too_late() {
    let story = Story::begin().await;
    let ada = story.add("ada").await;
    let limit = Limit::parse(Field::TasksMax, "100").unwrap();
    story.configure(|settings| settings.quota.default.set(Field::TasksMax, Some(limit)));
    let member = find_user(story.node.directory(), "ada").await.unwrap();
    let quick_round = async || {
        story.set(group("chemists"), &[("sessions", Some("9"))]).await.unwrap();
    };
    add_group(story.node.directory(), "chemists").await;
    story.set_right().await;
    story.kernel.disks().is_silent_about_slices = true;
    until("it is set, though nobody is told", async || {
        story.service().session_opens(&member).await;
        story.kernel.disks().slices.get(&ada) == Some(&tasks(100))
    })
    .await;
    story.kernel.disks().is_silent_about_slices = false;
    story.configure(|settings| settings.quota.default.set(Field::TasksMax, None));
    quick_round().await;
    assert_eq!(story.kernel.disks().slices[&ada], SliceLimits::default(), "nothing is left behind");
    let held = story.service().node.held().await.unwrap();
    assert_eq!(held[&ada].slice, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_keeps_nobody_from_other_limits() {
    let story = Story::begin().await;
    let (ada, bob) = (story.add("ada").await, story.add("bob").await);
    story.set(user("bob"), &[("tasks_max", Some("100"))]).await.unwrap();
    let limit = Limit::parse(Field::TasksMax, "200").unwrap();
    story.configure(|settings| settings.quota.default.set(Field::MemoryMax, Some(Limit::At(1 << 30))));
    story.configure(|settings| settings.quota.default.set(Field::TasksMax, Some(limit)));
    story.kernel.disks().is_silent_about_disks = true;
    let member = find_user(story.node.directory(), "ada").await.unwrap();
    until("systemd is told", async || {
        story.service().session_opens(&member).await;
        story.kernel.disks().slices.get(&ada).is_some_and(|limits| limits.tasks_max == Some(200))
    })
    .await;
    story.service().apply_quotas(&Caller::Root, false).await.unwrap();
    assert_eq!(story.kernel.disks().slices[&bob].memory_max, Some(1 << 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_that_cannot_be_read_keeps_podyd_from_no_other() {
    let story = Story::begin().await;
    let (ada, bob) = (story.add("ada").await, story.add("bob").await);
    for person in ["ada", "bob"] {
        story.set(user(person), &[("tasks_max", Some("100"))]).await.unwrap();
    }
    story.kernel.disks().slices.extend([(ada, tasks(7)), (bob, tasks(7))]);
    story.kernel.disks().unreadable_slices.insert(ada);
    let applied = story.service().apply_quotas(&Caller::Root, false).await.unwrap();
    assert!(applied.findings[0].0.contains("cannot be looked at: it cannot be read"), "{applied:?}");
    assert_eq!(applied.slices.iter().map(|change| change.uid).collect::<Vec<_>>(), [bob]);
    assert_eq!(story.kernel.disks().slices[&bob], tasks(100));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_while_slices_are_read_and_who_came_meanwhile_is_as_they_should_be() {
    let story = Story::begin().await;
    let ada = story.add("ada").await;
    story.set(user("ada"), &[("tasks_max", Some("100"))]).await.unwrap();
    let (service, runtime) = (Arc::clone(&story.node.service), tokio::runtime::Handle::current());
    let meanwhile = move || {
        let change = change(user("ada"), &[("tasks_max", Some("200"))]);
        runtime.block_on(service.set_policy(&Caller::Root, change)).unwrap();
    };
    story.kernel.disks().while_slices_are_read = Some(Box::new(meanwhile));
    let dry = story.service().apply_quotas(&Caller::Root, true).await.unwrap();
    assert_eq!((dry.slices, dry.differed, dry.findings), (Vec::new(), 0, Vec::new()));
    assert_eq!(story.kernel.disks().slices[&ada], tasks(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_for_an_admin_is_done_by_the_next_round() {
    let story = Story::begin().await;
    let ada = story.add("ada").await;
    story.kernel.disks().is_silent_about_disks = true;
    let applied = story.service().apply_within(&Caller::Root, false, Duration::ZERO).await;
    story.kernel.disks().is_silent_about_disks = false;
    assert!(matches!(&applied, Err(Error::Busy(why)) if why.contains("by itself")), "{applied:?}");
    let service = Arc::clone(&story.node.service);
    let following = tokio::spawn(async move { service.follow_quotas().await });
    until("it is done", async || story.gib(ada) == [20, 20]).await;
    following.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_slices_than_one_answer_holds_are_all_compared() {
    let story = Story::begin().await;
    let limit = Limit::parse(Field::TasksMax, "100").unwrap();
    story.configure(|settings| settings.quota.default.set(Field::TasksMax, Some(limit)));
    let count = 2 * MAX_SLICES + 1;
    for number in 0..count {
        let uid = story.add(&format!("user{number}")).await;
        story.kernel.disks().slices.insert(uid, SliceLimits::default());
    }
    let dry = story.service().apply_quotas(&Caller::Root, true).await.unwrap();
    assert_eq!((dry.slices.len(), story.kernel.disks().slice_reads), (count, 3));
    story.set_right().await;
    assert!(story.kernel.disks().slices.values().all(|limits| *limits == tasks(100)));
    assert_eq!(story.set_right().await, 0);
}
