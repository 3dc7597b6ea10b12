//! What an admin waits for when one user changes: until it is saved on disk and every lookup on the node shows it, with
//! few users and with many, in turn.
//!
//! `bench-change DIRECTORY`: for each of [`USERS`] a podyd without users runs there, with that number as `PODY_HOME`.

use std::error::Error;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use benches::population::Person;
use benches::{median, shown};
use protocol::Client;
use protocol::directory::{Import, ImportUser, UpdateUser};
use snapshot::{Loaded, Places};

/// A million are too many to import in the time that a benchmark may take.
const USERS: [u32; 2] = [1_000, 100_000];
const ROUNDS: u32 = 400;
/// Users of one call: podyd takes 2 000 at the most.
const BATCH: u32 = 2_000;
const PATIENCE: Duration = Duration::from_secs(60);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A node of its own.
struct Node {
    client: Client,
    cache: CString,
    run: CString,
    importing: Duration,
    times: Vec<Duration>,
}

fn main() -> Result<()> {
    let directory = std::env::args().nth(1).ok_or("bench-change DIRECTORY")?;
    let nodes = USERS.map(|users| Node::populate(&Path::new(&directory).join(users.to_string()), users));
    let mut nodes = nodes.into_iter().collect::<Result<Vec<Node>>>()?;
    for round in 1..=ROUNDS {
        for node in &mut nodes {
            node.change(round)?;
        }
    }
    println!("\n| users | import of all | one change, until saved and seen |\n|---:|---:|---:|");
    for (users, node) in USERS.iter().zip(&mut nodes) {
        println!("| {users} | {} | {} |", shown(node.importing), shown(median(&mut node.times)));
    }
    let [few, many] = nodes.as_mut_slice() else { return Err("two sizes".into()) };
    let ratio = median(&mut many.times).as_secs_f64() / median(&mut few.times).as_secs_f64();
    println!("\none change, {} users ÷ {} users: {ratio:.2}", USERS[1], USERS[0]);
    Ok(())
}

impl Node {
    fn populate(home: &Path, users: u32) -> Result<Self> {
        let path = |name: &str| CString::new(home.join(name).as_os_str().as_bytes());
        let (cache, run) = (path("cache")?, path("run")?);
        let mut client = Client::new(UnixStream::connect(home.join("run/varlink"))?, PATIENCE);
        let begun = Instant::now();
        for first in (1..=users).step_by(BATCH as usize) {
            let last = users.min(first + BATCH - 1);
            let people = (first..=last).map(|number| ImportUser {
                line: u64::from(number),
                name: Person::ordinary(number).name.to_string(),
                ..ImportUser::default()
            });
            let batch = Import { users: people.collect(), more: last < users, ..Import::default() };
            if let Some(refused) = client.call(&batch)?.refused.first() {
                return Err(format!("{}: {}", refused.name, refused.reason).into());
            }
        }
        Ok(Self { client, cache, run, importing: begun.elapsed(), times: Vec::new() })
    }

    fn change(&mut self, round: u32) -> Result<()> {
        let (name, gecos) = (Person::ordinary(round).name, format!("Change {round}"));
        let update =
            UpdateUser { name: name.to_string(), gecos: Some(gecos.clone()), ..UpdateUser::default() };
        let begun = Instant::now();
        self.client.call(&update)?;
        self.times.push(begun.elapsed());
        let loaded = Loaded::open(Places { cache: &self.cache, run: &self.run }, None)?;
        let user = loaded.view().user_by_name(name.as_bytes()).map_err(|_| "the snapshot is damaged")?;
        match user {
            Some(user) if user.field(user.gecos) == gecos.as_bytes() => Ok(()),
            _ => Err("podyd says that the change is to be seen, and it is not".into()),
        }
    }
}
