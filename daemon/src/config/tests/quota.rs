//! Quotas: what holds for everybody, and tables of which there are several.

use super::*;
use crate::quota::{Disk, Field, Limit, QuotaKind};

const TWO: &str = "[quota.default]\nblocks_hard = \"20G\"\ntasks_max = 500\n\
                   [[quota.filesystem]]\npath = \"/home\"\nblock_grace = \"1d\"\n\
                   [[quota.filesystem]]\npath = \"/scratch\"\nkind = \"project\"\nblocks_hard = \"none\"\n";

#[test]
fn each_filesystem_has_a_table_of_its_own() {
    let quota = parse(TWO).quota;
    let found: Vec<_> = quota.filesystems.iter().map(|one| (one.path.as_str(), one.kind)).collect();
    assert_eq!(found, [("/home", QuotaKind::User), ("/scratch", QuotaKind::Project)]);
    let graces = quota.filesystems.iter().map(|one| one.block_grace.as_secs());
    assert_eq!(graces.collect::<Vec<_>>(), [86_400, 7 * 86_400]);
    let policy = quota.default_policy();
    let blocks = |path: &str| policy.get(Field::BlocksHard, Some(&path.parse().unwrap()));
    assert_eq!(
        (blocks("/home"), blocks("project:/scratch")),
        (Some(Limit::At(20 << 30)), Some(Limit::Unlimited))
    );
    assert_eq!(policy.get(Field::TasksMax, None), Some(Limit::At(500)), "with or without quotes");
}

#[test]
fn what_is_wrong_with_one_of_them_is_told_where_it_is() {
    let second = |lines: &str| {
        error(&format!("[[quota.filesystem]]\npath = \"/home\"\n[[quota.filesystem]]\n{lines}"))
    };
    assert_eq!(
        second(""),
        "3:1: quota.filesystem: has no path: say where the filesystem is mounted, such as path = \"/home\""
    );
    assert!(second("path = \"/home\"").contains("stands here twice for /home"));
    assert_eq!(
        parse("[[quota.filesystem]]\npath = \"/home\"\n[[quota.filesystem]]\npath = \"/home\"\nkind = \"project\"")
            .quota
            .default_policy()
            .filesystems
            .len(),
        2,
        "of each kind"
    );
    assert!(second("path = \"home\"").starts_with("4:8: quota.filesystem.path: must be the absolute path"));
    assert!(second("path = \"/x\"\npath = \"/y\"").contains("TOML"));
    assert!(second("path = \"/x\"\nkind = \"group\"").contains("is \"user\" or \"project\""));
    assert!(second("path = \"/x\"\npat = \"/x\"").contains("did you mean quota.filesystem.path?"));
    let crossed = second("path = \"/x\"\nblocks_soft = \"2G\"\nblocks_hard = \"1G\"");
    assert_eq!(
        crossed,
        "3:1: quota.filesystem: blocks_soft is above blocks_hard: exchange them, or leave one out"
    );
    assert!(error("[quota.filesystem]\npath = \"/home\"\n").contains("write [[quota.filesystem]]"));
    assert!(error("[quota]\nfilesystem = [1]\n").contains("write [[quota.filesystem]]"));
    let many: String =
        (0..17).map(|number| format!("[[quota.filesystem]]\npath = \"/disk{number}\"\n")).collect();
    assert!(error(&many).contains("more than 16 times"));
}

#[test]
fn limits_are_judged_where_they_stand() {
    let wrong = error("[quota.default]\nblocks_hard = \"20GB\"\n");
    assert!(wrong.starts_with("2:15: quota.default.blocks_hard: ") && wrong.contains("write 20G"), "{wrong}");
    assert!(error("[quota.default]\nblocks_hard = 20\n").contains("is no size"));
    let crossed = error("[quota.default]\nmemory_max = \"1G\"\nmemory_high = \"2G\"\n");
    assert!(crossed.contains("memory_high is above memory_max"), "{crossed}");
    let default = variables([("PODY_QUOTA__DEFAULT__BLOCKS_HARD", "30G")]);
    assert_eq!(parse_with(TWO, &default).quota.default.get(Field::BlocksHard), Some(Limit::At(30 << 30)));
    let of_several = error_with(TWO, &variables([("PODY_QUOTA__FILESYSTEM__PATH", "/srv")]));
    assert!(of_several.contains("is not a setting"), "nobody could say of which: {of_several}");
}

#[test]
fn a_changed_list_of_filesystems_is_told_of_as_one() {
    let changed = parse(TWO).reload_diff(&parse(&TWO.replace("/scratch", "/srv").replace("20G", "30G")));
    assert_eq!(
        (changed.applied, changed.needs_restart.len()),
        (vec!["quota.default.blocks_hard", "quota.filesystem"], 0)
    );
    assert_eq!(parse(TWO).reload_diff(&parse(TWO)), Default::default());
}

#[test]
fn the_kind_is_said_only_where_both_count() {
    let both = "[[quota.filesystem]]\npath = \"/home\"\n[[quota.filesystem]]\npath = \"/home\"\nkind = \"project\"\n\
                [[quota.filesystem]]\npath = \"/scratch\"\nkind = \"project\"\n";
    let quota = parse(both).quota;
    let meant = |name: &str| quota.meant_by(&name.parse::<Disk>().unwrap()).map(|disk| disk.to_string());
    for (said, meant_by_it) in [
        ("/home", Some("/home")),
        ("project:/home", Some("project:/home")),
        ("/scratch", Some("project:/scratch")),
        ("project:/scratch", Some("project:/scratch")),
        ("/srv", None),
        ("project:/srv", None),
    ] {
        assert_eq!(meant(said).as_deref(), meant_by_it, "{said}");
    }
    let user_alone = parse("[[quota.filesystem]]\npath = \"/home\"\n").quota;
    assert_eq!(user_alone.meant_by(&"project:/home".parse().unwrap()), None);
}
