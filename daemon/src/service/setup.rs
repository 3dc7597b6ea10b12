//! The first setup of a node, for root: whether there is anything to set up, and whether a configuration that is not in
//! force would do. Nothing is written here; who asks writes the files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use identity::{Name, State};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Caller, OidcCheck, Operation, Service};
use crate::config::{AuthMode, Backend, Oidc, Provider, Reload, Secret, Settings, candidate};
use crate::directory::{Directory, Error, Result};
use crate::limits::MAX_PAGE;
use crate::store::{RemoteDirectory, Schema, SqlDirectory};
use crate::verifiers::oidc::check;

/// A node that may be set up.
#[derive(Debug)]
pub struct SetupState {
    /// The section that says where the directory is; none: it is this node's own.
    pub section: Option<&'static str>,
    /// Where the directory is.
    pub location: String,
    /// Users in it.
    pub users: u64,
    /// The settings.
    pub settings: std::sync::Arc<Settings>,
}

/// What came of trying a directory.
#[derive(Debug)]
pub struct TriedDirectory {
    /// Where it is.
    pub location: String,
    /// Each thing that was tried, up to the first that failed.
    pub steps: Vec<TriedStep>,
    /// Whether its tables have to be made, or brought up to date.
    pub needs_tables: bool,
    /// Users in it, where that is known.
    pub users: Option<u64>,
    /// Somebody who is an admin in it.
    pub admin: Option<Name>,
}

/// One thing that was tried.
#[derive(Debug)]
pub struct TriedStep {
    /// What it is called.
    pub name: &'static str,
    /// What was found, or what is wrong with it.
    pub outcome: Result<String>,
}

impl<D: Directory> Service<D> {
    /// Whether this node may be set up, and what it has.
    pub async fn setup_state(&self, caller: &Caller) -> Result<SetupState> {
        let settings = self.open_to_setup(caller)?;
        if let Some(admin) = an_admin(&*self.directory).await? {
            return Err(Error::Conflict(format!(
                "this node is set up: {admin} is an admin of its directory. {admin} and root go on with podyctl user and podyctl \
                 group, and root with {}",
                settings.paths.config_file.display()
            )));
        }
        let users = self.directory.counts().await?.users;
        let (_, location) = self.directory.describe();
        Ok(SetupState { section: settings.backend.table(), location, users, settings })
    }

    /// Tries the directory that a configuration names.
    pub async fn try_directory(
        &self,
        caller: &Caller,
        config: &str,
        secrets: &BTreeMap<PathBuf, Secret>,
    ) -> Result<TriedDirectory> {
        let settings = self.candidate(caller, config, secrets)?;
        match &settings.backend {
            Backend::Local => Err(Error::invalid("config", "it names no directory but this node's own file")),
            Backend::Remote(provider) => Ok(try_node(provider, self.instance.clone()).await),
            shared => Ok(try_database(shared).await),
        }
    }

    /// Tries the OpenID provider that a configuration names, and logs nobody in.
    pub async fn try_provider(
        &self,
        caller: &Caller,
        config: &str,
        secrets: &BTreeMap<PathBuf, Secret>,
    ) -> Result<(Oidc, Vec<OidcCheck>)> {
        let oidc = self.candidate(caller, config, secrets)?.oidc;
        if !oidc.is_configured() {
            return Err(Error::invalid("config", "it names no OpenID provider"));
        }
        let checks = check(&oidc, self.clock.clone()).await;
        Ok((oidc, checks))
    }

    /// What a configuration would change.
    pub fn compare(
        &self,
        caller: &Caller,
        config: &str,
        secrets: &BTreeMap<PathBuf, Secret>,
    ) -> Result<Reload> {
        let new = self.candidate(caller, config, secrets)?;
        Ok(self.current_settings().reload_diff(&new))
    }

    /// Has podyd read its configuration again, as a signal would.
    pub fn reload(&self, caller: &Caller) -> Result<()> {
        caller.may(Operation::SetUp)?;
        kill(Pid::this(), Signal::SIGHUP)
            .map_err(|error| Error::Failed(format!("no signal can be sent: {error}")))
    }

