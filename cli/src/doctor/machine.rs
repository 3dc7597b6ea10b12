//! What podyd cannot see, or should not be alone in judging: how this machine's programs come to Pody (nsswitch.conf, PAM),
//! and who can read its configuration.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use protocol::node::{Finding, Severity};

use super::finding;
use Severity::{Note, Problem, Warning};

/// Settings that hold a secret; with `_file` or `File` behind them, the name of a file that does.
const SECRETS: [&str; 4] = ["access_token", "authToken", "auth_token", "client_secret"];
const SECRET_FILES: [&str; 6] =
    ["access_token_file", "authTokenFile", "auth_token_file", "client_secret_file", "urlFile", "url_file"];

/// What is to be said of this machine, whose configuration files are in `etc`; Pody's own are in `configuration`.
pub fn findings(etc: &Path, configuration: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(match fs::read_to_string(etc.join("nsswitch.conf")) {
        Ok(text) => nsswitch(&text),
        Err(error) => vec![finding(Problem, "nsswitch.conf", format!("it cannot be read: {error}"), ENABLE)],
    });
    findings.extend(pam(&pam_lines(&etc.join("pam.d"))));
    findings.extend(secrets(&configuration.join("config.toml")));
    findings.extend(id_ranges(&configuration.join("id-ranges")));
    findings
}

const ENABLE: &str = "sudo /usr/share/pody/nsswitch enable";

/// Whether programs ask Pody for names, and do not take trouble for "no such user".
fn nsswitch(text: &str) -> Vec<Finding> {
    let judged = ["passwd", "group", "shadow"].map(|database| {
        let what = objection(&services(text, database))?;
        let severity = if what.contains("not named") { Problem } else { Warning };
        Some(finding(severity, "nsswitch.conf", format!("in the line {database}: {what}"), ENABLE))
    });
    judged.into_iter().flatten().collect()
}

/// The words behind the colon of a database's line. Of several such lines glibc takes the last.
fn services<'a>(text: &'a str, database: &str) -> Vec<&'a str> {
    let mut lines = text.lines().rev().filter_map(|line| line.split('#').next()?.split_once(':'));
    let own = lines.find(|(name, _)| name.trim() == database);
    own.map(|(_, words)| words.split_whitespace().collect()).unwrap_or_default()
}

fn objection(services: &[&str]) -> Option<&'static str> {
    let place = |name: &str| services.iter().position(|service| *service == name);
    let Some(pody) = place("pody") else {
        return Some("pody is not named: programs do not see Pody's users");
    };
    if place("files").is_none_or(|files| files > pody) {
        return Some("files does not stand before pody: local accounts are to be found first");
    }
    let actions =
        services[pody + 1..].split_inclusive(|word| word.ends_with(']')).next().unwrap_or_default().join(" ");
    let returns = actions.starts_with('[') && actions.to_ascii_uppercase().contains("UNAVAIL=RETURN");
    (!returns).then_some(
        "[UNAVAIL=return] does not follow pody: while Pody cannot say, programs hear \"no such user\"",
    )
}

/// The lines of PAM's files that call our module.
fn pam_lines(directory: &Path) -> Vec<String> {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    let is_ours = |line: &&str| !line.trim_start().starts_with('#') && line.contains("pam_pody.so");
    texts.flat_map(|text| text.lines().filter(is_ours).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Whether logins come to Pody.
fn pam(lines: &[String]) -> Option<Finding> {
    let has =
        |phase: &str| lines.iter().any(|line| line.trim_start().trim_start_matches('-').starts_with(phase));
    let advice = "sudo pam-auth-update --package, with Pody's profiles in /usr/share/pam-configs";
    match (has("auth"), has("account")) {
        (true, true) => None,
        (true, false) => Some(finding(
            Problem,
            "PAM",
            "pam_pody.so is called for auth and not for account: locked and expired users get in",
            advice,
        )),
        (false, _) => Some(finding(
            Warning,
            "PAM",
            "no auth line in /etc/pam.d calls pam_pody.so: nobody of Pody's logs in by password",
            advice,
        )),
    }
}

/// Whether others can read what is secret in the configuration, or in a file that it names.
fn secrets(config_file: &Path) -> Vec<Finding> {
    // Whoever cannot read it is not root, and others cannot either.
    let Ok(text) = fs::read_to_string(config_file) else {
        return Vec::new();
    };
    let config = holds_secret(&text).then_some(config_file);
    let files = settings(&text, &SECRET_FILES).filter(|path| path.starts_with('/')).map(Path::new);
    let open = config.into_iter().chain(files).filter_map(|path| Some((path, open_mode(path)?)));
    let told = open.map(|(path, mode)| {
        let path = path.display();
        finding(
            Problem,
            "configuration",
            format!("{path} holds a secret, and every user of this machine can read it (mode {mode:04o})"),
            format!("chmod 0640 {path}; chgrp pody {path}; and replace the secret: it may have been copied"),
        )
    });
    told.collect()
}

/// The mode of a file that others can read.
fn open_mode(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & 0o004 != 0).then_some(mode)
}

/// Whether a secret stands in the text itself, and not in a variable.
fn holds_secret(text: &str) -> bool {
    let is_literal = |value: &str| !value.is_empty() && !value.contains("${");
    settings(text, &SECRETS).any(is_literal)
        || settings(text, &["url"]).any(|url| password_of(url).is_some_and(is_literal))
}

fn password_of(url: &str) -> Option<&str> {
    let (authority, _) = url.split_once("://")?.1.split_once('@')?;
    authority.split_once(':').map(|(_, password)| password)
}

/// The texts that a TOML file gives to these keys. This is no parser: what it overlooks is not told of, and no more.
fn settings<'a>(text: &'a str, keys: &'static [&'static str]) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.flat_map(move |line| keys.iter().filter_map(move |key| value(line, key)))
}

fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (before, after) = line.split_once(key)?;
    let is_whole = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
    let text = after.trim_start().strip_prefix('=').filter(|_| is_whole)?.trim_start();
    let quote = text.chars().next().filter(|c| ['"', '\''].contains(c))?;
    text[1..].split(quote).next()
}

/// Whether root has said which ids the modules take from podyd.
fn id_ranges(path: &Path) -> Option<Finding> {
    let path_shown = path.display();
    match fs::metadata(path) {
        Ok(status) if status.permissions().mode() & 0o022 != 0 => Some(finding(
            Problem,
            "id-ranges",
            format!(
                "others than its owner can write {path_shown}: the modules do not use it, nor anything of Pody's"
            ),
            format!("chmod 0644 {path_shown}"),
        )),
        Ok(_) => None,
        Err(_) => Some(finding(
            Note,
            "id-ranges",
            format!("{path_shown} is not there: every id from 1000 on is accepted from podyd"),
            format!("echo '1900000000 1999999999' | sudo tee {path_shown}"),
        )),
    }
}

#[cfg(test)]
mod tests;
