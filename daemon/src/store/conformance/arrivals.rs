//! People who come by logging in.

use std::collections::BTreeSet;
use std::sync::Arc;

use identity::{Day, State};
use tokio::task::JoinSet;

use super::{Backend, refusal};
use crate::directory::{
    Arrival, Arrived, Directory, Identity, LocalAccounts, Origin, Position, Result, Rules, UserChange,
};
use crate::testing::{
    Everything, add_group, add_user, arrival, find_group, find_user, join, leave, name, names, rules,
};

/// Lets somebody in.
pub async fn arrive(directory: &impl Directory, arrival: Arrival) -> Result<(Arrived, Position)> {
    directory.arrive(arrival, &rules()).await
}

/// Lets somebody in whose claims name these groups.
async fn arrive_in(directory: &impl Directory, groups: &[&str]) -> Arrived {
    let groups = Some(names(groups).into_iter().collect());
    arrive(directory, Arrival { groups, ..arrival("ada", "s1") }).await.unwrap().0
}

async fn groups_of(directory: &impl Directory, user: &str) -> Vec<String> {
    let member = find_user(directory, user).await.unwrap();
    member.groups.iter().map(|(_, group)| group.to_string()).collect()
}

pub async fn whoever_comes_for_the_first_time_becomes_a_user(storage: &impl Backend) {
    let directory = storage.open().await;
    add_group(&directory, "physics").await;
    let ada = Arrival {
        gecos: Some("Ada Lovelace".parse().unwrap()),
        email: Some("ada@example.org".parse().unwrap()),
        shell: Some("/bin/zsh".parse().unwrap()),
        groups: Some([name("physics"), name("chess"), name("ada")].into()),
        ..arrival("ada", "s1")
    };
    let (arrived, position) = arrive(&directory, ada.clone()).await.unwrap();
    assert!(arrived.created && arrived.left_out.is_empty(), "{arrived:?}");
    let member = find_user(&directory, "ada").await.unwrap();
    assert_eq!((member.origin, member.password_revision), (Origin::Oidc, None));
    let user = &member.user;
    assert_eq!((&user.uuid, user.revision), (&arrived.uuid, position.revision));
    assert_eq!(
        (user.gecos.as_str(), user.home.as_str(), user.shell.as_str()),
        ("Ada Lovelace", "/home/ada", "/bin/zsh")
    );
    assert_eq!(user.email.as_ref().unwrap().as_str(), "ada@example.org");
    assert_eq!(find_group(&directory, "ada").await.unwrap().private_of.as_ref(), Some(&arrived.uuid));
    assert_eq!(groups_of(&directory, "ada").await, ["chess", "physics"]);

    let (again, unchanged) = arrive(&directory, ada).await.unwrap();
    assert_eq!(again, Arrived { created: false, ..arrived });
    assert_eq!(unchanged, position, "nothing has changed, and no node has to be told");

    let countess = Arrival { gecos: Some("Countess".parse().unwrap()), shell: None, ..arrival("ada", "s1") };
    let (_, later) = arrive(&directory, countess).await.unwrap();
    let user = find_user(&directory, "ada").await.unwrap().user;
    assert_eq!(
        (user.gecos.as_str(), user.shell.as_str(), user.email.is_some()),
        ("Countess", "/bin/zsh", true)
    );
    assert_eq!((later.revision, user.revision), (position.revision + 1, position.revision + 1));

    let first_groups = || [name("physics")].into();
    let bob = Arrival { first_groups: first_groups(), ..arrival("bob", "s2") };
    assert!(arrive(&directory, bob).await.unwrap().0.created);
    assert_eq!(groups_of(&directory, "bob").await, ["physics"]);
    arrive(&directory, Arrival { first_groups: first_groups(), ..arrival("ada", "s1") }).await.unwrap();
    assert_eq!(
        groups_of(&directory, "ada").await,
        ["chess", "physics"],
        "whoever is there stays as they are"
    );
}

pub async fn fifty_first_logins_of_one_person_make_one_user(storage: &impl Backend) {
    let directory = Arc::new(storage.open().await);
    let mut logins = JoinSet::new();
    for _ in 0..50 {
        let directory = Arc::clone(&directory);
        let ada = Arrival { groups: Some([name("physics")].into()), ..arrival("ada", "s1") };
        logins.spawn(async move { directory.arrive(ada, &rules()).await.unwrap().0 });
    }
    let arrived = logins.join_all().await;
    assert_eq!(arrived.iter().filter(|arrived| arrived.created).count(), 1);
    assert_eq!(arrived.iter().map(|arrived| &arrived.uuid).collect::<BTreeSet<_>>().len(), 1);
    let all = Everything::of(&*directory).await;
    assert_eq!((all.user_names(), all.groups.len()), (vec!["ada"], 2));
}

