//! A whole directory from one database into another, whichever they are: read page by page as of one moment, written in
//! one transaction, and then compared row by row before that transaction is committed.
//!
//! The change feed stays behind. The new database has an epoch of its own, so that whoever follows it starts over.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::SqlDirectory;
use super::change::stamp;
use super::dialect::Dialect;
use super::read;
use super::schema::Schema;
use super::session::Session;
use super::value::{Value, values};
use crate::directory::{Directory, Error, Position, Result};

/// Rows that are held at a time: a statement's argument stays far below the 16 MiB that MariaDB takes by default.
const PAGE: usize = 2_000;

/// A table whose rows are copied.
struct Table {
    name: &'static str,
    /// What its rows are sorted by and found by.
    key: &'static [&'static str],
    /// Its columns as `{rows}` wants them.
    columns: &'static [&'static str],
}

/// Every table but the position, the change feed and the record of schema steps, in an order in which each row's parents
/// are there before it.
const TABLES: &[Table] = &[
    Table {
        name: "users",
        key: &["uuid"],
        columns: &[
            "uuid text",
            "name text",
            "uid integer",
            "gid integer",
            "gecos text",
            "email text",
            "home text",
            "shell text",
            "state text",
            "expires_at integer",
            "is_admin integer",
            "origin text",
            "revision integer",
        ],
    },
    Table {
        name: "groups",
        key: &["uuid"],
        columns: &["uuid text", "name text", "gid integer", "private_of text", "revision integer"],
    },
    Table {
        name: "members",
        key: &["group_uuid", "user_uuid"],
        columns: &["group_uuid text", "user_uuid text", "origin text"],
    },
    Table {
        name: "credentials",
        key: &["user_uuid"],
        columns: &["user_uuid text", "hash text", "revision integer"],
    },
    Table { name: "ids", key: &["kind", "id"], columns: &["kind text", "id integer", "owner text"] },
    Table {
        name: "tombstones",
        key: &["uuid", "name"],
        columns: &["uuid text", "kind text", "name text", "id integer", "revision integer"],
    },
    Table {
        name: "tokens",
        key: &["uuid"],
        columns: &[
            "uuid text",
            "hash text",
            "owner_uuid text",
            "name text",
            "scopes text",
            "networks text",
            "expires_at integer",
            "created_at integer",
            "last_used_at integer",
            "last_source text",
            "revision integer",
        ],
    },
    Table {
        name: "revoked_tokens",
        key: &["hash"],
        columns: &["hash text", "owner_uuid text", "owner text", "name text", "revision integer"],
    },
    Table {
        name: "identities",
        key: &["issuer", "subject"],
        columns: &["issuer text", "subject text", "owner_uuid text"],
    },
    Table {
        name: "reservations",
        key: &["uuid"],
        columns: &[
            "uuid text",
            "name text",
            "uid integer",
            "gid integer",
            "home text",
            "shell text",
            "expires_at integer",
        ],
    },
];

/// What nodes write every few seconds while tokens are used: it is copied, and may be older than it is by the end.
const USES: [&str; 2] = ["last_used_at integer", "last_source text"];

/// How far a copy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: &'static str,
    /// Rows that were copied or compared.
    pub done: u64,
    /// Rows to copy and to compare.
    pub total: u64,
}

/// What was copied, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Where the directory stood.
    pub position: Position,
    /// Rows of each table.
    pub rows: Vec<(&'static str, u64)>,
}

impl SqlDirectory {
    /// Copies everything into another database, which must be empty. With `dry_run`, only looks whether that could be done.
    pub async fn copy_to(
        &self,
        target: &Self,
        dry_run: bool,
        progress: &watch::Sender<Progress>,
    ) -> Result<Copied> {
        let here = |error: Error| error.about(format_args!("the directory here ({})", self.describe().1));
        let there = |error: Error| error.about(format_args!("the new database ({})", target.describe().1));
        prepare(self, target, dry_run).await.map_err(there)?;
        let mut from = self.read().await.map_err(here)?;
        let position = read::position(&mut from).await.map_err(here)?;
        let mut rows = Vec::new();
        for table in TABLES {
            rows.push((table.name, table.count(&mut from).await.map_err(here)?));
        }
        let copied = Copied { position, rows };
        // Every row is copied once, and then read once on either side.
        let total = 3 * copied.rows.iter().map(|(_, rows)| rows).sum::<u64>();
        progress.send_modify(|progress| *progress = Progress { step: "copying", done: 0, total });
        if dry_run {
            return Ok(copied);
        }
        let mut to = target.write().await.map_err(there)?;
        let outcome = async {
            for table in TABLES {
                copy(table, &mut from, &mut to, progress).await?;
            }
            from.finish(Ok(())).await.map_err(here)?;
            arrive(&mut to, copied.position.revision).await.map_err(there)?;
            progress.send_modify(|progress| progress.step = "comparing");
            self.compare(&mut to, &copied, progress).await
        };
        let outcome = outcome.await;
        to.finish(outcome).await?;
        Ok(copied)
    }

