//! An OpenID provider: the certified oidc-provider, whose answers a test may also replace by worse ones.
//!
//! It knows nothing of who logs in where; people approve or deny in [`browser`].

mod browser;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpStream};

use nix::sys::signal::Signal;
use reqwest::redirect::Policy;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::chance::port;
use crate::installed;
use crate::place::Place;
use crate::server::Server;
use crate::tls::Authority;
use browser::{Answered, Browser, SAID_NO};

/// What the page says when somebody has agreed.
const SAID_YES: &str = "Sign-in Success";

/// What a provider is like. The default has three people and four clients, and speaks http.
#[derive(Clone, Serialize)]
pub struct OidcOptions {
    /// Who can log in: the subject, which is typed into the provider's form too, and the claims about them.
    pub accounts: Value,
    /// What programs the provider knows, by the names of OpenID Connect's dynamic registration.
    pub clients: Value,
    /// Which claims belong to which scope.
    pub claims: Value,
    /// Whether claims of scopes are told by the userinfo endpoint alone, and not in ID tokens.
    pub claims_by_userinfo: bool,
    /// Whether there is a device flow.
    pub device_flow: bool,
    /// Seconds, by oidc-provider's names: `DeviceCode`, `IdToken`, `AccessToken`, …
    pub lifetimes: Value,
    /// How ID tokens are signed: RS256, PS256 or ES256.
    pub alg: &'static str,
    /// Whether it speaks https, with a certificate of [`OidcProvider::authority`].
    #[serde(skip)]
    pub tls: bool,
}

impl Default for OidcOptions {
    fn default() -> Self {
        Self {
            accounts: json!({
                "sub-ada": { "preferred_username": "ada", "name": "Ada Lovelace",
                    "email": "ada@example.test", "email_verified": true, "groups": ["staff", "engines"],
                },
                "sub-bob": { "preferred_username": "bob", "name": "Bob",
                    "email": "bob@example.test", "email_verified": false, "groups": [],
                },
                "sub-eve": { },
            }),
            clients: json!([
                { "client_id": "pody" },
                { "client_id": "pody-secret", "client_secret": "a secret of the client: + & % = ?" },
                { "client_id": "another" },
                { "client_id": "no-device", "grant_types": ["authorization_code"] },
            ]),
            claims: json!({
                "openid": ["sub"],
                "profile": ["name", "preferred_username"],
                "email": ["email", "email_verified"],
                "groups": ["groups"],
            }),
            claims_by_userinfo: false,
            device_flow: true,
            lifetimes: json!({
                "DeviceCode": 600, "IdToken": 300, "AccessToken": 300, "AuthorizationCode": 60, "Grant": 600,
                "Interaction": 600, "Session": 600, "RefreshToken": 600,
            }),
            alg: "RS256",
            tls: false,
        }
    }
}

/// What takes the place of the provider's own answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: BTreeMap<&'static str, String>,
    /// What follows them.
    pub body: String,
    /// No answer at all, on a connection that stays.
    pub never: bool,
    /// A body without end.
    pub forever: bool,
}

impl Answer {
    /// A JSON document.
    pub fn json(status: u16, document: &Value) -> Self {
        let headers = BTreeMap::from([("content-type", "application/json".to_owned())]);
        Self { status, headers, body: document.to_string(), ..Self::default() }
    }

    /// What a wrong server may say.
    pub fn garbage() -> Self {
        Self { status: 200, body: "<html>\u{0} Welcome to nginx!".to_owned(), ..Self::default() }
    }

    /// That the answer is elsewhere.
    pub fn redirect(to: &str) -> Self {
        Self { status: 302, headers: BTreeMap::from([("location", to.to_owned())]), ..Self::default() }
    }

    /// Nothing, ever.
    pub fn never() -> Self {
        Self { never: true, ..Self::default() }
    }

    /// More than anybody can hold.
    pub fn forever() -> Self {
        Self { status: 200, forever: true, ..Self::default() }
    }
}

/// A provider, which lives as long as this value.
pub struct OidcProvider {
    server: Server,
    issuer: String,
    port: u16,
    authority: Option<Authority>,
    options: OidcOptions,
    http: reqwest::Client,
}

/// What the provider's control says.
#[derive(Deserialize)]
struct Seen {
    asked: BTreeMap<String, u32>,
    key: String,
}

impl OidcProvider {
    /// Starts one.
    pub async fn start(options: OidcOptions) -> Self {
        let authority = options.tls.then(Authority::new);
        let mut provider = loop {
            let port = port();
            let scheme = if options.tls { "https" } else { "http" };
            let mut provider = Self {
                server: Server::new(Place::new("oidc")),
                issuer: format!("{scheme}://127.0.0.1:{port}"),
                port,
                http: client(authority.as_ref()),
                authority: None,
                options: options.clone(),
            };
            provider.write_settings(authority.as_ref());
            match provider.launch().await {
                Ok(()) => break provider,
                Err(said) => assert!(said.contains("EADDRINUSE"), "oidc-provider does not start: {said}"),
            }
        };
        provider.authority = authority;
        provider
    }

