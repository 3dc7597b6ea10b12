//! Many at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use super::feed::Dump;
use super::{Backend, refusal};
use crate::directory::{Batch, Directory, Error, Rules, UserChange};
use crate::testing::{
    add_group, add_user, find_group, find_user, name, names, new_member, new_user, one_user, rules,
};

pub async fn forty_creators_never_exceed_the_cap(storage: &impl Backend) {
    let directory = Arc::new(storage.open().await);
    let rules = Rules { max_users: Some(5), ..rules() };
    let mut creators = JoinSet::new();
    for number in 0..40 {
        let (directory, rules) = (Arc::clone(&directory), rules.clone());
        creators.spawn(async move {
            directory.create(one_user(new_user(&format!("user{number}"))), &rules, false).await
        });
    }
    let outcomes = creators.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 5);
    for refused in outcomes.into_iter().filter(Result::is_err) {
        assert!(refusal!(refused, Refused).contains("auth.max_users"));
    }
    assert_eq!(directory.counts().await.unwrap().users, 5);
    directory.delete_user(directory.users(None, 1).await.unwrap().items[0].user.name, None).await.unwrap();
    directory.create(one_user(new_user("late")), &rules, false).await.unwrap();
}

pub async fn a_cap_counts_whom_others_create_and_delete(storage: &impl Backend) {
    let (here, there) = (storage.open().await, storage.open().await);
    let rules = Rules { max_users: Some(3), ..rules() };
    create_by(&rules, &here, "ada").await.unwrap();
    create_by(&rules, &there, "bob").await.unwrap();
    create_by(&rules, &there, "kim").await.unwrap();
    for directory in [&here, &there, &here] {
        assert!(refusal!(create_by(&rules, directory, "eve").await, Refused).contains("auth.max_users"));
    }
    there.delete_user(name("bob"), None).await.unwrap();
    create_by(&rules, &here, "eve").await.unwrap();
    assert!(refusal!(create_by(&rules, &there, "lea").await, Refused).contains("auth.max_users"));
    assert_eq!(here.counts().await.unwrap().users, 3);
}

async fn create_by(rules: &Rules, directory: &impl Directory, user: &str) -> crate::directory::Result<()> {
    directory.create(one_user(new_user(user)), rules, false).await.map(drop)
}

pub async fn fifty_creators_get_an_id_and_a_revision_each(storage: &impl Backend) {
    let directory = Arc::new(storage.open().await);
    let mut creators = JoinSet::new();
    for number in 0..50 {
        let directory = Arc::clone(&directory);
        creators.spawn(async move {
            let user = new_user(&format!("user{number}"));
            directory.create(one_user(user), &rules(), false).await.unwrap().1.revision
        });
    }
    let mut revisions = creators.join_all().await;
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=50).collect::<Vec<_>>());
    let mut uids: Vec<u32> =
        directory.users(None, 100).await.unwrap().items.iter().map(|member| member.user.uid.0).collect();
    uids.sort_unstable();
    assert_eq!(uids, (1_900_000_000..1_900_000_050).collect::<Vec<_>>());
}

pub async fn thirty_writers_of_one_user_lose_nothing(storage: &impl Backend) {
    let directory = Arc::new(storage.open().await);
    add_user(&*directory, "ada").await;
    let mut writers = JoinSet::new();
    for number in 0..30 {
        let directory = Arc::clone(&directory);
        writers.spawn(async move { append(&*directory, &format!("<{number}>")).await });
    }
    writers.join_all().await;
    let gecos = find_user(&*directory, "ada").await.unwrap().user.gecos;
    for number in 0..30 {
        assert!(gecos.as_str().contains(&format!("<{number}>")), "{gecos}");
    }
}

