//! The settings of nodes that share the users of one of them.

use super::super::{Backend, Compat, Provider, Secret};
use super::*;

const PROVIDER: &str = "[remote_user_profile.provider]\nenabled = true\n";
const SERVICE: &str = "[remote_user_profile.service]\nenabled = true\n";

#[test]
fn the_settings_are_spelt_as_in_the_original() {
    let settings =
        parse(&format!("{SERVICE}readonly = true\naccess_token = \"replace-with-a-long-random-token\"\n"));
    assert!(settings.service.enabled && settings.service.readonly);
    assert_eq!(settings.service.listen.to_string(), "[::]:8799");
    assert_eq!(settings.service.access_token.expose(), "replace-with-a-long-random-token");
    assert_eq!(settings.backend, Backend::Local, "the service has its own directory");

    let consumer = "endpoint = \"http://server-a.example.com:8799\"\naccess_token = \"the-same\"\n";
    let expected = Provider {
        enabled: true,
        endpoint: "http://server-a.example.com:8799".parse().unwrap(),
        access_token: Secret::from("the-same".to_owned()),
        ..Provider::default()
    };
    assert_eq!(parse(&format!("{PROVIDER}{consumer}")).backend, Backend::Remote(expected));
    let off = format!("[remote_user_profile.provider]\nenabled = false\n{consumer}");
    assert_eq!(parse(&off).backend, Backend::Local, "what is not enabled has no effect");
}

#[test]
fn what_is_missing_is_named() {
    for (text, key) in [
        (format!("{PROVIDER}access_token = \"t\"\n"), "endpoint"),
        (format!("{PROVIDER}endpoint = \"https://a\"\n"), "access_token"),
        (SERVICE.to_owned(), "access_token"),
        (format!("{SERVICE}access_token = \"t\"\ntls_cert = \"/c\"\n"), "tls_key"),
        (format!("{SERVICE}access_token = \"t\"\nclient_ca = \"/c\"\n"), "tls_cert"),
        (format!("{PROVIDER}endpoint = \"https://a\"\naccess_token = \"t\"\ntls_key = \"/k\"\n"), "tls_cert"),
    ] {
        let errors = errors(&text);
        assert!(errors.iter().any(|error| error.contains(key)), "{text}: {errors:?}");
    }
}

#[test]
fn a_node_has_its_users_from_one_place() {
    let text = format!(
        "[backend.postgres]\nurl = \"postgres://u@db/pody\"\n{PROVIDER}endpoint = \"https://a\"\naccess_token = \"t\"\n"
    );
    let errors = errors(&text);
    let names_both = |error: &String| {
        error.contains("backend.postgres") && error.contains("[remote_user_profile.provider]")
    };
    assert!(errors.iter().any(names_both), "{errors:?}");
}

#[test]
fn the_token_of_a_running_service_can_be_changed() {
    let with =
        |token: &str| parse(&format!("{SERVICE}access_token = \"{token}\"\nreadonly = {}\n", token == "one"));
    let reload = with("one").reload_diff(&with("two"));
    let applied = ["remote_user_profile.service.readonly", "remote_user_profile.service.access_token"];
    assert_eq!((reload.applied, reload.needs_restart), (applied.to_vec(), vec![]));
}

#[test]
fn the_original_pody_is_named_by_its_version() {
    let text =
        format!("{PROVIDER}endpoint = \"http://a:8799\"\naccess_token = \"t\"\ncompat = \"pody-0.4\"\n");
    match parse(&text).backend {
        Backend::Remote(provider) => assert_eq!(provider.compat, Compat::Pody04),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_running_consumer_takes_another_token_and_not_another_service() {
    let with = |endpoint: &str, token: &str| {
        parse(&format!("{PROVIDER}endpoint = \"{endpoint}\"\naccess_token = \"{token}\"\n"))
    };
    let before = with("https://a", "one");
    let reload = before.reload_diff(&with("https://a", "two"));
    assert_eq!((reload.applied, reload.needs_restart), (vec!["remote_user_profile.provider"], vec![]));
    for other in [with("https://b", "one"), with("https://b", "two"), parse("")] {
        let reload = before.reload_diff(&other);
        assert_eq!((reload.applied, reload.needs_restart), (vec![], vec!["remote_user_profile.provider"]));
        assert!(!before.backend.reloads_to(&other.backend));
    }
}
