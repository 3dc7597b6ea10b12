//! `podyctl setup`: the first setup of a node. Answers make a draft, podyd tries what it names, a person confirms, and then
//! it is carried out; before that, nothing is written.
//!
//! What is right and what is there, podyd says. It has no say in what root writes: the text of the configuration is made
//! here.

mod answers;
mod ask;
mod carry_out;
mod config;
mod draft;
mod files;
mod machine;
mod plan;

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use protocol::directory::GetUser;
use protocol::oidc::Step;
use protocol::setup::{Compare, Compared, Found, Look, TriedDirectory, TryDirectory, TryProvider};

use crate::arguments::Setup;
use crate::daemon::Daemon;
use crate::output::plain;
use crate::table::{Listing, Value};
use crate::{Code, Failure, Result, Session};
use answers::{Answers, Directory, Provider};
use draft::Draft;
use machine::Part;

/// Where podyd's configuration is but for tests and trials.
const USUAL_CONFIGURATION: &str = "/etc/pody";

/// Runs the setup.
pub fn run(arguments: Setup, session: &mut Session<'_>) -> Result<()> {
    if arguments.answers_example {
        return session.output.text(answers::EXAMPLE);
    }
    if session.caller != Some(0) {
        return Err(Failure::new(Code::Refused, "only root may set this node up: sudo podyctl setup"));
    }
    let answers = arguments.answers.as_deref().map(Answers::read).transpose()?;
    if answers.is_none() && session.person.is_none() {
        return Err(ask::nobody_to_ask());
    }
    let node = Node::look(session)?;
    let is_asked = answers.is_none();
    node.has_room(&node.sections(answers.as_ref())?, session)?;
    let (answers, tried) = match answers {
        Some(answers) => {
            let tried = node.judge(&answers, session)?;
            (answers, tried)
        }
        None => ask::ask(&node, session)?,
    };
    let plan = node.plan(answers, tried, session)?;
    plan.show(session)?;
    if arguments.dry_run {
        return session.output.answer("Nothing was changed (--dry-run).", &plan.outcome());
    }
    if is_asked && !ask::yes(session, "Carry this out?", false)? {
        return Err(Failure::new(Code::Failed, "nothing was changed"));
    }
    carry_out::carry_out(&plan, session)
}

/// The node as it is.
struct Node {
    found: Found,
    config_file: PathBuf,
    config: String,
    nsswitch: Part,
    pam: Part,
}

/// Everything that is to be done.
struct Plan {
    answers: Answers,
    tried: Option<TriedDirectory>,
    draft: Draft,
    compared: Compared,
    node: Node,
}

impl Node {
    fn look(session: &mut Session<'_>) -> Result<Self> {
        let found = Daemon::connect(&session.socket)?.call(&Look {})?;
        let config_file = session.configuration.join("config.toml");
        if Path::new(&found.config_file) != config_file {
            return Err(Failure::new(
                Code::Usage,
                format_args!(
                    "podyd reads {}, and setup would write {}: change podyd's own file by hand",
                    plain(&found.config_file),
                    config_file.display()
                ),
            ));
        }
        let config = read(&config_file)?;
        let is_usual = session.configuration == Path::new(USUAL_CONFIGURATION);
        let elsewhere = || Part::Elsewhere("programs do not look for Pody's users under PODY_HOME".into());
        let (nsswitch, pam) = match is_usual {
            true => (machine::nsswitch(), machine::pam()),
            false => (elsewhere(), elsewhere()),
        };
        Ok(Self { found, config_file, config, nsswitch, pam })
    }

