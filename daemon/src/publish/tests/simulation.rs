//! Whatever happens to the directory and to this machine's own accounts, lookups show what the directory
//! says, after every single step.

use std::sync::Arc;
use std::time::Duration;

use identity::{Day, Gecos, State};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::view::{Expected, Known};
use crate::config::{Nss, Settings};
use crate::directory::{
    Batch, Directory, LocalAccounts, NewGroup, NewUser, Position, Result, Rules, UserChange,
};
use crate::store::SqlDirectory;
use crate::testing::{
    Folder, Publishing, find_user, name, names, new_group, new_member, new_user, new_user_in, one_group,
    one_user, rules, until,
};

const USERS: &[&str] = &["ada", "bob", "eve", "kim", "lea", "mia"];
/// One of them could be a user's, too.
const GROUPS: &[&str] = &["physics", "art", "kim"];

/// Something happens.
#[derive(Clone, Debug)]
enum Event {
    Create {
        user: &'static str,
        reuse_name: bool,
    },
    CreateIn {
        user: &'static str,
        group: &'static str,
    },
    Import {
        users: Vec<&'static str>,
        group: &'static str,
    },
    Rename {
        user: &'static str,
        to: &'static str,
    },
    Change {
        user: &'static str,
        locked: bool,
        expires: Option<i32>,
    },
    Delete {
        user: &'static str,
    },
    Join {
        group: &'static str,
        user: &'static str,
    },
    Leave {
        group: &'static str,
        user: &'static str,
    },
    CreateGroup {
        group: &'static str,
        reuse_name: bool,
    },
    DeleteGroup {
        group: &'static str,
    },
    /// `useradd` and `groupadd` on this machine.
    LocalUser {
        name: &'static str,
    },
    LocalUserOfTheIdOf {
        user: &'static str,
    },
    LocalGroup {
        name: &'static str,
    },
    NoLocalAccounts,
    /// A new base is begun, and is ready at some time while other events go on.
    Merge,
    /// podyd dies and is started again, or the machine.
    Crash {
        reboot: bool,
    },
}

fn any_event() -> impl Strategy<Value = Event> {
    let user = || prop::sample::select(USERS);
    let group = || prop::sample::select(GROUPS);
    let users = prop::collection::vec(user(), 1..4);
    prop_oneof![
        4 => (user(), any::<bool>()).prop_map(|(user, reuse_name)| Event::Create { user, reuse_name }),
        2 => (user(), group()).prop_map(|(user, group)| Event::CreateIn { user, group }),
        1 => (users, group()).prop_map(|(users, group)| Event::Import { users, group }),
        3 => (user(), user()).prop_map(|(user, to)| Event::Rename { user, to }),
        2 => (user(), any::<bool>(), prop::option::of(-1..30_000))
            .prop_map(|(user, locked, expires)| Event::Change { user, locked, expires }),
        2 => user().prop_map(|user| Event::Delete { user }),
        6 => (group(), user()).prop_map(|(group, user)| Event::Join { group, user }),
        3 => (group(), user()).prop_map(|(group, user)| Event::Leave { group, user }),
        4 => (group(), any::<bool>()).prop_map(|(group, reuse_name)| Event::CreateGroup { group, reuse_name }),
        2 => group().prop_map(|group| Event::DeleteGroup { group }),
        1 => user().prop_map(|name| Event::LocalUser { name }),
        1 => user().prop_map(|user| Event::LocalUserOfTheIdOf { user }),
        1 => group().prop_map(|name| Event::LocalGroup { name }),
        1 => Just(Event::NoLocalAccounts),
        2 => Just(Event::Merge),
        1 => any::<bool>().prop_map(|reboot| Event::Crash { reboot }),
    ]
}

/// A node, and what is known about it.
struct Node {
    folder: Folder,
    publishing: Publishing<SqlDirectory>,
    settings: Settings,
    passwd: String,
    group: String,
    known: Known,
}

