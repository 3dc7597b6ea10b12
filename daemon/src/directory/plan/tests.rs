use std::collections::BTreeMap;

use identity::{IdRange, is_privileged_group};
use proptest::prelude::*;

use super::*;
use crate::directory::LocalAccounts;
use crate::testing::{
    name, new_group, new_group_with, new_member, new_user, new_user_in, new_user_with, rules,
    rules_allocating,
};

/// Facts of an empty directory in which these ids are free.
fn free(ids: impl IntoIterator<Item = u32>) -> Facts {
    Facts { free_ids: ids.into_iter().collect(), ..Facts::default() }
}

fn users(users: impl IntoIterator<Item = NewUser>) -> Batch {
    Batch { users: users.into_iter().collect(), ..Batch::default() }
}

/// Plans one user who must be refused, and says why.
fn refusal(user: NewUser, facts: Facts, rules: &Rules) -> Error {
    let plan = plan(users([user]), facts, rules);
    assert!(plan.users.is_empty() && plan.groups.is_empty(), "{plan:?}");
    plan.refused[0].error.clone()
}

fn group(private: bool) -> KnownGroup {
    KnownGroup { uuid: "a group".into(), gid: Gid(5000), private }
}

#[test]
fn a_user_gets_the_next_free_id_a_private_group_of_it_and_the_templates_home() {
    let plan = plan(users([new_user("ada")]), free([1_900_000_000]), &rules());
    let ada = &plan.users[0];
    assert_eq!((ada.uid, ada.gid, ada.home.as_str()), (Uid(1_900_000_000), Gid(1_900_000_000), "/home/ada"));
    let (_, group, gid, private_of) = &plan.groups[0];
    assert_eq!((*group, *gid, private_of.as_ref()), (name("ada"), ada.gid, Some(&ada.new.uuid)));
}

#[test]
fn what_is_wrong_with_a_user_is_said_of_the_user_and_not_of_the_private_group() {
    let local = LocalAccounts::parse("lab:x:6000:6000::/:/bin/sh", "lab:x:6000:");
    let rules = Rules { local, ..rules() };
    let words = |user| refusal(user, free([7000, 7001]), &rules).to_string();
    assert_eq!(words(new_user("root")), "root is a local account of this machine (/etc/passwd)");
    assert_eq!(words(new_user("lab")), "lab is a local account of this machine (/etc/passwd)");
    assert!(words(new_user_with("ada", 6000)).starts_with("uid 6000 belongs to a local account"));
    assert!(words(new_user_with("ada", 12)).starts_with("uid 12 is outside the ranges"));
}

#[test]
fn a_user_of_a_name_that_gives_rights_has_no_private_group_to_carry_it() {
    assert!(matches!(refusal(new_user("docker"), free([7000]), &rules()), Error::Refused(_)));
    let facts = Facts { groups: [(name("staffers"), group(false))].into(), ..free([7000]) };
    assert_eq!(plan(users([new_user_in("docker", "staffers")]), facts, &rules()).users.len(), 1);
}

#[test]
fn a_refused_record_costs_no_id() {
    let facts = Facts { users: [(name("ada"), "an identity".into())].into(), ..free([5000, 5001]) };
    let batch =
        users([new_user("ada"), new_user("root"), new_user("sudo"), new_user("bob"), new_user("eve")]);
    let plan = plan(batch, facts, &rules_allocating(5000, 5001));
    let given: Vec<_> = plan.users.iter().map(|user| (user.new.name, user.uid.0)).collect();
    assert_eq!(given, [(name("bob"), 5000), (name("eve"), 5001)]);
    assert_eq!(plan.refused.len(), 3);
}

#[test]
fn an_id_that_is_a_uid_or_gid_by_now_is_not_given_out() {
    let batch = Batch {
        groups: vec![new_group_with("physics", 5000)],
        users: vec![new_user_with("ada", 5001), new_user("bob")],
        ..Batch::default()
    };
    let plan = plan(batch, free([5000, 5001, 5002]), &rules());
    assert_eq!(plan.users[1].uid, Uid(5002));
}

#[test]
fn the_cap_counts_those_who_are_there_and_those_of_the_batch() {
    let rules = Rules { max_users: Some(3), ..rules() };
    let facts = Facts { user_count: 1, ..free(7000..7010) };
    let plan = plan(users(["a", "b", "c"].map(new_user)), facts, &rules);
    assert_eq!((plan.users.len(), plan.refused.len()), (2, 1));
    assert!(plan.refused[0].error.to_string().contains("3 users already"));
}

