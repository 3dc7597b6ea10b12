//! What a login costs beyond its password hash: logins through podyd's socket beside the same hash verified here.
//!
//! `bench-login SOCKET`: podyd listens there, its directory is empty, and the caller is root.

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

fn main() -> Result<()> {
    let socket = std::env::args().nth(1).ok_or("bench-login SOCKET")?;
    let mut client = Client::new(UnixStream::connect(socket)?, Duration::from_secs(30));
    client.call(&CreateUser {
        name: "ada".into(),
        password: Some(Secret(PASSWORD.into())),
        ..CreateUser::default()
    })?;
    let ada = Name::new(b"ada")?;
    let parameters = Argon2Parameters::DEFAULT;
    let mut memory = Memory::for_hashes_of(parameters);
    let password = NewPassword::parse(PASSWORD.to_owned().into(), 8)?;
    let hash = PasswordHash::new(&password, parameters, &[7; 16], &mut memory);

    let (mut bare, mut logins) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let right = hash.verify(&ada, PASSWORD.as_bytes(), &mut memory);
        bare.push(begun.elapsed());
        let begun = Instant::now();
        let verdict = log_in(&mut client)?;
        logins.push(begun.elapsed());
        if !right || verdict != Verdict::Granted {
            return Err(format!("the right password is taken for wrong: {verdict:?}").into());
        }
    }
    let (bare, login) = (median(&mut bare), median(&mut logins));
    println!("\n| argon2id alone | a login through podyd | argon2id's share |\n|---:|---:|---:|");
    let share = 100.0 * bare.as_secs_f64() / login.as_secs_f64();
    println!("| {} | {} | {share:.0} % |", shown(bare), shown(login));
    Ok(())
}

fn log_in(client: &mut Client) -> Result<Verdict> {
    let begin = Begin { user: "ada".into(), service: "bench".into(), ..Begin::default() };
    let login = match client.call(&begin)? {
        Step::Ask { login, .. } => login,
        Step::Done { verdict, .. } => return Ok(verdict),
    };
    match client.call(&Answer { login, answer: Secret(PASSWORD.into()) })? {
        Step::Ask { .. } => Err("podyd asks twice".into()),
        Step::Done { verdict, .. } => Ok(verdict),
    }
}
