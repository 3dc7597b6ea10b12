//! Each method once, from the wire to the directory and back.

use base64::Engine as _;
use protocol::Error as WireError;
use protocol::directory::*;
use protocol::login::{Answer, Begin, ChangePassword, CheckAccount, Step, Verdict};
use protocol::node::{Doctor, Metrics, Status};

use super::Door;

const PASSWORD: &str = "correct horse";

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn secret(text: &str) -> Option<Secret> {
    Some(Secret(text.to_owned()))
}

fn user(name: &str) -> CreateUser {
    CreateUser { name: name.to_owned(), ..CreateUser::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_created_shown_changed_and_deleted() {
    let door = Door::open().await;
    let create = CreateUser {
        gecos: text("Ada"),
        email: text("ada@example.org"),
        expires_at: text("2031-12-24"),
        is_admin: true,
        password: secret(PASSWORD),
        ..user("ada")
    };
    let made = door.call(create).await.unwrap().user;
    assert_eq!((made.name.as_str(), made.uid, made.gid), ("ada", 1_900_000_000, 1_900_000_000));
    assert_eq!((made.gecos.as_str(), made.email.as_deref()), ("Ada", Some("ada@example.org")));
    assert_eq!((made.state.as_str(), made.expires_at.as_deref()), ("active", Some("2031-12-24")));
    assert!(made.is_admin && made.has_password && made.groups.is_empty() && made.hidden.is_none());
    let by_name = door.call(GetUser { name: text("ada"), uid: None }).await.unwrap().user;
    let by_uid = door.call(GetUser { name: None, uid: Some(made.uid) }).await.unwrap().user;
    assert_eq!((&by_name, &by_uid), (&made, &made));

    let update = UpdateUser {
        name: "ada".into(),
        new_name: text("countess"),
        state: text("locked"),
        email: text(""),
        expires_at: text(""),
        is_admin: Some(false),
        if_revision: Some(made.revision),
        ..UpdateUser::default()
    };
    let changed = door.call(update).await.unwrap().user;
    assert_eq!(
        (changed.name.as_str(), changed.state.as_str(), changed.uid),
        ("countess", "locked", made.uid)
    );
    assert_eq!((changed.email, changed.expires_at, changed.gecos.as_str()), (None, None, "Ada"));

    door.call(user("bob")).await.unwrap();
    let page = door.call(ListUsers { after: None, limit: Some(1) }).await.unwrap();
    assert_eq!((page.users[0].name.as_str(), page.more), ("bob", true));
    let page = door.call(ListUsers { after: text("bob"), limit: None }).await.unwrap();
    assert_eq!((page.users[0].name.as_str(), page.more), ("countess", false));

    let done = door.call(DeleteUser { name: "countess".into() }).await.unwrap();
    assert_eq!(done.revision, 4);
    let gone = door.refused(GetUser { name: text("countess"), uid: None }).await;
    assert_eq!(gone, WireError::NotFound { message: "there is no user countess".into() });
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_created_filled_emptied_and_deleted() {
    let door = Door::open().await;
    let create = CreateGroup { name: "physics".into(), gid: Some(7000), reuse_name: false };
    let made = door.call(create).await.unwrap().group;
    assert_eq!((made.gid, made.private, made.members.len()), (7000, false, 0));
    door.call(CreateUser { groups: vec!["physics".into()], ..user("ada") }).await.unwrap();
    door.call(user("bob")).await.unwrap();
    door.call(AddMembers { group: "physics".into(), users: vec!["bob".into()] }).await.unwrap();
    let group = door.call(GetGroup { gid: Some(7000), ..Default::default() }).await.unwrap().group;
    assert_eq!(group.members, ["ada", "bob"]);
    door.call(RemoveMembers { group: "physics".into(), users: vec!["ada".into()] }).await.unwrap();
    let group = door.call(GetGroup { name: text("physics"), ..Default::default() }).await.unwrap().group;
    assert_eq!(group.members, ["bob"]);
    let listed = |page: GroupsReply| page.groups.into_iter().map(|group| group.name).collect::<Vec<_>>();
    let page = door.call(ListGroups { private: true, ..ListGroups::default() }).await.unwrap();
    assert_eq!(listed(page), ["ada", "bob", "physics"]);
    assert_eq!(listed(door.call(ListGroups::default()).await.unwrap()), ["physics"]);
    door.call(DeleteGroup { name: "physics".into() }).await.unwrap();
    let again = CreateGroup { name: "physics".into(), ..CreateGroup::default() };
    assert!(matches!(door.refused(again).await, WireError::Conflict { .. }));
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_wrongly_is_named() {
    let door = Door::open().await;
    let field = async |method: CreateUser| match door.refused(method).await {
        WireError::InvalidInput { field, message } => (field, message),
        other => panic!("{other:?}"),
    };
    let (named, message) = field(user("Ada")).await;
    assert_eq!((named.as_str(), message.as_str()), ("name", "a name is written in lower case"));
    assert_eq!(field(CreateUser { home: text("home"), ..user("ada") }).await.0, "home");
    assert_eq!(field(CreateUser { expires_at: text("soon"), ..user("ada") }).await.0, "expires_at");
    assert_eq!(field(CreateUser { groups: vec!["a b".into()], ..user("ada") }).await.0, "groups");
    assert_eq!(field(CreateUser { password: secret("short"), ..user("ada") }).await.0, "password");
    for (name, uid) in [(None, None), (text("ada"), Some(7000))] {
        let refused = door.refused(GetUser { name, uid }).await;
        assert!(matches!(refused, WireError::InvalidInput { field, .. } if field == "name"));
    }
    assert!(matches!(
        door.refused(CreateUser { uid: Some(12), ..user("ada") }).await,
        WireError::Refused { .. }
    ));
    let refused = door.refused(user("root")).await;
    assert_eq!(refused.message(), "root is a local account of this machine (/etc/passwd)");
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_imported_and_exported() {
    let door = Door::open().await;
    let imported = |line, name: &str| ImportUser { line, name: name.to_owned(), ..ImportUser::default() };
    let batch = |dry_run| Import {
        groups: vec![ImportGroup { line: 1, name: "physics".into(), gid: Some(7000) }],
        users: vec![
            ImportUser { uid: Some(7001), password_hash: secret("sha256:00"), ..imported(2, "ada") },
            ImportUser { uid: Some(7001), gid: Some(7002), ..imported(3, "bob") },
            ImportUser { uid: Some(7001), ..imported(4, "eve") },
            imported(5, "Bad Name"),
        ],
        members: vec![ImportMember { line: 6, group: "physics".into(), user: "bob".into() }],
        dry_run,
        ..Import::default()
    };
    for dry_run in [true, false] {
        let reply = door.call(batch(dry_run)).await.unwrap();
        let lines: Vec<_> =
            reply.refused.iter().map(|refusal| (refusal.line, refusal.name.as_str())).collect();
        assert_eq!((reply.taken, lines), (3, vec![(2, "ada"), (4, "eve"), (5, "Bad Name")]));
    }
    let page = door.call(Export { after: None, limit: None }).await.unwrap();
    assert_eq!((page.users.len(), page.users[0].user.uid, page.users[0].user.gid), (1, 7001, 7002));
    assert_eq!(page.users[0].user.groups, ["physics"]);

    door.call(DeleteUser { name: "bob".into() }).await.unwrap();
    let again = |reuse_name| Import {
        users: vec![ImportUser { uid: Some(7001), ..imported(1, "bob") }],
        new_ids: true,
        reuse_name,
        ..Import::default()
    };
    assert_eq!(door.call(again(false)).await.unwrap().taken, 0);
    assert_eq!(door.call(again(true)).await.unwrap().taken, 1);
    let too_many = Import { users: vec![imported(0, "x"); 2001], ..Import::default() };
    assert!(matches!(door.refused(too_many).await, WireError::InvalidInput { .. }));
    let content = Secret(base64::engine::general_purpose::STANDARD.encode("no database"));
    let refused = door.refused(ReadPodyDatabase { content }).await;
    assert!(matches!(refused, WireError::InvalidInput { field, .. } if field == "content"));
    door.close().await;
}

/// A storm of logins with such passwords would take the memory that everything else on the node needs.
#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_takes_too_much_memory_is_refused_with_its_line() {
    let door = Door::open().await;
    let hash =
        "$argon2id$v=19$m=1048576,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$uL2hQzJmxaz0Tfm2KK6uNjA0+UvbrHBEBwVmJYrNXCE";
    let user = |line, name: &str, hash: &str| ImportUser {
        line,
        name: name.to_owned(),
        password_hash: secret(hash),
        ..ImportUser::default()
    };
    let users = vec![user(7, "ada", hash), user(8, "bob", &hash.replace("1048576", "65536"))];
    let reply = door.call(Import { users, ..Import::default() }).await.unwrap();
    assert_eq!((reply.taken, reply.refused.len(), reply.refused[0].line), (1, 1, 7));
    let reason = &reply.refused[0].reason;
    assert!(reason.contains("takes 1024 MiB") && reason.contains("has 512 MiB for each"), "{reason}");
    assert!(reason.starts_with("password_hash: ") && !reason.contains("$argon2id"), "{reason}");
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_a_conversation() {
    let door = Door::open().await;
    door.call(user("ada")).await.unwrap();
    door.call(SetPassword { name: "ada".into(), old: None, new: secret(PASSWORD) }).await.unwrap();
    let begin = |user: &str| Begin { user: user.to_owned(), service: "sshd".into(), rhost: None, tty: None };
    let unknown = door.call(begin("nobody-here")).await.unwrap();
    assert_eq!(unknown, Step::Done { verdict: Verdict::Unknown, message: None });
    let Step::Ask { login, prompt, echo: false, optional: false, message: None } =
        door.call(begin("ada")).await.unwrap()
    else {
        panic!("a password is asked for");
    };
    assert_eq!(prompt, "Password: ");
    let answer = Answer { login, answer: Secret(PASSWORD.into()) };
    let granted = door.call(answer.clone()).await.unwrap();
    assert_eq!(granted, Step::Done { verdict: Verdict::Granted, message: None });
    assert!(matches!(door.refused(answer).await, WireError::NotFound { .. }));

    let check = CheckAccount { user: "ada".into(), service: "sshd".into() };
    assert_eq!(door.call(check.clone()).await.unwrap().verdict, Verdict::Granted);
    let lock = UpdateUser { name: "ada".into(), state: text("locked"), ..UpdateUser::default() };
    door.call(lock).await.unwrap();
    let locked = door.call(check).await.unwrap();
    assert!(locked.verdict == Verdict::AccountLocked && locked.message.is_some());
    let change = |old| ChangePassword { user: "ada".into(), old: secret(old), new: secret("another horse") };
    assert_eq!(door.call(change("wrong horse")).await.unwrap().verdict, Verdict::Denied);
    assert_eq!(door.call(change(PASSWORD)).await.unwrap().verdict, Verdict::Granted);
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_says_how_it_is_doing() {
    let door = Door::open().await;
    door.call(user("ada")).await.unwrap();
    let status = door.call(Status {}).await.unwrap();
    assert_eq!((status.directory.as_str(), status.reachable), ("local", true));
    assert_eq!((status.revision, status.published_revision, status.users, status.groups), (1, 1, 1, 1));
    assert_eq!((status.version.as_str(), status.warnings.len()), (env!("CARGO_PKG_VERSION"), 0));
    assert_eq!(door.call(Doctor {}).await.unwrap().findings, []);
    let metrics = door.call(Metrics {}).await.unwrap().text;
    assert!(metrics.contains("\npody_published_revision 1\n"), "{metrics}");
    door.close().await;
}
