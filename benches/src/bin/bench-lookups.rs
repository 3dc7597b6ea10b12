//! Lookups through glibc, in this process, of `files`, the floor and `pody`.
//!
//! `bench-lookups all` writes each population and measures it; it runs itself, as `bench-lookups one SERVICE QUESTION USERS
//! THREADS`, for each figure, so that each has a process that has looked nothing up before. It replaces this system's
//! nsswitch.conf, passwd and group: run it in a mount namespace of its own (benches/run does).

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::{CStr, CString};
use std::fs;
use std::mem::MaybeUninit;
use std::path::Path;
use std::process::Command;
use std::ptr;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use benches::population::{
    LARGE_GROUP, LARGE_GROUP_ID, MULTI_USERS, PRIMARY_GROUP, Person, Population, SHARED_GROUPS,
};
use benches::{SIZES, floor, median, shown, sources};
use snapshot::Publisher;

/// In the order in which the first round asks them.
const SERVICES: [&str; 3] = ["files", "floor", "pody"];
const ROUNDS: usize = 7;
const THREADS: [usize; 2] = [1, 2];
/// How long one process measures.
const SPELL: Duration = Duration::from_millis(120);
/// Lookups that are timed together, once they are known to be fast: the clock's own time is little then.
const BATCH: usize = 16;
/// How many keys a process has: more than a processor's caches hold the records of.
const KEYS: usize = 1 << 17;
/// A group of 10 000 members takes less than 200 KB.
const BUFFER_BYTES: usize = 1 << 20;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    ByName,
    ById,
    SameMisses,
    NewMisses,
    LargeGroup,
    ManyGroups,
}

const QUESTIONS: [(Question, &str); 6] = [
    (Question::ByName, "getpwnam, hit"),
    (Question::ById, "getpwuid, hit"),
    (Question::SameMisses, "getpwnam, miss: 16 names"),
    (Question::NewMisses, "getpwnam, miss: new names"),
    (Question::LargeGroup, "getgrnam, the largest group"),
    (Question::ManyGroups, "getgrouplist, 20 groups"),
];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["all"] => all(),
        ["one", service, question, users, threads] => {
            let asked = Asked { question: QUESTIONS[question.parse::<usize>()?].0, users: users.parse()? };
            println!("{}", one(service, asked, threads.parse()?)?);
            Ok(())
        }
        _ => Err("bench-lookups all".into()),
    }
}

fn all() -> Result<()> {
    let mut wrong = 0;
    for users in SIZES {
        populate(Population(users))?;
        for threads in THREADS {
            println!("\n{users} users, {threads} thread{}", if threads == 1 { "" } else { "s" });
            println!("| | files | floor | pody | pody ÷ floor |\n|---|---:|---:|---:|---:|");
            for (index, (_, title)) in QUESTIONS.iter().enumerate() {
                wrong += compare(index, title, users, threads)?;
            }
        }
    }
    println!("\nwrong answers: {wrong}");
    if wrong == 0 { Ok(()) } else { Err("there were wrong answers".into()) }
}

/// What `files` reads: everybody for `files` itself, and for the others who is local on this machine, as on every node.
/// A user must not be both: the local one would be right.
const FILES: [&str; 2] = ["/etc/passwd", "/etc/group"];
const LOCAL: &str = "local";
const EVERYBODY: &str = "everybody";

fn populate(population: Population) -> Result<()> {
    if !Path::new("/etc/passwd.local").exists() {
        for file in FILES {
            fs::copy(file, format!("{file}.{LOCAL}"))?;
        }
    }
    sources::write_passwd(population, Path::new("/etc/passwd.everybody"))?;
    sources::write_group(population, Path::new("/etc/group.everybody"))?;
    floor::write(population, Path::new("/var/cache/floor"))?;
    let [cache, run] = ["/var/cache/pody", "/run/pody"].map(Path::new);
    fs::create_dir_all(cache)?;
    fs::create_dir_all(run)?;
    Publisher::start(cache, run, 1)?.publish_base(&sources::base(population)?)?;
    Ok(())
}

