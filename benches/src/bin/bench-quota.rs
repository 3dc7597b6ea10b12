//! What it takes to know which limits of [`USERS`] users are not what they should be: the policies of the node, of groups and
//! of users merged, and compared with what the kernel would have answered. Nothing is read or set.
//!
//! The control looks every user up in what the kernel answered, and does no more.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::{median, shown};
use daemon::quota::{Field, Limit, Limits, Disk, Policy, merge, plan};
use identity::Name;
use quotactl::Quota;

const USERS: u32 = 10_000;
const GROUPS: u32 = 200;
/// The groups with a policy that one user is in.
const GROUPS_OF_ONE: u32 = 3;
/// One user in so many has a policy of their own, and one in so many has limits that somebody else has changed.
const EVERY: u32 = 20;
const FIRST_UID: u32 = 1_900_000_000;
const ROUNDS: usize = 21;

fn main() {
    let paths = ["/home", "/scratch"].map(|path| path.parse::<Disk>().expect("a disk"));
    let none = Limits::default();
    let default = Policy::of_node(&said(20), paths.iter().map(|path| (path.clone(), &none)));
    let groups: Vec<(Name, Policy)> = (0..GROUPS)
        .map(|number| {
            (format!("group{number}").parse().expect("a name"), policy(&paths, u64::from(number) + 1))
        })
        .collect();
    let own: HashMap<u32, Policy> = (0..USERS)
        .step_by(EVERY as usize)
        .map(|user| (user, policy(&paths, u64::from(user % 50) + 1)))
        .collect();
    let wanted = |user: u32| {
        let of = (0..GROUPS_OF_ONE).map(|step| &groups[((user + step * 67) % GROUPS) as usize]);
        let groups: Vec<(Name, &Policy)> = of.map(|(name, policy)| (*name, policy)).collect();
        merge(&default, &groups, own.get(&user))
    };
    let actual: [Vec<Quota>; 2] = [0, 1].map(|filesystem| {
        let quota = |user: u32| {
            let mut limits = wanted(user).filesystems[filesystem].of_kernel();
            limits.hard_kib += u64::from(user % EVERY == 1);
            Quota { id: FIRST_UID + user, limits, ..Quota::default() }
        };
        (0..USERS).map(quota).collect()
    });

    let (mut planned, mut looked_up): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
    let mut changes = 0;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let all: Vec<_> = (0..USERS).map(wanted).collect();
        changes = [0, 1]
            .into_iter()
            .map(|filesystem| {
                let of = |(user, merged): (u32, &daemon::quota::Merged)| {
                    (FIRST_UID + user, merged.filesystems[filesystem].of_kernel())
                };
                plan((0..USERS).zip(&all).map(of), &actual[filesystem]).len()
            })
            .sum();
        planned.push(begun.elapsed());

        let begun = Instant::now();
        for filesystem in &actual {
            let known: HashMap<u32, &Quota> = filesystem.iter().map(|quota| (quota.id, quota)).collect();
            for user in 0..USERS {
                let _ = black_box(known.get(&(FIRST_UID + user)));
            }
        }
        looked_up.push(begun.elapsed());
    }
    println!(
        "\n| users | groups | filesystems | differ | merged and compared | looked up (control) |\n|---:|---:|---:|---:|---:|---:|"
    );
    println!(
        "| {USERS} | {GROUPS} | {} | {changes} | {} | {} |",
        paths.len(),
        shown(median(&mut planned)),
        shown(median(&mut looked_up))
    );
}

fn said(gib: u64) -> Limits {
    let mut limits = Limits::default();
    limits.set(Field::BlocksSoft, Some(Limit::At(gib << 30)));
    limits.set(Field::BlocksHard, Some(Limit::At((gib + 5) << 30)));
    limits.set(Field::InodesHard, Some(Limit::At(gib * 10_000)));
    limits.set(Field::TasksMax, Some(Limit::At(gib * 100)));
    limits
}

fn policy(paths: &[Disk], gib: u64) -> Policy {
    let none = Limits::default();
    Policy::of_node(&said(gib), paths.iter().map(|path| (path.clone(), &none)))
}
