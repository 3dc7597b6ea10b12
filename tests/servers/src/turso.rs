//! tursodb, a server that speaks some of Hrana over HTTP and is not of our making: no batons, no interactive
//! transactions, one database.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

use crate::chance::port;
use crate::installed;
use crate::place::Place;
use crate::server::Server;

/// A tursodb with an empty database, which lives as long as this value.
pub struct TursoDb {
    server: Server,
    url: String,
}

impl TursoDb {
    /// Starts one.
    pub async fn start() -> Self {
        let program = installed::root("turso", "tursodb").join("tursodb");
        let mut server = Server::new(Place::new("tursodb"));
        loop {
            let port = port();
            let mut command = server.place().command(&program);
            command.args(["--sync-server", &format!("127.0.0.1:{port}"), "database"]);
            server.launch(command);
            match server.ready(async |_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map(drop)).await {
                Ok(()) => return Self { server, url: format!("http://127.0.0.1:{port}") },
                Err(said) => assert!(said.contains("in use"), "tursodb does not start: {said}"),
            }
        }
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The directory that it lives in, with its log.
    pub fn directory(&self) -> &Path {
        self.server.place().path()
    }
}
