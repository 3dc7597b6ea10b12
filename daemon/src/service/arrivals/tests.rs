use serde_json::{Value, json};

use super::*;
use crate::testing::{name, names, secret};

/// Settings as config.toml would say them.
fn settings(text: &str) -> OidcUsers {
    crate::config::parse_str(&format!("[oidc.users]\n{text}"), &Default::default()).unwrap().oidc_users
}

fn ada() -> Value {
    json!({ "sub": "sub-ada", "preferred_username": "ada", "name": "Ada Lovelace", "email": "ada@example.com",
        "email_verified": true, "groups": ["staff", "Cluster Users", "sudo", "engines"], "department": "physics" })
}

fn with(change: Value) -> Value {
    let mut claims = ada();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

fn arriving(claims: &Value, text: &str) -> Arrival {
    arrival(&Claims::of(claims), secret("a.b.c"), name("ada"), &settings(text)).unwrap()
}

#[test]
fn what_is_claimed_becomes_what_an_account_has() {
    let ada = arriving(
        &ada(),
        "create = true\nallow_everybody = true\ngroups = [\"cluster\"]\ngroup_map = [\"engines\"]",
    );
    assert_eq!(ada.identity, Identity::new("https://login.example.com", "sub-ada").unwrap());
    assert_eq!((ada.asked, ada.mapped, ada.may_create), (name("ada"), Some(name("ada")), Ok(())));
    assert_eq!(ada.gecos.unwrap().as_str(), "Ada Lovelace");
    assert_eq!((ada.email.unwrap().as_str(), ada.shell), ("ada@example.com", None));
    assert_eq!(ada.groups.unwrap(), names(&["cluster", "engines"]).into_iter().collect());
}

#[test]
fn only_a_name_that_is_one_to_the_letter_is_a_login_name() {
    let suffix = "name_claim = \"upn\"\nname_suffix = \"@example.com\"";
    let email = "name_claim = \"email\"\nname_suffix = \"@example.com\"";
    let nested = "name_claim = \"posix.login\"";
    let table = [
        ("", json!({}), Some("ada")),
        ("", json!({ "preferred_username": "Ada" }), None),
        ("", json!({ "preferred_username": "ADA" }), None),
        ("", json!({ "preferred_username": " ada" }), None),
        ("", json!({ "preferred_username": "ada " }), None),
        ("", json!({ "preferred_username": "adа" }), None), // the last letter is Cyrillic
        ("", json!({ "preferred_username": "ａda" }), None), // the first is a wide one
        ("", json!({ "preferred_username": "a\u{301}da" }), None),
        ("", json!({ "preferred_username": "ada@example.com" }), None),
        ("", json!({ "preferred_username": "0" }), None),
        ("", json!({ "preferred_username": "../ada" }), None),
        ("", json!({ "preferred_username": "a".repeat(33) }), None),
        ("", json!({ "preferred_username": "" }), None),
        ("", json!({ "preferred_username": null }), None),
        (suffix, json!({ "upn": "ada@example.com" }), Some("ada")),
        (suffix, json!({ "upn": "ada" }), None),
        (suffix, json!({ "upn": "ada@EXAMPLE.com" }), None),
        (suffix, json!({ "upn": "ada@evil.test" }), None),
        (suffix, json!({ "upn": "ada@evil.test@example.com" }), None),
        (suffix, json!({ "upn": "ada@example.com@example.com" }), None),
        (suffix, json!({ "upn": "@example.com" }), None),
        (suffix, json!({ "upn": ["ada@example.com"] }), None),
        (suffix, json!({ "upn": 7 }), None),
        (email, json!({}), Some("ada")),
        (email, json!({ "email_verified": false }), None),
        (email, json!({ "email_verified": null }), None),
        (nested, json!({ "posix": { "login": "ada" } }), Some("ada")),
        (nested, json!({ "posix": "ada" }), None),
    ];
    for (text, change, expected) in table {
        let allowed = format!("create = true\nallow_everybody = true\n{text}");
        let arrival = arriving(&with(change.clone()), &allowed);
        assert_eq!(arrival.mapped, expected.map(name), "{text}: {change}");
        assert_eq!(
            arrival.may_create.is_ok(),
            expected.is_some(),
            "{text}: {change}: {:?}",
            arrival.may_create
        );
    }
}

#[test]
fn nobody_is_created_who_is_not_allowed_by_something_that_is_verified() {
    let groups = "create = true\nallow_groups = [\"Cluster Users\"]";
    let domains = "create = true\nallow_domains = [\"example.com\"]";
    let claims = "create = true\nallow_claims = [\"department=physics\", \"realm.roles=login\"]";
    let table = [
        ("", json!({}), false),
        ("create = true", json!({}), false),
        ("allow_everybody = true", json!({}), false),
        ("create = true\nallow_everybody = true", json!({}), true),
        (groups, json!({}), true),
        (groups, json!({ "groups": ["cluster users"] }), false),
        (groups, json!({ "groups": ["Cluster Users "] }), false),
        (groups, json!({ "groups": [] }), false),
        (groups, json!({ "groups": null }), false),
        (domains, json!({}), true),
        (domains, json!({ "email": "ada@Example.Com" }), true),
        (domains, json!({ "email_verified": false }), false),
        (domains, json!({ "email_verified": null }), false),
        (domains, json!({ "email": null }), false),
        (domains, json!({ "email": "ada@evil.test" }), false),
        (domains, json!({ "email": "ada@sub.example.com" }), false),
        (domains, json!({ "email": "ada@example.com.evil.test" }), false),
        (domains, json!({ "email": "ada@evil.test@example.com" }), false),
        (domains, json!({ "email": "\"ada@evil.test\"@example.com" }), false),
        (domains, json!({ "email": "ada@evil.test, b@example.com" }), false),
        (domains, json!({ "email": "ada@еxample.com" }), false), // a Cyrillic letter
        (claims, json!({}), true),
        (claims, json!({ "department": ["chemistry", "physics"] }), true),
        (claims, json!({ "department": "Physics" }), false),
        (claims, json!({ "department": { "physics": true } }), false),
        (claims, json!({ "department": null }), false),
        (claims, json!({ "department": null, "realm": { "roles": ["login"] } }), true),
    ];
    for (text, change, expected) in table {
        let arrival = arriving(&with(change.clone()), text);
        assert_eq!(arrival.may_create.is_ok(), expected, "{text}: {change}");
        assert_eq!(arrival.mapped, Some(name("ada")), "who is there already may come in");
    }
}

#[test]
fn whoever_leaves_every_list_leaves_the_cluster_and_no_list_at_all_is_none_to_leave() {
    let groups = "create = true\nallow_groups = [\"Cluster Users\"]\nallow_domains = [\"example.org\"]";
    let closed = "allow_groups = [\"Cluster Users\"]";
    let domain = "allow_domains = [\"example.org\"]";
    let claims = "allow_claims = [\"department=chemistry\", \"city=Berlin\"]";
    let [yes, no, silent] = ["stays", "is unwelcome", "is not told of"];
    let table = [
        ("", json!({}), yes),
        ("create = true", json!({}), yes),
        (groups, json!({}), yes),
        (groups, json!({ "groups": [] }), no),
        (groups, json!({ "groups": null }), silent),
        (groups, json!({ "groups": [], "email": null }), silent),
        (groups, json!({ "groups": [], "email": "ada@example.org" }), yes),
        (closed, json!({}), yes),
        (closed, json!({ "groups": ["engines"] }), no),
        (closed, json!({ "groups": null }), silent),
        (domain, json!({}), no),
        (domain, json!({ "email": "ada@example.org", "email_verified": false }), no),
        (domain, json!({ "email": "ada@example.org", "email_verified": null }), silent),
        (domain, json!({ "email": null }), silent),
        (claims, json!({ "city": "Paris" }), no),
        (claims, json!({}), silent),
        (claims, json!({ "city": "Paris", "department": null }), silent),
    ];
    for (text, change, expected) in table {
        let told = match arriving(&with(change.clone()), text).may_stay {
            Ok(()) => yes,
            Err(Error::Unwelcome(_)) => no,
            Err(_) => silent,
        };
        assert_eq!(told, expected, "{text}: {change}");
    }
}

#[test]
fn groups_are_those_of_the_map_and_never_such_as_give_rights() {
    let table = [
        ("", json!({}), Some(vec![])),
        ("group_map = [\"*\"]", json!({}), Some(vec!["engines"])),
        ("group_map = [\"engines\", \"Cluster Users=cluster\"]", json!({}), Some(vec!["cluster", "engines"])),
        ("group_map = [\"engines\"]", json!({ "groups": ["Engines", " engines"] }), Some(vec![])),
        (
            "group_map = [\"*\"]",
            json!({ "groups": ["docker", "wheel", "Sudo", "a:b", "-x", ""] }),
            Some(vec![]),
        ),
        ("group_map = [\"*\"]", json!({ "groups": [] }), Some(vec![])),
        ("group_map = [\"*\"]\ngroups = [\"cluster\"]", json!({ "groups": [] }), Some(vec!["cluster"])),
        ("group_map = [\"*\"]", json!({ "groups": null }), None),
        ("groups = [\"cluster\"]", json!({ "groups": null }), Some(vec!["cluster"])),
    ];
    for (text, change, expected) in table {
        let groups = arriving(&with(change.clone()), text).groups;
        assert_eq!(groups, expected.map(|texts| names(&texts).into_iter().collect()), "{text}: {change}");
    }
    let silent = arriving(&with(json!({ "groups": null })), "group_map = [\"*\"]\ngroups = [\"cluster\"]");
    assert_eq!((silent.groups, silent.first_groups), (None, [name("cluster")].into()));
}

#[test]
fn what_does_not_fit_an_account_is_left_out_of_it() {
    let odd = with(json!({ "name": "Ada: Lovelace", "email_verified": false, "login_shell": "bash" }));
    let ada = arriving(&odd, "shell_claim = \"login_shell\"");
    assert_eq!((ada.gecos, ada.email, ada.shell), (None, None, None));
    let ada = arriving(&with(json!({ "login_shell": "/bin/zsh" })), "shell_claim = \"login_shell\"");
    assert_eq!(ada.shell.unwrap().as_str(), "/bin/zsh");
    let strange = Claims::of(&with(json!({ "sub": "sub-adа" })));
    assert!(arrival(&strange, secret("a.b.c"), name("ada"), &OidcUsers::default()).is_err());
}
