//! What an admin waits for when an old machine's users come along, beside SQLite taking the same rows without podyd.
//!
//! `bench-import DIRECTORY PODYCTL`: in the directories `1`, `2` … of that one a podyd without users runs, each with that
//! as its `PODY_HOME`.

use std::error::Error;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use benches::population::{Person, Population};
use benches::{median, shown, sqlite};
use snapshot::{Loaded, Places};

const USERS: Population = Population(100_000);
const ROUNDS: u32 = 3;
/// The password of everybody, as old machines have it: sha512crypt.
const HASH: &str =
    "$6$pody.bench$ss4vBEcqkqmlQ8XHjIEaKzqVlzfzivh0Dm1bq5WaVG7zcAvrQjfEWU6syfxWlzN.V8j0a6D5sOpLsawj.WOfv1";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, podyctl] = arguments.as_slice() else {
        return Err("bench-import DIRECTORY PODYCTL".into());
    };
    let directory = Path::new(directory);
    write_old_machine(directory)?;
    let (mut imports, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let home = directory.join(round.to_string());
        let import = import(directory, &home, podyctl)?;
        everybody_is_seen(&home)?;
        let rows = sqlite::insert_all(&home.join("state/directory.sqlite"), &home.join("bare.sqlite"))?;
        imports.push(import);
        bare.push(rows);
        ratios.push(import.as_secs_f64() / rows.as_secs_f64());
    }
    println!(
        "\n| users | the same rows by SQLite alone | import, until saved and seen | import ÷ SQLite |\n|---:|---:|---:|---:|"
    );
    let (bare, import, ratio) = (shown(median(&mut bare)), shown(median(&mut imports)), median(&mut ratios));
    println!("| {} | {bare} | {import} | {ratio:.2} |", USERS.0);
    Ok(())
}

/// passwd(5), shadow(5) and group(5): everybody has a password and a group of their own.
fn write_old_machine(directory: &Path) -> io::Result<()> {
    let create = |name| File::create(directory.join(name)).map(BufWriter::new);
    let (mut passwd, mut shadow, mut group) = (create("passwd")?, create("shadow")?, create("group")?);
    for person in (1..=USERS.0).map(Person::ordinary) {
        let (name, id) = (person.name, person.uid);
        writeln!(passwd, "{name}:x:{id}:{id}:{}:{}:/bin/bash", person.gecos(), person.home())?;
        writeln!(shadow, "{name}:{HASH}:19000:0:99999:7:::")?;
        writeln!(group, "{name}:x:{id}:")?;
    }
    passwd.flush()?;
    shadow.flush()?;
    group.flush()
}

fn import(old: &Path, home: &Path, podyctl: &str) -> Result<Duration> {
    let [passwd, shadow, group] = ["passwd", "shadow", "group"].map(|name| old.join(name));
    let mut import = Command::new(podyctl);
    import.args(["user", "import", "--min-uid", "1900000000", "--max-uid", "1999999999", "--shadow"]);
    import.arg(shadow).arg("--group").arg(group).arg(passwd).env("PODY_HOME", home);
    let begun = Instant::now();
    let output = import.output()?;
    let took = begun.elapsed();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(took)
}

/// The import says that it is done when everybody is to be seen with their own id.
fn everybody_is_seen(home: &Path) -> Result<()> {
    let path = |name: &str| CString::new(home.join(name).as_os_str().as_bytes());
    let (cache, run) = (path("cache")?, path("run")?);
    let loaded = Loaded::open(Places { cache: &cache, run: &run }, None)?;
    for person in (1..=USERS.0).map(Person::ordinary) {
        let user =
            loaded.view().user_by_name(person.name.as_bytes()).map_err(|_| "the snapshot is damaged")?;
        if user.is_none_or(|user| user.uid != person.id()) {
            return Err(format!("podyctl says that {} is imported, and lookups say no", person.name).into());
        }
    }
    Ok(())
}
