//! What becomes of homes where everybody means well.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use protocol::Error;

use super::super::home::this_node;
use super::harness::{TestHelper, owner};
use crate::config::OnDelete;

fn write(path: PathBuf, text: &str, mode: u32) {
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn seen(path: &Path) -> (u32, u32, u32) {
    let status = fs::symlink_metadata(path).unwrap();
    (status.uid(), status.gid(), status.mode() & 0o7777)
}

#[test]
fn a_home_is_a_copy_of_the_skeleton_that_is_its_owners() {
    let helper = TestHelper::with(|settings| settings.homes.mode = "0750".parse().unwrap());
    let skel = helper.folder.subfolder("skel");
    fs::create_dir_all(skel.join(".config/deep")).unwrap();
    fs::set_permissions(skel.join(".config"), fs::Permissions::from_mode(0o755)).unwrap();
    write(skel.join(".profile"), "umask 022\n", 0o644);
    write(skel.join(".config/deep/run"), "#!/bin/sh\n", 0o4755);
    symlink("/etc/motd", skel.join("motd")).unwrap();
    nix::unistd::mkfifo(&skel.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();

    assert!(helper.call(&helper.make("ada")).unwrap().made);
    assert_eq!(helper.names(""), ["ada"], "nothing is left beside it");
    assert_eq!(helper.names("ada"), [".config", ".profile", "motd"]);
    let home = helper.homes.join("ada");
    assert_eq!(seen(&home), (owner(), owner(), 0o750));
    assert_eq!(seen(&home.join(".profile")), (owner(), owner(), 0o644));
    assert_eq!(seen(&home.join(".config")), (owner(), owner(), 0o755));
    assert_eq!(seen(&home.join(".config/deep/run")), (owner(), owner(), 0o755), "without the set-uid bit");
    assert_eq!(fs::read_link(home.join("motd")).unwrap(), Path::new("/etc/motd"));
    assert_eq!(seen(&home.join("motd")).0, owner());

    write(home.join("mine"), "x", 0o600);
    assert!(!helper.call(&helper.make("ada")).unwrap().made, "one that is there stays as it is");
    assert!(home.join("mine").exists());
}

#[test]
fn directories_on_the_way_are_made_where_the_settings_have_them() {
    let helper = TestHelper::with(|settings| {
        settings.users.home = format!("{}/physics/%u", settings.homes.roots[0]).parse().unwrap();
    });
    assert!(helper.call(&helper.make("physics/bob")).unwrap().made);
    assert_eq!(seen(&helper.homes.join("physics")).2, 0o711, "everybody may pass through");
    let missing = helper.call(&helper.make("later/bob")).unwrap_err();
    assert!(missing.message().contains("later: there is no such directory"), "{missing}");
    assert_eq!(helper.names(""), ["physics"], "nobody else's name is taken");
}

#[test]
fn what_a_helper_left_that_was_killed_is_made_anew() {
    let helper = TestHelper::new();
    let left = |node: &str| format!(".pody-new-{}-{node}", owner());
    for node in [&this_node(), "another"] {
        fs::create_dir_all(helper.homes.join(left(node)).join("half/done")).unwrap();
    }
    assert!(helper.call(&helper.make("ada")).unwrap().made);
    assert_eq!(helper.names("ada").len(), 0);
    assert_eq!(helper.names(""), [left("another"), "ada".into()], "another node is still at it");
    assert_eq!(helper.names(&left("another")), ["half"]);
}

#[test]
fn a_root_that_is_away_has_not_lost_its_homes() {
    for on_delete in [OnDelete::Archive, OnDelete::Remove] {
        let helper = TestHelper::on_delete(on_delete);
        fs::remove_dir(&helper.homes).unwrap();
        let put_away = match on_delete {
            OnDelete::Remove => helper.call(&helper.remove("ada")).map(drop),
            _ => helper.call(&helper.archive("ada")).map(drop),
        };
        assert!(put_away.unwrap_err().message().contains("no such directory"), "it is to be asked again");
    }
}

#[test]
fn a_home_whose_directory_is_gone_is_gone_too() {
    for on_delete in [OnDelete::Archive, OnDelete::Remove] {
        let helper = TestHelper::on_delete(on_delete);
        match on_delete {
            OnDelete::Remove => assert!(helper.call(&helper.remove("physics/bob")).unwrap().done),
            _ => assert_eq!(helper.call(&helper.archive("physics/bob")).unwrap().path, None),
        }
    }
}

#[test]
fn of_many_who_make_the_same_home_one_does() {
    let helper = TestHelper::new();
    let start = Barrier::new(8);
    let made: usize = thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    // On a slow disk, some are told that another has not done yet.
                    let mut answers = (0..100).map(|_| helper.call(&helper.make("ada")));
                    let answer = answers.find(|answer| !matches!(answer, Err(Error::Busy { .. })));
                    usize::from(answer.unwrap().unwrap().made)
                })
            })
            .collect();
        tries.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!((made, helper.names("")), (1, vec!["ada".into()]));
}

