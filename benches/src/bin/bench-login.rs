//! What a login costs beyond its password hash: logins through podyd's socket beside the same hash verified here.
//!
//! `bench-login NAME SOCKET...`: where the directory of each podyd is, and where it listens. The directories are empty, and
//! the caller is root.

use std::error::Error;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use benches::{median, shown};
use daemon::verifiers::{Argon2Parameters, Memory, NewPassword, PasswordHash};
use identity::Name;
use protocol::Client;
use protocol::directory::{CreateUser, Secret};
use protocol::login::{Answer, Begin, Step, Verdict};

const ROUNDS: usize = 100;
const PASSWORD: &str = "Notes-by-the-Translator";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A podyd, and how long logins there took.
struct Door {
    directory: String,
    client: Client,
    logins: Vec<Duration>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut doors = arguments.chunks_exact(2).map(Door::open).collect::<Result<Vec<_>>>()?;
    let ada = Name::new(b"ada")?;
    let parameters = Argon2Parameters::DEFAULT;
    let mut memory = Memory::for_hashes_of(parameters);
    let password = NewPassword::parse(PASSWORD.to_owned().into(), 8)?;
    let hash = PasswordHash::new(&password, parameters, &[7; 16], &mut memory);

    let mut bare = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let right = hash.verify(&ada, PASSWORD.as_bytes(), &mut memory);
        bare.push(begun.elapsed());
        for Door { client, logins, .. } in &mut doors {
            let begun = Instant::now();
            let verdict = log_in(client)?;
            logins.push(begun.elapsed());
            if !right || verdict != Verdict::Granted {
                return Err(format!("the right password is taken for wrong: {verdict:?}").into());
            }
        }
    }
    let bare = median(&mut bare);
    println!(
        "\n| the directory | argon2id alone | a login through podyd | argon2id's share |\n|:---|---:|---:|---:|"
    );
    for Door { directory, logins, .. } in &mut doors {
        let login = median(logins);
        let share = 100.0 * bare.as_secs_f64() / login.as_secs_f64();
        println!("| {directory} | {} | {} | {share:.0} % |", shown(bare), shown(login));
    }
    Ok(())
}

impl Door {
    fn open(arguments: &[String]) -> Result<Self> {
        let [directory, socket] = arguments else { return Err("bench-login NAME SOCKET...".into()) };
        let mut client = Client::new(UnixStream::connect(socket)?, Duration::from_secs(30));
        let password = Some(Secret(PASSWORD.into()));
        client.call(&CreateUser { name: "ada".into(), password, ..CreateUser::default() })?;
        Ok(Self { directory: directory.clone(), client, logins: Vec::new() })
    }
}

fn log_in(client: &mut Client) -> Result<Verdict> {
    let begin = Begin { user: "ada".into(), service: "bench".into(), ..Begin::default() };
    let login = match client.call(&begin)? {
        Step::Ask { login, .. } => login,
        Step::Done { verdict, .. } => return Ok(verdict),
        Step::Wait { .. } => return Err("podyd waits for somebody else".into()),
    };
    match client.call(&Answer { login, answer: Secret(PASSWORD.into()) })? {
        Step::Ask { .. } | Step::Wait { .. } => Err("podyd asks twice".into()),
        Step::Done { verdict, .. } => Ok(verdict),
    }
}