#[test]
fn a_name_of_the_dead_is_given_again_only_when_asked_for() {
    let facts =
        || Facts { gone_users: [name("ada")].into(), gone_groups: [name("ada")].into(), ..free([7000]) };
    assert!(matches!(refusal(new_user("ada"), facts(), &rules()), Error::Conflict(_)));
    let again = users([NewUser { reuse_name: true, ..new_user("ada") }]);
    assert_eq!(plan(again, facts(), &rules()).users.len(), 1);
    let facts = Facts { gone_groups: [name("ada")].into(), ..free([7000]) };
    let message = refusal(new_user("ada"), facts, &rules()).to_string();
    assert!(message.contains("deleted group"), "the private group's name is kept back: {message}");
}

#[test]
fn a_name_that_is_kept_for_somebody_is_no_users_and_no_groups() {
    let facts = || Facts { reserved: [name("ada")].into(), ..free([7000]) };
    assert!(refusal(new_user("ada"), facts(), &rules()).to_string().contains("ada is kept for somebody"));
    let batch = Batch { groups: vec![new_group("ada")], ..Batch::default() };
    assert!(matches!(plan(batch, facts(), &rules()).refused[0].error, Error::Conflict(_)));
}

#[test]
fn memberships_are_of_users_and_groups_that_are_there_or_come_with_the_batch() {
    let facts = Facts {
        users: [(name("ada"), "ada's identity".into())].into(),
        groups: [(name("old"), group(false)), (name("private"), group(true))].into(),
        ..free(7000..7010)
    };
    let batch = Batch {
        groups: vec![new_group("new")],
        users: vec![new_user("bob")],
        members: [
            ("old", "ada"),
            ("new", "bob"),
            ("private", "ada"),
            ("bob", "ada"),
            ("nowhere", "ada"),
            ("old", "eve"),
        ]
        .map(|(group, user)| new_member(group, user))
        .into(),
        all_or_nothing: false,
    };
    let plan = plan(batch, facts, &rules());
    assert_eq!(plan.members.len(), 2);
    assert_eq!(plan.members[0], ("a group".into(), "ada's identity".into()));
    let refused: Vec<_> = plan.refused.iter().map(|refusal| refusal.name.as_str()).collect();
    assert_eq!(refused, ["ada in private", "ada in bob", "ada in nowhere", "eve in old"]);
}

const NAMES: &[&str] = &["ada", "bob", "eve", "kim", "physics", "art", "sudo", "root", "lab", "gone"];

fn any_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(NAMES)
}

/// Mostly numbers that collide: with each other, with local accounts, with the edges of the ranges.
fn any_id() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 4998_u32..5012, 1 => prop::sample::select(vec![0, 999, 61_184, 65_534, 600_000, u32::MAX])]
}

fn any_group() -> impl Strategy<Value = NewGroup> {
    (any_name(), prop::option::of(any_id()), any::<bool>()).prop_map(|(text, gid, reuse_name)| NewGroup {
        gid: gid.map(Gid),
        reuse_name,
        ..new_group(text)
    })
}

fn any_user() -> impl Strategy<Value = NewUser> {
    let primary = prop_oneof![
        2 => prop::option::of(any_id()).prop_map(|gid| Primary::Private { uuid: "to be set".into(), gid: gid.map(Gid) }),
        1 => any_name().prop_map(|group| Primary::Named(name(group))),
    ];
    (any_name(), prop::option::of(any_id()), primary, any::<bool>()).prop_map(
        |(text, uid, primary, reuse_name)| {
            let primary = match primary {
                Primary::Private { gid, .. } => Primary::Private { uuid: crate::service::new_uuid(), gid },
                named => named,
            };
            NewUser { uid: uid.map(Uid), primary, reuse_name, ..new_user(text) }
        },
    )
}

/// A batch whose every record has a line of its own.
fn any_batch() -> impl Strategy<Value = Batch> {
    let members = prop::collection::vec((any_name(), any_name()), 0..6);
    (prop::collection::vec(any_group(), 0..6), prop::collection::vec(any_user(), 0..10), members).prop_map(
        |(mut groups, mut users, members)| {
            let mut members: Vec<_> = members.iter().map(|(group, user)| new_member(group, user)).collect();
            let lines = groups.iter_mut().map(|group| &mut group.line);
            let lines = lines.chain(users.iter_mut().map(|user| &mut user.line));
            let lines = lines.chain(members.iter_mut().map(|member| &mut member.line));
            lines.zip(1..).for_each(|(line, number)| *line = number);
            Batch { groups, users, members, all_or_nothing: false }
        },
    )
}

