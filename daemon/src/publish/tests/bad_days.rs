//! Crashes, full disks, and readers that look at the worst moment.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{local_accounts_become, publishing};
use crate::config::{Nss, Settings};
use crate::directory::{Batch, Directory, Error};
use crate::store::SqlDirectory;
use crate::testing::{Folder, Publishing, add_group, add_user, look, name, new_user, rules, until};

/// How long a waiter waits who is meant to wait in vain.
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_visible_stays_visible_while_bases_are_made() {
    let folder = Folder::new();
    let directory = SqlDirectory::sqlite(&folder.join("directory.sqlite")).await.unwrap();
    let users = (0..1500).map(|number| new_user(&format!("crowd{number}"))).collect();
    directory.create(Batch { users, ..Batch::default() }, &rules(), false).await.unwrap();
    let settings = Settings { nss: Nss { merge_after: 1, ..Nss::default() }, ..Settings::default() };
    let publishing = Arc::new(Publishing::start(Arc::new(directory), &folder, rules(), settings));
    publishing.up_to_date().await;

    let visible = Arc::new(Mutex::new(vec!["crowd0".to_owned()]));
    let over = Arc::new(AtomicBool::new(false));
    let reader = std::thread::spawn({
        let (publishing, visible, over) = (Arc::clone(&publishing), Arc::clone(&visible), Arc::clone(&over));
        move || {
            let mut looks = 0_u64;
            while !over.load(Ordering::SeqCst) {
                let users = visible.lock().unwrap().clone();
                let loaded = publishing.look().unwrap();
                for user in users {
                    assert!(
                        loaded.view().user_by_name(user.as_bytes()).unwrap().is_some(),
                        "{user} is missed"
                    );
                    looks += 1;
                }
            }
            looks
        }
    });
    for number in 0..60 {
        let user = format!("new{number}");
        add_user(&*publishing.directory, &user).await;
        publishing.up_to_date().await;
        visible.lock().unwrap().push(user);
    }
    over.store(true, Ordering::SeqCst);
    assert!(reader.join().unwrap() > 60, "the reader looked all the time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_takes_nothing_out_of_sight() {
    let folder = Folder::new();
    let mut before = publishing(&folder).await;
    before.up_to_date().await;
    add_user(&*before.directory, "ada").await;
    before.up_to_date().await;
    before.crash().await;
    let (cache, run) = (folder.join("cache"), folder.join("run"));
    let sees_ada = || look(&cache, &run).unwrap().view().user_by_name(b"ada").unwrap().is_some();
    assert!(sees_ada(), "while podyd is down");

    let mut after = publishing(&folder).await;
    assert!(sees_ada(), "while podyd starts");
    after.up_to_date().await;
    assert!(sees_ada(), "by the new podyd");
    after.stop().await;
}

/// Should anything of it write on, it would write into the files of the podyd that comes after it.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_podyd_that_crashed_nothing_goes_on() {
    let folder = Folder::new();
    let mut before = publishing(&folder).await;
    let users = (0..2000).map(|number| new_user(&format!("crowd{number}"))).collect();
    before.directory.create(Batch { users, ..Batch::default() }, &rules(), false).await.unwrap();
    before.up_to_date().await;
    let at_rest = Arc::strong_count(&before.directory);
    until("a base is in the making", async || {
        local_accounts_become(&before, "unrelated:x:1000:1000::/:/bin/sh", "");
        Arc::strong_count(&before.directory) > at_rest
    })
    .await;
    before.crash().await;
    assert_eq!(Arc::strong_count(&before.directory), 1, "nobody but this test holds the directory");
}

