//! PgBouncer in front of a PostgreSQL database, pooling by transaction: what sessions keep (LISTEN, locks, prepared
//! statements) does not get through it.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

use crate::chance::port;
use crate::installed::Tree;
use crate::place::Place;
use crate::server::Server;

/// A pooler, which lives as long as this value.
pub struct PgBouncer {
    server: Server,
    url: String,
}

impl PgBouncer {
    /// Starts one in front of a database with this URL.
    pub async fn start(database: &str) -> Self {
        let tree = Tree::debian("PgBouncer");
        let (_, rest) = database.split_once("://").expect("a URL of fresh_database");
        let (account, target) = rest.split_once('@').expect("a URL with a user");
        let (user, password) = account.split_once(':').expect("a URL with a password");
        let (address, name) = target.split_once('/').expect("a URL with a database");
        let (host, behind) = address.split_once(':').expect("a URL with a port");

        let mut server = Server::new(Place::new("pgbouncer"));
        loop {
            let port = port();
            let users = server.place().write("users", &format!("\"{user}\" \"{password}\"\n"));
            // Clients set extra_float_digits when they connect.
            let settings = format!(
                "[databases]\n{name} = host={host} port={behind}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
                 ignore_startup_parameters = extra_float_digits\n",
                users.display()
            );
            let settings = server.place().write("settings.ini", &settings);
            let mut command = tree.command(server.place(), tree.path("usr/sbin/pgbouncer"));
            command.arg(settings);
            server.launch(command);
            match server.ready(async |_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map(drop)).await {
                Ok(()) => {
                    let url = format!("postgres://{account}@127.0.0.1:{port}/{name}");
                    return Self { server, url };
                }
                Err(said) => assert!(said.contains("already in use"), "PgBouncer does not start: {said}"),
            }
        }
    }

    /// The database through the pooler.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The directory that it lives in, with its log.
    pub fn directory(&self) -> &Path {
        self.server.place().path()
    }
}
