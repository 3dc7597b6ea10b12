//! Quotas from what an admin says to what the kernel has, on filesystems in memory.

mod mounts;
mod projects;
mod slices;

use std::sync::Arc;

use protocol::helper::quota::DiskLimits;

use crate::config::{QuotaFilesystem, Settings};
use crate::directory::{Directory, Error};
use crate::quota::{Field, Limit, Source};
use crate::service::{Caller, Helper, PolicyChange, Service, Subject};
use crate::store::SqlDirectory;
use crate::testing::{
    NOW, ServedNode, TestKernel, TestNode, add_group, add_user, consumer, find_user, join, leave, name,
    new_user, until,
};

const GIB_IN_KIB: u64 = 1 << 20;

/// A node with quotas on /home, /scratch and maybe more, and a kernel that has them.
struct Story {
    node: TestNode,
    kernel: TestKernel,
}

impl Story {
    async fn begin() -> Self {
        Self::on(&["/home", "/scratch"]).await
    }

    async fn on(filesystems: &[&str]) -> Self {
        let node = TestNode::start().await;
        let socket = node.folder.join("helper");
        let kernel = TestKernel::listening_at(&socket, filesystems);
        let mut service = Arc::into_inner(node.service).unwrap();
        service.helper = Helper::at(socket, Default::default());
        let story = Self { node: TestNode { service: Arc::new(service), ..node }, kernel };
        story.configure(|settings| {
            let of =
                |path: &&str| QuotaFilesystem { path: path.parse().unwrap(), ..QuotaFilesystem::default() };
            settings.quota.filesystems = filesystems.iter().map(of).collect();
            settings.quota.default.set(Field::BlocksHard, Some(Limit::At(20 << 30)));
        });
        story.node.publishing.up_to_date().await;
        story
    }

    fn configure(&self, change: impl FnOnce(&mut Settings)) {
        self.node.publishing.settings.send_modify(|settings| change(Arc::make_mut(settings)));
    }

    fn service(&self) -> &Service<SqlDirectory> {
        &self.node.service
    }

    async fn add(&self, user: &str) -> u32 {
        add_user(self.node.directory(), user).await.user.uid.0
    }

    async fn set(&self, subject: Subject, limits: &[(&str, Option<&str>)]) -> Result<(), Error> {
        self.service().set_policy(&Caller::Root, change(subject, limits)).await.map(drop)
    }

    async fn set_right(&self) -> u64 {
        let applied = self.service().apply_quotas(&Caller::Root, false).await.unwrap();
        assert_eq!(applied.findings, []);
        applied.differed
    }

    /// How often it was measured when what was said of a user, a group or everybody was in force.
    async fn in_force(&self, of: &str) -> Option<u64> {
        let counted = self.service().metrics_text(&Caller::Root).await.unwrap();
        let count = format!("pody_quota_in_force_seconds_count{{of=\"{of}\"}} ");
        counted.lines().find_map(|line| line.strip_prefix(&count)?.parse().ok())
    }

    /// Hard limits of data in GiB, on /home and on /scratch.
    fn gib(&self, uid: u32) -> [u64; 2] {
        ["/home", "/scratch"].map(|path| self.kernel.limits(path, uid).hard_kib / GIB_IN_KIB)
    }
}

fn change(subject: Subject, limits: &[(&str, Option<&str>)]) -> PolicyChange {
    let limits = limits.iter().map(|(field, limit)| {
        let field: Field = field.parse().unwrap();
        (field, limit.map(|text| Limit::parse(field, text).unwrap()))
    });
    PolicyChange {
        subject,
        filesystem: Some("/home".parse().unwrap()),
        limits: limits.collect(),
        only: false,
    }
}

fn user(text: &str) -> Subject {
    Subject::User(name(text))
}

fn group(text: &str) -> Subject {
    Subject::Group(name(text))
}

