//! What is written out of the table of settings: config.toml and pody.toml(5). `UPDATE=1 cargo test`
//! writes both anew; without it, a test fails where they differ.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::backends::{is_backend, is_compiled_in};
use super::setting::{Section, Setting};
use super::table::{SECTIONS, settings};
use super::{Environment, Settings, parse_str};

const LINE_WIDTH: usize = 100;

fn settings_of(section: &str) -> impl Iterator<Item = (&'static str, &'static Setting)> {
    settings().filter_map(move |setting| {
        let (parent, name) = setting.parts();
        (parent == section).then_some((name, setting))
    })
}

/// Whether there may be several such tables: there is none unless somebody writes one.
fn repeats(section: &str) -> bool {
    SECTIONS.iter().any(|known| known.key == section && known.repeats.is_some())
}

/// How a section is opened.
fn header(section: &str) -> String {
    if repeats(section) { format!("[[{section}]]") } else { format!("[{section}]") }
}

fn default_of(setting: &Setting) -> Option<String> {
    setting.show(&Settings::default())
}

fn config_toml() -> String {
    let mut text = String::from(
        "# The configuration of podyd, every setting at its default. pody.toml(5) says more.\n\
         # To change one, remove the '#' before it; 'podyd --check' says whether all is well, and\n\
         # 'systemctl reload podyd' applies it.\n",
    );
    for section in SECTIONS {
        let header = match section.key {
            "backend" => String::new(),
            key if is_backend(key) => format!("#[{key}]\n"),
            key if repeats(key) => format!("#[[{key}]]\n"),
            key => format!("[{key}]\n"),
        };
        let _ = write!(text, "\n{}\n{header}", comment(section.about));
        for (name, setting) in settings_of(section.key) {
            let value = match (default_of(setting), setting.example) {
                (Some(default), _) => format!("#{name} = {default}"),
                (None, Some(example)) => format!("# Example: {name} = {example}"),
                (None, None) => panic!("{} has neither a default nor an example", setting.key),
            };
            let _ = write!(text, "\n{}\n{value}\n", comment(setting.doc));
        }
    }
    text
}

fn comment(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is a line from the start");
        if line.len() + 1 + word.len() > LINE_WIDTH {
            lines.push(format!("# {word}"));
        } else {
            let _ = write!(line, " {word}");
        }
    }
    lines.join("\n")
}

