//! Users: what they are, what they are called, and what remains of them.

use identity::{Day, Email, State};

use super::{Backend, HASH, refusal};
use crate::directory::{Directory, Error, Key, LocalAccounts, NewUser, Origin, Rules, UserChange};
use crate::testing::{
    add_group, add_user, create_group, create_user, find_group, find_user, join, name, new_group, new_user,
    new_user_in, rules,
};

fn renamed(to: &str) -> UserChange {
    UserChange { name: Some(name(to)), ..UserChange::default() }
}

async fn rename(directory: &impl Directory, from: &str, to: &str) -> Result<(), Error> {
    directory.update_user(name(from), renamed(to), &rules()).await.map(drop)
}

pub async fn a_user_is_found_by_name_and_id_with_a_private_group(storage: &impl Backend) {
    let directory = storage.open().await;
    let ada = add_user(&directory, "ada").await;
    assert_eq!((ada.user.uid.0, ada.user.gid.0), (1_900_000_000, 1_900_000_000));
    assert_eq!((ada.user.home.as_str(), ada.user.state), ("/home/ada", State::Active));
    assert!(ada.groups.is_empty() && ada.password_revision.is_none() && !ada.user.is_admin);
    assert_eq!(directory.user(Key::Id(ada.user.uid.0)).await.unwrap(), Some(ada.clone()));
    let group = find_group(&directory, "ada").await.unwrap();
    assert!(group.private_of.is_some() && group.members.is_empty());
    assert_eq!(group.group.gid, ada.user.gid);
    assert_eq!(directory.group(Key::Id(ada.user.gid.0)).await.unwrap(), Some(group));
}

pub async fn a_name_is_one_users_and_one_groups(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "ada").await;
    add_group(&directory, "physics").await;
    refusal!(create_user(&directory, new_user("ada")).await, Conflict);
    refusal!(create_group(&directory, new_group("physics")).await, Conflict);
    let message = refusal!(create_user(&directory, new_user("physics")).await, Conflict);
    assert!(message.contains("group physics"), "the private group's name is taken: {message}");
    let message = refusal!(create_group(&directory, new_group("ada")).await, Conflict);
    assert!(message.contains("group ada"), "{message}");
}

pub async fn a_user_may_have_the_name_of_an_existing_primary_group(storage: &impl Backend) {
    let directory = storage.open().await;
    let lab = add_group(&directory, "lab").await;
    let user = create_user(&directory, new_user_in("lab", "lab")).await.unwrap();
    assert_eq!(user.user.gid, lab.group.gid);
    assert!(find_group(&directory, "lab").await.unwrap().private_of.is_none());
    refusal!(create_user(&directory, new_user_in("ada", "nowhere")).await, NotFound);
}

pub async fn everything_about_a_user_can_be_given_and_changed(storage: &impl Backend) {
    let directory = storage.open().await;
    let email = |text: &str| text.parse::<Email>().unwrap();
    let given = NewUser {
        gecos: "Ada".parse().unwrap(),
        email: Some(email("ada@example.org")),
        home: Some("/data/ada".parse().unwrap()),
        shell: "/bin/zsh".parse().unwrap(),
        state: State::Locked,
        expires_at: Some(Day(20_000)),
        is_admin: true,
        password: Some(HASH.into()),
        origin: Origin::Htpasswd,
        ..new_user("ada")
    };
    let made = create_user(&directory, given).await.unwrap();
    assert_eq!((made.origin, made.password_revision.is_some()), (Origin::Htpasswd, true));
    let mut ada = made.user;
    assert_eq!((ada.gecos.as_str(), ada.home.as_str(), ada.shell.as_str()), ("Ada", "/data/ada", "/bin/zsh"));
    assert_eq!(
        (&ada.email, ada.state, ada.expires_at),
        (&Some(email("ada@example.org")), State::Locked, Some(Day(20_000)))
    );
    assert!(ada.is_admin);

    let change = UserChange {
        gecos: Some("Countess".parse().unwrap()),
        email: Some(None),
        home: Some("/home/countess".parse().unwrap()),
        shell: Some("/bin/sh".parse().unwrap()),
        state: Some(State::Active),
        expires_at: Some(Some(Day(-1))),
        is_admin: Some(false),
        ..UserChange::default()
    };
    let position = directory.update_user(ada.name, change, &rules()).await.unwrap();
    ada.gecos = "Countess".parse().unwrap();
    ada.email = None;
    ada.home = "/home/countess".parse().unwrap();
    ada.shell = "/bin/sh".parse().unwrap();
    (ada.state, ada.expires_at, ada.is_admin) = (State::Active, Some(Day(-1)), false);
    ada.revision = position.revision;
    assert_eq!(find_user(&directory, "ada").await.unwrap().user, ada);

    let nothing = directory.update_user(ada.name, UserChange::default(), &rules()).await.unwrap();
    ada.revision = nothing.revision;
    assert_eq!(find_user(&directory, "ada").await.unwrap().user, ada, "what is left out stays");
}

