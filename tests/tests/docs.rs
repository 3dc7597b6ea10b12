//! The documents say what is so: links lead somewhere, commands and configurations are taken by the real
//! programs, PAM lines are the ones that ship, and the code map is the tree's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::paths::{built, repository};
use tests::scratch::Scratch;
use tests::source;

/// A map that is longer is read by nobody.
const MOST_LINES_OF_ARCHITECTURE: usize = 200;

/// How clap begins what it says about a command line that it does not understand. podyctl's own sentences
/// begin with its name.
const NOT_UNDERSTOOD: &str = "error:";

/// What to do where podyd lacks what the documents tell of.
const WITH_EVERY_BACKEND: &str = "this podyd was built without a backend that the documents show: run `make test`, or \
                                  `cargo build -p daemon --all-features` and this again";

/// A Markdown file of the tree.
struct Document {
    path: PathBuf,
    text: String,
}

/// A fenced block of code: what stands behind its fence, and its lines.
struct Block<'a> {
    language: &'a str,
    lines: Vec<&'a str>,
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        for link in links(&document.prose()) {
            if let Err(why) = follow(&document.path, &link) {
                broken.push(format!("{}: {link}: {why}", document.name()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_podyctl_line_is_understood_by_podyctl() {
    let home = Scratch::new();
    let mut count = 0;
    for document in documents() {
        for words in document.shell_commands().filter(|words| program(words) == Some("podyctl")) {
            // There is no podyd here, and nobody to ask: whatever is understood fails for another reason.
            let ran = Command::new(built("podyctl"))
                .args(arguments(&words))
                .env("PODY_HOME", &*home)
                .current_dir(&*home)
                .stdin(Stdio::null())
                .output()
                .expect("podyctl runs");
            let said = String::from_utf8_lossy(&ran.stderr);
            assert!(!said.starts_with(NOT_UNDERSTOOD), "{}: {words:?}: {said}", document.name());
            count += 1;
        }
    }
    assert!(count > 20, "the documents show how podyctl is used; only {count} lines were found");
}

#[test]
fn every_configuration_is_accepted_by_podyd() {
    let home = Scratch::new();
    let file = home.join("config.toml");
    let mut count = 0;
    for document in documents() {
        for block in document.blocks().filter(|block| block.language == "toml") {
            fs::write(&file, block.lines.join("\n")).unwrap();
            let checked =
                Command::new(built("podyd")).arg("--check").env("PODY_HOME", &*home).output().unwrap();
            let said = String::from_utf8_lossy(&checked.stderr);
            // As after `make demo`, which builds no more than it shows.
            assert!(
                !said.contains("built without the Cargo feature"),
                "{WITH_EVERY_BACKEND}; it says: {said}"
            );
            assert!(checked.status.success(), "{}: {said}", document.name());
            count += 1;
        }
    }
    assert!(count > 0, "the documents show a configuration");
}

#[test]
fn every_pam_line_is_one_that_ships() {
    let shipped: Vec<String> = source::files(&repository().join("packaging/pam"))
        .iter()
        .filter(|path| path.extension().is_none())
        .flat_map(|path| fs::read_to_string(path).unwrap().lines().map(spaced).collect::<Vec<_>>())
        .collect();
    let mut count = 0;
    for document in documents() {
        for line in document.blocks().filter(|block| block.language == "pam").flat_map(|block| block.lines) {
            assert!(shipped.contains(&spaced(line)), "{}: {line}", document.name());
            count += 1;
        }
    }
    assert!(count > 0, "the documents show PAM lines");
}

#[test]
fn the_code_map_is_short_and_names_folders_that_exist_and_none_is_missing() {
    let text = fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let lines = text.lines().count();
    assert!(lines <= MOST_LINES_OF_ARCHITECTURE, "ARCHITECTURE.md has {lines} lines");

    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("/` |"));
    let named: BTreeSet<&str> = rows.map(|(folder, _)| folder).collect();
    let there = folders();
    let gone: Vec<_> = named.iter().filter(|folder| !there.contains(**folder)).collect();
    assert!(gone.is_empty(), "the code map names folders that are not there: {gone:?}");

    // At the top, in crates/ and in the daemon, each folder is a part of the design, but for what only tests use.
    let is_a_part = |folder: &&String| match folder.split_once('/') {
        None => *folder != "crates",
        Some(("crates", name)) => !name.contains('/'),
        Some(("daemon", within)) => {
            within.strip_prefix("src/").is_some_and(|area| !area.contains('/') && area != "testing")
        }
        Some(_) => false,
    };
    let missing: Vec<_> =
        there.iter().filter(is_a_part).filter(|folder| !named.contains(folder.as_str())).collect();
    assert!(missing.is_empty(), "the code map does not name {missing:?}");
}

#[test]
fn commands_and_links_are_found_as_a_reader_finds_them() {
    let document = Document {
        path: repository().join("README.md"),
        text: "See [this](a.md#b) and `[not](that)`.\n```sh\nsudo podyctl user add ada --gecos 'A B' # x\n\
               X=1 pass show ada | podyctl user list > file\n```\n[last](c.md)\n"
            .into(),
    };
    assert_eq!(links(&document.prose()), ["a.md#b", "c.md"]);
    let commands: Vec<Vec<String>> = document.shell_commands().collect();
    assert_eq!(commands[0], ["sudo", "podyctl", "user", "add", "ada", "--gecos", "A B"]);
    assert_eq!((program(&commands[0]), program(&commands[1])), (Some("podyctl"), Some("pass")));
    assert_eq!(arguments(&commands[2]), ["user", "list"]);
    assert_eq!(anchor("What only root can do: the `snapshot`"), "what-only-root-can-do-the-snapshot");
}

/// Every Markdown file of the tree, in order.
fn documents() -> impl Iterator<Item = Document> {
    let files = source::files(repository()).into_iter();
    let markdown = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    markdown.map(|path| {
        let text = fs::read_to_string(&path).expect("Markdown can be read, and is UTF-8");
        Document { path, text }
    })
}

impl Document {
    fn name(&self) -> String {
        self.path.strip_prefix(repository()).unwrap_or(&self.path).display().to_string()
    }

    /// The text without its blocks of code.
    fn prose(&self) -> String {
        let mut is_code = false;
        let outside = self.text.lines().filter(|line| {
            let is_fence = line.starts_with("```");
            is_code ^= is_fence;
            !is_fence && !is_code
        });
        outside.flat_map(|line| [line, "\n"]).collect()
    }

    fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        let parts = self.text.split("\n```").skip(1).step_by(2);
        parts.map(|block| {
            let (language, code) = block.split_once('\n').unwrap_or((block, ""));
            Block { language: language.trim(), lines: code.lines().filter(|line| !line.is_empty()).collect() }
        })
    }

    /// The commands of all shell blocks, each as its words.
    fn shell_commands(&self) -> impl Iterator<Item = Vec<String>> {
        let lines = self.blocks().filter(|block| block.language == "sh").flat_map(|block| block.lines);
        lines.flat_map(commands)
    }
}

/// The targets of a text's links; what stands between backticks is none.
fn links(prose: &str) -> Vec<String> {
    let outside_of_code: String = prose.split('`').step_by(2).collect();
    let targets = outside_of_code.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).collect()
}

fn follow(from: &Path, link: &str) -> Result<(), String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return Ok(());
    }
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() { from.to_owned() } else { from.with_file_name("").join(path) };
    if !target.exists() {
        return Err(format!("there is no {}", target.display()));
    }
    if heading.is_empty() {
        return Ok(());
    }
    let text = fs::read_to_string(&target).map_err(|error| error.to_string())?;
    let mut headings = text.lines().filter(|line| line.starts_with('#'));
    match headings.any(|line| anchor(line.trim_start_matches('#').trim()) == heading) {
        true => Ok(()),
        false => Err(format!("{} has no such heading", target.display())),
    }
}

