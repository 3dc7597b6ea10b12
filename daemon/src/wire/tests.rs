//! What is written is what is read, whatever it is; and what is cut off or made up is worth nothing.

use std::collections::BTreeSet;

use identity::{Day, Gid, Group, Name, State, Uid, User};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::directory::{
    Batch, Change, Counts, Feed, Member, NewMember, Origin, Position, Present, Primary, Refusal, Sink, Team,
    Tombstone,
};
use crate::testing::{name, new_group_with, new_user};

fn names() -> impl Strategy<Value = Name> {
    "[a-z][a-z0-9_-]{0,20}".prop_map(|text| text.parse().unwrap())
}

fn uuids() -> impl Strategy<Value = String> {
    any::<u128>().prop_map(|number| uuid::Uuid::from_u128(number).to_string())
}

fn positions() -> impl Strategy<Value = Position> {
    (uuids(), any::<u64>(), any::<i64>(), any::<i64>())
        .prop_map(|(epoch, revision, stamp, committed_at)| Position { epoch, revision, stamp, committed_at })
}

fn members() -> impl Strategy<Value = Member> {
    let account = (uuids(), names(), any::<u32>(), any::<u32>(), "[^:\u{0}-\u{1f}\u{7f}-\u{9f}\n]{0,30}");
    let rest = (any::<bool>(), any::<bool>(), option::of(0..40_000i32), any::<u64>());
    let hanging = (vec((any::<u32>(), names()), 0..5), option::of(any::<u64>()), any::<bool>());
    (account, rest, hanging).prop_filter_map("a comment that is none", |(account, rest, hanging)| {
        let (uuid, name, uid, gid, gecos) = account;
        let (locked, is_admin, expires_at, revision) = rest;
        let (groups, password_revision, is_admins) = hanging;
        let user = User {
            uuid,
            name,
            uid: Uid(uid),
            gid: Gid(gid),
            gecos: gecos.parse().ok()?,
            email: is_admin.then(|| "ada@example.org".parse().unwrap()),
            home: format!("/home/{name}").parse().unwrap(),
            shell: "/bin/bash".parse().unwrap(),
            state: if locked { State::Locked } else { State::Active },
            expires_at: expires_at.map(Day),
            is_admin,
            revision,
        };
        let groups = groups.into_iter().map(|(gid, name)| (Gid(gid), name)).collect();
        let origin = if is_admins { Origin::Admin } else { Origin::Htpasswd };
        Some(Member { user, origin, groups, password_revision })
    })
}

fn teams() -> impl Strategy<Value = Team> {
    (uuids(), names(), any::<u32>(), any::<u64>(), option::of(uuids())).prop_map(
        |(uuid, name, gid, revision, private_of)| Team {
            group: Group { uuid, name, gid: Gid(gid), revision },
            private_of,
            members: Vec::new(),
        },
    )
}

fn tombstones() -> impl Strategy<Value = Tombstone> {
    (uuids(), names(), any::<u32>()).prop_map(|(uuid, name, id)| Tombstone { uuid, name, id })
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        uuids().prop_map(|uuid| Change::User { uuid }),
        uuids().prop_map(|uuid| Change::Group { uuid }),
        uuids().prop_map(|uuid| Change::Token { uuid }),
        (uuids(), uuids()).prop_map(|(group, user)| Change::Member { group, user }),
    ]
}

fn feeds() -> impl Strategy<Value = (BTreeSet<Change>, Present, Position)> {
    let present =
        (vec(members(), 0..4), vec(tombstones(), 0..3), vec(teams(), 0..4), vec(tombstones(), 0..3));
    let present = present.prop_map(|(users, gone_users, groups, gone_groups)| Present {
        users,
        gone_users,
        groups,
        gone_groups,
    });
    (btree_set(changes(), 0..6), present, positions())
}

/// Reads bytes that come in pieces of a size.
fn collect(bytes: &[u8], piece: usize) -> Result<Feed> {
    let (mut lines, mut collected) = (Lines::default(), Collected::default());
    for piece in bytes.chunks(piece) {
        for line in lines.take(piece)? {
            collected.take(line)?;
        }
    }
    collected.finish()
}

/// A sink that keeps everything.
#[derive(Debug, Default, PartialEq)]
struct Kept {
    began: Vec<(Position, Counts)>,
    users: Vec<Member>,
    groups: Vec<(Team, Vec<(Name, Uid)>)>,
    largest_page: usize,
}

