//! The settings of the OpenID provider, and who has the say about them.

use super::*;

const FILE: &str = "[oidc]\nissuer = \"https://file.example.com\"\nclient_id = \"file\"\nclient_secret = \"file-secret\"\n\
                    groups_claim = \"roles\"\n";

#[test]
fn a_file_names_a_provider() {
    let oidc = parse(FILE).oidc;
    assert!(oidc.is_configured() && !oidc.from_environment);
    assert_eq!((oidc.issuer.as_str(), oidc.client_id.as_str()), ("https://file.example.com", "file"));
    assert_eq!(oidc.scopes.as_str(), "openid profile email");
    assert_eq!((oidc.client_secret.expose(), oidc.groups_claim.as_str()), ("file-secret", "roles"));
    assert!(!parse("[oidc]\ngroups_claim = \"roles\"\n").oidc.is_configured());
}

#[test]
fn any_variable_takes_the_whole_provider_from_the_environment() {
    let both = [("OIDC_ISSUER", "https://env.example.com/"), ("OIDC_CLIENT_ID", "env")];
    let oidc = parse_with(FILE, &variables(both)).oidc;
    assert_eq!((oidc.issuer.as_str(), oidc.client_id.as_str()), ("https://env.example.com/", "env"));
    assert!(
        oidc.from_environment && oidc.client_secret.is_empty(),
        "the file's secret is for the file's provider"
    );
    assert_eq!(oidc.groups_claim.as_str(), "groups");

    // What is ignored is not judged either, but for what is no setting at all.
    let broken = "[oidc]\nissuer = 7\nclient_secret_file = \"/nowhere\"\n";
    assert!(parse_with(broken, &variables(both)).oidc.is_configured());
    assert!(error_with("[oidc]\nisuer = 7\n", &variables(both)).contains("oidc.isuer"));

    for (variable, missing) in [
        (("OIDC_ISSUER", "https://env.example.com"), "set OIDC_CLIENT_ID;"),
        (("OIDC_CLIENT_ID", "env"), "set OIDC_ISSUER;"),
        (("OIDC_CLIENT_SECRET", "s"), "set OIDC_ISSUER and OIDC_CLIENT_ID;"),
        (("OIDC_SCOPES", "openid"), "set OIDC_ISSUER and OIDC_CLIENT_ID;"),
    ] {
        let error = error_with(FILE, &variables([variable]));
        assert!(error.starts_with(variable.0) && error.contains(missing), "{error}");
    }
}

#[test]
fn an_empty_variable_is_none() {
    let oidc = parse_with(FILE, &variables([("OIDC_ISSUER", ""), ("OIDC_CLIENT_SECRET", "")])).oidc;
    assert_eq!((oidc.issuer.as_str(), oidc.from_environment), ("https://file.example.com", false));
}

#[test]
fn the_particular_variable_wins_over_both() {
    let environment = variables([
        ("OIDC_ISSUER", "https://env.example.com"),
        ("OIDC_CLIENT_ID", "env"),
        ("PODY_OIDC__CLIENT_ID", "particular"),
        ("PODY_OIDC__CA_FILE", "/etc/ca.pem"),
    ]);
    let oidc = parse_with("", &environment).oidc;
    assert_eq!((oidc.client_id.as_str(), oidc.ca_file), ("particular", Some("/etc/ca.pem".into())));
}

#[test]
fn half_a_provider_is_refused() {
    for (text, missing) in [
        ("[oidc]\nissuer = \"https://a\"\n", "2:10: oidc.issuer: [oidc] is incomplete: set client_id;"),
        ("[oidc]\nclient_id = \"a\"\n", "2:13: oidc.client_id: [oidc] is incomplete: set issuer;"),
        ("[oidc]\nclient_secret = \"s\"\n", "set issuer and client_id;"),
        ("[oidc]\nissuer = \"http://a\"\nclient_id = \"a\"\n", "2:10: oidc.issuer: must begin with https://"),
        ("[oidc]\nscopes = \"profile\"\n", "2:10: oidc.scopes: must have openid"),
    ] {
        let error = error(text);
        assert!(error.contains(missing), "{text}: {error}");
    }
}