fn hard(gib: u64) -> DiskLimits {
    DiskLimits { hard_kib: gib * GIB_IN_KIB, ..DiskLimits::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_the_default_groups_say_more_and_users_have_the_last_word() {
    let story = Story::begin().await;
    let (ada, bob) = (story.add("ada").await, story.add("bob").await);
    assert_eq!(story.set_right().await, 4);
    assert_eq!((story.gib(ada), story.gib(bob)), ([20, 20], [20, 20]));

    add_group(story.node.directory(), "chemists").await;
    join(story.node.directory(), "chemists", &["ada", "bob"]).await;
    story.set(group("chemists"), &[("blocks_hard", Some("50G"))]).await.unwrap();
    assert_eq!((story.gib(ada), story.gib(bob)), ([50, 20], [50, 20]), "in force when the call returns");
    story.set(user("ada"), &[("blocks_hard", Some("5G"))]).await.unwrap();
    assert_eq!((story.gib(ada), story.gib(bob)), ([5, 20], [50, 20]));
    assert_eq!((story.in_force("group").await, story.in_force("user").await), (Some(1), Some(1)));

    let shown = story.service().show_quotas(&Caller::Root, user("bob")).await.unwrap();
    let sources: Vec<_> = shown.values.iter().map(|value| (value.said.source, value.used)).collect();
    assert_eq!(sources, [(Source::Group(name("chemists")), Some(0)), (Source::Default, Some(0))]);

    story.set(user("ada"), &[("blocks_hard", None)]).await.unwrap();
    assert_eq!(story.gib(ada), [50, 20], "what is forgotten is the group's again");
    leave(story.node.directory(), "chemists", &["ada"]).await;
    story.set_right().await;
    assert_eq!(story.gib(ada), [20, 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_differs_is_touched_and_a_dry_run_touches_nothing() {
    let story = Story::begin().await;
    let mut uids = Vec::new();
    for number in 0..250 {
        uids.push(story.add(&format!("user{number}")).await);
    }
    let dry = story.service().apply_quotas(&Caller::Root, true).await.unwrap();
    assert_eq!((dry.differed, story.kernel.disks().sets.len()), (500, 0));
    assert_eq!(story.set_right().await, 500);
    assert_eq!(story.set_right().await, 0);
    story.kernel.disks().sets.clear();
    story.kernel.set_by_hand("/home", uids[7], hard(1));
    let stranger = 4711;
    story.kernel.set_by_hand("/home", stranger, hard(1));

    let found = story.service().apply_quotas(&Caller::Root, true).await.unwrap();
    let [drift] = found.changes.as_slice() else { panic!("{found:?}") };
    assert!(drift.is_drift && drift.name == Some(name("user7")) && drift.from.hard_kib == GIB_IN_KIB);
    assert_eq!(story.set_right().await, 1);
    let sets: Vec<_> = story.kernel.disks().sets.iter().map(|(path, set)| (path.clone(), set.uid)).collect();
    assert_eq!(sets, [("/home".to_owned(), uids[7])]);
    assert_eq!(story.kernel.limits("/home", stranger), hard(1), "whoever is not Pody's is left alone");
    let counted = story.service().metrics_text(&Caller::Root).await.unwrap();
    assert!(counted.contains("pody_quota_changes_total{cause=\"drift\"} 1"), "{counted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn podyd_follows_the_directory_and_the_configuration_by_itself() {
    let story = Story::begin().await;
    let service = Arc::clone(&story.node.service);
    let following = tokio::spawn(async move { service.follow_quotas().await });
    let ada = story.add("ada").await;
    story.node.publishing.up_to_date().await;
    until("a new user has the default", async || story.gib(ada) == [20, 20]).await;
    story.configure(|settings| settings.quota.default.set(Field::BlocksHard, Some(Limit::At(30 << 30))));
    until("the new default is in force", async || story.gib(ada) == [30, 30]).await;
    until("it is told how long that took", async || story.in_force("default").await == Some(1)).await;
    story.set(user("ada"), &[("blocks_hard", Some("5G")), ("sessions", Some("2"))]).await.unwrap();

    story.node.directory().delete_user(name("ada"), None).await.unwrap();
    story.node.publishing.up_to_date().await;
    until("a deleted user has no limits", async || story.gib(ada) == [0, 0]).await;
    until("and nothing is known of them", async || {
        let (policies, held) =
            (story.service().node.policies().await.unwrap(), story.service().node.held().await.unwrap());
        policies.is_empty() && held.is_empty()
    })
    .await;
    // Somebody new of the same name begins with nothing of that.
    let again = crate::directory::NewUser { reuse_name: true, ..new_user("ada") };
    let again = crate::testing::create_user(story.node.directory(), again).await.unwrap();
    story.node.publishing.up_to_date().await;
    until("the new one has the default", async || story.gib(again.user.uid.0) == [30, 30]).await;
    assert_eq!(story.service().sessions_allowed(&again).await, None);
    following.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_begins_with_limits_and_a_word_for_whoever_has_too_much() {
    let story = Story::begin().await;
    let ada = story.add("ada").await;
    let member = find_user(story.node.directory(), "ada").await.unwrap();
    assert_eq!(story.service().session_opens(&member).await, [""; 0]);
    assert_eq!(story.gib(ada), [20, 20], "without having waited for anything");
    story.set(user("ada"), &[("blocks_soft", Some("1G")), ("sessions", Some("3"))]).await.unwrap();
    assert_eq!(story.service().sessions_allowed(&member).await, Some(3));
    story.kernel.change("/home", ada, |quota| {
        quota.bytes = 2 << 30;
        quota.bytes_until = Some(NOW.unsigned_abs() + 3 * 86_400);
    });
    let told = story.service().session_opens(&member).await;
    assert_eq!(
        told,
        [
            "You have 2.0G on /home, where you may have 1.0G. Please remove something within 3 days: then nothing more can be \
          written there."
        ]
    );
    let (usage, _) = story.service().report_quotas(&Caller::Root, None).await.unwrap();
    assert_eq!(usage.iter().map(|one| one.permille).collect::<Vec<_>>(), [Some(100), Some(0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_with_words() {
    let story = Story::begin().await;
    story.add("ada").await;
    let refused = async |change: PolicyChange| {
        story.service().set_policy(&Caller::Root, change).await.unwrap_err().to_string()
    };
    let hard = [("blocks_hard", Some("1G"))];
    let on = |path: Option<&str>| PolicyChange {
        filesystem: path.map(|path| path.parse().unwrap()),
        ..change(user("ada"), &hard)
    };
    assert!(refused(on(None)).await.contains("which one? There are /home, /scratch"));
    assert!(refused(on(Some("/srv"))).await.contains("/srv is no [[quota.filesystem]]"));
    assert!(refused(change(group("ada"), &hard)).await.contains("private group of a user"));
    assert!(refused(change(user("eve"), &hard)).await.contains("eve"));
    add_group(story.node.directory(), "chemists").await;
    assert!(refused(change(user("chemists"), &hard)).await.contains("but a group: say --group"));
    let shown = story.service().show_quotas(&Caller::Root, group("ada")).await.unwrap_err();
    assert!(shown.to_string().contains("leave out --group"), "{shown}");
    let twice = change(user("ada"), &[("blocks_hard", Some("1G")), ("blocks_hard", Some("2G"))]);
    assert!(refused(twice).await.contains("blocks_hard is named twice"));
    assert!(refused(change(Subject::Everybody, &hard)).await.contains("[quota.default]"));
    story.set(user("ada"), &hard).await.unwrap();
    let crossed = change(user("ada"), &[("blocks_soft", Some("2G"))]);
    assert!(refused(crossed).await.contains("blocks_soft is above blocks_hard"));
    let ada = Caller::User(name("ada"));
    assert!(story.service().show_quotas(&ada, user("ada")).await.is_ok());
    assert!(story.service().set_policy(&ada, on(Some("/home"))).await.is_err());
    assert!(story.service().report_quotas(&ada, None).await.is_err());
    assert!(story.service().apply_quotas(&ada, true).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_quotas_reaches_another_node() {
    let story = Story::begin().await;
    let service = ServedNode::start_with(story.node, |_| ()).await;
    add_user(service.node.directory(), "ada").await;
    add_group(service.node.directory(), "chemists").await;
    join(service.node.directory(), "chemists", &["ada"]).await;
    for subject in [user("ada"), group("chemists")] {
        let said = change(subject, &[("blocks_hard", Some("7777G")), ("sessions", Some("7777"))]);
        service.node.service.set_policy(&Caller::Root, said).await.unwrap();
    }
    service.node.publishing.up_to_date().await;
    for path in
        ["/v1/users", "/v1/users/ada", "/v1/groups/chemists", "/v1/changes", "/v1/dump", "/v1/openapi.json"]
    {
        let answer = service.request(reqwest::Method::GET, path).send().await.unwrap().text().await.unwrap();
        tells_nothing(path, &answer);
    }
    let node = consumer(&service.url("")).await;
    until("ada is known there", async || node.publishing.look().is_ok() && node.publishing.shows("ada"))
        .await;
    let here = find_user(node.directory(), "ada").await.unwrap();
    assert_eq!(node.service.sessions_allowed(&here).await, None, "it is another node");
    node.directory().close().await;
    for file in ["replica.sqlite", "replica.sqlite-wal"] {
        let bytes = std::fs::read(node.folder.join(file)).unwrap_or_default();
        tells_nothing(file, &String::from_utf8_lossy(&bytes));
    }
}

#[track_caller]
fn tells_nothing(place: &str, text: &str) {
    let told = ["quota", "blocks_hard", "7777"].into_iter().find(|word| text.contains(word));
    assert_eq!(told, None, "{place}: {text}");
}
