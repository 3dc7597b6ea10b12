//! Carries a plan out, step by step. The first step that fails is the last; what was done, what was not, and how to go on
//! is said then.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use protocol::directory::CreateUser;
use protocol::node::Status;
use protocol::setup::{Look, Reload, SecretFile};
use serde::Serialize;

use super::files::Written;
use super::{Plan, machine};
use crate::daemon::Daemon;
use crate::{Code, Failure, Result, Session, database};

/// How often podyd is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long podyd may take to go by a new configuration, and to have a directory's users.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long somebody may take to start podyd again, where systemd does not.
const BY_HAND: Duration = Duration::from_secs(120);

/// What there is to do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Configuration,
    Tables,
    Directory,
    Admin,
    Nsswitch,
    Pam,
}

/// What came of it, for programs.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    done: Vec<String>,
    not_done: Vec<String>,
}

impl Plan {
    /// What would be done.
    pub fn outcome(&self) -> Outcome {
        let not_done = self.steps().into_iter().map(|step| self.what(step)).collect();
        Outcome { done: Vec::new(), not_done }
    }

    fn steps(&self) -> Vec<Step> {
        let wanted = [
            (Step::Configuration, self.changes_configuration()),
            (Step::Tables, self.tried.as_ref().is_some_and(|tried| tried.needs_tables)),
            (Step::Directory, self.moves()),
            (Step::Admin, self.new_admin().is_some()),
            (Step::Nsswitch, self.answers.nsswitch && self.node.nsswitch.changes()),
            (Step::Pam, self.answers.pam && self.node.pam.changes()),
        ];
        wanted.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(step, _)| step).collect()
    }

    fn what(&self, step: Step) -> String {
        let name = || self.new_admin().map_or("", |admin| admin.name.as_str());
        match step {
            Step::Configuration => format!("podyd goes by the new {}", self.node.config_file.display()),
            Step::Tables => "the database's tables are what podyd needs".into(),
            Step::Directory => "this node has the directory's users".into(),
            Step::Admin => format!("{} is the first admin", name()),
            Step::Nsswitch => "programs see Pody's users (nsswitch.conf)".into(),
            Step::Pam => "Pody's users can log in (PAM)".into(),
        }
    }

    /// How somebody does a step without setup.
    fn by_hand(&self, step: Step) -> String {
        match step {
            Step::Configuration => "sudo podyctl setup, again".into(),
            Step::Tables => "sudo podyctl db migrate".into(),
            Step::Directory => "podyctl status; journalctl -u podyd".into(),
            Step::Admin => {
                format!("sudo podyctl user add {} --admin", self.new_admin().map_or("NAME", |admin| admin.name.as_str()))
            }
            Step::Nsswitch => "sudo /usr/share/pody/nsswitch enable".into(),
            Step::Pam => {
                "sudo cp /usr/share/pody/pam/pam-configs/* /usr/share/pam-configs/ && sudo pam-auth-update --package".into()
            }
        }
    }

    fn act(&self, step: Step, session: &mut Session<'_>) -> Result<()> {
        match step {
            Step::Configuration => self.change_configuration(session),
            Step::Tables => database::migrate(session).map(drop),
            Step::Directory => self.await_directory(session),
            Step::Admin => self.create_admin(session),
            Step::Nsswitch => machine::enable_nsswitch(),
            Step::Pam => machine::enable_pam(),
        }
    }

    fn create_admin(&self, session: &mut Session<'_>) -> Result<()> {
        let Some(admin) = self.new_admin() else { return Ok(()) };
        let call = CreateUser {
            name: admin.name.clone(),
            gecos: Some(admin.gecos.clone()).filter(|gecos| !gecos.is_empty()),
            password: Some(admin.password.clone()),
            is_admin: true,
            ..CreateUser::default()
        };
        Daemon::connect(&session.socket)?.call(&call).map(drop)
    }

    /// podyd goes by the new configuration, or everything is as it was.
    fn change_configuration(&self, session: &mut Session<'_>) -> Result<()> {
        let mut written = Written::default();
        let is_unit = self.needs_restart() && machine::has_unit();
        let outcome = self.write(&mut written).and_then(|()| self.put_into_force(is_unit, session));
        let Err(why) = outcome else { return Ok(()) };
        written.take_back().map_err(|error| {
            Failure::new(
                Code::Failed,
                format_args!("{}; and what was written could not be taken back: {error}", why.message),
            )
        })?;
        let next = match (self.needs_restart(), is_unit) {
            (false, _) => {
                Daemon::connect(&session.socket).and_then(|mut podyd| podyd.call(&Reload {})).map(drop)
            }
            (true, true) => machine::restart_unit(),
            (true, false) => {
                session.output.remark("If podyd is not running, start it again.");
                Ok(())
            }
        };
        let now = match next {
            Ok(()) => "the configuration is what it was before".to_owned(),
            Err(failure) => format!("the configuration is what it was before, but: {}", failure.message),
        };
        Err(Failure::new(why.code, format_args!("{}; {now}", why.message)))
    }

    /// Secrets come first: there is no moment at which podyd could not start.
    fn write(&self, written: &mut Written) -> Result<()> {
        let path = self.node.config_file.as_path();
        let failed =
            |path: &Path, error| Failure::new(Code::Failed, format_args!("{}: {error}", path.display()));
        for SecretFile { path, text } in &self.draft.files {
            let path = Path::new(path);
            written.write_secret(path, &text.0).map_err(|error| failed(path, error))?;
        }
        // Somebody may have been at it while the questions were asked.
        if super::read(path)? != self.node.config {
            let changed = format_args!("{} was changed meanwhile; run setup again", path.display());
            return Err(Failure::new(Code::Conflict, changed));
        }
        let config = self.draft.candidate(&self.node.config).config;
        written.write(path, &config.0).map_err(|error| failed(path, error))
    }

    fn put_into_force(&self, is_unit: bool, session: &mut Session<'_>) -> Result<()> {
        if !self.needs_restart() {
            Daemon::connect(&session.socket)?.call(&Reload {})?;
            return self.await_podyd(PATIENCE, session);
        }
        if is_unit {
            machine::restart_unit()?;
            return self.await_podyd(PATIENCE, session);
        }
        let minutes = BY_HAND.as_secs() / 60;
        let request = format!(
            "Restart podyd now, in the way that it is started here; waiting for {minutes} minutes. (Ctrl-C now leaves the new \
             configuration there; the former one is config.toml.before-setup.)"
        );
        session.output.remark(&request);
        session.output.flush()?;
        self.await_podyd(BY_HAND, session)
    }

    fn await_podyd(&self, patience: Duration, session: &Session<'_>) -> Result<()> {
        let is_there = || match &self.tried {
            Some(tried) => Ok(Daemon::connect(&session.socket)?.call(&Status {})?.location == tried.location),
            None => Ok(!Daemon::connect(&session.socket)?.call(&Look {})?.issuer.is_empty()),
        };
        until(patience, is_there, "podyd does not go by the new configuration; see: journalctl -u podyd")
    }

    fn await_directory(&self, session: &Session<'_>) -> Result<()> {
        let is_there = || Ok(Daemon::connect(&session.socket)?.call(&Status {})?.reachable);
        until(PATIENCE, is_there, "podyd has not copied the directory yet")
    }
}