    /// Who it is: the issuer of its tokens, and where it is asked.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Who vouches for its certificate, as PEM; panics where it speaks http.
    pub fn authority(&self) -> String {
        self.authority.as_ref().expect("a provider with TLS").pem()
    }

    /// The key that it signs with now, as PEM: what a forger would like to have.
    pub async fn key(&self) -> String {
        self.control(json!({})).await.key
    }

    /// How often a path was asked for.
    pub async fn asked(&self, path: &str) -> u32 {
        self.control(json!({})).await.asked.get(path).copied().unwrap_or(0)
    }

    /// Signs with another key from now on, and shows that one alone.
    pub async fn turn_keys_over(&self) {
        self.control(json!({ "turn_over": true })).await;
    }

    /// Knows these people from now on, and no others.
    pub async fn set_accounts(&self, accounts: Value) {
        self.control(json!({ "accounts": accounts })).await;
    }

    /// Answers requests for these paths so from now on, and all others itself.
    pub async fn answer<const N: usize>(&self, answers: [(&str, Answer); N]) {
        self.control(json!({ "answers": BTreeMap::from(answers) })).await;
    }

    /// Somebody types the code of a device flow into the provider's page, logs in and says yes.
    pub async fn approve(&self, user_code: &str, subject: &str) {
        self.device(user_code, subject, true).await;
    }

    /// Somebody types the code in and says no.
    pub async fn deny(&self, user_code: &str) {
        self.device(user_code, "nobody", false).await;
    }

    /// Somebody follows the URL of an authorization request and logs in; where the browser is sent to then.
    pub async fn log_in(&self, url: &str, subject: &str) -> String {
        match Browser::new(&self.http, &self.issuer).visit(url, subject, true).await {
            Answered::SentTo(url) => url,
            Answered::Page(page) => panic!("the provider ends with this page: {page}"),
        }
    }

    async fn device(&self, user_code: &str, subject: &str, agrees: bool) {
        let start = format!("{}/device?user_code={user_code}", self.issuer);
        match Browser::new(&self.http, &self.issuer).visit(&start, subject, agrees).await {
            Answered::Page(page) => {
                let end = if agrees { SAID_YES } else { SAID_NO };
                assert!(page.contains(end), "the provider does not say {end:?}: {page}");
            }
            Answered::SentTo(url) => panic!("a device's page leads to {url}"),
        }
    }

    /// Ends it; nobody listens then.
    pub async fn stop(&mut self) {
        self.server.stop(Signal::SIGTERM).await;
    }

    /// Starts it again where it was, with other keys and nothing that it knew.
    pub async fn start_again(&mut self) {
        self.launch().await.unwrap_or_else(|said| panic!("oidc-provider does not start again: {said}"));
    }

    /// Lets nothing in it move: connections stay, and no answer comes.
    pub fn freeze(&mut self) {
        self.server.freeze();
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        self.server.thaw();
    }

    fn write_settings(&self, authority: Option<&Authority>) {
        let mut settings = serde_json::to_value(&self.options).expect("options are JSON");
        settings["issuer"] = json!(self.issuer);
        settings["port"] = json!(self.port);
        settings["modules"] = json!(installed::root("oidc", "oidc-provider").join("node_modules"));
        if let Some(authority) = authority {
            let certified = authority.certify("127.0.0.1");
            settings["tls"] = json!({ "cert": certified.certificate, "key": certified.key });
        }
        self.server.place().write("settings.json", &settings.to_string());
        self.server.place().write("server.mjs", include_str!("server.mjs"));
    }

    async fn launch(&mut self) -> Result<(), String> {
        let mut command = self.server.place().command(&installed::root("oidc", "oidc-provider").join("node"));
        command.args(["server.mjs", "settings.json"]);
        self.server.launch(command);
        let port = self.port;
        self.server.ready(async |_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map(drop)).await
    }

    async fn control(&self, wish: Value) -> Seen {
        let request = self.http.post(format!("{}/control", self.issuer)).json(&wish);
        let response = request.send().await.expect("the provider answers");
        response.json().await.unwrap_or_else(|error| panic!("{error}: {}", self.server.said()))
    }
}

fn client(authority: Option<&Authority>) -> reqwest::Client {
    // reqwest is built without a provider of its own. One that was installed before is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The provider closes connections that were idle for a while, perhaps just when they are used again.
    let builder = reqwest::Client::builder().redirect(Policy::none()).no_proxy().pool_max_idle_per_host(0);
    let builder = match authority {
        None => builder,
        Some(authority) => {
            let certificate =
                reqwest::Certificate::from_pem(authority.pem().as_bytes()).expect("a certificate of our own");
            builder.add_root_certificate(certificate)
        }
    };
    builder.build().expect("a client without wishes")
}
