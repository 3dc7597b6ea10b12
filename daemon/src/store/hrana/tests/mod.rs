//! The client against a server written from the protocol's specification, which keeps locks as SQLite does and can
//! misbehave; against servers that say nonsense; and against tursodb.

mod failures;
mod nonsense;
mod statements;
mod streams;
mod tursodb;

use servers::hrana::{Hrana, Options};
use zeroize::Zeroizing;

use super::{Client, Endpoint, Value};

/// A client without a token.
fn client_of(url: &str) -> Client {
    Client::new(&Endpoint { url: url.into(), auth_token: None }).unwrap()
}

fn client_with(url: &str, token: &str) -> Client {
    Client::new(&Endpoint { url: url.into(), auth_token: Some(Zeroizing::new(token.into())) }).unwrap()
}

/// A server with an empty table, and a client that has met it.
async fn shelf(options: Options) -> (Hrana, Client) {
    let server = Hrana::start(options);
    let client = client_of(&server.url());
    client.execute_once("CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT)", &[]).await.unwrap();
    (server, client)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

const ADD: &str = "INSERT INTO books (title) VALUES (?1)";

/// How many books there are.
async fn books(client: &Client) -> i64 {
    let rows = client.execute_once("SELECT count(*) FROM books", &[]).await.unwrap().rows;
    match rows[0][0] {
        Value::Integer(number) => number,
        ref other => panic!("count(*) is {other:?}"),
    }
}
