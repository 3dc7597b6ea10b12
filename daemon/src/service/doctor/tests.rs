//! Each finding, and that there is none where nothing is wrong. The clock stands at 2027-01-15.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use identity::Day;
use servers::tls::Authority;

use super::*;
use crate::config::Secret;
use crate::directory::{Contact, NewToken, TokenSecret};
use crate::service::{Peer, new_uuid};
use crate::testing::{Folder, NOW, TestNode, add_user, name, open_to_newcomers, until};

const GOOD: &str = "3f0d1c5e9ab2476873e1d4c0b5a6f798";
const MINUTE: Duration = Duration::from_secs(60);

fn service() -> ProfileService {
    let access_token = Secret::from(GOOD.to_owned());
    ProfileService {
        enabled: true,
        access_token,
        listen: "127.0.0.1:8799".parse().unwrap(),
        ..ProfileService::default()
    }
}

fn provider(endpoint: &str) -> Provider {
    let access_token = Secret::from(GOOD.to_owned());
    Provider { enabled: true, endpoint: endpoint.parse().unwrap(), access_token, ..Provider::default() }
}

fn serving(service: ProfileService) -> Settings {
    Settings { service, ..Settings::default() }
}

fn consuming(provider: Provider) -> Settings {
    Settings { backend: Backend::Remote(provider), ..Settings::default() }
}

fn only(findings: impl IntoIterator<Item = Finding>) -> Finding {
    let findings: Vec<Finding> = findings.into_iter().collect();
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.into_iter().next().unwrap()
}

#[test]
fn plain_http_is_told_of_where_others_can_read_along() {
    assert_eq!(network(&Settings::default()), []);
    assert_eq!(network(&serving(service())), [], "it does not leave this machine");
    let open = ProfileService { listen: "[::]:8799".parse().unwrap(), ..service() };
    let found = only(network(&serving(open.clone())));
    assert!(found.severity == Warning && found.finding.contains("[::]:8799"), "{found:?}");
    assert_eq!(network(&serving(ProfileService { enabled: false, ..open.clone() })), []);
    assert_eq!(network(&serving(ProfileService { tls_cert: Some("/c.pem".into()), ..open })), []);

    for private in ["https://a.example.com", "http://127.0.0.1:8799", "http://localhost:1"] {
        assert_eq!(network(&consuming(provider(private))), [], "{private}");
    }
    let found = only(network(&consuming(provider("http://a.example.com:8799"))));
    assert!(found.severity == Warning && found.finding.contains("a.example.com:8799"), "{found:?}");
}

#[test]
fn the_original_puts_secrets_into_addresses_and_that_is_said() {
    let original = Provider { compat: Compat::Pody04, ..provider("https://a.example.com") };
    let found = only(network(&consuming(original)));
    assert!(found.severity == Warning && found.finding.contains("address of a request"), "{found:?}");
}

#[test]
fn a_token_that_can_be_guessed_is_told_of_and_never_shown() {
    let judged = |text: &str| {
        let token = || Secret::from(text.to_owned());
        let of_service = serving(ProfileService { access_token: token(), ..service() });
        let of_node = consuming(Provider { access_token: token(), ..provider("https://a") });
        let (one, other) = (token::shared(&of_service), token::shared(&of_node));
        assert_eq!(one.len(), other.len());
        for finding in one.iter().chain(&other) {
            assert!(!format!("{finding:?}").contains(text), "{finding:?}");
        }
        one.into_iter().next().map(|finding| finding.severity)
    };
    assert_eq!(judged(GOOD), None);
    assert_eq!(judged(&GOOD[1..]), Some(Warning), "one character short");
    assert_eq!(judged(&"abcdefg".repeat(9)), Some(Warning));
    assert_eq!(judged("replace-with-a-long-random-token"), Some(Problem));
    assert_eq!(judged("CHANGEME-3f0d1c5e9ab2476873e1d4c0b5a6f798"), Some(Problem));
    let disabled = ProfileService { enabled: false, access_token: Secret::default(), ..service() };
    assert_eq!(token::shared(&serving(disabled)), []);
}

