//! The settings of shared databases: which is chosen, what each must say, and that no secret gets out.

use super::super::{Backend, Libsql, Secret, SharedSql, check};
use super::*;

const POSTGRES: &str = "[backend.postgres]\nurl = \"postgres://u:hunter2@db/pody\"\n";

fn postgres(settings: &Settings) -> &SharedSql {
    match &settings.backend {
        Backend::Postgres(shared) => shared,
        other => panic!("{other:?}"),
    }
}

fn libsql(settings: &Settings) -> &Libsql {
    match &settings.backend {
        Backend::Libsql(libsql) => libsql,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_backend_the_directory_is_a_file_of_this_node() {
    assert_eq!(parse("").backend, Backend::Local);
    assert!(Backend::Local.auto_migrate());
    assert_eq!(Backend::Local.table(), None);
}

#[test]
fn the_settings_are_spelt_as_in_the_original() {
    let environment = variables([
        ("PNPR_LIBSQL_URL", "libsql://logins.turso.io"),
        ("PNPR_LIBSQL_TOKEN", "t0ken"),
        ("PNPR_POSTGRES_URL", "postgres://u@db/logins"),
        ("PNPR_MYSQL_URL", "mysql://u@db/logins"),
    ]);
    let remote = "[backend.libsql]\nurl = \"${PNPR_LIBSQL_URL}\"\nauthToken = \"${PNPR_LIBSQL_TOKEN}\"\n";
    let settings = parse_with(remote, &environment);
    let mut expected = Libsql {
        url: Secret::from("libsql://logins.turso.io".to_owned()),
        auth_token: Some(Secret::from("t0ken".to_owned())),
        replica_path: None,
        sync_interval: Some(Duration::from_secs(60)),
        auto_migrate: false,
    };
    assert_eq!(*libsql(&settings), expected);

    let replica = format!("{remote}replicaPath = \"./auth-replica.db\"\nsyncIntervalSecs = 0\n");
    expected.replica_path = Some("/var/lib/pody/./auth-replica.db".into());
    expected.sync_interval = None;
    assert_eq!(*libsql(&parse_with(&replica, &environment)), expected);

    for name in ["postgres", "postgresql"] {
        let text = format!("[backend.{name}]\nurl = \"${{PNPR_POSTGRES_URL}}\"\nmaxConnections = 16\n");
        let url = Secret::from("postgres://u@db/logins".to_owned());
        let expected = SharedSql { url, max_connections: 16, auto_migrate: false };
        assert_eq!(parse_with(&text, &environment).backend, Backend::Postgres(expected));
    }
    let settings =
        parse_with("[backend.mysql]\nurl = \"${PNPR_MYSQL_URL}\"\nmaxConnections = 9\n", &environment);
    let Backend::Mysql(mysql) = &settings.backend else { panic!("{settings:?}") };
    assert_eq!((mysql.max_connections, mysql.location()), (9, "mysql://db/logins".to_owned()));
}

#[test]
fn names_may_be_in_snake_case_and_are_given_once() {
    let snake = format!("{POSTGRES}max_connections = 5\nauto_migrate = true\n");
    let camel = format!("{POSTGRES}maxConnections = 5\nautoMigrate = true\n");
    assert_eq!(parse(&snake), parse(&camel));
    assert!(parse(&snake).backend.auto_migrate());
    let path = "[backend.libsql]\nurl = \"http://127.0.0.1:8080\"\nreplica_path = \"/r\"\nsync_interval_secs = 5\nauth_token = \"t\"\n";
    assert_eq!(libsql(&parse(path)).sync_interval, Some(Duration::from_secs(5)));
    for (more, expected) in [
        (
            "max_connections = 5\nmaxConnections = 5\n",
            "4:18: backend.postgres.maxConnections: says again, or otherwise, what backend.postgres.maxConnections at 3:19 says",
        ),
        (
            "urlFile = \"nowhere\"\n",
            "3:11: backend.postgres.urlFile: says again, or otherwise, what backend.postgres.url at 2:7 says",
        ),
    ] {
        let errors = errors(&format!("{POSTGRES}{more}"));
        assert!(errors.iter().any(|error| error.starts_with(expected)), "{errors:#?}");
    }
}

#[test]
fn exactly_one_backend_is_chosen() {
    let mysql = "[backend.mysql]\nurl = \"mysql://u@db/pody\"\n";
    for (text, expected) in [
        (
            format!("{POSTGRES}{mysql}"),
            "3:10: backend: wants one table of [backend.libsql], [backend.postgres], [backend.mysql], and there are \
             [backend.postgres] and [backend.mysql]; without",
        ),
        (format!("{mysql}{POSTGRES}"), "3:10: backend: wants one table of"),
        (
            POSTGRES.replace("postgres]", "postgresql]") + POSTGRES,
            "3:10: backend: wants one table of [backend.libsql], [backend.postgres], [backend.mysql], and there are \
             [backend.postgresql] and [backend.postgres]; without",
        ),
        ("[backend.mysql]\n[backend.libsql]\n[backend.postgres]\n".into(), "2:10: backend: wants one"),
        (
            "[backend]\n".into(),
            "1:2: backend: wants one table of [backend.libsql], [backend.postgres], [backend.mysql], and there is none",
        ),
        ("backend = {}\n".into(), "1:1: backend: wants one table"),
        (
            "[backend.postgress]\nurl = \"x\"\n".into(),
            "1:10: backend.postgress: is not a setting; did you mean backend.postgres?",
        ),
        ("[backend]\nurl = \"x\"\n".into(), "2:1: backend.url: is not a setting of this version"),
        ("backend = \"postgres\"\n".into(), "1:1: backend: is a section: write [backend]"),
        (
            "[backend]\npostgresql = \"x\"\n".into(),
            "2:1: backend.postgres: is a section: write [backend.postgres]",
        ),
    ] {
        let error = error(&text);
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    let from_elsewhere =
        error_with(POSTGRES, &variables([("PODY_BACKEND__MYSQL__URL", "mysql://u@db/pody")]));
    assert!(
        from_elsewhere.starts_with("PODY_BACKEND__MYSQL__URL: backend: wants one table")
            && from_elsewhere.contains("[backend.postgres] and [backend.mysql]"),
        "{from_elsewhere}"
    );
}

#[test]
fn a_backend_without_its_url_is_refused_where_it_stands() {
    let lacks = "lacks its url, which says where the database is; or give urlFile";
    assert!(
        error("\n[backend.postgres]\nmaxConnections = 5\n")
            .starts_with(&format!("2:10: backend.postgres: {lacks}"))
    );
    assert!(error("[backend.libsql]\n").starts_with(&format!("1:10: backend.libsql: {lacks}")));
    let alone = error_with("", &variables([("PODY_BACKEND__MYSQL__MAX_CONNECTIONS", "5")]));
    assert!(
        alone.starts_with(&format!("PODY_BACKEND__MYSQL__MAX_CONNECTIONS: backend.mysql: {lacks}")),
        "{alone}"
    );
}

#[test]
fn wrong_values_are_named_with_their_place() {
    for (text, expected) in [
        ("[backend.postgres]\nurl = 5\n", "2:7: backend.postgres.url: must be text in quotes"),
        ("[backend.postgres]\nurl = \"\"\n", "2:7: backend.postgres.url: must begin with postgres://"),
        (
            "[backend.postgres]\nurl = \"mysql://u:hunter2@db/pody\"\n",
            "2:7: backend.postgres.url: must begin with postgres://",
        ),
        (
            "[backend.postgres]\nurl = \"postgres://u:hunter2@db\"\n",
            "2:7: backend.postgres.url: names no database",
        ),
        ("[backend.mysql]\nurl = \"mysql://u:hunter2@/pody\"\n", "2:7: backend.mysql.url: names no host"),
        (
            "[backend.mysql]\nurl = \"mysql://db/pody?sslmode=on\"\n",
            "2:7: backend.mysql.url: has a parameter, number 1, sslmode, that is none of disabled",
        ),
        ("[backend.libsql]\nurl = \"file:x.db\"\n", "2:7: backend.libsql.url: must begin with libsql://"),
        (
            "[backend.postgres]\nurl = \"${DB_URL}\"\n",
            "2:7: backend.postgres.url: wants the environment variable DB_URL, which is not set",
        ),
        (
            &format!("{POSTGRES}maxConnections = 0\n"),
            "3:18: backend.postgres.maxConnections: must be a whole number from 1 to 1000",
        ),
        (
            &format!("{POSTGRES}autoMigrate = \"yes\"\n"),
            "3:15: backend.postgres.autoMigrate: must be true or false, without quotes",
        ),
        (
            &format!("{POSTGRES}autoMigrate = 1\n"),
            "3:15: backend.postgres.autoMigrate: must be true or false; this is a number",
        ),
        (
            &format!("{POSTGRES}authToken = \"t\"\n"),
            "3:1: backend.postgres.authToken: is not a setting; did you mean backend.libsql.authToken?",
        ),
        (
            "[backend.libsql]\nurl = \"http://db\"\nauthToken = \"\"\n",
            "3:13: backend.libsql.authToken: must be a token",
        ),
        (
            "[backend.libsql]\nurl = \"http://db\"\nauthToken = \"hunter2 \"\n",
            "3:13: backend.libsql.authToken: must be a token",
        ),
        (
            "[backend.libsql]\nurl = \"http://db\"\nreplicaPath = \"\"\n",
            "3:15: backend.libsql.replicaPath: must be the path of a file",
        ),
        (
            "[backend.libsql]\nurl = \"http://db\"\nsyncIntervalSecs = \"60s\"\n",
            "3:20: backend.libsql.syncIntervalSecs: must be a whole number from 0 to 86400, without",
        ),
    ] {
        let error = error(text);
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn variables_choose_a_backend_or_override_it() {
    let url = |user: &str| format!("postgres://{user}@db/pody");
    for name in ["POSTGRES", "POSTGRESQL"] {
        let variable = format!("PODY_BACKEND__{name}__URL");
        let connections = format!("PODY_BACKEND__{name}__MAX_CONNECTIONS");
        let migrate = format!("PODY_BACKEND__{name}__AUTO_MIGRATE");
        let environment =
            variables([(&variable, url("v").as_str()), (&connections, "3"), (&migrate, "true")]);
        for file in ["", POSTGRES, &POSTGRES.replace("postgres]", "postgresql]")] {
            let settings = parse_with(file, &environment);
            let shared = postgres(&settings);
            assert_eq!(
                (shared.url.expose(), shared.max_connections, shared.auto_migrate),
                (url("v").as_str(), 3, true)
            );
        }
    }
    let twice = error_with(
        "",
        &variables([
            ("PODY_BACKEND__POSTGRES__URL", &url("a")),
            ("PODY_BACKEND__POSTGRESQL__URL", &url("b")),
        ]),
    );
    assert!(twice.starts_with("PODY_BACKEND__POSTGRES__URL: backend.postgres.url: says again"), "{twice}");
    let misspelt = error_with("", &variables([("PODY_BACKEND__POSTGRES__MAXCONNECTIONS", "3")]));
    assert!(misspelt.ends_with("did you mean PODY_BACKEND__POSTGRES__MAX_CONNECTIONS?"), "{misspelt}");
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own() {
    let (home, environment) = home("secrets");
    let file = home.join("database-url");
    let config = home.join("config.toml");
    let with =
        |file: &str| fs::write(&config, format!("[backend.postgresql]\nurl_file = \"{file}\"\n")).unwrap();
    let error = || load(None, &environment).unwrap_err()[0].to_string();

    with(file.to_str().unwrap());
    fs::write(&file, "postgres://u:hunter2@db/pody\n").unwrap();
    assert_eq!(postgres(&load(None, &environment).unwrap()).url.expose(), "postgres://u:hunter2@db/pody");
    for (content, expected) in [
        ("mysql://u:hunter2@db/pody", "must begin with postgres://"),
        (" \n", "is empty"),
        (&"x".repeat(20_000), "is too long"),
    ] {
        fs::write(&file, content).unwrap();
        assert!(
            error().contains(expected) && error().contains("config.toml:2:12: backend.postgres.urlFile: "),
            "{}",
            error()
        );
    }
    fs::remove_file(&file).unwrap();
    assert!(error().contains("database-url cannot be read: No such file"), "{}", error());
    with("../secret");
    assert!(error().contains("must be an absolute path, or the name of a credential"), "{}", error());

    with("database-url");
    fs::write(&file, "postgres://u:hunter2@db/pody\n").unwrap();
    let by_systemd =
        variables([("PODY_HOME", home.to_str().unwrap()), ("CREDENTIALS_DIRECTORY", home.to_str().unwrap())]);
    assert_eq!(postgres(&load(None, &by_systemd).unwrap()).location(), "postgres://db/pody");
    fs::remove_dir_all(home).unwrap();
}

#[test]
fn a_check_needs_no_secret_that_podyd_alone_may_read() {
    let (home, environment) = home("check");
    fs::write(
        home.join("config.toml"),
        "[backend.mysql]\nurlFile = \"database-url\"\n[auth.htpasswd]\nfile = \"users\"\n",
    )
    .unwrap();
    let checked = check(None, &environment).unwrap();
    assert_eq!(checked.notes.len(), 2, "{checked:?}");
    assert!(
        checked.notes[0].contains("config.toml:2:11: backend.mysql.urlFile: is a credential"),
        "{checked:?}"
    );
    assert!(
        checked.notes[1].starts_with("auth.htpasswd.file has no effect: with [backend.mysql]"),
        "{checked:?}"
    );
    assert!(
        load(None, &environment).unwrap_err()[0].to_string().contains("urlFile: is a credential"),
        "podyd needs it"
    );

    fs::write(home.join("config.toml"), "[backend.mysql]\nurlFile = \"database-url\"\nmaxConnections = 0\n")
        .unwrap();
    assert_eq!(check(None, &environment).unwrap_err().len(), 2, "mistakes and what cannot be read");
    fs::remove_dir_all(home).unwrap();
}

#[test]
fn no_secret_is_in_any_output() {
    let secret = "hunter2";
    let texts = [
        POSTGRES.to_owned(),
        format!("{POSTGRES}maxConnections = 0\nurlFile = \"{secret}\"\n"),
        format!("[backend.libsql]\nurl = \"http://db\"\nauthToken = \"{secret}\"\n"),
        format!(
            "[backend.libsql]\nurl = \"http://db\"\nauthToken = \"{secret}\"\nauth_token = \"{secret}\"\n"
        ),
        format!(
            "[backend.libsql]\nurl = \"http://{secret}@db?{secret}#{secret}\"\nauthToken = \"ä{secret}\"\n"
        ),
        format!("[backend.mysql]\nurl = \"mysql://u:{secret}@db:{secret}/pody\"\n[backend]\n"),
        format!("[backend.mysql]\nurl = \"mysql://u:{secret}@db/pody?{secret}={secret}\"\n"),
        format!("[backend.mysql]\nurl = \"mysql://u:{secret}@db/pody?sslmode={secret}\n"),
    ];
    for text in texts {
        let shown = match parse_str(&text, &no_variables()) {
            Ok(settings) => {
                format!("{settings:?} {settings:#?} {:?}", settings.reload_diff(&Settings::default()))
            }
            Err(errors) => {
                errors.iter().map(|error| format!("{error} {error:?}")).collect::<Vec<_>>().join("\n")
            }
        };
        assert!(!shown.contains(secret), "{text}: {shown}");
    }
}

#[test]
fn a_changed_password_waits_for_a_restart() {
    let reload = parse(POSTGRES).reload_diff(&parse(&POSTGRES.replace("hunter2", "hunter3")));
    assert_eq!((reload.applied, reload.needs_restart), (vec![], vec!["backend.postgres"]));
}

#[test]
fn the_cap_on_users_may_be_given_in_either_place_or_twice_the_same() {
    let cap = |text: &str| parse(text).auth.max_users;
    assert_eq!(cap("[auth.htpasswd]\nmax_users = 7\n"), Some(7));
    assert_eq!(cap("[auth]\nmax_users = 7\n[auth.htpasswd]\nmax_users = 7\n"), Some(7));
    let error = error("[auth]\nmax_users = 7\n[auth.htpasswd]\nmax_users = 8\n");
    assert!(
        error.starts_with("4:13: auth.htpasswd.max_users: says again, or otherwise, what auth.max_users at 2:13 says; keep one"),
        "{error}"
    );
    let over = parse_with("[auth.htpasswd]\nmax_users = 8\n", &variables([("PODY_AUTH__MAX_USERS", "9")]));
    assert_eq!(over.auth.max_users, Some(9), "the environment wins, whatever the name");
}

#[test]
fn local_files_lie_in_the_state_directory_and_have_no_effect_beside_a_backend() {
    let local = "[auth.htpasswd]\nfile = \"users\"\n[auth.tokens]\nfile = \"/srv/tokens\"\n";
    let settings = parse(local);
    assert_eq!(settings.auth.htpasswd, Some("/var/lib/pody/users".into()));
    assert_eq!(settings.auth.tokens, Some("/srv/tokens".into()));
    let warnings = settings.warnings();
    assert!(warnings.len() == 1 && warnings[0].starts_with("auth.tokens.file has no effect"), "{warnings:?}");
    let warnings = parse(&format!("{local}{POSTGRES}")).warnings();
    assert_eq!(
        warnings,
        [
            "auth.htpasswd.file has no effect: with [backend.postgres] the users are in that database",
            "auth.tokens.file has no effect: tokens are kept with their owners, in the directory, so that both go at once",
        ]
    );
}

#[test]
fn remembering_passwords_can_be_switched_off() {
    let max_age = |text: &str| parse(text).offline.max_age;
    assert_eq!(max_age(""), Duration::from_secs(7 * 86_400));
    for off in ["off", "0s"] {
        assert_eq!(max_age(&format!("[offline]\nmax_age = \"{off}\"\n")), Duration::ZERO);
    }
    let error = error("[offline]\nmax_age = \"2000d\"\n");
    assert!(error.starts_with("2:11: offline.max_age: must be a length of time"), "{error}");
    assert!(super::error("[auth.lockout]\nfirst_wait = \"off\"\n").contains("from 1s to 1d"));
}
