//! Publishes passwd(5) and group(5) files as a snapshot: for benchmarks and for a look at the format.
//!
//! `publish_passwd PASSWD GROUP CACHE RUN [CHANGES]`: with a fifth argument, a hundred deltas are timed, too.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use identity::{Gid, Name, Uid};
use snapshot::{Account, BaseEncoder, DeltaEncoder, Info, Publisher, UserEntry};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, passwd, group, cache, run, ..] = arguments.as_slice() else {
        return Err("publish_passwd PASSWD GROUP CACHE RUN".into());
    };
    let passwd = std::fs::read_to_string(passwd)?;
    let group = std::fs::read_to_string(group)?;
    let begun = Instant::now();
    let mut encoder = BaseEncoder::new(Info { revision: 1, seed: 7, complete: true, enumerable: true });
    let mut groups_of: HashMap<&str, Vec<Gid>> = HashMap::new();
    for line in group.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let members = || fields[3].split(',').filter(|member| !member.is_empty());
        let gid = Gid(fields[2].parse()?);
        members().for_each(|member| groups_of.entry(member).or_default().push(gid));
        encoder.group(fields[0].parse()?, gid, members().filter_map(|member| member.parse().ok()))?;
    }
    for line in passwd.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let name: Name = fields[0].parse()?;
        encoder.user(&UserEntry {
            name,
            uid: Uid(fields[2].parse()?),
            gid: Gid(fields[3].parse()?),
            gecos: fields[4],
            home: fields[5],
            shell: fields[6],
            groups: groups_of.get(fields[0]).map_or(&[], Vec::as_slice),
            account: Account::default(),
        })?;
    }
    let encoded = encoder.finish()?;
    let (took, size) = (begun.elapsed(), encoded.snapshot.len());
    let mut publisher = Publisher::start(Path::new(cache), Path::new(run), 1)?;
    let word = publisher.publish_base(&encoded)?;
    let published = begun.elapsed();
    writeln!(io::stdout(), "encoded {size} bytes in {took:?}, published {:#x} after {published:?}", word.0)?;
    let ada = UserEntry {
        name: "changed".parse()?,
        uid: Uid(1_900_000_000),
        gid: Gid(1_900_000_000),
        gecos: "",
        home: "/",
        shell: "/bin/sh",
        groups: &[],
        account: Account::default(),
    };
    if std::env::args().nth(5).is_some() {
        let begun = Instant::now();
        for _ in 0..100 {
            let mut delta =
                DeltaEncoder::new(Info { revision: 2, seed: 7, complete: true, enumerable: true });
            delta.user(&ada)?;
            publisher.publish_delta(&delta.finish()?)?;
        }
        writeln!(io::stdout(), "a change takes {:?}", begun.elapsed() / 100)?;
    }
    Ok(())
}
