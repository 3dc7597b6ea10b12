//! Bearer tokens, by their hashes.

use std::sync::Arc;

use identity::{Day, State};
use tokio::task::JoinSet;

use super::{Backend, refusal};
use crate::directory::{
    Change, Directory, Error, Feed, NewToken, NewUser, Position, Result, Token, TokenLookup, TokenSecret,
    TokenUse, UserChange,
};
use crate::limits::{MAX_REVOKED_TOKENS_PER_USER, MAX_TOKEN_NETWORKS, MAX_TOKENS_PER_USER};
use crate::testing::{NOW, add_user, create_user, name, new_user, rules};

/// A token for reading, which is told from all others by its number.
fn new_token(owner: &str, text: &str, number: u64) -> NewToken {
    let mut random = [0; 32];
    random[..8].copy_from_slice(&number.to_be_bytes());
    NewToken {
        uuid: uuid::Uuid::new_v4().to_string(),
        hash: TokenSecret::from_random(&random).hash(),
        owner: name(owner),
        name: text.parse().unwrap(),
        scopes: "read".parse().unwrap(),
        networks: "".parse().unwrap(),
        expires_at: None,
        created_at: NOW,
    }
}

async fn found(directory: &impl Directory, new: &NewToken) -> Option<Token> {
    match directory.token(&new.hash).await.unwrap() {
        TokenLookup::Found(token) => Some(*token),
        _ => None,
    }
}

async fn listed(directory: &impl Directory, owner: Option<&str>) -> Vec<String> {
    let page = directory.tokens(owner.map(name), None, 1000).await.unwrap();
    page.items.iter().map(|token| format!("{}/{}", token.owner.name, token.name)).collect()
}

async fn changes_since(directory: &impl Directory, since: &Position) -> Vec<Change> {
    match directory.changes(since).await.unwrap() {
        Feed::Changes { changes, .. } => changes.into_iter().collect(),
        Feed::StartOver => panic!("history reaches back to {since:?}"),
    }
}

fn token_changes(tokens: &[&NewToken]) -> Vec<Change> {
    let mut changes: Vec<_> = tokens.iter().map(|token| Change::Token { uuid: token.uuid.clone() }).collect();
    changes.sort_unstable();
    changes
}

async fn change(directory: &impl Directory, user: &str, change: UserChange) -> Position {
    directory.update_user(name(user), change, &rules()).await.unwrap()
}

fn locked() -> UserChange {
    UserChange { state: Some(State::Locked), ..UserChange::default() }
}

pub async fn a_token_is_found_by_its_hash_with_all_that_was_said_of_it(storage: &impl Backend) {
    let directory = storage.open().await;
    let ada = add_user(&directory, "ada").await.user;
    let networks = vec!["ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0/124"; MAX_TOKEN_NETWORKS].join(" ");
    let new = NewToken {
        scopes: "read,authenticate,write".parse().unwrap(),
        networks: networks.parse().unwrap(),
        expires_at: Some(Day(30_000)),
        ..new_token("ada", &"x".repeat(64), 1)
    };
    let position = directory.create_token(new.clone()).await.unwrap();
    let expected = Token {
        uuid: new.uuid.clone(),
        hash: new.hash.clone(),
        owner: ada,
        name: new.name.clone(),
        scopes: new.scopes,
        networks: new.networks.clone(),
        expires_at: new.expires_at,
        created_at: NOW,
        last_use: None,
        revision: position.revision,
    };
    assert_eq!(found(&directory, &new).await, Some(expected));
    let other = new_token("ada", "other", 2);
    assert_eq!(directory.token(&other.hash).await.unwrap(), TokenLookup::Unknown);
    change(&directory, "ada", UserChange { name: Some(name("countess")), ..UserChange::default() }).await;
    assert_eq!(found(&directory, &new).await.unwrap().owner.name, name("countess"), "it hangs on the person");
}

