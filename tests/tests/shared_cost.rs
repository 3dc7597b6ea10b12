//! What shared use costs the database: a node catches up by reading as many rows among twenty thousand users as among five
//! thousand, and two hundred logins at once get by with sixteen connections.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod shared;

use std::thread;
use std::time::Instant;

use protocol::directory::{Import, ImportUser};
use protocol::login::Verdict;
use servers::{Options, Postgres};
use shared::*;
use sqlx::{Connection, PgConnection};
use tests::host::Host;
use tokio::runtime::Runtime;

const FEW: u32 = 5_000;
const MANY: u32 = 20_000;

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

/// Rows read in all tables but those that are looked at from time to time in any case.
const READ: &str = "SELECT COALESCE(SUM(seq_tup_read + COALESCE(idx_tup_fetch, 0)), 0)::bigint FROM pg_stat_user_tables \
                    WHERE relname NOT IN ('directory', 'revisions', '_sqlx_migrations')";

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
    import(&cluster[0], FEW..MANY);
    let many = read_by_changes(&runtime, &mut database, &cluster);
    report(&format!("changes read {few} rows among {FEW} users, {many} among {MANY}"));
    assert!(few < ROWS && many < ROWS, "{few} and {many} rows were read");
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
