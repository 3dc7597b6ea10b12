//! What one node's service does for the others: requests a second beside nginx serving as many bytes, a whole copy, one
//! change, and a thousand nodes that wait.
//!
//! `bench-service SERVICE NGINX CONSUMER PODYD`: the directory of a podyd that serves (its `PODY_HOME`), the document root of
//! an nginx, the directory of a podyd that is to be started as its consumer, and the program for that.

use std::error::Error;
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use benches::http::{Answer, Connection};
use benches::population::Person;
use benches::{median, shown};
use protocol::Client;
use protocol::directory::UpdateUser;
use snapshot::{Loaded, Places};

/// How many users the service has.
const USERS: u32 = 100_000;
/// Requests that are on their way at the same time.
const CONNECTIONS: usize = 8;
/// How long each takes its turn, and how often.
const TURN: Duration = Duration::from_secs(1);
const TURNS: usize = 5;
/// Nodes that wait for a change.
const WAITING: usize = 1_000;
const PODY: &str = "127.0.0.1:8799";
const NGINX: &str = "127.0.0.1:8798";

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [service, nginx, consumer, podyd] = arguments.as_slice() else {
        return Err("bench-service SERVICE NGINX CONSUMER PODYD".into());
    };
    let token = fs::read_to_string(Path::new(service).join("token"))?;
    let ask = |path: &str| Connection::open(PODY, token.trim())?.get(path);
    let socket = UnixStream::connect(Path::new(service).join("run/varlink"))?;
    let mut socket = Client::new(socket, Duration::from_secs(30));

    // What the service needs for it is told apart while nothing else was asked of it yet.
    let process: u32 = fs::read_to_string(Path::new(service).join("pid"))?.trim().parse()?;
    let waited = wait_for_a_change(&token, &mut socket, process)?;

    println!("\n| a request | nginx, a file of that size | podyd | podyd ÷ nginx |\n|:---|---:|---:|---:|");
    let cursor = cursor(&ask("/v1/position")?)?;
    for (name, path) in [
        ("`GET /v1/users/u0050000`", "/v1/users/u0050000".to_owned()),
        ("`GET /v1/changes`, nothing new", format!("/v1/changes?since={cursor}&wait=0")),
    ] {
        fs::write(Path::new(nginx).join("answer"), &ask(&path)?.body)?;
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            theirs.push(requests_a_second(NGINX, "none", "/answer")?);
            ours.push(requests_a_second(PODY, token.trim(), &path)?);
        }
        let (theirs, ours) = (median(&mut theirs), median(&mut ours));
        println!("| {name} | {theirs:.0}/s | {ours:.0}/s | {:.2} |", ours / theirs);
    }

    let before = processor_seconds(process)?;
    let (copied, mut running) = whole_copy(Path::new(consumer), podyd)?;
    let computed = processor_seconds(process)? - before + processor_seconds(running.id())?;
    running.kill()?;
    running.wait()?;
    println!("\n| what | how much |\n|:---|---:|");
    println!("| a new node has a copy of {USERS} users and shows them | {} |", shown(copied));
    println!("| what both nodes computed for that, one processor at a time | {computed:.1} s |");

    change(&mut socket, "two")?;
    let changes = ask(&format!("/v1/changes?since={cursor}&wait=0"))?;
    println!("| one change, with the head of the answer | {} bytes |", changes.bytes);

    println!("| memory for {WAITING} nodes that wait | {} MiB |", waited.memory >> 10);
    println!("| a change has reached all of them after | {} |", shown(waited.last));
    Ok(())
}

/// What an answer says about where the directory stands.
fn cursor(answer: &Answer) -> Result<String> {
    let text = std::str::from_utf8(&answer.body)?;
    let (_, rest) = text.rsplit_once("\"cursor\":\"").ok_or_else(|| format!("no cursor in {text}"))?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}

