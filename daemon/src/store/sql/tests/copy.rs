//! A directory moves from database to database.

use tokio::sync::watch;

use super::super::*;
use crate::testing::{
    Everything, Folder, add_group, add_user, arrival, create_user, find_user, join, name, new_user, one_user,
    rules,
};

async fn filled(folder: &Folder) -> SqlDirectory {
    let directory = SqlDirectory::sqlite(&folder.join("filled.sqlite")).await.unwrap();
    let ada = crate::directory::NewUser {
        gecos: "Ada 🦆 Lovelace, ÄÖÜ".parse().unwrap(),
        email: Some("ada@example.org".parse().unwrap()),
        password: Some("$argon2id$v=19$not-a-hash".into()),
        is_admin: true,
        ..new_user("ada")
    };
    create_user(&directory, ada).await.unwrap();
    for user in ["bob", "eve", "zoe"] {
        add_user(&directory, user).await;
    }
    add_group(&directory, "physics").await;
    join(&directory, "physics", &["ada", "bob"]).await;
    directory.delete_user(name("eve"), None).await.unwrap();
    let maths = Some([name("maths")].into());
    let zoe = || Arrival { groups: maths.clone(), ..arrival("zoe", "s1") };
    directory.link(name("zoe"), zoe().identity).await.unwrap();
    directory.arrive(zoe(), &rules()).await.unwrap();
    directory.reserve(name("kim"), &rules(), i64::MAX).await.unwrap();
    directory
}

/// More than a page of users.
async fn fill_up(directory: &SqlDirectory, count: u32) {
    let users = (0..count).map(|number| new_user(&format!("user{number}"))).collect();
    let batch = Batch { users, all_or_nothing: true, ..Batch::default() };
    directory.create(batch, &rules(), false).await.unwrap();
}

async fn copy(from: &SqlDirectory, to: &SqlDirectory) -> Result<Copied> {
    from.copy_to(to, false, &watch::Sender::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_goes_round_all_databases_and_is_the_same() {
    let postgres = SqlDirectory::postgres(&servers::postgres().await.fresh_database().await, 4).unwrap();
    let mariadb = SqlDirectory::mysql(&servers::mariadb().await.fresh_database().await, 4).unwrap();
    let server = servers::Hrana::start(servers::hrana::Options::default());
    let endpoint = crate::store::hrana::Endpoint { url: server.url(), auth_token: None };
    let libsql = SqlDirectory::libsql(&endpoint, None).unwrap();
    goes_round(&[&postgres, &mariadb, &libsql]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_was_on_mysql_is_the_same() {
    let mysql = SqlDirectory::mysql(&servers::mysql().await.fresh_database().await, 4).unwrap();
    goes_round(&[&mysql]).await;
}

/// A directory is copied from a file to each of these, from one to the next, and into another file.
async fn goes_round(stations: &[&SqlDirectory]) {
    let folder = Folder::new();
    let first = filled(&folder).await;
    fill_up(&first, 2_500).await;
    let last = SqlDirectory::sqlite(&folder.join("last.sqlite")).await.unwrap();
    let (before, position) = (Everything::of(&first).await, first.position().await.unwrap());
    let mut from = &first;
    for to in stations.iter().copied().chain([&last]) {
        let copied = copy(from, to).await.unwrap();
        assert_eq!(copied.rows[0], ("users", 2_503));
        let now = to.position().await.unwrap();
        assert_eq!(now.revision, position.revision);
        assert_ne!(now.epoch, from.position().await.unwrap().epoch);
        assert_ne!(now.stamp, from.position().await.unwrap().stamp);
        assert_eq!(to.changes(&from.position().await.unwrap()).await.unwrap(), Feed::StartOver);
        from = to;
    }
    assert_eq!(Everything::of(&last).await, before);
    assert_eq!(last.credential(name("ada")).await.unwrap(), first.credential(name("ada")).await.unwrap());
    // Whose membership came from claims loses it by claims, and what is kept stays kept.
    let left = Arrival { groups: Some([].into()), ..arrival("zoe", "s1") };
    assert!(!last.arrive(left, &rules()).await.unwrap().0.created);
    assert!(find_user(&last, "zoe").await.unwrap().groups.is_empty());
    let kept = async |directory: &SqlDirectory| directory.reserve(name("kim"), &rules(), 0).await.unwrap();
    assert_eq!(kept(&last).await, kept(&first).await);
    // Ids and names stay given for ever.
    let again = last.create(one_user(new_user("eve")), &rules(), false).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    let uid = add_user(&last, "new").await.user.uid;
    assert_eq!(uid, add_user(&first, "new").await.user.uid);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_overwritten() {
    let folder = Folder::new();
    let first = filled(&folder).await;
    let second = SqlDirectory::sqlite(&folder.join("second.sqlite")).await.unwrap();
    add_user(&second, "mallory").await;
    for (target, words) in [(&second, "it is not empty"), (&first, "that the directory is in already")] {
        match copy(&first, target).await {
            Err(Error::Refused(told)) => assert!(told.contains(words), "{told}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(second.counts().await.unwrap().users, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_makes_not_even_tables() {
    let folder = Folder::new();
    let first = filled(&folder).await;
    let postgres = SqlDirectory::postgres(&servers::postgres().await.fresh_database().await, 4).unwrap();
    let copied = first.copy_to(&postgres, true, &watch::Sender::default()).await.unwrap();
    assert_eq!(copied.rows[..2], [("users", 3), ("groups", 5)]);
    assert_eq!(postgres.schema().await.unwrap(), Schema::Missing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_during_the_copy_is_noticed_and_nothing_stays() {
    let folder = Folder::new();
    let first = filled(&folder).await;
    fill_up(&first, 2_000).await;
    let second = SqlDirectory::sqlite(&folder.join("second.sqlite")).await.unwrap();
    let progress = watch::Sender::new(Progress::default());
    let mut seen = progress.subscribe();
    // The copy has the last connection for readers, and gets none to compare before we have had our turn.
    let held = [first.read().await.unwrap(), first.read().await.unwrap(), first.read().await.unwrap()];
    let (copied, _) = tokio::join!(first.copy_to(&second, false, &progress), async {
        seen.wait_for(|progress| progress.total > 0).await.unwrap();
        let last = first.read().await.unwrap();
        first.create(one_user(new_user("late")), &rules(), false).await.unwrap();
        drop((held, last));
    });
    match copied {
        Err(Error::Conflict(told)) => assert!(told.contains("changed while it was copied"), "{told}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(second.counts().await.unwrap(), Counts::default());
    copy(&first, &second).await.unwrap();
    assert!(find_user(&second, "late").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_differs_in_one_cell_is_not_kept() {
    let folder = Folder::new();
    let first = filled(&folder).await;
    let second = SqlDirectory::sqlite(&folder.join("second.sqlite")).await.unwrap();
    let mut session = second.database.begin(Purpose::Write).await.unwrap();
    let trigger = "CREATE TRIGGER forgetful AFTER INSERT ON users WHEN NEW.name = 'ada' \
                   BEGIN UPDATE users SET gecos = 'Ada' WHERE uuid = NEW.uuid; END";
    session.script(trigger).await.unwrap();
    session.finish(Ok(())).await.unwrap();
    match copy(&first, &second).await {
        Err(Error::Failed(told)) => assert!(told.contains("users is not the same on both sides"), "{told}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(second.counts().await.unwrap(), Counts::default());
}