pub async fn a_token_is_a_change_and_its_use_is_none(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "ada").await;
    let before = directory.position().await.unwrap();
    let new = new_token("ada", "backup", 1);
    let created = directory.create_token(new.clone()).await.unwrap();
    assert_eq!(created.revision, before.revision + 1);
    assert_eq!(changes_since(&directory, &before).await, token_changes(&[&new]));

    let used = |at, source: &str| TokenUse { uuid: new.uuid.clone(), at, source: source.parse().unwrap() };
    let elsewhere = TokenUse { uuid: "nobody".into(), ..used(1, "::1") };
    let last_use = async || found(&directory, &new).await.unwrap().last_use;
    directory.note_token_uses(&[used(NOW + 5, "192.0.2.7"), elsewhere]).await.unwrap();
    assert_eq!(last_use().await, Some((NOW + 5, "192.0.2.7".parse().unwrap())));
    directory.note_token_uses(&[used(NOW + 9, "2001:db8::1"), used(NOW + 7, "::1")]).await.unwrap();
    assert_eq!(last_use().await, Some((NOW + 9, "2001:db8::1".parse().unwrap())), "another node was earlier");
    directory.note_token_uses(&[]).await.unwrap();
    assert_eq!(directory.position().await.unwrap(), created, "nobody's view has changed");

    directory.revoke_token(name("ada"), new.name.clone()).await.unwrap();
    assert_eq!(changes_since(&directory, &created).await, token_changes(&[&new]));
    directory.note_token_uses(&[used(NOW + 11, "::1")]).await.unwrap();
    assert_eq!(found(&directory, &new).await, None, "a use that is noted late brings nothing back");
}

pub async fn a_revoked_token_is_remembered_as_one(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "ada").await;
    let new = new_token("ada", "backup", 1);
    directory.create_token(new.clone()).await.unwrap();
    let position = directory.revoke_token(name("ada"), new.name.clone()).await.unwrap();
    let TokenLookup::Revoked(gone) = directory.token(&new.hash).await.unwrap() else { panic!("it is none") };
    assert_eq!((gone.owner, gone.name, gone.revision), (name("ada"), new.name.clone(), position.revision));
    let words = refusal!(directory.revoke_token(name("ada"), new.name.clone()).await, NotFound);
    assert_eq!(words, "ada has no token backup");
    refusal!(directory.revoke_token(name("nobody-here"), new.name.clone()).await, NotFound);
    assert_eq!(directory.position().await.unwrap(), position, "what is refused is no change");

    directory.create_token(new_token("ada", "backup", 2)).await.unwrap();
    assert_eq!(found(&directory, &new).await, None, "the same name is another token");
    for number in 0..MAX_REVOKED_TOKENS_PER_USER + 5 {
        let next = new_token("ada", "next", 10 + number);
        directory.create_token(next.clone()).await.unwrap();
        directory.revoke_token(name("ada"), next.name).await.unwrap();
    }
    assert_eq!(directory.token(&new.hash).await.unwrap(), TokenLookup::Unknown, "nothing grows for ever");
    let recent = directory.token(&new_token("ada", "next", 20).hash).await.unwrap();
    assert!(matches!(recent, TokenLookup::Revoked(_)), "{recent:?}");
}

pub async fn tokens_go_with_their_owner_and_come_back_for_nobody(storage: &impl Backend) {
    let directory = storage.open().await;
    let ada = add_user(&directory, "ada").await.user;
    add_user(&directory, "bob").await;
    let (one, two) = (new_token("ada", "one", 1), new_token("ada", "two", 2));
    for new in [&one, &two, &new_token("bob", "one", 3)] {
        directory.create_token(new.clone()).await.unwrap();
    }
    let before = directory.position().await.unwrap();
    let after = directory.delete_user(name("ada"), None).await.unwrap();
    assert_eq!(after.revision, before.revision + 1, "the same commit");
    let changes = changes_since(&directory, &before).await;
    assert!(token_changes(&[&one, &two]).iter().all(|token| changes.contains(token)), "{changes:?}");
    assert_eq!(listed(&directory, None).await, ["bob/one"]);

    create_user(&directory, NewUser { reuse_name: true, ..new_user("ada") }).await.unwrap();
    for new in [&one, &two] {
        let lookup = directory.token(&new.hash).await.unwrap();
        assert!(matches!(lookup, TokenLookup::Revoked(_)), "{lookup:?}");
    }
    assert_eq!(listed(&directory, Some("ada")).await, [""; 0]);
    let again = NewToken { hash: new_token("ada", "one", 9).hash, ..one };
    directory.create_token(again.clone()).await.unwrap();
    assert_ne!(found(&directory, &again).await.unwrap().owner.uuid, ada.uuid);
}

pub async fn whoever_is_locked_has_no_tokens_and_gets_none_back(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "ada").await;
    let new = new_token("ada", "backup", 1);
    directory.create_token(new.clone()).await.unwrap();
    let before = directory.position().await.unwrap();
    assert_eq!(change(&directory, "ada", locked()).await.revision, before.revision + 1, "the same commit");
    assert_eq!(found(&directory, &new).await, None);
    let words = refusal!(directory.create_token(new_token("ada", "next", 2)).await, Refused);
    assert!(words.contains("ada is locked"), "{words}");

    let unlock = UserChange { state: Some(State::Active), ..UserChange::default() };
    change(&directory, "ada", unlock).await;
    assert_eq!(found(&directory, &new).await, None);
    directory.create_token(new_token("ada", "backup", 3)).await.unwrap();
    change(&directory, "ada", UserChange { gecos: Some("Ada".parse().unwrap()), ..UserChange::default() })
        .await;
    assert_eq!(listed(&directory, None).await, ["ada/backup"], "other changes revoke nothing");
}

