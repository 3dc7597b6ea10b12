//! A podyd that has been taken over publishes what it likes. It does not make anybody root.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use identity::{Gid, Uid};
use snapshot::{BaseEncoder, UserEntry};

use super::home::{Home, INFO, base, name, uid_of, user};
use crate::answer::{NOT_FOUND, Refusal, SUCCESS, UNAVAILABLE};
use crate::initgroups::GidList;
use crate::lookup;
use crate::process::Process;

fn group_is_served(process: &Process, text: &str, gid: u32) -> bool {
    let by_name = lookup::group_by_name(process, text.as_bytes(), |_| Ok(())).is_ok();
    let by_gid = lookup::group_by_gid(process, Gid(gid), |_| Ok(())).is_ok();
    assert_eq!(by_name, by_gid);
    let listed = process.map().unwrap();
    let mut in_list = false;
    for index in 0..listed.view().group_count() {
        let _ = lookup::group_at(&listed, index, |group| {
            in_list |= group.gid == Gid(gid);
            Ok(())
        });
    }
    assert_eq!(by_name, in_list);
    by_name
}

fn user_is_served(process: &Process, text: &str, uid: u32) -> bool {
    let by_uid = lookup::user_by_uid(process, Uid(uid), |_| Ok(())).is_ok();
    let listed = process.map().unwrap();
    let mut in_list = false;
    for index in 0..listed.view().user_count() {
        let _ = lookup::user_at(&listed, index, |user| {
            in_list |= user.uid == Uid(uid);
            Ok(())
        });
    }
    assert_eq!((uid_of(process, text).is_ok() && text != "root", in_list), (by_uid, by_uid));
    by_uid
}

#[test]
fn a_forged_snapshot_makes_nobody_root() {
    let home = Home::new();
    let mut encoder = BaseEncoder::new(INFO);
    encoder.user(&user("ada", 70_000)).unwrap();
    for (text, uid) in [("toor", 0), ("daemon2", 1), ("low", 999), ("nobody2", 65_534), ("dynamic", 61_184)] {
        encoder.user(&user(text, uid)).unwrap();
    }
    encoder.user(&user("root", 70_001)).unwrap();
    encoder.user(&UserEntry { gid: Gid(27), ..user("sneaky", 70_002) }).unwrap();
    encoder.user(&UserEntry { groups: &[Gid(0), Gid(27), Gid(80_000)], ..user("member", 70_003) }).unwrap();
    for (text, gid) in [("physics", 80_000), ("sudo", 80_001), ("wheel", 80_002), ("zero", 0), ("low", 27)] {
        encoder.group(name(text), Gid(gid), [name("ada")]).unwrap();
    }
    home.publisher().publish_base(&encoder.finish().unwrap()).unwrap();
    let process = home.process();
    for (text, uid, served) in [
        ("ada", 70_000, true),
        ("toor", 0, false),
        ("daemon2", 1, false),
        ("low", 999, false),
        ("nobody2", 65_534, false),
        ("dynamic", 61_184, false),
        ("root", 70_001, false),
        ("sneaky", 70_002, false),
    ] {
        assert_eq!(user_is_served(process, text, uid), served, "{text}");
    }
    for (text, gid, served) in [
        ("physics", 80_000, true),
        ("sudo", 80_001, false),
        ("wheel", 80_002, false),
        ("zero", 0, false),
        ("low", 27, false),
    ] {
        assert_eq!(group_is_served(process, text, gid), served, "{text}");
    }
    assert_eq!(groups_of(process, "member"), [1, 80_000]);
}

/// What initgroups makes of a list that holds 1 already.
fn groups_of(process: &Process, text: &str) -> Vec<u32> {
    // SAFETY: malloc(3) has no preconditions.
    let mut gids = unsafe { libc::malloc(4) }.cast::<u32>();
    // SAFETY: the array has room for one.
    unsafe { gids.write(1) };
    let (mut start, mut size) = (1, 1);
    let mut list = GidList { start: &mut start, size: &mut size, gids: &mut gids, limit: 0, given: 1 };
    lookup::append_groups(process, text.as_bytes(), Gid(70_003), &mut list).unwrap();
    // SAFETY: `start` gids are in the array.
    let found = unsafe { std::slice::from_raw_parts(gids, start as usize) }.to_vec();
    // SAFETY: the array is of malloc(3) or realloc(3).
    unsafe { libc::free(gids.cast()) };
    found
}

