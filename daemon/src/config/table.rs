//! Every setting, declared once: its key, where its value goes, which values are valid, and what it is
//! for. The reader, config.toml and pody.toml(5) all come out of this table.

use std::ops::RangeInclusive;

use super::database_url;
use super::draft::LEAST_MEMORY_KIB;
use super::setting::{Section, Setting, section, setting};
use super::settings::MAX_VERIFICATIONS;
use super::table_node::NODE_SETTINGS;
use super::table_oidc::OIDC_SETTINGS;
use super::table_quota::{FILESYSTEMS, QUOTA_SETTINGS};
use super::value::Kind::{Flag, Number, OptionalNumber, OptionalPath, Secret, Text, Time};
use crate::limits::{MAX_ARGON2_LANES, MAX_ARGON2_MEMORY_KIB, MAX_ARGON2_PASSES};

/// Any id but the system's own. Which of them are reserved is for a rule to say.
const ID: RangeInclusive<u32> = 1000..=u32::MAX - 1;

const MAX_USERS: RangeInclusive<u32> = 1..=u32::MAX;

/// A node with more needs a pooler before the database.
const CONNECTIONS: RangeInclusive<u32> = 1..=1000;

const AUTO_MIGRATE: &str = "Whether this node may bring the database's tables up to date when it starts. Where many \
                            nodes share it, 'podyctl db migrate' does so, once.";

const SECOND: u64 = 1;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;

/// The sections in the order of config.toml, and what each is about.
pub const SECTIONS: &[Section] = &[
    section(
        "ids",
        "The ids that new users and groups are given, uids and gids alike. They are the same on every node \
         and are never given twice. They must lie inside a range of the id-ranges file.",
    ),
    section("users", "What a new user gets unless the one who creates it says otherwise."),
    section(
        "homes",
        "Home directories on this node, which podyd-helper makes and puts away. It reads these settings itself, from this file \
         alone, and only while nobody but root may write it.",
    ),
    section("auth", "Who may log in."),
    section(
        "auth.lockout",
        "What guessing passwords costs. Lengths of time are a number and one of s, m, h and d.",
    ),
    section("auth.htpasswd", "Users out of an htpasswd file that somebody else writes."),
    section("auth.tokens", "The bearer tokens of programs."),
    section(
        "backend",
        "Where users, groups and tokens are: in a file of this node or, with one of these tables, in a \
         database that many nodes share. There is one table at the most. Its names may also be written \
         in snake_case, such as max_connections; its changes wait for a restart of podyd.",
    ),
    section("backend.libsql", "libSQL: a Turso database, or a server of your own."),
    Section {
        also: Some("backend.postgresql"),
        ..section("backend.postgres", "PostgreSQL. The table may also be called [backend.postgresql].")
    },
    section("backend.mysql", "MySQL or MariaDB."),
    section("remote_user_profile", "Nodes that share the users of one of them, over HTTP."),
    section(
        "remote_user_profile.service",
        "Gives this node's users and groups to other nodes, over HTTP. Quotas stay with each node.",
    ),
    section(
        "remote_user_profile.provider",
        "Takes users and groups from another node, whose directory this one then has instead of its own: logins, \
         listings, password changes and 'podyctl user' are about that. Another service waits for a restart of podyd.",
    ),
    section(
        "oidc",
        "An OpenID provider, at which whoever has no password here logs in; 'podyctl oidc check' tries it. Any of the \
         environment variables OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET, OIDC_CLIENT_SECRET_FILE and OIDC_SCOPES takes \
         the place of this whole section, but not of those below it: what the file says of it then does not count.",
    ),
    section("oidc.login", "How people log in at the provider."),
    section(
        "oidc.users",
        "Who gets an account by logging in at the provider, and what the provider's claims make of it. Whoever came \
         in by a list and is on none of them any more is not let in again. Lists are written \
         [\"one\", \"two\"] here, and one,two in the environment.",
    ),
    section(
        "quota",
        "What users may use on this node, and on no other: nothing about it is in the directory. 'podyctl quota' says more of \
         groups and of users.",
    ),
    section(
        "quota.default",
        "What holds for everybody of whom no group and no policy of their own says otherwise. Sizes are written as \"20G\" or \
         \"1.5TiB\", by the powers of 1024, and \"none\" is no limit. Those of blocks and inodes hold on each filesystem below.",
    ),
    Section {
        repeats: Some(FILESYSTEMS),
        ..section(
            "quota.filesystem",
            "A filesystem with quotas, ext4 or XFS; there may be several such tables. There, Pody's users have the limits \
             that they are given here and by 'podyctl quota', and no others.",
        )
    },
    section("offline", "What goes on while a shared directory is away. Lookups always do."),
    section(
        "password",
        "How passwords are kept: argon2id. A change of memory_kib, passes or lanes reaches a stored password at its owner's next login.",
    ),
    section("sessions", "Sessions of people on this node: 'podyctl session list' shows them."),
    section("nss", "How users and groups are shown to the programs on this node."),
    section("log", "What podyd tells the journal, or standard error where there is no journal."),
];