/// What a heading is linked as: in lower case, without punctuation, with hyphens for spaces.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// The simple commands of a line of shell: what the documents use of it is quotes, pipes, `;`, `&&`,
/// redirections and comments.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word = None::<String>;
    let mut quote = None;
    for character in line.chars().chain([' ']) {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (Some(_), inside) => word.get_or_insert_default().push(inside),
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ' | '|' | ';' | '&') => {
                commands.last_mut().expect("there is always one").extend(word.take());
                if character != ' ' {
                    commands.push(Vec::new());
                }
            }
            (None, other) => word.get_or_insert_default().push(other),
        }
    }
    commands.retain(|words| !words.is_empty());
    commands
}

/// The words from the program on: without `sudo` and without variables set for it.
fn from_program(words: &[String]) -> &[String] {
    let before = words.iter().take_while(|word| *word == "sudo" || word.contains('=')).count();
    &words[before..]
}

fn program(words: &[String]) -> Option<&str> {
    from_program(words).first()?.rsplit('/').next()
}

/// What the program is given: what comes behind its name, up to a redirection.
fn arguments(words: &[String]) -> Vec<&str> {
    let behind = from_program(words).iter().skip(1).map(String::as_str);
    behind.take_while(|word| !word.starts_with(['>', '<'])).collect()
}

/// A line with one space wherever it has some.
fn spaced(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every folder that holds a file, however deep, relative to the tree.
fn folders() -> BTreeSet<String> {
    let files = source::files(repository());
    let within = files.iter().filter_map(|path| path.strip_prefix(repository()).ok());
    within
        .flat_map(|path| path.ancestors().skip(1).map(|folder| folder.display().to_string()))
        .filter(|folder| !folder.is_empty())
        .collect()
}