    /// Compares what stands here now with what was written there.
    async fn compare(
        &self,
        there: &mut Session,
        copied: &Copied,
        progress: &watch::Sender<Progress>,
    ) -> Result<()> {
        let mut here = self.read().await?;
        let outcome = compare(&mut here, there, copied, progress).await;
        here.finish(outcome).await
    }
}

/// Sees to it that there are tables, and nobody in them.
async fn prepare(source: &SqlDirectory, target: &SqlDirectory, dry_run: bool) -> Result<()> {
    match target.schema().await? {
        Schema::Missing if dry_run => return Ok(()),
        Schema::Missing => {
            target.migrate().await?;
        }
        fits => fits.check()?,
    }
    let mut session = target.read().await?;
    let outcome = check_emptiness(&mut session, &source.position().await?.epoch).await;
    session.finish(outcome).await
}

async fn check_emptiness(target: &mut Session, source_epoch: &str) -> Result<()> {
    let position = read::position(target).await?;
    if position.epoch == source_epoch {
        return Err(Error::Refused("it is the database that the directory is in already".into()));
    }
    for table in TABLES {
        let rows = table.count(target).await?;
        if rows > 0 || position.revision > 0 {
            return Err(Error::Refused(format!(
                "it is not empty, its revision is {} and {} has {rows} rows: name an empty one, nothing is ever \
                 overwritten",
                position.revision, table.name
            )));
        }
    }
    Ok(())
}

async fn copy(
    table: &Table,
    from: &mut Session,
    to: &mut Session,
    progress: &watch::Sender<Progress>,
) -> Result<()> {
    let mut after = None;
    while let Some(rows) = table.page(from, after.as_deref()).await? {
        table.insert(to, &rows).await.map_err(|error| error.about(format_args!("copying {}", table.name)))?;
        progress.send_modify(|progress| progress.done += rows.len() as u64);
        after = rows.last().map(|row| table.key_of(row));
    }
    Ok(())
}

/// Makes the source's revision the target's, whose history begins there.
async fn arrive(to: &mut Session, revision: u64) -> Result<()> {
    to.execute("UPDATE directory SET revision = $1", values![revision]).await?;
    to.execute("DELETE FROM revisions WHERE revision >= 0", &[]).await?;
    stamp(to, revision).await
}

async fn compare(
    here: &mut Session,
    there: &mut Session,
    copied: &Copied,
    progress: &watch::Sender<Progress>,
) -> Result<()> {
    let now = read::position(here).await?;
    if now != copied.position {
        return Err(changed(format_args!("from revision {} to {}", copied.position.revision, now.revision)));
    }
    for (table, (_, rows)) in TABLES.iter().zip(&copied.rows) {
        let ours = table.digest(here, progress).await?;
        let theirs = table.digest(there, progress).await?;
        if ours.0 != *rows {
            return Err(changed(format_args!("{} had {rows} rows and has {}", table.name, ours.0)));
        }
        if ours != theirs {
            return Err(Error::Failed(format!(
                "{} is not the same on both sides ({} rows here, {} there): nothing is kept of the copy. Either it changed \
                 meanwhile, or the new database does not keep what it is given",
                table.name, ours.0, theirs.0
            )));
        }
    }
    Ok(())
}

fn changed(how: std::fmt::Arguments<'_>) -> Error {
    Error::Conflict(format!(
        "the directory changed while it was copied ({how}), and nothing is kept of the copy: try again while nobody changes \
         anything"
    ))
}

