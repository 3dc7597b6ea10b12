//! How many users there are, for `auth.max_users`. Whoever creates some holds everybody else's lock meanwhile, and counting
//! a hundred thousand takes as long as creating several: so they are counted rarely, and it is known from the change feed
//! how many more there can be since.

use std::sync::{Mutex, PoisonError};

use super::read;
use super::session::Session;
use super::value::values;
use crate::directory::{Position, Result};

/// So many changes after counting it is done again, before it takes as long to count the changes.
const COUNT_AGAIN_AFTER: u64 = 1_000;

/// What was counted, and when.
#[derive(Debug, Default)]
pub struct UserCount(Mutex<Option<(Position, u64)>>);

impl UserCount {
    /// At least as many as there are users: exactly that where `wanted` more might be too many.
    pub async fn at_most(&self, session: &mut Session, wanted: u64, max: u64) -> Result<u64> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((then, users)) = counted
            && let Some(changes) = changes_since(session, &then).await?
            && (changes == 0 || changes < COUNT_AGAIN_AFTER && users + changes + wanted <= max)
        {
            return Ok(users + changes);
        }
        let now = read::position(session).await?;
        let rows = session.query("SELECT COUNT(*) AS users FROM users", &[]).await?;
        let users = rows.one()?.unsigned("users")?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, users));
        Ok(users)
    }
}

/// How often a user was changed since: none comes or goes without. Nothing, where that moment is not of this history.
async fn changes_since(session: &mut Session, then: &Position) -> Result<Option<u64>> {
    let statement = "SELECT (SELECT COUNT(*) FROM changes WHERE revision > $1 AND kind = 'user') AS changes FROM revisions \
                     WHERE revision = $1 AND stamp = $2";
    let rows = session.query(statement, values![then.revision, then.stamp]).await?;
    rows.first().map(|row| row.unsigned("changes")).transpose()
}

#[cfg(test)]
mod tests {
    use crate::directory::{Directory, Rules};
    use crate::store::SqlDirectory;
    use crate::testing::{Folder, add_user, create_user, name, new_user, one_user, rules};

    async fn at_most(directory: &SqlDirectory, max: u64) -> u64 {
        let mut session = directory.write().await.unwrap();
        let users = directory.user_count.at_most(&mut session, 1, max).await;
        session.finish(users).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn users_are_counted_again_where_it_matters_alone() {
        let folder = Folder::new();
        let directory = SqlDirectory::sqlite(&folder.join("directory.sqlite")).await.unwrap();
        assert_eq!(at_most(&directory, 100).await, 0, "counted");
        for user in ["ada", "bob", "eve"] {
            add_user(&directory, user).await;
        }
        directory.delete_user(name("bob"), None).await.unwrap();
        assert_eq!(at_most(&directory, 100).await, 4, "nobody has counted");
        assert_eq!(at_most(&directory, 4).await, 2, "it matters");
        assert_eq!(at_most(&directory, 2).await, 2, "nothing has changed");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn in_a_history_that_is_another_one_users_are_counted_again() {
        let folder = Folder::new();
        let directory = SqlDirectory::sqlite(&folder.join("directory.sqlite")).await.unwrap();
        create_user(&directory, new_user("ada")).await.unwrap();
        assert_eq!(at_most(&directory, 3).await, 1);
        let mut session = directory.write().await.unwrap();
        for statement in [
            "UPDATE revisions SET stamp = 7",
            "INSERT INTO users SELECT 'u', 'restored', 7, gid, gecos, email, home, shell, state, expires_at, is_admin, origin, \
             revision FROM users",
        ] {
            session.execute(statement, &[]).await.unwrap();
        }
        session.finish(Ok(())).await.unwrap();
        let rules = Rules { max_users: Some(2), ..rules() };
        assert!(directory.create(one_user(new_user("bob")), &rules, false).await.is_err());
    }
}
