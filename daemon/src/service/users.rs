//! Users and their passwords.

use identity::{AbsolutePath, Day, Email, Gecos, Name, State, Uid};
use zeroize::Zeroizing;

use super::{Caller, Operation, Service};
use crate::directory::{
    Batch, Directory, Error, Key, Member, NewMember, NewUser, Origin, Page, Primary, Result, UserChange,
};
use crate::verifiers::lockout::Subject;
use crate::verifiers::{NewPassword, PasswordHash};

/// A user to create, as an admin asks for it.
#[derive(Default)]
pub struct NewAccount {
    /// The id; allocated when absent.
    pub uid: Option<Uid>,
    /// An existing primary group; a private one is made when absent.
    pub group: Option<Name>,
    /// The comment.
    pub gecos: Option<Gecos>,
    /// The e-mail address.
    pub email: Option<Email>,
    /// The home directory; the node's template when absent.
    pub home: Option<AbsolutePath>,
    /// The login shell; the node's default when absent.
    pub shell: Option<AbsolutePath>,
    /// The first day of expiry.
    pub expires_at: Option<Day>,
    /// Whether the user may administer the directory.
    pub is_admin: bool,
    /// Existing groups to join.
    pub groups: Vec<Name>,
    /// A password.
    pub password: Option<Zeroizing<String>>,
    /// Give the name of a deleted user to this new one.
    pub reuse_name: bool,
}

/// A password to set, or to take away.
pub struct PasswordChange {
    /// The old one, which a user must know and an admin need not.
    pub old: Option<Zeroizing<String>>,
    /// The new one, or none.
    pub new: Option<Zeroizing<String>>,
}

impl<D: Directory> Service<D> {
    /// Creates a user.
    pub async fn create_user(&self, caller: &Caller, name: Name, account: NewAccount) -> Result<Member> {
        caller.may(Operation::Change)?;
        let settings = self.current_settings();
        let password = match account.password {
            Some(password) => Some(self.hash(password).await?.as_str().to_owned()),
            None => None,
        };
        let user = NewUser {
            line: 0,
            uuid: new_uuid(),
            name,
            uid: account.uid,
            primary: match account.group {
                Some(group) => Primary::Named(group),
                None => Primary::Private { uuid: new_uuid(), gid: None },
            },
            gecos: account.gecos.unwrap_or(Gecos::EMPTY),
            email: account.email,
            home: account.home,
            shell: account.shell.unwrap_or_else(|| settings.users.shell.clone()),
            state: State::Active,
            expires_at: account.expires_at,
            is_admin: account.is_admin,
            password,
            reuse_name: account.reuse_name,
            origin: Origin::Admin,
        };
        let members =
            account.groups.into_iter().map(|group| NewMember { line: 0, group, user: name }).collect();
        let batch = Batch { users: vec![user], members, all_or_nothing: true, ..Batch::default() };
        let (_, position) = self.directory.create(batch, &self.current_rules(), false).await?;
        self.visible(&position).await?;
        tracing::info!(user = %name, by = %caller, "user created");
        self.existing_user(name).await
    }

    /// One user; a user may look at oneself.
    pub async fn user(&self, caller: &Caller, key: Key) -> Result<Member> {
        if let Key::Name(name) = key {
            caller.may(Operation::LookAt(name))?;
        }
        let found = self.directory.user(key).await?;
        if let Some(member) = &found {
            caller.may(Operation::LookAt(member.user.name))?;
        }
        found.ok_or_else(|| match key {
            Key::Name(name) => Error::no_user(name),
            Key::Id(uid) => Error::no_user(format_args!("with uid {uid}")),
        })
    }

    /// A page of users.
    pub async fn users(&self, caller: &Caller, after: Option<Name>, limit: u32) -> Result<Page<Member>> {
        caller.may(Operation::List)?;
        self.directory.users(after, limit).await
    }