pub async fn fifty_people_who_come_at_once_get_fifty_ids(storage: &impl Backend) {
    let directory = Arc::new(storage.open().await);
    let mut logins = JoinSet::new();
    for number in 0..50 {
        let directory = Arc::clone(&directory);
        let person = arrival(&format!("user{number}"), &format!("s{number}"));
        logins.spawn(async move { directory.arrive(person, &rules()).await.unwrap().0.created });
    }
    assert!(logins.join_all().await.into_iter().all(|created| created));
    let all = Everything::of(&*directory).await;
    let uids: BTreeSet<u32> = all.users.iter().map(|member| member.user.uid.0).collect();
    assert_eq!(uids, (1_900_000_000..1_900_000_050).collect());
}

pub async fn memberships_follow_the_claims_and_those_of_admins_stay(storage: &impl Backend) {
    let directory = storage.open().await;
    arrive_in(&directory, &["physics", "maths"]).await;
    add_group(&directory, "chess").await;
    join(&directory, "chess", &["ada"]).await;
    let before = directory.position().await.unwrap();

    arrive_in(&directory, &["maths", "chess", "art"]).await;
    assert_eq!(groups_of(&directory, "ada").await, ["art", "chess", "maths"]);
    let physics = find_group(&directory, "physics").await.unwrap();
    assert!(physics.members.is_empty() && physics.group.revision > before.revision);

    arrive_in(&directory, &[]).await;
    assert_eq!(
        groups_of(&directory, "ada").await,
        ["chess"],
        "an admin granted that, and the claims only said so, too"
    );
    leave(&directory, "chess", &["ada"]).await;
    arrive_in(&directory, &["chess"]).await;
    join(&directory, "chess", &["ada"]).await;
    arrive_in(&directory, &[]).await;
    assert_eq!(
        groups_of(&directory, "ada").await,
        ["chess"],
        "what came from claims is an admin's once one grants it"
    );

    arrive_in(&directory, &["maths"]).await;
    arrive(&directory, arrival("ada", "s1")).await.unwrap();
    assert_eq!(
        groups_of(&directory, "ada").await,
        ["chess", "maths"],
        "claims that do not speak of groups end nothing"
    );
}

pub async fn groups_that_cannot_be_had_are_told_of_and_keep_nobody_out(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "bob").await;
    add_group(&directory, "gone").await;
    directory.delete_group(name("gone"), None).await.unwrap();
    for created in [true, false] {
        let arrived = arrive_in(&directory, &["ada", "bob", "docker", "gone", "maths"]).await;
        assert_eq!(arrived.created, created);
        let told: Vec<_> = arrived.left_out.iter().map(|told| told.split(':').next().unwrap()).collect();
        assert_eq!(told, ["docker", "gone", "ada in bob"], "{:?}", arrived.left_out);
        assert_eq!(groups_of(&directory, "ada").await, ["maths"]);
    }
}

pub async fn an_account_of_that_name_is_nobodys_to_take_over(storage: &impl Backend) {
    let directory = storage.open().await;
    let ada = add_user(&directory, "ada").await.user;
    let before = Everything::of(&directory).await;
    let told = refusal!(arrive(&directory, arrival("ada", "s1")).await, Conflict);
    assert!(told.contains("podyctl identity link ada https://login.example.com s1"), "{told}");
    assert_eq!(Everything::of(&directory).await, before);

    let identity = Identity::new("https://login.example.com", "s1").unwrap();
    directory.link(ada.name, identity).await.unwrap();
    let (arrived, _) = arrive(&directory, arrival("ada", "s1")).await.unwrap();
    assert_eq!(arrived, Arrived { uuid: ada.uuid, name: ada.name, created: false, left_out: Vec::new() });
    assert_eq!(Everything::of(&directory).await, before);
    refusal!(arrive(&directory, arrival("ada", "s2")).await, Conflict);
    let elsewhere = Identity::new("https://login.example.org", "s1").unwrap();
    refusal!(arrive(&directory, Arrival { identity: elsewhere, ..arrival("ada", "s1") }).await, Conflict);
}

