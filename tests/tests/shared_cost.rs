//! What shared use costs the database: a node catches up by reading as many rows among a hundred thousand users as among
//! five thousand, and two hundred logins at once get by with sixteen connections.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod shared;

use std::thread;
use std::time::{Duration, Instant};

use protocol::directory::{Import, ImportUser};
use protocol::login::Verdict;
use servers::{Options, Postgres};
use shared::*;
use sqlx::{Connection, PgConnection};
use tests::host::Host;
use tests::wait;
use tokio::runtime::Runtime;

const FEW: u32 = 5_000;
const MANY: u32 = 100_000;

/// How long nodes may take to copy so many.
const COPIED_WITHIN: Duration = Duration::from_secs(180);

/// More users, faster than anybody can import them: from $1 up to $2.
const MORE: &str = "
WITH made AS MATERIALIZED (
    SELECT 'user' || n AS name, gen_random_uuid()::text AS uuid, gen_random_uuid()::text AS own, 1950000000 + n AS id,
        (SELECT revision + 1 FROM directory) AS revision
    FROM generate_series($1, $2 - 1) AS n
), users_made AS (
    INSERT INTO users SELECT uuid, name, id, id, '', NULL, '/home/' || name, '/bin/bash', 'active', NULL, 0, 'admin', revision
    FROM made
), groups_made AS (
    INSERT INTO groups SELECT own, name, id, uuid, revision FROM made
), ids_made AS (
    INSERT INTO ids SELECT 'uid', id, uuid FROM made UNION ALL SELECT 'gid', id, own FROM made
), told AS (
    INSERT INTO changes (revision, kind, one) SELECT revision, 'user', uuid FROM made
), moved AS (
    UPDATE directory SET revision = revision + 1
)
INSERT INTO revisions SELECT DISTINCT revision, 1, 0 FROM made RETURNING revision";

/// What changes: each command touches one or two records.
const CHANGES: [&str; 5] = [
    "podyctl user update user1 --gecos changed",
    "podyctl user add newcomer --reuse-name",
    "podyctl group add-member crew user2",
    "podyctl user lock newcomer",
    "podyctl user delete newcomer --yes",
];

/// Rows that all of these changes together may have read, by the node that made them and by another that follows.
const ROWS: i64 = 500;

/// Of these, what may differ by chance: who looks twice, since two changes came one after the other.
const BY_CHANCE: i64 = 100;

/// Rows read in all tables but those that are looked at from time to time in any case, and that of the deleted, of whom
/// there are more each time.
const READ: &str = "SELECT COALESCE(SUM(seq_tup_read + COALESCE(idx_tup_fetch, 0)), 0)::bigint FROM pg_stat_user_tables \
                    WHERE relname NOT IN ('directory', 'revisions', 'tombstones', '_sqlx_migrations')";

/// A server's process tells its statistics when it likes, up to ten seconds late, and when it ends.
const END_ALL: &str =
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'podyd'";

const LOGINS: usize = 200;
const CONNECTIONS: i64 = 16;

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn what_a_change_costs_does_not_depend_on_how_many_users_there_are() {
    let runtime = runtime();
    let server = runtime.block_on(Postgres::start(Options::default()));
    let url = runtime.block_on(server.fresh_database());
    let cluster = Cluster::start(2, &configuration(&url));
    cluster[0].run("podyctl group add crew").succeeds();
    let mut database = runtime.block_on(PgConnection::connect(&url)).unwrap();
    import(&cluster[0], 0..FEW);
    let few = read_by_changes(&runtime, &mut database, &cluster);
    add_more(&runtime, &mut database, &cluster);
    let many = read_by_changes(&runtime, &mut database, &cluster);
    report(&format!("changes read {few} rows among {FEW} users, {many} among {MANY}"));
    assert!(few < ROWS && many < few + BY_CHANCE, "{few} and {many} rows were read");
}

fn add_more(runtime: &Runtime, database: &mut PgConnection, cluster: &Cluster) {
    let more = sqlx::query_scalar(MORE).bind(i64::from(FEW)).bind(i64::from(MANY));
    let revision: i64 = runtime.block_on(more.fetch_one(database)).unwrap();
    for node in cluster.iter() {
        let is_there = || status(node).published_revision >= revision.unsigned_abs();
        wait::until("everybody to be on every node", COPIED_WITHIN, is_there);
    }
}

/// How many rows the changes and the other node's catching up read.
fn read_by_changes(runtime: &Runtime, database: &mut PgConnection, cluster: &Cluster) -> i64 {
    cluster.agree();
    runtime.block_on(sqlx::query("ANALYZE").execute(&mut *database)).unwrap();
    let before = settled(runtime, database);
    for change in CHANGES {
        cluster[0].run(change).succeeds();
        cluster.agree();
    }
    cluster[0].run("podyctl group remove-member crew user2").succeeds();
    settled(runtime, database) - before
}

/// The number when all who read have told it.
fn settled(runtime: &Runtime, database: &mut PgConnection) -> i64 {
    runtime.block_on(async {
        sqlx::query(END_ALL).execute(&mut *database).await.unwrap();
        sqlx::query_scalar(READ).fetch_one(database).await.unwrap()
    })
}

fn import(node: &Host, users: std::ops::Range<u32>) {
    let mut client = client(node);
    let names: Vec<u32> = users.collect();
    for batch in names.chunks(2_000) {
        let user = |number: &u32| ImportUser { name: format!("user{number}"), ..ImportUser::default() };
        let users = batch.iter().map(user).collect();
        client.call(&Import { users, new_ids: true, ..Import::default() }).unwrap();
    }
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn two_hundred_logins_at_once_get_by_with_sixteen_connections() {
    let runtime = runtime();
    let server = runtime.block_on(Postgres::start(Options::default()));
    let url = runtime.block_on(server.fresh_database());
    let cluster = Cluster::start(1, &configuration(&url));
    let node = &cluster[0];
    client(node).call(&user("ada", Some("Analytical-Engine1"))).unwrap();
    let begun = Instant::now();
    let mut times = thread::scope(|threads| {
        let log_in = || {
            let begun = Instant::now();
            assert_eq!(log_in(node, "ada", "Analytical-Engine1").unwrap(), Verdict::Granted);
            begun.elapsed()
        };
        let logins: Vec<_> = (0..LOGINS).map(|_| threads.spawn(log_in)).collect();
        logins.into_iter().map(|login| login.join().unwrap()).collect::<Vec<_>>()
    });
    let took = begun.elapsed();
    let connections = "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'podyd'";
    let connections: i64 = runtime.block_on(async {
        let mut admin = PgConnection::connect(&server.admin_url()).await.unwrap();
        sqlx::query_scalar(connections).fetch_one(&mut admin).await.unwrap()
    });
    report(&format!(
        "{LOGINS} logins at once took {took:?}, {:?} each (median), with {connections} connections",
        median(&mut times)
    ));
    assert!(connections <= CONNECTIONS, "{connections} connections");
}