impl Sink for Kept {
    async fn begin(&mut self, position: &Position, counts: Counts) -> Result<()> {
        self.began.push((position.clone(), counts));
        Ok(())
    }

    async fn users(&mut self, page: Vec<Member>) -> Result<()> {
        assert!(self.groups.is_empty(), "users come first");
        self.largest_page = self.largest_page.max(page.len());
        self.users.extend(page);
        Ok(())
    }

    async fn groups(&mut self, page: Vec<(Team, Vec<(Name, Uid)>)>) -> Result<()> {
        self.groups.extend(page);
        Ok(())
    }
}

async fn receive(bytes: &[u8], piece: usize) -> Result<(Kept, Position)> {
    let mut kept = Kept::default();
    let mut lines = Lines::default();
    let mut receiver = Receiver::new(&mut kept);
    for piece in bytes.chunks(piece) {
        for line in lines.take(piece)? {
            receiver.take(line).await?;
        }
    }
    let position = receiver.finish()?;
    Ok((kept, position))
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

type Teams = Vec<(Team, Vec<(Name, Uid)>)>;

fn dumped(users: &[Member], teams: &Teams, position: &Position) -> (Vec<u8>, Counts) {
    let members = teams.iter().map(|(_, members)| members.len() as u64).sum();
    let counts = Counts { users: users.len() as u64, groups: teams.len() as u64, members };
    let mut bytes = encode_begin(position, counts);
    bytes.extend(encode_users(users));
    teams.iter().for_each(|(team, members)| bytes.extend(encode_group(team, members)));
    bytes.extend(encode_position(position));
    (bytes, counts)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_feed_is_read_as_it_was_written((changes, present, position) in feeds(), piece in 1usize..500) {
        let bytes = encode_feed(&changes, &present, &position);
        let feed = collect(&bytes, piece).unwrap();
        prop_assert_eq!(feed, Feed::Changes { changes, present, position });
    }

    #[test]
    fn a_feed_that_was_cut_off_is_worth_nothing((changes, present, position) in feeds(), cut in 1usize..200) {
        let bytes = encode_feed(&changes, &present, &position);
        let outcome = collect(&bytes[..bytes.len().saturating_sub(cut)], 64);
        prop_assert!(matches!(outcome, Err(Error::Away(_))), "{:?}", outcome);
    }

    #[test]
    fn a_whole_directory_is_read_as_it_was_written(
        users in vec(members(), 0..20),
        teams in vec((teams(), vec((names(), any::<u32>().prop_map(Uid)), 0..5)), 0..8),
        position in positions(),
        piece in 1usize..500,
    ) {
        let (bytes, counts) = dumped(&users, &teams, &position);
        let (kept, reached) = run(receive(&bytes, piece)).unwrap();
        prop_assert_eq!(reached, position.clone());
        prop_assert_eq!((kept.began, kept.users, kept.groups), (vec![(position, counts)], users, teams));
        for cut in [1, bytes.len() / 3, bytes.len() / 2, bytes.len()] {
            prop_assert!(run(receive(&bytes[..bytes.len() - cut], 64)).is_err());
        }
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written(position in positions()) {
        let read = parse_cursor(&cursor(&position)).unwrap();
        prop_assert_eq!(Position { committed_at: position.committed_at, ..read }, position);
    }

    #[test]
    fn whatever_comes_as_lines_hurts_nobody(bytes in vec(any::<u8>(), 0..500), piece in 1usize..100) {
        let _ = collect(&bytes, piece);
        let _ = run(receive(&bytes, piece));
    }
}

#[test]
fn a_directory_of_which_something_is_missing_is_refused() {
    let position = Position { epoch: "e".into(), revision: 1, ..Position::default() };
    let counts = Counts { users: 1, ..Counts::default() };
    let bytes = [encode_begin(&position, counts), encode_position(&position)].concat();
    let why = run(receive(&bytes, 100)).unwrap_err().to_string();
    assert!(why.starts_with("of 1 users"), "{why}");

    let another = Position { revision: 2, ..position.clone() };
    let bytes = [encode_begin(&position, Counts::default()), encode_position(&another)].concat();
    assert!(run(receive(&bytes, 100)).is_err(), "it ends at another position than it began at");
    let twice =
        [encode_begin(&position, Counts::default()), encode_begin(&position, Counts::default())].concat();
    assert!(run(receive(&twice, 100)).is_err());
}

#[test]
fn pages_and_lines_are_bounded() {
    let position = Position { epoch: "e".into(), ..Position::default() };
    let member = |number: u32| {
        let mut lines = Lines::default();
        let text = format!(
            "{{\"user\":{{\"uuid\":\"u\",\"name\":\"u{number}\",\"home\":\"/h\",\"shell\":\"/s\",\"state\":\"active\"}}}}\n"
        );
        match lines.take(text.as_bytes()).unwrap().remove(0) {
            Line::User(user) => user.member().unwrap(),
            line => panic!("{line:?}"),
        }
    };
    let users: Vec<Member> = (0..12_000).map(member).collect();
    let (bytes, _) = dumped(&users, &Vec::new(), &position);
    let (kept, _) = run(receive(&bytes, 10_000)).unwrap();
    assert_eq!((kept.users.len(), kept.largest_page), (12_000, 5_000));

    let mut lines = Lines::default();
    let endless = vec![b' '; 1024 * 1024];
    let outcome = (0..10).try_for_each(|_| lines.take(&endless).map(drop));
    assert!(outcome.unwrap_err().to_string().contains("a line of more than"));
}

#[test]
fn an_unknown_kind_of_line_is_an_error_and_an_unknown_field_is_not() {
    let mut lines = Lines::default();
    assert!(lines.take(b"{\"quota\":{}}\n").is_err());
    let line = b"{\"position\":{\"cursor\":\"e.1.2\",\"committed_at\":3,\"mood\":\"good\"}}\n";
    assert_eq!(Lines::default().take(line).unwrap().len(), 1);
    let why = Lines::default().take(b"{\"secret\": \"hunter2\"}\n").unwrap_err().to_string();
    assert!(!why.contains("hunter2"), "{why}");
}

#[test]
fn a_cursor_of_somebody_elses_making_is_refused() {
    for text in ["", "1", "e.1", "e.x.1", "e.1.x", "e/../x.1.2", "e.-1.2", &format!("{}.1.2", "e".repeat(65))]
    {
        assert!(parse_cursor(text).is_err(), "{text}");
    }
}

#[test]
fn a_batch_is_read_as_it_was_written() {
    let mut ada = new_user("ada");
    (ada.password, ada.uid, ada.line) = (Some("a hash".into()), Some(Uid(7)), 3);
    let mut bob = new_user("bob");
    bob.primary = Primary::Named(name("physics"));
    let batch = Batch {
        groups: vec![new_group_with("physics", 9)],
        users: vec![ada, bob],
        members: vec![NewMember { line: 5, group: name("physics"), user: name("ada") }],
        all_or_nothing: true,
    };
    let before = format!("{batch:?} {:?}", batch.users[0].password);
    let body = serde_json::to_vec(&BatchBody::new(batch, true)).unwrap();
    let body: BatchBody = serde_json::from_slice(&body).unwrap();
    assert!(body.dry_run && body.len() == 4);
    let batch = body.batch().unwrap();
    assert_eq!(format!("{batch:?} {:?}", batch.users[0].password), before);
    assert!(matches!(&batch.users[1].primary, Primary::Named(group) if *group == name("physics")));
}

#[test]
fn what_was_refused_is_read_as_it_was_written() {
    let errors = [
        Error::invalid("shell", "no"),
        Error::NotFound("a".into()),
        Error::Conflict("b".into()),
        Error::Changed("h".into()),
        Error::Refused("c".into()),
        Error::Unwelcome("i".into()),
        Error::ReadOnly("d".into()),
        Error::Away("e".into()),
        Error::Busy("f".into()),
        Error::Failed("g".into()),
    ];
    let refusal = |error: &Error| Refusal { line: 1, name: "ada".into(), error: error.clone() };
    let refused: Vec<Refusal> = errors.iter().map(refusal).collect();
    let position = Position { epoch: "e".into(), revision: 4, stamp: -5, committed_at: 6 };
    let json = serde_json::to_vec(&BatchReply::new(&refused, &position)).unwrap();
    let reply: BatchReply = serde_json::from_slice(&json).unwrap();
    assert_eq!(reply.outcome().unwrap(), (refused, position));
}
