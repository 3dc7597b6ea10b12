//! Quotas that are asked for as nobody who means well would. What the kernel does about the others, a virtual machine tells.

use std::fs;
use std::os::unix::fs::{lchown, symlink};

use nix::unistd::geteuid;
use protocol::Error;
use protocol::helper::quota::{
    CountHome, DiskLimits, Filesystems, HomeOf, Homes, LimitsOf, MAX_HOMES, MAX_QUOTAS, Read, Set, Uncounted,
};

use super::harness::{TestHelper, owner};
use crate::config::QuotaFilesystem;
use crate::quota::QuotaKind;

fn set(filesystem: &str, uid: u32, limits: DiskLimits) -> Set {
    Set { filesystem: filesystem.into(), limits: vec![LimitsOf { uid, limits }] }
}

fn hard(kib: u64) -> DiskLimits {
    DiskLimits { hard_kib: kib, ..DiskLimits::default() }
}

#[test]
fn filesystems_that_are_not_mounted_or_have_no_quotas_are_told_apart() {
    let helper = TestHelper::new();
    let found = helper.call(&Filesystems {}).unwrap().filesystems;
    let [proc, nothing] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (proc.path.as_str(), proc.type_name.as_str(), proc.counts, proc.enforces),
        ("/proc", "proc", false, false)
    );
    assert_eq!((nothing.path.as_str(), nothing.type_name.as_str()), ("/proc/nothing", ""));

    let read = |path: &str| helper.call(&Read { filesystem: path.into(), ..Read::default() }).unwrap_err();
    assert!(matches!(read("/proc"), Error::Conflict { message } if message.contains("without quotas")));
    assert!(
        matches!(read("/proc/nothing"), Error::NotFound { message } if message.contains("nothing is mounted"))
    );
}

#[test]
fn hostile_quotas_are_refused_before_the_kernel_hears_of_them() {
    let helper = TestHelper::new();
    let crossed = DiskLimits { soft_kib: 2, hard_kib: 1, ..DiskLimits::default() };
    let table = [
        (set("/", owner(), hard(1)), "no [[quota.filesystem]]"),
        (set("/proc/../home", owner(), hard(1)), "no [[quota.filesystem]]"),
        (set("project:/", owner(), hard(1)), "no [[quota.filesystem]]"),
        (set("project:/proc/nothing", owner(), hard(1)), "no [[quota.filesystem]]"),
        (set("/proc", 0, hard(1)), "0"),
        (set("/proc", 999, hard(1)), "999"),
        (set("/proc", 1_900_000_001, hard(1)), "local account"),
        (set("/proc", 65_534, hard(1)), "65534"),
        (set("/proc", 700_000, hard(1)), "700000"),
        (set("/proc", u32::MAX, hard(1)), "4294967295"),
        (set("/proc", owner(), crossed), "make no sense"),
        (set("/proc", owner(), hard(u64::MAX)), "make no sense"),
    ];
    for (call, said) in table {
        let refused = helper.call(&call).unwrap_err();
        assert!(matches!(refused, Error::Refused { .. } | Error::InvalidInput { .. }), "{call:?}: {refused}");
        assert!(refused.to_string().contains(said), "{call:?}: {refused}");
    }
    let one = LimitsOf { uid: owner(), limits: hard(1) };
    let many = Set { filesystem: "/proc".into(), limits: vec![one; MAX_QUOTAS + 1] };
    assert!(matches!(helper.call(&many).unwrap_err(), Error::InvalidInput { .. }));
    let of_root = Read { filesystem: "/proc".into(), from: 0, only: true };
    assert!(
        matches!(helper.call(&of_root).unwrap_err(), Error::Refused { .. }),
        "nor is what others have told"
    );
}

/// A helper with quotas of projects, on what keeps none.
fn with_projects() -> TestHelper {
    TestHelper::with(|settings| {
        let proc = QuotaFilesystem { path: "/proc".parse().unwrap(), ..QuotaFilesystem::default() };
        settings.quota.filesystems.push(QuotaFilesystem { kind: QuotaKind::Project, ..proc });
    })
}

