//! The ERANGE protocol, alignment, errno: what glibc's callers rely on.

use core::ffi::{CStr, c_char};
use core::mem::MaybeUninit;

use identity::Gid;
use libc::c_int;
use snapshot::layout::Kind;
use snapshot::{BaseEncoder, DeltaEncoder, Encoded, GroupPatch, SnapshotBytes, View};

use super::home::{INFO, base, name};
use crate::answer::{NOT_FOUND, Refusal, SUCCESS, TRY_AGAIN, UNAVAILABLE, answer};
use crate::fill::{Buffer, fill_group, fill_passwd};

/// What fills the buffer before each call.
const UNTOUCHED: u8 = 0xa5;
/// Bytes behind the buffer, which nobody may touch.
const BEHIND: usize = 64;

/// Calls `fill` with every length from 0 until it fits, at every alignment, and hands the result to `check`.
fn at_every_length(fill: impl Fn(&Buffer) -> Result<(), Refusal>, check: impl Fn()) {
    for misaligned in 0..8 {
        for length in 0.. {
            let mut room = vec![UNTOUCHED; misaligned + length + BEHIND];
            let start = room[misaligned..].as_mut_ptr().cast::<c_char>();
            // SAFETY: `length` bytes follow `start` in `room`.
            let result = fill(&unsafe { Buffer::new(start, length) });
            assert!(
                room[misaligned + length..].iter().all(|byte| *byte == UNTOUCHED),
                "wrote behind {length}"
            );
            if result == Ok(()) {
                assert!(length > 0);
                check();
                break;
            }
            assert_eq!(result, Err(Refusal::BufferTooSmall));
            assert!(room.iter().all(|byte| *byte == UNTOUCHED), "wrote before it was known to fit: {length}");
            assert!(length < 4096, "never fits");
        }
    }
}

fn text(pointer: *const c_char) -> String {
    // SAFETY: the module's strings end with NUL, which is what the test is about.
    unsafe { CStr::from_ptr(pointer) }.to_str().unwrap().to_owned()
}

fn members(list: *const *mut c_char) -> Vec<String> {
    assert!(list.is_aligned());
    let mut found = Vec::new();
    for index in 0.. {
        // SAFETY: the list ends with a null pointer, which is what the test is about.
        let member = unsafe { *list.wrapping_add(index) };
        if member.is_null() {
            break;
        }
        found.push(text(member));
    }
    found
}

#[test]
fn a_user_is_filled_in_as_soon_as_it_fits_and_not_before() {
    let encoded = base(&[("ada", 70_000)]);
    let bytes = SnapshotBytes::read(&encoded.snapshot, Kind::Base).unwrap();
    let user = View::of_bytes(&bytes, None).user_by_name(b"ada").unwrap().unwrap();
    let result = MaybeUninit::<libc::passwd>::zeroed();
    let pointer = result.as_ptr().cast_mut();
    at_every_length(
        // SAFETY: `pointer` is at a struct of this test.
        |buffer| unsafe { fill_passwd(&user, pointer, buffer) },
        || {
            // SAFETY: just filled.
            let passwd = unsafe { pointer.read() };
            let fields = [passwd.pw_name, passwd.pw_passwd, passwd.pw_gecos, passwd.pw_dir, passwd.pw_shell];
            assert_eq!(
                fields.map(|field| text(field)),
                ["ada", "*", "Ada Lovelace", "/home/ada", "/bin/bash"]
            );
            assert_eq!((passwd.pw_uid, passwd.pw_gid), (70_000, 70_000));
        },
    );
}

fn expect_group(base: &Encoded, delta: Option<&Encoded>, expected: &[&str]) {
    let base = SnapshotBytes::read(&base.snapshot, Kind::Base).unwrap();
    let delta = delta.map(|delta| SnapshotBytes::read(&delta.snapshot, Kind::Delta).unwrap());
    let group = View::of_bytes(&base, delta.as_ref()).group_by_gid(Gid(80_000)).unwrap().unwrap();
    let result = MaybeUninit::<libc::group>::zeroed();
    let pointer = result.as_ptr().cast_mut();
    at_every_length(
        // SAFETY: `pointer` is at a struct of this test.
        |buffer| unsafe { fill_group(&group, pointer, buffer) },
        || {
            // SAFETY: just filled.
            let group = unsafe { pointer.read() };
            assert_eq!((text(group.gr_name), text(group.gr_passwd)), ("physics".into(), "*".into()));
            assert_eq!(
                (group.gr_gid, members(group.gr_mem)),
                (80_000, expected.iter().map(|m| m.to_string()).collect())
            );
        },
    );
}

