//! The questions, for a person at the terminal: one a line, what Enter stands for in brackets, and again with a hint where
//! an answer cannot be. What is tried is tried at once, while its answers can still be mended.

use protocol::directory::Secret;
use protocol::oidc::Step;
use protocol::setup::TriedDirectory;

use super::answers::{Admin, Answers, Directory, Provider};
use super::draft::{Draft, section_of, user_of, with_password};
use super::machine::Part;
use super::{Node, advise, try_directory, try_provider};
use crate::person::{ask_new_password, ask_password, no_answer};
use crate::{Code, Failure, Result, Session};

/// Asks everything.
pub fn ask(node: &Node, session: &mut Session<'_>) -> Result<(Answers, Option<TriedDirectory>)> {
    session.output.text(
        "This sets Pody up on this machine. Nothing is changed before you have seen a summary and said yes; Ctrl-C ends it at \
         any time. Enter takes what stands in brackets.\n",
    )?;
    let (directory, tried) = ask_directory(node, session)?;
    let admin = ask_admin(node, &directory, tried.as_ref(), session)?;
    let oidc = ask_provider(node, &directory, session)?;
    let nsswitch = ask_part("Shall programs see Pody's users (nsswitch.conf)?", &node.nsswitch, session)?;
    let pam = ask_part("Shall Pody's users be able to log in (PAM)?", &node.pam, session)?;
    Ok((Answers { directory, admin, oidc, nsswitch, pam }, tried))
}

fn ask_directory(node: &Node, session: &mut Session<'_>) -> Result<(Directory, Option<TriedDirectory>)> {
    if !node.found.section.is_empty() {
        session.output.text(&format!(
            "\nUsers and groups are where the configuration has them already: {}\n",
            node.found.location
        ))?;
        return Ok((Directory::Own {}, None));
    }
    loop {
        session.output.text(
            "\nWhere are users and groups kept?\n  1  in a file of this node\n  2  in a database that many nodes share \
             (PostgreSQL, MySQL or MariaDB, libSQL)\n  3  on another node, which has them already\n",
        )?;
        let one_of = |answer: &str| match answer {
            "1" | "2" | "3" => Ok(answer.to_owned()),
            _ => Err("1, 2 or 3".to_owned()),
        };
        let directory = match question(session, "Your choice", Some("1"), one_of)?.as_str() {
            "2" => ask_database(session)?,
            "3" => ask_node(session)?,
            _ => return Ok((Directory::Own {}, None)),
        };
        match Draft::of_directory(&directory, &session.configuration).map_err(advise) {
            Ok(draft) => match try_directory(node, &draft, session) {
                Ok(tried) => return Ok((directory, Some(tried))),
                Err(failure) => session.output.complain(&failure),
            },
            Err(failure) => session.output.complain(&failure),
        }
    }
}

fn ask_database(session: &mut Session<'_>) -> Result<Directory> {
    let is_known = |url: &str| section_of(url).map(|section| (url.to_owned(), section));
    let prompt = "Its URL, without the password, such as postgres://pody@db.example.org/pody";
    let (url, section) = question(session, prompt, None, is_known)?;
    if section == "backend.libsql" {
        let token = secret(session, "Its token (empty for none): ")?;
        return Ok(Directory::Database {
            url: Secret(url),
            token: Some(token).filter(|token| !token.0.is_empty()),
        });
    }
    let url = match user_of(&url) {
        Some(user) => {
            let password = secret(session, &format!("The password of {user} there (empty for none): "))?;
            if password.0.is_empty() { url } else { with_password(&url, &password.0) }
        }
        None => url,
    };
    Ok(Directory::Database { url: Secret(url), token: None })
}

fn ask_node(session: &mut Session<'_>) -> Result<Directory> {
    let is_address = |text: &str| match text.starts_with("https://") || text.starts_with("http://") {
        true => Ok(text.to_owned()),
        false => Err("begins with https:// (or http:// in a network that you trust)".to_owned()),
    };
    let prompt = "The other node's address, such as https://server-a.example.com:8799";
    let endpoint = question(session, prompt, None, is_address)?;
    let access_token = secret(session, "The token that it accepts: ")?;
    let ca_file = ask_authority(&endpoint, session)?;
    Ok(Directory::Node { endpoint, access_token, ca_file })
}

fn ask_authority(address: &str, session: &mut Session<'_>) -> Result<Option<String>> {
    if !address.starts_with("https://") {
        return Ok(None);
    }
    let is_path = |text: &str| match text.is_empty() || text.starts_with('/') {
        true => Ok(text.to_owned()),
        false => Err("an absolute path, or nothing".to_owned()),
    };
    let prompt = "Who vouches for its certificate (a PEM file; nothing: whom this machine trusts)";
    Ok(Some(question(session, prompt, Some(""), is_path)?).filter(|path| !path.is_empty()))
}