fn home_of(helper: &TestHelper, home: &str) -> HomeOf {
    HomeOf { name: "ada".into(), uid: owner(), home: helper.home(home) }
}

fn look(helper: &TestHelper, home: HomeOf) -> Option<Uncounted> {
    let found = helper.call(&Homes { homes: vec![home] }).unwrap();
    found.uncounted.into_iter().next()
}

#[test]
fn a_home_elsewhere_than_on_the_disk_of_its_quota_is_made_and_told_of() {
    let helper = with_projects();
    assert_eq!(look(&helper, home_of(&helper, "ada")), None, "there is none yet");
    assert!(helper.call(&helper.make("ada")).unwrap().made, "it keeps nobody out");
    let Uncounted { uid, why, can_be } = look(&helper, home_of(&helper, "ada")).unwrap();
    assert_eq!((uid, can_be), (owner(), false));
    assert!(why.contains("kind = \"project\""), "{why}");
    let refused = helper.call(&CountHome { home: home_of(&helper, "ada") }).unwrap_err();
    assert!(matches!(refused, Error::Refused { message } if message.contains("is on no file system")));
    let nowhere = HomeOf { home: "/srv/elsewhere/ada".into(), ..home_of(&helper, "ada") };
    assert!(look(&helper, nowhere).unwrap().why.contains("is not below"));
}

#[test]
fn nobody_elses_files_get_a_project() {
    let helper = with_projects();
    helper.call(&helper.make("ada")).unwrap();
    let outside = helper.folder.subfolder("outside");
    symlink(&outside, helper.homes.join("linked")).unwrap();
    fs::write(helper.homes.join("file"), "").unwrap();
    let ada = home_of(&helper, "ada");
    let (uid, home, path) = (
        |uid| HomeOf { uid, ..ada.clone() },
        |home: &str| HomeOf { home: helper.home(home), ..ada.clone() },
        |path: &str| HomeOf { home: path.into(), ..ada.clone() },
    );
    let mut table = vec![
        (uid(0), "uid 0"),
        (uid(7), "outside the ranges"),
        (uid(u32::MAX), "outside the ranges"),
        (uid(1_900_000_001), "local"),
        (uid(1_900_000_009), "left alone"),
        (uid(1_900_000_008), "left alone"),
        (HomeOf { name: "local".into(), ..ada.clone() }, "local account"),
        (HomeOf { name: "../x".into(), ..ada.clone() }, "name"),
        (home("local"), "local account"),
        (home("../outside"), "absolute"),
        (home(".pody-new-1"), "hidden"),
        (home("ada/../../outside"), "absolute"),
        (home("file"), "no directory"),
        (path("/etc"), "is not below"),
        (path(outside.to_str().unwrap()), "is not below"),
        (path(helper.homes.to_str().unwrap()), "in the way"),
        (home("linked/ada"), "symbolic link"),
    ];
    if geteuid().is_root() {
        // Root's link is an admin's, and leads where no quota looks; anybody else's is nothing at all.
        table.push((home("linked"), "somewhere else"));
        symlink(&outside, helper.homes.join("planted")).unwrap();
        lchown(helper.homes.join("planted"), Some(owner()), None).unwrap();
        table.push((home("planted"), "no directory"));
    }
    for (home, said) in table {
        let refused = helper.call(&CountHome { home: home.clone() }).expect_err(&format!("{home:?}"));
        assert!(refused.to_string().contains(said), "{home:?}: {refused}");
        assert!(look(&helper, home.clone()).is_some_and(|one| !one.can_be), "{home:?}");
    }
    let many = Homes { homes: vec![ada; MAX_HOMES + 1] };
    assert!(matches!(helper.call(&many).unwrap_err(), Error::InvalidInput { .. }));
    let gone = home_of(&helper, "nobody");
    assert!(helper.call(&CountHome { home: gone }).unwrap().done, "there is nothing to count");
}
