mod bad_days;
mod simulation;
mod view;

use std::sync::Arc;

use crate::config::Settings;
use crate::directory::{LocalAccounts, Rules};
use crate::store::SqliteDirectory;
use crate::testing::{Folder, Publishing, rules};

/// A directory in `folder`, published there by the default rules.
async fn publishing(folder: &Folder) -> Publishing<SqliteDirectory> {
    let directory = SqliteDirectory::open(&folder.join("directory.sqlite")).await.unwrap();
    Publishing::start(Arc::new(directory), folder, rules(), Settings::default())
}

/// Another set of local accounts comes into force.
fn local_accounts_become(publishing: &Publishing<SqliteDirectory>, passwd: &str, group: &str) {
    let local = LocalAccounts::parse(passwd, group);
    publishing.rules.send_replace(Arc::new(Rules { local, ..rules() }));
}