/// Asks for the same thing over and over, over several connections.
fn requests_a_second(address: &'static str, token: &str, path: &str) -> Result<f64> {
    let begun = Instant::now();
    let askers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (token, path) = (token.to_owned(), path.to_owned());
            thread::spawn(move || -> Result<u32> {
                let mut connection = Connection::open(address, &token)?;
                let mut answered = 0;
                while begun.elapsed() < TURN {
                    connection.get(&path)?;
                    answered += 1;
                }
                Ok(answered)
            })
        })
        .collect();
    let answered: Result<Vec<u32>> =
        askers.into_iter().map(|asker| asker.join().expect("no panic")).collect();
    Ok(f64::from(answered?.iter().sum::<u32>()) / begun.elapsed().as_secs_f64())
}

/// Starts a node that has nothing, and waits until it shows everybody.
fn whole_copy(home: &Path, podyd: &str) -> Result<(Duration, Child)> {
    let log = fs::File::create(home.join("log"))?;
    let begun = Instant::now();
    let mut running = Command::new(podyd).env("PODY_HOME", home).stderr(log).stdin(Stdio::null()).spawn()?;
    let last = Person::ordinary(USERS);
    while !is_shown(home, &last) {
        if running.try_wait()?.is_some() || begun.elapsed() > Duration::from_secs(300) {
            return Err(format!("the consumer does not come: see {}", home.join("log").display()).into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok((begun.elapsed(), running))
}

fn is_shown(home: &Path, person: &Person) -> bool {
    let path = |name: &str| CString::new(home.join(name).as_os_str().as_bytes()).expect("no NUL in it");
    let (cache, run) = (path("cache"), path("run"));
    let Ok(loaded) = Loaded::open(Places { cache: &cache, run: &run }, None) else { return false };
    matches!(loaded.view().user_by_name(person.name.as_bytes()), Ok(Some(user)) if user.uid == person.id())
}

fn change(socket: &mut Client, gecos: &str) -> Result<()> {
    let name = Person::ordinary(1).name.to_string();
    socket.call(&UpdateUser { name, gecos: Some(gecos.into()), ..UpdateUser::default() })?;
    Ok(())
}

/// What waiting costs, in KiB, and how long the last one waited for a change.
struct Waited {
    memory: u64,
    last: Duration,
}

fn wait_for_a_change(token: &str, socket: &mut Client, process: u32) -> Result<Waited> {
    let since = cursor(&Connection::open(PODY, token.trim())?.get("/v1/position")?)?;
    let path = format!("/v1/changes?since={since}&wait=60");
    let before = resident(process)?;
    let mut waiting =
        (0..WAITING).map(|_| Connection::open(PODY, token.trim())).collect::<Result<Vec<_>>>()?;
    for connection in &mut waiting {
        connection.ask(&path)?;
    }
    let memory = settled(process)?.saturating_sub(before);
    let begun = Instant::now();
    change(socket, "one")?;
    for connection in &mut waiting {
        let answer = connection.answer()?;
        if cursor(&answer)? == since {
            return Err("a node is answered without anything having changed".into());
        }
    }
    Ok(Waited { memory, last: begun.elapsed() })
}

/// Resident memory once it stands still: every request has been read, since what is read takes memory.
fn settled(process: u32) -> Result<u64> {
    let (mut last, mut unchanged, begun) = (resident(process)?, 0, Instant::now());
    while unchanged < 10 {
        if begun.elapsed() > Duration::from_secs(60) {
            return Err("podyd's memory does not stand still: does something else ask it?".into());
        }
        thread::sleep(Duration::from_millis(50));
        let now = resident(process)?;
        unchanged = if now == last { unchanged + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}

/// Processor time so far; a tick is a hundredth of a second on Linux.
fn processor_seconds(process: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = text.rsplit_once(") ").ok_or("no name in it")?;
    let ticks = |place| fields.split(' ').nth(place).unwrap_or_default().parse::<u32>();
    Ok(f64::from(ticks(11)? + ticks(12)?) / 100.0)
}

/// Resident memory, in KiB.
fn resident(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}
