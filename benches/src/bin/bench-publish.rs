//! What it costs to show one more change, over bases of different sizes in the same run: it must not grow with them.
//!
//! `bench-publish DIRECTORY_ON_DISK DIRECTORY_IN_MEMORY`

use std::error::Error;
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use benches::population::{Person, Population};
use benches::{SIZES, median, shown, sources};
use snapshot::{DeltaEncoder, Loaded, Places, Publisher};

/// Changes since the base, all told, that a delta holds.
const CHANGES: [u32; 3] = [1, 100, 500];
const ROUNDS: u32 = 200;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A node of its own.
struct Node {
    population: Population,
    publisher: Publisher,
    cache: PathBuf,
    run: PathBuf,
    base: Base,
    /// What the deltas took, for each of [`CHANGES`].
    times: [Vec<Duration>; CHANGES.len()],
}

/// What its base took.
struct Base {
    encoding: Duration,
    publishing: Duration,
    megabytes: f64,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, disk, memory] = arguments.as_slice() else {
        return Err("bench-publish DIRECTORY_ON_DISK DIRECTORY_IN_MEMORY".into());
    };
    let mut nodes = Vec::new();
    for users in SIZES {
        nodes.push(Node::start(Population(users), Path::new(disk), Path::new(memory))?);
    }
    for round in 1..=ROUNDS {
        for node in &mut nodes {
            for (index, changes) in CHANGES.into_iter().enumerate() {
                let took = node.change(round, changes)?;
                node.times[index].push(took);
            }
        }
    }
    println!("\n| users | encode a base | write it durably | size | delta of 1 change | of 100 | of 500 |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for node in &mut nodes {
        let [one, hundred, more] = node.times.each_mut().map(|times| shown(median(times)));
        let Base { encoding, publishing, megabytes } = node.base;
        let (encoding, publishing) = (shown(encoding), shown(publishing));
        println!(
            "| {} | {encoding} | {publishing} | {megabytes:.1} MB | {one} | {hundred} | {more} |",
            node.population.0
        );
    }
    let [few, .., many] = nodes.as_mut_slice() else { return Err("two sizes at the least".into()) };
    let ratio = median(&mut many.times[0]).as_secs_f64() / median(&mut few.times[0]).as_secs_f64();
    println!("\none change, {} users ÷ {} users: {ratio:.2}", many.population.0, few.population.0);
    Ok(())
}

impl Node {
    fn start(population: Population, disk: &Path, memory: &Path) -> Result<Self> {
        let [cache, run] = [disk, memory].map(|directory| directory.join(population.0.to_string()));
        fs::create_dir_all(&cache)?;
        fs::create_dir_all(&run)?;
        let begun = Instant::now();
        let encoded = sources::base(population)?;
        let encoding = begun.elapsed();
        let mut publisher = Publisher::start(&cache, &run, 1)?;
        let begun = Instant::now();
        publisher.publish_base(&encoded)?;
        let megabytes = (encoded.snapshot.len() + encoded.account.len()) as f64 / 1e6;
        let base = Base { encoding, publishing: begun.elapsed(), megabytes };
        Ok(Self { population, publisher, cache, run, base, times: Default::default() })
    }

    /// Publishes a delta, and looks whether a process that maps it now sees the change.
    fn change(&mut self, round: u32, changes: u32) -> Result<Duration> {
        let gecos = format!("Change {round} of {changes}");
        let begun = Instant::now();
        let mut delta = DeltaEncoder::new(sources::info(u64::from(round) + 1));
        for number in 1..=changes {
            sources::with_entry(&Person::ordinary(number), &gecos, |entry| delta.user(entry))?;
        }
        self.publisher.publish_delta(&delta.finish()?)?;
        let took = begun.elapsed();
        if self.gecos_of(changes)? != gecos { Err("the change is not to be seen".into()) } else { Ok(took) }
    }

    fn gecos_of(&self, number: u32) -> Result<String> {
        let [cache, run] = [&self.cache, &self.run].map(|path| CString::new(path.as_os_str().as_bytes()));
        let (cache, run) = (cache?, run?);
        let loaded = Loaded::open(Places { cache: &cache, run: &run }, None)?;
        let name = Person::ordinary(number).name;
        let user = loaded.view().user_by_name(name.as_bytes()).map_err(|_| "the snapshot is damaged")?;
        let user = user.ok_or("the user is not to be seen")?;
        Ok(String::from_utf8(user.field(user.gecos).to_vec())?)
    }
}