/// Asks the services in turn, and prints a line of medians. The ratio is the median of the rounds' ratios: in a
/// round the machine is as busy for the one as for the other.
fn compare(question: usize, title: &str, users: u32, threads: usize) -> Result<u64> {
    let (mut times, mut wrong) = (BTreeMap::<&str, Vec<f64>>::new(), 0);
    for round in 0..ROUNDS {
        for turn in 0..SERVICES.len() {
            let service = SERVICES[(round + turn) % SERVICES.len()];
            let line = ask(service, question, users, threads)?;
            let (time, bad) = line.trim().split_once(' ').ok_or("a line of two numbers")?;
            times.entry(service).or_default().push(time.parse()?);
            wrong += bad.parse::<u64>()?;
        }
    }
    let ratios = times["pody"].iter().zip(&times["floor"]).map(|(pody, floor)| pody / floor);
    let ratio = median(&mut ratios.collect::<Vec<f64>>());
    let [files, floor, pody] = SERVICES.map(|service| {
        let time = median(times.get_mut(service).expect("asked"));
        shown(Duration::from_nanos(time as u64))
    });
    println!("| {title} | {files} | {floor} | {pody} | {ratio:.2} |");
    Ok(wrong)
}

fn ask(service: &str, question: usize, users: u32, threads: usize) -> Result<String> {
    fs::write("/etc/nsswitch.conf", format!("passwd: {service}\ngroup: {service}\ninitgroups: {service}\n"))?;
    for file in FILES {
        let next = format!("{file}.next");
        fs::hard_link(format!("{file}.{}", if service == "files" { EVERYBODY } else { LOCAL }), &next)?;
        fs::rename(&next, file)?;
        // Renaming one name of a file to another name of the same file does nothing at all (rename(2)).
        let _ = fs::remove_file(&next);
    }
    let numbers = [question.to_string(), users.to_string(), threads.to_string()];
    let output = Command::new(std::env::current_exe()?).args(["one", service]).args(numbers).output()?;
    if !output.status.success() {
        return Err(format!("{service}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// A question about a population.
#[derive(Clone, Copy)]
struct Asked {
    question: Question,
    users: u32,
}

/// What to look up, and the right answer.
struct Key {
    name: CString,
    id: u32,
}

/// The median of the batches of all threads, in nanoseconds a lookup, and how many answers were wrong.
fn one(service: &str, asked: Asked, threads: usize) -> Result<String> {
    let keys: Vec<Key> = asked.keys();
    let barrier = Barrier::new(threads);
    let measured: Vec<(Vec<f64>, u64)> = std::thread::scope(|scope| {
        let measuring = (0..threads).map(|thread| {
            let (keys, barrier) = (&keys, &barrier);
            scope.spawn(move || {
                barrier.wait();
                measure(asked, &keys[thread * keys.len() / threads..])
            })
        });
        let measuring: Vec<_> = measuring.collect();
        measuring.into_iter().map(|thread| thread.join().expect("nothing panics")).collect()
    });
    let wrong: u64 = measured.iter().map(|(_, wrong)| wrong).sum();
    let mut times: Vec<f64> = measured.into_iter().flat_map(|(times, _)| times).collect();
    if times.is_empty() {
        return Err(format!("{service} answered nothing").into());
    }
    Ok(format!("{} {wrong}", median(&mut times)))
}

fn measure(asked: Asked, keys: &[Key]) -> (Vec<f64>, u64) {
    let mut buffer = vec![0; BUFFER_BYTES];
    let (mut times, mut wrong, mut keys) = (Vec::new(), 0, keys.iter().cycle());
    let mut look = |key: &Key| wrong += u64::from(!asked.is_right(key, &mut buffer));
    // The first maps what is to be mapped, and does not count.
    let first = Instant::now();
    keys.by_ref().take(2).for_each(&mut look);
    let batch = if first.elapsed() < Duration::from_millis(2) { BATCH } else { 1 };
    let begun = Instant::now();
    while begun.elapsed() < SPELL {
        let start = Instant::now();
        keys.by_ref().take(batch).for_each(&mut look);
        times.push(start.elapsed().as_nanos() as f64 / batch as f64);
    }
    (times, wrong)
}

impl Asked {
    fn keys(self) -> Vec<Key> {
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let keys = (0..KEYS as u32).map(|index| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let number = (random % u64::from(self.users)) as u32 + 1;
            let (name, id) = match self.question {
                Question::ByName | Question::ById => {
                    let person = Person::ordinary(number);
                    (person.name.to_string(), person.uid)
                }
                Question::SameMisses => (format!("nobody{:02}", index % 16), 0),
                Question::NewMisses => (format!("new{index:07}"), 0),
                Question::LargeGroup => (LARGE_GROUP.to_owned(), LARGE_GROUP_ID),
                Question::ManyGroups => (Person::multi(number % MULTI_USERS + 1).name.to_string(), 0),
            };
            Key { name: CString::new(name).expect("no NUL"), id }
        });
        keys.collect()
    }

    fn is_right(self, key: &Key, buffer: &mut [u8]) -> bool {
        match self.question {
            Question::ByName => user_by_name(key, buffer) == Some(key.id),
            Question::ById => user_by_id_is(key, buffer),
            Question::SameMisses | Question::NewMisses => user_by_name(key, buffer).is_none(),
            Question::LargeGroup => {
                group_members(key, buffer) == Some(Population(self.users).large_group_members() as usize)
            }
            Question::ManyGroups => group_count(key) == Some(SHARED_GROUPS as usize + 1),
        }
    }
}

fn user_by_name(key: &Key, buffer: &mut [u8]) -> Option<u32> {
    let (mut user, mut found) = (MaybeUninit::<libc::passwd>::uninit(), ptr::null_mut());
    let (start, length) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: getpwnam_r(3) gets a string, a struct, a buffer of this length and a place for a pointer.
    unsafe { libc::getpwnam_r(key.name.as_ptr(), user.as_mut_ptr(), start, length, &raw mut found) };
    // SAFETY: it is null, or points at the struct, which is filled then.
    unsafe { found.as_ref() }.map(|user| user.pw_uid)
}

fn user_by_id_is(key: &Key, buffer: &mut [u8]) -> bool {
    let (mut user, mut found) = (MaybeUninit::<libc::passwd>::uninit(), ptr::null_mut());
    let (start, length) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: getpwuid_r(3) gets a struct, a buffer of this length and a place for a pointer.
    unsafe { libc::getpwuid_r(key.id, user.as_mut_ptr(), start, length, &raw mut found) };
    // SAFETY: it is null, or points at the struct, which is filled then.
    let Some(user) = (unsafe { found.as_ref() }) else { return false };
    // SAFETY: the name is a string in the buffer.
    unsafe { CStr::from_ptr(user.pw_name) == key.name.as_c_str() }
}

fn group_members(key: &Key, buffer: &mut [u8]) -> Option<usize> {
    let (mut group, mut found) = (MaybeUninit::<libc::group>::uninit(), ptr::null_mut());
    let (start, length) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: getgrnam_r(3) gets a string, a struct, a buffer of this length and a place for a pointer.
    unsafe { libc::getgrnam_r(key.name.as_ptr(), group.as_mut_ptr(), start, length, &raw mut found) };
    // SAFETY: it is null, or points at the struct, which is filled then.
    let group = unsafe { found.as_ref() }.filter(|group| group.gr_gid == key.id)?;
    let is_member = |index: &usize| {
        // SAFETY: the members' pointers end with a null pointer, beyond which this does not go.
        let member = unsafe { *group.gr_mem.wrapping_add(*index) };
        !member.is_null()
    };
    Some((0..).take_while(is_member).count())
}

fn group_count(key: &Key) -> Option<usize> {
    let mut gids = [0; 64];
    let mut count = gids.len() as libc::c_int;
    // SAFETY: getgrouplist(3) gets a string, room for `count` gids, and where to say how many there are.
    let result =
        unsafe { libc::getgrouplist(key.name.as_ptr(), PRIMARY_GROUP, gids.as_mut_ptr(), &raw mut count) };
    usize::try_from(result).ok()
}