#[test]
fn a_skeleton_that_is_too_large_makes_no_home_and_leaves_none_half_made() {
    let helper = TestHelper::new();
    let mut deep = helper.folder.subfolder("skel");
    for _ in 0..40 {
        deep.push("d");
    }
    fs::create_dir_all(deep).unwrap();
    let failed = helper.call(&helper.make("ada")).unwrap_err();
    assert!(failed.message().contains("too large"), "{failed}");
    assert!(helper.names("").is_empty());
}

#[test]
fn an_archived_home_is_where_only_root_looks() {
    let helper = TestHelper::on_delete(OnDelete::Archive);
    let mut paths = Vec::new();
    for _ in 0..2 {
        helper.call(&helper.make("ada")).unwrap();
        write(helper.homes.join("ada/thesis"), "x", 0o644);
        paths.push(helper.call(&helper.archive("ada")).unwrap().path.unwrap());
    }
    assert_eq!(helper.names(""), [".archived"]);
    assert_eq!(seen(&helper.homes.join(".archived")).2, 0o700);
    assert!(paths[0].contains(&format!(".archived/ada.{}.20", owner())), "{paths:?}");
    assert_eq!(paths[1], format!("{}.1", paths[0]), "a second one does not take its place");
    assert!(Path::new(&paths[0]).join("thesis").exists());
    assert_eq!(helper.call(&helper.archive("ada")).unwrap().path, None, "there is none any more");

    helper.call(&helper.make("bob")).unwrap();
    fs::set_permissions(helper.homes.join(".archived"), fs::Permissions::from_mode(0o755)).unwrap();
    let refused = helper.call(&helper.archive("bob")).unwrap_err();
    assert!(refused.message().contains("open to others"), "{refused}");
}

#[test]
fn homes_are_not_archived_across_file_systems() {
    let name = format!("/dev/shm/pody-archive-{}", std::process::id());
    let helper = TestHelper::with(|settings| {
        settings.homes.on_delete = OnDelete::Archive;
        settings.homes.archive_to = Some(name.clone().into());
    });
    helper.call(&helper.make("ada")).unwrap();
    let here = fs::metadata(&*helper.folder).unwrap().dev();
    assert_ne!(here, fs::metadata("/dev/shm").unwrap().dev(), "this test wants two file systems");
    // /dev/shm is everybody's, and the archive below it root's.
    let refused = helper.call(&helper.archive("ada")).unwrap_err();
    fs::remove_dir(&name).unwrap();
    assert!(refused.message().contains("another file system"), "{refused}");
    assert_eq!(helper.names(""), ["ada"]);
}

#[test]
fn a_removed_home_is_gone_however_deep_and_nothing_that_it_leads_to() {
    let helper = TestHelper::on_delete(OnDelete::Remove);
    helper.call(&helper.make("ada")).unwrap();
    let outside = helper.folder.subfolder("outside");
    write(outside.join("file"), "x", 0o644);
    symlink(&outside, helper.homes.join("ada/link")).unwrap();
    symlink(outside.join("file"), helper.homes.join("ada/file")).unwrap();
    for name in ["a", "b", "c"] {
        write(helper.homes.join("ada").join(name), name, 0o000);
    }
    // Deeper than a path may be long: each turn puts what there is below 500 directories more.
    for _ in 0..5 {
        let below = helper.homes.join("ada/new").join("d/".repeat(500));
        fs::create_dir_all(&below).unwrap();
        let tree = helper.homes.join("ada/tree");
        if tree.exists() {
            fs::rename(&tree, below.join("tree")).unwrap();
        }
        fs::rename(helper.homes.join("ada/new"), tree).unwrap();
    }
    // A busy machine may need more than one call.
    let calls = (1..30).find(|_| helper.call(&helper.remove("ada")).unwrap().done);
    assert!(calls.is_some(), "{:?}", helper.names(""));
    assert!(helper.names("").is_empty());
    assert!(outside.join("file").exists());
    assert!(helper.call(&helper.remove("ada")).unwrap().done, "it is gone already");

    // What an earlier call has begun is ended, whoever has a home there by now.
    helper.call(&helper.make("bob")).unwrap();
    fs::rename(helper.homes.join("bob"), helper.homes.join(format!(".pody-removed-{}", owner()))).unwrap();
    assert!(helper.call(&helper.remove("bob")).unwrap().done);
    assert!(helper.names("").is_empty());
}

#[test]
fn what_an_admin_does_not_want_is_not_done() {
    let helper = TestHelper::new();
    helper.call(&helper.make("ada")).unwrap();
    for error in
        [helper.call(&helper.remove("ada")).unwrap_err(), helper.call(&helper.archive("ada")).unwrap_err()]
    {
        assert!(matches!(&error, Error::Refused { message } if message.contains("\"keep\"")), "{error}");
    }
    let without = TestHelper::with(|settings| settings.homes.create = false);
    assert!(without.call(&without.make("ada")).unwrap_err().message().contains("create = false"));
}
