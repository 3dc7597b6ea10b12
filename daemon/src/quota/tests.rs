use proptest::prelude::*;
use quotactl::{Limits as OfKernel, Quota};

use super::*;
use crate::testing::name;

const GIB: u64 = 1 << 30;

#[test]
fn sizes_are_written_as_people_write_them() {
    let size = |text| Limit::parse(Field::BlocksHard, text);
    for (text, bytes) in [
        ("20G", 20 * GIB),
        ("20g", 20 * GIB),
        ("20GiB", 20 * GIB),
        ("1.5TiB", 1536 * GIB),
        ("0.5M", 512 * 1024),
        ("1K", 1024),
        ("1024P", 1 << 60),
    ] {
        assert_eq!(size(text), Ok(Limit::At(bytes)), "{text}");
    }
    assert_eq!(size("none"), Ok(Limit::Unlimited));
    for bad in [
        "",
        "0",
        "0G",
        "20",
        "20 G",
        "-1G",
        "+1G",
        "1..5G",
        "1.G",
        ".5G",
        "1.2345G",
        "1025P",
        "G",
        "iB",
        "20X",
        "20Gi",
        "Nöne",
        "9999999999999999999P",
    ] {
        assert!(size(bad).is_err(), "{bad:?}");
    }
    for much in ["9999999999999999999P", "99999999999999999999999G", "9000.5P"] {
        assert!(size(much).unwrap_err().contains("must be from 1K to 1024P"), "{much}: {:?}", size(much));
    }
    assert!(size("20GB").unwrap_err().contains("write 20G, which"), "{:?}", size("20GB"));
    assert!(size("1025B").unwrap_err().contains("is no size: write it as 20G"), "{:?}", size("1025B"));
}

#[test]
fn what_is_counted_counts_by_thousands_and_shares_have_a_percent_sign() {
    assert_eq!(Limit::parse(Field::InodesHard, "200k"), Ok(Limit::At(200_000)));
    assert_eq!(Limit::parse(Field::InodesHard, "1.5M"), Ok(Limit::At(1_500_000)));
    assert_eq!(Limit::parse(Field::TasksMax, "512"), Ok(Limit::At(512)));
    assert_eq!(Limit::parse(Field::CpuQuota, "150%"), Ok(Limit::At(150)));
    assert_eq!(Limit::parse(Field::IoWeight, "50"), Ok(Limit::At(50)));
    assert_eq!(Limit::parse(Field::Sessions, "0"), Ok(Limit::At(0)), "nobody has to be let have a session");
    for (field, bad) in [
        (Field::InodesHard, "0"),
        (Field::InodesHard, "1.5"),
        (Field::TasksMax, "3"),
        (Field::TasksMax, "10M"),
        (Field::MemoryMax, "1M"),
        (Field::MemoryMax, "2P"),
        (Field::CpuQuota, "150"),
        (Field::CpuQuota, "0%"),
        (Field::IoWeight, "none"),
        (Field::IoWeight, "10001"),
    ] {
        assert!(Limit::parse(field, bad).is_err(), "{field} {bad}");
    }
}