#[test]
fn a_copy_that_gets_old_is_a_warning_and_one_past_its_age_a_problem() {
    let day = 24 * 60 * MINUTE;
    let contact = |age: Option<Duration>| Contact {
        current_at: age.and_then(|age| Instant::now().checked_sub(age)),
        trouble: Some("nobody answers".into()),
        ..Contact::default()
    };
    assert_eq!(replica::staleness(&contact(Some(MINUTE / 2)), day, day), None);
    assert_eq!(replica::staleness(&contact(None), MINUTE / 2, day), None, "it has just begun to ask");
    let found = replica::staleness(&contact(Some(2 * MINUTE)), day, day).unwrap();
    assert_eq!((found.severity, found.finding.contains("2 minutes old: nobody answers")), (Warning, true));
    let found = replica::staleness(&contact(Some(3 * MINUTE)), day, 2 * MINUTE).unwrap();
    assert_eq!(found.severity, Problem);
    let found = replica::staleness(&contact(None), 3 * MINUTE, day).unwrap();
    assert!(found.severity == Warning && found.finding.contains("since podyd started"), "{found:?}");
}

#[test]
fn clocks_that_differ_are_told_of_with_their_direction() {
    let judged = |skew| replica::clock(skew).map(|found| (found.severity, found.finding));
    assert_eq!((judged(None), judged(Some(10)), judged(Some(-10))), (None, None, None));
    let (severity, finding) = judged(Some(-100)).unwrap();
    assert!(severity == Warning && finding.contains("100 seconds behind"), "{finding}");
    let (severity, finding) = judged(Some(3600)).unwrap();
    assert!(severity == Problem && finding.contains("60 minutes ahead of"), "{finding}");
    assert!(judged(Some(i64::MIN)).is_some());
}

#[tokio::test]
async fn a_certificate_is_told_of_before_it_ends() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let path = folder.join("cert.pem");
    let settings = serving(ProfileService { tls_cert: Some(path.clone()), ..service() });
    let found = async |days: &[(i32, u8, u8)]| {
        let chain = days.iter().map(|day| authority.certify_until("a", *day).certificate);
        fs::write(&path, chain.collect::<String>()).unwrap();
        certificate::findings(&settings, NOW).await
    };
    assert_eq!(found(&[(2027, 2, 6)]).await, []);
    let ends_soon = only(found(&[(2027, 2, 5), (2028, 1, 1)]).await);
    assert!(
        ends_soon.severity == Warning && ends_soon.finding.contains("2027-02-05, in 20 days"),
        "{ends_soon:?}"
    );
    let ended = only(found(&[(2028, 1, 1), (2027, 1, 14)]).await);
    assert!(ended.severity == Problem && ended.finding.contains("ended on 2027-01-14"), "{ended:?}");
    let none = only(found(&[]).await);
    assert!(none.severity == Problem && none.finding.contains("holds no certificate"), "{none:?}");
    fs::write(&path, "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n").unwrap();
    assert_eq!(only(certificate::findings(&settings, NOW).await).severity, Problem);
    fs::remove_file(&path).unwrap();
    let missing = only(certificate::findings(&settings, NOW).await);
    assert!(missing.finding.contains("cert.pem") && missing.finding.contains("No such file"), "{missing:?}");
}

#[tokio::test]
async fn of_several_authorities_one_that_lives_is_enough() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let (old, new) = (authority.certify_until("a", (2020, 1, 1)), authority.certify_until("a", (2040, 1, 1)));
    let path = folder.join("ca.pem");
    fs::write(&path, old.certificate.clone() + &new.certificate).unwrap();
    let settings = consuming(Provider { ca_file: Some(path.clone()), ..provider("https://a") });
    assert_eq!(certificate::findings(&settings, NOW).await, []);
    fs::write(&path, old.certificate).unwrap();
    let found = only(certificate::findings(&settings, NOW).await);
    assert!(
        found.severity == Problem && found.subject == "remote_user_profile.provider.ca_file",
        "{found:?}"
    );
}

