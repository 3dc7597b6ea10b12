//! What is to be done, for whoever confirms it.

use super::Plan;
use super::answers::{Admin, Directory};
use super::machine::Part;
use super::{indented, plain};
use crate::{Result, Session};

impl Plan {
    /// Shows all of it, but for secrets.
    pub fn show(&self, session: &mut Session<'_>) -> Result<()> {
        if session.output.json {
            return Ok(());
        }
        let config_file = self.node.config_file.display();
        let mut text = format!("\nSummary\n  directory: {}\n  admin: {}\n", self.directory(), self.admin());
        text += &format!("  OpenID provider: {}\n", self.provider());
        if self.changes_configuration() {
            text += &format!(
                "  {config_file} gets these lines; as it was, it stays in config.toml.before-setup\n{}\n",
                indented(&self.lines())
            );
        }
        for file in &self.draft.files {
            text += &format!("  {} is written, for root and podyd alone\n", file.path);
        }
        text += &format!("  podyd {}\n", self.podyd());
        text += &part("nsswitch.conf", self.answers.nsswitch, &self.node.nsswitch);
        text += &part("PAM", self.answers.pam, &self.node.pam);
        session.output.text(&text)
    }

    /// Whether the configuration is another one afterwards.
    pub fn changes_configuration(&self) -> bool {
        !self.draft.settings.is_empty()
    }

    /// Whether podyd has to be started anew for it.
    pub fn needs_restart(&self) -> bool {
        !self.compared.restarted.is_empty()
    }

    /// Whether the directory is another one afterwards.
    pub fn moves(&self) -> bool {
        !matches!(self.answers.directory, Directory::Own {})
    }

    /// The admin who is made.
    pub fn new_admin(&self) -> Option<&Admin> {
        let unwanted = self.node.no_admin_wanted(&self.answers.directory, self.tried.as_ref());
        self.answers.admin.as_ref().filter(|_| unwanted.is_none())
    }

    fn directory(&self) -> String {
        match (&self.tried, &self.answers.directory) {
            (Some(tried), Directory::Node { .. }) => {
                format!("that of the node at {}", plain(&tried.location))
            }
            (Some(tried), _) => format!("the database at {}", plain(&tried.location)),
            (None, _) if self.node.found.section.is_empty() => {
                format!("a file of this node, {}", plain(&self.node.found.location))
            }
            (None, _) => format!("{}, as it is", plain(&self.node.found.location)),
        }
    }

    fn admin(&self) -> String {
        match self.new_admin() {
            Some(admin) if admin.gecos.is_empty() => admin.name.clone(),
            Some(admin) => format!("{} ({})", admin.name, admin.gecos),
            None => "none is made".into(),
        }
    }

    fn provider(&self) -> String {
        match &self.answers.oidc {
            Some(provider) => {
                let kind =
                    if provider.client_secret.is_some() { "with a secret" } else { "without a secret" };
                format!("{}, client {}, {kind}", provider.issuer, provider.client_id)
            }
            None if self.node.found.issuer.is_empty() => "none".into(),
            None => format!("{}, as it is", plain(&self.node.found.issuer)),
        }
    }

    fn podyd(&self) -> &'static str {
        match (self.needs_restart(), self.changes_configuration()) {
            (true, _) => "is restarted; lookups go on meanwhile",
            (false, true) => "reads its configuration again",
            (false, false) => "goes on as it is",
        }
    }

    /// The lines that the configuration gets, below their sections.
    fn lines(&self) -> Vec<String> {
        let mut section = "";
        let mut lines = Vec::new();
        for setting in &self.draft.settings {
            if setting.section != section {
                section = setting.section;
                lines.push(format!("[{section}]"));
            }
            lines.push(setting.line());
        }
        lines
    }
}

fn part(name: &str, is_wanted: bool, part: &Part) -> String {
    match part {
        Part::InPlace => format!("  {name}: as it is, Pody is in it\n"),
        Part::Elsewhere(why) => format!("  {name}: is left alone: {why}\n"),
        Part::Changes(_) if !is_wanted => format!("  {name}: is left alone\n"),
        Part::Changes(lines) => format!("  {name}:\n{}\n", indented(lines)),
    }
}
