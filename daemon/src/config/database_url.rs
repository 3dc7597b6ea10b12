//! Whether the URL of a database can be connected to at all. What is said about one never quotes it: a
//! password may stand in any part of it, in the wrong one above all.

use std::net::IpAddr;

use url::{ParseError, Url};

/// What the URLs of one kind of server may hold: what the driver understands, and nothing that it would
/// pass over in silence.
struct Server {
    schemes: &'static [&'static str],
    example: &'static str,
    ssl_modes: &'static [&'static str],
    /// Parameters that name a host, or a socket in its place.
    hosts: &'static [&'static str],
    /// Parameters that name the database.
    databases: &'static [&'static str],
    others: &'static [&'static str],
}

const POSTGRES: Server = Server {
    schemes: &["postgres", "postgresql"],
    example: "postgres://pody@db.example.org/pody?sslmode=verify-full",
    ssl_modes: &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
    hosts: &["host", "hostaddr"],
    databases: &["dbname"],
    others: &[
        "sslmode",
        "ssl-mode",
        "sslrootcert",
        "ssl-root-cert",
        "ssl-ca",
        "sslcert",
        "ssl-cert",
        "sslkey",
        "ssl-key",
        "port",
        "user",
        "password",
        "application_name",
        "options",
        "statement-cache-capacity",
    ],
};

const MYSQL: Server = Server {
    schemes: &["mysql", "mariadb"],
    example: "mysql://pody@db.example.org/pody?sslmode=verify_identity",
    ssl_modes: &["disabled", "preferred", "required", "verify_ca", "verify_identity"],
    hosts: &["socket"],
    databases: &[],
    others: &[
        "sslmode",
        "ssl-mode",
        "sslca",
        "ssl-ca",
        "sslcert",
        "ssl-cert",
        "sslkey",
        "ssl-key",
        "statement-cache-capacity",
    ],
};

const LIBSQL_SCHEMES: &[&str] = &["libsql", "https", "http"];
const LIBSQL_EXAMPLE: &str = "libsql://pody.example.org";

/// Checks a URL of PostgreSQL. The error is a sentence about the setting.
pub(super) fn postgres(text: &str) -> Result<(), String> {
    server(text, &POSTGRES)
}

/// Checks a URL of MySQL or MariaDB.
pub(super) fn mysql(text: &str) -> Result<(), String> {
    server(text, &MYSQL)
}

/// Checks a URL of libSQL, which has no place for a secret.
pub(super) fn libsql(text: &str) -> Result<(), String> {
    let url = parse(text, LIBSQL_SCHEMES, LIBSQL_EXAMPLE)?;
    if host(&url).is_none() {
        return Err(lacks("host", LIBSQL_EXAMPLE));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(
            "has a user or a '?' in it, which libSQL has no use for; a token goes to authToken".into()
        );
    }
    Ok(())
}

/// Where the database is, for people: without user, password and parameters.
pub(super) fn location(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return String::new() };
    // These fail for a URL without a host alone, which has neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.to_string()
}

fn server(text: &str, server: &Server) -> Result<(), String> {
    let url = parse(text, server.schemes, server.example)?;
    let has = |keys: &[&str]| {
        url.query_pairs().any(|(key, value)| keys.contains(&key.as_ref()) && !value.is_empty())
    };
    match host(&url) {
        None if !has(server.hosts) => return Err(lacks("host", server.example)),
        Some(hosts) if hosts.contains(',') => {
            return Err(
                "names several hosts; podyd connects to one: give an address that moves with the primary"
                    .into(),
            );
        }
        _ => {}
    }
    if url.path().trim_start_matches('/').is_empty() && !has(server.databases) {
        return Err(lacks("database", server.example));
    }
    for (index, (key, value)) in url.query_pairs().enumerate() {
        parameter(&key, &value, server)
            .map_err(|why| format!("has a parameter, number {}, {why}", index + 1))?;
    }
    Ok(())
}

fn parse(text: &str, schemes: &[&str], example: &str) -> Result<Url, String> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    if !scheme.is_some_and(|scheme| schemes.contains(&scheme)) {
        let schemes: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
        return Err(format!("must begin with {}, such as {example}", schemes.join(" or ")));
    }
    let url = Url::parse(text).map_err(|error| match error {
        ParseError::EmptyHost => lacks("host", example),
        error => format!("is no URL ({error}); {PERCENT}"),
    })?;
    match url.fragment() {
        None => Ok(url),
        Some(_) => Err(format!("has a '#' in it; {PERCENT}")),
    }
}

const PERCENT: &str =
    "in a user's name or a password, write %23 for #, %25 for %, %2F for /, %3A for :, %3F for ?, %40 for @";

fn lacks(part: &str, example: &str) -> String {
    format!("names no {part}; write it like {example}")
}

