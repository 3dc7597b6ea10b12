//! Publisher and reader on a real filesystem.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use identity::{Gid, Uid};

use super::model::{INFO, name};
use crate::{
    Account, BaseEncoder, DeltaEncoder, Encoded, Generation, Info, Loaded, LoadedAccounts, Places,
    PublishError, Publisher, Source, Trouble, UserEntry,
};

/// Two directories that vanish with the test.
struct Home {
    root: PathBuf,
    paths: [CString; 2],
}

impl Home {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("pody-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(unique);
        let paths = ["cache", "run"].map(|part| {
            let path = root.join(part);
            fs::create_dir_all(&path).unwrap();
            CString::new(path.as_os_str().as_bytes()).unwrap()
        });
        Self { root, paths }
    }

    fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    fn places(&self) -> Places<'_> {
        Places { cache: &self.paths[0], run: &self.paths[1] }
    }

    fn publisher(&self, now: u64) -> Publisher {
        Publisher::start(&self.cache(), &self.run(), now).unwrap()
    }

    /// Which of the users a reader sees.
    fn seen(&self) -> Result<Vec<String>, Trouble> {
        let loaded = Loaded::open(self.places(), None)?;
        Ok(seen_by(&loaded))
    }

    fn files(&self, directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn seen_by(loaded: &Loaded) -> Vec<String> {
    let view = loaded.view();
    let users = (0..view.user_count()).filter_map(|index| view.user_at(index).unwrap());
    users.map(|user| String::from_utf8(user.name().to_vec()).unwrap()).collect()
}

fn user(text: &str, uid: u32) -> UserEntry<'_> {
    let (name, gid) = (name(text), Gid(uid));
    let account = Account { locked: true, ..Account::default() };
    UserEntry { name, uid: Uid(uid), gid, gecos: "", home: "/", shell: "/bin/sh", groups: &[], account }
}

fn base(users: &[&str]) -> Encoded {
    let mut encoder = BaseEncoder::new(INFO);
    for (text, uid) in users.iter().zip(70_000..) {
        encoder.user(&user(text, uid)).unwrap();
    }
    encoder.finish().unwrap()
}

fn delta(text: &str, uid: u32) -> Encoded {
    let mut encoder = DeltaEncoder::new(Info { revision: 4, ..INFO });
    encoder.user(&user(text, uid)).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_is_published_is_seen_and_survives_the_publisher() {
    let home = Home::new();
    assert_eq!(home.seen(), Err(Trouble::Missing));
    let mut publisher = home.publisher(1000);
    assert_eq!(home.seen(), Err(Trouble::Missing));
    assert_eq!(publisher.publish_base(&base(&["ada"])).unwrap(), Generation(1000 << 24));
    assert_eq!(home.seen().unwrap(), ["ada"]);
    assert_eq!(publisher.publish_delta(&delta("bob", 70_005)).unwrap(), Generation((1000 << 24) | 1));
    drop(publisher);
    assert_eq!(home.seen().unwrap(), ["ada", "bob"]);
    let accounts = LoadedAccounts::open(home.places()).unwrap();
    assert!(accounts.view().account_by_name(b"bob").unwrap().unwrap().locked);
}

#[test]
fn after_a_reboot_readers_see_what_was_persisted() {
    let home = Home::new();
    let mut publisher = home.publisher(1000);
    publisher.publish_base(&base(&["ada"])).unwrap();
    publisher.publish_delta(&delta("bob", 70_005)).unwrap();
    publisher.persist().unwrap();
    publisher.publish_delta(&delta("eve", 70_006)).unwrap();
    assert!(!publisher.is_durable());
    drop(publisher);
    fs::remove_dir_all(home.run()).unwrap();
    assert_eq!(home.seen().unwrap(), ["ada", "bob"]);
    fs::create_dir(home.run()).unwrap();
    let publisher = home.publisher(1001);
    assert_eq!(publisher.adopted(), Some(Info { revision: 4, ..INFO }));
    assert_eq!(publisher.generation(), Generation((1000 << 24) | 1));
    assert!(publisher.is_durable());
    assert_eq!(home.seen().unwrap(), ["ada", "bob"]);
}

#[test]
fn a_restarted_publisher_goes_on_where_the_last_one_died() {
    let home = Home::new();
    let mut publisher = home.publisher(1000);
    publisher.publish_base(&base(&["ada"])).unwrap();
    publisher.publish_delta(&delta("bob", 70_005)).unwrap();
    let old = Loaded::open(home.places(), None).unwrap();
    drop(publisher);
    let mut publisher = home.publisher(1001);
    assert_eq!(publisher.generation(), old.generation);
    let Source::Page(old_page) = &old.source else { panic!("there was a page") };
    assert!(old_page.is_retired());
    publisher.persist().unwrap();
    assert!(publisher.is_durable());
    assert!(publisher.publish_base(&base(&["ada", "bob"])).unwrap() > old.generation);
    assert_eq!(seen_by(&old), ["ada", "bob"], "a mapped generation stays as it was");
}

#[test]
fn no_number_is_used_twice_after_the_cache_was_wiped() {
    let home = Home::new();
    let mut publisher = home.publisher(1000);
    for _ in 0..5 {
        publisher.publish_base(&base(&["ada"])).unwrap();
    }
    let last = publisher.generation();
    drop(publisher);
    let mut publisher = home.publisher(900);
    assert!(publisher.publish_base(&base(&["ada"])).unwrap() > last, "even if the clock goes back");
    drop(publisher);
    fs::remove_dir_all(home.cache()).unwrap();
    fs::create_dir(home.cache()).unwrap();
    let mut publisher = home.publisher(2000);
    assert_eq!(publisher.adopted(), None);
    assert_eq!(publisher.publish_base(&base(&["ada"])).unwrap(), Generation(2000 << 24));
}

#[test]
fn only_files_that_somebody_names_are_kept() {
    let home = Home::new();
    let mut publisher = home.publisher(1);
    publisher.publish_base(&base(&["ada"])).unwrap();
    for uid in 70_001..70_020 {
        publisher.publish_delta(&delta("bob", uid)).unwrap();
    }
    publisher.persist().unwrap();
    assert_eq!(
        home.files(&home.run()).len(),
        5,
        "the page, the newest delta and the one before, with accounts"
    );
    publisher.publish_base(&base(&["ada", "bob"])).unwrap();
    assert_eq!(home.files(&home.run()), ["generation"]);
    assert_eq!(home.files(&home.cache()), ["base-0000000002", "base-0000000002.account", "current"]);
}

#[test]
fn an_attempt_that_fails_leaves_nothing_behind() {
    let home = Home::new();
    let mut publisher = home.publisher(5);
    publisher.publish_base(&base(&["ada"])).unwrap();
    let before = [home.files(&home.cache()), home.files(&home.run())];
    // A directory in the file's place: all goes well up to the last rename.
    let [base_6, delta] = [home.cache().join("base-0000000006"), home.run().join("delta-0000000005000001")];
    for blocked in [&base_6, &delta] {
        fs::create_dir(blocked).unwrap();
    }
    assert!(publisher.publish_base(&base(&["bob"])).is_err());
    assert!(publisher.publish_delta(&delta_of_bob()).is_err());
    for blocked in [&base_6, &delta] {
        fs::remove_dir(blocked).unwrap();
    }
    assert_eq!([home.files(&home.cache()), home.files(&home.run())], before);
    publisher.publish_delta(&delta_of_bob()).unwrap();
    assert_eq!(home.seen().unwrap().len(), 2);
}

fn delta_of_bob() -> Encoded {
    delta("bob", 70_009)
}

#[test]
fn files_have_the_modes_that_protect_them() {
    let home = Home::new();
    let mut publisher = home.publisher(1);
    publisher.publish_base(&base(&["ada"])).unwrap();
    publisher.publish_delta(&delta("bob", 70_005)).unwrap();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(home.cache().join("base-0000000001")), 0o444);
    assert_eq!(mode(home.cache().join("base-0000000001.account")), 0o600);
    assert_eq!(mode(home.run().join("delta-0000000001000001")), 0o444);
    assert_eq!(mode(home.run().join("delta-0000000001000001.account")), 0o600);
    assert_eq!(mode(home.cache().join("current")), 0o444);
    assert_eq!(mode(home.run().join("generation")), 0o644);
}