const MAN_PAGE_HEAD: &str = r#".\" Written by the tests of podyd's configuration: change daemon/src/config/table.rs or reference.rs.
.Dd November 22, 2026
.Dt PODY.TOML 5
.Os Pody
.Sh NAME
.Nm pody.toml
.Nd configuration of podyd
.Sh SYNOPSIS
.Pa /etc/pody/config.toml
.Sh DESCRIPTION
.Xr podyd 8
reads this file when it starts and when it is told to reload.
The file is written in TOML, may be absent, and has 1 MiB at the most.
A setting that is not given has the default shown below.
A setting that
.Xr podyd 8
does not know is an error, as is a value that it does not understand:
.Ql podyd --check
names every one, with its line and column.
.Ss Environment variables
Every setting can be given as an environment variable, which then wins over the file:
.Ql auth.lockout.first_wait
is
.Ev PODY_AUTH__LOCKOUT__FIRST_WAIT .
.Pp
Inside the quotes of a text,
.Ql ${VAR}
stands for the environment variable
.Ev VAR ,
which must be set, and
.Ql ${VAR:-text}
for the same or, where it is unset or empty, for
.Ql text .
A plain
.Ql ${
is written
.Ql $${ .
.Ss Secrets
A password or a token need not stand here: it can come from
.Ql ${VAR} ,
or from a file of its own, which is named by the setting whose name ends in
.Ql File .
That is an absolute path, or the name of a credential that the unit of
.Xr podyd 8
loads:
.Ql LoadCredential=postgres-url:/etc/pody/postgres-url
makes it
.Ql urlFile = \(dqpostgres-url\(dq ;
only root needs to be able to read the file then.
White space around the secret is ignored.
In a URL, characters such as
.Ql @
are written as
.Ql %40 .
.Sh SETTINGS
"#;

const MAN_PAGE_TAIL: &str = r#".Sh FILES
.Bl -tag -width Ds
.It Pa /etc/pody/config.toml
This file.
.It Pa /etc/pody/id-ranges
The ids that the modules on this node accept, as lines
.Ql min max ,
16 at the most, for uids and gids alike.
.Ql #
begins a comment.
It belongs to root, so that
.Xr podyd 8
cannot widen it.
Without it, all ids from 1000 are accepted that belong neither to systemd nor to containers.
.El
.Sh EXAMPLES
Users of a cluster whose home directories are sorted by uid:
.Bd -literal -offset indent
[users]
home = "/cluster/home/%U"
shell = "${LOGIN_SHELL:-/bin/bash}"

[password]
min_length = 12

[auth.lockout]
user_failures = 5
longest_wait = "1h"
.Ed
.Pp
A node of a cluster whose users are in a PostgreSQL database:
.Bd -literal -offset indent
[backend.postgres]
url = "postgres://pody:${PODY_DB_PASSWORD}@db.example.org/pody?sslmode=verify-full"

[offline]
max_age = "1d"
.Ed
.Sh SEE ALSO
.Xr podyctl 1 ,
.Xr podyd 8
"#;

fn man_page() -> String {
    let mut text = MAN_PAGE_HEAD.to_owned();
    for Section { key, about, .. } in SECTIONS {
        let _ = write!(text, ".Ss {}\n{}\n", header(key), roff(about));
        if settings_of(key).next().is_none() {
            continue;
        }
        text.push_str(".Bl -tag -width Ds\n");
        for (name, setting) in settings_of(key) {
            let value = default_of(setting).map(|default| format!(" = {default}")).unwrap_or_default();
            let _ = write!(text, ".It Ic {name}{}\n{}\n", roff(&value), roff(setting.doc));
            if !setting.reloads && !is_backend(key) {
                text.push_str("A change waits for a restart of podyd.\n");
            }
        }
        text.push_str(".El\n");
    }
    text + MAN_PAGE_TAIL
}

/// Text for a line of roff: one sentence a line, as mdoc(7) wants it, and nothing taken for a request.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('"', "\\(dq").replace('\'', "\\(aq");
    escaped.replace(". ", ".\n")
}

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn is_up_to_date(path: &str, generated: &str) {
    let file = shipped(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, generated).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == generated,
        "{path} is not what the table of settings says; run: UPDATE=1 cargo test -p daemon --all-features"
    );
}

/// The text with `#` removed before each setting, but for those below a header that is itself behind a `#`.
fn uncommented(text: &str) -> String {
    let is_setting = |line: &str| line.starts_with(|first: char| first.is_ascii_lowercase());
    let mut in_comment = false;
    let lines = text.lines().map(|line| {
        if line.starts_with('[') || line.starts_with("#[") {
            in_comment = line.starts_with('#');
        }
        match line.strip_prefix('#') {
            Some(setting) if is_setting(setting) && !in_comment => setting,
            _ => line,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shipped_files_are_what_the_table_says() {
    is_up_to_date("config.toml", &config_toml());
    is_up_to_date("docs/man/pody.toml.5", &man_page());
}

#[test]
fn config_toml_is_every_default() {
    let nothing = Environment::default();
    assert_eq!(parse_str(&config_toml(), &nothing), Ok(Settings::default()));
    let all = uncommented(&config_toml());
    assert_eq!(parse_str(&all, &nothing), Ok(Settings::default()));
    for setting in settings() {
        let (section, name) = setting.parts();
        let written = match setting.example {
            Some(_) => "# Example: ",
            None if is_backend(section) || repeats(section) => "\n#",
            None => "\n",
        };
        assert!(all.contains(&format!("{written}{name} = ")), "{}", setting.key);
    }
}

#[test]
fn every_setting_stands_in_a_section_that_is_explained() {
    for setting in settings() {
        let (section, _) = setting.parts();
        assert!(
            SECTIONS.iter().any(|known| known.key == section && !known.about.is_empty()),
            "{}",
            setting.key
        );
        assert!(setting.doc.ends_with('.'), "{}", setting.key);
    }
}

#[test]
fn every_example_is_valid() {
    let environment = ["PODY_DB_PASSWORD", "PODY_LIBSQL_TOKEN", "PODY_ACCESS_TOKEN", "PODY_OIDC_SECRET"];
    let long = ("PODY_RECHECK_KEY", "0123456789abcdef0123456789abcdef");
    let environment = environment.map(|variable| (variable, "t")).into_iter().chain([long]).collect();
    for (setting, value) in settings().filter_map(|setting| Some((setting, setting.example?))) {
        let ((section, name), beside) = (setting.parts(), needed_beside(setting));
        if is_backend(section) && is_compiled_in(section).is_err() {
            continue;
        }
        let parsed = parse_str(&format!("{}\n{name} = {value}\n{beside}", header(section)), &environment);
        let errors = parsed.err().unwrap_or_default();
        assert!(
            // What settings must be together, such as a certificate and its key, is not the example's matter.
            errors.iter().all(|error| {
                error.message.contains("not checked") && setting.in_file || error.message.starts_with('[')
            }),
            "{errors:?}"
        );
    }
    let man_page = man_page();
    let examples = man_page.split(".Bd -literal").skip(1);
    for example in examples {
        let text = example.split_once('\n').unwrap().1.split(".Ed").next().unwrap();
        let errors = parse_str(text, &environment).err().unwrap_or_default();
        assert!(errors.iter().all(|error| error.message.contains("not in this podyd")), "{errors:?}");
    }
}

/// The line without which the other settings of a backend, or of a filesystem, are not valid.
fn needed_beside(setting: &Setting) -> String {
    let (section, name) = setting.parts();
    if repeats(section) {
        return if name == "path" { String::new() } else { "path = \"/home\"".into() };
    }
    let key = format!("{section}.url");
    let url = settings().find(|other| other.key == key && setting.same_as.unwrap_or(setting.key) != key);
    url.and_then(|url| url.example).map(|example| format!("url = {example}")).unwrap_or_default()
}

#[test]
fn the_tables_of_backends_in_config_toml_are_their_defaults() {
    let environment: Environment = [("PODY_DB_PASSWORD", "s")].into_iter().collect();
    let text = config_toml();
    for Section { key, .. } in SECTIONS.iter().filter(|section| is_compiled_in(section.key).is_ok()) {
        let table = text.split_once(&format!("#[{key}]\n")).unwrap().1.split("\n[").next().unwrap();
        let table = table.split("\n#[").next().unwrap();
        let url = table.lines().find_map(|line| line.strip_prefix("# Example: ")).unwrap();
        let chosen = parse_str(&format!("[{key}]\n{url}\n"), &environment).unwrap();
        assert_eq!(chosen.backend.table(), Some(*key));
        assert_eq!(parse_str(&format!("[{key}]\n{url}\n{}", uncommented(table)), &environment), Ok(chosen));
    }
}