pub async fn whoever_is_locked_expired_or_deleted_stays_out(storage: &impl Backend) {
    let directory = storage.open().await;
    arrive(&directory, arrival("ada", "s1")).await.unwrap();
    let state = |state| UserChange { state: Some(state), ..UserChange::default() };
    let expires = |day| UserChange { expires_at: Some(day), ..UserChange::default() };
    let ada = name("ada");
    directory.update_user(ada, state(State::Locked), &rules()).await.unwrap();
    assert!(refusal!(arrive(&directory, arrival("ada", "s1")).await, Refused).contains("is locked"));
    directory.update_user(ada, state(State::Active), &rules()).await.unwrap();
    directory.update_user(ada, expires(Some(Day(10_000))), &rules()).await.unwrap();
    assert!(refusal!(arrive(&directory, arrival("ada", "s1")).await, Refused).contains("has expired"));
    directory.update_user(ada, expires(None), &rules()).await.unwrap();
    arrive(&directory, arrival("ada", "s1")).await.unwrap();

    directory.delete_user(ada, None).await.unwrap();
    for asked in ["ada", "ada2"] {
        let told = refusal!(arrive(&directory, arrival(asked, "s1")).await, Refused);
        assert!(told.contains("your account ada was deleted here"), "{told}");
    }
    let told = refusal!(arrive(&directory, arrival("ada", "s2")).await, Conflict);
    assert!(told.contains("the name of a deleted user"), "{told}");
    assert_eq!(directory.counts().await.unwrap().users, 0);
}

pub async fn a_rename_here_or_at_the_provider_keeps_the_account(storage: &impl Backend) {
    let directory = storage.open().await;
    let (ada, _) = arrive(&directory, arrival("ada", "s1")).await.unwrap();
    let married = Arrival { mapped: Some(name("ada-king")), ..arrival("ada", "s1") };
    assert_eq!(arrive(&directory, married.clone()).await.unwrap().0.uuid, ada.uuid);
    let told = refusal!(arrive(&directory, Arrival { asked: name("ada-king"), ..married }).await, Refused);
    assert!(told.contains("log in as ada"), "{told}");

    let change = UserChange { name: Some(name("countess")), ..UserChange::default() };
    directory.update_user(ada.name, change, &rules()).await.unwrap();
    let told = refusal!(arrive(&directory, arrival("ada", "s1")).await, Refused);
    assert!(told.contains("log in as countess"), "{told}");
    let countess = arrive(&directory, arrival("countess", "s1")).await.unwrap().0;
    assert_eq!((countess.uuid, countess.created), (ada.uuid, false));
    refusal!(arrive(&directory, arrival("ada", "s2")).await, Conflict);
}

pub async fn subjects_that_look_alike_are_other_people(storage: &impl Backend) {
    let directory = storage.open().await;
    let longest = "x".repeat(255);
    let longest_but_for_the_last = format!("{}y", "x".repeat(254));
    let subjects = ["ada", "Ada", "ADA", "ada%", "ada_", "a'da", "null", &longest, &longest_but_for_the_last];
    for (number, subject) in subjects.iter().enumerate() {
        let told = arrive(&directory, arrival(&format!("user{number}"), subject)).await;
        assert!(told.unwrap().0.created, "{subject}");
    }
    for (number, subject) in subjects.iter().enumerate() {
        let told = arrive(&directory, arrival(&format!("user{number}"), subject)).await.unwrap().0;
        assert!(!told.created, "{subject}");
        let another = arrival(&format!("user{}", (number + 1) % subjects.len()), subject);
        refusal!(arrive(&directory, another).await, Refused);
    }
}

pub async fn nobody_comes_beyond_the_cap_or_under_a_local_name(storage: &impl Backend) {
    let directory = storage.open().await;
    let local = LocalAccounts::parse("lab:x:5000:5000::/:/bin/sh", "");
    let rules = Rules { max_users: Some(1), local, ..rules() };
    let arrive = async |asked: &str, subject: &str| directory.arrive(arrival(asked, subject), &rules).await;
    assert!(refusal!(arrive("lab", "s1").await, Refused).contains("/etc/passwd"));
    assert!(refusal!(arrive("root", "s1").await, Refused).contains("/etc/passwd"));
    arrive("ada", "s1").await.unwrap();
    assert!(refusal!(arrive("bob", "s2").await, Refused).contains("auth.max_users"));
    arrive("ada", "s1").await.unwrap();
    assert_eq!(directory.identities(None, None, 10).await.unwrap().items.len(), 1, "a refusal links nobody");
}
