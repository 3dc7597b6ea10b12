//! What is written out of the table of settings: config.toml and pody.toml(5). `UPDATE=1 cargo test`
//! writes both anew; without it, a test fails where they differ.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::table::{SECTIONS, SETTINGS, Setting};
use super::{Environment, Settings, parse_str};

const LINE_WIDTH: usize = 100;

fn settings_of(section: &str) -> impl Iterator<Item = (&'static str, &'static Setting)> {
    SETTINGS.iter().filter_map(move |setting| {
        let (parent, name) = setting.key.rsplit_once('.')?;
        (parent == section).then_some((name, setting))
    })
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
    for (section, about) in SECTIONS {
        let _ = write!(text, "\n{}\n[{section}]\n", comment(about));
        for (name, setting) in settings_of(section) {
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
.Sh SEE ALSO
.Xr podyctl 1 ,
.Xr podyd 8
"#;

fn man_page() -> String {
    let mut text = MAN_PAGE_HEAD.to_owned();
    for (section, about) in SECTIONS {
        let _ = write!(text, ".Ss [{section}]\n{}\n.Bl -tag -width Ds\n", roff(about));
        for (name, setting) in settings_of(section) {
            let value = default_of(setting).map(|default| format!(" = {default}")).unwrap_or_default();
            let _ = write!(text, ".It Ic {name}{}\n{}\n", roff(&value), roff(setting.doc));
            if !setting.reloads {
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
        "{path} is not what the table of settings says; run: UPDATE=1 cargo test -p daemon"
    );
}

/// The text with `#` removed before each setting.
fn uncommented(text: &str) -> String {
    let is_setting = |line: &str| line.starts_with(|first: char| first.is_ascii_lowercase());
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if is_setting(setting) => setting,
        _ => line,
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
    for setting in SETTINGS {
        let (_, name) = setting.key.rsplit_once('.').unwrap();
        let written = if setting.example.is_some() { "# Example: " } else { "\n" };
        assert!(all.contains(&format!("{written}{name} = ")), "{}", setting.key);
    }
}

#[test]
fn every_setting_stands_in_a_section_that_is_explained() {
    for setting in SETTINGS {
        let section = setting.key.rsplit_once('.').unwrap().0;
        assert!(
            SECTIONS.iter().any(|(name, about)| *name == section && !about.is_empty()),
            "{}",
            setting.key
        );
        assert!(setting.doc.ends_with('.'), "{}", setting.key);
    }
}

#[test]
fn every_example_is_valid() {
    for example in SETTINGS.iter().filter_map(|setting| Some((setting, setting.example?))) {
        let (setting, value) = example;
        let (section, name) = setting.key.rsplit_once('.').unwrap();
        assert!(
            parse_str(&format!("[{section}]\n{name} = {value}"), &Environment::default()).is_ok(),
            "{}",
            setting.key
        );
    }
    let man_page = man_page();
    let examples = man_page.split(".Bd -literal").skip(1);
    for example in examples {
        let text = example.split_once('\n').unwrap().1.split(".Ed").next().unwrap();
        assert_eq!(parse_str(text, &Environment::default()).err(), None);
    }
}