/// Facts as a store gives them: whoever is there has ids, and what is free was never given.
fn any_facts(rules: Rules) -> impl Strategy<Value = Facts> {
    let there = || prop::collection::hash_set(any_name(), 0..4);
    let given = || prop::collection::hash_set(5000_u32..5010, 0..4);
    (there(), there(), given(), given(), 0_usize..20).prop_map(move |(users, groups, uids, gids, free)| {
        let known = groups.iter().zip(gids.iter()).enumerate().map(|(number, (text, gid))| {
            let known =
                KnownGroup { uuid: format!("group {text}"), gid: Gid(*gid), private: number % 2 == 0 };
            (name(text), known)
        });
        let free_ids = (5000..=5010)
            .filter(|id| rules.may_allocate(*id) && !uids.contains(id) && !gids.contains(id))
            .take(free)
            .collect();
        Facts {
            user_count: users.len() as u64,
            users: users.into_iter().map(|text| (name(text), format!("user {text}"))).collect(),
            groups: known.collect(),
            gone_users: [name("gone")].into(),
            gone_groups: [name("gone"), name("art")].into(),
            reserved: HashSet::new(),
            uids,
            gids,
            free_ids,
        }
    })
}

fn narrow_rules() -> Rules {
    Rules {
        allocate: IdRange::new(5000, 5010).unwrap(),
        accept: vec![IdRange::new(5000, 5010).unwrap(), IdRange::new(61_000, 66_000).unwrap()],
        max_users: Some(8),
        local: LocalAccounts::parse("lab:x:5002:5003::/:/bin/sh", "labs:x:5004:"),
        ..rules()
    }
}

fn assert_distinct<T: Ord + std::fmt::Debug>(what: &str, items: impl IntoIterator<Item = T>) {
    let mut seen = BTreeMap::new();
    for item in items {
        *seen.entry(item).or_insert(0) += 1;
    }
    seen.retain(|_, count| *count > 1);
    assert!(seen.is_empty(), "{what} twice: {seen:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn no_batch_makes_anything_twice_or_outside_the_rules(
        batch in any_batch(),
        facts in any_facts(narrow_rules()),
    ) {
        let rules = narrow_rules();
        let plan = plan(batch, facts.clone(), &rules);

        assert_distinct("a user's name", facts.users.keys().copied().chain(plan.users.iter().map(|user| user.new.name)));
        assert_distinct("a group's name", facts.groups.keys().copied().chain(plan.groups.iter().map(|group| group.1)));
        assert_distinct("a uid", facts.uids.iter().copied().chain(plan.users.iter().map(|user| user.uid.0)));
        assert_distinct("a gid", facts.gids.iter().copied().chain(plan.groups.iter().map(|group| group.2.0)));
        assert!(facts.user_count + plan.users.len() as u64 <= 8 || plan.users.is_empty());

        for Planned { new, uid, gid, .. } in &plan.users {
            assert_eq!(rules.objection_to_user(new.name, *uid, *gid), None);
            assert!(new.reuse_name || !facts.gone_users.contains(&new.name));
            assert!(new.uid.is_some_and(|named| named == *uid) || rules.may_allocate(uid.0));
            let private = plan.groups.iter().filter(|group| group.3.as_ref() == Some(&new.uuid)).collect::<Vec<_>>();
            match &new.primary {
                Primary::Private { uuid, .. } => {
                    assert_eq!(private.iter().map(|group| (&group.0, group.1, group.2)).collect::<Vec<_>>(), [(uuid, new.name, *gid)]);
                }
                Primary::Named(_) => assert!(private.is_empty()),
            }
        }
        for (_, group, gid, _) in &plan.groups {
            assert_eq!(rules.objection_to_group(*group, *gid), None);
            assert!(!is_privileged_group(group.as_bytes()));
        }
    }

    #[test]
    fn every_record_is_planned_or_refused_exactly_once(
        batch in any_batch(),
        facts in any_facts(narrow_rules()),
    ) {
        let sent = batch.groups.len() + batch.users.len() + batch.members.len();
        let plan = plan(batch, facts, &narrow_rules());
        let groups = plan.groups.iter().filter(|group| group.3.is_none()).count();
        assert_eq!(groups + plan.users.len() + plan.members.len() + plan.refused.len(), sent);
        assert_distinct("a line refused", plan.refused.iter().map(|refusal| refusal.line));
        assert!(plan.users.iter().all(|user| plan.refused.iter().all(|refusal| refusal.line != user.new.line)));
    }
}