pub async fn text_survives_as_it_is(storage: &impl Backend) {
    let directory = storage.open().await;
    let texts = [
        "𝓐𝓭𝓪 👩🏽‍🔬",
        "O'Neil \"Tip\" \\ % _ ; -- ' OR '1'='1",
        "ends with spaces   ",
        "   begins with them",
        "a\u{301} \u{e1}",
        "null",
        "0",
        "1e3",
        "[\"json\"]",
        "{}",
        &"x".repeat(255),
        &format!("{}abc", "😀".repeat(63)),
    ];
    for (number, text) in texts.iter().enumerate() {
        let user = format!("user{number}");
        let home =
            format!("/{}", text.trim_matches('.').replace('/', "").chars().take(60).collect::<String>());
        let given = NewUser {
            gecos: text.parse().unwrap(),
            home: Some(home.parse().unwrap()),
            password: Some((*text).to_owned()),
            ..new_user(&user)
        };
        create_user(&directory, given).await.unwrap();
        let found = find_user(&directory, &user).await.unwrap().user;
        assert_eq!((found.gecos.as_str(), found.home.as_str()), (*text, home.as_str()));
        let hash = directory.credential(name(&user)).await.unwrap().unwrap().hash;
        assert_eq!(hash.as_deref(), Some(*text));
    }
    for longest in ["x".repeat(32), "_".repeat(32), "null".to_owned(), "true".to_owned()] {
        assert_eq!(add_user(&directory, &longest).await.user.name, name(&longest));
    }
}

pub async fn a_rename_keeps_all_that_hangs_on_the_user_and_holds_the_old_name_back(storage: &impl Backend) {
    let directory = storage.open().await;
    let ada =
        create_user(&directory, NewUser { password: Some(HASH.into()), ..new_user("ada") }).await.unwrap();
    add_group(&directory, "physics").await;
    join(&directory, "physics", &["ada"]).await;
    rename(&directory, "ada", "countess").await.unwrap();

    let countess = find_user(&directory, "countess").await.unwrap();
    assert_eq!((&countess.user.uuid, countess.user.uid), (&ada.user.uuid, ada.user.uid));
    assert_eq!((countess.groups.len(), countess.password_revision.is_some()), (1, true));
    assert_eq!(countess.user.home, ada.user.home, "nothing is moved");
    assert_eq!(find_group(&directory, "physics").await.unwrap().members, [name("countess")]);
    assert_eq!(find_group(&directory, "countess").await.unwrap().group.gid, ada.user.gid);
    assert!(find_user(&directory, "ada").await.is_none() && find_group(&directory, "ada").await.is_none());

    let message = refusal!(create_user(&directory, new_user("ada")).await, Conflict);
    assert!(message.contains("--reuse-name"), "{message}");
    refusal!(create_group(&directory, new_group("ada")).await, Conflict);
    let second = create_user(&directory, NewUser { reuse_name: true, ..new_user("ada") }).await.unwrap();
    assert_ne!(second.user.uid, ada.user.uid);
}

pub async fn whoever_was_renamed_may_have_the_old_name_again(storage: &impl Backend) {
    let directory = storage.open().await;
    let ada = add_user(&directory, "ada").await.user;
    for _ in 0..2 {
        rename(&directory, "ada", "countess").await.unwrap();
        rename(&directory, "countess", "ada").await.unwrap();
    }
    assert_eq!(find_user(&directory, "ada").await.unwrap().user.uuid, ada.uuid);
    assert_eq!(find_group(&directory, "ada").await.unwrap().group.gid, ada.gid);
    add_user(&directory, "bob").await;
    refusal!(rename(&directory, "bob", "countess").await, Conflict);
}

pub async fn a_name_that_was_given_again_is_its_second_holders_to_return_to(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "first").await;
    rename(&directory, "first", "eve").await.unwrap();
    create_user(&directory, NewUser { reuse_name: true, ..new_user("first") }).await.unwrap();
    rename(&directory, "first", "second").await.unwrap();
    refusal!(rename(&directory, "eve", "first").await, Conflict);
    rename(&directory, "second", "first").await.unwrap();
    assert!(find_user(&directory, "first").await.is_some());
}

pub async fn nobody_is_renamed_to_what_is_anothers_or_local(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "ada").await;
    add_user(&directory, "bob").await;
    add_group(&directory, "physics").await;
    refusal!(rename(&directory, "ada", "bob").await, Conflict);
    refusal!(rename(&directory, "ada", "physics").await, Conflict);
    refusal!(rename(&directory, "ada", "root").await, Refused);
    refusal!(rename(&directory, "ada", "sudo").await, Refused);
    let local = LocalAccounts::parse("lab:x:5000:5000::/:/bin/sh", "labgroup:x:5001:");
    let rules = Rules { local, ..rules() };
    refusal!(directory.update_user(name("ada"), renamed("lab"), &rules).await, Refused);
    refusal!(directory.update_user(name("ada"), renamed("labgroup"), &rules).await, Refused);
    let before = directory.position().await.unwrap();
    directory.update_user(name("ada"), renamed("ada"), &rules).await.unwrap();
    assert_eq!(directory.position().await.unwrap().revision, before.revision + 1);
}