impl Table {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().filter_map(|column| column.split(' ').next())
    }

    async fn count(&self, session: &mut Session) -> Result<u64> {
        let statement = format!("SELECT COUNT(*) AS counted FROM {}", self.name);
        session.query(&statement, &[]).await?.one()?.unsigned("counted")
    }

    /// The rows behind a key, in the order of their keys; none: that was all.
    async fn page(&self, session: &mut Session, after: Option<&[Value]>) -> Result<Option<Vec<Vec<Value>>>> {
        let names: Vec<&str> = self.names().collect();
        let mut statement = format!("SELECT {} FROM {}", names.join(", "), self.name);
        if after.is_some() {
            let _ = write!(statement, " WHERE {}", self.behind(session.dialect()));
        }
        let _ = write!(statement, " ORDER BY {} LIMIT {PAGE}", self.key.join(", "));
        let rows = session.query(&statement, after.unwrap_or_default()).await?.rows;
        Ok((!rows.is_empty()).then_some(rows))
    }

    /// The condition of being behind a key, as each database finds the place by its index.
    fn behind(&self, dialect: Dialect) -> String {
        match (self.key, dialect) {
            ([first, second], Dialect::MySql) => {
                format!("({first} > $1 OR ({first} = $1 AND {second} > $2))")
            }
            ([first, second], _) => format!("({first}, {second}) > ($1, $2)"),
            (key, _) => format!("{} > $1", key[0]),
        }
    }

    fn key_of(&self, row: &[Value]) -> Vec<Value> {
        let place = |column: &&str| self.names().position(|name| name == *column);
        self.key.iter().filter_map(place).filter_map(|place| row.get(place).cloned()).collect()
    }

    async fn insert(&self, session: &mut Session, rows: &[Vec<Value>]) -> Result<()> {
        let names: Vec<&str> = self.names().collect();
        let records: Vec<Json> = rows.iter().map(|row| self.record(row)).collect();
        let statement = format!(
            "INSERT INTO {} ({}) SELECT r.{} FROM {{rows $1 {}}}",
            self.name,
            names.join(", "),
            names.join(", r."),
            self.columns.join(", ")
        );
        session.execute(&statement, values![Json::Array(records).to_string()]).await
    }

    fn record(&self, row: &[Value]) -> Json {
        let cell = |value: &Value| match value {
            Value::Integer(number) => Json::from(*number),
            Value::Text(text) => Json::from(text.as_deref()),
        };
        let cells = self.names().zip(row).map(|(name, value)| (name.to_owned(), cell(value)));
        Json::Object(cells.collect::<Map<_, _>>())
    }

    /// How many rows there are, and what they come to: the same on every database that holds the same.
    async fn digest(
        &self,
        session: &mut Session,
        progress: &watch::Sender<Progress>,
    ) -> Result<(u64, [u8; 32])> {
        let (mut count, mut digest, mut after) = (0, Sha256::new(), None);
        while let Some(rows) = self.page(session, after.as_deref()).await? {
            for row in &rows {
                let compared = self.columns.iter().zip(row).filter(|(column, _)| !USES.contains(column));
                compared.for_each(|(_, value)| take_in(&mut digest, value));
            }
            count += rows.len() as u64;
            progress.send_modify(|progress| progress.done += rows.len() as u64);
            after = rows.last().map(|row| self.key_of(row));
        }
        Ok((count, digest.finalize().into()))
    }
}

/// Takes a value into a digest, so that no two rows can be told in the same bytes.
fn take_in(digest: &mut Sha256, value: &Value) {
    match value {
        Value::Integer(Some(number)) => {
            digest.update(b"i");
            digest.update(number.to_be_bytes());
        }
        Value::Text(Some(text)) => {
            digest.update(b"t");
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        }
        Value::Integer(None) | Value::Text(None) => digest.update(b"n"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::session::Purpose;
    use super::*;
    use crate::testing::Folder;

    /// A later migration's table that nobody thought of here would be left behind.
    #[tokio::test(flavor = "multi_thread")]
    async fn every_column_of_every_table_is_copied() {
        let folder = Folder::new();
        let directory = SqlDirectory::sqlite(&folder.join("directory.sqlite")).await.unwrap();
        let mut session = directory.database.begin(Purpose::Read).await.unwrap();
        let statement = "SELECT m.name AS tab, c.name AS col, lower(c.type) AS kind \
                         FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' \
                         AND m.name NOT IN ('directory', 'changes', 'revisions', '_sqlx_migrations', 'sqlite_sequence') \
                         ORDER BY m.rowid, c.cid";
        let found = session.query(statement, &[]).await.unwrap();
        let mut found: Vec<String> = found
            .iter()
            .map(|row| ["tab", "col", "kind"].map(|name| row.text(name).unwrap()).join(" "))
            .collect();
        let mut copied: Vec<String> = TABLES
            .iter()
            .flat_map(|table| table.columns.iter().map(|column| format!("{} {column}", table.name)))
            .collect();
        found.sort();
        copied.sort();
        assert_eq!(copied, found);
    }
}