#[test]
fn a_file_that_others_may_write_or_that_is_none_is_unusable() {
    let home = Home::new();
    let mut publisher = home.publisher(1);
    publisher.publish_base(&base(&["ada"])).unwrap();
    let path = home.cache().join("base-0000000001");
    let set_mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    for mode in [0o464, 0o446, 0o666] {
        set_mode(mode);
        assert_eq!(home.seen(), Err(Trouble::Unusable), "{mode:o}");
    }
    set_mode(0o644);
    assert_eq!(home.seen().unwrap(), ["ada"]);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 8]).unwrap();
    assert_eq!(home.seen(), Err(Trouble::Unusable));
    fs::remove_file(&path).unwrap();
    symlink("/etc/passwd", &path).unwrap();
    assert_eq!(home.seen(), Err(Trouble::Unusable));
    fs::remove_file(&path).unwrap();
    assert_eq!(home.seen(), Err(Trouble::Missing));
    let fifo = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: mkfifo(3) reads the NUL-terminated path.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o644) }, 0);
    assert_eq!(home.seen(), Err(Trouble::Unusable), "and nobody waits for a FIFO");
}

#[test]
fn a_file_under_another_generations_name_is_unusable() {
    let home = Home::new();
    let mut publisher = home.publisher(1);
    publisher.publish_base(&base(&["ada"])).unwrap();
    let old = fs::read(home.cache().join("base-0000000001")).unwrap();
    publisher.publish_base(&base(&["bob"])).unwrap();
    let path = home.cache().join("base-0000000002");
    fs::remove_file(&path).unwrap();
    fs::write(&path, old).unwrap();
    assert_eq!(home.seen(), Err(Trouble::Unusable));
}

#[test]
fn kinds_cannot_be_mixed_up_and_a_delta_needs_a_base() {
    let home = Home::new();
    let mut publisher = home.publisher(1);
    assert!(matches!(publisher.publish_delta(&delta("bob", 70_005)), Err(PublishError::NeedsBase)));
    assert!(matches!(publisher.publish_delta(&base(&["bob"])), Err(PublishError::WrongKind)));
    assert!(matches!(publisher.publish_base(&delta("bob", 70_005)), Err(PublishError::WrongKind)));
}

#[test]
fn readers_always_find_a_whole_generation_while_podyd_publishes() {
    let home = Home::new();
    let mut publisher = home.publisher(1);
    publisher.publish_base(&base(&["ada"])).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                let mut newest = Generation::NONE;
                while !done.load(Ordering::Relaxed) {
                    let loaded = Loaded::open(home.places(), None).unwrap();
                    assert!(loaded.generation >= newest);
                    newest = loaded.generation;
                    assert_eq!(seen_by(&loaded)[0], "ada");
                }
            });
        }
        for round in 0..200 {
            if round % 20 == 0 {
                publisher.publish_base(&base(&["ada"])).unwrap();
            } else {
                publisher.publish_delta(&delta("bob", 70_000 + round)).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}
