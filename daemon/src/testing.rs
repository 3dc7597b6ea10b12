//! What the tests of several folders share: places of their own, records to create, and waiting.

mod consumer;
mod http;
mod kernel;
mod node;
mod publishing;

use std::collections::BTreeSet;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use identity::{Gecos, Gid, IdRange, Name, State, Uid};
use tokio::time::{Instant, interval};

use crate::config::{Oidc, OidcUsers, Settings};
use crate::directory::{
    Arrival, Batch, Directory, Error, Identity, Key, LocalAccounts, Member, NewGroup, NewMember, NewUser,
    Origin, Primary, Result, Rules, Team,
};
use crate::service::new_uuid;

pub use consumer::{consumer, consumer_with, following, provider};
pub use http::{SHARED_TOKEN, ServedNode};
pub use kernel::{TestKernel, TestState};
pub use node::{NOW, TestNode, cheap_hashes, peer, secret};
pub use publishing::{Publishing, look};

/// How long a test waits for what must happen: far above what it takes on a machine that does other things, too.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A directory of a test's own, gone with it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("podyd-{}", new_uuid()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// A new, empty directory inside.
    pub fn subfolder(&self, name: &str) -> PathBuf {
        let path = self.join(name);
        fs::create_dir(&path).unwrap();
        path
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns as soon as the condition holds; panics when it does not within [`PATIENCE`].
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let (deadline, mut ticks) = (Instant::now() + PATIENCE, interval(LOOK_EVERY));
    while !condition().await {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        ticks.tick().await;
    }
}

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().copied().map(name).collect()
}

/// The default rules, on a machine without local accounts.
pub fn rules() -> Rules {
    Rules::of(&Settings::default(), LocalAccounts::default())
}

/// Rules under which new ids come from `min..=max`.
pub fn rules_allocating(min: u32, max: u32) -> Rules {
    Rules { allocate: IdRange::new(min, max).unwrap(), ..rules() }
}

/// Settings of a node on which everybody whom a provider knows becomes a user at the first login.
pub fn open_to_newcomers(settings: Settings) -> Settings {
    let oidc = Oidc { issuer: "https://login.example.com".parse().unwrap(), ..settings.oidc };
    let oidc_users = OidcUsers { create: true, allow_everybody: true, ..settings.oidc_users };
    Settings { oidc, oidc_users, ..settings }
}

/// A user with a private group, who gets the next id.
pub fn new_user(text: &str) -> NewUser {
    NewUser {
        line: 0,
        uuid: new_uuid(),
        name: name(text),
        uid: None,
        primary: Primary::Private { uuid: new_uuid(), gid: None },
        gecos: Gecos::EMPTY,
        email: None,
        home: None,
        shell: "/bin/bash".parse().unwrap(),
        state: State::Active,
        expires_at: None,
        is_admin: false,
        password: None,
        reuse_name: false,
        origin: Origin::Admin,
    }
}

/// A user who is given this uid.
pub fn new_user_with(text: &str, uid: u32) -> NewUser {
    NewUser { uid: Some(Uid(uid)), ..new_user(text) }
}

/// A user whose primary group is one that exists.
pub fn new_user_in(text: &str, group: &str) -> NewUser {
    NewUser { primary: Primary::Named(name(group)), ..new_user(text) }
}

/// A group, which gets the next id.
pub fn new_group(text: &str) -> NewGroup {
    NewGroup { line: 0, uuid: new_uuid(), name: name(text), gid: None, reuse_name: false }
}

/// A group that is given this gid.
pub fn new_group_with(text: &str, gid: u32) -> NewGroup {
    NewGroup { gid: Some(Gid(gid)), ..new_group(text) }
}

pub fn new_member(group: &str, user: &str) -> NewMember {
    NewMember { line: 0, group: name(group), user: name(user) }
}

/// Somebody who logs in under this name, which the claims come to, too, and may be created; the claims speak of nothing else.
pub fn arrival(asked: &str, subject: &str) -> Arrival {
    Arrival {
        identity: Identity::new("https://login.example.com", subject).unwrap(),
        asked: name(asked),
        mapped: Some(name(asked)),
        may_create: Ok(()),
        may_stay: Ok(()),
        reserved: None,
        gecos: None,
        email: None,
        shell: None,
        groups: None,
        first_groups: BTreeSet::new(),
        id_token: String::new().into(),
    }
}

/// A batch of one user.
pub fn one_user(user: NewUser) -> Batch {
    Batch { users: vec![user], all_or_nothing: true, ..Batch::default() }
}

/// A batch of one group.
pub fn one_group(group: NewGroup) -> Batch {
    Batch { groups: vec![group], all_or_nothing: true, ..Batch::default() }
}

pub async fn create_user(directory: &impl Directory, user: NewUser) -> Result<Member> {
    let key = Key::Name(user.name);
    directory.create(one_user(user), &rules(), false).await?;
    directory.user(key).await?.ok_or_else(|| Error::Failed("it is not there".into()))
}

pub async fn create_group(directory: &impl Directory, group: NewGroup) -> Result<Team> {
    let key = Key::Name(group.name);
    directory.create(one_group(group), &rules(), false).await?;
    directory.group(key).await?.ok_or_else(|| Error::Failed("it is not there".into()))
}

pub async fn add_user(directory: &impl Directory, text: &str) -> Member {
    create_user(directory, new_user(text)).await.unwrap()
}

pub async fn add_group(directory: &impl Directory, text: &str) -> Team {
    create_group(directory, new_group(text)).await.unwrap()
}

pub async fn join(directory: &impl Directory, group: &str, users: &[&str]) {
    directory.set_members(name(group), names(users), true).await.unwrap();
}

pub async fn leave(directory: &impl Directory, group: &str, users: &[&str]) {
    directory.set_members(name(group), names(users), false).await.unwrap();
}

pub async fn find_user(directory: &impl Directory, text: &str) -> Option<Member> {
    directory.user(Key::Name(name(text))).await.unwrap()
}

pub async fn find_group(directory: &impl Directory, text: &str) -> Option<Team> {
    directory.group(Key::Name(name(text))).await.unwrap()
}

/// Every user and every group with its members, as the directory's reads show them page by page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Everything {
    pub users: Vec<Member>,
    pub groups: Vec<Team>,
}

impl Everything {
    pub async fn of(directory: &impl Directory) -> Self {
        let mut all = Self::default();
        loop {
            let page = directory.users(all.users.last().map(|last| last.user.name), 100).await.unwrap();
            all.users.extend(page.items);
            if !page.more {
                break;
            }
        }
        loop {
            let after = all.groups.last().map(|last| last.group.name);
            let page = directory.groups(after, 100, true).await.unwrap();
            for team in page.items {
                let whole = directory.group(Key::Id(team.group.gid.0)).await.unwrap().unwrap();
                all.groups.push(whole);
            }
            if !page.more {
                return all;
            }
        }
    }

    pub fn user_names(&self) -> Vec<&str> {
        self.users.iter().map(|member| member.user.name.as_str()).collect()
    }
}