#[test]
fn the_range_file_narrows_what_is_served_and_a_wrong_one_is_trouble() {
    let home = Home::new();
    home.publisher().publish_base(&base(&[("ada", 70_000), ("bob", 71_000)])).unwrap();
    let write = |text: &str, mode| {
        let path = home.path("id-ranges");
        let _ = fs::remove_file(&path);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    write("70000 70500\n", 0o644);
    if Path::new("/proc/self").exists() && is_root() {
        let process = home.process();
        assert_eq!((uid_of(process, "ada"), uid_of(process, "bob")), (Ok(70_000), Err(Refusal::NotFound)));
    }
    for (text, mode) in [("70000 70500\n", 0o666), ("0 70500\n", 0o644), ("all of them\n", 0o644)] {
        write(text, mode);
        assert!(matches!(uid_of(home.process(), "ada"), Err(Refusal::Unavailable(_))), "{text:?} {mode:o}");
    }
}

#[test]
fn nobody_passes_for_a_local_account_by_its_name_or_by_its_id() {
    let home = Home::new();
    fs::write(home.path("passwd"), "bob:x:70001:70001:Bob:/home/bob:/bin/sh\n").unwrap();
    fs::write(home.path("group"), "lab:x:80001:bob\n").unwrap();
    let mut encoder = BaseEncoder::new(INFO);
    encoder.user(&user("ada", 70_000)).unwrap();
    encoder.user(&UserEntry { groups: &[Gid(80_000)], ..user("bob", 70_002) }).unwrap();
    encoder.user(&user("mallory", 70_001)).unwrap();
    encoder.user(&UserEntry { gid: Gid(80_001), ..user("malice", 70_003) }).unwrap();
    encoder.user(&UserEntry { groups: &[Gid(80_000), Gid(80_001)], ..user("member", 70_004) }).unwrap();
    for (text, gid) in [("physics", 80_000), ("bob", 70_001), ("lab", 80_002), ("crew", 80_001)] {
        encoder.group(name(text), Gid(gid), [name("ada")]).unwrap();
    }
    home.publisher().publish_base(&encoder.finish().unwrap()).unwrap();
    let process = home.process();
    for (text, uid, served) in [
        ("ada", 70_000, true),
        ("bob", 70_002, false),
        ("mallory", 70_001, false),
        ("malice", 70_003, false),
        ("member", 70_004, true),
    ] {
        assert_eq!(user_is_served(process, text, uid), served, "{text}");
    }
    for (text, gid, served) in
        [("physics", 80_000, true), ("bob", 70_001, true), ("lab", 80_002, false), ("crew", 80_001, false)]
    {
        assert_eq!(group_is_served(process, text, gid), served, "{text}");
    }
    assert_eq!(groups_of(process, "member"), [1, 80_000]);
}

fn is_root() -> bool {
    // SAFETY: getuid(2) has no preconditions.
    unsafe { libc::getuid() == 0 }
}

#[test]
fn what_is_not_a_name_is_not_found_without_looking() {
    let mut passwd = std::mem::MaybeUninit::<libc::passwd>::zeroed();
    let mut room = [0_u8; 1024];
    let mut errno = 0;
    let mut ask = |text: &[u8]| {
        let text = CString::new(text).unwrap();
        // SAFETY: all of these are this test's own.
        unsafe {
            crate::_nss_pody_getpwnam_r(
                text.as_ptr(),
                passwd.as_mut_ptr(),
                room.as_mut_ptr().cast(),
                room.len(),
                &mut errno,
            )
        }
    };
    let long = [b'a'; 5000];
    let hostile: [&[u8]; 14] = [
        b"root",
        b"",
        b"0",
        b"1000",
        b"-rf",
        b"..",
        b"a/b",
        b"a:b",
        b"a\nb",
        b"Ada",
        b"\xff\xfe",
        b"a b",
        &long,
        b"pam_unix_non_existent:",
    ];
    for text in hostile {
        assert_eq!(ask(text), NOT_FOUND, "{text:?}");
    }
    assert!([SUCCESS, NOT_FOUND, UNAVAILABLE].contains(&ask(b"ada")));
    assert_eq!(lookup::user_by_uid(Home::new().process(), Uid(0), |_| Ok(())), Err(Refusal::NotFound));
    assert_eq!(lookup::group_by_gid(Home::new().process(), Gid(0), |_| Ok(())), Err(Refusal::NotFound));
    // SAFETY: a null name is what is asked about.
    assert_eq!(unsafe { lookup::name_of(std::ptr::null()) }, Err(Refusal::NotFound));
}
