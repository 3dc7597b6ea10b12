//! The door with TLS: who trusts whom, and how certificates are exchanged.

use std::path::Path;

use reqwest::{Certificate, Client, Identity};
use servers::tls::{Authority, Certified};

use super::*;
use crate::config::ProfileService;
use crate::testing::{SHARED_TOKEN, TestNode, until};

/// Puts a certificate for this machine where the settings expect it.
fn install(authority: &Authority, folder: &Path) {
    let Certified { certificate, key } = authority.certify("127.0.0.1");
    std::fs::write(folder.join("cert.pem"), certificate).unwrap();
    std::fs::write(folder.join("key.pem"), key).unwrap();
}

async fn door_with(authority: &Authority, change: impl FnOnce(&mut ProfileService)) -> ServedNode {
    let node = TestNode::start().await;
    install(authority, &node.folder);
    let (cert, key) = (node.folder.join("cert.pem"), node.folder.join("key.pem"));
    ServedNode::start_with(node, |service| {
        (service.tls_cert, service.tls_key) = (Some(cert), Some(key));
        change(service);
    })
    .await
}

/// A client that trusts this authority alone, and shows these certificates.
fn client(authority: &Authority, shows: Option<Certified>) -> Client {
    let root = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    // None is kept: each request shakes hands anew.
    let mut builder = Client::builder().tls_certs_only([root]).pool_max_idle_per_host(0);
    if let Some(Certified { certificate, key }) = shows {
        builder = builder.identity(Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap());
    }
    builder.build().unwrap()
}

async fn ask(door: &ServedNode, client: &Client) -> reqwest::Result<Response> {
    let address = format!("https://{}/v1/health", door.address);
    client.get(address).bearer_auth(SHARED_TOKEN).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_trusts_the_authority_speaks_http_2_and_nobody_speaks_plain_http() {
    let authority = Authority::new();
    let door = door_with(&authority, |_| ()).await;
    let answer = ask(&door, &client(&authority, None)).await.unwrap();
    assert_eq!((answer.version(), answer.status()), (reqwest::Version::HTTP_2, StatusCode::OK));
    assert!(ask(&door, &client(&Authority::new(), None)).await.is_err(), "somebody else's authority");
    assert!(door.anonymous(Method::GET, "/v1/health").send().await.is_err(), "plain http");
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_that_is_wanted_must_be_there_and_be_the_right_one() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let folder = crate::testing::Folder::new();
    let ca = folder.join("clients.pem");
    std::fs::write(&ca, clients.pem()).unwrap();
    let door = door_with(&authority, |service| service.client_ca = Some(ca)).await;
    let right = client(&authority, Some(clients.certify("node-b")));
    assert_eq!(ask(&door, &right).await.unwrap().status(), StatusCode::OK);
    assert!(ask(&door, &client(&authority, None)).await.is_err(), "none");
    let wrong = client(&authority, Some(authority.certify("node-b")));
    assert!(ask(&door, &wrong).await.is_err(), "another authority's");
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_exchanged_by_a_reload_and_broken_ones_are_not_taken() {
    let (old, new) = (Authority::new(), Authority::new());
    let door = door_with(&old, |_| ()).await;
    let [knows_old, knows_new] = [&old, &new].map(|authority| client(authority, None));
    let key = std::fs::read(door.node.folder.join("key.pem")).unwrap();
    install(&new, &door.node.folder);
    assert!(ask(&door, &knows_old).await.is_ok(), "nobody has said that there is something new");

    // A certificate that does not go with the key.
    std::fs::write(door.node.folder.join("key.pem"), key).unwrap();
    door.set(|_| ());
    let is_served = async |client: &Client| ask(&door, client).await.is_ok();
    for _ in 0..20 {
        assert!(is_served(&knows_old).await);
    }
    install(&new, &door.node.folder);
    door.set(|_| ());
    until("the new certificate is shown", async || is_served(&knows_new).await).await;
    assert!(!is_served(&knows_old).await);
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_files_that_make_no_sense_does_not_start() {
    let (authority, folder) = (Authority::new(), crate::testing::Folder::new());
    install(&authority, &folder);
    let [cert, key, other] = ["cert.pem", "key.pem", "other.pem"].map(|name| folder.join(name));
    let settings = ProfileService {
        enabled: true,
        listen: "127.0.0.1:0".parse().unwrap(),
        tls_cert: Some(cert),
        tls_key: Some(key.clone()),
        client_ca: Some(other.clone()),
        ..ProfileService::default()
    };
    let refused = async |settings: &ProfileService| Port::open(settings).await.err().unwrap().to_string();
    assert!(refused(&settings).await.contains("client_ca: "), "there is no such file");
    std::fs::copy(&key, &other).unwrap();
    assert!(refused(&settings).await.contains("no certificate"));
    std::fs::write(&other, Authority::new().certify("127.0.0.1").key).unwrap();
    let settings = ProfileService { client_ca: None, tls_key: Some(other.clone()), ..settings };
    assert!(refused(&settings).await.contains("does not go with tls_cert"));
    std::fs::write(&other, "-----BEGIN PRIVATE KEY-----\nhunter2\n").unwrap();
    let why = refused(&settings).await;
    assert!(why.contains("tls_key") && !why.contains("hunter2"), "{why}");
}
