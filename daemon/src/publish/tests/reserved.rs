//! Accounts of people who do not exist yet: shown beside the directory, and never in its way.

use std::sync::Arc;

use identity::{Gid, Uid};

use super::{local_accounts_become, publishing};
use crate::config::Settings;
use crate::directory::{Directory, Reservation};
use crate::service::new_uuid;
use crate::store::SqlDirectory;
use crate::testing::{
    Folder, Publishing, add_user, create_user, name, new_user_with, open_to_newcomers, until,
};

const UID: u32 = 1_900_000_777;

fn reservation(text: &str, id: u32) -> Reservation {
    Reservation {
        uuid: new_uuid(),
        name: name(text),
        uid: Uid(id),
        gid: Gid(id),
        home: format!("/home/{text}").parse().unwrap(),
        shell: "/bin/bash".parse().unwrap(),
        expires_at: 0,
    }
}

async fn show(publishing: &Publishing<SqlDirectory>, reservations: &[Reservation]) {
    publishing.published.show_reserved(reservations.to_vec());
    publishing.published.shows_reserved().await;
}

/// The name behind an id, as `ls` shows it.
fn name_of(publishing: &Publishing<SqlDirectory>, uid: u32) -> Option<String> {
    let loaded = publishing.look().unwrap();
    let user = loaded.view().user_by_uid(Uid(uid)).unwrap();
    user.map(|user| String::from_utf8(user.name().to_vec()).unwrap())
}

/// Whether the account is locked, and whether it is nobody's yet.
fn account(publishing: &Publishing<SqlDirectory>, user: &str) -> (bool, bool) {
    let accounts = publishing.look_at_accounts().unwrap();
    let account = accounts.view().account_by_name(user.as_bytes()).unwrap().unwrap();
    (account.locked, account.reserved)
}

fn is_complete(publishing: &Publishing<SqlDirectory>) -> bool {
    publishing.look().unwrap().view().is_complete()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_is_a_locked_account_until_it_ends_and_changes_no_revision() {
    let folder = Folder::new();
    let mut publishing = publishing(&folder).await;
    add_user(&*publishing.directory, "ada").await;
    publishing.up_to_date().await;
    let revision = publishing.published.revision();

    show(&publishing, &[reservation("newcomer", UID)]).await;
    assert_eq!(name_of(&publishing, UID).as_deref(), Some("newcomer"));
    assert_eq!(account(&publishing, "newcomer"), (true, true));
    assert_eq!((account(&publishing, "ada"), publishing.shows("ada")), ((false, false), true));
    assert_eq!(publishing.published.revision(), revision);

    show(&publishing, &[]).await;
    assert!(!publishing.shows("newcomer") && publishing.shows("ada"));
    publishing.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stays_beside_changes_and_new_bases_and_ends_with_podyd() {
    let folder = Folder::new();
    let mut before = publishing(&folder).await;
    before.up_to_date().await;
    show(&before, &[reservation("newcomer", UID)]).await;
    add_user(&*before.directory, "ada").await;
    before.up_to_date().await;
    assert!(before.shows("newcomer") && before.shows("ada"));
    let base = before.look().unwrap().generation.base();
    local_accounts_become(&before, "unrelated:x:1000:1000::/:/bin/sh", "");
    until("there is a new base", async || before.look().unwrap().generation.base() != base).await;
    let in_base = before.look().unwrap().base_view().user_by_name(b"newcomer").unwrap().is_some();
    assert!(before.shows("newcomer") && !in_base);

    before.crash().await;
    assert!(before.shows("newcomer"), "lookups go on without podyd");
    assert_eq!(account(&before, "newcomer"), (true, true), "and so does the refusal");
    let mut after = publishing(&folder).await;
    after.up_to_date().await;
    assert!(after.shows("ada") && !after.shows("newcomer"));
    after.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_is_shown_in_its_place() {
    let folder = Folder::new();
    let mut publishing = publishing(&folder).await;
    publishing.up_to_date().await;
    show(&publishing, &[reservation("newcomer", UID), reservation("other", UID + 1)]).await;
    // An admin may give the name other ids, and the ids another name.
    create_user(&*publishing.directory, new_user_with("newcomer", UID)).await.unwrap();
    create_user(&*publishing.directory, new_user_with("other", UID + 5)).await.unwrap();
    publishing.up_to_date().await;
    assert_eq!(account(&publishing, "newcomer"), (false, false));
    assert_eq!(account(&publishing, "other"), (false, false));
    assert_eq!(name_of(&publishing, UID + 5).as_deref(), Some("other"));
    assert_eq!(name_of(&publishing, UID + 1), None);

    publishing.directory.delete_user(name("newcomer"), None).await.unwrap();
    publishing.up_to_date().await;
    assert!(!publishing.shows("newcomer"), "whoever was deleted is nobody's reservation");
    publishing.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn local_accounts_win_over_reservations() {
    let folder = Folder::new();
    let mut publishing = publishing(&folder).await;
    publishing.up_to_date().await;
    show(&publishing, &[reservation("newcomer", UID), reservation("lab", UID + 1)]).await;
    local_accounts_become(&publishing, &format!("lab:x:1000:1000::/:/bin/sh\nx:x:{UID}:5::/:/bin/sh"), "");
    until("they are hidden", async || !publishing.shows("lab") && !publishing.shows("newcomer")).await;
    publishing.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_shown_is_nobody_only_where_nobody_may_come_by_a_login() {
    let folder = Folder::new();
    let mut publishing = publishing(&folder).await;
    publishing.up_to_date().await;
    assert!(is_complete(&publishing));
    publishing.settings.send_modify(|settings| *settings = Arc::new(open_to_newcomers(Settings::default())));
    until("somebody may come", async || !is_complete(&publishing)).await;
    add_user(&*publishing.directory, "ada").await;
    publishing.up_to_date().await;
    let base = publishing.look().unwrap().generation.base();
    local_accounts_become(&publishing, "unrelated:x:1000:1000::/:/bin/sh", "");
    until("there is a new base", async || publishing.look().unwrap().generation.base() != base).await;
    assert!(!is_complete(&publishing));
    publishing.settings.send_modify(|settings| *settings = Arc::new(Settings::default()));
    until("nobody may come", async || is_complete(&publishing)).await;
    publishing.stop().await;
}