#[test]
fn a_secret_comes_from_a_file_and_is_never_shown() {
    let (home, environment) = home("oidc-secret");
    fs::write(home.join("secret"), "very-secret\n").unwrap();
    let text = format!(
        "[oidc]\nissuer = \"https://a\"\nclient_id = \"a\"\nclient_secret_file = \"{}\"\n",
        home.join("secret").display()
    );
    fs::write(home.join("config.toml"), text).unwrap();
    let settings = load(None, &environment).unwrap();
    assert_eq!(settings.oidc.client_secret.expose(), "very-secret");
    assert!(!format!("{settings:?}").contains("very-secret"));
    fs::remove_dir_all(home).unwrap();
}

#[test]
fn a_changed_secret_is_a_change() {
    let changed = FILE.replace("file-secret", "another");
    let reload = parse(FILE).reload_diff(&parse(&changed));
    assert_eq!((reload.applied, reload.needs_restart), (vec!["oidc.client_secret"], vec![]));
}

#[test]
fn lists_come_from_the_file_or_from_a_variable() {
    let text = "[oidc.users]\nallow_groups = [\"Cluster Users\", \"${TEAM}\"]\n";
    let users = parse_with(text, &variables([("TEAM", "a=b,c")])).oidc_users;
    let groups: Vec<String> = users.allow_groups.iter().map(ToString::to_string).collect();
    assert_eq!(groups, ["Cluster Users", "a=b,c"]);
    let environment = variables([
        ("PODY_OIDC__USERS__ALLOW_GROUPS", " staff , Cluster Users"),
        ("PODY_OIDC__USERS__CREATE", "true"),
        ("PODY_OIDC__LOGIN__SERVICES", "sshd"),
        ("OIDC_ISSUER", "https://env.example.com"),
        ("OIDC_CLIENT_ID", "env"),
    ]);
    let settings = parse_with("[oidc.users]\ngroup_map = [\"*\"]\nallow_groups = [\"x\"]", &environment);
    let groups: Vec<String> = settings.oidc_users.allow_groups.iter().map(ToString::to_string).collect();
    assert_eq!((groups, settings.oidc_users.create), (vec!["staff".into(), "Cluster Users".into()], true));
    assert_eq!(settings.oidc_users.group_map.len(), 1, "the file still says what becomes of people");
    assert!(settings.oidc_login.serves("sshd") && !settings.oidc_login.serves("sudo"));
}

#[test]
fn a_list_is_refused_for_what_is_wrong_with_an_entry() {
    for (text, expected) in [
        ("group_map = [\"*\", \"a=sudo\"]", "2:13: oidc.users.group_map: entry 2 cannot be sudo"),
        ("allow_domains = [\"@example.com\"]", "2:17: oidc.users.allow_domains: entry 1 must be a domain"),
        ("allow_claims = [\"department\"]", "entry 1 must be CLAIM=TEXT"),
        ("allow_groups = \"staff\"", "2:16: oidc.users.allow_groups: must be a list of texts"),
        ("allow_groups = [7]", "must be a list of texts"),
        ("name_claim = [\"a\"]", "must be text in quotes"),
        ("alow_groups = []", "did you mean oidc.users.allow_groups?"),
    ] {
        let error = error(&format!("[oidc.users]\n{text}\n"));
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn whoever_lets_nobody_in_is_told_so() {
    let warnings = |text: &str| parse(text).warnings().join("; ");
    assert!(warnings(&format!("{FILE}[oidc.users]\ncreate = true\n")).contains("nobody is allowed"));
    assert!(warnings("[oidc.users]\ncreate = true\nallow_everybody = true\n").contains("no OpenID provider"));
    let complete = format!("{FILE}[oidc.users]\ncreate = true\nallow_groups = [\"staff\"]\n");
    assert_eq!(warnings(&complete), "");
}
