//! The story of a configuration, from its text to settings or to everything that is wrong with it.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use identity::IdRange;
use proptest::prelude::*;

use super::{Environment, Settings, load, parse_str};

#[cfg(all(feature = "backend-libsql", feature = "backend-postgres", feature = "backend-mysql"))]
mod backends;
mod oidc;
mod quota;
mod remote_user_profile;

fn no_variables() -> Environment {
    Environment::default()
}

fn variables<const N: usize>(variables: [(&str, &str); N]) -> Environment {
    variables.into_iter().collect()
}

fn parse(text: &str) -> Settings {
    parse_with(text, &no_variables())
}

fn parse_with(text: &str, environment: &Environment) -> Settings {
    parse_str(text, environment).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// The errors as they are shown, without the path of the file.
fn errors(text: &str) -> Vec<String> {
    errors_with(text, &no_variables())
}

fn errors_with(text: &str, environment: &Environment) -> Vec<String> {
    let errors = parse_str(text, environment).expect_err("this is wrong");
    errors.iter().map(|error| error.to_string().replace("/etc/pody/config.toml:", "")).collect()
}

fn error_with(text: &str, environment: &Environment) -> String {
    let mut errors = errors_with(text, environment);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    errors.remove(0)
}

fn error(text: &str) -> String {
    error_with(text, &no_variables())
}

/// A directory of one test's own, as `PODY_HOME`.
fn home(test: &str) -> (PathBuf, Environment) {
    let home = std::env::temp_dir().join(format!("pody-config-{test}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&home);
    fs::create_dir(&home).unwrap();
    let environment = [("PODY_HOME", &home)].into_iter().collect();
    (home, environment)
}

#[test]
fn an_empty_file_is_every_default() {
    assert_eq!(parse(""), Settings::default());
    assert_eq!(parse("# nothing\r\n\n"), Settings::default());
    assert_eq!(parse("[ids]\n[auth.lockout]\n"), Settings::default());
}

#[test]
fn what_the_file_says_is_set() {
    let settings = parse(
        "[ids]\nmin = 1_000_000\nmax = 0x7000_0000\n[users]\nhome = '/srv/%U'\n[auth]\nmax_users = 7\n\
         lockout.longest_wait = \"2h\"\n[password]\npasses = 3\n[log]\nlevel = \"debug\"\n",
    );
    assert_eq!(settings.ids.allocate, IdRange::new(1_000_000, 0x7000_0000).unwrap());
    assert_eq!(settings.users.home.to_string(), "/srv/%U");
    assert_eq!(settings.auth.max_users, Some(7));
    assert_eq!(settings.auth.lockout.longest_wait, Duration::from_secs(7200));
    assert_eq!(settings.password.passes, 3);
    assert_eq!(settings.log.level.to_string(), "debug");
}

#[test]
fn every_kind_of_error_says_where_and_what() {
    for (text, expected) in [
        ("[ids]\nmin = 5\n", "2:7: ids.min: must be a whole number from 1000 to 4294967294"),
        ("[ids]\nmin = -5\n", "2:7: ids.min: must be"),
        ("[ids]\nmin = 99999999999999999999999\n", "2:7: ids.min: must be"),
        (
            "[ids]\n  min = \"5\"\n",
            "2:9: ids.min: must be a whole number from 1000 to 4294967294, without quotes",
        ),
        (
            "[ids]\nmin = 5.0\n",
            "2:7: ids.min: must be a whole number from 1000 to 4294967294; this is of type float",
        ),
        ("[ids]\nmin = [5]\n", "of type array"),
        ("[ids]\nmin = {}\n", "2:7: ids.min: must be"),
        ("[ids.min]\n", "ids.min: must be"),
        ("[users]\nhome = 5\n", "2:8: users.home: must be text in quotes; this is a number"),
        ("[users]\nhome = true\n", "of type boolean"),
        ("[users]\nhome = \"/home/%n\"\n", "2:8: users.home: knows %u"),
        ("[users]\nshell = \"bash\"\n", "2:9: users.shell: it is an absolute path"),
        (
            "[auth]\nmode = \"oidc-only\"\n",
            "2:8: auth.mode: \"oidc-only\" needs a provider, and nobody could log in: set issuer and client_id in [oidc]",
        ),
        (
            "[auth]\nmode = \"oidc-only\"\n[oidc]\nissuer = \"https://idp.example\"\n",
            "4:10: oidc.issuer: [oidc] is incomplete: set client_id",
        ),
        (
            "[auth]\nmode = \"oidc-only\"\n[auth.htpasswd]\nfile = \"/x\"\n[oidc]\nissuer = \"https://idp.example\"\n\
             client_id = \"pody\"\n",
            "2:8: auth.mode: \"oidc-only\" takes no passwords, and [auth.htpasswd] file is a file of passwords",
        ),
        ("[auth]\nmode = \"Standalone\"\n", "2:8: auth.mode: is \"standalone\" or \"oidc-only\""),
        ("[auth]\nmax_users = 0\n", "2:13: auth.max_users: must be"),
        (
            "[auth.lockout]\nfirst_wait = \"1 minute\"\n",
            "2:14: auth.lockout.first_wait: must be a length of time",
        ),
        ("[auth.lockout]\nfirst_wait = \"2d\"\n", "from 1s to 1d"),
        ("[password]\nlanes = 0\n", "2:9: password.lanes: must be a whole number from 1 to 16"),
        ("[password]\nverifications = 65\n", "from 0 to 64"),
        ("[log]\nlevel = \"loud\"\n", "2:9: log.level: is one of \"error\""),
        ("auth = 1\n", "1:1: auth: is a section: write [auth]"),
        ("[[auth]]\nmode = \"standalone\"\n", "1:3: auth: is a section: write [auth]"),
        ("[ids]\nmin = \n", "2:7: TOML: "),
        ("[ids]\nmin = 2000\nmin = 2000\n", "3:1: TOML: duplicate key"),
        ("[users]\nhöme = \"/\"\n", "2:2: TOML: "),
        ("[users]\n\"/\" = 1; \n", "2:7: TOML: "),
    ] {
        let error = error(text);
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn unknown_keys_are_refused_and_near_misses_recognised() {
    for (text, expected) in [
        ("[ids]\nmni = 2000\n", "2:1: ids.mni: is not a setting; did you mean ids.min?"),
        ("[user]\nhome = \"/x\"\n", "1:2: user: is not a setting; did you mean users?"),
        (
            "[auth]\nuser_failures = 3\n",
            "2:1: auth.user_failures: is not a setting; did you mean auth.lockout.user_failures?",
        ),
        ("[password]\nminLength = 9\n", "did you mean password.min_length?"),
        ("[database]\nurl = \"x\"\n", "1:2: database: is not a setting of this version"),
        ("\"auth.lockout\" = {}\n", "1:1: \"auth.lockout\": is not a setting"),
        ("\"\\u001b[2J\" = 1\n", "1:1: \"\\u{1b}[2J\": is not a setting"),
    ] {
        let error = error(text);
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

#[cfg(not(feature = "backend-postgres"))]
#[test]
fn a_backend_that_is_not_compiled_in_is_refused_with_its_feature() {
    let error = error("[log]\n[backend.postgresql]\nurl = \"postgres://u@db/pody\"\n");
    assert!(error.starts_with("2:10: backend.postgres: is not in this podyd"), "{error}");
    assert!(error.contains("--features backend-postgres"), "{error}");
}

#[test]
fn everything_that_is_wrong_is_said_at_once_and_in_order() {
    let text =
        "[ids]\nmin = 5\nmax = \n\n[users]\nhome = \"x\"\nshel = \"/bin/sh\"\n[password]\nlanes = \"1\"\n";
    let found = errors_with(text, &variables([("PODY_LOG__LEVEL", "loud"), ("PODY_NOT__THERE", "")]));
    let places: Vec<&str> = found.iter().map(|error| error.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        ["2:7", "3:7", "6:8", "7:1", "9:9", "PODY_LOG__LEVEL", "PODY_NOT__THERE"],
        "{found:#?}"
    );
}

#[test]
fn a_file_of_nothing_but_errors_is_given_up_in_time() {
    let mut text: String = (0..50_000).map(|number| format!("key{number} = 1\n")).collect();
    assert_eq!(errors(&text).len(), 100);
    text = "a = {b = 1, b = 1}\n".repeat(50_000);
    assert!(errors(&text).len() <= 100);
    text = format!("a = {{{}}}", "b = 1, ".repeat(100_000));
    assert_eq!(errors(&text).len(), 1);
}

#[test]
fn variables_win_over_the_file_and_the_particular_one_wins() {
    let file = "[ids]\nmin = 2000\n[auth.lockout]\nfirst_wait = \"5s\"\n[users]\nhome = \"/a\"\n";
    let environment = variables([
        ("PODY_IDS__MIN", "3000"),
        ("PODY_AUTH__LOCKOUT__FIRST_WAIT", "7s"),
        ("PODY_USERS__HOME", "/b/${X}"),
        ("PODY_AUTH__MODE", "standalone"),
        ("AUTH_MODE", "standalone"),
        ("PODY_SOMETHING", "else"),
    ]);
    let settings = parse_with(file, &environment);
    assert_eq!(settings.ids.allocate.min(), 3000);
    assert_eq!(settings.auth.lockout.first_wait, Duration::from_secs(7));
    assert_eq!(settings.users.home.to_string(), "/b/${X}", "a variable's value is taken as it stands");
}

#[test]
fn wrong_variables_are_named() {
    for (name, value, expected) in [
        ("PODY_IDS__MIN", "many", "PODY_IDS__MIN: ids.min: must be a whole number from 1000 to 4294967294"),
        ("PODY_IDS__MIN", "", "PODY_IDS__MIN: ids.min: must be"),
        ("PODY_IDS__MIN", "-1", "PODY_IDS__MIN: ids.min: must be"),
        ("PODY_IDS__MNI", "1", "PODY_IDS__MNI: ids.mni: is not a setting; did you mean PODY_IDS__MIN?"),
        ("PODY_AUTH__LOCKOUT", "1", "PODY_AUTH__LOCKOUT: auth.lockout: is not a setting of this version"),
        ("PODY_BACKEND__URL", "1", "PODY_BACKEND__URL: backend.url: is not a setting of this version"),
        ("PODY_ids__min", "2000", "PODY_ids__min: ids.min: is not a setting; did you mean PODY_IDS__MIN?"),
        ("AUTH_MODE", "oidc-only", "AUTH_MODE: auth.mode: \"oidc-only\" needs a provider"),
        ("AUTH_MODE", "", "AUTH_MODE: auth.mode: is \"standalone\" or \"oidc-only\""),
    ] {
        let error = error_with("", &variables([(name, value)]));
        assert!(error.starts_with(expected), "{error}");
    }
    let binary =
        [("PODY_USERS__HOME", std::ffi::OsString::from_vec(b"/\xff".to_vec()))].into_iter().collect();
    assert_eq!(error_with("", &binary), "PODY_USERS__HOME: users.home: is not UTF-8");
}

#[test]
fn whatever_a_variable_holds_stays_inside_its_text() {
    let file = "[users]\nhome = \"/home/${SITE}/%u\"\nshell = \"${SHELL_PATH:-/bin/sh}\"\n";
    for site in ["a\"b", "a'b", "x] [ids", "a = 1", "#", "\\", "\"\"\"", "a\"}"] {
        let settings = parse_with(file, &variables([("SITE", site)]));
        assert_eq!(settings.users.home.to_string(), format!("/home/{site}/%u"));
        assert_eq!(settings, Settings { users: settings.users.clone(), ..Settings::default() });
        assert_eq!(settings.users.shell.as_str(), "/bin/sh");
    }
    for site in ["a\nmin = 1", "a\"\n[ids]\nmin = 1000\n", "..", "a:b"] {
        assert!(
            error_with(file, &variables([("SITE", site)])).starts_with("2:8: users.home: does not make"),
            "{site}"
        );
    }
}

#[test]
fn a_reference_to_nothing_is_an_error_at_its_line() {
    let unset = error("[users]\nhome = \"/home/${SITE}/%u\"\n");
    assert!(
        unset.starts_with("2:8: users.home: wants the environment variable SITE, which is not set"),
        "{unset}"
    );
    assert_eq!(parse("[users]\nhome = \"/$${SITE}\"\n").users.home.to_string(), "/${SITE}");
    let binary = [("SITE", std::ffi::OsString::from_vec(vec![0xff]))].into_iter().collect();
    assert!(error_with("[users]\nhome = \"/${SITE}\"\n", &binary).contains("SITE, which is not UTF-8"));
}

#[test]
fn references_are_for_texts_alone() {
    let error = error_with("[ids]\nmin = \"${MIN}\"\n", &variables([("MIN", "2000")]));
    assert!(error.ends_with("without quotes"), "{error}");
}

#[test]
fn settings_that_do_not_fit_together_are_refused() {
    for (text, expected) in [
        (
            "[ids]\nmin = 3000\nmax = 2000\n",
            "2:7: ids.min: [ids] min = 3000, max = 2000: the first id is above",
        ),
        ("[ids]\nmax = 2000\n", "2:7: ids.max: [ids] min = 1900000000, max = 2000"),
        (
            "[ids]\nmin = 61184\nmax = 65535\n",
            "2:7: ids.min: [ids] 61184-65535 holds only ids that belong to systemd",
        ),
        ("[ids]\nmin = 524288\nmax = 1879048191\n", "holds only ids"),
        (
            "[auth.lockout]\nfirst_wait = \"1h\"\n",
            "2:14: auth.lockout.first_wait: [auth.lockout] first_wait is longer",
        ),
        ("[auth.lockout]\nforget_after = \"5m\"\n", "2:16: auth.lockout.forget_after: "),
        (
            "[password]\nmemory_kib = 19455\n",
            "2:14: password.memory_kib: [password] memory_kib = 19455 is too little for passes = 2: set memory_kib to 19456",
        ),
        (
            "[password]\npasses = 1\n",
            "2:10: password.passes: [password] memory_kib = 19456 is too little for passes = 1: set memory_kib to 47104",
        ),
        ("[password]\nmemory_kib = 1024\n", "must be a whole number from 7168"),
        (
            "[password]\nmemory_kib = 1048576\npasses = 5\n",
            "2:14: password.memory_kib: [password] memory_kib = 1048576 takes too long with passes = 5",
        ),
    ] {
        let error = error(text);
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    for good in [
        "[ids]\nmin = 60000\nmax = 70000\n",
        "[password]\nmemory_kib = 7168\npasses = 5\n",
        "[password]\nmemory_kib = 47104\npasses = 1\n",
        "[password]\nmemory_kib = 7168\npasses = 16\n",
    ] {
        parse(good);
    }
}

#[test]
fn a_rule_is_silent_about_what_could_not_be_read() {
    assert!(error("[ids]\nmin = 4294967295\n").contains("must be a whole number"));
    assert!(
        error("[auth.lockout]\nlongest_wait = \"never\"\nfirst_wait = \"1d\"\n").contains("longest_wait")
    );
}

#[test]
fn pody_home_moves_every_path() {
    let settings = parse_with("", &variables([("PODY_HOME", "/x")]));
    let paths = settings.paths;
    assert_eq!(
        [paths.config_file, paths.id_ranges, paths.state, paths.cache, paths.run],
        ["/x/config.toml", "/x/id-ranges", "/x/state", "/x/cache", "/x/run"].map(PathBuf::from)
    );
    for relative in ["", "x", "./x"] {
        assert!(
            error_with("", &variables([("PODY_HOME", relative)])).starts_with("PODY_HOME: paths: must be")
        );
    }
}

#[test]
fn files_that_are_absent_are_defaults_unless_they_were_named() {
    let (home, environment) = home("absent");
    let settings = load(None, &environment).unwrap();
    assert_eq!(settings.ids.accept, [IdRange::ORDINARY]);
    assert_eq!(settings.paths.config_file, home.join("config.toml"));
    let named = home.join("named.toml");
    let errors = load(Some(&named), &environment).unwrap_err();
    assert_eq!(errors[0].to_string(), format!("{}:1:1: file: does not exist", named.display()));
    fs::write(&named, "[log]\nlevel = \"warn\"\n").unwrap();
    let settings = load(Some(&named), &environment).unwrap();
    assert_eq!((settings.paths.config_file, settings.log.level.to_string()), (named, "warn".to_owned()));
    fs::remove_dir_all(home).unwrap();
}

#[test]
fn files_that_cannot_be_a_configuration_are_refused() {
    let (home, environment) = home("hostile");
    let file = home.join("config.toml");
    let error = || {
        let errors = load(None, &environment).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors[0].to_string()
    };
    fs::write(&file, [b'#'; 1024 * 1024 + 1]).unwrap();
    assert!(error().contains(":1:1: file: has more than 1048576 bytes"));
    fs::write(&file, b"[log]\n# \xc3\xa4\xff").unwrap();
    assert!(error().contains("config.toml:2:4: file: is not UTF-8 from here on"));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(error().contains(":1:1: file: cannot be read"));
    fs::remove_dir_all(home).unwrap();
}

#[test]
fn ids_are_allocated_only_where_the_modules_accept_them() {
    let (home, environment) = home("ranges");
    let ranges = home.join("id-ranges");
    let shown = |settings: Result<Settings, Vec<super::ConfigError>>| {
        settings.unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    fs::write(&ranges, "10000 20000\n1900000000 1999999999\n").unwrap();
    assert_eq!(load(None, &environment).unwrap().ids.accept.len(), 2);

    fs::write(&ranges, "10000 20000\n").unwrap();
    let error = shown(load(None, &environment));
    assert!(
        error.contains("id-ranges:1:1: ids.min: [ids] 1900000000-1999999999 is not inside any range of"),
        "{error}"
    );
    assert!(error.contains("add the line '1900000000 1999999999' there"), "{error}");

    fs::write(home.join("config.toml"), "[ids]\nmin = 15000\nmax = 25000\n").unwrap();
    assert!(
        shown(load(None, &environment)).contains("config.toml:2:7: ids.min: [ids] 15000-25000 is not inside")
    );

    fs::write(&ranges, "10000\n").unwrap();
    fs::write(home.join("config.toml"), "[log]\nlevel = 3\n").unwrap();
    let errors = shown(load(None, &environment));
    assert!(
        errors.contains("id-ranges:1:1: range: ") && errors.contains("config.toml:2:9: log.level"),
        "{errors}"
    );
    fs::remove_dir_all(home).unwrap();
}

#[test]
fn a_reload_tells_what_it_changes_and_what_it_cannot() {
    let old = parse("");
    assert_eq!(old.reload_diff(&parse("")), super::Reload::default());
    let mut new = parse(
        "[ids]\nmin = 2000\n[auth]\nmax_users = 3\n[password]\nverifications = 4\n[log]\nlevel = \"warn\"\n",
    );
    new.ids.accept.clear();
    let reload = old.reload_diff(&new);
    assert_eq!(reload.applied, ["ids.min", "auth.max_users", "log.level", "id-ranges"]);
    assert_eq!(reload.needs_restart, ["password.verifications"]);
}

#[test]
fn the_number_of_parallel_verifications_is_from_1_to_64() {
    for (given, expected) in [(0, 1..=64), (1, 1..=1), (64, 64..=64)] {
        let settings = parse(&format!("[password]\nverifications = {given}\n"));
        assert!(expected.contains(&settings.password.parallel_verifications()));
    }
}

#[test]
fn defaults_need_no_file_of_their_own() {
    assert_eq!(parse("").paths.config_file, Path::new("/etc/pody/config.toml"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\[(ids|auth|auth.lockout|users)\\]\n|(min|max|home|first_wait|x) ?= ?|[0-9\"'{}$\\[\\]a-z:\\-.\\n\\\\#ä\u{0}]{1,4}){0,40}") {
        let _ = parse_str(&text, &no_variables());
    }

    #[test]
    fn no_variable_makes_it_panic(name in "PODY_[A-Z_]{0,12}__[A-Z_ä.]{0,12}", value in ".{0,20}") {
        let _ = parse_str("", &[(name, value)].into_iter().collect());
    }
}