    /// Where lines may have to be put: what answers come to, or what is asked.
    fn sections(&self, answers: Option<&Answers>) -> Result<Vec<&'static str>> {
        if let Some(answers) = answers {
            let draft = self.draft(&answers.directory, answers.oidc.as_ref())?;
            return Ok(draft.settings.iter().map(|setting| setting.section).collect());
        }
        let is_asked = |section: &&str| match *section {
            draft::OIDC => self.found.issuer.is_empty(),
            _ => self.found.section.is_empty(),
        };
        Ok(draft::KNOWN.iter().map(|(section, _)| *section).filter(is_asked).collect())
    }

    /// Refuses a file to which lines cannot be added so, while nobody has answered anything. Only podyd can tell.
    fn has_room(&self, sections: &[&'static str], session: &Session<'_>) -> Result<()> {
        let compare = |draft: &Draft| {
            let candidate = draft.candidate(&self.config);
            match Daemon::connect(&session.socket)?.call(&Compare { candidate }) {
                // Values that are no values yet are wrong, of course.
                Err(failure) if failure.message.contains("TOML: ") => Ok(Some(failure.message)),
                Err(failure) if failure.code != Code::Usage => Err(failure),
                _ => Ok(None),
            }
        };
        let file = self.config_file.display();
        if let Some(why) = compare(&Draft::default())? {
            return Err(advise(format!("{file} cannot be read, and setup leaves it alone: {why}")));
        }
        for section in sections.iter().collect::<BTreeSet<_>>() {
            let draft = Draft::of_section(section);
            if compare(&draft)?.is_some() {
                let lines: Vec<String> = draft.settings.iter().map(config::Setting::line).collect();
                return Err(advise(format!(
                    "{file} has [{section}] in a form that setup cannot add lines to: a table on one line ({section} = {{…}}), \
                     a name with blanks or quotes ([ {section} ]), or a dot in a key. Write it as a section, the name alone in \
                     its line and each setting in one of its own, and run setup again. These are the lines that setup would \
                     put below it or set, as far as they are needed:\n\n    [{section}]\n{}",
                    indented(&lines)
                )));
            }
        }
        Ok(())
    }

    /// Tries what answers of a file name, which nobody can mend now.
    fn judge(&self, answers: &Answers, session: &mut Session<'_>) -> Result<Option<TriedDirectory>> {
        if !matches!(answers.directory, Directory::Own {}) && !self.found.section.is_empty() {
            let (section, location) = (plain(&self.found.section), plain(&self.found.location));
            return Err(advise(format!(
                "directory: [{section}] names {location} already: leave this out, or change config.toml"
            )));
        }
        let draft = Draft::of_directory(&answers.directory, self.folder()).map_err(advise)?;
        let tried = match answers.directory {
            Directory::Own {} => None,
            _ => Some(try_directory(self, &draft, session)?),
        };
        match (&answers.admin, self.no_admin_wanted(&answers.directory, tried.as_ref())) {
            (Some(admin), None) => {
                answers::Admin::check_name(&admin.name)
                    .map_err(|why| advise(format!("admin.name: {why}")))?;
                answers::Admin::check_gecos(&admin.gecos)
                    .map_err(|why| advise(format!("admin.gecos: {why}")))?;
                answers::Admin::check_password(&admin.password, self.found.min_password_length)
                    .map_err(|why| advise(format!("admin.password: {why}")))?;
                self.is_free(&admin.name, &answers.directory, session)?;
            }
            (None, None) => {
                return Err(advise(
                    "admin is missing: its name and password are needed while there is no admin".into(),
                ));
            }
            (_, Some(_)) => {}
        }
        if let Some(provider) = &answers.oidc {
            if !self.found.issuer.is_empty() {
                let is = plain(&self.found.issuer);
                return Err(advise(format!(
                    "oidc: there is a provider already ({is}): leave this out, or change config.toml"
                )));
            }
            let draft = self.draft(&answers.directory, Some(provider))?;
            if try_provider(self, &draft, session)?.iter().any(|step| !step.passed) {
                return Err(Failure::new(
                    Code::Failed,
                    "the OpenID provider cannot be used so; nothing was changed",
                ));
            }
        }
        Ok(tried)
    }

    /// The settings that answers come to.
    fn draft(&self, directory: &Directory, provider: Option<&Provider>) -> Result<Draft> {
        let draft = Draft::of_directory(directory, self.folder()).map_err(advise)?;
        let of_provider = provider.map(|provider| Draft::of_provider(provider, self.folder()));
        Ok(draft.and(of_provider.unwrap_or_default()))
    }

    fn folder(&self) -> &Path {
        self.config_file.parent().unwrap_or(Path::new("/"))
    }

    /// Why no admin is made, if so.
    fn no_admin_wanted(&self, directory: &Directory, tried: Option<&TriedDirectory>) -> Option<String> {
        if matches!(directory, Directory::Node { .. }) || self.found.section == draft::NODE {
            return Some("Admins are made on the node that has the directory; none is made here.".into());
        }
        let admin = tried?.admin.as_deref()?;
        Some(format!("{} is an admin of that directory already; no other is made.", plain(admin)))
    }

    /// Whether nobody in the present directory is called so; of another one it is not known yet.
    fn is_free(&self, name: &str, directory: &Directory, session: &Session<'_>) -> Result<()> {
        if !matches!(directory, Directory::Own {}) {
            return Ok(());
        }
        let known =
            Daemon::connect(&session.socket)?.call(&GetUser { name: Some(name.to_owned()), uid: None });
        match known {
            Err(failure) if failure.code == Code::NotFound => Ok(()),
            Err(failure) => Err(failure),
            Ok(_) => Err(Failure::new(
                Code::Conflict,
                format_args!(
                    "{name} is a user already: take another name, or: podyctl user update {name} --admin"
                ),
            )),
        }
    }

    /// What is to be done; podyd has looked at all of it.
    fn plan(self, answers: Answers, tried: Option<TriedDirectory>, session: &Session<'_>) -> Result<Plan> {
        let draft = self.draft(&answers.directory, answers.oidc.as_ref())?;
        let mut compared = Compared::default();
        if !draft.settings.is_empty() {
            let candidate = draft.candidate(&self.config);
            compared = Daemon::connect(&session.socket)?.call(&Compare { candidate })?;
        }
        let changed = [&compared.reloaded[..], &compared.restarted[..]].concat();
        if !draft.settings.is_empty() && !draft.explains(&changed) {
            let lines: Vec<String> = draft
                .settings
                .iter()
                .map(|setting| format!("[{}] {}", setting.section, setting.line()))
                .collect();
            return Err(Failure::new(
                Code::Failed,
                format_args!(
                    "{} is written in a way that setup does not understand, or differs from what podyd goes by (systemctl reload \
                     podyd): it would change {}. Put these lines in by hand, and run setup again:\n{}",
                    self.config_file.display(),
                    if changed.is_empty() { "nothing".into() } else { changed.join(", ") },
                    lines.join("\n")
                ),
            ));
        }
        Ok(Plan { answers, tried, draft, compared, node: self })
    }
}