#[test]
fn a_group_is_filled_in_as_soon_as_it_fits_and_not_before() {
    expect_group(&base(&[]), None, &[]);
    expect_group(&base(&[("ada", 70_000)]), None, &["ada"]);
    expect_group(&base(&[("ada", 70_000), ("bob", 70_001), ("eve", 70_002)]), None, &["ada", "bob", "eve"]);
}

#[test]
fn a_patched_group_is_filled_in_likewise() {
    let base = base(&[("ada", 70_000), ("bob", 70_001), ("eve", 70_002)]);
    let patched = |added: &[&str], removed: &[&str]| {
        let [added, removed] =
            [added, removed].map(|names| names.iter().map(|text| name(text)).collect::<Vec<_>>());
        let mut encoder = DeltaEncoder::new(INFO);
        let patch = GroupPatch { gid: Gid(80_000), name: name("physics"), added: &added, removed: &removed };
        encoder.patch_group(&patch).unwrap();
        encoder.finish().unwrap()
    };
    expect_group(&base, Some(&patched(&["zoe"], &[])), &["ada", "bob", "eve", "zoe"]);
    expect_group(&base, Some(&patched(&["zoe"], &["eve", "ada"])), &["bob", "zoe"]);
    expect_group(&base, Some(&patched(&[], &["eve", "ada", "bob"])), &[]);
}

#[test]
fn a_member_outside_the_file_makes_it_unusable() {
    let mut encoder = BaseEncoder::new(INFO);
    encoder.group(name("physics"), Gid(80_000), [name("ada"), name("bob")]).unwrap();
    let mut forged = encoder.finish().unwrap().snapshot;
    let first = forged.windows(8).position(|window| window == [0, 0, 0, 0, 4, 0, 0, 0]).unwrap();
    for offset in [8_u32, 9, 0x7fff_ffff, 0x8000_0000, 0x8000_0004, 0xffff_ffff] {
        forged[first..first + 4].copy_from_slice(&offset.to_le_bytes());
        let bytes = SnapshotBytes::read(&forged, Kind::Base).unwrap();
        let group = View::of_bytes(&bytes, None).group_by_gid(Gid(80_000)).unwrap().unwrap();
        let (mut result, mut room) = (MaybeUninit::<libc::group>::zeroed(), [0_u8; 256]);
        // SAFETY: `room` has 256 bytes.
        let buffer = unsafe { Buffer::new(room.as_mut_ptr().cast(), room.len()) };
        // SAFETY: `result` is a struct of this test.
        let filled = unsafe { fill_group(&group, result.as_mut_ptr(), &buffer) };
        assert!(matches!(filled, Err(Refusal::Unavailable(_))), "{offset:x}");
    }
}

fn errno() -> *mut c_int {
    // SAFETY: __errno_location(3) has no preconditions.
    unsafe { libc::__errno_location() }
}

fn set_errno(value: c_int) {
    // SAFETY: this thread's errno.
    unsafe { errno().write(value) };
}

fn get_errno() -> c_int {
    // SAFETY: this thread's errno.
    unsafe { errno().read() }
}

#[test]
fn errno_is_touched_only_to_say_why() {
    for (result, status, then) in [
        (Ok(()), SUCCESS, 1234),
        (Err(Refusal::NotFound), NOT_FOUND, libc::ENOENT),
        (Err(Refusal::BufferTooSmall), TRY_AGAIN, libc::ERANGE),
        (Err(Refusal::NoMemory), TRY_AGAIN, libc::ENOMEM),
        (Err(Refusal::Unavailable(libc::EACCES)), UNAVAILABLE, libc::EACCES),
    ] {
        set_errno(1234);
        let lookup = || {
            set_errno(libc::EBADF);
            result
        };
        // SAFETY: glibc, too, passes errno itself.
        assert_eq!((unsafe { answer(errno(), lookup) }, get_errno()), (status, then));
    }
}

#[test]
fn no_other_refusal_makes_a_caller_double_its_buffer() {
    for errno in [0, libc::ERANGE, libc::ENOENT, libc::EMFILE] {
        let refusal = Refusal::Unavailable(errno);
        assert_eq!(refusal.status(), UNAVAILABLE);
        assert!(refusal.errno() != libc::ERANGE && refusal.errno() != 0);
    }
}