#[test]
fn sizes_of_what_is_used_are_rounded() {
    for (bytes, text) in
        [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0K"), (GIB + GIB / 2, "1.5G"), (1000 * GIB, "1000G")]
    {
        assert_eq!(approximately(bytes), text);
    }
}

#[test]
fn fields_are_found_by_their_names_with_either_dash() {
    for field in Field::ALL {
        assert_eq!(field.as_str().parse(), Ok(field));
        assert_eq!(field.as_str().replace('_', "-").parse(), Ok(field));
    }
    assert!("blocks".parse::<Field>().unwrap_err().contains("blocks_hard"));
    assert_eq!(Field::ALL.map(|field| field as usize), std::array::from_fn(|index| index));
}

#[test]
fn a_mount_point_has_one_spelling() {
    for good in ["/", "/home", "/srv/two words"] {
        assert_eq!(good.parse::<MountPoint>().unwrap().as_str(), good);
    }
    for bad in ["", "home", "/home/", "//home", "/home/../etc", "/./home", "/ho\nme"] {
        assert!(bad.parse::<MountPoint>().is_err(), "{bad}");
    }
}

#[test]
fn both_kinds_may_count_on_one_filesystem_and_have_names_of_their_own() {
    for name in ["/home", "project:/home", "project:/"] {
        assert_eq!(name.parse::<Disk>().unwrap().to_string(), name);
    }
    let [user, project] = ["/home", "project:/home"].map(|name| name.parse::<Disk>().unwrap());
    assert_eq!(
        (user.kind, project.kind, user.path == project.path),
        (QuotaKind::User, QuotaKind::Project, true)
    );
    for bad in ["user:/home", "project:", "project:home", "project:project:/home"] {
        assert!(bad.parse::<Disk>().is_err(), "{bad}");
    }
}

fn home() -> Disk {
    "/home".parse().unwrap()
}

fn policy(field: Field, text: &str) -> Policy {
    let mut policy = Policy::default();
    let filesystem = field.is_of_filesystem().then(home);
    policy.set(field, filesystem.as_ref(), Some(Limit::parse(field, text).unwrap()));
    policy
}

fn default_of(field: Field, text: &str) -> Policy {
    let mut general = Limits::default();
    general.set(field, Some(Limit::parse(field, text).unwrap()));
    Policy::of_node(&general, [(home(), &Limits::default())])
}

#[test]
fn the_most_particular_policy_wins_and_of_several_groups_the_most_generous() {
    let field = Field::BlocksHard;
    let default = default_of(field, "20G");
    let (small, large) = (policy(field, "5G"), policy(field, "40G"));
    let groups = [(name("students"), &small), (name("staff"), &large)];
    let said = |merged: Merged| merged.filesystems[0].get(field).unwrap();

    assert_eq!(said(merge(&default, &[], None)).source, Source::Default);
    let of_one = said(merge(&default, &groups[..1], None));
    assert_eq!(
        (of_one.limit, of_one.source),
        (Limit::At(5 * GIB), Source::Group(name("students"))),
        "less, too"
    );
    assert_eq!(said(merge(&default, &groups, None)).source, Source::Group(name("staff")));
    let own = policy(field, "none");
    let own = said(merge(&default, &groups, Some(&own)));
    assert_eq!((own.limit, own.source), (Limit::Unlimited, Source::User));
}

#[test]
fn a_filesystem_says_what_is_different_there() {
    let mut general = Limits::default();
    general.set(Field::BlocksHard, Some(Limit::At(20 * GIB)));
    general.set(Field::TasksMax, Some(Limit::At(500)));
    let mut own = Limits::default();
    own.set(Field::BlocksHard, Some(Limit::At(GIB)));
    let scratch: Disk = "/scratch".parse().unwrap();
    let policy = Policy::of_node(&general, [(home(), &Limits::default()), (scratch.clone(), &own)]);
    assert_eq!(policy.get(Field::BlocksHard, Some(&home())), Some(Limit::At(20 * GIB)));
    assert_eq!(policy.get(Field::BlocksHard, Some(&scratch)), Some(Limit::At(GIB)));
    assert_eq!(
        (policy.get(Field::TasksMax, None), policy.get(Field::BlocksHard, None)),
        (Some(Limit::At(500)), None)
    );
}

#[test]
fn a_soft_limit_above_the_hard_one_of_another_policy_is_that_one() {
    let default = default_of(Field::BlocksSoft, "20G");
    let merged = merge(&default, &[], Some(&policy(Field::BlocksHard, "10G")));
    let soft = merged.filesystems[0].get(Field::BlocksSoft).unwrap();
    assert_eq!((soft.limit, soft.source), (Limit::At(10 * GIB), Source::User));
    let unlimited = merge(&default, &[], Some(&policy(Field::BlocksHard, "none")));
    assert_eq!(unlimited.filesystems[0].of_kernel(), OfKernel { soft_kib: 20 << 20, ..OfKernel::default() });
    assert!(policy(Field::BlocksHard, "1G").filesystems[&home()].are_in_order().is_ok());
    let mut crossed = Limits::default();
    crossed.set(Field::MemoryHigh, Some(Limit::At(2 * GIB)));
    crossed.set(Field::MemoryMax, Some(Limit::At(GIB)));
    assert!(crossed.are_in_order().unwrap_err().contains("memory_high is above memory_max"));
}

fn limit() -> impl Strategy<Value = Limit> {
    prop_oneof![Just(Limit::Unlimited), (1_u64..1 << 30).prop_map(|kib| Limit::At(kib * 1024))]
}

fn limits() -> impl Strategy<Value = Limits> {
    proptest::collection::vec(proptest::option::of(limit()), Field::COUNT).prop_map(|values| {
        let mut limits = Limits::default();
        Field::ALL.into_iter().zip(values).for_each(|(field, value)| limits.set(field, value));
        limits
    })
}

fn policies() -> impl Strategy<Value = Policy> {
    (limits(), proptest::option::of(limits())).prop_map(|(node, of_home)| Policy {
        node,
        filesystems: of_home.map(|limits| (home(), limits)).into_iter().collect(),
    })
}

fn of_kernel() -> impl Strategy<Value = OfKernel> {
    // Few values, so that some are what they should be.
    (0..3_u64, 0..3_u64, 0..2_u64, 0..2_u64).prop_map(|(soft_kib, hard_kib, soft_inodes, hard_inodes)| {
        OfKernel { soft_kib, hard_kib, soft_inodes, hard_inodes }
    })
}

proptest! {
    #[test]
    fn whatever_is_shown_is_read_as_the_same(bytes in (1_u64..1 << 50).prop_map(|kib| kib * 1024), things in 8_u64..1 << 32) {
        let size = Limit::At(bytes);
        prop_assert_eq!(Limit::parse(Field::BlocksSoft, &size.show(Field::BlocksSoft)), Ok(size));
        let count = Limit::At(things);
        prop_assert_eq!(Limit::parse(Field::InodesSoft, &count.show(Field::InodesSoft)), Ok(count));
    }

    #[test]
    fn no_text_is_more_than_a_limit_or_a_sentence(text in "\\PC{0,12}") {
        for field in Field::ALL {
            if let Ok(limit) = Limit::parse(field, &text) {
                prop_assert!(limit >= Limit::At(field.least()));
            }
        }
    }

    #[test]
    fn each_field_is_the_users_or_the_most_generous_groups_or_the_default(
        default in limits(),
        groups in proptest::collection::vec(policies(), 0..4),
        user in proptest::option::of(policies()),
    ) {
        let default = Policy { node: default, filesystems: [(home(), default)].into() };
        let named: Vec<_> = groups.iter().enumerate().map(|(index, policy)| (name(&format!("g{index}")), policy)).collect();
        let merged = merge(&default, &named, user.as_ref());
        for (filesystem, effective) in [(None, &merged.node), (Some(home()), &merged.filesystems[0])] {
            let of = |policy: &Policy, field| policy.get(field, filesystem.as_ref());
            let expected = |field| {
                let own = user.as_ref().and_then(|user| of(user, field));
                own.or_else(|| groups.iter().filter_map(|group| of(group, field)).max()).or_else(|| of(&default, field))
            };
            for field in Field::ALL {
                let found = effective.get(field).map(|said| said.limit);
                let upper = Field::PAIRS.iter().find(|(lower, _)| *lower == field).and_then(|(_, upper)| expected(*upper));
                let is_above = matches!((expected(field), upper), (Some(Limit::At(low)), Some(Limit::At(high))) if low > high);
                prop_assert_eq!(found, if is_above { upper } else { expected(field) });
                match effective.get(field).map(|said| said.source) {
                    Some(Source::Group(name)) => {
                        let (_, policy) = named.iter().find(|(one, _)| *one == name).unwrap();
                        let says = |field| of(policy, field) == found;
                        prop_assert!(says(field) || is_above);
                    }
                    Some(Source::User) => prop_assert!(user.is_some()),
                    Some(Source::Default) | None => {}
                }
            }
        }
    }

    #[test]
    fn a_plan_leads_to_what_is_wanted_and_touches_nothing_else(
        wanted in proptest::collection::btree_map(1_u32..40, of_kernel(), 0..30),
        actual in proptest::collection::btree_map(1_u32..40, of_kernel(), 0..30),
    ) {
        let kernel: Vec<_> = actual.iter().map(|(id, limits)| Quota { id: *id, limits: *limits, ..Quota::default() }).collect();
        let changes = plan(wanted.iter().map(|(id, limits)| (*id, *limits)), &kernel);
        let mut after = actual.clone();
        for Change { id, from, to } in &changes {
            prop_assert!(wanted.contains_key(id) && from != to);
            prop_assert_eq!(actual.get(id).copied().unwrap_or_default(), *from);
            after.insert(*id, *to);
        }
        for (id, limits) in &wanted {
            prop_assert_eq!(after.get(id).copied().unwrap_or_default(), *limits);
        }
        prop_assert!(actual.iter().all(|(id, limits)| wanted.contains_key(id) || after[id] == *limits));
        let kernel: Vec<_> = after.iter().map(|(id, limits)| Quota { id: *id, limits: *limits, ..Quota::default() }).collect();
        prop_assert!(plan(wanted, &kernel).is_empty(), "once is enough");
    }
}

fn quota(soft_kib: u64, hard_kib: u64, bytes: u64) -> Quota {
    Quota { id: 1, limits: OfKernel { soft_kib, hard_kib, ..OfKernel::default() }, bytes, ..Quota::default() }
}

#[test]
fn nearness_is_that_of_whatever_is_nearest() {
    assert_eq!(permille_used(&quota(0, 0, 5)), None);
    assert_eq!(permille_used(&quota(0, 100, 51_200)), Some(500));
    assert_eq!(
        permille_used(&quota(100, 0, 204_800)),
        Some(2000),
        "beyond the soft one, where there is no other"
    );
    let files = OfKernel { hard_inodes: 10, ..quota(0, 100, 0).limits };
    assert_eq!(permille_used(&Quota { limits: files, inodes: 9, ..quota(0, 100, 51_200) }), Some(900));
}

#[test]
fn whoever_has_too_much_is_told_how_much_time_is_left() {
    let gib = 1 << 20;
    assert_eq!(warning(&home(), &quota(10 * gib, 20 * gib, 10 * GIB), 0), None);
    let over = Quota { bytes_until: Some(1_000_000), ..quota(10 * gib, 20 * gib, 12 * GIB) };
    assert_eq!(
        warning(&home(), &over, 1_000_000 - (6 * 86_400 + 3 * 3_600)).unwrap(),
        "You have 12.0G on /home, where you may have 10.0G. Please remove something within 6 days and 3 hours: then nothing \
         more can be written there."
    );
    assert!(warning(&home(), &over, 2_000_000).unwrap().contains("The time for that is over"));
    let full = warning(&home(), &quota(0, 10 * gib, 10 * GIB), 0).unwrap();
    assert!(full.ends_with("Nothing more can be written there: please remove something."), "{full}");
    let limits = OfKernel { soft_inodes: 10, ..OfKernel::default() };
    let files = Quota { limits, inodes: 11, inodes_until: Some(90), ..Quota::default() };
    assert!(warning(&"project:/srv".parse().unwrap(), &files, 0).unwrap().contains(
        "You have 11 files in your home, where you may have 10. Please remove something within 1 minute"
    ));
}