/// The configuration as it is; empty if there is none.
fn read(config_file: &Path) -> Result<String> {
    match fs::read_to_string(config_file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Failure::new(Code::Failed, format_args!("{}: {error}", config_file.display())))
        }
        text => Ok(text.unwrap_or_default()),
    }
}

/// Tries a directory and shows what came of it; it can be used, or the failure says that it cannot.
fn try_directory(node: &Node, draft: &Draft, session: &mut Session<'_>) -> Result<TriedDirectory> {
    if node.found.users > 0 {
        return Err(Failure::new(
            Code::Conflict,
            format_args!(
                "this node's own file has users ({}), whom another directory would not have: see podyctl db copy, which takes \
                 them along, or podyctl user export; or delete them first",
                node.found.users
            ),
        ));
    }
    let candidate = draft.candidate(&node.config);
    let tried = Daemon::connect(&session.socket)?.call(&TryDirectory { candidate })?;
    show_steps(&tried.steps, session)?;
    match tried.steps.iter().all(|step| step.passed) {
        true => Ok(tried),
        false => Err(Failure::new(Code::Failed, "this directory cannot be used so; nothing was changed")),
    }
}

/// Tries a provider and shows what came of it.
fn try_provider(node: &Node, draft: &Draft, session: &mut Session<'_>) -> Result<Vec<Step>> {
    let candidate = draft.candidate(&node.config);
    let tried = Daemon::connect(&session.socket)?.call(&TryProvider { candidate })?;
    show_steps(&tried.steps, session)?;
    if tried.from_environment {
        return Err(Failure::new(
            Code::Conflict,
            "podyd has its provider from the environment (OIDC_…), and the configuration does not count: change it there",
        ));
    }
    Ok(tried.steps)
}

/// Standard output is JSON's alone, where it is wanted.
fn show_steps(steps: &[Step], session: &mut Session<'_>) -> Result<()> {
    if session.output.json {
        let failed = steps.iter().filter(|step| !step.passed);
        failed.for_each(|step| session.output.remark(&format!("{}: {}", step.step, step.message)));
        return Ok(());
    }
    let rows = steps.iter().map(|step| {
        let passed = if step.passed { "ok".into() } else { Value::Striking("failed".into()) };
        [passed, Value::from(&step.step), Value::from(&step.message)]
    });
    Listing::new(["RESULT", "STEP", "WHAT WAS FOUND"]).page(&mut session.output, rows)
}

/// An answer that cannot be.
fn advise(why: String) -> Failure {
    Failure::new(Code::Usage, why)
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("    {}", plain(line))).collect::<Vec<_>>().join("\n")
}