#[tokio::test]
async fn a_key_that_everybody_can_read_is_a_problem() {
    let folder = Folder::new();
    let path = folder.join("key.pem");
    fs::write(&path, "a key").unwrap();
    let settings = consuming(Provider { tls_key: Some(path.clone()), ..provider("https://a") });
    for (mode, is_open) in [(0o600, false), (0o640, false), (0o644, true)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(certificate::findings(&settings, NOW).await.len(), usize::from(is_open), "{mode:o}");
    }
}

/// A node that serves its directory, and whose user ada has a token that ends in so many days.
async fn node_with_token(scopes: &str, days: i32) -> TestNode {
    let node = TestNode::start().await;
    add_user(node.directory(), "ada").await;
    let new = NewToken {
        uuid: new_uuid(),
        hash: TokenSecret::from_random(&[7; 32]).hash(),
        owner: name("ada"),
        name: "node-b".parse().unwrap(),
        scopes: scopes.parse().unwrap(),
        networks: Default::default(),
        expires_at: Some(Day(node.clock.today().0 + days)),
        created_at: NOW,
    };
    node.directory().create_token(new).await.unwrap();
    let settings = Settings { service: service(), ..(**node.publishing.settings.borrow()).clone() };
    node.publishing.settings.send_replace(Arc::new(settings));
    until("ada is shown", async || node.publishing.shows("ada")).await;
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_end_soon_and_the_one_that_all_share_are_told_of_to_admins() {
    let node = node_with_token("read,authenticate", 14).await;
    let found = node.service.doctor(&Caller::Root).await.unwrap();
    let [ending, shared] = &found[..] else { panic!("{found:?}") };
    assert!(
        ending.severity == Warning && ending.finding.contains("ada's node-b on 2027-01-29"),
        "{ending:?}"
    );
    assert!(shared.severity == Severity::Note && shared.finding.contains("access_token"), "{shared:?}");
    assert_eq!(node.service.doctor(&Caller::Other(1000)).await.unwrap(), [], "it is nobody else's business");

    let node = node_with_token("read", 15).await;
    assert_eq!(node.service.doctor(&Caller::Root).await.unwrap(), [], "no node logs anybody in with it");
    node.clock.advance(24 * 60 * 60);
    assert_eq!(node.service.doctor(&Caller::Root).await.unwrap().len(), 1);
    node.clock.advance(14 * 24 * 60 * 60);
    assert_eq!(node.service.doctor(&Caller::Root).await.unwrap(), [], "it has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_cannot_have_anybody_created_are_told_of_where_people_may_arrive() {
    for (scopes, expected) in [("read", 1), ("read,provision", 0)] {
        let node = node_with_token(scopes, 100).await;
        let settings = Settings::clone(&node.publishing.settings.borrow());
        node.publishing.settings.send_replace(Arc::new(open_to_newcomers(settings)));
        let found = node.service.doctor(&Caller::Root).await.unwrap();
        let told = found.iter().filter(|one| one.advice.contains("provision")).count();
        assert_eq!(told, expected, "{scopes}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lookups_do_not_show_is_told_of() {
    let mut node = TestNode::start().await;
    add_user(node.directory(), "ada").await;
    assert_eq!(node.service.doctor(&Caller::Root).await.unwrap(), [], "it is published while one waits");
    node.publishing.stop().await;
    add_user(node.directory(), "bob").await;
    let found = only(node.service.doctor(&Caller::Root).await.unwrap());
    assert_eq!((found.severity, found.subject), (Problem, "snapshot"));
    let caller = node.service.caller(Peer { uid: 4321, pid: 1 }).await.unwrap();
    assert_eq!(node.service.doctor(&caller).await.unwrap(), [found], "whoever may look may see that");
}