fn ask_admin(
    node: &Node,
    directory: &Directory,
    tried: Option<&TriedDirectory>,
    session: &mut Session<'_>,
) -> Result<Option<Admin>> {
    if let Some(why) = node.no_admin_wanted(directory, tried) {
        session.output.text(&format!("\n{why}\n"))?;
        return Ok(None);
    }
    session
        .output
        .text("\nThe first admin looks after users and groups, here and on every node that shares them.\n")?;
    let is_free = |name: &str| Admin::check_name(name).map(|()| name.to_owned());
    let name = loop {
        let name = question(session, "The admin's login name", None, is_free)?;
        match node.is_free(&name, directory, session) {
            Ok(()) => break name,
            Err(failure) => session.output.complain(&failure),
        }
    };
    let is_gecos = |gecos: &str| Admin::check_gecos(gecos).map(|()| gecos.to_owned());
    let gecos = question(session, "Full name", Some(""), is_gecos)?;
    let least = node.found.min_password_length;
    let password = loop {
        let person = person(session)?;
        let password =
            ask_new_password(person, &format!("Password for {name} ({least} characters at least): "))?;
        match Admin::check_password(&password, least) {
            Ok(()) => break password,
            Err(why) => session.output.remark(&why),
        }
    };
    Ok(Some(Admin { name, gecos, password }))
}

fn ask_provider(node: &Node, directory: &Directory, session: &mut Session<'_>) -> Result<Option<Provider>> {
    if !node.found.issuer.is_empty() {
        session
            .output
            .text(&format!("\nThe OpenID provider is configured already: {}\n", node.found.issuer))?;
        return Ok(None);
    }
    session.output.text(
        "\nWhoever has no password here can log in at an OpenID provider (Keycloak, Entra ID, Authentik, …). Who gets an account \
         so, [oidc.users] in config.toml says later; by default it is nobody.\n",
    )?;
    while yes(session, "Do you have one?", false)? {
        let any = |text: &str| {
            if text.is_empty() { Err("something has to stand here".to_owned()) } else { Ok(text.to_owned()) }
        };
        let issuer =
            question(session, "Its issuer, such as https://login.example.com/realms/cluster", None, any)?;
        let client_id = question(session, "What podyd is called there (client id)", Some("pody"), any)?;
        let client_secret = secret(session, "The client's secret (empty for a public client): ")?;
        let client_secret = Some(client_secret).filter(|secret| !secret.0.is_empty());
        let ca_file = ask_authority(&issuer, session)?;
        let provider = Provider { issuer, client_id, client_secret, ca_file };
        let draft = node.draft(directory, Some(&provider))?;
        match try_provider(node, &draft, session) {
            Ok(steps) if steps.iter().all(|step| step.passed) => return Ok(Some(provider)),
            Ok(steps) => {
                if answers(&steps)
                    && yes(session, "Not all of it is as it should be. Take it all the same?", false)?
                {
                    return Ok(Some(provider));
                }
            }
            Err(failure) => session.output.complain(&failure),
        }
    }
    Ok(None)
}

/// Whether there is a provider at all, be it set up to the end or not.
fn answers(steps: &[Step]) -> bool {
    steps.iter().any(|step| step.step == "discovery" && step.passed)
}

fn ask_part(prompt: &str, part: &Part, session: &mut Session<'_>) -> Result<bool> {
    let Part::Changes(lines) = part else { return Ok(true) };
    session.output.text(&format!("\n{}\n", super::indented(lines)))?;
    yes(session, prompt, true)
}

/// Asks for a yes or a no.
pub fn yes(session: &mut Session<'_>, prompt: &str, by_default: bool) -> Result<bool> {
    let is_answer = |answer: &str| match answer.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "n" | "no" => Ok(false),
        _ => Err("y or n".to_owned()),
    };
    let (default, shown) = if by_default { ("y", "Y/n") } else { ("n", "y/N") };
    ask_until(session, &format!("{prompt} [{shown}] "), Some(default), is_answer)
}

/// Asks for what a prompt says; Enter stands for the default.
fn question<T>(
    session: &mut Session<'_>,
    prompt: &str,
    by_default: Option<&str>,
    parse: impl Fn(&str) -> std::result::Result<T, String>,
) -> Result<T> {
    let prompt = match by_default {
        Some(default) => format!("{prompt} [{default}]: "),
        None => format!("{prompt}: "),
    };
    ask_until(session, &prompt, by_default, parse)
}

/// Asks until there is an answer that can be.
fn ask_until<T>(
    session: &mut Session<'_>,
    prompt: &str,
    by_default: Option<&str>,
    parse: impl Fn(&str) -> std::result::Result<T, String>,
) -> Result<T> {
    loop {
        session.output.flush()?;
        let answer = person(session)?.line(prompt).map_err(no_answer)?;
        let answer = match (answer.trim(), by_default) {
            ("", Some(default)) => default,
            (given, _) => given,
        };
        match parse(answer) {
            Ok(value) => return Ok(value),
            Err(hint) => session.output.remark(&format!("That cannot be: {hint}")),
        }
    }
}

fn secret(session: &mut Session<'_>, prompt: &str) -> Result<Secret> {
    session.output.flush()?;
    ask_password(person(session)?, prompt)
}

fn person<'a>(session: &'a mut Session<'_>) -> Result<&'a mut (dyn crate::Person + 'a)> {
    match session.person.as_deref_mut() {
        Some(person) => Ok(person),
        None => Err(nobody_to_ask()),
    }
}

/// There is no terminal.
pub fn nobody_to_ask() -> Failure {
    Failure::new(
        Code::Usage,
        "there is no terminal, and so nobody to ask: run podyctl setup on one, or give it --answers FILE; \
         podyctl setup --answers-example prints such a file",
    )
}
