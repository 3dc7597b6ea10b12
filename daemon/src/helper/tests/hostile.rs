//! What a podyd that has been taken over may ask for, and what users may have put there: none of it gets it anywhere.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::unistd::geteuid;
use protocol::Error;
use protocol::helper::MakeHome;

use super::harness::{TestHelper, owner};
use crate::config::OnDelete;

/// Nobody's here, and one that Pody gives.
const ANOTHER: u32 = 1_900_000_009;

#[test]
fn a_hostile_request_is_refused_with_words_and_makes_nothing() {
    let helper = TestHelper::new();
    let outside = helper.folder.subfolder("outside");
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o755)).unwrap();
    symlink(&outside, helper.homes.join("linked")).unwrap();
    fs::create_dir(helper.homes.join("open")).unwrap();
    fs::set_permissions(helper.homes.join("open"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(helper.homes.join("file"), "").unwrap();
    let make = helper.make("ada");
    let (home, path) = (
        |home: &str| MakeHome { home: helper.home(home), ..make.clone() },
        |home: &str| MakeHome { home: home.into(), ..make.clone() },
    );
    let (uid, gid, name) = (
        |uid| MakeHome { uid, ..make.clone() },
        |gid| MakeHome { gid, ..make.clone() },
        |name: &str| MakeHome { name: name.into(), ..make.clone() },
    );
    let table = [
        (path("/etc/pody-home"), "is not below"),
        (path(&format!("{}x/ada", helper.homes.display())), "is not below"),
        (path(helper.homes.to_str().unwrap()), "in the way"),
        (path("homes/ada"), "absolute"),
        (path(""), "absolute"),
        (home("../outside/ada"), "absolute"),
        (home("ada/../../outside/ada"), "absolute"),
        (home("./ada"), "absolute"),
        (home("ada/"), "absolute"),
        (home("a\0b"), "control"),
        (home("a\nb"), "control"),
        (home(&"x".repeat(5000)), "255 bytes"),
        (home(".pody-new-1"), "hidden"),
        (home(".archived/ada"), "hidden"),
        (home("local"), "local account"),
        (home("local/ada"), "local account"),
        (home("deep"), "local account"),
        (home("nowhere/ada"), "no such directory"),
        (home("linked/ada"), "symbolic link"),
        (home("file/ada"), "no directory"),
        (home("file"), "no directory"),
        (home("open/ada"), "chmod go-w"),
        (uid(0), "uid 0"),
        (uid(7), "outside the ranges"),
        (uid(u32::MAX), "outside the ranges"),
        (uid(65_534), "outside the ranges"),
        (uid(1_900_000_001), "local"),
        (gid(0), "gid 0"),
        (gid(1_900_000_001), "local"),
        (name("root"), "local account"),
        (name("local"), "local account"),
        (name("../ada"), ""),
        (name(""), ""),
    ];
    for (request, said) in table {
        let error = helper.call(&request).expect_err(&format!("{request:?}"));
        let text = error.to_string();
        assert!(text.contains(said), "{request:?}: {text}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    assert_eq!(helper.names(""), ["file", "linked", "open"]);
    assert!(fs::read_dir(outside).unwrap().next().is_none());
}

#[test]
fn what_is_somebody_elses_is_left_alone() {
    for on_delete in [OnDelete::Remove, OnDelete::Archive] {
        let helper = TestHelper::on_delete(on_delete);
        helper.call(&helper.make("ada")).unwrap();
        fs::write(helper.homes.join("ada/file"), "x").unwrap();
        let errors = [
            helper.call(&MakeHome { uid: ANOTHER, gid: ANOTHER, ..helper.make("ada") }).map(drop),
            match on_delete {
                OnDelete::Remove => helper
                    .call(&protocol::helper::RemoveHome { uid: ANOTHER, ..helper.remove("ada") })
                    .map(drop),
                _ => helper
                    .call(&protocol::helper::ArchiveHome { uid: ANOTHER, ..helper.archive("ada") })
                    .map(drop),
            },
        ];
        for error in errors {
            let error = error.unwrap_err();
            assert!(
                matches!(&error, Error::Conflict { message } if message.contains("left alone")),
                "{error}"
            );
        }
        assert_eq!(helper.names("ada"), ["file"]);
    }
}

#[test]
fn a_home_that_is_a_link_is_not_followed() {
    let helper = TestHelper::on_delete(OnDelete::Remove);
    let outside = helper.folder.subfolder("outside");
    fs::write(outside.join("file"), "x").unwrap();
    let link = helper.homes.join("ada");
    symlink(&outside, &link).unwrap();
    if geteuid().is_root() {
        lchown(&outside, Some(owner()), None).unwrap();
        assert!(!helper.call(&helper.make("ada")).unwrap().made, "root's own link is an admin's choice");
        lchown(&link, Some(owner()), None).unwrap();
    }
    assert!(helper.call(&helper.make("ada")).unwrap_err().message().contains("no directory"));
    assert!(helper.call(&helper.remove("ada")).unwrap_err().message().contains("left alone"));
    assert!(outside.join("file").exists());
}

/// Says that it is over, also where an assertion has failed.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Directories on the way are exchanged with links, over and over, while homes are made and removed.
#[test]
fn a_directory_that_is_replaced_in_mid_operation_leads_nowhere_else() {
    let helper = TestHelper::on_delete(OnDelete::Remove);
    let outside = helper.folder.subfolder("outside");
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(outside.join("precious")).unwrap();
    let (dept, link) = (helper.homes.join("dept"), helper.homes.join("link"));
    fs::create_dir(&dept).unwrap();
    fs::set_permissions(&dept, fs::Permissions::from_mode(0o755)).unwrap();
    symlink(&outside, &link).unwrap();
    let over = AtomicBool::new(false);
    let exchange = || renameat2(AT_FDCWD, &dept, AT_FDCWD, &link, RenameFlags::RENAME_EXCHANGE).unwrap();
    let (mut made, mut errors) = (0, BTreeSet::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                exchange();
                thread::yield_now();
            }
        });
        let _end = End(&over);
        let (make, remove) = (helper.make("dept/ada"), helper.remove("dept/ada"));
        let precious = helper.remove("dept/precious");
        for _ in 0..2000 {
            match helper.call(&make) {
                Ok(reply) => made += usize::from(reply.made),
                Err(error) => drop(errors.insert(error.to_string())),
            }
            let _ = helper.call(&remove);
            let _ = helper.call(&precious);
        }
    });
    assert!(made > 0 && !errors.is_empty(), "some were made ({made}), and some were not: {errors:?}");
    let left: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["precious"]);
    let owner_of = |path: &Path| fs::metadata(path).unwrap().uid();
    assert_eq!(owner_of(&outside), geteuid().as_raw());
}
