//! `podyctl user …`.

use protocol::directory::{
    CreateUser, DeleteUser, GetUser, ListUsers, Secret, SetPassword, UpdateUser, UserRecord,
};
use protocol::identity::IdentityKey;
use protocol::session::{End, Ended};

use crate::arguments::{Add, Passwd, Update, UserCommand};
use crate::daemon::{Daemon, pages};
use crate::person::{ask_new_password, ask_password, confirm, read_password};
use crate::table::{Listing, Value, record};
use crate::{Code, Failure, Result, Session, export, import};

/// Runs a command about users.
pub fn run(command: UserCommand, session: &mut Session<'_>) -> Result<()> {
    match command {
        UserCommand::Add(user) => add(user, session),
        UserCommand::Show { user } => show(&user, session),
        UserCommand::List => list(session),
        UserCommand::Update(change) => update(change, session),
        UserCommand::Delete { name, yes } => delete(name, yes, session),
        UserCommand::Lock { name, kill: false } => set_state(name, "locked", session),
        UserCommand::Lock { name, kill: true } => lock_and_end(name, session),
        UserCommand::Unlock { name } => set_state(name, "active", session),
        UserCommand::Passwd(change) => passwd(change, session),
        UserCommand::Import(arguments) => import::run(&arguments, session),
        UserCommand::Export { output, force } => export::run(output.as_deref(), force, session),
    }
}

fn add(user: Add, session: &mut Session<'_>) -> Result<()> {
    let mut daemon = Daemon::connect(&session.socket)?;
    let password = first_password(&user, session)?;
    let wants_no_password = user.no_password;
    let name = user.name;
    let created = daemon
        .call(&CreateUser {
            name,
            uid: user.uid,
            group: user.group,
            gecos: user.gecos,
            email: user.email,
            home: user.home,
            shell: user.shell,
            expires_at: user.expires.filter(|date| !date.is_empty()),
            is_admin: user.admin,
            groups: user.groups,
            password,
            reuse_name: user.reuse_name,
        })?
        .user;
    session.output.answer(&format!("{} was created with uid {}.", created.name, created.uid), &created)?;
    // Whoever says so wants none: people log in by a key, or at an OpenID provider.
    if !created.has_password && !wants_no_password {
        let advice = format!("{0} has no password; give one with: podyctl user passwd {0}", created.name);
        session.output.remark(&advice);
    }
    show_hidden(&created, session);
    Ok(())
}

fn first_password(user: &Add, session: &mut Session<'_>) -> Result<Option<Secret>> {
    if user.password_stdin {
        return read_password(session.input).map(Some);
    }
    match session.person.as_deref_mut() {
        Some(person) if !user.no_password => {
            let prompt = format!("Password for {} (empty for none): ", user.name);
            Ok(Some(ask_new_password(person, &prompt)?).filter(|password| !password.0.is_empty()))
        }
        _ => Ok(None),
    }
}

/// Says why a user who was just changed cannot be seen on this node.
fn show_hidden(user: &UserRecord, session: &mut Session<'_>) {
    if let Some(why) = &user.hidden {
        session.output.remark(&format!("{} is not served on this node: {why}", user.name));
    }
}

fn show(key: &str, session: &mut Session<'_>) -> Result<()> {
    // No name begins with a digit.
    let by_id = key.starts_with(|c: char| c.is_ascii_digit());
    let call = if by_id {
        let uid = key
            .parse()
            .map_err(|_| Failure::new(Code::Usage, format_args!("{key} is neither a name nor a uid")))?;
        GetUser { uid: Some(uid), name: None }
    } else {
        GetUser { name: Some(key.to_owned()), uid: None }
    };
    let user = Daemon::connect(&session.socket)?.call(&call)?.user;
    if session.output.json {
        return session.output.object(&user);
    }
    record(&mut session.output, fields(user))
}

fn fields(user: UserRecord) -> impl Iterator<Item = (&'static str, Value)> {
    let yes_no = |yes: bool| Value::from(if yes { "yes" } else { "no" });
    [
        ("name", Some(user.name.into())),
        ("uid", Some(user.uid.into())),
        ("gid", Some(user.gid.into())),
        ("gecos", Some(user.gecos.into())),
        ("email", user.email.map(Into::into)),
        ("home", Some(user.home.into())),
        ("shell", Some(user.shell.into())),
        ("state", Some(state(&user.state))),
        ("expires", Some(user.expires_at.unwrap_or_else(|| "never".into()).into())),
        ("admin", Some(yes_no(user.is_admin))),
        ("password", Some(yes_no(user.has_password))),
        ("groups", Some(user.groups.join(" ").into())),
        ("origin", Some(user.origin).filter(|origin| !origin.is_empty()).map(Into::into)),
        (
            "identities",
            Some(user.identities).filter(|all| !all.is_empty()).map(|all| identities(&all).into()),
        ),
        (
            "refused",
            user.refused
                .then(|| Value::Striking("here, since the OpenID provider has ended the account".into())),
        ),
        ("hidden", user.hidden.map(Value::Striking)),
        ("uuid", Some(user.uuid.into())),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| (name, value)))
}

