//! `podyctl login`: who the OpenID provider says one is, for a one-time code. podyd talks to the provider; here is the browser.

mod loopback;

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use protocol::login::{ForgetCodes, ForgottenCodes, OneTimeCode};
use protocol::oidc::{BeginLogin, ExchangeToken, FinishLogin};

use crate::arguments::Login;
use crate::break_glass::show;
use crate::daemon::Daemon;
use crate::person::read_long_secret;
use crate::{Code, Failure, Result, Session};
use loopback::Loopback;

/// How long somebody may take in the browser: as long as podyd waits.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// An ID token, in bytes: podyd takes no longer one.
const MAX_ID_TOKEN_BYTES: usize = 32 * 1024;

/// Gets a code for whoever logs in, or whose ID token is on standard input.
pub fn run(arguments: Login, session: &mut Session<'_>) -> Result<()> {
    if arguments.forget {
        return forget(arguments.user, session);
    }
    let code = match arguments.code {
        true => exchange(arguments.user, session)?,
        false => by_browser(arguments, session)?,
    };
    let OneTimeCode { name, seconds, .. } = &code;
    session
        .output
        .remark(&format!("You are {name}; for the next {seconds} s this one-time code logs you in:"));
    show(&code, session)
}

fn forget(user: Option<String>, session: &mut Session<'_>) -> Result<()> {
    let forgotten = Daemon::connect(&session.socket)?.call(&ForgetCodes { user })?;
    let ForgottenCodes { name, codes } = &forgotten;
    let output = &mut session.output;
    if output.json {
        output.object(&forgotten)?;
    } else {
        output.text(&format!("{codes} re-login codes of {name} are good no more on this node\n"))?;
    }
    output.flush()
}

fn exchange(name: Option<String>, session: &mut Session<'_>) -> Result<OneTimeCode> {
    let mut daemon = Daemon::connect(&session.socket)?;
    let mut id_token = read_long_secret(session.input, "ID token", MAX_ID_TOKEN_BYTES)?;
    id_token.0.truncate(id_token.0.trim_end().len());
    daemon.call(&ExchangeToken { id_token, name })
}

fn by_browser(Login { no_browser, user: name, .. }: Login, session: &mut Session<'_>) -> Result<OneTimeCode> {
    let failed = |error| {
        Failure::new(Code::Failed, format_args!("cannot listen on this machine's loopback address: {error}"))
    };
    let loopback = Loopback::open().map_err(failed)?;
    let begun = Daemon::connect(&session.socket)?.call(&BeginLogin { redirect: loopback.redirect() })?;
    // A browser must not run as root.
    let may_open = !no_browser && session.caller != Some(0) && has_display();
    let opened = may_open && open(&begun.url);
    let how = if opened { "A browser opens. If it does not" } else { "To log in" };
    session
        .output
        .remark(&format!("{how}, open this page in a browser on this machine:\n\n    {}\n", begun.url));
    let query = loopback.wait(&begun.url, PATIENCE).ok_or_else(|| {
        Failure::new(
            Code::Failed,
            "nobody came back from the browser within 5 minutes; begin again: podyctl login",
        )
    })?;
    // podyd keeps no connection for as long as people take.
    Daemon::connect(&session.socket)?.call(&FinishLogin { login: begun.login, query, name })
}

fn has_display() -> bool {
    ["WAYLAND_DISPLAY", "DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Opens a page in whatever the desktop has for that. Ctrl-C here must not end a browser that was started for it.
fn open(url: impl AsRef<OsStr>) -> bool {
    let mut command = Command::new("xdg-open");
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn().is_ok()
}