pub async fn a_deleted_user_leaves_nothing_but_a_name_that_is_kept_back(storage: &impl Backend) {
    let directory = storage.open().await;
    let ada =
        create_user(&directory, NewUser { password: Some(HASH.into()), ..new_user("ada") }).await.unwrap();
    add_group(&directory, "physics").await;
    join(&directory, "physics", &["ada"]).await;
    directory.delete_user(name("ada"), None).await.unwrap();

    assert!(find_user(&directory, "ada").await.is_none() && find_group(&directory, "ada").await.is_none());
    assert!(directory.user(Key::Id(ada.user.uid.0)).await.unwrap().is_none());
    assert!(find_group(&directory, "physics").await.unwrap().members.is_empty());
    assert_eq!(directory.counts().await.unwrap().users, 0);

    refusal!(create_user(&directory, new_user("ada")).await, Conflict);
    refusal!(create_group(&directory, new_group("ada")).await, Conflict);
    let again = create_user(&directory, NewUser { reuse_name: true, ..new_user("ada") }).await.unwrap();
    assert_ne!(again.user.uid, ada.user.uid);
    assert_ne!(again.user.uuid, ada.user.uuid);
    assert!(again.groups.is_empty() && again.password_revision.is_none(), "a name carries nothing over");
}

pub async fn an_update_of_what_has_changed_meanwhile_is_refused(storage: &impl Backend) {
    let directory = storage.open().await;
    let seen = add_user(&directory, "ada").await.user.revision;
    let lock = |if_revision| UserChange { state: Some(State::Locked), if_revision, ..UserChange::default() };
    directory.update_user(name("ada"), lock(Some(seen)), &rules()).await.unwrap();
    let message = refusal!(directory.update_user(name("ada"), lock(Some(seen)), &rules()).await, Changed);
    assert!(message.contains("ada has changed"), "{message}");
    refusal!(directory.delete_user(name("ada"), Some(seen)).await, Changed);
    add_group(&directory, "physics").await;
    let seen = find_user(&directory, "ada").await.unwrap().user.revision;
    let group = find_group(&directory, "physics").await.unwrap().group.revision;
    join(&directory, "physics", &["ada"]).await;
    refusal!(directory.update_user(name("ada"), lock(Some(seen)), &rules()).await, Changed);
    refusal!(directory.delete_group(name("physics"), Some(group)).await, Changed);

    let group = find_group(&directory, "physics").await.unwrap().group.revision;
    directory.delete_group(name("physics"), Some(group)).await.unwrap();
    let seen = find_user(&directory, "ada").await.unwrap().user.revision;
    directory.delete_user(name("ada"), Some(seen)).await.unwrap();
}

pub async fn whoever_does_not_exist_is_not_found(storage: &impl Backend) {
    let directory = storage.open().await;
    let (nobody, before) = (name("nobody-here"), directory.position().await.unwrap());
    assert!(find_user(&directory, "nobody-here").await.is_none());
    assert!(directory.user(Key::Id(u32::MAX)).await.unwrap().is_none());
    assert!(directory.group(Key::Id(u32::MAX)).await.unwrap().is_none());
    refusal!(directory.update_user(nobody, UserChange::default(), &rules()).await, NotFound);
    refusal!(directory.delete_user(nobody, None).await, NotFound);
    refusal!(directory.delete_group(nobody, None).await, NotFound);
    refusal!(directory.set_password(nobody, None).await, NotFound);
    refusal!(directory.set_members(nobody, vec![], true).await, NotFound);
    assert_eq!(directory.credential(nobody).await.unwrap(), None);
    assert_eq!(directory.position().await.unwrap(), before, "what is refused is no change");
}

pub async fn pages_are_in_the_order_of_names(storage: &impl Backend) {
    let directory = storage.open().await;
    for user in ["b", "a.x", "a-x", "a0", "a_x", "_a", "aa", "a"] {
        add_user(&directory, user).await;
    }
    let mut listed = Vec::new();
    for expected_more in [true, true, false] {
        let page = directory.users(listed.last().copied(), 3).await.unwrap();
        listed.extend(page.items.iter().map(|member| member.user.name));
        assert_eq!(page.more, expected_more);
    }
    let mut sorted = listed.clone();
    sorted.sort_unstable();
    assert_eq!((listed.len(), listed), (8, sorted));
    assert!(directory.users(Some(name("b")), 3).await.unwrap().items.is_empty());
}