/// Waits for something that podyd says; while it cannot be asked, it does not say so.
fn until(patience: Duration, mut condition: impl FnMut() -> Result<bool>, otherwise: &str) -> Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        match condition() {
            Ok(true) => return Ok(()),
            Ok(false) | Err(_) if Instant::now() < deadline => thread::sleep(LOOK_EVERY),
            Ok(false) => return Err(Failure::new(Code::Failed, otherwise)),
            Err(failure) => {
                return Err(Failure::new(failure.code, format_args!("{otherwise}: {}", failure.message)));
            }
        }
    }
}

/// One at a time: the second finds an admin, or the directory that the first has chosen.
fn alone(plan: &Plan) -> Result<fs::File> {
    let folder = plan.node.folder();
    let lock = fs::File::open(folder)
        .map_err(|error| Failure::new(Code::Failed, format_args!("{}: {error}", folder.display())))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(_) => {
            Err(Failure::new(Code::Conflict, "another podyctl setup is at work; see what becomes of it"))
        }
    }
}

/// Carries it all out, unless somebody else has done so while the questions were asked.
pub fn carry_out(plan: &Plan, session: &mut Session<'_>) -> Result<()> {
    let _lock = alone(plan)?;
    Daemon::connect(&session.socket)?.call(&Look {})?;
    let steps = plan.steps();
    let mut outcome = Outcome::default();
    for (number, &step) in steps.iter().enumerate() {
        match plan.act(step, session) {
            Ok(()) => {
                say(session, &format!("done: {}", plan.what(step)))?;
                outcome.done.push(plan.what(step));
            }
            Err(failure) => {
                session.output.complain(&failure);
                for &left in &steps[number..] {
                    session.output.remark(&format!(
                        "NOT done: {}; go on with: {}",
                        plan.what(left),
                        plan.by_hand(left)
                    ));
                    outcome.not_done.push(plan.what(left));
                }
                if session.output.json {
                    session.output.object(&outcome)?;
                }
                return Err(Failure::silent(failure.code));
            }
        }
    }
    let end = match plan.new_admin() {
        Some(admin) => {
            format!("This node is set up. See: podyctl status; podyctl doctor; ssh {}@localhost", admin.name)
        }
        None => "This node is set up. See: podyctl status; podyctl doctor".to_owned(),
    };
    session.output.answer(&end, &outcome)
}

fn say(session: &mut Session<'_>, sentence: &str) -> Result<()> {
    if !session.output.json {
        session.output.text(&format!("{sentence}\n"))?;
        session.output.flush()?;
    }
    Ok(())
}
