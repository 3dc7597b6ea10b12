//! Which backend a configuration chooses, while it is being read: every one can be described, and one at
//! the most be chosen.

use std::path::Path;
use std::time::Duration;

use super::backend::{Backend, Libsql, SharedSql};
use super::remote_user_profile::Provider;
use super::secret::Secret;

/// The tables that choose a backend, and whether this podyd was built with what it takes.
const BACKENDS: [(&str, bool); 3] = [
    ("backend.libsql", cfg!(feature = "backend-libsql")),
    ("backend.postgres", cfg!(feature = "backend-postgres")),
    ("backend.mysql", cfg!(feature = "backend-mysql")),
];

/// What the tables of all backends, and that of another node, say. A URL that was not given is empty.
pub(super) struct Backends {
    pub(super) libsql: Libsql,
    pub(super) sync_interval_secs: u32,
    pub(super) postgres: SharedSql,
    pub(super) mysql: SharedSql,
    pub(super) remote: Provider,
}

impl Default for Backends {
    fn default() -> Self {
        let shared = || SharedSql { url: Secret::default(), max_connections: 16, auto_migrate: false };
        let libsql = Libsql {
            url: Secret::default(),
            auth_token: None,
            replica_path: None,
            sync_interval: None,
            auto_migrate: false,
        };
        Self {
            libsql,
            sync_interval_secs: 60,
            postgres: shared(),
            mysql: shared(),
            remote: Provider::default(),
        }
    }
}

impl Backends {
    /// The backend of the chosen table, or another node. Relative paths lie in `state`.
    pub(super) fn finish(mut self, chosen: Option<&str>, state: &Path) -> Backend {
        self.libsql.replica_path = self.libsql.replica_path.map(|path| state.join(path));
        self.libsql.sync_interval =
            (self.sync_interval_secs > 0).then(|| Duration::from_secs(self.sync_interval_secs.into()));
        match chosen {
            Some("backend.libsql") => Backend::Libsql(self.libsql),
            Some("backend.postgres") => Backend::Postgres(self.postgres),
            Some("backend.mysql") => Backend::Mysql(self.mysql),
            _ if self.remote.enabled => Backend::Remote(self.remote.within(state)),
            _ => Backend::Local,
        }
    }
}

/// Whether a table chooses a backend.
pub(super) fn is_backend(section: &str) -> bool {
    BACKENDS.iter().any(|(backend, _)| *backend == section)
}

/// Whether this podyd was built with what a backend takes. The error is a sentence about its table.
pub(super) fn is_compiled_in(section: &str) -> Result<(), String> {
    compiled_in(section, &BACKENDS)
}

fn compiled_in(section: &str, backends: &[(&str, bool)]) -> Result<(), String> {
    if backends.contains(&(section, true)) {
        return Ok(());
    }
    let feature = section.replace('.', "-");
    Err(format!(
        "is not in this podyd, which was built without the Cargo feature {feature}: install one that has it, or build it \
         with --features {feature}"
    ))
}

/// What is wrong where other tables than one are chosen.
pub(super) fn not_one(chosen: &[&str]) -> String {
    let here = match chosen {
        [] => "there is none".to_owned(),
        tables => format!(
            "there are {}",
            tables.iter().map(|table| format!("[{table}]")).collect::<Vec<_>>().join(" and ")
        ),
    };
    let all = BACKENDS.map(|(table, _)| format!("[{table}]"));
    format!(
        "wants one table of {}, and {here}; without [backend] the directory is a file of this node",
        all.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_that_is_not_compiled_in_is_refused_with_its_feature() {
        let backends = [("backend.libsql", true), ("backend.postgres", false)];
        assert_eq!(compiled_in("backend.libsql", &backends), Ok(()));
        let error = compiled_in("backend.postgres", &backends).unwrap_err();
        assert!(error.contains("Cargo feature backend-postgres:"), "{error}");
    }

    #[test]
    fn this_build_has_the_backends_of_its_features() {
        assert_eq!(is_compiled_in("backend.libsql").is_ok(), cfg!(feature = "backend-libsql"));
        assert_eq!(is_compiled_in("backend.mysql").is_ok(), cfg!(feature = "backend-mysql"));
    }
}