/// Every setting; those of one section in the order of config.toml.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().chain(NODE_SETTINGS).chain(OIDC_SETTINGS).chain(QUOTA_SETTINGS)
}

static SETTINGS: &[Setting] = &[
    setting(
        "ids.min",
        Number(|draft| &mut draft.ids_min, ID),
        "The lowest id.",
    ),
    setting(
        "ids.max",
        Number(|draft| &mut draft.ids_max, ID),
        "The highest id.",
    ),
    setting(
        "ids.allocation",
        Text(|draft| &mut draft.settings.ids.allocation),
        "Which id somebody gets who comes by logging in at the provider in [oidc]. \"next\": the next one. \"derived\": one \
         that comes of the provider and the name, and is the same after everything here was forgotten; if it is another's, \
         the login is refused. \"auto\": derived where the directory is a file of this node in memory, else the next one.",
    ),
    setting(
        "users.home",
        Text(|draft| &mut draft.settings.users.home),
        "The home directory: %u stands for the user's name, %U for the uid, %% for a percent sign.",
    ),
    setting(
        "users.shell",
        Text(|draft| &mut draft.settings.users.shell),
        "The login shell.",
    ),
    setting(
        "auth.mode",
        Text(|draft| &mut draft.settings.auth.mode),
        "How users prove who they are. \"standalone\": with a password that podyd keeps, or at the provider in [oidc]. \
         \"oidc-only\": at that provider alone; then no password counts, through whatever door. The environment \
         variable AUTH_MODE sets it, too.",
    ).after_a_restart(),
    setting(
        "auth.max_users",
        OptionalNumber(|draft| &mut draft.settings.auth.max_users, MAX_USERS),
        "No more users than this are created. Without it there is no limit.",
    ).example("500"),
    setting(
        "auth.lockout.user_failures",
        Number(|draft| &mut draft.settings.auth.lockout.user_failures, 1..=1000),
        "Failed logins of one user, one after the other, before that user has to wait.",
    ),
    setting(
        "auth.lockout.source_failures",
        Number(|draft| &mut draft.settings.auth.lockout.source_failures, 1..=100_000),
        "Failed logins from one remote address (in IPv6: one /64 network), whoever the users are, before that address \
         has to wait.",
    ),
    setting(
        "auth.lockout.first_wait",
        Time(|draft| &mut draft.settings.auth.lockout.first_wait, SECOND..=DAY),
        "The first wait. Each further failure doubles it.",
    ),
    setting(
        "auth.lockout.longest_wait",
        Time(|draft| &mut draft.settings.auth.lockout.longest_wait, SECOND..=7 * DAY),
        "The wait grows no longer than this.",
    ),
    setting(
        "auth.lockout.forget_after",
        Time(|draft| &mut draft.settings.auth.lockout.forget_after, MINUTE..=365 * DAY),
        "Failures are forgotten after this long without another one.",
    ),
    setting(
        "auth.htpasswd.file",
        OptionalPath(|draft| &mut draft.settings.auth.htpasswd),
        "An htpasswd file whose users are kept in step with the directory of this node: who is added there is \
         added here, a changed password is changed, and who is removed is disabled. A file that is missing or empty \
         changes nothing, and podyd never writes it. It must be readable for podyd. A relative path lies in the state \
         directory.",
    ).example("\"/etc/pody/htpasswd\"").after_a_restart(),
    setting(
        "auth.htpasswd.max_users",
        OptionalNumber(|draft| &mut draft.settings.auth.max_users, MAX_USERS),
        "The same as max_users in [auth]. It holds for every user, wherever users are kept.",
    ).example("500").same_as("auth.max_users"),
    setting(
        "auth.tokens.file",
        OptionalPath(|draft| &mut draft.settings.auth.tokens),
        "Accepted and without effect: tokens are kept with their owners, in the directory, so that whoever is deleted \
         has none from the same moment on.",
    ).example("\"tokens.sqlite\"").after_a_restart(),
    setting(
        "backend.libsql.url",
        Secret(|draft, url| draft.backends.libsql.url = url, database_url::libsql),
        "Where the database is: libsql:// or https://, or http:// for a server on this node or in a network \
         that you trust.",
    ).example("\"libsql://pody.example.org\"").after_a_restart(),
    setting(
        "backend.libsql.urlFile",
        Secret(|draft, url| draft.backends.libsql.url = url, database_url::libsql),
        "A file that holds the url, instead: its path, or the name of a credential that systemd hands to \
         podyd (LoadCredential=).",
    ).example("\"/etc/pody/libsql-url\"").in_file_of("backend.libsql.url"),
    setting(
        "backend.libsql.authToken",
        Secret(|draft, token| draft.backends.libsql.auth_token = Some(token), bearer_token),
        "The database's bearer token. Without it, none is sent. Do not write it down here where others can read \
         this file.",
    ).example("\"${PODY_LIBSQL_TOKEN}\"").after_a_restart(),
    setting(
        "backend.libsql.authTokenFile",
        Secret(|draft, token| draft.backends.libsql.auth_token = Some(token), bearer_token),
        "A file that holds the token, or the name of a credential, instead.",
    ).example("\"/etc/pody/libsql-token\"").in_file_of("backend.libsql.authToken"),
    setting(
        "backend.libsql.replicaPath",
        OptionalPath(|draft| &mut draft.backends.libsql.replica_path),
        "A copy of the database on this node, with password hashes and tokens, which answers for them while the database \
         is away, for offline.max_age from when both were last the same. A relative path lies in the state directory.",
    ).example("\"libsql-replica.sqlite\"").after_a_restart(),
    setting(
        "backend.libsql.syncIntervalSecs",
        Number(|draft| &mut draft.backends.sync_interval_secs, 0..=86_400),
        "How often, in seconds, podyd asks for what other nodes have changed: nobody here sees a change any \
         sooner. 0: when it starts, after changes of its own, and when it is told to.",
    ).after_a_restart(),
    setting(
        "backend.libsql.autoMigrate",
        Flag(|draft| &mut draft.backends.libsql.auto_migrate),
        AUTO_MIGRATE,
    ).after_a_restart(),
    setting(
        "backend.postgres.url",
        Secret(|draft, url| draft.backends.postgres.url = url, database_url::postgres),
        "Where the database is. With sslmode=verify-full nobody can pose as the server. Do not write a password down \
         here where others can read this file.",
    ).example("\"postgres://pody:${PODY_DB_PASSWORD}@db.example.org/pody?sslmode=verify-full\"").after_a_restart(),
    setting(
        "backend.postgres.urlFile",
        Secret(|draft, url| draft.backends.postgres.url = url, database_url::postgres),
        "A file that holds the url, instead: its path, or the name of a credential that systemd hands to \
         podyd (LoadCredential=).",
    ).example("\"/etc/pody/postgres-url\"").in_file_of("backend.postgres.url"),
    setting(
        "backend.postgres.maxConnections",
        Number(|draft| &mut draft.backends.postgres.max_connections, CONNECTIONS),
        "Connections to the database that this node keeps open at the most.",
    ).after_a_restart(),
    setting(
        "backend.postgres.autoMigrate",
        Flag(|draft| &mut draft.backends.postgres.auto_migrate),
        AUTO_MIGRATE,
    ).after_a_restart(),
    setting(
        "backend.mysql.url",
        Secret(|draft, url| draft.backends.mysql.url = url, database_url::mysql),
        "Where the database is. With sslmode=verify_identity nobody can pose as the server. Do not write a password \
         down here where others can read this file.",
    ).example("\"mysql://pody:${PODY_DB_PASSWORD}@db.example.org/pody?sslmode=verify_identity\"").after_a_restart(),
    setting(
        "backend.mysql.urlFile",
        Secret(|draft, url| draft.backends.mysql.url = url, database_url::mysql),
        "A file that holds the url, instead: its path, or the name of a credential that systemd hands to \
         podyd (LoadCredential=).",
    ).example("\"/etc/pody/mysql-url\"").in_file_of("backend.mysql.url"),
    setting(
        "backend.mysql.maxConnections",
        Number(|draft| &mut draft.backends.mysql.max_connections, CONNECTIONS),
        "Connections to the database that this node keeps open at the most.",
    ).after_a_restart(),
    setting(
        "backend.mysql.autoMigrate",
        Flag(|draft| &mut draft.backends.mysql.auto_migrate),
        AUTO_MIGRATE,
    ).after_a_restart(),
    setting(
        "remote_user_profile.service.enabled",
        Flag(|draft| &mut draft.settings.service.enabled),
        "Whether other nodes may ask this one.",
    ).after_a_restart(),
    setting(
        "remote_user_profile.service.readonly",
        Flag(|draft| &mut draft.settings.service.readonly),
        "Whether other nodes may look and check passwords, and change nothing.",
    ),
    setting(
        "remote_user_profile.service.own_passwords",
        Flag(|draft| &mut draft.settings.service.own_passwords),
        "Whether users of other nodes may change their own passwords there, even where readonly says that nothing else \
         changes.",
    ),
    setting(
        "remote_user_profile.service.access_token",
        Secret(|draft, token| draft.settings.service.access_token = token, bearer_token),
        "The token that other nodes show: a long random text, such as 'openssl rand -hex 32' prints. 'podyctl token \
         create' makes further ones, for one node each. Do not write it down here where others can read this file.",
    ).example("\"${PODY_ACCESS_TOKEN}\""),
    setting(
        "remote_user_profile.service.access_token_file",
        Secret(|draft, token| draft.settings.service.access_token = token, bearer_token),
        "A file that holds the token, instead: its path, or the name of a credential that systemd hands to \
         podyd (LoadCredential=).",
    ).example("\"/etc/pody/access-token\"").in_file_of("remote_user_profile.service.access_token").reloading(),
    setting(
        "remote_user_profile.service.listen",
        Text(|draft| &mut draft.settings.service.listen),
        "The address and port to listen on.",
    ).after_a_restart(),
    setting(
        "remote_user_profile.service.tls_cert",
        OptionalPath(|draft| &mut draft.settings.service.tls_cert),
        "The service's certificate and those between it and its authority (PEM). With it, TLS alone is spoken; without \
         it, plain http, over which no admin rights are given.",
    ).example("\"/etc/pody/tls/cert.pem\""),
    setting(
        "remote_user_profile.service.tls_key",
        OptionalPath(|draft| &mut draft.settings.service.tls_key),
        "The key of that certificate (PEM).",
    ).example("\"/etc/pody/tls/key.pem\""),
    setting(
        "remote_user_profile.service.client_ca",
        OptionalPath(|draft| &mut draft.settings.service.client_ca),
        "The authorities (PEM) one of which must have signed a certificate that a client shows, beside its token.",
    ).example("\"/etc/pody/tls/client-ca.pem\""),
    setting(
        "remote_user_profile.service.max_connections",
        Number(|draft| &mut draft.settings.service.max_connections, 16..=1_000_000),
        "Connections at the same time. A node that waits for changes keeps one or two open.",
    ).after_a_restart(),
    setting(
        "remote_user_profile.service.max_requests_per_second",
        Number(|draft| &mut draft.settings.service.max_requests_per_second, 1..=100_000),
        "Requests of one token from one address that are answered in a second, on average; the others are told to come \
         later.",
    ).after_a_restart(),
    setting(
        "remote_user_profile.provider.enabled",
        Flag(|draft| &mut draft.backends.remote.enabled),
        "Whether this node has its users from another one.",
    ).after_a_restart(),
    setting(
        "remote_user_profile.provider.endpoint",
        Text(|draft| &mut draft.backends.remote.endpoint),
        "Where the service is: https://, or http:// in a network that you trust.",
    ).example("\"https://server-a.example.com:8799\"").after_a_restart(),
    setting(
        "remote_user_profile.provider.access_token",
        Secret(|draft, token| draft.backends.remote.access_token = token, bearer_token),
        "The token that this node shows. Do not write it down here where others can read this file.",
    ).example("\"${PODY_ACCESS_TOKEN}\""),
    setting(
        "remote_user_profile.provider.access_token_file",
        Secret(|draft, token| draft.backends.remote.access_token = token, bearer_token),
        "A file that holds the token, instead: its path, or the name of a credential that systemd hands to \
         podyd (LoadCredential=).",
    ).example("\"/etc/pody/access-token\"").in_file_of("remote_user_profile.provider.access_token").reloading(),
    setting(
        "remote_user_profile.provider.ca_file",
        OptionalPath(|draft| &mut draft.backends.remote.ca_file),
        "Authorities (PEM) that may have signed the service's certificate, beside those that the system trusts.",
    ).example("\"/etc/pody/tls/ca.pem\""),
    setting(
        "remote_user_profile.provider.tls_cert",
        OptionalPath(|draft| &mut draft.backends.remote.tls_cert),
        "The certificate (PEM) that this node shows, where the service wants one.",
    ).example("\"/etc/pody/tls/node.pem\""),
    setting(
        "remote_user_profile.provider.tls_key",
        OptionalPath(|draft| &mut draft.backends.remote.tls_key),
        "The key of that certificate (PEM).",
    ).example("\"/etc/pody/tls/node-key.pem\""),
    setting(
        "remote_user_profile.provider.timeout",
        Time(|draft| &mut draft.backends.remote.timeout, SECOND..=30 * SECOND),
        "How long the service may take to answer. A login waits no longer than this, and at most 5 seconds, for it.",
    ),
    setting(
        "remote_user_profile.provider.compat",
        Text(|draft| &mut draft.backends.remote.compat),
        "What the service speaks: \"none\" is podyd's own; \"pody-0.4\" is the original Pody, to move away from it: \
         there, secrets travel in addresses, which get into logs.",
    ).after_a_restart(),
    setting(
        "offline.max_age",
        Time(|draft| &mut draft.settings.offline.max_age, 0..=365 * DAY),
        "How long after a login on this node the same password lets the same user in again without the shared \
         directory, and how long a copy of passwords and tokens (replicaPath) stands in for it. \"off\": not at all.",
    ),
    setting(
        "password.memory_kib",
        Number(|draft| &mut draft.settings.password.memory_kib, LEAST_MEMORY_KIB..=MAX_ARGON2_MEMORY_KIB),
        "Memory that hashing one password takes, in KiB. Nothing weaker than OWASP's minimum is accepted.",
    ),
    setting(
        "password.passes",
        Number(|draft| &mut draft.settings.password.passes, 1..=MAX_ARGON2_PASSES),
        "How often that memory is gone over.",
    ),
    setting(
        "password.lanes",
        Number(|draft| &mut draft.settings.password.lanes, 1..=MAX_ARGON2_LANES),
        "Lanes, argon2's degree of parallelism.",
    ),
    setting(
        "password.verifications",
        Number(|draft| &mut draft.settings.password.verifications, 0..=MAX_VERIFICATIONS),
        "How many passwords are checked at the same time, each with its own memory; others wait. 0: one per CPU.",
    ).after_a_restart(),
    setting(
        "password.min_length",
        Number(|draft| &mut draft.settings.password.min_length, 8..=128),
        "The fewest characters of a new password. Passwords that are already set stay valid.",
    ),
    setting(
        "nss.enumerate_up_to",
        Number(|draft| &mut draft.settings.nss.enumerate_up_to, 0..=10_000_000),
        "'getent passwd' and 'getent group' list everybody while there are no more users and groups than \
         this, and nobody beyond. Lookups by name and id always work.",
    ),
    setting(
        "nss.merge_after",
        Number(|draft| &mut draft.settings.nss.merge_after, 16..=1_000_000),
        "After how many changed users and groups the snapshot is written anew as a whole; until then \
         only changes are written.",
    ),
    setting(
        "log.level",
        Text(|draft| &mut draft.settings.log.level),
        "The least important messages that are shown: \"error\", \"warn\", \"info\", \"debug\" or \"trace\".",
    ),
];

/// Other variables that set something, honoured because they are in use already.
pub(super) const OTHER_VARIABLES: &[(&str, &str)] = &[
    ("AUTH_MODE", "auth.mode"),
    ("OIDC_ISSUER", "oidc.issuer"),
    ("OIDC_CLIENT_ID", "oidc.client_id"),
    ("OIDC_CLIENT_SECRET", "oidc.client_secret"),
    ("OIDC_CLIENT_SECRET_FILE", "oidc.client_secret_file"),
    ("OIDC_SCOPES", "oidc.scopes"),
];

/// It goes into a header of HTTP.
fn bearer_token(text: &str) -> Result<(), String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err("must be a token: visible ASCII without spaces; leave the setting out if there is none".into())
}
