//! Passwords, by their verifiers.

use super::Backend;
use crate::directory::{Credential, Directory, NewUser};
use crate::testing::{add_user, create_user, find_user, name, new_user};

async fn credential(directory: &impl Directory, user: &str) -> Option<Credential> {
    directory.credential(name(user)).await.unwrap()
}

pub async fn a_password_is_set_replaced_and_taken_away(storage: &impl Backend) {
    let directory = storage.open().await;
    let ada = add_user(&directory, "ada").await.user;
    assert_eq!(
        credential(&directory, "ada").await,
        Some(Credential { uuid: ada.uuid.clone(), hash: None, revision: 0 })
    );
    for hash in [Some("one"), Some("two"), None, None, Some("three")] {
        let position = directory.set_password(name("ada"), hash.map(str::to_owned)).await.unwrap();
        assert_eq!(credential(&directory, "ada").await.unwrap().hash.as_deref(), hash);
        let found = find_user(&directory, "ada").await.unwrap();
        assert_eq!(
            (found.password_revision.is_some(), found.user.revision),
            (hash.is_some(), position.revision)
        );
    }
    assert_eq!(credential(&directory, "nobody-here").await, None);
}

pub async fn a_hash_is_upgraded_only_while_it_is_what_was_checked(storage: &impl Backend) {
    let directory = storage.open().await;
    let ada =
        create_user(&directory, NewUser { password: Some("weak".into()), ..new_user("ada") }).await.unwrap();
    let position = directory.position().await.unwrap();
    directory.upgrade_password(&ada.user.uuid, "weak", "strong").await.unwrap();
    assert_eq!(credential(&directory, "ada").await.unwrap().hash.as_deref(), Some("strong"));
    directory.upgrade_password(&ada.user.uuid, "weak", "late").await.unwrap();
    directory.upgrade_password("nobody's", "strong", "late").await.unwrap();
    assert_eq!(credential(&directory, "ada").await.unwrap().hash.as_deref(), Some("strong"));
    assert_eq!(directory.position().await.unwrap(), position, "nobody's view has changed");

    directory.set_password(name("ada"), None).await.unwrap();
    directory.upgrade_password(&ada.user.uuid, "strong", "back again").await.unwrap();
    assert_eq!(credential(&directory, "ada").await.unwrap().hash, None);
}

pub async fn a_password_goes_with_its_user(storage: &impl Backend) {
    let directory = storage.open().await;
    create_user(&directory, NewUser { password: Some("a hash".into()), ..new_user("ada") }).await.unwrap();
    directory.delete_user(name("ada"), None).await.unwrap();
    assert_eq!(credential(&directory, "ada").await, None);
    create_user(&directory, NewUser { reuse_name: true, ..new_user("ada") }).await.unwrap();
    assert_eq!(credential(&directory, "ada").await.unwrap().hash, None);
}