impl Node {
    async fn new(merge_after: u32) -> Self {
        let folder = Folder::new();
        let directory = SqlDirectory::sqlite(&folder.join("directory.sqlite")).await.unwrap();
        let settings = Settings { nss: Nss { merge_after, ..Nss::default() }, ..Settings::default() };
        let publishing = Publishing::start(Arc::new(directory), &folder, rules(), settings.clone());
        let known = Known {
            names: USERS.iter().chain(GROUPS).map(ToString::to_string).collect(),
            ..Known::default()
        };
        Self { folder, publishing, settings, passwd: String::new(), group: String::new(), known }
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.publishing.rules.borrow())
    }

    /// Makes it happen, and compares.
    async fn goes_through(&mut self, event: Event) {
        match event {
            Event::LocalUser { name } => self.passwd.push_str(&format!("{name}:x:3000:3000::/:/bin/sh\n")),
            Event::LocalGroup { name } => self.group.push_str(&format!("{name}:x:3001:\n")),
            Event::LocalUserOfTheIdOf { user } => {
                let Some(found) = find_user(&*self.publishing.directory, user).await else { return };
                self.passwd.push_str(&format!("stranger:x:{}:3002::/:/bin/sh\n", found.user.uid));
            }
            Event::NoLocalAccounts => {
                self.passwd.clear();
                self.group.clear();
            }
            Event::Merge => {}
            Event::Crash { reboot } => return self.crash(reboot).await,
            change => {
                // What is refused changes nothing, and nothing must seem to change.
                if let Ok(position) = self.change(change).await {
                    self.publishing.published.reaches(&position, crate::testing::PATIENCE).await.unwrap();
                }
                return self.compare().await.unwrap();
            }
        }
        let local = LocalAccounts::parse(&self.passwd, &self.group);
        self.publishing.rules.send_replace(Arc::new(Rules { local, ..rules() }));
        self.becomes_right().await;
    }

    async fn change(&self, event: Event) -> Result<Position> {
        let (directory, rules) = (&*self.publishing.directory, self.rules());
        let create = async |batch: Batch| Ok(directory.create(batch, &rules, false).await?.1);
        let update = async |user, change| directory.update_user(name(user), change, &rules).await;
        match event {
            Event::Create { user, reuse_name } => {
                create(one_user(NewUser { reuse_name, ..new_user(user) })).await
            }
            Event::CreateIn { user, group } => create(one_user(new_user_in(user, group))).await,
            Event::Import { users, group } => {
                let members = users.iter().map(|user| new_member(group, user)).collect();
                let users = users.into_iter().map(new_user).collect();
                create(Batch { groups: vec![new_group(group)], users, members, all_or_nothing: false }).await
            }
            Event::Rename { user, to } => {
                update(user, UserChange { name: Some(name(to)), ..UserChange::default() }).await
            }
            Event::Change { user, locked, expires } => {
                let change = UserChange {
                    gecos: Some(format!("until {expires:?}").parse::<Gecos>().unwrap()),
                    state: Some(if locked { State::Locked } else { State::Active }),
                    expires_at: Some(expires.map(Day)),
                    ..UserChange::default()
                };
                update(user, change).await
            }
            Event::Delete { user } => directory.delete_user(name(user), None).await,
            Event::Join { group, user } => directory.set_members(name(group), names(&[user]), true).await,
            Event::Leave { group, user } => directory.set_members(name(group), names(&[user]), false).await,
            Event::CreateGroup { group, reuse_name } => {
                create(one_group(NewGroup { reuse_name, ..new_group(group) })).await
            }
            Event::DeleteGroup { group } => directory.delete_group(name(group), None).await,
            other => unreachable!("{other:?} does not change the directory"),
        }
    }

    async fn crash(&mut self, reboot: bool) {
        let (directory, rules) = (Arc::clone(&self.publishing.directory), (*self.rules()).clone());
        self.publishing.crash().await;
        if reboot {
            std::fs::remove_dir_all(self.folder.join("run")).unwrap();
        } else {
            self.compare().await.expect("what was shown is shown while podyd is down");
        }
        self.publishing = Publishing::start(directory, &self.folder, rules, self.settings.clone());
        if !reboot {
            self.compare().await.expect("what was shown is shown before anything new is");
        }
        self.publishing.up_to_date().await;
        self.compare().await.unwrap();
    }

    async fn compare(&mut self) -> std::result::Result<(), String> {
        let rules = self.rules();
        let expected = Expected::of(&*self.publishing.directory, &rules, &mut self.known).await;
        expected.compare(&self.publishing, &self.known)
    }

    /// Local accounts have no revision to wait for.
    async fn becomes_right(&mut self) {
        let rules = self.rules();
        let expected = Expected::of(&*self.publishing.directory, &rules, &mut self.known).await;
        until("lookups follow the local accounts", async || {
            expected.compare(&self.publishing, &self.known).is_ok()
        })
        .await;
    }
}

async fn live_through(events: Vec<Event>, merge_after: u32) {
    let mut node = Node::new(merge_after).await;
    node.publishing.up_to_date().await;
    node.becomes_right().await;
    for event in events {
        node.goes_through(event).await;
    }
    node.publishing.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        max_shrink_iters: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn lookups_show_what_the_directory_says_after_every_step(
        events in prop::collection::vec(any_event(), 1..60),
        merge_after in prop_oneof![Just(1), 2_u32..20, Just(10_000)],
    ) {
        Runtime::new().unwrap().block_on(live_through(events, merge_after));
    }
}

/// The publisher reads what changed and how it is now in two looks; whatever happens between them must not
/// trouble it.
#[tokio::test(flavor = "multi_thread")]
async fn writers_that_never_pause_do_not_trouble_the_publisher() {
    let node = Arc::new(Node::new(50).await);
    let change = Arc::clone(&node);
    let writers = (0..4).map(|seed: usize| {
        let node = Arc::clone(&change);
        tokio::spawn(async move {
            for step in 0..120 {
                let [user, to] =
                    [step * 7 + seed, step * 5 + 3 * seed].map(|number| USERS[number % USERS.len()]);
                let group = GROUPS[(step + seed) % GROUPS.len()];
                let event = match (step + seed) % 6 {
                    0 | 1 => Event::Create { user, reuse_name: true },
                    2 => Event::CreateGroup { group, reuse_name: true },
                    3 => Event::Join { group, user },
                    4 => Event::Rename { user, to },
                    _ if step % 4 == 0 => Event::DeleteGroup { group },
                    _ => Event::Delete { user },
                };
                let _ = node.change(event).await;
                let now = node.publishing.directory.position().await.unwrap();
                let _ = node.publishing.published.reaches(&now, Duration::from_millis(2)).await;
                assert_eq!(node.publishing.published.trouble(), None);
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    drop(change);
    let mut node = Arc::into_inner(node).expect("the writers are done");
    node.publishing.up_to_date().await;
    node.compare().await.unwrap();
    node.publishing.stop().await;
}
