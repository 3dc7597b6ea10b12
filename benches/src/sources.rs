//! A population where glibc's services look for it: in passwd(5) and group(5), in podyd's snapshot, in the floor's map.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use identity::Gid;
use snapshot::{Account, BaseEncoder, EncodeError, Encoded, Info, UserEntry};

use crate::population::{PRIMARY_GROUP, Person, Population};

/// What a snapshot of these benchmarks says of itself.
pub fn info(revision: u64) -> Info {
    Info { revision, seed: 0x5eed, complete: true, enumerable: true }
}

/// Everybody as a base of podyd's.
pub fn base(population: Population) -> Result<Encoded, EncodeError> {
    let mut encoder = BaseEncoder::new(info(1));
    for person in population.people() {
        with_entry(&person, &person.gecos(), |entry| encoder.user(entry))?;
    }
    for team in population.teams() {
        encoder.group(team.name, Gid(team.gid), team.members)?;
    }
    encoder.finish()
}

/// Gives a person as the encoders want it, with this comment.
pub fn with_entry<T>(person: &Person, gecos: &str, take: impl FnOnce(&UserEntry<'_>) -> T) -> T {
    take(&UserEntry {
        name: person.name,
        uid: person.id(),
        gid: Gid(PRIMARY_GROUP),
        gecos,
        home: &person.home(),
        shell: "/bin/bash",
        groups: &person.shared_groups(),
        account: Account::default(),
    })
}

/// Everybody as passwd(5).
pub fn write_passwd(population: Population, path: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for person in population.people() {
        let (name, uid) = (person.name, person.uid);
        writeln!(file, "{name}:x:{uid}:{PRIMARY_GROUP}:{}:{}:/bin/bash", person.gecos(), person.home())?;
    }
    file.flush()
}

/// All groups as group(5).
pub fn write_group(population: Population, path: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for team in population.teams() {
        let members: Vec<&str> = team.members.iter().map(|name| name.as_str()).collect();
        writeln!(file, "{}:x:{}:{}", team.name, team.gid, members.join(","))?;
    }
    file.flush()
}