    fn candidate(
        &self,
        caller: &Caller,
        config: &str,
        secrets: &BTreeMap<PathBuf, Secret>,
    ) -> Result<Settings> {
        let settings = self.open_to_setup(caller)?;
        candidate(config, secrets, &settings, &self.environment).map_err(|errors| {
            // Its lines are those of a file that nobody can look at.
            let lines: Vec<String> =
                errors.iter().map(|error| format!("{}: {}", error.key, error.message)).collect();
            Error::invalid("config", lines.join("\n"))
        })
    }

    fn open_to_setup(&self, caller: &Caller) -> Result<std::sync::Arc<Settings>> {
        caller.may(Operation::SetUp)?;
        let settings = self.current_settings();
        match settings.auth.mode {
            AuthMode::Standalone => Ok(settings),
            AuthMode::OidcOnly => Err(Error::Refused(format!(
                "there is nothing to set up: auth.mode is \"oidc-only\", and people come by logging in at {}. root makes one \
                 of them an admin with: podyctl user update NAME --admin",
                settings.oidc.issuer
            ))),
        }
    }
}

/// Somebody who may administer a directory, if there is anybody.
async fn an_admin(directory: &impl Directory) -> Result<Option<Name>> {
    let mut after = None;
    loop {
        let page = directory.users(after, MAX_PAGE).await?;
        let is_admin = |user: &&identity::User| user.is_admin && user.state == State::Active;
        if let Some(admin) = page.items.iter().map(|member| &member.user).find(is_admin) {
            return Ok(Some(admin.name));
        }
        after = page.items.last().map(|member| member.user.name);
        if !page.more {
            return Ok(None);
        }
    }
}

/// Another node's directory: whether it answers to this token.
async fn try_node(provider: &Provider, instance: String) -> TriedDirectory {
    let location = provider.endpoint.to_string();
    let mut tried =
        TriedDirectory { location, steps: Vec::new(), needs_tables: false, users: None, admin: None };
    let outcome = async {
        let directory = RemoteDirectory::new(provider, instance)?;
        directory.position().await?;
        directory.counts().await
    };
    let outcome = outcome.await;
    tried.users = outcome.as_ref().ok().map(|counts| counts.users);
    let outcome = outcome.map(|counts| {
        let open = if provider.endpoint.is_private() {
            ""
        } else {
            "; plain http: whoever is on the way reads passwords"
        };
        format!("{} answers, users: {}{open}", tried.location, counts.users)
    });
    tried.steps.push(TriedStep { name: "connection", outcome });
    tried
}

/// A database: whether it answers, and what its tables are.
async fn try_database(backend: &Backend) -> TriedDirectory {
    let mut tried = TriedDirectory {
        location: String::new(),
        steps: Vec::new(),
        needs_tables: false,
        users: None,
        admin: None,
    };
    let database = match SqlDirectory::shared(backend) {
        Ok(database) => database,
        Err(error) => {
            tried.steps.push(TriedStep { name: "connection", outcome: Err(error) });
            return tried;
        }
    };
    tried.location = database.describe().1;
    let schema = database.schema().await;
    let answers = schema.as_ref().map(|_| format!("{} answers", tried.location)).map_err(Error::clone);
    tried.steps.push(TriedStep { name: "connection", outcome: answers });
    if let Ok(schema) = schema {
        let outcome = look_at_tables(&database, schema, &mut tried).await;
        tried.steps.push(TriedStep { name: "tables", outcome });
    }
    database.close().await;
    tried
}

async fn look_at_tables(
    database: &SqlDirectory,
    schema: Schema,
    tried: &mut TriedDirectory,
) -> Result<String> {
    tried.needs_tables = matches!(schema, Schema::Missing | Schema::Older { .. });
    match schema {
        Schema::Missing => return Ok("there are none yet: setup makes them".into()),
        Schema::Older { has, wants } => {
            return Ok(format!(
                "they are those of an older podyd (schema {has}): setup brings them to {wants}, which every node that shares \
                 them needs then"
            ));
        }
        Schema::Current(_) | Schema::Newer { .. } => schema.check()?,
    }
    let counts = database.counts().await?;
    tried.users = Some(counts.users);
    tried.admin = an_admin(database).await?;
    Ok(format!("{schema}; users: {}", counts.users))
}