    /// Changes a user.
    pub async fn update_user(&self, caller: &Caller, name: Name, change: UserChange) -> Result<Member> {
        caller.may(Operation::Change)?;
        self.check_change_is_ours(name, &change).await?;
        let state = change.state;
        let renamed = change.name.unwrap_or(name);
        let position = self.directory.update_user(name, change, &self.current_rules()).await?;
        // Of a directory elsewhere, this node's copy shows the change no sooner than lookups do.
        let shown = self.visible(&position).await;
        if state == Some(State::Active) {
            self.node.clear_failures(&Subject::User(renamed).to_string()).await;
        }
        let member = shown.and(self.existing_user(renamed).await)?;
        if state == Some(State::Locked) {
            self.locked_by_admin(&member.user.uuid).await;
        }
        if state == Some(State::Active) {
            self.reception().readmit(&member.user.uuid).await?;
        }
        tracing::info!(user = %renamed, by = %caller, "user changed");
        Ok(member)
    }

    /// Deletes a user.
    pub async fn delete_user(&self, caller: &Caller, name: Name, if_revision: Option<u64>) -> Result<u64> {
        caller.may(Operation::Change)?;
        let position = self.directory.delete_user(name, if_revision).await?;
        self.visible(&position).await?;
        tracing::info!(user = %name, by = %caller, "user deleted");
        Ok(position.revision)
    }

    /// Sets a password: an admin anybody's, a user their own with the old one. Wrong old passwords count as
    /// failed logins.
    pub async fn set_password(&self, caller: &Caller, name: Name, change: PasswordChange) -> Result<u64> {
        let PasswordChange { old, new } = change;
        self.may_set_password(caller, name, old.as_ref(), new.is_some()).await?;
        let hash = match new {
            Some(password) => Some(self.hash(password).await?.as_str().to_owned()),
            None => None,
        };
        self.store_password(caller, name, old, hash).await
    }

    /// The same by the verifier of the new password, which whoever asks has made.
    pub async fn set_password_hash(
        &self,
        caller: &Caller,
        name: Name,
        old: Option<Zeroizing<String>>,
        hash: String,
    ) -> Result<u64> {
        self.may_set_password(caller, name, old.as_ref(), true).await?;
        let hash = self.keepable_hash(hash)?;
        self.store_password(caller, name, old, Some(hash)).await
    }

    async fn may_set_password(
        &self,
        caller: &Caller,
        name: Name,
        old: Option<&Zeroizing<String>>,
        is_new: bool,
    ) -> Result<()> {
        caller.may(Operation::SetPassword(name))?;
        self.check_password_is_ours(name).await?;
        match old {
            _ if caller.is_trusted() => Ok(()),
            _ if !is_new => Err(Error::Refused("only an admin can take a password away".into())),
            None => Err(Error::Refused("your old password is needed to set a new one".into())),
            Some(old) => self.prove(name, old.clone()).await,
        }
    }

    async fn store_password(
        &self,
        caller: &Caller,
        name: Name,
        old: Option<Zeroizing<String>>,
        hash: Option<String>,
    ) -> Result<u64> {
        let position = match (old, hash) {
            (Some(old), Some(hash)) => self.directory.set_own_password(name, &old, hash).await?,
            (_, hash) => self.directory.set_password(name, hash).await?,
        };
        self.visible(&position).await?;
        tracing::info!(user = %name, by = %caller, "password changed");
        Ok(position.revision)
    }

    async fn existing_user(&self, name: Name) -> Result<Member> {
        self.directory.user(Key::Name(name)).await?.ok_or_else(|| Error::no_user(name))
    }

    /// The verifier of a new password that is good enough.
    async fn hash(&self, password: Zeroizing<String>) -> Result<PasswordHash> {
        self.takes_passwords()?;
        let min_length = self.current_settings().password.min_length;
        let password =
            NewPassword::parse(password, min_length).map_err(|error| Error::invalid("password", error))?;
        self.pool.hash(password).await.map_err(|busy| Error::Busy(busy.to_string()))
    }
}

/// A new immutable identity.
pub fn new_uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}
