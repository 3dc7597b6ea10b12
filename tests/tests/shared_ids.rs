//! Ten nodes create users at once: no id is given twice, no name either, and there are never more users than an admin
//! allows, however they come.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod shared;

use std::collections::BTreeSet;
use std::fmt::Write;

use protocol::directory::{Import, ImportUser};
use protocol::{ClientError, Error};
use shared::*;
use tests::sandbox::Sandbox;

const NODES: usize = 10;

/// Users whom each node creates: some one by one, the others in batches, at the same time.
const EACH: usize = SINGLE + BATCHES * BATCH;
const SINGLE: usize = 20;
const BATCHES: usize = 4;
const BATCH: usize = 20;

/// Names that every node wants.
const WANTED_BY_ALL: usize = 10;

/// Users who may come after these, and how many more each node tries to bring, one by one and in a file.
const ROOM: usize = 55;
const TRIES: usize = 10;

const CAP: usize = NODES * EACH + WANTED_BY_ALL + ROOM;

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_thousand_users_from_ten_nodes_have_a_thousand_ids_and_there_is_no_one_too_many() {
    let server = runtime().block_on(servers::postgres());
    let url = runtime().block_on(server.fresh_database());
    let configuration = configuration(&url);
    let cluster = Cluster::start(NODES, &format!("[auth]\nmax_users = {CAP}\n{configuration}"));
    ids_are_distinct(&cluster);
    a_name_has_one_owner(&cluster);
    the_cap_holds(&cluster);
    cluster.agree();
    let listed = each(&cluster, |_, node| node.run("getent -s pody passwd").succeeds());
    assert!(listed.iter().all(|list| *list == listed[0]));
    assert_eq!(listed[0].lines().count(), CAP);
}

fn ids_are_distinct(cluster: &Cluster) {
    each(cluster, |number, node| {
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let mut client = client(node);
                for count in 0..SINGLE {
                    client.call(&user(&format!("user{number}x{count}"), None)).unwrap();
                }
            });
            let mut client = client(node);
            for batch in 0..BATCHES {
                let names = (0..BATCH).map(|count| format!("user{number}x{batch}x{count}"));
                let users = names.map(|name| ImportUser { name, ..ImportUser::default() }).collect();
                client.call(&Import { users, new_ids: true, ..Import::default() }).unwrap();
            }
        });
    });
    cluster.agree();
    let list = cluster[0].run("getent -s pody passwd").succeeds();
    let ids = |field| list.lines().map(|line| line.split(':').nth(field).unwrap()).collect::<BTreeSet<_>>();
    let counts = [0, 2, 3].map(|field| ids(field).len());
    assert_eq!((list.lines().count(), counts), (NODES * EACH, [NODES * EACH; 3]), "names, uids and gids");
}

fn a_name_has_one_owner(cluster: &Cluster) {
    let won = each(cluster, |_, node| {
        let mut client = client(node);
        let create = |count: usize| match client.call(&user(&format!("wanted{count}"), None)) {
            Ok(created) => Some(created.user.uid),
            Err(ClientError::Refused(Error::Conflict { .. })) => None,
            Err(error) => panic!("{error}"),
        };
        (0..WANTED_BY_ALL).filter_map(create).collect::<Vec<_>>()
    });
    let uids: Vec<u32> = won.into_iter().flatten().collect();
    assert_eq!(uids.len(), WANTED_BY_ALL, "each name has one owner");
    assert_eq!(uids.iter().collect::<BTreeSet<_>>().len(), WANTED_BY_ALL);
}

fn the_cap_holds(cluster: &Cluster) {
    let created = each(cluster, |number, node| {
        std::thread::scope(|threads| {
            let imported = threads.spawn(|| import(node, number));
            let mut client = client(node);
            let create = |count: usize| match client.call(&user(&format!("late{number}x{count}"), None)) {
                Ok(_) => true,
                Err(ClientError::Refused(Error::Refused { message })) if message.contains("max_users") => {
                    false
                }
                Err(error) => panic!("{error}"),
            };
            (0..TRIES).map(create).filter(|created| *created).count() + imported.join().unwrap()
        })
    });
    assert_eq!(created.iter().sum::<usize>(), ROOM);
}

/// Imports users out of a file; how many were taken.
fn import(node: &Sandbox, number: usize) -> usize {
    let mut users = String::new();
    for count in 0..TRIES {
        let id = 30_000 + number * TRIES + count;
        writeln!(users, "import{number}x{count}:x:{id}:{id}::/home/import{number}x{count}:/bin/sh").unwrap();
    }
    node.write("/run/import", &users);
    node.run("podyctl user import --format passwd --new-ids /run/import");
    node.run(&format!("getent -s pody passwd | grep -c ^import{number}x")).stdout.trim().parse().unwrap()
}
