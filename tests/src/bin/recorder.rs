//! `recorder LISTEN TARGET FILE`: passes connections on, and writes down all that goes through them, in both directions.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, target, file] = &arguments[..] else { return ExitCode::from(2) };
    match record(listen, target, file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn record(listen: &str, target: &str, file: &str) -> io::Result<()> {
    let listener = TcpListener::bind(listen)?;
    let file = OpenOptions::new().create(true).append(true).open(file)?;
    for client in listener.incoming() {
        let client = client?;
        // Where nobody listens, the client finds the connection closed.
        let Ok(server) = TcpStream::connect(target) else { continue };
        for (from, to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
            let file = file.try_clone()?;
            thread::spawn(move || pass_on(from, to, file));
        }
    }
    Ok(())
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, mut file: File) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let heard = &buffer[..length];
        if file.write_all(heard).and_then(|()| to.write_all(heard)).is_err() {
            break;
        }
    }
    // Whoever waits for the rest learns that there is none.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