fn host(url: &Url) -> Option<&str> {
    url.host_str().filter(|host| !host.is_empty())
}

fn parameter(key: &str, value: &str, server: &Server) -> Result<(), String> {
    let is_known = [server.hosts, server.databases, server.others].iter().any(|known| known.contains(&key));
    if !is_known {
        let known = [server.others, server.hosts, server.databases].concat().join(", ");
        return Err(format!("that podyd does not know; it knows {known}"));
    }
    let is_valid = match key {
        "sslmode" | "ssl-mode" if !server.ssl_modes.contains(&value.to_ascii_lowercase().as_str()) => {
            return Err(format!("{key}, that is none of {}", server.ssl_modes.join(", ")));
        }
        "port" => value.parse::<u16>().is_ok(),
        "statement-cache-capacity" => value.parse::<u16>().is_ok(),
        "hostaddr" => value.parse::<IpAddr>().is_ok(),
        _ => true,
    };
    if is_valid { Ok(()) } else { Err(format!("{key}, whose value cannot be read")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_drivers_understand_is_accepted() {
        for good in [
            "postgres://db/pody",
            "postgresql://pody:s%40cret@db.example.org:5433/pody?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            "postgres://pody@[2001:db8::1]/pody?sslmode=DISABLE",
            "postgres:///pody?host=/run/postgresql",
            "postgres://%2Frun%2Fpostgresql/pody",
            "postgres://db?dbname=pody&statement-cache-capacity=0",
        ] {
            assert_eq!(postgres(good), Ok(()), "{good}");
        }
        for good in
            ["mysql://u:p@db:3307/pody?ssl-mode=REQUIRED", "mysql:///pody?socket=/run/mysqld/mysqld.sock"]
        {
            assert_eq!(mysql(good), Ok(()), "{good}");
        }
        for good in ["libsql://pody.turso.io", "http://127.0.0.1:8080", "https://[::1]/v1/"] {
            assert_eq!(libsql(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_cannot_be_connected_to_is_named_and_never_quoted() {
        type Check = fn(&str) -> Result<(), String>;
        let table: &[(Check, &str, &str)] = &[
            (postgres, "", "must begin with postgres:// or postgresql://"),
            (postgres, "hunter2", "must begin with postgres://"),
            (postgres, "mysql://u:hunter2@db/pody", "must begin with postgres://"),
            (postgres, "postgres:u:hunter2@db/pody", "must begin with postgres://"),
            (postgres, "postgres://u:hunter2@/pody", "names no host"),
            (postgres, "postgres:///pody", "names no host"),
            (postgres, "postgres:///pody?host=", "names no host"),
            (postgres, "postgres://u:hunter2@db", "names no database"),
            (postgres, "postgres://u:hunter2@db/", "names no database"),
            (postgres, "postgres://u:hunter2@a,b/pody", "names several hosts"),
            (postgres, "postgres://u:hunter2@db:port/pody", "is no URL (invalid port number)"),
            (postgres, "postgres://u:hunter2#@db/pody", "write %23 for #"),
            (postgres, "postgres://u:1#hunter2@db/pody", "has a '#' in it"),
            (
                postgres,
                "postgres://u:hunter2@db/pody?sslmode=hunter2",
                "number 1, sslmode, that is none of disable, allow",
            ),
            (postgres, "postgres://db/pody?password=a&hunter2", "number 2, that podyd does not know"),
            (postgres, "postgres://db/pody?port=hunter2", "number 1, port, whose value cannot be read"),
            (postgres, "postgres://db/pody?hostaddr=hunter2", "hostaddr, whose value"),
            (mysql, "postgres://u:hunter2@db/pody", "must begin with mysql://"),
            (mysql, "mysql://u:hunter2@db", "names no database"),
            (mysql, "mysql:///hunter2", "names no host"),
            (
                mysql,
                "mysql://db/pody?sslmode=verify-full",
                "none of disabled, preferred, required, verify_ca",
            ),
            (libsql, "file:hunter2.db", "must begin with libsql://"),
            (libsql, "libsql://", "names no host"),
            (libsql, "http://", "names no host"),
            (libsql, "libsql://u:hunter2@db", "goes to authToken"),
            (libsql, "libsql://db?authToken=hunter2", "goes to authToken"),
        ];
        for (check, url, expected) in table {
            let error = check(url).unwrap_err();
            assert!(error.contains(expected), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{url}: {error}");
        }
    }

    #[test]
    fn a_location_holds_no_secret() {
        for (url, shown) in [
            ("postgres://u:hunter2@db:5433/pody?password=hunter2", "postgres://db:5433/pody"),
            ("postgres:///pody?host=/run/postgresql", "postgres:///pody"),
            ("libsql://db.turso.io", "libsql://db.turso.io"),
        ] {
            assert_eq!(location(url), shown);
        }
    }
}
