//! One process over time: publishes, restarts of podyd, threads, forks, closed descriptors.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use super::home::{Home, base, delta, eventually, uid_of};
use crate::answer::Refusal;
use crate::process::Process;

#[test]
fn without_a_snapshot_nobody_is_said_not_to_exist() {
    let home = Home::new();
    let process = home.process();
    assert_eq!(uid_of(process, "ada"), Err(Refusal::Unavailable(libc::ENOENT)));
    let mut publisher = home.publisher();
    assert_eq!(uid_of(process, "ada"), Err(Refusal::Unavailable(libc::ENOENT)));
    publisher.publish_base(&base(&[("ada", 70_000)])).unwrap();
    assert_eq!((uid_of(process, "ada"), uid_of(process, "bob")), (Ok(70_000), Err(Refusal::NotFound)));
    fs::write(home.path("cache").join("base-0000000001.account"), "not looked at").unwrap();
    let path = home.path("cache").join("base-0000000001");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "damaged").unwrap();
    assert_eq!(uid_of(home.process(), "ada"), Err(Refusal::Unavailable(libc::EBADMSG)), "a fresh process");
    assert_eq!(uid_of(process, "ada"), Ok(70_000), "one that has it mapped");
}

#[test]
fn what_is_published_is_seen_by_the_very_next_lookup() {
    let home = Home::new();
    let mut publisher = home.publisher();
    let process = home.process();
    publisher.publish_base(&base(&[("ada", 70_000)])).unwrap();
    for round in 0..500 {
        assert_eq!(uid_of(process, "ada"), Ok(70_000));
        if round % 50 == 49 {
            publisher.publish_base(&base(&[("ada", 70_000), ("bob", 71_000 + round)])).unwrap();
        } else {
            publisher.publish_delta(&delta("bob", 71_000 + round)).unwrap();
        }
        assert_eq!(uid_of(process, "bob"), Ok(71_000 + round));
    }
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let here = home.path("");
    let ours = maps.lines().filter(|line| line.contains(here.to_str().unwrap())).count();
    assert!(ours <= 3 * 8, "{ours} mappings are left behind");
}

#[test]
fn a_restart_of_podyd_is_noticed_and_its_absence_does_no_harm() {
    let home = Home::new();
    let process = home.process();
    let mut publisher = home.publisher();
    publisher.publish_base(&base(&[("ada", 70_000)])).unwrap();
    assert_eq!(uid_of(process, "ada"), Ok(70_000));
    drop(publisher);
    let mut publisher = home.publisher();
    publisher.publish_delta(&delta("bob", 70_001)).unwrap();
    assert_eq!(uid_of(process, "bob"), Ok(70_001), "the old page is retired: at once");
    drop(publisher);
    fs::remove_file(home.path("run").join("generation")).unwrap();
    assert_eq!(uid_of(process, "bob"), Ok(70_001));
    let mut publisher = home.publisher();
    publisher.publish_base(&base(&[("eve", 70_002)])).unwrap();
    eventually("a page that replaced another behind our back", || uid_of(process, "eve") == Ok(70_002));
    assert_eq!(uid_of(process, "ada"), Err(Refusal::NotFound));
    fs::rename(home.path("run"), home.path("gone")).unwrap();
    assert_eq!(uid_of(process, "eve"), Ok(70_002));
    publisher.publish_base(&base(&[("new", 70_003)])).unwrap();
    assert_eq!(uid_of(process, "new"), Ok(70_003), "without the page, by what the cache names");
    fs::rename(home.path("gone"), home.path("run")).unwrap();
    publisher.publish_delta(&delta("bob", 70_004)).unwrap();
    eventually("the page is back", || uid_of(process, "bob") == Ok(70_004));
}

#[test]
fn before_podyd_starts_the_cache_is_followed() {
    let home = Home::new();
    home.publisher().publish_base(&base(&[("ada", 70_000)])).unwrap();
    fs::remove_file(home.path("run").join("generation")).unwrap();
    let process = home.process();
    assert_eq!(uid_of(process, "ada"), Ok(70_000));
    home.publisher().publish_base(&base(&[("bob", 70_001)])).unwrap();
    eventually("podyd's first page", || uid_of(process, "bob") == Ok(70_001));
}