fn identities(all: &[IdentityKey]) -> String {
    let one = |IdentityKey { issuer, subject }: &IdentityKey| format!("{issuer} {subject}");
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn state(word: &str) -> Value {
    match word {
        "active" => word.into(),
        _ => Value::Striking(word.to_owned()),
    }
}

fn list(session: &mut Session<'_>) -> Result<()> {
    let mut daemon = Daemon::connect(&session.socket)?;
    let output = &mut session.output;
    if output.json {
        let mut array = output.array();
        each_page(&mut daemon, |users| users.iter().try_for_each(|user| array.push(user)))?;
        return array.end();
    }
    let mut listing = Listing::new(["NAME", "UID", "GID", "STATE", "EXPIRES", "GECOS"]);
    each_page(&mut daemon, |users| listing.page(output, users.into_iter().map(row)))
}

fn each_page(daemon: &mut Daemon, each: impl FnMut(Vec<UserRecord>) -> Result<()>) -> Result<()> {
    let page = |after| {
        let reply = daemon.call(&ListUsers { after, limit: None })?;
        Ok((reply.users, reply.more))
    };
    pages(page, |user: &UserRecord| user.name.clone(), each)
}

fn row(user: UserRecord) -> [Value; 6] {
    let state = match (&user.hidden, user.is_admin) {
        (Some(_), _) => Value::Striking(format!("{}, hidden", user.state)),
        (None, true) if user.state == "active" => "active, admin".into(),
        _ => state(&user.state),
    };
    [
        user.name.into(),
        user.uid.into(),
        user.gid.into(),
        state,
        user.expires_at.unwrap_or_else(|| "never".into()).into(),
        user.gecos.into(),
    ]
}

fn update(change: Update, session: &mut Session<'_>) -> Result<()> {
    let is_admin = match (change.admin, change.no_admin) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let call = UpdateUser {
        name: change.name,
        new_name: change.rename,
        gecos: change.gecos,
        email: change.email,
        home: change.home,
        shell: change.shell,
        expires_at: change.expires,
        is_admin,
        ..Default::default()
    };
    let user = Daemon::connect(&session.socket)?.call(&call)?.user;
    session.output.answer(&format!("{} was changed.", user.name), &user)?;
    show_hidden(&user, session);
    Ok(())
}

fn set_state(name: String, state: &str, session: &mut Session<'_>) -> Result<()> {
    let call = UpdateUser { name, state: Some(state.to_owned()), ..Default::default() };
    let user = Daemon::connect(&session.socket)?.call(&call)?.user;
    session.output.answer(&format!("{} is {} now.", user.name, user.state), &user)
}

/// Locks first, so that nobody comes back in between.
fn lock_and_end(name: String, session: &mut Session<'_>) -> Result<()> {
    set_state(name.clone(), "locked", session)?;
    let ended = Daemon::connect(&session.socket)?.call(&End { user: Some(name.clone()), id: None });
    let Ended { processes } = ended.map_err(|failure| {
        let message = format_args!("{name} is locked, but what they run here goes on: {}", failure.message);
        Failure::new(failure.code, message)
    })?;
    session.output.remark(&format!("{processes} of their processes were ended on this node."));
    Ok(())
}

fn delete(name: String, yes: bool, session: &mut Session<'_>) -> Result<()> {
    let mut daemon = Daemon::connect(&session.socket)?;
    if !yes {
        // Nobody should be asked about a user who is not there.
        daemon.call(&GetUser { name: Some(name.clone()), uid: None })?;
    }
    confirm(session, yes, &format!("Delete the user {name}? Files stay where they are."))?;
    let done = daemon.call(&DeleteUser { name: name.clone() })?;
    session.output.answer(&format!("{name} was deleted."), &done)
}

fn passwd(change: Passwd, session: &mut Session<'_>) -> Result<()> {
    let mut daemon = Daemon::connect(&session.socket)?;
    let (name, own) = whose_password(change.name, session.caller, &mut daemon)?;
    let (old, new) = if change.password_stdin {
        let old = if own { Some(read_password(session.input)?) } else { None };
        (old, Some(read_password(session.input)?))
    } else {
        ask_for_both(&name, own, change.remove, session)?
    };
    let removed = new.is_none();
    let done = daemon.call(&SetPassword { name: name.clone(), old, new })?;
    let sentence = if removed { "has no password any more" } else { "has a new password" };
    session.output.answer(&format!("{name} {sentence}."), &done)
}

/// The login name, and whether the caller changes their own password and so has to know the old one.
fn whose_password(name: Option<String>, caller: Option<u32>, daemon: &mut Daemon) -> Result<(String, bool)> {
    match name {
        // root may set any password, and is no user of Pody's: there is nothing to look up.
        Some(name) if caller == Some(0) => Ok((name, false)),
        Some(name) => {
            let user = daemon.call(&GetUser { name: Some(name), uid: None })?.user;
            Ok((user.name, caller == Some(user.uid)))
        }
        None if caller.is_none_or(|uid| uid == 0) => Err(Failure::new(
            Code::Usage,
            "say whose password: podyctl user passwd NAME (root's own is in /etc/shadow)",
        )),
        None => Ok((daemon.call(&GetUser { uid: caller, name: None })?.user.name, true)),
    }
}

fn ask_for_both(
    name: &str,
    own: bool,
    remove: bool,
    session: &mut Session<'_>,
) -> Result<(Option<Secret>, Option<Secret>)> {
    if remove && !own {
        return Ok((None, None));
    }
    let Some(person) = session.person.as_deref_mut() else {
        return Err(Failure::new(
            Code::Usage,
            "nobody to ask on this terminal: give the password with --password-stdin",
        ));
    };
    let old = if own { Some(ask_password(person, "Your present password: ")?) } else { None };
    if remove {
        return Ok((old, None));
    }
    let new = ask_new_password(person, &format!("New password for {name}: "))?;
    if new.0.is_empty() {
        return Err(Failure::new(Code::Usage, "an empty password was not set; to take it away use --remove"));
    }
    Ok((old, Some(new)))
}
