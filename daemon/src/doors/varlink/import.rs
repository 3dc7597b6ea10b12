//! The import and export methods of `org.pody.Directory`.

use identity::{Gid, State, Uid};
use protocol::directory::{
    Export, ExportReply, ExportedUser, Import, ImportGroup, ImportMember, ImportReply, ImportUser,
    PodyUsersReply, ReadPodyDatabase, RefusedRecord, Secret,
};

use super::Handle;
use crate::directory::{Batch, Directory, Error, NewGroup, NewMember, NewUser, Origin, Primary, Result};
use crate::doors::record::{self, fitting, page_size, parse, parse_option};
use crate::limits::{MAX_BATCH, MAX_EXPORT_PAGE};
use crate::service::{Caller, Service, new_uuid};

impl<D: Directory> Handle<D> for Import {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<ImportReply> {
        let sent = self.groups.len() + self.users.len() + self.members.len();
        if sent > MAX_BATCH {
            return Err(Error::invalid("users", format!("a batch has {MAX_BATCH} records at the most")));
        }
        let mut refused = Vec::new();
        let (new_ids, reuse_name) = (self.new_ids, self.reuse_name);
        let batch = Batch {
            groups: read(
                self.groups,
                &mut refused,
                |group| &group.name,
                |group| Ok(NewGroup { reuse_name, ..new_group(group, new_ids)? }),
            ),
            users: read(
                self.users,
                &mut refused,
                |user| &user.name,
                |user| Ok(NewUser { reuse_name, ..new_user(user, service, new_ids)? }),
            ),
            members: read(self.members, &mut refused, |member| &member.user, member),
            all_or_nothing: false,
        };
        let by_directory = service.import(caller, batch, self.dry_run, !self.more).await?;
        refused.extend(by_directory.into_iter().map(|refusal| RefusedRecord {
            line: refusal.line,
            name: refusal.name,
            reason: refusal.error.to_string(),
        }));
        refused.sort_by_key(|refusal| refusal.line);
        Ok(ImportReply { taken: (sent - refused.len()) as u64, refused })
    }
}

/// A record that has a place in the caller's file.
trait Line {
    fn line(&self) -> u64;
}

macro_rules! lines {
    ($($record:ty),*) => {
        $(impl Line for $record {
            fn line(&self) -> u64 {
                self.line
            }
        })*
    };
}

lines!(ImportGroup, ImportUser, ImportMember);

/// Reads what can be read; the rest is refused line by line.
fn read<R: Line, T>(
    records: Vec<R>,
    refused: &mut Vec<RefusedRecord>,
    name: impl Fn(&R) -> &String,
    read: impl Fn(R) -> Result<T>,
) -> Vec<T> {
    let mut taken = Vec::with_capacity(records.len());
    for record in records {
        let (line, name) = (record.line(), name(&record).clone());
        match read(record) {
            Ok(record) => taken.push(record),
            Err(error) => refused.push(RefusedRecord { line, name, reason: error.to_string() }),
        }
    }
    taken
}

fn new_group(record: ImportGroup, new_ids: bool) -> Result<NewGroup> {
    Ok(NewGroup {
        line: record.line,
        uuid: new_uuid(),
        name: parse("name", &record.name)?,
        gid: record.gid.filter(|_| !new_ids).map(Gid),
        reuse_name: false,
    })
}

fn new_user<D: Directory>(record: ImportUser, service: &Service<D>, new_ids: bool) -> Result<NewUser> {
    let primary = match record.group.as_deref() {
        Some(group) => Primary::Named(parse("group", group)?),
        None => Primary::Private { uuid: new_uuid(), gid: record.gid.filter(|_| !new_ids).map(Gid) },
    };
    let password = record.password_hash.map(|Secret(hash)| service.keepable_hash(hash)).transpose()?;
    Ok(NewUser {
        line: record.line,
        uuid: new_uuid(),
        name: parse("name", &record.name)?,
        uid: record.uid.filter(|_| !new_ids).map(Uid),
        primary,
        gecos: parse("gecos", &record.gecos)?,
        email: parse_option("email", record.email.as_deref())?,
        home: parse_option("home", record.home.as_deref())?,
        shell: parse_option("shell", record.shell.as_deref())?.unwrap_or_else(|| service.default_shell()),
        state: if record.locked { State::Locked } else { State::Active },
        expires_at: parse_option("expires_at", record.expires_at.as_deref())?,
        is_admin: record.is_admin,
        password,
        reuse_name: false,
        origin: Origin::Admin,
    })
}

fn member(record: ImportMember) -> Result<NewMember> {
    Ok(NewMember {
        line: record.line,
        group: parse("group", &record.group)?,
        user: parse("user", &record.user)?,
    })
}

impl<D: Directory> Handle<D> for Export {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<ExportReply> {
        let after = parse_option("after", self.after.as_deref())?;
        let page = service.export(caller, after, page_size(self.limit, MAX_EXPORT_PAGE)).await?;
        let users = page.items.into_iter().map(|(member, hash)| ExportedUser {
            user: record::user(member, None),
            password_hash: hash.map(Secret),
        });
        let (users, some_stay) = fitting(users.collect());
        Ok(ExportReply { users, more: page.more || some_stay })
    }
}

impl<D: Directory> Handle<D> for ReadPodyDatabase {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<PodyUsersReply> {
        let users = service.read_pody_database(caller, &self.content.0).await?;
        let users = users.into_iter().map(|user| ImportUser {
            line: user.id,
            name: user.name,
            password_hash: Some(Secret(user.password_hash)),
            is_admin: user.is_admin,
            ..ImportUser::default()
        });
        Ok(PodyUsersReply { users: users.collect() })
    }
}