#[test]
fn threads_never_miss_a_user_while_podyd_publishes() {
    let home = Home::new();
    let mut publisher = home.publisher();
    publisher.publish_base(&base(&[("ada", 70_000)])).unwrap();
    let process = home.process();
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for _ in 0..16 {
            threads.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(uid_of(process, "ada"), Ok(70_000));
                    assert_eq!(uid_of(process, "nobody2"), Err(Refusal::NotFound));
                }
            });
        }
        for round in 0..300 {
            match round % 30 {
                0 => publisher.publish_base(&base(&[("ada", 70_000)])).unwrap(),
                _ => publisher.publish_delta(&delta("bob", 71_000 + round)).unwrap(),
            };
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// Runs `work` in a forked child, which may not allocate, and says how it ended.
pub fn in_child(work: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the child runs `work`, which makes no use of locks that a thread may have held, and ends.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let code = i64::from(!work());
        // SAFETY: exit(2) ends the child's only thread; it is all that strict seccomp allows.
        unsafe { libc::syscall(libc::SYS_exit, code) };
    }
    let mut status = 0;
    // SAFETY: waitpid(2) writes the status.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    status
}

fn finds(process: &Process, text: &str, uid: u32) -> bool {
    uid_of(process, text) == Ok(uid)
}

#[test]
fn a_child_forked_among_threads_looks_up_and_follows() {
    let home = Home::new();
    let mut publisher = home.publisher();
    publisher.publish_base(&base(&[("ada", 70_000)])).unwrap();
    let process = home.process();
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert!(finds(process, "ada", 70_000));
                }
            });
        }
        for round in 0..100 {
            publisher.publish_delta(&delta("bob", 71_000 + round)).unwrap();
            let status = in_child(|| {
                (0..20).all(|_| finds(process, "ada", 70_000) && finds(process, "bob", 71_000 + round))
            });
            assert_eq!(status, 0, "round {round}");
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_hit_and_a_final_miss_make_no_system_call() {
    let home = Home::new();
    let mut publisher = home.publisher();
    publisher.publish_base(&base(&[("ada", 70_000)])).unwrap();
    publisher.publish_delta(&delta("bob", 70_001)).unwrap();
    let process = home.process();
    let look = || {
        let hits = finds(process, "ada", 70_000) && finds(process, "bob", 70_001);
        hits && uid_of(process, "eve") == Err(Refusal::NotFound)
    };
    // Strict seccomp kills at any call but read, write and exit. The one stat(2) a second may fall into a
    // child's time: hence a few tries.
    let silent = || {
        in_child(|| {
            let mapped = look();
            // SAFETY: prctl(2) with numbers alone.
            let strict = unsafe { libc::prctl(libc::PR_SET_SECCOMP, 1) } == 0;
            mapped && strict && (0..1000).all(|_| look())
        })
    };
    assert!((0..5).any(|_| silent() == 0));
}

#[test]
fn no_descriptor_is_kept_and_none_is_needed() {
    let home = Home::new();
    home.publisher().publish_base(&base(&[("ada", 70_000)])).unwrap();
    let process = home.process();
    let status = in_child(|| {
        // SAFETY: close_range(2) with numbers alone: the child has no descriptor left, not even 0 to 2.
        unsafe { libc::close_range(0, u32::MAX, 0) };
        let found = finds(process, "ada", 70_000);
        // SAFETY: dup(2) fails if there is no such descriptor.
        found && (0..3).all(|descriptor| unsafe { libc::fcntl(descriptor, libc::F_GETFD) } == -1)
    });
    assert_eq!(status, 0);
}

#[test]
fn a_process_without_memory_or_descriptors_is_told_so() {
    let home = Home::new();
    home.publisher().publish_base(&base(&[("ada", 70_000)])).unwrap();
    for (limit, errno) in [(libc::RLIMIT_NOFILE, libc::EMFILE), (libc::RLIMIT_AS, libc::ENOMEM)] {
        let process = home.process();
        let status = in_child(|| {
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: setrlimit(2) reads the struct.
            unsafe { libc::setrlimit(limit, &none) };
            uid_of(process, "ada") == Err(Refusal::Unavailable(errno))
        });
        assert_eq!(status, 0, "{errno}");
    }
}

#[test]
fn a_process_locked_into_another_root_keeps_what_it_has() {
    let home = Home::new();
    let mut publisher = home.publisher();
    publisher.publish_base(&base(&[("ada", 70_000)])).unwrap();
    let process = home.process();
    // SAFETY: getuid(2) has no preconditions.
    if unsafe { libc::getuid() } != 0 {
        return;
    }
    assert!(finds(process, "ada", 70_000));
    let jail = super::home::leak(home.path("run"));
    let status = in_child(|| {
        // SAFETY: chroot(2) reads the path.
        let jailed = unsafe { libc::chroot(jail.as_ptr()) } == 0;
        // In the child alone: the word moves on, and the new files are out of reach.
        let published = publisher.publish_delta(&delta("bob", 70_001)).is_err();
        jailed && published && finds(process, "ada", 70_000)
    });
    assert_eq!(status, 0);
}
