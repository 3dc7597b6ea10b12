mod bad_days;
mod reserved;
mod simulation;
mod view;

use std::sync::Arc;

use crate::config::Settings;
use crate::directory::{LocalAccounts, Rules};
use crate::store::SqlDirectory;
use crate::testing::{Folder, Publishing, rules};

/// A directory in `folder`, published there by the default rules.
async fn publishing(folder: &Folder) -> Publishing<SqlDirectory> {
    let directory = SqlDirectory::sqlite(&folder.join("directory.sqlite")).await.unwrap();
    Publishing::start(Arc::new(directory), folder, rules(), Settings::default())
}

/// Another set of local accounts comes into force.
fn local_accounts_become(publishing: &Publishing<SqlDirectory>, passwd: &str, group: &str) {
    let local = LocalAccounts::parse(passwd, group);
    publishing.rules.send_replace(Arc::new(Rules { local, ..rules() }));
}