/// Programs see the last run's accounts from the first moment; a change of this run they see when it has published.
#[tokio::test(flavor = "multi_thread")]
async fn a_podyd_that_starts_says_what_the_last_one_published_and_claims_no_more() {
    let folder = Folder::new();
    let mut before = publishing(&folder).await;
    add_user(&*before.directory, "ada").await;
    before.up_to_date().await;
    before.crash().await;
    let after = before.start_without_publishing();
    assert_eq!(after.revision(), 1);
    let position = before.directory.position().await.unwrap();
    after.reaches(&position, SHORT).await.expect_err("a directory that was brought back had other changes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_is_on_disk_within_about_a_second() {
    let folder = Folder::new();
    let mut publishing = publishing(&folder).await;
    add_user(&*publishing.directory, "ada").await;
    publishing.up_to_date().await;
    let (cache, no_run) = (folder.join("cache"), folder.join("after-a-reboot"));
    let survives_a_reboot =
        || look(&cache, &no_run).is_ok_and(|loaded| loaded.view().user_by_name(b"ada").unwrap().is_some());
    until("ada is on disk", async || survives_a_reboot()).await;

    publishing.directory.delete_user(name("ada"), None).await.unwrap();
    publishing.up_to_date().await;
    let began = Instant::now();
    until("ada is gone from the disk", async || !survives_a_reboot()).await;
    assert!(began.elapsed() < Duration::from_secs(3), "took {:?}", began.elapsed());
    assert!(look(&cache, &no_run).is_ok());
    publishing.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_leaves_everything_on_disk() {
    let folder = Folder::new();
    let mut publishing = publishing(&folder).await;
    publishing.up_to_date().await;
    add_user(&*publishing.directory, "ada").await;
    publishing.up_to_date().await;
    publishing.stop().await;
    let loaded = look(&folder.join("cache"), &folder.join("after-a-reboot")).unwrap();
    assert!(loaded.view().user_by_name(b"ada").unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_account_that_appears_hides_ours_and_gives_it_back() {
    let folder = Folder::new();
    let mut publishing = publishing(&folder).await;
    let ada = add_user(&*publishing.directory, "ada").await.user;
    add_user(&*publishing.directory, "bob").await;
    add_group(&*publishing.directory, "physics").await;
    publishing.up_to_date().await;
    local_accounts_become(&publishing, "ada:x:1000:1000::/:/bin/sh", "physics:x:1001:");
    let group_is_shown = || publishing.look().unwrap().view().group_by_name(b"physics").unwrap().is_some();
    until("ada and physics are hidden", async || !publishing.shows("ada") && !group_is_shown()).await;
    assert!(publishing.shows("bob"));
    until("the status says who is hidden", async || publishing.published.hidden().len() == 2).await;

    let by_id = format!("stranger:x:{}:1000::/:/bin/sh", ada.uid);
    local_accounts_become(&publishing, &by_id, "");
    until("physics is back", async || group_is_shown()).await;
    assert!(!publishing.shows("ada"), "the uid is a local account's now");
    local_accounts_become(&publishing, "", "");
    until("ada is back", async || publishing.shows("ada")).await;
    until("nobody is hidden", async || publishing.published.hidden().is_empty()).await;
    publishing.stop().await;
}

/// Making a base takes as long as there are users; a name that is taken over must not resolve for so long.
#[tokio::test(flavor = "multi_thread")]
async fn a_local_account_hides_ours_before_a_new_base_is_made() {
    let folder = Folder::new();
    let directory = SqlDirectory::sqlite(&folder.join("directory.sqlite")).await.unwrap();
    for crowd in 0..3 {
        let users = (0..2000).map(|number| new_user(&format!("crowd{crowd}-{number}"))).collect();
        directory.create(Batch { users, ..Batch::default() }, &rules(), false).await.unwrap();
    }
    let mut publishing = Publishing::start(Arc::new(directory), &folder, rules(), Settings::default());
    publishing.up_to_date().await;
    let before = publishing.look().unwrap().generation.base();
    local_accounts_become(&publishing, "crowd0-0:x:1000:1000::/:/bin/sh", "");
    let mut hidden_in = None;
    until("it is hidden", async || {
        let loaded = publishing.look().unwrap();
        let shown = loaded.view().user_by_name(b"crowd0-0").unwrap().is_some();
        hidden_in = (!shown).then(|| loaded.generation.base());
        !shown
    })
    .await;
    assert_eq!(hidden_in, Some(before), "by a delta on the base that was there");
    publishing.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_deltas_that_cannot_be_written_is_told_why_until_they_can() {
    let folder = Folder::new();
    let mut publishing = publishing(&folder).await;
    publishing.up_to_date().await;
    let (run, away) = (folder.join("run"), folder.join("run.away"));
    fs::rename(&run, &away).unwrap();
    add_user(&*publishing.directory, "ada").await;
    let position = publishing.directory.position().await.unwrap();
    let told = publishing.published.reaches(&position, SHORT).await.unwrap_err();
    assert!(
        matches!(&told, Error::Busy(words) if words.contains("is saved") && words.contains("cannot write")),
        "{told}"
    );
    fs::rename(&away, &run).unwrap();
    publishing.up_to_date().await;
    assert!(publishing.shows("ada"));
    until("all is well again", async || publishing.published.trouble().is_none()).await;
    publishing.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_takes_nothing_lookups_go_on_and_the_status_says_so() {
    let folder = Folder::new();
    let mut publishing = publishing(&folder).await;
    add_user(&*publishing.directory, "gone").await;
    publishing.up_to_date().await;
    let (cache, away) = (folder.join("cache"), folder.join("cache.away"));
    fs::rename(&cache, &away).unwrap();
    publishing.directory.delete_user(name("gone"), None).await.unwrap();
    publishing.up_to_date().await;
    until("the status says so", async || publishing.published.trouble().is_some()).await;
    // Local accounts change meanwhile: that needs a new base, which cannot be written either.
    local_accounts_become(&publishing, "unrelated:x:1000:1000::/:/bin/sh", "");
    add_user(&*publishing.directory, "ada").await;
    publishing.up_to_date().await;

    fs::rename(&away, &cache).unwrap();
    until("all is well again", async || publishing.published.trouble().is_none()).await;
    let on_disk = look(&cache, &folder.join("after-a-reboot")).unwrap();
    assert!(on_disk.view().user_by_name(b"ada").unwrap().is_some());
    assert!(on_disk.view().user_by_name(b"gone").unwrap().is_none());
    publishing.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_local_accounts_called_for_is_made_once_the_disk_takes_it() {
    let folder = Folder::new();
    let mut publishing = publishing(&folder).await;
    add_user(&*publishing.directory, "ada").await;
    local_accounts_become(&publishing, "ada:x:1000:1000::/:/bin/sh", "");
    publishing.up_to_date().await;
    until("ada is hidden", async || !publishing.shows("ada")).await;
    until("the base is made", async || publishing.published.hidden().len() == 1).await;
    let (cache, away) = (folder.join("cache"), folder.join("cache.away"));
    fs::rename(&cache, &away).unwrap();
    local_accounts_become(&publishing, "", "");
    until("the base could not be made", async || publishing.published.trouble().is_some()).await;
    fs::rename(&away, &cache).unwrap();
    until("ada is back", async || publishing.shows("ada")).await;
    publishing.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_base_that_cannot_be_written_is_tried_again() {
    let folder = Folder::new();
    let cache = folder.subfolder("cache");
    let directory = SqlDirectory::sqlite(&folder.join("directory.sqlite")).await.unwrap();
    let mut publishing = Publishing::start(Arc::new(directory), &folder, rules(), Settings::default());
    // The task has not run yet, or has written a base: both ways the next one meets a missing directory.
    let away = folder.join("cache.away");
    fs::rename(&cache, &away).unwrap();
    add_user(&*publishing.directory, "ada").await;
    local_accounts_become(&publishing, "unrelated:x:1000:1000::/:/bin/sh", "");
    until("the status says why", async || publishing.published.trouble().is_some()).await;
    fs::rename(&away, &cache).unwrap();
    publishing.up_to_date().await;
    until("ada is shown", async || publishing.look().is_ok() && publishing.shows("ada")).await;
    publishing.stop().await;
}
