//! How the programs of this machine come to Pody: what would become of nsswitch.conf and PAM, and the tools that do it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Code, Failure, Result};

const NSSWITCH: &str = "/usr/share/pody/nsswitch";
const NSSWITCH_FILE: &str = "/etc/nsswitch.conf";
const PROFILES: &str = "/usr/share/pody/pam/pam-configs";
const PAM_CONFIGS: &str = "/usr/share/pam-configs";
const PAM_AUTH_UPDATE: &str = "/usr/sbin/pam-auth-update";

/// What each heading of a profile for pam-auth-update is about.
const PHASES: [(&str, &str); 4] = [
    ("Auth:", "common-auth"),
    ("Account:", "common-account"),
    ("Password:", "common-password"),
    ("Session:", "common-session"),
];

/// A part of the machine that may have to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is as it should be.
    InPlace,
    /// These lines would change, each with a sign before it.
    Changes(Vec<String>),
    /// It is not to be changed from here, for this reason.
    Elsewhere(String),
}

impl Part {
    /// Whether there is something to do.
    pub fn changes(&self) -> bool {
        matches!(self, Self::Changes(_))
    }
}

/// What would become of nsswitch.conf.
pub fn nsswitch() -> Part {
    if !Path::new(NSSWITCH).exists() {
        return Part::Elsewhere(format!("there is no {NSSWITCH}: see docs/guide/pam-and-nsswitch.md"));
    }
    let before = match fs::read_to_string(NSSWITCH_FILE) {
        Ok(text) => text,
        Err(error) => return Part::Elsewhere(format!("{NSSWITCH_FILE} cannot be read: {error}")),
    };
    match Command::new(NSSWITCH).args(["preview", NSSWITCH_FILE]).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {
            let changes = changed_lines(&before, &String::from_utf8_lossy(&output.stdout));
            if changes.is_empty() { Part::InPlace } else { Part::Changes(changes) }
        }
        Ok(output) => Part::Elsewhere(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Part::Elsewhere(format!("{NSSWITCH}: {error}")),
    }
}

/// The script changes lines where they stand.
fn changed_lines(before: &str, after: &str) -> Vec<String> {
    let pairs = before.lines().zip(after.lines()).filter(|(before, after)| before != after);
    pairs.flat_map(|(before, after)| [format!("- {before}"), format!("+ {after}")]).collect()
}

/// What would become of PAM's files.
pub fn pam() -> Part {
    if calls_us(&fs::read_to_string("/etc/pam.d/common-auth").unwrap_or_default()) {
        return Part::InPlace;
    }
    if !Path::new(PAM_AUTH_UPDATE).exists() {
        return Part::Elsewhere(
            "there is no pam-auth-update: docs/guide/pam-and-nsswitch.md has the lines for files written by hand".into(),
        );
    }
    let profiles = fs::read_dir(PROFILES).into_iter().flatten().flatten();
    let mut profiles: Vec<String> =
        profiles.filter_map(|file| fs::read_to_string(file.path()).ok()).collect();
    profiles.sort();
    let lines: Vec<String> =
        profiles.iter().filter(|text| is_on(text)).flat_map(|text| lines_of(text)).collect();
    match lines.is_empty() {
        true => Part::Elsewhere(format!("there are no profiles in {PROFILES}: see docs/guide/install.md")),
        false => Part::Changes(lines),
    }
}

fn calls_us(text: &str) -> bool {
    text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains("pam_pody.so"))
}

/// Whether a profile is enabled unless somebody says otherwise.
fn is_on(profile: &str) -> bool {
    profile.lines().any(|line| line == "Default: yes")
}

/// What a profile adds, as pam-auth-update will write it but for the numbers that stand for `end`.
fn lines_of(profile: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut file = None;
    for line in profile.lines() {
        match (line.strip_prefix('\t'), file) {
            (Some(line), Some(file)) => lines.push(format!("+ {file}: {}", line.replace('\t', " "))),
            (Some(_), None) => {}
            (None, _) => file = PHASES.iter().find(|(heading, _)| *heading == line).map(|(_, file)| *file),
        }
    }
    lines
}

/// Puts Pody into nsswitch.conf.
pub fn enable_nsswitch() -> Result<()> {
    run(Command::new(NSSWITCH).arg("enable"))
}

/// Puts Pody into PAM's files.
pub fn enable_pam() -> Result<()> {
    let failed = |error| Failure::new(Code::Failed, format_args!("{PAM_CONFIGS}: {error}"));
    for profile in fs::read_dir(PROFILES).map_err(failed)? {
        let profile = profile.map_err(failed)?;
        fs::copy(profile.path(), Path::new(PAM_CONFIGS).join(profile.file_name())).map_err(failed)?;
    }
    run(Command::new(PAM_AUTH_UPDATE).arg("--package").env("DEBIAN_FRONTEND", "noninteractive"))?;
    if pam() == Part::InPlace {
        return Ok(());
    }
    Err(Failure::new(
        Code::Failed,
        "pam-auth-update left /etc/pam.d alone, since somebody changed its files by hand; have it write them anew with \
         --force, or add the lines yourself",
    ))
}

/// Whether systemd runs podyd here.
pub fn has_unit() -> bool {
    Path::new("/run/systemd/system").exists() && run(&mut systemctl("is-active")).is_ok()
}

/// Has systemd start podyd anew, and waits until it is ready.
pub fn restart_unit() -> Result<()> {
    run(&mut systemctl("restart"))
}

fn systemctl(verb: &str) -> Command {
    let mut command = Command::new("systemctl");
    command.args([verb, "--quiet", "podyd"]);
    command
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |why: String| Failure::new(Code::Failed, format_args!("{program}: {why}"));
    let output = command.stdin(Stdio::null()).output().map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            Err(failed(format!("{} ({})", String::from_utf8_lossy(&output.stderr).trim(), output.status)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_shown_by_the_files_that_its_lines_go_to() {
        let profile = include_str!("../../../packaging/pam/pam-configs/pody");
        assert!(is_on(profile));
        let lines = lines_of(profile);
        assert!(lines[0].starts_with("+ common-auth: [success=end"), "{lines:?}");
        let last = lines.last().unwrap();
        assert!(last.starts_with("+ common-session: ") && last.ends_with("pam_pody.so"), "{lines:?}");
        assert!(!is_on(include_str!("../../../packaging/pam/pam-configs/pody-mkhomedir")));
    }

    #[test]
    fn lines_that_change_are_shown_and_others_are_not() {
        let (before, after) = ("a\npasswd: files\nb\n", "a\npasswd: files pody\nb\n");
        assert_eq!(changed_lines(before, after), ["- passwd: files", "+ passwd: files pody"]);
        assert_eq!(changed_lines(before, before), Vec::<String>::new());
    }

    #[test]
    fn a_comment_calls_nobody() {
        assert!(calls_us("auth required pam_pody.so") && !calls_us("# auth required pam_pody.so"));
    }
}