pub async fn whoever_is_an_admin_no_more_keeps_what_users_may_have(storage: &impl Backend) {
    let directory = storage.open().await;
    create_user(&directory, NewUser { is_admin: true, ..new_user("ada") }).await.unwrap();
    for (number, (text, scopes)) in
        [("reads", "read"), ("writes", "read,write"), ("asks", "authenticate")].into_iter().enumerate()
    {
        let new = new_token("ada", text, number as u64);
        directory.create_token(NewToken { scopes: scopes.parse().unwrap(), ..new }).await.unwrap();
    }
    let admin = |is_admin| UserChange { is_admin: Some(is_admin), ..UserChange::default() };
    change(&directory, "ada", admin(true)).await;
    assert_eq!(listed(&directory, None).await.len(), 3);
    change(&directory, "ada", admin(false)).await;
    assert_eq!(listed(&directory, None).await, ["ada/reads"]);
}

pub async fn an_owner_has_one_token_of_a_name_and_a_hundred_at_the_most(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "ada").await;
    add_user(&directory, "bob").await;
    directory.create_token(new_token("ada", "backup", 1)).await.unwrap();
    directory.create_token(new_token("bob", "backup", 2)).await.unwrap();
    let words = refusal!(directory.create_token(new_token("ada", "backup", 3)).await, Conflict);
    assert_eq!(words, "ada has a token backup already");
    refusal!(directory.create_token(new_token("nobody-here", "backup", 4)).await, NotFound);
    refusal!(directory.create_token(new_token("ada", "other", 1)).await, Conflict);
    for number in 1..MAX_TOKENS_PER_USER {
        directory.create_token(new_token("ada", &format!("n{number}"), 100 + number)).await.unwrap();
    }
    let words = refusal!(directory.create_token(new_token("ada", "late", 5)).await, Refused);
    assert!(words.contains("100 tokens"), "{words}");
    directory.create_token(new_token("bob", "another", 6)).await.unwrap();
}

pub async fn tokens_are_listed_by_owner_and_name_a_page_at_a_time(storage: &impl Backend) {
    let directory = storage.open().await;
    for (index, owner) in ["a-b", "a", "ab"].into_iter().enumerate() {
        add_user(&directory, owner).await;
        for (offset, text) in ["z", "0", "a-b", "a.b"].into_iter().enumerate() {
            directory.create_token(new_token(owner, text, (10 * index + offset) as u64)).await.unwrap();
        }
    }
    let mut pages: Vec<Token> = Vec::new();
    for more in [true, true, false] {
        let after = pages.last().map(|last| (last.owner.name, last.name.clone()));
        let page = directory.tokens(None, after, 5).await.unwrap();
        assert_eq!(page.more, more);
        pages.extend(page.items);
    }
    let keys: Vec<_> = pages.iter().map(|token| (token.owner.name, token.name.clone())).collect();
    assert!(keys.len() == 12 && keys.is_sorted(), "{keys:?}");
    assert_eq!(listed(&directory, Some("a")).await, ["a/0", "a/a-b", "a/a.b", "a/z"]);
    assert_eq!(listed(&directory, Some("nobody-here")).await, [""; 0]);
}

pub async fn whoever_is_deleted_while_a_token_is_made_leaves_none(storage: &impl Backend) {
    let directory = Arc::new(storage.open().await);
    for round in 0..10 {
        let user = format!("user{round}");
        add_user(&*directory, &user).await;
        let mut making = JoinSet::new();
        for number in 0..4 {
            let (directory, new) =
                (Arc::clone(&directory), new_token(&user, &format!("t{number}"), 10 * round + number));
            making.spawn(async move { directory.create_token(new).await });
        }
        let ending = match round % 2 {
            0 => directory.delete_user(name(&user), None).await,
            _ => directory.update_user(name(&user), locked(), &rules()).await,
        };
        ending.unwrap();
        let outcomes: Vec<Result<Position>> = making.join_all().await;
        let refused = outcomes.into_iter().filter_map(Result::err);
        assert!(refused.into_iter().all(|error| matches!(error, Error::NotFound(_) | Error::Refused(_))));
        assert_eq!(listed(&*directory, None).await, [""; 0], "round {round}");
    }
}