/// Adds to ada's comment, looking again as often as somebody else came first.
async fn append(directory: &impl Directory, text: &str) {
    loop {
        let seen = find_user(directory, "ada").await.unwrap().user;
        let gecos = Some(format!("{}{text}", seen.gecos).parse().unwrap());
        let change = UserChange { gecos, if_revision: Some(seen.revision), ..UserChange::default() };
        match directory.update_user(name("ada"), change, &rules()).await {
            Ok(_) => return,
            Err(Error::Changed(_) | Error::Conflict(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

/// Lets somebody else write until it is dropped.
struct Meanwhile(Arc<AtomicBool>);

impl Meanwhile {
    fn goes_on(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let over = Arc::clone(&self.0);
        move || !over.load(Ordering::SeqCst)
    }
}

impl Drop for Meanwhile {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

pub async fn paging_visits_everybody_once_while_others_write(storage: &impl Backend) {
    let directory = Arc::new(storage.open().await);
    let expected: Vec<String> = (0..200).map(|number| format!("user{number:03}")).collect();
    let users = expected.iter().map(|user| new_user(user)).collect();
    directory.create(Batch { users, ..Batch::default() }, &rules(), false).await.unwrap();

    let meanwhile = Meanwhile(Arc::default());
    let writer = tokio::spawn({
        let (directory, goes_on) = (Arc::clone(&directory), meanwhile.goes_on());
        async move {
            for number in 0.. {
                if !goes_on() {
                    return;
                }
                let (text, to) = (format!("user{:03}-new", number % 200), format!("a{number}"));
                let made = directory.create(one_user(new_user(&text)), &rules(), false).await;
                if made.is_ok() && number % 2 == 0 {
                    let change = UserChange { name: Some(name(&to)), ..UserChange::default() };
                    directory.update_user(name(&text), change, &rules()).await.unwrap();
                }
            }
        }
    });
    for _ in 0..3 {
        let (mut visited, mut after) = (Vec::new(), None);
        loop {
            let page = directory.users(after, 7).await.unwrap();
            after = page.items.last().map(|member| member.user.name);
            visited.extend(page.items.into_iter().map(|member| member.user.name.to_string()));
            if !page.more {
                break;
            }
        }
        assert!(visited.is_sorted());
        visited.retain(|user| expected.contains(user));
        assert_eq!(visited, expected);
    }
    drop(meanwhile);
    writer.await.unwrap();
}

pub async fn a_dump_is_of_one_moment_while_others_write(storage: &impl Backend) {
    let directory = Arc::new(storage.open().await);
    add_group(&*directory, "everybody").await;
    let meanwhile = Meanwhile(Arc::default());
    // Every commit keeps all users in the group, and how many there are at each revision is noted.
    let writer = tokio::spawn({
        let (directory, goes_on) = (Arc::clone(&directory), meanwhile.goes_on());
        async move {
            let mut users_at = HashMap::from([(1, 0)]);
            for number in 0.. {
                if !goes_on() {
                    return users_at;
                }
                let user = format!("user{number}");
                let batch = Batch {
                    users: vec![new_user(&user)],
                    members: vec![new_member("everybody", &user)],
                    ..Batch::default()
                };
                let (_, position) = directory.create(batch, &rules(), false).await.unwrap();
                users_at.insert(position.revision, number as usize - number as usize / 3 + 1);
                if number % 3 == 2 {
                    let position = directory.delete_user(name(&user), None).await.unwrap();
                    users_at.insert(position.revision, number as usize - number as usize / 3);
                }
            }
            unreachable!("the numbers do not end")
        }
    });
    let mut seen = Vec::new();
    while seen.len() < 40 {
        let mut dump = Dump::default();
        let position = directory.dump(&mut dump).await.unwrap();
        let mut users: Vec<_> = dump.users.iter().map(|member| (member.user.name, member.user.uid)).collect();
        users.sort_unstable();
        let everybody = dump.groups.iter().find(|(group, _)| group.name == name("everybody")).unwrap();
        assert_eq!(everybody.1, users);
        assert_eq!(
            (dump.counts.users as usize, dump.counts.groups as usize),
            (users.len(), dump.groups.len())
        );
        assert_eq!(dump.groups.len(), users.len() + 1, "each has a private group");
        seen.push((position.revision, users.len()));
    }
    drop(meanwhile);
    let users_at = writer.await.unwrap();
    for (revision, users) in seen {
        assert_eq!(users_at[&revision], users, "at revision {revision}");
    }
}

pub async fn a_user_who_is_deleted_while_joining_is_in_no_group(storage: &impl Backend) {
    let directory = Arc::new(storage.open().await);
    add_group(&*directory, "physics").await;
    for number in 0..20 {
        let user = format!("user{number}");
        add_user(&*directory, &user).await;
        let joining = tokio::spawn({
            let (directory, users) = (Arc::clone(&directory), names(&[&user]));
            async move { directory.set_members(name("physics"), users, true).await }
        });
        let deleting = tokio::spawn({
            let (directory, user) = (Arc::clone(&directory), name(&user));
            async move { directory.delete_user(user, None).await }
        });
        deleting.await.unwrap().unwrap();
        if let Err(error) = joining.await.unwrap() {
            assert_eq!(error, Error::no_user(&user));
        }
        assert!(find_group(&*directory, "physics").await.unwrap().members.is_empty());
    }
}
